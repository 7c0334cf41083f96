/* Any bytes as a recording: whole, as a file that grows in two steps through a pipe, always within the limits. The first
 * byte says whether the checksums of marks are made right, so that more than the checksums is met. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "recfile.h"
#include "recfile_frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { SEGMENT = 1 << 16, PIPE = 60000 };

static void repair(uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i + RECFRAME_PREFIX + 16 <= n; i++) {
		size_t length;
		uint32_t crc;

		if (recframe_u32(bytes + i) != RECFRAME_SKIPPABLE ||
		    recframe_kind(bytes + i + RECFRAME_PREFIX, 8) == RECFRAME_OTHER)
			continue;
		length = recframe_u32(bytes + i + 4);
		if (length < 16 || length > n - i - RECFRAME_PREFIX)
			continue;
		crc = crc32c(0, bytes + i + RECFRAME_PREFIX, length - 4);
		for (int k = 0; k < 4; k++)
			bytes[i + RECFRAME_PREFIX + length - 4 + (size_t)k] = (uint8_t)(crc >> 8 * k);
	}
}

static void read_all(struct source *source)
{
	struct culprit_error error;
	int count = source->ops->refresh(source, &error);
	struct wbuf out;

	wbuf_init(&out);
	for (int i = 0; i < count; i++) {
		const struct segment_info *info = source->ops->segment(source, (size_t)i);
		uint64_t seq = info->seq, size = info->size;
		int err;

		if (i && seq <= source->ops->segment(source, (size_t)i - 1)->seq)
			abort();
		wbuf_clear(&out);
		error.sentence[0] = '\0';
		err = source->ops->read(source, seq, 0, &out, &error);
		if (err && !error.sentence[0])
			abort();
		if (!err && out.len != size)
			abort();
		recfile_source_summary(source, seq, &out, &error);
	}
	wbuf_finish(&out);
}

static void through_pipe(const uint8_t *bytes, size_t n)
{
	struct culprit_error error;
	struct source *source;
	int pipes[2];

	if (n > PIPE || pipe(pipes))
		return;
	source = recfile_source_pipe(pipes[0], "fuzz", 4096, &error);
	if (!source || write(pipes[1], bytes, n / 2) != (ssize_t)(n / 2))
		abort();
	read_all(source);
	if (write(pipes[1], bytes + n / 2, n - n / 2) != (ssize_t)(n - n / 2))
		abort();
	read_all(source);
	close(pipes[1]);
	read_all(source);
	source_destroy(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct culprit_error error;
	struct source *source;
	uint8_t *bytes;

	if (!n)
		return 0;
	/* A copy of just that size: the sanitizer watches its end. */
	bytes = malloc(n);
	if (!bytes)
		abort();
	memcpy(bytes, data + 1, n - 1);
	if (data[0] & 1)
		repair(bytes, n - 1);
	source = recfile_source_memory(bytes, n - 1, SEGMENT, &error);
	if (source) {
		read_all(source);
		source_destroy(source);
	}
	if (data[0] & 2)
		through_pipe(bytes, n - 1);
	free(bytes);
	return 0;
}
