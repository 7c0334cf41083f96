/* Findings in sentences. A line is made of parts; what does not fit is left out as a whole, the least first, so that no number is cut. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "findings_internal.h"
#include "text.h"
#include "units.h"

enum { PROVISIONAL_S = 9 /* ten from the start */, NAME = 24, LARGE = 20 /* percent: of who has less nobody says a name */ };

static const char *const layer_names[LAYERS] = {"cpu", "mem", "disk", "net", "locks", "limits"};

/* Columns that it takes on any terminal: names are raw bytes, and longer where they are escaped. */
static size_t columns(const char *text)
{
	return text_width(text, strlen(text), TEXT_ASCII);
}

/* So many bytes of a name take at most so many columns. */
static int name_fit(const char *name, size_t most)
{
	struct text_iter it;
	struct text_unit unit;
	size_t taken = 0;
	int n = 0;

	text_iter_init(&it, name, strlen(name), TEXT_ASCII);
	while (text_next(&it, &unit) && taken + unit.width <= most) {
		taken += unit.width;
		n += unit.len;
	}
	return n;
}

/* --- what is not measured ---------------------------------------------------------------------------------------- */

static bool is_missing(const struct findings *f, size_t t)
{
	return !f->sources[t].measured && findings_word((enum findings_table)t);
}

static size_t count_missing(const struct findings *f)
{
	size_t n = 0;

	for (size_t t = 0; t < TAKEN; t++)
		n += is_missing(f, t);
	return n;
}

/* Why, where it is the same for all; cut to what brings it. "": it differs, or is not known. */
static void why_missing(const struct findings *f, char *out, size_t cap)
{
	static const char *const ends[] = {" or ", ": sudo", "; ", " ("};
	const char *why = NULL;

	out[0] = '\0';
	for (size_t t = 0; t < TAKEN; t++) {
		if (!is_missing(f, t))
			continue;
		if (why && strcmp(why, f->sources[t].why) != 0)
			return;
		why = f->sources[t].why;
	}
	if (!why || !why[0])
		return;
	snprintf(out, cap, "%s", why);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		char *at = strstr(out, ends[i]);

		if (at)
			*at = '\0';
	}
}

/* "run queue, disk latency and 3 more", as many words as fit; at least how many they are. */
static void say_missing(const struct findings *f, size_t width, char *out, size_t cap)
{
	size_t all = count_missing(f), said = 0, len = 0;

	out[0] = '\0';
	for (size_t t = 0; t < TAKEN; t++) {
		const char *word = findings_word((enum findings_table)t);
		char more[24] = "", one[48];
		size_t need;

		if (!is_missing(f, t))
			continue;
		if (said + 1 < all)
			snprintf(more, sizeof(more), " and %zu more", all - said - 1);
		need = (size_t)snprintf(one, sizeof(one), "%s%s", said ? ", " : "", word);
		/* Of one thing it is said which. */
		if ((all > 1 && len + need + strlen(more) > width) || len + need + 1 > cap)
			break;
		memcpy(out + len, one, need + 1);
		len += need;
		said++;
	}
	if (!said)
		snprintf(out, cap, "%zu things", all);
	else if (said < all && len + 16 < cap)
		snprintf(out + len, cap - len, " and %zu more", all - said);
}

static const char *data(const struct findings *f, char *buf, size_t cap)
{
	/* Sampled a hair early, ten seconds are still ten. */
	unsigned long long s = (f->data_ns + 500000000u) / 1000000000u;

	snprintf(buf, cap, "%llu s", s);
	return buf;
}

static bool provisional(const struct findings *f)
{
	return (f->data_ns + 500000000u) / 1000000000u < PROVISIONAL_S;
}

/* --- nothing found ----------------------------------------------------------------------------------------------- */

/* "; stalled cpu 21% disk 12%": what is much, and no trouble yet. */
static const char *say_stalled(const struct findings *f, char *out, size_t cap)
{
	static const char *const names[3] = {"cpu", "memory", "disk"};
	size_t len = 0;

	out[0] = '\0';
	for (int k = 0; k < 3; k++)
		if (f->facts.stalled[k] >= FINDINGS_STALLED_MUCH)
			len += (size_t)snprintf(out + len, cap - len, "%s %s %.0f%%", len ? "" : "; stalled", names[k], f->facts.stalled[k]);
	return out;
}

