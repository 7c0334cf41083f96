#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ask.h"
#include "builtin.h"
#include "error.h"
#include "plugin.h"
#include "prefix.h"
#include "procfs.h"
#include "symline.h"

/* A key frame holds about so many bytes a row of the task tables; it may take an eighth of the ring. */
enum { BYTES_PER_ROW = 256 };

static const struct zygote_kind *const kinds[] = {&ask_kind, &plugin_kind, &symline_kind};

static int open_below(const char *root, const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", root ? root : "", name);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The host's, as a container sees it; where its own shows the host's processes, that. */
static int open_host(const char *root, const char *name, const char *probe)
{
	int fd = open_below(root, name);

	if (fd >= 0 && faccessat(fd, probe, F_OK, 0)) {
		close(fd);
		fd = -1;
	}
	return fd >= 0 ? fd : open_below(NULL, name);
}

static int find_plugins(struct session *s, const struct options *o, struct culprit_error *error)
{
	char **found = NULL;
	size_t n = 0;
	int r = 0;

#ifndef CULPRIT_STATIC
	char folder[4096];

	snprintf(folder, sizeof(folder), "%s" PLUGIN_FOLDER, culprit_prefix);
	if (!o->safe)
		r = plugin_scan(folder, &found, &n, error);
#endif
	if (r)
		return r;
	s->plugins = calloc(n + o->nplugins + 1, sizeof(*s->plugins));
	if (!s->plugins) {
		plugin_scan_free(found, n);
		return error_set(error, -ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < n; i++)
		s->plugins[i] = found[i];
	free(found);
	s->nfound = n;
	for (size_t i = 0; i < o->nplugins; i++)
		s->plugins[n + i] = (char *)o->plugins[i];
	return 0;
}

/* 1 % of the machine, unless more samples than one a second were asked for: that they cost more was meant. */
static double budget_of(const struct options *o, uint64_t interval_ns)
{
	double budget = 0.01;

	if (o->has_budget)
		return o->budget;
	if (interval_ns && interval_ns < 1000000000u)
		budget *= 1e9 / (double)interval_ns;
	return budget < 1 ? budget : 1;
}

/* Collectors keep a descriptor for each task. Where a process has threads, each time its table of descriptors grows the kernel
 * waits until all CPUs have been elsewhere (synchronize_rcu): three times 5 to 15 ms in the first sample of a thousand tasks. Grown
 * now, while there is one thread, it costs nothing. */
static void grow_descriptors(int proc_fd)
{
	struct rlimit limit;
	unsigned long tasks = 0, most;
	char text[128] = "";
	int fd = openat(proc_fd, "loadavg", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text) - 1) > 0 && strchr(text, '/'))
		tasks = strtoul(strchr(text, '/') + 1, NULL, 10);
	/* No more than half of what is allowed is kept. */
	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		most = limit.rlim_cur < 65536 ? (unsigned long)limit.rlim_cur / 2 : 32768;
		tasks = tasks + 256 < most ? tasks + 256 : most;
		(void)!close(fcntl(fd, F_DUPFD_CLOEXEC, (int)tasks));
	}
	close(fd);
}

int session_open(struct session *s, const struct options *o, uint32_t flags, const char *collect,
		 struct culprit_error *error)
{
	struct sampler_options options = {0};
	uint64_t history = o->history_bytes ? o->history_bytes : RING_BUDGET_DEFAULT;
	int r;

	memset(s, 0, sizeof(*s));
	s->proc_fd = o->host_root ? open_host(o->host_root, "proc", "1/stat") : open_below(o->root, "proc");
	s->sys_fd = o->host_root ? open_host(o->host_root, "sys", "kernel") : open_below(o->root, "sys");
	if (s->proc_fd < 0) {
		r = error_set(error, -EIO, "/proc cannot be opened (%s); mount it: mount -t proc proc /proc",
			      strerror(errno));
		goto fail;
	}
	s->foreign = !procfs_is_own(s->proc_fd);
	/* For the helpers, which look up names of users. */
	if (o->host_root && setenv(ASK_HOST_ROOT, o->host_root, 1)) {
		r = error_set(error, -ENOMEM, "out of memory");
		goto fail;
	}
	s->log = log_create();
	if (!s->log) {
		r = error_set(error, -ENOMEM, "out of memory");
		goto fail;
	}
	r = find_plugins(s, o, error);
	if (r)
		goto fail;
	s->zygote = zygote_create(kinds, sizeof(kinds) / sizeof(kinds[0]), error);
	if (!s->zygote) {
		r = -EAGAIN;
		goto fail;
	}
	grow_descriptors(s->proc_fd);
	options.builtins = culprit_builtin;
	options.plugins = (const char *const *)s->plugins;
	options.idle = collect && !*collect;
	options.collect = collect && *collect ? collect : o->collect;
	options.without = o->without;
	options.interval_ns = o->interval_ns;
	/* Programs look at the running kernel, whatever tree is read. */
	options.flags = flags | (o->safe || o->root ? CULPRIT_HOST_SAFE : 0);
	options.budget = budget_of(o, o->interval_ns);
	options.stack_hz = (uint32_t)o->stack_hz;
	options.proc_fd = s->proc_fd;
	options.sys_fd = s->sys_fd;
	options.row_budget = history / 8 / BYTES_PER_ROW;
	options.zygote = s->zygote;
	options.log = s->log;
	s->sampler = sampler_create(&options, error);
	if (!s->sampler) {
		r = -errno;
		goto fail;
	}
	return 0;
fail:
	session_close(s);
	return r;
}

void session_close(struct session *s)
{
	sampler_destroy(s->sampler);
	ring_unlock(s->ring);
	zygote_destroy(s->zygote);
	log_destroy(s->log);
	for (size_t i = 0; i < s->nfound; i++)
		free(s->plugins[i]);
	free(s->plugins);
	if (s->proc_fd >= 0)
		close(s->proc_fd);
	if (s->sys_fd >= 0)
		close(s->sys_fd);
	memset(s, 0, sizeof(*s));
	s->proc_fd = s->sys_fd = -1;
}

void session_interval(struct session *s, const struct options *o, uint64_t interval_ns)
{
	sampler_set_interval(s->sampler, interval_ns, budget_of(o, interval_ns));
}

struct source *session_ring(struct session *s, const struct options *o, struct culprit_error *error)
{
	struct sink *sink;

	s->ring = ring_create(o->history_bytes ? o->history_bytes : RING_BUDGET_DEFAULT, NULL, "culprit", error);
	if (!s->ring)
		return NULL;
	sink = ring_sink(s->ring, error);
	if (!sink)
		return NULL;
	if (writer_add_sink(sampler_writer(s->sampler), sink)) {
		error_set(error, -ENOMEM, "out of memory");
		return NULL;
	}
	return ring_source(s->ring, error);
}

const char *session_collector_of(const char *table)
{
	for (const struct culprit_collector *const *c = culprit_builtin; *c; c++) {
		for (uint32_t i = 0; i < (*c)->ntables; i++) {
			if (!strcmp((*c)->tables[i]->name, table))
				return (*c)->name;
		}
	}
	return NULL;
}
