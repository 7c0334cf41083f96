/* Tables `tcp` and `netstack`: what the network stack of culprit's own network namespace counts for all sockets
 * together: TCP in one, UDP, IP, the receive queues of the CPUs (softnet) and connection tracking in the other. */
#include <errno.h>
#include <stdlib.h>

#include "builtin.h"
#include "columns.h"
#include "procfs.h"

#define COUNT(name, source, help) COUNTER(name, CULPRIT_COUNT, help, source)
#define SNMP "/proc/net/snmp Tcp "
#define EXT "/proc/net/netstat TcpExt "
#define SOCK "/proc/net/sockstat "
#define UDP "/proc/net/snmp Udp "

enum {
	ID, ACTIVE_OPENS, PASSIVE_OPENS, ATTEMPT_FAILS, ESTAB_RESETS, CURR_ESTAB, IN_SEGS, OUT_SEGS, RETRANS_SEGS,
	IN_ERRS, OUT_RSTS, LISTEN_OVERFLOWS, LISTEN_DROPS, TIMEOUTS, SYN_RETRANS, LOST_RETRANSMIT, FAST_RETRANS,
	RETRANS_FAIL, SYNCOOKIES_SENT, REQ_Q_FULL_DROP, BACKLOG_DROP, ABORT_ON_DATA, ABORT_ON_CLOSE, ABORT_ON_MEMORY,
	ABORT_ON_TIMEOUT, ABORT_ON_LINGER, MEMORY_PRESSURES, RCV_PRUNED, OFO_DROP, ZERO_WINDOW_DROP, TIME_WAIT_OVERFLOW,
	TW_CLOSED, IN_USE, ORPHAN, TW, ALLOC, MEM, NTCP,
};

