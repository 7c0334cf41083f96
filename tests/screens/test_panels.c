/* The real panels over a made-up machine: what they look like in every form, and that what one presses leads where the
 * screen says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "caps_builtin.h"
#include "paint.h"
#include "support/stage.h"

static const struct {
	int w, h;
	enum text_form form;
	const char *name;
} sizes[] = {
	{80, 24, TEXT_ASCII, "80x24-ascii"}, {80, 24, TEXT_UTF8, "80x24"}, {132, 43, TEXT_UTF8, "132x43"},
	{40, 12, TEXT_ASCII, "40x12"},	     {20, 5, TEXT_ASCII, "20x5"},
};

/* A build with BPF=0 has the tables of what programs measure by name only. */
static bool has_programs(const struct stage *s)
{
	return schema_column(view_table(s->view, "runq"), "wait") >= 0;
}

/* Every panel in every size, and its help. */
static void panels_look(void **state)
{
	static const char *const panels[] = {"overview", "processes", "threads", "disks", "net", "cgroups", "memory", "events",
					      "tables"};
	char name[64];

	(void)state;
	for (size_t p = 0; p < sizeof(panels) / sizeof(panels[0]); p++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			struct stage s;

			stage_open(&s, NULL, 180, panels[p], sizes[i].w, sizes[i].h, sizes[i].form);
			snprintf(name, sizeof(name), "%s-%s", panels[p], sizes[i].name);
			stage_check(&s, name);
			if (i == 1) {
				stage_press(&s, "?");
				snprintf(name, sizeof(name), "%s-help", panels[p]);
				stage_check(&s, name);
			}
			stage_close(&s);
		}
	}
}

/* How long the slowest wait, where that is measured. */
static void overview_tells_of_tails(void **state)
{
	struct made_host_options latencies = {.latencies = true};
	struct stage s;

	(void)state;
	stage_open(&s, &latencies, 180, "overview", 80, 24, TEXT_ASCII);
	if (!has_programs(&s)) {
		stage_close(&s);
		skip(); /* built without BPF */
	}
	stage_check(&s, "overview-tails");
	stage_close(&s);
	stage_open(&s, &latencies, 180, "overview", 132, 43, TEXT_UTF8);
	stage_check(&s, "overview-tails-132x43");
	stage_close(&s);
}

/* Up from the first process stands the verdict; Enter there leads to who it means. */
static void verdict_leads_to_who_it_means(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, NULL, 180, "overview", 80, 24, TEXT_ASCII);
	assert_shows(&s, "[! all, Up Enter]");
	stage_press(&s, "Up");
	stage_check(&s, "overview-verdict-selected");
	stage_press(&s, "Enter");
	assert_shows(&s, "HOST > restic 9911");
	stage_press(&s, "Backspace");
	assert_shows(&s, " [! all, Enter]");
	/* And down again to the list, as it was. */
	stage_press(&s, "Down");
	assert_shows(&s, "[! all, Up Enter]");
	stage_press(&s, "Enter");
	assert_shows(&s, "HOST > sh 4242");
	stage_close(&s);
}

/* All findings, from any panel, by key and by name. */
static void verdict_is_listed(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, NULL, 180, "overview", 80, 24, TEXT_ASCII);
	assert_shows(&s, "[! all, Up Enter]");
	stage_press(&s, "!");
	stage_check(&s, "verdict-80x24-ascii");
	stage_press(&s, "q");
	assert_shows(&s, "[! all, Up Enter]");
	stage_press(&s, "6");
	stage_type(&s, ":verdict\r");
	assert_shows(&s, "disk vda saturated: restic 9911");
	stage_close(&s);
}

/* Of a filter with a mistake the list is empty, and the footer says what it is; verdict and resources are of the machine. */
static void a_wrong_filter_hides_no_machine(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, NULL, 180, "overview", 80, 24, TEXT_ASCII);
	stage_type(&s, "\\cpu>");
	stage_press(&s, "Enter");
	assert_shows(&s, "a value was expected");
	assert_shows(&s, "[! all, Up Enter]");
	assert_shows(&s, "disk vda");
	stage_close(&s);
}

