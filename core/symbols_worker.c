/* What reads: mappings, files, maps. Each job works without the lock and publishes with it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "symbols_internal.h"

enum { VDSO_MAX = 1 << 16, MAPS_MAX = 64 << 20 };

static char *read_whole(int dir_fd, const char *path, size_t *ret_n, int *ret_err)
{
	size_t cap = 1 << 16, n = 0;
	int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	char *text = malloc(cap);
	ssize_t got = 0;

	*ret_err = fd < 0 ? -errno : text ? 0 : -ENOMEM;
	while (!*ret_err && n < MAPS_MAX && (got = read(fd, text + n, cap - n)) > 0) {
		n += (size_t)got;
		if (cap - n < 8192) {
			char *more = realloc(text, cap * 2);

			if (!more)
				*ret_err = -ENOMEM;
			else
				text = more;
			cap *= 2;
		}
	}
	if (!*ret_err && got < 0)
		*ret_err = -errno;
	if (fd >= 0)
		close(fd);
	if (*ret_err) {
		free(text);
		return NULL;
	}
	*ret_n = n;
	return text;
}

/* Opens what is mapped there: the file itself, also when it is deleted or its name is another file's by now; without the
 * right to that, by name in the process's own root, if it is still that file. */
static int open_mapping(int proc_fd, uint32_t pid, const struct procmaps *maps, const struct procmap *m)
{
	enum { FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };
	char path[4300];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%u/map_files/%llx-%llx", pid, (unsigned long long)m->start, (unsigned long long)m->end);
	fd = openat(proc_fd, path, FLAGS);
	if (fd >= 0 || m->deleted || m->name_len > 4095)
		return fd;
	snprintf(path, sizeof(path), "%u/root/%.*s", pid, (int)m->name_len, maps->names + m->name);
	fd = openat(proc_fd, path, FLAGS);
	if (fd >= 0 && (fstat(fd, &st) || st.st_ino != m->inode)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static uint8_t *read_memory(int proc_fd, uint32_t pid, uint64_t start, size_t n)
{
	uint8_t *bytes = malloc(n);
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "%u/mem", pid);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !bytes || pread(fd, bytes, n, (off_t)start) != (ssize_t)n) {
		free(bytes);
		bytes = NULL;
	}
	if (fd >= 0)
		close(fd);
	return bytes;
}

static size_t key_of_build(char key[96], const uint8_t *id, size_t len)
{
	key[0] = 'B';
	memcpy(key + 1, id, len);
	return len + 1;
}

/* The module behind one mapping; without the lock. 0: none (generated code of no file, too many). */
struct found {
	uint32_t number; /* known already; else 0, and what it takes to make it known: */
	struct stat st;  /* st_ino 0: of no file */
	char key[96];
	size_t key_len;
	uint32_t kind;
	char *name;
	uint8_t build_id[SYMFILE_BUILD_ID_MAX];
	size_t build_id_len;
	int fd;
	uint8_t *image;
	size_t image_size;
};

static void found_generated(struct found *f, uint32_t pid)
{
	char name[32];

	f->kind = CULPRIT_MODULE_GENERATED;
	f->key_len = (size_t)snprintf(f->key, sizeof(f->key), "J%u", pid);
	snprintf(name, sizeof(name), "[jit %u]", pid);
	f->name = strdup(name);
}

static struct seen_file seen_of(const struct stat *st)
{
	return (struct seen_file){.dev = st->st_dev, .ino = st->st_ino, .size = (uint64_t)st->st_size,
				  .mtime_ns = (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec,
				  .ctime_ns = (uint64_t)st->st_ctim.tv_sec * 1000000000u + (uint64_t)st->st_ctim.tv_nsec};
}

static struct seen_file *seen_place(struct symbols *s, const struct seen_file *f)
{
	uint64_t h = (f->dev ^ f->ino * 3 ^ f->mtime_ns) * 0x9E3779B97F4A7C15u;

