/* The collector interrupt against the kernel's own counters, and against the tool softirqs on the same load. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/bpf_run.h"

extern const struct culprit_collector interrupt_collector;

/* Datagrams to ourselves: each is received in a soft interrupt. */
static void send_to_self(unsigned n)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(to);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char byte[64] = "";

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &len), 0);
	for (unsigned i = 0; i < n; i++) {
		assert_true(sendto(fd, byte, sizeof(byte), 0, (struct sockaddr *)&to, sizeof(to)) > 0);
		assert_true(recv(fd, byte, sizeof(byte), 0) > 0);
	}
	close(fd);
}

/* The sum over the CPUs of a line of /proc/softirqs or /proc/interrupts: "NET_RX:  12  34". */
static uint64_t proc_sum(const char *path, const char *name)
{
	char line[8192], *p;
	FILE *f = fopen(path, "re");
	uint64_t sum = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		for (p = line; *p == ' '; p++)
			;
		if (strncmp(p, name, strlen(name)) != 0 || p[strlen(name)] != ':')
			continue;
		for (p = strchr(p, ':') + 1;;) {
			char *end;
			uint64_t v = strtoull(p, &end, 10);

			if (end == p)
				break;
			sum += v;
			p = end;
		}
	}
	fclose(f);
	return sum;
}

/* The sample is taken between two looks at the kernel's counter: it lies between them. Those that run at the very moment
 * are counted at their begin there and at their end here. */
static void soft_interrupts_are_those_of_the_kernel(void **state)
{
	struct fixture_run *run = bpf_run_create(&interrupt_collector);
	struct recorder *r = fixture_run_recorder(run);
	uint64_t before = proc_sum("/proc/softirqs", "NET_RX"), ours, after, first;

	(void)state;
	fixture_run_sample(run);
	ours = bpf_run_sum(r, "softirq", "times", "vector", "net_rx");
	first = proc_sum("/proc/softirqs", "NET_RX");
	send_to_self(20000);
	after = proc_sum("/proc/softirqs", "NET_RX");
	fixture_run_sample(run);
	ours = bpf_run_sum(r, "softirq", "times", "vector", "net_rx") - ours;
	print_message("net_rx: %llu here, %llu by /proc/softirqs\n", (unsigned long long)ours,
		      (unsigned long long)(after - first));
	assert_true(after - first >= 1000);
	assert_true(ours + 64 >= after - first);
	assert_true(ours <= proc_sum("/proc/softirqs", "NET_RX") - before + 64);
	fixture_run_destroy(run);
}

static void histograms_hold_every_time(void **state)
{
	struct fixture_run *run = bpf_run_create(&interrupt_collector);
	struct recorder *r = fixture_run_recorder(run);
	const struct recorded_table *t;

	(void)state;
	send_to_self(2000);
	fixture_run_sample(run);
	t = recorder_table(r, "softirq");
	assert_true(t->nrows > 0);
	for (size_t i = 0; i < t->nrows; i++) {
		const struct recorded_cell *cell = recorder_cell(r, "softirq", &t->rows[i], "took");
		const uint64_t *counts = (const uint64_t *)cell->text;
		uint64_t times = recorder_u64(r, "softirq", &t->rows[i], "times"), sum = 0;

		for (size_t k = 0; k < cell->bits; k++)
			sum += counts[k];
		/* They are read one after the other while they grow. */
		assert_true(sum >= times && sum <= times + times / 10 + 100);
		assert_true(recorder_u64(r, "softirq", &t->rows[i], "longest") <=
			    recorder_u64(r, "softirq", &t->rows[i], "time"));
	}
	fixture_run_destroy(run);
}

