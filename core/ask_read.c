/* The reads themselves: what a helper does for one question. They may block for ever; see ask.h. */
#include "ask.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Below the directory, by its wording: no absolute path, no "..". What the kernel's own links below /proc lead to is
 * not looked at. */
static bool path_is_below(const char *path)
{
	if (!*path || *path == '/')
		return false;
	for (const char *p = path; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (p[0] == '.' && p[1] == '.' && (!p[2] || p[2] == '/'))
			return false;
	}
	return true;
}

static int read_file(int dir, const char *path, void *buf, size_t cap, uint32_t *ret_len)
{
	size_t len = 0;
	int err = 0, fd;

	if (!path_is_below(path))
		return -EINVAL;
	if (dir < 0)
		return -ENOENT;
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	/* /proc gives long files page by page */
	while (len < cap) {
		ssize_t n = read(fd, (char *)buf + len, cap - len);

		if (n == 0)
			break;
		if (n > 0) {
			len += (size_t)n;
		} else if (errno != EINTR) {
			err = -errno;
			break;
		}
	}
	close(fd);
	if (err < 0)
		return err;
	*ret_len = (uint32_t)len;
	return 0;
}

/* So many entries are looked at. */
enum { NAMES_LOOKED_AT = 100000 };

static int read_names(int dir, const char *path, char *buf, size_t cap, uint32_t *ret_len)
{
	char folder[ASK_PATH_MAX + 1];
	const char *pattern = strrchr(path, '/');
	struct dirent *e;
	size_t len = 0;
	DIR *names;
	int fd;

	if (!path_is_below(path) || !pattern || strlen(path) > ASK_PATH_MAX)
		return -EINVAL;
	if (dir < 0)
		return -ENOENT;
	snprintf(folder, sizeof(folder), "%.*s", (int)(pattern - path), path);
	pattern++;
	fd = openat(dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	names = fd >= 0 ? fdopendir(fd) : NULL;
	if (!names) {
		int err = -errno;

		if (fd >= 0)
			close(fd);
		return err;
	}
	for (int i = 0; i < NAMES_LOOKED_AT && (e = readdir(names)); i++) {
		size_t n = strlen(e->d_name);

		if (fnmatch(pattern, e->d_name, FNM_NOESCAPE | FNM_PERIOD) || memchr(e->d_name, '\n', n) || n + 1 > cap - len)
			continue;
		memcpy(buf + len, e->d_name, n);
		buf[len + n] = '\n';
		len += n + 1;
	}
	closedir(names);
	*ret_len = (uint32_t)len;
	return 0;
}

static int read_statfs(const char *path, void *buf, size_t cap, uint32_t *ret_len)
{
	struct culprit_statfs answer;
	struct statfs s;

	if (*path != '/' || cap < sizeof(answer))
		return -EINVAL;
	if (statfs(path, &s) < 0)
		return -errno;
	answer = (struct culprit_statfs){
		/* f_blocks counts fragments */
		.block_size = (uint64_t)(s.f_frsize ? s.f_frsize : s.f_bsize),
		.blocks = s.f_blocks,
		.blocks_free = s.f_bfree,
		.blocks_available = s.f_bavail,
		.files = s.f_files,
		.files_free = s.f_ffree,
		.flags = (uint64_t)s.f_flags,
	};
	memcpy(buf, &answer, sizeof(answer));
	*ret_len = sizeof(answer);
	return 0;
}

/* By what stands in the file alone. */
static int find_in_file(const char *file, uid_t uid, struct passwd *space, char *buf, size_t size, struct passwd **ret)
{
	FILE *f = fopen(file, "re");
	int err;

	*ret = NULL;
	if (!f)
		return errno;
	while ((err = fgetpwent_r(f, space, buf, size, ret)) == 0 && (*ret)->pw_uid != uid)
		*ret = NULL;
	fclose(f);
	return err == ENOENT ? 0 : err;
}

static int find_user(uid_t uid, struct passwd *space, char *buf, size_t size, struct passwd **ret)
{
	const char *root = getenv(ASK_HOST_ROOT);
	char file[ASK_PATH_MAX];

	if (root && *root) {
		snprintf(file, sizeof(file), "%s/etc/passwd", root);
		return find_in_file(file, uid, space, buf, size, ret);
	}
#ifdef CULPRIT_STATIC
	/* A static program cannot load the C library's name services. */
	return find_in_file("/etc/passwd", uid, space, buf, size, ret);
#else
	return getpwuid_r(uid, space, buf, size, ret);
#endif
}

static int read_user(const char *path, void *buf, size_t cap, uint32_t *ret_len)
{
	struct passwd space, *user = NULL;
	char strings[16384], *end;
	unsigned long uid;
	size_t len;
	int err;

	if (*path < '0' || *path > '9')
		return -EINVAL;
	errno = 0;
	uid = strtoul(path, &end, 10);
	if (errno || *end || uid > UINT32_MAX)
		return -EINVAL;
	err = find_user((uid_t)uid, &space, strings, sizeof(strings), &user);
	if (err)
		return -err;
	if (!user)
		return -ENOENT;
	len = strlen(user->pw_name);
	if (len > cap)
		len = cap;
	memcpy(buf, user->pw_name, len);
	*ret_len = (uint32_t)len;
	return 0;
}

int ask_read(int proc_fd, uint32_t what, const char *path, void *buf, size_t cap, uint32_t *ret_len)
{
	switch (what) {
	case CULPRIT_ASK_FILE:
		return read_file(proc_fd, path, buf, cap, ret_len);
	case CULPRIT_ASK_NAMES:
		return read_names(proc_fd, path, buf, cap, ret_len);
	case CULPRIT_ASK_STATFS:
		return read_statfs(path, buf, cap, ret_len);
	case CULPRIT_ASK_USER:
		return read_user(path, buf, cap, ret_len);
	}
	return -EINVAL;
}
