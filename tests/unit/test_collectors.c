/* What every built-in collector owes, whatever it collects: a complete schema, no misuse of the frame, no answer but
 * an orderly one when /proc and /sys are empty, missing or nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "builtin.h"
#include "schema.h"
#include "support/counted_malloc.h"
#include "support/frame_recorder.h"

static void schemas(void **state)
{
	struct schema *schema = schema_create();
	struct culprit_error error;

	(void)state;
	for (size_t i = 0; culprit_builtin[i]; i++) {
		recorder_check_schema(culprit_builtin[i]);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(culprit_builtin[i]->name, culprit_builtin[k]->name);
		for (uint32_t t = 0; t < culprit_builtin[i]->ntables; t++)
			if (schema_add(schema, culprit_builtin[i]->tables[t], &error) < 0)
				fail_msg("%s", error.sentence);
	}
	schema_unlock(schema);
}

/* Samples a few times; whatever is there, the frame may not be misused. What is loaded into the kernel shows what happens,
 * which may be nothing: tests/kernel looks whether it does. */
static void run(const struct culprit_collector *c, struct fixture_host *host, bool expect_rows)
{
	struct recorder *r = recorder_create(c);
	struct culprit_error error = {""};
	void *self = NULL;
	int err = c->probe ? c->probe(&host->host, &error) : 0;

	if (err < 0) {
		if (!error.sentence[0])
			fail_msg("%s: probe() fails without a sentence", c->name);
		if (expect_rows)
			print_message("skipped: %s: %s\n", c->name, error.sentence);
	}
	/* A collector is not opened where its probe fails; but files may go between the two. */
	if (c->open(&host->host, &self, &error) < 0) {
		recorder_destroy(r);
		return;
	}
	/* Somebody looks at us: some have rows only then. */
	if (c->interests) {
		struct culprit_interest interest = {.size = sizeof(interest), .table = c->tables[0]->name, .what = "rows",
						    .key = {(uint64_t)getpid(), 1}, .nkey = 4, .text = "/proc/self/exe"};

		c->interests(self, &interest, 1);
	}
	for (int i = 0; i < 3; i++) {
		recorder_sample(r, self);
		if (recorder_misuse(r))
			fail_msg("%s: %s", c->name, recorder_misuse(r));
		if (expect_rows && !err && !(c->flags & CULPRIT_OPEN_LATER) && recorder_table(r, c->tables[0]->name)->nrows == 0)
			fail_msg("%s: no rows: %s", c->name, recorder_table(r, c->tables[0]->name)->reason);
	}
	c->close(self);
	recorder_destroy(r);
}

static void on_this_machine(void **state)
{
	struct fixture_host host;

	(void)state;
	fixture_host_init(&host, NULL);
	/* Hardly any machine has a file server mounted; runtime has rows of the process that is looked at. */
	for (size_t i = 0; culprit_builtin[i]; i++)
		run(culprit_builtin[i], &host, strcmp(culprit_builtin[i]->name, "nfs") && strcmp(culprit_builtin[i]->name, "runtime"));
	fixture_host_finish(&host);
}

static void with_nothing(void **state)
{
	struct fixture_host host;
	char root[64];

	(void)state;
	fixture_host_init(&host, "/nowhere");
	assert_int_equal(host.host.proc_fd, -1);
	for (size_t i = 0; culprit_builtin[i]; i++)
		run(culprit_builtin[i], &host, false);
	fixture_host_finish(&host);

	fixture_write_string(fixture_temp(root, sizeof(root)), "proc/x", "");
	fixture_write_string(root, "sys/x", "");
	fixture_host_init(&host, root);
	for (size_t i = 0; culprit_builtin[i]; i++)
		run(culprit_builtin[i], &host, false);
	fixture_host_finish(&host);
	fixture_remove(root);
}

/* A number from 0 to n - 1; always the same ones. */
static uint32_t random_below(uint32_t *state, uint32_t n)
{
	*state = *state * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(*state >> 4) * n >> 28);
}

struct cut {
	uint32_t seed;
	bool garble;
};

/* Cuts a file anywhere, or changes some of its bytes; leaves the lists of what is mounted alone half of the time. */
static bool spoil(void *arg, const char *path, char *bytes, size_t *len, size_t cap)
{
	static const char *const odd[] = {"-", "18446744073709551616", " ", "\n", "\0", "\xff\x1b[31m", ":", "\t\t", "max"};
	struct cut *c = arg;

	if (strstr(path, "mountinfo") && c->seed % 2)
		return true;
	if (!c->garble) {
		*len = random_below(&c->seed, (uint32_t)*len + 1);
		return random_below(&c->seed, 20) != 0;
	}
	for (uint32_t i = random_below(&c->seed, 6); i > 0 && *len; i--) {
		const char *what = odd[random_below(&c->seed, 9)];
		size_t n = strlen(what) + (*what == 0), at = random_below(&c->seed, (uint32_t)*len);

		switch (random_below(&c->seed, 3)) {
		case 0: /* instead */
			if (at + n <= *len)
				memcpy(bytes + at, what, n);
			break;
		case 1: /* between */
			if (*len + n < cap) {
				memmove(bytes + at + n, bytes + at, *len - at);
				memcpy(bytes + at, what, n);
				*len += n;
			}
			break;
		default: /* a very long line */
			if (*len + 5000 < cap) {
				memmove(bytes + at + 5000, bytes + at, *len - at);
				memset(bytes + at, '7', 5000);
				*len += 5000;
			}
		}
	}
	return true;
}

