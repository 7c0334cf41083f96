#include "textframes.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <culprit/frame.h>

#include "error.h"
#include "symbols.h"
#include "units.h"

enum { TABLES_MAX = 32, COLUMNS_MAX = 64, LISTS_MAX = 32, WORDS_MAX = 96, LINE_MAX_BYTES = 8192, SLOTS_MAX = 1024 };

struct declared {
	struct culprit_table table;
	struct culprit_column columns[COLUMNS_MAX];
	struct culprit_bounds bounds[COLUMNS_MAX];
	struct culprit_derived derived[LISTS_MAX];
	struct culprit_rollup rollups[LISTS_MAX];
	bool begun, keep; /* in this tick */
};

/* A row of the last sample, to be kept on. */
struct known {
	struct known *next;
	uint32_t table, handle;
	bool seen, ended;
	char key[];
};

struct chunk {
	struct chunk *next;
	char bytes[];
};

/* A function that stacks name. */
struct place {
	const char *module, *name;
	struct culprit_code code;
};

struct textframes {
	struct declared *tables[TABLES_MAX];
	size_t ntables;
	struct host_info host;
	struct memsource *memory;
	struct schema *schema;
	struct writer *writer;
	struct culprit_frame *frame; /* of the tick at work; NULL: none */
	struct chunk *chunks;
	struct known *known;
	struct symbols *symbols; /* NULL where no stack has names */
	struct place *places;
	size_t nplaces;
	bool end_segment;
	uint64_t interval_ns; /* from the next frame on; 0: as it was */
	unsigned line;
	struct culprit_error *error;
};

struct word {
	char *name;  /* before '='; NULL: none */
	char *value; /* NUL-terminated, may hold others */
	size_t len;
	bool quoted, unread;
};

__attribute__((format(printf, 2, 3))) static int wrong(struct textframes *t, const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return error_set(t->error, -EINVAL, "line %u: %s", t->line, text);
}

static char *copy(struct textframes *t, const char *s)
{
	struct chunk *c = calloc(1, sizeof(*c) + strlen(s) + 1);

	if (!c)
		return NULL;
	c->next = t->chunks;
	t->chunks = c;
	memcpy(c->bytes, s, strlen(s));
	return c->bytes;
}

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10 : -1;
}

/* Splits a line in place. */
static int split(struct textframes *t, char *line, struct word *words, size_t *ret_n)
{
	char *in = line, *out = line;
	size_t n = 0;

	for (;;) {
		struct word *w = &words[n];
		bool in_quotes = false;

		while (isspace((unsigned char)*in))
			in++;
		if (!*in || *in == '#')
			break;
		if (n == WORDS_MAX)
			return wrong(t, "too many words");
		*w = (struct word){.value = out};
		for (; *in && (in_quotes || !isspace((unsigned char)*in)); in++) {
			if (*in == '"') {
				in_quotes = !in_quotes;
				w->quoted = true;
			} else if (in_quotes && *in == '\\' && in[1] == 'x' && hex(in[2]) >= 0 && hex(in[3]) >= 0) {
				*out++ = (char)(hex(in[2]) << 4 | hex(in[3]));
				in += 3;
			} else if (in_quotes && *in == '\\' && in[1]) {
				*out++ = *++in;
			} else if (*in == '=' && !w->name && !w->quoted) {
				*out++ = '\0';
				w->name = w->value;
				w->value = out;
			} else if (*in == '?' && w->name && out == w->value && !w->quoted) {
				w->unread = true;
			} else {
				*out++ = *in;
			}
		}
		if (in_quotes)
			return wrong(t, "a quote is not closed");
		w->len = (size_t)(out - w->value);
		if (*in)
			in++;
		*out++ = '\0';
		n++;
	}
	*ret_n = n;
	return 0;
}

static unsigned lookup(const char *word, const char *(*name)(unsigned), unsigned n)
{
	for (unsigned i = 1; i <= n; i++)
		if (strcmp(name(i), word) == 0)
			return i;
	return 0;
}

static unsigned unit_of(const char *word)
{
	return strcmp(word, "none") == 0 ? CULPRIT_NONE : lookup(word, schema_unit_name, CULPRIT_HZ);
}

