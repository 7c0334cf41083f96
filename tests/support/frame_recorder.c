#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/frame_recorder.h"

struct recorder {
	struct culprit_frame frame; /* first */
	const struct culprit_collector *collector;
	struct recorded_table tables[32];
	uint32_t table; /* current; UINT32_MAX: none */
	bool in_row, in_sample;
	struct recorded_row row; /* under construction */
	char misuse[256];
};

static void misuse(struct recorder *r, const char *format, ...)
{
	va_list ap;

	if (r->misuse[0])
		return;
	va_start(ap, format);
	vsnprintf(r->misuse, sizeof(r->misuse), format, ap);
	va_end(ap);
}

static const struct culprit_column *column_at(const struct culprit_table *t, uint32_t i)
{
	return (const struct culprit_column *)((const char *)t->columns + i * t->column_size);
}

static void cell_clear(struct recorded_cell *c)
{
	free(c->text);
	memset(c, 0, sizeof(*c));
}

static void row_free(struct recorded_row *row, uint32_t ncolumns)
{
	for (uint32_t i = 0; row->cells && i < ncolumns; i++)
		free(row->cells[i].text);
	free(row->cells);
	row->cells = NULL;
}

static void rows_free(struct recorded_row *rows, size_t n, uint32_t ncolumns)
{
	for (size_t i = 0; i < n; i++)
		row_free(&rows[i], ncolumns);
	free(rows);
}

static void cell_set(struct recorded_cell *c, uint8_t state, uint64_t bits, const void *text, size_t len)
{
	cell_clear(c);
	c->state = state;
	c->bits = bits;
	if (text) {
		c->text = malloc(len + 1);
		CHECK(c->text);
		memcpy(c->text, text, len);
		c->text[len] = 0;
		c->len = len;
	}
}

static void op_table(struct culprit_frame *f, uint32_t table, uint64_t time_ns)
{
	struct recorder *r = (struct recorder *)f;

	if (r->in_row)
		misuse(r, "table %u begins inside a row", table);
	if (table >= r->collector->ntables) {
		misuse(r, "no table number %u", table);
		r->table = UINT32_MAX;
		return;
	}
	if (r->tables[table].sampled)
		misuse(r, "table %s begins twice", r->tables[table].table->name);
	r->table = table;
	r->tables[table].sampled = true;
	r->tables[table].time_ns = time_ns;
}

static void op_state(struct culprit_frame *f, uint32_t table, uint32_t state, const char *reason)
{
	struct recorder *r = (struct recorder *)f;

	if (table >= r->collector->ntables) {
		misuse(r, "state of table number %u, which is not there", table);
		return;
	}
	if (state < CULPRIT_FRESH || state > CULPRIT_MISSING)
		misuse(r, "state %u of table %s", state, r->tables[table].table->name);
	/* A fresh table may carry a remark: what it could not show. */
	if (state != CULPRIT_FRESH && !reason)
		misuse(r, "state %u of table %s without a reason", state, r->tables[table].table->name);
	r->tables[table].state = state;
	snprintf(r->tables[table].reason, sizeof(r->tables[table].reason), "%s", reason ? reason : "");
}

static void op_lost(struct culprit_frame *f, uint32_t table, uint64_t events)
{
	struct recorder *r = (struct recorder *)f;

	if (table >= r->collector->ntables)
		misuse(r, "lost events of table number %u, which is not there", table);
	else
		r->tables[table].lost += events;
}

static void row_begin(struct recorder *r)
{
	if (r->table == UINT32_MAX) {
		misuse(r, "row outside a table");
		return;
	}
	if (r->in_row) {
		misuse(r, "row inside a row of %s", r->tables[r->table].table->name);
		row_free(&r->row, r->tables[r->table].table->ncolumns);
	}
	memset(&r->row, 0, sizeof(r->row));
	r->row.cells = calloc(r->tables[r->table].table->ncolumns, sizeof(*r->row.cells));
	CHECK(r->row.cells);
	r->in_row = true;
}

static void op_row(struct culprit_frame *f)
{
	row_begin((struct recorder *)f);
}

