/* The heap, and what else is ours, as the system sees it. */
#ifndef CORE_HEAP_H
#define CORE_HEAP_H

#include <stddef.h>

/* The pages that lie wholly within these bytes, all of which will be written, come now, together: in a virtual machine a page that comes by
 * itself can take 20 us, one of many less than one. Where the kernel cannot (before 5.14), and of less than 32 KB, they come as they are touched. */
void heap_populate(void *bytes, size_t n);

/* Gives pages back that are free in the midst of the heap: they stay ours unless somebody asks, and where memory is locked (mlockall)
 * even then. Takes a millisecond or so; other threads that want memory wait. */
void heap_give_back(void);

/* Gives back what is mapped of the code and constants of this program and its libraries: what is needed comes again, from the
 * system's cache, and what only starting needed does not. Where memory is locked, what comes again is. Some hundred microseconds. */
void heap_give_back_code(void);

#endif
