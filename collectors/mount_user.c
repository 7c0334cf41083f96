/* Tables `mount_use` and `mount_user`: who uses a file system that somebody looks at: by open files, as a working folder, as the
 * place of the program. A thread of its own looks through the open files of all processes, in small pieces with pauses between
 * them, while there is an interest; a sample only hands out what the last look found. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "builtin.h"
#include "columns.h"
#include "mount_spaces.h"
#include "open_files.h"

enum {
	USERS = 256,    /* that have rows, of one file system */
	PATH = 1024,
	PIECE = 1024,   /* processes and files: some 3 ms */
	PAUSE_MS = 20,
	REST_MS = 5000, /* between two looks, at least; beyond, 30 times as long as one takes */
	REST_A_PIECE_MS = 700,
};

#define LINKS "/proc/PID/fd, /proc/PID/mountinfo"

enum { MOUNT, PROCESSES, FILES, UNSEEN };
static const struct culprit_column use_columns[] = {
	[MOUNT] = KEY_TEXT("mount", "Where the file system is mounted", "what is looked at"),
	[PROCESSES] = GAUGE("processes", CULPRIT_COUNT, "Processes that use it", LINKS),
	[FILES] = GAUGE("files", CULPRIT_COUNT, "Files that they have open there", LINKS),
	[UNSEEN] = GAUGE("unseen", CULPRIT_COUNT, "Processes whose open files we may not see", LINKS),
};

static const struct culprit_table use_table = {
	.size = sizeof(use_table),
	.name = "mount_use",
	.kind = CULPRIT_STATE,
	.help = "The file systems that somebody looks at in Disks: how many processes use them",
	.key = "mount",
	CULPRIT_COLUMNS(use_columns),
	.sort = "files",
	.show = "mount processes files unseen",
};

enum { U_PID, U_START, U_MOUNT, U_COMM, U_FILES, U_WORKS, U_RUNS };
static const struct culprit_column user_columns[] = {
	[U_PID] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "pid", "Process id", LINKS),
	[U_START] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_TICKS, 0, "start", "When it started; with pid its identity",
			   "/proc/PID/stat field 22"),
	[U_MOUNT] = KEY_TEXT("mount", "Where the file system is mounted", "what is looked at"),
	[U_COMM] = TEXT("comm", "Name of the process", "/proc/PID/stat field 2"),
	[U_FILES] = GAUGE("files", CULPRIT_COUNT, "Files that it has open there", LINKS),
	[U_WORKS] = FLAG("works", "Is its working folder there?", "/proc/PID/cwd"),
	[U_RUNS] = FLAG("runs", "Is its program there?", "/proc/PID/exe"),
};

static const struct culprit_table user_table = {
	.size = sizeof(user_table),
	.name = "mount_user",
	.kind = CULPRIT_STATE,
	.help = "Who uses the file systems that somebody looks at in Disks, the 256 processes with the most open files of each",
	.key = "process_mount",
	CULPRIT_COLUMNS(user_columns),
	.parent = "process",
	.parent_columns = "pid start",
	.sort = "files",
	.show = "pid comm mount files works runs",
};

struct user {
	uint32_t pid;
	uint64_t start;
	char comm[16];
	uint64_t files;
	bool works, runs;
};

/* Of one file system. */
struct use {
	char mount[PATH];
	uint64_t processes, files, unseen;
	struct user users[USERS];
	size_t n;
};

struct mount_user {
	const struct culprit_host *host;
	pthread_t thread;
	bool running;
	int wake; /* eventfd: something below `lock` has changed */
	pthread_mutex_t lock;
	bool stop;
	char wanted[MOUNT_WANTED_MAX][PATH];
	size_t nwanted;
	struct use *done; /* of the last whole look; NULL: none */
	size_t ndone;
	/* the sampling thread's */
	bool shown;
	bool cannot; /* the thread could not be started; tried again when something else is looked at */
};

/* A look that goes on; the thread's own. */
struct look {
	struct mount_spaces *spaces;
	const struct mount_space *space; /* of the process at hand */
	struct user is[MOUNT_WANTED_MAX];
	bool uses;
	size_t n;
	struct use *uses_of;
};

static struct user *least(struct use *u)
{
	struct user *min = &u->users[0];

	if (u->n < USERS)
		return &u->users[u->n++];
	for (size_t i = 1; i < USERS; i++)
		if (u->users[i].files < min->files)
			min = &u->users[i];
	return min;
}

/* The process at hand has been looked at. */
static void settle(struct look *l)
{
	for (size_t i = 0; i < l->n && l->uses; i++) {
		struct use *u = &l->uses_of[i];
		struct user *place;

		if (!l->is[i].pid)
			continue;
		u->processes++;
		u->files += l->is[i].files;
		place = least(u);
		if (!place->pid || place->files < l->is[i].files)
			*place = l->is[i];
	}
	memset(l->is, 0, sizeof(l->is));
	l->uses = false;
	l->space = NULL;
}