static int op_again(struct culprit_frame *f, uint32_t handle)
{
	struct recorder *r = (struct recorder *)f;
	struct recorded_table *t;

	if (r->table == UINT32_MAX) {
		misuse(r, "again outside a table");
		return -ENOENT;
	}
	t = &r->tables[r->table];
	if (handle >= t->nold)
		return -ENOENT;
	row_begin(r);
	r->row.again = true;
	for (uint32_t i = 0; i < t->table->ncolumns; i++) {
		const struct recorded_cell *c = &t->old[handle].cells[i];

		cell_set(&r->row.cells[i], c->state, c->bits, c->text, c->len);
	}
	return 0;
}

static void op_keep(struct culprit_frame *f, uint32_t group)
{
	struct recorder *r = (struct recorder *)f;

	if (!r->in_row || !r->row.again)
		misuse(r, "a group kept outside a row that was there before");
	if (group == 0 || group > 7)
		misuse(r, "group %u kept", group);
}

static uint64_t key_hash(const struct culprit_table *t, const struct recorded_row *row)
{
	uint64_t h = 1469598103934665603ull;

	for (uint32_t i = 0; i < t->ncolumns; i++) {
		const struct recorded_cell *c = &row->cells[i];

		if (column_at(t, i)->role != CULPRIT_KEY)
			continue;
		for (size_t k = 0; k < 8; k++)
			h = (h ^ (c->bits >> (8 * k) & 0xff)) * 1099511628211ull;
		for (size_t k = 0; k < c->len; k++)
			h = (h ^ (uint8_t)c->text[k]) * 1099511628211ull;
	}
	return h;
}

static bool key_equal(const struct culprit_table *t, const struct recorded_row *a, const struct recorded_row *b)
{
	if (a->hash != b->hash)
		return false;
	for (uint32_t i = 0; i < t->ncolumns; i++) {
		const struct recorded_cell *x = &a->cells[i], *y = &b->cells[i];

		if (column_at(t, i)->role != CULPRIT_KEY)
			continue;
		if (x->bits != y->bits || x->len != y->len || (x->len && memcmp(x->text, y->text, x->len)))
			return false;
	}
	return true;
}

static uint32_t op_end(struct culprit_frame *f)
{
	struct recorder *r = (struct recorder *)f;
	struct recorded_table *t;

	if (!r->in_row) {
		misuse(r, "end outside a row");
		return CULPRIT_NO_HANDLE;
	}
	t = &r->tables[r->table];
	r->in_row = false;
	for (uint32_t i = 0; i < t->table->ncolumns; i++)
		if (column_at(t->table, i)->role == CULPRIT_KEY && r->row.cells[i].state != RECORDED_VALUE)
			misuse(r, "a row of %s has no key column %s", t->table->name, column_at(t->table, i)->name);
	if (t->nrows == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 16;
		t->rows = realloc(t->rows, t->cap * sizeof(*t->rows));
		CHECK(t->rows);
	}
	r->row.hash = key_hash(t->table, &r->row);
	t->rows[t->nrows++] = r->row;
	return t->table->kind == CULPRIT_EVENT ? CULPRIT_NO_HANDLE : (uint32_t)t->nrows - 1;
}

static void op_born(struct culprit_frame *f)
{
	struct recorder *r = (struct recorder *)f;

	if (!r->in_row)
		misuse(r, "born outside a row");
	r->row.born = true;
}

static struct recorded_cell *put(struct culprit_frame *f, uint32_t column, const char *how, unsigned types)
{
	struct recorder *r = (struct recorder *)f;
	const struct culprit_table *t;

	if (!r->in_row) {
		misuse(r, "%s outside a row", how);
		return NULL;
	}
	t = r->tables[r->table].table;
	if (column >= t->ncolumns) {
		misuse(r, "%s: %s has no column number %u", how, t->name, column);
		return NULL;
	}
	if (types && !(types >> column_at(t, column)->type & 1)) {
		misuse(r, "%s: column %s of %s has another type", how, column_at(t, column)->name, t->name);
		return NULL;
	}
	return &r->row.cells[column];
}

static void op_put(struct culprit_frame *f, uint32_t column, uint64_t bits)
{
	const unsigned types = 1u << CULPRIT_I64 | 1u << CULPRIT_U64 | 1u << CULPRIT_F64 | 1u << CULPRIT_BOOL;
	struct recorded_cell *c = put(f, column, "put", types);

	if (c)
		cell_set(c, RECORDED_VALUE, bits, NULL, 0);
}

