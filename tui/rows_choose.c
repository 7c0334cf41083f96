/* Which columns a list shows: those the panel gave it, or those the user chose of all that the table has. Columns are known
 * by name, so that a choice can be kept and read again; the panel's own drawn ones (busy, io, command) by their title. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "rows.h"

static const char *name_of(const struct rows_column *c)
{
	return c->column ? c->column : c->title;
}

static const struct rows_column *given(const struct rows *r, const char *name)
{
	for (size_t i = 0; i < r->ngiven; i++) {
		if (!strcmp(name_of(&r->given[i]), name))
			return &r->given[i];
	}
	return NULL;
}

void rows_wish(struct rows *r, const char *names)
{
	r->nwishes = 0;
	r->missed[0] = '\0';
	while (*names && r->nwishes < ROWS_CHOSEN_MAX) {
		size_t n = strcspn(names, " ,");
		char *to = r->wishes[r->nwishes];
		bool twice = false;

		if (n && n < sizeof(r->wishes[0])) {
			memcpy(to, names, n);
			to[n] = '\0';
			for (size_t i = 0; i < r->nwishes; i++)
				twice |= !strcmp(r->wishes[i], to);
			r->nwishes += !twice;
		}
		names += n + (names[n] != '\0');
	}
	if (!r->nwishes)
		rows_set_columns(r, r->given, r->ngiven);
}

void rows_wishes(const struct rows *r, char *out, size_t cap)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < r->nwishes && n < cap; i++)
		n += (size_t)snprintf(out + n, cap - n, "%s%s", i ? " " : "", r->wishes[i]);
}

void rows_choose_resolve(struct rows *r)
{
	size_t n = 0;

	if (!r->nwishes)
		return;
	for (size_t i = 0; i < r->nwishes; i++) {
		const struct rows_column *own = given(r, r->wishes[i]);
		int c = own ? -1 : query_column_find(r->query, r->wishes[i]);

		if (own) {
			r->chosen[n++] = *own;
			continue;
		}
		if (c < 0)
			continue;
		r->chosen[n] = (struct rows_column){.priority = 1};
		rows_fit(query_column(r->query, (size_t)c), &r->chosen[n]);
		/* The query's names last until its next run. */
		r->chosen[n].column = r->chosen[n].title = r->wishes[i];
		n++;
	}
	r->base = n ? r->chosen : r->given;
	r->nbase = n ? n : r->ngiven;
}

void rows_keep(const struct rows *r, const char *panel, struct settings *s)
{
	char text[SETTING_VALUE_MAX];

	snprintf(text, sizeof(text), "%c%s", r->ascending ? '+' : '-', r->sort);
	if (!r->sort[0] || (!r->ascending && !strcmp(r->sort, r->sort_first)))
		text[0] = '\0';
	settings_set_of(s, panel, "sort", text);
	rows_wishes(r, text, sizeof(text));
	settings_set_of(s, panel, "columns", text);
	settings_set_of(s, panel, "tree", r->tree.on ? "on" : "");
}

void rows_restore(struct rows *r, const char *panel, const struct settings *s)
{
	const char *sort = settings_get_of(s, panel, "sort"), *columns = settings_get_of(s, panel, "columns"),
		   *tree = settings_get_of(s, panel, "tree");

	if (sort && (*sort == '+' || *sort == '-') && sort[1] && strlen(sort + 1) < sizeof(r->sort)) {
		snprintf(r->sort, sizeof(r->sort), "%s", sort + 1);
		r->ascending = *sort == '+';
		r->sort_chosen = true;
	}
	if (columns)
		rows_wish(r, columns);
	r->tree.on = tree && !strcmp(tree, "on");
	/* Laid out anew, for a tree. */
	rows_set_columns(r, r->given, r->ngiven);
}

static size_t choices_count(const void *self)
{
	return ((const struct rows *)self)->nchoices;
}

static struct list_id choices_id(const void *self, size_t i)
{
	const struct rows *r = self;

	return (struct list_id){row_key_text(r->choices[i].name, strlen(r->choices[i].name)), 3};
}

static unsigned choices_flags(const void *self, size_t i)
{
	return ((const struct rows *)self)->choices[i].on ? LIST_ROW_STRONG : 0;
}

static void choices_cell(const void *self, size_t i, size_t column, struct list_cell *cell)
{
	const struct rows_choice *c = &((const struct rows *)self)->choices[i];

	if (column == 0)
		list_cell_own(cell, c->on ? "[x]" : "[ ]");
	else
		list_cell_text(cell, column == 1 ? c->name : c->help, strlen(column == 1 ? c->name : c->help));
}

