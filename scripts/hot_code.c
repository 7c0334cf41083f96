/* For scripts/hot_code.sh: linked into a program that was compiled with -finstrument-functions. Which functions of it run, and from
 * where they are called, between HOT_FROM_MS and HOT_TO_MS after the start (later than what only starting needs, and before the
 * end) stands in the file $HOT_CODE_OUT then: 8 bytes an address, 0: none. Its helpers write into the same file. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { HOT_FROM_MS = 8000, HOT_TO_MS = 20000, PLACES = 1 << 16 };

#define UNSEEN __attribute__((no_instrument_function))
void __cyg_profile_func_enter(void *function, void *site) UNSEEN;
void __cyg_profile_func_exit(void *function, void *site) UNSEEN;

extern char __executable_start[];
static uint64_t *places;
static uint64_t begin_ms;

static UNSEEN uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static UNSEEN __attribute__((constructor)) void open_file(void)
{
	const char *name = getenv("HOT_CODE_OUT");
	int fd = name ? open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	void *map;

	if (fd < 0 || ftruncate(fd, PLACES * 8) < 0)
		return;
	map = mmap(NULL, PLACES * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	begin_ms = now_ms();
	places = map == MAP_FAILED ? NULL : map;
}

/* Two that meet at a place lose one of two addresses: it comes again. */
static UNSEEN void note(void *address)
{
	uint64_t offset = (uintptr_t)address - (uintptr_t)__executable_start;

	for (size_t i = offset >> 2, n = 0; n < PLACES; i++, n++) {
		uint64_t *place = &places[i % PLACES];

		if (!*place)
			*place = offset;
		if (*place == offset)
			return;
	}
}

void __cyg_profile_func_enter(void *function, void *site)
{
	uint64_t ms;

	if (!places)
		return;
	ms = now_ms() - begin_ms;
	if (ms < HOT_FROM_MS || ms >= HOT_TO_MS)
		return;
	note(function);
	/* It may have been entered long ago, and never returns. */
	note((char *)site - 1);
}

void __cyg_profile_func_exit(void *function, void *site)
{
	(void)function;
	(void)site;
}
