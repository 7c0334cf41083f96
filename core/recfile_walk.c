/* Finding the segments of a recording by walking from frame to frame, never further than what is there. Where a frame is
 * damaged, the next segment mark is looked for byte by byte; it must carry the writer's number, which what is recorded (a
 * process name, a command line) cannot know. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "recfile_internal.h"

enum { STOP = 1 }; /* no more can be walked over now */
#define WASTE (UINT64_C(16) << 20)
#define ZEROS_MAX (UINT64_C(64) << 20) /* this many in one go: nothing follows (what a crash of the host leaves) */
#define EMPTIES_MAX 64 /* blocks without content in one go; a recorder writes none */

static struct recsegment *last_segment(struct recsource *self)
{
	return self->count ? &self->segments[self->count - 1] : NULL;
}

static void close_segment(struct recsource *self, uint64_t at)
{
	struct recsegment *segment = last_segment(self);

	if (!self->open)
		return;
	self->open = false;
	segment->closed = true;
	segment->frames_end = at;
}

int recwalk_add(struct recsource *self, const struct segment_meta *meta, uint64_t seq, uint64_t at)
{
	struct recsegment *segment;

	if (self->count == RECFILE_SEGMENTS_MAX) {
		recwalk_note(self, at, "it has more segments than can be read");
		self->hopeless = true;
		return STOP;
	}
	if (self->count == self->cap) {
		size_t cap = self->cap ? self->cap * 2 : 64, bytes;
		struct recsegment *grown;

		if (!size_mul(cap, sizeof(*grown), &bytes) || !(grown = realloc(self->segments, bytes)))
			return -ENOMEM;
		self->segments = grown;
		self->cap = cap;
	}
	segment = &self->segments[self->count++];
	memset(segment, 0, sizeof(*segment));
	segment->at = at;
	segment->header_at = self->header_at;
	segment->meta = *meta;
	segment->info = (struct segment_info){
		.seq = seq, .from_ns = meta->mono_ns, .to_ns = meta->mono_ns, .wall_ns = meta->wall_ns, .writer = meta->writer};
	self->open = true;
	self->next_seq = seq + 1;
	return 0;
}

/* The number under which a segment is shown: its own, unless the file goes on with another writer. */
static const char *shown_seq(const struct recsource *self, const struct segment_meta *meta, uint64_t *ret_seq)
{
	uint64_t seq;

	if (meta->writer != self->writer)
		return "a segment is of another writer";
	if (__builtin_add_overflow(meta->seq, self->seq_base, &seq) || seq == UINT64_MAX || seq < self->next_seq)
		return "a segment is out of order";
	*ret_seq = seq;
	return NULL;
}

static void take_header(struct recsource *self, uint64_t writer, uint64_t at)
{
	close_segment(self, at);
	self->seq_base = self->next_seq;
	self->header = true;
	self->header_at = at;
	self->writer = writer;
}

/* A mark or a file header at these bytes (a skippable frame's first ones), whole and in order? */
static bool is_anchor(const struct recsource *self, const uint8_t *bytes, size_t n)
{
	struct segment_meta meta;
	uint64_t writer, seq;
	uint32_t length;

	if (n < RECFRAME_PREFIX + 8 || recframe_u32(bytes) != RECFRAME_SKIPPABLE)
		return false;
	length = recframe_u32(bytes + 4);
	if (length > RECFRAME_OURS_MAX || length > n - RECFRAME_PREFIX)
		return false;
	bytes += RECFRAME_PREFIX;
	if (recframe_kind(bytes, length) == RECFRAME_FILE_HEADER)
		return !recframe_get_header(bytes, length, &writer);
	return recframe_kind(bytes, length) == RECFRAME_SEGMENT_MARK && !recframe_get_mark(bytes, length, &meta) &&
	       !shown_seq(self, &meta, &seq);
}

static bool all_zero(const uint8_t *bytes, size_t n)
{
	return !n || (!bytes[0] && !memcmp(bytes, bytes + 1, n - 1));
}

/* The next place from `at` on where the walk can go on. 0; STOP: none in what is there, and then *ret_at is where to look
 * on when there is more. */
static int find_anchor(struct recsource *self, uint64_t at, uint64_t *ret_at)
{
	static const uint8_t magic[4] = {RECFRAME_SKIPPABLE & 0xff, RECFRAME_SKIPPABLE >> 8 & 0xff,
					 RECFRAME_SKIPPABLE >> 16 & 0xff, RECFRAME_SKIPPABLE >> 24};
	const size_t overlap = RECFRAME_PREFIX + RECFRAME_OURS_MAX;
	uint64_t zeros = 0;

	for (;;) {
		const uint8_t *bytes, *p;
		size_t n, from = 0;
		int err = recstore_peek(&self->store, at, RECSTORE_PEEK_MAX, &bytes, &n);

		if (err)
			return err;
		while (n - from >= 4 && (p = memmem(bytes + from, n - from, magic, 4))) {
			from = (size_t)(p - bytes);
			/* Cut off by the window, not by the end of what is there: next turn. */
			if (n == RECSTORE_PEEK_MAX && n - from < overlap)
				break;
			if (is_anchor(self, p, n - from)) {
				*ret_at = at + from;
				return 0;
			}
			from++;
		}
		if (n < RECSTORE_PEEK_MAX) {
			*ret_at = n > overlap ? at + n - overlap : at;
			return STOP;
		}
		zeros = all_zero(bytes, n) ? zeros + n : 0;
		if (zeros > ZEROS_MAX) {
			*ret_at = at;
			self->hopeless = true;
			return STOP;
		}
		at = recstore_skip_hole(&self->store, at + n - overlap);
	}
}

