#include "list.h"

#include <stdio.h>
#include <string.h>

#include "keys.h"

enum { GUTTER = 2, ENDED_AT = 1 }; /* ">" of the selected row, "x" of one that ended */

void list_init(struct list *list)
{
	memset(list, 0, sizeof(*list));
	list->sort_column = -1;
}

static void clamp_top(struct list *list, size_t n)
{
	size_t page = list->page ? list->page : 1;

	if (list->selected >= n)
		list->selected = n ? n - 1 : 0;
	if (list->selected < list->top)
		list->top = list->selected;
	if (list->selected >= list->top + page)
		list->top = list->selected - page + 1;
	/* No empty space below while there are rows above. */
	if (list->top + page > n)
		list->top = n > page ? n - page : 0;
}

void list_sync(struct list *list, const struct list_source *source)
{
	size_t n = source->count(source->self);

	if (list->chosen) {
		/* Mostly it is where it was, or near; where the list has shrunk, farther up than it is long now. */
		for (size_t d = 0;; d++) {
			size_t places[2] = {list->selected + d, list->selected - d};

			for (int i = 0; i < (d ? 2 : 1); i++) {
				struct list_id id;

				if (places[i] >= n || (i && d > list->selected))
					continue;
				id = source->id(source->self, places[i]);
				if (id.a != list->id.a || id.b != list->id.b)
					continue;
				/* It keeps its place on the screen. */
				if (places[i] > list->selected) {
					list->top += places[i] - list->selected;
				} else {
					size_t up = list->selected - places[i];

					list->top = list->top > up ? list->top - up : 0;
				}
				list->selected = places[i];
				clamp_top(list, n);
				return;
			}
			if (d > list->selected && list->selected + d >= n)
				break;
		}
		/* It is gone: the row that stands there now is selected. */
		clamp_top(list, n);
		if (n)
			list->id = source->id(source->self, list->selected);
		return;
	}
	list->selected = list->top = 0;
}

void list_select(struct list *list, const struct list_source *source, size_t row)
{
	size_t n = source->count(source->self);

	if (!n)
		return;
	list->selected = row < n ? row : n - 1;
	list->id = source->id(source->self, list->selected);
	list->chosen = true;
	clamp_top(list, n);
}

struct list_mark list_mark(const struct list *list)
{
	return (struct list_mark){list->selected, list->top, list->id, list->chosen};
}

void list_restore(struct list *list, const struct list_source *source, const struct list_mark *mark)
{
	list->selected = mark->selected;
	list->top = mark->top;
	list->id = mark->id;
	list->chosen = mark->chosen;
	list_sync(list, source);
}

size_t list_layout(const struct list *list, const struct list_source *source, int width, int *ret)
{
	size_t n = source->ncolumns < LIST_COLUMNS_MAX ? source->ncolumns : LIST_COLUMNS_MAX;
	size_t shift = list->shift, shown = 0, weight = 0;
	int left = width - GUTTER + 1; /* each column brings one blank, the last one doesn't need it */

	for (size_t i = 0; i < n; i++)
		ret[i] = 0;
	/* By priority, then from the left. */
	for (unsigned priority = 0; priority <= 255; priority++) {
		bool more = false, full = false;

		shift = list->shift;
		for (size_t i = 0; i < n; i++) {
			const struct list_column *c = &source->columns[i];

			more |= c->priority > priority;
			if (!c->sticky && shift) {
				shift--;
				continue;
			}
			if (c->priority != priority || full)
				continue;
			if (c->min + 1 > left && (priority || shown)) {
				/* A later one of the same priority that happens to be narrow would stand in the wrong
				 * place. */
				full = true;
				continue;
			}
			ret[i] = c->min + 1 > left ? (left > 1 ? left - 1 : 0) : c->min;
			left -= ret[i] + 1;
			shown += ret[i] > 0;
		}
		if (!more)
			break;
	}
	for (size_t i = 0; i < n; i++)
		if (ret[i] && source->columns[i].max > ret[i])
			weight += source->columns[i].weight;
	/* What is left goes to those that can use it, in proportion; what one can't take the others get. */
	while (left > 0 && weight) {
		int before = left;
		size_t next = 0;

		for (size_t i = 0; i < n && left > 0; i++) {
			const struct list_column *c = &source->columns[i];
			int room = c->max - ret[i], share;

			if (!ret[i] || room <= 0 || !c->weight)
				continue;
			share = (int)((size_t)before * c->weight / weight);
			share = share < 1 ? 1 : share;
			share = share > room ? room : share;
			share = share > left ? left : share;
			ret[i] += share;
			left -= share;
			if (c->max > ret[i])
				next += c->weight;
		}
		if (before == left)
			break;
		weight = next;
	}
	return shown;
}

