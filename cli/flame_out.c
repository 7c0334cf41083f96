#include "flame_out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "units.h"

const struct flame_format flame_formats[] = {
	{"text", flame_write_text}, {"folded", flame_write_folded}, {"speedscope", flame_write_speedscope},
	{"pprof", flame_write_pprof}, {"svg", flame_write_svg}, {NULL, NULL},
};

uint32_t flame_after(const struct flame *f, uint32_t node)
{
	const struct flame_node *n = flame_node(f, node);

	if (n->child)
		return n->child;
	while (node && !flame_node(f, node)->next)
		node = flame_node(f, node)->parent;
	return node ? flame_node(f, node)->next : 0;
}

const char *flame_name(const struct flame_frame *frame, char *buf, size_t cap)
{
	text_sanitise(buf, cap, frame->name, frame->name_len, TEXT_UTF8);
	return buf;
}

const char *flame_unit(uint32_t unit)
{
	return unit == CULPRIT_NS ? "ns" : unit == CULPRIT_BYTES ? "bytes" : "samples";
}

/* --- folded: a;b;c 12, as flamegraph.pl and others read it --------------------------------------------------------------- */

static void folded_frames(const struct flame *f, uint32_t node, FILE *out)
{
	uint32_t path[FLAME_DEPTH_MAX], n = 0;

	for (; node && n < FLAME_DEPTH_MAX; node = flame_node(f, node)->parent)
		path[n++] = node;
	while (n--) {
		const struct flame_frame *frame = flame_frame(f, flame_node(f, path[n])->frame);
		char name[4096];

		/* ; and the last space mean something there. */
		for (const char *p = flame_name(frame, name, sizeof(name)); *p; p++)
			putc(*p == ';' ? ':' : *p, out);
		if (frame->kind == FLAME_KERNEL)
			fputs("_[k]", out);
		else if (frame->kind == FLAME_JIT)
			fputs("_[j]", out);
		if (n)
			putc(';', out);
	}
}

int flame_write_folded(const struct flame *f, const struct flame_title *title, FILE *out)
{
	for (uint32_t node = flame_after(f, 0); node; node = flame_after(f, node)) {
		const struct flame_node *n = flame_node(f, node);

		if (!(n->self > 0) && !(title->compares && n->base_self > 0))
			continue;
		folded_frames(f, node, out);
		/* With a baseline two numbers, before and after, as difffolded.pl writes them. */
		if (title->compares)
			fprintf(out, " %.0f", n->base_self);
		fprintf(out, " %.0f\n", n->self);
	}
	return 0;
}

/* --- text ------------------------------------------------------------------------------------------------------------------ */

static double share(double part, double whole)
{
	return whole > 0 ? 100 * part / whole : 0;
}

static int by_self(const void *a, const void *b)
{
	const struct flame_function *x = a, *y = b;

	if (x->self != y->self)
		return x->self > y->self ? -1 : 1;
	if (x->total != y->total)
		return x->total > y->total ? -1 : 1;
	return x->frame < y->frame ? -1 : x->frame > y->frame;
}

static const char *short_module(const struct flame_frame *frame, char *buf, size_t cap)
{
	const char *p = frame->module;
	size_t n = frame->module_len;

	for (size_t i = 0; i < frame->module_len; i++) {
		if (frame->module[i] == '/') {
			p = frame->module + i + 1;
			n = frame->module_len - i - 1;
		}
	}
	text_sanitise(buf, cap, p, n, TEXT_UTF8);
	return buf;
}

/* How much a share of the baseline became, scaled to the same total. */
static void put_change(FILE *out, double before, double now)
{
	fprintf(out, " %+6.1f%%", now - before);
}

