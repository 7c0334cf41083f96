#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

static const char magic[] = "culprit-settings ";

struct setting {
	char name[SETTING_NAME_MAX];
	char *value;
};

struct settings {
	struct setting list[SETTINGS_MAX]; /* by name */
	size_t n;
};

struct settings *settings_create(void)
{
	return calloc(1, sizeof(struct settings));
}

void settings_destroy(struct settings *s)
{
	for (size_t i = 0; s && i < s->n; i++)
		free(s->list[i].value);
	free(s);
}

/* Where it is, or would be. */
static size_t find(const struct settings *s, const char *name, bool *ret_there)
{
	size_t i = 0;

	while (i < s->n && strcmp(s->list[i].name, name) < 0)
		i++;
	*ret_there = i < s->n && !strcmp(s->list[i].name, name);
	return i;
}

const char *settings_get(const struct settings *s, const char *name)
{
	bool there;
	size_t i = find(s, name, &there);

	return there ? s->list[i].value : NULL;
}

bool settings_at(const struct settings *s, size_t i, const char **ret_name, const char **ret_value)
{
	if (i >= s->n)
		return false;
	*ret_name = s->list[i].name;
	*ret_value = s->list[i].value;
	return true;
}

static const char *joined(const char *of, const char *name, char buf[SETTING_NAME_MAX + 64])
{
	snprintf(buf, SETTING_NAME_MAX + 64, "%s.%s", of, name);
	return buf;
}

const char *settings_get_of(const struct settings *s, const char *of, const char *name)
{
	char buf[SETTING_NAME_MAX + 64];

	return settings_get(s, joined(of, name, buf));
}

int settings_set_of(struct settings *s, const char *of, const char *name, const char *value)
{
	char buf[SETTING_NAME_MAX + 64];

	return settings_set(s, joined(of, name, buf), value);
}

static bool is_name(const char *name)
{
	size_t n = strlen(name);

	return n && n < SETTING_NAME_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

static bool is_value(const char *value)
{
	size_t n = strlen(value);

	if (!n || n >= SETTING_VALUE_MAX || value[0] == ' ' || value[n - 1] == ' ')
		return false;
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
			return false;
	}
	return true;
}

int settings_set(struct settings *s, const char *name, const char *value)
{
	bool there;
	size_t i;
	char *copy;

	if (!is_name(name))
		return -EINVAL;
	i = find(s, name, &there);
	if (!value || !*value) {
		if (there) {
			free(s->list[i].value);
			memmove(&s->list[i], &s->list[i + 1], (--s->n - i) * sizeof(s->list[0]));
		}
		return 0;
	}
	if (!is_value(value))
		return -EINVAL;
	if (!there && s->n == SETTINGS_MAX)
		return -ENOSPC;
	copy = strdup(value);
	if (!copy)
		return -ENOMEM;
	if (there) {
		free(s->list[i].value);
	} else {
		memmove(&s->list[i + 1], &s->list[i], (s->n++ - i) * sizeof(s->list[0]));
		snprintf(s->list[i].name, sizeof(s->list[i].name), "%s", name);
	}
	s->list[i].value = copy;
	return 0;
}

/* Cuts blanks off both ends. */
static char *trim(char *text)
{
	size_t n;

	text += strspn(text, " \t");
	n = strlen(text);
	while (n && (text[n - 1] == ' ' || text[n - 1] == '\t' || text[n - 1] == '\r'))
		text[--n] = '\0';
	return text;
}

static int parse_line(struct settings *s, char *text, const char **ret_why)
{
	char *equals;
	int err;

	text = trim(text);
	if (!*text || *text == '#')
		return 0;
	equals = strchr(text, '=');
	*ret_why = "expected \"name = value\"";
	if (!equals)
		return -EINVAL;
	*equals = '\0';
	err = settings_set(s, trim(text), trim(equals + 1));
	if (err == -EINVAL)
		*ret_why = is_name(trim(text)) ? "a value is one line of text that can be shown" : "a name has letters, digits, . _ - only";
	else if (err == -ENOSPC)
		*ret_why = "these are too many lines";
	else if (err)
		*ret_why = "out of memory";
	return err;
}

static int parse_version(char *text, const char *file, struct culprit_error *error)
{
	char *end;
	unsigned long version;

	if (strncmp(text, magic, sizeof(magic) - 1))
		return error_set(error, -EINVAL, "%.120s:1: it does not begin with \"%s%d\"", file, magic, SETTINGS_VERSION);
	version = strtoul(text + sizeof(magic) - 1, &end, 10);
	if (version > SETTINGS_VERSION)
		return error_set(error, -ENOTSUP, "%.120s is of a newer culprit (version %lu): it is left alone, and not read", file,
				 version);
	if (version != SETTINGS_VERSION || *trim(end))
		return error_set(error, -EINVAL, "%.120s:1: there is no such version", file);
	return 0;
}

