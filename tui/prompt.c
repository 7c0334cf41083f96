#include "prompt.h"

#include <stdlib.h>
#include <string.h>

void prompt_init(struct prompt *p, struct prompt_history *history, const char *text)
{
	memset(p, 0, sizeof(*p));
	p->history = history;
	p->place = -1;
	prompt_set(p, text ? text : "");
}

void prompt_set(struct prompt *p, const char *text)
{
	size_t n = strlen(text);

	if (n >= sizeof(p->text)) {
		/* Not through the middle of a character. */
		n = sizeof(p->text) - 1;
		while (n && ((uint8_t)text[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(p->text, text, n);
	p->text[n] = 0;
	p->len = p->cursor = n;
}

/* Start of the character before, or after. */
static size_t before(const struct prompt *p, size_t at)
{
	while (at && ((uint8_t)p->text[--at] & 0xc0) == 0x80)
		;
	return at;
}

static size_t after(const struct prompt *p, size_t at)
{
	if (at < p->len)
		at++;
	while (at < p->len && ((uint8_t)p->text[at] & 0xc0) == 0x80)
		at++;
	return at;
}

static void cut(struct prompt *p, size_t from, size_t to)
{
	memmove(p->text + from, p->text + to, p->len - to + 1);
	p->len -= to - from;
	p->cursor = from;
}

static void remember(struct prompt_history *h, const char *text)
{
	char *copy;

	if (!h || !*text || (h->n && !strcmp(h->lines[0], text)))
		return;
	copy = strdup(text);
	if (!copy)
		return; /* a line less to come back to */
	if (h->n == PROMPT_HISTORY)
		free(h->lines[--h->n]);
	memmove(h->lines + 1, h->lines, h->n * sizeof(h->lines[0]));
	h->lines[0] = copy;
	h->n++;
}

void prompt_history_finish(struct prompt_history *h)
{
	while (h->n)
		free(h->lines[--h->n]);
}

static enum prompt_result browse(struct prompt *p, int step)
{
	long place = p->place + step;

	if (!p->history || place < -1 || place >= (long)p->history->n)
		return PROMPT_OPEN;
	if (p->place < 0)
		memcpy(p->typed, p->text, sizeof(p->typed));
	p->place = place;
	prompt_set(p, place < 0 ? p->typed : p->history->lines[place]);
	return PROMPT_CHANGED;
}

enum prompt_result prompt_key(struct prompt *p, const struct key *key)
{
	char bytes[4];
	size_t n;

	switch (key->code) {
	case KEY_ENTER:
		remember(p->history, p->text);
		return PROMPT_DONE;
	case KEY_ESC:
	case KEY_CTRL('g'):
		return PROMPT_CANCELLED;
	case KEY_TAB:
		return PROMPT_COMPLETE;
	case KEY_BACKSPACE:
		if (!p->len)
			return PROMPT_CANCELLED;
		if (!p->cursor)
			return PROMPT_OPEN;
		cut(p, before(p, p->cursor), p->cursor);
		return PROMPT_CHANGED;
	case KEY_DELETE:
	case KEY_CTRL('d'):
		if (p->cursor == p->len)
			return PROMPT_OPEN;
		cut(p, p->cursor, after(p, p->cursor));
		return PROMPT_CHANGED;
	case KEY_CTRL('u'):
		cut(p, 0, p->cursor);
		return PROMPT_CHANGED;
	case KEY_CTRL('k'):
		cut(p, p->cursor, p->len);
		return PROMPT_CHANGED;
	case KEY_CTRL('w'): {
		size_t from = p->cursor;

		while (from && p->text[from - 1] == ' ')
			from--;
		while (from && p->text[from - 1] != ' ')
			from--;
		cut(p, from, p->cursor);
		return PROMPT_CHANGED;
	}
	case KEY_LEFT:
	case KEY_CTRL('b'):
		p->cursor = before(p, p->cursor);
		return PROMPT_OPEN;
	case KEY_RIGHT:
	case KEY_CTRL('f'):
		p->cursor = after(p, p->cursor);
		return PROMPT_OPEN;
	case KEY_HOME:
	case KEY_CTRL('a'):
		p->cursor = 0;
		return PROMPT_OPEN;
	case KEY_END:
	case KEY_CTRL('e'):
		p->cursor = p->len;
		return PROMPT_OPEN;
	case KEY_UP:
	case KEY_CTRL('p'):
		return browse(p, 1);
	case KEY_DOWN:
	case KEY_CTRL('n'):
		return browse(p, -1);
	default:
		break;
	}
	if (key->code >= 0x110000 || text_code_width(key->code) < 0)
		return PROMPT_OPEN;
	n = text_encode(key->code, bytes);
	if (p->len + n >= sizeof(p->text))
		return PROMPT_OPEN;
	memmove(p->text + p->cursor + n, p->text + p->cursor, p->len - p->cursor + 1);
	memcpy(p->text + p->cursor, bytes, n);
	p->len += n;
	p->cursor += n;
	return PROMPT_CHANGED;
}

static int width(const struct surface *s, const char *text, size_t n)
{
	struct text_iter it;
	struct text_unit unit;
	int w = 0;

	text_iter_init(&it, text, n, surface_form(s));
	it.keep_backslash = true;
	while (text_next(&it, &unit))
		w += unit.width;
	return w;
}

void prompt_draw(const struct prompt *p, struct surface *s, int x, int y, int w, const char *label)
{
	int used = surface_say(s, x, y, w, ROLE_KEY, label);
	size_t from = 0;

	x += used;
	w -= used;
	if (w <= 0)
		return;
	/* One column for the cursor behind the end. */
	while (from < p->cursor && width(s, p->text + from, p->cursor - from) > w - 1)
		from = after(p, from);
	surface_put(s, x, y, w, ROLE_INPUT, PUT_OWN | PUT_FILL | PUT_NO_DOTS, p->text + from, p->len - from);
	surface_set_cursor(s, x + width(s, p->text + from, p->cursor - from), y);
}
