/* Source lines: of a compiled program, with what was inlined; its debug file elsewhere; without any; hostile ones, which cost a
 * helper and nothing else; a large one, while which nobody waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symfile.h"
#include "symline.h"
#include "support/touched.h"
#include "symtab.h"

static const struct zygote_kind *const kinds[] = {&symline_kind};

/* Lines of `outer` and what is inlined in it: 4 to 17. */
static const char program[] = "volatile unsigned long sink;\n"
			      "static inline __attribute__((always_inline)) unsigned long mix(unsigned long x)\n"
			      "{\n"
			      "	for (int i = 0; i < 200; i++)\n"
			      "		x = x * 6364136223846793005ul + (x >> 7);\n"
			      "	return x;\n"
			      "}\n"
			      "static inline __attribute__((always_inline)) unsigned long twice(unsigned long x)\n"
			      "{\n"
			      "	return mix(x) ^ mix(x + 1);\n"
			      "}\n"
			      "__attribute__((noinline)) void outer(unsigned long n)\n"
			      "{\n"
			      "	for (unsigned long i = 0; i < n; i++)\n"
			      "		sink += twice(i);\n"
			      "}\n"
			      "int main(int n, char **v) { (void)v; outer(n); return 0; }\n";

struct world {
	struct zygote *zygote;
	struct symline_pool *pool;
	int proc_fd;
	char folder[64];
	char path[128];      /* of the file of the last question */
	uint64_t longest_ns; /* that one call of the pool took */
};

