/* Which pair of cursors a query gets, and what that costs: what is drawn each second may decode what the second brought, and no more. */
#include "unit/query_test.h"
#include "view_internal.h"

enum { SMALL = 6, LATE = 50 };

static const char tables[] = "table proc state key=proc pid=key:u64 used=counter:u64\n"
			     "table a state key=a id=key:u64 n=counter:u64\ntable b state key=b id=key:u64 n=counter:u64\n"
			     "table c state key=c id=key:u64 n=counter:u64\ntable d state key=d id=key:u64 n=counter:u64\n"
			     "table e state key=e id=key:u64 n=counter:u64\ntable f state key=f id=key:u64 n=counter:u64\n"
			     "table host state key=host id=key:u64 load=gauge:u64\ntable mark event time=time:u64:mono_ns what=attribute:u64\n";
static const char *const small[SMALL] = {"a", "b", "c", "d", "e", "f"};

/* One tick of all of them; d, e and f begin at second `late`. */
static const char *tick(int second, int late)
{
	static char text[2048];
	int n = snprintf(text, sizeof(text), "tick %ds\nsample host\nrow host id=1 load=%d\nsample proc\n", second, second);

	for (int i = 0; i < 20; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "row proc pid=%d used=%d\n", i, second * 10);
	for (int i = 0; i < SMALL; i++)
		if (i < SMALL / 2 || second >= late)
			n += snprintf(text + n, sizeof(text) - (size_t)n, "sample %s\nrow %s id=1 n=%d\n", small[i], small[i], second);
	snprintf(text + n, sizeof(text) - (size_t)n, "sample mark\nrow mark time=%llu what=1\n", second * S);
	return text;
}

struct screen {
	struct query *host, *list, *resources, *marks;
};

static struct screen screen_of(struct view *v)
{
	return (struct screen){query_create(v), query_create(v), query_create(v), query_create(v)};
}

static void screen_finish(struct screen *s)
{
	query_destroy(s->host);
	query_destroy(s->list);
	query_destroy(s->resources);
	query_destroy(s->marks);
}

static void ask(struct query *q, const char *table, int from, int to, size_t rows)
{
	struct lens lens = lens_window((uint64_t)from * S, (uint64_t)to * S);
	struct culprit_error e = {""};

	if (query_run(q, &lens, table, 0, &e))
		fail_msg("%s", e.sentence);
	assert_int_equal(query_nrows(q), rows);
}

/* As a console asks: the host over ten seconds, a list over thirty, many small tables through one query, marks over the last two.
 * Checks what it is told on the way. */
static void draw(struct screen *s, int now, int late)
{
	int column;
	struct value v;

	ask(s->host, "host", now - 10, now, 1);
	ask(s->list, "proc", now - 30, now, 20);
	for (int i = 0; i < SMALL; i++) {
		bool begun = i < SMALL / 2 || now >= late;
		int from = i >= SMALL / 2 && late > now - 30 ? late : now - 30;

		ask(s->resources, small[i], now - 30, now, begun);
		column = query_column_find(s->resources, "n");
		if (begun && from < now) {
			query_value(s->resources, 0, (size_t)column, &v);
			assert_int_equal(v.u, now - from);
		}
	}
	ask(s->marks, "mark", now - 2, now, 2);
	column = query_column_find(s->list, "used");
	assert_true(column >= 0);
	query_value(s->list, 0, (size_t)column, &v);
	assert_int_equal(v.u, 300);
}

/* Windows that move with time, of many queries; tables that began late stand at a window of their own. */
static void test_each_second_costs_what_it_brings(void **state)
{
	struct bench b;
	struct source *source;
	struct screen s;

	(void)state;
	set_up(&b, with(tables, tick(1, LATE)));
	source = view_source(b.view, 0);
	s = screen_of(b.view);
	for (int second = 2; second <= 40; second++)
		add(&b, tick(second, LATE));
	for (int second = 41; second <= 90; second++) {
		uint64_t before = source->decoded;

		add(&b, tick(second, LATE));
		draw(&s, second, LATE);
		/* Two ticks to settle, at first and when there are new windows; then a frame at either end of four windows: what lies
		 * together is moved together, and nothing is brought back. */
		if (second > 42 && second < LATE)
			assert_in_range(source->decoded - before, 1, 16);
		if (second > LATE + 3)
			assert_in_range(source->decoded - before, 1, 24);
		/* Drawn again of the same, as a timer does: nothing is read. */
		before = source->decoded;
		assert_int_equal(view_refresh(b.view, NULL), 0);
		draw(&s, second, LATE);
		if (second < LATE || second > LATE + 3)
			assert_int_equal(source->decoded, before);
	}
	screen_finish(&s);
	tear_down(&b);
}

