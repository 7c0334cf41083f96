/* culprit.rows/1: one object, rows one a line. Numbers are as stored; a time is RFC 3339, and
 * beside it ns since 1970 as NAME_ns; text is valid UTF-8 with other bytes as \xHH and the
 * backslash doubled, and holds nothing a terminal would act upon. With a baseline each row has `_baseline` and `_change`. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "demangle.h"
#include "dump_internal.h"
#include "json.h"
#include "text.h"
#include "units.h"

static void name(FILE *f, const char *text)
{
	json_string(f, text, strlen(text));
}

static int text(struct dump *d, const char *bytes, size_t n)
{
	size_t len;
	const char *shown = dump_text(d, bytes, n, TEXT_DATA, &len);

	if (!shown)
		return -ENOMEM;
	json_string(d->out, shown, len);
	return 0;
}

static void number(FILE *f, double v)
{
	char buf[64];

	units_format_exact(buf, sizeof(buf), v);
	fputs(buf[0] ? buf : "null", f);
}

static void whole(FILE *f, uint64_t v)
{
	/* Most parsers take integers for doubles or for int64. */
	fprintf(f, v > INT64_MAX ? "\"%" PRIu64 "\"" : "%" PRIu64, v);
}

static void histogram(FILE *f, const struct value *v)
{
	fputs("{\"edges\":[", f);
	for (uint32_t i = 0; i < v->hist.bounds->count; i++) {
		if (i)
			putc(',', f);
		number(f, schema_edge(v->hist.bounds, i));
	}
	fputs("],\"counts\":[", f);
	for (uint32_t i = 0; i < v->hist.bounds->count; i++) {
		if (i)
			putc(',', f);
		whole(f, v->hist.counts[i]);
	}
	fputs("]}", f);
}

static int stack(struct dump *d, const struct value *v)
{
	struct segment_location frames[255];
	size_t n = segment_stack(v->stack.segment, v->stack.id, frames, 255);
	char readable[DEMANGLE_MAX + 1];
	struct segment_name named;
	int err = 0;

	putc('[', d->out);
	for (size_t i = 0; i < n && i < 255 && !err; i++) {
		fputs(i ? ",{\"module\":" : "{\"module\":", d->out);
		if (frames[i].module)
			err = text(d, frames[i].module, frames[i].module_len);
		else
			fputs("null", d->out);
		fputs(",\"build_id\":", d->out);
		if (frames[i].build_id_len)
			putc('"', d->out);
		for (size_t k = 0; k < frames[i].build_id_len; k++)
			fprintf(d->out, "%02x", frames[i].build_id[k]);
		fputs(frames[i].build_id_len ? "\",\"offset\":" : "null,\"offset\":", d->out);
		whole(d->out, frames[i].offset);
		fputs(",\"name\":", d->out);
		if (!err && segment_symbol(v->stack.segment, &frames[i], &named) && named.len)
			err = text(d, readable, demangle(named.name, named.len, 0, readable, sizeof(readable)));
		else
			fputs("null", d->out);
		putc('}', d->out);
	}
	putc(']', d->out);
	return err;
}

static int put(struct dump *d, const struct value *v)
{
	if (v->state != VALUE_OK) {
		fputs("null", d->out);
		return 0;
	}
	switch (v->type) {
	case CULPRIT_I64:
		fprintf(d->out, "%" PRId64, v->i);
		return 0;
	case CULPRIT_U64:
		whole(d->out, v->u);
		return 0;
	case CULPRIT_F64:
		number(d->out, v->f);
		return 0;
	case CULPRIT_BOOL:
		fputs(v->b ? "true" : "false", d->out);
		return 0;
	case CULPRIT_TEXT:
		return text(d, v->text.p, v->text.len);
	case CULPRIT_STACK:
		return stack(d, v);
	case CULPRIT_TASK:
		fputs("{\"tid\":", d->out);
		whole(d->out, v->task.tid);
		fputs(",\"start\":", d->out);
		whole(d->out, v->task.start_ticks);
		putc('}', d->out);
		return 0;
	case CULPRIT_HIST:
		histogram(d->out, v);
		return 0;
	}
	fputs("null", d->out);
	return 0;
}

