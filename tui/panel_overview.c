/* Overview: what box this is, the three questions to each resource, and the processes that use most. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "findings.h"
#include "list_panel.h"
#include "panels.h"
#include "resources.h"
#include "task_cells.h"
#include "units.h"

/* Columns of the resources: name, use and its !!, who waits, errors, the past, who uses most, what changed. */
struct layout {
	int name, use, wait, error, spark, most, changed;
};

static struct layout layout_fit(int width)
{
	struct layout l = {10, 9, 16, 8, 0, 11, 8};
	int left = width - (l.name + l.use + l.wait + l.error + l.most + l.changed + 6);

	/* What is left goes to the past first, then to who waits, then to names. */
	l.spark = left < 6 ? 0 : left < 21 ? left - 1 : 20;
	left -= l.spark ? l.spark + 1 : 0;
	l.wait += left > 12 ? 12 : left > 0 ? left : 0;
	left -= 12;
	l.error += left > 6 ? 6 : left > 0 ? left : 0;
	left -= 6;
	l.name += left > 6 ? 6 : left > 0 ? left : 0;
	left -= 6;
	l.most += left > 12 ? 12 : left > 0 ? left : 0;
	left -= 12;
	l.spark += l.spark && left > 0 ? (left > 20 ? 20 : left) : 0;
	return l;
}


static const struct rows_column columns[] = {
	{.column = "comm", .title = "process", .min = 15, .max = 24, .weight = 1, .cell = task_name_cell},
	{.column = "pid", .title = "pid", .min = 7, .max = 7},
	{.column = "cpu", .title = "cpu1", .min = 5, .max = 5, .coarse = true},
	{.title = "where busy time goes", .min = 20, .max = 60, .weight = 4, .cell = task_bar_cell, .holds = ROWS_PICTURE},
	{.column = "threads", .title = "thr", .min = 5, .max = 5, .priority = 2},
	{.title = "io", .min = 7, .max = 7, .priority = 3, .right = true, .cell = task_io_cell, .holds = ROWS_NUMBER},
	{.column = "rss", .title = "rss", .min = 6, .max = 6, .priority = 1},
};

struct overview {
	struct resources resources;
	struct rows rows, all; /* the list; all processes, where that shows a part of them */
	struct findings findings;
	bool on_verdict; /* the cursor is there, not in the list */
	struct figures log; /* kernel_log_class */
	char kernel[400];   /* the last serious line of the kernel's log, with its age; sanitised. "": nothing known */
	bool kernel_warns;
	char box[200];
	bool asked;
};

static void *overview_create(void)
{
	struct overview *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	rows_init(&o->rows, "process", columns, sizeof(columns) / sizeof(columns[0]), "cpu");
	rows_init(&o->all, "process", columns, sizeof(columns) / sizeof(columns[0]), "cpu");
	return o;
}

static void overview_destroy(void *self)
{
	struct overview *o = self;

	if (!o)
		return;
	resources_finish(&o->resources);
	rows_finish(&o->rows);
	rows_finish(&o->all);
	figures_finish(&o->log);
	findings_finish(&o->findings);
	free(o);
}

static void name_of(void *self, uint64_t pid, char *out, size_t cap)
{
	findings_name_of(((struct rows *)self)->query, pid, out, cap);
}

/* The processes of the whole machine, as its resources are: where the list shows a part of them, another one. */
static struct rows *all_processes(struct overview *o, struct view *view, const struct lens *lens)
{
	struct lens whole = *lens;

	memset(&whole.scope, 0, sizeof(whole.scope));
	whole.filter[0] = '\0';
	whole.has_range = false;
	if (lens_equal(&whole, lens)) {
		rows_finish(&o->all);
		rows_init(&o->all, "process", columns, sizeof(columns) / sizeof(columns[0]), "cpu");
		return &o->rows;
	}
	return rows_update(&o->all, view, &whole, 0, NULL) ? &o->rows : &o->all;
}

