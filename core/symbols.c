#include "symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "symbols_internal.h"

enum { PROCESS_SLOTS = SYMBOLS_PROCESSES * 2 };

uint64_t symbols_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- work ------------------------------------------------------------------------------------------------------------- */

struct worker_start {
	struct symbols *s;
	uint32_t index;
};

static uint64_t thread_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static enum job_class class_of(uint8_t kind)
{
	return kind == JOB_SYMBOLS || kind == JOB_PERFMAP || kind == JOB_KALLSYMS ? JOBS_NAMES : JOBS_WALK;
}

static uint32_t queued(const struct symbols *s)
{
	uint32_t n = 0;

	for (size_t i = 0; i < JOB_CLASSES; i++)
		n += s->jobs[i].head - s->jobs[i].tail;
	return n;
}

static void *worker(void *arg)
{
	struct worker_start start = *(struct worker_start *)arg;
	struct symbols *s = start.s;
	struct jobs *jobs = &s->jobs[s->worker_class[start.index]];

	free(arg);
	pthread_mutex_lock(&s->mutex);
	while (!s->stop) {
		uint64_t before_ns;
		struct job job;

		if (jobs->head == jobs->tail) {
			pthread_cond_wait(&jobs->work, &s->mutex);
			continue;
		}
		job = jobs->queue[jobs->tail++ % SYMBOLS_QUEUE];
		if (jobs->head == jobs->tail)
			jobs->head = jobs->tail = 0; /* so that only as much of it is touched as is needed */
		s->working++;
		s->busy_since[start.index] = symbols_now_ms();
		before_ns = thread_ns();
		symbols_job(s, job);
		if (job.kind != JOB_PROCESS && job.kind != JOB_PERFMAP)
			__atomic_fetch_add(&s->once_ns, thread_ns() - before_ns, __ATOMIC_RELAXED);
		s->busy_since[start.index] = 0;
		s->working--;
		__atomic_fetch_add(&s->generation, 1, __ATOMIC_RELAXED);
		if (!queued(s) && !s->working)
			pthread_cond_broadcast(&s->idle);
	}
	pthread_mutex_unlock(&s->mutex);
	return NULL;
}

static int worker_add(struct symbols *s, enum job_class class)
{
	struct worker_start *start = malloc(sizeof(*start));
	sigset_t all, before;
	int r;

	if (!start)
		return -ENOMEM;
	*start = (struct worker_start){s, s->workers};
	s->worker_class[s->workers] = (uint8_t)class;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&s->threads[s->workers], NULL, worker, start);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r) {
		free(start);
	} else {
		s->workers++;
		s->jobs[class].workers++;
	}
	return -r;
}

static bool all_stuck(const struct symbols *s, enum job_class class)
{
	uint64_t now = symbols_now_ms();

	for (uint32_t i = 0; i < s->workers; i++) {
		if (s->worker_class[i] == class && (!s->busy_since[i] || now - s->busy_since[i] < SYMBOLS_STUCK_MS))
			return false;
	}
	return true;
}

/* A thread is made when there is something to do: where there is none, all of them are stuck. */
void symbols_queue(struct symbols *s, uint8_t kind, uint32_t of)
{
	struct job job = {kind, of};
	enum job_class class = class_of(kind);
	struct jobs *jobs = &s->jobs[class];

	if (s->options.here) {
		symbols_job(s, job);
		__atomic_fetch_add(&s->generation, 1, __ATOMIC_RELAXED);
		return;
	}
	if (jobs->head - jobs->tail == SYMBOLS_QUEUE) {
		s->stats.dropped++;
		return;
	}
	jobs->queue[jobs->head++ % SYMBOLS_QUEUE] = job;
	if (jobs->workers < SYMBOLS_WORKERS / JOB_CLASSES && all_stuck(s, class))
		worker_add(s, class);
	pthread_cond_signal(&jobs->work);
}

struct symbols *symbols_create(const struct symbols_options *options)
{
	struct symbols *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->options = *options;
	if (!s->options.bytes_max)
		s->options.bytes_max = SYMBOLS_BYTES;
	pthread_mutex_init(&s->mutex, NULL);
	for (size_t i = 0; i < JOB_CLASSES; i++)
		pthread_cond_init(&s->jobs[i].work, NULL);
	pthread_cond_init(&s->idle, NULL);
	s->by_key_cap = 1024;
	s->by_key = calloc(s->by_key_cap, sizeof(*s->by_key));
	s->processes = calloc(PROCESS_SLOTS, sizeof(*s->processes));
	s->cache = sympack_cache_create();
	if (!s->by_key || !s->processes || !s->cache || unwind_rules_init(&s->rules)) {
		symbols_destroy(s);
		return NULL;
	}
	return s;
}

