/* What the Latency panel says in words above, below and beside its map: of what it is, how much that is, who is in a rectangle. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "latency.h"
#include "units.h"

#define SECOND 1000000000LL

/* "48,211" */
static char *count_text(char *out, size_t cap, uint64_t n)
{
	char digits[24];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n), at = 0;

	for (size_t i = 0; i < len && at + 2 < cap; i++) {
		if (i && (len - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}

/* "16.8ms-268ms", ">= 16.8ms", "< 268ms", "all". */
void latency_range_text(double lo, double hi, unsigned unit, char *out, size_t cap)
{
	char a[32], b[32];
	bool low = isfinite(lo) && lo > 0, high = isfinite(hi);

	units_format_short(a, sizeof(a), lo, unit);
	units_format_short(b, sizeof(b), hi, unit);
	if (low && high)
		snprintf(out, cap, "%s-%s", a, b);
	else if (low)
		snprintf(out, cap, ">=%s", a);
	else if (high)
		snprintf(out, cap, "<%s", b);
	else
		snprintf(out, cap, "all");
}

void latency_clock_text(const struct latency *p, uint64_t ns, char *out, size_t cap)
{
	int64_t wall = (int64_t)(ns + (uint64_t)p->wall_offset_ns) + p->time.zone_offset_s * SECOND;

	/* Edges lie within a hair of round times. */
	if (p->step_ns >= (uint64_t)SECOND)
		wall += SECOND / 2;
	chart_clock_format(wall, true, out, cap);
}

bool latency_seen_in_part(const struct latency *p)
{
	return p->lens.has_range && !strcmp(p->lens.range_table, p->table) && !strcmp(p->lens.range_column, p->column);
}

void latency_say_title(const struct latency *p, struct surface *s, struct rect r, int y)
{
	char right[128], column[32], text[LENS_NAME_MAX * 2 + 32];
	struct chart_time t = {.step_ns = (int64_t)p->step_ns};
	int used = 1, right_w;

	chart_time_format(&t, column, sizeof(column));
	if (p->mode == LATENCY_SECONDS)
		snprintf(right, sizeof(right), "1 col = 1s, 1 line = %ums", p->part_ms);
	else if (latency_seen_in_part(p)) {
		char range[80];

		latency_range_text(p->lens.range_lo, p->lens.range_hi, p->unit, range, sizeof(range));
		snprintf(right, sizeof(right), "only %.60s  %s", range, column);
	} else {
		snprintf(right, sizeof(right), "%s", column);
	}
	right_w = (int)strlen(right);
	if (p->mode == LATENCY_SECONDS) {
		surface_put(s, r.x + 1, y, r.w - 1, ROLE_STRONG, 0, p->events, strlen(p->events));
	} else {
		used += surface_put(s, r.x + used, y, r.w - used, ROLE_STRONG, 0, p->table, strlen(p->table));
		snprintf(text, sizeof(text), " ");
		if (p->mode == LATENCY_MAP && p->one_row)
			used += 1 + surface_put(s, r.x + used + 1, y, r.w - used - 1, ROLE_STRONG, 0, p->row, strlen(p->row));
		else if (p->mode == LATENCY_MAP)
			used += surface_say(s, r.x + used, y, r.w - used, ROLE_STRONG,
					    p->whole ? " (whole machine)" : p->nrows == 1 ? "" : " (all rows)");
		snprintf(text, sizeof(text), ": %s%s", p->column,
			 p->mode == LATENCY_STRIPS ? (p->by_max ? ", maximum by row" : ", p99 by row") : "");
		used += surface_put(s, r.x + used, y, r.w - used, ROLE_STRONG, 0, text, strlen(text));
	}
	if (r.w - used > right_w + 2)
		surface_say(s, r.x + r.w - right_w - 1, y, right_w, ROLE_MUTED, right);
}

void latency_say_legend(const struct latency *p, struct surface *s, struct rect r, int y)
{
	int used = 1;

	if (!p->nlines)
		return;
	if (p->mode == LATENCY_STRIPS) {
		heat_legend(&p->scale, p->unit, p->by_max ? "maximum of a cell" : "p99 of a cell", s, r.x + 1, y, r.w - 1);
		return;
	}
	used += heat_legend(&p->scale, CULPRIT_COUNT, p->before_ns && p->mode == LATENCY_MAP ? "more a cell" : "a cell", s, r.x + 1,
			    y, r.w - 1);
	if (p->before_ns && p->mode == LATENCY_MAP && r.w - used >= 18) {
		heat_shade(s, r.x + used + 1, y, HEAT_SAME);
		used += 3 + surface_say(s, r.x + used + 3, y, r.w - used - 3, ROLE_TEXT, "as before ");
		heat_shade(s, r.x + used, y, HEAT_LESS);
		used += 2 + surface_say(s, r.x + used + 2, y, r.w - used - 2, ROLE_TEXT, "less");
	}
	if (p->mode == LATENCY_MAP && r.w - used >= 8) {
		surface_char(s, r.x + used + 2, y, ROLE_MARK, 'P');
		surface_say(s, r.x + used + 4, y, 4, ROLE_TEXT, "p99");
	}
}

static int say_number(struct surface *s, int x, int y, int w, const char *word, double value, const char *before,
		      unsigned unit, enum role role)
{
	char text[32];
	int used = surface_say(s, x, y, w, ROLE_MUTED, word);

	used += surface_say(s, x + used, y, w - used, role, before);
	return used + surface_say(s, x + used, y, w - used, role, units_format_short(text, sizeof(text), value, unit));
}

/* "win 60s: n 48,211  p50 1.20ms  p90 4.00ms  p99 84.2ms  max <268ms   before: p99 3.00ms n 61,870" */
void latency_say_stats(const struct latency *p, struct surface *s, struct rect r, int y)
{
	const struct histogram_stats *now = &p->stats, *was = &p->stats_before;
	char length[32], n[32];
	uint64_t from, to;
	int used = 1, w = r.w;
	bool differ = p->before_ns && p->mode == LATENCY_MAP;
	/* Where there is little room the comparison is what counts. */
	bool all = w >= 50 && (!differ || w >= 110);

	lens_resolve(&p->lens, p->time.newest_ns, &from, &to);
	units_duration(length, sizeof(length), to - from);
	if (w >= 60)
		used += surface_sayf(s, r.x + used, y, w - used, ROLE_MUTED, "in %s: ", length);
	used += surface_sayf(s, r.x + used, y, w - used, ROLE_STRONG, "n %s", count_text(n, sizeof(n), now->n));
	if (!now->n || p->mode == LATENCY_SECONDS)
		return;
	if (!differ || all)
		used += say_number(s, r.x + used, y, w - used, w >= 60 ? "  p50 " : " p50 ", now->p50, "", p->unit, ROLE_TEXT);
	if (all)
		used += say_number(s, r.x + used, y, w - used, "  p90 ", now->p90, "", p->unit, ROLE_TEXT);
	used += say_number(s, r.x + used, y, w - used, w >= 60 ? "  p99 " : " p99 ", now->p99, "", p->unit, ROLE_STRONG);
	used += say_number(s, r.x + used, y, w - used, w >= 60 ? "  max " : " max ", now->max, now->max_open ? ">=" : "<", p->unit,
			   ROLE_TEXT);
	if (!differ || w - used < 16)
		return;
	used += surface_sayf(s, r.x + used, y, w - used, ROLE_MUTED, "  before, in %s: ",
			     units_duration(length, sizeof(length), p->before_ns));
	used += surface_sayf(s, r.x + used, y, w - used, ROLE_TEXT, "n %s", count_text(n, sizeof(n), was->n));
	if (was->n)
		say_number(s, r.x + used, y, w - used, " p99 ", was->p99, "", p->unit, ROLE_STRONG);
}

/* "restic 9911 71%, mysqld 27% of 300 named" or "not attributed". */
static void say_who(const struct latency *p, struct surface *s, int x, int y, int w)
{
	const struct latency_who *who = &p->who;
	char n[32], tail[48];
	int used = 0, tail_w;

	if (!p->box_n)
		return;
	if (!who->named) {
		surface_say(s, x, y, w, ROLE_MUTED, "not attributed");
		return;
	}
	/* Shares are of those whose names are known: how many that are always has its room. */
	snprintf(tail, sizeof(tail), " of %s named", count_text(n, sizeof(n), who->named));
	tail_w = p->mode == LATENCY_SECONDS || w < 40 ? 0 : (int)strlen(tail);
	for (size_t i = 0; i < who->ngroups; i++) {
		int share = (int)((double)who->groups[i].n * 100 / (double)who->named + 0.5);
		int need = (int)text_width(who->groups[i].name, strlen(who->groups[i].name), surface_form(s)) + 6;

		if (i && used + 2 + need > w - tail_w)
			break;
		if (i)
			used += surface_say(s, x + used, y, w - used, ROLE_TEXT, ", ");
		used += surface_put(s, x + used, y, w - used, ROLE_TEXT, 0, who->groups[i].name, strlen(who->groups[i].name));
		used += surface_sayf(s, x + used, y, w - used, ROLE_TEXT, " %d%%", share);
	}
	if (tail_w)
		surface_say(s, x + used, y, w - used, ROLE_MUTED, tail);
}

void latency_say_box(const struct latency *p, const struct latency_box *b, struct surface *s, struct rect r, int y)
{
	char from_text[16], to_text[16], range[80] = "", n[32];
	uint64_t from, to;
	double lo, hi;
	int used = 1;

	latency_box_edges(p, b, &from, &to, &lo, &hi);
	latency_clock_text(p, from, from_text, sizeof(from_text));
	latency_clock_text(p, to, to_text, sizeof(to_text));
	if (p->mode == LATENCY_MAP)
		latency_range_text(lo, hi, p->unit, range, sizeof(range));
	else if (p->mode == LATENCY_SECONDS)
		snprintf(range, sizeof(range), ".%03u-.%03u", (unsigned)b->low * p->part_ms, (unsigned)(b->high + 1) * p->part_ms);
	else if (b->low == b->high)
		snprintf(range, sizeof(range), "%.70s", p->strips[p->nstrips - 1 - (size_t)b->low].name);
	else
		snprintf(range, sizeof(range), "%d rows", b->high - b->low + 1);
	used += surface_say(s, r.x + used, y, r.w - used, ROLE_MUTED, p->boxed && r.w >= 100 ? "selected " : "");
	used += surface_sayf(s, r.x + used, y, r.w - used, ROLE_STRONG, "%s-%s ", from_text, r.w >= 60 ? to_text : to_text + 6);
	used += surface_put(s, r.x + used, y, r.w - used, ROLE_STRONG, 0, range, strlen(range));
	used += surface_sayf(s, r.x + used, y, r.w - used, ROLE_TEXT, ": %s ", count_text(n, sizeof(n), p->box_n));
	if (p->mode == LATENCY_STRIPS && b->left == b->right && b->low == b->high) {
		const struct histogram_stats *st =
			&p->series.stats[(p->nstrips - 1 - (size_t)b->low) * (size_t)p->ncolumns + (size_t)b->left];

		if (st->n)
			used += say_number(s, r.x + used, y, r.w - used, p->by_max ? "max " : "p99 ", p->by_max ? st->max : st->p99, "",
					   p->unit, ROLE_TEXT);
		return;
	}
	say_who(p, s, r.x + used, y, r.w - used);
}

/* What is missing of it, if anything. */
void latency_say_remarks(const struct latency *p, struct surface *s, struct rect r, int y)
{
	uint64_t from, to, not_sampled = 0;
	char text[32], of[32];
	int used = 1;

	lens_resolve(&p->lens, p->time.newest_ns, &from, &to);
	for (int i = 0; i < p->ncolumns && p->nlines; i++) {
		uint64_t middle = p->from_ns + (uint64_t)i * p->step_ns + p->step_ns / 2;

		if (middle > from && middle <= to && middle > p->time.first_ns && p->column_states[i] != HEAT_COLUMN_KNOWN)
			not_sampled += p->step_ns;
	}
	if (p->reason[0])
		used += surface_put(s, r.x + used, y, r.w - used, ROLE_UNREAD, 0, p->reason, strlen(p->reason)) + 2;
	if (p->lens.has_baseline && !p->before_ns && p->mode == LATENCY_MAP)
		used += surface_say(s, r.x + used, y, r.w - used, ROLE_WARN, "the baseline has nothing to compare with  ");
	if (not_sampled)
		used += surface_sayf(s, r.x + used, y, r.w - used, ROLE_WARN, "%s of it without a sample  ",
				     units_duration(text, sizeof(text), not_sampled));
	if (p->nleft_out)
		used += surface_sayf(s, r.x + used, y, r.w - used, ROLE_WARN, "%s rows left out  ",
				     count_text(text, sizeof(text), p->nleft_out));
	if (p->lost)
		used += surface_sayf(s, r.x + used, y, r.w - used, ROLE_WARN, "%s lost  ", count_text(text, sizeof(text), p->lost));
	if (p->who.table[0] && p->who.named && used < r.w - 30)
		used += surface_sayf(s, r.x + used, y, r.w - used, ROLE_MUTED, "%s known by name in %s  ",
				     count_text(of, sizeof(of), p->who.named + p->who.left_out), p->who.table);
	if (used == 1 && p->nlines)
		surface_say(s, r.x + 1, y, r.w - 1, ROLE_MUTED,
			    r.w >= 60 ? "arrows point at a cell, v begins a rectangle there, Enter looks at it" : "arrows, v box, Enter");
}

void latency_say_slowest(const struct latency *p, struct surface *s, struct rect r)
{
	const struct latency_who *who = &p->who;

	surface_hline(s, r.x, r.y, r.w, ROLE_RULE);
	if (!who->table[0]) {
		surface_say(s, r.x + 1, r.y, r.w - 2, ROLE_MUTED, "not attributed: no table says who was slow");
		return;
	}
	if (who->left_out)
		surface_sayf(s, r.x + 1, r.y, r.w - 2, ROLE_STRONG, "the slowest of the newest %d in the window", WHO_NEWEST);
	else
		surface_sayf(s, r.x + 1, r.y, r.w - 2, ROLE_STRONG, "the slowest in %s", p->pointing ? "the rectangle" : "the window");
	if (!who->nslowest)
		surface_sayf(s, r.x + 1, r.y + 1, r.w - 2, ROLE_MUTED, "none in %s", who->table);
	for (size_t i = 0; i < who->nslowest && (int)i + 1 < r.h; i++) {
		char clock[16], value[32];
		int y = r.y + 1 + (int)i, used = 1;
		int64_t wall = (int64_t)(who->slowest[i].at_ns + (uint64_t)p->wall_offset_ns) + p->time.zone_offset_s * SECOND;

		chart_clock_format(wall, true, clock, sizeof(clock));
		used += surface_sayf(s, r.x + used, y, r.w - used, ROLE_TEXT, "%s.%03d  ", clock,
				     (int)((wall % SECOND + SECOND) % SECOND / 1000000));
		surface_say_right(s, r.x + used, y, 8, ROLE_STRONG,
				  units_format_short(value, sizeof(value), who->slowest[i].value,
						     p->mode == LATENCY_SECONDS ? CULPRIT_NS : p->unit));
		used += 10;
		used += surface_put(s, r.x + used, y, 28, ROLE_TEXT, PUT_FILL, who->slowest[i].name, strlen(who->slowest[i].name)) + 2;
		surface_put(s, r.x + used, y, r.w - used, ROLE_MUTED, 0, who->slowest[i].detail, strlen(who->slowest[i].detail));
	}
}
