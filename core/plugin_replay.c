/* Rows from a plug-in's helper: checked against its tables, then emitted into the builder's frame. The bytes come from
 * foreign code and are believed in nothing. Of a long sample, which stands in memory that the helper has as well, a window
 * is looked at: it would take as much again here. */
#include "plugin_wire.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "format.h"

enum {
	WINDOW = 32 << 10,
	OPERATION_MAX = FORMAT_STACK_MAX * (PLUGIN_MODULE_MAX + 24), /* none that is allowed is longer: that is a stack */
};

struct replay {
	struct rbuf in;
	/* What is not in `in` yet; NULL: nothing. */
	struct wbuf *window;
	int memory_fd;
	uint64_t at;
	size_t rest;
	const struct schema *schema;
	uint32_t first, ntables;
	uint64_t now_ns;
	struct culprit_frame *frame; /* NULL: only checks */
	const struct schema_table *table; /* NULL: none begun */
	bool in_row;
	struct culprit_error *error;
	/* of one cell, in place of an allocation */
	uint64_t counts[SCHEMA_SLOTS_MAX];
	struct culprit_location stack[FORMAT_STACK_MAX];
};

static int refuse(struct replay *r, const char *what)
{
	return error_set(r->error, -EBADMSG, "%s%s%s: the sample is dropped.", r->table ? r->table->name : "",
			 r->table ? ": " : "", what);
}

/* Bytes that end in the only NUL among them; NULL: they don't. */
static const char *c_string(struct rbuf *in, size_t max)
{
	size_t n;
	const uint8_t *p = rbuf_string(in, max, &n);

	if (!p || !n || memchr(p, 0, n) != p + n - 1) {
		rbuf_fail(in);
		return NULL;
	}
	return (const char *)p;
}

/* A table number of the collector; -1: there is none of that number. */
static int64_t table_number(struct replay *r)
{
	uint64_t n = rbuf_varint(&r->in);

	return n < r->ntables ? (int64_t)n : -1;
}

static int do_table(struct replay *r)
{
	int64_t n = table_number(r);
	uint64_t time_ns = rbuf_varint(&r->in);

	if (r->in_row)
		return refuse(r, "a table begins within a row");
	if (n < 0)
		return refuse(r, "rows for a table that was not declared");
	if (!time_ns || time_ns > r->now_ns)
		time_ns = r->now_ns;
	if (r->in.err)
		return 0;
	r->table = r->schema->tables[r->first + n];
	if (r->frame)
		culprit_table_at(r->frame, (uint32_t)n, time_ns);
	return 0;
}

static int do_state(struct replay *r)
{
	int64_t n = table_number(r);
	uint64_t state = rbuf_varint(&r->in);
	const char *reason = c_string(&r->in, PLUGIN_REASON_MAX);

	if (n < 0 || !reason)
		return refuse(r, "the state of a table that was not declared");
	if (state < CULPRIT_FRESH || state > CULPRIT_MISSING)
		return refuse(r, "an unknown state");
	if (r->frame)
		culprit_state(r->frame, (uint32_t)n, (uint32_t)state, *reason ? reason : NULL);
	return 0;
}

static int do_lost(struct replay *r)
{
	int64_t n = table_number(r);
	uint64_t events = rbuf_varint(&r->in);

	if (n < 0)
		return refuse(r, "events lost of a table that was not declared");
	if (r->frame && !r->in.err)
		culprit_lost(r->frame, (uint32_t)n, events);
	return 0;
}

static int do_row(struct replay *r)
{
	if (!r->table || r->in_row)
		return refuse(r, r->table ? "a row begins within a row" : "a row begins outside a table");
	r->in_row = true;
	if (r->frame)
		culprit_row(r->frame);
	return 0;
}

static int do_end(struct replay *r)
{
	if (!r->in_row)
		return refuse(r, "a row ends that did not begin");
	r->in_row = false;
	if (r->frame)
		culprit_end(r->frame);
	return 0;
}

static int do_born(struct replay *r)
{
	if (!r->in_row)
		return refuse(r, "a birth outside a row");
	if (r->frame)
		culprit_born(r->frame);
	return 0;
}

