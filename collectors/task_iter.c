/* The walk by an iterator in the kernel (task_iter.bpf.c): one read gives every thread, where /proc wants a file opened for each.
 * What stands in the records is brought into the form that /proc/PID/stat has, so that a row does not tell where it came from;
 * what the other files say of io, scheduling and switches comes with it. Records come with ascending numbers, as the list of
 * processes is kept: the two are merged while they come. Memory of a process is not read here but its changes are seen, so
 * that its files are read when there is something to read. */
#include "task_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf.h"
#include "procfs.h"
#include "task_iter.h"
#include "task_iter.skel.h"

enum {
	THREAD_BEGIN = offsetof(struct task_record, start), /* what is compared */
	THREAD_END = offsetof(struct task_record, ended),
	PROCESS_END = offsetof(struct task_record, name),
};

/* Bits of a task's state, as the kernel has them for /proc (since 4.14). */
enum {
	STATE_SHOWN = 0x7f,
	STATE_IDLE = 0x402,   /* both bits: it sleeps uninterruptibly and does not count as load */
	STATE_FROZEN = 0x9000, /* frozen, or waiting for a lock of the real-time kernel: shown as uninterruptible */
	FLAG_WORKER = 0x20,
};

struct task_iter {
	struct bpf_unit *unit;
	struct task_iter_bpf *skeleton;
	bool failed; /* it could not be read: said once, and not tried again */
	bool whole;  /* the next read must have records of all */
	uint64_t sample, wanted; /* in which it was read last, and of whose threads */
};

static const struct bpf_hook hooks[] = {{.name = "task_records", .hook = "iterator over tasks", .iterator = true}};

BPF_KIT(task_iter, hooks, NULL);

/* --- what a record means ----------------------------------------------------------------------------------------- */

static char state_letter(const struct task_record *r)
{
	unsigned bits = (r->state | r->exit_state) & STATE_SHOWN;

	if (r->state & STATE_FROZEN)
		return 'D';
	if ((r->state & STATE_IDLE) == STATE_IDLE)
		return 'I';
	return "RSDTtXZP"[bits ? 32 - __builtin_clz(bits) : 0];
}

static void name_of(const struct task_record *r, struct task_stat *s)
{
	bool kernel = r->size == sizeof(*r);
	const char *name = kernel && r->name[0] ? r->name : r->comm;
	size_t n = strnlen(name, name == r->name ? sizeof(r->name) : sizeof(r->comm)), work;

	memcpy(s->comm, name, n);
	if (kernel && r->flags & FLAG_WORKER && r->work[0] && n + 1 < TASK_COMM_MAX - 1) {
		work = strnlen(r->work, sizeof(r->work));
		s->comm[n++] = r->works ? '+' : '-';
		/* /proc has room for 63. */
		if (work > TASK_COMM_MAX - 1 - n)
			work = TASK_COMM_MAX - 1 - n;
		memcpy(s->comm + n, r->work, work);
		n += work;
	}
	s->comm_len = (uint8_t)n;
}

/* As new_encode_dev() of the kernel writes a terminal's number. */
static int32_t tty_number(const struct task_record *r)
{
	uint32_t major = (uint32_t)r->tty_major, minor = (uint32_t)r->tty_minor;

	return (int32_t)((minor & 0xff) | major << 8 | (minor & ~0xffu) << 12);
}

/* What its own stat says, but for CPU times. */
static void fill(const struct task_collector *c, const struct task_record *r, struct task_stat *s)
{
	s->id = r->tid;
	s->ppid = r->ppid;
	s->state = state_letter(r);
	s->flags = r->flags;
	s->start = r->start / c->tick_ns;
	s->priority = r->prio - 100;
	s->nice = r->static_prio - 120;
	s->rt_priority = r->rt_priority;
	s->policy = r->policy;
	s->processor = r->processor;
	s->blkio_ticks = r->blkio_delay / c->tick_ns;
	s->min_faults = r->own.min_faults;
	s->maj_faults = r->own.maj_faults;
	s->guest_ticks = r->own.guest / c->tick_ns;
	s->fields = 52;
	name_of(r, s);
}

