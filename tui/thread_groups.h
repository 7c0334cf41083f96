/* Threads grouped by name with the digits removed: "http-nio-8080-exec-17" and -18 are one row. */
#ifndef TUI_THREAD_GROUPS_H
#define TUI_THREAD_GROUPS_H

#include "rows.h"

enum { THREAD_GROUPS_MAX = 2000, GROUP_SLOTS = 4096, GROUP_NAME_MAX = 32, GROUP_WAITS_MAX = 8 };

struct thread_group {
	char name[GROUP_NAME_MAX]; /* raw bytes, NUL-terminated; runs of digits at its end or between words are gone */
	char title[GROUP_NAME_MAX]; /* for reading: digits that all of them have stay, as in http-nio-8080-e */
	size_t n, busy;            /* threads; those that did anything in the window */
	struct bar bar;            /* busy time, percent of one thread, summed; idle is not */
	struct {
		char wchan[32];
		size_t n;
	} waits[GROUP_WAITS_MAX]; /* what they stand in now */
};

enum group_order { GROUP_BY_NAME, GROUP_BY_COUNT, GROUP_BY_BUSY, GROUP_BY_CPU, GROUP_BY_TIME, GROUP_ORDERS };

struct thread_groups {
	enum group_order order; /* GROUP_BY_TIME: all that is not idle */
	bool reverse;           /* smallest first, names from z */
	struct thread_group *groups;
	size_t n, cap;
	size_t idle; /* threads that did nothing, in all groups */
	bool cut;    /* there were more groups than fit */
	bool timed;  /* of some thread it is known what it waited for */
	uint16_t slots[GROUP_SLOTS]; /* hash -> group + 1, while gathering */
};

void thread_groups_finish(struct thread_groups *);
void thread_groups_rest(struct thread_groups *); /* gives the groups back; how they are sorted stays */
/* Gathers all rows of a query of `thread`, and sorts them. -ENOMEM. */
int thread_groups_gather(struct thread_groups *, struct rows *);
/* The name without digits; at most cap - 1 bytes. */
void thread_group_name(const char *comm, char *out, size_t cap);
/* A filter that holds for the threads of this group. */
void thread_group_filter(const struct thread_group *, char *out, size_t cap);

#endif
