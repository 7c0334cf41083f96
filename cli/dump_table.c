/* Rows for people: a line that says what and when, names, aligned columns. Numbers in three significant digits with their
 * unit, "-" absent, "?" unread, "~" before a value that is old, ">" where a text is cut (in the last column it never is). */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "dump_internal.h"
#include "text.h"
#include "units.h"

enum { TEXT_WIDTH_MAX = 48, CELL_MAX = 1024 };

static bool left(const struct query_column *c)
{
	return c->type == CULPRIT_TEXT || c->type == CULPRIT_STACK || c->type == CULPRIT_TASK;
}

/* Columns of text as shown, cut to `max` of them, '>' then being the last. */
static size_t cut(char *text, size_t max)
{
	uint8_t *p = (uint8_t *)text, *end = p + strlen(text), *at = p;
	size_t n = 0, before = 0;

	while (p < end) {
		uint32_t code;
		size_t len = text_decode(p, (size_t)(end - p), &code);
		int width = len ? text_code_width(code) : 1;

		width = width > 0 ? width : 0;
		if (n + (size_t)width > max) {
			memcpy((char *)at, ">", 2);
			return before + 1;
		}
		if (n + (size_t)width < max) {
			at = p + (len ? len : 1);
			before = n + (size_t)width;
		}
		n += (size_t)width;
		p += len ? len : 1;
	}
	return n;
}

/* The cell as shown, a text in at most `max` columns; returns its columns. */
static size_t cell(struct dump *d, size_t row, size_t column, size_t max, char *buf, size_t cap)
{
	enum text_form form = d->utf8 ? TEXT_UTF8 : TEXT_ASCII;
	struct segment_location frames[1];
	struct value v;
	size_t n;
	char *to = buf;
	double x;

	query_value(d->query, row, column, &v);
	if (v.state != VALUE_OK) {
		snprintf(buf, cap, "%s", v.state == VALUE_UNREAD ? "?" : "-");
		return 1;
	}
	/* A text that is read once a life is not old. */
	if (v.age_ns && v.type != CULPRIT_TEXT) {
		*to++ = '~';
		cap--;
	}
	switch (v.type) {
	case CULPRIT_TEXT:
		text_sanitise(to, cap, v.text.p, v.text.len, form);
		return cut(buf, max);
	case CULPRIT_BOOL:
		snprintf(to, cap, "%s", v.b ? "yes" : "no");
		break;
	case CULPRIT_TASK:
		snprintf(to, cap, "%" PRIu64, v.task.tid);
		break;
	case CULPRIT_STACK:
		n = segment_stack(v.stack.segment, v.stack.id, frames, 1);
		snprintf(to, cap, "%zu frame%s", n, n == 1 ? "" : "s");
		break;
	case CULPRIT_HIST:
		value_number(&v, &x);
		snprintf(to, cap, "n %.0f", x);
		break;
	case CULPRIT_I64:
		if (v.unit == CULPRIT_NONE || v.unit == CULPRIT_TICKS) {
			snprintf(to, cap, "%" PRId64, v.i);
			break;
		}
		units_format_short(to, cap, (double)v.i, v.unit);
		break;
	case CULPRIT_U64:
		if (v.unit == CULPRIT_NONE || v.unit == CULPRIT_TICKS) {
			snprintf(to, cap, "%" PRIu64, v.u);
			break;
		}
		/* When something happened: as the line above says its window. */
		if (v.unit == CULPRIT_MONO_NS && cap >= 64) {
			units_clock(to, cap, view_wall_ns(d->view, v.u), view_zone_offset(d->view));
			break;
		}
		units_format_short(to, cap, (double)v.u, v.unit);
		break;
	default:
		units_format_short(to, cap, v.f, v.unit);
	}
	return strlen(buf);
}

static void pad(FILE *f, size_t n)
{
	while (n--)
		putc(' ', f);
}

/* Tenths of a second do for a window of seconds; a shorter one is not to be told as 0. */
static uint64_t rounded(uint64_t ns)
{
	uint64_t to = ns < 1000000000u ? 1000000u : 100000000u;

	return (ns + to / 2) / to * to;
}

