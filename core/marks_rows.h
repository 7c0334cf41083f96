/* The marks that are kept beside a recording (marks.h) as rows of its table `mark`, with those that are in it: for who asks for
 * that table like for any other. */
#ifndef CORE_MARKS_ROWS_H
#define CORE_MARKS_ROWS_H

#include "marks.h"
#include "view.h"

/* A source with that table alone, over the times of the view, to be routed to (view_route). What was marked before or after
 * these stands at their ends, with the time that it has. 0; -EBADMSG: of those recorded only what
 * lies before the damage is there, and the sentence names it; else none is made: -ENODATA, -ENOMEM and so on with a sentence. */
int marks_rows(struct view *, const struct marks *, struct source **ret, struct culprit_error *);

#endif
