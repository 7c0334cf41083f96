#include "unwind_cfi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of DWARF 5 (section 7.24) and of the LSB's .eh_frame. */
enum {
	DW_CFA_nop = 0x00,
	DW_CFA_set_loc = 0x01,
	DW_CFA_advance_loc1 = 0x02,
	DW_CFA_advance_loc2 = 0x03,
	DW_CFA_advance_loc4 = 0x04,
	DW_CFA_offset_extended = 0x05,
	DW_CFA_restore_extended = 0x06,
	DW_CFA_undefined = 0x07,
	DW_CFA_same_value = 0x08,
	DW_CFA_register = 0x09,
	DW_CFA_remember_state = 0x0a,
	DW_CFA_restore_state = 0x0b,
	DW_CFA_def_cfa = 0x0c,
	DW_CFA_def_cfa_register = 0x0d,
	DW_CFA_def_cfa_offset = 0x0e,
	DW_CFA_def_cfa_expression = 0x0f,
	DW_CFA_expression = 0x10,
	DW_CFA_offset_extended_sf = 0x11,
	DW_CFA_def_cfa_sf = 0x12,
	DW_CFA_def_cfa_offset_sf = 0x13,
	DW_CFA_val_offset = 0x14,
	DW_CFA_val_offset_sf = 0x15,
	DW_CFA_val_expression = 0x16,
	DW_CFA_AARCH64_negate_ra_state = 0x2d,
	DW_CFA_GNU_args_size = 0x2e,
	DW_CFA_GNU_negative_offset_extended = 0x2f,
	DW_CFA_advance_loc = 0x40, /* the upper two bits; the operand is in the lower six */
	DW_CFA_offset = 0x80,
	DW_CFA_restore = 0xc0,

	DW_OP_deref = 0x06,
	DW_OP_const1u = 0x08,
	DW_OP_const1s = 0x09,
	DW_OP_plus = 0x22,
	DW_OP_plus_uconst = 0x23,
	DW_OP_shl = 0x24,
	DW_OP_and = 0x1a,
	DW_OP_ge = 0x2a,
	DW_OP_lit0 = 0x30,
	DW_OP_breg0 = 0x70,

	PE_OMIT = 0xff,
	PE_FORM = 0x0f,
	PE_BASE = 0x70,
	PE_INDIRECT = 0x80,
};

struct machine {
	uint64_t sp, fp, ra; /* DWARF numbers of the registers */
};

static const struct machine machines[] = {
	[CFI_X86_64] = {7, 6, 16},
	[CFI_ARM64] = {31, 29, 30},
};

/* Bytes in order; errors stick. */
struct reader {
	const uint8_t *p, *end;
	bool bad;
};

static size_t left(const struct reader *r)
{
	return (size_t)(r->end - r->p);
}

static const uint8_t *take(struct reader *r, uint64_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || n > left(r)) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	return p;
}

static uint64_t take_uint(struct reader *r, unsigned size)
{
	const uint8_t *p = take(r, size);
	uint64_t v = 0;

	for (unsigned i = 0; p && i < size; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static uint64_t take_uleb(struct reader *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		const uint8_t *p = take(r, 1);

		if (!p)
			return 0;
		if (shift < 64)
			v |= (uint64_t)(*p & 0x7f) << shift;
		if (!(*p & 0x80))
			return v;
	}
	r->bad = true;
	return 0;
}

static int64_t take_sleb(struct reader *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		const uint8_t *p = take(r, 1);

		if (!p)
			return 0;
		if (shift < 64)
			v |= (uint64_t)(*p & 0x7f) << shift;
		if (*p & 0x80)
			continue;
		if ((*p & 0x40) && shift + 7 < 64)
			v |= ~(uint64_t)0 << (shift + 7);
		return (int64_t)v;
	}
	r->bad = true;
	return 0;
}

/* --- common information entries ----------------------------------------------------------------------------------- */