/* The file system that the path is on gets the process at hand as a user; NULL: it is none of them. */
static struct user *use(struct look *l, struct open_files *w, const char *path, size_t len)
{
	int i = l->space ? mount_space_find(l->space, path, len) : -1;

	if (i < 0 || (size_t)i >= l->n || !open_files_know(w))
		return NULL;
	l->uses = true;
	l->is[i].pid = w->pid;
	l->is[i].start = w->start;
	memcpy(l->is[i].comm, w->comm, sizeof(w->comm));
	return &l->is[i];
}

static struct user *use_link(struct look *l, struct open_files *w, const char *link)
{
	char path[32], to[PATH * 2];
	ssize_t n;

	snprintf(path, sizeof(path), "%u/%s", w->pid, link);
	n = readlinkat(w->proc_fd, path, to, sizeof(to));
	return n > 0 ? use(l, w, to, (size_t)n) : NULL;
}

static void take_process(void *self, struct open_files *w)
{
	struct look *l = self;
	struct user *u;

	settle(l);
	l->space = mount_spaces_of(l->spaces, w->pid);
	u = use_link(l, w, "cwd");
	if (u)
		u->works = true;
	u = use_link(l, w, "exe");
	if (u)
		u->runs = true;
}

static void take_file(void *self, struct open_files *w)
{
	struct look *l = self;
	char to[PATH * 2];
	struct user *u = use(l, w, to, open_files_link(w, to, sizeof(to)));

	if (u)
		u->files++;
}

/* Something has changed within `ms` (-1: however long it takes). */
static bool woken(struct mount_user *m, int ms)
{
	struct pollfd p = {.fd = m->wake, .events = POLLIN};
	uint64_t n;

	return poll(&p, 1, ms) > 0 && read(m->wake, &n, sizeof(n)) == sizeof(n);
}

/* One look. NULL: broken off, because something has changed, or out of memory. */
static struct use *look(struct mount_user *m, const struct use *wanted, size_t n, unsigned *ret_pieces)
{
	static const struct open_files_take take = {take_process, take_file};
	const char *mounts[MOUNT_WANTED_MAX];
	struct look l = {.n = n, .uses_of = calloc(n, sizeof(struct use))};
	struct open_files walk;
	bool ended = false;

	for (size_t i = 0; i < n; i++)
		mounts[i] = wanted[i].mount;
	l.spaces = mount_spaces_create(m->host->proc_fd, mounts, n);
	open_files_init(&walk, m->host->proc_fd);
	for (*ret_pieces = 0; l.spaces && l.uses_of && !ended; ++*ret_pieces) {
		ended = open_files_walk(&walk, PIECE, &take, &l);
		if (!ended && woken(m, PAUSE_MS))
			break;
	}
	settle(&l);
	open_files_finish(&walk);
	mount_spaces_destroy(l.spaces);
	for (size_t i = 0; i < n && ended; i++) {
		memcpy(l.uses_of[i].mount, wanted[i].mount, PATH);
		l.uses_of[i].unseen = walk.denied;
	}
	if (ended)
		return l.uses_of;
	free(l.uses_of);
	return NULL;
}

static void *work(void *arg)
{
	struct mount_user *m = arg;
	struct use *wanted = calloc(MOUNT_WANTED_MAX, sizeof(*wanted)), *found;
	unsigned pieces;
	bool stop = !wanted;
	size_t n = 0;

	while (!stop) {
		pthread_mutex_lock(&m->lock);
		stop = m->stop;
		n = m->nwanted;
		for (size_t i = 0; i < n; i++)
			memcpy(wanted[i].mount, m->wanted[i], PATH);
		pthread_mutex_unlock(&m->lock);
		if (stop)
			break;
		if (!n) {
			woken(m, -1);
			continue;
		}
		found = look(m, wanted, n, &pieces);
		if (!found)
			continue;
		pthread_mutex_lock(&m->lock);
		free(m->done);
		m->done = found;
		m->ndone = n;
		pthread_mutex_unlock(&m->lock);
		woken(m, pieces * REST_A_PIECE_MS > REST_MS ? (int)(pieces * REST_A_PIECE_MS) : REST_MS);
	}
	free(wanted);
	return NULL;
}

static void wake(struct mount_user *m)
{
	uint64_t one = 1;

	if (write(m->wake, &one, sizeof(one)) < 0)
		return; /* it is full: it will wake up */
}

static void close_users(void *self)
{
	struct mount_user *m = self;

	if (m->running) {
		pthread_mutex_lock(&m->lock);
		m->stop = true;
		pthread_mutex_unlock(&m->lock);
		wake(m);
		pthread_join(m->thread, NULL);
	}
	pthread_mutex_destroy(&m->lock);
	close(m->wake);
	free(m->done);
	free(m);
}

