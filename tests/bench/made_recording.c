#include "made_recording.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <culprit/frame.h>

#include "builtin.h"
#include "schema.h"

enum { FEW = 4, CPUS = 3, EVENT_EVERY = 60, RENEW_EVERY = 2 };

#define BEGIN_MONO (UINT64_C(3600) * 1000000000)
#define BEGIN_WALL (INT64_C(1780000000) * 1000000000)

struct made_row {
	uint64_t id, start, work; /* work: how much it has done */
	uint32_t handle;
	bool newborn, all; /* all: it stands for all the others */
};

struct made_table {
	const struct culprit_table *table;
	struct made_row *rows;
	uint32_t nrows, busy;
};

struct made {
	struct schema *schema;
	struct writer *writer;
	struct made_table *tables;
	uint32_t ntables;
	uint64_t tick, mono_ns, random, next_id;
	int64_t wall_ns;
};

static uint64_t made_random(struct made *m, uint64_t below)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return m->random % below;
}

static const struct culprit_column *column_of(const struct culprit_table *t, uint32_t i)
{
	return (const struct culprit_column *)((const char *)t->columns + i * t->column_size);
}

static uint32_t rows_of(const struct culprit_table *t, uint32_t processes)
{
	if (t->kind == CULPRIT_EVENT)
		return 0;
	if (!strcmp(t->name, "process") || !strcmp(t->name, "thread"))
		return processes;
	if (!strcmp(t->name, "cpu"))
		return CPUS;
	for (uint32_t i = 0; i < t->ncolumns; i++)
		if (column_of(t, i)->role == CULPRIT_KEY && strcmp(t->name, "host"))
			return FEW;
	return 1;
}

struct made *made_create(uint32_t processes, uint32_t busy)
{
	static const struct host_info host = {
		.name = "made-up", .kernel = "6.0", .machine = "x86_64", .boot_id = "00000000-0000-0000-0000-000000000000",
		.zone = "+00:00", .system = "Made Up", .user_hz = 100, .page_size = 4096, .cpus = CPUS - 1,
		.memory_bytes = UINT64_C(16) << 30, .boot_wall_ns = BEGIN_WALL - (int64_t)BEGIN_MONO, .interval_ns = 1000000000};
	struct made *m = calloc(1, sizeof(*m));
	struct culprit_error error = {""};

	if (!m)
		return NULL;
	m->random = 88172645463325252u;
	m->mono_ns = BEGIN_MONO;
	m->wall_ns = BEGIN_WALL;
	m->schema = schema_create();
	m->tables = calloc(256, sizeof(*m->tables));
	for (const struct culprit_collector *const *c = culprit_builtin; m->schema && m->tables && *c; c++) {
		for (uint32_t i = 0; i < (*c)->ntables && m->ntables < 256; i++) {
			struct made_table *t = &m->tables[m->ntables++];

			t->table = (*c)->tables[i];
			t->nrows = rows_of(t->table, processes);
			t->busy = t->nrows == processes ? busy : t->nrows;
			t->rows = calloc(t->nrows + 1, sizeof(*t->rows));
			if (!t->rows || schema_add(m->schema, t->table, &error) < 0) {
				fprintf(stderr, "made-up machine: %s\n", error.sentence);
				made_destroy(m);
				return NULL;
			}
			for (uint32_t k = 0; k < t->nrows; k++)
				t->rows[k] = (struct made_row){.id = k + 1, .start = 100 + k, .handle = CULPRIT_NO_HANDLE};
			if (!strcmp(t->table->name, "cpu")) /* all CPUs together: what the timeline draws */
				t->rows[0].all = true;
		}
	}
	m->next_id = processes + 1;
	m->writer = m->schema && m->tables ? writer_create(m->schema, &host) : NULL;
	if (!m->writer) {
		made_destroy(m);
		return NULL;
	}
	return m;
}

void made_destroy(struct made *m)
{
	if (!m)
		return;
	writer_destroy(m->writer);
	for (uint32_t i = 0; i < m->ntables; i++)
		free(m->tables[i].rows);
	free(m->tables);
	schema_unlock(m->schema);
	free(m);
}

struct writer *made_writer(struct made *m)
{
	return m->writer;
}

int64_t made_wall_ns(const struct made *m)
{
	return m->wall_ns;
}

static void put_text(struct culprit_frame *f, uint32_t c, const struct made_table *t, const struct made_row *row)
{
	char text[128];

	if (column_of(t->table, c)->role == CULPRIT_KEY || !strcmp(column_of(t->table, c)->name, "comm"))
		snprintf(text, sizeof(text), "name-%" PRIu64, row->id);
	else if (!strcmp(column_of(t->table, c)->name, "cmdline"))
		snprintf(text, sizeof(text), "/usr/bin/name-%" PRIu64 " --worker %" PRIu64 " --config /etc/name/%" PRIu64 ".conf", row->id,
			 row->id % 32, row->id % 7);
	else
		snprintf(text, sizeof(text), "%s-%" PRIu64, column_of(t->table, c)->name, row->id % 5);
	culprit_put_text(f, c, text, strlen(text));
}

