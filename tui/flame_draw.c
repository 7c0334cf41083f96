/* How the flame is drawn: what was measured in one line, the icicle or the hot path, and what is selected spelled out. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dialog.h"
#include "flame_panel.h"
#include "rows.h"
#include "units.h"

enum role flame_role(const struct flame_frame *f)
{
	switch (f->kind) {
	case FLAME_KERNEL:
		return ROLE_FRAME_KERNEL;
	case FLAME_LIBRARY:
		return ROLE_FRAME_LIBRARY;
	case FLAME_JIT:
		return ROLE_FRAME_JIT;
	case FLAME_UNKNOWN:
	case FLAME_CUT:
		return ROLE_FRAME_UNKNOWN;
	case FLAME_GROUP:
		return ROLE_STRONG;
	default:
		return ROLE_FRAME_USER;
	}
}

static enum role box_role(const struct flame_panel *p, const struct flame_node *n)
{
	static const enum role roles[] = {[FLAME_ROOT] = ROLE_BOX_GROUP,      [FLAME_GROUP] = ROLE_BOX_GROUP,
					  [FLAME_NATIVE] = ROLE_BOX_USER,     [FLAME_LIBRARY] = ROLE_BOX_LIBRARY,
					  [FLAME_KERNEL] = ROLE_BOX_KERNEL,   [FLAME_JIT] = ROLE_BOX_JIT,
					  [FLAME_UNKNOWN] = ROLE_BOX_UNKNOWN, [FLAME_CUT] = ROLE_BOX_UNKNOWN};
	const struct flame_frame *f = flame_frame(p->flame, n->frame);
	double change;

	if (p->word[0] && flame_frame_matches(f, p->word))
		return ROLE_MATCH;
	if (p->base_covered_ns && n->depth) {
		change = flame_change(&p->summary, n->total, n->base_total);
		return change >= 10   ? ROLE_DIFF_MUCH_MORE
		       : change >= 1  ? ROLE_DIFF_MORE
		       : change > -1  ? ROLE_DIFF_SAME
		       : change > -10 ? ROLE_DIFF_LESS
				      : ROLE_DIFF_MUCH_LESS;
	}
	return f->kind < sizeof(roles) / sizeof(roles[0]) ? roles[f->kind] : ROLE_BOX_UNKNOWN;
}

char *flame_weight(const struct flame_panel *p, double value, char *out, size_t cap)
{
	return units_format_short(out, cap, value, p->source.unit);
}

double flame_share(const struct flame_panel *p, double value)
{
	return p->summary.total > 0 ? 100 * value / p->summary.total : 0;
}

const char *flame_module_base(const struct flame_frame *f, size_t *ret_n)
{
	size_t at = f->module_len;

	while (at && f->module[at - 1] != '/')
		at--;
	if (at < f->module_len && f->module[at] == '[' && f->module[f->module_len - 1] == ']') {
		*ret_n = f->module_len - at - 2;
		return f->module + at + 1;
	}
	*ret_n = f->module_len - at;
	return f->module + at;
}

static const char *root_name(const struct flame_panel *p)
{
	return p->reason[0] ? p->reason : "all";
}

/* --- what was measured --- */

static const char *title_of(const struct flame_panel *p)
{
	if (p->source.lens)
		return p->source.lens->title;
	return p->source.table[0] ? p->source.table : "stacks";
}

struct line {
	struct surface *s;
	int x, y, end;
};