static void op_put_text(struct culprit_frame *f, uint32_t column, const void *bytes, size_t len)
{
	struct recorded_cell *c = put(f, column, "put_text", 1u << CULPRIT_TEXT);

	if (c)
		cell_set(c, RECORDED_VALUE, 0, len ? bytes : "", len < 65536 ? len : 65536);
}

static void op_put_histogram(struct culprit_frame *f, uint32_t column, const uint64_t *counts, uint32_t n)
{
	struct recorded_cell *c = put(f, column, "put_histogram", 1u << CULPRIT_HIST);

	if (c)
		cell_set(c, RECORDED_VALUE, n, counts, n * sizeof(*counts));
}

static void op_put_stack(struct culprit_frame *f, uint32_t column, const struct culprit_location *frames, uint32_t n)
{
	struct recorded_cell *c = put(f, column, "put_stack", 1u << CULPRIT_STACK);

	(void)frames;
	if (c)
		cell_set(c, RECORDED_VALUE, n, NULL, 0);
}

static void op_put_code(struct culprit_frame *f, uint32_t column, const struct culprit_code *frames, uint32_t n)
{
	struct recorded_cell *c = put(f, column, "put_code", 1u << CULPRIT_STACK);

	if (c)
		cell_set(c, RECORDED_VALUE, n, frames, n * sizeof(*frames));
}

static void op_put_task(struct culprit_frame *f, uint32_t column, uint64_t tid, uint64_t start)
{
	struct recorded_cell *c = put(f, column, "put_task", 1u << CULPRIT_TASK);

	if (c)
		cell_set(c, RECORDED_VALUE, tid, &start, sizeof(start));
}

static void op_unread(struct culprit_frame *f, uint32_t column, const char *reason)
{
	struct recorded_cell *c = put(f, column, "unread", 0);

	if (!reason || !*reason)
		misuse((struct recorder *)f, "unread without a reason");
	else if (c)
		cell_set(c, RECORDED_UNREAD, 0, reason, strlen(reason));
}

static const struct culprit_frame_ops recorder_ops = {
	.size = sizeof(recorder_ops),
	.table = op_table,
	.state = op_state,
	.lost = op_lost,
	.row = op_row,
	.again = op_again,
	.keep = op_keep,
	.end = op_end,
	.born = op_born,
	.put = op_put,
	.put_text = op_put_text,
	.put_histogram = op_put_histogram,
	.put_stack = op_put_stack,
	.put_task = op_put_task,
	.unread = op_unread,
	.put_code = op_put_code,
};

struct recorder *recorder_create(const struct culprit_collector *collector)
{
	struct recorder *r = calloc(1, sizeof(*r));

	CHECK(r);
	CHECK(collector->ntables <= 32);
	r->frame.ops = &recorder_ops;
	r->collector = collector;
	r->table = UINT32_MAX;
	for (uint32_t i = 0; i < collector->ntables; i++) {
		r->tables[i].table = collector->tables[i];
		r->tables[i].state = CULPRIT_FRESH;
	}
	return r;
}

void recorder_destroy(struct recorder *r)
{
	if (!r)
		return;
	for (uint32_t i = 0; i < r->collector->ntables; i++) {
		struct recorded_table *t = &r->tables[i];

		rows_free(t->rows, t->nrows, t->table->ncolumns);
		rows_free(t->old, t->nold, t->table->ncolumns);
	}
	free(r);
}

struct culprit_frame *recorder_begin(struct recorder *r)
{
	if (r->in_sample)
		misuse(r, "a sample begins inside a sample");
	r->in_sample = true;
	r->table = UINT32_MAX;
	for (uint32_t i = 0; i < r->collector->ntables; i++) {
		struct recorded_table *t = &r->tables[i];

		/* Rows of a sample that was not fresh were dropped: the ones before stay. */
		if (t->state == CULPRIT_FRESH && t->sampled) {
			rows_free(t->old, t->nold, t->table->ncolumns);
			t->old = t->rows;
			t->nold = t->nrows;
		} else {
			rows_free(t->rows, t->nrows, t->table->ncolumns);
		}
		t->rows = NULL;
		t->nrows = t->cap = t->ended = 0;
		t->sampled = false;
		t->state = CULPRIT_FRESH;
		t->lost = t->time_ns = 0;
		t->reason[0] = 0;
	}
	return &r->frame;
}

