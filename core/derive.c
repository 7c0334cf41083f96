#include "derive.h"

#include <math.h>
#include <string.h>

#include "number.h"

static double bits_f64(uint64_t bits)
{
	double d;

	memcpy(&d, &bits, sizeof(d));
	return d;
}

static void set_cell(const struct row *row, const struct schema_column *c, uint64_t cell, struct value *v)
{
	switch (c->type) {
	case CULPRIT_I64:
		v->i = (int64_t)cell;
		break;
	case CULPRIT_U64:
		v->u = cell;
		break;
	case CULPRIT_F64:
		v->f = bits_f64(cell);
		if (isnan(v->f))
			v->state = VALUE_ABSENT;
		break;
	case CULPRIT_BOOL:
		v->b = cell != 0;
		break;
	case CULPRIT_TEXT:
		v->text.p = segment_text(row->segment, cell, &v->text.len);
		if (!v->text.p)
			v->state = VALUE_ABSENT;
		break;
	case CULPRIT_STACK:
		v->stack.segment = row->segment;
		v->stack.id = cell;
		break;
	case CULPRIT_TASK:
		if (!segment_task(row->segment, cell, &v->task.tid, &v->task.start_ticks))
			v->state = VALUE_ABSENT;
		break;
	default:
		v->state = VALUE_ABSENT;
	}
}

/* The counter that runs in a row of which this group was not read: what else is in the group stands still. 0: it is not known. */
static uint32_t running(const struct schema_table *t, const struct row *row, uint32_t group)
{
	uint64_t n;

	if (t->running < 0 || !group || !(row->stale >> group & 1) || row->states[t->running] != FORMAT_CELL_OK)
		return 0;
	n = row_cell(row, (uint32_t)t->running);
	if (n >= t->ncolumns || t->columns[n].role != CULPRIT_COUNTER || t->columns[n].type != CULPRIT_U64 ||
	    t->columns[n].group != group || row->states[n] != FORMAT_CELL_OK)
		return 0;
	return (uint32_t)n;
}

/* When the column was last read, or is known as if it had been. */
static uint64_t read_at(const struct schema_table *t, const struct row *row, uint32_t column, uint64_t otherwise)
{
	uint32_t group = t->columns[column].group;
	uint64_t at = running(t, row, group) ? row->sample_ns : row_read_ns(row, group);

	return at ? at : otherwise;
}

/* The counter then. */
static uint64_t counter_at(const struct schema_table *t, const struct row *row, uint32_t column)
{
	uint64_t v = row_cell(row, column), at;

	if (t->columns[column].group && running(t, row, t->columns[column].group) == column) {
		at = row_read_ns(row, t->columns[column].group);
		v += at && at < row->sample_ns ? row->sample_ns - at : 0;
	}
	return v;
}

static void begin(const struct derive *d, const struct schema_column *c, uint32_t column, struct value *v)
{
	memset(v, 0, sizeof(*v));
	v->type = c->type;
	v->unit = c->unit;
	v->state = d->end->states[column];
	if (v->state == VALUE_ABSENT)
		return;
	if (!d->end->ended_ns) {
		if (c->group && d->end->stale >> c->group & 1) {
			uint64_t at = row_read_ns(d->end, c->group);

			if (at && at < d->sample_ns)
				v->age_ns = d->sample_ns - at;
		}
		v->age_ns += d->aging_ns;
	}
	if (v->state == VALUE_UNREAD) {
		v->reason = segment_text(d->end->segment, row_cell(d->end, column), &v->reason_len);
		if (!v->reason) {
			v->reason = "could not be read";
			v->reason_len = strlen(v->reason);
		}
	} else if (v->state != VALUE_OK) {
		v->state = VALUE_ABSENT;
	}
}

void derive_last(const struct derive *d, uint32_t column, struct value *v)
{
	const struct schema_column *c = &d->schema->columns[column];

	begin(d, c, column, v);
	if (v->state != VALUE_OK)
		return;
	if (c->type == CULPRIT_HIST) {
		v->hist.counts = cursor_histogram(d->end_cursor, d->schema, d->end, column);
		v->hist.bounds = &c->bounds;
		if (!v->hist.counts)
			v->state = VALUE_ABSENT;
		return;
	}
	set_cell(d->end, c, row_cell(d->end, column), v);
}

