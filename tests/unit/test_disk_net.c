/* Collectors disk, net, tcp, and the memory for devices that come and go. */
#include <sys/stat.h>
#include <unistd.h>

#include "collector_test.h"
#include "devices.h"

static void generations(void **state)
{
	struct devices d;
	struct device *a, *b;

	(void)state;
	devices_init(&d);
	devices_begin(&d);
	a = devices_see(&d, "sda", 3, 1);
	assert_true(a->fresh && a->generation == 0 && !device_born(&d, a));
	assert_null(devices_see(&d, "sda", 3, 1)); /* twice in one sample */
	assert_null(devices_see(&d, "", 0, 1));
	b = devices_see(&d, "sd", 2, 2); /* the beginning of another's name */
	assert_true(b && b->fresh);
	devices_begin(&d);
	a = devices_see(&d, "sda", 3, 1);
	assert_false(a->fresh);
	devices_begin(&d);
	b = devices_see(&d, "sd", 2, 2); /* it wasn't there for a sample */
	assert_true(b->fresh && b->generation == 1 && device_born(&d, b));
	a = devices_see(&d, "sda", 3, 9); /* another one of that name */
	assert_true(a->fresh && a->generation == 1);
	devices_unclean(&d);
	devices_begin(&d);
	b = devices_see(&d, "new", 3, 0);
	assert_true(b->fresh && !device_born(&d, b)); /* it may have been in the line that was not understood */
	/* More than there may be: those that are gone make room. */
	for (int round = 0; round < 3; round++) {
		devices_begin(&d);
		for (int i = 0; i < DEVICES_MAX / 2; i++) {
			char name[32];

			assert_non_null(devices_see(&d, name, (size_t)snprintf(name, sizeof(name), "v%d.%d", round, i), 0));
		}
	}
	assert_true(d.n <= DEVICES_MAX);
	devices_finish(&d);
}

static void disk_modern(void **state)
{
	struct fixture_run *run = run_on(&disk_collector, "modern");
	struct recorder *r = fixture_run_sample(run);

	(void)state;
	assert_int_equal(recorder_rows(r, "disk"), 8); /* without loop0 and zram0, which never did anything */
	assert_null(ROW(r, "disk", "loop0 0"));
	assert_null(ROW(r, "disk", "zram0 0"));
	ASSERT_U64(r, "disk", "nvme0n1 0", "reads", 1000);
	ASSERT_U64(r, "disk", "nvme0n1 0", "reads_merged", 100);
	ASSERT_U64(r, "disk", "nvme0n1 0", "read_bytes", 80000 * 512);
	ASSERT_U64(r, "disk", "nvme0n1 0", "read_time", 500000000);
	ASSERT_U64(r, "disk", "nvme0n1 0", "writes", 2000);
	ASSERT_U64(r, "disk", "nvme0n1 0", "writes_merged", 200);
	ASSERT_U64(r, "disk", "nvme0n1 0", "write_bytes", 160000 * 512);
	ASSERT_U64(r, "disk", "nvme0n1 0", "write_time", 4000000000);
	ASSERT_U64(r, "disk", "nvme0n1 0", "in_flight", 3);
	ASSERT_U64(r, "disk", "nvme0n1 0", "io_time", 3000000000);
	ASSERT_U64(r, "disk", "nvme0n1 0", "weighted_time", 4600000000);
	ASSERT_U64(r, "disk", "nvme0n1 0", "discards", 10);
	ASSERT_U64(r, "disk", "nvme0n1 0", "discards_merged", 1);
	ASSERT_U64(r, "disk", "nvme0n1 0", "discard_bytes", 800 * 512);
	ASSERT_U64(r, "disk", "nvme0n1 0", "discard_time", 20000000);
	ASSERT_U64(r, "disk", "nvme0n1 0", "flushes", 30);
	ASSERT_U64(r, "disk", "nvme0n1 0", "flush_time", 60000000);
	ASSERT_TEXT(r, "disk", "nvme0n1 0", "kind", "disk");
	ASSERT_TEXT(r, "disk", "nvme0n1 0", "model", "Samsung SSD 980 PRO 1TB");
	ASSERT_U64(r, "disk", "nvme0n1 0", "size", 2000000ull * 512);
	ASSERT_U64(r, "disk", "nvme0n1 0", "partition", 0);
	assert_false(HAS(r, "disk", "nvme0n1 0", "parent"));
	ASSERT_U64(r, "disk", "nvme0n1p2 0", "partition", 1);
	ASSERT_TEXT(r, "disk", "nvme0n1p2 0", "parent", "nvme0n1");
	ASSERT_TEXT(r, "disk", "sda1 0", "parent", "sda");
	ASSERT_U64(r, "disk", "sda 0", "rotational", 1);
	ASSERT_TEXT(r, "disk", "dm-0 0", "kind", "stacked");
	ASSERT_TEXT(r, "disk", "loop1 0", "kind", "stacked");
	/* The name of a folder cannot hold a slash. */
	ASSERT_U64(r, "disk", "cciss/c0d0 0", "size", 2000000ull * 512);
	fixture_run_destroy(run);
}

