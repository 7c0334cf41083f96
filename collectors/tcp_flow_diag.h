/* TCP sockets as the kernel tells anybody who asks (sock_diag, what `ss` uses), and whose they are as far as /proc lets us see:
 * for where nothing can be loaded into the kernel. Not here: what is made of them (tcp_flow_table.c). */
#ifndef COLLECTORS_TCP_FLOW_DIAG_H
#define COLLECTORS_TCP_FLOW_DIAG_H

#include <culprit/collector.h>

#include "tcp_flow.h"

struct tcp_diag;

/* NULL with a sentence: not here. With CULPRIT_HOST_SAFE only where asking makes the kernel load no module. */
struct tcp_diag *tcp_diag_create(const struct culprit_host *, struct culprit_error *);
void tcp_diag_destroy(struct tcp_diag *); /* NULL-safe */
/* One pass over all sockets, into `flows`; whose new ones are is looked for in pieces, over as many ticks as it takes. 0 or -errno. */
int tcp_diag_pass(struct tcp_diag *, struct tcp_flows *flows);
/* Between two passes, in each tick: goes on looking for them. What that finds, the next pass tells. */
void tcp_diag_look(struct tcp_diag *);
/* Why it is not known whose some sockets of the last pass are; NULL: it is. */
const char *tcp_diag_whose(const struct tcp_diag *);
/* What the last pass does not show of connections, in one sentence; borrowed until the next call. */
const char *tcp_diag_remark(struct tcp_diag *);

/* For tests: an answer of the kernel to the question for sockets, as far as it can be understood. -errno: it said so; 0: more is
 * to come; 1: it was the last. `take` is called for each socket, with its inode. Trusts no length. */
int tcp_diag_parse(const void *bytes, size_t n, void (*take)(void *self, const struct tcp_record *, uint32_t inode), void *self);

#endif
