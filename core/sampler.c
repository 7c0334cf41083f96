#include "sampler_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "error.h"
#include "heap.h"
#include "hostinfo.h"
#include "self_tables.h"
#include "units.h"

enum { INTERVAL_MIN_NS = 10000000, NEWS_APART_NS = 100000000, POLL_FDS_MAX = 160 };

static uint64_t mono_now(const struct sampler *s)
{
	return s->clock->now_ns(s->clock, CULPRIT_MONOTONIC);
}

struct sampler *sampler_create(const struct sampler_options *options, struct culprit_error *error)
{
	struct sampler *s = calloc(1, sizeof(*s));
	struct host_info host;
	int err = ENOMEM;

	if (!s) {
		error_set(error, -ENOMEM, "out of memory");
		errno = ENOMEM;
		return NULL;
	}
	s->options = *options;
	s->clock = options->clock ? options->clock : clock_real();
	if (!s->options.interval_ns)
		s->options.interval_ns = 1000000000u;
	if (s->options.interval_ns < INTERVAL_MIN_NS)
		s->options.interval_ns = INTERVAL_MIN_NS;
	pthread_mutex_init(&s->mutex, NULL);
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->collect = options->collect ? strdup(options->collect) : NULL;
	s->without = options->without ? strdup(options->without) : NULL;
	s->choice.ever = options->idle;
	s->schema = schema_create();
	s->asks = ask_pool_create(options->zygote, options->proc_fd, error);
	s->symbols = symbols_create(&(struct symbols_options){.proc_fd = options->proc_fd});
	s->lines = symline_create(options->zygote, options->proc_fd);
	if (s->wake_fd < 0 || !s->schema || !s->asks || !s->symbols || !s->lines) {
		if (error && !error->sentence[0])
			error_set(error, -ENOMEM, "out of memory or of descriptors");
		goto fail;
	}
	err = -sampler_entries_open(s, error);
	if (err)
		goto fail;
	err = ENOMEM;
	s->collector_table = s->schema->ntables;
	if (schema_add(s->schema, &collector_table, error) < 0)
		goto fail;
	s->mark_table = s->schema->ntables;
	if (schema_add(s->schema, &mark_table, error) < 0)
		goto fail;
	s->bpf_table = s->schema->ntables;
	if (schema_add(s->schema, &kernel_cost_table, error) < 0)
		goto fail;
	host_info_read(&host, options->proc_fd, s->clock, s->options.interval_ns);
	s->budget = (struct cost_budget){.limit = options->budget, .cpus = host.cpus ? host.cpus : 1};
	s->writer = writer_create(s->schema, &host);
	if (!s->writer) {
		error_set(error, -ENOMEM, "out of memory");
		goto fail;
	}
	builder_set_row_budget(writer_builder(s->writer), options->row_budget);
	builder_set_symbols(writer_builder(s->writer), s->symbols);
	return s;
fail:
	sampler_destroy(s);
	errno = err;
	return NULL;
}

static void interests_finish(struct interests *of)
{
	for (size_t i = 0; i < SAMPLER_INTERESTS_MAX; i++)
		free(of->texts[i]);
}

void sampler_destroy(struct sampler *s)
{
	if (!s)
		return;
	sampler_stop(s);
	sampler_later_finish(s);
	writer_destroy(s->writer);
	symbols_destroy(s->symbols);
	sampler_entries_close(s);
	ask_pool_destroy(s->asks);
	symline_destroy(s->lines);
	interests_finish(&s->interests);
	interests_finish(&s->told);
	schema_unlock(s->schema);
	if (s->wake_fd >= 0)
		close(s->wake_fd);
	pthread_mutex_destroy(&s->mutex);
	free(s->collect);
	free(s->without);
	free(s);
}

struct writer *sampler_writer(struct sampler *s)
{
	return s->writer;
}

static void mark_put(struct sampler *s, const char *kind, const char *text)
{
	struct mark *m;

	if (s->nmarks == SAMPLER_MARKS_MAX) {
		s->marks_lost++;
		return;
	}
	m = &s->marks[s->nmarks++];
	snprintf(m->kind, sizeof(m->kind), "%s", kind);
	snprintf(m->text, sizeof(m->text), "%s", text);
}

