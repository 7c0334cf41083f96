/* What is free in the midst of the heap goes back to the system, and code that only starting needed; locked memory or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "heap.h"

enum { N = 20000, SIZE = 1000 };

/* Constants that nobody reads but this test, so many that what is read of the program meanwhile does not count. */
static const char constants[4 << 20] = {1};

/* KB of the mappings of that name that are in memory, of those with an address: of the one that it is in. */
static long resident_in(const char *name, uintptr_t address)
{
	char line[512];
	bool heap = false;
	unsigned long begin, end;
	long kb = 0, n;
	FILE *f = fopen("/proc/self/smaps", "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (strchr(line, '-') && strchr(line, '-') < line + 20)
			heap = address ? sscanf(line, "%lx-%lx", &begin, &end) == 2 && begin <= address && address < end
				       : strstr(line, name) != NULL;
		else if (heap && sscanf(line, "Rss: %ld", &n) == 1)
			kb += n;
	}
	fclose(f);
	return kb;
}

static long resident(void)
{
	return resident_in("[heap]", 0);
}

/* Runs after all else of its process: memory stays locked. */
static void test_code(void **state)
{
	(void)state;
	for (int locked = 0; locked < 2; locked++) {
		uintptr_t at = (uintptr_t)constants;
		volatile const char *read = constants;
		long before, after, sum = 0;

		if (locked && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) {
			print_message("# memory may not be locked here\n");
			break;
		}
		for (size_t i = 0; i < sizeof(constants); i += 4096)
			sum += read[i];
		before = resident_in(NULL, at);
		heap_give_back_code();
		after = resident_in(NULL, at);
		print_message("# %s: %ld KB, then %ld KB\n", locked ? "locked" : "not locked", before, after);
		assert_true(before >= (long)(sizeof(constants) / 1024));
		assert_true(after <= before - (long)(sizeof(constants) / 2048));
		for (size_t i = 0; i < sizeof(constants); i += 4096)
			sum -= read[i];
		assert_int_equal(sum, 0);
	}
}

static void test_midst(void **state)
{
	static char *blocks[N + 1];

	(void)state;
	for (int locked = 0; locked < 2; locked++) {
		long full, left;

		if (locked && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) {
			print_message("# memory may not be locked here\n");
			break;
		}
		for (int i = 0; i <= N; i++) {
			blocks[i] = malloc(SIZE);
			assert_non_null(blocks[i]);
			memset(blocks[i], i & 127, SIZE);
		}
		full = resident();
		if (full < N * (SIZE / 1024.0)) {
			print_message("# this malloc has no heap of that kind\n"); /* a sanitizer's */
			skip();
		}
		/* The last one stays, at the heap's end. */
		for (int i = 0; i < N; i++)
			free(blocks[i]);
		heap_give_back();
		left = resident();
		print_message("# %s: %ld KB, then %ld KB\n", locked ? "locked" : "not locked", full, left);
		assert_true(left < full / 4);
		assert_int_equal(blocks[N][SIZE - 1], N & 127);
		free(blocks[N]);
	}
}

/* Pages that are asked for together are there: writing them is no page fault. */
/* Not under the sanitizers' eyes: their own notes of what is written are page faults too. */
__attribute__((no_sanitize("address", "thread"))) static void write_each_page(char *bytes, size_t n)
{
	for (size_t i = 4096; i < n; i += 4096)
		bytes[i] = 1;
}

static void test_populated(void **state)
{
	enum { BYTES = 4 << 20 };
	char *bytes = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rusage before, after;

	(void)state;
	assert_true(bytes != MAP_FAILED);
	heap_populate(bytes + 1, BYTES - 1);
	getrusage(RUSAGE_SELF, &before);
	write_each_page(bytes, BYTES);
	getrusage(RUSAGE_SELF, &after);
	munmap(bytes, BYTES);
	print_message("# %ld page faults\n", after.ru_minflt - before.ru_minflt);
	if (after.ru_minflt - before.ru_minflt >= BYTES / 4096 - 1) {
		print_message("# this kernel does not do it\n");
		skip();
	}
	assert_true(after.ru_minflt - before.ru_minflt < BYTES / 4096 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_populated),
		cmocka_unit_test(test_midst),
		cmocka_unit_test(test_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