static bool born(const struct row *r)
{
	return r->born;
}

static uint64_t since(const struct row *r)
{
	return r->since_ns ? r->since_ns : r->began_ns;
}

uint64_t derive_from(const struct derive *d)
{
	if (d->start)
		return row_read_ns(d->start, 0);
	return since(d->end);
}

/* The window of one column's difference: (from, to] by the times at which it was really read. false: nothing to subtract
 * from, or not read again. */
static bool span(const struct derive *d, uint32_t column, uint64_t *ret_from, uint64_t *ret_to)
{
	const struct schema_column *c = &d->schema->columns[column];

	/* What ended did nothing more until the window's end: a short life is a small share of a long window. */
	*ret_to = d->end->ended_ns ? d->sample_ns : read_at(d->schema, d->end, column, d->sample_ns);
	if (d->start && d->start->states[column] == FORMAT_CELL_OK)
		*ret_from = read_at(d->schema, d->start, column, 0);
	else if (born(d->end))
		*ret_from = since(d->end);
	else if (d->end->based >> c->group & 1)
		*ret_from = row_based_ns(d->end, c->group);
	else
		return false;
	/* Read first before the window, but not at its start: what happened in the window can't be told. */
	if (d->start && d->start->states[column] != FORMAT_CELL_OK && *ret_from < read_at(d->schema, d->start, column, *ret_from))
		return false;
	return *ret_from < *ret_to;
}

/* The difference of a counter, in its own type. */
static void delta(const struct derive *d, uint32_t column, struct value *v, uint64_t *ret_elapsed)
{
	const struct schema_column *c = &d->schema->columns[column];
	uint64_t from, to, now, before, now_drop, before_drop;

	begin(d, c, column, v);
	if (v->state != VALUE_OK)
		return;
	v->state = VALUE_ABSENT;
	if (!span(d, column, &from, &to))
		return;
	*ret_elapsed = to - from;
	if (running(d->schema, d->end, c->group))
		v->age_ns = d->aging_ns;
	now = counter_at(d->schema, d->end, column);
	now_drop = row_drop(d->end, c->counter);
	if (d->start && d->start->states[column] == FORMAT_CELL_OK) {
		before = counter_at(d->schema, d->start, column);
		before_drop = row_drop(d->start, c->counter);
	} else {
		/* 0.0 has the bits of 0. */
		before = born(d->end) ? 0 : row_base(d->end, c->counter);
		before_drop = 0;
	}
	v->state = VALUE_OK;
	switch (c->type) {
	case CULPRIT_F64:
		v->f = (bits_f64(now) + bits_f64(now_drop)) - (bits_f64(before) + bits_f64(before_drop));
		if (!(v->f >= 0))
			v->state = VALUE_ABSENT;
		break;
	case CULPRIT_I64:
		v->i = (int64_t)((now + now_drop) - (before + before_drop));
		if (v->i < 0)
			v->state = VALUE_ABSENT;
		break;
	case CULPRIT_U64:
		v->u = (now + now_drop) - (before + before_drop);
		/* Falls are in the drops: anything that still looks negative comes from damaged bytes; or it ran, by the time of samples, a
		 * little further than it was then read. */
		if (v->u > INT64_MAX && now < before) {
			v->u = 0;
			v->state = d->schema->running >= 0 && c->group ? VALUE_OK : VALUE_ABSENT;
		}
		break;
	default:
		v->state = VALUE_ABSENT;
	}
}