/* 4.4: eleven numbers; no /sys/class/block in this tree. */
static void disk_old(void **state)
{
	struct fixture_run *run = run_on(&disk_collector, "old");
	struct recorder *r = fixture_run_sample(run);

	(void)state;
	assert_int_equal(recorder_rows(r, "disk"), 3);
	ASSERT_U64(r, "disk", "sda 0", "weighted_time", 450000000);
	assert_false(HAS(r, "disk", "sda 0", "discards"));
	assert_false(HAS(r, "disk", "sda 0", "flushes"));
	fixture_run_destroy(run);
}

static void disk_comes_and_goes(void **state)
{
	char *root = scratch(NULL);
	struct fixture_run *run;
	struct recorder *r;

	(void)state;
	fixture_write_string(root, "proc/diskstats", "8 0 sda 1 0 8 1 0 0 0 0 0 1 1\n7 0 loop0 0 0 0 0 0 0 0 0 0 0 0\n");
	run = fixture_run_create(&disk_collector, root);
	r = fixture_run_sample(run);
	assert_false(ROW(r, "disk", "sda 0")->born);
	fixture_write_string(root, "proc/diskstats",
			     "8 0 sda 2 0 8 1 0 0 0 0 0 1 1\n8 16 sdb 9 0 72 1 0 0 0 0 0 1 1\n7 0 loop0 1 0 8 0 0 0 0 0 0 0 0\n");
	r = fixture_run_sample(run);
	assert_true(ROW(r, "disk", "sdb 0")->born);
	assert_true(ROW(r, "disk", "loop0 0")->born);
	assert_false(ROW(r, "disk", "sda 0")->born);
	fixture_write_string(root, "proc/diskstats", "8 0 sda 3 0 8 1 0 0 0 0 0 1 1\n");
	r = fixture_run_sample(run);
	assert_int_equal(recorder_table(r, "disk")->ended, 2);
	fixture_write_string(root, "proc/diskstats",
			     "8 0 sda 4 0 8 1 0 0 0 0 0 1 1\n8 32 sdb 1 0 8 1 0 0 0 0 0 1 1\n8 sdc\n8 48 sdd 18446744073709551615 -1 "
			     "18446744073709551615\n\xff\x00\n8 64 \x1b[31m 1 1 8\n");
	r = fixture_run_sample(run);
	assert_non_null(ROW(r, "disk", "sdb 1"));
	assert_null(ROW(r, "disk", "sdb 0"));
	assert_true(U64(r, "disk", "sdd 0", "reads") == UINT64_MAX);
	assert_false(HAS(r, "disk", "sdd 0", "reads_merged"));
	assert_false(HAS(r, "disk", "sdd 0", "read_bytes"));
	fixture_run_destroy(run);
	scratch_free(root);
}

static void disk_live(void **state)
{
	struct fixture_run *run = fixture_run_create(&disk_collector, NULL);
	struct recorder *r;
	FILE *file = fopen("/proc/diskstats", "re");
	char name[64], line[512], key[80];
	unsigned long long reads, sectors;
	unsigned compared = 0;

	(void)state;
	assert_non_null(file);
	r = fixture_run_sample(run);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*u %*u %63s %llu %*u %llu", name, &reads, &sectors) != 3 || reads == 0)
			continue;
		snprintf(key, sizeof(key), "%s 0", name);
		if (strncmp(name, "loop", 4) == 0)
			continue;
		/* Ours was read later than the file was opened, and not much later. */
		assert_true(U64(r, "disk", key, "reads") + 1000 >= reads);
		assert_true(U64(r, "disk", key, "read_bytes") <= sectors * 512 + (1 << 28));
		compared++;
	}
	fclose(file);
	if (!compared)
		skip();
	fixture_run_destroy(run);
}

