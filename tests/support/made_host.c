#include "support/made_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "builtin.h"
#include "memsource.h"
#include "recfile.h"
#include "schema.h"
#include "self_tables.h"
#include "writer.h"

#define MS 1000000ULL
#define SECOND 1000000000ULL
#define MIB (1ULL << 20)
#define GIB (1ULL << 30)
/* 2026-03-01T14:00:00Z is second 1000 of the clock. */
#define WALL 1772373600ULL
#define BEGIN 1000ULL

enum { CPUS = 4, BACKUP_BEGINS = 120, JOB_ENDS = 150 };

struct made_host {
	struct made_host_options options;
	struct schema *schema;
	struct writer *writer;
	struct memsource *memory;
	uint64_t second; /* of the story */
	uint32_t random;
	/* what the murmur has added up to: ms of CPU by process (the idle ones behind the others) and of all; bytes */
	uint64_t *busy_ms, all_busy_ms, net_bytes, disk_writes;
	double load;
	/* the table being filled */
	const struct schema_table *table;
	struct culprit_frame *frame;
};

static void table_begin(struct made_host *m, const char *name)
{
	m->table = schema_find(m->schema, name);
	assert_non_null(m->table);
	m->frame = builder_frame(writer_builder(m->writer), m->table->id, 1);
	culprit_table(m->frame, 0);
}

static void table_end(struct made_host *m)
{
	struct culprit_error error = {""};

	if (builder_frame_end(writer_builder(m->writer), 0, NULL, 100000, 1, &error))
		fail_msg("made_host: %s: %s", m->table->name, error.sentence);
}

static uint32_t column(const struct made_host *m, const char *name)
{
	int c = schema_column(m->table, name);

	if (c < 0)
		fail_msg("made_host: %s has no column %s", m->table->name, name);
	return (uint32_t)c;
}

static void put(struct made_host *m, const char *name, uint64_t v)
{
	culprit_put_u64(m->frame, column(m, name), v);
}

static void put_number(struct made_host *m, const char *name, double v)
{
	culprit_put_f64(m->frame, column(m, name), v);
}

static void put_text(struct made_host *m, const char *name, const char *text)
{
	culprit_put_string(m->frame, column(m, name), text);
}

static void missing(struct made_host *m, const char *table, const char *reason)
{
	builder_skip(writer_builder(m->writer), schema_find(m->schema, table)->id, CULPRIT_MISSING, reason);
}

/* Seconds of the story in which the backup wrote. */
static uint64_t backup_seconds(const struct made_host *m)
{
	return m->options.calm || m->second <= BACKUP_BEGINS ? 0 : m->second - BACKUP_BEGINS;
}

/* CPU time in ms that is used up each second, by whom. */
static uint64_t burnt(const struct made_host *m)
{
	return m->options.calm ? 0 : m->second * 990;
}

/* 0 .. n - 1 */
static uint32_t chance(struct made_host *m, uint32_t n)
{
	m->random = m->random * 1664525 + 1013904223;
	return (m->random >> 8) % n;
}

/* --- the machine --- */

static void fill_host(struct made_host *m)
{
	table_begin(m, "host");
	culprit_row(m->frame);
	put(m, "id", 0);
	put_text(m, "hostname", "web-03");
	put_text(m, "kernel", "6.1.0-18-amd64");
	put_text(m, "distribution", "Debian GNU/Linux 12 (bookworm)");
	put(m, "uptime", (m->second + 400000) * SECOND);
	put(m, "cpus", CPUS);
	put(m, "memory", 16 * GIB);
	put_number(m, "load1", m->options.calm ? 0.02 + m->load : 1.5);
	put_number(m, "load5", m->options.calm ? 0.05 : 1.2);
	put_number(m, "load15", m->options.calm ? 0.01 : 0.9);
	culprit_end(m->frame);
	table_end(m);
}