static void hard_interrupts_are_those_of_the_kernel(void **state)
{
	struct fixture_run *run = bpf_run_create(&interrupt_collector);
	struct recorder *r = fixture_run_recorder(run);
	static const char file[] = TEST_BUILD "/test-interrupt.data";
	char buf[256], number[24] = "";
	const struct recorded_table *t;
	uint64_t before, after, ours, most = 0;

	(void)state;
	/* The disk below the build folder, where there is one, interrupts when it is read. */
	bpf_run_command(buf, sizeof(buf), "dd if=/dev/urandom of=%s bs=1M count=4 conv=fsync 2>&1", file);
	bpf_run_command(buf, sizeof(buf), "dd if=%s of=/dev/null bs=4k iflag=direct 2>&1", file);
	fixture_run_sample(run);
	t = recorder_table(r, "irq");
	for (size_t i = 0; i < t->nrows; i++) {
		uint64_t times = recorder_u64(r, "irq", &t->rows[i], "times");

		if (times > most) {
			most = times;
			snprintf(number, sizeof(number), "%llu",
				 (unsigned long long)recorder_u64(r, "irq", &t->rows[i], "irq"));
		}
	}
	if (most < 20) {
		unlink(file);
		fixture_run_destroy(run);
		bpf_run_skip("no device here interrupts");
	}
	ours = 0;
	for (size_t i = 0; i < t->nrows; i++)
		if (recorder_u64(r, "irq", &t->rows[i], "irq") == strtoull(number, NULL, 10))
			ours -= recorder_u64(r, "irq", &t->rows[i], "times");
	before = proc_sum("/proc/interrupts", number);
	bpf_run_command(buf, sizeof(buf), "dd if=%s of=/dev/null bs=4k iflag=direct 2>&1", file);
	unlink(file);
	after = proc_sum("/proc/interrupts", number);
	fixture_run_sample(run);
	t = recorder_table(r, "irq");
	for (size_t i = 0; i < t->nrows; i++)
		if (recorder_u64(r, "irq", &t->rows[i], "irq") == strtoull(number, NULL, 10))
			ours += recorder_u64(r, "irq", &t->rows[i], "times");
	print_message("irq %s: %llu here, %llu by /proc/interrupts\n", number, (unsigned long long)ours,
		      (unsigned long long)(after - before));
	/* Others use the disk before and after, too. */
	assert_true(ours + 8 >= after - before);
	assert_true(ours <= (after - before) * 2 + 500);
	fixture_run_destroy(run);
}

/* "net_rx                   12345" of softirqs -N (nanoseconds: its microseconds are cut one by one, and lose half). */
static uint64_t tool_time(const char *text, const char *vector)
{
	const char *at = strstr(text, vector);

	return at ? strtoull(at + strlen(vector), NULL, 10) : 0;
}

/* The tool and we hang at the same tracepoints. We look for as long as it needs to load, longer: a second or more of three. */
static void time_is_that_of_softirqs(void **state)
{
	struct fixture_run *run;
	struct recorder *r;
	char text[4096];
	uint64_t ours, theirs;
	pid_t load;

	(void)state;
	if (bpf_run_command(text, sizeof(text), "softirqs --help 2>&1") != 0)
		bpf_run_skip("needs softirqs (package libbpf-tools)");
	run = bpf_run_create(&interrupt_collector);
	r = fixture_run_recorder(run);
	load = fork();
	assert_true(load >= 0);
	if (load == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			send_to_self(1000);
	}
	fixture_run_sample(run);
	ours = bpf_run_sum(r, "softirq", "time", "vector", "net_rx");
	bpf_run_command(text, sizeof(text), "timeout 60 softirqs -N 3 1 2>&1");
	fixture_run_sample(run);
	ours = bpf_run_sum(r, "softirq", "time", "vector", "net_rx") - ours;
	kill(load, SIGKILL);
	waitpid(load, NULL, 0);
	theirs = tool_time(text, "net_rx");
	print_message("net_rx: %.1f ms here, %.1f ms in the 3 s of softirqs\n", (double)ours / 1e6, (double)theirs / 1e6);
	assert_true(theirs > 0);
	assert_true((double)ours >= 0.85 * (double)theirs);
	assert_true((double)ours <= 3.0 * (double)theirs);
	fixture_run_destroy(run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(soft_interrupts_are_those_of_the_kernel),
		cmocka_unit_test(histograms_hold_every_time),
		cmocka_unit_test(hard_interrupts_are_those_of_the_kernel),
		cmocka_unit_test(time_is_that_of_softirqs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
