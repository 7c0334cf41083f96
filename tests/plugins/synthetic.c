/* The plug-in of the gate: every role, every type, both kinds of table, every kind of bounds, every derivation, a
 * roll-up from child to parent, groups, unread and absent cells, states, lost events, hostile text, rows that come, go
 * and come again, counters that fall. What it emits depends on nothing but the number of the sample: two runs give the
 * same rows. Only the sample times are the host's. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <culprit/collector.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { PARENTS = 8, CHILDREN = 3, LIFE = 11, LOG_SLOTS = 80, LINEAR_SLOTS = 10, LONG_TEXT = 70000 };

static const double edges[] = {0, 0.5, 1, 10, 1e9};
static const struct culprit_bounds log_bounds = {CULPRIT_LOG_LINEAR, LOG_SLOTS, 0, 0, NULL};
static const struct culprit_bounds linear_bounds = {CULPRIT_LINEAR, LINEAR_SLOTS, -50, 10, NULL};
static const struct culprit_bounds edge_bounds = {CULPRIT_EDGES, COUNT(edges), 0, 0, edges};

#define COL(NAME, ROLE, TYPE, UNIT, ...)                                                                               \
	{.name = NAME, .role = CULPRIT_##ROLE, .type = CULPRIT_##TYPE, .unit = CULPRIT_##UNIT,                         \
	 .help = "synthetic: " NAME, .source = "the sample's number", __VA_ARGS__}

/* --- parents: things that live ----------------------------------------------------------------------------------- */

enum {
	P_NAME, P_GENERATION, P_TEXT, P_MARK, P_STACK, P_TASK, P_FLAG, P_LEVEL, P_SIGNED, P_HUGE, P_ON, P_LIMIT, P_WORK,
	P_DONE, P_ENERGY, P_DRIFT, P_PEAK, P_LOG, P_LINEAR, P_EDGES, P_BEGAN, P_SLOW, P_SLOW_TEXT, P_SLOWER, P_SECRET,
	P_SOMETIMES,
};

static const struct culprit_column parent_columns[] = {
	[P_NAME] = COL("name", KEY, TEXT, NONE, 0),
	[P_GENERATION] = COL("generation", KEY, U64, NONE, 0),
	[P_TEXT] = COL("text", ATTRIBUTE, TEXT, NONE, 0),
	[P_MARK] = COL("mark", ATTRIBUTE, I64, NONE, 0),
	[P_STACK] = COL("stack", ATTRIBUTE, STACK, NONE, 0),
	[P_TASK] = COL("task", ATTRIBUTE, TASK, NONE, 0),
	[P_FLAG] = COL("flag", ATTRIBUTE, BOOL, NONE, 0),
	[P_LEVEL] = COL("level", GAUGE, F64, PERCENT, 0),
	[P_SIGNED] = COL("signed", GAUGE, I64, COUNT, 0),
	[P_HUGE] = COL("huge", GAUGE, U64, BYTES, 0),
	[P_ON] = COL("on", GAUGE, BOOL, NONE, 0),
	[P_LIMIT] = COL("limit", GAUGE, U64, BYTES, 0),
	[P_WORK] = COL("work", COUNTER, U64, COUNT, 0),
	[P_DONE] = COL("done", COUNTER, U64, COUNT, 0),
	[P_ENERGY] = COL("energy", COUNTER, F64, NONE, 0),
	[P_DRIFT] = COL("drift", COUNTER, I64, NS, 0),
	[P_PEAK] = COL("peak", PEAK, U64, NS, 0),
	[P_LOG] = COL("latency", HISTOGRAM, HIST, NS, .bounds = &log_bounds),
	[P_LINEAR] = COL("offset", HISTOGRAM, HIST, NONE, .bounds = &linear_bounds),
	[P_EDGES] = COL("size", HISTOGRAM, HIST, BYTES, .bounds = &edge_bounds),
	[P_BEGAN] = COL("began", ATTRIBUTE, U64, MONO_NS, 0),
	[P_SLOW] = COL("slow", GAUGE, U64, COUNT, .group = 1),
	[P_SLOW_TEXT] = COL("slow_text", ATTRIBUTE, TEXT, NONE, .group = 1),
	[P_SLOWER] = COL("slower", COUNTER, U64, COUNT, .group = 2),
	[P_SECRET] = COL("secret", GAUGE, U64, COUNT, 0),
	[P_SOMETIMES] = COL("sometimes", GAUGE, F64, COUNT, 0),
};

