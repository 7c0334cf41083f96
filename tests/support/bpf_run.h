/* A collector with programs in the kernel, opened on this machine, for tests that skip with the reason where it cannot be. */
#ifndef SUPPORT_BPF_RUN_H
#define SUPPORT_BPF_RUN_H

#include "support/frame_recorder.h"

/* Skips the running cmocka test with the reason where the collector's probe says that it cannot work here. Sampled once,
 * so that figures that count from the first sample on have begun. For fixture_run_destroy(). */
struct fixture_run *bpf_run_create(const struct culprit_collector *);
/* Skips the running test: prints the reason. */
void bpf_run_skip(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* The sum of a column of numbers over the rows of a table as sampled last; `where` NULL: all rows, else rows whose text
 * column `where` is `is`. Absent cells count nothing. */
uint64_t bpf_run_sum(const struct recorder *, const char *table, const char *column, const char *where, const char *is);
/* Adds the slots of a histogram over these rows to counts[n]. */
void bpf_run_counts(const struct recorder *, const char *table, const char *column, const char *where, const char *is,
		    uint64_t *counts, size_t n);

/* Runs a shell command, its output in buf (cut, with a NUL at its end). Returns its exit status. */
int bpf_run_command(char *buf, size_t cap, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
