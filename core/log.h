/* The bounded log: the last sentences of the program and its collectors, for `:log` and `culprit collectors`. May be
 * written and read from any thread. */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stddef.h>
#include <stdint.h>

enum { LOG_LINES = 256, LOG_LINE_MAX = 256 };

struct log_line {
	uint64_t seq;    /* 1, 2, 3 ... */
	uint64_t mono_ns;
	uint32_t level;  /* enum culprit_log_level */
	uint32_t repeats; /* said so many times more in a row */
	char text[LOG_LINE_MAX];
};

struct log;

struct log *log_create(void); /* NULL: out of memory */
void log_destroy(struct log *);
/* `who`: a collector's name, or NULL. Longer text is cut. */
void log_say(struct log *, uint64_t mono_ns, uint32_t level, const char *who, const char *sentence);
/* Copies the lines after `seq`, oldest first, at most cap. */
size_t log_read(struct log *, uint64_t seq, struct log_line *, size_t cap);

#endif
