/* What the made-up machine is and does: CPUs, memory, disks, net, control groups. */
#include "support/made_host_fill.h"

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
	put(m, "available", 6 * GIB - (m->options.murmur ? chance(m, 40) * MIB : 0) - thrashed(m) * 31 * MIB);
	put(m, "swap_total", 2 * GIB);
	put(m, "swap_free", m->options.thrashing ? 0 : 2 * GIB);
	if (m->options.thrashing) {
		put(m, "anon", 9 * GIB + thrashed(m) * 30 * MIB);
		put(m, "buffers", 64 * MIB);
		put(m, "cached", 3 * GIB - thrashed(m) * MIB);
		put(m, "sreclaimable", 200 * MIB);
		put(m, "shmem", 300 * MIB);
		put(m, "slab", 2100 * MIB);
		put(m, "sunreclaim", 1900 * MIB);
		put(m, "hugetlb", 0);
	}
	culprit_end(m->frame);
	table_end(m);
	table_begin(m, "vmstat");
	culprit_row(m->frame);
	put(m, "id", 0);
	put(m, "oom_kill", 0);
	put(m, "pgfault", m->second * 500);
	if (m->options.thrashing) {
		put(m, "pgscan_kswapd", thrashed(m) * 400000);
		put(m, "pgscan_direct", thrashed(m) * 10000);
		put(m, "pgsteal_kswapd", thrashed(m) * 9000);
		put(m, "pgsteal_direct", thrashed(m) * 100);
		put(m, "workingset_refault", thrashed(m) * 8800);
		put(m, "compact_stall", thrashed(m) * 12);
		put(m, "pswpout", thrashed(m) * 50);
	}
	culprit_end(m->frame);
	table_end(m);
}

