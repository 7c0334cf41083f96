/* Bytes in and out: a growing buffer to write, a bounded one to read. Integers are little-endian; varints are LEB128,
 * at most 10 bytes. Errors stick: after the first, writes do nothing and reads give 0, so that code can check once. */
#ifndef CORE_WIRE_H
#define CORE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* init/finish. `data` may move on any write. */
struct wbuf {
	uint8_t *data;
	size_t len, cap;
	int err; /* 0 or -ENOMEM */
};

void wbuf_init(struct wbuf *);
void wbuf_finish(struct wbuf *); /* NULL-safe; frees */
void wbuf_clear(struct wbuf *);  /* keeps the memory */
enum { WBUF_KEEP = 1 << 15 }; /* more than most frames take */
void wbuf_fit(struct wbuf *); /* gives back what is beyond its bytes, where that is more than they are, and than WBUF_KEEP */
void wbuf_give_back(struct wbuf *); /* clears, and keeps WBUF_KEEP bytes at most */
/* Room for n more bytes; NULL when out of memory. */
uint8_t *wbuf_reserve(struct wbuf *, size_t n);
void wbuf_bytes(struct wbuf *, const void *, size_t n);
void wbuf_u8(struct wbuf *, uint8_t);
void wbuf_u32(struct wbuf *, uint32_t);
void wbuf_u64(struct wbuf *, uint64_t);
void wbuf_varint(struct wbuf *, uint64_t);
void wbuf_zigzag(struct wbuf *, int64_t);
/* Varint length, then the bytes. */
void wbuf_string(struct wbuf *, const void *, size_t n);
/* All from `at` on becomes a string: its length comes in front of it. For what is too long to be held twice. */
void wbuf_string_end(struct wbuf *, size_t at);
void wbuf_insert(struct wbuf *, size_t at, const void *bytes, size_t n);
/* Zeros up to a multiple of `align`. */
void wbuf_pad(struct wbuf *, size_t align);
/* Overwrites four bytes at `at`. */
void wbuf_patch_u32(struct wbuf *, size_t at, uint32_t);

/* Borrowed bytes. */
struct rbuf {
	const uint8_t *p, *end;
	int err; /* 0 or -EBADMSG */
};

static inline void rbuf_init(struct rbuf *r, const void *bytes, size_t n)
{
	r->p = bytes;
	r->end = r->p + n;
	r->err = 0;
}

static inline size_t rbuf_left(const struct rbuf *r)
{
	return (size_t)(r->end - r->p);
}

uint8_t rbuf_u8(struct rbuf *);
uint32_t rbuf_u32(struct rbuf *);
uint64_t rbuf_u64(struct rbuf *);
uint64_t rbuf_varint(struct rbuf *);
int64_t rbuf_zigzag(struct rbuf *);
/* A varint that must be <= max. */
uint64_t rbuf_bounded(struct rbuf *, uint64_t max);
/* n bytes, borrowed; NULL and an error when there are fewer. */
const uint8_t *rbuf_bytes(struct rbuf *, size_t n);
/* Varint length <= max, then that many bytes, borrowed. */
const uint8_t *rbuf_string(struct rbuf *, size_t max, size_t *ret_len);
/* The next n bytes as a reader of their own. */
struct rbuf rbuf_sub(struct rbuf *, size_t n);
void rbuf_fail(struct rbuf *);

static inline uint64_t zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* CRC32C (Castagnoli), as in iSCSI: initial value and final xor are 0xffffffff. `crc` is 0, or the result for the bytes
 * before. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t n);

/* a * b and a + b; false when they overflow. */
static inline bool size_mul(size_t a, size_t b, size_t *ret)
{
	return !__builtin_mul_overflow(a, b, ret);
}

static inline bool size_add(size_t a, size_t b, size_t *ret)
{
	return !__builtin_add_overflow(a, b, ret);
}

#endif
