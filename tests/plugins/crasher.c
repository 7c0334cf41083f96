/* Gives one sample, then crashes in the second. */
#include <signal.h>

#include <culprit/collector.h>

static const struct culprit_column columns[] = {
	{"id", CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, .help = "always 0"},
	{"samples", CULPRIT_GAUGE, CULPRIT_U64, CULPRIT_COUNT, .help = "samples of this process"},
};

static const struct culprit_table table = {
	.size = sizeof(struct culprit_table),
	.name = "crasher",
	.kind = CULPRIT_STATE,
	.help = "A table whose collector crashes",
	.key = "crasher",
	CULPRIT_COLUMNS(columns),
};

static const struct culprit_table *const tables[] = {&table};
static unsigned samples;

static int sample(void *self, struct culprit_frame *frame)
{
	(void)self;
	if (samples++)
		raise(SIGSEGV);
	culprit_table(frame, 0);
	culprit_row(frame);
	culprit_put_u64(frame, 0, 0);
	culprit_put_u64(frame, 1, samples);
	culprit_end(frame);
	return 0;
}

static const struct culprit_collector crasher = {
	.size = sizeof(struct culprit_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "crasher",
	.help = "Crashes in its second sample",
	.tables = tables,
	.ntables = 1,
	.sample = sample,
};

CULPRIT_PLUGIN(&crasher);
