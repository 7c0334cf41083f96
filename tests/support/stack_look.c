#include "support/stack_look.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "query.h"
#include "support/bpf_run.h"

void look(struct looker *l, const struct culprit_collector *collector, unsigned stack_hz)
{
	struct sampler_options options = {.builtins = l->only, .interval_ns = 1000000000, .stack_hz = stack_hz};
	struct fixture_host host;
	int err;

	memset(l, 0, sizeof(*l));
	l->only[0] = collector;
	fixture_host_init(&host, NULL);
	err = collector->probe(&host.host, &l->error);
	fixture_host_finish(&host);
	if (err)
		bpf_run_skip("%s", l->error.sentence);
	options.proc_fd = l->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	options.sys_fd = l->sys_fd = open("/sys", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	l->sampler = sampler_create(&options, &l->error);
	assert_non_null(l->sampler);
	l->mem = memsource_create();
	assert_int_equal(writer_add_sink(sampler_writer(l->sampler), memsource_sink(l->mem)), 0);
	l->view = view_create();
	assert_int_equal(view_add_source(l->view, memsource_source(l->mem)), 0);
	l->flame = flame_create();
	sampler_settle(l->sampler, 10000000000);
}

void look_away(struct looker *l)
{
	flame_destroy(l->flame);
	view_destroy(l->view);
	sampler_destroy(l->sampler);
	memsource_unlock(l->mem);
	close(l->proc_fd);
	close(l->sys_fd);
}

void look_ticks(struct looker *l, unsigned n, long ms)
{
	while (n--) {
		assert_int_equal(sampler_tick(l->sampler, &l->error), 0);
		sampler_rest(l->sampler, (uint64_t)ms * 1000000u, -1);
	}
}

struct flame_summary look_fill(struct looker *l, const char *lens, pid_t pid, uint64_t ns, const char *reason)
{
	char filter[80];

	snprintf(filter, sizeof(filter), "reason=\"%s\"", reason ? reason : "");
	return look_fill_rows(l, lens, pid, ns, reason ? filter : NULL);
}

struct flame_summary look_fill_rows(struct looker *l, const char *lens_name, pid_t pid, uint64_t ns, const char *filter)
{
	struct flame_options options = {.table = lens_name, .idle = true};
	struct flame_source source;
	struct flame_summary summary;
	struct query_info info;
	struct query *q = query_create(l->view);
	struct lens lens;
	uint64_t from, to;

	assert_true(view_refresh(l->view, &l->error) >= 0);
	assert_int_equal(flame_source_find(l->view, &options, &source, &l->error), 0);
	assert_true(view_extent(l->view, &from, &to));
	lens = lens_window(ns && to - from > ns ? to - ns : from, to);
	if (pid)
		snprintf(lens.filter, sizeof(lens.filter), "pid=%d%s%s", (int)pid, filter ? " and " : "", filter ? filter : "");
	else
		snprintf(lens.filter, sizeof(lens.filter), "%s", filter);
	snprintf(lens.filter_table, sizeof(lens.filter_table), "%s", source.table);
	flame_clear(l->flame);
	assert_int_equal(flame_fill(l->flame, q, &lens, &source, &options, false, &l->error), 0);
	flame_summary(l->flame, &summary);
	query_info(q, &info);
	l->lost = info.lost;
	query_destroy(q);
	return summary;
}

double look_total(const struct looker *l, const char *name)
{
	size_t n = flame_frames(l->flame);
	struct flame_function *f = calloc(n, sizeof(*f));
	double total = 0;

	assert_non_null(f);
	flame_functions(l->flame, f);
	for (size_t i = 0; i < n; i++) {
		const struct flame_frame *frame = flame_frame(l->flame, f[i].frame);

		if (frame->name_len == strlen(name) && !memcmp(frame->name, name, frame->name_len))
			total += f[i].total;
	}
	free(f);
	return total;
}

const char *look_why(struct looker *l, const char *table)
{
	struct query *q = query_create(l->view);
	struct query_info info;
	struct lens lens;
	uint64_t from, to;

	assert_true(view_refresh(l->view, &l->error) >= 0);
	assert_true(view_extent(l->view, &from, &to));
	lens = lens_window(from, to);
	assert_int_equal(query_run(q, &lens, table, 0, &l->error), 0);
	query_info(q, &info);
	l->error.sentence[0] = '\0';
	if (info.state == CULPRIT_MISSING || info.state == CULPRIT_FAILED)
		snprintf(l->error.sentence, sizeof(l->error.sentence), "%.*s", (int)info.reason_len, info.reason);
	query_destroy(q);
	return l->error.sentence;
}

bool look_has_text(struct looker *l, const char *table, const char *column)
{
	struct query *q = query_create(l->view);
	struct lens lens;
	uint64_t from, to;
	bool has = false;

	assert_true(view_refresh(l->view, &l->error) >= 0);
	assert_true(view_extent(l->view, &from, &to));
	lens = lens_window(from, to);
	assert_int_equal(query_run(q, &lens, table, 0, &l->error), 0);
	for (size_t row = 0; row < query_nrows(q); row++) {
		struct value v;

		query_value(q, row, (size_t)query_column_find(q, column), &v);
		if (!value_ok(&v) || v.type != CULPRIT_TEXT || !v.text.len)
			continue;
		print_message("%s: %.*s\n", column, (int)v.text.len, v.text.p);
		has = true;
	}
	query_destroy(q);
	return has;
}
