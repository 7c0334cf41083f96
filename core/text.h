/* Outside text made showable: any bytes (a process name, a label, a log line) become UTF-8 or ASCII that cannot move a
 * cursor, change direction, vanish, or pretend to be something else. What is not shown as itself is escaped byte by byte
 * as \xHH, and a backslash as \\, so that the original bytes can be had back. Also how many columns text takes: by tables
 * of our own, because a locale's may be missing.
 *
 * Not here: clipping and drawing (tui/surface.h). */
#ifndef CORE_TEXT_H
#define CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum text_form {
	TEXT_UTF8 = 0,  /* for a terminal that shows UTF-8 */
	TEXT_ASCII = 1, /* every byte above 0x7e is escaped */
	TEXT_DATA = 2,  /* for JSON: only bytes that are not valid UTF-8, and the backslash, are escaped */
};

enum {
	TEXT_MARKS_MAX = 2,  /* combining marks on one character; more are escaped */
	TEXT_UNIT_MAX = 17,  /* bytes of one unit as shown, and a NUL */
};

/* One character to be shown, or one to be escaped. */
struct text_unit {
	const uint8_t *bytes; /* borrowed from the text */
	uint32_t code;        /* where not escaped */
	uint8_t len;          /* bytes it stands for, 1..4 */
	uint8_t width;        /* columns: 0 (a mark on the former one), 1, 2; escaped: 2 (backslash), 4, 8, 12, 16 */
	bool escaped;
};

struct text_iter {
	const uint8_t *p, *end;
	enum text_form form;
	bool keep_backslash; /* our own text: a backslash stays one */
	uint8_t marks;       /* seen since the last character; TEXT_MARKS_MAX: no more may follow */
};

void text_iter_init(struct text_iter *, const void *bytes, size_t n, enum text_form);
bool text_next(struct text_iter *, struct text_unit *); /* false: at the end */
/* As shown, NUL-terminated; returns its length. */
size_t text_unit_put(const struct text_unit *, char out[TEXT_UNIT_MAX]);

/* Writes all of it as shown, NUL-terminated where cap > 0, cut before the unit that does not fit. Returns the length it
 * would have without the bound, as snprintf does. */
size_t text_sanitise(char *out, size_t cap, const void *bytes, size_t n, enum text_form);
/* The original bytes of sanitised text; an escape that is none stays as it is. Returns their number, at most `cap` are
 * written; not terminated. */
size_t text_unescape(void *out, size_t cap, const char *text, size_t n);
/* Columns of the text as shown. */
size_t text_width(const void *bytes, size_t n, enum text_form);

/* Columns of a code point: 2 wide, 1, 0 combining mark, -1 never shown as itself. Unknown ones take 1. */
int text_code_width(uint32_t code);
/* Decodes one code point of strict UTF-8; returns its bytes, or 0 where it is invalid (overlong, surrogate, cut short). */
size_t text_decode(const uint8_t *p, size_t n, uint32_t *ret_code);
/* Encodes a valid code point; returns 1..4. */
size_t text_encode(uint32_t code, char out[4]);

#endif
