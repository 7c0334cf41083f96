#include "file_source.h"

#include <string.h>
#include <unistd.h>

#include "recfile.h"
#include "ring.h"

struct source *file_source(const char *file, size_t budget, struct culprit_error *error)
{
	struct culprit_error not_a_ring;
	struct source *source;

	if (!strcmp(file, "-"))
		return recfile_source_pipe(dup(STDIN_FILENO), "standard input", budget, error);
	source = recfile_source(file, error);
	/* Where it is neither, what it says of a recording is the better sentence. */
	return source ? source : ring_source_path(file, &not_a_ring);
}
