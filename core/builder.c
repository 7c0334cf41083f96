#include "builder_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cellcode.h"
#include "error.h"
#include "format.h"

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static struct builder *of(struct culprit_frame *f)
{
	return (struct builder *)f;
}

/* Keeps the first mistake. */
static void mistake(struct builder *b, const char *what)
{
	if (b->err)
		return;
	b->err = error_set(&b->error, -EINVAL, "%s%s%s; this is a fault of the collector",
			   b->table ? b->table->schema->name : "", b->table ? ": " : "", what);
}

static void out_of_memory(struct builder *b)
{
	if (!b->err)
		b->err = error_set(&b->error, -ENOMEM, "out of memory while sampling; the tick is incomplete");
}

static struct mirror *table_of(struct builder *b, uint32_t table)
{
	if (table >= b->collector_tables) {
		mistake(b, "a table number that was not declared");
		return NULL;
	}
	return &b->mirrors[b->first_table + table];
}

/* The clock of the table at work stops, that of the next one starts. */
static void time_table(struct builder *b, struct mirror *next)
{
	uint64_t now = cpu_ns();

	if (b->timed)
		b->timed->cost_ns += now - b->timed->begun_cpu_ns;
	if (next)
		next->begun_cpu_ns = now;
	b->timed = next;
}

static void op_table(struct culprit_frame *f, uint32_t table, uint64_t time_ns)
{
	struct builder *b = of(f);
	struct mirror *m = table_of(b, table);

	if (b->in_row)
		mistake(b, "a row was not ended");
	b->in_row = false;
	b->table = m;
	if (!m)
		return;
	time_table(b, m);
	if (m->begun)
		return; /* taken up again in the same sample: rows are added */
	m->begun = m->sampled = m->mentioned = true;
	m->state = CULPRIT_FRESH;
	m->lasting_state = 0;
	m->last_sample_ns = m->sample_ns;
	m->sample_ns = time_ns ? time_ns : b->mono_ns;
	if (!m->first_sample_ns)
		m->first_sample_ns = m->sample_ns;
	m->events_before = m->nevents;
}

static void op_state(struct culprit_frame *f, uint32_t table, uint32_t state, const char *reason)
{
	struct builder *b = of(f);
	struct mirror *m = table_of(b, table);

	if (!m)
		return;
	m->mentioned = true;
	m->state = state >= CULPRIT_FRESH && state <= CULPRIT_MISSING ? state : CULPRIT_FAILED;
	m->reason = reason && *reason ? dictwriter_text(b->dictionary, reason, strlen(reason)) : 0;
	/* A collector may have many tables: which one it is of stands before it. */
	if (reason && *reason && !b->remark[0])
		snprintf(b->remark, sizeof(b->remark), "%s: %s", m->schema->name, reason);
}

static void op_lost(struct culprit_frame *f, uint32_t table, uint64_t events)
{
	struct mirror *m = table_of(of(f), table);

	if (!m)
		return;
	m->mentioned = true;
	m->lost += events;
	of(f)->lost += events;
}

static void row_begin(struct builder *b)
{
	struct mirror *m = b->table;

	b->in_row = true;
	b->row_born = false;
	b->row_kept = 0;
	b->again = false;
	memset(m->row_put, 0, sizeof(m->row_put));
}

static void op_row(struct culprit_frame *f)
{
	struct builder *b = of(f);

	if (!b->table || b->in_row) {
		mistake(b, b->table ? "a row was not ended" : "a row outside a table");
		return;
	}
	row_begin(b);
}

static int op_again(struct culprit_frame *f, uint32_t handle)
{
	struct builder *b = of(f);
	struct mirror *m = b->table;

	if (!m || b->in_row) {
		mistake(b, m ? "a row was not ended" : "a row outside a table");
		return -EINVAL;
	}
	if (m->schema->kind != CULPRIT_STATE || handle >= m->nslots ||
	    (m->slots[handle].flags & (SLOT_LIVE | SLOT_GONE | SLOT_FOLD | SLOT_SEEN)) != SLOT_LIVE)
		return -ENOENT;
	row_begin(b);
	b->again = true;
	b->again_slot = handle;
	return 0;
}

