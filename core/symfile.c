#include "symfile.h"

#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "symfile_internal.h"

static void segments_read(struct symfile *f)
{
	size_t n;

	if (elf_getphdrnum(f->elf, &n))
		return;
	for (size_t i = 0; i < n && i < 4096 && f->nsegments < SYMFILE_SEGMENTS; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(f->elf, (int)i, &ph))
			return;
		if (ph.p_type != PT_LOAD || !ph.p_filesz || ph.p_vaddr + ph.p_filesz < ph.p_vaddr ||
		    ph.p_offset + ph.p_filesz < ph.p_offset)
			continue;
		f->segments[f->nsegments++] = (struct symfile_segment){.address = ph.p_vaddr, .offset = ph.p_offset,
								       .size = ph.p_filesz, .code = ph.p_flags & PF_X};
	}
}

/* Looks for NT_GNU_BUILD_ID in one note area. */
static bool notes_search(struct symfile *f, Elf_Data *data)
{
	size_t at = 0, name, desc;
	GElf_Nhdr note;

	while (data && at < data->d_size && (at = gelf_getnote(data, at, &note, &name, &desc)) > 0) {
		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 || name + 4 > data->d_size ||
		    memcmp((char *)data->d_buf + name, "GNU", 4))
			continue;
		if (!note.n_descsz || desc + note.n_descsz > data->d_size)
			continue;
		f->build_id_len = note.n_descsz < SYMFILE_BUILD_ID_MAX ? note.n_descsz : SYMFILE_BUILD_ID_MAX;
		memcpy(f->build_id, (char *)data->d_buf + desc, f->build_id_len);
		return true;
	}
	return false;
}

static void build_id_read(struct symfile *f)
{
	Elf_Scn *scn = NULL;
	size_t n = 0;

	if (!elf_getphdrnum(f->elf, &n)) {
		for (size_t i = 0; i < n && i < 4096; i++) {
			GElf_Phdr ph;

			if (!gelf_getphdr(f->elf, (int)i, &ph) || ph.p_type != PT_NOTE || ph.p_filesz > 1 << 20)
				continue;
			if (notes_search(f, elf_getdata_rawchunk(f->elf, (int64_t)ph.p_offset, ph.p_filesz,
								 ph.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR)))
				return;
		}
	}
	while ((scn = elf_nextscn(f->elf, scn))) {
		GElf_Shdr sh;

		if (gelf_getshdr(scn, &sh) && sh.sh_type == SHT_NOTE && sh.sh_size <= 1 << 20 &&
		    notes_search(f, elf_getdata(scn, NULL)))
			return;
	}
}

static struct symfile *open_elf(Elf *elf, int fd, uint64_t size, struct culprit_error *error)
{
	struct symfile *f;
	GElf_Ehdr eh;

	if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &eh) || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_ident[EI_DATA] != ELFDATA2LSB || (eh.e_machine != EM_X86_64 && eh.e_machine != EM_AARCH64)) {
		errno = -error_set(error, -ENOEXEC, "not a 64-bit ELF file of x86-64 or arm64");
		goto fail;
	}
	f = calloc(1, sizeof(*f));
	if (!f) {
		errno = -error_set(error, -ENOMEM, "out of memory");
		goto fail;
	}
	f->elf = elf;
	f->fd = fd;
	f->file_size = size;
	f->machine = eh.e_machine == EM_X86_64 ? CFI_X86_64 : CFI_ARM64;
	f->type = eh.e_type;
	segments_read(f);
	build_id_read(f);
	return f;
fail:
	elf_end(elf);
	if (fd >= 0)
		close(fd);
	return NULL;
}

struct symfile *symfile_open(int fd, struct culprit_error *error)
{
	struct stat st;

	elf_version(EV_CURRENT);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		errno = -error_set(error, -ENOEXEC, "not a regular file");
		return NULL;
	}
	return open_elf(elf_begin(fd, ELF_C_READ, NULL), fd, (uint64_t)st.st_size, error);
}