static uint64_t positive(long long v)
{
	return v > 0 ? (uint64_t)v : 0;
}

static void fill_process(const struct task_collector *c, const struct task_record *r, struct task_stat *s)
{
	s->cutime = r->child_user / c->tick_ns;
	s->cstime = r->child_kernel / c->tick_ns;
	s->threads = r->threads;
	s->tty = tty_number(r);
	s->vsize = r->vm_pages * c->host->page_size;
	s->rss_pages = positive(r->rss_pages[0]) + positive(r->rss_pages[1]) + positive(r->rss_pages[3]);
	s->start_code = r->start_code;
	s->arg_start = r->arg_start;
	s->env_start = r->env_start;
}

/* CPU time is sampled at ticks, and its sum is known exactly: the kernel shares out the sum as the samples are, for each reader of
 * /proc anew, and never lets either part fall (cputime_adjust()). We do the same, from what it said last or we did. */
static void share_cpu(const struct task_collector *c, struct task *t, const struct task_sum *sum)
{
	uint64_t user = sum->user, kernel = sum->kernel, on_cpu = sum->on_cpu;
	uint64_t was_user = sum->said_user, was_kernel = sum->said_kernel;

	if (!sum->exact) {
		if (t->more->user_ns + t->more->kernel_ns > was_user + was_kernel) {
			was_user = t->more->user_ns;
			was_kernel = t->more->kernel_ns;
		}
		if (was_user + was_kernel >= on_cpu) {
			user = was_user;
			kernel = was_kernel;
		} else {
			if (!kernel)
				user = on_cpu;
			else if (!user)
				kernel = on_cpu;
			else
				kernel = (uint64_t)((unsigned __int128)kernel * on_cpu / (kernel + user));
			kernel = kernel > on_cpu ? on_cpu : kernel;
			if (kernel < was_kernel)
				kernel = was_kernel;
			user = on_cpu - kernel;
			if (kernel > on_cpu || user < was_user) {
				user = was_user;
				kernel = on_cpu - user;
			}
		}
	}
	t->more->user_ns = user;
	t->more->kernel_ns = kernel;
	/* Never less than was shown. */
	if (user / c->tick_ns > t->stat.utime)
		t->stat.utime = user / c->tick_ns;
	if (kernel / c->tick_ns > t->stat.stime)
		t->stat.stime = kernel / c->tick_ns;
}

static void add(struct task_sum *sum, const struct task_record_times *t)
{
	sum->on_cpu += t->on_cpu;
	sum->user += t->user;
	sum->kernel += t->kernel;
	sum->guest += t->guest;
	sum->min_faults += t->min_faults;
	sum->maj_faults += t->maj_faults;
	for (unsigned i = 0; i < TASK_IO_FIELDS; i++)
		sum->io[i] += t->io[i];
}

/* --- bringing up to date ----------------------------------------------------------------------------------------- */

/* The thread's own counters that are not in stat. */
static void keep_counters(struct task_more *m, const struct task_record *r)
{
	m->sched.run_time = r->own.on_cpu;
	m->sched.run_delay = r->run_delay;
	m->sched.timeslices = r->timeslices;
	m->voluntary = r->voluntary;
	m->involuntary = r->involuntary;
	m->rchar = r->own.io[TASK_RCHAR];
	m->wchar = r->own.io[TASK_WCHAR];
	m->read_bytes = r->own.io[TASK_READ_BYTES];
	m->write_bytes = r->own.io[TASK_WRITE_BYTES];
}

/* Is this the first time that anything is known of it? */
static bool unknown(const struct task *t)
{
	return t->flags & TASK_FIRST && t->hash == 0;
}

/* CPU times and faults of `is` are still those of before. Returns whether it has changed its program. */
static bool accept(struct task_collector *c, struct task *t, const struct task_stat *is, uint64_t hash)
{
	bool exec = task_list_take(c, t, is, unknown(t));

	t->flags |= TASK_CHANGED;
	t->hash = hash;
	return exec;
}

