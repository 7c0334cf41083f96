/* Plug-ins end to end: real .so files in real helper processes. */
/* alone: deadlines of milliseconds */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ask.h"
#include "plugin.h"
#include "support/frame_recorder.h"

#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)

static const struct zygote_kind *const kinds[] = {&ask_kind, &plugin_kind};

struct fixture {
	struct zygote *zygote;
	struct plugin_host host;
	char folder[64]; /* copies of the built plug-ins, whoever owns the tree */
	char log[1024];
	unsigned logs;
};

static void keep_log(void *context, uint32_t level, const char *plugin, const char *sentence)
{
	struct fixture *f = context;

	f->logs++;
	snprintf(f->log, sizeof(f->log), "%u %s: %s", level, plugin, sentence);
}

static void copy(const char *from, const char *to)
{
	char buf[65536];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0700);
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		assert_int_equal(write(out, buf, (size_t)n), n);
	close(in);
	close(out);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char built[4096], to[4096], **paths;
	struct culprit_error error;
	ssize_t len;
	size_t n;

	assert_non_null(f);
	/* build/tests/test_plugin: build/plugins */
	len = readlink("/proc/self/exe", built, sizeof(built) - 32);
	assert_true(len > 0);
	built[len] = 0;
	*strrchr(built, '/') = 0;
	strcpy(strrchr(built, '/'), "/plugins");
	fixture_temp(f->folder, sizeof(f->folder));
	assert_int_equal(plugin_scan(built, &paths, &n, &error), 0);
	for (size_t i = 0; i < n; i++) {
		snprintf(to, sizeof(to), "%s%s", f->folder, strrchr(paths[i], '/'));
		copy(paths[i], to);
	}
	plugin_scan_free(paths, n);
	f->zygote = zygote_create(kinds, 2, NULL);
	assert_non_null(f->zygote);
	f->host = (struct plugin_host){
		.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.sys_fd = -1,
		.user_hz = 100,
		.page_size = 4096,
		.interval_ns = S,
		.log = keep_log,
		.context = f,
	};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	zygote_destroy(f->zygote);
	fixture_remove(f->folder);
	close(f->host.proc_fd);
	free(f);
	return 0;
}

static struct plugin *load(struct fixture *f, const char *name, const struct plugin_limits *limits)
{
	char path[4096];
	struct plugin *p;

	snprintf(path, sizeof(path), "%s/%s.so", f->folder, name);
	p = plugin_create(f->zygote, path, &f->host, limits);
	assert_non_null(p);
	plugin_wait(p, 10 * S);
	return p;
}

static struct plugin *load_ready(struct fixture *f, const char *name, const struct plugin_limits *limits)
{
	struct plugin *p = load(f, name, limits);

	if (plugin_state(p) != PLUGIN_READY)
		fail_msg("%s", plugin_reason(p));
	assert_string_equal(plugin_reason(p), "");
	return p;
}

/* A recorder for collector i. */
static struct recorder *recorder_of(const struct plugin *p, uint32_t i)
{
	static struct culprit_collector c;
	const struct plugin_collector *pc = plugin_collector(p, i);

	c = (struct culprit_collector){
		.size = sizeof(c),
		.abi = CULPRIT_ABI_VERSION,
		.name = pc->name,
		.help = pc->help,
		.tables = pc->tables,
		.ntables = pc->ntables,
	};
	return recorder_create(&c);
}

static int sample(struct plugin *p, uint32_t i, struct recorder *r, struct culprit_error *error)
{
	uint64_t cost = 0;
	int err;

	assert_int_equal(plugin_request_sample(p, i), 0);
	assert_int_equal(plugin_sample_state(p, i), PLUGIN_ASKED);
	assert_int_equal(plugin_request_sample(p, i), -EBUSY);
	plugin_wait(p, 10 * S);
	if (plugin_sample_state(p, i) != PLUGIN_ANSWERED)
		fail_msg("%s", plugin_sample_reason(p, i));
	err = plugin_replay(p, i, recorder_begin(r), &cost, error);
	recorder_end(r, err);
	assert_int_equal(plugin_sample_state(p, i), PLUGIN_IDLE);
	return err;
}

