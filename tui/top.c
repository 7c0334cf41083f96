#include "top.h"

#include <string.h>

void *top_insert(void *list, size_t size, size_t *n, size_t cap, double value)
{
	char *at = (char *)list + *n * size;
	double before;

	while (at > (char *)list) {
		memcpy(&before, at - size, sizeof(before));
		if (before >= value)
			break;
		at -= size;
	}
	if (at == (char *)list + cap * size)
		return NULL;
	*n += *n < cap;
	memmove(at + size, at, (size_t)((char *)list + *n * size - at) - size);
	memcpy(at, &value, sizeof(value));
	return at;
}
