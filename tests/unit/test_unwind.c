/* Unwind rows against libdw, row by row, on real files; and whole walks against the frames that a program knows of. */
#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "procmaps.h"
#include "symfile.h"
#include "symfile_internal.h"
#include "symtab.h"
#include "unwind_walk.h"

enum { REGISTER_FP = 6, REGISTER_SP = 7, REGISTER_RA = 16 };

/* What libdw says of one address, in our words. false: it can't tell. */
static bool oracle_rule(Dwarf_CFI *cfi, uint64_t pc, struct culprit_unwind_rule *rule)
{
	Dwarf_Op memory[3], *ops;
	Dwarf_Frame *frame;
	bool signal;
	size_t n;

	memset(rule, 0, sizeof(*rule));
	if (dwarf_cfi_addrframe(cfi, pc, &frame))
		return false;
	dwarf_frame_info(frame, NULL, NULL, &signal);
	if (dwarf_frame_register(frame, REGISTER_RA, memory, &ops, &n)) {
		free(frame);
		return false;
	}
	if (n == 0 && ops != NULL) { /* undefined */
		rule->cfa = CULPRIT_CFA_SP;
		rule->fp = rule->ra = CULPRIT_SAVED_END;
		free(frame);
		return true;
	}
	rule->flags = signal ? CULPRIT_UNWIND_SIGNAL : 0;
	for (int i = 0; i < 2; i++) {
		uint8_t kind = CULPRIT_SAVED_LOST;
		int offset = 0;

		if (dwarf_frame_register(frame, i ? REGISTER_RA : REGISTER_FP, memory, &ops, &n)) {
			free(frame);
			return false;
		}
		if (n == 0) {
			kind = ops ? CULPRIT_SAVED_END : i ? CULPRIT_SAVED_LOST : CULPRIT_SAVED_SAME;
		} else if (n == 1 && ops[0].atom == DW_OP_call_frame_cfa) {
			kind = CULPRIT_SAVED_CFA;
		} else if (n == 2 && ops[0].atom == DW_OP_call_frame_cfa && ops[1].atom == DW_OP_plus_uconst) {
			kind = CULPRIT_SAVED_CFA;
			offset = (int)(int64_t)ops[1].number;
		} else if (n == 2 && ops[0].atom == DW_OP_call_frame_cfa && ops[1].atom >= DW_OP_breg0 &&
			   ops[1].atom <= DW_OP_breg0 + 31) {
			/* An expression: it finds the CFA on its stack, and leaves it. */
			unsigned reg = ops[1].atom - DW_OP_breg0;

			kind = reg == REGISTER_SP ? CULPRIT_SAVED_SP : reg == REGISTER_FP ? CULPRIT_SAVED_FP : CULPRIT_SAVED_LOST;
			offset = kind != CULPRIT_SAVED_LOST ? (int)(int64_t)ops[1].number : 0;
		}
		*(i ? &rule->ra : &rule->fp) = kind;
		*(i ? &rule->ra_offset : &rule->fp_offset) = offset;
	}
	rule->cfa = CULPRIT_CFA_UNKNOWN;
	if (dwarf_frame_cfa(frame, &ops, &n)) {
		free(frame);
		return false;
	}
	if (n >= 1 && (ops[0].atom == DW_OP_bregx || (ops[0].atom >= DW_OP_breg0 && ops[0].atom <= DW_OP_breg0 + 31))) {
		bool x = ops[0].atom == DW_OP_bregx;
		uint64_t reg = x ? ops[0].number : (uint64_t)ops[0].atom - DW_OP_breg0;

		rule->cfa_offset = (int)(int64_t)(x ? ops[0].number2 : ops[0].number);
		if (reg == REGISTER_SP || reg == REGISTER_FP) {
			bool fp = reg == REGISTER_FP;

			if (n == 1) {
				rule->cfa = fp ? CULPRIT_CFA_FP : CULPRIT_CFA_SP;
			} else if (n == 2 && ops[1].atom == DW_OP_deref) {
				rule->cfa = fp ? CULPRIT_CFA_FP_DEREF : CULPRIT_CFA_SP_DEREF;
			} else if (n == 3 && ops[1].atom == DW_OP_deref && ops[2].atom == DW_OP_plus_uconst) {
				rule->cfa = fp ? CULPRIT_CFA_FP_DEREF : CULPRIT_CFA_SP_DEREF;
				rule->cfa_add = (int)ops[2].number;
			} else if (n > 4 && !fp && rule->cfa_offset == 8 && ops[n - 1].atom == DW_OP_plus &&
				   ops[1].atom == DW_OP_breg16) {
				rule->cfa = CULPRIT_CFA_PLT;
				rule->cfa_offset = ops[4].atom - DW_OP_lit0;
			}
		}
	}
	/* Who switches stacks. */
	if (!dwarf_frame_register(frame, REGISTER_SP, memory, &ops, &n) && !signal &&
	    !(n == 2 && ops[0].atom == DW_OP_call_frame_cfa && ops[1].atom == DW_OP_stack_value))
		rule->cfa = CULPRIT_CFA_UNKNOWN;
	if (rule->cfa == CULPRIT_CFA_UNKNOWN) {
		memset(rule, 0, sizeof(*rule));
		rule->cfa = CULPRIT_CFA_UNKNOWN;
	}
	free(frame);
	return true;
}

