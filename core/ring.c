/* Making, sharing and removing a ring: its memory, its header, its name. Writing and reading it: ring_writer.c,
 * ring_reader.c. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
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
	if (ftruncate(ring->fd, (off_t)ring->map_size) < 0)
		return error_set(error, -errno, "cannot make a ring of %zu bytes: %s; ask for a smaller one", ring->map_size,
				 strerror(errno));
	return 0;
}

/* A folder anybody may read can be locked by anybody: never wait long. */
static int lock_folder(int fd)
{
	for (int i = 0; i < 50; i++) {
		const struct timespec pause = {.tv_nsec = 10000000};

		if (!flock(fd, LOCK_EX | LOCK_NB))
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		nanosleep(&pause, NULL);
	}
	return -EBUSY;
}

/* May a file of that name be replaced? */
static int check_existing(int dir_fd, const char *dir, const char *name, struct culprit_error *error)
{
	int fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char magic[8];
	struct stat st;
	int err = 0;

	if (fd < 0)
		return errno == ENOENT ? 0
				       : error_set(error, -errno, "cannot replace %s/%s: %s", dir, name, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || pread(fd, magic, 8, 0) != 8 || memcmp(magic, RING_MAGIC, 8) != 0)
		err = error_set(error, -EEXIST, "%s/%s is there and is not a ring; remove it or choose another name", dir,
				name);
	else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		err = error_set(error, -EBUSY, "%s/%s is being written by another process; stop that one or choose another name",
				dir, name);
	close(fd);
	return err;
}

static int open_named(struct ring *ring, const char *dir, const char *name, char *temporary, size_t temporary_size,
		      struct culprit_error *error)
{
	int err;

	if (!name || !*name || *name == '.' || strchr(name, '/') || strlen(name) > RING_NAME_MAX)
		return error_set(error, -EINVAL, "a ring cannot be named \"%.40s\"", name ? name : "");
	memcpy(ring->name, name, strlen(name) + 1);
	ring->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ring->dir_fd < 0)
		return error_set(error, -errno, "cannot open the folder %s: %s", dir, strerror(errno));
	err = lock_folder(ring->dir_fd);
	if (err)
		return error_set(error, err, "cannot lock the folder %s: %s", dir, strerror(-err));
	err = check_existing(ring->dir_fd, dir, name, error);
	if (err)
		return err;
	snprintf(temporary, temporary_size, ".%s.new", name);
	unlinkat(ring->dir_fd, temporary, 0); /* of a writer that died here; the folder is ours now */
	ring->fd = openat(ring->dir_fd, temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (ring->fd < 0) {
		*temporary = '\0';
		return error_set(error, -errno, "cannot make a file in %s: %s", dir, strerror(errno));
	}
	if (fchmod(ring->fd, 0640) < 0 || flock(ring->fd, LOCK_EX | LOCK_NB) < 0)
		return error_set(error, -errno, "cannot make %s/%s: %s", dir, name, strerror(errno));
	/* Storing into a page that the disk has no room for would kill us. */
	err = posix_fallocate(ring->fd, 0, (off_t)ring->map_size);
	if (err)
		return error_set(error, -err, "no room for a ring of %zu bytes in %s: %s", ring->map_size, dir, strerror(err));
	return 0;
}

static int ring_init(struct ring *ring)
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
	g->data_size = ring->map_size - g->data_offset;
	g->created_wall_ns = wall_ns();
	g->writer_pid = (uint64_t)getpid();
	g->crc = crc32c(0, g, offsetof(struct ring_geometry, crc));

	ring->map = mmap(NULL, ring->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
	if (ring->map == MAP_FAILED) {
		ring->map = NULL;
		return -errno;
	}
	memcpy(ring->map, g, sizeof(*g));
	ring->live = (void *)((uint8_t *)ring->map + RING_LIVE_OFFSET);
	ring->directory = (void *)((uint8_t *)ring->map + g->directory_offset);
	ring->data = (void *)((uint8_t *)ring->map + g->data_offset);
	ring->data_size = g->data_size;
	ring->w.starts = calloc(g->directory_count, sizeof(*ring->w.starts));
	return ring->w.starts ? 0 : -ENOMEM;
}

struct ring *ring_create(size_t budget, const char *dir, const char *name, struct culprit_error *error)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char temporary[RING_NAME_MAX + 8] = "";
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
	ring->fd = ring->dir_fd = -1;
	for (int i = 0; i < RING_READERS_MAX; i++)
		ring->notify[i] = -1;
	pthread_mutex_init(&ring->lock, NULL);
	ring->map_size = (budget + page - 1) / page * page;

	err = dir ? open_named(ring, dir, name, temporary, sizeof(temporary), error) : open_anonymous(ring, error);
	if (err)
		goto fail;
	err = ring_init(ring);
	if (err) {
		error_set(error, err, "no memory for a ring of %zu bytes; ask for a smaller one", ring->map_size);
		goto fail;
	}
	if (dir) {
		if (renameat(ring->dir_fd, temporary, ring->dir_fd, ring->name) < 0) {
			error_set(error, -errno, "cannot make %s/%s: %s", dir, name, strerror(errno));
			goto fail;
		}
		flock(ring->dir_fd, LOCK_UN);
	} else {
		/* From now on only this mapping writes, and nobody cuts it short. Older kernels know less. */
		if (fcntl(ring->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0)
			fcntl(ring->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
	}
	return ring;
fail:
	if (*temporary)
		unlinkat(ring->dir_fd, temporary, 0);
	ring_unlock(ring);
	return NULL;
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
		munmap(ring->map, ring->map_size);
	if (ring->fd >= 0)
		close(ring->fd);
	pthread_mutex_destroy(&ring->lock);
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

void ring_notify_all(struct ring *ring)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&ring->lock);
	for (int i = 0; i < RING_READERS_MAX; i++)
		if (ring->notify[i] >= 0 && write(ring->notify[i], &one, sizeof(one)) < 0)
			continue; /* its counter is full: it is readable all the same */
	pthread_mutex_unlock(&ring->lock);
}
