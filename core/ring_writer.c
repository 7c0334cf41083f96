/* The ring's only writer. What is overwritten next is given up first (tail), then the words are written, then they are
 * published (head): a reader that copied words and still finds them at or after the tail has copied them whole. An anonymous
 * ring is written through its mapping, a named one with pwrite. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "heap.h"
#include "ring_layout.h"

struct ring_writer_sink {
	struct sink sink;
	struct ring *ring;
};

static struct ring *sink_ring(const struct sink *sink)
{
	return ((const struct ring_writer_sink *)sink)->ring;
}

/* --- stores: into the mapping, or with pwrite ---
 *
 * The kernel copies what pwrite is given in no order that is promised, but one call's copying is over when it returns, and
 * a fence between two calls orders them for other CPUs as it orders our own stores. */

static void store(struct ring *ring, uint64_t offset, const void *from, size_t words)
{
	const uint8_t *p = from;
	size_t left = words * 8;

	if (ring->map) {
		uint64_t *to = (uint64_t *)(void *)((uint8_t *)ring->map + offset);

		/* Never by plain copy, whatever the build: these words are what orders the others. */
		for (size_t i = 0; i < words; i++) {
			uint64_t v;

			memcpy(&v, p + i * 8, 8);
			ring_store(to + i, v);
		}
		return;
	}
	while (left && !ring->w.lost) {
		ssize_t done = pwrite(ring->fd, p, left, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			ring->w.lost = true; /* a disk that fails; or no room where the file was cut short */
			break;
		}
		p += done;
		offset += (uint64_t)done;
		left -= (size_t)done;
	}
}

static void store_data(struct ring *ring, uint64_t at, const void *from, size_t words)
{
	uint64_t offset = ring->geometry.data_offset + at;

	if (ring->map) {
		heap_populate((uint8_t *)ring->map + offset, words * 8);
		ring_copy_in((uint64_t *)(void *)((uint8_t *)ring->map + offset), from, words);
	} else if (words) {
		store(ring, offset, from, words);
	}
}

static void store_entry(struct ring *ring)
{
	uint64_t slot = (ring->w.live.next - 1) % ring->geometry.directory_count;

	store(ring, ring->geometry.directory_offset + slot * sizeof(struct ring_entry), &ring->w.entry, RING_ENTRY_WORDS);
	ring_fence_release();
}

static void store_live(struct ring *ring)
{
	store(ring, RING_LIVE_OFFSET, &ring->w.live, RING_LIVE_WORDS);
	ring_fence_release();
}

/* Between the two, the header and the directory change. */
static void publish_begin(struct ring *ring)
{
	ring->w.live.generation++;
	store(ring, RING_LIVE_OFFSET, &ring->w.live.generation, 1);
	ring_fence_release();
}

static void publish_end(struct ring *ring)
{
	ring_fence_release();
	ring->w.live.generation++;
	store(ring, RING_LIVE_OFFSET, &ring->w.live.generation, 1);
}

/* Whoever waits for it: in this process by eventfd, elsewhere by inotify, as one event an append. */
static void tell(struct ring *ring)
{
	ring_notify_all(ring);
	if (!ring->map && !ring->w.lost)
		futimens(ring->fd, NULL);
}

/* Gives up all segments before number `first`. */
static void evict_to(struct ring *ring, uint64_t first)
{
	struct ring_live *live = &ring->w.live;

	if (first == live->first)
		return;
	live->first = first;
	live->tail = first < live->next ? ring->w.starts[first % ring->geometry.directory_count] : live->head;
	publish_begin(ring);
	store_live(ring);
	publish_end(ring);
	/* The words that follow must not be seen before the tail is. */
	ring_fence_release();
}

static void close_segment(struct ring *ring)
{
	if (!ring->w.open)
		return;
	ring->w.open = false;
	ring->w.entry.complete = 1;
	publish_begin(ring);
	store_entry(ring);
	publish_end(ring);
	tell(ring);
}

/* -EAGAIN: what was written is lost to readers; the next segment begins in a new file. */
static int lost(struct ring *ring, struct culprit_error *error)
{
	int err = ring->map ? 0 : ring->w.lost ? -ESTALE : ring_check_name(ring, error);

	if (!err)
		return 0;
	if (ring->w.lost)
		error_set(error, -EAGAIN, "%s/%s cannot be written any more; it is made anew", ring->dir, ring->name);
	ring->w.lost = true;
	ring->w.open = false;
	return -EAGAIN;
}

static int ring_writer_begin(struct sink *sink, const struct segment_meta *meta, struct culprit_error *error)
{
	struct ring *ring = sink_ring(sink);
	struct ring_live *live = &ring->w.live;
	const struct ring_entry *before = &ring->w.entry;
	uint64_t n;
	int err;

	close_segment(ring);
	if (ring->w.lost || lost(ring, NULL)) {
		err = ring_make_again(ring, error);
		if (err)
			return err;
	}
	n = live->next;
	if (n && meta->writer == before->writer && meta->seq <= before->seq)
		return error_set(error, -EINVAL, "segment %llu does not follow segment %llu", (unsigned long long)meta->seq,
				 (unsigned long long)before->seq);
	/* Dictionaries of two writers have nothing in common, nor have their numbers: the former's segments go. */
	if (n && meta->writer != before->writer)
		evict_to(ring, n);
	else if (n - live->first == ring->geometry.directory_count)
		evict_to(ring, live->first + 1);
	ring->w.entry = (struct ring_entry){
		.seq = meta->seq,
		.writer = meta->writer,
		.start = live->head,
		.end = live->head,
		.from_ns = meta->mono_ns,
		.to_ns = meta->mono_ns,
		.wall_ns = (uint64_t)meta->wall_ns,
	};
	ring->w.starts[n % ring->geometry.directory_count] = live->head;
	ring->w.open = true;
	ring->w.refused = false;

	publish_begin(ring);
	live->next = n + 1;
	store_entry(ring);
	/* Without eviction the tail is where the first segment of all begins: 0, as the header was made. */
	store_live(ring);
	publish_end(ring);
	return 0;
}

