/* Which own processes have perf events of ours. They are opened on each thread of a process, for each CPU, and all that these threads
 * begin, threads and processes, has them by inheritance, for as long as the first ones are open, whether their own process still lives
 * or not. So who has them must be known exactly: who is given them twice counts twice. The kernel tells of each child that has them
 * (PERF_RECORD_FORK).
 *
 * Not here: what the events say (stacks_own.c). */
#ifndef COLLECTORS_STACKS_OWN_FOLLOW_H
#define COLLECTORS_STACKS_OWN_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include <culprit/collector.h>

struct own_follow;

/* What is not followed, as of the last look at all processes. */
struct own_missed {
	unsigned no_room; /* threads, and processes of which not even the threads were looked at: descriptors or places are short */
	unsigned refused; /* threads: the kernel does not give events of them */
};

/* `open` opens an event of a thread on a CPU and returns its descriptor; -1 with errno; -2: there is none to be had on this CPU. At
 * most `fds` descriptors are open. NULL: no memory. */
struct own_follow *own_follow_create(const struct culprit_host *, int (*open)(void *arg, uint32_t tid, unsigned cpu), void *arg,
				     unsigned ncpus, unsigned fds);
void own_follow_destroy(struct own_follow *); /* closes all; NULL-safe */

/* A process that has events has begun another one. */
void own_follow_forked(struct own_follow *, uint32_t parent, uint32_t pid);
/* Forks may have been missed: for some time children of those that are followed are taken to be so as well. */
void own_follow_unsure(struct own_follow *);
/* Looks for processes that are new and that have ended. After all that has been told of forks by now. `whole`: at all of them, else
 * at a part, the next one where the last call ended, so that it takes at most some ms. */
void own_follow_look(struct own_follow *, bool whole);
struct own_missed own_follow_missed(const struct own_follow *);
/* A request of ioctl() to all events that were opened here; the kernel passes it on to those inherited. */
void own_follow_tell(struct own_follow *, unsigned long request);

#endif