/* A thread other than the process itself stands for. */
static void on_thread(struct task_collector *c, struct process *p, const struct task_record *r)
{
	struct task *t = task_list_find(p, p->known, r->tid);
	struct task_sum own = {0};
	struct task_stat is;
	uint64_t hash;

	if (t && t->pass != c->pass && t->stat.start != r->start / c->tick_ns)
		t = NULL; /* the number is another's now: the old one goes at the end of the pass */
	if (!t) {
		if (task_list_reserve((void **)&p->threads, &p->threads_cap, p->nthreads + 1, sizeof(*p->threads)) != 0)
			return;
		t = task_list_thread(c, r->tid);
		if (!t)
			return;
		p->threads[p->nthreads++] = t;
		/* Until now the main thread's row was made from the process's files. */
		if (r->tid == p->task.id && p->thread_handle != CULPRIT_NO_HANDLE) {
			t->handle = p->thread_handle;
			t->flags |= p->task.flags & TASK_SERVED;
			p->thread_handle = CULPRIT_NO_HANDLE;
			/* What the row showed. */
			t->stat.utime = p->task.stat.utime;
			t->stat.stime = p->task.stat.stime;
		}
	} else {
		t->flags &= ~(uint32_t)TASK_NEWS;
	}
	task_list_close_fd(c, t);
	t->pass = c->pass;
	hash = task_hash(&r->start, (size_t)(THREAD_END - THREAD_BEGIN));
	if (hash == t->hash)
		return;
	is = (struct task_stat){.numbers = t->stat};
	fill(c, r, &is);
	is.utime = t->stat.utime;
	is.stime = t->stat.stime;
	if (unknown(t) && task_list_born(c, is.start, c->previous_boot_ns))
		t->flags |= TASK_BORN;
	accept(c, t, &is, hash);
	p->task.flags |= TASK_CHANGED;
	keep_counters(t->more, r);
	add(&own, &r->own);
	own.said_user = r->said_user;
	own.said_kernel = r->said_kernel;
	own.exact = r->exact;
	share_cpu(c, t, &own);
}

/* whole: records of all its threads come, and are added up; else its sums stay. */
static void touch(struct task_collector *c, struct process *p, bool whole)
{
	if (p->task.pass == c->pass)
		return;
	p->task.pass = c->pass;
	p->task.flags &= ~(uint32_t)TASK_NEWS;
	p->known = p->nthreads;
	if (p->sum)
		p->sum->told = 0;
	if (whole && p->sum)
		memset(p->sum, 0, offsetof(struct task_sum, settled));
}

/* What is made of the sums. */
static void settle_sum(const struct task_collector *c, struct process *p, const struct task_sum *sum)
{
	struct process_more *m = task_list_process_more(p);
	struct task *t = &p->task;

	share_cpu(c, t, sum);
	task_raise_io(p, sum->io);
	if (sum->min_faults > t->stat.min_faults)
		t->stat.min_faults = sum->min_faults;
	if (sum->maj_faults > t->stat.maj_faults)
		t->stat.maj_faults = sum->maj_faults;
	if (sum->guest / c->tick_ns > t->stat.guest_ticks)
		t->stat.guest_ticks = sum->guest / c->tick_ns;
	m->memory = m->pages ^ (uint32_t)((t->stat.min_faults + t->stat.maj_faults) << 1 | 1);
}

