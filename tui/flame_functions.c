/* The Flame panel's table: every function with its own weight and that of all it calls, against the baseline where there is one;
 * who calls the selected one and whom it calls. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flame_panel.h"
#include "rows.h"
#include "units.h"

enum { EDGES = 4 };

/* What a column of the list shows; which of them there are depends on the baseline. */
enum shown { SELF_SHARE, SELF_BEFORE, SELF_CHANGE, SELF_WEIGHT, TOTAL_SHARE, FUNCTION, MODULE };

static const struct {
	enum shown shown;
	bool compared;
	struct list_column column;
} all_columns[] = {
	{SELF_SHARE, false, {.title = "self", .min = 6, .max = 6, .right = true}},
	{SELF_BEFORE, true, {.title = "before", .min = 6, .max = 6, .right = true, .priority = 2}},
	{SELF_CHANGE, true, {.title = "change", .min = 7, .max = 7, .right = true}},
	{SELF_WEIGHT, false, {.title = "self", .min = 6, .max = 6, .right = true, .priority = 3}},
	{TOTAL_SHARE, false, {.title = "total", .min = 6, .max = 6, .right = true}},
	{FUNCTION, false, {.title = "function", .min = 14, .max = 400, .weight = 4, .cut_left = true}},
	{MODULE, false, {.title = "module", .min = 12, .max = 32, .weight = 1, .priority = 1, .cut_left = true}},
};

static enum shown shown_at(const struct flame_panel *p, size_t column)
{
	for (size_t i = 0; i < sizeof(all_columns) / sizeof(all_columns[0]); i++) {
		if (all_columns[i].compared && !p->base_covered_ns)
			continue;
		if (!column--)
			return all_columns[i].shown;
	}
	return FUNCTION;
}

static const struct flame_function *function_at(const struct flame_panel *p, size_t row)
{
	return &p->function[p->order[row]];
}

static size_t count(const void *self)
{
	return ((const struct flame_panel *)self)->norder;
}

static struct list_id id(const void *self, size_t row)
{
	const struct flame_panel *p = self;
	const struct flame_frame *f = flame_frame(p->flame, function_at(p, row)->frame);

	return (struct list_id){flame_frame_id(f), f->kind};
}

static double self_change(const struct flame_panel *p, const struct flame_function *f)
{
	return flame_change(&p->summary, f->self, f->base_self);
}

static void cell(const void *self, size_t row, size_t column, struct list_cell *c)
{
	const struct flame_panel *p = self;
	const struct flame_function *fn = function_at(p, row);
	const struct flame_frame *f = flame_frame(p->flame, fn->frame);
	char text[32] = "";
	const char *module;
	double change;
	size_t n;

	c->own = true;
	switch (shown_at(p, column)) {
	case SELF_SHARE:
		rows_percent(text, sizeof(text), flame_share(p, fn->self));
		break;
	case SELF_BEFORE:
		rows_percent(text, sizeof(text), p->summary.base_total > 0 ? 100 * fn->base_self / p->summary.base_total : 0);
		break;
	case SELF_CHANGE:
		change = self_change(p, fn);
		snprintf(text, sizeof(text), "%+.1f%%", change);
		c->role = change >= 1 ? ROLE_CRIT : change <= -1 ? ROLE_OK : ROLE_MUTED;
		break;
	case SELF_WEIGHT:
		flame_weight(p, fn->self, text, sizeof(text));
		break;
	case TOTAL_SHARE:
		rows_percent(text, sizeof(text), flame_share(p, fn->total));
		break;
	case MODULE:
		c->own = false;
		c->role = ROLE_MUTED;
		module = flame_module_base(f, &n);
		list_cell_text(c, module, n);
		return;
	default:
		c->own = false;
		c->role = p->word[0] && flame_frame_matches(f, p->word) ? ROLE_MATCH : flame_role(f);
		list_cell_text(c, f->name, f->name_len);
		return;
	}
	list_cell_own(c, text);
}

static unsigned flags(const void *self, size_t row)
{
	const struct flame_function *f = function_at(self, row);

	return f->total > 0 ? 0 : LIST_ROW_ENDED;
}

void flame_functions_init(struct flame_panel *p)
{
	list_init(&p->list);
	p->list_source = (struct list_source){.self = p, .columns = p->columns, .count = count, .id = id, .cell = cell, .flags = flags};
}

