#include "publish.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <culprit/host.h>

#include "clock.h"
#include "error.h"
#include "ring_place.h"
#include "verbs.h"

enum { SAY_EVERY_S = 60 };

/* The group of that name, or number. */
static int find_group(const char *name, gid_t *ret, struct culprit_error *error)
{
	const struct group *group = getgrnam(name);
	unsigned long number;
	char *end;

	if (group) {
		*ret = group->gr_gid;
		return 0;
	}
	errno = 0;
	number = strtoul(name, &end, 10);
	if (errno || *name < '0' || *name > '9' || *end || number >= (gid_t)-1)
		return error_set(error, -EINVAL, "there is no group %.64s; make it (groupadd %.64s) or name another one", name,
				 name);
	*ret = (gid_t)number;
	return 0;
}

/* Who may read it: the group that was named; else, of root's, `culprit`, else `adm` (who may read the logs, too); else
 * nobody but the owner. A user's own ring lies where nobody else comes. */
static int choose_group(const struct options *o, gid_t *ret, char *name, size_t cap, struct culprit_error *error)
{
	static const char *const usual[] = {"culprit", "adm"};

	name[0] = '\0';
	/* Nobody else comes to a user's own folder, whatever the mode of the file. */
	if (o->group && geteuid() && !getenv("CULPRIT_RUNTIME_DIR"))
		return error_set(error, -EPERM, "--group needs /run/culprit, which is root's: run the recorder as root");
	if (o->group) {
		snprintf(name, cap, "%.64s", o->group);
		return find_group(o->group, ret, error);
	}
	for (size_t i = 0; i < 2 && !geteuid(); i++) {
		struct culprit_error ignored;

		if (find_group(usual[i], ret, &ignored))
			continue;
		snprintf(name, cap, "%s", usual[i]);
		break;
	}
	return 0;
}

static void say(const struct culprit_error *sentence)
{
	verb_fail(EXIT_DONE, sentence);
}

int publish_open(struct publish *p, const struct options *o, struct writer *writer, struct culprit_error *error)
{
	char dir[RING_PATH_MAX], group_name[72];
	size_t budget = o->history_bytes ? (size_t)o->history_bytes : RING_BUDGET_DEFAULT;
	struct culprit_error text;
	gid_t group;
	int r;

	memset(p, 0, sizeof(*p));
	p->marks.fd = -1;
	if (!o->ring)
		return 0;
	if (!ring_name_valid(o->ring))
		return error_set(error, -EINVAL, "a ring cannot be named \"%.80s\": use letters, digits and . _ - inside, at "
				 "most %d of them", o->ring, RING_NAME_MAX);
	r = choose_group(o, &group, group_name, sizeof(group_name), error);
	if (!r)
		r = ring_folder_make(dir, sizeof(dir), error);
	if (r)
		return r;
	p->ring = ring_create_shared(budget, dir, o->ring, group_name[0] ? &group : NULL, error);
	p->sink = p->ring ? ring_sink(p->ring, error) : NULL;
	if (!p->sink || writer_add_sink(writer, p->sink)) {
		r = p->sink ? error_set(error, -ENOMEM, "out of memory") : -EIO;
		if (p->sink)
			p->sink->ops->destroy(p->sink);
		publish_close(p);
		return r;
	}
	if (group_name[0])
		error_set(&text, 0, "published as %s/%s, mode 0640, for group %s: whoever is in it sees all command lines, with "
			  "what secrets stand in them", dir, o->ring, group_name);
	else
		error_set(&text, 0, "published as %s/%s, mode 0600, for this user and root alone; it shows all command lines",
			  dir, o->ring);
	say(&text);
	if (ring_marks_open(&p->marks, dir, o->ring, &text))
		say(&text);
	return 0;
}

static void set_mark(void *of, const char *kind, const char *text)
{
	sampler_mark(of, kind, text);
}

void publish_marks(struct publish *p, struct sampler *sampler)
{
	ring_marks_take(&p->marks, set_mark, sampler);
}

void publish_check(struct publish *p, struct writer *writer)
{
	const struct clock *clock = clock_real();
	struct culprit_error error;
	uint64_t now_ns;

	if (!p->sink || !writer_sink_error(writer, p->sink, &error))
		return;
	now_ns = clock->now_ns(clock, CULPRIT_MONOTONIC);
	if (p->trouble_ns && now_ns - p->trouble_ns < SAY_EVERY_S * UINT64_C(1000000000))
		return;
	p->trouble_ns = now_ns;
	say(&error);
}

void publish_close(struct publish *p)
{
	ring_marks_close(&p->marks);
	ring_unlock(p->ring);
	memset(p, 0, sizeof(*p));
	p->marks.fd = -1;
}
