/* Every thread as one record: what /proc/PID/{stat,status,schedstat,io} say of it, without opening a file for each. Only copies:
 * what can be reckoned outside of the kernel is. */
#include "bpf_common.bpf.h"
#include "task_iter.h"

enum { EXIT_DEAD = 0x10, FLAG_WORKER = 0x20, FLAG_KTHREAD = 0x200000, LIMIT_FILES = 7 };

/* The one being put together: too large for the stack. The one reader reads one after the other. */
struct task_record task_one;

/* What a process was like when its record was written last, by its number; another one's where two share a place. 0: it had more
 * threads than one, or a terminal, and what is done to these its main thread does not tell. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 16);
	__type(key, __u32);
	__type(value, __u64);
} task_seen SEC(".maps");

/* The read in which all threads of a process have records, by the number of the process; another one's where two share a place: who has
 * lost its place waits until its turn comes, see group_is_whole(). And what its main thread used of CPUs, mixed with how many threads it has. */
struct task_group {
	__u32 pid, read;
	__u64 main;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 16);
	__type(key, __u32);
	__type(value, struct task_group);
} task_groups SEC(".maps");

/* Of user space: the number of the read, and whether it knows nothing from the one before; whether only those threads are to be told of
 * that did something (task_iter.h), and the processes whose threads are wanted all the same. */
volatile __u32 task_read, task_whole, task_brief, task_nwanted;
volatile __u32 task_wanted[TASK_BRIEF_WANTED];

static __always_inline void copy_io(unsigned long long *io, struct task_io_accounting *a)
{
	io[0] = a->rchar;
	io[1] = a->wchar;
	io[2] = a->syscr;
	io[3] = a->syscw;
	io[4] = a->read_bytes;
	io[5] = a->write_bytes;
	io[6] = a->cancelled_write_bytes;
}

static __always_inline __u32 state_of(struct task_struct *task)
{
	if (bpf_core_field_exists(((struct task_struct___state *)task)->__state))
		return ((struct task_struct___state *)task)->__state;
	return ((struct task_struct___old_state *)task)->state;
}

static __always_inline void of_thread(struct task_record *r, struct task_struct *task)
{
	struct task_delay_info *delays;

	r->exact = !bpf_core_field_exists(task->prev_cputime);
	if (bpf_core_field_exists(task->prev_cputime)) {
		r->said_user = task->prev_cputime.utime;
		r->said_kernel = task->prev_cputime.stime;
	}
	r->start = task->start_boottime;
	r->own.on_cpu = task->se.sum_exec_runtime;
	r->own.user = task->utime;
	r->own.kernel = task->stime;
	r->own.guest = task->gtime;
	r->own.min_faults = task->min_flt;
	r->own.maj_faults = task->maj_flt;
	if (bpf_core_field_exists(task->ioac.cancelled_write_bytes))
		copy_io(r->own.io, &task->ioac);
	if (bpf_core_field_exists(task->sched_info.pcount)) {
		r->run_delay = task->sched_info.run_delay;
		r->timeslices = task->sched_info.pcount;
	}
	r->voluntary = task->nvcsw;
	r->involuntary = task->nivcsw;
	r->blkio_delay = 0;
	if (bpf_core_field_exists(task->delays)) {
		delays = task->delays;
		if (delays) {
			r->blkio_delay = delays->blkio_delay;
			if (!bpf_core_field_exists(delays->compact_delay))
				r->blkio_delay += delays->swapin_delay;
		}
	}
	r->state = state_of(task);
	r->exit_state = task->exit_state;
	r->flags = task->flags;
	r->ppid = task->real_parent->tgid;
	r->rt_priority = task->rt_priority;
	r->policy = task->policy;
	r->prio = task->prio;
	r->static_prio = task->static_prio;
	if (bpf_core_field_exists(task->thread_info.cpu))
		r->processor = task->thread_info.cpu;
	else if (bpf_core_field_exists(((struct task_struct___cpu *)task)->cpu))
		r->processor = ((struct task_struct___cpu *)task)->cpu;
	bpf_probe_read_kernel(r->comm, sizeof(r->comm), task->comm);
}

