#include "filter.h"

#include <ctype.h>
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "units.h"

enum { COLUMNS_MAX = 512, WORD_MAX = FILTER_LENGTH_MAX, REGEX_ATOMS_MAX = 2000 };

enum token { END, WORD, QUOTED, OP, OPEN, CLOSE, AND, OR, NOT };
enum op { EQ, NE, LT, LE, GT, GE, MATCH, NOT_MATCH };
enum node_kind { NODE_AND, NODE_OR, NODE_NOT, NODE_NUMBER, NODE_TEXT, NODE_REGEX, NODE_BOOL, NODE_FREE, NODE_TASK };

struct node {
	uint8_t kind, op;
	uint16_t left, right; /* nodes */
	uint16_t column;
	bool want; /* of a bool column */
	double number;
	uint64_t bits;   /* an integer too long for a double, exactly */
	bool exact;
	char *text;
	size_t len;
	regex_t *regex;
};

struct filter {
	struct node *nodes;
	size_t n;
	uint16_t root;
	uint16_t *text_columns; /* for free text */
	size_t ntext_columns;
};

struct parser {
	const char *start, *p;
	const struct filter_columns *columns;
	struct culprit_error *error;
	struct filter *filter;
	int depth, terms;
	/* The token at hand. */
	enum token token;
	const char *at; /* where it begins */
	enum op op;
	char word[WORD_MAX + 1];
	size_t len;
	bool failed;
};

enum { NODES_MAX = FILTER_TERMS_MAX * 4 };
enum { NO_NODE = UINT16_MAX };

static uint16_t fail(struct parser *ps, const char *at, const char *what)
{
	if (!ps->failed)
		error_set(ps->error, -EINVAL, "filter, position %d: %s", (int)(at - ps->start) + 1, what);
	ps->failed = true;
	return NO_NODE;
}

static bool word_char(unsigned char c)
{
	return c > ' ' && c != 0x7f && !strchr("=!<>~()&|\"'", c);
}

static int hex(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void quoted(struct parser *ps)
{
	char quote = *ps->p++;

	ps->len = 0;
	for (;;) {
		unsigned char c = (unsigned char)*ps->p;

		if (!c) {
			fail(ps, ps->at, "the quote is not closed");
			return;
		}
		ps->p++;
		if (c == (unsigned char)quote)
			break;
		if (c == '\\') {
			c = (unsigned char)*ps->p;
			if (c == 'x' && hex((unsigned char)ps->p[1]) >= 0 && hex((unsigned char)ps->p[2]) >= 0) {
				c = (unsigned char)(hex((unsigned char)ps->p[1]) << 4 | hex((unsigned char)ps->p[2]));
				ps->p += 3;
			} else if (c == 'n' || c == 't') {
				c = c == 'n' ? '\n' : '\t';
				ps->p++;
			} else if (c == '\\' || c == '"' || c == '\'') {
				ps->p++;
			} else {
				/* Regular expressions have backslashes of their own. */
				c = '\\';
			}
		}
		ps->word[ps->len++] = (char)c; /* not longer than the source, which is bounded */
	}
	ps->word[ps->len] = '\0';
	ps->token = QUOTED;
}

static void word(struct parser *ps)
{
	while (word_char((unsigned char)*ps->p))
		ps->word[ps->len++] = *ps->p++;
	ps->word[ps->len] = '\0';
}

static void next(struct parser *ps)
{
	static const struct {
		const char *text;
		enum token token;
		enum op op;
	} marks[] = {
		{"==", OP, EQ}, {"!=", OP, NE}, {"<=", OP, LE}, {">=", OP, GE}, {"!~", OP, NOT_MATCH}, {"&&", AND, 0},
		{"||", OR, 0},  {"=", OP, EQ},  {"<", OP, LT},  {">", OP, GT},  {"~", OP, MATCH},      {"(", OPEN, 0},
		{")", CLOSE, 0}, {"!", NOT, 0},
	};

	while (isspace((unsigned char)*ps->p))
		ps->p++;
	ps->at = ps->p;
	ps->len = 0;
	ps->word[0] = '\0';
	if (!*ps->p) {
		ps->token = END;
		return;
	}
	if (*ps->p == '"' || *ps->p == '\'') {
		quoted(ps);
		return;
	}
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		size_t n = strlen(marks[i].text);

		if (strncmp(ps->p, marks[i].text, n) == 0) {
			ps->p += n;
			ps->token = marks[i].token;
			ps->op = marks[i].op;
			return;
		}
	}
	word(ps);
	if (!ps->len) {
		fail(ps, ps->at, "unexpected character; a text with it must stand in quotes");
		ps->token = END;
		return;
	}
	ps->token = WORD;
	if (strcmp(ps->word, "and") == 0)
		ps->token = AND;
	else if (strcmp(ps->word, "or") == 0)
		ps->token = OR;
	else if (strcmp(ps->word, "not") == 0)
		ps->token = NOT;
}