void flame_functions_finish(struct flame_panel *p)
{
	free(p->function);
	free(p->edge);
	free(p->order);
}

static double key_of(const struct flame_panel *p, const struct flame_function *f)
{
	return p->sort == COLUMN_SELF ? f->self : p->sort == COLUMN_TOTAL ? f->total : self_change(p, f);
}

static int in_order(const void *a, const void *b, void *of)
{
	const struct flame_panel *p = of;
	const struct flame_function *x = &p->function[*(const uint32_t *)a], *y = &p->function[*(const uint32_t *)b];
	const struct flame_frame *f = flame_frame(p->flame, x->frame), *g = flame_frame(p->flame, y->frame);
	size_t n = f->name_len < g->name_len ? f->name_len : g->name_len;
	int by_name = memcmp(f->name, g->name, n), direction = p->ascending ? -1 : 1;
	double kx, ky;

	if (!by_name)
		by_name = (f->name_len > g->name_len) - (f->name_len < g->name_len);
	if (!by_name)
		by_name = (x->frame > y->frame) - (x->frame < y->frame);
	if (p->sort == COLUMN_NAME)
		return direction * by_name;
	kx = key_of(p, x);
	ky = key_of(p, y);
	if (kx != ky)
		return kx < ky ? direction : -direction;
	if (p->sort != COLUMN_TOTAL && x->total != y->total)
		return x->total < y->total ? direction : -direction;
	return by_name;
}

/* Upside down what a function has of its own is what stands on top. */
static void innermost(struct flame_panel *p)
{
	for (size_t i = 1; i < flame_frames(p->flame); i++)
		p->function[i].self = p->function[i].base_self = 0;
	for (uint32_t i = 1; i < flame_nodes(p->flame); i++) {
		const struct flame_node *n = flame_node(p->flame, i), *up = flame_node(p->flame, n->parent);

		if (n->parent && flame_frame(p->flame, up->frame)->kind != FLAME_GROUP)
			continue;
		p->function[n->frame].self += n->total;
		p->function[n->frame].base_self += n->base_total;
	}
}

int flame_functions_sync(struct flame_panel *p)
{
	size_t n = flame_frames(p->flame);

	if (n > p->functions_cap) {
		struct flame_function *function = realloc(p->function, n * sizeof(*function)), *edge;
		uint32_t *order;

		p->function = function ? function : p->function;
		edge = realloc(p->edge, n * sizeof(*edge));
		p->edge = edge ? edge : p->edge;
		order = realloc(p->order, n * sizeof(*order));
		p->order = order ? order : p->order;
		if (!function || !edge || !order)
			return -ENOMEM;
		p->functions_cap = n;
	}
	/* Without a baseline nothing changed. */
	if (p->sort == COLUMN_CHANGE && !p->base_covered_ns)
		p->sort = COLUMN_SELF;
	flame_functions(p->flame, p->function);
	if (p->inverted)
		innermost(p);
	p->norder = 0;
	for (size_t i = 1; i < n; i++) {
		const struct flame_function *f = &p->function[i];

		if ((f->total > 0 || f->base_total > 0) && flame_frame(p->flame, (uint32_t)i)->kind != FLAME_GROUP)
			p->order[p->norder++] = (uint32_t)i;
	}
	qsort_r(p->order, p->norder, sizeof(p->order[0]), in_order, p);
	p->list_source.ncolumns = 0;
	p->list.sort_column = -1;
	for (size_t i = 0; i < sizeof(all_columns) / sizeof(all_columns[0]); i++) {
		enum shown s = all_columns[i].shown;

		if (all_columns[i].compared && !p->base_covered_ns)
			continue;
		if ((p->sort == COLUMN_SELF && s == SELF_SHARE) || (p->sort == COLUMN_TOTAL && s == TOTAL_SHARE) ||
		    (p->sort == COLUMN_CHANGE && s == SELF_CHANGE) || (p->sort == COLUMN_NAME && s == FUNCTION))
			p->list.sort_column = (int)p->list_source.ncolumns;
		p->columns[p->list_source.ncolumns] = all_columns[i].column;
		if (s == SELF_WEIGHT && p->source.unit == CULPRIT_COUNT)
			p->columns[p->list_source.ncolumns].title = "n";
		p->list_source.ncolumns++;
	}
	p->list.sort_ascending = p->ascending == (p->sort != COLUMN_NAME);
	list_sync(&p->list, &p->list_source);
	p->listed = p->answer;
	return 0;
}