static void module_free(struct module *m)
{
	if (m->fd >= 0)
		close(m->fd);
	unwind_table_finish(&m->unwind);
	unwind_pack_finish(&m->packed);
	sympack_finish(&m->symbols);
	symtab_finish(&m->named);
	free((char *)(uintptr_t)m->is.name);
	free(m->image);
	free(m);
}

void symbols_destroy(struct symbols *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->mutex);
	s->stop = true;
	for (size_t i = 0; i < JOB_CLASSES; i++)
		pthread_cond_broadcast(&s->jobs[i].work);
	/* One that is stuck in the kernel is not waited for: what it holds stays. */
	for (uint32_t i = 0; i < s->workers; i++) {
		uint64_t since = s->busy_since[i];

		if (since && symbols_now_ms() - since >= SYMBOLS_STUCK_MS) {
			pthread_mutex_unlock(&s->mutex);
			return;
		}
	}
	pthread_mutex_unlock(&s->mutex);
	for (uint32_t i = 0; i < s->workers; i++)
		pthread_join(s->threads[i], NULL);
	for (uint32_t i = 0; i < s->nmodules; i++)
		module_free(s->modules[i]);
	free(s->modules);
	free(s->by_key);
	for (uint32_t i = 0; s->processes && i < PROCESS_SLOTS; i++) {
		if (s->processes[i])
			free(s->processes[i]->maps);
		free(s->processes[i]);
	}
	free(s->processes);
	for (size_t i = 0; s->kernel_symbols && i < s->kallsyms.n; i++)
		sympack_finish(&s->kernel_symbols[i]);
	free(s->kernel_symbols);
	kallsyms_finish(&s->kallsyms);
	sympack_cache_destroy(s->cache);
	unwind_rules_finish(&s->rules);
	pthread_mutex_destroy(&s->mutex);
	for (size_t i = 0; i < JOB_CLASSES; i++)
		pthread_cond_destroy(&s->jobs[i].work);
	pthread_cond_destroy(&s->idle);
	free(s);
}

uint64_t symbols_generation(const struct symbols *s)
{
	return __atomic_load_n(&s->generation, __ATOMIC_RELAXED);
}

uint64_t symbols_once_ns(const struct symbols *s)
{
	return __atomic_load_n(&s->once_ns, __ATOMIC_RELAXED);
}

bool symbols_settle(struct symbols *s, uint64_t ns)
{
	struct timespec until;
	bool done;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += (time_t)(ns / 1000000000u);
	until.tv_nsec += (long)(ns % 1000000000u);
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&s->mutex);
	while ((queued(s) || s->working) && !pthread_cond_timedwait(&s->idle, &s->mutex, &until))
		;
	done = !queued(s) && !s->working;
	pthread_mutex_unlock(&s->mutex);
	return done;
}

/* --- modules ------------------------------------------------------------------------------------------------------------ */

struct module *symbols_module_get(struct symbols *s, uint32_t number)
{
	return number && number <= s->nmodules ? s->modules[number - 1] : NULL;
}

static uint32_t key_hash(const char *key, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)key[i]) * 16777619u;
	return h ^ h >> 15;
}

static bool index_grow(struct symbols *s)
{
	uint32_t cap = s->by_key_cap * 2, *by_key = calloc(cap, sizeof(*by_key));

	if (!by_key)
		return false;
	for (uint32_t i = 0; i < s->nmodules; i++) {
		uint32_t at = key_hash(s->modules[i]->key, s->modules[i]->key_len) & (cap - 1);

		while (by_key[at])
			at = (at + 1) & (cap - 1);
		by_key[at] = i + 1;
	}
	free(s->by_key);
	s->by_key = by_key;
	s->by_key_cap = cap;
	return true;
}

struct module *symbols_module_intern(struct symbols *s, const char *key, size_t len, bool *ret_new)
{
	struct module *m;
	uint32_t at;

