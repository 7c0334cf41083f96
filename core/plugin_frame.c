/* In the helper: the frame that a plug-in's collector emits into. It writes what it gets as bytes; whether it fits the
 * tables is checked by the program, which would have to do so anyway. */
#include "plugin_wire.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "format.h"

enum { ROWS_KEPT = 32 << 10 }; /* of more than that, what is there goes to memory */

static struct plugin_frame *own(struct culprit_frame *f)
{
	return (struct plugin_frame *)f;
}

void plugin_frame_flush(struct plugin_frame *f)
{
	size_t done = 0;

	if (!f->err && f->rows.err)
		f->err = f->rows.err;
	if (!f->err && f->out + f->rows.len > PLUGIN_SAMPLE_MAX)
		f->err = -E2BIG;
	if (f->err || f->memory_fd < 0 || (!f->out && f->rows.len <= PLUGIN_INLINE_MAX))
		return;
	while (done < f->rows.len) {
		ssize_t n = pwrite(f->memory_fd, f->rows.data + done, f->rows.len - done, (off_t)(f->region + f->out + done));

		if (n > 0) {
			done += (size_t)n;
		} else if (n == 0 || errno != EINTR) {
			f->err = -ENOMEM;
			return;
		}
	}
	f->out += done;
	wbuf_give_back(&f->rows);
}

/* Begins an operation; NULL: nothing more is written. */
static struct wbuf *begin(struct culprit_frame *frame, enum plugin_op op)
{
	struct plugin_frame *f = own(frame);

	if (!f->err && f->rows.err)
		f->err = f->rows.err;
	if (!f->err && f->out + f->rows.len > PLUGIN_SAMPLE_MAX)
		f->err = -E2BIG;
	if (!f->err && f->rows.len >= ROWS_KEPT)
		plugin_frame_flush(f);
	if (f->err)
		return NULL;
	wbuf_u8(&f->rows, (uint8_t)op);
	return &f->rows;
}

/* A text that stays a C string on the other side: truncated, with its NUL. NULL is empty. */
static void put_c_string(struct wbuf *w, const char *s, size_t cap)
{
	size_t n = s ? strnlen(s, cap - 1) : 0;

	wbuf_varint(w, n + 1);
	wbuf_bytes(w, s ? s : "", n);
	wbuf_u8(w, 0);
}

static void op_table(struct culprit_frame *f, uint32_t table, uint64_t time_ns)
{
	struct wbuf *w = begin(f, PLUGIN_OP_TABLE);

	if (!w)
		return;
	wbuf_varint(w, table);
	/* now: the answer may be replayed later */
	wbuf_varint(w, time_ns ? time_ns : zygote_now_ns());
}

static void op_state(struct culprit_frame *f, uint32_t table, uint32_t state, const char *reason)
{
	struct wbuf *w = begin(f, PLUGIN_OP_STATE);

	if (!w)
		return;
	wbuf_varint(w, table);
	wbuf_varint(w, state);
	put_c_string(w, reason, PLUGIN_REASON_MAX);
}

static void op_lost(struct culprit_frame *f, uint32_t table, uint64_t events)
{
	struct wbuf *w = begin(f, PLUGIN_OP_LOST);

	if (!w)
		return;
	wbuf_varint(w, table);
	wbuf_varint(w, events);
}

static void op_row(struct culprit_frame *f)
{
	begin(f, PLUGIN_OP_ROW);
}

static int op_again(struct culprit_frame *f, uint32_t handle)
{
	(void)f;
	(void)handle;
	return -ENOENT; /* there are no handles across processes */
}

static uint32_t op_end(struct culprit_frame *f)
{
	begin(f, PLUGIN_OP_END);
	return CULPRIT_NO_HANDLE;
}

static void op_born(struct culprit_frame *f)
{
	begin(f, PLUGIN_OP_BORN);
}

static void op_put(struct culprit_frame *f, uint32_t column, uint64_t bits)
{
	struct wbuf *w = begin(f, PLUGIN_OP_PUT);

	if (!w)
		return;
	wbuf_varint(w, column);
	wbuf_varint(w, bits);
}

static void op_put_text(struct culprit_frame *f, uint32_t column, const void *bytes, size_t len)
{
	struct wbuf *w = begin(f, PLUGIN_OP_TEXT);

	if (!w)
		return;
	wbuf_varint(w, column);
	wbuf_string(w, bytes, len < FORMAT_TEXT_MAX ? len : FORMAT_TEXT_MAX);
}

static void op_put_histogram(struct culprit_frame *f, uint32_t column, const uint64_t *counts, uint32_t n)
{
	struct wbuf *w;

	if (n > SCHEMA_SLOTS_MAX) {
		if (!own(f)->err)
			own(f)->err = -EINVAL;
		return;
	}
	w = begin(f, PLUGIN_OP_HIST);
	if (!w)
		return;
	wbuf_varint(w, column);
	wbuf_varint(w, n);
	for (uint32_t i = 0; i < n; i++)
		wbuf_varint(w, counts[i]);
}

static void op_put_stack(struct culprit_frame *f, uint32_t column, const struct culprit_location *frames, uint32_t n)
{
	struct wbuf *w = begin(f, PLUGIN_OP_STACK);

	if (!w)
		return;
	if (n > FORMAT_STACK_MAX)
		n = FORMAT_STACK_MAX;
	wbuf_varint(w, column);
	wbuf_varint(w, n);
	for (uint32_t i = 0; i < n; i++) {
		if (frames[i].module)
			put_c_string(w, frames[i].module, PLUGIN_MODULE_MAX);
		else
			wbuf_varint(w, 0);
		wbuf_varint(w, frames[i].offset);
	}
}

static void op_put_task(struct culprit_frame *f, uint32_t column, uint64_t tid, uint64_t start_ticks)
{
	struct wbuf *w = begin(f, PLUGIN_OP_TASK);

	if (!w)
		return;
	wbuf_varint(w, column);
	wbuf_varint(w, tid);
	wbuf_varint(w, start_ticks);
}

static void op_unread(struct culprit_frame *f, uint32_t column, const char *reason)
{
	struct wbuf *w = begin(f, PLUGIN_OP_UNREAD);

	if (!w)
		return;
	wbuf_varint(w, column);
	put_c_string(w, reason, PLUGIN_REASON_MAX);
}

static const struct culprit_frame_ops ops = {
	.size = sizeof(ops),
	.table = op_table,
	.state = op_state,
	.lost = op_lost,
	.row = op_row,
	.again = op_again,
	.end = op_end,
	.born = op_born,
	.put = op_put,
	.put_text = op_put_text,
	.put_histogram = op_put_histogram,
	.put_stack = op_put_stack,
	.put_task = op_put_task,
	.unread = op_unread,
};

void plugin_frame_init(struct plugin_frame *f)
{
	memset(f, 0, sizeof(*f));
	f->frame.ops = &ops;
	f->memory_fd = -1;
	wbuf_init(&f->rows);
}

void plugin_frame_finish(struct plugin_frame *f)
{
	wbuf_finish(&f->rows);
}

void plugin_frame_clear(struct plugin_frame *f)
{
	wbuf_clear(&f->rows);
	f->err = 0;
	f->out = 0;
}
