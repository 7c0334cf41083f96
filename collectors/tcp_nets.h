/* Network namespaces in which somebody holds TCP sockets: an iterator over sockets sees only those of the namespace that it was made in,
 * so one is made in each. Not here: what is read from them (tcp_watch.c). */
#ifndef COLLECTORS_TCP_NETS_H
#define COLLECTORS_TCP_NETS_H

#include <stdbool.h>
#include <stdint.h>

enum { TCP_NETS_MAX = 16 }; /* a look at one takes as long as the kernel's table of all connections is large, about a millisecond */

struct tcp_nets {
	uint32_t own; /* inode of ours; 0: not known */
	unsigned n;
	bool more; /* than have room */
	struct tcp_net {
		uint32_t inode, pid; /* of a process in it; 0: none is known */
		int fd;              /* an iterator made in it, or -1 */
	} list[TCP_NETS_MAX];
};

/* Before anything else. proc_fd: /proc, borrowed for the call. */
void tcp_nets_init(struct tcp_nets *, int proc_fd);
/* None is known but ours: a look at all files begins. */
void tcp_nets_forget(struct tcp_nets *);
/* It found a socket of namespace `inode` (0: there is but one), held by `pid`, which is in there itself; 0: by one that is not. */
void tcp_nets_held(struct tcp_nets *, uint32_t inode, uint32_t pid);
/* Calls iterate(arg) in each namespace but ours, on a thread that ends with the call, and keeps the descriptors that it returns. An open
 * iterator keeps its namespace from ending: tcp_nets_close(). false: some can't be looked at (its process has ended, we may
 * not, or there are more than have room). */
bool tcp_nets_open(struct tcp_nets *, int proc_fd, int (*iterate)(void *arg), void *arg);
void tcp_nets_close(struct tcp_nets *);

#endif
