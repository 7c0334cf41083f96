#include "heap.h"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool is_locked(void)
{
	char text[4096], *at;
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "\nVmLck:");
	return at && strtoull(at + 7, NULL, 10) > 0;
}

enum { POPULATE_LEAST = 32 << 10 }; /* for less it isn't worth a system call, which most of the time finds them there */

void heap_populate(void *bytes, size_t n)
{
#ifdef MADV_POPULATE_WRITE
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = ((uintptr_t)bytes + page - 1) & ~(page - 1);
	uintptr_t end = ((uintptr_t)bytes + n) & ~(page - 1);

	if (end > begin && end - begin >= POPULATE_LEAST)
		(void)!madvise((void *)begin, end - begin, MADV_POPULATE_WRITE);
#else
	(void)bytes;
	(void)n;
#endif
}

void heap_give_back(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), end = (uintptr_t)sbrk(0) & ~(page - 1);
	uintptr_t begin = (end - mallinfo2().arena + page - 1) & ~(page - 1);
	bool locked = is_locked();

	/* The kernel does not take pages that are locked: MADV_DONTNEED says EINVAL. */
	if (locked)
		munlock((void *)begin, end - begin);
	malloc_trim(0);
	end = (uintptr_t)sbrk(0) & ~(page - 1);
	if (locked && end > begin)
		(void)!mlock2((void *)begin, end - begin, MLOCK_ONFAULT);
}

static int give_back_object(struct dl_phdr_info *info, size_t size, void *locked)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t begin = ((uintptr_t)info->dlpi_addr + p->p_vaddr) & ~(page - 1);
		uintptr_t end = ((uintptr_t)info->dlpi_addr + p->p_vaddr + p->p_memsz + page - 1) & ~(page - 1);

		/* What may be written is not the file's any more. */
		if (p->p_type != PT_LOAD || p->p_flags & PF_W)
			continue;
		if (*(bool *)locked)
			munlock((void *)begin, end - begin);
		madvise((void *)begin, end - begin, MADV_DONTNEED);
		if (*(bool *)locked)
			(void)!mlock2((void *)begin, end - begin, MLOCK_ONFAULT);
	}
	return 0;
}

void heap_give_back_code(void)
{
	bool locked = is_locked();

	dl_iterate_phdr(give_back_object, &locked);
}
