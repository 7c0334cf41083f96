/* Random tables go through builder, writer and memory into a cursor, and must come out as they went in: at every frame,
 * forwards, backwards, in jumps, with ended rows, bases, falls, groups and events. The model below is the oracle. */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <culprit/collector.h>

#include "cursor.h"
#include "format.h"
#include "memsource.h"
#include "summary.h"
#include "writer.h"

enum { ID, NAME, LEVEL, TOTAL, RATIO, PEAK, LATENCY, SLOW, SLOW_TEXT, FLAG, WHO, STACK, COLUMNS };

static const double edges[] = {0, 10, 100};
static const struct culprit_bounds bounds = {.kind = CULPRIT_EDGES, .count = 3, .edges = edges};
static const struct culprit_column columns[COLUMNS] = {
	[ID] = {"id", CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0},
	[NAME] = {"name", CULPRIT_KEY, CULPRIT_TEXT, CULPRIT_NONE, 0},
	[LEVEL] = {"level", CULPRIT_GAUGE, CULPRIT_I64, CULPRIT_COUNT, 0},
	[TOTAL] = {"total", CULPRIT_COUNTER, CULPRIT_U64, CULPRIT_NS, 0, CULPRIT_THOUSANDS},
	[RATIO] = {"ratio", CULPRIT_GAUGE, CULPRIT_F64, CULPRIT_PERCENT, 0},
	[PEAK] = {"peak", CULPRIT_PEAK, CULPRIT_U64, CULPRIT_NS, 0},
	[LATENCY] = {"latency", CULPRIT_HISTOGRAM, CULPRIT_HIST, CULPRIT_NS, 0, 0, NULL, NULL, &bounds},
	[SLOW] = {"slow", CULPRIT_COUNTER, CULPRIT_U64, CULPRIT_COUNT, 2},
	[SLOW_TEXT] = {"slow_text", CULPRIT_ATTRIBUTE, CULPRIT_TEXT, CULPRIT_NONE, 2},
	[FLAG] = {"flag", CULPRIT_ATTRIBUTE, CULPRIT_BOOL, CULPRIT_NONE, 0},
	[WHO] = {"who", CULPRIT_ATTRIBUTE, CULPRIT_TASK, CULPRIT_NONE, 0},
	[STACK] = {"stack", CULPRIT_ATTRIBUTE, CULPRIT_STACK, CULPRIT_NONE, 0},
};
static const struct culprit_table thing_table = {
	.size = sizeof(struct culprit_table), .name = "thing", .kind = CULPRIT_STATE, .key = "thing",
	CULPRIT_COLUMNS(columns),
};
static const struct culprit_column event_columns[] = {
	{"time", CULPRIT_TIME, CULPRIT_U64, CULPRIT_MONO_NS, 0},
	{"text", CULPRIT_ATTRIBUTE, CULPRIT_TEXT, CULPRIT_NONE, 0},
	{"size", CULPRIT_GAUGE, CULPRIT_I64, CULPRIT_BYTES, 0},
};
static const struct culprit_table event_table = {
	.size = sizeof(struct culprit_table), .name = "happening", .kind = CULPRIT_EVENT, CULPRIT_COLUMNS(event_columns),
};

/* Of `total` whole thousands are kept: the model counts them. */
enum { KEPT = 1000, CUT_OFF = 999 };
enum { ROWS = 40, TICKS = 400, START = 1000000 };

struct model_row {
	bool alive, unread, born;
	uint32_t handle;
	uint64_t total, drop, base, peak, counts[3], base_counts[3], slow, slow_ns, slow_base, slow_based, began, since;
	int64_t level;
	double ratio;
	char name[24], slow_text[24];
	bool slow_seen;
};

struct model_tick {
	uint64_t ns;
	bool failed;
	struct model_row rows[ROWS];
	unsigned events, ended;
};

static uint64_t seed;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

static uint64_t tick_ns(unsigned i)
{
	return START + (uint64_t)i * 1000000000u;
}