static void fill_cpus(struct made_host *m)
{
	table_begin(m, "cpu");
	for (int i = -1; i < CPUS; i++) {
		/* cpu2 is the one that burns. */
		uint64_t busy = m->options.calm ? m->second * 4 + m->all_busy_ms / CPUS : i == 2 ? burnt(m) : m->second * 40;
		uint64_t wait = i == 0 || i < 0 ? backup_seconds(m) * 300 : 0, all = m->second * 1000;

		if (i < 0) {
			busy = (m->options.calm ? m->second * 16 + m->all_busy_ms : burnt(m) + m->second * 120);
			all *= CPUS;
		}
		culprit_row(m->frame);
		culprit_put_i64(m->frame, column(m, "cpu"), i);
		put(m, "generation", 0);
		put(m, "user", busy * 9 / 10 * MS);
		put(m, "system", (busy - busy * 9 / 10) * MS);
		put(m, "iowait", wait * MS);
		put(m, "idle", (all - busy - wait) * MS);
		put(m, "nice", 0);
		put(m, "irq", 0);
		put(m, "softirq", 0);
		put(m, "steal", 0);
		put(m, "guest", 0);
		put(m, "guest_nice", 0);
		culprit_end(m->frame);
	}
	table_end(m);
}

static void fill_memory(struct made_host *m)
{
	table_begin(m, "memory");
	culprit_row(m->frame);
	put(m, "id", 0);
	put(m, "total", 16 * GIB);
	put(m, "free", 2 * GIB);
	put(m, "available", 6 * GIB - (m->options.murmur ? chance(m, 40) * MIB : 0));
	put(m, "swap_total", 2 * GIB);
	put(m, "swap_free", 2 * GIB);
	culprit_end(m->frame);
	table_end(m);
	table_begin(m, "vmstat");
	culprit_row(m->frame);
	put(m, "id", 0);
	put(m, "oom_kill", 0);
	put(m, "pgfault", m->second * 500);
	culprit_end(m->frame);
	table_end(m);
}

static void fill_pressure(struct made_host *m)
{
	static const char *const names[] = {"cpu", "memory", "io"};

	if (m->options.no_psi) {
		missing(m, "psi", "the kernel keeps no pressure figures; boot with psi=1");
		return;
	}
	table_begin(m, "psi");
	for (int i = 0; i < 3; i++) {
		uint64_t ms = i == 0 && !m->options.calm ? m->second * 21 : i == 2 ? backup_seconds(m) * 640 : 0;

		culprit_row(m->frame);
		put_text(m, "resource", names[i]);
		put_number(m, "some_avg10", 0);
		put(m, "some_total", ms * MS);
		put(m, "full_total", ms / 2 * MS);
		culprit_end(m->frame);
	}
	table_end(m);
}

/* 98 of a hundred took `usual`, two took `slow`. ns. */
static void put_times(struct made_host *m, const char *name, uint64_t hundreds, double usual, double slow)
{
	const struct schema_bounds *bounds = &m->table->columns[column(m, name)].bounds;
	uint64_t *counts = calloc(bounds->count, sizeof(*counts));

	assert_non_null(counts);
	counts[schema_slot(bounds, usual)] += 98 * hundreds;
	counts[schema_slot(bounds, slow)] += 2 * hundreds;
	culprit_put_histogram(m->frame, column(m, name), counts, bounds->count);
	free(counts);
}

static void fill_latencies(struct made_host *m)
{
	static const char *const operations[] = {"read", "write"};

	table_begin(m, "runq");
	culprit_row(m->frame);
	put(m, "cpu", UINT64_MAX);
	put(m, "generation", 0);
	put(m, "waits", m->second * 1000);
	put_times(m, "wait", m->second * 10, 4e3, 2.5e6);
	culprit_end(m->frame);
	table_end(m);
	table_begin(m, "disk_latency");
	for (int i = 0; i < 2; i++) {
		uint64_t hundreds = i ? 3 * backup_seconds(m) : m->second;

		culprit_row(m->frame);
		put_text(m, "name", "vda");
		put(m, "generation", 0);
		put_text(m, "operation", operations[i]);
		put(m, "requests", 100 * hundreds);
		put_times(m, "service", hundreds, 2e5, i ? 84e6 : 9e5);
		culprit_end(m->frame);
	}
	table_end(m);
}