static const struct culprit_derived parent_derived[] = {
	{"work_rate", CULPRIT_RATE, CULPRIT_COUNT_PER_S, "work+done", .help = "synthetic: a rate"},
	{"done_share", CULPRIT_RATIO, CULPRIT_PERCENT, "done", "work+done", 100, .help = "synthetic: a ratio"},
	{"room", CULPRIT_LEVEL, CULPRIT_BYTES, "limit-slow", .help = "synthetic: a level"},
	{"fill", CULPRIT_LEVEL_RATIO, CULPRIT_PERCENT, "slow", "limit", 100, .help = "synthetic: a ratio of levels"},
	{"worked", CULPRIT_DIFFERENCE, CULPRIT_COUNT, "work-done", .help = "synthetic: a difference"},
	{"p99", CULPRIT_PERCENTILE, CULPRIT_NS, "latency", .arg = 99, .help = "synthetic: a percentile"},
	{"p50", CULPRIT_PERCENTILE, CULPRIT_BYTES, "size", .arg = 50, .help = "synthetic: a median between edges"},
	{"age", CULPRIT_SINCE, CULPRIT_NS, "began", .help = "synthetic: time since it began"},
	{"growth", CULPRIT_GROWTH, CULPRIT_COUNT, "signed", .help = "synthetic: growth of a gauge"},
};

static const struct culprit_table parents = {
	.size = sizeof(struct culprit_table),
	.name = "synth",
	.kind = CULPRIT_STATE,
	.help = "Synthetic things with a column of every role and type",
	.key = "synth",
	CULPRIT_COLUMNS(parent_columns),
	CULPRIT_DERIVED(parent_derived),
	.sort = "level",
	.show = "name generation level signed work_rate p99 text",
};

/* --- children: rolled up into their parents, folded where there are too many --------------------------------------- */

enum { C_ID, C_PARENT, C_PARENT_GENERATION, C_TEAM, C_MEMBERS, C_USED, C_PEAK, C_LOG };

static const struct culprit_column child_columns[] = {
	[C_ID] = COL("id", KEY, I64, NONE, 0),
	[C_PARENT] = COL("parent_name", ATTRIBUTE, TEXT, NONE, 0),
	[C_PARENT_GENERATION] = COL("parent_generation", ATTRIBUTE, U64, NONE, 0),
	[C_TEAM] = COL("team", ATTRIBUTE, TEXT, NONE, 0),
	[C_MEMBERS] = COL("members", GAUGE, U64, COUNT, 0),
	[C_USED] = COL("used", COUNTER, U64, NS, 0),
	[C_PEAK] = COL("child_peak", PEAK, F64, NS, 0),
	[C_LOG] = COL("wait", HISTOGRAM, HIST, NS, .bounds = &log_bounds),
};

static const struct culprit_derived child_derived[] = {
	{"used_share", CULPRIT_RATE, CULPRIT_PERCENT, "used", .scale = 1e-7, .help = "synthetic: share of a CPU"},
};

static const struct culprit_rollup child_rollups[] = {
	{"used_share", "synth", "children_share", CULPRIT_ROLL_SUM, .help = "synthetic: sum over children"},
	{"child_peak", "synth", "children_peak", CULPRIT_ROLL_MAX, .help = "synthetic: maximum over children"},
	{"wait", "synth", "children_wait", CULPRIT_ROLL_MERGE, .help = "synthetic: histograms of children, merged"},
};

