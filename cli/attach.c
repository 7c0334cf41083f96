#include "attach.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <culprit/host.h>

#include "clock.h"
#include "cursor.h"
#include "error.h"
#include "query.h"
#include "units.h"

#define SECOND UINT64_C(1000000000)

enum {
	RECENT_S = 3600,    /* a recorder that ended longer ago is attached to only where it is named */
	LOOK_S = 1,         /* how often a new recorder is looked for */
	SETTLED_S = 10,     /* one that lived less long may be one that keeps dying */
	JUDGE_S = 5,        /* how often it is asked whether the ring has what is looked at */
	UNWANTED_S = 10,    /* after so long nothing is sampled any more for what was looked at */
	UNASKED = 40,       /* likewise, in refreshes */
	SILENT_S = 5,       /* a recorder that is this much behind its interval is said to be silent */
};

static uint64_t mono_now(void)
{
	return clock_real()->now_ns(clock_real(), CULPRIT_MONOTONIC);
}

/* --- finding and opening --- */

bool attach_wanted(const struct options *o)
{
	if (o->attach)
		return true;
	return !o->no_attach && (!o->interval_ns || o->interval_remembered) && !o->collect && !o->without && !o->nplugins && !o->root && !o->history_bytes;
}

/* Its times must be this boot's: 0, or -EINVAL with a sentence. */
static int check_boot(struct source *source, struct culprit_error *error)
{
	static const char *const none[] = {NULL};
	struct cursor *c = cursor_create(source, none);
	const struct segment *segment;
	char boot[40] = "";
	int fd, r = 0;
	ssize_t n = 0;

	if (!c)
		return error_set(error, -ENOMEM, "out of memory");
	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, boot, sizeof(boot) - 1);
		close(fd);
	}
	boot[n > 0 ? strcspn(boot, "\n") : 0] = '\0';
	if (!cursor_seek(c, UINT64_MAX, NULL) && (segment = cursor_segment(c)) && boot[0] && segment->host.boot_id[0] &&
	    strcmp(segment->host.boot_id, boot) != 0)
		r = error_set(error, -EINVAL, "%.150s is of another machine, or of before the last boot; look at it with: culprit "
			      "replay FILE", source->name);
	cursor_destroy(c);
	return r;
}