static __always_inline void of_memory(struct task_record *r, struct mm_struct *mm)
{
	struct mm_struct___until_6_1 *old = (void *)mm;

	r->vm_pages = mm->total_vm;
	r->peak_pages = mm->hiwater_rss;
	r->start_code = mm->start_code;
	r->arg_start = mm->arg_start;
	r->env_start = mm->env_start;
	/* Each by its own constant, because elements are of another size in older kernels; whose verifier can't look into an array of a
	 * type that is a typedef. */
	if (bpf_core_field_exists(old->rss_stat.count)) {
		r->rss_pages[0] = BPF_CORE_READ(old, rss_stat.count[0].counter);
		r->rss_pages[1] = BPF_CORE_READ(old, rss_stat.count[1].counter);
		r->rss_pages[2] = BPF_CORE_READ(old, rss_stat.count[2].counter);
		r->rss_pages[3] = BPF_CORE_READ(old, rss_stat.count[3].counter);
		return;
	}
	r->rss_pages[0] = mm->rss_stat[0].count;
	r->rss_pages[1] = mm->rss_stat[1].count;
	r->rss_pages[2] = mm->rss_stat[2].count;
	r->rss_pages[3] = mm->rss_stat[3].count;
}

static __always_inline void of_process(struct task_record *r, struct task_struct *task)
{
	struct signal_struct *signal = task->signal;
	struct mm_struct *mm = task->mm;
	struct tty_struct *tty = signal->tty;

	if (bpf_core_field_exists(signal->prev_cputime)) {
		r->all_said_user = signal->prev_cputime.utime;
		r->all_said_kernel = signal->prev_cputime.stime;
	}
	r->ended.on_cpu = signal->sum_sched_runtime;
	r->ended.user = signal->utime;
	r->ended.kernel = signal->stime;
	r->ended.guest = signal->gtime;
	r->ended.min_faults = signal->min_flt;
	r->ended.maj_faults = signal->maj_flt;
	if (bpf_core_field_exists(signal->ioac.cancelled_write_bytes))
		copy_io(r->ended.io, &signal->ioac);
	r->child_user = signal->cutime;
	r->child_kernel = signal->cstime;
	r->threads = signal->nr_threads;
	r->uid = task->real_cred->euid.val;
	r->tracer = task->ptrace ? task->parent->tgid : 0;
	if (bpf_core_field_exists(task->cgroups))
		r->css = (unsigned long long)task->cgroups;
	r->oom_score_adj = signal->oom_score_adj;
	r->files_limit = signal->rlim[LIMIT_FILES].rlim_cur;
	r->tty_major = r->tty_minor = 0;
	if (tty) {
		r->tty_major = tty->driver->major;
		r->tty_minor = tty->driver->minor_start + tty->index;
	}
	r->vm_pages = r->peak_pages = r->start_code = r->arg_start = r->env_start = 0;
	__builtin_memset(r->rss_pages, 0, sizeof(r->rss_pages));
	if (mm && !(task->flags & FLAG_KTHREAD))
		of_memory(r, mm);
}

static __always_inline void of_kernel_thread(struct task_record *r, struct task_struct *task)
{
	struct kthread *kthread;
	struct worker *worker;
	char *name;

	__builtin_memset(r->name, 0, sizeof(r->name));
	__builtin_memset(r->work, 0, sizeof(r->work));
	r->works = 0;
	if (bpf_core_field_exists(task->worker_private))
		kthread = (void *)task->worker_private;
	else
		kthread = (void *)task->set_child_tid;
	if (!kthread)
		return;
	if (bpf_core_field_exists(kthread->full_name)) {
		name = BPF_CORE_READ(kthread, full_name);
		if (name)
			bpf_probe_read_kernel_str(r->name, sizeof(r->name), name);
	}
	if (!(task->flags & FLAG_WORKER))
		return;
	worker = BPF_CORE_READ(kthread, data);
	if (!worker)
		return;
	/* A rescuer without a pool to work for does not say. */
	if (!BPF_CORE_READ(worker, pool))
		return;
	bpf_probe_read_kernel_str(r->work, sizeof(r->work), &worker->desc);
	r->works = BPF_CORE_READ(worker, current_work) != NULL;
}

/* The verifier does not reckon with pointers, but with what was stored somewhere. */
volatile __u64 task_pointers[2];

static __always_inline __u64 mix(__u64 hash, __u64 v)
{
	hash = (hash ^ v) * 0x9E3779B97F4A7C15ull;
	return hash ^ hash >> 29;
}

/* A number that is another one where something has happened to this thread, the only one of its process. A record touches three times
 * as many cache lines, and these are what it costs; so only those are looked at without which a change would be told too late.
 * Whatever it does itself (also to take a terminal, to end, to begin under a number that was
 * another one's) takes time on a CPU; the rest is what others do to it: memory that is taken from it, its parent, priority,
 * control group, and whether it is traced. */
