/* Where control groups are mounted and which there are (cgroup.h). The trees are walked without recursion; a folder
 * whose link count says that it has no folders inside is not read. */
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mounts.h"

static uint32_t controllers_of(const struct procfs_text *options)
{
	static const char *const names[CGROUP_CONTROLLERS] = {"cpu", "cpuacct", "memory", "blkio", "pids"};
	uint32_t bits = 0;

	for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++)
		if (mount_option(options, names[i]))
			bits |= 1u << i;
	return bits;
}

static void add_mount(struct cgroup_tree *t, const struct mount_line *m)
{
	struct cgroup_mount *mount = &t->mounts[t->nmounts];
	char point[512];
	size_t n = procfs_unescape(&m->point, point, sizeof(point) - 1);
	bool v2 = procfs_is(&m->type, "cgroup2");

	point[n] = 0;
	/* Read through sys_fd, so only what is below /sys. */
	if ((!v2 && !procfs_is(&m->type, "cgroup")) || strncmp(point, "/sys/", 5) != 0 || t->nmounts == CGROUP_MOUNTS_MAX)
		return;
	memset(mount, 0, sizeof(*mount));
	mount->v2 = v2;
	mount->controllers = v2 ? (1u << CGROUP_CONTROLLERS) - 1 : controllers_of(&m->super_options);
	mount->device = m->device;
	for (uint32_t i = 0; i < t->nmounts; i++)
		if (t->mounts[i].device == m->device)
			return;
	if (!mount->controllers || t->host->sys_fd < 0)
		return;
	/* In a container without a namespace of its own the root of the mount is a path inside the host's tree. */
	if (!procfs_is(&m->root, "/") && !procfs_starts(&m->root, "/.."))
		mount->prefix_len = (uint32_t)procfs_unescape(&m->root, mount->prefix, sizeof(mount->prefix));
	if (mount->prefix_len == sizeof(mount->prefix))
		return;
	mount->fd = openat(t->host->sys_fd, point + 5, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mount->fd < 0)
		return;
	procfs_file_init(&mount->count, mount->fd, "cgroup.stat");
	t->nmounts++;
}

int cgroup_tree_init(struct cgroup_tree *t, const struct culprit_host *host, struct culprit_error *error)
{
	struct procfs_file file;
	struct procfs_text text, line;
	struct mount_line m;
	struct rlimit limit;
	int err;

	memset(t, 0, sizeof(*t));
	t->host = host;
	procfs_file_init(&t->v1_count, host->proc_fd, "cgroups");
	procfs_file_init(&file, host->proc_fd, "self/mountinfo");
	err = procfs_buffer_read(&t->text, &file);
	procfs_file_finish(&file);
	if (err) {
		if (error)
			procfs_reason(error->sentence, sizeof(error->sentence), "/proc/self/mountinfo", err);
		cgroup_tree_finish(t);
		return err;
	}
	text = procfs_buffer_text(&t->text);
	while (procfs_line(&text, &line))
		if (mount_parse(line, &m))
			add_mount(t, &m);
	if (!t->nmounts) {
		if (error)
			snprintf(error->sentence, sizeof(error->sentence),
				 "no control groups are mounted below /sys that can be read: mount -t cgroup2 none "
				 "/sys/fs/cgroup");
		cgroup_tree_finish(t);
		return -ENOENT;
	}
	/* Processes need the most descriptors: they get half, this an eighth. */
	t->fds_max = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 8 < 4096 ? (uint32_t)(limit.rlim_cur / 8)
											: 4096;
	return 0;
}

void cgroup_close_files(struct cgroup_tree *t, struct cgroup *g)
{
	for (unsigned i = 0; i < HOT_FILES; i++) {
		if (g->fds[i] >= 0) {
			close(g->fds[i]);
			t->fds_open--;
		}
		g->fds[i] = -1;
	}
}

void cgroup_tree_finish(struct cgroup_tree *t)
{
	for (uint32_t i = 0; i < t->ngroups; i++) {
		cgroup_close_files(t, &t->groups[i]);
		free(t->groups[i].path);
	}
	for (uint32_t i = 0; i < t->nmounts; i++) {
		procfs_file_finish(&t->mounts[i].count);
		close(t->mounts[i].fd);
	}
	procfs_file_finish(&t->v1_count);
	procfs_buffer_finish(&t->text);
	free(t->groups);
	free(t->index);
	free(t->stack);
	memset(t, 0, sizeof(*t));
}