	*ret_new = false;
	if (len > sizeof(m->key))
		len = sizeof(m->key);
	for (at = key_hash(key, len) & (s->by_key_cap - 1); s->by_key[at]; at = (at + 1) & (s->by_key_cap - 1)) {
		m = s->modules[s->by_key[at] - 1];
		if (m->key_len == len && !memcmp(m->key, key, len))
			return m;
	}
	if (s->nmodules == SYMBOLS_MODULES)
		return NULL;
	if ((s->nmodules + 1) * 2 > s->by_key_cap) {
		if (!index_grow(s))
			return NULL;
		for (at = key_hash(key, len) & (s->by_key_cap - 1); s->by_key[at]; at = (at + 1) & (s->by_key_cap - 1))
			;
	}
	if (s->nmodules == s->modules_cap) {
		uint32_t cap = s->modules_cap ? s->modules_cap * 2 : 64;
		struct module **modules = realloc(s->modules, cap * sizeof(struct module *));

		if (!modules)
			return NULL;
		s->modules = modules;
		s->modules_cap = cap;
	}
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->fd = -1;
	memcpy(m->key, key, len);
	m->key_len = len;
	s->modules[s->nmodules++] = m;
	m->number = s->nmodules;
	s->by_key[at] = m->number;
	*ret_new = true;
	return m;
}

const struct symbols_module *symbols_module(struct symbols *s, uint32_t number)
{
	struct module *m;

	pthread_mutex_lock(&s->mutex);
	m = symbols_module_get(s, number);
	pthread_mutex_unlock(&s->mutex);
	return m && m->is.name ? &m->is : NULL;
}

/* Gives up the tables least used until the rest fits, and closes files beyond what may be open. Rows and names each have the room
 * to themselves: rows are large and soon handed over, names that they pushed out would be missing for minutes (SYMBOLS_AGAIN). */
void symbols_trim(struct symbols *s)
{
	for (;;) {
		struct module *of_rows = NULL, *of_names = NULL, *file = NULL;
		size_t unwind = 0, names = 0;
		uint32_t files = 0;

		for (uint32_t i = 0; i < s->nmodules; i++) {
			struct module *m = s->modules[i];
			size_t rows = m->unwind.n * sizeof(*m->unwind.rows), packed = sympack_memory(&m->symbols);

			unwind += m->packed.n + rows;
			names += packed + symtab_memory(&m->named);
			if (m->packed.n + (m->pins ? 0 : rows) && (!of_rows || m->used < of_rows->used))
				of_rows = m;
			if (packed && (!of_names || m->used < of_names->used))
				of_names = m;
			files += m->fd >= 0;
			if (m->fd >= 0 && (!file || m->fd_used < file->fd_used))
				file = m;
		}
		s->bytes = unwind + names;
		if (files > SYMBOLS_FILES) {
			close(file->fd);
			file->fd = -1;
		} else if (unwind > s->options.bytes_max && of_rows && of_rows->used != s->clock) {
			unwind_pack_finish(&of_rows->packed);
			if (!of_rows->pins && of_rows->unwind.n) {
				unwind_table_finish(&of_rows->unwind);
				of_rows->unwind_want = WANT_EVICTED;
			}
			s->stats.evicted++;
		} else if (names > s->options.bytes_max && of_names && of_names->used != s->clock) {
			sympack_finish(&of_names->symbols);
			if (of_names->is.kind != CULPRIT_MODULE_GENERATED)
				of_names->symbols_want = WANT_EVICTED;
			memset(&of_names->stamp, 0, sizeof(of_names->stamp));
			s->stats.evicted++;
		} else {
			return;
		}
	}
}

/* --- processes ------------------------------------------------------------------------------------------------------------ */

/* It is read again when asked for. */
static void process_forget(struct symbols *s, struct process *p)
{
	s->maps -= p->nmaps;
	free(p->maps);
	p->maps = NULL;
	p->nmaps = 0;
	p->generation = 0; /* the next one is another than any that was given out */
	p->want = WANT_NOTHING;
}

struct process *symbols_process(struct symbols *s, uint32_t pid, bool make)
{
	uint32_t at = (pid * 2654435761u) % PROCESS_SLOTS;
	struct process *p = NULL, *oldest = NULL;

