#include "dump.h"

#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>

#include "dump_internal.h"
#include "error.h"
#include "text.h"
#include "timeparse.h"
#include "units.h"

int options_lens(const struct options *o, struct lens *lens, struct culprit_error *error)
{
	if (o->cgroup)
		lens_scope_cgroup(lens, o->cgroup, strlen(o->cgroup));
	if (o->has_pid)
		lens_scope_process(lens, o->pid, 0);
	if (o->has_tid)
		lens_scope_thread(lens, o->tid, 0);
	if (!o->filter)
		return 0;
	if (strlen(o->filter) >= sizeof(lens->filter))
		return error_set(error, -EINVAL, "the filter is too long; at most %zu bytes are possible",
				 sizeof(lens->filter) - 1);
	snprintf(lens->filter, sizeof(lens->filter), "%s", o->filter);
	return 0;
}

enum { NEAR_END_NS = 1000000000 };

/* A window in which nothing was recorded is no answer of no rows: most likely the day or the file is another one. */
static int outside(struct view *view, const char *option, const char *given, const char *where, struct culprit_error *error)
{
	char a[64], b[64], c[32], shown[64];
	int64_t from_wall, to_wall, second = 1000000000;
	uint64_t from, to;
	int zone = view_zone_offset(view);

	view_extent(view, &from, &to);
	from_wall = view_wall_ns(view, from);
	to_wall = view_wall_ns(view, to);
	text_sanitise(shown, sizeof(shown), given, strnlen(given, 40), TEXT_ASCII);
	return error_set(error, -ERANGE, "%s %s lies %s: what is recorded is %s to %s (%s)", option, shown, where,
			 units_rfc3339(a, sizeof(a), from_wall - from_wall % second, zone),
			 units_rfc3339(b, sizeof(b), to_wall - to_wall % second, zone), units_duration(c, sizeof(c), to - from));
}

int options_window(struct view *view, const struct options *o, uint64_t *ret_from_ns, uint64_t *ret_to_ns,
		   struct culprit_error *error)
{
	uint64_t first, last, from, to;
	int err;

	if (!view_extent(view, &first, &last))
		return view_nothing(view, error);
	from = first;
	to = last;
	err = o->from ? timeparse(view, o->from, 0, &from, error) : 0;
	if (!err && o->to)
		err = timeparse(view, o->to, o->from ? from : 0, &to, error);
	if (err)
		return err;
	/* Times are told in whole seconds, and the last frame is how things were for a while. */
	if (from >= last + NEAR_END_NS)
		return outside(view, "--from", o->from, "after the end", error);
	if (to < first)
		return outside(view, "--to", o->to, "before the beginning", error);
	if (from > to && !o->to)
		to = from;
	if (from > to)
		return error_set(error, -EINVAL, "--from lies after --to");
	*ret_from_ns = from;
	*ret_to_ns = to;
	return 0;
}

int dump_lens(struct view *view, const struct options *o, const char *table, struct lens *ret, struct culprit_error *error)
{
	uint64_t from, to;
	struct lens lens;
	int err = options_window(view, o, &from, &to, error);

	if (err)
		return err;
	lens = lens_window(from, to);
	err = options_lens(o, &lens, error);
	if (err)
		return err;
	if (o->filter)
		snprintf(lens.filter_table, sizeof(lens.filter_table), "%s", table);
	*ret = lens;
	return 0;
}

const char *dump_text(struct dump *d, const char *bytes, size_t n, int form, size_t *ret_len)
{
	size_t len = text_sanitise(d->text, d->text_cap, bytes, n, (enum text_form)form);

	if (len >= d->text_cap) {
		char *grown = realloc(d->text, len + 256);

		if (!grown)
			return NULL;
		d->text = grown;
		d->text_cap = len + 256;
		len = text_sanitise(d->text, d->text_cap, bytes, n, (enum text_form)form);
	}
	*ret_len = len;
	return d->text;
}

static int no_column(struct dump *d, const char *option, const char *name, struct culprit_error *error)
{
	char near[96], shown[48];

	text_sanitise(shown, sizeof(shown), name, strlen(name), TEXT_ASCII);
	query_suggest_column(d->query, name, near, sizeof(near));
	return error_set(error, -EINVAL, "%s: no column '%s' in %s%s", option, shown, d->table, near);
}

static int choose_columns(struct dump *d, const struct options *o, struct culprit_error *error)
{
	const char *p = o->columns;

	if (p && strcmp(p, "all") != 0) {
		while (*p) {
			char name[LENS_NAME_MAX];
			size_t len = strcspn(p, ",");
			int column;

			snprintf(name, sizeof(name), "%.*s", (int)len, p);
			column = query_column_find(d->query, name);
			if (len && (column < 0 || len >= sizeof(name)))
				return no_column(d, "--columns", name, error);
			if (len && d->ncolumns < DUMP_COLUMNS_MAX)
				d->columns[d->ncolumns++] = (uint16_t)column;
			p += len;
			p += *p == ',';
		}
		if (!d->ncolumns)
			return error_set(error, -EINVAL, "--columns names no column");
		return 0;
	}
	/* People get the table's own choice, machines everything. */
	if (!p && !o->json && !o->csv) {
		d->ncolumns = query_shown(d->query, d->columns, DUMP_COLUMNS_MAX);
		if (d->ncolumns)
			return 0;
	}
	for (size_t i = 0; i < query_ncolumns(d->query) && i < DUMP_COLUMNS_MAX; i++)
		d->columns[d->ncolumns++] = (uint16_t)i;
	return 0;
}

