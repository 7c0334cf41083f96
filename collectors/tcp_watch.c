#include "tcp_watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "bpf.h"
#include "bpf_ring.h"
#include "tcp_nets.h"
#include "tcp_watch.skel.h"

enum {
	READ_AT_ONCE = 200, /* records of the iterator */
	EARLY_MOST = 64,
};

static const struct bpf_hook hooks[] = {
	[TCP_STATE] = {.name = "tcp_state", .hook = "tracepoint inet_sock_set_state"},
	[TCP_SEGMENT] = {.name = "tcp_segment", .hook = "tracepoint tcp_probe"},
	[TCP_READ] = {.name = "tcp_read", .hook = "tracepoint tcp_rcv_space_adjust"},
	[TCP_FILES] = {.name = "tcp_files", .hook = "iterator task_file", .iterator = true, .way = 1},
	[TCP_SOCKETS] = {.name = "tcp_sockets", .hook = "iterator bpf_sk_storage_map", .iterator = true, .over = "tcp_connections", .way = 1},
	[TCP_FILES_READ] = {.name = "tcp_files_read", .hook = "iterator task_file", .iterator = true, .way = 2},
	[TCP_NET] = {.name = "tcp_net", .hook = "iterator tcp", .iterator = true, .way = 2},
};

struct tcp_watch {
	const struct culprit_host *host;
	struct tcp_flows *flows; /* borrowed */
	struct bpf_unit *unit;
	struct tcp_watch_bpf *skeleton;
	struct bpf_ring *ends;
	const struct tcp_peer_figures *peers; /* the first TCP_PORTS, of ports; those of peers are many, and few in use */
	struct tcp_port_figures port; /* as read last: mapped, all of them would be in our memory */
	struct tcp_record records[READ_AT_ONCE];
	/* Connections that were met before the socket that listens for them, which is as new as they are: that has the next say. */
	struct tcp_record early[EARLY_MOST];
	unsigned nearly;
	uint64_t told; /* connections that only a look at files tells of: nothing was noted with them, or their namespace is closed to us */
	struct tcp_nets nets; /* as the last look at files found them, for TCP_NET */
	bool learning; /* of the ports and namespaces; what is told of sockets is not taken yet */
};

static int configure(void *skeleton, void *arg)
{
	struct tcp_watch_bpf *k = skeleton;
	uint32_t ring = bpf_ring_bytes(128 << 10, 2 << 20);

	(void)arg;
	k->rodata->tcp_wake = ring / 4;
	k->rodata->tcp_read_call = SYS_read;
	k->rodata->tcp_readv = SYS_readv;
	k->rodata->tcp_recvfrom = SYS_recvfrom;
	k->rodata->tcp_recvmsg = SYS_recvmsg;
	return bpf_map__set_max_entries(k->maps.tcp_ends, ring);
}

BPF_KIT(tcp_watch, hooks, configure);

static void take_end(void *self, const void *data, size_t size)
{
	struct tcp_watch *w = self;

	if (size >= sizeof(struct tcp_record))
		tcp_flows_ended(w->flows, data);
}

void tcp_watch_destroy(struct tcp_watch *w)
{
	if (!w)
		return;
	bpf_ring_close(w->ends);
	bpf_unload(w->unit);
	free(w);
}

/* It, or the one in its place here. */
static enum tcp_flow_program taken(const struct tcp_watch *w, enum tcp_flow_program program)
{
	if (!bpf_is_aside(w->unit, program))
		return program;
	return program == TCP_FILES ? TCP_FILES_READ : program == TCP_SOCKETS ? TCP_NET : program;
}

struct tcp_watch *tcp_watch_create(const struct culprit_host *host, struct tcp_flows *flows, struct culprit_error *error)
{
	struct tcp_watch *w = bpf_probe(host, error) ? NULL : calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->host = host;
	w->flows = flows;
	w->told = 1;
	tcp_nets_init(&w->nets, host->proc_fd);
	w->unit = bpf_load(host, &tcp_watch_kit, NULL, error);
	if (!w->unit) {
		tcp_watch_destroy(w);
		return NULL;
	}
	w->skeleton = bpf_skeleton(w->unit);
	w->peers = bpf_view_first(w->unit, w->skeleton->maps.tcp_peers, TCP_PORTS, false);
	w->ends = bpf_ring_open(w->skeleton->maps.tcp_ends, take_end, w);
	if (!w->peers || !w->ends) {
		snprintf(error->sentence, sizeof(error->sentence), "out of memory");
		tcp_watch_destroy(w);
		return NULL;
	}
	bpf_attach(w->unit, taken(w, TCP_FILES));
	bpf_attach(w->unit, taken(w, TCP_SOCKETS));
	/* Without it nobody ever tells. */
	w->skeleton->bss->tcp_ports_known = !tcp_watch_is_on(w, TCP_FILES);
	return w;
}

bool tcp_watch_is_on(const struct tcp_watch *w, enum tcp_flow_program program)
{
	return bpf_is_on(w->unit, taken(w, program));
}

const char *tcp_watch_reason(const struct tcp_watch *w, enum tcp_flow_program program)
{
	return bpf_reason(w->unit, taken(w, program));
}

static void take_living(struct tcp_watch *w, enum tcp_flow_program which, const struct tcp_record *r)
{
	bool listens = r->state == TCP_LISTENING;

	if (which == TCP_FILES_READ)
		tcp_nets_held(&w->nets, r->net, r->inside ? r->pid : 0);
	if (w->learning)
		return;
	w->told += which == TCP_FILES && !listens;
	if (!listens && !r->pid && r->side == TCP_IN && w->nearly < EARLY_MOST && !tcp_flows_listens(w->flows, r->local_port))
		w->early[w->nearly++] = *r;
	else
		tcp_flows_living(w->flows, r);
}

