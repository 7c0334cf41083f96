/* Connections and flows: each byte counts once, whatever is told twice, too late or never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <malloc.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/frame_recorder.h"
#include "support/touched.h"
#include "tcp_flow.h"
#include "tcp_flow_diag.h"

enum { ESTABLISHED = 1, LISTENING = 10, SERVER = 100, CLIENT = 200 };

static struct tcp_record record_of(uint64_t socket, uint16_t remote_port, uint64_t sent, uint64_t received)
{
	struct tcp_record r = {.socket = socket, .pid = CLIENT, .start = 5, .sent = sent, .received = received, .local_port = 40000,
			       .remote_port = remote_port, .state = ESTABLISHED, .side = TCP_OUT, .rtt_us = 80, .rtt_min_us = 50};

	memcpy(r.comm, "client", 7);
	r.remote[10] = r.remote[11] = 0xff;
	r.remote[12] = 10;
	r.remote[15] = 9;
	return r;
}

static void pass(struct tcp_flows *t, const struct tcp_record *list, size_t n)
{
	tcp_flows_begin(t);
	for (size_t i = 0; i < n; i++)
		tcp_flows_living(t, &list[i]);
	tcp_flows_end(t);
}

static void end(struct tcp_flows *t, struct tcp_record r, unsigned what)
{
	r.what = (unsigned char)what;
	tcp_flows_ended(t, &r);
}

static const struct tcp_flow *only(const struct tcp_flows *t)
{
	const struct tcp_flow *found = NULL;

	for (size_t i = 0; i < TCP_FLOWS_MAX; i++) {
		if (!tcp_flows_at(t, i))
			continue;
		assert_null(found);
		found = tcp_flows_at(t, i);
	}
	assert_non_null(found);
	return found;
}

static void what_was_there_counts_from_now_on(void **state)
{
	struct tcp_flows *t = tcp_flows_create();
	struct tcp_record r = record_of(1, 5432, 1000, 500);
	const struct tcp_flow *f;

	(void)state;
	pass(t, &r, 1);
	f = only(t);
	assert_int_equal(f->sent, 0);
	assert_int_equal(f->open, 1);
	assert_int_equal(f->opened, 0);
	r.sent = 1300;
	pass(t, &r, 1);
	assert_int_equal(f->sent, 300);
	assert_int_equal(f->received, 0);
	r.sent = 1400;
	r.received = 600;
	end(t, r, TCP_ENDED);
	assert_int_equal(f->sent, 400);
	assert_int_equal(f->received, 100);
	assert_int_equal(f->open, 0);
	assert_int_equal(f->closed, 1);
	tcp_flows_destroy(t);
}

static void short_and_failed_ones_count(void **state)
{
	struct tcp_flows *t = tcp_flows_create();
	const struct tcp_flow *f;

	(void)state;
	pass(t, NULL, 0);
	end(t, record_of(7, 80, 10, 20), TCP_ENDED);
	end(t, record_of(7, 80, 10, 20), TCP_ENDED);
	end(t, record_of(8, 80, 0, 0), TCP_FAILED);
	f = only(t);
	assert_int_equal(f->sent, 20);
	assert_int_equal(f->opened, 2);
	assert_int_equal(f->closed, 2);
	assert_int_equal(f->failed, 1);
	tcp_flows_destroy(t);
}

/* The next one lives at the same address before the end of the first is told. */
static void the_same_place_in_memory(void **state)
{
	struct tcp_flows *t = tcp_flows_create();
	struct tcp_record a = record_of(7, 80, 100, 100), b = record_of(7, 80, 5, 5);
	const struct tcp_flow *f;

	(void)state;
	pass(t, NULL, 0);
	b.local_port = 40001;
	pass(t, &a, 1);
	pass(t, &b, 1);
	a.sent = 130;
	end(t, a, TCP_ENDED);
	b.sent = 50;
	end(t, b, TCP_ENDED);
	f = only(t);
	assert_int_equal(f->sent, 180);
	assert_int_equal(f->opened, 2);
	assert_int_equal(f->closed, 2);
	assert_int_equal(f->open, 0);
	tcp_flows_destroy(t);
}

