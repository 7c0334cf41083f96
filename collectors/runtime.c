/* Table `runtime`: what a process brings along that schedules tasks of its own, which the kernel cannot tell apart, for the one
 * process whose threads are looked at. Known by the name of its file, by a note in it (Go) and by the names of its threads. */
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "builtin.h"
#include "columns.h"
#include "procfs.h"

enum { PID, START, RUNTIME };
enum {
	HEAD = 8192,        /* of the file: program headers, and the notes that linkers put behind them */
	THREADS_MOST = 200, /* names that are looked at */
	NAMES = 4096,
};

static const uint64_t again_ns = 10ull * 1000 * 1000 * 1000; /* after exec, or when threads have begun */

static const struct culprit_column columns[] = {
	[PID] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "pid", "Process id", "what is looked at"),
	[START] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_TICKS, 0, "start", "When it started; with pid its identity",
			 "what is looked at"),
	[RUNTIME] = TEXT("runtime", "What schedules tasks in it besides the kernel: Go, Java, node, tokio, async-std, Erlang; none: "
			 "nothing that is known here",
			 "/proc/PID/exe, its note of Go's linker, /proc/PID/task/TID/comm"),
};

static const struct culprit_table runtime_table = {
	.size = sizeof(runtime_table),
	.name = "runtime",
	.kind = CULPRIT_STATE,
	.help = "Whether a process schedules tasks of its own on its threads (goroutines, virtual threads, promises, futures): these the "
		"kernel cannot see. Of the process whose threads are looked at",
	.key = "process",
	CULPRIT_COLUMNS(columns),
	.parent = "process",
	.parent_columns = "pid start",
	.show = "pid runtime",
};

struct runtime {
	const struct culprit_host *host;
	uint32_t pid; /* 0: nobody is looked at */
	uint64_t start;
	uint64_t due_ns; /* when it is looked at again */
	const char *name;
	bool asked, shown;
	char names[NAMES];
	unsigned char head[HEAD];
};

static void close_runtime(void *self)
{
	free(self);
}

static int open_runtime(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct runtime *r = calloc(1, sizeof(*r));

	(void)error;
	if (!r)
		return -ENOMEM;
	r->host = host;
	*ret_self = r;
	return 0;
}

static void interests(void *self, const struct culprit_interest *list, size_t n)
{
	struct runtime *r = self;
	uint32_t pid = 0;
	uint64_t start = 0;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i].table, runtime_table.name) != 0 || list[i].nkey < 2)
			continue;
		pid = (uint32_t)list[i].key[0];
		start = list[i].key[1];
	}
	if (pid == r->pid && start == r->start)
		return;
	r->pid = pid;
	r->start = start;
	r->due_ns = 0;
	r->name = NULL;
	r->asked = false;
}

/* --- what it is -------------------------------------------------------------------------------------------------- */

static const char *by_file(const struct runtime *r)
{
	static const struct {
		const char *file, *name;
	} known[] = {{"java", "Java"}, {"node", "node"}, {"nodejs", "node"}, {"deno", "Deno"}, {"bun", "Bun"}, {"beam.smp", "Erlang"}};
	char path[32], file[512];
	const char *base;
	ssize_t n;

	snprintf(path, sizeof(path), "%u/exe", r->pid);
	n = readlinkat(r->host->proc_fd, path, file, sizeof(file) - 1);
	if (n <= 0)
		return NULL;
	file[n] = '\0';
	base = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t length = strlen(known[i].file);

		/* A file that was replaced since reads "java (deleted)". */
		if (!strncmp(base, known[i].file, length) && (!base[length] || base[length] == ' '))
			return known[i].name;
	}
	return NULL;
}

