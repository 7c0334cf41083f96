/* Any bytes of a terminal: keys come out, nothing hangs, nothing is kept for ever. */
#include <stdint.h>
#include <stdlib.h>

#include "input.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct input in;
	struct key key;

	input_init(&in, true);
	input_learn(&in, "\x1b[[9", KEY_F(9));
	for (size_t at = 0; at < n;) {
		size_t chunk = 1 + data[at] % 7, took;

		if (chunk > n - at)
			chunk = n - at;
		took = input_feed(&in, data + at, chunk);
		while (input_next(&in, false, &key)) {
			if ((key.code & ~(uint32_t)KEY_ALT) >= KEY_LAST)
				abort();
			if (key.code < 0x110000 && key.code >= 0x80 && text_code_width(key.code) < 0)
				abort();
		}
		if (!took)
			abort();
		at += took;
	}
	while (input_next(&in, true, &key))
		;
	if (input_waits(&in))
		abort();
	return 0;
}
