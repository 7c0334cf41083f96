/* How shared test code fails: the cmocka test that runs it, or, in a fuzz target, the process. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

void check_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#define CHECK(condition)                                                                                               \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			check_fail("%s:%d: %s", __FILE__, __LINE__, #condition);                                       \
	} while (0)

#endif
