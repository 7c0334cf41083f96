/* In which state a thread left its CPU, and why it blocks. Included once by an X.bpf.c, after bpf_common.bpf.h. */
#ifndef COLLECTORS_SCHED_WHY_BPF_H
#define COLLECTORS_SCHED_WHY_BPF_H

#include "sched_shared.h"

enum {
	STATE_RUNNING = 0,
	STATE_UNINTERRUPTIBLE = 2,
	STATE_STOPPED = 4 | 8, /* by a signal, by a debugger */
	STATE_DEAD = 0x80,
	STATE_NOLOAD = 0x400,
	FLAG_MEMALLOC = 0x800,
	FLAG_KTHREAD = 0x200000,
};

/* Which enum sched_reason a system call blocks for, by its number on this architecture. */
const volatile __u8 sched_syscalls[SCHED_SYSCALLS];

static __always_inline __u32 task_state(struct task_struct *task)
{
	if (bpf_core_field_exists(((struct task_struct___state *)task)->__state))
		return ((struct task_struct___state *)task)->__state;
	return ((struct task_struct___old_state *)task)->state;
}

/* --- why --------------------------------------------------------------------------------------------------------- */

enum { MODE_TYPE = 0170000, MODE_FIFO = 0010000, MODE_SOCKET = 0140000, MODE_DIR = 0040000,
       MODE_BLOCK = 0060000, MODE_FILE = 0100000, FAMILY_UNIX = 1, FAMILY_INET = 2, FAMILY_INET6 = 10 };

/* Whoever reads a socket may be a client that waits for its answer, or a server for the next request. A server's port is
 * the lower one, as a rule; a server's unix socket has the name that was bound. */
static __always_inline int reason_of_socket(struct sock *sk, bool out)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family), port;
	struct unix_sock *ours = (struct unix_sock *)sk, *peer;

	if (family == FAMILY_UNIX) {
		if (out)
			return SCHED_PIPE;
		peer = (struct unix_sock *)BPF_CORE_READ(ours, peer);
		return peer && BPF_CORE_READ(peer, addr) && !BPF_CORE_READ(ours, addr) ? SCHED_PIPE : SCHED_IDLE_MAYBE;
	}
	if (family != FAMILY_INET && family != FAMILY_INET6)
		return SCHED_IDLE;
	if (out)
		return SCHED_NET;
	port = BPF_CORE_READ(sk, __sk_common.skc_dport);
	port = port << 8 | port >> 8;
	/* No peer: what comes from anywhere is no answer. */
	return !port || BPF_CORE_READ(sk, __sk_common.skc_num) < port ? SCHED_IDLE_MAYBE : SCHED_NET;
}

/* What a blocking call on this descriptor waits for. */
static __always_inline int reason_of_file(struct task_struct *task, __u64 number, bool out)
{
	struct file **files, *file;
	struct fdtable *table;
	struct socket *socket;

	table = BPF_CORE_READ(task, files, fdt);
	if (number >= BPF_CORE_READ(table, max_fds))
		return SCHED_OTHER;
	files = BPF_CORE_READ(table, fd);
	if (bpf_probe_read_kernel(&file, sizeof(file), files + number) || !file)
		return SCHED_OTHER;
	switch (BPF_CORE_READ(file, f_inode, i_mode) & MODE_TYPE) {
	case MODE_FIFO:
		return out ? SCHED_PIPE : SCHED_IDLE_MAYBE;
	case MODE_SOCKET:
		socket = BPF_CORE_READ(file, private_data);
		return reason_of_socket(BPF_CORE_READ(socket, sk), out);
	case MODE_FILE:
	case MODE_DIR:
	case MODE_BLOCK:
		return SCHED_DISK;
	default:
		/* A terminal, an event or timer descriptor, inotify. */
		return SCHED_IDLE;
	}
}

/* glibc's mutexes wait for the value 2 to change, musl's for one with the uppermost bit; what waits for any other value
 * may be a worker without work. */
static __always_inline __u8 reason_of_futex(__u64 op, __u32 value)
{
	switch (op & 0x7f) {
	case 6:  /* LOCK_PI */
	case 13: /* LOCK_PI2 */
		return SCHED_LOCK;
	case 0: /* WAIT */
		return value == 2 || value >> 31 ? SCHED_LOCK : SCHED_IDLE_MAYBE;
	case 9: /* WAIT_BITSET: Rust's mutexes; with the realtime clock, conditions */
		return value == 2 && !(op & 256) ? SCHED_LOCK : SCHED_IDLE_MAYBE;
	default:
		return SCHED_IDLE_MAYBE;
	}
}

/* file_key and file_reason: what the descriptor of the thread's last such wait stood for, remembered for the caller; tick: good
 * for how long. */
static __always_inline __u8 reason_of(struct task_struct *task, __u32 *file_key, __u8 *file_reason, __u32 tick,
				      __u32 state)
{
	bool for_io = BPF_CORE_READ_BITFIELD(task, in_iowait);
	struct pt_regs *regs;
	__u64 call, file;
	__u32 key;
	__u8 reason;

	if (task->flags & FLAG_KTHREAD)
		return for_io ? SCHED_DISK : !(state & STATE_UNINTERRUPTIBLE) || state & STATE_NOLOAD ? SCHED_IDLE : SCHED_OTHER;
	if (state & STATE_STOPPED)
		return SCHED_IDLE;
	if (task->flags & FLAG_MEMALLOC)
		return SCHED_MEMORY;
	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return for_io ? SCHED_DISK : SCHED_OTHER;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	call = REGS_SYSCALL(regs);
	/* No system call: an exception, and that is a page fault. */
	if ((__s64)call < 0)
		return SCHED_MEMORY;
	if (for_io)
		return SCHED_DISK;
	if (call >= SCHED_SYSCALLS)
		return SCHED_OTHER;
	reason = sched_syscalls[call];
	if (reason == SCHED_BY_FUTEX)
		return reason_of_futex(REGS_ARG2(regs), REGS_ARG3(regs));
	if (reason != SCHED_BY_FILE && reason != SCHED_BY_FILE_OUT)
		return reason;
	file = REGS_ARG1(regs) & 0xffffffff;
	if (file >= 0x7fff)
		return reason_of_file(task, file, reason == SCHED_BY_FILE_OUT);
	/* Descriptors come to stand for something else: an answer is good for one tick. */
	key = call << 23 | (file + 1) << 8 | (tick & 0xff);
	if (*file_key != key) {
		*file_reason = reason_of_file(task, file, reason == SCHED_BY_FILE_OUT);
		*file_key = key;
	}
	return *file_reason;
}

#endif