static struct declared *find_table(struct textframes *t, const char *name, uint32_t *ret_index)
{
	for (size_t i = 0; i < t->ntables; i++) {
		if (strcmp(t->tables[i]->table.name, name) == 0) {
			if (ret_index)
				*ret_index = (uint32_t)i;
			return t->tables[i];
		}
	}
	wrong(t, "no table '%s'", name);
	return NULL;
}

/* edges(0/10/100), linear(start/step/count), loglinear(count) */
static int declare_bounds(struct textframes *t, const char *text, struct culprit_bounds *b)
{
	double v[SLOTS_MAX];
	const char *p = strchr(text, '(');
	char *end;
	size_t n = 0;

	while (p && *p && *p != ')' && n < SLOTS_MAX) {
		v[n++] = strtod(p + 1, &end);
		p = end;
	}
	if (!n)
		return wrong(t, "'%s' are no bounds", text);
	if (strncmp(text, "edges(", 6) == 0) {
		struct chunk *c = calloc(1, sizeof(*c) + n * sizeof(double) + sizeof(max_align_t));
		double *edges;

		if (!c)
			return -ENOMEM;
		c->next = t->chunks;
		t->chunks = c;
		edges = (double *)(((uintptr_t)c->bytes + 15) & ~(uintptr_t)15);
		memcpy(edges, v, n * sizeof(double));
		*b = (struct culprit_bounds){.kind = CULPRIT_EDGES, .count = (uint32_t)n, .edges = edges};
	} else if (strncmp(text, "linear(", 7) == 0 && n == 3) {
		*b = (struct culprit_bounds){.kind = CULPRIT_LINEAR, .count = (uint32_t)v[2], .start = v[0], .step = v[1]};
	} else if (strncmp(text, "loglinear(", 10) == 0) {
		*b = (struct culprit_bounds){.kind = CULPRIT_LOG_LINEAR, .count = (uint32_t)v[0]};
	} else {
		return wrong(t, "'%s' are no bounds", text);
	}
	return 0;
}

static int declare_column(struct textframes *t, struct declared *d, const struct word *w)
{
	uint32_t i = d->table.ncolumns;
	struct culprit_column *c = &d->columns[i];
	char *role = w->value, *type = strchr(role, ':'), *unit, *group, *flag = strchr(role, '!');
	int err;

	if (i == COLUMNS_MAX || !type)
		return wrong(t, "column '%s' needs role:type[:unit][,group]", w->name);
	*type++ = '\0';
	if (flag)
		*flag++ = '\0';
	unit = strchr(type, ':');
	if (unit)
		*unit++ = '\0';
	group = strchr(unit ? unit : type, ',');
	if (group)
		*group++ = '\0';
	*c = (struct culprit_column){
		.name = copy(t, w->name),
		.role = (uint8_t)lookup(role, schema_role_name, CULPRIT_TIME),
		.unit = (uint8_t)(unit ? unit_of(unit) : CULPRIT_NONE),
		.group = (uint8_t)(group ? strtoul(group, NULL, 10) : 0),
		.flags = !flag ? 0 : strcmp(flag, "running") == 0 ? CULPRIT_RUNNING : CULPRIT_THOUSANDS,
		.help = "test",
		.source = "test",
	};
	if (c->role == CULPRIT_HISTOGRAM) {
		c->type = CULPRIT_HIST;
		err = declare_bounds(t, type, &d->bounds[i]);
		if (err)
			return err;
		c->bounds = &d->bounds[i];
	} else {
		c->type = (uint8_t)lookup(type, schema_type_name, CULPRIT_HIST);
	}
	if (!c->role || !c->type || !c->unit)
		return wrong(t, "column '%s': unknown role, type or unit", w->name);
	d->table.ncolumns++;
	return 0;
}

static int declare_table(struct textframes *t, struct word *w, size_t n)
{
	struct declared *d;
	int err = 0;

	if (n < 3 || t->ntables == TABLES_MAX)
		return wrong(t, "table NAME state|event [key=TYPE] COLUMN=...");
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	t->tables[t->ntables++] = d;
	d->table = (struct culprit_table){
		.size = sizeof(d->table),
		.name = copy(t, w[1].value),
		.kind = strcmp(w[2].value, "event") == 0 ? CULPRIT_EVENT : CULPRIT_STATE,
		.help = "test",
		.columns = d->columns,
		.column_size = sizeof(d->columns[0]),
		.derived = d->derived,
		.derived_size = sizeof(d->derived[0]),
		.rollups = d->rollups,
		.rollup_size = sizeof(d->rollups[0]),
	};
	for (size_t i = 3; i < n && !err; i++) {
		if (!w[i].name)
			return wrong(t, "'%s' is no column", w[i].value);
		if (strcmp(w[i].name, "key") == 0 && !strchr(w[i].value, ':'))
			d->table.key = copy(t, w[i].value);
		else
			err = declare_column(t, d, &w[i]);
	}
	return err;
}

