/* The collector disk_latency on a loop device of its own, so that no request is anybody else's: against biolatency on the
 * same run of fio, against what fio itself has seen, and by what each system call must cause. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/fs.h>

#include "disk_latency.h"
#include "support/bpf_run.h"

extern const struct culprit_collector disk_latency_collector, disk_collector;

enum { MEGABYTES = 64, OCTAVES = 36 };

static const char backing[] = TEST_BUILD "/test-disk-latency.data", log_file[] = TEST_BUILD "/test-disk-latency.log",
		  cgroup[] = "culprit-disk-latency";

struct world {
	struct fixture_run *run;
	struct recorder *r;
	char device[64]; /* /dev/loop7 */
	const char *name;
};

/* A loop device over a file, without the page cache in between where the file system can that. */
static void loop_begin(struct world *w)
{
	char text[512];

	if (bpf_run_command(text, sizeof(text), "{ fio --version && losetup --version; } 2>&1") != 0)
		bpf_run_skip("needs fio and losetup");
	bpf_run_command(text, sizeof(text), "dd if=/dev/urandom of=%s bs=1M count=%d conv=fsync 2>&1", backing, MEGABYTES);
	if (bpf_run_command(text, sizeof(text), "losetup --direct-io=on -f --show %s 2>/dev/null || losetup -f --show %s 2>&1",
			    backing, backing) != 0) {
		unlink(backing);
		bpf_run_skip("no loop device to be had: %.200s", text);
	}
	snprintf(w->device, sizeof(w->device), "%.*s", (int)strcspn(text, "\n"), text);
	w->name = strrchr(w->device, '/') + 1;
	/* A loop device that nobody ever asked anything of has no row, and so no place. */
	bpf_run_command(text, sizeof(text), "dd if=%s of=/dev/null bs=4k count=1 iflag=direct 2>&1", w->device);
}

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct world));
	return *state ? 0 : -1;
}

static void begin(struct world *w)
{
	w->run = bpf_run_create(&disk_latency_collector);
	w->r = fixture_run_recorder(w->run);
	loop_begin(w);
	/* It gets its place in a sample. What looks at new devices (udev) is gone after that. */
	fixture_run_sample(w->run);
}

static int teardown(void **state)
{
	struct world *w = *state;
	char text[256];

	if (w->device[0])
		bpf_run_command(text, sizeof(text), "losetup -d %s 2>&1", w->device);
	unlink(backing);
	unlink(log_file);
	if (w->run)
		fixture_run_destroy(w->run);
	free(w);
	return 0;
}

static const struct recorded_row *row(const struct world *w, const char *operation)
{
	char key[128];

	snprintf(key, sizeof(key), "%s 0 %s", w->name, operation);
	return recorder_find(w->r, "disk_latency", key);
}

static uint64_t figure(const struct world *w, const char *operation, const char *column)
{
	const struct recorded_row *found = row(w, operation);

	return found ? recorder_u64(w->r, "disk_latency", found, column) : 0;
}

static uint64_t slot_begin(unsigned i)
{
	return i < 8 ? i : (uint64_t)(8 + i % 8) << (i / 8 - 1);
}

/* Requests that took less than so many nanoseconds. Those of a slot (an eighth of an octave) are shared out evenly. */
static double below(const uint64_t *counts, double ns)
{
	double sum = 0;

	for (unsigned i = 0; i + 1 < BPF_HIST_SLOTS; i++) {
		double begin = (double)slot_begin(i), end = (double)slot_begin(i + 1);

		if (counts[i] && begin < ns)
			sum += (double)counts[i] * (end <= ns ? 1 : (ns - begin) / (end - begin));
	}
	return sum;
}

static double sum_of(const uint64_t *counts)
{
	return below(counts, 1e18);
}

/* biolatency knows a request's time by its octave of microseconds only: 0-1, 2-3, 4-7 ... A percentile taken by its place
 * within an octave jumps when most requests lie at an edge, so what is compared are the shares below each edge: at least
 * ours below an edge that is "percent" lower, at most ours below one that is as much higher, and a request in 500. */
