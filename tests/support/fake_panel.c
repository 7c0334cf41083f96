#include "support/fake_panel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

enum { FAKE_SORT = ACTION_PANEL, FAKE_KILL };

static size_t row_count(const void *self)
{
	return ((const struct fake *)self)->n;
}

static struct list_id row_id(const void *self, size_t row)
{
	return (struct list_id){((const struct fake *)self)->rows[row].id, 0};
}

static unsigned row_flags(const void *self, size_t row)
{
	return ((const struct fake *)self)->rows[row].ended ? LIST_ROW_ENDED : 0;
}

static void put_row_cell(const void *self, size_t row, size_t column, struct list_cell *cell)
{
	const struct fake_row *r = &((const struct fake *)self)->rows[row];
	char text[32];

	switch (column) {
	case 0:
		list_cell_text(cell, r->name, r->name_len);
		break;
	case 1:
		snprintf(text, sizeof(text), "%llu", (unsigned long long)r->id);
		list_cell_own(cell, text);
		break;
	case 2:
		snprintf(text, sizeof(text), "%.0f%%%s", r->cpu, r->cpu > 90 ? "!!" : "");
		list_cell_own(cell, text);
		if (r->cpu > 90 && cell->role == ROLE_TEXT)
			cell->role = ROLE_CRIT;
		break;
	case 3:
		cell->kind = LIST_BAR;
		cell->bar.share[BAR_CPU] = r->cpu;
		cell->bar.share[BAR_DISK] = 20;
		cell->bar.share[BAR_IDLE] = 100 - r->cpu > 0 ? 100 - r->cpu : 0;
		break;
	default:
		cell->kind = LIST_SPARK;
		cell->len = 10;
		for (int i = 0; i < 10; i++)
			cell->levels[i] = (int8_t)((r->id + (unsigned)i) % 10);
	}
}

static const struct list_column columns[] = {
	{"process", 8, 40, .weight = 2, .sticky = true, .sortable = true},
	{"pid", 7, 7, .right = true, .sortable = true},
	{"cpu1", 6, 6, .right = true, .sortable = true},
	{"busy threads", 12, 60, .weight = 3, .priority = 1},
	{"10m", 10, 10, .priority = 2},
};

static struct list_source source_of(const struct fake *f)
{
	return (struct list_source){f, columns, 5, row_count, row_id, put_row_cell, row_flags};
}

static int by_cpu(const void *a, const void *b)
{
	double x = ((const struct fake_row *)a)->cpu, y = ((const struct fake_row *)b)->cpu;

	return x < y ? 1 : x > y ? -1 : 0;
}

void fake_sort(struct fake *f)
{
	struct list_source source = source_of(f);

	qsort(f->rows, f->n, sizeof(f->rows[0]), by_cpu);
	list_sync(&f->list, &source);
}

#define NAME(s) s, sizeof(s) - 1

static void *fake_create(void)
{
	static const struct fake_row rows[] = {
		{812, 38, NAME("mysqld")},
		{9911, 44, NAME("restic")},
		{1204, 212, NAME("java:api")},
		{666, 99, NAME("evil\x1b[2J\x07\xc2\x9b" "6n\xe2\x80\xae\nname)")},
		{1337, 7, NAME("caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac")},
		{41, 1, NAME("gone"), .ended = true},
	};
	struct fake *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	list_init(&f->list);
	f->list.sort_column = 2;
	f->n = FAKE_ROWS;
	for (size_t i = 0; i < FAKE_ROWS; i++) {
		if (i < sizeof(rows) / sizeof(rows[0]))
			f->rows[i] = rows[i];
		else
			f->rows[i] = (struct fake_row){5000 + i, 0.5 / (double)i, NAME("sleeper")};
	}
	fake_sort(f);
	return f;
}

static void fake_destroy(void *self)
{
	free(self);
}

static int fake_update(void *self, struct view *view, const struct lens *lens, const struct panel_time *time,
		       struct culprit_error *error)
{
	struct fake *f = self;

	(void)view;
	(void)time;
	f->updates++;
	f->lens = *lens;
	if (f->fail_update)
		return error_set(error, -EINVAL, "the filter is wrong: expected a value after \"cpu>\"");
	return 0;
}

static void fake_draw(void *self, struct surface *s, struct rect r)
{
	struct fake *f = self;
	struct list_source source = source_of(f);
	char place[64];

	if (r.h < 3) {
		list_draw(&f->list, &source, s, r);
		return;
	}
	list_draw(&f->list, &source, s, (struct rect){r.x, r.y, r.w, r.h - 1});
	list_place(&f->list, &source, place, sizeof(place));
	surface_say_right(s, r.x, r.y + r.h - 1, r.w, ROLE_MUTED, place);
	bar_legend(s, r.x + 1, r.y + r.h - 1, r.w - 24, 0xff);
}