static void emit(struct culprit_frame *f, struct model_row *r, unsigned id, unsigned tick)
{
	bool again = r->handle != CULPRIT_NO_HANDLE && rnd(2) && !culprit_again(f, r->handle);

	if (!again) {
		culprit_row(f);
		culprit_put_u64(f, ID, id);
		culprit_put_string(f, NAME, r->name);
		if (r->born)
			culprit_born(f);
	}
	culprit_put_i64(f, LEVEL, r->level);
	if (r->unread)
		culprit_unread(f, TOTAL, "no rights");
	else
		culprit_put_u64(f, TOTAL, r->total * KEPT + CUT_OFF);
	culprit_put_f64(f, RATIO, r->ratio);
	culprit_put_u64(f, PEAK, r->peak);
	culprit_put_histogram(f, LATENCY, r->counts, 3);
	culprit_put_bool(f, FLAG, id & 1);
	culprit_put_task(f, WHO, id, id * 7);
	struct culprit_location frames[2] = {{"libc.so.6", id}, {NULL, 0xffff0000u + id}};
	culprit_put_stack(f, STACK, frames, 2);
	if (rnd(4) == 0) {
		culprit_put_u64(f, SLOW, r->slow);
		culprit_put_string(f, SLOW_TEXT, r->slow_text);
		r->slow_ns = tick_ns(tick);
		if (!r->slow_seen) {
			r->slow_base = r->slow;
			r->slow_based = r->slow_ns;
		}
		r->slow_seen = true;
	}
	r->handle = culprit_end(f);
	assert_int_not_equal(r->handle, CULPRIT_NO_HANDLE);
}

/* Moves the model one tick and emits it. */
static void tick(struct writer *w, struct model_tick *m, const struct model_tick *last, unsigned i)
{
	struct builder *b = writer_builder(w);
	struct culprit_frame *f;
	struct culprit_error error = {""};

	if (last)
		memcpy(m, last, sizeof(*m));
	m->ns = tick_ns(i);
	m->failed = i && rnd(20) == 0;
	m->events = m->ended = 0;
	builder_begin(b, m->ns, (int64_t)m->ns + 5);
	f = builder_frame(b, 0, 2);
	culprit_table(f, 0);
	for (unsigned k = 0; k < ROWS; k++) {
		struct model_row moved = m->rows[k], *r = m->failed ? &moved : &m->rows[k];

		if (!r->alive && rnd(8) == 0) {
			memset(r, 0, sizeof(*r));
			r->alive = true;
			r->handle = CULPRIT_NO_HANDLE;
			r->born = i && rnd(2);
			snprintf(r->name, sizeof(r->name), "n%u-%u", k, rnd(3));
			r->total = r->slow = rnd(100000);
			r->began = m->ns;
			r->since = !r->born ? m->ns : last->failed ? 0 : tick_ns(i - 1); /* 0: not judged */
			r->base = r->total;
			memcpy(r->base_counts, r->counts, sizeof(r->counts));
			r->unread = false;
			snprintf(r->slow_text, sizeof(r->slow_text), "s%u", rnd(50));
		} else if (r->alive && rnd(30) == 0) {
			r->alive = false;
			m->ended += !m->failed;
			continue;
		} else if (r->alive && rnd(2)) {
			bool was_unread = r->unread;
			uint64_t now = rnd(40) ? r->total + rnd(1000) : rnd(10);

			r->unread = rnd(25) == 0;
			if (!r->unread && !was_unread && now < r->total)
				r->drop += r->total - now;
			if (!r->unread)
				r->total = now;
			r->level = (int64_t)rnd(100) - 50;
			r->ratio = rnd(1000) / 8.0;
			r->peak = rnd(5000);
			r->counts[rnd(3)] += rnd(10);
			r->slow += rnd(3);
			if (rnd(9) == 0)
				snprintf(r->slow_text, sizeof(r->slow_text), "s%u", rnd(50));
		}
		if (r->alive)
			emit(f, r, k, i);
	}
	culprit_table(f, 1);
	for (unsigned k = rnd(4); k > 0; k--) {
		char text[16];

		snprintf(text, sizeof(text), "e%u", i);
		culprit_row(f);
		culprit_put_u64(f, 0, m->ns - 10 * k);
		culprit_put_string(f, 1, text);
		if (k & 1)
			culprit_put_i64(f, 2, -(int64_t)k);
		culprit_end(f);
		m->events += !m->failed;
	}
	if (rnd(3) == 0)
		culprit_lost(f, rnd(2), 1 + rnd(9));
	int r = builder_frame_end(b, m->failed ? -EIO : 0, m->failed ? "the disk of the test is gone" : NULL, 1000, 1, &error);
	assert_string_equal(error.sentence, "");
	assert_int_equal(r, m->failed ? -EIO : 0);
	assert_int_equal(writer_commit(w), 0);
}

