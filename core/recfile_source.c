/* Reading a recording: what the walk (recfile_walk.c) has found, and the bytes that recfile_cache.c decompresses. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "recfile_internal.h"

#define PIPE_BUDGET_DEFAULT ((size_t)64 << 20)

static struct recsource *recsource_of(struct source *source)
{
	return (struct recsource *)source;
}

/* The file is not what it was: all is looked at anew. */
static void start_again(struct recsource *self)
{
	for (int i = 0; i < RECCACHE_SLOTS; i++)
		reccache_drop(self, &self->cache[i]);
	self->count = self->shown = 0;
	self->pos = self->walk = 0;
	self->header = self->open = self->lost = self->hopeless = self->indexed = false;
	self->seq_base = self->next_seq = self->loose = self->wasted = self->search_start = 0;
	self->ndamages = 0;
	self->header_at = self->skipped_to = self->zeros_to = 0;
}

static int not_a_recording(struct recsource *self, const char *why, struct culprit_error *error)
{
	self->err = error_set(&self->error, -EBADMSG, "%.120s cannot be read as a recording: %s", self->source.name, why);
	if (error)
		*error = self->error;
	return self->err;
}

/* The first frame, which must be a file header. 0; 1: not there yet. */
static int check_header(struct recsource *self, struct culprit_error *error)
{
	const uint8_t *bytes;
	const char *wrong;
	uint32_t length;
	uint64_t writer;
	size_t n;
	int err = recstore_peek(&self->store, 0, RECFRAME_PREFIX + RECFRAME_OURS_MAX, &bytes, &n);

	if (err)
		return err;
	if (n >= 4 && recframe_u32(bytes) != RECFRAME_SKIPPABLE)
		return not_a_recording(self, "it is something else", error);
	if (n < RECFRAME_PREFIX + 8)
		return 1;
	length = recframe_u32(bytes + 4);
	if (recframe_kind(bytes + RECFRAME_PREFIX, 8) != RECFRAME_FILE_HEADER || length > RECFRAME_OURS_MAX)
		return not_a_recording(self, "it is something else", error);
	if (length > n - RECFRAME_PREFIX)
		return 1;
	wrong = recframe_get_header(bytes + RECFRAME_PREFIX, length, &writer);
	return wrong ? not_a_recording(self, wrong, error) : 0;
}

/* Of a segment without end mark, size and newest time are known only by decompressing it. */
static int measure(struct recsource *self, size_t i)
{
	struct recsegment *segment = &self->segments[i];
	struct reccache *slot;
	uint64_t before, newest;
	int err;

	if (segment->marked) {
		segment->info.size = segment->end.body + segment->end.summary;
		segment->info.to_ns = segment->end.to_ns < segment->info.from_ns ? segment->info.from_ns : segment->end.to_ns;
		segment->info.complete = true;
		return 0;
	}
	segment->info.complete = segment->closed || self->store.ended;
	/* A file of nothing but cut segments would otherwise cost as much as an enemy likes. */
	if (self->loose / RECFILE_LOOSE > self->segment_max)
		return 0;
	before = segment->info.size;
	err = reccache_get(self, segment, &slot);
	if (err)
		return err;
	segment->info.size = slot->raw.len;
	if (slot->raw.len > before)
		self->loose += slot->raw.len - before;
	newest = reccache_newest_ns(slot);
	if (newest > segment->info.to_ns)
		segment->info.to_ns = newest;
	if (slot->err == -EBADMSG)
		recwalk_note(self, slot->next, slot->reason);
	if (!segment->closed && slot->err) {
		/* The walk saw nothing wrong with it. */
		err = recwalk_damage(self, slot->next, slot->reason);
		segment = &self->segments[i];
		segment->info.complete = true;
		if (!err)
			err = recwalk(self);
	}
	return err < 0 ? err : 0;
}

