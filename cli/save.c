#include "save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "format.h"
#include "recfile.h"
#include "segment.h"
#include "segment_codec.h"

/* "culprit-HOST-20260301T140322Z.EXT" where no name was given. */
static void file_name(char *out, size_t cap, const char *given, const char *extension)
{
	char host[64] = "host", when[32];
	time_t now = time(NULL);
	struct tm tm;

	if (given && *given) {
		snprintf(out, cap, "%s", given);
		return;
	}
	gethostname(host, sizeof(host) - 1);
	for (char *p = host; *p; p++) {
		if (*p == '/')
			*p = '_';
	}
	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	snprintf(out, cap, "culprit-%s-%s.%s", host, when, extension);
}

/* One segment, block by block as it stands, to the sink. */
static int save_segment(struct source *source, uint64_t seq, struct sink *sink, struct culprit_error *error)
{
	struct segment *s = segment_create();
	struct segment_meta meta;
	size_t end;
	int r;

	if (!s)
		return error_set(error, -ENOMEM, "out of memory");
	r = segment_update(s, source, seq, error);
	s->bytes.len = s->parsed;
	if (!r && s->nframes) {
		meta = s->meta;
		r = sink->ops->begin(sink, &meta, error);
		end = s->complete ? s->summary - FORMAT_BLOCK_HEADER : s->parsed;
		if (!r)
			r = sink->ops->append(sink, s->bytes.data, end, s->frames[s->nframes - 1].mono_ns, error);
		/* The newest segment is still open: it gets an empty summary, which readers make themselves. */
		if (!s->complete)
			segment_put_block(&s->bytes, FORMAT_SUMMARY, NULL, 0);
		if (!r)
			r = sink->ops->end(sink, s->bytes.data + end, s->bytes.len - end, error);
	}
	segment_unlock(s);
	return r;
}

int save_source(struct source *source, const char *file, struct culprit_error *error)
{
	struct sink *sink;
	char name[4096];
	int n, r = 0, saved = 0;

	file_name(name, sizeof(name), file, "rec");
	sink = recfile_sink(name, RECFILE_REFUSE, error);
	if (!sink)
		return -EIO;
	n = source->ops->refresh(source, error);
	for (int i = 0; i < n && !r; i++) {
		r = save_segment(source, source->ops->segment(source, (size_t)i)->seq, sink, error);
		/* The oldest may be overwritten meanwhile: the rest is saved. */
		if (r == -ESTALE)
			r = 0;
		else
			saved += !r;
	}
	sink->ops->destroy(sink);
	if (n < 0)
		return n;
	return r ? r : error_set(error, 0, "saved to %.200s; open it with: culprit replay FILE", name);
}

int save_ring(struct ring *ring, const char *file, struct culprit_error *error)
{
	struct source *source = ring_source(ring, error);
	int r = source ? save_source(source, file, error) : -ENOMEM;

	source_destroy(source);
	return r;
}

int save_screen(const struct surface *surface, const char *file, const char *command, struct culprit_error *error)
{
	char name[4096], *text = surface_text(surface);
	int fd, r = 0;

	if (!text)
		return error_set(error, -ENOMEM, "out of memory");
	file_name(name, sizeof(name), file, "txt");
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || dprintf(fd, "# %s\n%s", command, text) < 0)
		r = error_set(error, -errno, "the screen was not written (%s): %.160s", strerror(errno), name);
	if (fd >= 0 && close(fd) && !r)
		r = error_set(error, -errno, "the screen was not written (%s): %.160s", strerror(errno), name);
	free(text);
	return r ? r : error_set(error, 0, "this screen is in %.200s", name);
}
