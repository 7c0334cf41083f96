#include "clock.h"

#include <time.h>

#include <culprit/host.h>

static uint64_t real_now(const struct clock *clock, uint32_t which)
{
	struct timespec ts;
	clockid_t id = which == CULPRIT_WALL ? CLOCK_REALTIME : which == CULPRIT_BOOT ? CLOCK_BOOTTIME : CLOCK_MONOTONIC;

	(void)clock;
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

const struct clock *clock_real(void)
{
	static const struct clock real = {real_now};

	return &real;
}

static uint64_t manual_now(const struct clock *clock, uint32_t which)
{
	const struct manual_clock *m = (const struct manual_clock *)clock;

	return which == CULPRIT_WALL ? m->wall_ns : which == CULPRIT_BOOT ? m->boot_ns : m->mono_ns;
}

void manual_clock_init(struct manual_clock *m, uint64_t mono_ns, int64_t wall_ns)
{
	*m = (struct manual_clock){{manual_now}, mono_ns, (uint64_t)wall_ns, mono_ns};
}

void manual_clock_advance(struct manual_clock *m, uint64_t ns)
{
	m->mono_ns += ns;
	m->wall_ns += ns;
	m->boot_ns += ns;
}