static int declare_derived(struct textframes *t, struct word *w, size_t n)
{
	static const char *const ops[] = {"", "rate", "ratio", "level", "level_ratio", "difference", "percentile",
					  "since", "growth"};
	struct declared *d = n >= 5 ? find_table(t, w[1].value, NULL) : NULL;
	struct culprit_derived *r;
	char *b;

	if (!d || d->table.nderived == LISTS_MAX)
		return n >= 5 ? -EINVAL : wrong(t, "derived TABLE NAME OP A[/B] [scale=] [arg=] [unit=]");
	r = &d->derived[d->table.nderived++];
	b = strchr(w[4].value, '/');
	if (b)
		*b++ = '\0';
	*r = (struct culprit_derived){.name = copy(t, w[2].value), .a = copy(t, w[4].value), .b = b ? copy(t, b) : NULL,
				      .unit = CULPRIT_NONE, .help = "test"};
	for (unsigned i = 1; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (strcmp(ops[i], w[3].value) == 0)
			r->op = i;
	for (size_t i = 5; i < n; i++) {
		if (w[i].name && strcmp(w[i].name, "scale") == 0)
			r->scale = strtod(w[i].value, NULL);
		else if (w[i].name && strcmp(w[i].name, "arg") == 0)
			r->arg = strtod(w[i].value, NULL);
		else if (w[i].name && strcmp(w[i].name, "unit") == 0)
			r->unit = unit_of(w[i].value);
		else
			return wrong(t, "'%s' is unknown here", w[i].value);
	}
	return 0;
}

static int declare_rollup(struct textframes *t, struct word *w, size_t n)
{
	struct declared *d = n == 6 ? find_table(t, w[1].value, NULL) : NULL;
	uint32_t op;

	if (!d || d->table.nrollups == LISTS_MAX)
		return n == 6 ? -EINVAL : wrong(t, "rollup TABLE COLUMN PARENT NAME sum|max|merge");
	op = strcmp(w[5].value, "max") == 0 ? CULPRIT_ROLL_MAX :
	     strcmp(w[5].value, "merge") == 0 ? CULPRIT_ROLL_MERGE : CULPRIT_ROLL_SUM;
	d->rollups[d->table.nrollups++] = (struct culprit_rollup){
		.column = copy(t, w[2].value), .table = copy(t, w[3].value), .name = copy(t, w[4].value), .op = op,
		.help = "test"};
	return 0;
}

/* The words from `first` on, with spaces. */
static char *joined(struct textframes *t, const struct word *w, size_t first, size_t n)
{
	char text[LINE_MAX_BYTES] = "";
	size_t len = 0;

	for (size_t i = first; i < n && len < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i > first ? " " : "", w[i].value);
	return copy(t, text);
}

static int declare_text(struct textframes *t, const struct word *w, size_t n)
{
	struct declared *d = n >= 3 ? find_table(t, w[1].value, NULL) : NULL;

	if (!d)
		return n >= 3 ? -EINVAL : wrong(t, "%s needs a table and more", w[0].value);
	if (strcmp(w[0].value, "show") == 0) {
		d->table.show = joined(t, w, 2, n);
	} else if (strcmp(w[0].value, "sort") == 0) {
		d->table.sort = copy(t, w[2].value);
	} else {
		d->table.parent = copy(t, w[2].value);
		d->table.parent_columns = joined(t, w, 3, n);
	}
	return 0;
}

static int declare_host(struct textframes *t, const struct word *w, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		const char *name = w[i].name ? w[i].name : "";
		uint64_t v = 0;

		if (strcmp(name, "hz") == 0)
			t->host.user_hz = strtoull(w[i].value, NULL, 10);
		else if (strcmp(name, "name") == 0)
			snprintf(t->host.name, sizeof(t->host.name), "%s", w[i].value);
		else if (strcmp(name, "zone") == 0)
			snprintf(t->host.zone, sizeof(t->host.zone), "%s", w[i].value);
		else if (units_parse_duration(w[i].value, &v, NULL))
			return wrong(t, "'%s' is unknown here", name);
		else if (strcmp(name, "interval") == 0)
			t->host.interval_ns = v;
		else if (strcmp(name, "boot") == 0)
			t->host.boot_wall_ns = (int64_t)v;
		else
			return wrong(t, "'%s' is unknown here", name);
	}
	return 0;
}