static void same_distribution(const uint64_t *ours, const double theirs[OCTAVES], double percent)
{
	double all = sum_of(ours), all_theirs = 0, share = 0;

	for (unsigned k = 0; k < OCTAVES; k++)
		all_theirs += theirs[k];
	for (unsigned k = 0; k < OCTAVES; k++) {
		double edge = (double)(1ull << (k + 1)) * 1000;
		double low = below(ours, edge * (1 - percent / 100)) / all, high = below(ours, edge * (1 + percent / 100)) / all;

		share += theirs[k] / all_theirs;
		if (low > 0.002 && high < 0.998)
			print_message("below %.0f us: %.2f %% there, %.2f to %.2f %% here\n", edge / 1000, 100 * share, 100 * low, 100 * high);
		if (share < low - 0.002 || share > high + 0.002)
			fail_msg("below %.0f us: %.2f %% there, not within %.2f and %.2f %%", edge / 1000, 100 * share, 100 * low, 100 * high);
	}
}

/* "disk = loop7" and what follows: "  64 -> 127  : 345  |****  |". */
static void read_biolatency(const char *text, const char *name, double octaves[OCTAVES])
{
	char head[80];
	const char *at, *line;

	memset(octaves, 0, OCTAVES * sizeof(*octaves));
	snprintf(head, sizeof(head), "disk = %s", name);
	at = strstr(text, head);
	if (!at)
		fail_msg("biolatency has not seen %s: %.500s", name, text);
	for (line = strchr(at, '\n'); line; line = strchr(line, '\n')) {
		unsigned long long low, high, count;

		line++;
		if (strncmp(line, "disk = ", 7) == 0)
			break;
		if (sscanf(line, " %llu -> %llu : %llu", &low, &high, &count) != 3)
			continue;
		for (unsigned k = 0; k < OCTAVES; k++)
			if (high + 1 == 1ull << (k + 1))
				octaves[k] = (double)count;
	}
}

static void within(const char *what, double ours, double theirs, double percent)
{
	print_message("%s: %.1f us here, %.1f us there\n", what, ours, theirs);
	assert_true(theirs > 0);
	if (ours < theirs * (1 - percent / 100) || ours > theirs * (1 + percent / 100))
		fail_msg("%s: not within %g %%", what, percent);
}

/* fio of some seconds; its JSON stays in log_file. */
#define FIO                                                                                                            \
	"fio --name=test --filename=%s --direct=1 --bs=4k --runtime=2 --time_based --output-format=json --output=%s "      \
	"--rw=randread --ioengine=%s --iodepth=%d >/dev/null 2>&1"