static void fill_disks(struct made_host *m)
{
	uint64_t busy = backup_seconds(m);

	table_begin(m, "disk");
	for (int i = 0; i < 2; i++) {
		uint64_t writes = i ? 0 : (m->options.murmur ? m->disk_writes : m->second * 3) + busy * 300;

		culprit_row(m->frame);
		put_text(m, "name", i ? "sdb" : "vda");
		put(m, "generation", 0);
		put(m, "reads", 1000);
		put(m, "read_bytes", 4096000);
		put(m, "read_time", 1000 * MS);
		put(m, "writes", writes);
		put(m, "write_bytes", writes * 160000);
		put(m, "write_time", (i ? 0 : m->second * 6 + busy * 300 * 84) * MS);
		put(m, "io_time", (i ? 0 : m->second * 6 + busy * 840) * MS);
		put(m, "in_flight", i ? 0 : busy ? 9 : 0);
		put_text(m, "kind", "disk");
		culprit_end(m->frame);
	}
	table_end(m);
}

static void fill_filesystems(struct made_host *m)
{
	table_begin(m, "filesystem");
	for (int i = 0; i < 2; i++) {
		culprit_row(m->frame);
		put_text(m, "mount", i ? "/var" : "/");
		put_text(m, "device", i ? "/dev/vda2" : "/dev/vda1");
		put_text(m, "fstype", "ext4");
		culprit_put_bool(m->frame, column(m, "read_only"), 0);
		put(m, "size", (i ? 100 : 20) * GIB);
		put(m, "free", (i ? 9 : 12) * GIB);
		put(m, "available", (i ? 9 : 12) * GIB);
		put(m, "inodes", 1000000);
		put(m, "inodes_free", 900000);
		culprit_end(m->frame);
	}
	table_end(m);
}

static void fill_net(struct made_host *m)
{
	uint64_t bytes = m->options.calm ? 4096 + m->net_bytes : m->second * 1200000;

	table_begin(m, "net");
	culprit_row(m->frame);
	put_text(m, "name", "eth0");
	put(m, "generation", 0);
	put(m, "rx_bytes", bytes);
	put(m, "tx_bytes", bytes / 3);
	put(m, "rx_packets", bytes / 1000);
	put(m, "tx_packets", bytes / 1000);
	put(m, "rx_errors", 0);
	put(m, "tx_errors", 0);
	put(m, "rx_drops", 0);
	put(m, "tx_drops", 0);
	put(m, "line_bytes", m->second * 125000000);
	put(m, "speed", 125000000);
	put_text(m, "state", "up");
	culprit_end(m->frame);
	table_end(m);
	table_begin(m, "tcp");
	culprit_row(m->frame);
	put(m, "id", 0);
	put(m, "out_segs", m->second * 1000);
	put(m, "retrans_segs", m->second / 4);
	put(m, "curr_estab", 40);
	culprit_end(m->frame);
	table_end(m);
}

/* --- processes --- */

struct process {
	uint64_t pid;
	const char *comm, *cmdline, *user, *state, *wchan;
	uint64_t threads, rss;
	unsigned cpu_ms, runq_ms, disk_ms; /* a second */
	uint64_t write_rate;
	uint64_t begins, ends; /* seconds of the story; 0: before it, never */
	const char *io_reason; /* its I/O cannot be read */
	uint64_t ppid;         /* 0: init, or of kernel threads kthreadd */
	const char *cgroup;
};

