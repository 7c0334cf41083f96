/* One record of the kernel log, and what it tells of. The bytes are hostile: names of processes, labels of disks and whatever
 * a user writes to /dev/kmsg are in them. */
#ifndef COLLECTORS_KMSG_H
#define COLLECTORS_KMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KMSG_TEXT_MAX = 512 };

enum kmsg_class {
	KMSG_OTHER, KMSG_OOM, KMSG_HUNG, KMSG_IO_ERROR, KMSG_READ_ONLY, KMSG_SEGFAULT, KMSG_BUG, KMSG_LINK, KMSG_CLASSES,
};

struct kmsg_record {
	uint64_t seq;
	uint64_t time_us; /* of the kernel's log clock, which is near to CLOCK_MONOTONIC and drifts from it */
	uint8_t level;	  /* 0 emerg .. 7 debug */
	uint8_t facility; /* 0: the kernel's own */
	uint8_t class;	  /* enum kmsg_class; of what others wrote KMSG_OTHER */
	bool incident;	  /* the line that stands for all those that one incident writes */
	uint16_t len;
	char text[KMSG_TEXT_MAX]; /* raw bytes: the kernel's \xHH are undone */
};

/* A line "level,seq,time,flags[,...];text" without its newline. False: it is none. */
bool kmsg_parse(const char *line, size_t len, struct kmsg_record *);
const char *kmsg_level_name(uint8_t level);
/* "kern", "daemon", "local3"; "?" */
const char *kmsg_facility_name(uint8_t facility);
const char *kmsg_class_name(uint8_t class);

#endif
