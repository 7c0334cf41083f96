/* What is said of findings: what was not measured is never called calm, little data is provisional, lines lose parts and no number is
 * cut; and that the program's own tables have what the rules ask. The rules: test_findings_rules.c, test_findings_waits.c. */
#include "unit/findings_test.h"

#include "support/made_host.h"
#include "text.h"

/* --- calm, and blind --------------------------------------------------------------------------------------------- */

static void calm_is_said_in_one_line(void **state)
{
	struct machine m = well();
	struct said *s = look(&m, 0, 61);

	(void)state;
	assert_int_equal(findings_lines(&s->f), 1);
	assert_string_equal(s->line[0], "no bottleneck found in 60 s; every layer measured");
	free(s);
	m.psi[0] = 21;
	s = look(&m, 0, 61);
	assert_string_equal(s->line[0], "no bottleneck found in 60 s; every layer measured; stalled cpu 21%");
	free(s);
}

/* That nobody has begun a process is a thing to know, not one that is not measured. */
static void nobody_forks(void **state)
{
	static const char tables_of_processes[] =
		"host hz=100 interval=1s zone=+00:00\n"
		"table children state key=process pid=key:u64 start=key:u64:ticks short_cpu=gauge:f64:percent\n"
		"table process state key=process pid=key:u64 start=key:u64:ticks comm=attribute:text cpu=gauge:f64:percent\n"
		"rollup children short_cpu process short_children_cpu sum\nparent children process pid start\n";

	(void)state;
	for (int measured = 0; measured < 2; measured++) {
		const char *children = measured ? "sample children" : "state children missing \"needs root\"";
		struct findings f = {.n = 0};
		struct textframes *frames;
		struct culprit_error e = {""};
		struct lens lens = lens_live(60 * SECOND);
		struct text t = {NULL, 0, 0};
		struct view *view = view_create();
		struct query *q = query_create(view);

		add(&t, "%s", tables_of_processes);
		for (int i = 0; i < 3; i++)
			add(&t, "tick %ds wall=%ds\nsample process\nrow process pid=1 start=1 comm=init cpu=1\n%s\n", 10 + i, 1772373600 + i, children);
		frames = textframes_create(t.bytes, &e);
		if (!frames)
			fail_msg("%s", e.sentence);
		assert_int_equal(view_add_source(view, textframes_source(frames)), 0);
		view_refresh(view, &e);
		assert_int_equal(query_run(q, &lens, "process", 0, &e), 0);
		findings_take_processes(&f, q);
		assert_int_equal(f.sources[TAKEN_SHORT].measured, measured);
		query_destroy(q);
		view_destroy(view);
		textframes_destroy(frames);
		free(t.bytes);
	}
}

/* What says that all is well must have looked. */
static void blind_is_not_calm(void **state)
{
	struct machine m = well();
	struct said *s;
	char line[FINDINGS_LINE_MAX];

	(void)state;
	m.no_root = true;
	s = look(&m, 0, 61);
	assert_in(s->line[0], "nothing found in 60 s, but run queue");
	assert_in(s->line[0], "not measured: needs root");
	assert_not_in(s->line[0], "setcap");
	assert_not_in(s->line[0], "no bottleneck");
	/* However narrow. */
	for (size_t w = 34; w < 90; w++) {
		findings_line(&s->f, 0, w, line, sizeof(line));
		assert_in(line, "but");
		assert_in(line, "not measured");
		assert_true(strlen(line) <= w);
	}
	free(s);
	/* Nor is it when somebody stood still and no rule says why. */
	m.psi[0] = 21;
	s = look(&m, 0, 61);
	assert_in(s->line[0], "not measured; stalled cpu 21%");
	for (size_t w = 34; w < 120; w++) {
		findings_line(&s->f, 0, w, line, sizeof(line));
		assert_in(line, "not measured");
		assert_true(strlen(line) <= w);
	}
	free(s);
	m.no_psi = true;
	s = look(&m, 0, 61);
	assert_in(s->line[0], "pressure");
	assert_not_in(s->line[0], "no bottleneck");
	free(s);
}

static void what_could_not_be_judged_is_not_calm(void **state)
{
	struct machine m = well();
	struct said *s = look(&m, 30, 60);
	char line[FINDINGS_LINE_MAX];

	(void)state;
	assert_in(s->line[0], "no bottleneck found");
	/* No memory for its query. */
	s->f.query = NULL;
	findings_line(&s->f, 0, 80, line, sizeof(line));
	assert_string_equal(line, "no verdict: out of memory");
	free(s);
}

