#include "tcp_flow.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADS = 4096, NONE = UINT32_MAX };

struct connection {
	uint64_t socket;
	uint16_t local_port, remote_port;
	uint64_t sent, received;
	uint32_t segments, retransmits;
	uint32_t flow, next;
	bool own; /* it counts to the process that holds it, not to its listener's or to none; or nothing better can be had */
	uint64_t pass; /* in which it was seen last */
};

struct tcp_flows {
	struct connection connections[TCP_CONNECTIONS_MAX];
	uint32_t connection_heads[HEADS], connection_free;
	struct tcp_flow flows[TCP_FLOWS_MAX];
	uint32_t flow_next[TCP_FLOWS_MAX], flow_heads[HEADS], flow_free;
	uint32_t nflows; /* places from here on were never used: not looked at either, that would take their memory */
	struct tcp_listener listeners[TCP_LISTENERS_MAX];
	size_t nlisteners;
	uint64_t pass, lost;
	bool counting; /* the first pass is over: what comes now counts from 0 */
};

struct tcp_flows *tcp_flows_create(void)
{
	struct tcp_flows *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	for (uint32_t i = 0; i < HEADS; i++)
		t->connection_heads[i] = t->flow_heads[i] = NONE;
	/* Free ones are handed out from the front: what is never needed is never touched. */
	t->connection_free = t->flow_free = 0;
	return t;
}

void tcp_flows_destroy(struct tcp_flows *t)
{
	free(t);
}

static uint32_t mix(uint64_t h)
{
	h *= 0x9e3779b97f4a7c15u;
	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9u;
	return (uint32_t)(h >> 40) & (HEADS - 1);
}

/* Free places are a list through `next`, as 1 + index; 0: the next one was never used. */
static uint32_t take(uint32_t *free_list, uint32_t *next, uint32_t place)
{
	*free_list = *next ? *next - 1 : place + 1;
	*next = 0;
	return place;
}

/* By its address in the kernel and its ports: at the same address another one may live before the end of the first is told. */
static struct connection *connection_find(struct tcp_flows *t, const struct tcp_record *r)
{
	uint32_t i = t->connection_heads[mix(r->socket)];

	for (; i != NONE; i = t->connections[i].next) {
		struct connection *c = &t->connections[i];

		if (c->socket == r->socket && c->local_port == r->local_port && c->remote_port == r->remote_port)
			return c;
	}
	return NULL;
}

static void connection_remove(struct tcp_flows *t, struct connection *gone)
{
	uint32_t place = (uint32_t)(gone - t->connections), *at = &t->connection_heads[mix(gone->socket)];

	while (*at != place)
		at = &t->connections[*at].next;
	*at = gone->next;
	if (gone->flow != NONE && t->flows[gone->flow].open)
		t->flows[gone->flow].open--;
	memset(gone, 0, sizeof(*gone));
	gone->next = t->connection_free + 1;
	t->connection_free = place;
}

static struct connection *connection_add(struct tcp_flows *t, const struct tcp_record *r)
{
	uint32_t place = t->connection_free, *head = &t->connection_heads[mix(r->socket)];
	struct connection *c;

	if (place >= TCP_CONNECTIONS_MAX) {
		t->lost++;
		return NULL;
	}
	c = &t->connections[place];
	take(&t->connection_free, &c->next, place);
	*c = (struct connection){.socket = r->socket, .local_port = r->local_port, .remote_port = r->remote_port, .flow = NONE};
	c->next = *head;
	*head = place;
	return c;
}

static uint32_t flow_hash(uint32_t pid, const struct tcp_peer_key *peer)
{
	uint64_t a, b;

	memcpy(&a, peer->address, 8);
	memcpy(&b, peer->address + 8, 8);
	return mix(a * 31 + b * 17 + peer->port * 65537u + peer->side + (uint64_t)pid * 0x100000001b3u);
}

static uint32_t flow_of(struct tcp_flows *t, uint32_t pid, uint64_t start_ns, const struct tcp_peer_key *peer, const char comm[16])
{
	uint32_t *head = &t->flow_heads[flow_hash(pid, peer)], i;
	struct tcp_flow *f;

	for (i = *head; i != NONE; i = t->flow_next[i]) {
		f = &t->flows[i];
		if (f->pid == pid && f->start_ns == start_ns && memcmp(&f->peer, peer, sizeof(*peer)) == 0)
			return i;
	}
	i = t->flow_free;
	if (i >= TCP_FLOWS_MAX) {
		t->lost++;
		return NONE;
	}
	take(&t->flow_free, &t->flow_next[i], i);
	t->nflows = i < t->nflows ? t->nflows : i + 1;
	f = &t->flows[i];
	*f = (struct tcp_flow){.pid = pid, .start_ns = start_ns, .peer = *peer, .used = true};
	memcpy(f->comm, comm, sizeof(f->comm));
	t->flow_next[i] = *head;
	*head = i;
	return i;
}