static void the_example_shows_open_files(void **state)
{
	struct fixture *f = *state;
	struct plugin *p = load_ready(f, "example", NULL);
	struct recorder *r;
	struct culprit_error error;

	assert_int_equal(plugin_ncollectors(p), 1);
	assert_string_equal(plugin_name(p), "example");
	assert_string_equal(plugin_collector(p, 0)->name, "example");
	assert_string_equal(plugin_collector(p, 0)->tables[0]->name, "open_files");
	assert_int_equal(plugin_collector(p, 0)->probe, 0);
	r = recorder_of(p, 0);
	for (int i = 0; i < 3; i++) {
		const struct recorded_row *row;

		assert_int_equal(sample(p, 0, r, &error), 0);
		assert_null(recorder_misuse(r));
		row = recorder_find(r, "open_files", "0");
		assert_non_null(row);
		assert_true(recorder_u64(r, "open_files", row, "open") > 0);
		assert_true(recorder_u64(r, "open_files", row, "max") > 0);
	}
	recorder_destroy(r);
	plugin_destroy(p);
}

static void frozen_v1_loads_for_ever(void **state)
{
	struct fixture *f = *state;
	struct plugin *p = load_ready(f, "frozen_v1", NULL);
	struct recorder *r = recorder_of(p, 0);
	const struct recorded_row *row;
	const struct recorded_table *t;
	uint64_t before = zygote_now_ns();

	assert_int_equal(sample(p, 0, r, NULL), 0);
	assert_null(recorder_misuse(r));
	row = recorder_find(r, "frozen_thing", "old");
	assert_non_null(row);
	assert_true(recorder_f64(r, "frozen_thing", row, "level") == 1.5);
	assert_int_equal(recorder_u64(r, "frozen_thing", row, "work"), 42);
	assert_int_equal(recorder_cell(r, "frozen_thing", row, "sizes")->bits, 3);
	assert_int_equal(recorder_cell(r, "frozen_thing", row, "stack")->bits, 2);
	assert_int_equal(recorder_cell(r, "frozen_thing", row, "secret")->state, RECORDED_UNREAD);
	assert_string_equal(recorder_cell(r, "frozen_thing", row, "secret")->text, "it is a secret");
	t = recorder_table(r, "frozen_event");
	assert_int_equal(t->nrows, 1);
	assert_int_equal(t->lost, 2);
	assert_true(t->time_ns >= before && t->time_ns <= zygote_now_ns());
	assert_string_equal(f->log, "3 frozen_v1: frozen_v1 is open");
	recorder_destroy(r);
	plugin_destroy(p);
}

/* Both recorders hold the same, but for instants. Returns how many cells were compared. */
static size_t same_rows(const struct recorder *a, const struct recorder *b, const struct plugin_collector *c)
{
	size_t compared = 0;

	for (uint32_t i = 0; i < c->ntables; i++) {
		const struct recorded_table *x = recorder_table(a, c->tables[i]->name);
		const struct recorded_table *y = recorder_table(b, c->tables[i]->name);

		assert_int_equal(x->nrows, y->nrows);
		assert_int_equal(x->state, y->state);
		assert_int_equal(x->lost, y->lost);
		for (size_t r = 0; r < x->nrows; r++) {
			assert_int_equal(x->rows[r].born, y->rows[r].born);
			for (uint32_t k = 0; k < c->tables[i]->ncolumns; k++) {
				const struct recorded_cell *m = &x->rows[r].cells[k], *n = &y->rows[r].cells[k];

				if (c->tables[i]->columns[k].unit == CULPRIT_MONO_NS)
					continue;
				assert_int_equal(m->state, n->state);
				assert_true(m->bits == n->bits);
				assert_int_equal(m->len, n->len);
				if (m->len)
					assert_memory_equal(m->text, n->text, m->len);
				compared++;
			}
		}
	}
	return compared;
}

