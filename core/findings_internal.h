/* Shared by the files of findings: findings.c (judging), findings_facts.c and findings_process.c (what is taken of the answers),
 * findings_rules*.c, findings_since.c (when it began, who changed then), findings_say.c. */
#ifndef CORE_FINDINGS_INTERNAL_H
#define CORE_FINDINGS_INTERNAL_H

#include "findings.h"

enum findings_table {
	TAKEN_HOST, TAKEN_CPU, TAKEN_PSI, TAKEN_RUNQ, TAKEN_MEMORY, TAKEN_VMSTAT, TAKEN_DISK, TAKEN_DISK_LATENCY, TAKEN_DISK_USER,
	TAKEN_FILESYSTEM, TAKEN_NFS, TAKEN_NET, TAKEN_TCP, TAKEN_NETSTACK, TAKEN_CGROUP, TAKEN_LISTEN, TAKEN_PROCESS, TAKEN_WAITS,
	TAKEN_SHORT, TAKEN
};

/* Percent times seconds: who has waited for ten seconds in one go has at least so much, but for what is measured at its ends. */
#define FINDINGS_STUCK_LEAST 900.0

/* Of whose busiest thread it is asked whether that needs a whole CPU: percent of one CPU that the process has in the window. */
#define FINDINGS_ONE_LEAST 10.0
/* And it has no more: else others of its threads work, too. */
#define FINDINGS_ONE_MOST 130.0

struct finding_rule {
	const char *name;
	enum findings_layer layer;
	uint8_t weight;       /* 3: something stands still or is lost; 2: something waits; 1: it may come to that */
	const char *waits;    /* column of process in which its victims' time is; NULL: nobody waits for it */
	const char *wait_for; /* "wait for it" */
	const char *panel;    /* that shows it */
	/* Does it hold? Fills object, state, confidence, effect, evidence, and table, column, key of its past. */
	bool (*holds)(const struct facts *, struct finding *);
	/* Optional: who causes it, as far as the window tells. */
	void (*who)(struct findings *, const struct lens *, struct finding *);
	/* Optional: the columns of process (NULL-terminated, added up) by whose change the cause is told from who was always so. */
	const char *const *change;
	bool stuck; /* it must have been so for 10 s */
	/* Names of rules whose finding this one is only a sign of, where both hold. */
	const char *absorbed_by[6];
	bool alone;  /* the trouble of one process: over when that has ended */
	bool steady; /* what its past is asked of must have gone up again and again */
};

extern const struct finding_rule finding_rules_machine[], finding_rules_waits[];
extern const size_t nfinding_rules_machine, nfinding_rules_waits;

/* There is too little of the window to say anything. */
bool findings_too_early(const struct findings *);
/* Who has most of that column of process: where a rule holds that needs it. */
void findings_top_of(struct query *processes, const char *column, struct process_top *);
/* The same, where each is counted for its nearest ancestor that has been there for ten seconds: a compiler's driver ends as soon as what
 * it began; who builds stays. */
void findings_by_ancestor(struct query *processes, const char *column, struct process_top *);
/* Where no process has half of `of` (of these columns, NULL-terminated, added up), whether all of one name do; it is the cause then.
 * Where none does, that is said. */
void findings_by_name(struct findings *, struct finding *, const char *const *columns, double of);
/* Whether it is measured, and in a word or two what is not. */
const char *findings_word(enum findings_table);
const char *findings_table_name(size_t);
/* Is it a console of ours, by its name? That it waits is no news to who looks, and its beginning no trouble of the machine. */
bool findings_is_console(struct query *, size_t row);
/* Which of those that are in state D has been so for 10 s without a break; false: none. */
bool findings_stuck(struct findings *, struct view *, const struct lens *whole, uint64_t to_ns, struct finding *);
/* findings_goes_on() of what its past is asked of: a file that was written once does not fill a file system. */
bool findings_steady(struct view *, uint64_t to_ns, const struct finding *);
void findings_since(struct findings *, struct view *, uint64_t to_ns, struct finding *);
/* When it ended, where it did within the window: the mean of a minute is high for long after that. */
void findings_ended(struct findings *, struct view *, uint64_t to_ns, struct finding *);
/* What the last ten seconds tell of the busiest thread, where the window is longer. */
void findings_recent(struct findings *, struct view *, uint64_t to_ns);

#endif