/* 0 or -ENOMEM: then nothing is known of what it does. */
static int on_process(struct task_collector *c, struct process *p, const struct task_record *r)
{
	struct task *t = &p->task;
	uint64_t hash = task_hash(&r->start, r->size - (size_t)THREAD_BEGIN);
	struct task_sum one = {0}, *sum = &one;
	struct process_more *m = task_list_process_more(p);
	struct task_stat is;

	/* With more threads than one, or once one has ended, the process's figures are not those of its main thread. */
	if (r->threads > 1 || r->ended.on_cpu)
		t->flags |= TASK_OWN_THREADS;
	if (t->flags & TASK_OWN_THREADS && !p->sum) {
		p->sum = pool_take(&c->sums_pool);
		if (!p->sum)
			return -ENOMEM;
	}
	if (p->sum)
		sum = p->sum;
	add(sum, &r->ended);
	add(sum, &r->own);
	sum->said_user = r->all_said_user;
	sum->said_kernel = r->all_said_kernel;
	sum->exact = r->exact;
	sum->told++;
	task_list_close_fd(c, t);
	if (hash != t->hash) {
		is = (struct task_stat){.numbers = t->stat};
		fill(c, r, &is);
		fill_process(c, r, &is);
		is.utime = t->stat.utime;
		is.stime = t->stat.stime;
		is.min_faults = t->stat.min_faults;
		is.maj_faults = t->stat.maj_faults;
		is.guest_ticks = t->stat.guest_ticks;
		if (accept(c, t, &is, hash)) {
			t->flags |= TASK_CMDLINE_DUE;
			p->ask_after_ns = 0;
			if (t->flags & TASK_CMDLINE_ASKED)
				p->cmdline_again = 1;
		}
		if (p->uid != r->uid && t->flags & TASK_UID_KNOWN)
			t->flags |= TASK_USER_DUE;
		p->uid = r->uid;
		m->css = (uint32_t)(r->css ^ r->css >> 32);
		/* What status says beside it: its memory, who traces it. Pages of a process that are counted by CPU are added up
		 * now and then; faults tell of them meanwhile. */
		m->pages = (uint32_t)task_hash(&r->vm_pages, offsetof(struct task_record, start_code) - offsetof(struct task_record, vm_pages)) ^
			   r->tracer;
		m->set = (uint32_t)((r->files_limit << 16 ^ (uint16_t)r->oom_score_adj) * 0x9E3779B97F4A7C15u >> 32);
		keep_counters(t->more, r);
	}
	/* The others wait until all their threads have passed. */
	if (!p->sum && t->flags & TASK_CHANGED)
		settle_sum(c, p, &one);
	return 0;
}

/* All its threads have passed. */
static void settle(struct task_collector *c, struct process *p)
{
	struct task *t = &p->task;
	bool grown = p->nthreads > p->known;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < p->nthreads; i++) {
		if (p->threads[i]->pass == c->pass) {
			p->threads[kept++] = p->threads[i];
		} else {
			task_list_drop_thread(c, p->threads[i]);
			t->flags |= TASK_CHANGED;
		}
	}
	p->nthreads = kept;
	if (grown)
		task_list_sort(p);
	c->threads += t->stat.threads;
	if (!p->sum)
		return;
	if (c->brief) {
		/* A brief read tells of some threads only: what they did is known with the next one. */
		if (p->sum->told < t->stat.threads)
			return;
		/* Nobody looks at its threads one by one: that one of them did something tells their sum. */
		if (p->sum->on_cpu != p->sum->settled)
			t->flags |= TASK_CHANGED;
	}
	if (t->flags & TASK_CHANGED) {
		p->sum->settled = p->sum->on_cpu;
		settle_sum(c, p, p->sum);
	}
}

/* --- the pass ---------------------------------------------------------------------------------------------------- */

struct pass {
	bool first; /* it takes over */
	uint32_t at; /* in the list of those known: up to here they have been met or have ended */
	uint32_t n;  /* met, in c->spare */
	struct process *last; /* of the record before */
	int err;
	bool unknown; /* records told that something is as before, and that is not known here */
};

static void ended(struct task_collector *c, struct process *p)
{
	task_ask_ended(c, p);
	task_list_drop(c, p);
}

static struct process *find_process(struct process **list, uint32_t n, uint32_t pid)
{
	uint32_t low = 0;

	while (low < n) {
		uint32_t mid = low + (n - low) / 2;

		if (list[mid]->task.id == pid)
			return list[mid];
		if (list[mid]->task.id < pid)
			low = mid + 1;
		else
			n = mid;
	}
	return NULL;
}

/* No record came of it: it has ended. Unless it is one that this kernel does not show to programs, as some do with what watches
 * them: /proc has it still, when the iterator takes over. Such a one is read there further on. */
static void missed(struct task_collector *c, struct pass *pass, struct process *p)
{
	if ((pass->first || p->task.flags & TASK_FROM_PROC) && task_walk_one(c, p)) {
		p->task.flags |= TASK_FROM_PROC;
		c->spare[pass->n++] = p;
		return;
	}
	ended(c, p);
}