static int open_writer(struct textframes *t)
{
	if (t->writer)
		return 0;
	t->schema = schema_create();
	if (!t->schema)
		return -ENOMEM;
	for (size_t i = 0; i < t->ntables; i++) {
		int id = schema_add(t->schema, &t->tables[i]->table, t->error);

		if (id < 0)
			return id;
	}
	t->writer = writer_create(t->schema, &t->host);
	if (!t->writer || writer_add_sink(t->writer, memsource_sink(t->memory)))
		return -ENOMEM;
	return 0;
}

/* Ends the tables of this tick: rows kept on that were not named. */
static void keep_on(struct textframes *t)
{
	for (uint32_t i = 0; i < t->ntables; i++) {
		bool at_table = false;

		if (!t->tables[i]->begun || !t->tables[i]->keep)
			continue;
		for (struct known *k = t->known; k; k = k->next) {
			if (k->table != i || k->seen || k->ended)
				continue;
			if (!at_table)
				culprit_table(t->frame, i);
			at_table = true;
			if (!culprit_again(t->frame, k->handle)) {
				k->handle = culprit_end(t->frame);
				k->seen = true;
			}
		}
	}
}

static int seal(struct textframes *t)
{
	struct known **p = &t->known, *k;
	int err;

	if (!t->frame)
		return 0;
	keep_on(t);
	t->frame = NULL;
	err = builder_frame_end(writer_builder(t->writer), 0, NULL, 1000, 1, t->error);
	if (!err)
		err = writer_commit(t->writer);
	if (t->end_segment && !err)
		err = writer_finish_segment(t->writer);
	if (t->interval_ns && !err)
		err = writer_set_interval(t->writer, t->interval_ns);
	t->end_segment = false;
	t->interval_ns = 0;
	while ((k = *p)) {
		if (!k->seen && t->tables[k->table]->begun) {
			*p = k->next;
			free(k);
			continue;
		}
		k->seen = k->ended = false;
		p = &k->next;
	}
	for (size_t i = 0; i < t->ntables; i++)
		t->tables[i]->begun = t->tables[i]->keep = false;
	return err;
}

static int tick(struct textframes *t, const struct word *w, size_t n)
{
	uint64_t mono, wall;
	int err = seal(t);

	if (!err)
		err = open_writer(t);
	if (err)
		return err;
	if (n < 2 || units_parse_duration(w[1].value, &mono, NULL))
		return wrong(t, "tick TIME");
	wall = mono + 1700000000000000000ull;
	if (n > 2 && (!w[2].name || units_parse_duration(w[2].value, &wall, NULL)))
		return wrong(t, "wall=TIME");
	builder_begin(writer_builder(t->writer), mono, (int64_t)wall);
	t->frame = builder_frame(writer_builder(t->writer), 0, (uint32_t)t->ntables);
	return 0;
}

static struct declared *begin_table(struct textframes *t, const char *name, uint64_t at, uint32_t *ret_index)
{
	struct declared *d = find_table(t, name, ret_index);

	if (!d)
		return NULL;
	if (!t->frame) {
		wrong(t, "no tick has begun");
		return NULL;
	}
	culprit_table_at(t->frame, *ret_index, at);
	d->begun = true;
	return d;
}

static int sample(struct textframes *t, const struct word *w, size_t n)
{
	struct declared *d;
	uint64_t at = 0;
	bool keep = false;
	uint32_t index;

	for (size_t i = 2; i < n; i++) {
		if (w[i].name && strcmp(w[i].name, "at") == 0) {
			if (units_parse_duration(w[i].value, &at, NULL))
				return wrong(t, "at=TIME");
		} else if (strcmp(w[i].value, "keep") == 0) {
			keep = true;
		} else {
			return wrong(t, "'%s' is unknown here", w[i].value);
		}
	}
	if (n < 2)
		return wrong(t, "sample TABLE");
	d = begin_table(t, w[1].value, at, &index);
	if (!d)
		return -EINVAL;
	d->keep = keep;
	return 0;
}

