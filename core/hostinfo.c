#include "hostinfo.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <culprit/host.h>

/* The first bytes of a file, NUL-terminated, trailing newline cut. */
static size_t read_small(int dir_fd, const char *path, char *buf, size_t size)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, buf, size - 1) : -1;

	if (fd >= 0)
		close(fd);
	if (n < 0)
		n = 0;
	while (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return (size_t)n;
}

static void read_system(char *to, size_t size)
{
	char buf[4096], *line, *end;

	if (!read_small(AT_FDCWD, "/etc/os-release", buf, sizeof(buf)))
		return;
	line = strstr(buf, "PRETTY_NAME=");
	if (!line)
		return;
	line += strlen("PRETTY_NAME=");
	if (*line == '"')
		line++;
	end = line + strcspn(line, "\"\n");
	snprintf(to, size, "%.*s", (int)(end - line), line);
}

void host_info_read(struct host_info *h, int proc_fd, const struct clock *clock, uint64_t interval_ns)
{
	struct utsname u;
	struct tm tm;
	time_t now = (time_t)(clock->now_ns(clock, CULPRIT_WALL) / 1000000000u);
	long n;

	memset(h, 0, sizeof(*h));
	if (!uname(&u)) {
		snprintf(h->name, sizeof(h->name), "%s", u.nodename);
		snprintf(h->kernel, sizeof(h->kernel), "%s", u.release);
		snprintf(h->machine, sizeof(h->machine), "%s", u.machine);
	}
	if (proc_fd >= 0)
		read_small(proc_fd, "sys/kernel/random/boot_id", h->boot_id, sizeof(h->boot_id));
	if (localtime_r(&now, &tm)) {
		long minutes = tm.tm_gmtoff / 60, size = minutes < 0 ? -minutes : minutes;

		snprintf(h->zone, sizeof(h->zone), "%c%02ld:%02ld", minutes < 0 ? '-' : '+', size / 60 % 24, size % 60);
	}
	read_system(h->system, sizeof(h->system));
	n = sysconf(_SC_CLK_TCK);
	h->user_hz = n > 0 ? (uint64_t)n : 100;
	n = sysconf(_SC_PAGESIZE);
	h->page_size = n > 0 ? (uint64_t)n : 4096;
	n = sysconf(_SC_NPROCESSORS_ONLN);
	h->cpus = n > 0 ? (uint64_t)n : 1;
	n = sysconf(_SC_PHYS_PAGES);
	h->memory_bytes = n > 0 ? (uint64_t)n * h->page_size : 0;
	h->boot_wall_ns = (int64_t)(clock->now_ns(clock, CULPRIT_WALL) - clock->now_ns(clock, CULPRIT_BOOT));
	h->interval_ns = interval_ns;
}