/* "Debian 12 (bookworm), kernel 6.18, 2 cpus, 23.5G, up 3h12m": in 78 columns on nearly every box */
static void say_box(struct overview *o, struct view *view, struct query *q)
{
	const struct host_info *host = view_host(view);
	char up[32], memory[32], system[64], *gnu;
	struct query_info info;

	o->box[0] = '\0';
	if (!host)
		return;
	query_info(q, &info);
	units_duration(up, sizeof(up),
		       info.used_to_wall_ns > host->boot_wall_ns ? (uint64_t)(info.used_to_wall_ns - host->boot_wall_ns) : 0);
	units_format_short(memory, sizeof(memory), (double)host->memory_bytes, CULPRIT_BYTES);
	snprintf(system, sizeof(system), "%.60s", host->system);
	gnu = strstr(system, " GNU/Linux");
	if (gnu)
		memmove(gnu, gnu + strlen(" GNU/Linux"), strlen(gnu + strlen(" GNU/Linux")) + 1);
	snprintf(o->box, sizeof(o->box), "%s, kernel %.40s, %llu cpu%s, %s, up %s", system, host->kernel, (unsigned long long)host->cpus, host->cpus == 1 ? "" : "s", memory, up);
}

enum { FRESH_S = 600 };
#define SECOND 1000000000ull

/* "3m12s ago, io-error: EXT4-fs error ..."; a link that came or went is told by its line among the resources. */
static void say_kernel(struct overview *o, struct view *view, const struct lens *lens, const struct panel_time *time)
{
	char class[16], text[160], shown[320], age[32];
	struct query_info info;
	size_t n = figures_ask(&o->log, view, lens, "kernel_log_class", "last");
	uint64_t from, to, last, ago;
	double when;

	o->kernel[0] = '\0';
	o->kernel_warns = false;
	lens_resolve(lens, time->newest_ns, &from, &to);
	for (size_t i = 0; i < n; i++) {
		when = figures_number(&o->log, i, "last");
		figures_text(&o->log, i, "class", class, sizeof(class));
		if (isnan(when) || !strcmp(class, "link"))
			continue;
		figures_text(&o->log, i, "text", text, sizeof(text));
		text_sanitise(shown, sizeof(shown), text, strlen(text), TEXT_UTF8);
		last = (uint64_t)when;
		ago = to > last ? to - last : 0;
		/* Whole seconds, then minutes: it need not be drawn anew all the time. */
		ago -= ago % (ago < FRESH_S * SECOND ? SECOND : 60 * SECOND);
		snprintf(o->kernel, sizeof(o->kernel), "%s ago, %s: %s", units_duration(age, sizeof(age), ago), class, shown);
		o->kernel_warns = to < last + FRESH_S * SECOND;
		return;
	}
	if (n) {
		snprintf(o->kernel, sizeof(o->kernel), "nothing serious: no oom, hung task, I/O error, segfault");
		return;
	}
	if (!o->log.query)
		return;
	query_info(o->log.query, &info);
	if (info.reason_len && info.state == CULPRIT_MISSING) {
		text_sanitise(shown, sizeof(shown), info.reason, info.reason_len < 120 ? info.reason_len : 120, TEXT_UTF8);
		snprintf(o->kernel, sizeof(o->kernel), "not read: %s", shown);
	}
}

/* What the resources are asked of, beside the processes. */
static const char *const also[] = {"psi", "runq", "cpu", "vmstat", "memory", "disk_latency", "disk_user", "disk", "filesystem", "tcp",
				   "net", "netstack", "nfs", "cgroup", "tcp_listen", "host", "kernel_log_class", NULL};

static int overview_update(void *self, struct view *view, const struct lens *lens, const struct panel_time *time,
			   struct culprit_error *error)
{
	struct overview *o = self;
	struct layout l = layout_fit(time->width ? time->width : 80);
	struct resource_widths widths = {(uint16_t)l.wait, (uint16_t)l.error, (uint16_t)l.spark};
	struct resources_who who = {.name = name_of, .findings = &o->findings};
	int r, e;