struct cie {
	size_t at; /* where it begins; SIZE_MAX: none */
	bool usable;
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra;
	uint8_t pointer, address_size;
	bool augmented, signal;
	struct reader instructions;
};

struct parser {
	const struct cfi_section *s;
	const struct machine *m;
	struct unwind_rules *rules;
	struct cfi_rows *out;
	struct cie cie;  /* the last one used: descriptions come in groups */
	size_t budget;   /* instructions that may still be run: a file may name one long CIE a million times */
	int err;
};

/* An encoded pointer; `at` is the address of its first byte. */
static uint64_t take_pointer(struct parser *p, struct reader *r, uint8_t encoding)
{
	uint64_t at = p->s->address + (uint64_t)(r->p - p->s->bytes), v;

	if (encoding == PE_OMIT)
		return 0;
	switch (encoding & PE_FORM) {
	case 0x00: /* a whole address */
	case 0x04:
	case 0x0c:
		v = take_uint(r, 8);
		break;
	case 0x01:
		v = take_uleb(r);
		break;
	case 0x02:
		v = take_uint(r, 2);
		break;
	case 0x03:
		v = take_uint(r, 4);
		break;
	case 0x09:
		v = (uint64_t)take_sleb(r);
		break;
	case 0x0a:
		v = (uint64_t)(int16_t)take_uint(r, 2);
		break;
	case 0x0b:
		v = (uint64_t)(int32_t)take_uint(r, 4);
		break;
	default:
		r->bad = true;
		return 0;
	}
	switch (encoding & PE_BASE) {
	case 0x00:
		return v;
	case 0x10:
		return v + at;
	case 0x20:
		return v + p->s->text;
	case 0x30:
		return v + p->s->data;
	default: /* relative to the function, aligned: nobody's */
		r->bad = true;
		return 0;
	}
}

/* The augmentation string and its data: "zPLRSB". An unknown letter ends it; what follows is skipped by its length. */
static void cie_augmentation(struct parser *p, struct cie *c, struct reader *r, const char *letters)
{
	struct reader data;
	uint64_t n;

	if (letters[0] == 'e' && letters[1] == 'h') { /* of gcc 2: a pointer, then the letters */
		take(r, 8);
		return;
	}
	if (letters[0] != 'z')
		return;
	n = take_uleb(r);
	data.p = take(r, n);
	if (!data.p)
		return;
	data.end = data.p + n;
	data.bad = false;
	c->augmented = true;
	for (letters++; *letters; letters++) {
		switch (*letters) {
		case 'L':
			take_uint(&data, 1);
			break;
		case 'P': {
			uint8_t encoding = (uint8_t)take_uint(&data, 1);

			if ((encoding & PE_BASE) == 0x50) /* aligned */
				return;
			take_pointer(p, &data, encoding & (uint8_t)~PE_INDIRECT);
			break;
		}
		case 'R':
			c->pointer = (uint8_t)take_uint(&data, 1);
			break;
		case 'S':
			c->signal = true;
			break;
		case 'B': /* arm64: return addresses are signed with the other key; where, the instructions say */
		case 'G':
			break;
		default:
			return;
		}
		if (data.bad) {
			r->bad = true;
			return;
		}
	}
}

/* Reads the length of an entry; false: the end, or damage after which nothing can be found. */
static bool entry_length(struct reader *r, struct reader *body, bool *ret_wide)
{
	uint64_t n = take_uint(r, 4);

	*ret_wide = n == 0xffffffffu;
	if (*ret_wide)
		n = take_uint(r, 8);
	else if (n >= 0xfffffff0u)
		return false;
	body->p = take(r, n);
	body->end = body->p ? body->p + n : NULL;
	body->bad = false;
	return body->p;
}

