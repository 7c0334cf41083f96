#include "schema.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

/* Smallest sizes ever published: a struct below them is not one of ours. */
enum {
	TABLE_SIZE_V1 = offsetof(struct culprit_table, show) + sizeof(const char *),
	COLUMN_SIZE_V1 = offsetof(struct culprit_column, bounds) + sizeof(void *),
	DERIVED_SIZE_V1 = offsetof(struct culprit_derived, help) + sizeof(const char *),
	ROLLUP_SIZE_V1 = offsetof(struct culprit_rollup, help) + sizeof(const char *),
	ELEMENT_SIZE_MAX = 4096,
};

/* All memory of a schema: freed as a whole. Some thousand texts and arrays of a few bytes each are cut out of blocks: by themselves they
 * would take as much again for the heap's own sake. */
struct schema_block {
	struct schema_block *next;
	size_t used, size;
	max_align_t bytes[];
};

enum { BLOCK_FIRST = 512, BLOCK_MOST = 4096 - sizeof(struct schema_block) - 2 * sizeof(size_t) };

/* n elements of so many bytes, zeros. `align`: a power of two. */
static void *schema_take(struct schema *s, size_t n, size_t size, size_t align)
{
	struct schema_block *b = s->memory;
	size_t bytes, at = b ? (b->used + align - 1) & ~(align - 1) : 0, room, total;

	if (!size_mul(n, size, &bytes))
		return NULL;
	if (!b || at > b->size || bytes > b->size - at) {
		room = b ? 2 * b->size : BLOCK_FIRST;
		room = room > BLOCK_MOST ? BLOCK_MOST : room;
		room = bytes > room ? bytes : room;
		if (!size_add(room, sizeof(*b), &total))
			return NULL;
		b = calloc(1, total);
		if (!b)
			return NULL;
		b->size = room;
		b->next = s->memory;
		s->memory = b;
		at = 0;
	}
	b->used = at + bytes;
	return (char *)b->bytes + at;
}

static void *schema_alloc(struct schema *s, size_t n, size_t size)
{
	return schema_take(s, n, size, sizeof(uint64_t));
}

/* `like`: a text that is often the same, NULL: none. Then there is one of them. */
static const char *schema_copy_like(struct schema *s, const char *text, const char *like)
{
	size_t n = strlen(text);
	char *copy;

	if (!n)
		return "";
	if (like && !strcmp(text, like))
		return like;
	copy = schema_take(s, n + 1, 1, 1);
	if (copy)
		memcpy(copy, text, n);
	return copy;
}

static const char *schema_copy(struct schema *s, const char *text)
{
	return schema_copy_like(s, text, NULL);
}

struct schema *schema_create(void)
{
	struct schema *s = calloc(1, sizeof(*s));

	if (s)
		s->refs = 1;
	return s;
}

