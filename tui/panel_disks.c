/* Disks: what each block device does, what it is made of and where it is mounted, who reads and writes most. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "list_panel.h"
#include "number.h"
#include "panels.h"
#include "task_cells.h"
#include "top.h"
#include "units.h"

enum { WHO = 3, FULLEST = 3, DEVICES = 512 };

static const double busy_pct = 95, full_pct = 90, stalled_pct = 10, nfs_again_pct = 2, nfs_slow_ns = 100e6;

struct device {
	char name[64], label[64], of[64]; /* of: what it is a part of, or made of, the first where that is several */
};

struct disks {
	struct list_state list;
	struct figures figures;
	struct device devices[DEVICES]; /* the rows of the list, when it was asked */
	size_t ndevices;
	char mount[256]; /* where the selected device, or what stands on it, is mounted; of several places the fullest */
};

static void busy_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	rows_percent_cell(r, row, "busy", busy_pct, cell);
}

/* "vda1 < vda", "dm-0 vg-root < vda2": what it is made of stands behind it. */
static void name_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	char name[48], label[64], of[64];

	rows_text(r, row, "name", name, sizeof(name));
	rows_text(r, row, "label", label, sizeof(label));
	rows_text(r, row, "parent", of, sizeof(of));
	if (!of[0])
		rows_text(r, row, "made_of", of, sizeof(of));
	snprintf(cell->text, sizeof(cell->text), "%s%s%s%s%s", name, label[0] ? " " : "", label, of[0] ? " < " : "", of);
	cell->len = (uint16_t)strlen(cell->text);
}

static const struct rows_column columns[] = {
	{.column = "name", .title = "device", .min = 12, .max = 40, .weight = 2, .cell = name_cell},
	{.column = "busy", .title = "busy", .min = 5, .max = 5, .right = true, .cell = busy_cell},
	{.column = "read_iops", .title = "reads", .min = 7, .max = 7, .priority = 2},
	{.column = "write_iops", .title = "writes", .min = 7, .max = 7, .priority = 2},
	{.column = "read_rate", .title = "read", .min = 7, .max = 7},
	{.column = "write_rate", .title = "written", .min = 7, .max = 7},
	{.column = "read_await", .title = "r-await", .min = 7, .max = 7},
	{.column = "write_await", .title = "w-await", .min = 7, .max = 7},
	{.column = "flush_await", .title = "f-await", .min = 7, .max = 7, .priority = 3},
	{.column = "queue", .title = "queue", .min = 5, .max = 5},
	{.column = "in_flight", .title = "now", .min = 4, .max = 4, .priority = 5},
	{.column = "size", .title = "size", .min = 6, .max = 6, .priority = 4},
	{.column = "kind", .title = "kind", .min = 9, .max = 9, .priority = 6},
	{.column = "model", .title = "model", .min = 8, .max = 24, .priority = 7},
};

/* Raw text, sanitised. */
static void shown(struct figures *f, size_t row, const char *column, char *out, size_t cap)
{
	char raw[128];

	figures_text(f, row, column, raw, sizeof(raw));
	text_sanitise(out, cap, raw, strlen(raw), TEXT_UTF8);
}

static void say_stalled(struct disks *d, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double some = figures_number(&d->figures, i, "some_share"), full = figures_number(&d->figures, i, "full_share");
		char name[16], a[32], b[32];

		figures_text(&d->figures, i, "resource", name, sizeof(name));
		if (strcmp(name, "io") || isnan(some))
			continue;
		list_panel_say(&d->list.head, some >= stalled_pct ? ROLE_WARN : ROLE_TEXT,
			       "some task waited for a disk %s of the window, all of them %s",
			       rows_percent(a, sizeof(a), some), isnan(full) ? "-" : rows_percent(b, sizeof(b), full));
	}
}