	/* Slots are never emptied, only taken over, so that probing stays right. */
	for (uint32_t i = 0; i < 64 && (p = s->processes[at]); i++, at = (at + 1) % PROCESS_SLOTS) {
		if (p->pid == pid)
			return p;
		if (p->want != WANT_QUEUED && (!oldest || p->used < oldest->used))
			oldest = p;
	}
	if (!make || !pid)
		return NULL;
	if (p || s->nprocesses >= SYMBOLS_PROCESSES) {
		if (!oldest)
			return NULL;
		process_forget(s, oldest);
	} else {
		s->processes[at] = oldest = calloc(1, sizeof(*oldest));
		if (!oldest)
			return NULL;
		s->nprocesses++;
	}
	memset(oldest, 0, sizeof(*oldest));
	oldest->pid = pid;
	oldest->retry_ms = SYMBOLS_MAPS_RETRY_MS;
	return oldest;
}

void symbols_trim_processes(struct symbols *s, const struct process *keep)
{
	while (s->maps > SYMBOLS_MAPS) {
		struct process *oldest = NULL;

		for (uint32_t i = 0; i < PROCESS_SLOTS; i++) {
			struct process *p = s->processes[i];

			if (p && p != keep && p->nmaps && p->want != WANT_QUEUED && (!oldest || p->used < oldest->used))
				oldest = p;
		}
		if (!oldest)
			return;
		process_forget(s, oldest);
		s->stats.forgotten++;
	}
}

static void process_read(struct symbols *s, struct process *p)
{
	if (p->want == WANT_QUEUED) {
		p->again = true;
		return;
	}
	p->want = WANT_QUEUED;
	symbols_queue(s, JOB_PROCESS, p->pid);
}

/* dlopen, exec: read anew, less and less often where that does not help. */
void symbols_process_missed(struct symbols *s, struct process *p)
{
	if (p->gone || symbols_now_ms() - p->read_ns < p->retry_ms)
		return;
	p->retry_ms = p->retry_ms < 60000 ? p->retry_ms * 2 : p->retry_ms;
	process_read(s, p);
}

struct process *symbols_process_known(struct symbols *s, uint32_t pid)
{
	struct process *p = symbols_process(s, pid, true);

	if (p && p->want == WANT_NOTHING)
		process_read(s, p);
	if (p)
		p->used = s->clock;
	return p && p->generation ? p : NULL;
}

static uint32_t mapping_kind(const struct module *m)
{
	return m ? m->is.kind : 0;
}

/* The mapping that holds this address; NULL: none. */
const struct code_map *symbols_map_find(const struct process *p, uint64_t address)
{
	uint32_t low = 0, high = p->nmaps;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (p->maps[mid].start <= address)
			low = mid + 1;
		else
			high = mid;
	}
	return low && address < p->maps[low - 1].end ? &p->maps[low - 1] : NULL;
}

int symbols_code(struct symbols *s, uint32_t pid, uint32_t flags, struct culprit_mapping *maps, uint32_t cap, uint32_t *ret_n,
		 uint64_t *ret_generation)
{
	struct process *p;
	int r = 0;

	pthread_mutex_lock(&s->mutex);
	s->clock++;
	p = symbols_process(s, pid, true);
	if (!p) {
		r = -EAGAIN;
	} else {
		p->used = s->clock;
		if (flags & CULPRIT_CODE_ANEW || (p->want != WANT_HERE && p->want != WANT_QUEUED && p->want != WANT_FAILED))
			process_read(s, p);
		if (p->want == WANT_QUEUED && flags & CULPRIT_CODE_SETTLED) {
			r = -EINPROGRESS;
		} else if (!p->generation) {
			r = p->want == WANT_FAILED ? p->err : -EINPROGRESS;
		} else {
			*ret_n = p->nmaps;
			*ret_generation = p->generation;
			for (uint32_t i = 0; i < p->nmaps && i < cap; i++) {
				const struct code_map *m = &p->maps[i];

				maps[i] = (struct culprit_mapping){m->start, m->end, m->offset, m->module,
								   mapping_kind(symbols_module_get(s, m->module))};
			}
		}
	}
	pthread_mutex_unlock(&s->mutex);
	return r;
}

uint32_t symbols_kernel_index(const struct symbols *s, const char *name)
{
	for (size_t i = 0; i < s->kallsyms.n; i++)
		if (!strcmp(s->kallsyms.modules[i].name, name))
			return (uint32_t)i;
	return UINT32_MAX;
}

