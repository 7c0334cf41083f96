/* Where in its function each node of a flame stands: the instructions, by weight. A node is a function; its source lines are of
 * single places in it. */
#ifndef CORE_FLAME_SPOTS_H
#define CORE_FLAME_SPOTS_H

#include <stddef.h>
#include <stdint.h>

enum { FLAME_SPOTS_MAX = 1 << 18, FLAME_BUILD_ID = 16 }; /* further places are not kept; bytes that tell builds apart */

struct flame_spot {
	uint32_t node;
	uint32_t build_id_len; /* at most FLAME_BUILD_ID; 0: none */
	uint8_t build_id[FLAME_BUILD_ID];
	uint64_t offset;       /* in the module's file */
	uint64_t pid;          /* a process that has it mapped; 0: not known */
	double weight;
};

struct flame_spots {
	struct flame_spot *spots;
	uint32_t n, cap;
	uint32_t *by_place; /* hash to place + 1 */
	uint32_t by_place_cap;
};

void flame_spots_clear(struct flame_spots *);
void flame_spots_finish(struct flame_spots *);
/* Adds to the spot of this node, build-id and offset. What finds no room is left out. */
void flame_spots_add(struct flame_spots *, const struct flame_spot *);

#endif
