/* All findings, from any panel: what the Overview has room for is the first one. Asked for when the key is pressed, of the window that is
 * shown; it stands still while one reads it. */
#include <errno.h>
#include <stdlib.h>

#include "console_state.h"
#include "findings.h"

enum { LISTED_WIDTH = 78 };

void console_verdict(struct console *c)
{
	struct culprit_error error = {""};
	struct findings *f = c->options.view ? calloc(1, sizeof(*f)) : NULL;
	char *text = f ? malloc(FINDINGS_LIST_MAX) : NULL;
	int width = c->panel_rect.w > 20 && c->panel_rect.w < LISTED_WIDTH + 2 ? c->panel_rect.w - 2 : LISTED_WIDTH;

	if (!text) {
		console_say(c, c->options.view ? "out of memory: the findings can't be listed" : "there is nothing to judge yet");
		free(f);
		return;
	}
	if (findings_ask(f, c->options.view, console_lens(c), c->now.to_ns, &error)) {
		console_error(c, error.sentence[0] ? error.sentence : "the machine's tables could not be asked: nothing is judged");
		free(text);
	} else {
		findings_list(f, (size_t)width, text, FINDINGS_LIST_MAX);
		console_list(c, "verdict", text);
	}
	findings_finish(f);
	free(f);
}
