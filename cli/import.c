#include "import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <culprit/collector.h>

#include "error.h"
#include "format.h"
#include "hostinfo.h"
#include "profile_text.h"
#include "symbols.h"

enum { IMPORT_MAX = 1 << 30 };

enum { COMM, PID, TID, STACK, SAMPLES };
static const struct culprit_column columns[] = {
	[COMM] = {"comm", CULPRIT_KEY, CULPRIT_TEXT, CULPRIT_NONE, .help = "name of the thread, as the profile has it"},
	[PID] = {"pid", CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, .help = "process; 0: not said"},
	[TID] = {"tid", CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, .help = "thread; 0: not said"},
	[STACK] = {"stack", CULPRIT_KEY, CULPRIT_STACK, CULPRIT_NONE, .help = "innermost frame first"},
	[SAMPLES] = {"samples", CULPRIT_COUNTER, CULPRIT_U64, CULPRIT_COUNT, .help = "how often it was seen"},
};
static const struct culprit_table profile_table = {
	.size = sizeof(struct culprit_table), .name = "profile", .kind = CULPRIT_STATE, .key = "profile",
	.help = "stacks of another tool's profile", CULPRIT_COLUMNS(columns),
};

/* One stack of one thread. */
struct item {
	struct item *next;
	uint64_t pid, tid, samples;
	uint32_t n, comm_len, hash;
	const char *comm;
	struct culprit_code code[];
};

struct named {
	struct culprit_code code; /* module 0: empty */
	uint64_t hash;
};

struct import {
	struct symbols *symbols;
	struct named *names; /* by what a frame is called, and where */
	size_t nnames, names_cap;
	struct item **items;
	size_t nitems, items_cap;
};

static uint64_t hash_bytes(uint64_t h, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return h ^ h >> 31;
}

/* The place that stands for a frame. Told apart by 64 bits of hash. */
static int code_of(struct import *in, const struct profile_frame *f, struct culprit_code *ret)
{
	uint64_t h = hash_bytes(0xcbf29ce484222325u + f->kind, f->name, f->name_len);
	size_t i;
	int r;

	h = hash_bytes(h * 31 + 7, f->module, f->module_len);
	if ((in->nnames + 1) * 2 > in->names_cap) {
		size_t cap = in->names_cap ? in->names_cap * 2 : 4096;
		struct named *names = calloc(cap, sizeof(*names));

		if (!names)
			return -ENOMEM;
		for (size_t k = 0; k < in->names_cap; k++) {
			if (!in->names[k].code.module)
				continue;
			for (i = in->names[k].hash & (cap - 1); names[i].code.module; i = (i + 1) & (cap - 1))
				;
			names[i] = in->names[k];
		}
		free(in->names);
		in->names = names;
		in->names_cap = cap;
	}
	for (i = h & (in->names_cap - 1); in->names[i].code.module; i = (i + 1) & (in->names_cap - 1)) {
		if (in->names[i].hash == h) {
			*ret = in->names[i].code;
			return 0;
		}
	}
	r = symbols_named(in->symbols, f->module_len ? f->module : "", f->module_len, f->kind, f->name,
			  f->name_len, ret);
	if (r)
		return r;
	in->names[i] = (struct named){*ret, h};
	in->nnames++;
	return 0;
}

static int items_grow(struct import *in)
{
	size_t cap = in->items_cap ? in->items_cap * 2 : 4096;
	struct item **items = calloc(cap, sizeof(struct item *));

	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < in->items_cap; i++) {
		for (struct item *item = in->items[i], *next; item; item = next) {
			next = item->next;
			item->next = items[item->hash & (cap - 1)];
			items[item->hash & (cap - 1)] = item;
		}
	}
	free(in->items);
	in->items = items;
	in->items_cap = cap;
	return 0;
}

static int take(void *self, const struct profile_sample *s)
{
	struct import *in = self;
	struct culprit_code code[PROFILE_FRAMES_MAX];
	struct item *item;
	uint32_t hash;
	int r;

	for (size_t i = 0; i < s->n; i++) {
		r = code_of(in, &s->frames[i], &code[i]);
		if (r)
			return r;
	}
	hash = (uint32_t)hash_bytes(hash_bytes(s->pid * 31 + s->tid, code, s->n * sizeof(*code)), s->comm, s->comm_len);
	if (in->nitems >= in->items_cap && items_grow(in))
		return -ENOMEM;
	for (item = in->items[hash & (in->items_cap - 1)]; item; item = item->next) {
		if (item->hash == hash && item->pid == s->pid && item->tid == s->tid && item->n == s->n &&
		    item->comm_len == s->comm_len && !memcmp(item->comm, s->comm, s->comm_len) &&
		    !memcmp(item->code, code, s->n * sizeof(*code))) {
			item->samples += s->weight;
			return 0;
		}
	}
	if (in->nitems == FORMAT_ROWS_MAX)
		return -E2BIG;
	item = malloc(sizeof(*item) + s->n * sizeof(*code));
	if (!item)
		return -ENOMEM;
	*item = (struct item){.next = in->items[hash & (in->items_cap - 1)], .pid = s->pid, .tid = s->tid, .samples = s->weight,
			      .n = (uint32_t)s->n, .comm_len = (uint32_t)s->comm_len, .hash = hash, .comm = s->comm};
	memcpy(item->code, code, s->n * sizeof(*code));
	in->items[hash & (in->items_cap - 1)] = item;
	in->nitems++;
	return 0;
}

