#include "console_data.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dump.h"
#include "error.h"
#include "remember.h"
#include "series.h"

enum { SELF_WINDOW_S = 10 };

int console_data_init(struct console_data *d, struct view *view)
{
	memset(d, 0, sizeof(*d));
	d->view = view;
	d->query = query_create(view);
	d->now.self_percent = NAN;
	d->marks = query_create(view);
	return d->query && d->marks ? 0 : -ENOMEM;
}

void console_data_finish(struct console_data *d)
{
	query_destroy(d->query);
	query_destroy(d->marks);
	d->query = d->marks = NULL;
}

/* A filter that is wrong is said at once where there are rows to try it on. */
static int try_filter(struct console *c, struct view *view, const struct options *o, struct culprit_error *error)
{
	const struct panel *panel = console_panel(c);
	void *state = console_panel_state(c, panel->name);
	const char *table = panel->table && state ? panel->table(state) : "process";
	struct lens lens = lens_live(1);
	struct query *q;
	int r;

	if (!o->filter || !table || !*table)
		return 0;
	q = query_create(view);
	if (!q)
		return error_set(error, -ENOMEM, "out of memory");
	snprintf(lens.filter, sizeof(lens.filter), "%s", o->filter);
	r = query_run(q, &lens, table, 0, error);
	query_destroy(q);
	return r == -EINVAL ? r : 0;
}

static int put_sets(struct console *c, const struct options *o, struct culprit_error *error)
{
	struct settings *s = settings_create();
	int r = s ? remember_set(s, o, error) : error_set(error, -ENOMEM, "out of memory");

	if (!r && o->nsets)
		console_restore(c, s, false);
	settings_destroy(s);
	return r;
}

int console_start(struct console *c, struct view *view, const struct options *o, bool window, struct culprit_error *error)
{
	struct lens lens = *console_lens(c), given;
	char label[PANEL_LABEL_MAX] = "";
	int r = options_lens(o, &lens, error);

	if (!r)
		r = put_sets(c, o, error);
	if (r)
		return r;
	if (window && (o->from || o->to)) {
		r = dump_lens(view, o, "", &given, error);
		if (r)
			return r;
		lens.live = false;
		lens.from_ns = given.from_ns;
		lens.to_ns = given.to_ns;
		lens.length_ns = given.to_ns - given.from_ns;
	}
	if (window) {
		r = try_filter(c, view, o, error);
		if (r)
			return r;
	}
	if (o->has_tid)
		snprintf(label, sizeof(label), "thread %llu", (unsigned long long)o->tid);
	else if (o->has_pid)
		snprintf(label, sizeof(label), "process %llu", (unsigned long long)o->pid);
	else if (o->cgroup)
		snprintf(label, sizeof(label), "%.60s", o->cgroup);
	if (o->has_tid || o->has_pid || o->cgroup || o->filter || o->from || o->to)
		console_look(c, &lens, label);
	return 0;
}

static bool value_of(struct console_data *d, size_t row, const char *column, struct value *v)
{
	int c = query_column_find(d->query, column);

	if (c < 0)
		return false;
	query_value(d->query, row, (size_t)c, v);
	return v->state == VALUE_OK;
}

static bool text_is(const struct value *v, const char *text)
{
	return v->type == CULPRIT_TEXT && v->text.len == strlen(text) && !memcmp(v->text.p, text, v->text.len);
}

static void ask_host(struct console_data *d, const struct lens *lens)
{
	const struct host_info *host = view_host(d->view);
	unsigned long long cpus = host ? (unsigned long long)host->cpus : 0;
	double load1, load5, load15;

	if (host)
		snprintf(d->now.host, sizeof(d->now.host), "%.63s", host->name);
	if (query_run(d->query, lens, "host", 0, NULL) || !query_nrows(d->query)) {
		snprintf(d->now.summary, sizeof(d->now.summary), "%llucpu", cpus);
		return;
	}
	load1 = query_number(d->query, 0, "load1");
	load5 = query_number(d->query, 0, "load5");
	load15 = query_number(d->query, 0, "load15");
	if (isnan(load1))
		snprintf(d->now.summary, sizeof(d->now.summary), "%llucpu", cpus);
	else
		snprintf(d->now.summary, sizeof(d->now.summary), "%llucpu load %.*f %.*f %.*f", cpus, load1 < 10, load1,
			 load5 < 10, load5, load15 < 10, load15);
}