static void net_modern(void **state)
{
	struct fixture_run *run = run_on(&net_collector, "modern");
	struct recorder *r;

	(void)state;
	fixture_run_host(run)->mono_ns = 1000000000;
	r = fixture_run_sample(run);
	assert_int_equal(recorder_rows(r, "net"), 4);
	ASSERT_U64(r, "net", "eth0 0", "rx_bytes", 5000000);
	ASSERT_U64(r, "net", "eth0 0", "rx_packets", 6000);
	ASSERT_U64(r, "net", "eth0 0", "rx_errors", 1);
	ASSERT_U64(r, "net", "eth0 0", "rx_drops", 2);
	ASSERT_U64(r, "net", "eth0 0", "rx_fifo", 3);
	ASSERT_U64(r, "net", "eth0 0", "rx_frame", 4);
	ASSERT_U64(r, "net", "eth0 0", "rx_multicast", 6);
	ASSERT_U64(r, "net", "eth0 0", "tx_bytes", 700000);
	ASSERT_U64(r, "net", "eth0 0", "tx_packets", 800);
	ASSERT_U64(r, "net", "eth0 0", "tx_errors", 9);
	ASSERT_U64(r, "net", "eth0 0", "tx_drops", 10);
	ASSERT_U64(r, "net", "eth0 0", "tx_fifo", 11);
	ASSERT_U64(r, "net", "eth0 0", "tx_collisions", 12);
	ASSERT_U64(r, "net", "eth0 0", "tx_carrier", 13);
	ASSERT_TEXT(r, "net", "eth0 0", "state", "up");
	ASSERT_TEXT(r, "net", "eth0 0", "duplex", "full");
	ASSERT_U64(r, "net", "eth0 0", "speed", 125000000);
	ASSERT_U64(r, "net", "eth0 0", "virtual", 0);
	ASSERT_U64(r, "net", "eth0 0", "carrier_changes", 3);
	ASSERT_U64(r, "net", "lo 0", "virtual", 1);
	ASSERT_U64(r, "net", "lo 0", "mtu", 65536);
	assert_false(HAS(r, "net", "lo 0", "speed"));
	assert_false(HAS(r, "net", "lo 0", "line_bytes"));
	ASSERT_TEXT(r, "net", "docker0 0", "state", "down");
	ASSERT_U64(r, "net", "eth0:1 0", "rx_bytes", 42);
	/* What the line could carry grows with time. */
	ASSERT_U64(r, "net", "eth0 0", "line_bytes", 0);
	fixture_run_host(run)->mono_ns = 3000000000;
	r = fixture_run_sample(run);
	ASSERT_U64(r, "net", "eth0 0", "line_bytes", 250000000);
	fixture_run_destroy(run);
}

static void net_old_and_hostile(void **state)
{
	struct fixture_run *run = run_on(&net_collector, "old");
	struct recorder *r = fixture_run_sample(run);
	char *root;

	(void)state;
	ASSERT_U64(r, "net", "eth0 0", "rx_bytes", 5000000); /* no blank after the colon */
	assert_false(HAS(r, "net", "eth0 0", "speed"));
	fixture_run_destroy(run);

	root = scratch(NULL);
	fixture_write_string(root, "proc/net/dev",
			     "no colon here\n: 1 2 3\n../..: 5 6\n..: 7\n\x1b[2J: 8 -9 99999999999999999999 10\na: \nlo: 1");
	run = fixture_run_create(&net_collector, root);
	r = fixture_run_sample(run);
	ASSERT_U64(r, "net", "../.. 0", "rx_bytes", 5);
	ASSERT_U64(r, "net", "\x1b[2J 0", "rx_bytes", 8);
	assert_false(HAS(r, "net", "\x1b[2J 0", "rx_packets"));
	ASSERT_U64(r, "net", "\x1b[2J 0", "rx_drops", 10);
	assert_false(HAS(r, "net", "a 0", "rx_bytes"));
	assert_null(ROW(r, "net", "lo 0"));
	fixture_run_destroy(run);
	scratch_free(root);
}

