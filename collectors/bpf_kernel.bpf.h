/* The kernel's types, as far as culprit's programs read them: only the fields that are touched, in no particular order.
 * Where they really lie is looked up in the running kernel's BTF when a program is loaded (preserve_access_index), so
 * that neither building nor running depends on the kernel of the build host. Fields that some kernels lack stand in
 * types with ___ in their names (libbpf compares names up to it), asked for with bpf_core_field_exists(). Nothing here
 * may be given a name of our own but behind ___. Everybody who needs a field adds it here. */
#ifndef COLLECTORS_BPF_KERNEL_BPF_H
#define COLLECTORS_BPF_KERNEL_BPF_H

/* Integers and the numbers of bpf() only. */
#include <linux/types.h>
#include <linux/bpf.h>

typedef _Bool bool;
enum { false, true };
#define NULL ((void *)0)

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	unsigned int val;
} kuid_t;

struct cred {
	kuid_t euid;
};

struct task_io_accounting {
	__u64 rchar, wchar, syscr, syscw, read_bytes, write_bytes, cancelled_write_bytes;
};

/* What /proc last said of utime and stime, which it scales. Not there where the kernel times them exactly. */
struct prev_cputime {
	__u64 utime, stime;
};

struct tty_driver {
	int major, minor_start;
};

struct tty_struct {
	struct tty_driver *driver;
	int index;
};

struct rlimit {
	unsigned long rlim_cur;
};

struct list_head {
	struct list_head *next, *prev;
};

struct signal_struct {
	atomic_t live;
	struct list_head thread_head; /* of all threads that are not released, by thread_node */
	unsigned int flags;
	int group_exit_code, nr_threads;
	unsigned long long sum_sched_runtime;
	short oom_score_adj;
	/* Of its threads that ended; the c... of its children. */
	__u64 utime, stime, cutime, cstime, gtime;
	unsigned long min_flt, maj_flt;
	struct task_io_accounting ioac;
	struct prev_cputime prev_cputime;
	struct tty_struct *tty;
	struct rlimit rlim[16];
};

/* Since 5.17 nothing that was swapped in is in blkio_delay's neighbour any more: /proc adds the two until then. */
struct task_delay_info {
	__u64 blkio_delay, swapin_delay, compact_delay;
};

struct thread_info {
	__u32 cpu;
};

/* Threads of the kernel have longer names than comm since 5.17, and workers a word on what they do. */
struct kthread {
	void *data;
	char *full_name;
};

struct worker {
	void *current_work, *pool;
	char desc[24];
};

struct percpu_counter {
	__s64 count;
};

/* Mappings of a process since 6.1: a tree of nodes of 256 bytes. */
struct maple_tree {
	void *ma_root;
};

struct maple_range_64 {
	unsigned long pivot[15];
	void *slot[16];
};

struct maple_arange_64 {
	unsigned long pivot[9];
	void *slot[10];
};

typedef struct {
	void *vdso;
} mm_context_t;

struct mm_struct {
	struct maple_tree mm_mt;
	mm_context_t context;
	unsigned long arg_start, arg_end, start_code, env_start, total_vm, hiwater_rss, brk;
	struct percpu_counter rss_stat[4];
};

/* Resident pages were plain counters before 6.2. */
typedef struct {
	long counter;
} atomic_long_t;
struct mm_rss_stat {
	atomic_long_t count[4];
};
struct mm_struct___until_6_1 {
	struct mm_rss_stat rss_stat;
};

struct linux_binprm {
	const char *filename;
};

struct irqaction {
	const char *name;
};

struct gendisk {
	int major, first_minor;
	char disk_name[32];
};

struct request_queue {
	struct gendisk *disk;
};

struct block_device {
	struct gendisk *bd_disk;
};

struct bvec_iter {
	unsigned int bi_size;
};

struct bio {
	struct block_device *bi_bdev;
	unsigned int bi_opf;
	struct bvec_iter bi_iter;
};

/* It knew its disk itself until 5.11. */
struct bio___until_5_11 {
	struct gendisk *bi_disk;
};

struct request {
	struct request_queue *q;
	unsigned int cmd_flags, __data_len;
	__u64 start_time_ns, io_start_time_ns;
};

/* A request knew its disk itself until 5.16. */
struct request___until_5_16 {
	struct gendisk *rq_disk;
};

struct sched_info {
	unsigned long pcount;
	unsigned long long run_delay, last_arrival, last_queued;
};

struct rq {
	__u64 clock, clock_task;
};

struct cfs_rq {
	struct rq *rq;
};

struct sched_entity {
	__u64 exec_start, sum_exec_runtime;
	struct cfs_rq *cfs_rq;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct super_block {
	__u32 s_dev;
};

struct timespec64 {
	__s64 tv_sec;
};

struct inode {
	unsigned short i_mode;
	struct super_block *i_sb;
	unsigned long i_ino;
	__u32 i_generation;
	__s64 i_size;
	__s64 i_ctime_sec; /* from 6.11 on */
};

struct inode___until_6_5 {
	struct timespec64 i_ctime;
};

struct inode___until_6_10 {
	struct timespec64 __i_ctime;
};

struct file {
	struct inode *f_inode;
	void *private_data; /* of a socket's file: struct socket */
};

struct vm_area_struct {
	unsigned long vm_start, vm_end, vm_pgoff, vm_flags;
	struct mm_struct *vm_mm;
	struct file *vm_file;
};

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};

