/* What tasks wait for beside the machine: locks, peers, the network; what hangs; limits of processes and groups. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "findings_rules.h"
#include "number.h"
#include "units.h"

/* --- waits ------------------------------------------------------------------------------------------------------- */

/* Threads that wait for locks more than they do anything: two that always do. */
static bool locks(const struct facts *f, struct finding *x)
{
	const struct process_top *t = &f->top[TOP_LOCK];
	char what[96];

	if (!(t->value >= 200))
		return false;
	snprintf(what, sizeof(what), "locks in %.39s %llu", t->name, (unsigned long long)t->key.bits[0]);
	finding_is(x, FINDING_LIKELY, number_min(t->value / 1000, 0.9), what, "fought for");
	snprintf(x->evidence, sizeof(x->evidence), "%.1f of its threads wait for locks", t->value / 100);
	return true;
}

static void lock_who(struct findings *fs, const struct lens *lens, struct finding *x)
{
	const struct process_top *t = &fs->facts.top[TOP_LOCK];

	(void)lens;
	/* The process does it to itself: who holds them stands in its stacks. */
	snprintf(x->victim.name, sizeof(x->victim.name), "%.*s", FINDINGS_NAME_MAX - 1, t->name);
	x->victim.pid = t->key.bits[0];
	x->victim.key = t->key;
}

/* A process whose threads wait for a peer most of what they do: half of one thread's time at least. */
static bool peer(const struct facts *f, struct finding *x)
{
	const struct process_top *t = &f->top[TOP_NET];

	if (!(t->value >= 50))
		return false;
	finding_is(x, FINDING_LIKELY, number_min(t->value / 1000, 0.8), "peer", "slow");
	return true;
}

struct flow {
	char peer[64];
	double weight, rtt; /* rtt: ns, the shortest there was */
};

/* Answers that take less than four times what the way there and back takes are made quickly; a way of less than this is short. */
#define QUICK_TRIPS 4
#define LONG_WAY_NS 1e6

/* Of its connections out, the peer most of them, and most of the traffic, go to. Idle ones have no traffic. */
static void peer_who(struct findings *fs, const struct lens *lens, struct finding *x)
{
	const struct process_top *t = &fs->facts.top[TOP_NET];
	struct flow first = {"", 0, NAN}, second = {"", 0, NAN};
	char side[8], one[32], two[32];
	double p50 = NAN, p99 = NAN;

	snprintf(x->victim.name, sizeof(x->victim.name), "%.*s", FINDINGS_NAME_MAX - 1, t->name);
	x->victim.pid = t->key.bits[0];
	x->victim.key = t->key;
	query_sort(fs->query, NULL, false);
	if (!query_run(fs->query, lens, "tcp_flow", QUERY_OWN, NULL)) {
		for (size_t i = 0; i < query_nrows(fs->query); i++) {
			struct flow one_flow;
			double open;

			if (query_number(fs->query, i, "pid") != (double)t->key.bits[0])
				continue;
			query_text(fs->query, i, "side", side, sizeof(side));
			open = number_max(query_number(fs->query, i, "open"), 0) + number_max(query_number(fs->query, i, "opened"), 0);
			if (strcmp(side, "out") != 0 || !(open > 0) || !(query_number(fs->query, i, "segments") > 0))
				continue;
			query_text(fs->query, i, "peer", one_flow.peer, sizeof(one_flow.peer));
			one_flow.weight = open;
			one_flow.rtt = query_number(fs->query, i, "rtt_min");
			if (one_flow.weight > first.weight) {
				second = first;
				first = one_flow;
			} else if (one_flow.weight > second.weight) {
				second = one_flow;
			}
		}
	}
	if (!first.peer[0]) {
		/* It may wait for those who ask it. */
		x->confidence = FINDING_CANNOT_TELL;
		x->minor = true;
		snprintf(x->object, sizeof(x->object), "network");
		snprintf(x->state, sizeof(x->state), "waited for; peer not known");
		return;
	}
	if (!query_run(fs->query, lens, "tcp_peer", QUERY_OWN, NULL)) {
		for (size_t i = 0; i < query_nrows(fs->query); i++) {
			char name[64];

			query_text(fs->query, i, "peer", name, sizeof(name));
			query_text(fs->query, i, "side", side, sizeof(side));
			if (strcmp(name, first.peer) != 0 || strcmp(side, "out") != 0)
				continue;
			p99 = query_number(fs->query, i, "answer_p99");
			p50 = query_number(fs->query, i, "answer_p50");
		}
	}
	snprintf(x->object, sizeof(x->object), "peer %s", first.peer);
	if (!isnan(p99))
		snprintf(x->evidence, sizeof(x->evidence), "its answers p99 %s", units_format_short(one, sizeof(one), p99, CULPRIT_NS));
	/* It answers as soon as it is asked; it is far, or what lies between is slow. */
	if (first.rtt >= LONG_WAY_NS && p50 < QUICK_TRIPS * first.rtt) {
		snprintf(x->object, sizeof(x->object), "network to %.60s", first.peer);
		snprintf(x->evidence, sizeof(x->evidence), "round trip %s, answers %s", units_format_short(one, sizeof(one), first.rtt, CULPRIT_NS),
			 units_format_short(two, sizeof(two), p50, CULPRIT_NS));
	}
	if (second.weight > 0.6 * first.weight) {
		x->confidence = FINDING_CANNOT_TELL;
		snprintf(x->object, sizeof(x->object), "peer %.40s or %.40s", first.peer, second.peer);
	}
}

