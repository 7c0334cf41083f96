/* The checks on what a plug-in says, without a process: sizes, versions, rows, hello. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "format.h"
#include "plugin_wire.h"

static const double edges[] = {0, 1, 10};
static const struct culprit_bounds bounds = {CULPRIT_EDGES, 3, 0, 0, edges};

static const struct culprit_column columns[] = {
	{"k", CULPRIT_KEY, CULPRIT_TEXT, CULPRIT_NONE},
	{"i", CULPRIT_GAUGE, CULPRIT_I64, CULPRIT_COUNT},
	{"b", CULPRIT_GAUGE, CULPRIT_BOOL, CULPRIT_NONE},
	{"h", CULPRIT_HISTOGRAM, CULPRIT_HIST, CULPRIT_NS, .bounds = &bounds},
	{"s", CULPRIT_ATTRIBUTE, CULPRIT_STACK, CULPRIT_NONE},
	{"t", CULPRIT_ATTRIBUTE, CULPRIT_TASK, CULPRIT_NONE},
};
enum { K, I, B, H, STACK, TASK };

static const struct culprit_table table = {
	.size = sizeof(struct culprit_table),
	.name = "one",
	.kind = CULPRIT_STATE,
	.key = "one",
	CULPRIT_COLUMNS(columns),
};
static const struct culprit_table *const tables[] = {&table};

static int sample(void *self, struct culprit_frame *f)
{
	(void)self;
	(void)f;
	return 0;
}

static int nothing(void *self)
{
	(void)self;
	return -1;
}

static const struct culprit_collector good = {
	.size = sizeof(struct culprit_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "good",
	.help = "a collector",
	.tables = tables,
	.ntables = 1,
	.sample = sample,
};

/* Checks a plug-in with these collectors; says why not. */
static int check_list(const struct culprit_collector *const *list, uint32_t n, struct culprit_error *error)
{
	struct culprit_plugin p = {.size = sizeof(p), .abi = CULPRIT_ABI_VERSION, .ncollectors = n, .collectors = list};
	struct plugin_loaded loaded[PLUGIN_COLLECTORS_MAX];
	struct schema *schema = schema_create();
	int err;

	memset(loaded, 0, sizeof(loaded));
	error->sentence[0] = 0;
	err = plugin_check(&p, sizeof(p), loaded, schema, error);
	schema_unlock(schema);
	return err;
}

static int check_one(const struct culprit_collector *c, struct culprit_error *error)
{
	const struct culprit_collector *list[] = {c};

	return check_list(list, 1, error);
}

static void expect(int got, int err, const struct culprit_error *error, const char *why)
{
	if (!strstr(error->sentence, why))
		fail_msg("\"%s\" does not say \"%s\"", error->sentence, why);
	assert_int_equal(got, err);
}

static void collectors_are_checked(void **state)
{
	const struct culprit_collector *twice[] = {&good, &good}, *null[] = {NULL};
	const struct culprit_table *no_table[] = {NULL};
	struct culprit_error error;
	struct culprit_collector c;

	(void)state;
	assert_int_equal(check_one(&good, &error), 1);
	expect(check_list(twice, 2, &error), -EEXIST, &error, "a table named one already");
	expect(check_list(null, 1, &error), -EINVAL, &error, "collector 0 is NULL");
	expect(check_list(NULL, 1, &error), -EINVAL, &error, "it has 1 collectors");
	expect(check_list(twice, 0, &error), -EINVAL, &error, "it has 0 collectors");
	expect(check_list(twice, 17, &error), -EINVAL, &error, "it has 17 collectors");
	c = good;
	c.abi = 7;
	expect(check_one(&c, &error), -EPROTO, &error, "ABI 7");
	c = good;
	c.size = 16;
	expect(check_one(&c, &error), -EINVAL, &error, "16 bytes, which no version has");
	c = good;
	c.size = 1 << 20;
	expect(check_one(&c, &error), -EINVAL, &error, "which no version has");
	c = good;
	c.name = "Bad";
	expect(check_one(&c, &error), -EINVAL, &error, "no valid name");
	c = good;
	c.name = "a_name_that_is_longer_than_31_bytes";
	expect(check_one(&c, &error), -EINVAL, &error, "no valid name");
	c = good;
	c.flags = 1;
	expect(check_one(&c, &error), -EINVAL, &error, "update culprit");
	c = good;
	c.help = NULL;
	expect(check_one(&c, &error), -EINVAL, &error, "no help");
	c = good;
	c.sample = NULL;
	expect(check_one(&c, &error), -EINVAL, &error, "lacks sample()");
	c = good;
	c.fd = nothing;
	expect(check_one(&c, &error), -EINVAL, &error, "lacks drain()");
	c = good;
	c.ntables = 33;
	expect(check_one(&c, &error), -EINVAL, &error, "33 tables");
	c = good;
	c.tables = no_table;
	expect(check_one(&c, &error), -EINVAL, &error, "table 0 is NULL");
}

