/* Which block devices there are, from /proc/diskstats: the one place that gives them names and generations, so that all
 * tables of devices have the same keys. */
#ifndef COLLECTORS_DISKSTATS_H
#define COLLECTORS_DISKSTATS_H

#include "devices.h"
#include "procfs.h"

struct diskstats {
	struct procfs_file file;
	struct procfs_buffer text;
	struct procfs_text rest;
	struct devices devices;
};

/* A device that is there, or was used. */
struct diskstats_line {
	struct device *device; /* borrowed until the next sample */
	uint32_t major, minor;
	struct procfs_text values; /* fields 4 and up */
};

/* init/finish. */
void diskstats_init(struct diskstats *, int proc_fd);
void diskstats_finish(struct diskstats *);
/* Reads it: a sample begins. -errno: it could not be read, and no sample began. */
int diskstats_read(struct diskstats *);
/* The next device of the sample. Loop, ram, zram, nbd, fd and sr devices that were never used are left out. */
bool diskstats_next(struct diskstats *, struct diskstats_line *);
/* Does the name begin with one of these words (the last is NULL), with a digit behind it? */
bool diskstats_is_one_of(const char *name, const char *const *words);

#endif
