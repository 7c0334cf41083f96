/* What the two halves of the zygote tell each other over their socket; private to zygote.c and zygote_main.c. Both are
 * the same program, forked, so that plain structs will do. */
#ifndef CORE_ZYGOTE_MAIN_H
#define CORE_ZYGOTE_MAIN_H

#include "zygote.h"

enum zygote_op { ZYGOTE_SPAWN = 1, ZYGOTE_KILL = 2 };

/* Program to zygote. ZYGOTE_SPAWN is followed by `nargs` bytes and carries 1 + nfds descriptors. */
struct zygote_request {
	uint32_t op;
	uint32_t kind;
	uint64_t id;
	uint32_t nargs;
	uint32_t nfds;
};

enum zygote_event { ZYGOTE_STARTED = 1, ZYGOTE_ENDED = 2, ZYGOTE_NOT_STARTED = 3 };

/* Zygote to program. `value`: pid, status as of waitpid(), -errno. */
struct zygote_report {
	uint32_t event;
	int32_t value;
	uint64_t id;
};

/* Runs in the forked process; does not return. */
void zygote_main(int socket, pid_t parent, const struct zygote_kind *const *kinds, size_t nkinds)
	__attribute__((noreturn));

#endif
