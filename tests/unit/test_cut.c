/* A piece of a recording says of every window inside it what the whole recording says: here, how much was lost. (All tables of
 * real recordings, and texts: tests/cut_test.py.) */
#include "cut.h"
#include "query_test.h"

enum { FRAMES = 12 };

/* Each frame of `which` loses another power of two, so that a sum says which were added. */
static void make(char *text, size_t cap, const char *kind, unsigned which)
{
	size_t len = (size_t)snprintf(text, cap, "host interval=1s\ntable runq %s cpu=key:u64 waits=counter:u64:count\n", kind);

	for (int i = 1; i <= FRAMES; i++) {
		if (i == 4 || i == 5 || i == 9)
			len += (size_t)snprintf(text + len, cap - len, "segment\n");
		len += (size_t)snprintf(text + len, cap - len, "tick %ds\n", i);
		if (i % 3)
			len += (size_t)snprintf(text + len, cap - len, "sample runq\nrow runq cpu=0 waits=%d\n", i);
		if (which >> i & 1)
			len += (size_t)snprintf(text + len, cap - len, "lost runq %d\n", 1 << i);
	}
}

static uint64_t lost_in(struct query *q, double from, double to)
{
	struct lens lens = lens_window((uint64_t)(from * S), (uint64_t)(to * S));
	struct culprit_error e = {""};
	struct query_info info;

	if (query_run(q, &lens, "runq", 0, &e))
		fail_msg("%s", e.sentence);
	query_info(q, &info);
	return info.lost;
}

/* Those after the first up to the last. */
static uint64_t lost_there(unsigned which, int after, int last)
{
	return which & ((2u << last) - 1) & ~((2u << after) - 1);
}

static void pieces(unsigned which)
{
	char text[4096];
	struct bench b;

	make(text, sizeof(text), "state key=cpu", which);
	set_up(&b, text);
	for (int from = 1; from < FRAMES; from++) {
		for (int to = from + 1; to <= FRAMES; to++) {
			struct cut_options options = {.from_ns = (uint64_t)((from + 0.3) * S), .to_ns = (uint64_t)(to * S)};
			struct cut_result result = {0};
			struct culprit_error e = {""};
			struct memsource *piece = memsource_create();
			struct source *whole = textframes_source(b.frames);
			struct view *view = view_create();
			struct sink *sink = memsource_sink(piece);
			struct query *query;

			if (cut_run(whole, &options, sink, &result, &e))
				fail_msg("%s", e.sentence);
			assert_int_equal(view_add_source(view, memsource_source(piece)), 0);
			query = query_create(view);
			for (int a = from; a < to; a++) {
				for (int z = a + 1; z <= to; z++) {
					uint64_t there = lost_in(b.query, a + 0.3, z), here = lost_in(query, a + 0.3, z);

					if (there != here || there != lost_there(which, a, z))
						fail_msg("of %#x, piece %d to %d, window %d to %d: whole %#llx, piece %#llx", which, from, to,
							 a, z, (unsigned long long)there, (unsigned long long)here);
				}
			}
			query_destroy(query);
			view_destroy(view);
			sink->ops->destroy(sink);
			source_destroy(whole);
			memsource_unlock(piece);
		}
	}
	tear_down(&b);
}

static void what_was_lost(void **state)
{
	(void)state;
	pieces(~0u);
	pieces(0);
	/* In a segment that the window only begins in; in one in its midst; in the one it ends in. */
	pieces(1u << 3);
	pieces(1u << 6);
	pieces(1u << 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
