/* What the rules need of each table's answer. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "findings_internal.h"
#include "number.h"
#include "text.h"

static void key_of(struct query *q, size_t row, struct row_key *key)
{
	struct query_row r;

	memset(key, 0, sizeof(*key));
	if (query_row(q, row, &r))
		*key = r.key;
}

/* --- CPUs, pressure ---------------------------------------------------------------------------------------------- */

static void take_host(struct facts *f, struct query *q, size_t n)
{
	f->cpus = n ? query_number(q, 0, "cpus") : NAN;
	f->load1 = n ? query_number(q, 0, "load1") : NAN;
}

static void take_cpu(struct facts *f, struct query *q, size_t n)
{
	double sum = 0, most = -1, soft_most = -1;
	size_t others = 0;

	f->cpu_busy = f->cpu_steal = f->cpu_others = f->cpu_hottest = f->cpu_soft = NAN;
	f->hottest = f->softest = -1;
	for (size_t i = 0; i < n; i++) {
		double cpu = query_number(q, i, "cpu"), busy = query_number(q, i, "busy"), soft;

		if (isnan(cpu) || isnan(busy))
			continue;
		if (cpu < 0) {
			f->cpu_busy = busy;
			f->cpu_steal = query_number(q, i, "steal_pct");
			key_of(q, i, &f->cpu_all);
			continue;
		}
		sum += busy;
		others++;
		soft = number_max(query_number(q, i, "softirq_pct"), 0) + number_max(query_number(q, i, "irq_pct"), 0);
		if (soft > soft_most) {
			soft_most = f->cpu_soft = soft;
			f->softest = (int64_t)cpu;
			key_of(q, i, &f->cpu_softest);
		}
		if (busy > most) {
			most = f->cpu_hottest = busy;
			f->hottest = (int64_t)cpu;
			key_of(q, i, &f->cpu_hot);
		}
	}
	if (others > 1)
		f->cpu_others = (sum - most) / (double)(others - 1);
}

static void take_psi(struct facts *f, struct query *q, size_t n)
{
	static const char *const names[3] = {"cpu", "memory", "io"};

	for (int k = 0; k < 3; k++)
		f->stalled[k] = f->stalled_now[k] = NAN;
	for (size_t i = 0; i < n; i++) {
		char name[16];

		query_text(q, i, "resource", name, sizeof(name));
		for (int k = 0; k < 3; k++) {
			if (strcmp(name, names[k]) != 0)
				continue;
			f->stalled[k] = query_number(q, i, "some_share");
			f->stalled_now[k] = query_number(q, i, "some_avg10");
		}
	}
}

static void take_runq(struct facts *f, struct query *q, size_t n)
{
	f->runq_waiting = f->runq_p99 = NAN;
	for (size_t i = 0; i < n; i++) {
		if (!(query_number(q, i, "cpu") < 0))
			continue;
		f->runq_waiting = query_number(q, i, "waiting");
		f->runq_p99 = query_number(q, i, "wait_p99");
	}
}

/* --- memory ------------------------------------------------------------------------------------------------------ */

static void take_memory(struct facts *f, struct query *q, size_t n)
{
	f->available_pct = n ? query_number(q, 0, "available_pct") : NAN;
	f->swap_used_pct = n ? query_number(q, 0, "swap_used_pct") : NAN;
	if (n)
		key_of(q, 0, &f->memory_key);
	f->available = n ? query_number(q, 0, "available") : NAN;
	f->available_growth = n ? query_number(q, 0, "available_growth") : NAN;
}

static void take_vmstat(struct facts *f, struct query *q, size_t n)
{
	const struct {
		double *to;
		const char *column;
	} of[] = {
		{&f->oom_kills, "oom_kills"},	   {&f->swap_out, "swap_out_rate"}, {&f->major_faults, "major_fault_rate"},
		{&f->direct_scan, "direct_scan_rate"}, {&f->allocstall, "allocstall_rate"}, {&f->refaults, "refault_rate"},
		{&f->steal_pct, "steal_pct"},
	};

	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++)
		*of[i].to = n ? query_number(q, 0, of[i].column) : NAN;
}

/* --- disks, file systems ----------------------------------------------------------------------------------------- */

