/* The rules of findings over a machine that is made up second by second: each fires for its trouble and not for the innocent that looks
 * like it, names the cause and not the victim, and what was not measured is never called calm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "builtin.h"
#include "findings_internal.h"
#include "schema.h"
#include "support/made_host.h"
#include "textframes.h"

#define SECOND 1000000000ull

/* --- the machine ------------------------------------------------------------------------------------------------- */

/* What the program derives is given as it is: rules see names and numbers. */
static const char tables[] =
	"host hz=100 interval=1s zone=+00:00\n"
	"table host state key=host id=key:u64 cpus=gauge:u64:count load1=gauge:f64:count\n"
	"table cpu state key=cpu cpu=key:i64 busy=gauge:f64:percent steal_pct=gauge:f64:percent softirq_pct=gauge:f64:percent irq_pct=gauge:f64:percent\n"
	"table psi state key=resource resource=key:text some_share=gauge:f64:percent some_avg10=gauge:f64:percent\n"
	"table runq state key=cpu cpu=key:i64 waiting=gauge:f64:percent wait_p99=gauge:f64:ns\n"
	"table memory state key=memory id=key:u64 available_pct=gauge:f64:percent swap_used_pct=gauge:f64:percent\n"
	"table vmstat state key=vmstat id=key:u64 oom_kills=gauge:f64:count swap_out_rate=gauge:f64:count/s major_fault_rate=gauge:f64:count/s "
	"direct_scan_rate=gauge:f64:count/s allocstall_rate=gauge:f64:count/s refault_rate=gauge:f64:count/s steal_pct=gauge:f64:percent\n"
	"table disk state key=device name=key:text kind=attribute:text busy=gauge:f64:percent queue=gauge:f64:count await=gauge:f64:ns "
	"read_rate=gauge:f64:bytes/s write_rate=gauge:f64:bytes/s\n"
	"table disk_latency state key=device_operation name=key:text operation=key:text requests=gauge:u64:count service_p99=gauge:f64:ns\n"
	"table disk_user state key=process_device pid=key:u64 start=key:u64:ticks name=key:text comm=attribute:text in_flight=gauge:f64:count "
	"read_rate=gauge:f64:bytes/s write_rate=gauge:f64:bytes/s\n"
	"table filesystem state key=mount mount=key:text fstype=attribute:text used_pct=gauge:f64:percent inode_pct=gauge:f64:percent "
	"available=gauge:f64:bytes growth=gauge:f64:bytes read_only=gauge:f64\n"
	"table nfs state key=mount mount=key:text server=attribute:text timeouts=gauge:f64:count await=gauge:f64:ns retrans_pct=gauge:f64:percent\n"
	"table net state key=netdev name=key:text rx_drop_pct=gauge:f64:percent drop_rate=gauge:f64:count/s\n"
	"table tcp state key=tcp id=key:u64 retrans_pct=gauge:f64:percent retrans_rate=gauge:f64:count/s listen_overflow_rate=gauge:f64:count/s\n"
	"table netstack state key=netstack id=key:u64 softnet_drop_rate=gauge:f64:count/s conntrack_pct=gauge:f64:percent\n"
	"table cgroup state key=cgroup path=key:text throttled_pct=gauge:f64:percent throttled_rate=gauge:f64:ns/s memory_pct=gauge:f64:percent "
	"oom_kills=gauge:f64:count refaults=gauge:f64:count pgmajfault=gauge:f64:count pids_pct=gauge:f64:percent cpu_of_limit=gauge:f64:percent\n"
	"table tcp_listen state key=tcp_listen address=key:text port=key:u64 pid=attribute:u64 process_start=attribute:u64:ticks comm=attribute:text "
	"queue_pct=gauge:f64:percent drops_window=gauge:f64:count\n"
	"table tcp_flow state key=tcp_flow pid=key:u64 peer=key:text side=attribute:text open=gauge:u64:count segments=gauge:u64:count\n"
	"table tcp_peer state key=tcp_peer peer=key:text side=attribute:text answer_p99=gauge:f64:ns\n"
	"table oom_kill event time=time:u64:mono_ns comm=attribute:text pid=attribute:u64 why=attribute:text cgroup=attribute:text\n"
	"table thread state key=thread tid=key:u64 start=key:u64:ticks blocked=gauge:u64:count voluntary_rate=gauge:f64:count/s cpu=gauge:f64:percent\n"
	"table thread_time state key=thread tid=key:u64 start=key:u64:ticks pid=attribute:u64 process_start=attribute:u64:ticks "
	"now=attribute:text disk_pct=gauge:f64:percent other_pct=gauge:f64:percent\n"
	"parent thread_time process pid process_start\n"
	"table process state key=process pid=key:u64 start=key:u64:ticks ppid=attribute:u64 comm=attribute:text state=attribute:text kthread=attribute:bool "
	"wchan=attribute:text threads=gauge:u64:count rss=gauge:u64:bytes cpu=gauge:f64:percent busiest_thread=gauge:f64:percent "
	"short_children_cpu=gauge:f64:percent read_rate=gauge:f64:bytes/s write_rate=gauge:f64:bytes/s rss_growth=gauge:f64:bytes "
	"fd_use=gauge:f64:percent time_busy=gauge:f64:percent time_runq=gauge:f64:percent time_throttled=gauge:f64:percent "
	"time_disk=gauge:f64:percent time_lock=gauge:f64:percent time_net=gauge:f64:percent time_memory=gauge:f64:percent "
	"time_stolen=gauge:f64:percent time_other=gauge:f64:percent "
	"time_stalled=gauge:f64:percent\n";

