/* Golden screens: characters and a grid of role letters, in tests/screens/NAME.golden. A missing one is a failure, a
 * mismatch prints both lines; UPDATE=1 in the environment writes them anew. */
#ifndef SUPPORT_GOLDEN_H
#define SUPPORT_GOLDEN_H

struct surface;

/* Fails the running cmocka test where it differs. */
void golden_check(const struct surface *, const char *name);

#endif
