/* What is read of a process when asked: of one that lives, of one whose memory cannot be read, of one that has gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "inspect.h"

static void a_process_that_lives(void **state)
{
	char *const arguments[] = {"sleep", "60", NULL}, *const environment[] = {"PLAIN=value", "EVIL=\x1b]0;x\x07", NULL};
	struct culprit_error error = {""};
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ready[2];
	char *text = NULL, byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (open("/etc/passwd", O_RDONLY) < 0)
			_exit(1);
		execve("/bin/sleep", arguments, environment);
		_exit(1);
	}
	close(ready[1]);
	/* Until it has become the other program. */
	assert_int_equal(read(ready[0], &byte, 1), 0);
	/* On a machine that stands still its 200 ms may be over before the child has begun. */
	for (int i = 0; i < 100; i++) {
		free(text);
		text = NULL;
		assert_int_equal(inspect_process(proc, (uint64_t)pid, 0, &text, &error), 0);
		if (strstr(text, "environment: 2") && strstr(text, "command   sleep"))
			break;
	}
	assert_non_null(strstr(text, "command   sleep"));
	assert_non_null(strstr(text, "program   /"));
	assert_non_null(strstr(text, "sleep"));
	assert_non_null(strstr(text, "  open files "));
	assert_non_null(strstr(text, "/etc/passwd\n"));
	assert_non_null(strstr(text, "environment: 2 variables"));
	assert_non_null(strstr(text, "  PLAIN=value\n"));
	assert_non_null(strstr(text, "  EVIL=\\x1b]0;x\\x07\n"));
	assert_null(strchr(text, '\x1b'));
	free(text);
	/* Another one began under this number. */
	assert_int_equal(inspect_process(proc, (uint64_t)pid, 1, &text, &error), -ESRCH);
	assert_non_null(strstr(error.sentence, "has ended"));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(inspect_process(proc, (uint64_t)pid, 0, &text, &error), -ESRCH);
	close(ready[0]);
	close(proc);
}

static void write_file(int dir, const char *name, const char *bytes)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, strlen(bytes)), strlen(bytes));
	close(fd);
}

/* A pipe that nobody writes: to open it takes for ever, as the memory of some processes does. */
static void what_hangs_is_given_up(void **state)
{
	char folder[] = "/tmp/inspect.XXXXXX", command[64];
	struct culprit_error error = {""};
	char *text = NULL;
	int proc, dir;

	(void)state;
	assert_non_null(mkdtemp(folder));
	proc = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(proc, "42", 0700), 0);
	dir = openat(proc, "42", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	write_file(dir, "stat", "42 (a) b) c) S 1 1 1 0 -1 4194304 1 1 1 1 1 1 1 1 20 0 1 0 777 1 1");
	write_file(dir, "limits", "Limit Soft\nMax cpu time unlimited unlimited seconds   \n\x1b[2J\n");
	assert_int_equal(mkfifoat(dir, "environ", 0600), 0);
	assert_int_equal(mkfifoat(dir, "cmdline", 0600), 0);
	assert_int_equal(inspect_process(proc, 42, 777, &text, &error), 0);
	assert_non_null(strstr(text, "command   its memory could not be read within 200 ms"));
	assert_non_null(strstr(text, "environment: its memory could not be read within 200 ms"));
	assert_non_null(strstr(text, "  cpu time unlimited unlimited seconds\n"));
	assert_non_null(strstr(text, "program   not read: "));
	assert_null(strchr(text, '\x1b'));
	free(text);
	assert_int_equal(inspect_process(proc, 42, 778, &text, &error), -ESRCH);
	close(dir);
	close(proc);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_that_lives),
		cmocka_unit_test(what_hangs_is_given_up),
	};

	return cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
}