/* Position of the row in `rows`, looking first at `hint`, or n. */
static size_t row_search(const struct culprit_table *t, const struct recorded_row *rows, size_t n,
			 const struct recorded_row *row, size_t hint)
{
	for (size_t k = 0; k < n; k++) {
		size_t i = hint + k < n ? hint + k : hint + k - n;

		if (key_equal(t, &rows[i], row))
			return i;
	}
	return n;
}

static void key_print(const struct culprit_table *t, const struct recorded_row *row, char *buf, size_t cap)
{
	size_t n = 0;

	buf[0] = 0;
	for (uint32_t c = 0; c < t->ncolumns && n < cap; c++) {
		const struct culprit_column *column = column_at(t, c);
		const char *blank = n ? " " : "";

		if (column->role != CULPRIT_KEY)
			continue;
		if (column->type == CULPRIT_TEXT)
			n += (size_t)snprintf(buf + n, cap - n, "%s%s", blank, row->cells[c].text);
		else if (column->type == CULPRIT_I64)
			n += (size_t)snprintf(buf + n, cap - n, "%s%lld", blank, (long long)row->cells[c].bits);
		else
			n += (size_t)snprintf(buf + n, cap - n, "%s%llu", blank, (unsigned long long)row->cells[c].bits);
	}
}

static void carry_over(struct recorder *r, struct recorded_table *t)
{
	size_t hint = 0, matched = 0;

	for (size_t i = 0; i < t->nrows; i++) {
		uint8_t put_groups = 0;
		char key[256];
		size_t at;

		for (size_t k = i + 1; k < t->nrows && t->nrows < 3000; k++) {
			if (!key_equal(t->table, &t->rows[i], &t->rows[k]))
				continue;
			key_print(t->table, &t->rows[i], key, sizeof(key));
			misuse(r, "two rows of %s with one key: %s", t->table->name, key);
		}
		at = row_search(t->table, t->old, t->nold, &t->rows[i], hint < t->nold ? hint : 0);
		if (at == t->nold)
			continue;
		matched++;
		hint = at + 1;
		for (uint32_t c = 0; c < t->table->ncolumns; c++)
			if (t->rows[i].cells[c].state != RECORDED_ABSENT && !t->rows[i].again)
				put_groups |= (uint8_t)(1u << column_at(t->table, c)->group);
		for (uint32_t c = 0; c < t->table->ncolumns; c++) {
			const struct recorded_cell *o = &t->old[at].cells[c];
			uint8_t group = column_at(t->table, c)->group;

			if (group && !(put_groups >> group & 1) && !t->rows[i].again) {
				cell_set(&t->rows[i].cells[c], o->state, o->bits, o->text, o->len);
				t->rows[i].cells[c].kept = true;
			}
		}
	}
	t->ended = t->nold - matched;
}

void recorder_end(struct recorder *r, int result)
{
	if (r->in_row) {
		misuse(r, "the sample ends inside a row");
		row_free(&r->row, r->tables[r->table].table->ncolumns);
		r->in_row = false;
	}
	r->in_sample = false;
	for (uint32_t i = 0; i < r->collector->ntables; i++) {
		if (result < 0)
			r->tables[i].state = CULPRIT_FAILED;
		if (r->tables[i].state == CULPRIT_FRESH && r->tables[i].table->kind == CULPRIT_STATE &&
		    r->tables[i].sampled)
			carry_over(r, &r->tables[i]);
	}
}

int recorder_sample(struct recorder *r, void *self)
{
	int result = r->collector->sample(self, recorder_begin(r));

	recorder_end(r, result);
	return result;
}

const char *recorder_misuse(const struct recorder *r)
{
	return r->misuse[0] ? r->misuse : NULL;
}

const struct recorded_table *recorder_table(const struct recorder *r, const char *table)
{
	for (uint32_t i = 0; i < r->collector->ntables; i++)
		if (strcmp(r->tables[i].table->name, table) == 0)
			return &r->tables[i];
	check_fail("collector %s has no table %s", r->collector->name, table);
	return NULL;
}

size_t recorder_rows(const struct recorder *r, const char *table)
{
	return recorder_table(r, table)->nrows;
}

const struct recorded_row *recorder_find(const struct recorder *r, const char *table, const char *key)
{
	const struct recorded_table *t = recorder_table(r, table);
	char buf[8192];

	for (size_t i = 0; i < t->nrows; i++) {
		key_print(t->table, &t->rows[i], buf, sizeof(buf));
		if (strcmp(buf, key) == 0)
			return &t->rows[i];
	}
	return NULL;
}