/* The column that the cell is for. NULL: refused. */
static const struct schema_column *cell_column(struct replay *r, uint32_t *ret_number)
{
	uint64_t n = rbuf_varint(&r->in);

	if (!r->in_row) {
		refuse(r, "a value outside a row");
		return NULL;
	}
	if (n >= r->table->ncolumns) {
		refuse(r, "a value for a column that was not declared");
		return NULL;
	}
	*ret_number = (uint32_t)n;
	return &r->table->columns[n];
}

static int wrong_type(struct replay *r, const struct schema_column *c)
{
	return error_set(r->error, -EBADMSG, "%s: a value of another type than column %s: the sample is dropped.",
			 r->table->name, c->name);
}

static int do_put(struct replay *r)
{
	uint32_t n;
	const struct schema_column *c = cell_column(r, &n);
	uint64_t bits = rbuf_varint(&r->in);

	if (!c)
		return -EBADMSG;
	if (c->type < CULPRIT_I64 || c->type > CULPRIT_BOOL || (c->type == CULPRIT_BOOL && bits > 1))
		return wrong_type(r, c);
	if (r->frame && !r->in.err)
		r->frame->ops->put(r->frame, n, bits);
	return 0;
}

static int do_text(struct replay *r)
{
	uint32_t n;
	const struct schema_column *c = cell_column(r, &n);
	size_t len = 0;
	const uint8_t *bytes = rbuf_string(&r->in, FORMAT_TEXT_MAX, &len);

	if (!c)
		return -EBADMSG;
	if (c->type != CULPRIT_TEXT)
		return wrong_type(r, c);
	if (r->frame && bytes)
		culprit_put_text(r->frame, n, bytes, len);
	return 0;
}

static int do_hist(struct replay *r)
{
	uint32_t n;
	const struct schema_column *c = cell_column(r, &n);
	uint64_t count = rbuf_varint(&r->in);

	if (!c)
		return -EBADMSG;
	if (c->type != CULPRIT_HIST || count != c->bounds.count || count > SCHEMA_SLOTS_MAX)
		return wrong_type(r, c);
	for (uint64_t i = 0; i < count; i++)
		r->counts[i] = rbuf_varint(&r->in);
	if (r->frame && !r->in.err)
		culprit_put_histogram(r->frame, n, r->counts, (uint32_t)count);
	return 0;
}

static int do_stack(struct replay *r)
{
	uint32_t n;
	const struct schema_column *c = cell_column(r, &n);
	uint64_t count = rbuf_bounded(&r->in, FORMAT_STACK_MAX);

	if (!c)
		return -EBADMSG;
	if (c->type != CULPRIT_STACK)
		return wrong_type(r, c);
	for (uint64_t i = 0; i < count && !r->in.err; i++) {
		if (rbuf_left(&r->in) && !*r->in.p) {
			rbuf_u8(&r->in);
			r->stack[i].module = NULL;
		} else {
			r->stack[i].module = c_string(&r->in, PLUGIN_MODULE_MAX);
		}
		r->stack[i].offset = rbuf_varint(&r->in);
	}
	if (r->frame && !r->in.err)
		culprit_put_stack(r->frame, n, r->stack, (uint32_t)count);
	return 0;
}

static int do_task(struct replay *r)
{
	uint32_t n;
	const struct schema_column *c = cell_column(r, &n);
	uint64_t tid = rbuf_varint(&r->in), start = rbuf_varint(&r->in);

	if (!c)
		return -EBADMSG;
	if (c->type != CULPRIT_TASK)
		return wrong_type(r, c);
	if (r->frame && !r->in.err)
		culprit_put_task(r->frame, n, tid, start);
	return 0;
}

static int do_unread(struct replay *r)
{
	uint32_t n;
	const struct schema_column *c = cell_column(r, &n);
	const char *reason = c_string(&r->in, PLUGIN_REASON_MAX);

	if (!c)
		return -EBADMSG;
	if (c->role == CULPRIT_KEY)
		return refuse(r, "a key that could not be read");
	if (r->frame && reason)
		culprit_unread(r->frame, n, reason);
	return 0;
}

