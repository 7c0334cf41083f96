/* Its table has a counter of type text: refused, naming table and column. */
#include <culprit/collector.h>

static const struct culprit_column columns[] = {
	{"id", CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, .help = "a key"},
	{"words", CULPRIT_COUNTER, CULPRIT_TEXT, CULPRIT_NONE, .help = "text cannot count"},
};

static const struct culprit_table table = {
	.size = sizeof(struct culprit_table),
	.name = "bad_schema",
	.kind = CULPRIT_STATE,
	.help = "A table that makes no sense",
	.key = "bad_schema",
	CULPRIT_COLUMNS(columns),
};

static const struct culprit_table *const tables[] = {&table};

static int sample(void *self, struct culprit_frame *frame)
{
	(void)self;
	(void)frame;
	return 0;
}

static const struct culprit_collector bad = {
	.size = sizeof(struct culprit_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "bad_schema",
	.help = "Declares what cannot be",
	.tables = tables,
	.ntables = 1,
	.sample = sample,
};

CULPRIT_PLUGIN(&bad);