/* Wakes the console when something is there. Descriptors that are closed leave it by themselves. */
static void poll_add(struct attach *a, struct source *source)
{
	struct epoll_event event = {.events = EPOLLIN};
	int fd = source->ops->fd ? source->ops->fd(source) : -1;

	if (fd >= 0 && a->poll_fd >= 0)
		epoll_ctl(a->poll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* The view owns the source from here on. */
static int take(struct attach *a, struct source *source, struct culprit_error *error)
{
	const char *base = strrchr(source->name, '/');
	int r = check_boot(source, error);

	if (r) {
		source_destroy(source);
		return r;
	}
	ring_source_status(source, &a->status);
	snprintf(a->path, sizeof(a->path), "%s", source->name);
	snprintf(a->name, sizeof(a->name), "%.*s", RING_NAME_MAX, base ? base + 1 : source->name);
	if (a->nrecorders == ATTACH_RECORDERS_MAX)
		view_remove_source(a->view, a->recorders[--a->nrecorders]);
	/* The newest recorder answers first. */
	r = a->recorder ? view_add_source_before(a->view, source, a->recorder) : view_add_source(a->view, source);
	if (r)
		return error_set(error, r, "no more rings can be attached to");
	memmove(&a->recorders[1], &a->recorders[0], a->nrecorders++ * sizeof(a->recorders[0]));
	a->recorder = a->recorders[0] = source;
	a->ended = false;
	poll_add(a, source);
	return 0;
}

int attach_open(struct attach *a, struct view *view, const struct options *o, struct culprit_error *error)
{
	struct ring_found found[RING_FOUND_MAX];
	struct culprit_error why = {""};
	struct source *source;
	uint64_t now = mono_now();
	size_t n;
	int r;

	memset(a, 0, sizeof(*a));
	a->view = view;
	a->poll_fd = -1;
	if (!attach_wanted(o))
		return 0;
	a->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (o->attach) {
		source = o->attach[0] ? ring_attach(o->attach, error) : ring_attach_best(error);
		r = source ? take(a, source, error) : errno ? -errno : -EIO;
		return r ? r : 1;
	}
	n = ring_find(found, RING_FOUND_MAX, &why);
	if (n && !found[0].status.live && (!found[0].to_ns || found[0].to_ns + RECENT_S * SECOND < now))
		n = 0;
	if (n) {
		source = ring_attach(found[0].path, &why);
		if (source && !take(a, source, &why))
			return 1;
	}
	snprintf(a->note, sizeof(a->note), "%s", why.sentence);
	return 0;
}

/* --- sampling here --- */

static int sample_everything(struct attach *a, struct culprit_error *error)
{
	a->all = true;
	for (size_t i = 0; i < a->ntables; i++)
		view_route(a->view, a->tables[i].table, NULL);
	a->ntables = 0;
	sampler_collect(a->session->sampler, NULL, NULL);
	a->running = true;
	return sampler_start(a->session->sampler, error);
}

static void sample_nothing(struct attach *a)
{
	sampler_stop(a->session->sampler);
	sampler_collect(a->session->sampler, "", "");
	a->all = a->running = false;
}

int attach_local(struct attach *a, struct session *session, struct source *local, struct culprit_error *error)
{
	a->session = session;
	a->local = local;
	poll_add(a, local);
	a->query = query_create(a->view);
	if (!a->query)
		return error_set(error, -ENOMEM, "out of memory");
	if (a->status.live)
		return 0;
	a->ended = true;
	a->all = true;
	sampler_collect(session->sampler, NULL, NULL);
	return 0;
}

void attach_close(struct attach *a)
{
	query_destroy(a->query);
	a->query = NULL;
	if (a->poll_fd >= 0)
		close(a->poll_fd);
	a->poll_fd = -1;
}

/* --- how it stands --- */

static uint64_t newest_ns(struct source *s)
{
	const struct segment_info *info;
	uint64_t newest = 0;

	for (size_t i = 0; (info = s->ops->segment(s, i)); i++)
		newest = info->to_ns;
	return newest;
}

/* How long it has been written, as its frames say; 0: there are no two yet. */
static uint64_t lived_ns(struct source *s)
{
	const struct segment_info *first;
	uint64_t newest = newest_ns(s);

	return newest && (first = s->ops->segment(s, 0)) ? newest - first->from_ns : 0;
}

/* A new ring under the same name. After a recorder that was up for a while the next one is attached to with its second frame;
 * after one that was not, only when it has been up for a while itself: else the screen would change hands every few seconds. */
static void look_for_new(struct attach *a, uint64_t now)
{
	struct ring_status status = {0};
	struct culprit_error error;
	struct source *source;
	uint64_t lived;

	if (now - a->looked_ns < LOOK_S * SECOND)
		return;
	a->looked_ns = now;
	a->back[0] = '\0';
	source = ring_attach(a->path, &error);
	if (!source)
		return;
	ring_source_status(source, &status);
	lived = status.live && source->ops->refresh(source, NULL) > 0 ? lived_ns(source) : 0;
	if (!status.live || !lived || (a->brief && lived < SETTLED_S * SECOND)) {
		if (status.live && a->brief)
			snprintf(a->back, sizeof(a->back), "is back, attached to when it has run for %d s", SETTLED_S);
		source_destroy(source);
		return;
	}
	if (take(a, source, &error)) {
		snprintf(a->back, sizeof(a->back), "is back, but cannot be attached to: %.80s", error.sentence);
		return;
	}
	sample_nothing(a);
}

static void look(struct attach *a)
{
	uint64_t now = mono_now(), newest = newest_ns(a->recorder);
	struct culprit_error ignored;

	ring_source_status(a->recorder, &a->status);
	if (newest)
		a->ended_ns = newest;
	/* One that was cut short has no frames left: whoever writes it makes another one. */
	if ((!a->status.live || (!newest && a->ended_ns)) && !a->ended) {
		a->ended = true;
		a->brief = lived_ns(a->recorder) < SETTLED_S * SECOND;
		sample_everything(a, &ignored);
	} else if (a->ended) {
		look_for_new(a, now);
	}
}

static double own_percent(struct attach *a)
{
	uint64_t now = mono_now(), cpu = 0;
	struct rusage u;

	if (!getrusage(RUSAGE_SELF, &u))
		cpu = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * SECOND +
		      (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000u;
	if (!a->ncpu || now - a->cpu[a->ncpu - 1].at_ns >= SECOND) {
		if (a->ncpu == ATTACH_CPU_SAMPLES)
			memmove(a->cpu, a->cpu + 1, --a->ncpu * sizeof(a->cpu[0]));
		a->cpu[a->ncpu].at_ns = now;
		a->cpu[a->ncpu++].cpu_ns = cpu;
	}
	return now - a->cpu[0].at_ns >= SECOND ? (double)(cpu - a->cpu[0].cpu_ns) * 100 / (double)(now - a->cpu[0].at_ns)
						: (double)NAN;
}

static const char *clock_of(const struct attach *a, const struct console_now *now, uint64_t mono_ns, char *buf, size_t cap)
{
	(void)a;
	return units_clock(buf, cap, (int64_t)mono_ns + now->wall_offset_ns, now->zone_offset_s);
}

/* What is answered from here: "thread local since 14:03:22Z". */
static size_t say_local(const struct attach *a, const struct console_now *now, char *out, size_t cap)
{
	const struct segment_info *first = a->local->ops->segment(a->local, 0);
	char clock[32];
	size_t n = 0;

	out[0] = '\0';
	if (!first || a->all)
		return 0;
	/* Many names would push everything else off the line. */
	if (a->ntables > 3)
		n = (size_t)snprintf(out, cap, "%zu tables", a->ntables);
	for (size_t i = 0; i < a->ntables && a->ntables <= 3 && n + 40 < cap; i++)
		n += (size_t)snprintf(out + n, cap - n, "%s%s", i ? " " : "", a->tables[i].table);
	if (n)
		n += (size_t)snprintf(out + n, cap - n, " local since %s",
				      clock_of(a, now, first->from_ns, clock, sizeof(clock)));
	return n < cap ? n : cap - 1;
}

static void say(struct attach *a, struct console_now *now)
{
	char missing[sizeof(now->notice)], local[160], clock[32];
	size_t n;

	memcpy(missing, now->notice, sizeof(missing));
	if (!a->ended && a->ended_ns && mono_now() > a->ended_ns + 2 * now->tick_ns + SILENT_S * SECOND)
		n = (size_t)snprintf(now->notice, sizeof(now->notice), "recorder %s (pid %llu) is silent since %s: stopped, or without "
				     "CPU; --no-attach samples here", a->name, (unsigned long long)a->status.pid,
				     clock_of(a, now, a->ended_ns, clock, sizeof(clock)));
	else if (a->ended && a->back[0])
		n = (size_t)snprintf(now->notice, sizeof(now->notice), "recorder %s %s", a->name, a->back);
	else if (a->ended)
		n = (size_t)snprintf(now->notice, sizeof(now->notice), "recorder %s ended at %s; sampled here since", a->name,
				     clock_of(a, now, a->ended_ns, clock, sizeof(clock)));
	else
		n = (size_t)snprintf(now->notice, sizeof(now->notice), "attached to recorder %s, since %s", a->name,
				     clock_of(a, now, now->from_ns, clock, sizeof(clock)));
	if (say_local(a, now, local, sizeof(local)) && n < sizeof(now->notice))
		n += (size_t)snprintf(now->notice + n, sizeof(now->notice) - n, "; %s", local);
	if (missing[0] && n < sizeof(now->notice))
		snprintf(now->notice + n, sizeof(now->notice) - n, "; %.200s", missing);
}

void attach_now(struct attach *a, struct console_now *now)
{
	if (!a->recorder || !a->session)
		return;
	look(a);
	/* What the table `collector` tells is the recorder's cost while it runs. */
	now->has_recorder = !a->ended;
	now->recorder_percent = now->self_percent;
	if (!a->ended)
		now->self_percent = own_percent(a);
	say(a, now);
}

/* --- what is looked at --- */

static void want(struct attach *a, const char *table, bool narrow, uint64_t now)
{
	const char *collector = session_collector_of(table);
	struct attach_table *t = NULL;

	for (size_t i = 0; i < a->ntables && !t; i++)
		if (!strcmp(a->tables[i].table, table))
			t = &a->tables[i];
	if (!t) {
		/* Of a plug-in, or of another version: nobody here fills it. */
		if (!collector || a->ntables == ATTACH_ROUTES_MAX || view_route(a->view, table, a->local))
			return;
		t = &a->tables[a->ntables++];
		*t = (struct attach_table){.collector = collector, .narrow = narrow};
		snprintf(t->table, sizeof(t->table), "%s", table);
	}
	t->narrow &= narrow;
	t->wanted_ns = now;
}

/* What was found of this table and column before; the one that is longest ago where there was nothing. */
static struct attach_judged *judged_of(struct attach *a, const struct culprit_interest *interest)
{
	const char *what = interest->what ? interest->what : "";
	struct attach_judged *j = &a->judged[0];

	for (size_t i = 0; i < ATTACH_JUDGED_MAX; i++) {
		struct attach_judged *k = &a->judged[i];

		if (!strcmp(k->table, interest->table) && !strcmp(k->what, what))
			return k;
		if (k->asked_ns < j->asked_ns)
			j = k;
	}
	memset(j, 0, sizeof(*j));
	snprintf(j->table, sizeof(j->table), "%s", interest->table);
	snprintf(j->what, sizeof(j->what), "%s", what);
	return j;
}

/* Has the ring what this interest wants? Asked of the newest second. */
static bool is_met(struct attach *a, const struct culprit_interest *interest, uint64_t now)
{
	struct lens lens = lens_live(SECOND);
	struct attach_judged *j;
	struct value v;
	int column;

	/* Routed already: only the end of the interest changes that. */
	if (view_routed(a->view, interest->table))
		return false;
	j = judged_of(a, interest);
	if (j->asked_ns && now - j->asked_ns < JUDGE_S * SECOND && !memcmp(j->key, interest->key, sizeof(j->key)))
		return j->met;
	memcpy(j->key, interest->key, sizeof(j->key));
	j->asked_ns = now;
	j->met = true;
	if (interest->nkey)
		lens_scope_process(&lens, interest->key[0], interest->nkey > 1 ? interest->key[1] : 0);
	if (query_run(a->query, &lens, interest->table, 0, NULL))
		return true;
	j->met = query_nrows(a->query) > 0;
	column = interest->what && strcmp(interest->what, "rows") ? query_column_find(a->query, interest->what) : -1;
	for (size_t i = 0; column >= 0 && i < query_nrows(a->query); i++) {
		query_value(a->query, i, (size_t)column, &v);
		j->met = v.state == VALUE_OK;
		if (j->met)
			break;
	}
	return j->met;
}

/* Tells the sampler which collectors are wanted; without any it stands still. */
static void choose(struct attach *a)
{
	char lists[2][512] = {"", ""};
	struct culprit_error ignored;

	for (size_t i = 0; i < a->ntables; i++) {
		char *list = lists[a->tables[i].narrow];
		size_t n = strlen(list);

		snprintf(list + n, sizeof(lists[0]) - n, "%s%s", n ? "," : "", a->tables[i].collector);
	}
	sampler_collect(a->session->sampler, lists[0], lists[1]);
	if (a->ntables && !a->running)
		a->running = !sampler_start(a->session->sampler, &ignored);
	else if (!a->ntables)
		sample_nothing(a);
}

void attach_interests(struct attach *a, const struct culprit_interest *list, size_t n)
{
	uint64_t now = mono_now();
	size_t kept = 0, before = a->ntables;
	bool changed = false;
	const char *table;

	if (!a->session)
		return;
	if (a->all) {
		sampler_set_interests(a->session->sampler, list, n);
		return;
	}
	for (size_t i = 0; (table = view_missing(a->view, i)); i++) {
		char name[32];

		snprintf(name, sizeof(name), "%s", table);
		want(a, name, false, now);
	}
	for (size_t i = 0; i < n; i++)
		if (!is_met(a, &list[i], now))
			want(a, list[i].table, true, now);
	changed = a->ntables != before;
	for (size_t i = 0; i < a->ntables; i++) {
		struct attach_table *t = &a->tables[i];

		if (now - t->wanted_ns > UNWANTED_S * SECOND && view_route_idle(a->view, t->table) > UNASKED) {
			view_route(a->view, t->table, NULL);
			changed = true;
			continue;
		}
		if (t->narrow && now - t->wanted_ns > 2 * SECOND) {
			/* The others' turn again: with the whole past. */
			view_route(a->view, t->table, NULL);
			changed = true;
			continue;
		}
		a->tables[kept++] = *t;
	}
	a->ntables = kept;
	if (a->ntables)
		sampler_set_interests(a->session->sampler, list, n);
	if (changed)
		choose(a);
}
