/* Rows written out: exact bytes, and what a JSON parser makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dump.h"
#include "textframes.h"

static const char *frames =
	"host hz=100 zone=+00:00\n"
	"table process state key=process pid=key:u64 start=key:u64:ticks comm=attribute:text utime=counter:u64:ns "
	"rss=gauge:u64:bytes,1 ok=attribute:bool nice=attribute:i64 load=gauge:f64 big=gauge:u64\n"
	"derived process cpu rate utime scale=1e-7 unit=percent\n"
	"show process pid comm cpu rss\n"
	"sort process cpu\n"
	"table disk state key=device name=key:text lat=histogram:edges(0/10/20):ns st=attribute:stack who=attribute:task\n"
	"derived disk p50 percentile lat arg=50 unit=ns\n"
	"tick 1s\nsample process\n"
	"row process pid=1 start=5 comm=\"a\\x1b[31m,\\\"b\\\\\\xff\" utime=0 rss=1M ok=true nice=-5 load=0.5 big=18446744073709551615\n"
	"row process pid=2 start=6 comm=second utime=0 rss=?\"needs root\"\n"
	"sample disk\nrow disk name=vda lat=0/0/0 st=libc.so+16;+4096 who=12@900\n"
	"tick 2s\nsample process\n"
	"row process pid=1 start=5 comm=\"a\\x1b[31m,\\\"b\\\\\\xff\" utime=500ms ok=true nice=-5 load=0.5 big=18446744073709551615\n"
	"sample disk\nrow disk name=vda lat=1/3/0 st=libc.so+16;+4096 who=12@900\n";

static char *dump_line(const char *line, int want)
{
	struct culprit_error e = {""};
	struct textframes *t = textframes_create(frames, &e);
	struct view *v = view_create();
	char copy[512], *argv[32], *save = NULL, *text = NULL;
	struct options o;
	struct lens lens;
	int argc = 0, err;
	size_t n = 0;
	FILE *f;

	if (!t)
		fail_msg("%s", e.sentence);
	view_add_source(v, textframes_source(t));
	snprintf(copy, sizeof(copy), "%s", line);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	assert_int_equal(options_parse(&o, argc, argv, &e), 0);
	f = open_memstream(&text, &n);
	err = dump_lens(v, &o, o.args[0], &lens, &e);
	if (!err)
		err = dump_run(v, &lens, &o, o.args[0], f, &e);
	fclose(f);
	if (err != want)
		fail_msg("%s: %d, %s", line, err, e.sentence);
	if (err) {
		free(text);
		text = strdup(e.sentence);
	}
	view_destroy(v);
	textframes_destroy(t);
	return text;
}

static void expect(const char *line, const char *want)
{
	char *text = dump_line(line, 0);

	assert_string_equal(text, want);
	free(text);
}

static void test_json(void **state)
{
	(void)state;
	expect("culprit dump process --json",
	       "{\"schema\":\"culprit.rows/1\",\"table\":\"process\",\"from\":\"2023-11-14T22:13:21Z\","
	       "\"to\":\"2023-11-14T22:13:22Z\",\"from_ns\":1700000001000000000,\"to_ns\":1700000002000000000,"
	       "\"columns\":[{\"name\":\"pid\",\"role\":\"key\",\"type\":\"u64\",\"unit\":\"\"},"
	       "{\"name\":\"start\",\"role\":\"key\",\"type\":\"u64\",\"unit\":\"ticks\"},"
	       "{\"name\":\"comm\",\"role\":\"attribute\",\"type\":\"text\",\"unit\":\"\"},"
	       "{\"name\":\"utime\",\"role\":\"counter\",\"type\":\"u64\",\"unit\":\"ns\"},"
	       "{\"name\":\"rss\",\"role\":\"gauge\",\"type\":\"u64\",\"unit\":\"bytes\"},"
	       "{\"name\":\"ok\",\"role\":\"attribute\",\"type\":\"bool\",\"unit\":\"\"},"
	       "{\"name\":\"nice\",\"role\":\"attribute\",\"type\":\"i64\",\"unit\":\"\"},"
	       "{\"name\":\"load\",\"role\":\"gauge\",\"type\":\"f64\",\"unit\":\"\"},"
	       "{\"name\":\"big\",\"role\":\"gauge\",\"type\":\"u64\",\"unit\":\"\"},"
	       "{\"name\":\"cpu\",\"role\":\"derived\",\"type\":\"f64\",\"unit\":\"percent\"}],\"rows\":[\n"
	       "{\"pid\":1,\"start\":5,\"comm\":\"a\\u001b[31m,\\\"b\\\\\\\\\\\\xff\",\"utime\":500000000,\"rss\":1048576,"
	       "\"ok\":true,\"nice\":-5,\"load\":0.5,\"big\":\"18446744073709551615\",\"cpu\":50,"
	       "\"_age_ns\":{\"rss\":1000000000}},\n"
	       "{\"pid\":2,\"start\":6,\"comm\":\"second\",\"utime\":0,\"rss\":null,\"ok\":null,\"nice\":null,\"load\":null,"
	       "\"big\":null,\"cpu\":0,\"_unread\":{\"rss\":\"needs root\"},\"_ended\":\"2023-11-14T22:13:22Z\"}\n]}\n");
	expect("culprit dump disk --json --columns lat,p50,st,who",
	       "{\"schema\":\"culprit.rows/1\",\"table\":\"disk\",\"from\":\"2023-11-14T22:13:21Z\","
	       "\"to\":\"2023-11-14T22:13:22Z\",\"from_ns\":1700000001000000000,\"to_ns\":1700000002000000000,"
	       "\"columns\":[{\"name\":\"lat\",\"role\":\"histogram\",\"type\":\"histogram\",\"unit\":\"ns\"},"
	       "{\"name\":\"p50\",\"role\":\"derived\",\"type\":\"f64\",\"unit\":\"ns\"},"
	       "{\"name\":\"st\",\"role\":\"attribute\",\"type\":\"stack\",\"unit\":\"\"},"
	       "{\"name\":\"who\",\"role\":\"attribute\",\"type\":\"task\",\"unit\":\"\"}],\"rows\":[\n"
	       "{\"lat\":{\"edges\":[0,10,20],\"counts\":[1,3,0]},\"p50\":13.333333333333332,"
	       "\"st\":[{\"module\":\"libc.so\",\"build_id\":null,\"offset\":16,\"name\":null},"
	       "{\"module\":null,\"build_id\":null,\"offset\":4096,\"name\":null}],"
	       "\"who\":{\"tid\":12,\"start\":900},\"_n\":{\"p50\":4}}\n]}\n");
}

/* Whatever a name holds, a parser gets it back. */
static void test_json_parses(void **state)
{
	char *text = dump_line("culprit dump process --json --raw", 0);
	json_error_t why;
	json_t *root = json_loads(text, 0, &why), *row;

	(void)state;
	if (!root)
		fail_msg("%s", why.text);
	row = json_array_get(json_object_get(root, "rows"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "comm")), "a\x1b[31m,\"b\\\\\\xff");
	assert_int_equal(json_integer_value(json_object_get(row, "utime")), 500000000);
	assert_null(json_object_get(row, "cpu"));
	json_decref(root);
	free(text);
}

