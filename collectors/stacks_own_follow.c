#include "stacks_own_follow.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "procfs.h"
#include "task_parse.h"

enum {
	PLACES = 4096, /* for processes; */
	TRIES = 32,    /* so many of them are looked at for one */
	BORN = 8192,   /* children remembered: numbers are given in order, so that so many must begin between two looks to lose one */
	DEEP = 64,
	LOOKS = 2048,  /* entries of /proc a look, */
	OPENS = 64,    /* and processes that are opened */
	ALL_ROUNDS = 2, /* without a gap, after which what was missed has been seen */
};

/* Events that belong together: those of one process, for all that descend from it. */
struct group {
	uint32_t serial;  /* 0: free */
	uint32_t members; /* processes that live */
	uint32_t nfds;
	int *fds;
};

struct process {
	uint32_t pid; /* 0: free */
	uint32_t seen; /* round */
	uint16_t group; /* place + 1; 0: it has no events */
	uint16_t no_room, refused; /* threads */
};

/* Who has begun, when, and in which group. */
struct born {
	uint32_t pid, parent, round;
	uint32_t serial; /* of the group: another one may have its place by now */
	uint16_t group;  /* place + 1; 0: none */
	bool resolved;   /* group says it; else its parent's does */
};

struct own_follow {
	const struct culprit_host *host;
	int (*open)(void *arg, uint32_t tid, unsigned cpu);
	void *arg;
	unsigned ncpus, nfds, fds_most;
	uint32_t round, serial, unsure; /* unsure: rounds */
	bool forked; /* since the last look */
	DIR *all;   /* /proc, while a round goes on */
	uid_t user;
	unsigned no_room; /* in this round */
	struct own_missed missed;
	struct process processes[PLACES];
	struct group groups[PLACES];
	struct born born[BORN];
};

struct own_follow *own_follow_create(const struct culprit_host *host, int (*open)(void *arg, uint32_t tid, unsigned cpu), void *arg,
				     unsigned ncpus, unsigned fds)
{
	struct own_follow *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->host = host;
	o->open = open;
	o->arg = arg;
	o->ncpus = ncpus;
	o->fds_most = fds;
	o->user = geteuid();
	o->round = 1;
	return o;
}

/* --- groups ----------------------------------------------------------------------------------------------------------------- */

static void group_close(struct own_follow *o, struct group *g)
{
	for (uint32_t i = 0; i < g->nfds; i++)
		close(g->fds[i]);
	o->nfds -= g->nfds;
	free(g->fds);
	memset(g, 0, sizeof(*g));
}

/* The place + 1; 0: none. */
static uint16_t group_new(struct own_follow *o)
{
	for (uint16_t i = 0; i < PLACES; i++) {
		if (o->groups[i].serial)
			continue;
		o->groups[i].serial = ++o->serial ? o->serial : ++o->serial;
		return (uint16_t)(i + 1);
	}
	return 0;
}

void own_follow_destroy(struct own_follow *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < PLACES; i++)
		group_close(o, &o->groups[i]);
	if (o->all)
		closedir(o->all);
	free(o);
}

void own_follow_tell(struct own_follow *o, unsigned long request)
{
	for (size_t i = 0; i < PLACES; i++)
		for (uint32_t k = 0; k < o->groups[i].nfds; k++)
			ioctl(o->groups[i].fds[k], request, 0);
}

/* --- processes -------------------------------------------------------------------------------------------------------------- */

static struct process *process_find(struct own_follow *o, uint32_t pid, bool make)
{
	struct process *free_one = NULL;

	for (uint32_t i = 0; i < TRIES; i++) {
		struct process *p = &o->processes[(pid * 2654435761u + i) % PLACES];

		if (p->pid == pid)
			return p;
		if (!p->pid && !free_one)
			free_one = p;
	}
	return make ? free_one : NULL;
}

static void process_forget(struct own_follow *o, struct process *p)
{
	struct group *g = p->group ? &o->groups[p->group - 1] : NULL;

	memset(p, 0, sizeof(*p));
	if (g && !--g->members)
		group_close(o, g);
}

static void process_join(struct own_follow *o, uint32_t pid, uint16_t group)
{
	struct process *p = process_find(o, pid, true);

	if (!p) {
		o->no_room++;
		return;
	}
	*p = (struct process){.pid = pid, .seen = o->round, .group = group};
	if (group)
		o->groups[group - 1].members++;
}

/* One thread, on all CPUs. */
static void thread_open(struct own_follow *o, struct group *g, struct process *p, uint32_t tid)
{
	int *fds = o->nfds + o->ncpus <= o->fds_most ? realloc(g->fds, (g->nfds + o->ncpus) * sizeof(*fds)) : NULL;
	bool refused = false, full = !fds;

	if (fds)
		g->fds = fds;
	for (unsigned cpu = 0; cpu < o->ncpus && fds; cpu++) {
		int fd = o->open(o->arg, tid, cpu);

		if (fd >= 0) {
			g->fds[g->nfds++] = fd;
			o->nfds++;
		} else if (fd == -1) {
			full = full || errno == EMFILE || errno == ENFILE || errno == ENOMEM;
			refused = refused || errno == EACCES || errno == EPERM;
		}
	}
	p->no_room += full && p->no_room < UINT16_MAX;
	p->refused += !full && refused && p->refused < UINT16_MAX;
}

