#include "paint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shown_cell {
	uint32_t code[CELL_CODES];
	uint8_t width;
	uint8_t look; /* ids[] or, of a blank, blanks[] */
};

enum {
	PLAIN_BLANK = 255, /* look of a blank on the terminal's own background: what erasing leaves */
	GAP_MAX = 4,       /* so many unchanged cells are sooner written again than jumped over */
	ERASE_MIN = 4,
};

static bool colour_equal(const struct colour *a, const struct colour *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == COLOUR_INDEX)
		return a->index == b->index;
	return a->kind == COLOUR_DEFAULT || (a->r == b->r && a->g == b->g && a->b == b->b);
}

static bool style_equal(const struct style *a, const struct style *b)
{
	return a->attributes == b->attributes && colour_equal(&a->fg, &b->fg) && colour_equal(&a->bg, &b->bg);
}

/* Do blanks look alike? The colour of letters counts only where reverse or underline show it. */
static bool blank_equal(const struct style *a, const struct style *b)
{
	unsigned seen = STYLE_REVERSE | STYLE_UNDERLINE;

	if ((a->attributes & seen) != (b->attributes & seen) || !colour_equal(&a->bg, &b->bg))
		return false;
	return !(a->attributes & seen) || colour_equal(&a->fg, &b->fg);
}

void paint_set_theme(struct paint *p, const struct theme *theme)
{
	static const struct style plain = {0};

	for (unsigned i = 0; i < ROLE_COUNT; i++) {
		p->styles[i] = style_reduce(theme->styles[i], p->depth);
		if (!*p->caps->bold)
			p->styles[i].attributes &= (uint8_t)~STYLE_BOLD;
		if (!*p->caps->rev)
			p->styles[i].attributes &= (uint8_t)~STYLE_REVERSE;
		if (!*p->caps->smul)
			p->styles[i].attributes &= (uint8_t)~STYLE_UNDERLINE;
		p->ids[i] = p->blanks[i] = (uint8_t)i;
		for (unsigned j = i; j-- > 0;) {
			if (style_equal(&p->styles[i], &p->styles[j]))
				p->ids[i] = p->ids[j];
			if (blank_equal(&p->styles[i], &p->styles[j]))
				p->blanks[i] = p->blanks[j];
		}
		if (blank_equal(&p->styles[i], &plain))
			p->blanks[i] = PLAIN_BLANK;
	}
	paint_forget(p);
}

void paint_init(struct paint *p, const struct caps *caps, enum colour_depth depth, const struct theme *theme)
{
	memset(p, 0, sizeof(*p));
	wbuf_init(&p->out);
	p->caps = caps;
	p->depth = depth;
	paint_set_theme(p, theme);
}

void paint_finish(struct paint *p)
{
	wbuf_finish(&p->out);
	free(p->shown);
	p->shown = NULL;
}

void paint_forget(struct paint *p)
{
	p->all = true;
	p->pen_known = false;
	p->cursor_visible = true; /* to be hidden again */
	p->x = p->y = -1;
}

static void emit(struct paint *p, const char *s)
{
	wbuf_bytes(&p->out, s, strlen(s));
}

static void emit_colour(struct paint *p, const struct colour *c, bool background)
{
	char s[64];

	if (c->kind == COLOUR_RGB)
		snprintf(s, sizeof(s), "\033[%d;2;%u;%u;%um", background ? 48 : 38, c->r, c->g, c->b);
	else if (!caps_expand(s, sizeof(s), background ? p->caps->setab : p->caps->setaf, c->index, 0))
		return;
	emit(p, s);
}

