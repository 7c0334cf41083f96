/* Processes and threads of the made-up machine. */
#include <stdio.h>
#include <string.h>

#include "support/made_host_fill.h"

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

size_t fill_busy_places(const struct made_host *m)
{
	return NALL + m->options.idle;
}

void fill_murmur(struct made_host *m)
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

uint64_t fill_start_of(unsigned pid)
{
	const struct process *p = processes;

	while (p->pid != pid)
		p++;
	return start_of(p);
}

/* Who waits: mysqld most of the time, nginx a little; freeing memory itself is a part of it. */
static void fill_memory_waits(struct made_host *m)
{
	static const struct {
		unsigned pid;
		uint64_t ms, reclaim_ms;
	} waits[] = {{812, 710, 310}, {6001, 20, 0}};
	static const char *const others[] = {"disk", "lock", "network", "other"};

	if (m->options.waits_until && m->second > m->options.waits_until) {
		builder_skip(writer_builder(m->writer), schema_find(m->schema, "thread_time")->id, CULPRIT_MISSING,
			     "rests: culprit cost more than its budget; --budget raises it");
		return;
	}
	table_begin(m, "thread_time");
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		culprit_row(m->frame);
		put(m, "tid", waits[i].pid);
		put(m, "start", fill_start_of(waits[i].pid));
		put(m, "pid", waits[i].pid);
		put(m, "process_start", fill_start_of(waits[i].pid));
		put(m, "memory", thrashed(m) * waits[i].ms * MS);
		for (size_t k = 0; m->options.waits_until && k < sizeof(others) / sizeof(others[0]); k++)
			put(m, others[k], 0);
		culprit_end(m->frame);
	}
	table_end(m);
	table_begin(m, "reclaim_process");
	culprit_row(m->frame);
	put(m, "pid", 812);
	put(m, "start", fill_start_of(812));
	put(m, "machine_time", thrashed(m) * 310 * MS);
	put(m, "cgroup_time", 0);
	put(m, "compaction_time", 0);
	culprit_end(m->frame);
	table_end(m);
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
	put(m, "rss", p->rss + (p->pid == 1204 ? thrashed(m) * 30 * MIB : 0));
	put(m, "swap", 0);
	if (m->options.thrashing && p->pid == 812) {
		put(m, "rss_anon", 3900 * MIB);
		put(m, "rss_file", 100 * MIB);
		put(m, "rss_peak", 4200 * MIB);
		put(m, "oom_score", 701);
		culprit_put_i64(m->frame, column(m, "oom_score_adj"), -200);
	}
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

void fill_tasks(struct made_host *m)
{
	if (m->options.family && has_table(m, "children"))
		fill_children(m);
	if (m->options.thrashing && has_table(m, "thread_time"))
		fill_memory_waits(m);
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
