/* Whom a thread waits for: who ended its waits, and whom those wait for, out of the table thread_waker, which is collected while
 * a process is looked at; of disks which one, out of the stacks that ask them. */
#ifndef TUI_THREAD_WAKERS_H
#define TUI_THREAD_WAKERS_H

#include <stdbool.h>
#include <stdint.h>

#include "lens.h"
#include "view.h"

enum { WAKERS_SHOWN = 4, WAKERS_CHAIN = 4 };

struct waker {
	char name[64];   /* "worker-3 812", "a disk", "vda", "the network", "an interrupt", "a CPU"; "": it ran */
	char reason[16]; /* of the wait; "" where the name says it */
	uint64_t tid;    /* 0: no thread */
	double ns;       /* of the window */
};

struct thread_wakers {
	struct query *query, *disks, *times;
	struct view *view; /* that these are of */
	bool known;        /* the table was sampled in the window */
	uint64_t tid;      /* who waits */
	char comm[24];
	struct waker list[WAKERS_SHOWN]; /* the longest first */
	unsigned n;
	struct waker chain[WAKERS_CHAIN]; /* whom the first of these waits for, whom that one, and so on; a CPU, or
					 * that it ran, ends it */
	unsigned nchain;
};

void thread_wakers_finish(struct thread_wakers *);
/* Of the thread tid, begun at `start` (ticks), in the lens' window; tid 0: of that thread of the lens which waits longest. */
void thread_wakers_update(struct thread_wakers *, struct view *, const struct lens *, uint64_t tid, uint64_t start);
/* "waits for worker-3 812 lock 1.20s, which waits for vda 900ms; an interrupt 20.0ms", raw bytes; "" where nothing is known. */
void thread_wakers_say(const struct thread_wakers *, char *out, size_t cap);

#endif