static const struct culprit_table children = {
	.size = sizeof(struct culprit_table),
	.name = "synth_child",
	.kind = CULPRIT_STATE,
	.help = "Synthetic children of synthetic things",
	.key = "synth_child",
	CULPRIT_COLUMNS(child_columns),
	CULPRIT_DERIVED(child_derived),
	CULPRIT_ROLLUPS(child_rollups),
	.parent = "synth",
	.parent_columns = "parent_name parent_generation",
	.fold_by = "team",
	.fold_count = "members",
};

/* --- keys of the types left ---------------------------------------------------------------------------------------- */

enum { K_BOOL, K_F64, K_TASK, K_STACK, K_COUNT };

static const struct culprit_column key_columns[] = {
	[K_BOOL] = COL("yes", KEY, BOOL, NONE, 0),
	[K_F64] = COL("point", KEY, F64, NONE, 0),
	[K_TASK] = COL("who", KEY, TASK, NONE, 0),
	[K_STACK] = COL("where", KEY, STACK, NONE, 0),
	[K_COUNT] = COL("times", COUNTER, U64, COUNT, 0),
};

static const struct culprit_table keys = {
	.size = sizeof(struct culprit_table),
	.name = "synth_key",
	.kind = CULPRIT_STATE,
	.help = "Synthetic rows whose keys have uncommon types",
	.key = "synth_key",
	CULPRIT_COLUMNS(key_columns),
};

/* --- events -------------------------------------------------------------------------------------------------------- */

enum { E_TIME, E_KIND, E_TEXT, E_TASK, E_STACK, E_VALUE, E_BAD, E_DELTA };

static const struct culprit_column event_columns[] = {
	[E_TIME] = COL("time", TIME, U64, MONO_NS, 0),
	[E_KIND] = COL("kind", ATTRIBUTE, U64, NONE, 0),
	[E_TEXT] = COL("text", ATTRIBUTE, TEXT, NONE, 0),
	[E_TASK] = COL("task", ATTRIBUTE, TASK, NONE, 0),
	[E_STACK] = COL("stack", ATTRIBUTE, STACK, NONE, 0),
	[E_VALUE] = COL("value", GAUGE, F64, NS, 0),
	[E_BAD] = COL("bad", GAUGE, BOOL, NONE, 0),
	[E_DELTA] = COL("delta", GAUGE, I64, COUNT, 0),
};

static const struct culprit_table events = {
	.size = sizeof(struct culprit_table),
	.name = "synth_event",
	.kind = CULPRIT_EVENT,
	.help = "Synthetic events",
	CULPRIT_COLUMNS(event_columns),
};

/* --- a table that fares differently in each sample ------------------------------------------------------------------ */

static const struct culprit_column mood_columns[] = {
	COL("id", KEY, U64, NONE, 0),
	COL("sample", COUNTER, U64, COUNT, 0),
};

static const struct culprit_table moods = {
	.size = sizeof(struct culprit_table),
	.name = "synth_mood",
	.kind = CULPRIT_STATE,
	.help = "A synthetic table that is fresh, resting, failed, late or missing in turn",
	.key = "synth_mood",
	CULPRIT_COLUMNS(mood_columns),
};

enum { T_PARENT, T_CHILD, T_KEY, T_EVENT, T_MOOD };

static const struct culprit_table *const tables[] = {
	[T_PARENT] = &parents, [T_CHILD] = &children, [T_KEY] = &keys, [T_EVENT] = &events, [T_MOOD] = &moods,
};

/* --- content ------------------------------------------------------------------------------------------------------- */

struct text {
	const char *bytes;
	size_t len;
};

#define TEXT(literal) {literal, sizeof(literal) - 1}

