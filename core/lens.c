#include "lens.h"

#include <string.h>

struct lens lens_live(uint64_t length_ns)
{
	struct lens l;

	/* memset: lenses are compared as bytes. */
	memset(&l, 0, sizeof(l));
	l.live = true;
	l.length_ns = length_ns;
	return l;
}

struct lens lens_window(uint64_t from_ns, uint64_t to_ns)
{
	struct lens l;

	memset(&l, 0, sizeof(l));
	l.from_ns = from_ns < to_ns ? from_ns : to_ns;
	l.to_ns = to_ns;
	l.length_ns = l.to_ns - l.from_ns;
	return l;
}

void lens_resolve(const struct lens *l, uint64_t newest_ns, uint64_t *ret_from_ns, uint64_t *ret_to_ns)
{
	if (l->live) {
		*ret_to_ns = newest_ns;
		*ret_from_ns = newest_ns > l->length_ns ? newest_ns - l->length_ns : 0;
	} else {
		*ret_to_ns = l->to_ns;
		*ret_from_ns = l->from_ns < l->to_ns ? l->from_ns : l->to_ns;
	}
}

void lens_pause(struct lens *l, uint64_t to_ns, uint64_t newest_ns)
{
	uint64_t from, to;

	lens_resolve(l, newest_ns, &from, &to);
	if (!l->live)
		l->length_ns = to - from;
	l->live = false;
	l->to_ns = to_ns;
	l->from_ns = to_ns > l->length_ns ? to_ns - l->length_ns : 0;
}

void lens_resume(struct lens *l, uint64_t newest_ns)
{
	uint64_t from, to;

	lens_resolve(l, newest_ns, &from, &to);
	l->length_ns = to - from;
	l->live = true;
	l->from_ns = l->to_ns = 0;
}

bool lens_equal(const struct lens *a, const struct lens *b)
{
	return memcmp(&a->scope.pid, &b->scope.pid, 4 * sizeof(uint64_t)) == 0 && a->live == b->live &&
	       a->from_ns == b->from_ns && a->to_ns == b->to_ns && a->length_ns == b->length_ns &&
	       a->scope.has_cgroup == b->scope.has_cgroup && a->scope.has_process == b->scope.has_process &&
	       a->scope.has_thread == b->scope.has_thread && strcmp(a->scope.cgroup, b->scope.cgroup) == 0 &&
	       strcmp(a->filter, b->filter) == 0 && strcmp(a->filter_table, b->filter_table) == 0 &&
	       a->has_range == b->has_range && strcmp(a->range_table, b->range_table) == 0 &&
	       strcmp(a->range_column, b->range_column) == 0 && a->range_lo == b->range_lo &&
	       a->range_hi == b->range_hi && a->has_baseline == b->has_baseline &&
	       a->baseline_from_ns == b->baseline_from_ns && a->baseline_to_ns == b->baseline_to_ns;
}

void lens_scope_cgroup(struct lens *l, const char *path, size_t len)
{
	if (len >= LENS_CGROUP_MAX)
		len = LENS_CGROUP_MAX - 1;
	memset(l->scope.cgroup, 0, sizeof(l->scope.cgroup));
	memcpy(l->scope.cgroup, path, len);
	l->scope.has_cgroup = true;
}

void lens_scope_process(struct lens *l, uint64_t pid, uint64_t start_ticks)
{
	l->scope.has_process = true;
	l->scope.pid = pid;
	l->scope.start_ticks = start_ticks;
}

void lens_scope_thread(struct lens *l, uint64_t tid, uint64_t start_ticks)
{
	l->scope.has_thread = true;
	l->scope.tid = tid;
	l->scope.thread_start_ticks = start_ticks;
}

bool lens_cgroup_holds(const char *outer, size_t outer_len, const char *path, size_t len)
{
	while (outer_len && outer[outer_len - 1] == '/')
		outer_len--;
	if (len < outer_len || memcmp(outer, path, outer_len) != 0)
		return false;
	return len == outer_len || path[outer_len] == '/';
}

void lens_stack_init(struct lens_stack *s, const struct lens *l)
{
	memset(s, 0, sizeof(*s));
	s->lens[0] = *l;
	s->n = 1;
}

struct lens *lens_top(struct lens_stack *s)
{
	return &s->lens[s->n - 1];
}

void lens_narrow(struct lens_stack *s, const struct lens *next)
{
	struct lens copy = *next;

	if (s->n == LENS_DEPTH) {
		memmove(&s->lens[1], &s->lens[2], (LENS_DEPTH - 2) * sizeof(s->lens[0]));
		s->n--;
	}
	s->lens[s->n++] = copy;
}

bool lens_widen(struct lens_stack *s)
{
	const struct lens *from;
	struct lens *to;

	if (s->n <= 1)
		return false;
	from = &s->lens[s->n - 1];
	to = &s->lens[s->n - 2];
	to->live = from->live;
	to->from_ns = from->from_ns;
	to->to_ns = from->to_ns;
	to->length_ns = from->length_ns;
	s->n--;
	return true;
}
