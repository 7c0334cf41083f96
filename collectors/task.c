/* The collector of the tables process and thread. A sample reads stat of every task, emits every process, then every
 * thread. The other files cost ten times as much: they are read for tasks whose stat changed, in turn for the idle
 * ones, all at once only where somebody asked for whole rows (`dump`). The first sample leaves them to the next ones,
 * so that the first screen comes at once. Nothing here blocks; see task_ask.c for what would. */
#include "task_list.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "procfs.h"

extern const struct culprit_collector task_collector; /* for list.c */

enum {
	PROC_MAGIC = 0x9fa0,
	ROUND_S = 30,	      /* the other files of an idle task are read once in this time, */
	RARE_ROUNDS = 4,      /* and the dear ones that hardly change once in so many rounds */
	LIMIT_BACK = 18000,   /* threads: all are read again below it */
	DELAYACCT_EVERY = 32, /* samples */
};

#define BIT(file) (1u << TASK_FILE_##file)
enum {
	ALL_FILES = (1u << TASK_FILES) - 1,
	/* What moves when a process works. */
	BUSY_FILES = BIT(STATUS) | BIT(IO) | BIT(FD) | BIT(WCHAN),
	/* What changes only when somebody changes it, or is a guess for a rare day. */
	RARE_FILES = BIT(LIMITS) | BIT(OOM) | BIT(CGROUP),
	THREAD_FILES = BIT(STATUS) | BIT(IO) | BIT(SCHEDSTAT) | BIT(WCHAN),
	/* What the iterator does not give. */
	REST_FILES = ALL_FILES & ~(BIT(IO) | BIT(SCHEDSTAT)),
	THREAD_REST_FILES = BIT(WCHAN),
};

static const uint64_t second_ns = 1000 * 1000 * 1000;

static uint64_t now(const struct task_collector *c)
{
	return c->host->now_ns(c->host, CULPRIT_MONOTONIC);
}

/* --- opening ----------------------------------------------------------------------------------------------------- */

/* Does /proc/loadavg count the pids that the folder shows? It tells of the reader's pid namespace; the folder may be
 * another one's. Then we have more pids than one, or none, below it. */
static bool same_namespace(struct task_collector *c)
{
	struct task_status status;
	long n;

	if (!procfs_is_own(c->host->proc_fd))
		return false;
	n = task_read_file(c, "self/status", c->buffer, TASK_BUFFER);
	if (n <= 0)
		return false;
	task_parse_status(c->buffer, (size_t)n, &status);
	return status.ns_pids == 1;
}

static const char *find_hidden(struct task_collector *c)
{
	unsigned hidepid;
	char init[8];
	long n;

	if (geteuid() == 0)
		return NULL;
	n = task_read_file(c, "self/mounts", c->buffer, TASK_BUFFER);
	hidepid = n > 0 ? task_parse_hidepid(c->buffer, (size_t)n) : 0;
	/* Everybody's stat can be read, unless it is hidden; a group may be excepted. */
	if (hidepid == 0 || task_read_file(c, "1/stat", init, sizeof(init)) > 0)
		return NULL;
	return hidepid == 1 ? "only your own processes can be read: /proc is mounted with hidepid=1; run as root"
			    : "only your own processes are shown: /proc is mounted with hidepid; run as root";
}

static int read_delayacct(struct task_collector *c)
{
	char c1;

	if (task_read_file(c, "sys/kernel/task_delayacct", &c1, 1) != 1)
		return -1;
	return c1 != '0';
}

static int refuse(struct culprit_error *error, int err, const char *why, const char *detail)
{
	if (error)
		snprintf(error->sentence, sizeof(error->sentence), "processes cannot be read: %s%s", why, detail);
	return err;
}

static int probe(const struct culprit_host *host, struct culprit_error *error)
{
	if (host->proc_fd >= 0)
		return 0;
	return refuse(error, -ENOENT, "/proc is not mounted; mount -t proc proc /proc", "");
}

static void close_task(void *self)
{
	struct task_collector *c = self;

	if (!c)
		return;
	task_iter_unload(c);
	task_list_finish(c);
	task_ask_finish(c);
	task_text_finish(&c->texts);
	if (c->dir >= 0)
		close(c->dir);
	free(c->buffer);
	free(c->wchan_buffer);
	free(c->cgroup_buffer);
	free(c->listing);
	free(c->records);
	free(c);
}

