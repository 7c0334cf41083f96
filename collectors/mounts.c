#include "mounts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

const char *mounts_of_machine(int proc_fd)
{
	struct stat own, first;

	if (fstatat(proc_fd, "self/ns/mnt", &own, 0) < 0 || fstatat(proc_fd, "1/ns/mnt", &first, 0) < 0 || own.st_ino == first.st_ino ||
	    faccessat(proc_fd, "1/mountinfo", R_OK, 0) < 0)
		return "self/mountinfo";
	return "1/mountinfo";
}

bool mount_parse(struct procfs_text line, struct mount_line *m)
{
	struct procfs_text word;
	const char *colon;
	uint64_t id, parent, major, minor;

	if (!procfs_u64(&line, &id) || !procfs_u64(&line, &parent) || !procfs_word(&line, &word))
		return false;
	colon = memchr(word.p, ':', procfs_left(&word));
	if (!colon || !procfs_whole_u64(word.p, (size_t)(colon - word.p), &major) ||
	    !procfs_whole_u64(colon + 1, (size_t)(word.end - colon - 1), &minor))
		return false;
	m->device = major << 32 | (minor & UINT32_MAX);
	if (!procfs_word(&line, &m->root) || !procfs_word(&line, &m->point) || !procfs_word(&line, &m->options))
		return false;
	do
		if (!procfs_word(&line, &word))
			return false;
	while (!procfs_is(&word, "-"));
	if (!procfs_word(&line, &m->type) || !procfs_word(&line, &m->source))
		return false;
	if (!procfs_word(&line, &m->super_options))
		m->super_options = procfs_text("", 0);
	return *m->point.p == '/';
}

bool mount_option(const struct procfs_text *options, const char *option)
{
	const char *p = options->p;

	while (p < options->end) {
		const char *comma = memchr(p, ',', (size_t)(options->end - p));
		struct procfs_text one = {p, comma ? comma : options->end};

		if (procfs_is(&one, option))
			return true;
		p = one.end + 1;
	}
	return false;
}
