/* What is read of one process only when somebody asks: program, folder, limits, open files, environment. Nothing of it is
 * sampled or recorded. */
#ifndef CLI_INSPECT_H
#define CLI_INSPECT_H

#include <stdint.h>

#include <culprit/types.h>

/* Text of lines for the console (sanitised; the caller frees it), of the process of that number if it still is the one
 * that began then (start_ticks, USER_HZ since boot; 0: whichever has it). `proc_fd`: /proc. -ESRCH with a sentence: it has
 * ended. What may block (its environment is read out of its memory) is read by a child that has 200 ms. Parts that may
 * not be read say why. */
int inspect_process(int proc_fd, uint64_t pid, uint64_t start_ticks, char **ret_text, struct culprit_error *);

#endif