static void test_csv(void **state)
{
	(void)state;
	expect("culprit dump process --csv --columns pid,comm,rss,cpu,load,big",
	       "pid,comm,rss,cpu,load,big,_ended\r\n"
	       "1,\"a\\x1b[31m,\"\"b\\\\\\xff\",1048576,50,0.5,18446744073709551615,\r\n"
	       "2,second,?,0,,,2023-11-14T22:13:22Z\r\n");
}

static void test_table(void **state)
{
	(void)state;
	expect("culprit dump process",
	       "process  22:13:21Z .. 22:13:22Z (1s)  1-2 of 2 rows, 1 ended\n"
	       "pid  comm                  cpu     rss\n"
	       "  1  a\\x1b[31m,\"b\\\\\\xff  50.0%  ~1.00M\n"
	       "  2  second                 0%       ?  (ended)\n");
	expect("culprit dump process --from end --columns pid,utime",
	       "process  22:13:22Z  1-1 of 1 row\n"
	       "one sample only: no rates, no differences\n"
	       "pid  utime\n"
	       "  1      -\n");
	expect("culprit dump process --sort +cpu --limit 1 --columns pid",
	       "process  22:13:21Z .. 22:13:22Z (1s)  1-1 of 2 rows, 1 ended\n"
	       "pid\n"
	       "  2  (ended)\n");
	expect("culprit dump process --filter cpu>=50% --columns pid",
	       "process  22:13:21Z .. 22:13:22Z (1s)  1-1 of 1 row\n"
	       "pid\n"
	       "  1\n");
	expect("culprit dump process --pid 7", "process  22:13:21Z .. 22:13:22Z (1s)  no rows\n");
}

