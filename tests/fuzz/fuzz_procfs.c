/* Any bytes as a file of /proc or /sys. The first byte chooses the file, a 0x1e ends what the first sample finds in it
 * and begins what the second does. The collectors that read it must use the frame as they should, and leave nothing
 * behind. The tree lies in memory and is made once. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "builtin.h"
#include "support/check.h"
#include "support/frame_recorder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define CGROUP2 "sys/fs/cgroup/unified/a/"
#define CGROUP1 "sys/fs/cgroup/all/b/"

static const struct target {
	const char *path;
	const struct culprit_collector *collectors[2];
	const char *usual; /* what is in it while another is the target */
} targets[] = {
	{"proc/stat", {&host_collector, &cpu_collector}, "cpu 1 2 3 4\ncpu0 1 2 3 4\nctxt 5\n"},
	{"proc/loadavg", {&host_collector}, "1.00 2.00 3.00 1/2 3\n"},
	{"proc/uptime", {&host_collector}, "1.00 2.00\n"},
	{"proc/cpuinfo", {&host_collector}, "flags : x\n"},
	{"proc/meminfo", {&memory_collector, &host_collector}, "MemTotal: 1 kB\n"},
	{"proc/vmstat", {&vmstat_collector}, ""},
	{"proc/pressure/cpu", {&psi_collector}, ""},
	{"proc/diskstats", {&disk_collector}, ""},
	{"proc/net/dev", {&net_collector}, ""},
	{"proc/net/snmp", {&tcp_collector}, "Tcp: InSegs\nTcp: 1\n"},
	{"proc/net/netstat", {&tcp_collector}, ""},
	{"proc/net/sockstat", {&tcp_collector}, ""},
	{"proc/net/softnet_stat", {&tcp_collector}, ""},
	{"proc/self/mountinfo",
	 {&filesystem_collector, &cgroup_collector},
	 "1 1 0:1 / /sys/fs/cgroup/unified rw - cgroup2 x rw\n"
	 "1 1 0:2 /pre /sys/fs/cgroup/all rw - cgroup x rw,cpu,cpuacct,memory,blkio,pids\n"},
	{"proc/cgroups", {&cgroup_collector}, ""},
	{"sys/fs/cgroup/unified/cgroup.stat", {&cgroup_collector}, ""},
	{CGROUP2 "cpu.stat", {&cgroup_collector}, ""},
	{CGROUP2 "cpu.max", {&cgroup_collector}, ""},
	{CGROUP2 "io.stat", {&cgroup_collector}, ""},
	{CGROUP2 "memory.stat", {&cgroup_collector}, ""},
	{CGROUP2 "memory.events", {&cgroup_collector}, ""},
	{CGROUP2 "memory.max", {&cgroup_collector}, ""},
	{CGROUP1 "cpuacct.stat", {&cgroup_collector}, ""},
	{CGROUP1 "cpu.shares", {&cgroup_collector}, ""},
	{CGROUP1 "memory.oom_control", {&cgroup_collector}, ""},
	{CGROUP1 "blkio.throttle.io_service_bytes_recursive", {&cgroup_collector}, ""},
	{"sys/devices/system/cpu/possible", {&host_collector}, ""},
	{"sys/class/dmi/id/product_name", {&host_collector}, ""},
	{"dev/kmsg", {&kmsg_collector}, ""},
};

enum { NTARGETS = sizeof(targets) / sizeof(targets[0]) };

static char root[64];

static void remove_root(void)
{
	fixture_remove(root);
}

static void fill(const char *path, const void *bytes, size_t n)
{
	char full[256];
	int fd;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	fd = open(full, O_WRONLY | O_TRUNC | O_CLOEXEC);
	CHECK(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
	close(fd);
}

static void run(const struct target *t, const struct culprit_collector *c, const uint8_t *data, size_t first, size_t n)
{
	struct recorder *r = recorder_create(c);
	struct fixture_host host;
	struct culprit_error error;
	void *self = NULL;

	fixture_host_init(&host, root);
	host.mono_ns = 1000000000;
	fill(t->path, data, first);
	if (c->probe)
		c->probe(&host.host, &error);
	if (c->open(&host.host, &self, &error) == 0) {
		recorder_sample(r, self);
		if (first < n)
			fill(t->path, data + first + 1, n - first - 1);
		host.mono_ns += 1000000000;
		recorder_sample(r, self);
		c->close(self);
	}
	if (recorder_misuse(r))
		check_fail("%s: %s", c->name, recorder_misuse(r));
	recorder_destroy(r);
	fixture_host_finish(&host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct target *t;
	const uint8_t *separator;

	if (!root[0]) {
		fixture_temp(root, sizeof(root));
		atexit(remove_root);
		for (size_t i = 0; i < NTARGETS; i++)
			fixture_write_string(root, targets[i].path, targets[i].usual);
	}
	if (n < 1 || n > 20000)
		return 0;
	t = &targets[data[0] % NTARGETS];
	data++;
	n--;
	separator = n ? memchr(data, 0x1e, n) : NULL;
	for (size_t i = 0; i < 2 && t->collectors[i]; i++)
		run(t, t->collectors[i], data, separator ? (size_t)(separator - data) : n, n);
	fill(t->path, t->usual, strlen(t->usual));
	return 0;
}
