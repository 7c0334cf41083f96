#include "heat.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "units.h"

#define SECOND 1000000000LL

/* --- slots to lines --- */

static uint32_t next_group(const struct schema_bounds *b, uint32_t group)
{
	return b->kind == CULPRIT_LOG_LINEAR ? group * 2 : group + 1;
}

void heat_rows_fit(struct heat_rows *rows, const struct heat_rows *before, const struct schema_bounds *b, uint32_t first,
		   uint32_t last, int lines)
{
	struct heat_rows r = {.group = 1, .slots = b->count};
	uint32_t need, room, up;

	memset(rows, 0, sizeof(*rows));
	if (lines < 1 || !b->count)
		return;
	last = last >= b->count ? b->count - 1 : last;
	first = first > last ? last : first;
	while (last / r.group - first / r.group + 1 > (uint32_t)lines)
		r.group = next_group(b, r.group);
	if (before->n && before->slots == b->count && before->group == r.group && before->n <= lines &&
	    before->first <= first && last < before->first + (uint32_t)before->n * before->group &&
	    (before->n == lines || before->first + (uint32_t)before->n * before->group >= b->count)) {
		*rows = *before;
		return;
	}
	r.first = first / r.group * r.group;
	need = last / r.group - first / r.group + 1;
	room = (uint32_t)lines - need;
	/* What comes next is rather slower than faster. */
	up = (b->count - 1) / r.group - last / r.group;
	up = up > (room + 1) / 2 ? (room + 1) / 2 : up;
	room -= up;
	room = room > r.first / r.group ? r.first / r.group : room;
	r.first -= room * r.group;
	r.n = (int)(need + up + room);
	*rows = r;
}

int heat_rows_line(const struct heat_rows *r, uint32_t slot)
{
	uint32_t line;

	if (!r->n || slot < r->first)
		return 0;
	line = (slot - r->first) / r->group;
	return line >= (uint32_t)r->n ? r->n - 1 : (int)line;
}

void heat_rows_slots(const struct heat_rows *r, int low, int high, uint32_t *ret_first, uint32_t *ret_end)
{
	uint32_t end = r->first + ((uint32_t)high + 1) * r->group;

	/* The lowest and the highest line hold what would lie beyond them. */
	*ret_first = low <= 0 ? 0 : r->first + (uint32_t)low * r->group;
	*ret_end = high + 1 >= r->n || end > r->slots ? r->slots : end;
}

void heat_rows_values(const struct schema_bounds *b, uint32_t first, uint32_t end, double *ret_lo, double *ret_hi)
{
	*ret_lo = first ? schema_edge(b, first) : b->kind == CULPRIT_LOG_LINEAR ? 0 : -INFINITY;
	*ret_hi = end >= b->count ? INFINITY : schema_edge(b, end);
}

/* --- numbers to shades --- */

void heat_scale_counts(struct heat_scale *s, double max)
{
	static const double round[] = {2, 4, 10};
	double q = 2, ten = 1;

	/* The topmost shade is for the last factor below the largest. */
	for (size_t i = 0; 2 * q * q * q * q <= max; i++) {
		if (i % 3 == 2)
			ten *= 10;
		q = round[(i + 1) % 3] * ten;
	}
	*s = (struct heat_scale){{1, 2, 2 * q, 2 * q * q, 2 * q * q * q}};
}

/* The HEAT_LEVELSth, from above, of what is at least 1. (pow() would bring a library of 400 KB.) */
static double root(double x)
{
	double q = sqrt(sqrt(x));

	_Static_assert(HEAT_LEVELS == 5, "the fifth");
	for (int i = 0; i < 20; i++)
		q -= (q - x / (q * q * q * q)) / 5;
	return q;
}

void heat_scale_values(struct heat_scale *s, double min, double max)
{
	double q;

	min = min > 0 && isfinite(min) ? min : 1;
	max = max > min && isfinite(max) ? max : min;
	q = root(max / min);
	q = q < 1.2 ? 1.2 : q;
	for (int i = 0; i < HEAT_LEVELS; i++, min *= q)
		s->from[i] = min;
}

int heat_level(const struct heat_scale *s, double value)
{
	int level = 0;

	while (level < HEAT_LEVELS && value >= s->from[level])
		level++;
	return level;
}

/* --- drawing --- */

static enum role shade_role(int level)
{
	static const enum role roles[] = {ROLE_TEXT,  ROLE_HEAT0, ROLE_HEAT2, ROLE_HEAT3,
					  ROLE_HEAT5, ROLE_HEAT7, ROLE_MUTED, ROLE_OK};

	return level >= 0 && level <= HEAT_LESS ? roles[level] : ROLE_TEXT;
}

static uint32_t shade_code(const struct surface *s, int level)
{
	static const uint32_t blocks[] = {' ', 0xb7, 0x2591, 0x2592, 0x2593, 0x2588, '=', '-'};
	static const uint32_t letters[] = {' ', '.', ':', '+', '#', '@', '=', '-'};

	if (level < 0 || level > HEAT_LESS)
		return ' ';
	return surface_form(s) == TEXT_UTF8 ? blocks[level] : letters[level];
}

void heat_shade(struct surface *s, int x, int y, int level)
{
	surface_char(s, x, y, shade_role(level), shade_code(s, level));
}