enum { MYSQLD, RESTIC, JAVA, MAKE, COPY, PROCESSES };

struct process {
	const char *comm;
	unsigned pid;
	const char *state;
	double cpu, thread, shorts, written, grew, files;
	double busy, runq, throttled, disk, lock, net, memory;
	unsigned ppid;
	double switches; /* of its main thread, a second */
};

struct machine {
	double busy, hot, steal, soft, psi[3], now[3], waiting;
	double oom, swap_out, major, refault, available;
	double disk_busy, queue, await, p99, written;
	double asks[PROCESSES], writes[PROCESSES]; /* requests in progress at vda, bytes a second to it */
	double fs_used, fs_growth, nfs_timeouts;
	double retrans, overflows, conntrack;
	double stopped, full, reread;
	double queue_pct, drops;
	const char *peers[2];
	double peer_open[2];
	bool no_root, no_psi, fs_remote_stuck, oom_event;
	unsigned cpus;
	double drivers;
	double worker; /* a thread of java that waits for a disk now, and did so for so much of the window */
	double worker_switches;
	struct process p[PROCESSES];
};

static struct machine well(void)
{
	struct machine m = {
		.busy = 20, .hot = 30, .psi = {1, 0, 1}, .waiting = 2, .available = 60, .disk_busy = 5, .queue = 0.1, .await = 1e6, .p99 = 2e6,
		.written = 1e6, .fs_used = 40, .conntrack = 1, .cpus = 4,
		.p = {
			/* A database that always writes most. */
			[MYSQLD] = {"mysqld", 10, "S", .cpu = 20, .thread = 5, .written = 5e6, .busy = 120, .disk = 10, .files = 5, .switches = 50},
			[RESTIC] = {"restic", 14, "S", .cpu = 1, .thread = 1, .busy = 2, .files = 1, .switches = 5},
			[JAVA] = {"java", 20, "S", .cpu = 30, .thread = 10, .busy = 60, .net = 10, .files = 20, .switches = 90},
			[MAKE] = {"make", 12, "S", .cpu = 2, .thread = 2, .busy = 2, .files = 1, .switches = 5},
			[COPY] = {"cp", 40, "S", .cpu = 1, .thread = 1, .busy = 1, .files = 1, .switches = 100},
		},
	};

	m.asks[MYSQLD] = 0.1;
	m.writes[MYSQLD] = 1e6;
	return m;
}

struct text {
	char *bytes;
	size_t len, cap;
};

static void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	for (;;) {
		va_start(args, format);
		n = vsnprintf(t->bytes + t->len, t->cap - t->len, format, args);
		va_end(args);
		if (t->len + (size_t)n < t->cap)
			break;
		t->cap = t->cap * 2 + 4096;
		t->bytes = realloc(t->bytes, t->cap);
		assert_non_null(t->bytes);
	}
	t->len += (size_t)n;
}

