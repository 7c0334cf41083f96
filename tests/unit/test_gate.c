/* The gate: a synthetic plug-in with every role and both kinds of table goes collector -> ring -> second process -> dump,
 * and -> file -> second process -> dump, byte for byte the same, for every table, raw and derived, JSON, CSV and table,
 * over several windows and many segments. Run under sanitizers too. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ask.h"
#include "plugin.h"
#include "recfile.h"
#include "ring.h"
#include "sampler.h"
#include "segment.h"
#include "support/frame_recorder.h"

enum { TICKS = 400 };

static const struct zygote_kind *const kinds[] = {&ask_kind, &plugin_kind};
static struct zygote *zygote;

static const char *build_dir(void)
{
	const char *b = getenv("B");

	return b ? b : "build";
}

/* What the program prints, and its exit status. */
static char *run(const char *const *args, int *ret_status)
{
	size_t n = 0, cap = 1 << 16;
	char *out = malloc(cap);
	int fds[2];
	pid_t pid;

	assert_non_null(out);
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execv(args[0], (char *const *)args);
		_exit(127);
	}
	close(fds[1]);
	for (;;) {
		ssize_t k;

		if (n + 1 == cap) {
			out = realloc(out, cap *= 2);
			assert_non_null(out);
		}
		k = read(fds[0], out + n, cap - n - 1);
		if (k <= 0)
			break;
		n += (size_t)k;
	}
	close(fds[0]);
	out[n] = '\0';
	waitpid(pid, ret_status, 0);
	return out;
}

struct gate {
	char dir[256], ring_path[300], file_path[300], program[300];
	struct ring *ring;
	struct sampler *sampler;
};

/* The plug-in's rows, tick by tick, to ring and file at once. */
static void gate_write(struct gate *g)
{
	char plugin[300];
	const char *plugins[] = {plugin, NULL};
	const struct culprit_collector *none[] = {NULL};
	struct sampler_options options = {
		.builtins = none, .plugins = plugins, .interval_ns = 1000000000, .proc_fd = -1, .sys_fd = -1,
		.zygote = zygote,
	};
	struct culprit_error error = {""};
	struct sink *file, *ring;
	struct manual_clock clock;

	manual_clock_init(&clock, 5000000000, 1772373802000000000);
	options.clock = &clock.clock;
	snprintf(plugin, sizeof(plugin), "%s/plugins/synthetic.so", build_dir());
	assert_non_null(fixture_temp(g->dir, sizeof(g->dir)));
	snprintf(g->ring_path, sizeof(g->ring_path), "%s/ring", g->dir);
	snprintf(g->file_path, sizeof(g->file_path), "%s/file.rec", g->dir);
	snprintf(g->program, sizeof(g->program), "%s/culprit", build_dir());
	options.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	g->sampler = sampler_create(&options, &error);
	assert_string_equal(error.sentence, "");
	assert_non_null(g->sampler);
	g->ring = ring_create((size_t)32 << 20, g->dir, "ring", &error);
	assert_non_null(g->ring);
	ring = ring_sink(g->ring, &error);
	assert_non_null(ring);
	file = recfile_sink(g->file_path, RECFILE_REFUSE, &error);
	assert_non_null(file);
	assert_int_equal(writer_add_sink(sampler_writer(g->sampler), ring), 0);
	assert_int_equal(writer_add_sink(sampler_writer(g->sampler), file), 0);
	sampler_settle(g->sampler, 20000000000);
	for (unsigned i = 0; i < TICKS; i++) {
		assert_int_equal(sampler_tick(g->sampler, &error), 0);
		sampler_settle(g->sampler, 10000000000);
		manual_clock_advance(&clock, 1000000000);
		assert_int_equal(writer_sink_error(sampler_writer(g->sampler), ring, &error), 0);
		assert_int_equal(writer_sink_error(sampler_writer(g->sampler), file, &error), 0);
	}
	close(options.proc_fd);
}

static const char *const *window_args[] = {
	(const char *const[]){NULL},
	(const char *const[]){"--from", "start", "--to", "+90s", NULL},
	(const char *const[]){"--from", "-60s", NULL},
	(const char *const[]){"--from", "-200s", "--to", "-100s", NULL},
};
static const char *const *form_args[] = {
	(const char *const[]){"--json", NULL},
	(const char *const[]){"--json", "--raw", NULL},
	(const char *const[]){"--csv", NULL},
	(const char *const[]){NULL},
};

static size_t compare(struct gate *g, const char *table, const char *const *window, const char *const *form)
{
	const char *args[16] = {g->program, "dump", table, g->ring_path};
	size_t n = 4, size;
	char *from_ring, *from_file;
	int status;

	for (size_t i = 0; window[i]; i++)
		args[n++] = window[i];
	for (size_t i = 0; form[i]; i++)
		args[n++] = form[i];
	args[n] = NULL;
	from_ring = run(args, &status);
	assert_int_equal(status, 0);
	args[3] = g->file_path;
	from_file = run(args, &status);
	assert_int_equal(status, 0);
	assert_string_equal(from_ring, from_file);
	size = strlen(from_ring);
	free(from_ring);
	free(from_file);
	return size;
}

static void test_gate(void **state)
{
	struct gate g;
	const char *collectors_args[] = {NULL, "dump", "collector", NULL, "--json", NULL};
	const struct schema_table *table;
	struct culprit_error error = {""};
	struct source *source;
	struct segment *segment;
	size_t segments = 0, bytes = 0, tables = 0, roles = 0;
	unsigned kinds_seen = 0, roles_seen = 0;
	int status;
	char *text;

	(void)state;
	gate_write(&g);

	/* Which tables there are, from the file itself. */
	source = recfile_source(g.file_path, &error);
	assert_non_null(source);
	segments = (size_t)source->ops->refresh(source, &error);
	assert_true(segments >= 2);
	segment = segment_create();
	assert_int_equal(segment_update(segment, source, source->ops->segment(source, segments - 1)->seq, &error), 0);
	for (uint32_t i = 0; i < segment->schema->ntables; i++) {
		table = segment->schema->tables[i];
		kinds_seen |= 1u << table->kind;
		for (uint32_t c = 0; c < table->ncolumns; c++)
			roles_seen |= 1u << table->columns[c].role;
		for (size_t w = 0; w < sizeof(window_args) / sizeof(window_args[0]); w++) {
			for (size_t f = 0; f < sizeof(form_args) / sizeof(form_args[0]); f++)
				bytes += compare(&g, table->name, window_args[w], form_args[f]);
		}
		tables++;
	}
	for (unsigned role = CULPRIT_KEY; role <= CULPRIT_TIME; role++)
		roles += roles_seen >> role & 1;
	assert_int_equal(kinds_seen, 1u << CULPRIT_STATE | 1u << CULPRIT_EVENT);
	assert_int_equal(roles, 7);
	assert_true(tables >= 4);
	/* It was about something. */
	assert_true(bytes > 200000);

	collectors_args[0] = g.program;
	collectors_args[3] = g.ring_path;
	text = run(collectors_args, &status);
	assert_int_equal(status, 0);
	assert_non_null(strstr(text, "synthetic"));
	free(text);
	segment_unlock(segment);
	source_destroy(source);
	sampler_destroy(g.sampler);
	ring_unlock(g.ring);
	fixture_remove(g.dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_gate)};
	struct culprit_error error = {""};
	int failed;

	zygote = zygote_create(kinds, 2, &error);
	if (!zygote) {
		fprintf(stderr, "%s\n", error.sentence);
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	zygote_destroy(zygote);
	return failed;
}