/* A pipe holds no more than its budget, whole segments, oldest first. */
static int keep_budget(struct recsource *self, struct culprit_error *error)
{
	size_t drop = 0;

	if (self->store.kind != RECSTORE_PIPE)
		return 0;
	while (drop + 1 < self->count && self->store.size - self->segments[drop].at > self->budget)
		drop++;
	if (drop) {
		recstore_forget(&self->store, self->segments[drop].at);
		memmove(self->segments, self->segments + drop, (self->count - drop) * sizeof(*self->segments));
		self->count -= drop;
	}
	/* In search of a mark, nothing before it is needed. */
	if (self->lost && !self->count)
		recstore_forget(&self->store, self->pos);
	if (self->store.size - self->store.base > self->budget + self->segment_max)
		return not_a_recording(self, "one of its segments is larger than the budget", error);
	return 0;
}

/* Segments of which nothing was written but the mark. */
static void drop_empty(struct recsource *self, size_t from)
{
	size_t kept = from;

	for (size_t i = from; i < self->count; i++)
		if (self->segments[i].info.size || (i == self->count - 1 && self->open))
			self->segments[kept++] = self->segments[i];
	self->count = kept;
}

/* Two recordings one after the other (`cat a b`): their times and rows have nothing to do with each other. The last one
 * that has frames is shown. */
static void drop_earlier(struct recsource *self)
{
	size_t last = self->count, drop;

	while (last && !self->segments[last - 1].info.size)
		last--;
	for (drop = last; drop && self->segments[drop - 1].header_at == self->segments[last - 1].header_at; drop--)
		;
	if (!drop)
		return;
	memmove(self->segments, self->segments + drop, (self->count - drop) * sizeof(*self->segments));
	self->count -= drop;
	self->skipped_to = self->segments[0].header_at;
	recstore_forget(&self->store, self->skipped_to);
	for (drop = 0; drop < self->ndamages && self->damages[drop].at < self->skipped_to; drop++)
		;
	self->ndamages -= drop;
	memmove(self->damages, self->damages + drop, self->ndamages * sizeof(self->damages[0]));
}

static int look(struct recsource *self, struct culprit_error *error)
{
	size_t from;
	int err = recstore_refresh(&self->store);

	if (err)
		return err;
	if (self->store.size < self->size)
		start_again(self);
	self->size = self->store.size;
	if (!self->header) {
		err = check_header(self, error);
		if (err)
			return err < 0 ? err : 0;
		err = recindex_load(self);
		if (err && err != -ENOENT)
			return err;
	}
	self->indexed = self->indexed && self->pos == self->size;
	/* What was complete last time has its measure. */
	from = !self->shown ? 0 : !self->segments[self->shown - 1].info.complete ? self->shown - 1 : self->shown;
	from = from < self->count ? from : self->count;
	err = recwalk(self);
	for (size_t i = from; i < self->count && !err; i++)
		err = measure(self, i);
	if (err)
		return err;
	drop_empty(self, from);
	drop_earlier(self);
	err = keep_budget(self, error);
	/* The last may have been begun only. */
	self->shown = self->count && !self->segments[self->count - 1].info.size ? self->count - 1 : self->count;
	return err;
}

static int recsource_refresh(struct source *source, struct culprit_error *error)
{
	struct recsource *self = recsource_of(source);
	int err = self->err ? self->err : look(self, error);

	if (self->err && error)
		*error = self->error;
	if (self->err || !err)
		return self->err ? self->err : (int)self->shown;
	if (err == -ESTALE) {
		start_again(self);
		self->size = 0;
		return error_set(error, -EBADMSG, "%.150s was cut short while it was read; look again", source->name);
	}
	return error_set(error, err, "%.150s cannot be read: %s", source->name, strerror(-err));
}

static const struct segment_info *recsource_segment(struct source *source, size_t i)
{
	struct recsource *self = recsource_of(source);

	return i < self->shown ? &self->segments[i].info : NULL;
}

