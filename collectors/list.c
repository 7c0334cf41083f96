#include "builtin.h"

const struct culprit_collector *const culprit_builtin[] = {
	&host_collector,
	&cpu_collector,
	&memory_collector,
	&vmstat_collector,
	&psi_collector,
	&disk_collector,
	&filesystem_collector,
	&nfs_collector,
	&net_collector,
	&tcp_collector,
	&cgroup_collector,
	&task_collector,
	&kmsg_collector,
	&runtime_collector,
#ifndef CULPRIT_NO_BPF
	&sched_collector,
	&disk_latency_collector,
	&lifecycle_collector,
	&interrupt_collector,
	&reclaim_collector,
	&tcp_flow_collector,
	&stacks_collector,
#endif
	NULL,
};