static void synthetic_rows_come_through_and_are_the_same_each_time(void **state)
{
	struct fixture *f = *state;
	struct plugin *a = load_ready(f, "synthetic", NULL), *b = load_ready(f, "synthetic", NULL);
	struct recorder *ra = recorder_of(a, 0), *rb = recorder_of(b, 0);
	struct culprit_error error;
	size_t compared = 0, longest = 0;

	assert_int_equal(plugin_ncollectors(a), 2);
	assert_int_equal(plugin_collector(a, 1)->period_ns, 3 * S);
	for (int tick = 0; tick < 70; tick++) {
		const struct recorded_table *t;

		if (sample(a, 0, ra, &error) || sample(b, 0, rb, &error))
			fail_msg("%s", error.sentence);
		if (recorder_misuse(ra))
			fail_msg("%s", recorder_misuse(ra));
		compared += same_rows(ra, rb, plugin_collector(a, 0));
		t = recorder_table(ra, "synth");
		for (size_t i = 0; i < t->nrows; i++)
			if (t->rows[i].cells[2].len > longest)
				longest = t->rows[i].cells[2].len;
	}
	assert_true(compared > 10000);
	assert_int_equal(longest, 65536);
	recorder_destroy(ra);
	recorder_destroy(rb);
	plugin_destroy(a);
	plugin_destroy(b);
}

static void tables_come_back_as_declared(void **state)
{
	struct fixture *f = *state;
	struct plugin *p = load_ready(f, "synthetic", NULL);
	struct schema *once = schema_create(), *twice;
	struct culprit_error error;
	struct wbuf first, second;

	/* what the program declares from it, encoded and decoded, is the same again */
	for (uint32_t i = 0; i < plugin_ncollectors(p); i++) {
		for (uint32_t t = 0; t < plugin_collector(p, i)->ntables; t++) {
			if (schema_add(once, plugin_collector(p, i)->tables[t], &error) < 0)
				fail_msg("%s", error.sentence);
		}
	}
	wbuf_init(&first);
	wbuf_init(&second);
	schema_encode(once, &first);
	twice = schema_decode(first.data, first.len, &error);
	assert_non_null(twice);
	schema_encode(twice, &second);
	assert_int_equal(first.len, second.len);
	assert_memory_equal(first.data, second.data, first.len);
	assert_int_equal(once->ntables, 6);
	assert_int_equal(schema_find(once, "synth_child")->nparent, 2);
	assert_int_equal(schema_find(once, "synth_child")->nrollups, 3);
	assert_true(schema_find(once, "synth_child")->fold_by >= 0);
	assert_int_equal(schema_find(once, "synth")->nhists, 3);
	assert_int_equal(schema_find(once, "synth")->nderived, 9);
	wbuf_finish(&first);
	wbuf_finish(&second);
	schema_unlock(once);
	schema_unlock(twice);
	plugin_destroy(p);
}

static void interests_descriptors_and_questions_work_in_the_helper(void **state)
{
	struct fixture *f = *state;
	struct culprit_interest list[] = {
		{.size = sizeof(list[0]), .table = "process", .what = "pss", .key = {1}, .nkey = 1}, /* not its table */
		{.size = sizeof(list[0]), .table = "synth_slow", .what = "rows", .key = {77}, .nkey = 1, .until_ns = UINT64_MAX},
	};
	struct plugin *p = load_ready(f, "synthetic", NULL);
	struct recorder *r = recorder_of(p, 1);
	const struct recorded_row *row;

	assert_int_equal(sample(p, 1, r, NULL), 0);
	row = recorder_find(r, "synth_slow", "0");
	assert_int_equal(recorder_u64(r, "synth_slow", row, "interests"), 0);
	assert_string_equal(recorder_text(r, "synth_slow", row, "answer"), "root");
	plugin_set_interests(p, list, 2);
	assert_int_equal(sample(p, 1, r, NULL), 0);
	row = recorder_find(r, "synth_slow", "0");
	assert_int_equal(recorder_u64(r, "synth_slow", row, "interests"), 1);
	assert_string_equal(recorder_text(r, "synth_slow", row, "interest"), "synth_slow.rows 77");
	/* the first sample left a byte, which was drained before the second */
	usleep(20000);
	plugin_set_interests(p, NULL, 0);
	assert_int_equal(sample(p, 1, r, NULL), 0);
	row = recorder_find(r, "synth_slow", "0");
	assert_int_equal(recorder_u64(r, "synth_slow", row, "interests"), 0);
	assert_true(recorder_u64(r, "synth_slow", row, "drained") >= 1);
	recorder_destroy(r);
	plugin_destroy(p);
}