	if (!view)
		return 0;
	view_expect(view, also);
	r = rows_update(&o->rows, view, lens, 0, error);
	view_expect(view, NULL);
	/* A filter that cannot be understood leaves the list empty; the machine is there all the same. */
	if (r && r != -EBADMSG && !lens->filter[0])
		return r;
	who.self = all_processes(o, view, lens);
	findings_take_processes(&o->findings, ((struct rows *)who.self)->query);
	say_box(o, view, ((struct rows *)who.self)->query);
	say_kernel(o, view, lens, time);
	e = resources_update(&o->resources, view, lens, time, &widths, &who, error);
	findings_judge(&o->findings, view, lens, time->newest_ns, ((struct rows *)who.self)->query);
	o->asked = true;
	return e ? e : r;
}

static void draw_resource(const struct resource *x, struct surface *s, struct rect r, const struct layout *l)
{
	enum role role = x->warn ? ROLE_WARN : ROLE_TEXT;
	int at = r.x;

	surface_put(s, at, r.y, l->name, ROLE_STRONG, 0, x->name, strlen(x->name));
	at += l->name + 1;
	surface_say_right(s, at, r.y, l->use - 2, role, x->use);
	if (x->warn)
		surface_say(s, at + l->use - 2, r.y, 2, ROLE_WARN, "!!");
	at += l->use + 1;
	surface_say(s, at, r.y, l->wait, role, x->wait[0] ? x->wait : "-");
	at += l->wait + 1;
	surface_say(s, at, r.y, l->error, x->error[0] ? ROLE_WARN : ROLE_TEXT, x->error[0] ? x->error : "-");
	at += l->error + 1;
	if (l->spark) {
		spark_draw(s, at, r.y, l->spark, x->warn ? ROLE_WARN : ROLE_CHART, x->spark, x->nspark);
		at += l->spark + 1;
	}
	surface_put(s, at, r.y, l->most, ROLE_TEXT, 0, x->most[0] ? x->most : "-", x->most[0] ? strlen(x->most) : 1);
	at += l->most + 1;
	surface_say_right(s, at, r.y, r.x + r.w - at, ROLE_TEXT, x->changed[0] ? x->changed : "-");
}

static void draw_header(const struct overview *o, struct surface *s, struct rect r, const struct layout *l)
{
	char past[24];
	int at = r.x;

	surface_fill(s, (struct rect){r.x, r.y, r.w, 1}, ROLE_HEADER, ' ');
	at += l->name + 1;
	surface_say_right(s, at, r.y, l->use - 2, ROLE_HEADER, "use");
	at += l->use + 1;
	surface_say(s, at, r.y, l->wait, ROLE_HEADER, "saturation");
	at += l->wait + 1;
	surface_say(s, at, r.y, l->error, ROLE_HEADER, "errors");
	at += l->error + 1;
	if (l->spark) {
		surface_sayf(s, at, r.y, l->spark, ROLE_HEADER, "past %s",
			     units_duration(past, sizeof(past), o->resources.past_ns));
		at += l->spark + 1;
	}
	surface_say(s, at, r.y, l->most, ROLE_HEADER, "most by");
	at += l->most + 1;
	surface_say_right(s, at, r.y, r.x + r.w - at, ROLE_HEADER, o->resources.compared ? "+/-" : "changed");
}

/* Where not all fit, those that are well go first, of them the last ones. */
static void choose_shown(const struct resources *all, int room, bool *shown)
{
	int over = (int)all->n - (room > 0 ? room : 0);

	for (size_t i = 0; i < all->n; i++)
		shown[i] = true;
	for (int ill = 0; ill < 2; ill++) {
		for (size_t i = all->n; i-- > 0 && over > 0;) {
			if (!shown[i] || (!ill && all->list[i].warn))
				continue;
			shown[i] = false;
			over--;
		}
	}
}

