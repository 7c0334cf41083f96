#include "inspect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "text.h"

enum {
	TEXT_BYTES = 512 * 1024,
	LINE_BYTES = 4096,
	FILES_SHOWN = 2000,
	ENVIRON_BYTES = 128 * 1024,
	DEADLINE_MS = 200,
};

struct page {
	char *text;
	size_t n;
	bool cut;
};

/* One line: a label of our own, then bytes of anybody's. */
static void line(struct page *p, const char *label, const void *bytes, size_t n)
{
	char shown[4 * LINE_BYTES + 1];
	int k;

	if (p->cut || TEXT_BYTES - p->n < sizeof(shown) + 64) {
		p->cut = true;
		return;
	}
	text_sanitise(shown, sizeof(shown), bytes, n < LINE_BYTES ? n : LINE_BYTES, TEXT_UTF8);
	k = snprintf(p->text + p->n, TEXT_BYTES - p->n, "%s%s%s\n", label, shown, n > LINE_BYTES ? " ..." : "");
	p->n += (size_t)k;
}

static void say(struct page *p, const char *text)
{
	line(p, text, "", 0);
}

static void say_why(struct page *p, const char *label, int err)
{
	char text[160];

	snprintf(text, sizeof(text), "%snot read: %s%s", label, strerror(err),
		 err == EACCES || err == EPERM ? " (of another user: needs root)" : "");
	say(p, text);
}

static ssize_t read_whole(int dir, const char *name, char *buf, size_t cap)
{
	size_t n = 0;
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	while (n < cap) {
		ssize_t k = read(fd, buf + n, cap - n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0) {
			ssize_t err = -errno;

			close(fd);
			return err;
		}
		if (!k)
			break;
		n += (size_t)k;
	}
	close(fd);
	return (ssize_t)n;
}

