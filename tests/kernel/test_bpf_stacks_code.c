/* What stacks are walked by, where there is no room for all of it: whose unwind rows are given up, for whom, and that nothing is
 * written over what a walk may still read. The maps are the kernel's, what core would say of processes and modules is made up here. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "stacks_code.h"
#include "support/bpf_run.h"

/* Two such modules and their indexes find room, a third one doesn't. */
enum { ROWS = UNWIND_ROWS / 5 * 2, TOO_MANY = UNWIND_ROWS + 1, MODULES = 4, LONG_QUIET = 8 };

static struct culprit_unwind_row *rows; /* TOO_MANY of them; which module's they are is in their rules */
static uint64_t now = 1000000000;
static unsigned asked[MODULES + 1]; /* how often a module's rows were made */
static bool all_one; /* all processes run the first module */

/* --- what core would say: process N maps module N ----------------------------------------------------------------- */

static uint64_t time_now(const struct culprit_host *host, uint32_t clock)
{
	(void)host, (void)clock;
	return now;
}

static int code_of(const struct culprit_host *host, uint32_t pid, uint32_t flags, struct culprit_mapping *to, uint32_t cap,
		   uint32_t *ret_n, uint64_t *ret_generation)
{
	(void)host;
	if (flags & CULPRIT_CODE_ANEW)
		return -EINPROGRESS;
	assert_true(cap > 0);
	to[0] = (struct culprit_mapping){.start = 0x400000, .end = 0x40000000, .module = all_one ? 1 : pid, .kind = CULPRIT_MODULE_FILE};
	*ret_n = 1;
	*ret_generation = 1;
	return 0;
}

static int rows_of(const struct culprit_host *host, uint32_t module, const struct culprit_unwind_row **ret_rows, uint32_t *ret_n)
{
	(void)host;
	assert_in_range(module, 1, MODULES);
	asked[module]++;
	*ret_n = all_one ? 100 : module == MODULES ? TOO_MANY : ROWS;
	for (uint32_t i = 0; i < *ret_n; i++)
		rows[i] = (struct culprit_unwind_row){i, module << 8 | (i & 0xff)};
	*ret_rows = rows;
	return 0;
}

static void release(const struct culprit_host *host, uint32_t module)
{
	(void)host, (void)module;
}

static uint32_t rules_of(const struct culprit_host *host, uint32_t from, struct culprit_unwind_rule *to, uint32_t cap)
{
	(void)host, (void)from, (void)to, (void)cap;
	return 0;
}

static const struct culprit_host host = {.size = sizeof(host), .now_ns = time_now, .code_of = code_of, .unwind_rows = rows_of,
					 .unwind_release = release, .unwind_rules = rules_of};

/* --- the maps ----------------------------------------------------------------------------------------------------- */

enum { OF_ROWS, OF_RULES, OF_MAPPINGS, OF_PROCESSES, OF_STRANGERS, OF_FILES, MAPS };
static int fds[MAPS];

/* In place of libbpf's, which knows maps of objects only: ours are a number each. */
__attribute__((visibility("default"))) int bpf_map__fd(const struct bpf_map *map)
{
	return fds[(uintptr_t)map - 1];
}

static bool maps_create(void)
{
	static const struct {
		enum bpf_map_type type;
		uint32_t key, value, entries, flags;
	} maps[MAPS] = {
		[OF_ROWS] = {BPF_MAP_TYPE_ARRAY, 4, sizeof(struct culprit_unwind_row), UNWIND_ROWS, BPF_F_MMAPABLE},
		[OF_RULES] = {BPF_MAP_TYPE_ARRAY, 4, sizeof(struct culprit_unwind_rule), UNWIND_RULES, BPF_F_MMAPABLE},
		[OF_MAPPINGS] = {BPF_MAP_TYPE_ARRAY, 4, sizeof(struct unwind_mapping), UNWIND_MAPPINGS, BPF_F_MMAPABLE},
		[OF_PROCESSES] = {BPF_MAP_TYPE_HASH, 4, sizeof(struct unwind_process), UNWIND_PROCESSES, 0},
		[OF_STRANGERS] = {BPF_MAP_TYPE_ARRAY, 4, sizeof(struct unwind_stranger), UNWIND_STRANGERS, 0},
		[OF_FILES] = {BPF_MAP_TYPE_HASH, sizeof(struct unwind_file_key), sizeof(struct unwind_file), UNWIND_FILES, 0},
	};
	unsigned n = 0;

	for (; n < MAPS; n++) {
		LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = maps[n].flags);

		fds[n] = bpf_map_create(maps[n].type, "test", maps[n].key, maps[n].value, maps[n].entries, &options);
		if (fds[n] < 0)
			break;
	}
	for (unsigned i = 0; n < MAPS && i < n; i++)
		close(fds[i]);
	return n == MAPS;
}