static struct recsegment *find(struct recsource *self, uint64_t seq)
{
	size_t low = 0, high = self->shown;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (self->segments[middle].info.seq < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low < self->shown && self->segments[low].info.seq == seq ? &self->segments[low] : NULL;
}

static int gone(const struct recsource *self, uint64_t seq, struct culprit_error *error)
{
	return error_set(error, -ESTALE, "%.150s: segment %llu is not there any more", self->source.name,
			 (unsigned long long)seq);
}

static int tell_damage(const struct recsource *self, uint64_t at, const char *reason, struct culprit_error *error)
{
	/* A recorder was killed in a file that was made larger before, or the host crashed and what was written never reached the
	 * disk: they look the same. */
	return error_set(error, -EBADMSG, "%.120s is damaged at byte %llu: %s; %s", self->source.name, (unsigned long long)at, reason,
			 strcmp(reason, RECWALK_ZEROS) ? "frames after it in this segment are lost" : "if frames stood there, they are lost");
}

static int damaged(struct recsource *self, uint64_t at, const char *reason, struct culprit_error *error)
{
	recwalk_note(self, at, reason);
	return tell_damage(self, at, reason, error);
}

/* What the index told of a segment is looked at before it is believed. */
static int seen(struct recsource *self, struct recsegment *segment, struct culprit_error *error)
{
	int err = segment->unseen ? recindex_check(self, segment) : 0;

	segment->unseen = err;
	if (err == -EBADMSG)
		return damaged(self, segment->at, "the mark of a segment is damaged", error);
	return err ? error_set(error, err, "%.150s cannot be read: %s", self->source.name, strerror(-err)) : 0;
}

static int recsource_read(struct source *source, uint64_t seq, uint64_t offset, struct wbuf *out,
			  struct culprit_error *error)
{
	struct recsource *self = recsource_of(source);
	struct recsegment *segment = find(self, seq);
	struct reccache *slot;
	int err;

