/* Tables `kernel_log` and `kernel_log_class`: what the kernel says, from /dev/kmsg, and how often it said what is trouble.
 *
 * Read in each tick, never waited for, at most so much a tick: what does not fit stays in the kernel's own buffer, and what it
 * overwrites is counted by the numbers of the records. Who reads does not take anything away from others.
 *
 * Its clock drifts from CLOCK_MONOTONIC by seconds a day. A record that is new in a tick was written since the one before,
 * which says how far off it is. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "builtin.h"
#include "columns.h"
#include "kmsg.h"
#include "procfs.h"

enum { LOG_TABLE, CLASS_TABLE, NTABLES };
enum { TIME, LEVEL, CLASS, TEXT_, FACILITY, SEQ };
enum { CLASS_NAME, EVENTS, LAST, LAST_LEVEL, LAST_TEXT };

enum {
	LINE_MAX_BYTES = 16384, /* no record of the kernel's is longer than 8 KiB */
	TICK_MAX = 500,		/* records taken in a tick */
	BEFORE_MAX = 200,	/* kept of what was there before: the newest */
	BEFORE_READ_MAX = 200000,
};

#define SOURCE "/dev/kmsg"

static const struct culprit_column log_columns[] = {
	[TIME] = TIME_OF_EVENT("When it was written; of what was there before, within the drift of the log's clock", SOURCE
			       " third field (us)"),
	[LEVEL] = TEXT("level", "How grave the writer holds it: emerg, alert, crit, err, warning, notice, info, debug", SOURCE
		       " first field, lowest 3 bits"),
	[CLASS] = TEXT("class", "What it tells of: oom, hung (task or CPU), io-error, read-only (a file system became so), "
				"segfault, bug (of the kernel), link, other", SOURCE " text"),
	[TEXT_] = TEXT("text", "The line, its first 512 bytes", SOURCE " text"),
	[FACILITY] = TEXT("facility", "Who wrote it: kern is the kernel itself", SOURCE " first field, upper bits"),
	[SEQ] = NUMBER("seq", CULPRIT_NONE, "Number of the record since boot", SOURCE " second field"),
};

static const struct culprit_table log_table = {
	.size = sizeof(log_table),
	.name = "kernel_log",
	.kind = CULPRIT_EVENT,
	.help = "The kernel log; of what was there when culprit began, the newest 200 lines",
	CULPRIT_COLUMNS(log_columns),
	.show = "time level class text facility",
};

static const struct culprit_column class_columns[] = {
	[CLASS_NAME] = KEY_TEXT("class", "What was told of, as in kernel_log", SOURCE " text"),
	[EVENTS] = COUNTER("events", CULPRIT_COUNT, "How many since the log begins; of the lines that tell of one incident, one "
			   "is counted", SOURCE),
	[LAST] = GAUGE("last", CULPRIT_MONO_NS, "When the last one was written", SOURCE " third field (us)"),
	[LAST_LEVEL] = TEXT("level", "How grave the last one was", SOURCE " first field"),
	[LAST_TEXT] = TEXT("text", "The last one", SOURCE " text"),
};

static const struct culprit_derived class_derived[] = {
	{.name = "new", .op = CULPRIT_DIFFERENCE, .unit = CULPRIT_COUNT, .a = "events", .help = "How many in the window"},
};

static const struct culprit_table class_table = {
	.size = sizeof(class_table),
	.name = "kernel_log_class",
	.kind = CULPRIT_STATE,
	.help = "Trouble the kernel told of in its log, by class: how often, and the last one",
	.key = "class",
	CULPRIT_COLUMNS(class_columns),
	CULPRIT_DERIVED(class_derived),
	.sort = "last",
	.show = "class new events last level text",
};

struct class_sum {
	uint64_t events, last_ns;
	uint8_t level;
	uint16_t len;
	char text[KMSG_TEXT_MAX];
};

struct kmsg {
	const struct culprit_host *host;
	int fd;
	char bytes[LINE_MAX_BYTES];
	size_t len;	 /* held in `bytes`: part of a line */
	bool dropping;	 /* a line that is too long: up to its end */
	bool known;	 /* `next` is */
	uint64_t next;	 /* number of the record to come */
	int64_t offset_ns; /* log clock + this = CLOCK_MONOTONIC, as far as known */
	uint64_t empty_ns; /* when the log had been read to its end; 0: never yet */
	uint64_t lost;
	struct kmsg_record *before; /* a ring of BEFORE_MAX, until the second sample */
	size_t nbefore;
	bool sampled;
	struct class_sum sums[KMSG_CLASSES];
};

