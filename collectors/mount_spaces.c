#include "mount_spaces.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mounts.h"

enum { SPACES = 64, POINTS = 16384, ID = 40 };

struct point {
	const char *path; /* in the space's text */
	size_t len;
	uint64_t device; /* as struct mount_line has it */
};

struct mount_space {
	const struct mount_spaces *all;
	char id[ID]; /* "mnt:[4026531841]"; "": not to be seen */
	struct procfs_buffer text;
	struct point *points;
	size_t n, cap;
};

struct mount_spaces {
	int proc_fd;
	struct {
		uint64_t device;
		bool there;
	} wanted[MOUNT_WANTED_MAX];
	size_t nwanted;
	struct mount_space spaces[SPACES]; /* the first is the machine's */
	size_t n;
};

static void read_id(int proc_fd, const char *process, char id[ID])
{
	char path[48];
	ssize_t n;

	snprintf(path, sizeof(path), "%.32s/ns/mnt", process);
	n = readlinkat(proc_fd, path, id, ID - 1);
	id[n > 0 ? n : 0] = '\0';
}

static void add_point(struct mount_space *s, struct mount_line *m)
{
	char *point = (char *)(uintptr_t)m->point.p; /* in our own buffer */

	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 64;
		struct point *more = realloc(s->points, cap * sizeof(*more));

		if (!more)
			return;
		s->points = more;
		s->cap = cap;
	}
	s->points[s->n++] = (struct point){point, procfs_unescape(&m->point, point, procfs_left(&m->point)), m->device};
}

static void read_points(struct mount_space *s, int proc_fd, const char *path)
{
	struct procfs_text text, line;
	struct procfs_file file;
	struct mount_line m;

	procfs_file_init(&file, proc_fd, path);
	if (procfs_buffer_read(&s->text, &file) == 0) {
		text = procfs_buffer_text(&s->text);
		while (s->n < POINTS && procfs_line(&text, &line))
			if (mount_parse(line, &m))
				add_point(s, &m);
	}
	procfs_file_finish(&file);
}

struct mount_spaces *mount_spaces_create(int proc_fd, const char *const *wanted, size_t n)
{
	struct mount_spaces *s = calloc(1, sizeof(*s));
	const char *machine = mounts_of_machine(proc_fd);
	struct mount_space *own;

	if (!s)
		return NULL;
	s->proc_fd = proc_fd;
	own = &s->spaces[s->n++];
	own->all = s;
	read_id(proc_fd, machine[0] == '1' ? "1" : "self", own->id);
	read_points(own, proc_fd, machine);
	s->nwanted = n < MOUNT_WANTED_MAX ? n : MOUNT_WANTED_MAX;
	for (size_t i = 0; i < s->nwanted; i++) {
		/* What was mounted last in a place hides what was mounted there before. */
		for (const struct point *p = own->points; p < own->points + own->n; p++) {
			if (p->len != strlen(wanted[i]) || memcmp(p->path, wanted[i], p->len) != 0)
				continue;
			s->wanted[i].device = p->device;
			s->wanted[i].there = true;
		}
	}
	return s;
}

void mount_spaces_destroy(struct mount_spaces *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++) {
		procfs_buffer_finish(&s->spaces[i].text);
		free(s->spaces[i].points);
	}
	free(s);
}

const struct mount_space *mount_spaces_of(struct mount_spaces *s, uint32_t pid)
{
	char process[16], path[32], id[ID];
	struct mount_space *space;

	snprintf(process, sizeof(process), "%u", pid);
	read_id(s->proc_fd, process, id);
	for (size_t i = 0; i < s->n && id[0]; i++)
		if (strcmp(s->spaces[i].id, id) == 0)
			return &s->spaces[i];
	if (!id[0] || s->n == SPACES)
		return NULL;
	space = &s->spaces[s->n++];
	space->all = s;
	memcpy(space->id, id, sizeof(space->id));
	snprintf(path, sizeof(path), "%u/mountinfo", pid);
	read_points(space, s->proc_fd, path);
	return space;
}

static bool is_below(const char *path, size_t len, const struct point *p)
{
	if (len < p->len || memcmp(path, p->path, p->len) != 0)
		return false;
	return p->len == 1 || len == p->len || path[p->len] == '/';
}

/* Files that are in no folder: "/memfd:x (deleted)", "/SYSV00000000 (deleted)", "/dmabuf:x". */
static bool is_nowhere(const char *path, size_t len)
{
	static const char deleted[] = " (deleted)", dmabuf[] = "/dmabuf:";

	if (len < 2 || memchr(path + 1, '/', len - 1))
		return false;
	return (len >= sizeof(deleted) - 1 && !memcmp(path + len - (sizeof(deleted) - 1), deleted, sizeof(deleted) - 1)) ||
	       (len >= sizeof(dmabuf) - 1 && !memcmp(path, dmabuf, sizeof(dmabuf) - 1));
}

int mount_space_find(const struct mount_space *space, const char *path, size_t len)
{
	const struct point *best = NULL;

	if (!len || path[0] != '/' || is_nowhere(path, len))
		return -1;
	for (const struct point *p = space->points; p < space->points + space->n; p++)
		if (is_below(path, len, p) && (!best || p->len >= best->len))
			best = p;
	for (size_t i = 0; best && i < space->all->nwanted; i++)
		if (space->all->wanted[i].there && space->all->wanted[i].device == best->device)
			return (int)i;
	return -1;
}
