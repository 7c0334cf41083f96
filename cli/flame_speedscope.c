/* The file format of speedscope.app: frames once, then one sample with its weight for each place in the tree. */
#include "flame_out.h"

#include "json.h"
#include "text.h"

static void put_text(FILE *out, const char *bytes, size_t n)
{
	char buf[4096];
	size_t len = text_sanitise(buf, sizeof(buf), bytes, n, TEXT_DATA);

	json_string(out, buf, len < sizeof(buf) ? len : sizeof(buf) - 1);
}

static void put_profile(const struct flame *f, const struct flame_title *title, const char *name, bool base, FILE *out)
{
	const char *separator = "";
	double total = 0;

	fputs("{\"type\":\"sampled\",\"name\":", out);
	put_text(out, name, __builtin_strlen(name));
	fprintf(out, ",\"unit\":\"%s\",\"startValue\":0,\"samples\":[",
		title->unit == CULPRIT_NS ? "nanoseconds" : title->unit == CULPRIT_BYTES ? "bytes" : "none");
	for (uint32_t node = flame_after(f, 0); node; node = flame_after(f, node)) {
		const struct flame_node *n = flame_node(f, node);
		uint32_t path[FLAME_DEPTH_MAX], depth = 0;

		if (!((base ? n->base_self : n->self) > 0))
			continue;
		for (uint32_t up = node; up && depth < FLAME_DEPTH_MAX; up = flame_node(f, up)->parent)
			path[depth++] = flame_node(f, up)->frame - 1;
		fprintf(out, "%s[", separator);
		while (depth--)
			fprintf(out, depth ? "%u," : "%u", path[depth]);
		putc(']', out);
		separator = ",";
	}
	fputs("],\"weights\":[", out);
	separator = "";
	for (uint32_t node = flame_after(f, 0); node; node = flame_after(f, node)) {
		double self = base ? flame_node(f, node)->base_self : flame_node(f, node)->self;

		if (!(self > 0))
			continue;
		fprintf(out, "%s%.0f", separator, self);
		total += self;
		separator = ",";
	}
	fprintf(out, "],\"endValue\":%.0f}", total);
}

int flame_write_speedscope(const struct flame *f, const struct flame_title *title, FILE *out)
{
	fputs("{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\"exporter\":\"culprit " CULPRIT_VERSION
	      "\",\"name\":", out);
	put_text(out, title->what, __builtin_strlen(title->what));
	fputs(",\"activeProfileIndex\":0,\"shared\":{\"frames\":[", out);
	for (uint32_t i = 1; i < flame_frames(f); i++) {
		const struct flame_frame *frame = flame_frame(f, i);

		fputs(i > 1 ? ",{\"name\":" : "{\"name\":", out);
		put_text(out, frame->name, frame->name_len);
		if (frame->module_len) {
			fputs(",\"file\":", out);
			put_text(out, frame->module, frame->module_len);
		}
		putc('}', out);
	}
	fputs("]},\"profiles\":[", out);
	put_profile(f, title, title->what, false, out);
	if (title->compares) {
		putc(',', out);
		put_profile(f, title, "baseline", true, out);
	}
	fputs("]}\n", out);
	return 0;
}
