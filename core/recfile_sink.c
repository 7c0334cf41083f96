/* Writing a recording. One write() an append: segment mark with the first, then what zstd has flushed. Takes no memory in
 * steady state: one compressor, one buffer. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include <culprit/host.h>

#include "clock.h"
#include "error.h"
#include "filelock.h"
#include "recfile.h"
#include "recfile_frames.h"
#include "recfile_internal.h"

enum {
	LEVEL = 6,
	WAIT_MS = 30000, /* for a pipe's reader, where the pipe is non-blocking */
	ENTRIES_FIRST = 1024, /* of the index: more than three days of them */
};

struct recsink {
	struct sink sink;
	int fd;
	bool regular; /* can be cut back */
	ZSTD_CCtx *z;
	struct wbuf out; /* compressed, not yet written */
	uint64_t start;  /* of this recording in the file */
	uint64_t written;
	bool header;    /* written, or in `out`, for this writer */
	bool pending;   /* it is in `out` */
	bool open;      /* a segment was begun */
	bool refused;   /* the rest of this segment is */
	uint64_t body;  /* bytes of it so far */
	uint64_t to_ns; /* newest frame of it */
	uint64_t mark;  /* where its mark is, in `written` */
	struct segment_meta meta;
	uint64_t header_at;  /* of the header, in `written` */
	struct wbuf entries; /* of the index: segments since that header */
	uint32_t nentries;
	bool unindexed;      /* not all of them are in it */
	struct wbuf owed;    /* end of a segment for which there was no room */
	int err; /* sticks; where the disk was full, until the next segment begins */
	struct culprit_error error;
	char name[256];
};

static struct recsink *recsink_of(struct sink *sink)
{
	return (struct recsink *)sink;
}

/* A pipe without reader raises SIGPIPE, a file at its limit SIGXFSZ: not for a library to die of, nor to ignore for all. */
static ssize_t write_quietly(int fd, const void *bytes, size_t n)
{
	const struct timespec at_once = {0};
	sigset_t ours, before, pending;
	ssize_t done;
	int err;

	sigemptyset(&ours);
	sigaddset(&ours, SIGPIPE);
	sigaddset(&ours, SIGXFSZ);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &ours, &before);
	done = write(fd, bytes, n);
	err = errno;
	if (sigismember(&pending, SIGPIPE))
		sigdelset(&ours, SIGPIPE);
	if (sigismember(&pending, SIGXFSZ))
		sigdelset(&ours, SIGXFSZ);
	if (done < 0 && (err == EPIPE || err == EFBIG))
		while (sigtimedwait(&ours, NULL, &at_once) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = err;
	return done;
}

static int write_all(struct recsink *self, const uint8_t *bytes, size_t n)
{
	while (n) {
		ssize_t done = write_quietly(self->fd, bytes, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && errno == EAGAIN) {
			struct pollfd poll_fd = {.fd = self->fd, .events = POLLOUT};

			if (!poll(&poll_fd, 1, WAIT_MS))
				return -ETIMEDOUT;
			continue;
		}
		if (done < 0)
			return -errno;
		if (!done)
			return -EIO;
		bytes += done;
		n -= (size_t)done;
	}
	return 0;
}

static void cut_back(struct recsink *self)
{
	off_t end = (off_t)(self->start + self->written);

	if (self->regular && (ftruncate(self->fd, end) < 0 || lseek(self->fd, end, SEEK_SET) < 0))
		return; /* it stays readable: what is half written is named as damage, or as cut short */
}

static void put_end(struct recsink *self, struct wbuf *out, uint64_t summary, uint64_t at)
{
	const struct recframe_end end = {
		.writer = self->meta.writer,
		.seq = self->meta.seq,
		.to_ns = self->to_ns,
		.body = self->body,
		.summary = summary,
		.distance = at - self->mark,
	};

	recframe_put_end(out, &end);
}

static bool is_full(int err)
{
	return err == -ENOSPC || err == -EDQUOT;
}

/* A segment was ended with its mark at `end_at`. */
static void note_segment(struct recsink *self, uint64_t summary_at, uint64_t summary, uint64_t end_at)
{
	struct recframe_entry entry = {
		.seq = self->meta.seq,
		.from_ns = self->meta.mono_ns,
		.wall_ns = self->meta.wall_ns,
		.to_ns = self->to_ns,
		.mark = self->mark - self->header_at,
		.body_at = self->mark - self->header_at + RECFRAME_PREFIX + RECFRAME_MARK,
		.summary_at = summary ? summary_at - self->header_at : 0,
		.end_at = end_at - self->header_at,
		.body = self->body,
		.summary = summary,
	};

	/* A pipe cannot be read from its end. */
	if (!self->regular || self->unindexed || self->nentries == RECFILE_SEGMENTS_MAX) {
		self->unindexed = true;
		return;
	}
	recframe_put_entry(&self->entries, &entry);
	self->nentries++;
	self->unindexed = self->entries.err;
}

