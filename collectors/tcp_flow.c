/* Tables `tcp_flow` (who talks to whom how much, by process and peer), `tcp_peer` (how long answers take, by peer),
 * `tcp_listen` (listening sockets: who, accept queue, how long clients are let wait): from the kernel's TCP by BPF
 * (tcp_watch.c). Where nothing can be loaded, what sock_diag and /proc tell of it
 * (tcp_flow_diag.c): no answers, and nothing of what comes and goes between two samples. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builtin.h"
#include "columns.h"
#include "tcp_flow.h"
#include "tcp_flow_diag.h"
#include "tcp_watch.h"

enum { FLOW_TABLE, PEER_TABLE, LISTEN_TABLE };

/* The next pass comes when this one's time is a 500th of what has passed, but after five seconds at the latest; in between the
 * tables rest. A look at every open file of every process is part of a pass only when its time is a 4000th, but at least every
 * ten seconds: what it finds (whose a connection is that began before us, or has never been read from; who shares a
 * listening socket) hardly changes. */
enum { PASS_SHARE = 500, OWNERS_SHARE = 4000 };
static const uint64_t pass_at_latest_ns = 5000000000u, owners_at_latest_ns = 10000000000u;

#define SOCK "struct tcp_sock, by BPF iterators bpf_sk_storage_map (or tcp) and task_file and tracepoint inet_sock_set_state"
#define SEGMENT "tracepoint tcp_probe"
#define LISTENER "struct sock, by BPF iterators bpf_sk_storage_map (or tcp) and task_file"

static const struct culprit_bounds answer_bounds = {.kind = CULPRIT_LOG_LINEAR, .count = BPF_HIST_SLOTS};

enum {
	F_PID, F_START, F_PEER, F_LISTEN, F_SIDE, F_COMM, F_OPEN, F_OPENED, F_CLOSED, F_FAILED, F_FAILURE, F_SENT, F_RECEIVED,
	F_SEGMENTS, F_RETRANS, F_RTT, F_RTT_MIN, F_RTT_MAX,
};

#define PID_HELP "pid of its process; 0: not known (it ended before it was seen, or we may not see it)"

static const struct culprit_column flow_columns[] = {
	[F_PID] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "pid", PID_HELP, SOCK),
	[F_START] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_TICKS, 0, "process_start", "when that process started", SOCK),
	[F_PEER] = KEY_TEXT("peer", "The other end: where the process connected to, with port; who connected to it, without", SOCK),
	[F_LISTEN] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "listen",
			    "Our port that the peer connected to; 0: the process connected", SOCK),
	[F_SIDE] = TEXT("side", "out: the process connected; in: the peer did", SOCK),
	[F_COMM] = TEXT("comm", "Name of the process", SOCK),
	[F_OPEN] = GAUGE("open", CULPRIT_COUNT, "Connections now", SOCK),
	[F_OPENED] = COUNTER("opened", CULPRIT_COUNT, "Connections begun", SOCK),
	[F_CLOSED] = COUNTER("closed", CULPRIT_COUNT, "Connections ended", SOCK),
	[F_FAILED] = COUNTER("failed", CULPRIT_COUNT, "Connections that could not be made", SOCK),
	[F_FAILURE] = TEXT("failure", "Why the last of them could not", "struct sock, sk_err"),
	[F_SENT] = COUNTER("sent", CULPRIT_BYTES, "Sent; what was sent again counts once", SOCK),
	[F_RECEIVED] = COUNTER("received", CULPRIT_BYTES, "Received", SOCK),
	[F_SEGMENTS] = COUNTER("segments", CULPRIT_COUNT, "Segments sent", SOCK),
	[F_RETRANS] = COUNTER("retransmits", CULPRIT_COUNT, "Segments sent again", SOCK),
	[F_RTT] = GAUGE("rtt", CULPRIT_NS,
			"Round trip, mean of its connections' smoothed ones; includes how long the other side waits with acknowledging",
			SOCK),
	[F_RTT_MIN] = GAUGE("rtt_min", CULPRIT_NS, "The shortest round trip of the last minutes: what the line takes by itself", SOCK),
	[F_RTT_MAX] = GAUGE("rtt_max", CULPRIT_NS, "The largest of its connections' smoothed round trips", SOCK),
};

