/* A process of more threads than are looked at one by one: for tests of what is told of them then. */
#ifndef KERNEL_CROWD_H
#define KERNEL_CROWD_H

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CROWD = 20200 };

static inline void *crowd_sleeps(void *name)
{
	prctl(PR_SET_NAME, name);
	for (;;)
		pause();
	return NULL;
}

/* Its number; it ends with us, or when it is killed. 0: there is no room for so many here. -1: no process could be made. */
static inline pid_t crowd_start(void)
{
	int ready[2];
	pid_t pid;
	char c = 0;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (pid == 0) {
		pthread_attr_t attr;
		pthread_t t;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, 32768);
		for (unsigned i = 0; i < CROWD; i++)
			if (pthread_create(&t, &attr, crowd_sleeps, (void *)"crowd"))
				_exit(1);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (pid > 0 && read(ready[0], &c, 1) != 1) {
		waitpid(pid, NULL, 0);
		pid = 0;
	}
	close(ready[0]);
	return pid;
}

#endif
