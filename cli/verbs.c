#include "verbs.h"

#include <string.h>
#include <stdlib.h>
#include <errno.h>

int verb_fail(int status, const struct culprit_error *error)
{
	fprintf(stderr, "culprit: %s\n", error->sentence);
	return status;
}

int verb_status(int err)
{
	if (!err)
		return EXIT_DONE;
	return err == -EINVAL || err == -ENOENT ? EXIT_USAGE : EXIT_COULD_NOT;
}

bool verb_test_mark(void)
{
	const char *mark = getenv("CULPRIT_TEST_MARK");

	return mark && !strcmp(mark, "1");
}
