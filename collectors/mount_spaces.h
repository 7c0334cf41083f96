/* To which file system a path belongs, as a process has it: in its own mount namespace, where other things may be mounted in other
 * places than here. By the text of paths and mountinfo alone: no file system is asked, so that a dead one does not matter.
 *
 * Not here: whose paths these are (mount_user.c). */
#ifndef COLLECTORS_MOUNT_SPACES_H
#define COLLECTORS_MOUNT_SPACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MOUNT_WANTED_MAX = 4 }; /* file systems that are asked for at once */

struct mount_space;
struct mount_spaces;

/* The wanted file systems by where they are mounted on the machine; at most MOUNT_WANTED_MAX, borrowed for the call. NULL: out of
 * memory. One that is not mounted is found nowhere. */
struct mount_spaces *mount_spaces_create(int proc_fd, const char *const *wanted, size_t n);
void mount_spaces_destroy(struct mount_spaces *); /* NULL-safe */

/* The namespace of a process; NULL: it cannot be seen, or there are more than 64. Lives as long as the spaces. */
const struct mount_space *mount_spaces_of(struct mount_spaces *, uint32_t pid);
/* Which of the wanted the path lies on, as a link of /proc shows it ("/var/log/x (deleted)"); -1: on none, or it is no path. */
int mount_space_find(const struct mount_space *, const char *path, size_t len);

#endif