/* The difference of a histogram, into `out`. */
static void histogram_delta(const struct derive *d, uint32_t column, uint64_t *out, struct value *v)
{
	const struct schema_column *c = &d->schema->columns[column];
	const uint64_t *now, *before = NULL;
	uint64_t from, to;
	bool fell = false;

	begin(d, c, column, v);
	if (v->state != VALUE_OK)
		return;
	v->state = VALUE_ABSENT;
	now = cursor_histogram(d->end_cursor, d->schema, d->end, column);
	if (!now || !span(d, column, &from, &to))
		return;
	if (d->start && d->start->states[column] == FORMAT_CELL_OK) {
		before = cursor_histogram(d->start_cursor, d->start_schema, d->start, column);
		if (!before)
			return;
	} else if (!born(d->end)) {
		before = cursor_histogram_base(d->end_cursor, d->schema, d->end, column);
		if (!before)
			return;
	}
	for (uint32_t i = 0; before && i < c->bounds.count && !fell; i++)
		fell = now[i] < before[i];
	/* It was cleared in between: what it counted since then is what is known. */
	for (uint32_t i = 0; i < c->bounds.count; i++)
		out[i] = now[i] - (before && !fell ? before[i] : 0);
	v->state = VALUE_OK;
	v->hist.counts = out;
	v->hist.bounds = &c->bounds;
}

void derive_raw(const struct derive *d, uint32_t column, struct value *v)
{
	uint64_t elapsed;

	switch (d->schema->columns[column].role) {
	case CULPRIT_COUNTER:
		delta(d, column, v, &elapsed);
		break;
	case CULPRIT_HISTOGRAM:
		histogram_delta(d, column, d->counts[0], v);
		break;
	default:
		derive_last(d, column, v);
	}
}

bool derive_percentile(const struct schema_bounds *b, const uint64_t *counts, double percent, double *ret, uint64_t *ret_n)
{
	double n = 0, rank, below = 0;
	uint64_t whole = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		n += (double)counts[i];
		whole += counts[i];
	}
	*ret_n = whole;
	if (!(n > 0))
		return false;
	rank = percent / 100 * n;
	for (uint32_t i = 0; i < b->count; i++) {
		double lo, hi, inside = (double)counts[i];

		if (!counts[i])
			continue;
		if (below + inside < rank && i + 1 < b->count) {
			below += inside;
			continue;
		}
		lo = schema_edge(b, i);
		hi = schema_edge(b, i + 1);
		/* Nothing is known above the last edge but that it is at least that. */
		if (i + 1 == b->count || !isfinite(hi))
			hi = lo;
		*ret = lo + (hi - lo) * number_min(1, number_max(0, (rank - below) / inside));
		return true;
	}
	/* Rounding left the rank beyond the last count. */
	for (uint32_t i = b->count; i-- > 0;) {
		if (counts[i]) {
			*ret = schema_edge(b, i);
			return true;
		}
	}
	return false;
}

void derive_range(const struct schema_bounds *b, uint64_t *counts, double lo, double hi)
{
	for (uint32_t i = 0; i < b->count; i++) {
		bool last = i + 1 == b->count;

		if (schema_edge(b, i) >= hi || (!last && schema_edge(b, i + 1) <= lo))
			counts[i] = 0;
	}
}

/* A term that has no value decides: unread before absent. */
static bool take(struct value *v, const struct value *term)
{
	if (term->age_ns > v->age_ns)
		v->age_ns = term->age_ns;
	if (term->state == VALUE_OK)
		return true;
	if (v->state != VALUE_UNREAD) {
		v->state = term->state;
		v->reason = term->reason;
		v->reason_len = term->reason_len;
	}
	return false;
}

/* Value of a gauge at the window's start; false: it had none. */
static bool before(const struct derive *d, uint32_t column, double *ret)
{
	struct value v = {.state = VALUE_OK, .type = d->schema->columns[column].type};

	if (!d->start) {
		*ret = 0;
		return born(d->end);
	}
	if (d->start->states[column] != FORMAT_CELL_OK)
		return false;
	set_cell(d->start, &d->schema->columns[column], row_cell(d->start, column), &v);
	return value_number(&v, ret);
}

/* Sum of the terms, each as `op` wants it; false: v says why there is none. */
static bool terms(const struct derive *d, const struct schema_term *t, uint32_t n, uint32_t op, double *ret,
		  struct value *v)
{
	bool ok = true;

	*ret = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct value term;
		uint64_t elapsed = 0;
		double x = 0, y = 0;

