/* Tables `lifecycle`, `children` and `oom_kill`: which processes begin and end, however short they live, what a process's
 * children add up to, and whom the kernel killed for want of memory, by BPF (lifecycle.bpf.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf.h"
#include "bpf_btf.h"
#include "bpf_ring.h"
#include "builtin.h"
#include "columns.h"
#include "lifecycle.skel.h"
#include "lifecycle_tables.h"

enum {
	TIME, EVENT, PID, PROCESS_START, COMM, COMMAND, PPID, PARENT_START, PARENT, UID, LIVED, CPU_TIME, EXIT_CODE, SIGNAL,
	CORE,
};
enum { LIFECYCLE_TABLE, CHILDREN_TABLE, OOM_TABLE, NTABLES };
enum {
	LIVES_MIN = 256, LIVES_MAX = 65536,	 /* rows a tick */
	TEXT_MIN = 1 << 14, TEXT_MAX = 16 << 20,	 /* bytes of command lines a tick */
	FORKED = 1, EXECED = 2, EXITED = 4,
};

#define FORK "tracepoint sched_process_fork"
#define EXEC "tracepoint sched_process_exec"
#define EXIT "tracepoint sched_process_exit"

static const struct culprit_column columns[] = {
	[TIME] = TIME_OF_EVENT("When; of several things that happened to one process within a tick, the last", "CLOCK_MONOTONIC"),
	[EVENT] = TEXT("event", "What happened to the process within the tick: fork (it began), exec (it became another "
				"program), exit (it ended), one row for all of these", FORK ", _exec, _exit"),
	[PID] = NUMBER("pid", CULPRIT_NONE, "Process id", FORK ", _exec, _exit"),
	[PROCESS_START] = NUMBER("process_start", CULPRIT_TICKS, "When it started", "task_struct.start_boottime"),
	[COMM] = TEXT("comm", "Its name", "task_struct.comm"),
	[COMMAND] = TEXT("command", "Arguments joined by blanks, the first 512 bytes, of its last exec in the tick", EXEC
			 ", mm_struct.arg_start"),
	[PPID] = NUMBER("ppid", CULPRIT_NONE, "Process id of its parent", "task_struct.real_parent"),
	[PARENT_START] = NUMBER("parent_start", CULPRIT_TICKS, "When its parent started", "task_struct.real_parent"),
	[PARENT] = TEXT("parent", "Name of its parent", "task_struct.real_parent"),
	[UID] = NUMBER("uid", CULPRIT_NONE, "Effective user id", "task_struct.cred"),
	[LIVED] = GAUGE("lived", CULPRIT_NS, "Of one that ended: how long it lived", EXIT ", task_struct.start_time"),
	[CPU_TIME] = GAUGE("cpu_time", CULPRIT_NS, "Of one that ended: CPU time it took, all its threads; its children not",
			   "signal_struct.sum_sched_runtime, sched_entity.sum_exec_runtime"),
	[EXIT_CODE] = NUMBER("exit_code", CULPRIT_NONE, "Of one that ended by itself: its exit status; 0 is success", EXIT),
	[SIGNAL] = TEXT("signal", "Of one that a signal ended: which", EXIT),
	[CORE] = FLAG("core", "Of one that a signal ended: did it dump core?", EXIT),
};

static const struct culprit_table lifecycle_table = {
	.size = sizeof(lifecycle_table),
	.name = "lifecycle",
	.kind = CULPRIT_EVENT,
	.help = "Every process that begins, becomes another program, or ends, those too short for any sampler included; "
		"threads are not counted",
	CULPRIT_COLUMNS(columns),
	.parent = "process",
	.parent_columns = "pid process_start",
	.show = "time event pid comm lived cpu_time exit_code signal parent ppid command uid",
};

static const struct bpf_hook hooks[] = {
	[LIFE_FORK] = {.name = "life_fork", .hook = FORK},
	[LIFE_EXEC] = {.name = "life_exec", .hook = EXEC},
	[LIFE_EXIT] = {.name = "life_exit", .hook = EXIT},
	[LIFE_OOM] = {.name = "life_oom", .hook = "tracepoint mark_victim"},
};

/* What happened to one process since the last sample. */
struct life {
	struct life_process process, parent;
	uint64_t time, lived_ns, cpu_ns;
	uint32_t happened, code;
	uint32_t args, length; /* place in `text` */
	uint32_t next;	       /* in its bucket; UINT32_MAX: end */
};

struct lifecycle {
	const struct culprit_host *host;
	struct bpf_unit *unit;
	struct lifecycle_bpf *skeleton;
	struct bpf_ring *ring;
	struct life *lives;
	uint32_t nlives, cap;
	uint32_t *buckets; /* cap of them, a power of 2 */
	char *text;
	size_t text_len, text_cap;
	uint64_t over;			  /* rows beyond LIVES_MAX, since the last sample */
	uint64_t dropped[LIFE_PROGRAMS]; /* as told last */
	struct children children;
	struct oom_kills oom;
};