static void say_nothing(const struct findings *f, size_t width, char *buf, size_t cap)
{
	size_t missing = count_missing(f);
	char span[24], why[80], list[200], stalled[80];
	const char *of = provisional(f) ? " of data" : "";

	data(f, span, sizeof(span));
	if (!f->data_ns || !f->sources[TAKEN_CPU].measured) {
		snprintf(buf, cap, width >= 44 ? "no verdict yet: needs a second sample" : "no verdict yet");
		return;
	}
	/* Nothing could be judged. */
	if (!f->query) {
		snprintf(buf, cap, "no verdict: out of memory");
		return;
	}
	if (findings_too_early(f)) {
		snprintf(buf, cap, "no verdict yet: %s of data", span);
		return;
	}
	if (!missing) {
		snprintf(buf, cap, "no bottleneck found in %s%s; every layer measured%s", span, of, say_stalled(f, list, sizeof(list)));
		if (strlen(buf) > width)
			snprintf(buf, cap, "no bottleneck found in %s%s; every layer measured", span, of);
		if (strlen(buf) > width)
			snprintf(buf, cap, "no bottleneck found in %s%s", span, of);
		return;
	}
	why_missing(f, why, sizeof(why));
	say_stalled(f, stalled, sizeof(stalled));
	/* That somebody stood still comes before why something is not measured. */
	if (why[0] && !stalled[0]) {
		size_t fixed = strlen("nothing found in , but  not measured: ") + strlen(span) + strlen(of) + strlen(why);

		if (width >= fixed + 12) {
			say_missing(f, width - fixed, list, sizeof(list));
			snprintf(buf, cap, "nothing found in %s%s, but %s not measured: %s", span, of, list, why);
			if (strlen(buf) <= width)
				return;
		}
	}
	say_missing(f, width > 46 + strlen(stalled) ? width - 46 - strlen(stalled) : 0, list, sizeof(list));
	snprintf(buf, cap, "nothing found in %s%s, but %s not measured%s", span, of, list, stalled);
	if (strlen(buf) > width)
		snprintf(buf, cap, "nothing found in %s%s, but %zu not measured%s", span, of, missing, stalled);
	if (strlen(buf) > width)
		snprintf(buf, cap, "nothing found, but %zu not measured%s", missing, width > 42 ? stalled : "");
	if (strlen(buf) > width)
		snprintf(buf, cap, "nothing found, but %zu not measured", missing);
}

/* --- something found --------------------------------------------------------------------------------------------- */

static void who(const struct finding_who *w, char *out, size_t cap)
{
	if (w->several)
		snprintf(out, cap, "%.*s (%zu processes)", name_fit(w->name, NAME), w->name, w->several);
	else if (w->pid)
		snprintf(out, cap, "%.*s %llu", name_fit(w->name, NAME), w->name, (unsigned long long)w->pid);
	else
		snprintf(out, cap, "%.*s", name_fit(w->name, NAME * 2), w->name);
}

/* Not what is over, nor what is no trouble maybe. */
static bool is_grave(const struct finding *x)
{
	return x->rule->weight >= 2 && !x->ended_ns && !x->minor;
}

