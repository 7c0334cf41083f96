/* How to write a collector: this one shows how many files the system has open (/proc/sys/fs/file-nr). Build it with
 *
 *	cc -shared -fPIC -o example.so example.c
 *
 * (-I where culprit's headers are not installed) and load it with `culprit --plugin ./example.so`, or put it into
 * PREFIX/lib/culprit/plugins. Then `culprit dump open_files`, the Tables panel, `culprit record`, help and
 * `--collect example` know it. It runs in a process of its own: if it hangs or crashes, culprit does not. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <culprit/collector.h>

/* 1. Declare what a row is: its columns, each with role, type, unit, help and source. Every table of things that live
 *    needs a key; of this thing there is only one, so that its key is always 0. */
enum { ID, OPEN, MAX };

static const struct culprit_column columns[] = {
	[ID] = {"id", CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, .help = "always 0: there is one row"},
	[OPEN] = {"open", CULPRIT_GAUGE, CULPRIT_U64, CULPRIT_COUNT, .help = "files open in the whole system",
		  .source = "/proc/sys/fs/file-nr field 1"},
	[MAX] = {"max", CULPRIT_GAUGE, CULPRIT_U64, CULPRIT_COUNT, .help = "how many may be open",
		 .source = "/proc/sys/fs/file-nr field 3"},
};

/* 2. What follows from them is declared too, never computed by hand: culprit does it over any window. */
static const struct culprit_derived derived[] = {
	{"used", CULPRIT_LEVEL_RATIO, CULPRIT_PERCENT, "open", "max", .scale = 100, .help = "open files, of those possible"},
};

static const struct culprit_table open_files = {
	.size = sizeof(struct culprit_table),
	.name = "open_files",
	.kind = CULPRIT_STATE,
	.help = "Open files of the whole system",
	.key = "open_files",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.show = "open max used",
};

static const struct culprit_table *const tables[] = {&open_files};

/* 3. Say whether it can be measured here, and if not, what is missing. proc_fd is the directory /proc (or a fixture). */
static int probe(const struct culprit_host *host, struct culprit_error *error)
{
	if (faccessat(host->proc_fd, "sys/fs/file-nr", R_OK, 0) == 0)
		return 0;
	snprintf(error->sentence, sizeof(error->sentence), "There is no /proc/sys/fs/file-nr: mount /proc.");
	return -ENOENT;
}

static int open_collector(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	(void)error;
	*ret_self = (void *)host; /* lives as long as the collector is open; other state would be allocated here */
	return 0;
}

/* 4. Emit the rows. Errors of the puts need no checks: culprit keeps the first one. */
static int sample(void *self, struct culprit_frame *frame)
{
	const struct culprit_host *host = self;
	unsigned long long open_now, unused, max;
	char text[128];
	ssize_t n;
	int fd = openat(host->proc_fd, "sys/fs/file-nr", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	if (sscanf(text, "%llu %llu %llu", &open_now, &unused, &max) != 3)
		return -EBADMSG;
	culprit_table(frame, 0);
	culprit_row(frame);
	culprit_put_u64(frame, ID, 0);
	culprit_put_u64(frame, OPEN, open_now);
	culprit_put_u64(frame, MAX, max);
	culprit_end(frame);
	return 0;
}

static const struct culprit_collector example = {
	.size = sizeof(struct culprit_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "example",
	.help = "Open files of the whole system, from /proc/sys/fs/file-nr",
	.tables = tables,
	.ntables = 1,
	.probe = probe,
	.open = open_collector,
	.sample = sample,
};

/* 5. Export it. */
CULPRIT_PLUGIN(&example);