static void little_data_is_provisional(void **state)
{
	struct machine m = well();
	struct said *s = look(&m, 0, 6);

	(void)state;
	assert_in(s->line[0], "in 5 s of data");
	free(s);
	s = look(&m, 0, 1);
	assert_in(s->line[0], "no verdict yet");
	free(s);
	s = look(&m, 0, 3);
	assert_string_equal(s->line[0], "no verdict yet: 2 s of data");
	free(s);
	m.p[JAVA].files = 99;
	s = look(&m, 0, 6);
	assert_in(s->line[0], "(5 s of data)");
	free(s);
	s = look(&m, 0, 11);
	assert_not_in(s->line[0], "of data");
	free(s);
}

static void others_are_counted(void **state)
{
	struct machine m = backup();
	struct said *s;

	(void)state;
	m.p[JAVA].files = 99;
	m.retrans = 6;
	s = look(&m, 60, 60);
	assert_string_equal(s->f.list[0].rule->name, "disk-saturated");
	assert_in(s->line[2], "2 more");
	assert_not_in(s->line[2], "net");
	assert_in(s->line[2], "every layer measured");
	assert_not_in(s->line[2], "nothing");
	free(s);
	m.no_psi = true;
	s = look(&m, 60, 60);
	assert_in(s->line[2], "not measured pressure");
	/* Which one it is has room before what is ruled out. */
	findings_line(&s->f, 2, 40, s->line[2], sizeof(s->line[2]));
	assert_in(s->line[2], "not measured pressure");
	free(s);
}

/* What the Overview has no room for. */
static void all_are_listed(void **state)
{
	struct machine m = backup();
	struct said *s;
	char *text = malloc(FINDINGS_LIST_MAX);

	(void)state;
	assert_non_null(text);
	m.p[JAVA].files = 99;
	m.retrans = 6;
	s = look(&m, 60, 60);
	findings_list(&s->f, 78, text, FINDINGS_LIST_MAX);
	assert_in(text, "!! LIKELY   disk vda saturated: restic 14");
	assert_in(text, "\n      hurts mysqld 10: 38 of 41 busy threads wait for it\n");
	assert_in(text, "\n      since 14:0");
	assert_in(text, "java 20 nearly out of file descriptors, 99% of its limit\n");
	assert_in(text, "network loses packets, 6.0% of segments sent again\n");
	assert_in(text, "\nRuled out cpu mem locks\n");
	assert_in(text, "\nEverything was measured.\n");
	/* Whatever they are called. */
	snprintf(s->f.list[0].cause.name, sizeof(s->f.list[0].cause.name), "a\n\033[2J\377");
	findings_list(&s->f, 78, text, FINDINGS_LIST_MAX);
	assert_not_in(text, "\033");
	assert_not_in(text, "a\n");
	findings_list(&s->f, 78, text, 60);
	assert_true(strlen(text) < 60);
	free(s);
	m = well();
	m.no_root = true;
	s = look(&m, 30, 60);
	findings_list(&s->f, 78, text, FINDINGS_LIST_MAX);
	assert_in(text, "\nNot measured:\n  run queue: needs root or the capabilities");
	assert_in(text, "\n  accept queues: needs root");
	free(s);
	free(text);
}

/* Names are what processes call themselves: escaped, they are longer, and the numbers behind them are not cut. */
static void hostile_names(void **state)
{
	static const char hostile[] = "\033[2J\033]0;x\007\233\377\200\342";
	struct machine m = backup();
	struct said *s = look(&m, 60, 60);
	char line[FINDINGS_LINE_MAX];

	(void)state;
	snprintf(s->f.list[0].cause.name, sizeof(s->f.list[0].cause.name), "%s", hostile);
	snprintf(s->f.list[0].victim.name, sizeof(s->f.list[0].victim.name), "%s", hostile);
	for (size_t w = 60; w < 120; w++) {
		for (size_t i = 0; i < FINDINGS_LINES; i++) {
			findings_line(&s->f, i, w, line, sizeof(line));
			assert_true(text_width(line, strlen(line), TEXT_ASCII) <= w);
		}
		findings_line(&s->f, 0, w, line, sizeof(line));
		assert_in(line, w < 64 ? "disk vda saturated" : "disk vda saturated: \033[2J\033]0;x");
	}
	free(s);
}

