/* A plug-in as it could have been built in the first days of ABI 1, with its own copy of the layouts and no header of
 * culprit's. It must load for ever. NEVER CHANGE THIS FILE: if it no longer loads, the contract is broken, not this. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct v1_error {
	char sentence[256];
};

struct v1_bounds {
	uint32_t kind, count;
	double start, step;
	const double *edges;
};

struct v1_column {
	const char *name;
	uint8_t role, type, unit, group;
	uint32_t flags;
	const char *help, *source;
	const struct v1_bounds *bounds;
};

struct v1_derived {
	const char *name;
	uint32_t op, unit;
	const char *a, *b;
	double scale, arg;
	const char *help;
};

struct v1_rollup {
	const char *column, *table, *name;
	uint32_t op, flags;
	const char *help;
};

struct v1_table {
	size_t size;
	const char *name;
	uint32_t kind, flags;
	const char *help, *key;
	const struct v1_column *columns;
	size_t column_size;
	uint32_t ncolumns, nderived;
	const struct v1_derived *derived;
	size_t derived_size;
	const struct v1_rollup *rollups;
	size_t rollup_size;
	uint32_t nrollups, reserved;
	const char *parent, *parent_columns, *fold_by, *fold_count, *sort, *show;
};

struct v1_ask {
	uint32_t what, cap;
	const char *path;
	void *buf;
	uint32_t len;
};

struct v1_host {
	size_t size;
	uint32_t abi, flags;
	int proc_fd, sys_fd;
	uint64_t user_hz, page_size, interval_ns, task_budget;
	void *core;
	uint64_t (*now_ns)(const struct v1_host *, uint32_t clock);
	int (*ask)(const struct v1_host *, struct v1_ask *);
	int (*ask_wait)(const struct v1_host *, uint64_t ns);
	void (*log)(const struct v1_host *, uint32_t level, const char *sentence);
};

struct v1_location {
	const char *module;
	uint64_t offset;
};

struct v1_frame;

struct v1_frame_ops {
	size_t size;
	void (*table)(struct v1_frame *, uint32_t table, uint64_t time_ns);
	void (*state)(struct v1_frame *, uint32_t table, uint32_t state, const char *reason);
	void (*lost)(struct v1_frame *, uint32_t table, uint64_t events);
	void (*row)(struct v1_frame *);
	int (*again)(struct v1_frame *, uint32_t handle);
	uint32_t (*end)(struct v1_frame *);
	void (*born)(struct v1_frame *);
	void (*put)(struct v1_frame *, uint32_t column, uint64_t bits);
	void (*put_text)(struct v1_frame *, uint32_t column, const void *bytes, size_t len);
	void (*put_histogram)(struct v1_frame *, uint32_t column, const uint64_t *counts, uint32_t n);
	void (*put_stack)(struct v1_frame *, uint32_t column, const struct v1_location *, uint32_t n);
	void (*put_task)(struct v1_frame *, uint32_t column, uint64_t tid, uint64_t start_ticks);
	void (*unread)(struct v1_frame *, uint32_t column, const char *reason);
};

struct v1_frame {
	const struct v1_frame_ops *ops;
};

struct v1_interest {
	size_t size;
	const char *table, *what;
	uint64_t key[4];
	uint32_t nkey, reserved;
	uint64_t until_ns;
};

struct v1_collector {
	size_t size;
	uint32_t abi, flags;
	const char *name, *help;
	const struct v1_table *const *tables;
	uint32_t ntables, reserved;
	uint64_t period_ns;
	int (*probe)(const struct v1_host *, struct v1_error *);
	int (*open)(const struct v1_host *, void **ret_self, struct v1_error *);
	int (*fd)(void *self);
	int (*drain)(void *self);
	void (*interests)(void *self, const struct v1_interest *list, size_t n);
	int (*sample)(void *self, struct v1_frame *);
	void (*close)(void *self);
};

struct v1_plugin {
	size_t size;
	uint32_t abi, ncollectors;
	const struct v1_collector *const *collectors;
};

/* roles: 1 key, 2 attribute, 3 gauge, 4 counter, 6 histogram, 7 time; types: 1 i64, 2 u64, 3 f64, 4 bool, 5 text,
 * 6 stack, 7 task, 8 histogram; units: 1 none, 2 count, 3 bytes, 4 ns, 7 count/s, 11 instant in ns */