/* Behind "~": a regular expression without quotes reaches to a space, or to a parenthesis it did not open. */
static void next_regex(struct parser *ps)
{
	int open = 0;

	while (isspace((unsigned char)*ps->p))
		ps->p++;
	if (*ps->p == '"' || *ps->p == '\'' || !*ps->p || *ps->p == ')') {
		next(ps);
		return;
	}
	ps->at = ps->p;
	for (ps->len = 0; *ps->p && !isspace((unsigned char)*ps->p); ps->p++) {
		if (*ps->p == '\\' && ps->p[1] && !isspace((unsigned char)ps->p[1])) {
			ps->word[ps->len++] = *ps->p++;
		} else if (*ps->p == '(') {
			open++;
		} else if (*ps->p == ')' && open-- == 0) {
			break;
		}
		ps->word[ps->len++] = *ps->p;
	}
	ps->word[ps->len] = '\0';
	ps->token = WORD;
}

static uint16_t add(struct parser *ps, const struct node *n)
{
	struct filter *f = ps->filter;

	if (f->n == NODES_MAX)
		return fail(ps, ps->at, "too many terms; at most 64 are possible");
	f->nodes[f->n] = *n;
	return (uint16_t)f->n++;
}

static int find_column(struct parser *ps, const char *name, uint8_t *type, uint8_t *unit)
{
	for (size_t i = 0; i < ps->columns->n && i < COLUMNS_MAX; i++) {
		const char *c = ps->columns->column(ps->columns->of, i, type, unit);

		if (c && strcmp(c, name) == 0)
			return (int)i;
	}
	return -1;
}

static const char *name_of(void *of, size_t i)
{
	const struct filter_columns *c = of;
	uint8_t type, unit;

	return c->column(c->of, i, &type, &unit);
}

static uint16_t no_column(struct parser *ps, const char *at, const char *name)
{
	char near[96], text[200], shown[64];

	text_sanitise(shown, sizeof(shown), name, strlen(name), TEXT_ASCII);
	suggest(name, ps->columns->n, name_of, (void *)ps->columns, near, sizeof(near));
	snprintf(text, sizeof(text), "no column '%.40s' in %s%s", shown, ps->columns->table, near);
	return fail(ps, at, text);
}

static char *keep(struct parser *ps, const char *p, size_t n)
{
	char *copy = malloc(n + 1);

	if (!copy) {
		fail(ps, ps->at, "out of memory");
		return NULL;
	}
	memcpy(copy, p, n);
	copy[n] = '\0';
	return copy;
}

/* What the C library must not be given: it copies what '+' and {n} repeat, so that a++++ and ((a{9}){9}){9} take time and
 * memory without bound; and references back make matching exponential. NULL: harmless, though perhaps wrong. */