/* Lines lose parts, never half a number, and never what makes them true. */
static void narrow(void **state)
{
	struct machine m = backup();
	struct said *s = look(&m, 60, 60);
	char line[FINDINGS_LINE_MAX];

	(void)state;
	findings_line(&s->f, 0, 39, line, sizeof(line));
	assert_string_equal(line, "!! disk vda saturated: restic 14");
	/* When it began matters more than how exactly that is known. */
	for (size_t w = 100; w > 40; w--) {
		findings_line(&s->f, 1, w, line, sizeof(line));
		if (strstr(line, "(+-"))
			continue;
		assert_true(w < 99);
		assert_in(line, "since 14:00:59Z");
		break;
	}
	for (size_t w = 24; w < 100; w++) {
		findings_line(&s->f, 0, w, line, sizeof(line));
		assert_in(line, "disk vda saturated");
		assert_true(strlen(line) <= w || w < 34);
		for (size_t i = 1; i < 3; i++) {
			findings_line(&s->f, i, w, line, sizeof(line));
			assert_true(strlen(line) <= w || w < 40);
		}
	}
	free(s);
}

/* --- the names of the program's own tables ----------------------------------------------------------------------- */

static size_t count(struct view *view, const char *rule)
{
	struct culprit_error e = {""};
	struct lens lens = lens_live(60 * SECOND);
	struct findings f;
	uint64_t first, newest;
	size_t n = 0;

	memset(&f, 0, sizeof(f));
	view_refresh(view, &e);
	assert_true(view_extent(view, &first, &newest));
	assert_int_equal(findings_ask(&f, view, &lens, newest, &e), 0);
	for (size_t i = 0; i < f.n; i++)
		n += !strcmp(f.list[i].rule->name, rule);
	findings_finish(&f);
	return n;
}

static void real_tables(void **state)
{
	static const struct {
		struct made_host_options options;
		const char *rule;
	} cases[] = {
		{{.latencies = true}, "disk-saturated"},
		{{.latencies = true}, "one-thread"},
		{{.pods = true}, "throttled"},
		{{.sockets = true}, "accept-queue"},
		{{.thrashing = true}, "memory-short"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct made_host *host = made_host_create(&cases[i].options);
		struct view *view = view_create();

		made_host_run(host, 180);
		assert_int_equal(view_add_source(view, made_host_source(host)), 0);
		if (!count(view, cases[i].rule))
			fail_msg("%s does not hold", cases[i].rule);
		view_destroy(view);
		made_host_destroy(host);
	}
}

/* What rests for the budget was measured earlier in the window: who waits now is not known for that. */
static void what_rests_is_not_measured(void **state)
{
	(void)state;
	for (int rests = 0; rests < 2; rests++) {
		struct made_host_options options = {.thrashing = true, .waits_until = rests ? 150 : 1000};
		struct made_host *host = made_host_create(&options);
		struct view *view = view_create();
		struct culprit_error e = {""};
		struct lens lens = lens_live(60 * SECOND);
		char line[FINDINGS_LINE_MAX] = "";
		struct findings f;
		uint64_t first, newest;

		memset(&f, 0, sizeof(f));
		made_host_run(host, 180);
		assert_int_equal(view_add_source(view, made_host_source(host)), 0);
		view_refresh(view, &e);
		assert_true(view_extent(view, &first, &newest));
		assert_int_equal(findings_ask(&f, view, &lens, newest, &e), 0);
		findings_line(&f, findings_lines(&f) - 1, 400, line, sizeof(line));
		assert_in(line, "not measured");
		if (rests)
			assert_in(line, "who waits");
		else
			assert_not_in(line, "who waits");
		findings_finish(&f);
		view_destroy(view);
		made_host_destroy(host);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calm_is_said_in_one_line),
		cmocka_unit_test(nobody_forks),
		cmocka_unit_test(blind_is_not_calm),
		cmocka_unit_test(what_could_not_be_judged_is_not_calm),
		cmocka_unit_test(little_data_is_provisional),
		cmocka_unit_test(others_are_counted),
		cmocka_unit_test(all_are_listed),
		cmocka_unit_test(hostile_names),
		cmocka_unit_test(narrow),
		cmocka_unit_test(real_tables),
		cmocka_unit_test(what_rests_is_not_measured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
