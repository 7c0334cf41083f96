/* What the lines around a panel show, asked of a view: the box, its load, own cost, what is missing; and the timeline. The
 * same live and in replay. */
#ifndef CLI_CONSOLE_DATA_H
#define CLI_CONSOLE_DATA_H

#include "console.h"
#include "options.h"
#include "query.h"
#include "view.h"

struct console_data {
	struct view *view;
	struct query *query;
	struct query *marks; /* one of its own: its window does not move as theirs */
	uint64_t generation; /* of the view, when asked last */
	struct console_now now;
};

int console_data_init(struct console_data *, struct view *); /* -ENOMEM; the view is borrowed */
void console_data_finish(struct console_data *);
/* What the options say is looked at, on a console that is there: scope and filter; window, where `window` is set (a
 * recording). -EINVAL with a sentence. */
int console_start(struct console *, struct view *, const struct options *, bool window, struct culprit_error *);
/* Refreshes the view and fills *ret. -errno with a sentence, that is a notice too. */
int console_data_now(struct console_data *, struct console_now *ret, struct culprit_error *);
/* console_options.timeline: CPU use of the machine, with the marks. */
int console_data_timeline(void *self, struct view *, uint64_t to_ns, uint64_t step_ns, size_t columns,
			  struct console_timeline *);

#endif
