/* Declares one thing and emits others: each sample is dropped, with the reason; the process and its neighbours live.
 * Which misuse it commits goes round with the sample's number. */
#include <culprit/collector.h>

static const struct culprit_column columns[] = {
	{"id", CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, .help = "a key"},
	{"level", CULPRIT_GAUGE, CULPRIT_U64, CULPRIT_COUNT, .help = "a number"},
};

static const struct culprit_table table = {
	.size = sizeof(struct culprit_table),
	.name = "bad_rows",
	.kind = CULPRIT_STATE,
	.help = "Rows that do not fit their table",
	.key = "bad_rows",
	CULPRIT_COLUMNS(columns),
};

static const struct culprit_table *const tables[] = {&table};
static unsigned samples;

static int sample(void *self, struct culprit_frame *f)
{
	static const uint64_t counts[2000];

	(void)self;
	switch (samples++) {
	case 0:
		culprit_table(f, 1); /* there is only table 0 */
		break;
	case 1:
		culprit_table(f, 0);
		culprit_put_u64(f, 1, 5); /* outside a row */
		break;
	case 2:
		culprit_table(f, 0);
		culprit_row(f);
		culprit_put_u64(f, 2, 5); /* there is no column 2 */
		culprit_end(f);
		break;
	case 3:
		culprit_table(f, 0);
		culprit_row(f);
		culprit_put_string(f, 1, "five"); /* a number */
		culprit_end(f);
		break;
	case 4:
		culprit_table(f, 0);
		culprit_row(f);
		culprit_put_u64(f, 0, 1); /* never ends */
		break;
	case 5:
		culprit_table(f, 0);
		culprit_row(f);
		culprit_put_histogram(f, 1, counts, 2000); /* more slots than any has */
		culprit_end(f);
		break;
	case 6:
		culprit_row(f); /* of no table */
		culprit_end(f);
		break;
	case 7:
		culprit_table(f, 0);
		for (unsigned i = 0; i < 3000000; i++) { /* more than a sample may have */
			culprit_row(f);
			culprit_put_u64(f, 0, i);
			culprit_put_u64(f, 1, UINT64_MAX);
			culprit_end(f);
		}
		break;
	case 8:
		return -13; /* EACCES */
	default:
		culprit_table(f, 0);
		culprit_row(f);
		culprit_put_u64(f, 0, 7);
		culprit_put_u64(f, 1, samples);
		culprit_end(f);
	}
	return 0;
}

static const struct culprit_collector bad = {
	.size = sizeof(struct culprit_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "bad_rows",
	.help = "Emits what it did not declare",
	.tables = tables,
	.ntables = 1,
	.sample = sample,
};

CULPRIT_PLUGIN(&bad);