/* What must never reach a terminal, a parser or a file name as it is. */
static const struct text hostile[] = {
	TEXT("plain"),
	TEXT("\033[2J\033]0;title\007"),       /* clears the screen, sets the title */
	TEXT("bell\a back\b del\177"),
	TEXT("\x9b" "31m raw C1"),
	TEXT("\xc2\x9b" "31m C1 as UTF-8"),
	TEXT("\xe2\x80\xae" "gnp.exe"),        /* right-to-left override */
	TEXT("\xe2\x81\xa6isolate\xe2\x81\xa9"),
	TEXT("bad \xff\xfe \xc3 \xed\xa0\x80 \xf8"), /* invalid, cut short, surrogate */
	TEXT("new\nline\r\ttab"),
	TEXT("(a) b) c"),
	TEXT("nul\0inside"),
	TEXT(""),
	TEXT("back\\slash \\x41"),
	TEXT("\xe6\xbc\xa2\xe5\xad\x97 wide e\xcc\x81 combining \xf0\x9f\x94\xa5"),
	TEXT("\"quotes\", 'commas', <tags> & =1+1"),
	TEXT("  blanks  "),
};

struct state {
	const struct culprit_host *host;
	uint64_t tick; /* of samples */
	char *long_text;
};

/* A number that looks random and is not. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t x = a * 0x9e3779b97f4a7c15u + b * 0xbf58476d1ce4e5b9u;

	x ^= x >> 31;
	x *= 0x94d049bb133111ebu;
	return x ^ x >> 29;
}

static void put_histogram(struct culprit_frame *f, uint32_t column, uint32_t slots, uint64_t seed, uint64_t samples)
{
	uint64_t counts[LOG_SLOTS];

	/* cumulative: each slot has gained its own number in every sample */
	for (uint32_t i = 0; i < slots; i++)
		counts[i] = samples * (mix(seed, i) % 7) * (mix(seed, i) % 3 == 0);
	culprit_put_histogram(f, column, counts, slots);
}

static void put_stack(struct culprit_frame *f, uint32_t column, uint64_t seed)
{
	static const char *const modules[] = {"/usr/lib/libc.so.6", "[kernel]", "/opt/\033[31mred", NULL};
	struct culprit_location frames[255];
	uint32_t n = seed % 23 == 0 ? 255 : (uint32_t)(seed % 6);

	for (uint32_t i = 0; i < n; i++)
		frames[i] = (struct culprit_location){modules[mix(seed, i) % 4], mix(seed, i + 100) >> 16};
	culprit_put_stack(f, column, frames, n);
}

static void put_text(struct culprit_frame *f, uint32_t column, const struct state *s, uint64_t n)
{
	const struct text *t = &hostile[n % COUNT(hostile)];

	if (n % 64 == 63)
		culprit_put_text(f, column, s->long_text, LONG_TEXT); /* longer than what is kept */
	else
		culprit_put_text(f, column, t->bytes, t->len);
}

/* --- rows ---------------------------------------------------------------------------------------------------------- */

/* Parent i is away in one of LIFE samples; what comes back is another thing of the same name. */
static uint64_t age_of(const struct state *s, uint64_t i)
{
	return (s->tick + 3 * i) % LIFE;
}

static uint64_t generation_of(const struct state *s, uint64_t i)
{
	return (s->tick + 3 * i) / LIFE;
}

static void put_name(struct culprit_frame *f, uint32_t column, uint64_t i)
{
	char name[64];
	int n = snprintf(name, sizeof(name), "p%u", (unsigned)i);

	if (i == 5) /* a key may be hostile too */
		n = snprintf(name, sizeof(name), "p\033[5m)\xff %u", (unsigned)i);
	culprit_put_text(f, column, name, (size_t)n);
}