/* Field 22 of its stat; 0: gone. */
static uint64_t start_of(int dir)
{
	char bytes[1024], *at;
	ssize_t n = read_whole(dir, "stat", bytes, sizeof(bytes) - 1);

	if (n <= 0)
		return 0;
	bytes[n] = '\0';
	/* The name may hold anything; the last parenthesis ends it. */
	at = strrchr(bytes, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

static void put_link(struct page *p, int dir, const char *name, const char *label)
{
	char to[LINE_BYTES];
	ssize_t n = readlinkat(dir, name, to, sizeof(to));

	if (n < 0)
		say_why(p, label, errno);
	else
		line(p, label, to, (size_t)n);
}

static void put_limits(struct page *p, int dir)
{
	char bytes[8192], *at, *next;
	ssize_t n = read_whole(dir, "limits", bytes, sizeof(bytes) - 1);

	say(p, "");
	if (n < 0) {
		say_why(p, "limits: ", (int)-n);
		return;
	}
	bytes[n] = '\0';
	say(p, "limits                    soft                 hard                 unit");
	at = strchr(bytes, '\n'); /* the header */
	for (at = at ? at + 1 : bytes; *at; at = next) {
		size_t k = strcspn(at, "\n");

		next = at + k + (at[k] == '\n');
		while (k && at[k - 1] == ' ')
			k--;
		/* "Max open files" */
		if (k > 4 && !memcmp(at, "Max ", 4)) {
			at += 4;
			k -= 4;
		}
		line(p, "  ", at, k);
	}
}

static int by_number(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return x < y ? -1 : x > y;
}

static void put_files(struct page *p, int dir)
{
	int fd = openat(dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *files = fd >= 0 ? fdopendir(fd) : NULL;
	long *numbers = malloc(FILES_SHOWN * sizeof(*numbers));
	size_t n = 0, more = 0;
	struct dirent *e;
	char title[96];

	say(p, "");
	if (!files || !numbers) {
		say_why(p, "open files: ", files ? ENOMEM : errno);
		if (files)
			closedir(files);
		else if (fd >= 0)
			close(fd);
		free(numbers);
		return;
	}
	while ((e = readdir(files))) {
		if (*e->d_name < '0' || *e->d_name > '9')
			continue;
		if (n < FILES_SHOWN)
			numbers[n++] = strtol(e->d_name, NULL, 10);
		else
			more++;
	}
	qsort(numbers, n, sizeof(*numbers), by_number);
	snprintf(title, sizeof(title), "open files: %zu", n + more);
	say(p, title);
	for (size_t i = 0; i < n; i++) {
		char name[24], label[32], to[LINE_BYTES];
		ssize_t k;

		snprintf(name, sizeof(name), "%ld", numbers[i]);
		snprintf(label, sizeof(label), "%6ld  ", numbers[i]);
		k = readlinkat(fd, name, to, sizeof(to));
		if (k >= 0)
			line(p, label, to, (size_t)k);
		else if (errno != ENOENT)
			say_why(p, label, errno);
	}
	if (more) {
		snprintf(title, sizeof(title), "  and %zu more", more);
		say(p, title);
	}
	closedir(files);
	free(numbers);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* In a child that is killed when it is late: it may wait for the process's memory for ever. Only calls that are safe in a
 * child of threads. */
static void child(int dir, const char *name, int to)
{
	char bytes[4096];
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC), err = fd < 0 ? errno : 0;
	ssize_t n = 0;

	while (!err && (n = read(fd, bytes, sizeof(bytes))) != 0) {
		if (n < 0) {
			err = errno;
			break;
		}
		for (ssize_t done = 0, k; done < n; done += k) {
			k = write(to, bytes + done, (size_t)(n - done));
			if (k < 0)
				_exit(1);
		}
	}
	_exit(err > 0 && err < 200 ? err : 0);
}

/* -ETIMEDOUT: it was late. */
static ssize_t read_by_child(int dir, const char *name, char *buf, size_t cap)
{
	uint64_t end = now_ms() + DEADLINE_MS;
	int ends[2], status = 0;
	size_t n = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid < 0) {
		close(ends[0]);
		close(ends[1]);
		return -errno;
	}
	if (!pid)
		child(dir, name, ends[1]);
	close(ends[1]);
	for (;;) {
		struct pollfd p = {.fd = ends[0], .events = POLLIN};
		uint64_t now = now_ms();
		ssize_t k = 0;

		if (now >= end || n == cap)
			break;
		if (poll(&p, 1, (int)(end - now)) <= 0)
			continue;
		k = read(ends[0], buf + n, cap - n);
		if (k <= 0) {
			end = 0;
			break;
		}
		n += (size_t)k;
	}
	close(ends[0]);
	if (!end && waitpid(pid, &status, 0) == pid)
		return WIFEXITED(status) && WEXITSTATUS(status) ? -WEXITSTATUS(status) : (ssize_t)n;
	/* Killed, and not waited for: what it hangs in may not let it die yet. */
	kill(pid, SIGKILL);
	for (int i = 0; i < 20 && waitpid(pid, NULL, WNOHANG) == 0; i++)
		nanosleep(&(struct timespec){0, 1000000}, NULL);
	return n == cap ? (ssize_t)n : -ETIMEDOUT;
}

static void put_environment(struct page *p, int dir)
{
	char *bytes = malloc(ENVIRON_BYTES);
	ssize_t n = bytes ? read_by_child(dir, "environ", bytes, ENVIRON_BYTES) : -ENOMEM;
	size_t variables = 0;
	char title[96];

	say(p, "");
	if (n < 0) {
		if (n == -ETIMEDOUT)
			say(p, "environment: its memory could not be read within 200 ms");
		else
			say_why(p, "environment: ", (int)-n);
		free(bytes);
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		variables += bytes[i] == '\0';
	snprintf(title, sizeof(title), "environment: %zu variables, as it was started (read now, recorded nowhere)", variables);
	say(p, title);
	for (ssize_t i = 0; i < n;) {
		size_t k = strnlen(bytes + i, (size_t)(n - i));

		if (k)
			line(p, "  ", bytes + i, k);
		i += (ssize_t)k + 1;
	}
	free(bytes);
}

/* What it was started as, whole: lists have room for its beginning. */
static void put_command(struct page *p, int dir)
{
	char bytes[LINE_BYTES + 1];
	ssize_t n = read_by_child(dir, "cmdline", bytes, sizeof(bytes));

	if (n == -ETIMEDOUT)
		say(p, "command   its memory could not be read within 200 ms");
	else if (n < 0)
		say_why(p, "command   ", (int)-n);
	if (n < 0)
		return;
	while (n > 0 && !bytes[n - 1])
		n--;
	for (ssize_t i = 0; i < n; i++)
		bytes[i] = bytes[i] ? bytes[i] : ' ';
	line(p, "command   ", n ? bytes : "- (a thread of the kernel, or it has ended)", n ? (size_t)n : 43);
}

int inspect_process(int proc_fd, uint64_t pid, uint64_t start_ticks, char **ret_text, struct culprit_error *error)
{
	struct page p = {malloc(TEXT_BYTES), 0, false};
	char name[24];
	int dir;

	snprintf(name, sizeof(name), "%llu", (unsigned long long)pid);
	dir = openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!p.text) {
		if (dir >= 0)
			close(dir);
		return error_set(error, -ENOMEM, "out of memory");
	}
	p.text[0] = '\0';
	/* The folder belongs to that process: another one that gets the number is not read through it. */
	if (dir < 0 || (start_ticks && start_of(dir) != start_ticks)) {
		free(p.text);
		if (dir >= 0)
			close(dir);
		return error_set(error, -ESRCH, "process %llu has ended: its files, limits and environment went with it",
				 (unsigned long long)pid);
	}
	put_command(&p, dir);
	put_link(&p, dir, "exe", "program   ");
	put_link(&p, dir, "cwd", "folder    ");
	put_link(&p, dir, "root", "root      ");
	put_limits(&p, dir);
	put_files(&p, dir);
	put_environment(&p, dir);
	close(dir);
	if (p.cut)
		p.n += (size_t)snprintf(p.text + p.n, TEXT_BYTES - p.n, "\nthere is more than is shown here\n");
	*ret_text = p.text;
	return 0;
}
