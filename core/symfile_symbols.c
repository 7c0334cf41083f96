/* The functions of an ELF file, from wherever they are: its own .symtab; its debug file, found by build-id or by
 * .gnu_debuglink; the compressed table in .gnu_debugdata; .dynsym. */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "symfile_internal.h"

enum {
	MINIDEBUG_MAX = 128 << 20, /* bytes of a .gnu_debugdata, decompressed */
	MINIDEBUG_MEMORY = 96 << 20, /* the decoder's own */
};

/* Adds the functions of `from`, whose addresses are those of `f`. */
static int table_add(const struct symfile *f, struct symfile *from, uint32_t type, struct symtab *t, size_t *ret_added)
{
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(from->elf, scn))) {
		GElf_Shdr sh;
		Elf_Data *data;
		size_t n;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type != type || sh.sh_entsize != sizeof(Elf64_Sym))
			continue;
		if (sh.sh_size > SYMFILE_SECTION_MAX || sh.sh_size > from->file_size)
			continue;
		data = elf_getdata(scn, NULL);
		if (!data)
			continue;
		n = data->d_size / sizeof(Elf64_Sym);
		for (size_t i = 1; i < n && i < INT32_MAX; i++) {
			const char *name;
			uint64_t offset;
			GElf_Sym sym;
			unsigned kind, bind;
			int r;

			if (!gelf_getsym(data, (int)i, &sym))
				break;
			kind = GELF_ST_TYPE(sym.st_info);
			bind = GELF_ST_BIND(sym.st_info);
			if ((kind != STT_FUNC && kind != STT_GNU_IFUNC && kind != STT_NOTYPE) || sym.st_shndx == SHN_UNDEF ||
			    sym.st_shndx == SHN_ABS || !sym.st_value)
				continue;
			if (!symfile_offset(f, sym.st_value, &offset))
				continue;
			name = elf_strptr(from->elf, sh.sh_link, sym.st_name);
			/* arm64 marks code and data by labels $x and $d; assemblers leave .L ones. */
			if (!name || !name[0] || name[0] == '$' || (name[0] == '.' && name[1] == 'L'))
				continue;
			if (kind == STT_NOTYPE) {
				/* A label of hand-written code counts; one of data does not. */
				bool code = false;

				for (size_t k = 0; k < f->nsegments; k++)
					code = code || (f->segments[k].code &&
							sym.st_value - f->segments[k].address < f->segments[k].size);
				if (!code)
					continue;
			}
			r = symtab_add(t, offset, sym.st_size, name, strcspn(name, "@"), /* fopen@@GLIBC_2.2.5 */
				       (kind != STT_NOTYPE ? 4u : 0u) + (bind == STB_GLOBAL ? 2u : bind == STB_WEAK ? 1u : 0u));
			if (r)
				return r;
			++*ret_added;
		}
	}
	return 0;
}

/* Reads .gnu_debugdata, an xz file with an ELF file in it. NULL: there is none, or it is damaged. */
static uint8_t *minidebug(struct symfile *f, size_t *ret_n)
{
	struct symfile_section s;
	uint8_t *out = NULL;
	size_t cap = 1 << 18;
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_ret r = LZMA_OK;

	if (!symfile_section(f, ".gnu_debugdata", &s) || lzma_stream_decoder(&z, MINIDEBUG_MEMORY, 0) != LZMA_OK)
		return NULL;
	z.next_in = s.bytes;
	z.avail_in = s.size;
	while (r == LZMA_OK && z.total_out < MINIDEBUG_MAX) {
		if (!out || z.total_out == cap) {
			uint8_t *more = realloc(out, out ? cap * 2 : cap);

			if (!more)
				break;
			cap = out ? cap * 2 : cap;
			out = more;
		}
		z.next_out = out + z.total_out;
		z.avail_out = cap - z.total_out;
		r = lzma_code(&z, LZMA_FINISH);
	}
	*ret_n = (size_t)z.total_out;
	lzma_end(&z);
	if (r != LZMA_STREAM_END) {
		free(out);
		return NULL;
	}
	return out;
}

static bool same_build(const struct symfile *a, const struct symfile *b)
{
	return a->build_id_len && a->build_id_len == b->build_id_len && !memcmp(a->build_id, b->build_id, a->build_id_len);
}

static struct symfile *open_below(int root_fd, const char *path)
{
	struct symfile *f;
	int fd;

	while (root_fd >= 0 && *path == '/')
		path++;
	fd = openat(root_fd >= 0 ? root_fd : AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	f = fd >= 0 ? symfile_open(fd, NULL) : NULL;
	return f;
}

static struct symfile *debug_by_build_id(const struct symfile *f, int root_fd)
{
	char path[32 + 2 * SYMFILE_BUILD_ID_MAX + 16];
	struct symfile *d;
	int n;

