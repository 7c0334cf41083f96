#include "bpf_ring.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/libbpf.h>

enum { WINDOW_PAGES = 4 };

struct bpf_ring {
	bpf_ring_take take;
	void *arg;
	int fd, epoll_fd;
	bool deaf; /* epoll_fd does not follow fd */
	size_t page, size; /* size: of its data */
	unsigned long *consumer; /* how far it was read: a page that the kernel reads */
	const unsigned long *producer;
	uint8_t *window;  /* of the data, from `from` on; NULL: none */
	size_t from, bytes;
};

static void window_close(struct bpf_ring *r)
{
	if (r->window)
		munmap(r->window, r->bytes);
	r->window = NULL;
}

/* Where `n` bytes of the data from `begin` on are; NULL: they cannot be mapped. */
static const uint8_t *window_at(struct bpf_ring *r, size_t begin, size_t n)
{
	size_t least = WINDOW_PAGES * r->page, skip = begin % r->page;
	void *window;

	if (r->window && begin >= r->from && begin + n <= r->from + r->bytes)
		return r->window + (begin - r->from);
	window_close(r);
	least = least < r->size ? least : r->size;
	r->from = begin - skip;
	r->bytes = skip + n < least ? least : skip + n;
	window = mmap(NULL, r->bytes, PROT_READ, MAP_SHARED, r->fd, (off_t)(2 * r->page + r->from));
	if (window == MAP_FAILED)
		return NULL;
	r->window = window;
	return r->window + skip;
}

void bpf_ring_close(struct bpf_ring *r)
{
	if (!r)
		return;
	window_close(r);
	if (r->consumer != MAP_FAILED)
		munmap(r->consumer, r->page);
	if (r->producer != MAP_FAILED)
		munmap((void *)r->producer, r->page);
	if (r->epoll_fd >= 0)
		close(r->epoll_fd);
	free(r);
}

struct bpf_ring *bpf_ring_open(struct bpf_map *map, bpf_ring_take take, void *arg)
{
	struct epoll_event readable = {.events = EPOLLIN};
	struct bpf_ring *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return NULL;
	r->take = take;
	r->arg = arg;
	r->fd = bpf_map__fd(map);
	r->page = (size_t)sysconf(_SC_PAGESIZE);
	r->size = bpf_map__max_entries(map);
	r->consumer = mmap(NULL, r->page, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	r->producer = mmap(NULL, r->page, PROT_READ, MAP_SHARED, r->fd, (off_t)r->page);
	/* An epoll descriptor is ready when it was woken, the ring's own whenever there is anything in it. */
	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (r->consumer != MAP_FAILED && r->producer != MAP_FAILED && r->epoll_fd >= 0 &&
	    !epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, r->fd, &readable))
		return r;
	err = errno;
	bpf_ring_close(r);
	errno = err;
	return NULL;
}

int bpf_ring_fd(const struct bpf_ring *r)
{
	return r->epoll_fd;
}

/* The records from `from` to `to`, mapped at `bytes`. Returns up to where they are whole. */
static unsigned long hand_over(struct bpf_ring *r, const uint8_t *bytes, unsigned long from, unsigned long to)
{
	unsigned long at = from;

	while (at < to) {
		const uint32_t *head = (const void *)(bytes + (at - from));
		uint32_t word = __atomic_load_n(head, __ATOMIC_ACQUIRE);
		uint32_t size = word & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		if (word & BPF_RINGBUF_BUSY_BIT)
			break;
		if (!(word & BPF_RINGBUF_DISCARD_BIT))
			r->take(r->arg, (const uint8_t *)head + BPF_RINGBUF_HDR_SZ, size);
		at += (size + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
		__atomic_store_n(r->consumer, at, __ATOMIC_RELEASE);
	}
	return at;
}

/* What is there and cannot be read must wake nobody: who waits would do nothing else. */
static void listen(struct bpf_ring *r, bool hear)
{
	struct epoll_event event = {.events = hear ? EPOLLIN : 0};

	if (r->deaf == hear && !epoll_ctl(r->epoll_fd, EPOLL_CTL_MOD, r->fd, &event))
		r->deaf = !hear;
}

void bpf_ring_read(struct bpf_ring *r)
{
	unsigned long at = __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE), to;

	/* Until nothing is left: a program wakes its reader only where it had read all. */
	while ((to = __atomic_load_n(r->producer, __ATOMIC_ACQUIRE)) > at) {
		const uint8_t *bytes = window_at(r, at % r->size, to - at);
		unsigned long whole;

		listen(r, bytes);
		if (!bytes)
			return;
		whole = hand_over(r, bytes, at, to);
		/* What a storm needed is not kept. */
		if (r->bytes > WINDOW_PAGES * r->page)
			window_close(r);
		at = whole;
		if (whole < to)
			break;
	}
}
