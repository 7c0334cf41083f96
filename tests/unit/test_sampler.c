/* The sampler: what it says when time does not pass evenly, when a collector cannot, fails or sleeps; who is chosen; who
 * hears of interests. */
/* alone: it measures time */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "ask.h"
#include "memsource.h"
#include "plugin.h"
#include "query.h"
#include "sampler.h"
#include "series.h"

static const struct zygote_kind *const kinds[] = {&ask_kind, &plugin_kind};
static struct zygote *zygote;

/* --- collectors to sample ---------------------------------------------------------------------------------------- */

static const struct culprit_column columns[] = {
	{"id", CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE},
	{"total", CULPRIT_COUNTER, CULPRIT_U64, CULPRIT_COUNT},
};
#define TABLE(variable, table_name)                                                                                    \
	static const struct culprit_table variable = {.size = sizeof(struct culprit_table), .name = table_name,        \
						      .kind = CULPRIT_STATE, .key = table_name,                       \
						      CULPRIT_COLUMNS(columns)};                                       \
	static const struct culprit_table *const variable##_list[] = {&variable};
TABLE(good_table, "good")
TABLE(absent_table, "absent")
TABLE(failing_table, "failing")
TABLE(slow_table, "slow")

static struct {
	unsigned good, slow, failing;
	unsigned opened, closed;
	uint32_t flags; /* of the host, when opened last */
	size_t interests;
	uint64_t interest_key;
	char interest_what[16];
} seen;

static int good_sample(void *self, struct culprit_frame *f)
{
	(void)self;
	seen.good++;
	culprit_table(f, 0);
	culprit_row(f);
	culprit_put_u64(f, 0, 1);
	culprit_put_u64(f, 1, seen.good * 10);
	culprit_end(f);
	return 0;
}

/* Atomic; 0: who is told goes on at once; 1: holds on; 2: holds on now; 3: may go on; 4: went on by itself, after a time in which
 * nobody let it. */
static int telling;
enum { HOLD_MS = 5000 };

static void good_interests(void *self, const struct culprit_interest *list, size_t n)
{
	int held = 1;

	(void)self;
	if (__atomic_compare_exchange_n(&telling, &held, 2, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		for (int ms = 0; ms < HOLD_MS && __atomic_load_n(&telling, __ATOMIC_SEQ_CST) == 2; ms++)
			poll(NULL, 0, 1);
		held = 2;
		__atomic_compare_exchange_n(&telling, &held, 4, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	}
	seen.interests = n;
	seen.interest_key = n ? list[0].key[0] : 0;
	snprintf(seen.interest_what, sizeof(seen.interest_what), "%s", n ? list[0].what : "");
}

static int good_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	(void)ret_self;
	(void)error;
	seen.opened++;
	seen.flags = host->flags;
	return 0;
}

static void good_close(void *self)
{
	(void)self;
	seen.closed++;
}

static int slow_sample(void *self, struct culprit_frame *f)
{
	(void)self;
	seen.slow++;
	culprit_table(f, 0);
	culprit_state(f, 0, CULPRIT_FRESH, "half of it is hidden");
	return 0;
}

static int failing_sample(void *self, struct culprit_frame *f)
{
	(void)self;
	culprit_table(f, 0);
	if (seen.failing++ == 1)
		return -EIO;
	culprit_row(f);
	culprit_put_u64(f, 0, 1);
	culprit_end(f);
	return 0;
}

static int absent_probe(const struct culprit_host *host, struct culprit_error *error)
{
	(void)host;
	snprintf(error->sentence, sizeof(error->sentence), "needs a moon: wait for one");
	return -ENOENT;
}

#define COLLECTOR(variable, collector_name, list)                                                                      \
	.size = sizeof(struct culprit_collector), .abi = CULPRIT_ABI_VERSION, .name = collector_name, .help = "test",  \
	.tables = list, .ntables = 1
static const struct culprit_collector good = {COLLECTOR(good, "good", good_table_list), .open = good_open,
					      .sample = good_sample, .interests = good_interests, .close = good_close};
static const struct culprit_collector absent = {COLLECTOR(absent, "absent", absent_table_list), .probe = absent_probe,
						.sample = good_sample};
static const struct culprit_collector failing = {COLLECTOR(failing, "failing", failing_table_list),
						 .sample = failing_sample};
static const struct culprit_collector slow = {COLLECTOR(slow, "slow", slow_table_list), .period_ns = 5000000000,
					      .sample = slow_sample};
static int later_stage; /* atomic; 0: not called, 1: at work, 2: may end, 3: has ended */

static int slow_later(void *self, struct culprit_error *error)
{
	(void)self;
	(void)error;
	__atomic_store_n(&later_stage, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&later_stage, __ATOMIC_SEQ_CST) != 2)
		poll(NULL, 0, 1);
	__atomic_store_n(&later_stage, 3, __ATOMIC_SEQ_CST);
	return 0;
}