struct compared {
	size_t rows, same, unknown, skipped;
};

static bool in_plt(struct symfile *f, uint64_t address)
{
	static const char *const names[] = {".plt", ".plt.got", ".plt.sec", ".iplt"};
	struct symfile_section s;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (symfile_section(f, names[i], &s) && address - s.address < s.size)
			return true;
	}
	return false;
}

/* Every stride-th row at its first and last instruction byte. */
static void compare_file(const char *path, size_t most, struct compared *c)
{
	struct culprit_error error = {""};
	struct unwind_table t = {0};
	struct unwind_rules rules;
	struct symfile *f;
	int fd = open(path, O_RDONLY | O_CLOEXEC), fd2 = open(path, O_RDONLY | O_CLOEXEC);
	Dwarf_CFI *cfi;
	Elf *elf;
	size_t stride;

	memset(c, 0, sizeof(*c));
	assert_true(fd >= 0 && fd2 >= 0);
	assert_int_equal(unwind_rules_init(&rules), 0);
	f = symfile_open(fd, &error);
	if (!f)
		fail_msg("%s: %s", path, error.sentence);
	assert_int_equal(symfile_unwind(f, &rules, &t, &error), 0);
	assert_true(t.n > 0);
	assert_int_equal(t.bad, 0);
	assert_false(t.cut);
	elf_version(EV_CURRENT);
	elf = elf_begin(fd2, ELF_C_READ_MMAP, NULL);
	cfi = dwarf_getcfi_elf(elf);
	assert_non_null(cfi);
	stride = t.n / most + 1;
	for (size_t i = 0; i < t.n; i += stride) {
		uint64_t last = i + 1 < t.n ? t.rows[i + 1].pc - 1 : t.rows[i].pc;

		for (int end = 0; end < 2; end++) {
			const struct culprit_unwind_rule *ours = &rules.rules[t.rows[i].rule];
			uint64_t offset = end ? last : t.rows[i].pc, address;
			struct culprit_unwind_rule theirs;

			if (!symfile_address(f, offset, &address)) /* between segments */
				continue;
			c->rows++;
			if (!oracle_rule(cfi, address, &theirs)) {
				/* It has nothing: nor may we, but for linkage tables that nobody described. */
				if (ours->cfa == CULPRIT_CFA_NONE || in_plt(f, address))
					c->same++;
				else
					c->skipped++;
				continue;
			}
			c->unknown += ours->cfa == CULPRIT_CFA_UNKNOWN;
			if (!memcmp(ours, &theirs, sizeof(theirs))) {
				c->same++;
				continue;
			}
			fail_msg("%s at 0x%" PRIx64 ": ours cfa %d%+d%+d fp %d%+d ra %d%+d flags %d, libdw's cfa %d%+d%+d fp "
				 "%d%+d ra %d%+d flags %d", path, address, ours->cfa, ours->cfa_offset, ours->cfa_add, ours->fp,
				 ours->fp_offset, ours->ra, ours->ra_offset, ours->flags, theirs.cfa, theirs.cfa_offset,
				 theirs.cfa_add, theirs.fp, theirs.fp_offset, theirs.ra, theirs.ra_offset, theirs.flags);
		}
	}
	print_message("# %s: %zu rows, %zu descriptions, %u rules, %zu of %zu places compared, %zu unknown, %zu without oracle\n",
		      path, t.n, t.fdes, rules.n, c->same, c->rows, c->unknown, c->skipped);
	dwarf_cfi_end(cfi);
	elf_end(elf);
	close(fd2);
	symfile_close(f);
	unwind_table_finish(&t);
	unwind_rules_finish(&rules);
}