static const struct culprit_derived flow_derived[] = {
	RATE("sent_rate", "sent", CULPRIT_BYTES_PER_S, "Bytes sent a second"),
	RATE("received_rate", "received", CULPRIT_BYTES_PER_S, "Bytes received a second"),
	RATE("byte_rate", "sent+received", CULPRIT_BYTES_PER_S, "Bytes sent and received a second"),
	RATE("open_rate", "opened", CULPRIT_COUNT_PER_S, "Connections begun a second"),
	RATIO("retrans_pct", "retransmits", "segments", CULPRIT_PERCENT, 100, "Segments sent again, percent of those sent"),
	{.name = "failures", .op = CULPRIT_DIFFERENCE, .unit = CULPRIT_COUNT, .a = "failed",
	 .help = "Connections that could not be made in the window"},
};

static const struct culprit_rollup flow_rollups[] = {
	{.column = "sent_rate", .table = "process", .name = "net_sent", .op = CULPRIT_ROLL_SUM, .help = "bytes sent by TCP a second"},
	{.column = "received_rate", .table = "process", .name = "net_received", .op = CULPRIT_ROLL_SUM,
	 .help = "bytes received by TCP a second"},
	{.column = "open", .table = "process", .name = "connections", .op = CULPRIT_ROLL_SUM, .help = "TCP connections"},
};

static const struct culprit_table flow_table = {
	.size = sizeof(flow_table),
	.name = "tcp_flow",
	.kind = CULPRIT_STATE,
	.help = "TCP by process and peer: who talks to whom, how much, how well; kept for two minutes after the last connection",
	.key = "tcp_flow",
	CULPRIT_COLUMNS(flow_columns),
	CULPRIT_DERIVED(flow_derived),
	CULPRIT_ROLLUPS(flow_rollups),
	.parent = "process",
	.parent_columns = "pid process_start",
	.sort = "byte_rate",
	.show = "comm pid side peer listen open sent_rate received_rate rtt_min rtt retrans_pct open_rate failures",
};

enum { P_PEER, P_LISTEN, P_SIDE, P_LEFT_OUT, P_MULTIPLEXED, P_ANSWER };

#define ANSWER_HELP "From the last segment of a request to the first of its answer; of connections on which both sides speak in turn"

#define MULTIPLEXED_HELP "Exchanges not counted, because the connection speaks HTTP/2, multiplexed: many requests at a time"

static const struct culprit_column peer_columns[] = {
	[P_PEER] = KEY_TEXT("peer", "Where processes here connected to, with port; who connected to us, without", SEGMENT),
	[P_LISTEN] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "listen",
			    "Our port that the peer connected to; 0: it was connected to", SEGMENT),
	[P_SIDE] = TEXT("side", "out: the peer answers; in: we answer", SEGMENT),
	[P_LEFT_OUT] = COUNTER("left_out", CULPRIT_COUNT, "Exchanges not counted, because both sides spoke at the same time", SEGMENT),
	[P_MULTIPLEXED] = COUNTER("multiplexed", CULPRIT_COUNT, MULTIPLEXED_HELP, SEGMENT),
	[P_ANSWER] = HISTOGRAM("answer", CULPRIT_NS, &answer_bounds, ANSWER_HELP, SEGMENT),
};

static const struct culprit_derived peer_derived[] = {
	PERCENTILE_OF("answer_p50", "answer", 50, CULPRIT_NS, "Half of the answers began sooner"),
	PERCENTILE_OF("answer_p90", "answer", 90, CULPRIT_NS, "9 of 10 answers began sooner"),
	PERCENTILE_OF("answer_p99", "answer", 99, CULPRIT_NS, "99 of 100 answers began sooner"),
	{.name = "left_out_window", .op = CULPRIT_DIFFERENCE, .unit = CULPRIT_COUNT, .a = "left_out",
	 .help = "Exchanges of the window that are not counted"},
};

static const struct culprit_table peer_table = {
	.size = sizeof(peer_table),
	.name = "tcp_peer",
	.kind = CULPRIT_STATE,
	.help = "How long TCP peers take to answer (side out), and how long we take to answer them (side in)",
	.key = "tcp_peer",
	CULPRIT_COLUMNS(peer_columns),
	CULPRIT_DERIVED(peer_derived),
	.sort = "answer_p99",
	.show = "side peer listen answer answer_p50 answer_p90 answer_p99 left_out_window multiplexed",
};

