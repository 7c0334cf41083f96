#include "tcp_flow_diag.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "open_files.h"
#include "procfs.h"

enum {
	SOCKETS_MAX = 32768,
	LINKS_AT_ONCE = 4096, /* processes and open files that are looked at in one tick, at most: some 10 ms */
	LINK_NS = 250000,     /* one in so much of a tick: 1 % of a CPU */
	LISTENING = 10, TIME_WAIT = 6, SYN_RECEIVED = 3, NEW_SYN_RECEIVED = 12,
	ANSWER_BYTES = 32768,
};

struct holder {
	uint32_t pid; /* 0: none was seen */
	uint32_t times;
	uint64_t start; /* ticks */
	char comm[16];
};

/* Whose an inode is. */
struct owner {
	uint32_t inode; /* 0: this place is free */
	bool in_walk;   /* it was there when the walk that goes on began */
	bool looked;    /* a whole walk has looked for it */
	struct holder is, found; /* as far as it is known; in the walk that goes on */
};

/* By inode, open addressing; never more than half full. */
struct owners {
	struct owner *at;
	uint32_t cap; /* a power of 2; 0: none */
};

struct found {
	struct tcp_record record;
	uint32_t inode;
};

struct tcp_diag {
	const struct culprit_host *host;
	struct found *found;
	size_t n, cap;
	size_t unseen; /* sockets of the last pass whose process was looked for in vain */
	bool full;     /* there are more sockets than have room */
	bool news;     /* there are sockets that were not looked for */
	bool walking;
	bool patient;  /* somebody waits for the whole of the next walk */
	struct owners owners, former; /* of this pass, and of the one before */
	struct open_files walk;
	char remark[256];
};

/* --- what the kernel says --- */

static void put_address(unsigned char to[TCP_ADDRESS], uint8_t family, const void *from)
{
	memset(to, 0, TCP_ADDRESS);
	if (family == AF_INET6) {
		memcpy(to, from, TCP_ADDRESS);
		return;
	}
	to[10] = to[11] = 0xff;
	memcpy(to + 12, from, 4);
}

/* queued: bytes that are not acknowledged, sent or not. */
static void take_info(struct tcp_record *r, const void *data, size_t n, uint32_t queued)
{
	struct tcp_info info = {0};

	/* Older kernels say less of it. */
	memcpy(&info, data, n < sizeof(info) ? n : sizeof(info));
	r->sent = info.tcpi_bytes_sent ? info.tcpi_bytes_sent - info.tcpi_bytes_retrans : info.tcpi_bytes_acked;
	/* What the machine's own queue dropped is sent anew, and counted anew. */
	if (r->sent > info.tcpi_bytes_acked + queued)
		r->sent = info.tcpi_bytes_acked + queued;
	r->received = info.tcpi_bytes_received;
	r->segments_out = info.tcpi_segs_out;
	r->retransmits = info.tcpi_total_retrans;
	r->rtt_us = info.tcpi_rtt;
	r->rtt_min_us = info.tcpi_min_rtt;
}

static void take_socket(const struct inet_diag_msg *m, size_t n, void (*take)(void *, const struct tcp_record *, uint32_t), void *self)
{
	struct tcp_record r = {.state = m->idiag_state};
	const char *at = (const char *)(m + 1), *end = (const char *)m + n;

	if (m->idiag_family != AF_INET && m->idiag_family != AF_INET6)
		return;
	put_address(r.local, m->idiag_family, m->id.idiag_src);
	put_address(r.remote, m->idiag_family, m->id.idiag_dst);
	r.local_port = ntohs(m->id.idiag_sport);
	r.remote_port = ntohs(m->id.idiag_dport);
	r.socket = (uint64_t)m->id.idiag_cookie[1] << 32 | m->id.idiag_cookie[0];
	if (m->idiag_state == LISTENING) {
		r.backlog = m->idiag_rqueue;
		r.max_backlog = m->idiag_wqueue;
	}
	while ((size_t)(end - at) >= sizeof(struct nlattr)) {
		struct nlattr a;
		size_t len;

		memcpy(&a, at, sizeof(a));
		len = a.nla_len;
		if (len < sizeof(a) || len > (size_t)(end - at))
			return take(self, &r, m->idiag_inode);
		if (a.nla_type == INET_DIAG_INFO && m->idiag_state != LISTENING)
			take_info(&r, at + sizeof(a), len - sizeof(a), m->idiag_wqueue);
		if (a.nla_type == INET_DIAG_SKMEMINFO && len >= sizeof(a) + (SK_MEMINFO_DROPS + 1) * sizeof(uint32_t))
			memcpy(&r.drops, at + sizeof(a) + SK_MEMINFO_DROPS * sizeof(uint32_t), sizeof(uint32_t));
		len = (len + 3) & ~(size_t)3;
		if (len > (size_t)(end - at))
			break;
		at += len;
	}
	take(self, &r, m->idiag_inode);
}

