#include "procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int procfs_open(int dir, const char *path)
{
	int fd;

	if (dir < 0)
		return -ENOENT;
	/* O_NONBLOCK: a fixture tree may hold a fifo; the kernel's own files ignore it. */
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

bool procfs_is_own(int proc_fd)
{
	char self[16], pid[16];
	ssize_t n = readlinkat(proc_fd, "self", self, sizeof(self));
	int len = snprintf(pid, sizeof(pid), "%d", (int)getpid());

	return n == len && !memcmp(self, pid, (size_t)len);
}

ssize_t procfs_pread_once(int fd, void *buf, size_t cap)
{
	ssize_t n;

	do
		n = pread(fd, buf, cap, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* From offset `from`; what is there before stays. */
static ssize_t pread_from(int fd, char *buf, size_t from, size_t cap)
{
	size_t len = from;

	while (len < cap) {
		ssize_t n = pread(fd, buf + len, cap - len, (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

ssize_t procfs_pread(int fd, void *buf, size_t cap)
{
	return pread_from(fd, buf, 0, cap);
}

ssize_t procfs_read(int dir, const char *path, void *buf, size_t cap)
{
	int fd = procfs_open(dir, path);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = procfs_pread(fd, buf, cap);
	close(fd);
	return n;
}

bool procfs_read_u64(int dir, const char *path, uint64_t *ret)
{
	char bytes[64];
	ssize_t n = procfs_read(dir, path, bytes, sizeof(bytes));

	return n > 0 && procfs_file_u64(bytes, (size_t)n, ret);
}

size_t procfs_read_line(int dir, const char *path, char *buf, size_t cap)
{
	ssize_t n = procfs_read(dir, path, buf, cap);
	struct procfs_text t = procfs_text(buf, n > 0 ? (size_t)n : 0);
	const char *nl = n > 0 ? memchr(buf, '\n', (size_t)n) : NULL;

	if (nl)
		t.end = nl;
	procfs_trim(&t);
	return procfs_left(&t);
}

size_t procfs_entries(int dir, const char *path, char *buf, size_t cap)
{
	char bytes[1024] __attribute__((aligned(8)));
	int fd = dir < 0 ? -1 : openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return 0;
	/* Not opendir(): that takes memory. */
	n = getdents64(fd, bytes, sizeof(bytes));
	for (ssize_t at = 0; at < n;) {
		const struct dirent64 *e = (const struct dirent64 *)(bytes + at);
		size_t name = strlen(e->d_name);

		at += e->d_reclen;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || len + name + 2 > cap)
			continue;
		if (len)
			buf[len++] = ' ';
		memcpy(buf + len, e->d_name, name);
		len += name;
	}
	close(fd);
	return len;
}

bool procfs_has_entries(int dir, const char *path)
{
	char name[260];

	return procfs_entries(dir, path, name, sizeof(name)) > 0;
}

void procfs_file_finish(struct procfs_file *f)
{
	if (f && f->fd >= 0) {
		close(f->fd);
		f->fd = -1;
	}
}

static ssize_t file_read_from(struct procfs_file *f, char *buf, size_t from, size_t cap)
{
	bool again = f->fd >= 0;

	for (;;) {
		ssize_t n;

		if (f->fd < 0) {
			f->fd = procfs_open(f->dir, f->path);
			if (f->fd < 0) {
				int err = f->fd;

				f->fd = -1;
				return err;
			}
		}
		n = pread_from(f->fd, buf, from, cap);
		if (n >= 0)
			return n;
		procfs_file_finish(f);
		if (!again || (n != -ENODEV && n != -ESTALE))
			return n;
		again = false;
	}
}

ssize_t procfs_file_read(struct procfs_file *f, void *buf, size_t cap)
{
	return file_read_from(f, buf, 0, cap);
}

void procfs_buffer_init(struct procfs_buffer *b)
{
	memset(b, 0, sizeof(*b));
}

void procfs_buffer_finish(struct procfs_buffer *b)
{
	if (!b)
		return;
	free(b->data);
	procfs_buffer_init(b);
}

int procfs_buffer_read(struct procfs_buffer *b, struct procfs_file *f)
{
	ssize_t n = 0;

	b->len = 0;
	b->cut = false;
	for (;;) {
		/* Begin again when it grows: two halves of different moments are not one file. */
		if (b->cap) {
			n = file_read_from(f, b->data, 0, b->cap);
			if (n < 0)
				return (int)n;
			b->len = (size_t)n;
			if (b->len < b->cap)
				return 0;
			if (b->cap >= PROCFS_BUFFER_MAX) {
				b->cut = true;
				return 0;
			}
		}
		size_t cap = b->cap ? b->cap * 2 : 8192;
		char *data = realloc(b->data, cap);

		if (!data)
			return -ENOMEM;
		b->data = data;
		b->cap = cap;
	}
}

const char *procfs_reason(char *buf, size_t cap, const char *path, int err)
{
	err = err < 0 ? -err : err;
	switch (err) {
	case EACCES:
	case EPERM:
		snprintf(buf, cap, "%s: permission denied: needs root", path);
		break;
	case ENOENT:
		snprintf(buf, cap, "%s is not there: this kernel does not provide it, or it is not mounted", path);
		break;
	case EMFILE:
	case ENFILE:
		snprintf(buf, cap, "%s: too many open files: raise `ulimit -n`", path);
		break;
	case ENOMEM:
		snprintf(buf, cap, "%s: out of memory", path);
		break;
	case EBADMSG:
		snprintf(buf, cap, "%s holds nothing that is understood here", path);
		break;
	default:
		snprintf(buf, cap, "%s could not be read: errno %d", path, err);
	}
	return buf;
}

void procfs_failed(struct culprit_frame *f, uint32_t table, const char *path, int err)
{
	char reason[160];

	culprit_state(f, table, CULPRIT_FAILED, procfs_reason(reason, sizeof(reason), path, err));
}

int procfs_probe(int dir, const char *relative, const char *path, struct culprit_error *error)
{
	int fd = procfs_open(dir, relative);

	if (fd < 0) {
		if (error)
			procfs_reason(error->sentence, sizeof(error->sentence), path, fd);
		return fd;
	}
	close(fd);
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool procfs_line(struct procfs_text *t, struct procfs_text *ret_line)
{
	const char *nl = t->p < t->end ? memchr(t->p, '\n', procfs_left(t)) : NULL;

	if (!nl) {
		t->p = t->end;
		return false;
	}
	*ret_line = (struct procfs_text){t->p, nl};
	t->p = nl + 1;
	return true;
}

bool procfs_word(struct procfs_text *t, struct procfs_text *ret_word)
{
	const char *p = t->p;

	while (p < t->end && is_blank(*p))
		p++;
	ret_word->p = p;
	while (p < t->end && !is_blank(*p))
		p++;
	ret_word->end = p;
	t->p = p;
	return ret_word->p < ret_word->end;
}

bool procfs_skip(struct procfs_text *t, unsigned words)
{
	struct procfs_text word;

	while (words--)
		if (!procfs_word(t, &word))
			return false;
	return true;
}

/* The whole of [p, end) as digits. */
static bool digits(const char *p, const char *end, uint64_t *ret)
{
	uint64_t v = 0;

	if (p == end)
		return false;
	for (; p < end; p++) {
		unsigned d = (unsigned char)*p - '0';

		if (d > 9 || __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, d, &v))
			return false;
	}
	*ret = v;
	return true;
}

bool procfs_u64(struct procfs_text *t, uint64_t *ret)
{
	struct procfs_text w;

	return procfs_word(t, &w) && digits(w.p, w.end, ret);
}

bool procfs_i64(struct procfs_text *t, int64_t *ret)
{
	struct procfs_text w;
	bool minus;
	uint64_t v;

	if (!procfs_word(t, &w))
		return false;
	minus = *w.p == '-';
	if (!digits(w.p + minus, w.end, &v) || v > (uint64_t)INT64_MAX + minus)
		return false;
	*ret = minus ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

bool procfs_hex(struct procfs_text *t, uint64_t *ret)
{
	struct procfs_text w;
	uint64_t v = 0;

	if (!procfs_word(t, &w) || procfs_left(&w) > 16)
		return false;
	for (; w.p < w.end; w.p++) {
		char c = *w.p;

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			v = v << 4 | (uint64_t)((c | 0x20) - 'a' + 10);
		else
			return false;
	}
	*ret = v;
	return true;
}

bool procfs_decimal(struct procfs_text *t, double *ret)
{
	struct procfs_text w;
	const char *dot;
	uint64_t whole, part = 0, ten = 1;

	if (!procfs_word(t, &w))
		return false;
	dot = memchr(w.p, '.', procfs_left(&w));
	if (!digits(w.p, dot ? dot : w.end, &whole))
		return false;
	if (dot) {
		if (w.end - dot > 16 || !digits(dot + 1, w.end, &part))
			return false;
		for (const char *p = dot + 1; p < w.end; p++)
			ten *= 10;
	}
	*ret = (double)whole + (double)part / (double)ten;
	return true;
}

void procfs_trim(struct procfs_text *t)
{
	while (t->p < t->end && (is_blank(t->end[-1]) || t->end[-1] == '\n'))
		t->end--;
}

bool procfs_whole_u64(const char *bytes, size_t n, uint64_t *ret)
{
	struct procfs_text t = procfs_text(bytes, n);

	procfs_trim(&t);
	return digits(t.p, t.end, ret);
}

bool procfs_file_u64(const char *bytes, size_t n, uint64_t *ret)
{
	return n > 0 && bytes[n - 1] == '\n' && procfs_whole_u64(bytes, n, ret);
}

size_t procfs_unescape(const struct procfs_text *t, char *buf, size_t cap)
{
	size_t n = 0;

	for (const char *p = t->p; p < t->end && n < cap; p++) {
		if (*p == '\\' && t->end - p >= 4 && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' &&
		    p[3] >= '0' && p[3] <= '7') {
			buf[n++] = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 3;
		} else {
			buf[n++] = *p;
		}
	}
	return n;
}

uint64_t procfs_cpu_list(const struct procfs_text *list)
{
	struct procfs_text t = *list;
	uint64_t count = 0;

	procfs_trim(&t);
	while (t.p < t.end) {
		const char *comma = memchr(t.p, ',', procfs_left(&t)), *end = comma ? comma : t.end;
		const char *dash = memchr(t.p, '-', (size_t)(end - t.p));
		uint64_t first, last;

		if (!digits(t.p, dash ? dash : end, &first))
			return 0;
		last = first;
		if (dash && !digits(dash + 1, end, &last))
			return 0;
		if (last < first || last > 1 << 20)
			return 0;
		count += last - first + 1;
		t.p = comma ? comma + 1 : t.end;
	}
	return count;
}

void procfs_add(struct procfs_values *v, uint32_t column, uint64_t value, uint64_t scale)
{
	if (column >= PROCFS_COLUMNS_MAX || __builtin_mul_overflow(value, scale ? scale : 1, &value))
		return;
	if (procfs_have(v, column) && __builtin_add_overflow(value, v->v[column], &value))
		return;
	v->v[column] = value;
	v->have[column / 64] |= 1ull << (column % 64);
}

static const struct procfs_field *field_find(const struct procfs_field *fields, unsigned nfields,
					     const struct procfs_text *key)
{
	for (unsigned i = 0; i < nfields; i++)
		if (fields[i].key[0] != key->p[0])
			continue;
		else if (fields[i].prefix ? procfs_starts(key, fields[i].key) : procfs_is(key, fields[i].key))
			return &fields[i];
	return NULL;
}

unsigned procfs_fields(struct procfs_text text, const struct procfs_field *fields, unsigned nfields,
		       struct procfs_values *values)
{
	struct procfs_text line, key;
	unsigned found = 0;

	while (procfs_line(&text, &line)) {
		const struct procfs_field *f;
		uint64_t v;

		if (!procfs_word(&line, &key))
			continue;
		if (key.end[-1] == ':')
			key.end--;
		f = field_find(fields, nfields, &key);
		if (!f || f->column == PROCFS_IGNORE || !procfs_u64(&line, &v))
			continue;
		procfs_add(values, f->column, v, f->scale);
		found++;
	}
	return found;
}

unsigned procfs_pairs(struct procfs_text text, const char *prefix, const struct procfs_field *fields, unsigned nfields,
		      struct procfs_values *values)
{
	struct procfs_text names, numbers, key, word;
	unsigned found = 0;

	while (procfs_line(&text, &names)) {
		if (!procfs_word(&names, &word) || !procfs_is(&word, prefix))
			continue;
		if (!procfs_line(&text, &numbers) || !procfs_word(&numbers, &word) || !procfs_is(&word, prefix))
			break;
		while (procfs_word(&names, &key)) {
			const struct procfs_field *f = field_find(fields, nfields, &key);
			uint64_t v;

			if (!procfs_word(&numbers, &word))
				break;
			if (!f || f->column == PROCFS_IGNORE || !digits(word.p, word.end, &v))
				continue;
			procfs_add(values, f->column, v, f->scale);
			found++;
		}
		break;
	}
	return found;
}

void procfs_put(struct culprit_frame *f, const struct procfs_values *values)
{
	for (uint32_t w = 0; w < PROCFS_COLUMNS_MAX / 64; w++) {
		for (uint64_t bits = values->have[w]; bits; bits &= bits - 1) {
			uint32_t column = w * 64 + (uint32_t)__builtin_ctzll(bits);

			culprit_put_u64(f, column, values->v[column]);
		}
	}
}