/* Reads all that is left in one iterator. 0 or -errno. */
static int read_all(struct tcp_watch *w, enum tcp_flow_program which, int fd)
{
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, (char *)w->records + have, sizeof(w->records) - have)) != 0) {
		size_t whole;

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			break;
		have += (size_t)n;
		whole = have / sizeof(struct tcp_record);
		for (size_t i = 0; i < whole; i++)
			take_living(w, which, &w->records[i]);
		have -= whole * sizeof(struct tcp_record);
		memmove(w->records, &w->records[whole], have);
	}
	return n < 0 ? -errno : 0;
}

static int read_records(struct tcp_watch *w, enum tcp_flow_program which)
{
	int fd = bpf_iterate(w->unit, which), r;

	if (fd < 0)
		return fd;
	r = read_all(w, which, fd);
	close(fd);
	return r;
}

static int iterate_net(void *self)
{
	struct tcp_watch *w = self;

	return bpf_iterate(w->unit, TCP_NET);
}

/* Iterators over the sockets of other namespaces, for read_nets(). false: there are sockets that only a look at files tells of. */
static bool open_nets(struct tcp_watch *w)
{
	return !bpf_is_on(w->unit, TCP_NET) || tcp_nets_open(&w->nets, w->host->proc_fd, iterate_net, w);
}

static void read_nets(struct tcp_watch *w)
{
	for (unsigned i = 0; i < w->nets.n; i++) {
		if (w->nets.list[i].fd >= 0 && read_all(w, TCP_NET, w->nets.list[i].fd))
			w->told++;
	}
	tcp_nets_close(&w->nets);
}

/* The look at all files. 0 or -errno. */
static int read_owners(struct tcp_watch *w)
{
	enum tcp_flow_program files = taken(w, TCP_FILES);
	volatile __u32 *ports_known = &w->skeleton->bss->tcp_ports_known;
	int r = 0;

	w->told = 0;
	w->skeleton->bss->tcp_files_tell = !tcp_watch_is_on(w, TCP_SOCKETS);
	tcp_nets_forget(&w->nets);
	/* Which side of a connection is asked can be told when all ports are known that somebody listens on. */
	if (!*ports_known) {
		w->learning = true;
		r = read_records(w, files);
		w->learning = false;
		*ports_known = !r;
	}
	return r ? r : read_records(w, files);
}

bool tcp_watch_needs_owners(const struct tcp_watch *w)
{
	return w->told || !tcp_watch_is_on(w, TCP_SOCKETS) || !bpf_is_on(w->unit, TCP_STATE) || !bpf_is_on(w->unit, TCP_READ);
}

int tcp_watch_pass(struct tcp_watch *w, bool owners, uint64_t *ret_owners_ns)
{
	uint64_t begun_ns = w->host->now_ns(w->host, CULPRIT_MONOTONIC);
	int r = 0;

	*ret_owners_ns = 0;
	tcp_flows_begin(w->flows);
	/* By a process that has ended no namespace is found any more, but maybe by another. */
	if (!owners)
		owners = !open_nets(w);
	if (owners) {
		tcp_nets_close(&w->nets);
		r = read_owners(w);
		*ret_owners_ns = w->host->now_ns(w->host, CULPRIT_MONOTONIC) - begun_ns;
		w->told += !open_nets(w);
	}
	if (!r && tcp_watch_is_on(w, TCP_SOCKETS))
		r = read_records(w, taken(w, TCP_SOCKETS));
	read_nets(w);
	for (unsigned i = 0; i < w->nearly; i++)
		tcp_flows_living(w->flows, &w->early[i]);
	w->nearly = 0;
	tcp_flows_end(w->flows);
	return r;
}

bool tcp_watch_peer(const struct tcp_watch *w, uint32_t i, struct tcp_peer_figures *ret)
{
	uint32_t key = TCP_PORTS + i;

	return bpf_map__lookup_elem(w->skeleton->maps.tcp_peers, &key, sizeof(key), ret, sizeof(*ret), 0) == 0 && ret->ready;
}

uint32_t tcp_watch_peers(const struct tcp_watch *w)
{
	uint32_t used = w->skeleton->bss->tcp_peers_used;

	return used < TCP_PEERS ? used : TCP_PEERS;
}

const struct tcp_peer_figures *tcp_watch_port(struct tcp_watch *w, uint16_t port, const struct tcp_port_figures **ret_more)
{
	size_t used = w->skeleton->bss->tcp_ports_used;

	for (uint32_t i = 1; i <= used && i < TCP_PORTS; i++) {
		const struct tcp_peer_figures *p =
			(const void *)((const char *)w->peers + i * bpf_stride(sizeof(struct tcp_peer_figures)));

		if (!__atomic_load_n(&p->ready, __ATOMIC_ACQUIRE) || p->key.port != port)
			continue;
		if (bpf_map__lookup_elem(w->skeleton->maps.tcp_ports, &i, sizeof(i), &w->port, sizeof(w->port), 0))
			return NULL;
		*ret_more = &w->port;
		return p;
	}
	return NULL;
}

void tcp_watch_ends(struct tcp_watch *w)
{
	bpf_ring_read(w->ends);
}

int tcp_watch_fd(const struct tcp_watch *w)
{
	return bpf_ring_fd(w->ends);
}

size_t tcp_watch_programs(struct tcp_watch *w, const struct culprit_program **ret_list)
{
	bpf_say_fill(w->unit, TCP_SEGMENT, w->skeleton->bss->tcp_peers_used, TCP_PEERS);
	return bpf_programs(w->unit, ret_list);
}

int tcp_watch_thin(struct tcp_watch *w, size_t index, uint32_t thinning)
{
	return bpf_thin(w->unit, index, thinning);
}