static const struct culprit_column tcp_columns[] = {
	[ID] = KEY_ID,
	[ACTIVE_OPENS] = COUNT("active_opens", SNMP "ActiveOpens", "Connections this machine began"),
	[PASSIVE_OPENS] = COUNT("passive_opens", SNMP "PassiveOpens", "Connections others began to this machine"),
	[ATTEMPT_FAILS] = COUNT("attempt_fails", SNMP "AttemptFails", "Connections that were never established"),
	[ESTAB_RESETS] = COUNT("estab_resets", SNMP "EstabResets", "Established connections that ended by a reset"),
	[CURR_ESTAB] = GAUGE("curr_estab", CULPRIT_COUNT, "Connections established now", SNMP "CurrEstab"),
	[IN_SEGS] = COUNT("in_segs", SNMP "InSegs", "Segments received"),
	[OUT_SEGS] = COUNT("out_segs", SNMP "OutSegs", "Segments sent, without retransmissions"),
	[RETRANS_SEGS] = COUNT("retrans_segs", SNMP "RetransSegs", "Segments sent again"),
	[IN_ERRS] = COUNT("in_errs", SNMP "InErrs", "Segments received that were damaged"),
	[OUT_RSTS] = COUNT("out_rsts", SNMP "OutRsts", "Resets sent"),
	[LISTEN_OVERFLOWS] = COUNT("listen_overflows", EXT "ListenOverflows",
				   "Connections that met a full accept queue: a server accepts too slowly"),
	[LISTEN_DROPS] = COUNT("listen_drops", EXT "ListenDrops",
			       "Connections dropped at a listening socket, overflows included"),
	[TIMEOUTS] = COUNT("timeouts", EXT "TCPTimeouts", "Retransmission timers that ran out"),
	[SYN_RETRANS] = COUNT("syn_retrans", EXT "TCPSynRetrans", "SYNs, and answers to SYNs, sent again: peers that did not answer"),
	[LOST_RETRANSMIT] = COUNT("lost_retransmit", EXT "TCPLostRetransmit", "Retransmissions that were lost too"),
	[FAST_RETRANS] = COUNT("fast_retrans", EXT "TCPFastRetrans", "Segments sent again before a timer ran out"),
	[RETRANS_FAIL] = COUNT("retrans_fail", EXT "TCPRetransFail", "Retransmissions that could not be sent"),
	[SYNCOOKIES_SENT] = COUNT("syncookies_sent", EXT "SyncookiesSent", "SYN cookies sent: a SYN queue was full"),
	[REQ_Q_FULL_DROP] = COUNT("req_q_full_drop", EXT "TCPReqQFullDrop", "SYNs dropped: a SYN queue was full"),
	[BACKLOG_DROP] = COUNT("backlog_drop", EXT "TCPBacklogDrop", "Segments dropped: a socket's backlog was full"),
	[ABORT_ON_DATA] = COUNT("abort_on_data", EXT "TCPAbortOnData", "Connections closed with data still to come"),
	[ABORT_ON_CLOSE] = COUNT("abort_on_close", EXT "TCPAbortOnClose", "Connections closed with data not read"),
	[ABORT_ON_MEMORY] = COUNT("abort_on_memory", EXT "TCPAbortOnMemory", "Connections given up for want of memory"),
	[ABORT_ON_TIMEOUT] = COUNT("abort_on_timeout", EXT "TCPAbortOnTimeout",
				   "Connections given up because the peer no longer answered"),
	[ABORT_ON_LINGER] = COUNT("abort_on_linger", EXT "TCPAbortOnLinger", "Closed connections given up in FIN-WAIT-2"),
	[MEMORY_PRESSURES] = COUNT("memory_pressures", EXT "TCPMemoryPressures", "Times TCP ran short of memory (tcp_mem)"),
	[RCV_PRUNED] = COUNT("rcv_pruned", EXT "RcvPruned", "Segments dropped: a receive buffer was full"),
	[OFO_DROP] = COUNT("ofo_drop", EXT "TCPOFODrop", "Segments out of order dropped: a receive buffer was full"),
	[ZERO_WINDOW_DROP] = COUNT("zero_window_drop", EXT "TCPZeroWindowDrop", "Segments dropped: the window was shut"),
	[TIME_WAIT_OVERFLOW] = COUNT("time_wait_overflow", EXT "TCPTimeWaitOverflow",
				     "TIME-WAIT sockets not kept: tcp_max_tw_buckets reached"),
	[TW_CLOSED] = COUNT("tw_closed", EXT "TW", "TIME-WAIT sockets that ended by time"),
	[IN_USE] = GAUGE("inuse", CULPRIT_COUNT, "IPv4 TCP sockets in use", SOCK "TCP inuse"),
	[ORPHAN] = GAUGE("orphan", CULPRIT_COUNT, "Sockets no process holds any more", SOCK "TCP orphan"),
	[TW] = GAUGE("tw", CULPRIT_COUNT, "Sockets in TIME-WAIT", SOCK "TCP tw"),
	[ALLOC] = GAUGE("alloc", CULPRIT_COUNT, "TCP sockets of any state that take memory", SOCK "TCP alloc"),
	[MEM] = GAUGE("mem", CULPRIT_BYTES, "Memory in TCP's buffers", SOCK "TCP mem (pages)"),
};

#define PER_S(name, a, help) RATE(name, a, CULPRIT_COUNT_PER_S, help)

static const struct culprit_derived tcp_derived[] = {
	RATIO("retrans_pct", "retrans_segs", "out_segs", CULPRIT_PERCENT, 100, "Segments sent again, percent of those sent"),
	PER_S("retrans_rate", "retrans_segs", "Segments sent again a second"),
	PER_S("syn_retrans_rate", "syn_retrans", "Of these, SYNs and answers to SYNs: peers that do not answer"),
	PER_S("syncookie_rate", "syncookies_sent", "SYNs a second that met a full SYN queue and were answered with a cookie"),
	/* Long before the accept queue is full; that has no count of its own. */
	PER_S("syn_drop_rate", "listen_drops-listen_overflows", "SYNs a second that were dropped, because the SYN queue was full or for another reason"),
	PER_S("in_rate", "in_segs", "Segments received a second"),
	PER_S("out_rate", "out_segs", "Segments sent a second"),
	PER_S("connect_rate", "active_opens", "Connections begun a second"),
	PER_S("accept_rate", "passive_opens", "Connections received a second"),
	PER_S("fail_rate", "attempt_fails", "Connections a second that were never established"),
	PER_S("reset_rate", "estab_resets", "Connections a second that ended by a reset"),
	PER_S("rst_rate", "out_rsts", "Resets sent a second"),
	PER_S("listen_overflow_rate", "listen_overflows", "Connections a second that met a full accept queue"),
	PER_S("listen_drop_rate", "listen_drops", "Connections a second dropped at listening sockets"),
	PER_S("timeout_rate", "timeouts", "Retransmission timers a second that ran out"),
};

