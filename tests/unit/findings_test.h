/* A machine that is made up second by second, for tests of findings: what the tables say of it, and what is said of that. */
#ifndef TESTS_FINDINGS_TEST_H
#define TESTS_FINDINGS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "findings_internal.h"
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
	"table memory state key=memory id=key:u64 available=gauge:f64:bytes available_growth=gauge:f64:bytes available_pct=gauge:f64:percent swap_used_pct=gauge:f64:percent\n"
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
	"table tcp state key=tcp id=key:u64 retrans_pct=gauge:f64:percent retrans_rate=gauge:f64:count/s listen_overflow_rate=gauge:f64:count/s "
	"syn_retrans_rate=gauge:f64:count/s syncookie_rate=gauge:f64:count/s syn_drop_rate=gauge:f64:count/s\n"
	"table netstack state key=netstack id=key:u64 softnet_drop_rate=gauge:f64:count/s conntrack_pct=gauge:f64:percent udp_in_rate=gauge:f64:count/s udp_full_rate=gauge:f64:count/s\n"
	"table cgroup state key=cgroup path=key:text throttled_pct=gauge:f64:percent throttled_rate=gauge:f64:ns/s memory_pct=gauge:f64:percent "
	"memory_high_pct=gauge:f64:percent memory_slowed=gauge:f64:count read_rate=gauge:f64:bytes/s read_max=gauge:f64:bytes/s write_iops=gauge:f64:count/s writes_max=gauge:f64:count/s oom_kills=gauge:f64:count refault_rate=gauge:f64:count/s major_fault_rate=gauge:f64:count/s pids_pct=gauge:f64:percent cpu_of_limit=gauge:f64:percent\n"
	"table tcp_listen state key=tcp_listen address=key:text port=key:u64 pid=attribute:u64 process_start=attribute:u64:ticks comm=attribute:text "
	"queue_pct=gauge:f64:percent drops_window=gauge:f64:count\n"
	"table tcp_flow state key=tcp_flow pid=key:u64 peer=key:text side=attribute:text open=gauge:u64:count segments=gauge:u64:count "
	"rtt_min=gauge:f64:ns process_start=attribute:u64:ticks retransmits=gauge:f64:count\n"
	"table tcp_peer state key=tcp_peer peer=key:text side=attribute:text answer_p50=gauge:f64:ns answer_p99=gauge:f64:ns\n"
	"table oom_kill event time=time:u64:mono_ns comm=attribute:text pid=attribute:u64 why=attribute:text cgroup=attribute:text\n"
	"table thread state key=thread tid=key:u64 start=key:u64:ticks blocked=gauge:u64:count voluntary_rate=gauge:f64:count/s cpu=gauge:f64:percent\n"
	"table thread_time state key=thread tid=key:u64 start=key:u64:ticks pid=attribute:u64 process_start=attribute:u64:ticks "
	"now=attribute:text disk_pct=gauge:f64:percent other_pct=gauge:f64:percent\n"
	"parent thread_time process pid process_start\n"
	"table process state key=process pid=key:u64 start=key:u64:ticks ppid=attribute:u64 comm=attribute:text state=attribute:text kthread=attribute:bool "
	"wchan=attribute:text threads=gauge:u64:count rss=gauge:u64:bytes cpu=gauge:f64:percent busiest_thread=gauge:f64:percent "
	"runq=gauge:f64:percent short_children_cpu=gauge:f64:percent read_rate=gauge:f64:bytes/s write_rate=gauge:f64:bytes/s rss_growth=gauge:f64:bytes "
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
	bool kthread, ended;
	double rss; /* 0: a megabyte */
	double switches; /* of its main thread, a second */
};

