/* profile.proto of pprof, not compressed (its readers take both). With a baseline a second value stands beside each. */
#include "flame_out.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "wire.h"

static void field_varint(struct wbuf *w, uint32_t field, uint64_t v)
{
	wbuf_varint(w, field << 3);
	wbuf_varint(w, v);
}

static void field_bytes(struct wbuf *w, uint32_t field, const void *bytes, size_t n)
{
	wbuf_varint(w, field << 3 | 2);
	wbuf_string(w, bytes, n);
}

static void put_text(struct wbuf *out, const char *bytes, size_t n)
{
	char buf[4096];
	size_t len = text_sanitise(buf, sizeof(buf), bytes, n, TEXT_DATA);

	field_bytes(out, 6, buf, len < sizeof(buf) ? len : sizeof(buf) - 1);
}

/* Strings: "", unit names, then of each frame its name and module. */
enum { S_NONE, S_TYPE, S_UNIT, S_BASE, S_SAMPLES, S_COUNT, S_FRAMES };

static void value_type(struct wbuf *out, struct wbuf *w, uint32_t field, uint64_t type, uint64_t unit)
{
	wbuf_clear(w);
	field_varint(w, 1, type);
	field_varint(w, 2, unit);
	field_bytes(out, field, w->data, w->len);
}

static void put_samples(const struct flame *f, const struct flame_title *title, struct wbuf *out, struct wbuf *w, struct wbuf *list)
{
	for (uint32_t node = flame_after(f, 0); node; node = flame_after(f, node)) {
		const struct flame_node *n = flame_node(f, node);

		if (!(n->self > 0) && !(title->compares && n->base_self > 0))
			continue;
		wbuf_clear(w);
		wbuf_clear(list);
		/* Innermost first; of an inverted tree that is the root. */
		if (title->inverted) {
			uint32_t path[FLAME_DEPTH_MAX], depth = 0;

			for (uint32_t up = node; up && depth < FLAME_DEPTH_MAX; up = flame_node(f, up)->parent)
				path[depth++] = flame_node(f, up)->frame;
			while (depth--)
				wbuf_varint(list, path[depth]);
		} else {
			for (uint32_t up = node; up; up = flame_node(f, up)->parent)
				wbuf_varint(list, flame_node(f, up)->frame);
		}
		field_bytes(w, 1, list->data, list->len);
		wbuf_clear(list);
		wbuf_varint(list, (uint64_t)n->self_samples);
		wbuf_varint(list, (uint64_t)n->self);
		if (title->compares)
			wbuf_varint(list, (uint64_t)n->base_self);
		field_bytes(w, 2, list->data, list->len);
		field_bytes(out, 2, w->data, w->len);
	}
}

int flame_write_pprof(const struct flame *f, const struct flame_title *title, FILE *file)
{
	const char *unit = title->unit == CULPRIT_NS ? "nanoseconds" : title->unit == CULPRIT_BYTES ? "bytes" : "count";
	const char *type = title->unit == CULPRIT_NS ? "time" : title->unit == CULPRIT_BYTES ? "space" : "weight";
	struct wbuf out, w, list;
	int r;

	wbuf_init(&out);
	wbuf_init(&w);
	wbuf_init(&list);
	value_type(&out, &w, 1, S_SAMPLES, S_COUNT);
	value_type(&out, &w, 1, S_TYPE, S_UNIT);
	if (title->compares)
		value_type(&out, &w, 1, S_BASE, S_UNIT);
	put_samples(f, title, &out, &w, &list);
	for (uint32_t i = 1; i < flame_frames(f); i++) {
		wbuf_clear(&list);
		field_varint(&list, 1, i);
		wbuf_clear(&w);
		field_varint(&w, 1, i);
		field_bytes(&w, 4, list.data, list.len);
		field_bytes(&out, 4, w.data, w.len); /* location */
		wbuf_clear(&w);
		field_varint(&w, 1, i);
		field_varint(&w, 2, S_FRAMES + 2 * (i - 1));
		field_varint(&w, 3, S_FRAMES + 2 * (i - 1));
		field_varint(&w, 4, S_FRAMES + 2 * (i - 1) + 1);
		field_bytes(&out, 5, w.data, w.len); /* function */
	}
	put_text(&out, "", 0);
	put_text(&out, type, strlen(type));
	put_text(&out, unit, strlen(unit));
	put_text(&out, "baseline", 8);
	put_text(&out, "samples", 7);
	put_text(&out, "count", 5);
	for (uint32_t i = 1; i < flame_frames(f); i++) {
		const struct flame_frame *frame = flame_frame(f, i);

		put_text(&out, frame->name, frame->name_len);
		put_text(&out, frame->module, frame->module_len);
	}
	put_text(&out, title->what, strlen(title->what));
	field_varint(&out, 9, (uint64_t)title->wall_ns);
	field_varint(&out, 10, title->duration_ns);
	field_varint(&out, 13, S_FRAMES + 2 * (flame_frames(f) - 1)); /* comment: whose, when, at what rate */
	field_varint(&out, 14, S_TYPE); /* shown first */
	r = out.err ? out.err : w.err ? w.err : list.err;
	if (!r)
		fwrite(out.data, 1, out.len, file);
	wbuf_finish(&out);
	wbuf_finish(&w);
	wbuf_finish(&list);
	return r;
}
