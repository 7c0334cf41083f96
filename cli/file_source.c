#include "file_source.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "recdir.h"
#include "recfile.h"
#include "ring.h"

static bool is_folder(const char *file)
{
	struct stat st;

	return !stat(file, &st) && S_ISDIR(st.st_mode);
}

struct source *file_source(const char *file, size_t budget, struct culprit_error *error)
{
	struct culprit_error not_a_ring;
	struct source *source;

	if (!strcmp(file, "-"))
		return recfile_source_pipe(dup(STDIN_FILENO), "standard input", budget, error);
	if (is_folder(file))
		return recdir_source(file, error);
	source = recfile_source(file, error);
	/* Where it is neither, what it says of a recording is the better sentence. */
	return source ? source : ring_source_path(file, &not_a_ring);
}

/* All of standard input, in memory that is read as a file: a dump wants the whole of it anyway. Returns the descriptor. */
static int spool(struct culprit_error *error)
{
	char buf[1 << 16];
	int fd = memfd_create("culprit", MFD_CLOEXEC);
	ssize_t n = 0;

	if (fd < 0)
		return error_set(error, -errno, "standard input cannot be kept: %s", strerror(errno));
	if (isatty(STDIN_FILENO)) {
		close(fd);
		return error_set(error, -EIO, "a recording is not typed; use a pipe: culprit record -o - | culprit dump TABLE -");
	}
	while ((n = read(STDIN_FILENO, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR)) {
		for (ssize_t done = 0, w; n > 0 && done < n; done += w) {
			w = write(fd, buf + done, (size_t)(n - done));
			if (w < 0) {
				error_set(error, -errno, "standard input cannot be kept: %s", strerror(errno));
				close(fd);
				return -EIO;
			}
		}
	}
	if (n < 0) {
		error_set(error, -errno, "standard input cannot be read: %s", strerror(errno));
		close(fd);
		return -EIO;
	}
	return fd;
}

struct source *file_source_whole(const char *file, size_t budget, struct culprit_error *error)
{
	int fd;

	if (strcmp(file, "-"))
		return file_source(file, budget, error);
	fd = spool(error);
	return fd < 0 ? NULL : recfile_source_fd(fd, "standard input", error);
}
