/* All panels, in the order of line 2. */
#ifndef TUI_PANELS_H
#define TUI_PANELS_H

#include "panel.h"

extern const struct panel overview_panel;
extern const struct panel processes_panel;
extern const struct panel threads_panel;
extern const struct panel flame_panel;
extern const struct panel latency_panel;
extern const struct panel disks_panel;
extern const struct panel net_panel;
extern const struct panel cgroups_panel;
extern const struct panel memory_panel;
extern const struct panel events_panel;
extern const struct panel tables_panel;

/* Ends with NULL. */
extern const struct panel *const console_panels[];

#endif