static bool cie_parse(struct parser *p, size_t at)
{
	const struct cfi_section *s = p->s;
	struct reader r, body;
	struct cie *c = &p->cie;
	const uint8_t *letters, *nul;
	bool wide;
	uint64_t id, version;

	if (c->at == at)
		return c->usable;
	memset(c, 0, sizeof(*c));
	c->at = at;
	r = (struct reader){s->bytes + at, s->bytes + s->size, false};
	if (!entry_length(&r, &body, &wide))
		return false;
	id = take_uint(&body, wide ? 8 : 4);
	if (s->debug_frame ? id != (wide ? UINT64_MAX : UINT32_MAX) : id != 0)
		return false;
	version = take_uint(&body, 1);
	if (body.bad || (version != 1 && version != 3 && version != 4))
		return false;
	letters = body.p;
	nul = memchr(letters, 0, left(&body));
	if (!nul)
		return false;
	body.p = nul + 1;
	c->address_size = 8;
	if (version == 4) {
		c->address_size = (uint8_t)take_uint(&body, 1);
		if (take_uint(&body, 1) != 0 || c->address_size != 8) /* segments */
			return false;
	}
	c->pointer = 0;
	c->code_align = take_uleb(&body);
	c->data_align = take_sleb(&body);
	c->ra = version == 1 ? take_uint(&body, 1) : take_uleb(&body);
	cie_augmentation(p, c, &body, (const char *)letters);
	c->instructions = body;
	c->usable = !body.bad;
	return c->usable;
}

/* --- call frame instructions -------------------------------------------------------------------------------------- */

enum where { W_DEFAULT, W_SAME, W_UNDEFINED, W_CFA, W_SP, W_FP, W_VALUE_CFA, W_OTHER };

struct saved {
	uint8_t where;
	int64_t offset;
};

enum cfa_kind { C_REGISTER, C_SP_DEREF, C_FP_DEREF, C_PLT, C_OTHER };

struct state {
	uint8_t cfa;
	uint64_t reg;
	int64_t offset, add;
	struct saved fp, ra, sp;
	bool ra_signed;
};

static bool fits(int64_t v)
{
	return v >= INT32_MIN && v <= INT32_MAX;
}

/* What a location expression says, where it is one that rows can hold: reg + offset [deref [+ add]]. */
struct expression {
	bool known, deref, plt;
	uint64_t reg;
	int64_t offset, add;
};

static void expression_read(const uint8_t *bytes, uint64_t n, struct expression *e)
{
	struct reader r = {bytes, bytes + n, false};
	uint8_t op;

	memset(e, 0, sizeof(*e));
	op = (uint8_t)take_uint(&r, 1);
	if (r.bad || op < DW_OP_breg0 || op > DW_OP_breg0 + 31)
		return;
	e->reg = op - DW_OP_breg0;
	e->offset = take_sleb(&r);
	/* What linkers describe procedure linkage tables with: sp + 8 + ((pc & 15) >= 11) * 8. */
	if (left(&r) == 9 && e->reg == 7 && e->offset == 8) {
		const uint8_t *p = r.p;

		if (p[0] == DW_OP_breg0 + 16 && p[1] == 0 && p[2] == DW_OP_lit0 + 15 && p[3] == DW_OP_and &&
		    p[4] >= DW_OP_lit0 && p[4] < DW_OP_lit0 + 16 && p[5] == DW_OP_ge && p[6] == DW_OP_lit0 + 3 &&
		    p[7] == DW_OP_shl && p[8] == DW_OP_plus) {
			e->known = e->plt = true;
			e->offset = p[4] - DW_OP_lit0;
			return;
		}
	}
	if (left(&r) && *r.p == DW_OP_deref) {
		r.p++;
		e->deref = true;
		if (left(&r)) {
			op = (uint8_t)take_uint(&r, 1);
			if (op == DW_OP_plus_uconst) {
				e->add = (int64_t)take_uleb(&r);
			} else if (op >= DW_OP_lit0 && op < DW_OP_lit0 + 32) {
				e->add = op - DW_OP_lit0;
				if (take_uint(&r, 1) != DW_OP_plus)
					return;
			} else if (op == DW_OP_const1u || op == DW_OP_const1s) {
				e->add = op == DW_OP_const1u ? (int64_t)take_uint(&r, 1) : (int8_t)take_uint(&r, 1);
				if (take_uint(&r, 1) != DW_OP_plus)
					return;
			} else {
				return;
			}
		}
	}
	e->known = !r.bad && !left(&r);
}