static double fio_clat(const char *what)
{
	static char text[1 << 16];
	int fd = open(log_file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	const char *at;

	if (fd >= 0)
		close(fd);
	assert_true(n > 0);
	text[n] = 0;
	at = strstr(text, "\"read\"");
	at = at ? strstr(at, "\"clat_ns\"") : NULL;
	at = at ? strstr(at, what) : NULL;
	assert_non_null(at);
	return strtod(strchr(at, ':') + 1, NULL) / 1000;
}

static void same_as_biolatency(void **state, const char *engine, int depth)
{
	struct world *w = *state;
	double theirs[OCTAVES], all, all_theirs = 0;
	uint64_t counts[BPF_HIST_SLOTS] = {0}, before;
	static char text[1 << 16];

	if (bpf_run_command(text, sizeof(text), "biolatency --help 2>&1") != 0)
		bpf_run_skip("needs biolatency (package libbpf-tools)");
	begin(w);
	before = figure(w, "read", "requests");
	bpf_run_counts(w->r, "disk_latency", "service", "name", w->name, counts, BPF_HIST_SLOTS);
	for (unsigned i = 0; i < BPF_HIST_SLOTS; i++)
		counts[i] = -counts[i];
	bpf_run_command(text, sizeof(text),
			"stdbuf -oL biolatency -D > %s.bio 2>&1 & pid=$!; "
			"for i in $(seq 600); do grep -q Tracing %s.bio && break; sleep 0.05; done; " FIO
			"; kill -INT $pid; wait $pid; cat %s.bio; rm %s.bio",
			log_file, log_file, w->device, log_file, engine, depth, log_file, log_file);
	fixture_run_sample(w->run);
	bpf_run_counts(w->r, "disk_latency", "service", "name", w->name, counts, BPF_HIST_SLOTS);
	read_biolatency(text, w->name, theirs);
	all = sum_of(counts);
	for (unsigned k = 0; k < OCTAVES; k++)
		all_theirs += theirs[k];
	print_message("%s, %d at once: %.0f requests here, %.0f there\n", engine, depth, all, all_theirs);
	assert_true(all_theirs >= 50);
	assert_true(all >= all_theirs && all <= all_theirs * 1.02 + 50);
	same_distribution(counts, theirs, 15);
	assert_true(recorder_table(w->r, "disk_latency")->lost <= 20);
	assert_true(figure(w, "read", "requests") > before);
}

static void same_as_biolatency_one_by_one(void **state)
{
	same_as_biolatency(state, "psync", 1);
}

static void same_as_biolatency_in_batches(void **state)
{
	same_as_biolatency(state, "libaio", 16);
}

/* What fio has waited for is what the device took, and more. Also: the process is fio, its requests are all there are. */
static void fio_waits_no_less(void **state)
{
	struct world *w = *state;
	uint64_t requests, time, reads;
	char text[256];
	double ours, theirs;

	begin(w);
	requests = figure(w, "read", "requests");
	time = figure(w, "read", "queue_time") + figure(w, "read", "service_time");
	bpf_run_command(text, sizeof(text), FIO, w->device, log_file, "psync", 1);
	fixture_run_sample(w->run);
	requests = figure(w, "read", "requests") - requests;
	time = figure(w, "read", "queue_time") + figure(w, "read", "service_time") - time;
	assert_true(requests > 20);
	ours = (double)time / (double)requests / 1000;
	theirs = fio_clat("\"mean\"");
	print_message("mean: %.1f us here, %.1f us by fio, of %llu\n", ours, theirs, (unsigned long long)requests);
	assert_true(ours <= theirs);
	assert_int_equal(figure(w, "read", "errors"), 0);
	reads = bpf_run_sum(w->r, "disk_process", "reads", "comm", "fio");
	assert_true(reads >= requests * 98 / 100);
}

static bool write_text(const char *folder, const char *file, const char *text)
{
	char path[256];
	int fd;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* A disk that gives 20 reads a second: the one below, by the cgroup of fio, which the loop device acts for. What is above
 * 5 ms is known to 15 %, and is told one by one. */
static void slow_requests_are_told(void **state)
{
	static const char *const kinds[][3] = {
		{"/sys/fs/cgroup", "io.max", "cgroup.procs"},
		{"/sys/fs/cgroup/blkio", "blkio.throttle.read_iops_device", "tasks"},
	};
	struct world *w = *state;
	const struct recorded_table *t;
	uint64_t requests, time, slow = 0;
	char folder[128], limit[64], text[512];
	struct stat st;
	unsigned kind = 0;

	begin(w);
	assert_int_equal(stat(backing, &st), 0);
	for (; kind < 2; kind++) {
		snprintf(limit, sizeof(limit), kind ? "%u:%u 20" : "%u:%u riops=20", major(st.st_dev), minor(st.st_dev));
		snprintf(folder, sizeof(folder), "%s/%s-%d", kinds[kind][0], cgroup, getpid());
		if (mkdir(folder, 0755) < 0)
			continue;
		if (write_text(folder, kinds[kind][1], limit))
			break;
		rmdir(folder);
	}
	if (kind == 2)
		bpf_run_skip("needs root and a cgroup that limits I/O of a whole disk below %s", TEST_BUILD);
	requests = figure(w, "read", "requests");
	time = figure(w, "read", "queue_time") + figure(w, "read", "service_time");
	bpf_run_command(text, sizeof(text), "sh -c 'echo $$ > %s/%s; exec " FIO "'", folder, kinds[kind][2], w->device, log_file,
			"psync", 1);
	rmdir(folder);
	fixture_run_sample(w->run);
	requests = figure(w, "read", "requests") - requests;
	time = figure(w, "read", "queue_time") + figure(w, "read", "service_time") - time;
	assert_true(requests > 0);
	if (fio_clat("\"mean\"") < 5000)
		bpf_run_skip("the loop device does not act for the cgroup of who asks: it is not slow");
	within("mean of slow reads", (double)time / (double)requests / 1000, fio_clat("\"mean\""), 15);
	assert_true((double)time / (double)requests / 1000 <= fio_clat("\"mean\""));
	t = recorder_table(w->r, "disk_slow");
	for (size_t i = 0; i < t->nrows; i++) {
		const struct recorded_row *e = &t->rows[i];

		if (strcmp(recorder_text(w->r, "disk_slow", e, "name"), w->name) != 0 ||
		    strcmp(recorder_text(w->r, "disk_slow", e, "comm"), "fio") != 0)
			continue;
		assert_string_equal(recorder_text(w->r, "disk_slow", e, "operation"), "read");
		assert_int_equal(recorder_u64(w->r, "disk_slow", e, "latency"),
				 recorder_u64(w->r, "disk_slow", e, "queue") + recorder_u64(w->r, "disk_slow", e, "service"));
		assert_true(recorder_u64(w->r, "disk_slow", e, "latency") >=
			    recorder_u64(w->r, "disk_slow", e, "threshold"));
		assert_int_equal(recorder_u64(w->r, "disk_slow", e, "bytes"), 4096);
		slow++;
	}
	assert_true(slow > 0);
}

/* Each of these causes requests of one operation, by us or by nobody. */
static void operations_are_told_apart(void **state)
{
	struct world *w = *state;
	uint64_t range[2] = {16 << 20, 8 << 20}, writes, written, here, flushes, back, lost;
	const char *process = "test_disk_laten"; /* 15 bytes are kept */
	static char block[1 << 16] __attribute__((aligned(4096)));
	int fd;

	begin(w);
	writes = figure(w, "write", "requests");
	written = bpf_run_sum(w->r, "disk_process", "writes", "comm", process);
	here = bpf_run_sum(w->r, "disk_user", "write_bytes", "name", w->name);
	fd = open(w->device, O_RDWR | O_DIRECT | O_CLOEXEC);
	assert_true(fd >= 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(pwrite(fd, block, 4096, i * 65536), 4096);
	fixture_run_sample(w->run);
	/* One that ends while another's end is being counted on that CPU is counted as lost. */
	lost = recorder_table(w->r, "disk_latency")->lost;
	print_message("%llu lost\n", (unsigned long long)lost);
	assert_int_equal(figure(w, "write", "requests") - writes + lost, 20);
	assert_int_equal(bpf_run_sum(w->r, "disk_process", "writes", "comm", process) - written + lost, 20);
	/* Of this device, and of no other. */
	assert_int_equal(bpf_run_sum(w->r, "disk_user", "write_bytes", "name", w->name) - here + lost * 4096, 20 * 4096);

	flushes = figure(w, "flush", "requests");
	written = bpf_run_sum(w->r, "disk_process", "flushes", "comm", process);
	assert_int_equal(fsync(fd), 0);
	fixture_run_sample(w->run);
	assert_true(figure(w, "flush", "requests") > flushes);
	assert_true(bpf_run_sum(w->r, "disk_process", "flushes", "comm", process) > written);

	back = figure(w, "discard", "bytes");
	if (ioctl(fd, BLKDISCARD, range) == 0) {
		fixture_run_sample(w->run);
		assert_int_equal(figure(w, "discard", "bytes") - back, 8 << 20);
	}
	close(fd);

	/* Through the page cache: written by whoever, wanted now by nobody. */
	back = figure(w, "writeback", "bytes");
	fd = open(w->device, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	for (int i = 0; i < 64; i++)
		assert_int_equal(pwrite(fd, block, sizeof(block), i * 65536), sizeof(block));
	assert_int_equal(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE), 0);
	assert_int_equal(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE), 0);
	fixture_run_sample(w->run);
	assert_int_equal(figure(w, "writeback", "bytes") - back, 64 * sizeof(block));
	close(fd);
}

/* Rows join with those of the table disk. */
static void thin(struct world *w, uint32_t thinning)
{
	assert_int_equal(disk_latency_collector.thin(fixture_run_self(w->run), 0, thinning), 0);
}

/* Above the budget a part of the requests is looked at, the same ones at each hook; it stands for all, and is not lost. */
static void thinned_it_stands_for_all(void **state)
{
	enum { READS = 4000, THINNING = 4, OFF = 600 /* 5.5 standard deviations */ };
	const char *process = "test_disk_laten"; /* 15 bytes are kept */
	static char block[4096] __attribute__((aligned(4096)));
	uint64_t requests, bytes, reads, time, counts[BPF_HIST_SLOTS] = {0}, before[BPF_HIST_SLOTS] = {0}, in_histogram = 0;
	const struct culprit_program *programs;
	struct world *w = *state;
	size_t n;
	int fd;

	begin(w);
	fd = open(w->device, O_RDONLY | O_DIRECT | O_CLOEXEC);
	assert_true(fd >= 0);
	thin(w, THINNING);
	n = disk_latency_collector.programs(fixture_run_self(w->run), &programs);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(programs[i].thinning, THINNING);
	requests = figure(w, "read", "requests");
	bytes = figure(w, "read", "bytes");
	time = figure(w, "read", "service_time");
	reads = bpf_run_sum(w->r, "disk_process", "reads", "comm", process);
	bpf_run_counts(w->r, "disk_latency", "service", "name", w->name, before, BPF_HIST_SLOTS);
	for (int i = 0; i < READS; i++)
		assert_int_equal(pread(fd, block, sizeof(block), (off_t)(i * 7919 % (MEGABYTES * 256)) * 4096), sizeof(block));
	fixture_run_sample(w->run);
	assert_true(recorder_table(w->r, "disk_latency")->lost <= 20);
	requests = figure(w, "read", "requests") - requests;
	bytes = figure(w, "read", "bytes") - bytes;
	time = figure(w, "read", "service_time") - time;
	reads = bpf_run_sum(w->r, "disk_process", "reads", "comm", process) - reads;
	bpf_run_counts(w->r, "disk_latency", "service", "name", w->name, counts, BPF_HIST_SLOTS);
	for (size_t i = 0; i < BPF_HIST_SLOTS; i++)
		in_histogram += counts[i] - before[i];
	print_message("%llu for %d reads\n", (unsigned long long)requests, READS);
	assert_int_equal(requests % THINNING, 0);
	assert_in_range(requests, READS - OFF, READS + OFF);
	assert_int_equal(bytes, requests * sizeof(block));
	assert_int_equal(reads, requests);
	assert_int_equal(in_histogram, requests);
	assert_true(time / requests < 1000000000);
	/* And each one again, none with what was noted of another one long before. */
	sleep(1);
	thin(w, 1);
	requests = figure(w, "read", "requests");
	time = figure(w, "read", "service_time");
	for (int i = 0; i < 100; i++)
		assert_int_equal(pread(fd, block, sizeof(block), (off_t)i * 4096), sizeof(block));
	close(fd);
	fixture_run_sample(w->run);
	requests = figure(w, "read", "requests") - requests;
	assert_in_range(requests + recorder_table(w->r, "disk_latency")->lost, 100, 101);
	assert_true((figure(w, "read", "service_time") - time) / requests < 500000000);
}

static void keys_are_those_of_disk(void **state)
{
	struct world *w = *state;
	struct fixture_run *disks;
	const struct recorded_table *t;
	char text[256], key[128];

	begin(w);
	bpf_run_command(text, sizeof(text), "dd if=%s of=/dev/null bs=64k iflag=direct 2>&1", w->device);
	fixture_run_sample(w->run);
	disks = fixture_run_create(&disk_collector, NULL);
	fixture_run_sample(disks);
	t = recorder_table(w->r, "disk_latency");
	assert_true(t->nrows > 0);
	for (size_t i = 0; i < t->nrows; i++) {
		snprintf(key, sizeof(key), "%s %llu", recorder_text(w->r, "disk_latency", &t->rows[i], "name"),
			 (unsigned long long)recorder_u64(w->r, "disk_latency", &t->rows[i], "generation"));
		if (!recorder_find(fixture_run_recorder(disks), "disk", key))
			fail_msg("no row %s in the table disk", key);
	}
	assert_non_null(row(w, "read"));
	fixture_run_destroy(disks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(same_as_biolatency_one_by_one, setup, teardown),
		cmocka_unit_test_setup_teardown(same_as_biolatency_in_batches, setup, teardown),
		cmocka_unit_test_setup_teardown(fio_waits_no_less, setup, teardown),
		cmocka_unit_test_setup_teardown(slow_requests_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(operations_are_told_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(thinned_it_stands_for_all, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_are_those_of_disk, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