/* Ends a segment that was cut off by a full disk, as soon as there is room. */
static int pay_owed(struct recsink *self)
{
	int err = self->owed.err;

	if (!err && self->owed.len)
		err = write_all(self, self->owed.data, self->owed.len);
	if (err) {
		cut_back(self);
		return err;
	}
	if (self->owed.len) {
		self->written += self->owed.len;
		note_segment(self, 0, 0, self->written - RECFRAME_PREFIX - RECFRAME_END);
	}
	wbuf_clear(&self->owed);
	return 0;
}

/* Keeps the first error. The file is cut back to its last whole append and, where room is left, properly ended. */
static int fail(struct recsink *self, int err, struct culprit_error *error)
{
	const char *what = err == -ENOSPC || err == -EDQUOT ? "the disk is full"
			   : err == -EPIPE		    ? "its reader is gone"
			   : err == -EFBIG		    ? "a file may not grow any more (ulimit -f, or the file system's limit)"
			   : err == -ETIMEDOUT		    ? "its reader took nothing for 30 s"
							    : strerror(-err);

	error_set(&self->error, err, "%.120s: recording stopped after %llu bytes: %.90s", self->name,
		  (unsigned long long)self->written, what);
	self->err = err;
	if (error)
		*error = self->error;
	wbuf_clear(&self->out);
	if (self->pending)
		self->header = self->pending = false;
	if (!self->regular)
		return err;
	cut_back(self);
	if (self->open && self->body) {
		recframe_put_last_block(&self->owed);
		put_end(self, &self->owed, 0, self->written + self->owed.len);
		pay_owed(self);
	}
	self->open = false;
	return err;
}

static int flush_out(struct recsink *self, struct culprit_error *error)
{
	int err = self->out.err ? self->out.err : write_all(self, self->out.data, self->out.len);

	if (err)
		return fail(self, err, error);
	self->written += self->out.len;
	self->pending = false;
	wbuf_clear(&self->out);
	return 0;
}

static int compress(struct recsink *self, const void *bytes, size_t n, ZSTD_EndDirective how)
{
	ZSTD_inBuffer in = {bytes, n, 0};
	size_t left;

	do {
		ZSTD_outBuffer out;

		if (!wbuf_reserve(&self->out, ZSTD_CStreamOutSize()))
			return -ENOMEM;
		out = (ZSTD_outBuffer){self->out.data, self->out.cap, self->out.len};
		left = ZSTD_compressStream2(self->z, &out, &in, how);
		if (ZSTD_isError(left))
			return -ENOMEM;
		self->out.len = out.pos;
	} while (left || in.pos < in.size);
	return 0;
}

/* Ends the open segment: its first zstd frame, the summary as the second one, the end mark. */
static int finish_segment(struct recsink *self, const void *summary, size_t n, struct culprit_error *error)
{
	uint64_t summary_at, end_at;
	int err;

	if (!self->body) { /* not even its mark was written */
		wbuf_clear(&self->out);
		if (self->pending)
			self->header = self->pending = false;
		self->open = false;
		return 0;
	}
	err = compress(self, NULL, 0, ZSTD_e_end);
	summary_at = self->written + self->out.len;
	if (!err && n) {
		/* Not in one call: zstd would then size the window by the summary, and take memory again. */
		err = compress(self, summary, n, ZSTD_e_flush);
		if (!err)
			err = compress(self, NULL, 0, ZSTD_e_end);
	}
	if (err)
		return fail(self, err, error);
	end_at = self->written + self->out.len;
	put_end(self, &self->out, n, end_at);
	err = flush_out(self, error);
	if (!err)
		note_segment(self, summary_at, n, end_at);
	self->open = false;
	return err;
}

static int64_t wall_ns(void)
{
	return (int64_t)clock_real()->now_ns(clock_real(), CULPRIT_WALL);
}