/* "most by restic 9911 48.0M/s (all written), mysqld 812 3.1M/s" */
static void say_who(struct disks *d, size_t n)
{
	static const char *const both[] = {"read_rate", "write_rate", NULL};
	char line[LIST_PANEL_LINE_MAX] = "most by ", why[160];
	struct figures_most most[WHO];
	size_t found = n ? figures_most(d->figures.query, both, 0, false, WHO, most) : 0;

	for (size_t k = 0; k < found; k++) {
		double out = figures_number(&d->figures, most[k].row, "write_rate");
		char name[64], rate[32];

		shown(&d->figures, most[k].row, "comm", name, sizeof(name));
		list_panel_append(line, sizeof(line), "%s%s %.0f %s%s", k ? ", " : "", name,
		       figures_number(&d->figures, most[k].row, "pid"),
		       units_format_short(rate, sizeof(rate), most[k].value, CULPRIT_BYTES_PER_S),
		       out >= most[k].value * 0.9 ? " written" : !(out > most[k].value * 0.1) ? " read" : "");
	}
	if (found)
		list_panel_say(&d->list.head, ROLE_TEXT, "%s", line);
	else if (rows_unmeasured(d->figures.query, why, sizeof(why)))
		list_panel_say(&d->list.head, ROLE_MUTED, "who reads and writes: %s", why);
	else
		list_panel_say(&d->list.head, ROLE_MUTED, "no process is known to have read or written");
}

static void say_fullest(struct disks *d, size_t n)
{
	char line[LIST_PANEL_LINE_MAX] = "fullest ";
	bool warn = false;

	for (size_t i = 0; i < n && i < FULLEST; i++) {
		double used = figures_number(&d->figures, i, "used_pct"), size = figures_number(&d->figures, i, "size"),
		       inodes = figures_number(&d->figures, i, "inode_pct");
		char mount[96], a[32], b[32];

		if (isnan(used) || (i && used < 1))
			break;
		shown(&d->figures, i, "mount", mount, sizeof(mount));
		list_panel_append(line, sizeof(line), "%s%s %s of %s%s", i ? ", " : "", mount, rows_percent(a, sizeof(a), used),
		       units_format_short(b, sizeof(b), size, CULPRIT_BYTES),
		       figures_number(&d->figures, i, "read_only") > 0 ? " (read-only)" : "");
		if (inodes >= full_pct)
			list_panel_append(line, sizeof(line), " (inodes %s)", rows_percent(a, sizeof(a), inodes));
		warn |= used >= full_pct || inodes >= full_pct;
	}
	if (strlen(line) > strlen("fullest "))
		list_panel_say(&d->list.head, warn ? ROLE_WARN : ROLE_TEXT, "%s", line);
}

/* "nfs /home 120/s in 4.1ms, again 0.1%, read 12.0M/s, written 0B/s; +2" */
static void say_nfs(struct disks *d, size_t n)
{
	double again = figures_number(&d->figures, 0, "retrans_pct"), await = figures_number(&d->figures, 0, "await"),
	       ops = figures_number(&d->figures, 0, "op_rate");
	char mount[96], a[32], b[32], c[32], e[32], f[32], more[32] = "";

	if (!n)
		return;
	shown(&d->figures, 0, "mount", mount, sizeof(mount));
	if (n > 1)
		snprintf(more, sizeof(more), "; +%zu", n - 1);
	list_panel_say(&d->list.head, again >= nfs_again_pct || await >= nfs_slow_ns ? ROLE_WARN : ROLE_TEXT,
		       "nfs %s %s in %s, sent again %s, read %s, written %s%s", mount,
		       isnan(ops) ? "-" : units_format_short(a, sizeof(a), ops, CULPRIT_COUNT_PER_S),
		       isnan(await) ? "-" : units_format_short(b, sizeof(b), await, CULPRIT_NS),
		       isnan(again) ? "-" : rows_percent(f, sizeof(f), again),
		       units_format_short(c, sizeof(c), figures_number(&d->figures, 0, "read_rate"), CULPRIT_BYTES_PER_S),
		       units_format_short(e, sizeof(e), figures_number(&d->figures, 0, "write_rate"), CULPRIT_BYTES_PER_S), more);
}

static int disks_update(void *self, struct view *view, const struct lens *lens, const struct panel_time *time,
			struct culprit_error *error)
{
	struct disks *d = self;