static const char *regex_refused(const char *p)
{
	uint64_t sum[FILTER_REGEX_MAX + 2] = {0}, last = 1; /* atoms after copying, by open parentheses */
	size_t depth = 0;

	for (; *p; p++) {
		unsigned long count = 1, v = 0;

		switch (*p) {
		case '\\':
			if (p[1] >= '1' && p[1] <= '9')
				return "a regular expression cannot refer back with \\1";
			if (p[1])
				p++;
			sum[depth] += last = 1;
			break;
		case '[':
			/* To its end: ']' as the first one is an ordinary character. */
			p += p[1] == '^';
			p += p[1] == ']';
			while (p[1] && p[1] != ']')
				p++;
			p += p[1] == ']';
			sum[depth] += last = 1;
			break;
		case '(':
			sum[++depth] = 0;
			break;
		case ')':
			if (!depth)
				break;
			last = sum[depth--] + 1;
			sum[depth] += last;
			break;
		case '+':
		case '*':
		case '?':
			count = 2;
			break;
		case '{':
			for (const char *q = p + 1; *q && *q != '}'; q++) {
				v = isdigit((unsigned char)*q) ? v * 10 + (unsigned long)(*q - '0') : 0;
				if (v > 32)
					return "counts in a regular expression go up to {32}";
				count = v > count ? v : count;
			}
			/* {3,} repeats without end: one copy more. */
			count++;
			while (p[1] && *p != '}')
				p++;
			break;
		default:
			sum[depth] += last = 1;
		}
		if (count > 1) {
			sum[depth] += last * (count - 1);
			last *= count;
		}
		if (sum[depth] > REGEX_ATOMS_MAX)
			return "the regular expression repeats too much";
	}
	return NULL;
}

static uint16_t comparison_regex(struct parser *ps, struct node *n)
{
	const char *why;
	char text[200];
	uint16_t index;
	int err;

	if (strlen(ps->word) != ps->len)
		return fail(ps, ps->at, "a regular expression cannot hold a NUL byte");
	if (ps->len > FILTER_REGEX_MAX)
		return fail(ps, ps->at, "the regular expression is too long; at most 128 bytes are possible");
	why = regex_refused(ps->word);
	if (why)
		return fail(ps, ps->at, why);
	n->regex = malloc(sizeof(*n->regex));
	if (!n->regex)
		return fail(ps, ps->at, "out of memory");
	err = regcomp(n->regex, ps->word, REG_EXTENDED | REG_NOSUB);
	if (err) {
		char reason[100];

		regerror(err, n->regex, reason, sizeof(reason));
		free(n->regex);
		snprintf(text, sizeof(text), "the regular expression is wrong: %s", reason);
		return fail(ps, ps->at, text);
	}
	n->kind = NODE_REGEX;
	index = add(ps, n);
	if (index == NO_NODE) {
		regfree(n->regex);
		free(n->regex);
	}
	return index;
}

static uint16_t comparison_text(struct parser *ps, struct node *n)
{
	uint16_t index;

	n->kind = NODE_TEXT;
	n->len = ps->len;
	n->text = keep(ps, ps->word, ps->len);
	if (!n->text)
		return NO_NODE;
	index = add(ps, n);
	if (index == NO_NODE)
		free(n->text);
	return index;
}

static uint16_t comparison_number(struct parser *ps, struct node *n, uint8_t type, uint8_t unit)
{
	struct culprit_error why = {""};
	char *end;

	n->kind = NODE_NUMBER;
	/* Identifiers and counters beyond 2^53 compare exactly. */
	if ((type == CULPRIT_U64 || type == CULPRIT_I64) && ps->len && strspn(ps->word, "0123456789") == ps->len) {
		errno = 0;
		n->bits = strtoull(ps->word, &end, 10);
		n->exact = !errno && (type == CULPRIT_U64 || n->bits <= INT64_MAX);
		n->number = (double)n->bits;
		if (n->exact)
			return add(ps, n);
	}
	if (units_parse(ps->word, ps->len, unit, &n->number, &why))
		return fail(ps, ps->at, why.sentence);
	return add(ps, n);
}

