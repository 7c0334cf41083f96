#include "diskstats.h"

#include <string.h>

void diskstats_init(struct diskstats *d, int proc_fd)
{
	memset(d, 0, sizeof(*d));
	procfs_file_init(&d->file, proc_fd, "diskstats");
	procfs_buffer_init(&d->text);
	devices_init(&d->devices);
}

void diskstats_finish(struct diskstats *d)
{
	procfs_file_finish(&d->file);
	procfs_buffer_finish(&d->text);
	devices_finish(&d->devices);
}

int diskstats_read(struct diskstats *d)
{
	int err = procfs_buffer_read(&d->text, &d->file);

	if (err)
		return err;
	devices_begin(&d->devices);
	d->rest = procfs_buffer_text(&d->text);
	return 0;
}

bool diskstats_is_one_of(const char *name, const char *const *words)
{
	for (; *words; words++) {
		size_t n = strlen(*words);

		if (strncmp(name, *words, n) == 0 && name[n] >= '0' && name[n] <= '9')
			return true;
	}
	return false;
}

static bool all_zero(const struct procfs_text *t)
{
	for (const char *p = t->p; p < t->end; p++)
		if (*p >= '1' && *p <= '9')
			return false;
	return true;
}

bool diskstats_next(struct diskstats *d, struct diskstats_line *ret)
{
	static const char *const idle[] = {"loop", "ram", "zram", "nbd", "fd", "sr", NULL};
	struct procfs_text line, word;
	uint64_t major, minor;

	while (procfs_line(&d->rest, &line)) {
		char name[DEVICE_NAME_MAX + 1] = "";

		if (!procfs_u64(&line, &major) || !procfs_u64(&line, &minor) || !procfs_word(&line, &word) ||
		    procfs_left(&word) > DEVICE_NAME_MAX) {
			devices_unclean(&d->devices);
			continue;
		}
		memcpy(name, word.p, procfs_left(&word));
		if (all_zero(&line) && diskstats_is_one_of(name, idle))
			continue;
		ret->device = devices_see(&d->devices, word.p, procfs_left(&word), major << 32 | (minor & UINT32_MAX));
		if (!ret->device)
			continue;
		ret->major = (uint32_t)major;
		ret->minor = (uint32_t)minor;
		ret->values = line;
		return true;
	}
	return false;
}
