/* Processes and threads by the iterator in the kernel, beside the same from /proc: row by row and column by column. A sample of
 * the iterator is taken between two of /proc. What both of those agree on must be there in it; counters lie between them; what
 * comes and goes with running (states, wait channels) is compared where a process sleeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel/crowd.h"
#include "support/frame_recorder.h"
#include "task_iter.h"

extern const struct culprit_collector task_collector;

enum { CHILDREN_MAX = 32, ROUNDS = 5, NOTED_MAX = 4096 };

struct side {
	struct fixture_host host;
	struct recorder *recorder;
	void *self;
};

struct world {
	struct side proc, after, iterator;
	pid_t children[CHILDREN_MAX];
	unsigned n;
	unsigned rows, nnoted;
	struct {
		char where[160];
		char said[400]; /* the last time */
		unsigned rounds;
	} noted[NOTED_MAX];
};

static int ask(const struct culprit_host *host, struct culprit_ask *a)
{
	ssize_t n;
	int fd;

	if (a->what != CULPRIT_ASK_FILE)
		return -ENOENT;
	fd = openat(host->proc_fd, a->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, a->buf, a->cap);
	close(fd);
	if (n < 0)
		return -ESRCH;
	a->len = (uint32_t)n;
	return 0;
}

static void side_open(struct side *s)
{
	struct culprit_error error = {""};

	fixture_host_init(&s->host, NULL);
	s->host.host.ask = ask;
	if (task_collector.open(&s->host.host, &s->self, &error) != 0)
		fail_msg("%s", error.sentence);
	s->recorder = recorder_create(&task_collector);
}

static void side_close(struct side *s)
{
	task_collector.close(s->self);
	if (recorder_misuse(s->recorder))
		fail_msg("%s", recorder_misuse(s->recorder));
	recorder_destroy(s->recorder);
	fixture_host_finish(&s->host);
}

static void sample(struct side *s)
{
	assert_int_equal(recorder_sample(s->recorder, s->self), 0);
}

/* false: nothing can be loaded here; said. */
static bool load(struct side *s)
{
	struct culprit_error error = {""};

	if (task_collector.later(s->self, &error) == 0)
		return true;
	print_message("skipped: %s\n", error.sentence);
	return false;
}

/* --- children ---------------------------------------------------------------------------------------------------- */

static void *sleeper(void *name)
{
	prctl(PR_SET_NAME, name);
	for (;;)
		pause();
	return NULL;
}

static void burn_ms(long ms)
{
	struct timespec ts;

	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	while (ts.tv_sec * 1000 + ts.tv_nsec / 1000000 < ms);
}

static void *burner(void *arg)
{
	burn_ms(30);
	return arg;
}

enum habit { SLEEPS, THREADS, THREAD_ENDED, NAMED, NICE, STOPPED, ZOMBIE, MEMORY, PARENT, HABITS };

static void behave(enum habit habit)
{
	pthread_t t;
	void *p;

	switch (habit) {
	case THREADS:
		for (unsigned i = 0; i < 3; i++)
			pthread_create(&t, NULL, sleeper, (void *)"pool) S 1 2");
		break;
	case THREAD_ENDED:
		pthread_create(&t, NULL, burner, NULL);
		pthread_join(t, NULL);
		break;
	case NAMED:
		prctl(PR_SET_NAME, "\x1b[1m) x\n");
		break;
	case NICE:
		if (setpriority(PRIO_PROCESS, 0, 7) != 0)
			_exit(1);
		break;
	case ZOMBIE:
		burn_ms(20);
		_exit(3);
	case MEMORY:
		p = malloc(30 << 20);
		if (p)
			memset(p, 1, 30 << 20);
		break;
	case PARENT: /* time of children that ended */
		if (fork() == 0) {
			burn_ms(40);
			_exit(0);
		}
		wait(NULL);
		break;
	default:
		break;
	}
}

