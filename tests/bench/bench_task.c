/* What reading all processes and threads costs, alone: starts sleeping processes, samples them with the collector
 *`task` into a real frame, and prints CPU time a tick.
 *
 *	bench_task [-p PROCESSES] [-t THREADS_EACH] [-b BUSY] [-n TICKS] [-i MS] [-w] [-k | -K]
 *
 * -b: so many of them work a little all the time. -w: whole rows in every tick, as `dump` reads them. -k: the same ticks again with
 * the iterator in the kernel, beside those from /proc; -K: those alone. The files of 10,000 new processes are read in the course of
 * 300 ticks: -n 700 has what it takes from then on. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "builder.h"
#include "support/frame_recorder.h"

extern const struct culprit_collector task_collector;

static uint64_t clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* Ticks follow one another quickly here, but a second lies between them for the collector. */
static uint64_t ahead_ns;

static uint64_t now_ns(const struct culprit_host *host, uint32_t clock)
{
	static const clockid_t ids[] = {[CULPRIT_MONOTONIC] = CLOCK_MONOTONIC,
					[CULPRIT_WALL] = CLOCK_REALTIME,
					[CULPRIT_BOOT] = CLOCK_BOOTTIME};
	struct timespec ts;

	(void)host;
	clock_gettime(ids[clock], &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec + (clock == CULPRIT_MONOTONIC ? ahead_ns : 0);
}

static int ask(const struct culprit_host *host, struct culprit_ask *a)
{
	int fd;
	ssize_t n;

	if (a->what != CULPRIT_ASK_FILE)
		return -ENOENT;
	fd = openat(host->proc_fd, a->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, a->buf, a->cap);
	close(fd);
	a->len = n > 0 ? (uint32_t)n : 0;
	return 0;
}

static void *sleeper(void *arg)
{
	(void)arg;
	pause();
	return NULL;
}

static pid_t start(unsigned threads, int busy)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 1; i < threads; i++) {
		pthread_attr_t attr;
		pthread_t t;

		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, 64 * 1024);
		pthread_create(&t, &attr, sleeper, NULL);
	}
	for (;;) {
		struct timespec ts = {0, 50 * 1000 * 1000};

		if (!busy)
			pause();
		nanosleep(&ts, NULL);
		free(memset(malloc(1 << 20), 1, 1 << 20));
		malloc_trim(0);
	}
}

struct options {
	unsigned processes, threads, busy, ticks, ms;
	int whole;
};