static const struct culprit_collector going_on = {COLLECTOR(good, "good", good_table_list), .open = good_open,
						  .sample = good_sample, .close = good_close, .later = slow_later};
static const struct culprit_collector *const all[] = {&good, &absent, &failing, &slow, NULL};

struct fixture {
	struct manual_clock clock;
	struct sampler_options options;
	struct sampler *sampler;
	struct memsource *mem;
	struct view *view;
	struct query *query;
	struct culprit_error error;
};

static void begin(struct fixture *f, const char *plugin, const char *without)
{
	const char *plugins[] = {plugin, NULL};

	memset(f, 0, sizeof(*f));
	memset(&seen, 0, sizeof(seen));
	manual_clock_init(&f->clock, 1000000000000, 1772373802000000000);
	f->options = (struct sampler_options){
		.builtins = all, .plugins = plugins, .interval_ns = 1000000000, .without = without, .sys_fd = -1,
		.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), .clock = &f->clock.clock, .zygote = zygote,
		.plugin_limits = {.answer_ns = 700000000, .backoff_ns = 50000000, .restarts = 1},
	};
	f->sampler = sampler_create(&f->options, &f->error);
	if (!f->sampler)
		return;
	f->mem = memsource_create();
	assert_int_equal(writer_add_sink(sampler_writer(f->sampler), memsource_sink(f->mem)), 0);
	f->view = view_create();
	assert_int_equal(view_add_source(f->view, memsource_source(f->mem)), 0);
	f->query = query_create(f->view);
}

static void finish(struct fixture *f)
{
	query_destroy(f->query);
	view_destroy(f->view);
	sampler_destroy(f->sampler);
	memsource_unlock(f->mem);
	close(f->options.proc_fd);
}

static void tick(struct fixture *f)
{
	assert_int_equal(sampler_tick(f->sampler, &f->error), 0);
	manual_clock_advance(&f->clock, 1000000000);
}

static size_t ask(struct fixture *f, const char *table, struct query_info *info)
{
	struct lens lens = lens_live(3600000000000);

	assert_true(view_refresh(f->view, NULL) >= 0);
	assert_int_equal(query_run(f->query, &lens, table, 0, &f->error), 0);
	query_info(f->query, info);
	return query_nrows(f->query);
}

/* A text of the row whose first text column is `name`; "" where there is none. */
static const char *text_of(struct fixture *f, const char *key, const char *name, const char *column, char *buf, size_t cap)
{
	for (size_t i = 0; i < query_nrows(f->query); i++) {
		struct value v;

		query_value(f->query, i, (size_t)query_column_find(f->query, key), &v);
		if (v.text.len != strlen(name) || memcmp(v.text.p, name, v.text.len))
			continue;
		query_value(f->query, i, (size_t)query_column_find(f->query, column), &v);
		snprintf(buf, cap, "%.*s", v.state == VALUE_OK ? (int)v.text.len : 0, v.text.p);
		return buf;
	}
	return "";
}

static void test_states(void **state)
{
	struct fixture f;
	struct query_info info;
	char buf[256];

	(void)state;
	begin(&f, NULL, NULL);
	assert_non_null(f.sampler);
	for (unsigned i = 0; i < 11; i++)
		tick(&f);
	assert_int_equal(seen.good, 11);
	assert_int_equal(seen.slow, 3); /* every five seconds */
	assert_int_equal(ask(&f, "good", &info), 1);
	assert_int_equal(info.state, CULPRIT_FRESH);
	assert_int_equal(ask(&f, "absent", &info), 0);
	assert_int_equal(info.state, CULPRIT_MISSING);
	assert_memory_equal(info.reason, "needs a moon: wait for one", info.reason_len);
	/* It failed once: its row stayed, and it came back. */
	assert_int_equal(ask(&f, "failing", &info), 1);
	assert_int_equal(info.rows_ended, 0);
	assert_int_equal(ask(&f, "collector", &info), 5);
	assert_string_equal(text_of(&f, "name", "absent", "state", buf, sizeof(buf)), "missing");
	assert_string_equal(text_of(&f, "name", "good", "state", buf, sizeof(buf)), "on");
	assert_string_equal(text_of(&f, "name", "good", "reason", buf, sizeof(buf)), "");
	/* What works, but does not show all, says so, also while it rests. */
	assert_string_equal(text_of(&f, "name", "slow", "state", buf, sizeof(buf)), "on");
	assert_string_equal(text_of(&f, "name", "slow", "reason", buf, sizeof(buf)), "slow: half of it is hidden");
	assert_string_equal(text_of(&f, "name", "(culprit)", "state", buf, sizeof(buf)), "on");
	finish(&f);
}