/* The same name in the same module is the same place. */
static int named(struct textframes *t, const char *module, const char *name, struct culprit_code *ret)
{
	uint32_t kind = strcmp(module, "[vdso]") == 0  ? CULPRIT_MODULE_VDSO :
			strncmp(module, "[jit ", 5) == 0 ? CULPRIT_MODULE_GENERATED :
			module[0] == '['		 ? CULPRIT_MODULE_KERNEL :
							   CULPRIT_MODULE_FILE;
	struct place *p;

	for (size_t i = 0; i < t->nplaces; i++) {
		if (strcmp(t->places[i].module, module) == 0 && strcmp(t->places[i].name, name) == 0) {
			*ret = t->places[i].code;
			return 0;
		}
	}
	p = realloc(t->places, (t->nplaces + 1) * sizeof(*p));
	if (!p)
		return -ENOMEM;
	t->places = p;
	p = &t->places[t->nplaces];
	p->module = copy(t, module);
	p->name = copy(t, name);
	if (!p->module || !p->name || symbols_named(t->symbols, module, strlen(module), kind, name, strlen(name), &p->code))
		return -ENOMEM;
	t->nplaces++;
	*ret = p->code;
	return 0;
}

/* Some of its frames have names. */
static int put_code(struct textframes *t, uint32_t column, char *text)
{
	struct symbols_options options = {.proc_fd = -1, .here = true};
	struct culprit_code code[255];
	uint32_t n = 0;
	char *save = NULL;

	if (!t->symbols) {
		t->symbols = symbols_create(&options);
		if (!t->symbols)
			return wrong(t, "out of memory");
		builder_set_symbols(writer_builder(t->writer), t->symbols);
	}
	for (char *p = strtok_r(text, ";", &save); p && n < 255; p = strtok_r(NULL, ";", &save)) {
		char *name = strchr(p, '!'), *plus = strrchr(p, '+');
		uint64_t offset = !name && plus ? strtoull(plus + 1, NULL, 0) : 0;

		if (name)
			*name++ = '\0';
		else if (plus)
			*plus = '\0';
		code[n] = (struct culprit_code){.offset = offset};
		if (*p && named(t, p, name ? name : ".", &code[n]))
			return wrong(t, "out of memory");
		/* A place without a name lies behind those that have one. */
		if (!name)
			code[n].offset = offset;
		n++;
	}
	culprit_put_code(t->frame, column, code, n);
	return 0;
}

static int put_stack(struct textframes *t, uint32_t column, char *text)
{
	struct culprit_location frames[255];
	uint32_t n = 0;
	char *save = NULL;

	if (strchr(text, '!'))
		return put_code(t, column, text);
	for (char *p = strtok_r(text, ";", &save); p && n < 255; p = strtok_r(NULL, ";", &save)) {
		char *plus = strrchr(p, '+');

		frames[n].module = p;
		frames[n].offset = plus ? strtoull(plus + 1, NULL, 0) : 0;
		if (plus)
			*plus = '\0';
		if (!*p)
			frames[n].module = NULL;
		n++;
	}
	culprit_put_stack(t->frame, column, frames, n);
	return 0;
}

