/* System calls by number: their names, and what a thread that blocks in one waits for. */
#include <stddef.h>
#include <sys/syscall.h>

#include "sched_internal.h"

/* Made by the Makefile from the headers of this architecture: [N] = "name". */
static const char *const names[] = {
#include "syscall_names.h"
};

#define AS(call, reason) {SYS_##call, SCHED_##reason}

static const struct {
	unsigned short number;
	unsigned char reason;
} reasons[] = {
	/* By what the descriptor is. */
	AS(read, BY_FILE), AS(write, BY_FILE_OUT), AS(readv, BY_FILE), AS(writev, BY_FILE_OUT), AS(pread64, BY_FILE),
	AS(pwrite64, BY_FILE_OUT), AS(preadv, BY_FILE), AS(pwritev, BY_FILE_OUT), AS(preadv2, BY_FILE), AS(pwritev2, BY_FILE_OUT),
	AS(recvfrom, BY_FILE), AS(recvmsg, BY_FILE), AS(recvmmsg, BY_FILE), AS(sendto, BY_FILE_OUT), AS(sendmsg, BY_FILE_OUT),
	AS(sendmmsg, BY_FILE_OUT), AS(sendfile, BY_FILE_OUT), AS(splice, BY_FILE), AS(vmsplice, BY_FILE_OUT), AS(tee, BY_FILE),
	AS(connect, BY_FILE_OUT), AS(shutdown, BY_FILE_OUT), AS(ioctl, BY_FILE_OUT), AS(close, BY_FILE_OUT),
	/* Disks and filesystems. */
	AS(fsync, DISK), AS(fdatasync, DISK), AS(sync, DISK), AS(syncfs, DISK), AS(sync_file_range, DISK), AS(msync, DISK),
	AS(fallocate, DISK), AS(ftruncate, DISK), AS(truncate, DISK), AS(openat, DISK), AS(unlinkat, DISK), AS(mkdirat, DISK),
	AS(newfstatat, DISK), AS(statx, DISK), AS(getdents64, DISK), AS(renameat, DISK), AS(renameat2, DISK), AS(linkat, DISK),
	AS(symlinkat, DISK), AS(readlinkat, DISK), AS(fchmodat, DISK), AS(fchownat, DISK), AS(utimensat, DISK), AS(faccessat, DISK),
	AS(execve, DISK), AS(readahead, DISK), AS(copy_file_range, DISK), AS(mount, DISK), AS(umount2, DISK), AS(statfs, DISK),
	AS(fstatfs, DISK), AS(fstat, DISK), AS(lseek, DISK), AS(fchmod, DISK), AS(fchown, DISK), AS(getxattr, DISK),
	AS(setxattr, DISK), AS(fgetxattr, DISK), AS(fsetxattr, DISK), AS(io_submit, DISK),
#ifdef SYS_open
	AS(open, DISK), AS(stat, DISK), AS(lstat, DISK), AS(access, DISK), AS(unlink, DISK), AS(rename, DISK), AS(mkdir, DISK),
	AS(rmdir, DISK), AS(link, DISK), AS(symlink, DISK), AS(readlink, DISK), AS(creat, DISK), AS(getdents, DISK),
	AS(chmod, DISK), AS(chown, DISK),
#endif
	/* Locks. */
	AS(futex, BY_FUTEX), AS(flock, LOCK), AS(fcntl, LOCK),
	/* Memory: its maps are locked, pages are given back or fetched. */
	AS(mmap, MEMORY), AS(munmap, MEMORY), AS(mprotect, MEMORY), AS(mremap, MEMORY), AS(brk, MEMORY), AS(madvise, MEMORY),
	AS(mlock, MEMORY), AS(mlockall, MEMORY), AS(munlock, MEMORY), AS(process_vm_readv, MEMORY), AS(move_pages, MEMORY),
	AS(migrate_pages, MEMORY), AS(mbind, MEMORY),
	/* Local peers. */
	AS(msgrcv, IDLE_MAYBE), AS(msgsnd, PIPE), AS(semop, PIPE), AS(semtimedop, PIPE), AS(mq_timedreceive, IDLE_MAYBE),
	AS(mq_timedsend, PIPE),
	/* Nothing to do. */
	AS(accept, IDLE), AS(accept4, IDLE), AS(epoll_pwait, IDLE), AS(ppoll, IDLE), AS(pselect6, IDLE), AS(nanosleep, IDLE),
	AS(clock_nanosleep, IDLE), AS(wait4, IDLE), AS(waitid, IDLE), AS(rt_sigtimedwait, IDLE), AS(rt_sigsuspend, IDLE),
	AS(restart_syscall, IDLE), AS(ptrace, IDLE),
#ifdef SYS_epoll_wait
	AS(epoll_wait, IDLE), AS(poll, IDLE), AS(select, IDLE), AS(pause, IDLE),
#endif
#ifdef SYS_vfork
	AS(vfork, IDLE),
#endif
#ifdef SYS_epoll_pwait2
	AS(epoll_pwait2, IDLE),
#endif
	/* For its own requests to a disk, or as the reaper of others', who may have sent none: how many are under way stands in
	 * counters of each CPU, and blk-mq knows it of processes, in another program. So nobody is accused, and nothing hidden. */
	AS(io_getevents, IDLE_MAYBE),
#ifdef SYS_io_pgetevents
	AS(io_pgetevents, IDLE_MAYBE),
#endif
#ifdef SYS_io_uring_enter
	AS(io_uring_enter, IDLE),
#endif
#ifdef SYS_futex_waitv
	AS(futex_waitv, IDLE_MAYBE),
#endif
#ifdef SYS_openat2
	AS(openat2, DISK),
#endif
#ifdef SYS_clone3
	AS(clone3, IDLE), /* vfork() by another name */
#endif
};

void sched_syscalls_fill(unsigned char *to, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		to[i] = SCHED_OTHER;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].number < n)
			to[reasons[i].number] = reasons[i].reason;
}

const char *sched_syscall_name(int number)
{
	return number >= 0 && (size_t)number < sizeof(names) / sizeof(names[0]) ? names[number] : NULL;
}
