/* Whose TCP sockets are, in both ways that there are to know it (tcp_watch.c), as far as this kernel takes them: without looking at all
 * files each time, in another network namespace, and where we may not go there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bpf.h"
#include "support/bpf_run.h"
#include "tcp_watch.h"

enum { PASSES = 6, MANY = 5000, BYTES = 1000 };

struct world {
	struct fixture_host host;
	struct tcp_flows *flows;
	struct tcp_watch *watch;
};

/* Its program for all files is of this way, or the test is skipped. */
static void begin(struct world *w, unsigned way)
{
	struct culprit_error error = {""};

	fixture_host_init(&w->host, NULL);
	w->flows = tcp_flows_create();
	assert_non_null(w->flows);
	bpf_first_way(way);
	w->watch = tcp_watch_create(&w->host.host, w->flows, &error);
	bpf_first_way(1);
	if (w->watch && tcp_watch_is_on(w->watch, TCP_FILES) && tcp_watch_is_on(w->watch, TCP_SOCKETS)) {
		const struct culprit_program *list;
		size_t n = tcp_watch_programs(w->watch, &list);
		bool is = false;

		for (size_t i = 0; i < n; i++) {
			assert_true(list[i].state != CULPRIT_PROGRAM_MISSING);
			is |= strcmp(list[i].name, way == 1 ? "tcp_files" : "tcp_files_read") == 0;
		}
		if (is)
			return;
		snprintf(error.sentence, sizeof(error.sentence), "this kernel does not take the programs of way %u", way);
	}
	tcp_watch_destroy(w->watch);
	tcp_flows_destroy(w->flows);
	fixture_host_finish(&w->host);
	bpf_run_skip("%s", error.sentence);
}

static void end(struct world *w)
{
	tcp_watch_destroy(w->watch);
	tcp_flows_destroy(w->flows);
	fixture_host_finish(&w->host);
}

/* Was it with a look at all files? */
static bool pass(struct world *w, bool owners)
{
	uint64_t owners_ns;

	tcp_watch_ends(w->watch);
	assert_int_equal(tcp_watch_pass(w->watch, owners, &owners_ns), 0);
	return owners_ns != 0;
}

/* Until nothing is left that only a look at files tells of. Others' sockets and namespaces come and go on this machine meanwhile. */
static void settle(struct world *w)
{
	for (unsigned i = 0; i < PASSES; i++) {
		pass(w, true);
		if (!tcp_watch_needs_owners(w->watch))
			return;
	}
	fail_msg("each pass has to look at all files");
}

static void pass_without_files(struct world *w)
{
	for (unsigned i = 0; pass(w, false); i++) {
		assert_true(i < PASSES);
		settle(w);
	}
}

static const struct tcp_flow *flow_to(const struct world *w, uint32_t pid, enum tcp_side side, uint16_t port)
{
	for (size_t i = 0; i < TCP_FLOWS_MAX; i++) {
		const struct tcp_flow *f = tcp_flows_at(w->flows, i);

		if (f && f->pid == pid && f->peer.side == side && f->peer.port == port)
			return f;
	}
	return NULL;
}

static const struct tcp_listener *listener(const struct world *w, uint16_t port)
{
	const struct tcp_listener *list;
	size_t n = tcp_flows_listeners(w->flows, &list);

	for (size_t i = 0; i < n; i++) {
		if (list[i].port == port)
			return &list[i];
	}
	return NULL;
}

struct ends {
	int listener, client, server;
	uint16_t port;
};

static int connect_to(uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ? fd : -1;
}