typedef struct {
	struct net *net; /* not there without CONFIG_NET_NS */
} possible_net_t;

struct sock_common {
	possible_net_t skc_net;
	__u32 skc_daddr, skc_rcv_saddr; /* network byte order, as the port of the peer */
	__u16 skc_dport, skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
	int sk_err;
	__u32 sk_ack_backlog, sk_max_ack_backlog;
	atomic_t sk_drops;
};

struct socket {
	short type;
	struct sock *sk;
};

struct unix_address;

struct unix_sock {
	struct unix_address *addr; /* the name it is bound to */
	struct sock *peer;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

struct nsproxy {
	struct net *net_ns;
};

struct task_struct {
	struct nsproxy *nsproxy; /* NULL: it has ended */
	int pid, tgid;
	unsigned int flags;
	unsigned int in_iowait : 1;
	struct files_struct *files;
	char comm[16];
	struct sched_info sched_info;
	struct sched_entity se;
	__u64 start_time, start_boottime;
	int exit_code;
	struct signal_struct *signal;
	struct mm_struct *mm;
	const struct cred *cred, *real_cred;
	__u64 utime, stime, gtime;
	struct prev_cputime prev_cputime;
	unsigned long min_flt, maj_flt, nvcsw, nivcsw;
	struct task_io_accounting ioac;
	void *bio_list; /* while a block device's driver works on a request of it */
	struct task_delay_info *delays;
	int exit_state, prio, static_prio;
	unsigned int rt_priority, policy, ptrace;
	void *cgroups; /* a css_set */
	void *worker_private, *set_child_tid;
	struct thread_info thread_info;
	struct task_struct *group_leader, *real_parent, *parent;
	struct list_head thread_node;
};

/* Its CPU, where that is not in thread_info. */
struct task_struct___cpu {
	unsigned int cpu;
};

/* The state of a task was renamed in 5.14. */
struct task_struct___state {
	unsigned int __state;
};
struct task_struct___old_state {
	volatile long state;
};

/* How long a run queue was kept from running by a quota, in all; renamed in 5.19. Not there without CONFIG_CFS_BANDWIDTH. */
struct cfs_rq___throttled {
	__u64 throttled_clock_pelt_time;
};
struct cfs_rq___task {
	__u64 throttled_clock_task_time;
};

/* The registers a thread came into the kernel with. REGS_SYSCALL: the number of its system call, negative: it came by an
 * exception. CALL_...: where it has just called a function, or returned from it. */
struct pt_regs {
#if defined(__TARGET_ARCH_x86)
	unsigned long di, si, dx, cx, ax, orig_ax, ip, cs, sp, bp;
#define CALL_ARG1(r) ((r)->di)
#define CALL_ARG2(r) ((r)->si)
#define CALL_ARG3(r) ((r)->dx)
#define CALL_ARG4(r) ((r)->cx)
#define CALL_RETURNED(r) ((r)->ax)
#define REGS_SYSCALL(r) ((long)(r)->orig_ax)
#define REGS_ARG1(r) ((r)->di)
#define REGS_ARG2(r) ((r)->si)
#define REGS_ARG3(r) ((__u32)(r)->dx)
#elif defined(__TARGET_ARCH_arm64)
	__u64 regs[31];
	__u64 sp, pc, pstate;
	__u64 orig_x0;
	int syscallno;
#define CALL_ARG1(r) ((r)->regs[0])
#define CALL_ARG2(r) ((r)->regs[1])
#define CALL_ARG3(r) ((r)->regs[2])
#define CALL_ARG4(r) ((r)->regs[3])
#define CALL_RETURNED(r) ((r)->regs[0])
#define REGS_SYSCALL(r) ((long)(r)->syscallno)
#define REGS_ARG1(r) ((r)->orig_x0)
#define REGS_ARG2(r) ((r)->regs[1])
#define REGS_ARG3(r) ((__u32)(r)->regs[2])
#else
	/* Registers of other machines aren't known here: what a thread waits for is told by its state alone. */
	char unknown;
#define CALL_ARG1(r) (0ul)
#define CALL_ARG2(r) (0ul)
#define CALL_ARG3(r) (0ul)
#define CALL_ARG4(r) (0ul)
#define CALL_RETURNED(r) (0ul)
#define REGS_SYSCALL(r) (SCHED_SYSCALLS)
#define REGS_ARG1(r) (0ul)
#define REGS_ARG2(r) (0ul)
#define REGS_ARG3(r) (0u)
#endif
};

struct minmax_sample {
	__u32 v;
};

struct minmax {
	struct minmax_sample s[3];
};

struct tcp_sock {
	__u64 bytes_sent, bytes_retrans, bytes_acked, bytes_received, tcp_mstamp;
	__u32 segs_out, total_retrans, srtt_us, snd_nxt, snd_una;
	struct minmax rtt_min;
};

struct sk_buff {
	unsigned int len;
	unsigned char *data;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id, seq_num;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct sock *sk;
	void *value;
};

#pragma clang attribute pop

/* What a perf_event program is given: the registers in the form of this architecture, then this. Not of the kernel's BTF. */
struct bpf_perf_event_data {
#if defined(__TARGET_ARCH_arm64)
	__u64 regs[34];
#else
	__u64 regs[21];
#endif
	__u64 sample_period, addr;
};

#endif