/* Takes over everything of `from`, which is empty then. */
static int merge(struct settings *to, struct settings *from)
{
	int err = 0;

	for (size_t i = 0; i < from->n && !err; i++)
		err = settings_set(to, from->list[i].name, from->list[i].value);
	return err;
}

int settings_parse(struct settings *s, const char *file, const void *bytes, size_t n, struct culprit_error *error)
{
	struct settings *read = settings_create();
	char *text = n <= SETTINGS_FILE_MAX ? malloc(n + 1) : NULL, *next;
	const char *why = "";
	int err = 0;

	if (n > SETTINGS_FILE_MAX)
		err = error_set(error, -EINVAL, "%.120s: it is longer than %d bytes", file, SETTINGS_FILE_MAX);
	else if (!read || !text)
		err = error_set(error, -ENOMEM, "out of memory");
	if (err)
		goto out;
	memcpy(text, bytes, n);
	text[n] = '\0';
	if (strlen(text) != n) {
		err = error_set(error, -EINVAL, "%.120s: there are zero bytes in it", file);
		goto out;
	}
	next = text;
	for (unsigned line = 1; *next && !err; line++) {
		char *at = next, *end = strchr(at, '\n');

		next = end ? end + 1 : at + strlen(at);
		if (end)
			*end = '\0';
		if (line == 1) {
			err = parse_version(at, file, error);
			continue;
		}
		err = parse_line(read, at, &why);
		if (err)
			error_set(error, err, "%.120s:%u: %s", file, line, why);
	}
	if (!n)
		err = error_set(error, -EINVAL, "%.120s: it is empty", file);
	if (!err && merge(s, read))
		err = error_set(error, -EINVAL, "%.120s: these are too many lines", file);
out:
	settings_destroy(read);
	free(text);
	return err;
}

char *settings_format(const struct settings *s)
{
	size_t need = 256, at;
	char *text;

	for (size_t i = 0; i < s->n; i++)
		need += strlen(s->list[i].name) + strlen(s->list[i].value) + 4;
	text = malloc(need);
	if (!text)
		return NULL;
	at = (size_t)snprintf(text, need, "%s%d\n# Written by culprit when it ends; may be edited while none runs.\n", magic,
			      SETTINGS_VERSION);
	for (size_t i = 0; i < s->n; i++)
		at += (size_t)snprintf(text + at, need - at, "%s = %s\n", s->list[i].name, s->list[i].value);
	return text;
}

int settings_read(struct settings *s, const char *file, struct culprit_error *error)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), err = 0;
	char *bytes;
	struct stat st;
	size_t n = 0;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return -ENOENT;
	if (fd < 0)
		return error_set(error, -errno, "%.120s cannot be read: %s", file, strerror(errno));
	bytes = malloc(SETTINGS_FILE_MAX + 1);
	if (!bytes)
		err = error_set(error, -ENOMEM, "out of memory");
	else if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		err = error_set(error, -EINVAL, "%.120s is no plain file", file);
	while (!err && n < SETTINGS_FILE_MAX + 1) {
		ssize_t k = read(fd, bytes + n, SETTINGS_FILE_MAX + 1 - n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			err = error_set(error, -errno, "%.120s cannot be read: %s", file, strerror(errno));
		if (k <= 0)
			break;
		n += (size_t)k;
	}
	close(fd);
	if (!err)
		err = settings_parse(s, file, bytes, n, error);
	free(bytes);
	return err;
}

static int write_whole(int fd, const char *text)
{
	size_t n = strlen(text);

	while (n) {
		ssize_t k = write(fd, text, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		text += k;
		n -= (size_t)k;
	}
	/* In its place only when it is whole, also after a power cut. */
	return fsync(fd) ? -errno : 0;
}

int settings_write(const struct settings *s, const char *file, struct culprit_error *error)
{
	char beside[4096], *text = settings_format(s);
	int fd, err = 0;

	if (!text)
		return error_set(error, -ENOMEM, "out of memory");
	snprintf(beside, sizeof(beside), "%.4000s.%ld", file, (long)getpid());
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	/* Left behind by one that had this number and was killed. */
	if (fd < 0 && errno == EEXIST && !unlink(beside))
		fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		err = -errno;
	if (!err)
		err = write_whole(fd, text);
	if (fd >= 0 && close(fd) && !err)
		err = -errno;
	if (!err && rename(beside, file))
		err = -errno;
	if (err && fd >= 0)
		unlink(beside);
	free(text);
	return err ? error_set(error, err, "%.120s cannot be written: %s", file, strerror(-err)) : 0;
}

int settings_set_aside(const char *file)
{
	char aside[4096];

	snprintf(aside, sizeof(aside), "%.4000s.bad", file);
	return rename(file, aside) ? -errno : 0;
}
