/* Table `oom_kill`: whom the kernel killed for want of memory, who asked for it, and whose limit it was. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "columns.h"
#include "lifecycle_tables.h"

enum {
	TIME, COMM, PID, PROCESS_START, WHY, CGROUP, RSS, SCORE_ADJ, UID, ASKED, ASKED_PID,
};

enum { LINE = 8192 }; /* no record of the log is longer */

#define MARK "tracepoint mark_victim"
#define LOG "kernel log (/dev/kmsg), oom-kill:"

static const struct culprit_column columns[] = {
	[TIME] = TIME_OF_EVENT("When it was chosen", MARK),
	[COMM] = TEXT("comm", "Name of the process that was killed", "task_struct.comm"),
	[PID] = NUMBER("pid", CULPRIT_NONE, "Its process id", MARK),
	[PROCESS_START] = NUMBER("process_start", CULPRIT_TICKS, "When it started", "task_struct.start_boottime"),
	[WHY] = TEXT("why", "What had run out: machine: all memory; cgroup: the limit of the cgroup named; cpuset or policy: "
			    "the memory of the NUMA nodes it may use",
		     LOG "constraint"),
	[CGROUP] = TEXT("cgroup", "Cgroup whose limit was reached", LOG "oom_memcg"),
	[RSS] = GAUGE("rss", CULPRIT_BYTES, "Memory it had in RAM; within some pages a CPU", "mm_struct.rss_stat"),
	[SCORE_ADJ] = COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_I64, CULPRIT_NONE, 0, "oom_score_adj",
			     "-1000 (never killed) to 1000, set by its owner", "signal_struct.oom_score_adj"),
	[UID] = NUMBER("uid", CULPRIT_NONE, "Effective user id of it", "task_struct.cred"),
	[ASKED] = TEXT("asked", "Name of the process whose wish for memory could not be met", MARK ", current task"),
	[ASKED_PID] = NUMBER("asked_pid", CULPRIT_NONE, "Its process id", MARK ", current task"),
};

const struct culprit_table lifecycle_oom_table = {
	.size = sizeof(struct culprit_table),
	.name = "oom_kill",
	.kind = CULPRIT_EVENT,
	.help = "Processes the kernel killed because memory ran out: who, and whose limit it was",
	CULPRIT_COLUMNS(columns),
	.parent = "process",
	.parent_columns = "pid process_start",
	.show = "time comm pid why cgroup rss asked asked_pid oom_score_adj uid",
};

void oom_kills_init(struct oom_kills *k)
{
	memset(k, 0, sizeof(*k));
	k->log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (k->log < 0)
		k->log = -errno;
	else
		lseek(k->log, 0, SEEK_END);
}

void oom_kills_finish(struct oom_kills *k)
{
	if (k->log >= 0)
		close(k->log);
}

void oom_kills_add(struct oom_kills *k, const struct life_oom *kill)
{
	if (k->n == OOM_KILLS)
		k->lost++;
	else
		k->kills[k->n++] = *kill;
}

/* The value of `name` ("oom_memcg="), up to the `before` that stands behind it. */
static const char *value_of(const char *line, size_t len, const char *name, const char *before, size_t *ret_len)
{
	const char *at = memmem(line, len, name, strlen(name)), *end;

	if (!at)
		return NULL;
	at += strlen(name);
	end = memmem(at, len - (size_t)(at - line), before, strlen(before));
	*ret_len = end ? (size_t)(end - at) : len - (size_t)(at - line);
	return at;
}

static void copy(char *to, size_t cap, const char *from, size_t len)
{
	len = len < cap - 1 ? len : cap - 1;
	memcpy(to, from, len);
	to[len] = 0;
}