static void put_numbers(struct culprit_frame *f, uint64_t i, uint64_t t, uint64_t age, uint64_t now)
{
	static const double odd[] = {0.0, -0.0, 1e-310, 38.0, INFINITY, -INFINITY, 1.0 / 3, 1e300};

	culprit_put_i64(f, P_MARK, i == 1 ? INT64_MIN : (int64_t)i - 4);
	culprit_put_bool(f, P_FLAG, i % 2 == 0);
	culprit_put_f64(f, P_LEVEL, (double)(mix(t, i) % 10000) / 100);
	culprit_put_i64(f, P_SIGNED, i == 2 ? INT64_MAX - (int64_t)t : (int64_t)(t * i) - 40);
	culprit_put_u64(f, P_HUGE, UINT64_MAX - t * i);
	culprit_put_bool(f, P_ON, (int)(mix(t, i) % 2));
	culprit_put_u64(f, P_LIMIT, i == 3 ? 0 : 1000); /* a denominator of 0 */
	/* that of 4 falls every 7 samples */
	culprit_put_u64(f, P_WORK, i == 4 ? (t % 7) * 1000 : age * 1000 * (i + 1));
	culprit_put_u64(f, P_DONE, age * 100 * i);
	culprit_put_f64(f, P_ENERGY, (double)age * 0.125 * (double)(i + 1));
	culprit_put_i64(f, P_DRIFT, (int64_t)age * 7 - 1000);
	culprit_put_u64(f, P_PEAK, mix(t, i + 50) % 1000000);
	culprit_put_u64(f, P_BEGAN, now - age * 1000000000);
	if (i == 6)
		culprit_put_f64(f, P_SOMETIMES, odd[t % COUNT(odd)]);
	else if (i == 7)
		culprit_put_f64(f, P_SOMETIMES, NAN); /* absent */
	else if ((t + i) % 3)
		culprit_put_f64(f, P_SOMETIMES, (double)t);
}

static void sample_parents(struct state *s, struct culprit_frame *f, uint64_t now)
{
	uint64_t t = s->tick;

	culprit_table_at(f, T_PARENT, now);
	for (uint64_t i = 0; i < PARENTS; i++) {
		uint64_t age = age_of(s, i);

		if (age == 0)
			continue;
		culprit_row(f);
		put_name(f, P_NAME, i);
		culprit_put_u64(f, P_GENERATION, generation_of(s, i));
		if (age == 1 && i % 2)
			culprit_born(f);
		put_text(f, P_TEXT, s, t + i);
		put_stack(f, P_STACK, mix(t / 4, i));
		culprit_put_task(f, P_TASK, 1000 + i, 100 * generation_of(s, i) + i);
		put_numbers(f, i, t, age, now);
		put_histogram(f, P_LOG, LOG_SLOTS, i, age);
		put_histogram(f, P_LINEAR, LINEAR_SLOTS, i + 10, age);
		put_histogram(f, P_EDGES, COUNT(edges), i + 20, age);
		if ((t + i) % 3 == 0) {
			culprit_put_u64(f, P_SLOW, t * 10 + i);
			put_text(f, P_SLOW_TEXT, s, i);
		}
		if ((t + i) % 5 == 0)
			culprit_put_u64(f, P_SLOWER, t * 100);
		if (i % 3 == 0)
			culprit_unread(f, P_SECRET, "permission denied: needs root");
		else if (i % 3 == 1)
			culprit_unread(f, P_SECRET, t % 2 ? "blocked for 200 ms: given up" : "gone \033[1mmeanwhile");
		else
			culprit_put_u64(f, P_SECRET, t);
		culprit_end(f);
	}
}

static void sample_children(struct state *s, struct culprit_frame *f, uint64_t now)
{
	culprit_table_at(f, T_CHILD, now);
	for (uint64_t i = 0; i < PARENTS * CHILDREN; i++) {
		uint64_t parent = i / CHILDREN, age = age_of(s, parent);

		if (age == 0)
			continue;
		culprit_row(f);
		/* another id in each life of the parent */
		culprit_put_i64(f, C_ID, (int64_t)(i + 1000 * generation_of(s, parent)) - 10);
		put_name(f, C_PARENT, parent);
		culprit_put_u64(f, C_PARENT_GENERATION, generation_of(s, parent));
		culprit_put_string(f, C_TEAM, i % 2 ? "odd" : "even");
		culprit_put_u64(f, C_MEMBERS, 1);
		culprit_put_u64(f, C_USED, age * 1000000 * (i + 1));
		culprit_put_f64(f, C_PEAK, (double)(mix(s->tick, i) % 500));
		put_histogram(f, C_LOG, LOG_SLOTS, i, age);
		culprit_end(f);
	}
}

