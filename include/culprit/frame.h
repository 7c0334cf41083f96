/* How a collector hands over what it sampled. The frame belongs to core; the collector names a table, then emits its
 * rows one by one. Nothing is returned from the puts: the first error is kept and reported by core when sample()
 * returns. All pointers are copied before the call returns.
 *
 *	culprit_table(f, 0);
 *	for each disk:
 *		culprit_row(f);
 *		culprit_put_text(f, COL_NAME, name, len);
 *		culprit_put_u64(f, COL_READS, reads);
 *		culprit_end(f);
 *
 * State tables: a row that isn't emitted between culprit_table() and the end of sample() has ended. A cell that isn't
 * put is absent ("-"), except for columns of a group > 0, see table.h. Event tables: each row is an event. */
#ifndef CULPRIT_FRAME_H
#define CULPRIT_FRAME_H

#include <stddef.h>
#include <string.h>

#include <culprit/host.h>
#include <culprit/types.h>

struct culprit_frame_ops;

struct culprit_frame {
	const struct culprit_frame_ops *ops;
};

/* One frame of a stack, innermost first. */
struct culprit_location {
	const char *module; /* path or name; NULL: unknown */
	uint64_t offset;    /* file offset in the module; the address itself where the module is unknown */
};

#define CULPRIT_NO_HANDLE UINT32_MAX

struct culprit_frame_ops {
	size_t size;
	void (*table)(struct culprit_frame *, uint32_t table, uint64_t time_ns);
	void (*state)(struct culprit_frame *, uint32_t table, uint32_t state, const char *reason);
	void (*lost)(struct culprit_frame *, uint32_t table, uint64_t events);
	void (*row)(struct culprit_frame *);
	int (*again)(struct culprit_frame *, uint32_t handle);
	uint32_t (*end)(struct culprit_frame *);
	void (*born)(struct culprit_frame *);
	void (*put)(struct culprit_frame *, uint32_t column, uint64_t bits);
	void (*put_text)(struct culprit_frame *, uint32_t column, const void *bytes, size_t len);
	void (*put_histogram)(struct culprit_frame *, uint32_t column, const uint64_t *counts, uint32_t n);
	void (*put_stack)(struct culprit_frame *, uint32_t column, const struct culprit_location *, uint32_t n);
	void (*put_task)(struct culprit_frame *, uint32_t column, uint64_t tid, uint64_t start_ticks);
	void (*unread)(struct culprit_frame *, uint32_t column, const char *reason);
	/* Since stacks; NULL in plug-ins. */
	void (*put_code)(struct culprit_frame *, uint32_t column, const struct culprit_code *, uint32_t n);
	/* NULL in plug-ins. */
	void (*keep)(struct culprit_frame *, uint32_t group);
};

/* Begins the collector's table number `table` (its place in culprit_collector.tables). Its sample time is now. */
static inline void culprit_table(struct culprit_frame *f, uint32_t table)
{
	f->ops->table(f, table, 0);
}

/* The same, sampled at time_ns (CLOCK_MONOTONIC). */
static inline void culprit_table_at(struct culprit_frame *f, uint32_t table, uint64_t time_ns)
{
	f->ops->table(f, table, time_ns);
}

/* Says how a table fared; `reason` is one sentence. With CULPRIT_FRESH it is NULL, or a remark on what the rows don't
 * show. With any other state, rows of this sample are dropped and those of the last one stay. */
static inline void culprit_state(struct culprit_frame *f, uint32_t table, uint32_t state, const char *reason)
{
	f->ops->state(f, table, state, reason);
}

/* `events` more events of this table were lost since its last sample. */
static inline void culprit_lost(struct culprit_frame *f, uint32_t table, uint64_t events)
{
	f->ops->lost(f, table, events);
}

/* Begins a row of the current table. */
static inline void culprit_row(struct culprit_frame *f)
{
	f->ops->row(f);
}

/* Begins a row that was emitted in this table's last sample, by the handle culprit_end() gave: all cells of group 0
 * keep their values and count as read now, unless put. -ENOENT: no such row any more, use culprit_row(). */
static inline int culprit_again(struct culprit_frame *f, uint32_t handle)
{
	return f->ops->again(f, handle);
}

/* In a row begun by culprit_again(): the cells of this group > 0 that are not put were read now too, and found to be what they
 * were. Without it they count as read when they were put. */
static inline void culprit_keep(struct culprit_frame *f, uint32_t group)
{
	if (f->ops->keep)
		f->ops->keep(f, group);
}

/* Ends the row. Returns its handle, CULPRIT_NO_HANDLE for events, for a row that was dropped, and in plug-ins. */
static inline uint32_t culprit_end(struct culprit_frame *f)
{
	return f->ops->end(f);
}

/* The thing this row stands for began after the table's previous sample: its counters count from 0, not from the
 * first value read. Ignored for a row that is already known. */
static inline void culprit_born(struct culprit_frame *f)
{
	f->ops->born(f);
}

static inline void culprit_put_u64(struct culprit_frame *f, uint32_t column, uint64_t v)
{
	f->ops->put(f, column, v);
}

static inline void culprit_put_i64(struct culprit_frame *f, uint32_t column, int64_t v)
{
	f->ops->put(f, column, (uint64_t)v);
}

static inline void culprit_put_bool(struct culprit_frame *f, uint32_t column, int v)
{
	f->ops->put(f, column, v ? 1 : 0);
}

/* NaN counts as absent. */
static inline void culprit_put_f64(struct culprit_frame *f, uint32_t column, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	f->ops->put(f, column, bits);
}

/* At most 64 KiB are kept. */
static inline void culprit_put_text(struct culprit_frame *f, uint32_t column, const void *bytes, size_t len)
{
	f->ops->put_text(f, column, bytes, len);
}

static inline void culprit_put_string(struct culprit_frame *f, uint32_t column, const char *s)
{
	f->ops->put_text(f, column, s, strlen(s));
}

/* n is the count of the column's bounds. */
static inline void culprit_put_histogram(struct culprit_frame *f, uint32_t column, const uint64_t *counts, uint32_t n)
{
	f->ops->put_histogram(f, column, counts, n);
}

/* At most 255 frames. */
static inline void culprit_put_stack(struct culprit_frame *f, uint32_t column, const struct culprit_location *frames,
				     uint32_t n)
{
	f->ops->put_stack(f, column, frames, n);
}

/* A stack of places that culprit_host.code_locate() gave, innermost first, at most 255. Locate return addresses minus one, so
 * that a place lies in the instruction that called. Recordings then carry build-ids and names. Not for plug-ins. */
static inline void culprit_put_code(struct culprit_frame *f, uint32_t column, const struct culprit_code *frames, uint32_t n)
{
	f->ops->put_code(f, column, frames, n);
}

static inline void culprit_put_task(struct culprit_frame *f, uint32_t column, uint64_t tid, uint64_t start_ticks)
{
	f->ops->put_task(f, column, tid, start_ticks);
}

/* The cell could not be read; `reason` is a short sentence ("permission denied: needs root"). */
static inline void culprit_unread(struct culprit_frame *f, uint32_t column, const char *reason)
{
	f->ops->unread(f, column, reason);
}

#endif