bool oom_line_parse(const char *line, size_t len, struct oom_line *ret)
{
	static const char begin[] = "oom-kill:constraint=CONSTRAINT_", pid[] = ",pid=";
	const char *text = memchr(line, ';', len), *value, *last = NULL;
	char number[21];
	size_t n;

	/* "6,1234,5678,-;text"; only what the kernel itself says, as the line of nobody else begins so. */
	text = text ? text + 1 : line;
	len -= (size_t)(text - line);
	if (len < sizeof(begin) - 1 || memcmp(text, begin, sizeof(begin) - 1) != 0)
		return false;
	memset(ret, 0, sizeof(*ret));
	value = value_of(text, len, "constraint=CONSTRAINT_", ",", &n);
	copy(ret->constraint, sizeof(ret->constraint), value, n);
	value = value_of(text, len, ",oom_memcg=", ",task_memcg=", &n);
	if (value)
		copy(ret->cgroup, sizeof(ret->cgroup), value, n);
	/* A task may be named ",pid=1": the last one is the kernel's. */
	for (const char *at = text; (at = memmem(at, len - (size_t)(at - text), pid, sizeof(pid) - 1)); at++)
		last = at;
	if (!last)
		return false;
	last += sizeof(pid) - 1;
	copy(number, sizeof(number), last, len - (size_t)(last - text));
	ret->pid = strtoull(number, NULL, 10);
	return ret->pid != 0;
}

/* Reads on to the end of the log; a line says why one of them was killed. */
static void read_log(struct oom_kills *k, struct oom_line *lines)
{
	char line[LINE];
	struct oom_line l;
	ssize_t n;

	while (k->log >= 0 && ((n = read(k->log, line, sizeof(line))) > 0 || (n < 0 && errno == EPIPE))) {
		if (n < 0 || !oom_line_parse(line, (size_t)n, &l))
			continue; /* EPIPE: some were overwritten */
		for (uint32_t i = 0; i < k->n; i++)
			if (k->kills[i].record.process.pid == l.pid)
				lines[i] = l;
	}
}

static void put_why(const struct oom_kills *k, struct culprit_frame *f, const struct oom_line *line)
{
	static const struct {
		const char *constraint, *why;
	} words[] = {{"NONE", "machine"}, {"MEMCG", "cgroup"}, {"CPUSET", "cpuset"}, {"MEMORY_POLICY", "policy"}};

	if (!line->pid) {
		culprit_unread(f, WHY, k->log >= 0 ? "the kernel log does not say it: many kills at once, or others of its group" :
			       k->log == -EPERM || k->log == -EACCES ? "needs the kernel log: run as root" :
								      "there is no /dev/kmsg");
		return;
	}
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(line->constraint, words[i].constraint) == 0)
			culprit_put_string(f, WHY, words[i].why);
	if (line->cgroup[0] && strcmp(line->constraint, "MEMCG") == 0)
		culprit_put_string(f, CGROUP, line->cgroup);
}

void oom_kills_sample(struct oom_kills *k, const struct culprit_host *host, struct culprit_frame *f, uint32_t table)
{
	struct oom_line lines[OOM_KILLS];

	culprit_table(f, table);
	if (k->n) {
		memset(lines, 0, k->n * sizeof(lines[0]));
		read_log(k, lines);
	}
	for (uint32_t i = 0; i < k->n; i++) {
		const struct life_oom *kill = &k->kills[i];
		const struct life_process *p = &kill->record.process, *asked = &kill->record.parent;

		culprit_row(f);
		culprit_put_u64(f, TIME, kill->record.time);
		culprit_put_u64(f, PID, p->pid);
		if (kill->known) {
			culprit_put_text(f, COMM, p->comm, strnlen(p->comm, sizeof(p->comm)));
			culprit_put_u64(f, PROCESS_START, life_ticks(host, p->start));
			culprit_put_u64(f, RSS, kill->rss_pages * host->page_size);
			culprit_put_i64(f, SCORE_ADJ, kill->score_adj);
			culprit_put_u64(f, UID, p->uid);
		}
		culprit_put_text(f, ASKED, asked->comm, strnlen(asked->comm, sizeof(asked->comm)));
		culprit_put_u64(f, ASKED_PID, asked->pid);
		put_why(k, f, &lines[i]);
		culprit_end(f);
	}
	culprit_lost(f, table, k->lost);
	k->n = 0;
	k->lost = 0;
}