static const struct process processes[] = {
	{1, "systemd", "/sbin/init", "root", "S", "do_epoll_wait", 1, 12 * MIB},
	{2, "kthreadd", NULL, "root", "S", "kthreadd", 1, 0},
	{33, "kworker/u8:1-ext4", NULL, "root", "I", "worker_thread", 1, 0},
	{777, "secretd", "/usr/sbin/secretd --key /etc/secret", "secret", "S", "do_select", 1, 4 * MIB, 0, 0, 0, 0, 0, 0,
	 "permission denied: needs root"},
	{812, "mysqld", "/usr/sbin/mysqld --datadir=/var/lib/mysql", "mysql", "S", "do_poll", 12, 4100 * MIB, 60, 5, 20, 90000},
	{1204, "java:api", "/usr/bin/java -Xmx4g -jar /srv/api.jar", "api", "S", "futex_wait", 40, 3000 * MIB, 120, 12, 0, 9000},
	{4242, "sh", "sh -c while :; do :; done", "web", "R", "", 1, 1 * MIB, 990, 9, 0, 0},
	{5150, "run-parts", "run-parts /etc/cron.hourly", "root", "S", "do_wait", 1, 2 * MIB, 3, 0, 0, 0, 0, JOB_ENDS},
	{6001, "nginx", "nginx: worker process", "www-data", "S", "do_epoll_wait", 1, 30 * MIB, 14, 1, 0, 3000},
	{6002, "nginx", "nginx: worker process", "www-data", "S", "do_epoll_wait", 1, 30 * MIB, 13, 1, 0, 3000},
	{6666, "ev\x1b]0;x\x07\n)", "evil \xc2\x9b" "2J \x9b \xe2\x80\xae", "mallory", "S", "hrtimer_nanosleep", 2,
	 1 * MIB, 2},
	{9911, "restic", "/usr/bin/restic backup /srv", "root", "D", "wait_on_page_bit", 9, 212 * MIB, 80, 10, 840,
	 48 * MIB, BACKUP_BEGINS, 0},
	/* With `family`. */
#define USER_SLICE "/user.slice/user-1000.slice"
	{700, "sshd", "sshd: /usr/sbin/sshd -D", "root", "S", "do_poll", 1, 8 * MIB, .cgroup = "/system.slice/ssh.service"},
	{701, "sshd", "sshd: ann [priv]", "root", "S", "do_poll", 1, 9 * MIB, .ppid = 700, .cgroup = USER_SLICE},
	{702, "bash", "-bash", "ann", "S", "do_wait", 1, 5 * MIB, .ppid = 701, .cgroup = USER_SLICE},
	{710, "make", "make -j2 all", "ann", "S", "do_wait", 1, 3 * MIB, .ppid = 702, .cgroup = USER_SLICE},
	{711, "cc1", "cc1 -quiet big.c", "ann", "R", "", 1, 90 * MIB, 400, 30, .ppid = 710, .cgroup = USER_SLICE},
	{712, "cc1", "cc1 -quiet small.c", "ann", "R", "", 1, 40 * MIB, 50, 3, .ppid = 710, .cgroup = USER_SLICE},
	{800, "python3", "/usr/bin/python3 -u /srv/shop/manage.py runserver 8000", "shop", "S", "do_poll", 1, 80 * MIB, 5,
	 .cgroup = "/system.slice/shop.service"},
	{801, "python3", "/usr/bin/python3 -u /srv/shop/manage.py runserver 8000", "shop", "S", "do_poll", 3, 120 * MIB, 70, 2,
	 .ppid = 800, .cgroup = "/system.slice/shop.service"},
	{820, "MainThread", "/usr/bin/node --max-old-space-size=512 /srv/api/index.js", "api", "S", "do_epoll_wait", 1, 140 * MIB, 30,
	 .cgroup = "/system.slice/api.service"},
};
enum {
	NALL = sizeof(processes) / sizeof(processes[0]),
	NFAMILY = 9,
	NPROCESSES = NALL - NFAMILY,
};

/* One second of a box on which nothing happens: timers fire, daemons look around. */
static void murmur(struct made_host *m)
{
	size_t n = NPROCESSES + m->options.idle;

	if (!m->options.murmur)
		return;
	for (int i = 0; i < 6; i++) {
		size_t who = i < 3 ? (size_t)i * 2 : chance(m, (uint32_t)n); /* three do so all the time */

		who += who >= NPROCESSES ? NFAMILY : 0;
		if (chance(m, 3))
			continue;
		m->busy_ms[who] += 10;
		m->all_busy_ms += 10;
	}
	m->all_busy_ms += chance(m, 20);
	m->net_bytes += chance(m, 4) ? chance(m, 3000) : 0;
	m->disk_writes += chance(m, 5) ? 0 : chance(m, 9);
	if (m->second % 5 == 0)
		m->load = 0.92 * m->load + 0.01 * chance(m, 3);
}

