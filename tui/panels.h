/* All panels, in the order of line 2. */
#ifndef TUI_PANELS_H
#define TUI_PANELS_H

#include "panel.h"

extern const struct panel overview_panel, processes_panel, threads_panel, latency_panel, disks_panel, cgroups_panel,
	memory_panel, tables_panel;

/* Ends with NULL. */
extern const struct panel *const console_panels[];

#endif