/* The verdict: what is wrong, who, what is ruled out; on a calm box one line. As many lines as there is room for; how many it took. */
static int draw_verdict(const struct overview *o, struct surface *s, struct rect r)
{
	bool several = o->findings.n > 1;
	const char *key = o->on_verdict ? several ? "[! all, Enter]" : "[Enter]" : several ? "[! all, Up Enter]" : "[Up Enter]";
	bool bad = findings_grave(&o->findings), many = r.w >= 60;
	int n = (int)findings_lines(&o->findings), room = r.w - 1;
	char line[FINDINGS_LINE_MAX];

	n = n < r.h ? n : r.h;
	for (int i = 0; i < n; i++) {
		bool last = i == n - 1 && o->findings.n && many;

		findings_line(&o->findings, (size_t)i, (size_t)(room - (last ? (int)strlen(key) + 1 : 0)), line, sizeof(line));
		if (i == 0 && o->on_verdict)
			surface_fill(s, (struct rect){r.x, r.y, r.w, 1}, ROLE_SELECT, ' ');
		surface_put(s, o->findings.n ? r.x : r.x + 1, r.y + i, room, i == 0 && o->on_verdict ? ROLE_SELECT : i == 0 && bad ? ROLE_WARN : ROLE_TEXT,
			    0, line, strlen(line));
		/* Not by colour alone. */
		if (i == 0 && o->on_verdict)
			surface_glyph(s, r.x, r.y, ROLE_SELECT, GLYPH_SELECTED);
		if (last)
			surface_say_right(s, r.x + r.w - (int)strlen(key), r.y + i, (int)strlen(key), ROLE_MUTED, key);
	}
	return n;
}

static void overview_draw(void *self, struct surface *s, struct rect r)
{
	struct overview *o = self;
	struct layout l = layout_fit(r.w);
	bool shown[RESOURCES_MAX];
	int y = r.y, room, said, box;
	char place[96];

	if (!o->asked) {
		surface_say(s, r.x + 1, y, r.w - 1, ROLE_MUTED, "taking the first sample");
		return;
	}
	said = r.h >= 6 ? draw_verdict(o, s, (struct rect){r.x, y, r.w, r.h >= 10 ? FINDINGS_LINES : 1}) : 0;
	y += said;
	/* What box it is says the first line in short. */
	box = r.h >= (said > 1 ? 20 : 8);
	if (box)
		surface_put(s, r.x + 1, y++, r.w - 1, ROLE_TEXT, 0, o->box, strlen(o->box));
	if (r.h >= 12) {
		/* At least five lines are the processes'. */
		room = r.h - said - box - 1 - 7 - (o->kernel[0] != '\0');
		draw_header(o, s, (struct rect){r.x, y, r.w, 1}, &l);
		y++;
		choose_shown(&o->resources, room, shown);
		for (size_t i = 0; i < o->resources.n; i++)
			if (shown[i])
				draw_resource(&o->resources.list[i], s, (struct rect){r.x, y++, r.w, 1}, &l);
		if (o->kernel[0]) {
			surface_say(s, r.x, y, l.name, ROLE_STRONG, "kernel log");
			surface_put(s, r.x + l.name + 1, y++, r.w - l.name - 1, o->kernel_warns ? ROLE_WARN : ROLE_TEXT, PUT_OWN,
				    o->kernel, strlen(o->kernel));
		}
		surface_hline(s, r.x, y++, r.w, ROLE_RULE);
	}
	room = r.y + r.h - y;
	o->rows.list.away = o->on_verdict && o->findings.n;
	if (room < 3) {
		rows_draw(&o->rows, s, (struct rect){r.x, y, r.w, room});
		return;
	}
	rows_draw(&o->rows, s, (struct rect){r.x, y, r.w, room - 1});
	rows_place(&o->rows, place, sizeof(place));
	task_foot(s, (struct rect){r.x, r.y + r.h - 1, r.w, 1}, place);
}

/* To who it is, or to the panel that shows what it is. */
static enum panel_result open_verdict(struct overview *o, struct panel_request *want)
{
	struct finding_who who;
	const char *panel;

	if (!findings_target(&o->findings, &panel, &who))
		return PANEL_IGNORED;
	want->panel = panel;
	if (!who.pid || !who.key.n) {
		want->want = WANT_PANEL;
		return PANEL_UPDATE;
	}
	want->want = WANT_DEEPER;
	lens_scope_process(&want->lens, who.pid, who.key.n > 1 ? who.key.bits[1] : 0);
	want->lens.filter[0] = '\0';
	snprintf(want->label, sizeof(want->label), "%.40s %llu", who.name, (unsigned long long)who.pid);
	return PANEL_UPDATE;
}

static enum panel_result overview_action(void *self, int action, struct panel_request *want)
{
	struct overview *o = self;

