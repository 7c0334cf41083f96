/* What is refused from within the sandbox, and what still works: tried in children, as there is no way out. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox.h"

static char dir[64], in[96], out[96];

/* Runs it in a child within the sandbox; 0: all was as it should be, else the line that was not. */
static int within(int (*what)(const struct sandbox_report *), bool without_landlock)
{
	struct sandbox_options options = {
		.readable = {in}, .writable = {out}, .without_landlock = without_landlock, .forced = true};
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		struct sandbox_report report;

		sandbox_enter(&options, &report);
		_exit(what(&report));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Lines of this file are below 256 from here on, or they would not fit the exit status. */
#define must(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			return __LINE__;                                                                               \
	} while (0)

static int open_as(const char *folder, const char *name, int flags)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int no_other_files(const struct sandbox_report *r)
{
	char from[256], to[256];

	must(r->landlock >= 1 && strstr(r->sentence, "sandbox on"));
	must(open_as("/etc", "passwd", O_RDONLY) == -EACCES);
	must(open_as(dir, "beside", O_WRONLY | O_CREAT) == -EACCES);
	must(open_as(in, "file", O_RDONLY) == 0);
	must(open_as(in, "file", O_WRONLY) == -EACCES);
	must(open_as(in, "new", O_WRONLY | O_CREAT) == -EACCES);
	must(open_as(out, "new", O_WRONLY | O_CREAT | O_EXCL) == 0);
	snprintf(from, sizeof(from), "%s/new", out);
	snprintf(to, sizeof(to), "%s/renamed", out);
	must(rename(from, to) == 0);
	must(unlink(to) == 0);
	return 0;
}

static int no_network_no_programs(const struct sandbox_report *r)
{
	char *const argv[] = {"true", NULL};

	must(r->seccomp);
	must(socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM);
	must(socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EPERM);
	must(execv("/bin/true", argv) < 0 && (errno == EPERM || errno == EACCES));
	must(fork() < 0 && errno == EPERM);
	must(kill(getppid(), 0) < 0 && errno == EPERM);
	must(kill(getpid(), 0) == 0);
	must(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EPERM);
	must(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	must(ioctl(0, TIOCSTI, "x") < 0 && errno == EPERM);
	return 0;
}

static int without_landlock_it_is_said(const struct sandbox_report *r)
{
	must(!r->landlock && strstr(r->sentence, "no Landlock"));
	must(open_as("/etc", "passwd", O_RDONLY) == 0);
	return no_network_no_programs(r);
}

static bool kernel_has_landlock(void)
{
	struct sandbox_options options = {.forced = true};
	int status;
	pid_t pid = fork();

	if (!pid) {
		struct sandbox_report report;

		sandbox_enter(&options, &report);
		_exit(report.landlock > 0);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static void files_are_shut_off(void **state)
{
	(void)state;
	if (!kernel_has_landlock()) {
		print_message("this kernel has no Landlock\n");
		skip();
	}
	assert_int_equal(within(no_other_files, false), 0);
}

static void network_and_programs_are_shut_off(void **state)
{
	(void)state;
	assert_int_equal(within(no_network_no_programs, false), 0);
}

static void without_landlock_the_rest_is_on(void **state)
{
	(void)state;
	assert_int_equal(within(without_landlock_it_is_said, true), 0);
}

static int set_up(void **state)
{
	char path[128];
	FILE *f;

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/culprit-sandbox-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(in, sizeof(in), "%s/in", dir);
	snprintf(out, sizeof(out), "%s/out", dir);
	snprintf(path, sizeof(path), "%s/file", in);
	if (mkdir(in, 0700) || mkdir(out, 0700) || !(f = fopen(path, "w")))
		return -1;
	return fclose(f);
}

static int tear_down(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/file", in);
	unlink(path);
	rmdir(in);
	rmdir(out);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_shut_off),
		cmocka_unit_test(network_and_programs_are_shut_off),
		cmocka_unit_test(without_landlock_the_rest_is_on),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