static void put_cell(struct made *m, struct culprit_frame *f, uint32_t c, const struct made_table *t, const struct made_row *row)
{
	const struct culprit_column *column = column_of(t->table, c);
	/* Most of what is counted rests most of the time. */
	uint64_t counts[1024] = {0}, work = (c + row->id) % 4 ? row->work / 65536 : row->work, v;

	if (row->id % 50 == 7 && column->role == CULPRIT_COUNTER && c + 1 == t->table->ncolumns) {
		culprit_unread(f, c, "permission denied: needs root");
		return;
	}
	switch (column->type) {
	case CULPRIT_TEXT:
		put_text(f, c, t, row);
		return;
	case CULPRIT_HIST:
		for (uint32_t i = 0; i < 8 && i < column->bounds->count; i++)
			counts[i] = work / (i + 1);
		culprit_put_histogram(f, c, counts, column->bounds->count);
		return;
	case CULPRIT_STACK:
		culprit_put_stack(f, c, &(struct culprit_location){"libmade.so", 16 * (row->id % 64)}, 1);
		return;
	case CULPRIT_TASK:
		culprit_put_task(f, c, row->id, row->start);
		return;
	default:
		break;
	}
	if (column->role == CULPRIT_KEY && row->all)
		v = c ? 0 : (uint64_t)-1;
	else if (column->role == CULPRIT_KEY)
		v = c && t->nrows > FEW ? row->start : row->id;
	else if (column->role == CULPRIT_COUNTER)
		v = work * (c + 1) * 997;
	else if (column->role == CULPRIT_TIME)
		v = m->mono_ns;
	else if (column->role == CULPRIT_ATTRIBUTE)
		v = strstr(column->name, "start") ? row->start : row->id;
	else
		v = 4096 * (work % 10007 + row->id);
	if (column->type == CULPRIT_F64)
		culprit_put_f64(f, c, (double)(v % 1000003) / 64);
	else if (column->type == CULPRIT_BOOL)
		culprit_put_bool(f, c, v & 1);
	else
		culprit_put_u64(f, c, v);
}

static void put_row(struct made *m, struct culprit_frame *f, const struct made_table *t, struct made_row *row, bool busy)
{
	/* Idle, and known: it says what it said. */
	if (!busy && row->handle != CULPRIT_NO_HANDLE && !culprit_again(f, row->handle)) {
		row->handle = culprit_end(f);
		return;
	}
	culprit_row(f);
	if (row->newborn)
		culprit_born(f);
	row->newborn = false;
	for (uint32_t c = 0; c < t->table->ncolumns; c++)
		put_cell(m, f, c, t, row);
	row->handle = culprit_end(f);
}

static void put_table(struct made *m, struct culprit_frame *f, uint32_t index)
{
	struct made_table *t = &m->tables[index];
	uint32_t hot = t->busy < t->nrows ? (uint32_t)(m->tick / 60 * 7 % t->nrows) : 0;

	culprit_table(f, index);
	for (uint32_t i = 0; i < t->nrows; i++) {
		struct made_row *row = &t->rows[i];
		/* Who is busy changes slowly. */
		bool busy = (i + t->nrows - hot) % t->nrows < t->busy;

		if (busy)
			row->work += 1 + made_random(m, 1000);
		put_row(m, f, t, row, busy);
	}
	if (t->table->kind == CULPRIT_EVENT && m->tick % EVENT_EVERY == index % EVENT_EVERY) {
		struct made_row event = {.id = m->tick, .start = m->tick, .work = m->tick};

		culprit_row(f);
		for (uint32_t c = 0; c < t->table->ncolumns; c++)
			put_cell(m, f, c, t, &event);
		culprit_end(f);
	}
}

/* One process ends, another begins in its place. */
static void renew(struct made *m)
{
	uint64_t id = m->next_id++;
	uint32_t at = UINT32_MAX;

	for (uint32_t i = 0; i < m->ntables; i++) {
		struct made_table *t = &m->tables[i];

		if (strcmp(t->table->name, "process") && strcmp(t->table->name, "thread"))
			continue;
		if (at == UINT32_MAX)
			at = (uint32_t)made_random(m, t->nrows);
		t->rows[at] = (struct made_row){.id = id, .start = m->tick + 1000, .handle = CULPRIT_NO_HANDLE, .newborn = true};
	}
}

int made_tick(struct made *m, uint64_t step_ns)
{
	struct builder *b = writer_builder(m->writer);
	struct culprit_error error;
	struct culprit_frame *f;
	int err;

	m->mono_ns += step_ns;
	m->wall_ns += (int64_t)step_ns;
	if (++m->tick % RENEW_EVERY == 0)
		renew(m);
	builder_begin(b, m->mono_ns, m->wall_ns);
	f = builder_frame(b, 0, m->ntables);
	for (uint32_t i = 0; i < m->ntables; i++)
		put_table(m, f, i);
	err = builder_frame_end(b, 0, NULL, 1000000, 1, &error);
	if (err) {
		fprintf(stderr, "made-up machine: %s\n", error.sentence);
		return err;
	}
	return writer_commit(m->writer);
}