static struct ends connected(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct ends e = {.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	socklen_t len = sizeof(at);

	if (bind(e.listener, (struct sockaddr *)&at, sizeof(at)) || listen(e.listener, 128) ||
	    getsockname(e.listener, (struct sockaddr *)&at, &len))
		abort();
	e.port = ntohs(at.sin_port);
	e.client = connect_to(e.port);
	e.server = accept4(e.listener, NULL, NULL, SOCK_CLOEXEC);
	if (e.client < 0 || e.server < 0)
		abort();
	return e;
}

static void say(const struct ends *e)
{
	char bytes[BYTES] = "";

	if (write(e->client, bytes, BYTES) != BYTES || recv(e->server, bytes, BYTES, MSG_WAITALL) != BYTES)
		abort();
}

static void finish(const struct ends *e)
{
	close(e->client);
	close(e->server);
	close(e->listener);
}

static void known_without_files(unsigned way)
{
	struct ends e = connected();
	uint32_t me = (uint32_t)getpid();
	struct world w;
	const struct tcp_flow *out, *in;

	begin(&w, way);
	settle(&w);
	out = flow_to(&w, me, TCP_OUT, e.port);
	in = flow_to(&w, me, TCP_IN, e.port);
	assert_non_null(out);
	assert_non_null(in);
	assert_int_equal(out->open, 1);
	assert_int_equal(in->open, 1);
	say(&e);
	pass_without_files(&w);
	assert_int_equal(out->sent, BYTES);
	assert_int_equal(in->received, BYTES);
	assert_non_null(listener(&w, e.port));
	assert_int_equal(listener(&w, e.port)->pid, me);
	finish(&e);
	pass_without_files(&w);
	assert_int_equal(out->open, 0);
	assert_null(listener(&w, e.port));
	end(&w);
}

/* The look at files comes by the server before it comes by who listens. */
static void asked_although_nobody_listens_yet(unsigned way)
{
	struct ends e = connected();
	int order[2];
	struct world w;
	pid_t child;
	char byte;

	assert_int_equal(pipe2(order, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		close(e.client);
		close(e.server);
		close(order[1]);
		_exit((int)read(order[0], &byte, 1));
	}
	close(e.listener);
	begin(&w, way);
	settle(&w);
	assert_non_null(flow_to(&w, (uint32_t)getpid(), TCP_IN, e.port));
	assert_int_equal(listener(&w, e.port)->pid, child);
	end(&w);
	close(e.client);
	close(e.server);
	close(order[0]);
	close(order[1]);
	waitpid(child, NULL, 0);
}

static void loopback_up(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (ioctl(fd, SIOCSIFFLAGS, &lo))
		abort();
	close(fd);
}

struct container {
	pid_t pid, other; /* both hold its sockets */
	uint16_t port;
	int orders, answers;
};

/* A process in a namespace of its own, and one more that holds the same. On an order that says BYTES bytes. `returns`: the first goes back
 * to where it came from. */
static bool contain(struct container *c, bool returns)
{
	int orders[2], answers[2], here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	char byte;

	assert_int_equal(pipe2(orders, O_CLOEXEC), 0);
	assert_int_equal(pipe2(answers, O_CLOEXEC), 0);
	c->pid = fork();
	assert_true(c->pid >= 0);
	if (!c->pid) {
		struct ends e;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(120);
		if (unshare(CLONE_NEWNET))
			_exit(1);
		loopback_up();
		e = connected();
		c->other = fork();
		if (!c->other) {
			prctl(PR_SET_PDEATHSIG, 0);
			alarm(120);
			close(orders[1]);
			close(here);
			/* Until all that give orders have ended. */
			for (close(answers[0]); read(orders[0], &byte, 1) > 0;) {
				say(&e);
				(void)!write(answers[1], &byte, 1);
			}
			_exit(0);
		}
		if (returns && setns(here, CLONE_NEWNET))
			_exit(1);
		close(here);
		(void)!write(answers[1], &e.port, sizeof(e.port));
		(void)!write(answers[1], &c->other, sizeof(c->other));
		close(orders[1]);
		pause();
		_exit(0);
	}
	close(here);
	close(orders[0]);
	close(answers[1]);
	c->orders = orders[1];
	c->answers = answers[0];
	return read(c->answers, &c->port, sizeof(c->port)) == sizeof(c->port) &&
	       read(c->answers, &c->other, sizeof(c->other)) == sizeof(c->other);
}

static void order(const struct container *c)
{
	char byte = 1;

	assert_int_equal(write(c->orders, &byte, 1), 1);
	assert_int_equal(read(c->answers, &byte, 1), 1);
}

static void discard(const struct container *c, bool first)
{
	if (first) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
	}
	close(c->orders);
	close(c->answers);
}

static ino_t own_net(void)
{
	struct stat st;

	assert_int_equal(stat("/proc/thread-self/ns/net", &st), 0);
	return st.st_ino;
}

static bool holds_a_namespace(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	bool is = false;

	assert_non_null(d);
	while ((e = readdir(d))) {
		char to[64] = "";

		if (readlinkat(dirfd(d), e->d_name, to, sizeof(to) - 1) > 0)
			is |= strncmp(to, "net:", 4) == 0 || strstr(to, "bpf_iter");
	}
	closedir(d);
	return is;
}

static void known_in_another_namespace(unsigned way)
{
	struct container c;
	const struct tcp_flow *out;
	ino_t own = own_net();
	struct world w;

	begin(&w, way);
	if (!contain(&c, false)) {
		end(&w);
		bpf_run_skip("no network namespace of our own here");
	}
	settle(&w);
	out = flow_to(&w, (uint32_t)c.pid, TCP_OUT, c.port);
	assert_non_null(out);
	assert_non_null(flow_to(&w, (uint32_t)c.pid, TCP_IN, c.port));
	order(&c);
	pass_without_files(&w);
	assert_int_equal(out->sent, BYTES);
	assert_non_null(listener(&w, c.port));
	assert_int_equal(listener(&w, c.port)->pid, c.pid);
	assert_int_equal(listener(&w, c.port)->holders, 2);
	assert_int_equal(own_net(), own);
	assert_false(holds_a_namespace());
	/* By whom its namespace was found has ended; whoever else is in it takes that place, in the same pass. */
	kill(c.pid, SIGKILL);
	waitpid(c.pid, NULL, 0);
	order(&c);
	assert_int_equal(pass(&w, false), way == 2);
	assert_non_null(listener(&w, c.port));
	if (way == 2)
		assert_int_equal(listener(&w, c.port)->pid, c.other);
	settle(&w);
	order(&c);
	pass_without_files(&w);
	assert_int_equal(out->sent, 3 * BYTES);
	assert_non_null(listener(&w, c.port));
	discard(&c, false);
	end(&w);
}

/* The capability by which one enters a namespace. */
static void administrator(bool is)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	if (is)
		data[0].effective |= 1u << CAP_SYS_ADMIN;
	else
		data[0].effective &= ~(1u << CAP_SYS_ADMIN);
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
}