enum {
	UDP_IN = 1, UDP_OUT, UDP_NO_PORTS, UDP_IN_ERRORS, UDP_RCVBUF, UDP_SNDBUF, UDP_IN_USE, UDP_MEM, IP_IN, IP_OUT,
	IP_DISCARDS, IP_NO_ROUTES, IP_REASM_FAILS, SOCKETS, SOFTNET_PROCESSED, SOFTNET_DROPPED, SOFTNET_SQUEEZED,
	CONNTRACK_COUNT, CONNTRACK_MAX, NSTACK,
};

static const struct culprit_column stack_columns[] = {
	[ID] = KEY_ID,
	[UDP_IN] = COUNT("udp_in", UDP "InDatagrams", "Datagrams delivered"),
	[UDP_OUT] = COUNT("udp_out", UDP "OutDatagrams", "Datagrams sent"),
	[UDP_NO_PORTS] = COUNT("udp_no_ports", UDP "NoPorts", "Datagrams to a port nobody listens on"),
	[UDP_IN_ERRORS] = COUNT("udp_in_errors", UDP "InErrors", "Datagrams not delivered, full buffers included"),
	[UDP_RCVBUF] = COUNT("udp_rcvbuf_errors", UDP "RcvbufErrors", "Datagrams dropped: a receive buffer was full"),
	[UDP_SNDBUF] = COUNT("udp_sndbuf_errors", UDP "SndbufErrors", "Datagrams not sent: a send buffer was full"),
	[UDP_IN_USE] = GAUGE("udp_inuse", CULPRIT_COUNT, "UDP sockets in use", SOCK "UDP inuse"),
	[UDP_MEM] = GAUGE("udp_mem", CULPRIT_BYTES, "Memory in UDP's buffers", SOCK "UDP mem (pages)"),
	[IP_IN] = COUNT("ip_in", "/proc/net/snmp Ip InReceives", "IPv4 packets received"),
	[IP_OUT] = COUNT("ip_out", "/proc/net/snmp Ip OutRequests", "IPv4 packets sent"),
	[IP_DISCARDS] = COUNT("ip_discards", "/proc/net/snmp Ip InDiscards + OutDiscards",
			      "IPv4 packets dropped for want of memory or room"),
	[IP_NO_ROUTES] = COUNT("ip_no_routes", "/proc/net/snmp Ip OutNoRoutes", "IPv4 packets without a route"),
	[IP_REASM_FAILS] = COUNT("ip_reasm_fails", "/proc/net/snmp Ip ReasmFails", "Fragments that never became whole"),
	[SOCKETS] = GAUGE("sockets", CULPRIT_COUNT, "Sockets of all kinds", SOCK "sockets used"),
	[SOFTNET_PROCESSED] = COUNT("softnet_processed", "/proc/net/softnet_stat column 1, all CPUs",
				    "Packets taken off the CPUs' receive queues"),
	[SOFTNET_DROPPED] = COUNT("softnet_dropped", "/proc/net/softnet_stat column 2, all CPUs",
				  "Packets dropped: a CPU's queue (netdev_max_backlog) was full"),
	[SOFTNET_SQUEEZED] = COUNT("softnet_squeezed", "/proc/net/softnet_stat column 3, all CPUs",
				   "Times the receive loop stopped with work left (netdev_budget)"),
	[CONNTRACK_COUNT] = GAUGE("conntrack_count", CULPRIT_COUNT, "Connections tracked by netfilter",
				  "/proc/sys/net/netfilter/nf_conntrack_count"),
	[CONNTRACK_MAX] = GAUGE("conntrack_max", CULPRIT_COUNT, "Most connections netfilter tracks; beyond, packets drop",
				"/proc/sys/net/netfilter/nf_conntrack_max"),
};

