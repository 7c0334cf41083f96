/* Table `filesystem`: how full the mounted file systems are, from /proc/self/mountinfo and statfs. statfs never answers
 * for a dead NFS server: it is asked of a helper, and a file system that doesn't answer has its cells unread. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "builtin.h"
#include "columns.h"
#include "mounts.h"
#include "procfs.h"

enum {
	MOUNT, DEVICE, FSTYPE, READ_ONLY, SIZE, FREE, AVAILABLE, INODES, INODES_FREE, NCOLUMNS,
	ASKED = 1, /* group of what statfs gives */
	FILESYSTEMS_MAX = 1024,
};

static const uint64_t wait_ns = 10000000, whole_wait_ns = 300000000;

#define INFO(what) "/proc/self/mountinfo " what
#define SIZE_OF(name, field, help) GAUGE_IN(ASKED, name, CULPRIT_BYTES, help, "statfs " field)

static const struct culprit_column columns[] = {
	[MOUNT] = KEY_TEXT("mount", "Where it is mounted; of several places one", INFO("mount point")),
	[DEVICE] = TEXT("device", "What is mounted there", INFO("mount source")),
	[FSTYPE] = TEXT("fstype", "Type of the file system", INFO("filesystem type")),
	[READ_ONLY] = FLAG("read_only", "Is it read-only? Some become so after an error of the device",
			   INFO("mount options, super options: ro")),
	[SIZE] = SIZE_OF("size", "f_blocks", "Size of the file system"),
	[FREE] = SIZE_OF("free", "f_bfree", "Free, with what is reserved for root"),
	[AVAILABLE] = SIZE_OF("available", "f_bavail", "Free for everybody"),
	[INODES] = GAUGE_IN(ASKED, "inodes", CULPRIT_COUNT, "Most files it can hold; 0: no bound", "statfs f_files"),
	[INODES_FREE] = GAUGE_IN(ASKED, "inodes_free", CULPRIT_COUNT, "How many more files it can hold", "statfs f_ffree"),
};

static const struct culprit_derived derived[] = {
	LEVEL("used", "size-free", CULPRIT_BYTES, "Space that is used"),
	LEVEL_PCT("used_pct", "size-free", "size-free+available", "Used, percent of what users can have, as df counts it"),
	LEVEL_PCT("inode_pct", "inodes-inodes_free", "inodes", "Files there are, percent of the most it can hold"),
	GROWTH("growth", "size-free", CULPRIT_BYTES, "How used space changed over the window"),
};

static const struct culprit_table filesystem_table = {
	.size = sizeof(filesystem_table),
	.name = "filesystem",
	.kind = CULPRIT_STATE,
	.help = "How full file systems are: one row each, however often it is mounted; without those the kernel makes up, "
		"images that never change (squashfs, iso9660, erofs), and overlays other than /",
	.key = "mount",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.sort = "used_pct",
	.show = "mount used_pct size used available inode_pct growth read_only fstype device",
};

struct entry {
	char *point; /* in `text`, NUL-terminated */
	size_t len;
	struct procfs_text type, source;
	uint64_t device;
	bool read_only, whole; /* whole: its own root is mounted, not a folder of it */
	int err;               /* of statfs; -EINPROGRESS: no answer yet */
	struct culprit_statfs st;
};

struct filesystem {
	const struct culprit_host *host;
	struct procfs_file file;
	struct procfs_buffer text;
	struct entry *entries; /* FILESYSTEMS_MAX */
	size_t nentries;
	bool full_said;
};

static int filesystem_probe(const struct culprit_host *host, struct culprit_error *error)
{
	return procfs_probe(host->proc_fd, "self/mountinfo", "/proc/self/mountinfo", error);
}

static int filesystem_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct filesystem *s = calloc(1, sizeof(*s));

	(void)error;
	if (s)
		s->entries = calloc(FILESYSTEMS_MAX, sizeof(*s->entries));
	if (!s || !s->entries) {
		free(s);
		return -ENOMEM;
	}
	s->host = host;
	procfs_file_init(&s->file, host->proc_fd, mounts_of_machine(host->proc_fd));
	*ret_self = s;
	return 0;
}

static bool skip(const struct mount_line *m)
{
	static const char *const types[] = {
		"proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "securityfs", "debugfs", "tracefs", "bpf",
		"pstore", "mqueue", "hugetlbfs", "configfs", "fusectl", "binfmt_misc", "autofs", "rpc_pipefs", "nsfs",
		"efivarfs", "selinuxfs", "smackfs", "ramfs", "rootfs", "nfsd", "resctrl", "fuse.gvfsd-fuse", "fuse.lxcfs",
		"fuse.portal", "squashfs", "iso9660", "erofs", "cramfs", "udf",
	};

	for (unsigned i = 0; i < PROCFS_COUNT(types); i++)
		if (procfs_is(&m->type, types[i]))
			return true;
	if (procfs_starts(&m->point, "/sys/") || procfs_starts(&m->point, "/proc/"))
		return true;
	return procfs_is(&m->type, "overlay") && !procfs_is(&m->point, "/");
}