static void test_rows_against_libdw(void **state)
{
	static const char *const patterns[] = {
		"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
		"/usr/lib/x86_64-linux-gnu/libstdc++.so.6", "/usr/bin/node", "/usr/lib/x86_64-linux-gnu/libpython3*.so.1.0",
		"/usr/lib/jvm/*/lib/server/libjvm.so", "/usr/lib/x86_64-linux-gnu/libLLVM-1?.so.1", "/lib64/ld-linux-x86-64.so.2",
		"/usr/bin/python3.*", TEST_BUILD "/culprit",
	};
	const char *full = getenv("UNWIND_FULL");
	struct compared c;
	glob_t g = {0};

	(void)state;
#ifndef __x86_64__
	skip();
#endif
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		glob(patterns[i], i ? GLOB_APPEND : 0, NULL, &g);
	assert_true(g.gl_pathc > 0);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		if (strstr(g.gl_pathv[i], "config"))
			continue;
		compare_file(g.gl_pathv[i], full ? SIZE_MAX / 2 : 20000, &c);
		assert_true(c.rows > 10);
		/* What rows can't hold is rare in any real file (hand-written assembler). */
		assert_true(c.unknown * 100 <= c.rows * 2);
		assert_true(c.skipped * 1000 <= c.rows);
	}
	globfree(&g);
}

/* --- whole walks ---------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
/* A stack whose frames we know: main's child calls deep(n) n times, through qsort and, at the end, a signal handler. */
static volatile int go_on = 1;
static volatile uint64_t sink;
static int pipe_ready[2];

static __attribute__((noinline, noclone)) void innermost(void)
{
	char c = 1;

	if (write(pipe_ready[1], &c, 1) == 1)
		while (go_on)
			sink++;
}

static __attribute__((noinline, noclone)) void on_signal(int sig)
{
	innermost();
	sink += (uint64_t)sig;
}

static __attribute__((noinline, noclone)) void deep(int n)
{
	volatile char room[200];

	room[n % 200] = (char)n;
	if (n)
		deep(n - 1);
	else
		raise(SIGUSR1);
	sink += (uint64_t)room[n % 200];
}

static __attribute__((noinline, noclone)) int compare(const void *a, const void *b)
{
	deep(10);
	return *(const int *)a - *(const int *)b;
}

static __attribute__((noinline, noclone)) void child(void)
{
	int two[2] = {2, 1};

	signal(SIGUSR1, on_signal);
	qsort(two, 2, sizeof(two[0]), compare);
	_exit(0);
}

struct live {
	struct unwind_space space;
	pid_t pid;
	struct procmaps maps;
	struct unwind_table tables[64];
	struct unwind_rules rules;
};

static bool live_find(struct unwind_space *space, uint64_t pc, struct unwind_code *code)
{
	struct live *l = (struct live *)space;
	const struct procmap *m = procmaps_find(&l->maps, pc);

	if (!m)
		return false;
	code->start = m->start;
	code->offset = m->offset;
	code->table = &l->tables[m - l->maps.maps];
	code->generated = m->kind == PROCMAP_GENERATED;
	return true;
}

static bool live_read(struct unwind_space *space, uint64_t address, uint64_t *ret)
{
	struct live *l = (struct live *)space;
	struct iovec here = {ret, 8}, there = {(void *)(uintptr_t)address, 8};

	return process_vm_readv(l->pid, &here, 1, &there, 1, 0) == 8;
}

