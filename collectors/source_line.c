/* Table `source_line`: the source lines of the places somebody looks at, one by one, with the functions that were inlined there.
 * Core asks a helper process for them; here they are remembered, so that each is asked for once and a recording has what was
 * looked at. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builtin.h"
#include "columns.h"

enum { BUILD_ID, OFFSET, MODULE, FUNCTION, FILE_NAME, LINE, INLINED, WHY };
enum { PLACES = 256, BUILD_ID_BYTES = 16 };

#define BY_DWARF "its debug information, by libdw"

static const struct culprit_column columns[] = {
	[BUILD_ID] = KEY_TEXT("build_id", "First 16 bytes of the build-id of the file; none: it has none", "what is looked at"),
	[OFFSET] = COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_BYTES, 0, "offset", "The instruction's place in the file", "what is looked at"),
	[MODULE] = KEY_TEXT("module", "The file, as the process that maps it names it", "what is looked at"),
	[FUNCTION] = TEXT("function", "The innermost function there, an inlined one too", BY_DWARF),
	[FILE_NAME] = TEXT("file", "Its source file", BY_DWARF),
	[LINE] = NUMBER("line", CULPRIT_NONE, "The line in it", BY_DWARF),
	[INLINED] = TEXT("inlined", "What was inlined there, innermost first: a <- b: a is inlined in b", BY_DWARF),
	[WHY] = TEXT("why_not", "Why there is no line", BY_DWARF),
};

static const struct culprit_table source_line_table = {
	.size = sizeof(source_line_table),
	.name = "source_line",
	.kind = CULPRIT_STATE,
	.help = "Source lines of the frames that are looked at in a flame; the last 256 of them",
	.key = "source_place",
	CULPRIT_COLUMNS(columns),
	.show = "module offset function file line inlined why_not",
};

struct place {
	struct culprit_source_line is;
	char path[CULPRIT_SOURCE_PATH + 1];
	uint64_t used;
	uint64_t wanted; /* the round of interests that last named it */
	bool settled, failed;
};

struct source_line {
	const struct culprit_host *host;
	struct place *places[PLACES]; /* NULL: free */
	uint64_t clock, round;
	bool changed, looked; /* looked: somebody does */
};

static void close_lines(void *self)
{
	struct source_line *s = self;

	for (size_t i = 0; i < PLACES; i++)
		free(s->places[i]);
	free(s);
}

static int open_lines(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct source_line *s = calloc(1, sizeof(*s));

	(void)error;
	if (!s)
		return -ENOMEM;
	s->host = host;
	*ret_self = s;
	return 0;
}

static void ask(struct source_line *s, struct place *p)
{
	bool may = s->host->size > offsetof(struct culprit_host, source_line) && s->host->source_line;
	int r = may ? s->host->source_line(s->host, &p->is) : -ENOTSUP;

	if (r == -EINPROGRESS || r == -EAGAIN)
		return;
	p->settled = true;
	p->failed = r != 0;
	s->changed = true;
}

static bool is_place(const struct place *p, const struct culprit_interest *i)
{
	return p && p->is.offset == i->key[3] && !memcmp(p->is.build_id, i->key, BUILD_ID_BYTES) && !strcmp(p->path, i->text);
}

static struct place *place_of(struct source_line *s, const struct culprit_interest *interest)
{
	struct place **oldest = &s->places[0];

	for (size_t i = 0; i < PLACES; i++) {
		if (is_place(s->places[i], interest))
			return s->places[i];
		if (!s->places[i] || (*oldest && s->places[i]->used < (*oldest)->used))
			oldest = &s->places[i];
	}
	if (!*oldest && !(*oldest = malloc(sizeof(**oldest))))
		return NULL;
	memset(*oldest, 0, sizeof(**oldest));
	snprintf((*oldest)->path, sizeof((*oldest)->path), "%s", interest->text);
	(*oldest)->is = (struct culprit_source_line){.size = sizeof((*oldest)->is), .path = (*oldest)->path,
						     .pid = (uint32_t)interest->key[2], .offset = interest->key[3]};
	memcpy((*oldest)->is.build_id, interest->key, BUILD_ID_BYTES);
	(*oldest)->is.build_id_len = interest->key[0] || interest->key[1] ? BUILD_ID_BYTES : 0;
	return *oldest;
}

/* The key: 16 bytes of the build-id, a process that maps the file, the place; the text: the file. */
static void interests(void *self, const struct culprit_interest *list, size_t n)
{
	struct source_line *s = self;

	s->round++;
	s->looked = n > 0;
	for (size_t i = 0; i < n; i++) {
		struct place *p;

		if (strcmp(list[i].table, source_line_table.name) != 0 || list[i].nkey < 4 || !list[i].text ||
		    strlen(list[i].text) > CULPRIT_SOURCE_PATH)
			continue;
		p = place_of(s, &list[i]);
		if (!p)
			continue;
		p->used = ++s->clock;
		/* Where there was none, there may be by now: somebody looks again. */
		if (p->failed && p->wanted + 1 < s->round) {
			p->is.pid = (uint32_t)list[i].key[2];
			p->settled = p->failed = false;
		}
		p->wanted = s->round;
		if (!p->settled)
			ask(s, p);
	}
}

static void put(struct culprit_frame *f, const struct place *p)
{
	char id[2 * BUILD_ID_BYTES + 1] = "";

	culprit_row(f);
	for (uint32_t i = 0; i < p->is.build_id_len; i++)
		snprintf(id + 2 * i, 3, "%02x", p->is.build_id[i]);
	culprit_put_string(f, BUILD_ID, id);
	culprit_put_u64(f, OFFSET, p->is.offset);
	culprit_put_string(f, MODULE, p->path);
	if (p->is.function[0])
		culprit_put_string(f, FUNCTION, p->is.function);
	if (p->is.file[0])
		culprit_put_string(f, FILE_NAME, p->is.file);
	if (p->is.line)
		culprit_put_u64(f, LINE, p->is.line);
	if (p->is.inlined[0])
		culprit_put_string(f, INLINED, p->is.inlined);
	if (p->failed)
		culprit_put_string(f, WHY, p->is.why[0] ? p->is.why : "its debug information could not be read");
	culprit_end(f);
}

static int sample(void *self, struct culprit_frame *f)
{
	struct source_line *s = self;

	for (size_t i = 0; i < PLACES; i++)
		if (s->places[i] && s->places[i]->wanted == s->round && !s->places[i]->settled)
			ask(s, s->places[i]);
	/* The table rests while nobody looks. */
	if (!s->changed && !s->looked)
		return 0;
	s->changed = false;
	culprit_table(f, 0);
	for (size_t i = 0; i < PLACES; i++)
		if (s->places[i] && s->places[i]->settled)
			put(f, s->places[i]);
	return 0;
}

static const struct culprit_table *const tables[] = {&source_line_table};

const struct culprit_collector source_line_collector = {
	.size = sizeof(source_line_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "source_line",
	.help = "File, line and inlined functions of the frame that is looked at",
	.tables = tables,
	.ntables = 1,
	.open = open_lines,
	.sample = sample,
	.close = close_lines,
	.interests = interests,
};
