/* The ring's only writer. What is overwritten next is given up first (tail), then the words are written, then they are
 * published (head): a reader that copied words and still finds them at or after the tail has copied them whole. */
#include <errno.h>
#include <stdlib.h>

#include "error.h"
#include "ring_layout.h"

struct ring_writer_sink {
	struct sink sink;
	struct ring *ring;
};

static struct ring *sink_ring(const struct sink *sink)
{
	return ((const struct ring_writer_sink *)sink)->ring;
}

static struct ring_entry *entry_of(struct ring *ring, uint64_t n)
{
	return &ring->directory[n % ring->geometry.directory_count];
}

/* Between the two, the header and the directory change. */
static void publish_begin(struct ring *ring)
{
	ring_store(&ring->live->generation, ++ring->w.generation);
	ring_fence_release();
}

static void publish_end(struct ring *ring)
{
	__atomic_store_n(&ring->live->generation, ++ring->w.generation, __ATOMIC_RELEASE);
}

/* Gives up all segments before number `first`. */
static void evict_to(struct ring *ring, uint64_t first)
{
	if (first == ring->w.first)
		return;
	ring->w.first = first;
	ring->w.tail = first < ring->w.next ? ring->w.starts[first % ring->geometry.directory_count] : ring->w.head;
	publish_begin(ring);
	ring_store(&ring->live->tail, ring->w.tail);
	ring_store(&ring->live->first, first);
	publish_end(ring);
	/* The words that follow must not be seen before the tail is. */
	ring_fence_release();
}

static void close_segment(struct ring *ring)
{
	if (!ring->w.open)
		return;
	ring->w.open = false;
	publish_begin(ring);
	ring_store(&entry_of(ring, ring->w.next - 1)->complete, 1);
	publish_end(ring);
	ring_notify_all(ring);
}

static int ring_writer_begin(struct sink *sink, const struct segment_meta *meta, struct culprit_error *error)
{
	struct ring *ring = sink_ring(sink);
	uint64_t n = ring->w.next;
	struct ring_entry *entry = entry_of(ring, n);

	close_segment(ring);
	if (n && meta->writer == ring->w.writer && meta->seq <= ring->w.seq)
		return error_set(error, -EINVAL, "segment %llu does not follow segment %llu", (unsigned long long)meta->seq,
				 (unsigned long long)ring->w.seq);
	/* Dictionaries of two writers have nothing in common, nor have their numbers: the former's segments go. */
	if (n && meta->writer != ring->w.writer)
		evict_to(ring, n);
	else if (n - ring->w.first == ring->geometry.directory_count)
		evict_to(ring, ring->w.first + 1);
	ring->w.writer = meta->writer;
	ring->w.seq = meta->seq;
	ring->w.starts[n % ring->geometry.directory_count] = ring->w.head;
	ring->w.next = n + 1;
	ring->w.open = true;
	ring->w.refused = false;

	publish_begin(ring);
	ring_store(&entry->seq, meta->seq);
	ring_store(&entry->writer, meta->writer);
	ring_store(&entry->start, ring->w.head);
	ring_store(&entry->end, ring->w.head);
	ring_store(&entry->from_ns, meta->mono_ns);
	ring_store(&entry->to_ns, meta->mono_ns);
	ring_store(&entry->wall_ns, (uint64_t)meta->wall_ns);
	ring_store(&entry->complete, 0);
	/* Without eviction the tail is where the first segment of all begins: 0, as the header was made. */
	__atomic_store_n(&ring->live->next, ring->w.next, __ATOMIC_RELEASE);
	publish_end(ring);
	return 0;
}

/* Makes room, writes, publishes. `mono_ns` 0: the newest frame stays what it was. */
static int put(struct ring *ring, const void *bytes, size_t n, uint64_t mono_ns, bool complete, struct culprit_error *error)
{
	uint64_t count = ring->geometry.directory_count, head = ring->w.head, newest = ring->w.next - 1, first, at;
	uint64_t used = head - ring->w.starts[newest % count];
	uint64_t limit = ring->data_size < RING_SEGMENT_MAX ? ring->data_size : RING_SEGMENT_MAX;
	struct ring_entry *entry = entry_of(ring, newest);
	size_t part;

	if (n > limit - used)
		return error_set(error, -EFBIG, "a segment of %llu bytes does not fit into a ring of %llu; give the ring more",
				 (unsigned long long)(used + n), (unsigned long long)ring->data_size);
	for (first = ring->w.first; first < newest; first++)
		if (head + n <= ring->data_size || ring->w.starts[first % count] >= head + n - ring->data_size)
			break;
	evict_to(ring, first);

	at = head % ring->data_size;
	part = n < ring->data_size - at ? n : (size_t)(ring->data_size - at);
	ring_copy_in(ring->data + at / 8, bytes, part / 8);
	ring_copy_in(ring->data, (const uint8_t *)bytes + part, (n - part) / 8);

	ring->w.head = head + n;
	publish_begin(ring);
	__atomic_store_n(&ring->live->head, ring->w.head, __ATOMIC_RELEASE);
	if (mono_ns)
		ring_store(&entry->to_ns, mono_ns);
	ring_store(&entry->end, ring->w.head);
	if (complete)
		ring_store(&entry->complete, 1);
	publish_end(ring);
	ring_notify_all(ring);
	return 0;
}

static int ring_writer_put(struct ring *ring, const void *bytes, size_t n, uint64_t mono_ns, bool complete,
			   struct culprit_error *error)
{
	int err;

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
	return err;
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

static void ring_writer_destroy(struct sink *sink)
{
	struct ring *ring = sink_ring(sink);

	close_segment(ring);
	publish_begin(ring);
	ring_store(&ring->live->closed, 1);
	publish_end(ring);
	ring_notify_all(ring);
	__atomic_store_n(&ring->w.taken, false, __ATOMIC_RELEASE);
	ring_unlock(ring);
	free(sink);
}

static const struct sink_ops ring_writer_ops = {
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
	publish_begin(ring);
	ring_store(&ring->live->closed, 0);
	publish_end(ring);
	return &self->sink;
}
