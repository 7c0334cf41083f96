#include "stacks_code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

enum {
	PROCESS_SLOTS = UNWIND_PROCESSES * 2,
	MAPPINGS_EACH = 4096,       /* of one process; further ones are not walked through */
	MAPPINGS_OPEN = 64,         /* mapped together */
	MODULES_MAX = 4096,
	ROWS_A_TURN = 1 << 17,      /* copied in one go: a few ms */
	GIVE_A_TURN = 8,            /* modules given up for one other */
	FORGET_EVERY = 8,           /* ticks; to look at all places of processes takes long */
	QUIET_TICKS = 120,          /* a process not sampled for so long is forgotten */
	QUIET_TICKS_FULL = 5,       /* where there is no room */
	LIMBO = 64,
	NEW_A_SECOND = 32, NEW_AT_ONCE = 512, /* processes whose mappings are read: each costs 0.1 to 0.5 ms */
};
static const uint64_t renew_ns = 1000000000, again_ns = 500000000, again_most_ns = 64000000000, failed_ns = 2000000000;

enum process_state { FREE, ASKED, SETTLED, FAILED };

struct process {
	uint32_t pid;
	uint8_t state;
	uint32_t first, n;   /* its mappings in the kernel */
	uint64_t mm;         /* of the image that its mappings are asked for */
	uint64_t generation; /* of the mappings in the kernel */
	uint64_t asked_ns, again_ns, wait_ns;
	uint32_t seen;       /* tick */
};

enum module_state { ROWS_ASKED, ROWS_HERE, ROWS_NONE, ROWS_REFUSED, ROWS_LATER };

struct module {
	uint32_t number; /* 0: free */
	uint8_t state;
	bool mapped; /* of modules_sweep() alone */
	bool listed; /* stands in `wanted` */
	struct unwind_rows rows;
	uint32_t room; /* of these with their index */
	uint32_t need; /* such room, as far as is known */
	uint32_t room_tick; /* in which there was room for them */
	uint32_t seen; /* tick; brought up to date when it matters */
};

/* A file that the kernel knows as a module of ours. */
struct learned {
	struct unwind_file_key key;
	uint32_t module;
};

struct extent {
	uint32_t first, n;
	uint32_t tick;
};

struct stacks_code {
	const struct culprit_host *host;
	int processes_fd, strangers_fd, rows_fd, mappings_fd, rules_fd, files_fd;
	struct unwind_mapping *mappings; /* in the kernel; mapped where stacks_code_go_on() has something to say there */
	struct bpf_window window;        /* that, */
	uint32_t mapped_first, mapped_end; /* from one to before the other */
	uint32_t nrules;
	uint32_t owner[UNWIND_MAPPINGS];  /* of a mapping: process id; 0: free */
	uint32_t module_of[UNWIND_MAPPINGS];
	uint32_t cursor;
	uint16_t slots[PROCESS_SLOTS]; /* open addressing by process: its place + 1; 0: free */
	struct process processes[UNWIND_PROCESSES], nobody; /* one after the other: most machines have few that run */
	uint32_t nprocesses, processes_end; /* how many there are; behind all places that ever were taken */
	uint32_t free_process; /* the first place given back + 1; its `first` is the next */
	uint32_t may_come; /* processes, until the next tick */
	uint64_t tick_ns;
	struct module modules[MODULES_MAX];
	uint32_t nmodules;
	struct extent limbo[LIMBO]; /* rows given up in this tick: a walk may still read them */
	uint32_t nlimbo;
	struct extent used[MODULES_MAX + LIMBO]; /* of rows_room() alone */
	uint32_t rows_end; /* behind all rows that ever were here */
	uint32_t rows_used, mappings_used;
	uint32_t tick;
	uint32_t asked[UNWIND_PROCESSES]; /* process ids: those that are ASKED, and some that were */
	uint32_t nasked;
	bool waits;          /* something was asked for */
	uint32_t wanted[MODULES_MAX]; /* numbers of modules: those that are ROWS_ASKED, and some that were */
	uint32_t nwanted;
	bool later;          /* some module is ROWS_LATER, or ROWS_ASKED and not among these */
	struct learned files[UNWIND_FILES];
	uint32_t nfiles;
	uint64_t evicted, refused;
	struct culprit_mapping read[MAPPINGS_EACH];
};