static void live_open(struct live *l, pid_t pid)
{
	struct culprit_error error;
	static char text[1 << 20];
	char path[64];
	size_t n = 0;
	ssize_t r;
	int fd;

	memset(l, 0, sizeof(*l));
	l->pid = pid;
	l->space = (struct unwind_space){.find = live_find, .read = live_read, .rules = &l->rules, .machine = CFI_X86_64};
	assert_int_equal(unwind_rules_init(&l->rules), 0);
	procmaps_init(&l->maps);
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	while ((r = read(fd, text + n, sizeof(text) - n)) > 0)
		n += (size_t)r;
	close(fd);
	assert_int_equal(procmaps_parse(&l->maps, text, n), 0);
	for (size_t i = 0; i < l->maps.n && i < 64; i++) {
		const struct procmap *m = &l->maps.maps[i];
		struct symfile *f = NULL;
		char name[4200];
		void *vdso = NULL;

		if (m->kind == PROCMAP_FILE) {
			snprintf(name, sizeof(name), "%.*s", (int)m->name_len, l->maps.names + m->name);
			fd = open(name, O_RDONLY | O_CLOEXEC);
			f = fd >= 0 ? symfile_open(fd, &error) : NULL;
		} else if (m->kind == PROCMAP_VDSO) {
			struct iovec here, there = {(void *)(uintptr_t)m->start, (size_t)(m->end - m->start)};

			vdso = malloc(there.iov_len);
			here = (struct iovec){vdso, there.iov_len};
			assert_int_equal(process_vm_readv(pid, &here, 1, &there, 1, 0), (ssize_t)there.iov_len);
			f = symfile_open_memory(vdso, there.iov_len, &error);
			assert_non_null(f);
		}
		if (f)
			assert_int_equal(symfile_unwind(f, &l->rules, &l->tables[i], &error), 0);
		if (m->kind == PROCMAP_VDSO)
			assert_true(l->tables[i].n > 0);
		symfile_close(f);
		free(vdso);
	}
}

static void live_close(struct live *l)
{
	for (size_t i = 0; i < 64; i++)
		unwind_table_finish(&l->tables[i]);
	procmaps_finish(&l->maps);
	unwind_rules_finish(&l->rules);
}

static struct unwind_regs regs_of(pid_t pid)
{
	struct user_regs_struct u;

	assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &u), 0);
	return (struct unwind_regs){.pc = u.rip, .sp = u.rsp, .fp = u.rbp};
}

static bool in(uint64_t pc, void (*function)(void))
{
	return pc > (uint64_t)(uintptr_t)function && pc < (uint64_t)(uintptr_t)function + 400;
}