static void tell_kernel(struct text *t, const struct machine *m)
{
	static const char *const resources[] = {"cpu", "memory", "io"};
	static const char *const missing[] = {"runq", "disk_latency", "disk_user", "tcp_listen"};

	add(t, "sample host\nrow host id=0 cpus=%u load1=1\n", m->cpus);
	add(t, "sample cpu\nrow cpu cpu=-1 busy=%g steal_pct=%g softirq_pct=1 irq_pct=0\n", m->busy, m->steal);
	for (unsigned i = 0; i < m->cpus; i++)
		add(t, "row cpu cpu=%u busy=%g steal_pct=%g softirq_pct=%g irq_pct=0\n", i, i ? (m->busy * m->cpus - m->hot) / (m->cpus - 1) : m->hot,
		    m->steal, i ? 0.1 : m->soft);
	if (!m->no_psi)
		add(t, "sample psi\n");
	for (int i = 0; i < 3 && !m->no_psi; i++)
		add(t, "row psi resource=%s some_share=%g some_avg10=%g\n", resources[i], m->psi[i], m->now[i]);
	if (m->no_psi)
		add(t, "state psi missing \"pressure (PSI) is off: boot with psi=1\"\n");
	add(t, "sample memory\nrow memory id=0 available_pct=%g swap_used_pct=0\n", m->available);
	add(t, "sample vmstat\nrow vmstat id=0 oom_kills=%g swap_out_rate=%g major_fault_rate=%g direct_scan_rate=0 allocstall_rate=0 "
	       "refault_rate=%g steal_pct=90\n",
	    m->oom, m->swap_out, m->major, m->refault);
	add(t, "sample disk\nrow disk name=vda kind=disk busy=%g queue=%g await=%g read_rate=0 write_rate=%g\n", m->disk_busy, m->queue, m->await,
	    m->written);
	add(t, "sample filesystem\nrow filesystem mount=/var fstype=ext4 used_pct=%g inode_pct=5 available=%g growth=%g read_only=0\n", m->fs_used,
	    (100 - m->fs_used) * 1e9, m->fs_growth);
	if (m->fs_remote_stuck)
		add(t, "row filesystem mount=/home fstype=nfs4 used_pct=?\"blocked for 200 ms\"\n");
	add(t, "sample nfs\n");
	if (m->nfs_timeouts > 0)
		add(t, "row nfs mount=/home server=filer:/home timeouts=%g await=2e9 retrans_pct=0\n", m->nfs_timeouts);
	add(t, "sample net\nrow net name=eth0 rx_drop_pct=0 drop_rate=0\n");
	add(t, "sample tcp\nrow tcp id=0 retrans_pct=%g retrans_rate=%g listen_overflow_rate=%g\n", m->retrans, m->retrans * 10, m->overflows);
	add(t, "sample netstack\nrow netstack id=0 softnet_drop_rate=0 conntrack_pct=%g\n", m->conntrack);
	add(t, "sample cgroup\nrow cgroup path=/shop/checkout throttled_pct=%g throttled_rate=%g memory_pct=%g oom_kills=0 refaults=%g pgmajfault=0 "
	       "pids_pct=10 cpu_of_limit=99\n",
	    m->stopped, m->stopped * 1e7, m->full, m->reread);
	for (size_t i = 0; i < 4 && m->no_root; i++)
		add(t, "state %s missing \"needs root or the capabilities to load BPF programs: sudo setcap cap_bpf+ep culprit\"\n", missing[i]);
	if (m->no_root)
		return;
	add(t, "sample runq\nrow runq cpu=-1 waiting=%g wait_p99=1e6\n", m->waiting);
	add(t, "sample disk_latency\nrow disk_latency name=vda operation=write requests=1000 service_p99=%g\n", m->p99);
	add(t, "sample disk_user\n");
	for (int i = 0; i < PROCESSES; i++)
		if (m->asks[i] > 0)
			add(t, "row disk_user pid=%u start=1 name=vda comm=%s in_flight=%g read_rate=0 write_rate=%g\n", m->p[i].pid, m->p[i].comm,
			    m->asks[i], m->writes[i]);
	add(t, "sample tcp_listen\nrow tcp_listen address=0.0.0.0 port=8443 pid=%u process_start=1 comm=java queue_pct=%g drops_window=%g\n",
	    m->p[JAVA].pid, m->queue_pct, m->drops);
	add(t, "sample tcp_flow\n");
	for (int i = 0; i < 2; i++)
		if (m->peers[i])
			add(t, "row tcp_flow pid=%u peer=%s side=out open=%g segments=100\n", m->p[JAVA].pid, m->peers[i], m->peer_open[i]);
	add(t, "sample tcp_peer\n");
	if (m->peers[0])
		add(t, "row tcp_peer peer=%s side=out answer_p99=84e6\n", m->peers[0]);
}

static void tell(struct text *t, const struct machine *m, int second, bool last)
{
	add(t, "tick %ds wall=%llds\n", 1000 + second, 1772373600LL + second);
	tell_kernel(t, m);
	add(t, "sample oom_kill\n");
	if (m->oom_event && last)
		add(t, "event oom_kill time=%ds comm=python3 pid=77 why=cgroup cgroup=/shop/batch\n", 999 + second);
	add(t, "sample thread\n");
	for (int i = 0; i < PROCESSES; i++)
		add(t, "row thread tid=%u start=1 blocked=%d voluntary_rate=%g cpu=%g\n", m->p[i].pid, m->p[i].state[0] == 'D', m->p[i].switches,
		    m->p[i].cpu);
	add(t, "row thread tid=2001 start=1 blocked=%d voluntary_rate=%g cpu=0\n", m->worker > 0, m->worker > 0 ? m->worker_switches : 3);
	if (!m->no_root)
		add(t, "sample thread_time\nrow thread_time tid=%u start=1 pid=%u process_start=1 now=idle disk_pct=0 other_pct=0\n"
		       "row thread_time tid=2001 start=1 pid=%u process_start=1 now=%s disk_pct=%g other_pct=0\n",
		    m->p[JAVA].pid, m->p[JAVA].pid, m->p[JAVA].pid, m->worker > 0 ? "disk" : "idle", m->worker);
	add(t, "sample process\n");
	/* A compiler's driver that was there for a moment, whose children are shorter still. */
	if (m->drivers > 0 && last)
		for (unsigned i = 0; i < 4; i++)
			add(t, "born process pid=%u start=9 ppid=%u comm=gcc state=S short_children_cpu=%g cpu=0\n", 200 + i, m->p[MAKE].pid, m->drivers / 4);
	for (int i = 0; i < PROCESSES; i++) {
		const struct process *p = &m->p[i];

		add(t, "row process pid=%u start=1 ppid=%u comm=%s state=%s kthread=false wchan=percpu_rwsem_wait threads=4 rss=1000000 cpu=%g busiest_thread=%g "
		       "short_children_cpu=%g read_rate=0 write_rate=%g rss_growth=%g fd_use=%g",
		    p->pid, p->ppid, p->comm, p->state, p->cpu, p->thread, p->shorts, p->written, p->grew, p->files);
		if (!m->no_root)
			add(t, " time_busy=%g time_runq=%g time_throttled=%g time_disk=%g time_lock=%g time_net=%g time_memory=%g time_stolen=0 time_other=0 time_stalled=%g",
			    p->busy, p->runq, p->throttled, p->disk, p->lock, p->net, p->memory, p->disk + p->lock + p->net);
		add(t, "\n");
	}
}