static const struct culprit_derived stack_derived[] = {
	PER_S("udp_in_rate", "udp_in", "Datagrams delivered a second"),
	PER_S("udp_out_rate", "udp_out", "Datagrams sent a second"),
	PER_S("udp_error_rate", "udp_in_errors+udp_sndbuf_errors", "Datagrams not delivered or not sent, a second"),
	PER_S("udp_full_rate", "udp_rcvbuf_errors", "Datagrams a second dropped because a receive buffer was full"),
	PER_S("softnet_rate", "softnet_processed", "Packets a second taken off the CPUs' receive queues"),
	PER_S("softnet_drop_rate", "softnet_dropped", "Packets a second dropped at the CPUs' receive queues"),
	LEVEL_PCT("conntrack_pct", "conntrack_count", "conntrack_max", "Tracked connections, percent of the most"),
};

static const struct procfs_field tcp_fields[] = {
	{"ActiveOpens", ACTIVE_OPENS, 0, 0},   {"PassiveOpens", PASSIVE_OPENS, 0, 0},
	{"AttemptFails", ATTEMPT_FAILS, 0, 0}, {"EstabResets", ESTAB_RESETS, 0, 0},
	{"CurrEstab", CURR_ESTAB, 0, 0},       {"InSegs", IN_SEGS, 0, 0},
	{"OutSegs", OUT_SEGS, 0, 0},	       {"RetransSegs", RETRANS_SEGS, 0, 0},
	{"InErrs", IN_ERRS, 0, 0},	       {"OutRsts", OUT_RSTS, 0, 0},
};
static const struct procfs_field ext_fields[] = {
	{"SyncookiesSent", SYNCOOKIES_SENT, 0, 0},     {"RcvPruned", RCV_PRUNED, 0, 0},
	{"TW", TW_CLOSED, 0, 0},		       {"ListenOverflows", LISTEN_OVERFLOWS, 0, 0},
	{"ListenDrops", LISTEN_DROPS, 0, 0},	       {"TCPLostRetransmit", LOST_RETRANSMIT, 0, 0},
	{"TCPFastRetrans", FAST_RETRANS, 0, 0},	       {"TCPTimeouts", TIMEOUTS, 0, 0},
	{"TCPAbortOnData", ABORT_ON_DATA, 0, 0},       {"TCPAbortOnClose", ABORT_ON_CLOSE, 0, 0},
	{"TCPAbortOnMemory", ABORT_ON_MEMORY, 0, 0},   {"TCPAbortOnTimeout", ABORT_ON_TIMEOUT, 0, 0},
	{"TCPAbortOnLinger", ABORT_ON_LINGER, 0, 0},   {"TCPMemoryPressures", MEMORY_PRESSURES, 0, 0},
	{"TCPBacklogDrop", BACKLOG_DROP, 0, 0},	       {"TCPTimeWaitOverflow", TIME_WAIT_OVERFLOW, 0, 0},
	{"TCPReqQFullDrop", REQ_Q_FULL_DROP, 0, 0},    {"TCPRetransFail", RETRANS_FAIL, 0, 0},
	{"TCPOFODrop", OFO_DROP, 0, 0},		       {"TCPSynRetrans", SYN_RETRANS, 0, 0},
	{"TCPZeroWindowDrop", ZERO_WINDOW_DROP, 0, 0},
};
static const struct procfs_field udp_fields[] = {
	{"InDatagrams", UDP_IN, 0, 0},	     {"OutDatagrams", UDP_OUT, 0, 0},	  {"NoPorts", UDP_NO_PORTS, 0, 0},
	{"InErrors", UDP_IN_ERRORS, 0, 0},   {"RcvbufErrors", UDP_RCVBUF, 0, 0}, {"SndbufErrors", UDP_SNDBUF, 0, 0},
};
static const struct procfs_field ip_fields[] = {
	{"InReceives", IP_IN, 0, 0},	   {"OutRequests", IP_OUT, 0, 0},	{"InDiscards", IP_DISCARDS, 0, 0},
	{"OutDiscards", IP_DISCARDS, 0, 0}, {"OutNoRoutes", IP_NO_ROUTES, 0, 0}, {"ReasmFails", IP_REASM_FAILS, 0, 0},
};

