#include "input.h"

#include <string.h>

#include "text.h"

/* A CSI or SS3 sequence by its last byte. */
static uint32_t key_of_final(uint8_t final)
{
	switch (final) {
	case 'A': return KEY_UP;
	case 'B': return KEY_DOWN;
	case 'C': return KEY_RIGHT;
	case 'D': return KEY_LEFT;
	case 'H': return KEY_HOME;
	case 'F': return KEY_END;
	case 'Z': return KEY_BACKTAB;
	case 'M': return KEY_ENTER; /* keypad, SS3 only */
	case 'P': return KEY_F(1);
	case 'Q': return KEY_F(2);
	case 'R': return KEY_F(3);
	case 'S': return KEY_F(4);
	default: return KEY_NONE;
	}
}

/* CSI n ~ */
static uint32_t key_of_number(unsigned n)
{
	switch (n) {
	case 1: case 7: return KEY_HOME;
	case 2: return KEY_INSERT;
	case 3: return KEY_DELETE;
	case 4: case 8: return KEY_END;
	case 5: return KEY_PAGE_UP;
	case 6: return KEY_PAGE_DOWN;
	case 11: case 12: case 13: case 14: case 15: return KEY_F(1) + n - 11;
	case 17: case 18: case 19: case 20: case 21: return KEY_F(6) + n - 17;
	case 23: case 24: return KEY_F(11) + n - 23;
	default: return KEY_NONE;
	}
}

void input_init(struct input *in, bool utf8)
{
	memset(in, 0, sizeof(*in));
	in->utf8 = utf8;
}

void input_learn(struct input *in, const char *sequence, uint32_t key)
{
	size_t n = sequence ? strlen(sequence) : 0;

	/* Single bytes are keys by themselves; sequences that don't begin with ESC would take keys away. */
	if (n < 2 || n > INPUT_SEQUENCE_MAX || sequence[0] != 0x1b || in->nsequences == INPUT_SEQUENCES)
		return;
	memcpy(in->sequences[in->nsequences].bytes, sequence, n);
	in->sequences[in->nsequences].len = (uint8_t)n;
	in->sequences[in->nsequences++].key = key;
}

size_t input_feed(struct input *in, const void *bytes, size_t n)
{
	if (n > sizeof(in->buffer) - in->len)
		n = sizeof(in->buffer) - in->len;
	memcpy(in->buffer + in->len, bytes, n);
	in->len += n;
	return n;
}

void input_clear(struct input *in)
{
	in->len = 0;
	in->in_string = false;
}

static void take(struct input *in, size_t n)
{
	memmove(in->buffer, in->buffer + n, in->len - n);
	in->len -= n;
}

/* Swallows a string sequence up to BEL or ESC \. True: it has ended. */
static bool skip_string(struct input *in)
{
	for (size_t i = 0; i < in->len; i++) {
		uint8_t c = in->buffer[i];

		if (c == 0x07) {
			take(in, i + 1);
			in->in_string = false;
			return true;
		}
		if (c == 0x1b) {
			if (i + 1 == in->len) {
				take(in, i);
				return false;
			}
			/* ESC \ ends it; so does, cut short, any other ESC, which begins something new. */
			take(in, in->buffer[i + 1] == '\\' ? i + 2 : i);
			in->in_string = false;
			return true;
		}
	}
	in->len = 0;
	return false;
}

/* Parses ESC [ ... ; returns its length, 0 where more must come. The key may be KEY_NONE: swallowed. */
static size_t csi(const struct input *in, struct key *key)
{
	const uint8_t *p = in->buffer;
	unsigned params[8] = {0};
	size_t nparams = 0, i = 2;
	uint8_t lead = 0;

	if (i < in->len && p[i] >= '<' && p[i] <= '?')
		lead = p[i++];
	/* The Linux console's F1..F5. */
	if (i < in->len && p[i] == '[' && !lead) {
		if (i + 1 >= in->len)
			return 0;
		key->code = p[i + 1] >= 'A' && p[i + 1] <= 'E' ? KEY_F(1) + (uint32_t)(p[i + 1] - 'A') : KEY_NONE;
		return i + 2;
	}
	for (; i < in->len; i++) {
		uint8_t c = p[i];

		if (c >= '0' && c <= '9') {
			if (!nparams)
				nparams = 1;
			if (nparams <= 8 && params[nparams - 1] < 100000)
				params[nparams - 1] = params[nparams - 1] * 10 + (c - '0');
		} else if (c == ';' || c == ':') {
			nparams += nparams ? 1 : 2;
			if (nparams > 8)
				nparams = 9;
		} else if (c >= 0x20 && c <= 0x2f) {
			/* intermediate: none of ours has one */
			lead = lead ? lead : c;
		} else if (c >= 0x40 && c <= 0x7e) {
			if (lead == '<' && (c == 'M' || c == 'm')) {
				unsigned b = params[0];

				/* Presses only; bit 5 is motion, bit 6 the wheel; 4, 8, 16 are modifiers. */
				if (c == 'M' && !(b & 32) && params[1] && params[2]) {
					key->code = KEY_MOUSE;
					key->button = b & 64 ? (b & 1 ? MOUSE_WHEEL_DOWN : MOUSE_WHEEL_UP) :
							       (uint8_t)(MOUSE_LEFT + (b & 3));
					key->x = (int)params[1] - 1;
					key->y = (int)params[2] - 1;
				}
			} else if (!lead && c == '~') {
				key->code = key_of_number(params[0]);
			} else if (!lead && c != 'M' && c != 'R') {
				/* R with numbers is a late answer of the terminal (where the cursor is), F3 never
				 * comes like that without a modifier. */
				key->code = key_of_final(c);
			} else if (!lead && c == 'R' && params[0] == 1 && nparams <= 2 && params[1] <= 16) {
				key->code = KEY_F(3);
			}
			/* A modifier of Alt keeps its meaning; Shift and Ctrl are left out. */
			if (key->code && key->code != KEY_MOUSE && nparams == 2 && params[1] >= 2 &&
			    ((params[1] - 1) & 2))
				key->code |= KEY_ALT;
			return i + 1;
		} else {
			/* Not a sequence after all: what is there goes, the byte stays. */
			return i;
		}
	}
	/* Longer than any sequence is: swallowed. */
	return in->len > 64 ? in->len : 0;
}

