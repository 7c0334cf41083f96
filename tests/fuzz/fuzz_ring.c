/* Any bytes as the header and the directory of a ring: it is refused or read, within its bounds. The first byte says
 * whether the header's checksum is made right, so that more than the checksum is met. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring_layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { SIZE = 1 << 16 };

/* The input: geometry, live words, then what comes after the header page. */
static void lay_out(uint8_t *file, const uint8_t *data, size_t n)
{
	size_t part = n < sizeof(struct ring_geometry) ? n : sizeof(struct ring_geometry);

	memcpy(file, data, part);
	data += part;
	n -= part;
	part = n < sizeof(struct ring_live) ? n : sizeof(struct ring_live);
	memcpy(file + RING_LIVE_OFFSET, data, part);
	data += part;
	n -= part;
	memcpy(file + RING_HEADER_SIZE, data, n < SIZE - RING_HEADER_SIZE ? n : SIZE - RING_HEADER_SIZE);
}

static void read_all(struct source *source)
{
	struct culprit_error error;
	int count = source->ops->refresh(source, &error);
	struct ring_status status;
	struct wbuf out;

	/* Nobody holds its lock. */
	if (!ring_source_status(source, &status) || status.live)
		abort();
	wbuf_init(&out);
	for (int i = 0; i < count; i++) {
		const struct segment_info *info = source->ops->segment(source, (size_t)i);

		wbuf_clear(&out);
		if (!source->ops->read(source, info->seq, info->size % 13, &out, &error) &&
		    (out.len > SIZE || out.len + info->size % 13 != info->size))
			abort();
	}
	wbuf_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct ring_geometry *geometry;
	struct culprit_error error;
	struct source *source;
	uint8_t *file;
	int fd;

	if (!n)
		return 0;
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	file = calloc(1, SIZE);
	if (fd < 0 || !file)
		abort();
	lay_out(file, data + 1, n - 1);
	geometry = (struct ring_geometry *)(void *)file;
	if (data[0] & 1)
		geometry->crc = crc32c(0, geometry, offsetof(struct ring_geometry, crc));
	if (write(fd, file, SIZE) != SIZE)
		abort();
	source = ring_source_fd(fd, "fuzz", &error);
	if (source) {
		read_all(source);
		if (data[0] & 2 && !ftruncate(fd, data[0] * 256))
			read_all(source);
		source_destroy(source);
	}
	close(fd);
	free(file);
	return 0;
}