static bool has_ptrace(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

	return syscall(SYS_capget, &header, data) == 0 && data[0].effective >> CAP_SYS_PTRACE & 1;
}

static int open_task(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct task_collector *c = calloc(1, sizeof(*c));
	struct rlimit files;
	struct statfs fs;

	if (!c)
		goto memory;
	c->host = host;
	pool_init(&c->processes_pool, sizeof(struct process));
	pool_init(&c->threads_pool, sizeof(struct thread));
	pool_init(&c->sums_pool, sizeof(struct task_sum));
	pool_init(&c->more_pool, sizeof(struct process_more));
#ifndef CULPRIT_NO_BPF
	c->may_iterate = !(host->flags & CULPRIT_HOST_SAFE);
#endif
	c->dir = -1;
	c->dir_offset = INT64_MIN;
	c->tick_ns = second_ns / (host->user_hz ? host->user_hz : 100);
	c->buffer = malloc(TASK_BUFFER);
	c->wchan_buffer = malloc(TASK_BUFFER);
	c->cgroup_buffer = malloc(TASK_BUFFER);
	c->listing = malloc(TASK_BUFFER);
	if (!c->buffer || !c->wchan_buffer || !c->cgroup_buffer || !c->listing)
		goto memory;
	c->dir = openat(host->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->dir < 0) {
		int err = errno;

		close_task(c);
		return refuse(error, -err, "/proc cannot be listed: ",
			      err == EMFILE ? "no descriptor is left; raise the limit: ulimit -n 1024" : strerror(err));
	}
	c->procfs = fstatfs(host->proc_fd, &fs) == 0 && fs.f_type == PROC_MAGIC;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		c->fds_max = files.rlim_cur / 2 > 1u << 20 ? 1u << 20 : (uint32_t)(files.rlim_cur / 2);
	c->privileged = has_ptrace();
	c->denied = c->privileged   ? "permission denied: its user namespace or a security module forbids it"
		    : geteuid() == 0 ? "permission denied: needs the capability SYS_PTRACE"
				     : "permission denied: run as root";
	task_files_probe(c);
	c->delayacct = read_delayacct(c);
	if (c->procfs) {
		c->cursor = same_namespace(c);
		c->hidden = find_hidden(c);
	}
	if (c->hidden)
		host->log(host, CULPRIT_LOG_WARNING, c->hidden);
	*ret_self = c;
	return 0;
memory:
	close_task(c);
	return refuse(error, -ENOMEM, "out of memory", "");
}

static void interests(void *self, const struct culprit_interest *list, size_t n)
{
	struct task_collector *c = self;

	c->ninterests = 0;
	c->all_processes = c->all_threads = false;
	for (size_t i = 0; i < n; i++) {
		bool process = strcmp(list[i].table, "process") == 0, thread = strcmp(list[i].table, "thread") == 0;

		if (!process && !thread)
			continue;
		if (list[i].nkey == 0) {
			c->all_processes |= process;
			c->all_threads |= thread;
		} else if (c->ninterests < TASK_INTERESTS_MAX) {
			c->interests[c->ninterests].pid = (uint32_t)list[i].key[0];
			c->interests[c->ninterests].process = process;
			c->interests[c->ninterests++].thread = thread;
		}
	}
}

bool task_is_narrow(const struct task_collector *c)
{
	return c->host->flags & CULPRIT_HOST_ONLY_INTERESTS && !c->all_processes && !c->all_threads;
}

bool task_is_wanted(const struct task_collector *c, uint32_t pid)
{
	for (uint32_t i = 0; i < c->ninterests; i++)
		if (c->interests[i].pid == pid)
			return true;
	return false;
}

static bool wanted(const struct task_collector *c, uint32_t pid, bool thread)
{
	for (uint32_t i = 0; i < c->ninterests; i++)
		if (c->interests[i].pid == pid && (thread ? c->interests[i].thread : c->interests[i].process))
			return true;
	return false;
}

/* --- whose turn it is -------------------------------------------------------------------------------------------- */

static void turn_begin(struct task_turn *turn, uint32_t quota)
{
	if (turn->resume == 0)
		turn->round++;
	turn->next = turn->resume;
	turn->quota = quota;
	turn->resume = 0;
	turn->stopped = false;
	turn->spent_ns = 0;
}