struct schema *schema_lock(struct schema *s)
{
	__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

void schema_unlock(struct schema *s)
{
	if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
		return;
	while (s->memory) {
		struct schema_block *next = s->memory->next;

		free(s->memory);
		s->memory = next;
	}
	free(s->tables);
	free(s);
}

static bool name_is_valid(const char *name)
{
	size_t n = name ? strnlen(name, SCHEMA_NAME_MAX + 1) : 0;

	if (n == 0 || n > SCHEMA_NAME_MAX || name[0] < 'a' || name[0] > 'z')
		return false;
	for (size_t i = 1; i < n; i++) {
		char c = name[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_')
			return false;
	}
	return true;
}

static bool help_is_valid(const char *text)
{
	return !text || strnlen(text, SCHEMA_HELP_MAX + 1) <= SCHEMA_HELP_MAX;
}

/* Copies element i of an array whose elements may be shorter or longer than ours; what it lacks reads 0. */
static void element_copy(void *to, size_t to_size, const void *array, size_t size, size_t i)
{
	memset(to, 0, to_size);
	memcpy(to, (const char *)array + i * size, size < to_size ? size : to_size);
}

static int bounds_add(struct schema *s, struct schema_bounds *to, const struct culprit_bounds *from)
{
	if (!from || from->count < 1 || from->count > SCHEMA_SLOTS_MAX)
		return -EINVAL;
	to->kind = from->kind;
	to->count = from->count;
	to->start = from->start;
	to->step = from->step;
	switch (from->kind) {
	case CULPRIT_LOG_LINEAR:
		return from->count <= 488 ? 0 : -EINVAL;
	case CULPRIT_LINEAR:
		return isfinite(from->start) && isfinite(from->step) && from->step > 0 ? 0 : -EINVAL;
	case CULPRIT_EDGES:
		if (!from->edges)
			return -EINVAL;
		to->edges = schema_alloc(s, from->count, sizeof(double));
		if (!to->edges)
			return -ENOMEM;
		for (uint32_t i = 0; i < from->count; i++) {
			to->edges[i] = from->edges[i];
			if (!isfinite(to->edges[i]) || (i && to->edges[i] <= to->edges[i - 1]))
				return -EINVAL;
		}
		return 0;
	default:
		return -EINVAL;
	}
}

static bool role_takes_type(unsigned kind, unsigned role, unsigned type)
{
	bool number = type == CULPRIT_I64 || type == CULPRIT_U64 || type == CULPRIT_F64;

	switch (role) {
	case CULPRIT_KEY:
		return type != CULPRIT_HIST;
	case CULPRIT_ATTRIBUTE:
		return type != CULPRIT_HIST;
	case CULPRIT_GAUGE:
		return number || type == CULPRIT_BOOL;
	case CULPRIT_COUNTER:
	case CULPRIT_PEAK:
		return number;
	case CULPRIT_HISTOGRAM:
		return type == CULPRIT_HIST && kind == CULPRIT_STATE;
	case CULPRIT_TIME:
		return kind == CULPRIT_EVENT && (type == CULPRIT_U64 || type == CULPRIT_I64);
	default:
		return false;
	}
}

int schema_column(const struct schema_table *t, const char *name)
{
	for (uint32_t i = 0; i < t->ncolumns; i++) {
		if (!strcmp(t->columns[i].name, name))
			return (int)i;
	}
	return -1;
}

int schema_derived(const struct schema_table *t, const char *name)
{
	for (uint32_t i = 0; i < t->nderived; i++) {
		if (!strcmp(t->derived[i].name, name))
			return (int)i;
	}
	return -1;
}

const struct schema_table *schema_find(const struct schema *s, const char *table)
{
	for (uint32_t i = 0; i < s->ntables; i++) {
		if (!strcmp(s->tables[i]->name, table))
			return s->tables[i];
	}
	return NULL;
}

/* Reads a word that ends at one of `stops` or at the end. Returns its column, or -1. */
static int word_column(const struct schema_table *t, const char **text, const char *stops)
{
	char name[SCHEMA_NAME_MAX + 1];
	size_t n = strcspn(*text, stops);

	if (n == 0 || n > SCHEMA_NAME_MAX)
		return -1;
	memcpy(name, *text, n);
	name[n] = '\0';
	*text += n;
	return schema_column(t, name);
}

/* "a+b-c" to terms. */
static int terms_add(struct schema *s, const struct schema_table *t, const char *text, struct schema_term **ret_terms, uint32_t *ret_n)
{
	struct schema_term terms[SCHEMA_TERMS_MAX];
	uint32_t n = 0;

	*ret_terms = NULL;
	*ret_n = 0;
	if (!text)
		return 0;
	for (;;) {
		int sign = 1, column;

		if (*text == '+' || *text == '-')
			sign = *text++ == '-' ? -1 : 1;
		column = word_column(t, &text, "+-");
		if (column < 0 || n == SCHEMA_TERMS_MAX)
			return -EINVAL;
		terms[n++] = (struct schema_term){(uint16_t)column, (int8_t)sign};
		if (!*text)
			break;
	}
	*ret_terms = schema_alloc(s, n, sizeof(*terms));
	if (!*ret_terms)
		return -ENOMEM;
	memcpy(*ret_terms, terms, n * sizeof(*terms));
	*ret_n = n;
	return 0;
}

static bool terms_are(const struct schema_table *t, const struct schema_term *terms, uint32_t n, unsigned role)
{
	for (uint32_t i = 0; i < n; i++) {
		if (t->columns[terms[i].column].role != role)
			return false;
	}
	return n > 0;
}

static bool terms_are_numbers(const struct schema_table *t, const struct schema_term *terms, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		unsigned type = t->columns[terms[i].column].type;

		if (type != CULPRIT_I64 && type != CULPRIT_U64 && type != CULPRIT_F64 && type != CULPRIT_BOOL)
			return false;
	}
	return n > 0;
}

static bool derived_fits(const struct schema_table *t, const struct schema_derived *d)
{
	switch (d->op) {
	case CULPRIT_RATE:
	case CULPRIT_DIFFERENCE:
		return terms_are(t, d->a, d->na, CULPRIT_COUNTER) && !d->nb;
	case CULPRIT_RATIO:
		return terms_are(t, d->a, d->na, CULPRIT_COUNTER) && terms_are(t, d->b, d->nb, CULPRIT_COUNTER);
	case CULPRIT_LEVEL:
	case CULPRIT_SINCE:
	case CULPRIT_GROWTH:
		return terms_are_numbers(t, d->a, d->na) && !d->nb;
	case CULPRIT_LEVEL_RATIO:
		return terms_are_numbers(t, d->a, d->na) && terms_are_numbers(t, d->b, d->nb);
	case CULPRIT_PERCENTILE:
		return d->na == 1 && !d->nb && t->columns[d->a[0].column].role == CULPRIT_HISTOGRAM && d->arg >= 0 &&
		       d->arg <= 100;
	default:
		return false;
	}
}

static int column_add(struct schema *s, struct schema_table *t, const struct culprit_column *from,
		      struct culprit_error *error)
{
	struct schema_column *c = &t->columns[t->ncolumns];
	int r;