static void set_pen(struct paint *p, const struct style *to)
{
	bool lost = p->pen.attributes & ~to->attributes;
	bool fg_back = p->pen.fg.kind != COLOUR_DEFAULT && to->fg.kind == COLOUR_DEFAULT;
	bool bg_back = p->pen.bg.kind != COLOUR_DEFAULT && to->bg.kind == COLOUR_DEFAULT;

	if (p->pen_known && style_equal(&p->pen, to))
		return;
	if (!p->pen_known || lost || (!p->caps->ax && (fg_back || bg_back)) || (fg_back && bg_back)) {
		emit(p, p->caps->sgr0);
		p->pen = (struct style){0};
		p->pen_known = true;
		fg_back = bg_back = false;
	}
	if ((to->attributes & ~p->pen.attributes) & STYLE_BOLD)
		emit(p, p->caps->bold);
	if ((to->attributes & ~p->pen.attributes) & STYLE_REVERSE)
		emit(p, p->caps->rev);
	if ((to->attributes & ~p->pen.attributes) & STYLE_UNDERLINE)
		emit(p, p->caps->smul);
	if (fg_back)
		emit(p, "\033[39m");
	else if (!colour_equal(&p->pen.fg, &to->fg))
		emit_colour(p, &to->fg, false);
	if (bg_back)
		emit(p, "\033[49m");
	else if (!colour_equal(&p->pen.bg, &to->bg))
		emit_colour(p, &to->bg, true);
	p->pen = *to;
}

static void move_to(struct paint *p, int x, int y)
{
	char best[64], s[64];
	size_t n;

	if (p->x == x && p->y == y)
		return;
	if (x == 0 && p->y >= 0 && p->x >= 0 && (y == p->y || y == p->y + 1)) {
		emit(p, y == p->y ? "\r" : "\r\n");
		p->x = x;
		p->y = y;
		return;
	}
	n = caps_expand(best, sizeof(best), p->caps->cup, y, x);
	if (p->y == y && p->x >= 0) {
		size_t k = x > p->x ? caps_expand(s, sizeof(s), p->caps->cuf, x - p->x, 0) : 0;

		if (k && k < n) {
			memcpy(best, s, k + 1);
			n = k;
		}
		k = caps_expand(s, sizeof(s), p->caps->hpa, x, 0);
		if (k && k < n)
			memcpy(best, s, k + 1);
	}
	emit(p, best);
	p->x = x;
	p->y = y;
}

/* Characters whose width every terminal sees alike. After any other the cursor is placed anew. */
static bool sure_width(const struct shown_cell *c)
{
	uint32_t code = c->code[0];

	if (c->code[1] || c->width != 1)
		return false;
	return code < 0x250 || (code >= 0x370 && code < 0x483) || code == 0x2026 || (code >= 0x2500 && code < 0x25a0) ||
	       code == 0x25b2 || code == 0x25b8 || code == 0x25bc;
}

static bool is_blank(const struct shown_cell *c)
{
	return c->code[0] == ' ' && !c->code[1];
}

static struct shown_cell wanted(const struct paint *p, const struct cell *cell)
{
	enum role role = cell->role < ROLE_COUNT ? cell->role : ROLE_TEXT;
	struct shown_cell c = {.width = cell->width};

	memcpy(c.code, cell->code, sizeof(c.code));
	c.look = is_blank(&c) ? p->blanks[role] : p->ids[role];
	return c;
}

static bool same(const struct shown_cell *a, const struct shown_cell *b)
{
	return a->look == b->look && a->width == b->width && !memcmp(a->code, b->code, sizeof(a->code));
}

static void put_cell(struct paint *p, const struct shown_cell *c, const struct style *style, int x, int y)
{
	static const struct style plain = {0};
	char s[4 * CELL_CODES];
	size_t n = 0;

	move_to(p, x, y);
	/* A blank is right whatever the colour of letters is. */
	if (!is_blank(c) || !p->pen_known || !blank_equal(&p->pen, style))
		set_pen(p, is_blank(c) && c->look == PLAIN_BLANK ? &plain : style);
	for (int i = 0; i < CELL_CODES && c->code[i]; i++)
		n += text_encode(c->code[i], s + n);
	wbuf_bytes(&p->out, s, n);
	p->x += c->width;
	if (p->x >= p->w || !sure_width(c))
		p->x = p->y = -1;
}

/* Are the cells from..to - 1 cheap to write again with the pen as it is? */
static bool gap_is_cheap(const struct paint *p, const struct surface *s, int y, int from, int to)
{
	if (to - from > GAP_MAX)
		return false;
	for (int x = from; x < to; x++) {
		const struct cell *cell = surface_cell(s, x, y);
		struct shown_cell c = wanted(p, cell);
		const struct style *style = &p->styles[cell->role < ROLE_COUNT ? cell->role : ROLE_TEXT];

		if (!sure_width(&c) || c.code[0] >= 0x80)
			return false;
		if (is_blank(&c) ? !blank_equal(&p->pen, style) : !style_equal(&p->pen, style))
			return false;
	}
	return true;
}

