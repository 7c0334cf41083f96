#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "support/bpf_run.h"
#include "support/check.h"

void bpf_run_skip(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	print_message("skipped: %s\n", text);
	skip();
	abort();
}

struct fixture_run *bpf_run_create(const struct culprit_collector *collector)
{
	struct culprit_error error = {""};
	struct fixture_host host;
	struct fixture_run *run;
	int err;

	fixture_host_init(&host, NULL);
	err = collector->probe(&host.host, &error);
	fixture_host_finish(&host);
	if (err)
		bpf_run_skip("%s", error.sentence);
	run = fixture_run_create(collector, NULL);
	fixture_run_sample(run);
	return run;
}

static uint32_t column_number(const struct culprit_table *t, const char *name)
{
	for (uint32_t c = 0; c < t->ncolumns; c++)
		if (strcmp(t->columns[c].name, name) == 0)
			return c;
	check_fail("%s has no column %s", t->name, name);
}

static bool is_row(const struct recorded_table *t, size_t row, const char *where, const char *is)
{
	const struct recorded_cell *cell;

	if (!where)
		return true;
	cell = &t->rows[row].cells[column_number(t->table, where)];
	return cell->state == RECORDED_VALUE && strcmp(cell->text, is) == 0;
}

uint64_t bpf_run_sum(const struct recorder *r, const char *table, const char *column, const char *where, const char *is)
{
	const struct recorded_table *t = recorder_table(r, table);
	uint32_t c = column_number(t->table, column);
	uint64_t sum = 0;

	for (size_t i = 0; i < t->nrows; i++)
		if (t->rows[i].cells[c].state == RECORDED_VALUE && is_row(t, i, where, is))
			sum += t->rows[i].cells[c].bits;
	return sum;
}

void bpf_run_counts(const struct recorder *r, const char *table, const char *column, const char *where, const char *is,
		    uint64_t *counts, size_t n)
{
	const struct recorded_table *t = recorder_table(r, table);
	uint32_t c = column_number(t->table, column);

	for (size_t i = 0; i < t->nrows; i++) {
		const struct recorded_cell *cell = &t->rows[i].cells[c];

		if (cell->state != RECORDED_VALUE || !is_row(t, i, where, is))
			continue;
		CHECK(cell->len == n * sizeof(*counts));
		for (size_t k = 0; k < n; k++) {
			uint64_t v;

			memcpy(&v, cell->text + k * sizeof(v), sizeof(v));
			counts[k] += v;
		}
	}
}

int bpf_run_command(char *buf, size_t cap, const char *format, ...)
{
	char command[2048];
	va_list args;
	size_t n = 0;
	FILE *f;
	int status;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	f = popen(command, "r");
	CHECK(f);
	for (int c; (c = getc(f)) != EOF;)
		if (n + 1 < cap)
			buf[n++] = (char)c;
	buf[n] = 0;
	status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
