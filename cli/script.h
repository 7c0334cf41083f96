/* A scripted session: the console without a terminal, driven by a file of steps, one a line:
 *
 *	key Down            a key by its name: j Enter Space ^L F1 ...
 *	type cpu>50         text as if typed
 *	resize 40x12
 *	at 12.5s            pause there: seconds after the first frame
 *	wait 2.5s           time passes: what plays moves on
 *	shot NAME           writes NAME.txt and NAME.roles
 *	# a remark
 */
#ifndef CLI_SCRIPT_H
#define CLI_SCRIPT_H

#include "console.h"
#include "console_data.h"

struct script_options {
	const char *file;  /* of steps */
	const char *shots; /* folder; made where it isn't there */
	int width, height;
	enum text_form form;
	int (*mark)(void *self, uint64_t mono_ns, const char *text, struct culprit_error *); /* as struct loop_options */
	void *self;
};

/* 0; -EINVAL with a sentence that names the line; -errno. Only a logical clock: the same recording and steps give the same
 * shots. */
int script_run(struct console *, struct console_data *, const struct script_options *, struct culprit_error *);

#endif