static void test_choice(void **state)
{
	struct fixture f;
	struct query_info info;
	char buf[256];

	(void)state;
	begin(&f, NULL, "slow,good");
	tick(&f);
	assert_int_equal(seen.good, 0);
	ask(&f, "collector", &info);
	assert_string_equal(text_of(&f, "name", "good", "state", buf, sizeof(buf)), "off");
	finish(&f);
	begin(&f, NULL, "god");
	assert_null(f.sampler);
	assert_non_null(strstr(f.error.sentence, "no collector god"));
	close(f.options.proc_fd);
}

static size_t marks(struct fixture *f, const char *kind, char *buf, size_t cap)
{
	struct query_info info;
	size_t n = 0;

	ask(f, "mark", &info);
	for (size_t i = 0; i < query_nrows(f->query); i++) {
		struct value v;

		query_value(f->query, i, (size_t)query_column_find(f->query, "kind"), &v);
		n += v.text.len == strlen(kind) && !memcmp(v.text.p, kind, v.text.len);
	}
	text_of(f, "kind", kind, "text", buf, cap);
	return n;
}

static void test_time_that_jumps(void **state)
{
	struct fixture f;
	char buf[256] = "";

	(void)state;
	begin(&f, NULL, NULL);
	tick(&f);
	tick(&f);
	assert_int_equal(marks(&f, "clock", buf, sizeof(buf)), 0);
	f.clock.wall_ns += 3600000000000; /* somebody sets the clock */
	tick(&f);
	tick(&f);
	assert_int_equal(marks(&f, "clock", buf, sizeof(buf)), 1);
	assert_non_null(strstr(buf, "+3600.0 s"));
	f.clock.wall_ns -= 7200000000000;
	tick(&f);
	assert_int_equal(marks(&f, "clock", buf, sizeof(buf)), 2);
	/* Stopped for a while. */
	assert_int_equal(marks(&f, "sampler", buf, sizeof(buf)), 0);
	manual_clock_advance(&f.clock, 30000000000);
	tick(&f);
	assert_int_equal(marks(&f, "sampler", buf, sizeof(buf)), 1);
	assert_non_null(strstr(buf, "no sample for 31.0 s"));
	sampler_mark(f.sampler, "user", "here");
	tick(&f);
	assert_int_equal(marks(&f, "user", buf, sizeof(buf)), 1);
	assert_string_equal(buf, "here");
	finish(&f);
}

static void test_interests(void **state)
{
	struct culprit_interest list[2] = {
		{.size = sizeof(list[0]), .table = "good", .what = "rows", .key = {77, 3}, .nkey = 2},
		{.size = sizeof(list[0]), .table = "elsewhere", .what = "rows"},
	};
	struct fixture f;

	(void)state;
	begin(&f, NULL, NULL);
	tick(&f);
	assert_int_equal(seen.interests, 0);
	sampler_set_interests(f.sampler, list, 2);
	tick(&f);
	assert_int_equal(seen.interests, 1);
	assert_int_equal(seen.interest_key, 77);
	assert_string_equal(seen.interest_what, "rows");
	sampler_set_interests(f.sampler, NULL, 0);
	tick(&f);
	assert_int_equal(seen.interests, 0);
	finish(&f);
}

static int dear_sample(void *self, struct culprit_frame *f)
{
	struct timespec ts, until;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &until);
	until.tv_nsec += 10000000;
	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	while ((ts.tv_sec - until.tv_sec) * 1000000000 + ts.tv_nsec < until.tv_nsec);
	return good_sample(self, f);
}

