/* TCP as programs in the kernel see it (tcp_watch.bpf.c): all sockets and whose they are, connections that ended, how long answers
 * take. Not here: what is made of them (tcp_flow_table.c, tcp_flow.c), and what is known without programs (tcp_flow_diag.c). */
#ifndef COLLECTORS_TCP_WATCH_H
#define COLLECTORS_TCP_WATCH_H

#include <culprit/collector.h>

#include "tcp_flow.h"
#include "unbuilt.h"

struct tcp_watch;

#ifndef CULPRIT_NO_BPF

/* NULL with a sentence: programs can't be loaded here. `flows` gets what they tell, and outlives it. */
struct tcp_watch *tcp_watch_create(const struct culprit_host *, struct tcp_flows *flows, struct culprit_error *);
void tcp_watch_destroy(struct tcp_watch *); /* NULL-safe */
bool tcp_watch_is_on(const struct tcp_watch *, enum tcp_flow_program);
/* Why it is not; NULL: it is. */
const char *tcp_watch_reason(const struct tcp_watch *, enum tcp_flow_program);
/* One pass over all sockets; `owners`: also over the open files of all processes, for whose they are and how many hold those that
 * listen. That takes long where there are many processes: *ret_owners_ns. It may turn out to be needed although nobody asked. 0 or
 * -errno. */
int tcp_watch_pass(struct tcp_watch *, bool owners, uint64_t *ret_owners_ns);
/* Must the next pass be with owners? Not all sockets are known without: they were there before us, or not all programs are on. */
bool tcp_watch_needs_owners(const struct tcp_watch *);
/* Connections that ended since. */
void tcp_watch_ends(struct tcp_watch *);
int tcp_watch_fd(const struct tcp_watch *); /* readable: many have */
/* How many peers have figures; those of one of them. false: not yet. */
uint32_t tcp_watch_peers(const struct tcp_watch *);
bool tcp_watch_peer(const struct tcp_watch *, uint32_t i, struct tcp_peer_figures *ret);
/* Figures of a listening port, borrowed until the next call; NULL: it has none of its own. */
const struct tcp_peer_figures *tcp_watch_port(struct tcp_watch *, uint16_t port, const struct tcp_port_figures **ret_more);
/* For the collector's programs() and thin(). */
size_t tcp_watch_programs(struct tcp_watch *, const struct culprit_program **ret_list);
int tcp_watch_thin(struct tcp_watch *, size_t index, uint32_t thinning);

#else

/* There is none, and nothing is asked of it. */
static inline struct tcp_watch *tcp_watch_create(const struct culprit_host *host, struct tcp_flows *flows, struct culprit_error *error)
{
	(void)host, (void)flows;
	*error = (struct culprit_error){UNBUILT_WHY};
	return NULL;
}
#define tcp_watch_destroy(w) ((void)(w))
#define tcp_watch_is_on(w, program) ((void)(w), false)
#define tcp_watch_reason(w, program) ((const char *)(w))
#define tcp_watch_pass(w, owners, ret_owners_ns) ((void)(w), (void)(owners), *(ret_owners_ns) = 0, 0)
#define tcp_watch_needs_owners(w) ((void)(w), false)
#define tcp_watch_ends(w) ((void)(w))
#define tcp_watch_fd(w) ((void)(w), -1)
#define tcp_watch_peers(w) ((void)(w), 0u)
#define tcp_watch_peer(w, i, ret) ((void)(ret), false)
#define tcp_watch_port(w, port, ret_more) ((void)(w), *(ret_more) = NULL, (const struct tcp_peer_figures *)NULL)
#define tcp_watch_programs(w, ret_list) ((void)(ret_list), (size_t)0)
#define tcp_watch_thin(w, index, thinning) ((void)(index), (void)(thinning), 0)

#endif

#endif