/* Are there columns that would be shown were there more room? */
static bool some_hidden(const struct list *list, const struct list_source *source, const int *widths)
{
	size_t shift = list->shift;

	for (size_t i = 0; i < source->ncolumns && i < LIST_COLUMNS_MAX; i++) {
		if (!source->columns[i].sticky && shift)
			shift--;
		else if (!widths[i])
			return true;
	}
	return false;
}

/* Until other columns are shown: those that there was no room for anyway are passed. */
static bool move_columns(struct list *list, const struct list_source *source, bool right)
{
	int was[LIST_COLUMNS_MAX], is[LIST_COLUMNS_MAX];
	size_t before = list->shift;

	list_layout(list, source, list->width, was);
	memcpy(is, was, sizeof(is));
	while (right ? some_hidden(list, source, is) : list->shift > 0) {
		list->shift += right ? 1 : (size_t)-1;
		if (!list_layout(list, source, list->width, is))
			break;
		for (size_t i = 0; i < source->ncolumns && i < LIST_COLUMNS_MAX; i++)
			if (!is[i] != !was[i])
				return true;
	}
	list->shift = right ? before : 0;
	return false;
}

bool list_move(struct list *list, const struct list_source *source, int action)
{
	size_t n = source->count(source->self), page = list->page > 1 ? list->page - 1 : 1, row = list->selected;
	size_t before = list->selected;

	switch (action) {
	case ACTION_UP:
		row = row ? row - 1 : 0;
		break;
	case ACTION_DOWN:
		row++;
		break;
	case ACTION_PAGE_UP:
		row = row > page ? row - page : 0;
		break;
	case ACTION_PAGE_DOWN:
		row += page;
		break;
	case ACTION_FIRST:
		row = 0;
		break;
	case ACTION_LAST:
		row = n ? n - 1 : 0;
		break;
	case ACTION_LEFT:
	case ACTION_RIGHT:
		return move_columns(list, source, action == ACTION_RIGHT);
	default:
		return false;
	}
	list_select(list, source, row);
	/* On the first row again, one follows whatever comes first: as before anything was chosen. */
	if (action == ACTION_FIRST)
		list->chosen = false;
	return list->selected != before;
}

bool list_shows_sort(const struct list *list, const struct list_source *source)
{
	int widths[LIST_COLUMNS_MAX];

	list_layout(list, source, list->width, widths);
	return list->sort_column >= 0 && list->sort_column < LIST_COLUMNS_MAX && widths[list->sort_column] > 0;
}

static void draw_header(const struct list *list, const struct list_source *source, struct surface *s, struct rect r,
			const int *widths)
{
	int x = r.x + GUTTER;

	surface_fill(s, (struct rect){r.x, r.y, r.w, 1}, ROLE_HEADER, ' ');
	for (size_t i = 0; i < source->ncolumns && i < LIST_COLUMNS_MAX; i++) {
		const struct list_column *c = &source->columns[i];
		bool sorted = (int)i == list->sort_column;
		int used, room;

		if (!widths[i])
			continue;
		/* The sign stands behind the title, in the blank between columns only where there is no other room. */
		room = widths[i] - (sorted && c->right && strlen(c->title) < (size_t)widths[i]);
		used = surface_put(s, x, r.y, room, sorted ? ROLE_SORT : ROLE_HEADER, PUT_OWN | (c->right ? PUT_RIGHT : 0),
				   c->title, strlen(c->title));
		if (sorted && x + used < r.x + r.w)
			surface_glyph(s, x + used, r.y, ROLE_SORT,
				      list->sort_ascending ? GLYPH_SORT_UP : GLYPH_SORT_DOWN);
		x += widths[i] + 1;
	}
}

/* Lines of a tree before its text; a deep one is indented no farther than half of the width. Returns the columns. */
static int draw_branch(const struct list_cell *cell, struct surface *s, int x, int y, int w, enum role role)
{
	int depth = cell->depth < w / 4 ? cell->depth : w / 4, at = 0;

	for (int d = 1; d < depth; d++, at += 2) {
		surface_char(s, x + at + 1, y, role, ' ');
		if (cell->lines & 1u << d)
			surface_glyph(s, x + at, y, role, GLYPH_VLINE);
	}
	if (depth) {
		surface_glyph(s, x + at, y, role, cell->last_child ? GLYPH_ELBOW : GLYPH_TEE);
		surface_glyph(s, x + at + 1, y, role, GLYPH_HLINE);
		at += 2;
	}
	if (cell->folded)
		at += surface_sayf(s, x + at, y, w - at, role == ROLE_SELECT ? role : ROLE_STRONG, "+%u", cell->folded);
	return at + (depth || cell->folded);
}

static void draw_cell(const struct list_cell *cell, const struct list_column *c, struct surface *s, int x, int y, int w,
		      enum role base)
{
	/* What is selected is one bar; signs (!!, x, letters) say what colours would. */
	enum role role = base == ROLE_SELECT ? ROLE_SELECT : cell->role;