/* The sampler's way: ask all, do other things, fetch. The figure is for the report. */
static void asking_and_fetching_are_cheap(void **state)
{
	struct fixture *f = *state;
	struct plugin *p = load_ready(f, "synthetic", NULL);
	struct recorder *r = recorder_of(p, 0);
	uint64_t best = UINT64_MAX, cost = 0;

	for (int i = 0; i < 20; i++) {
		uint64_t begin = zygote_now_ns(), took;

		assert_int_equal(plugin_request_sample(p, 0), 0);
		assert_int_equal(plugin_request_sample(p, 1), i ? -EBUSY : 0);
		took = zygote_now_ns() - begin;
		plugin_wait(p, 5 * S);
		begin = zygote_now_ns();
		assert_int_equal(plugin_replay(p, 0, recorder_begin(r), &cost, NULL), 0);
		recorder_end(r, 0);
		took += zygote_now_ns() - begin;
		if (took < best)
			best = took;
	}
	print_message("a sample of the synthetic plug-in: %.0f us in the program, %.0f us CPU in the helper\n",
		      (double)best / 1e3, (double)cost / 1e3);
	recorder_destroy(r);
	plugin_destroy(p);
}

static void refused(struct fixture *f, const char *name, const char *why)
{
	struct plugin *p = load(f, name, NULL);

	assert_int_equal(plugin_state(p), PLUGIN_REFUSED);
	assert_non_null(strstr(plugin_reason(p), name));
	if (!strstr(plugin_reason(p), why))
		fail_msg("\"%s\" does not say \"%s\"", plugin_reason(p), why);
	assert_int_equal(plugin_ncollectors(p), 0);
	assert_int_equal(plugin_request_sample(p, 0), -EINVAL);
	plugin_destroy(p);
}

static void what_lies_is_refused_with_a_reason(void **state)
{
	struct fixture *f = *state;
	char text[64];

	snprintf(text, sizeof(text), "ABI %u, this culprit has ABI %u", CULPRIT_ABI_VERSION + 1, CULPRIT_ABI_VERSION);
	refused(f, "bad_abi", text);
	refused(f, "bad_size", "but the file holds");
	refused(f, "bad_schema", "column words cannot have role 4 with type 5");
	refused(f, "none_such", "No such file");
}