static uint32_t hash_of(const char *bytes, size_t n)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)bytes[i]) * 16777619u;
	return h;
}

static void index_add(struct cgroup_tree *t, uint32_t position)
{
	uint32_t mask = t->cap * 2 - 1, i = t->groups[position].hash & mask;

	while (t->index[i])
		i = (i + 1) & mask;
	t->index[i] = position + 1;
}

static void index_rebuild(struct cgroup_tree *t)
{
	memset(t->index, 0, t->cap * 2 * sizeof(*t->index));
	for (uint32_t i = 0; i < t->ngroups; i++)
		index_add(t, i);
}

static bool grow(struct cgroup_tree *t)
{
	uint32_t cap = t->cap ? t->cap * 2 : 64; /* a power of two: the index is masked */
	struct cgroup *groups = realloc(t->groups, cap * sizeof(*groups));
	uint32_t *index, *stack;

	if (groups)
		t->groups = groups;
	stack = realloc(t->stack, cap * sizeof(*stack));
	if (stack)
		t->stack = stack;
	index = realloc(t->index, cap * 2 * sizeof(*index));
	if (index)
		t->index = index;
	if (!groups || !stack || !index)
		return false;
	t->cap = cap;
	index_rebuild(t);
	return true;
}

/* The group of this path, found or added. UINT32_MAX: no room. */
static uint32_t group_at(struct cgroup_tree *t, const char *path, size_t len, uint32_t depth)
{
	uint32_t hash = hash_of(path, len), mask = t->cap * 2 - 1;
	struct cgroup *g;

	for (uint32_t i = hash & mask; t->cap && t->index[i]; i = (i + 1) & mask) {
		g = &t->groups[t->index[i] - 1];
		if (g->hash == hash && g->len == len && memcmp(g->path, path, len) == 0)
			return t->index[i] - 1;
	}
	if (t->ngroups >= CGROUPS_MAX) {
		t->full = true;
		return UINT32_MAX;
	}
	if (t->ngroups == t->cap && !grow(t))
		return UINT32_MAX;
	g = &t->groups[t->ngroups];
	memset(g, 0, sizeof(*g));
	g->path = malloc(len + 1);
	if (!g->path)
		return UINT32_MAX;
	memcpy(g->path, path, len);
	g->path[len] = 0;
	g->len = (uint32_t)len;
	g->hash = hash;
	g->depth = depth;
	g->fresh = true;
	g->born = t->scan > 1 && t->complete;
	for (unsigned i = 0; i < HOT_FILES; i++)
		g->fds[i] = -1;
	index_add(t, t->ngroups);
	return t->ngroups++;
}

/* Takes a group into the scan; pushes it once for each mount. */
static void visit(struct cgroup_tree *t, uint32_t position, uint32_t mount, uint32_t *depth)
{
	struct cgroup *g = &t->groups[position];

	if (g->scan != t->scan) {
		g->scan = t->scan;
		g->in = 0;
	}
	if (!(g->in >> mount & 1))
		t->stack[(*depth)++] = position;
	g->in |= 1u << mount;
}

static void read_folder(struct cgroup_tree *t, uint32_t position, uint32_t mount, int fd, uint32_t *depth)
{
	char bytes[16384] __attribute__((aligned(8))), path[CGROUP_PATH_MAX];
	size_t len = t->groups[position].len;
	uint32_t level = t->groups[position].depth;
	ssize_t n;

	memcpy(path, t->groups[position].path, len);
	while ((n = getdents64(fd, bytes, sizeof(bytes))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *e = (const struct dirent64 *)(bytes + at);
			size_t name = strlen(e->d_name);
			struct stat st;
			uint32_t child;

			at += e->d_reclen;
			if ((e->d_type != DT_DIR && e->d_type != DT_UNKNOWN) || strcmp(e->d_name, ".") == 0 ||
			    strcmp(e->d_name, "..") == 0 || len + 1 + name > CGROUP_PATH_MAX - 64)
				continue;
			if (e->d_type == DT_UNKNOWN &&
			    (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)))
				continue;
			path[len] = '/';
			memcpy(path + len + 1, e->d_name, name);
			child = group_at(t, path, len + 1 + name, level + 1);
			if (child != UINT32_MAX)
				visit(t, child, mount, depth);
		}
	}
}