/* The same from `start` on, where it is asked again as more bytes come: none is looked at twice. */
static int search_on(struct recsource *self, uint64_t start)
{
	int err;

	if (self->search_start != start + 1) {
		self->search_start = start + 1;
		self->search_at = start;
	}
	err = find_anchor(self, self->search_at, &self->search_at);
	if (!err)
		self->search_start = 0;
	return err;
}

void recwalk_note(struct recsource *self, uint64_t at, const char *reason)
{
	size_t i = self->ndamages;

	while (i && self->damages[i - 1].at > at)
		i--;
	if ((i && self->damages[i - 1].at == at) || i == RECDAMAGES_MAX)
		return;
	if (self->ndamages == RECDAMAGES_MAX)
		self->ndamages--;
	memmove(&self->damages[i + 1], &self->damages[i], (self->ndamages - i) * sizeof(self->damages[0]));
	self->damages[i].at = at;
	snprintf(self->damages[i].reason, sizeof(self->damages[i].reason), "%s", reason);
	self->ndamages++;
}

int recwalk_damage(struct recsource *self, uint64_t at, const char *reason)
{
	struct recsegment *segment = last_segment(self);
	/* Since the segment's first frame began, a wrong length may have led over marks. */
	uint64_t start = self->open && segment->frames ? segment->frame[0] : self->pos, found = start;
	int err = STOP;

	/* A file made so that every mark leads the walk astray, far, is given up; it would cost its length squared. */
	if (at > start)
		self->wasted += at - start;
	self->hopeless = self->wasted / 4 > self->store.size + WASTE;
	if (!self->hopeless)
		err = find_anchor(self, start, &found);
	if (err < 0)
		return err;
	recwalk_note(self, at, reason);
	if (self->open) {
		segment->reason = reason;
		segment->damage_at = at;
	}
	close_segment(self, at);
	self->walk = 0;
	self->lost = err == STOP;
	self->pos = found;
	return err;
}

/* One of our frames, or another skippable one. */
static int step_skippable(struct recsource *self, const uint8_t *bytes, size_t n)
{
	uint64_t at = self->pos, left = self->store.size - at, seq, writer;
	struct recsegment *segment = last_segment(self);
	uint32_t magic = recframe_u32(bytes), length;
	struct recframe_end end;
	struct segment_meta meta;
	enum recframe_kind kind;
	const char *wrong;
	int err;

	if (n < RECFRAME_PREFIX)
		return STOP;
	length = recframe_u32(bytes + 4);
	kind = magic == RECFRAME_SKIPPABLE ? recframe_kind(bytes + RECFRAME_PREFIX, n - RECFRAME_PREFIX) : RECFRAME_OTHER;
	if (kind != RECFRAME_OTHER && kind != RECFRAME_FILE_INDEX && length > RECFRAME_OURS_MAX)
		return recwalk_damage(self, at, "a mark has an impossible length");
	if (length > left - RECFRAME_PREFIX) {
		/* Cut off, or of a length that is not true: a mark further on tells. */
		err = search_on(self, at + 1);
		return err ? err : recwalk_damage(self, at, "a frame has an impossible length");
	}
	bytes += RECFRAME_PREFIX;
	self->pos += RECFRAME_PREFIX + (uint64_t)length;
	switch (kind) {
	case RECFRAME_FILE_HEADER:
		wrong = recframe_get_header(bytes, length, &writer);
		if (!wrong)
			take_header(self, writer, at);
		break;
	case RECFRAME_SEGMENT_MARK:
		wrong = recframe_get_mark(bytes, length, &meta);
		if (!wrong)
			wrong = shown_seq(self, &meta, &seq);
		if (!wrong) {
			close_segment(self, at);
			return recwalk_add(self, &meta, seq, at);
		}
		break;
	case RECFRAME_SEGMENT_END:
		wrong = recframe_get_end(bytes, length, &end);
		if (!wrong && (!self->open || end.writer != segment->meta.writer || end.seq != segment->meta.seq))
			wrong = "an end mark is not of the segment before it";
		if (!wrong && end.distance != at - segment->at)
			wrong = "an end mark is not where it should be";
		if (!wrong && (end.body > self->segment_max || end.summary > self->segment_max - end.body))
			wrong = "a segment is larger than one may be";
		if (!wrong && (segment->frames != (end.summary ? 2u : 1u)))
			wrong = "an end mark does not tell its segment's frames";
		if (!wrong) {
			segment->marked = true;
			segment->end = end;
			close_segment(self, at);
		}
		break;
	default: /* an index is of use at the end only; of a newer version, or somebody else's */
		return 0;
	}
	if (!wrong)
		return 0;
	self->pos = at;
	return recwalk_damage(self, at, wrong);
}

