#include "surface.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct surface {
	int w, h;
	size_t cap; /* cells there is memory for */
	enum text_form form;
	struct rect clip;
	int cursor_x, cursor_y;
	struct cell *cells;
};

static const struct {
	char ascii;
	uint32_t utf8;
} glyphs[GLYPH_COUNT] = {
	[GLYPH_ELLIPSIS] = {'~', 0x2026},
	[GLYPH_HLINE] = {'-', 0x2500},
	[GLYPH_VLINE] = {'|', 0x2502},
	[GLYPH_CORNER_TL] = {'+', 0x250c},
	[GLYPH_CORNER_TR] = {'+', 0x2510},
	[GLYPH_CORNER_BL] = {'+', 0x2514},
	[GLYPH_CORNER_BR] = {'+', 0x2518},
	[GLYPH_TEE] = {'+', 0x251c},
	[GLYPH_ELBOW] = {'`', 0x2514},
	[GLYPH_SELECTED] = {'>', 0x25b8},
	[GLYPH_ENDED] = {'x', 0xd7},
	[GLYPH_SORT_DOWN] = {'v', 0x25bc},
	[GLYPH_SORT_UP] = {'^', 0x25b2},
	[GLYPH_FULL] = {'#', 0x2588},
	[GLYPH_DOT] = {'.', 0xb7},
};

static int clamp(int v, int low, int high)
{
	return v < low ? low : v > high ? high : v;
}

struct surface *surface_create(int w, int h, enum text_form form)
{
	struct surface *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->form = form;
	if (surface_resize(s, w, h)) {
		free(s);
		return NULL;
	}
	return s;
}

void surface_destroy(struct surface *s)
{
	if (!s)
		return;
	free(s->cells);
	free(s);
}

int surface_resize(struct surface *s, int w, int h)
{
	size_t n;

	w = clamp(w, 1, SURFACE_MAX);
	h = clamp(h, 1, SURFACE_MAX);
	n = (size_t)w * (size_t)h;
	if (n > s->cap) {
		struct cell *cells = realloc(s->cells, n * sizeof(*cells));

		if (!cells)
			return -ENOMEM;
		s->cells = cells;
		s->cap = n;
	}
	s->w = w;
	s->h = h;
	surface_clear(s);
	return 0;
}

void surface_clear(struct surface *s)
{
	const struct cell blank = {.code = {' '}, .width = 1, .role = ROLE_TEXT};

	s->clip = surface_rect(s);
	s->cursor_x = s->cursor_y = -1;
	for (size_t i = 0; i < (size_t)s->w * (size_t)s->h; i++)
		s->cells[i] = blank;
}

int surface_width(const struct surface *s)
{
	return s->w;
}

int surface_height(const struct surface *s)
{
	return s->h;
}

struct rect surface_rect(const struct surface *s)
{
	return (struct rect){0, 0, s->w, s->h};
}

enum text_form surface_form(const struct surface *s)
{
	return s->form;
}

static struct cell *cell_at(const struct surface *s, int x, int y)
{
	return &s->cells[(size_t)y * (size_t)s->w + (size_t)x];
}

const struct cell *surface_cell(const struct surface *s, int x, int y)
{
	return x < 0 || y < 0 || x >= s->w || y >= s->h ? NULL : cell_at(s, x, y);
}

struct rect surface_clip(struct surface *s, struct rect rect)
{
	struct rect before = s->clip;
	int x0 = clamp(rect.x, 0, s->w), y0 = clamp(rect.y, 0, s->h);
	int x1 = clamp(rect.w > SURFACE_MAX ? s->w : rect.x + rect.w, x0, s->w);
	int y1 = clamp(rect.h > SURFACE_MAX ? s->h : rect.y + rect.h, y0, s->h);

	s->clip = (struct rect){x0, y0, x1 - x0, y1 - y0};
	return before;
}

static bool inside(const struct surface *s, int x, int y)
{
	return x >= s->clip.x && y >= s->clip.y && x < s->clip.x + s->clip.w && y < s->clip.y + s->clip.h;
}

/* No half of a wide character may stay when its other half is drawn over. */
static void split_wide(struct surface *s, int x, int y)
{
	struct cell *c = cell_at(s, x, y);

	if (c->width == 0 && x > 0) {
		struct cell *base = c - 1;

		base->code[0] = ' ';
		base->code[1] = base->code[2] = 0;
		base->width = 1;
	} else if (c->width == 2 && x + 1 < s->w) {
		c[1].code[0] = ' ';
		c[1].width = 1;
	}
}

