/* Readers of a ring: through the mapping in the writer's process, with pread elsewhere. Both copy, then look whether the
 * writer has given up what they copied. Everything read is checked as if an enemy had written it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "heap.h"
#include "ring_layout.h"
#include "segment_codec.h"

enum { TRIES = 64 }; /* to see the directory between two changes */

struct ring_reader {
	struct source source;
	struct ring *ring; /* in the writer's process, else NULL */
	bool mapped;       /* through its mapping; else by pread */
	int fd;            /* pread: of the ring, owned */
	int event_fd;      /* readable after appends: an eventfd in the writer's process, else inotify; -1: none */
	struct ring_geometry geometry;
	struct ring_entry *raw; /* directory_count: what was copied of the directory */
	struct segment_info *infos;
	uint64_t *starts;
	size_t count;
	bool anonymous; /* of another process: it has no lock that tells of its writer */
	uint64_t stuck; /* generation that was seen to stay odd; 0: none */
};

static struct ring_reader *reader_of(struct source *source)
{
	return (struct ring_reader *)source;
}

/* Words from a byte offset of the ring's file. -ESTALE: the file ends before them. */
static int fetch(struct ring_reader *self, uint64_t offset, void *to, size_t words)
{
	uint8_t *p = to;
	size_t left = words * 8;

	if (self->mapped) {
		ring_copy_out(to, (const uint64_t *)(void *)((uint8_t *)self->ring->map + offset), words);
		return 0;
	}
	while (left) {
		ssize_t got = pread(self->fd, p, left, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return -ESTALE;
		p += got;
		offset += (uint64_t)got;
		left -= (size_t)got;
	}
	return 0;
}

static const uint64_t *at(const struct ring_reader *self, uint64_t offset)
{
	return (const uint64_t *)(void *)((uint8_t *)self->ring->map + offset);
}

/* Never by plain copy, whatever the build: these words are what orders the others. */
static void load_words(void *to, const uint64_t *from, size_t words)
{
	for (size_t i = 0; i < words; i++)
		((uint64_t *)to)[i] = ring_load(from + i);
}

static int fetch_live(struct ring_reader *self, struct ring_live *live)
{
	if (!self->mapped)
		return fetch(self, RING_LIVE_OFFSET, live, RING_LIVE_WORDS);
	load_words(live, at(self, RING_LIVE_OFFSET), RING_LIVE_WORDS);
	return 0;
}

static int fetch_entries(struct ring_reader *self, uint64_t first, uint64_t next)
{
	uint64_t count = self->geometry.directory_count;

	for (uint64_t n = first; n < next;) {
		uint64_t slot = n % count;
		uint64_t run = next - n < count - slot ? next - n : count - slot;
		struct ring_entry *to = self->raw + (n - first);
		int err = 0;

		uint64_t offset = self->geometry.directory_offset + slot * sizeof(struct ring_entry);

		if (self->mapped)
			load_words(to, at(self, offset), run * RING_ENTRY_WORDS);
		else
			err = fetch(self, offset, to, run * RING_ENTRY_WORDS);
		if (err)
			return err;
		n += run;
	}
	return 0;
}

static const char *live_check(const struct ring_reader *self, const struct ring_live *live)
{
	if (live->first > live->next || live->next - live->first > self->geometry.directory_count)
		return "its directory holds more segments than fit";
	if (live->tail > live->head || live->head - live->tail > self->geometry.data_size)
		return "it holds more bytes than fit";
	if (live->tail % 8 || live->head % 8 || live->head > INT64_MAX)
		return "its ends lie at impossible places";
	return NULL;
}

/* The header, and with `entries` the directory, as they stood at one moment. A generation that stays odd is that of a
 * writer that died, or sleeps, in between: any such state is one of a whole ring. */
static int snapshot(struct ring_reader *self, struct ring_live *live, bool entries, const char **ret_wrong)
{
	struct ring_live after = {0};

	for (int i = 0; i < TRIES; i++) {
		const struct timespec pause = {.tv_nsec = 20000};
		int err = fetch_live(self, live);

		if (err)
			return err;
		*ret_wrong = live_check(self, live);
		ring_fence_acquire();
		if (entries && !*ret_wrong) {
			err = fetch_entries(self, live->first, live->next);
			if (err)
				return err;
		}
		ring_fence_acquire();
		err = fetch_live(self, &after);
		if (err)
			return err;
		if (after.generation == live->generation &&
		    (!(after.generation % 2) || after.generation == self->stuck || i == TRIES - 1)) {
			self->stuck = after.generation % 2 ? after.generation : 0;
			return *ret_wrong ? -EBADMSG : 0;
		}
		if (i < TRIES / 4)
			sched_yield();
		else
			nanosleep(&pause, NULL);
	}
	return -EAGAIN;
}

static int take_entries(struct ring_reader *self, const struct ring_live *live, struct culprit_error *error)
{
	uint64_t end = 0, seq = 0;
	size_t count = 0;

	for (uint64_t i = 0; i < live->next - live->first; i++) {
		const struct ring_entry *e = &self->raw[i];

		/* The writer died while it gave this one up. */
		if (e->start < live->tail && !count)
			continue;
		if (e->start < live->tail || e->start < end || e->end < e->start || e->end > live->head || e->start % 8 ||
		    e->end % 8 || e->end - e->start > RING_SEGMENT_MAX || (count && e->seq <= seq) || e->complete > 1)
			return error_set(error, -EBADMSG, "%s: the ring is damaged: entry %llu of its directory contradicts the rest",
					 self->source.name, (unsigned long long)(live->first + i));
		end = e->end;
		seq = e->seq;
		self->starts[count] = e->start;
		self->infos[count] = (struct segment_info){
			.seq = e->seq,
			.from_ns = e->from_ns,
			.to_ns = e->to_ns < e->from_ns ? e->from_ns : e->to_ns,
			.wall_ns = (int64_t)e->wall_ns,
			.size = e->end - e->start,
			.complete = e->complete,
		};
		/* Begun, but nothing of it is there yet. */
		if (e->end > e->start)
			count++;
	}
	self->count = count;
	return 0;
}

static int ring_reader_refresh(struct source *source, struct culprit_error *error)
{
	struct ring_reader *self = reader_of(source);
	const char *wrong = NULL;
	struct ring_live live;
	int err;

	if (self->event_fd >= 0) {
		char drained[4096]; /* a counter, or events that all say the same */

		if (read(self->event_fd, drained, sizeof(drained)) < 0 && errno != EAGAIN)
			return error_set(error, -errno, "%s: cannot be polled", source->name);
	}
	if (!self->mapped) {
		struct stat st;

		if (fstat(self->fd, &st) < 0)
			return error_set(error, -errno, "%s: cannot be read any more", source->name);
		/* Checked at the start; nothing but the size can have changed since. */
		if ((uint64_t)st.st_size < self->geometry.data_offset + self->geometry.data_size) {
			self->count = 0;
			return error_set(error, -EBADMSG, "%s: the ring was cut short while it was read; nothing of it is left",
					 source->name);
		}
	}
	err = snapshot(self, &live, true, &wrong);
	if (err == -EAGAIN) /* its writer is too busy: what was seen last may still be there */
		return (int)self->count;
	if (!err)
		err = take_entries(self, &live, error);
	else if (wrong)
		error_set(error, err, "%s: the ring is damaged: %s", source->name, wrong);
	else
		error_set(error, err, "%s: the ring cannot be read: it was cut short", source->name);
	if (err) {
		self->count = 0;
		return err == -ESTALE ? -EBADMSG : err;
	}
	return (int)self->count;
}

static const struct segment_info *ring_reader_segment(struct source *source, size_t i)
{
	struct ring_reader *self = reader_of(source);

	return i < self->count ? &self->infos[i] : NULL;
}

static int find(const struct ring_reader *self, uint64_t seq, size_t *ret_i)
{
	size_t low = 0, high = self->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (self->infos[middle].seq < seq)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == self->count || self->infos[low].seq != seq)
		return -ESTALE;
	*ret_i = low;
	return 0;
}

