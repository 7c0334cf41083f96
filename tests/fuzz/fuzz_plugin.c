/* What a plug-in's helper sends. First byte even: rows; whatever is accepted can be emitted, and written again it is
 * accepted again and says the same. Odd: the hello; whatever is accepted declares tables that schema_add() takes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugin_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { NOW = 1000000 };

static const double edges[] = {0, 1, 10};
static const struct culprit_bounds bounds = {CULPRIT_EDGES, 3, 0, 0, edges};

static const struct culprit_column state_columns[] = {
	{"k", CULPRIT_KEY, CULPRIT_TEXT, CULPRIT_NONE},
	{"i", CULPRIT_GAUGE, CULPRIT_I64, CULPRIT_COUNT},
	{"b", CULPRIT_GAUGE, CULPRIT_BOOL, CULPRIT_NONE},
	{"h", CULPRIT_HISTOGRAM, CULPRIT_HIST, CULPRIT_NS, .bounds = &bounds},
	{"s", CULPRIT_ATTRIBUTE, CULPRIT_STACK, CULPRIT_NONE},
	{"t", CULPRIT_ATTRIBUTE, CULPRIT_TASK, CULPRIT_NONE},
};

static const struct culprit_column event_columns[] = {
	{"when", CULPRIT_TIME, CULPRIT_U64, CULPRIT_MONO_NS},
	{"f", CULPRIT_GAUGE, CULPRIT_F64, CULPRIT_NONE},
};

static const struct culprit_table tables[] = {
	{.size = sizeof(struct culprit_table), .name = "one", .kind = CULPRIT_STATE, .key = "one",
	 CULPRIT_COLUMNS(state_columns)},
	{.size = sizeof(struct culprit_table), .name = "two", .kind = CULPRIT_EVENT, CULPRIT_COLUMNS(event_columns)},
};

static void check_rows(const uint8_t *data, size_t n)
{
	struct schema *s = schema_create();
	struct plugin_frame once, twice;
	struct culprit_error error;

	if (!s || schema_add(s, &tables[0], NULL) < 0 || schema_add(s, &tables[1], NULL) < 0)
		abort();
	plugin_frame_init(&once);
	plugin_frame_init(&twice);
	error.sentence[0] = 0;
	if (plugin_rows_replay(data, n, s, 0, 2, NOW, NULL, &error) == 0) {
		if (plugin_rows_replay(data, n, s, 0, 2, NOW, &once.frame, &error) != 0)
			abort();
		if (plugin_rows_replay(once.rows.data, once.rows.len, s, 0, 2, NOW, &twice.frame, &error) != 0)
			abort();
		if (once.rows.len != twice.rows.len || (once.rows.len && memcmp(once.rows.data, twice.rows.data, once.rows.len)))
			abort();
	} else if (!error.sentence[0]) {
		abort();
	}
	plugin_frame_finish(&once);
	plugin_frame_finish(&twice);
	schema_unlock(s);
}

static void check_hello(const uint8_t *data, size_t n)
{
	struct plugin_hello *h = malloc(sizeof(*h));
	struct schema *s = schema_create();
	struct plugin_tables *t;
	struct culprit_error error;

	if (!h || !s)
		abort();
	error.sentence[0] = 0;
	if (plugin_hello_decode(h, data, n, &error) == 0) {
		t = plugin_tables_create(h->schema);
		if (!t)
			abort();
		for (uint32_t i = 0; i < h->schema->ntables; i++)
			if (schema_add(s, plugin_tables_list(t)[i], NULL) < 0)
				abort();
		plugin_tables_destroy(t);
		schema_unlock(h->schema);
	} else if (!error.sentence[0]) {
		abort();
	}
	schema_unlock(s);
	free(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (!n)
		return 0;
	if (data[0] % 2)
		check_hello(data + 1, n - 1);
	else
		check_rows(data + 1, n - 1);
	return 0;
}
