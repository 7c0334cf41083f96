/* How a stack is walked without frame pointers: rows made from the call frame information of a file (.eh_frame,
 * .debug_frame), in a shape that a BPF program can search. Includes nothing, so that a BPF program can include it.
 *
 * A file's rows are sorted by pc. The row in force at an instruction is the last one with pc <= its offset in the file; it
 * names a rule in a table that all files share. A rule of kind CULPRIT_CFA_NONE: no code is known there. Look up pc - 1,
 * except for the innermost frame and for the frame after (outside) one whose rule is of a signal frame.
 *
 * One step: cfa by `cfa`; the caller's frame pointer by `fp`, its pc by `ra`, its stack pointer is the cfa. */
#ifndef CULPRIT_UNWIND_H
#define CULPRIT_UNWIND_H

struct culprit_unwind_row {
	unsigned int pc;   /* offset in the file, not an address */
	unsigned int rule; /* place in the shared table of rules; 0 is always CULPRIT_CFA_NONE */
};

enum culprit_cfa {
	CULPRIT_CFA_NONE = 0,     /* nothing known here: not code, or code without a description */
	CULPRIT_CFA_SP = 1,       /* sp + cfa_offset */
	CULPRIT_CFA_FP = 2,       /* fp + cfa_offset */
	CULPRIT_CFA_SP_DEREF = 3, /* *(sp + cfa_offset) + cfa_add */
	CULPRIT_CFA_FP_DEREF = 4, /* *(fp + cfa_offset) + cfa_add */
	CULPRIT_CFA_PLT = 5,      /* sp + 8 + (pc % 16 >= cfa_offset ? 8 : 0); x86-64 procedure linkage tables */
	CULPRIT_CFA_UNKNOWN = 6,  /* described by what rows can't hold (another register, an expression): stop, truncated */
};

/* Where a register of the caller is. */
enum culprit_saved {
	CULPRIT_SAVED_SAME = 0,   /* unchanged; for `ra`: still in the link register (arm64), innermost frames only */
	CULPRIT_SAVED_CFA = 1,    /* *(cfa + offset) */
	CULPRIT_SAVED_SP = 2,     /* *(sp + offset), sp of this frame */
	CULPRIT_SAVED_FP = 3,     /* *(fp + offset), fp of this frame */
	CULPRIT_SAVED_END = 4,    /* for `ra`: there is no caller, the stack ends here. For `fp`: lost, no frame needs it */
	CULPRIT_SAVED_LOST = 5,   /* kept where rows can't say; the walk goes on until something needs it */
};

enum culprit_unwind_flags {
	CULPRIT_UNWIND_SIGNAL = 1,    /* a signal frame: the caller's pc is exact, not that of a return */
	CULPRIT_UNWIND_RA_SIGNED = 2, /* arm64 pointer authentication: clear the upper bits of the return address */
};

/* 20 bytes. */
struct culprit_unwind_rule {
	unsigned char cfa, fp, ra, flags;
	int cfa_offset, cfa_add, fp_offset, ra_offset;
};

/* Why a walk ended. Only the first is a whole stack. */
enum culprit_unwind_end {
	CULPRIT_STACK_WHOLE = 0,     /* the outermost frame was reached */
	CULPRIT_STACK_DEEP = 1,      /* more frames than are kept */
	CULPRIT_STACK_UNMAPPED = 2,  /* a return address in no mapping that is known */
	CULPRIT_STACK_NO_ROWS = 3,   /* code of a file without call frame information there */
	CULPRIT_STACK_UNKNOWN = 4,   /* information that rows can't hold (CULPRIT_CFA_UNKNOWN) */
	CULPRIT_STACK_LOST = 5,      /* a register that is needed was lost further in */
	CULPRIT_STACK_UNREADABLE = 6, /* stack memory that could not be read */
	CULPRIT_STACK_ASTRAY = 7,    /* the stack pointer did not rise: damaged, or wrong information */
	CULPRIT_STACK_NO_FP = 8,     /* generated code without frame pointers */
	CULPRIT_STACK_PENDING = 9,   /* the rows of a file are not made yet */
};

#endif
