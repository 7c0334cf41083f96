/* What pods and containers are called by who made them, out of files alone: no runtime's socket is opened. Kubelet's folders
 * of logs name pods and their containers, Docker's folder of a container names that; else a container's /etc/hostname says
 * it. All of them are looked for below the root of process 1, by a helper: a disk may hang. */
#ifndef COLLECTORS_CGROUP_NAMES_H
#define COLLECTORS_CGROUP_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <culprit/host.h>

enum { CGROUP_ID_MAX = 64, CGROUP_UID_MAX = 40, CGROUP_NAME_MAX = 200 };

/* What a path says by itself. */
struct cgroup_who {
	char container[CGROUP_ID_MAX + 1]; /* its id; "": none */
	char pod[CGROUP_UID_MAX + 1];      /* the uid of the pod it is, or is in; "": none */
};

/* false: it is neither pod nor container, or lies inside of one. */
bool cgroup_who_parse(const char *path, struct cgroup_who *);

/* Where the asking of one group stands; zero at first. */
struct cgroup_naming {
	uint8_t step, tries;
	bool done;
	uint64_t again_ns; /* not before */
};

/* Asks on. 1: `name` (of CGROUP_NAME_MAX bytes) has it, `*ret_len` bytes of it; 0: not now, or never (then `done`); -errno: it
 * may not be read. `pid`: of a process in it, 0 where there is none. */
int cgroup_name_ask(const struct culprit_host *, const struct cgroup_who *, struct cgroup_naming *, uint64_t pid, uint64_t now_ns,
		    char *name, size_t *ret_len);

#endif
