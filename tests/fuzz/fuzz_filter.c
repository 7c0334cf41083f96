/* Any text as a filter: it is refused with a sentence, or it can be asked about any row, twice with the same answer. Numbers
 * with units read the same way. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"
#include "units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const uint8_t types[] = {CULPRIT_U64, CULPRIT_I64, CULPRIT_F64, CULPRIT_BOOL, CULPRIT_TEXT, CULPRIT_TASK, CULPRIT_STACK};
static const char *const names[] = {"u", "i", "f", "b", "t", "task", "stack"};
static const uint8_t units[] = {CULPRIT_BYTES, CULPRIT_NONE, CULPRIT_NS, CULPRIT_NONE, CULPRIT_NONE, CULPRIT_NONE, CULPRIT_NONE};

static const char *column(void *of, size_t i, uint8_t *type, uint8_t *unit)
{
	(void)of;
	*type = types[i];
	*unit = units[i];
	return names[i];
}

static void value(void *of, size_t i, struct value *v)
{
	const char *text = of;

	memset(v, 0, sizeof(*v));
	v->state = VALUE_OK;
	v->type = types[i];
	switch (v->type) {
	case CULPRIT_U64:
		v->u = UINT64_MAX;
		break;
	case CULPRIT_I64:
		v->i = -5;
		break;
	case CULPRIT_F64:
		v->f = 5e6;
		break;
	case CULPRIT_TEXT:
		v->text.p = text;
		v->text.len = strlen(text);
		break;
	case CULPRIT_TASK:
		v->task.tid = 12;
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct filter_columns columns = {.table = "t", .n = sizeof(types), .column = column};
	struct culprit_error e = {""};
	char text[FILTER_LENGTH_MAX + 16];
	struct filter_row row = {.of = text, .value = value};
	struct filter *f;
	double v;

	if (n > sizeof(text) - 1)
		n = sizeof(text) - 1;
	memcpy(text, data, n);
	text[n] = '\0';
	f = filter_create(text, &columns, &e);
	if (!f && !e.sentence[0])
		abort();
	if (f && filter_match(f, &row) != filter_match(f, &row))
		abort();
	filter_destroy(f);
	for (unsigned unit = CULPRIT_NONE; unit <= CULPRIT_HZ; unit++) {
		e.sentence[0] = '\0';
		if (units_parse(text, n, unit, &v, &e) && !e.sentence[0])
			abort();
	}
	return 0;
}