/* The process of a record of its main thread: known, or new where the record is whole. NULL: none, or no memory for it. */
static struct process *meet(struct task_collector *c, struct pass *pass, const struct task_record *r)
{
	bool whole = r->size != sizeof(struct task_record_same);
	struct process *p = NULL;

	if (pass->n && c->spare[pass->n - 1]->task.id >= r->pid)
		return NULL;
	while (pass->at < c->nlist && c->list[pass->at]->task.id < r->pid)
		missed(c, pass, c->list[pass->at++]);
	if (pass->at < c->nlist && c->list[pass->at]->task.id == r->pid) {
		p = c->list[pass->at++];
		if (whole && p->task.stat.start != r->start / c->tick_ns) {
			ended(c, p);
			p = NULL;
		}
	}
	if (!p && !whole)
		return NULL;
	if (p) {
		touch(c, p, whole);
		p->task.flags &= ~(uint32_t)TASK_FROM_PROC;
	} else {
		p = task_list_process(c, r->pid);
		if (!p)
			return NULL;
		touch(c, p, true);
		p->task.flags |= TASK_FIRST | TASK_CHANGED | TASK_USER_DUE;
		if (task_list_born(c, r->start / c->tick_ns, c->previous_boot_ns))
			p->task.flags |= TASK_BORN;
		if (!(r->flags & TASK_PF_KTHREAD))
			p->task.flags |= TASK_CMDLINE_DUE;
	}
	/* As many as are left of the others have room too: should the pass break off, they stay. */
	if (!task_list_more(c, p) ||
	    task_list_reserve((void **)&c->spare, &c->spare_cap, pass->n + 1 + (c->nlist - pass->at), sizeof(*c->spare)) != 0) {
		ended(c, p);
		pass->err = -ENOMEM;
		return NULL;
	}
	c->spare[pass->n++] = p;
	return p;
}

/* Nothing has happened to this process and its one thread. */
static void take_same(struct task_collector *c, struct pass *pass, const struct task_record *r)
{
	struct process *p = meet(c, pass, r);
	struct task *t;

	if (!p || unknown(&p->task)) {
		pass->unknown = true;
		return;
	}
	pass->last = p;
	task_list_close_fd(c, &p->task);
	if (!(p->task.flags & TASK_OWN_THREADS))
		return;
	/* It had more threads once. */
	t = task_list_find(p, p->known, r->tid);
	if (t) {
		t->flags &= ~(uint32_t)TASK_NEWS;
		t->pass = c->pass;
		task_list_close_fd(c, t);
	}
}

static void take(struct task_collector *c, void *arg, const struct task_record *r)
{
	struct pass *pass = arg;
	struct process *p = pass->last;

	if (r->size == sizeof(struct task_record_same)) {
		take_same(c, pass, r);
		return;
	}
	if (r->tid == r->pid && r->size >= (unsigned)PROCESS_END) {
		p = meet(c, pass, r);
		if (!p)
			return;
		if (on_process(c, p, r) != 0) {
			pass->err = -ENOMEM;
			return;
		}
	} else {
		if (!p || p->task.id != r->pid)
			p = find_process(c->spare, pass->n, r->pid);
		/* Numbers have begun anew, and its process comes after it; one that is new there gets it in the next pass. */
		if (!p)
			p = find_process(c->list + pass->at, c->nlist - pass->at, r->pid);
		if (!p)
			return;
		touch(c, p, true);
		/* One that had a single thread until now has its sum with the record of the process. */
		if (p->sum) {
			add(p->sum, &r->own);
			p->sum->told++;
		}
	}
	pass->last = p;
	if (p->task.flags & TASK_OWN_THREADS && (!c->threads_limited || c->all_threads || task_is_wanted(c, p->task.id)))
		on_thread(c, p, r);
}

