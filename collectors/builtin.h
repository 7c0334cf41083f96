/* The built-in collectors (list.c), in the order in which they are sampled. */
#ifndef COLLECTORS_BUILTIN_H
#define COLLECTORS_BUILTIN_H

#include <culprit/collector.h>

/* Ends with NULL. */
extern const struct culprit_collector *const culprit_builtin[];

extern const struct culprit_collector host_collector;
extern const struct culprit_collector cpu_collector;
extern const struct culprit_collector memory_collector;
extern const struct culprit_collector vmstat_collector;
extern const struct culprit_collector psi_collector;
extern const struct culprit_collector disk_collector;
extern const struct culprit_collector filesystem_collector;
extern const struct culprit_collector nfs_collector;
extern const struct culprit_collector net_collector;
extern const struct culprit_collector tcp_collector;
extern const struct culprit_collector cgroup_collector;
extern const struct culprit_collector task_collector;
extern const struct culprit_collector kmsg_collector;
extern const struct culprit_collector runtime_collector;
extern const struct culprit_collector source_line_collector;
extern const struct culprit_collector mount_user_collector;
/* Those with programs in the kernel; without them, see unbuilt.c. */
extern const struct culprit_collector stacks_collector;
extern const struct culprit_collector sched_collector;
extern const struct culprit_collector disk_latency_collector;
extern const struct culprit_collector lifecycle_collector;
extern const struct culprit_collector interrupt_collector;
extern const struct culprit_collector reclaim_collector;
extern const struct culprit_collector tcp_flow_collector;

#endif
