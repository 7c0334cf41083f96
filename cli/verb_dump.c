/* culprit dump TABLE [FILE|-]: fills a view, from a file or by sampling here and now, and prints it. */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "baseline.h"
#include "builtin.h"
#include "clock.h"
#include "confine.h"
#include "dump.h"
#include "error.h"
#include "file_source.h"
#include "marks_rows.h"
#include "ring_place.h"
#include "session.h"
#include "units.h"
#include "verbs.h"

#define SECOND INT64_C(1000000000)

enum { SILENT_S = 5 }; /* beyond two intervals: as the console's */

/* One object, the second table's in it by its name: {"schema":...,"rows":[...],"bpf":{"schema":...}}. */
static int json_of_both(struct view *v, const struct lens *lens, const struct options *o, const char *table, struct culprit_error *error)
{
	char *first = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&first, &n);
	int r;

	if (!f)
		return error_set(error, -ENOMEM, "out of memory");
	r = dump_run(v, lens, o, table, f, error);
	if (fclose(f) && !r)
		r = error_set(error, -ENOMEM, "out of memory");
	while (!r && n && first[n - 1] != '}')
		n--;
	if (!r && n) {
		fwrite(first, 1, n - 1, stdout);
		printf(",\"%s\":", o->also);
		r = dump_run(v, lens, o, o->also, stdout, error);
		puts("}");
	}
	free(first);
	return r;
}

/* `file`: whose view it is; NULL: our own. */
static int dump_view(struct view *v, const struct options *o, const char *table, const char *file, struct culprit_error *error)
{
	struct sandbox_report sandbox;
	struct view *other = NULL;
	struct lens lens;
	int r = view_refresh(v, error);

	if (r < 0)
		return r;
	r = dump_lens(v, o, table, &lens, error);
	if (!r)
		r = baseline_open(v, o, &lens, &other, error);
	if (!r && file)
		confine(o, file, &sandbox);
	if (!r && o->also && o->json)
		r = json_of_both(v, &lens, o, table, error);
	else if (!r)
		r = dump_run(v, &lens, o, table, stdout, error);
	/* For people: a second table below. */
	if (!r && o->also && !o->json && !o->csv) {
		putchar('\n');
		r = dump_run(v, &lens, o, o->also, stdout, error);
	}
	view_set_baseline(v, NULL);
	view_destroy(other);
	return r;
}

/* Marks that were set in a replay are beside the file, not in it. The table has both. -EBADMSG: as far as they can be read. */
static int add_marks(struct view *v, const char *file, struct culprit_error *error)
{
	struct marks *marks = marks_open(file, error);
	struct source *source = NULL;
	int r = marks ? 0 : -EIO;

	if (marks_count(marks)) {
		r = marks_rows(v, marks, &source, error);
		if (source && (view_add_source(v, source) || view_route(v, "mark", source)))
			r = error_set(error, -ENOMEM, "out of memory");
	}
	marks_destroy(marks);
	return r;
}

static int dump_file(const struct options *o, const char *table, const char *file, struct culprit_error *error)
{
	struct view *v = view_create();
	struct culprit_error marks;
	struct source *source;
	int r, damage;

	if (!v)
		return error_set(error, -ENOMEM, "out of memory");
	source = file_source_whole(file, o->history_bytes, error);
	r = source ? view_add_source(v, source) : -EIO;
	if (!r && !strcmp(table, "mark") && strcmp(file, "-"))
		r = add_marks(v, file, error);
	damage = r == -EBADMSG ? r : 0;
	marks = *error;
	if (!r || damage)
		r = dump_view(v, o, table, file, error);
	if (!r && damage) {
		r = damage;
		*error = marks; /* what is told may be whole, while marks are missing */
	}
	if ((!r || r == -EBADMSG) && view_notice(v)[0]) {
		struct culprit_error notice;

		error_set(&notice, 0, "%s", view_notice(v));
		verb_fail(EXIT_DONE, &notice);
	}
	view_destroy(v);
	return r;
}

/* Numbers of a recorder that writes no more look like those of now. */
static void tell_end(struct view *v, struct source *source)
{
	struct ring_status status;
	struct culprit_error text;
	const struct host_info *host = view_host(v);
	const char *name = strrchr(source->name, '/');
	int64_t now = (int64_t)clock_real()->now_ns(clock_real(), CULPRIT_WALL), end, behind;
	uint64_t from, to, interval = host ? host->interval_ns : 0;
	char when[64], ago[32];

	if (!ring_source_status(source, &status) || !view_extent(v, &from, &to))
		return;
	end = view_wall_ns(v, to);
	behind = now > end ? now - end : 0;
	if (status.live && (uint64_t)behind <= 2 * interval + SILENT_S * (uint64_t)SECOND)
		return;
	name = name ? name + 1 : source->name;
	units_rfc3339(when, sizeof(when), end - end % SECOND, view_zone_offset(v));
	units_duration(ago, sizeof(ago), (uint64_t)(behind / SECOND * SECOND));
	error_set(&text, 0, "recorder %.64s (pid %llu) is %s; its data ends at %s, %s ago", name, (unsigned long long)status.pid,
		  status.live ? "silent (stopped, or without CPU)" : "gone", when, ago);
	verb_fail(EXIT_DONE, &text);
}