/* May this one be served? Ids come ascending. */
static bool turn_take(struct task_turn *turn, uint32_t id)
{
	if (turn->stopped || id < turn->next)
		return false;
	if (turn->quota == 0 || turn->spent_ns > turn->limit_ns) {
		turn->stopped = true;
		turn->resume = id;
		return false;
	}
	turn->quota--;
	return true;
}

static void turns_begin(struct task_collector *c, struct task_turns *turns, uint64_t tasks)
{
	uint64_t interval = c->elapsed_ns;
	/* The iterator sees whatever a task does: of one that does nothing only what others change is read again. */
	uint64_t round_ns = ROUND_S * second_ns * (c->iterated ? RARE_ROUNDS : 1);

	if (interval < second_ns / 20)
		interval = second_ns / 20;
	if (interval > 60 * second_ns)
		interval = 60 * second_ns;
	turns->busy.limit_ns = interval / 50;
	turns->fresh.limit_ns = interval / 100;
	turns->idle.limit_ns = interval / 200;
	if (c->sample == 1) /* of a host that is patient, see choose() */
		turns->fresh.limit_ns = second_ns / 4;
	turn_begin(&turns->busy, UINT32_MAX);
	turn_begin(&turns->fresh, UINT32_MAX);
	turn_begin(&turns->idle, (uint32_t)(tasks * interval / round_ns) + 1);
}

/* Which are read in turn though nothing happened. The iterator tells of everything but this: how soon it is killed depends on the
 * others too, and memory is counted by CPU, so that small changes of it are told late. */
static unsigned idle_files(const struct task_collector *c, unsigned all, bool rare)
{
	if (c->iterating)
		return all & (rare ? BIT(LIMITS) | BIT(OOM) : BIT(STATUS)); /* the first two are one group of columns */
	return rare ? all : all & ~RARE_FILES;
}

/* Which of `all` are read for a task in this sample, and on whose account. */
static unsigned choose(struct task_collector *c, struct task_turns *turns, const struct task *t, bool want,
		       unsigned all, unsigned busy, struct task_turn **ret_turn)
{
	*ret_turn = &turns->busy;
	if (c->host->flags & CULPRIT_HOST_WHOLE || want)
		return all;
	if (!(t->flags & TASK_SERVED)) {
		if (c->sample == 1 && !(c->host->flags & CULPRIT_HOST_PATIENT))
			return 0;
		if (c->sample > 1 && t->flags & TASK_CHANGED)
			return turn_take(&turns->busy, t->id) ? all : 0;
		*ret_turn = &turns->fresh;
		return turn_take(&turns->fresh, t->id) ? all : 0;
	}
	*ret_turn = &turns->idle;
	if (turn_take(&turns->idle, t->id))
		return idle_files(c, all, (turns->idle.round + t->id) % RARE_ROUNDS == 0) | (c->iterating ? busy : 0);
	*ret_turn = &turns->busy;
	return busy && (c->iterating || t->flags & TASK_MOVED) && turn_take(&turns->busy, t->id) ? busy : 0;
}

/* Which files of a process that the iterator has read have something new to say. */
static unsigned due(const struct process *p)
{
	const struct process_more *m = task_list_process_more(p);

	return (p->task.flags & TASK_MOVED ? BIT(FD) | BIT(WCHAN) : 0) | (m->memory != m->memory_served ? BIT(STATUS) : 0) |
	       (m->css != m->css_served ? BIT(CGROUP) : 0) | (m->set != m->set_served ? BIT(LIMITS) | BIT(OOM) : 0);
}

/* What the iterator gave instead of files. */
static void give(struct task_collector *c, struct process *p)
{
	struct process_more *m = task_list_process_more(p);
	struct task_files *out = &c->files;
	uint8_t how = p->task.flags & TASK_CHANGED ? TASK_READ : TASK_KNOWN;

	out->read[TASK_FILE_IO] = out->thread_io_read = c->kernel_lacks[TASK_FILE_IO] ? TASK_NO_KERNEL : how;
	memcpy(out->io.v, m->io, sizeof(out->io.v)); /* those of a row that is put anew too */
	out->io.have = (1u << TASK_IO_FIELDS) - 1;
	if (out->read[TASK_FILE_STATUS] == TASK_READ)
		m->memory_served = m->memory;
	else if (out->read[TASK_FILE_STATUS] == TASK_NOT_NOW && m->memory == m->memory_served)
		out->read[TASK_FILE_STATUS] = TASK_SAME;
	if (out->read[TASK_FILE_CGROUP] == TASK_READ)
		m->css_served = m->css;
	if (out->read[TASK_FILE_LIMITS] != TASK_NOT_NOW)
		m->set_served = m->set;
}