static int recsink_begin(struct sink *sink, const struct segment_meta *meta, struct culprit_error *error)
{
	struct recsink *self = recsink_of(sink);
	int err = 0;

	if (is_full(self->err) && self->regular) {
		err = pay_owed(self);
		if (!err)
			self->err = 0;
	}
	if (!self->err && self->open)
		err = finish_segment(self, NULL, 0, error);
	if (self->err) {
		if (error)
			*error = self->error;
		return self->err;
	}
	if (self->header && meta->writer == self->meta.writer && meta->seq <= self->meta.seq)
		return error_set(error, -EINVAL, "segment %llu does not follow segment %llu", (unsigned long long)meta->seq,
				 (unsigned long long)self->meta.seq);
	if (!self->header || meta->writer != self->meta.writer) {
		self->header_at = self->written + self->out.len;
		recframe_put_header(&self->out, meta->writer, wall_ns());
		self->pending = true;
		wbuf_clear(&self->entries);
		self->nentries = 0;
		self->unindexed = false;
	}
	self->header = true;
	/* Mark and header go with the first append. */
	self->mark = self->written + self->out.len;
	recframe_put_mark(&self->out, meta);
	self->meta = *meta;
	self->body = 0;
	self->to_ns = meta->mono_ns;
	self->open = true;
	self->refused = false;
	ZSTD_CCtx_reset(self->z, ZSTD_reset_session_only);
	return err;
}

static int check(struct recsink *self, size_t n, struct culprit_error *error)
{
	if (self->err) {
		if (error)
			*error = self->error;
		return self->err;
	}
	if (self->refused)
		return error_set(error, -EFBIG, "%.150s: the rest of a segment that is too large is not recorded", self->name);
	if (!self->open)
		return error_set(error, -EINVAL, "%.150s: no segment was begun", self->name);
	if (n > RECFILE_SEGMENT_MAX - self->body) {
		self->refused = true;
		return error_set(error, -EFBIG, "%.150s: a segment of %llu bytes is too large for a recording", self->name,
				 (unsigned long long)(self->body + n));
	}
	return 0;
}

static int recsink_append(struct sink *sink, const void *bytes, size_t n, uint64_t mono_ns, struct culprit_error *error)
{
	struct recsink *self = recsink_of(sink);
	int err = check(self, n, error);

	if (err || !n)
		return err;
	err = compress(self, bytes, n, ZSTD_e_flush);
	if (err)
		return fail(self, err, error);
	err = flush_out(self, error);
	if (err)
		return err;
	self->to_ns = mono_ns;
	self->body += n;
	return 0;
}

static int recsink_end(struct sink *sink, const void *summary, size_t n, struct culprit_error *error)
{
	struct recsink *self = recsink_of(sink);
	int err = check(self, n, error);

	if (!err)
		return finish_segment(self, summary, n, error);
	/* Too large with its summary, or before: it ends without. */
	if (!self->err && self->open && self->refused)
		finish_segment(self, NULL, 0, NULL);
	return err;
}

static size_t recsink_segment_max(const struct sink *sink)
{
	(void)sink;
	return RECFILE_SEGMENT_MAX;
}

/* Without it a reader finds the segments by walking over all of the file. */
static void put_index(struct recsink *self)
{
	if (self->err || !self->regular || self->unindexed || !self->header || !self->nentries)
		return;
	recframe_put_index(&self->out, self->meta.writer, self->written - self->header_at, self->entries.data,
			   self->nentries);
	flush_out(self, NULL);
}

static void recsink_destroy(struct sink *sink)
{
	struct recsink *self = recsink_of(sink);

	if (!self->err && self->open)
		finish_segment(self, NULL, 0, NULL);
	if (is_full(self->err) && self->regular && !pay_owed(self))
		self->err = 0;
	put_index(self);
	if (self->fd >= 0)
		close(self->fd);
	ZSTD_freeCCtx(self->z);
	wbuf_finish(&self->out);
	wbuf_finish(&self->entries);
	wbuf_finish(&self->owed);
	free(self);
}

static const struct sink_ops recsink_ops = {
	.begin = recsink_begin,
	.append = recsink_append,
	.end = recsink_end,
	.segment_max = recsink_segment_max,
	.destroy = recsink_destroy,
};

struct sink *recfile_sink_fd(int fd, const char *name, struct culprit_error *error)
{
	struct recsink *self = calloc(1, sizeof(*self));
	struct stat st;