struct stacks_code *stacks_code_create(const struct culprit_host *host, const struct stacks_code_maps *maps)
{
	struct stacks_code *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->host = host;
	c->may_come = NEW_AT_ONCE;
	c->processes_fd = bpf_map__fd(maps->processes);
	c->strangers_fd = bpf_map__fd(maps->strangers);
	c->rows_fd = bpf_map__fd(maps->rows);
	c->mappings_fd = bpf_map__fd(maps->mappings);
	c->rules_fd = bpf_map__fd(maps->rules);
	c->files_fd = bpf_map__fd(maps->files);
	return c;
}

void stacks_code_destroy(struct stacks_code *c)
{
	free(c);
}

static void mappings_close(struct stacks_code *c)
{
	if (c->mappings)
		bpf_window_close(&c->window);
	c->mappings = NULL;
}

/* Those of this module; only as many as it takes, for to map all of them costs more than most that is said there. */
static bool mappings_open(struct stacks_code *c, uint32_t module)
{
	const size_t stride = bpf_stride(sizeof(*c->mappings));
	uint32_t first = UNWIND_MAPPINGS, end = 0;

	for (uint32_t i = 0; i < UNWIND_MAPPINGS; i++) {
		if (c->owner[i] && c->module_of[i] == module) {
			first = i < first ? i : first;
			end = i + 1;
		}
	}
	if (!end || (c->mappings && first >= c->mapped_first && end <= c->mapped_end))
		return true;
	mappings_close(c);
	/* Others of the same process stand beside it, and come next. */
	c->mapped_first = first / MAPPINGS_OPEN * MAPPINGS_OPEN;
	c->mapped_end = (end + MAPPINGS_OPEN - 1) / MAPPINGS_OPEN * MAPPINGS_OPEN;
	c->mappings = bpf_window_open(&c->window, c->mappings_fd, c->mapped_first * stride, (c->mapped_end - c->mapped_first) * stride);
	return c->mappings;
}

/* One of those that are open. */
static struct unwind_mapping *mapping_at(struct stacks_code *c, uint32_t i)
{
	return (void *)((char *)c->mappings + (i - c->mapped_first) * bpf_stride(sizeof(struct unwind_mapping)));
}

static struct module *module_find(struct stacks_code *c, uint32_t number)
{
	uint32_t at = (number * 0x9E3779B1u >> 8) & (MODULES_MAX - 1);

	while (c->modules[at].number && c->modules[at].number != number)
		at = (at + 1) & (MODULES_MAX - 1);
	return &c->modules[at];
}

/* Its rows are wanted, from the next turn on. */
static void module_want(struct stacks_code *c, struct module *m)
{
	m->state = ROWS_ASKED;
	if (!m->listed && c->nwanted < MODULES_MAX) {
		c->wanted[c->nwanted++] = m->number;
		m->listed = true;
	}
	c->later = c->later || !m->listed;
	c->waits = true;
}

/* --- processes --------------------------------------------------------------------------------------------------- */

static uint32_t slot_of(const struct stacks_code *c, uint32_t pid)
{
	uint32_t at = (pid * 0x9E3779B1u >> 7) & (PROCESS_SLOTS - 1);

	while (c->slots[at] && c->processes[c->slots[at] - 1].pid != pid)
		at = (at + 1) & (PROCESS_SLOTS - 1);
	return at;
}

/* Where it is not known: one that is FREE, and nobody's. */
static struct process *find(const struct stacks_code *c, uint32_t pid)
{
	uint32_t at = slot_of(c, pid);

	return (struct process *)(c->slots[at] ? &c->processes[c->slots[at] - 1] : &c->nobody);
}