static void children(struct world *w)
{
	struct timespec ts = {0, 150 * 1000 * 1000};
	siginfo_t info;

	for (unsigned habit = 0; habit < HABITS; habit++) {
		int ready[2];
		char c;
		pid_t pid;

		assert_int_equal(pipe(ready), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			behave(habit);
			if (write(ready[1], "x", 1) != 1)
				_exit(1);
			for (;;)
				pause();
		}
		close(ready[1]);
		w->children[w->n++] = pid;
		assert_int_equal(read(ready[0], &c, 1), habit != ZOMBIE);
		close(ready[0]);
		if (habit == ZOMBIE)
			assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
		if (habit == STOPPED) {
			kill(pid, SIGSTOP);
			assert_int_equal(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT), 0);
		}
	}
	/* Threads name themselves, and all go to sleep. */
	nanosleep(&ts, NULL);
}

static bool ours(const struct world *w, uint64_t pid)
{
	for (unsigned i = 0; i < w->n; i++)
		if ((uint64_t)w->children[i] == pid)
			return true;
	return false;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	side_open(&w->proc);
	side_open(&w->after);
	side_open(&w->iterator);
	children(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < w->n; i++) {
		kill(w->children[i], SIGKILL);
		waitpid(w->children[i], NULL, 0);
	}
	side_close(&w->proc);
	side_close(&w->after);
	side_close(&w->iterator);
	free(w);
	return 0;
}

/* --- comparing --------------------------------------------------------------------------------------------------- */

static bool one_of(const char *name, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(*list, name) == 0)
			return true;
	return false;
}

static bool same_cell(const struct recorded_cell *a, const struct recorded_cell *b)
{
	if (a->state != b->state)
		return false;
	if (a->text || b->text)
		return a->text && b->text && a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
	return a->bits == b->bits;
}

/* A difference, in this round. */
static void note(struct world *w, const char *table, const char *key, const char *column, const char *said)
{
	char where[160];
	unsigned i = 0;

	snprintf(where, sizeof(where), "%s %s %s", table, key, column);
	while (i < w->nnoted && strcmp(w->noted[i].where, where) != 0)
		i++;
	if (i == NOTED_MAX)
		fail_msg("more than %d differences: %s", NOTED_MAX, said);
	w->nnoted += i == w->nnoted;
	snprintf(w->noted[i].where, sizeof(w->noted[i].where), "%s", where);
	snprintf(w->noted[i].said, sizeof(w->noted[i].said), "%s", said);
	w->noted[i].rounds++;
}

static void differ(struct world *w, const char *table, const char *key, const char *column, const struct recorded_cell *a,
		   const struct recorded_cell *b, const struct recorded_cell *c)
{
	char said[400];

	snprintf(said, sizeof(said), "%s %s: %s is %llu %.40s and %llu %.40s in /proc, %llu %.40s by the iterator", table, key,
		 column, (unsigned long long)a->bits, a->text ? a->text : "", (unsigned long long)c->bits, c->text ? c->text : "",
		 (unsigned long long)b->bits, b->text ? b->text : "");
	note(w, table, key, column, said);
}

static void compare_row(struct world *w, const struct culprit_table *t, const char *key, bool quiet, const struct recorded_row *ra,
			const struct recorded_row *rb, const struct recorded_row *rc)
{
	/* Change while a process runs, and back; or are made for each reader anew. */
	static const char *const moving[] = {"state", "wchan", "runnable", "blocked", "processor", "fds", "oom_score", NULL};
	static const char *const scaled[] = {"utime", "stime", NULL};
	const uint64_t tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);

	for (uint32_t i = 0; i < t->ncolumns; i++) {
		const struct recorded_cell *a = &ra->cells[i], *b = &rb->cells[i], *c = &rc->cells[i];
		const struct culprit_column *column = &t->columns[i];
		uint64_t low = a->bits < c->bits ? a->bits : c->bits, high = a->bits < c->bits ? c->bits : a->bits;

		if (!quiet && one_of(column->name, moving))
			continue;
		if (one_of(column->name, scaled) && a->state == RECORDED_VALUE && b->state == RECORDED_VALUE) {
			if (b->bits + tick_ns < low || b->bits > high + tick_ns)
				differ(w, t->name, key, column->name, a, b, c);
		} else if (same_cell(a, c)) {
			if (!same_cell(a, b))
				differ(w, t->name, key, column->name, a, b, c);
		} else if (column->role == CULPRIT_COUNTER && (b->bits < low || b->bits > high)) {
			differ(w, t->name, key, column->name, a, b, c);
		}
	}
}