/* --- records ----------------------------------------------------------------------------------------------------- */

static uint32_t *bucket_of(const struct lifecycle *l, const struct life_process *p)
{
	return &l->buckets[((uint64_t)p->pid * 0x9e3779b97f4a7c15ull ^ p->start * 0xc2b2ae3d27d4eb4full) >> 40 & (l->cap - 1)];
}

static bool grow(struct lifecycle *l)
{
	uint32_t cap = l->cap * 2;
	struct life *lives;
	uint32_t *buckets;

	if (cap > LIVES_MAX)
		return false;
	lives = realloc(l->lives, cap * sizeof(*lives));
	if (!lives)
		return false;
	l->lives = lives;
	buckets = realloc(l->buckets, cap * sizeof(*buckets));
	if (!buckets)
		return false;
	l->buckets = buckets;
	l->cap = cap;
	memset(buckets, 0xff, cap * sizeof(*buckets));
	for (uint32_t i = 0; i < l->nlives; i++) {
		uint32_t *bucket = bucket_of(l, &lives[i].process);

		lives[i].next = *bucket;
		*bucket = i;
	}
	return true;
}

/* After a storm: half of the room, as long as a quarter of that would do. Nothing is in it now. */
static void give_back(struct lifecycle *l, uint32_t lives, size_t text)
{
	if (l->cap > LIVES_MIN && lives * 8 < l->cap) {
		struct life *less = realloc(l->lives, l->cap / 2 * sizeof(*less));
		uint32_t *buckets = realloc(l->buckets, l->cap / 2 * sizeof(*buckets));

		l->lives = less ? less : l->lives;
		l->buckets = buckets ? buckets : l->buckets;
		l->cap /= 2;
	}
	if (l->text_cap > TEXT_MIN && text * 8 < l->text_cap) {
		char *less = realloc(l->text, l->text_cap / 2);

		l->text = less ? less : l->text;
		l->text_cap /= 2;
	}
}

/* The row of this process in this tick. NULL: there are too many. */
static struct life *life_of(struct lifecycle *l, const struct life_record *r)
{
	uint32_t *bucket = bucket_of(l, &r->process);
	struct life *life;

	for (uint32_t i = *bucket; i != UINT32_MAX; i = l->lives[i].next)
		if (l->lives[i].process.pid == r->process.pid && l->lives[i].process.start == r->process.start)
			return &l->lives[i];
	if (l->nlives == l->cap) {
		if (!grow(l)) {
			l->over++;
			return NULL;
		}
		bucket = bucket_of(l, &r->process);
	}
	life = &l->lives[l->nlives];
	memset(life, 0, sizeof(*life));
	life->next = *bucket;
	*bucket = l->nlives++;
	return life;
}

/* NUL between arguments becomes a blank. */
static void keep_args(struct lifecycle *l, struct life *life, const struct life_exec *e, size_t size)
{
	size_t n = e->length;

	if (n > size - sizeof(*e))
		n = size - sizeof(*e);
	while (n && !e->args[n - 1])
		n--;
	if (l->text_len + n > l->text_cap) {
		size_t cap = l->text_cap * 2;
		char *text = cap <= TEXT_MAX ? realloc(l->text, cap) : NULL;

		if (!text)
			return;
		l->text = text;
		l->text_cap = cap;
	}
	life->args = (uint32_t)l->text_len;
	life->length = (uint32_t)n;
	for (size_t i = 0; i < n; i++)
		l->text[l->text_len++] = e->args[i] ? e->args[i] : ' ';
}

static void take_record(void *arg, const void *data, size_t size)
{
	const struct life_record *r = data;
	struct lifecycle *l = arg;
	struct life *life;

	if (size < sizeof(*r))
		return;
	if (r->program == LIFE_OOM) {
		if (size >= sizeof(struct life_oom))
			oom_kills_add(&l->oom, data);
		return;
	}
	if (r->program == LIFE_EXIT ? size < sizeof(struct life_exit) :
				      r->program == LIFE_EXEC && size < sizeof(struct life_exec))
		return;
	life = life_of(l, r);
	if (r->program == LIFE_EXIT && life && life->happened & EXITED)
		return; /* two threads both found themselves to be the last */
	if (life) {
		life->process = r->process;
		life->parent = r->parent;
		life->time = r->time;
	}
	switch (r->program) {
	case LIFE_FORK:
		children_forked(&l->children, &r->parent);
		if (life)
			life->happened |= FORKED;
		break;
	case LIFE_EXEC:
		if (life) {
			life->happened |= EXECED;
			keep_args(l, life, data, size);
		}
		break;
	case LIFE_EXIT: {
		const struct life_exit *e = data;

		children_ended(&l->children, e);
		children_parent_ended(&l->children, &r->process);
		if (life) {
			life->happened |= EXITED;
			life->lived_ns = e->lived_ns;
			life->cpu_ns = e->cpu_ns;
			life->code = e->code;
		}
		break;
	}
	}
}

