#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- Landlock, by its numbers: headers of the build machine may be older than the kernel it runs on --- */

#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset 444
#define __NR_landlock_add_rule 445
#define __NR_landlock_restrict_self 446
#endif

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

struct path_beneath_attr {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

enum { VERSION_FLAG = 1, RULE_PATH_BENEATH = 1 };
enum {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_REMOVE_FILE = 1 << 5,
	FS_MAKE_REG = 1 << 8,
	FS_TRUNCATE = 1 << 14,
};

static uint64_t rights_of(int version)
{
	/* 13 in the first version, then REFER, TRUNCATE, IOCTL_DEV. */
	unsigned bits = version >= 5 ? 16 : version >= 3 ? 15 : version >= 2 ? 14 : 13;

	return (UINT64_C(1) << bits) - 1;
}

static int allow(int ruleset, const char *path, uint64_t rights)
{
	struct path_beneath_attr rule = {.allowed = rights};
	int r;

	rule.parent_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* A folder that is not there needs no right. */
	if (rule.parent_fd < 0)
		return 0;
	r = (int)syscall(__NR_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0u);
	close(rule.parent_fd);
	return r;
}

static int landlock_on(const struct sandbox_options *o)
{
	struct ruleset_attr attr = {0};
	int version = (int)syscall(__NR_landlock_create_ruleset, NULL, (size_t)0, VERSION_FLAG), ruleset, r = 0;
	uint64_t read = FS_READ_FILE | FS_READ_DIR, write;

	if (version < 1)
		return 0;
	attr.fs = rights_of(version);
	attr.net = version >= 4 ? 3 : 0;    /* TCP: bind, connect */
	attr.scoped = version >= 6 ? 3 : 0; /* abstract sockets, signals */
	write = (read | FS_WRITE_FILE | FS_REMOVE_FILE | FS_MAKE_REG | FS_TRUNCATE) & attr.fs;
	ruleset = (int)syscall(__NR_landlock_create_ruleset, &attr,
			       version >= 6 ? sizeof(attr) : version >= 4 ? (size_t)16 : (size_t)8, 0u);
	if (ruleset < 0)
		return 0;
	for (int i = 0; i < SANDBOX_DIRS_MAX && !r; i++) {
		if (o->readable[i])
			r = allow(ruleset, o->readable[i], read);
		if (o->writable[i] && !r)
			r = allow(ruleset, o->writable[i], write);
	}
	if (!r)
		r = (int)syscall(__NR_landlock_restrict_self, ruleset, 0u);
	close(ruleset);
	return r ? 0 : version;
}

/* --- seccomp --- */

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef OWN_ARCH

/* Enough for reading files that are open or allowed, drawing, waiting, and ending. */
static const uint16_t allowed[] = {
	__NR_read, __NR_readv, __NR_pread64, __NR_write, __NR_writev, __NR_pwrite64, __NR_close, __NR_fstat, __NR_newfstatat,
	__NR_statx, __NR_lseek, __NR_munmap, __NR_mremap, __NR_madvise, __NR_mlock, __NR_munlock, __NR_brk, __NR_openat,
	__NR_readlinkat, __NR_getdents64, __NR_unlinkat, __NR_renameat, __NR_renameat2, __NR_fsync, __NR_fdatasync,
	__NR_ftruncate, __NR_fcntl, __NR_flock, __NR_dup, __NR_dup3, __NR_faccessat, __NR_getcwd, __NR_umask, __NR_fadvise64,
	__NR_rt_sigaction, __NR_rt_sigprocmask, __NR_rt_sigreturn, __NR_rt_sigtimedwait, __NR_sigaltstack,
	__NR_restart_syscall, __NR_ppoll, __NR_pselect6, __NR_timerfd_create, __NR_timerfd_settime, __NR_timerfd_gettime,
	__NR_signalfd4, __NR_clock_gettime, __NR_clock_nanosleep, __NR_nanosleep, __NR_gettimeofday, __NR_getpid, __NR_gettid,
	__NR_getppid, __NR_getuid, __NR_geteuid, __NR_getgid, __NR_getegid, __NR_getrandom, __NR_futex, __NR_sched_yield,
	__NR_sched_getaffinity, __NR_getrusage, __NR_uname, __NR_sysinfo, __NR_exit, __NR_exit_group,
#ifdef __NR_faccessat2
	__NR_faccessat2,
#endif
#ifdef __NR_rseq
	__NR_rseq,
#endif
#ifdef __x86_64__
	__NR_open, __NR_stat, __NR_lstat, __NR_poll, __NR_select, __NR_access, __NR_readlink, __NR_unlink, __NR_rename,
	__NR_dup2, __NR_time, __NR_mkdir,
#endif
	__NR_mkdirat,
};
enum { NALLOWED = sizeof(allowed) / sizeof(allowed[0]), PROGRAM_MAX = 2 * NALLOWED + 64 };

struct program {
	struct sock_filter code[PROGRAM_MAX];
	unsigned short n;
};

static void put(struct program *p, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	p->code[p->n++] = (struct sock_filter){code, jt, jf, k};
}

static void load(struct program *p, size_t offset)
{
	put(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static void give(struct program *p, uint32_t action)
{
	put(p, BPF_RET | BPF_K, 0, 0, action);
}

/* Of this system call: refused where these bits of the argument are set, else allowed. */
static void unless_bits(struct program *p, uint32_t nr, int argument, uint32_t bits)
{
	put(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, nr);
	load(p, offsetof(struct seccomp_data, args) + 8 * (size_t)argument);
	put(p, BPF_JMP | BPF_JSET | BPF_K, 0, 1, bits);
	give(p, SECCOMP_RET_ERRNO | EPERM);
	give(p, SECCOMP_RET_ALLOW);
}

/* Allowed only where the argument is `value`; `otherwise` not. */
static void if_equal(struct program *p, uint32_t nr, int argument, uint32_t value, bool equal)
{
	put(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, nr);
	load(p, offsetof(struct seccomp_data, args) + 8 * (size_t)argument);
	put(p, BPF_JMP | BPF_JEQ | BPF_K, equal ? 0 : 1, equal ? 1 : 0, value);
	give(p, SECCOMP_RET_ALLOW);
	give(p, SECCOMP_RET_ERRNO | EPERM);
}

static bool seccomp_on(void)
{
	struct program p = {.n = 0};
	struct sock_fprog prog = {.filter = p.code};

	load(&p, offsetof(struct seccomp_data, arch));
	put(&p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, OWN_ARCH);
	give(&p, SECCOMP_RET_KILL_PROCESS);
	load(&p, offsetof(struct seccomp_data, nr));
	for (int i = 0; i < NALLOWED; i++) {
		put(&p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, allowed[i]);
		give(&p, SECCOMP_RET_ALLOW);
	}
	/* No code that was not there; no signal to others; nothing typed into the terminal. */
	unless_bits(&p, __NR_mmap, 2, PROT_EXEC);
	unless_bits(&p, __NR_mprotect, 2, PROT_EXEC);
	if_equal(&p, __NR_tgkill, 0, (uint32_t)getpid(), true);
	if_equal(&p, __NR_kill, 0, (uint32_t)getpid(), true);
	if_equal(&p, __NR_ioctl, 1, TIOCSTI, false);
	give(&p, SECCOMP_RET_ERRNO | EPERM);
	prog.len = p.n;
	return !syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0u, &prog);
}

#else

static bool seccomp_on(void)
{
	return false;
}

#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

void sandbox_enter(const struct sandbox_options *o, struct sandbox_report *r)
{
	memset(r, 0, sizeof(*r));
	if (SANITIZED && !o->forced) {
		snprintf(r->sentence, sizeof(r->sentence), "sandbox off: the sanitizer that is built in needs more");
		return;
	}
	/* Without it only root may; with it no program started could have more rights than we. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		snprintf(r->sentence, sizeof(r->sentence), "sandbox off: the kernel refuses it (%s)", strerror(errno));
		return;
	}
	r->landlock = o->without_landlock ? 0 : landlock_on(o);
	r->seccomp = seccomp_on();
	if (r->landlock && r->seccomp)
		snprintf(r->sentence, sizeof(r->sentence),
			 "sandbox on (Landlock %d, seccomp): no other files, no network, no programs", r->landlock);
	else if (r->seccomp)
		snprintf(r->sentence, sizeof(r->sentence),
			 "sandbox by seccomp alone: no network, no programs; this kernel has no Landlock (Linux 5.13, lsm=landlock), "
			 "so files are not shut off");
	else if (r->landlock)
		snprintf(r->sentence, sizeof(r->sentence),
			 "sandbox by Landlock %d alone: no other files; this kernel has no seccomp filters", r->landlock);
	else
		snprintf(r->sentence, sizeof(r->sentence),
			 "sandbox off: this kernel has neither Landlock nor seccomp; open only recordings you trust");
}
