/* What passes between the program and a plug-in's helper; private to the plugin*.c files. Messages go through a
 * SEQPACKET socket; a body too long for one message stands in memory that both have, in a region of its own for each
 * collector. The program trusts none of it. */
#ifndef CORE_PLUGIN_WIRE_H
#define CORE_PLUGIN_WIRE_H

#include <culprit/collector.h>

#include "plugin.h"
#include "schema.h"
#include "wire.h"

enum {
	PLUGIN_INLINE_MAX = 16 << 10,  /* a longer body goes through memory */
	PLUGIN_MODULE_MAX = 4096,      /* bytes of a module's name in a stack, with NUL */
	PLUGIN_REASON_MAX = 1024,      /* bytes of a reason, with NUL */
	PLUGIN_HELLO_REGION = 0,       /* collector i has region 1 + i */
};

/* Program to helper: the first word of a message. */
enum plugin_request { PLUGIN_DO_SAMPLE = 1, PLUGIN_DO_INTERESTS = 2 };

/* Helper to program. */
enum plugin_message_type {
	PLUGIN_HELLO = 1,  /* loaded; body: see plugin_hello.c */
	PLUGIN_REFUSE = 2, /* not loaded, for good; body: the reason */
	PLUGIN_ANSWER = 3, /* body: rows */
	PLUGIN_LOG = 4,    /* result: level; body: sentence */
};

struct plugin_message {
	uint32_t type;
	uint32_t collector;
	int32_t result;
	uint32_t len;      /* of the body; it follows, or stands in the collector's region */
	uint64_t cost_ns;
};

/* Arguments of the helper; its descriptors: the file, the memory, /proc, /sys. */
struct plugin_start {
	uint32_t flags;
	bool has_proc, has_sys;
	uint64_t user_hz, page_size, interval_ns, task_budget;
};

/* Rows as bytes: a sequence of these, each a byte, then its operands as varints; texts with their length. */
enum plugin_op {
	PLUGIN_OP_TABLE = 1,  /* table, time_ns */
	PLUGIN_OP_STATE = 2,  /* table, state, reason with NUL */
	PLUGIN_OP_LOST = 3,   /* table, events */
	PLUGIN_OP_ROW = 4,
	PLUGIN_OP_END = 5,
	PLUGIN_OP_BORN = 6,
	PLUGIN_OP_PUT = 7,    /* column, bits */
	PLUGIN_OP_TEXT = 8,   /* column, bytes */
	PLUGIN_OP_HIST = 9,   /* column, n, n counts */
	PLUGIN_OP_STACK = 10, /* column, n, n times: module with NUL or empty, offset */
	PLUGIN_OP_TASK = 11,  /* column, tid, start */
	PLUGIN_OP_UNREAD = 12, /* column, reason with NUL */
};

/* --- in the helper --- */

/* Writes what a collector emits. init/finish. */
struct plugin_frame {
	struct culprit_frame frame; /* first: what the collector gets */
	struct wbuf rows;           /* those behind `out` */
	int err; /* first misuse, or -E2BIG, -ENOMEM */
	/* Rows that are too many for a message go to memory that the program has as well, from `region` on: so many bytes of them
	 * are there. -1: all stay in `rows`. */
	int memory_fd;
	uint64_t region;
	size_t out;
};

void plugin_frame_init(struct plugin_frame *);
void plugin_frame_finish(struct plugin_frame *);
void plugin_frame_clear(struct plugin_frame *);
/* Moves what is in `rows` to memory, where some is there already or it is too much for a message. err says if it can't. */
void plugin_frame_flush(struct plugin_frame *);

/* One collector of a loaded file, copied: fields that an older plug-in lacks are 0. */
struct plugin_loaded {
	struct culprit_collector collector;
	void *self;
	bool open;
	int probe;
	struct culprit_error error;
};

/* Loads the file and checks what is in it. Returns the number of collectors, or -errno with the reason to refuse it. */
int plugin_load(int file_fd, struct plugin_loaded *, struct schema *, struct culprit_error *);
/* The checks alone, on what the symbol points to; `symbol_size`: bytes that the file says it has, 0: unknown. */
int plugin_check(const void *symbol, size_t symbol_size, struct plugin_loaded *, struct schema *, struct culprit_error *);

/* --- both sides --- */

/* What a plug-in declares, and how it fares on this host. `identity` is the same in each life of the same file. */
void plugin_hello_encode(struct wbuf *, const struct plugin_loaded *, size_t n, const struct schema *);

struct plugin_hello_collector {
	char name[SCHEMA_NAME_MAX + 1];
	char help[SCHEMA_HELP_MAX + 1];
	uint64_t period_ns;
	uint32_t first_table, ntables;
	int probe;
	struct culprit_error error;
};

struct plugin_hello {
	const uint8_t *identity; /* borrowed from the bytes */
	size_t identity_len;
	uint32_t ncollectors;
	struct plugin_hello_collector collectors[PLUGIN_COLLECTORS_MAX];
	struct schema *schema; /* the caller's */
};

int plugin_hello_decode(struct plugin_hello *, const void *bytes, size_t n, struct culprit_error *);

void plugin_interests_encode(struct wbuf *, const struct culprit_interest *, size_t n, const struct schema *);
/* Texts are borrowed from the bytes. Returns how many. */
size_t plugin_interests_decode(struct rbuf *, struct culprit_interest *, size_t cap);

/* --- in the program --- */

/* Tables as declared, from the decoded schema, for schema_add(). They borrow from the schema. NULL: out of memory. */
struct plugin_tables;
struct plugin_tables *plugin_tables_create(const struct schema *);
void plugin_tables_destroy(struct plugin_tables *);
const struct culprit_table *const *plugin_tables_list(const struct plugin_tables *);

/* Checks rows against the tables (schema ids first .. first + n - 1) and, where `frame` is not NULL, emits them. No
 * sample time is later than now_ns. 0; -EBADMSG with a sentence; nothing was emitted then if it was called with a NULL
 * frame before. */
int plugin_rows_replay(const void *bytes, size_t nbytes, const struct schema *, uint32_t first, uint32_t n,
		       uint64_t now_ns, struct culprit_frame *frame, struct culprit_error *);
/* The same of bytes that stand in memory, from `at` on; they pass through `window`, which takes some 32 KB, or as much as their longest
 * operation. The helper can write there meanwhile: all is checked again as it is emitted, and -EBADMSG may come after some was. */
int plugin_memory_replay(int memory_fd, uint64_t at, size_t nbytes, struct wbuf *window, const struct schema *, uint32_t first, uint32_t n,
			 uint64_t now_ns, struct culprit_frame *frame, struct culprit_error *);

#endif