#define MAP(which) ((struct bpf_map *)(uintptr_t)((which) + 1))

/* How the kernel would walk process `pid` now. */
static struct unwind_mapping mapping_of(uint32_t pid)
{
	struct unwind_process process = {0};
	struct unwind_mapping mapping = {0};

	assert_int_equal(bpf_map_lookup_elem(fds[OF_PROCESSES], &pid, &process), 0);
	assert_int_equal(process.n, 1);
	assert_int_equal(bpf_map_lookup_elem(fds[OF_MAPPINGS], &process.first, &mapping), 0);
	return mapping;
}

/* The rows that stand there for it are its own, from the first to the last. */
static void assert_walked(uint32_t pid)
{
	struct unwind_mapping m = mapping_of(pid);
	uint32_t places[] = {0, 1, ROWS / 2, ROWS - 1};

	assert_int_equal(m.kind, UNWIND_TABLE);
	assert_int_equal(m.rows.n, ROWS);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		uint32_t at = m.rows.first + places[i];
		struct culprit_unwind_row row;

		assert_int_equal(bpf_map_lookup_elem(fds[OF_ROWS], &at, &row), 0);
		assert_int_equal(row.pc, places[i]);
		assert_int_equal(row.rule, pid << 8 | (places[i] & 0xff));
	}
}

static void go_on(struct stacks_code *c)
{
	for (int i = 0; stacks_code_go_on(c); i++)
		assert_true(i < 100);
}

/* A sample of it whose walk ended for want of rows, or was whole. */
static void sampled(struct stacks_code *c, uint32_t pid, bool whole)
{
	stacks_code_seen(c, pid, whole ? CULPRIT_STACK_WHOLE : CULPRIT_STACK_PENDING, false);
	go_on(c);
}

static void tick(struct stacks_code *c)
{
	now += 1000000000;
	stacks_code_tick(c);
	go_on(c);
}

static void a_full_map_gives_up_who_was_not_sampled(void **state)
{
	struct stacks_code_maps maps = {MAP(OF_ROWS), MAP(OF_RULES), MAP(OF_MAPPINGS), MAP(OF_PROCESSES), MAP(OF_STRANGERS),
					MAP(OF_FILES)};
	struct stacks_code_stats stats;
	struct unwind_mapping before;
	struct stacks_code *c;
	uint32_t room;
	int ticks = 0;

	(void)state;
	if (!maps_create())
		bpf_run_skip("needs root: no maps can be made");
	rows = calloc(TOO_MANY, sizeof(*rows));
	c = stacks_code_create(&host, &maps);
	assert_non_null(rows);
	assert_non_null(c);
	/* Two find room. */
	for (uint32_t pid = 1; pid <= 2; pid++) {
		sampled(c, pid, false);
		assert_walked(pid);
	}
	stacks_code_stats(c, &stats);
	room = stats.rows / 2;
	assert_in_range(room, ROWS + 1, UNWIND_ROWS / 2);
	assert_true(3 * room > UNWIND_ROWS);
	/* A third one does not while the others are sampled: it is said so, and nobody loses what is there. */
	sampled(c, 3, false);
	assert_int_equal(mapping_of(3).kind, UNWIND_PENDING);
	stacks_code_stats(c, &stats);
	assert_int_equal(stats.modules, 2);
	assert_int_equal(stats.evicted, 0);
	assert_int_equal(stats.refused, 1);
	for (int i = 0; i < LONG_QUIET; i++) {
		tick(c);
		sampled(c, 1, true);
		sampled(c, 2, true);
		sampled(c, 3, false);
	}
	assert_walked(1);
	assert_walked(2);
	stacks_code_stats(c, &stats);
	assert_int_equal(stats.evicted, 0);
	assert_true(stats.refused > 1);
	/* Its rows are not made again and again for nothing. */
	assert_int_equal(asked[3], 1);

	/* The first one is quiet for some ticks: it goes, and walks end there at once; what it had is written over only when no walk can
	 * be in it any more. */
	before = mapping_of(1);
	for (; ticks < 3 * LONG_QUIET && mapping_of(1).kind == UNWIND_TABLE; ticks++) {
		tick(c);
		sampled(c, 2, true);
		sampled(c, 3, false);
	}
	assert_in_range(ticks, 5, 3 * LONG_QUIET - 1);
	assert_int_equal(mapping_of(1).kind, UNWIND_PENDING);
	assert_int_equal(mapping_of(3).kind, UNWIND_PENDING);
	tick(c);
	assert_int_equal(mapping_of(3).kind, UNWIND_PENDING);
	for (uint32_t k = 0; k < 2; k++) {
		uint32_t at = before.rows.first + k * (ROWS - 1);
		struct culprit_unwind_row row;

		assert_int_equal(bpf_map_lookup_elem(fds[OF_ROWS], &at, &row), 0);
		assert_int_equal(row.rule >> 8, 1);
	}
	tick(c);
	assert_walked(3);
	assert_walked(2);
	assert_int_equal(mapping_of(3).rows.first, before.rows.first);
	stacks_code_stats(c, &stats);
	assert_int_equal(stats.modules, 2);
	assert_int_equal(stats.evicted, 1);
	assert_int_equal(stats.rows, 2 * room);

	/* What is larger than all the room there is gets nobody's. */
	for (int i = 0; i < LONG_QUIET; i++) {
		tick(c);
		sampled(c, MODULES, false);
	}
	assert_int_equal(mapping_of(MODULES).kind, UNWIND_PENDING);
	assert_walked(2);
	assert_walked(3);
	stacks_code_destroy(c);
	free(rows);
	for (unsigned i = 0; i < MAPS; i++)
		close(fds[i]);
}

