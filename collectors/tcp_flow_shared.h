/* What tcp_watch.bpf.c, tcp_watch.c and tcp_flow*.c share in memory. Plain types, no includes but bpf_shared.h: both compilers read it. */
#ifndef COLLECTORS_TCP_FLOW_SHARED_H
#define COLLECTORS_TCP_FLOW_SHARED_H

#include "bpf_shared.h"

/* In the order of the hooks in tcp_watch.c. TCP_FILES_READ and TCP_NET are in place of TCP_FILES and TCP_SOCKETS, where a kernel does not
 * take those. */
enum tcp_flow_program { TCP_STATE, TCP_SEGMENT, TCP_READ, TCP_FILES, TCP_SOCKETS, TCP_FILES_READ, TCP_NET, TCP_PROGRAMS };

enum {
	TCP_PORTS = 64,   /* listening ports that have figures of their own */
	TCP_PEERS = 1024, /* peers that have */
	TCP_ADDRESS = 16,
};

enum tcp_side { TCP_OUT = 1, TCP_IN = 2 }; /* who began the connection: we, the peer */

/* The other end: of TCP_OUT the address and port connected to, of TCP_IN its address and our port. IPv4 is mapped into IPv6.
 * Our listening port itself: TCP_IN and an address of zeros. All bytes count: set the padding. */
struct tcp_peer_key {
	unsigned char address[TCP_ADDRESS];
	unsigned short port; /* of the host's byte order */
	unsigned char side;
	unsigned char pad[5];
};

/* Exchanges with a peer. Several CPUs write, atomically; counts are cumulative. */
struct tcp_peer_figures {
	struct tcp_peer_key key;
	unsigned long long ready;      /* 1: the key is there */
	unsigned long long left_out;   /* exchanges of connections that don't alternate */
	unsigned long long multiplexed; /* exchanges of those that speak HTTP/2 */
	unsigned long long answers[BPF_HIST_SLOTS]; /* ns from the request's last segment to the answer's first */
};

/* More of a listening port. */
struct tcp_port_figures {
	unsigned long long accepted;
	unsigned long long reads[BPF_HIST_SLOTS]; /* ns from being ready to be read for the first time to being read */
};

/* TCP_KNOWN: it lives; whose it is is what was noted last, who else holds it was not looked at. 0: found where it is held. */
enum tcp_what { TCP_ENDED = 1, TCP_FAILED = 2, TCP_KNOWN = 3 };

/* A connection: as it is (from an iterator), or as it ended (through the ring buffer). */
struct tcp_record {
	unsigned long long socket; /* address of the kernel's: who it is while it lives */
	unsigned long long start;  /* of the process, ns since boot; 0: not known */
	unsigned long long sent, received; /* bytes, without what was sent again */
	unsigned int pid;          /* 0: not known */
	unsigned int segments_out, retransmits;
	unsigned int rtt_us;       /* smoothed round trip; 0: none yet */
	unsigned int rtt_min_us;   /* the shortest of the last minutes */
	unsigned int backlog, max_backlog, drops; /* of listening ones */
	int error;                 /* errno of one that failed */
	unsigned char local[TCP_ADDRESS], remote[TCP_ADDRESS];
	unsigned short local_port, remote_port;
	unsigned char state, side, what;
	unsigned char inside;      /* the process is in `net` itself: who made a socket may have gone elsewhere, or given it away */
	unsigned int net;          /* inode of its network namespace, where TCP_FILES_READ found it; 0: there is but one */
	char comm[16];
};

#endif
