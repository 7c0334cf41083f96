/* Any theme file: parsed or named, and what was parsed can be written and read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "theme.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct theme theme;
	struct culprit_error error = {""};

	theme_builtin(&theme, "default");
	if (theme_parse(&theme, "f", data, n, &error) && !error.sentence[0])
		abort();
	for (unsigned i = 0; i < ROLE_COUNT; i++) {
		struct style again;
		char text[64];

		if (style_format(&theme.styles[i], text, sizeof(text)) >= (int)sizeof(text))
			abort();
		if (style_parse(&again, text, strlen(text), NULL))
			abort();
		if (again.attributes != theme.styles[i].attributes || again.fg.kind != theme.styles[i].fg.kind)
			abort();
		style_reduce(again, DEPTH_8);
		style_reduce(again, DEPTH_256);
	}
	return 0;
}
