#include "marks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "text.h"
#include "timeparse.h"
#include "units.h"

#define HEAD "culprit-marks 1\n"

enum { FILE_MAX = 8 << 20, TRIES = 20, PATH_BYTES = 4096 };

struct marks {
	char path[PATH_BYTES], lock[PATH_BYTES + 8];
	struct mark_note *notes;
	size_t n;
};

/* Keeps them by time. */
static int insert(struct marks *m, int64_t wall, const char *text, size_t len)
{
	struct mark_note *grown;
	size_t at = m->n;

	if (m->n == MARKS_MAX)
		return -ENOSPC;
	grown = realloc(m->notes, (m->n + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	m->notes = grown;
	while (at && grown[at - 1].wall_ns > wall)
		at--;
	memmove(&grown[at + 1], &grown[at], (m->n - at) * sizeof(*grown));
	memset(&grown[at], 0, sizeof(grown[at]));
	grown[at].wall_ns = wall;
	memcpy(grown[at].text, text, len < MARKS_TEXT_MAX ? len : MARKS_TEXT_MAX);
	m->n++;
	return 0;
}

/* Lines that say nothing are passed over. */
static int parse(struct marks *m, char *text, size_t n, struct culprit_error *error)
{
	char *line = text, *end = text + n;

	if (n < strlen("culprit-marks ") || memcmp(text, "culprit-marks ", strlen("culprit-marks ")))
		return error_set(error, -EBADMSG, "%.160s holds no marks; move it away", m->path);
	if (n < strlen(HEAD) || memcmp(text, HEAD, strlen(HEAD)))
		return error_set(error, -EPROTO, "%.160s was written by a newer culprit", m->path);
	for (line += strlen(HEAD); line < end;) {
		char *stop = memchr(line, '\n', (size_t)(end - line)), *blank, when[64], what[MARKS_TEXT_MAX + 1] = "";
		int64_t wall;
		size_t len;
		int err;

		stop = stop ? stop : end;
		blank = memchr(line, ' ', (size_t)(stop - line));
		if (blank && (size_t)(blank - line) < sizeof(when)) {
			memcpy(when, line, (size_t)(blank - line));
			when[blank - line] = '\0';
			if (!timeparse_rfc3339(when, &wall)) {
				len = text_unescape(what, MARKS_TEXT_MAX, blank + 1, (size_t)(stop - blank - 1));
				err = insert(m, wall, what, len < MARKS_TEXT_MAX ? len : MARKS_TEXT_MAX);
				if (err)
					return error_set(error, err, "%.160s: %s", m->path,
							 err == -ENOSPC ? "too many marks" : "out of memory");
			}
		}
		line = stop + 1;
	}
	return 0;
}

static int load(struct marks *m, struct culprit_error *error)
{
	int fd = open(m->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), err = 0;
	struct stat st;
	char *text;
	ssize_t got;
	size_t n = 0;

	m->n = 0;
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		err = error_set(error, fd < 0 ? -errno : -EBADMSG, "%.160s cannot be read: %s", m->path,
				fd < 0 ? strerror(errno) : "it is no file of marks");
		if (fd >= 0)
			close(fd);
		return err;
	}
	text = malloc((size_t)st.st_size + 1);
	while (text && n < (size_t)st.st_size && (got = read(fd, text + n, (size_t)st.st_size - n)) > 0)
		n += (size_t)got;
	close(fd);
	err = text ? parse(m, text, n, error) : error_set(error, -ENOMEM, "out of memory");
	free(text);
	return err;
}

struct marks *marks_open(const char *file, struct culprit_error *error)
{
	struct marks *m = calloc(1, sizeof(*m));
	size_t n = strlen(file);

	if (!m || n + 16 > sizeof(m->path)) {
		free(m);
		error_set(error, -ENOMEM, "marks cannot be kept: the name is too long");
		return NULL;
	}
	/* Of a directory: in it. */
	while (n > 1 && file[n - 1] == '/')
		n--;
	snprintf(m->path, sizeof(m->path), "%.*s.marks", (int)n, file);
	snprintf(m->lock, sizeof(m->lock), "%s.lock", m->path);
	if (load(m, error)) {
		marks_destroy(m);
		return NULL;
	}
	return m;
}

void marks_destroy(struct marks *m)
{
	if (m)
		free(m->notes);
	free(m);
}

size_t marks_count(const struct marks *m)
{
	return m ? m->n : 0;
}

const struct mark_note *marks_at(const struct marks *m, size_t i)
{
	return &m->notes[i];
}

static int write_all(const struct marks *m, int fd)
{
	FILE *f = fdopen(fd, "w");
	int err = f ? 0 : -errno;

	if (!f) {
		close(fd);
		return err;
	}
	fputs(HEAD, f);
	for (size_t i = 0; i < m->n; i++) {
		char shown[4 * MARKS_TEXT_MAX + 1], when[64];

		text_sanitise(shown, sizeof(shown), m->notes[i].text, strlen(m->notes[i].text), TEXT_ASCII);
		fprintf(f, "%s %s\n", units_rfc3339(when, sizeof(when), m->notes[i].wall_ns, 0), shown);
	}
	if (fflush(f) || ferror(f) || fsync(fd))
		err = errno ? -errno : -EIO;
	if (fclose(f) && !err)
		err = -errno;
	return err;
}

int marks_add(struct marks *m, int64_t wall, const char *text, struct culprit_error *error)
{
	const struct timespec moment = {0, 10000000};
	int fd = -1, err;

	/* The new file is the lock. */
	for (int i = 0; i < TRIES && fd < 0; i++) {
		if (i)
			nanosleep(&moment, NULL);
		fd = open(m->lock, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	if (fd < 0 && errno == EEXIST)
		return error_set(error, -EBUSY, "%.160s is there: another culprit sets a mark, or died doing so; then remove it",
				 m->lock);
	if (fd < 0)
		return error_set(error, -errno, "the mark cannot be kept in %.160s: %s", m->path, strerror(errno));
	err = load(m, error);
	if (err) {
		close(fd);
		unlink(m->lock);
		return err;
	}
	err = insert(m, wall, text, strlen(text));
	if (err)
		close(fd);
	else
		err = write_all(m, fd);
	if (!err && rename(m->lock, m->path))
		err = -errno;
	if (err) {
		unlink(m->lock);
		load(m, NULL);
		return error_set(error, err, "the mark cannot be kept in %.160s: %s", m->path,
				 err == -ENOSPC && m->n == MARKS_MAX ? "there are too many" : strerror(-err));
	}
	return error_set(error, 0, "marked; kept in %.180s", m->path);
}