/* Of one that was left, the place serves the next. */
static void test_places_of_a_panel_that_was_left(void **state)
{
	struct bench b;
	struct source *source;
	struct query *old, *other;
	uint64_t before;

	(void)state;
	set_up(&b, with(tables, tick(1, 1)));
	source = view_source(b.view, 0);
	old = query_create(b.view);
	other = query_create(b.view);
	for (int second = 2; second <= 40; second++)
		add(&b, tick(second, 1));
	ask(old, "proc", 10, 40, 20);
	for (int second = 41; second <= 44; second++)
		add(&b, tick(second, 1));
	before = source->decoded;
	ask(other, "proc", 14, 44, 20);
	/* Four frames at either end, not forty. */
	assert_in_range(source->decoded - before, 8, 10);
	query_destroy(old);
	query_destroy(other);
	tear_down(&b);
}

/* A recording that is looked at for long: nothing is new, nobody asks anew, and what was asked can be drawn. */
static void test_what_is_looked_at_stays(void **state)
{
	struct bench b;
	struct query *other;
	struct value v;
	uint64_t before;

	(void)state;
	set_up(&b, with(tables, tick(1, 1)));
	other = query_create(b.view);
	for (int second = 2; second <= 40; second++)
		add(&b, tick(second, 1));
	ask(other, "host", 30, 40, 1);
	ask(b.query, "proc", 10, 40, 20);
	for (int i = 0; i < 100; i++)
		assert_int_equal(view_refresh(b.view, NULL), 0);
	query_value(b.query, 0, (size_t)query_column_find(b.query, "used"), &v);
	assert_int_equal(v.u, 300);
	/* Paused while there is more and more: it is asked again and again, and answered from where it stands. */
	before = view_source(b.view, 0)->decoded;
	for (int second = 41; second <= 90; second++) {
		add(&b, tick(second, 1));
		ask(b.query, "proc", 10, 40, 20);
	}
	assert_int_equal(view_source(b.view, 0)->decoded, before);
	query_value(b.query, 0, (size_t)query_column_find(b.query, "used"), &v);
	assert_int_equal(v.u, 300);
	query_destroy(other);
	tear_down(&b);
}

/* Who goes through a recording, from one time to any other, holds two windows of it, not as many as there may be. */
static void test_windows_one_after_the_other(void **state)
{
	struct bench b;

	(void)state;
	set_up(&b, with(tables, tick(1, 1)));
	for (int second = 2; second <= 60; second++)
		add(&b, tick(second, 1));
	for (int i = 0; i < 25; i++) {
		int to = 35 + i * 7 % 25;

		ask(b.query, "proc", to - 30, to, 20);
	}
	assert_in_range(b.view->nplaces, 1, 2);
	tear_down(&b);
}

/* What is expected is read with the first. */
static void test_expected(void **state)
{
	static const char *const also[] = {"a", "b", "c", NULL};
	struct bench b;
	struct source *source;
	uint64_t before;

	(void)state;
	set_up(&b, with(tables, tick(1, 1)));
	source = view_source(b.view, 0);
	for (int second = 2; second <= 40; second++)
		add(&b, tick(second, 1));
	view_expect(b.view, also);
	ask(b.query, "proc", 10, 40, 20);
	view_expect(b.view, NULL);
	before = source->decoded;
	ask(b.query, "a", 10, 40, 1);
	ask(b.query, "c", 10, 40, 1);
	assert_int_equal(source->decoded, before);
	ask(b.query, "d", 10, 40, 1);
	assert_true(source->decoded > before);
	tear_down(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_second_costs_what_it_brings),
		cmocka_unit_test(test_places_of_a_panel_that_was_left),
		cmocka_unit_test(test_what_is_looked_at_stays),
		cmocka_unit_test(test_windows_one_after_the_other),
		cmocka_unit_test(test_expected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
