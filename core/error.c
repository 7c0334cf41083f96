#include "error.h"

#include <stdarg.h>
#include <stdio.h>

int error_set(struct culprit_error *error, int err, const char *format, ...)
{
	if (error) {
		va_list args;

		va_start(args, format);
		vsnprintf(error->sentence, sizeof(error->sentence), format, args);
		va_end(args);
	}
	return err;
}