static void assert_text(const struct row *row, uint32_t column, const char *expected)
{
	size_t n;
	const char *text = segment_text(row->segment, row_cell(row, column), &n);

	assert_non_null(text);
	assert_int_equal(n, strlen(expected));
	assert_memory_equal(text, expected, n);
}

static void assert_row(struct cursor *c, const struct schema_table *t, const struct row *row, const struct model_row *m,
		       uint64_t sample_ns)
{
	struct segment_location frames[4];
	const uint64_t *counts = cursor_histogram(c, t, row, LATENCY);
	uint64_t tid, start, bits;
	double ratio;

	assert_text(row, NAME, m->name);
	assert_true((int64_t)row_cell(row, LEVEL) == m->level);
	assert_int_equal(row->states[TOTAL], m->unread ? FORMAT_CELL_UNREAD : FORMAT_CELL_OK);
	if (m->unread)
		assert_text(row, TOTAL, "no rights");
	else
		assert_true(row_cell(row, TOTAL) == m->total * KEPT);
	assert_true(row_drop(row, t->columns[TOTAL].counter) == m->drop * KEPT);
	bits = row_cell(row, RATIO);
	memcpy(&ratio, &bits, 8);
	assert_true(ratio == m->ratio);
	assert_true(row_cell(row, PEAK) == m->peak);
	assert_non_null(counts);
	assert_memory_equal(counts, m->counts, sizeof(m->counts));
	assert_true(segment_task(row->segment, row_cell(row, WHO), &tid, &start));
	assert_true(start == tid * 7);
	assert_int_equal(segment_stack(row->segment, row_cell(row, STACK), frames, 4), 2);
	assert_int_equal(frames[0].module_len, strlen("libc.so.6"));
	assert_memory_equal(frames[0].module, "libc.so.6", frames[0].module_len);
	assert_true(frames[0].offset == tid);
	assert_null(frames[1].module);
	assert_int_equal(row->states[SLOW], m->slow_seen ? FORMAT_CELL_OK : FORMAT_CELL_ABSENT);
	if (m->slow_seen) {
		assert_true(row_read_ns(row, 2) == m->slow_ns);
		assert_int_equal(!!(row->stale & 4), m->slow_ns != sample_ns);
	}
	if (m->began == tick_ns(0)) {
		assert_true(row->began_ns == 0);
	} else {
		assert_true(row->began_ns == m->began);
		assert_int_equal(row->born, m->born);
		if (m->since)
			assert_true(row->since_ns == m->since);
	}
	/* Bases: the first values, unless they are the table's first or counting began at 0. */
	if (m->born || m->began == tick_ns(0)) {
		assert_false(row->based & 1);
	} else {
		assert_true(row->based & 1);
		assert_true(row_base(row, t->columns[TOTAL].counter) == m->base * KEPT);
		assert_true(row_based_ns(row, 0) == m->began);
		assert_non_null(cursor_histogram_base(c, t, row, LATENCY));
		assert_memory_equal(cursor_histogram_base(c, t, row, LATENCY), m->base_counts, sizeof(m->base_counts));
	}
	if (m->born || !m->slow_seen || m->slow_based == tick_ns(0)) {
		assert_false(row->based & 4);
	} else {
		assert_true(row->based & 4);
		assert_true(row_base(row, t->columns[SLOW].counter) == m->slow_base);
		assert_true(row_based_ns(row, 2) == m->slow_based);
	}
}

