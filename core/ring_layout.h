/* The bytes of a ring, shared by its writer and its readers (docs/FORMAT.md, "Ring"), and how words are copied. Private
 * to ring*.c. */
#ifndef CORE_RING_LAYOUT_H
#define CORE_RING_LAYOUT_H

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "ring.h"

#define RING_MAGIC "CULPRING"
#define RING_BYTE_ORDER UINT64_C(0x0102030405060708)
#define RING_SEGMENT_MAX (UINT64_C(1) << 28) /* bytes; a longer one is neither written nor read */

enum {
	RING_MAJOR = 1,
	RING_MINOR = 0,
	RING_HEADER_SIZE = 4096,
	RING_LIVE_OFFSET = 1024,/* of struct ring_live in the header page */
	RING_DIRECTORY_COUNT = 1024,
	RING_DIRECTORY_MAX = 1 << 16,
	RING_READERS_MAX = 16, /* in-process readers that are woken */
	RING_DIR_MAX = 2048,
};

/* Never changes after creation. */
struct ring_geometry {
	char magic[8];
	uint64_t byte_order;
	uint32_t major, minor;
	uint64_t header_size;
	uint64_t directory_offset, directory_count, entry_size;
	uint64_t data_offset, data_size; /* bytes, multiples of 8 */
	int64_t created_wall_ns;
	uint64_t writer_pid; /* tells a person whom to ask; readers make no use of it */
	uint64_t crc;        /* CRC32C of all before */
};

/* What the writer changes. `generation` is odd while it does. Every state between two stores is a valid one: a writer may
 * die at any of them. */
struct ring_live {
	uint64_t generation;
	uint64_t first, next; /* segments first <= n < next are in the directory, in slot n % directory_count */
	uint64_t tail, head;  /* bytes tail <= b < head are in the ring, at b % data_size */
	uint64_t closed;      /* 1: the writer has gone in peace */
};

struct ring_entry {
	uint64_t seq, writer;
	uint64_t start, end; /* bytes */
	uint64_t from_ns, to_ns;
	uint64_t wall_ns;
	uint64_t complete;
};

enum {
	RING_LIVE_WORDS = sizeof(struct ring_live) / 8,
	RING_ENTRY_WORDS = sizeof(struct ring_entry) / 8,
};

_Static_assert(sizeof(struct ring_geometry) == 96 && sizeof(struct ring_live) == 48 && sizeof(struct ring_entry) == 64,
	       "layout of FORMAT.md");

struct ring {
	unsigned refs;
	int fd;
	/* Anonymous: where it is mapped. A named one is never mapped, its writer writes it with pwrite: whoever cuts the file
	 * short must not kill its writer. NULL then. */
	void *map;
	size_t size; /* of all of it */
	uint64_t data_size;
	struct ring_geometry geometry;

	/* What the writer knows; it never reads it back from the mapping. */
	struct {
		bool taken;
		bool open;    /* a segment is being written */
		bool refused; /* the rest of this segment is refused */
		bool lost;    /* the named file was cut short or taken away */
		struct ring_live live; /* as it was stored last, or is about to be */
		struct ring_entry entry; /* of the newest segment, likewise */
		uint64_t *starts;     /* of segment n at [n % directory_count] */
	} w;

	pthread_mutex_t lock;        /* of what follows */
	int notify[RING_READERS_MAX]; /* eventfds; -1: free */
	struct schema *schema;        /* of the newest segment, for readers in this process; NULL: none yet */

	/* The named file. */
	int dir_fd;  /* -1: anonymous */
	int lock_fd; /* of .NAME.lock: whoever holds its lock writes under this name */
	char dir[RING_DIR_MAX], name[RING_NAME_MAX + 1];
	bool shared; /* readable for `group` */
	gid_t group;
};

/* Makes the named file anew, empty, after it was lost. -errno with a sentence; then the ring has none. */
int ring_make_again(struct ring *, struct culprit_error *);
/* Is the named file still the one we write, and whole? -ESTALE with a sentence: not. */
int ring_check_name(const struct ring *, struct culprit_error *);

/* The first bytes of the file: what is wrong with them, or NULL. `file_size`: of the whole. */
const char *ring_geometry_check(const struct ring_geometry *, uint64_t file_size);

int ring_notify_add(struct ring *, int fd);
void ring_notify_remove(struct ring *, int fd);
void ring_notify_all(struct ring *);

/* Keeps the schema that segments are written with from now on (it locks it), and hands it out: one reference, NULL where there is none. */
void ring_set_schema(struct ring *, struct schema *);
struct schema *ring_schema(struct ring *);

static inline uint64_t ring_load(const uint64_t *from)
{
	return __atomic_load_n(from, __ATOMIC_RELAXED);
}

static inline void ring_store(uint64_t *to, uint64_t v)
{
	__atomic_store_n(to, v, __ATOMIC_RELAXED);
}

/* The thread sanitizer knows no fences; it need not: what they order are atomics. */
#pragma GCC diagnostic push
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif
/* Stores after it become visible after everything before it. */
static inline void ring_fence_release(void)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

/* Loads after it see at least what those before it saw. */
static inline void ring_fence_acquire(void)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}
#pragma GCC diagnostic pop

/* Words into the mapping, from anywhere. */
static inline void ring_copy_in(uint64_t *to, const void *from, size_t words)
{
#if RING_PLAIN_COPY
	memcpy(to, from, words * 8);
#else
	const uint8_t *p = from;

	for (size_t i = 0; i < words; i++) {
		uint64_t v;

		memcpy(&v, p + i * 8, 8);
		ring_store(to + i, v);
	}
#endif
}

/* Words out of the mapping, to anywhere. */
static inline void ring_copy_out(void *to, const uint64_t *from, size_t words)
{
#if RING_PLAIN_COPY
	memcpy(to, from, words * 8);
#else
	uint8_t *p = to;

	for (size_t i = 0; i < words; i++) {
		uint64_t v = ring_load(from + i);

		memcpy(p + i * 8, &v, 8);
	}
#endif
}

#endif