static bool lives(const struct made_host *m, const struct process *p)
{
	if (p >= processes + NPROCESSES && !m->options.family)
		return false;
	if (m->options.calm && (p->begins || p->ends))
		return false;
	return m->second >= p->begins && (!p->ends || m->second < p->ends);
}

/* Seconds it has lived through in the story. */
static uint64_t lived(const struct made_host *m, const struct process *p)
{
	return m->options.calm ? 0 : m->second - p->begins;
}

static uint64_t start_of(const struct process *p)
{
	return p->begins ? (BEGIN + p->begins) * 100 - 50 : 9000 + p->pid;
}

static void fill_process(struct made_host *m, const struct process *p)
{
	uint64_t t = lived(m, p);

	culprit_row(m->frame);
	if (p->begins && m->second == p->begins)
		culprit_born(m->frame);
	put(m, "pid", p->pid);
	put(m, "start", start_of(p));
	put(m, "ppid", p->ppid ? p->ppid : p->pid == 2 || p->pid == 1 ? 0 : p->cmdline ? 1 : 2);
	put_text(m, "state", m->options.calm && *p->state == 'R' ? "S" : p->state);
	put_text(m, "user", p->user);
	if (p->cgroup)
		put_text(m, "cgroup", p->cgroup);
	put_text(m, "comm", p->comm);
	culprit_put_bool(m->frame, column(m, "kthread"), !p->cmdline);
	put_text(m, "cmdline", p->cmdline ? p->cmdline : "");
	put(m, "utime", (t * p->cpu_ms * 9 / 10 + m->busy_ms[p - processes]) * MS);
	put(m, "stime", (t * p->cpu_ms - t * p->cpu_ms * 9 / 10) * MS);
	put(m, "cutime", 0);
	put(m, "cstime", 0);
	put(m, "threads", p->threads);
	put(m, "rss", p->rss);
	put(m, "swap", 0);
	put(m, "min_faults", t * 3);
	put(m, "maj_faults", 0);
	put_text(m, "wchan", p->wchan);
	if (p->io_reason) {
		culprit_unread(m->frame, column(m, "read_bytes"), p->io_reason);
		culprit_unread(m->frame, column(m, "write_bytes"), p->io_reason);
	} else if (p->cmdline) {
		put(m, "read_bytes", 40960);
		put(m, "write_bytes", t * p->write_rate);
	}
	culprit_end(m->frame);
}

static void fill_idle(struct made_host *m, unsigned i)
{
	char name[32];

	snprintf(name, sizeof(name), "sleeper-%u", i);
	culprit_row(m->frame);
	put(m, "pid", 20000 + i);
	put(m, "start", 8000 + i);
	put(m, "ppid", 1);
	put_text(m, "state", "S");
	put_text(m, "user", "root");
	put_text(m, "comm", name);
	culprit_put_bool(m->frame, column(m, "kthread"), 0);
	put_text(m, "cmdline", "sleep 1000000");
	put(m, "utime", (10 + m->busy_ms[NALL + i]) * MS);
	put(m, "stime", 0);
	put(m, "threads", 1);
	put(m, "rss", 600 * 1024);
	put(m, "read_bytes", 0);
	put(m, "write_bytes", 0);
	culprit_end(m->frame);
}

/* --- threads --- */

