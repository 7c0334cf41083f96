/* What is in a recording: which host, which times, how many frames and bytes of which table, what is damaged. Reads all
 * of it, one segment at a time, so that every checksum is looked at. Not here: how it is printed (cli/verb_info.c). */
#ifndef CORE_SURVEY_H
#define CORE_SURVEY_H

#include "segment.h"

enum { SURVEY_DAMAGES_MAX = 64 };

struct survey_table {
	char name[SCHEMA_NAME_MAX + 1];
	bool events;
	uint64_t samples;
	uint64_t rows;   /* most at once, of those that stand in key frames; events: all of them */
	uint64_t came;   /* state tables: rows that are new in other frames */
	uint64_t lost;   /* events, as the collector counted them */
	uint64_t bytes;  /* of its sections, before compression */
};

struct survey {
	struct host_info host; /* of the newest segment */
	bool host_known;
	uint64_t frames, segments, segments_damaged, writers;
	uint64_t bytes;      /* of all segments, before compression */
	uint64_t dictionary, summary, other; /* of them: texts, stacks and tasks; summaries; the rest but tables */
	uint64_t from_ns, to_ns; /* mono; 0: no frames */
	int64_t from_wall_ns, to_wall_ns;
	uint64_t frames_lost; /* by damage, at most: as many as would fit */
	bool end_lost;        /* and the end is damaged, where nothing tells how many there were */
	uint64_t gaps, gap_ns;   /* times of more than GAP intervals between two frames; all of them */
	uint64_t longest_gap_ns;
	int64_t longest_gap_wall_ns; /* its begin */
	struct survey_table *tables; /* in the order they were met */
	size_t ntables;
	struct culprit_error damages[SURVEY_DAMAGES_MAX];
	size_t ndamages;     /* at most SURVEY_DAMAGES_MAX are told */
	struct source_state state;
};

/* 0; -ENOMEM; -errno with a sentence where the source cannot be read at all. Damage is no error. */
int survey_run(struct source *, struct survey *, struct culprit_error *);
void survey_finish(struct survey *);

#endif