static int open_users(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct mount_user *m = calloc(1, sizeof(*m));

	(void)error;
	if (!m)
		return -ENOMEM;
	m->host = host;
	m->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->wake < 0) {
		int err = -errno;

		free(m);
		return err;
	}
	pthread_mutex_init(&m->lock, NULL);
	*ret_self = m;
	return 0;
}

static bool is_wanted(const struct mount_user *m, const char *mount)
{
	for (size_t i = 0; i < m->nwanted; i++)
		if (strcmp(m->wanted[i], mount) == 0)
			return true;
	return false;
}

/* The text: where it is mounted. */
static void interests(void *self, const struct culprit_interest *list, size_t n)
{
	struct mount_user *m = self;
	const char *wanted[MOUNT_WANTED_MAX];
	size_t nwanted = 0, same = 0;
	bool changed;

	for (size_t i = 0; i < n && nwanted < MOUNT_WANTED_MAX; i++) {
		bool is = (!strcmp(list[i].table, use_table.name) || !strcmp(list[i].table, user_table.name)) && list[i].text &&
			  strlen(list[i].text) < PATH;

		for (size_t k = 0; k < nwanted && is; k++)
			is = strcmp(wanted[k], list[i].text) != 0;
		if (is)
			wanted[nwanted++] = list[i].text;
	}
	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < nwanted; i++)
		same += is_wanted(m, wanted[i]);
	changed = nwanted != m->nwanted || same != nwanted;
	for (size_t i = 0; i < nwanted && changed; i++)
		snprintf(m->wanted[i], PATH, "%s", wanted[i]);
	m->nwanted = nwanted;
	pthread_mutex_unlock(&m->lock);
	if (!changed)
		return;
	if (!m->running) {
		m->running = !pthread_create(&m->thread, NULL, work, m);
		m->cannot = !m->running;
	}
	wake(m);
}

static void put_user(struct culprit_frame *f, const struct use *u, const struct user *is)
{
	culprit_row(f);
	culprit_put_u64(f, U_PID, is->pid);
	culprit_put_u64(f, U_START, is->start);
	culprit_put_string(f, U_MOUNT, u->mount);
	culprit_put_text(f, U_COMM, is->comm, strnlen(is->comm, sizeof(is->comm)));
	culprit_put_u64(f, U_FILES, is->files);
	culprit_put_bool(f, U_WORKS, is->works);
	culprit_put_bool(f, U_RUNS, is->runs);
	culprit_end(f);
}

/* What the last look found of it; NULL: it has not been looked at. */
static const struct use *done_of(const struct mount_user *m, const char *mount)
{
	for (size_t i = 0; i < m->ndone; i++)
		if (strcmp(m->done[i].mount, mount) == 0)
			return &m->done[i];
	return NULL;
}

static void put_use(const struct mount_user *m, struct culprit_frame *f, const char *mount, const struct use *u)
{
	culprit_row(f);
	culprit_put_string(f, MOUNT, mount);
	if (u) {
		culprit_put_u64(f, PROCESSES, u->processes);
		culprit_put_u64(f, FILES, u->files);
		culprit_put_u64(f, UNSEEN, u->unseen);
	}
	for (uint32_t c = PROCESSES; !u && c <= UNSEEN; c++)
		culprit_unread(f, c, m->cannot ? "who uses it is not known: the thread that looks could not be started (limit of threads?)" :
				     "open files are being looked through");
	culprit_end(f);
}

static int sample(void *self, struct culprit_frame *f)
{
	struct mount_user *m = self;

	pthread_mutex_lock(&m->lock);
	/* The tables rest while nobody looks. */
	if (m->nwanted || m->shown) {
		culprit_table(f, 0);
		for (size_t i = 0; i < m->nwanted; i++)
			put_use(m, f, m->wanted[i], done_of(m, m->wanted[i]));
		culprit_table(f, 1);
		for (size_t i = 0; i < m->nwanted; i++) {
			const struct use *u = done_of(m, m->wanted[i]);

			for (size_t k = 0; u && k < u->n; k++)
				put_user(f, u, &u->users[k]);
		}
		m->shown = m->nwanted > 0;
	}
	pthread_mutex_unlock(&m->lock);
	return 0;
}

static const struct culprit_table *const tables[] = {&use_table, &user_table};

const struct culprit_collector mount_user_collector = {
	.size = sizeof(mount_user_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "mount_user",
	.help = "Who uses the file system that is looked at",
	.tables = tables,
	.ntables = 2,
	.open = open_users,
	.sample = sample,
	.close = close_users,
	.interests = interests,
};