static void take_tails(struct facts *f, struct query *q, size_t n)
{
	f->ntails = 0;
	for (size_t i = 0; i < n; i++) {
		struct disk_tail t;
		size_t k;

		query_text(q, i, "name", t.disk, sizeof(t.disk));
		query_text(q, i, "operation", t.operation, sizeof(t.operation));
		t.p99 = query_number(q, i, "service_p99");
		if (isnan(t.p99) || !(query_number(q, i, "requests") >= 100))
			continue;
		for (k = 0; k < f->ntails && strcmp(f->tails[k].disk, t.disk) != 0; k++)
			;
		if (k == FINDINGS_DISKS || (k < f->ntails && f->tails[k].p99 >= t.p99))
			continue;
		f->tails[k] = t;
		f->ntails += k == f->ntails;
	}
}

static void take_askers(struct facts *f, struct query *q, size_t n)
{
	f->naskers = 0;
	for (size_t i = 0; i < n; i++) {
		double share = query_number(q, i, "in_flight"), written = number_max(query_number(q, i, "write_rate"), 0),
		       bytes = written + number_max(query_number(q, i, "read_rate"), 0);
		struct disk_askers *a;
		struct disk_asker one;
		char disk[20];
		size_t k;

		query_text(q, i, "name", disk, sizeof(disk));
		if (!(share > 0))
			continue;
		for (k = 0; k < f->naskers && strcmp(f->askers[k].disk, disk) != 0; k++)
			;
		if (k == FINDINGS_DISKS)
			continue;
		a = &f->askers[k];
		if (k == f->naskers) {
			memset(a, 0, sizeof(*a));
			memcpy(a->disk, disk, sizeof(disk));
			f->naskers++;
		}
		a->all += share;
		a->written += written;
		a->bytes += bytes;
		one.in_flight = share;
		one.bytes = bytes;
		one.pid = number_u64(query_number(q, i, "pid"));
		one.process = (struct row_key){.n = 2, .bits = {one.pid, number_u64(query_number(q, i, "start"))}};
		query_text(q, i, "comm", one.comm, sizeof(one.comm));
		if (share > a->first.in_flight) {
			a->second = a->first;
			a->first = one;
		} else if (share > a->second.in_flight) {
			a->second = one;
		}
	}
}

static void take_disks(struct facts *f, struct query *q, size_t n)
{
	f->ndisks = 0;
	for (size_t i = 0; i < n && f->ndisks < FINDINGS_DISKS; i++) {
		struct facts_disk *d = &f->disks[f->ndisks];
		char kind[16];

		query_text(q, i, "kind", kind, sizeof(kind));
		/* What a partition or a stacked device does, the disks below it do. */
		if (!strcmp(kind, "partition") || !strcmp(kind, "stacked"))
			continue;
		query_text(q, i, "name", d->name, sizeof(d->name));
		d->busy = query_number(q, i, "busy");
		d->queue = query_number(q, i, "queue");
		d->await = query_number(q, i, "await");
		d->read = number_max(query_number(q, i, "read_rate"), 0);
		d->written = number_max(query_number(q, i, "write_rate"), 0);
		key_of(q, i, &d->key);
		f->ndisks += d->busy > 0;
	}
}

static bool is_remote(const char *type)
{
	static const char *const types[] = {"nfs", "cifs", "smb", "ceph", "gluster", "fuse", "9p", "afs", "lustre"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strncmp(type, types[i], strlen(types[i])))
			return true;
	return false;
}

static void take_filesystems(struct facts *f, struct query *q, size_t n)
{
	int used = query_column_find(q, "used_pct");
	double soonest = INFINITY;

	memset(&f->fullest, 0, sizeof(f->fullest));
	memset(&f->filling, 0, sizeof(f->filling));
	f->fullest.used = f->filling.used = NAN;
	f->fs_stuck[0] = '\0';
	for (size_t i = 0; i < n && used >= 0; i++) {
		struct facts_fs one;
		struct value v;
		char type[24];

		memset(&one, 0, sizeof(one));
		query_text(q, i, "mount", one.mount, sizeof(one.mount));
		query_value(q, i, (size_t)used, &v);
		if (v.state == VALUE_UNREAD) {
			query_text(q, i, "fstype", type, sizeof(type));
			if (is_remote(type))
				snprintf(f->fs_stuck, sizeof(f->fs_stuck), "%s", one.mount);
			continue;
		}
		one.used = query_number(q, i, "used_pct");
		one.inodes = query_number(q, i, "inode_pct");
		one.available = query_number(q, i, "available");
		one.growth = query_number(q, i, "growth");
		key_of(q, i, &one.key);
		if (isnan(one.used) || query_number(q, i, "read_only") > 0)
			continue;
		if (!(number_max(one.used, number_max(one.inodes, 0)) <= number_max(f->fullest.used, number_max(f->fullest.inodes, -1))))
			f->fullest = one;
		if (one.growth > 0 && one.available / one.growth < soonest) {
			soonest = one.available / one.growth;
			f->filling = one;
		}
	}
}