struct symfile *symfile_open_memory(const void *bytes, size_t n, struct culprit_error *error)
{
	elf_version(EV_CURRENT);
	return open_elf(elf_memory((char *)(uintptr_t)bytes, n), -1, n, error);
}

void symfile_close(struct symfile *f)
{
	if (!f)
		return;
	elf_end(f->elf);
	if (f->fd >= 0)
		close(f->fd);
	free(f);
}

enum cfi_machine symfile_machine(const struct symfile *f)
{
	return f->machine;
}

size_t symfile_build_id(const struct symfile *f, uint8_t id[SYMFILE_BUILD_ID_MAX])
{
	memcpy(id, f->build_id, f->build_id_len);
	return f->build_id_len;
}

bool symfile_offset(const struct symfile *f, uint64_t address, uint64_t *ret_offset)
{
	for (size_t i = 0; i < f->nsegments; i++) {
		const struct symfile_segment *s = &f->segments[i];

		if (address - s->address < s->size) {
			*ret_offset = address - s->address + s->offset;
			return true;
		}
	}
	return false;
}

bool symfile_address(const struct symfile *f, uint64_t offset, uint64_t *ret_address)
{
	const struct symfile_segment *found = NULL;

	/* Of two that share a page of the file, code counts. */
	for (size_t i = 0; i < f->nsegments; i++) {
		const struct symfile_segment *s = &f->segments[i];

		if (offset - s->offset < s->size && (!found || (s->code && !found->code)))
			found = s;
	}
	if (found)
		*ret_address = offset - found->offset + found->address;
	return found;
}

/* The section of this name; NULL: none. */
static Elf_Scn *section_find(struct symfile *f, const char *name, GElf_Shdr *ret)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(f->elf, &names))
		return NULL;
	while ((scn = elf_nextscn(f->elf, scn))) {
		const char *is;

		if (gelf_getshdr(scn, ret) && (is = elf_strptr(f->elf, names, ret->sh_name)) && !strcmp(is, name))
			return scn;
	}
	return NULL;
}

/* Where it is loaded, its bytes unread: code alone may be 50 MB. 0: there is none. */
static uint64_t section_address(struct symfile *f, const char *name)
{
	GElf_Shdr sh;

	return section_find(f, name, &sh) ? sh.sh_addr : 0;
}

bool symfile_has_section(struct symfile *f, const char *name)
{
	GElf_Shdr sh;

	return section_find(f, name, &sh) && sh.sh_type != SHT_NOBITS;
}

bool symfile_section(struct symfile *f, const char *name, struct symfile_section *ret)
{
	GElf_Shdr sh;
	Elf_Scn *scn = section_find(f, name, &sh);
	Elf_Data *data;

	if (!scn || sh.sh_type == SHT_NOBITS || sh.sh_size > SYMFILE_SECTION_MAX || sh.sh_size > f->file_size)
		return false;
	if (sh.sh_flags & SHF_COMPRESSED) {
		GElf_Chdr ch;

		if (!gelf_getchdr(scn, &ch) || ch.ch_size > SYMFILE_SECTION_MAX || elf_compress(scn, 0, 0) < 0)
			return false;
	}
	data = elf_rawdata(scn, NULL);
	if (!data || !data->d_buf || !data->d_size)
		return false;
	*ret = (struct symfile_section){data->d_buf, data->d_size, sh.sh_addr};
	return true;
}