/* One step: bytes used, 0 where more must come. */
static size_t step(struct input *in, bool late, struct key *key)
{
	const uint8_t *p = in->buffer;
	bool prefix = false;
	uint32_t code;
	size_t n;

	key->code = KEY_NONE;
	if (p[0] != 0x1b) {
		if (p[0] == '\n')
			key->code = KEY_ENTER;
		else if (p[0] == 0x08)
			key->code = KEY_BACKSPACE;
		else if (p[0] < 0x80)
			key->code = p[0];
		if (p[0] < 0x80)
			return 1;
		n = text_decode(p, in->len, &code);
		if (n && in->utf8) {
			/* C1 controls and the like are nothing that was typed. */
			if (text_code_width(code) >= 0)
				key->code = code;
			return n;
		}
		/* Perhaps only its first bytes have come. */
		if (!n && in->utf8 && !late && in->len < 4 && p[0] >= 0xc2 && p[0] <= 0xf4) {
			size_t want = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

			for (size_t i = 1; i < in->len; i++)
				if ((p[i] & 0xc0) != 0x80)
					return 1;
			if (in->len < want)
				return 0;
		}
		return 1;
	}
	for (size_t i = 0; i < in->nsequences; i++) {
		size_t len = in->sequences[i].len;

		if (in->len >= len && !memcmp(p, in->sequences[i].bytes, len)) {
			key->code = in->sequences[i].key;
			return len;
		}
		if (in->len < len && !memcmp(p, in->sequences[i].bytes, in->len))
			prefix = true;
	}
	if (prefix && in->len == 1 && !late)
		return 0;
	if (in->len == 1) {
		if (!late)
			return 0;
		key->code = KEY_ESC;
		return 1;
	}
	if (p[1] == '[') {
		n = csi(in, key);
		if (n || !late)
			return n;
		if (in->len == 2) {
			key->code = '[' | KEY_ALT;
			return 2;
		}
		return in->len; /* cut short: swallowed */
	}
	if (p[1] == 'O') {
		if (in->len == 2) {
			if (!late)
				return 0;
			key->code = 'O' | KEY_ALT;
			return 2;
		}
		key->code = key_of_final(p[2]);
		return 3;
	}
	if (p[1] == ']' || p[1] == 'P' || p[1] == '^' || p[1] == '_' || p[1] == 'X') {
		if (in->len == 2 && late) {
			key->code = p[1] | (uint32_t)KEY_ALT;
			return 2;
		}
		if (in->len == 2)
			return 0;
		in->in_string = true;
		return 2;
	}
	if (p[1] == 0x1b) {
		key->code = KEY_ESC;
		return 1;
	}
	if (p[1] < 0x80) {
		key->code = (p[1] == '\n' ? KEY_ENTER : p[1] == 0x08 ? KEY_BACKSPACE : p[1]) | (uint32_t)KEY_ALT;
		return 2;
	}
	key->code = KEY_ESC;
	return 1;
}

bool input_next(struct input *in, bool late, struct key *ret)
{
	while (in->len) {
		struct key key = {0};
		size_t n;

		if (in->in_string) {
			if (skip_string(in))
				continue;
			/* A string that nobody ends must not swallow what is typed for ever. */
			if (late) {
				in->in_string = false;
				in->len = 0;
			}
			return false;
		}
		n = step(in, late, &key);
		if (!n)
			return false;
		take(in, n);
		if (key.code) {
			*ret = key;
			return true;
		}
	}
	if (late)
		in->in_string = false;
	return false;
}

bool input_waits(const struct input *in)
{
	return in->len || in->in_string;
}
