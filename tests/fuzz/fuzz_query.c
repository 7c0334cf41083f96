/* Any bytes as a segment of a recording: every table in it is asked for, sorted, filtered, charted, written out as JSON. What
 * is damaged is refused or absent; nothing crashes, nothing takes for ever. Checksums are made right first, so that more than
 * the first block is reached. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes_source.h"
#include "dump.h"
#include "query.h"
#include "segment_codec.h"
#include "series.h"
#include "summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void ask(struct view *v, const char *table, const char *column, FILE *out)
{
	static const struct options json = {.json = true};
	struct series_bucket buckets[8];
	struct series series = {.buckets = buckets};
	struct series_request r = {{0}, {0}, {0}};
	struct lens lens = lens_live(UINT64_MAX);
	struct query *q = query_create(v);
	struct value value;

	dump_run(v, &lens, &json, table, out, NULL);
	query_sort(q, column, true);
	lens_scope_cgroup(&lens, "/a", 2);
	strcpy(lens.filter, "a or not a");
	query_run(q, &lens, table, 0, NULL);
	for (size_t row = 0; row < query_nrows(q) && row < 64; row++)
		for (size_t c = 0; c < query_ncolumns(q); c++)
			query_value(q, row, c, &value);
	snprintf(r.table, sizeof(r.table), "%s", table);
	snprintf(r.column, sizeof(r.column), "%s", column);
	series_run(v, &r, 1, UINT64_MAX, 1000000000, 8, &series, NULL);
	query_destroy(q);
}

static int part(struct source *s, uint64_t seq, uint64_t offset, size_t most, struct wbuf *out, struct culprit_error *e)
{
	const struct bytes *b = (const struct bytes *)s;

	(void)seq;
	(void)e;
	if (offset < b->n)
		wbuf_bytes(out, b->data + offset, b->n - (size_t)offset < most ? b->n - (size_t)offset : most);
	return out->err;
}

/* What the segment's summary says, where it has one: all of it, and what was lost by itself. */
static void ask_summary(struct bytes *b)
{
	struct segment *s = segment_create();
	struct wbuf block, lost;

	if (!s)
		abort();
	wbuf_init(&block);
	wbuf_init(&lost);
	segment_parse(s, b->data, b->n, NULL);
	summary_destroy(summary_read(s, NULL));
	if (!segment_find_summary(part, &b->source, b->info.seq, &block, NULL))
		summary_read_lost(block.data, block.len, &lost);
	wbuf_finish(&block);
	wbuf_finish(&lost);
	segment_unlock(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct bytes *b;
	const struct schema *schema;
	struct view *v;
	FILE *out;

	if (n > 1 << 16)
		return 0;
	b = bytes_create(data, n);
	v = view_create();
	out = fopen("/dev/null", "w");
	if (!v || !out)
		abort();
	ask_summary(b);
	view_add_source(v, &b->source);
	schema = view_schema(v);
	for (uint32_t i = 0; schema && i < schema->ntables && i < 8; i++) {
		const struct schema_table *t = schema->tables[i];
		char table[SCHEMA_NAME_MAX + 1], column[SCHEMA_NAME_MAX + 1];

		snprintf(table, sizeof(table), "%s", t->name);
		snprintf(column, sizeof(column), "%s", t->nderived ? t->derived[0].name : t->columns[t->ncolumns - 1].name);
		ask(v, table, column, out);
		schema = view_schema(v);
	}
	view_destroy(v);
	fclose(out);
	bytes_destroy(b);
	return 0;
}