	return &s->seen[(h >> 40) % SYMBOLS_SEEN];
}

/* With the lock. */
static void seen_keep(struct symbols *s, const struct stat *st, uint32_t module)
{
	struct seen_file f = seen_of(st);

	f.module = module;
	if (module && st->st_ino)
		*seen_place(s, &f) = f;
}

/* Takes the lock. The module of this file, SEEN_NO_ELF; 0: it must be opened, because it was never seen, or because
 * tables are to be made of it. */
static uint32_t seen_find(struct symbols *s, const struct stat *st)
{
	struct seen_file f = seen_of(st), *is;
	const struct module *m;
	uint32_t number = 0;

	pthread_mutex_lock(&s->mutex);
	is = seen_place(s, &f);
	f.module = is->module;
	if (is->module && !memcmp(is, &f, sizeof(f))) {
		number = is->module;
		m = symbols_module_get(s, number);
		if (m && m->fd < 0 && (m->unwind_want == WANT_FAILED || m->symbols_want == WANT_FAILED ||
				       m->unwind_want == WANT_EVICTED || m->symbols_want == WANT_EVICTED))
			number = 0;
	}
	pthread_mutex_unlock(&s->mutex);
	return number;
}

static int stat_mapping(int proc_fd, uint32_t pid, const struct procmap *m, struct stat *st)
{
	char path[80];

	snprintf(path, sizeof(path), "%u/map_files/%llx-%llx", pid, (unsigned long long)m->start, (unsigned long long)m->end);
	return fstatat(proc_fd, path, st, 0);
}

static void find_module(struct symbols *s, uint32_t pid, const struct procmaps *maps, const struct procmap *m, struct found *f)
{
	struct symfile *elf = NULL;

	memset(f, 0, sizeof(*f));
	f->fd = -1;
	if (m->kind == PROCMAP_VSYSCALL)
		return;
	if (m->kind == PROCMAP_VDSO) {
		if (m->end - m->start > VDSO_MAX)
			return;
		f->image_size = (size_t)(m->end - m->start);
		f->image = read_memory(s->options.proc_fd, pid, m->start, f->image_size);
		elf = f->image ? symfile_open_memory(f->image, f->image_size, NULL) : NULL;
		if (!elf)
			return;
		f->kind = CULPRIT_MODULE_VDSO;
		f->name = strdup("[vdso]");
	} else if (m->kind == PROCMAP_FILE) {
		int fd = -1;

		if (!stat_mapping(s->options.proc_fd, pid, m, &f->st))
			f->number = seen_find(s, &f->st);
		if (f->number && f->number != SEEN_NO_ELF)
			return;
		if (!f->number)
			fd = open_mapping(s->options.proc_fd, pid, maps, m);
		if (f->number) {
			f->number = 0;
			found_generated(f, pid);
			return;
		}
		if (fd >= 0 && !fstat(fd, &f->st)) {
			f->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
			elf = symfile_open(fd, NULL); /* takes it over */
		} else if (fd >= 0) {
			close(fd);
		} else {
			/* Not readable for us: it has a name, at least. */
			f->kind = CULPRIT_MODULE_FILE;
			f->name = strndup(maps->names + m->name, m->name_len);
			f->key_len = (size_t)snprintf(f->key, sizeof(f->key), "U%x:%x:%llu", m->major, m->minor,
						      (unsigned long long)m->inode);
			return;
		}
		if (!elf) {
			/* Code in a file that is no ELF file: a runtime's cache. */
			if (f->fd >= 0)
				close(f->fd);
			f->fd = -1;
			found_generated(f, pid);
			return;
		}
		f->kind = CULPRIT_MODULE_FILE;
		f->name = strndup(maps->names + m->name, m->name_len);
	} else {
		found_generated(f, pid);
		return;
	}
	f->build_id_len = symfile_build_id(elf, f->build_id);
	symfile_close(elf);
	if (f->build_id_len) {
		f->key_len = key_of_build(f->key, f->build_id, f->build_id_len);
	} else if (f->fd >= 0) {
		f->key_len = (size_t)snprintf(f->key, sizeof(f->key), "F%llx:%llx:%llx:%llx", (unsigned long long)f->st.st_dev,
					      (unsigned long long)f->st.st_ino, (unsigned long long)f->st.st_size,
					      (unsigned long long)f->st.st_mtim.tv_sec * 1000000000u +
						      (unsigned long long)f->st.st_mtim.tv_nsec);
	} else {
		f->key_len = (size_t)snprintf(f->key, sizeof(f->key), "vdso");
	}
}

/* With the lock: gives what was found its number; takes what it holds. */
static uint32_t publish_module(struct symbols *s, struct found *f, uint32_t pid)
{
	struct module *m = NULL;
	bool made = false;

	if (f->number)
		return f->number;
	if (f->key_len && f->name)
		m = symbols_module_intern(s, f->key, f->key_len, &made);
	if (m && made) {
		m->is.name = f->name;
		m->is.kind = f->kind;
		m->is.build_id_len = (uint32_t)f->build_id_len;
		memcpy(m->is.build_id, f->build_id, f->build_id_len);
		m->is.pid = f->kind == CULPRIT_MODULE_GENERATED ? pid : 0;
		m->root_pid = pid;
		m->image = f->image;
		m->image_size = f->image_size;
		f->name = NULL;
		f->image = NULL;
	}
	/* A file whose tables are still to be made is kept open: its process may be gone by then. */
	if (m && m->fd < 0 && f->fd >= 0 && (made || m->unwind_want == WANT_FAILED || m->symbols_want == WANT_FAILED ||
					    m->unwind_want == WANT_EVICTED || m->symbols_want == WANT_EVICTED)) {
		m->fd = f->fd;
		m->fd_used = s->clock;
		f->fd = -1;
		if (m->unwind_want == WANT_FAILED)
			m->unwind_want = WANT_NOTHING;
		if (m->symbols_want == WANT_FAILED)
			m->symbols_want = WANT_NOTHING;
	}
	if (f->st.st_ino && f->kind == CULPRIT_MODULE_GENERATED)
		seen_keep(s, &f->st, SEEN_NO_ELF);
	else if (f->st.st_ino && f->kind == CULPRIT_MODULE_FILE && f->key[0] != 'U' && m)
		seen_keep(s, &f->st, m->number);
	if (f->fd >= 0)
		close(f->fd);
	free(f->name);
	free(f->image);
	return m ? m->number : 0;
}

/* All that a process's maps say of code, in one number: have they changed? */
static uint64_t maps_hash(const struct procmaps *maps)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < maps->n; i++) {
		const struct procmap *m = &maps->maps[i];
		const uint64_t words[] = {m->start, m->end, m->offset, m->inode, (uint64_t)m->major << 32 | m->minor, m->kind, m->name_len};

		for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++)
			h = (h ^ words[k] ^ h >> 29) * 0x9fb21c651e98df25u;
	}
	for (size_t i = 0; i < maps->names_len; i++)
		h = (h ^ (uint8_t)maps->names[i]) * 0x100000001b3u;
	return h ^ h >> 32;
}