enum {
	L_ADDRESS, L_PORT, L_SOCKET, L_PID, L_START, L_COMM, L_HOLDERS, L_QUEUE, L_LIMIT, L_OVERFLOWS, L_ACCEPTED, L_LEFT_OUT,
	L_MULTIPLEXED, L_ANSWER, L_WAIT,
};

static const struct culprit_column listen_columns[] = {
	[L_ADDRESS] = KEY_TEXT("address", "Address it listens on", LISTENER),
	[L_PORT] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "port", "Port it listens on", LISTENER),
	[L_SOCKET] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "socket",
			    "Which one, where several listen on one port (SO_REUSEPORT): a number without meaning", LISTENER),
	[L_PID] = COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_U64, CULPRIT_NONE, 0, "pid", "pid of a process that holds it", LISTENER),
	[L_START] = COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_U64, CULPRIT_TICKS, 0, "process_start", "when that process started", LISTENER),
	[L_COMM] = TEXT("comm", "Name of that process", LISTENER),
	[L_HOLDERS] = GAUGE("holders", CULPRIT_COUNT, "Open files that are this socket: processes that share it", LISTENER),
	[L_QUEUE] = GAUGE("queue", CULPRIT_COUNT, "Connections that wait to be accepted", "struct sock, sk_ack_backlog"),
	[L_LIMIT] = GAUGE("queue_limit", CULPRIT_COUNT, "How many may wait; further ones are dropped", "struct sock, sk_max_ack_backlog"),
	[L_OVERFLOWS] = COUNTER("drops", CULPRIT_COUNT, "Connections and segments dropped here: mostly for a full accept queue",
				"struct sock, sk_drops"),
	[L_ACCEPTED] = COUNTER("accepted", CULPRIT_COUNT, "Connections made to this port, all its sockets together",
			       "tracepoint inet_sock_set_state"),
	[L_LEFT_OUT] = COUNTER("left_out", CULPRIT_COUNT, "Exchanges not counted, because both sides spoke at the same time", SEGMENT),
	[L_MULTIPLEXED] = COUNTER("multiplexed", CULPRIT_COUNT, MULTIPLEXED_HELP, SEGMENT),
	[L_ANSWER] = HISTOGRAM("answer", CULPRIT_NS, &answer_bounds, ANSWER_HELP ". Of the port, all its sockets together", SEGMENT),
	[L_WAIT] = HISTOGRAM("accept_wait", CULPRIT_NS, &answer_bounds, "How long new connections had something to say before a process read it for the first time: waiting to be "
			    "accepted, and to be served. Of the port", "tracepoints tcp_probe, tcp_rcv_space_adjust"),
};

static const struct culprit_derived listen_derived[] = {
	RATE("accept_rate", "accepted", CULPRIT_COUNT_PER_S, "Connections made a second"),
	LEVEL_PCT("queue_pct", "queue", "queue_limit", "How full the accept queue is, percent"),
	{.name = "drops_window", .op = CULPRIT_DIFFERENCE, .unit = CULPRIT_COUNT, .a = "drops", .help = "Dropped in the window"},
	PERCENTILE_OF("answer_p50", "answer", 50, CULPRIT_NS, "Half of our answers began sooner"),
	PERCENTILE_OF("answer_p90", "answer", 90, CULPRIT_NS, "9 of 10 of our answers began sooner"),
	PERCENTILE_OF("answer_p99", "answer", 99, CULPRIT_NS, "99 of 100 of our answers began sooner"),
	PERCENTILE_OF("accept_wait_p99", "accept_wait", 99, CULPRIT_NS, "99 of 100 new connections were read from sooner"),
};

static const struct culprit_table listen_table = {
	.size = sizeof(listen_table),
	.name = "tcp_listen",
	.kind = CULPRIT_STATE,
	.help = "Listening TCP sockets: whose, how many wait to be accepted, what was dropped, how long clients wait for answers",
	.key = "tcp_listen",
	CULPRIT_COLUMNS(listen_columns),
	CULPRIT_DERIVED(listen_derived),
	.parent = "process",
	.parent_columns = "pid process_start",
	.sort = "accept_rate",
	.show = "address port comm pid holders queue queue_limit drops_window accept_rate answer_p50 answer_p99 accept_wait_p99",
};

struct tcp_flow_self {
	const struct culprit_host *host;
	struct tcp_watch *watch; /* NULL: see diag */
	struct tcp_diag *diag;   /* in place of programs; NULL: they are there */
	char why[200];           /* why they are not */
	struct tcp_flows *flows;
	uint64_t lost, next_ns, owners_ns;
};