/* What happened in a sample that had no time to look closer is looked at in a later one. */
static void note_move(struct task *t)
{
	if (t->flags & TASK_CHANGED)
		t->flags |= TASK_MOVED;
}

static void note_look(const struct task_collector *c, struct task *t)
{
	if (c->files.read[TASK_FILE_WCHAN] != TASK_NOT_NOW)
		t->flags &= ~(uint32_t)TASK_MOVED;
}

/* Has nothing happened to what the iterator has read, and is nothing of it to be put? */
static bool quiet(const struct task_collector *c, const struct task *t)
{
	uint32_t stirs = TASK_NEWS | TASK_CMDLINE_DUE | TASK_CMDLINE_ASKED | TASK_USER_DUE;

	return c->iterating && (t->flags & (TASK_SERVED | stirs)) == TASK_SERVED && !c->resync;
}

/* Is its memory what status said last? */
static bool is_served(const struct process *p)
{
	const struct process_more *m = task_list_process_more(p);

	return m->memory == m->memory_served;
}

/* Reads them, and books the time they took. */
static void serve(struct task_collector *c, struct task_turn *turn, uint32_t pid, uint32_t tid, unsigned which,
		  bool thread_io)
{
	uint64_t begin;

	if (!which) {
		memset(c->files.read, TASK_NOT_NOW, sizeof(c->files.read));
		c->files.thread_io_read = TASK_NOT_NOW;
		return;
	}
	begin = now(c);
	task_files_read(c, pid, tid, which);
	if (thread_io && c->files.read[TASK_FILE_IO] == TASK_READ)
		task_files_read_thread_io(c, pid);
	turn->spent_ns += now(c) - begin;
}

/* --- a sample ---------------------------------------------------------------------------------------------------- */

/* The counters of a process whose only thread was always its only one are that thread's. False: threads have ended in
 * it, so the one that is left needs files of its own. */
static bool only_thread_ever(struct task_collector *c, const struct process *p)
{
	const struct task_numbers *is = &p->task.stat;
	struct task_stat thread;
	char path[TASK_PATH_MAX];
	long n;

	task_path(path, p->task.id, p->task.id, "stat");
	n = task_read_file(c, path, c->buffer, TASK_BUFFER);
	if (n <= 0 || task_parse_stat(c->buffer, (size_t)n, &thread) != 0)
		return true; /* no task/ here: there is nothing better than the process's own */
	/* Read later than the process's: it may have gone on, never back. The kernel splits time into user and system
	 * for each reader anew, so their sum is what compares, within the rounding of both. */
	return thread.utime + thread.stime + 2 >= is->utime + is->stime && thread.min_faults >= is->min_faults &&
	       thread.maj_faults >= is->maj_faults;
}

static bool by_iterator(const struct task_collector *c, const struct process *p)
{
	return c->iterated && !(p->task.flags & TASK_FROM_PROC);
}