static void walk(struct cgroup_tree *t, uint32_t mount)
{
	const struct cgroup_mount *m = &t->mounts[mount];
	uint32_t depth = 0, root = group_at(t, m->prefix, m->prefix_len, 0);

	if (root == UINT32_MAX)
		return;
	visit(t, root, mount, &depth);
	while (depth) {
		uint32_t position = t->stack[--depth];
		const struct cgroup *g = &t->groups[position];
		const char *relative = g->len > m->prefix_len ? g->path + m->prefix_len + 1 : ".";
		struct stat st;
		int fd;

		/* A folder has a link from each folder inside; file systems that don't count say 1. */
		if (g->depth >= CGROUP_DEPTH_MAX || fstatat(m->fd, relative, &st, 0) < 0 ||
		    st.st_nlink == 2)
			continue;
		fd = openat(m->fd, relative, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			continue;
		read_folder(t, position, mount, fd, &depth);
		close(fd);
	}
}

/* A number that differs when groups came: how many the kernel counts. *ret_sure: each tree has such a count. */
static uint64_t count_of(struct cgroup_tree *t, bool *ret_sure)
{
	uint64_t change = 0;
	bool v1 = false, sure = true;
	char bytes[4096];
	ssize_t n;

	for (uint32_t i = 0; i < t->nmounts; i++) {
		if (!t->mounts[i].v2) {
			v1 = true;
			continue;
		}
		n = procfs_file_read(&t->mounts[i].count, bytes, sizeof(bytes));
		sure &= n > 0;
		change = change * 31 + (n > 0 ? hash_of(bytes, (size_t)n) : 0);
	}
	/* Where version 2 is alone, reading /proc/cgroups makes newer kernels complain in their log. */
	if (v1) {
		n = procfs_file_read(&t->v1_count, bytes, sizeof(bytes));
		sure &= n > 0;
		change = change * 31 + (n > 0 ? hash_of(bytes, (size_t)n) : 0);
	}
	*ret_sure = sure;
	return change;
}

int cgroup_tree_scan(struct cgroup_tree *t, bool now)
{
	uint32_t kept = 0;
	bool sure;
	uint64_t change = count_of(t, &sure);

	if (!now && t->scan && !t->lost && change == t->change) {
		t->complete = sure;
		return 0;
	}
	t->change = change;
	t->lost = false;
	t->full = false;
	t->scan++;
	for (uint32_t i = 0; i < t->nmounts; i++)
		walk(t, i);
	t->complete = sure;
	for (uint32_t i = 0; i < t->ngroups; i++) {
		struct cgroup *g = &t->groups[i];

		if (g->scan != t->scan) {
			cgroup_close_files(t, g);
			free(g->path);
			continue;
		}
		t->groups[kept++] = *g;
	}
	if (kept != t->ngroups) {
		t->ngroups = kept;
		index_rebuild(t);
	}
	return t->ngroups ? 0 : -ENOENT;
}

int cgroup_mount_of(const struct cgroup_tree *t, const struct cgroup *g, unsigned controller)
{
	int v2 = -1;

	for (uint32_t i = 0; i < t->nmounts; i++) {
		if (!(g->in >> i & 1) || !(t->mounts[i].controllers >> controller & 1))
			continue;
		if (!t->mounts[i].v2)
			return (int)i;
		v2 = (int)i;
	}
	return v2;
}

bool cgroup_file_path(const struct cgroup_mount *m, const struct cgroup *g, const char *file, char *buf, size_t cap)
{
	size_t n = strlen(file), skip = g->len > m->prefix_len ? m->prefix_len + 1 : g->len, len = g->len - skip;

	if (len + 1 + n + 1 > cap)
		return false;
	memcpy(buf, g->path + skip, len);
	if (len)
		buf[len++] = '/';
	memcpy(buf + len, file, n + 1);
	return true;
}