static void fill_thread(struct made_host *m, const struct process *p, uint64_t tid, const char *comm, const char *state,
			const char *wchan, double share)
{
	uint64_t t = lived(m, p), cpu = (uint64_t)((double)(t * p->cpu_ms + m->busy_ms[p - processes]) * share);

	culprit_row(m->frame);
	if (p->begins && m->second == p->begins)
		culprit_born(m->frame);
	put(m, "tid", tid);
	put(m, "start", start_of(p));
	put(m, "pid", p->pid);
	put(m, "process_start", start_of(p));
	put_text(m, "comm", comm);
	put_text(m, "state", m->options.calm && *state == 'R' ? "S" : state);
	put(m, "utime", cpu * MS);
	put(m, "stime", 0);
	put(m, "blkio_delay", (uint64_t)((double)(t * p->disk_ms) * share) * MS);
	put(m, "run_time", cpu * MS);
	put(m, "run_delay", (uint64_t)((double)(t * p->runq_ms) * share) * MS);
	put(m, "timeslices", t * 10);
	put(m, "voluntary", (uint64_t)((double)t * 50 * share));
	put(m, "involuntary", t);
	put(m, "min_faults", 0);
	put(m, "maj_faults", 0);
	culprit_put_i64(m->frame, column(m, "processor"), p->pid == 4242 ? 2 : (int64_t)(tid % CPUS));
	put(m, "runnable", *state == 'R');
	put(m, "blocked", *state == 'D');
	put_text(m, "wchan", wchan);
	culprit_end(m->frame);
}

static void fill_java(struct made_host *m, const struct process *p)
{
	char name[16];

	fill_thread(m, p, p->pid, "java", "S", "futex_wait", 0);
	for (unsigned i = 1; i <= 24; i++) {
		snprintf(name, sizeof(name), "http-nio-8080-e"); /* the kernel's 15 bytes */
		if (i % 2)
			snprintf(name, sizeof(name), "http-exec-%u", i);
		fill_thread(m, p, p->pid + i, name, "S", i % 3 ? "do_poll" : "futex_wait", i <= 4 ? 0.2 : 0);
	}
	for (unsigned i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "GC Thread#%u", i);
		fill_thread(m, p, p->pid + 30 + i, name, "S", "futex_wait", 0.02);
	}
	for (unsigned i = 0; i < 7; i++) {
		snprintf(name, sizeof(name), "hikari-pool-%u", i);
		fill_thread(m, p, p->pid + 40 + i, name, "S", "wait_woken", 0);
	}
}

static void fill_tasks(struct made_host *m)
{
	table_begin(m, "process");
	for (size_t i = 0; i < NALL; i++)
		if (lives(m, &processes[i]))
			fill_process(m, &processes[i]);
	for (unsigned i = 0; i < m->options.idle; i++)
		fill_idle(m, i);
	table_end(m);
	table_begin(m, "thread");
	for (size_t i = 0; i < NALL; i++) {
		const struct process *p = &processes[i];

		if (!lives(m, p))
			continue;
		if (p->pid == 1204) {
			fill_java(m, p);
			continue;
		}
		for (uint64_t k = 0; k < p->threads; k++)
			fill_thread(m, p, p->pid + k, p->comm, k ? "S" : p->state, p->wchan, k ? 0 : 1);
	}
	table_end(m);
}

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

static bool has_table(struct made_host *m, const char *name)
{
	return schema_find(m->schema, name) != NULL;
}

/* Of the family: who starts much that lives too short to be seen. */
static void fill_children(struct made_host *m)
{
	table_begin(m, "children");
	culprit_row(m->frame);
	put(m, "pid", 702);
	put(m, "start", 9702);
	put_text(m, "comm", "bash");
	put(m, "forked", m->second * 4);
	put(m, "ended", m->second * 4);
	put(m, "life", m->second * 4 * 40 * MS);
	put(m, "short_ended", m->second * 4);
	put(m, "short_life", m->second * 4 * 40 * MS);
	put(m, "short_cpu_time", m->second * 4 * 5 * MS);
	culprit_end(m->frame);
	table_end(m);
}