/* Above the budget it is thinned, but not so far that it falls behind; and what somebody looks at is sampled, whatever the budget says. */
static void test_the_budget_and_who_is_looked_at(void **state)
{
	static const struct culprit_collector dear = {COLLECTOR(good, "good", good_table_list), .flags = CULPRIT_KEEPS_UP, .open = good_open,
						      .sample = dear_sample, .interests = good_interests, .close = good_close};
	static const struct culprit_collector *const only[] = {&dear, NULL};
	const struct culprit_interest interest = {.size = sizeof(interest), .table = "good", .what = "rows", .key = {7}, .nkey = 1};
	struct fixture f;
	unsigned before;

	(void)state;
	begin(&f, NULL, NULL);
	sampler_destroy(f.sampler);
	f.options.builtins = only;
	f.options.plugins = NULL;
	f.options.budget = 0.00001;
	f.sampler = sampler_create(&f.options, &f.error);
	assert_non_null(f.sampler);
	assert_int_equal(writer_add_sink(sampler_writer(f.sampler), memsource_sink(f.mem)), 0);
	memsource_evict(f.mem, 100);
	for (unsigned i = 0; i < 20; i++)
		tick(&f);
	before = seen.good;
	for (unsigned i = 0; i < 20; i++)
		tick(&f);
	assert_int_equal(seen.good - before, 10);
	sampler_set_interests(f.sampler, &interest, 1);
	before = seen.good;
	for (unsigned i = 0; i < 5; i++)
		tick(&f);
	assert_int_equal(seen.good - before, 5);
	sampler_set_interests(f.sampler, NULL, 0);
	before = seen.good;
	for (unsigned i = 0; i < 20; i++)
		tick(&f);
	assert_int_equal(seen.good - before, 10);
	finish(&f);
}

static void *one_tick(void *arg)
{
	tick(arg);
	return NULL;
}

/* To attach a program may take long: who draws hands in what it looks at, marks and intervals meanwhile, and what was being told stays
 * as it is. */
static void test_interests_hold_nobody_up(void **state)
{
	struct culprit_interest list[1] = {{.size = sizeof(list[0]), .table = "good", .what = "rows", .key = {77}, .nkey = 1}};
	struct fixture f;
	pthread_t thread;

	(void)state;
	begin(&f, NULL, NULL);
	tick(&f);
	sampler_set_interests(f.sampler, list, 1);
	__atomic_store_n(&telling, 1, __ATOMIC_SEQ_CST);
	assert_int_equal(pthread_create(&thread, NULL, one_tick, &f), 0);
	while (__atomic_load_n(&telling, __ATOMIC_SEQ_CST) == 1)
		poll(NULL, 0, 1);
	list[0].key[0] = 78;
	sampler_set_interests(f.sampler, list, 1);
	sampler_mark(f.sampler, "user", "meanwhile");
	sampler_set_interval(f.sampler, 1000000000, 0);
	sampler_collect(f.sampler, NULL, NULL);
	assert_int_equal(__atomic_exchange_n(&telling, 3, __ATOMIC_SEQ_CST), 2);
	pthread_join(thread, NULL);
	assert_int_equal(seen.interest_key, 77);
	tick(&f);
	assert_int_equal(seen.interest_key, 78);
	__atomic_store_n(&telling, 0, __ATOMIC_SEQ_CST);
	finish(&f);
}

/* A plug-in that is ready only after interests were told of is told of them. */
static void test_interests_of_a_late_plugin(void **state)
{
	struct culprit_interest interest = {.size = sizeof(interest), .table = "synth_slow", .what = "rows", .key = {7}, .nkey = 1};
	struct zygote_stats stats;
	struct query_info info;
	struct fixture f;
	struct value v;
	char path[300];

	(void)state;
	snprintf(path, sizeof(path), "%s/plugins/synthetic.so", getenv("B") ? getenv("B") : "build");
	zygote_stats(zygote, &stats);
	assert_int_equal(kill(stats.pid, SIGSTOP), 0); /* its helper is not there yet */
	begin(&f, path, NULL);
	assert_non_null(f.sampler);
	sampler_set_interests(f.sampler, &interest, 1);
	tick(&f);
	assert_int_equal(kill(stats.pid, SIGCONT), 0);
	for (unsigned i = 0; i < 2; i++) { /* it is taken in and asked, it has answered */
		sampler_settle(f.sampler, 20000000000);
		tick(&f);
	}
	sampler_settle(f.sampler, 20000000000);
	tick(&f);
	assert_int_equal(ask(&f, "synth_slow", &info), 1);
	query_value(f.query, 0, (size_t)query_column_find(f.query, "interests"), &v);
	assert_true(value_ok(&v));
	assert_int_equal(v.u, 1);
	finish(&f);
}