static void test_walks_a_stopped_process(void **state)
{
	enum culprit_unwind_end end;
	uint64_t pcs[256];
	size_t n, i, deeps = 0;
	struct live l;
	int status;
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(pipe_ready), 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when an assertion fails here */
		child();
	}
	assert_int_equal(read(pipe_ready[0], &c, 1), 1);
	assert_int_equal(ptrace(PTRACE_ATTACH, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	live_open(&l, pid);
	/* Wherever it is stopped: 400 single steps, each with a whole walk, through write, the handler, and back. */
	n = unwind_walk(&l.space, regs_of(pid), pcs, 256, &end);
	assert_int_equal(end, CULPRIT_STACK_WHOLE);
	/* It may still be in write(), which sanitizers put functions of their own around. */
	for (i = 0; i < n && i < 5 && !in(pcs[i], innermost); i++)
		;
	assert_true(i < n && i < 5);
	for (i = 0; i < n && !in(pcs[i], (void (*)(void))on_signal); i++)
		;
	assert_true(i < n);
	/* deep() returns into itself ten times, each time to the same place. */
	for (size_t k = i; k < n; k++) {
		size_t same = 0;

		for (size_t m = k; m < n; m++)
			same += pcs[m] == pcs[k];
		deeps = same > deeps ? same : deeps;
	}
	assert_int_equal(deeps, 10);
	for (i = 0; i < n && !in(pcs[i], (void (*)(void))compare); i++)
		;
	assert_true(i < n);
	for (; i < n && !in(pcs[i], child); i++)
		;
	assert_true(i < n);
	assert_int_equal(ptrace(PTRACE_POKEDATA, pid, &go_on, 0), 0);
	for (i = 0; i < 4000; i++) {
		struct unwind_regs regs;

		assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status))
			break;
		assert_true(WIFSTOPPED(status));
		regs = regs_of(pid);
		n = unwind_walk(&l.space, regs, pcs, 256, &end);
		if (end != CULPRIT_STACK_WHOLE) {
			Dl_info info = {0};

			/* On the way into it the PLT pushes a number, of which some linkers' rows know nothing. */
			if (n == 2 && pcs[1] < 4096)
				break;
			dladdr((void *)(uintptr_t)pcs[n - 1], &info);
			/* The dynamic linker's lazy binding keeps its CFA in rbx, which rows can't hold. */
			if (end == CULPRIT_STACK_UNKNOWN && info.dli_fname && strstr(info.dli_fname, "ld-linux"))
				break;
			fail_msg("step %zu: stopped after %zu frames for reason %d, at %s+0x%" PRIx64, i, n, end,
				 info.dli_fname ? info.dli_fname : "?", pcs[n - 1] - (uint64_t)(uintptr_t)info.dli_fbase);
		}
	}
	print_message("# %zu steps, a whole walk at each\n", i);
	assert_true(i > 200);
	live_close(&l);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(pipe_ready[0]);
	close(pipe_ready[1]);
}
#endif

/* --- arm64 ------------------------------------------------------------------------------------------------------------ */

struct recorded {
	struct unwind_space space;
	const struct unwind_table *table;
	uint64_t base, stack[128]; /* memory from `base` on */
};

static bool recorded_find(struct unwind_space *space, uint64_t pc, struct unwind_code *code)
{
	struct recorded *r = (struct recorded *)space;

	if (pc < 0x10000 || pc >= 0x20000)
		return false;
	*code = (struct unwind_code){.table = r->table, .start = 0x10000, .offset = 0};
	return true;
}

static bool recorded_read(struct unwind_space *space, uint64_t address, uint64_t *ret)
{
	struct recorded *r = (struct recorded *)space;

	if (address < r->base || address + 8 > r->base + sizeof(r->stack) || address & 7)
		return false;
	*ret = r->stack[(address - r->base) / 8];
	return true;
}

/* leaf (link register) -> framed function with a signed return address -> signal -> interrupted leaf -> outermost. */
static void test_walks_arm64(void **state)
{
	static const struct {
		uint32_t pc;
		struct culprit_unwind_rule rule;
	} made[] = {
		{0x100, {CULPRIT_CFA_SP, CULPRIT_SAVED_SAME, CULPRIT_SAVED_SAME, 0, 0, 0, 0, 0}},
		{0x200, {CULPRIT_CFA_SP, CULPRIT_SAVED_CFA, CULPRIT_SAVED_CFA, CULPRIT_UNWIND_RA_SIGNED, 48, 0, -48, -40}},
		{0x2fc, {CULPRIT_CFA_SP_DEREF, CULPRIT_SAVED_SP, CULPRIT_SAVED_SP, CULPRIT_UNWIND_SIGNAL, 560, 0, 544, 568}},
		{0x400, {CULPRIT_CFA_FP, CULPRIT_SAVED_CFA, CULPRIT_SAVED_CFA, 0, 16, 0, -16, -8}},
		{0x500, {CULPRIT_CFA_SP, CULPRIT_SAVED_END, CULPRIT_SAVED_END, 0, 0, 0, 0, 0}},
	};
	static const uint64_t expected[] = {0x10110, 0x10220, 0x10300, 0x10120, 0x10450, 0x10510};
	struct culprit_unwind_row rows[5];
	struct unwind_table table = {.rows = rows, .n = 5, .machine = CFI_ARM64};
	struct recorded r = {.table = &table, .base = 0x7000};
	enum culprit_unwind_end end;
	struct unwind_rules rules;
	uint64_t pcs[16];
	size_t n;

	(void)state;
	assert_int_equal(unwind_rules_init(&rules), 0);
	for (size_t i = 0; i < 5; i++)
		rows[i] = (struct culprit_unwind_row){made[i].pc, unwind_rules_intern(&rules, &made[i].rule)};
	r.space = (struct unwind_space){.find = recorded_find, .read = recorded_read, .rules = &rules, .machine = CFI_ARM64};
	/* The framed function at 0x7000, cfa 0x7030 where the kernel's signal frame begins. */
	r.stack[0] = 0x7200;                       /* fp */
	r.stack[1] = 0x10300 | 0x00a5000000000000; /* its return address, the trampoline, signed */
	r.stack[(0x30 + 544) / 8] = 0x7380;        /* x29 of the interrupted code */
	r.stack[(0x30 + 552) / 8] = 0x10450;       /* x30: it was a leaf */
	r.stack[(0x30 + 560) / 8] = 0x7370;        /* sp */
	r.stack[(0x30 + 568) / 8] = 0x10120;       /* pc */
	r.stack[0x380 / 8] = 0;
	r.stack[0x388 / 8] = 0x10510;
	n = unwind_walk(&r.space, (struct unwind_regs){.pc = 0x10110, .sp = 0x7000, .fp = 0x7000, .lr = 0x10220}, pcs, 16, &end);
	assert_int_equal(end, CULPRIT_STACK_WHOLE);
	assert_int_equal(n, 6);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(pcs[i], expected[i]);
	unwind_rules_finish(&rules);
}

