#include "recfile_store.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PIPE_CHUNK = 1 << 16,
	PIPE_TURN = 1 << 24, /* most bytes one refresh takes */
};

int recstore_init(struct recstore *store, int kind, int fd, const void *memory, size_t n)
{
	memset(store, 0, sizeof(*store));
	store->kind = kind;
	store->fd = fd;
	store->memory = memory;
	store->ahead = RECSTORE_PEEK_MAX;
	wbuf_init(&store->spool);
	if (kind == RECSTORE_MEMORY) {
		store->size = n;
		store->ended = true;
	}
	if (kind == RECSTORE_FILE) {
		store->window = malloc(RECSTORE_PEEK_MAX);
		if (!store->window)
			return -ENOMEM;
	}
	return 0;
}

void recstore_finish(struct recstore *store)
{
	if (store->fd >= 0)
		close(store->fd);
	wbuf_finish(&store->spool);
	free(store->window);
}

static int pipe_refresh(struct recstore *store)
{
	size_t taken = 0;

	while (!store->ended && taken < PIPE_TURN) {
		/* The descriptor may be shared (a terminal's, a parent's): it is not made non-blocking. */
		struct pollfd poll_fd = {.fd = store->fd, .events = POLLIN};
		uint8_t *to;
		ssize_t got;
		int ready = poll(&poll_fd, 1, 0);

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready < 0)
			return -errno;
		if (!ready)
			break;
		to = wbuf_reserve(&store->spool, PIPE_CHUNK);
		if (!to)
			return -ENOMEM;
		got = read(store->fd, to, PIPE_CHUNK);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			break;
		if (got < 0)
			return -errno;
		store->spool.len += (size_t)got;
		store->size += (uint64_t)got;
		taken += (size_t)got;
		store->ended = !got;
	}
	if (store->ended && store->fd >= 0) {
		close(store->fd);
		store->fd = -1;
	}
	return 0;
}

int recstore_refresh(struct recstore *store)
{
	struct stat st;

	if (store->kind == RECSTORE_PIPE)
		return pipe_refresh(store);
	if (store->kind == RECSTORE_FILE) {
		if (fstat(store->fd, &st) < 0)
			return -errno;
		/* Bytes seen before may have been rewritten in between (cut, written again). */
		if ((uint64_t)st.st_size != store->size)
			store->window_len = 0;
		store->size = st.st_size < 0 ? 0 : (uint64_t)st.st_size;
	}
	return 0;
}

static int file_peek(struct recstore *store, uint64_t at, size_t n, size_t ahead)
{
	size_t most = n > ahead ? n : ahead, want = store->size - at < most ? (size_t)(store->size - at) : most;

	if (at >= store->window_at && at - store->window_at <= store->window_len &&
	    n <= store->window_len - (size_t)(at - store->window_at))
		return 0;
	store->window_at = at;
	store->window_len = 0;
	while (store->window_len < want) {
		ssize_t got = pread(store->fd, store->window + store->window_len, want - store->window_len,
				    (off_t)(at + store->window_len));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return -ESTALE;
		store->window_len += (size_t)got;
	}
	return 0;
}

static int peek(struct recstore *store, uint64_t at, size_t n, size_t ahead, const uint8_t **ret, size_t *ret_n)
{
	int err;

	if (at < store->base)
		return -ESTALE;
	if (at >= store->size || !n) {
		*ret = (const uint8_t *)"";
		*ret_n = 0;
		return 0;
	}
	if (n > RECSTORE_PEEK_MAX)
		n = RECSTORE_PEEK_MAX;
	if (n > store->size - at)
		n = (size_t)(store->size - at);
	switch (store->kind) {
	case RECSTORE_FILE:
		err = file_peek(store, at, n, ahead);
		if (err)
			return err;
		*ret = store->window + (size_t)(at - store->window_at);
		break;
	case RECSTORE_PIPE:
		*ret = store->spool.data + store->dropped + (size_t)(at - store->base);
		break;
	case RECSTORE_MEMORY:
		*ret = store->memory + at;
		break;
	}
	*ret_n = n;
	return 0;
}

int recstore_peek(struct recstore *store, uint64_t at, size_t n, const uint8_t **ret, size_t *ret_n)
{
	return peek(store, at, n, store->ahead, ret, ret_n);
}

int recstore_peek_short(struct recstore *store, uint64_t at, size_t n, const uint8_t **ret, size_t *ret_n)
{
	return peek(store, at, n, 0, ret, ret_n);
}

uint64_t recstore_skip_hole(const struct recstore *store, uint64_t at)
{
	off_t data;

	if (store->kind != RECSTORE_FILE || at >= store->size)
		return at;
	data = lseek(store->fd, (off_t)at, SEEK_DATA);
	if (data < 0)
		return errno == ENXIO ? store->size : at;
	return (uint64_t)data > store->size ? store->size : (uint64_t)data < at ? at : (uint64_t)data;
}

void recstore_forget(struct recstore *store, uint64_t at)
{
	if (store->kind != RECSTORE_PIPE || at <= store->base || at > store->size)
		return;
	store->dropped += (size_t)(at - store->base);
	store->base = at;
	if (store->dropped < store->spool.len / 2)
		return;
	memmove(store->spool.data, store->spool.data + store->dropped, store->spool.len - store->dropped);
	store->spool.len -= store->dropped;
	store->dropped = 0;
}