	(void)time, (void)error;
	say_stalled(d, figures_ask(&d->figures, view, lens, "psi", NULL));
	say_who(d, figures_ask_with(&d->figures, view, lens, "process", NULL, QUERY_OWN));
	say_fullest(d, figures_ask(&d->figures, view, lens, "filesystem", "used_pct"));
	say_nfs(d, figures_ask(&d->figures, view, lens, "nfs", "op_rate"));
	return 0;
}

static size_t disks_reads(const void *self, const struct lens *lens, const struct panel_time *time, struct panel_read *list, size_t cap)
{
	(void)time, (void)cap;
	list[0] = (struct panel_read){.lens = *lens, .table = list_panel_table(self)};
	list[1] = (struct panel_read){.lens = *lens, .table = "process", .own = true};
	return 2;
}

/* Is this what is mounted from that device? /dev/vda1 is vda1; /dev/mapper/vg-root is the one labelled so. */
static bool is_device(const char *source, const char *name, const char *label)
{
	const char *last = strrchr(source, '/');

	if (!last)
		return false;
	return !strcmp(last + 1, name) || (label[0] && !strcmp(last + 1, label));
}

static void read_devices(struct disks *d)
{
	struct rows *r = &d->list.rows;
	size_t n = query_nrows(r->query);

	d->ndevices = n < DEVICES ? n : DEVICES;
	for (size_t i = 0; i < d->ndevices; i++) {
		struct device *v = &d->devices[i];

		rows_text(r, i, "name", v->name, sizeof(v->name));
		rows_text(r, i, "label", v->label, sizeof(v->label));
		rows_text(r, i, "parent", v->of, sizeof(v->of));
		if (!v->of[0])
			rows_text(r, i, "made_of", v->of, sizeof(v->of));
		v->of[strcspn(v->of, " ,")] = '\0';
	}
}

/* The device below: a partition's whole, what dm and md are made of; DEVICES: there is none. */
static size_t device_below(const struct disks *d, size_t at)
{
	for (size_t i = 0; d->devices[at].of[0] && i < d->ndevices; i++)
		if (i != at && !strcmp(d->devices[i].name, d->devices[at].of))
			return i;
	return DEVICES;
}

/* The disk that is asked when this one is: itself where nothing is below it. */
static size_t disk_below(const struct disks *d, size_t at)
{
	for (size_t below, depth = 0; depth < 8 && (below = device_below(d, at)) != DEVICES; depth++)
		at = below;
	return at;
}

static bool stands_on(const struct disks *d, size_t at, size_t row)
{
	for (int depth = 0; depth < 8 && at != DEVICES && at != row; depth++)
		at = device_below(d, at);
	return at == row;
}

/* One that asks: which share of what is in progress; who, and the larger of what is read and written. */
struct asker {
	double share;
	char what[128];
};

/* "asked by restic 9911 (written 48.0M/s) 71%, page cache (written 3.10M/s) 27%": shares of the requests in progress. */
static void say_askers(struct disks *d, size_t n, size_t row)
{
	struct rows *r = &d->list.rows;
	char line[LIST_PANEL_LINE_MAX] = "", rate[32];
	size_t under = row < d->ndevices ? disk_below(d, row) : row, found = 0;
	const char *below = under < d->ndevices ? d->devices[under].name : "";
	double queue = rows_number(r, under, "queue", 0), cached = rows_number(r, under, "write_rate", 0), all = 0;
	struct asker askers[WHO], *one;
	char why[160];

	/* Unmeasured, all would be the page cache's, or nobody's. */
	if (rows_unmeasured(d->figures.query, why, sizeof(why))) {
		list_panel_say(&d->list.detail, ROLE_MUTED, "who asks for it: %s", why);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		double in = figures_number(&d->figures, i, "read_rate"), out = figures_number(&d->figures, i, "write_rate"),
		       share = figures_number(&d->figures, i, "in_flight");
		char of[64], who[64];

		figures_text(&d->figures, i, "name", of, sizeof(of));
		if (strcmp(of, below) || !(share > 0))
			continue;
		all += share;
		cached -= out > 0 ? out : 0;
		one = top_insert(askers, sizeof(*askers), &found, WHO, share);
		if (!one)
			continue;
		shown(&d->figures, i, "comm", who, sizeof(who));
		snprintf(one->what, sizeof(one->what), "%s %.0f", who, figures_number(&d->figures, i, "pid"));
		if (in > 0 || out > 0)
			list_panel_append(one->what, sizeof(one->what), out > in ? " (written %s)" : " (read %s)",
					  units_format_short(rate, sizeof(rate), number_max(in, out), CULPRIT_BYTES_PER_S));
	}
	/* What is in progress beside them is what the kernel writes of the page cache. */
	queue = queue > all ? queue - all : found ? 0 : 1;
	one = cached > 0 && queue > 0 ? top_insert(askers, sizeof(*askers), &found, WHO, queue) : NULL;
	all += cached > 0 ? queue : 0;
	if (one)
		snprintf(one->what, sizeof(one->what), "page cache (written %s)",
			 units_format_short(rate, sizeof(rate), cached, CULPRIT_BYTES_PER_S));
	/* Said of the disk itself, its name stands above already. */
	if (under != row) {
		text_sanitise(line, sizeof(line) / 2, below, strlen(below), TEXT_UTF8);
		list_panel_append(line, sizeof(line), " ");
	}
	list_panel_append(line, sizeof(line), found ? "asked by " : "asked by nobody");
	for (size_t k = 0; k < found; k++)
		list_panel_append(line, sizeof(line), "%s%s %.0f%%", k ? ", " : "", askers[k].what, askers[k].share / all * 100);
	list_panel_say(&d->list.detail, found ? ROLE_TEXT : ROLE_MUTED, "%s", line);
}

