/* Mounts, as /proc/self/mountinfo lists them. */
#ifndef COLLECTORS_MOUNTS_H
#define COLLECTORS_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "procfs.h"

/* "36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/root rw,errors=continue" */
struct mount_line {
	uint64_t device; /* major << 32 | minor */
	struct procfs_text root, point; /* escaped as in the file: procfs_unescape() */
	struct procfs_text options, type, source, super_options;
};

/* Below /proc, the file of the machine's mounts: those of process 1. A service whose sandbox has a mount namespace of its own would
 * take for read-only what only it may not write. */
const char *mounts_of_machine(int proc_fd);
/* False: the line is malformed. Borrows from it. */
bool mount_parse(struct procfs_text line, struct mount_line *ret);
/* Is `option` among "rw,noatime,..."? */
bool mount_option(const struct procfs_text *options, const char *option);

#endif
