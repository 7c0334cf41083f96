/* Things that have a name and come and go: disks, network devices. Remembers who was there in the last sample, so that
 * one that comes back under its old name gets another generation. */
#ifndef COLLECTORS_DEVICES_H
#define COLLECTORS_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DEVICE_NAME_MAX = 127, /* the kernel's own limits are 31 and 15 */
	DEVICES_MAX = 8192,
	DEVICES_SLOW = 60,     /* attributes are read every so many samples */
};

struct device {
	char name[DEVICE_NAME_MAX + 1];
	uint32_t generation;
	uint64_t identity; /* device number, or whatever else tells two of one name apart; 0: nothing does */
	uint64_t seen;     /* last sample in which it was there */
	uint64_t slow_at;  /* sample in which its attributes are due */
	bool fresh;        /* it wasn't there in the last sample */
	uint64_t own[3];   /* the collector's; 0 when it is fresh */
};

struct devices {
	struct device *list;
	size_t n, cap, hint;
	uint64_t sample; /* counted from 1 */
	bool clean, was_clean; /* every line of this sample, of the last, was understood */
};

/* init/finish. */
void devices_init(struct devices *);
void devices_finish(struct devices *); /* NULL-safe */
void devices_begin(struct devices *);  /* a sample */
/* This one is there. NULL: its name is too long, it was named twice in this sample, or there are too many. Borrowed
 * until the next call. Cheap where the order is that of the last sample. */
struct device *devices_see(struct devices *, const char *name, size_t len, uint64_t identity);
/* Some line was not understood: who appears in the next sample may have been there all the time. */
void devices_unclean(struct devices *);
/* It began after the last sample: its counters count from 0. */
bool device_born(const struct devices *, const struct device *);
/* Its name as a folder of sysfs has it: '/' reads '!' there. False: it cannot be the name of a folder. */
bool device_folder(const struct device *, char buf[DEVICE_NAME_MAX + 1]);
/* Are its attributes due? Spread over the samples. `whole`: always. */
bool device_slow(const struct devices *, struct device *, bool whole);

#endif