static void run(const struct world *w, const char *command)
{
	char line[2048];

	snprintf(line, sizeof(line), "cd %s && %s", w->folder, command);
	assert_int_equal(system(line), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	FILE *f;
	char path[128];

	snprintf(w->folder, sizeof(w->folder), "/tmp/culprit-lines-XXXXXX");
	if (!mkdtemp(w->folder))
		return -1;
	w->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->zygote = zygote_create(kinds, 1, NULL);
	w->pool = w->zygote ? symline_create(w->zygote, w->proc_fd) : NULL;
	snprintf(path, sizeof(path), "%s/lines.c", w->folder);
	f = fopen(path, "w");
	if (!f || !w->pool || fputs(program, f) < 0 || fclose(f))
		return -1;
	run(w, "cc -O2 -g -Wl,--build-id=sha1 -o lines lines.c");
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char command[128];

	symline_destroy(w->pool);
	zygote_destroy(w->zygote);
	close(w->proc_fd);
	snprintf(command, sizeof(command), "rm -rf %s", w->folder);
	if (system(command))
		return -1;
	free(w);
	return 0;
}

/* The question about a file of the folder, at where `outer` begins in it; size: of that function, 0: there are no names. The
 * path is borrowed until the next question. */
static struct culprit_source_line question(struct world *w, const char *file, uint64_t *ret_size)
{
	struct culprit_source_line l = {.size = sizeof(l), .path = w->path};
	uint8_t id[SYMFILE_BUILD_ID_MAX];
	enum symfile_origin origin;
	struct symtab t = {0};
	struct symfile *f;

	snprintf(w->path, sizeof(w->path), "%s/%s", w->folder, file);
	f = symfile_open(open(w->path, O_RDONLY | O_CLOEXEC), NULL);
	assert_non_null(f);
	*ret_size = 0;
	l.build_id_len = symfile_build_id(f, id) ? 16 : 0;
	memcpy(l.build_id, id, l.build_id_len);
	assert_int_equal(symfile_symbols(f, -1, w->path, &t, &origin), 0);
	for (size_t i = 0; i < t.n; i++) {
		uint64_t end;
		const struct symtab_entry *e = symtab_find(&t, t.entries[i].start, &end);

		if (e && !strcmp(symtab_name(&t, e), "outer")) {
			l.offset = e->start;
			*ret_size = end - e->start;
		}
	}
	symtab_finish(&t);
	symfile_close(f);
	return l;
}

/* Asks until it is answered, as the sampling thread does between ticks. */
static int answered(struct world *w, struct culprit_source_line *l)
{
	uint64_t end = zygote_now_ns() + 60000000000u;
	int r = -EINPROGRESS;

	while (zygote_now_ns() < end) {
		struct pollfd p[] = {{symline_fd(w->pool), POLLIN, 0}, {zygote_fd(w->zygote), POLLIN, 0}};
		uint64_t before = zygote_now_ns();

		zygote_poll(w->zygote);
		symline_poll(w->pool);
		r = symline_ask(w->pool, l);
		if (zygote_now_ns() - before > w->longest_ns)
			w->longest_ns = zygote_now_ns() - before;
		if (r != -EINPROGRESS)
			return r;
		poll(p, 2, 20);
	}
	return r;
}

/* --- what is there ---------------------------------------------------------------------------------------------------------- */

static void check_outer(struct world *w, const char *file)
{
	uint64_t size, start = question(w, "lines", &size).offset, own_size;
	struct culprit_source_line l = question(w, file, &own_size);
	unsigned chains = 0, known = 0;

	/* Stripped: its places are those of the file with symbols. */
	if (own_size) {
		start = l.offset;
		size = own_size;
	}
	assert_true(size > 8 && size < 4096);
	for (uint64_t at = start; at < start + size; at++) {
		l.offset = at;
		if (answered(w, &l))
			continue; /* padding */
		known++;
		assert_non_null(strstr(l.file, "lines.c"));
		assert_true(l.line <= 16);
		chains += !strcmp(l.inlined, "mix <- twice <- outer") && !strcmp(l.function, "mix") && l.line >= 4 && l.line <= 6;
	}
	assert_true(known > size / 2);
	assert_true(chains > 4);
}

static void test_lines_and_inlined(void **state)
{
	struct world *w = *state;
	struct culprit_source_line l;
	uint64_t size;

	check_outer(w, "lines");
	/* In the middle of nowhere. */
	l = question(w, "lines", &size);
	l.offset = 1;
	assert_int_equal(answered(w, &l), -ENODATA);
	assert_true(l.why[0]);
}

static void test_without_aranges(void **state)
{
	struct world *w = *state;

	run(w, "objcopy --remove-section=.debug_aranges lines bare");
	check_outer(w, "bare");
}

static void test_debug_file_by_link(void **state)
{
	struct world *w = *state;

	run(w, "objcopy --only-keep-debug --compress-debug-sections lines lines.debug && "
	       "objcopy --strip-all --add-gnu-debuglink=lines.debug lines stripped");
	check_outer(w, "stripped");
}

static void test_without_debug(void **state)
{
	struct world *w = *state;
	struct culprit_source_line l;
	uint64_t size;

	run(w, "objcopy --strip-debug lines plain");
	l = question(w, "plain", &size);
	/* The build-id is that of the others, whose lines a pool may have open: a pool of its own. */
	symline_destroy(w->pool);
	w->pool = symline_create(w->zygote, w->proc_fd);
	assert_int_equal(answered(w, &l), -ENODATA);
	assert_non_null(strstr(l.why, "dbg"));
	assert_int_equal(l.line, 0);
}

static void test_another_build(void **state)
{
	struct world *w = *state;
	struct culprit_source_line l;
	uint64_t size;

	l = question(w, "lines", &size);
	l.build_id[3] ^= 1;
	assert_int_equal(answered(w, &l), -ENOENT);
	assert_true(l.why[0]);
}

static void test_no_such_file(void **state)
{
	struct world *w = *state;
	struct culprit_source_line l = {.size = sizeof(l), .path = "/nonexistent", .build_id_len = 16, .pid = 1};
	char *longer = malloc(CULPRIT_SOURCE_PATH + 2);

	assert_int_equal(answered(w, &l), -ENOENT);
	memset(longer, 'a', CULPRIT_SOURCE_PATH + 1);
	longer[CULPRIT_SOURCE_PATH + 1] = '\0';
	l.path = longer;
	assert_int_equal(symline_ask(w->pool, &l), -EINVAL);
	free(longer);
}

/* --- hostile ---------------------------------------------------------------------------------------------------------------- */

/* Bytes of the debug sections made others, deterministically. Whatever libdw does, the pool goes on and answers. */
static void test_hostile(void **state)
{
	struct world *w = *state;
	char command[512];
	uint32_t random = 12345;
	uint64_t size;
	struct stat st;
	int fd;

	for (unsigned round = 0; round < 12; round++) {
		struct culprit_source_line l;
		uint64_t start;
		int r;

		/* A build-id each, so that none is known as the one before. */
		snprintf(command, sizeof(command), "cc -O2 -g -Wl,--build-id=0x%032x -o bad lines.c", 0x1000 + round);
		run(w, command);
			l = question(w, "bad", &size);
		start = l.offset;
		fd = open(w->path, O_RDWR);
		assert_int_equal(fstat(fd, &st), 0);
		for (unsigned i = 0; i < 40u << round % 4; i++) {
			uint8_t byte;
			off_t at;

			random = random * 1103515245 + 12345;
			/* Debug sections stand behind what is loaded; the section headers, at the end, stay as they are. */
			at = (off_t)(0x3000 + (random >> 8) % ((uint64_t)st.st_size - 0x3000 - 64 * 40));
			byte = (uint8_t)(random >> 16);
			assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		}
		close(fd);
		for (uint64_t at = start; at < start + size; at += 7) {
			l.offset = at;
			r = answered(w, &l);
			assert_true(r <= 0 && r != -EINPROGRESS);
			assert_true(r == 0 || l.why[0]);
		}
	}
	check_outer(w, "lines");
}

/* Asks for `n` places of a file from this one on, none of which is answered yet. */
static void ask_places(struct world *w, struct culprit_source_line l, unsigned n)
{
	for (unsigned i = 0; i < n; i++, l.offset++)
		assert_int_equal(symline_ask(w->pool, &l), -EINPROGRESS);
}

/* Fetches what was asked for: nothing of it has an answer, and why is said. */
static void check_refused(struct world *w, struct culprit_source_line l, unsigned n, const char *why)
{
	for (unsigned i = 0; i < n; i++, l.offset++) {
		assert_int_equal(answered(w, &l), -EIO);
		assert_non_null(strstr(l.why, why));
	}
}

/* A file that ends the helper is not read again, not for those places of it either that wait already; others are. */
static void test_helper_killed(void **state)
{
	struct world *w = *state;
	struct zygote_stats before, after;
	struct culprit_source_line l;
	uint64_t size, start;

	/* Cut short while it is open: what was mapped is gone, and SIGBUS ends who looks there. */
	run(w, "cc -O2 -g -Wl,--build-id=0x00112233445566778899aabbccddeeff -o cut lines.c");
	l = question(w, "cut", &size);
	start = l.offset;
	l.offset = 1;
	assert_int_equal(answered(w, &l), -ENODATA); /* open by now */
	assert_int_equal(truncate(w->path, 4096), 0);
	zygote_stats(w->zygote, &before);
	l.offset = start;
	ask_places(w, l, 8);
	check_refused(w, l, 8, "not read again");
	zygote_stats(w->zygote, &after);
	assert_int_equal(after.spawned, before.spawned);
	check_outer(w, "lines");
}

/* Nothing can be started any more: what waits is told so. */
static void test_no_helper(void **state)
{
	struct world *w = *state;
	struct culprit_source_line one, other;
	char other_path[sizeof(w->path)];
	struct zygote_stats stats;
	uint64_t size;

	run(w, "cc -O2 -g -Wl,--build-id=0x00112233445566778899aabbccddeeff -o other lines.c");
	other = question(w, "other", &size);
	memcpy(other_path, w->path, sizeof(other_path));
	other.path = other_path;
	one = question(w, "lines", &size);
	zygote_stats(w->zygote, &stats);
	assert_int_equal(kill(stats.pid, SIGSTOP), 0); /* so that the helper is not there yet */
	ask_places(w, one, 4);
	ask_places(w, other, 4);
	assert_int_equal(kill(stats.pid, SIGKILL), 0);
	check_refused(w, one, 4, "not read again");
	check_refused(w, other, 4, "no helper process");
}

/* --- large ------------------------------------------------------------------------------------------------------------------ */

#ifndef __SANITIZE_ADDRESS__
/* More than 200 MB of debug information: nobody who asks waits for it. */
static void test_large(void **state)
{
	struct world *w = *state;
	struct culprit_source_line l;
	uint64_t size;
	struct stat st;

	run(w, "awk 'BEGIN { for (i = 0; i < 6000; i++) printf(\"struct s%d { int a%d; long b%d[%d]; struct s%d *next; }; "
	       "int f%d(struct s%d *s) { return s->a%d + (int)s->b%d[0]; }\\n\", i, i, i, i + 1, i, i, i, i, i) }' > many.c && "
	       "cc -O1 -g -c many.c -o many.o && cc -O2 -g -c lines.c -o lines.o && size=$(stat -c %s many.o) && "
	       "n=$((410000000 / size + 1)) && for i in $(seq $n); do objcopy --prefix-symbols=p${i}_ many.o many$i.o; done && "
	       "cc -Wl,--build-id=sha1 -o large many[0-9]*.o lines.o && rm -f many*");
	l = question(w, "large", &size);
	assert_int_equal(stat(w->path, &st), 0);
	if (st.st_size < 200000000) {
		print_message("only %lld MB of debug information\n", (long long)st.st_size / 1000000);
		fail();
	}
	assert_true(size > 0);
	l.offset += size / 2;
	w->longest_ns = 0;
	assert_int_equal(answered(w, &l), 0);
	assert_non_null(strstr(l.file, "lines.c"));
	print_message("%lld MB: longest call of who asks %.2f ms\n", (long long)st.st_size / 1000000, (double)w->longest_ns / 1e6);
	assert_true(w->longest_ns < 100000000);
	unlink(w->path);
}
#endif

/* There is room for many questions; while there are none, looking after them takes no memory. */
static void test_idle(void **state)
{
	struct symline_pool *p = symline_create(NULL, -1);

	(void)state;
	assert_non_null(p);
	symline_poll(p);
	assert_in_range(touched_pages(p), 0, 8);
	symline_destroy(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle),
		cmocka_unit_test_setup_teardown(test_lines_and_inlined, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_aranges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_debug_file_by_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_debug, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_build, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_such_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_helper_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_helper, setup, teardown),
#ifndef __SANITIZE_ADDRESS__
		cmocka_unit_test_setup_teardown(test_large, setup, teardown),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
