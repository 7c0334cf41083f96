/* Those that are known: their memory, how one is found, and what differs between two readings of one. Used by both walks,
 * through /proc (task_walk.c) and by the iterator (task_iter.c). */
#include "task_list.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void task_init(struct task *t, uint32_t id)
{
	t->id = id;
	t->fd = -1;
	t->handle = CULPRIT_NO_HANDLE;
	t->flags = TASK_FIRST | TASK_CHANGED;
}

void task_raise_io(struct process *p, const uint64_t io[TASK_IO_FIELDS])
{
	struct process_more *m = task_list_process_more(p);

	for (unsigned i = 0; i < TASK_IO_FIELDS; i++)
		if (io[i] > m->io[i])
			m->io[i] = io[i];
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
	struct process *p = pool_take(&c->processes_pool);

	if (!p)
		return NULL;
	task_init(&p->task, pid);
	p->thread_handle = CULPRIT_NO_HANDLE;
	return p;
}

struct task_more *task_list_more(struct task_collector *c, struct process *p)
{
	struct process_more *m = p->task.more ? NULL : pool_take(&c->more_pool);

	if (m)
		p->task.more = &m->task;
	return p->task.more;
}

void task_list_no_more(struct task_collector *c, struct process *p)
{
	/* The iterator tells only what differs. What it will say must not be less than what files have said. */
	if (!p->task.more || p->task.pass || __atomic_load_n(&c->may_iterate, __ATOMIC_RELAXED))
		return;
	pool_give(&c->more_pool, task_list_process_more(p));
	p->task.more = NULL;
}

void task_list_drop_thread(struct task_collector *c, struct task *t)
{
	task_list_close_fd(c, t);
	task_text_release(&c->texts, t->wchan);
	task_text_release(&c->texts, t->comm);
	pool_give(&c->threads_pool, t);
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
	task_text_release(&c->texts, p->task.comm);
	task_text_release(&c->texts, p->cgroup);
	if (p->sum)
		pool_give(&c->sums_pool, p->sum);
	if (p->task.more)
		pool_give(&c->more_pool, task_list_process_more(p));
	pool_give(&c->processes_pool, p);
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
	pool_finish(&c->processes_pool);
	pool_finish(&c->threads_pool);
	pool_finish(&c->sums_pool);
	pool_finish(&c->more_pool);
}

/* --- who began, and what changed ----------------------------------------------------------------------------------- */

bool task_list_take(struct task_collector *c, struct task *t, const struct task_stat *is, bool first)
{
	const uint64_t addresses[] = {is->start_code, is->arg_start, is->env_start};
	uint32_t image = (uint32_t)task_hash(addresses, sizeof(addresses));
	bool new_comm = task_text_set(&c->texts, &t->comm, is->comm, is->comm_len);
	bool exec = !first && (new_comm || image != t->image);

	if (first || new_comm)
		t->flags |= TASK_NEW_COMM;
	if (first ? is->tty : t->stat.tty != is->tty)
		t->flags |= is->tty ? TASK_NEW_TTY : TASK_NO_TTY;
	if (first || t->stat.policy != is->policy)
		t->flags |= TASK_NEW_POLICY;
	t->flags |= first ? 0 : TASK_CHANGED;
	t->stat = is->numbers;
	t->image = image;
	return exec;
}

/* Began after the sample at `since_ns`, in which it was not there. Start times are cut to a tick: one that began in the
 * very tick of that sample was not listed then, so it began after it. */
bool task_list_born(const struct task_collector *c, uint64_t start, uint64_t since_ns)
{
	return since_ns != 0 && start >= since_ns / c->tick_ns;
}

/* --- threads ----------------------------------------------------------------------------------------------------- */

struct task *task_list_thread(struct task_collector *c, uint32_t tid)
{
	struct thread *t = pool_take(&c->threads_pool);

	if (!t)
		return NULL;
	task_init(&t->task, tid);
	t->task.more = &t->more;
	return &t->task;
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
