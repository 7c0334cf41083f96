/* A target that holds its mmap_lock, made for real: an ext4 on a loop device, frozen; one thread of the target faults a
 * shared write into it, another wants mprotect() and so waits with the lock. Then /proc/PID/cmdline blocks, and a file
 * system that does not answer is just as well asked about. The questions must cost 200 ms and nobody else anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/fs.h>

#include "ask.h"
#include "support/frame_recorder.h"

#define MS UINT64_C(1000000)

static const struct zygote_kind *const kinds[] = {&ask_kind};

struct world {
	char dir[64];
	bool mounted, frozen;
	pid_t target, watchdog;
	struct zygote *zygote;
	struct ask_pool *pool;
	struct ask_client *client;
};

static bool run(const char *format, const char *arg)
{
	char command[512];

	snprintf(command, sizeof(command), format, arg, arg);
	return system(command) == 0;
}

static int freeze(const struct world *w, unsigned long request)
{
	char path[96];
	int fd, r;

	snprintf(path, sizeof(path), "%s/mnt", w->dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = ioctl(fd, request, 0);
	close(fd);
	return r;
}

/* Thaws whatever happens to the test: a file system left frozen would take the machine's other users with it. */
static pid_t watch(struct world *w)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	sleep(30);
	freeze(w, FITHAW);
	_exit(0);
}

static char *page;

static void *write_page(void *arg)
{
	(void)arg;
	page[0] = 1; /* waits for the thaw, with the lock of its mapping */
	return NULL;
}

static void *protect_page(void *arg)
{
	(void)arg;
	mprotect(page, 4096, PROT_READ); /* waits for the fault, with the lock of the address space */
	return NULL;
}

static void be_the_target(const struct world *w, int ready)
{
	pthread_t a, b;
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/mnt/file", w->dir);
	fd = open(path, O_RDWR);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || page == MAP_FAILED || write(ready, "m", 1) != 1)
		_exit(1);
	/* the parent freezes, then kills us with SIGCONT */
	raise(SIGSTOP);
	pthread_create(&a, NULL, write_page, NULL);
	usleep(200000);
	pthread_create(&b, NULL, protect_page, NULL);
	for (;;)
		pause();
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int ready[2], status;
	char byte;

	assert_non_null(w);
	*state = w;
	strcpy(w->dir, "/tmp/culprit-frozen-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	/* before anything that the target does */
	w->zygote = zygote_create(kinds, 1, NULL);
	assert_non_null(w->zygote);
	if (geteuid() != 0)
		return 0;
	w->mounted = run("cd %s && mkdir mnt && truncate -s 16M image && mkfs.ext4 -q image 2>/dev/null && "
			 "mount -o loop image mnt 2>/dev/null && truncate -s 4096 mnt/file", w->dir);
	if (!w->mounted)
		return 0;
	assert_int_equal(pipe(ready), 0);
	w->target = fork();
	if (w->target == 0)
		be_the_target(w, ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(waitpid(w->target, &status, WUNTRACED), w->target);
	sync();
	w->watchdog = watch(w);
	assert_int_equal(freeze(w, FIFREEZE), 0);
	w->frozen = true;
	kill(w->target, SIGCONT);
	usleep(600000);
	close(ready[0]);
	close(ready[1]);
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	if (w->frozen)
		freeze(w, FITHAW);
	if (w->target > 0) {
		kill(w->target, SIGKILL);
		waitpid(w->target, NULL, 0);
	}
	if (w->watchdog > 0) {
		kill(w->watchdog, SIGKILL);
		waitpid(w->watchdog, NULL, 0);
	}
	ask_client_destroy(w->client);
	ask_pool_destroy(w->pool);
	zygote_destroy(w->zygote);
	if (w->mounted)
		run("umount %s/mnt", w->dir);
	fixture_remove(w->dir);
	free(w);
	return 0;
}

static int ask_path(struct world *w, const char *path)
{
	static char buf[4096];
	struct culprit_ask a = {.what = CULPRIT_ASK_FILE, .path = path, .buf = buf, .cap = sizeof(buf)};

	return ask_client_ask(w->client, &a);
}

static void a_held_mmap_lock_costs_one_answer(void **state)
{
	struct world *w = *state;
	struct zygote_stats zygote;
	struct ask_stats stats;
	uint64_t begin, took;
	char blocked[64], own[64];
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (!w->frozen) {
		print_message("skipped: needs root, mkfs.ext4 and a loop device\n");
		close(proc);
		skip();
	}
	w->pool = ask_pool_create(w->zygote, proc, NULL);
	assert_non_null(w->pool);
	w->client = ask_client_create(w->pool);
	close(proc);
	snprintf(blocked, sizeof(blocked), "%d/cmdline", (int)w->target);
	snprintf(own, sizeof(own), "%d/cmdline", (int)getpid());
	/* a helper is up before the clock starts */
	assert_int_equal(ask_path(w, "1/cmdline"), -EINPROGRESS);
	assert_int_equal(ask_client_wait(w->client, 2000 * MS), 0);
	begin = zygote_now_ns();
	assert_int_equal(ask_path(w, blocked), -EINPROGRESS);
	assert_int_equal(ask_path(w, own), -EINPROGRESS);
	assert_true(zygote_now_ns() - begin < 50 * MS);
	assert_int_equal(ask_client_wait(w->client, 5000 * MS), 0);
	took = zygote_now_ns() - begin;
	if (ask_path(w, blocked) == 0) {
		/* where faults and mprotect() do not meet like that */
		print_message("skipped: this kernel does not hold the lock here\n");
		skip();
	}
	print_message("a target whose mmap_lock is held was given up after %.0f ms\n", (double)took / 1e6);
	assert_int_equal(ask_path(w, blocked), -ETIMEDOUT);
	assert_int_equal(ask_path(w, own), 0);
	assert_true(took >= 190 * MS);
	assert_true(took < 1000 * MS);
	ask_pool_stats(w->pool, &stats);
	assert_int_equal(stats.timeouts, 1);
	/* the killed helper is gone, or counted */
	for (int i = 0; i < 20; i++) {
		zygote_poll(w->zygote);
		usleep(10000);
	}
	zygote_stats(w->zygote, &zygote);
	print_message("the helper that was killed there is %s\n", zygote.stuck ? "stuck, and counted" : "gone");
	assert_true(zygote.stuck <= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_held_mmap_lock_costs_one_answer, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