	if (f->build_id_len < 2)
		return NULL;
	n = snprintf(path, sizeof(path), "/usr/lib/debug/.build-id/%02x/", f->build_id[0]);
	for (size_t i = 1; i < f->build_id_len; i++)
		n += snprintf(path + n, sizeof(path) - (size_t)n, "%02x", f->build_id[i]);
	snprintf(path + n, sizeof(path) - (size_t)n, ".debug");
	d = open_below(root_fd, path);
	if (d && !same_build(f, d)) {
		symfile_close(d);
		d = NULL;
	}
	return d;
}

/* The checksum that .gnu_debuglink has: CRC-32 as of zlib, bit by nibble. */
static bool link_checksum(const struct symfile *d, uint32_t expected)
{
	static const uint32_t nibble[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint8_t *buf = malloc(1 << 16);
	uint32_t crc = ~0u;
	uint64_t at = 0;
	ssize_t n = 0;

	while (buf && at < (uint64_t)2 << 30 && (n = pread(d->fd, buf, 1 << 16, (off_t)at)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			crc = nibble[(crc ^ buf[i]) & 15] ^ (crc >> 4);
			crc = nibble[(crc ^ (buf[i] >> 4)) & 15] ^ (crc >> 4);
		}
		at += (uint64_t)n;
	}
	free(buf);
	return n == 0 && ~crc == expected;
}

static struct symfile *debug_by_link(struct symfile *f, int root_fd, const char *path)
{
	static const char *const patterns[] = {"%.*s/%s", "%.*s/.debug/%s", "/usr/lib/debug%.*s/%s"};
	const char *slash = path ? strrchr(path, '/') : NULL;
	struct symfile_section s;
	const char *name;
	uint32_t crc;
	size_t len;

	if (!slash || !symfile_section(f, ".gnu_debuglink", &s) || s.size < 8)
		return NULL;
	name = (const char *)s.bytes;
	len = strnlen(name, s.size);
	if (!len || (len + 4) / 4 * 4 + 4 > s.size || memchr(name, '/', len))
		return NULL;
	memcpy(&crc, s.bytes + (len + 4) / 4 * 4, 4);
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		char at[4200];
		struct symfile *d;

		if (snprintf(at, sizeof(at), patterns[i], (int)(slash - path), path, name) >= (int)sizeof(at))
			continue;
		if (!strcmp(at, path))
			continue;
		d = open_below(root_fd, at);
		if (d && (d->machine != f->machine ||
			  (f->build_id_len && d->build_id_len ? !same_build(f, d) : !link_checksum(d, crc)))) {
			symfile_close(d);
			d = NULL;
		}
		if (d)
			return d;
	}
	return NULL;
}

struct symfile *symfile_debug(struct symfile *f, int root_fd, const char *path)
{
	struct symfile *d = debug_by_build_id(f, -1);

	if (!d && root_fd >= 0)
		d = debug_by_build_id(f, root_fd);
	if (!d)
		d = debug_by_link(f, root_fd, path);
	return d;
}

int symfile_symbols(struct symfile *f, int root_fd, const char *path, struct symtab *ret, enum symfile_origin *ret_origin)
{
	enum symfile_origin origin = SYMFILE_SYMTAB;
	struct symtab t = {0};
	size_t n = 0;
	int r = table_add(f, f, SHT_SYMTAB, &t, &n);

	if (!r && !n) {
		struct symfile *d = symfile_debug(f, root_fd, path);

		if (d) {
			r = table_add(f, d, SHT_SYMTAB, &t, &n);
			symfile_close(d);
		}
		origin = SYMFILE_DEBUG;
	}
	if (!r && !n) {
		size_t size;
		uint8_t *bytes = minidebug(f, &size);
		struct symfile *d = bytes ? symfile_open_memory(bytes, size, NULL) : NULL;

		if (d)
			r = table_add(f, d, SHT_SYMTAB, &t, &n);
		symfile_close(d);
		free(bytes);
		origin = SYMFILE_MINIDEBUG;
	}
	if (!r && origin != SYMFILE_SYMTAB) {
		size_t before = n;

		/* MiniDebugInfo has what .dynsym has not. */
		r = table_add(f, f, SHT_DYNSYM, &t, &n);
		if (!before)
			origin = n ? SYMFILE_DYNSYM : SYMFILE_NOTHING;
	}
	if (r) {
		symtab_finish(&t);
		return r;
	}
	symtab_settle(&t);
	if (origin == SYMFILE_DYNSYM || origin == SYMFILE_NOTHING)
		r = symfile_frames(f, &t);
	if (r) {
		symtab_finish(&t);
		return r;
	}
	*ret = t;
	*ret_origin = origin;
	return 0;
}