/* What a recorder publishes, as it stands. */
static int dump_ring(const struct options *o, const char *table, struct culprit_error *error)
{
	struct view *v = view_create();
	struct source *source;
	int r;

	if (!v)
		return error_set(error, -ENOMEM, "out of memory");
	source = o->attach[0] ? ring_attach(o->attach, error) : ring_attach_best(error);
	r = source ? view_add_source(v, source) : -EIO;
	if (!r)
		r = dump_view(v, o, table, NULL, error);
	if (source)
		tell_end(v, source);
	view_destroy(v);
	return r;
}

/* A state table whose columns all are levels is whole after one sample. */
static bool needs_two_ticks(const struct options *o, const char *table)
{
	if (o->raw)
		return false;
	for (const struct culprit_collector *const *c = culprit_builtin; *c; c++) {
		for (uint32_t i = 0; i < (*c)->ntables; i++) {
			const struct culprit_table *t = (*c)->tables[i];

			if (strcmp(t->name, table))
				continue;
			/* What happened happened between two. */
			if (t->kind == CULPRIT_EVENT)
				return true;
			for (uint32_t k = 0; k < t->ncolumns; k++) {
				if (t->columns[k].role == CULPRIT_COUNTER || t->columns[k].role == CULPRIT_HISTOGRAM)
					return true;
			}
			return false;
		}
	}
	return true;
}

static int dump_live(const struct options *o, const char *table, struct culprit_error *error)
{
	const char *collector = session_collector_of(table);
	struct memsource *mem = NULL;
	struct view *v = NULL;
	struct session s;
	struct sink *sink;
	uint64_t ticks;
	/* Without that collector a plug-in may have the table. */
	bool other = o->collect || (o->without && o->nplugins);
	/* What it costs is told of collectors as they are in a console. */
	int r = session_open(&s, o, o->also ? 0 : CULPRIT_HOST_WHOLE, other ? NULL : collector, error);

	if (r)
		return r;
	mem = memsource_create();
	v = view_create();
	sink = mem ? memsource_sink(mem) : NULL;
	if (!v || !sink || writer_add_sink(sampler_writer(s.sampler), sink) ||
	    view_add_source(v, memsource_source(mem))) {
		r = error_set(error, -ENOMEM, "out of memory");
		goto end;
	}
	if (!collector)
		sampler_settle(s.sampler, 2000000000u);
	/* What is loaded into the kernel is waited for: there is no screen to show meanwhile. */
	sampler_settle_late(s.sampler, 10000000000u);
	ticks = needs_two_ticks(o, table) ? 1 : 0;
	if (o->for_ns)
		ticks = o->for_ns / (o->interval_ns ? o->interval_ns : 1000000000u);
	/* A plug-in that needs longer than the built-ins answers with the next tick. */
	ticks += !collector;
	for (uint64_t i = 0; i <= ticks && !r; i++) {
		if (i)
			sampler_rest(s.sampler, o->interval_ns ? o->interval_ns : 1000000000u, -1);
		r = sampler_tick(s.sampler, error);
		if (!r)
			r = writer_sink_error(sampler_writer(s.sampler), sink, error);
		if (!collector)
			sampler_settle(s.sampler, 500000000u);
	}
	if (!r)
		r = dump_view(v, o, table, NULL, error);
end:
	view_destroy(v);
	session_close(&s);
	memsource_unlock(mem);
	return r;
}

int verb_dump(const struct options *o)
{
	struct culprit_error error = {""};
	int r;

	/* Which characters the terminal has; all else is English, with a point in numbers. */
	setlocale(LC_CTYPE, "");
	if (o->nargs < 1 || o->nargs > 2) {
		error_set(&error, 0, "dump takes the name of a table, and a file or none; see culprit dump --help");
		return verb_fail(EXIT_USAGE, &error);
	}
	if (o->attach)
		r = dump_ring(o, o->args[0], &error);
	else
		r = o->nargs == 2 ? dump_file(o, o->args[0], o->args[1], &error) : dump_live(o, o->args[0], &error);
	return r ? verb_fail(verb_status(r), &error) : EXIT_DONE;
}