static void sample_processes(struct task_collector *c, struct culprit_frame *f)
{
	turns_begin(c, &c->turns, c->nlist);
	for (uint32_t i = 0; i < c->nlist; i++) {
		struct process *p = c->list[i];
		struct task *t = &p->task;
		bool want = c->all_processes || (c->ninterests && wanted(c, t->id, false));
		unsigned which, all = ALL_FILES, busy = BUSY_FILES;
		struct task_turn *turn;

		c->iterating = by_iterator(c, p);
		note_move(t);
		if (c->iterating) {
			all = REST_FILES;
			busy = due(p);
		} else if (t->flags & TASK_OWN_THREADS) {
			all &= ~BIT(SCHEDSTAT);
		} else {
			busy |= BIT(SCHEDSTAT);
		}
		which = choose(c, &c->turns, t, want, all, busy, &turn);
		t->flags &= ~(uint32_t)TASK_QUIET;
		if (!which && quiet(c, t) && is_served(p) && task_emit_process_again(c, f, p)) {
			t->flags |= TASK_QUIET;
			continue;
		}
		serve(c, turn, t->id, 0, which, !(t->flags & TASK_OWN_THREADS || t->stat.flags & TASK_PF_KTHREAD));
		note_look(c, t);
		if (c->iterating)
			give(c, p);
		else if (c->files.read[TASK_FILE_IO] == TASK_READ && __atomic_load_n(&c->may_iterate, __ATOMIC_RELAXED) &&
			 task_list_more(c, p))
			task_raise_io(p, c->files.io.v);
		if (which && !(t->flags & TASK_SERVED)) {
			/* Were these the files of the process whose stat was read, or of the next owner of its pid? */
			if (!task_same(c, p)) {
				t->flags |= TASK_ENDED;
				continue;
			}
			if (!c->iterating && !(t->flags & (TASK_OWN_THREADS)) && !(t->stat.flags & TASK_PF_KTHREAD) &&
			    !only_thread_ever(c, p))
				t->flags |= TASK_OWN_THREADS;
		}
		task_emit_process(c, f, p);
		if (which)
			t->flags |= TASK_SERVED;
	}
}

static void sample_own_threads(struct task_collector *c, struct culprit_frame *f, struct process *p, uint32_t max)
{
	bool want = c->all_threads || (c->ninterests && wanted(c, p->task.id, true));
	unsigned all = c->iterating ? THREAD_REST_FILES : THREAD_FILES;

	if (!c->iterating)
		task_walk_threads(c, p, max);
	for (uint32_t i = 0; i < p->nthreads && i < max; i++) {
		struct task *t = p->threads[i];
		struct task_turn *turn;
		unsigned which;

		note_move(t);
		which = choose(c, &c->thread_turns, t, want && p->nthreads < 1000, all, t->flags & TASK_MOVED ? all : 0, &turn);
		if (!which && quiet(c, t) && !(p->task.flags & TASK_NEW_CGROUP) && task_emit_thread_again(c, f, &t->handle))
			continue;
		serve(c, turn, p->task.id, t->id, which, false);
		note_look(c, t);
		task_keep_files(c, t);
		task_emit_thread(c, f, p, t, &t->handle);
		if (which)
			t->flags |= TASK_SERVED;
	}
}

/* At most `*left`, which sinks. */
static void sample_threads_of(struct task_collector *c, struct culprit_frame *f, struct process *p, bool all, uint32_t *left)
{
	if (!all && !wanted(c, p->task.id, true)) {
		if (p->nthreads)
			task_drop_threads(c, p);
		p->thread_handle = CULPRIT_NO_HANDLE;
	} else if (p->task.flags & TASK_OWN_THREADS) {
		sample_own_threads(c, f, p, *left);
		*left -= p->nthreads < *left ? p->nthreads : *left;
	} else if (*left > 0) {
		--*left;
		if (p->task.flags & TASK_QUIET) {
			if (task_emit_thread_again(c, f, &p->thread_handle))
				return;
			serve(c, NULL, p->task.id, 0, 0, false);
			task_keep_files(c, &p->task);
		}
		task_emit_thread(c, f, p, &p->task, &p->thread_handle);
	}
}

static void sample_threads(struct task_collector *c, struct culprit_frame *f)
{
	uint32_t left = UINT32_MAX;
	bool all;

	if (c->threads_limited ? c->threads < LIMIT_BACK : c->threads <= TASK_THREADS_MAX) {
		c->threads_limited = false;
	} else if (!c->threads_limited) {
		c->threads_limited = true;
		c->host->log(
			c->host, CULPRIT_LOG_WARNING,
			"more than 20,000 threads: only those of processes looked at are read, and at most 20,000");
	}
	all = !c->threads_limited || c->all_threads;
	if (c->threads_limited)
		left = TASK_THREADS_MAX; /* also of those looked at */
	turns_begin(c, &c->thread_turns, c->threads);
	for (uint32_t i = 0; i < c->nlist; i++) {
		struct process *p = c->list[i];

		c->iterating = by_iterator(c, p);
		if (!(p->task.flags & TASK_ENDED))
			sample_threads_of(c, f, p, all, &left);
		task_list_no_more(c, p);
	}
}

