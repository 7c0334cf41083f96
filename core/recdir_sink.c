/* Writing a directory of recordings: each file is a recording of its own (recfile.h), begun with a segment at each whole
 * hour of UTC; the oldest go as a whole, so that what is there is at every instant within its limits. Holes punched into
 * one large file would keep it as little, but copy, checksum and list as its full length, and leave the file systems out
 * that cannot punch. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "filelock.h"
#include "recdir.h"
#include "recfile.h"

#define HOUR_NS (INT64_C(3600) * 1000000000)

enum {
	NAME_MAX_BYTES = 96, /* what printf could make of any number; ours take 25 */
	PARTS = 8,            /* a file takes at most such a part of the bytes allowed, so that little goes at once */
	INDEX_ROOM = 1 << 16, /* for what ends a file */
};

struct recdir_old {
	char name[NAME_MAX_BYTES];
	int64_t wall_ns; /* by its name */
	int64_t until_ns; /* when it was last written */
	uint64_t bytes;
};

struct recdir_sink {
	struct sink sink;
	int fd; /* of the directory, locked */
	struct recdir_limits limits;
	struct recdir_old *old; /* finished files, oldest first */
	size_t nold, cap;
	uint64_t old_bytes;
	struct sink *file; /* NULL: none is open */
	struct recdir_old now; /* its name and time */
	bool rotate;
	bool dropping;     /* the rest of this segment finds no room */
	uint64_t written;  /* in files that are finished */
	char path[256];
};

static struct recdir_sink *recdir_sink_of(const struct sink *sink)
{
	return (struct recdir_sink *)sink;
}