static enum panel_result fake_action(void *self, int action, struct panel_request *request)
{
	struct fake *f = self;
	struct list_source source = source_of(f);
	const struct fake_row *row = &f->rows[f->list.selected];

	if (action == ACTION_DEEPER) {
		request->want = WANT_DEEPER;
		request->lens = f->lens;
		lens_scope_process(&request->lens, row->id, 0);
		snprintf(request->label, sizeof(request->label), "%.*s %llu", (int)row->name_len, row->name,
			 (unsigned long long)row->id);
		return PANEL_DRAW;
	}
	if (action == FAKE_SORT) {
		f->list.sort_ascending = !f->list.sort_ascending;
		return PANEL_UPDATE;
	}
	if (action == FAKE_KILL) {
		request->want = WANT_CONFIRM;
		snprintf(request->message, sizeof(request->message), "Send SIGTERM to %llu?",
			 (unsigned long long)row->id);
		snprintf(request->expect, sizeof(request->expect), "%llu", (unsigned long long)row->id);
		return PANEL_DRAW;
	}
	return list_move(&f->list, &source, action) ? PANEL_DRAW : PANEL_IGNORED;
}

static int fake_command(void *self, const char *name, const char *argument, struct panel_request *request,
			struct culprit_error *error)
{
	(void)self;
	if (strcmp(name, "sort"))
		return -ENOENT;
	if (strcmp(argument, "cpu") && strcmp(argument, "pid"))
		return error_set(error, -EINVAL, "there is no such column; there are cpu and pid");
	request->want = WANT_MESSAGE;
	snprintf(request->message, sizeof(request->message), "sorted by %s", argument);
	return 0;
}

static const char *fake_complete(void *self, const char *command, size_t i)
{
	static const char *const names[] = {"cpu", "cputime", "pid"};

	(void)self;
	if (!*command)
		return i == 0 ? "sort" : NULL;
	return (!strcmp(command, "sort") || !strcmp(command, "filter")) && i < 3 ? names[i] : NULL;
}

static bool fake_find(void *self, const char *text, int direction)
{
	struct fake *f = self;
	struct list_source source = source_of(f);

	for (size_t i = direction ? 1 : 0; i <= f->n; i++) {
		size_t row = (f->list.selected + (direction < 0 ? f->n - i : i)) % f->n;

		if (memmem(f->rows[row].name, f->rows[row].name_len, text, strlen(text))) {
			list_select(&f->list, &source, row);
			return true;
		}
	}
	return false;
}

static enum panel_result fake_confirmed(void *self, struct panel_request *request)
{
	struct fake *f = self;

	f->confirmed++;
	request->want = WANT_MESSAGE;
	snprintf(request->message, sizeof(request->message), "sent");
	return PANEL_DRAW;
}

static const char *fake_table(const void *self)
{
	(void)self;
	return "process";
}

static const struct binding fake_keys[] = {
	{FAKE_SORT, "reverse", {'r'}, "r reverse", "turn the order around"},
	{FAKE_KILL, "signal", {KEY_F(9)}, NULL, "send a signal to the process"},
};

const struct panel fake_panel = {
	.name = "processes",
	.title = "Proc",
	.key = '2',
	.help = "Processes, made up. The bar says where the time of their busy threads goes.\nA line of its own.",
	.keys = fake_keys,
	.nkeys = 2,
	.create = fake_create,
	.destroy = fake_destroy,
	.update = fake_update,
	.draw = fake_draw,
	.action = fake_action,
	.table = fake_table,
	.command = fake_command,
	.complete = fake_complete,
	.find = fake_find,
	.confirmed = fake_confirmed,
};

static void *blank_create(void)
{
	return calloc(1, 1);
}

static int blank_update(void *self, struct view *view, const struct lens *lens, const struct panel_time *time,
			struct culprit_error *error)
{
	(void)self;
	(void)view;
	(void)lens;
	(void)time;
	(void)error;
	return 0;
}

static void blank_draw(void *self, struct surface *s, struct rect r)
{
	(void)self;
	/* Far too much on purpose: the console clips. */
	surface_fill(s, (struct rect){-10, -10, 4000, 4000}, ROLE_HEAT3, '*');
	surface_say(s, r.x, r.y, r.w, ROLE_TEXT, "blank");
}

static enum panel_result blank_action(void *self, int action, struct panel_request *request)
{
	(void)self;
	(void)action;
	(void)request;
	return PANEL_IGNORED;
}

const struct panel blank_panel = {
	.name = "blank",
	.title = "Blank",
	.key = '1',
	.help = "Nothing.",
	.create = blank_create,
	.destroy = fake_destroy,
	.update = blank_update,
	.draw = blank_draw,
	.action = blank_action,
};

const struct panel *const fake_panels[] = {&blank_panel, &fake_panel, NULL};
