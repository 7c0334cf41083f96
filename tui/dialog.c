#include "dialog.h"

#include <stdio.h>
#include <string.h>

size_t dialog_wrap(const char *text, int w, size_t *ret_next)
{
	size_t n = strcspn(text, "\n"), cut;

	if (n <= (size_t)w) {
		*ret_next = n + (text[n] == '\n');
		return n;
	}
	for (cut = (size_t)w; cut && text[cut] != ' '; cut--)
		;
	/* A long word: not through the middle of a character. */
	if (cut < (size_t)w / 2)
		for (cut = (size_t)w; cut > 1 && ((unsigned char)text[cut] & 0xc0) == 0x80; cut--)
			;
	*ret_next = cut + strspn(text + cut, " ");
	return cut;
}

int dialog_say(struct surface *s, struct rect r, enum role role, const char *text)
{
	int lines = 0;

	while (*text && lines < r.h) {
		size_t next, n = dialog_wrap(text, r.w > 8 ? r.w : 8, &next);

		if (s)
			surface_put(s, r.x, r.y + lines, r.w, role, 0, text, lines + 1 < r.h ? n : strlen(text));
		lines++;
		text += next;
	}
	return lines;
}

/* Where the lines of help go: counted always, drawn when they are in sight. */
struct help {
	struct surface *s;
	struct rect r;
	size_t top, line;
};

static bool in_sight(const struct help *h)
{
	return h->s && h->line >= h->top && h->line - h->top < (size_t)(h->r.h > 0 ? h->r.h : 0);
}

static int line_y(const struct help *h)
{
	return h->r.y + (int)(h->line - h->top);
}

static void help_line(struct help *h, enum role role, const char *text, size_t n)
{
	if (in_sight(h))
		surface_put(h->s, h->r.x, line_y(h), h->r.w, role, PUT_OWN, text, n);
	h->line++;
}

static void help_binding(struct help *h, const struct binding *b)
{
	bool wide = h->r.w >= 60;
	int at = h->r.x + (wide ? 33 : 16), room = h->r.x + h->r.w - at;
	char keys[80] = "", name[16];
	const char *text = b->help;

	for (int i = 0; i < BINDING_KEYS && b->keys[i]; i++) {
		size_t n = strlen(keys);

		key_format(b->keys[i], name);
		snprintf(keys + n, sizeof(keys) - n, "%s%s", n ? " " : "", name);
	}
	if (in_sight(h)) {
		surface_say(h->s, h->r.x + 1, line_y(h), 14, ROLE_DIALOG_KEY, keys);
		if (wide)
			surface_say(h->s, h->r.x + 16, line_y(h), 16, ROLE_DIALOG, b->name);
	}
	/* What does not fit goes on below. */
	do {
		size_t next, n = dialog_wrap(text, room > 8 ? room : 8, &next);

		if (in_sight(h))
			surface_put(h->s, at, line_y(h), room, ROLE_DIALOG, PUT_OWN, text, n);
		h->line++;
		text += next;
	} while (*text);
}

size_t dialog_help(struct surface *s, struct rect r, const char *title, const char *text, const struct keys_table *tables,
		   size_t ntables, size_t top)
{
	struct help h = {s, r, top, 0};

	if (s)
		surface_fill(s, r, ROLE_DIALOG, ' ');
	help_line(&h, ROLE_DIALOG_TITLE, title, strlen(title));
	while (*text) {
		size_t next, n = dialog_wrap(text, r.w > 8 ? r.w : 8, &next);

		help_line(&h, ROLE_DIALOG, text, n);
		text += next;
	}
	for (size_t i = 0; i < ntables; i++) {
		if (!tables[i].n)
			continue;
		help_line(&h, ROLE_DIALOG, "", 0);
		help_line(&h, ROLE_DIALOG_TITLE, tables[i].owner, strlen(tables[i].owner));
		for (size_t k = 0; k < tables[i].n; k++)
			if (tables[i].bindings[k].help && tables[i].bindings[k].keys[0] &&
			    !(tables[i].replay && tables[i].bindings[k].live_only))
				help_binding(&h, &tables[i].bindings[k]);
	}
	return h.line;
}