int tcp_diag_parse(const void *bytes, size_t n, void (*take)(void *, const struct tcp_record *, uint32_t), void *self)
{
	const char *at = bytes, *end = at + n;

	while ((size_t)(end - at) >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr h;
		size_t len, aligned;
		int err = 0;

		memcpy(&h, at, sizeof(h));
		len = h.nlmsg_len;
		if (len < sizeof(h) || len > (size_t)(end - at))
			return -EBADMSG;
		if (h.nlmsg_type == NLMSG_DONE || h.nlmsg_type == NLMSG_ERROR) {
			if (len >= sizeof(h) + sizeof(err))
				memcpy(&err, at + sizeof(h), sizeof(err));
			if (err < 0 && err > -4096)
				return err;
			return h.nlmsg_type == NLMSG_DONE ? 1 : -EBADMSG;
		}
		if (h.nlmsg_type == SOCK_DIAG_BY_FAMILY && len >= sizeof(h) + sizeof(struct inet_diag_msg)) {
			/* Netlink aligns to 4 bytes, which is what the message needs. */
			struct inet_diag_msg whole[ANSWER_BYTES / sizeof(struct inet_diag_msg)];
			size_t body = len - sizeof(h);

			if (body > sizeof(whole))
				return -EBADMSG;
			memcpy(whole, at + sizeof(h), body);
			take_socket(whole, body, take, self);
		}
		aligned = (len + 3) & ~(size_t)3;
		if (aligned > (size_t)(end - at))
			break;
		at += aligned;
	}
	return 0;
}

static void take_found(void *self, const struct tcp_record *r, uint32_t inode)
{
	struct tcp_diag *d = self;

	if (r->state == TIME_WAIT || r->state == NEW_SYN_RECEIVED || r->state == SYN_RECEIVED)
		return;
	if (d->n == d->cap && d->cap < SOCKETS_MAX) {
		size_t cap = d->cap ? d->cap * 2 : 256;
		struct found *grown = realloc(d->found, cap * sizeof(*grown));

		if (grown) {
			d->found = grown;
			d->cap = cap;
		}
	}
	if (d->n == d->cap) {
		d->full = true;
		return;
	}
	d->found[d->n++] = (struct found){*r, inode};
}

static int ask_family(struct tcp_diag *d, int fd, uint8_t family, uint32_t states)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 r;
	} ask = {
		.h = {.nlmsg_len = sizeof(ask), .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.r = {.sdiag_family = family,
		      .sdiag_protocol = IPPROTO_TCP,
		      .idiag_ext = 1 << (INET_DIAG_INFO - 1) | 1 << (INET_DIAG_SKMEMINFO - 1),
		      .idiag_states = states},
	};
	char answer[ANSWER_BYTES];
	int r = 0;

	if (send(fd, &ask, sizeof(ask), 0) != (ssize_t)sizeof(ask))
		return -errno;
	/* What has no room is not worth the kernel's time: closing the socket ends its answer. */
	while (!r && !d->full) {
		/* The kernel answers in the call that asks: there is nothing to wait for. */
		ssize_t n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -EBADMSG : -errno;
		r = n ? tcp_diag_parse(answer, (size_t)n, take_found, d) : -EBADMSG;
	}
	return r < 0 ? r : 0;
}

/* Who listens first: without that one does not know who began a connection. */
static int ask_kernel(struct tcp_diag *d)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	static const uint32_t states[] = {1u << LISTENING, ~(1u << LISTENING | 1u << TIME_WAIT | 1u << NEW_SYN_RECEIVED | 1u << SYN_RECEIVED)};
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), err = 0;

	if (fd < 0)
		return -errno;
	d->n = 0;
	d->full = false;
	for (unsigned i = 0; !err && !d->full && i < 4; i++) {
		err = ask_family(d, fd, families[i % 2], states[i / 2]);
		/* A kernel without IPv6. */
		if (i % 2 && (err == -ENOENT || err == -EAFNOSUPPORT))
			err = 0;
	}
	close(fd);
	return err;
}

