/* Any bytes as an ELF file: rows and names come out in order, or nothing does. MiniDebugInfo is an ELF file in it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "symfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n + 1), id[SYMFILE_BUILD_ID_MAX];
	struct unwind_table table = {0};
	struct symtab symbols = {0};
	enum symfile_origin origin;
	struct unwind_rules rules;
	struct symfile *f;
	uint64_t at;

	if (!copy)
		return 0;
	memcpy(copy, data, n);
	f = symfile_open_memory(copy, n, NULL);
	if (f) {
		symfile_build_id(f, id);
		symfile_offset(f, 0x1000, &at);
		symfile_address(f, 0x1000, &at);
		if (!unwind_rules_init(&rules)) {
			if (!symfile_unwind(f, &rules, &table, NULL)) {
				for (size_t i = 0; i < table.n; i++) {
					if (table.rows[i].rule >= rules.n || (i && table.rows[i].pc < table.rows[i - 1].pc))
						abort();
				}
			}
			unwind_table_finish(&table);
			unwind_rules_finish(&rules);
		}
		if (!symfile_symbols(f, -1, NULL, &symbols, &origin)) {
			for (size_t i = 0; i < symbols.n; i++) {
				if (strlen(symtab_name(&symbols, &symbols.entries[i])) > SYMTAB_NAME_MAX ||
				    (i && symbols.entries[i].start <= symbols.entries[i - 1].start))
					abort();
			}
			symtab_finish(&symbols);
		}
		symfile_close(f);
	}
	free(copy);
	return 0;
}