static void sample_keys(struct state *s, struct culprit_frame *f, uint64_t now)
{
	culprit_table_at(f, T_KEY, now);
	for (uint64_t i = 0; i < 6; i++) {
		culprit_row(f);
		culprit_put_bool(f, K_BOOL, (int)(i % 2));
		culprit_put_f64(f, K_F64, (double)i / 4);
		culprit_put_task(f, K_TASK, 50 + i, 7);
		put_stack(f, K_STACK, i + 1);
		culprit_put_u64(f, K_COUNT, s->tick * i);
		culprit_end(f);
	}
}

static void sample_events(struct state *s, struct culprit_frame *f, uint64_t now)
{
	uint64_t n = s->tick % 5;

	culprit_table_at(f, T_EVENT, now);
	for (uint64_t i = 0; i < n; i++) {
		culprit_row(f);
		culprit_put_u64(f, E_TIME, now - (n - i) * 1000000);
		culprit_put_u64(f, E_KIND, s->tick * 10 + i);
		put_text(f, E_TEXT, s, s->tick + i);
		culprit_put_task(f, E_TASK, 2000 + i, s->tick);
		put_stack(f, E_STACK, mix(s->tick, i));
		if (i % 2)
			culprit_put_f64(f, E_VALUE, (double)mix(s->tick, i) / 1e12);
		else
			culprit_unread(f, E_VALUE, "overwritten before it was read");
		culprit_put_bool(f, E_BAD, (int)(i % 2));
		culprit_put_i64(f, E_DELTA, -(int64_t)i);
		culprit_end(f);
	}
	if (s->tick % 4 == 3)
		culprit_lost(f, T_EVENT, s->tick);
}

static void sample_moods(struct state *s, struct culprit_frame *f, uint64_t now)
{
	static const char *const reasons[] = {
		NULL, "not due in this sample", "the synthetic source failed: try again", "still \033[7m waiting",
		"there is no synthetic source here: load it",
	};
	uint32_t mood = (uint32_t)(s->tick % 5);

	if (mood != 1) {
		culprit_table_at(f, T_MOOD, now);
		culprit_row(f);
		culprit_put_u64(f, 0, 0);
		culprit_put_u64(f, 1, s->tick);
		culprit_end(f);
	}
	if (mood)
		culprit_state(f, T_MOOD, CULPRIT_FRESH + mood, reasons[mood]);
}

static int sample(void *self, struct culprit_frame *f)
{
	struct state *s = self;
	uint64_t now = s->host->now_ns(s->host, CULPRIT_MONOTONIC);

	sample_parents(s, f, now);
	sample_children(s, f, now);
	sample_keys(s, f, now);
	sample_events(s, f, now);
	sample_moods(s, f, now);
	s->tick++;
	return 0;
}

static int probe(const struct culprit_host *host, struct culprit_error *error)
{
	(void)host;
	(void)error;
	return 0;
}

static int open_state(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct state *s = calloc(1, sizeof(*s));

	if (s)
		s->long_text = malloc(LONG_TEXT);
	if (!s || !s->long_text) {
		snprintf(error->sentence, sizeof(error->sentence), "Out of memory.");
		free(s);
		return -12; /* ENOMEM */
	}
	for (size_t i = 0; i < LONG_TEXT; i++)
		s->long_text[i] = (char)('a' + mix(i, 1) % 26);
	s->host = host;
	*ret_self = s;
	return 0;
}

static void close_state(void *self)
{
	struct state *s = self;

	free(s->long_text);
	free(s);
}