static const double edges[] = {0, 10, 100};
static const struct v1_bounds three = {3, 3, 0, 0, edges};

static const struct v1_column thing_columns[] = {
	{"name", 1, 5, 1, 0, 0, "its name", "nowhere", NULL},
	{"level", 3, 3, 2, 0, 0, "a level", "nowhere", NULL},
	{"work", 4, 2, 2, 0, 0, "what it did", "nowhere", NULL},
	{"sizes", 6, 8, 3, 0, 0, "sizes", "nowhere", &three},
	{"stack", 2, 6, 1, 0, 0, "where it is", "nowhere", NULL},
	{"task", 2, 7, 1, 0, 0, "who it is", "nowhere", NULL},
	{"secret", 2, 4, 1, 0, 0, "never read", "nowhere", NULL},
};

static const struct v1_derived thing_derived[] = {
	{"work_rate", 1, 7, "work", NULL, 0, 0, "work a second"},
};

static const struct v1_column event_columns[] = {
	{"time", 7, 2, 11, 0, 0, "when", "nowhere", NULL},
	{"change", 2, 1, 2, 0, 0, "by how much", "nowhere", NULL},
};

static const struct v1_table things = {
	.size = sizeof(struct v1_table),
	.name = "frozen_thing",
	.kind = 1,
	.help = "Things of a plug-in of old",
	.key = "frozen_thing",
	.columns = thing_columns,
	.column_size = sizeof(thing_columns[0]),
	.ncolumns = 7,
	.nderived = 1,
	.derived = thing_derived,
	.derived_size = sizeof(thing_derived[0]),
};

static const struct v1_table events = {
	.size = sizeof(struct v1_table),
	.name = "frozen_event",
	.kind = 2,
	.help = "Events of a plug-in of old",
	.columns = event_columns,
	.column_size = sizeof(event_columns[0]),
	.ncolumns = 2,
};

static const struct v1_table *const tables[] = {&things, &events};
static const struct v1_host *the_host;

static int v1_probe(const struct v1_host *host, struct v1_error *error)
{
	(void)error;
	return host->abi == 1 && host->size >= sizeof(*host) ? 0 : -95;
}

static int v1_open(const struct v1_host *host, void **ret_self, struct v1_error *error)
{
	(void)error;
	the_host = host;
	*ret_self = &the_host;
	host->log(host, 3, "frozen_v1 is open");
	return 0;
}

static int v1_sample(void *self, struct v1_frame *f)
{
	static const struct v1_location stack[] = {{"/usr/lib/libold.so", 0x1234}, {NULL, 0xffffffff81000000u}};
	static const uint64_t counts[] = {1, 2, 3};
	uint64_t now = the_host->now_ns(the_host, 1);
	double level = 1.5;
	uint64_t bits;

	if (self != &the_host)
		return -22;
	memcpy(&bits, &level, sizeof(bits));
	f->ops->table(f, 0, 0);
	f->ops->row(f);
	f->ops->put_text(f, 0, "old", 3);
	f->ops->put(f, 1, bits);
	f->ops->put(f, 2, 42);
	f->ops->put_histogram(f, 3, counts, 3);
	f->ops->put_stack(f, 4, stack, 2);
	f->ops->put_task(f, 5, 17, 1234);
	f->ops->unread(f, 6, "it is a secret");
	f->ops->end(f);
	f->ops->table(f, 1, 0);
	f->ops->lost(f, 1, 2);
	f->ops->row(f);
	f->ops->put(f, 0, now);
	f->ops->put(f, 1, (uint64_t)-5);
	f->ops->end(f);
	return 0;
}

static const struct v1_collector frozen = {
	.size = sizeof(struct v1_collector),
	.abi = 1,
	.name = "frozen_v1",
	.help = "Built from the layouts of ABI 1",
	.tables = tables,
	.ntables = 2,
	.probe = v1_probe,
	.open = v1_open,
	.sample = v1_sample,
};

static const struct v1_collector *const list[] = {&frozen};

extern const struct v1_plugin culprit_plugin;
__attribute__((visibility("default"))) const struct v1_plugin culprit_plugin = {sizeof(struct v1_plugin), 1, 1, list};