/* Programs and modules that were loaded since are in kallsyms as it is now; seldom, for reading it takes 50 ms. */
static void kallsyms_again(struct symbols *s)
{
	uint64_t now = symbols_now_ms();

	if (s->kallsyms_queued || s->kallsyms.hidden || now < s->kallsyms_again_ms)
		return;
	s->kallsyms_wait_ms = !s->kallsyms_wait_ms ? SYMBOLS_KALLSYMS_AGAIN_MS :
			      s->kallsyms_wait_ms < 3600000 ? s->kallsyms_wait_ms * 2 : s->kallsyms_wait_ms;
	s->kallsyms_again_ms = now + s->kallsyms_wait_ms;
	s->kallsyms_queued = true;
	symbols_queue(s, JOB_KALLSYMS, 0);
}

static int locate_kernel(struct symbols *s, const uint64_t *addresses, uint32_t n, struct culprit_code *code)
{
	const struct kallsyms_module *kernel;

	if (!s->kallsyms_read) {
		if (!s->kallsyms_queued) {
			s->kallsyms_queued = true;
			symbols_queue(s, JOB_KALLSYMS, 0);
		}
		if (!s->kallsyms_read)
			return -EINPROGRESS;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct kallsyms_module *k = kallsyms_find(&s->kallsyms, addresses[i]);
		const char *name = k ? k->name : "[kernel]";
		uint64_t origin = k ? k->origin : 0;
		struct module *m;
		bool made;

		kernel = s->kallsyms.n && !s->kallsyms.hidden ? &s->kallsyms.modules[0] : NULL;
		if (!k && kernel && kernel->base) {
			/* Outside of the kernel and of all modules there is code of BPF's compiler alone. */
			kallsyms_again(s);
			name = "[bpf]";
			origin = s->kallsyms.modules[0].base;
		}
		m = symbols_module_intern(s, name, strlen(name), &made);
		if (made) {
			m->is.name = strdup(name);
			m->is.kind = CULPRIT_MODULE_KERNEL;
			m->symbols_want = WANT_HERE;
			m->kernel_index = symbols_kernel_index(s, name);
		}
		code[i] = (struct culprit_code){.module = m && m->is.name ? m->number : 0, .offset = addresses[i] - origin};
	}
	return 0;
}

int symbols_locate(struct symbols *s, uint32_t pid, const uint64_t *addresses, uint32_t n, struct culprit_code *code)
{
	struct process *p;
	bool missed = false;
	int r = 0;

	pthread_mutex_lock(&s->mutex);
	s->clock++;
	if (!pid) {
		r = locate_kernel(s, addresses, n, code);
		goto out;
	}
	p = symbols_process(s, pid, true);
	if (p && p->want == WANT_NOTHING)
		process_read(s, p);
	if (!p || !p->generation) {
		r = !p ? -EAGAIN : p->want == WANT_FAILED ? p->err : -EINPROGRESS;
		goto out;
	}
	p->used = s->clock;
	for (uint32_t i = 0; i < n; i++) {
		const struct code_map *m = symbols_map_find(p, addresses[i]);
		uint32_t number = m ? m->module : 0;
		const struct module *module = symbols_module_get(s, number);

		code[i] = (struct culprit_code){.module = number, .offset = addresses[i]};
		if (module && module->is.kind != CULPRIT_MODULE_GENERATED)
			code[i].offset = addresses[i] - m->start + m->offset;
		missed = missed || !m;
	}
	if (missed)
		symbols_process_missed(s, p);
out:
	pthread_mutex_unlock(&s->mutex);
	return r;
}

/* --- tables -------------------------------------------------------------------------------------------------------------- */

int symbols_unwind_want(struct symbols *s, struct module *m, bool kept)
{
	if (!m || (m->is.kind != CULPRIT_MODULE_FILE && m->is.kind != CULPRIT_MODULE_VDSO))
		return -ENOENT;
	m->used = s->clock;
	if (m->unwind_want == WANT_GIVEN && m->packed.nrows && !unwind_pack_open(&m->packed, &m->unwind))
		m->unwind_want = WANT_HERE;
	if (kept && m->unwind_want == WANT_EVICTED && symbols_now_ms() < m->rows_again_ms)
		return -EINPROGRESS;
	if (m->unwind_want == WANT_NOTHING || m->unwind_want == WANT_EVICTED || m->unwind_want == WANT_GIVEN) {
		m->unwind_want = WANT_QUEUED;
		symbols_queue(s, JOB_UNWIND, m->number);
	}
	return m->unwind_want == WANT_QUEUED ? -EINPROGRESS : m->unwind_want != WANT_HERE ? -ENOEXEC : 0;
}

