#include "procmaps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void procmaps_init(struct procmaps *p)
{
	memset(p, 0, sizeof(*p));
}

void procmaps_finish(struct procmaps *p)
{
	free(p->maps);
	free(p->names);
	memset(p, 0, sizeof(*p));
}

void procmaps_clear(struct procmaps *p)
{
	p->n = 0;
	p->names_len = 0;
	p->cut = false;
	p->readable = 0;
}

static bool number(const char **at, const char *end, unsigned base, char after, uint64_t *ret)
{
	const char *p = *at;
	uint64_t v = 0;

	for (; p < end; p++) {
		unsigned digit = *p >= '0' && *p <= '9' ? (unsigned)(*p - '0') :
				 *p >= 'a' && *p <= 'f' ? (unsigned)(*p - 'a') + 10 : 99;

		if (digit >= base)
			break;
		if (v > (UINT64_MAX - digit) / base)
			return false;
		v = v * base + digit;
	}
	if (p == *at || p == end || *p != after)
		return false;
	*at = p + 1;
	*ret = v;
	return true;
}

/* Copies a name, with the kernel's escape of newlines (\012) undone. */
static int name_keep(struct procmaps *p, const char *from, size_t n, struct procmap *m)
{
	char *to;
	size_t len = 0;

	if (!n)
		return 0;
	if (n > 4096 + 16)
		n = 4096 + 16;
	if (p->names_len + n > p->names_cap) {
		size_t cap = (p->names_cap ? p->names_cap * 2 : 4096) + n;
		char *names = realloc(p->names, cap);

		if (!names)
			return -ENOMEM;
		p->names = names;
		p->names_cap = cap;
	}
	to = p->names + p->names_len;
	for (size_t i = 0; i < n; i++) {
		if (n - i >= 4 && !memcmp(from + i, "\\012", 4)) {
			to[len++] = '\n';
			i += 3;
		} else {
			to[len++] = from[i];
		}
	}
	m->name = (uint32_t)p->names_len;
	m->name_len = (uint32_t)len;
	p->names_len += len;
	return 0;
}

static bool is(const char *p, size_t n, const char *word)
{
	return n == strlen(word) && !memcmp(p, word, n);
}

static bool begins(const char *p, size_t n, const char *word)
{
	return n >= strlen(word) && !memcmp(p, word, strlen(word));
}

static int line_parse(struct procmaps *p, const char *at, const char *end)
{
	static const char deleted[] = " (deleted)";
	struct procmap m = {0};
	uint64_t major, minor;
	const char *perms;
	size_t n;

	if (!number(&at, end, 16, '-', &m.start) || !number(&at, end, 16, ' ', &m.end) || end - at < 5 || m.end <= m.start)
		return 0;
	perms = at;
	at += 5;
	if (perms[4] != ' ' || !number(&at, end, 16, ' ', &m.offset) || !number(&at, end, 16, ':', &major) ||
	    !number(&at, end, 16, ' ', &minor))
		return 0;
	/* The inode ends the line where there is no name, in some kernels without a space after it. */
	while (at < end && *at >= '0' && *at <= '9') {
		if (m.inode > (UINT64_MAX - 9) / 10)
			return 0;
		m.inode = m.inode * 10 + (uint64_t)(*at++ - '0');
	}
	p->readable++;
	if (perms[2] != 'x')
		return 0;
	while (at < end && *at == ' ')
		at++;
	n = (size_t)(end - at);
	m.major = (uint32_t)major;
	m.minor = (uint32_t)minor;
	if (n > sizeof(deleted) - 1 && !memcmp(end - (sizeof(deleted) - 1), deleted, sizeof(deleted) - 1)) {
		m.deleted = true;
		n -= sizeof(deleted) - 1;
	}
	m.kind = PROCMAP_FILE;
	if (is(at, n, "[vdso]"))
		m.kind = PROCMAP_VDSO;
	else if (is(at, n, "[vsyscall]"))
		m.kind = PROCMAP_VSYSCALL;
	else if (!m.inode || begins(at, n, "[") || begins(at, n, "//anon") || begins(at, n, "/memfd:") ||
		 begins(at, n, "anon_inode:") || begins(at, n, "/dev/zero") || begins(at, n, "/SYSV"))
		m.kind = PROCMAP_GENERATED;
	if (p->n == PROCMAPS_MAX || (p->n && m.start < p->maps[p->n - 1].end)) {
		p->cut = p->cut || p->n == PROCMAPS_MAX;
		return 0; /* pieces of a maps that changed between two reads may overlap */
	}
	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 64;
		struct procmap *maps = realloc(p->maps, cap * sizeof(*maps));

		if (!maps)
			return -ENOMEM;
		p->maps = maps;
		p->cap = cap;
	}
	if (name_keep(p, at, n, &m))
		return -ENOMEM;
	p->maps[p->n++] = m;
	return 0;
}

int procmaps_parse(struct procmaps *p, const char *text, size_t n)
{
	const char *at = text, *end = text + n;

	while (at < end) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		int r = line_parse(p, at, nl ? nl : end);

		if (r)
			return r;
		at = nl ? nl + 1 : end;
	}
	return 0;
}

const struct procmap *procmaps_find(const struct procmaps *p, uint64_t address)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (p->maps[mid].start <= address)
			low = mid + 1;
		else
			high = mid;
	}
	return low && address < p->maps[low - 1].end ? &p->maps[low - 1] : NULL;
}

bool procmaps_same(const struct procmaps *a, const struct procmaps *b)
{
	if (a->n != b->n || a->names_len != b->names_len || (a->names_len && memcmp(a->names, b->names, a->names_len)))
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct procmap *x = &a->maps[i], *y = &b->maps[i];

		if (x->start != y->start || x->end != y->end || x->offset != y->offset || x->inode != y->inode ||
		    x->major != y->major || x->minor != y->minor || x->kind != y->kind)
			return false;
	}
	return true;
}