/* What adds up over lines is smaller where some are missing. */
static bool adds_up(const char *table, const char *column)
{
	static const char *const sums[] = {
		"vmstat.", "cgroup.read_bytes", "cgroup.write_bytes", "cgroup.reads", "cgroup.writes", "cgroup.refaults",
		"netstack.softnet_", "netstack.ip_discards", "host.cpus", "cgroup.controllers", "disk.kind",
		"disk.partition", "host.virtualisation", "host.hostname", "host.kernel", "disk.model", "net.state",
		"net.duplex", "net.virtual", "memory.hugetlb", "host.machine", "net.name", "disk.parent", "host.container",
		"filesystem.",
	};
	char name[128];

	snprintf(name, sizeof(name), "%s.%s", table, column);
	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++)
		if (strncmp(name, sums[i], strlen(sums[i])) == 0)
			return true;
	return false;
}

/* A number read from a file that was cut is the number of the whole file, or none. */
static void compare(const struct recorder *whole, const struct recorder *part, const struct culprit_table *t)
{
	for (size_t i = 0; i < recorder_rows(part, t->name); i++) {
		const struct recorded_row *row = &recorder_table(part, t->name)->rows[i], *other = NULL;

		for (size_t k = 0; k < recorder_rows(whole, t->name) && !other; k++)
			if (recorder_table(whole, t->name)->rows[k].hash == row->hash)
				other = &recorder_table(whole, t->name)->rows[k];
		for (uint32_t c = 0; c < t->ncolumns && other; c++) {
			if (row->cells[c].state != RECORDED_VALUE || adds_up(t->name, t->columns[c].name))
				continue;
			if (other->cells[c].state != RECORDED_VALUE || other->cells[c].bits != row->cells[c].bits)
				fail_msg("%s.%s: %llu from a file that was cut, %llu from the whole", t->name,
					 t->columns[c].name, (unsigned long long)row->cells[c].bits,
					 (unsigned long long)other->cells[c].bits);
		}
	}
}

static void spoilt(const struct culprit_collector *c, const char *good_root, const char *bad_root, bool garble)
{
	struct recorder *whole = recorder_create(c), *part = recorder_create(c);
	struct fixture_host good, bad;
	struct culprit_error error;
	void *self = NULL;

	fixture_host_init(&good, good_root);
	fixture_host_init(&bad, bad_root);
	good.mono_ns = bad.mono_ns = 1;
	if (c->open(&good.host, &self, &error) == 0) {
		recorder_sample(whole, self);
		c->close(self);
	}
	if (c->open(&bad.host, &self, &error) == 0) {
		for (int i = 0; i < 2; i++) {
			recorder_sample(part, self);
			if (recorder_misuse(part))
				fail_msg("%s on %s: %s", c->name, good_root, recorder_misuse(part));
			for (uint32_t t = 0; t < c->ntables && !garble && i == 0; t++)
				compare(whole, part, c->tables[t]);
		}
		c->close(self);
	}
	fixture_host_finish(&good);
	fixture_host_finish(&bad);
	recorder_destroy(whole);
	recorder_destroy(part);
}

static void spoilt_trees(bool garble, uint32_t rounds)
{
	static const char *const names[] = {"modern", "old", "hybrid"};

	for (uint32_t round = 0; round < rounds; round++) {
		for (size_t n = 0; n < 3; n++) {
			struct cut cut = {round * 7919 + 1, garble};
			char good[4096], bad[64];

			fixture_copy(fixture_path(good, sizeof(good), names[n]), fixture_temp(bad, sizeof(bad)), spoil, &cut);
			for (size_t i = 0; culprit_builtin[i]; i++)
				if (culprit_builtin[i] != &task_collector)
					spoilt(culprit_builtin[i], good, bad, garble);
			fixture_remove(bad);
		}
	}
}

/* Memory is taken while a collector gets to know the machine, and not after. */
static void no_memory_taken(void **state)
{
	static const struct culprit_statfs fs = {4096, 1000, 400, 350, 100, 40, 0};
	static const struct fixture_answer answers[] = {{CULPRIT_ASK_STATFS, "/", 0, &fs, sizeof(fs)}};

	(void)state;
	need_counting();
	counting = true;
	for (size_t i = 0; culprit_builtin[i]; i++) {
		const struct culprit_collector *c = culprit_builtin[i];
		struct culprit_frame frame = recorder_null_frame();
		struct culprit_error error;
		struct fixture_host host;
		void *self = NULL;
		char path[4096];
		unsigned long before;

		if (c == &task_collector) /* test_task counts it */
			continue;
		/* A kernel to load programs into is no fixture. */
		if (c->flags & CULPRIT_OPEN_LATER) {
			fixture_host_init(&host, NULL);
			if (c->probe && c->probe(&host.host, &error)) {
				fixture_host_finish(&host);
				continue;
			}
		} else {
			fixture_host_init(&host, fixture_path(path, sizeof(path), "modern"));
		}
		host.answers = answers;
		host.nanswers = 1;
		before = allocations;
		assert_int_equal(c->open(&host.host, &self, &error), 0);
		assert_true(allocations > before); /* it is counted at all */
		for (int k = 0; k < 3; k++)
			c->sample(self, &frame);
		before = allocations;
		for (int k = 0; k < 200; k++)
			c->sample(self, &frame);
		if (allocations != before)
			fail_msg("%s took memory %lu times in 200 samples", c->name, allocations - before);
		c->close(self);
		fixture_host_finish(&host);
	}
	counting = false;
}

static void cut_files(void **state)
{
	(void)state;
	spoilt_trees(false, 20);
}

static void garbled_files(void **state)
{
	(void)state;
	spoilt_trees(true, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schemas),
		cmocka_unit_test(on_this_machine),
		cmocka_unit_test(with_nothing),
		cmocka_unit_test(no_memory_taken),
		cmocka_unit_test(cut_files),
		cmocka_unit_test(garbled_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