	if (!name_is_valid(from->name))
		return error_set(error, -EINVAL, "table %s: column %u has no valid name; names are [a-z][a-z0-9_]*", t->name,
				 t->ncolumns);
	if (schema_column(t, from->name) >= 0)
		return error_set(error, -EINVAL, "table %s has two columns named %s", t->name, from->name);
	if (!help_is_valid(from->help) || !help_is_valid(from->source))
		return error_set(error, -EINVAL, "table %s: the help of column %s is too long", t->name, from->name);
	if (!role_takes_type(t->kind, from->role, from->type))
		return error_set(error, -EINVAL, "table %s: column %s cannot have role %u with type %u", t->name, from->name,
				 from->role, from->type);
	if (from->flags & CULPRIT_THOUSANDS && from->type != CULPRIT_U64)
		return error_set(error, -EINVAL, "table %s: column %s keeps whole thousands, and is not a u64", t->name, from->name);
	if (from->flags & CULPRIT_RUNNING && (from->type != CULPRIT_U64 || from->role != CULPRIT_ATTRIBUTE || t->running >= 0))
		return error_set(error, -EINVAL, "table %s: column %s cannot name what runs: it is no u64 attribute, or not the only one",
				 t->name, from->name);
	if (from->unit < CULPRIT_NONE || from->unit > CULPRIT_HZ)
		return error_set(error, -EINVAL, "table %s: column %s has unknown unit %u", t->name, from->name, from->unit);
	if (from->group >= SCHEMA_GROUPS_MAX || (from->group && (from->role == CULPRIT_KEY || t->kind == CULPRIT_EVENT)))
		return error_set(error, -EINVAL, "table %s: column %s cannot be in group %u", t->name, from->name,
				 from->group);
	c->name = schema_copy(s, from->name);
	c->help = schema_copy(s, from->help ? from->help : "");
	/* Columns that stand together were mostly read from one file. */
	c->source = schema_copy_like(s, from->source ? from->source : "", t->ncolumns ? c[-1].source : NULL);
	if (!c->name || !c->help || !c->source)
		return error_set(error, -ENOMEM, "out of memory");
	c->role = from->role;
	c->type = from->type;
	c->unit = from->unit;
	c->group = from->group;
	c->flags = from->flags;
	if (from->role == CULPRIT_HISTOGRAM) {
		r = bounds_add(s, &c->bounds, from->bounds);
		if (r)
			return error_set(error, r, "table %s: the bounds of histogram %s are not valid", t->name,
					 from->name);
		t->hist_columns[t->nhists] = (uint16_t)t->ncolumns;
		c->hist = t->nhists++;
	}
	if (from->role == CULPRIT_COUNTER)
		c->counter = t->ncounters++;
	if (from->role == CULPRIT_KEY) {
		if (t->nkeys == SCHEMA_KEYS_MAX)
			return error_set(error, -EINVAL, "table %s has more than %d key columns", t->name, SCHEMA_KEYS_MAX);
		t->keys[t->nkeys++] = (uint16_t)t->ncolumns;
	}
	if (from->role == CULPRIT_TIME) {
		if (t->time_column >= 0)
			return error_set(error, -EINVAL, "table %s has two time columns", t->name);
		t->time_column = (int)t->ncolumns;
	}
	if (from->flags & CULPRIT_RUNNING)
		t->running = (int)t->ncolumns;
	t->groups |= (uint8_t)(1u << from->group);
	t->ncolumns++;
	return 0;
}

static int derived_add(struct schema *s, struct schema_table *t, const struct culprit_derived *from,
		       struct culprit_error *error)
{
	struct schema_derived *d = &t->derived[t->nderived];
	int r;