static void assert_tick(struct cursor *c, const struct model_tick *ticks, unsigned i)
{
	struct table_view v;
	unsigned alive = 0, found = 0, sampled = i;

	while (sampled && ticks[sampled].failed)
		sampled--;
	assert_true(cursor_mono_ns(c) == tick_ns(i));
	assert_true(cursor_table(c, "thing", &v));
	assert_true(v.sample_ns == tick_ns(sampled));
	if (ticks[i].failed) {
		size_t n;

		assert_int_equal(v.state, CULPRIT_FAILED);
		assert_non_null(segment_text(cursor_segment(c), v.reason, &n));
	}
	for (unsigned k = 0; k < ROWS; k++)
		alive += ticks[i].rows[k].alive;
	for (size_t s = 0; s < v.nrows; s++) {
		struct row memory;
		const struct row *row = cursor_row(c, v.schema, s, &memory);

		if (!row)
			continue;
		found++;
		assert_true(row_cell(row, ID) < ROWS);
		assert_true(ticks[i].rows[row_cell(row, ID)].alive);
		assert_row(c, v.schema, row, &ticks[i].rows[row_cell(row, ID)], v.sample_ns);
	}
	assert_int_equal(found, alive);
}

/* A failed sample leaves the model's rows as they were: drop what emit() noted of groups and handles. */
static void run_model(struct memsource *mem, struct schema *schema, struct model_tick *ticks)
{
	struct host_info host = {.name = "h", .user_hz = 100};
	struct writer *w = writer_create(schema, &host);

	assert_non_null(w);
	assert_int_equal(writer_add_sink(w, memsource_sink(mem)), 0);
	for (unsigned i = 0; i < TICKS; i++)
		tick(w, &ticks[i], i ? &ticks[i - 1] : NULL, i);
	writer_destroy(w);
}

static void test_model(void **state)
{
	struct model_tick *ticks = calloc(TICKS, sizeof(*ticks));

	(void)state;
	assert_non_null(ticks);
	for (unsigned round = 0; round < 5; round++) {
		struct schema *schema = schema_create();
		struct memsource *mem = memsource_create();
		struct source *source = memsource_source(mem);
		struct culprit_error error = {""};
		struct cursor *forward, *jump, *bounded;
		unsigned ended = 0, events = 0;
		const struct schema_table *t, *e;
		struct table_view v;

		seed = 42 + round;
		memset(ticks, 0, TICKS * sizeof(*ticks));
		assert_int_equal(schema_add(schema, &thing_table, &error), 0);
		assert_int_equal(schema_add(schema, &event_table, &error), 1);
		run_model(mem, schema, ticks);
		assert_true(memsource_segments(mem) > 1);

		forward = cursor_create(source, NULL);
		cursor_keep_since(forward, 0);
		for (unsigned i = 0; i < TICKS; i++) {
			assert_int_equal(cursor_seek(forward, tick_ns(i) + 5, &error), 0);
			assert_tick(forward, ticks, i);
			ended += ticks[i].ended;
			events += ticks[i].events;
			assert_true(cursor_table(forward, "thing", &v));
			t = v.schema;
			assert_int_equal(cursor_nended(forward, t), ended);
			assert_true(cursor_table(forward, "happening", &v));
			e = v.schema;
			assert_int_equal(cursor_nevents(forward, e), events);
		}
		assert_true(ended > 50 && events > 100);

		/* Of too many, the newest; how many others there were is known, until the window has left them behind. */
		bounded = cursor_create(source, NULL);
		cursor_keep_most(bounded, 20);
		cursor_keep_since(bounded, 0);
		for (unsigned i = 0; i < TICKS; i++)
			assert_int_equal(cursor_seek(bounded, tick_ns(i) + 5, &error), 0);
		assert_int_equal(cursor_nended(bounded, t), 20);
		assert_int_equal(cursor_nevents(bounded, e), 20);
		assert_int_equal(cursor_left_out(bounded, t), ended - 20);
		assert_int_equal(cursor_left_out(bounded, e), events - 20);
		assert_int_equal(cursor_left_out(forward, t), 0);
		for (unsigned i = 0; i < 20; i++) {
			const struct row *a = cursor_ended(bounded, t, i, NULL), *b = cursor_ended(forward, t, ended - 20 + i, NULL);

			assert_true(a->serial == b->serial && a->ended_ns == b->ended_ns);
			a = cursor_event(bounded, e, i);
			b = cursor_event(forward, e, events - 20 + i);
			assert_true(a->began_ns == b->began_ns && a->sample_ns == b->sample_ns);
		}
		cursor_keep_since(bounded, tick_ns(TICKS - 1));
		assert_int_equal(cursor_seek(bounded, tick_ns(TICKS - 1) + 6, &error), 0);
		assert_int_equal(cursor_left_out(bounded, t), 0);
		cursor_destroy(bounded);

		jump = cursor_create(source, NULL);
		for (unsigned k = 0; k < 300; k++) {
			unsigned i = rnd(TICKS), since = rnd(i + 1), want = 0;

			cursor_keep_since(jump, tick_ns(since));
			assert_int_equal(cursor_seek(jump, tick_ns(i) + rnd(1000000), &error), 0);
			assert_tick(jump, ticks, i);
			for (unsigned q = since; q <= i; q++)
				want += ticks[q].ended;
			assert_true(cursor_table(jump, "thing", &v));
			assert_int_equal(cursor_nended(jump, v.schema), want);
		}
		cursor_destroy(forward);
		cursor_destroy(jump);
		source_destroy(source);
		memsource_unlock(mem);
		schema_unlock(schema);
	}
	free(ticks);
}