static void shared_sockets_count_once(void **state)
{
	struct tcp_flows *t = tcp_flows_create();
	struct tcp_record r[2] = {record_of(7, 80, 100, 0), record_of(7, 80, 100, 0)};

	(void)state;
	pass(t, NULL, 0);
	r[1].pid = CLIENT + 1; /* its child */
	pass(t, r, 2);
	pass(t, r, 2);
	assert_int_equal(only(t)->sent, 100);
	assert_int_equal(only(t)->open, 1);
	assert_int_equal(only(t)->pid, CLIENT);
	tcp_flows_destroy(t);
}

static void nobodys_belong_to_the_listener(void **state)
{
	struct tcp_flows *t = tcp_flows_create();
	struct tcp_record listener = {.socket = 3, .pid = SERVER, .start = 1, .local_port = 8080, .state = LISTENING, .side = TCP_IN,
				      .backlog = 2, .max_backlog = 16, .drops = 50};
	struct tcp_record in = record_of(9, 50000, 10, 10);
	const struct tcp_listener *list;

	(void)state;
	memcpy(listener.comm, "server", 7);
	pass(t, &listener, 1);
	in.pid = 0;
	in.side = TCP_IN;
	in.local_port = 8080;
	end(t, in, TCP_ENDED);
	assert_int_equal(only(t)->pid, SERVER);
	assert_int_equal(only(t)->peer.port, 8080);
	assert_string_equal(only(t)->comm, "server");
	listener.drops = 53;
	pass(t, &listener, 1);
	assert_int_equal(tcp_flows_listeners(t, &list), 1);
	assert_int_equal(list[0].drops, 3);
	assert_int_equal(list[0].backlog, 2);
	pass(t, NULL, 0);
	assert_int_equal(tcp_flows_listeners(t, &list), 0);
	tcp_flows_destroy(t);
}

static const struct tcp_flow *flow_of_pid(const struct tcp_flows *t, uint32_t pid, uint16_t port)
{
	for (size_t i = 0; i < TCP_FLOWS_MAX; i++) {
		const struct tcp_flow *f = tcp_flows_at(t, i);

		if (f && f->pid == pid && f->peer.port == port)
			return f;
	}
	return NULL;
}

/* Between two looks at open files a socket that listens is told of by itself: its queue is new, who holds it is what was seen. */
static void holders_are_those_seen_last(void **state)
{
	struct tcp_flows *t = tcp_flows_create();
	struct tcp_record listener = {.socket = 3, .pid = SERVER, .start = 1, .local_port = 8080, .state = LISTENING, .side = TCP_IN};
	struct tcp_record both[2] = {listener, listener}, all[4] = {listener, listener, listener, listener}, fresh = listener;
	const struct tcp_listener *list;

	(void)state;
	both[1].pid = SERVER + 1;
	pass(t, both, 2);
	listener.what = TCP_KNOWN;
	listener.pid = SERVER + 1; /* who began it */
	listener.backlog = 5;
	pass(t, &listener, 1);
	assert_int_equal(tcp_flows_listeners(t, &list), 1);
	assert_int_equal(list[0].holders, 2);
	assert_int_equal(list[0].pid, SERVER);
	assert_int_equal(list[0].backlog, 5);
	assert_true(tcp_flows_listens(t, 8080));
	assert_false(tcp_flows_listens(t, 8081));
	/* Both in one pass. */
	all[1].pid = SERVER + 1;
	all[2].pid = SERVER + 2;
	all[3] = listener;
	pass(t, all, 4);
	assert_int_equal(tcp_flows_listeners(t, &list), 1);
	assert_int_equal(list[0].holders, 3);
	/* One that nobody has looked for yet. */
	fresh.what = TCP_KNOWN;
	fresh.socket = 4;
	fresh.local_port = 8081;
	all[2] = fresh;
	all[3] = listener;
	pass(t, &all[2], 2);
	assert_int_equal(tcp_flows_listeners(t, &list), 2);
	assert_int_equal(list[1].holders, 1);
	assert_int_equal(list[1].pid, SERVER);
	/* The kernel's own, or a process's whose files are hidden from us. */
	fresh.local_port = 8082;
	fresh.pid = 0;
	all[3] = fresh;
	pass(t, &all[2], 2);
	assert_int_equal(tcp_flows_listeners(t, &list), 2);
	assert_int_equal(list[1].holders, 0);
	fresh = all[2];
	pass(t, &fresh, 1);
	assert_int_equal(tcp_flows_listeners(t, &list), 1);
	assert_int_equal(list[0].port, 8081);
	tcp_flows_destroy(t);
}

