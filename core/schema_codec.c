/* The SCHEMA block. Every table, column, derived column and roll-up is preceded by its length, so that a newer version
 * may append fields; what an older reader doesn't know in it, it skips. Decoding rebuilds the declared form and passes it
 * through schema_add(), so that bytes are checked exactly like code. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "format.h"
#include "schema.h"

static void put_string(struct wbuf *w, const char *s)
{
	wbuf_string(w, s, strlen(s));
}

static void put_f64(struct wbuf *w, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	wbuf_u64(w, bits);
}

/* Appends an element with its length in front. */
static void put_element(struct wbuf *w, struct wbuf *element)
{
	wbuf_string(w, element->data, element->len);
	if (element->err)
		w->err = element->err;
	wbuf_clear(element);
}

static void put_column(struct wbuf *w, const struct schema_column *c)
{
	put_string(w, c->name);
	put_string(w, c->help);
	put_string(w, c->source);
	wbuf_u8(w, c->role);
	wbuf_u8(w, c->flags & CULPRIT_THOUSANDS ? FORMAT_TYPE_THOUSANDS : c->type);
	wbuf_u8(w, c->unit);
	wbuf_u8(w, c->group);
	wbuf_varint(w, c->flags);
	if (c->role != CULPRIT_HISTOGRAM)
		return;
	wbuf_u8(w, (uint8_t)c->bounds.kind);
	wbuf_varint(w, c->bounds.count);
	put_f64(w, c->bounds.start);
	put_f64(w, c->bounds.step);
	for (uint32_t i = 0; c->bounds.edges && i < c->bounds.count; i++)
		put_f64(w, c->bounds.edges[i]);
}

static void put_table(struct wbuf *w, struct wbuf *element, const struct schema_table *t)
{
	struct wbuf parents;

	wbuf_init(&parents);
	for (uint32_t i = 0; i < t->nparent; i++) {
		const char *name = t->columns[t->parents[i]].name;

		if (i)
			wbuf_u8(&parents, ' ');
		wbuf_bytes(&parents, name, strlen(name));
	}
	wbuf_u8(w, (uint8_t)t->kind);
	wbuf_varint(w, t->flags);
	put_string(w, t->name);
	put_string(w, t->help);
	put_string(w, t->key);
	put_string(w, t->parent);
	wbuf_string(w, parents.data, parents.len);
	put_string(w, t->sort);
	put_string(w, t->show);
	put_string(w, t->fold_by >= 0 ? t->columns[t->fold_by].name : "");
	put_string(w, t->fold_by >= 0 ? t->columns[t->fold_count].name : "");
	wbuf_finish(&parents);

	wbuf_varint(w, t->ncolumns);
	for (uint32_t i = 0; i < t->ncolumns; i++) {
		put_column(element, &t->columns[i]);
		put_element(w, element);
	}
	wbuf_varint(w, t->nderived);
	for (uint32_t i = 0; i < t->nderived; i++) {
		const struct schema_derived *d = &t->derived[i];

		put_string(element, d->name);
		put_string(element, d->help);
		wbuf_varint(element, d->op);
		wbuf_varint(element, d->unit);
		put_string(element, d->a_text);
		put_string(element, d->b_text);
		put_f64(element, d->scale);
		put_f64(element, d->arg);
		put_element(w, element);
	}
	wbuf_varint(w, t->nrollups);
	for (uint32_t i = 0; i < t->nrollups; i++) {
		const struct schema_rollup *r = &t->rollups[i];

		put_string(element, r->column);
		put_string(element, r->table);
		put_string(element, r->name);
		put_string(element, r->help);
		wbuf_varint(element, r->op);
		put_element(w, element);
	}
}

void schema_encode(const struct schema *s, struct wbuf *w)
{
	struct wbuf table, element;

	wbuf_init(&table);
	wbuf_init(&element);
	wbuf_varint(w, s->ntables);
	for (uint32_t i = 0; i < s->ntables; i++) {
		put_table(&table, &element, s->tables[i]);
		put_element(w, &table);
	}
	wbuf_finish(&table);
	wbuf_finish(&element);
}

/* Does `at`, of which so much is left, begin with these bytes? Then it stands behind them. */
static bool goes_on(const uint8_t **at, size_t *left, const struct wbuf *w)
{
	if (w->err || w->len > *left || memcmp(*at, w->data, w->len))
		return false;
	*at += w->len;
	*left -= w->len;
	return true;
}

