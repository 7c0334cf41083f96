#include "stacks_rows.h"

#include <stdlib.h>
#include <string.h>

#include "bpf_processes.h"

enum {
	IDLE_MAX = 20, /* samples without a count after which a row ends */
	SLOTS_MIN = 256,
};

struct row {
	struct stacks_row is;
	struct stacks_place *kernel, *user;
	uint32_t handle; /* of one given back: the next of those + 1 */
	uint32_t serial;
	uint16_t idle;
	bool used, changed;
};

struct stacks_rows {
	const struct culprit_host *host;
	struct stacks_store *store;
	struct row *rows; /* `most` of them */
	uint32_t free;    /* the first of those given back + 1 */
	uint32_t nfree, taken, most;
	uint32_t *slots;  /* open addressing by key: place + 1; 0: free */
	uint32_t size;    /* a power of two, at least twice `taken` */
	uint32_t serial;
	bool holds;
};

const char *stacks_end_words(uint32_t end)
{
	static const char *const words[] = {
		[CULPRIT_STACK_WHOLE] = "",
		[CULPRIT_STACK_DEEP] = "too deep",
		[CULPRIT_STACK_UNMAPPED] = "no mapping",
		[CULPRIT_STACK_NO_ROWS] = "no unwind row",
		[CULPRIT_STACK_UNKNOWN] = "unusual frame",
		[CULPRIT_STACK_LOST] = "register lost",
		[CULPRIT_STACK_UNREADABLE] = "memory not readable",
		[CULPRIT_STACK_ASTRAY] = "astray",
		[CULPRIT_STACK_NO_FP] = "no frame pointer",
		[CULPRIT_STACK_PENDING] = "rows not read yet",
		[STACKS_END_REFUSED] = "no room",
		[STACKS_END_MISSED] = "not taken",
	};

	return end < sizeof(words) / sizeof(words[0]) && words[end] ? words[end] : "?";
}

struct stacks_rows *stacks_rows_create(const struct culprit_host *host, struct stacks_store *store, uint32_t most)
{
	struct stacks_rows *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->host = host;
	r->store = store;
	r->most = most;
	r->size = SLOTS_MIN;
	r->slots = calloc(r->size, sizeof(*r->slots));
	r->rows = calloc(most, sizeof(*r->rows));
	if (r->slots && r->rows)
		return r;
	stacks_rows_destroy(r);
	return NULL;
}

void stacks_rows_destroy(struct stacks_rows *r)
{
	if (!r)
		return;
	free(r->slots);
	free(r->rows);
	free(r);
}

static uint32_t slot_of(const struct stacks_rows *r, const struct stacks_key *key)
{
	uint64_t h = (key->kernel ^ key->user * 3 ^ key->tid ^ (uint64_t)key->reason << 32) * 0x9E3779B97F4A7C15u;
	uint32_t at = (uint32_t)(h >> 40) & (r->size - 1);

	while (r->slots[at] && memcmp(&r->rows[r->slots[at] - 1].is.key, key, sizeof(*key)) != 0)
		at = (at + 1) & (r->size - 1);
	return at;
}

/* Twice as many slots. False: no memory. */
static bool slots_grow(struct stacks_rows *r)
{
	uint32_t *slots = calloc((size_t)r->size * 2, sizeof(*slots));

	if (!slots)
		return false;
	free(r->slots);
	r->slots = slots;
	r->size *= 2;
	for (uint32_t i = 0; i < r->taken; i++)
		if (r->rows[i].used)
			r->slots[slot_of(r, &r->rows[i].is.key)] = i + 1;
	return true;
}

static void drop(struct stacks_rows *r, struct row *row)
{
	uint32_t at = slot_of(r, &row->is.key);

	stacks_store_release(r->store, row->kernel);
	stacks_store_release(r->store, row->user);
	row->used = false;
	row->handle = r->free;
	r->free = (uint32_t)(row - r->rows) + 1;
	r->nfree++;
	r->slots[at] = 0;
	for (at = (at + 1) & (r->size - 1); r->slots[at]; at = (at + 1) & (r->size - 1)) {
		uint32_t moved = r->slots[at];

		r->slots[at] = 0;
		r->slots[slot_of(r, &r->rows[moved - 1].is.key)] = moved;
	}
}

static bool is_held(const struct stacks_rows *r, const struct row *row)
{
	return r->holds && row->is.time_ns > row->is.back;
}

static void drop_idle(struct stacks_rows *r, uint16_t idle)
{
	for (uint32_t i = 0; i < r->taken; i++)
		if (r->rows[i].used && r->rows[i].idle > idle && !is_held(r, &r->rows[i]))
			drop(r, &r->rows[i]);
}

uint32_t stacks_rows_n(const struct stacks_rows *r)
{
	return r->taken - r->nfree;
}

