/* Making, sharing and removing a ring: its memory, its header, its name. Writing and reading it: ring_writer.c,
 * ring_reader.c. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "filelock.h"
#include "ring_layout.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static bool range_fits(uint64_t offset, uint64_t size, uint64_t in)
{
	return offset <= in && size <= in - offset;
}

const char *ring_geometry_check(const struct ring_geometry *g, uint64_t file_size)
{
	if (memcmp(g->magic, RING_MAGIC, sizeof(g->magic)) != 0)
		return "it is not a ring";
	if (g->byte_order != RING_BYTE_ORDER)
		return "it was written on a machine of another byte order";
	if (g->major != RING_MAJOR)
		return "its format is of another version";
	if (g->crc != crc32c(0, g, offsetof(struct ring_geometry, crc)))
		return "its header is damaged";
	if (g->header_size < RING_HEADER_SIZE || g->header_size % 8 || g->header_size > file_size)
		return "its header has an impossible size";
	if (!g->directory_count || g->directory_count > RING_DIRECTORY_MAX ||
	    g->entry_size != sizeof(struct ring_entry) || g->directory_offset % 8 ||
	    g->directory_offset < g->header_size ||
	    !range_fits(g->directory_offset, g->directory_count * g->entry_size, file_size))
		return "its directory lies outside of it";
	if (!g->data_size || g->data_size % 8 || g->data_offset % 8 ||
	    g->data_offset < g->directory_offset + g->directory_count * g->entry_size ||
	    !range_fits(g->data_offset, g->data_size, file_size))
		return "its data lie outside of it: the file was cut short";
	return NULL;
}

static int64_t wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int open_anonymous(struct ring *ring, struct culprit_error *error)
{
	ring->fd = memfd_create("culprit-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (ring->fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		ring->fd = memfd_create("culprit-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (ring->fd < 0)
		return error_set(error, -errno, "cannot make the ring: %s", strerror(errno));
	if (ftruncate(ring->fd, (off_t)ring->size) < 0)
		return error_set(error, -errno, "cannot make a ring of %zu bytes: %s; ask for a smaller one", ring->size,
				 strerror(errno));
	return 0;
}

bool ring_name_valid(const char *name)
{
	size_t n = name ? strnlen(name, RING_NAME_MAX + 1) : 0;

	if (!n || n > RING_NAME_MAX || *name == '.' || *name == '-')
		return false;
	for (const char *p = name; *p; p++)
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') && !(*p >= '0' && *p <= '9') &&
		    !strchr("._-@", *p))
			return false;
	return true;
}

/* Who holds .NAME.lock writes under the name. A file of its own, which nobody else may open: whoever may read a ring could
 * lock it, and so keep its writer from coming back. It stays: removing it would let two hold it. */