/* A thread in state D now: whether it has been so for 10 s is looked for in the samples (findings_since.c). */
static bool hung(const struct facts *f, struct finding *x)
{
	if (!f->nstuck && !f->nwaiting)
		return false;
	finding_is(x, FINDING_CERTAIN, 1, "", "stuck in the kernel (over 10 s)");
	return true;
}

/* --- network, limits --------------------------------------------------------------------------------------------- */

/* More connections begin than are finished (half of a handshake is all that a flood sends). The kernel's own counts: dropped is any that is
 * lost (PCP); with cookies nobody is lost, and a few of them are a burst. */
static bool syn_queue(const struct facts *f, struct finding *x)
{
	bool drops = f->syn_drops >= 1, cookies = f->syn_cookies >= 10;
	char one[32], what[48] = "SYN queue";

	if (!drops && !cookies)
		return false;
	/* What is dropped counts at the socket, too; what gets a cookie does not. */
	if (drops && f->listener.row != SIZE_MAX && f->listener.drops > 0)
		snprintf(what, sizeof(what), "port %.0f's SYN queue", f->listener.port);
	finding_is(x, FINDING_CERTAIN, drops ? 0.6 : 0.4, what, "full: connections begin and are not finished");
	snprintf(x->evidence, sizeof(x->evidence), drops ? "%s SYNs dropped: a flood, or a small backlog" : "%s SYN cookies sent: a flood, or a small backlog",
		 units_format_short(one, sizeof(one), drops ? f->syn_drops : f->syn_cookies, CULPRIT_COUNT_PER_S));
	return true;
}

/* Any: a connection was lost (PCP). */
static bool accept_queue(const struct facts *f, struct finding *x)
{
	char what[48], one[32];

	if (f->listener.row == SIZE_MAX) {
		if (!(f->overflows > 0))
			return false;
		finding_is(x, FINDING_CERTAIN, 0.5, "accept queue", "overflows; port not known");
		snprintf(x->evidence, sizeof(x->evidence), "%s connections dropped",
			 units_format_short(one, sizeof(one), f->overflows, CULPRIT_COUNT_PER_S));
		return true;
	}
	/* Whose SYN queue is full drops, too, and accepts as quickly as it can. */
	if (f->syn_drops >= 1 && !(f->overflows > 0) && !(f->listener.queue_pct >= 100))
		return false;
	snprintf(what, sizeof(what), "port %.0f", f->listener.port);
	finding_is(x, FINDING_CERTAIN, 0.5, what, "accept queue full");
	x->ended_ns = f->listener.ended_ns;
	if (f->listener.drops > 0)
		snprintf(x->evidence, sizeof(x->evidence), "%s connections dropped",
			 units_format_short(one, sizeof(one), f->listener.drops, CULPRIT_COUNT));
	finding_past(x, "tcp_listen", "queue_pct", &f->listener.key);
	return true;
}

static void acceptor(struct findings *fs, const struct lens *lens, struct finding *x)
{
	const struct facts *f = &fs->facts;

	(void)lens;
	if (!(f->listener.pid > 0))
		return;
	snprintf(x->cause.name, sizeof(x->cause.name), "%s", f->listener.comm);
	x->cause.pid = (uint64_t)f->listener.pid;
	x->cause.key = f->listener.process;
	findings_name_of(fs->processes, x->cause.pid, x->cause.name, sizeof(x->cause.name));
	x->share_of = "accepts too slowly";
}

/* Somebody reads too slowly, or in bursts that its buffer is too small for: more than a few, and 2 % (Netdata's figures for drops). Whose
 * socket it is no table tells. */
