/* What kind of box this is: distribution, hypervisor, container. Read once, when the collector `host` is opened. */
#ifndef COLLECTORS_HOST_H
#define COLLECTORS_HOST_H

#include <stddef.h>

struct host_kind {
	char distribution[128];
	char virtualisation[32]; /* "none" where nothing speaks for a virtual machine */
	char container[32];      /* "" where nothing speaks for a container */
};

void host_kind_read(struct host_kind *, int proc_fd, int sys_fd);
/* The value of container= in a process's environment (NUL-separated); "" where it isn't there. */
void host_container_from_environ(const char *bytes, size_t n, char *ret, size_t cap);

#endif