const struct recorded_cell *recorder_cell(const struct recorder *r, const char *table, const struct recorded_row *row,
					  const char *column)
{
	const struct recorded_table *t = recorder_table(r, table);

	if (!row)
		check_fail("no such row of %s (column %s)", table, column);
	for (uint32_t i = 0; i < t->table->ncolumns; i++)
		if (strcmp(column_at(t->table, i)->name, column) == 0)
			return &row->cells[i];
	check_fail("table %s has no column %s", table, column);
	return NULL;
}

bool recorder_has(const struct recorder *r, const char *table, const struct recorded_row *row, const char *column)
{
	return recorder_cell(r, table, row, column)->state == RECORDED_VALUE;
}

static const struct recorded_cell *value(const struct recorder *r, const char *table, const struct recorded_row *row,
					 const char *column, unsigned types)
{
	const struct recorded_cell *c = recorder_cell(r, table, row, column);
	const struct culprit_table *t = recorder_table(r, table)->table;

	if (c->state != RECORDED_VALUE)
		check_fail("%s.%s holds no value: %s", table, column, c->text ? c->text : "absent");
	if (!(types >> column_at(t, (uint32_t)(c - row->cells))->type & 1))
		check_fail("%s.%s has another type than the test asks for", table, column);
	return c;
}

uint64_t recorder_u64(const struct recorder *r, const char *table, const struct recorded_row *row, const char *column)
{
	return value(r, table, row, column, 1u << CULPRIT_I64 | 1u << CULPRIT_U64 | 1u << CULPRIT_BOOL)->bits;
}

double recorder_f64(const struct recorder *r, const char *table, const struct recorded_row *row, const char *column)
{
	double d;

	memcpy(&d, &value(r, table, row, column, 1u << CULPRIT_F64)->bits, sizeof(d));
	return d;
}

const char *recorder_text(const struct recorder *r, const char *table, const struct recorded_row *row,
			  const char *column)
{
	return value(r, table, row, column, 1u << CULPRIT_TEXT)->text;
}

static bool name_known(const struct culprit_table *t, const char *name, size_t len, bool derived_too)
{
	for (uint32_t i = 0; i < t->ncolumns; i++)
		if (strlen(column_at(t, i)->name) == len && memcmp(column_at(t, i)->name, name, len) == 0)
			return true;
	for (uint32_t i = 0; derived_too && i < t->nderived; i++)
		if (strlen(t->derived[i].name) == len && memcmp(t->derived[i].name, name, len) == 0)
			return true;
	return false;
}

static void check_names(const struct culprit_table *t, const char *what, const char *list, const char *separators,
			bool derived_too)
{
	while (*list) {
		size_t n = strcspn(list, separators);

		if (!name_known(t, list, n, derived_too))
			check_fail("table %s: %s names %.*s, which is not there", t->name, what, (int)n, list);
		list += n + strspn(list + n, separators);
	}
}

void recorder_check_schema(const struct culprit_collector *collector)
{
	CHECK(collector->size == sizeof(*collector));
	CHECK(collector->abi == CULPRIT_ABI_VERSION);
	CHECK(collector->name && collector->help && collector->sample);
	for (uint32_t i = 0; i < collector->ntables; i++) {
		const struct culprit_table *t = collector->tables[i];

		if (!t->name || !t->help || !t->show || !t->columns || t->ncolumns > 128)
			check_fail("table %u of %s lacks name, help or show", i, collector->name);
		CHECK(t->size == sizeof(*t));
		CHECK(t->column_size == sizeof(struct culprit_column));
		if (t->sort)
			check_names(t, "sort", t->sort, " ", true);
		check_names(t, "show", t->show, " ", true);
		for (uint32_t c = 0; c < t->ncolumns; c++) {
			const struct culprit_column *column = column_at(t, c);

			/* What core makes by folding rows comes from no file. */
			bool made = t->fold_count && column->name && strcmp(column->name, t->fold_count) == 0;

			if (!column->name || !column->help || (!column->source && !made) || !column->role || !column->type ||
			    !column->unit || column->group > 7)
				check_fail("table %s, column %u: something is missing", t->name, c);
			for (uint32_t k = 0; k < c; k++)
				CHECK(strcmp(column->name, column_at(t, k)->name) != 0);
		}
		for (uint32_t d = 0; d < t->nderived; d++) {
			const struct culprit_derived *v = &t->derived[d];

			if (!v->name || !v->help || !v->op || !v->unit || !v->a)
				check_fail("table %s, derived %u: something is missing", t->name, d);
			if (name_known(t, v->name, strlen(v->name), false))
				check_fail("table %s: derived %s is also a raw column", t->name, v->name);
			check_names(t, v->name, v->a, "+-", false);
			if (v->b)
				check_names(t, v->name, v->b, "+-", false);
		}
	}
}

