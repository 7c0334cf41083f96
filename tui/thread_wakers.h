/* Whom the selected thread waits for: who ended its waits, out of the table thread_waker, which is collected while the threads
 * of a process are looked at. */
#ifndef TUI_THREAD_WAKERS_H
#define TUI_THREAD_WAKERS_H

#include <stdbool.h>
#include <stdint.h>

#include "lens.h"
#include "surface.h"
#include "view.h"

enum { WAKERS_SHOWN = 4 };

struct thread_wakers {
	struct query *query;
	struct view *view; /* that query is of */
	bool known;        /* the table was sampled in the window */
	struct {
		char name[48]; /* "worker-3 812", "an interrupt" */
		char reason[16];
		double ns; /* of the window */
	} list[WAKERS_SHOWN]; /* the longest first */
	unsigned n;
};

void thread_wakers_finish(struct thread_wakers *);
/* Of the thread tid, begun at `start` (ticks), in the lens' window. */
void thread_wakers_update(struct thread_wakers *, struct view *, const struct lens *, uint64_t tid, uint64_t start);
/* " waits for  worker-3 812 lock 1.2s  an interrupt disk 20ms": one line; nothing where nothing is known. */
void thread_wakers_draw(const struct thread_wakers *, struct surface *, int x, int y, int w);

#endif
