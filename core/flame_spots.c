#include "flame_spots.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void flame_spots_clear(struct flame_spots *s)
{
	s->n = 0;
	if (s->by_place)
		memset(s->by_place, 0, s->by_place_cap * sizeof(*s->by_place));
}

void flame_spots_finish(struct flame_spots *s)
{
	free(s->spots);
	free(s->by_place);
	memset(s, 0, sizeof(*s));
}

static uint32_t slot_of(const struct flame_spots *s, const uint32_t *by_place, uint32_t cap, const struct flame_spot *spot)
{
	uint64_t h = (((uint64_t)spot->node << 32) ^ spot->offset ^ spot->build_id[0]) * 0x9fb21c651e98df25u;
	uint32_t at = (uint32_t)(h >> 32) & (cap - 1);

	for (; by_place[at]; at = (at + 1) & (cap - 1)) {
		const struct flame_spot *is = &s->spots[by_place[at] - 1];

		if (is->node == spot->node && is->offset == spot->offset && is->build_id_len == spot->build_id_len &&
		    !memcmp(is->build_id, spot->build_id, spot->build_id_len))
			break;
	}
	return at;
}

static bool grow(struct flame_spots *s)
{
	uint32_t cap = s->cap ? s->cap * 2 : 1024, by_place_cap = cap * 2;
	struct flame_spot *spots = realloc(s->spots, cap * sizeof(*spots));
	uint32_t *by_place;

	if (!spots)
		return false;
	s->spots = spots;
	by_place = calloc(by_place_cap, sizeof(*by_place));
	if (!by_place)
		return false;
	for (uint32_t i = 0; i < s->n; i++)
		by_place[slot_of(s, by_place, by_place_cap, &s->spots[i])] = i + 1;
	free(s->by_place);
	s->by_place = by_place;
	s->by_place_cap = by_place_cap;
	s->cap = cap;
	return true;
}

void flame_spots_add(struct flame_spots *s, const struct flame_spot *spot)
{
	struct flame_spot *is;
	uint32_t at;

	if (s->n == s->cap && (s->cap >= FLAME_SPOTS_MAX || !grow(s)) && !s->cap)
		return;
	at = slot_of(s, s->by_place, s->by_place_cap, spot);
	if (!s->by_place[at]) {
		if (s->n == s->cap)
			return;
		s->spots[s->n] = *spot;
		s->by_place[at] = ++s->n;
		return;
	}
	is = &s->spots[s->by_place[at] - 1];
	/* Newer rows come later: their process is the likelier to be there still. */
	if (spot->pid)
		is->pid = spot->pid;
	is->weight += spot->weight;
}
