#include "perfmap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *hex(const char *p, const char *end, uint64_t *ret)
{
	uint64_t v = 0;
	const char *start;

	if (end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
		p += 2;
	for (start = p; p < end && p - start < 16; p++) {
		int d = *p >= '0' && *p <= '9' ? *p - '0' : *p >= 'a' && *p <= 'f' ? *p - 'a' + 10 :
			*p >= 'A' && *p <= 'F' ? *p - 'A' + 10 : -1;

		if (d < 0)
			break;
		v = v << 4 | (uint64_t)d;
	}
	if (p == start || p == end || *p != ' ')
		return NULL;
	*ret = v;
	return p + 1;
}

int perfmap_parse(struct symtab *t, const char *text, size_t n)
{
	const char *end = text + n;
	uint32_t rank = 0;

	for (const char *p = text, *nl; p < end; p = nl + 1) {
		uint64_t start, size;
		const char *q;
		int r;

		nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl)
			break; /* a line being written */
		q = hex(p, nl, &start);
		q = q ? hex(q, nl, &size) : NULL;
		if (!q || q == nl || !size || start + size < start)
			continue;
		r = symtab_add(t, start, size, q, (size_t)(nl - q), ++rank);
		if (r)
			return r;
	}
	symtab_settle(t);
	return 0;
}

/* The innermost number of the line NSpid of /proc/PID/status, and the effective uid. */
static int who(int proc_fd, uint32_t pid, uint32_t *ret_pid, uid_t *ret_uid)
{
	char path[32], buf[4096], *at, *last;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%u/status", pid);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return -ESRCH;
	buf[n] = '\0';
	*ret_pid = pid;
	*ret_uid = 0;
	at = strstr(buf, "\nUid:");
	if (at && sscanf(at, "\nUid: %*u %u", ret_uid) != 1)
		return -EBADMSG;
	at = strstr(buf, "\nNSpid:");
	if (at) {
		at[1 + strcspn(at + 1, "\n")] = '\0';
		last = strrchr(at, '\t');
		if (last)
			*ret_pid = (uint32_t)strtoul(last + 1, NULL, 10);
	}
	return 0;
}

int perfmap_read(int proc_fd, uint32_t pid, struct perfmap_stamp *stamp, struct symtab *ret)
{
	struct symtab t = {0};
	struct perfmap_stamp now;
	char path[80], *text;
	uint32_t inner;
	struct stat st;
	size_t n = 0;
	ssize_t got = 0;
	uid_t uid;
	int fd, r = who(proc_fd, pid, &inner, &uid);

	if (r)
		return r;
	snprintf(path, sizeof(path), "%u/root/tmp/perf-%u.map", pid, inner);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (st.st_uid != uid && st.st_uid != 0)) {
		close(fd);
		return -EPERM;
	}
	now = (struct perfmap_stamp){(uint64_t)st.st_size, st.st_ino, st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec};
	if (stamp->inode == now.inode && stamp->size == now.size && stamp->mtime_ns == now.mtime_ns) {
		close(fd);
		return -EALREADY;
	}
	if (now.size > PERFMAP_BYTES_MAX)
		now.size = PERFMAP_BYTES_MAX;
	text = malloc(now.size + 1);
	if (!text) {
		close(fd);
		return -ENOMEM;
	}
	while (n < now.size && (got = read(fd, text + n, now.size - n)) > 0)
		n += (size_t)got;
	close(fd);
	r = perfmap_parse(&t, text, n);
	free(text);
	if (r) {
		symtab_finish(&t);
		return r;
	}
	now.size = (uint64_t)st.st_size;
	*stamp = now;
	*ret = t;
	return 0;
}