/* One that is not known, of fewer than UNWIND_PROCESSES; it is FREE as long as nobody says otherwise. */
static struct process *process_add(struct stacks_code *c, uint32_t pid)
{
	uint32_t place = c->free_process ? c->free_process - 1 : c->processes_end++;
	struct process *p = &c->processes[place];

	if (c->free_process)
		c->free_process = p->first;
	*p = (struct process){.pid = pid};
	c->slots[slot_of(c, pid)] = (uint16_t)(place + 1);
	c->nprocesses++;
	return p;
}

static void mappings_free(struct stacks_code *c, struct process *p)
{
	for (uint32_t i = p->first; i < p->first + p->n; i++) {
		c->owner[i] = 0;
		c->module_of[i] = 0;
	}
	c->mappings_used -= p->n;
	p->n = 0;
}

static void forget(struct stacks_code *c, struct process *p)
{
	uint32_t at = slot_of(c, p->pid);

	bpf_map_delete_elem(c->processes_fd, &p->pid);
	mappings_free(c, p);
	c->nprocesses--;
	c->slots[at] = 0;
	*p = (struct process){.first = c->free_process};
	c->free_process = (uint32_t)(p - c->processes) + 1;
	for (at = (at + 1) & (PROCESS_SLOTS - 1); c->slots[at]; at = (at + 1) & (PROCESS_SLOTS - 1)) {
		uint16_t moved = c->slots[at];

		c->slots[at] = 0;
		c->slots[slot_of(c, c->processes[moved - 1].pid)] = moved;
	}
}

static void forget_quiet(struct stacks_code *c, uint32_t ticks)
{
	for (uint32_t i = 0; i < c->processes_end; i++) {
		if (c->processes[i].state != FREE && c->tick - c->processes[i].seen > ticks)
			forget(c, &c->processes[i]);
	}
}

/* What programs have seen of it while they did not know it, or not as what it runs now. */
static bool is_stranger(const struct stacks_code *c, uint32_t pid, struct unwind_stranger *ret)
{
	uint32_t place = pid % UNWIND_STRANGERS;

	return !bpf_map_lookup_elem(c->strangers_fd, &place, ret) && ret->pid == pid;
}

/* Do programs know its mappings, as those of the image that it runs now? */
static bool is_in_kernel(const struct stacks_code *c, const struct process *p)
{
	struct unwind_process in_kernel;
	struct unwind_stranger seen;

	return !bpf_map_lookup_elem(c->processes_fd, &p->pid, &in_kernel) && in_kernel.n && in_kernel.mm == p->mm &&
	       !(is_stranger(c, p->pid, &seen) && seen.mm != p->mm);
}

/* Asks for its mappings as they are now. */
static void ask(struct stacks_code *c, struct process *p)
{
	struct unwind_stranger seen;
	uint64_t generation = 0;
	uint32_t n;

	/* Before they are read: should it exec meanwhile, its samples tell. */
	if (is_stranger(c, p->pid, &seen))
		p->mm = seen.mm;
	c->host->code_of(c->host, p->pid, CULPRIT_CODE_ANEW, c->read, 0, &n, &generation);
	if (c->nasked == UNWIND_PROCESSES)
		p->state = FAILED; /* later */
	if (p->state != ASKED && c->nasked < UNWIND_PROCESSES) {
		c->asked[c->nasked++] = p->pid;
		p->state = ASKED;
	}
	p->asked_ns = c->host->now_ns(c->host, CULPRIT_MONOTONIC);
	c->waits = true;
}

/* Its rows were given up for others, or found no room. */
static void rows_again(struct stacks_code *c, struct process *p, uint64_t now)
{
	for (uint32_t i = p->first; i < p->first + p->n; i++) {
		struct module *m = c->module_of[i] ? module_find(c, c->module_of[i]) : NULL;

		if (m && m->state == ROWS_REFUSED)
			module_want(c, m);
	}
	p->again_ns = now + p->wait_ns;
	p->wait_ns = p->wait_ns < again_most_ns ? p->wait_ns * 2 : p->wait_ns;
}

