/* The walk: who is alive, and what their `stat` says. What costs: reading stat through a descriptor that stays open is
 * half of opening it each time; comparing a hash of its bytes is less than parsing; listing /proc is skipped when the
 * kernel has given out no pid since the last listing, and starts at the first new pid when it has given out a few.
 *
 * A kept descriptor belongs to one process for ever: reading it fails once that has ended, also when its pid has been
 * given to another. */
#include "task_list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	LISTING_BYTES = 64 * 1024,
	SHORT_LISTING_BYTES = 1024,
	NEW_PIDS_MAX = 2048, /* more of them since the last listing: list all */
	LIST_ALL_EVERY = 8,  /* samples: finds what a wrap of pids between two samples hid */
	STAT_BYTES = 2048,
};

struct entry { /* struct linux_dirent64 */
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

/* --- reading ----------------------------------------------------------------------------------------------------- */

static size_t decimal(char *buf, uint32_t v)
{
	char digits[10];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	for (size_t i = 0; i < n; i++)
		buf[i] = digits[n - 1 - i];
	return n;
}

/* `name` is one of ours, at most 16 bytes: it all fits in TASK_PATH_MAX. */
size_t task_path(char *buf, uint32_t pid, uint32_t tid, const char *name)
{
	size_t n = decimal(buf, pid), len = strlen(name);

	if (tid) {
		memcpy(buf + n, "/task/", 6);
		n += 6;
		n += decimal(buf + n, tid);
	}
	buf[n++] = '/';
	memcpy(buf + n, name, len + 1);
	return n + len;
}

static int open_file(struct task_collector *c, const char *path)
{
	/* O_NONBLOCK: a fifo in a folder that is no real /proc does not block. */
	int fd = openat(c->host->proc_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0)
		return fd;
	if (errno == EMFILE || errno == ENFILE) {
		/* Somebody needs descriptors more than we do. */
		for (uint32_t i = 0; i < c->nlist && c->nfds; i++) {
			task_list_close_fd(c, &c->list[i]->task);
			for (uint32_t k = 0; k < c->list[i]->nthreads; k++)
				task_list_close_fd(c, c->list[i]->threads[k]);
		}
		c->fds_max /= 2;
		fd = openat(c->host->proc_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		c->no_descriptor |= fd < 0 && (errno == EMFILE || errno == ENFILE);
	}
	return fd >= 0 ? fd : -errno;
}

/* One read gets all of a file in /proc that is made in one piece; other folders may give less. */
static long read_all(struct task_collector *c, int fd, char *buf, size_t cap)
{
	size_t have = 0;

	for (;;) {
		ssize_t n = pread(fd, buf + have, cap - have, (off_t)have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		have += (size_t)n;
		if (n == 0 || have == cap || c->procfs)
			return (long)have;
	}
}

long task_read_file(struct task_collector *c, const char *path, char *buf, size_t cap)
{
	int fd = open_file(c, path);
	long n;

	if (fd < 0)
		return fd;
	n = read_all(c, fd, buf, cap);
	close(fd);
	return n;
}

/* Reads a task's stat, through its kept descriptor where there is one, and keeps one where there is room. */
static long read_stat(struct task_collector *c, struct task *t, uint32_t pid, uint32_t tid, char *buf, size_t cap)
{
	char path[TASK_PATH_MAX];
	long n;
	int fd;

	if (t->fd >= 0)
		return read_all(c, t->fd, buf, cap);
	task_path(path, pid, tid, "stat");
	fd = open_file(c, path);
	if (fd < 0)
		return fd;
	n = read_all(c, fd, buf, cap);
	/* A file of a fixture stays readable when its folder is gone: only a real /proc tells. */
	if (n > 0 && c->procfs && c->nfds < c->fds_max) {
		t->fd = fd;
		c->nfds++;
	} else {
		close(fd);
	}
	return n;
}

enum { ALIVE, GONE, UNREADABLE };

/* Brings a task up to date from its stat. GONE: it has ended, or its number belongs to another task now. */
static int refresh(struct task_collector *c, struct task *t, uint32_t pid, uint32_t tid, bool *ret_exec)
{
	bool first = t->flags & TASK_FIRST && t->hash == 0;
	struct task_stat stat;
	uint64_t hash;
	long n = read_stat(c, t, pid, tid, c->buffer, STAT_BYTES);

	*ret_exec = false;
	if (n <= 0)
		return n == 0 || n == -ENOENT || n == -ESRCH || n == -ENOTDIR ? GONE : UNREADABLE;
	hash = task_hash(c->buffer, (size_t)n);
	if (hash == t->hash && !first)
		return ALIVE;
	if (task_parse_stat(c->buffer, (size_t)n, &stat) != 0)
		return UNREADABLE;
	if (!first && stat.start != t->stat.start)
		return GONE;
	*ret_exec = task_list_take(c, t, &stat, first);
	t->hash = hash;
	return ALIVE;
}

bool task_same(struct task_collector *c, const struct process *p)
{
	struct task_stat stat;
	char path[TASK_PATH_MAX];
	long n;

	if (p->task.fd >= 0) {
		n = read_all(c, p->task.fd, c->buffer, STAT_BYTES);
	} else {
		task_path(path, p->task.id, 0, "stat");
		n = task_read_file(c, path, c->buffer, STAT_BYTES);
	}
	return n > 0 && task_parse_stat(c->buffer, (size_t)n, &stat) == 0 && stat.start == p->task.stat.start;
}

/* --- who is there ------------------------------------------------------------------------------------------------ */

static int add_pid(struct task_collector *c, uint32_t pid)
{
	int r = task_list_reserve((void **)&c->pids, &c->pids_cap, c->npids + 1, sizeof(*c->pids));

	if (r == 0)
		c->pids[c->npids++] = pid;
	return r;
}

/* Lists a folder from where it stands: numbers only, up to `stop`, at most `max` and what comes with them. Learns how
 * positions go with pids where `learn`. */
static int list_folder(struct task_collector *c, int fd, size_t bytes, uint32_t stop, uint32_t max, bool learn)
{
	int64_t offset = INT64_MIN, position = INT64_MIN;
	bool regular = true;

	while (c->npids < max) {
		long n = syscall(SYS_getdents64, fd, c->listing, bytes);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		for (long at = 0; at + (long)sizeof(struct entry) <= n;) {
			const struct entry *e = (const struct entry *)(c->listing + at);
			uint32_t pid = task_parse_pid(e->name);
			int r;

			if (e->len == 0)
				break;
			at += e->len;
			if (pid) {
				/* The former entry's position is that of this one. */
				if (position != INT64_MIN) {
					if (offset == INT64_MIN)
						offset = position - (int64_t)pid;
					regular &= offset == position - (int64_t)pid;
				}
				if (pid > stop)
					return 0;
				r = add_pid(c, pid);
				if (r != 0)
					return r;
				position = e->off;
			} else {
				position = INT64_MIN;
			}
		}
	}
	if (learn)
		c->dir_offset = regular ? offset : INT64_MIN;
	return 0;
}

static int compare_pid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void sort_pids(struct task_collector *c)
{
	uint32_t i, k;

	for (i = 1; i < c->npids && c->pids[i - 1] < c->pids[i]; i++)
		;
	if (i >= c->npids)
		return;
	qsort(c->pids, c->npids, sizeof(*c->pids), compare_pid);
	for (i = k = 1; i < c->npids; i++)
		if (c->pids[i] != c->pids[k - 1])
			c->pids[k++] = c->pids[i];
	c->npids = k;
}

/* Which pids may be new: fills c->pids, ascending. */
static int find_new(struct task_collector *c, uint32_t last_pid)
{
	/* From the sample before the last one on: a pid is given out a moment before it can be seen. */
	uint32_t since = c->older_pid;
	bool regular = c->dir_offset != INT64_MIN;
	int r = 0;

	if (task_is_narrow(c)) {
		c->npids = 0;
		c->dir_offset = INT64_MIN; /* should all be wanted again: all are listed then */
		for (uint32_t i = 0; i < c->ninterests && r == 0; i++)
			r = add_pid(c, c->interests[i].pid);
		sort_pids(c);
		return r;
	}
	if (last_pid && since && regular && c->sample % LIST_ALL_EVERY != 1 && last_pid >= c->last_pid &&
	    c->last_pid >= since && last_pid - since <= NEW_PIDS_MAX) {
		if (last_pid != since) {
			if (lseek(c->dir, c->dir_offset + (int64_t)since + 1, SEEK_SET) < 0)
				return -errno;
			r = list_folder(c, c->dir, SHORT_LISTING_BYTES, last_pid, UINT32_MAX, false);
		}
	} else {
		c->npids = 0; /* those gone are listed where their pids were given again */
		if (lseek(c->dir, 0, SEEK_SET) < 0)
			return -errno;
		r = list_folder(c, c->dir, LISTING_BYTES, UINT32_MAX, UINT32_MAX, true);
	}
	sort_pids(c);
	return r;
}

bool task_walk_one(struct task_collector *c, struct process *p)
{
	bool exec;

	p->task.flags &= ~(uint32_t)TASK_NEWS;
	if (refresh(c, &p->task, p->task.id, 0, &exec) != ALIVE)
		return false;
	if (exec) {
		p->task.flags |= TASK_CMDLINE_DUE;
		p->ask_after_ns = 0;
		if (p->task.flags & TASK_CMDLINE_ASKED)
			p->cmdline_again = 1;
	}
	if (p->task.stat.threads > 1)
		p->task.flags |= TASK_OWN_THREADS;
	return true;
}

/* Reads stat of those known; those gone leave the list. Their pids may have been given again: they join c->pids. */
static int refresh_known(struct task_collector *c)
{
	uint32_t kept = 0;
	int err = 0;

	for (uint32_t i = 0; i < c->nlist; i++) {
		struct process *p = c->list[i];
		bool exec;
		int r;

		p->task.flags &= ~(uint32_t)TASK_NEWS;
		if (task_is_narrow(c) && !task_is_wanted(c, p->task.id)) {
			task_ask_ended(c, p);
			task_list_drop(c, p);
			continue;
		}
		r = refresh(c, &p->task, p->task.id, 0, &exec);
		if (r == ALIVE) {
			if (exec) {
				p->task.flags |= TASK_CMDLINE_DUE;
				p->ask_after_ns = 0;
				if (p->task.flags & TASK_CMDLINE_ASKED)
					p->cmdline_again = 1;
			}
			c->list[kept++] = p;
			continue;
		}
		if (r == UNREADABLE)
			c->unreadable++;
		if (add_pid(c, p->task.id) != 0)
			err = -ENOMEM;
		task_ask_ended(c, p);
		task_list_drop(c, p);
	}
	c->nlist = kept;
	return err;
}

/* Merges those of c->pids that are not known into the list. */
static int add_new(struct task_collector *c)
{
	struct process **list;
	uint32_t i = 0, n = 0, cap;
	int r = task_list_reserve((void **)&c->spare, &c->spare_cap, c->nlist + c->npids, sizeof(*c->spare));

	if (r != 0 || c->npids == 0)
		return r;
	for (uint32_t k = 0; k < c->npids; k++) {
		struct process *p;
		bool exec;
		int state;

		while (i < c->nlist && c->list[i]->task.id < c->pids[k])
			c->spare[n++] = c->list[i++];
		if (i < c->nlist && c->list[i]->task.id == c->pids[k])
			continue;
		p = task_list_process(c, c->pids[k]);
		if (!p) {
			r = -ENOMEM;
			break;
		}
		state = refresh(c, &p->task, p->task.id, 0, &exec);
		if (state != ALIVE) {
			if (state == UNREADABLE)
				c->unreadable++;
			task_list_drop(c, p);
			continue;
		}
		if (task_list_born(c, p->task.stat.start, c->previous_boot_ns))
			p->task.flags |= TASK_BORN;
		if (!(p->task.stat.flags & TASK_PF_KTHREAD))
			p->task.flags |= TASK_CMDLINE_DUE;
		p->task.flags |= TASK_USER_DUE;
		c->spare[n++] = p;
	}
	while (i < c->nlist)
		c->spare[n++] = c->list[i++];
	list = c->list;
	cap = c->list_cap;
	c->list = c->spare;
	c->list_cap = c->spare_cap;
	c->spare = list;
	c->spare_cap = cap;
	c->nlist = n;
	return r;
}

static uint32_t read_last_pid(struct task_collector *c)
{
	uint32_t last = 0;
	long n;

	if (!c->cursor)
		return 0;
	n = task_read_file(c, "loadavg", c->buffer, 256);
	if (n <= 0 || !task_parse_last_pid(c->buffer, (size_t)n, &last))
		return 0;
	return last;
}

int task_walk(struct task_collector *c)
{
	uint32_t last_pid;
	int r;

	/* The pid given last is read before anything is listed, so that who comes meanwhile is found next time. */
	last_pid = read_last_pid(c);
	c->npids = 0;
	c->unreadable = 0;
	r = refresh_known(c);
	if (r == 0)
		r = find_new(c, last_pid);
	if (r != 0)
		return r;
	c->older_pid = c->last_pid;
	c->last_pid = last_pid;
	r = add_new(c);
	c->threads = 0;
	for (uint32_t i = 0; i < c->nlist; i++) {
		struct process *p = c->list[i];

		c->threads += p->task.stat.threads;
		/* Of a process that has or had more threads than one, stat counts also those that ended. */
		if (p->task.stat.threads > 1)
			p->task.flags |= TASK_OWN_THREADS;
	}
	return r;
}

/* --- threads ----------------------------------------------------------------------------------------------------- */

static int list_threads(struct task_collector *c, const struct process *p, uint32_t max)
{
	char path[TASK_PATH_MAX];
	int fd, r;

	task_path(path, p->task.id, 0, "task");
	fd = openat(c->host->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	c->npids = 0;
	r = list_folder(c, fd, LISTING_BYTES, UINT32_MAX, max, false);
	close(fd);
	sort_pids(c);
	return r;
}

void task_walk_threads(struct task_collector *c, struct process *p, uint32_t max)
{
	uint32_t kept = 0, known;
	bool exec;

	for (uint32_t i = 0; i < p->nthreads; i++) {
		struct task *t = p->threads[i];

		t->flags &= ~(uint32_t)TASK_NEWS;
		if (refresh(c, t, p->task.id, t->id, &exec) == ALIVE)
			p->threads[kept++] = t;
		else
			task_list_drop_thread(c, t);
	}
	p->nthreads = known = kept;
	/* As many as the process says it has: nobody has come. */
	if (known == p->task.stat.threads || known >= max || list_threads(c, p, max) != 0)
		return;
	for (uint32_t k = 0; k < c->npids && p->nthreads < max; k++) {
		struct task *t;

		if (task_list_find(p, known, c->pids[k]))
			continue;
		if (task_list_reserve((void **)&p->threads, &p->threads_cap, p->nthreads + 1, sizeof(*p->threads)) != 0)
			break;
		t = task_list_thread(c, c->pids[k]);
		if (!t)
			break;
		if (refresh(c, t, p->task.id, t->id, &exec) != ALIVE) {
			task_list_drop_thread(c, t);
			continue;
		}
		if (task_list_born(c, t->stat.start, c->previous_boot_ns))
			t->flags |= TASK_BORN;
		/* Until now the main thread's row was made from the process's files. */
		if (t->id == p->task.id && p->thread_handle != CULPRIT_NO_HANDLE) {
			t->handle = p->thread_handle;
			t->flags |= p->task.flags & TASK_SERVED;
			p->thread_handle = CULPRIT_NO_HANDLE;
		}
		p->threads[p->nthreads++] = t;
	}
	if (p->nthreads != known)
		task_list_sort(p);
}