static void nap_ms(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&ts, NULL);
}

/* A plug-in that sleeps for a minute in sample(): others are sampled on time, its table says that it is late, then that
 * it was killed; nothing waits for it. */
static void test_plugin_that_sleeps(void **state)
{
	struct fixture f;
	struct query_info info;
	char path[300], buf[256];
	struct timespec a, b;
	bool late = false, failed = false;

	(void)state;
	snprintf(path, sizeof(path), "%s/plugins/sleeper.so", getenv("B") ? getenv("B") : "build");
	begin(&f, path, NULL);
	assert_non_null(f.sampler);
	sampler_settle(f.sampler, 5000000000);
	for (unsigned i = 0; i < 25 && !failed; i++) {
		clock_gettime(CLOCK_MONOTONIC, &a);
		tick(&f);
		clock_gettime(CLOCK_MONOTONIC, &b);
		assert_true((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 < 400);
		ask(&f, "collector", &info);
		text_of(&f, "name", "sleeper", "state", buf, sizeof(buf));
		late = late || !strcmp(buf, "late");
		failed = !strcmp(buf, "failed");
		nap_ms(100);
	}
	assert_true(late);
	assert_true(failed);
	assert_true(strlen(text_of(&f, "name", "sleeper", "reason", buf, sizeof(buf))) > 10);
	assert_true(seen.good > 5);
	finish(&f);
}

/* On its thread: ticks come, also with nobody reading; stopping is prompt. */
static void test_thread(void **state)
{
	struct sampler_options options = {.builtins = all, .interval_ns = 20000000, .sys_fd = -1, .proc_fd = -1, .zygote = zygote};
	struct culprit_error error;
	struct memsource *mem = memsource_create();
	struct sampler *s = sampler_create(&options, &error);
	struct timespec a, b;

	(void)state;
	memset(&seen, 0, sizeof(seen));
	assert_non_null(s);
	writer_add_sink(sampler_writer(s), memsource_sink(mem));
	assert_int_equal(sampler_start(s, &error), 0);
	for (unsigned i = 0; i < 200 && sampler_ticks(s) < 10; i++) {
		sampler_mark(s, "user", "x");
		nap_ms(20);
	}
	assert_true(sampler_ticks(s) >= 10);
	clock_gettime(CLOCK_MONOTONIC, &a);
	sampler_stop(s);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 < 1000);
	sampler_destroy(s);
	memsource_unlock(mem);
}

/* Another interval while it runs: an hour is not waited for, a segment says from when on it counts, and nothing is a gap. */
static void test_interval(void **state)
{
	struct sampler_options options = {
		.builtins = all, .interval_ns = 3600 * UINT64_C(1000000000), .sys_fd = -1, .proc_fd = -1, .zygote = zygote};
	struct culprit_error error;
	struct memsource *mem = memsource_create();
	struct sampler *s = sampler_create(&options, &error);
	const struct segment_info *info;
	struct source *source;
	struct view *view;
	struct query *query;
	struct lens lens = lens_live(3600 * UINT64_C(1000000000));

	(void)state;
	memset(&seen, 0, sizeof(seen));
	assert_non_null(s);
	writer_add_sink(sampler_writer(s), memsource_sink(mem));
	assert_int_equal(sampler_start(s, &error), 0);
	/* The first two come at once, whatever the interval. */
	for (unsigned i = 0; i < 1000 && sampler_ticks(s) < 2; i++)
		nap_ms(20);
	assert_int_equal(sampler_ticks(s), 2);
	sampler_set_interval(s, 20000000, 0);
	for (unsigned i = 0; i < 1000 && sampler_ticks(s) < 12; i++)
		nap_ms(20);
	assert_true(sampler_ticks(s) >= 12);
	sampler_stop(s);
	source = memsource_source(mem);
	assert_non_null(source);
	view = view_create();
	assert_int_equal(view_add_source(view, source), 0);
	assert_int_equal(series_tick_ns(view), 20000000);
	source->ops->refresh(source, &error);
	for (size_t i = 0; (info = source->ops->segment(source, i)); i++)
		assert_true(i < 2);
	query = query_create(view);
	assert_int_equal(query_run(query, &lens, "mark", 0, &error), 0);
	assert_int_equal(query_nrows(query), 1);
	query_destroy(query);
	view_destroy(view);
	sampler_destroy(s);
	memsource_unlock(mem);
}