static void say_head(const struct findings *f, const struct finding *x, size_t width, char *buf, size_t cap)
{
	static const char *const words[] = {[FINDING_CANNOT_TELL] = "CANNOT TELL", [FINDING_LIKELY] = "LIKELY", [FINDING_CERTAIN] = "CERTAIN"};
	char span[24], a[96] = "", b[96] = "", tails[5][200];
	const char *mark = is_grave(x) ? "!!" : "  ", *word = x->ended_ns ? "ENDED" : words[x->confidence];
	size_t n = 0, len;

	who(&x->cause, a, sizeof(a));
	who(&x->other, b, sizeof(b));
	if (x->nobody && a[0] && x->share < LARGE) {
		/* Which one has a little more than the others is another one each second. */
		snprintf(tails[n++], sizeof(tails[0]), ", by many; none %s %d%% %s", x->began ? "began" : "has", LARGE, x->share_of);
		snprintf(tails[n++], sizeof(tails[0]), ", by many");
	} else if (x->nobody && a[0]) {
		if (!isnan(x->share))
			snprintf(tails[n++], sizeof(tails[0]), ", by many; %s %s %.0f%% %s", a, x->began ? "began" : "has", x->share, x->share_of);
		if (!isnan(x->share))
			snprintf(tails[n++], sizeof(tails[0]), ", by many; %s %s %.0f%%", a, x->began ? "began" : "has", x->share);
		if (x->cause.several)
			snprintf(tails[n++], sizeof(tails[0]), ", most by %zu %.*s", x->cause.several, name_fit(x->cause.name, NAME), x->cause.name);
		snprintf(tails[n++], sizeof(tails[0]), ", by many");
	} else if (x->confidence == FINDING_CANNOT_TELL && a[0] && b[0]) {
		if (!isnan(x->share) && !isnan(x->other_share))
			snprintf(tails[n++], sizeof(tails[0]), ": %s (%.0f%%) or %s (%.0f%%) %s", a, x->share, b, x->other_share, x->share_of);
		snprintf(tails[n++], sizeof(tails[0]), ": %s or %s", a, b);
		if (!strcmp(x->cause.name, x->other.name) && x->cause.pid)
			snprintf(tails[n++], sizeof(tails[0]), ": %.*s %llu or %llu", name_fit(x->cause.name, 15), x->cause.name, (unsigned long long)x->cause.pid,
				 (unsigned long long)x->other.pid);
		else
			snprintf(tails[n++], sizeof(tails[0]), ": %.*s or %.*s", name_fit(x->cause.name, 15), x->cause.name, name_fit(x->other.name, 15), x->other.name);
	} else if (a[0]) {
		if (!isnan(x->share) && x->share_of)
			snprintf(tails[n++], sizeof(tails[0]), ": %s %s%.0f%% %s", a, x->added ? "added " : x->began ? "began " : "has ", x->share, x->share_of);
		else if (x->share_of)
			snprintf(tails[n++], sizeof(tails[0]), ": %s %s", a, x->share_of);
		snprintf(tails[n++], sizeof(tails[0]), ": %s", a);
	} else if (x->rule->who && x->rule->change && !x->nobody) {
		snprintf(tails[n++], sizeof(tails[0]), "; by whom is not measured");
	} else if (x->evidence[0]) {
		snprintf(tails[n++], sizeof(tails[0]), ", %s", x->evidence);
	}
	tails[n++][0] = '\0';
	if (width < 60)
		snprintf(buf, cap, "%s %s%s %s", mark, x->ended_ns ? "ended: " : x->confidence == FINDING_CANNOT_TELL ? "cannot tell who: " : "", x->object, x->state);
	else if (provisional(f))
		snprintf(buf, cap, "%s %s (%s of data)  %s %s", mark, word, data(f, span, sizeof(span)), x->object, x->state);
	else
		snprintf(buf, cap, "%s %-7s  %s %s", mark, word, x->object, x->state);
	len = strlen(buf);
	for (size_t i = 0; i < n; i++) {
		if (columns(buf) + columns(tails[i]) > width && i + 1 < n)
			continue;
		snprintf(buf + len, cap - len, "%s", tails[i]);
		return;
	}
}

/* Does the first line have the evidence? It has where nobody is accused. */
static bool head_has_evidence(const struct findings *f, const struct finding *x, size_t width)
{
	char line[FINDINGS_LINE_MAX];

	say_head(f, x, width, line, sizeof(line));
	return !x->cause.name[0] && x->evidence[0] && strstr(line, x->evidence);
}

/* "since 14:01:07Z (+-1s)", "until ...", "at ..."; where there is less room without how exact it is. */
static void say_since(const struct findings *f, const struct finding *x, size_t width, char *out, size_t cap)
{
	uint64_t when = x->at_ns ? x->at_ns : x->ended_ns ? x->ended_ns : x->since_ns;
	const char *word = x->at_ns ? "at" : x->ended_ns ? "until" : "since";
	char at[32], step[24];

	out[0] = '\0';
	if (x->before && !x->at_ns && !x->ended_ns) {
		snprintf(out, cap, "since before I looked");
		return;
	}
	if (!when)
		return;
	units_clock(at, sizeof(at), (int64_t)(when + (uint64_t)f->wall_offset_ns), f->zone_offset_s);
	if (!x->at_ns && x->since_step_ns)
		snprintf(out, cap, "%s %s (+-%s)", word, at, units_duration(step, sizeof(step), x->since_step_ns));
	if (!out[0] || strlen(out) > width)
		snprintf(out, cap, "%s %s", word, at);
}

static void say_victim(const struct finding *x, char *out, size_t cap)
{
	const char *hurts = x->ended_ns ? "hurt" : "hurts";
	char a[96];

	out[0] = '\0';
	if (!x->victim.name[0] || !(x->waiting > 0))
		return;
	who(&x->victim, a, sizeof(a));
	if (x->busy >= 1.5)
		snprintf(out, cap, "%s %s: %.*f of %.*f busy threads %s", hurts, a, x->busy >= 9.5 ? 0 : 1, x->waiting, x->busy >= 9.5 ? 0 : 1,
			 x->busy, x->ended_ns ? "waited" : x->rule->wait_for);
	else
		snprintf(out, cap, "%s %s: %.0f%% of its busy time spent waiting", hurts, a, 100 * x->waiting / x->busy);
}

