/* TCP by process and peer. What the kernel keeps of each connection (bytes, retransmits, round trip) is read from it: of
 * living ones through an iterator over all sockets that have something of ours beside them, of ended ones at their end. Whose
 * they are is known of those that begin, connect or read under our eyes; of all others an iterator over the open files of all
 * processes finds it, which is dear and so comes now and then. How long answers take is seen at one place, where segments come in (tcp_probe): between two of them the socket
 * tells by snd_nxt that we have sent, and by tcp_mstamp when. */
#include "bpf_common.bpf.h"
#include "tcp_flow_shared.h"

#ifndef SCHED_SYSCALLS
#define SCHED_SYSCALLS (~0u) /* of architectures whose registers are not known: no system call */
#endif

enum {
	AF_INET = 2,
	AF_INET6 = 10,
	IPPROTO_TCP = 6,
	ESTABLISHED = 1,
	SYN_SENT = 2,
	SYN_RECV = 3,
	CLOSE = 7,
	LISTEN = 10,
	HTTP2_BYTES = 9, /* of its beginning, that tell */
	SPOILED_OF = 8, /* one overlap in so many exchanges: it does not alternate */
};

/* Of a connection, while the kernel has it. */
struct connection {
	__u64 asked_ns; /* the last segment of the request was sent, or came */
	__u64 ready_ns; /* established, or its first bytes came */
	__u64 start;
	__u32 pid;
	__u32 snd_nxt;
	__u32 exchanges, overlaps;
	__u16 peer, port; /* slots; 0: none */
	__u16 local_port;
	__u8 side, waiting, spoken, multiplexed;
	__u8 unread, unheard; /* nobody has read from it: how long it waited, what it speaks is not known */
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct connection);
} tcp_connections SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TCP_PEERS + TCP_PORTS);
	__type(key, struct tcp_peer_key);
	__type(value, __u32);
} tcp_slots SEC(".maps");

/* Slots of listening ports first (1 .. TCP_PORTS - 1), then peers. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TCP_PORTS + TCP_PEERS);
	__type(key, __u32);
	__type(value, struct tcp_peer_figures);
} tcp_peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TCP_PORTS);
	__type(key, __u32);
	__type(value, struct tcp_port_figures);
} tcp_ports SEC(".maps");

/* Numbers of system calls by which processes read; set before loading. */
const volatile __u32 tcp_read_call, tcp_readv, tcp_recvfrom, tcp_recvmsg;
const volatile __u32 tcp_wake; /* bytes in tcp_ends, above which its reader is woken; set before loading */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* set before loading */
} tcp_ends SEC(".maps");

/* How many slots are given away; user space reads. */
volatile __u32 tcp_ports_used, tcp_peers_used;
/* Set by user space, once the iterator has told of all ports that somebody listens on: which side of a connection that was there
 * before us is asked is not known until then. */
volatile __u32 tcp_ports_known;
/* Set by user space: sockets can't be asked by themselves here (tcp_sockets), so tcp_files tells of them all. */
volatile __u32 tcp_files_tell;

static __always_inline void mapped(unsigned char to[TCP_ADDRESS], __u32 ipv4)
{
	__builtin_memset(to, 0, TCP_ADDRESS);
	to[10] = to[11] = 0xff;
	__builtin_memcpy(to + 12, &ipv4, 4);
}

/* The port's slot; 0 where nobody listens there, or there is none left (`make`: gives one). */
static __always_inline __u32 port_slot(__u16 port, bool make, struct bpf_cost *cost)
{
	struct tcp_peer_key key = {.port = port, .side = TCP_IN};
	__u32 *slot = bpf_map_lookup_elem(&tcp_slots, &key), fresh;
	struct tcp_peer_figures *f;

	if (slot)
		return *slot;
	if (!make || tcp_ports_used >= TCP_PORTS - 1)
		return 0;
	fresh = __sync_fetch_and_add(&tcp_ports_used, 1) + 1;
	if (fresh >= TCP_PORTS)
		return 0;
	f = bpf_map_lookup_elem(&tcp_peers, &fresh);
	if (!f || bpf_map_update_elem(&tcp_slots, &key, &fresh, BPF_NOEXIST)) {
		cost->lost++;
		return 0;
	}
	f->key = key;
	__sync_fetch_and_add(&f->ready, 1);
	return fresh;
}