static const struct culprit_table tcp_table = {
	.size = sizeof(tcp_table),
	.name = "tcp",
	.kind = CULPRIT_STATE,
	.help = "TCP of culprit's own network namespace, all connections together",
	.key = "tcp",
	CULPRIT_COLUMNS(tcp_columns),
	CULPRIT_DERIVED(tcp_derived),
	.sort = "id",
	.show = "curr_estab in_rate out_rate retrans_pct retrans_rate connect_rate accept_rate fail_rate reset_rate "
		"listen_overflow_rate listen_drop_rate timeout_rate tw orphan mem",
};
static const struct culprit_table netstack_table = {
	.size = sizeof(netstack_table),
	.name = "netstack",
	.kind = CULPRIT_STATE,
	.help = "UDP, IP, the CPUs' receive queues and connection tracking of culprit's own network namespace",
	.key = "netstack",
	CULPRIT_COLUMNS(stack_columns),
	CULPRIT_DERIVED(stack_derived),
	.sort = "id",
	.show = "udp_in_rate udp_out_rate udp_error_rate softnet_rate softnet_drop_rate conntrack_count conntrack_pct "
		"sockets udp_mem",
};

enum { F_SNMP, F_NETSTAT, F_SOCKSTAT, F_SOFTNET, F_CT_COUNT, F_CT_MAX, NFILES };

static const char *const paths[NFILES] = {
	"net/snmp", "net/netstat", "net/sockstat", "net/softnet_stat",
	"sys/net/netfilter/nf_conntrack_count", "sys/net/netfilter/nf_conntrack_max",
};

struct tcp {
	uint64_t page_size;
	struct procfs_file files[NFILES];
	struct procfs_buffer snmp, other;
};

static int tcp_probe(const struct culprit_host *host, struct culprit_error *error)
{
	return procfs_probe(host->proc_fd, "net/snmp", "/proc/net/snmp", error);
}

static int tcp_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct tcp *t = calloc(1, sizeof(*t));

	(void)error;
	if (!t)
		return -ENOMEM;
	t->page_size = host->page_size;
	for (unsigned i = 0; i < NFILES; i++)
		procfs_file_init(&t->files[i], host->proc_fd, paths[i]);
	*ret_self = t;
	return 0;
}

/* "TCP: inuse 1 orphan 0 tw 1 alloc 1 mem 0": the next of these lines' named number. */
static void sockstat_line(const struct tcp *t, struct procfs_text line, struct procfs_values *tcp,
			  struct procfs_values *stack)
{
	static const struct {
		const char *protocol, *key;
		bool tcp, pages;
		uint32_t column;
	} wanted[] = {
		{"TCP:", "inuse", true, false, IN_USE},	 {"TCP:", "orphan", true, false, ORPHAN},
		{"TCP:", "tw", true, false, TW},	 {"TCP:", "alloc", true, false, ALLOC},
		{"TCP:", "mem", true, true, MEM},	 {"UDP:", "inuse", false, false, UDP_IN_USE},
		{"UDP:", "mem", false, true, UDP_MEM}, {"sockets:", "used", false, false, SOCKETS},
	};
	struct procfs_text protocol, key, word;
	uint64_t v;

	if (!procfs_word(&line, &protocol))
		return;
	while (procfs_word(&line, &key) && procfs_word(&line, &word)) {
		if (!procfs_whole_u64(word.p, procfs_left(&word), &v))
			continue;
		for (unsigned i = 0; i < PROCFS_COUNT(wanted); i++)
			if (procfs_is(&protocol, wanted[i].protocol) && procfs_is(&key, wanted[i].key))
				procfs_add(wanted[i].tcp ? tcp : stack, wanted[i].column, v,
					   wanted[i].pages ? t->page_size : 1);
	}
}

