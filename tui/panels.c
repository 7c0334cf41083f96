#include "panels.h"

#include <stddef.h>

const struct panel *const console_panels[] = {
	&overview_panel,
	&processes_panel,
	&threads_panel,
	&flame_panel,
	&latency_panel,
	&disks_panel,
	&net_panel,
	&cgroups_panel,
	&memory_panel,
	&events_panel,
	&tables_panel,
	NULL,
};