uint32_t unwind_sigreturn_rule(struct unwind_rules *rules)
{
	/* The registers are at sp: siginfo of 128 bytes, 176 of ucontext, fault address, x0 to x30, sp, pc. */
	static const struct culprit_unwind_rule rule = {
		.cfa = CULPRIT_CFA_SP_DEREF,
		.fp = CULPRIT_SAVED_SP,
		.ra = CULPRIT_SAVED_SP,
		.flags = CULPRIT_UNWIND_SIGNAL,
		.cfa_offset = 128 + 176 + 8 + 31 * 8,
		.fp_offset = 128 + 176 + 8 + 29 * 8,
		.ra_offset = 128 + 176 + 8 + 32 * 8,
	};

	return unwind_rules_intern(rules, &rule);
}

/* The rule of a state, as rows hold it. */
static uint32_t state_rule(struct parser *p, const struct state *s)
{
	struct culprit_unwind_rule rule = {0};
	const struct saved *regs[2] = {&s->fp, &s->ra};

	rule.flags = (p->cie.signal ? CULPRIT_UNWIND_SIGNAL : 0) | (s->ra_signed ? CULPRIT_UNWIND_RA_SIGNED : 0);
	if (s->ra.where == W_UNDEFINED) {
		/* Outermost: whatever else is said of it. */
		rule.cfa = CULPRIT_CFA_SP;
		rule.fp = CULPRIT_SAVED_END;
		rule.ra = CULPRIT_SAVED_END;
		rule.flags = 0;
		return unwind_rules_intern(p->rules, &rule);
	}
	/* What older vdsos say of their trampoline is the frame record, which lies elsewhere than the interrupted stack. */
	if (p->cie.signal && p->s->machine == CFI_ARM64)
		return unwind_sigreturn_rule(p->rules);
	if (!fits(s->offset) || !fits(s->add))
		return 1;
	rule.cfa_offset = (int)s->offset;
	switch (s->cfa) {
	case C_REGISTER:
		rule.cfa = s->reg == p->m->sp ? CULPRIT_CFA_SP : s->reg == p->m->fp ? CULPRIT_CFA_FP : CULPRIT_CFA_UNKNOWN;
		break;
	case C_SP_DEREF:
		rule.cfa = CULPRIT_CFA_SP_DEREF;
		rule.cfa_add = (int)s->add;
		break;
	case C_FP_DEREF:
		rule.cfa = CULPRIT_CFA_FP_DEREF;
		rule.cfa_add = (int)s->add;
		break;
	case C_PLT:
		rule.cfa = CULPRIT_CFA_PLT;
		break;
	default:
		rule.cfa = CULPRIT_CFA_UNKNOWN;
		break;
	}
	/* The caller's sp is the CFA, unless said otherwise by who switches stacks. In a signal frame it is said, and the same. */
	if (s->sp.where != W_DEFAULT && !p->cie.signal && !(s->sp.where == W_VALUE_CFA && s->sp.offset == 0))
		rule.cfa = CULPRIT_CFA_UNKNOWN;
	if (rule.cfa == CULPRIT_CFA_UNKNOWN)
		return 1;
	for (int i = 0; i < 2; i++) {
		uint8_t *kind = i ? &rule.ra : &rule.fp;
		int *offset = i ? &rule.ra_offset : &rule.fp_offset;

		switch (regs[i]->where) {
		case W_DEFAULT:
		case W_SAME:
			/* x86-64 has no register that could still hold it. */
			*kind = i && p->m->ra == 16 ? CULPRIT_SAVED_LOST : CULPRIT_SAVED_SAME;
			break;
		case W_UNDEFINED:
			*kind = CULPRIT_SAVED_END;
			break;
		case W_CFA:
			*kind = CULPRIT_SAVED_CFA;
			break;
		case W_SP:
			*kind = CULPRIT_SAVED_SP;
			break;
		case W_FP:
			*kind = CULPRIT_SAVED_FP;
			break;
		default:
			*kind = CULPRIT_SAVED_LOST;
			break;
		}
		if (*kind == CULPRIT_SAVED_CFA || *kind == CULPRIT_SAVED_SP || *kind == CULPRIT_SAVED_FP) {
			if (fits(regs[i]->offset))
				*offset = (int)regs[i]->offset;
			else
				*kind = CULPRIT_SAVED_LOST;
		}
	}
	return unwind_rules_intern(p->rules, &rule);
}