/* Behind "column op": the value. */
static uint16_t comparison(struct parser *ps, const char *at, const char *name, enum op op)
{
	struct node n = {.op = (uint8_t)op};
	uint8_t type, unit;
	int column = find_column(ps, name, &type, &unit);
	uint16_t index;

	if (column < 0)
		return no_column(ps, at, name);
	n.column = (uint16_t)column;
	if (ps->failed)
		return NO_NODE;
	if (ps->token != WORD && ps->token != QUOTED && ps->token != AND && ps->token != OR && ps->token != NOT)
		return fail(ps, ps->at, "a value was expected");
	if (ps->token == NOT && !ps->len)
		return fail(ps, ps->at, "a value was expected");
	if (ps->token != QUOTED && !ps->len)
		return fail(ps, ps->at, "a value was expected");
	if (op == MATCH || op == NOT_MATCH) {
		if (type != CULPRIT_TEXT)
			return fail(ps, at, "~ compares text; this column is none");
		index = comparison_regex(ps, &n);
	} else if (type == CULPRIT_TEXT) {
		index = comparison_text(ps, &n);
	} else if (type == CULPRIT_BOOL) {
		bool yes = !strcmp(ps->word, "true") || !strcmp(ps->word, "yes") || !strcmp(ps->word, "1");
		bool no = !strcmp(ps->word, "false") || !strcmp(ps->word, "no") || !strcmp(ps->word, "0");

		if (!yes && !no)
			return fail(ps, ps->at, "true or false was expected");
		if (op != EQ && op != NE)
			return fail(ps, at, "true and false compare with = and != only");
		n.kind = NODE_BOOL;
		n.want = yes == (op == EQ);
		index = add(ps, &n);
	} else if (type == CULPRIT_STACK) {
		return fail(ps, at, "stacks cannot be compared");
	} else if (type == CULPRIT_TASK) {
		index = comparison_number(ps, &n, CULPRIT_U64, CULPRIT_NONE);
		if (index != NO_NODE)
			ps->filter->nodes[index].kind = NODE_TASK;
	} else {
		index = comparison_number(ps, &n, type, unit);
	}
	if (index != NO_NODE)
		next(ps);
	return index;
}

static uint16_t parse_or(struct parser *ps);

static uint16_t parse_term(struct parser *ps)
{
	struct node n = {.kind = NODE_FREE};
	uint8_t type, unit;
	char word[WORD_MAX + 1];
	const char *at = ps->at;
	bool is_word = ps->token == WORD;
	size_t len = ps->len;
	uint16_t index;
	int column;

	if (++ps->terms > FILTER_TERMS_MAX)
		return fail(ps, at, "too many terms; at most 64 are possible");
	memcpy(word, ps->word, ps->len + 1);
	next(ps);
	if (ps->failed)
		return NO_NODE;
	if (ps->token == OP) {
		enum op op = ps->op;

		if (!is_word)
			return fail(ps, at, "the name of a column was expected, not a quoted text");
		if (op == MATCH || op == NOT_MATCH)
			next_regex(ps);
		else
			next(ps);
		if (ps->failed)
			return NO_NODE;
		return comparison(ps, at, word, op);
	}
	column = is_word ? find_column(ps, word, &type, &unit) : -1;
	if (column >= 0 && type == CULPRIT_BOOL) {
		n.kind = NODE_BOOL;
		n.column = (uint16_t)column;
		n.want = true;
		return add(ps, &n);
	}
	n.text = keep(ps, word, len);
	n.len = len;
	if (!n.text)
		return NO_NODE;
	for (size_t i = 0; i < len; i++)
		n.text[i] = (char)(n.text[i] >= 'A' && n.text[i] <= 'Z' ? n.text[i] + 32 : n.text[i]);
	index = add(ps, &n);
	if (index == NO_NODE)
		free(n.text);
	return index;
}

static uint16_t parse_not(struct parser *ps)
{
	struct node n = {.kind = NODE_NOT};
	uint16_t index;

	if (ps->failed)
		return NO_NODE;
	if (ps->depth >= FILTER_DEPTH_MAX)
		return fail(ps, ps->at, "nested too deeply; at most 64 levels are possible");
	switch (ps->token) {
	case NOT:
		next(ps);
		ps->depth++;
		n.left = parse_not(ps);
		ps->depth--;
		return n.left == NO_NODE ? NO_NODE : add(ps, &n);
	case OPEN: {
		const char *at = ps->at;

		next(ps);
		ps->depth++;
		index = parse_or(ps);
		ps->depth--;
		if (index == NO_NODE)
			return NO_NODE;
		if (ps->token != CLOSE)
			return fail(ps, at, "the parenthesis is not closed");
		next(ps);
		return ps->failed ? NO_NODE : index;
	}
	case WORD:
	case QUOTED:
		return parse_term(ps);
	case END:
		return fail(ps, ps->at, "a column, a text or ( was expected, but the expression ends here");
	default:
		return fail(ps, ps->at, "a column, a text or ( was expected");
	}
}