static void overview_when_calm_and_without_pressure(void **state)
{
	struct made_host_options calm = {.calm = true}, no_psi = {.no_psi = true};
	struct stage s;

	(void)state;
	stage_open(&s, &calm, 180, "overview", 80, 24, TEXT_ASCII);
	stage_check(&s, "overview-calm");
	stage_close(&s);
	stage_open(&s, &no_psi, 180, "overview", 80, 24, TEXT_ASCII);
	stage_check(&s, "overview-no-pressure");
	stage_close(&s);
	/* The first second of all. */
	stage_open(&s, NULL, 1, "overview", 80, 24, TEXT_ASCII);
	stage_check(&s, "overview-first-second");
	stage_close(&s);
}

static void processes_sort_and_filter(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, NULL, 180, "processes", 80, 24, TEXT_UTF8);
	/* Who ended in the window is there, and marked. */
	assert_shows(&s, "\xc3\x97"); /* × */
	assert_shows(&s, "run-parts");
	stage_press(&s, "s");
	stage_check(&s, "processes-sort");
	stage_press(&s, "r");
	stage_check(&s, "processes-reverse");
	stage_type(&s, ":sort pid\r");
	assert_shows(&s, "by pid");
	stage_type(&s, "\\cpu > 5% and user != root\r");
	stage_check(&s, "processes-filter");
	stage_type(&s, ":filter nosuch = 1\r");
	stage_check(&s, "processes-filter-wrong");
	stage_close(&s);
}

static void processes_say_why_a_cell_is_unread(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, NULL, 180, "processes", 80, 24, TEXT_ASCII);
	stage_type(&s, "/secretd\r");
	stage_check(&s, "processes-unread");
	stage_close(&s);
}

static void processes_keep_the_selection(void **state)
{
	struct stage s;
	char row[128];

	(void)state;
	stage_open(&s, NULL, 115, "processes", 80, 24, TEXT_ASCII);
	stage_type(&s, "/mysqld\r");
	assert_shows(&s, ">     812");
	/* restic begins and takes a place above it. */
	made_host_run(s.host, 60);
	stage_now(&s);
	console_draw(s.console, s.surface);
	assert_shows(&s, "restic");
	assert_shows(&s, ">     812");
	/* What was typed and not meant is undone. */
	stage_type(&s, "/restic");
	snprintf(row, sizeof(row), ">    9911");
	assert_shows(&s, row);
	stage_press(&s, "Esc");
	assert_shows(&s, ">     812");
	stage_close(&s);
}

static void memory_tells_who_waits(void **state)
{
	static const struct made_host_options short_of_it = {.thrashing = true};
	struct stage s;

	(void)state;
	stage_open(&s, &short_of_it, 180, "memory", 80, 24, TEXT_ASCII);
	if (!has_programs(&s)) {
		stage_close(&s);
		skip(); /* built without BPF */
	}
	stage_check(&s, "memory-thrashing");
	stage_press(&s, "j");
	stage_check(&s, "memory-thrashing-growing");
	stage_close(&s);
}

/* Who asks is named where it is measured; else nobody is accused. */
static void disks_tell_who_asks(void **state)
{
	static const struct made_host_options seen = {.latencies = true}, blind = {.no_programs = true};
	struct stage s;

	(void)state;
	stage_open(&s, NULL, 180, "disks", 80, 24, TEXT_ASCII);
	assert_shows(&s, "who asks for it: not sampled in this window");
	stage_close(&s);
	stage_open(&s, &seen, 180, "disks", 80, 24, TEXT_ASCII);
	if (!has_programs(&s)) {
		stage_close(&s);
		skip(); /* built without BPF */
	}
	assert_shows(&s, "asked by restic 9911 (written 12.0M/s)");
	/* Deeper are those who ask, then the threads of one; back leads the same way. */
	stage_press(&s, "Enter");
	assert_shows(&s, "waits");
	assert_shows(&s, "9911");
	assert_false(stage_shows(&s, "r-await"));
	stage_press(&s, "Enter");
	assert_shows(&s, "> restic 9911");
	stage_press(&s, "Backspace");
	assert_shows(&s, "asks");
	stage_press(&s, "Backspace");
	assert_shows(&s, "r-await");
	stage_close(&s);
	stage_open(&s, &blind, 180, "disks", 80, 24, TEXT_ASCII);
	assert_shows(&s, "who asks for it: needs root or the capabilities");
	stage_close(&s);
	stage_open(&s, NULL, 1, "disks", 80, 24, TEXT_ASCII);
	assert_shows(&s, "who reads and writes: not sampled in this window");
	stage_close(&s);
}

