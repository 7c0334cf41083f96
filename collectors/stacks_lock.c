#include "stacks_lock.h"

#include "stacks_columns.h"

enum { REASON = STACKS_OWN };

#define SOURCE "tracepoints contention_begin, contention_end; a wait shorter than 1 ms by chance, with the weight that makes up for it"

static const struct culprit_column columns[] = {
	STACKS_COMMON("Kernel part of the stack, where the lock was got"),
	STACKS_WAITS("How long it waited there, in all. Of an rwsem without what was spun before it slept: the kernel does not tell", SOURCE),
	[REASON] = TEXT("reason", "Kind of lock: spinlock, rwlock read, rwlock write (burn a CPU meanwhile), mutex, rwsem read, rwsem "
			"write (mmap, directories), rtmutex (also a futex with priority inheritance), percpu-rwsem read, percpu-rwsem "
			"write, semaphore", SOURCE),
};

static const struct culprit_derived derived[] = {
	STACKS_WAITS_DERIVED,
};

const struct culprit_table lock_table = {
	STACKS_TABLE,
	.name = "kernel_lock",
	.help = "Stacks that wait for a lock of the kernel which somebody else holds: where, which kind, how long. " STACKS_ROW_ENDS,
	.sort = "wait_pct",
	.show = "comm tid reason wait_pct wait_mean waits kernel_stack user_stack end",
};

static const char *kind_of(uint32_t flags)
{
	if (flags & LOCK_MUTEX)
		return "mutex";
	if (flags & LOCK_PERCPU)
		return flags & LOCK_WRITE ? "percpu-rwsem write" : "percpu-rwsem read";
	if (flags & LOCK_SPIN)
		return flags & LOCK_WRITE ? "rwlock write" : flags & LOCK_READ ? "rwlock read" : "spinlock";
	if (flags & LOCK_RT)
		return "rtmutex";
	return flags & LOCK_WRITE ? "rwsem write" : flags & LOCK_READ ? "rwsem read" : "semaphore";
}

void lock_put(void *ignored, struct culprit_frame *f, const struct stacks_row *row)
{
	(void)ignored;
	culprit_put_string(f, REASON, kind_of(row->key.reason));
}