static int lock_name(struct ring *ring, struct culprit_error *error)
{
	char lock[RING_NAME_MAX + 8];
	struct stat st;
	int err;

	snprintf(lock, sizeof(lock), ".%s.lock", ring->name);
	ring->lock_fd = openat(ring->dir_fd, lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	if (ring->lock_fd < 0)
		return error_set(error, -errno, "cannot write %s/%s: %s", ring->dir, lock, strerror(errno));
	if (fstat(ring->lock_fd, &st) < 0 || !S_ISREG(st.st_mode))
		return error_set(error, -EEXIST, "%s/%s is not a file of ours; remove it", ring->dir, lock);
	err = filelock_take(ring->lock_fd);
	if (!err)
		return 0;
	if (err != -EBUSY)
		return error_set(error, err, "%s/%s cannot be locked: %s", ring->dir, lock, strerror(-err));
	return error_set(error, -EBUSY, "%s/%s is being written by another process; stop that one or choose another name",
			 ring->dir, ring->name);
}

/* May a file of that name be replaced? What is not a ring may not. */
static int check_existing(const struct ring *ring, struct culprit_error *error)
{
	int fd = openat(ring->dir_fd, ring->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char magic[8];
	struct stat st;
	int err = 0;

	if (fd < 0)
		return errno == ENOENT ? 0
				       : error_set(error, -errno, "cannot replace %s/%s: %s", ring->dir, ring->name,
						   strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || pread(fd, magic, 8, 0) != 8 || memcmp(magic, RING_MAGIC, 8) != 0)
		err = error_set(error, -EEXIST, "%s/%s is there and is not a ring; remove it or choose another name",
				ring->dir, ring->name);
	close(fd);
	return err;
}

static int write_header(struct ring *ring)
{
	ssize_t n = pwrite(ring->fd, &ring->geometry, sizeof(ring->geometry), 0);

	return n == sizeof(ring->geometry) ? 0 : n < 0 ? -errno : -EIO;
}

/* The file, whole and locked before anybody else can open it, then its name. */
static int make_file(struct ring *ring, struct culprit_error *error)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char temporary[RING_NAME_MAX + 8];
	int err;

	snprintf(temporary, sizeof(temporary), ".%s.new", ring->name);
	unlinkat(ring->dir_fd, temporary, 0); /* of a writer that died here; the name is ours now */
	ring->fd = openat(ring->dir_fd, temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (ring->fd < 0)
		return error_set(error, -errno, "cannot make a file in %s: %s", ring->dir, strerror(errno));
	/* Its readers see by this lock that the writer lives. */
	err = fcntl(ring->fd, F_OFD_SETLK, &whole) < 0 ? -errno : 0;
	if (!err && ring->shared && ring->group != (gid_t)-1 && fchown(ring->fd, (uid_t)-1, ring->group) < 0) {
		err = error_set(error, -errno, "%s/%s cannot be given to group %u: %s; be a member of it, or root", ring->dir,
				ring->name, (unsigned)ring->group, strerror(errno));
		goto fail;
	}
	if (!err && fchmod(ring->fd, ring->shared ? 0640 : 0600) < 0)
		err = -errno;
	if (err) {
		error_set(error, err, "cannot make %s/%s: %s", ring->dir, ring->name, strerror(-err));
		goto fail;
	}
	/* Its space is taken now: a full disk is met here, not in a month. */
	err = -posix_fallocate(ring->fd, 0, (off_t)ring->size);
	if (!err)
		err = write_header(ring);
	if (err) {
		error_set(error, err, "no room for a ring of %zu bytes in %s: %s", ring->size, ring->dir, strerror(-err));
		goto fail;
	}
	if (renameat(ring->dir_fd, temporary, ring->dir_fd, ring->name) < 0) {
		err = error_set(error, -errno, "cannot make %s/%s: %s", ring->dir, ring->name, strerror(errno));
		goto fail;
	}
	return 0;
fail:
	unlinkat(ring->dir_fd, temporary, 0);
	close(ring->fd);
	ring->fd = -1;
	return err;
}

static int open_named(struct ring *ring, const char *dir, const char *name, struct culprit_error *error)
{
	int err;

	if (!ring_name_valid(name))
		return error_set(error, -EINVAL, "a ring cannot be named \"%.40s\": use letters, digits and . _ - inside, at "
				 "most %d of them", name ? name : "", RING_NAME_MAX);
	if (strlen(dir) >= sizeof(ring->dir))
		return error_set(error, -ENAMETOOLONG, "the name of the folder is too long");
	memcpy(ring->name, name, strlen(name) + 1);
	memcpy(ring->dir, dir, strlen(dir) + 1);
	ring->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ring->dir_fd < 0)
		return error_set(error, -errno, "cannot open the folder %s: %s", dir, strerror(errno));
	err = lock_name(ring, error);
	if (!err)
		err = check_existing(ring, error);
	return err ? err : make_file(ring, error);
}

int ring_make_again(struct ring *ring, struct culprit_error *error)
{
	struct stat ours, there;
	int err = 0;

	/* Another file may have come under the name. Ours may be replaced whatever it holds now. */
	if (ring->fd < 0 || fstat(ring->fd, &ours) < 0 ||
	    fstatat(ring->dir_fd, ring->name, &there, AT_SYMLINK_NOFOLLOW) < 0 || ours.st_dev != there.st_dev ||
	    ours.st_ino != there.st_ino)
		err = check_existing(ring, error);
	if (err)
		return err;
	if (ring->fd >= 0)
		close(ring->fd);
	ring->fd = -1;
	err = make_file(ring, error);
	if (err)
		return err;
	ring->w.lost = false;
	memset(&ring->w.live, 0, sizeof(ring->w.live));
	memset(&ring->w.entry, 0, sizeof(ring->w.entry));
	return 0;
}

int ring_check_name(const struct ring *ring, struct culprit_error *error)
{
	struct stat ours, there;

	if (ring->fd < 0 || fstat(ring->fd, &ours) < 0 || (uint64_t)ours.st_size != ring->size)
		return error_set(error, -ESTALE, "%s/%s was cut short by somebody; it is made anew, its past is lost", ring->dir,
				 ring->name);
	if (fstatat(ring->dir_fd, ring->name, &there, AT_SYMLINK_NOFOLLOW) < 0 || ours.st_dev != there.st_dev ||
	    ours.st_ino != there.st_ino)
		return error_set(error, -ESTALE, "%s/%s was taken away by somebody; it is made anew, its past is lost",
				 ring->dir, ring->name);
	return 0;
}

static void geometry_init(struct ring *ring)
{
	struct ring_geometry *g = &ring->geometry;

	memcpy(g->magic, RING_MAGIC, sizeof(g->magic));
	g->byte_order = RING_BYTE_ORDER;
	g->major = RING_MAJOR;
	g->minor = RING_MINOR;
	g->header_size = RING_HEADER_SIZE;
	g->directory_offset = RING_HEADER_SIZE;
	g->directory_count = RING_DIRECTORY_COUNT;
	g->entry_size = sizeof(struct ring_entry);
	g->data_offset = g->directory_offset + g->directory_count * g->entry_size;
	g->data_size = ring->size - g->data_offset;
	g->created_wall_ns = wall_ns();
	g->writer_pid = (uint64_t)getpid();
	g->crc = crc32c(0, g, offsetof(struct ring_geometry, crc));
	ring->data_size = g->data_size;
}

static int map_anonymous(struct ring *ring)
{
	ring->map = mmap(NULL, ring->size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
	if (ring->map == MAP_FAILED) {
		ring->map = NULL;
		return -errno;
	}
	memcpy(ring->map, &ring->geometry, sizeof(ring->geometry));
	/* From now on only this mapping writes, and nobody cuts it short. Older kernels know less. */
	if (fcntl(ring->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0)
		fcntl(ring->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
	return 0;
}

static struct ring *create(size_t budget, const char *dir, const char *name, bool shared, gid_t group,
			   struct culprit_error *error)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct ring *ring;
	int err;

	if (budget < RING_BUDGET_MIN || budget > RING_BUDGET_MAX) {
		error_set(error, -EINVAL, "a ring of %zu bytes cannot be made: it takes at least %zu and at most %zu", budget,
			  RING_BUDGET_MIN, RING_BUDGET_MAX);
		return NULL;
	}
	ring = calloc(1, sizeof(*ring));
	if (!ring) {
		error_set(error, -ENOMEM, "out of memory");
		return NULL;
	}
	ring->refs = 1;
	ring->fd = ring->dir_fd = ring->lock_fd = -1;
	ring->shared = shared;
	ring->group = group;
	for (int i = 0; i < RING_READERS_MAX; i++)
		ring->notify[i] = -1;
	pthread_mutex_init(&ring->lock, NULL);
	ring->size = (budget + page - 1) / page * page;
	geometry_init(ring);
	ring->w.starts = calloc(ring->geometry.directory_count, sizeof(*ring->w.starts));
	err = dir ? open_named(ring, dir, name, error) : open_anonymous(ring, error);
	if (!err && (!ring->w.starts || (!dir && map_anonymous(ring))))
		err = error_set(error, -ENOMEM, "no memory for a ring of %zu bytes; ask for a smaller one", ring->size);
	if (!err)
		return ring;
	ring_unlock(ring);
	return NULL;
}

struct ring *ring_create(size_t budget, const char *dir, const char *name, struct culprit_error *error)
{
	return create(budget, dir, name, true, (gid_t)-1, error);
}

struct ring *ring_create_shared(size_t budget, const char *dir, const char *name, const gid_t *group,
				struct culprit_error *error)
{
	return create(budget, dir, name, group != NULL, group ? *group : (gid_t)-1, error);
}

struct ring *ring_lock(struct ring *ring)
{
	__atomic_add_fetch(&ring->refs, 1, __ATOMIC_RELAXED);
	return ring;
}

/* Only where the name is still ours: a later writer may have taken it. */
static void remove_name(struct ring *ring)
{
	struct stat ours, there;

	if (ring->fd >= 0 && !fstat(ring->fd, &ours) && !fstatat(ring->dir_fd, ring->name, &there, AT_SYMLINK_NOFOLLOW) &&
	    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
		unlinkat(ring->dir_fd, ring->name, 0);
}

void ring_unlock(struct ring *ring)
{
	if (!ring || __atomic_sub_fetch(&ring->refs, 1, __ATOMIC_ACQ_REL))
		return;
	if (ring->dir_fd >= 0) {
		remove_name(ring);
		close(ring->dir_fd);
	}
	if (ring->map)
		munmap(ring->map, ring->size);
	if (ring->fd >= 0)
		close(ring->fd);
	if (ring->lock_fd >= 0)
		close(ring->lock_fd);
	pthread_mutex_destroy(&ring->lock);
	schema_unlock(ring->schema);
	free(ring->w.starts);
	free(ring);
}

int ring_fd(const struct ring *ring)
{
	return ring->fd;
}

size_t ring_capacity(const struct ring *ring)
{
	return ring->data_size;
}

int ring_notify_add(struct ring *ring, int fd)
{
	int err = -EMFILE;

	pthread_mutex_lock(&ring->lock);
	for (int i = 0; i < RING_READERS_MAX && err; i++) {
		if (ring->notify[i] >= 0)
			continue;
		ring->notify[i] = fd;
		err = 0;
	}
	pthread_mutex_unlock(&ring->lock);
	return err;
}

void ring_notify_remove(struct ring *ring, int fd)
{
	pthread_mutex_lock(&ring->lock);
	for (int i = 0; i < RING_READERS_MAX; i++)
		if (ring->notify[i] == fd)
			ring->notify[i] = -1;
	pthread_mutex_unlock(&ring->lock);
}

void ring_set_schema(struct ring *ring, struct schema *schema)
{
	struct schema *before;

	pthread_mutex_lock(&ring->lock);
	before = ring->schema;
	ring->schema = schema_lock(schema);
	pthread_mutex_unlock(&ring->lock);
	schema_unlock(before);
}

struct schema *ring_schema(struct ring *ring)
{
	struct schema *schema;

	pthread_mutex_lock(&ring->lock);
	schema = ring->schema ? schema_lock(ring->schema) : NULL;
	pthread_mutex_unlock(&ring->lock);
	return schema;
}

void ring_notify_all(struct ring *ring)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&ring->lock);
	for (int i = 0; i < RING_READERS_MAX; i++)
		if (ring->notify[i] >= 0 && write(ring->notify[i], &one, sizeof(one)) < 0)
			continue; /* its counter is full: it is readable all the same */
	pthread_mutex_unlock(&ring->lock);
}