/* "Nobody" is said of those that were looked at. */
static void memory_accuses_nobody_unmeasured(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, NULL, 180, "memory", 80, 24, TEXT_ASCII);
	assert_shows(&s, "nobody grows much; who waits for it is not measured");
	assert_shows(&s, "how long it waits for memory is not measured here");
	stage_close(&s);
	stage_open(&s, NULL, 1, "memory", 80, 24, TEXT_ASCII);
	assert_shows(&s, "who grows: not sampled in this window");
	stage_close(&s);
}

static void nfs_among_the_disks(void **state)
{
	static const struct made_host_options nfs = {.nfs = true};
	struct stage s;

	(void)state;
	stage_open(&s, &nfs, 180, "disks", 80, 24, TEXT_ASCII);
	stage_check(&s, "disks-nfs");
	stage_close(&s);
}

/* Which disk, where it is mounted, who uses that. */
static void who_uses_a_mount(void **state)
{
	static const struct made_host_options users = {.partitions = true, .mount_users = true}, nobody = {.partitions = true};
	struct stage s;

	(void)state;
	stage_open(&s, &users, 180, "disks", 80, 24, TEXT_ASCII);
	stage_check(&s, "disks-users");
	assert_shows(&s, "mounted on /var (vda2, ext4, 91.0% full), / (vda1, ext4, 40.0% full)");
	assert_shows(&s, "/var used by mysqld 812 (41 files), java:api 1204 (3), sh 2000 (cwd), +12");
	/* The partition that is mounted elsewhere. */
	stage_type(&s, "/vda1\r");
	assert_shows(&s, "who uses /:");
	stage_close(&s);
	stage_open(&s, &nobody, 180, "disks", 80, 24, TEXT_ASCII);
	assert_shows(&s, "who uses /var:");
	stage_close(&s);
}

/* Who listens: the owner, the queue, what it dropped. */
static void listening_sockets(void **state)
{
	static const struct made_host_options sockets = {.sockets = true}, nobody = {.sockets = true, .nobody_listens = true},
					      syn_acks = {.sockets = true, .syn_acks = true};
	struct stage s;

	(void)state;
	stage_open(&s, &sockets, 180, "net", 80, 24, TEXT_ASCII);
	stage_press(&s, "o");
	stage_check(&s, "listening-80x24");
	stage_type(&s, ":sort queue_pct\r");
	assert_shows(&s, "> java:api");
	assert_shows(&s, "TCP: sent again");
	assert_shows(&s, "it accepts too slowly");
	stage_type(&s, "\\queue>0\r");
	assert_shows(&s, "1-1 of 1");
	stage_press(&s, "Enter");
	assert_shows(&s, "HOST > java:api 1204");
	stage_press(&s, "u o");
	assert_shows(&s, "peer");
	stage_close(&s);
	stage_open(&s, &sockets, 180, "net", 132, 43, TEXT_UTF8);
	stage_press(&s, "o");
	stage_check(&s, "listening-132x43");
	stage_close(&s);
	stage_open(&s, &sockets, 180, "net", 40, 12, TEXT_ASCII);
	stage_press(&s, "o");
	stage_check(&s, "listening-40x12");
	stage_close(&s);
	/* The kernel's own, or a process's whose files are hidden from us. */
	stage_open(&s, &nobody, 180, "net", 120, 24, TEXT_ASCII);
	assert_shows(&s, "listening: 0.0.0.0:2049 (whose is not known), queue 0/64");
	stage_close(&s);
	/* A share of more than all is none. */
	stage_open(&s, &syn_acks, 180, "net", 80, 24, TEXT_ASCII);
	assert_shows(&s, "TCP: sent again 1.46k/s");
	stage_close(&s);
	stage_open(&s, &syn_acks, 180, "overview", 132, 43, TEXT_ASCII);
	assert_shows(&s, "retrans 1.46k/s");
	stage_close(&s);
}