void stacks_code_seen(struct stacks_code *c, uint32_t pid, uint32_t end, bool first)
{
	struct process *p = find(c, pid);
	uint64_t now;

	if (!c->host->code_of) /* of a test */
		return;
	if (p->state == FREE && end != CULPRIT_STACK_PENDING)
		return;
	if (p->state == FREE) {
		if (c->nprocesses >= UNWIND_PROCESSES || c->may_come <= (first ? NEW_A_SECOND / 2 : 0)) {
			c->refused++;
			return;
		}
		c->may_come--;
		p = process_add(c, pid);
		p->wait_ns = again_ns;
		p->seen = c->tick;
		ask(c, p);
		return;
	}
	p->seen = c->tick;
	if (p->state == ASKED || end == CULPRIT_STACK_WHOLE || end == CULPRIT_STACK_DEEP)
		return;
	now = c->host->now_ns(c->host, CULPRIT_MONOTONIC);
	if (p->state == FAILED) {
		if (now - p->asked_ns >= failed_ns)
			ask(c, p);
		return;
	}
	if (end == CULPRIT_STACK_PENDING) {
		/* Rows that are being made; or exec, which has made its mappings another's. */
		if (is_in_kernel(c, p)) {
			if (now >= p->again_ns)
				rows_again(c, p, now);
			return;
		}
		p->wait_ns = again_ns;
		ask(c, p);
		return;
	}
	/* dlopen, most likely. Less and less often where reading again changes nothing. */
	if (now < p->again_ns)
		return;
	p->again_ns = now + p->wait_ns;
	p->wait_ns = p->wait_ns < again_most_ns ? p->wait_ns * 2 : p->wait_ns;
	ask(c, p);
}

bool stacks_code_settled(const struct stacks_code *c, uint32_t pid)
{
	const struct process *p = find(c, pid);

	return p->state == SETTLED || p->state == FAILED;
}

/* --- rows -------------------------------------------------------------------------------------------------------- */

static void module_drop(struct stacks_code *c, uint32_t at)
{
	c->modules[at].number = 0;
	c->nmodules--;
	for (at = (at + 1) & (MODULES_MAX - 1); c->modules[at].number; at = (at + 1) & (MODULES_MAX - 1)) {
		struct module moved = c->modules[at];

		c->modules[at].number = 0;
		*module_find(c, moved.number) = moved;
	}
}

static uint32_t kind_of(const struct module *m)
{
	return m->state == ROWS_HERE ? UNWIND_TABLE : m->state == ROWS_NONE ? UNWIND_BY_FP : UNWIND_PENDING;
}

/* How stacks are walked in this file now. */
static void file_say(struct stacks_code *c, const struct learned *f, const struct module *m)
{
	struct unwind_file file = {.module = m->number, .rows = m->rows, .kind = kind_of(m)};

	bpf_map_update_elem(c->files_fd, &f->key, &file, BPF_ANY);
}

static void file_forget(struct stacks_code *c, uint32_t at)
{
	bpf_map_delete_elem(c->files_fd, &c->files[at].key);
	c->files[at] = c->files[--c->nfiles];
}

/* A process's stack ended in a file that the kernel did not know. Now its mappings are known, so is the file. */
static void file_learn(struct stacks_code *c, const struct process *p, const struct unwind_stranger *seen)
{
	const struct module *m;
	uint32_t i = 0;

	while (i < p->n && c->read[i].start != seen->start)
		i++;
	if (!seen->start || i == p->n || !c->module_of[p->first + i] ||
	    (c->read[i].kind != CULPRIT_MODULE_FILE && c->read[i].kind != CULPRIT_MODULE_VDSO))
		return;
	m = module_find(c, c->module_of[p->first + i]);
	if (m->number > UNWIND_MODULE_OF(~0ull))
		return;
	for (i = 0; i < c->nfiles && memcmp(&c->files[i].key, &seen->file, sizeof(seen->file)) != 0; i++)
		;
	if (i == UNWIND_FILES)
		file_forget(c, c->tick % UNWIND_FILES);
	if (i >= c->nfiles)
		i = c->nfiles++;
	c->files[i] = (struct learned){seen->file, m->number};
	file_say(c, &c->files[i], m);
}

