/* Questions and their answers, kept in memory of a fixed size: a table of questions, found by client, what and path;
 * lists of them by state; and blocks that hold paths and answers. Knows nothing of helpers. Takes memory only at
 * creation, from mmap, touched as far as used. */
#ifndef CORE_ASK_STORE_H
#define CORE_ASK_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ask.h"

enum ask_state {
	ASK_FREE,
	ASK_QUEUED,   /* asked, not sent */
	ASK_SENT,     /* in the order sent */
	ASK_ANSWERED, /* oldest first */
	ASK_BLOCKED,  /* a target that was given up, whoever asked; oldest first */
	ASK_STATES,
};

struct question {
	uint64_t hash;
	uint64_t since_ns; /* answered or given up */
	uint64_t helper;   /* ASK_BLOCKED: id of the helper that may still be stuck there */
	uint32_t bucket;   /* next in its bucket; 0: none */
	uint32_t prev, next;
	uint32_t path, answer; /* blocks; 0: none */
	uint32_t cap, seq;
	int32_t result;        /* length or -errno */
	uint16_t path_len;
	uint8_t client, what, state;
	bool orphan; /* its client is gone */
};

struct ask_store;

struct ask_store *ask_store_create(void); /* NULL: out of memory */
void ask_store_destroy(struct ask_store *);

/* By key; NULL: none. Orphans are not found. */
struct question *ask_store_find(struct ask_store *, uint8_t client, uint8_t what, const char *path, size_t len);
/* A new one, at the end of `state`. NULL: full. */
struct question *ask_store_add(struct ask_store *, uint8_t client, uint8_t what, const char *path, size_t len,
			       enum ask_state state);
void ask_store_remove(struct ask_store *, struct question *);
/* To the end, or the beginning, of another list. */
void ask_store_move(struct ask_store *, struct question *, enum ask_state);
void ask_store_move_first(struct ask_store *, struct question *, enum ask_state);
/* Its answer is no longer wanted: not found any more. */
void ask_store_orphan(struct ask_store *, struct question *);

struct question *ask_store_first(struct ask_store *, enum ask_state); /* NULL: none */
struct question *ask_store_last(struct ask_store *, enum ask_state);
struct question *ask_store_next(struct ask_store *, const struct question *);
uint32_t ask_store_count(const struct ask_store *, enum ask_state);

/* Copies the path, with its NUL, to `buf` (path_len + 1 bytes). */
void ask_store_path(const struct ask_store *, const struct question *, char *buf);
/* Keeps the answer; false: no room. `bytes` may be given in two parts. */
bool ask_store_put_answer(struct ask_store *, struct question *, const void *a, size_t na, const void *b, size_t nb);
size_t ask_store_get_answer(const struct ask_store *, const struct question *, void *buf, size_t cap);

#endif
