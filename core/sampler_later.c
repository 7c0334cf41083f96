/* Collectors that take long to open (CULPRIT_OPEN_LATER): a thread of its own opens them, one after the other, once the first
 * tick has been taken, so that neither the first screen nor any sample waits for what is loaded into the kernel. Until an
 * entry's open() has returned only that thread touches it; then it is handed over by `opened`, and the sampler takes it in
 * at its next tick. After them come those that are open and have more to make (later()): they are sampled meanwhile. */
#include "sampler_internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "error.h"

enum { OPENING = 0, OPENED = 1 };

/* It is open, and there is more to make. */
static bool goes_on(const struct entry *e)
{
	return !(e->collector->flags & CULPRIT_OPEN_LATER);
}

static uint64_t thread_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Does somebody look at a table of it? By the collector's own list: the schema is the sampler's, which may be adding to it. */
static bool is_looked_at(struct sampler *s, const struct entry *e)
{
	bool is = false;

	pthread_mutex_lock(&s->mutex);
	for (size_t i = 0; i < s->interests.n; i++)
		for (size_t k = 0; k < e->collector->ntables; k++)
			is |= !strcmp(e->collector->tables[k]->name, s->interests.list[i].table);
	pthread_mutex_unlock(&s->mutex);
	return is;
}

/* What somebody waits for comes first. NULL: all are made. */
static struct entry *next_to_make(struct sampler *s, bool more)
{
	struct entry *first = NULL;

	for (size_t i = 0; i < s->nlater; i++) {
		struct entry *e = s->later[i];

		if (goes_on(e) != more || e->later == OPENED)
			continue;
		if (is_looked_at(s, e))
			return e;
		first = first ? first : e;
	}
	return first;
}

static void make(struct sampler *s, bool more)
{
	struct entry *e;

	while (!__atomic_load_n(&s->later_stop, __ATOMIC_RELAXED) && (e = next_to_make(s, more))) {
		uint64_t before_ns = thread_ns();

		e->later_result = more ? e->collector->later(e->self, &e->later_error)
				       : e->collector->open(&e->host, &e->self, &e->later_error);
		__atomic_fetch_add(&s->once_ns, thread_ns() - before_ns, __ATOMIC_RELAXED);
		__atomic_store_n(&e->later, OPENED, __ATOMIC_RELEASE);
		sampler_wake(s);
	}
}

static void *later_main(void *arg)
{
	make(arg, false);
	make(arg, true);
	return NULL;
}

bool sampler_later_ready(struct sampler *s)
{
	if (!s->later_started)
		return true;
	for (size_t i = 0; i < s->nlater; i++)
		if (s->later[i]->waits)
			return false;
	if (s->later_running)
		pthread_join(s->later_thread, NULL);
	s->later_running = s->later_started = false;
	s->nlater = 0;
	return true;
}

int sampler_later_add(struct sampler *s, struct entry *e)
{
	e->later = OPENING;
	e->later_error.sentence[0] = '\0';
	if (s->nlater == SAMPLER_LATER_MAX)
		return -ENOSPC;
	s->later[s->nlater++] = e;
	e->waits = true;
	if (goes_on(e))
		return 0;
	e->state = CULPRIT_LATE;
	error_set(&e->reason, 0, "being loaded");
	return 0;
}

void sampler_later_start(struct sampler *s)
{
	sigset_t all, before;
	int r;

	if (!s->nlater || s->later_started || (__atomic_load_n(&s->await_shown, __ATOMIC_ACQUIRE) && s->ticks < 2))
		return;
	s->later_started = true;
	/* Signals are for the threads that were here before. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&s->later_thread, NULL, later_main, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	s->later_running = !r;
	if (!r)
		return;
	for (size_t i = 0; i < s->nlater; i++) {
		s->later[i]->later_result = -r;
		error_set(&s->later[i]->later_error, 0, "the thread that loads it could not be started: %s", strerror(r));
		__atomic_store_n(&s->later[i]->later, OPENED, __ATOMIC_RELEASE);
	}
}

void sampler_await_shown(struct sampler *s)
{
	__atomic_store_n(&s->await_shown, true, __ATOMIC_RELEASE);
}

void sampler_shown(struct sampler *s)
{
	if (__atomic_load_n(&s->await_shown, __ATOMIC_RELAXED) && __atomic_exchange_n(&s->await_shown, false, __ATOMIC_ACQ_REL))
		sampler_wake(s);
}

bool sampler_later_take(struct sampler *s)
{
	bool all = true, any = false;

	for (size_t i = 0; i < s->nlater; i++) {
		struct entry *e = s->later[i];

		if (!e->waits)
			continue;
		if (__atomic_load_n(&e->later, __ATOMIC_ACQUIRE) != OPENED) {
			all = all && goes_on(e);
			continue;
		}
		e->waits = false;
		if (goes_on(e)) {
			/* Why not stands with its programs, or is nobody's business. */
			if (e->later_result && e->later_error.sentence[0])
				sampler_say(s, CULPRIT_LOG_INFO, e->name, e->later_error.sentence);
			continue;
		}
		if (e->later_result) {
			e->state = CULPRIT_MISSING;
			e->reason = e->later_error;
			if (!e->reason.sentence[0])
				error_set(&e->reason, 0, "%s", strerror(-e->later_result));
			continue;
		}
		any = true;
		s->news |= is_looked_at(s, e);
		e->open = true;
		e->state = CULPRIT_RESTING;
		e->reason.sentence[0] = '\0';
		/* What is looked at may have been said before it could hear. */
		pthread_mutex_lock(&s->mutex);
		s->interests_changed = true;
		pthread_mutex_unlock(&s->mutex);
	}
	s->news |= any && all;
	return all;
}

/* Those that have more to make are waited for as well: who waits wants all there is. */
static bool all_taken(struct sampler *s)
{
	bool all = sampler_later_take(s);

	for (size_t i = 0; i < s->nlater; i++)
		all = all && !s->later[i]->waits;
	return all;
}

void sampler_later_wait(struct sampler *s, uint64_t until_ns)
{
	if (all_taken(s))
		return;
	sampler_shown(s);
	sampler_later_start(s);
	while (!all_taken(s) && zygote_now_ns() < until_ns)
		poll(NULL, 0, 2);
}

void sampler_later_finish(struct sampler *s)
{
	__atomic_store_n(&s->later_stop, true, __ATOMIC_RELAXED);
	if (s->later_running)
		pthread_join(s->later_thread, NULL);
	s->later_running = false;
	/* What was opened and never sampled is closed like the others. */
	sampler_later_take(s);
}