static __always_inline __u32 peer_slot(const struct tcp_peer_key *key, struct bpf_cost *cost)
{
	__u32 *slot = bpf_map_lookup_elem(&tcp_slots, key), fresh;
	struct tcp_peer_figures *f;

	if (slot)
		return *slot;
	if (tcp_peers_used >= TCP_PEERS)
		return 0;
	fresh = __sync_fetch_and_add(&tcp_peers_used, 1) + TCP_PORTS;
	if (fresh >= TCP_PORTS + TCP_PEERS)
		return 0;
	f = bpf_map_lookup_elem(&tcp_peers, &fresh);
	if (!f || bpf_map_update_elem(&tcp_slots, key, &fresh, BPF_NOEXIST)) {
		cost->lost++;
		return 0;
	}
	f->key = *key;
	__sync_fetch_and_add(&f->ready, 1);
	return fresh;
}

static __always_inline void address_remote(const struct sock *sk, unsigned char to[TCP_ADDRESS])
{
	if (sk->__sk_common.skc_family == AF_INET6)
		bpf_probe_read_kernel(to, TCP_ADDRESS, &sk->__sk_common.skc_v6_daddr);
	else
		mapped(to, sk->__sk_common.skc_daddr);
}

/* What is known of a connection when it is seen for the first time. */
static __always_inline void know(struct connection *c, const struct sock *sk, __u8 side, struct bpf_cost *cost)
{
	struct tcp_peer_key key = {};
	__u16 local = sk->__sk_common.skc_num;

	c->local_port = local;
	c->port = side != TCP_OUT ? port_slot(local, side == TCP_IN, cost) : 0;
	c->side = side ? side : c->port ? TCP_IN : TCP_OUT;
	address_remote(sk, key.address);
	key.side = c->side;
	key.port = c->side == TCP_IN ? local : __builtin_bswap16(sk->__sk_common.skc_dport);
	c->peer = peer_slot(&key, cost);
}

static __always_inline void held_by(struct tcp_record *r, const struct task_struct *task)
{
	r->pid = task->tgid;
	r->start = task->group_leader->start_boottime;
	__builtin_memcpy(r->comm, task->group_leader->comm, sizeof(r->comm));
}

static __always_inline void owned_by(struct connection *c, const struct task_struct *task)
{
	c->pid = task->tgid;
	c->start = task->group_leader->start_boottime;
	__builtin_memcpy(c->comm, task->group_leader->comm, sizeof(c->comm));
}

static __always_inline void owner(struct connection *c)
{
	owned_by(c, (void *)bpf_get_current_task_btf());
}

/* Of one that was there before us: what is known of it from now on. Which ports somebody listens on is known by now. */
static __always_inline struct connection *was_there(struct sock *sk, const struct tcp_sock *tp, struct bpf_cost *cost)
{
	struct connection *c = bpf_sk_storage_get(&tcp_connections, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!c) {
		cost->lost++;
		return NULL;
	}
	know(c, sk, 0, cost);
	c->snd_nxt = tp->snd_nxt;
	c->spoken = 1;
	return c;
}

/* Without what was sent again; nor what the machine's own queue dropped, which is sent anew and counted anew: more than what is
 * acknowledged and under way (a byte more for each end of a connection) it can't be. */
static __always_inline __u64 sent_once(__u64 sent, __u64 again, __u64 acked, __u32 next, __u32 unacked)
{
	__u64 most = acked + (next - unacked);

	return sent - again < most ? sent - again : most;
}