/* Collectors are opened and closed as they are wanted; what was chosen at the start comes back. */
/* What a collector makes later is begun after the first tick, and samples go on meanwhile; whole rows at once want none of it. */
static void test_later(void **state)
{
	static const struct culprit_collector *const only[] = {&going_on, NULL};
	struct query_info info;
	struct fixture f;

	(void)state;
	for (int whole = 0; whole < 2; whole++) {
		begin(&f, NULL, NULL);
		sampler_destroy(f.sampler);
		memset(&seen, 0, sizeof(seen));
		later_stage = 0;
		f.options.plugins = NULL;
		f.options.builtins = only;
		f.options.flags = whole ? CULPRIT_HOST_WHOLE : 0;
		f.sampler = sampler_create(&f.options, &f.error);
		assert_non_null(f.sampler);
		assert_int_equal(writer_add_sink(sampler_writer(f.sampler), memsource_sink(f.mem)), 0);
		assert_int_equal(later_stage, 0);
		tick(&f);
		/* Who waits for collectors that open late does not wait for this. */
		sampler_settle(f.sampler, 10000000000);
		for (int i = 0; i < 5000 && !whole && __atomic_load_n(&later_stage, __ATOMIC_SEQ_CST) != 1; i++)
			poll(NULL, 0, 1);
		assert_int_equal(__atomic_load_n(&later_stage, __ATOMIC_SEQ_CST), whole ? 0 : 1);
		tick(&f);
		tick(&f);
		assert_int_equal(seen.good, 3);
		assert_int_equal(ask(&f, "good", &info), 1);
		assert_int_equal(info.state, CULPRIT_FRESH);
		if (!whole)
			__atomic_store_n(&later_stage, 2, __ATOMIC_SEQ_CST);
		finish(&f);
		/* It is closed when that has ended. */
		assert_int_equal(later_stage, whole ? 0 : 3);
		assert_int_equal(seen.closed, 1);
	}
}

static struct {
	const char *order[4]; /* of opening */
	int n;                /* atomic */
} opened_late;