/* The device that is mounted as `source`, the row itself or one that stands on it; DEVICES: none. */
static size_t mounted_device(const struct disks *d, const char *source, size_t row)
{
	if (row < d->ndevices && is_device(source, d->devices[row].name, d->devices[row].label))
		return row;
	for (size_t i = 0; i < d->ndevices; i++)
		if (is_device(source, d->devices[i].name, d->devices[i].label) && stands_on(d, i, row))
			return i;
	return DEVICES;
}

/* "mounted on / (vda1, ext4, 60% full), /var (vda2, ext4, 91% full)" */
static void say_mounts(struct disks *d, size_t n, size_t row)
{
	char line[LIST_PANEL_LINE_MAX] = "mounted on ", a[32];
	size_t mounts = 0;

	d->mount[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		char source[128], mount[96], type[32], of[80] = "";
		double used;
		size_t on;

		figures_text(&d->figures, i, "device", source, sizeof(source));
		on = mounted_device(d, source, row);
		if (on == DEVICES)
			continue;
		if (on != row) {
			text_sanitise(of, sizeof(of), d->devices[on].name, strlen(d->devices[on].name), TEXT_UTF8);
			list_panel_append(of, sizeof(of), ", ");
		}
		shown(&d->figures, i, "mount", mount, sizeof(mount));
		shown(&d->figures, i, "fstype", type, sizeof(type));
		used = figures_number(&d->figures, i, "used_pct");
		list_panel_append(line, sizeof(line), "%s%s (%s%s", mounts++ ? ", " : "", mount, of, type);
		list_panel_append(line, sizeof(line), isnan(used) ? ")" : ", %s full)", rows_percent(a, sizeof(a), used));
		if (!d->mount[0])
			figures_text(&d->figures, i, "mount", d->mount, sizeof(d->mount));
	}
	list_panel_say(&d->list.detail, mounts ? ROLE_TEXT : ROLE_MUTED, "%s", mounts ? line : "not mounted");
}

/* Is the row of where the selected device is mounted, and of now? */
static bool of_mount(struct disks *d, size_t i)
{
	struct query_row q;
	char mount[256];

	if (!query_row(d->figures.query, i, &q) || q.ended_ns)
		return false;
	figures_text(&d->figures, i, "mount", mount, sizeof(mount));
	return !strcmp(mount, d->mount);
}