/* A newer struct is longer: fine while what we don't know is 0. An older one can only be as short as version 1. */
static void sizes_tell_versions(void **state)
{
	struct {
		struct culprit_collector c;
		char more[64];
	} longer = {.c = good};
	struct culprit_error error;
	struct {
		struct culprit_plugin p;
		uint64_t more[4];
	} plugin;
	const struct culprit_collector *list[] = {&good};
	struct plugin_loaded loaded[PLUGIN_COLLECTORS_MAX];
	struct schema *schema;

	(void)state;
	longer.c.size = sizeof(longer);
	assert_int_equal(check_one(&longer.c, &error), 1);
	longer.more[40] = 1;
	expect(check_one(&longer.c, &error), -EINVAL, &error, "fields that this version does not know");

	memset(loaded, 0, sizeof(loaded));
	memset(&plugin, 0, sizeof(plugin));
	plugin.p = (struct culprit_plugin){sizeof(plugin), CULPRIT_ABI_VERSION, 1, list};
	schema = schema_create();
	assert_int_equal(plugin_check(&plugin, sizeof(plugin), loaded, schema, &error), 1);
	schema_unlock(schema);
	schema = schema_create();
	plugin.more[2] = 1;
	expect(plugin_check(&plugin, sizeof(plugin), loaded, schema, &error), -EINVAL, &error, "update culprit");
	plugin.p.size = sizeof(plugin) + 1;
	expect(plugin_check(&plugin, sizeof(plugin), loaded, schema, &error), -EINVAL, &error, "but the file holds");
	plugin.p.size = 8;
	expect(plugin_check(&plugin, sizeof(plugin), loaded, schema, &error), -EINVAL, &error, "8 bytes, which no version");
	plugin.p.size = 1 << 30;
	expect(plugin_check(&plugin, 0, loaded, schema, &error), -EINVAL, &error, "which no version has");
	schema_unlock(schema);
}

/* --- rows --- */

struct rows {
	struct schema *schema;
	struct wbuf w;
};

static int rows_setup(void **state)
{
	struct rows *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->schema = schema_create();
	assert_int_equal(schema_add(r->schema, &table, NULL), 0);
	wbuf_init(&r->w);
	*state = r;
	return 0;
}

static int rows_teardown(void **state)
{
	struct rows *r = *state;

	schema_unlock(r->schema);
	wbuf_finish(&r->w);
	free(r);
	return 0;
}

static void begin_row(struct rows *r)
{
	wbuf_clear(&r->w);
	wbuf_u8(&r->w, PLUGIN_OP_TABLE);
	wbuf_varint(&r->w, 0);
	wbuf_varint(&r->w, 5);
	wbuf_u8(&r->w, PLUGIN_OP_ROW);
}

static void expect_rows(struct rows *r, const char *why)
{
	struct culprit_error error = {""};
	int err = plugin_rows_replay(r->w.data, r->w.len, r->schema, 0, 1, 100, NULL, &error);

	if (!why) {
		if (err)
			fail_msg("%s", error.sentence);
		return;
	}
	expect(err, -EBADMSG, &error, why);
}