/* The frame being walked over goes on where nothing is yet. A mark behind its beginning says that it does not: it was cut
 * off and gone on with, or a length in it is not true. */
static int wait_for_more(struct recsource *self)
{
	int err;

	/* A recorder writes whole blocks: mostly there is nothing behind the last one. */
	if (self->walk >= self->store.size)
		return STOP;
	err = search_on(self, last_segment(self)->frame[0]);
	return err ? err : recwalk_damage(self, self->walk, "a block has an impossible length");
}

static int step_zstd(struct recsource *self)
{
	struct recsegment *segment = last_segment(self);
	const uint8_t *bytes;
	bool last = false;
	size_t n;
	int err, size;

	if (!self->walk) {
		if (!self->open || segment->frames == 2)
			return recwalk_damage(self, self->pos, "a zstd frame belongs to no segment");
		err = recstore_peek(&self->store, self->pos, RECFRAME_ZSTD_HEADER_MAX, &bytes, &n);
		if (err)
			return err;
		size = recframe_zstd_header(bytes, n, &self->walk_checksum);
		if (size < 0)
			return recwalk_damage(self, self->pos, "a zstd frame has an impossible header");
		if (!size)
			return STOP;
		segment->frame[segment->frames++] = self->pos;
		self->empties = 0;
		self->walk = self->pos + (uint64_t)size;
	}
	while (!last) {
		uint64_t next;

		err = recstore_peek(&self->store, self->walk, 3, &bytes, &n);
		if (err)
			return err;
		size = recframe_zstd_block(bytes, n, &last);
		if (size < 0)
			return recwalk_damage(self, self->walk, "a block has an impossible header");
		next = self->walk + (uint64_t)size + (last && self->walk_checksum ? 4 : 0);
		if (!size || next > self->store.size)
			return wait_for_more(self);
		if (size > 3 || last)
			self->empties = 0;
		else if (!self->empties++)
			self->empties_at = self->walk;
		if (self->empties > EMPTIES_MAX)
			return recwalk_damage(self, self->empties_at, RECWALK_ZEROS);
		self->walk = next;
	}
	self->pos = self->walk;
	self->walk = 0;
	return 0;
}

/* From `at` to the end nothing but zeros, as far as is looked? A file that was made larger than what is in it (preallocated,
 * copied with its holes) ends so. 0: yes, up to *ret_seen, which is short of the end where they are too many to be read; STOP:
 * no; -errno. */
static int only_zeros(struct recsource *self, uint64_t at, uint64_t *ret_seen)
{
	uint64_t looked = 0;

	while (at < self->store.size && looked < ZEROS_MAX) {
		const uint8_t *bytes;
		size_t n;
		uint64_t data = recstore_skip_hole(&self->store, at);
		int err = 0;

		if (data > at) {
			at = data;
			continue;
		}
		err = recstore_peek(&self->store, at, RECSTORE_PEEK_MAX, &bytes, &n);
		if (err)
			return err;
		if (!n || !all_zero(bytes, n))
			return STOP;
		at += n;
		looked += n;
	}
	*ret_seen = at;
	return 0;
}

static int step(struct recsource *self)
{
	const uint8_t *bytes;
	uint32_t magic;
	size_t n;
	int err;

	if (self->hopeless)
		return STOP;
	if (self->lost) {
		err = find_anchor(self, self->pos, &self->pos);
		if (err)
			return err;
		self->lost = false;
	}
	if (self->walk)
		return step_zstd(self);
	if (self->zeros_to && self->zeros_to == self->store.size)
		return STOP;
	self->zeros_to = 0;
	err = recstore_peek(&self->store, self->pos, RECFRAME_PREFIX + RECFRAME_OURS_MAX, &bytes, &n);
	if (err)
		return err;
	if (n < 4)
		return STOP;
	magic = recframe_u32(bytes);
	if (magic == RECFRAME_ZSTD)
		return step_zstd(self);
	if ((magic & 0xfffffff0u) == (RECFRAME_SKIPPABLE & 0xfffffff0u))
		return step_skippable(self, bytes, n);
	if (!magic && !self->open) {
		err = only_zeros(self, self->pos, &self->zeros_seen);
		if (err < 0)
			return err;
		self->zeros_to = err ? 0 : self->store.size;
		if (!err)
			return STOP;
	}
	return recwalk_damage(self, self->pos, "no frame begins there");
}

int recwalk(struct recsource *self)
{
	int err;

	do
		err = step(self);
	while (!err);
	return err == STOP ? 0 : err;
}