static bool udp_full(const struct facts *f, struct finding *x)
{
	double share = f->udp_full > 0 ? finding_share(f->udp_full, f->udp_full + number_max(f->udp_in, 0)) : 0;
	char one[32];

	if (!(f->udp_full >= 1) || !(share >= 2))
		return false;
	finding_is(x, FINDING_CERTAIN, number_min(share / 100, 0.6), "UDP", "datagrams lost: a receive buffer is full");
	snprintf(x->evidence, sizeof(x->evidence), "%s, %.0f%% of all", units_format_short(one, sizeof(one), f->udp_full, CULPRIT_COUNT_PER_S), share);
	return true;
}

/* Drops >= 2 % of packets (Netdata), any of a CPU's own queue beyond a few a second, conntrack > 75 % (node-mixin); retransmits
 * >= 2 % of segments, of more than a handful. */
static bool network(const struct facts *f, struct finding *x)
{
	char what[48];
	bool drops = f->net_drop_pct >= 2 && f->net_drops >= 1, soft = f->softnet_drops >= 10, table = f->conntrack >= 75,
	     again = f->retrans_pct >= FINDINGS_RETRANS_BAD && f->retrans_rate >= 2;
	/* What is sent again where nobody answers at all is no segment that was lost. */
	double lost = f->retrans_rate > 0 ? f->retrans_pct * (1 - number_min(number_max(f->syn_again, 0) / f->retrans_rate, 1)) : 0;

	if (!drops && !soft && !table && !again)
		return false;
	if (table) {
		finding_is(x, FINDING_CERTAIN, f->conntrack >= 99 ? 0.7 : 0.2, "conntrack table", f->conntrack >= 99 ? "full" : "nearly full");
		snprintf(x->evidence, sizeof(x->evidence), "%.0f%% used", f->conntrack);
	} else if (soft) {
		finding_is(x, FINDING_CERTAIN, 0.5, "packets", "dropped: a cpu's receive queue is full");
		snprintf(x->evidence, sizeof(x->evidence), "%.0f/s", f->softnet_drops);
	} else if (drops) {
		snprintf(what, sizeof(what), "net %s", f->net);
		finding_is(x, FINDING_CERTAIN, 0.4, what, "drops packets");
		snprintf(x->evidence, sizeof(x->evidence), "%.1f%% of those received", f->net_drop_pct);
	} else if (lost < FINDINGS_RETRANS_BAD) {
		finding_is(x, FINDING_LIKELY, 0.3, "connections", "are not answered");
		snprintf(x->evidence, sizeof(x->evidence), "%.0f SYNs or SYN-ACKs/s sent again", f->syn_again);
	} else {
		finding_is(x, FINDING_LIKELY, number_min(lost / 10, 0.6), "network", "loses packets");
		if (f->retrans_pct <= 100)
			snprintf(x->evidence, sizeof(x->evidence), "%.1f%% of segments sent again", lost);
		else
			snprintf(x->evidence, sizeof(x->evidence), "%.0f segments/s sent again", f->retrans_rate);
	}
	return true;
}

/* To or from whom most of what is sent again goes, and which process of ours sends it. Where no peer has half of it, it is the network's. */
static void network_who(struct findings *fs, const struct lens *lens, struct finding *x)
{
	double all = 0, most = 0, least = fs->facts.retrans_rate * fs->facts.data_s / 2;
	struct query *q = fs->query;
	char peer[64] = "";
	size_t best;

	/* Of another reason, or answers to connections, which no flow has. */
	if (strcmp(x->state, "loses packets") != 0)
		return;
	query_sort(q, NULL, false);
	if (query_run(q, lens, "tcp_flow", QUERY_OWN, NULL))
		return;
	best = query_nrows(q);
	for (size_t i = 0; i < query_nrows(q); i++) {
		double again = query_number(q, i, "retransmits");

		if (!(again > 0))
			continue;
		all += again;
		if (again > most) {
			most = again;
			best = i;
		}
	}
	if (best == query_nrows(q) || most * 2 < all || most < least)
		return;
	query_text(q, best, "peer", peer, sizeof(peer));
	snprintf(x->object, sizeof(x->object), "network to %.60s", peer);
	x->victim.pid = number_u64(query_number(q, best, "pid"));
	x->victim.key = (struct row_key){.n = 2, .bits = {x->victim.pid, number_u64(query_number(q, best, "process_start"))}};
	findings_name_of(fs->processes, x->victim.pid, x->victim.name, sizeof(x->victim.name));
}