void sampler_mark(struct sampler *s, const char *kind, const char *text)
{
	pthread_mutex_lock(&s->mutex);
	mark_put(s, kind, text);
	pthread_mutex_unlock(&s->mutex);
}

uint64_t sampler_ticks(const struct sampler *s)
{
	return __atomic_load_n(&s->ticks, __ATOMIC_RELAXED);
}

void sampler_wake(struct sampler *s)
{
	uint64_t one = 1;

	if (write(s->wake_fd, &one, sizeof(one)) < 0) {
		/* It will see what there is at the next tick. */
	}
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_interest(const struct culprit_interest *a, const struct culprit_interest *b)
{
	return same_text(a->table, b->table ? b->table : "") && same_text(a->what, b->what ? b->what : "") && a->nkey == b->nkey &&
	       !memcmp(a->key, b->key, sizeof(a->key)) && same_text(a->text, b->text);
}

/* A copy, whatever stood there before. */
static void interest_put(struct interests *to, size_t i, const struct culprit_interest *from)
{
	const char *texts[2] = {from->table, from->what};

	to->list[i] = *from;
	for (size_t k = 0; k < 2; k++)
		snprintf(to->names[i][k], sizeof(to->names[i][k]), "%s", texts[k] ? texts[k] : "");
	to->list[i].table = to->names[i][0];
	to->list[i].what = to->names[i][1];
	free(to->texts[i]);
	to->texts[i] = from->text ? strndup(from->text, CULPRIT_SOURCE_PATH + 1) : NULL;
	to->list[i].text = to->texts[i];
}

void sampler_set_interests(struct sampler *s, const struct culprit_interest *list, size_t n)
{
	bool other;

	if (n > SAMPLER_INTERESTS_MAX)
		n = SAMPLER_INTERESTS_MAX;
	pthread_mutex_lock(&s->mutex);
	other = n != s->interests.n;
	for (size_t i = 0; i < n; i++) {
		if (i < s->interests.n && same_interest(&s->interests.list[i], &list[i])) {
			s->interests.list[i].until_ns = list[i].until_ns;
			continue;
		}
		other = true;
		interest_put(&s->interests, i, &list[i]);
	}
	s->interests.n = n;
	s->interests_changed = s->interests_changed || other;
	pthread_mutex_unlock(&s->mutex);
	/* What takes its time begins before the next tick. */
	if (other)
		sampler_wake(s);
}

void sampler_collect(struct sampler *s, const char *whole, const char *narrow)
{
	pthread_mutex_lock(&s->mutex);
	s->chosen = true;
	s->asked_choice.ever = whole || narrow;
	snprintf(s->asked_choice.whole, sizeof(s->asked_choice.whole), "%s", whole ? whole : "");
	snprintf(s->asked_choice.narrow, sizeof(s->asked_choice.narrow), "%s", narrow ? narrow : "");
	pthread_mutex_unlock(&s->mutex);
}

void sampler_set_interval(struct sampler *s, uint64_t interval_ns, double budget)
{
	pthread_mutex_lock(&s->mutex);
	s->asked_interval_ns = interval_ns < INTERVAL_MIN_NS ? INTERVAL_MIN_NS : interval_ns;
	s->asked_budget = budget;
	pthread_mutex_unlock(&s->mutex);
	sampler_wake(s);
}

static bool interval_is_asked(struct sampler *s)
{
	bool asked;

	pthread_mutex_lock(&s->mutex);
	asked = s->asked_interval_ns != 0;
	pthread_mutex_unlock(&s->mutex);
	return asked;
}

/* Between two ticks. Out of memory: it stays as it was, and so does the budget, which is chosen by it. */
static void interval_take(struct sampler *s)
{
	char text[96], before[32], now[32];
	uint64_t interval_ns;
	double budget;

	pthread_mutex_lock(&s->mutex);
	interval_ns = s->asked_interval_ns;
	budget = s->asked_budget;
	s->asked_interval_ns = 0;
	pthread_mutex_unlock(&s->mutex);
	if (!interval_ns)
		return;
	if (interval_ns == s->options.interval_ns) {
		s->budget.limit = budget;
		return;
	}
	if (writer_set_interval(s->writer, interval_ns)) {
		sampler_say(s, CULPRIT_LOG_ERROR, NULL, "out of memory: the interval could not be changed");
		writer_set_interval(s->writer, s->options.interval_ns);
		return;
	}
	snprintf(text, sizeof(text), "a sample every %s from here on, every %s before",
		 units_duration(now, sizeof(now), interval_ns), units_duration(before, sizeof(before), s->options.interval_ns));
	sampler_mark(s, "sampler", text);
	s->options.interval_ns = interval_ns;
	s->budget.limit = budget;
	/* A gap is one of the new interval. */
	s->last_tick_ns = mono_now(s);
	for (size_t i = 0; i < s->nentries; i++)
		s->entries[i]->next_ns = 0;
}

static bool entry_has_table(const struct sampler *s, const struct entry *e, const char *table)
{
	for (uint32_t i = 0; i < e->ntables; i++) {
		if (!strcmp(s->schema->tables[e->first_table + i]->name, table))
			return true;
	}
	return false;
}

/* Each collector is told of those that name its tables: of a copy, without the lock, for to attach a program to the kernel may take
 * as long as ten screens, and who draws hands in what is looked at. */
static void interests_tell(struct sampler *s)
{
	struct culprit_interest mine[SAMPLER_INTERESTS_MAX];
	struct interests *told = &s->told;
	bool changed;

	pthread_mutex_lock(&s->mutex);
	changed = s->interests_changed;
	s->interests_changed = false;
	for (size_t i = 0; changed && i < s->interests.n; i++)
		interest_put(told, i, &s->interests.list[i]);
	told->n = s->interests.n;
	pthread_mutex_unlock(&s->mutex);
	if (!changed)
		return;
	for (size_t i = 0; i < s->nentries; i++) {
		struct entry *e = s->entries[i];
		size_t n = 0;

		if (!e->open || !e->collector || !e->collector->interests)
			continue;
		e->looked_at = false;
		for (size_t k = 0; k < told->n; k++) {
			if (!entry_has_table(s, e, told->list[k].table))
				continue;
			e->looked_at |= told->list[k].nkey > 0;
			mine[n++] = told->list[k];
		}
		e->collector->interests(e->self, mine, n);
	}
	for (size_t i = 0; i < s->nplugins; i++)
		plugin_set_interests(s->plugins[i].plugin, told->list, told->n);
}

static const char *state_name(const struct entry *e)
{
	if (e->off)
		return "off";
	switch (e->state) {
	case CULPRIT_FRESH:
	case CULPRIT_RESTING:
		return "on";
	case CULPRIT_LATE:
		return "late";
	case CULPRIT_FAILED:
		return "failed";
	default:
		return "missing";
	}
}

static void put_entry(struct sampler *s, struct culprit_frame *f, const struct entry *e)
{
	uint64_t rows = 0;

	for (uint32_t i = 0; i < e->ntables; i++)
		rows += builder_rows(writer_builder(s->writer), e->first_table + i);
	culprit_row(f);
	culprit_put_string(f, COLLECTOR_NAME, e->name);
	culprit_put_string(f, COLLECTOR_STATE, state_name(e));
	if (e->reason.sentence[0])
		culprit_put_string(f, COLLECTOR_REASON, e->reason.sentence);
	culprit_put_string(f, COLLECTOR_TABLES, e->tables);
	culprit_put_string(f, COLLECTOR_ORIGIN, e->plugin ? plugin_path(e->plugin) : "built-in");
	culprit_put_u64(f, COLLECTOR_PERIOD,
			e->period_ns > s->options.interval_ns ? e->period_ns : s->options.interval_ns);
	culprit_put_u64(f, COLLECTOR_CPU, e->cpu_ns + e->kernel_ns);
	culprit_put_u64(f, COLLECTOR_KERNEL, e->kernel_ns);
	culprit_put_u64(f, COLLECTOR_LAST, e->last_ns);
	culprit_put_u64(f, COLLECTOR_SAMPLES, e->samples);
	culprit_put_u64(f, COLLECTOR_FAILURES, e->failures);
	culprit_put_u64(f, COLLECTOR_LATE, e->late_ticks);
	culprit_put_u64(f, COLLECTOR_ROWS, rows);
	culprit_put_u64(f, COLLECTOR_THINNING, e->thinning);
	culprit_put_string(f, COLLECTOR_HELP, e->help);
	culprit_end(f);
}

static void put_refused(struct culprit_frame *f, const struct plugin *p)
{
	culprit_row(f);
	culprit_put_string(f, COLLECTOR_NAME, plugin_name(p));
	culprit_put_string(f, COLLECTOR_STATE, plugin_state(p) == PLUGIN_REFUSED ? "refused"
					       : plugin_state(p) == PLUGIN_FAILED ? "failed"
										  : "loading");
	culprit_put_string(f, COLLECTOR_REASON, plugin_reason(p));
	culprit_put_string(f, COLLECTOR_ORIGIN, plugin_path(p));
	culprit_end(f);
}

/* CPU time of all threads, and of the helpers as far as they have reported it; not of programs in the kernel. */
static uint64_t program_cpu_ns(struct sampler *s)
{
	struct rusage u;
	struct ask_stats asks;
	uint64_t ns = 0;

	if (!getrusage(RUSAGE_SELF, &u))
		ns = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000u +
		     (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000u;
	ask_pool_stats(s->asks, &asks);
	ns += asks.cpu_ns;
	for (size_t i = 0; i < s->nentries; i++)
		ns += s->entries[i]->plugin ? s->entries[i]->cpu_ns : 0;
	return ns;
}

static uint64_t program_memory(void)
{
	char text[128], *second;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	second = strchr(text, ' ');
	return second ? strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static const char helpers_gone[] = "its helper processes were killed: command lines, user names, sizes of filesystems and "
				   "plug-ins are not read any more; restart culprit";

/* It goes on without them, but not silently. */
static void watch_helpers(struct sampler *s)
{
	struct zygote_stats stats;

	if (!s->options.zygote || s->helpers_gone)
		return;
	zygote_stats(s->options.zygote, &stats);
	s->helpers_gone = !stats.pid;
	if (s->helpers_gone)
		sampler_mark(s, "collector", helpers_gone);
}

static void put_program(struct sampler *s, struct culprit_frame *f, uint64_t cpu_ns)
{
	uint64_t memory = program_memory();

	culprit_row(f);
	culprit_put_string(f, COLLECTOR_NAME, "(culprit)");
	culprit_put_string(f, COLLECTOR_STATE, s->helpers_gone ? "failed" : "on");
	if (s->helpers_gone)
		culprit_put_string(f, COLLECTOR_REASON, helpers_gone);
	culprit_put_string(f, COLLECTOR_ORIGIN, "built-in");
	culprit_put_u64(f, COLLECTOR_PERIOD, s->options.interval_ns);
	culprit_put_u64(f, COLLECTOR_CPU, cpu_ns + s->kernel_ns);
	culprit_put_u64(f, COLLECTOR_KERNEL, s->kernel_ns);
	culprit_put_u64(f, COLLECTOR_SAMPLES, s->ticks + 1);
	culprit_put_u64(f, COLLECTOR_FOLDED, builder_folded(writer_builder(s->writer)));
	if (memory)
		culprit_put_u64(f, COLLECTOR_MEMORY, memory);
	culprit_put_string(f, COLLECTOR_HELP, "the whole program: its threads, its helpers, and what it has in the kernel");
	culprit_end(f);
}

static void put_collectors(struct sampler *s, uint64_t cpu_ns)
{
	struct culprit_frame *f = builder_frame(writer_builder(s->writer), s->collector_table, 1);

	culprit_table(f, 0);
	put_program(s, f, cpu_ns);
	for (size_t i = 0; i < s->nentries; i++)
		put_entry(s, f, s->entries[i]);
	for (size_t i = 0; i < s->nplugins; i++) {
		if (!s->plugins[i].adopted)
			put_refused(f, s->plugins[i].plugin);
	}
	builder_frame_end(writer_builder(s->writer), 0, NULL, 0, 1, NULL);
}

static void put_marks(struct sampler *s, uint64_t now_ns)
{
	struct culprit_frame *f = builder_frame(writer_builder(s->writer), s->mark_table, 1);

	pthread_mutex_lock(&s->mutex);
	if (s->nmarks || !s->ticks) {
		culprit_table(f, 0);
		for (size_t i = 0; i < s->nmarks; i++) {
			culprit_row(f);
			culprit_put_u64(f, MARK_TIME, now_ns);
			culprit_put_string(f, MARK_KIND, s->marks[i].kind);
			culprit_put_string(f, MARK_TEXT, s->marks[i].text);
			culprit_end(f);
		}
		if (s->marks_lost)
			culprit_lost(f, 0, s->marks_lost);
		s->nmarks = s->marks_lost = 0;
	}
	pthread_mutex_unlock(&s->mutex);
	builder_frame_end(writer_builder(s->writer), 0, NULL, 0, 1, NULL);
}

/* Time that does not pass evenly is said, or rates and gaps would puzzle. */
static void watch_clock(struct sampler *s, uint64_t now_ns, int64_t wall_ns)
{
	int64_t offset = wall_ns - (int64_t)now_ns, jump = offset - s->wall_offset_ns;
	char text[200];

	if (s->ticks && now_ns > s->last_tick_ns + 2 * s->options.interval_ns + 1000000000u) {
		snprintf(text, sizeof(text), "no sample for %.1f s: the machine or culprit was stopped, or got no CPU",
			 (double)(now_ns - s->last_tick_ns) / 1e9);
		sampler_mark(s, "sampler", text);
	}
	if (s->ticks && (jump > 500000000 || jump < -500000000)) {
		snprintf(text, sizeof(text), "the wall clock was set by %+.1f s; times before it are as they were shown then",
			 (double)jump / 1e9);
		sampler_mark(s, "clock", text);
	}
	if (!s->ticks || jump > 1000000 || jump < -1000000)
		s->wall_offset_ns = offset;
	s->last_tick_ns = now_ns;
}

/* What loading programs, reading the kernel's names and the first screen took; then, now and then, what a storm of processes did. */
static void give_back(struct sampler *s, uint64_t now_ns)
{
	static const uint64_t started_ns = 6000000000u, every_ns = 60000000000u;

	if (!s->give_back_ns)
		s->give_back_ns = now_ns + started_ns;
	if (now_ns < s->give_back_ns)
		return;
	if (!s->started)
		heap_give_back_code();
	s->started = true;
	heap_give_back();
	s->give_back_ns = now_ns + every_ns;
}

int sampler_tick(struct sampler *s, struct culprit_error *error)
{
	uint64_t now_ns = mono_now(s);
	int64_t wall_ns = (int64_t)s->clock->now_ns(s->clock, CULPRIT_WALL);
	uint64_t cpu_ns;
	int r;

	if (s->options.zygote)
		zygote_poll(s->options.zygote);
	sampler_later_take(s);
	watch_helpers(s);
	ask_pool_poll(s->asks);
	symline_poll(s->lines);
	r = sampler_plugins_adopt(s);
	if (r < 0)
		return error_set(error, r, "out of memory: a plug-in's tables could not be added");
	sampler_entries_choose(s);
	interests_tell(s);
	watch_clock(s, now_ns, wall_ns);
	builder_begin(writer_builder(s->writer), now_ns, wall_ns);
	for (size_t i = 0; i < s->nentries; i++)
		entry_ask(s, s->entries[i], now_ns);
	for (size_t i = 0; i < s->nentries; i++) {
		if (s->entries[i]->collector)
			entry_sample(s, s->entries[i], now_ns);
	}
	/* Most have answered while the built-ins were at work; the others are late, and shown as that. */
	for (size_t i = 0; i < s->nentries; i++) {
		if (s->entries[i]->plugin)
			entry_sample(s, s->entries[i], now_ns);
	}
	cpu_ns = program_cpu_ns(s);
	sampler_cost(s, now_ns, cpu_ns);
	put_collectors(s, cpu_ns);
	put_marks(s, now_ns);
	r = writer_commit(s->writer);
	ask_pool_poll(s->asks);
	give_back(s, now_ns);
	__atomic_add_fetch(&s->ticks, 1, __ATOMIC_RELAXED);
	sampler_later_start(s);
	return r ? error_set(error, r, "out of memory: this tick is lost") : 0;
}

void sampler_settle(struct sampler *s, uint64_t ns)
{
	uint64_t until = zygote_now_ns() + ns;

	for (size_t i = 0; i < s->nplugins; i++) {
		uint64_t now = zygote_now_ns();

		if (now < until)
			plugin_wait(s->plugins[i].plugin, until - now);
	}
	sampler_later_wait(s, until);
}

void sampler_settle_late(struct sampler *s, uint64_t ns)
{
	sampler_later_wait(s, zygote_now_ns() + ns);
}

/* Returns how many; *ret_own of them, the first ones, are not of collectors. */
static size_t poll_fds(struct sampler *s, struct pollfd *fds, size_t *ret_own)
{
	size_t n = 0;

	fds[n++] = (struct pollfd){s->wake_fd, POLLIN, 0};
	if (s->options.zygote)
		fds[n++] = (struct pollfd){zygote_fd(s->options.zygote), POLLIN, 0};
	fds[n++] = (struct pollfd){ask_pool_fd(s->asks), POLLIN, 0};
	fds[n++] = (struct pollfd){symline_fd(s->lines), POLLIN, 0};
	for (size_t i = 0; i < s->nplugins && n < POLL_FDS_MAX; i++)
		fds[n++] = (struct pollfd){plugin_fd(s->plugins[i].plugin), POLLIN, 0};
	*ret_own = n;
	for (size_t i = 0; i < s->nentries && n < POLL_FDS_MAX; i++) {
		const struct entry *e = s->entries[i];

		if (e->open && e->collector && e->collector->fd && e->collector->drain)
			fds[n++] = (struct pollfd){e->collector->fd(e->self), POLLIN, 0};
	}
	return n;
}

static void drain(struct sampler *s, const struct pollfd *fds, size_t n)
{
	for (size_t i = 0; i < s->nentries; i++) {
		struct entry *e = s->entries[i];
		int fd;

		if (!e->open || !e->collector || !e->collector->fd || !e->collector->drain)
			continue;
		fd = e->collector->fd(e->self);
		for (size_t k = 0; fd >= 0 && k < n; k++) {
			if (fds[k].fd == fd && fds[k].revents)
				e->collector->drain(e->self);
		}
	}
}

/* When one of the helpers has to be looked at; UINT64_MAX: not by itself. */
static uint64_t helpers_next_ns(struct sampler *s)
{
	uint64_t next = ask_pool_next_ns(s->asks), own = symline_next_ns(s->lines);

	next = own < next ? own : next;
	for (size_t i = 0; i < s->nplugins; i++) {
		own = plugin_next_ns(s->plugins[i].plugin);
		next = own < next ? own : next;
	}
	return next;
}

static void helpers_poll(struct sampler *s)
{
	if (s->options.zygote)
		zygote_poll(s->options.zygote);
	ask_pool_poll(s->asks);
	symline_poll(s->lines);
	for (size_t i = 0; i < s->nplugins; i++)
		plugin_poll(s->plugins[i].plugin);
}

static bool any_ready(const struct pollfd *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i].revents)
			return true;
	return false;
}

/* The end of a rest, where something opened that is worth a tick of its own: when that is not right before or after another one. */
static uint64_t until_news(const struct sampler *s, uint64_t until_ns)
{
	uint64_t early = s->last_tick_ns + NEWS_APART_NS, now = mono_now(s);

	early = early > now ? early : now;
	return s->news && s->options.interval_ns >= 1000000000u && early + NEWS_APART_NS < until_ns ? early : until_ns;
}

/* Until the next tick, or until `fd` (-1: none) can be read: what comes between samples is taken in as it comes, deadlines are
 * kept. True: stop, or fd. Sooner where another interval is asked for; `news`: and where s->news says so. */
static bool wait_until(struct sampler *s, uint64_t until_ns, int fd, bool news)
{
	struct pollfd fds[POLL_FDS_MAX + 4];
	uint64_t now;
	bool stop = false;

	while (!stop && (now = mono_now(s)) < until_ns) {
		uint64_t due = helpers_next_ns(s), next = due < until_ns ? due : until_ns;
		size_t own, n = poll_fds(s, fds, &own), at = n;
		struct timespec ts;
		int ready;

		next = next > now ? next - now : 0;
		if (fd >= 0)
			fds[n++] = (struct pollfd){fd, POLLIN, 0};
		ts = (struct timespec){(time_t)(next / 1000000000u), (long)(next % 1000000000u)};
		ready = ppoll(fds, n, &ts, NULL);
		if (ready > 0) {
			uint64_t ignored;

			if (fds[0].revents && read(s->wake_fd, &ignored, sizeof(ignored)) < 0 && errno != EAGAIN)
				return true;
			/* What has been opened meanwhile is heard from now on, not from the next tick on. */
			if (fds[0].revents) {
				sampler_later_start(s);
				sampler_later_take(s);
				interests_tell(s);
				until_ns = news ? until_news(s, until_ns) : until_ns;
			}
			drain(s, fds, at);
			stop = at < n && fds[at].revents;
		}
		/* Not where only a collector was woken: that may be hundreds of times a second. */
		if (ready <= 0 || any_ready(fds, own) || due <= now)
			helpers_poll(s);
		pthread_mutex_lock(&s->mutex);
		stop = stop || s->stop;
		if (s->asked_interval_ns)
			until_ns = 0;
		pthread_mutex_unlock(&s->mutex);
	}
	return stop;
}

bool sampler_rest(struct sampler *s, uint64_t ns, int fd)
{
	return wait_until(s, mono_now(s) + ns, fd, false);
}

/* The tick after the first one comes soon, so that rates are there soon, and so does that after one in which tables began; else all come
 * on wall-clock multiples of the interval, so that columns of charts are whole ticks. */
static uint64_t next_tick(const struct sampler *s, bool soon)
{
	uint64_t interval = s->options.interval_ns, now = mono_now(s), soon_ns = now + 160000000u;
	uint64_t next = now + interval - s->clock->now_ns(s->clock, CULPRIT_WALL) % interval;

	if (!soon || interval < 1000000000u)
		return next;
	return s->ticks == 1 || soon_ns + NEWS_APART_NS < next ? soon_ns : next;
}

static void *sampler_main(void *arg)
{
	struct sampler *s = arg;

	for (;;) {
		struct culprit_error error;
		bool soon;

		if (sampler_tick(s, &error))
			sampler_say(s, CULPRIT_LOG_ERROR, NULL, error.sentence);
		soon = s->ticks == 1 || s->news;
		s->news = false;
		do {
			interval_take(s);
			if (wait_until(s, next_tick(s, soon), -1, true))
				return NULL;
		} while (interval_is_asked(s));
	}
}

int sampler_start(struct sampler *s, struct culprit_error *error)
{
	int r;

	if (s->running)
		return 0;
	s->stop = false;
	r = pthread_create(&s->thread, NULL, sampler_main, s);
	if (r)
		return error_set(error, -r, "the sampling thread could not be started: %s", strerror(r));
	s->running = true;
	return 0;
}

void sampler_stop(struct sampler *s)
{
	if (!s->running)
		return;
	pthread_mutex_lock(&s->mutex);
	s->stop = true;
	pthread_mutex_unlock(&s->mutex);
	sampler_wake(s);
	pthread_join(s->thread, NULL);
	s->running = false;
}