static bool set_cell(struct surface *s, int x, int y, enum role role, uint32_t code, int width)
{
	struct cell *c;

	if (!inside(s, x, y) || (width == 2 && !inside(s, x + 1, y)))
		return false;
	split_wide(s, x, y);
	c = cell_at(s, x, y);
	*c = (struct cell){.code = {code}, .width = (uint8_t)width, .role = (uint8_t)role};
	if (width == 2) {
		split_wide(s, x + 1, y);
		c[1] = (struct cell){.width = 0, .role = (uint8_t)role};
	}
	return true;
}

static void set_glyph(struct surface *s, int x, int y, enum role role, enum glyph glyph)
{
	set_cell(s, x, y, role, s->form == TEXT_UTF8 ? glyphs[glyph].utf8 : (uint32_t)glyphs[glyph].ascii, 1);
}

/* Draws one unit at x. Its width is known to fit. */
static void put_unit(struct surface *s, int x, int y, enum role role, const struct text_unit *unit)
{
	if (unit->escaped) {
		char piece[TEXT_UNIT_MAX];
		size_t n = text_unit_put(unit, piece);

		for (size_t i = 0; i < n; i++)
			set_cell(s, x + (int)i, y, role, (uint32_t)piece[i], 1);
	} else if (unit->width) {
		/* Where a wide one is cut by the clip, a blank stands for its visible half. */
		if (!set_cell(s, x, y, role, unit->code, unit->width) && unit->width == 2) {
			set_cell(s, x, y, role, ' ', 1);
			set_cell(s, x + 1, y, role, ' ', 1);
		}
	} else {
		struct cell *c;

		/* A mark joins the character before it. */
		if (x <= 0 || !inside(s, x - 1, y))
			return;
		c = cell_at(s, x - 1, y);
		if (c->width == 0 && x > 1)
			c--;
		for (int i = 1; i < CELL_CODES; i++) {
			if (!c->code[i]) {
				c->code[i] = unit->code;
				break;
			}
		}
	}
}

static size_t width_of(const struct surface *s, unsigned flags, const void *bytes, size_t n, size_t enough)
{
	struct text_iter it;
	struct text_unit unit;
	size_t width = 0;

	text_iter_init(&it, bytes, n, s->form);
	it.keep_backslash = flags & PUT_OWN;
	while (width <= enough && text_next(&it, &unit))
		width += unit.width;
	return width;
}

enum { NUMBER_MOST = 24, LETTERS_MOST = 5, BLANK = ' ' };

/* "17.1s", "<302ms", "2m30s,", "120/s", "14:03"; not "10.2.7.9:80", "6.1.0-18", "0123456789abcdef". */
static bool like_number(const char *p, const char *end)
{
	const char *begin = p;
	int dots = 0, letters = 0;

	while (p < end && memchr("<>=+-", *p, 5))
		p++;
	if (p == end || *p < '0' || *p > '9')
		return false;
	for (; p < end && *p != BLANK; p++) {
		bool letter = (*p | 0x20) >= 'a' && (*p | 0x20) <= 'z';

		letters = letter ? letters + 1 : 0;
		dots += *p == '.';
		if (letters > LETTERS_MOST || dots > 1 || p - begin > NUMBER_MOST ||
		    !(letter || (*p >= '0' && *p <= '9') || memchr(".,%/:;()!", *p, 9)))
			return false;
	}
	return true;
}

/* The first cells of the text that are shown, of `room`: half a number is another number, and is left out. */
static int room_without_half_a_number(const struct surface *s, unsigned flags, const void *bytes, size_t n, int room)
{
	const char *end = (const char *)bytes + n, *word = bytes, *from;
	struct text_iter it;
	struct text_unit unit;
	int at = 0, word_at = 0;

	text_iter_init(&it, bytes, n, s->form);
	it.keep_backslash = flags & PUT_OWN;
	for (from = bytes; text_next(&it, &unit) && at + unit.width <= room; from = (const char *)it.p) {
		at += unit.width;
		if (*from == BLANK) {
			word = (const char *)it.p;
			word_at = at;
		}
	}
	return from < end && *from != BLANK && like_number(word, end) ? word_at : room;
}

