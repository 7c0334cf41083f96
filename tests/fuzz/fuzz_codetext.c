/* Text about code that anybody may have written: perf maps, kallsyms, /proc/PID/maps, profiles of other tools, mangled names.
 * The first byte says which. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "demangle.h"
#include "kallsyms.h"
#include "perfmap.h"
#include "procmaps.h"
#include "profile_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int take(void *self, const struct profile_sample *s)
{
	size_t *sum = self;

	if (!s->n || s->n > PROFILE_FRAMES_MAX)
		abort();
	for (size_t i = 0; i < s->n; i++) {
		if (!s->frames[i].name_len)
			abort();
		for (size_t k = 0; k < s->frames[i].name_len; k++)
			*sum += (uint8_t)s->frames[i].name[k];
		for (size_t k = 0; k < s->frames[i].module_len; k++)
			*sum += (uint8_t)s->frames[i].module[k];
	}
	for (size_t k = 0; k < s->comm_len; k++)
		*sum += (uint8_t)s->comm[k];
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text;

	if (!n)
		return 0;
	text = malloc(n);
	if (!text)
		return 0;
	memcpy(text, data + 1, --n);
	switch (data[0] % 5) {
	case 0: {
		struct symtab t = {0};
		uint64_t end;

		if (!perfmap_parse(&t, text, n))
			symtab_find(&t, 0x7f0000001234, &end);
		symtab_finish(&t);
		break;
	}
	case 1: {
		struct kallsyms k;

		if (!kallsyms_parse(&k, text, n)) {
			kallsyms_find(&k, 0xffffffff81000100);
			kallsyms_finish(&k);
		}
		break;
	}
	case 2: {
		struct procmaps p;

		procmaps_init(&p);
		if (!procmaps_parse(&p, text, n)) {
			for (size_t i = 1; i < p.n; i++) {
				if (p.maps[i].start < p.maps[i - 1].end)
					abort();
			}
			procmaps_find(&p, 0x7f0000001234);
		}
		procmaps_finish(&p);
		break;
	}
	case 3: {
		struct profile_counts counts;
		size_t sum = 0;

		profile_text_parse(text, n, take, &sum, &counts, NULL);
		break;
	}
	case 4: {
		char out[DEMANGLE_MAX + 1];

		if (demangle(text, n, (int)(n & 1), out, sizeof(out)) >= sizeof(out))
			abort();
		break;
	}
	}
	free(text);
	return 0;
}
