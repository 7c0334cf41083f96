/* Colours as terminals have them: the nearest of 256, 16, 8. */
#include "theme.h"

/* xterm's first sixteen as they are without a palette of the user's. */
static const uint8_t basic[16][3] = {
	{0, 0, 0},	 {205, 0, 0},	{0, 205, 0},   {205, 205, 0},  {0, 0, 238},    {205, 0, 205},
	{0, 205, 205},	 {229, 229, 229}, {127, 127, 127}, {255, 0, 0}, {0, 255, 0},    {255, 255, 0},
	{92, 92, 255},	 {255, 0, 255}, {0, 255, 255}, {255, 255, 255},
};

static const uint8_t cube[6] = {0, 95, 135, 175, 215, 255};

static unsigned distance(const uint8_t a[3], int r, int g, int b)
{
	int dr = a[0] - r, dg = a[1] - g, db = a[2] - b;

	return (unsigned)(3 * dr * dr + 4 * dg * dg + 2 * db * db);
}

static void rgb_of_index(uint8_t index, uint8_t ret[3])
{
	if (index < 16) {
		for (int i = 0; i < 3; i++)
			ret[i] = basic[index][i];
	} else if (index < 232) {
		unsigned v = index - 16u;

		ret[0] = cube[v / 36];
		ret[1] = cube[v / 6 % 6];
		ret[2] = cube[v % 6];
	} else {
		ret[0] = ret[1] = ret[2] = (uint8_t)(8 + 10 * (index - 232));
	}
}

static uint8_t nearest(unsigned first, unsigned end, int r, int g, int b)
{
	unsigned best = first, best_distance = ~0u;

	for (unsigned i = first; i < end; i++) {
		uint8_t c[3];
		unsigned d;

		rgb_of_index((uint8_t)i, c);
		d = distance(c, r, g, b);
		if (d < best_distance) {
			best_distance = d;
			best = i;
		}
	}
	return (uint8_t)best;
}

static struct colour reduce(struct colour c, enum colour_depth depth)
{
	uint8_t rgb[3] = {c.r, c.g, c.b};

	if (c.kind == COLOUR_DEFAULT || depth == DEPTH_RGB)
		return c;
	if (depth == DEPTH_MONO)
		return (struct colour){.kind = COLOUR_DEFAULT};
	if (c.kind == COLOUR_RGB && depth == DEPTH_256) {
		/* Not the first sixteen: the user may have changed what they are. */
		c.index = nearest(16, 256, rgb[0], rgb[1], rgb[2]);
	} else if (c.kind == COLOUR_RGB || (depth < DEPTH_256 && c.index >= 16)) {
		if (c.kind == COLOUR_INDEX)
			rgb_of_index(c.index, rgb);
		c.index = nearest(0, 16, rgb[0], rgb[1], rgb[2]);
	}
	c.kind = COLOUR_INDEX;
	return c;
}

static bool is_light(uint8_t index)
{
	uint8_t c[3];

	rgb_of_index(index, c);
	return 3 * c[0] + 6 * c[1] + c[2] > 10 * 128;
}

struct style style_reduce(struct style style, enum colour_depth depth)
{
	style.fg = reduce(style.fg, depth);
	style.bg = reduce(style.bg, depth);
	if (depth == DEPTH_8) {
		/* A bright colour is the plain one, bold; but bold black is unseen on many terminals: white then. */
		if (style.fg.kind == COLOUR_INDEX && style.fg.index == 8) {
			style.fg.index = 7;
		} else if (style.fg.kind == COLOUR_INDEX && style.fg.index > 8) {
			style.fg.index -= 8;
			style.attributes |= STYLE_BOLD;
		}
		if (style.bg.kind == COLOUR_INDEX && style.bg.index >= 8)
			style.bg.index -= 8;
	}
	/* A palette of few colours may map both to one: then the text would be unseen. What it stands on stays, so that a
	 * screen has one ground. */
	if (depth <= DEPTH_16 && style.fg.kind == COLOUR_INDEX && style.bg.kind == COLOUR_INDEX &&
	    style.fg.index == style.bg.index) {
		style.fg.index = is_light(style.bg.index) ? 0 : style.bg.index == 7 || style.bg.index == 8 ? 15 : 7;
	}
	return style;
}