/* --- what is said of it ------------------------------------------------------------------------------------------ */

struct said {
	struct findings f;
	char line[FINDINGS_LINES][FINDINGS_LINE_MAX];
};

/* `before` seconds of a machine that is well, then `seconds` of this one; the window is the last ones, at most 60. */
static struct said *look(const struct machine *m, int before, int seconds)
{
	struct said *s = calloc(1, sizeof(*s));
	struct machine calm = well();
	struct culprit_error e = {""};
	struct lens lens = lens_live(60 * SECOND);
	struct textframes *frames;
	struct view *view;
	struct text t = {NULL, 0, 0};
	uint64_t first, newest;

	assert_non_null(s);
	add(&t, "%s", tables);
	calm.cpus = m->cpus;
	calm.no_root = m->no_root;
	for (int i = 0; i < before + seconds; i++)
		tell(&t, i < before ? &calm : m, i, i + 1 == before + seconds);
	frames = textframes_create(t.bytes, &e);
	if (!frames)
		fail_msg("%s", e.sentence);
	free(t.bytes);
	view = view_create();
	assert_int_equal(view_add_source(view, textframes_source(frames)), 0);
	view_refresh(view, &e);
	assert_true(view_extent(view, &first, &newest));
	if (findings_ask(&s->f, view, &lens, newest, &e))
		fail_msg("%s", e.sentence);
	for (size_t i = 0; i < findings_lines(&s->f); i++)
		findings_line(&s->f, i, 80, s->line[i], sizeof(s->line[i]));
	findings_finish(&(struct findings){.query = s->f.query});
	view_destroy(view);
	textframes_destroy(frames);
	return s;
}

static void assert_in(const char *line, const char *word)
{
	if (!strstr(line, word))
		fail_msg("no \"%s\" in: %s", word, line);
}

static void assert_not_in(const char *line, const char *word)
{
	if (strstr(line, word))
		fail_msg("\"%s\" in: %s", word, line);
}

static void assert_calm(const struct machine *m)
{
	struct said *s = look(m, 30, 60);

	if (s->f.n)
		fail_msg("an innocent is accused: %s", s->line[0]);
	free(s);
}

/* First line, second line; NULL: whatever. */
static void assert_says(const struct machine *m, const char *rule, const char *first, const char *second)
{
	struct said *s = look(m, 60, 60);

	if (!s->f.n)
		fail_msg("nothing is found: %s", s->line[0]);
	assert_string_equal(s->f.list[0].rule->name, rule);
	assert_in(s->line[0], first);
	if (second)
		assert_in(s->line[1], second);
	for (size_t i = 0; i < FINDINGS_LINES; i++)
		assert_true(strlen(s->line[i]) <= 80);
	free(s);
}

/* --- calm, and blind --------------------------------------------------------------------------------------------- */

static void calm_is_said_in_one_line(void **state)
{
	struct machine m = well();
	struct said *s = look(&m, 0, 61);

	(void)state;
	assert_int_equal(findings_lines(&s->f), 1);
	assert_string_equal(s->line[0], "no bottleneck found in 60 s; every layer measured");
	free(s);
	m.psi[0] = 21;
	s = look(&m, 0, 61);
	assert_string_equal(s->line[0], "no bottleneck found in 60 s; every layer measured; stalled cpu 21%");
	free(s);
}

/* What says that all is well must have looked. */
static void blind_is_not_calm(void **state)
{
	struct machine m = well();
	struct said *s;
	char line[FINDINGS_LINE_MAX];

	(void)state;
	m.no_root = true;
	s = look(&m, 0, 61);
	assert_in(s->line[0], "nothing found in 60 s, but run queue");
	assert_in(s->line[0], "not measured: needs root");
	assert_not_in(s->line[0], "setcap");
	assert_not_in(s->line[0], "no bottleneck");
	/* However narrow. */
	for (size_t w = 34; w < 90; w++) {
		findings_line(&s->f, 0, w, line, sizeof(line));
		assert_in(line, "but");
		assert_in(line, "not measured");
		assert_true(strlen(line) <= w);
	}
	free(s);
	m.no_psi = true;
	s = look(&m, 0, 61);
	assert_in(s->line[0], "pressure");
	assert_not_in(s->line[0], "no bottleneck");
	free(s);
}