/* Who talks to whom: which side is slow, and why that is not known where it is not. */
static void talking_sockets(void **state)
{
	static const struct made_host_options sockets = {.sockets = true}, unseen = {.sockets = true, .no_programs = true};
	struct stage s;

	(void)state;
	stage_open(&s, &sockets, 180, "net", 80, 24, TEXT_ASCII);
	stage_check(&s, "talking-80x24");
	assert_shows(&s, "the peer is slow: it answers in");
	stage_press(&s, "Down");
	assert_shows(&s, "HTTP/2, multiplexed");
	stage_press(&s, "Down");
	assert_shows(&s, "a process that was not seen <- 10.0.0.7");
	assert_shows(&s, "no request was answered");
	stage_press(&s, "Enter");
	assert_shows(&s, "whose connections these are is not known");
	stage_close(&s);
	stage_open(&s, &unseen, 180, "net", 80, 24, TEXT_ASCII);
	assert_shows(&s, "how long answers take: needs root or the capabilities to load BPF programs");
	stage_close(&s);
	stage_open(&s, &sockets, 180, "net", 132, 43, TEXT_UTF8);
	stage_check(&s, "talking-132x43");
	stage_close(&s);
	stage_open(&s, &sockets, 180, "net", 40, 12, TEXT_ASCII);
	stage_check(&s, "talking-40x12");
	stage_close(&s);
}

/* Pods and containers by name; what has none by its path. */
/* Version 2's other limits: memory.high, which is met before memory.max, and io.max. */
static void other_limits_of_groups(void **state)
{
	struct stage s;

	(void)state;
	memset(&s, 0, sizeof(s));
	stage_tell(&s, "host hz=100 interval=1s zone=+00:00\n"
		       "table cgroup state key=cgroup path=key:text cpu=gauge:f64:percent memory_current=gauge:u64:bytes memory_max=gauge:u64:bytes "
		       "memory_high=gauge:u64:bytes memory_pct=gauge:f64:percent memory_high_pct=gauge:f64:percent memory_high_events=counter:u64:count "
		       "refaults=counter:u64:count pids_pct=gauge:f64:percent write_rate=gauge:f64:bytes/s write_max=gauge:u64:bytes/s\n");
	for (unsigned i = 0; i < 10; i++)
		stage_tell(&s, "tick %us wall=%us\nsample cgroup\n"
			       "row cgroup path=/system.slice cpu=5 memory_current=90000000 memory_high_events=%u\n"
			       "row cgroup path=/system.slice/batch.service cpu=3 memory_current=70254592 memory_high=67108864 memory_max=134217728 memory_pct=52 "
			       "memory_high_pct=105 memory_high_events=%u\n"
			       "row cgroup path=/system.slice/export.service cpu=1 memory_current=9000000 write_rate=1900000 write_max=2000000\n"
			       "row cgroup path=/system.slice/w pids_pct=95\n",
			   i + 1, 1772373600 + i, 5 * i, 5 * i);
	stage_open_text(&s, s.text, "cgroups", 120, 24, TEXT_ASCII);
	assert_shows(&s, "no CPU limits; 1 near memory limits");
	assert_shows(&s, "worst: batch.service 105% full, export.service 95.0% of its io.max, w 95.0% of its pids.max");
	assert_shows(&s, "67.0M  64.0M  105%");
	/* It is not the one that is slowed down. */
	assert_false(stage_shows(&s, "slowed down"));
	stage_type(&s, "/batch\r");
	assert_shows(&s, "no CPU limit of its own; slowed down 45 times above memory.high");
	stage_type(&s, "/export\r");
	assert_shows(&s, "no CPU limit of its own; does 95.0% of what io.max lets it");
	stage_close(&s);
}

