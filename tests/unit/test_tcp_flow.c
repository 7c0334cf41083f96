/* Connections and flows: each byte counts once, whatever is told twice, too late or never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tcp_flow.h"

#ifndef CULPRIT_NO_BPF

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_there_counts_from_now_on),
		cmocka_unit_test(short_and_failed_ones_count),
		cmocka_unit_test(the_same_place_in_memory),
		cmocka_unit_test(shared_sockets_count_once),
		cmocka_unit_test(nobodys_belong_to_the_listener),
		cmocka_unit_test(ends_never_told_are_found),
		cmocka_unit_test(too_many_are_counted),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void without_bpf(void **state)
{
	(void)state;
	skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(without_bpf)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
