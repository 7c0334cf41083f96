/* Who reads in a process what it writes there reads it with the writer's schema, where the bytes say just the same. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <culprit/collector.h>

#include "cursor.h"
#include "ring.h"
#include "textframes.h"

static const struct culprit_column columns[] = {
	{"id", CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0},
	{"n", CULPRIT_COUNTER, CULPRIT_U64, CULPRIT_COUNT, 0},
};

/* Of one table with that name. */
static struct schema *schema_of(const char *name)
{
	const struct culprit_table table = {.size = sizeof(table), .name = name, .kind = CULPRIT_STATE, .key = "thing",
					    CULPRIT_COLUMNS(columns)};
	struct culprit_error e = {""};
	struct schema *s = schema_create();

	assert_non_null(s);
	if (schema_add(s, &table, &e) < 0)
		fail_msg("%s", e.sentence);
	return s;
}

/* Only by all of its bytes. */
static void test_encodes(void **state)
{
	struct schema *s = schema_of("one"), *other = schema_of("two"), *decoded;
	struct culprit_error e = {""};
	struct wbuf bytes;

	(void)state;
	wbuf_init(&bytes);
	schema_encode(s, &bytes);
	assert_true(schema_encodes(s, bytes.data, bytes.len));
	assert_false(schema_encodes(other, bytes.data, bytes.len));
	decoded = schema_decode(bytes.data, bytes.len, &e);
	assert_non_null(decoded);
	assert_true(schema_encodes(decoded, bytes.data, bytes.len));
	for (size_t n = 0; n < bytes.len; n++)
		assert_false(schema_encodes(s, bytes.data, n));
	for (size_t i = 0; i < bytes.len; i++) {
		bytes.data[i] ^= 1;
		assert_false(schema_encodes(s, bytes.data, bytes.len));
		bytes.data[i] ^= 1;
	}
	wbuf_u8(&bytes, 0);
	assert_false(schema_encodes(s, bytes.data, bytes.len));
	wbuf_finish(&bytes);
	schema_unlock(decoded);
	schema_unlock(other);
	schema_unlock(s);
}

struct race {
	struct source *source;
	bool done;
	unsigned found;
};

static void *look(void *of)
{
	struct race *r = of;

	while (!__atomic_load_n(&r->done, __ATOMIC_ACQUIRE)) {
		struct schema *s = r->source->ops->schema(r->source);

		if (s && s->ntables == 1 && !strcmp(s->tables[0]->name, "one"))
			__atomic_add_fetch(&r->found, 1, __ATOMIC_RELAXED);
		schema_unlock(s);
	}
	return NULL;
}

/* The writer goes on to another one while readers take the one before. */
static void test_threads(void **state)
{
	struct culprit_error e = {""};
	struct ring *ring = ring_create(RING_BUDGET_MIN, NULL, NULL, &e);
	struct sink *sink = ring ? ring_sink(ring, &e) : NULL;
	pthread_t threads[3];
	struct race r = {.source = ring_source(ring, &e)};

	(void)state;
	assert_non_null(sink);
	assert_non_null(r.source);
	assert_null(r.source->ops->schema(r.source));
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look, &r), 0);
	for (int i = 0; i < 2000 || !__atomic_load_n(&r.found, __ATOMIC_RELAXED); i++) {
		struct schema *s = schema_of("one");

		sink->ops->declare(sink, s);
		schema_unlock(s);
	}
	__atomic_store_n(&r.done, true, __ATOMIC_RELEASE);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	sink->ops->destroy(sink);
	source_destroy(r.source);
	ring_unlock(ring);
}

/* Segments of the ring that the process writes, old and new; they keep none of its bytes. Who opens the file has its own. */
static void test_segments(void **state)
{
	struct culprit_error e = {""};
	struct textframes *frames = textframes_create("table disk state key=device name=key:text ops=counter:u64\n"
						      "tick 1s\nsample disk\nrow disk name=vda ops=1\n", &e);
	struct ring *ring = ring_create(RING_BUDGET_MIN, NULL, NULL, &e);
	struct sink *sink = ring ? ring_sink(ring, &e) : NULL;
	struct source *own, *by_file;
	struct cursor *a, *b;
	struct schema *first, *written;

	(void)state;
	assert_non_null(frames);
	assert_non_null(sink);
	assert_int_equal(writer_add_sink(textframes_writer(frames), sink), 0);
	assert_int_equal(textframes_add(frames, "segment\ntick 2s\nsample disk\nrow disk name=vda ops=2\n", &e), 0);
	own = ring_source(ring, &e);
	by_file = ring_source_fd(ring_fd(ring), "by its file", &e);
	assert_non_null(own);
	assert_non_null(by_file);
	a = cursor_create(own, NULL);
	b = cursor_create(by_file, NULL);
	assert_int_equal(cursor_seek(a, UINT64_MAX, &e), 0);
	assert_int_equal(cursor_seek(b, UINT64_MAX, &e), 0);
	first = cursor_segment(a)->schema;
	written = own->ops->schema(own);
	assert_ptr_equal(first, written);
	schema_unlock(written);
	assert_int_equal(cursor_segment(a)->schema_size, 0);
	assert_ptr_not_equal(first, cursor_segment(b)->schema);
	assert_true(cursor_segment(b)->schema_size > 0);
	assert_int_equal(textframes_add(frames, "segment\ntick 3s\nsample disk\nrow disk name=vda ops=3\n", &e), 0);
	assert_int_equal(cursor_seek(a, UINT64_MAX, &e), 0);
	assert_ptr_equal(first, cursor_segment(a)->schema);

	/* Its writer goes, its readers stay. */
	textframes_destroy(frames);
	assert_int_equal(cursor_seek(b, UINT64_MAX, &e), 0);
	assert_int_equal(cursor_seek(a, UINT64_MAX, &e), 0);
	assert_string_equal(cursor_segment(a)->schema->tables[0]->name, "disk");
	cursor_destroy(a);
	cursor_destroy(b);
	source_destroy(own);
	source_destroy(by_file);
	ring_unlock(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encodes),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