/* What a program takes when it begins is no way to an end. */
static void memory_that_fell_once_does_not_fall(void **state)
{
	for (unsigned step = 0; step < 2; step++) {
		struct stage s;

		(void)state;
		memset(&s, 0, sizeof(s));
		stage_tell(&s, "host hz=100 interval=1s zone=+00:00\n"
			       "table memory state key=memory id=key:u64 total=gauge:u64:bytes available=gauge:u64:bytes\n"
			       "derived memory available_growth growth available unit=bytes\n"
			       "table process state key=process pid=key:u64 start=key:u64:ticks comm=attribute:text rss=gauge:u64:bytes "
			       "time_memory=gauge:f64:percent memory_stalled=gauge:f64:percent\n");
		for (unsigned i = 0; i < 40; i++)
			stage_tell(&s, "tick %us wall=%us\nsample memory\nrow memory id=0 total=2000000000 available=%u\n"
				       "sample process\nrow process pid=1 start=1 comm=init rss=1000000 time_memory=0.2 memory_stalled=13.8\n", i + 1, 1772373600 + i,
				   1700000000 - (step ? (i < 5 ? i * 15000000 : 75000000 + i * 10000) : i * 2000000));
		stage_open_text(&s, s.text, "memory", 80, 24, TEXT_ASCII);
		if (step)
			assert_false(stage_shows(&s, "left"));
		else
			assert_shows(&s, "falls 1.91M/s: about");
		/* It frees pages on its CPU, and waits little for others. */
		assert_shows(&s, "waits for memory 13.8%: page faults 0%, freeing some itself 13.8%");
		stage_close(&s);
	}
}

static void pods_by_name(void **state)
{
	static const struct made_host_options pods = {.pods = true};
	struct stage s;

	(void)state;
	stage_open(&s, &pods, 180, "cgroups", 80, 24, TEXT_ASCII);
	stage_check(&s, "pods-80x24");
	stage_type(&s, "/checkout-7d9f/app\r");
	assert_shows(&s, "used 98.5% of its CPU limit");
	stage_type(&s, "\\name~^shop/ and throttled_pct>5\r");
	assert_shows(&s, "1-2 of 2");
	stage_press(&s, "Enter");
	assert_shows(&s, "HOST > shop/checkout-7d9f/app");
	stage_close(&s);
	stage_open(&s, &pods, 180, "cgroups", 132, 43, TEXT_UTF8);
	stage_check(&s, "pods-132x43");
	stage_close(&s);
	stage_open(&s, &pods, 180, "cgroups", 40, 12, TEXT_ASCII);
	stage_check(&s, "pods-40x12");
	stage_close(&s);
}

/* The way of somebody who looks for what burns the CPU. */
static void drilling_down_and_back(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, NULL, 180, "overview", 80, 24, TEXT_ASCII);
	assert_shows(&s, "> sh ");
	stage_press(&s, "Enter");
	stage_check(&s, "drill-threads-of-sh");
	stage_press(&s, "Enter");
	stage_check(&s, "drill-thread-of-sh");
	stage_press(&s, "Backspace Backspace");
	assert_shows(&s, "> sh ");
	stage_press(&s, "2");
	stage_type(&s, "/java\r");
	stage_press(&s, "Enter");
	stage_check(&s, "drill-groups");
	stage_press(&s, "Enter");
	stage_check(&s, "drill-group");
	stage_press(&s, "j Enter");
	stage_check(&s, "drill-thread");
	/* The same lens in another panel. */
	stage_press(&s, "2");
	stage_check(&s, "drill-processes");
	stage_press(&s, "u u u 3");
	stage_press(&s, "o");
	stage_check(&s, "threads-each");
	stage_close(&s);
}

static void time_goes_back_and_on(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, NULL, 180, "overview", 80, 24, TEXT_ASCII);
	stage_press(&s, "Space");
	/* Sampling goes on; the screen stands still. */
	made_host_run(s.host, 10);
	stage_now(&s);
	stage_check(&s, "time-paused");
	stage_press(&s, "Space");
	assert_shows(&s, "LIVE 14:03:10Z");
	stage_press(&s, "{");
	stage_check(&s, "time-one-window-back");
	stage_press(&s, "[");
	stage_check(&s, "time-one-column-back");
	stage_press(&s, "{ {");
	stage_check(&s, "time-the-beginning");
	stage_press(&s, "L");
	assert_shows(&s, "LIVE 14:03:10Z");
	stage_press(&s, "+");
	assert_shows(&s, "win 2m");
	stage_check(&s, "time-longer");
	stage_press(&s, "- - -");
	assert_shows(&s, "win 15s");
	stage_type(&s, ":window 10s\r");
	stage_type(&s, ":goto 14:02:10\r");
	stage_check(&s, "time-goto");
	stage_close(&s);
}

