/* An index at the end of a recording, of which some bytes are anything, with its length and checksum made right: what it says
 * of places, sizes and times must not lead the reader out of its bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "recfile.h"
#include "recfile_frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { SEGMENT_BYTES = 1 << 16, SEGMENTS = 4 };

static uint8_t *whole;
static size_t whole_size, index_at;

/* Four segments whose bytes mean nothing; and their index. */
static void make_recording(void)
{
	int fd = memfd_create("fuzz", 0);
	struct culprit_error error;
	struct sink *sink = recfile_sink_fd(dup(fd), "fuzz", &error);
	uint8_t bytes[800];

	for (uint64_t seq = 0; sink && seq < SEGMENTS; seq++) {
		struct segment_meta meta = {.writer = 7, .seq = seq, .mono_ns = 1000 * seq, .wall_ns = 5};

		memset(bytes, (int)seq, sizeof(bytes));
		if (sink->ops->begin(sink, &meta, &error) || sink->ops->append(sink, bytes, sizeof(bytes), 1000 * seq + 1, &error) ||
		    sink->ops->end(sink, bytes, seq & 1 ? 80 : 0, &error))
			abort();
	}
	if (!sink)
		abort();
	sink->ops->destroy(sink);
	whole_size = (size_t)lseek(fd, 0, SEEK_END);
	whole = malloc(whole_size);
	if (!whole || pread(fd, whole, whole_size, 0) != (ssize_t)whole_size)
		abort();
	close(fd);
	index_at = whole_size - RECFRAME_PREFIX - recframe_u32(whole + whole_size - 8);
}

static void put_u32(uint8_t *at, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(v >> 8 * i);
}

/* Three bytes each: a place in the index, a value. What is left is appended to the entries. */
static size_t spoil(uint8_t *index, size_t size, size_t room, const uint8_t *data, size_t n)
{
	size_t length, more;

	while (n >= 3 && data[0] != 255) {
		index[(size_t)(data[0] << 8 | data[1]) % size] = data[2];
		data += 3;
		n -= 3;
	}
	more = n ? n - 1 : 0;
	more = more > room ? room : more;
	memcpy(index + size - 8, data + 1, n ? more : 0);
	size += more;
	length = size - RECFRAME_PREFIX;
	put_u32(index, RECFRAME_SKIPPABLE);
	put_u32(index + 4, (uint32_t)length);
	memcpy(index + 8, "CULPINDX", 8);
	put_u32(index + size - 8, (uint32_t)length);
	put_u32(index + size - 4, crc32c(0, index + RECFRAME_PREFIX, length - 4));
	return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct culprit_error error;
	struct source *source;
	uint8_t *bytes, *exact;
	struct wbuf out;
	size_t size;

	if (!whole)
		make_recording();
	bytes = malloc(whole_size + 4096);
	if (!bytes)
		abort();
	memcpy(bytes, whole, whole_size);
	size = index_at + spoil(bytes + index_at, whole_size - index_at, 4096, data, n);
	/* Of just that size: the sanitizer watches its end. */
	exact = malloc(size);
	if (!exact)
		abort();
	memcpy(exact, bytes, size);
	free(bytes);
	source = recfile_source_memory(exact, size, SEGMENT_BYTES, &error);
	wbuf_init(&out);
	for (size_t i = 0; source && source->ops->segment(source, i); i++) {
		const struct segment_info *info = source->ops->segment(source, i);
		uint64_t seq = info->seq;
		int err;

		if (i && seq <= source->ops->segment(source, i - 1)->seq)
			abort();
		wbuf_clear(&out);
		error.sentence[0] = '\0';
		err = source->ops->read(source, seq, 0, &out, &error);
		if ((err && !error.sentence[0]) || out.len > SEGMENT_BYTES)
			abort();
		source->ops->summary(source, seq, &out, &error);
		source->ops->head(source, seq, &out, &error);
	}
	wbuf_finish(&out);
	source_destroy(source);
	free(exact);
	return 0;
}
