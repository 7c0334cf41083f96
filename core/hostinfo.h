/* Which machine this is, for the HOST block of every segment. */
#ifndef CORE_HOSTINFO_H
#define CORE_HOSTINFO_H

#include "clock.h"
#include "writer.h"

/* Reads it from uname, sysconf, proc_fd (boot id, memory) and /etc/os-release. What can't be read stays empty. */
void host_info_read(struct host_info *, int proc_fd, const struct clock *, uint64_t interval_ns);

#endif