static void tcp_flow_close(void *self)
{
	struct tcp_flow_self *s = self;

	tcp_watch_destroy(s->watch);
	tcp_diag_destroy(s->diag);
	tcp_flows_destroy(s->flows);
	free(s);
}

/* `error`: why there are no programs. Where there are no sockets either, both are said. */
static int open_diag(struct tcp_flow_self *s, struct culprit_error *error)
{
	struct culprit_error other = {""};

	s->diag = tcp_diag_create(s->host, &other);
	if (!s->diag) {
		size_t n = strnlen(error->sentence, 150);

		snprintf(error->sentence + n, sizeof(error->sentence) - n, "; nor without: %s", other.sentence);
		return -ENOTSUP;
	}
	snprintf(s->why, sizeof(s->why), "%.199s", error->sentence);
	error->sentence[0] = '\0';
	return 0;
}

static int tcp_flow_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct tcp_flow_self *s = calloc(1, sizeof(*s));
	int err = 0;

	if (s)
		s->flows = tcp_flows_create();
	if (!s || !s->flows) {
		free(s);
		return -ENOMEM;
	}
	s->host = host;
	s->watch = tcp_watch_create(host, s->flows, error);
	if (!s->watch)
		err = open_diag(s, error);
	if (err)
		tcp_flow_close(s);
	else
		*ret_self = s;
	return err;
}

static uint64_t ticks(const struct tcp_flow_self *s, uint64_t start_ns)
{
	uint64_t hz = s->host->user_hz ? s->host->user_hz : 100;

	return start_ns / (1000000000u / hz);
}

static void put_comm(struct culprit_frame *f, uint32_t column, const char comm[16])
{
	size_t n = strnlen(comm, 16);

	if (n)
		culprit_put_text(f, column, comm, n);
}

static void put_flow(struct tcp_flow_self *s, struct culprit_frame *f, const struct tcp_flow *flow)
{
	char name[TCP_NAME_MAX];
	bool in = flow->peer.side == TCP_IN;

	culprit_row(f);
	culprit_born(f);
	culprit_put_u64(f, F_PID, flow->pid);
	culprit_put_u64(f, F_START, ticks(s, flow->start_ns));
	culprit_put_text(f, F_PEER, name, tcp_name(name, flow->peer.address, in ? 0 : flow->peer.port));
	culprit_put_u64(f, F_LISTEN, in ? flow->peer.port : 0);
	culprit_put_string(f, F_SIDE, in ? "in" : "out");
	put_comm(f, F_COMM, flow->comm);
	culprit_put_u64(f, F_OPEN, flow->open);
	culprit_put_u64(f, F_OPENED, flow->opened);
	culprit_put_u64(f, F_CLOSED, flow->closed);
	culprit_put_u64(f, F_FAILED, flow->failed);
	if (flow->error)
		culprit_put_string(f, F_FAILURE, strerrordesc_np(flow->error) ? strerrordesc_np(flow->error) : "unknown error");
	culprit_put_u64(f, F_SENT, flow->sent);
	culprit_put_u64(f, F_RECEIVED, flow->received);
	culprit_put_u64(f, F_SEGMENTS, flow->segments);
	culprit_put_u64(f, F_RETRANS, flow->retransmits);
	if (flow->rtt_n) {
		culprit_put_u64(f, F_RTT, flow->rtt_sum_us * 1000 / flow->rtt_n);
		if (flow->rtt_min_us && flow->rtt_min_us < UINT32_MAX)
			culprit_put_u64(f, F_RTT_MIN, (uint64_t)flow->rtt_min_us * 1000);
		culprit_put_u64(f, F_RTT_MAX, (uint64_t)flow->rtt_max_us * 1000);
	}
	culprit_end(f);
}