static void little_data_is_provisional(void **state)
{
	struct machine m = well();
	struct said *s = look(&m, 0, 6);

	(void)state;
	assert_in(s->line[0], "in 5 s of data");
	free(s);
	s = look(&m, 0, 1);
	assert_in(s->line[0], "no verdict yet");
	free(s);
	s = look(&m, 0, 3);
	assert_string_equal(s->line[0], "no verdict yet: 2 s of data");
	free(s);
	m.p[JAVA].files = 99;
	s = look(&m, 0, 6);
	assert_in(s->line[0], "(5 s of data)");
	free(s);
	s = look(&m, 0, 11);
	assert_not_in(s->line[0], "of data");
	free(s);
}

/* --- CPU --------------------------------------------------------------------------------------------------------- */

static void cpu_saturated(void **state)
{
	struct machine m = well(), innocent = well();

	(void)state;
	m.busy = m.hot = 99;
	m.waiting = 600;
	m.psi[0] = 80;
	m.p[MAKE].cpu = 310;
	m.p[MAKE].busy = 400;
	m.p[MYSQLD].runq = 90;
	assert_says(&m, "cpu-saturated", "LIKELY   cpu saturated: make 12 added 78% of the cpu time",
		    "hurts mysqld 10: 75% of its busy time spent waiting");
	/* Who waits most is no cause. */
	m.p[MYSQLD].runq = 900;
	m.p[MYSQLD].busy = 1000;
	assert_says(&m, "cpu-saturated", ": make 12", "hurts mysqld 10: 9 of 10 busy threads");
	/* Two of the same size: it cannot be told; unless one of them was always so. */
	m.p[MAKE].cpu = 190;
	m.p[RESTIC].cpu = 185;
	assert_says(&m, "cpu-saturated", "CANNOT TELL  cpu saturated: make 12 (48%) or restic 14 (47%)", NULL);
	/* Busy, and nobody waits: well used. */
	innocent.busy = innocent.hot = 97;
	innocent.psi[0] = 3;
	innocent.waiting = 10;
	innocent.p[MAKE].cpu = 380;
	innocent.p[MAKE].thread = 60;
	assert_calm(&innocent);
}

/* It began some seconds ago: the mean of a long window does not hide it. */
static void cpu_saturated_since_a_moment(void **state)
{
	struct machine m = well();
	struct said *s;

	(void)state;
	m.busy = m.hot = 45; /* of the window */
	m.now[0] = 85;
	m.waiting = 200;
	m.p[MAKE].cpu = 160;
	s = look(&m, 40, 20);
	assert_true(s->f.n == 1);
	assert_string_equal(s->f.list[0].rule->name, "cpu-saturated");
	assert_in(s->line[1], "since 14:00:39Z (+-1s)");
	free(s);
}

static void one_thread(void **state)
{
	struct machine m = well(), innocent;

	(void)state;
	m.p[RESTIC].cpu = 99;
	m.p[RESTIC].thread = 99;
	m.busy = 30;
	m.hot = 99;
	m.waiting = 2;
	assert_says(&m, "one-thread", "LIKELY   one thread has all of a cpu: restic 14", "2.8 of 4 cpus idle");
	/* Three threads of 33 % each need no larger CPU; one CPU alone has none to spare. */
	innocent = m;
	innocent.p[RESTIC].thread = 33;
	innocent.hot = 60;
	assert_calm(&innocent);
	innocent = m;
	innocent.cpus = 1;
	innocent.busy = 97;
	assert_calm(&innocent);
}

static void quota_before_neighbours(void **state)
{
	struct machine m = well(), innocent = well();

	(void)state;
	m.stopped = 60;
	m.now[0] = 90; /* stopped tasks look as if they wanted a CPU */
	m.busy = 50;
	m.p[JAVA].throttled = 300;
	m.p[JAVA].busy = 400;
	assert_says(&m, "throttled", "CERTAIN  checkout stopped by its cpu limit", "hurts java 20: 3.0 of 4.0 busy threads are stopped");
	innocent.stopped = 12;
	assert_calm(&innocent);
}

static void hypervisor_and_interrupts(void **state)
{
	struct machine m = well(), innocent;

	(void)state;
	m.steal = 24;
	assert_says(&m, "steal", "CERTAIN  hypervisor takes cpu time from this machine, steal 24%", NULL);
	m = well();
	m.soft = 70;
	m.hot = 99;
	assert_says(&m, "interrupts", "LIKELY   cpu0 busy with interrupts, 70% of it", NULL);
	m = well();
	m.hot = 100;
	m.busy = 30;
	m.waiting = 150;
	m.p[MYSQLD].runq = 60;
	assert_says(&m, "hot-cpu", "cpu0 full, others are idle", "hurts mysqld 10");
	innocent = m;
	innocent.waiting = 3;
	assert_calm(&innocent);
	innocent = well();
	innocent.steal = 3;
	innocent.soft = 9;
	assert_calm(&innocent);
}

