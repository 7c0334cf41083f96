/* What one sample of each built-in collector costs on this machine: CPU time, mean over many samples after the first
 * few, without the builder. Usage: bench_collectors [-p] [SAMPLES] [NAME...]; -p prints the last sample. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "builtin.h"
#include "support/frame_recorder.h"

static void no_table(struct culprit_frame *f, uint32_t t, uint64_t ns) { (void)f, (void)t, (void)ns; }
static void no_state(struct culprit_frame *f, uint32_t t, uint32_t s, const char *r) { (void)f, (void)t, (void)s, (void)r; }
static void no_lost(struct culprit_frame *f, uint32_t t, uint64_t n) { (void)f, (void)t, (void)n; }
static void no_row(struct culprit_frame *f) { (void)f; }
static int no_again(struct culprit_frame *f, uint32_t h) { return (void)f, (void)h, 0; }
static uint32_t no_end(struct culprit_frame *f) { return (void)f, 0; }
static void no_put(struct culprit_frame *f, uint32_t c, uint64_t v) { (void)f, (void)c, (void)v; }
static void no_text(struct culprit_frame *f, uint32_t c, const void *b, size_t n) { (void)f, (void)c, (void)b, (void)n; }
static void no_hist(struct culprit_frame *f, uint32_t c, const uint64_t *v, uint32_t n) { (void)f, (void)c, (void)v, (void)n; }
static void no_stack(struct culprit_frame *f, uint32_t c, const struct culprit_location *l, uint32_t n)
{
	(void)f, (void)c, (void)l, (void)n;
}
static void no_task(struct culprit_frame *f, uint32_t c, uint64_t t, uint64_t s) { (void)f, (void)c, (void)t, (void)s; }
static void no_unread(struct culprit_frame *f, uint32_t c, const char *r) { (void)f, (void)c, (void)r; }

static const struct culprit_frame_ops no_ops = {
	sizeof(no_ops), no_table, no_state, no_lost, no_row,   no_again, no_end,
	no_row,		no_put,	  no_text,  no_hist, no_stack, no_task,	 no_unread,
};

static double cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

int main(int argc, char **argv)
{
	bool print = argc > 1 && strcmp(argv[1], "-p") == 0;
	int arg = 1 + print, samples = 200;
	struct fixture_host host;
	double sum = 0;

	if (arg < argc && atoi(argv[arg]) > 0)
		samples = atoi(argv[arg++]);
	fixture_host_init(&host, getenv("CULPRIT_ROOT"));
	for (size_t i = 0; culprit_builtin[i]; i++) {
		const struct culprit_collector *c = culprit_builtin[i];
		struct culprit_frame none = {&no_ops};
		struct culprit_error error = {""};
		bool wanted = arg >= argc;
		double first, start, mean;
		void *self = NULL;

		for (int k = arg; k < argc; k++)
			wanted |= strcmp(argv[k], c->name) == 0;
		if (!wanted)
			continue;
		if ((c->probe && c->probe(&host.host, &error) < 0) || c->open(&host.host, &self, &error) < 0) {
			printf("%-12s not here: %s\n", c->name, error.sentence);
			continue;
		}
		start = cpu_us();
		c->sample(self, &none);
		first = cpu_us() - start;
		for (int k = 0; k < 5; k++)
			c->sample(self, &none);
		start = cpu_us();
		for (int k = 0; k < samples; k++)
			c->sample(self, &none);
		mean = (cpu_us() - start) / samples;
		sum += mean;
		printf("%-12s %8.1f us a sample, %8.1f us the first\n", c->name, mean, first);
		if (print) {
			struct recorder *r = recorder_create(c);

			recorder_sample(r, self);
			recorder_print(r);
			if (recorder_misuse(r))
				printf("MISUSE: %s\n", recorder_misuse(r));
			recorder_destroy(r);
		}
		c->close(self);
	}
	printf("%-12s %8.1f us\n", "all", sum);
	fixture_host_finish(&host);
	return 0;
}