/* A stack of a real arm64 program, recorded with its registers: tests/fixtures/arm64/stack.c says how, and what calls what. */
struct kept {
	struct unwind_space space;
	struct unwind_table table;
	struct symfile *file;
	const uint64_t *memory; /* from sp on */
	uint64_t sp, n;         /* bytes */
};

enum { ARM64_PROGRAM_AT = 0x400000, ARM64_TEXT_END = 0x401000 };

static bool kept_find(struct unwind_space *space, uint64_t pc, struct unwind_code *code)
{
	struct kept *k = (struct kept *)space;

	if (pc < ARM64_PROGRAM_AT || pc >= ARM64_TEXT_END)
		return false;
	*code = (struct unwind_code){.table = &k->table, .start = ARM64_PROGRAM_AT, .offset = 0};
	return true;
}

static bool kept_read(struct unwind_space *space, uint64_t address, uint64_t *ret)
{
	struct kept *k = (struct kept *)space;

	if (address < k->sp || address & 7 || address - k->sp + 8 > k->n)
		return false;
	*ret = k->memory[(address - k->sp) / 8];
	return true;
}

/* The first `cap` bytes of a fixture, which starts at a multiple of 8; how many there are. */
static size_t fixture_bytes(const char *path, void *bytes, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, bytes, cap);
	close(fd);
	assert_true(n > 0 && (size_t)n < cap);
	return (size_t)n;
}

