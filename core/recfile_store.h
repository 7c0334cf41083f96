/* Where the compressed bytes of a recording lie: a regular file, a pipe's spool in memory, or memory. Private to
 * recfile*.c. */
#ifndef CORE_RECFILE_STORE_H
#define CORE_RECFILE_STORE_H

#include "wire.h"

enum { RECSTORE_PEEK_MAX = 1 << 18, RECSTORE_SHORT = 8192 };

struct recstore {
	enum { RECSTORE_FILE, RECSTORE_PIPE, RECSTORE_MEMORY } kind;
	int fd;          /* owned; -1: memory, or the pipe has ended */
	uint64_t base;   /* pipe: bytes before it are gone */
	uint64_t size;   /* bytes base <= b < size can be had, as of the last refresh */
	bool ended;      /* no more will come: end of a pipe, memory */
	const uint8_t *memory;
	struct wbuf spool;  /* pipe: bytes from base on; after `dropped` */
	size_t dropped;
	uint8_t *window;    /* file: RECSTORE_PEEK_MAX bytes */
	size_t ahead;       /* file: so many are read at once, where there are; at most RECSTORE_PEEK_MAX */
	uint64_t window_at;
	size_t window_len;
};

int recstore_init(struct recstore *, int kind, int fd, const void *memory, size_t n);
void recstore_finish(struct recstore *);
/* Looks how large it is now; reads what a pipe holds, without waiting. -errno. */
int recstore_refresh(struct recstore *);
/* The bytes at `at`: as many of the n (<= RECSTORE_PEEK_MAX) as there are. Borrowed until the next call. -errno; -ESTALE:
 * the file was cut short meanwhile. */
int recstore_peek(struct recstore *, uint64_t at, size_t n, const uint8_t **ret, size_t *ret_n);
/* The same of few bytes (<= RECSTORE_SHORT), without reading on behind them. */
int recstore_peek_short(struct recstore *, uint64_t at, size_t n, const uint8_t **ret, size_t *ret_n);
/* Where the next bytes lie that were written, from `at` on: behind the hole of a sparse file. At most the size. */
uint64_t recstore_skip_hole(const struct recstore *, uint64_t at);
/* Forgets what a pipe brought before `at`. */
void recstore_forget(struct recstore *, uint64_t at);

#endif