bool schema_encodes(const struct schema *s, const void *bytes, size_t n)
{
	const uint8_t *at = bytes;
	struct wbuf all, table, element;
	bool same;

	wbuf_init(&all);
	wbuf_init(&table);
	wbuf_init(&element);
	wbuf_varint(&all, s->ntables);
	same = goes_on(&at, &n, &all);
	/* A table at a time: the whole takes as much memory as what it spares. */
	for (uint32_t i = 0; same && i < s->ntables; i++) {
		wbuf_clear(&all);
		put_table(&table, &element, s->tables[i]);
		put_element(&all, &table);
		same = goes_on(&at, &n, &all);
	}
	wbuf_finish(&all);
	wbuf_finish(&table);
	wbuf_finish(&element);
	return same && !n;
}

struct schema *schema_merged(struct schema *a, const struct schema *b)
{
	struct wbuf tables, table, element, all;
	struct schema *merged = NULL;
	uint32_t more = 0;

	wbuf_init(&tables);
	wbuf_init(&table);
	wbuf_init(&element);
	wbuf_init(&all);
	for (uint32_t i = 0; i < b->ntables; i++) {
		if (schema_find(a, b->tables[i]->name) || a->ntables + more == SCHEMA_TABLES_MAX)
			continue;
		put_table(&table, &element, b->tables[i]);
		put_element(&tables, &table);
		more++;
	}
	if (more) {
		wbuf_varint(&all, a->ntables + more);
		for (uint32_t i = 0; i < a->ntables; i++) {
			put_table(&table, &element, a->tables[i]);
			put_element(&all, &table);
		}
		wbuf_bytes(&all, tables.data, tables.len);
		if (!all.err && !tables.err)
			merged = schema_decode(all.data, all.len, NULL);
	}
	wbuf_finish(&tables);
	wbuf_finish(&table);
	wbuf_finish(&element);
	wbuf_finish(&all);
	return merged ? merged : schema_lock(a);
}

/* Memory of one table being decoded. */
struct decoder {
	struct culprit_column columns[SCHEMA_COLUMNS_MAX];
	struct culprit_bounds bounds[SCHEMA_COLUMNS_MAX];
	struct culprit_derived derived[SCHEMA_DERIVED_MAX];
	struct culprit_rollup rollups[SCHEMA_ROLLUPS_MAX];
	void *taken[2048];
	size_t ntaken;
};

static void *take(struct decoder *d, struct rbuf *r, size_t n)
{
	void *p;

	if (d->ntaken == sizeof(d->taken) / sizeof(d->taken[0]) || !(p = calloc(n ? n : 1, 1))) {
		rbuf_fail(r);
		return NULL;
	}
	return d->taken[d->ntaken++] = p;
}

/* A string without NUL; NULL where empty. */
static const char *get_string(struct decoder *d, struct rbuf *r)
{
	size_t n;
	const uint8_t *p = rbuf_string(r, SCHEMA_HELP_MAX, &n);
	char *copy;

	if (!p || !n)
		return NULL;
	if (memchr(p, 0, n)) {
		rbuf_fail(r);
		return NULL;
	}
	copy = take(d, r, n + 1);
	if (copy)
		memcpy(copy, p, n);
	return copy;
}

