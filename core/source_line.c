#include "source_line.h"

#include <stdio.h>
#include <string.h>

#include "view.h"

void source_lines_of(const struct flame *flame, uint32_t node, bool all, size_t most, struct source_lines *l)
{
	const struct flame_frame *f = flame_frame(flame, flame_node(flame, node)->frame);

	l->n = 0;
	for (size_t i = 0; i < SOURCE_LINE_SPOTS; i++)
		l->lines[i].known = false;
	if (f->module_len >= sizeof(l->path) || memchr(f->module, 0, f->module_len))
		return;
	memcpy(l->path, f->module, f->module_len);
	l->path[f->module_len] = '\0';
	l->n = flame_spots_of(flame, node, all, l->spots, most < SOURCE_LINE_SPOTS ? most : SOURCE_LINE_SPOTS);
}

static bool text_is(struct query *q, size_t row, int column, const char *is, size_t n)
{
	struct value v;

	query_value(q, row, (size_t)column, &v);
	return value_ok(&v) && v.type == CULPRIT_TEXT && v.text.len == n && !memcmp(v.text.p, is, n);
}

static void text_of(struct query *q, size_t row, const char *column, char *out, size_t cap)
{
	int at = query_column_find(q, column);
	struct value v;
	size_t n;

	out[0] = '\0';
	if (at < 0)
		return;
	query_value(q, row, (size_t)at, &v);
	if (!value_ok(&v) || v.type != CULPRIT_TEXT)
		return;
	n = v.text.len < cap - 1 ? v.text.len : cap - 1;
	memcpy(out, v.text.p, n);
	out[n] = '\0';
}

static bool number_of(struct query *q, size_t row, const char *column, uint64_t *ret)
{
	int at = query_column_find(q, column);
	struct value v;

	if (at < 0)
		return false;
	query_value(q, row, (size_t)at, &v);
	*ret = value_ok(&v) && v.type == CULPRIT_U64 ? v.u : 0;
	return value_ok(&v) && v.type == CULPRIT_U64;
}

static void read_row(struct query *q, size_t row, struct source_line *l)
{
	l->known = true;
	text_of(q, row, "function", l->function, sizeof(l->function));
	text_of(q, row, "file", l->file, sizeof(l->file));
	text_of(q, row, "inlined", l->inlined, sizeof(l->inlined));
	text_of(q, row, "why_not", l->why, sizeof(l->why));
	number_of(q, row, "line", &l->line);
}

void source_lines_read(struct source_lines *l, struct query *q, const struct lens *lens, uint64_t newest_ns)
{
	struct lens at = *lens;
	int build_id, module;

	/* A line does not change: what is known now holds for a window of the past, too. Of no process: files are shared. */
	at.filter[0] = '\0';
	at.has_baseline = at.has_range = false;
	memset(&at.scope, 0, sizeof(at.scope));
	if (!at.live && newest_ns > at.to_ns)
		at.to_ns = newest_ns;
	if (query_run(q, &at, "source_line", 0, NULL))
		return;
	build_id = query_column_find(q, "build_id");
	module = query_column_find(q, "module");
	for (size_t row = 0; build_id >= 0 && module >= 0 && row < query_nrows(q); row++) {
		uint64_t offset;

		if (!number_of(q, row, "offset", &offset))
			continue;
		for (size_t i = 0; i < l->n; i++) {
			char id[2 * FLAME_BUILD_ID + 1] = "";

			if (l->spots[i].offset != offset)
				continue;
			for (uint32_t k = 0; k < l->spots[i].build_id_len; k++)
				snprintf(id + 2 * k, 3, "%02x", l->spots[i].build_id[k]);
			if (text_is(q, row, build_id, id, strlen(id)) && (id[0] || text_is(q, row, module, l->path, strlen(l->path))))
				read_row(q, row, &l->lines[i]);
		}
	}
}

size_t source_lines_interests(const struct source_lines *l, struct culprit_interest *list, size_t cap)
{
	size_t n = l->n < cap ? l->n : cap;

	for (size_t i = 0; i < n; i++) {
		list[i] = (struct culprit_interest){.size = sizeof(list[i]), .table = "source_line", .what = "line", .nkey = 4,
						    .text = l->path};
		memcpy(list[i].key, l->spots[i].build_id, l->spots[i].build_id_len);
		list[i].key[2] = l->spots[i].pid;
		list[i].key[3] = l->spots[i].offset;
	}
	return n;
}

int source_lines_best(const struct source_lines *l, double *ret_weight)
{
	double most = -1;
	int best = -1;

	for (size_t i = 0; i < l->n; i++) {
		double weight = 0;

		if (!l->lines[i].known || !l->lines[i].file[0])
			continue;
		for (size_t k = 0; k < l->n; k++)
			if (l->lines[k].known && l->lines[k].line == l->lines[i].line && !strcmp(l->lines[k].file, l->lines[i].file))
				weight += l->spots[k].weight;
		if (weight > most) {
			most = weight;
			best = (int)i;
		}
	}
	*ret_weight = most;
	return best;
}

const char *source_line_base(const struct source_line *l)
{
	const char *slash = strrchr(l->file, '/');

	return slash && slash[1] ? slash + 1 : l->file;
}
