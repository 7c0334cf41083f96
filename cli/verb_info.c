/* culprit info FILE: what is in a recording (core/survey.h finds out), as text or as culprit.info/1. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "confine.h"
#include "error.h"
#include "file_source.h"
#include "json.h"
#include "survey.h"
#include "text.h"
#include "units.h"
#include "verbs.h"

/* What a terminal may be given of a text from a file. */
static const char *shown(char *buf, size_t cap, const char *text)
{
	text_sanitise(buf, cap, text, strlen(text), TEXT_UTF8);
	return buf;
}

static const char *bytes(char *buf, size_t cap, uint64_t n)
{
	return units_format_short(buf, cap, (double)n, CULPRIT_BYTES);
}

/* A word for machines; and what it means. */
static const char *verdict(const struct survey *s, const char **ret_words)
{
	if (s->ndamages) {
		*ret_words = "damaged: what is before and after the damage is read";
		return "damaged";
	}
	if (!s->frames) {
		*ret_words = "empty: not one whole frame is in it";
		return "empty";
	}
	if (s->state.being_written) {
		*ret_words = "being written: more may come";
		return "growing";
	}
	if (!s->state.finished) {
		*ret_words = "cut short: its recorder was killed, or the file was; all frames before that are whole";
		return "cut";
	}
	*ret_words = s->state.indexed ? "whole" : "whole, but without its index: opening it means walking over all of it";
	return s->state.indexed ? "whole" : "unindexed";
}

static int by_bytes(const void *a, const void *b)
{
	const struct survey_table *x = a, *y = b;

	return x->bytes != y->bytes ? (x->bytes < y->bytes ? 1 : -1) : strcmp(x->name, y->name);
}

static void text_times(const struct survey *s)
{
	char a[64], b[64], c[64];

	if (!s->frames)
		return;
	printf("recorded  %s to %s (%s)\n", units_rfc3339(a, sizeof(a), s->from_wall_ns, 0),
	       units_rfc3339(b, sizeof(b), s->to_wall_ns, 0), units_duration(c, sizeof(c), s->to_ns - s->from_ns));
	printf("frames    %" PRIu64 ", one every %s, in %" PRIu64 " segment%s", s->frames,
	       units_duration(a, sizeof(a), s->host.interval_ns), s->segments, s->segments == 1 ? "" : "s");
	if (s->writers > 1)
		printf(" of %" PRIu64 " recorders", s->writers);
	putchar('\n');
	if (s->gaps == 1)
		printf("gaps      1 without frames, of %s from %s on\n", units_duration(a, sizeof(a), s->gap_ns),
		       units_rfc3339(b, sizeof(b), s->longest_gap_wall_ns, 0));
	else if (s->gaps)
		printf("gaps      %" PRIu64 " without frames, %s in all, the longest of %s from %s on\n", s->gaps,
		       units_duration(a, sizeof(a), s->gap_ns), units_duration(b, sizeof(b), s->longest_gap_ns),
		       units_rfc3339(c, sizeof(c), s->longest_gap_wall_ns, 0));
}

static void text_table_row(const char *name, const char *rows, const char *came, const char *samples, uint64_t n,
			   const struct survey *s)
{
	char buf[64];

	printf("  %-24s %10s %8s %8s %10s %5.1f%%\n", name, samples, rows, came, bytes(buf, sizeof(buf), n),
	       s->bytes ? 100 * (double)n / (double)s->bytes : 0);
}

static void text_tables(struct survey *s)
{
	char name[128], rows[32], came[32], samples[32];

	if (!s->bytes)
		return;
	if (s->ntables)
		qsort(s->tables, s->ntables, sizeof(*s->tables), by_bytes);
	printf("\n  %-24s %10s %8s %8s %10s %6s\n", "TABLE", "samples", "rows", "new", "bytes", "share");
	for (size_t i = 0; i < s->ntables; i++) {
		const struct survey_table *t = &s->tables[i];

		snprintf(rows, sizeof(rows), "%" PRIu64, t->rows);
		snprintf(samples, sizeof(samples), "%" PRIu64, t->samples);
		snprintf(came, sizeof(came), "%" PRIu64, t->came);
		text_table_row(shown(name, sizeof(name), t->name), rows, t->events ? "events" : came, samples, t->bytes, s);
		if (t->lost)
			printf("  %-24s lost %" PRIu64 " event%s\n", "", t->lost, t->lost == 1 ? "" : "s");
	}
	text_table_row("(names, stacks)", "", "", "", s->dictionary, s);
	text_table_row("(summaries)", "", "", "", s->summary, s);
	text_table_row("(all else)", "", "", "", s->other, s);
}