static void read_stack(struct tcp *t, struct procfs_values *tcp, struct procfs_values *stack)
{
	struct procfs_text text, line;
	uint64_t v;

	if (procfs_buffer_read(&t->other, &t->files[F_SOCKSTAT]) == 0) {
		text = procfs_buffer_text(&t->other);
		while (procfs_line(&text, &line))
			sockstat_line(t, line, tcp, stack);
	}
	if (procfs_buffer_read(&t->other, &t->files[F_SOFTNET]) == 0) {
		text = procfs_buffer_text(&t->other);
		while (procfs_line(&text, &line))
			for (uint32_t c = SOFTNET_PROCESSED; c <= SOFTNET_SQUEEZED; c++)
				if (procfs_hex(&line, &v))
					procfs_add(stack, c, v, 1);
	}
	for (uint32_t i = 0; i < 2; i++) {
		char bytes[64];
		ssize_t n = procfs_file_read(&t->files[F_CT_COUNT + i], bytes, sizeof(bytes));

		if (n > 0 && procfs_file_u64(bytes, (size_t)n, &v))
			procfs_add(stack, CONNTRACK_COUNT + i, v, 1);
	}
}

static void put_table(struct culprit_frame *f, uint32_t table, const struct procfs_values *values, int err)
{
	culprit_table(f, table);
	if (err) {
		procfs_failed(f, table, "/proc/net/snmp", err);
		return;
	}
	culprit_row(f);
	culprit_put_u64(f, ID, 0);
	procfs_put(f, values);
}

static int tcp_sample(void *self, struct culprit_frame *f)
{
	struct tcp *t = self;
	struct procfs_values tcp, stack;
	struct procfs_text text;
	char reason[160];
	unsigned found = 0;
	int err, ext_err;

	procfs_values_clear(&tcp);
	procfs_values_clear(&stack);
	err = procfs_buffer_read(&t->snmp, &t->files[F_SNMP]);
	if (!err) {
		text = procfs_buffer_text(&t->snmp);
		found = procfs_pairs(text, "Tcp:", tcp_fields, PROCFS_COUNT(tcp_fields), &tcp) +
			procfs_pairs(text, "Udp:", udp_fields, PROCFS_COUNT(udp_fields), &stack) +
			procfs_pairs(text, "Ip:", ip_fields, PROCFS_COUNT(ip_fields), &stack);
		err = found ? 0 : -EBADMSG;
	}
	ext_err = procfs_buffer_read(&t->other, &t->files[F_NETSTAT]);
	if (!ext_err)
		procfs_pairs(procfs_buffer_text(&t->other), "TcpExt:", ext_fields, PROCFS_COUNT(ext_fields), &tcp);
	read_stack(t, &tcp, &stack);

	put_table(f, 0, &tcp, err);
	if (!err) {
		if (ext_err) {
			procfs_reason(reason, sizeof(reason), "/proc/net/netstat", ext_err);
			for (unsigned i = 0; i < PROCFS_COUNT(ext_fields); i++)
				culprit_unread(f, ext_fields[i].column, reason);
		}
		culprit_end(f);
	}
	put_table(f, 1, &stack, err);
	if (!err)
		culprit_end(f);
	return 0;
}

static void tcp_close(void *self)
{
	struct tcp *t = self;

	for (unsigned i = 0; i < NFILES; i++)
		procfs_file_finish(&t->files[i]);
	procfs_buffer_finish(&t->snmp);
	procfs_buffer_finish(&t->other);
	free(t);
}

static const struct culprit_table *const tables[] = {&tcp_table, &netstack_table};

const struct culprit_collector tcp_collector = {
	.size = sizeof(tcp_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "tcp",
	.help = "TCP, UDP, IP, receive queues and connection tracking",
	.tables = tables,
	.ntables = 2,
	.probe = tcp_probe,
	.open = tcp_open,
	.sample = tcp_sample,
	.close = tcp_close,
};
