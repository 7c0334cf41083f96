/* What the Latency panel asks the view, and how the answer stands on the grid. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "latency.h"
#include "series.h"

#define SECOND 1000000000LL

void latency_show(struct latency *p, const char *table, const char *column)
{
	char t[LENS_NAME_MAX], c[LENS_NAME_MAX];

	/* They may be the panel's own. */
	snprintf(t, sizeof(t), "%s", table);
	snprintf(c, sizeof(c), "%s", column);
	if (strcmp(p->table, t) != 0) {
		p->one_row = false;
		p->row[0] = '\0';
		memset(&p->key, 0, sizeof(p->key));
	}
	memcpy(p->table, t, sizeof(t));
	memcpy(p->column, c, sizeof(c));
	p->pointing = p->boxed = false;
	p->stale = true;
	memset(&p->rows, 0, sizeof(p->rows));
	p->first = false;
}

bool latency_narrow(const struct lens *lens)
{
	return lens->scope.has_cgroup || lens->scope.has_process || lens->scope.has_thread;
}

bool latency_is_total(const struct schema_table *t, const struct row_key *key)
{
	return t && t->nkeys && t->columns[t->keys[0]].type == CULPRIT_I64 && key->n && key->bits[0] == UINT64_MAX;
}

void latency_row_name(struct query *q, size_t row, char *out, size_t cap)
{
	const struct schema_table *t = query_table(q);
	size_t n = 0;

	out[0] = '\0';
	for (uint32_t i = 0; t && i < t->nkeys && n < cap - 1; i++) {
		const struct schema_column *k = &t->columns[t->keys[i]];
		struct value v;
		double x;

		/* A start time or a generation tells nobody anything. */
		if (i && (k->unit == CULPRIT_TICKS || !strcmp(k->name, "generation")))
			continue;
		query_value(q, row, t->keys[i], &v);
		if (value_ok(&v) && v.type == CULPRIT_TEXT)
			n += (size_t)snprintf(out + n, cap - n, "%s%.*s", n ? " " : "", (int)(v.text.len < 60 ? v.text.len : 60),
					      v.text.p);
		else if (value_ok(&v) && v.type == CULPRIT_TASK)
			n += (size_t)snprintf(out + n, cap - n, "%stid %llu", n ? " " : "", (unsigned long long)v.task.tid);
		else if (value_ok(&v) && v.type == CULPRIT_I64 && v.i == -1)
			n += (size_t)snprintf(out + n, cap - n, "%severy %s", n ? " " : "", k->name);
		else if (value_ok(&v) && value_number(&v, &x))
			n += (size_t)snprintf(out + n, cap - n, "%s%s %.0f", n ? " " : "", k->name, x);
	}
	/* What a task is called says more than its number. */
	if (n < cap - 1 && t && t->nkeys && t->columns[t->keys[0]].type != CULPRIT_TEXT) {
		int comm = query_column_find(q, "comm");
		struct value v = {0};

		if (comm >= 0)
			query_value(q, row, (size_t)comm, &v);
		if (value_ok(&v) && v.type == CULPRIT_TEXT) {
			char number[LATENCY_NAME];

			snprintf(number, sizeof(number), "%s", out);
			snprintf(out, cap, "%.*s %s", (int)(v.text.len < 32 ? v.text.len : 32), v.text.p, number);
		}
	}
}

/* --- time --- */

static int64_t floor_to(int64_t v, int64_t step)
{
	int64_t rest = v % step;

	return v - (rest < 0 ? rest + step : rest);
}

/* Columns that the map moves by at once: until then new ones fill a blank margin, so that a tick costs one column. */
static int hop(const struct latency *p)
{
	return p->columns / 8 > 1 ? p->columns / 8 : 1;
}