static void fill_nfs(struct made_host *m)
{
	table_begin(m, "nfs");
	culprit_row(m->frame);
	put_text(m, "mount", "/home");
	put_text(m, "server", "filer:/export/home");
	put(m, "ops", m->second * 120);
	put(m, "retrans", m->second * 3);
	put(m, "timeouts", 0);
	put(m, "reads", m->second * 100);
	put(m, "read_time", m->second * 100 * 41 * MS);
	put(m, "writes", m->second * 10);
	put(m, "write_time", m->second * 10 * 300 * MS);
	put(m, "read_bytes", m->second * 12 * MIB);
	put(m, "write_bytes", m->second * MIB);
	put(m, "queue_time", 0);
	put(m, "rtt", m->second * 120 * 40 * MS);
	put(m, "time", m->second * 120 * 61 * MS);
	culprit_end(m->frame);
	table_end(m);
}

static void fill_sockets(struct made_host *m)
{
	static const struct {
		const char *address, *comm;
		uint64_t port, pid, start, queue, limit, drops, accepted;
	} listeners[] = {
		{"0.0.0.0", "nginx", 443, 6001, 15001, 0, 511, 0, 40},
		{"::", "java:api", 8080, 1204, 10204, 130, 128, 3, 25},
		{"127.0.0.1", "mysqld", 3306, 812, 9812, 0, 151, 0, 1},
		{"0.0.0.0", "sshd", 22, 700, 9700, 0, 128, 0, 0},
	};

	table_begin(m, "tcp_listen");
	for (size_t i = 0; i < sizeof(listeners) / sizeof(listeners[0]); i++) {
		culprit_row(m->frame);
		put_text(m, "address", listeners[i].address);
		put(m, "port", listeners[i].port);
		put(m, "socket", i);
		put(m, "pid", listeners[i].pid);
		put(m, "process_start", listeners[i].start);
		put_text(m, "comm", listeners[i].comm);
		put(m, "holders", 1);
		put(m, "queue", listeners[i].queue);
		put(m, "queue_limit", listeners[i].limit);
		put(m, "drops", m->second * listeners[i].drops);
		put(m, "accepted", m->second * listeners[i].accepted);
		culprit_end(m->frame);
	}
	table_end(m);
}

static void fill_cgroups(struct made_host *m)
{
#define KUBE "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12ab34cd_0000_1111_2222_33334444555"
#define CONTAINER "/cri-containerd-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"
	static const struct {
		const char *path, *name;
		uint64_t cpu_ms, quota_ms, memory, limit, stopped_pct, oom, pids;
	} groups[] = {
		{"/", NULL, 1990, 0, 9000 * MIB, 0, 0, 1, 120},
		{"/system.slice", NULL, 300, 0, 5000 * MIB, 0, 0, 0, 60},
		{"/system.slice/mysql.service", NULL, 60, 0, 4100 * MIB, 0, 0, 0, 12},
		{"/kubepods.slice", NULL, 1400, 0, 4000 * MIB, 0, 0, 1, 100},
		{KUBE "1.slice", "shop/checkout-7d9f", 990, 0, 1200 * MIB, 0, 0, 0, 44},
		{KUBE "1.slice" CONTAINER "1.scope", "shop/checkout-7d9f/app", 985, 100, 1190 * MIB, 2048 * MIB, 91, 0, 43},
		{KUBE "2.slice" CONTAINER "2.scope", "shop/cart-55c4/app", 350, 100, 980 * MIB, 1024 * MIB, 8, 0, 20},
		{KUBE "3.slice" CONTAINER "3.scope", "shop/search-0/ev\x1b]0;x\x07", 60, 400, 3900 * MIB, 4096 * MIB, 0, 1, 30},
		{"/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", NULL, 5, 0, 30 * MIB, 0, 0, 0, 2},
	};

	table_begin(m, "cgroup");
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		culprit_row(m->frame);
		put_text(m, "path", groups[i].path);
		if (groups[i].name)
			put_text(m, "name", groups[i].name);
		put(m, "usage", m->second * groups[i].cpu_ms * MS);
		if (groups[i].quota_ms) {
			put(m, "cpu_quota", groups[i].quota_ms * MS);
			put(m, "cpu_period", 100 * MS);
			put(m, "nr_periods", m->second * 10);
			put(m, "nr_throttled", m->second * groups[i].stopped_pct / 10);
			put(m, "throttled_time", m->second * groups[i].stopped_pct * 10 * MS);
			put(m, "cpu_allowed", m->second * groups[i].quota_ms * 10 * MS);
		}
		put(m, "memory_current", groups[i].memory);
		if (groups[i].limit)
			put(m, "memory_max", groups[i].limit);
		put(m, "oom_kill", m->second > 150 ? groups[i].oom : 0);
		put(m, "pids_current", groups[i].pids);
		culprit_end(m->frame);
	}
	table_end(m);
}

