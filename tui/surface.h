/* What panels draw on: a grid of cells, each one character, its width and a role. It clips, sanitises and lays out; it
 * knows no terminal, no colours, no time. The same surface is painted by the screen, printed as text, compared with
 * golden screens. Two forms of everything: ASCII, complete by itself, and UTF-8, where rules become lines and digits
 * become blocks.
 *
 * Text from outside goes through surface_put(): whatever the bytes, they come out showable. */
#ifndef TUI_SURFACE_H
#define TUI_SURFACE_H

#include "role.h"
#include "text.h"

enum {
	SURFACE_MAX = 1000, /* columns, rows */
	CELL_CODES = 1 + TEXT_MARKS_MAX,
};

struct cell {
	uint32_t code[CELL_CODES]; /* a character and its marks, 0 where fewer */
	uint8_t width;             /* 1, 2; 0: the right half of the wide one before */
	uint8_t role;
};

struct rect {
	int x, y, w, h;
};

/* Flags of surface_put(). */
enum {
	PUT_LEFT = 0,
	PUT_RIGHT = 1 << 0,     /* right-aligned in its width */
	PUT_CUT_LEFT = 1 << 1,  /* where it is too long its beginning goes, not its end */
	PUT_OWN = 1 << 2,       /* our own text, or sanitised already: a backslash stays one */
	PUT_FILL = 1 << 3,      /* fills the rest of the width with blanks of the role */
	PUT_NO_DOTS = 1 << 4,   /* no ellipsis where it is cut */
};

enum glyph {
	GLYPH_ELLIPSIS, /* ~  … */
	GLYPH_HLINE,    /* -  ─ */
	GLYPH_VLINE,    /* |  │ */
	GLYPH_CORNER_TL, GLYPH_CORNER_TR, GLYPH_CORNER_BL, GLYPH_CORNER_BR, /* + */
	GLYPH_TEE,      /* +  ├ */
	GLYPH_ELBOW,    /* `  └ */
	GLYPH_SELECTED, /* >  ▸ */
	GLYPH_ENDED,    /* x  × */
	GLYPH_SORT_DOWN, /* v  ▼ */
	GLYPH_SORT_UP,  /* ^  ▲ */
	GLYPH_FULL,     /* #  █ */
	GLYPH_DOT,      /* .  · */
	GLYPH_COUNT,
};

struct surface;

/* w and h are clamped to 1..SURFACE_MAX. NULL: out of memory. */
struct surface *surface_create(int w, int h, enum text_form);
void surface_destroy(struct surface *); /* NULL-safe */
/* Blank afterwards; takes memory only where it grows beyond what it was. -ENOMEM: as it was. */
int surface_resize(struct surface *, int w, int h);
/* All blank, no clip, no cursor. */
void surface_clear(struct surface *);

int surface_width(const struct surface *);
int surface_height(const struct surface *);
struct rect surface_rect(const struct surface *);
enum text_form surface_form(const struct surface *);
/* The cell, or NULL outside. */
const struct cell *surface_cell(const struct surface *, int x, int y);

/* Drawing outside of it does nothing. Returns the clip before, to be set again. */
struct rect surface_clip(struct surface *, struct rect);

/* n bytes of outside text in at most w columns. Returns the columns it took (with PUT_FILL or PUT_RIGHT: w). */
int surface_put(struct surface *, int x, int y, int w, enum role, unsigned flags, const void *bytes, size_t n);
/* Our own text, left-aligned, cut with an ellipsis. */
int surface_say(struct surface *, int x, int y, int w, enum role, const char *text);
int surface_sayf(struct surface *, int x, int y, int w, enum role, const char *format, ...)
	__attribute__((format(printf, 6, 7)));
/* Right-aligned. */
int surface_say_right(struct surface *, int x, int y, int w, enum role, const char *text);

void surface_glyph(struct surface *, int x, int y, enum role, enum glyph);
/* A single width-1 character; anything else draws '?'. */
void surface_char(struct surface *, int x, int y, enum role, uint32_t code);
void surface_hline(struct surface *, int x, int y, int w, enum role);
void surface_fill(struct surface *, struct rect, enum role, char c);
/* Changes roles only. */
void surface_paint_role(struct surface *, struct rect, enum role);
/* A frame around the rect's edge, its inside blank in the role. */
void surface_box(struct surface *, struct rect, enum role);
/* One cell of a sparkline: level 0 (nothing: '.') to 9 (ASCII: the digit; UTF-8: a block of eighths); below 0: unknown, a
 * blank. */
void surface_spark(struct surface *, int x, int y, enum role, int level);

/* Where the terminal's cursor stands; hidden where x < 0. */
void surface_set_cursor(struct surface *, int x, int y);
void surface_cursor(const struct surface *, int *ret_x, int *ret_y);

/* Copies size and cells. -ENOMEM. */
int surface_copy(struct surface *to, const struct surface *from);
/* Lines of text, trailing blanks cut, each ended by a newline; roles: letters instead, nothing cut. Heap, NUL-terminated;
 * NULL: out of memory. */
char *surface_text(const struct surface *);
char *surface_roles(const struct surface *);

#endif