/* --- rows -------------------------------------------------------------------------------------------------------- */

static void put_signal(struct culprit_frame *f, unsigned number)
{
	static const char *const names[] = {
		[1] = "HUP", [2] = "INT", [3] = "QUIT", [4] = "ILL", [5] = "TRAP", [6] = "ABRT", [7] = "BUS", [8] = "FPE",
		[9] = "KILL", [10] = "USR1", [11] = "SEGV", [12] = "USR2", [13] = "PIPE", [14] = "ALRM", [15] = "TERM",
		[16] = "STKFLT", [24] = "XCPU", [25] = "XFSZ", [26] = "VTALRM", [27] = "PROF", [29] = "IO", [30] = "PWR",
		[31] = "SYS",
	};
	char text[16];

	if (number < sizeof(names) / sizeof(names[0]) && names[number]) {
		culprit_put_string(f, SIGNAL, names[number]);
	} else {
		snprintf(text, sizeof(text), "%u", number);
		culprit_put_string(f, SIGNAL, text);
	}
}

static void put_life(const struct lifecycle *l, const struct life *life, struct culprit_frame *f)
{
	static const char *const events[] = {
		"", "fork", "exec", "fork exec", "exit", "fork exit", "exec exit", "fork exec exit",
	};

	culprit_row(f);
	culprit_put_u64(f, TIME, life->time);
	culprit_put_string(f, EVENT, events[life->happened & 7]);
	culprit_put_u64(f, PID, life->process.pid);
	culprit_put_u64(f, PROCESS_START, life_ticks(l->host, life->process.start));
	culprit_put_text(f, COMM, life->process.comm, strnlen(life->process.comm, LIFE_COMM));
	if (life->happened & EXECED && life->length)
		culprit_put_text(f, COMMAND, l->text + life->args, life->length);
	culprit_put_u64(f, PPID, life->parent.pid);
	culprit_put_u64(f, PARENT_START, life_ticks(l->host, life->parent.start));
	culprit_put_text(f, PARENT, life->parent.comm, strnlen(life->parent.comm, LIFE_COMM));
	culprit_put_u64(f, UID, life->process.uid);
	if (life->happened & EXITED) {
		culprit_put_u64(f, LIVED, life->lived_ns);
		culprit_put_u64(f, CPU_TIME, life->cpu_ns);
		if (life->code & 0x7f) {
			put_signal(f, life->code & 0x7f);
			culprit_put_bool(f, CORE, life->code & 0x80);
		} else {
			culprit_put_u64(f, EXIT_CODE, life->code >> 8 & 0xff);
		}
	}
	culprit_end(f);
}

/* Records the ring had no room for, and rows there are too many of. */
static uint64_t lost_since(struct lifecycle *l)
{
	uint64_t lost = l->over;

	for (unsigned i = 0; i < LIFE_PROGRAMS; i++) {
		uint64_t dropped = __atomic_load_n(&l->skeleton->bss->life_dropped[i], __ATOMIC_RELAXED);

		bpf_say_lost(l->unit, i, dropped);
		dropped += bpf_missed(l->unit, i);
		lost += dropped - l->dropped[i];
		l->dropped[i] = dropped;
	}
	l->over = 0;
	return lost;
}

static const char *why_not(const struct lifecycle *l, unsigned program)
{
	const char *reason = bpf_reason(l->unit, program);

	return reason ? reason : "it was switched off: own cost was above the budget";
}

static int lifecycle_drain(void *self)
{
	struct lifecycle *l = self;

	bpf_ring_read(l->ring);
	return 0;
}

