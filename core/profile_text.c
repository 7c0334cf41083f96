#include "profile_text.h"

#include <errno.h>
#include <string.h>

#include <culprit/host.h>

#include "error.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static const char *line_end(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));

	return nl ? nl : end;
}

static const char *trim(const char *p, const char *end)
{
	while (end > p && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	return end;
}

/* "1234 " or "1234.5": rounded down, at least 1 of what is more than 0. */
static bool weight_parse(const char *p, const char *end, uint64_t *ret)
{
	uint64_t v = 0;
	bool some = false;

	if (p == end)
		return false;
	for (; p < end && is_digit(*p); p++) {
		if (v > UINT64_MAX / 16)
			return false;
		v = v * 10 + (uint64_t)(*p - '0');
	}
	if (p < end && *p == '.') {
		for (p++; p < end && is_digit(*p); p++)
			some = some || *p != '0';
	}
	if (p != end)
		return false;
	*ret = v ? v : some;
	return true;
}

static void frame_module(struct profile_frame *f, const char *p, const char *end)
{
	f->module = p;
	f->module_len = (size_t)(end - p);
	f->kind = CULPRIT_MODULE_FILE;
	if (f->module_len && p[0] == '[') {
		f->kind = CULPRIT_MODULE_KERNEL;
		if (f->module_len >= 7 && !memcmp(p, "[kernel", 7)) {
			f->module = "[kernel]";
			f->module_len = 8;
		} else if (f->module_len == 6 && !memcmp(p, "[vdso]", 6)) {
			f->kind = CULPRIT_MODULE_VDSO;
		} else if (f->module_len == 9 && !memcmp(p, "[unknown]", 9)) {
			f->module_len = 0;
			f->kind = CULPRIT_MODULE_FILE;
		}
	} else if ((f->module_len >= 5 && !memcmp(p, "/tmp/perf-", f->module_len < 10 ? f->module_len : 10) && f->module_len > 10) ||
		   (f->module_len >= 6 && !memcmp(p, "//anon", 6))) {
		f->kind = CULPRIT_MODULE_GENERATED;
	}
}

/* --- folded ------------------------------------------------------------------------------------------------------------ */

static bool folded_line(const char *p, const char *end, struct profile_sample *s)
{
	const char *space, *at;

	end = trim(p, end);
	for (space = end; space > p && space[-1] != ' ' && space[-1] != '\t'; space--)
		;
	if (space == p || !weight_parse(space, end, &s->weight))
		return false;
	end = trim(p, space);
	if (p == end)
		return false;
	s->comm = "";
	s->comm_len = 0;
	s->pid = s->tid = 0;
	s->n = 0;
	s->cut = false;
	/* From the innermost, which stands last. */
	for (at = end; at >= p;) {
		const char *from = at;
		struct profile_frame *f = &s->frames[s->n];

		while (from > p && from[-1] != ';')
			from--;
		if (s->n == PROFILE_FRAMES_MAX) {
			s->cut = true;
			break;
		}
		*f = (struct profile_frame){from, "", (size_t)(at - from), 0, CULPRIT_MODULE_FILE};
		/* Marks that other tools put behind names: kernel, generated, inlined. */
		if (f->name_len > 4 && !memcmp(at - 4, "_[k]", 4)) {
			f->name_len -= 4;
			frame_module(f, "[kernel]", "[kernel]" + 8);
		} else if (f->name_len > 4 && !memcmp(at - 4, "_[j]", 4)) {
			f->name_len -= 4;
			f->kind = CULPRIT_MODULE_GENERATED;
		} else if (f->name_len > 4 && !memcmp(at - 4, "_[i]", 4)) {
			f->name_len -= 4;
		}
		if (f->name_len)
			s->n++;
		at = from - 1;
	}
	return s->n > 0;
}

/* --- perf script -------------------------------------------------------------------------------------------------------- */

/* "comm  1234/1235 [001]  12.345678:  250000 cpu-clock:u: " */
static bool header_line(const char *p, const char *end, struct profile_sample *s)
{
	end = trim(p, end);
	for (const char *at = p + 1; at < end; at++) {
		const char *q = at, *t;
		uint64_t a = 0, b = 0;
		bool two = false;

		if (at[-1] != ' ' || !is_digit(*at))
			continue;
		for (; q < end && is_digit(*q) && a < UINT32_MAX; q++)
			a = a * 10 + (uint64_t)(*q - '0');
		if (q < end && *q == '/' && q + 1 < end && is_digit(q[1])) {
			two = true;
			for (q++; q < end && is_digit(*q) && b < UINT32_MAX; q++)
				b = b * 10 + (uint64_t)(*q - '0');
		}
		if (q == end || *q != ' ')
			continue;
		while (q < end && *q == ' ')
			q++;
		if (q < end && *q == '[') {
			while (q < end && *q != ']')
				q++;
			q += q < end;
			while (q < end && *q == ' ')
				q++;
		}
		for (t = q; t < end && (is_digit(*t) || *t == '.'); t++)
			;
		if (t == q || t == end || *t != ':')
			continue;
		s->comm = p;
		s->comm_len = (size_t)(trim(p, at) - p);
		s->pid = two ? a : 0;
		s->tid = two ? b : a;
		s->n = 0;
		s->cut = false;
		s->weight = 1;
		return true;
	}
	return false;
}

/* "	ffffffff81000108 do_work+0x8 ([kernel.kallsyms])" */
static bool frame_line(const char *p, const char *end, struct profile_sample *s)
{
	struct profile_frame *f;
	const char *name, *open, *plus;
	int depth = 0;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	end = trim(p, end);
	for (name = p; name < end && is_hex(*name); name++)
		;
	if (name == p || name == end || *name != ' ')
		return false;
	while (name < end && *name == ' ')
		name++;
	if (s->n == PROFILE_FRAMES_MAX) {
		s->cut = true;
		return true;
	}
	f = &s->frames[s->n];
	*f = (struct profile_frame){name, "", (size_t)(end - name), 0, CULPRIT_MODULE_FILE};
	/* The module stands in the last parentheses, which may hold others (a deleted file's name). */
	open = end;
	if (end > name && end[-1] == ')') {
		do {
			open--;
			depth += (*open == ')') - (*open == '(');
		} while (open > name && depth);
		if (!depth && (open == name || open[-1] == ' ')) {
			frame_module(f, open + 1, end - 1);
			end = trim(name, open);
			if (f->module_len == 7 && !memcmp(f->module, "inlined", 7))
				f->module_len = 0;
		}
	}
	for (plus = end; plus > name && (is_hex(plus[-1]) || plus[-1] == 'x'); plus--)
		;
	if (plus > name + 1 && plus[-1] == '+' && end - plus > 2 && plus[0] == '0' && plus[1] == 'x')
		end = plus - 1;
	f->name_len = (size_t)(end - name);
	if (f->name_len == 9 && !memcmp(name, "[unknown]", 9)) {
		/* By its address: told apart from others. */
		f->name = p;
		for (f->name_len = 0; is_hex(p[f->name_len]); f->name_len++)
			;
	}
	if (f->name_len)
		s->n++;
	return true;
}

static bool looks_like_perf(const char *text, const char *end)
{
	static struct profile_sample const none;
	bool header = false;
	int lines = 0;

	for (const char *p = text; p < end && lines < 2000; lines++) {
		const char *e = line_end(p, end);

		if (p < e && (*p == ' ' || *p == '\t') && header) {
			const char *q = p;

			while (q < e && (*q == ' ' || *q == '\t'))
				q++;
			if (q + 1 < e && is_hex(q[0]) && is_hex(q[1]))
				return true;
		}
		if (p < e && *p != '#') {
			struct profile_sample s;

			s.n = none.n;
			header = header || header_line(p, e, &s);
		}
		p = e < end ? e + 1 : end;
	}
	return false;
}

int profile_text_parse(const char *text, size_t n, int (*take)(void *self, const struct profile_sample *), void *self,
		       struct profile_counts *counts, struct culprit_error *error)
{
	const char *end = text + n;
	bool perf = looks_like_perf(text, end), open = false;
	struct profile_sample s = {.comm = ""};
	uint64_t line = 0;
	int r = 0;

	memset(counts, 0, sizeof(*counts));
	counts->format = perf ? PROFILE_PERF_SCRIPT : PROFILE_FOLDED;
	for (const char *p = text; p < end && !r;) {
		const char *e = line_end(p, end), *next = e < end ? e + 1 : end;
		const char *stop = trim(p, e);
		bool good = true;

		line++;
		if (perf) {
			if (stop == p || (!open && *p != ' ' && *p != '\t') || (open && *p != ' ' && *p != '\t')) {
				if (open && s.n) {
					counts->samples++;
					r = take(self, &s);
				}
				open = false;
				if (stop > p && *p != '#')
					good = open = header_line(p, stop, &s);
			} else if (open) {
				good = frame_line(p, stop, &s);
			} else {
				/* Names of processes may begin with spaces: perf pads them. */
				good = open = header_line(p, stop, &s);
				while (open && s.comm_len && *s.comm == ' ') {
					s.comm++;
					s.comm_len--;
				}
			}
		} else if (stop > p && *p != '#') {
			good = folded_line(p, stop, &s);
			if (good) {
				counts->samples++;
				r = take(self, &s);
			}
		}
		if (!good) {
			counts->bad++;
			if (!counts->first_bad)
				counts->first_bad = line;
		}
		p = next;
	}
	if (perf && open && s.n && !r) {
		counts->samples++;
		r = take(self, &s);
	}
	if (!r && !counts->samples)
		return error_set(error, -EBADMSG, "no stacks in it: neither output of perf script nor folded stacks (a;b;c 12)");
	return r;
}
