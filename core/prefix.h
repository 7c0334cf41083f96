/* Where `make install` puts things, as it was when the program was linked. In a file of its own, so that another prefix (a
 * package's) compiles nothing else anew. */
#ifndef CORE_PREFIX_H
#define CORE_PREFIX_H

/* "/usr/local": without a slash at its end. */
extern const char culprit_prefix[];

#endif