/* Writes a file that may or may not be a plug-in. */
static void write_bytes(const char *path, const char *bytes, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void expect_file(const char *path, int err, const char *why)
{
	struct culprit_error error = {""};
	int fd = plugin_open_file(path, &error);

	if (fd >= 0)
		close(fd);
	if (!err) {
		assert_true(fd >= 0);
		return;
	}
	assert_int_equal(fd, err);
	if (!strstr(error.sentence, why))
		fail_msg("\"%s\" does not say \"%s\"", error.sentence, why);
}

static void files_that_others_may_write_are_refused(void **state)
{
	char dir[64] = "/tmp/culprit-plugin-XXXXXX", path[128], link_path[128];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.so", dir);
	snprintf(link_path, sizeof(link_path), "%s/link.so", dir);
	write_bytes(path, "x", 0600);
	expect_file(path, 0, "");
	chmod(path, 0620);
	expect_file(path, -EPERM, "chmod go-w");
	chmod(path, 0602);
	expect_file(path, -EPERM, "chmod go-w");
	chmod(path, 0755);
	expect_file(path, 0, "");
	/* the folder */
	chmod(dir, 0777);
	expect_file(path, -EPERM, "in its folder");
	chmod(dir, 01777);
	expect_file(path, 0, "");
	chmod(dir, 0700);
	/* what it is */
	assert_int_equal(symlink("x.so", link_path), 0);
	expect_file(link_path, -ELOOP, "symbolic link");
	unlink(link_path);
	assert_int_equal(mkfifo(link_path, 0600), 0);
	expect_file(link_path, -EINVAL, "not a regular file");
	unlink(link_path);
	expect_file(link_path, -ENOENT, "No such file");
	expect_file(dir, -EINVAL, "not a regular file");
	expect_file("", -EINVAL, "not the name");
	expect_file("/tmp/", -EINVAL, "not the name");
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
		expect_file(path, -EPERM, "user 12345");
		assert_int_equal(chown(path, 0, (gid_t)-1), 0);
		assert_int_equal(chown(dir, 12345, (gid_t)-1), 0);
		expect_file(path, -EPERM, "its folder");
		assert_int_equal(chown(dir, 0, (gid_t)-1), 0);
	} else {
		print_message("foreign owners are not tried: needs root\n");
	}
	unlink(path);
	rmdir(dir);
}

static void files_that_are_no_plugins_are_refused(void **state)
{
	struct fixture *f = *state;
	char dir[64] = "/tmp/culprit-plugin-XXXXXX", path[128];
	struct plugin *p;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.so", dir);
	write_bytes(path, "#!/bin/sh\n", 0700);
	p = plugin_create(f->zygote, path, &f->host, NULL);
	plugin_wait(p, 10 * S);
	assert_int_equal(plugin_state(p), PLUGIN_REFUSED);
	assert_non_null(strstr(plugin_reason(p), "x is refused: it cannot be loaded: "));
	assert_null(strstr(plugin_reason(p), "/proc/self/fd"));
	plugin_destroy(p);
	unlink(path);
	rmdir(dir);
}

/* Loading one would be a crash of the loader, not a sentence. */
static void files_that_are_cut_off_are_refused(void **state)
{
	struct fixture *f = *state;
	char dir[64] = "/tmp/culprit-plugin-XXXXXX", path[128], from[4096];
	static const int shares[] = {1, 3, 50, 90, 99}; /* percent of it */
	struct stat st;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.so", dir);
	snprintf(from, sizeof(from), "%s/example.so", f->folder);
	copy(from, path);
	expect_file(path, 0, "");
	assert_int_equal(stat(path, &st), 0);
	for (size_t i = sizeof(shares) / sizeof(shares[0]); i-- > 0;) {
		assert_int_equal(truncate(path, st.st_size * shares[i] / 100), 0);
		expect_file(path, -ENOEXEC, "is not a complete shared object");
	}
	assert_int_equal(truncate(path, 40), 0);
	expect_file(path, -ENOEXEC, "is not a complete shared object");
	unlink(path);
	rmdir(dir);
}

/* What was checked is what is loaded: the name may lead elsewhere by then. */
static void a_swapped_file_is_not_loaded(void **state)
{
	struct fixture *f = *state;
	char dir[64] = "/tmp/culprit-plugin-XXXXXX", path[128], from[4096];
	struct plugin *p;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.so", dir);
	snprintf(from, sizeof(from), "%s/example.so", f->folder);
	copy(from, path);
	p = plugin_create(f->zygote, path, &f->host, NULL);
	unlink(path);
	write_bytes(path, "not what was checked", 0600);
	plugin_wait(p, 10 * S);
	assert_int_equal(plugin_state(p), PLUGIN_READY);
	plugin_destroy(p);
	unlink(path);
	rmdir(dir);
}

