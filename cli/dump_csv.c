/* Comma-separated values as RFC 4180 has them: a line of names, numbers as stored, times as
 * RFC 3339 has them, "" absent, "?" unread. The last column
 * says when a row ended. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "dump_internal.h"
#include "text.h"
#include "units.h"

static void field(FILE *f, const char *text, size_t n)
{
	if (n && strcspn(text, ",\"\r\n") == n && text[0] != ' ' && text[n - 1] != ' ' && strcmp(text, "?") != 0) {
		fwrite(text, 1, n, f);
		return;
	}
	/* An empty text is "", nothing is nothing. */
	putc('"', f);
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '"')
			putc('"', f);
		putc(text[i], f);
	}
	putc('"', f);
}

static int put_text(struct dump *d, const char *bytes, size_t n)
{
	size_t len;
	const char *shown = dump_text(d, bytes, n, TEXT_UTF8, &len);

	if (!shown)
		return -ENOMEM;
	field(d->out, shown, len);
	return 0;
}

static int put(struct dump *d, const struct value *v)
{
	char buf[64];

	if (v->state == VALUE_UNREAD)
		putc('?', d->out);
	if (v->state != VALUE_OK)
		return 0;
	switch (v->type) {
	case CULPRIT_I64:
		fprintf(d->out, "%" PRId64, v->i);
		break;
	case CULPRIT_U64:
		fprintf(d->out, "%" PRIu64, v->u);
		break;
	case CULPRIT_F64:
		fputs(units_format_exact(buf, sizeof(buf), v->f), d->out);
		break;
	case CULPRIT_BOOL:
		fputs(v->b ? "true" : "false", d->out);
		break;
	case CULPRIT_TEXT:
		return put_text(d, v->text.p, v->text.len);
	case CULPRIT_TASK:
		fprintf(d->out, "%" PRIu64 "@%" PRIu64, v->task.tid, v->task.start_ticks);
		break;
	case CULPRIT_HIST:
		for (uint32_t i = 0; i < v->hist.bounds->count; i++)
			fprintf(d->out, i ? "/%" PRIu64 : "%" PRIu64, v->hist.counts[i]);
		break;
	case CULPRIT_STACK: {
		struct segment_location frames[255];
		size_t n = segment_stack(v->stack.segment, v->stack.id, frames, 255);
		int err = 0;

		for (size_t i = 0; i < n && i < 255 && !err; i++) {
			/* One field of simple words: a module with a comma is quoted by itself. */
			if (i)
				putc(';', d->out);
			if (frames[i].module) {
				size_t len;
				const char *shown = dump_text(d, frames[i].module, frames[i].module_len, TEXT_UTF8, &len);

				if (!shown)
					return -ENOMEM;
				for (size_t k = 0; k < len; k++)
					putc(strchr(",\";", shown[k]) ? '_' : shown[k], d->out);
			}
			fprintf(d->out, "+0x%" PRIx64, frames[i].offset);
		}
		return err;
	}
	}
	return 0;
}

static void put_compared(struct dump *d, size_t row, size_t column)
{
	double change, before;
	char buf[64];

	if (query_change(d->query, row, column, &change, &before) != QUERY_CHANGE_KNOWN) {
		fputs(",,", d->out);
		return;
	}
	fprintf(d->out, "%s,", units_format_exact(buf, sizeof(buf), before));
	fprintf(d->out, "%s,", units_format_exact(buf, sizeof(buf), change));
}

int dump_csv(struct dump *d)
{
	int err = 0;

	for (size_t i = 0; i < d->ncolumns; i++) {
		const char *name = query_column(d->query, d->columns[i])->name;

		field(d->out, name, strlen(name));
		putc(',', d->out);
		if (d->compared && query_compares(d->query, d->columns[i]))
			fprintf(d->out, "%s_baseline,%s_change,", name, name);
	}
	fputs("_ended\r\n", d->out);
	for (size_t row = 0; row < d->nrows && !err && !ferror(d->out); row++) {
		struct query_row r;
		char buf[64];

		for (size_t i = 0; i < d->ncolumns && !err; i++) {
			struct value v;

			query_value(d->query, row, d->columns[i], &v);
			if (v.state == VALUE_OK && dump_is_time(query_column(d->query, d->columns[i])))
				fputs(units_rfc3339(buf, sizeof(buf),
						    dump_time_ns(d, query_column(d->query, d->columns[i]), &v), 0),
				      d->out);
			else
				err = put(d, &v);
			putc(',', d->out);
			if (d->compared && query_compares(d->query, d->columns[i]))
				put_compared(d, row, d->columns[i]);
		}
		query_row(d->query, row, &r);
		if (r.ended_ns)
			fputs(units_rfc3339(buf, sizeof(buf), view_wall_ns(d->view, r.ended_ns), 0), d->out);
		fputs("\r\n", d->out);
	}
	return err;
}