static void place_columns(struct latency *p, uint64_t to_ns, uint64_t window_ns)
{
	int room = p->columns - hop(p);
	struct chart_time t;
	uint64_t end, width;

	p->wall_offset_ns = (int64_t)((uint64_t)view_wall_ns(p->view, to_ns) - to_ns);
	t = chart_time_fit((int64_t)to_ns + p->wall_offset_ns, (int64_t)window_ns,
			   p->mode == LATENCY_SECONDS ? SECOND : (int64_t)p->tick_ns, room > 1 ? room : 1);
	p->step_ns = p->mode == LATENCY_SECONDS ? (uint64_t)SECOND : (uint64_t)t.step_ns;
	end = hist_series_end(p->view, to_ns, p->step_ns, p->mode == LATENCY_SECONDS ? 0 : p->tick_ns);
	p->ncolumns = p->columns;
	/* The edge stays while the time is in the margin before it. */
	if (p->edge_ns < end || p->edge_ns - end >= (uint64_t)hop(p) * p->step_ns || (p->edge_ns - end) % p->step_ns) {
		p->edge_ns = end;
		if (p->lens.live) {
			int64_t wall = (int64_t)end + p->wall_offset_ns, block = (int64_t)p->step_ns * hop(p);
			int64_t column = floor_to(wall + (int64_t)p->step_ns / 2, (int64_t)p->step_ns);

			p->edge_ns += (uint64_t)(floor_to(column + block - (int64_t)p->step_ns, block) - column);
		}
	}
	width = (uint64_t)p->ncolumns * p->step_ns;
	p->from_ns = p->edge_ns >= width ? p->edge_ns - width : p->edge_ns % p->step_ns;
}

static int grow_grid(struct latency *p)
{
	size_t n = (size_t)p->ncolumns * (size_t)(p->nlines > 0 ? p->nlines : 1) + (size_t)p->ncolumns;
	int8_t *levels;
	uint8_t *states;

	if (n > p->levels_cap) {
		levels = realloc(p->levels, n);
		if (levels)
			p->levels = levels;
		states = realloc(p->column_states, n);
		if (states)
			p->column_states = states;
		if (!levels || !states)
			return -ENOMEM;
		p->levels_cap = n;
	}
	memset(p->levels, 0, n);
	memset(p->column_states, HEAT_COLUMN_KNOWN, (size_t)p->ncolumns);
	return 0;
}

/* --- the window --- */

static void add_rows(struct query *q, const char *column, const struct row_key *only, uint64_t *sum)
{
	int c = query_column_find(q, column);

	memset(sum, 0, SCHEMA_SLOTS_MAX * sizeof(*sum));
	for (size_t i = 0; c >= 0 && i < query_nrows(q); i++) {
		struct query_row row;
		struct value v;

		if (!query_row(q, i, &row) || (only ? !row_key_equal(&row.key, only) : latency_is_total(query_table(q), &row.key)))
			continue;
		query_value(q, i, (size_t)c, &v);
		if (value_ok(&v) && v.type == CULPRIT_HIST)
			histogram_add(sum, v.hist.counts, v.hist.bounds->count);
	}
}

/* Rows that the lens leaves: where it leaves out any, the map is of these. A row that is the sum of the others is not one of
 * them; where none is left out, it stands for all. */
