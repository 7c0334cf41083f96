/* Makes a recording of a machine that does not exist: usage: bench_made FILE TICKS PROCESSES BUSY */
#include <stdio.h>
#include <stdlib.h>

#include "recfile.h"
#include "made_recording.h"

int main(int argc, char **argv)
{
	struct culprit_error error = {""};
	struct made *m = argc == 5 ? made_create((uint32_t)atoi(argv[3]), (uint32_t)atoi(argv[4])) : NULL;
	struct sink *sink = m ? recfile_sink(argv[1], RECFILE_OVERWRITE, &error) : NULL;
	int err = sink ? writer_add_sink(made_writer(m), sink) : -1;

	for (long i = 0; i < (argc == 5 ? atol(argv[2]) : 0) && !err; i++) {
		err = made_tick(m, 1000000000);
		err = err ? err : writer_sink_error(made_writer(m), sink, &error);
	}
	made_destroy(m);
	if (err)
		fprintf(stderr, "bench_made: %s\n", error.sentence[0] ? error.sentence : "FILE TICKS PROCESSES BUSY");
	return err != 0;
}
