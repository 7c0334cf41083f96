/* Cells that lists of processes and of threads share. */
#ifndef TUI_TASK_CELLS_H
#define TUI_TASK_CELLS_H

#include "rows.h"

/* Where the time goes, as far as the tables know: CPU, run queue, disk; below one CPU's worth the rest is idle. Values in
 * percent of one CPU. */
void task_bar(double cpu, double runq, double disk, struct bar *);
/* The same of a row that has the columns cpu, runq, blkio. */
void task_bar_cell(struct rows *, size_t row, struct list_cell *);
/* Program and arguments; a kernel thread's or unnamed one's name in brackets. */
void task_command_cell(struct rows *, size_t row, struct list_cell *);
/* Wants the threads of the selected process. */
enum panel_result rows_open_process(struct rows *, struct panel_request *);
/* The last line of a list of tasks: what the letters mean, and on the right where one is in it. */
void task_foot(struct surface *, struct rect line, const char *place);
/* Bytes read and written a second, together. */
void task_io_cell(struct rows *, size_t row, struct list_cell *);

#endif