int symbols_unwind(struct symbols *s, uint32_t module, const struct culprit_unwind_row **ret_rows, uint32_t *ret_n)
{
	struct module *m;
	int r;

	pthread_mutex_lock(&s->mutex);
	s->clock++;
	m = symbols_module_get(s, module);
	r = symbols_unwind_want(s, m, false);
	if (!r) {
		m->pins++;
		*ret_rows = m->unwind.rows;
		*ret_n = (uint32_t)m->unwind.n;
	}
	pthread_mutex_unlock(&s->mutex);
	return r;
}

void symbols_unwind_release(struct symbols *s, uint32_t module)
{
	struct module *m;

	pthread_mutex_lock(&s->mutex);
	m = symbols_module_get(s, module);
	/* Who asks copies them: a second copy here would be the most of our memory. They are made again, should they be asked for
	 * again; who does that has no room for all of them and will ask once more (job_unwind() packs them then). */
	if (m && m->pins && !--m->pins) {
		m->given = true;
		unwind_table_finish(&m->unwind);
		m->unwind_want = WANT_GIVEN;
		symbols_trim(s);
	}
	pthread_mutex_unlock(&s->mutex);
}

uint32_t symbols_rules(struct symbols *s, uint32_t from, struct culprit_unwind_rule *rules, uint32_t cap)
{
	uint32_t n = 0;

	pthread_mutex_lock(&s->mutex);
	if (from < s->rules.n) {
		n = s->rules.n - from < cap ? s->rules.n - from : cap;
		memcpy(rules, s->rules.rules + from, n * sizeof(*rules));
	}
	pthread_mutex_unlock(&s->mutex);
	return n;
}

/* Whether its names are known: 0, -EINPROGRESS. */
static int names_of(struct symbols *s, struct module *m)
{
	uint64_t now = symbols_now_ms();

	if (m->made || m->is.kind == CULPRIT_MODULE_KERNEL)
		return 0;
	if (m->is.kind == CULPRIT_MODULE_GENERATED) {
		if (!m->map_queued && (!m->map_read_ns || now - m->map_read_ns >= SYMBOLS_MAP_RETRY_MS)) {
			m->map_queued = true;
			symbols_queue(s, JOB_PERFMAP, m->number);
		}
		return m->map_read_ns ? 0 : -EINPROGRESS;
	}
	/* One that is given up again and again must not be read all the time. */
	if (m->symbols_want == WANT_NOTHING || (m->symbols_want == WANT_EVICTED && now >= m->again_ms)) {
		m->symbols_want = WANT_QUEUED;
		symbols_queue(s, JOB_SYMBOLS, m->number);
	}
	return m->symbols_want == WANT_QUEUED || m->symbols_want == WANT_EVICTED ? -EINPROGRESS : 0;
}

static bool name_find(struct symbols *s, struct module *m, uint64_t offset, struct sympack_found *ret)
{
	const struct symtab_entry *e;

	if (m->is.kind == CULPRIT_MODULE_KERNEL && !m->made)
		return s->kernel_symbols && m->kernel_index < s->kallsyms.n &&
		       sympack_find(&s->kernel_symbols[m->kernel_index], s->cache, offset, ret);
	if (!m->made)
		return sympack_find(&m->symbols, s->cache, offset, ret);
	e = symtab_find(&m->named, offset, &ret->end);
	if (e) {
		ret->start = e->start;
		ret->name = symtab_name(&m->named, e);
	}
	return e;
}