/* Modules that nobody maps any more are forgotten, and their rows. */
static void modules_sweep(struct stacks_code *c)
{
	for (uint32_t i = 0; i < UNWIND_MAPPINGS; i++)
		if (c->owner[i] && c->module_of[i])
			module_find(c, c->module_of[i])->mapped = true;
	for (uint32_t i = 0; i < MODULES_MAX; i++) {
		if (c->modules[i].number && !c->modules[i].mapped) {
			for (uint32_t k = c->nfiles; k--;)
				if (c->files[k].module == c->modules[i].number)
					file_forget(c, k);
			c->rows_used -= c->modules[i].room;
			module_drop(c, i);
			i--; /* another may stand here now */
		}
	}
	for (uint32_t i = 0; i < MODULES_MAX; i++)
		if (c->modules[i].number)
			c->modules[i].mapped = false;
}

/* Says of each mapping of this module how stacks are walked there now; where they cannot be mapped, they stay as they were. */
static void module_say(struct stacks_code *c, const struct module *m)
{
	bool open = mappings_open(c, m->number);

	for (uint32_t i = 0; open && i < UNWIND_MAPPINGS; i++) {
		struct unwind_mapping *k;

		if (!c->owner[i] || c->module_of[i] != m->number)
			continue;
		k = mapping_at(c, i);
		__atomic_store_n(&k->kind, UNWIND_PENDING, __ATOMIC_RELEASE);
		k->rows = m->rows;
		__atomic_store_n(&k->kind, kind_of(m), __ATOMIC_RELEASE);
	}
	for (uint32_t i = 0; i < c->nfiles; i++)
		if (c->files[i].module == m->number)
			file_say(c, &c->files[i], m);
}

static int by_first(const void *a, const void *b)
{
	uint32_t x = ((const struct extent *)a)->first, y = ((const struct extent *)b)->first;

	return (x > y) - (x < y);
}

/* Room for n rows; UINT32_MAX: none. Behind all that ever were, while there is; then between those that are there. `soon`: once those
 * given up may be overwritten. */
static uint32_t rows_room(struct stacks_code *c, uint32_t n, bool soon)
{
	uint32_t nused = 0, at = 0;

	if (UNWIND_ROWS - c->rows_end >= n)
		return c->rows_end;
	for (uint32_t i = 0; i < MODULES_MAX; i++) {
		const struct module *m = &c->modules[i];

		if (m->number && m->state == ROWS_HERE && m->room)
			c->used[nused++] = (struct extent){m->rows.first, m->room, 0};
	}
	for (uint32_t i = 0; !soon && i < c->nlimbo; i++)
		c->used[nused++] = c->limbo[i];
	qsort(c->used, nused, sizeof(*c->used), by_first);
	for (uint32_t i = 0; i < nused; i++) {
		if (c->used[i].first >= at + n)
			return at;
		at = c->used[i].first + c->used[i].n;
	}
	return UNWIND_ROWS - at >= n ? at : UINT32_MAX;
}

/* Gives up the rows of the module that was sampled the longest ago, but not of one sampled lately. */
static bool rows_evict(struct stacks_code *c)
{
	struct module *oldest = NULL;

	if (c->nlimbo == LIMBO)
		return false;
	for (uint32_t i = 0; i < UNWIND_MAPPINGS; i++) {
		struct module *m = c->owner[i] && c->module_of[i] ? module_find(c, c->module_of[i]) : NULL;
		const struct process *p = m ? find(c, c->owner[i]) : NULL;

		if (p && p->state != FREE && (int32_t)(p->seen - m->seen) > 0)
			m->seen = p->seen;
	}
	for (uint32_t i = 0; i < MODULES_MAX; i++) {
		struct module *m = &c->modules[i];

		if (m->number && m->state == ROWS_HERE && m->room && c->tick - m->seen > QUIET_TICKS_FULL &&
		    (!oldest || (int32_t)(m->seen - oldest->seen) < 0))
			oldest = m;
	}
	if (!oldest || !mappings_open(c, oldest->number))
		return false;
	oldest->state = ROWS_REFUSED;
	module_say(c, oldest);
	c->limbo[c->nlimbo++] = (struct extent){oldest->rows.first, oldest->room, c->tick};
	c->rows_used -= oldest->room;
	oldest->rows.n = oldest->room = 0;
	c->evicted++;
	return true;
}