/* With the lock: what was read of a process's maps becomes what is known of it. */
static void maps_become(struct symbols *s, struct process *p, struct code_map *maps, uint32_t n, uint64_t same)
{
	if (!p->generation || p->same != same) {
		p->generation = ++s->maps_generation;
		p->retry_ms = SYMBOLS_MAPS_RETRY_MS;
	}
	s->maps += n;
	s->maps -= p->nmaps;
	free(p->maps);
	p->maps = maps;
	p->nmaps = n;
	p->same = same;
	symbols_trim_processes(s, p);
}

static void job_process(struct symbols *s, uint32_t pid)
{
	struct process *p;
	struct procmaps maps;
	struct found *found = NULL;
	struct code_map *code = NULL;
	char path[32], *text;
	uint64_t same = 0;
	size_t n = 0;
	int r;

	pthread_mutex_unlock(&s->mutex);
	procmaps_init(&maps);
	snprintf(path, sizeof(path), "%u/maps", pid);
	text = read_whole(s->options.proc_fd, path, &n, &r);
	if (!r)
		r = procmaps_parse(&maps, text, n);
	free(text);
	if (!r && !maps.readable)
		r = -ESRCH; /* a zombie's maps are empty, a kernel thread's too */
	n = maps.n;
	if (!r) {
		found = calloc(n ? n : 1, sizeof(*found));
		code = calloc(n ? n : 1, sizeof(*code));
		r = found && code ? 0 : -ENOMEM;
	}
	for (size_t i = 0; !r && i < n; i++)
		find_module(s, pid, &maps, &maps.maps[i], &found[i]);
	if (!r)
		same = maps_hash(&maps);
	pthread_mutex_lock(&s->mutex);
	for (size_t i = 0; !r && i < n; i++)
		code[i] = (struct code_map){maps.maps[i].start, maps.maps[i].end, maps.maps[i].offset,
					    publish_module(s, &found[i], pid)};
	free(found);
	procmaps_finish(&maps);
	symbols_trim(s);
	p = symbols_process(s, pid, false);
	if (!p || r)
		free(code);
	if (!p)
		return;
	p->read_ns = symbols_now_ms();
	if (r) {
		/* What was known of it stays: samples taken before it went still come. */
		p->gone = r == -ENOENT || r == -ESRCH;
		p->err = p->gone ? -ESRCH : r;
		p->want = p->generation ? WANT_HERE : WANT_FAILED;
		s->stats.failed++;
		return;
	}
	p->want = WANT_HERE;
	p->gone = false;
	maps_become(s, p, code, (uint32_t)n, same);
	if (p->again) {
		p->again = false;
		p->want = WANT_QUEUED;
		symbols_queue(s, JOB_PROCESS, pid);
	}
}

