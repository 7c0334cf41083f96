/* Reading the kernel's small text files and taking them apart. Bounded reads below a directory descriptor into the
 * caller's buffer, descriptors that stay open and are read again with pread, and parsers that trust nothing: numbers
 * that overflow, keys that are cut, bytes that are no text. No stdio, and no memory taken once a buffer has grown.
 *
 * Not here: what a file means (the collectors), and anything that may block (struct culprit_host's ask). */
#ifndef COLLECTORS_PROCFS_H
#define COLLECTORS_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include <culprit/frame.h>
#include <culprit/types.h>

enum {
	PROCFS_SMALL = 4096,          /* room for any one-record file a collector reads into its stack */
	PROCFS_BUFFER_MAX = 4 << 20,  /* a procfs_buffer never grows beyond */
	PROCFS_COLUMNS_MAX = 128,
	PROCFS_IGNORE = 0xffff,       /* as a field's column: known, not wanted */
};

/* --- reading ---------------------------------------------------------------------------------------------------- */

/* All return bytes read, >= 0, or -errno. What does not fit is left away without an error; the result is then cap. A
 * file that is no regular file of a few bytes (a fifo in a hostile tree) never blocks. */

/* Opens, reads to the end, closes. */
ssize_t procfs_read(int dir, const char *path, void *buf, size_t cap);
/* Reads an open descriptor from its start to its end. */
ssize_t procfs_pread(int fd, void *buf, size_t cap);
/* The same for a file of one seq_file record (most one-value files, all of a cgroup): one system call. */
ssize_t procfs_pread_once(int fd, void *buf, size_t cap);
/* openat() for the above. The descriptor, or -errno. */
int procfs_open(int dir, const char *path);
/* Is a folder /proc that of our own pid namespace: is the process with our number there us? */
bool procfs_is_own(int proc_fd);

/* One number from a file of sysfs; false where it isn't there or is no number. */
bool procfs_read_u64(int dir, const char *path, uint64_t *ret);
/* One line from a file of sysfs, without white space at its end; bytes, 0: nothing. */
size_t procfs_read_line(int dir, const char *path, char *buf, size_t cap);
/* Names in a folder without . and .., separated by blanks, as many as fit (of a large folder only the first). Bytes, not
 * terminated; 0: none. */
size_t procfs_entries(int dir, const char *path, char *buf, size_t cap);
bool procfs_has_entries(int dir, const char *path);

/* A file that is read in every tick. `dir` and `path` are borrowed. init/finish. */
struct procfs_file {
	int dir, fd; /* fd -1: not open now */
	const char *path;
};

static inline void procfs_file_init(struct procfs_file *f, int dir, const char *path)
{
	f->dir = dir;
	f->fd = -1;
	f->path = path;
}

void procfs_file_finish(struct procfs_file *); /* closes; NULL-safe */
/* Opens it where it isn't, and once more where the kernel says that the open one is gone (ENODEV, ESTALE). */
ssize_t procfs_file_read(struct procfs_file *, void *buf, size_t cap);

/* Memory for a file without a known bound. Starts empty; grows while reading, up to PROCFS_BUFFER_MAX. init/finish. */
struct procfs_buffer {
	char *data;
	size_t len, cap;
	bool cut; /* the file was longer than PROCFS_BUFFER_MAX */
};

void procfs_buffer_init(struct procfs_buffer *);
void procfs_buffer_finish(struct procfs_buffer *); /* NULL-safe */
/* 0 or -errno; the text is data[0 .. len). */
int procfs_buffer_read(struct procfs_buffer *, struct procfs_file *);

/* One short sentence on why `path` ("/proc/stat") could not be read, with the remedy where there is one. Returns buf. */
const char *procfs_reason(char *buf, size_t cap, const char *path, int err);

/* Says that a whole table could not be read in this sample, and why: `path` as procfs_reason(). */
void procfs_failed(struct culprit_frame *, uint32_t table, const char *path, int err);
/* For probe(): 0 where the file can be opened, else -errno and the reason. */
int procfs_probe(int dir, const char *relative, const char *path, struct culprit_error *);

/* --- taking apart ----------------------------------------------------------------------------------------------- */