static int put(struct textframes *t, const struct declared *d, uint32_t column, const struct word *w)
{
	const struct culprit_column *c = &d->columns[column];
	uint64_t counts[SLOTS_MAX], whole;
	double v = 0;
	uint32_t n = 0;
	char *end;

	if (w->unread) {
		culprit_unread(t->frame, column, w->value);
		return 0;
	}
	switch (c->type) {
	case CULPRIT_TEXT:
		culprit_put_text(t->frame, column, w->value, w->len);
		return 0;
	case CULPRIT_BOOL:
		culprit_put_bool(t->frame, column, strcmp(w->value, "true") == 0 || strcmp(w->value, "1") == 0);
		return 0;
	case CULPRIT_STACK:
		return put_stack(t, column, w->value);
	case CULPRIT_TASK:
		whole = strtoull(w->value, &end, 10);
		culprit_put_task(t->frame, column, whole, *end == '@' ? strtoull(end + 1, NULL, 10) : 0);
		return 0;
	case CULPRIT_HIST:
		for (const char *p = w->value; n < SLOTS_MAX; p = end + 1) {
			counts[n++] = strtoull(p, &end, 10);
			if (*end != '/')
				break;
		}
		culprit_put_histogram(t->frame, column, counts, n);
		return 0;
	}
	if (w->len && strspn(w->value, "0123456789") == w->len && c->type == CULPRIT_U64) {
		culprit_put_u64(t->frame, column, strtoull(w->value, NULL, 10));
		return 0;
	}
	/* An instant is given as a time, too. */
	if (units_parse(w->value, w->len, c->unit == CULPRIT_MONO_NS || c->unit == CULPRIT_WALL_NS ? CULPRIT_NS : c->unit, &v,
			NULL))
		return wrong(t, "'%s' is no value for %s", w->value, c->name);
	if (c->type == CULPRIT_F64)
		culprit_put_f64(t->frame, column, v);
	else if (c->type == CULPRIT_I64)
		culprit_put_i64(t->frame, column, (int64_t)v);
	else
		culprit_put_u64(t->frame, column, (uint64_t)v);
	return 0;
}

/* The row's key as one text: what is known of it between ticks. */
static struct known *known_row(struct textframes *t, const struct declared *d, uint32_t index, const struct word *w,
			       size_t n, bool make)
{
	char key[512] = "";
	size_t len = 0;
	struct known *k;

	for (uint32_t c = 0; c < d->table.ncolumns; c++)
		for (size_t i = 2; i < n && d->columns[c].role == CULPRIT_KEY; i++)
			if (w[i].name && strcmp(w[i].name, d->columns[c].name) == 0 && len < sizeof(key))
				len += (size_t)snprintf(key + len, sizeof(key) - len, "%s\x01", w[i].value);
	for (k = t->known; k; k = k->next)
		if (k->table == index && strcmp(k->key, key) == 0)
			return k;
	if (!make)
		return NULL;
	k = calloc(1, sizeof(*k) + strlen(key) + 1);
	if (!k)
		return NULL;
	memcpy(k->key, key, strlen(key));
	k->table = index;
	k->handle = CULPRIT_NO_HANDLE;
	k->next = t->known;
	t->known = k;
	return k;
}

static int row(struct textframes *t, struct word *w, size_t n)
{
	struct declared *d;
	struct known *k = NULL;
	bool again = false, state;
	uint32_t index;

	d = n >= 2 ? begin_table(t, w[1].value, 0, &index) : NULL;
	if (!d)
		return n >= 2 ? -EINVAL : wrong(t, "%s TABLE COLUMN=VALUE ...", w[0].value);
	state = d->table.kind == CULPRIT_STATE;
	if (state) {
		k = known_row(t, d, index, w, n, strcmp(w[0].value, "end") != 0);
		if (strcmp(w[0].value, "end") == 0) {
			if (!k)
				return wrong(t, "no such row");
			k->ended = true;
			return 0;
		}
		if (!k)
			return -ENOMEM;
		again = d->keep && k->handle != CULPRIT_NO_HANDLE && culprit_again(t->frame, k->handle) == 0;
	}
	if (!again)
		culprit_row(t->frame);
	if (strcmp(w[0].value, "born") == 0)
		culprit_born(t->frame);
	for (size_t i = 2; i < n; i++) {
		uint32_t c = 0;
		int err;

		while (c < d->table.ncolumns && (!w[i].name || strcmp(d->columns[c].name, w[i].name) != 0))
			c++;
		if (c == d->table.ncolumns)
			return wrong(t, "no column '%s' in %s", w[i].name ? w[i].name : w[i].value, d->table.name);
		if (again && d->columns[c].role == CULPRIT_KEY)
			continue;
		err = put(t, d, c, &w[i]);
		if (err)
			return err;
	}
	index = culprit_end(t->frame);
	if (k) {
		k->handle = index;
		k->seen = true;
	}
	return 0;
}

static int state(struct textframes *t, const struct word *w, size_t n)
{
	static const char *const names[] = {"", "fresh", "resting", "failed", "late", "missing"};
	uint32_t index, s = 0;

	if (n < 3 || !t->frame || !find_table(t, w[1].value, &index))
		return wrong(t, "state TABLE fresh|resting|failed|late|missing [REASON]");
	for (uint32_t i = 1; i < 6; i++)
		if (strcmp(names[i], w[2].value) == 0)
			s = i;
	if (!s)
		return wrong(t, "'%s' is no state", w[2].value);
	culprit_state(t->frame, index, s, n > 3 ? w[3].value : NULL);
	return 0;
}