/* Fifteen processes begin each second and are not seen again, but for some that stay: each is known while it is seen, and for some time
 * after; then its place is another's. */
static void processes_come_and_go(void **state)
{
	enum { TICKS = 500, EACH = 15, STAY = 50 };
	struct stacks_code_maps maps = {MAP(OF_ROWS), MAP(OF_RULES), MAP(OF_MAPPINGS), MAP(OF_PROCESSES), MAP(OF_STRANGERS),
					MAP(OF_FILES)};
	struct stacks_code_stats stats;
	struct unwind_process process;
	struct stacks_code *c;
	uint32_t known = 0;

	(void)state;
	if (!maps_create())
		bpf_run_skip("needs root: no maps can be made");
	all_one = true;
	rows = calloc(TOO_MANY, sizeof(*rows));
	c = stacks_code_create(&host, &maps);
	assert_non_null(rows);
	assert_non_null(c);
	for (uint32_t pid = 1; pid <= STAY; pid++)
		stacks_code_seen(c, pid, CULPRIT_STACK_PENDING, false);
	for (uint32_t t = 0; t < TICKS; t++) {
		for (uint32_t pid = 1; pid <= STAY; pid++)
			stacks_code_seen(c, pid, CULPRIT_STACK_WHOLE, false);
		for (uint32_t i = 0; i < EACH; i++)
			stacks_code_seen(c, 1000 + t * 977 % TICKS * EACH + i, CULPRIT_STACK_PENDING, false);
		tick(c);
	}
	for (uint32_t pid = 1; pid <= STAY; pid++)
		assert_true(stacks_code_settled(c, pid));
	for (uint32_t t = 0; t < TICKS; t++) {
		for (uint32_t i = 0; i < EACH; i++) {
			uint32_t pid = 1000 + t * 977 % TICKS * EACH + i;
			bool is = stacks_code_settled(c, pid);

			known += is;
			assert_int_equal(is, !bpf_map_lookup_elem(fds[OF_PROCESSES], &pid, &process));
			assert_true(is || t < TICKS - 100);
			assert_true(!is || t > TICKS - 150);
		}
	}
	stacks_code_stats(c, &stats);
	assert_int_equal(stats.processes, known + STAY);
	assert_int_equal(stats.mappings, known + STAY);
	stacks_code_destroy(c);
	free(rows);
	all_one = false;
	for (unsigned i = 0; i < MAPS; i++)
		close(fds[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes_come_and_go),
		cmocka_unit_test(a_full_map_gives_up_who_was_not_sampled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