static int lifecycle_sample(void *self, struct culprit_frame *f)
{
	struct lifecycle *l = self;
	bool fork = bpf_is_on(l->unit, LIFE_FORK), exec = bpf_is_on(l->unit, LIFE_EXEC), end = bpf_is_on(l->unit, LIFE_EXIT);
	uint64_t lost;

	bpf_ring_read(l->ring);
	lost = lost_since(l);
	culprit_table(f, LIFECYCLE_TABLE);
	for (uint32_t i = 0; i < l->nlives; i++) {
		put_life(l, &l->lives[i], f);
		*bucket_of(l, &l->lives[i].process) = UINT32_MAX;
	}
	give_back(l, l->nlives, l->text_len);
	l->nlives = 0;
	l->text_len = 0;
	culprit_lost(f, LIFECYCLE_TABLE, lost);
	children_sample(&l->children, l->host, f, CHILDREN_TABLE);
	oom_kills_sample(&l->oom, l->host, f, OOM_TABLE);
	if (!fork && !exec && !end)
		culprit_state(f, LIFECYCLE_TABLE, CULPRIT_MISSING, why_not(l, LIFE_EXIT));
	else if (!fork || !exec || !end)
		culprit_state(f, LIFECYCLE_TABLE, CULPRIT_FRESH, why_not(l, !end ? LIFE_EXIT : !exec ? LIFE_EXEC : LIFE_FORK));
	if (!end)
		culprit_state(f, CHILDREN_TABLE, CULPRIT_MISSING, why_not(l, LIFE_EXIT));
	if (!bpf_is_on(l->unit, LIFE_OOM))
		culprit_state(f, OOM_TABLE, CULPRIT_MISSING, why_not(l, LIFE_OOM));
	return 0;
}

/* --- opening ----------------------------------------------------------------------------------------------------- */

static int configure(void *skeleton, void *arg)
{
	static const char *const names[] = {"sched_process_exit", "mark_victim"};
	struct lifecycle_bpf *s = skeleton;
	struct bpf_tracepoint found[2];
	uint32_t ring = bpf_ring_bytes(LIFE_RING_CPU, LIFE_RING_MOST);

	(void)arg;
	s->rodata->life_wake = ring / 4;
	if (bpf_tracepoints(names, 2, found) == 0) {
		s->rodata->exit_says_last = found[0].arguments >= 2;
		s->rodata->victim_is_task = found[1].pointers & 1;
	}
	return bpf_map__set_max_entries(s->maps.life_ring, ring);
}

BPF_KIT(lifecycle, hooks, configure);

static void lifecycle_close(void *self)
{
	struct lifecycle *l = self;

	bpf_ring_close(l->ring);
	bpf_unload(l->unit);
	children_finish(&l->children);
	oom_kills_finish(&l->oom);
	free(l->lives);
	free(l->buckets);
	free(l->text);
	free(l);
}

static int lifecycle_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct lifecycle *l = calloc(1, sizeof(*l));
	int err = -ENOMEM;

	if (!l)
		return -ENOMEM;
	l->host = host;
	oom_kills_init(&l->oom);
	l->cap = LIVES_MIN;
	l->lives = calloc(l->cap, sizeof(*l->lives));
	l->buckets = malloc(l->cap * sizeof(*l->buckets));
	l->text_cap = TEXT_MIN;
	l->text = malloc(l->text_cap);
	if (!l->lives || !l->buckets || !l->text || children_init(&l->children) != 0)
		goto out_of_memory;
	memset(l->buckets, 0xff, l->cap * sizeof(*l->buckets));
	l->unit = bpf_load(host, &lifecycle_kit, NULL, error);
	if (!l->unit) {
		lifecycle_close(l);
		return -ENOTSUP;
	}
	l->skeleton = bpf_skeleton(l->unit);
	l->ring = bpf_ring_open(l->skeleton->maps.life_ring, take_record, l);
	if (!l->ring)
		goto out_of_memory;
	*ret_self = l;
	return 0;
out_of_memory:
	snprintf(error->sentence, sizeof(error->sentence), "out of memory");
	lifecycle_close(l);
	return err;
}

static int lifecycle_fd(void *self)
{
	return bpf_ring_fd(((struct lifecycle *)self)->ring);
}

static size_t lifecycle_programs(void *self, const struct culprit_program **ret_list)
{
	return bpf_programs(((struct lifecycle *)self)->unit, ret_list);
}

static int lifecycle_thin(void *self, size_t index, uint32_t thinning)
{
	return bpf_thin(((struct lifecycle *)self)->unit, index, thinning);
}

static const struct culprit_table *const tables[] = {
	[LIFECYCLE_TABLE] = &lifecycle_table, [CHILDREN_TABLE] = &lifecycle_children_table, [OOM_TABLE] = &lifecycle_oom_table,
};

const struct culprit_collector lifecycle_collector = {
	.size = sizeof(lifecycle_collector),
	.abi = CULPRIT_ABI_VERSION,
	.flags = CULPRIT_OPEN_LATER,
	.name = "lifecycle",
	.help = "Processes that begin and end, their children, and who is killed for want of memory (BPF)",
	.tables = tables,
	.ntables = NTABLES,
	.probe = bpf_probe,
	.open = lifecycle_open,
	.fd = lifecycle_fd,
	.drain = lifecycle_drain,
	.sample = lifecycle_sample,
	.close = lifecycle_close,
	.programs = lifecycle_programs,
	.thin = lifecycle_thin,
};