/* Their index, if it takes less room than they: rows far apart make it large. Returns the room of both. */
static uint32_t rows_index(struct unwind_rows *is, const struct culprit_unwind_row *rows, uint32_t n)
{
	uint32_t last = rows[n - 1].pc >> UNWIND_PAGE_SHIFT;

	is->n = n;
	is->page = rows[0].pc >> UNWIND_PAGE_SHIFT;
	is->pages = last >= is->page && (last - is->page) / 2 < n ? last - is->page + 1 : 0;
	return n + (is->pages ? is->pages / 2 + 1 : 0);
}

/* Through a mapping, for as long as it takes: a system call a row's element costs ten times that. */
static int rows_copy(struct stacks_code *c, const struct unwind_rows *is, const struct culprit_unwind_row *rows, uint32_t room)
{
	struct bpf_window window;
	struct culprit_unwind_row *to = bpf_window_open(&window, c->rows_fd, is->first * sizeof(*rows), room * sizeof(*rows));

	if (!to)
		return -errno;
	memcpy(to, rows, is->n * sizeof(*rows));
	for (uint32_t i = 0, before = 0; is->pages && i <= is->pages; i++) {
		while (before < is->n && rows[before].pc >> UNWIND_PAGE_SHIFT < is->page + i)
			before++;
		*(i & 1 ? &to[is->n + i / 2].rule : &to[is->n + i / 2].pc) = before;
	}
	bpf_window_close(&window);
	return 0;
}

static void rules_copy(struct stacks_code *c)
{
	struct culprit_unwind_rule rules[64];
	uint32_t n;

	while (c->nrules < UNWIND_RULES &&
	       (n = c->host->unwind_rules(c->host, c->nrules, rules, sizeof(rules) / sizeof(rules[0])))) {
		for (uint32_t i = 0; i < n && c->nrules < UNWIND_RULES; i++, c->nrules++)
			bpf_map_update_elem(c->rules_fd, &c->nrules, &rules[i], BPF_ANY);
	}
}

/* Room for n rows, others given up for it where need be; else UINT32_MAX, and the module waits for what was given up (it is free
 * at the next tick), or is refused. */
static uint32_t module_room(struct stacks_code *c, struct module *m, uint32_t n)
{
	uint32_t first = rows_room(c, n, false);

	if (first != UINT32_MAX)
		return first;
	m->state = ROWS_LATER;
	c->later = true;
	for (uint32_t given = 0; given < GIVE_A_TURN && rows_room(c, n, true) == UINT32_MAX; given++) {
		if (n > UNWIND_ROWS || !rows_evict(c)) {
			m->state = ROWS_REFUSED;
			c->refused++;
			break;
		}
	}
	return UINT32_MAX;
}