static void text(struct survey *s, const char *file)
{
	char a[600], b[64], c[64];
	const char *words;

	verdict(s, &words);
	printf("file      %s", shown(a, sizeof(a), file));
	if (s->state.files > 1)
		printf(", %" PRIu32 " files", s->state.files);
	printf(": %s", bytes(b, sizeof(b), s->state.bytes));
	if (s->frames)
		printf(", %s a frame", bytes(b, sizeof(b), s->state.bytes / s->frames));
	printf("; %s before compression\n", bytes(b, sizeof(b), s->bytes));
	printf("state     %s\n", words);
	if (s->state.half_bytes && !s->state.being_written)
		printf("          %" PRIu64 " byte%s at its end %s half a frame\n", s->state.half_bytes,
		       s->state.half_bytes == 1 ? "" : "s", s->state.half_bytes == 1 ? "is" : "are");
	for (size_t i = 0; i < s->ndamages; i++)
		printf("damage    %s\n", shown(a, sizeof(a), s->damages[i].sentence));
	if (s->ndamages && s->frames && (s->frames_lost || !s->end_lost))
		printf("lost      at most %" PRIu64 " frame%s, by the times of those around%s\n", s->frames_lost, s->frames_lost == 1 ? "" : "s",
		       s->end_lost ? "; and an unknown number at its end" : "");
	else if (s->ndamages && s->frames)
		puts("lost      an unknown number of frames at its end: nothing behind it tells a time");
	if (s->state.unread_bytes)
		printf("zeros     %" PRIu64 " bytes behind its last frame are zeros; %" PRIu64 " bytes behind these were not looked at\n",
		       s->state.zero_bytes, s->state.unread_bytes);
	else if (s->state.zero_bytes)
		printf("zeros     %" PRIu64 " bytes behind its last frame are zeros, no part of it%s\n", s->state.zero_bytes,
		       s->state.finished ? ": nothing is missing" : "");
	if (s->host_known) {
		printf("host      %s", shown(a, sizeof(a), s->host.name));
		printf(", %s", shown(a, sizeof(a), s->host.system[0] ? s->host.system : "unknown system"));
		printf(", kernel %s", shown(a, sizeof(a), s->host.kernel));
		printf(" %s, %" PRIu64 " CPU%s, %s of memory\n", shown(a, sizeof(a), s->host.machine), s->host.cpus,
		       s->host.cpus == 1 ? "" : "s", bytes(b, sizeof(b), s->host.memory_bytes));
		printf("booted    %s\n", units_rfc3339(c, sizeof(c), s->host.boot_wall_ns, 0));
	}
	text_times(s);
	text_tables(s);
}

static void json_text(const char *key, const char *value)
{
	char buf[1200];

	printf(",\"%s\":", key);
	text_sanitise(buf, sizeof(buf), value, strlen(value), TEXT_DATA);
	json_string(stdout, buf, strlen(buf));
}

/* As everywhere: most parsers take integers for doubles or for int64. */
static void json_number(const char *key, uint64_t value)
{
	printf(value > INT64_MAX ? ",\"%s\":\"%" PRIu64 "\"" : ",\"%s\":%" PRIu64, key, value);
}

static void json_time(const char *key, int64_t wall_ns)
{
	char buf[64];

	printf(",\"%s\":\"%s\",\"%s_ns\":%" PRId64, key, units_rfc3339(buf, sizeof(buf), wall_ns, 0), key, wall_ns);
}

