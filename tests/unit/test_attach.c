/* A console that outlives many recorders of one ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach.h"
#include "builder.h"
#include "clock.h"
#include "hostinfo.h"
#include "query.h"
#include "self_tables.h"

#define S UINT64_C(1000000000)

static char folder[64];

/* Publishes as a recorder does: a ring with two marks, 11 s apart. */
struct recorder {
	struct ring *ring;
	struct writer *writer;
	struct schema *schema;
};

static uint64_t now_ns(void)
{
	return clock_real()->now_ns(clock_real(), CULPRIT_MONOTONIC);
}

static void mark(struct recorder *r, uint64_t at_ns, const char *text)
{
	struct builder *b = writer_builder(r->writer);
	struct culprit_frame *f;

	builder_begin(b, at_ns, (int64_t)clock_real()->now_ns(clock_real(), CULPRIT_WALL));
	f = builder_frame(b, 0, 1);
	culprit_table(f, 0);
	culprit_row(f);
	culprit_put_u64(f, MARK_TIME, at_ns);
	culprit_put_string(f, MARK_KIND, "user");
	culprit_put_string(f, MARK_TEXT, text);
	culprit_end(f);
	assert_int_equal(builder_frame_end(b, 0, NULL, 0, 1, NULL), 0);
	assert_int_equal(writer_commit(r->writer), 0);
}

static void begin(struct recorder *r, const char *text)
{
	int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct culprit_error error = {""};
	struct host_info host;

	host_info_read(&host, proc_fd, clock_real(), S);
	close(proc_fd);
	r->ring = ring_create(RING_BUDGET_MIN, folder, "box", &error);
	if (!r->ring)
		fail_msg("%s", error.sentence);
	r->schema = schema_create();
	assert_true(schema_add(r->schema, &mark_table, NULL) >= 0);
	r->writer = writer_create(r->schema, &host);
	assert_int_equal(writer_add_sink(r->writer, ring_sink(r->ring, NULL)), 0);
	mark(r, now_ns() - 11 * S, "before");
	mark(r, now_ns(), text);
}

static void end(struct recorder *r)
{
	writer_destroy(r->writer);
	schema_unlock(r->schema);
	ring_unlock(r->ring);
}

/* Is it there among the marks of the last minute? */
static bool shows(struct view *v, const char *text)
{
	struct lens lens = lens_live(60 * S);
	struct query *q = query_create(v);
	bool found = false;

	if (!query_run(q, &lens, "mark", 0, NULL)) {
		int c = query_column_find(q, "text");

		for (size_t i = 0; i < query_nrows(q); i++) {
			struct value value;

			query_value(q, i, (size_t)c, &value);
			found |= value.type == CULPRIT_TEXT && value.text.len == strlen(text) && !memcmp(value.text.p, text, value.text.len);
		}
	}
	query_destroy(q);
	return found;
}

static size_t descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void look(struct attach *a, struct console_now *now)
{
	memset(now, 0, sizeof(*now));
	now->tick_ns = S;
	assert_true(view_refresh(a->view, NULL) >= 0);
	attach_now(a, now);
}

/* A day of recorders that are restarted: the next one is always attached to, and only a few that have ended are kept. */
static void test_many_recorders(void **state)
{
	enum { MANY = 2 * ATTACH_RECORDERS_MAX };
	const struct options options = {.attach = "box"};
	struct sampler_options sampler = {.proc_fd = -1, .sys_fd = -1, .idle = true};
	struct culprit_error error = {""};
	struct session session = {.sampler = sampler_create(&sampler, &error)};
	struct ring *own = ring_create(RING_BUDGET_MIN, NULL, NULL, &error);
	struct view *view = view_create();
	struct source *local = ring_source(own, &error);
	struct console_now now;
	struct recorder r;
	struct attach a;
	char text[32];
	size_t n = 0, open_before = 0;

	(void)state;
	begin(&r, "mark 0");
	assert_int_equal(attach_open(&a, view, &options, &error), 1);
	assert_int_equal(view_add_source(view, local), 0);
	assert_int_equal(attach_local(&a, &session, local, &error), 0);
	look(&a, &now);
	assert_non_null(strstr(now.notice, "attached to recorder box"));
	for (int i = 1; i <= MANY; i++) {
		struct pollfd fd = {.fd = a.poll_fd, .events = POLLIN};

		end(&r);
		look(&a, &now);
		assert_non_null(strstr(now.notice, "ended"));
		snprintf(text, sizeof(text), "mark %d", i);
		begin(&r, text);
		/* Looked for once a second. */
		for (uint64_t until = now_ns() + 60 * S; a.ended && now_ns() < until; poll(NULL, 0, 50))
			look(&a, &now);
		look(&a, &now);
		if (!strstr(now.notice, "attached to recorder box"))
			fail_msg("%d: %s", i, now.notice);
		assert_true(shows(view, text));
		/* It wakes the console. */
		assert_int_equal(poll(&fd, 1, 0), 0);
		mark(&r, now_ns(), "more");
		assert_int_equal(poll(&fd, 1, 10000), 1);
		if (i == ATTACH_RECORDERS_MAX)
			open_before = descriptors();
	}
	while (view_source(view, n))
		n++;
	assert_int_equal(n, ATTACH_RECORDERS_MAX + 1);
	assert_int_equal(descriptors(), open_before);
	/* Of those that are kept the past is there. */
	snprintf(text, sizeof(text), "mark %d", MANY);
	assert_true(shows(view, text));
	end(&r);
	sampler_stop(session.sampler);
	attach_close(&a);
	view_destroy(view);
	sampler_destroy(session.sampler);
	ring_unlock(own);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/culprit-attach-XXXXXX");
	assert_non_null(mkdtemp(folder));
	return setenv("CULPRIT_RUNTIME_DIR", folder, 1);
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many_recorders, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