/* Asks for its rows and takes them over. Returns how many rows were copied. */
static uint32_t module_go_on(struct stacks_code *c, struct module *m)
{
	const struct culprit_unwind_row *rows = NULL;
	uint32_t n = 0;
	int r;

	/* To make them takes long: not for those that find no room anyway. */
	if (m->need && m->room_tick != c->tick && module_room(c, m, m->need) == UINT32_MAX) {
		module_say(c, m);
		return 0;
	}
	m->room_tick = c->tick;
	r = c->host->unwind_rows(c->host, m->number, &rows, &n);
	if (r == -EINPROGRESS || !mappings_open(c, m->number)) {
		if (!r)
			c->host->unwind_release(c->host, m->number);
		c->waits = true;
		return 0;
	}
	m->rows = (struct unwind_rows){0};
	m->room = 0;
	m->state = ROWS_NONE;
	if (!r && n) {
		struct unwind_rows is;

		m->need = rows_index(&is, rows, n);
		is.first = module_room(c, m, m->need);
		rules_copy(c);
		if (is.first != UINT32_MAX)
			m->state = ROWS_REFUSED;
		if (is.first != UINT32_MAX && !rows_copy(c, &is, rows, m->need)) {
			m->rows = is;
			m->room = m->need;
			m->seen = c->tick;
			m->state = ROWS_HERE;
			c->rows_used += m->room;
			if (is.first + m->room > c->rows_end)
				c->rows_end = is.first + m->room;
		}
	}
	if (!r)
		c->host->unwind_release(c->host, m->number);
	/* Others may have been given up meanwhile. What cannot be said is tried again when it is missed. */
	if (!mappings_open(c, m->number)) {
		c->rows_used -= m->room;
		m->rows.n = m->room = 0;
		m->state = ROWS_REFUSED;
	}
	module_say(c, m);
	return m->room;
}

/* --- mappings ---------------------------------------------------------------------------------------------------- */

/* n free places in a row, as far as possible from those given up last. */
static uint32_t mappings_room(struct stacks_code *c, uint32_t n)
{
	uint32_t run = 0;

	for (uint32_t i = 0; i < UNWIND_MAPPINGS * 2; i++) {
		uint32_t at = (c->cursor + i) % UNWIND_MAPPINGS;

		run = c->owner[at] ? 0 : at ? run + 1 : 1;
		if (run == n) {
			c->cursor = (at + 1) % UNWIND_MAPPINGS;
			return at + 1 - n;
		}
	}
	return UINT32_MAX;
}

static void mapping_fill(struct stacks_code *c, uint32_t at, struct unwind_mapping *to, const struct culprit_mapping *from)
{
	struct module *m;

	*to = (struct unwind_mapping){.start = from->start, .end = from->end, .offset = from->offset, .kind = UNWIND_BY_FP};
	to->generated = from->kind == CULPRIT_MODULE_GENERATED;
	if (!from->module || (from->kind != CULPRIT_MODULE_FILE && from->kind != CULPRIT_MODULE_VDSO))
		return;
	to->kind = UNWIND_PENDING;
	m = module_find(c, from->module);
	if (!m->number) {
		if (c->nmodules * 4 >= MODULES_MAX * 3) {
			c->refused++;
			return;
		}
		memset(m, 0, sizeof(*m));
		m->number = from->module;
		m->seen = c->tick;
		c->nmodules++;
	}
	if (m->state == ROWS_REFUSED || m->state == ROWS_ASKED)
		module_want(c, m);
	c->module_of[at] = m->number;
	to->rows = m->rows;
	to->kind = kind_of(m);
}

/* Its mappings as they were read become those of the kernel. */
static void publish(struct stacks_code *c, struct process *p, uint32_t n)
{
	const size_t stride = bpf_stride(sizeof(struct unwind_mapping));
	struct unwind_process in_kernel = {.mm = p->mm};
	struct unwind_stranger seen;
	struct process before = *p;
	struct bpf_window window;
	char *to = NULL;
	uint32_t first;

	if (n > MAPPINGS_EACH)
		n = MAPPINGS_EACH;
	first = n ? mappings_room(c, n) : 0;
	if (n && first != UINT32_MAX)
		to = bpf_window_open(&window, c->mappings_fd, first * stride, n * stride);
	if (n && !to) {
		c->refused++;
		p->state = FAILED;
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		c->owner[first + i] = p->pid;
		mapping_fill(c, first + i, (void *)(to + i * stride), &c->read[i]);
	}
	if (to)
		bpf_window_close(&window);
	c->mappings_used += n;
	p->first = in_kernel.first = first;
	p->n = in_kernel.n = n;
	p->state = SETTLED;
	/* Whoever reads the old ones now has some µs until others stand there: `cursor` goes round first. */
	if (is_stranger(c, p->pid, &seen) && seen.mm == p->mm)
		file_learn(c, p, &seen);
	bpf_map_update_elem(c->processes_fd, &p->pid, &in_kernel, BPF_ANY);
	mappings_free(c, &before);
}