	if (!name_is_valid(from->name) || !help_is_valid(from->help))
		return error_set(error, -EINVAL, "table %s: derived column %u has no valid name or help", t->name,
				 t->nderived);
	if (schema_column(t, from->name) >= 0 || schema_derived(t, from->name) >= 0)
		return error_set(error, -EINVAL, "table %s has two columns named %s", t->name, from->name);
	if (from->unit < CULPRIT_NONE || from->unit > CULPRIT_HZ)
		return error_set(error, -EINVAL, "table %s: derived column %s has unknown unit %u", t->name, from->name,
				 from->unit);
	d->op = from->op;
	d->unit = from->unit;
	d->scale = from->scale != 0 && isfinite(from->scale) ? from->scale : 1;
	d->arg = from->arg;
	r = help_is_valid(from->a) && help_is_valid(from->b) ? terms_add(s, t, from->a, &d->a, &d->na) : -EINVAL;
	if (!r)
		r = terms_add(s, t, from->b, &d->b, &d->nb);
	if (r == -ENOMEM)
		return error_set(error, r, "out of memory");
	if (r || !derived_fits(t, d))
		return error_set(error, -EINVAL, "table %s: derived column %s does not fit the columns it names", t->name,
				 from->name);
	d->name = schema_copy(s, from->name);
	d->help = schema_copy(s, from->help ? from->help : "");
	d->a_text = schema_copy(s, from->a);
	d->b_text = schema_copy(s, from->b ? from->b : "");
	if (!d->name || !d->help || !d->a_text || !d->b_text)
		return error_set(error, -ENOMEM, "out of memory");
	t->nderived++;
	return 0;
}

static int rollup_add(struct schema *s, struct schema_table *t, const struct culprit_rollup *from,
		      struct culprit_error *error)
{
	struct schema_rollup *r = &t->rollups[t->nrollups];

	if (!name_is_valid(from->name) || !name_is_valid(from->table) || !name_is_valid(from->column) ||
	    !help_is_valid(from->help) || from->op < CULPRIT_ROLL_SUM || from->op > CULPRIT_ROLL_MERGE ||
	    (schema_column(t, from->column) < 0 && schema_derived(t, from->column) < 0))
		return error_set(error, -EINVAL, "table %s: roll-up %u is not valid", t->name, t->nrollups);
	r->column = schema_copy(s, from->column);
	r->table = schema_copy(s, from->table);
	r->name = schema_copy(s, from->name);
	r->help = schema_copy(s, from->help ? from->help : "");
	r->op = from->op;
	if (!r->column || !r->table || !r->name || !r->help)
		return error_set(error, -ENOMEM, "out of memory");
	t->nrollups++;
	return 0;
}

static int parents_add(struct schema_table *t, const char *text)
{
	while (text && *text) {
		int column;

		if (*text == ' ') {
			text++;
			continue;
		}
		column = word_column(t, &text, " ");
		if (column < 0 || t->nparent == SCHEMA_KEYS_MAX)
			return -EINVAL;
		t->parents[t->nparent++] = (uint16_t)column;
	}
	return t->nparent ? 0 : -EINVAL;
}

static int fold_add(struct schema_table *t, const char *by, const char *count)
{
	t->fold_by = t->fold_count = -1;
	if (!by)
		return 0;
	t->fold_by = schema_column(t, by);
	t->fold_count = count ? schema_column(t, count) : -1;
	if (t->kind != CULPRIT_STATE || t->fold_by < 0 || t->fold_count < 0 ||
	    t->columns[t->fold_by].type != CULPRIT_TEXT || t->columns[t->fold_count].role != CULPRIT_GAUGE)
		return -EINVAL;
	return 0;
}

static int table_fill(struct schema *s, struct schema_table *t, const struct culprit_table *from,
		      struct culprit_error *error)
{
	int r = 0;