/* Borrowed bytes that are consumed from the front: a text, a line of it, a word. */
struct procfs_text {
	const char *p, *end;
};

static inline struct procfs_text procfs_text(const char *bytes, size_t n)
{
	return (struct procfs_text){bytes, bytes + n};
}

static inline struct procfs_text procfs_buffer_text(const struct procfs_buffer *b)
{
	return procfs_text(b->data, b->len);
}

static inline size_t procfs_left(const struct procfs_text *t)
{
	return (size_t)(t->end - t->p);
}

static inline bool procfs_is(const struct procfs_text *t, const char *s)
{
	size_t n = strlen(s);

	return procfs_left(t) == n && memcmp(t->p, s, n) == 0;
}

static inline bool procfs_starts(const struct procfs_text *t, const char *s)
{
	size_t n = strlen(s);

	return procfs_left(t) >= n && memcmp(t->p, s, n) == 0;
}

/* The next line without its '\n'. A last line that lacks it was cut somewhere: it is not given, because half a number
 * is a wrong number. */
bool procfs_line(struct procfs_text *, struct procfs_text *ret_line);
/* The next word: what stands between blanks and tabs. */
bool procfs_word(struct procfs_text *, struct procfs_text *ret_word);
bool procfs_skip(struct procfs_text *, unsigned words);
/* The next word as a number. False, and the word is consumed, where it is something else or out of range. */
bool procfs_u64(struct procfs_text *, uint64_t *ret);
bool procfs_i64(struct procfs_text *, int64_t *ret);
bool procfs_hex(struct procfs_text *, uint64_t *ret);
/* "12.34", not negative, no exponent. */
bool procfs_decimal(struct procfs_text *, double *ret);
/* A whole text that is one number, with or without white space after it. */
bool procfs_whole_u64(const char *bytes, size_t n, uint64_t *ret);
/* The same for what a file holds: its '\n' must be there, or the number may have been cut. */
bool procfs_file_u64(const char *bytes, size_t n, uint64_t *ret);
/* Cuts white space off the end. */
void procfs_trim(struct procfs_text *);
/* Undoes \040 and its like (mountinfo). Returns the bytes written, at most cap. */
size_t procfs_unescape(const struct procfs_text *, char *buf, size_t cap);
/* How many CPUs "0-3,8" names; 0 where it is malformed. */
uint64_t procfs_cpu_list(const struct procfs_text *);

/* --- tables of keys --------------------------------------------------------------------------------------------- */

/* Numbers by column, as a one-row table collects them. */
struct procfs_values {
	uint64_t v[PROCFS_COLUMNS_MAX];
	uint64_t have[PROCFS_COLUMNS_MAX / 64];
};

/* Which key goes to which column. Several keys of one column add up. The first field that matches counts. */
struct procfs_field {
	const char *key;
	uint16_t column;
	uint8_t prefix; /* the key is only how the word begins: allocstall_dma, allocstall_normal ... */
	uint32_t scale; /* the value is multiplied by it; 0 reads as 1 */
};

static inline void procfs_values_clear(struct procfs_values *v)
{
	memset(v->have, 0, sizeof(v->have));
}

static inline bool procfs_have(const struct procfs_values *v, uint32_t column)
{
	return v->have[column / 64] >> (column % 64) & 1;
}

/* Adds to a column; what overflows is not there. */
void procfs_add(struct procfs_values *, uint32_t column, uint64_t value, uint64_t scale);
/* Lines "key value ..." or "key: value ..."; returns how many fields were found. */
unsigned procfs_fields(struct procfs_text, const struct procfs_field *, unsigned nfields, struct procfs_values *);
/* Lines in pairs, as in /proc/net/snmp: "Tcp: A B", "Tcp: 1 2", with `prefix` "Tcp:". */
unsigned procfs_pairs(struct procfs_text, const char *prefix, const struct procfs_field *, unsigned nfields,
		      struct procfs_values *);
/* Puts all there are into the current row. */
void procfs_put(struct culprit_frame *, const struct procfs_values *);

#define PROCFS_COUNT(array) ((unsigned)(sizeof(array) / sizeof((array)[0])))

#endif
