/* A machine that is made up: the tables of the built-in collectors filled with a story, second by second, through the
 * builder and the writer of the program, so that panels can be tested over minutes of it without a clock. web-03 has 4 CPUs,
 * a java server with named threads, a shell that burns a CPU all the time, a backup that begins to write after two minutes,
 * a job that ended, a process whose I/O cannot be read, names that are an attack, no cgroups. */
#ifndef SUPPORT_MADE_HOST_H
#define SUPPORT_MADE_HOST_H

#include "source.h"

struct made_host;

struct made_host_options {
	unsigned idle;  /* so many more sleeping processes */
	bool calm;      /* nothing happens at all: nobody burns, nobody writes */
	bool no_psi;    /* the kernel keeps no pressure figures */
	const char *record; /* also into this file, as culprit record does; it is whole once the host is destroyed */
	bool nfs;       /* a file server is mounted, and slow */
	bool sockets;   /* who listens and who talks to whom; one accepts too slowly */
	bool nobody_listens; /* with `sockets`: but for one socket, whose is not known */
	bool syn_acks; /* more is sent again than sent: answers to connections, which are not among what is sent */
	bool pods;      /* control groups: services, pods and their containers, one stopped by its CPU limit */
	bool family;    /* a login that builds something, a shop in python3 and one in node, in control groups of their own */
	bool latencies; /* what only programs in the kernel see: waits for CPUs, the backup's writes on the disk */
	bool no_programs; /* nothing may be loaded into the kernel */
	bool partitions; /* the first disk has two */
	bool mount_users; /* it is looked at who uses /var */
	bool thrashing; /* java grows, mysqld waits for memory, as only programs in the kernel see */
	unsigned waits_until; /* with `thrashing`: waits for all else are measured too, until this second; then they rest for the budget. 0: not */
	bool murmur;    /* calm as real boxes are: now and then somebody does a little, and every number moves a bit */
};

/* Fails the running test where it cannot. */
struct made_host *made_host_create(const struct made_host_options *);
void made_host_destroy(struct made_host *);
/* So many seconds more of it. */
void made_host_run(struct made_host *, unsigned seconds);
/* So many seconds in which nobody sampled. */
void made_host_sleep(struct made_host *, unsigned seconds);
/* A source over it; the caller's. */
struct source *made_host_source(struct made_host *);

#endif
