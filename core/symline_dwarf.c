/* The line of a place, by libdw: only what concerns the place is read (its compilation unit by .debug_aranges, or by the ranges
 * of units where there are none). libdw is loaded when it is first needed, by the helper process alone: the console neither
 * waits for it at its start nor has it in its memory. */
#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "demangle.h"
#include "symfile_internal.h"
#include "symline_internal.h"

enum { UNITS_MOST = 1 << 20, SCOPES_MOST = 64 };

/* --- the library ---------------------------------------------------------------------------------------------------------- */

#define LIBDW(X) \
	X(dwarf_begin_elf) X(dwarf_end) X(dwarf_getalt) X(dwarf_addrdie) X(dwarf_nextcu) X(dwarf_offdie) X(dwarf_haspc) \
	X(dwarf_getsrc_die) X(dwarf_lineno) X(dwarf_linesrc) X(dwarf_getscopes) X(dwarf_getscopes_die) X(dwarf_tag) \
	X(dwarf_diename) X(dwarf_attr_integrate) X(dwarf_formstring)

struct libdw {
#define X(name) __typeof__(name) *name;
	LIBDW(X)
#undef X
};

#ifdef CULPRIT_STATIC
static bool libdw_load(struct libdw *dw)
{
#define X(name) dw->name = name;
	LIBDW(X)
#undef X
	return true;
}
#else
static bool libdw_load(struct libdw *dw)
{
	void *library = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
	bool all = library != NULL;

#define X(name) \
	if (all) { \
		void *at = dlsym(library, #name); \
		memcpy(&dw->name, &at, sizeof(at)); \
		all = at != NULL; \
	}
	LIBDW(X)
#undef X
	return all;
}
#endif

/* --- the file ------------------------------------------------------------------------------------------------------------- */

struct symline_file {
	struct libdw dw;
	struct symfile *file, *debug; /* debug: NULL where the file has its own */
	Elf *elf;
	Dwarf *dwarf;
};

enum { OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

static bool is_it(const struct symline_file_is *is, const struct symfile *f)
{
	return is->build_id_len && f->build_id_len >= is->build_id_len && !memcmp(f->build_id, is->build_id, is->build_id_len);
}

/* The file of that name that the process maps, whatever stands at its path by now. -1: it maps none. */
static int open_mapped(int proc_fd, uint32_t pid, const char *path)
{
	char at[4200], to[4200];
	struct dirent *e;
	size_t len = strlen(path);
	int fd = -1, folder;
	DIR *maps;

	snprintf(at, sizeof(at), "%u/map_files", pid);
	folder = openat(proc_fd, at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	maps = folder >= 0 ? fdopendir(folder) : NULL;
	if (!maps) {
		if (folder >= 0)
			close(folder);
		return -1;
	}
	for (int i = 0; fd < 0 && i < 65536 && (e = readdir(maps)); i++) {
		ssize_t n = readlinkat(dirfd(maps), e->d_name, to, sizeof(to) - 1);

		if (n < (ssize_t)len || memcmp(to, path, len))
			continue;
		to[n] = '\0';
		if (!to[len] || !strcmp(to + len, " (deleted)"))
			fd = openat(dirfd(maps), e->d_name, OPEN_FLAGS);
	}
	closedir(maps);
	return fd;
}

static struct symfile *find_file(int proc_fd, const struct symline_file_is *is)
{
	char at[CULPRIT_SOURCE_PATH + 32];
	struct symfile *f;

	for (int way = 0; way < 3; way++) {
		int fd = -1;

		if (way == 0 && is->pid && proc_fd >= 0) {
			snprintf(at, sizeof(at), "%u/root%s%s", is->pid, is->path[0] == '/' ? "" : "/", is->path);
			fd = openat(proc_fd, at, OPEN_FLAGS);
		} else if (way == 1) {
			fd = open(is->path, OPEN_FLAGS);
		} else if (way == 2 && is->pid && proc_fd >= 0) {
			fd = open_mapped(proc_fd, is->pid, is->path);
		}
		f = fd >= 0 ? symfile_open(fd, NULL) : NULL;
		/* Without a build-id only what is mapped is sure to be the file that is meant. */
		if (f && (is_it(is, f) || (!is->build_id_len && !f->build_id_len && way == 2)))
			return f;
		symfile_close(f);
	}
	return NULL;
}

static bool has_lines(struct symfile *f)
{
	return symfile_has_section(f, ".debug_info") || symfile_has_section(f, ".zdebug_info");
}

static struct symline_file *refuse(struct symline_file *f, int err, char *why, const char *sentence)
{
	snprintf(why, CULPRIT_SOURCE_WHY + 1, "%s", sentence);
	symline_close(f);
	errno = err;
	return NULL;
}

struct symline_file *symline_open(int proc_fd, const struct symline_file_is *is, char why[CULPRIT_SOURCE_WHY + 1])
{
	struct symline_file *f = calloc(1, sizeof(*f));
	char root[32];
	int root_fd;

	if (!f)
		return refuse(NULL, ENOMEM, why, "out of memory");
	if (!libdw_load(&f->dw))
		return refuse(f, ENOSYS, why, "lines need libdw, which is not here: apt install libdw1");
	f->file = find_file(proc_fd, is);
	if (!f->file)
		return refuse(f, ENOENT, why, is->build_id_len ? "its file is no longer there as it was run" :
							    "its file has no build-id, and nobody maps it any more");
	if (!has_lines(f->file)) {
		snprintf(root, sizeof(root), "%u/root", is->pid);
		root_fd = is->pid && proc_fd >= 0 ? openat(proc_fd, root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
		f->debug = symfile_debug(f->file, root_fd, is->path);
		if (root_fd >= 0)
			close(root_fd);
		if (!f->debug || !has_lines(f->debug))
			return refuse(f, ENODATA, why, "none in it or /usr/lib/debug; its -dbgsym package has them");
	}
	/* Mapped, unlike everywhere else: of hundreds of MB only what is looked at is read. A file that is cut short meanwhile
	 * kills the helper, and nobody else. */
	f->elf = elf_begin((f->debug ? f->debug : f->file)->fd, ELF_C_READ_MMAP, NULL);
	f->dwarf = f->elf ? f->dw.dwarf_begin_elf(f->elf, DWARF_C_READ, NULL) : NULL;
	if (!f->dwarf)
		return refuse(f, EBADMSG, why, "its debug information cannot be read: damaged, or too large");
	/* What several debug files share stands in another file: found now, before no file can be opened any more. */
	f->dw.dwarf_getalt(f->dwarf);
	return f;
}

void symline_close(struct symline_file *f)
{
	if (!f)
		return;
	if (f->dwarf)
		f->dw.dwarf_end(f->dwarf);
	elf_end(f->elf);
	symfile_close(f->debug);
	symfile_close(f->file);
	free(f);
}

/* --- a place -------------------------------------------------------------------------------------------------------------- */

/* The compilation unit of an address. Some compilers write no .debug_aranges: their units' own ranges are looked through. */
static bool find_unit(struct symline_file *f, uint64_t address, Dwarf_Die *ret)
{
	Dwarf_Off at = 0, next;
	size_t header;

	if (f->dw.dwarf_addrdie(f->dwarf, address, ret))
		return true;
	for (uint32_t i = 0; i < UNITS_MOST && !f->dw.dwarf_nextcu(f->dwarf, at, &next, &header, NULL, NULL, NULL) && next > at; i++) {
		if (f->dw.dwarf_offdie(f->dwarf, at + header, ret) && f->dw.dwarf_haspc(ret, address) == 1)
			return true;
		at = next;
	}
	return false;
}

static void name_of(struct symline_file *f, Dwarf_Die *die, char *out, size_t cap)
{
	static const unsigned linkage[] = {DW_AT_linkage_name, DW_AT_MIPS_linkage_name};
	const char *name = NULL;
	Dwarf_Attribute attribute;

	for (size_t i = 0; i < 2 && !name; i++)
		name = f->dw.dwarf_attr_integrate(die, linkage[i], &attribute) ? f->dw.dwarf_formstring(&attribute) : NULL;
	if (!name)
		name = f->dw.dwarf_diename(die);
	if (!name && (name = f->dw.dwarf_attr_integrate(die, DW_AT_name, &attribute) ? f->dw.dwarf_formstring(&attribute) : NULL) == NULL)
		name = "?";
	demangle(name, strnlen(name, 4096), 1, out, cap);
}

/* The functions at that address, innermost first: those that were inlined, then the one that is there. */
static void find_functions(struct symline_file *f, Dwarf_Die *unit, uint64_t address, struct symline_answer *a)
{
	Dwarf_Die *here = NULL, *scopes = NULL;
	int n = f->dw.dwarf_getscopes(unit, address, &here);
	size_t used = 0;
	unsigned functions = 0;

	/* Around an inlined function dwarf_getscopes() gives what stands around its definition; what it is inlined in is above the
	 * place itself. */
	n = n > 0 ? f->dw.dwarf_getscopes_die(&here[0], &scopes) : 0;
	for (int i = 0; i < n && i < SCOPES_MOST; i++) {
		char name[CULPRIT_SOURCE_FUNCTION + 1];
		int tag = f->dw.dwarf_tag(&scopes[i]);
		size_t len;

		if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram && tag != DW_TAG_entry_point)
			continue;
		name_of(f, &scopes[i], name, sizeof(name));
		if (!functions++)
			memcpy(a->function, name, sizeof(name));
		len = strlen(name) + (used ? 4 : 0);
		if (used + len < sizeof(a->inlined))
			used += (size_t)snprintf(a->inlined + used, sizeof(a->inlined) - used, "%s%s", used ? " <- " : "", name);
		if (tag != DW_TAG_inlined_subroutine)
			break;
	}
	if (functions < 2)
		a->inlined[0] = '\0';
	free(here);
	free(scopes);
}

void symline_find(struct symline_file *f, uint64_t offset, struct symline_answer *a)
{
	uint64_t address;
	Dwarf_Line *line;
	const char *file;
	Dwarf_Die unit;
	int number = 0;

	if (!symfile_address(f->file, offset, &address) || !find_unit(f, address, &unit)) {
		a->result = -ENODATA;
		snprintf(a->why, sizeof(a->why), "this place is in no part of its debug information");
		return;
	}
	line = f->dw.dwarf_getsrc_die(&unit, address);
	if (line) {
		file = f->dw.dwarf_linesrc(line, NULL, NULL);
		snprintf(a->file, sizeof(a->file), "%s", file ? file : "");
		if (!f->dw.dwarf_lineno(line, &number) && number > 0)
			a->line = (uint32_t)number;
	}
	find_functions(f, &unit, address, a);
	if (!a->file[0] && !a->function[0]) {
		a->result = -ENODATA;
		snprintf(a->why, sizeof(a->why), "this place has no line in its debug information");
	}
}