static void take_nfs(struct facts *f, struct query *q, size_t n)
{
	double worst = -1;

	memset(&f->nfs, 0, sizeof(f->nfs));
	for (size_t i = 0; i < n; i++) {
		double timeouts = number_max(query_number(q, i, "timeouts"), 0), await = number_max(query_number(q, i, "await"), 0);

		if (timeouts * 1e12 + await <= worst)
			continue;
		worst = timeouts * 1e12 + await;
		query_text(q, i, "mount", f->nfs.mount, sizeof(f->nfs.mount));
		query_text(q, i, "server", f->nfs.server, sizeof(f->nfs.server));
		f->nfs.timeouts = timeouts;
		f->nfs.await = await;
		f->nfs.retrans = query_number(q, i, "retrans_pct");
	}
}

/* --- network ----------------------------------------------------------------------------------------------------- */

static void take_net(struct facts *f, struct query *q, size_t n)
{
	f->net[0] = '\0';
	f->net_drop_pct = f->net_drops = NAN;
	for (size_t i = 0; i < n; i++) {
		double drop = query_number(q, i, "rx_drop_pct"), rate = query_number(q, i, "drop_rate");

		if (isnan(drop) || drop <= number_max(f->net_drop_pct, -1))
			continue;
		f->net_drop_pct = drop;
		f->net_drops = rate;
		query_text(q, i, "name", f->net, sizeof(f->net));
	}
}

static void take_tcp(struct facts *f, struct query *q, size_t n)
{
	f->retrans_pct = n ? query_number(q, 0, "retrans_pct") : NAN;
	f->retrans_rate = n ? query_number(q, 0, "retrans_rate") : NAN;
	f->syn_again = n ? query_number(q, 0, "syn_retrans_rate") : NAN;
	f->syn_cookies = n ? query_number(q, 0, "syncookie_rate") : NAN;
	f->overflows = n ? query_number(q, 0, "listen_overflow_rate") : NAN;
	f->syn_drops = n ? query_number(q, 0, "syn_drop_rate") : NAN;
}

static void take_netstack(struct facts *f, struct query *q, size_t n)
{
	f->softnet_drops = n ? query_number(q, 0, "softnet_drop_rate") : NAN;
	f->udp_in = n ? query_number(q, 0, "udp_in_rate") : NAN;
	f->udp_full = n ? query_number(q, 0, "udp_full_rate") : NAN;
	f->conntrack = n ? query_number(q, 0, "conntrack_pct") : NAN;
}

static void take_listeners(struct facts *f, struct query *q, size_t n)
{
	double most = 0;
	struct query_row r;

	memset(&f->listener, 0, sizeof(f->listener));
	f->listener.row = SIZE_MAX;
	for (size_t i = 0; i < n; i++) {
		double drops = query_number(q, i, "drops_window"), full = query_number(q, i, "queue_pct");
		double bad = (drops > 0 ? 1e6 * drops : 0) + (full >= 100 ? full : 0);

		if (bad > most) {
			most = bad;
			f->listener.row = i;
		}
	}
	if (f->listener.row == SIZE_MAX)
		return;
	if (query_row(q, f->listener.row, &r))
		f->listener.ended_ns = r.ended_ns;
	f->listener.port = query_number(q, f->listener.row, "port");
	f->listener.pid = query_number(q, f->listener.row, "pid");
	f->listener.drops = query_number(q, f->listener.row, "drops_window");
	f->listener.queue_pct = query_number(q, f->listener.row, "queue_pct");
	f->listener.accept_p99 = query_number(q, f->listener.row, "accept_wait_p99");
	query_text(q, f->listener.row, "comm", f->listener.comm, sizeof(f->listener.comm));
	key_of(q, f->listener.row, &f->listener.key);
	f->listener.process = (struct row_key){
		.n = 2, .bits = {number_u64(f->listener.pid), number_u64(query_number(q, f->listener.row, "process_start"))}};
}