/* The first who is found to hold its sockets is not in there. */
static void made_and_left(unsigned way)
{
	struct container c;
	struct world w;

	begin(&w, way);
	if (!contain(&c, true)) {
		end(&w);
		bpf_run_skip("no network namespace of our own here");
	}
	settle(&w);
	order(&c);
	pass_without_files(&w);
	assert_non_null(listener(&w, c.port));
	assert_int_equal(listener(&w, c.port)->pid, c.pid);
	assert_int_equal(flow_to(&w, (uint32_t)c.pid, TCP_OUT, c.port)->sent, BYTES);
	discard(&c, true);
	end(&w);
}

static void where_we_may_not_go_files_tell(void **state)
{
	struct container c;
	struct world w;

	(void)state;
	begin(&w, 2);
	if (!contain(&c, false)) {
		end(&w);
		bpf_run_skip("no network namespace of our own here");
	}
	administrator(false);
	for (unsigned i = 0; i < 3; i++) {
		pass(&w, true);
		assert_true(tcp_watch_needs_owners(w.watch));
		order(&c);
		assert_non_null(listener(&w, c.port));
		assert_int_equal(listener(&w, c.port)->pid, c.pid);
		assert_non_null(flow_to(&w, (uint32_t)c.pid, TCP_OUT, c.port));
		assert_int_equal(flow_to(&w, (uint32_t)c.pid, TCP_OUT, c.port)->sent, i * BYTES);
	}
	/* Nobody asked for a look at files; it comes nevertheless. */
	assert_true(pass(&w, false));
	administrator(true);
	settle(&w);
	pass_without_files(&w);
	assert_non_null(listener(&w, c.port));
	discard(&c, true);
	end(&w);
}

