/* Shared by the files of rules: findings_rules_machine.c has those of CPUs, memory, disks and file systems, findings_rules_waits.c
 * those of locks, peers, network, limits. Thresholds are those of common alerting rules; each says whose. */
#ifndef CORE_FINDINGS_RULES_H
#define CORE_FINDINGS_RULES_H

#include "findings_internal.h"

enum { STALLED_CPU, STALLED_MEMORY, STALLED_IO };

/* Columns of process, NULL-terminated. */
extern const char *const finding_by_cpu[], *const finding_by_bytes[], *const finding_by_writes[];

void finding_is(struct finding *, enum finding_confidence, double effect, const char *object, const char *state);
/* Where its past is. */
void finding_past(struct finding *, const char *table, const char *column, const struct row_key *);
/* The key of a row that has one text as its key. */
struct row_key finding_text_key(const char *text);
/* How much of the window, or of the last ten seconds, which a long window hides, somebody stood still; percent. */
double finding_stalled(const struct facts *, int what);
/* `part` of `of` in percent; NaN: not known. */
double finding_share(double part, double of);
/* The cause is who uses most; its shares are of `of`. */
void finding_is_top(struct finding *, const struct process_top *, double of, const char *share_of);
/* The other one is the cause, and the cause the other one. */
void finding_swap(struct finding *);
/* Two that come near each other, of which none has most: who it is cannot be told from shares. */
void finding_doubt(struct finding *);

#endif