/* `left`, parts of it dropped from the end, and `right` at the line's end where there is room. */
static void join(const char *const *parts, size_t n, const char *right, size_t width, char *buf, size_t cap)
{
	size_t len = (size_t)snprintf(buf, cap, "   "), at = len, r = strlen(right);
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		size_t need = strlen(parts[i]) + (any ? 2 : 0), takes = columns(parts[i]) + (any ? 2 : 0);

		/* The first one comes before what stands at the right. */
		if (!parts[i][0] || at + takes + (any && r ? r + 2 : 0) > width || len + need + 1 > cap)
			continue;
		len += (size_t)snprintf(buf + len, cap - len, "%s%s", any ? "; " : "", parts[i]);
		at += takes;
		any = true;
	}
	if (r && at + 2 + r <= width && len + (width - at) < cap)
		snprintf(buf + len, cap - len, "%*s%s", (int)(width - at - r), "", right);
}

static void say_hurts(const struct findings *f, const struct finding *x, size_t width, char *buf, size_t cap)
{
	char victim[200], since[64];
	size_t first;
	const char *parts[2] = {victim, head_has_evidence(f, x, width) ? "" : x->evidence};

	say_victim(x, victim, sizeof(victim));
	first = 5 + columns(victim[0] ? victim : parts[1]);
	say_since(f, x, width > first ? width - first : 0, since, sizeof(since));
	join(parts, 2, since, width, buf, cap);
}

static bool ruled_out(const struct findings *f, enum findings_layer layer)
{
	static const uint8_t needs[LAYERS][3] = {
		[LAYER_CPU] = {TAKEN_CPU, TAKEN_HOST, TAKEN_CPU},
		[LAYER_MEMORY] = {TAKEN_MEMORY, TAKEN_VMSTAT, TAKEN_VMSTAT},
		[LAYER_DISK] = {TAKEN_DISK, TAKEN_FILESYSTEM, TAKEN_DISK},
		[LAYER_NET] = {TAKEN_NET, TAKEN_TCP, TAKEN_LISTEN},
		[LAYER_LOCKS] = {TAKEN_WAITS, TAKEN_WAITS, TAKEN_WAITS},
		[LAYER_LIMITS] = {TAKEN_CGROUP, TAKEN_PROCESS, TAKEN_CGROUP},
	};

	if (f->ill[layer])
		return false;
	/* Somebody stands still for it, and no rule knows why: it is not innocent for that. */
	if ((layer == LAYER_CPU && f->facts.stalled[0] >= FINDINGS_STALLED_MUCH) || (layer == LAYER_MEMORY && f->facts.stalled[1] >= FINDINGS_STALLED_MUCH) ||
	    (layer == LAYER_DISK && f->facts.stalled[2] >= FINDINGS_STALLED_MUCH))
		return false;
	for (size_t i = 0; i < 3; i++)
		if (!f->sources[needs[layer][i]].measured)
			return false;
	/* Who waits is told by pressure, or by the programs; without both, nothing is. */
	if (layer == LAYER_CPU && !f->sources[TAKEN_PSI].measured && !f->sources[TAKEN_RUNQ].measured)
		return false;
	if (layer == LAYER_DISK && !f->sources[TAKEN_PSI].measured && !f->sources[TAKEN_DISK_LATENCY].measured)
		return false;
	return true;
}

/* "ruled out cpu mem" */
static void say_ruled_out(const struct findings *f, char *out, size_t cap)
{
	size_t len = (size_t)snprintf(out, cap, "ruled out");
	int n = 0;

	for (int i = 0; i < LAYERS; i++) {
		if (!ruled_out(f, (enum findings_layer)i))
			continue;
		len += (size_t)snprintf(out + len, cap - len, " %s", layer_names[i]);
		n++;
	}
	if (!n)
		snprintf(out, cap, "ruled out nothing");
}

static void say_rest(const struct findings *f, size_t width, char *buf, size_t cap)
{
	char out[96], more[32] = "", missing[200], parts[300];
	size_t fixed;

	say_ruled_out(f, out, sizeof(out));
	if (f->n > 1)
		snprintf(more, sizeof(more), "   %zu more", f->n - 1);
	if (!count_missing(f)) {
		snprintf(buf, cap, "   %s   every layer measured%s", out, more);
		if (strlen(buf) > width)
			snprintf(buf, cap, "   every layer measured%s", more);
		return;
	}
	fixed = 3 + strlen(out) + strlen("   not measured ") + strlen(more);
	say_missing(f, width > fixed ? width - fixed : 0, missing, sizeof(missing));
	snprintf(parts, sizeof(parts), "   %s   not measured %s%s", out, missing, more);
	if (strlen(parts) > width)
		snprintf(parts, sizeof(parts), "   not measured %s%s", missing, more);
	snprintf(buf, cap, "%s", parts);
}

