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

/* Samples a few times; whatever is there, the frame may not be misused. */
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
	for (int i = 0; i < 3; i++) {
		recorder_sample(r, self);
		if (recorder_misuse(r))
			fail_msg("%s: %s", c->name, recorder_misuse(r));
		if (expect_rows && !err && recorder_table(r, c->tables[0]->name)->nrows == 0)
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
	for (size_t i = 0; culprit_builtin[i]; i++)
		run(culprit_builtin[i], &host, true);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schemas),
		cmocka_unit_test(on_this_machine),
		cmocka_unit_test(with_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