static void process_go_on(struct stacks_code *c, struct process *p, uint64_t now)
{
	uint64_t generation = 0;
	uint32_t n = 0;
	/* What was known before it was asked for may be another program's; but who cannot be read for long has that at least. */
	int r = c->host->code_of(c->host, p->pid, now - p->asked_ns < renew_ns ? CULPRIT_CODE_SETTLED : 0, c->read, MAPPINGS_EACH,
				 &n, &generation);

	if (r == -EINPROGRESS) {
		c->waits = true;
		return;
	}
	if (r) {
		p->state = FAILED;
		return;
	}
	if (generation != p->generation)
		p->wait_ns = again_ns;
	p->generation = generation;
	publish(c, p, n);
}

bool stacks_code_go_on(struct stacks_code *c)
{
	uint64_t now = c->host->now_ns(c->host, CULPRIT_MONOTONIC);
	uint32_t copied = 0, kept = 0;

	if (!c->waits)
		return false;
	c->waits = false;
	for (uint32_t i = 0; i < c->nasked; i++) {
		struct process *p = find(c, c->asked[i]);

		if (p->state == ASKED)
			process_go_on(c, p, now);
		if (p->state == ASKED)
			c->asked[kept++] = p->pid;
	}
	c->nasked = kept;
	kept = 0;
	for (uint32_t i = 0; i < c->nwanted; i++) {
		struct module *m = module_find(c, c->wanted[i]);

		if (!m->number)
			continue; /* swept meanwhile */
		if (m->state == ROWS_ASKED && copied < ROWS_A_TURN)
			copied += module_go_on(c, m);
		m->listed = m->state == ROWS_ASKED;
		if (m->listed)
			c->wanted[kept++] = m->number;
	}
	c->nwanted = kept;
	c->waits = c->waits || kept;
	mappings_close(c);
	return c->waits;
}

void stacks_code_tick(struct stacks_code *c)
{
	uint64_t now = c->host->now_ns(c->host, CULPRIT_MONOTONIC), more;
	uint32_t kept = 0;
	bool later;

	c->tick++;
	more = c->tick_ns ? (now - c->tick_ns) * NEW_A_SECOND / 1000000000u : 0;
	c->may_come = c->may_come + more < NEW_AT_ONCE ? c->may_come + (uint32_t)more : NEW_AT_ONCE;
	c->tick_ns = more || !c->tick_ns ? now : c->tick_ns;
	for (uint32_t i = 0; i < c->nlimbo; i++)
		if (c->tick - c->limbo[i].tick <= 1)
			c->limbo[kept++] = c->limbo[i];
	c->nlimbo = kept;
	if (c->nprocesses * 4 >= UNWIND_PROCESSES * 3 || c->mappings_used * 4 >= UNWIND_MAPPINGS * 3)
		forget_quiet(c, QUIET_TICKS_FULL);
	else if (c->tick % FORGET_EVERY == 0)
		forget_quiet(c, QUIET_TICKS);
	if (c->nmodules * 2 >= MODULES_MAX)
		modules_sweep(c);
	/* Those that found no room try again. */
	later = c->later;
	c->later = false;
	for (uint32_t i = 0; later && i < MODULES_MAX; i++) {
		struct module *m = &c->modules[i];

		if (m->number && (m->state == ROWS_LATER || (m->state == ROWS_ASKED && !m->listed)))
			module_want(c, m);
	}
}

void stacks_code_stats(const struct stacks_code *c, struct stacks_code_stats *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->processes = c->nprocesses;
	ret->mappings = c->mappings_used;
	ret->rows = c->rows_used;
	for (uint32_t i = 0; i < MODULES_MAX; i++)
		ret->modules += c->modules[i].number && c->modules[i].state == ROWS_HERE;
	ret->evicted = c->evicted;
	ret->refused = c->refused;
}