static void compare_tables(struct world *w, const char *table)
{
	const struct recorded_table *a = recorder_table(w->proc.recorder, table);
	const struct recorded_table *b = recorder_table(w->iterator.recorder, table);
	unsigned both = 0;

	assert_int_equal(b->state, CULPRIT_FRESH);
	for (size_t i = 0; i < a->nrows; i++) {
		uint64_t id = a->rows[i].cells[0].bits, start = a->rows[i].cells[1].bits, pid = id;
		const struct recorded_row *rb, *rc;
		char key[64];

		snprintf(key, sizeof(key), "%llu %llu", (unsigned long long)id, (unsigned long long)start);
		rc = recorder_find(w->after.recorder, table, key);
		if (!rc)
			continue; /* it has ended meanwhile */
		both++;
		rb = recorder_find(w->iterator.recorder, table, key);
		if (!rb) {
			note(w, table, key, "", "not there by the iterator");
			continue;
		}
		if (strcmp(table, "thread") == 0)
			pid = recorder_u64(w->proc.recorder, table, &a->rows[i], "pid");
		compare_row(w, a->table, key, ours(w, pid), &a->rows[i], rb, rc);
	}
	/* Nobody but who came meanwhile: others differ in every round. */
	for (size_t i = 0; i < b->nrows; i++) {
		char key[64];

		snprintf(key, sizeof(key), "%llu %llu", (unsigned long long)b->rows[i].cells[0].bits,
			 (unsigned long long)b->rows[i].cells[1].bits);
		if (!recorder_find(w->proc.recorder, table, key) && !recorder_find(w->after.recorder, table, key)) {
			note(w, table, key, "", "nowhere in /proc");
		}
	}
	w->rows += both;
}

static void the_same_rows(void **state)
{
	struct world *w = *state;

	w->proc.host.host.flags = w->after.host.host.flags = w->iterator.host.host.flags = CULPRIT_HOST_WHOLE;
	sample(&w->iterator); /* /proc is first, always */
	if (!load(&w->iterator))
		skip();
	/* Others run and end meanwhile, and some of what they do does not lie between two readings. What is wrong is wrong each time. */
	for (int round = 0; round < ROUNDS; round++) {
		w->rows = 0;
		sample(&w->proc);
		sample(&w->iterator);
		sample(&w->after);
		compare_tables(w, "process");
		compare_tables(w, "thread");
	}
	for (unsigned i = 0; i < w->nnoted; i++)
		if (w->noted[i].rounds >= ROUNDS - 1)
			fail_msg("in %u of %d rounds: %s: %s", w->noted[i].rounds, ROUNDS, w->noted[i].where, w->noted[i].said);
	assert_true(w->rows > 2 * HABITS);
}

