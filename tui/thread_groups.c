#include "thread_groups.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUSY_PERCENT = 1 }; /* of the window: less is a blink */

void thread_groups_finish(struct thread_groups *g)
{
	free(g->groups);
	memset(g, 0, sizeof(*g));
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
	for (size_t i = g->n; i > 0; i--) {
		if (!strcmp(g->groups[i - 1].name, name))
			return &g->groups[i - 1];
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
			struct thread_group copy = *g;

			g->waits[i] = copy.waits[i - 1];
			g->waits[i - 1] = copy.waits[i];
		}
		return;
	}
}

static int by_busy(const void *a, const void *b)
{
	const struct thread_group *x = a, *y = b;
	double p = x->cpu + x->runq + x->disk, q = y->cpu + y->runq + y->disk;

	if (p != q)
		return p < q ? 1 : -1;
	return x->n != y->n ? (x->n < y->n ? 1 : -1) : strcmp(x->name, y->name);
}

int thread_groups_gather(struct thread_groups *g, struct rows *r)
{
	size_t n = r->query && !r->failed ? query_nrows(r->query) : 0;

	g->n = g->idle = 0;
	g->cut = false;
	for (size_t i = 0; i < n; i++) {
		char comm[64], name[GROUP_NAME_MAX], wchan[32];
		double cpu = rows_number(r, i, "cpu", 0), runq = rows_number(r, i, "runq", 0),
		       disk = rows_number(r, i, "blkio", 0);
		struct thread_group *group;

		rows_text(r, i, "comm", comm, sizeof(comm));
		rows_text(r, i, "wchan", wchan, sizeof(wchan));
		thread_group_name(comm, name, sizeof(name));
		group = group_of(g, name);
		if (!group)
			return -ENOMEM;
		group->n++;
		if (cpu + runq + disk >= BUSY_PERCENT)
			group->busy++;
		else
			g->idle++;
		group->cpu += cpu;
		group->runq += runq;
		group->disk += disk;
		note_wait(group, wchan);
	}
	qsort(g->groups, g->n, sizeof(g->groups[0]), by_busy);
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