bool stacks_rows_add(struct stacks_rows *r, const struct stacks_key *key, const struct stacks_count *count)
{
	uint32_t at = slot_of(r, key);
	struct row *row;

	if (!r->slots[at]) {
		/* Those seen last stay. */
		for (uint16_t idle = IDLE_MAX / 2; stacks_rows_n(r) >= r->most && idle; idle /= 2)
			drop_idle(r, idle);
		if (stacks_rows_n(r) >= r->most || (!r->nfree && (r->taken + 1) * 2 > r->size && !slots_grow(r)))
			return false;
		at = slot_of(r, key);
		r->slots[at] = r->nfree ? r->free : r->taken + 1;
		row = &r->rows[r->slots[at] - 1];
		if (r->nfree) {
			r->free = row->handle;
			r->nfree--;
		} else {
			r->taken++;
		}
		memset(row, 0, sizeof(*row));
		row->is.key = *key;
		row->is.process_start = count->process_start;
		memcpy(row->is.comm, count->comm, sizeof(row->is.comm));
		row->kernel = stacks_store_get(r->store, key->kernel, 0);
		row->user = stacks_store_get(r->store, key->user, key->pid);
		row->handle = CULPRIT_NO_HANDLE;
		row->serial = ++r->serial;
		row->used = true;
	}
	row = &r->rows[r->slots[at] - 1];
	row->is.count += count->count;
	row->is.time_ns += count->time_ns;
	row->idle = 0;
	row->changed = true;
	return true;
}

/* Why its stack ends where it does. */
static uint32_t end_of(const struct row *row)
{
	if (row->is.key.missed)
		return STACKS_END_MISSED;
	if ((row->is.key.user && !row->user) || (row->is.key.kernel && !row->kernel))
		return STACKS_END_REFUSED;
	return row->user && row->user->end ? row->user->end : row->kernel ? row->kernel->end : (uint32_t)CULPRIT_STACK_WHOLE;
}

void stacks_rows_take_back(struct stacks_rows *r, const struct stacks_key *key, const struct stacks_count *count)
{
	uint32_t at = slot_of(r, key);
	struct row *row = r->slots[at] ? &r->rows[r->slots[at] - 1] : NULL;

	if (!row)
		return;
	row->is.back += count->time_ns;
	row->idle = 0;
	row->changed = true;
}

void stacks_rows_hold(struct stacks_rows *r)
{
	r->holds = true;
}

void stacks_rows_clear(struct stacks_rows *r)
{
	for (uint32_t i = 0; i < r->taken; i++)
		if (r->rows[i].used)
			drop(r, &r->rows[i]);
}

static void put_whole(const struct stacks_rows *r, struct culprit_frame *f, const struct row *row)
{
	culprit_row(f);
	culprit_born(f);
	culprit_put_u64(f, STACKS_TID, row->is.key.tid);
	culprit_put_u64(f, STACKS_START, bpf_start_ticks(r->host, row->is.key.start));
	culprit_put_u64(f, STACKS_ID, row->serial);
	culprit_put_u64(f, STACKS_PID, row->is.key.pid);
	culprit_put_u64(f, STACKS_PROCESS_START, bpf_start_ticks(r->host, row->is.process_start));
	culprit_put_text(f, STACKS_COMM, row->is.comm, strnlen(row->is.comm, sizeof(row->is.comm)));
	if (row->kernel)
		culprit_put_code(f, STACKS_KERNEL, stacks_store_code(r->store, row->kernel), row->kernel->n);
	if (row->user)
		culprit_put_code(f, STACKS_USER, stacks_store_code(r->store, row->user), row->user->n);
	culprit_put_string(f, STACKS_END, stacks_end_words(end_of(row)));
}

void stacks_rows_put(struct stacks_rows *r, struct culprit_frame *f,
		     void (*put)(void *arg, struct culprit_frame *, const struct stacks_row *), void *arg)
{
	for (uint32_t i = 0; i < r->taken; i++) {
		struct row *row = &r->rows[i];
		bool whole;

		if (!row->used)
			continue;
		if (row->idle++ > IDLE_MAX) {
			if (!is_held(r, row)) {
				drop(r, row);
				continue;
			}
			row->idle = IDLE_MAX;
		}
		whole = row->handle == CULPRIT_NO_HANDLE;
		if (whole && (!stacks_store_settle(r->store, row->kernel) | !stacks_store_settle(r->store, row->user)))
			continue;
		whole = whole || culprit_again(f, row->handle) != 0;
		row->is.whole = whole;
		if (whole)
			put_whole(r, f, row);
		if (whole || row->changed) {
			culprit_put_u64(f, STACKS_COUNT, row->is.count);
			culprit_put_u64(f, STACKS_TIME, row->is.time_ns);
			put(arg, f, &row->is);
		}
		row->changed = false;
		row->handle = culprit_end(f);
	}
}
