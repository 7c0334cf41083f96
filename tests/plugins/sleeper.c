/* Sleeps for a minute in sample(): nobody may wait for it. Its sibling in the same file is as late as it is. */
#include <unistd.h>

#include <culprit/collector.h>

static const struct culprit_column columns[] = {
	{"id", CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, .help = "always 0"},
};

static const struct culprit_table table = {
	.size = sizeof(struct culprit_table),
	.name = "sleeper",
	.kind = CULPRIT_STATE,
	.help = "A table that is never sampled",
	.key = "sleeper",
	CULPRIT_COLUMNS(columns),
};

static const struct culprit_table *const tables[] = {&table};

static int sample(void *self, struct culprit_frame *frame)
{
	(void)self;
	sleep(60);
	culprit_table(frame, 0);
	culprit_row(frame);
	culprit_put_u64(frame, 0, 0);
	culprit_end(frame);
	return 0;
}

static const struct culprit_collector sleeper = {
	.size = sizeof(struct culprit_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "sleeper",
	.help = "Sleeps for a minute in sample()",
	.tables = tables,
	.ntables = 1,
	.sample = sample,
};

CULPRIT_PLUGIN(&sleeper);
