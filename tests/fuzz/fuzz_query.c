/* Any bytes as a segment of a recording: every table in it is asked for, sorted, filtered, charted, written out as JSON. What
 * is damaged is refused or absent; nothing crashes, nothing takes for ever. Checksums are made right first, so that more than
 * the first block is reached. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dump.h"
#include "format.h"
#include "query.h"
#include "series.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct bytes {
	struct source source;
	struct segment_info info;
	const uint8_t *data;
	size_t n;
};

static int refresh(struct source *s, struct culprit_error *e)
{
	(void)s;
	(void)e;
	return 1;
}

static const struct segment_info *segment(struct source *s, size_t i)
{
	return i ? NULL : &((struct bytes *)s)->info;
}

static int read_bytes(struct source *s, uint64_t seq, uint64_t offset, struct wbuf *out, struct culprit_error *e)
{
	const struct bytes *b = (const struct bytes *)s;

	(void)seq;
	(void)e;
	if (offset < b->n)
		wbuf_bytes(out, b->data + offset, b->n - (size_t)offset);
	return out->err;
}

static void destroy(struct source *s)
{
	(void)s;
}

static const struct source_ops ops = {.refresh = refresh, .segment = segment, .read = read_bytes, .destroy = destroy};

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

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_u32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* As in docs/FORMAT.md: the header's last four bytes; of a block, over its type, size and payload. */
static void fix_checksums(uint8_t *data, size_t n)
{
	size_t at = FORMAT_SEGMENT_HEADER;

	if (n < at)
		return;
	put_u32(data + at - 4, crc32c(0, data, at - 4));
	while (n - at >= FORMAT_BLOCK_HEADER) {
		uint32_t size = get_u32(data + at + 4), padded = (size + FORMAT_ALIGN - 1) / FORMAT_ALIGN * FORMAT_ALIGN;

		if (size > FORMAT_BLOCK_MAX || padded > n - at - FORMAT_BLOCK_HEADER)
			return;
		put_u32(data + at + 8, crc32c(crc32c(0, data + at, 8), data + at + FORMAT_BLOCK_HEADER, size));
		at += FORMAT_BLOCK_HEADER + padded;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct bytes *b;
	const struct schema *schema;
	struct segment *parsed;
	struct view *v;
	uint8_t *copy;
	FILE *out;

	if (n > 1 << 16)
		return 0;
	copy = malloc(n + 1);
	b = calloc(1, sizeof(*b));
	v = view_create();
	out = fopen("/dev/null", "w");
	if (!copy || !b || !v || !out)
		abort();
	memcpy(copy, data, n);
	fix_checksums(copy, n);
	*b = (struct bytes){.source = {.ops = &ops, .name = "bytes"}, .data = copy, .n = n};
	parsed = segment_create();
	segment_parse(parsed, copy, n, NULL);
	b->info = (struct segment_info){.seq = parsed->meta.seq, .from_ns = parsed->meta.mono_ns, .to_ns = parsed->meta.mono_ns,
					.wall_ns = parsed->meta.wall_ns, .size = n, .complete = true};
	if (parsed->nframes)
		b->info.to_ns = parsed->frames[parsed->nframes - 1].mono_ns;
	segment_unlock(parsed);
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
	free(b);
	free(copy);
	return 0;
}
