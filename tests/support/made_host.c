#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "builtin.h"
#include "memsource.h"
#include "recfile.h"
#include "self_tables.h"
#include "support/made_host_fill.h"

struct made_host *made_host_create(const struct made_host_options *options)
{
	struct host_info host = {
		.name = "web-03",
		.kernel = "6.1.0-18-amd64",
		.machine = "x86_64",
		.zone = "+00:00",
		.system = "Debian GNU/Linux 12 (bookworm)",
		.user_hz = 100,
		.page_size = 4096,
		.cpus = CPUS,
		.memory_bytes = 16 * GIB,
		.boot_wall_ns = (int64_t)((WALL - 400000) * SECOND),
		.interval_ns = SECOND,
	};
	struct made_host *m = calloc(1, sizeof(*m));
	struct culprit_error error = {""};

	assert_non_null(m);
	if (options)
		m->options = *options;
	m->busy_ms = calloc(fill_busy_places(m), sizeof(*m->busy_ms));
	assert_non_null(m->busy_ms);
	m->schema = schema_create();
	assert_non_null(m->schema);
	for (const struct culprit_collector *const *c = culprit_builtin; *c; c++) {
		for (uint32_t i = 0; i < (*c)->ntables; i++)
			if (schema_add(m->schema, (*c)->tables[i], &error) < 0)
				fail_msg("%s", error.sentence);
	}
	assert_true(schema_add(m->schema, &collector_table, &error) >= 0);
	assert_true(schema_add(m->schema, &mark_table, &error) >= 0);
	m->writer = writer_create(m->schema, &host);
	m->memory = memsource_create();
	assert_non_null(m->writer);
	assert_non_null(m->memory);
	assert_int_equal(writer_add_sink(m->writer, memsource_sink(m->memory)), 0);
	if (m->options.record) {
		struct sink *sink = recfile_sink(m->options.record, RECFILE_OVERWRITE, &error);

		if (!sink)
			fail_msg("%s", error.sentence);
		assert_int_equal(writer_add_sink(m->writer, sink), 0);
	}
	return m;
}

void made_host_destroy(struct made_host *m)
{
	writer_destroy(m->writer);
	memsource_unlock(m->memory);
	schema_unlock(m->schema);
	free(m->busy_ms);
	free(m);
}

void made_host_run(struct made_host *m, unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		m->second++;
		fill_murmur(m);
		builder_begin(writer_builder(m->writer), (BEGIN + m->second) * SECOND,
			      (int64_t)((WALL + m->second) * SECOND));
		fill_machine(m);
		fill_tasks(m);
		fill_story(m);
		assert_int_equal(writer_commit(m->writer), 0);
	}
}

void made_host_sleep(struct made_host *m, unsigned seconds)
{
	m->second += seconds;
}

struct source *made_host_source(struct made_host *m)
{
	return memsource_source(m->memory);
}