static void put(struct rows *r, enum plugin_op op, uint64_t column, uint64_t value)
{
	wbuf_u8(&r->w, (uint8_t)op);
	wbuf_varint(&r->w, column);
	wbuf_varint(&r->w, value);
}

static void foreign_rows_are_believed_in_nothing(void **state)
{
	struct rows *r = *state;

	begin_row(r);
	expect_rows(r, "a row that did not end");
	wbuf_u8(&r->w, PLUGIN_OP_END);
	expect_rows(r, NULL);
	wbuf_u8(&r->w, PLUGIN_OP_END);
	expect_rows(r, "a row ends that did not begin");
	begin_row(r);
	wbuf_u8(&r->w, 99);
	expect_rows(r, "an unknown operation");
	begin_row(r);
	wbuf_u8(&r->w, 0);
	expect_rows(r, "an unknown operation");
	begin_row(r);
	put(r, PLUGIN_OP_PUT, B, 2); /* not a bool */
	expect_rows(r, "another type than column b");
	begin_row(r);
	put(r, PLUGIN_OP_PUT, UINT64_MAX, 2);
	expect_rows(r, "was not declared");
	begin_row(r);
	put(r, PLUGIN_OP_TEXT, K, 1000); /* longer than what follows */
	expect_rows(r, "cut short or damaged");
	begin_row(r);
	put(r, PLUGIN_OP_TEXT, K, (uint64_t)FORMAT_TEXT_MAX + 1);
	expect_rows(r, "cut short or damaged");
	begin_row(r);
	put(r, PLUGIN_OP_HIST, H, 2); /* has 3 slots */
	expect_rows(r, "another type than column h");
	begin_row(r);
	put(r, PLUGIN_OP_STACK, STACK, 256);
	expect_rows(r, "cut short or damaged");
	begin_row(r);
	put(r, PLUGIN_OP_STACK, STACK, 1);
	wbuf_string(&r->w, "no NUL", 6);
	wbuf_varint(&r->w, 1);
	expect_rows(r, "cut short or damaged");
	begin_row(r);
	put(r, PLUGIN_OP_STACK, STACK, 1);
	wbuf_string(&r->w, "a\0b", 4);
	wbuf_varint(&r->w, 1);
	expect_rows(r, "cut short or damaged");
	begin_row(r);
	wbuf_u8(&r->w, PLUGIN_OP_UNREAD);
	wbuf_varint(&r->w, K);
	wbuf_string(&r->w, "why", 4);
	expect_rows(r, "a key that could not be read");
	begin_row(r);
	wbuf_u8(&r->w, PLUGIN_OP_UNREAD);
	wbuf_varint(&r->w, I);
	wbuf_string(&r->w, "why", 3);
	expect_rows(r, "cut short or damaged");
	begin_row(r);
	put(r, PLUGIN_OP_TASK, I, 1);
	wbuf_varint(&r->w, 1);
	expect_rows(r, "another type than column i");
	wbuf_clear(&r->w);
	wbuf_u8(&r->w, PLUGIN_OP_STATE);
	wbuf_varint(&r->w, 0);
	wbuf_varint(&r->w, 6);
	wbuf_string(&r->w, "x", 2);
	expect_rows(r, "an unknown state");
	wbuf_clear(&r->w);
	expect_rows(r, NULL);
}