void flame_functions_fresh(struct flame_panel *p)
{
	if (!p->flame || (p->listed != p->answer && flame_functions_sync(p)))
		p->norder = 0;
}

uint32_t flame_functions_selected(const struct flame_panel *p)
{
	return p->list.selected < p->norder ? function_at(p, p->list.selected)->frame : 0;
}

const char *flame_functions_sort_name(enum flame_column c)
{
	static const char *const names[] = {"self", "total", "change", "name"};

	return c < COLUMN_COUNT ? names[c] : NULL;
}

bool flame_functions_find(struct flame_panel *p, const char *word, int direction)
{
	for (size_t k = direction ? 1 : 0; k <= p->norder && p->norder; k++) {
		size_t n = p->norder, i = (p->list.selected + (direction < 0 ? n - k % n : k)) % n;

		if (!flame_frame_matches(flame_frame(p->flame, function_at(p, i)->frame), word))
			continue;
		list_select(&p->list, &p->list_source, i);
		return true;
	}
	return false;
}

/* Callers or callees of a frame, the heaviest first, as many as there are lines. */
static void draw_edges(struct flame_panel *p, uint32_t frame, bool callers, struct surface *s, struct rect r)
{
	size_t n = flame_frames(p->flame);
	char cell_text[32];

	flame_edges(p->flame, frame, callers != p->inverted, p->edge);
	for (int y = 0; y < r.h; y++) {
		const struct flame_frame *f;
		size_t best = 0;

		for (size_t i = 1; i < n; i++) {
			if (p->edge[i].total > (best ? p->edge[best].total : 0))
				best = i;
		}
		if (!best) {
			if (!y)
				surface_say(s, r.x + 7, r.y, r.w - 7, ROLE_MUTED, callers ? "nothing, it begins here" : "nothing");
			return;
		}
		f = flame_frame(p->flame, (uint32_t)best);
		surface_say_right(s, r.x, r.y + y, 6, ROLE_TEXT,
				  rows_percent(cell_text, sizeof(cell_text), flame_share(p, p->edge[best].total)));
		surface_put(s, r.x + 7, r.y + y, r.w - 7, flame_role(f), PUT_CUT_LEFT, f->name, f->name_len);
		p->edge[best].total = 0;
	}
}

void flame_functions_draw(struct flame_panel *p, struct surface *s, struct rect r)
{
	int below = r.h >= 12 ? EDGES + 2 : r.h >= 4 ? 1 : 0, y = r.y + r.h - below, half = r.w / 2;
	struct rect list = {r.x, r.y, r.w, r.h - below};
	uint32_t frame;
	char place[64];
	int w;

	if (p->listed != p->answer && flame_functions_sync(p))
		return;
	list_draw(&p->list, &p->list_source, s, list);
	if (!below)
		return;
	list_place(&p->list, &p->list_source, place, sizeof(place));
	w = (int)strlen(place);
	frame = flame_functions_selected(p);
	if (frame) {
		const struct flame_frame *f = flame_frame(p->flame, frame);

		int used = surface_put(s, r.x + 1, r.y + r.h - 1, r.w - w - 3, ROLE_STRONG, PUT_CUT_LEFT, f->name, f->name_len);

		surface_put(s, r.x + used + 3, r.y + r.h - 1, r.w - w - used - 5, ROLE_MUTED, PUT_CUT_LEFT, f->module, f->module_len);
	}
	surface_say(s, r.x + r.w - w, r.y + r.h - 1, w, ROLE_MUTED, place);
	if (below == 1)
		return;
	surface_hline(s, r.x, y, r.w, ROLE_RULE);
	surface_say(s, r.x + 7, y, 11, ROLE_MUTED, " called by ");
	surface_say(s, r.x + half + 7, y, 7, ROLE_MUTED, " calls ");
	if (frame) {
		draw_edges(p, frame, true, s, (struct rect){r.x, y + 1, half - 1, EDGES});
		draw_edges(p, frame, false, s, (struct rect){r.x + half, y + 1, r.w - half, EDGES});
	}
}
