/* The larger and the smaller of two numbers; one that is none (NaN) does not count. fmax() and fmin() would bring a library that nothing
 * else needs, and 0.4 MB of it into memory. */
#ifndef CORE_NUMBER_H
#define CORE_NUMBER_H

#include <stdint.h>

static inline double number_max(double a, double b)
{
	return a > b || b != b ? a : b;
}

static inline double number_min(double a, double b)
{
	return a < b || b != b ? a : b;
}

/* A count, a pid, a time: as whole numbers. What is no number, or below 0: 0; what has no room: the largest. */
static inline uint64_t number_u64(double a)
{
	return !(a > 0) ? 0 : a >= 0x1p64 ? UINT64_MAX : (uint64_t)a;
}

#endif