static void flow_remove(struct tcp_flows *t, uint32_t i)
{
	struct tcp_flow *f = &t->flows[i];
	uint32_t *at = &t->flow_heads[flow_hash(f->pid, &f->peer)];

	while (*at != i)
		at = &t->flow_next[*at];
	*at = t->flow_next[i];
	memset(f, 0, sizeof(*f));
	t->flow_next[i] = t->flow_free + 1;
	t->flow_free = i;
}

static const struct tcp_listener *listener_of(const struct tcp_flows *t, uint16_t port)
{
	for (size_t i = 0; i < t->nlisteners; i++) {
		if (t->listeners[i].port == port)
			return &t->listeners[i];
	}
	return NULL;
}

bool tcp_flows_listens(const struct tcp_flows *t, uint16_t port)
{
	return listener_of(t, port) != NULL;
}

static struct tcp_peer_key peer_of(const struct tcp_record *r)
{
	struct tcp_peer_key key = {.side = r->side == TCP_IN ? TCP_IN : TCP_OUT};

	memcpy(key.address, r->remote, TCP_ADDRESS);
	key.port = key.side == TCP_IN ? r->local_port : r->remote_port;
	return key;
}

/* The flow that a connection counts to. Whose it is, of one that nobody has read from yet or whose process is gone: its
 * listener's. */
static uint32_t flow_for(struct tcp_flows *t, const struct tcp_record *r)
{
	struct tcp_peer_key peer = peer_of(r);
	const struct tcp_listener *l = !r->pid && peer.side == TCP_IN ? listener_of(t, r->local_port) : NULL;

	return l ? flow_of(t, l->pid, l->start_ns, &peer, l->comm) : flow_of(t, r->pid, r->start, &peer, r->comm);
}

/* What has been added since it was seen last. A connection's figures never fall. */
static void count(struct tcp_flows *t, struct connection *c, const struct tcp_record *r)
{
	struct tcp_flow *f = c->flow != NONE ? &t->flows[c->flow] : NULL;

	if (f) {
		f->sent += r->sent > c->sent ? r->sent - c->sent : 0;
		f->received += r->received > c->received ? r->received - c->received : 0;
		f->segments += r->segments_out > c->segments ? r->segments_out - c->segments : 0;
		f->retransmits += r->retransmits > c->retransmits ? r->retransmits - c->retransmits : 0;
	}
	c->sent = r->sent > c->sent ? r->sent : c->sent;
	c->received = r->received;
	c->segments = r->segments_out;
	c->retransmits = r->retransmits;
}

/* Whose it is may be found later than the connection. What it did until then stays where it was counted. */
static void settle(struct tcp_flows *t, struct connection *c, const struct tcp_record *r)
{
	uint32_t flow;

	if (c->own || (!r->pid && c->flow != NONE && t->flows[c->flow].pid))
		return;
	flow = flow_for(t, r);
	c->own = r->pid != 0 || flow == NONE;
	if (flow == c->flow || flow == NONE)
		return;
	if (c->flow != NONE && t->flows[c->flow].open)
		t->flows[c->flow].open--;
	c->flow = flow;
	t->flows[flow].open++;
}

/* The same connection, or one after it that has its ports and its place in memory? */
static bool is_same(const struct connection *c, const struct tcp_record *r)
{
	/* What was sent, read while some of it is sent again, may seem to have fallen by that. */
	return r->received >= c->received && (r->sent >= c->sent || (c->segments && r->segments_out >= c->segments));
}

void tcp_flows_ended(struct tcp_flows *t, const struct tcp_record *r)
{
	struct connection *c = connection_find(t, r);
	uint32_t i;

	if (c && !is_same(c, r)) {
		connection_remove(t, c);
		c = NULL;
	}
	if (c) {
		count(t, c, r);
		if (c->flow != NONE) {
			t->flows[c->flow].closed++;
			t->flows[c->flow].idle = 0;
		}
		connection_remove(t, c);
		return;
	}
	i = flow_for(t, r);
	if (i == NONE)
		return;
	t->flows[i].idle = 0;
	if (r->what == TCP_FAILED) {
		t->flows[i].failed++;
		t->flows[i].error = r->error;
		return;
	}
	t->flows[i].opened++;
	t->flows[i].closed++;
	t->flows[i].sent += r->sent;
	t->flows[i].received += r->received;
	t->flows[i].segments += r->segments_out;
	t->flows[i].retransmits += r->retransmits;
}

void tcp_flows_begin(struct tcp_flows *t)
{
	t->pass++;
	for (size_t i = 0; i < t->nflows; i++) {
		if (t->flows[i].used)
			t->flows[i].rtt_sum_us = t->flows[i].rtt_n = t->flows[i].rtt_min_us = t->flows[i].rtt_max_us = 0;
	}
}

