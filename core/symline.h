/* Source lines: which file and line an instruction is of, and which functions were inlined there, from debug information. Asked
 * without waiting, for the one place somebody looks at; libdw, which is heavy and meets hostile files, works in a helper
 * process that has one file open at a time and shuts itself in before it reads it. A crash there costs that answer; a file
 * with hundreds of MB of debug information costs time and memory of that process alone, both bounded.
 *
 * One thread (the sampling thread). Files are known by build-id, checked by the helper: the one that is mapped by `pid`, or has
 * that path there or here; its own debug information, else its debug file's (by build-id or .gnu_debuglink, in the process's
 * root or the host's). Answers are not kept here: who asked keeps them. */
#ifndef CORE_SYMLINE_H
#define CORE_SYMLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <culprit/host.h>

#include "zygote.h"

enum {
	SYMLINE_OUTSTANDING = 64,    /* asked, not fetched */
	SYMLINE_DEADLINE_MS = 20000, /* one answer, opening its file included */
	SYMLINE_IDLE_S = 30,         /* a helper that nobody asks for so long goes, and its memory */
	SYMLINE_FAILED = 32,         /* files remembered that brought a helper down */
};

extern const struct zygote_kind symline_kind; /* for zygote_create() */

struct symline_pool;

/* The zygote is borrowed; NULL: questions are answered at once on the calling thread, and block (tests). `proc_fd`: borrowed. */
struct symline_pool *symline_create(struct zygote *, int proc_fd);
void symline_destroy(struct symline_pool *); /* NULL-safe */

/* See culprit_host.source_line. */
int symline_ask(struct symline_pool *, struct culprit_source_line *);
/* Takes in answers, keeps deadlines. Never blocks. When symline_fd() is readable, and no later than symline_next_ns(). */
void symline_poll(struct symline_pool *);
int symline_fd(const struct symline_pool *);           /* -1 without a zygote */
uint64_t symline_next_ns(const struct symline_pool *); /* CLOCK_MONOTONIC; UINT64_MAX: nothing is outstanding */

#endif