static const struct culprit_collector synthetic = {
	.size = sizeof(struct culprit_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "synthetic",
	.help = "Rows of every role, type and kind, made from the number of the sample",
	.tables = tables,
	.ntables = COUNT(tables),
	.probe = probe,
	.open = open_state,
	.sample = sample,
	.close = close_state,
};

/* --- a second collector: a longer period, a descriptor, interests ---------------------------------------------------- */

static const struct culprit_column slow_columns[] = {
	COL("id", KEY, U64, NONE, 0),
	COL("samples", COUNTER, U64, COUNT, 0),
	COL("drained", COUNTER, U64, COUNT, 0),
	COL("interests", GAUGE, U64, COUNT, 0),
	COL("interest", ATTRIBUTE, TEXT, NONE, 0),
	COL("answer", ATTRIBUTE, TEXT, NONE, 0),
};

static const struct culprit_table slow_table = {
	.size = sizeof(struct culprit_table),
	.name = "synth_slow",
	.kind = CULPRIT_STATE,
	.help = "One synthetic row of a collector with a longer period",
	.key = "synth_slow",
	CULPRIT_COLUMNS(slow_columns),
};

static const struct culprit_table *const slow_tables[] = {&slow_table};

struct slow {
	const struct culprit_host *host;
	uint64_t samples, drained;
	int pipe[2];
	const struct culprit_interest *interests;
	size_t ninterests;
};

static int slow_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct slow *s = calloc(1, sizeof(*s));

	(void)error;
	if (!s)
		return -12;
	s->host = host;
	if (pipe(s->pipe) < 0) {
		free(s);
		return -24; /* EMFILE */
	}
	*ret_self = s;
	return 0;
}

static int slow_fd(void *self)
{
	return ((struct slow *)self)->pipe[0];
}

static int slow_drain(void *self)
{
	struct slow *s = self;
	char byte;

	s->drained += read(s->pipe[0], &byte, 1) == 1;
	return 0;
}

static void slow_interests(void *self, const struct culprit_interest *list, size_t n)
{
	struct slow *s = self;

	s->interests = list;
	s->ninterests = n;
}

static int slow_sample(void *self, struct culprit_frame *f)
{
	struct slow *s = self;
	char text[128], line[256];
	struct culprit_ask ask = {.what = CULPRIT_ASK_USER, .path = "0", .buf = line, .cap = sizeof(line)};

	culprit_table(f, 0);
	culprit_row(f);
	culprit_put_u64(f, 0, 0);
	culprit_put_u64(f, 1, ++s->samples);
	culprit_put_u64(f, 2, s->drained);
	culprit_put_u64(f, 3, s->ninterests);
	if (s->ninterests) {
		snprintf(text, sizeof(text), "%s.%s %u", s->interests[0].table, s->interests[0].what,
			 (unsigned)s->interests[0].key[0]);
		culprit_put_string(f, 4, text);
	}
	if (s->host->ask(s->host, &ask) == 0)
		culprit_put_text(f, 5, line, ask.len);
	else
		culprit_unread(f, 5, "not answered yet");
	culprit_end(f);
	/* something to drain before the next sample */
	return write(s->pipe[1], "x", 1) == 1 ? 0 : -5; /* EIO */
}

static void slow_close(void *self)
{
	struct slow *s = self;

	close(s->pipe[0]);
	close(s->pipe[1]);
	free(s);
}

static const struct culprit_collector slow = {
	.size = sizeof(struct culprit_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "synthetic_slow",
	.help = "A synthetic collector with a longer period, a descriptor and interests",
	.tables = slow_tables,
	.ntables = 1,
	.period_ns = 3000000000u,
	.open = slow_open,
	.fd = slow_fd,
	.drain = slow_drain,
	.interests = slow_interests,
	.sample = slow_sample,
	.close = slow_close,
};

CULPRIT_PLUGIN(&synthetic, &slow);