void dialog_init(struct dialog *d, const char *title, const char *text, const char *expect)
{
	memset(d, 0, sizeof(*d));
	snprintf(d->title, sizeof(d->title), "%s", title);
	snprintf(d->text, sizeof(d->text), "%s", text);
	snprintf(d->expect, sizeof(d->expect), "%s", expect ? expect : "");
}

enum dialog_result dialog_key(struct dialog *d, const struct key *key)
{
	size_t n = strlen(d->typed);

	if (key->code == KEY_ESC)
		return DIALOG_CANCELLED;
	if (!*d->expect) {
		if (key->code == 'y' || key->code == 'Y')
			return DIALOG_YES;
		if (key->code == 'n' || key->code == 'N' || key->code == 'q')
			return DIALOG_NO;
		return DIALOG_OPEN;
	}
	if (key->code == KEY_ENTER)
		return strcmp(d->typed, d->expect) ? DIALOG_NO : DIALOG_YES;
	if (key->code == KEY_BACKSPACE && n)
		d->typed[n - 1] = 0;
	else if (key->code >= ' ' && key->code < 0x7f && n + 1 < sizeof(d->typed))
		d->typed[n] = (char)key->code;
	return DIALOG_OPEN;
}

void dialog_draw(const struct dialog *d, struct surface *s, struct rect in)
{
	int w = in.w < 64 ? in.w : 64, lines = 0, y;
	struct rect r, clip;
	const char *text;
	size_t next;
	int inner;

	if (w < 8 || in.h < 3) {
		/* No room for a box: what must be answered is said at least. */
		surface_fill(s, (struct rect){in.x, in.y, in.w, 1}, ROLE_DIALOG, ' ');
		surface_say(s, in.x, in.y, in.w, ROLE_DIALOG_TITLE, *d->expect ? d->title : "y/n?");
		return;
	}
	inner = w - 4;
	for (text = d->text; *text; text += next) {
		dialog_wrap(text, inner, &next);
		lines++;
	}
	r.w = w;
	r.h = lines + 5 < in.h ? lines + 5 : in.h;
	r.x = in.x + (in.w - w) / 2;
	r.y = in.y + (in.h - r.h) / 2;
	surface_box(s, r, ROLE_DIALOG);
	surface_say(s, r.x + 2, r.y, inner, ROLE_DIALOG_TITLE, d->title);
	clip = surface_clip(s, (struct rect){r.x + 1, r.y + 1, r.w - 2, r.h - 2});
	y = r.y + 1;
	for (text = d->text; *text && y < r.y + r.h - 2; text += next) {
		size_t n = dialog_wrap(text, inner, &next);

		surface_put(s, r.x + 2, y++, inner, ROLE_DIALOG, PUT_OWN, text, n);
	}
	y = r.y + r.h - 2;
	if (*d->expect) {
		int at = r.x + 2;

		at += surface_sayf(s, at, y, inner, ROLE_DIALOG, "type %s, Enter: ", d->expect);
		at += surface_say(s, at, y, r.x + r.w - 2 - at, ROLE_DIALOG_KEY, d->typed);
		surface_set_cursor(s, at < r.x + r.w - 2 ? at : r.x + r.w - 3, y);
	} else {
		int at = r.x + 2;

		at += surface_say(s, at, y, inner, ROLE_DIALOG_KEY, "y");
		at += surface_say(s, at, y, inner, ROLE_DIALOG, " yes   ");
		at += surface_say(s, at, y, inner, ROLE_DIALOG_KEY, "n");
		at += surface_say(s, at, y, inner, ROLE_DIALOG, " no   ");
		at += surface_say(s, at, y, inner, ROLE_DIALOG_KEY, "Esc");
		surface_say(s, at, y, inner, ROLE_DIALOG, " back");
	}
	surface_clip(s, clip);
}
