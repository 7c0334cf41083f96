#include "devices.h"

#include <stdlib.h>
#include <string.h>

void devices_init(struct devices *d)
{
	memset(d, 0, sizeof(*d));
	d->clean = true;
}

void devices_finish(struct devices *d)
{
	if (!d)
		return;
	free(d->list);
	devices_init(d);
}

void devices_begin(struct devices *d)
{
	d->sample++;
	d->hint = 0;
	d->was_clean = d->clean;
	d->clean = true;
}

void devices_unclean(struct devices *d)
{
	d->clean = false;
}

/* Makes room for one more: by memory, and beyond DEVICES_MAX by forgetting who is gone. */
static bool make_room(struct devices *d)
{
	size_t kept = 0;

	if (d->n < d->cap)
		return true;
	if (d->cap < DEVICES_MAX) {
		size_t cap = d->cap ? d->cap * 2 : 16;
		struct device *list = realloc(d->list, cap * sizeof(*list));

		if (!list)
			return false;
		d->list = list;
		d->cap = cap;
		return true;
	}
	for (size_t i = 0; i < d->n; i++)
		if (d->list[i].seen + 1 >= d->sample)
			d->list[kept++] = d->list[i];
	d->n = kept;
	d->hint = 0;
	return d->n < d->cap;
}

struct device *devices_see(struct devices *d, const char *name, size_t len, uint64_t identity)
{
	struct device *found = NULL;

	if (len == 0 || len > DEVICE_NAME_MAX || memchr(name, 0, len))
		return NULL;
	for (size_t k = 0; k < d->n && !found; k++) {
		size_t i = d->hint + k < d->n ? d->hint + k : d->hint + k - d->n;
		struct device *c = &d->list[i];

		if (memcmp(c->name, name, len) == 0 && c->name[len] == 0) {
			found = c;
			d->hint = i + 1;
		}
	}
	if (!found) {
		if (!make_room(d))
			return NULL;
		d->hint = d->n + 1;
		found = &d->list[d->n++];
		memset(found, 0, sizeof(*found));
		memcpy(found->name, name, len);
		found->identity = identity;
	}
	if (found->seen == d->sample)
		return NULL;
	found->fresh = !found->seen || found->seen + 1 != d->sample || found->identity != identity;
	if (found->seen && found->fresh)
		found->generation++;
	if (found->fresh) {
		found->slow_at = d->sample;
		memset(found->own, 0, sizeof(found->own));
	}
	found->identity = identity;
	found->seen = d->sample;
	return found;
}

bool device_born(const struct devices *d, const struct device *c)
{
	return c->fresh && d->sample > 1 && d->was_clean;
}

bool device_folder(const struct device *c, char buf[DEVICE_NAME_MAX + 1])
{
	size_t i = 0;

	for (; c->name[i]; i++)
		buf[i] = c->name[i] == '/' ? '!' : c->name[i];
	buf[i] = 0;
	return strcmp(buf, ".") != 0 && strcmp(buf, "..") != 0;
}

bool device_slow(const struct devices *d, struct device *c, bool whole)
{
	if (!whole && d->sample < c->slow_at)
		return false;
	/* At first all are due at once; then they spread. */
	c->slow_at = d->sample + DEVICES_SLOW - (c->fresh ? (uint64_t)(c - d->list) % (DEVICES_SLOW / 2) : 0);
	return true;
}