/* Every prefix of good rows, and every single damaged byte of them, is accepted or refused, never believed too far. */
static void damage_anywhere_is_survived(void **state)
{
	struct rows *r = *state;
	struct culprit_location stack[] = {{"lib", 3}, {NULL, 4}};
	uint64_t counts[] = {1, 2, 1u << 20};
	struct plugin_frame f, back;
	struct culprit_error error;
	uint8_t *damaged;

	plugin_frame_init(&f);
	plugin_frame_init(&back);
	culprit_table_at(&f.frame, 0, 50);
	for (int i = 0; i < 2; i++) {
		culprit_row(&f.frame);
		culprit_put_string(&f.frame, K, i ? "one" : "");
		culprit_put_i64(&f.frame, I, -5);
		culprit_put_bool(&f.frame, B, 1);
		culprit_put_histogram(&f.frame, H, counts, 3);
		culprit_put_stack(&f.frame, STACK, stack, 2);
		culprit_put_task(&f.frame, TASK, 7, 8);
		culprit_unread(&f.frame, I, "because");
		culprit_born(&f.frame);
		assert_int_equal(culprit_again(&f.frame, 0), -ENOENT);
		assert_true(culprit_end(&f.frame) == CULPRIT_NO_HANDLE);
	}
	culprit_lost(&f.frame, 0, 9);
	culprit_state(&f.frame, 0, CULPRIT_FAILED, NULL);
	assert_int_equal(f.err, 0);
	/* written again it is the same */
	assert_int_equal(plugin_rows_replay(f.rows.data, f.rows.len, r->schema, 0, 1, 100, &back.frame, &error), 0);
	assert_int_equal(back.rows.len, f.rows.len);
	assert_memory_equal(back.rows.data, f.rows.data, f.rows.len);
	for (size_t n = 0; n < f.rows.len; n++) {
		/* exactly as many bytes, so that a sanitizer sees one too far */
		damaged = malloc(n ? n : 1);
		assert_non_null(damaged);
		memcpy(damaged, f.rows.data, n);
		plugin_rows_replay(damaged, n, r->schema, 0, 1, 100, NULL, &error);
		free(damaged);
	}
	damaged = malloc(f.rows.len);
	assert_non_null(damaged);
	for (size_t i = 0; i < f.rows.len; i++) {
		for (int v = 0; v < 256; v += 5) {
			memcpy(damaged, f.rows.data, f.rows.len);
			damaged[i] = (uint8_t)v;
			plugin_frame_clear(&back);
			if (plugin_rows_replay(damaged, f.rows.len, r->schema, 0, 1, 100, NULL, &error) == 0)
				assert_int_equal(
					plugin_rows_replay(damaged, f.rows.len, r->schema, 0, 1, 100, &back.frame, &error), 0);
		}
	}
	free(damaged);
	plugin_frame_finish(&f);
	plugin_frame_finish(&back);
}

/* One of each operation, a text and a stack that are long among them. */
static void emit_all(struct plugin_frame *f, char *module)
{
	struct culprit_location stack[] = {{module, 3}, {NULL, 4}, {"lib", 1u << 30}};
	uint64_t counts[] = {1, 2, 1u << 20};

	culprit_row(&f->frame);
	culprit_put_string(&f->frame, K, "some text");
	culprit_put_i64(&f->frame, I, -5);
	culprit_put_bool(&f->frame, B, 1);
	culprit_put_histogram(&f->frame, H, counts, 3);
	culprit_put_stack(&f->frame, STACK, stack, 3);
	culprit_put_task(&f->frame, TASK, 700, 800);
	culprit_unread(&f->frame, I, "because");
	culprit_born(&f->frame);
	culprit_end(&f->frame);
	culprit_lost(&f->frame, 0, 900);
	culprit_state(&f->frame, 0, CULPRIT_FRESH, "a reason");
	culprit_table_at(&f->frame, 0, 51);
}

static void emit_filler(struct plugin_frame *f, size_t n)
{
	culprit_table_at(&f->frame, 0, 50);
	while (n--) {
		culprit_row(&f->frame);
		culprit_put_string(&f->frame, K, "a row of forty bytes, more or less, as ");
		culprit_end(&f->frame);
	}
}