static void put(struct line *l, enum role role, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void put(struct line *l, enum role role, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	l->x += surface_say(l->s, l->x, l->y, l->end - l->x, role, text);
}

static double percent_of(double part, double all)
{
	return all > 0 ? 100 * part / all : 0;
}

static void draw_head(const struct flame_panel *p, struct surface *s, struct rect r)
{
	const struct flame_summary *sum = &p->summary;
	struct line l = {s, r.x + 1, r.y, r.x + r.w};
	bool counts = p->source.unit == CULPRIT_COUNT, waits = !strcmp(flame_panel_source_name(p), "offcpu");
	bool cpu = !counts && !strcmp(p->source.table, "oncpu");
	const struct host_info *host = cpu && p->view ? view_host(p->view) : NULL;
	const char *each = p->source.lens ? p->source.lens->each : NULL;
	char weight[32], time[32], n[32], share[16], rate[40];

	if (p->word[0]) {
		char word[FLAME_WORD_MAX * 4 + 24];
		int w;

		text_sanitise(word, sizeof(word) - 20, p->word, strlen(p->word), surface_form(s));
		snprintf(word + strlen(word), 20, " %s", rows_percent(share, sizeof(share), 100 * p->match));
		w = (int)text_width(word, strlen(word), surface_form(s)) + 1;
		w = w > r.w / 2 ? r.w / 2 : w;
		surface_char(s, r.x + r.w - w - 1, r.y, ROLE_MATCH, '/');
		surface_put(s, r.x + r.w - w, r.y, w, ROLE_MATCH, PUT_OWN, word, strlen(word));
		l.end -= w + 3;
	}
	put(&l, ROLE_STRONG, "%s", title_of(p));
	if (p->reason[0])
		put(&l, ROLE_STRONG, " %s", p->reason);
	else if (waits && p->nreasons && r.w >= 60)
		put(&l, ROLE_STRONG, " without idle");
	if (p->inverted)
		put(&l, ROLE_ACCENT, r.w >= 60 ? " innermost first" : " inv");
	if (p->whose)
		put(&l, ROLE_ACCENT, p->whose == WHOSE_PROCESS ? " by process" : " by thread");
	put(&l, ROLE_TEXT, ": ");
	if (!counts) {
		put(&l, ROLE_STRONG, "%s", flame_weight(p, sum->total, weight, sizeof(weight)));
		/* Of several CPUs it may be more than the time that passed. */
		put(&l, ROLE_TEXT, cpu ? r.w >= 60 ? " CPU in %s" : " in %s" : p->source.unit == CULPRIT_NS ? " of %s" : " in %s",
		    units_duration(time, sizeof(time), p->covered_ns));
		if (host && host->cpus && !p->lens.scope.has_thread && r.w >= 60)
			put(&l, ROLE_TEXT, host->cpus == 1 ? " on %u CPU" : " on %u CPUs", (unsigned)host->cpus);
		put(&l, ROLE_TEXT, ", ");
	}
	/* How much a second says more than how many seconds one has looked. */
	if (p->source.unit == CULPRIT_BYTES && p->covered_ns)
		put(&l, ROLE_STRONG, "%s/s, ", flame_weight(p, sum->total * 1e9 / (double)p->covered_ns, weight, sizeof(weight)));
	put(&l, sum->samples < 100 ? ROLE_WARN : ROLE_TEXT, each ? "%s %s" : "n %s",
	    units_format_short(n, sizeof(n), sum->samples, CULPRIT_COUNT), each);
	flame_rate_words(&p->source, sum, rate, sizeof(rate));
	if (rate[0] && r.w >= 60)
		put(&l, ROLE_TEXT, cpu ? " at %s" : " (%s)", rate);
	if (counts && r.w >= 60)
		put(&l, ROLE_TEXT, " in %s", units_duration(time, sizeof(time), p->covered_ns));
	if (counts && each && p->covered_ns)
		put(&l, ROLE_STRONG, ", %s/s", units_format_short(n, sizeof(n), sum->samples * 1e9 / (double)p->covered_ns, CULPRIT_COUNT));
	if (each && p->source.unit == CULPRIT_NS && sum->samples > 0)
		put(&l, ROLE_TEXT, " of %s", flame_weight(p, sum->total / sum->samples, weight, sizeof(weight)));
	if (waits)
		put(&l, sum->truncated_weight > 0.05 * sum->total ? ROLE_WARN : ROLE_TEXT, ", %s of it with its stack",
		    rows_percent(share, sizeof(share), percent_of(sum->total - sum->truncated_weight, sum->total)));
	else
		put(&l, sum->truncated > 0.05 * sum->samples ? ROLE_WARN : ROLE_TEXT, ", %s cut",
		    rows_percent(share, sizeof(share), percent_of(sum->truncated, sum->samples)));
	if (sum->unnamed > 0.005 * sum->total && (!p->base_covered_ns || r.w >= FLAME_WIDE))
		put(&l, ROLE_TEXT, r.w >= FLAME_WIDE ? ", %s without name" : ", %s unnamed",
		    rows_percent(share, sizeof(share), percent_of(sum->unnamed, sum->total)));
	if (sum->dropped)
		put(&l, ROLE_WARN, ", %llu stacks left out", (unsigned long long)sum->dropped);
	if (p->base_covered_ns) {
		put(&l, ROLE_TEXT, "; before ");
		if (!counts)
			put(&l, ROLE_TEXT, "%s of ", flame_weight(p, sum->base_total, weight, sizeof(weight)));
		put(&l, ROLE_TEXT, "%s", units_duration(time, sizeof(time), p->base_covered_ns));
		put(&l, sum->base_samples < 100 ? ROLE_WARN : ROLE_TEXT, " n %s",
		    units_format_short(n, sizeof(n), sum->base_samples, CULPRIT_COUNT));
	} else if (p->lens.has_baseline) {
		put(&l, ROLE_WARN, "; no stacks in the baseline");
	}
}

/* --- shapes --- */

int flame_panel_shape(struct flame_panel *p, int width)
{
	int r;

	p->icicle = p->form == FLAME_FITS ? width >= FLAME_WIDE : p->form == FLAME_ICICLE;
	if (!p->flame || (p->shaped == p->answer && p->shaped_zoom == p->zoom && p->shaped_width == width &&
			  (p->icicle ? p->boxes != NULL : p->lines != NULL)))
		return 0;
	free(p->boxes);
	free(p->lines);
	p->boxes = NULL;
	p->lines = NULL;
	p->nboxes = p->nlines = 0;
	/* Beside each other by name: they keep their places from second to second. */
	flame_sort(p->flame, p->icicle ? FLAME_BY_NAME : FLAME_BY_WEIGHT);
	r = p->icicle ? flame_icicle(p->flame, p->zoom, width, &p->boxes, &p->nboxes) :
			flame_path(p->flame, p->zoom, &p->lines, &p->nlines);
	p->shaped = p->answer;
	p->shaped_zoom = p->zoom;
	p->shaped_width = width;
	return r;
}

uint32_t flame_line_node(const struct flame_panel *p, const struct flame_line *line)
{
	return p->inverted ? line->first : line->last;
}

int flame_panel_point(struct flame_panel *p, int width)
{
	int r = flame_panel_shape(p, width);

	if (r || !p->flame)
		return r;
	/* What is too narrow to be seen is not pointed at. */
	for (bool found = !p->icicle; !found && p->at;) {
		for (size_t i = 0; i < p->nboxes && !found; i++)
			found = p->boxes[i].node == p->at;
		if (!found)
			p->at = flame_node(p->flame, p->at)->parent;
	}
	if (!p->icicle && p->nlines)
		p->at = flame_line_node(p, &p->lines[flame_path_line(p->flame, p->lines, p->nlines, p->at)]);
	return 0;
}

/* Parts of the panel's rect: lines of the foot, and whether a rule stands above. */
struct places {
	int foot, names; /* lines; those of them for the name */
	bool source;     /* one of them is for the source line */
	bool rule, head, columns;
	struct rect body;
};

static struct places lay_out(const struct flame_panel *p, struct rect r)
{
	struct places l = {0};
	int top = r.y, bottom = r.y + r.h;

	l.head = r.h >= 2;
	top += l.head;
	l.columns = !p->icicle && r.h >= 5;
	top += l.columns;
	if (r.h >= 6) {
		l.names = r.h >= 22 ? 2 : 1;
		l.source = r.h >= 14;
		l.foot = l.names + 1 + l.source + dialog_say(NULL, (struct rect){0, 0, r.w - 1, r.h >= 18 ? 2 : r.h >= 10}, ROLE_TEXT, p->help);
		l.rule = r.h >= 14;
	}
	bottom -= l.foot + l.rule;
	l.body = (struct rect){r.x, top, r.w, bottom > top ? bottom - top : 0};
	return l;
}

struct rect flame_panel_body(const struct flame_panel *p, struct rect r)
{
	return lay_out(p, r).body;
}

/* Keeps what is selected on the screen. */
static void scroll(struct flame_panel *p, int here, int all, int page)
{
	p->page = page;
	if (here >= p->top + page)
		p->top = here - page + 1;
	if (here < p->top)
		p->top = here;
	if (p->top + page > all)
		p->top = all - page;
	if (p->top < 0)
		p->top = 0;
}

static int box_label(const struct flame_panel *p, struct surface *s, const struct flame_box *b, int y, int x, enum role role)
{
	const struct flame_node *n = flame_node(p->flame, b->node);
	const struct flame_frame *f = flame_frame(p->flame, n->frame);
	const char *name = n->depth ? f->name : root_name(p);
	size_t len = n->depth ? f->name_len : strlen(name);
	int w = b->w - 1, used;
	char share[32], change[24] = "";
	int share_w;

	if (w <= 0)
		return 0;
	if (p->base_covered_ns)
		snprintf(change, sizeof(change), " %+.1f%%", flame_change(&p->summary, n->total, n->base_total));
	snprintf(share, sizeof(share), " %.0f%%%s", flame_share(p, n->total), n->depth ? change : "");
	share_w = (int)strlen(share);
	if ((int)text_width(name, len, surface_form(s)) + share_w < w) {
		used = surface_put(s, x, y, w, role, 0, name, len);
		return used + surface_say(s, x + used, y, w - used, role, share);
	}
	return surface_put(s, x, y, w, role, PUT_CUT_LEFT | (w < 4 ? PUT_NO_DOTS : 0), name, len);
}

static void draw_icicle(struct flame_panel *p, struct surface *s, struct rect r)
{
	int here = 0, deepest = 0;

	for (size_t i = 0; i < p->nboxes; i++) {
		if (p->boxes[i].node == p->at)
			here = p->boxes[i].depth;
		if (p->boxes[i].depth > deepest)
			deepest = p->boxes[i].depth;
	}
	scroll(p, here, deepest + 1, r.h);
	for (size_t i = 0; i < p->nboxes; i++) {
		const struct flame_box *b = &p->boxes[i];
		bool selected = b->node == p->at;
		enum role role = selected ? ROLE_SELECT : box_role(p, flame_node(p->flame, b->node));
		int y = r.y + b->depth - p->top, x = r.x + b->x;

		if (y < r.y || y >= r.y + r.h)
			continue;
		surface_fill(s, (struct rect){x, y, b->w, 1}, role, ' ');
		if (selected)
			surface_glyph(s, x, y, role, GLYPH_SELECTED);
		else
			surface_glyph(s, x, y, role, b->w > 1 ? GLYPH_VLINE : GLYPH_DOT);
		box_label(p, s, b, y, x + 1, role);
	}
	/* Where a box ends and no other begins. */
	for (size_t i = 0; i < p->nboxes; i++) {
		const struct flame_box *b = &p->boxes[i];
		int y = r.y + b->depth - p->top, x = r.x + b->x + b->w;
		const struct cell *c = x < r.x + r.w && y >= r.y && y < r.y + r.h ? surface_cell(s, x, y) : NULL;

		if (c && c->role == ROLE_TEXT && c->code[0] == ' ')
			surface_glyph(s, x, y, ROLE_RULE, GLYPH_VLINE);
	}
}

/* --- the hot path --- */

enum { MARK_W = 4, INDENT_W = 3 };

struct columns {
	int total, change, self, name, name_w, module, module_w, mark; /* x; 0 or less: not there */
};

static struct columns columns_of(const struct flame_panel *p, struct rect r)
{
	struct columns c = {.total = r.x + 1};
	int x = c.total + 6, end = r.x + r.w;

	if (p->base_covered_ns) {
		c.change = x;
		x += 8;
	}
	if (r.w >= 36 && !p->inverted) {
		c.self = x;
		x += 6;
	}
	c.name = x + 1;
	if (r.w >= 60) {
		end -= MARK_W;
		c.mark = end + 1;
		c.module_w = r.w >= 120 ? 24 : 15;
		end -= c.module_w;
		c.module = end + 1;
		end -= 1;
	}
	c.name_w = end - c.name;
	return c;
}

static void draw_columns(const struct flame_panel *p, const struct columns *c, struct surface *s, struct rect r)
{
	surface_fill(s, (struct rect){r.x, r.y, r.w, 1}, ROLE_HEADER, ' ');
	surface_say_right(s, c->total, r.y, 5, ROLE_HEADER, "total");
	if (p->base_covered_ns)
		surface_say_right(s, c->change, r.y, 7, ROLE_HEADER, "change");
	if (c->self)
		surface_say_right(s, c->self, r.y, 5, ROLE_HEADER, "self");
	surface_say(s, c->name, r.y, c->name_w, ROLE_HEADER, "function");
	if (c->module)
		surface_say(s, c->module, r.y, c->module_w - 1, ROLE_HEADER, "module");
}

/* How many levels of indentation there is room for. */
static int levels_most(int w)
{
	return w / (2 * INDENT_W);
}

/* The branches before a line, without the outermost `hidden` levels; returns their width. */
static int draw_indent(const struct flame_line *line, struct surface *s, int x, int y, int hidden, enum role role)
{
	int levels = line->indent;

	for (int i = hidden + 1; i <= levels; i++, x += INDENT_W) {
		if (i < levels) {
			if (line->bars & 1u << i)
				surface_glyph(s, x, y, role, GLYPH_VLINE);
			continue;
		}
		surface_glyph(s, x, y, role, line->ends ? GLYPH_ELBOW : GLYPH_TEE);
		surface_glyph(s, x + 1, y, role, GLYPH_HLINE);
	}
	return levels > hidden ? (levels - hidden) * INDENT_W : 0;
}

/* How many frames of a chain there is room for, from the end that stays; the other one needs room for "… > ". */
static int chain_fit(const struct flame_panel *p, const struct surface *s, const uint32_t *chain, int n, int w)
{
	int to, all = 0;

	for (to = 0; to < n; to++) {
		const struct flame_frame *f = flame_frame(p->flame, flame_node(p->flame, chain[p->inverted ? n - 1 - to : to])->frame);
		int k = (int)text_width(f->name, f->name_len, surface_form(s)) + (to ? 3 : 0);

		if (to && all + k + (to + 1 < n ? 4 : 0) > w)
			break;
		all += k;
	}
	return to;
}

/* Code of the program itself, not of a library or the kernel. */
static bool is_own(const struct flame_frame *f)
{
	return (f->kind == FLAME_NATIVE || f->kind == FLAME_JIT) && f->named;
}

/* "a > b > c". Where there is no room for all, what the line is named for stays: its innermost function; and the innermost one of
 * the program itself, for a wait ends in the kernel, but begins in code that somebody can change. */
static void draw_chain(const struct flame_panel *p, const struct flame_line *line, struct surface *s, int x, int y, int w,
		       bool selected)
{
	const char *more = surface_form(s) == TEXT_ASCII ? "~" : "…";
	enum role between = selected ? ROLE_SELECT : ROLE_MUTED;
	uint32_t chain[FLAME_DEPTH_MAX], node = line->last;
	int n = 0, from = 0, to, own = 0, used = 0;

	for (;; node = flame_node(p->flame, node)->parent) {
		chain[n++] = node;
		if (node == line->first || n == FLAME_DEPTH_MAX)
			break;
	}
	to = chain_fit(p, s, chain, n, w);
	if (p->inverted) {
		from = n - to;
		to = n;
	}
	if (!p->inverted && to < n) {
		const struct flame_frame *f = NULL;
		int innermost = (int)text_width(flame_frame(p->flame, flame_node(p->flame, chain[0])->frame)->name,
						flame_frame(p->flame, flame_node(p->flame, chain[0])->frame)->name_len, surface_form(s));
		int k = 0;

		while (own < n && !is_own(f = flame_frame(p->flame, flame_node(p->flame, chain[own])->frame)))
			own++;
		if (own >= to && own < n)
			k = (int)text_width(f->name, f->name_len, surface_form(s)) + 7;
		if (k && innermost + k + 4 <= w) {
			to = chain_fit(p, s, chain, n, w - k);
			if (own + 1 < n)
				used += surface_sayf(s, x, y, w, between, "%s > ", more);
			used += surface_put(s, x + used, y, w - used, selected ? ROLE_SELECT : flame_role(f), 0, f->name, f->name_len);
			used += surface_say(s, x + used, y, w - used, between, " > ");
			if (own > to)
				used += surface_sayf(s, x + used, y, w - used, between, "%s > ", more);
			else
				to = own;
		} else {
			used += surface_sayf(s, x, y, w, between, "%s > ", more);
		}
	}
	for (int i = to; i-- > from;) {
		const struct flame_frame *f = flame_frame(p->flame, flame_node(p->flame, chain[i])->frame);
		enum role role = p->word[0] && flame_frame_matches(f, p->word) ? ROLE_MATCH : selected ? ROLE_SELECT : flame_role(f);

		used += surface_put(s, x + used, y, w - used, role, PUT_CUT_LEFT, f->name, f->name_len);
		if (i > from)
			used += surface_say(s, x + used, y, w - used, between, " > ");
	}
	if (from)
		surface_sayf(s, x + used, y, w - used, between, " > %s", more);
}

static void draw_path_line(const struct flame_panel *p, const struct columns *c, const struct flame_line *line, struct surface *s,
			   struct rect r, int hidden, bool selected, bool hottest)
{
	const struct flame_node *first = flame_node(p->flame, line->first), *last = flame_node(p->flame, line->last);
	const struct flame_frame *f = flame_frame(p->flame, flame_node(p->flame, flame_line_node(p, line))->frame);
	enum role text = selected ? ROLE_SELECT : ROLE_TEXT;
	double self = first->total - last->total + last->self;
	char cell[32];
	int indent;
	size_t n;

	if (selected) {
		surface_fill(s, r, ROLE_SELECT, ' ');
		surface_glyph(s, r.x, r.y, ROLE_SELECT, GLYPH_SELECTED);
	}
	surface_say_right(s, c->total, r.y, 5, text, rows_percent(cell, sizeof(cell), flame_share(p, first->total)));
	if (c->change) {
		double change = flame_change(&p->summary, first->total, first->base_total);

		snprintf(cell, sizeof(cell), "%+.1f%%", change);
		surface_say_right(s, c->change, r.y, 7, selected ? ROLE_SELECT : change >= 1 ? ROLE_CRIT : change <= -1 ? ROLE_OK : ROLE_MUTED,
				  cell);
	}
	if (c->self)
		surface_say_right(s, c->self, r.y, 5, selected ? ROLE_SELECT : self > 0 ? ROLE_TEXT : ROLE_MUTED,
				  rows_percent(cell, sizeof(cell), flame_share(p, self)));
	indent = draw_indent(line, s, c->name, r.y, hidden, selected ? ROLE_SELECT : ROLE_RULE);
	draw_chain(p, line, s, c->name + indent, r.y, c->name_w - indent, selected);
	if (c->module) {
		const char *module = flame_module_base(f, &n);

		surface_put(s, c->module, r.y, c->module_w - 1, selected ? ROLE_SELECT : ROLE_MUTED, PUT_CUT_LEFT, module, n);
	}
	if (hottest && c->mark)
		surface_say(s, c->mark, r.y, 3, selected ? ROLE_SELECT : ROLE_ACCENT, "<==");
}

static void draw_path(struct flame_panel *p, struct surface *s, struct rect r)
{
	struct columns c = columns_of(p, r);
	size_t here = flame_path_line(p->flame, p->lines, p->nlines, p->at), hottest = 0;
	double most = -1;
	int deepest = 0, hidden;

	for (size_t i = 0; i < p->nlines; i++) {
		const struct flame_node *first = flame_node(p->flame, p->lines[i].first), *last = flame_node(p->flame, p->lines[i].last);
		double self = p->inverted ? first->total * !p->lines[i].indent : first->total - last->total + last->self;

		if (self > most) {
			most = self;
			hottest = i;
		}
	}
	scroll(p, (int)here, (int)p->nlines, r.h);
	for (int y = 0; y < r.h && p->top + y < (int)p->nlines; y++)
		deepest = p->lines[p->top + y].indent > deepest ? p->lines[p->top + y].indent : deepest;
	/* Deeper than there is room for: the same outer levels are left out of every line that is seen, so that branches stay below
	 * one another. */
	hidden = deepest > levels_most(c.name_w) ? deepest - levels_most(c.name_w) : 0;
	for (int y = 0; y < r.h && p->top + y < (int)p->nlines; y++) {
		size_t i = (size_t)(p->top + y);

		draw_path_line(p, &c, &p->lines[i], s, (struct rect){r.x, r.y + y, r.w, 1}, hidden, i == here, i == hottest);
	}
}

/* --- what is selected --- */

static void put_chain(struct line *l, const char *chain)
{
	put(l, ROLE_MUTED, "  inlined: ");
	for (const char *at = chain, *next; at && l->x < l->end; at = next) {
		next = strstr(at, " <- ");
		l->x += surface_put(l->s, l->x, l->y, l->end - l->x, ROLE_TEXT, 0, at, next ? (size_t)(next - at) : strlen(at));
		if (next) {
			put(l, ROLE_MUTED, surface_form(l->s) == TEXT_ASCII ? " <- " : " ← ");
			next += 4;
		}
	}
}

/* "burn.c:12 (61% of it)  inlined: a <- b <- c", or why not. */
static void draw_source(const struct flame_panel *p, struct surface *s, int x, int y, int w)
{
	const struct flame_node *n = flame_node(p->flame, p->at);
	const struct flame_frame *f = flame_frame(p->flame, n->frame);
	struct line l = {s, x, y, x + w};
	const struct source_line *best;
	char share[16];
	double weight;
	int at;

	/* Where there was less room than before something else is selected: looked up with the next tick. */
	if (!n->depth || (f->kind != FLAME_NATIVE && f->kind != FLAME_LIBRARY) || p->line_node != p->at)
		return;
	at = source_lines_best(&p->source_lines, &weight);
	if (at < 0 && !p->source_lines.n) {
		put(&l, ROLE_MUTED, "no file and line: these stacks do not say where in their modules they are");
	} else if (at < 0 && !p->source_lines.lines[0].known) {
		put(&l, ROLE_MUTED, p->time.served ? "file and line: being looked up" :
						     "no file and line: nobody looked at this while it was recorded");
	} else if (at < 0) {
		put(&l, ROLE_MUTED, "no file and line: ");
		surface_put(s, l.x, l.y, l.end - l.x, ROLE_MUTED, PUT_NO_DOTS, p->source_lines.lines[0].why,
			    strlen(p->source_lines.lines[0].why));
	}
	if (at < 0)
		return;
	best = &p->source_lines.lines[at];
	l.x += surface_put(s, l.x, l.y, l.end - l.x, ROLE_STRONG, PUT_CUT_LEFT, source_line_base(best), strlen(source_line_base(best)));
	if (best->line)
		put(&l, ROLE_STRONG, ":%llu", (unsigned long long)best->line);
	/* A function stands at many lines; this is the one where it is most. */
	if (n->total > 0 && weight < 0.995 * n->total)
		put(&l, ROLE_TEXT, " (%s of it)", rows_percent(share, sizeof(share), percent_of(weight, n->total)));
	if (best->inlined[0] && l.end - l.x > 14)
		put_chain(&l, best->inlined);
}

/* Below something of the kernel or of a library: in which function of the program. */
static void draw_own(const struct flame_panel *p, struct line *l)
{
	uint32_t node = p->at;
	const struct flame_frame *f = flame_frame(p->flame, flame_node(p->flame, node)->frame);

	if (f->kind != FLAME_KERNEL && f->kind != FLAME_LIBRARY)
		return;
	while (node && !is_own(f = flame_frame(p->flame, flame_node(p->flame, node)->frame)))
		node = flame_node(p->flame, node)->parent;
	if (!node || (int)text_width(f->name, f->name_len, surface_form(l->s)) + 5 > l->end - l->x)
		return;
	put(l, ROLE_MUTED, "  in ");
	l->x += surface_put(l->s, l->x, l->y, l->end - l->x, ROLE_STRONG, 0, f->name, f->name_len);
}

static void draw_foot(const struct flame_panel *p, struct surface *s, struct rect r, int names, bool source)
{
	const struct flame_node *n = flame_node(p->flame, p->at);
	const struct flame_frame *f = flame_frame(p->flame, n->frame);
	static const char *const kinds[] = {"", "", "", "library ", "", "generated code ", "in no module ", ""};
	char a[32], b[32], share[16], place[64];
	struct line l = {s, r.x + 1, r.y, r.x + r.w};
	const char *name = n->depth ? f->name : root_name(p);
	int name_w, all = p->icicle ? 0 : (int)p->nlines, w;
	size_t len = n->depth ? f->name_len : strlen(name);

	name_w = (int)text_width(name, len, surface_form(s));
	if (name_w > r.w - 1 && names > 1) {
		/* In two lines where it is long: its beginning, and its end. */
		surface_put(s, r.x + 1, r.y, r.w - 1, ROLE_STRONG, PUT_NO_DOTS, name, len);
		l.y++;
		l.x += surface_put(s, r.x + 1, l.y, name_w - (r.w - 1) < r.w - 1 ? name_w - (r.w - 1) : r.w - 1, ROLE_STRONG,
				   PUT_CUT_LEFT | (name_w > 2 * (r.w - 1) ? 0 : PUT_NO_DOTS), name, len);
	} else {
		l.x += surface_put(s, l.x, l.y, r.w - 1, ROLE_STRONG, PUT_CUT_LEFT, name, len);
	}
	if (f->module_len && l.end - l.x > 8) {
		put(&l, ROLE_MUTED, "  %s", f->kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[f->kind] : "");
		l.x += surface_put(s, l.x, l.y, l.end - l.x, ROLE_MUTED, PUT_CUT_LEFT, f->module, f->module_len);
	}
	if (!p->inverted)
		draw_own(p, &l);
	l.y++;
	l.x = r.x + 1;
	for (int i = 0; i < (int)p->nboxes; i++)
		all = p->boxes[i].depth + 1 > all ? p->boxes[i].depth + 1 : all;
	snprintf(place, sizeof(place), "%d-%d of %d", all ? p->top + 1 : 0, p->top + p->page < all ? p->top + p->page : all, all);
	w = (int)strlen(place);
	if (r.w >= 60) {
		surface_say(s, r.x + r.w - w, l.y, w, ROLE_MUTED, place);
		l.end -= w + 1;
	}
	put(&l, ROLE_TEXT, "total %s %s", flame_weight(p, n->total, a, sizeof(a)),
	    rows_percent(share, sizeof(share), flame_share(p, n->total)));
	/* Upside down only the innermost have any, and it is all they have. */
	if (!p->inverted)
		put(&l, ROLE_TEXT, "  self %s %s", flame_weight(p, n->self, b, sizeof(b)),
		    rows_percent(share, sizeof(share), flame_share(p, n->self)));
	/* A wait that goes on is counted when it ends: of these alone no number is said. */
	if (p->source.unit != CULPRIT_COUNT && (n->samples > 0 || n->total <= 0))
		put(&l, ROLE_TEXT, "  n %s", units_format_short(a, sizeof(a), n->samples, CULPRIT_COUNT));
	if (p->base_covered_ns)
		put(&l, ROLE_ACCENT, "  before %s, %+.1f%%",
		    rows_percent(share, sizeof(share), percent_of(n->base_total, p->summary.base_total)),
		    flame_change(&p->summary, n->total, n->base_total));
	if (p->zoom) {
		const struct flame_node *z = flame_node(p->flame, p->zoom);

		put(&l, ROLE_ACCENT, "  zoomed to %s", rows_percent(share, sizeof(share), flame_share(p, z->total)));
	}
	if (source)
		draw_source(p, s, r.x + 1, l.y + 1, r.w - 1);
	dialog_say(s, (struct rect){r.x + 1, l.y + 1 + source, r.w - 1, r.h - names - 1 - source},
		   p->wakers.known ? ROLE_TEXT : ROLE_WARN, p->help);
}

void flame_panel_draw(struct flame_panel *p, struct surface *s, struct rect r)
{
	struct places l;
	int y;

	if (!p->answered || !p->flame) {
		surface_say(s, r.x + 1, r.y, r.w - 1, ROLE_MUTED, "no stacks yet");
		return;
	}
	if (p->functions && !p->why_not[0]) {
		if (r.h >= 2)
			draw_head(p, s, r);
		flame_functions_draw(p, s, (struct rect){r.x, r.y + (r.h >= 2), r.w, r.h - (r.h >= 2)});
		return;
	}
	if (flame_panel_point(p, r.w)) {
		surface_say(s, r.x + 1, r.y, r.w - 1, ROLE_WARN, "out of memory");
		return;
	}
	l = lay_out(p, r);
	p->cramped = !l.source;
	if (l.head && p->source.table[0])
		draw_head(p, s, r);
	if (p->why_not[0]) {
		y = l.head + (r.h >= 5);
		dialog_say(s, (struct rect){r.x + 1, r.y + y, r.w - 2, r.h - y}, ROLE_MUTED, p->why_not);
		return;
	}
	if (p->icicle) {
		draw_icicle(p, s, l.body);
	} else {
		struct columns c = columns_of(p, r);

		if (l.columns)
			draw_columns(p, &c, s, (struct rect){r.x, l.body.y - 1, r.w, 1});
		draw_path(p, s, l.body);
	}
	if (!l.foot)
		return;
	y = l.body.y + l.body.h;
	if (l.rule)
		surface_hline(s, r.x, y++, r.w, ROLE_RULE);
	draw_foot(p, s, (struct rect){r.x, y, r.w, l.foot}, l.names, l.source);
}
