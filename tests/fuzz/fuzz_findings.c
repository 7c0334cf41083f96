/* Any bytes as a segment of a recording: what is wrong is judged, and said in lines of several widths. Seeds are machines of test_findings. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "bytes_source.h"
#include "findings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const size_t widths[] = {0, 20, 80, 300};
	struct findings f = {0};
	struct bytes *b;
	struct view *v;
	struct lens lens = lens_live(60000000000u);
	char line[512];

	if (n > 1 << 16)
		return 0;
	b = bytes_create(data, n);
	v = view_create();
	if (!v)
		abort();
	view_add_source(v, &b->source);
	findings_ask(&f, v, &lens, b->info.to_ns, NULL);
	for (size_t i = 0; i < findings_lines(&f); i++)
		for (size_t w = 0; w < sizeof(widths) / sizeof(*widths); w++)
			findings_line(&f, i, widths[w], line, sizeof(line));
	findings_grave(&f);
	findings_finish(&f);
	view_destroy(v);
	bytes_destroy(b);
	return 0;
}
