#include "elf_functions.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SECTIONS_MOST = 1 << 13,
	SEGMENTS_MOST = 256,
	NAMES_MOST = 64 << 20, /* bytes */
	SYMBOLS_A_TURN = 1024,
	SYMBOLS_MOST = 16 << 20, /* of a table; a file may say any number */
	TABLES_MOST = 4,         /* a file has two */
};

struct reader {
	int fd;
	const char *const *names;
	size_t n;
	struct elf_functions *ret;
	Elf64_Ehdr head;
	Elf64_Phdr *segments;
	Elf64_Shdr *sections;
};

static int get(int fd, void *to, size_t n, uint64_t at)
{
	ssize_t got = at > INT64_MAX ? 0 : pread(fd, to, n, (off_t)at);

	return got < 0 ? -errno : (size_t)got == n ? 0 : -ENOEXEC;
}

/* A copy of n bytes, freed by the caller; NULL: there are none, or too many. */
static void *copy(int fd, uint64_t at, uint64_t n, uint64_t most)
{
	void *bytes = n && n <= most ? malloc((size_t)n) : NULL;

	if (bytes && get(fd, bytes, (size_t)n, at)) {
		free(bytes);
		bytes = NULL;
	}
	return bytes;
}

/* Of an address as linked, where it is in the file; 0: it is no code of the file. */
static uint64_t in_file(const struct reader *r, uint64_t address)
{
	for (unsigned i = 0; i < r->head.e_phnum; i++) {
		const Elf64_Phdr *p = &r->segments[i];

		if (p->p_type == PT_LOAD && p->p_flags & PF_X && address >= p->p_vaddr && address - p->p_vaddr < p->p_filesz)
			return p->p_offset + (address - p->p_vaddr);
	}
	return 0;
}

/* A name may have a version behind it. */
static bool is_named(const char *text, size_t room, const char *name)
{
	size_t len = strlen(name);

	return room > len && !memcmp(text, name, len) && (!text[len] || text[len] == '@');
}

/* One that is used and not defined here may have an address, too: that of a piece of code that jumps there. */
static void symbol(struct reader *r, const Elf64_Sym *s, const char *names, size_t size)
{
	if (ELF64_ST_TYPE(s->st_info) != STT_FUNC || ELF64_ST_BIND(s->st_info) == STB_LOCAL || s->st_shndx == SHN_UNDEF || s->st_name >= size)
		return;
	for (size_t i = 0; i < r->n; i++)
		if (!r->ret->offset[i] && is_named(names + s->st_name, size - s->st_name, r->names[i]))
			r->ret->offset[i] = in_file(r, s->st_value);
}

static void symbols(struct reader *r, const Elf64_Shdr *table)
{
	uint64_t said = table->sh_size / sizeof(Elf64_Sym), all = said < SYMBOLS_MOST ? said : SYMBOLS_MOST;
	const Elf64_Shdr *of = table->sh_link < r->head.e_shnum ? &r->sections[table->sh_link] : NULL;
	char *names = of ? copy(r->fd, of->sh_offset, of->sh_size, NAMES_MOST) : NULL;
	Elf64_Sym *some = names ? calloc(SYMBOLS_A_TURN, sizeof(*some)) : NULL;

	for (uint64_t at = 0; some && at < all; at += SYMBOLS_A_TURN) {
		size_t turn = all - at < SYMBOLS_A_TURN ? (size_t)(all - at) : SYMBOLS_A_TURN;

		if (get(r->fd, some, turn * sizeof(*some), table->sh_offset + at * sizeof(*some)))
			break;
		for (size_t i = 0; i < turn; i++)
			symbol(r, &some[i], names, (size_t)of->sh_size);
	}
	free(some);
	free(names);
}

static int read_tables(struct reader *r)
{
	const Elf64_Shdr *of;
	unsigned tables = 0;
	char *names;

	r->segments = copy(r->fd, r->head.e_phoff, r->head.e_phnum * sizeof(*r->segments), SEGMENTS_MOST * sizeof(*r->segments));
	r->sections = copy(r->fd, r->head.e_shoff, r->head.e_shnum * sizeof(*r->sections), SECTIONS_MOST * sizeof(*r->sections));
	if (!r->segments)
		return -ENOEXEC;
	if (!r->sections)
		return 0; /* stripped of them, too */
	for (unsigned i = 0; i < r->head.e_shnum; i++) {
		r->ret->has_names |= r->sections[i].sh_type == SHT_SYMTAB;
		if ((r->sections[i].sh_type == SHT_SYMTAB || r->sections[i].sh_type == SHT_DYNSYM) && tables++ < TABLES_MOST)
			symbols(r, &r->sections[i]);
	}
	of = r->head.e_shstrndx < r->head.e_shnum ? &r->sections[r->head.e_shstrndx] : NULL;
	names = of ? copy(r->fd, of->sh_offset, of->sh_size, NAMES_MOST) : NULL;
	for (unsigned i = 0; names && i < r->head.e_shnum; i++) {
		uint32_t at = r->sections[i].sh_name;

		r->ret->is_go |= at < of->sh_size && is_named(names + at, (size_t)of->sh_size - at, ".go.buildinfo");
	}
	free(names);
	return 0;
}

int elf_functions_find(int fd, const char *const *names, size_t n, struct elf_functions *ret)
{
	struct reader r = {.fd = fd, .names = names, .n = n, .ret = ret};
	int err = get(fd, &r.head, sizeof(r.head), 0);

	memset(ret->offset, 0, n * sizeof(*ret->offset));
	ret->has_names = ret->is_go = false;
	if (err)
		return err;
	if (memcmp(r.head.e_ident, ELFMAG, SELFMAG) != 0 || r.head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    r.head.e_ident[EI_DATA] != (BYTE_ORDER == LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB) ||
	    r.head.e_phentsize != sizeof(Elf64_Phdr) || (r.head.e_shnum && r.head.e_shentsize != sizeof(Elf64_Shdr)))
		return -ENOEXEC;
	err = read_tables(&r);
	free(r.segments);
	free(r.sections);
	return err;
}