static int choose_order(struct dump *d, const struct options *o, struct culprit_error *error)
{
	const struct schema_table *t = query_table(d->query);
	const char *sort = o->sort;
	bool up;

	if (!sort) {
		if (!o->json && !o->csv && t && t->sort)
			query_sort(d->query, t->sort, true);
		return 0;
	}
	up = *sort == '+';
	sort += *sort == '+' || *sort == '-';
	if (query_sort(d->query, sort, !up))
		return no_column(d, "--sort", sort, error);
	return 0;
}

/* No table of that name, and none near: all of them, as many as a sentence takes. */
static int list_tables(struct view *view, const char *table, struct culprit_error *error)
{
	const struct schema *s = view_schema(view);
	static const char more[] = " ... (culprit collectors names all)";
	char text[200] = "", shown[48];
	size_t len = 0;

	if (strstr(error->sentence, "did you mean") || !s)
		return -ENOENT;
	for (uint32_t i = 0; i < s->ntables; i++) {
		/* Half a name is none. */
		if (len + strlen(s->tables[i]->name) + sizeof(more) + 2 > sizeof(text)) {
			snprintf(text + len, sizeof(text) - len, "%s", more);
			break;
		}
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? ", " : "", s->tables[i]->name);
	}
	text_sanitise(shown, sizeof(shown), table, strlen(table), TEXT_ASCII);
	return error_set(error, -ENOENT, "no table '%s'; there are %s", shown, text);
}

static int write_rows(struct dump *d, const struct options *o, struct culprit_error *error)
{
	int err;

	errno = 0;
	err = o->json ? dump_json(d) : o->csv ? dump_csv(d) : dump_table(d);
	if (err)
		return error_set(error, err, "out of memory");
	if (fflush(d->out) || ferror(d->out)) {
		int e = errno ? errno : EIO;

		/* Nobody reads any more: done. */
		if (e == EPIPE)
			return 0;
		return error_set(error, -e, "cannot write: %s", strerror(e));
	}
	return 0;
}

/* It has never been sampled and cannot be: then that no row is there is no answer. */
static int cannot_be_sampled(struct dump *d, struct culprit_error *error)
{
	const struct query_info *info = &d->info;
	const char *reason;
	size_t len;

	if (d->nrows || !dump_never_sampled(info) || (info->state != CULPRIT_FAILED && info->state != CULPRIT_MISSING))
		return 0;
	reason = info->reason ? dump_text(d, info->reason, info->reason_len, TEXT_ASCII, &len) : NULL;
	return error_set(error, -ENODATA, "%s: %s", d->table, reason ? reason : "cannot be sampled here");
}

/* Nothing belongs to what was named: that may be a slip, so it is told; the answer stays none. */
static void tell_no_match(const struct dump *d, const struct options *o)
{
	const struct query_info *info = &d->info;
	char shown[512];

	if (info->rows_in_scope || info->host_wide || dump_never_sampled(info))
		return;
	if (o->has_tid)
		fprintf(stderr, "culprit: no %sthread %" PRIu64 " in this window\n",
			strcmp(d->table, "thread") ? "rows of " : "", o->tid);
	else if (o->has_pid)
		fprintf(stderr, "culprit: no %sprocess %" PRIu64 " in this window\n",
			strcmp(d->table, "process") ? "rows of " : "", o->pid);
	else if (o->cgroup) {
		text_sanitise(shown, sizeof(shown), o->cgroup, strlen(o->cgroup), TEXT_ASCII);
		fprintf(stderr, "culprit: no %scontrol group %s in this window\n",
			strcmp(d->table, "cgroup") ? "rows of " : "", shown);
	}
}

int dump_run(struct view *view, const struct lens *lens, const struct options *o, const char *table, FILE *out,
	     struct culprit_error *error)
{
	struct dump d = {.view = view,
			 .table = table,
			 .out = out,
			 .compared = lens->has_baseline && !o->raw,
			 .baseline_from_ns = lens->baseline_from_ns,
			 .baseline_to_ns = lens->baseline_to_ns};
	struct culprit_error ignored, *why = error ? error : &ignored;
	int err, damage, cannot;

	d.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	d.query = query_create(view);
	if (!d.query)
		return error_set(error, -ENOMEM, "out of memory");
	why->sentence[0] = '\0';
	err = query_run(d.query, lens, table, o->raw ? QUERY_RAW : 0, why);
	damage = err == -EBADMSG ? err : 0;
	/* What was read is whole, the recording is not: rows are missing, and nobody would know. */
	if (!err && view_damage(view)[0]) {
		damage = -EBADMSG;
		error_set(why, damage, "%s", view_damage(view));
	}
	if (damage && !query_table(d.query))
		err = damage;
	else if (err == -ENOENT)
		err = list_tables(view, table, why);
	else if (damage)
		err = 0;
	if (!err)
		err = choose_columns(&d, o, why);
	if (!err)
		err = choose_order(&d, o, why);
	if (!err) {
		query_info(d.query, &d.info);
		d.nrows = query_nrows(d.query);
		if (o->limit && o->limit < d.nrows)
			d.nrows = (size_t)o->limit;
		cannot = cannot_be_sampled(&d, why);
		/* People get the sentence, once; machines what they asked for, too. */
		if (!cannot || o->json || o->csv)
			err = write_rows(&d, o, why);
		err = err ? err : cannot;
		if (!err)
			tell_no_match(&d, o);
	}
	query_destroy(d.query);
	free(d.text);
	return err ? err : damage;
}
