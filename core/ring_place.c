#include "ring_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

/* The folders, root's first; "" where there is none. */
struct folders {
	char path[2][RING_PATH_MAX];
};

static const char *folder_of_tests(void)
{
	const char *dir = getenv("CULPRIT_RUNTIME_DIR");

	return dir && dir[0] == '/' && strlen(dir) < RING_PATH_MAX - RING_NAME_MAX - 2 ? dir : NULL;
}

static void user_folder(char *path)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	int n = 0;

	path[0] = '\0';
	if (dir && dir[0] == '/')
		n = snprintf(path, RING_PATH_MAX - RING_NAME_MAX - 2, "%s/culprit", dir);
	else if (geteuid())
		n = snprintf(path, RING_PATH_MAX, "/run/user/%u/culprit", (unsigned)geteuid());
	if (n >= RING_PATH_MAX - RING_NAME_MAX - 2)
		path[0] = '\0';
}

static void folders_find(struct folders *f)
{
	const char *dir = folder_of_tests();

	f->path[1][0] = '\0';
	snprintf(f->path[0], sizeof(f->path[0]), "%s", dir ? dir : RING_FOLDER);
	if (!dir)
		user_folder(f->path[1]);
}

/* What is wrong with a folder or a file that root or we should own, alone; NULL: nothing. */
static const char *mistrust(const struct stat *st)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return "it belongs to another user, who could make it say anything";
	if (st->st_mode & S_IWOTH)
		return "everybody may write it";
	if (st->st_mode & S_IWGRP)
		return "its group may write it";
	return NULL;
}

int ring_folder_make(char *path, size_t cap, struct culprit_error *error)
{
	const char *wrong;
	struct folders f;
	bool own = geteuid() != 0;
	struct stat st;
	int fd;

	folders_find(&f);
	snprintf(path, cap, "%s", folder_of_tests() || !own ? f.path[0] : f.path[1]);
	if (!path[0])
		return error_set(error, -ENOENT, "there is no folder for a ring of yours: set XDG_RUNTIME_DIR, or run as root");
	if (mkdir(path, own ? 0700 : 0755) < 0 && errno != EEXIST)
		return error_set(error, -errno, "the folder %s cannot be made: %s%s", path, strerror(errno),
				 own && errno == ENOENT ? "; set XDG_RUNTIME_DIR, or run as root" : "");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		int err = -errno;

		if (fd >= 0)
			close(fd);
		return error_set(error, err, "the folder %s cannot be opened: %s", path, strerror(-err));
	}
	close(fd);
	wrong = st.st_uid != geteuid() ? "it belongs to another user" : mistrust(&st);
	return wrong ? error_set(error, -EPERM, "the folder %s is not used: %s; remove it, or mend it", path, wrong) : 0;
}

/* The file of a ring, checked. -errno with a sentence. `dir_fd`: of its folder, or AT_FDCWD. */
static int open_trusted(int dir_fd, const char *name, const char *shown, struct culprit_error *error)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	const char *wrong;
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return error_set(error, -ELOOP, "%s is not attached to: it is a symbolic link", shown);
	if (fd < 0 && errno == EACCES)
		return error_set(error, -EACCES, "%s may not be read by you: be a member of its group, or root", shown);
	if (fd < 0)
		return error_set(error, -errno, "%s cannot be opened: %s", shown, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		wrong = "it is no regular file";
	else
		wrong = mistrust(&st);
	if (!wrong)
		return fd;
	close(fd);
	return error_set(error, -EPERM, "%s is not attached to: %s", shown, wrong);
}

static int open_folder(const char *path, struct culprit_error *error)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const char *wrong;
	struct stat st;

	if (fd < 0)
		return error_set(error, -errno, "the folder %s cannot be opened: %s", path, strerror(errno));
	wrong = fstat(fd, &st) < 0 ? "it cannot be looked at" : mistrust(&st);
	if (!wrong)
		return fd;
	close(fd);
	return error_set(error, -EPERM, "rings in %s are not attached to: %s", path, wrong);
}

