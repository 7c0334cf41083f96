/* Flame: stacks of what is looked at, live: an icicle or the hot path, the functions, any table that has stacks. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "flame_panel.h"
#include "panels.h"

enum {
	FLAME_FORM = ACTION_PANEL,
	FLAME_VIEW,
	FLAME_SOURCE,
	FLAME_REASON_NEXT,
	FLAME_REASON_PREVIOUS,
	FLAME_INVERT,
	FLAME_WHOSE_NEXT,
	FLAME_SORT,
	FLAME_REVERSE,
	FLAME_CHANGE,
};

static void *flame_panel_create(void)
{
	struct flame_panel *p = calloc(1, sizeof(*p));

	if (p)
		flame_functions_init(p);
	return p;
}

static void flame_panel_destroy(void *self)
{
	struct flame_panel *p = self;

	if (!p)
		return;
	query_destroy(p->query);
	query_destroy(p->base_query);
	query_destroy(p->line_query);
	query_destroy(p->cost_query);
	thread_wakers_finish(&p->wakers);
	flame_destroy(p->flame);
	free(p->boxes);
	free(p->lines);
	flame_functions_finish(p);
	free(p);
}

static uint32_t hottest(const struct flame_panel *p)
{
	uint32_t at = p->zoom, next;

	if (!p->inverted)
		return flame_hottest(p->flame, p->zoom);
	/* Upside down it is the first function below what groups. */
	while ((next = flame_heaviest(p->flame, at))) {
		at = next;
		if (flame_frame(p->flame, flame_node(p->flame, at)->frame)->kind != FLAME_GROUP)
			break;
	}
	return at;
}

/* Finds zoom and selection again in a new answer. */
static void settle(struct flame_panel *p)
{
	bool whole;

	p->zoom = flame_place_find(p->flame, &p->zoomed, &whole);
	/* What was zoomed into has gone: all is better than a part that nobody chose. */
	if (!whole)
		p->zoom = 0;
	p->at = p->chosen ? flame_place_find(p->flame, &p->selected, &whole) : hottest(p);
	if (p->zoom && !flame_below(p->flame, p->at, p->zoom) && !flame_below(p->flame, p->zoom, p->at))
		p->at = p->zoom;
	p->match = p->word[0] ? flame_match(p->flame, p->word) : 0;
}

static void choose(struct flame_panel *p, uint32_t node)
{
	p->at = node;
	p->chosen = true;
	flame_place_of(p->flame, node, &p->selected);
}

/* What is known of the source of what is selected. */
static void look_up(struct flame_panel *p)
{
	p->source_lines.n = 0;
	if (!p->flame || p->functions || p->why_not[0] || p->cramped || (p->shaped_width && flame_panel_point(p, p->shaped_width)))
		return;
	p->line_node = p->at;
	source_lines_of(p->flame, p->at, false, SOURCE_LINE_SPOTS, &p->source_lines);
	if (!p->source_lines.n || !view_table(p->view, "source_line") || (!p->line_query && !(p->line_query = query_create(p->view))))
		return;
	source_lines_read(&p->source_lines, p->line_query, &p->lens, p->time.newest_ns);
}

static int flame_panel_update(void *self, struct view *view, const struct lens *lens, const struct panel_time *time,
			      struct culprit_error *error)
{
	struct flame_panel *p = self;
	uint64_t answer = p->answer;
	int r;

	if (p->view != view) {
		query_destroy(p->query);
		query_destroy(p->base_query);
		query_destroy(p->line_query);
		query_destroy(p->cost_query);
		p->query = p->base_query = p->line_query = p->cost_query = NULL;
		p->base_view = NULL;
		p->view = view;
		p->answered = false;
	}
	/* Somebody leads here with a filter for a table: that is what is meant to be seen. */
	if (view && lens->filter_table[0] && strcmp(lens->filter_table, p->lens.filter_table) != 0 && view_table(view, lens->filter_table)) {
		struct flame_options o = {.table = lens->filter_table};
		struct flame_source source;

		if (!flame_source_find(view, &o, &source, NULL)) {
			snprintf(p->table, sizeof(p->table), "%s", lens->filter_table);
			p->reason[0] = '\0';
		}
	}
	/* Another process, another tree. */
	if (memcmp(&lens->scope.pid, &p->lens.scope.pid, 4 * sizeof(uint64_t)) != 0 || strcmp(lens->scope.cgroup, p->lens.scope.cgroup) != 0) {
		p->chosen = false;
		p->zoomed.n = 0;
		p->reason[0] = '\0';
	}
	p->lens = *lens;
	p->time = *time;
	if (!view)
		return 0;
	r = flame_panel_ask(p, error);
	/* What was drawn is of another flame; on a screen of a line or two nothing is drawn anew. */
	if (p->answer != answer)
		p->nboxes = p->nlines = 0;
	if (p->flame && p->answer != answer)
		settle(p);
	look_up(p);
	return r;
}

