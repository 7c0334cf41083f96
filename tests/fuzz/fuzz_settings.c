/* Any settings file: taken or named; what was taken can be written and read again, and is the same then. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct settings *s = settings_create(), *again = settings_create();
	struct culprit_error error = {""};
	char *text, *twice;

	if (!s || !again)
		abort();
	if (settings_parse(s, "f", data, n, &error)) {
		if (!error.sentence[0] || settings_get(s, "theme"))
			abort();
	} else {
		text = settings_format(s);
		if (!text || settings_parse(again, "f", text, strlen(text), &error))
			abort();
		twice = settings_format(again);
		if (!twice || strcmp(text, twice))
			abort();
		free(text);
		free(twice);
	}
	settings_destroy(s);
	settings_destroy(again);
	return 0;
}
