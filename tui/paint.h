/* Surfaces to bytes: only what changed since the last one, in the shortest way the terminal knows. Pure: bytes go to a
 * buffer, and nothing is read. */
#ifndef TUI_PAINT_H
#define TUI_PAINT_H

#include "caps.h"
#include "surface.h"
#include "theme.h"
#include "wire.h"

struct shown_cell;

struct paint {
	const struct caps *caps; /* borrowed */
	enum colour_depth depth;
	struct style styles[ROLE_COUNT]; /* as this terminal has them */
	uint8_t ids[ROLE_COUNT];         /* roles that look alike have the same */
	uint8_t blanks[ROLE_COUNT];      /* the same for blanks, where only the background shows */
	struct shown_cell *shown;        /* what the terminal shows */
	int w, h;
	bool all;                        /* nothing is known of what it shows */
	int x, y;                        /* its cursor; -1: unknown */
	bool cursor_visible;
	struct style pen;
	bool pen_known;
	struct wbuf out;
};

void paint_init(struct paint *, const struct caps *, enum colour_depth, const struct theme *);
void paint_finish(struct paint *);
void paint_set_theme(struct paint *, const struct theme *);
/* Nothing is known of the terminal any more: the next surface is painted whole. */
void paint_forget(struct paint *);
/* Appends to `out` what makes the terminal show the surface. -ENOMEM: then nothing is known of it. */
int paint_surface(struct paint *, const struct surface *);

#endif