static void paint_row(struct paint *p, const struct surface *s, int y)
{
	struct shown_cell *row = p->shown + (size_t)y * (size_t)p->w;
	int tail = p->w; /* from here on plain blanks are wanted */
	int from = -1, changed = 0;

	/* In the last line the last column stays empty where writing it would scroll. */
	int w = y == p->h - 1 && p->caps->am && !p->caps->xenl ? p->w - 1 : p->w;

	while (tail > 0) {
		struct shown_cell c = wanted(p, surface_cell(s, tail - 1, y));

		if (!is_blank(&c) || c.look != PLAIN_BLANK)
			break;
		tail--;
	}
	for (int x = tail; x < p->w; x++) {
		if (!is_blank(&row[x]) || row[x].look != PLAIN_BLANK) {
			from = from < 0 ? x : from;
			changed++;
		}
	}
	for (int x = 0; x < w; x++) {
		const struct cell *cell = surface_cell(s, x, y);
		struct shown_cell c = wanted(p, cell);
		const struct style *style = &p->styles[cell->role < ROLE_COUNT ? cell->role : ROLE_TEXT];

		if (x >= tail && changed >= ERASE_MIN && *p->caps->el) {
			static const struct style plain = {0};

			move_to(p, from > x ? from : x, y);
			set_pen(p, &plain);
			emit(p, p->caps->el);
			for (int i = x; i < p->w; i++)
				row[i] = (struct shown_cell){.code = {' '}, .width = 1, .look = PLAIN_BLANK};
			break;
		}
		if (!c.width || x + c.width > w || (same(&row[x], &c) && (c.width < 2 || row[x + 1].width == 0)))
			continue;
		if (p->y == y && p->x >= 0 && p->x < x && p->pen_known && gap_is_cheap(p, s, y, p->x, x)) {
			while (p->x < x) {
				struct shown_cell again = wanted(p, surface_cell(s, p->x, y));
				char byte = (char)again.code[0];

				wbuf_bytes(&p->out, &byte, 1);
				p->x++;
			}
		}
		put_cell(p, &c, style, x, y);
		row[x] = c;
		if (c.width == 2)
			row[x + 1] = (struct shown_cell){.width = 0, .look = c.look};
	}
}

static int adopt_size(struct paint *p, int w, int h)
{
	struct shown_cell *shown = realloc(p->shown, (size_t)w * (size_t)h * sizeof(*shown));

	if (!shown)
		return -ENOMEM;
	p->shown = shown;
	p->w = w;
	p->h = h;
	p->all = true;
	return 0;
}

int paint_surface(struct paint *p, const struct surface *s)
{
	int w = surface_width(s), h = surface_height(s), x, y;

	if ((w != p->w || h != p->h) && adopt_size(p, w, h)) {
		paint_forget(p);
		return -ENOMEM;
	}
	if (p->all) {
		static const struct style plain = {0};

		p->pen_known = false;
		set_pen(p, &plain);
		emit(p, p->caps->clear);
		for (size_t i = 0; i < (size_t)w * (size_t)h; i++)
			p->shown[i] = (struct shown_cell){.code = {' '}, .width = 1, .look = PLAIN_BLANK};
		p->x = p->y = 0;
		p->all = false;
	}
	surface_cursor(s, &x, &y);
	if (p->cursor_visible && x < 0) {
		emit(p, p->caps->civis);
		p->cursor_visible = false;
	}
	for (int row = 0; row < h; row++)
		paint_row(p, s, row);
	if (x >= 0) {
		move_to(p, x, y);
		if (!p->cursor_visible)
			emit(p, p->caps->cnorm);
		p->cursor_visible = true;
	}
	if (p->out.err) {
		wbuf_clear(&p->out);
		paint_forget(p);
		return -ENOMEM;
	}
	return 0;
}