int surface_put(struct surface *s, int x, int y, int w, enum role role, unsigned flags, const void *bytes, size_t n)
{
	struct text_iter it;
	struct text_unit unit;
	size_t width, skip = 0;
	int at = 0, room = w;
	bool cut, dots;

	if (w <= 0 || y < 0 || y >= s->h || x >= s->w || x <= -SURFACE_MAX)
		return 0;
	w = room = clamp(w, 0, SURFACE_MAX);
	/* Only a cut on the left must know all of the width; otherwise a megabyte of text costs no more than a line. */
	width = width_of(s, flags, bytes, n, flags & PUT_CUT_LEFT ? SIZE_MAX - 64 : (size_t)w);
	cut = width > (size_t)w;
	dots = cut && !(flags & PUT_NO_DOTS);
	if (dots)
		room--;
	if (dots && !(flags & PUT_CUT_LEFT))
		room = room_without_half_a_number(s, flags, bytes, n, room);
	if ((flags & PUT_RIGHT) && !cut) {
		int blanks = w - (int)width;

		surface_fill(s, (struct rect){x, y, blanks, 1}, role, ' ');
		at = blanks;
	}
	if (cut && (flags & PUT_CUT_LEFT)) {
		skip = width - (size_t)room;
		if (dots) {
			set_glyph(s, x, y, role, GLYPH_ELLIPSIS);
			at = 1;
			room = w;
		}
	}
	text_iter_init(&it, bytes, n, s->form);
	it.keep_backslash = flags & PUT_OWN;
	while (text_next(&it, &unit)) {
		if (skip) {
			if (unit.width <= skip) {
				skip -= unit.width;
				/* What was left of an escape or a wide one that the cut went through is not drawn. */
				continue;
			}
			for (size_t i = 0; i < unit.width - skip; i++)
				set_cell(s, x + at++, y, role, ' ', 1);
			skip = 0;
			continue;
		}
		if (at + unit.width > room)
			break;
		if (unit.width == 0 && at == 0)
			continue;
		put_unit(s, x + at, y, role, &unit);
		at += unit.width;
	}
	if (dots && !(flags & PUT_CUT_LEFT)) {
		/* An escape or wide character that didn't fit leaves room before the ellipsis. */
		set_glyph(s, x + at, y, role, GLYPH_ELLIPSIS);
		at++;
	}
	if ((flags & (PUT_FILL | PUT_RIGHT)) && at < w) {
		surface_fill(s, (struct rect){x + at, y, w - at, 1}, role, ' ');
		at = w;
	}
	/* Nothing comes behind what was cut, also where half a number left room. */
	return cut && !(flags & PUT_CUT_LEFT) ? w : at;
}

int surface_say(struct surface *s, int x, int y, int w, enum role role, const char *text)
{
	return surface_put(s, x, y, w, role, PUT_OWN, text, strlen(text));
}

int surface_sayf(struct surface *s, int x, int y, int w, enum role role, const char *format, ...)
{
	char text[4 * SURFACE_MAX];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n < 0)
		return 0;
	return surface_put(s, x, y, w, role, PUT_OWN, text, strlen(text));
}

int surface_say_right(struct surface *s, int x, int y, int w, enum role role, const char *text)
{
	return surface_put(s, x, y, w, role, PUT_OWN | PUT_RIGHT, text, strlen(text));
}

void surface_glyph(struct surface *s, int x, int y, enum role role, enum glyph glyph)
{
	if ((unsigned)glyph < GLYPH_COUNT)
		set_glyph(s, x, y, role, glyph);
}

void surface_char(struct surface *s, int x, int y, enum role role, uint32_t code)
{
	bool fits = text_code_width(code) == 1 && (s->form == TEXT_UTF8 || code < 0x7f);

	set_cell(s, x, y, role, fits ? code : '?', 1);
}

void surface_hline(struct surface *s, int x, int y, int w, enum role role)
{
	for (int i = 0; i < w && x + i < s->w; i++)
		set_glyph(s, x + i, y, role, GLYPH_HLINE);
}

void surface_fill(struct surface *s, struct rect r, enum role role, char c)
{
	for (int y = r.y < 0 ? 0 : r.y; y < r.y + r.h && y < s->h; y++)
		for (int x = r.x < 0 ? 0 : r.x; x < r.x + r.w && x < s->w; x++)
			set_cell(s, x, y, role, (uint32_t)(c >= ' ' && c < 0x7f ? c : '?'), 1);
}