static void whose_it_is_is_found_later(void **state)
{
	struct tcp_flows *t = tcp_flows_create();
	struct tcp_record r = record_of(1, 5432, 100, 0);
	struct tcp_record listener = {.socket = 3, .pid = SERVER, .local_port = 8080, .state = LISTENING, .side = TCP_IN};
	struct tcp_record both[2] = {listener, record_of(9, 50000, 10, 10)};

	(void)state;
	r.pid = 0;
	pass(t, NULL, 0);
	pass(t, &r, 1);
	assert_int_equal(only(t)->open, 1);
	assert_int_equal(only(t)->sent, 100);
	r.pid = CLIENT;
	r.sent = 150;
	pass(t, &r, 1);
	assert_int_equal(flow_of_pid(t, 0, 5432)->open, 0);
	assert_int_equal(flow_of_pid(t, 0, 5432)->sent, 100);
	assert_int_equal(flow_of_pid(t, CLIENT, 5432)->open, 1);
	assert_int_equal(flow_of_pid(t, CLIENT, 5432)->sent, 50);
	/* Not known again: it stays. */
	r.pid = 0;
	pass(t, &r, 1);
	assert_int_equal(flow_of_pid(t, CLIENT, 5432)->open, 1);
	pass(t, NULL, 0);
	pass(t, NULL, 0);
	assert_int_equal(flow_of_pid(t, CLIENT, 5432)->open, 0);
	assert_int_equal(flow_of_pid(t, CLIENT, 5432)->closed, 1);
	/* Nobody's is its listener's, until a child of it takes it. */
	both[1].pid = 0;
	both[1].side = TCP_IN;
	both[1].local_port = 8080;
	pass(t, both, 2);
	assert_int_equal(flow_of_pid(t, SERVER, 8080)->open, 1);
	both[1].pid = SERVER + 1;
	pass(t, both, 2);
	assert_int_equal(flow_of_pid(t, SERVER, 8080)->open, 0);
	assert_int_equal(flow_of_pid(t, SERVER + 1, 8080)->open, 1);
	tcp_flows_destroy(t);
}

/* Read while something is sent again, what was sent may seem to fall: it is no other connection, and nothing counts twice. */
static void read_while_it_is_sent_again(void **state)
{
	struct tcp_flows *t = tcp_flows_create();
	struct tcp_record r = record_of(1, 5432, 1000000, 5);

	(void)state;
	r.segments_out = 700;
	pass(t, NULL, 0);
	pass(t, &r, 1);
	r.sent -= 1448;
	pass(t, &r, 1);
	r.sent += 1448;
	pass(t, &r, 1);
	assert_int_equal(only(t)->sent, 1000000);
	assert_int_equal(only(t)->opened, 1);
	tcp_flows_destroy(t);
}

static void ends_never_told_are_found(void **state)
{
	struct tcp_flows *t = tcp_flows_create();
	struct tcp_record r = record_of(1, 5432, 1000, 500);

	(void)state;
	pass(t, &r, 1);
	for (int i = 0; i < 3; i++)
		pass(t, NULL, 0);
	assert_int_equal(only(t)->open, 0);
	assert_int_equal(only(t)->closed, 1);
	/* Nobody comes back: it goes. */
	for (int i = 0; i < TCP_FLOW_KEPT + 1; i++)
		pass(t, NULL, 0);
	for (size_t i = 0; i < TCP_FLOWS_MAX; i++)
		assert_null(tcp_flows_at(t, i));
	tcp_flows_destroy(t);
}

static void too_many_are_counted(void **state)
{
	struct tcp_flows *t = tcp_flows_create();

	(void)state;
	for (int round = 0; round < 2; round++) {
		tcp_flows_begin(t);
		for (uint32_t i = 0; i < TCP_CONNECTIONS_MAX + 100; i++) {
			struct tcp_record r = record_of(64 + i * 64ull, 443, i, i);

			r.local_port = (uint16_t)i;
			tcp_flows_living(t, &r);
		}
		tcp_flows_end(t);
	}
	assert_int_equal(tcp_flows_lost(t), 200);
	assert_int_equal(only(t)->open, TCP_CONNECTIONS_MAX);
	pass(t, NULL, 0);
	pass(t, NULL, 0);
	assert_int_equal(only(t)->open, 0);
	/* Their places are free again. */
	for (uint32_t i = 0; i < TCP_FLOWS_MAX + 10; i++)
		end(t, record_of(1 + i, (uint16_t)(1000 + i), 1, 1), TCP_ENDED);
	assert_int_equal(tcp_flows_lost(t), 200 + 11);
	tcp_flows_destroy(t);
}

