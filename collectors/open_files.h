/* The open files of all processes, one after the other and in pieces: who looks through them on the sampling thread stops after so
 * many and goes on where it stopped. Only folders and links of /proc are read, never a file that they lead to: nothing blocks.
 *
 * Not here: what is made of them (tcp_flow_diag.c: whose sockets are; mount_user.c: who uses a file system). */
#ifndef COLLECTORS_OPEN_FILES_H
#define COLLECTORS_OPEN_FILES_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct open_files {
	int proc_fd; /* borrowed */
	DIR *processes, *files; /* NULL: not begun; between two processes */
	const char *name;       /* of the file at hand, in the folder of its process's */
	uint32_t pid;
	bool known;             /* the following are */
	uint64_t start;         /* ticks since boot; 0: it has gone */
	char comm[16];
	size_t denied;          /* processes of this walk whose files we may not see */
};

struct open_files_take {
	void (*process)(void *self, struct open_files *); /* before its files; may be NULL */
	void (*file)(void *self, struct open_files *);
};

/* init/finish; finishing one of zeros does nothing. */
void open_files_init(struct open_files *, int proc_fd);
void open_files_finish(struct open_files *);

/* Goes on for `most` processes and files. true: it has come to the end, and the next call begins anew. */
bool open_files_walk(struct open_files *, size_t most, const struct open_files_take *, void *self);
/* From within `process` and `file`: fills in start and comm of the process. false: it has gone. */
bool open_files_know(struct open_files *);
/* From within `file`: where the link leads to, as text. Returns its length; 0: it is closed. */
size_t open_files_link(const struct open_files *, char *to, size_t cap);

#endif