int symbols_lookup(struct symbols *s, uint32_t module, uint64_t offset, struct symbol *ret, char *name, size_t cap)
{
	struct sympack_found found;
	struct module *m;
	int r = -ENOENT;

	pthread_mutex_lock(&s->mutex);
	s->clock++;
	m = symbols_module_get(s, module);
	if (m) {
		m->used = s->clock;
		r = names_of(s, m);
	}
	if (!r && name_find(s, m, offset, &found)) {
		size_t len = strlen(found.name), keep = cap ? (len < cap - 1 ? len : cap - 1) : 0;

		ret->start = found.start;
		ret->size = found.end == UINT64_MAX ? 0 : found.end - found.start;
		ret->name_len = len;
		memcpy(name, found.name, keep);
		if (cap)
			name[keep] = '\0';
	} else if (!r) {
		/* A program that was loaded a moment ago. */
		r = m->is.kind == CULPRIT_MODULE_KERNEL && s->kallsyms_queued ? -EINPROGRESS : -ENOENT;
	}
	pthread_mutex_unlock(&s->mutex);
	return r;
}

int symbols_named(struct symbols *s, const char *module, size_t module_len, uint32_t kind, const char *name, size_t name_len,
		  struct culprit_code *ret)
{
	char key[96];
	struct module *m;
	bool made;
	int r = 0;

	/* The key tells apart by kind, beginning and length; two long names that agree in these are one module. */
	key[0] = 'I';
	key[1] = (char)('0' + kind);
	if (module_len > SYMTAB_NAME_MAX)
		module_len = SYMTAB_NAME_MAX;
	if (module_len <= sizeof(key) - 2)
		memcpy(key + 2, module, module_len);
	else
		memcpy(key + 2, module + module_len - (sizeof(key) - 2), sizeof(key) - 2);
	pthread_mutex_lock(&s->mutex);
	m = symbols_module_intern(s, key, (module_len < sizeof(key) - 2 ? module_len : sizeof(key) - 2) + 2, &made);
	if (m && made) {
		m->is.name = strndup(module, module_len);
		m->is.kind = kind;
		m->made = true;
		m->symbols_want = WANT_HERE;
	}
	if (!m || !m->is.name)
		r = -ENOMEM;
	else if (m->named.n >= SYMTAB_ENTRIES_MAX - 1)
		r = -E2BIG;
	else
		r = symtab_add(&m->named, (m->named.n + 1) * 16, 16, name, name_len, 0);
	if (!r)
		*ret = (struct culprit_code){.module = m->number, .offset = m->named.n * 16};
	pthread_mutex_unlock(&s->mutex);
	return r;
}

bool symbols_jit_help(struct symbols *s, uint32_t module, char *sentence, size_t cap)
{
	struct module *m;
	bool help = false;
	char path[32], exe[256] = "";
	const char *base, *how = "a perf map of it";
	ssize_t n;

	pthread_mutex_lock(&s->mutex);
	m = symbols_module_get(s, module);
	if (m && m->is.kind == CULPRIT_MODULE_GENERATED && m->map_read_ns && !m->map_known) {
		help = true;
		snprintf(path, sizeof(path), "%u/exe", m->is.pid);
		n = readlinkat(s->options.proc_fd, path, exe, sizeof(exe) - 1);
		exe[n > 0 ? n : 0] = '\0';
		base = strrchr(exe, '/') ? strrchr(exe, '/') + 1 : exe;
		if (!strcmp(base, "java"))
			snprintf(sentence, cap, "generated code without names: jcmd %u Compiler.perfmap names it", m->is.pid);
		else if (!strcmp(base, "node") || !strcmp(base, "nodejs"))
			snprintf(sentence, cap, "generated code without names: start it as node --perf-basic-prof");
		else if (!strncmp(base, "python", 6))
			snprintf(sentence, cap, "generated code without names: start it as python3 -X perf (from 3.12 on)");
		else
			snprintf(sentence, cap, "generated code without names: %s (/tmp/perf-%u.map) would name it", how, m->is.pid);
	}
	pthread_mutex_unlock(&s->mutex);
	return help;
}

void symbols_stats(struct symbols *s, struct symbols_stats *ret)
{
	pthread_mutex_lock(&s->mutex);
	*ret = s->stats;
	ret->modules = s->nmodules;
	ret->processes = s->nprocesses;
	ret->queued = queued(s);
	ret->workers = s->workers;
	ret->bytes = s->bytes;
	ret->maps = s->maps;
	for (uint32_t i = 0; i < s->workers; i++)
		ret->stuck += s->busy_since[i] && symbols_now_ms() - s->busy_since[i] >= SYMBOLS_STUCK_MS;
	pthread_mutex_unlock(&s->mutex);
}
