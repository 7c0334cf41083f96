/* Bytes of a terminal to keys. Pure: it reads nothing and waits for nothing. Knows the usual sequences (xterm, vt100,
 * linux, rxvt, tmux) by their grammar, and those the terminal's description adds. Sequences that nobody asked for (late
 * answers of the terminal, unknown keys) are swallowed whole, and never typed into the program. */
#ifndef TUI_INPUT_H
#define TUI_INPUT_H

#include <stdbool.h>

#include "keys.h"

enum { INPUT_BUFFER = 1024, INPUT_SEQUENCES = 64, INPUT_SEQUENCE_MAX = 16, INPUT_ESC_MS = 50 };

struct input {
	uint8_t buffer[INPUT_BUFFER];
	size_t len;
	bool in_string; /* of a sequence with a text (OSC, DCS), which is swallowed up to its end */
	bool utf8;
	struct {
		uint8_t bytes[INPUT_SEQUENCE_MAX];
		uint8_t len;
		uint32_t key;
	} sequences[INPUT_SEQUENCES];
	size_t nsequences;
};

void input_init(struct input *, bool utf8);
/* A sequence from the terminal's description. */
void input_learn(struct input *, const char *sequence, uint32_t key);
/* Takes as many bytes as there is room for; returns how many. */
size_t input_feed(struct input *, const void *bytes, size_t n);
/* The next key; false: none yet. `late`: no more bytes came for INPUT_ESC_MS, so a lone Esc is Esc. */
bool input_next(struct input *, bool late, struct key *ret);
/* Bytes wait for what comes after them. */
bool input_waits(const struct input *);
void input_clear(struct input *);

#endif