static void op_born(struct culprit_frame *f)
{
	of(f)->row_born = true;
}

static void op_keep(struct culprit_frame *f, uint32_t group)
{
	struct builder *b = of(f);

	if (!b->table || !b->in_row || !b->again)
		mistake(b, "a group kept outside a row that was there before");
	else if (group < 8)
		b->row_kept |= (uint8_t)(1u << group);
}

static bool put_begins(struct builder *b, uint32_t column, const char *wrong)
{
	struct mirror *m = b->table;

	if (!m || !b->in_row) {
		mistake(b, "a cell outside a row");
		return false;
	}
	if (column >= m->ncolumns) {
		mistake(b, "a column number that was not declared");
		return false;
	}
	if (wrong) {
		mistake(b, wrong);
		return false;
	}
	return true;
}

static void put_cell(struct builder *b, uint32_t column, uint8_t state, uint64_t cell)
{
	struct mirror *m = b->table;

	m->row_cells[column] = cell;
	m->row_states[column] = state;
	mask_set(m->row_put, column);
}

static unsigned column_type(const struct builder *b, uint32_t column)
{
	return b->table && column < b->table->ncolumns ? b->table->schema->columns[column].type : 0;
}

static void op_put(struct culprit_frame *f, uint32_t column, uint64_t bits)
{
	struct builder *b = of(f);
	unsigned type = column_type(b, column);

	if (!put_begins(b, column, type >= CULPRIT_TEXT ? "a number in a column of another type" : NULL))
		return;
	if (type == CULPRIT_F64) {
		double v;

		memcpy(&v, &bits, sizeof(v));
		if (isnan(v)) {
			put_cell(b, column, FORMAT_CELL_ABSENT, 0);
			return;
		}
	}
	if (type == CULPRIT_U64 && b->table->schema->columns[column].flags & CULPRIT_THOUSANDS)
		bits = bits > CELLCODE_THOUSANDS_MAX ? CELLCODE_THOUSANDS_MAX : bits - bits % CELLCODE_THOUSAND;
	put_cell(b, column, FORMAT_CELL_OK, bits);
}

static void put_entry(struct builder *b, uint32_t column, uint64_t id)
{
	if (!id)
		out_of_memory(b);
	put_cell(b, column, id ? FORMAT_CELL_OK : FORMAT_CELL_ABSENT, id);
}

static void op_put_text(struct culprit_frame *f, uint32_t column, const void *bytes, size_t len)
{
	struct builder *b = of(f);

	if (put_begins(b, column, column_type(b, column) != CULPRIT_TEXT ? "a text in a column of another type" : NULL))
		put_entry(b, column, dictwriter_text(b->dictionary, bytes, len));
}

static void op_put_histogram(struct culprit_frame *f, uint32_t column, const uint64_t *counts, uint32_t n)
{
	struct builder *b = of(f);
	struct mirror *m = b->table;
	const struct schema_column *c;

	if (!put_begins(b, column,
			column_type(b, column) != CULPRIT_HIST ? "a histogram in a column of another type" : NULL))
		return;
	c = &m->schema->columns[column];
	if (n != c->bounds.count) {
		mistake(b, "a histogram with another number of slots than declared");
		return;
	}
	memcpy(m->row_counts + m->count_at[c->hist], counts, n * sizeof(*counts));
	put_cell(b, column, FORMAT_CELL_OK, 0);
}

static void op_put_stack(struct culprit_frame *f, uint32_t column, const struct culprit_location *frames, uint32_t n)
{
	struct builder *b = of(f);

	if (put_begins(b, column, column_type(b, column) != CULPRIT_STACK ? "a stack in a column of another type" : NULL))
		put_entry(b, column, dictwriter_stack(b->dictionary, frames, n));
}

