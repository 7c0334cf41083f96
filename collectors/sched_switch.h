/* The object sched.bpf.c, loaded once for all who need what its program at task switches sees: a hook that runs a million times
 * a second is paid once. The scheduler's collector reads its tables from it; the collector of stacks has the few waits that it
 * wants told by a call from that program to its own. Either works without the other. */
#ifndef COLLECTORS_SCHED_SWITCH_H
#define COLLECTORS_SCHED_SWITCH_H

#include <stdbool.h>

#include <culprit/collector.h>

struct bpf_unit;
struct bpf_map;
struct sched_bpf;
struct sched_cpu;
struct sched_watch;
struct sched_watched;

enum sched_user { SCHED_FOR_TABLES, SCHED_FOR_STACKS, SCHED_USERS };

struct sched_switch {
	struct bpf_unit *unit;
	struct sched_bpf *skeleton;
	unsigned places; /* for threads */
	/* Mapped: one a CPU, each a bpf_stride() from the next; who has a histogram, SCHED_WATCH_SLOTS and SCHED_WATCHED. */
	struct sched_cpu *cpus;
	struct sched_watch *watch;
	struct sched_watched *watched;
};

/* Loads it, or takes a share of what another one has loaded; given back with sched_switch_put(). NULL with a sentence where
 * it cannot be. From any thread. */
struct sched_switch *sched_switch_get(const struct culprit_host *, enum sched_user, struct culprit_error *);
void sched_switch_put(struct sched_switch *, enum sched_user); /* NULL-safe; the last one unloads */
/* Does this one have a share now? Who loaded it or not, the scheduler's collector tells its cost, where there is one. */
bool sched_switch_is_for(enum sched_user);

/* Are all switches seen, so that threads can be followed? Not where the program is not here, or thinned by the budget; then
 * *ret_why is the sentence. */
bool sched_switch_follows(const struct sched_switch *, const char **ret_why);
/* Another object's maps of the same names become those of this one; before it is loaded. 0 or -errno. */
int sched_switch_share(const struct sched_switch *, struct bpf_map *cpus, struct bpf_map *threads);
/* Calls that program (of its type, and hook) for waits of which it is told; fd < 0: none any more. 0 or -errno. */
int sched_switch_call(struct sched_switch *, int program_fd);
/* From how long on every wait is told, shorter ones by chance; 0: none is. */
void sched_switch_tell(struct sched_switch *, uint64_t sure_ns);
/* Switches of threads that found no place, ever. */
uint64_t sched_switch_lost(const struct sched_switch *);

#endif
