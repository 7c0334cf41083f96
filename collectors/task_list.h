/* Those that are known (task_list.c). */
#ifndef COLLECTORS_TASK_LIST_H
#define COLLECTORS_TASK_LIST_H

#include "task.h"

enum {
	/* Flags of what holds for one sample only. */
	TASK_NEWS = TASK_CHANGED | TASK_FIRST | TASK_BORN | TASK_NEW_COMM | TASK_NEW_TTY | TASK_NO_TTY | TASK_NEW_POLICY |
		    TASK_NEW_CGROUP | TASK_ENDED,
};

/* A new one, in no list yet; NULL: out of memory. */
struct process *task_list_process(struct task_collector *, uint32_t pid);
void task_list_drop(struct task_collector *, struct process *);
struct task *task_list_thread(struct task_collector *, uint32_t tid);
void task_list_drop_thread(struct task_collector *, struct task *);
/* Takes what it has read and written so far, in the order of /proc/PID/io, where that is more than what is known. A thread that ends
 * while the iterator passes, after its process and before itself, is missing in that sum: what was shown does not fall for it. There is a task_list_more(). */
void task_raise_io(struct process *, const uint64_t io[TASK_IO_FIELDS]);
void task_list_close_fd(struct task_collector *, struct task *);
/* Where its row's values beside stat are kept from now on. NULL: out of memory. */
struct task_more *task_list_more(struct task_collector *, struct process *);
/* Of one that the iterator has read. */
static inline struct process_more *task_list_process_more(const struct process *p)
{
	return (struct process_more *)(void *)p->task.more;
}
/* The rows have been emitted: of what was read in /proc nothing is kept, where no iterator comes. */
void task_list_no_more(struct task_collector *, struct process *);
/* All of them; and the list. */
void task_list_finish(struct task_collector *);
/* Room for n elements. 0; -ENOMEM, and nothing has changed. */
int task_list_reserve(void **list, uint32_t *cap, uint32_t n, size_t size);
/* The thread with this number among the first n of a process; NULL: none. They ascend; after adding, sort. */
struct task *task_list_find(const struct process *, uint32_t n, uint32_t tid);
void task_list_sort(struct process *);

/* Brings the task up to date, and sets flags of what differs from the last stat; `first`: there was none. Returns whether it has
 * changed its program. */
bool task_list_take(struct task_collector *, struct task *, const struct task_stat *is, bool first);
/* Began after the sample at `since_ns` (CLOCK_BOOTTIME), in which it was not there. */
bool task_list_born(const struct task_collector *, uint64_t start, uint64_t since_ns);

#endif