/* /proc first, then the iterator takes over: no row begins anew, no counter falls, and a tick shows what a tick did. */
static void it_takes_over(void **state)
{
	struct world *w = *state;
	const struct recorded_table *t;
	const struct recorded_row *r;
	uint64_t before = 0, now, spent_ns;
	struct timespec from, to;
	char key[64];
	pid_t busy = fork();

	if (busy == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			burn_ms(1000000);
	}
	w->children[w->n++] = busy;
	/* All files of all in every tick, so that nothing is not known yet. */
	w->iterator.host.host.flags = CULPRIT_HOST_WHOLE;
	for (int tick = 0; tick < 10; tick++) {
		struct timespec ts = {0, 100 * 1000 * 1000};
		uint64_t *counters[2] = {NULL};
		size_t n[2] = {0};

		if (tick == 4 && !load(&w->iterator))
			skip();
		if (tick == 2 || tick == 9)
			clock_gettime(CLOCK_MONOTONIC, tick == 2 ? &from : &to);
		/* What /proc said of each row; found again by their place in the recorder's last sample. */
		if (tick == 4) {
			for (int k = 0; k < 2; k++) {
				t = recorder_table(w->iterator.recorder, k ? "thread" : "process");
				n[k] = t->nrows;
				counters[k] = calloc(t->nrows * t->table->ncolumns, sizeof(uint64_t));
				for (size_t i = 0; i < t->nrows; i++)
					for (uint32_t c = 0; c < t->table->ncolumns; c++)
						counters[k][i * t->table->ncolumns + c] =
							t->rows[i].cells[c].state == RECORDED_VALUE ? t->rows[i].cells[c].bits : 0;
			}
		}
		sample(&w->iterator);
		for (int k = 0; k < 2 && tick == 4; k++) {
			const char *table = k ? "thread" : "process";
			uint32_t columns;

			t = recorder_table(w->iterator.recorder, table);
			columns = t->table->ncolumns;
			for (size_t i = 0; i < n[k]; i++) {
				snprintf(key, sizeof(key), "%llu %llu", (unsigned long long)counters[k][i * columns],
					 (unsigned long long)counters[k][i * columns + 1]);
				r = recorder_find(w->iterator.recorder, table, key);
				if (!r)
					continue;
				assert_true(r->again);
				for (uint32_t c = 2; c < columns; c++)
					if (t->table->columns[c].role == CULPRIT_COUNTER && r->cells[c].state == RECORDED_VALUE &&
					    r->cells[c].bits < counters[k][i * columns + c])
						fail_msg("%s %s: %s fell from %llu to %llu", table, key, t->table->columns[c].name,
							 (unsigned long long)counters[k][i * columns + c],
							 (unsigned long long)r->cells[c].bits);
			}
			free(counters[k]);
		}
		t = recorder_table(w->iterator.recorder, "process");
		now = 0;
		for (size_t i = 0; i < t->nrows; i++)
			if (t->rows[i].cells[0].bits == (uint64_t)busy)
				now = recorder_u64(w->iterator.recorder, "process", &t->rows[i], "utime") +
				      recorder_u64(w->iterator.recorder, "process", &t->rows[i], "stime");
		if (tick == 2)
			before = now;
		if (tick == 9) {
			/* One thread: never more than the time that passed, read once before and once after. */
			spent_ns = (uint64_t)(to.tv_sec - from.tv_sec) * 1000000000u + (uint64_t)to.tv_nsec - (uint64_t)from.tv_nsec;
			assert_true(now > before);
			assert_true(now - before <= spent_ns + 300 * 1000 * 1000);
		}
		nanosleep(&ts, NULL);
	}
}

/* With a terminal, as long as somebody holds its other side. Says it with a byte, and does nothing any more. */
static void has_a_terminal(int master, int say)
{
	int slave;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGHUP, SIG_IGN);
	slave = setsid() < 0 ? -1 : open(ptsname(master), O_RDWR | O_NOCTTY);
	close(master);
	if (slave < 0 || ioctl(slave, TIOCSCTTY, 0) || write(say, "t", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static const struct recorded_row *process_row(struct side *s, pid_t pid)
{
	const struct recorded_table *t = recorder_table(s->recorder, "process");

	for (size_t i = 0; i < t->nrows; i++)
		if (t->rows[i].cells[0].bits == (uint64_t)pid)
			return &t->rows[i];
	fail_msg("process %d has no row", (int)pid);
	return NULL;
}

/* A cell that becomes empty wants a row that is put anew, of which nothing can be kept: what is known is put again. */
static void a_terminal_goes(void **state)
{
	struct world *w = *state;
	const struct recorded_row *row;
	int say[2], master = posix_openpt(O_RDWR | O_NOCTTY);
	bool has;
	pid_t pid;
	char c;

	assert_int_equal(pipe(say), 0);
	pid = fork();
	if (pid == 0)
		has_a_terminal(master < 0 || grantpt(master) || unlockpt(master) ? -1 : master, say[1]);
	w->children[w->n++] = pid;
	close(say[1]);
	has = read(say[0], &c, 1) == 1;
	close(say[0]);
	if (!has) {
		print_message("skipped: no terminal to be had\n");
		skip();
	}
	/* All is read once; after that, what has changed. */
	w->iterator.host.host.flags = CULPRIT_HOST_WHOLE;
	sample(&w->iterator);
	if (!load(&w->iterator))
		skip();
	for (int i = 0; i < 4; i++) {
		w->iterator.host.host.flags = i < 2 ? CULPRIT_HOST_WHOLE : 0;
		sample(&w->iterator);
	}
	row = process_row(&w->iterator, pid);
	assert_true(recorder_has(w->iterator.recorder, "process", row, "tty"));
	assert_true(recorder_has(w->iterator.recorder, "process", row, "read_bytes"));
	/* It is taken from it; it does nothing, and none of its files has anything new to say. */
	close(master);
	for (int i = 0; i < 3; i++) {
		sample(&w->iterator);
		if (recorder_misuse(w->iterator.recorder))
			fail_msg("%s", recorder_misuse(w->iterator.recorder));
		row = process_row(&w->iterator, pid);
		assert_false(recorder_has(w->iterator.recorder, "process", row, "tty"));
		assert_true(recorder_has(w->iterator.recorder, "process", row, "read_bytes"));
	}
}

/* Others change what it may have open: told with a whole record at the latest, though it sleeps and its files are not due. */
static void a_limit_is_set(void **state)
{
	struct world *w = *state;
	struct side *s = &w->iterator;
	struct rlimit limit = {.rlim_cur = 33, .rlim_max = 44};
	uint64_t is = 0;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	w->children[w->n++] = pid;
	s->host.host.flags = CULPRIT_HOST_WHOLE;
	sample(s);
	if (!load(s))
		skip();
	sample(s);
	s->host.host.flags = 0;
	sample(s);
	assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &limit, NULL), 0);
	for (int i = 0; i <= TASK_RECORD_SAME_MOST && is != 33; i++) {
		sample(s);
		is = recorder_u64(s->recorder, "process", process_row(s, pid), "fd_limit");
	}
	assert_int_equal(is, 33);
}

