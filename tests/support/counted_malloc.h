/* Every way to take memory, counted, and failing where a test wants it to: while `counting` is true each malloc(), calloc() and
 * realloc() of the program and its libraries adds one to `allocations`, and where `fails_at` is not 0 that many less one are
 * granted and all after them refused. It defines these functions: for one file of a test's program. With COUNT_ONE_THREAD defined
 * before, `counting` is each thread's own. CAN_COUNT is 0 where there is nothing to count: sanitizers bring their own, and who
 * grants what is asked for here is glibc. */
#ifndef SUPPORT_COUNTED_MALLOC_H
#define SUPPORT_COUNTED_MALLOC_H

#include <stdlib.h> /* first of all: it says whether this is glibc */

#include <stdbool.h>

#ifdef COUNT_ONE_THREAD
static __thread bool counting;
#else
static bool counting;
#endif
static unsigned long allocations;
static unsigned long fails_at __attribute__((unused)); /* set by tests that run out of memory */

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CAN_COUNT 1
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
/* Visible: calls of libraries must come here, too. */
__attribute__((visibility("default"))) void *malloc(size_t n);
__attribute__((visibility("default"))) void *calloc(size_t n, size_t size);
__attribute__((visibility("default"))) void *realloc(void *p, size_t n);

static bool counted_refusal(void)
{
	allocations += counting;
	return counting && fails_at && allocations >= fails_at;
}

void *malloc(size_t n)
{
	return counted_refusal() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return counted_refusal() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return counted_refusal() ? NULL : __libc_realloc(p, n);
}
#else
#define CAN_COUNT 0
#endif

/* Skips the running test, with the reason, where nothing can be counted. */
#define need_counting()                                                                                                \
	do {                                                                                                           \
		if (!CAN_COUNT) {                                                                                      \
			print_message("skipped: allocations are counted with glibc's malloc only, not a sanitizer's\n");       \
			skip();                                                                                        \
		}                                                                                                      \
	} while (0)

#endif
