#include "open_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "procfs.h"
#include "task_parse.h"

void open_files_init(struct open_files *w, int proc_fd)
{
	*w = (struct open_files){.proc_fd = proc_fd};
}

void open_files_finish(struct open_files *w)
{
	if (w->files)
		closedir(w->files);
	if (w->processes)
		closedir(w->processes);
	w->files = w->processes = NULL;
}

static DIR *folder(struct open_files *w, const char *path)
{
	int fd = openat(w->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

bool open_files_know(struct open_files *w)
{
	char path[32], text[PROCFS_SMALL];
	struct task_stat stat;
	ssize_t n;

	if (w->known)
		return w->start;
	w->known = true;
	snprintf(path, sizeof(path), "%u/stat", w->pid);
	n = procfs_read(w->proc_fd, path, text, sizeof(text));
	if (n <= 0 || task_parse_stat(text, (size_t)n, &stat) != 0)
		return false;
	w->start = stat.start;
	memcpy(w->comm, stat.comm, stat.comm_len < sizeof(w->comm) ? stat.comm_len : sizeof(w->comm) - 1);
	return w->start;
}

size_t open_files_link(const struct open_files *w, char *to, size_t cap)
{
	ssize_t n = readlinkat(dirfd(w->files), w->name, to, cap - 1);

	to[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* The next process whose files can be listed, or not. false: there is none. */
static bool next_process(struct open_files *w, const struct open_files_take *take, void *self)
{
	struct dirent *e;
	char path[32];

	do
		e = readdir(w->processes);
	while (e && !task_parse_pid(e->d_name));
	if (!e)
		return false;
	w->pid = task_parse_pid(e->d_name);
	w->known = false;
	w->start = 0;
	memset(w->comm, 0, sizeof(w->comm));
	snprintf(path, sizeof(path), "%u/fd", w->pid);
	w->files = folder(w, path);
	if (!w->files)
		w->denied += errno == EACCES || errno == EPERM;
	else if (take->process)
		take->process(self, w);
	return true;
}

bool open_files_walk(struct open_files *w, size_t most, const struct open_files_take *take, void *self)
{
	struct dirent *e;

	if (!w->processes) {
		w->denied = 0;
		w->processes = folder(w, ".");
	}
	for (size_t looked = 0; w->processes && looked < most; looked++) {
		if (!w->files) {
			if (!next_process(w, take, self))
				open_files_finish(w);
			continue;
		}
		do
			e = readdir(w->files);
		while (e && e->d_name[0] == '.');
		if (!e) {
			closedir(w->files);
			w->files = NULL;
			continue;
		}
		w->name = e->d_name;
		take->file(self, w);
	}
	return !w->processes;
}
