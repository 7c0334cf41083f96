#include "thread_runtime.h"

#include <string.h>

void thread_runtime_finish(struct thread_runtime *r)
{
	query_destroy(r->query);
	r->query = NULL;
}

const char *thread_runtime_sentence(const char *name, size_t len)
{
	static const struct {
		const char *name, *sentence;
	} known[] = {
		{"Go", "Go: the kernel sees these threads, not the goroutines on them and their waits"},
		{"Java", "Java: the kernel sees these threads, not virtual ones on them and their waits"},
		{"node", "node: the kernel sees these threads, not promises and timers and their waits"},
		{"Deno", "Deno: the kernel sees these threads, not promises and timers and their waits"},
		{"Bun", "Bun: the kernel sees these threads, not promises and timers and their waits"},
		{"tokio", "tokio: the kernel sees these threads, not the tasks on them and their waits"},
		{"async-std", "async-std: the kernel sees these threads, not tasks on them and their waits"},
		{"Erlang", "Erlang: the kernel sees these threads, not processes on them and their waits"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i].name) == len && !memcmp(known[i].name, name, len))
			return known[i].sentence;
	return NULL;
}

void thread_runtime_update(struct thread_runtime *r, struct view *view, const struct lens *lens)
{
	struct lens l = *lens;
	struct value v;
	int column;

	if (r->query && r->view != view)
		thread_runtime_finish(r);
	r->view = view;
	r->sentence = NULL;
	if (!lens->scope.has_process || !view_table(view, "runtime") || (!r->query && !(r->query = query_create(view))))
		return;
	l.filter[0] = '\0';
	l.has_baseline = l.has_range = false;
	if (query_run(r->query, &l, "runtime", 0, NULL) || query_nrows(r->query) != 1)
		return;
	column = query_column_find(r->query, "runtime");
	if (column < 0)
		return;
	query_value(r->query, 0, (size_t)column, &v);
	if (value_ok(&v) && v.type == CULPRIT_TEXT)
		r->sentence = thread_runtime_sentence(v.text.p, v.text.len);
}
