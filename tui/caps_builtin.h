/* What six common terminals can do, compiled in: for a box without a terminal database, or one that does not know them. */
#ifndef TUI_CAPS_BUILTIN_H
#define TUI_CAPS_BUILTIN_H

#include "caps.h"

/* NULL: not one of them. */
const struct caps *caps_builtin(const char *term);

#endif