	if (self)
		self->z = ZSTD_createCCtx();
	if (!self || !self->z) {
		error_set(error, -ENOMEM, "out of memory");
		free(self);
		close(fd);
		return NULL;
	}
	ZSTD_CCtx_setParameter(self->z, ZSTD_c_compressionLevel, LEVEL);
	/* Blocks carry checksums of their own, and without zstd's a frame that was cut short can be ended by three bytes. */
	ZSTD_CCtx_setParameter(self->z, ZSTD_c_checksumFlag, 0);
	wbuf_init(&self->out);
	wbuf_init(&self->entries);
	wbuf_init(&self->owed);
	wbuf_reserve(&self->entries, ENTRIES_FIRST * RECFRAME_ENTRY);
	self->sink.ops = &recsink_ops;
	self->fd = fd;
	snprintf(self->name, sizeof(self->name), "%s", name);
	if (!fstat(fd, &st) && S_ISREG(st.st_mode)) {
		int flags = fcntl(fd, F_GETFL);
		off_t at = lseek(fd, 0, flags >= 0 && flags & O_APPEND ? SEEK_END : SEEK_CUR);

		self->regular = at >= 0;
		self->start = at >= 0 ? (uint64_t)at : 0;
	}
	return &self->sink;
}

/* What was left unfinished at the end of a recording, when its writer was killed, is finished: what is half written goes,
 * the zstd frame gets its end, the segment its end mark. */
static int finish_tail(int fd, const char *path, struct culprit_error *error)
{
	struct recfile_tail tail;
	struct wbuf out;
	int err = recfile_tail(path, &tail, error);

	if (err)
		return err;
	wbuf_init(&out);
	if (tail.open) {
		if (!tail.between_frames)
			recframe_put_last_block(&out);
		tail.end.distance = tail.at + out.len - tail.mark;
		recframe_put_end(&out, &tail.end);
	}
	if (out.err)
		err = error_set(error, out.err, "out of memory");
	else if (ftruncate(fd, (off_t)tail.at) < 0 || lseek(fd, (off_t)tail.at, SEEK_SET) < 0 ||
		 (out.len && write(fd, out.data, out.len) != (ssize_t)out.len))
		err = error_set(error, -EIO, "%s: what was cut short there cannot be finished: %s", path, strerror(errno));
	wbuf_finish(&out);
	return err;
}

static int open_file(int dir_fd, const char *name, const char *path, enum recfile_exist exist, struct culprit_error *error)
{
	int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	int fd = openat(dir_fd, name, flags | O_CREAT | O_EXCL, 0600), err;
	bool fresh = fd >= 0, busy;
	struct stat st;

	if (fd < 0 && errno == EEXIST && exist == RECFILE_REFUSE) {
		/* Nobody is to remove what is being recorded. */
		fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		busy = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
		if (fd >= 0)
			close(fd);
		if (busy)
			return error_set(error, -EBUSY, "%s is being written by another recorder; choose another name", path);
		return error_set(error, -EEXIST, "%s exists; remove it or choose another name", path);
	}
	if (fd < 0 && errno == EEXIST)
		fd = openat(dir_fd, name, flags);
	if (fd < 0 && errno == ELOOP)
		return error_set(error, -ELOOP, "%s is a symbolic link; name the file itself", path);
	if (fd < 0)
		return error_set(error, -errno, "cannot write %s: %s", path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		err = error_set(error, -EINVAL, "%s is no regular file; a pipe is written with -o -", path);
		goto fail;
	}
	err = filelock_take(fd);
	if (err == -EBUSY)
		error_set(error, err, "%s is being written by another recorder; choose another name", path);
	else if (err)
		error_set(error, err, "%s cannot be locked: %s", path, strerror(-err));
	if (err)
		goto fail;
	if (!fresh && exist == RECFILE_OVERWRITE && ftruncate(fd, 0) < 0) {
		err = error_set(error, -errno, "cannot empty %s: %s", path, strerror(errno));
		goto fail;
	}
	if (!fresh && exist == RECFILE_APPEND && st.st_size) {
		err = finish_tail(fd, path, error);
		if (err)
			goto fail;
	}
	return fd;
fail:
	close(fd);
	return err;
}

struct sink *recfile_sink_at(int dir_fd, const char *name, const char *path, enum recfile_exist exist,
			     struct culprit_error *error)
{
	int fd = open_file(dir_fd, name, path, exist, error);

	errno = fd < 0 ? -fd : ENOMEM;
	return fd < 0 ? NULL : recfile_sink_fd(fd, path, error);
}

struct sink *recfile_sink(const char *path, enum recfile_exist exist, struct culprit_error *error)
{
	return recfile_sink_at(AT_FDCWD, path, path, exist, error);
}

uint64_t recfile_sink_written(const struct sink *sink)
{
	return ((const struct recsink *)sink)->written;
}

int recfile_sink_stat(const struct sink *sink, struct stat *st)
{
	return fstat(((const struct recsink *)sink)->fd, st) < 0 ? -errno : 0;
}