/* Rows that stand in memory pass through a window: wherever that ends, what is emitted is the same. */
static void a_window_ends_anywhere(void **state)
{
	struct rows *r = *state;
	struct plugin_frame f, back;
	struct culprit_error error;
	struct wbuf window;
	char module[300];
	size_t from, end;
	int fd = memfd_create("rows", MFD_CLOEXEC);

	assert_true(fd >= 0);
	memset(module, 'm', sizeof(module) - 1);
	module[sizeof(module) - 1] = 0;
	wbuf_init(&window);
	plugin_frame_init(&f);
	plugin_frame_init(&back);
	emit_filler(&f, 20);
	end = f.rows.len;
	emit_all(&f, module);
	/* So that the end of the first window, after 32 KB, is found in each place of these, and behind and before them. */
	from = (32 << 10) - f.rows.len;
	end = (32 << 10) - end + 20;
	for (size_t pad = from; pad < end; pad++) {
		struct wbuf rows;

		plugin_frame_clear(&f);
		plugin_frame_clear(&back);
		wbuf_init(&rows);
		culprit_table_at(&f.frame, 0, 50);
		culprit_row(&f.frame);
		for (size_t left = pad - 8; left;) {
			size_t n = left < 20000 ? left : 20000;

			assert_non_null(wbuf_reserve(&rows, n));
			memset(rows.data, 'x', n);
			culprit_put_text(&f.frame, K, rows.data, n);
			left -= n;
		}
		culprit_end(&f.frame);
		emit_filler(&f, 20);
		emit_all(&f, module);
		emit_filler(&f, 20);
		assert_int_equal(f.err, 0);
		assert_true(pwrite(fd, f.rows.data, f.rows.len, 4096) == (ssize_t)f.rows.len);
		error.sentence[0] = 0;
		assert_int_equal(plugin_memory_replay(fd, 4096, f.rows.len, &window, r->schema, 0, 1, 100, NULL, &error), 0);
		assert_int_equal(plugin_memory_replay(fd, 4096, f.rows.len, &window, r->schema, 0, 1, 100, &back.frame, &error), 0);
		assert_string_equal(error.sentence, "");
		assert_int_equal(back.rows.len, f.rows.len);
		assert_memory_equal(back.rows.data, f.rows.data, f.rows.len);
		/* cut short, by bytes that are not there and by a length that says less */
		assert_int_equal(plugin_memory_replay(fd, 4096, f.rows.len - 1, &window, r->schema, 0, 1, 100, NULL, &error), -EBADMSG);
		assert_true(error.sentence[0]);
		wbuf_finish(&rows);
	}
	error.sentence[0] = 0;
	assert_int_equal(plugin_memory_replay(fd, 4096, 8 << 20, &window, r->schema, 0, 1, 100, NULL, &error), -EBADMSG);
	assert_true(error.sentence[0]);
	close(fd);
	wbuf_finish(&window);
	plugin_frame_finish(&f);
	plugin_frame_finish(&back);
}

