/* What findings say of what is waited for: locks, requests to disks, peers, queues of connections, limits. */
#include "unit/findings_test.h"

static void lock_contention(void **state)
{
	struct machine m = well(), innocent = well();

	(void)state;
	m.p[JAVA].lock = 450;
	m.p[JAVA].busy = 500;
	assert_says(&m, "lock-contention", "LIKELY   locks in java 20 fought for", "hurts java 20: 4.5 of 5.0 busy threads wait for locks");
	innocent.p[JAVA].lock = 80;
	assert_calm(&innocent);
	/* It has ended: that is said, and no alarm any more. */
	m.p[JAVA].ended = true;
	assert_says(&m, "lock-contention", "   ENDED    locks in java 20 fought for", "until 14:01:5");
}

/* Held back by a limit: nobody sees a busy disk, and yet it is no innocent. */
static void io_held_back(void **state)
{
	struct machine m = well(), innocent = well();
	struct said *s;

	(void)state;
	m.psi[2] = 48;
	m.p[MYSQLD].disk = 90;
	assert_says(&m, "io-held-back", "LIKELY   i/o waits, and no disk is busy, an i/o limit, or a remote disk?", "hurts mysqld 10: 75% of its busy time");
	/* A little of it is no trouble yet, and does not say that disks are well. */
	innocent.psi[2] = 15;
	assert_calm(&innocent);
	innocent.p[JAVA].lock = 450;
	innocent.p[JAVA].busy = 500;
	s = look(&innocent, 60, 60);
	assert_in(s->line[2], "ruled out cpu mem net limits");
	free(s);
}

static void slow_peer(void **state)
{
	struct machine m = well(), innocent = well();

	(void)state;
	m.peers[0] = "10.2.7.9:5432";
	m.peers[1] = "10.2.7.20:6379";
	m.peer_open[0] = 10;
	m.peer_open[1] = 1;
	m.p[JAVA].net = 2200;
	m.p[JAVA].busy = 2400;
	assert_says(&m, "slow-peer", "LIKELY   peer 10.2.7.9:5432 slow, its answers p99 84.0ms", "hurts java 20: 22 of 24 busy threads wait for it");
	/* It is far, and answers at once: the peer is not slow. */
	m.peer_rtt = 20e6;
	assert_says(&m, "slow-peer", "LIKELY   network to 10.2.7.9:5432 slow, round trip 20.0ms, answers 30.0ms", NULL);
	m.peer_rtt = 0.3e6;
	m.peer_open[1] = 9;
	assert_says(&m, "slow-peer", "CANNOT TELL  peer 10.2.7.9:5432 or 10.2.7.20:6379 slow", NULL);
	/* Connections that are kept open, and threads with something else to do. */
	innocent.peers[0] = "10.2.7.9:5432";
	innocent.peer_open[0] = 100;
	innocent.p[JAVA].net = 30;
	assert_calm(&innocent);
}

static void accept_queue(void **state)
{
	struct machine m = well(), innocent = well();
	struct said *s;

	(void)state;
	m.queue_pct = 125;
	m.drops = 57;
	m.retrans = 40; /* of those that were dropped */
	assert_says(&m, "accept-queue", "CERTAIN  port 8443 accept queue full: java 20 accepts too slowly", "57 connections dropped");
	/* It listens no more. */
	m.closed = true;
	m.retrans = 0;
	assert_says(&m, "accept-queue", "   ENDED    port 8443 accept queue full", NULL);
	m.closed = false;
	m.retrans = 40;
	/* Its server fights for locks: that it accepts too slowly is a sign of that. */
	m.p[JAVA].lock = 450;
	m.p[JAVA].busy = 500;
	s = look(&m, 60, 60);
	assert_int_equal(s->f.n, 1);
	assert_string_equal(s->f.list[0].rule->name, "lock-contention");
	assert_int_equal(s->f.absorbed, 2);
	free(s);
	/* Half full. */
	innocent.queue_pct = 50;
	assert_calm(&innocent);
	/* Without programs its port is not known, but it happens. */
	m = well();
	m.no_root = true;
	m.overflows = 4;
	assert_says(&m, "accept-queue", "CERTAIN  accept queue overflows; port not known", NULL);
}

/* Half of a handshake is all that a flood sends; what is answered to it is sent again, and nothing is lost. */
static void syn_flood(void **state)
{
	struct machine m = well();

	(void)state;
	m.syn_cookies = 266;
	m.retrans = 8;
	m.syn_again = 79;
	assert_says(&m, "syn-queue", "CERTAIN  SYN queue full: connections begin and are not finished", "266/s SYN cookies sent: a flood, or a small backlog");
	/* Without cookies the listener drops; it does not accept too slowly. */
	m.syn_cookies = 0;
	m.syn_drops = 240;
	m.drops = 9000;
	m.queue_pct = 0;
	assert_says(&m, "syn-queue", "CERTAIN  port 8443's SYN queue full: connections begin and are not", "240/s SYNs dropped");
	/* It does, as well. */
	m.queue_pct = 110;
	m.overflows = 3;
	assert_says(&m, "accept-queue", "CERTAIN  port 8443 accept queue full", NULL);
	/* A burst of some connections. */
	m = well();
	m.syn_cookies = 3;
	assert_calm(&m);
	/* Nobody is there to answer. */
	m.retrans = 30;
	m.syn_again = 290;
	assert_says(&m, "network", "LIKELY   connections are not answered, 290 SYNs or SYN-ACKs/s sent again", NULL);
}

static void udp_that_nobody_reads(void **state)
{
	struct machine m = well();

	(void)state;
	m.udp_full = 748;
	assert_says(&m, "udp-full", "CERTAIN  UDP datagrams lost: a receive buffer is full, 748/s, 94% of all", NULL);
	m.udp_full = 0.5;
	assert_calm(&m);
}

static void limits_and_losses(void **state)
{
	struct machine m = well();
	struct finding_who who;
	const char *panel;
	struct said *s;

	(void)state;
	m.p[JAVA].files = 99;
	assert_says(&m, "file-descriptors", "CERTAIN  java 20 nearly out of file descriptors, 99% of its limit", NULL);
	m.p[JAVA].files = 60;
	assert_calm(&m);
	m.conntrack = 99;
	assert_says(&m, "network", "CERTAIN  conntrack table full", NULL);
	m = well();
	m.retrans = 6;
	assert_says(&m, "network", "LIKELY   network loses packets, 6.0% of segments sent again", NULL);
	/* Of 3,600. */
	m.peers[0] = "10.2.7.9:5432";
	m.peers[1] = "10.2.7.10:80";
	m.peer_again[0] = 3000;
	m.peer_again[1] = 200;
	m.p[JAVA].net = 45;
	m.p[JAVA].busy = 50;
	assert_says(&m, "network", "LIKELY   network to 10.2.7.9:5432 loses packets, 6.0% of segments sent again", "hurts java 20: 90% of its busy time");
	s = look(&m, 60, 60);
	assert_true(findings_target(&s->f, &panel, &who));
	assert_string_equal(panel, "net");
	free(s);
	/* To all of them: no peer's. */
	m.peer_again[1] = 1500;
	m.peer_again[0] = 1600;
	assert_says(&m, "network", "LIKELY   network loses packets, 6.0% of segments sent again", NULL);
	m.retrans = 0.3;
	assert_calm(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lock_contention),
		cmocka_unit_test(io_held_back),
		cmocka_unit_test(slow_peer),
		cmocka_unit_test(accept_queue),
		cmocka_unit_test(syn_flood),
		cmocka_unit_test(udp_that_nobody_reads),
		cmocka_unit_test(limits_and_losses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
