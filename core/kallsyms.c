#include "kallsyms.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


enum { TEXT_MAX = 256 << 20 };

void kallsyms_finish(struct kallsyms *k)
{
	for (size_t i = 0; i < k->n; i++)
		symtab_finish(&k->modules[i].symbols);
	free(k->modules);
	memset(k, 0, sizeof(*k));
}

static struct kallsyms_module *module_of(struct kallsyms *k, const char *name, size_t len)
{
	struct kallsyms_module *m;

	if (k->n && len == strlen(k->modules[k->n - 1].name) && !memcmp(k->modules[k->n - 1].name, name, len))
		return &k->modules[k->n - 1];
	for (size_t i = 0; i < k->n; i++) {
		if (len == strlen(k->modules[i].name) && !memcmp(k->modules[i].name, name, len))
			return &k->modules[i];
	}
	if (k->n == KALLSYMS_MODULES_MAX || len >= sizeof(m->name))
		return NULL;
	m = realloc(k->modules, (k->n + 1) * sizeof(*m));
	if (!m)
		return NULL;
	k->modules = m;
	m += k->n++;
	memset(m, 0, sizeof(*m));
	memcpy(m->name, name, len);
	return m;
}

static int line_parse(struct kallsyms *k, const char *p, const char *end, uint64_t *seen, uint64_t *nonzero)
{
	struct kallsyms_module *m;
	uint64_t address = 0;
	const char *name, *bracket, *name_end;
	unsigned digits = 0;
	char type;

	for (; p < end && digits < 16; p++, digits++) {
		int d = *p >= '0' && *p <= '9' ? *p - '0' : *p >= 'a' && *p <= 'f' ? *p - 'a' + 10 : -1;

		if (d < 0)
			break;
		address = address << 4 | (uint64_t)d;
	}
	if (!digits || end - p < 4 || p[0] != ' ' || p[2] != ' ')
		return 0;
	type = p[1];
	if (type != 't' && type != 'T' && type != 'w' && type != 'W')
		return 0;
	++*seen;
	if (!address)
		return 0;
	++*nonzero;
	name = p + 3;
	bracket = memchr(name, '\t', (size_t)(end - name));
	name_end = bracket ? bracket : end;
	if (bracket && bracket + 1 < end && bracket[1] == '[')
		m = module_of(k, bracket + 1, (size_t)(end - bracket - 1));
	else
		m = module_of(k, "[kernel]", 8);
	if (!m || name_end == name)
		return m ? 0 : -ENOMEM;
	/* Compilers' own marks of where a function's entry is padded. */
	if (!strncmp(name, "__pfx_", 6))
		return 0;
	return symtab_add(&m->symbols, address, 0, name, (size_t)(name_end - name), type == 'T' ? 2 : type == 'W' ? 1 : 0);
}

static int by_base(const void *a, const void *b)
{
	const struct kallsyms_module *x = a, *y = b;

	return x->base < y->base ? -1 : x->base > y->base;
}

int kallsyms_parse(struct kallsyms *k, const char *text, size_t n)
{
	uint64_t seen = 0, nonzero = 0;
	const char *end = text + n;

	memset(k, 0, sizeof(*k));
	for (const char *p = text; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		int r = line_parse(k, p, nl ? nl : end, &seen, &nonzero);

		if (r == -ENOMEM && k->n < KALLSYMS_MODULES_MAX) {
			kallsyms_finish(k);
			return r;
		}
		p = nl ? nl + 1 : end;
	}
	if (!seen)
		return -EBADMSG;
	k->hidden = !nonzero;
	for (size_t i = 0; i < k->n; i++) {
		struct symtab *t = &k->modules[i].symbols;
		const struct symtab_entry *text_start = NULL;

		symtab_settle(t);
		if (!t->n)
			continue;
		/* Where the kernel's code begins has a name; before it there may be per-CPU offsets. */
		for (size_t s = 0; s < t->n && i == 0 && !text_start; s++) {
			if (!strcmp(symtab_name(t, &t->entries[s]), "_text") || !strcmp(symtab_name(t, &t->entries[s]), "_stext"))
				text_start = &t->entries[s];
		}
		if (text_start && text_start > t->entries) {
			size_t drop = (size_t)(text_start - t->entries);

			memmove(t->entries, text_start, (t->n - drop) * sizeof(*t->entries));
			t->n -= drop;
		}
		k->modules[i].base = t->entries[0].start;
		k->modules[i].end = t->entries[t->n - 1].start + 4096;
		k->modules[i].origin = k->modules[!strcmp(k->modules[i].name, "[bpf]") ? 0 : i].base;
		for (size_t s = 0; s < t->n; s++)
			t->entries[s].start -= k->modules[i].origin;
	}
	if (k->n > 2)
		qsort(k->modules + 1, k->n - 1, sizeof(*k->modules), by_base);
	return 0;
}

int kallsyms_read(struct kallsyms *k, int proc_fd)
{
	size_t cap = 8 << 20, n = 0;
	char *text = malloc(cap);
	ssize_t got = -1;
	int fd = openat(proc_fd, "kallsyms", O_RDONLY | O_CLOEXEC), r;

	if (fd < 0 || !text) {
		r = !text ? -ENOMEM : -errno;
		free(text);
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (n < TEXT_MAX && (got = read(fd, text + n, cap - n)) > 0) {
		n += (size_t)got;
		if (n == cap) {
			char *more = realloc(text, cap * 2);

			if (!more)
				break;
			text = more;
			cap *= 2;
		}
	}
	close(fd);
	r = kallsyms_parse(k, text, n);
	free(text);
	return r;
}

const struct kallsyms_module *kallsyms_find(const struct kallsyms *k, uint64_t address)
{
	const struct kallsyms_module *found = NULL;

	for (size_t i = 1; i < k->n && k->modules[i].base <= address; i++) {
		const struct kallsyms_module *m = &k->modules[i];

		if (address < m->end && (!found || m->end - m->base < found->end - found->base))
			found = m;
	}
	if (found)
		return found;
	return k->n && address >= k->modules[0].base && address < k->modules[0].end ? &k->modules[0] : NULL;
}