/* What a signal asks before it is sent, and what is left of it where one gives up. */
static void signals_are_asked_for(void **state)
{
	struct console_effect effect;
	struct key enter = {.code = KEY_ENTER};
	struct stage s;

	(void)state;
	stage_open(&s, NULL, 180, "processes", 80, 24, TEXT_ASCII);
	stage_type(&s, "/restic\r");
	stage_press(&s, "F9");
	stage_check(&s, "signal-prompt");
	stage_press(&s, "Enter");
	stage_check(&s, "signal-question");
	stage_press(&s, "y Enter");
	assert_shows(&s, "nothing was done");
	stage_type(&s, ":signal HUP\r");
	assert_shows(&s, "signal TERM, STOP, CONT or KILL");
	stage_type(&s, ":renice 20\r");
	assert_shows(&s, "19 (last of all)");
	stage_type(&s, ":ionice sometimes\r");
	assert_shows(&s, "ionice idle, best-effort");
	/* Only the number does it; the input that waited is dropped when the question opens. */
	console_type(s.console, ":signal STOP\r");
	assert_true(console_effect(s.console, &effect));
	assert_int_equal(effect.kind, EFFECT_DROP_INPUT);
	console_type(s.console, "9911");
	assert_false(console_effect(s.console, &effect));
	console_key(s.console, &enter);
	assert_true(console_effect(s.console, &effect));
	assert_int_equal(effect.kind, EFFECT_ACT);
	assert_int_equal(effect.action.kind, ACT_SIGNAL);
	assert_int_equal(effect.action.pid, 9911);
	assert_string_equal(effect.action.signal, "STOP");
	assert_string_equal(effect.action.name, "restic");
	/* Where no process is selected. */
	stage_press(&s, "6 F9");
	assert_shows(&s, "no process is selected here");
	stage_close(&s);
}

/* One list of everything; the way of somebody who asks what happened before it got slow. */
static void events_tell_what_happened(void **state)
{
	struct stage s;
	uint64_t from, to;
	bool live;

	(void)state;
	stage_open(&s, NULL, 180, "overview", 80, 24, TEXT_ASCII);
	assert_shows(&s, "kernel log 49s ago, io-error: EXT4-fs error");
	stage_press(&s, "e");
	assert_shows(&s, "1-6 of 6 by time");
	assert_shows(&s, "x 214");
	stage_press(&s, "o");
	assert_shows(&s, "without processes");
	stage_check(&s, "events-no-processes");
	stage_press(&s, "o");
	assert_shows(&s, "oom-kill  python3");
	stage_press(&s, "o s");
	assert_shows(&s, "by kind");
	stage_type(&s, ":sort who\r");
	stage_check(&s, "events-by-who");
	stage_press(&s, "r");
	assert_shows(&s, "> ");
	stage_type(&s, ":sort time\r");
	stage_type(&s, "\\kind=ran or who=python3\r");
	assert_shows(&s, "1-3 of 3");
	stage_check(&s, "events-filter");
	stage_type(&s, ":filter nosuch=1\r");
	assert_shows(&s, "nosuch");
	stage_type(&s, ":filter kind=end\r");
	assert_shows(&s, "1-2 of 2");
	stage_press(&s, "\\ ^U Enter");
	/* To the time of the I/O error: the window ends with the sample that tells of it. */
	stage_type(&s, "/EXT4\r");
	stage_check(&s, "events-found");
	stage_press(&s, "Enter");
	console_window(s.console, &from, &to, &live);
	assert_false(live);
	assert_int_equal(to, 1132ull * SECOND - 900000000);
	stage_check(&s, "events-there");
	stage_press(&s, "1");
	assert_shows(&s, "kernel log 1s ago, io-error");
	stage_press(&s, "L e");
	assert_shows(&s, "LIVE");
	stage_close(&s);
}