static void test_errors(void **state)
{
	static const struct {
		const char *line;
		int err;
		const char *says;
	} cases[] = {
		{"culprit dump proces", -ENOENT, "did you mean process?"},
		{"culprit dump zzzzz", -ENOENT, "there are process, disk"},
		{"culprit dump process --sort cpuu", -EINVAL, "--sort: no column 'cpuu' in process; did you mean cpu?"},
		{"culprit dump process --columns pid,xyz", -EINVAL, "--columns: no column 'xyz'"},
		{"culprit dump process --filter rss>", -EINVAL, "position 5: a value was expected"},
		{"culprit dump process --from yesterday", -EINVAL, "is not a time"},
		{"culprit dump process --from -5y", -EINVAL, "'-5y' is not a time: behind - stands a duration in s, m, h, d or w"},
		{"culprit dump process --from end --to start", -EINVAL, "--from lies after --to"},
		{"culprit dump process --from 2023-11-14T22:13:23Z", -ERANGE, "--from 2023-11-14T22:13:23Z lies after the end: what "
		 "is recorded is 2023-11-14T22:13:21Z to 2023-11-14T22:13:22Z (1s)"},
		{"culprit dump process --to 2023-11-14T22:13:19Z", -ERANGE, "--to 2023-11-14T22:13:19Z lies before the beginning"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *sentence = dump_line(cases[i].line, cases[i].err);

		if (!strstr(sentence, cases[i].says))
			fail_msg("%s: '%s' does not say '%s'", cases[i].line, sentence, cases[i].says);
		free(sentence);
	}
}

static int dump_to(FILE *f, struct culprit_error *e)
{
	struct textframes *t = textframes_create(frames, e);
	struct view *v = view_create();
	struct options o = {.json = true};
	struct lens lens;
	int err;

	view_add_source(v, textframes_source(t));
	assert_int_equal(dump_lens(v, &o, "process", &lens, e), 0);
	err = dump_run(v, &lens, &o, "process", f, e);
	view_destroy(v);
	textframes_destroy(t);
	return err;
}

static void test_output_fails(void **state)
{
	struct culprit_error e = {""};
	int fds[2];
	FILE *f;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	f = fdopen(fds[1], "w");
	assert_int_equal(dump_to(f, &e), 0);
	fclose(f);
	f = fopen("/dev/full", "w");
	assert_int_equal(dump_to(f, &e), -ENOSPC);
	assert_non_null(strstr(e.sentence, "cannot write"));
	fclose(f);
}

/* Times as --from and --to take them. */
static void test_times(void **state)
{
	static const struct {
		const char *from, *to;
		uint64_t from_ns, to_ns;
	} cases[] = {
		{"start", "end", 1000000000, 2000000000},
		{"-1s", "end", 1000000000, 2000000000},
		{"start", "+500ms", 1000000000, 1500000000},
		{"+200ms", "+300ms", 1200000000, 1500000000},
		{"22:13:21", "22:13:22", 1000000000, 2000000000},
		{"22:13:21.5Z", "end", 1500000000, 2000000000},
		{"2023-11-14T22:13:21Z", "2023-11-14T23:13:22+01:00", 1000000000, 2000000000},
		{"22:13", "end", 0, 2000000000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct culprit_error e = {""};
		struct textframes *t = textframes_create(frames, &e);
		struct view *v = view_create();
		struct options o = {.from = cases[i].from, .to = cases[i].to};
		struct lens lens;

		view_add_source(v, textframes_source(t));
		if (dump_lens(v, &o, "process", &lens, &e))
			fail_msg("%s", e.sentence);
		assert_int_equal(lens.from_ns, cases[i].from_ns);
		assert_int_equal(lens.to_ns, cases[i].to_ns);
		view_destroy(v);
		textframes_destroy(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),   cmocka_unit_test(test_json_parses),
		cmocka_unit_test(test_csv),    cmocka_unit_test(test_table),
		cmocka_unit_test(test_errors), cmocka_unit_test(test_output_fails),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