static void take(struct filesystem *s, const struct mount_line *m)
{
	struct entry e = {.type = m->type, .source = m->source, .device = m->device}, *same = NULL;
	char *point = (char *)(uintptr_t)m->point.p; /* in our own buffer */

	e.len = procfs_unescape(&m->point, point, procfs_left(&m->point));
	point[e.len] = 0; /* a blank stood here, or more */
	e.point = point;
	e.source.end = e.source.p + procfs_unescape(&e.source, (char *)(uintptr_t)e.source.p, procfs_left(&e.source));
	e.read_only = mount_option(&m->options, "ro") || mount_option(&m->super_options, "ro");
	e.whole = procfs_is(&m->root, "/");
	if (strlen(point) != e.len || e.len > 4095)
		return;
	for (size_t i = 0; i < s->nentries; i++) {
		struct entry *o = &s->entries[i];

		/* What is mounted later hides what was mounted in the same place before. */
		if (o->len == e.len && memcmp(o->point, e.point, e.len) == 0) {
			*o = s->entries[--s->nentries];
			i--;
		}
	}
	for (size_t i = 0; i < s->nentries && !same; i++)
		if (s->entries[i].device == e.device)
			same = &s->entries[i];
	if (same) {
		if (e.whole > same->whole || (e.whole == same->whole && e.len < same->len))
			*same = e;
	} else if (s->nentries < FILESYSTEMS_MAX) {
		s->entries[s->nentries++] = e;
	} else if (!s->full_said) {
		s->full_said = true;
		s->host->log(s->host, CULPRIT_LOG_WARNING,
			     "more than 1024 file systems are mounted: the rest is not in table filesystem");
	}
}

/* What is new replaces what is known; no answer yet leaves it. */
static int ask_statfs(const struct filesystem *s, struct entry *e)
{
	struct culprit_statfs st;
	struct culprit_ask ask = {.what = CULPRIT_ASK_STATFS, .cap = sizeof(st), .path = e->point, .buf = &st};
	int err = s->host->ask(s->host, &ask);

	if (!err && ask.len != sizeof(st))
		err = -EBADMSG;
	if (!err)
		e->st = st;
	if (err != -EINPROGRESS)
		e->err = err;
	return err;
}

/* All are asked, then fetched. What the first asking finds is the late answer of the last sample: it counts where no
 * newer one comes in time. */
static void ask_all(struct filesystem *s)
{
	bool waiting = false;

	for (size_t i = 0; i < s->nentries; i++) {
		struct entry *e = &s->entries[i];

		e->err = -EINPROGRESS;
		if (ask_statfs(s, e) == -EINPROGRESS || (!e->err && ask_statfs(s, e) == -EINPROGRESS))
			waiting = true;
	}
	if (!waiting)
		return;
	s->host->ask_wait(s->host, s->host->flags & CULPRIT_HOST_WHOLE ? whole_wait_ns : wait_ns);
	for (size_t i = 0; i < s->nentries; i++)
		if (!s->entries[i].err || s->entries[i].err == -EINPROGRESS)
			ask_statfs(s, &s->entries[i]);
}

static void put_size(struct culprit_frame *f, uint32_t column, uint64_t blocks, uint64_t block_size)
{
	uint64_t bytes;

	if (!__builtin_mul_overflow(blocks, block_size, &bytes))
		culprit_put_u64(f, column, bytes);
}

static void put_entry(const struct entry *e, struct culprit_frame *f)
{
	const struct culprit_statfs *st = &e->st;
	char reason[160];

	culprit_row(f);
	culprit_put_text(f, MOUNT, e->point, e->len);
	culprit_put_text(f, DEVICE, e->source.p, procfs_left(&e->source));
	culprit_put_text(f, FSTYPE, e->type.p, procfs_left(&e->type));
	culprit_put_bool(f, READ_ONLY, e->read_only);
	if (!e->err) {
		put_size(f, SIZE, st->blocks, st->block_size);
		put_size(f, FREE, st->blocks_free, st->block_size);
		put_size(f, AVAILABLE, st->blocks_available, st->block_size);
		culprit_put_u64(f, INODES, st->files);
		culprit_put_u64(f, INODES_FREE, st->files_free);
	} else if (e->err != -EINPROGRESS) { /* not answered yet: the cells keep their values, and age */
		if (e->err == -ETIMEDOUT)
			snprintf(reason, sizeof(reason),
				 "did not answer for 200 ms: its server or device hangs; asked again every 30 s");
		else if (e->err == -EAGAIN)
			snprintf(reason, sizeof(reason), "not asked: too many helper processes hang, or they were killed");
		else
			procfs_reason(reason, sizeof(reason), "the mount point", e->err);
		for (uint32_t c = SIZE; c <= INODES_FREE; c++)
			culprit_unread(f, c, reason);
	}
	culprit_end(f);
}

static int filesystem_sample(void *self, struct culprit_frame *f)
{
	struct filesystem *s = self;
	struct procfs_text text, line;
	struct mount_line m;
	unsigned lines = 0;
	int err = procfs_buffer_read(&s->text, &s->file);

	culprit_table(f, 0);
	s->nentries = 0;
	text = procfs_buffer_text(&s->text);
	while (!err && procfs_line(&text, &line)) {
		if (!mount_parse(line, &m))
			continue;
		lines++;
		if (!skip(&m))
			take(s, &m);
	}
	if (!err && !lines)
		err = -EBADMSG;
	if (err) {
		procfs_failed(f, 0, "/proc/self/mountinfo", err);
		return 0;
	}
	ask_all(s);
	for (size_t i = 0; i < s->nentries; i++)
		put_entry(&s->entries[i], f);
	return 0;
}

static void filesystem_close(void *self)
{
	struct filesystem *s = self;

	procfs_file_finish(&s->file);
	procfs_buffer_finish(&s->text);
	free(s->entries);
	free(s);
}

static const struct culprit_table *const tables[] = {&filesystem_table};

const struct culprit_collector filesystem_collector = {
	.size = sizeof(filesystem_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "filesystem",
	.help = "How full file systems are",
	.tables = tables,
	.ntables = 1,
	.period_ns = 5000000000,
	.probe = filesystem_probe,
	.open = filesystem_open,
	.sample = filesystem_sample,
	.close = filesystem_close,
};