static uint16_t parse_and(struct parser *ps)
{
	uint16_t left = parse_not(ps);

	while (left != NO_NODE && !ps->failed) {
		struct node n = {.kind = NODE_AND, .left = left};

		if (ps->token == AND)
			next(ps);
		else if (ps->token != WORD && ps->token != QUOTED && ps->token != OPEN && ps->token != NOT)
			break;
		n.right = parse_not(ps);
		left = n.right == NO_NODE ? NO_NODE : add(ps, &n);
	}
	return ps->failed ? NO_NODE : left;
}

static uint16_t parse_or(struct parser *ps)
{
	uint16_t left = parse_and(ps);

	while (left != NO_NODE && ps->token == OR) {
		struct node n = {.kind = NODE_OR, .left = left};

		next(ps);
		n.right = parse_and(ps);
		left = n.right == NO_NODE ? NO_NODE : add(ps, &n);
	}
	return left;
}

struct filter *filter_create(const char *text, const struct filter_columns *columns, struct culprit_error *error)
{
	struct parser ps = {.start = text, .p = text, .columns = columns, .error = error};
	uint8_t type, unit;

	if (strnlen(text, FILTER_LENGTH_MAX + 1) > FILTER_LENGTH_MAX) {
		error_set(error, -EINVAL, "the filter is too long; at most %d bytes are possible", FILTER_LENGTH_MAX);
		return NULL;
	}
	ps.filter = calloc(1, sizeof(*ps.filter));
	if (!ps.filter || !(ps.filter->nodes = calloc(NODES_MAX, sizeof(*ps.filter->nodes))) ||
	    !(ps.filter->text_columns = calloc(columns->n + 1, sizeof(*ps.filter->text_columns)))) {
		error_set(error, -ENOMEM, "out of memory");
		filter_destroy(ps.filter);
		return NULL;
	}
	for (size_t i = 0; i < columns->n && i < COLUMNS_MAX; i++) {
		columns->column(columns->of, i, &type, &unit);
		if (type == CULPRIT_TEXT)
			ps.filter->text_columns[ps.filter->ntext_columns++] = (uint16_t)i;
	}
	next(&ps);
	ps.filter->root = ps.failed ? NO_NODE : parse_or(&ps);
	if (!ps.failed && ps.token == CLOSE)
		fail(&ps, ps.at, "this parenthesis was never opened");
	else if (!ps.failed && ps.token != END)
		fail(&ps, ps.at, ps.token == OP ? "a comparison needs the name of a column before it" :
			 "'and', 'or' or the end was expected");
	if (ps.failed) {
		filter_destroy(ps.filter);
		return NULL;
	}
	return ps.filter;
}

void filter_destroy(struct filter *f)
{
	if (!f)
		return;
	for (size_t i = 0; f->nodes && i < f->n; i++) {
		free(f->nodes[i].text);
		if (f->nodes[i].regex) {
			regfree(f->nodes[i].regex);
			free(f->nodes[i].regex);
		}
	}
	free(f->nodes);
	free(f->text_columns);
	free(f);
}

static bool by_op(int c, uint8_t op)
{
	switch (op) {
	case EQ:
		return c == 0;
	case NE:
		return c != 0;
	case LT:
		return c < 0;
	case LE:
		return c <= 0;
	case GT:
		return c > 0;
	case GE:
		return c >= 0;
	}
	return false;
}

static bool match_number(const struct node *n, const struct value *v)
{
	double x;

	if (n->exact && v->type == CULPRIT_U64)
		return by_op((v->u > n->bits) - (v->u < n->bits), n->op);
	if (n->exact && v->type == CULPRIT_I64)
		return by_op((v->i > (int64_t)n->bits) - (v->i < (int64_t)n->bits), n->op);
	return value_number(v, &x) && by_op((x > n->number) - (x < n->number), n->op);
}

/* regexec() wants a NUL; names with one in them match up to it on either side. */
static bool match_regex(const struct node *n, const struct value *v)
{
	char local[512], *text = local;
	bool found = false;
	size_t len = v->text.len < FORMAT_TEXT_MAX ? v->text.len : FORMAT_TEXT_MAX;

	if (len >= sizeof(local) && !(text = malloc(len + 1)))
		return false;
	if (len)
		memcpy(text, v->text.p, len);
	text[len] = '\0';
	for (size_t at = 0; at <= len && !found; at += strlen(text + at) + 1)
		found = regexec(n->regex, text + at, 0, NULL, 0) == 0;
	if (text != local)
		free(text);
	return found == (n->op == MATCH);
}