	if (!segment)
		return gone(self, seq, error);
	err = seen(self, segment, error);
	if (err)
		return err;
	err = reccache_get(self, segment, &slot);
	if (err == -ESTALE)
		return gone(self, seq, error);
	if (err)
		return error_set(error, err, "%.150s cannot be read: %s", source->name, strerror(-err));
	if (offset < slot->raw.len)
		wbuf_bytes(out, slot->raw.data + offset, slot->raw.len - (size_t)offset);
	if (out->err)
		return error_set(error, out->err, "out of memory");
	if (slot->err)
		return damaged(self, slot->next, slot->reason, error);
	if (segment->reason)
		return damaged(self, segment->damage_at, segment->reason, error);
	return 0;
}

static int recsource_fd(struct source *source)
{
	struct recsource *self = recsource_of(source);

	return self->store.kind == RECSTORE_PIPE ? self->store.fd : -1;
}

static const char *recsource_damage_at(struct source *source, size_t i)
{
	struct recsource *self = recsource_of(source);

	if (i >= self->ndamages)
		return NULL;
	tell_damage(self, self->damages[i].at, self->damages[i].reason, &self->damage);
	return self->damage.sentence;
}

static void recsource_state(struct source *source, struct source_state *state)
{
	struct recsource *self = recsource_of(source);

	*state = (struct source_state){.bytes = self->store.size - self->store.base, .files = 1, .indexed = self->indexed};
	state->finished = self->count && !self->open && !self->lost;
	if (self->zeros_to) {
		state->zero_bytes = self->zeros_seen - self->pos;
		state->unread_bytes = self->zeros_to - self->zeros_seen;
	}
	if (self->open)
		state->half_bytes = self->store.size - (self->walk ? self->walk : self->pos);
	if (self->store.kind == RECSTORE_FILE && flock(self->store.fd, LOCK_SH | LOCK_NB) < 0)
		state->being_written = errno == EWOULDBLOCK;
	else if (self->store.kind == RECSTORE_FILE)
		flock(self->store.fd, LOCK_UN);
	else if (self->store.kind == RECSTORE_PIPE)
		state->being_written = !self->store.ended;
}

static const char *recsource_damage(struct source *source)
{
	return recfile_source_damage(source);
}

static const char *recsource_notice(struct source *source)
{
	struct recsource *self = recsource_of(source);

	self->notice.sentence[0] = '\0';
	if (self->skipped_to)
		error_set(&self->notice, 0,
			  "%.120s holds recordings one after the other; only the last one is read, which begins at byte %llu",
			  source->name, (unsigned long long)self->skipped_to);
	else if (!self->shown && self->store.kind == RECSTORE_PIPE && !self->store.ended)
		;
	else if (!self->shown && !self->store.size)
		error_set(&self->notice, 0, "%.120s is empty; nothing was recorded in it", source->name);
	else if (!self->shown)
		error_set(&self->notice, 0, "%.120s ends at byte %llu, before its first frame was whole; nothing can be read",
			  source->name, (unsigned long long)self->store.size);
	return self->notice.sentence;
}

static void recsource_destroy(struct source *source)
{
	struct recsource *self = recsource_of(source);

	for (int i = 0; i < RECCACHE_SLOTS; i++)
		reccache_drop(self, &self->cache[i]);
	ZSTD_freeDCtx(self->spare);
	recstore_finish(&self->store);
	free(self->segments);
	free(self);
}

static int recsource_head(struct source *source, uint64_t seq, struct wbuf *out, struct culprit_error *error)
{
	struct recsource *self = recsource_of(source);
	struct recsegment *segment = find(self, seq);
	int err;

	if (!segment)
		return gone(self, seq, error);
	err = seen(self, segment, error);
	if (err)
		return err;
	err = reccache_head(self, segment, out);
	if (err == -ESTALE)
		return gone(self, seq, error);
	return err ? error_set(error, err, "%.150s: the head of segment %llu cannot be read", source->name, (unsigned long long)seq) : 0;
}

static const struct source_ops recsource_ops = {
	.refresh = recsource_refresh,
	.segment = recsource_segment,
	.read = recsource_read,
	.fd = recsource_fd,
	.destroy = recsource_destroy,
	.damage = recsource_damage,
	.notice = recsource_notice,
	.damage_at = recsource_damage_at,
	.state = recsource_state,
	.summary = recfile_source_summary,
	.head = recsource_head,
};

/* Takes the descriptor over. */
static struct recsource *recsource_create(int kind, int fd, const char *name, const void *memory, size_t n,
					  struct culprit_error *error)
{
	struct recsource *self = calloc(1, sizeof(*self));

	if (!self) {
		error_set(error, -ENOMEM, "out of memory");
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	self->source.ops = &recsource_ops;
	snprintf(self->source.name, sizeof(self->source.name), "%s", name);
	self->segment_max = RECFILE_SEGMENT_MAX;
	self->budget = PIPE_BUDGET_DEFAULT;
	if (recstore_init(&self->store, kind, fd, memory, n)) {
		error_set(error, -ENOMEM, "out of memory");
		recsource_destroy(&self->source);
		return NULL;
	}
	return self;
}

static struct recsource *take_file(int fd, const char *name, struct culprit_error *error)
{
	struct recsource *self;
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		error_set(error, -EINVAL, "%s is no regular file; a pipe is read as -", name);
		close(fd);
		return NULL;
	}
	self = recsource_create(RECSTORE_FILE, fd, name, NULL, 0, error);
	if (self && recsource_refresh(&self->source, error) < 0) {
		recsource_destroy(&self->source);
		return NULL;
	}
	return self;
}

static struct recsource *open_file(const char *path, struct culprit_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0) {
		error_set(error, -errno, "cannot open %s: %s", path, strerror(errno));
		return NULL;
	}
	return take_file(fd, path, error);
}

struct source *recfile_source_fd(int fd, const char *name, struct culprit_error *error)
{
	struct recsource *self = take_file(fd, name, error);

	return self ? &self->source : NULL;
}

struct source *recfile_source(const char *path, struct culprit_error *error)
{
	struct recsource *self = open_file(path, error);

