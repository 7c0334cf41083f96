/* What a console remembers from one run to the next: $XDG_CONFIG_HOME/culprit/settings, over what /etc/culprit/settings says
 * for everybody. Nothing about it is ever a reason not to start: what is wrong is said on the console, once. */
#ifndef CLI_REMEMBER_H
#define CLI_REMEMBER_H

#include "console.h"
#include "options.h"
#include "settings.h"

#define SETTINGS_SYSTEM "/etc/culprit/settings"

struct remember {
	struct settings *all;  /* of everybody and the user's: what counts */
	struct settings *own;  /* the user's, to be written again */
	char *before;          /* the file as it was; nothing new is not written */
	char file[4096];       /* "": nothing is written */
	char said[512];        /* what was wrong; "": nothing */
	struct options options; /* with what is remembered where nothing was said */
};

/* Reads both files. With --no-settings, or $CULPRIT_NO_SETTINGS, of the system's only `readonly`. `config_dir`: may be NULL.
 * The folder is made where it can be: a replay that has shut itself in can write into one that is there. A file with
 * mistakes is set aside. With --set nothing is written: it was meant for this time. 0, -ENOMEM. */
int remember_open(struct remember *, const struct options *, const char *system_file, const char *config_dir);
void remember_close(struct remember *);
/* Once the console is made: its panels, and what was wrong. */
void remember_apply(const struct remember *, struct console *);
/* What --set says, into settings. -EINVAL with a sentence. */
int remember_set(struct settings *, const struct options *, struct culprit_error *);
/* Writes the user's file where something changed. 0; -errno with a sentence. */
int remember_save(struct remember *, const struct console *, struct culprit_error *);

#endif