/* Makes room, writes, publishes. `mono_ns` 0: the newest frame stays what it was. */
static int put(struct ring *ring, const void *bytes, size_t n, uint64_t mono_ns, bool complete, struct culprit_error *error)
{
	struct ring_live *live = &ring->w.live;
	uint64_t count = ring->geometry.directory_count, head = live->head, newest = live->next - 1, first, at;
	uint64_t used = head - ring->w.starts[newest % count];
	uint64_t limit = ring->data_size < RING_SEGMENT_MAX ? ring->data_size : RING_SEGMENT_MAX;
	size_t part;

	if (n > limit - used)
		return error_set(error, -EFBIG, "a segment of %llu bytes does not fit into a ring of %llu; give the ring more",
				 (unsigned long long)(used + n), (unsigned long long)ring->data_size);
	for (first = live->first; first < newest; first++)
		if (head + n <= ring->data_size || ring->w.starts[first % count] >= head + n - ring->data_size)
			break;
	evict_to(ring, first);

	at = head % ring->data_size;
	part = n < ring->data_size - at ? n : (size_t)(ring->data_size - at);
	store_data(ring, at, bytes, part / 8);
	store_data(ring, 0, (const uint8_t *)bytes + part, (n - part) / 8);
	ring_fence_release();

	publish_begin(ring);
	live->head = head + n;
	store_live(ring);
	if (mono_ns)
		ring->w.entry.to_ns = mono_ns;
	ring->w.entry.end = live->head;
	ring->w.entry.complete = complete;
	store_entry(ring);
	publish_end(ring);
	tell(ring);
	return 0;
}

static int ring_writer_put(struct ring *ring, const void *bytes, size_t n, uint64_t mono_ns, bool complete,
			   struct culprit_error *error)
{
	int err = lost(ring, error);

	if (err)
		return err;
	if (ring->w.refused)
		return error_set(error, -EFBIG, "the rest of a segment that is larger than the ring is not kept");
	if (!ring->w.open)
		return error_set(error, -EINVAL, "no segment was begun in the ring");
	err = n % 8 ? error_set(error, -EINVAL, "%zu bytes are no whole words", n)
		    : put(ring, bytes, n, mono_ns, complete, error);
	if (err) {
		/* What would follow counts on what was left out. */
		ring->w.refused = true;
		close_segment(ring);
	} else if (complete) {
		ring->w.open = false;
	}
	return err ? err : ring->w.lost ? lost(ring, error) : 0;
}

static int ring_writer_append(struct sink *sink, const void *bytes, size_t n, uint64_t mono_ns, struct culprit_error *error)
{
	return ring_writer_put(sink_ring(sink), bytes, n, mono_ns, false, error);
}

static int ring_writer_end(struct sink *sink, const void *summary, size_t n, struct culprit_error *error)
{
	return ring_writer_put(sink_ring(sink), summary, n, 0, true, error);
}

static size_t ring_writer_segment_max(const struct sink *sink)
{
	size_t max = sink_ring(sink)->data_size / 8;

	return (max < RING_SEGMENT_MAX ? max : RING_SEGMENT_MAX) & ~(size_t)7;
}

static void set_closed(struct ring *ring, uint64_t closed)
{
	publish_begin(ring);
	ring->w.live.closed = closed;
	store_live(ring);
	publish_end(ring);
}

static void ring_writer_destroy(struct sink *sink)
{
	struct ring *ring = sink_ring(sink);

	close_segment(ring);
	set_closed(ring, 1);
	tell(ring);
	__atomic_store_n(&ring->w.taken, false, __ATOMIC_RELEASE);
	ring_unlock(ring);
	free(sink);
}

static void ring_writer_declare(struct sink *sink, struct schema *schema)
{
	ring_set_schema(sink_ring(sink), schema);
}

static const struct sink_ops ring_writer_ops = {
	.declare = ring_writer_declare,
	.begin = ring_writer_begin,
	.append = ring_writer_append,
	.end = ring_writer_end,
	.segment_max = ring_writer_segment_max,
	.destroy = ring_writer_destroy,
};

struct sink *ring_sink(struct ring *ring, struct culprit_error *error)
{
	struct ring_writer_sink *self = calloc(1, sizeof(*self));

	if (!self) {
		error_set(error, -ENOMEM, "out of memory");
		return NULL;
	}
	if (__atomic_exchange_n(&ring->w.taken, true, __ATOMIC_ACQ_REL)) {
		error_set(error, -EBUSY, "the ring has a writer already");
		free(self);
		return NULL;
	}
	self->sink.ops = &ring_writer_ops;
	self->ring = ring_lock(ring);
	set_closed(ring, 0);
	return &self->sink;
}