/* Without section headers: .eh_frame_hdr points at .eh_frame, which is in the same segment and ends with a zero. */
static bool eh_frame_by_header(struct symfile *f, struct symfile_section *ret)
{
	size_t n = 0;

	if (elf_getphdrnum(f->elf, &n))
		return false;
	for (size_t i = 0; i < n && i < 4096; i++) {
		GElf_Phdr ph;
		Elf_Data *data;
		const uint8_t *p;
		uint64_t address, offset, end = 0;
		int32_t to;

		if (!gelf_getphdr(f->elf, (int)i, &ph) || ph.p_type != PT_GNU_EH_FRAME || ph.p_filesz < 8)
			continue;
		data = elf_getdata_rawchunk(f->elf, (int64_t)ph.p_offset, 8, ELF_T_BYTE);
		p = data ? data->d_buf : NULL;
		/* Version 1, eh_frame_ptr relative to itself and 4 bytes: what all linkers write. */
		if (!p || data->d_size < 8 || p[0] != 1 || p[1] != 0x1b)
			return false;
		memcpy(&to, p + 4, 4);
		address = ph.p_vaddr + 4 + (uint64_t)(int64_t)to;
		if (!symfile_offset(f, address, &offset))
			return false;
		for (size_t k = 0; k < f->nsegments; k++) {
			if (address - f->segments[k].address < f->segments[k].size)
				end = f->segments[k].offset + f->segments[k].size;
		}
		if (end > f->file_size)
			end = f->file_size;
		if (end <= offset || end - offset > SYMFILE_SECTION_MAX)
			return false;
		data = elf_getdata_rawchunk(f->elf, (int64_t)offset, end - offset, ELF_T_BYTE);
		if (!data || !data->d_buf)
			return false;
		*ret = (struct symfile_section){data->d_buf, data->d_size, address};
		return true;
	}
	return false;
}

/* Whether the bytes begin with a chain of entries; what a header points at may be anything. */
static size_t entries_extent(const uint8_t *p, size_t n)
{
	size_t at = 0;

	while (n - at >= 4) {
		uint32_t length;

		memcpy(&length, p + at, 4);
		if (!length || length >= 0xfffffff0u || length > n - at - 4)
			break;
		at += 4 + length;
	}
	return at;
}

static uint32_t row_rule(const struct cfi_rows *rows, uint64_t pc, uint64_t *ret_next)
{
	size_t low = 0, high = rows->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (rows->rows[mid].pc <= pc)
			low = mid + 1;
		else
			high = mid;
	}
	*ret_next = low < rows->n ? rows->rows[low].pc : UINT64_MAX;
	return low ? rows->rows[low - 1].rule : 0;
}

/* Procedure linkage tables that the linker left undescribed (lld and gold do). */
static int plt_rows(struct symfile *f, struct unwind_rules *rules, struct cfi_rows *rows)
{
	static const char *const names[] = {".plt", ".plt.got", ".plt.sec", ".iplt"};
	bool x86 = f->machine == CFI_X86_64;
	size_t settled = rows->n;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct culprit_unwind_rule rule = {.cfa = CULPRIT_CFA_SP};
		struct symfile_section s;
		uint64_t next;
		size_t all = rows->n;
		uint32_t covered;

		if (!symfile_section(f, names[i], &s))
			continue;
		rows->n = settled;
		covered = row_rule(rows, s.address, &next);
		rows->n = all;
		if (covered || next < s.address + s.size)
			continue;
		if (x86 ? unwind_plt(s.bytes, s.size, s.address, rules, rows) :
			  cfi_rows_add(rows, s.address, unwind_rules_intern(rules, &rule)) ||
				  cfi_rows_add(rows, s.address + s.size, 0))
			return -ENOMEM;
	}
	return rows->n > settled ? cfi_rows_settle(rows) : 0;
}

