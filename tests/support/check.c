#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/check.h"

/* cmocka's, where the binary is a cmocka test: it leaves the test with longjmp. */
extern void _fail(const char *file, int line) __attribute__((weak));

void check_fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	if (_fail)
		_fail(__FILE__, __LINE__);
	abort();
}