static int is_gone(struct ring_reader *self, uint64_t start)
{
	const char *wrong = NULL;
	struct ring_live live;
	int err;

	if (self->mapped) {
		uint64_t tail = ring_load(at(self, RING_LIVE_OFFSET + offsetof(struct ring_live, tail)));

		return tail > start ? -ESTALE : 0;
	}
	err = snapshot(self, &live, false, &wrong);
	if (err)
		return err == -EAGAIN ? -ESTALE : err;
	return live.tail > start ? -ESTALE : 0;
}

/* Copies bytes from <= b < to of the ring; both multiples of 8. */
static int copy(struct ring_reader *self, uint64_t from, uint64_t to, uint8_t *bytes)
{
	uint64_t size = self->geometry.data_size, at = from % size, n = to - from;
	uint64_t part = n < size - at ? n : size - at;
	int err = fetch(self, self->geometry.data_offset + at, bytes, part / 8);

	if (!err && n > part)
		err = fetch(self, self->geometry.data_offset, bytes + part, (n - part) / 8);
	return err;
}

/* At most so many bytes from there on: those that are there. */
static int read_part(struct source *source, uint64_t seq, uint64_t offset, uint64_t most, struct wbuf *out,
		     struct culprit_error *error)
{
	struct ring_reader *self = reader_of(source);
	size_t i, n, skip = offset % 8;
	uint64_t end;
	uint8_t *to;
	int err = find(self, seq, &i);

