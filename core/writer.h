/* Turns frames into segments and hands the bytes to sinks: the ring, a file, a pipe. All sinks get the same bytes. It
 * decides when a segment ends: when its deltas outgrow its key frame, when it is old, when it would pass an eighth of
 * the smallest sink, when the schema grows. */
#ifndef CORE_WRITER_H
#define CORE_WRITER_H

#include "builder.h"

/* Longer than anybody samples: of what damaged files say, steps of a chart are made. */
#define HOST_INTERVAL_MAX_NS 86400000000000u

/* Where it was recorded; repeated in every segment. Texts are NUL-terminated, truncated. */
struct host_info {
	char name[256], kernel[128], machine[68], boot_id[40], zone[64], system[128]; /* system: PRETTY_NAME */
	uint64_t user_hz, page_size, cpus, memory_bytes;
	int64_t boot_wall_ns; /* when it booted */
	uint64_t interval_ns;
};

struct segment_meta {
	uint64_t writer; /* random, one a writer's life */
	uint64_t seq;    /* 0, 1, 2 ... */
	uint64_t mono_ns;
	int64_t wall_ns; /* of its first frame */
};

/* A sink fails alone: its error is kept by the writer, the other sinks go on. */
struct sink {
	const struct sink_ops *ops;
};

struct sink_ops {
	/* Optional: the schema that segments have from now on, before begin(). Who hands it on locks it. */
	void (*declare)(struct sink *, struct schema *);
	/* A new segment begins; the former one has ended. */
	int (*begin)(struct sink *, const struct segment_meta *, struct culprit_error *);
	/* Whole blocks: one call is readable for others as a whole or not at all. `mono_ns`: of the newest frame so
	 * far. -EAGAIN: what it had of this segment is lost; the next frame begins a new one. */
	int (*append)(struct sink *, const void *bytes, size_t n, uint64_t mono_ns, struct culprit_error *);
	/* The segment is complete; `summary` is its last block. */
	int (*end)(struct sink *, const void *summary, size_t n, struct culprit_error *);
	/* Largest segment it can take; SIZE_MAX: any. */
	size_t (*segment_max)(const struct sink *);
	void (*destroy)(struct sink *);
};

struct writer;

/* Locks the schema. */
struct writer *writer_create(struct schema *, const struct host_info *);
void writer_destroy(struct writer *); /* NULL-safe; ends the open segment, destroys the sinks */
/* The writer owns the sink from now on. It begins with the next key frame. */
int writer_add_sink(struct writer *, struct sink *);
/* Ends the open segment where there is one, and destroys that sink. */
void writer_remove_sink(struct writer *, struct sink *);
/* First error of a sink since the last call (and its sentence), then forgotten; 0: none. */
int writer_sink_error(struct writer *, const struct sink *, struct culprit_error *);

struct builder *writer_builder(struct writer *);
int writer_grow(struct writer *, struct schema *);
/* From the next frame on, samples are so far apart: it begins a segment, which says so. -ENOMEM. */
int writer_set_interval(struct writer *, uint64_t interval_ns);

/* Seals the builder's frame and hands it on. -ENOMEM; a sink's failure is not one. */
int writer_commit(struct writer *);
/* Ends the open segment, with its summary. The next frame begins a new one. */
int writer_finish_segment(struct writer *);

#endif