/* The module's file, opened anew; with the lock before and after, without it between. NULL: it can't be had any more. */
static struct symfile *module_open(struct symbols *s, struct module *m)
{
	struct symfile *f;
	uint8_t id[SYMFILE_BUILD_ID_MAX];
	int fd = m->fd >= 0 ? fcntl(m->fd, F_DUPFD_CLOEXEC, 3) : -1;
	bool check = fd < 0;
	char path[64 + 4096];

	m->fd_used = s->clock;
	pthread_mutex_unlock(&s->mutex);
	if (m->image) {
		f = symfile_open_memory(m->image, m->image_size, NULL);
	} else {
		/* In the root of the process that had it, which may be a container's; where that has gone, in ours. */
		snprintf(path, sizeof(path), "%u/root/%s", m->root_pid, m->is.name);
		if (fd < 0 && m->root_pid)
			fd = openat(s->options.proc_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (fd < 0)
			fd = open(m->is.name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		f = fd >= 0 ? symfile_open(fd, NULL) : NULL;
		/* By name alone it may be another build by now. */
		if (f && check && (!m->is.build_id_len || symfile_build_id(f, id) != m->is.build_id_len ||
				   memcmp(id, m->is.build_id, m->is.build_id_len))) {
			symfile_close(f);
			f = NULL;
		}
	}
	pthread_mutex_lock(&s->mutex);
	return f;
}

/* Nothing more will be read of it for now. */
static void module_close(struct module *m)
{
	if (m->fd < 0 || m->unwind_want == WANT_QUEUED || m->symbols_want == WANT_QUEUED || m->unwind_want == WANT_NOTHING ||
	    m->symbols_want == WANT_NOTHING)
		return;
	close(m->fd);
	m->fd = -1;
}

/* What took so long may be made again then, should it be given up for others. */
static uint64_t again_ms(uint64_t began_ms)
{
	uint64_t now = symbols_now_ms();

	return now + (now - began_ms + 1) * SYMBOLS_AGAIN;
}

static void job_unwind(struct symbols *s, struct module *m)
{
	struct symfile *f = module_open(s, m);
	uint64_t began = symbols_now_ms();
	struct unwind_table t = {0};
	struct unwind_pack packed = {0};
	struct unwind_rules own;
	int r;

	pthread_mutex_unlock(&s->mutex);
	r = unwind_rules_init(&own);
	if (!r)
		r = f ? symfile_unwind(f, &own, &t, NULL) : -ENOENT;
	symfile_close(f);
	pthread_mutex_lock(&s->mutex);
	if (!r) {
		/* Rules of its own, while it was parsed without the lock; now all files' rules. */
		uint32_t *to = malloc(own.n * sizeof(*to));

		if (!to)
			r = -ENOMEM;
		for (uint32_t i = 0; !r && i < own.n; i++)
			to[i] = unwind_rules_intern(&s->rules, &own.rules[i]);
		for (size_t i = 0; !r && i < t.n; i++)
			t.rows[i].rule = to[t.rows[i].rule];
		free(to);
	}
	unwind_rules_finish(&own);
	if (!r && m->given) {
		pthread_mutex_unlock(&s->mutex);
		unwind_pack_make(&packed, &t); /* out of memory: it is made anew next time */
		pthread_mutex_lock(&s->mutex);
		unwind_pack_finish(&m->packed);
		m->packed = packed;
	}
	m->rows_again_ms = again_ms(began);
	m->unwind_want = r ? WANT_FAILED : WANT_HERE;
	if (r) {
		unwind_table_finish(&t);
		s->stats.failed++;
	} else {
		m->unwind = t;
		m->used = s->clock;
		s->stats.unwind_tables++;
	}
	module_close(m);
	symbols_trim(s);
}

static void job_symbols(struct symbols *s, struct module *m)
{
	struct symfile *f = module_open(s, m);
	enum symfile_origin origin = SYMFILE_NOTHING;
	struct symtab t = {0};
	struct sympack pack = {0};
	uint64_t began = symbols_now_ms();
	char root[32];
	int r = -ENOENT, root_fd;

	pthread_mutex_unlock(&s->mutex);
	if (f) {
		snprintf(root, sizeof(root), "%u/root", m->root_pid);
		root_fd = m->root_pid ? openat(s->options.proc_fd, root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
		r = symfile_symbols(f, root_fd, m->is.name, &t, &origin);
		if (root_fd >= 0)
			close(root_fd);
	}
	symfile_close(f);
	if (!r)
		r = sympack_make(&pack, &t);
	symtab_finish(&t);
	pthread_mutex_lock(&s->mutex);
	m->symbols_want = r ? WANT_FAILED : WANT_HERE;
	m->origin = origin;
	m->again_ms = again_ms(began);
	if (r) {
		s->stats.failed++;
	} else {
		m->symbols = pack;
		m->used = s->clock;
		s->stats.symbol_tables++;
	}
	module_close(m);
	symbols_trim(s);
}

static void job_perfmap(struct symbols *s, struct module *m)
{
	struct perfmap_stamp stamp = m->stamp;
	uint32_t pid = m->is.pid;
	struct sympack pack = {0};
	struct symtab t = {0};
	int r;

	pthread_mutex_unlock(&s->mutex);
	r = perfmap_read(s->options.proc_fd, pid, &stamp, &t);
	if (!r)
		r = sympack_make(&pack, &t);
	symtab_finish(&t);
	pthread_mutex_lock(&s->mutex);
	m->map_queued = false;
	m->map_read_ns = symbols_now_ms();
	if (r)
		return;
	sympack_finish(&m->symbols);
	m->symbols = pack;
	m->stamp = stamp;
	m->map_known = true;
	symbols_trim(s);
}

static void kernel_symbols_free(struct sympack *packs, struct kallsyms *k)
{
	for (size_t i = 0; packs && i < k->n; i++)
		sympack_finish(&packs[i]);
	free(packs);
	kallsyms_finish(k);
}

static void job_kallsyms(struct symbols *s)
{
	struct sympack *packs;
	struct kallsyms k = {0};

	pthread_mutex_unlock(&s->mutex);
	kallsyms_read(&k, s->options.proc_fd);
	packs = calloc(k.n ? k.n : 1, sizeof(*packs));
	for (size_t i = 0; i < k.n; i++) {
		/* Out of memory: its functions have no names. */
		if (packs)
			sympack_make(&packs[i], &k.modules[i].symbols);
		symtab_finish(&k.modules[i].symbols);
	}
	pthread_mutex_lock(&s->mutex);
	s->kallsyms_queued = false;
	if (!s->kallsyms_read)
		s->kallsyms_again_ms = symbols_now_ms() + SYMBOLS_KALLSYMS_AGAIN_MS;
	if (s->kallsyms_read && (!packs || !k.n || k.hidden)) {
		/* What was known before is better. */
		kernel_symbols_free(packs, &k);
		return;
	}
	kernel_symbols_free(s->kernel_symbols, &s->kallsyms);
	s->kallsyms = k;
	s->kernel_symbols = packs;
	s->kallsyms_read = true;
	for (uint32_t i = 0; i < s->nmodules; i++)
		if (s->modules[i]->is.kind == CULPRIT_MODULE_KERNEL && !s->modules[i]->made && s->modules[i]->is.name)
			s->modules[i]->kernel_index = symbols_kernel_index(s, s->modules[i]->is.name);
}

void symbols_job(struct symbols *s, struct job job)
{
	struct module *m = job.kind >= JOB_UNWIND ? symbols_module_get(s, job.of) : NULL;

	switch (job.kind) {
	case JOB_KALLSYMS:
		job_kallsyms(s);
		break;
	case JOB_PROCESS:
		job_process(s, job.of);
		break;
	case JOB_UNWIND:
		if (m)
			job_unwind(s, m);
		break;
	case JOB_SYMBOLS:
		if (m)
			job_symbols(s, m);
		break;
	case JOB_PERFMAP:
		if (m)
			job_perfmap(s, m);
		break;
	}
}

uint32_t symbols_module_of_file(struct symbols *s, const char *path, struct culprit_error *error)
{
	struct found f = {.fd = -1, .kind = CULPRIT_MODULE_FILE};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct symfile *elf;
	struct stat st;
	uint32_t number;

	if (fd < 0)
		return 0;
	f.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	elf = symfile_open(fd, error);
	if (!elf || f.fd < 0 || fstat(f.fd, &st)) {
		symfile_close(elf);
		if (f.fd >= 0)
			close(f.fd);
		return 0;
	}
	f.name = strdup(path);
	f.build_id_len = symfile_build_id(elf, f.build_id);
	symfile_close(elf);
	f.key_len = f.build_id_len ? key_of_build(f.key, f.build_id, f.build_id_len) :
		    (size_t)snprintf(f.key, sizeof(f.key), "F%llx:%llx", (unsigned long long)st.st_dev,
				     (unsigned long long)st.st_ino);
	pthread_mutex_lock(&s->mutex);
	number = publish_module(s, &f, 0);
	pthread_mutex_unlock(&s->mutex);
	return number;
}
