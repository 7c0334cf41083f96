/* What --baseline, --baseline-from and --baseline-to say is compared with: another recording, or another window of the same. */
#ifndef CLI_BASELINE_H
#define CLI_BASELINE_H

#include "lens.h"
#include "options.h"
#include "view.h"

/* Opens the other recording, where there is one, makes it the view's baseline view, and sets the baseline of the lens. *ret is
 * the caller's, to be destroyed after the view; NULL where there is none. 0 (also where no baseline was asked for), -EINVAL,
 * -errno with a sentence. */
int baseline_open(struct view *, const struct options *, struct lens *, struct view **ret, struct culprit_error *);

#endif