static void row_add(struct parser *p, uint64_t pc, uint32_t rule)
{
	if (cfi_rows_add(p->out, pc, rule))
		p->err = -ENOMEM;
}

static struct saved *saved_of(const struct parser *p, struct state *s, uint64_t reg)
{
	if (reg == p->cie.ra)
		return &s->ra;
	return reg == p->m->fp ? &s->fp : reg == p->m->sp ? &s->sp : NULL;
}

static void set_saved(struct parser *p, struct state *s, uint64_t reg, uint8_t where, int64_t offset)
{
	struct saved *to = saved_of(p, s, reg);

	if (to)
		*to = (struct saved){where, offset};
}

/* The machine that runs the instructions of a CIE and then of one description. */
struct run {
	uint64_t pc, end;
	struct state now, initial, stack[CFI_STATES_MAX];
	unsigned depth;
};

static void advance(struct parser *p, struct run *run, uint64_t to)
{
	if (to > run->pc && run->pc < run->end)
		row_add(p, run->pc, state_rule(p, &run->now));
	run->pc = to;
}

static int64_t scaled(int64_t v, int64_t by)
{
	int64_t r;

	return __builtin_mul_overflow(v, by, &r) ? INT64_MAX : r;
}

static void def_cfa_expression(struct parser *p, struct state *s, struct reader *r)
{
	uint64_t n = take_uleb(r);
	const uint8_t *bytes = take(r, n);
	struct expression e;

	s->cfa = C_OTHER;
	if (!bytes)
		return;
	expression_read(bytes, n, &e);
	if (!e.known)
		return;
	if (e.plt && p->m->ra == 16) {
		s->cfa = C_PLT;
	} else if (!e.deref) {
		s->cfa = C_REGISTER;
		s->reg = e.reg;
	} else if (e.reg == p->m->sp) {
		s->cfa = C_SP_DEREF;
	} else if (e.reg == p->m->fp) {
		s->cfa = C_FP_DEREF;
	} else {
		return;
	}
	s->offset = e.offset;
	s->add = e.add;
}

static void saved_expression(struct parser *p, struct state *s, struct reader *r, bool value)
{
	uint64_t reg = take_uleb(r), n = take_uleb(r);
	const uint8_t *bytes = take(r, n);
	struct expression e;

	if (!bytes)
		return;
	expression_read(bytes, n, &e);
	if (value || !e.known || e.deref || e.plt || (e.reg != p->m->sp && e.reg != p->m->fp))
		set_saved(p, s, reg, W_OTHER, 0);
	else
		set_saved(p, s, reg, e.reg == p->m->sp ? W_SP : W_FP, e.offset);
}

static void restore(struct parser *p, struct run *run, uint64_t reg)
{
	struct saved *to = saved_of(p, &run->now, reg), *from = saved_of(p, &run->initial, reg);

	if (to)
		*to = *from;
}

