#include "survey.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "format.h"

enum { GAP = 5 /* intervals; a busy box samples late */ };

/* Of one segment: its tables by index, as indices into those of the survey. */
struct pass {
	struct survey *survey;
	uint32_t *table_at;
	uint64_t previous_ns; /* newest frame so far */
	uint64_t previous_interval_ns;
	int64_t previous_wall_ns;
	bool missing;         /* since then something was damaged, or a number of a segment left out */
	uint64_t missing_from_ns, missing_to_ns; /* the first frame by the first mark; what a mark says was the newest; 0: not known */
};

void survey_finish(struct survey *s)
{
	free(s->tables);
	memset(s, 0, sizeof(*s));
}

static int table_index(struct survey *s, const struct schema_table *schema, uint32_t *ret)
{
	struct survey_table *grown;

	for (size_t i = 0; i < s->ntables; i++) {
		if (!strcmp(s->tables[i].name, schema->name)) {
			*ret = (uint32_t)i;
			return 0;
		}
	}
	grown = realloc(s->tables, (s->ntables + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->tables = grown;
	memset(&grown[s->ntables], 0, sizeof(*grown));
	snprintf(grown[s->ntables].name, sizeof(grown[0].name), "%s", schema->name);
	grown[s->ntables].events = schema->kind == CULPRIT_EVENT;
	*ret = (uint32_t)s->ntables++;
	return 0;
}

static void take_section(struct pass *p, const struct segment *segment, struct rbuf section, size_t size, bool key)
{
	uint64_t index = rbuf_varint(&section), flags, lost, n;
	struct survey_table *t;

	if (section.err || index >= segment->schema->ntables)
		return;
	t = &p->survey->tables[p->table_at[index]];
	t->bytes += size;
	rbuf_varint(&section);
	flags = rbuf_varint(&section);
	if (flags & FORMAT_TABLE_SAMPLED)
		rbuf_zigzag(&section);
	rbuf_varint(&section);
	lost = rbuf_varint(&section);
	rbuf_varint(&section);
	rbuf_varint(&section);
	if (section.err)
		return;
	t->lost += lost;
	if (!(flags & FORMAT_TABLE_SAMPLED))
		return;
	t->samples++;
	n = rbuf_varint(&section);
	if (section.err || n > FORMAT_ROWS_MAX)
		return;
	if (t->events)
		t->rows += n;
	else if (!key)
		t->came += n;
	else if (n > t->rows)
		t->rows = n;
}

/* How many frames fit between two times, one of them counted. At most: a busy box may have taken fewer. */
static uint64_t fit(uint64_t from_ns, uint64_t to_ns, uint64_t interval_ns)
{
	return to_ns > from_ns && interval_ns ? (to_ns - from_ns - 1) / interval_ns + 1 : 0;
}

/* What was damaged before this frame is over. */
static void count_missing(struct pass *p, uint64_t mono_ns, uint64_t interval_ns)
{
	uint64_t n = p->survey->frames ? fit(p->previous_ns, mono_ns, interval_ns) : fit(p->missing_from_ns, mono_ns, interval_ns) + 1;

	if (p->missing && n > 1)
		p->survey->frames_lost += n - 1;
	p->missing = false;
}

static void take_frame(struct pass *p, const struct segment *segment, const struct segment_frame *frame)
{
	struct survey *s = p->survey;
	uint64_t interval = segment->host.interval_ns ? segment->host.interval_ns : 1000000000u;
	/* Where the interval changes, the former one comes before the first frame. */
	uint64_t expected = interval > p->previous_interval_ns ? interval : p->previous_interval_ns;
	struct rbuf r;

	p->previous_interval_ns = interval;
	count_missing(p, frame->mono_ns, expected);
	if (!s->frames) {
		s->from_ns = frame->mono_ns;
		s->from_wall_ns = frame->wall_ns;
	} else if (frame->mono_ns > p->previous_ns && frame->mono_ns - p->previous_ns > GAP * expected) {
		uint64_t gap = frame->mono_ns - p->previous_ns;

		s->gaps++;
		s->gap_ns += gap;
		if (gap > s->longest_gap_ns) {
			s->longest_gap_ns = gap;
			s->longest_gap_wall_ns = p->previous_wall_ns;
		}
	}
	s->frames++;
	s->to_ns = p->previous_ns = frame->mono_ns;
	s->to_wall_ns = p->previous_wall_ns = frame->wall_ns;
	rbuf_init(&r, segment->bytes.data + frame->offset, frame->size);
	rbuf_bytes(&r, 16);
	rbuf_varint(&r);
	while (!r.err && rbuf_left(&r)) {
		size_t before = rbuf_left(&r);
		uint64_t type = rbuf_varint(&r);
		struct rbuf section = rbuf_sub(&r, rbuf_bounded(&r, rbuf_left(&r)));

		if (type == FORMAT_DICTIONARY)
			s->dictionary += before - rbuf_left(&r);
		else if (type == FORMAT_TABLE)
			take_section(p, segment, section, before - rbuf_left(&r), frame->key);
	}
}

static void note_damage(struct survey *s, const struct culprit_error *error)
{
	for (size_t i = 0; i < s->ndamages; i++)
		if (!strcmp(s->damages[i].sentence, error->sentence))
			return;
	if (s->ndamages < SURVEY_DAMAGES_MAX)
		s->damages[s->ndamages++] = *error;
}

static int take_segment(struct pass *p, const struct segment *segment)
{
	struct survey *s = p->survey;
	int err = 0;

	s->bytes += segment->bytes.len;
	s->summary += segment->summary_size;
	if (!segment->schema)
		return 0;
	s->host = segment->host;
	s->host_known = true;
	p->table_at = calloc(segment->schema->ntables + 1, sizeof(*p->table_at));
	if (!p->table_at)
		return -ENOMEM;
	for (uint32_t i = 0; i < segment->schema->ntables && !err; i++)
		err = table_index(s, segment->schema->tables[i], &p->table_at[i]);
	for (size_t i = 0; i < segment->nframes && !err; i++)
		take_frame(p, segment, &segment->frames[i]);
	free(p->table_at);
	return err;
}

int survey_run(struct source *source, struct survey *s, struct culprit_error *error)
{
	struct pass pass = {.survey = s};
	const struct segment_info *info;
	bool damaged;
	uint64_t writer = 0, tables = 0, next_seq = 0;
	int n = source->ops->refresh(source, error), err = 0;

	memset(s, 0, sizeof(*s));
	if (n < 0)
		return n;
	for (size_t i = 0; !err && (info = source->ops->segment(source, i)); i++) {
		struct segment *segment = segment_create();
		struct culprit_error damage = {""};

		if (!segment)
			return error_set(error, -ENOMEM, "out of memory");
		if (!i)
			pass.missing_from_ns = info->from_ns;
		pass.missing |= i && info->writer == writer && info->seq > next_seq;
		next_seq = info->seq + 1;
		pass.missing_to_ns = info->to_ns;
		err = segment_update(segment, source, info->seq, &damage);
		damaged = err == -EBADMSG || segment->damage.sentence[0];
		if (damaged) {
			s->segments_damaged++;
			note_damage(s, &damage);
			err = 0;
		} else if (err == -ESTALE) {
			err = 0;
		} else if (err) {
			error_set(error, err, "%s", damage.sentence);
		}
		s->segments++;
		s->writers += segment->nframes && segment->meta.writer != writer;
		writer = segment->nframes ? segment->meta.writer : writer;
		if (!err && take_segment(&pass, segment))
			err = error_set(error, -ENOMEM, "out of memory");
		pass.missing |= damaged;
		segment_unlock(segment);
	}
	if (source->ops->state)
		source->ops->state(source, &s->state);
	if (pass.missing && s->frames) {
		s->frames_lost += fit(pass.previous_ns, pass.missing_to_ns, pass.previous_interval_ns);
		s->end_lost = !s->state.finished;
	}
	for (size_t i = 0; source->ops->damage_at; i++) {
		const char *sentence = source->ops->damage_at(source, i);
		struct culprit_error damage;

		if (!sentence)
			break;
		error_set(&damage, 0, "%s", sentence);
		note_damage(s, &damage);
	}
	for (size_t i = 0; i < s->ntables; i++)
		tables += s->tables[i].bytes;
	s->other = s->bytes > tables + s->dictionary + s->summary ? s->bytes - tables - s->dictionary - s->summary : 0;
	return err;
}