static void fork_storm(void **state)
{
	struct machine m = well(), innocent = well();

	(void)state;
	m.busy = m.hot = 99;
	m.waiting = 300;
	m.psi[0] = 70;
	m.p[MAKE].shorts = 250;
	/* One finding, not two: the CPUs are full of them. */
	assert_says(&m, "fork-storm", "LIKELY   short processes take cpu: make 12 began 100% of them", "2.5 of 4 cpus");
	/* Who began them is as short: whoever stays behind all of them is meant. */
	m.p[MAKE].shorts = 0;
	m.drivers = 250;
	assert_says(&m, "fork-storm", "LIKELY   short processes take cpu: make 12 began 100% of them", "2.5 of 4 cpus");
	innocent.p[MAKE].shorts = 15;
	assert_calm(&innocent);
}

/* --- memory ------------------------------------------------------------------------------------------------------ */

static void memory_short(void **state)
{
	struct machine m = well(), innocent = well();

	(void)state;
	m.psi[1] = 44;
	m.swap_out = 5000;
	m.major = 900;
	m.refault = 8800;
	m.available = 2;
	m.p[JAVA].grew = 1.8e9;
	m.p[MYSQLD].memory = 85;
	/* The disk is full of what is swapped. */
	m.psi[2] = 50;
	m.disk_busy = 99;
	m.queue = 20;
	m.p99 = 90e6;
	assert_says(&m, "memory-short", "LIKELY   memory thrashes: java 20 has 100% of what grew", "hurts mysqld 10: 71% of its busy time");
	/* Nobody grew: the largest is not guilty for that. */
	m.p[JAVA].grew = 0;
	assert_says(&m, "memory-short", "CANNOT TELL  memory thrashes", NULL);
	/* A cache that is turned over, with nobody waiting. */
	innocent.refault = 4000;
	innocent.psi[1] = 1;
	innocent.major = 600;
	assert_calm(&innocent);
}

static void memory_limit_of_a_group(void **state)
{
	struct machine m = well();

	(void)state;
	m.full = 99;
	m.reread = 500000;
	m.psi[1] = 20;
	m.major = 900;
	assert_says(&m, "group-memory", "CERTAIN  checkout at its memory limit", NULL);
	/* Near its limit with what is cached: that is what memory is for. */
	m.reread = 10;
	m.psi[1] = m.major = 0;
	assert_calm(&m);
}

static void out_of_memory(void **state)
{
	struct machine m = well();

	(void)state;
	m.oom = 1;
	m.oom_event = true;
	assert_says(&m, "oom", "CERTAIN  memory ran out, killed python3 77, at the limit of batch; 1 killed", NULL);
}

/* --- disks ------------------------------------------------------------------------------------------------------- */

static struct machine backup(void)
{
	struct machine m = well();

	m.psi[2] = 64;
	m.disk_busy = 99;
	m.queue = 12;
	m.await = 84e6;
	m.p99 = 84e6;
	m.written = 48e6;
	m.asks[RESTIC] = 8;
	m.writes[RESTIC] = 43e6;
	m.asks[MYSQLD] = 3;
	m.p[RESTIC].written = 43e6;
	m.p[RESTIC].disk = 80;
	m.p[RESTIC].busy = 90;
	m.p[MYSQLD].disk = 3800;
	m.p[MYSQLD].busy = 4100;
	return m;
}

static void disk_saturated(void **state)
{
	struct machine m = backup(), innocent = well();
	struct said *s;

	(void)state;
	assert_says(&m, "disk-saturated", "!! LIKELY   disk vda saturated: restic 14 added 90% of its bytes",
		    "hurts mysqld 10: 38 of 41 busy threads wait for it");
	/* The database syncs, and so has more requests in the queue than who fills it. */
	m.asks[MYSQLD] = 10;
	assert_says(&m, "disk-saturated", ": restic 14", "hurts mysqld 10");
	s = look(&m, 60, 60);
	assert_in(s->line[1], "since 14:00:59Z (+-1s)");
	assert_in(s->line[2], "ruled out cpu mem net locks limits");
	free(s);
	/* It was so when we came: who began it is not known. */
	s = look(&m, 0, 30);
	assert_in(s->line[1], "since before I looked");
	free(s);
	/* A quick disk that one waits for all the time: that one's bound, and no queue. */
	m = well();
	m.psi[2] = 70;
	m.disk_busy = 70;
	m.queue = 1.5;
	m.await = m.p99 = 2e5;
	m.asks[COPY] = 1.4;
	m.p[COPY].disk = 140;
	m.p[COPY].busy = 160;
	assert_says(&m, "disk-saturated", "LIKELY   disk vda busy: cp 40", "hurts cp 40");
	/* A lone reader that keeps the device busy and nobody minds. */
	innocent.disk_busy = 100;
	innocent.queue = 1;
	innocent.await = 2e5;
	innocent.asks[COPY] = 1;
	innocent.writes[COPY] = 200e6;
	assert_calm(&innocent);
}

/* Who writes most, always, is no cause of what began now. */
static void who_changed_did_it(void **state)
{
	struct machine m = backup();

	(void)state;
	m.asks[MYSQLD] = 6;
	m.writes[MYSQLD] = 30e6;
	m.writes[RESTIC] = 28e6;
	m.written = 58e6;
	m.p[MYSQLD].written = 6e6; /* as before */
	m.p[RESTIC].written = 28e6;
	assert_says(&m, "disk-saturated", "LIKELY   disk vda saturated: restic 14 added", "hurts mysqld 10");
}