struct source *ring_attach(const char *name, struct culprit_error *error)
{
	struct folders f;
	char shown[RING_PATH_MAX];
	struct source *source;
	int fd = -ENOENT, dir;

	if (strchr(name, '/')) {
		snprintf(shown, sizeof(shown), "%s", name);
		fd = open_trusted(AT_FDCWD, name, shown, error);
	} else if (!ring_name_valid(name)) {
		error_set(error, -EINVAL, "no ring is named \"%.64s\"; a file is given with its folder: ./FILE", name);
		fd = -EINVAL;
	} else {
		error_set(error, -ENOENT, "no recorder publishes a ring %s; start one: culprit record --ring %s", name, name);
		folders_find(&f);
		for (int i = 0; i < 2 && fd == -ENOENT; i++) {
			struct culprit_error why;

			if (!f.path[i][0])
				continue;
			dir = open_folder(f.path[i], &why);
			fd = dir;
			if (dir >= 0) {
				snprintf(shown, sizeof(shown), "%s/%s", f.path[i], name);
				fd = open_trusted(dir, name, shown, &why);
				close(dir);
			}
			if (fd < 0 && fd != -ENOENT)
				*error = why;
		}
	}
	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	source = ring_source_fd(fd, shown, error);
	close(fd);
	errno = source ? 0 : EBADMSG;
	return source;
}

static int better(const void *a, const void *b)
{
	const struct ring_found *x = a, *y = b;

	if (x->status.live != y->status.live)
		return x->status.live ? -1 : 1;
	return x->to_ns == y->to_ns ? strcmp(x->path, y->path) : x->to_ns > y->to_ns ? -1 : 1;
}

static bool find_one(int dir, const char *folder, const char *name, struct ring_found *found, struct culprit_error *why)
{
	const struct segment_info *last;
	struct source *source;
	int fd, n;

	snprintf(found->path, sizeof(found->path), "%s/%s", folder, name);
	fd = open_trusted(dir, name, found->path, why);
	if (fd < 0)
		return false;
	source = ring_source_fd(fd, found->path, why);
	close(fd);
	if (!source)
		return false;
	ring_source_status(source, &found->status);
	n = source->ops->refresh(source, NULL);
	last = n > 0 ? source->ops->segment(source, (size_t)n - 1) : NULL;
	found->to_ns = last ? last->to_ns : 0;
	source_destroy(source);
	return true;
}

size_t ring_find(struct ring_found *found, size_t cap, struct culprit_error *why)
{
	struct culprit_error error;
	struct folders f;
	size_t n = 0;

	why->sentence[0] = '\0';
	folders_find(&f);
	for (int i = 0; i < 2; i++) {
		int fd = f.path[i][0] ? open_folder(f.path[i], &error) : -ENOENT;
		DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
		const struct dirent *e;

		/* A folder anybody could have filled is looked at no further than this. */
		for (int seen = 0; dir && n < cap && seen < 256 && (e = readdir(dir)); seen++) {
			if (!ring_name_valid(e->d_name))
				continue;
			if (find_one(dirfd(dir), f.path[i], e->d_name, &found[n], &error))
				n++;
			else if (!why->sentence[0])
				*why = error;
		}
		if (fd < 0 && fd != -ENOENT && !why->sentence[0])
			*why = error;
		if (dir)
			closedir(dir);
		else if (fd >= 0)
			close(fd);
	}
	qsort(found, n, sizeof(*found), better);
	return n;
}

struct source *ring_attach_best(struct culprit_error *error)
{
	struct ring_found found[RING_FOUND_MAX];
	struct culprit_error why;

	if (ring_find(found, RING_FOUND_MAX, &why))
		return ring_attach(found[0].path, error);
	error_set(error, -ENOENT, "%s", why.sentence[0] ? why.sentence
		  : "no recorder publishes a ring here; start one: culprit record --ring NAME");
	errno = ENXIO;
	return NULL;
}
