/* Numbers and times as text, and back. Three significant digits with the unit attached, in a width that depends on the
 * unit only. Not here: where on the screen, colours. */
#ifndef CORE_UNITS_H
#define CORE_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <culprit/types.h>

/* Cells that units_format() takes for this unit. */
int units_width(unsigned unit);
/* Right-aligned in units_width(): "1.20G", "84.2ms", " 212%", "2m15s". Returns `buf` (32 bytes are enough). */
char *units_format(char *buf, size_t cap, double value, unsigned unit);
/* Without padding. */
char *units_format_short(char *buf, size_t cap, double value, unsigned unit);
/* With a sign, without padding: "+48.0M/s", "-1.2s", "+0B". */
char *units_format_change(char *buf, size_t cap, double value, unsigned unit);
/* For machines: the shortest decimal that reads back as the same double; "" for NaN and infinities. 32 bytes. */
char *units_format_exact(char *buf, size_t cap, double value);

/* A number with or without unit, as it would be stored in a column of this unit: "2G" of bytes is 2^31, "5m" of ns is
 * 3e11, "50%" of percent is 50. A bare number is as stored. Returns 0, or -EINVAL with a sentence. */
int units_parse(const char *text, size_t n, unsigned unit, double *ret, struct culprit_error *);
/* "90", "90s", "1h30m": ns. A bare number counts seconds. */
int units_parse_duration(const char *text, uint64_t *ret_ns, struct culprit_error *);
/* "64M", "1G": bytes. */
int units_parse_size(const char *text, uint64_t *ret_bytes, struct culprit_error *);

/* 2026-03-01T14:03:22.123456789Z; the fraction is left out where it is 0. offset_s: seconds east of UTC. 48 bytes. */
char *units_rfc3339(char *buf, size_t cap, int64_t wall_ns, int offset_s);
/* 14:03:22Z, or 14:03:22+02:00. 24 bytes. */
char *units_clock(char *buf, size_t cap, int64_t wall_ns, int offset_s);
/* "60s", "2m15s", "3h12m", "12d4h", "250ms": for window lengths and ages, without padding. 24 bytes. */
char *units_duration(char *buf, size_t cap, uint64_t ns);

#endif