	if (!err && offset < self->infos[i].size)
		err = is_gone(self, self->starts[i]);
	if (err)
		goto fail;
	if (offset >= self->infos[i].size)
		return 0;
	end = self->infos[i].size;
	if (end - offset > most)
		end = (offset + most + 7) & ~(uint64_t)7;
	n = end - (offset - skip);
	to = wbuf_reserve(out, n);
	if (!to)
		return error_set(error, -ENOMEM, "out of memory");
	heap_populate(to, n);
	err = copy(self, self->starts[i] + (offset - skip), self->starts[i] + end, to);
	/* What was copied counts only if it had not been given up by now. */
	ring_fence_acquire();
	if (!err)
		err = is_gone(self, self->starts[i]);
	if (err)
		goto fail;
	if (skip)
		memmove(to, to + skip, n - skip);
	out->len += n - skip;
	return 0;
fail:
	if (err == -ESTALE)
		return error_set(error, err, "%s: segment %llu was overwritten meanwhile", source->name,
				 (unsigned long long)seq);
	return error_set(error, err, "%s: the ring cannot be read: %s", source->name, strerror(-err));
}

static int ring_reader_read(struct source *source, uint64_t seq, uint64_t offset, struct wbuf *out,
			    struct culprit_error *error)
{
	return read_part(source, seq, offset, UINT64_MAX, out, error);
}

static int ring_reader_again(struct source *source, uint64_t seq, uint64_t offset, size_t n, struct wbuf *out,
			     struct culprit_error *error)
{
	return read_part(source, seq, offset, n, out, error);
}

static int ring_reader_summary(struct source *source, uint64_t seq, struct wbuf *out, struct culprit_error *error)
{
	return segment_find_summary(ring_reader_again, source, seq, out, error);
}

static struct schema *ring_reader_schema(struct source *source)
{
	struct ring *ring = reader_of(source)->ring;

	return ring ? ring_schema(ring) : NULL;
}

static int ring_reader_fd(struct source *source)
{
	return reader_of(source)->event_fd;
}

static void ring_reader_retire(struct source *source)
{
	struct ring_reader *self = reader_of(source);

	if (self->event_fd >= 0) {
		if (self->ring)
			ring_notify_remove(self->ring, self->event_fd);
		close(self->event_fd);
	}
	ring_unlock(self->ring);
	if (self->fd >= 0)
		close(self->fd);
	free(self->raw);
	free(self->infos);
	free(self->starts);
	self->ring = NULL;
	self->mapped = false;
	self->fd = self->event_fd = -1;
	self->raw = NULL;
	self->infos = NULL;
	self->starts = NULL;
	self->count = 0;
}

static void ring_reader_destroy(struct source *source)
{
	ring_reader_retire(source);
	free(reader_of(source));
}

static const struct source_ops ring_reader_ops, own_ring_ops;