/* What the tables don't show, and what would bring it; NULL: they show everything. */
static const char *remark_on(const struct task_collector *c)
{
	static const char *const denied[2][2] = {
		{"io of other users' processes is not shown; run as root",
		 "io and open files of other users' processes are not shown; run as root"},
		{"io of some processes is not shown: needs the capability SYS_PTRACE",
		 "io and open files of some processes are not shown: needs the capability SYS_PTRACE"},
	};

	if (c->hidden)
		return c->hidden;
	if (c->no_descriptor)
		return "some processes could not be read: no descriptor is left; raise the limit: ulimit -n 1024";
	if (c->unreadable)
		return "some processes could not be read: they are not shown";
	/* With all there is to have, what is still refused (a process of an outer namespace, a security module) is said in its
	 * cells: nobody can do anything about it. */
	return c->io_denied && !c->privileged ? denied[geteuid() == 0][c->fds_denied] : NULL;
}

static int sample(void *self, struct culprit_frame *f)
{
	struct task_collector *c = self;
	const char *remark;
	uint64_t began_ns;
	int r;

	c->sample++;
	c->no_descriptor = false;
	if (c->sample % DELAYACCT_EVERY == 0)
		c->delayacct = read_delayacct(c);
	c->boot_ns = c->host->now_ns(c->host, CULPRIT_BOOT);
	began_ns = now(c);
	c->elapsed_ns = c->now_ns ? began_ns - c->now_ns : c->host->interval_ns;
	c->now_ns = began_ns;
	c->iterated = !task_is_narrow(c) && task_iter_walk(c) == 0;
	r = c->iterated ? 0 : task_walk(c);
	if (r != 0) {
		c->resync = true;
		return r;
	}
	if (!c->nlist && c->no_descriptor) {
		static const char why[] = "no process can be read: no descriptor is left; raise the limit: ulimit -n 1024";

		culprit_state(f, TASK_TABLE_PROCESS, CULPRIT_FAILED, why);
		culprit_state(f, TASK_TABLE_THREAD, CULPRIT_FAILED, why);
		c->resync = true;
		return 0;
	}
	task_ask_begin(c);

	/* Rates need the time of stat, not that of the rows. */
	culprit_table_at(f, TASK_TABLE_PROCESS, began_ns);
	sample_processes(c, f);
	remark = remark_on(c);
	culprit_state(f, TASK_TABLE_PROCESS, CULPRIT_FRESH, remark);

	/* The row of an only thread shows what its process's stat said. */
	culprit_table_at(f, TASK_TABLE_THREAD, began_ns);
	sample_threads(c, f);
	if (c->threads_limited)
		remark = "more than 20,000 threads: only those of processes looked at are read, and at most 20,000";
	culprit_state(f, TASK_TABLE_THREAD, CULPRIT_FRESH, remark);

	c->previous_boot_ns = c->boot_ns;
	c->resync = false;
	return 0;
}

#ifndef CULPRIT_NO_BPF
static int later(void *self, struct culprit_error *error)
{
	struct task_collector *c = self;
	int r = task_iter_load(c, error);

	if (r)
		__atomic_store_n(&c->may_iterate, false, __ATOMIC_RELAXED);
	return r;
}

static size_t programs(void *self, const struct culprit_program **ret_list)
{
	return task_iter_programs(self, ret_list);
}
#endif

static const struct culprit_table *const tables[] = {
	[TASK_TABLE_PROCESS] = &task_process_table,
	[TASK_TABLE_THREAD] = &task_thread_table,
};

const struct culprit_collector task_collector = {
	.size = sizeof(struct culprit_collector),
	.abi = CULPRIT_ABI_VERSION,
	.flags = CULPRIT_KEEPS_UP,
	.name = "task",
	.help = "processes and threads: from /proc/PID, and from an iterator in the kernel once that is loaded (BPF)",
	.tables = tables,
	.ntables = sizeof(tables) / sizeof(tables[0]),
	.probe = probe,
	.open = open_task,
	.interests = interests,
	.sample = sample,
	.close = close_task,
#ifndef CULPRIT_NO_BPF
	.programs = programs,
	.later = later,
#endif
};
