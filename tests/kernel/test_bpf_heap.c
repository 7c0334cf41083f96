/* Growth of a process's memory: what it has of the kernel itself, to the byte; and who attaches (collectors/stacks_heap.c) where the
 * kernel does not play along, which the functions of libbpf that stand here in place of its own see to. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/libbpf.h>

#include "elf_functions.h"
#include "stacks_heap.h"
#include "support/bpf_run.h"
#include "support/stack_look.h"

extern const struct culprit_collector stacks_collector;

enum { HZ = 19, MIB = 1 << 20 };

static void nap_ms(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&ts, NULL);
}

/* --- memory of the kernel itself ------------------------------------------------------------------------------------------- */

static uint64_t *did; /* shared: times that it has gone round */

static char *new_memory(size_t n)
{
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		_exit(1);
	return p;
}

/* Keeps 3 MiB: of 8, both ends go, and a piece in the middle. */
__attribute__((noinline)) void trim(void);
__attribute__((noinline)) void trim(void)
{
	char *p = new_memory(8 * MIB);

	if (munmap(p, 2 * MIB) || munmap(p + 6 * MIB, 2 * MIB) || munmap(p + 3 * MIB, 1 * MIB))
		_exit(1);
}

/* Keeps 2 MiB: half is replaced by what is no memory. */
__attribute__((noinline)) void cover(void);
__attribute__((noinline)) void cover(void)
{
	char *p = new_memory(4 * MIB);

	if (mmap(p, 2 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		_exit(1);
}

/* Keeps 4 MiB: it grows, and goes elsewhere for that, and shrinks. */
__attribute__((noinline)) void move(void);
__attribute__((noinline)) void move(void)
{
	char *p = new_memory(1 * MIB);

	p = mremap(p, 1 * MIB, 5 * MIB, MREMAP_MAYMOVE);
	if (p == MAP_FAILED || munmap(p + 4 * MIB, 1 * MIB))
		_exit(1);
}

/* Keeps 5 MiB. */
__attribute__((noinline)) void lift(void);
__attribute__((noinline)) void lift(void)
{
	char *end;

	if (sbrk(7 * MIB) == (void *)-1 || sbrk(-1 * MIB) == (void *)-1)
		_exit(1);
	end = sbrk(0);
	if (brk(end + 2 * MIB) || brk(end - 1 * MIB))
		_exit(1);
}

static void take(void)
{
	for (;;) {
		trim();
		cover();
		move();
		lift();
		__atomic_fetch_add(did, 1, __ATOMIC_RELAXED);
		nap_ms(50);
	}
}

static void ask_for(struct looker *l, pid_t pid)
{
	struct culprit_interest one = {.size = sizeof(one), .table = "heap", .what = "rows", .key = {(uint64_t)pid}, .nkey = 1};

	sampler_set_interests(l->sampler, &one, pid ? 1 : 0);
}

static void test_ranges(void **state)
{
	static const struct {
		const char *function;
		double mib;
	} keeps[] = {{"trim", 3}, {"cover", 2}, {"move", 4}, {"lift", 5}};
	enum { N = sizeof(keeps) / sizeof(keeps[0]) };
	double found[N][2];
	bool known = false, stopped;
	struct looker l;
	uint64_t is[2];
	pid_t pid;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	bpf_run_skip("the sanitizer's mmap is in the place of libc's");
#endif
	did = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	look(&l, &stacks_collector, HZ);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		take();
	}
	ask_for(&l, pid);
	for (unsigned i = 0; i < 40 && !known; i++) {
		look_ticks(&l, 2, 250);
		look_fill(&l, "heap", pid, 1000000000, NULL);
		known = look_total(&l, "lift") > 0;
	}
	if (!known) {
		print_message("%s\n", look_why(&l, "heap"));
		assert_string_not_equal(look_why(&l, "heap"), "");
	}
	for (unsigned i = 0; i < 2 && known; i++) {
		if (i)
			look_ticks(&l, 4, 400);
		/* While it stands still, all that it did is counted. */
		kill(pid, SIGSTOP);
		look_ticks(&l, 2, 100);
		is[i] = *did;
		look_fill(&l, "heap", pid, 600000000000, NULL);
		for (unsigned k = 0; k < N; k++)
			found[k][i] = look_total(&l, keeps[k].function);
		kill(pid, SIGCONT);
	}
	stopped = known && look_has_text(&l, "heap_probe", "note");
	for (unsigned k = 0; k < N && known && !stopped; k++) {
		double real = (double)(is[1] - is[0]) * keeps[k].mib, seen = (found[k][1] - found[k][0]) / MIB;

		print_message("%-6s kept %.0f MiB, found %.2f MiB\n", keeps[k].function, real, seen);
		/* It may have been stopped in the midst of it, each time. */
		assert_true(real > 0 && seen > real - 16.1 && seen < real + 16.1 && seen > 0.5 * real && seen < 1.5 * real);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	look_away(&l);
	if (stopped)
		bpf_run_skip("so slow a machine that it was stopped");
}

/* Dropped for what it cost, it is not attached to the next one either. */
static void test_dropped(void **state)
{
	struct fixture_run *run = bpf_run_create(&stacks_collector);
	const struct culprit_program *programs;
	struct recorder *r;
	size_t n = stacks_collector.programs(fixture_run_self(run), &programs);

	(void)state;
	for (size_t i = 0; i < n; i++)
		if (!strncmp(programs[i].name, "stacks_heap", strlen("stacks_heap")))
			stacks_collector.thin(fixture_run_self(run), i, 0);
	for (uint64_t pid = 1; pid <= 2; pid++) {
		struct culprit_interest one = {.size = sizeof(one), .table = "heap", .what = "rows", .key = {pid}, .nkey = 1};

		stacks_collector.interests(fixture_run_self(run), &one, 1);
		r = fixture_run_sample(run);
		assert_int_equal(recorder_rows(r, "heap_probe"), 1);
		assert_non_null(strstr(recorder_text(r, "heap_probe", &recorder_table(r, "heap_probe")->rows[0], "note"), "budget"));
	}
	fixture_run_destroy(run);
}

/* --- a kernel that does not play along ------------------------------------------------------------------------------------- */

enum { ATTACH_REALLY, ATTACH_NOT_OURSELVES, ATTACH_HANGS };
static int attaching;
static enum heap_function refused;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool hangs;

struct bpf_link *bpf_program__attach_uprobe_opts(const struct bpf_program *program, pid_t pid, const char *path, size_t offset,
						 const struct bpf_uprobe_opts *opts)
{
	struct bpf_link *(*real)(const struct bpf_program *, pid_t, const char *, size_t, const struct bpf_uprobe_opts *);

	if (attaching == ATTACH_REALLY) {
		*(void **)&real = dlsym(RTLD_NEXT, "bpf_program__attach_uprobe_opts");
		return real(program, pid, path, offset, opts);
	}
	pthread_mutex_lock(&lock);
	while (attaching == ATTACH_HANGS) {
		hangs = true;
		pthread_cond_broadcast(&changed);
		pthread_cond_wait(&changed, &lock);
	}
	pthread_mutex_unlock(&lock);
	errno = EPERM;
	if (!strcmp(path, "/proc/self/exe"))
		return NULL;
	errno = EMFILE;
	return opts->bpf_cookie == refused ? NULL : malloc(1);
}

int bpf_link__destroy(struct bpf_link *link)
{
	int (*real)(struct bpf_link *);

	if (attaching != ATTACH_REALLY) {
		free(link);
		return 0;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "bpf_link__destroy");
	return real(link);
}

/* Our own libc is the only file. */
static int code_of(const struct culprit_host *host, uint32_t pid, uint32_t flags, struct culprit_mapping *m, uint32_t cap, uint32_t *ret_n,
		   uint64_t *ret_generation)
{
	unsigned long from, to, at = (unsigned long)(uintptr_t)dlsym(RTLD_NEXT, "malloc");
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];

	(void)host;
	(void)pid;
	(void)flags;
	assert_non_null(maps);
	*ret_n = 0;
	*ret_generation = 1;
	while (cap && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx", &from, &to) == 2 && at >= from && at < to)
			m[(*ret_n)++] = (struct culprit_mapping){.start = from, .end = to, .module = 1, .kind = CULPRIT_MODULE_FILE};
	fclose(maps);
	return 0;
}

static int module_is_libc(const struct culprit_host *host, uint32_t number, struct culprit_module *m)
{
	(void)host;
	(void)number;
	m->kind = CULPRIT_MODULE_FILE;
	m->name = "/lib/libc.so.6";
	return 0;
}

static void setup_host(struct fixture_host *host, int how, enum heap_function refuse)
{
	fixture_host_init(host, NULL);
	host->host.code_of = code_of;
	host->host.module = module_is_libc;
	host->mono_ns = 1000000000;
	attaching = how;
	refused = refuse;
}

static void until(struct heap *h, enum heap_state is)
{
	for (unsigned i = 0; i < 1000 && heap_state(h) != is; i++) {
		heap_tick(h, 0, 0);
		nap_ms(10);
	}
	assert_int_equal(heap_state(h), is);
}

/* What a call costs could not be tried: that is said, and the limit on what looking may cost acts all the same. */
static void test_untried(void **state)
{
	struct fixture_host host;
	struct heap *h;

	(void)state;
	setup_host(&host, ATTACH_NOT_OURSELVES, -1);
	h = heap_create(&host.host, NULL, NULL, NULL, NULL);
	assert_true(heap_follow(h, (uint32_t)getpid(), 0));
	assert_int_equal(heap_pid(h), getpid());
	until(h, HEAP_ON);
	assert_non_null(strstr(heap_why(h), "could not be tried"));
	for (uint64_t i = 1; i <= 3; i++) {
		host.mono_ns += 1000000000;
		heap_tick(h, i * 100000, i * 100000);
	}
	assert_int_equal(heap_state(h), HEAP_STOPPED);
	heap_stop(h, "not for this again");
	assert_null(strstr(heap_why(h), "again"));
	assert_true(heap_destroy(h));
	attaching = ATTACH_REALLY;
	fixture_host_finish(&host);
}

static void test_refused(void **state)
{
	struct fixture_host host;
	struct heap *h;

	(void)state;
	setup_host(&host, ATTACH_NOT_OURSELVES, HEAP_CALLOC);
	h = heap_create(&host.host, NULL, NULL, NULL, NULL);
	heap_follow(h, (uint32_t)getpid(), 0);
	until(h, HEAP_ON);
	assert_non_null(strstr(heap_why(h), "calloc is not watched"));
	/* One without which it is worth nothing. */
	refused = HEAP_FREE;
	heap_follow(h, (uint32_t)getpid(), 1);
	until(h, HEAP_CANNOT);
	assert_non_null(strstr(heap_why(h), strerror(EMFILE)));
	assert_true(heap_destroy(h));
	attaching = ATTACH_REALLY;
	fixture_host_finish(&host);
}

/* A file system that does not answer: what the thread works with must stay. */
static void test_hangs(void **state)
{
	static struct heap *h; /* static: it stays */
	struct fixture_host host;

	(void)state;
	setup_host(&host, ATTACH_HANGS, -1);
	h = heap_create(&host.host, NULL, NULL, NULL, NULL);
	heap_follow(h, (uint32_t)getpid(), 0);
	heap_tick(h, 0, 0);
	pthread_mutex_lock(&lock);
	while (!hangs)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	assert_false(heap_destroy(h));
	fixture_host_finish(&host);
	pthread_mutex_lock(&lock);
	attaching = ATTACH_NOT_OURSELVES;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	nap_ms(300); /* what goes wrong now is seen by a sanitizer */
	attaching = ATTACH_REALLY;
}

/* --- where functions are --------------------------------------------------------------------------------------------------- */

/* A function of another file that is only used here is not defined here, whatever address its symbol has. */
void used_elsewhere(void);
void used_elsewhere(void)
{
}

static void test_functions(void **state)
{
	static const char *const names[] = {"used_elsewhere", "getenv", "no such function"};
	uint64_t offset[3] = {1, 1, 1};
	struct elf_functions f = {.offset = offset};
	FILE *self = fopen("/proc/self/exe", "re"), *no = tmpfile();
	unsigned char there[16];
	char head[64] = "\177ELF\2\1\1";

	(void)state;
	assert_non_null(self);
	assert_int_equal(elf_functions_find(fileno(self), names, 3, &f), 0);
	assert_true(offset[0] != 0 && f.has_names && !f.is_go);
	assert_true(!offset[1] && !offset[2]);
	assert_int_equal(pread(fileno(self), there, sizeof(there), (off_t)offset[0]), sizeof(there));
	assert_memory_equal(there, (const void *)(uintptr_t)used_elsewhere, sizeof(there));
	/* Cut, and with tables that lie nowhere. */
	assert_non_null(no);
	assert_int_equal(elf_functions_find(fileno(no), names, 3, &f), -ENOEXEC);
	memset(head + 16, 0xff, sizeof(head) - 16);
	head[54] = 56;
	head[55] = 0;
	head[58] = 64;
	head[59] = 0;
	assert_int_equal(pwrite(fileno(no), head, sizeof(head), 0), sizeof(head));
	assert_int_equal(elf_functions_find(fileno(no), names, 3, &f), -ENOEXEC);
	fclose(self);
	fclose(no);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_functions), cmocka_unit_test(test_untried), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_hangs),	  cmocka_unit_test(test_dropped), cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests_name("bpf_heap", tests, NULL, NULL);
}