/* "/var used by mysqld 812 (41 files), java 1204 (3), bash 700 (cwd), +12" */
static void say_users(struct disks *d, struct view *view, const struct lens *lens, const struct panel_time *time)
{
	char line[LIST_PANEL_LINE_MAX], why[160];
	double processes = NAN, unseen = 0;
	size_t n, said = 0;

	if (!d->mount[0])
		return;
	text_sanitise(line, sizeof(line) / 2, d->mount, strlen(d->mount), TEXT_UTF8);
	n = figures_ask(&d->figures, view, lens, "mount_use", NULL);
	for (size_t i = 0; i < n; i++) {
		if (!of_mount(d, i))
			continue;
		processes = figures_number(&d->figures, i, "processes");
		unseen = figures_number(&d->figures, i, "unseen");
	}
	if (isnan(processes)) {
		if (time->served)
			snprintf(why, sizeof(why), "open files are being looked through");
		else if (!rows_unmeasured(d->figures.query, why, sizeof(why)))
			snprintf(why, sizeof(why), "nobody looked at it in this window");
		list_panel_say(&d->list.detail, ROLE_MUTED, "who uses %s: %s", line, why);
		return;
	}
	list_panel_append(line, sizeof(line), " used by ");
	n = figures_ask(&d->figures, view, lens, "mount_user", "files");
	for (size_t i = 0; i < n && said < WHO; i++) {
		double files = figures_number(&d->figures, i, "files");
		char who[64];

		if (!of_mount(d, i))
			continue;
		shown(&d->figures, i, "comm", who, sizeof(who));
		list_panel_append(line, sizeof(line), "%s%s %.0f", said++ ? ", " : "", who, figures_number(&d->figures, i, "pid"));
		if (files > 0)
			list_panel_append(line, sizeof(line), " (%.0f%s)", files, said > 1 ? "" : files == 1 ? " file" : " files");
		else
			list_panel_append(line, sizeof(line), figures_number(&d->figures, i, "works") > 0 ? " (cwd)" : " (exe)");
	}
	if (!said)
		list_panel_append(line, sizeof(line), "nobody");
	else if (processes > (double)said)
		list_panel_append(line, sizeof(line), ", +%.0f", processes - (double)said);
	if (unseen > 0)
		list_panel_append(line, sizeof(line), "; %.0f processes do not show us their files", unseen);
	list_panel_say(&d->list.detail, said ? ROLE_TEXT : ROLE_MUTED, "%s", line);
}

static size_t disks_interests(const void *self, const struct lens *lens, struct culprit_interest *list, size_t cap)
{
	static const char *const tables[] = {"mount_use", "mount_user"};
	const struct disks *d = self;
	size_t n = 0;

	(void)lens;
	for (; d->mount[0] && n < cap && n < 2; n++)
		list[n] = (struct culprit_interest){.size = sizeof(*list), .table = tables[n], .what = "rows", .text = d->mount};
	return n;
}

static void disks_detail(void *self, struct view *view, const struct lens *lens, const struct panel_time *time, size_t row)
{
	struct disks *d = self;
	struct rows *r = &d->list.rows;
	char name[64], model[64], line[LIST_PANEL_LINE_MAX] = "", a[32], b[32];
	double size = rows_number(r, row, "size", NAN), read = rows_number(r, row, "read_size", NAN),
	       written = rows_number(r, row, "write_size", NAN);

	rows_text(r, row, "name", name, sizeof(name));
	rows_text(r, row, "model", model, sizeof(model));
	text_sanitise(line, sizeof(line) / 2, name, strlen(name), TEXT_UTF8);
	if (model[0]) {
		list_panel_append(line, sizeof(line), ", ");
		text_sanitise(line + strlen(line), sizeof(line) / 2 - strlen(line), model, strlen(model), TEXT_UTF8);
	}
	if (!isnan(size))
		list_panel_append(line, sizeof(line), ", %s", units_format_short(a, sizeof(a), size, CULPRIT_BYTES));
	if (rows_number(r, row, "read_only", 0) > 0)
		list_panel_append(line, sizeof(line), ", read-only");
	if (!isnan(read))
		list_panel_append(line, sizeof(line), "; a read is %s", units_format_short(a, sizeof(a), read, CULPRIT_BYTES));
	if (!isnan(written))
		list_panel_append(line, sizeof(line), "; a write is %s", units_format_short(b, sizeof(b), written, CULPRIT_BYTES));
	list_panel_say(&d->list.detail, ROLE_STRONG, "%s", line);

	read_devices(d);
	say_mounts(d, figures_ask(&d->figures, view, lens, "filesystem", "used_pct"), row);
	say_users(d, view, lens, time);
	say_askers(d, figures_ask(&d->figures, view, lens, "disk_user", NULL), row);
}