static const char *why_not(int err)
{
	return err == -EPERM || err == -EACCES ?
		       "the kernel log needs rights here: run as root, or sysctl kernel.dmesg_restrict=0" :
	       err == -ENOENT ? "there is no /dev/kmsg here, as in most containers: run on the host" :
				"the kernel log (/dev/kmsg) cannot be read here";
}

static int kmsg_open_log(const struct culprit_host *host)
{
	/* Beside proc: of a fixture tree its own. A fifo there must not block. */
	int fd = host->proc_fd < 0 ? -1 :
				     openat(host->proc_fd, "../dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	return fd >= 0 ? fd : host->proc_fd < 0 ? -ENOENT : -errno;
}

static int kmsg_probe(const struct culprit_host *host, struct culprit_error *error)
{
	int fd = kmsg_open_log(host);
	char line[LINE_MAX_BYTES];

	/* The rights are asked for when it is opened; of old kernels when it is read. */
	if (fd >= 0) {
		int err = read(fd, line, sizeof(line)) < 0 && (errno == EPERM || errno == EACCES) ? -errno : 0;

		close(fd);
		fd = err;
	}
	if (fd < 0 && error)
		snprintf(error->sentence, sizeof(error->sentence), "%s", why_not(fd));
	return fd;
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static uint64_t time_of(const struct kmsg *k, const struct kmsg_record *r)
{
	uint64_t ns = r->time_us < UINT64_MAX / 2000 ? r->time_us * 1000 : UINT64_MAX / 2;

	return k->offset_ns < 0 && ns < (uint64_t)-k->offset_ns ? 1 : ns + (uint64_t)k->offset_ns;
}

/* One that was written since the log had been read to its end: that is when. */
static void set_clock(struct kmsg *k, const struct kmsg_record *r, uint64_t now)
{
	uint64_t t = time_of(k, r);

	if (t > now)
		k->offset_ns -= (int64_t)(t - now);
	else if (k->empty_ns && t < k->empty_ns)
		k->offset_ns += (int64_t)(k->empty_ns - t);
}

static void count(struct kmsg *k, const struct kmsg_record *r)
{
	struct class_sum *s = &k->sums[r->class];

	if (r->class == KMSG_OTHER || !r->incident)
		return;
	s->events++;
	s->last_ns = time_of(k, r);
	s->level = r->level;
	s->len = r->len;
	memcpy(s->text, r->text, r->len);
}

/* True: it is one. */
static bool take_line(struct kmsg *k, const char *line, size_t len, uint64_t now, struct kmsg_record *r)
{
	/* What follows a record and begins with a blank tells of the device: "SUBSYSTEM=scsi". */
	if (!len || line[0] == ' ')
		return false;
	if (!kmsg_parse(line, len, r)) {
		k->lost++;
		return false;
	}
	if (k->known && r->seq > k->next)
		k->lost += r->seq - k->next;
	k->known = true;
	k->next = r->seq + 1;
	set_clock(k, r, now);
	count(k, r);
	return true;
}

/* Next record; false: there is none now. The device gives one a read(), a file many. */
static bool next_record(struct kmsg *k, uint64_t now, struct kmsg_record *r)
{
	for (;;) {
		char *newline = memchr(k->bytes, '\n', k->len);
		ssize_t n;

		if (newline) {
			size_t used = (size_t)(newline - k->bytes) + 1;
			bool is = !k->dropping && take_line(k, k->bytes, used - 1, now, r);

			k->dropping = false;
			k->len -= used;
			memmove(k->bytes, newline + 1, k->len);
			if (is)
				return true;
			continue;
		}
		if (k->len == sizeof(k->bytes)) {
			k->lost += !k->dropping;
			k->dropping = true;
			k->len = 0;
		}
		n = read(k->fd, k->bytes + k->len, sizeof(k->bytes) - k->len);
		/* Some were overwritten before they were read: their numbers tell how many. */
		if (n < 0 && errno == EPIPE)
			continue;
		if (n <= 0)
			return false;
		k->len += (size_t)n;
	}
}

/* --- rows -------------------------------------------------------------------------------------------------------- */

static void put_record(const struct kmsg *k, const struct kmsg_record *r, struct culprit_frame *f)
{
	culprit_row(f);
	culprit_put_u64(f, TIME, time_of(k, r));
	culprit_put_string(f, LEVEL, kmsg_level_name(r->level));
	culprit_put_string(f, CLASS, kmsg_class_name(r->class));
	culprit_put_text(f, TEXT_, r->text, r->len);
	culprit_put_string(f, FACILITY, kmsg_facility_name(r->facility));
	culprit_put_u64(f, SEQ, r->seq);
	culprit_end(f);
}

static void put_classes(const struct kmsg *k, struct culprit_frame *f)
{
	culprit_table(f, CLASS_TABLE);
	for (uint8_t i = 0; i < KMSG_CLASSES; i++) {
		const struct class_sum *s = &k->sums[i];

		if (i == KMSG_OTHER)
			continue;
		culprit_row(f);
		culprit_put_string(f, CLASS_NAME, kmsg_class_name(i));
		culprit_put_u64(f, EVENTS, s->events);
		if (s->events) {
			culprit_put_u64(f, LAST, s->last_ns);
			culprit_put_string(f, LAST_LEVEL, kmsg_level_name(s->level));
			culprit_put_text(f, LAST_TEXT, s->text, s->len);
		}
		culprit_end(f);
	}
}

static int kmsg_sample(void *self, struct culprit_frame *f)
{
	struct kmsg *k = self;
	uint64_t now = k->host->now_ns(k->host, CULPRIT_MONOTONIC);
	struct kmsg_record r;
	unsigned n = 0;

	culprit_table(f, LOG_TABLE);
	/* Windows begin behind a sample: none has what happened up to the first. */
	if (k->sampled) {
		for (size_t i = k->nbefore > BEFORE_MAX ? k->nbefore - BEFORE_MAX : 0; i < k->nbefore; i++)
			put_record(k, &k->before[i % BEFORE_MAX], f);
		k->nbefore = 0;
		free(k->before);
		k->before = NULL;
	}
	while (k->sampled && n < TICK_MAX && next_record(k, now, &r)) {
		put_record(k, &r, f);
		n++;
	}
	if (k->sampled && n < TICK_MAX)
		k->empty_ns = now;
	culprit_lost(f, LOG_TABLE, k->lost);
	k->lost = 0;
	k->sampled = true;
	put_classes(k, f);
	return 0;
}

/* --- opening ----------------------------------------------------------------------------------------------------- */

static void kmsg_close(void *self)
{
	struct kmsg *k = self;

	close(k->fd);
	free(k->before);
	free(k);
}

/* What is there already: of a long log that takes some ms, and so not in a tick. */
static int kmsg_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct kmsg *k = calloc(1, sizeof(*k));
	uint64_t now = host->now_ns(host, CULPRIT_MONOTONIC);
	struct kmsg_record r;

	if (!k)
		return -ENOMEM;
	k->host = host;
	k->fd = kmsg_open_log(host);
	k->before = calloc(BEFORE_MAX, sizeof(*k->before));
	if (k->fd < 0 || !k->before) {
		int err = k->fd < 0 ? k->fd : -ENOMEM;

		if (k->fd < 0)
			snprintf(error->sentence, sizeof(error->sentence), "%s", why_not(err));
		else
			close(k->fd);
		free(k->before);
		free(k);
		return err;
	}
	for (size_t i = 0; i < BEFORE_READ_MAX && next_record(k, now, &r); i++)
		k->before[k->nbefore++ % BEFORE_MAX] = r;
	/* What was gone before culprit began is not lost to it. */
	k->lost = 0;
	k->empty_ns = now;
	*ret_self = k;
	return 0;
}

static const struct culprit_table *const tables[] = {[LOG_TABLE] = &log_table, [CLASS_TABLE] = &class_table};

const struct culprit_collector kmsg_collector = {
	.size = sizeof(kmsg_collector),
	.abi = CULPRIT_ABI_VERSION,
	.flags = CULPRIT_OPEN_LATER,
	.name = "kmsg",
	.help = "The kernel log: what it says, and what of it is trouble",
	.tables = tables,
	.ntables = NTABLES,
	.probe = kmsg_probe,
	.open = kmsg_open,
	.sample = kmsg_sample,
	.close = kmsg_close,
};