static void fill_pressure(struct made_host *m)
{
	static const char *const names[] = {"cpu", "memory", "io"};

	if (m->options.no_psi) {
		missing(m, "psi", "pressure (PSI) is off: boot with psi=1");
		return;
	}
	table_begin(m, "psi");
	for (int i = 0; i < 3; i++) {
		uint64_t ms = i == 0 && !m->options.calm ? m->second * 21 : i == 2 ? backup_seconds(m) * 640 : thrashed(m) * 440;

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
	table_begin(m, "disk_user");
	culprit_row(m->frame);
	put(m, "pid", 9911);
	put(m, "start", fill_start_of(9911));
	put_text(m, "name", "vda");
	put(m, "generation", 0);
	put_text(m, "comm", "restic");
	put(m, "requests", backup_seconds(m) * 30);
	put(m, "read_bytes", 0);
	put(m, "write_bytes", backup_seconds(m) * 12 * MIB);
	put(m, "time", backup_seconds(m) * 700 * MS);
	culprit_end(m->frame);
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
	for (int i = 0; m->options.partitions && i < 2; i++) {
		culprit_row(m->frame);
		put_text(m, "name", i ? "vda2" : "vda1");
		put_text(m, "parent", "vda");
		put(m, "generation", 0);
		put(m, "reads", 500);
		put(m, "writes", 10);
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

/* Somebody looks at who uses /var. */
static void fill_mount_users(struct made_host *m)
{
	static const struct {
		const char *comm;
		uint64_t pid, start, files;
		bool works;
	} users[] = {{"mysqld", 812, 9812, 41, true}, {"java:api", 1204, 10204, 3, false}, {"sh", 2000, 12000, 0, true}};

	table_begin(m, "mount_use");
	culprit_row(m->frame);
	put_text(m, "mount", "/var");
	put(m, "processes", 15);
	put(m, "files", 56);
	put(m, "unseen", 0);
	culprit_end(m->frame);
	table_end(m);
	table_begin(m, "mount_user");
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		culprit_row(m->frame);
		put(m, "pid", users[i].pid);
		put(m, "start", users[i].start);
		put_text(m, "mount", "/var");
		put_text(m, "comm", users[i].comm);
		put(m, "files", users[i].files);
		culprit_put_bool(m->frame, column(m, "works"), users[i].works);
		culprit_put_bool(m->frame, column(m, "runs"), false);
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
	put(m, "retrans_segs", m->options.syn_acks ? m->second * 1460 : m->second / 4);
	put(m, "curr_estab", 40);
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
		{"0.0.0.0", "", 2049, 0, 0, 0, 64, 0, 2},
	};
	size_t n = sizeof(listeners) / sizeof(listeners[0]);

	table_begin(m, "tcp_listen");
	for (size_t i = m->options.nobody_listens ? n - 1 : 0; i < (m->options.nobody_listens ? n : n - 1); i++) {
		culprit_row(m->frame);
		put_text(m, "address", listeners[i].address);
		put(m, "port", listeners[i].port);
		put(m, "socket", i);
		put(m, "pid", listeners[i].pid);
		put(m, "process_start", listeners[i].start);
		if (listeners[i].pid)
			put_text(m, "comm", listeners[i].comm);
		put(m, "holders", listeners[i].pid != 0);
		put(m, "queue", listeners[i].queue);
		put(m, "queue_limit", listeners[i].limit);
		put(m, "drops", m->second * listeners[i].drops);
		put(m, "accepted", m->second * listeners[i].accepted);
		culprit_end(m->frame);
	}
	table_end(m);
}

/* A database that answers slowly, a peer that speaks HTTP/2, and one whose process here nobody saw. */
static void fill_flows(struct made_host *m)
{
	static const struct {
		const char *comm, *peer;
		uint64_t pid, start, listen, open, sent, received, multiplexed;
		double usual, slow; /* answers; 0: none */
	} flows[] = {
		{"java:api", "10.2.7.9:5432", 1204, 10204, 0, 10, 40000, 900000, 0, 2e6, 84e6},
		{"nginx", "10.2.7.20:50051", 6001, 15001, 0, 4, 20000, 20000, 4, 0, 0},
		{"", "10.0.0.7", 0, 0, 22, 1, 300, 100, 0, 0, 0},
	};

	table_begin(m, "tcp_flow");
	for (size_t i = 0; i < sizeof(flows) / sizeof(flows[0]); i++) {
		culprit_row(m->frame);
		put(m, "pid", flows[i].pid);
		put(m, "process_start", flows[i].start);
		put_text(m, "peer", flows[i].peer);
		put(m, "listen", flows[i].listen);
		put_text(m, "side", flows[i].listen ? "in" : "out");
		put_text(m, "comm", flows[i].comm);
		put(m, "open", flows[i].open);
		put(m, "opened", m->second * !flows[i].listen);
		put(m, "closed", m->second * !flows[i].listen);
		put(m, "failed", 0);
		put(m, "sent", m->second * flows[i].sent);
		put(m, "received", m->second * flows[i].received);
		put(m, "segments", m->second * 100);
		put(m, "retransmits", 0);
		put(m, "rtt", 400000);
		put(m, "rtt_min", 300000);
		put(m, "rtt_max", 900000);
		culprit_end(m->frame);
	}
	table_end(m);
	if (m->options.no_programs) {
		missing(m, "tcp_peer", "needs root or the capabilities to load BPF programs: sudo setcap cap_bpf+ep culprit");
		return;
	}
	table_begin(m, "tcp_peer");
	for (size_t i = 0; i < 2; i++) {
		culprit_row(m->frame);
		put_text(m, "peer", flows[i].peer);
		put(m, "listen", 0);
		put_text(m, "side", "out");
		put(m, "left_out", 0);
		put(m, "multiplexed", m->second * flows[i].multiplexed);
		if (flows[i].usual > 0)
			put_times(m, "answer", m->second, flows[i].usual, flows[i].slow);
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

void fill_machine(struct made_host *m)
{
	fill_host(m);
	fill_cpus(m);
	fill_memory(m);
	fill_pressure(m);
	fill_disks(m);
	fill_filesystems(m);
	fill_net(m);
	if (m->options.mount_users)
		fill_mount_users(m);
	if (m->options.nfs)
		fill_nfs(m);
	if (m->options.latencies && has_table(m, "runq"))
		fill_latencies(m);
	if (m->options.no_programs && has_table(m, "disk_user"))
		missing(m, "disk_user", "needs root or the capabilities to load BPF programs: sudo setcap cap_bpf+ep culprit");
	if (m->options.sockets) {
		fill_sockets(m);
		fill_flows(m);
	}
	if (m->options.pods)
		fill_cgroups(m);
	else
		missing(m, "cgroup", "no cgroup file system is mounted; mount -t cgroup2 none /sys/fs/cgroup brings it");
}
