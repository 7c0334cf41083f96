#include "verbs.h"

#include <string.h>
#include <stdlib.h>
#include <errno.h>

#include "text.h"

/* A sentence may quote what was typed, or the name of a file: neither may move the cursor. */
int verb_fail(int status, const struct culprit_error *error)
{
	struct text_iter iter;
	struct text_unit unit;
	char out[TEXT_UNIT_MAX];

	fputs("culprit: ", stderr);
	text_iter_init(&iter, error->sentence, strlen(error->sentence), TEXT_UTF8);
	iter.keep_backslash = true;
	while (text_next(&iter, &unit)) {
		text_unit_put(&unit, out);
		fputs(out, stderr);
	}
	fputc('\n', stderr);
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