static int late_open(const char *name)
{
	opened_late.order[opened_late.n & 3] = name;
	__atomic_add_fetch(&opened_late.n, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static int late_open_good(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	(void)host, (void)ret_self, (void)error;
	return late_open("good");
}

static int late_open_slow(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	(void)host, (void)ret_self, (void)error;
	return late_open("slow");
}

static const struct culprit_collector late_good = {COLLECTOR(good, "good", good_table_list), .flags = CULPRIT_OPEN_LATER,
						   .open = late_open_good, .sample = good_sample, .close = good_close};
static const struct culprit_collector late_slow = {COLLECTOR(slow, "slow", slow_table_list), .flags = CULPRIT_OPEN_LATER,
						   .open = late_open_slow, .sample = slow_sample};

/* What opens late waits for the first screen, comes in the order in which it is looked at, and is sampled twice at once, however long the
 * interval. */
static void test_open_late(void **state)
{
	static const struct culprit_collector *const only[] = {&late_good, &late_slow, NULL};
	const struct culprit_interest interest = {.size = sizeof(interest), .table = "slow", .what = "rows"};
	struct sampler_options options = {
		.builtins = only, .interval_ns = 3600 * UINT64_C(1000000000), .sys_fd = -1, .proc_fd = -1, .zygote = zygote};

	(void)state;
	for (int shown = 0; shown < 2; shown++) {
		struct culprit_error error;
		struct memsource *mem = memsource_create();
		struct sampler *s = sampler_create(&options, &error);

		memset(&seen, 0, sizeof(seen));
		memset(&opened_late, 0, sizeof(opened_late));
		assert_non_null(s);
		writer_add_sink(sampler_writer(s), memsource_sink(mem));
		sampler_set_interests(s, &interest, 1);
		sampler_await_shown(s);
		assert_int_equal(sampler_start(s, &error), 0);
		for (unsigned i = 0; i < 5000 && !sampler_ticks(s); i++)
			nap_ms(1);
		nap_ms(20);
		/* Nobody has seen it; should this machine have stood still until the second tick came, nothing is known. */
		if (sampler_ticks(s) == 1)
			assert_int_equal(__atomic_load_n(&opened_late.n, __ATOMIC_SEQ_CST), 0);
		if (shown)
			sampler_shown(s);
		/* If it is never shown, the second tick is the end of waiting. */
		for (unsigned i = 0; i < 5000 && __atomic_load_n(&opened_late.n, __ATOMIC_SEQ_CST) < 2; i++)
			nap_ms(1);
		assert_int_equal(__atomic_load_n(&opened_late.n, __ATOMIC_SEQ_CST), 2);
		assert_string_equal(opened_late.order[0], "slow");
		assert_string_equal(opened_late.order[1], "good");
		for (unsigned i = 0; i < 5000 && __atomic_load_n(&seen.good, __ATOMIC_SEQ_CST) < 2; i++)
			nap_ms(1);
		sampler_stop(s);
		assert_int_equal(seen.good, 2);
		sampler_destroy(s);
		memsource_unlock(mem);
	}
}

static void test_collect(void **state)
{
	const struct culprit_interest interest = {.size = sizeof(interest), .table = "good", .what = "rows", .key = {7}, .nkey = 1};
	struct query_info info;
	struct fixture f;

	(void)state;
	begin(&f, NULL, "slow");
	sampler_destroy(f.sampler);
	/* Idle: nothing is opened. */
	memset(&seen, 0, sizeof(seen));
	f.options.idle = true;
	f.options.plugins = NULL;
	f.sampler = sampler_create(&f.options, &f.error);
	assert_non_null(f.sampler);
	assert_int_equal(writer_add_sink(sampler_writer(f.sampler), memsource_sink(f.mem)), 0);
	memsource_evict(f.mem, 100);
	tick(&f);
	assert_int_equal(seen.opened, 0);
	assert_int_equal(ask(&f, "good", &info), 0);
	assert_int_equal(info.state, CULPRIT_MISSING);
	/* Only what is looked at: it is told so, and of the interests. */
	sampler_collect(f.sampler, "", "good");
	sampler_set_interests(f.sampler, &interest, 1);
	tick(&f);
	tick(&f);
	assert_int_equal(seen.opened, 1);
	assert_true(seen.flags & CULPRIT_HOST_ONLY_INTERESTS);
	assert_int_equal(seen.interest_key, 7);
	assert_int_equal(seen.good, 2);
	assert_int_equal(ask(&f, "good", &info), 1);
	assert_int_equal(info.state, CULPRIT_FRESH);
	/* All of it: opened anew. The same again: not. */
	sampler_collect(f.sampler, "good", "");
	tick(&f);
	sampler_collect(f.sampler, "good,nobody", "good");
	tick(&f);
	assert_int_equal(seen.opened, 2);
	assert_int_equal(seen.closed, 1);
	assert_false(seen.flags & CULPRIT_HOST_ONLY_INTERESTS);
	assert_int_equal(seen.interest_key, 7);
	assert_int_equal(seen.slow, 0);
	sampler_collect(f.sampler, "", "");
	tick(&f);
	assert_int_equal(seen.closed, 2);
	assert_int_equal(seen.good, 4);
	assert_int_equal(ask(&f, "good", &info), 1);
	assert_int_equal(info.state, CULPRIT_MISSING);
	/* What the options said: all but one. */
	sampler_collect(f.sampler, NULL, NULL);
	tick(&f);
	assert_int_equal(seen.opened, 3);
	assert_int_equal(seen.good, 5);
	assert_int_equal(seen.failing, 1);
	assert_int_equal(seen.slow, 0);
	finish(&f);
	assert_int_equal(seen.closed, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),	       cmocka_unit_test(test_choice),
		cmocka_unit_test(test_time_that_jumps), cmocka_unit_test(test_interests),
		cmocka_unit_test(test_the_budget_and_who_is_looked_at),
		cmocka_unit_test(test_interests_hold_nobody_up),
		cmocka_unit_test(test_interests_of_a_late_plugin),
		cmocka_unit_test(test_plugin_that_sleeps), cmocka_unit_test(test_thread),
		cmocka_unit_test(test_interval),
		cmocka_unit_test(test_collect),	       cmocka_unit_test(test_later),
		cmocka_unit_test(test_open_late),
	};
	struct culprit_error error = {""};
	int failed;

	zygote = zygote_create(kinds, 2, &error);
	if (!zygote) {
		fprintf(stderr, "%s\n", error.sentence);
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	zygote_destroy(zygote);
	return failed;
}