static int take_keys(struct latency *p, const struct query_info *info)
{
	bool narrowed = info->filtered || (!info->host_wide && latency_narrow(&p->lens));
	size_t n = query_nrows(p->query);

	p->whole = info->host_wide && latency_narrow(&p->lens);
	p->nkeys = p->nleft_out = 0;
	if (p->one_row)
		return 0;
	if (narrowed && n > HIST_SERIES_KEYS_MAX)
		p->nleft_out = n - HIST_SERIES_KEYS_MAX;
	n = n < HIST_SERIES_KEYS_MAX ? n : HIST_SERIES_KEYS_MAX;
	if (n + 1 > p->keys_cap) {
		struct row_key *grown = realloc(p->keys, (n + 1) * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		p->keys = grown;
		p->keys_cap = n + 1;
	}
	for (size_t i = 0; i < query_nrows(p->query) && p->nkeys < n; i++) {
		struct query_row row;

		if (query_row(p->query, i, &row) && latency_is_total(query_table(p->query), &row.key) != narrowed)
			p->keys[p->nkeys++] = row.key;
	}
	/* Nobody: a key that no row has. */
	if (!p->nkeys && narrowed)
		p->keys[p->nkeys++] = (struct row_key){.n = 4, .bits = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
	return 0;
}

static void take_reason(struct latency *p, const struct query_info *info)
{
	p->missing = info->state == CULPRIT_MISSING;
	if (info->reason)
		snprintf(p->reason, sizeof(p->reason), "%.*s", (int)(info->reason_len < 250 ? info->reason_len : 250),
			 info->reason);
}

/* Slots of another recording may mean something else. */
static bool same_slots(struct latency *p, const struct query *q)
{
	const struct schema_table *t = view_table(p->view, p->table), *b = query_table(q);
	int c = t ? schema_column(t, p->column) : -1, d = b ? schema_column(b, p->column) : -1;

	return c >= 0 && d >= 0 && t->columns[c].type == CULPRIT_HIST && b->columns[d].type == CULPRIT_HIST &&
	       histogram_same_bounds(&t->columns[c].bounds, &b->columns[d].bounds);
}

static bool knows_baseline(const struct latency *p, struct view *view, const struct lens *l)
{
	return p->before_view == view && lens_equal(&p->before_lens, l) && !strcmp(p->before_of[0], p->table) &&
	       !strcmp(p->before_of[1], p->column) &&
	       (p->one_row ? row_key_equal(&p->before_key, &p->key) : !p->before_key.n);
}

static void ask_baseline(struct latency *p)
{
	struct view *view = view_baseline(p->view) ? view_baseline(p->view) : p->view;
	struct lens l = lens_window(p->lens.baseline_from_ns, p->lens.baseline_to_ns);
	struct query_info info;
	struct query *q;
	int err;

	if (!p->lens.has_baseline) {
		p->before_ns = 0;
		p->before_view = NULL;
		return;
	}
	l.scope = p->lens.scope;
	memcpy(l.filter, p->lens.filter, sizeof(l.filter));
	memcpy(l.filter_table, p->lens.filter_table, sizeof(l.filter_table));
	l.has_range = p->lens.has_range;
	memcpy(l.range_table, p->lens.range_table, sizeof(l.range_table));
	memcpy(l.range_column, p->lens.range_column, sizeof(l.range_column));
	l.range_lo = p->lens.range_lo;
	l.range_hi = p->lens.range_hi;
	if (knows_baseline(p, view, &l))
		return;
	p->before_ns = 0;
	p->before_view = NULL;
	/* Not kept: the baseline's view may go away before the panel does. */
	q = query_create(view);
	if (!q)
		return;
	err = query_run(q, &l, p->table, 0, NULL);
	if (!err || err == -EBADMSG) {
		query_info(q, &info);
		add_rows(q, p->column, p->one_row ? &p->key : NULL, p->sum_before);
		p->before_ns = info.empty || !same_slots(p, q) ? 0 : info.used_to_ns - info.used_from_ns;
		p->before_lens = l;
		p->before_view = view;
		memcpy(p->before_of[0], p->table, sizeof(p->table));
		memcpy(p->before_of[1], p->column, sizeof(p->column));
		p->before_key = p->one_row ? p->key : (struct row_key){0};
	}
	query_destroy(q);
}

static int ask_window(struct latency *p, struct culprit_error *error)
{
	struct query_info info;
	int err;

	p->reason[0] = '\0';
	p->missing = false;
	err = query_run(p->query, &p->lens, p->table, 0, error);
	if (err && err != -EBADMSG)
		return err;
	query_info(p->query, &info);
	take_reason(p, &info);
	p->lost = info.lost;
	p->nrows = query_nrows(p->query);
	add_rows(p->query, p->column, p->one_row ? &p->key : NULL, p->sum);
	if (take_keys(p, &info))
		return error_set(error, -ENOMEM, "out of memory");
	return err;
}

/* --- the map --- */

static bool in_range(const struct latency *p)
{
	return p->lens.has_range && !strcmp(p->lens.range_table, p->table) && !strcmp(p->lens.range_column, p->column);
}

static uint64_t cell_count(const struct latency *p, int column, int line)
{
	uint32_t first, end;

	heat_rows_slots(&p->rows, line, line, &first, &end);
	return histogram_count(p->series.counts + (size_t)column * p->series.bounds.count, first, end);
}

/* How many the baseline would have counted in so long. */
static double expected(const struct latency *p, int column, int line)
{
	uint32_t first, end;

	heat_rows_slots(&p->rows, line, line, &first, &end);
	return (double)histogram_count(p->sum_before, first, end) * (double)p->series.columns[column].covered_ns /
	       (double)p->before_ns;
}

static void mark_columns(struct latency *p)
{
	for (int i = 0; i < p->ncolumns; i++) {
		const struct hist_column *c = &p->series.columns[i];

		if (c->ticks)
			p->column_states[i] = HEAT_COLUMN_KNOWN;
		else
			p->column_states[i] = c->failed || c->other ? HEAT_COLUMN_UNREAD : HEAT_COLUMN_GAP;
	}
}

static void map_levels(struct latency *p)
{
	bool differ = p->before_ns > 0;
	double most = 0;

	for (int i = 0; i < p->ncolumns; i++)
		for (int k = 0; k < p->nlines; k++) {
			double n = (double)cell_count(p, i, k) - (differ ? expected(p, i, k) : 0);

			most = n > most ? n : most;
		}
	heat_scale_counts(&p->scale, most);
	for (int i = 0; i < p->ncolumns; i++) {
		const struct histogram_stats *stats = &p->series.stats[i];

		for (int k = 0; k < p->nlines; k++) {
			int8_t *to = &p->levels[k * p->ncolumns + i];
			double n = (double)cell_count(p, i, k), was, noise;

			if (!p->series.columns[i].ticks) {
				*to = HEAT_GAP;
				continue;
			}
			*to = (int8_t)heat_level(&p->scale, n);
			if (!differ)
				continue;
			/* What chance does to a count is no difference. */
			was = expected(p, i, k);
			noise = 2 * sqrt(was + 1);
			if (n > was + noise)
				*to = (int8_t)heat_level(&p->scale, n - was);
			else if (n + noise < was)
				*to = HEAT_LESS;
			else
				*to = n > 0 ? HEAT_SAME : 0;
		}
		if (stats->n && p->nlines) {
			int line = heat_rows_line(&p->rows, schema_slot(&p->series.bounds, stats->p99));

			p->levels[line * p->ncolumns + i] += HEAT_MARK;
		}
	}
}

static int ask_map(struct latency *p, struct culprit_error *error)
{
	struct hist_series_request ask = {.keys = p->one_row ? &p->key : p->keys,
					  .nkeys = p->one_row ? 1 : p->nkeys,
					  .from_ns = p->from_ns,
					  .step_ns = p->step_ns,
					  .n = (size_t)p->ncolumns};
	uint32_t first = UINT32_MAX, last = 0, a, b;
	struct heat_rows before = p->rows;
	int err;

	snprintf(ask.table, sizeof(ask.table), "%s", p->table);
	snprintf(ask.column, sizeof(ask.column), "%s", p->column);
	err = hist_series_run(p->view, &ask, &p->series, error);
	if (err)
		return err;
	p->unit = p->series.unit;
	if (!p->series.known) {
		p->nlines = 0;
		return grow_grid(p) ? error_set(error, -ENOMEM, "out of memory") : 0;
	}
	for (int i = 0; i < p->ncolumns; i++) {
		if (!histogram_extent(p->series.counts + (size_t)i * p->series.bounds.count, p->series.bounds.count, &a, &b))
			continue;
		first = a < first ? a : first;
		last = b > last ? b : last;
	}
	if (first == UINT32_MAX)
		first = last = before.n ? before.first : 0;
	heat_rows_fit(&p->rows, &before, &p->series.bounds, first, last, p->lines);
	p->nlines = p->rows.n;
	if (grow_grid(p))
		return error_set(error, -ENOMEM, "out of memory");
	histogram_describe(&p->series.bounds, p->sum, &p->stats);
	if (p->before_ns)
		histogram_describe(&p->series.bounds, p->sum_before, &p->stats_before);
	mark_columns(p);
	map_levels(p);
	return 0;
}

/* --- strips --- */

struct strip_order {
	size_t row;
	double n;
};

static int by_n(const void *a, const void *b)
{
	const struct strip_order *x = a, *y = b;

	return x->n != y->n ? (x->n < y->n ? 1 : -1) : (x->row > y->row) - (x->row < y->row);
}

static int by_row(const void *a, const void *b)
{
	const struct strip_order *x = a, *y = b;

	return (x->row > y->row) - (x->row < y->row);
}

/* The rows that counted most, as many as there are lines, in the order of their keys. */
static int take_strips(struct latency *p)
{
	size_t n = query_nrows(p->query), most = p->lines < STRIPS_MAX ? (size_t)p->lines : STRIPS_MAX;
	int column = query_column_find(p->query, p->column);
	struct strip_order *order = calloc(n + 1, sizeof(*order));

	p->nstrips = 0;
	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct value v = {0};

		order[i].row = i;
		if (column >= 0)
			query_value(p->query, i, (size_t)column, &v);
		value_number(&v, &order[i].n);
	}
	if (n > most) {
		qsort(order, n, sizeof(*order), by_n);
		p->nleft_out = n - most;
		n = most;
		qsort(order, n, sizeof(*order), by_row);
	}
	for (size_t i = 0; i < n; i++) {
		struct query_row row;

		if (!query_row(p->query, order[i].row, &row) || !row.key.n)
			continue;
		latency_row_name(p->query, order[i].row, p->strips[p->nstrips].name, LATENCY_NAME);
		p->strips[p->nstrips++].key = row.key;
	}
	free(order);
	return 0;
}

static int ask_strips(struct latency *p, struct culprit_error *error)
{
	struct hist_series_request ask = {.apart = true, .from_ns = p->from_ns, .step_ns = p->step_ns, .n = (size_t)p->ncolumns};
	struct row_key keys[STRIPS_MAX];
	double least = INFINITY, most = 0;
	int err;

	if (take_strips(p))
		return error_set(error, -ENOMEM, "out of memory");
	p->nlines = (int)p->nstrips;
	if (grow_grid(p))
		return error_set(error, -ENOMEM, "out of memory");
	if (!p->nstrips)
		return 0;
	for (size_t i = 0; i < p->nstrips; i++)
		keys[i] = p->strips[i].key;
	ask.keys = keys;
	ask.nkeys = p->nstrips;
	snprintf(ask.table, sizeof(ask.table), "%s", p->table);
	snprintf(ask.column, sizeof(ask.column), "%s", p->column);
	err = hist_series_run(p->view, &ask, &p->series, error);
	if (err || !p->series.known)
		return err;
	p->unit = p->series.unit;
	histogram_describe(&p->series.bounds, p->sum, &p->stats);
	mark_columns(p);
	for (size_t i = 0; i < p->nstrips * (size_t)p->ncolumns; i++) {
		const struct histogram_stats *s = &p->series.stats[i];
		double v = p->by_max ? s->max : s->p99;

		if (!s->n || !(v > 0))
			continue;
		least = v < least ? v : least;
		most = v > most ? v : most;
	}
	heat_scale_values(&p->scale, least, most);
	for (size_t k = 0; k < p->nstrips; k++) {
		size_t line = p->nstrips - 1 - k;

		for (int i = 0; i < p->ncolumns; i++) {
			const struct histogram_stats *s = &p->series.stats[k * (size_t)p->ncolumns + (size_t)i];
			int level = heat_level(&p->scale, p->by_max ? s->max : s->p99);

			/* What counted something shows something. */
			p->levels[line * (size_t)p->ncolumns + (size_t)i] =
				p->column_states[i] != HEAT_COLUMN_KNOWN ? HEAT_GAP : (int8_t)(s->n && !level ? 1 : level);
		}
	}
	return 0;
}

/* --- parts of a second --- */

static int take_events(struct latency *p, struct culprit_error *error)
{
	struct lens l = p->lens;
	const struct schema_table *t;
	struct query_info info;
	uint64_t width = (uint64_t)p->ncolumns * p->step_ns;
	int err;

	l.live = false;
	l.from_ns = p->from_ns > p->tick_ns ? p->from_ns - p->tick_ns : 0;
	l.to_ns = p->from_ns + width + 2 * p->tick_ns;
	l.has_range = l.has_baseline = false;
	if (strcmp(l.filter_table, p->events) != 0)
		l.filter[0] = '\0';
	err = query_run(p->slow, &l, p->events, 0, error);
	if (err && err != -EBADMSG)
		return err;
	query_info(p->slow, &info);
	take_reason(p, &info);
	p->lost = info.lost;
	t = query_table(p->slow);
	for (size_t i = 0; t && t->time_column >= 0 && i < query_nrows(p->slow); i++) {
		struct value v;
		uint64_t after;
		uint32_t line;

		query_value(p->slow, i, (size_t)t->time_column, &v);
		if (!value_ok(&v) || v.type != CULPRIT_U64 || v.u < p->from_ns || v.u - p->from_ns >= width)
			continue;
		after = v.u - p->from_ns;
		line = (uint32_t)(after % (uint64_t)SECOND / 1000000) / p->part_ms;
		p->seconds[(size_t)line * (size_t)p->ncolumns + after / (uint64_t)SECOND]++;
		p->stats.n += v.u > p->lens.from_ns || p->lens.live;
	}
	return err;
}

static int ask_seconds(struct latency *p, struct culprit_error *error)
{
	static const uint32_t parts[] = {20, 40, 100, 200, 500, 1000};
	uint64_t first, last, most = 0;
	size_t cells, k = 0;
	int err;

	while (k + 1 < sizeof(parts) / sizeof(parts[0]) && 1000 / parts[k] > (uint32_t)(p->lines > 0 ? p->lines : 1))
		k++;
	p->part_ms = parts[k];
	p->nlines = (int)(1000 / parts[k]);
	cells = (size_t)p->nlines * (size_t)p->ncolumns;
	if (cells > p->seconds_cap) {
		uint64_t *grown = realloc(p->seconds, cells * sizeof(*grown));

		if (!grown)
			return error_set(error, -ENOMEM, "out of memory");
		p->seconds = grown;
		p->seconds_cap = cells;
	}
	memset(p->seconds, 0, cells * sizeof(*p->seconds));
	memset(&p->stats, 0, sizeof(p->stats));
	if (grow_grid(p))
		return error_set(error, -ENOMEM, "out of memory");
	err = take_events(p, error);
	if (err && err != -EBADMSG)
		return err;
	for (size_t i = 0; i < cells; i++)
		most = p->seconds[i] > most ? p->seconds[i] : most;
	heat_scale_counts(&p->scale, (double)most);
	view_extent(p->view, &first, &last);
	for (int i = 0; i < p->ncolumns; i++) {
		uint64_t at = p->from_ns + (uint64_t)i * p->step_ns;
		bool known = at + p->step_ns > first && at < last;

		p->column_states[i] = known ? HEAT_COLUMN_KNOWN : HEAT_COLUMN_GAP;
		for (int line = 0; line < p->nlines; line++) {
			size_t cell = (size_t)line * (size_t)p->ncolumns + (size_t)i;

			p->levels[cell] = known ? (int8_t)heat_level(&p->scale, (double)p->seconds[cell]) : HEAT_GAP;
		}
	}
	return err;
}

/* --- the rectangle --- */

struct latency_corner latency_corner_at(const struct latency *p, int column, int line)
{
	struct latency_corner c = {.at_ns = p->from_ns + (uint64_t)column * p->step_ns + p->step_ns / 2};
	uint32_t end;

	if (p->mode == LATENCY_MAP) {
		heat_rows_slots(&p->rows, line, line, &c.slot, &end);
		/* The lowest line stands for all below it. */
		c.slot = line ? c.slot : p->rows.first;
	} else {
		c.slot = (uint32_t)line * (p->mode == LATENCY_SECONDS ? p->part_ms : 1);
	}
	return c;
}

void latency_corner_place(const struct latency *p, const struct latency_corner *c, int *ret_column, int *ret_line)
{
	int64_t column = c->at_ns < p->from_ns ? 0 : (int64_t)((c->at_ns - p->from_ns) / (p->step_ns ? p->step_ns : 1));
	int line;

	if (p->mode == LATENCY_MAP)
		line = heat_rows_line(&p->rows, c->slot);
	else
		line = (int)(c->slot / (p->mode == LATENCY_SECONDS && p->part_ms ? p->part_ms : 1));
	*ret_column = column >= p->ncolumns ? p->ncolumns - 1 : (int)column;
	*ret_line = line >= p->nlines ? p->nlines - 1 : line;
	*ret_line = *ret_line < 0 ? 0 : *ret_line;
}

bool latency_box(const struct latency *p, struct latency_box *b)
{
	int x, y;

	if (!p->pointing || p->nlines < 1)
		return false;
	latency_corner_place(p, &p->corner, &b->left, &b->low);
	b->right = b->left;
	b->high = b->low;
	if (!p->boxed)
		return true;
	latency_corner_place(p, &p->anchor, &x, &y);
	b->left = x < b->left ? x : b->left;
	b->right = x > b->right ? x : b->right;
	b->low = y < b->low ? y : b->low;
	b->high = y > b->high ? y : b->high;
	return true;
}

void latency_box_edges(const struct latency *p, const struct latency_box *b, uint64_t *ret_from, uint64_t *ret_to,
		       double *ret_lo, double *ret_hi)
{
	uint32_t first, end;

	*ret_from = p->from_ns + (uint64_t)b->left * p->step_ns;
	*ret_to = p->from_ns + (uint64_t)(b->right + 1) * p->step_ns;
	*ret_lo = -INFINITY;
	*ret_hi = INFINITY;
	if (p->mode != LATENCY_MAP || !p->series.known)
		return;
	heat_rows_slots(&p->rows, b->low, b->high, &first, &end);
	heat_rows_values(&p->series.bounds, first, end, ret_lo, ret_hi);
}

static int ask_box(struct latency *p, struct culprit_error *error)
{
	struct latency_who_request ask = {.column = p->column, .wall_offset_ns = p->wall_offset_ns};
	char slow[LENS_NAME_MAX + 8] = "";
	struct latency_box b = {0, p->ncolumns - 1, 0, p->nlines - 1};
	uint64_t from, to;
	bool chosen = latency_box(p, &b);

	p->box_n = 0;
	memset(&p->who, 0, sizeof(p->who));
	if (!chosen && !p->list_below)
		return 0;
	latency_box_edges(p, &b, &ask.from_ns, &ask.to_ns, &ask.lo, &ask.hi);
	if (!chosen) {
		/* The list below is of the window. */
		lens_resolve(&p->lens, p->time.newest_ns, &from, &to);
		ask.from_ns = from;
		ask.to_ns = to + 1;
		/* Of hours, in every tick anew: the newest do. */
		ask.newest = WHO_NEWEST;
		if (in_range(p)) {
			ask.lo = p->lens.range_lo;
			ask.hi = p->lens.range_hi;
		}
	}
	for (int i = b.left; chosen && i <= b.right; i++) {
		for (int k = b.low; k <= b.high; k++) {
			if (p->mode == LATENCY_MAP && p->series.counts)
				p->box_n = histogram_sum(p->box_n, cell_count(p, i, k));
			else if (p->mode == LATENCY_SECONDS)
				p->box_n += p->seconds[(size_t)k * (size_t)p->ncolumns + (size_t)i];
			else if (p->mode == LATENCY_STRIPS && p->series.stats)
				p->box_n = histogram_sum(p->box_n,
							 p->series.stats[(p->nstrips - 1 - (size_t)k) * (size_t)p->ncolumns +
									 (size_t)i].n);
		}
	}
	ask.table = slow;
	if (p->mode == LATENCY_SECONDS) {
		snprintf(slow, sizeof(slow), "%s", p->events);
		ask.column = NULL;
		if (chosen) {
			ask.part_from_ms = (uint32_t)b.low * p->part_ms;
			ask.part_to_ms = (uint32_t)(b.high + 1) * p->part_ms;
		}
	} else {
		latency_slow_table(p->view, p->table, slow, sizeof(slow));
		ask.parent = view_table(p->view, p->table);
		if (p->one_row && p->mode == LATENCY_MAP)
			ask.key = &p->key;
		else if (p->mode == LATENCY_STRIPS && chosen && b.low == b.high)
			ask.key = &p->strips[p->nstrips - 1 - (size_t)b.low].key;
	}
	return latency_who_ask(p->slow, &p->lens, &ask, p->tick_ns, &p->who, error);
}

int latency_ask(struct latency *p, struct culprit_error *error)
{
	uint64_t from, to;
	int err = 0, damage = 0;

	if (!p->query && !(p->query = query_create(p->view)))
		return error_set(error, -ENOMEM, "out of memory");
	if (!p->slow && !(p->slow = query_create(p->view)))
		return error_set(error, -ENOMEM, "out of memory");
	p->stale = false;
	lens_resolve(&p->lens, p->time.newest_ns, &from, &to);
	p->tick_ns = series_tick_ns(p->view);
	p->nleft_out = 0;
	if (p->mode != LATENCY_SECONDS) {
		err = ask_window(p, error);
		if (err && err != -EBADMSG)
			return err;
		damage = err;
		if (p->mode == LATENCY_MAP)
			ask_baseline(p);
	}
	for (int again = 0; again < 2; again++) {
		place_columns(p, to, to - from);
		err = p->mode == LATENCY_MAP ? ask_map(p, error) : p->mode == LATENCY_STRIPS ? ask_strips(p, error) :
											       ask_seconds(p, error);
		/* A table that is sampled less often than ticks come gets columns as wide as that. */
		if (err || p->mode == LATENCY_SECONDS || p->series.period_ns <= p->step_ns + p->tick_ns / 2)
			break;
		p->tick_ns = (p->series.period_ns + p->tick_ns / 2) / p->tick_ns * p->tick_ns;
	}
	if (err && err != -EBADMSG)
		return err;
	damage = err ? err : damage;
	err = ask_box(p, error);
	return err ? err : damage;
}
