/* Any bytes as .eh_frame or .debug_frame: rows come out sorted, of rules that exist, in bounded time. The first byte says
 * which section and machine. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "unwind_cfi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct cfi_section s = {.machine = n && data[0] & 2 ? CFI_ARM64 : CFI_X86_64, .debug_frame = n && data[0] & 1,
				.address = 0x400000};
	struct unwind_rules rules;
	struct cfi_rows rows = {0};
	uint8_t *copy;

	if (!n)
		return 0;
	copy = malloc(n); /* of its own, so that a byte too far is seen */
	if (!copy || unwind_rules_init(&rules))
		abort();
	memcpy(copy, data + 1, n - 1);
	s.bytes = copy;
	s.size = n - 1;
	if (cfi_parse(&s, &rules, &rows) || cfi_rows_settle(&rows))
		abort();
	for (size_t i = 0; i < rows.n; i++) {
		if (rows.rows[i].rule >= rules.n || (i && rows.rows[i].pc <= rows.rows[i - 1].pc))
			abort();
	}
	cfi_rows_finish(&rows);
	unwind_rules_finish(&rules);
	free(copy);
	return 0;
}