/* --- what happens --- */

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


static void fill_story(struct made_host *m, const struct story *s, unsigned k)
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
					fill_story(m, &stories[i], k);
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

/* --- */

struct made_host *made_host_create(const struct made_host_options *options)
{
	struct host_info host = {
		.name = "web-03",
		.kernel = "6.1.0-18-amd64",
		.machine = "x86_64",
		.zone = "+00:00",
		.system = "Debian GNU/Linux 12 (bookworm)",
		.user_hz = 100,
		.page_size = 4096,
		.cpus = CPUS,
		.memory_bytes = 16 * GIB,
		.boot_wall_ns = (int64_t)((WALL - 400000) * SECOND),
		.interval_ns = SECOND,
	};
	struct made_host *m = calloc(1, sizeof(*m));
	struct culprit_error error = {""};

	assert_non_null(m);
	if (options)
		m->options = *options;
	m->busy_ms = calloc(NALL + m->options.idle, sizeof(*m->busy_ms));
	assert_non_null(m->busy_ms);
	m->schema = schema_create();
	assert_non_null(m->schema);
	for (const struct culprit_collector *const *c = culprit_builtin; *c; c++) {
		for (uint32_t i = 0; i < (*c)->ntables; i++)
			if (schema_add(m->schema, (*c)->tables[i], &error) < 0)
				fail_msg("%s", error.sentence);
	}
	assert_true(schema_add(m->schema, &collector_table, &error) >= 0);
	assert_true(schema_add(m->schema, &mark_table, &error) >= 0);
	m->writer = writer_create(m->schema, &host);
	m->memory = memsource_create();
	assert_non_null(m->writer);
	assert_non_null(m->memory);
	assert_int_equal(writer_add_sink(m->writer, memsource_sink(m->memory)), 0);
	if (m->options.record) {
		struct sink *sink = recfile_sink(m->options.record, RECFILE_OVERWRITE, &error);

		if (!sink)
			fail_msg("%s", error.sentence);
		assert_int_equal(writer_add_sink(m->writer, sink), 0);
	}
	return m;
}

void made_host_destroy(struct made_host *m)
{
	writer_destroy(m->writer);
	memsource_unlock(m->memory);
	schema_unlock(m->schema);
	free(m->busy_ms);
	free(m);
}

void made_host_run(struct made_host *m, unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		m->second++;
		murmur(m);
		builder_begin(writer_builder(m->writer), (BEGIN + m->second) * SECOND,
			      (int64_t)((WALL + m->second) * SECOND));
		fill_host(m);
		fill_cpus(m);
		fill_memory(m);
		fill_pressure(m);
		fill_disks(m);
		fill_filesystems(m);
		fill_net(m);
		if (m->options.family && has_table(m, "children"))
			fill_children(m);
		if (m->options.nfs)
			fill_nfs(m);
		if (m->options.latencies && has_table(m, "runq"))
			fill_latencies(m);
		if (m->options.sockets)
			fill_sockets(m);
		if (m->options.pods)
			fill_cgroups(m);
		else
			missing(m, "cgroup", "no cgroup file system is mounted; mount -t cgroup2 none /sys/fs/cgroup brings it");
		fill_tasks(m);
		fill_stories(m);
		fill_collectors(m);
		assert_int_equal(writer_commit(m->writer), 0);
	}
}

void made_host_sleep(struct made_host *m, unsigned seconds)
{
	m->second += seconds;
}

struct source *made_host_source(struct made_host *m)
{
	return memsource_source(m->memory);
}