	/* The verdict stands above the first process. */
	if (o->on_verdict && !o->findings.n)
		o->on_verdict = false;
	if (action == ACTION_UP && !o->on_verdict && o->findings.n && rows_selected(&o->rows) <= 0) {
		o->on_verdict = true;
		return PANEL_DRAW;
	}
	if (o->on_verdict && action == ACTION_DEEPER)
		return open_verdict(o, want);
	if (o->on_verdict && action == ACTION_UP)
		return PANEL_IGNORED;
	if (o->on_verdict && action < ACTION_PANEL) {
		o->on_verdict = false;
		if (action == ACTION_DOWN)
			return PANEL_DRAW;
	}
	if (action == ACTION_DEEPER)
		return rows_open_process(&o->rows, want);
	return rows_action(&o->rows, action);
}

static int overview_command(void *self, const char *name, const char *argument, struct panel_request *want,
			    struct culprit_error *error)
{
	(void)want;
	return rows_command(&((struct overview *)self)->rows, name, argument, error);
}

static const char *overview_complete(void *self, const char *command, size_t i)
{
	return rows_complete(&((struct overview *)self)->rows, command, i);
}

static bool overview_find(void *self, const char *text, int direction)
{
	return rows_find(&((struct overview *)self)->rows, text, direction);
}

static void overview_selection(void *self, bool restore)
{
	rows_selection(&((struct overview *)self)->rows, restore);
}

static bool overview_target(void *self, struct panel_target *target)
{
	/* Who is guilty is only likely so: nobody is sent a signal from there. */
	if (((struct overview *)self)->on_verdict)
		return false;
	return rows_target(&((struct overview *)self)->rows, target);
}

static size_t overview_reads(const void *self, const struct lens *lens, const struct panel_time *time, struct panel_read *list, size_t cap)
{
	(void)self, (void)time, (void)cap;
	list[0] = (struct panel_read){.lens = *lens, .table = "process", .also = also};
	return 1;
}

static void overview_status(const void *self, char *out, size_t cap)
{
	rows_status(&((const struct overview *)self)->rows, out, cap);
}

static void overview_keep(const void *self, const char *name, struct settings *settings)
{
	rows_keep(&((const struct overview *)self)->rows, name, settings);
}

static void overview_restore(void *self, const char *name, const struct settings *settings)
{
	rows_restore(&((struct overview *)self)->rows, name, settings);
}

static const struct binding keys[] = {ROWS_BINDINGS};

const struct panel overview_panel = {
	.name = "overview",
	.title = "Over",
	.key = '1',
	.help = "First the verdict over the window: what the bottleneck is, who causes it, who waits for it and since when; then what was "
		"ruled out, what was not measured, and how many other findings there are. CERTAIN: the kernel says so itself; LIKELY: the "
		"numbers do; CANNOT TELL: two may be it. Up from the first process, then Enter: to who or what is meant; ! lists all findings and why something is not measured. Below, each resource "
		"answers three questions: how much is used, does anybody wait (stalled: share of the window in "
		"which some task stood still for want of it), does it fail. !! is beyond what is healthy. `changed` compares "
		"with the mean of the time before the window (=: within a tenth); `+/-`, here and below, with the baseline that b sets (=: the same "
		"digits). Parts of the machine that are at a limit of their own stand "
		"there while they hurt: a control group's CPU or memory limit (reread: memory it had to fetch again), a port "
		"whose queue of new connections is full, open files of a process, threads that wait for locks more than they do anything, and forks: processes too short for the list, "
		"what they took, who began most. Below, the processes: C on a CPU, R waiting for one, D waiting for disks, dots idle. `kernel log` is its last serious line (e shows all). Enter: the threads of a process.",
	.keys = keys,
	.nkeys = sizeof(keys) / sizeof(keys[0]),
	.create = overview_create,
	.destroy = overview_destroy,
	.update = overview_update,
	.draw = overview_draw,
	.reads = overview_reads,
	.action = overview_action,
	.command = overview_command,
	.complete = overview_complete,
	.find = overview_find,
	.selection = overview_selection,
	.status = overview_status,
	.target = overview_target,
	.keep = overview_keep,
	.restore = overview_restore,
};
