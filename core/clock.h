/* Time. Whoever needs to know what time it is has been given one of these: the real one, or one that tests and scripted
 * replay drive. */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdint.h>

struct clock {
	/* `which`: enum culprit_clock. ns. */
	uint64_t (*now_ns)(const struct clock *, uint32_t which);
};

/* The machine's. Static, never freed. */
const struct clock *clock_real(void);

/* Stands still until it is moved. Caller's memory. */
struct manual_clock {
	struct clock clock;
	uint64_t mono_ns, wall_ns, boot_ns;
};
void manual_clock_init(struct manual_clock *, uint64_t mono_ns, int64_t wall_ns);
void manual_clock_advance(struct manual_clock *, uint64_t ns);

#endif