/* Reads records and hands them to `each`. 0 or -errno. */
static int read_records(struct task_collector *c, struct task_iter *iter, char *buffer, size_t size,
			void (*each)(struct task_collector *, void *arg, const struct task_record *), void *arg)
{
	int fd = bpf_iterate(iter->unit, 0);
	size_t have = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	for (;;) {
		size_t at = 0; /* records are multiples of 8 bytes long, so all are aligned */

		n = read(fd, buffer + have, size - have);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
		while (have - at >= sizeof(unsigned)) {
			unsigned length;

			memcpy(&length, buffer + at, sizeof(length));
			if (length != sizeof(struct task_record_same) && length != (unsigned)THREAD_END && length != (unsigned)PROCESS_END && length != sizeof(struct task_record)) {
				close(fd);
				return -EBADMSG;
			}
			if (have - at < length)
				break;
			each(c, arg, (const struct task_record *)(buffer + at));
			at += length;
		}
		have -= at;
		memmove(buffer, buffer + at, have);
	}
	n = n < 0 ? -errno : 0;
	close(fd);
	return (int)n;
}

/* Of whose threads records are taken in: of others nothing is known, whatever was read of them. */
static uint64_t wanted_threads(const struct task_collector *c)
{
	uint64_t hash = (uint64_t)c->brief << 2 | (uint64_t)c->threads_limited << 1 | c->all_threads;

	/* A brief read has records of all threads of those that are wanted. */
	for (uint32_t i = 0; c->threads_limited && !c->brief && i < c->ninterests; i++)
		hash = (hash ^ c->interests[i].pid) * 0x9E3779B97F4A7C15u;
	return hash;
}

/* What is to be read: all, where anything of the read before is not known. */
static void read_begin(struct task_collector *c, struct task_iter *iter)
{
	uint64_t wanted;

	c->brief = c->threads_limited && !c->all_threads && c->ninterests <= TASK_BRIEF_WANTED;
	wanted = wanted_threads(c);
	iter->whole |= c->pass <= 1 || iter->sample + 1 != c->sample || iter->wanted != wanted;
	iter->sample = c->sample;
	iter->wanted = wanted;
	iter->skeleton->bss->task_whole = iter->whole;
	iter->skeleton->bss->task_brief = c->brief;
	iter->skeleton->bss->task_nwanted = c->brief ? c->ninterests : 0;
	for (uint32_t i = 0; c->brief && i < c->ninterests; i++)
		iter->skeleton->bss->task_wanted[i] = c->interests[i].pid;
	iter->skeleton->bss->task_read++;
	iter->whole = false;
}

int task_iter_walk(struct task_collector *c)
{
	struct task_iter *iter = __atomic_load_n(&c->iter, __ATOMIC_ACQUIRE);
	struct pass pass = {0};
	struct process **list;
	uint32_t cap;
	int r;

	if (!iter || iter->failed)
		return -ENOENT;
	/* The first look is at /proc, also where the iterator is there from the start: whom this kernel hides from programs is known
	 * by that alone. */
	if (!c->nlist)
		return -EAGAIN;
	r = task_list_reserve((void **)&c->spare, &c->spare_cap, c->nlist + 1, sizeof(*c->spare));
	if (r != 0)
		return r;
	/* c->buffer is for files that are read meanwhile. */
	if (!c->records)
		c->records = malloc(TASK_BUFFER);
	if (!c->records)
		return -ENOMEM;
	c->pass++;
	c->unreadable = 0;
	pass.first = c->pass == 1;
	read_begin(c, iter);
	r = read_records(c, iter, c->records, TASK_BUFFER, take, &pass);
	r = r ? r : pass.err;
	iter->whole = pass.unknown;
	/* Whoever was not met has ended, unless the pass broke off. */
	while (pass.at < c->nlist) {
		if (r == 0)
			missed(c, &pass, c->list[pass.at++]);
		else
			c->spare[pass.n++] = c->list[pass.at++];
	}
	list = c->list;
	cap = c->list_cap;
	c->list = c->spare;
	c->list_cap = c->spare_cap;
	c->spare = list;
	c->spare_cap = cap;
	c->nlist = pass.n;
	c->threads = 0;
	for (uint32_t i = 0; i < c->nlist; i++)
		if (c->list[i]->task.pass == c->pass)
			settle(c, c->list[i]);
		else
			c->threads += c->list[i]->task.stat.threads;
	/* The walk of /proc begins with a list of all. */
	c->last_pid = c->older_pid = 0;
	if (r != 0) {
		char text[160];

		iter->failed = true;
		snprintf(text, sizeof(text), "the iterator over tasks cannot be read (%s): processes are read from /proc again",
			 strerror(-r));
		c->host->log(c->host, CULPRIT_LOG_WARNING, text);
	}
	return r;
}