/* The window grows to the longest operation that is allowed, and not for what pretends to be longer. */
static void a_window_has_its_bounds(void **state)
{
	struct rows *r = *state;
	struct culprit_location stack[FORMAT_STACK_MAX];
	struct plugin_frame f, back;
	struct culprit_error error = {""};
	struct wbuf window;
	static char module[PLUGIN_MODULE_MAX];
	uint8_t zeros[4096] = {0};
	int fd = memfd_create("rows", MFD_CLOEXEC);

	assert_true(fd >= 0);
	memset(module, 'm', sizeof(module) - 1);
	for (uint32_t i = 0; i < FORMAT_STACK_MAX; i++)
		stack[i] = (struct culprit_location){module, UINT64_MAX};
	wbuf_init(&window);
	plugin_frame_init(&f);
	plugin_frame_init(&back);
	emit_filler(&f, 100);
	culprit_row(&f.frame);
	culprit_put_stack(&f.frame, STACK, stack, FORMAT_STACK_MAX);
	culprit_put_stack(&f.frame, STACK, stack, FORMAT_STACK_MAX);
	culprit_end(&f.frame);
	emit_filler(&f, 100);
	assert_true(pwrite(fd, f.rows.data, f.rows.len, 0) == (ssize_t)f.rows.len);
	assert_int_equal(plugin_memory_replay(fd, 0, f.rows.len, &window, r->schema, 0, 1, 100, &back.frame, &error), 0);
	assert_int_equal(back.rows.len, f.rows.len);
	assert_memory_equal(back.rows.data, f.rows.data, f.rows.len);
	/* a text that would be longer than any may be */
	wbuf_finish(&window);
	wbuf_clear(&r->w);
	wbuf_u8(&r->w, PLUGIN_OP_TABLE);
	wbuf_varint(&r->w, 0);
	wbuf_varint(&r->w, 50);
	wbuf_u8(&r->w, PLUGIN_OP_ROW);
	wbuf_u8(&r->w, PLUGIN_OP_TEXT);
	wbuf_varint(&r->w, K);
	wbuf_varint(&r->w, UINT64_MAX);
	assert_true(pwrite(fd, r->w.data, r->w.len, 0) == (ssize_t)r->w.len);
	for (off_t at = (off_t)r->w.len; at < PLUGIN_SAMPLE_MAX; at += (off_t)sizeof(zeros))
		assert_true(pwrite(fd, zeros, sizeof(zeros), at) == (ssize_t)sizeof(zeros));
	assert_int_equal(plugin_memory_replay(fd, 0, PLUGIN_SAMPLE_MAX, &window, r->schema, 0, 1, 100, NULL, &error), -EBADMSG);
	assert_true(window.cap < 4 << 20);
	close(fd);
	wbuf_finish(&window);
	plugin_frame_finish(&f);
	plugin_frame_finish(&back);
}