static void names(void **state)
{
	unsigned char v4[16] = {[10] = 0xff, [11] = 0xff, 10, 2, 7, 9}, v6[16] = {[15] = 1};
	char name[TCP_NAME_MAX];

	(void)state;
	assert_int_equal(tcp_name(name, v4, 5432), strlen("10.2.7.9:5432"));
	assert_string_equal(name, "10.2.7.9:5432");
	tcp_name(name, v4, 0);
	assert_string_equal(name, "10.2.7.9");
	tcp_name(name, v6, 80);
	assert_string_equal(name, "[::1]:80");
	memset(v6, 0xfe, sizeof(v6));
	assert_in_range(tcp_name(name, v6, 65535), 1, TCP_NAME_MAX - 1);
}

struct taken {
	unsigned n;
	struct tcp_record last;
	uint32_t inode;
};

static void take(void *self, const struct tcp_record *r, uint32_t inode)
{
	struct taken *t = self;

	t->n++;
	t->last = *r;
	t->inode = inode;
}

/* So many open files that one tick is not enough: whose socket it is is found in one of the next. */
static void many_open_files(void **state)
{
	enum { FILES = 6000, TICKS = 4000 };
	struct rlimit before, more = {FILES + 100, FILES + 100};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct tcp_flows *flows = tcp_flows_create();
	struct culprit_error error = {""};
	const struct tcp_listener *list;
	socklen_t len = sizeof(at);
	struct fixture_host h;
	struct tcp_diag *d;
	int first, listening, ticks;
	uint32_t pid = 0, passed_over = 0;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	more.rlim_max = before.rlim_max;
	fixture_host_init(&h, NULL);
	h.host.interval_ns = 1000000000u;
	d = tcp_diag_create(&h.host, &error);
	if (before.rlim_max < more.rlim_cur || !d) {
		print_message("skipped: %s\n", d ? "not so many open files are allowed" : error.sentence);
		skip();
	}
	setrlimit(RLIMIT_NOFILE, &more);
	first = open("/dev/null", O_RDONLY);
	for (int i = 1; i < FILES; i++)
		assert_true(dup(first) >= 0);
	/* Behind them all. */
	listening = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listening, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listening, 4), 0);
	getsockname(listening, (struct sockaddr *)&at, &len);
	for (ticks = 0; ticks < TICKS && !pid; ticks++) {
		size_t n;

		assert_int_equal(tcp_diag_pass(d, flows), 0);
		n = tcp_flows_listeners(flows, &list);
		for (size_t i = 0; i < n; i++)
			if (list[i].port == ntohs(at.sin_port))
				pid = list[i].pid;
		passed_over += !pid;
		tcp_diag_look(d);
	}
	for (int fd = first; fd <= listening; fd++)
		close(fd);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(pid, getpid());
	/* It is no test where all was looked at at once. */
	assert_true(passed_over > 0);
	tcp_diag_destroy(d);
	tcp_flows_destroy(flows);
	fixture_host_finish(&h);
}