static const struct list_column choice_columns[] = {
	{.title = "", .min = 3, .max = 3, .sticky = true},
	{.title = "column", .min = 12, .max = 24, .weight = 1},
	{.title = "what it says", .min = 20, .max = 200,
	 .weight = 8, .priority = 1},
};

static void add(struct rows *r, const char *name, const char *help, bool on)
{
	struct rows_choice *c;

	for (size_t i = 0; i < r->nchoices; i++) {
		if (!strcmp(r->choices[i].name, name))
			return;
	}
	if (r->nchoices == ROWS_CHOICES_MAX)
		return;
	c = &r->choices[r->nchoices++];
	snprintf(c->name, sizeof(c->name), "%s", name);
	snprintf(c->help, sizeof(c->help), "%s", help ? help : "");
	c->on = on;
}

static const char *help_of(struct rows *r, const char *name)
{
	int c = r->query ? query_column_find(r->query, name) : -1;

	if (c >= 0)
		return query_column(r->query, (size_t)c)->help;
	return !strcmp(name, "busy")	? "where the time of the window went, as a bar" :
	       !strcmp(name, "command") ? "command line, or name; of interpreters what they run comes first" :
	       !strcmp(name, "io")	? "what it read from disks and made them write" :
					  "";
}

static void fill(struct rows *r)
{
	r->nchoices = 0;
	for (size_t i = 0; i < r->nwishes; i++)
		add(r, r->wishes[i], help_of(r, r->wishes[i]), true);
	for (size_t i = 0; i < r->ngiven; i++)
		add(r, name_of(&r->given[i]), help_of(r, name_of(&r->given[i])), !r->nwishes);
	for (size_t i = 0; r->query && i < query_ncolumns(r->query); i++) {
		const struct query_column *q = query_column(r->query, i);

		if (q->type != CULPRIT_HIST)
			add(r, q->name, q->help, false);
	}
}

void rows_choose_open(struct rows *r)
{
	if (!r->choices)
		r->choices = calloc(ROWS_CHOICES_MAX, sizeof(*r->choices));
	if (!r->choices)
		return;
	fill(r);
	list_init(&r->choice_list);
	r->choice_source = (struct list_source){r, choice_columns, sizeof(choice_columns) / sizeof(choice_columns[0]),
						choices_count, choices_id, choices_cell, choices_flags};
	r->choosing = true;
}

bool rows_escape(struct rows *r)
{
	bool was = r->choosing;

	r->choosing = false;
	return was;
}

static void apply(struct rows *r)
{
	r->nwishes = 0;
	for (size_t i = 0; i < r->nchoices && r->nwishes < ROWS_CHOSEN_MAX; i++) {
		if (r->choices[i].on)
			snprintf(r->wishes[r->nwishes++], sizeof(r->wishes[0]), "%s", r->choices[i].name);
	}
	/* None at all is no list. */
	if (!r->nwishes)
		rows_wish(r, "");
}

static void move(struct rows *r, size_t from, size_t to)
{
	struct rows_choice c = r->choices[from];

	if (from > to)
		memmove(&r->choices[to + 1], &r->choices[to], (from - to) * sizeof(c));
	else
		memmove(&r->choices[from], &r->choices[from + 1], (to - from) * sizeof(c));
	r->choices[to] = c;
}

/* A new one comes behind those that are shown, but before the one that takes the rest of the line. */
static void toggle(struct rows *r, size_t at)
{
	const struct rows_column *c;
	size_t to = 0, last = SIZE_MAX;

	r->choices[at].on = !r->choices[at].on;
	if (!r->choices[at].on)
		return;
	for (size_t i = 0; i < r->nchoices; i++) {
		if (r->choices[i].on && i != at)
			last = i;
	}
	if (last == SIZE_MAX || at < last)
		return;
	c = given(r, r->choices[last].name);
	to = c && c->tree ? last : last + 1;
	if (to < at)
		move(r, at, to);
	list_select(&r->choice_list, &r->choice_source, at + 1);
}

enum panel_result rows_choose_action(struct rows *r, int action)
{
	size_t at = r->choice_list.selected;