static void op_put_code(struct culprit_frame *f, uint32_t column, const struct culprit_code *frames, uint32_t n)
{
	struct builder *b = of(f);

	if (put_begins(b, column, column_type(b, column) != CULPRIT_STACK ? "a stack in a column of another type" : NULL))
		put_entry(b, column, dictwriter_code(b->dictionary, frames, n));
}

void builder_set_symbols(struct builder *b, struct symbols *symbols)
{
	dictwriter_set_symbols(b->dictionary, symbols);
}

static void op_put_task(struct culprit_frame *f, uint32_t column, uint64_t tid, uint64_t start_ticks)
{
	struct builder *b = of(f);

	if (put_begins(b, column, column_type(b, column) != CULPRIT_TASK ? "a task in a column of another type" : NULL))
		put_entry(b, column, dictwriter_task(b->dictionary, tid, start_ticks));
}

static void op_unread(struct culprit_frame *f, uint32_t column, const char *reason)
{
	struct builder *b = of(f);
	uint64_t id;

	if (!put_begins(b, column, NULL))
		return;
	if (!reason || !*reason)
		reason = "could not be read";
	id = dictwriter_text(b->dictionary, reason, strlen(reason));
	put_cell(b, column, id ? FORMAT_CELL_UNREAD : FORMAT_CELL_ABSENT, id);
}

/* An event is a row of the frame alone. */
static void event_end(struct builder *b)
{
	struct mirror *m = b->table;
	size_t n = m->ncolumns;

	if (m->nevents == m->events_cap) {
		uint32_t cap = m->events_cap ? m->events_cap * 2 : 64;
		uint64_t *cells;
		uint8_t *states;

		if (cap > FORMAT_EVENTS_MAX) {
			m->lost++;
			b->lost++;
			return;
		}
		cells = realloc(m->event_cells, cap * n * sizeof(*cells));
		if (cells)
			m->event_cells = cells;
		states = realloc(m->event_states, cap * n);
		if (states)
			m->event_states = states;
		if (!cells || !states) {
			out_of_memory(b);
			return;
		}
		m->events_cap = cap;
	}
	for (uint32_t c = 0; c < n; c++) {
		bool put = mask_has(m->row_put, c);

		m->event_states[m->nevents * n + c] = put ? m->row_states[c] : FORMAT_CELL_ABSENT;
		m->event_cells[m->nevents * n + c] = put ? m->row_cells[c] : 0;
	}
	m->nevents++;
}

static uint32_t state_row_end(struct builder *b)
{
	struct mirror *m = b->table;
	uint32_t slot = b->again ? b->again_slot : UINT32_MAX;
	struct slot *s;

	if (!b->again) {
		for (uint32_t i = 0; i < m->schema->nkeys; i++) {
			uint32_t c = m->schema->keys[i];

			if (!mask_has(m->row_put, c) || m->row_states[c] != FORMAT_CELL_OK) {
				mistake(b, "a row without its key");
				return CULPRIT_NO_HANDLE;
			}
		}
		slot = mirror_find(m, m->row_cells);
	}
	if (slot != UINT32_MAX && (m->slots[slot].flags & SLOT_SEEN))
		return CULPRIT_NO_HANDLE; /* the same key twice: the first one counts */
	if (slot == UINT32_MAX) {
		slot = mirror_take(m, m->row_cells);
		if (slot == UINT32_MAX) {
			out_of_memory(b);
			return CULPRIT_NO_HANDLE;
		}
		if (b->row_born) {
			m->slots[slot].flags |= SLOT_BORN;
			if (m->last_sample_ns && grid_set(&m->grid, slot, m->columns.since, m->last_sample_ns))
				out_of_memory(b);
		}
	}
	s = &m->slots[slot];
	mirror_merge(m, slot, b->again, b->row_kept);
	s->idle = s->flags & SLOT_TOUCHED ? 0 : (uint16_t)(s->idle + (s->idle < UINT16_MAX));
	return slot;
}

