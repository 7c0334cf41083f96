/* What happens on the made-up machine: the kernel's log, processes that start and end, marks. */
#include <string.h>

#include "builtin.h"
#include "support/made_host_fill.h"

static void fill_collectors(struct made_host *m)
{
	table_begin(m, "collector");
	culprit_row(m->frame);
	put_text(m, "name", "(culprit)");
	put_text(m, "state", "on");
	put(m, "cpu_time", m->second * 6 * MS + (m->options.murmur ? chance(m, 2) * MS : 0));
	put(m, "samples", m->second);
	culprit_end(m->frame);
	for (const struct culprit_collector *const *c = culprit_builtin; *c; c++) {
		culprit_row(m->frame);
		put_text(m, "name", (*c)->name);
		put_text(m, "state", "on");
		put(m, "cpu_time", m->second * MS / 2);
		put(m, "samples", m->second);
		culprit_end(m->frame);
	}
	table_end(m);
	table_begin(m, "mark");
	if (m->second == BACKUP_BEGINS && !m->options.calm) {
		culprit_row(m->frame);
		put(m, "time", (BEGIN + m->second) * SECOND);
		put_text(m, "kind", "user");
		put_text(m, "text", "backup began");
		culprit_end(m->frame);
	}
	table_end(m);
}

struct story {
	uint64_t second;
	const char *table, *what, *text, *who, *parent;
	uint64_t pid, ppid, lived_ms;
	unsigned times; /* 0: once */
};

/* level in `who`, class in `what`, of the kernel's log; else what happened to a process. */
static const struct story stories[] = {
	{2, "kernel_log", "other", "usb 1-1: new high-speed USB device number 2 using xhci_hcd", "info"},
	{BACKUP_BEGINS, "lifecycle", "fork exec", "/usr/bin/restic backup /srv", "restic", "backup.sh", 9911, 9900},
	{126, "lifecycle", "fork exec exit", "/usr/bin/df -P /srv", "df", "backup.sh", 9920, 9900, 4, 214},
	{BACKUP_BEGINS + 11, "kernel_log", "io-error", "EXT4-fs error (device vda1): ext4_find_entry:1663: inode #2: comm ev\x1b]0;x\x07: "
	 "reading directory lblock 0", "err"},
	{140, "kernel_log", "link", "e1000e: eth1 NIC Link is Down", "info"},
	{JOB_ENDS, "lifecycle", "exit", NULL, "run-parts", "cron", 5150, 700, 150000},
	{155, "oom_kill", "cgroup", "/srv/batch", "python3", "python3", 7007, 7007},
	{156, "lifecycle", "exit", NULL, "python3", "batch.sh", 7007, 7000, 20000},
};

static void fill_event(struct made_host *m, const struct story *s, unsigned k)
{
	culprit_row(m->frame);
	put(m, "time", (BEGIN + m->second) * SECOND - 900 * MS + k * MS);
	if (!strcmp(s->table, "kernel_log")) {
		put_text(m, "level", s->who);
		put_text(m, "class", s->what);
		put_text(m, "text", s->text);
		put_text(m, "facility", "kern");
		put(m, "seq", s->second);
	} else if (!strcmp(s->table, "oom_kill")) {
		put_text(m, "comm", s->who);
		put(m, "pid", s->pid);
		put_text(m, "why", s->what);
		put_text(m, "cgroup", s->text);
		put(m, "rss", 900 * MIB);
		put_text(m, "asked", s->parent);
		put(m, "asked_pid", s->ppid);
	} else {
		put_text(m, "event", s->what);
		put(m, "pid", s->pid + k);
		put(m, "process_start", (BEGIN + m->second) * 100);
		put_text(m, "comm", s->who);
		if (s->text)
			put_text(m, "command", s->text);
		put_text(m, "parent", s->parent);
		put(m, "ppid", s->ppid);
		put(m, "uid", 0);
		if (s->lived_ms) {
			put(m, "lived", s->lived_ms * MS);
			put(m, "cpu_time", s->lived_ms * MS / 50);
			if (s->pid == 7007)
				put_text(m, "signal", "KILL");
			else
				put(m, "exit_code", s->pid == 5150);
		}
	}
	culprit_end(m->frame);
}

static void fill_stories(struct made_host *m)
{
	static const char *const tables[] = {"kernel_log", "lifecycle", "oom_kill"};
	static const char *const classes[] = {"oom", "hung", "io-error", "read-only", "segfault", "bug", "link"};

	for (int t = 0; t < 3; t++) {
		if (!has_table(m, tables[t]))
			continue;
		table_begin(m, tables[t]);
		for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++)
			for (unsigned k = 0; k < (stories[i].times ? stories[i].times : 1); k++)
				if (!m->options.calm && stories[i].second == m->second && !strcmp(stories[i].table, tables[t]))
					fill_event(m, &stories[i], k);
		table_end(m);
	}
	table_begin(m, "kernel_log_class");
	for (size_t c = 0; c < sizeof(classes) / sizeof(classes[0]); c++) {
		uint64_t n = 0;

		culprit_row(m->frame);
		put_text(m, "class", classes[c]);
		for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]) && !m->options.calm; i++) {
			if (strcmp(stories[i].table, "kernel_log") || strcmp(stories[i].what, classes[c]) ||
			    stories[i].second > m->second)
				continue;
			n++;
			put(m, "last", (BEGIN + stories[i].second) * SECOND - 900 * MS);
			put_text(m, "level", stories[i].who);
			put_text(m, "text", stories[i].text);
		}
		put(m, "events", n);
		culprit_end(m->frame);
	}
	table_end(m);
}

void fill_story(struct made_host *m)
{
	fill_stories(m);
	fill_collectors(m);
}