/* --- whose they are --- */

/* Its place, or the free one where it would be; NULL: there are none. */
static struct owner *owner_at(const struct owners *o, uint32_t inode)
{
	uint32_t i = inode * 0x9e3779b1u >> 8;

	if (!o->cap)
		return NULL;
	while (o->at[i & (o->cap - 1)].inode && o->at[i & (o->cap - 1)].inode != inode)
		i++;
	return &o->at[i & (o->cap - 1)];
}

/* Empty, with room for n. */
static bool owners_begin(struct owners *o, size_t n)
{
	uint32_t cap = 256;

	while (cap < 2 * n)
		cap *= 2;
	if (cap > o->cap) {
		struct owner *grown = realloc(o->at, cap * sizeof(*grown));

		if (!grown)
			return false;
		o->at = grown;
		o->cap = cap;
	}
	memset(o->at, 0, o->cap * sizeof(*o->at));
	return true;
}

static void take_file(void *self, struct open_files *w)
{
	struct tcp_diag *d = self;
	unsigned long inode;
	struct holder *found;
	struct owner *o;
	char to[64];

	open_files_link(w, to, sizeof(to));
	if (strncmp(to, "socket:[", 8))
		return;
	inode = strtoul(to + 8, NULL, 10);
	o = inode && inode <= UINT32_MAX ? owner_at(&d->owners, (uint32_t)inode) : NULL;
	if (!o || !o->inode || !open_files_know(w))
		return;
	found = &o->found;
	found->times++;
	/* The one that is longest there: it handed it on. */
	if (found->pid && found->start <= w->start)
		return;
	found->pid = w->pid;
	found->start = w->start;
	memcpy(found->comm, w->comm, sizeof(found->comm));
}

void tcp_diag_look(struct tcp_diag *d)
{
	static const struct open_files_take take = {.file = take_file};
	size_t most = d->host->interval_ns / LINK_NS < LINKS_AT_ONCE ? d->host->interval_ns / LINK_NS : LINKS_AT_ONCE;
	bool ended;

	if (!d->news && !d->walking)
		return;
	for (uint32_t i = 0; !d->walking && i < d->owners.cap; i++) {
		memset(&d->owners.at[i].found, 0, sizeof(d->owners.at[i].found));
		d->owners.at[i].in_walk = true;
	}
	ended = open_files_walk(&d->walk, d->patient ? SIZE_MAX : most, &take, d);
	d->patient = d->host->flags & CULPRIT_HOST_WHOLE;
	d->walking = !ended;
	d->news = false;
	for (uint32_t i = 0; i < d->owners.cap; i++) {
		struct owner *o = &d->owners.at[i];

		if ((ended && o->in_walk) || !o->is.pid)
			o->is = o->found;
		o->looked |= ended && o->in_walk;
		d->news |= o->inode && !o->looked;
	}
}

/* Those of the sockets there are now; new ones are looked for in /proc. */
static void find_owners(struct tcp_diag *d)
{
	struct owners swap = d->former;

	d->former = d->owners;
	d->owners = swap;
	d->news = false;
	if (!owners_begin(&d->owners, d->n)) {
		d->owners.cap = 0;
		return;
	}
	for (size_t i = 0; i < d->n; i++) {
		struct owner *o, *before;

		if (!d->found[i].inode)
			continue; /* not accepted yet, or its process has let go of it */
		o = owner_at(&d->owners, d->found[i].inode);
		before = owner_at(&d->former, d->found[i].inode);
		if (o->inode)
			continue;
		if (before && before->inode)
			*o = *before;
		o->inode = d->found[i].inode;
		d->news |= !o->looked;
	}
	tcp_diag_look(d);
}

static void tell(struct tcp_diag *d, struct tcp_flows *flows, struct found *f)
{
	uint64_t hz = d->host->user_hz ? d->host->user_hz : 100;
	const struct owner *o = f->inode ? owner_at(&d->owners, f->inode) : NULL;
	uint32_t times = 1;

	if (o && o->is.pid) {
		f->record.pid = o->is.pid;
		f->record.start = o->is.start * (1000000000u / hz);
		memcpy(f->record.comm, o->is.comm, sizeof(f->record.comm));
		/* Each of those that hold a listening socket. */
		times = f->record.state == LISTENING && o->is.times ? o->is.times : 1;
	} else {
		d->unseen += o && o->looked;
	}
	for (uint32_t i = 0; i < times && i < 4096; i++)
		tcp_flows_living(flows, &f->record);
}

