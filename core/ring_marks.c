#include "ring_marks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "filelock.h"
#include "marks.h"
#include "text.h"

enum { LINE_MAX_BYTES = 16 + 4 * MARKS_TEXT_MAX, FILE_MAX_BYTES = 16 * LINE_MAX_BYTES };

static const char *const kinds[] = {"user", "action"};

int ring_marks_open(struct ring_marks *m, const char *dir, const char *name, struct culprit_error *error)
{
	struct stat st;

	snprintf(m->path, sizeof(m->path), "%s/.%s.marks", dir, name);
	m->fd = open(m->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	if (m->fd < 0)
		return error_set(error, -errno, "marks of consoles are not taken: %s: %s", m->path, strerror(errno));
	/* What a recorder before left there is of another time. */
	if (fstat(m->fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || fchmod(m->fd, 0600) < 0 ||
	    ftruncate(m->fd, 0) < 0) {
		close(m->fd);
		m->fd = -1;
		return error_set(error, -EEXIST, "marks of consoles are not taken: %s is not a file of ours; remove it", m->path);
	}
	return 0;
}

static void take_line(const char *line, size_t n, ring_marks_set *set, void *of)
{
	char text[MARKS_TEXT_MAX + 1];

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		size_t len = strlen(kinds[k]);

		if (n <= len || memcmp(line, kinds[k], len) != 0 || line[len] != ' ')
			continue;
		n = text_unescape(text, MARKS_TEXT_MAX, line + len + 1, n - len - 1);
		text[n < MARKS_TEXT_MAX ? n : MARKS_TEXT_MAX] = '\0';
		set(of, kinds[k], text);
		return;
	}
}

void ring_marks_take(struct ring_marks *m, ring_marks_set *set, void *of)
{
	char bytes[FILE_MAX_BYTES];
	struct stat st;
	ssize_t n = 0;

	/* Mostly there is nothing: this is all that it costs. */
	if (m->fd < 0 || fstat(m->fd, &st) < 0 || !st.st_size || flock(m->fd, LOCK_EX | LOCK_NB) < 0)
		return;
	n = pread(m->fd, bytes, sizeof(bytes), 0);
	if (ftruncate(m->fd, 0) < 0)
		n = 0; /* or they would be set again and again */
	flock(m->fd, LOCK_UN);
	for (const char *line = bytes, *end; n > 0 && (end = memchr(line, '\n', (size_t)(bytes + n - line))); line = end + 1)
		take_line(line, (size_t)(end - line), set, of);
}

void ring_marks_close(struct ring_marks *m)
{
	if (m->fd < 0)
		return;
	unlink(m->path);
	close(m->fd);
	m->fd = -1;
}

int ring_marks_put(const char *ring_path, const char *kind, const char *text, struct culprit_error *error)
{
	const char *base = strrchr(ring_path, '/');
	char path[RING_PATH_MAX + 16], shown[4 * MARKS_TEXT_MAX + 1], line[LINE_MAX_BYTES + 8];
	struct stat st;
	int fd, n, r;

	base = base ? base + 1 : ring_path;
	snprintf(path, sizeof(path), "%.*s.%s.marks", (int)(base - ring_path), ring_path, base);
	fd = open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return error_set(error, -ENOENT, "recorder %.64s takes no marks", base);
	if (fd < 0)
		return error_set(error, -errno, "recorder %.64s takes marks from its owner alone (%s)", base, strerror(errno));
	r = filelock_take(fd);
	if (!r && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
		r = -EINVAL;
	text_sanitise(shown, sizeof(shown), text, strnlen(text, MARKS_TEXT_MAX), TEXT_ASCII);
	n = snprintf(line, sizeof(line), "%s %s\n", kind, shown);
	if (!r && st.st_size + n > FILE_MAX_BYTES)
		r = -EBUSY;
	if (!r && write(fd, line, (size_t)n) != n)
		r = errno ? -errno : -EIO;
	close(fd);
	return r ? error_set(error, r, "recorder %.64s takes no marks now: %s", base, strerror(-r)) : 0;
}