static void a_sleeper_is_late_then_killed_then_given_up(void **state)
{
	struct fixture *f = *state;
	struct plugin_limits limits = {.answer_ns = 300 * MS, .backoff_ns = 100 * MS, .restarts = 1};
	struct plugin *p = load_ready(f, "sleeper", &limits);
	struct plugin_stats stats;
	struct zygote_stats zygote;
	uint64_t begin = zygote_now_ns();

	/* asking and polling cost nothing */
	assert_int_equal(plugin_request_sample(p, 0), 0);
	plugin_poll(p);
	assert_int_equal(plugin_sample_state(p, 0), PLUGIN_ASKED);
	assert_string_equal(plugin_sample_reason(p, 0), "sleeper has not answered yet.");
	assert_true(zygote_now_ns() - begin < 100 * MS);
	/* its time is up */
	plugin_wait(p, 5 * S);
	assert_true(zygote_now_ns() - begin >= 300 * MS);
	assert_true(zygote_now_ns() - begin < 2 * S);
	assert_int_equal(plugin_state(p), PLUGIN_DOWN);
	assert_int_equal(plugin_sample_state(p, 0), PLUGIN_BROKEN);
	assert_string_equal(plugin_sample_reason(p, 0),
			    "sleeper gave no sample of sleeper for 0.3 s and was killed; it is started again after 0.1 s.");
	assert_int_equal(plugin_request_sample(p, 0), -EAGAIN);
	/* once more */
	usleep(120000);
	plugin_wait(p, 5 * S);
	assert_int_equal(plugin_state(p), PLUGIN_READY);
	assert_int_equal(plugin_restarts(p), 1);
	assert_int_equal(plugin_request_sample(p, 0), 0);
	plugin_wait(p, 5 * S);
	assert_int_equal(plugin_state(p), PLUGIN_FAILED);
	assert_non_null(strstr(plugin_reason(p), "it was started 2 times and is given up"));
	plugin_stats(p, &stats);
	assert_int_equal(stats.timeouts, 2);
	assert_int_equal(stats.pid, 0);
	plugin_destroy(p);
	for (int i = 0; i < 100; i++) {
		zygote_poll(f->zygote);
		zygote_stats(f->zygote, &zygote);
		if (!zygote.stuck && !zygote.alive)
			break;
		usleep(10000);
	}
	assert_int_equal(zygote.stuck + zygote.alive, 0);
}

static void a_crash_has_a_name_and_is_counted(void **state)
{
	struct fixture *f = *state;
	struct plugin_limits limits = {.backoff_ns = 20 * MS, .restarts = 2};
	struct plugin *p = load_ready(f, "crasher", &limits);
	struct recorder *r = recorder_of(p, 0);
	struct plugin_stats stats;

	for (int life = 0; life < 3; life++) {
		assert_int_equal(plugin_state(p), PLUGIN_READY);
		assert_int_equal(sample(p, 0, r, NULL), 0);
		assert_int_equal(recorder_u64(r, "crasher", recorder_find(r, "crasher", "0"), "samples"), 1);
		assert_int_equal(plugin_request_sample(p, 0), 0);
		plugin_wait(p, 5 * S);
		assert_int_equal(plugin_sample_state(p, 0), PLUGIN_BROKEN);
		assert_non_null(strstr(plugin_sample_reason(p, 0), "crasher crashed (SIGSEGV)"));
		for (int i = 0; i < 100 && plugin_state(p) != PLUGIN_READY && life < 2; i++) {
			usleep(10000);
			plugin_wait(p, 5 * S);
		}
	}
	assert_int_equal(plugin_state(p), PLUGIN_FAILED);
	plugin_stats(p, &stats);
	assert_int_equal(stats.crashes, 3);
	assert_int_equal(stats.restarts, 2);
	recorder_destroy(r);
	plugin_destroy(p);
}

