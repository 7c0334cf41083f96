/* The larger and the smaller of two numbers; one that is none (NaN) does not count. fmax() and fmin() would bring a library that nothing
 * else needs, and 0.4 MB of it into memory. */
#ifndef CORE_NUMBER_H
#define CORE_NUMBER_H

static inline double number_max(double a, double b)
{
	return a > b || b != b ? a : b;
}

static inline double number_min(double a, double b)
{
	return a < b || b != b ? a : b;
}

#endif