int tcp_diag_pass(struct tcp_diag *d, struct tcp_flows *flows)
{
	uint64_t ports[65536 / 64] = {0};
	int err = ask_kernel(d);

	if (err)
		return err;
	d->unseen = 0;
	find_owners(d);
	tcp_flows_begin(flows);
	/* Who began a connection is not told: the peer, where we listen on its port here. */
	for (size_t i = 0; i < d->n; i++) {
		const struct tcp_record *r = &d->found[i].record;

		if (r->state == LISTENING) {
			ports[r->local_port / 64] |= 1ull << (r->local_port % 64);
			tell(d, flows, &d->found[i]);
		}
	}
	for (size_t i = 0; i < d->n; i++) {
		struct tcp_record *r = &d->found[i].record;

		if (r->state == LISTENING)
			continue;
		r->side = ports[r->local_port / 64] >> (r->local_port % 64) & 1 ? TCP_IN : TCP_OUT;
		tell(d, flows, &d->found[i]);
	}
	tcp_flows_end(flows);
	return 0;
}

const char *tcp_diag_whose(const struct tcp_diag *d)
{
	if (!d->unseen)
		return NULL;
	if (!d->walk.denied)
		return "whose some of them are is not known: their processes are not in this /proc";
	return geteuid() ? "whose some of them are is not known: other users' processes show their files to root"
			 : "whose some of them are is not known: their processes show their files with CAP_SYS_PTRACE";
}

const char *tcp_diag_remark(struct tcp_diag *d)
{
	const char *whose = tcp_diag_whose(d);
	char full[80] = "";

	if (d->full)
		snprintf(full, sizeof(full), "; of all sockets these are the first %d", SOCKETS_MAX);
	snprintf(d->remark, sizeof(d->remark), "connections that come and go between two samples are not seen here%s%s%s", whose ? "; " : "",
		 whose ? whose : "", full);
	return d->remark;
}

/* --- may it be asked? --- */

/* The first question makes the kernel load tcp_diag where it is a module that is not loaded. */
static bool is_there(const struct culprit_host *host)
{
	struct utsname u;
	char path[300], *text;
	bool found = false;
	ssize_t n;

	if (!faccessat(host->sys_fd, "module/tcp_diag", F_OK, 0) || faccessat(host->proc_fd, "modules", F_OK, 0))
		return true;
	text = uname(&u) ? NULL : malloc(1 << 18);
	if (!text)
		return false;
	snprintf(path, sizeof(path), "/lib/modules/%.200s/modules.builtin", u.release);
	n = procfs_read(AT_FDCWD, path, text, (1 << 18) - 1);
	text[n > 0 ? n : 0] = '\0';
	found = strstr(text, "/tcp_diag.ko") != NULL;
	free(text);
	return found;
}

struct tcp_diag *tcp_diag_create(const struct culprit_host *host, struct culprit_error *error)
{
	const char *why = NULL;
	struct tcp_diag *d;
	int err;

	if (!procfs_is_own(host->proc_fd))
		why = "sockets are those of this machine, and /proc is not";
	else if (host->flags & CULPRIT_HOST_SAFE && !is_there(host))
		why = "asking for sockets would load the module tcp_diag, and --safe loads nothing: modprobe tcp_diag";
	d = why ? NULL : calloc(1, sizeof(*d));
	if (!d) {
		snprintf(error->sentence, sizeof(error->sentence), "%s", why ? why : "out of memory");
		return NULL;
	}
	d->host = host;
	d->patient = host->flags & (CULPRIT_HOST_WHOLE | CULPRIT_HOST_PATIENT);
	open_files_init(&d->walk, host->proc_fd);
	err = ask_kernel(d);
	if (!err)
		return d;
	snprintf(error->sentence, sizeof(error->sentence), "the kernel tells of no sockets (sock_diag): %s", strerror(-err));
	tcp_diag_destroy(d);
	return NULL;
}

void tcp_diag_destroy(struct tcp_diag *d)
{
	if (!d)
		return;
	open_files_finish(&d->walk);
	free(d->found);
	free(d->owners.at);
	free(d->former.at);
	free(d);
}