static void flame_panel_draw_all(void *self, struct surface *s, struct rect r)
{
	flame_panel_draw(self, s, r);
}

/* --- moves --- */

/* The box above, below, or beside, of those that were drawn. */
static bool move_box(struct flame_panel *p, int action)
{
	const struct flame_box *here = NULL, *best = NULL;

	for (size_t i = 0; i < p->nboxes && !here; i++)
		here = p->boxes[i].node == p->at ? &p->boxes[i] : NULL;
	if (!here)
		return false;
	for (size_t i = 0; i < p->nboxes; i++) {
		const struct flame_box *b = &p->boxes[i];

		if (action == ACTION_UP && b->depth + 1 == here->depth && b->x <= here->x && b->x + b->w >= here->x + here->w)
			best = b;
		if (action == ACTION_DOWN && b->depth == here->depth + 1 && b->x >= here->x && b->x + b->w <= here->x + here->w &&
		    (!best || b->w > best->w))
			best = b;
		if (action == ACTION_LEFT && b->depth == here->depth && b->x < here->x && (!best || b->x > best->x))
			best = b;
		if (action == ACTION_RIGHT && b->depth == here->depth && b->x > here->x && (!best || b->x < best->x))
			best = b;
	}
	if (best)
		choose(p, best->node);
	return best != NULL;
}

static bool move_in_icicle(struct flame_panel *p, int action)
{
	int page = p->page > 1 ? p->page - 1 : 1;

	switch (action) {
	case ACTION_PAGE_UP:
	case ACTION_PAGE_DOWN:
		for (int i = 0; i < page && move_box(p, action == ACTION_PAGE_UP ? ACTION_UP : ACTION_DOWN); i++)
			;
		return true;
	case ACTION_FIRST:
		choose(p, p->zoom);
		return true;
	case ACTION_LAST:
		choose(p, hottest(p));
		return true;
	default:
		move_box(p, action);
		return true;
	}
}

static bool move_in_path(struct flame_panel *p, int action)
{
	size_t here = flame_path_line(p->flame, p->lines, p->nlines, p->at), page = p->page > 1 ? (size_t)p->page - 1 : 1, to = here;

	if (!p->nlines)
		return false;
	switch (action) {
	case ACTION_UP:
		to = here ? here - 1 : 0;
		break;
	case ACTION_DOWN:
		to = here + 1;
		break;
	case ACTION_PAGE_UP:
		to = here > page ? here - page : 0;
		break;
	case ACTION_PAGE_DOWN:
		to = here + page;
		break;
	case ACTION_FIRST:
		to = 0;
		break;
	case ACTION_LAST:
		to = p->nlines - 1;
		break;
	case ACTION_LEFT: /* to the line it hangs on */
		while (to && p->lines[to].indent >= p->lines[here].indent)
			to--;
		break;
	case ACTION_RIGHT:
		if (here + 1 < p->nlines && p->lines[here + 1].indent > p->lines[here].indent)
			to = here + 1;
		break;
	default:
		return false;
	}
	choose(p, flame_line_node(p, &p->lines[to < p->nlines ? to : p->nlines - 1]));
	return true;
}

static enum panel_result move(struct flame_panel *p, int action)
{
	uint32_t before;

	if (!p->flame || p->why_not[0])
		return PANEL_IGNORED;
	if (p->functions)
		return list_move(&p->list, &p->list_source, action) ? PANEL_DRAW : PANEL_IGNORED;
	/* Something else was chosen since it was drawn. */
	if (flame_panel_shape(p, p->shaped_width ? p->shaped_width : 80))
		return PANEL_IGNORED;
	before = p->at;
	return (p->icicle ? move_in_icicle(p, action) : move_in_path(p, action)) && p->at != before ? PANEL_UPDATE : PANEL_IGNORED;
}

/* --- keys --- */

static enum panel_result say(struct panel_request *want, const char *text)
{
	want->want = WANT_MESSAGE;
	snprintf(want->message, sizeof(want->message), "%s", text);
	return PANEL_DRAW;
}