struct machine {
	double busy, hot, steal, soft, psi[3], now[3], waiting;
	double oom, swap_out, major, refault, available;
	double disk_busy, queue, await, p99, written;
	double asks[PROCESSES], writes[PROCESSES]; /* requests in progress at vda, bytes a second to it */
	double fs_used, fs_growth, nfs_timeouts;
	bool rarely;       /* tasks are sampled every third second */
	bool many_threads; /* none has a row; processes have one */
	bool fs_once; /* it grew in the last second only */
	double retrans, overflows, conntrack;
	double udp_full; /* of 49 a second that are read */
	double syn_again, syn_cookies, syn_drops;
	double stopped, full, reread;
	double io_of_limit; /* its group writes as often as so many percent of what io.max lets it */
	double high, slowed; /* its group has memory.high alone: percent of it; times its tasks were slowed down */
	double queue_pct, drops;
	double mem_goes; /* bytes in the window */
	bool mem_once;   /* all of it in the last second */
	bool mem_step;   /* most of it in the first seconds, and then a hundredth as fast */
	bool closed; /* nobody listens any more */
	const char *peers[2];
	double peer_rtt; /* ns */
	double peer_open[2], peer_again[2]; /* connections; segments sent again */
	bool no_root, no_psi, fs_remote_stuck, oom_event;
	unsigned cpus, soft_cpu;
	double drivers, driver_cpu;
	double worker; /* a thread of java that waits for a disk now, and did so for so much of the window */
	double worker_switches;
	double one_window; /* what restic and its busiest thread have of a CPU in a window that hides its last ten seconds */
	unsigned over; /* then it is well for so many seconds more, while the figures, which are those of the window, stay */
	double kthread; /* a thread of the kernel waits so much for a CPU */
	const struct machine *first; /* as it was in the first twenty seconds of what is looked at */
	bool new_group; /* it was not there when the machine was well */
	bool no_group; /* its one control group is not there */
	struct process p[PROCESSES];
};

static inline struct machine well(void)
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

static inline void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void add(struct text *t, const char *format, ...)
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

