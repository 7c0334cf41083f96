/* How much of an allocation has ever been looked at: a page that was only read takes memory as well, on some kernels. */
#ifndef TESTS_SUPPORT_TOUCHED_H
#define TESTS_SUPPORT_TOUCHED_H

#include <stddef.h>

/* Pages that are there of those of a large allocation (one that malloc() maps by itself); 0 where a sanitizer has the memory. */
size_t touched_pages(void *allocation);

#endif