static void tcp_modern(void **state)
{
	struct fixture_run *run = run_on(&tcp_collector, "modern");
	struct recorder *r = fixture_run_sample(run);
	static const struct {
		const char *table, *column;
		uint64_t value;
	} wanted[] = {
		{"tcp", "active_opens", 14},	    {"tcp", "passive_opens", 22},      {"tcp", "attempt_fails", 3},
		{"tcp", "estab_resets", 4},	    {"tcp", "curr_estab", 5},	       {"tcp", "in_segs", 60000},
		{"tcp", "out_segs", 50000},	    {"tcp", "retrans_segs", 500},      {"tcp", "in_errs", 6},
		{"tcp", "out_rsts", 7},		    {"tcp", "syncookies_sent", 1},     {"tcp", "rcv_pruned", 3},
		{"tcp", "tw_closed", 4},	    {"tcp", "listen_overflows", 5},    {"tcp", "listen_drops", 6},
		{"tcp", "lost_retransmit", 7},	    {"tcp", "fast_retrans", 8},	       {"tcp", "timeouts", 9},
		{"tcp", "abort_on_data", 10},	    {"tcp", "abort_on_close", 11},     {"tcp", "abort_on_memory", 12},
		{"tcp", "abort_on_timeout", 13},    {"tcp", "abort_on_linger", 14},    {"tcp", "memory_pressures", 15},
		{"tcp", "backlog_drop", 16},	    {"tcp", "time_wait_overflow", 17}, {"tcp", "req_q_full_drop", 18},
		{"tcp", "retrans_fail", 19},	    {"tcp", "ofo_drop", 20},	       {"tcp", "syn_retrans", 21},
		{"tcp", "zero_window_drop", 22},    {"tcp", "inuse", 10},	       {"tcp", "orphan", 1},
		{"tcp", "tw", 2},		    {"tcp", "alloc", 12},	       {"tcp", "mem", 3 * 4096},
		{"netstack", "udp_in", 30},	    {"netstack", "udp_out", 31},       {"netstack", "udp_no_ports", 1},
		{"netstack", "udp_in_errors", 2},   {"netstack", "udp_rcvbuf_errors", 3}, {"netstack", "udp_sndbuf_errors", 4},
		{"netstack", "udp_inuse", 4},	    {"netstack", "udp_mem", 5 * 4096}, {"netstack", "ip_in", 1000},
		{"netstack", "ip_out", 800},	    {"netstack", "ip_discards", 12},   {"netstack", "ip_no_routes", 3},
		{"netstack", "ip_reasm_fails", 2},  {"netstack", "sockets", 150},      {"netstack", "softnet_processed", 31},
		{"netstack", "softnet_dropped", 3}, {"netstack", "softnet_squeezed", 5}, {"netstack", "conntrack_count", 100},
		{"netstack", "conntrack_max", 400},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		ASSERT_U64(r, wanted[i].table, "0", wanted[i].column, wanted[i].value);
	fixture_run_destroy(run);
}

static void tcp_old(void **state)
{
	struct fixture_run *run = run_on(&tcp_collector, "old");
	struct recorder *r = fixture_run_sample(run);

	(void)state;
	ASSERT_U64(r, "tcp", "0", "retrans_segs", 5);
	ASSERT_U64(r, "tcp", "0", "listen_overflows", 5);
	assert_false(HAS(r, "tcp", "0", "syn_retrans"));
	assert_false(HAS(r, "netstack", "0", "conntrack_max"));
	ASSERT_U64(r, "netstack", "0", "softnet_processed", 10);
	fixture_run_destroy(run);
}

static void tcp_without_netstat(void **state)
{
	char *root = scratch("modern"), path[128];
	struct fixture_run *run;
	struct recorder *r;

	(void)state;
	snprintf(path, sizeof(path), "%s/proc/net/netstat", root);
	unlink(path);
	run = fixture_run_create(&tcp_collector, root);
	r = fixture_run_sample(run);
	ASSERT_U64(r, "tcp", "0", "retrans_segs", 500);
	assert_int_equal(recorder_cell(r, "tcp", ROW(r, "tcp", "0"), "listen_drops")->state, RECORDED_UNREAD);
	/* Names and numbers that don't go together. */
	fixture_write_string(root, "proc/net/snmp", "Tcp: ActiveOpens RetransSegs CurrEstab\nTcp: 5 -7\nUdp: InErrors\n");
	r = fixture_run_sample(run);
	ASSERT_U64(r, "tcp", "0", "active_opens", 5);
	assert_false(HAS(r, "tcp", "0", "retrans_segs"));
	assert_false(HAS(r, "tcp", "0", "curr_estab"));
	fixture_run_destroy(run);
	scratch_free(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(generations),	cmocka_unit_test(disk_modern),
		cmocka_unit_test(disk_old),	cmocka_unit_test(disk_comes_and_goes),
		cmocka_unit_test(disk_live),	cmocka_unit_test(net_modern),
		cmocka_unit_test(net_old_and_hostile), cmocka_unit_test(tcp_modern),
		cmocka_unit_test(tcp_old),	cmocka_unit_test(tcp_without_netstat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