static void run_instruction(struct parser *p, struct run *run, struct reader *r, uint8_t op)
{
	const struct cie *c = &p->cie;
	struct state *s = &run->now;
	uint64_t reg;

	switch (op) {
	case DW_CFA_nop:
		break;
	case DW_CFA_set_loc:
		advance(p, run, take_pointer(p, r, c->pointer));
		break;
	case DW_CFA_advance_loc1:
		advance(p, run, run->pc + take_uint(r, 1) * c->code_align);
		break;
	case DW_CFA_advance_loc2:
		advance(p, run, run->pc + take_uint(r, 2) * c->code_align);
		break;
	case DW_CFA_advance_loc4:
		advance(p, run, run->pc + take_uint(r, 4) * c->code_align);
		break;
	case DW_CFA_offset_extended:
		reg = take_uleb(r);
		set_saved(p, s, reg, W_CFA, scaled((int64_t)take_uleb(r), c->data_align));
		break;
	case DW_CFA_offset_extended_sf:
		reg = take_uleb(r);
		set_saved(p, s, reg, W_CFA, scaled(take_sleb(r), c->data_align));
		break;
	case DW_CFA_GNU_negative_offset_extended:
		reg = take_uleb(r);
		set_saved(p, s, reg, W_CFA, scaled(-(int64_t)take_uleb(r), c->data_align));
		break;
	case DW_CFA_restore_extended:
		restore(p, run, take_uleb(r));
		break;
	case DW_CFA_undefined:
		set_saved(p, s, take_uleb(r), W_UNDEFINED, 0);
		break;
	case DW_CFA_same_value:
		set_saved(p, s, take_uleb(r), W_SAME, 0);
		break;
	case DW_CFA_register:
		reg = take_uleb(r);
		take_uleb(r);
		set_saved(p, s, reg, W_OTHER, 0);
		break;
	case DW_CFA_remember_state:
		if (run->depth == CFI_STATES_MAX)
			r->bad = true;
		else
			run->stack[run->depth++] = *s;
		break;
	case DW_CFA_restore_state:
		if (!run->depth)
			r->bad = true;
		else
			*s = run->stack[--run->depth];
		break;
	case DW_CFA_def_cfa:
		s->cfa = C_REGISTER;
		s->reg = take_uleb(r);
		s->offset = (int64_t)take_uleb(r);
		break;
	case DW_CFA_def_cfa_sf:
		s->cfa = C_REGISTER;
		s->reg = take_uleb(r);
		s->offset = scaled(take_sleb(r), c->data_align);
		break;
	case DW_CFA_def_cfa_register:
		s->cfa = C_REGISTER;
		s->reg = take_uleb(r);
		break;
	case DW_CFA_def_cfa_offset:
		s->offset = (int64_t)take_uleb(r);
		break;
	case DW_CFA_def_cfa_offset_sf:
		s->offset = scaled(take_sleb(r), c->data_align);
		break;
	case DW_CFA_def_cfa_expression:
		def_cfa_expression(p, s, r);
		break;
	case DW_CFA_expression:
		saved_expression(p, s, r, false);
		break;
	case DW_CFA_val_expression:
		saved_expression(p, s, r, true);
		break;
	case DW_CFA_val_offset:
		reg = take_uleb(r);
		set_saved(p, s, reg, W_VALUE_CFA, scaled((int64_t)take_uleb(r), c->data_align));
		break;
	case DW_CFA_val_offset_sf:
		reg = take_uleb(r);
		set_saved(p, s, reg, W_VALUE_CFA, scaled(take_sleb(r), c->data_align));
		break;
	case DW_CFA_AARCH64_negate_ra_state: /* on SPARC the same number means something else */
		s->ra_signed = !s->ra_signed;
		break;
	case DW_CFA_GNU_args_size:
		take_uleb(r);
		break;
	default:
		r->bad = true;
	}
}

