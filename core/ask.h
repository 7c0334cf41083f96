/* Reads that may block (a command line, statfs on a network mount, a user's name), done by a helper process: asked
 * without waiting, answered later. The pool keeps one helper at work, hands it questions in batches and takes answers
 * from memory shared with it; a target that blocks for 200 ms costs that helper, not the console. This is
 * culprit_host.ask and ask_wait for built-in collectors.
 *
 * One thread (the sampling thread). Bounded: ASK_QUESTIONS_MAX questions, ASK_MEMORY_MAX bytes of paths and answers;
 * beyond them asking gives -EAGAIN. Takes no memory from malloc() after creation. */
#ifndef CORE_ASK_H
#define CORE_ASK_H

#include <culprit/host.h>

#include "zygote.h"

enum {
	ASK_QUESTIONS_MAX = 1 << 15,    /* outstanding, or answered and not fetched */
	ASK_MEMORY_MAX = 16 << 20,      /* touched only as far as used */
	ASK_CAP_MAX = 1 << 16,          /* bytes of one answer */
	ASK_PATH_MAX = 4095,
	ASK_CLIENTS_MAX = 255,
	ASK_DEADLINE_MS = 200,          /* one target may take so long */
	ASK_RETRY_S = 30,               /* a target that was given up is not asked again before */
	ASK_FORGET_S = 120,             /* an answer that nobody fetches is dropped */
};

/* Environment variable: names of users are those of the machine whose / is mounted there. */
#define ASK_HOST_ROOT "CULPRIT_HOST_ROOT"

extern const struct zygote_kind ask_kind; /* for zygote_create() */

struct ask_pool;
struct ask_client; /* one a collector: ask_wait counts its questions only */

/* The zygote is borrowed. `proc_fd`: directory that CULPRIT_ASK_FILE paths are below (duplicated); -1: such questions
 * give -ENOENT. With zygote NULL the questions are answered at once on the calling thread, and may block: for tests. */
struct ask_pool *ask_pool_create(struct zygote *, int proc_fd, struct culprit_error *);
void ask_pool_destroy(struct ask_pool *); /* NULL-safe; destroy the clients before */

/* Sends what was asked, takes in answers, enforces the deadline. Never blocks. Call it at the end of a tick, when
 * ask_pool_fd() is readable, and no later than ask_pool_next_ns(). */
void ask_pool_poll(struct ask_pool *);
int ask_pool_fd(const struct ask_pool *);           /* constant for the pool's life; -1 without a zygote */
uint64_t ask_pool_next_ns(const struct ask_pool *); /* CLOCK_MONOTONIC; UINT64_MAX: nothing is outstanding */

struct ask_client *ask_client_create(struct ask_pool *); /* NULL: out of memory or too many */
void ask_client_destroy(struct ask_client *);            /* forgets its questions; NULL-safe */

/* See culprit_host.ask and ask_wait. */
int ask_client_ask(struct ask_client *, struct culprit_ask *);
int ask_client_wait(struct ask_client *, uint64_t ns);

/* The functions for struct culprit_host. host->core must point to a struct that begins with this one. */
struct ask_core {
	struct ask_client *client;
};
int ask_host_ask(const struct culprit_host *, struct culprit_ask *);
int ask_host_wait(const struct culprit_host *, uint64_t ns);

struct ask_stats {
	uint32_t helpers; /* at work: 0 or 1; stuck ones: zygote_stats() */
	uint32_t pending; /* asked, not answered */
	uint32_t kept;    /* answered, not fetched */
	uint64_t asked, answered, timeouts, refused, dropped, spawned;
	uint64_t cpu_ns;  /* CPU time of the helper at work, as of its last answer, and of all before it */
};
void ask_pool_stats(const struct ask_pool *, struct ask_stats *);

/* Does what a question says, here and now; may block. Answer bytes to `buf`, length to ret_len; 0 or -errno. What the
 * helper runs, and what a plug-in's helper calls directly. */
int ask_read(int proc_fd, uint32_t what, const char *path, void *buf, size_t cap, uint32_t *ret_len);

#endif
