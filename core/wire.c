#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void wbuf_init(struct wbuf *w)
{
	memset(w, 0, sizeof(*w));
}

void wbuf_finish(struct wbuf *w)
{
	if (!w)
		return;
	free(w->data);
	wbuf_init(w);
}

void wbuf_clear(struct wbuf *w)
{
	w->len = 0;
	w->err = 0;
}

void wbuf_fit(struct wbuf *w)
{
	uint8_t *less = NULL;

	if (w->cap - w->len > WBUF_KEEP && w->cap - w->len > w->len)
		less = realloc(w->data, w->len + 64);
	if (less) {
		w->data = less;
		w->cap = w->len + 64;
	}
}

void wbuf_give_back(struct wbuf *w)
{
	uint8_t *less = w->cap > WBUF_KEEP ? realloc(w->data, WBUF_KEEP) : NULL;

	if (less) {
		w->data = less;
		w->cap = WBUF_KEEP;
	}
	wbuf_clear(w);
}

uint8_t *wbuf_reserve(struct wbuf *w, size_t n)
{
	size_t need;

	if (w->err)
		return NULL;
	if (!size_add(w->len, n, &need)) {
		w->err = -ENOMEM;
		return NULL;
	}
	if (need > w->cap || !w->data) {
		/* Half as much again: buffers that are filled to about the same size again and again soon stop growing. */
		size_t cap = need < SIZE_MAX / 2 ? (need + need / 2 + 63) & ~(size_t)63 : need;
		uint8_t *data;

		data = realloc(w->data, cap);
		if (!data) {
			w->err = -ENOMEM;
			return NULL;
		}
		w->data = data;
		w->cap = cap;
	}
	return w->data + w->len;
}

void wbuf_bytes(struct wbuf *w, const void *bytes, size_t n)
{
	uint8_t *to = wbuf_reserve(w, n);

	if (!to || !n)
		return;
	memcpy(to, bytes, n);
	w->len += n;
}

void wbuf_u8(struct wbuf *w, uint8_t v)
{
	wbuf_bytes(w, &v, 1);
}

void wbuf_u32(struct wbuf *w, uint32_t v)
{
	uint8_t b[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};

	wbuf_bytes(w, b, sizeof(b));
}

void wbuf_u64(struct wbuf *w, uint64_t v)
{
	wbuf_u32(w, (uint32_t)v);
	wbuf_u32(w, (uint32_t)(v >> 32));
}

void wbuf_varint(struct wbuf *w, uint64_t v)
{
	uint8_t *to = wbuf_reserve(w, 10);
	size_t n = 0;

	if (!to)
		return;
	while (v >= 0x80) {
		to[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	to[n++] = (uint8_t)v;
	w->len += n;
}

void wbuf_zigzag(struct wbuf *w, int64_t v)
{
	wbuf_varint(w, zigzag(v));
}

void wbuf_string(struct wbuf *w, const void *bytes, size_t n)
{
	wbuf_varint(w, n);
	wbuf_bytes(w, bytes, n);
}

void wbuf_pad(struct wbuf *w, size_t align)
{
	while (!w->err && w->len % align)
		wbuf_u8(w, 0);
}

void wbuf_insert(struct wbuf *w, size_t at, const void *bytes, size_t n)
{
	if (!wbuf_reserve(w, n))
		return;
	memmove(w->data + at + n, w->data + at, w->len - at);
	memcpy(w->data + at, bytes, n);
	w->len += n;
}

void wbuf_string_end(struct wbuf *w, size_t at)
{
	uint8_t head[10];
	size_t n = 0;

	if (w->err)
		return;
	for (uint64_t v = w->len - at;; v >>= 7) {
		head[n++] = (uint8_t)(v | (v >= 0x80 ? 0x80 : 0));
		if (v < 0x80)
			break;
	}
	wbuf_insert(w, at, head, n);
}

void wbuf_patch_u32(struct wbuf *w, size_t at, uint32_t v)
{
	if (w->err || at + 4 > w->len)
		return;
	for (int i = 0; i < 4; i++)
		w->data[at + i] = (uint8_t)(v >> (8 * i));
}

void rbuf_fail(struct rbuf *r)
{
	r->err = -EBADMSG;
	r->p = r->end;
}

const uint8_t *rbuf_bytes(struct rbuf *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->err || rbuf_left(r) < n) {
		rbuf_fail(r);
		return NULL;
	}
	r->p += n;
	return p;
}

uint8_t rbuf_u8(struct rbuf *r)
{
	const uint8_t *p = rbuf_bytes(r, 1);

	return p ? *p : 0;
}

uint32_t rbuf_u32(struct rbuf *r)
{
	const uint8_t *p = rbuf_bytes(r, 4);

	return p ? (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24 : 0;
}

uint64_t rbuf_u64(struct rbuf *r)
{
	uint64_t low = rbuf_u32(r);

	return low | (uint64_t)rbuf_u32(r) << 32;
}

uint64_t rbuf_varint(struct rbuf *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; r->p < r->end; shift += 7) {
		uint8_t b = *r->p++;

		/* The tenth byte has room for one bit. */
		if (shift == 63 && b > 1)
			break;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
	rbuf_fail(r);
	return 0;
}

int64_t rbuf_zigzag(struct rbuf *r)
{
	return unzigzag(rbuf_varint(r));
}

uint64_t rbuf_bounded(struct rbuf *r, uint64_t max)
{
	uint64_t v = rbuf_varint(r);

	if (v > max) {
		rbuf_fail(r);
		return 0;
	}
	return v;
}

const uint8_t *rbuf_string(struct rbuf *r, size_t max, size_t *ret_len)
{
	size_t n = rbuf_bounded(r, max);
	const uint8_t *p = rbuf_bytes(r, n);

	*ret_len = p ? n : 0;
	return p;
}

struct rbuf rbuf_sub(struct rbuf *r, size_t n)
{
	struct rbuf sub;
	const uint8_t *p = rbuf_bytes(r, n);

	rbuf_init(&sub, p ? p : r->end, p ? n : 0);
	sub.err = r->err;
	return sub;
}
