/* Cells that lists of processes and of threads share. */
#ifndef TUI_TASK_CELLS_H
#define TUI_TASK_CELLS_H

#include "rows.h"

/* Where the busy time of a row of `process` or `thread` goes, in percent of one CPU or thread: exact and by reason where it
 * has the roll-ups of thread_time; else CPU, run queue and disk, as far as /proc knows. Below one thread's worth the rest is
 * idle. */
struct task_times {
	int columns[12]; /* of the query; see task_times_find() */
};
/* For many rows: once a query. */
void task_times_find(struct task_times *, struct query *);
/* Percent of one thread. True: out of thread_time, which has every reason to wait; false: what /proc tells. */
bool task_times_bar(const struct task_times *, struct query *, size_t row, struct bar *);
/* The same of one row. */
void task_bar_cell(struct rows *, size_t row, struct list_cell *);
/* What is left of one thread's worth is idle. */
void task_bar_idle(struct bar *);
/* Its name: of an interpreter what it runs ("python3:manage.py"), unless the process named itself. Raw bytes,
 * NUL-terminated; its length. */
size_t task_name(struct rows *, size_t row, char *out, size_t cap);
void task_name_cell(struct rows *, size_t row, struct list_cell *);
/* Program and arguments, a kernel thread's or unnamed one's name in brackets; and how many children it has had that were too short
 * to be rows. */
void task_command_cell(struct rows *, size_t row, struct list_cell *);
/* Wants the threads of the selected process. */
enum panel_result rows_open_process(struct rows *, struct panel_request *);
/* The last line of a list of tasks: what the letters mean, and on the right where one is in it. */
void task_foot(struct surface *, struct rect line, const char *place);
/* Bytes read and written a second, together. */
void task_io_cell(struct rows *, size_t row, struct list_cell *);

#endif