static uint32_t op_end(struct culprit_frame *f)
{
	struct builder *b = of(f);

	if (!b->table || !b->in_row) {
		mistake(b, "a row that ends without having begun");
		return CULPRIT_NO_HANDLE;
	}
	b->in_row = false;
	if (b->table->schema->kind == CULPRIT_STATE)
		return state_row_end(b);
	event_end(b);
	return CULPRIT_NO_HANDLE;
}

static const struct culprit_frame_ops builder_ops = {
	.size = sizeof(struct culprit_frame_ops),
	.table = op_table,
	.state = op_state,
	.lost = op_lost,
	.row = op_row,
	.again = op_again,
	.end = op_end,
	.born = op_born,
	.put = op_put,
	.put_text = op_put_text,
	.put_histogram = op_put_histogram,
	.put_stack = op_put_stack,
	.put_task = op_put_task,
	.unread = op_unread,
	.put_code = op_put_code,
	.keep = op_keep,
};

struct builder *builder_create(struct schema *schema)
{
	struct builder *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->frame.ops = &builder_ops;
	wbuf_init(&b->body);
	wbuf_init(&b->rows);
	b->dictionary = dictwriter_create();
	b->summarizer = summarizer_create();
	if (!b->dictionary || !b->summarizer || builder_grow(b, schema)) {
		builder_destroy(b);
		return NULL;
	}
	dictwriter_begin_segment(b->dictionary);
	return b;
}

void builder_destroy(struct builder *b)
{
	if (!b)
		return;
	for (uint32_t i = 0; i < b->ntables; i++)
		mirror_finish(&b->mirrors[i]);
	free(b->mirrors);
	dictwriter_destroy(b->dictionary);
	summarizer_destroy(b->summarizer);
	schema_unlock(b->schema);
	wbuf_finish(&b->body);
	wbuf_finish(&b->rows);
	free(b->order);
	free(b->numbers);
	free(b->changes);
	free(b->patterns);
	free(b);
}

int builder_grow(struct builder *b, struct schema *schema)
{
	struct mirror *mirrors;

	if (schema->ntables < b->ntables)
		return -EINVAL;
	mirrors = realloc(b->mirrors, (schema->ntables + 1) * sizeof(*mirrors));
	if (!mirrors)
		return -ENOMEM;
	b->mirrors = mirrors;
	for (uint32_t i = 0; i < b->ntables; i++)
		mirrors[i].schema = schema->tables[i];
	for (uint32_t i = b->ntables; i < schema->ntables; i++) {
		if (mirror_init(&mirrors[i], schema->tables[i]))
			return -ENOMEM;
		b->ntables++;
	}
	schema_lock(schema);
	schema_unlock(b->schema);
	b->schema = schema;
	return 0;
}

void builder_set_row_budget(struct builder *b, uint64_t rows)
{
	b->row_budget = rows;
}

uint64_t builder_folded(const struct builder *b)
{
	return b->folded;
}

void builder_begin(struct builder *b, uint64_t mono_ns, int64_t wall_ns)
{
	b->mono_ns = mono_ns;
	b->wall_ns = wall_ns;
	b->table = b->timed = NULL;
	b->in_row = false;
}

void builder_times(const struct builder *b, uint64_t *ret_mono_ns, int64_t *ret_wall_ns)
{
	*ret_mono_ns = b->mono_ns;
	*ret_wall_ns = b->wall_ns;
}

struct culprit_frame *builder_frame(struct builder *b, uint32_t first_table, uint32_t ntables)
{
	b->first_table = first_table;
	b->collector_tables =
		first_table <= b->ntables && ntables <= b->ntables - first_table ? ntables : 0;
	b->table = b->timed = NULL;
	b->in_row = false;
	b->err = 0;
	b->remark[0] = '\0';
	return &b->frame;
}