	return self ? &self->source : NULL;
}

struct source *recfile_source_pipe(int fd, const char *name, size_t budget, struct culprit_error *error)
{
	struct recsource *self = recsource_create(RECSTORE_PIPE, fd, name, NULL, 0, error);

	if (self && budget)
		self->budget = budget;
	return self ? &self->source : NULL;
}

struct source *recfile_source_memory(const void *bytes, size_t n, size_t segment_max, struct culprit_error *error)
{
	struct recsource *self = recsource_create(RECSTORE_MEMORY, -1, "memory", bytes, n, error);

	if (!self)
		return NULL;
	self->segment_max = segment_max;
	if (recsource_refresh(&self->source, error) < 0) {
		recsource_destroy(&self->source);
		return NULL;
	}
	return &self->source;
}

bool recfile_source_ended(const struct source *source)
{
	return ((const struct recsource *)source)->store.ended;
}

uint64_t recfile_source_writer(const struct source *source)
{
	return ((const struct recsource *)source)->writer;
}

bool recfile_source_indexed(const struct source *source)
{
	return ((const struct recsource *)source)->indexed;
}

const char *recfile_source_damage(const struct source *source)
{
	const char *sentence = recsource_damage_at((struct source *)source, 0);

	return sentence ? sentence : "";
}

int recfile_source_summary(struct source *source, uint64_t seq, struct wbuf *out, struct culprit_error *error)
{
	struct recsource *self = recsource_of(source);
	struct recsegment *segment = find(self, seq);
	int err;

	if (!segment)
		return gone(self, seq, error);
	if (!segment->marked || !segment->end.summary)
		return error_set(error, -ENOENT, "%.150s: segment %llu has no summary", source->name, (unsigned long long)seq);
	err = seen(self, segment, error);
	if (err)
		return err;
	err = reccache_summary(self, segment, out);
	if (err == -ESTALE)
		return gone(self, seq, error);
	if (err)
		return damaged(self, segment->frame[1], "the summary cannot be decompressed", error);
	return 0;
}

int recfile_tail(const char *path, struct recfile_tail *tail, struct culprit_error *error)
{
	struct recsource *self = open_file(path, error);
	struct recsegment *segment;
	struct reccache *slot;
	int err = 0;

	if (!self)
		return -EBADMSG;
	memset(tail, 0, sizeof(*tail));
	tail->at = self->header ? self->pos : 0;
	if (self->lost || self->hopeless)
		err = error_set(error, -EBADMSG, "%.120s; record into another file", recfile_source_damage(&self->source));
	if (!err && self->zeros_to && self->zeros_seen < self->zeros_to)
		err = error_set(error, -EBADMSG, "%.150s goes on with so many zeros that what is behind them was not looked at; "
				"record into another file", path);
	if (err || !self->open)
		goto out;
	segment = &self->segments[self->count - 1];
	if (!segment->frames) {
		tail->at = segment->at;
		goto out;
	}
	err = reccache_get(self, segment, &slot);
	if (err) {
		error_set(error, err, "%s cannot be read: %s", path, strerror(-err));
		goto out;
	}
	tail->open = true;
	tail->mark = segment->at;
	tail->end = (struct recframe_end){
		.writer = segment->meta.writer, .seq = segment->meta.seq, .to_ns = segment->info.to_ns};
	/* A summary that is half written goes. */
	tail->between_frames = segment->frames == 2 || !self->walk;
	tail->end.body = tail->between_frames ? slot->body : slot->raw.len;
	if (segment->frames == 2 && !self->walk)
		tail->end.summary = slot->raw.len - slot->body;
	if (self->walk)
		tail->at = segment->frames == 2 ? segment->frame[1] : self->walk;
out:
	/* Nothing of it can be read: it begins anew. */
	if (!err && !self->shown)
		*tail = (struct recfile_tail){.at = 0};
	recsource_destroy(&self->source);
	return err;
}