static void disks_finish(void *self)
{
	figures_finish(&((struct disks *)self)->figures);
}

/* --- who asks which disk --- */

static const struct rows_column user_columns[] = {
	{.column = "comm", .title = "process", .min = 12, .max = 24, .weight = 1},
	{.column = "pid", .title = "pid", .min = 7, .max = 7},
	{.column = "name", .title = "disk", .min = 8, .max = 16},
	{.column = "in_flight", .title = "waits", .min = 6, .max = 6},
	{.column = "iops", .title = "asks", .min = 7, .max = 7},
	{.column = "mean", .title = "each", .min = 7, .max = 7, .priority = 1},
	{.column = "read_rate", .title = "read", .min = 8, .max = 8},
	{.column = "write_rate", .title = "written", .min = 8, .max = 8},
};

enum { DISKS_OTHER = ROWS_ACTION_LAST + 1 };

static enum panel_result disks_action(void *self, int action, struct panel_request *want);

static enum panel_result users_deeper(void *self, struct panel_request *want)
{
	return rows_open_process(&((struct list_state *)self)->rows, want);
}

static bool users_escape(void *self)
{
	struct panel_request none;

	return disks_action(self, DISKS_OTHER, &none) != PANEL_IGNORED;
}

/* Deeper than a disk is who asks for it. */
static enum panel_result disks_deeper(void *self, struct panel_request *want)
{
	return disks_action(self, DISKS_OTHER, want);
}

static const struct list_panel users = {
	.table = "disk_user",
	.columns = user_columns,
	.ncolumns = sizeof(user_columns) / sizeof(user_columns[0]),
	.sort = "in_flight",
	.size = sizeof(struct disks),
	.update = disks_update,
	.action = disks_action,
	.deeper = users_deeper,
	.escape = users_escape,
	.finish = disks_finish,
};

static const struct list_panel list = {
	.table = "disk",
	.columns = columns,
	.ncolumns = sizeof(columns) / sizeof(columns[0]),
	.sort = "busy",
	.size = sizeof(struct disks),
	.update = disks_update,
	.detail = disks_detail,
	.details = 4,
	.interests = disks_interests,
	.action = disks_action,
	.deeper = disks_deeper,
	.finish = disks_finish,
};

static enum panel_result disks_action(void *self, int action, struct panel_request *want)
{
	struct disks *d = self;

	(void)want;
	if (action != DISKS_OTHER)
		return PANEL_IGNORED;
	list_panel_switch(&d->list, d->list.of == &list ? &users : &list);
	return PANEL_UPDATE;
}

static void *disks_create(void)
{
	return list_panel_create(&list);
}

static const struct binding keys[] = {
	{DISKS_OTHER, "other", {'o'}, "o who", "which process asks which disk, or the disks"},
	ROWS_BINDINGS,
	ROWS_CHOOSE_BINDINGS,
};

const struct panel disks_panel = {
	.name = "disks",
	.title = "Disk",
	.key = '6',
	.help = "Block devices: busy is the share of time with a request in progress (devices that work in parallel can do more "
		"at 100%); await the mean time of a read, a write or a cache flush (f), queueing included; queue how many were in "
		"progress on average. `a < b`: a is a part of b, or made of it (md, LVM): what a does, b does too. Above: who "
		"reads and writes most, which file systems are fullest, how the busiest NFS server answers (all: Tables, nfs); below, of the selected device, where it, "
		"or what stands on it, is mounted, who uses that (how many files it has open there; cwd: works there, exe: runs from there), and who asks for it, by the share of its requests in progress. Enter or o: the list of these: waits is how many "
		"requests of the process are in progress on average, each how long one takes. What goes to the page cache is written "
		"later by the kernel, and is in `most by` alone. Enter there: the threads of the process.",
	.keys = keys,
	.nkeys = sizeof(keys) / sizeof(keys[0]),
	.create = disks_create,
	LIST_PANEL,
	.reads = disks_reads,
};
