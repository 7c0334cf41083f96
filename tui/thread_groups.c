#include "thread_groups.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "task_cells.h"

enum { BUSY_PERCENT = 1 }; /* of the window: less is a blink */

void thread_groups_finish(struct thread_groups *g)
{
	free(g->groups);
	memset(g, 0, sizeof(*g));
}

void thread_groups_rest(struct thread_groups *g)
{
	free(g->groups);
	g->groups = NULL;
	g->n = g->cap = 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_joint(char c)
{
	return c == '-' || c == '_' || c == '/' || c == ':' || c == '.' || c == '#' || c == ' ';
}

void thread_group_name(const char *comm, char *out, size_t cap)
{
	size_t n = 0;

	for (const char *p = comm; *p && n + 1 < cap; p++) {
		if (!is_digit(*p))
			out[n++] = *p;
	}
	/* "worker-" and "pool--thread-" read better without what joined the number. */
	while (n > 1 && is_joint(out[n - 1]))
		n--;
	out[n] = '\0';
	if (!n)
		snprintf(out, cap, "%s", comm);
}

static struct thread_group *group_of(struct thread_groups *g, const char *name)
{
	size_t slot = row_key_text(name, strlen(name)) % GROUP_SLOTS;

	for (; g->slots[slot]; slot = (slot + 1) % GROUP_SLOTS) {
		if (!strcmp(g->groups[g->slots[slot] - 1].name, name))
			return &g->groups[g->slots[slot] - 1];
	}
	if (g->n == THREAD_GROUPS_MAX) {
		g->cut = true;
		return &g->groups[g->n - 1];
	}
	if (g->n == g->cap) {
		size_t cap = g->cap ? g->cap * 2 : 64;
		struct thread_group *groups = realloc(g->groups, cap * sizeof(*groups));

		if (!groups)
			return NULL;
		g->groups = groups;
		g->cap = cap;
	}
	memset(&g->groups[g->n], 0, sizeof(g->groups[0]));
	snprintf(g->groups[g->n].name, sizeof(g->groups[0].name), "%s", name);
	g->slots[slot] = (uint16_t)(g->n + 1);
	return &g->groups[g->n++];
}

static void note_wait(struct thread_group *g, const char *wchan)
{
	if (!*wchan || !strcmp(wchan, "0"))
		return;
	for (size_t i = 0; i < GROUP_WAITS_MAX; i++) {
		if (g->waits[i].n && strcmp(g->waits[i].wchan, wchan))
			continue;
		snprintf(g->waits[i].wchan, sizeof(g->waits[i].wchan), "%s", wchan);
		g->waits[i].n++;
		/* The commonest stands first. */
		for (; i > 0 && g->waits[i].n > g->waits[i - 1].n; i--) {
			char name[sizeof(g->waits[0].wchan)];
			size_t count = g->waits[i].n;

			memcpy(name, g->waits[i].wchan, sizeof(name));
			g->waits[i] = g->waits[i - 1];
			memcpy(g->waits[i - 1].wchan, name, sizeof(name));
			g->waits[i - 1].n = count;
		}
		return;
	}
}

/* What all names begin with; its own digits belong to it. */
static void title_narrow(struct thread_group *g, const char *comm)
{
	size_t i = 0;

	while (g->title[i] && g->title[i] == comm[i])
		i++;
	g->title[i] = '\0';
}

static void title_finish(struct thread_group *g)
{
	char plain[GROUP_NAME_MAX];
	size_t n = strlen(g->title);

	if (g->n == 1)
		return;
	/* Where names are cut short, the digits they all end with are no number of a thread. */
	thread_group_name(g->title, plain, sizeof(plain));
	if (strcmp(plain, g->name)) {
		snprintf(g->title, sizeof(g->title), "%s", g->name);
		return;
	}
	while (n > 1 && (is_joint(g->title[n - 1])))
		n--;
	g->title[n] = '\0';
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct thread_group *x = a, *y = b;
	const struct thread_groups *g = arg;
	double p = 0, q = 0;
	int sign = g->reverse ? -1 : 1;

	switch (g->order) {
	case GROUP_BY_COUNT:
		p = (double)x->n;
		q = (double)y->n;
		break;
	case GROUP_BY_BUSY:
		p = (double)x->busy;
		q = (double)y->busy;
		break;
	case GROUP_BY_CPU:
		p = x->bar.share[BAR_CPU];
		q = y->bar.share[BAR_CPU];
		break;
	case GROUP_BY_TIME:
		p = bar_busy(&x->bar);
		q = bar_busy(&y->bar);
		break;
	default:
		return sign * strcmp(x->name, y->name);
	}
	/* Idle ones must not change places all the time. */
	if (g->order == GROUP_BY_CPU || g->order == GROUP_BY_TIME) {
		p = rint(p * 10);
		q = rint(q * 10);
	}
	if (p != q)
		return p < q ? sign : -sign;
	return x->n != y->n ? (x->n < y->n ? 1 : -1) : strcmp(x->name, y->name);
}

static void text(struct rows *r, size_t row, int column, char *out, size_t cap)
{
	struct value v;

	out[0] = '\0';
	if (column < 0)
		return;
	query_value(r->query, row, (size_t)column, &v);
	if (v.state == VALUE_OK && v.type == CULPRIT_TEXT)
		snprintf(out, cap, "%.*s", (int)(v.text.len < cap ? v.text.len : cap), v.text.p);
}

int thread_groups_gather(struct thread_groups *g, struct rows *r)
{
	size_t n = r->query && !r->failed ? query_nrows(r->query) : 0;
	int at[2] = {-1, -1};
	struct task_times times;

	g->n = g->idle = 0;
	g->cut = g->timed = false;
	memset(g->slots, 0, sizeof(g->slots));
	if (n) {
		at[0] = query_column_find(r->query, "comm");
		at[1] = query_column_find(r->query, "wchan");
		task_times_find(&times, r->query);
	}
	for (size_t i = 0; i < n; i++) {
		char comm[64], name[GROUP_NAME_MAX], wchan[32];
		struct thread_group *group;
		struct bar bar;

		text(r, i, at[0], comm, sizeof(comm));
		text(r, i, at[1], wchan, sizeof(wchan));
		thread_group_name(comm, name, sizeof(name));
		group = group_of(g, name);
		if (!group)
			return -ENOMEM;
		if (group->n)
			title_narrow(group, comm);
		else
			snprintf(group->title, sizeof(group->title), "%.*s", (int)sizeof(group->title) - 1, comm);
		group->n++;
		g->timed = task_times_bar(&times, r->query, i, &bar) || g->timed;
		/* A group's bar is that of its busy threads. */
		if (bar_busy(&bar) >= BUSY_PERCENT)
			group->busy++;
		else
			g->idle++;
		for (int part = 0; part < BAR_IDLE; part++)
			group->bar.share[part] += bar.share[part];
		note_wait(group, wchan);
	}
	for (size_t i = 0; i < g->n; i++)
		title_finish(&g->groups[i]);
	if (g->n)
		qsort_r(g->groups, g->n, sizeof(g->groups[0]), compare, g);
	return 0;
}

void thread_group_filter(const struct thread_group *g, char *out, size_t cap)
{
	size_t n = (size_t)snprintf(out, cap, "comm ~ \"^");

	/* Between any two characters of the name there may have been digits, and at its end what joined them. */
	for (const char *p = g->name; *p && n + 24 < cap; p++) {
		n += (size_t)snprintf(out + n, cap - n, "[0-9]*");
		if (isalnum((unsigned char)*p))
			out[n++] = *p;
		else if (*p == '"' || *p == '\\' || *p == '^' || (unsigned char)*p < 32 || (unsigned char)*p > 126)
			out[n++] = '.';
		else
			n += (size_t)snprintf(out + n, cap - n, "[%c]", *p);
	}
	snprintf(out + n, cap - n, "[-0-9_/:.# ]*$\"");
}
