/* Does to a process what the user has confirmed: a signal, another nice value, another I/O class. Through a pidfd, and only
 * if it still is the process that was looked at (its start time): a number that was reused is never hit. */
#ifndef CLI_ACT_H
#define CLI_ACT_H

#include <culprit/types.h>

#include "console.h"

/* 0: done; -ESRCH: it has ended, or the number is another process's by now; -EPERM; -errno. `error` says what was done,
 * or why nothing was, in one sentence, sanitised. */
int act_do(const struct console_action *, struct culprit_error *);

#endif