/* --- control groups ---------------------------------------------------------------------------------------------- */

/* Beyond these a limit hurts. Throttled periods: awesome-prometheus-alerts; memory, threads: node-mixin's figures for filling up. */
static const double throttled = 25; /* percent of the periods in which a group ran */
static const double memory_full = 90, pids_full = 90; /* percent of a group's limit */
static const double thrash = 100; /* pages a second that are read again */

/* What people call a group, else the end of its path. */
static void group_name(struct query *q, struct facts_group *g)
{
	char path[256], *last;

	query_text(q, g->row, "name", g->name, sizeof(g->name));
	key_of(q, g->row, &g->key);
	if (g->name[0])
		return;
	query_text(q, g->row, "path", path, sizeof(path));
	last = strrchr(path, '/');
	snprintf(g->name, sizeof(g->name), "%.*s", (int)sizeof(g->name) - 1, last && last[1] ? last + 1 : path);
}

/* Beyond this somebody stands still for memory (Coroot); where pressure is not known nobody says that nobody does. */
static bool memory_stalls(const struct facts *f)
{
	return isnan(f->stalled[1]) || f->stalled[1] >= 2 || f->stalled_now[1] >= 2;
}

double findings_io_of_limit(struct query *q, size_t row, const char **ret_column)
{
	static const char *const pairs[][2] = {
		{"read_rate", "read_max"}, {"write_rate", "write_max"}, {"read_iops", "reads_max"}, {"write_iops", "writes_max"},
	};
	double most = 0;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		double limit = query_number(q, row, pairs[i][1]), of = limit > 0 ? 100 * query_number(q, row, pairs[i][0]) / limit : NAN;

		if (!(of > most))
			continue;
		most = of;
		*ret_column = pairs[i][0];
	}
	return most;
}

/* Groups: stopped by their CPU limit; killed in, or reading again and again what does not fit into, their memory; out of threads. */
static void take_groups(struct facts *f, struct query *q, size_t n)
{
	double longest = 0, worst = 0, most = pids_full;
	const char *column = NULL;

	memset(&f->stopped, 0, sizeof(f->stopped));
	memset(&f->full, 0, sizeof(f->full));
	memset(&f->pids, 0, sizeof(f->pids));
	memset(&f->io, 0, sizeof(f->io));
	f->stopped.row = f->full.row = f->pids.row = f->io.row = SIZE_MAX;
	for (size_t i = 0; i < n; i++) {
		double periods = query_number(q, i, "throttled_pct"), rate = query_number(q, i, "throttled_rate"),
		       share = query_number(q, i, "memory_pct"), high = query_number(q, i, "memory_high_pct"),
		       slowed = number_max(query_number(q, i, "memory_slowed"), 0), pids = query_number(q, i, "pids_pct"), bad = 0, kills, again, one;

		if (pids >= most) {
			most = pids;
			f->pids.value = pids;
			f->pids.row = i;
		}
		one = findings_io_of_limit(q, i, &column);
		if (one > f->io.value) {
			f->io.value = one;
			f->io.row = i;
			f->io.column = column;
		}
		if (periods >= throttled && rate > 0)
			f->stopped.others++;
		if (periods >= throttled && rate > longest) {
			longest = rate;
			f->stopped.value = periods;
			f->stopped.row = i;
		}
		/* A kill below counts above, too, and so does being slowed down: only where the limit is. */
		if (isnan(share) && isnan(high))
			continue;
		slowed = high >= memory_full ? slowed : 0;
		kills = isnan(share) ? 0 : number_max(query_number(q, i, "oom_kills"), 0);
		again = number_max(query_number(q, i, "refault_rate"), query_number(q, i, "major_fault_rate"));
		bad += 1e12 * kills;
		bad += (share >= memory_full || high >= memory_full) && again >= thrash ? again : 0;
		/* Heaps that have no swap to go to are never read again: who is above memory.high with them sleeps, as long as two seconds at a time. */
		bad += slowed > 0 && memory_stalls(f) ? slowed : 0;
		if (bad > 0)
			f->full.others++;
		if (bad > worst) {
			worst = bad;
			f->full.value = share >= memory_full || isnan(high) ? share : high;
			f->full.kills = kills;
			f->full.again = again;
			f->full.slowed = share >= memory_full ? 0 : slowed;
			f->full.column = f->full.slowed > 0 || isnan(share) ? "memory_high_pct" : "memory_pct";
			f->full.row = i;
		}
	}
	f->stopped.others -= f->stopped.others > 0;
	f->full.others -= f->full.others > 0;
	if (f->stopped.row != SIZE_MAX) {
		f->stopped.of_limit = query_number(q, f->stopped.row, "cpu_of_limit");
		group_name(q, &f->stopped);
	}
	if (f->full.row != SIZE_MAX)
		group_name(q, &f->full);
	if (f->pids.row != SIZE_MAX)
		group_name(q, &f->pids);
	if (f->io.row != SIZE_MAX)
		group_name(q, &f->io);
}