static void put_answers(struct culprit_frame *f, uint32_t column, const unsigned long long *from)
{
	uint64_t counts[BPF_HIST_SLOTS];

	for (unsigned i = 0; i < BPF_HIST_SLOTS; i++)
		counts[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	culprit_put_histogram(f, column, counts, BPF_HIST_SLOTS);
}

static void put_peers(struct tcp_flow_self *s, struct culprit_frame *f)
{
	for (uint32_t i = 0; i < tcp_watch_peers(s->watch); i++) {
		struct tcp_peer_figures p;
		char name[TCP_NAME_MAX];
		bool in;

		if (!tcp_watch_peer(s->watch, i, &p))
			continue;
		in = p.key.side == TCP_IN;
		culprit_row(f);
		culprit_born(f);
		culprit_put_text(f, P_PEER, name, tcp_name(name, p.key.address, in ? 0 : p.key.port));
		culprit_put_u64(f, P_LISTEN, in ? p.key.port : 0);
		culprit_put_string(f, P_SIDE, in ? "in" : "out");
		culprit_put_u64(f, P_LEFT_OUT, p.left_out);
		culprit_put_u64(f, P_MULTIPLEXED, p.multiplexed);
		put_answers(f, P_ANSWER, p.answers);
		culprit_end(f);
	}
}

static void put_listeners(struct tcp_flow_self *s, struct culprit_frame *f)
{
	const struct tcp_listener *list;
	size_t n = tcp_flows_listeners(s->flows, &list);

	for (size_t i = 0; i < n; i++) {
		const struct tcp_listener *l = &list[i];
		const struct tcp_port_figures *more;
		const struct tcp_peer_figures *p = s->watch ? tcp_watch_port(s->watch, l->port, &more) : NULL;
		char name[TCP_NAME_MAX];

		culprit_row(f);
		culprit_born(f);
		culprit_put_text(f, L_ADDRESS, name, tcp_name(name, l->address, 0));
		culprit_put_u64(f, L_PORT, l->port);
		/* Not the address in the kernel: that is a secret of its. */
		culprit_put_u64(f, L_SOCKET, (l->socket * 0x9e3779b97f4a7c15u) >> 44);
		culprit_put_u64(f, L_PID, l->pid);
		culprit_put_u64(f, L_START, ticks(s, l->start_ns));
		put_comm(f, L_COMM, l->comm);
		culprit_put_u64(f, L_HOLDERS, l->holders);
		culprit_put_u64(f, L_QUEUE, l->backlog);
		culprit_put_u64(f, L_LIMIT, l->max_backlog);
		culprit_put_u64(f, L_OVERFLOWS, l->drops);
		if (p) {
			culprit_put_u64(f, L_ACCEPTED, more->accepted);
			culprit_put_u64(f, L_LEFT_OUT, p->left_out);
			culprit_put_u64(f, L_MULTIPLEXED, p->multiplexed);
			if (tcp_watch_is_on(s->watch, TCP_SEGMENT))
				put_answers(f, L_ANSWER, p->answers);
			if (tcp_watch_is_on(s->watch, TCP_READ))
				put_answers(f, L_WAIT, more->reads);
		}
		culprit_end(f);
	}
}

static void say_lost(struct tcp_flow_self *s, struct culprit_frame *f)
{
	const struct culprit_program *programs;
	uint64_t lost = tcp_flows_lost(s->flows);
	size_t n = s->watch ? tcp_watch_programs(s->watch, &programs) : 0;

	for (size_t i = 0; i < n; i++)
		lost += programs[i].lost;
	if (lost > s->lost)
		culprit_lost(f, FLOW_TABLE, lost - s->lost);
	s->lost = lost;
}

/* The sockets could not be read. */
static void say_failed(const struct tcp_flow_self *s, struct culprit_frame *f, uint32_t table, int err, const char *why)
{
	char text[200];

	snprintf(text, sizeof(text), "%s: %s", s->diag ? "the kernel did not tell of its sockets (sock_diag) this time"
						      : "the sockets of processes could not be read from the kernel's iterator",
		 strerror(-err));
	culprit_state(f, table, err == -ENOTSUP ? CULPRIT_MISSING : CULPRIT_FAILED, why ? why : text);
}

static uint64_t next_after(const struct tcp_flow_self *s, uint64_t begun_ns, uint64_t took_ns, uint64_t share, uint64_t at_latest_ns)
{
	/* A tick is never quite as long as the one before. */
	return begun_ns + (took_ns < at_latest_ns / share ? took_ns * share : at_latest_ns) - s->host->interval_ns / 4;
}

/* *ret_owners_ns: of its time, what doesn't delay the next pass. */
static int watch_pass(struct tcp_flow_self *s, uint64_t begun_ns, uint64_t *ret_owners_ns)
{
	bool due = begun_ns >= s->owners_ns;
	int err = tcp_watch_pass(s->watch, due || tcp_watch_needs_owners(s->watch), ret_owners_ns);

	if (*ret_owners_ns)
		s->owners_ns = next_after(s, begun_ns, *ret_owners_ns, OWNERS_SHARE, owners_at_latest_ns);
	/* One that was not due is part of what a pass takes: where each has to be such a one, they come less often. */
	if (!due)
		*ret_owners_ns = 0;
	return err;
}

static int tcp_flow_sample(void *self, struct culprit_frame *f)
{
	struct tcp_flow_self *s = self;
	const char *why = s->watch ? tcp_watch_reason(s->watch, TCP_FILES) : NULL;
	uint64_t begun_ns = s->host->now_ns(s->host, CULPRIT_MONOTONIC), took_ns, owners_ns = 0;
	int err;

	if (s->watch)
		tcp_watch_ends(s->watch);
	/* A table that is not begun rests. */
	if (begun_ns < s->next_ns) {
		if (s->diag)
			tcp_diag_look(s->diag);
		return 0;
	}
	if (s->diag)
		err = tcp_diag_pass(s->diag, s->flows);
	else if (tcp_watch_is_on(s->watch, TCP_FILES) || !why)
		err = watch_pass(s, begun_ns, &owners_ns);
	else
		err = -ENOTSUP;
	took_ns = s->host->now_ns(s->host, CULPRIT_MONOTONIC) - begun_ns - owners_ns;
	s->next_ns = next_after(s, begun_ns, took_ns, PASS_SHARE, pass_at_latest_ns);
	culprit_table(f, FLOW_TABLE);
	if (err) {
		say_failed(s, f, FLOW_TABLE, err, why);
	} else {
		for (size_t i = 0; i < TCP_FLOWS_MAX; i++) {
			const struct tcp_flow *flow = tcp_flows_at(s->flows, i);

			if (flow)
				put_flow(s, f, flow);
		}
		if (s->diag)
			culprit_state(f, FLOW_TABLE, CULPRIT_FRESH, tcp_diag_remark(s->diag));
		else if (!tcp_watch_is_on(s->watch, TCP_STATE))
			culprit_state(f, FLOW_TABLE, CULPRIT_FRESH, "connections that come and go between two samples are not seen here");
	}
	say_lost(s, f);
	culprit_table(f, PEER_TABLE);
	if (s->watch && tcp_watch_is_on(s->watch, TCP_SEGMENT))
		put_peers(s, f);
	else
		culprit_state(f, PEER_TABLE, CULPRIT_MISSING, s->watch ? tcp_watch_reason(s->watch, TCP_SEGMENT) : s->why);
	culprit_table(f, LISTEN_TABLE);
	if (err)
		say_failed(s, f, LISTEN_TABLE, err, why);
	else
		put_listeners(s, f);
	if (s->diag && !err)
		culprit_state(f, LISTEN_TABLE, CULPRIT_FRESH, tcp_diag_whose(s->diag));
	return 0;
}

static int tcp_flow_fd(void *self)
{
	struct tcp_flow_self *s = self;

	return s->watch ? tcp_watch_fd(s->watch) : -1;
}

static int tcp_flow_drain(void *self)
{
	struct tcp_flow_self *s = self;

	if (s->watch)
		tcp_watch_ends(s->watch);
	return 0;
}

static size_t tcp_flow_programs(void *self, const struct culprit_program **ret_list)
{
	struct tcp_flow_self *s = self;

	return s->watch ? tcp_watch_programs(s->watch, ret_list) : 0;
}

static int tcp_flow_thin(void *self, size_t index, uint32_t thinning)
{
	struct tcp_flow_self *s = self;

	return s->watch ? tcp_watch_thin(s->watch, index, thinning) : -ENOENT;
}

static const struct culprit_table *const tables[] = {&flow_table, &peer_table, &listen_table};

const struct culprit_collector tcp_flow_collector = {
	.size = sizeof(tcp_flow_collector),
	.abi = CULPRIT_ABI_VERSION,
	.flags = CULPRIT_OPEN_LATER,
	.name = "tcp_flow",
	.help = "TCP by process and peer, listening sockets; how long answers take (BPF)",
	.tables = tables,
	.ntables = 3,
	.open = tcp_flow_open,
	.fd = tcp_flow_fd,
	.drain = tcp_flow_drain,
	.sample = tcp_flow_sample,
	.close = tcp_flow_close,
	.programs = tcp_flow_programs,
	.thin = tcp_flow_thin,
};