static inline void tell_kernel(struct text *t, const struct machine *m, int second, bool last)
{
	static const char *const resources[] = {"cpu", "memory", "io"};
	static const char *const missing[] = {"runq", "disk_latency", "disk_user", "tcp_listen"};

	add(t, "sample host\nrow host id=0 cpus=%u load1=1\n", m->cpus);
	add(t, "sample cpu\nrow cpu cpu=-1 busy=%g steal_pct=%g softirq_pct=1 irq_pct=0\n", m->busy, m->steal);
	for (unsigned i = 0; i < m->cpus; i++)
		add(t, "row cpu cpu=%u busy=%g steal_pct=%g softirq_pct=%g irq_pct=0\n", i, i ? (m->busy * m->cpus - m->hot) / (m->cpus - 1) : m->hot,
		    m->steal, i == m->soft_cpu ? m->soft : 0.1);
	if (!m->no_psi)
		add(t, "sample psi\n");
	for (int i = 0; i < 3 && !m->no_psi; i++)
		add(t, "row psi resource=%s some_share=%g some_avg10=%g\n", resources[i], m->psi[i], m->now[i]);
	if (m->no_psi)
		add(t, "state psi missing \"pressure (PSI) is off: boot with psi=1\"\n");
	add(t, "sample memory\nrow memory id=0 available=%g available_growth=%g available_pct=%g swap_used_pct=0\n", m->available * 1e8,
	    m->mem_step && !last && second % 60 > 8 ? -m->mem_goes / 6000 : m->mem_once && !last ? 0 : m->mem_goes > 0 && second % 20 == 3 ? 1e6 : -m->mem_goes, m->available);
	add(t, "sample vmstat\nrow vmstat id=0 oom_kills=%g swap_out_rate=%g major_fault_rate=%g direct_scan_rate=0 allocstall_rate=0 "
	       "refault_rate=%g steal_pct=90\n",
	    m->oom, m->swap_out, m->major, m->refault);
	add(t, "sample disk\nrow disk name=vda kind=disk busy=%g queue=%g await=%g read_rate=0 write_rate=%g\n", m->disk_busy, m->queue, m->await,
	    m->written);
	add(t, "sample filesystem\nrow filesystem mount=/var fstype=ext4 used_pct=%g inode_pct=5 available=%g growth=%g read_only=0\n", m->fs_used,
	    (100 - m->fs_used) * 1e9, m->fs_once && !last ? 0 : m->fs_growth);
	if (m->fs_remote_stuck)
		add(t, "row filesystem mount=/home fstype=nfs4 used_pct=?\"blocked for 200 ms\"\n");
	add(t, "sample nfs\n");
	if (m->nfs_timeouts > 0)
		add(t, "row nfs mount=/home server=filer:/home timeouts=%g await=2e9 retrans_pct=0\n", m->nfs_timeouts);
	add(t, "sample net\nrow net name=eth0 rx_drop_pct=0 drop_rate=0\n");
	add(t, "sample tcp\nrow tcp id=0 retrans_pct=%g retrans_rate=%g listen_overflow_rate=%g syn_retrans_rate=%g syncookie_rate=%g "
	       "syn_drop_rate=%g\n", m->retrans, m->retrans * 10, m->overflows, m->syn_again, m->syn_cookies, m->syn_drops);
	add(t, "sample netstack\nrow netstack id=0 softnet_drop_rate=0 conntrack_pct=%g udp_in_rate=49 udp_full_rate=%g\n", m->conntrack, m->udp_full);
	add(t, "sample cgroup\n");
	if (!m->no_group && m->high > 0)
		add(t, "row cgroup path=/shop/checkout memory_high_pct=%g memory_slowed=%g oom_kills=3 refault_rate=%g major_fault_rate=0\n", m->high, m->slowed,
		    m->reread / 60);
	else if (!m->no_group && m->io_of_limit > 0)
		add(t, "row cgroup path=/shop/export read_rate=1e5 read_max=1e6 write_iops=%g writes_max=200 oom_kills=0\n", 2 * m->io_of_limit);
	else if (!m->no_group)
		add(t, "row cgroup path=/shop/checkout throttled_pct=%g throttled_rate=%g memory_pct=%g oom_kills=0 refault_rate=%g major_fault_rate=0 "
	       "pids_pct=10 cpu_of_limit=99\n",
	    m->stopped, m->stopped * 1e7, m->full, m->reread / 60);
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
	add(t, "sample tcp_listen\n");
	if (!m->closed || !last)
		add(t, "row tcp_listen address=0.0.0.0 port=8443 pid=%u process_start=1 comm=java queue_pct=%g drops_window=%g\n",
	    m->p[JAVA].pid, m->queue_pct, m->drops);
	add(t, "sample tcp_flow\n");
	for (int i = 0; i < 2; i++)
		if (m->peers[i])
			add(t, "row tcp_flow pid=%u peer=%s side=out open=%g segments=100 process_start=1 retransmits=%g rtt_min=%g\n", m->p[JAVA].pid, m->peers[i], m->peer_open[i],
			    m->peer_again[i], m->peer_rtt);
	add(t, "sample tcp_peer\n");
	if (m->peers[0])
		add(t, "row tcp_peer peer=%s side=out answer_p50=30e6 answer_p99=84e6\n", m->peers[0]);
}