/* What the kernel says of sockets, whole, cut at each byte, and garbled: nothing beyond its end is read (sanitizers tell). */
static void what_the_kernel_says(void **state)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_msg m;
		struct nlattr a;
		uint32_t memory[SK_MEMINFO_DROPS + 1];
		struct nlmsghdr done;
	} whole = {
		.h = {.nlmsg_len = offsetof(typeof(whole), done), .nlmsg_type = SOCK_DIAG_BY_FAMILY},
		.m = {.idiag_family = 2, .idiag_state = LISTENING, .idiag_rqueue = 3, .idiag_wqueue = 128, .idiag_inode = 77},
		.a = {.nla_len = sizeof(whole.a) + sizeof(whole.memory), .nla_type = INET_DIAG_SKMEMINFO},
		.memory = {[SK_MEMINFO_DROPS] = 9},
		.done = {.nlmsg_len = sizeof(whole.done), .nlmsg_type = NLMSG_DONE},
	};
	/* A connection; then an end that is none, but an error. */
	struct __attribute__((packed)) {
		struct nlmsghdr h;
		struct inet_diag_msg m;
		struct nlattr a;
		struct tcp_info info;
		struct nlmsghdr done;
		int err;
	} said = {
		.a = {.nla_len = sizeof(said.a) + sizeof(said.info), .nla_type = INET_DIAG_INFO},
		.done = {.nlmsg_len = sizeof(said.done) + sizeof(said.err), .nlmsg_type = NLMSG_DONE},
		.err = -EINTR,
	};
	struct taken t = {0};

	(void)state;
	whole.m.id.idiag_sport = 0x901f; /* 8080, as it comes */
	memcpy(whole.m.id.idiag_src, "\x7f\0\0\1", 4);
	assert_int_equal(tcp_diag_parse(&whole, sizeof(whole), take, &t), 1);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.inode, 77);
	assert_int_equal(t.last.local_port, 8080);
	assert_int_equal(t.last.local[12], 127);
	assert_int_equal(t.last.backlog, 3);
	assert_int_equal(t.last.max_backlog, 128);
	assert_int_equal(t.last.drops, 9);
	said.h = whole.h;
	said.m = whole.m;
	said.m.idiag_state = ESTABLISHED;
	said.h.nlmsg_len = offsetof(typeof(said), done);
	said.info.tcpi_bytes_sent = 5000;
	said.info.tcpi_bytes_retrans = 2000;
	said.info.tcpi_bytes_acked = 1001;
	said.m.idiag_wqueue = 1999;
	assert_int_equal(tcp_diag_parse(&said, sizeof(said), take, &t), -EINTR);
	assert_int_equal(t.last.sent, 3000);
	/* Dropped before it left, and sent anew. */
	said.info.tcpi_bytes_sent = 9000;
	tcp_diag_parse(&said, sizeof(said), take, &t);
	assert_int_equal(t.last.sent, 3000);
	/* As an older kernel says it. */
	said.info.tcpi_bytes_sent = said.info.tcpi_bytes_retrans = 0;
	tcp_diag_parse(&said, sizeof(said), take, &t);
	assert_int_equal(t.last.sent, 1001);
	for (size_t n = 0; n < sizeof(whole); n++) {
		char *cut = malloc(n ? n : 1);

		memcpy(cut, &whole, n);
		assert_in_range(tcp_diag_parse(cut, n, take, &t) + 4096, 0, 4097);
		free(cut);
	}
	srand(1);
	for (int i = 0; i < 20000; i++) {
		char *garbled = malloc(sizeof(whole));

		memcpy(garbled, &whole, sizeof(whole));
		for (int k = 0; k < 3; k++)
			garbled[rand() % (int)sizeof(whole)] = (char)rand();
		tcp_diag_parse(garbled, sizeof(whole), take, &t);
		free(garbled);
	}
}

/* There is room for thousands; where there are none, it takes no memory. */
static void room_takes_no_memory(void **state)
{
	struct tcp_record r = record_of(1, 80, 100, 0);
	struct tcp_flows *t;

	(void)state;
	t = tcp_flows_create();
	for (unsigned i = 0; i < 3; i++) {
		pass(t, &r, 1);
		assert_non_null(only(t));
	}
	/* Two tables of 16 KB to find them by, and what stands beside those. */
	assert_in_range(touched_pages(t), 0, 20);
	tcp_flows_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_kernel_says),
		cmocka_unit_test(what_was_there_counts_from_now_on),
		cmocka_unit_test(short_and_failed_ones_count),
		cmocka_unit_test(the_same_place_in_memory),
		cmocka_unit_test(shared_sockets_count_once),
		cmocka_unit_test(nobodys_belong_to_the_listener),
		cmocka_unit_test(holders_are_those_seen_last),
		cmocka_unit_test(whose_it_is_is_found_later),
		cmocka_unit_test(read_while_it_is_sent_again),
		cmocka_unit_test(many_open_files),
		cmocka_unit_test(ends_never_told_are_found),
		cmocka_unit_test(too_many_are_counted),
		cmocka_unit_test(room_takes_no_memory),
		cmocka_unit_test(names),
	};

	mallopt(M_MMAP_THRESHOLD, 64 << 10); /* as in the program, whatever was freed before */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