	if (cell->kind == LIST_BAR) {
		bar_draw(s, x, y, w, &cell->bar, 0);
		if (base == ROLE_SELECT)
			surface_paint_role(s, (struct rect){x, y, w, 1}, base);
	} else if (cell->kind == LIST_SPARK) {
		spark_draw(s, x, y, w, role, cell->levels, cell->len < BAR_LEVELS ? cell->len : BAR_LEVELS);
	} else {
		int branch = cell->depth || cell->folded ? draw_branch(cell, s, x, y, w, base == ROLE_SELECT ? base : ROLE_RULE) : 0;

		surface_put(s, x + branch, y, w - branch, role,
			    (cell->own ? PUT_OWN : 0) | (c->right ? PUT_RIGHT : 0) | (c->cut_left ? PUT_CUT_LEFT : 0),
			    cell->text, cell->len < LIST_TEXT_MAX ? cell->len : LIST_TEXT_MAX);
	}
}

void list_draw(struct list *list, const struct list_source *source, struct surface *s, struct rect r)
{
	int widths[LIST_COLUMNS_MAX];
	size_t n = source->count(source->self), shown;

	if (r.w <= 0 || r.h <= 0)
		return;
	shown = list_layout(list, source, r.w, widths);
	list->width = r.w;
	if (!shown && list->shift)
		list->shift = 0;
	list->page = r.h > 1 ? (size_t)r.h - 1 : 1;
	clamp_top(list, n);
	draw_header(list, source, s, r, widths);
	for (size_t line = 0; line + 1 < (size_t)r.h && list->top + line < n; line++) {
		size_t row = list->top + line;
		unsigned flags = source->flags ? source->flags(source->self, row) : 0;
		bool selected = row == list->selected && !list->away;
		enum role base = selected		  ? ROLE_SELECT :
				 flags & LIST_ROW_ENDED	  ? ROLE_ENDED :
				 flags & LIST_ROW_MATCH	  ? ROLE_MATCH :
				 flags & LIST_ROW_STRONG ? ROLE_STRONG :
							   ROLE_TEXT;
		int x = r.x + GUTTER, y = r.y + 1 + (int)line;

		surface_fill(s, (struct rect){r.x, y, r.w, 1}, base == ROLE_SELECT ? ROLE_SELECT : ROLE_TEXT, ' ');
		if (selected)
			surface_glyph(s, r.x, y, base, GLYPH_SELECTED);
		if (flags & LIST_ROW_ENDED)
			surface_glyph(s, r.x + ENDED_AT, y, base, GLYPH_ENDED);
		for (size_t i = 0; i < source->ncolumns && i < LIST_COLUMNS_MAX; i++) {
			struct list_cell cell;

			if (!widths[i])
				continue;
			/* Not all of it: text and levels are long, and have their length beside them. */
			cell.kind = LIST_TEXT;
			cell.role = base;
			cell.own = false;
			cell.len = 0;
			cell.depth = 0;
			cell.folded = 0;
			memset(&cell.bar, 0, sizeof(cell.bar));
			source->cell(source->self, row, i, &cell);
			draw_cell(&cell, &source->columns[i], s, x, y, widths[i], base);
			x += widths[i] + 1;
		}
	}
}

long list_row_at(const struct list *list, const struct list_source *source, struct rect r, int y)
{
	size_t row;

	if (y <= r.y || y >= r.y + r.h)
		return -1;
	row = list->top + (size_t)(y - r.y - 1);
	return row < source->count(source->self) ? (long)row : -1;
}

/* 4000 as "4,000". */
static void thousands(size_t v, char out[32])
{
	char digits[32];
	int n = snprintf(digits, sizeof(digits), "%zu", v), k = 0;

	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			out[k++] = ',';
		out[k++] = digits[i];
	}
	out[k] = 0;
}

void list_place(const struct list *list, const struct list_source *source, char *out, size_t cap)
{
	size_t n = source->count(source->self), page = list->page ? list->page : 1;
	char from[32], to[32], of[32];

	if (!n) {
		snprintf(out, cap, "none");
		return;
	}
	thousands(list->top + 1, from);
	thousands(list->top + page < n ? list->top + page : n, to);
	thousands(n, of);
	snprintf(out, cap, "%s-%s of %s", from, to, of);
}

void list_cell_text(struct list_cell *cell, const void *bytes, size_t n)
{
	cell->kind = LIST_TEXT;
	cell->len = (uint16_t)(n < LIST_TEXT_MAX ? n : LIST_TEXT_MAX);
	memcpy(cell->text, bytes, cell->len);
}

void list_cell_own(struct list_cell *cell, const char *text)
{
	list_cell_text(cell, text, strlen(text));
	cell->own = true;
}