static void rows_that_contradict_the_tables_are_dropped(void **state)
{
	struct fixture *f = *state;
	struct plugin *p = load_ready(f, "bad_rows", NULL);
	struct recorder *r = recorder_of(p, 0);
	static const char *const why[] = {
		"table that was not declared", "a value outside a row", "a column that was not declared",
		"another type than column level", "a row that did not end", "could not sample: Invalid argument",
		"a row begins outside a table", "more than 16 MiB", "could not sample: Permission denied",
	};
	struct culprit_error error;

	for (size_t i = 0; i < sizeof(why) / sizeof(why[0]); i++) {
		error.sentence[0] = 0;
		assert_true(sample(p, 0, r, &error) < 0);
		if (!strstr(error.sentence, why[i]))
			fail_msg("\"%s\" does not say \"%s\"", error.sentence, why[i]);
		/* nothing reached the frame */
		assert_null(recorder_misuse(r));
		assert_int_equal(recorder_rows(r, "bad_rows"), 0);
	}
	/* and it still works */
	assert_int_equal(sample(p, 0, r, &error), 0);
	assert_int_equal(recorder_rows(r, "bad_rows"), 1);
	recorder_destroy(r);
	plugin_destroy(p);
}

static void probes_that_say_no_are_absent(void **state)
{
	struct fixture *f = *state;
	int proc = f->host.proc_fd;
	struct plugin *p;

	/* a /proc without sys/fs/file-nr */
	f->host.proc_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p = load_ready(f, "example", NULL);
	assert_int_equal(plugin_collector(p, 0)->probe, -ENOENT);
	assert_string_equal(plugin_collector(p, 0)->sentence, "There is no /proc/sys/fs/file-nr: mount /proc.");
	assert_int_equal(plugin_sample_state(p, 0), PLUGIN_ABSENT);
	assert_string_equal(plugin_sample_reason(p, 0), plugin_collector(p, 0)->sentence);
	assert_int_equal(plugin_request_sample(p, 0), -EAGAIN);
	plugin_destroy(p);
	close(f->host.proc_fd);
	f->host.proc_fd = proc;
}

static void the_folder_is_scanned_in_order(void **state)
{
	struct fixture *f = *state;
	char dir[64] = "/tmp/culprit-plugin-XXXXXX", path[128];
	char **paths;
	size_t n;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/b.so", dir);
	write_bytes(path, "", 0600);
	snprintf(path, sizeof(path), "%s/a.so", dir);
	write_bytes(path, "", 0600);
	snprintf(path, sizeof(path), "%s/c.txt", dir);
	write_bytes(path, "", 0600);
	assert_int_equal(plugin_scan(dir, &paths, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_string_equal(strrchr(paths[0], '/'), "/a.so");
	assert_string_equal(strrchr(paths[1], '/'), "/b.so");
	plugin_scan_free(paths, n);
	fixture_remove(dir);
	assert_int_equal(plugin_scan("/none/such", &paths, &n, NULL), 0);
	assert_int_equal(n, 0);
	plugin_scan_free(paths, n);
	assert_int_equal(plugin_scan(f->folder, &paths, &n, NULL), 0);
	assert_true(n >= 8);
	plugin_scan_free(paths, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_example_shows_open_files, setup, teardown),
		cmocka_unit_test_setup_teardown(frozen_v1_loads_for_ever, setup, teardown),
		cmocka_unit_test_setup_teardown(synthetic_rows_come_through_and_are_the_same_each_time, setup, teardown),
		cmocka_unit_test_setup_teardown(tables_come_back_as_declared, setup, teardown),
		cmocka_unit_test_setup_teardown(interests_descriptors_and_questions_work_in_the_helper, setup, teardown),
		cmocka_unit_test_setup_teardown(asking_and_fetching_are_cheap, setup, teardown),
		cmocka_unit_test_setup_teardown(what_lies_is_refused_with_a_reason, setup, teardown),
		cmocka_unit_test(files_that_others_may_write_are_refused),
		cmocka_unit_test_setup_teardown(files_that_are_no_plugins_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(files_that_are_cut_off_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_swapped_file_is_not_loaded, setup, teardown),
		cmocka_unit_test_setup_teardown(a_sleeper_is_late_then_killed_then_given_up, setup, teardown),
		cmocka_unit_test_setup_teardown(a_crash_has_a_name_and_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(rows_that_contradict_the_tables_are_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(probes_that_say_no_are_absent, setup, teardown),
		cmocka_unit_test_setup_teardown(the_folder_is_scanned_in_order, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
