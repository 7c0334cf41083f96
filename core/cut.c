#include "cut.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cursor.h"
#include "error.h"
#include "format.h"
#include "keyframe.h"
#include "segment.h"
#include "segment_codec.h"
#include "units.h"
#include "view.h"

/* Ended rows are asked for by their sample times, which lie a little off the frames'. */
#define SAMPLE_SLACK 2000000000ULL

struct ids {
	uint64_t *list;
	size_t n, cap;
};

struct cut {
	struct source *source;
	const struct cut_options *options;
	struct sink *sink;
	struct cut_result *result;
	struct cursor *cursor; /* redacting, or making a key frame */
	struct ids ids;        /* texts of private columns as of the frame */
	struct wbuf out, frame, sections;
};

bool cut_is_private(const char *column)
{
	static const char *const names[] = {"cmdline", "command", "command_line", "argv", "args", "arguments", "environ", "environment"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(column, names[i]))
			return true;
	}
	return false;
}

static int ids_add(struct ids *x, uint64_t id)
{
	if (x->n == x->cap) {
		size_t cap = x->cap ? x->cap * 2 : 1024;
		uint64_t *grown = realloc(x->list, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		x->list = grown;
		x->cap = cap;
	}
	x->list[x->n++] = id;
	return 0;
}

static int compare_ids(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int note_row(struct cut *c, const struct row *row, uint32_t column)
{
	if (!row || row->states[column] != FORMAT_CELL_OK)
		return 0;
	return ids_add(&c->ids, row_cell(row, column));
}

/* Which texts stand in private columns in the frame the cursor stands on. */
static int gather_private(struct cut *c)
{
	const struct schema *schema = cursor_segment(c->cursor)->schema;
	int err = 0;

	c->ids.n = 0;
	for (uint32_t i = 0; i < schema->ntables && !err; i++) {
		const struct schema_table *t = schema->tables[i];
		struct table_view view;
		struct row memory;
		size_t slot;

		if (!cursor_table(c->cursor, t->name, &view))
			continue;
		for (uint32_t k = 0; k < t->ncolumns && !err; k++) {
			if (t->columns[k].type != CULPRIT_TEXT || !cut_is_private(t->columns[k].name))
				continue;
			for (size_t row = 0; row < view.nrows && !err; row++)
				err = note_row(c, cursor_row(c->cursor, t, row, &memory), k);
			for (size_t row = 0; row < cursor_nended(c->cursor, t) && !err; row++)
				err = note_row(c, cursor_ended(c->cursor, t, row, &slot), k);
			for (size_t row = 0; row < cursor_nevents(c->cursor, t) && !err; row++)
				err = note_row(c, cursor_event(c->cursor, t, row), k);
		}
	}
	if (c->ids.n)
		qsort(c->ids.list, c->ids.n, sizeof(*c->ids.list), compare_ids);
	return err;
}

static bool is_private(const struct cut *c, uint64_t id)
{
	return c->ids.n && bsearch(&id, c->ids.list, c->ids.n, sizeof(id), compare_ids);
}

/* One dictionary section, private texts shortened. */
static int put_dictionary(struct cut *c, struct rbuf r, struct wbuf *out)
{
	uint64_t n = rbuf_bounded(&r, rbuf_left(&r));
	struct wbuf body;

	wbuf_init(&body);
	wbuf_varint(&body, n);
	for (uint64_t i = 0; i < n && !r.err; i++) {
		uint64_t id = rbuf_varint(&r);
		uint8_t kind = rbuf_u8(&r);
		size_t len, first = 0;
		const uint8_t *bytes = rbuf_string(&r, FORMAT_TEXT_MAX, &len);

		if (r.err)
			break;
		wbuf_varint(&body, id);
		wbuf_u8(&body, kind);
		while (first < len && bytes[first] > ' ')
			first++;
		if (kind == FORMAT_ENTRY_TEXT && first < len && is_private(c, id)) {
			wbuf_varint(&body, first + 4);
			wbuf_bytes(&body, bytes, first);
			wbuf_bytes(&body, " ...", 4);
			c->result->redacted++;
		} else {
			wbuf_string(&body, bytes, len);
		}
	}
	if (!r.err && !body.err) {
		wbuf_varint(out, FORMAT_DICTIONARY);
		wbuf_string(out, body.data, body.len);
	}
	wbuf_finish(&body);
	return r.err ? r.err : body.err;
}

/* Damage behind it does not matter. */
static int stand_on(struct cut *c, const struct segment_frame *f)
{
	int err = cursor_seek(c->cursor, f->mono_ns, NULL);

	return err == -EBADMSG && cursor_mono_ns(c->cursor) == f->mono_ns ? 0 : err;
}

/* The sections of a frame but tables to `to`; all of them where `tables`. */
static int put_sections(struct cut *c, const struct segment *s, const struct segment_frame *f, bool tables, struct wbuf *to)
{
	struct rbuf r, probe;
	bool gathered = !c->options->redact;
	int err = 0;

	rbuf_init(&r, s->bytes.data + f->offset, f->size);
	rbuf_bytes(&r, 16);
	rbuf_varint(&r);
	while (!r.err && !err && rbuf_left(&r)) {
		uint64_t type = rbuf_varint(&r);
		struct rbuf section = rbuf_sub(&r, rbuf_bounded(&r, rbuf_left(&r)));

		if (r.err)
			break;
		if (type == FORMAT_TABLE && !tables)
			continue;
		probe = section;
		if (type != FORMAT_DICTIONARY || !c->options->redact || !rbuf_varint(&probe)) {
			wbuf_varint(to, type);
			wbuf_string(to, section.p, rbuf_left(&section));
			continue;
		}
		if (!gathered) {
			err = stand_on(c, f);
			err = err ? err : gather_private(c);
			gathered = true;
		}
		err = err ? err : put_dictionary(c, section, to);
	}
	return err ? err : r.err ? r.err : to->err;
}

static int put_frame(struct cut *c, const struct segment *s, const struct segment_frame *f)
{
	int err;

	wbuf_clear(&c->frame);
	wbuf_bytes(&c->frame, s->bytes.data + f->offset, 16);
	wbuf_varint(&c->frame, f->key ? FORMAT_FRAME_KEY : 0);
	err = put_sections(c, s, f, true, &c->frame);
	if (!err)
		segment_put_block(&c->out, FORMAT_FRAME, c->frame.data, c->frame.len);
	return err;
}

/* The piece begins inside the segment: what is known at frame `first`, and what the dictionary had until then. */
static int put_key_frame(struct cut *c, const struct segment *s, size_t first)
{
	int err = 0;

	wbuf_clear(&c->sections);
	for (size_t i = 0; i <= first && !err; i++)
		err = put_sections(c, s, &s->frames[i], false, &c->sections);
	if (!err)
		err = stand_on(c, &s->frames[first]);
	wbuf_clear(&c->frame);
	if (!err)
		err = keyframe_encode(c->cursor, &c->sections, &c->frame);
	if (!err)
		segment_put_block(&c->out, FORMAT_FRAME, c->frame.data, c->frame.len);
	return err;
}

/* Frames first..last of the segment, and all other blocks. */
static int put_blocks(struct cut *c, const struct segment *s, uint32_t header, size_t first, size_t last)
{
	size_t at = header, i = 0;
	int err = 0;

	while (at < s->bytes.len && !err) {
		struct segment_block block;
		int64_t taken = segment_get_block(s->bytes.data + at, s->bytes.len - at, &block, NULL);

		if (taken <= 0)
			break;
		at += (size_t)taken;
		if (block.type == FORMAT_SUMMARY)
			continue;
		if (block.type != FORMAT_FRAME) {
			segment_put_block(&c->out, block.type, block.payload, block.size);
			continue;
		}
		if (i == first && first)
			err = put_key_frame(c, s, first);
		else if (i >= first && i <= last)
			err = put_frame(c, s, &s->frames[i]);
		if (i++ >= last && s->damage.sentence[0])
			break;
		if (i >= s->nframes && s->damage.sentence[0])
			break;
	}
	return err ? err : c->out.err;
}

static int hand_over(struct cut *c, const struct segment *s, const struct segment_meta *meta, bool whole, uint64_t newest,
		     struct culprit_error *error)
{
	size_t end = c->out.len;
	int err = c->sink->ops->begin(c->sink, meta, error);

	/* A part has an empty summary, which readers make themselves. */
	segment_put_block(&c->out, FORMAT_SUMMARY, whole ? s->bytes.data + s->summary : NULL, whole ? s->summary_size : 0);
	if (c->out.err)
		return error_set(error, -ENOMEM, "out of memory");
	if (!err)
		err = c->sink->ops->append(c->sink, c->out.data, end, newest, error);
	if (!err)
		err = c->sink->ops->end(c->sink, c->out.data + end, c->out.len - end, error);
	return err;
}

/* `more`: segments follow. Then the newest frame at or before `from` is in this one, be it the last. */
static int cut_segment(struct cut *c, const struct segment_info *info, uint64_t from, uint64_t to, bool more,
		       struct culprit_error *error)
{
	/* Shared with the cursor, where that makes it keep all its bytes. */
	struct segment *s = c->source->ops->again ? segment_create() : segment_of(c->source, info->seq);
	struct segment_meta meta;
	size_t first = 0, last = 0;
	uint32_t header;
	int err = s ? segment_update(s, c->source, info->seq, error) : -ENOMEM;

	if (err == -EBADMSG)
		c->result->damaged = true;
	if (err && err != -EBADMSG)
		goto out;
	err = 0;
	for (size_t i = 0; i < s->nframes; i++) {
		if (s->frames[i].mono_ns <= from)
			first = i;
		if (s->frames[i].mono_ns <= to)
			last = i;
	}
	if (!s->nframes || s->frames[first].mono_ns > to || (!more && s->frames[last].mono_ns < from))
		goto out;
	meta = s->meta;
	if (c->result->segments && meta.writer != c->result->writer) {
		int64_t anew = s->frames[first].wall_ns, second = 1000000000;
		char before[48], after[48];

		units_rfc3339(before, sizeof(before), (anew - 1) / second * second, 0);
		units_rfc3339(after, sizeof(after), (anew + second - 1) / second * second, 0);
		err = error_set(error, -EXDEV,
				"the recorder was started anew within this window, and what it said before does not go on after; cut --to %s or --from %s",
				before, after);
		goto out;
	}
	err = segment_get_header(s->bytes.data, s->bytes.len, &meta, &header, error);
	meta.mono_ns = s->frames[first].mono_ns;
	/* By the clock of the segment, so that times of day stay what they were to the nanosecond. */
	meta.wall_ns = (int64_t)((uint64_t)meta.wall_ns + (meta.mono_ns - s->meta.mono_ns));
	wbuf_clear(&c->out);
	segment_put_header(&c->out, &meta);
	cursor_keep_since(c->cursor, info->from_ns > SAMPLE_SLACK ? info->from_ns - SAMPLE_SLACK : 0);
	if (!err)
		err = put_blocks(c, s, header, first, last);
	if (!err)
		err = hand_over(c, s, &meta, !first && last + 1 == s->nframes && s->summary_size, s->frames[last].mono_ns, error);
	if (err)
		goto out;
	if (!c->result->segments++)
		c->result->from_ns = s->frames[first].mono_ns;
	c->result->writer = meta.writer;
	c->result->to_ns = s->frames[last].mono_ns;
	c->result->frames += last - first + 1;
out:
	if (err == -ENOMEM)
		error_set(error, err, "out of memory");
	else if (err && error && !error->sentence[0])
		error_set(error, err, "segment %llu of %.150s cannot be cut: %s", (unsigned long long)info->seq,
			  c->source->name, strerror(-err));
	segment_unlock(s);
	return err;
}

int cut_run(struct source *source, const struct cut_options *options, struct sink *sink, struct cut_result *result,
	    struct culprit_error *error)
{
	struct cut c = {.source = source, .options = options, .sink = sink, .result = result};
	int n = source->ops->refresh(source, error), err = n < 0 ? n : 0;
	struct segment_info *list;
	size_t count;

	memset(result, 0, sizeof(*result));
	if (err)
		return err;
	list = source_segments(source, &count);
	c.cursor = cursor_create(source, NULL);
	wbuf_init(&c.out);
	wbuf_init(&c.frame);
	wbuf_init(&c.sections);
	if (!c.cursor || (count && !list))
		err = error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count && !err; i++) {
		/* The frame before a window may lie in the segment before. */
		bool before = i + 1 < count && list[i + 1].from_ns <= options->from_ns;

		if (!before && list[i].from_ns <= options->to_ns)
			err = cut_segment(&c, &list[i], options->from_ns, options->to_ns, i + 1 < count, error);
	}
	if (!err && !result->segments)
		err = error_set(error, -ENODATA, result->damaged ?
				"nothing of %.150s can be read in this window, it is damaged; culprit info says where" :
				"no frame of %.150s lies in this window", source->name);
	cursor_destroy(c.cursor);
	free(list);
	free(c.ids.list);
	wbuf_finish(&c.out);
	wbuf_finish(&c.frame);
	wbuf_finish(&c.sections);
	return err;
}