static enum panel_result zoom(struct flame_panel *p, struct panel_request *want)
{
	if (!p->flame || p->why_not[0])
		return PANEL_IGNORED;
	if (p->functions) {
		uint32_t frame = flame_functions_selected(p), best = 0;

		/* Where in the flame it is most. */
		for (uint32_t i = 1; i < flame_nodes(p->flame); i++) {
			const struct flame_node *n = flame_node(p->flame, i);

			if (n->frame == frame && (!best || n->total > flame_node(p->flame, best)->total))
				best = i;
		}
		if (!best)
			return PANEL_IGNORED;
		p->functions = false;
		p->zoom = 0;
		p->zoomed.n = 0;
		choose(p, best);
		return PANEL_UPDATE;
	}
	if (p->at == p->zoom)
		return p->zoom ? say(want, "this is what is shown already: Backspace shows more") :
				 say(want, "this is all there is: move to what is to be shown larger");
	p->zoom = p->at;
	flame_place_of(p->flame, p->zoom, &p->zoomed);
	choose(p, p->zoom);
	p->searched = false;
	return PANEL_UPDATE;
}

static void change_sort(struct flame_panel *p, enum flame_column sort)
{
	p->ascending = false;
	p->sort = sort;
	p->listed = 0;
}

static enum panel_result flame_panel_action(void *self, int action, struct panel_request *want)
{
	struct flame_panel *p = self;

	if (p->functions)
		flame_functions_fresh(p);
	/* Of nothing there is no other form. */
	if ((action == FLAME_FORM || action == FLAME_VIEW) && (!p->flame || p->why_not[0]))
		return PANEL_IGNORED;
	switch (action) {
	case ACTION_DEEPER:
		return zoom(p, want);
	case FLAME_FORM:
		p->form = p->functions ? p->form : p->icicle ? FLAME_PATH : FLAME_ICICLE;
		p->functions = false;
		return PANEL_UPDATE;
	case FLAME_VIEW:
		p->functions = !p->functions;
		return PANEL_UPDATE;
	case FLAME_SOURCE:
		if (!flame_panel_source(p, 1))
			return say(want, "there is no other table with stacks here");
		p->chosen = p->answered = false;
		p->zoomed.n = 0;
		return PANEL_UPDATE;
	case FLAME_REASON_NEXT:
	case FLAME_REASON_PREVIOUS:
		if (!flame_panel_reason(p, action == FLAME_REASON_NEXT ? 1 : -1))
			return say(want, "these stacks have no reasons to choose from");
		p->answered = false;
		return PANEL_UPDATE;
	case FLAME_INVERT:
		p->inverted = !p->inverted;
		p->chosen = p->answered = false;
		p->zoomed.n = 0;
		return PANEL_UPDATE;
	case FLAME_WHOSE_NEXT:
		p->whose = (p->whose + 1) % WHOSE_COUNT;
		p->chosen = p->answered = false;
		p->zoomed.n = 0;
		return PANEL_UPDATE;
	case FLAME_CHANGE:
		if (!p->base_covered_ns)
			return say(want, p->lens.has_baseline ? "there are no stacks in the baseline" :
								"there is nothing to compare with yet: b sets a baseline");
		change_sort(p, p->functions && p->sort == COLUMN_CHANGE ? COLUMN_SELF : COLUMN_CHANGE);
		p->functions = true;
		return PANEL_DRAW;
	case FLAME_SORT:
		if (!p->functions)
			return say(want, "the flame has no order: V shows the functions as a table");
		change_sort(p, (p->sort + 1) % COLUMN_COUNT);
		if (p->sort == COLUMN_CHANGE && !p->base_covered_ns)
			change_sort(p, COLUMN_NAME);
		return PANEL_DRAW;
	case FLAME_REVERSE:
		if (!p->functions)
			return PANEL_IGNORED;
		p->ascending = !p->ascending;
		p->listed = 0;
		return PANEL_DRAW;
	default:
		return move(p, action);
	}
}

static const char *flame_panel_table(const void *self)
{
	const struct flame_panel *p = self;

	return p->source.table[0] ? p->source.table : NULL;
}

static int flame_panel_command(void *self, const char *name, const char *argument, struct panel_request *want,
			       struct culprit_error *error)
{
	struct flame_panel *p = self;
	struct flame_options o = {.table = argument};
	struct flame_source source;
	int r;

