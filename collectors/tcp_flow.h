/* Connections and flows: who talked to whom how much, kept from what the kernel tells of each connection while it lives and
 * at its end, so that each byte counts once. A flow is a process and a peer; it outlives its connections for a while. Fixed
 * memory; what does not fit is counted. Not here: where records come from (tcp_flow.c). */
#ifndef COLLECTORS_TCP_FLOW_H
#define COLLECTORS_TCP_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcp_flow_shared.h"

enum {
	TCP_CONNECTIONS_MAX = 16384,
	TCP_FLOWS_MAX = 2048,
	TCP_LISTENERS_MAX = 256,
	TCP_FLOW_KEPT = 60, /* passes after its last connection */
	TCP_NAME_MAX = 64,  /* of an address with port */
	TCP_LISTENING = 10, /* state of a record */
};

struct tcp_flow {
	uint32_t pid; /* 0: not known */
	uint64_t start_ns; /* since boot */
	struct tcp_peer_key peer;
	char comm[16];
	/* Cumulative, from when it was first seen. */
	uint64_t sent, received, segments, retransmits, opened, closed, failed;
	uint32_t open;          /* connections now */
	uint64_t rtt_sum_us;    /* over those of them that have one */
	uint32_t rtt_n, rtt_min_us, rtt_max_us; /* the shortest of any of them; the largest smoothed one */
	int error;              /* of the last that failed */
	bool used;
	uint32_t idle;          /* passes without a connection */
};

/* A listening socket; several processes may hold it. */
struct tcp_listener {
	uint64_t socket;
	unsigned char address[TCP_ADDRESS];
	uint16_t port;
	uint32_t pid, holders;
	uint64_t start_ns;
	char comm[16];
	uint32_t backlog, max_backlog, drops; /* drops: since it was first seen */
	uint32_t drops_before;
	uint64_t pass; /* the last in which it was seen */
};

struct tcp_flows;

struct tcp_flows *tcp_flows_create(void); /* NULL: out of memory */
void tcp_flows_destroy(struct tcp_flows *); /* NULL-safe */

/* One that ended or failed (record.what). Between passes. */
void tcp_flows_ended(struct tcp_flows *, const struct tcp_record *);
/* A pass over all connections that live. Of TCP_KNOWN ones that listen their holders stay as they are. */
void tcp_flows_begin(struct tcp_flows *);
void tcp_flows_living(struct tcp_flows *, const struct tcp_record *);
void tcp_flows_end(struct tcp_flows *);
/* Is a socket known that listens on this port? */
bool tcp_flows_listens(const struct tcp_flows *, uint16_t port);

/* i from 0; NULL: that place is empty. */
const struct tcp_flow *tcp_flows_at(const struct tcp_flows *, size_t i); /* i < TCP_FLOWS_MAX */
size_t tcp_flows_listeners(const struct tcp_flows *, const struct tcp_listener **ret_list);
/* Connections that had no room; cumulative. */
uint64_t tcp_flows_lost(const struct tcp_flows *);

/* "10.2.7.9:5432", "[::1]:80"; port 0: without. Returns its length. */
size_t tcp_name(char out[TCP_NAME_MAX], const unsigned char address[TCP_ADDRESS], uint16_t port);

#endif