static double get_f64(struct rbuf *r)
{
	uint64_t bits = rbuf_u64(r);
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static struct rbuf get_element(struct rbuf *r)
{
	size_t n = rbuf_bounded(r, rbuf_left(r));

	return rbuf_sub(r, n);
}

static void get_column(struct decoder *d, struct rbuf *r, uint32_t i)
{
	struct culprit_column *c = &d->columns[i];
	struct culprit_bounds *b = &d->bounds[i];
	double *edges;

	memset(c, 0, sizeof(*c));
	memset(b, 0, sizeof(*b));
	c->name = get_string(d, r);
	c->help = get_string(d, r);
	c->source = get_string(d, r);
	c->role = rbuf_u8(r);
	c->type = rbuf_u8(r);
	c->unit = rbuf_u8(r);
	c->group = rbuf_u8(r);
	c->flags = (uint32_t)rbuf_bounded(r, UINT32_MAX);
	c->flags &= ~(uint32_t)CULPRIT_THOUSANDS;
	if (c->type == FORMAT_TYPE_THOUSANDS) {
		c->type = CULPRIT_U64;
		c->flags |= CULPRIT_THOUSANDS;
	}
	/* What a newer version added is shown as a plain attribute. */
	if (c->type > CULPRIT_HIST)
		c->type = CULPRIT_U64;
	if (c->role > CULPRIT_TIME)
		c->role = CULPRIT_ATTRIBUTE;
	if (c->unit > CULPRIT_HZ)
		c->unit = CULPRIT_NONE;
	if (c->role != CULPRIT_HISTOGRAM)
		return;
	c->bounds = b;
	b->kind = rbuf_u8(r);
	b->count = (uint32_t)rbuf_bounded(r, SCHEMA_SLOTS_MAX);
	b->start = get_f64(r);
	b->step = get_f64(r);
	if (b->kind != CULPRIT_EDGES || r->err)
		return;
	edges = take(d, r, b->count * sizeof(double));
	for (uint32_t k = 0; edges && k < b->count; k++)
		edges[k] = get_f64(r);
	b->edges = edges;
}

static int get_table(struct decoder *d, struct rbuf *r, struct schema *s, struct culprit_error *error)
{
	struct culprit_table t = {.size = sizeof(t)};
	uint32_t nderived, nrollups;

	t.kind = rbuf_u8(r);
	t.flags = (uint32_t)rbuf_bounded(r, UINT32_MAX);
	t.name = get_string(d, r);
	t.help = get_string(d, r);
	t.key = get_string(d, r);
	t.parent = get_string(d, r);
	t.parent_columns = get_string(d, r);
	t.sort = get_string(d, r);
	t.show = get_string(d, r);
	t.fold_by = get_string(d, r);
	t.fold_count = get_string(d, r);
	t.ncolumns = (uint32_t)rbuf_bounded(r, SCHEMA_COLUMNS_MAX);
	for (uint32_t i = 0; i < t.ncolumns && !r->err; i++) {
		struct rbuf e = get_element(r);

		get_column(d, &e, i);
		if (e.err)
			rbuf_fail(r);
	}
	nderived = (uint32_t)rbuf_bounded(r, SCHEMA_DERIVED_MAX);
	for (uint32_t i = 0; i < nderived && !r->err; i++) {
		struct rbuf e = get_element(r);
		struct culprit_derived *v = &d->derived[t.nderived];

		memset(v, 0, sizeof(*v));
		v->name = get_string(d, &e);
		v->help = get_string(d, &e);
		v->op = (uint32_t)rbuf_bounded(&e, UINT32_MAX);
		v->unit = (uint32_t)rbuf_bounded(&e, UINT32_MAX);
		v->a = get_string(d, &e);
		v->b = get_string(d, &e);
		v->scale = get_f64(&e);
		v->arg = get_f64(&e);
		if (v->unit > CULPRIT_HZ)
			v->unit = CULPRIT_NONE;
		if (e.err)
			rbuf_fail(r);
		/* A newer version's way of deriving: left out, the raw columns stay. */
		if (v->op <= CULPRIT_GROWTH)
			t.nderived++;
	}
	nrollups = (uint32_t)rbuf_bounded(r, SCHEMA_ROLLUPS_MAX);
	for (uint32_t i = 0; i < nrollups && !r->err; i++) {
		struct rbuf e = get_element(r);
		struct culprit_rollup *v = &d->rollups[t.nrollups];

		memset(v, 0, sizeof(*v));
		v->column = get_string(d, &e);
		v->table = get_string(d, &e);
		v->name = get_string(d, &e);
		v->help = get_string(d, &e);
		v->op = (uint32_t)rbuf_bounded(&e, UINT32_MAX);
		if (e.err)
			rbuf_fail(r);
		if (v->op <= CULPRIT_ROLL_MERGE)
			t.nrollups++;
	}
	if (r->err)
		return error_set(error, -EBADMSG, "the description of table %u is cut short or damaged", s->ntables);
	t.columns = d->columns;
	t.column_size = sizeof(d->columns[0]);
	t.derived = d->derived;
	t.derived_size = sizeof(d->derived[0]);
	t.rollups = d->rollups;
	t.rollup_size = sizeof(d->rollups[0]);
	return schema_add(s, &t, error);
}

struct schema *schema_decode(const void *bytes, size_t n, struct culprit_error *error)
{
	struct schema *s = schema_create();
	struct decoder *d = calloc(1, sizeof(*d));
	struct rbuf r;
	uint64_t ntables;
	int result = 0;

	rbuf_init(&r, bytes, n);
	if (!s || !d) {
		error_set(error, -ENOMEM, "out of memory");
		goto refuse;
	}
	ntables = rbuf_bounded(&r, SCHEMA_TABLES_MAX);
	for (uint64_t i = 0; i < ntables && !r.err && result >= 0; i++) {
		struct rbuf e = get_element(&r);

		d->ntaken = 0;
		result = r.err ? 0 : get_table(d, &e, s, error);
		while (d->ntaken)
			free(d->taken[--d->ntaken]);
	}
	if (r.err)
		error_set(error, -EBADMSG, "the list of tables is cut short or damaged");
	if (r.err || result < 0)
		goto refuse;
	free(d);
	return s;
refuse:
	free(d);
	schema_unlock(s);
	return NULL;
}