int heat_grid_columns(int w, int label_w)
{
	return w - label_w - 1 > 1 ? w - label_w - 1 : 1;
}

bool heat_grid_at(const struct heat_grid *g, struct rect r, int x, int y, int *ret_column, int *ret_line)
{
	int column = x - r.x - g->label_w - 1, line = r.y + r.h - 2 - y;

	if (column < 0 || column >= g->time.columns || line < 0 || line >= g->lines)
		return false;
	*ret_column = column;
	*ret_line = line;
	return true;
}

static void draw_line(const struct heat_grid *g, struct surface *s, int x0, int y, int line, int columns)
{
	for (int i = 0; i < columns; i++) {
		int level = g->levels[line * g->time.columns + i];
		bool mark = level >= HEAT_MARK;
		bool in_box = g->box && i >= g->box_left && i <= g->box_right && line >= g->box_low && line <= g->box_high;
		enum role role = mark ? ROLE_MARK : shade_role(level);

		if (line < g->dim_below || line > g->dim_above)
			role = ROLE_MUTED;
		if (in_box)
			role = ROLE_SELECT;
		surface_char(s, x0 + i, y, role, mark ? 'P' : shade_code(s, level));
	}
}

/* The axis: times, a double rule below the window, nothing below what is not known, `?` where it could not be read. */
static void draw_axis(const struct heat_grid *g, struct surface *s, int x0, int y, int columns)
{
	struct chart_time t = g->time;
	uint32_t rule;

	surface_glyph(s, x0 - 1, y, ROLE_AXIS, GLYPH_ELBOW);
	surface_glyph(s, x0, y, ROLE_AXIS, GLYPH_HLINE);
	rule = surface_cell(s, x0, y) ? surface_cell(s, x0, y)->code[0] : '-';
	t.columns = columns;
	chart_time_draw(&t, 0, s, x0, y);
	for (int i = 0; i < columns; i++) {
		const struct cell *c = surface_cell(s, x0 + i, y);
		bool window = i >= g->window_from && i <= g->window_to;
		enum role role = window ? ROLE_CHART_WINDOW : ROLE_AXIS;

		if (!c)
			continue;
		if (c->code[0] != rule)
			surface_paint_role(s, (struct rect){x0 + i, y, 1, 1}, role);
		else if (g->columns[i] == HEAT_COLUMN_UNREAD)
			surface_char(s, x0 + i, y, ROLE_UNREAD, '?');
		else if (g->columns[i] == HEAT_COLUMN_GAP)
			surface_char(s, x0 + i, y, role, ' ');
		else if (window)
			surface_char(s, x0 + i, y, role, surface_form(s) == TEXT_UTF8 ? 0x2550 : '=');
	}
}

void heat_grid_draw(const struct heat_grid *g, struct surface *s, struct rect r)
{
	int x0 = r.x + g->label_w + 1, columns = r.x + r.w - x0, bottom = r.y + r.h - 2;

	if (r.h < 2 || columns < 1)
		return;
	columns = columns > g->time.columns ? g->time.columns : columns;
	for (int line = 0; line < g->lines && bottom - line >= r.y; line++) {
		char label[64] = "";
		int y = bottom - line;

		g->label(g->label_self, line, label, sizeof(label));
		surface_put(s, r.x, y, g->label_w, line < g->dim_below || line > g->dim_above ? ROLE_MUTED : ROLE_AXIS, PUT_RIGHT,
			    label, strlen(label));
		surface_glyph(s, x0 - 1, y, ROLE_AXIS, GLYPH_VLINE);
		draw_line(g, s, x0, y, line, columns);
	}
	draw_axis(g, s, x0, bottom + 1, columns);
}

static int cells(const char *text)
{
	return (int)strlen(text);
}

int heat_legend(const struct heat_scale *scale, unsigned unit, const char *what, struct surface *s, int x, int y, int w)
{
	char text[HEAT_LEVELS][48];
	int all = 0, used = 0, gap;

	for (int i = 0; i < HEAT_LEVELS; i++) {
		double from = scale->from[i], to = i + 1 < HEAT_LEVELS ? scale->from[i + 1] : INFINITY;
		char a[32], b[32];

		units_format_short(a, sizeof(a), from, unit);
		if (unit != CULPRIT_COUNT)
			snprintf(text[i], sizeof(text[i]), "%s+", a);
		else if (!isfinite(to))
			snprintf(text[i], sizeof(text[i]), "%s+", a);
		else if (to - 1 <= from)
			snprintf(text[i], sizeof(text[i]), "%s", a);
		else
			snprintf(text[i], sizeof(text[i]), "%s-%s", a, units_format_short(b, sizeof(b), to - 1, unit));
		all += 2 + cells(text[i]);
	}
	/* The blanks between them give way first. */
	gap = all + 2 * HEAT_LEVELS + cells(what) <= w ? 2 : 1;
	for (int i = 0; i < HEAT_LEVELS; i++) {
		if (used + 2 + cells(text[i]) > w)
			return used;
		heat_shade(s, x + used, y, i + 1);
		surface_say(s, x + used + 2, y, cells(text[i]), ROLE_TEXT, text[i]);
		used += 2 + cells(text[i]) + gap;
	}
	if (used + cells(what) <= w)
		used += surface_say(s, x + used, y, w - used, ROLE_MUTED, what);
	return used;
}
