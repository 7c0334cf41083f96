/* A test double of the frame builder: keeps what a collector emitted, in memory, cell by cell, and notes every misuse
 * of struct culprit_frame (put outside a row, column that isn't there, wrong type, two rows with one key). Like the
 * builder it carries cells of groups > 0 over from the last sample. Also a host that reads a fixture tree instead of
 * the machine. What a test asks for and is not there fails the test. */
#ifndef TESTS_FRAME_RECORDER_H
#define TESTS_FRAME_RECORDER_H

#include <stdbool.h>

#include <culprit/collector.h>

/* --- recorder ---------------------------------------------------------------------------------------------------- */

enum recorded_state { RECORDED_ABSENT = 0, RECORDED_VALUE, RECORDED_UNREAD };

struct recorded_cell {
	uint8_t state;
	bool kept;     /* carried over, not put in this sample */
	uint64_t bits; /* numbers; of histograms and stacks: their count */
	char *text;    /* RECORDED_VALUE of text: the bytes (and a NUL); RECORDED_UNREAD: the reason */
	size_t len;
};

struct recorded_row {
	struct recorded_cell *cells; /* one a column */
	bool born, again;
	uint64_t hash; /* of the key */
};

struct recorded_table {
	const struct culprit_table *table;
	bool sampled;  /* named in this sample */
	uint32_t state; /* CULPRIT_FRESH, or what culprit_state() said */
	char reason[512];
	uint64_t lost, time_ns;
	struct recorded_row *rows;
	size_t nrows, cap;
	size_t ended; /* rows of the last sample that are not in this one */
	/* private: the last sample */
	struct recorded_row *old;
	size_t nold;
};

struct recorder;

struct recorder *recorder_create(const struct culprit_collector *);
void recorder_destroy(struct recorder *);

/* One sample of the collector: begin, sample(), end. Returns what sample() returned. */
int recorder_sample(struct recorder *, void *self);
/* The same in pieces. */
struct culprit_frame *recorder_begin(struct recorder *);
void recorder_end(struct recorder *, int result);

/* A frame that takes everything and keeps nothing, for measuring. */
struct culprit_frame recorder_null_frame(void);

/* NULL: none; else a sentence on the first misuse since creation. */
const char *recorder_misuse(const struct recorder *);

const struct recorded_table *recorder_table(const struct recorder *, const char *table);
size_t recorder_rows(const struct recorder *, const char *table);
/* The row whose key columns print as `key` ("vda 0", "-1 0"; columns separated by a blank); NULL: none. */
const struct recorded_row *recorder_find(const struct recorder *, const char *table, const char *key);

/* Cells. All fail the test where the table, column or row isn't there; value functions also where the cell holds no
 * value or has another type. `row` may come from recorder_find(). */
const struct recorded_cell *recorder_cell(const struct recorder *, const char *table, const struct recorded_row *,
					  const char *column);
bool recorder_has(const struct recorder *, const char *table, const struct recorded_row *, const char *column);
uint64_t recorder_u64(const struct recorder *, const char *table, const struct recorded_row *, const char *column);
double recorder_f64(const struct recorder *, const char *table, const struct recorded_row *, const char *column);
const char *recorder_text(const struct recorder *, const char *table, const struct recorded_row *, const char *column);

/* Fails the test unless every table and column of the collector has help, source, and what else a built-in owes. */
void recorder_check_schema(const struct culprit_collector *);
/* Everything to stdout, for looking at. */
void recorder_print(const struct recorder *);

/* A collector opened on a fixture tree (fixture_path()), with a recorder. */
struct fixture_host;
struct fixture_run;
/* `root`: the tree; NULL: this machine. Fails the test where probe() or open() fail. */
struct fixture_run *fixture_run_create(const struct culprit_collector *, const char *root);
void fixture_run_destroy(struct fixture_run *); /* fails the test on misuse of the frame */
struct recorder *fixture_run_recorder(struct fixture_run *);
struct fixture_host *fixture_run_host(struct fixture_run *);
void *fixture_run_self(struct fixture_run *); /* what open() gave */
/* Samples once; fails the test where sample() fails. Returns the recorder. */
struct recorder *fixture_run_sample(struct fixture_run *);

/* --- host -------------------------------------------------------------------------------------------------------- */

struct fixture_answer {
	uint32_t what;
	const char *path;
	int err; /* what ask() returns; -EINPROGRESS for ever: a target that blocks */
	const void *bytes;
	uint32_t len;
};

struct fixture_host {
	struct culprit_host host; /* first: the collector's pointer */
	uint64_t mono_ns, wall_ns, boot_ns; /* 0: the real clocks */
	/* Scripted answers; what is not among them is read directly where `real_asks`, else -ENOENT. Each first gives
	 * -EINPROGRESS and its answer once ask_wait() or another sample came between. */
	const struct fixture_answer *answers;
	size_t nanswers;
	bool real_asks;
	unsigned asks, waits, logs;
	char last_log[512];
	char asked[64][128]; /* asked, not fetched */
};

/* `root` holds proc/ and sys/ (either may be missing); NULL: this machine's own. init/finish. */
void fixture_host_init(struct fixture_host *, const char *root);
void fixture_host_finish(struct fixture_host *);
/* tests/fixtures/proc/NAME; the folder of fixtures can be set by CULPRIT_FIXTURES. Returns buf. */
const char *fixture_path(char *buf, size_t cap, const char *name);
/* Writes a file of a tree that a test makes, with the folders on its way. */
void fixture_write(const char *root, const char *path, const void *bytes, size_t len);
void fixture_write_string(const char *root, const char *path, const char *text);
/* Copies a tree (files, folders, symbolic links). At each file `edit` may change the bytes (len <= cap, which has 64 KiB
 * to spare) or return false to leave the file out. */
void fixture_copy(const char *from, const char *to,
		  bool (*edit)(void *arg, const char *path, char *bytes, size_t *len, size_t cap), void *arg);
/* A fresh folder below /dev/shm or /tmp. Returns buf. */
const char *fixture_temp(char *buf, size_t cap);
void fixture_remove(const char *root);

#endif
