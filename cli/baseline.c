#include "baseline.h"

#include <errno.h>
#include <string.h>

#include "error.h"
#include "file_source.h"
#include "import.h"
#include "timeparse.h"

static int open_other(const struct options *o, struct view **ret, struct culprit_error *error)
{
	struct culprit_error notice;
	struct view *other = view_create();
	struct source *source;
	int r;

	if (!other)
		return error_set(error, -ENOMEM, "out of memory");
	source = o->import ? import_source(o->baseline, &notice, error) : file_source(o->baseline, o->history_bytes, error);
	r = source ? view_add_source(other, source) : -EIO;
	if (!r && view_refresh(other, error) < 0)
		r = -EIO;
	if (r) {
		view_destroy(other);
		return r;
	}
	*ret = other;
	return 0;
}

int baseline_open(struct view *view, const struct options *o, struct lens *lens, struct view **ret, struct culprit_error *error)
{
	struct view *other = NULL, *of = view;
	uint64_t from, to;
	int r = 0;

	*ret = NULL;
	if (!o->baseline && !o->baseline_from && !o->baseline_to)
		return 0;
	if (o->baseline && !strcmp(o->baseline, "-"))
		return error_set(error, -EINVAL, "--baseline takes a file; standard input is for the recording itself");
	if (o->baseline) {
		r = open_other(o, &other, error);
		if (r)
			return r;
		of = other;
	}
	if (!view_extent(of, &from, &to))
		r = view_nothing(of, error);
	if (!r && o->baseline_from)
		r = timeparse(of, o->baseline_from, 0, &from, error);
	if (!r && o->baseline_to)
		r = timeparse(of, o->baseline_to, o->baseline_from ? from : 0, &to, error);
	if (!r && from >= to)
		r = error_set(error, -EINVAL, "the baseline's window is empty: --baseline-from lies at or after --baseline-to");
	if (r) {
		view_destroy(other);
		return r;
	}
	view_set_baseline(view, other);
	lens->has_baseline = true;
	lens->baseline_from_ns = from;
	lens->baseline_to_ns = to;
	*ret = other;
	return 0;
}