/* What a collector emits goes to memory as soon as it is too much for a message, and holds what it would have held here. */
static void long_samples_go_to_memory(void **state)
{
	struct plugin_frame f, whole;
	uint8_t *bytes;
	int fd = memfd_create("rows", MFD_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	plugin_frame_init(&f);
	plugin_frame_init(&whole);
	f.memory_fd = fd;
	f.region = 8192;
	for (size_t n = 1; n < 100000; n *= 3) {
		plugin_frame_clear(&f);
		plugin_frame_clear(&whole);
		emit_filler(&f, n);
		emit_filler(&whole, n);
		assert_true(f.rows.cap < 128 << 10);
		plugin_frame_flush(&f);
		assert_int_equal(f.err, 0);
		assert_int_equal(f.out + f.rows.len, whole.rows.len);
		if (whole.rows.len <= PLUGIN_INLINE_MAX) {
			assert_int_equal(f.out, 0);
			assert_memory_equal(f.rows.data, whole.rows.data, whole.rows.len);
			continue;
		}
		assert_int_equal(f.rows.len, 0);
		bytes = malloc(whole.rows.len);
		assert_non_null(bytes);
		assert_true(pread(fd, bytes, whole.rows.len, 8192) == (ssize_t)whole.rows.len);
		assert_memory_equal(bytes, whole.rows.data, whole.rows.len);
		free(bytes);
	}
	/* too much of all: said, and nothing is written beyond the region */
	plugin_frame_clear(&f);
	emit_filler(&f, PLUGIN_SAMPLE_MAX / 30);
	plugin_frame_flush(&f);
	assert_int_equal(f.err, -E2BIG);
	assert_true(lseek(fd, 0, SEEK_END) <= 8192 + PLUGIN_SAMPLE_MAX);
	close(fd);
	plugin_frame_finish(&f);
	plugin_frame_finish(&whole);
}

static void no_sample_is_from_the_future(void **state)
{
	struct rows *r = *state;
	struct plugin_frame f, back;
	struct rbuf in;

	plugin_frame_init(&f);
	plugin_frame_init(&back);
	culprit_table_at(&f.frame, 0, UINT64_MAX);
	assert_int_equal(plugin_rows_replay(f.rows.data, f.rows.len, r->schema, 0, 1, 100, &back.frame, NULL), 0);
	rbuf_init(&in, back.rows.data, back.rows.len);
	assert_int_equal(rbuf_u8(&in), PLUGIN_OP_TABLE);
	assert_int_equal(rbuf_varint(&in), 0);
	assert_int_equal(rbuf_varint(&in), 100);
	plugin_frame_finish(&f);
	plugin_frame_finish(&back);
}

static void a_hello_is_believed_in_nothing(void **state)
{
	struct rows *r = *state;
	struct plugin_loaded loaded[2] = {{.collector = good}, {.collector = good, .probe = -EPERM}};
	struct plugin_hello *h = malloc(sizeof(*h));
	struct culprit_error error;
	uint8_t *bytes;
	unsigned accepted = 0;

	assert_non_null(h);
	loaded[1].collector.name = "other";
	loaded[1].collector.ntables = 0;
	strcpy(loaded[1].error.sentence, "needs root");
	plugin_hello_encode(&r->w, loaded, 2, r->schema);
	assert_int_equal(plugin_hello_decode(h, r->w.data, r->w.len, &error), 0);
	assert_int_equal(h->ncollectors, 2);
	assert_string_equal(h->collectors[0].name, "good");
	assert_int_equal(h->collectors[1].first_table, 1);
	assert_int_equal(h->collectors[1].probe, -EPERM);
	assert_string_equal(h->collectors[1].error.sentence, "needs root");
	assert_string_equal(h->schema->tables[0]->name, "one");
	schema_unlock(h->schema);
	for (size_t n = 0; n < r->w.len; n++) {
		bytes = malloc(n ? n : 1);
		assert_non_null(bytes);
		memcpy(bytes, r->w.data, n);
		assert_int_equal(plugin_hello_decode(h, bytes, n, &error), -EBADMSG);
		assert_true(error.sentence[0]);
		free(bytes);
	}
	bytes = malloc(r->w.len);
	assert_non_null(bytes);
	for (size_t i = 0; i < r->w.len; i++) {
		for (int v = 0; v < 256; v += 17) {
			memcpy(bytes, r->w.data, r->w.len);
			bytes[i] = (uint8_t)v;
			if (plugin_hello_decode(h, bytes, r->w.len, &error) == 0) {
				accepted++;
				schema_unlock(h->schema);
			}
		}
	}
	assert_true(accepted > 0);
	/* two of one name */
	wbuf_clear(&r->w);
	loaded[1].collector.name = "good";
	plugin_hello_encode(&r->w, loaded, 2, r->schema);
	assert_int_equal(plugin_hello_decode(h, r->w.data, r->w.len, &error), -EBADMSG);
	/* more tables than there are */
	wbuf_clear(&r->w);
	plugin_hello_encode(&r->w, loaded, 1, r->schema);
	assert_int_equal(plugin_hello_decode(h, r->w.data, r->w.len, &error), 0);
	schema_unlock(h->schema);
	wbuf_clear(&r->w);
	loaded[0].collector.ntables = 2;
	plugin_hello_encode(&r->w, loaded, 1, r->schema);
	assert_int_equal(plugin_hello_decode(h, r->w.data, r->w.len, &error), -EBADMSG);
	free(bytes);
	free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(collectors_are_checked),
		cmocka_unit_test(sizes_tell_versions),
		cmocka_unit_test_setup_teardown(foreign_rows_are_believed_in_nothing, rows_setup, rows_teardown),
		cmocka_unit_test_setup_teardown(damage_anywhere_is_survived, rows_setup, rows_teardown),
		cmocka_unit_test_setup_teardown(a_window_ends_anywhere, rows_setup, rows_teardown),
		cmocka_unit_test_setup_teardown(a_window_has_its_bounds, rows_setup, rows_teardown),
		cmocka_unit_test(long_samples_go_to_memory),
		cmocka_unit_test_setup_teardown(no_sample_is_from_the_future, rows_setup, rows_teardown),
		cmocka_unit_test_setup_teardown(a_hello_is_believed_in_nothing, rows_setup, rows_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