/* "            at burn.c:9 (97% of it), inlined: mix <- twice <- outer" below a function. */
static void put_lines(const struct flame_title *title, uint32_t frame, double self_and_total, FILE *out)
{
	const struct flame_lines *l = NULL;
	char file[1100], inlined[1100];
	double weight;
	int best;

	for (size_t i = 0; i < title->nlines && !l; i++)
		l = title->lines[i].frame == frame ? &title->lines[i] : NULL;
	if (!l || !l->is.n)
		return;
	best = source_lines_best(&l->is, &weight);
	fprintf(out, "%*s", title->compares ? 27 : 18, "");
	if (best < 0) {
		text_sanitise(file, sizeof(file), l->is.lines[0].why, strlen(l->is.lines[0].why), TEXT_UTF8);
		fprintf(out, "no line: %s\n", l->is.lines[0].known ? file :
			title->live ? "looking it up took too long" : "nobody looked at it while this was recorded");
		return;
	}
	text_sanitise(file, sizeof(file), source_line_base(&l->is.lines[best]), strlen(source_line_base(&l->is.lines[best])), TEXT_UTF8);
	text_sanitise(inlined, sizeof(inlined), l->is.lines[best].inlined, strlen(l->is.lines[best].inlined), TEXT_UTF8);
	fprintf(out, "at %s:%llu (%.0f%% of it)%s%s\n", file, (unsigned long long)l->is.lines[best].line, share(weight, self_and_total),
		inlined[0] ? ", inlined: " : "", inlined);
}

int flame_write_text(const struct flame *f, const struct flame_title *title, FILE *out)
{
	size_t n = flame_frames(f), shown = 0;
	struct flame_function *functions = malloc(n * sizeof(*functions));
	struct flame_summary s;
	char name[4096], module[256], amount[32];

	if (!functions)
		return -ENOMEM;
	flame_summary(f, &s);
	flame_functions(f, functions);
	qsort(functions, n, sizeof(*functions), by_self);
	fprintf(out, "%s\n", title->what);
	units_format(amount, sizeof(amount), s.total, title->unit);
	if (title->cpus)
		fprintf(out, "%s of CPU time in %s on %u CPUs, %.0f samples", amount, units_duration(name, sizeof(name), title->duration_ns),
			title->cpus, s.samples);
	else
		fprintf(out, "%s in %.0f %s", amount, s.samples, title->each);
	if (title->unit == CULPRIT_BYTES && title->duration_ns)
		fprintf(out, ", %s/s", units_format(amount, sizeof(amount), s.total * 1e9 / (double)title->duration_ns, title->unit));
	if (s.truncated > 0)
		fprintf(out, ", %.1f%% of them with a stack that is cut", share(s.truncated, s.samples));
	if (s.unnamed > 0)
		fprintf(out, ", %.1f%% in functions without a name", share(s.unnamed, s.total));
	if (s.dropped)
		fprintf(out, ", %llu stacks left out (too many different ones)", (unsigned long long)s.dropped);
	fprintf(out, "\n\n%7s%s %7s  %s\n", "self", title->compares ? "  change" : "", "total", "function, module");
	for (size_t i = 0; i < n && shown < 30; i++) {
		const struct flame_frame *frame = flame_frame(f, functions[i].frame);
		double self = share(functions[i].self, s.total);

		if (!functions[i].frame || frame->kind == FLAME_GROUP || !(functions[i].self > 0))
			continue;
		fprintf(out, "%6.1f%%", self);
		if (title->compares)
			put_change(out, share(functions[i].base_self, s.base_total), self);
		fprintf(out, " %6.1f%%  %s", share(functions[i].total, s.total), flame_name(frame, name, sizeof(name)));
		if (frame->module_len && frame->named)
			fprintf(out, "  %s", short_module(frame, module, sizeof(module)));
		putc('\n', out);
		put_lines(title, functions[i].frame, functions[i].total, out);
		shown++;
	}
	free(functions);
	/* The tree: what has at least 1%, chains of single callees on lines of one depth. */
	fprintf(out, "\n%7s%s  %s\n", "total", title->compares ? "  change" : "", title->inverted ? "called by" : "calls");
	for (uint32_t node = flame_after(f, 0), depth = 0; node;) {
		const struct flame_node *at = flame_node(f, node);
		double total = share(at->total, s.total), before = share(at->base_total, s.base_total);

		depth = at->depth - 1;
		if (total >= 1 || (title->compares && before >= 1)) {
			fprintf(out, "%6.1f%%", total);
			if (title->compares)
				put_change(out, before, total);
			fprintf(out, "  %*s%s\n", (int)(depth < 60 ? depth : 60), "",
				flame_name(flame_frame(f, at->frame), name, sizeof(name)));
			node = flame_after(f, node);
			continue;
		}
		while (node && !flame_node(f, node)->next)
			node = flame_node(f, node)->parent;
		node = node ? flame_node(f, node)->next : 0;
	}
	return 0;
}