/* Nothing is emitted and nothing becomes of *r where `in` ends within the operation. */
static int do_op(struct replay *r)
{
	switch (rbuf_u8(&r->in)) {
	case PLUGIN_OP_TABLE:
		return do_table(r);
	case PLUGIN_OP_STATE:
		return do_state(r);
	case PLUGIN_OP_LOST:
		return do_lost(r);
	case PLUGIN_OP_ROW:
		return do_row(r);
	case PLUGIN_OP_END:
		return do_end(r);
	case PLUGIN_OP_BORN:
		return do_born(r);
	case PLUGIN_OP_PUT:
		return do_put(r);
	case PLUGIN_OP_TEXT:
		return do_text(r);
	case PLUGIN_OP_HIST:
		return do_hist(r);
	case PLUGIN_OP_STACK:
		return do_stack(r);
	case PLUGIN_OP_TASK:
		return do_task(r);
	case PLUGIN_OP_UNREAD:
		return do_unread(r);
	}
	return refuse(r, "an unknown operation");
}

/* What is in memory behind the window's end follows what is left of it, from `left` on: at least as much again. False: it is
 * not there. */
static bool window_move(struct replay *r, const uint8_t *left)
{
	size_t keep = (size_t)(r->in.end - left), n = keep < WINDOW ? WINDOW - keep : keep;
	uint8_t *to;

	memmove(r->window->data, left, keep);
	r->window->len = keep;
	n = n < r->rest ? n : r->rest;
	to = wbuf_reserve(r->window, n);
	for (size_t done = 0; to && done < n;) {
		ssize_t got = pread(r->memory_fd, to + done, n - done, (off_t)(r->at + done));

		if (got > 0)
			done += (size_t)got;
		else if (got == 0 || errno != EINTR)
			return false;
	}
	if (!to)
		return false;
	r->at += n;
	r->rest -= n;
	rbuf_init(&r->in, r->window->data, keep + n);
	return true;
}

static int replay(struct replay *r)
{
	int err = 0;

	while (!err && !r->in.err && (rbuf_left(&r->in) || r->rest)) {
		const uint8_t *op = r->in.p;

		if (rbuf_left(&r->in))
			err = do_op(r);
		if (!r->rest || (op < r->in.end && !r->in.err))
			continue;
		/* The window ends here, or within the operation: what was read of it is not what it says. */
		if (r->in.end - op >= OPERATION_MAX)
			break;
		err = 0;
		if (r->error)
			r->error->sentence[0] = 0;
		if (!window_move(r, op))
			return refuse(r, "rows that could not be read");
	}
	if (err < 0)
		return err;
	if (r->in.err)
		return refuse(r, "rows that are cut short or damaged");
	if (r->in_row)
		return refuse(r, "a row that did not end");
	return 0;
}

int plugin_rows_replay(const void *bytes, size_t nbytes, const struct schema *schema, uint32_t first, uint32_t n,
		       uint64_t now_ns, struct culprit_frame *frame, struct culprit_error *error)
{
	struct replay r = {
		.schema = schema,
		.first = first,
		.ntables = n,
		.now_ns = now_ns,
		.frame = frame,
		.error = error,
	};

	rbuf_init(&r.in, nbytes ? bytes : "", nbytes);
	return replay(&r);
}

int plugin_memory_replay(int memory_fd, uint64_t at, size_t nbytes, struct wbuf *window, const struct schema *schema, uint32_t first,
			 uint32_t n, uint64_t now_ns, struct culprit_frame *frame, struct culprit_error *error)
{
	struct replay r = {
		.window = window,
		.memory_fd = memory_fd,
		.at = at,
		.rest = nbytes,
		.schema = schema,
		.first = first,
		.ntables = n,
		.now_ns = now_ns,
		.frame = frame,
		.error = error,
	};

	wbuf_clear(window);
	if (!wbuf_reserve(window, WINDOW))
		return refuse(&r, "rows that there is no memory for");
	rbuf_init(&r.in, window->data, 0);
	return replay(&r);
}
