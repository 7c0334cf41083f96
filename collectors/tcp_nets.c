#include "tcp_nets.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void tcp_nets_init(struct tcp_nets *nets, int proc_fd)
{
	struct stat own;

	*nets = (struct tcp_nets){0};
	if (fstatat(proc_fd, "self/ns/net", &own, 0) == 0)
		nets->own = (uint32_t)own.st_ino;
}

void tcp_nets_forget(struct tcp_nets *nets)
{
	nets->n = 0;
	nets->more = false;
}

void tcp_nets_held(struct tcp_nets *nets, uint32_t inode, uint32_t pid)
{
	if (!inode || inode == nets->own)
		return;
	for (unsigned i = 0; i < nets->n; i++) {
		struct tcp_net *net = &nets->list[i];

		if (net->inode != inode)
			continue;
		net->pid = net->pid ? net->pid : pid;
		return;
	}
	if (nets->n == TCP_NETS_MAX)
		nets->more = true;
	else
		nets->list[nets->n++] = (struct tcp_net){.inode = inode, .pid = pid, .fd = -1};
}

struct visit {
	struct tcp_nets *nets;
	int proc_fd;
	int (*iterate)(void *arg);
	void *arg;
	bool all;
};

static bool enter(int proc_fd, const struct tcp_net *net)
{
	char path[32];
	struct stat is;
	bool in = false;
	int fd;

	if (!net->pid)
		return false;
	snprintf(path, sizeof(path), "%u/ns/net", net->pid);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	/* The number may be another process's by now, or the process have gone elsewhere. */
	if (fstat(fd, &is) == 0 && (uint32_t)is.st_ino == net->inode)
		in = setns(fd, CLONE_NEWNET) == 0;
	close(fd);
	return in;
}

static void *visit_all(void *arg)
{
	struct visit *v = arg;

	for (unsigned i = 0; i < v->nets->n; i++) {
		struct tcp_net *net = &v->nets->list[i];

		if (enter(v->proc_fd, net))
			net->fd = v->iterate(v->arg);
		v->all &= net->fd >= 0;
	}
	return NULL;
}

bool tcp_nets_open(struct tcp_nets *nets, int proc_fd, int (*iterate)(void *arg), void *arg)
{
	struct visit v = {.nets = nets, .proc_fd = proc_fd, .iterate = iterate, .arg = arg, .all = !nets->more};
	sigset_t all, before;
	pthread_t thread;
	int err;

	if (!nets->n)
		return v.all;
	/* This one has nothing to do with signals; and stays where it is. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&thread, NULL, visit_all, &v);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return false;
	pthread_join(thread, NULL);
	return v.all;
}

void tcp_nets_close(struct tcp_nets *nets)
{
	for (unsigned i = 0; i < nets->n; i++) {
		if (nets->list[i].fd >= 0)
			close(nets->list[i].fd);
		nets->list[i].fd = -1;
	}
}