		switch (op) {
		case CULPRIT_RATE:
		case CULPRIT_RATIO:
		case CULPRIT_DIFFERENCE:
			delta(d, t[i].column, &term, &elapsed);
			break;
		default:
			derive_last(d, t[i].column, &term);
		}
		if (term.state == VALUE_OK && !value_number(&term, &x))
			term.state = VALUE_ABSENT;
		if (term.state == VALUE_OK && op == CULPRIT_RATE)
			x = x * 1e9 / (double)elapsed;
		if (term.state == VALUE_OK && op == CULPRIT_GROWTH) {
			if (before(d, t[i].column, &y))
				x -= y;
			else
				term.state = VALUE_ABSENT;
		}
		ok &= take(v, &term);
		*ret += t[i].sign * x;
	}
	return ok;
}

/* a - b of two instants that need not make sense. */
static double apart(uint64_t a, uint64_t b)
{
	return (double)(int64_t)(a - b);
}

/* Time since an instant that the column holds. */
static bool since_instant(const struct derive *d, uint32_t column, struct value *v)
{
	uint64_t at = d->end->ended_ns ? d->end->ended_ns : d->sample_ns, wall = at + (uint64_t)d->wall_offset_ns;
	struct value term;
	bool exact;
	double x;

	derive_last(d, column, &term);
	if (!take(v, &term) || !value_number(&term, &x)) {
		v->state = v->state == VALUE_UNREAD ? v->state : VALUE_ABSENT;
		return false;
	}
	/* Nanoseconds since 1970 do not fit a double. (i64 and u64 share their bits.) */
	exact = term.type == CULPRIT_U64 || term.type == CULPRIT_I64;
	switch (d->schema->columns[column].unit) {
	case CULPRIT_MONO_NS:
		x = exact ? apart(at, term.u) : (double)at - x;
		break;
	case CULPRIT_WALL_NS:
		x = exact ? apart(wall, term.u) : (double)(int64_t)wall - x;
		break;
	case CULPRIT_TICKS:
		if (!d->host || !d->host->user_hz) {
			v->state = VALUE_ABSENT;
			return false;
		}
		x = apart(wall, (uint64_t)d->host->boot_wall_ns) - x * 1e9 / (double)d->host->user_hz;
		break;
	default:
		v->state = VALUE_ABSENT;
		return false;
	}
	v->f = number_max(0, x);
	return true;
}

void derive_column(const struct derive *d, uint32_t index, int range_column, double lo, double hi, struct value *v)
{
	const struct schema_derived *s = &d->schema->derived[index];
	double scale = s->scale != 0 ? s->scale : 1, a = 0, b = 0;
	struct value hist;
	bool ok;

	memset(v, 0, sizeof(*v));
	v->type = CULPRIT_F64;
	v->unit = (uint8_t)s->unit;
	v->state = VALUE_OK;
	switch (s->op) {
	case CULPRIT_RATE:
	case CULPRIT_LEVEL:
	case CULPRIT_DIFFERENCE:
	case CULPRIT_GROWTH:
		if (terms(d, s->a, s->na, s->op, &a, v))
			v->f = a;
		break;
	case CULPRIT_RATIO:
	case CULPRIT_LEVEL_RATIO:
		/* Both, so that an unread one of either is named. */
		ok = terms(d, s->a, s->na, s->op, &a, v);
		ok &= terms(d, s->b, s->nb, s->op, &b, v);
		if (!ok)
			break;
		if (b != 0)
			v->f = a / b;
		else
			v->state = VALUE_ABSENT;
		break;
	case CULPRIT_PERCENTILE:
		if (!s->na || d->schema->columns[s->a[0].column].type != CULPRIT_HIST) {
			v->state = VALUE_ABSENT;
			break;
		}
		histogram_delta(d, s->a[0].column, d->counts[1], &hist);
		if (!take(v, &hist))
			break;
		if (range_column == s->a[0].column)
			derive_range(hist.hist.bounds, d->counts[1], lo, hi);
		if (!derive_percentile(hist.hist.bounds, d->counts[1], s->arg, &v->f, &v->n))
			v->state = VALUE_ABSENT;
		break;
	case CULPRIT_SINCE:
		if (!s->na)
			v->state = VALUE_ABSENT;
		else
			since_instant(d, s->a[0].column, v);
		break;
	default:
		v->state = VALUE_ABSENT; /* of a newer version */
	}
	if (v->state == VALUE_OK) {
		v->f *= scale;
		if (!isfinite(v->f))
			v->state = VALUE_ABSENT;
	}
}