/* "time":"2026-03-01T14:03:22Z","time_ns":1772373802000000000 */
static int put_time(struct dump *d, const struct query_column *c, const struct value *v)
{
	char buf[64];
	int64_t ns = v->state == VALUE_OK ? dump_time_ns(d, c, v) : 0;

	if (v->state == VALUE_OK)
		fprintf(d->out, "\"%s\"", units_rfc3339(buf, sizeof(buf), ns, 0));
	else
		fputs("null", d->out);
	snprintf(buf, sizeof(buf), "%.58s_ns", c->name);
	putc(',', d->out);
	name(d->out, buf);
	if (v->state == VALUE_OK)
		fprintf(d->out, ":%" PRId64, ns);
	else
		fputs(":null", d->out);
	return 0;
}

enum aside { UNREAD, AGE, COUNT };

/* What must stand beside some of a row's values: an object by column, where there is any. */
static int beside(struct dump *d, size_t row, enum aside what)
{
	static const char *const names[] = {"_unread", "_age_ns", "_n"};
	bool any = false;
	int err = 0;

	for (size_t i = 0; i < d->ncolumns && !err; i++) {
		struct value v;
		bool is;

		query_value(d->query, row, d->columns[i], &v);
		is = what == UNREAD ? v.state == VALUE_UNREAD :
		     what == AGE    ? v.state == VALUE_OK && v.age_ns :
				      v.state == VALUE_OK && v.n;
		if (!is)
			continue;
		if (any)
			putc(',', d->out);
		else
			fprintf(d->out, ",\"%s\":{", names[what]);
		any = true;
		name(d->out, query_column(d->query, d->columns[i])->name);
		putc(':', d->out);
		if (what == UNREAD)
			err = text(d, v.reason, v.reason_len);
		else
			whole(d->out, what == AGE ? v.age_ns : v.n);
	}
	if (any)
		putc('}', d->out);
	return err;
}

/* What the row's numbers were in the baseline, and now less before; null where it has no such row. */
static void compared(struct dump *d, size_t row)
{
	for (int change = 0; change < 2; change++) {
		bool any = false;

		fprintf(d->out, ",\"%s\":", change ? "_change" : "_baseline");
		for (size_t i = 0; i < d->ncolumns; i++) {
			double by, before;

			if (query_change(d->query, row, d->columns[i], &by, &before) != QUERY_CHANGE_KNOWN)
				continue;
			putc(any ? ',' : '{', d->out);
			any = true;
			name(d->out, query_column(d->query, d->columns[i])->name);
			putc(':', d->out);
			number(d->out, change ? by : before);
		}
		fputs(any ? "}" : "null", d->out);
	}
}

static int put_row(struct dump *d, size_t row)
{
	bool unread = false, stale = false, counted = false;
	struct query_row r;
	char buf[64];
	int err = 0;

	putc('{', d->out);
	for (size_t i = 0; i < d->ncolumns && !err; i++) {
		struct value v;

		if (i)
			putc(',', d->out);
		name(d->out, query_column(d->query, d->columns[i])->name);
		putc(':', d->out);
		query_value(d->query, row, d->columns[i], &v);
		unread |= v.state == VALUE_UNREAD;
		stale |= v.age_ns != 0;
		counted |= v.n != 0;
		err = dump_is_time(query_column(d->query, d->columns[i])) ?
			      put_time(d, query_column(d->query, d->columns[i]), &v) :
			      put(d, &v);
	}
	if (!err && unread)
		err = beside(d, row, UNREAD);
	if (!err && stale)
		err = beside(d, row, AGE);
	if (!err && counted)
		err = beside(d, row, COUNT);
	if (!err && d->compared)
		compared(d, row);
	query_row(d->query, row, &r);
	if (r.ended_ns)
		fprintf(d->out, ",\"_ended\":\"%s\"", units_rfc3339(buf, sizeof(buf), view_wall_ns(d->view, r.ended_ns), 0));
	if (r.folds)
		fputs(",\"_folds\":true", d->out);
	if (r.folded)
		fputs(",\"_folded\":true", d->out);
	putc('}', d->out);
	return err;
}

