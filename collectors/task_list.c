/* Those that are known: their memory, how one is found, and what differs between two readings of one. Used by both walks,
 * through /proc (task_walk.c) and by the iterator (task_iter.c). */
#include "task_list.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { SLAB_BYTES = 64 * 1024 };

/* --- memory ------------------------------------------------------------------------------------------------------ */

struct task_slab {
	struct task_slab *next;
};

static void *slab_take(struct task_collector *c, size_t size, void **free_list)
{
	void *item = *free_list;

	if (!item) {
		struct task_slab *slab = malloc(SLAB_BYTES);
		char *p;

		if (!slab)
			return NULL;
		slab->next = c->slabs;
		c->slabs = slab;
		p = (char *)slab + ((sizeof(*slab) + 15) & ~(size_t)15);
		for (; p + size <= (char *)slab + SLAB_BYTES; p += size) {
			*(void **)p = *free_list;
			*free_list = p;
		}
		item = *free_list;
	}
	*free_list = *(void **)item;
	memset(item, 0, size);
	return item;
}

static void slab_give(void *item, void **free_list)
{
	*(void **)item = *free_list;
	*free_list = item;
}

static void task_init(struct task *t, uint32_t id)
{
	t->id = id;
	t->fd = -1;
	t->handle = CULPRIT_NO_HANDLE;
	t->flags = TASK_FIRST | TASK_CHANGED;
}

void task_list_close_fd(struct task_collector *c, struct task *t)
{
	if (t->fd < 0)
		return;
	close(t->fd);
	t->fd = -1;
	c->nfds--;
}

struct process *task_list_process(struct task_collector *c, uint32_t pid)
{
	struct process *p = slab_take(c, (sizeof(*p) + 15) & ~(size_t)15, (void **)&c->free_processes);

	if (!p)
		return NULL;
	task_init(&p->task, pid);
	p->thread_handle = CULPRIT_NO_HANDLE;
	return p;
}

void task_list_drop_thread(struct task_collector *c, struct task *t)
{
	task_list_close_fd(c, t);
	task_text_release(&c->texts, t->wchan);
	slab_give(t, (void **)&c->free_threads);
}

void task_drop_threads(struct task_collector *c, struct process *p)
{
	for (uint32_t i = 0; i < p->nthreads; i++)
		task_list_drop_thread(c, p->threads[i]);
	free(p->threads);
	p->threads = NULL;
	p->nthreads = p->threads_cap = 0;
}

void task_list_drop(struct task_collector *c, struct process *p)
{
	task_drop_threads(c, p);
	task_list_close_fd(c, &p->task);
	task_text_release(&c->texts, p->task.wchan);
	task_text_release(&c->texts, p->cgroup);
	slab_give(p, (void **)&c->free_processes);
}

/* 0; -ENOMEM, and nothing has changed. */
int task_list_reserve(void **list, uint32_t *cap, uint32_t n, size_t size)
{
	uint32_t want = *cap ? *cap : 8;
	void *grown;

	if (n <= *cap)
		return 0;
	while (want < n)
		want *= 2;
	grown = reallocarray(*list, want, size);
	if (!grown)
		return -ENOMEM;
	*list = grown;
	*cap = want;
	return 0;
}

void task_list_finish(struct task_collector *c)
{
	for (uint32_t i = 0; i < c->nlist; i++)
		task_list_drop(c, c->list[i]);
	free(c->list);
	free(c->spare);
	free(c->pids);
	for (struct task_slab *s = c->slabs, *next; s; s = next) {
		next = s->next;
		free(s);
	}
}

/* --- who began, and what changed ----------------------------------------------------------------------------------- */

/* Flags of what differs between the last stat and this one. */
uint32_t task_list_compare(const struct task_stat *was, const struct task_stat *is)
{
	uint32_t flags = TASK_CHANGED;

	if (was->comm_len != is->comm_len || memcmp(was->comm, is->comm, is->comm_len) != 0)
		flags |= TASK_NEW_COMM;
	if (was->tty != is->tty)
		flags |= is->tty ? TASK_NEW_TTY : TASK_NO_TTY;
	if (was->policy != is->policy)
		flags |= TASK_NEW_POLICY;
	return flags;
}

bool task_list_exec_seen(const struct task *t, const struct task_stat *is)
{
	const struct task_stat *was = &t->stat;

	return (t->flags & TASK_NEW_COMM) || was->start_code != is->start_code || was->arg_start != is->arg_start ||
	       was->env_start != is->env_start;
}

/* Began after the sample at `since_ns`, in which it was not there. Start times are cut to a tick: one that began in the
 * very tick of that sample was not listed then, so it began after it. */
bool task_list_born(const struct task_collector *c, const struct task_stat *s, uint64_t since_ns)
{
	return since_ns != 0 && s->start >= since_ns / c->tick_ns;
}

/* --- threads ----------------------------------------------------------------------------------------------------- */

struct task *task_list_thread(struct task_collector *c, uint32_t tid)
{
	struct task *t = slab_take(c, (sizeof(*t) + 15) & ~(size_t)15, (void **)&c->free_threads);

	if (t)
		task_init(t, tid);
	return t;
}

static int compare_task(const void *a, const void *b)
{
	const struct task *x = *(struct task *const *)a, *y = *(struct task *const *)b;

	return x->id < y->id ? -1 : x->id > y->id;
}

struct task *task_list_find(const struct process *p, uint32_t n, uint32_t tid)
{
	uint32_t low = 0;

	while (low < n) {
		uint32_t mid = low + (n - low) / 2;

		if (p->threads[mid]->id == tid)
			return p->threads[mid];
		if (p->threads[mid]->id < tid)
			low = mid + 1;
		else
			n = mid;
	}
	return NULL;
}

void task_list_sort(struct process *p)
{
	qsort(p->threads, p->nthreads, sizeof(*p->threads), compare_task);
}
