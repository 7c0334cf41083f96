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
		s->working++;
		s->busy_since[start.index] = symbols_now_ms();
		before_ns = thread_ns();
		symbols_job(s, job);
		if (job.kind != JOB_PROCESS && job.kind != JOB_PERFMAP)
			__atomic_fetch_add(&s->once_ns, thread_ns() - before_ns, __ATOMIC_RELAXED);
		s->busy_since[start.index] = 0;
		s->working--;
		s->generation++;
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
		s->generation++;
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
		s->options.bytes_max = 64 << 20;
	pthread_mutex_init(&s->mutex, NULL);
	for (size_t i = 0; i < JOB_CLASSES; i++)
		pthread_cond_init(&s->jobs[i].work, NULL);
	pthread_cond_init(&s->idle, NULL);
	s->by_key_cap = 1024;
	s->by_key = calloc(s->by_key_cap, sizeof(*s->by_key));
	s->processes = calloc(PROCESS_SLOTS, sizeof(*s->processes));
	if (!s->by_key || !s->processes || unwind_rules_init(&s->rules)) {
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
	symtab_finish(&m->symbols);
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
		procmaps_finish(&s->processes[i].maps);
		free(s->processes[i].modules);
	}
	free(s->processes);
	kallsyms_finish(&s->kallsyms);
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

/* Gives up the tables least used until the rest fits, and closes files beyond what may be open. */
void symbols_trim(struct symbols *s)
{
	for (;;) {
		struct module *oldest = NULL, *file = NULL;
		size_t bytes = 0;
		uint32_t files = 0;

		for (uint32_t i = 0; i < s->nmodules; i++) {
			struct module *m = s->modules[i];
			size_t own = symtab_memory(&m->symbols) + (m->pins ? 0 : m->unwind.n * sizeof(*m->unwind.rows));

			bytes += symtab_memory(&m->symbols) + m->unwind.n * sizeof(*m->unwind.rows);
			if (own && !m->made && (!oldest || m->used < oldest->used))
				oldest = m;
			files += m->fd >= 0;
			if (m->fd >= 0 && (!file || m->fd_used < file->fd_used))
				file = m;
		}
		s->bytes = bytes;
		if (files > SYMBOLS_FILES) {
			close(file->fd);
			file->fd = -1;
			continue;
		}
		if (bytes <= s->options.bytes_max || !oldest || oldest->used == s->clock)
			return;
		if (!oldest->pins && oldest->unwind.n) {
			unwind_table_finish(&oldest->unwind);
			oldest->unwind_want = WANT_EVICTED;
		}
		if (symtab_memory(&oldest->symbols)) {
			symtab_finish(&oldest->symbols);
			if (oldest->is.kind != CULPRIT_MODULE_GENERATED)
				oldest->symbols_want = WANT_EVICTED;
			memset(&oldest->stamp, 0, sizeof(oldest->stamp));
		}
		s->stats.evicted++;
	}
}

/* --- processes ------------------------------------------------------------------------------------------------------------ */

struct process *symbols_process(struct symbols *s, uint32_t pid, bool make)
{
	uint32_t at = (pid * 2654435761u) % PROCESS_SLOTS, first = at;
	struct process *oldest = NULL;

	/* Slots are never emptied, only taken over, so that probing stays right. */
	for (uint32_t i = 0; i < 64 && s->processes[at].pid; i++, at = (at + 1) % PROCESS_SLOTS) {
		struct process *p = &s->processes[at];

		if (p->pid == pid)
			return p;
		if (p->want != WANT_QUEUED && (!oldest || p->used < oldest->used))
			oldest = p;
	}
	(void)first;
	if (!make || !pid)
		return NULL;
	if (s->processes[at].pid || s->nprocesses >= SYMBOLS_PROCESSES) {
		if (!oldest)
			return NULL;
	} else {
		oldest = &s->processes[at];
		s->nprocesses++;
	}
	procmaps_finish(&oldest->maps);
	free(oldest->modules);
	memset(oldest, 0, sizeof(*oldest));
	oldest->pid = pid;
	oldest->retry_ms = SYMBOLS_MAPS_RETRY_MS;
	return oldest;
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

static uint32_t mapping_kind(const struct module *m)
{
	return m ? m->is.kind : 0;
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
			*ret_n = (uint32_t)p->maps.n;
			*ret_generation = p->generation;
			for (uint32_t i = 0; i < p->maps.n && i < cap; i++) {
				const struct procmap *m = &p->maps.maps[i];

				maps[i] = (struct culprit_mapping){m->start, m->end, m->offset, p->modules[i],
								   mapping_kind(symbols_module_get(s, p->modules[i]))};
			}
		}
	}
	pthread_mutex_unlock(&s->mutex);
	return r;
}