	(void)want;
	if (!strcmp(name, "sort")) {
		for (enum flame_column c = COLUMN_SELF; c < COLUMN_COUNT; c++) {
			if (!strcmp(argument, flame_functions_sort_name(c))) {
				change_sort(p, c);
				p->functions = true;
				return 0;
			}
		}
		return error_set(error, -EINVAL, "functions are sorted by self, total, change or name");
	}
	if (strcmp(name, "stacks") != 0)
		return -ENOENT;
	r = p->view ? flame_source_find(p->view, &o, &source, error) : error_set(error, -EINVAL, "there is nothing to show yet");
	if (r)
		return -EINVAL;
	snprintf(p->table, sizeof(p->table), "%s", source.lens ? source.lens->name : source.table);
	p->reason[0] = '\0';
	p->chosen = p->answered = false;
	p->zoomed.n = 0;
	return 0;
}

static const char *flame_panel_complete(void *self, const char *command, size_t i)
{
	static const char *const commands[] = {"sort", "stacks"};

	(void)self;
	if (!strcmp(command, "sort"))
		return flame_functions_sort_name((enum flame_column)i);
	return !*command && i < 2 ? commands[i] : NULL;
}

/* --- looking for a name --- */

static bool line_matches(const struct flame_panel *p, const struct flame_line *l, const char *word)
{
	for (uint32_t at = l->last;; at = flame_node(p->flame, at)->parent) {
		if (flame_frame_matches(flame_frame(p->flame, flame_node(p->flame, at)->frame), word))
			return true;
		if (at == l->first)
			return false;
	}
}

static bool find_in_flame(struct flame_panel *p, const char *word, int direction)
{
	size_t n, here = 0;

	if (flame_panel_shape(p, p->shaped_width ? p->shaped_width : 80))
		return false;
	n = p->icicle ? p->nboxes : p->nlines;
	for (size_t i = 0; p->icicle && i < n; i++)
		here = p->boxes[i].node == p->at ? i : here;
	if (!p->icicle)
		here = flame_path_line(p->flame, p->lines, p->nlines, p->at);
	for (size_t k = direction ? 1 : 0; k <= n && n; k++) {
		size_t i = (here + (direction < 0 ? n - k % n : k)) % n;

		if (p->icicle ? flame_frame_matches(flame_frame(p->flame, flame_node(p->flame, p->boxes[i].node)->frame), word) :
				line_matches(p, &p->lines[i], word)) {
			choose(p, p->icicle ? p->boxes[i].node : flame_line_node(p, &p->lines[i]));
			return true;
		}
	}
	return false;
}

static bool flame_panel_find(void *self, const char *text, int direction)
{
	struct flame_panel *p = self;
	bool found;

	if (!p->flame || !p->answered)
		return false;
	snprintf(p->word, sizeof(p->word), "%s", text);
	p->searched = true;
	p->match = flame_match(p->flame, p->word);
	if (p->functions)
		flame_functions_fresh(p);
	found = p->functions ? flame_functions_find(p, text, direction) : find_in_flame(p, text, direction);
	/* There, but too small to be pointed at: its share says so. */
	return found || p->match > 0;
}

static void flame_panel_selection(void *self, bool restore)
{
	struct flame_panel *p = self;

	if (!restore) {
		p->before = p->selected;
		p->mark = list_mark(&p->list);
		memcpy(p->word_before, p->word, sizeof(p->word));
		return;
	}
	p->selected = p->before;
	memcpy(p->word, p->word_before, sizeof(p->word));
	if (p->flame) {
		if (p->functions) {
			flame_functions_fresh(p);
			list_restore(&p->list, &p->list_source, &p->mark);
		}
		settle(p);
	}
}

/* Esc and Backspace: what was looked for, then the zoom; the newer first. */
static bool flame_panel_escape(void *self)
{
	struct flame_panel *p = self;

	if (!p->flame || (!p->word[0] && !p->zoomed.n))
		return false;
	if (p->word[0] && (p->searched || !p->zoomed.n)) {
		p->word[0] = '\0';
		return true;
	}
	/* One step: to the fork above, which is where one came from, or to all. */
	p->zoomed.n = 0;
	settle(p);
	return true;
}

static enum panel_result flame_panel_click(void *self, struct rect r, int x, int y, struct panel_request *want)
{
	struct flame_panel *p = self;
	struct rect body = flame_panel_body(p, r);
	long row;

