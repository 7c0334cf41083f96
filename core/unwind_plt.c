/* Procedure linkage tables of x86-64 that the linker left undescribed (lld, mold, gold): their few instructions tell how deep
 * the stack is. */
#include <string.h>

#include "unwind_cfi.h"

/* Length of the instruction at p, 0: not one that stands in such tables; `push`: it pushes 8 bytes; `jump`: it ends an entry. */
static size_t instruction(const uint8_t *p, size_t n, bool *push, bool *jump)
{
	static const struct {
		uint8_t bytes[4];
		uint8_t match, length;
		bool push, jump;
	} known[] = {
		{{0xf3, 0x0f, 0x1e, 0xfa}, 4, 4, false, false}, /* endbr64 */
		{{0xf2, 0xff, 0x25}, 3, 7, false, true},        /* bnd jmp *x(%rip) */
		{{0xff, 0x25}, 2, 6, false, true},              /* jmp *x(%rip) */
		{{0xff, 0x35}, 2, 6, true, false},              /* push x(%rip) */
		{{0xff, 0xe3}, 2, 2, false, true},              /* jmp *%rbx, and the like */
		{{0x41, 0xff, 0xe3}, 3, 3, false, true},        /* jmp *%r11 */
		{{0xf2, 0xe9}, 2, 6, false, true},              /* bnd jmp */
		{{0xe9}, 1, 5, false, true},                    /* jmp */
		{{0xeb}, 1, 2, false, true},                    /* jmp, short */
		{{0x68}, 1, 5, true, false},                    /* push $x */
		{{0x6a}, 1, 2, true, false},
		{{0x41, 0x53}, 2, 2, true, false},              /* push %r11 */
		{{0x41, 0xbb}, 2, 6, false, false},             /* mov $x, %r11d */
		{{0x4c, 0x8b, 0x1d}, 3, 7, false, false},       /* mov x(%rip), %r11 */
		{{0x4c, 0x8d, 0x1d}, 3, 7, false, false},       /* lea x(%rip), %r11 */
		{{0xcc}, 1, 1, false, false},                   /* int3 */
		{{0x90}, 1, 1, false, false},
		{{0x66, 0x90}, 2, 2, false, false},
		{{0x0f, 0x1f, 0x00}, 3, 3, false, false},
		{{0x0f, 0x1f, 0x40}, 3, 4, false, false},
		{{0x0f, 0x1f, 0x44}, 3, 5, false, false},
		{{0x66, 0x0f, 0x1f, 0x44}, 4, 6, false, false},
		{{0x0f, 0x1f, 0x80}, 3, 7, false, false},
		{{0x0f, 0x1f, 0x84}, 3, 8, false, false},
		{{0x66, 0x0f, 0x1f, 0x84}, 4, 9, false, false},
		{{0xf4}, 1, 1, false, false},                   /* hlt */
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (n >= known[i].length && !memcmp(p, known[i].bytes, known[i].match)) {
			*push = known[i].push;
			*jump = known[i].jump;
			return known[i].length;
		}
	}
	return 0;
}

int unwind_plt(const uint8_t *bytes, size_t size, uint64_t address, struct unwind_rules *rules, struct cfi_rows *rows)
{
	struct culprit_unwind_rule rule = {.cfa = CULPRIT_CFA_SP, .ra = CULPRIT_SAVED_CFA, .ra_offset = -8};
	int depth = 8, said = 0, r = 0;

	for (size_t at = 0; at < size && !r;) {
		bool push, jump;
		size_t n = instruction(bytes + at, size - at, &push, &jump);

		if (!n) {
			r = cfi_rows_add(rows, address + at, 1);
			break;
		}
		if (depth != said) {
			rule.cfa_offset = said = depth;
			r = cfi_rows_add(rows, address + at, unwind_rules_intern(rules, &rule));
		}
		depth = jump ? 8 : push && depth < 64 ? depth + 8 : depth;
		at += n;
	}
	return r ? r : cfi_rows_add(rows, address + size, 0);
}