static const struct summary_series *find_series(const struct summary_table *t, const struct summary_series *like)
{
	for (size_t i = 0; i < t->nseries; i++) {
		if (t->series[i].serial == like->serial && t->series[i].column == like->column)
			return &t->series[i];
	}
	return NULL;
}

static const struct summary_extreme *find_extreme(const struct summary_table *t, const struct summary_extreme *like)
{
	for (size_t i = 0; i < t->nextremes; i++) {
		if (t->extremes[i].serial == like->serial && t->extremes[i].column == like->column)
			return &t->extremes[i];
	}
	return NULL;
}

/* What the writer gathered on the way is what a reader finds in the frames. */
static void assert_same_summary(const struct summary *s, struct segment *segment)
{
	struct summary *built = summary_build(segment, NULL);

	assert_non_null(built);
	for (uint32_t i = 0; i < s->ntables; i++) {
		const struct summary_table *a = &s->tables[i], *b = &built->tables[i];

		assert_int_equal(a->nended, b->nended);
		assert_int_equal(a->nevents, b->nevents);
		assert_int_equal(a->ntimes, b->ntimes);
		assert_int_equal(a->nseries, b->nseries);
		assert_int_equal(a->nextremes, b->nextremes);
		for (uint32_t k = 0; k < a->ntimes; k++)
			assert_true(a->times[k] == b->times[k]);
		for (size_t k = 0; k < b->nseries; k++) {
			const struct summary_series *x = find_series(a, &b->series[k]);

			assert_non_null(x);
			assert_int_equal(x->first, b->series[k].first);
			assert_int_equal(x->n, b->series[k].n);
			assert_memory_equal(x->values, b->series[k].values, x->n * sizeof(*x->values));
		}
		for (size_t k = 0; k < b->nextremes; k++) {
			const struct summary_extreme *x = find_extreme(a, &b->extremes[k]);

			assert_non_null(x);
			assert_true(x->min == b->extremes[k].min && x->max == b->extremes[k].max);
		}
	}
	summary_destroy(built);
}