bool findings_grave(const struct findings *f)
{
	return f->n && is_grave(&f->list[0]);
}

size_t findings_lines(const struct findings *f)
{
	return f->n ? FINDINGS_LINES : 1;
}

char *findings_line(const struct findings *f, size_t i, size_t width, char *buf, size_t cap)
{
	buf[0] = '\0';
	if (!f->n)
		i == 0 ? say_nothing(f, width, buf, cap) : (void)0;
	else if (i == 0)
		say_head(f, &f->list[0], width, buf, cap);
	else if (i == 1)
		say_hurts(f, &f->list[0], width, buf, cap);
	else if (i == 2)
		say_rest(f, width, buf, cap);
	return buf;
}

/* What was said, escaped (names are raw bytes), and a line's end. */
static void put_line(char **at, const char *end, const char *text)
{
	char line[FINDINGS_LINE_MAX * 4 + 1];
	size_t n;

	text_sanitise(line, sizeof(line), text, strlen(text), TEXT_UTF8);
	n = strlen(line);
	if ((size_t)(end - *at) < n + 2)
		return;
	memcpy(*at, line, n);
	(*at)[n] = '\n';
	*at += n + 1;
	**at = '\0';
}

static void list_finding(const struct findings *f, const struct finding *x, size_t width, char **at, const char *end)
{
	char line[FINDINGS_LINE_MAX], part[200];

	say_head(f, x, width, line, sizeof(line));
	put_line(at, end, line);
	say_victim(x, part, sizeof(part));
	snprintf(line, sizeof(line), "      %s", part);
	if (part[0])
		put_line(at, end, line);
	/* A line each: nothing is left out here. */
	snprintf(line, sizeof(line), "      %s", x->evidence);
	if (x->evidence[0] && !head_has_evidence(f, x, width))
		put_line(at, end, line);
	say_since(f, x, width, part, sizeof(part));
	snprintf(line, sizeof(line), "      %s", part);
	if (part[0])
		put_line(at, end, line);
}

char *findings_list(const struct findings *f, size_t width, char *buf, size_t cap)
{
	char *at = buf, *end = buf + cap, line[FINDINGS_LINE_MAX], out[96];

	buf[0] = '\0';
	if (!f->n) {
		say_nothing(f, width, line, sizeof(line));
		put_line(&at, end, line);
	}
	for (size_t i = 0; i < f->n; i++) {
		if (i)
			put_line(&at, end, "");
		list_finding(f, &f->list[i], width, &at, end);
	}
	if (f->absorbed) {
		snprintf(line, sizeof(line), "%zu more %s only a sign of these.", f->absorbed, f->absorbed > 1 ? "are" : "is");
		put_line(&at, end, "");
		put_line(&at, end, line);
	}
	put_line(&at, end, "");
	say_ruled_out(f, out, sizeof(out));
	out[0] = 'R';
	put_line(&at, end, out);
	put_line(&at, end, "");
	put_line(&at, end, count_missing(f) ? "Not measured:" : "Everything was measured.");
	for (size_t t = 0; t < TAKEN; t++) {
		if (!is_missing(f, t))
			continue;
		snprintf(line, sizeof(line), "  %s: %s", findings_word((enum findings_table)t), f->sources[t].why[0] ? f->sources[t].why : "nothing of it in this window");
		put_line(&at, end, line);
	}
	return buf;
}

bool findings_target(const struct findings *f, const char **ret_panel, struct finding_who *w)
{
	const struct finding *x = &f->list[0];

	if (!f->n)
		return false;
	memset(w, 0, sizeof(*w));
	/* Who causes it; where it is not known, who suffers; where nobody does, the panel that shows it. */
	if (x->confidence != FINDING_CANNOT_TELL && x->cause.pid)
		*w = x->cause;
	else if (x->victim.pid && !(x->nobody && x->rule->who) && strcmp(x->rule->name, "oom") != 0 && strcmp(x->rule->name, "network") != 0)
		*w = x->victim;
	*ret_panel = w->pid ? "threads" : x->rule->panel;
	return true;
}