static const char *role(const struct query_column *c)
{
	return c->origin == QUERY_COLUMN_DERIVED ? "derived" :
	       c->origin == QUERY_COLUMN_ROLLED	 ? "rollup" :
						   schema_role_name(c->role);
}

static int head(struct dump *d)
{
	static const char *const states[] = {"", "fresh", "resting", "failed", "late", "missing"};
	const struct query_info *info = &d->info;
	char buf[64];
	int err = 0;

	fputs("{\"schema\":\"culprit.rows/1\",\"table\":", d->out);
	name(d->out, d->table);
	if (dump_never_sampled(info)) {
		fputs(",\"from\":null,\"to\":null,\"from_ns\":null,\"to_ns\":null", d->out);
	} else {
		fprintf(d->out, ",\"from\":\"%s\"", units_rfc3339(buf, sizeof(buf), info->used_from_wall_ns, 0));
		fprintf(d->out, ",\"to\":\"%s\"", units_rfc3339(buf, sizeof(buf), info->used_to_wall_ns, 0));
		fprintf(d->out, ",\"from_ns\":%" PRId64 ",\"to_ns\":%" PRId64, info->used_from_wall_ns,
			info->used_to_wall_ns);
	}
	if (info->state > CULPRIT_RESTING && info->state <= CULPRIT_MISSING) {
		fprintf(d->out, ",\"state\":\"%s\"", states[info->state]);
		if (info->reason) {
			fputs(",\"reason\":", d->out);
			err = text(d, info->reason, info->reason_len);
		}
	}
	if (info->covers_less)
		fputs(",\"covers_less\":true", d->out);
	if (info->host_wide)
		fputs(",\"host_wide\":true", d->out);
	if (info->lost)
		fprintf(d->out, ",\"lost\":%" PRIu64, info->lost);
	if (info->thinning > 1)
		fprintf(d->out, ",\"thinning\":%" PRIu32, info->thinning);
	if (d->compared) {
		const struct view *of = view_baseline(d->view) ? view_baseline(d->view) : d->view;
		int64_t from = view_wall_ns(of, d->baseline_from_ns), to = view_wall_ns(of, d->baseline_to_ns);

		fprintf(d->out, ",\"baseline\":{\"from\":\"%s\"", units_rfc3339(buf, sizeof(buf), from, 0));
		fprintf(d->out, ",\"to\":\"%s\",\"from_ns\":%" PRId64 ",\"to_ns\":%" PRId64 ",\"other_recording\":%s}",
			units_rfc3339(buf, sizeof(buf), to, 0), from, to, of == d->view ? "false" : "true");
	}
	fputs(",\"columns\":[", d->out);
	for (size_t i = 0; i < d->ncolumns; i++) {
		const struct query_column *c = query_column(d->query, d->columns[i]);

		fputs(i ? ",{\"name\":" : "{\"name\":", d->out);
		name(d->out, c->name);
		if (dump_is_time(c)) {
			snprintf(buf, sizeof(buf), "%.58s_ns", c->name);
			fprintf(d->out, ",\"role\":\"%s\",\"type\":\"text\",\"unit\":\"%s\"},{\"name\":", role(c),
				schema_unit_name(CULPRIT_NONE));
			name(d->out, buf);
			fprintf(d->out, ",\"role\":\"%s\",\"type\":\"i64\",\"unit\":\"%s\"}", role(c),
				schema_unit_name(CULPRIT_WALL_NS));
			continue;
		}
		fprintf(d->out, ",\"role\":\"%s\",\"type\":\"%s\",\"unit\":\"%s\"}", role(c), schema_type_name(c->type),
			schema_unit_name(c->unit));
	}
	fputs("],\"rows\":[", d->out);
	return err;
}

int dump_json(struct dump *d)
{
	int err = head(d);

	for (size_t i = 0; i < d->nrows && !err && !ferror(d->out); i++) {
		fputs(i ? ",\n" : "\n", d->out);
		err = put_row(d, i);
	}
	fputs(d->nrows ? "\n]}\n" : "]}\n", d->out);
	return err;
}