/* Two frames a second apart: an empty one, and one with all that came since. */
static int write_frames(struct import *in, struct writer *w)
{
	struct builder *b = writer_builder(w);
	int64_t wall_ns = (int64_t)time(NULL) * 1000000000;
	int r = 0;

	for (uint64_t tick = 1; tick <= 2 && !r; tick++) {
		struct culprit_frame *f;

		builder_begin(b, tick * 1000000000u, wall_ns - (int64_t)(2 - tick) * 1000000000);
		f = builder_frame(b, 0, 1);
		culprit_table(f, 0);
		for (size_t i = 0; i < in->items_cap && tick == 2; i++) {
			for (struct item *item = in->items[i]; item; item = item->next) {
				culprit_row(f);
				culprit_born(f);
				culprit_put_text(f, COMM, item->comm, item->comm_len);
				culprit_put_u64(f, PID, item->pid);
				culprit_put_u64(f, TID, item->tid);
				culprit_put_code(f, STACK, item->code, item->n);
				culprit_put_u64(f, SAMPLES, item->samples);
				culprit_end(f);
			}
		}
		r = builder_frame_end(b, 0, NULL, 0, 1, NULL);
		if (!r)
			r = writer_commit(w);
	}
	return r ? r : writer_finish_segment(w);
}

static char *read_text(const char *file, size_t *ret_n, struct culprit_error *error)
{
	int fd = strcmp(file, "-") ? open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY) : fcntl(0, F_DUPFD_CLOEXEC, 3);
	size_t cap = 1 << 20, n = 0;
	char *text = malloc(cap);
	ssize_t got = 0;

	if (fd < 0) {
		error_set(error, -errno, "cannot open %.150s: %s", file, strerror(errno));
		free(text);
		return NULL;
	}
	while (text && (got = read(fd, text + n, cap - n)) > 0) {
		n += (size_t)got;
		if (n > IMPORT_MAX)
			break;
		if (n == cap) {
			char *more = realloc(text, cap * 2);

			if (!more)
				break;
			text = more;
			cap *= 2;
		}
	}
	if (got) {
		if (got < 0)
			error_set(error, -errno, "cannot read %.150s: %s", file, strerror(errno));
		else
			error_set(error, -EFBIG, "%.150s is too large to import: at most 1 GiB, or the memory there is", file);
		free(text);
		text = NULL;
	} else if (!text) {
		error_set(error, -ENOMEM, "out of memory");
	}
	close(fd);
	*ret_n = n;
	return text;
}

struct memsource *import_file(const char *file, struct culprit_error *notice, struct culprit_error *error)
{
	struct symbols_options options = {.proc_fd = -1, .here = true, .bytes_max = SIZE_MAX};
	struct import in = {.symbols = symbols_create(&options)};
	struct schema *schema = schema_create();
	struct memsource *mem = memsource_create();
	struct host_info host;
	struct profile_counts counts;
	struct writer *w = NULL;
	size_t n = 0;
	char *text = read_text(file, &n, error);
	int r = -EIO;

	notice->sentence[0] = '\0';
	if (!text)
		goto out;
	if (!in.symbols || !schema || !mem || schema_add(schema, &profile_table, error) < 0) {
		error_set(error, -ENOMEM, "out of memory");
		goto out;
	}
	host_info_read(&host, -1, clock_real(), 1000000000u);
	w = writer_create(schema, &host);
	if (!w || writer_add_sink(w, memsource_sink(mem))) {
		error_set(error, -ENOMEM, "out of memory");
		goto out;
	}
	builder_set_symbols(writer_builder(w), in.symbols);
	r = profile_text_parse(text, n, take, &in, &counts, error);
	if (r == -EBADMSG) {
		struct culprit_error why = *error;

		error_set(error, r, "%.150s: %s", file, why.sentence);
	} else if (!r) {
		r = write_frames(&in, w);
	}
	if (r && r != -EBADMSG)
		error_set(error, r, r == -E2BIG ? "too many different stacks" : "out of memory");
	if (!r && counts.bad)
		error_set(notice, 0, "%llu line%s of %.150s left out: no stacks; the first is line %llu",
			  (unsigned long long)counts.bad, counts.bad == 1 ? "" : "s", file, (unsigned long long)counts.first_bad);
out:
	writer_destroy(w);
	schema_unlock(schema);
	symbols_destroy(in.symbols);
	for (size_t i = 0; i < in.items_cap; i++) {
		for (struct item *item = in.items[i], *next; item; item = next) {
			next = item->next;
			free(item);
		}
	}
	free(in.items);
	free(in.names);
	free(text);
	if (r) {
		memsource_unlock(mem);
		mem = NULL;
	}
	return mem;
}

struct source *import_source(const char *file, struct culprit_error *notice, struct culprit_error *error)
{
	struct memsource *mem = import_file(file, notice, error);
	struct source *source = mem ? memsource_source(mem) : NULL;

	if (mem && !source)
		error_set(error, -ENOMEM, "out of memory");
	memsource_unlock(mem);
	return source;
}