	if (!p->flame || p->why_not[0])
		return PANEL_IGNORED;
	if (p->functions) {
		struct rect list = {r.x, r.y + (r.h >= 2), r.w, (int)p->list.page + 1};

		flame_functions_fresh(p);
		row = list_row_at(&p->list, &p->list_source, list, y);
		if (row < 0)
			return PANEL_IGNORED;
		list_select(&p->list, &p->list_source, (size_t)row);
		return PANEL_DRAW;
	}
	row = y - body.y + p->top;
	if (y < body.y || y >= body.y + body.h)
		return PANEL_IGNORED;
	if (!p->icicle && row < (long)p->nlines) {
		choose(p, flame_line_node(p, &p->lines[row]));
		return PANEL_UPDATE;
	}
	for (size_t i = 0; p->icicle && i < p->nboxes; i++) {
		const struct flame_box *b = &p->boxes[i];

		if (b->depth != row || x - r.x < b->x || x - r.x >= b->x + b->w)
			continue;
		/* What is selected already is meant to be larger. */
		if (b->node == p->at)
			return zoom(p, want);
		choose(p, b->node);
		return PANEL_UPDATE;
	}
	return PANEL_IGNORED;
}

/* What is collected only while it is looked at: a lens that is asked for; beside waits, who ends them; lines of what is selected. */
static size_t flame_panel_interests(const void *self, const struct lens *lens, struct culprit_interest *list, size_t cap)
{
	const struct flame_panel *p = self;
	const struct flame_lens *l = p->source.lens;
	const char *table = !l ? NULL : l->asked ? l->table : !strcmp(l->name, "offcpu") ? "thread_waker" : NULL;
	size_t n = 0;

	if (table && lens->scope.has_process && cap)
		list[n++] = (struct culprit_interest){.size = sizeof(*list), .table = table, .what = "rows",
						      .key = {lens->scope.pid, lens->scope.start_ticks}, .nkey = 2};
	return n + (p->functions || p->why_not[0] ? 0 : source_lines_interests(&p->source_lines, list + n, cap - n));
}

static const struct binding keys[] = {
	{FLAME_FORM, "form", {'f'}, "f form", "icicle, or the hot path as an indented tree"},
	{FLAME_VIEW, "view", {'V'}, "V table", "the functions by self and total, with callers and callees; or the flame again"},
	{FLAME_SOURCE, "other", {'o'}, "o other", "other stacks: on-CPU, off-CPU, context switches, page faults, block I/O, kernel locks, memory growth of a process (:stacks NAME)"},
	{FLAME_REASON_NEXT, "next-row", {';'}, NULL, "only the next reason or kind (disk, minor, writeback, mutex), all of them among them"},
	{FLAME_REASON_PREVIOUS, "previous-row", {','}, ", ; reason", "the reason before"},
	{FLAME_INVERT, "invert", {'i'}, "i invert", "the innermost function first: who calls it stands below it"},
	{FLAME_WHOSE_NEXT, "whose", {'w'}, "w whose", "all merged, by process, by thread"},
	{FLAME_CHANGE, "sort-change", {'d'}, NULL, "the functions by how much they grew since the baseline (b); r: what vanished"},
	{FLAME_SORT, "sort-next", {'s'}, NULL, "sort the table by the next column (:sort self|total|change|name)"},
	{FLAME_REVERSE, "reverse", {'r'}, NULL, "the table the other way round"},
};

const struct panel flame_panel = {
	.name = "flame",
	.title = "Flame",
	.key = '4',
	.help = "Stacks of what you look at, merged: what calls what, and how much of the time it is. In the icicle (from 100 "
		"columns) width is time and the root is on top; in the hot path a chain of single calls is one line, from 1% on, and "
		"<== marks the line with the most of its own. Enter makes what is selected as large as the screen, Backspace "
		"brings back the rest. / looks for a name and says its share. Colours: kernel, program, library, generated code; "
		"with a baseline (b): what is more, what is less. The line below says where in the source the selected function is most, "
		"and what was inlined there, where there is debug information (-dbgsym packages have it). Below waits (off-CPU) of a process "
		"stands whom it waits for, and what that one did meanwhile; below memory growth what looking costs the process. \"cut\" is "
		"the share of stacks whose outer end is not known. A function without a name is called by its file and where it begins in it. "
		"Of waits the scheduler's own functions, in which all of them end, are left out.",
	.keys = keys,
	.nkeys = sizeof(keys) / sizeof(keys[0]),
	.create = flame_panel_create,
	.destroy = flame_panel_destroy,
	.update = flame_panel_update,
	.draw = flame_panel_draw_all,
	.action = flame_panel_action,
	.table = flame_panel_table,
	.command = flame_panel_command,
	.complete = flame_panel_complete,
	.find = flame_panel_find,
	.selection = flame_panel_selection,
	.interests = flame_panel_interests,
	.click = flame_panel_click,
	.escape = flame_panel_escape,
};