static void listener_living(struct tcp_flows *t, const struct tcp_record *r)
{
	struct tcp_listener *l = NULL;
	bool fresh;

	for (size_t i = 0; i < t->nlisteners && !l; i++) {
		if (t->listeners[i].socket == r->socket && t->listeners[i].port == r->local_port)
			l = &t->listeners[i];
	}
	fresh = !l;
	if (fresh) {
		if (t->nlisteners == TCP_LISTENERS_MAX) {
			t->lost++;
			return;
		}
		l = &t->listeners[t->nlisteners++];
		*l = (struct tcp_listener){.socket = r->socket, .port = r->local_port, .drops_before = r->drops};
		memcpy(l->address, r->local, TCP_ADDRESS);
	}
	/* Who began it holds it, as far as is known. */
	if (r->what != TCP_KNOWN || fresh) {
		if (l->pass != t->pass) {
			l->holders = 0;
			l->pid = r->pid;
			l->start_ns = r->start;
			memcpy(l->comm, r->comm, sizeof(l->comm));
		}
		l->holders += r->what != TCP_KNOWN || r->pid;
	}
	l->pass = t->pass;
	l->backlog = r->backlog;
	l->max_backlog = r->max_backlog;
	l->drops = r->drops - l->drops_before;
}

void tcp_flows_living(struct tcp_flows *t, const struct tcp_record *r)
{
	struct connection *c;
	struct tcp_flow *f;

	if (r->state == TCP_LISTENING) {
		listener_living(t, r);
		return;
	}
	c = connection_find(t, r);
	if (c && !is_same(c, r)) {
		if (c->flow != NONE)
			t->flows[c->flow].closed++;
		connection_remove(t, c);
		c = NULL;
	}
	if (!c) {
		c = connection_add(t, r);
		if (!c)
			return;
		settle(t, c, r);
		if (c->flow != NONE)
			t->flows[c->flow].opened += t->counting;
		/* What was there at the first pass counts from now on. */
		if (!t->counting) {
			c->sent = r->sent;
			c->received = r->received;
			c->segments = r->segments_out;
			c->retransmits = r->retransmits;
		}
	} else if (c->pass == t->pass) {
		return; /* another process that holds it */
	} else {
		settle(t, c, r);
	}
	c->pass = t->pass;
	count(t, c, r);
	f = c->flow != NONE ? &t->flows[c->flow] : NULL;
	if (!f || !r->rtt_us)
		return;
	f->rtt_sum_us += r->rtt_us;
	f->rtt_n++;
	if (!f->rtt_min_us || (r->rtt_min_us && r->rtt_min_us < f->rtt_min_us))
		f->rtt_min_us = r->rtt_min_us;
	f->rtt_max_us = r->rtt_us > f->rtt_max_us ? r->rtt_us : f->rtt_max_us;
}

void tcp_flows_end(struct tcp_flows *t)
{
	size_t kept = 0;

	/* An end that was not told: it is gone from the pass. */
	for (uint32_t h = 0; h < HEADS; h++) {
		for (uint32_t i = t->connection_heads[h], next; i != NONE; i = next) {
			struct connection *c = &t->connections[i];

			next = c->next;
			if (c->pass + 1 >= t->pass)
				continue;
			if (c->flow != NONE)
				t->flows[c->flow].closed++;
			connection_remove(t, c);
		}
	}
	for (uint32_t i = 0; i < t->nflows; i++) {
		struct tcp_flow *f = &t->flows[i];

		if (!f->used)
			continue;
		f->idle = f->open ? 0 : f->idle + 1;
		if (f->idle > TCP_FLOW_KEPT)
			flow_remove(t, i);
	}
	for (size_t i = 0; i < t->nlisteners; i++) {
		if (t->listeners[i].pass == t->pass)
			t->listeners[kept++] = t->listeners[i];
	}
	t->nlisteners = kept;
	t->counting = true;
}

const struct tcp_flow *tcp_flows_at(const struct tcp_flows *t, size_t i)
{
	return i < t->nflows && t->flows[i].used ? &t->flows[i] : NULL;
}

size_t tcp_flows_listeners(const struct tcp_flows *t, const struct tcp_listener **ret_list)
{
	*ret_list = t->listeners;
	return t->nlisteners;
}

uint64_t tcp_flows_lost(const struct tcp_flows *t)
{
	return t->lost;
}

size_t tcp_name(char out[TCP_NAME_MAX], const unsigned char address[TCP_ADDRESS], uint16_t port)
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
	char text[INET6_ADDRSTRLEN] = "?";
	bool is_ipv4 = memcmp(address, mapped, sizeof(mapped)) == 0;

	inet_ntop(is_ipv4 ? AF_INET : AF_INET6, is_ipv4 ? address + 12 : address, text, sizeof(text));
	if (!port)
		return (size_t)snprintf(out, TCP_NAME_MAX, "%s", text);
	return (size_t)snprintf(out, TCP_NAME_MAX, is_ipv4 ? "%s:%u" : "[%s]:%u", text, port);
}
