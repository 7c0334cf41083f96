/* A recorder that runs for weeks: synthetic ticks through builder and writer into a directory of hour files with a bound on its
 * size. Does the memory stay flat, does the disk stay within the bound at every tick, and is what is left whole, at the end and
 * under a reader who looks meanwhile? usage: soak_record HOURS [TICKS [BYTES]]   (TICKS: so many instead; `make soak` gives 1,000,000) */
#include <dirent.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "made_recording.h"
#include "recdir.h"
#include "survey.h"

enum { PROCESSES = 60, BUSY = 6, LOOK_EVERY = 97, MAX_BYTES = 24 << 20 };

static uint64_t folder_bytes(const char *path, size_t *ret_files)
{
	DIR *dir = opendir(path);
	const struct dirent *e;
	uint64_t sum = 0;
	struct stat st;

	*ret_files = 0;
	while (dir && (e = readdir(dir))) {
		if (e->d_name[0] == '.' || fstatat(dirfd(dir), e->d_name, &st, 0) < 0)
			continue;
		sum += (uint64_t)st.st_size;
		(*ret_files)++;
	}
	if (dir)
		closedir(dir);
	return sum;
}

static size_t heap_bytes(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static void remove_folder(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(path);
}

static int look(const char *path, struct survey *s, struct culprit_error *error)
{
	struct source *source = recdir_source(path, error);
	int err = source ? survey_run(source, s, error) : -1;

	source_destroy(source);
	return err;
}

int main(int argc, char **argv)
{
	uint64_t ticks = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? (uint64_t)(strtod(argv[1], NULL) * 3600) : 20000;
	const struct recdir_limits limits = {.max_bytes = argc > 3 ? strtoull(argv[3], NULL, 10) : MAX_BYTES};
	char path[] = "/tmp/culprit-soak-XXXXXX";
	struct culprit_error error = {""};
	struct made *m = made_create(PROCESSES, BUSY);
	size_t heap_warm = 0, heap_end, files = 0;
	uint64_t most = 0, written;
	struct survey survey;
	struct sink *sink;
	int failed = 0, err = 0;

	ticks = ticks < 2000 ? 2000 : ticks;
	if (!m || !mkdtemp(path) || !(sink = recdir_sink(path, &limits, &error)) || writer_add_sink(made_writer(m), sink)) {
		printf("FAIL %s\n0 passed, 1 failed\n", error.sentence);
		return 1;
	}
	for (uint64_t i = 0; i < ticks && !err; i++) {
		if (recdir_sink_due(sink, made_wall_ns(m) + 1000000000))
			writer_finish_segment(made_writer(m));
		err = made_tick(m, 1000000000);
		err = err ? err : writer_sink_error(made_writer(m), sink, &error);
		if (i % LOOK_EVERY == 0 || i + 1 == ticks) {
			uint64_t bytes = folder_bytes(path, &files);

			most = bytes > most ? bytes : most;
		}
		if (i == ticks / 2)
			heap_warm = heap_bytes();
	}
	heap_end = heap_bytes();
	written = recdir_sink_written(sink);
	if (err) {
		printf("FAIL tick: %s\n", error.sentence);
		failed++;
	}
	/* While it is still being written. */
	if (look(path, &survey, &error) || survey.ndamages || !survey.frames) {
		printf("FAIL a reader of the unfinished directory: %s%s\n", error.sentence, survey.ndamages ? survey.damages[0].sentence : "");
		failed++;
	}
	survey_finish(&survey);
	made_destroy(m);
	if (look(path, &survey, &error) || survey.ndamages || !survey.state.finished || !survey.state.indexed || survey.gaps) {
		printf("FAIL what is left is not whole: %s\n", error.sentence);
		failed++;
	}
	printf("%" PRIu64 " ticks, %.0f MB written, at most %.1f MB of %.1f at a time in %zu files, the last %" PRIu64
	       " ticks are left; heap %zu and %zu KB\n", ticks, (double)written / 1e6, (double)most / 1e6, (double)limits.max_bytes / 1e6, files,
	       survey.frames, heap_warm >> 10, heap_end >> 10);
	if (most > limits.max_bytes) {
		printf("FAIL the disk: %" PRIu64 " bytes, not %" PRIu64 "\n", most, limits.max_bytes);
		failed++;
	}
	if (heap_end > heap_warm + heap_warm / 10 + (256 << 10)) {
		printf("FAIL the heap grows: %zu KB\n", (heap_end - heap_warm) >> 10);
		failed++;
	}
	survey_finish(&survey);
	remove_folder(path);
	printf("%d passed, %d failed\n", 5 - failed, failed);
	return failed != 0;
}
