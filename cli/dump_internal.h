/* Shared by dump.c and its three forms: dump_json.c, dump_csv.c, dump_table.c. */
#ifndef CLI_DUMP_INTERNAL_H
#define CLI_DUMP_INTERNAL_H

#include <stdio.h>

#include "query.h"
#include "view.h"

enum { DUMP_COLUMNS_MAX = 512 };

struct dump {
	struct view *view;
	struct query *query;
	struct query_info info;
	const char *table;
	FILE *out;
	uint16_t columns[DUMP_COLUMNS_MAX];
	size_t ncolumns;
	size_t nrows; /* to write */
	bool compared; /* there is a baseline: differences stand beside numbers */
	uint64_t baseline_from_ns, baseline_to_ns;
	bool utf8;    /* for people: the locale shows it */
	char *text;   /* scratch for one text as shown; grows */
	size_t text_cap;
};

/* Each writes everything; a failed write shows in ferror(out), and ends it early. */
int dump_json(struct dump *);
int dump_csv(struct dump *);
int dump_table(struct dump *);

/* No sample was taken in or before the window: there is no time to name. */
static inline bool dump_never_sampled(const struct query_info *info)
{
	return !info->used_to_ns || info->used_to_ns < info->used_from_ns;
}

/* An instant, whichever clock the column counts by. */
static inline bool dump_is_time(const struct query_column *c)
{
	return (c->unit == CULPRIT_MONO_NS || c->unit == CULPRIT_WALL_NS) &&
	       (c->type == CULPRIT_U64 || c->type == CULPRIT_I64);
}

/* Such a value in ns since 1970-01-01Z; it must be there. */
static inline int64_t dump_time_ns(const struct dump *d, const struct query_column *c, const struct value *v)
{
	return c->unit == CULPRIT_MONO_NS ? view_wall_ns(d->view, v->u) : v->i;
}

/* The text as shown, in d->text; NULL: out of memory. `form`: enum text_form. */
const char *dump_text(struct dump *, const char *bytes, size_t n, int form, size_t *ret_len);

#endif
