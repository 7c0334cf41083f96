#include "filelock.h"

#include <errno.h>
#include <sys/file.h>
#include <time.h>

enum { TRIES = 100, PAUSE_MS = 20 };

int filelock_take(int fd)
{
	const struct timespec pause = {0, PAUSE_MS * 1000000};

	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK)
			return -errno;
		if (i == TRIES)
			return -EBUSY;
		nanosleep(&pause, NULL);
	}
	return 0;
}