static void test_summary(void **state)
{
	struct model_tick *ticks = calloc(TICKS, sizeof(*ticks));
	struct schema *schema = schema_create();
	struct memsource *mem = memsource_create();
	struct culprit_error error = {""};
	unsigned checked = 0;

	(void)state;
	seed = 7;
	schema_add(schema, &thing_table, &error);
	schema_add(schema, &event_table, &error);
	run_model(mem, schema, ticks);
	for (size_t i = 0; i < memsource_segments(mem); i++) {
		size_t n;
		const void *bytes = memsource_bytes(mem, i, &n);
		struct segment *segment = segment_create();
		struct summary *s;

		assert_int_equal(segment_parse(segment, bytes, n, &error), 0);
		assert_true(segment->complete);
		s = summary_read(segment, &error);
		assert_non_null(s);
		assert_true(s->tables[0].ntimes > 0);
		for (size_t k = 0; k < s->tables[0].nseries; k++) {
			const struct summary_series *x = &s->tables[0].series[k];

			for (uint32_t q = 0; x->column == LEVEL && q < x->n; q++) {
				uint64_t ns = s->tables[0].times[x->first + q];
				unsigned at = (unsigned)((ns - START) / 1000000000u);
				bool match = false;

				for (unsigned r = 0; r < ROWS; r++)
					match = match || (ticks[at].rows[r].alive &&
							  ticks[at].rows[r].level == (int64_t)x->values[q]);
				assert_true(match);
				checked++;
			}
		}
		assert_same_summary(s, segment);
		summary_destroy(s);
		segment_unlock(segment);
	}
	assert_true(checked > 1000);
	memsource_unlock(mem);
	schema_unlock(schema);
	free(ticks);
}

/* Whatever one byte becomes, and wherever the bytes end: no crash, and a sentence where something is wrong. */
static void test_damage(void **state)
{
	struct model_tick *ticks = calloc(TICKS, sizeof(*ticks));
	struct schema *schema = schema_create();
	struct memsource *mem = memsource_create();
	struct culprit_error error = {""};
	const uint8_t *bytes;
	uint8_t *copy;
	size_t n;

	(void)state;
	seed = 3;
	schema_add(schema, &thing_table, &error);
	schema_add(schema, &event_table, &error);
	run_model(mem, schema, ticks);
	bytes = memsource_bytes(mem, 0, &n);
	copy = malloc(n);
	for (unsigned k = 0; k < 400; k++) {
		struct segment *segment = segment_create();
		size_t cut = k & 1 ? rnd((uint32_t)n) : n;
		int r;

		memcpy(copy, bytes, n);
		if (!(k & 1))
			copy[rnd((uint32_t)n)] ^= (uint8_t)(1u << rnd(8));
		r = segment_parse(segment, copy, cut, &error);
		assert_true(r == 0 || r == -EBADMSG);
		if (r)
			assert_true(error.sentence[0] && segment->damage.sentence[0]);
		segment_unlock(segment);
	}
	free(copy);
	memsource_unlock(mem);
	schema_unlock(schema);
	free(ticks);
}

/* A schema takes what its columns and texts take, and little else: there are several at once, of a thousand columns each. */
static void test_schema_size(void **state)
{
	enum { MANY = 100 };
	static char names[MANY][8];
	static struct culprit_column many[MANY];
	struct culprit_table table = {.size = sizeof(table), .name = "many", .kind = CULPRIT_STATE, .key = "many", CULPRIT_COLUMNS(many)};
	struct culprit_error error = {""};
	struct schema *schema;
	size_t before;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "c%u", i);
		many[i] = (struct culprit_column){.name = names[i], .role = i ? CULPRIT_GAUGE : CULPRIT_KEY, .type = CULPRIT_U64,
						  .unit = CULPRIT_NONE, .help = "what it says", .source = "/proc/the/same/file/for/all/of/them"};
	}
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	schema = schema_create();
	assert_int_equal(schema_add(schema, &table, &error), 0);
	assert_in_range(mallinfo2().uordblks + mallinfo2().hblkhd - before, 0,
			sizeof(struct schema_table) + MANY * (sizeof(struct schema_column) + 24) + 4096);
	assert_string_equal(schema->tables[0]->columns[7].name, "c7");
	assert_string_equal(schema->tables[0]->columns[7].source, many[0].source);
	schema_unlock(schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schema_size),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_summary),
		cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
