#include "demangle.h"

#include <stdlib.h>
#include <string.h>

#if __has_include(<libiberty/demangle.h>)
#include <libiberty/demangle.h>
#else
#include <demangle.h>
#endif

enum { MANGLED_MAX = 4095 };

static size_t plain(const char *name, size_t len, char *out, size_t cap)
{
	if (!cap)
		return 0;
	len = len < cap - 1 ? len : cap - 1;
	memcpy(out, name, len);
	out[len] = '\0';
	return len;
}

size_t demangle(const char *name, size_t len, int brief, char *out, size_t cap)
{
	char copy[MANGLED_MAX + 1], *readable;
	size_t n;

	/* _Z of C++ and older Rust, _R of newer Rust; macOS-like extra underscores don't happen in ELF. */
	if (len < 3 || len > MANGLED_MAX || name[0] != '_' || (name[1] != 'Z' && name[1] != 'R') || memchr(name, 0, len))
		return plain(name, len, out, cap);
	memcpy(copy, name, len);
	copy[len] = '\0';
	readable = cplus_demangle(copy, DMGL_AUTO | DMGL_ANSI | (brief ? 0 : DMGL_PARAMS));
	if (!readable)
		return plain(name, len, out, cap);
	n = strlen(readable);
	n = plain(readable, n > DEMANGLE_MAX ? DEMANGLE_MAX : n, out, cap);
	free(readable);
	return n;
}
