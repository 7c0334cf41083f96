/* The only file that knows ncurses: its terminal database, read once when the screen is opened. Curses' windows are not
 * used: what is written is decided in paint.c, so that bytes are counted, a slow or stopped line never blocks, 24-bit
 * colours come out exactly, and widths are those of our own tables and not of a locale that may be missing. */
#include "caps.h"

#include <curses.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <term.h>

#include "caps_builtin.h"
#include "error.h"
#include "text.h"

const char *const caps_key_names[CAPS_KEYS + 1] = {
	"kcuu1", "kcud1", "kcub1", "kcuf1", "khome", "kend", "kpp",  "knp",  "kich1", "kdch1", "kcbt", "kbs",	"kf1",
	"kf2",	 "kf3",	  "kf4",   "kf5",   "kf6",   "kf7",  "kf8",  "kf9",  "kf10",  "kf11",  "kf12", "kent",
	NULL,
};

/* A capability without padding ($<5>), and without the switch back to a character set that was never left (in many
 * sgr0). */
static void load(const char *name, char *out, size_t cap)
{
	const char *s = tigetstr((char *)(uintptr_t)name);
	size_t n = 0;

	out[0] = 0;
	if (!s || s == (char *)-1)
		return;
	while (*s) {
		const char *end = s[0] == '$' && s[1] == '<' ? strchr(s, '>') : NULL;

		if (end) {
			s = end + 1;
			continue;
		}
		if (!strcmp(name, "sgr0") && (*s == 0x0f || !strncmp(s, "\033(B", 3))) {
			s += *s == 0x0f ? 1 : 3;
			continue;
		}
		if (n + 1 >= cap) {
			out[0] = 0; /* cut short it would be something else */
			return;
		}
		out[n++] = *s++;
	}
	out[n] = 0;
}

static bool flag(const char *name)
{
	return tigetflag((char *)(uintptr_t)name) > 0;
}

static int number(const char *name)
{
	return tigetnum((char *)(uintptr_t)name);
}

int caps_load(struct caps *caps, const char *term, int fd, struct culprit_error *error)
{
	const struct {
		const char *name;
		char *to;
	} strings[] = {
		{"cup", caps->cup},	{"hpa", caps->hpa},	{"cuf", caps->cuf},	{"clear", caps->clear},
		{"el", caps->el},	{"ech", caps->ech},	{"smcup", caps->smcup}, {"rmcup", caps->rmcup},
		{"smkx", caps->smkx},	{"rmkx", caps->rmkx},	{"civis", caps->civis}, {"cnorm", caps->cnorm},
		{"sgr0", caps->sgr0},	{"bold", caps->bold},	{"rev", caps->rev},	{"smul", caps->smul},
		{"setaf", caps->setaf}, {"setab", caps->setab}, {"kmous", caps->kmous},
	};
	char shown[64];
	int status = 0;

	memset(caps, 0, sizeof(*caps));
	text_sanitise(shown, sizeof(shown), term ? term : "", term ? strlen(term) : 0, TEXT_ASCII);
	if (!term || !*term)
		return error_set(error, -ENODEV,
				 "TERM is not set, so the terminal is unknown: set it (TERM=xterm-256color), or use culprit dump");
	if (strlen(term) > 128 || setupterm((char *)(uintptr_t)term, fd, &status) != OK) {
		/* A generic or hard-copy entry is loaded in spite of the error. */
		const struct caps *builtin = caps_builtin(term);

		if (cur_term)
			del_curterm(cur_term);
		if (builtin) {
			*caps = *builtin;
			return 0;
		}
		return error_set(error, -ENODEV,
				 "TERM is \"%s\", %s: try TERM=xterm-256color or TERM=vt100, or use culprit dump", shown,
				 status < 0 ? "and there is no terminal database here" :
					      "which the terminal database here does not know");
	}
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		load(strings[i].name, strings[i].to, CAPS_STRING_MAX);
	for (size_t i = 0; i < CAPS_KEYS; i++)
		load(caps_key_names[i], caps->keys[i], sizeof(caps->keys[i]));
	caps->colors = number("colors");
	caps->width = number("cols");
	caps->height = number("lines");
	caps->rgb = flag("RGB") || flag("Tc") || number("RGB") > 0;
	caps->ax = flag("AX");
	caps->am = flag("am");
	caps->xenl = flag("xenl");
	del_curterm(cur_term);
	/* The cursor was visible when we came; more than that isn't ours to change (xterm's cnorm also stops blinking). */
	if (!strcmp(caps->civis, "\033[?25l"))
		memcpy(caps->cnorm, "\033[?25h", sizeof("\033[?25h"));
	if (!caps->cup[0] || !caps->clear[0])
		return error_set(error, -ENODEV,
				 "TERM is \"%s\", a terminal that cannot place its cursor: set TERM to what it really is, or use culprit dump",
				 shown);
	return 0;
}

size_t caps_expand(char *out, size_t cap, const char *capability, int a, int b)
{
	const char *s;
	size_t n;

	if (!*capability)
		return 0;
	s = tiparm(capability, a, b);
	n = s ? strlen(s) : 0;
	if (!n || n >= cap)
		return 0;
	memcpy(out, s, n + 1);
	return n;
}