static int locate_kernel(struct symbols *s, const uint64_t *addresses, uint32_t n, struct culprit_code *code)
{
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
		bool made;
		struct module *m = symbols_module_intern(s, k ? k->name : "[kernel]", strlen(k ? k->name : "[kernel]"), &made);

		if (made) {
			m->is.name = strdup(k ? k->name : "[kernel]");
			m->is.kind = CULPRIT_MODULE_KERNEL;
			m->symbols_want = WANT_HERE;
			m->kernel_index = k ? (uint32_t)(k - s->kallsyms.modules) : 0;
		}
		code[i] = (struct culprit_code){.module = m && m->is.name ? m->number : 0,
						.offset = k ? addresses[i] - k->base : addresses[i]};
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
		const struct procmap *m = procmaps_find(&p->maps, addresses[i]);
		uint32_t number = m ? p->modules[m - p->maps.maps] : 0;
		const struct module *module = symbols_module_get(s, number);

		code[i] = (struct culprit_code){.module = number, .offset = addresses[i]};
		if (module && module->is.kind != CULPRIT_MODULE_GENERATED)
			code[i].offset = addresses[i] - m->start + m->offset;
		missed = missed || !m;
	}
	/* dlopen, exec: read anew, less and less often where that does not help. */
	if (missed && !p->gone && symbols_now_ms() - p->read_ns >= p->retry_ms) {
		p->retry_ms = p->retry_ms < 60000 ? p->retry_ms * 2 : p->retry_ms;
		process_read(s, p);
	}
out:
	pthread_mutex_unlock(&s->mutex);
	return r;
}

/* --- tables -------------------------------------------------------------------------------------------------------------- */

int symbols_unwind(struct symbols *s, uint32_t module, const struct culprit_unwind_row **ret_rows, uint32_t *ret_n)
{
	struct module *m;
	int r = 0;

	pthread_mutex_lock(&s->mutex);
	s->clock++;
	m = symbols_module_get(s, module);
	if (!m || (m->is.kind != CULPRIT_MODULE_FILE && m->is.kind != CULPRIT_MODULE_VDSO)) {
		r = -ENOENT;
		goto out;
	}
	m->used = s->clock;
	if (m->unwind_want == WANT_NOTHING || m->unwind_want == WANT_EVICTED) {
		m->unwind_want = WANT_QUEUED;
		symbols_queue(s, JOB_UNWIND, module);
	}
	if (m->unwind_want == WANT_QUEUED) {
		r = -EINPROGRESS;
	} else if (m->unwind_want != WANT_HERE) {
		r = -ENOEXEC;
	} else {
		m->pins++;
		*ret_rows = m->unwind.rows;
		*ret_n = (uint32_t)m->unwind.n;
	}
out:
	pthread_mutex_unlock(&s->mutex);
	return r;
}

void symbols_unwind_release(struct symbols *s, uint32_t module)
{
	struct module *m;

	pthread_mutex_lock(&s->mutex);
	m = symbols_module_get(s, module);
	if (m && m->pins)
		m->pins--;
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

/* The table to look in; NULL with -errno. */
static const struct symtab *table_of(struct symbols *s, struct module *m, int *ret)
{
	*ret = 0;
	if (m->made)
		return &m->symbols;
	if (m->is.kind == CULPRIT_MODULE_KERNEL)
		return m->kernel_index < s->kallsyms.n ? &s->kallsyms.modules[m->kernel_index].symbols : NULL;
	if (m->is.kind == CULPRIT_MODULE_GENERATED) {
		uint64_t now = symbols_now_ms();

		if (!m->map_queued && (!m->map_read_ns || now - m->map_read_ns >= SYMBOLS_MAP_RETRY_MS)) {
			m->map_queued = true;
			symbols_queue(s, JOB_PERFMAP, m->number);
		}
		if (!m->map_read_ns)
			*ret = -EINPROGRESS;
		return &m->symbols;
	}
	if (m->symbols_want == WANT_NOTHING || m->symbols_want == WANT_EVICTED) {
		m->symbols_want = WANT_QUEUED;
		symbols_queue(s, JOB_SYMBOLS, m->number);
	}
	if (m->symbols_want == WANT_QUEUED)
		*ret = -EINPROGRESS;
	return &m->symbols;
}

int symbols_lookup(struct symbols *s, uint32_t module, uint64_t offset, struct symbol *ret, char *name, size_t cap)
{
	const struct symtab_entry *e = NULL;
	const struct symtab *t = NULL;
	struct module *m;
	uint64_t end = 0;
	int r = -ENOENT;

	pthread_mutex_lock(&s->mutex);
	s->clock++;
	m = symbols_module_get(s, module);
	if (m) {
		m->used = s->clock;
		t = table_of(s, m, &r);
	}
	if (t && !r)
		e = symtab_find(t, offset, &end);
	if (e) {
		const char *is = symtab_name(t, e);
		size_t len = strlen(is), keep = cap ? (len < cap - 1 ? len : cap - 1) : 0;

		ret->start = e->start;
		ret->size = end == UINT64_MAX ? 0 : end - e->start;
		ret->name_len = len;
		memcpy(name, is, keep);
		if (cap)
			name[keep] = '\0';
	} else if (!r) {
		r = -ENOENT;
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
	else if (m->symbols.n >= SYMTAB_ENTRIES_MAX - 1)
		r = -E2BIG;
	else
		r = symtab_add(&m->symbols, (m->symbols.n + 1) * 16, 16, name, name_len, 0);
	if (!r)
		*ret = (struct culprit_code){.module = m->number, .offset = m->symbols.n * 16};
	pthread_mutex_unlock(&s->mutex);
	return r;
}

const char *symbols_kernel_state(struct symbols *s)
{
	return s->kernel_state.sentence;
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
			snprintf(sentence, cap, "generated code without names: start it as python -X perf");
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
	for (uint32_t i = 0; i < s->workers; i++)
		ret->stuck += s->busy_since[i] && symbols_now_ms() - s->busy_since[i] >= SYMBOLS_STUCK_MS;
	pthread_mutex_unlock(&s->mutex);
}