void surface_paint_role(struct surface *s, struct rect r, enum role role)
{
	for (int y = r.y < 0 ? 0 : r.y; y < r.y + r.h && y < s->h; y++)
		for (int x = r.x < 0 ? 0 : r.x; x < r.x + r.w && x < s->w; x++)
			if (inside(s, x, y))
				cell_at(s, x, y)->role = (uint8_t)role;
}

void surface_box(struct surface *s, struct rect r, enum role role)
{
	if (r.w < 2 || r.h < 2)
		return;
	surface_fill(s, r, role, ' ');
	surface_hline(s, r.x + 1, r.y, r.w - 2, role);
	surface_hline(s, r.x + 1, r.y + r.h - 1, r.w - 2, role);
	for (int y = r.y + 1; y < r.y + r.h - 1; y++) {
		set_glyph(s, r.x, y, role, GLYPH_VLINE);
		set_glyph(s, r.x + r.w - 1, y, role, GLYPH_VLINE);
	}
	set_glyph(s, r.x, r.y, role, GLYPH_CORNER_TL);
	set_glyph(s, r.x + r.w - 1, r.y, role, GLYPH_CORNER_TR);
	set_glyph(s, r.x, r.y + r.h - 1, role, GLYPH_CORNER_BL);
	set_glyph(s, r.x + r.w - 1, r.y + r.h - 1, role, GLYPH_CORNER_BR);
}

void surface_spark(struct surface *s, int x, int y, enum role role, int level)
{
	if (level < 0)
		set_cell(s, x, y, role, ' ', 1);
	else if (level == 0)
		set_glyph(s, x, y, role, GLYPH_DOT);
	else if (s->form != TEXT_UTF8)
		set_cell(s, x, y, role, (uint32_t)('0' + (level > 9 ? 9 : level)), 1);
	else
		/* Nine levels on eight blocks: the two lowest share the lowest. */
		set_cell(s, x, y, role, 0x2580u + (uint32_t)(level >= 9 ? 8 : level == 1 ? 1 : level - 1), 1);
}

void surface_set_cursor(struct surface *s, int x, int y)
{
	s->cursor_x = x < s->w && y >= 0 && y < s->h ? x : -1;
	s->cursor_y = s->cursor_x < 0 ? -1 : y;
}

void surface_cursor(const struct surface *s, int *ret_x, int *ret_y)
{
	*ret_x = s->cursor_x;
	*ret_y = s->cursor_y;
}

int surface_copy(struct surface *to, const struct surface *from)
{
	int err = surface_resize(to, from->w, from->h);

	if (err)
		return err;
	memcpy(to->cells, from->cells, (size_t)from->w * (size_t)from->h * sizeof(*to->cells));
	to->form = from->form;
	to->cursor_x = from->cursor_x;
	to->cursor_y = from->cursor_y;
	return 0;
}

char *surface_text(const struct surface *s)
{
	/* At most CELL_CODES of 4 bytes a cell, a newline a row. */
	size_t cap = (size_t)s->h * ((size_t)s->w * CELL_CODES * 4 + 1) + 1, n = 0;
	char *out = malloc(cap), *exact;

	if (!out)
		return NULL;
	for (int y = 0; y < s->h; y++) {
		size_t end = n;

		for (int x = 0; x < s->w; x++) {
			const struct cell *c = cell_at(s, x, y);

			if (!c->width)
				continue;
			for (int i = 0; i < CELL_CODES && c->code[i]; i++)
				n += text_encode(c->code[i], out + n);
			if (c->code[0] != ' ' || c->code[1])
				end = n;
		}
		n = end;
		out[n++] = '\n';
	}
	out[n++] = 0;
	exact = realloc(out, n);
	return exact ? exact : out;
}

char *surface_roles(const struct surface *s)
{
	char *out = malloc((size_t)s->h * ((size_t)s->w + 1) + 1), *p = out;

	if (!out)
		return NULL;
	for (int y = 0; y < s->h; y++) {
		for (int x = 0; x < s->w; x++)
			*p++ = role_letter((enum role)cell_at(s, x, y)->role);
		*p++ = '\n';
	}
	*p = 0;
	return out;
}