static void json_host(const struct survey *s)
{
	const struct host_info *h = &s->host;

	if (!s->host_known) {
		fputs(",\"host\":null", stdout);
		return;
	}
	fputs(",\"host\":{\"recorded\":true", stdout);
	json_text("name", h->name);
	json_text("system", h->system);
	json_text("kernel", h->kernel);
	json_text("machine", h->machine);
	json_text("boot_id", h->boot_id);
	json_text("zone", h->zone);
	json_number("cpus", h->cpus);
	json_number("memory_bytes", h->memory_bytes);
	json_time("boot", h->boot_wall_ns);
	putchar('}');
}

static void json(struct survey *s, const char *file)
{
	const char *words, *state = verdict(s, &words);

	fputs("{\"schema\":\"culprit.info/1\"", stdout);
	json_text("file", file);
	json_text("state", state);
	json_number("bytes", s->state.bytes);
	json_number("files", s->state.files);
	printf(",\"indexed\":%s", s->state.indexed ? "true" : "false");
	json_number("half_bytes", s->state.half_bytes);
	json_host(s);
	if (s->frames) {
		json_time("from", s->from_wall_ns);
		json_time("to", s->to_wall_ns);
	} else {
		fputs(",\"from\":null,\"from_ns\":null,\"to\":null,\"to_ns\":null", stdout);
	}
	json_number("interval_ns", s->host.interval_ns);
	json_number("frames", s->frames);
	json_number("frames_lost_most", s->frames_lost);
	printf(",\"end_lost\":%s", s->end_lost ? "true" : "false");
	json_number("zero_bytes", s->state.zero_bytes);
	json_number("unread_bytes", s->state.unread_bytes);
	json_number("segments", s->segments);
	json_number("segments_damaged", s->segments_damaged);
	json_number("recorders", s->writers);
	json_number("raw_bytes", s->bytes);
	json_number("dictionary_bytes", s->dictionary);
	json_number("summary_bytes", s->summary);
	json_number("other_bytes", s->other);
	json_number("gaps", s->gaps);
	json_number("gap_ns", s->gap_ns);
	fputs(",\"damage\":[", stdout);
	for (size_t i = 0; i < s->ndamages; i++) {
		char buf[1200];

		text_sanitise(buf, sizeof(buf), s->damages[i].sentence, strlen(s->damages[i].sentence), TEXT_DATA);
		if (i)
			putchar(',');
		json_string(stdout, buf, strlen(buf));
	}
	fputs("],\"tables\":[", stdout);
	for (size_t i = 0; i < s->ntables; i++) {
		const struct survey_table *t = &s->tables[i];

		printf("%s\n{\"kind\":\"%s\"", i ? "," : "", t->events ? "event" : "state");
		json_text("name", t->name);
		json_number("samples", t->samples);
		json_number("rows", t->rows);
		json_number("new", t->came);
		json_number("lost", t->lost);
		json_number("bytes", t->bytes);
		putchar('}');
	}
	puts("\n]}");
}

int verb_info(const struct options *o)
{
	struct culprit_error error = {""};
	struct source *source;
	struct sandbox_report sandbox;
	struct survey survey;
	const char *notice;
	int r;

	source = file_source_whole(o->args[0], 0, &error);
	if (!source)
		return verb_fail(EXIT_COULD_NOT, &error);
	confine(o, o->args[0], &sandbox);
	r = survey_run(source, &survey, &error);
	if (r) {
		source_destroy(source);
		return verb_fail(EXIT_COULD_NOT, &error);
	}
	(o->json ? json : text)(&survey, source->name);
	if (!o->json)
		printf("read in   %s\n", sandbox.sentence);
	notice = source->ops->notice ? source->ops->notice(source) : "";
	if (notice[0]) {
		error_set(&error, 0, "%s", notice);
		verb_fail(EXIT_DONE, &error);
	}
	r = survey.ndamages || !survey.frames ? EXIT_COULD_NOT : EXIT_DONE;
	if (fflush(stdout) || ferror(stdout)) {
		error_set(&error, -errno, "cannot write: %s", strerror(errno));
		if (errno != EPIPE)
			r = verb_fail(EXIT_COULD_NOT, &error);
	}
	survey_finish(&survey);
	source_destroy(source);
	return r;
}