/* --- loading ----------------------------------------------------------------------------------------------------- */

struct check {
	uint32_t pid;
	bool found;
	struct task_stat stat;
	uint32_t uid;
};

static void look_for_us(struct task_collector *c, void *arg, const struct task_record *r)
{
	struct check *check = arg;

	if (r->size < (unsigned)PROCESS_END || r->tid != check->pid || r->pid != check->pid)
		return;
	check->found = true;
	fill(c, r, &check->stat);
	fill_process(c, r, &check->stat);
	check->uid = r->uid;
}

/* Do records say of ourselves what /proc says? They would not where the numbers, users or clocks of this namespace are others
 * than the kernel's own, or a kernel means something else by what we read. */
static bool agrees(struct task_collector *c, struct task_iter *iter, char *buffer, size_t size)
{
	struct check check = {.pid = (uint32_t)getpid()};
	struct task_stat us;
	char text[1024];
	int fd = procfs_open(c->host->proc_fd, "self/stat");
	ssize_t n = fd < 0 ? fd : procfs_pread(fd, text, sizeof(text));

	if (fd >= 0)
		close(fd);
	if (n <= 0 || task_parse_stat(text, (size_t)n, &us) != 0)
		return false;
	if (read_records(c, iter, buffer, size, look_for_us, &check) != 0 || !check.found)
		return false;
	return check.stat.id == us.id && check.stat.ppid == us.ppid && check.stat.start == us.start &&
	       check.stat.comm_len == us.comm_len && memcmp(check.stat.comm, us.comm, us.comm_len) == 0 &&
	       check.stat.tty == us.tty && check.stat.nice == us.nice && check.stat.priority == us.priority &&
	       check.stat.policy == us.policy && check.uid == geteuid() && check.stat.start_code == us.start_code;
}

int task_iter_load(struct task_collector *c, struct culprit_error *error)
{
	struct task_iter *iter;
	char *buffer;
	bool good;

	if (!c->procfs || !c->cursor || c->hidden) {
		snprintf(error->sentence, sizeof(error->sentence), "this /proc does not show all processes by their own numbers");
		return -ENOTSUP;
	}
	iter = calloc(1, sizeof(*iter));
	buffer = malloc(TASK_BUFFER);
	if (!iter || !buffer) {
		free(iter);
		free(buffer);
		return -ENOMEM;
	}
	iter->unit = bpf_load(c->host, &task_iter_kit, NULL, error);
	iter->skeleton = iter->unit ? bpf_skeleton(iter->unit) : NULL;
	if (iter->skeleton)
		iter->skeleton->bss->task_whole = true;
	good = iter->unit && agrees(c, iter, buffer, TASK_BUFFER);
	free(buffer);
	if (!good) {
		if (iter->unit)
			snprintf(error->sentence, sizeof(error->sentence), "%s",
				 bpf_reason(iter->unit, 0) ? bpf_reason(iter->unit, 0)
							   : "the kernel's records of us are not what /proc says: a container, or an unknown kernel");
		bpf_unload(iter->unit);
		free(iter);
		return -ENOTSUP;
	}
	__atomic_store_n(&c->iter, iter, __ATOMIC_RELEASE);
	return 0;
}

void task_iter_unload(struct task_collector *c)
{
	if (!c->iter)
		return;
	bpf_unload(c->iter->unit);
	free(c->iter);
	c->iter = NULL;
}

size_t task_iter_programs(struct task_collector *c, const struct culprit_program **ret_list)
{
	struct task_iter *iter = __atomic_load_n(&c->iter, __ATOMIC_ACQUIRE);

	return iter ? bpf_programs(iter->unit, ret_list) : 0;
}