/* Names end as the kernel cuts them, at 15 bytes. */
static const char *by_threads(struct runtime *r)
{
	static const struct {
		const char *begin, *name;
	} known[] = {{"tokio-runtime-w", "tokio"}, {"tokio-rt-worker", "tokio"}, {"async-std/runti", "async-std"}, {"VM Thread", "Java"},
		     {"C2 CompilerThre", "Java"}, {"libuv-worker", "node"}, {"V8Worker", "node"}, {"erts_sched", "Erlang"}};
	char path[64], comm[32];
	unsigned n = 0;
	size_t length;

	snprintf(path, sizeof(path), "%u/task", r->pid);
	length = procfs_entries(r->host->proc_fd, path, r->names, sizeof(r->names) - 1);
	r->names[length] = '\0';
	for (char *save = NULL, *tid = strtok_r(r->names, " ", &save); tid && n < THREADS_MOST; tid = strtok_r(NULL, " ", &save), n++) {
		snprintf(path, sizeof(path), "%u/task/%.20s/comm", r->pid, tid);
		length = procfs_read_line(r->host->proc_fd, path, comm, sizeof(comm) - 1);
		comm[length] = '\0';
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (!strncmp(comm, known[i].begin, strlen(known[i].begin)))
				return known[i].name;
	}
	return NULL;
}

/* Go's linker leaves its build id in a note of its own name. Nothing in the file is trusted. */
static bool is_go(const unsigned char *head, size_t n)
{
	Elf64_Ehdr e;
	Elf64_Phdr p;
	Elf64_Nhdr note;

	if (n < sizeof(e))
		return false;
	memcpy(&e, head, sizeof(e));
	if (memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 || e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_phentsize != sizeof(p))
		return false;
	for (unsigned i = 0; i < e.e_phnum; i++) {
		uint64_t at, end;

		if (e.e_phoff > n || n - e.e_phoff < (i + 1) * sizeof(p))
			return false;
		memcpy(&p, head + e.e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type != PT_NOTE || p.p_offset > n)
			continue;
		at = p.p_offset;
		end = p.p_filesz > n - at ? n : at + p.p_filesz;
		while (end - at >= sizeof(note) + 4) {
			uint64_t whole;

			memcpy(&note, head + at, sizeof(note));
			if (note.n_namesz == 4 && !memcmp(head + at + sizeof(note), "Go\0", 4))
				return true;
			whole = sizeof(note) + (((uint64_t)note.n_namesz + 3) & ~3ull) + (((uint64_t)note.n_descsz + 3) & ~3ull);
			if (whole > end - at)
				break;
			at += whole;
		}
	}
	return false;
}

/* 0: r->name says it; -EINPROGRESS: the file has not been read yet. */
static int look(struct runtime *r)
{
	char path[32];
	struct culprit_ask ask = {.what = CULPRIT_ASK_FILE, .cap = HEAD, .path = path, .buf = r->head};
	const char *name = by_file(r);
	int err;

	if (!name)
		name = by_threads(r);
	if (!name) {
		/* A file may lie on a server that does not answer. */
		snprintf(path, sizeof(path), "%u/exe", r->pid);
		err = r->host->ask(r->host, &ask);
		if (err == -EINPROGRESS)
			return err;
		name = !err && is_go(r->head, ask.len <= HEAD ? ask.len : 0) ? "Go" : NULL;
	}
	r->name = name;
	return 0;
}

static int sample(void *self, struct culprit_frame *f)
{
	struct runtime *r = self;
	uint64_t now = r->host->now_ns(r->host, CULPRIT_MONOTONIC);

	if (!r->pid) {
		/* What there was has ended; from then on the table rests. */
		if (r->shown)
			culprit_table(f, 0);
		r->shown = false;
		return 0;
	}
	if (now >= r->due_ns && !look(r)) {
		r->due_ns = now + again_ns;
		r->asked = true;
	}
	culprit_table(f, 0);
	r->shown = true;
	culprit_row(f);
	culprit_put_u64(f, PID, r->pid);
	culprit_put_u64(f, START, r->start);
	if (!r->asked)
		culprit_unread(f, RUNTIME, "its file has not been read yet");
	else if (r->name)
		culprit_put_string(f, RUNTIME, r->name);
	culprit_end(f);
	return 0;
}

static const struct culprit_table *const tables[] = {&runtime_table};

const struct culprit_collector runtime_collector = {
	.size = sizeof(runtime_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "runtime",
	.help = "What schedules tasks inside the process that is looked at, unseen by the kernel",
	.tables = tables,
	.ntables = 1,
	.open = open_runtime,
	.sample = sample,
	.close = close_runtime,
	.interests = interests,
};