static void without_programs_who_waits_is_not_told(void **state)
{
	struct machine m = backup();
	struct said *s;

	(void)state;
	m.no_root = true;
	s = look(&m, 60, 60);
	assert_in(s->line[0], "disk vda saturated: restic 14");
	assert_not_in(s->line[1], "hurts");
	assert_in(s->line[2], "not measured");
	assert_not_in(s->line[2], "nothing");
	assert_not_in(s->line[2], "locks");
	free(s);
}

static void file_systems(void **state)
{
	struct machine m = well();

	(void)state;
	m.fs_used = 100;
	m.p[RESTIC].written = 40e6;
	assert_says(&m, "filesystem-full", "CERTAIN  fs /var full: restic 14", NULL);
	m.fs_used = 91;
	m.fs_growth = 60 * 40e6;
	assert_says(&m, "filesystem-filling", "LIKELY   fs /var full in 3m45s as it fills now: restic 14", "91% used");
	/* Full enough, and still. */
	m.fs_growth = 0;
	assert_calm(&m);
	m = well();
	m.nfs_timeouts = 3;
	assert_says(&m, "remote-stalled", "CERTAIN  nfs /home does not answer: filer:/home", NULL);
	m.nfs_timeouts = 0;
	m.fs_remote_stuck = true;
	assert_says(&m, "remote-stalled", "LIKELY   fs /home does not answer", NULL);
}

static void hung(void **state)
{
	struct machine m = well(), innocent = well();
	struct said *s;

	(void)state;
	m.p[COPY].state = "D";
	m.p[COPY].switches = m.p[COPY].cpu = 0;
	m.p[COPY].busy = 40; /* of the window, the last 12 s */
	s = look(&m, 30, 12);
	assert_true(s->f.n == 1);
	assert_in(s->line[0], "!! CERTAIN  cp 40 hung in the kernel (state D), in percpu_rwsem_wait");
	assert_in(s->line[1], "since 14:00:2");
	free(s);
	/* A worker of a process whose main thread only waits for it. */
	m = well();
	m.worker = m.p[JAVA].disk = 30;
	s = look(&m, 30, 12);
	assert_true(s->f.n == 1);
	assert_in(s->line[0], "!! CERTAIN  java 20 hung in the kernel (state D), its thread 2001");
	free(s);
	innocent.worker = innocent.p[JAVA].disk = 90;
	innocent.worker_switches = 200;
	assert_calm(&innocent);
	innocent = well();
	m = well();
	m.p[COPY].state = "D";
	m.p[COPY].switches = m.p[COPY].cpu = 0;
	m.p[COPY].busy = 40;
	/* Not yet ten seconds. */
	s = look(&m, 30, 8);
	assert_int_equal(s->f.n, 0);
	free(s);
	/* In that state in each sample, but it goes on: it reads. */
	innocent.p[COPY].state = "D";
	innocent.p[COPY].switches = 300;
	innocent.p[COPY].busy = 90;
	assert_calm(&innocent);
}

/* --- waits, network, limits -------------------------------------------------------------------------------------- */

static void lock_contention(void **state)
{
	struct machine m = well(), innocent = well();

	(void)state;
	m.p[JAVA].lock = 450;
	m.p[JAVA].busy = 500;
	assert_says(&m, "lock-contention", "LIKELY   locks in java 20 fought for", "hurts java 20: 4.5 of 5.0 busy threads wait for locks");
	innocent.p[JAVA].lock = 80;
	assert_calm(&innocent);
}

static void slow_peer(void **state)
{
	struct machine m = well(), innocent = well();

	(void)state;
	m.peers[0] = "10.2.7.9:5432";
	m.peers[1] = "10.2.7.20:6379";
	m.peer_open[0] = 10;
	m.peer_open[1] = 1;
	m.p[JAVA].net = 2200;
	m.p[JAVA].busy = 2400;
	assert_says(&m, "slow-peer", "LIKELY   peer 10.2.7.9:5432 slow, its answers p99 84.0ms", "hurts java 20: 22 of 24 busy threads wait for it");
	m.peer_open[1] = 9;
	assert_says(&m, "slow-peer", "CANNOT TELL  peer 10.2.7.9:5432 or 10.2.7.20:6379 slow", NULL);
	/* Connections that are kept open, and threads with something else to do. */
	innocent.peers[0] = "10.2.7.9:5432";
	innocent.peer_open[0] = 100;
	innocent.p[JAVA].net = 30;
	assert_calm(&innocent);
}

