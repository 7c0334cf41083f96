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
#include "tcp_watch.skel.h"

enum {
	READ_AT_ONCE = 200, /* records of the iterator */
	EARLY_MOST = 64,
};

static const struct bpf_hook hooks[] = {
	[TCP_STATE] = {.name = "tcp_state", .hook = "tracepoint inet_sock_set_state"},
	[TCP_SEGMENT] = {.name = "tcp_segment", .hook = "tracepoint tcp_probe"},
	[TCP_READ] = {.name = "tcp_read", .hook = "tracepoint tcp_rcv_space_adjust"},
	[TCP_FILES] = {.name = "tcp_files", .hook = "iterator task_file", .iterator = true},
	[TCP_SOCKETS] = {.name = "tcp_sockets", .hook = "iterator bpf_sk_storage_map", .iterator = true, .over = "tcp_connections"},
	[TCP_FILES_READ] = {.name = "tcp_files_read", .hook = "iterator task_file", .iterator = true},
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
	enum tcp_flow_program files; /* the iterator over files that this kernel takes */
	uint64_t told; /* connections that the last look at files told of, because nothing was noted with them */
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

struct tcp_watch *tcp_watch_create(const struct culprit_host *host, struct tcp_flows *flows, struct culprit_error *error)
{
	struct tcp_watch *w = bpf_probe(host, error) ? NULL : calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->host = host;
	w->flows = flows;
	w->told = 1;
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
	w->files = TCP_FILES;
	bpf_attach(w->unit, TCP_FILES);
	if (!bpf_is_on(w->unit, TCP_FILES)) {
		bpf_attach(w->unit, TCP_FILES_READ);
		w->files = bpf_is_on(w->unit, TCP_FILES_READ) ? TCP_FILES_READ : TCP_FILES;
	}
	bpf_attach(w->unit, TCP_SOCKETS);
	/* Without it nobody ever tells. */
	w->skeleton->bss->tcp_ports_known = !bpf_is_on(w->unit, w->files);
	return w;
}

enum tcp_flow_program tcp_watch_files(const struct tcp_watch *w)
{
	return w->files;
}

bool tcp_watch_is_on(const struct tcp_watch *w, enum tcp_flow_program program)
{
	return bpf_is_on(w->unit, program);
}

const char *tcp_watch_reason(const struct tcp_watch *w, enum tcp_flow_program program)
{
	return bpf_reason(w->unit, program);
}

static void take_living(struct tcp_watch *w, enum tcp_flow_program which, const struct tcp_record *r)
{
	bool listens = r->state == TCP_LISTENING;

	w->told += which == w->files && !listens;
	if (!listens && !r->pid && r->side == TCP_IN && w->nearly < EARLY_MOST && !tcp_flows_listens(w->flows, r->local_port))
		w->early[w->nearly++] = *r;
	else
		tcp_flows_living(w->flows, r);
}

/* Reads all records of one iterator. 0 or -errno. */
static int read_records(struct tcp_watch *w, enum tcp_flow_program which)
{
	int fd = bpf_iterate(w->unit, which);
	size_t have = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
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
	n = n < 0 ? -errno : 0;
	close(fd);
	return (int)n;
}

bool tcp_watch_needs_owners(const struct tcp_watch *w)
{
	return w->told || !bpf_is_on(w->unit, TCP_SOCKETS) || !bpf_is_on(w->unit, TCP_STATE) || !bpf_is_on(w->unit, TCP_READ);
}

int tcp_watch_pass(struct tcp_watch *w, bool owners, uint64_t *ret_owners_ns)
{
	bool sockets = bpf_is_on(w->unit, TCP_SOCKETS);
	uint64_t begun_ns = w->host->now_ns(w->host, CULPRIT_MONOTONIC);
	int r = 0;

	*ret_owners_ns = 0;
	tcp_flows_begin(w->flows);
	if (owners) {
		w->told = 0;
		w->skeleton->bss->tcp_files_tell = !sockets;
		r = read_records(w, w->files);
		if (!r)
			w->skeleton->bss->tcp_ports_known = 1;
		*ret_owners_ns = w->host->now_ns(w->host, CULPRIT_MONOTONIC) - begun_ns;
	}
	if (!r && sockets)
		r = read_records(w, TCP_SOCKETS);
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