/* So many that their records fill the kernel's buffer several times: the one that stands where it is full is not taken for one that
 * did nothing, though something happened to it. */
static void many_change_at_once(void **state)
{
	enum { MANY = 400, TURNS = 3 };
	struct world *w = *state;
	struct side *s = &w->iterator;
	pid_t pids[MANY];
	unsigned n = 0, stale = 0;
	siginfo_t info;
	bool loaded;

	for (; n < MANY && (pids[n] = fork()) >= 0; n++) {
		if (pids[n])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	s->host.host.flags = CULPRIT_HOST_WHOLE;
	sample(s);
	loaded = n == MANY && load(s);
	s->host.host.flags = 0;
	for (int turn = 0; loaded && turn < TURNS; turn++) {
		sample(s);
		for (unsigned i = 0; i < n; i++)
			kill(pids[i], SIGSTOP);
		for (unsigned i = 0; i < n; i++)
			waitid(P_PID, (id_t)pids[i], &info, WSTOPPED);
		sample(s);
		for (unsigned i = 0; i < n; i++)
			stale += strcmp(recorder_text(s->recorder, "process", process_row(s, pids[i]), "state"), "T") != 0;
		for (unsigned i = 0; i < n; i++)
			kill(pids[i], SIGCONT);
	}
	for (unsigned i = 0; i < n; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	if (!loaded)
		skip();
	if (stale)
		fail_msg("%u of %d stopped processes were not seen to stop", stale, MANY * TURNS);
}

enum { READERS = 60, PIECE = 64 << 10 };

/* Reads a little, and ends; others like it are begun all the time. */
static void *reads_and_ends(void *zero)
{
	static char bytes[PIECE];

	(void)!pread(*(int *)zero, bytes, sizeof(bytes), 0);
	usleep(2000);
	return NULL;
}

static void reads_in_threads(void)
{
	int zero = open("/dev/zero", O_RDONLY);
	pthread_t threads[READERS];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned n = 0;; n++) {
		if (n >= READERS)
			pthread_join(threads[n % READERS], NULL);
		if (pthread_create(&threads[n % READERS], NULL, reads_and_ends, &zero))
			_exit(1);
	}
}

/* Threads that end between the reading of their process and of themselves: what it has read never falls. */
static void threads_end_in_between(void **state)
{
	struct world *w = *state;
	struct side *s = &w->iterator;
	uint64_t was = 0, began = 0, is;
	pid_t pid = fork();

	if (pid == 0)
		reads_in_threads();
	w->children[w->n++] = pid;
	usleep(200000);
	s->host.host.flags = CULPRIT_HOST_WHOLE;
	sample(s);
	if (!load(s))
		skip();
	s->host.host.flags = 0;
	for (unsigned i = 0; i < 200; i++) {
		sample(s);
		is = recorder_u64(s->recorder, "process", process_row(s, pid), "rchar");
		if (is < was)
			fail_msg("sample %u: what it has read fell from %llu to %llu", i, (unsigned long long)was, (unsigned long long)is);
		was = is;
		began = i ? began : is;
		usleep(1000);
	}
	print_message("%llu pieces read meanwhile\n", (unsigned long long)(was - began) / PIECE);
	assert_true(was - began > 100 * PIECE);
}

static void *spins(void *none)
{
	prctl(PR_SET_NAME, "spinner");
	burn_ms(60000);
	return none;
}

static uint64_t cpu_ms(struct side *s, pid_t pid)
{
	const struct recorded_row *row = process_row(s, pid);

	return (recorder_u64(s->recorder, "process", row, "utime") + recorder_u64(s->recorder, "process", row, "stime")) / 1000000;
}

/* Threads are not looked at one by one then. What one of them uses is its process's use all the same, though the main thread sleeps; and who
 * asks for a process's threads gets them with the next sample. */
static void one_of_very_many_spins(void **state)
{
	struct world *w = *state;
	struct side *s = &w->iterator;
	struct culprit_interest interest = {.size = sizeof(interest), .table = "thread", .what = "rows", .nkey = 2};
	pid_t crowd = crowd_start(), pid;
	uint64_t first, last, still;
	const struct recorded_row *spinner = NULL, *row;

	assert_true(crowd >= 0);
	if (!crowd) {
		print_message("skipped: %d threads cannot be made here\n", CROWD);
		skip();
	}
	w->children[w->n++] = crowd;
	sample(s);
	if (!load(s))
		skip();
	for (unsigned i = 0; i < 3; i++)
		sample(s);
	assert_int_equal(recorder_rows(s->recorder, "thread"), 0);
	/* With sanitizers, to begin takes it 10 ms. */
	still = cpu_ms(s, w->children[THREADS]);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		pthread_t t;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		usleep(50000);
		pthread_create(&t, NULL, spins, NULL);
		pthread_join(t, NULL);
		_exit(0);
	}
	w->children[w->n++] = pid;
	usleep(100000);
	sample(s);
	sample(s);
	first = cpu_ms(s, pid);
	usleep(400000);
	sample(s);
	sample(s);
	last = cpu_ms(s, pid);
	if (last < first + 50)
		fail_msg("it spun for 400 ms, and from %llu ms it came to %llu ms", (unsigned long long)first, (unsigned long long)last);
	/* Its children that sleep are what they were. */
	assert_int_equal(cpu_ms(s, w->children[THREADS]), still);
	interest.key[0] = (uint64_t)pid;
	task_collector.interests(s->self, &interest, 1);
	sample(s);
	assert_int_equal(recorder_rows(s->recorder, "thread"), 2);
	for (size_t i = 0; i < 2; i++) {
		row = &recorder_table(s->recorder, "thread")->rows[i];
		if (strcmp(recorder_text(s->recorder, "thread", row, "comm"), "spinner") == 0)
			spinner = row;
	}
	assert_non_null(spinner);
	first = recorder_u64(s->recorder, "thread", spinner, "utime");
	usleep(400000);
	sample(s);
	for (size_t i = 0; i < 2; i++) {
		row = &recorder_table(s->recorder, "thread")->rows[i];
		if (strcmp(recorder_text(s->recorder, "thread", row, "comm"), "spinner") == 0)
			spinner = row;
	}
	last = recorder_u64(s->recorder, "thread", spinner, "utime");
	if (last < first + 50000000)
		fail_msg("its thread spun for 400 ms, and %llu ms were seen", (unsigned long long)(last - first) / 1000000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	w->n--;
	for (unsigned i = 0; i < 2; i++)
		sample(s);
	assert_int_equal(recorder_rows(s->recorder, "thread"), 0);
	task_collector.interests(s->self, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_same_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(it_takes_over, setup, teardown),
		cmocka_unit_test_setup_teardown(a_terminal_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_limit_is_set, setup, teardown),
		cmocka_unit_test_setup_teardown(many_change_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_end_in_between, setup, teardown),
		cmocka_unit_test_setup_teardown(one_of_very_many_spins, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
