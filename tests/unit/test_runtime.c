/* What schedules tasks in a process besides the kernel: a made /proc with a file of Go's linker, with names of threads; hostile
 * files; only for who is looked at. And the sentence about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/frame_recorder.h"
#include "thread_runtime.h"

extern const struct culprit_collector runtime_collector;

enum { NOTE_AT = 0xf9c };

struct world {
	char root[64];
	struct fixture_run *run;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	snprintf(w->root, sizeof(w->root), "/tmp/culprit-runtime-XXXXXX");
	if (!mkdtemp(w->root))
		return -1;
	fixture_write(w->root, "proc/uptime", "1 1\n", 4);
	w->run = fixture_run_create(&runtime_collector, w->root);
	fixture_run_host(w->run)->real_asks = true;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char command[128];

	fixture_run_destroy(w->run);
	snprintf(command, sizeof(command), "rm -rf %s", w->root);
	if (system(command))
		return -1;
	free(w);
	return 0;
}

/* The head of a program; `owner` of its note, at an offset where Go's linker puts it; 0: as the linker of C, before. */
static size_t program(unsigned char *head, size_t cap, const char *owner, uint64_t at)
{
	Elf64_Ehdr e = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB}, .e_phoff = sizeof(e),
			.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 2};
	Elf64_Phdr load = {.p_type = PT_LOAD, .p_filesz = 100000}, notes = {.p_type = PT_NOTE, .p_offset = at, .p_filesz = 100};
	Elf64_Nhdr note = {.n_namesz = 4, .n_descsz = 84, .n_type = 4};

	memset(head, 0, cap);
	memcpy(head, &e, sizeof(e));
	memcpy(head + sizeof(e), &load, sizeof(load));
	memcpy(head + sizeof(e) + sizeof(load), &notes, sizeof(notes));
	if (at + 100 <= cap) {
		memcpy(head + at, &note, sizeof(note));
		memcpy(head + at + sizeof(note), owner, strlen(owner));
	}
	return cap;
}

static void write_process(struct world *w, unsigned pid, const void *exe, size_t len, const char *thread)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/%u/exe", pid);
	fixture_write(w->root, path, exe, len);
	snprintf(path, sizeof(path), "proc/%u/task/%u/comm", pid, pid);
	fixture_write(w->root, path, "main\n", 5);
	snprintf(path, sizeof(path), "proc/%u/task/%u/comm", pid, pid + 1);
	fixture_write(w->root, path, thread, strlen(thread));
}

/* "": nothing known; NULL: no row. */
static const char *runtime_of(struct world *w, uint64_t pid)
{
	struct culprit_interest interest = {.size = sizeof(interest), .table = "runtime", .what = "rows", .key = {pid, 7}, .nkey = 2};
	struct recorder *r = fixture_run_recorder(w->run);
	const struct recorded_table *t;

	runtime_collector.interests(fixture_run_self(w->run), &interest, 1);
	for (int i = 0; i < 3; i++)
		fixture_run_sample(w->run);
	t = recorder_table(r, "runtime");
	if (!t->nrows)
		return NULL;
	assert_int_equal(recorder_u64(r, "runtime", &t->rows[0], "pid"), pid);
	return recorder_has(r, "runtime", &t->rows[0], "runtime") ? recorder_text(r, "runtime", &t->rows[0], "runtime") : "";
}

static void go_by_its_note(void **state)
{
	struct world *w = *state;
	unsigned char head[8192];

	write_process(w, 70, head, program(head, sizeof(head), "Go", NOTE_AT), "server\n");
	assert_string_equal(runtime_of(w, 70), "Go");
	write_process(w, 80, head, program(head, sizeof(head), "GNU", 0x300), "server\n");
	assert_string_equal(runtime_of(w, 80), "");
}

static void others_by_their_threads(void **state)
{
	struct world *w = *state;

	write_process(w, 70, "", 0, "tokio-runtime-w\n");
	assert_string_equal(runtime_of(w, 70), "tokio");
	write_process(w, 80, "", 0, "VM Thread\n");
	assert_string_equal(runtime_of(w, 80), "Java");
	write_process(w, 90, "#!/bin/sh", 9, "worker\n");
	assert_string_equal(runtime_of(w, 90), "");
}

static void by_the_name_of_the_file(void **state)
{
	struct world *w = *state;
	char path[128];

	write_process(w, 70, "", 0, "x\n");
	snprintf(path, sizeof(path), "%s/proc/70/exe", w->root);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/opt/jdk/bin/java (deleted)", path), 0);
	assert_string_equal(runtime_of(w, 70), "Java");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/opt/javac", path), 0);
	assert_string_equal(runtime_of(w, 71), "");
}

static void hostile_files(void **state)
{
	static const uint64_t offsets[] = {8191, 8192, 8193, UINT64_MAX, UINT64_MAX - 50, 8180};
	struct world *w = *state;
	unsigned char head[8192];
	Elf64_Ehdr e;

	for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		program(head, sizeof(head), "Go", NOTE_AT);
		memcpy(head + sizeof(e) + sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, p_offset), &offsets[i], 8);
		write_process(w, 70 + 10 * i, head, sizeof(head), "x\n");
		assert_string_equal(runtime_of(w, 70 + 10 * i), "");
	}
	/* Notes of any size, headers anywhere. */
	for (unsigned i = 0; i < 6; i++) {
		Elf64_Nhdr note = {.n_namesz = UINT32_MAX - i, .n_descsz = UINT32_MAX - 2 * i};

		program(head, sizeof(head), "XX", NOTE_AT);
		memcpy(&e, head, sizeof(e));
		if (i < 3)
			memcpy(head + NOTE_AT, &note, sizeof(note));
		else
			e.e_phoff = i == 3 ? UINT64_MAX : i == 4 ? 8190 : 8192;
		e.e_phnum = 65535;
		memcpy(head, &e, sizeof(e));
		write_process(w, 200 + 10 * i, head, i == 5 ? 30 : sizeof(head), "x\n");
		assert_string_equal(runtime_of(w, 200 + 10 * i), "");
	}
}

static void only_who_is_looked_at(void **state)
{
	struct world *w = *state;

	fixture_run_sample(w->run);
	assert_false(recorder_table(fixture_run_recorder(w->run), "runtime")->sampled);
	write_process(w, 70, "", 0, "VM Thread\n");
	assert_string_equal(runtime_of(w, 70), "Java");
	runtime_collector.interests(fixture_run_self(w->run), NULL, 0);
	fixture_run_sample(w->run);
	assert_int_equal(recorder_rows(fixture_run_recorder(w->run), "runtime"), 0);
	fixture_run_sample(w->run);
	assert_false(recorder_table(fixture_run_recorder(w->run), "runtime")->sampled);
}

/* One for each name, in one line of the smallest screen that is asked for. */
static void sentences(void **state)
{
	static const char *const names[] = {"Go", "Java", "node", "Deno", "Bun", "tokio", "async-std", "Erlang"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *sentence = thread_runtime_sentence(names[i], strlen(names[i]));

		assert_non_null(sentence);
		assert_true(strlen(sentence) <= 78);
	}
	assert_null(thread_runtime_sentence("Gopher", 6));
	assert_null(thread_runtime_sentence("", 0));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(go_by_its_note), TEST(others_by_their_threads), TEST(by_the_name_of_the_file), TEST(hostile_files),
		TEST(only_who_is_looked_at), cmocka_unit_test(sentences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