bool ring_source_status(struct source *source, struct ring_status *ret)
{
	struct ring_reader *self = reader_of(source);
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	struct ring_live live = {0};

	if (source->ops != &ring_reader_ops && source->ops != &own_ring_ops)
		return false;
	fetch_live(self, &live);
	*ret = (struct ring_status){
		.closed = live.closed == 1,
		.pid = self->geometry.writer_pid,
		.created_wall_ns = self->geometry.created_wall_ns,
	};
	ret->live = !ret->closed && self->raw; /* else it was retired */
	/* A named one is held by its writer. Asking for its lock takes none. */
	if (self->fd >= 0 && !self->anonymous && !self->ring)
		ret->live = !ret->closed && !fcntl(self->fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;
	return true;
}

static bool ring_reader_live(struct source *source)
{
	struct ring_status status;

	return ring_source_status(source, &status) && status.live;
}

static const struct source_ops ring_reader_ops = {
	.refresh = ring_reader_refresh,
	.segment = ring_reader_segment,
	.read = ring_reader_read,
	.summary = ring_reader_summary,
	.schema = ring_reader_schema,
	.fd = ring_reader_fd,
	.live = ring_reader_live,
	.retire = ring_reader_retire,
	.destroy = ring_reader_destroy,
};

/* Through the mapping. */
static const struct source_ops own_ring_ops = {
	.refresh = ring_reader_refresh,
	.segment = ring_reader_segment,
	.read = ring_reader_read,
	.again = ring_reader_again,
	.summary = ring_reader_summary,
	.schema = ring_reader_schema,
	.fd = ring_reader_fd,
	.live = ring_reader_live,
	.retire = ring_reader_retire,
	.destroy = ring_reader_destroy,
};

static struct ring_reader *reader_create(const struct ring_geometry *geometry, const char *name, struct culprit_error *error)
{
	struct ring_reader *self = calloc(1, sizeof(*self));
	size_t count = geometry->directory_count;

	if (!self) {
		error_set(error, -ENOMEM, "out of memory");
		return NULL;
	}
	self->source.ops = &ring_reader_ops;
	snprintf(self->source.name, sizeof(self->source.name), "%s", name);
	self->fd = self->event_fd = -1;
	self->geometry = *geometry;
	self->raw = calloc(count, sizeof(*self->raw));
	self->infos = calloc(count, sizeof(*self->infos));
	self->starts = calloc(count, sizeof(*self->starts));
	if (!self->raw || !self->infos || !self->starts) {
		error_set(error, -ENOMEM, "out of memory");
		ring_reader_destroy(&self->source);
		return NULL;
	}
	return self;
}

struct source *ring_source(struct ring *ring, struct culprit_error *error)
{
	struct ring_reader *self = reader_create(&ring->geometry, "own ring", error);
	int fd;

	if (!self)
		return NULL;
	self->ring = ring_lock(ring);
	self->mapped = ring->map != NULL;
	if (self->mapped)
		self->source.ops = &own_ring_ops;
	if (!self->mapped && (self->fd = fcntl(ring->fd, F_DUPFD_CLOEXEC, 0)) < 0) {
		error_set(error, -errno, "the ring cannot take one more reader: %s", strerror(errno));
		ring_reader_destroy(&self->source);
		return NULL;
	}
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0 || ring_notify_add(ring, fd)) {
		error_set(error, -EMFILE, "the ring cannot take one more reader: %s",
			  fd < 0 ? strerror(errno) : "it has as many as it can wake");
		if (fd >= 0)
			close(fd);
		ring_reader_destroy(&self->source);
		return NULL;
	}
	self->event_fd = fd;
	return &self->source;
}

/* By the file itself, whatever has become of its name. Without it the reader looks from time to time. */
static int watch(int fd)
{
	char path[32];
	int events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (events >= 0 && inotify_add_watch(events, path, IN_ATTRIB | IN_CLOSE_WRITE) < 0) {
		close(events);
		return -1;
	}
	return events;
}

/* Takes the descriptor over. */
static struct source *attach(int fd, const char *name, struct culprit_error *error)
{
	struct ring_geometry geometry = {0};
	struct ring_reader *self = NULL;
	const char *wrong;
	struct stat st;
	ssize_t got;
	int seals;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		error_set(error, -EINVAL, "%s is not a ring: it is no regular file", name);
		goto fail;
	}
	got = pread(fd, &geometry, sizeof(geometry), 0);
	if (got < 0) {
		error_set(error, -errno, "%s cannot be read: %s", name, strerror(errno));
		goto fail;
	}
	wrong = ring_geometry_check(&geometry, (uint64_t)st.st_size);
	if (wrong) {
		error_set(error, -EBADMSG, "%s cannot be used as a ring: %s", name, wrong);
		goto fail;
	}
	self = reader_create(&geometry, name, error);
	if (!self)
		goto fail;
	self->fd = fd;
	/* A file of /run has seals, too: that none can be added. */
	seals = fcntl(fd, F_GET_SEALS);
	self->anonymous = seals > 0 && seals & F_SEAL_SHRINK;
	self->event_fd = self->anonymous ? -1 : watch(fd);
	if (ring_reader_refresh(&self->source, error) < 0) {
		ring_reader_destroy(&self->source);
		return NULL;
	}
	return &self->source;
fail:
	close(fd);
	return NULL;
}

struct source *ring_source_fd(int fd, const char *name, struct culprit_error *error)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (own < 0) {
		error_set(error, -errno, "%s cannot be opened: %s", name, strerror(errno));
		return NULL;
	}
	return attach(own, name, error);
}

struct source *ring_source_path(const char *path, struct culprit_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0) {
		error_set(error, -errno, "%s cannot be opened: %s", path, strerror(errno));
		return NULL;
	}
	return attach(fd, path, error);
}