/* --- which tables ------------------------------------------------------------------------------------------------ */

static const struct {
	const char *table, *word; /* what is not measured without it */
	void (*take)(struct facts *, struct query *, size_t n);
	bool differs; /* one sample tells nothing */
} tables[TAKEN] = {
	[TAKEN_HOST] = {"host", "load", take_host},
	[TAKEN_CPU] = {"cpu", "cpu", take_cpu, true},
	[TAKEN_PSI] = {"psi", "pressure", take_psi, true},
	[TAKEN_RUNQ] = {"runq", "run queue", take_runq, true},
	[TAKEN_MEMORY] = {"memory", "memory", take_memory},
	[TAKEN_VMSTAT] = {"vmstat", "reclaim", take_vmstat, true},
	[TAKEN_DISK] = {"disk", "disks", take_disks, true},
	[TAKEN_DISK_LATENCY] = {"disk_latency", "disk latency", take_tails, true},
	[TAKEN_DISK_USER] = {"disk_user", NULL /* comes with disk_latency */, take_askers, true},
	[TAKEN_FILESYSTEM] = {"filesystem", "file systems", take_filesystems},
	[TAKEN_NFS] = {"nfs", "nfs", take_nfs},
	[TAKEN_NET] = {"net", "net", take_net, true},
	[TAKEN_TCP] = {"tcp", "tcp", take_tcp, true},
	[TAKEN_NETSTACK] = {"netstack", "packet drops", take_netstack, true},
	[TAKEN_CGROUP] = {"cgroup", "cgroup limits", take_groups},
	[TAKEN_LISTEN] = {"tcp_listen", "accept queues", take_listeners},
	[TAKEN_PROCESS] = {"process", "processes", NULL},
	[TAKEN_WAITS] = {"thread_time", "who waits", NULL},
	[TAKEN_SHORT] = {"children", "short processes", NULL},
};
_Static_assert(TAKEN <= sizeof(((struct findings *)0)->sources) / sizeof(struct findings_source), "each table has its place");

const char *findings_word(enum findings_table t)
{
	return tables[t].word;
}

const char *findings_table_name(size_t t)
{
	return tables[t].table;
}

void findings_take(struct findings *f, struct query *q, const char *table, int err)
{
	struct findings_source *s = NULL;
	struct query_info info;
	size_t t, n;

	for (t = 0; t < TAKEN && strcmp(tables[t].table, table) != 0; t++)
		;
	if (t == TAKEN)
		return;
	s = &f->sources[t];
	/* Of damage what can be read is there. */
	n = err && err != -EBADMSG ? 0 : query_nrows(q);
	query_info(q, &info);
	s->measured = !(err && err != -EBADMSG) && (info.state == CULPRIT_FRESH || info.state == CULPRIT_RESTING) && info.sample_ns &&
		      !(info.empty && tables[t].differs);
	s->why[0] = '\0';
	if (!s->measured && info.reason)
		text_sanitise(s->why, sizeof(s->why), info.reason, info.reason_len < sizeof(s->why) ? info.reason_len : sizeof(s->why) - 1,
			      TEXT_ASCII);
	if (t == TAKEN_CPU) {
		f->data_ns = info.used_to_ns - info.used_from_ns;
		f->window_ns = info.to_ns - info.from_ns;
		f->wall_offset_ns = (int64_t)((uint64_t)info.used_to_wall_ns - info.used_to_ns); /* of damaged recordings, anything */
	}
	if (tables[t].take)
		tables[t].take(&f->facts, q, n);
}
