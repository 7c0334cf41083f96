/* What a helper says once it has loaded its file, and the interests it is told; both sides. Body of PLUGIN_HELLO: two
 * strings. The identity: number of collectors; of each name, help, period, number of tables; then the SCHEMA block. The
 * fate: of each collector the result of probe() and open(), and its sentence. */
#include "plugin_wire.h"

#include <errno.h>
#include <string.h>

#include "error.h"

static void put_string(struct wbuf *w, const char *s)
{
	wbuf_string(w, s, strlen(s));
}

void plugin_hello_encode(struct wbuf *w, const struct plugin_loaded *loaded, size_t n, const struct schema *schema)
{
	struct wbuf part;

	wbuf_init(&part);
	wbuf_varint(&part, n);
	for (size_t i = 0; i < n; i++) {
		put_string(&part, loaded[i].collector.name);
		put_string(&part, loaded[i].collector.help);
		wbuf_varint(&part, loaded[i].collector.period_ns);
		wbuf_varint(&part, loaded[i].collector.ntables);
	}
	schema_encode(schema, &part);
	wbuf_string(w, part.data, part.len);
	if (part.err)
		w->err = part.err;
	wbuf_clear(&part);
	for (size_t i = 0; i < n; i++) {
		wbuf_zigzag(&part, loaded[i].probe);
		put_string(&part, loaded[i].error.sentence);
	}
	wbuf_string(w, part.data, part.len);
	if (part.err)
		w->err = part.err;
	wbuf_finish(&part);
}

/* A string without NUL, copied. */
static void get_string(struct rbuf *r, char *to, size_t size)
{
	size_t n = 0;
	const uint8_t *p = rbuf_string(r, size - 1, &n);

	if (!p || memchr(p, 0, n)) {
		rbuf_fail(r);
		n = 0;
	}
	if (n)
		memcpy(to, p, n);
	to[n] = 0;
}

static bool names_are_distinct(const struct plugin_hello *h)
{
	for (uint32_t i = 0; i < h->ncollectors; i++) {
		if (!h->collectors[i].name[0])
			return false;
		for (uint32_t k = 0; k < i; k++)
			if (!strcmp(h->collectors[i].name, h->collectors[k].name))
				return false;
	}
	return true;
}

int plugin_hello_decode(struct plugin_hello *h, const void *bytes, size_t n, struct culprit_error *error)
{
	struct rbuf r, identity, fate;
	const uint8_t *p;
	uint32_t first = 0;

	memset(h, 0, sizeof(*h));
	rbuf_init(&r, bytes, n);
	h->identity = rbuf_string(&r, n, &h->identity_len);
	if (!h->identity)
		goto damaged;
	rbuf_init(&identity, h->identity, h->identity_len);
	p = rbuf_string(&r, n, &n);
	if (!p)
		goto damaged;
	rbuf_init(&fate, p, n);
	h->ncollectors = (uint32_t)rbuf_bounded(&identity, PLUGIN_COLLECTORS_MAX);
	for (uint32_t i = 0; i < h->ncollectors; i++) {
		struct plugin_hello_collector *c = &h->collectors[i];
		int64_t probe;

		get_string(&identity, c->name, sizeof(c->name));
		get_string(&identity, c->help, sizeof(c->help));
		c->period_ns = rbuf_varint(&identity);
		c->first_table = first;
		c->ntables = (uint32_t)rbuf_bounded(&identity, PLUGIN_TABLES_MAX);
		first += c->ntables;
		probe = rbuf_zigzag(&fate);
		if (probe > 0 || probe < -4095)
			rbuf_fail(&fate);
		c->probe = (int)probe;
		get_string(&fate, c->error.sentence, sizeof(c->error.sentence));
	}
	if (identity.err || fate.err || !names_are_distinct(h))
		goto damaged;
	h->schema = schema_decode(identity.p, rbuf_left(&identity), error);
	if (!h->schema)
		return -EBADMSG;
	if (h->schema->ntables == first)
		return 0;
	schema_unlock(h->schema);
	h->schema = NULL;
damaged:
	return error_set(error, -EBADMSG, "what its helper says of it is damaged.");
}

void plugin_interests_encode(struct wbuf *w, const struct culprit_interest *list, size_t n, const struct schema *schema)
{
	size_t count = 0;

	for (size_t i = 0; i < n && count < PLUGIN_INTERESTS_MAX; i++) {
		const struct culprit_interest *t = &list[i];

		if (!t->table || !t->what || t->nkey > 4 || !schema_find(schema, t->table) ||
		    strlen(t->what) > SCHEMA_NAME_MAX)
			continue;
		wbuf_string(w, t->table, strlen(t->table) + 1);
		wbuf_string(w, t->what, strlen(t->what) + 1);
		wbuf_varint(w, t->until_ns);
		wbuf_varint(w, t->nkey);
		for (uint32_t k = 0; k < t->nkey; k++)
			wbuf_varint(w, t->key[k]);
		count++;
	}
}

size_t plugin_interests_decode(struct rbuf *r, struct culprit_interest *list, size_t cap)
{
	size_t n = 0;

	while (n < cap && rbuf_left(r)) {
		struct culprit_interest *t = &list[n];
		size_t table, what;

		memset(t, 0, sizeof(*t));
		t->size = sizeof(*t);
		t->table = (const char *)rbuf_string(r, SCHEMA_NAME_MAX + 1, &table);
		t->what = (const char *)rbuf_string(r, SCHEMA_NAME_MAX + 1, &what);
		t->until_ns = rbuf_varint(r);
		t->nkey = (uint32_t)rbuf_bounded(r, 4);
		for (uint32_t k = 0; k < t->nkey; k++)
			t->key[k] = rbuf_varint(r);
		if (r->err || !table || !what || t->table[table - 1] || t->what[what - 1])
			break;
		n++;
	}
	return n;
}