/* What handlers of signals return to on arm64 is not described since Linux 5.8: known by its two instructions. */
static int sigreturn_rows(struct symfile *f, struct unwind_rules *rules, struct cfi_rows *rows)
{
	enum { TEXT_MAX = 1 << 16 }; /* it stands in a vdso, or in a small program's own */
	static const uint8_t code[] = {0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4}; /* mov x8, #139; svc #0 */
	struct symfile_section s;
	size_t settled = rows->n;

	if (f->machine != CFI_ARM64 || !symfile_section(f, ".text", &s) || s.size > TEXT_MAX)
		return 0;
	for (size_t at = 0; at + sizeof(code) <= s.size; at += 4) {
		uint64_t next, pc = s.address + at;
		size_t all = rows->n;
		uint32_t covered;

		if (memcmp(s.bytes + at, code, sizeof(code)) != 0)
			continue;
		rows->n = settled;
		covered = row_rule(rows, pc, &next);
		rows->n = all;
		if (covered || next < pc + sizeof(code))
			continue;
		if (cfi_rows_add(rows, pc, unwind_sigreturn_rule(rules)) || cfi_rows_add(rows, pc + sizeof(code), 0))
			return -ENOMEM;
	}
	return rows->n > settled ? cfi_rows_settle(rows) : 0;
}

static int by_pc(const void *a, const void *b)
{
	const struct culprit_unwind_row *x = a, *y = b;

	return x->pc < y->pc ? -1 : x->pc > y->pc;
}

/* From addresses to offsets in the file. */
static int table_make(const struct symfile *f, const struct cfi_rows *rows, struct unwind_table *t)
{
	bool sorted = true;

	t->rows = malloc((rows->n ? rows->n : 1) * sizeof(*t->rows));
	if (!t->rows)
		return -ENOMEM;
	for (size_t i = 0; i < rows->n; i++) {
		uint64_t offset, pc = rows->rows[i].pc;

		/* The end of the last function may be the end of its segment. */
		if (!symfile_offset(f, pc, &offset)) {
			if (rows->rows[i].rule || !pc || !symfile_offset(f, pc - 1, &offset))
				continue;
			offset++;
		}
		if (offset > UINT32_MAX) {
			t->far++;
			continue;
		}
		if (t->n && offset < t->rows[t->n - 1].pc)
			sorted = false;
		t->rows[t->n++] = (struct culprit_unwind_row){(uint32_t)offset, rows->rows[i].rule};
	}
	if (!sorted)
		qsort(t->rows, t->n, sizeof(*t->rows), by_pc);
	if (t->n) {
		struct culprit_unwind_row *less = realloc(t->rows, t->n * sizeof(*t->rows));

		t->rows = less ? less : t->rows;
	}
	return 0;
}

int symfile_unwind(struct symfile *f, struct unwind_rules *rules, struct unwind_table *ret, struct culprit_error *error)
{
	struct cfi_rows rows = {0};
	struct unwind_table t = {.machine = f->machine};
	uint64_t text = section_address(f, ".text"), got = section_address(f, ".got");
	struct symfile_section s;
	int r = 0;

	for (int pass = 0; pass < 2 && !r; pass++) {
		struct cfi_section cfi = {.machine = f->machine, .debug_frame = pass == 1, .text = text,
					  .data = got};

		if (pass == 0) {
			if (!symfile_section(f, ".eh_frame", &s)) {
				if (!eh_frame_by_header(f, &s))
					continue;
				s.size = entries_extent(s.bytes, s.size);
			}
		} else if (rows.fdes > 8 || !symfile_section(f, ".debug_frame", &s)) {
			/* A file with a handful of descriptions in .eh_frame (crt files) may have its own in .debug_frame. */
			continue;
		}
		cfi.bytes = s.bytes;
		cfi.size = s.size;
		cfi.address = s.address;
		r = cfi_parse(&cfi, rules, &rows);
	}
	if (!r)
		r = cfi_rows_settle(&rows);
	if (!r)
		r = plt_rows(f, rules, &rows);
	if (!r)
		r = sigreturn_rows(f, rules, &rows);
	if (!r)
		r = table_make(f, &rows, &t);
	t.fdes = rows.fdes;
	t.bad = rows.bad;
	t.cut = rows.full;
	cfi_rows_finish(&rows);
	if (r) {
		unwind_table_finish(&t);
		return error_set(error, r, "out of memory for unwind rows");
	}
	*ret = t;
	return 0;
}
