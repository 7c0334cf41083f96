/* What an interpreter runs: the main class, jar, module or script, out of the command line as processes have it (arguments
 * joined by blanks; any bytes). A name with a blank in it is cut there. */
#ifndef CORE_INTERPRETER_H
#define CORE_INTERPRETER_H

#include <stddef.h>

enum { INTERPRETER_NAME_MAX = 48 };

/* "java:api.jar", "python3:manage.py", "node:api/index.js" into `out`, raw bytes, NUL-terminated, cut from the left of the
 * name where it is longer than INTERPRETER_NAME_MAX. Returns its length; 0: the program is no interpreter, or what it runs
 * is not told (python -c, a shell at its prompt). */
size_t interpreter_main(const char *cmdline, size_t n, char *out, size_t cap);

#endif