static void tables_open(void **state)
{
	struct stage s;

	(void)state;
	stage_open(&s, NULL, 180, "tables", 80, 24, TEXT_ASCII);
	stage_type(&s, "/disk\r");
	stage_press(&s, "Enter");
	stage_check(&s, "table-disk");
	stage_press(&s, "c");
	stage_check(&s, "table-disk-next-chart");
	stage_press(&s, "l l l");
	stage_check(&s, "table-disk-moved");
	stage_press(&s, "T");
	stage_type(&s, "/cgroup\r");
	stage_press(&s, "Enter");
	stage_check(&s, "table-missing");
	stage_type(&s, ":table mark\r");
	stage_check(&s, "table-events");
	stage_type(&s, ":table process\r");
	stage_check(&s, "table-process");
	stage_close(&s);
}

/* Nothing of a hostile name reaches the screen as it is; nothing is hidden. */
static void hostile_names_are_escaped(void **state)
{
	struct stage s;
	char *text;

	(void)state;
	stage_open(&s, NULL, 180, "processes", 132, 43, TEXT_UTF8);
	assert_shows(&s, "evil \\xc2\\x9b2J \\x9b \\xe2\\x80\\xae");
	text = surface_text(s.surface);
	for (const char *p = text; *p; p++)
		assert_true(*p == '\n' || (unsigned char)*p >= 0x20);
	assert_null(strstr(text, "\xc2\x9b"));
	assert_null(strstr(text, "\xe2\x80\xae"));
	free(text);
	stage_type(&s, "/evil\r");
	stage_press(&s, "Enter");
	assert_shows(&s, "ev\\x1b]0;x\\x07");
	stage_check(&s, "hostile-threads");
	stage_close(&s);
}

static void panels_survive_every_size(void **state)
{
	static const char *const panels[] = {"overview", "processes", "threads", "disks", "net", "cgroups", "memory", "events",
					      "tables"};

	(void)state;
	for (size_t p = 0; p < 4; p++) {
		struct stage s;

		stage_open(&s, NULL, 130, panels[p], 80, 24, TEXT_UTF8);
		for (int w = 1; w < 140; w += w < 24 ? 3 : 13) {
			for (int h = 1; h < 40; h += h < 14 ? 1 : 5) {
				assert_int_equal(surface_resize(s.surface, w, h), 0);
				stage_press(&s, "j k l h G g");
			}
		}
		stage_close(&s);
	}
}

/* Does the text have this word, whole? */
static bool has_word(const char *text, const char *word, size_t n)
{
	while ((text = strstr(text, word))) {
		if (strchr(" ,;)\n", text[n]))
			return true;
		text += n;
	}
	return false;
}

/* Half a number is another number: "max 30~". Words that begin as numbers do, and end with the mark of what was cut, must be whole:
 * as they are where there is room for all. */
static unsigned cut_numbers(struct stage *s, const char *panel, int w, const char *all)
{
	char *text = surface_text(s->surface), *rest = text;
	unsigned found = 0;

	for (char *line; (line = strsep(&rest, "\n"));) {
		char *words = line, *copy = strdup(line);

		assert_non_null(copy);
		for (char *word; (word = strsep(&words, " "));) {
			size_t n = strlen(word);

			if (n < 2 || word[n - 1] != '~' || !strspn(word + strspn(word, "<>=+-"), "0123456789"))
				continue;
			word[--n] = '\0';
			if (has_word(all, word, n) || strstr(copy, ", kernel "))
				continue;
			fprintf(stderr, "%s, %d columns: %s: \"%s\"\n", panel, w, copy, word);
			found++;
		}
		free(copy);
	}
	free(text);
	return found;
}