/* While processes that hold them come and go. */
static void ten_thousand(unsigned way)
{
	struct rlimit limit, before;
	struct ends e = connected();
	uint32_t me = (uint32_t)getpid();
	const struct tcp_flow *out, *in;
	static int fds[2 * MANY];
	struct world w;
	pid_t forks;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	if (limit.rlim_max < 3 * MANY)
		bpf_run_skip("no room for %d open files", 3 * MANY);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	begin(&w, way);
	for (unsigned i = 0; i < MANY; i++) {
		fds[2 * i] = connect_to(e.port);
		fds[2 * i + 1] = accept4(e.listener, NULL, NULL, SOCK_CLOEXEC);
		assert_true(fds[2 * i] >= 0 && fds[2 * i + 1] >= 0);
	}
	forks = fork();
	assert_true(forks >= 0);
	if (!forks) {
		struct timespec begun, now;

		clock_gettime(CLOCK_MONOTONIC, &begun);
		do {
			pid_t child = fork();

			if (!child)
				_exit(0);
			waitpid(child, NULL, 0);
			clock_gettime(CLOCK_MONOTONIC, &now);
		} while (now.tv_sec < begun.tv_sec + 10 && getppid() == (pid_t)me);
		_exit(0);
	}
	for (unsigned i = 0; i < PASSES; i++)
		pass(&w, true);
	kill(forks, SIGKILL);
	waitpid(forks, NULL, 0);
	settle(&w);
	pass_without_files(&w);
	out = flow_to(&w, me, TCP_OUT, e.port);
	in = flow_to(&w, me, TCP_IN, e.port);
	assert_true(out && out->open == MANY + 1);
	assert_true(in && in->open == MANY + 1);
	for (unsigned i = 0; i < 2 * MANY; i++) {
		close(fds[i]);
		if (i % 100 == 0)
			tcp_watch_ends(w.watch);
	}
	pass_without_files(&w);
	assert_true(out->open <= 1 && in->open <= 1);
	finish(&e);
	end(&w);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void noted_beside_sockets(void **state)
{
	(void)state;
	known_without_files(1);
}

static void noted_before_who_listens(void **state)
{
	(void)state;
	asked_although_nobody_listens_yet(1);
}

static void read_before_who_listens(void **state)
{
	(void)state;
	asked_although_nobody_listens_yet(2);
}

static void noted_in_another_namespace(void **state)
{
	(void)state;
	known_in_another_namespace(1);
}

static void noted_and_left(void **state)
{
	(void)state;
	made_and_left(1);
}

static void read_and_left(void **state)
{
	(void)state;
	made_and_left(2);
}

static void ten_thousand_noted(void **state)
{
	(void)state;
	ten_thousand(1);
}

static void read_by_namespace(void **state)
{
	(void)state;
	known_without_files(2);
}

static void read_in_another_namespace(void **state)
{
	(void)state;
	known_in_another_namespace(2);
}

static void ten_thousand_read(void **state)
{
	(void)state;
	ten_thousand(2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(noted_beside_sockets),
		cmocka_unit_test(noted_before_who_listens),
		cmocka_unit_test(noted_in_another_namespace),
		cmocka_unit_test(noted_and_left),
		cmocka_unit_test(ten_thousand_noted),
		cmocka_unit_test(read_by_namespace),
		cmocka_unit_test(read_before_who_listens),
		cmocka_unit_test(read_in_another_namespace),
		cmocka_unit_test(read_and_left),
		cmocka_unit_test(where_we_may_not_go_files_tell),
		cmocka_unit_test(ten_thousand_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
