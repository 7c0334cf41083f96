/* Readable names: C++ and Rust, through libiberty. Names are hostile: nesting and length are bounded. */
#ifndef CORE_DEMANGLE_H
#define CORE_DEMANGLE_H

#include <stddef.h>

enum { DEMANGLE_MAX = 2047 }; /* bytes of a readable name; longer ones are cut */

/* Writes the readable form, NUL-terminated; the name itself where it is not mangled. Without parameters where `brief`. Returns
 * its length. */
size_t demangle(const char *name, size_t len, int brief, char *out, size_t cap);

#endif