/* Ticks of a collector of its own. 0, or 1. */
static int measure(const struct options *o, bool iterator)
{
	uint64_t first = 0, early = 0, steady = 0, wall = 0, seal = 0;
	unsigned nsteady = 0;
	struct fixture_host host;
	struct culprit_error error = {""};
	struct schema *schema;
	struct builder *builder;
	struct wbuf out;
	void *self = NULL;

	fixture_host_init(&host, NULL);
	host.host.ask = ask;
	host.host.now_ns = now_ns;
	if (o->whole)
		host.host.flags = CULPRIT_HOST_WHOLE;
	schema = schema_create();
	for (uint32_t i = 0; i < task_collector.ntables; i++)
		if (schema_add(schema, task_collector.tables[i], &error) < 0) {
			fprintf(stderr, "%s\n", error.sentence);
			return 1;
		}
	builder = builder_create(schema);
	wbuf_init(&out);
	if (task_collector.open(&host.host, &self, &error) != 0) {
		fprintf(stderr, "%s\n", error.sentence);
		return 1;
	}
	for (unsigned i = 0; i < o->ticks; i++) {
		/* As in the program: /proc first, then it takes over. */
		struct timespec ts = {o->ms / 1000, o->ms % 1000 * 1000000L};
		uint64_t cpu, began, spent;
		int r;

		if (iterator && i == 1 && (!task_collector.later || task_collector.later(self, &error) != 0)) {
			fprintf(stderr, "no iterator: %s\n", error.sentence);
			return 1;
		}
		builder_begin(builder, host.host.now_ns(&host.host, CULPRIT_MONOTONIC),
			      (int64_t)host.host.now_ns(&host.host, CULPRIT_WALL));
		began = clock_us(CLOCK_MONOTONIC);
		cpu = clock_us(CLOCK_THREAD_CPUTIME_ID);
		r = task_collector.sample(self, builder_frame(builder, 0, task_collector.ntables));
		spent = clock_us(CLOCK_THREAD_CPUTIME_ID) - cpu;
		began = clock_us(CLOCK_MONOTONIC) - began;
		r = builder_frame_end(builder, r, NULL, spent * 1000, 1, &error) ?: r;
		if (r) {
			fprintf(stderr, "tick %u: %s: %s\n", i, strerror(-r), error.sentence);
			return 1;
		}
		cpu = clock_us(CLOCK_THREAD_CPUTIME_ID);
		builder_seal(builder, i == 0, &out);
		cpu = clock_us(CLOCK_THREAD_CPUTIME_ID) - cpu;
		if (getenv("VERBOSE"))
			printf("tick %u: sample %u us cpu, %u us wall, seal %u us, %zu bytes\n", i, (unsigned)spent,
			       (unsigned)began, (unsigned)cpu, out.len);
		out.len = 0;
		if (i == 0) {
			first = spent;
		} else if (i < o->ticks / 2) {
			early += spent;
		} else {
			steady += spent;
			wall += began;
			seal += cpu;
			nsteady++;
		}
		nanosleep(&ts, NULL);
		ahead_ns += 1000000000 - (uint64_t)o->ms * 1000000;
	}
	printf("%u processes of %u threads, %u working; rows: process %u, thread %u\n", o->processes, o->threads, o->busy,
	       (unsigned)builder_rows(builder, 0), (unsigned)builder_rows(builder, 1));
	printf("%s: first tick %.2f ms\n", iterator ? "iterator" : "/proc", (double)first / 1e3);
	if (nsteady && o->ticks > 3)
		printf("ticks 2-%u %.2f ms; then %.2f ms a tick (wall %.2f), sealing %.2f ms\n", o->ticks / 2,
		       (double)early / 1e3 / (o->ticks / 2 - 1), (double)steady / 1e3 / nsteady,
		       (double)wall / 1e3 / nsteady, (double)seal / 1e3 / nsteady);
	task_collector.close(self);
	builder_destroy(builder);
	schema_unlock(schema);
	wbuf_finish(&out);
	fixture_host_finish(&host);
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = {.processes = 1000, .threads = 1, .ticks = 40, .ms = 50};
	struct rlimit files;
	bool kernel = false, proc = true;
	pid_t *pids;
	int c, r;

	while ((c = getopt(argc, argv, "p:t:b:n:i:wkK")) != -1) {
		switch (c) {
		case 'p':
			o.processes = (unsigned)atoi(optarg);
			break;
		case 't':
			o.threads = (unsigned)atoi(optarg);
			break;
		case 'b':
			o.busy = (unsigned)atoi(optarg);
			break;
		case 'n':
			o.ticks = (unsigned)atoi(optarg);
			break;
		case 'i':
			o.ms = (unsigned)atoi(optarg);
			break;
		case 'w':
			o.whole = 1;
			break;
		case 'K':
			proc = false;
			/* fall through */
		case 'k':
			kernel = true;
			break;
		default:
			return 2;
		}
	}
	pids = calloc(o.processes ? o.processes : 1, sizeof(*pids));
	for (unsigned i = 0; i < o.processes; i++) {
		pids[i] = start(o.threads, i < o.busy);
		if (pids[i] < 0) {
			fprintf(stderr, "%u processes could be started, no more: %s\n", i, strerror(errno));
			o.processes = i;
		}
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	r = proc ? measure(&o, false) : 0;
	if (r == 0 && kernel)
		r = measure(&o, true);
	for (unsigned i = 0; i < o.processes; i++)
		kill(pids[i], SIGKILL);
	for (unsigned i = 0; i < o.processes; i++)
		waitpid(pids[i], NULL, 0);
	free(pids);
	return r;
}