static bool run_instructions(struct parser *p, struct run *run, struct reader r)
{
	while (left(&r) && !r.bad && !p->err) {
		uint8_t op = *r.p++;
		uint8_t low = op & 0x3f;

		if (!p->budget)
			return false;
		p->budget--;
		switch (op & 0xc0) {
		case DW_CFA_advance_loc:
			advance(p, run, run->pc + low * p->cie.code_align);
			break;
		case DW_CFA_offset:
			set_saved(p, &run->now, low, W_CFA, scaled((int64_t)take_uleb(&r), p->cie.data_align));
			break;
		case DW_CFA_restore:
			restore(p, run, low);
			break;
		default:
			run_instruction(p, run, &r, op);
		}
	}
	return !r.bad;
}

/* One description: the rows of a function. */
static void fde_parse(struct parser *p, size_t cie_at, struct reader *r)
{
	size_t before = p->out->n;
	struct run run = {0};
	uint64_t start, length;
	bool whole;

	if (!cie_parse(p, cie_at)) {
		p->out->bad++;
		return;
	}
	if (p->cie.pointer & PE_INDIRECT) {
		p->out->bad++;
		return;
	}
	start = take_pointer(p, r, p->cie.pointer);
	length = take_pointer(p, r, p->cie.pointer & PE_FORM);
	if (p->cie.augmented)
		take(r, take_uleb(r));
	if (r->bad || !length || start + length < start) {
		if (r->bad || length)
			p->out->bad++;
		return;
	}
	if (!start)
		return; /* of a function that the linker dropped */
	p->out->fdes++;
	run.pc = run.end = 0; /* a CIE has no places */
	run.now.cfa = C_OTHER;
	whole = run_instructions(p, &run, p->cie.instructions);
	run.initial = run.now;
	run.pc = start;
	run.end = start + length;
	whole = whole && run_instructions(p, &run, *r);
	if (p->err)
		return;
	if (!whole) {
		/* Nothing of it can be trusted, but that there is code. */
		p->out->n = before;
		p->out->bad++;
		row_add(p, start, 1);
	} else if (run.pc < run.end) {
		row_add(p, run.pc, state_rule(p, &run.now));
	}
	row_add(p, start + length, 0);
}

int cfi_parse(const struct cfi_section *s, struct unwind_rules *rules, struct cfi_rows *out)
{
	struct parser p = {.s = s, .m = &machines[s->machine], .rules = rules, .out = out};
	struct reader r = {s->bytes, s->bytes + s->size, false};

	if (s->swap)
		return -EOPNOTSUPP;
	p.cie.at = SIZE_MAX;
	p.budget = s->size * 4 + 65536;
	while (left(&r) >= 4 && !p.err && !out->full) {
		size_t at = (size_t)(r.p - s->bytes), id_at, cie_at;
		struct reader body;
		uint64_t id;
		bool wide;

		if (!entry_length(&r, &body, &wide)) {
			out->bad++;
			break;
		}
		if (body.p == body.end) {
			if (s->debug_frame)
				continue;
			/* A terminator; crtend's may stand before other objects' entries. */
			continue;
		}
		id_at = (size_t)(body.p - s->bytes);
		id = take_uint(&body, wide ? 8 : 4);
		if (body.bad) {
			out->bad++;
			continue;
		}
		if (s->debug_frame) {
			if (id == (wide ? UINT64_MAX : UINT32_MAX))
				continue;
			cie_at = id < s->size ? (size_t)id : SIZE_MAX;
		} else {
			if (!id)
				continue;
			cie_at = id <= id_at ? (size_t)(id_at - id) : SIZE_MAX;
		}
		if (cie_at >= at && !(s->debug_frame && cie_at < s->size)) {
			out->bad++;
			continue;
		}
		fde_parse(&p, cie_at, &body);
	}
	return p.err;
}