/* CPU in processes that lived less than a second, beside what a tenth of the machine is. */
static bool fork_storm(const struct facts *f, struct finding *x)
{
	const struct process_top *t = &f->top[TOP_SHORT];

	if (!(t->sum >= 20 * number_max(f->cpus, 1)))
		return false;
	finding_is(x, FINDING_LIKELY, number_min(t->sum / number_max(f->cpus, 1) / 100, 1), "short processes", "take cpu");
	/* Where CPUs are left it is a word, and no alarm. */
	/* A third: a build has half of it in some seconds and not in others, and said the one and the other in turn. */
	x->minor = t->sum < 0.35 * f->cpu_busy * f->cpus || f->cpu_busy < 70;
	/* One that ended brings all it took, also what it took before the window. */
	snprintf(x->evidence, sizeof(x->evidence), "they took %.1f of %.0f cpus", number_min(t->sum / 100, f->cpus), f->cpus);
	return true;
}

static void parent(struct findings *fs, const struct lens *lens, struct finding *x)
{
	struct process_top t;

	(void)lens;
	findings_by_ancestor(fs->processes, "short_children_cpu", &t);
	finding_is_top(x, &t, t.sum, "of them");
	x->began = true;
	finding_doubt(x);
	x->nobody = x->share < 30;
	if (x->nobody)
		x->confidence = FINDING_CANNOT_TELL;
}

/* > 90 % of its limit (node-mixin). */
static bool files(const struct facts *f, struct finding *x)
{
	const struct process_top *t = &f->top[TOP_FILES];
	char what[96];

	if (!(t->value >= 90))
		return false;
	snprintf(what, sizeof(what), "%.39s %llu", t->name, (unsigned long long)t->key.bits[0]);
	finding_is(x, FINDING_CERTAIN, t->value >= 99.5 ? 0.7 : 0.2, what, t->value >= 99.5 ? "out of file descriptors" : "nearly out of file descriptors");
	snprintf(x->evidence, sizeof(x->evidence), "%.0f%% of its limit", t->value);
	finding_past(x, "process", "fd_use", &t->key);
	return true;
}

static void files_who(struct findings *fs, const struct lens *lens, struct finding *x)
{
	(void)lens;
	x->victim.pid = fs->facts.top[TOP_FILES].key.bits[0];
	x->victim.key = fs->facts.top[TOP_FILES].key;
	snprintf(x->victim.name, sizeof(x->victim.name), "%.*s", FINDINGS_NAME_MAX - 1, fs->facts.top[TOP_FILES].name);
}

static bool pids(const struct facts *f, struct finding *x)
{
	char what[96];

	if (f->pids.row == SIZE_MAX)
		return false;
	snprintf(what, sizeof(what), "%.60s", f->pids.name);
	finding_is(x, FINDING_CERTAIN, f->pids.value >= 99.5 ? 0.7 : 0.2, what, f->pids.value >= 99.5 ? "may have no more threads" : "near its limit of threads");
	snprintf(x->evidence, sizeof(x->evidence), "%.0f%% of pids.max", f->pids.value);
	finding_past(x, "cgroup", "pids_pct", &f->pids.key);
	return true;
}

/* --- all of them ------------------------------------------------------------------------------------------------- */

const struct finding_rule finding_rules_waits[] = {
	{"hung", LAYER_DISK, 3, NULL, NULL, "threads", hung, NULL, NULL, true, {"remote-stalled"}},
	{"fork-storm", LAYER_CPU, 2, "time_runq", "wait for a cpu", "processes", fork_storm, parent, NULL, false, {NULL}},
	{"syn-queue", LAYER_NET, 2, NULL, NULL, "net", syn_queue, NULL, NULL, false, {"accept-queue"}},
	{"accept-queue", LAYER_NET, 2, NULL, NULL, "net", accept_queue, acceptor, NULL, false, {NULL}},
	{"lock-contention", LAYER_LOCKS, 2, "time_lock", "wait for locks", "threads", locks, lock_who, NULL, false, {NULL}, true, false},
	{"slow-peer", LAYER_NET, 2, "time_net", "wait for it", "net", peer, peer_who, NULL, false, {NULL}, true, false},
	{"network", LAYER_NET, 2, "time_net", "wait for it", "net", network, network_who, NULL, false, {"accept-queue", "syn-queue"}},
	{"udp-full", LAYER_NET, 2, NULL, NULL, "net", udp_full, NULL, NULL, false, {NULL}},
	{"file-descriptors", LAYER_LIMITS, 2, NULL, NULL, "processes", files, files_who, NULL, false, {NULL}},
	{"thread-limit", LAYER_LIMITS, 2, NULL, NULL, "cgroups", pids, NULL, NULL, false, {NULL}},
};
const size_t nfinding_rules_waits = sizeof(finding_rules_waits) / sizeof(finding_rules_waits[0]);