static __always_inline __u64 look_of(struct task_struct *task)
{
	struct mm_struct *mm = task->mm;
	struct mm_struct___until_6_1 *old = (void *)mm;
	__u64 hash = mix(task->se.sum_exec_runtime, state_of(task) | (__u64)task->flags << 32);

	hash = mix(hash, (__u32)task->prio | (__u64)task->static_prio << 32);
	task_pointers[0] = (__u64)task->real_parent;
	if (bpf_core_field_exists(task->cgroups))
		task_pointers[1] = (__u64)task->cgroups;
	hash = mix(mix(hash ^ task->ptrace, task_pointers[0]), task_pointers[1]);
	if (mm) {
		if (bpf_core_field_exists(old->rss_stat.count))
			hash = mix(hash, BPF_CORE_READ(old, rss_stat.count[0].counter) ^ BPF_CORE_READ(old, rss_stat.count[1].counter) << 32);
		else
			hash = mix(hash, mm->rss_stat[0].count ^ mm->rss_stat[1].count << 32);
	}
	return hash | 1;
}

/* The same of a thread that is not its process's main one: the time it had on a CPU, and whether it has one or waits for it. */
static __always_inline __u64 look_of_other(struct task_struct *task)
{
	return mix(mix(task->tgid, task->se.sum_exec_runtime), state_of(task) | (__u64)task->flags << 32) | 1;
}

/* Are all of its threads to have records in this read? The same answer for each of them, whichever comes first. */
static __always_inline bool group_is_whole(struct task_group *group, __u32 pid)
{
	if (!((pid + task_read) % TASK_RECORD_SAME_MOST))
		return true;
	for (__u32 i = 0; i < TASK_BRIEF_WANTED && i < task_nwanted; i++)
		if (task_wanted[i] == pid)
			return true;
	return group && group->pid == pid && group->read == task_read;
}

SEC("iter/task")
int task_records(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task_record *r = &task_one;
	struct task_record_same again = {.size = sizeof(again)};
	struct task_group *group = NULL;
	__u32 place;
	__u64 *seen = NULL, look = 0;
	__u64 ran;
	bool main, changed = false;
	long err;

	if (!task || !task->pid)
		return 0;
	main = task->pid == task->tgid;
	if (main || task_brief) {
		place = task->pid & ((1 << 16) - 1);
		seen = bpf_map_lookup_elem(&task_seen, &place);
		look = main ? look_of(task) : look_of_other(task);
		changed = !seen || *seen != look;
	}
	if (task_brief) {
		place = task->tgid & ((1 << 16) - 1);
		group = bpf_map_lookup_elem(&task_groups, &place);
		if (!changed && !task_whole && !group_is_whole(group, task->tgid)) {
			if (!main)
				return 0;
			again.tid = again.pid = task->pid;
			bpf_seq_write(ctx->meta->seq, &again, sizeof(again));
			return 0;
		}
		/* What its threads did adds up only where all are told of: in the next read. Memory that is taken from it is no reason. */
		ran = main ? mix(task->se.sum_exec_runtime, (__u32)task->signal->nr_threads) : 0;
		if (changed && group && (!main || ((__u32)task->signal->nr_threads > 1 && (group->pid != (__u32)task->tgid || group->main != ran)))) {
			group->pid = task->tgid;
			group->read = task_read + 1;
			if (main)
				group->main = ran;
		}
	} else if (main && !changed && !task_whole && (task->pid + task_read) % TASK_RECORD_SAME_MOST) {
		/* User space knows it from the read before, and does not want a record now and then. */
		again.tid = again.pid = task->pid;
		bpf_seq_write(ctx->meta->seq, &again, sizeof(again));
		return 0;
	}
	if (task->exit_state & EXIT_DEAD)
		return 0;
	r->tid = task->pid;
	r->pid = task->tgid;
	of_thread(r, task);
	r->size = __builtin_offsetof(struct task_record, ended);
	if (r->tid == r->pid) {
		of_process(r, task);
		r->size = __builtin_offsetof(struct task_record, name);
		if (task->flags & FLAG_KTHREAD) {
			of_kernel_thread(r, task);
			r->size = sizeof(*r);
			err = bpf_seq_write(ctx->meta->seq, r, sizeof(*r));
		} else {
			err = bpf_seq_write(ctx->meta->seq, r, __builtin_offsetof(struct task_record, name));
		}
	} else {
		err = bpf_seq_write(ctx->meta->seq, r, __builtin_offsetof(struct task_record, ended));
	}
	/* What had no room in the reader's buffer is shown to us again with the next read: it is as new as it was. */
	if (seen && !err)
		*seen = !main || ((task_brief || r->threads == 1) && !r->tty_major) ? look : 0;
	return 0;
}