static __always_inline void fill_ends(struct tcp_record *r, const struct sock *sk)
{
	r->socket = (__u64)sk;
	r->state = sk->__sk_common.skc_state;
	r->local_port = sk->__sk_common.skc_num;
	r->remote_port = __builtin_bswap16(sk->__sk_common.skc_dport);
	if (sk->__sk_common.skc_family == AF_INET6) {
		bpf_probe_read_kernel(r->local, TCP_ADDRESS, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_probe_read_kernel(r->remote, TCP_ADDRESS, &sk->__sk_common.skc_v6_daddr);
	} else {
		mapped(r->local, sk->__sk_common.skc_rcv_saddr);
		mapped(r->remote, sk->__sk_common.skc_daddr);
	}
}

static __always_inline void fill(struct tcp_record *r, const struct sock *sk, const struct tcp_sock *tp)
{
	fill_ends(r, sk);
	r->sent = sent_once(tp->bytes_sent, tp->bytes_retrans, tp->bytes_acked, tp->snd_nxt, tp->snd_una);
	r->received = tp->bytes_received;
	r->segments_out = tp->segs_out;
	r->retransmits = tp->total_retrans;
	r->rtt_us = tp->srtt_us >> 3;
	r->rtt_min_us = tp->rtt_min.s[0].v;
}

/* The same of a socket that the verifier does not trust to be one. */
static __always_inline void fill_plain(struct tcp_record *r, const struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;

	fill_ends(r, sk);
	r->sent = sent_once(BPF_CORE_READ(tp, bytes_sent), BPF_CORE_READ(tp, bytes_retrans), BPF_CORE_READ(tp, bytes_acked),
			    BPF_CORE_READ(tp, snd_nxt), BPF_CORE_READ(tp, snd_una));
	r->received = BPF_CORE_READ(tp, bytes_received);
	r->segments_out = BPF_CORE_READ(tp, segs_out);
	r->retransmits = BPF_CORE_READ(tp, total_retrans);
	r->rtt_us = BPF_CORE_READ(tp, srtt_us) >> 3;
	r->rtt_min_us = BPF_CORE_READ(tp, rtt_min.s[0].v);
}

static __always_inline void fill_listener(struct tcp_record *r, const struct sock *sk)
{
	fill_ends(r, sk);
	r->side = TCP_IN;
	r->backlog = sk->sk_ack_backlog;
	r->max_backlog = sk->sk_max_ack_backlog;
	if (bpf_core_field_exists(sk->sk_drops))
		r->drops = sk->sk_drops.counter;
}

static __always_inline void fill_owner(struct tcp_record *r, const struct connection *c)
{
	r->pid = c->pid;
	r->start = c->start;
	__builtin_memcpy(r->comm, c->comm, sizeof(r->comm));
}

static __always_inline void ended(struct bpf_cost *cost, struct sock *sk, struct tcp_sock *tp, struct connection *c, __u8 what)
{
	struct tcp_record *r = bpf_ringbuf_reserve(&tcp_ends, sizeof(*r), 0);

	if (!r) {
		cost->lost++;
		return;
	}
	__builtin_memset(r, 0, sizeof(*r));
	fill(r, sk, tp);
	r->what = what;
	r->error = sk->sk_err;
	if (c) {
		/* By now the socket has given its port back. */
		r->local_port = c->local_port;
		r->side = c->side;
		fill_owner(r, c);
	}
	/* Nobody is woken for one: they are read at each sample, or when many have come. */
	bpf_ringbuf_submit(r, bpf_ringbuf_query(&tcp_ends, BPF_RB_AVAIL_DATA) > tcp_wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

static __always_inline void on_state(struct bpf_cost *cost, struct sock *sk, int before, int now)
{
	struct tcp_sock *tp;
	struct connection *c;

	if (sk->sk_protocol != IPPROTO_TCP)
		return;
	if (now == LISTEN) {
		port_slot(sk->__sk_common.skc_num, true, cost);
		c = bpf_sk_storage_get(&tcp_connections, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (c)
			owner(c);
		else
			cost->lost++;
		return;
	}
	if (now == SYN_SENT || (now == ESTABLISHED && before == SYN_RECV)) {
		c = bpf_sk_storage_get(&tcp_connections, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (!c) {
			cost->lost++;
			return;
		}
		know(c, sk, now == SYN_SENT ? TCP_OUT : TCP_IN, cost);
		c->unheard = 1;
		if (now == SYN_SENT) {
			owner(c);
		} else {
			__u32 slot = c->port;
			struct tcp_port_figures *p = bpf_map_lookup_elem(&tcp_ports, &slot);

			c->ready_ns = bpf_ktime_get_ns();
			c->unread = 1;
			if (p && slot)
				__sync_fetch_and_add(&p->accepted, 1);
		}
		return;
	}
	if (now == ESTABLISHED) {
		c = bpf_sk_storage_get(&tcp_connections, sk, 0, 0);
		/* At SYN_SENT it had no port yet. */
		if (c)
			c->local_port = sk->__sk_common.skc_num;
		return;
	}
	if (now != CLOSE || before == LISTEN || before == CLOSE)
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (tp)
		ended(cost, sk, tp, bpf_sk_storage_get(&tcp_connections, sk, 0, 0), before == SYN_SENT ? TCP_FAILED : TCP_ENDED);
}

static __always_inline void count_answer(const struct connection *c, __u32 slot, __u64 ns)
{
	struct tcp_peer_figures *f = slot ? bpf_map_lookup_elem(&tcp_peers, &slot) : NULL;

	if (!f)
		return;
	if (c->multiplexed)
		__sync_fetch_and_add(&f->multiplexed, 1);
	else if (c->overlaps * SPOILED_OF > c->exchanges + SPOILED_OF)
		__sync_fetch_and_add(&f->left_out, 1);
	else
		__sync_fetch_and_add(&f->answers[bpf_hist_slot(ns)], 1);
}

static __always_inline void answered(struct connection *c, __u64 ns)
{
	ns = (__s64)ns < 0 ? 0 : ns;
	count_answer(c, c->peer, ns);
	count_answer(c, c->port, ns);
	c->exchanges++;
}

/* Of HTTP/2 the first bytes are known: a client's are "PRI * HTTP/2.0", a server's a frame of settings. */
static __always_inline bool is_http2(const struct connection *c, const unsigned char b[HTTP2_BYTES])
{
	if (c->side == TCP_IN)
		return b[0] == 'P' && b[1] == 'R' && b[2] == 'I' && b[3] == ' ' && b[4] == '*';
	return b[0] == 0 && b[1] == 0 && b[3] == 4 && b[4] <= 1 && !b[5] && !b[6] && !b[7] && !b[8];
}

/* Seen where a segment has them behind its header. In many they lie in pages, which programs can't read ... */
static __always_inline bool comes_as_http2(const struct connection *c, const struct sk_buff *skb, __u32 header)
{
	unsigned char b[HTTP2_BYTES];

	return !bpf_probe_read_kernel(b, sizeof(b), (const char *)skb->data + header) && is_http2(c, b);
}

/* ... and then where the process that takes them out has put them. */
static __always_inline bool reads_http2(const struct connection *c)
{
	struct pt_regs *regs;
	unsigned char b[HTTP2_BYTES];
	__u64 call, at;

	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return false;
	regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	call = REGS_SYSCALL(regs);
	at = REGS_ARG2(regs);
	/* struct msghdr: msg_iov; struct iovec: iov_base */
	if (call == tcp_recvmsg && bpf_probe_read_user(&at, sizeof(at), (void *)(at + 16)))
		return false;
	if ((call == tcp_recvmsg || call == tcp_readv) && bpf_probe_read_user(&at, sizeof(at), (void *)at))
		return false;
	if (call != tcp_recvmsg && call != tcp_readv && call != tcp_recvfrom && call != tcp_read_call)
		return false;
	return !bpf_probe_read_user(b, sizeof(b), (void *)at) && is_http2(c, b);
}

static __always_inline void on_segment(struct bpf_cost *cost, struct sock *sk, const struct sk_buff *skb)
{
	struct connection *c = bpf_sk_storage_get(&tcp_connections, sk, 0, 0);
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tcphdr_words {
		__u32 ports, seq, ack, flags;
	} h;
	__u64 now;
	__u32 length, sent;

	if (!tp)
		return;
	if (!c) {
		/* It was there before us. */
		if (!tcp_ports_known)
			return;
		c = was_there(sk, tp, cost);
		if (!c)
			return;
	}
	sent = tp->snd_nxt;
	if (sent != c->snd_nxt) {
		__u64 at = tp->tcp_mstamp * 1000;

		c->snd_nxt = sent;
		if (c->side == TCP_OUT) {
			c->asked_ns = at;
			c->waiting = 1;
		} else if (c->waiting) {
			c->waiting = 0;
			answered(c, at - c->asked_ns);
		}
	}
	if (bpf_probe_read_kernel(&h, sizeof(h), skb->data))
		return;
	length = skb->len - ((__builtin_bswap32(h.flags) >> 28) << 2);
	if ((__s32)length <= 0)
		return;
	now = bpf_ktime_get_ns();
	/* Who alternates has seen all of what was said before he speaks. */
	if (__builtin_bswap32(h.ack) != sent)
		c->overlaps++;
	if (!c->spoken) {
		c->spoken = 1;
		c->ready_ns = now;
		c->multiplexed = comes_as_http2(c, skb, skb->len - length);
	}
	if (c->side == TCP_IN) {
		c->asked_ns = now;
		c->waiting = 1;
	} else if (c->waiting) {
		c->waiting = 0;
		answered(c, now - c->asked_ns);
	}
}

/* A process takes bytes out of a socket: of those the peer began, the first time says how long it was let wait, and who
 * serves it. */
static __always_inline void on_read(struct sock *sk)
{
	struct connection *c = bpf_sk_storage_get(&tcp_connections, sk, 0, 0);
	struct tcp_port_figures *p;
	__u64 waited;
	__u32 slot;

	if (!c)
		return;
	if (c->unheard) {
		c->unheard = 0;
		c->multiplexed |= reads_http2(c);
	}
	if (!c->unread)
		return;
	c->unread = 0;
	owner(c);
	waited = bpf_ktime_get_ns() - c->ready_ns;
	slot = c->port;
	if (slot && (p = bpf_map_lookup_elem(&tcp_ports, &slot)))
		__sync_fetch_and_add(&p->reads[bpf_hist_slot((__s64)waited < 0 ? 0 : waited)], 1);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcp_state, struct sock *sk, int before, int now)
{
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(TCP_STATE, &start);

	if (!cost)
		return 0;
	on_state(cost, sk, before, now);
	bpf_cost_end(cost, start);
	return 0;
}

SEC("tp_btf/tcp_probe")
int BPF_PROG(tcp_segment, struct sock *sk, struct sk_buff *skb)
{
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(TCP_SEGMENT, &start);

	if (!cost)
		return 0;
	on_segment(cost, sk, skb);
	bpf_cost_end(cost, start);
	return 0;
}

SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(tcp_read, struct sock *sk)
{
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(TCP_READ, &start);

	if (!cost)
		return 0;
	on_read(sk);
	bpf_cost_end(cost, start);
	return 0;
}

static __always_inline struct sock *tcp_of(struct file *file)
{
	struct socket *socket = bpf_sock_from_file(file);
	struct sock *sk;

	if (!socket)
		return NULL;
	sk = socket->sk;
	if (!sk || sk->sk_protocol != IPPROTO_TCP || socket->type != 1 || sk->__sk_common.skc_state == CLOSE)
		return NULL;
	return sk;
}

/* Who holds a socket: told of one that listens, of a connection that nothing could be kept of, and where nobody else tells;
 * else noted with the connection, for tcp_sockets. */
SEC("iter/task_file")
int tcp_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct tcp_record r = {};
	struct connection *c;
	struct tcp_sock *tp;
	struct bpf_cost *cost;
	struct sock *sk;
	bool listens;
	__u64 start;

	if (!task || !file)
		return 0;
	sk = tcp_of(file);
	if (!sk)
		return 0;
	cost = bpf_cost_begin(TCP_FILES, &start);
	if (!cost)
		return 0;
	listens = sk->__sk_common.skc_state == LISTEN;
	tp = bpf_skc_to_tcp_sock(sk);
	c = bpf_sk_storage_get(&tcp_connections, sk, 0, listens ? BPF_SK_STORAGE_GET_F_CREATE : 0);
	if (!c && !listens && tp && tcp_ports_known)
		c = was_there(sk, tp, cost);
	if (c && !c->pid)
		owned_by(c, task);
	if (listens) {
		fill_listener(&r, sk);
		port_slot(r.local_port, true, cost);
	} else if ((!c || tcp_files_tell) && tp) {
		fill(&r, sk, tp);
		r.side = c ? c->side : port_slot(r.local_port, false, cost) ? TCP_IN : TCP_OUT;
	}
	if (r.socket) {
		held_by(&r, task);
		/* What has no room in the reader's buffer is shown to us again with the next read: nothing is lost. */
		bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	}
	bpf_cost_end(cost, start);
	return 0;
}

/* Each socket that something was kept of, whoever holds it, or nobody any more. */
SEC("iter/bpf_sk_storage_map")
int tcp_sockets(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct connection *c = ctx->value;
	struct tcp_record r = {.what = TCP_KNOWN};
	struct sock *sk = ctx->sk;
	struct bpf_cost *cost;
	struct tcp_sock *tp;
	__u64 start;

	if (!sk || !c || sk->__sk_common.skc_state == CLOSE)
		return 0;
	cost = bpf_cost_begin(TCP_SOCKETS, &start);
	if (!cost)
		return 0;
	if (sk->__sk_common.skc_state == LISTEN) {
		fill_listener(&r, sk);
	} else {
		tp = bpf_skc_to_tcp_sock(sk);
		if (tp)
			fill(&r, sk, tp);
		r.side = c->side;
	}
	fill_owner(&r, c);
	if (r.socket)
		bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	bpf_cost_end(cost, start);
	return 0;
}

/* In place of tcp_files, where the verifier does not trust a socket found in a file (6.18): read, and no more. All are told of, and in
 * which network namespace tcp_net finds them. */
SEC("iter/task_file")
int tcp_files_read(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct tcp_record r = {};
	struct bpf_cost *cost;
	struct sock *sk;
	__u64 start;

	if (!task || !file)
		return 0;
	sk = tcp_of(file);
	if (!sk)
		return 0;
	cost = bpf_cost_begin(TCP_FILES_READ, &start);
	if (!cost)
		return 0;
	if (sk->__sk_common.skc_state == LISTEN) {
		fill_listener(&r, sk);
		port_slot(r.local_port, true, cost);
	} else {
		fill_plain(&r, sk);
		r.side = port_slot(r.local_port, false, cost) ? TCP_IN : TCP_OUT;
	}
	if (bpf_core_field_exists(sk->__sk_common.skc_net.net))
		r.net = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	r.inside = r.net && r.net == BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
	held_by(&r, task);
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	bpf_cost_end(cost, start);
	return 0;
}

/* In place of tcp_sockets, where a kernel lets nobody iterate over a map's elements: each socket of the network namespace that the
 * iterator was made in, whether something was kept of it or not. */
SEC("iter/tcp")
int tcp_net(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct tcp_record r = {.what = TCP_KNOWN};
	struct connection *c;
	struct bpf_cost *cost;
	struct tcp_sock *tp;
	struct sock *sk;
	__u64 start;

	if (!skc)
		return 0;
	/* Not one that is only asked for yet, or waits for its time to be over. */
	tp = bpf_skc_to_tcp_sock(skc);
	if (!tp)
		return 0;
	sk = (struct sock *)tp;
	if (sk->__sk_common.skc_state == CLOSE)
		return 0;
	cost = bpf_cost_begin(TCP_NET, &start);
	if (!cost)
		return 0;
	c = bpf_sk_storage_get(&tcp_connections, tp, 0, 0);
	if (sk->__sk_common.skc_state == LISTEN) {
		fill_listener(&r, sk);
		port_slot(r.local_port, true, cost);
	} else {
		fill(&r, sk, tp);
		r.side = c ? c->side : port_slot(r.local_port, false, cost) ? TCP_IN : TCP_OUT;
	}
	if (c)
		fill_owner(&r, c);
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	bpf_cost_end(cost, start);
	return 0;
}
