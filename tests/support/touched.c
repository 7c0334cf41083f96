#include "support/touched.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

size_t touched_pages(void *allocation)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), touched = 0;
	uintptr_t begin = (uintptr_t)allocation & ~(page - 1), end = (uintptr_t)allocation + malloc_usable_size(allocation);

#ifdef __SANITIZE_ADDRESS__
	return 0;
#endif
	for (; begin < end; begin += page) {
		unsigned char there = 0;

		if (mincore((void *)begin, page, &there) == 0 && there & 1)
			touched++;
	}
	return touched;
}
