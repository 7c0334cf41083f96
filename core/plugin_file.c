/* Which files may be loaded as plug-ins, and where they are looked for. A plug-in runs with the user's rights (often
 * root's): a file that somebody else may write must not become code. */
#include "plugin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

static bool owner_is_trusted(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

static int check_folder(int fd, const char *path, const char *folder, struct culprit_error *error)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set(error, -errno, "%s: its folder cannot be examined: %s.", path, strerror(errno));
	if (!owner_is_trusted(&st))
		return error_set(error, -EPERM, "%s: its folder %s belongs to user %u; it must be root's or yours.", path,
				 folder, (unsigned)st.st_uid);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !(st.st_mode & S_ISVTX))
		return error_set(error, -EPERM, "%s: others may write in its folder: chmod go-w %s", path, folder);
	return 0;
}

static bool lies_within(uint64_t offset, uint64_t bytes, uint64_t size)
{
	return offset <= size && bytes <= size - offset;
}

/* The dynamic loader maps what the headers name and dies of SIGBUS where the file ends before it. True also for what is
 * no ELF file of this machine: the loader says that itself, and better. */
static bool is_complete(int fd, uint64_t size)
{
	ElfW(Ehdr) head;
	ElfW(Phdr) part;
	ssize_t n = pread(fd, &head, sizeof(head), 0);

	if (n < EI_NIDENT || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
	    head.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32))
		return true;
	if (n != (ssize_t)sizeof(head))
		return false;
	/* The sections are of no use to the loader, but they stand last: without them something was cut off. */
	if (head.e_shoff && !lies_within(head.e_shoff, (uint64_t)head.e_shnum * head.e_shentsize, size))
		return false;
	if (head.e_phnum && head.e_phentsize != sizeof(part))
		return false;
	if (!lies_within(head.e_phoff, (uint64_t)head.e_phnum * sizeof(part), size))
		return false;
	for (unsigned i = 0; i < head.e_phnum; i++) {
		if (pread(fd, &part, sizeof(part), (off_t)(head.e_phoff + i * sizeof(part))) != (ssize_t)sizeof(part))
			return false;
		if (part.p_type != PT_NULL && !lies_within(part.p_offset, part.p_filesz, size))
			return false;
	}
	return true;
}

static int check_file(int fd, const char *path, struct culprit_error *error)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set(error, -errno, "%s: it cannot be examined: %s.", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return error_set(error, -EINVAL, "%s is not a regular file.", path);
	if (!owner_is_trusted(&st))
		return error_set(error, -EPERM, "%s belongs to user %u; a plug-in must be root's or yours.", path,
				 (unsigned)st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return error_set(error, -EPERM, "%s: others may write it: chmod go-w %s", path, path);
	if (!is_complete(fd, (uint64_t)st.st_size))
		return error_set(error, -ENOEXEC, "%s is not a complete shared object: it was cut off; build or copy it again.",
				 path);
	return 0;
}

int plugin_open_file(const char *path, struct culprit_error *error)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	char folder[PATH_MAX];
	size_t len = slash ? (size_t)(slash - path) : 0;
	int dir, fd, err;

	if (len >= sizeof(folder) || !*base)
		return error_set(error, -EINVAL, "%s is not the name of a file.", path);
	if (!slash)
		memcpy(folder, ".", sizeof("."));
	else if (!len)
		memcpy(folder, "/", sizeof("/"));
	else {
		memcpy(folder, path, len);
		folder[len] = 0;
	}
	/* By descriptors: what was checked is what is loaded. */
	dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return error_set(error, -errno, "%s cannot be opened: %s.", folder, strerror(errno));
	err = check_folder(dir, path, folder, error);
	if (err < 0)
		goto close_dir;
	fd = openat(dir, base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		if (err == -ELOOP)
			error_set(error, err, "%s is a symbolic link; name the file itself.", path);
		else
			error_set(error, err, "%s cannot be opened: %s.", path, strerror(-err));
		goto close_dir;
	}
	err = check_file(fd, path, error);
	if (err < 0) {
		close(fd);
		goto close_dir;
	}
	close(dir);
	return fd;

close_dir:
	close(dir);
	return err;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void plugin_scan_free(char **paths, size_t n)
{
	for (size_t i = 0; paths && i < n; i++)
		free(paths[i]);
	free(paths);
}

/* "FOLDER/NAME" at the end of the list. */
static int append(char ***paths, size_t *n, const char *folder, const char *name)
{
	size_t size = strlen(folder) + strlen(name) + 2;
	char **more = realloc(*paths, (*n + 1) * sizeof(*more));
	char *path = malloc(size);

	if (more)
		*paths = more;
	if (!more || !path) {
		free(path);
		return -ENOMEM;
	}
	snprintf(path, size, "%s/%s", folder, name);
	more[(*n)++] = path;
	return 0;
}

int plugin_scan(const char *folder, char ***ret_paths, size_t *ret_n, struct culprit_error *error)
{
	DIR *dir = opendir(folder);
	char **paths = NULL;
	struct dirent *e;
	size_t n = 0;
	int err = 0;

	if (!dir && errno != ENOENT)
		return error_set(error, -errno, "The plug-in folder %s cannot be read: %s.", folder, strerror(errno));
	while (dir && !err && (e = readdir(dir))) {
		size_t len = strlen(e->d_name);

		if (len > 3 && e->d_name[0] != '.' && !strcmp(e->d_name + len - 3, ".so"))
			err = append(&paths, &n, folder, e->d_name);
	}
	if (dir)
		closedir(dir);
	if (err < 0) {
		plugin_scan_free(paths, n);
		return error_set(error, err, "Out of memory for the list of plug-ins.");
	}
	if (n)
		qsort(paths, n, sizeof(*paths), compare);
	*ret_paths = paths;
	*ret_n = n;
	return 0;
}