void recorder_print(const struct recorder *r)
{
	for (uint32_t i = 0; i < r->collector->ntables; i++) {
		const struct recorded_table *t = &r->tables[i];

		printf("table %s: %zu rows, %zu ended, state %u %s\n", t->table->name, t->nrows, t->ended, t->state,
		       t->reason);
		for (size_t k = 0; k < t->nrows; k++) {
			char key[256];

			key_print(t->table, &t->rows[k], key, sizeof(key));
			printf("  [%s]%s", key, t->rows[k].born ? " born" : "");
			for (uint32_t c = 0; c < t->table->ncolumns; c++) {
				const struct recorded_cell *cell = &t->rows[k].cells[c];
				const struct culprit_column *column = column_at(t->table, c);
				double d;

				memcpy(&d, &cell->bits, sizeof(d));
				if (cell->state == RECORDED_ABSENT || column->role == CULPRIT_KEY)
					continue;
				if (cell->state == RECORDED_UNREAD)
					printf(" %s=?(%s)", column->name, cell->text);
				else if (column->type == CULPRIT_TEXT)
					printf(" %s=\"%s\"", column->name, cell->text);
				else if (column->type == CULPRIT_F64)
					printf(" %s=%g", column->name, d);
				else
					printf(" %s=%lld", column->name, (long long)cell->bits);
			}
			printf("\n");
		}
	}
}

static void null_table(struct culprit_frame *f, uint32_t t, uint64_t ns)
{
	(void)f, (void)t, (void)ns;
}

static void null_state(struct culprit_frame *f, uint32_t t, uint32_t state, const char *reason)
{
	(void)f, (void)t, (void)state, (void)reason;
}

static void null_lost(struct culprit_frame *f, uint32_t t, uint64_t n)
{
	(void)f, (void)t, (void)n;
}

static void null_row(struct culprit_frame *f)
{
	(void)f;
}

static int null_again(struct culprit_frame *f, uint32_t handle)
{
	(void)f, (void)handle;
	return 0;
}

static uint32_t null_end(struct culprit_frame *f)
{
	(void)f;
	return 0;
}

static void null_put(struct culprit_frame *f, uint32_t c, uint64_t v)
{
	(void)f, (void)c, (void)v;
}

static void null_text(struct culprit_frame *f, uint32_t c, const void *bytes, size_t n)
{
	(void)f, (void)c, (void)bytes, (void)n;
}

static void null_histogram(struct culprit_frame *f, uint32_t c, const uint64_t *counts, uint32_t n)
{
	(void)f, (void)c, (void)counts, (void)n;
}

static void null_stack(struct culprit_frame *f, uint32_t c, const struct culprit_location *l, uint32_t n)
{
	(void)f, (void)c, (void)l, (void)n;
}

static void null_code(struct culprit_frame *f, uint32_t c, const struct culprit_code *code, uint32_t n)
{
	(void)f, (void)c, (void)code, (void)n;
}

static void null_task(struct culprit_frame *f, uint32_t c, uint64_t tid, uint64_t start)
{
	(void)f, (void)c, (void)tid, (void)start;
}

static void null_unread(struct culprit_frame *f, uint32_t c, const char *reason)
{
	(void)f, (void)c, (void)reason;
}

struct culprit_frame recorder_null_frame(void)
{
	static const struct culprit_frame_ops ops = {
		.size = sizeof(ops),
		.table = null_table,
		.state = null_state,
		.lost = null_lost,
		.row = null_row,
		.again = null_again,
		.end = null_end,
		.born = null_row,
		.put = null_put,
		.put_text = null_text,
		.put_histogram = null_histogram,
		.put_stack = null_stack,
		.put_task = null_task,
		.unread = null_unread,
		.put_code = null_code,
	};

	return (struct culprit_frame){&ops};
}
