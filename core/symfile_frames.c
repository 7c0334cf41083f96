/* Functions without a name: where a stripped file's symbols say nothing, the search table of its unwind information (LSB,
 * .eh_frame_hdr) still says where functions begin, so that the places in one of them are one row of a flame, not hundreds. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "symfile_internal.h"

enum {
	HEADER = 12,                /* version, three encodings, the address of .eh_frame, the count */
	ENTRY = 8,                  /* two 32-bit distances from the section's begin: of the function, of its description */
	ENCODED_COUNT = 0x03,       /* udata4 */
	ENCODED_ENTRY = 0x3b,       /* datarel, sdata4: what linkers write; others are left alone */
};

static int64_t read_i32(const uint8_t *p)
{
	int32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

int symfile_frames(struct symfile *f, struct symtab *t)
{
	struct symfile_section s;
	uint64_t *starts, n, kept = 0, end;
	int r = 0;

	if (!symfile_section(f, ".eh_frame_hdr", &s) || s.size < HEADER || s.bytes[0] != 1 || (s.bytes[1] & 0x0f) % 8 != 3 ||
	    s.bytes[2] != ENCODED_COUNT || s.bytes[3] != ENCODED_ENTRY)
		return 0;
	n = (uint32_t)read_i32(s.bytes + 8);
	if (n > (s.size - HEADER) / ENTRY)
		n = (s.size - HEADER) / ENTRY;
	starts = n ? malloc(n * sizeof(*starts)) : NULL;
	if (!starts)
		return n ? -ENOMEM : 0;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t address = s.address + (uint64_t)read_i32(s.bytes + HEADER + i * ENTRY), offset;
		const struct symtab_entry *e;

		if (!symfile_offset(f, address, &offset))
			continue;
		/* A piece of a function that has a name is that function. A label's extent is not known: there it ends. */
		e = symtab_find(t, offset, &end);
		if (!e || (!e->size && e->start != offset))
			starts[kept++] = offset;
	}
	for (uint64_t i = 0; i < kept && !r; i++)
		r = symtab_add(t, starts[i], 0, "", 0, 0);
	free(starts);
	if (!r)
		symtab_settle(t);
	return r;
}