	t->columns = schema_alloc(s, from->ncolumns, sizeof(*t->columns));
	t->hist_columns = schema_alloc(s, from->ncolumns, sizeof(*t->hist_columns));
	t->derived = schema_alloc(s, from->nderived, sizeof(*t->derived));
	t->rollups = schema_alloc(s, from->nrollups, sizeof(*t->rollups));
	t->help = schema_copy(s, from->help ? from->help : "");
	t->key = from->key ? schema_copy(s, from->key) : "";
	t->parent = from->parent ? schema_copy(s, from->parent) : "";
	t->sort = from->sort ? schema_copy(s, from->sort) : "";
	t->show = from->show ? schema_copy(s, from->show) : "";
	if (!t->columns || !t->hist_columns || !t->derived || !t->rollups || !t->help || !t->key || !t->parent ||
	    !t->sort || !t->show)
		return error_set(error, -ENOMEM, "out of memory");
	for (uint32_t i = 0; !r && i < from->ncolumns; i++) {
		struct culprit_column c;

		element_copy(&c, sizeof(c), from->columns, from->column_size, i);
		r = column_add(s, t, &c, error);
	}
	for (uint32_t i = 0; !r && i < from->nderived; i++) {
		struct culprit_derived d;

		element_copy(&d, sizeof(d), from->derived, from->derived_size, i);
		r = derived_add(s, t, &d, error);
	}
	for (uint32_t i = 0; !r && i < from->nrollups; i++) {
		struct culprit_rollup u;

		element_copy(&u, sizeof(u), from->rollups, from->rollup_size, i);
		r = rollup_add(s, t, &u, error);
	}
	if (r)
		return r;
	if (t->kind == CULPRIT_STATE && (!t->nkeys || !*t->key))
		return error_set(error, -EINVAL, "table %s holds things that live, so it needs a key type and key columns",
				 t->name);
	if (*t->parent && parents_add(t, from->parent_columns))
		return error_set(error, -EINVAL, "table %s names a parent but not the columns that hold its key", t->name);
	if (fold_add(t, from->fold_by, from->fold_count))
		return error_set(error, -EINVAL, "table %s cannot fold by %s", t->name, from->fold_by);
	return 0;
}

int schema_add(struct schema *s, const struct culprit_table *declared, struct culprit_error *error)
{
	struct culprit_table from;
	struct schema_table *t, **tables;
	int r;

	if (declared->size < TABLE_SIZE_V1 || declared->size > ELEMENT_SIZE_MAX)
		return error_set(error, -EINVAL, "a table says its size is %zu bytes, which no version has", declared->size);
	for (size_t i = sizeof(from); i < declared->size; i++) {
		if (((const char *)declared)[i])
			return error_set(error, -EINVAL, "a table uses fields this version does not know; update culprit");
	}
	element_copy(&from, sizeof(from), declared, declared->size, 0);
	if (!name_is_valid(from.name))
		return error_set(error, -EINVAL, "a table has no valid name; names are [a-z][a-z0-9_]*, at most %d bytes",
				 SCHEMA_NAME_MAX);
	if (schema_find(s, from.name))
		return error_set(error, -EEXIST, "there is a table named %s already; rename one", from.name);
	if (s->ntables == SCHEMA_TABLES_MAX)
		return error_set(error, -E2BIG, "table %s: there are %d tables already", from.name, SCHEMA_TABLES_MAX);
	if (from.kind != CULPRIT_STATE && from.kind != CULPRIT_EVENT)
		return error_set(error, -EINVAL, "table %s has unknown kind %u", from.name, from.kind);
	if ((from.key && !name_is_valid(from.key)) || (from.parent && !name_is_valid(from.parent)) ||
	    !help_is_valid(from.help) || !help_is_valid(from.sort) || !help_is_valid(from.show) ||
	    !help_is_valid(from.parent_columns))
		return error_set(error, -EINVAL, "table %s: key, parent, help, sort or show is not valid", from.name);
	if (!from.columns || !from.ncolumns || from.ncolumns > SCHEMA_COLUMNS_MAX || from.column_size < COLUMN_SIZE_V1 ||
	    from.column_size > ELEMENT_SIZE_MAX)
		return error_set(error, -EINVAL, "table %s has %u columns of %zu bytes; 1 to %d are possible", from.name,
				 from.ncolumns, from.column_size, SCHEMA_COLUMNS_MAX);
	if (from.nderived && (!from.derived || from.nderived > SCHEMA_DERIVED_MAX ||
			      from.derived_size < DERIVED_SIZE_V1 || from.derived_size > ELEMENT_SIZE_MAX))
		return error_set(error, -EINVAL, "table %s: its derived columns have an impossible count or size", from.name);
	if (from.nrollups && (!from.rollups || from.nrollups > SCHEMA_ROLLUPS_MAX ||
			      from.rollup_size < ROLLUP_SIZE_V1 || from.rollup_size > ELEMENT_SIZE_MAX))
		return error_set(error, -EINVAL, "table %s: its roll-ups have an impossible count or size", from.name);

	t = schema_alloc(s, 1, sizeof(*t));
	tables = realloc(s->tables, (s->ntables + 1) * sizeof(*tables));
	if (tables)
		s->tables = tables;
	if (!t || !tables)
		return error_set(error, -ENOMEM, "out of memory");
	t->id = s->ntables;
	t->kind = from.kind;
	t->flags = from.flags;
	t->time_column = t->running = -1;
	t->name = schema_copy(s, from.name);
	if (!t->name)
		return error_set(error, -ENOMEM, "out of memory");
	r = table_fill(s, t, &from, error);
	if (r)
		return r;
	s->tables[s->ntables++] = t;
	return (int)t->id;
}

double schema_number(const struct schema_column *c, uint64_t cell)
{
	double v;

	if (c->type == CULPRIT_I64)
		return (double)(int64_t)cell;
	if (c->type == CULPRIT_U64)
		return (double)cell;
	memcpy(&v, &cell, sizeof(v));
	return v;
}

/* 2 to the power of e. */
static double power(uint32_t e)
{
	uint64_t bits = (uint64_t)(e + 1023) << 52;
	double v;

	if (e > 1023)
		return INFINITY;
	memcpy(&v, &bits, sizeof(v));
	return v;
}

double schema_edge(const struct schema_bounds *b, uint32_t slot)
{
	switch (b->kind) {
	case CULPRIT_LINEAR:
		return b->start + b->step * slot;
	case CULPRIT_EDGES:
		return slot < b->count ? b->edges[slot] : INFINITY;
	default:
		return slot < 8 ? slot : (8 + slot % 8) * power(slot / 8 - 1);
	}
}

uint32_t schema_slot(const struct schema_bounds *b, double value)
{
	uint32_t low = 0, high = b->count;

	/* The last slot whose lower edge is <= value. */
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (schema_edge(b, middle) <= value)
			low = middle;
		else
			high = middle;
	}
	return low;
}

const char *schema_role_name(unsigned role)
{
	static const char *const names[] = {"",     "key",  "attribute", "gauge",
					    "counter", "peak", "histogram", "time"};

	return role < sizeof(names) / sizeof(names[0]) ? names[role] : "";
}

const char *schema_type_name(unsigned type)
{
	static const char *const names[] = {"", "i64", "u64", "f64", "bool", "text", "stack", "task", "histogram"};

	return type < sizeof(names) / sizeof(names[0]) ? names[type] : "";
}

const char *schema_unit_name(unsigned unit)
{
	static const char *const names[] = {"",        "",        "count", "bytes",   "ns",      "ticks", "percent",
					    "count/s", "bytes/s", "ns/s",  "wall_ns", "mono_ns", "hz"};

	return unit < sizeof(names) / sizeof(names[0]) ? names[unit] : "";
}