static void no_number_is_cut(void **state)
{
	static const struct made_host_options busy = {
		.nfs = true, .sockets = true, .pods = true, .family = true, .latencies = true, .thrashing = true};
	static const char *const firsts[] = {"", "o", "j Enter", NULL};
	static const struct {
		int w, h;
	} some[] = {{300, 60}, {33, 14}, {40, 12}, {40, 30}, {47, 20}, {60, 16}, {66, 30}, {80, 24}, {91, 43}};
	unsigned found = 0;
	struct stage s;

	(void)state;
	stage_open(&s, &busy, 180, "overview", 80, 24, TEXT_ASCII);
	for (const struct panel *const *p = console_panels; *p; p++) {
		for (const char *const *first = firsts; *first; first++) {
			char *all = NULL;

			for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
				assert_int_equal(surface_resize(s.surface, some[i].w, some[i].h), 0);
				stage_again(&s, (*p)->name);
				stage_press(&s, *first);
				if (all)
					found += cut_numbers(&s, (*p)->name, some[i].w, all);
				else
					all = surface_text(s.surface);
			}
			free(all);
		}
	}
	stage_close(&s);
	assert_int_equal(found, 0);
}

/* Bytes a second to a terminal of 120x40 that refreshes each second, on a box where nothing happens. */
static void quiet_boxes_cost_few_bytes(void **state)
{
	static const struct {
		const char *panel, *command;
		size_t most;
	} cases[] = {
		{"overview", NULL, 500},       {"processes", NULL, 2048},	      {"threads", NULL, 2048},
		{"tables", NULL, 2048},	       {"tables", ":table process\r", 2048}, {"tables", ":table cpu\r", 2048},
		{"processes", ":sort age\r", 2048},
	};
	enum { SECONDS = 120 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct made_host_options murmur = {.calm = true, .murmur = true, .idle = 300};
		struct theme theme;
		struct paint paint;
		struct stage s;
		size_t bytes = 0, most = 0;

		stage_open(&s, &murmur, 90, cases[i].panel, 120, 40, TEXT_UTF8);
		theme_builtin(&theme, "default");

		paint_init(&paint, caps_builtin("xterm-256color"), DEPTH_256, &theme);
		if (cases[i].command)
			stage_type(&s, cases[i].command);
		assert_int_equal(paint_surface(&paint, s.surface), 0);
		for (int k = 0; k < SECONDS; k++) {
			paint.out.len = 0;
			made_host_run(s.host, 1);
			stage_now(&s);
			console_draw(s.console, s.surface);
			assert_int_equal(paint_surface(&paint, s.surface), 0);
			bytes += paint.out.len;
			most = paint.out.len > most ? paint.out.len : most;
		}
		printf("%s%.14s: %zu bytes/s, at most %zu\n", cases[i].panel, cases[i].command ? cases[i].command : "", bytes / SECONDS, most);
		if (bytes / SECONDS > cases[i].most)
			fail_msg("%s: %zu bytes a second, at most %zu allowed", cases[i].panel, bytes / SECONDS,
				 cases[i].most);
		paint_finish(&paint);
		stage_close(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(panels_look),
		cmocka_unit_test(verdict_leads_to_who_it_means),
		cmocka_unit_test(verdict_is_listed),
		cmocka_unit_test(a_wrong_filter_hides_no_machine),
		cmocka_unit_test(overview_when_calm_and_without_pressure),
		cmocka_unit_test(overview_tells_of_tails),
		cmocka_unit_test(processes_sort_and_filter),
		cmocka_unit_test(processes_say_why_a_cell_is_unread),
		cmocka_unit_test(processes_keep_the_selection),
		cmocka_unit_test(pods_by_name),
		cmocka_unit_test(other_limits_of_groups),
		cmocka_unit_test(memory_that_fell_once_does_not_fall),
		cmocka_unit_test(who_uses_a_mount),
		cmocka_unit_test(listening_sockets),
		cmocka_unit_test(talking_sockets),
		cmocka_unit_test(memory_tells_who_waits),
		cmocka_unit_test(nfs_among_the_disks),
		cmocka_unit_test(disks_tell_who_asks),
		cmocka_unit_test(memory_accuses_nobody_unmeasured),
		cmocka_unit_test(drilling_down_and_back),
		cmocka_unit_test(time_goes_back_and_on),
		cmocka_unit_test(events_tell_what_happened),
		cmocka_unit_test(signals_are_asked_for),
		cmocka_unit_test(tables_open),
		cmocka_unit_test(hostile_names_are_escaped),
		cmocka_unit_test(panels_survive_every_size),
		cmocka_unit_test(no_number_is_cut),
		cmocka_unit_test(quiet_boxes_cost_few_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
