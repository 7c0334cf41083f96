/* The lock that keeps two recorders from writing under one name. */
#ifndef CORE_FILELOCK_H
#define CORE_FILELOCK_H

/* Locks what the descriptor is of (flock, exclusive). A process that was killed holds its locks until the kernel has taken it
 * apart, which takes it up to a second with a large ring and programs in the kernel: who starts a recorder anew right after a
 * kill -9 is let wait for that, 2 s at most. 0; -EBUSY: somebody else holds it, and lives; -errno. */
int filelock_take(int fd);

#endif