static void accept_queue(void **state)
{
	struct machine m = well(), innocent = well();
	struct said *s;

	(void)state;
	m.queue_pct = 125;
	m.drops = 57;
	m.retrans = 40; /* of those that were dropped */
	assert_says(&m, "accept-queue", "CERTAIN  port 8443 accept queue full: java 20 accepts too slowly", "57 connections dropped");
	/* Its server fights for locks: that it accepts too slowly is a sign of that. */
	m.p[JAVA].lock = 450;
	m.p[JAVA].busy = 500;
	s = look(&m, 60, 60);
	assert_int_equal(s->f.n, 1);
	assert_string_equal(s->f.list[0].rule->name, "lock-contention");
	assert_int_equal(s->f.absorbed, 2);
	free(s);
	/* Half full. */
	innocent.queue_pct = 50;
	assert_calm(&innocent);
	/* Without programs its port is not known, but it happens. */
	m = well();
	m.no_root = true;
	m.overflows = 4;
	assert_says(&m, "accept-queue", "CERTAIN  accept queue overflows; port not known", NULL);
}

static void limits_and_losses(void **state)
{
	struct machine m = well();

	(void)state;
	m.p[JAVA].files = 99;
	assert_says(&m, "file-descriptors", "CERTAIN  java 20 nearly out of file descriptors, 99% of its limit", NULL);
	m.p[JAVA].files = 60;
	assert_calm(&m);
	m.conntrack = 99;
	assert_says(&m, "network", "CERTAIN  conntrack table full", NULL);
	m = well();
	m.retrans = 6;
	assert_says(&m, "network", "LIKELY   network loses packets, 6.0% of segments sent again", NULL);
	m.retrans = 0.3;
	assert_calm(&m);
}

static void others_are_counted(void **state)
{
	struct machine m = backup();
	struct said *s;

	(void)state;
	m.p[JAVA].files = 99;
	m.retrans = 6;
	s = look(&m, 60, 60);
	assert_string_equal(s->f.list[0].rule->name, "disk-saturated");
	assert_in(s->line[2], "2 more");
	assert_not_in(s->line[2], "net");
	free(s);
}

/* Lines lose parts, never half a number, and never what makes them true. */
static void narrow(void **state)
{
	struct machine m = backup();
	struct said *s = look(&m, 60, 60);
	char line[FINDINGS_LINE_MAX];

	(void)state;
	findings_line(&s->f, 0, 39, line, sizeof(line));
	assert_string_equal(line, "!! disk vda saturated: restic 14");
	for (size_t w = 24; w < 100; w++) {
		findings_line(&s->f, 0, w, line, sizeof(line));
		assert_in(line, "disk vda saturated");
		assert_true(strlen(line) <= w || w < 34);
		for (size_t i = 1; i < 3; i++) {
			findings_line(&s->f, i, w, line, sizeof(line));
			assert_true(strlen(line) <= w || w < 40);
		}
	}
	free(s);
}

/* --- the names of the program's own tables ----------------------------------------------------------------------- */

static size_t count(struct view *view, const char *rule)
{
	struct culprit_error e = {""};
	struct lens lens = lens_live(60 * SECOND);
	struct findings f;
	uint64_t first, newest;
	size_t n = 0;

	memset(&f, 0, sizeof(f));
	view_refresh(view, &e);
	assert_true(view_extent(view, &first, &newest));
	assert_int_equal(findings_ask(&f, view, &lens, newest, &e), 0);
	for (size_t i = 0; i < f.n; i++)
		n += !strcmp(f.list[i].rule->name, rule);
	findings_finish(&f);
	return n;
}

static void real_tables(void **state)
{
	static const struct {
		struct made_host_options options;
		const char *rule;
	} cases[] = {
		{{.latencies = true}, "disk-saturated"},
		{{.latencies = true}, "one-thread"},
		{{.pods = true}, "throttled"},
		{{.sockets = true}, "accept-queue"},
		{{.thrashing = true}, "memory-short"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct made_host *host = made_host_create(&cases[i].options);
		struct view *view = view_create();

		made_host_run(host, 180);
		assert_int_equal(view_add_source(view, made_host_source(host)), 0);
		if (!count(view, cases[i].rule))
			fail_msg("%s does not hold", cases[i].rule);
		view_destroy(view);
		made_host_destroy(host);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calm_is_said_in_one_line),
		cmocka_unit_test(blind_is_not_calm),
		cmocka_unit_test(little_data_is_provisional),
		cmocka_unit_test(cpu_saturated),
		cmocka_unit_test(cpu_saturated_since_a_moment),
		cmocka_unit_test(one_thread),
		cmocka_unit_test(quota_before_neighbours),
		cmocka_unit_test(hypervisor_and_interrupts),
		cmocka_unit_test(fork_storm),
		cmocka_unit_test(memory_short),
		cmocka_unit_test(memory_limit_of_a_group),
		cmocka_unit_test(out_of_memory),
		cmocka_unit_test(disk_saturated),
		cmocka_unit_test(who_changed_did_it),
		cmocka_unit_test(without_programs_who_waits_is_not_told),
		cmocka_unit_test(file_systems),
		cmocka_unit_test(hung),
		cmocka_unit_test(lock_contention),
		cmocka_unit_test(slow_peer),
		cmocka_unit_test(accept_queue),
		cmocka_unit_test(limits_and_losses),
		cmocka_unit_test(others_are_counted),
		cmocka_unit_test(narrow),
		cmocka_unit_test(real_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