static void head(struct dump *d)
{
	const struct query_info *info = &d->info;
	int offset = view_zone_offset(d->view);
	char from[64], to[64], length[32];

	fprintf(d->out, "%s  ", d->table);
	if (dump_never_sampled(info))
		fprintf(d->out, "never sampled");
	else if (info->empty)
		fprintf(d->out, "%s", units_clock(to, sizeof(to), info->used_to_wall_ns, offset));
	else
		fprintf(d->out, "%s .. %s (%s)", units_clock(from, sizeof(from), info->used_from_wall_ns, offset),
			units_clock(to, sizeof(to), info->used_to_wall_ns, offset),
			units_duration(length, sizeof(length), rounded(info->used_to_ns - info->used_from_ns)));
	if (d->nrows)
		fprintf(d->out, "  1-%zu of %zu row%s", d->nrows, query_nrows(d->query),
			query_nrows(d->query) == 1 ? "" : "s");
	else
		fprintf(d->out, "  no rows");
	if (info->rows_ended)
		fprintf(d->out, ", %zu ended", info->rows_ended);
	if (info->lost)
		fprintf(d->out, ", %" PRIu64 " lost", info->lost);
	if (info->host_wide)
		fprintf(d->out, ", of the whole host");
	putc('\n', d->out);
	if (info->empty && info->kind == CULPRIT_STATE && info->state <= CULPRIT_RESTING)
		fprintf(d->out, "one sample only: no rates, no differences\n");
	if (info->reason) {
		size_t len;
		const char *reason = dump_text(d, info->reason, info->reason_len, TEXT_ASCII, &len);

		fprintf(d->out, "%s\n", reason ? reason : "");
	}
}

enum { CHANGE_WIDTH = 9 };

/* By how much a number differs from the baseline, in a column of its own. */
static void put_change(struct dump *d, size_t row, size_t column)
{
	double change, before;
	char buf[32];

	switch (query_change(d->query, row, column, &change, &before)) {
	case QUERY_CHANGE_NEW:
		snprintf(buf, sizeof(buf), "new");
		break;
	case QUERY_CHANGE_KNOWN:
		if (change == 0)
			snprintf(buf, sizeof(buf), "=");
		else
			units_format_change(buf, sizeof(buf), change, query_column(d->query, column)->unit);
		break;
	default:
		snprintf(buf, sizeof(buf), "-");
	}
	fprintf(d->out, "  %*s", CHANGE_WIDTH, buf);
}

static void head_baseline(struct dump *d)
{
	struct view *of = view_baseline(d->view) ? view_baseline(d->view) : d->view;
	int offset = view_zone_offset(of);
	char from[64], to[64];

	units_rfc3339(from, sizeof(from), view_wall_ns(of, d->baseline_from_ns), offset);
	units_rfc3339(to, sizeof(to), view_wall_ns(of, d->baseline_to_ns), offset);
	fprintf(d->out, "+/- against %s .. %s%s\n", from, to, of == d->view ? "" : " of the other recording");
}

int dump_table(struct dump *d)
{
	size_t width[DUMP_COLUMNS_MAX];
	char buf[CELL_MAX];

	head(d);
	if (d->compared)
		head_baseline(d);
	if (!d->nrows)
		return 0;
	for (size_t i = 0; i < d->ncolumns; i++) {
		const struct query_column *c = query_column(d->query, d->columns[i]);

		width[i] = strlen(c->name);
		for (size_t row = 0; row < d->nrows; row++) {
			size_t n = cell(d, row, d->columns[i], TEXT_WIDTH_MAX, buf, sizeof(buf));

			if (n > width[i])
				width[i] = n;
		}
	}
	for (size_t i = 0; i < d->ncolumns; i++) {
		const struct query_column *c = query_column(d->query, d->columns[i]);
		size_t n = strlen(c->name);

		if (i)
			pad(d->out, 2);
		if (!left(c))
			pad(d->out, width[i] - n);
		fputs(c->name, d->out);
		if (left(c) && i + 1 < d->ncolumns)
			pad(d->out, n < width[i] ? width[i] - n : 0);
		if (d->compared && query_compares(d->query, d->columns[i]))
			fprintf(d->out, "  %*s", CHANGE_WIDTH, "+/-");
	}
	putc('\n', d->out);
	for (size_t row = 0; row < d->nrows && !ferror(d->out); row++) {
		struct query_row r;

		for (size_t i = 0; i < d->ncolumns; i++) {
			const struct query_column *c = query_column(d->query, d->columns[i]);
			bool last = i + 1 == d->ncolumns;
			/* The last one has all the room it wants. */
			size_t n = cell(d, row, d->columns[i], last ? SIZE_MAX : TEXT_WIDTH_MAX, buf, sizeof(buf));

			if (i)
				pad(d->out, 2);
			if (!left(c))
				pad(d->out, n < width[i] ? width[i] - n : 0);
			fputs(buf, d->out);
			if (left(c) && !last)
				pad(d->out, n < width[i] ? width[i] - n : 0);
			if (d->compared && query_compares(d->query, d->columns[i]))
				put_change(d, row, d->columns[i]);
		}
		query_row(d->query, row, &r);
		if (r.ended_ns)
			fputs("  (ended)", d->out);
		if (r.folds)
			fputs("  (several rows)", d->out);
		putc('\n', d->out);
	}
	return 0;
}
