/* What the pool and its helper share: private to ask.c and ask_helper.c. Questions go through the socket in batches;
 * answers come through memory, so that an answer costs no system call, and so that the pool sees since when the helper
 * has been at its current target. */
#ifndef CORE_ASK_MAIN_H
#define CORE_ASK_MAIN_H

#include <stdatomic.h>
#include <stdint.h>

#include "ask.h"

enum {
	ASK_RING = 1 << 20,      /* bytes of answers on their way; the pool never has more outstanding than fit */
	ASK_BATCH = 32 << 10,    /* bytes of one message of questions */
	ASK_USER_MAX = 256,
};

/* One question in a message; the path follows, with its NUL. */
struct ask_question {
	uint32_t seq;
	uint32_t cap;
	uint16_t what;
	uint16_t len; /* of the path, with its NUL */
};

/* One answer in the ring; the bytes follow, padded to 8. */
struct ask_answer {
	uint32_t seq;
	int32_t result; /* length or -errno */
};

struct ask_shared {
	_Atomic uint64_t head;     /* bytes ever written; the helper's */
	_Atomic uint64_t busy_ns;  /* when it began the current target; 0: none */
	_Atomic uint64_t cpu_ns;   /* its CPU time when it last went idle */
	_Atomic uint32_t bell_seq; /* the pool's: rings after this answer too, not only when idle */
	unsigned char pad[4096 - 3 * 8 - 4];
	unsigned char ring[ASK_RING];
};

static inline uint64_t ask_padded(uint64_t len)
{
	return (len + 7) & ~(uint64_t)7;
}

#endif
