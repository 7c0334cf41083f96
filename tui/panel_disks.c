/* Disks: what each block device does, what it is made of and where it is mounted, who reads and writes most. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "list_panel.h"
#include "panels.h"
#include "units.h"

enum { WHO = 3, FULLEST = 3 };

static const double busy_pct = 95, full_pct = 90, stalled_pct = 10, nfs_again_pct = 2, nfs_slow_ns = 100e6;

struct disks {
	struct list_state list;
	struct figures figures;
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
			       "some task stood still for a disk %s of the window, all of them %s",
			       rows_percent(a, sizeof(a), some), isnan(full) ? "-" : rows_percent(b, sizeof(b), full));
	}
}

/* "most by restic 9911 48.0M/s (all written), mysqld 812 3.1M/s" */
static void say_who(struct disks *d, size_t n)
{
	char line[LIST_PANEL_LINE_MAX] = "most by ";
	size_t best[WHO], found = 0;
	double most[WHO];

	for (size_t i = 0; i < n; i++) {
		double in = figures_number(&d->figures, i, "read_rate"), out = figures_number(&d->figures, i, "write_rate"),
		       all = (isnan(in) ? 0 : in) + (isnan(out) ? 0 : out);
		size_t at = found;

		if (!(all > 0))
			continue;
		while (at > 0 && most[at - 1] < all)
			at--;
		if (at == WHO)
			continue;
		found += found < WHO;
		for (size_t k = found - 1; k > at; k--) {
			most[k] = most[k - 1];
			best[k] = best[k - 1];
		}
		most[at] = all;
		best[at] = i;
	}
	for (size_t k = 0; k < found; k++) {
		double out = figures_number(&d->figures, best[k], "write_rate");
		char name[64], rate[32];

		shown(&d->figures, best[k], "comm", name, sizeof(name));
		list_panel_append(line, sizeof(line), "%s%s %.0f %s%s", k ? ", " : "", name,
		       figures_number(&d->figures, best[k], "pid"),
		       units_format_short(rate, sizeof(rate), most[k], CULPRIT_BYTES_PER_S),
		       out >= most[k] * 0.9 ? " written" : !(out > most[k] * 0.1) ? " read" : "");
	}
	list_panel_say(&d->list.head, found ? ROLE_TEXT : ROLE_MUTED, "%s%s", line, found ? "" : "nobody: no process read or wrote");
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
	if (n)
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
	say_who(d, figures_ask(&d->figures, view, lens, "process", NULL));
	say_fullest(d, figures_ask(&d->figures, view, lens, "filesystem", "used_pct"));
	say_nfs(d, figures_ask(&d->figures, view, lens, "nfs", "op_rate"));
	return 0;
}

/* Is this what is mounted from that device? /dev/vda1 is vda1; /dev/mapper/vg-root is the one labelled so. */
static bool is_device(const char *source, const char *name, const char *label)
{
	const char *last = strrchr(source, '/');

	if (!last)
		return false;
	return !strcmp(last + 1, name) || (label[0] && !strcmp(last + 1, label));
}

static void disks_detail(void *self, struct view *view, const struct lens *lens, const struct panel_time *time, size_t row)
{
	struct disks *d = self;
	struct rows *r = &d->list.rows;
	char name[64], label[64], model[64], line[LIST_PANEL_LINE_MAX] = "", a[32], b[32];
	double size = rows_number(r, row, "size", NAN), read = rows_number(r, row, "read_size", NAN),
	       written = rows_number(r, row, "write_size", NAN);
	size_t n, mounts = 0;

	(void)time;
	rows_text(r, row, "name", name, sizeof(name));
	rows_text(r, row, "label", label, sizeof(label));
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

	snprintf(line, sizeof(line), "mounted on ");
	n = figures_ask(&d->figures, view, lens, "filesystem", "used_pct");
	for (size_t i = 0; i < n; i++) {
		char source[128], mount[96], type[32];

		figures_text(&d->figures, i, "device", source, sizeof(source));
		if (!is_device(source, name, label))
			continue;
		shown(&d->figures, i, "mount", mount, sizeof(mount));
		shown(&d->figures, i, "fstype", type, sizeof(type));
		list_panel_append(line, sizeof(line), "%s%s (%s, %s full)", mounts++ ? ", " : "", mount, type,
		       rows_percent(a, sizeof(a), figures_number(&d->figures, i, "used_pct")));
	}
	list_panel_say(&d->list.detail, mounts ? ROLE_TEXT : ROLE_MUTED, "%s", mounts ? line : "not mounted itself");
}

static void disks_finish(void *self)
{
	figures_finish(&((struct disks *)self)->figures);
}

static const struct list_panel list = {
	.table = "disk",
	.columns = columns,
	.ncolumns = sizeof(columns) / sizeof(columns[0]),
	.sort = "busy",
	.size = sizeof(struct disks),
	.update = disks_update,
	.detail = disks_detail,
	.finish = disks_finish,
};

static void *disks_create(void)
{
	return list_panel_create(&list);
}

static const struct binding keys[] = {ROWS_BINDINGS, ROWS_CHOOSE_BINDINGS};

const struct panel disks_panel = {
	.name = "disks",
	.title = "Disk",
	.key = '6',
	.help = "Block devices: busy is the share of time with a request in progress (devices that work in parallel can do more "
		"at 100%); await the mean time of a read, a write or a cache flush (f), queueing included; queue how many were in "
		"progress on average. `a < b`: a is a part of b, or made of it (md, LVM): what a does, b does too. Above: who "
		"reads and writes most, which file systems are fullest, how the busiest NFS server answers (all: Tables, nfs); below, of the selected device, where it is mounted.",
	.keys = keys,
	.nkeys = sizeof(keys) / sizeof(keys[0]),
	.create = disks_create,
	LIST_PANEL,
};