static void name_of(char *name, int64_t wall_ns)
{
	time_t s = (time_t)(wall_ns / 1000000000);
	struct tm tm;

	gmtime_r(&s, &tm);
	snprintf(name, NAME_MAX_BYTES, "%04d%02d%02dT%02d%02d%02dZ" RECDIR_SUFFIX, (tm.tm_year + 1900) % 10000, tm.tm_mon + 1,
		 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* Only names we make ourselves: nothing else is ever removed. */
static bool time_of(const char *name, int64_t *ret_wall_ns)
{
	char again[NAME_MAX_BYTES];
	struct tm tm = {0};

	if (strlen(name) != 16 + strlen(RECDIR_SUFFIX) ||
	    sscanf(name, "%4d%2d%2dT%2d%2d%2dZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	*ret_wall_ns = (int64_t)timegm(&tm) * 1000000000;
	name_of(again, *ret_wall_ns);
	return !strcmp(name, again);
}

static int by_time(const void *a, const void *b)
{
	const struct recdir_old *x = a, *y = b;

	return x->wall_ns < y->wall_ns ? -1 : x->wall_ns > y->wall_ns;
}

static int64_t written_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static int add_old(struct recdir_sink *self, const struct recdir_old *old)
{
	if (self->nold == self->cap) {
		size_t cap = self->cap ? self->cap * 2 : 256;
		struct recdir_old *grown = realloc(self->old, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		self->old = grown;
		self->cap = cap;
	}
	self->old[self->nold++] = *old;
	self->old_bytes += old->bytes;
	return 0;
}

static int list(struct recdir_sink *self, struct culprit_error *error)
{
	int fd = openat(self->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return error_set(error, err, "cannot read %s: %s", self->path, strerror(-err));
	}
	while (!err && (entry = readdir(dir))) {
		struct recdir_old old;
		struct stat st;

		if (!time_of(entry->d_name, &old.wall_ns) || fstatat(self->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		snprintf(old.name, sizeof(old.name), "%.95s", entry->d_name);
		old.bytes = (uint64_t)st.st_size;
		old.until_ns = written_ns(&st);
		err = add_old(self, &old);
	}
	closedir(dir);
	qsort(self->old, self->nold, sizeof(*self->old), by_time);
	return err ? error_set(error, err, "out of memory") : 0;
}

static uint64_t file_bytes(const struct recdir_sink *self)
{
	return self->file ? recfile_sink_written(self->file) : 0;
}

/* Removes what is too old, and as much of the oldest as it takes for `need` more bytes. False: there is no room even so. */
static bool make_room(struct recdir_sink *self, int64_t wall_ns, uint64_t need)
{
	const struct recdir_limits *l = &self->limits;
	size_t gone = 0;

	while (gone < self->nold) {
		const struct recdir_old *old = &self->old[gone];
		bool aged = l->keep_ns && wall_ns > old->until_ns && (uint64_t)(wall_ns - old->until_ns) > l->keep_ns;
		bool large = l->max_bytes && self->old_bytes + file_bytes(self) + need + INDEX_ROOM > l->max_bytes;

		if (!aged && !large)
			break;
		/* One that cannot be removed counts no more than one that somebody else has removed. */
		unlinkat(self->fd, old->name, 0);
		self->old_bytes -= old->bytes;
		gone++;
	}
	if (gone) {
		self->nold -= gone;
		memmove(self->old, self->old + gone, self->nold * sizeof(*self->old));
	}
	return !l->max_bytes || self->old_bytes + file_bytes(self) + need + INDEX_ROOM <= l->max_bytes;
}

static void file_end(struct recdir_sink *self)
{
	struct stat st;

	if (!self->file)
		return;
	self->file->ops->destroy(self->file);
	self->file = NULL;
	if (fstatat(self->fd, self->now.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return; /* somebody has removed it */
	self->now.bytes = (uint64_t)st.st_size;
	self->now.until_ns = written_ns(&st);
	self->written += self->now.bytes;
	if (add_old(self, &self->now))
		return; /* out of memory: it stays there, uncounted until the next start */
}

static int file_begin(struct recdir_sink *self, int64_t wall_ns, struct culprit_error *error)
{
	char path[sizeof(self->path) + NAME_MAX_BYTES + 1];

	/* Not more than one a second: the name is free then, but for a clock that was set back. */
	for (int i = 0; i < 3600; i++, wall_ns += 1000000000) {
		name_of(self->now.name, wall_ns);
		if (faccessat(self->fd, self->now.name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			break;
	}
	self->now.wall_ns = wall_ns / 1000000000 * 1000000000;
	self->now.bytes = 0;
	snprintf(path, sizeof(path), "%s/%s", self->path, self->now.name);
	self->file = recfile_sink_at(self->fd, self->now.name, path, RECFILE_REFUSE, error);
	return self->file ? 0 : -errno;
}

bool recdir_sink_due(const struct sink *sink, int64_t wall_ns)
{
	const struct recdir_sink *self = recdir_sink_of(sink);

	if (!self->file)
		return false;
	if (self->rotate || wall_ns / HOUR_NS != self->now.wall_ns / HOUR_NS)
		return true;
	return self->limits.max_bytes && file_bytes(self) > self->limits.max_bytes / PARTS;
}

static int recdir_begin(struct sink *sink, const struct segment_meta *meta, struct culprit_error *error)
{
	struct recdir_sink *self = recdir_sink_of(sink);

	if (recdir_sink_due(sink, meta->wall_ns))
		file_end(self);
	make_room(self, meta->wall_ns, 0);
	if (!self->file) {
		int err = file_begin(self, meta->wall_ns, error);

		if (err)
			return err;
	}
	self->rotate = self->dropping = false;
	return self->file->ops->begin(self->file, meta, error);
}

static int no_room(struct recdir_sink *self, struct culprit_error *error)
{
	self->dropping = true;
	return error_set(error, -EFBIG, "%.150s: one segment alone needs more than --max-size; give more", self->path);
}

static int recdir_append(struct sink *sink, const void *bytes, size_t n, uint64_t mono_ns, struct culprit_error *error)
{
	struct recdir_sink *self = recdir_sink_of(sink);

	if (!self->file)
		return error_set(error, -EINVAL, "%.150s: no segment was begun", self->path);
	/* Compressed it takes less. */
	if (self->dropping || !make_room(self, self->now.wall_ns, n))
		return no_room(self, error);
	return self->file->ops->append(self->file, bytes, n, mono_ns, error);
}

static int recdir_end(struct sink *sink, const void *summary, size_t n, struct culprit_error *error)
{
	struct recdir_sink *self = recdir_sink_of(sink);

	if (!self->file)
		return error_set(error, -EINVAL, "%.150s: no segment was begun", self->path);
	if (self->dropping || !make_room(self, self->now.wall_ns, n))
		return self->file->ops->end(self->file, NULL, 0, error);
	return self->file->ops->end(self->file, summary, n, error);
}

static size_t recdir_segment_max(const struct sink *sink)
{
	const struct recdir_limits *l = &recdir_sink_of(sink)->limits;

	return l->max_bytes && l->max_bytes / 2 < RECFILE_SEGMENT_MAX ? (size_t)(l->max_bytes / 2) : RECFILE_SEGMENT_MAX;
}

static void recdir_sink_destroy(struct sink *sink)
{
	struct recdir_sink *self = recdir_sink_of(sink);

	file_end(self);
	if (self->fd >= 0)
		close(self->fd);
	free(self->old);
	free(self);
}

static const struct sink_ops recdir_sink_ops = {
	.begin = recdir_begin,
	.append = recdir_append,
	.end = recdir_end,
	.segment_max = recdir_segment_max,
	.destroy = recdir_sink_destroy,
};

static int open_folder(struct recdir_sink *self, struct culprit_error *error)
{
	int err;

	if (mkdir(self->path, 0700) < 0 && errno != EEXIST)
		return error_set(error, -errno, "cannot make the directory %s: %s", self->path, strerror(errno));
	self->fd = open(self->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (self->fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return error_set(error, -ENOTDIR,
				 "%s is no directory; with --keep or --max-size, -o names a directory of hour files", self->path);
	if (self->fd < 0)
		return error_set(error, -errno, "cannot open %s: %s", self->path, strerror(errno));
	if (faccessat(self->fd, ".", W_OK, AT_EACCESS) < 0)
		return error_set(error, -errno, "cannot write into %s: %s", self->path, strerror(errno));
	err = filelock_take(self->fd);
	if (err == -EBUSY)
		return error_set(error, err, "%s is being written by another recorder; choose another directory", self->path);
	if (err)
		return error_set(error, err, "%s cannot be locked: %s", self->path, strerror(-err));
	return list(self, error);
}

struct sink *recdir_sink(const char *path, const struct recdir_limits *limits, struct culprit_error *error)
{
	struct recdir_sink *self = calloc(1, sizeof(*self));

	if (!self) {
		error_set(error, -ENOMEM, "out of memory");
		return NULL;
	}
	self->sink.ops = &recdir_sink_ops;
	self->fd = -1;
	self->limits = *limits;
	if (strlen(path) >= sizeof(self->path)) {
		error_set(error, -ENAMETOOLONG, "the name of the directory is longer than %zu bytes", sizeof(self->path) - 1);
		recdir_sink_destroy(&self->sink);
		return NULL;
	}
	snprintf(self->path, sizeof(self->path), "%s", path);
	if (open_folder(self, error)) {
		recdir_sink_destroy(&self->sink);
		return NULL;
	}
	return &self->sink;
}

void recdir_sink_rotate(struct sink *sink)
{
	recdir_sink_of(sink)->rotate = true;
}

uint64_t recdir_sink_written(const struct sink *sink)
{
	const struct recdir_sink *self = recdir_sink_of(sink);

	return self->written + file_bytes(self);
}

uint64_t recdir_sink_bytes(const struct sink *sink)
{
	const struct recdir_sink *self = recdir_sink_of(sink);

	return self->old_bytes + file_bytes(self);
}