static inline void tell(struct text *t, const struct machine *m, int second, bool last)
{
	add(t, "tick %ds wall=%llds\n", 1000 + second, 1772373600LL + second);
	tell_kernel(t, m, second, last);
	add(t, "sample oom_kill\n");
	if (m->oom_event && last)
		add(t, "event oom_kill time=%ds comm=python3 pid=77 why=cgroup cgroup=/shop/batch\n", 999 + second);
	if (m->rarely && second % 3 && !last)
		return;
	add(t, "sample thread\n");
	for (int i = 0; i < PROCESSES && !m->many_threads; i++)
		add(t, "row thread tid=%u start=1 blocked=%d voluntary_rate=%g cpu=%g\n", m->p[i].pid, m->p[i].state[0] == 'D', m->p[i].switches,
		    m->p[i].cpu);
	add(t, "row thread tid=2001 start=1 blocked=%d voluntary_rate=%g cpu=0\n", m->worker > 0, m->worker > 0 ? m->worker_switches : 3);
	if (!m->no_root)
		add(t, "sample thread_time\nrow thread_time tid=%u start=1 pid=%u process_start=1 now=idle disk_pct=0 other_pct=0\n"
		       "row thread_time tid=2001 start=1 pid=%u process_start=1 now=%s disk_pct=%g other_pct=0\n",
		    m->p[JAVA].pid, m->p[JAVA].pid, m->p[JAVA].pid, m->worker > 0 ? "disk" : "idle", m->worker);
	add(t, "sample process\n");
	/* A compiler's driver that was there for a moment, whose children are shorter still. */
	if (m->drivers > 0)
		for (unsigned i = 0; i < 4; i++)
			add(t, "born process pid=%u start=9 ppid=%u comm=gcc state=S short_children_cpu=%g cpu=%g time_busy=95 time_runq=95\n", 200 + i + 4 * (unsigned)second,
			    m->p[MAKE].pid, m->drivers / 4, m->driver_cpu);
	if (m->kthread > 0)
		add(t, "row process pid=7 start=1 ppid=2 comm=kworker state=R kthread=true cpu=0 time_busy=%g time_runq=%g\n", m->kthread, m->kthread);
	for (int i = 0; i < PROCESSES; i++) {
		const struct process *p = &m->p[i];
		bool hidden = i == RESTIC && last && m->one_window > 0;

		if (p->ended && last)
			continue;
		add(t, "row process pid=%u start=1 ppid=%u comm=%s state=%s kthread=%s wchan=percpu_rwsem_wait threads=%d rss=%.0f cpu=%g busiest_thread=%g "
		       "runq=%g short_children_cpu=%g read_rate=0 write_rate=%g rss_growth=%g fd_use=%g",
		    p->pid, p->ppid, p->comm, p->state, p->kthread ? "true" : "false", m->many_threads ? 1 : 4, p->rss > 0 ? p->rss : 1e6, hidden ? m->one_window : p->cpu, hidden ? m->one_window : p->thread,
		    p->runq, p->shorts, p->written, p->grew, p->files);
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
static inline struct said *look(const struct machine *m, int before, int seconds)
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
	calm.no_group = m->new_group;
	for (int i = 0; i < before + seconds + (int)m->over; i++)
		tell(&t, i < before || i >= before + seconds ? &calm : m->first && i < before + 20 ? m->first : m, i, i + 1 == before + seconds);
	frames = textframes_create(t.bytes, &e);
	if (!frames)
		fail_msg("%s", e.sentence);
	free(t.bytes);
	view = view_create();
	assert_int_equal(view_add_source(view, textframes_source(frames)), 0);
	view_refresh(view, &e);
	assert_true(view_extent(view, &first, &newest));
	if (m->over)
		lens = lens_window(newest - (m->over + 60) * SECOND, newest - m->over * SECOND);
	if (findings_ask(&s->f, view, &lens, newest, &e))
		fail_msg("%s", e.sentence);
	if (m->over) {
		struct query *p = query_create(view);

		assert_int_equal(query_run(p, &lens, "process", 0, &e), 0);
		lens = lens_live(60 * SECOND);
		findings_judge(&s->f, view, &lens, newest, p);
		query_destroy(p);
	}
	for (size_t i = 0; i < findings_lines(&s->f); i++)
		findings_line(&s->f, i, 80, s->line[i], sizeof(s->line[i]));
	findings_finish(&(struct findings){.query = s->f.query});
	view_destroy(view);
	textframes_destroy(frames);
	return s;
}

static inline void assert_in(const char *line, const char *word)
{
	if (!strstr(line, word))
		fail_msg("no \"%s\" in: %s", word, line);
}

static inline void assert_not_in(const char *line, const char *word)
{
	if (strstr(line, word))
		fail_msg("\"%s\" in: %s", word, line);
}

static inline void assert_calm(const struct machine *m)
{
	struct said *s = look(m, 30, 60);

	if (s->f.n)
		fail_msg("an innocent is accused: %s", s->line[0]);
	free(s);
}

/* First line, second line; NULL: whatever. */
static inline void assert_says(const struct machine *m, const char *rule, const char *first, const char *second)
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

static inline struct machine backup(void)
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

#endif
