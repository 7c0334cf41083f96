/* Private to the made-up machine (made_host.h): its clock, and putting values into tables of the program. What fills which
 * tables: made_host_machine.c, made_host_tasks.c, made_host_story.c. */
#ifndef SUPPORT_MADE_HOST_FILL_H
#define SUPPORT_MADE_HOST_FILL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "schema.h"
#include "support/made_host.h"
#include "writer.h"

#define MS 1000000ULL
#define SECOND 1000000000ULL
#define MIB (1ULL << 20)
#define GIB (1ULL << 30)
/* 2026-03-01T14:00:00Z is second 1000 of the clock. */
#define WALL 1772373600ULL
#define BEGIN 1000ULL

enum { CPUS = 4, BACKUP_BEGINS = 120, JOB_ENDS = 150 };

struct made_host {
	struct made_host_options options;
	struct schema *schema;
	struct writer *writer;
	struct memsource *memory;
	uint64_t second; /* of the story */
	uint32_t random;
	/* what the murmur has added up to: ms of CPU by process (the idle ones behind the others) and of all; bytes */
	uint64_t *busy_ms, all_busy_ms, net_bytes, disk_writes;
	double load;
	/* the table being filled */
	const struct schema_table *table;
	struct culprit_frame *frame;
};

static inline void table_begin(struct made_host *m, const char *name)
{
	m->table = schema_find(m->schema, name);
	assert_non_null(m->table);
	m->frame = builder_frame(writer_builder(m->writer), m->table->id, 1);
	culprit_table(m->frame, 0);
}

static inline void table_end(struct made_host *m)
{
	struct culprit_error error = {""};

	if (builder_frame_end(writer_builder(m->writer), 0, NULL, 100000, 1, &error))
		fail_msg("made_host: %s: %s", m->table->name, error.sentence);
}

static inline uint32_t column(const struct made_host *m, const char *name)
{
	int c = schema_column(m->table, name);

	if (c < 0)
		fail_msg("made_host: %s has no column %s", m->table->name, name);
	return (uint32_t)c;
}

static inline void put(struct made_host *m, const char *name, uint64_t v)
{
	culprit_put_u64(m->frame, column(m, name), v);
}

static inline void put_number(struct made_host *m, const char *name, double v)
{
	culprit_put_f64(m->frame, column(m, name), v);
}

static inline void put_text(struct made_host *m, const char *name, const char *text)
{
	culprit_put_string(m->frame, column(m, name), text);
}

static inline void missing(struct made_host *m, const char *table, const char *reason)
{
	builder_skip(writer_builder(m->writer), schema_find(m->schema, table)->id, CULPRIT_MISSING, reason);
}

/* Seconds of the story in which memory was short. */
static inline uint64_t thrashed(const struct made_host *m)
{
	return m->options.thrashing ? m->second : 0;
}

/* Seconds of the story in which the backup wrote. */
static inline uint64_t backup_seconds(const struct made_host *m)
{
	return m->options.calm || m->second <= BACKUP_BEGINS ? 0 : m->second - BACKUP_BEGINS;
}

/* CPU time in ms that is used up each second, by whom. */
static inline uint64_t burnt(const struct made_host *m)
{
	return m->options.calm ? 0 : m->second * 990;
}

/* 0 .. n - 1 */
static inline uint32_t chance(struct made_host *m, uint32_t n)
{
	m->random = m->random * 1664525 + 1013904223;
	return (m->random >> 8) % n;
}

static inline bool has_table(struct made_host *m, const char *name)
{
	const struct schema_table *t = schema_find(m->schema, name);

	/* A build without programs has those tables by name only. */
	return t && t->ncolumns > 1;
}

/* How many numbers there are in busy_ms. */
size_t fill_busy_places(const struct made_host *);
/* When the process started, in ticks. */
uint64_t fill_start_of(unsigned pid);
/* One second of a box on which nothing happens: timers fire, daemons look around. */
void fill_murmur(struct made_host *);
/* What the machine is and does. */
void fill_machine(struct made_host *);
/* Processes, threads, their children. */
void fill_tasks(struct made_host *);
/* The kernel's log, who started and ended, collectors and marks. */
void fill_story(struct made_host *);

#endif