static unsigned char lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

static bool contains(const char *text, size_t len, const char *word, size_t n)
{
	if (!n)
		return true;
	for (size_t i = 0; i + n <= len; i++) {
		size_t j = 0;

		while (j < n && lower((unsigned char)text[i + j]) == (unsigned char)word[j])
			j++;
		if (j == n)
			return true;
	}
	return false;
}

static bool match(const struct filter *f, uint16_t index, const struct filter_row *row)
{
	const struct node *n = &f->nodes[index];
	struct value v;

	switch (n->kind) {
	case NODE_AND:
		return match(f, n->left, row) && match(f, n->right, row);
	case NODE_OR:
		return match(f, n->left, row) || match(f, n->right, row);
	case NODE_NOT:
		return !match(f, n->left, row);
	case NODE_FREE:
		for (size_t i = 0; i < f->ntext_columns; i++) {
			row->value(row->of, f->text_columns[i], &v);
			if (v.state == VALUE_OK && v.type == CULPRIT_TEXT && contains(v.text.p, v.text.len, n->text, n->len))
				return true;
		}
		return false;
	}
	row->value(row->of, n->column, &v);
	if (v.state != VALUE_OK)
		return false;
	switch (n->kind) {
	case NODE_BOOL:
		return v.type == CULPRIT_BOOL && v.b == n->want;
	case NODE_NUMBER:
		return match_number(n, &v);
	case NODE_TASK:
		v = (struct value){.state = VALUE_OK, .type = CULPRIT_U64, .u = v.task.tid};
		return match_number(n, &v);
	case NODE_REGEX:
		return v.type == CULPRIT_TEXT && match_regex(n, &v);
	case NODE_TEXT: {
		struct value want = {.state = VALUE_OK, .type = CULPRIT_TEXT};

		want.text.p = n->text;
		want.text.len = n->len;
		return v.type == CULPRIT_TEXT && by_op(value_compare(&v, &want), n->op);
	}
	}
	return false;
}

bool filter_match(const struct filter *f, const struct filter_row *row)
{
	return match(f, f->root, row);
}

/* Edits to turn one word into the other (two letters swapped: one), at most 32 letters. */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][33];
	size_t na = strlen(a), nb = strlen(b);

	if (na > 32 || nb > 32)
		return UINT8_MAX;
	for (size_t j = 0; j <= nb; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= na; i++) {
		unsigned *row = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned best = up[j - 1] + (a[i - 1] != b[j - 1]);

			if (up[j] + 1 < best)
				best = up[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && up2[j - 2] + 1 < best)
				best = up2[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[na % 3][nb];
}

const char *suggest(const char *word, size_t n, const char *(*name)(void *of, size_t i), void *of, char *buf, size_t cap)
{
	const char *found[3] = {NULL};
	unsigned score[3] = {UINT8_MAX, UINT8_MAX, UINT8_MAX};
	size_t len = strlen(word);

	if (cap)
		buf[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		const char *candidate = name(of, i);
		unsigned d;

		if (!candidate)
			continue;
		d = distance(word, candidate);
		/* A third of the letters may be wrong; a beginning or a part counts as near. */
		if (d > (len + 2) / 3) {
			if (len < 2 || !strstr(candidate, word))
				continue;
			d = 2 + (unsigned)len / 3;
		}
		for (size_t k = 0; k < 3; k++) {
			if (found[k] && strcmp(found[k], candidate) == 0)
				break;
			if (d < score[k]) {
				for (size_t m = 2; m > k; m--) {
					found[m] = found[m - 1];
					score[m] = score[m - 1];
				}
				found[k] = candidate;
				score[k] = d;
				break;
			}
		}
	}
	if (found[2])
		snprintf(buf, cap, "; did you mean %s, %s or %s?", found[0], found[1], found[2]);
	else if (found[1])
		snprintf(buf, cap, "; did you mean %s or %s?", found[0], found[1]);
	else if (found[0])
		snprintf(buf, cap, "; did you mean %s?", found[0]);
	return buf;
}
