/* What one sample of each built-in collector costs on this machine: CPU time, mean over many samples after the first
 * few, without the builder. Usage: bench_collectors [-p] [SAMPLES] [NAME...]; -p prints the last sample. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "builtin.h"
#include "support/frame_recorder.h"

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
		struct culprit_frame none = recorder_null_frame();
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