	switch (action) {
	case ROWS_CHOOSE:
		r->choosing = false;
		return PANEL_UPDATE;
	case ROWS_CHOSEN_RESET:
		rows_wish(r, "");
		fill(r);
		list_sync(&r->choice_list, &r->choice_source);
		return PANEL_UPDATE;
	case ACTION_DEEPER:
		if (at >= r->nchoices)
			return PANEL_IGNORED;
		list_select(&r->choice_list, &r->choice_source, at);
		toggle(r, at);
		break;
	case ROWS_CHOSEN_UP:
	case ROWS_CHOSEN_DOWN:
		if (at >= r->nchoices || (action == ROWS_CHOSEN_UP ? !at : at + 1 == r->nchoices))
			return PANEL_DRAW;
		move(r, at, action == ROWS_CHOSEN_UP ? at - 1 : at + 1);
		list_select(&r->choice_list, &r->choice_source, action == ROWS_CHOSEN_UP ? at - 1 : at + 1);
		break;
	default:
		return list_move(&r->choice_list, &r->choice_source, action) ? PANEL_DRAW : PANEL_IGNORED;
	}
	apply(r);
	return PANEL_UPDATE;
}

bool rows_choose_find(struct rows *r, const char *text, int direction)
{
	size_t n = r->nchoices;

	for (size_t k = direction ? 1 : 0; n && k <= n; k++) {
		size_t i = (r->choice_list.selected + (direction < 0 ? n - k % n : k)) % n;

		if (!strcasestr(r->choices[i].name, text) && !strcasestr(r->choices[i].help, text))
			continue;
		list_select(&r->choice_list, &r->choice_source, i);
		return true;
	}
	return false;
}

static enum panel_result only_cgroup(const char *cgroup, struct panel_request *want)
{
	bool same = want->lens.scope.has_cgroup && !strcmp(want->lens.scope.cgroup, cgroup);

	if (*cgroup && !same) {
		want->want = WANT_DEEPER;
		lens_scope_cgroup(&want->lens, cgroup, strlen(cgroup));
		snprintf(want->label, sizeof(want->label), "%s", cgroup);
		return PANEL_UPDATE;
	}
	want->want = WANT_MESSAGE;
	snprintf(want->message, sizeof(want->message), "%s",
		 same ? "only this control group is shown already: u goes back" : "its control group is not known");
	return PANEL_DRAW;
}

/* Cuts the term out of a conjunction; false: it is not in it. */
static bool cut_term(char *filter, const char *term)
{
	static const char and[] = " and ";
	enum { AND = sizeof(and) - 1 };
	char *at = strstr(filter, term), *rest = at ? at + strlen(term) : NULL;

	if (!at)
		return false;
	if (at >= filter + AND && !memcmp(at - AND, and, AND))
		at -= AND;
	else if (!strncmp(rest, and, AND))
		rest += AND;
	memmove(at, rest, strlen(rest) + 1);
	return true;
}

enum panel_result rows_only(struct rows *r, int action, struct panel_request *want)
{
	char text[LENS_CGROUP_MAX], term[LENS_FILTER_MAX], both[2 * LENS_FILTER_MAX + 16];
	const char *filter = want->lens.filter;
	ssize_t row = rows_selected(r);
	bool or;
	size_t n;

	if (row < 0)
		return PANEL_IGNORED;
	rows_text(r, (size_t)row, action == ROWS_ONLY_USER ? "user" : "cgroup", text, sizeof(text));
	if (action == ROWS_ONLY_CGROUP)
		return only_cgroup(text, want);
	if (!*text)
		return PANEL_IGNORED;
	n = (size_t)snprintf(term, sizeof(term), "user=\"");
	for (const char *p = text; *p && n + 4 < sizeof(term); p++) {
		if (*p == '"' || *p == '\\')
			term[n++] = '\\';
		term[n++] = *p;
	}
	term[n++] = '"';
	term[n] = '\0';
	want->want = WANT_FILTER;
	snprintf(want->message, sizeof(want->message), "%s", filter);
	if (cut_term(want->message, term))
		return PANEL_UPDATE;
	or = strstr(filter, "or") || strstr(filter, "||");
	n = (size_t)snprintf(both, sizeof(both), "%s%s%s%s%s", or ? "(" : "", filter, or ? ")" : "", *filter ? " and " : "",
			     term);
	if (n < LENS_FILTER_MAX) {
		memcpy(want->message, both, n + 1);
		return PANEL_UPDATE;
	}
	want->want = WANT_MESSAGE;
	snprintf(want->message, sizeof(want->message), "the filter is too long for one more term");
	return PANEL_DRAW;
}