static void test_walks_a_recorded_arm64_stack(void **state)
{
	static const char *const calls[] = {"capture", "handler", "trampoline", "leaf", "dynamic", "deep", "deep", "deep", "work", "_start"};
	enum { CALLS = sizeof(calls) / sizeof(calls[0]) };
	static uint64_t program[2048], stack[2048];
	size_t size = fixture_bytes("tests/fixtures/arm64/program", program, sizeof(program)), n;
	size_t bytes = fixture_bytes("tests/fixtures/arm64/stack", stack, sizeof(stack));
	struct unwind_regs regs = {.pc = stack[0], .sp = stack[1], .fp = stack[2], .lr = stack[3]};
	struct kept k = {.memory = stack + 4, .sp = regs.sp, .n = bytes - 32};
	enum symfile_origin origin;
	enum culprit_unwind_end end;
	struct symtab symbols = {0};
	struct culprit_error error = {""};
	struct unwind_rules rules;
	uint64_t pcs[32], place, signed_bits = 0;

	(void)state;
	assert_int_equal(unwind_rules_init(&rules), 0);
	k.file = symfile_open_memory(program, size, &error);
	assert_non_null(k.file);
	assert_int_equal(symfile_machine(k.file), CFI_ARM64);
	assert_int_equal(symfile_unwind(k.file, &rules, &k.table, &error), 0);
	assert_int_equal(symfile_symbols(k.file, -1, NULL, &symbols, &origin), 0);
	k.space = (struct unwind_space){.find = kept_find, .read = kept_read, .rules = &rules, .machine = CFI_ARM64};
	/* Its return addresses are really signed, else it proves less than it says. */
	for (size_t i = 0; i < k.n / 8; i++)
		if (k.memory[i] >> 48 && (k.memory[i] & 0xffffffffffff) - ARM64_PROGRAM_AT < ARM64_TEXT_END - ARM64_PROGRAM_AT)
			signed_bits |= k.memory[i] >> 48;
	assert_true(signed_bits);
	n = unwind_walk(&k.space, regs, pcs, 32, &end);
	for (size_t i = 0; i < n; i++) {
		/* The trampoline's address is exact, as is that which the signal came at; others return behind a call. */
		uint64_t at = pcs[i] - (i && i != 2 && i != 3);
		const struct symtab_entry *e;

		assert_true(symfile_offset(k.file, at, &place));
		e = symtab_find(&symbols, place, &at);
		assert_non_null(e);
		assert_true(i < CALLS);
		assert_string_equal(symtab_name(&symbols, e), calls[i]);
	}
	assert_int_equal(end, CULPRIT_STACK_WHOLE);
	assert_int_equal(n, CALLS);
	/* A stack that was cut is told from a whole one. */
	k.n = 4000;
	unwind_walk(&k.space, regs, pcs, 32, &end);
	assert_int_equal(end, CULPRIT_STACK_UNREADABLE);
	symtab_finish(&symbols);
	symfile_close(k.file);
	unwind_table_finish(&k.table);
	unwind_rules_finish(&rules);
}

static void test_maps_are_parsed(void **state)
{
	static const char text[] =
		"00400000-00401000 r--p 00000000 fe:01 131 /bin/x\n"
		"00401000-00402000 r-xp 00001000 fe:01 131                        /bin/x\n"
		"7f0000000000-7f0000001000 r-xp 00000000 00:00 0 \n"
		"7f0000002000-7f0000003000 r-xp 00002000 fe:01 77 /tmp/a b (deleted)\n"
		"7f0000003000-7f0000004000 rwxp 00000000 00:01 9 /memfd:jit (deleted)\n"
		"garbage\n"
		"7f0000005000-7f0000004000 r-xp 00000000 00:00 0 \n"
		"7ffff0000000-7ffff0002000 r-xp 00000000 00:00 0                  [vdso]\n"
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0          [vsyscall]\n"
		"7f0000003000-7f0000004000 r-xp 00000000 00:00 0 \n";
	struct procmaps p;

	(void)state;
	procmaps_init(&p);
	assert_int_equal(procmaps_parse(&p, text, sizeof(text) - 1), 0);
	assert_int_equal(p.n, 6);
	assert_int_equal(p.maps[0].kind, PROCMAP_FILE);
	assert_int_equal(p.maps[0].offset, 0x1000);
	assert_int_equal(p.maps[0].inode, 131);
	assert_int_equal(p.maps[1].kind, PROCMAP_GENERATED);
	assert_true(p.maps[2].deleted);
	assert_int_equal(p.maps[2].name_len, 8);
	assert_memory_equal(p.names + p.maps[2].name, "/tmp/a b", 8);
	assert_int_equal(p.maps[3].kind, PROCMAP_GENERATED);
	assert_int_equal(p.maps[4].kind, PROCMAP_VDSO);
	assert_int_equal(p.maps[5].kind, PROCMAP_VSYSCALL);
	assert_null(procmaps_find(&p, 0x402000));
	assert_ptr_equal(procmaps_find(&p, 0x401fff), &p.maps[0]);
	procmaps_finish(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_against_libdw),
#if defined(__x86_64__)
		cmocka_unit_test(test_walks_a_stopped_process),
#endif
		cmocka_unit_test(test_walks_arm64),
		cmocka_unit_test(test_walks_a_recorded_arm64_stack),
		cmocka_unit_test(test_maps_are_parsed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