const char *builder_remark(const struct builder *b)
{
	return b->remark;
}

bool builder_all_failed(const struct builder *b)
{
	for (uint32_t i = 0; i < b->collector_tables; i++) {
		if (!b->mirrors[b->first_table + i].mentioned || b->mirrors[b->first_table + i].state != CULPRIT_FAILED)
			return false;
	}
	return b->collector_tables > 0;
}

static void table_failed(struct builder *b, struct mirror *m, const char *reason)
{
	mirror_rollback(m);
	if (m->begun)
		m->sample_ns = m->last_sample_ns;
	m->sampled = false;
	m->mentioned = true;
	m->state = CULPRIT_FAILED;
	m->reason = dictwriter_text(b->dictionary, reason, strlen(reason));
}

int builder_frame_end(struct builder *b, int result, const char *reason, uint64_t cost, uint32_t thinning,
		      struct culprit_error *error)
{
	uint64_t timed = 0;
	int r;

	if (b->in_row)
		mistake(b, "a row was not ended");
	time_table(b, NULL);
	if (b->err)
		reason = b->error.sentence;
	r = b->err ? b->err : result;
	for (uint32_t i = 0; i < b->collector_tables; i++)
		timed += b->mirrors[b->first_table + i].cost_ns;
	for (uint32_t i = 0; i < b->collector_tables; i++) {
		struct mirror *m = &b->mirrors[b->first_table + i];

		m->thinning = thinning ? thinning : 1;
		m->cost_ns = timed ? (uint64_t)((double)cost * (double)m->cost_ns / (double)timed)
				   : cost / b->collector_tables;
		if (r) {
			table_failed(b, m, reason ? reason : "sampling failed");
			continue;
		}
		if (m->begun && m->state != CULPRIT_FRESH) {
			mirror_rollback(m);
			m->sample_ns = m->last_sample_ns;
			m->sampled = false;
		}
		if (!m->sampled || m->schema->kind != CULPRIT_STATE)
			continue;
		for (uint32_t s = 0; s < m->nslots; s++) {
			if ((m->slots[s].flags & (SLOT_LIVE | SLOT_SEEN | SLOT_FOLD)) == SLOT_LIVE)
				mirror_end(m, s);
		}
		if (m->schema->fold_by >= 0 && builder_fold(b, m))
			r = -ENOMEM;
	}
	b->table = NULL;
	if (b->err && error)
		*error = b->error;
	return r;
}

void builder_skip(struct builder *b, uint32_t table, uint32_t state, const char *reason)
{
	struct mirror *m;
	uint64_t id;

	if (table >= b->ntables)
		return;
	m = &b->mirrors[table];
	id = reason && *reason ? dictwriter_text(b->dictionary, reason, strlen(reason)) : 0;
	m->sampled = false;
	/* A table that only rests is not mentioned: that it isn't there says so. */
	if (state == CULPRIT_RESTING && !id) {
		m->lasting_state = 0;
		return;
	}
	if (m->lasting_state == state && m->lasting_reason == id)
		return;
	m->mentioned = true;
	m->state = m->lasting_state = state;
	m->reason = m->lasting_reason = id;
}

uint64_t builder_rows(const struct builder *b, uint32_t table)
{
	return table < b->ntables ? b->mirrors[table].live : 0;
}

uint64_t builder_rows_all(const struct builder *b)
{
	uint64_t rows = 0;

	for (uint32_t i = 0; i < b->ntables; i++)
		rows += b->mirrors[i].live;
	return rows;
}

uint64_t builder_lost(const struct builder *b)
{
	return b->lost;
}

size_t builder_memory(const struct builder *b)
{
	size_t n = sizeof(*b) + dictwriter_memory(b->dictionary) + summarizer_memory(b->summarizer) + b->body.cap + b->rows.cap + b->order_cap * 12;

	for (uint32_t i = 0; i < b->ntables; i++)
		n += mirror_memory(&b->mirrors[i]);
	return n;
}