/* Events on all of its threads. */
static void process_open(struct own_follow *o, uint32_t pid)
{
	struct process *p = process_find(o, pid, true);
	uint64_t generation;
	struct dirent *e;
	char path[40];
	uint16_t group;
	uint32_t n;
	DIR *tasks;
	int fd;

	group = p && o->nfds + o->ncpus <= o->fds_most ? group_new(o) : 0;
	if (!group) {
		o->no_room++;
		return;
	}
	snprintf(path, sizeof(path), "%u/task", pid);
	fd = openat(o->host->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tasks = fd >= 0 ? fdopendir(fd) : NULL;
	if (!tasks) {
		if (fd >= 0)
			close(fd);
		group_close(o, &o->groups[group - 1]);
		return;
	}
	*p = (struct process){.pid = pid, .seen = o->round, .group = group};
	o->groups[group - 1].members = 1;
	while ((e = readdir(tasks))) {
		uint32_t tid = task_parse_pid(e->d_name);

		if (tid)
			thread_open(o, &o->groups[group - 1], p, tid);
	}
	closedir(tasks);
	if (!o->groups[group - 1].nfds) {
		/* Its children have nothing either. What is short now is tried again in the next round. */
		bool again = p->no_room;

		o->no_room += p->no_room;
		group_close(o, &o->groups[group - 1]);
		p->group = 0;
		if (again)
			memset(p, 0, sizeof(*p));
		return;
	}
	/* Its mappings are read before its first sample. */
	if (o->host->code_of)
		o->host->code_of(o->host, pid, CULPRIT_CODE_ANEW, NULL, 0, &n, &generation);
}

/* --- who has events by inheritance ------------------------------------------------------------------------------------------- */

void own_follow_forked(struct own_follow *o, uint32_t parent, uint32_t pid)
{
	struct process *p = process_find(o, pid, false);
	struct born *b = &o->born[pid % BORN];

	/* Another one had its number; or it was found a moment before this was told, and has events twice. */
	if (p)
		process_forget(o, p);
	/* That one may not have been looked at yet. */
	if (b->pid && b->pid != pid && o->round - b->round < ALL_ROUNDS)
		own_follow_unsure(o);
	*b = (struct born){.pid = pid, .parent = parent, .round = o->round};
	o->forked = true;
}

void own_follow_unsure(struct own_follow *o)
{
	o->unsure = ALL_ROUNDS;
}

/* The group of a process; 0: none, or not known. */
static uint16_t group_of(struct own_follow *o, uint32_t pid)
{
	for (unsigned i = 0; i < DEEP && pid; i++) {
		const struct process *p = process_find(o, pid, false);
		const struct born *b = &o->born[pid % BORN];

		if (p)
			return p->group;
		if (b->pid != pid)
			return 0;
		if (b->resolved)
			return b->group && o->groups[b->group - 1].serial == b->serial ? b->group : 0;
		pid = b->parent;
	}
	return 0;
}

/* While parents are still known. */
static void resolve_forks(struct own_follow *o)
{
	for (size_t i = 0; i < BORN && o->forked; i++) {
		struct born *b = &o->born[i];

		if (!b->pid || b->resolved)
			continue;
		b->group = group_of(o, b->pid);
		b->serial = b->group ? o->groups[b->group - 1].serial : 0;
		b->resolved = true;
	}
	o->forked = false;
}

static uint32_t parent_of(struct own_follow *o, uint32_t pid)
{
	char path[32], text[1024];
	struct task_stat stat;
	ssize_t n;

	snprintf(path, sizeof(path), "%u/stat", pid);
	n = procfs_read(o->host->proc_fd, path, text, sizeof(text));
	return n > 0 && !task_parse_stat(text, (size_t)n, &stat) ? stat.ppid : 0;
}

/* --- looking ------------------------------------------------------------------------------------------------------------------ */

static void round_begin(struct own_follow *o)
{
	int fd = openat(o->host->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	o->all = fd >= 0 ? fdopendir(fd) : NULL;
	if (!o->all && fd >= 0)
		close(fd);
	o->no_room = 0;
}

/* Who was not seen has ended. */
static void round_end(struct own_follow *o)
{
	closedir(o->all);
	o->all = NULL;
	o->missed = (struct own_missed){.no_room = o->no_room};
	for (size_t i = 0; i < PLACES; i++) {
		struct process *p = &o->processes[i];

		if (p->pid && p->seen != o->round)
			process_forget(o, p);
		o->missed.no_room += p->no_room;
		o->missed.refused += p->refused;
	}
	o->round++;
	o->unsure -= o->unsure > 0;
}

/* Returns whether its threads were looked at. */
static bool look_at(struct own_follow *o, const char *name)
{
	uint32_t pid = task_parse_pid(name);
	struct process *p = pid ? process_find(o, pid, false) : NULL;
	struct stat st;
	uint16_t group;

	if (p)
		p->seen = o->round;
	if (!pid || p || pid == (uint32_t)getpid() || fstatat(dirfd(o->all), name, &st, 0) || st.st_uid != o->user)
		return false;
	group = group_of(o, pid);
	if (!group && o->unsure)
		group = group_of(o, parent_of(o, pid));
	if (!group) {
		process_open(o, pid);
		return true;
	}
	process_join(o, pid, group);
	return false;
}

void own_follow_look(struct own_follow *o, bool whole)
{
	unsigned looks = 0, opens = 0;
	struct dirent *e;

	resolve_forks(o);
	if (!o->all)
		round_begin(o);
	while (o->all && (whole || (looks < LOOKS && opens < OPENS))) {
		e = readdir(o->all);
		if (!e) {
			round_end(o);
			break;
		}
		looks++;
		opens += look_at(o, e->d_name);
	}
}

struct own_missed own_follow_missed(const struct own_follow *o)
{
	return o->missed;
}