static int lost(struct textframes *t, const struct word *w, size_t n)
{
	uint32_t index;

	if (n != 3 || !t->frame || !find_table(t, w[1].value, &index))
		return wrong(t, "lost TABLE N");
	culprit_lost(t->frame, index, strtoull(w[2].value, NULL, 10));
	return 0;
}

static int statement(struct textframes *t, char *line)
{
	struct word words[WORDS_MAX + 1];
	const char *verb;
	size_t n = 0;
	int err = split(t, line, words, &n);

	if (err || !n)
		return err;
	verb = words[0].value;
	if (!t->writer) {
		if (!strcmp(verb, "host"))
			return declare_host(t, words, n);
		if (!strcmp(verb, "table"))
			return declare_table(t, words, n);
		if (!strcmp(verb, "derived"))
			return declare_derived(t, words, n);
		if (!strcmp(verb, "rollup"))
			return declare_rollup(t, words, n);
		if (!strcmp(verb, "parent") || !strcmp(verb, "show") || !strcmp(verb, "sort"))
			return declare_text(t, words, n);
	}
	if (!strcmp(verb, "tick"))
		return tick(t, words, n);
	if (!strcmp(verb, "sample"))
		return sample(t, words, n);
	if (!strcmp(verb, "row") || !strcmp(verb, "born") || !strcmp(verb, "end") || !strcmp(verb, "event"))
		return row(t, words, n);
	if (!strcmp(verb, "state"))
		return state(t, words, n);
	if (!strcmp(verb, "lost"))
		return lost(t, words, n);
	if (!strcmp(verb, "segment")) {
		t->end_segment = t->frame != NULL;
		return 0;
	}
	if (!strcmp(verb, "interval") && n == 2 && t->frame)
		return units_parse_duration(words[1].value, &t->interval_ns, NULL) ? wrong(t, "'%s' is no interval", words[1].value) : 0;
	return wrong(t, "'%s' is no statement here", verb);
}

int textframes_add(struct textframes *t, const char *text, struct culprit_error *error)
{
	char line[LINE_MAX_BYTES];
	int err = 0;

	t->error = error;
	while (*text && !err) {
		size_t len = 0, n;

		/* A backslash at the end joins lines. */
		do {
			n = strcspn(text, "\n");
			if (len + n + 2 > sizeof(line))
				return wrong(t, "too long");
			memcpy(line + len, text, n);
			len += n;
			text += n;
			t->line += *text == '\n';
			text += *text == '\n';
		} while (n && line[len - 1] == '\\' && *text && (line[len - 1] = ' '));
		line[len] = '\0';
		err = statement(t, line);
	}
	if (!err)
		err = seal(t);
	t->error = NULL;
	return err;
}

struct textframes *textframes_create(const char *text, struct culprit_error *error)
{
	struct textframes *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->memory = memsource_create();
	t->host = (struct host_info){.name = "test", .user_hz = 100, .page_size = 4096, .cpus = 4,
				     .memory_bytes = 1ull << 30, .interval_ns = 1000000000,
				     .boot_wall_ns = 1700000000000000000};
	if (!t->memory || textframes_add(t, text, error)) {
		textframes_destroy(t);
		return NULL;
	}
	return t;
}

void textframes_destroy(struct textframes *t)
{
	if (!t)
		return;
	writer_destroy(t->writer);
	symbols_destroy(t->symbols);
	free(t->places);
	schema_unlock(t->schema);
	memsource_unlock(t->memory);
	for (size_t i = 0; i < t->ntables; i++)
		free(t->tables[i]);
	while (t->known) {
		struct known *k = t->known;

		t->known = k->next;
		free(k);
	}
	while (t->chunks) {
		struct chunk *c = t->chunks;

		t->chunks = c->next;
		free(c);
	}
	free(t);
}

struct memsource *textframes_memory(struct textframes *t)
{
	return t->memory;
}

struct source *textframes_source(struct textframes *t)
{
	return memsource_source(t->memory);
}

struct writer *textframes_writer(struct textframes *t)
{
	return t->writer;
}