/* Own cost, and the first thing that is missing. */
static void ask_collectors(struct console_data *d, const struct lens *lens)
{
	bool missing = false;
	size_t n;

	d->now.self_percent = NAN;
	d->now.notice[0] = '\0';
	query_sort(d->query, NULL, false);
	if (query_run(d->query, lens, "collector", 0, NULL))
		return;
	n = query_nrows(d->query);
	for (size_t i = 0; i < n; i++) {
		struct value name, state, reason;

		if (!value_of(d, i, "name", &name) || !value_of(d, i, "state", &state))
			continue;
		if (text_is(&name, "(culprit)")) {
			d->now.self_percent = query_number(d->query, i, "cpu");
			continue;
		}
		if (text_is(&state, "off") || text_is(&state, "loading"))
			continue;
		/* What is missing altogether comes first; then what works but may not see all. */
		if (text_is(&state, "on") ? d->now.notice[0] || !value_of(d, i, "reason", &reason) : missing)
			continue;
		d->now.notice[0] = '\0';
		/* What is said of one that works begins with the table it is said of. */
		if (!text_is(&state, "on")) {
			missing = true;
			snprintf(d->now.notice, sizeof(d->now.notice), "%.*s: ", (int)(name.text.len < 40 ? name.text.len : 40),
				 name.text.p);
		}
		if (value_of(d, i, "reason", &reason) && reason.type == CULPRIT_TEXT) {
			size_t used = strlen(d->now.notice);

			snprintf(d->now.notice + used, sizeof(d->now.notice) - used, "%.*s",
				 (int)(reason.text.len < 200 ? reason.text.len : 200), reason.text.p);
		}
	}
}

int console_data_now(struct console_data *d, struct console_now *ret, struct culprit_error *error)
{
	struct lens lens = lens_live(SELF_WINDOW_S * 1000000000ull);
	int r = view_refresh(d->view, error);

	if (r >= 0 && view_generation(d->view) != d->generation && view_extent(d->view, &d->now.from_ns, &d->now.to_ns)) {
		d->generation = view_generation(d->view);
		d->now.tick_ns = series_tick_ns(d->view);
		d->now.wall_offset_ns = view_wall_ns(d->view, d->now.to_ns) - (int64_t)d->now.to_ns;
		d->now.zone_offset_s = view_zone_offset(d->view);
		ask_host(d, &lens);
		ask_collectors(d, &lens);
	}
	if (r < 0 && error)
		snprintf(d->now.notice, sizeof(d->now.notice), "%s", error->sentence);
	*ret = d->now;
	return r < 0 ? r : 0;
}

/* Marks of the user and of the program, at their columns. */
static void put_marks(struct console_data *d, uint64_t to_ns, uint64_t step_ns, const struct series *s,
		      struct console_timeline *t)
{
	/* A window begins behind its `from`, a column with it. */
	struct lens lens = lens_window(s->from_ns && s->from_ns < to_ns ? s->from_ns - 1 : 0, to_ns);
	const struct marks *kept = view_marks(d->view);
	size_t n;

	for (size_t i = 0; i < marks_count(kept); i++) {
		double when = (double)view_mono_ns(d->view, marks_at(kept, i)->wall_ns);
		double at = (when - (double)s->from_ns) / (double)step_ns;

		if (at >= 0 && at < (double)s->n)
			t->marks[(size_t)at] = true;
	}
	if (query_run(d->marks, &lens, "mark", 0, NULL))
		return;
	n = query_nrows(d->marks);
	for (size_t i = 0; i < n; i++) {
		double when = query_number(d->marks, i, "time");
		double at = (when - (double)s->from_ns) / (double)step_ns;

		if (at >= 0 && at < (double)s->n)
			t->marks[(size_t)at] = true;
	}
}

int console_data_timeline(void *self, struct view *view, uint64_t to_ns, uint64_t step_ns, size_t columns,
			  struct console_timeline *t)
{
	struct series_request ask = {.table = "cpu", .column = "busy", .key = {2, {(uint64_t)-1, 0}}};
	struct series out = {0};
	int r;

	if (columns > CONSOLE_TIMELINE_MAX)
		columns = CONSOLE_TIMELINE_MAX;
	out.buckets = calloc(columns ? columns : 1, sizeof(*out.buckets));
	if (!out.buckets)
		return -ENOMEM;
	memset(t, 0, sizeof(*t));
	snprintf(t->label, sizeof(t->label), "cpu busy");
	t->max = 100;
	r = series_run(view, &ask, 1, to_ns, step_ns, columns, &out, NULL);
	for (size_t i = 0; i < columns; i++)
		t->values[i] = !r && out.buckets[i].data ? out.buckets[i].mean : NAN;
	if (!r)
		put_marks(self, to_ns, step_ns, &out, t);
	free(out.buckets);
	return r;
}
