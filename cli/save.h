/* Files that the console writes when asked: the ring as a recording, a screen as text. */
#ifndef CLI_SAVE_H
#define CLI_SAVE_H

#include "ring.h"
#include "surface.h"

/* Copies what the ring holds into a recording. `file` "": a name made of host and time, in the current folder. The
 * sentence says where it is, or why not. */
int save_ring(struct ring *, const char *file, struct culprit_error *);
/* The same of any source. */
int save_source(struct source *, const char *file, struct culprit_error *);
/* The screen as text, with the command that shows it again in its first line. */
int save_screen(const struct surface *, const char *file, const char *command, struct culprit_error *);

#endif
