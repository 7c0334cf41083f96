#include "confine.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "prefix.h"
#include "themes.h"

enum { PATH_BYTES = 4096 };

/* The folder a file is in, in `buf`; NULL: none. */
static const char *folder(const char *file, char *buf)
{
	const char *slash;

	if (!file || !strcmp(file, "-"))
		return NULL;
	slash = strrchr(file, '/');
	if (!slash)
		return ".";
	snprintf(buf, PATH_BYTES, "%.*s", (int)(slash == file ? 1 : slash - file), file);
	return buf;
}

static const char *itself(const char *file)
{
	struct stat st;

	return file && strcmp(file, "-") && !stat(file, &st) && S_ISDIR(st.st_mode) ? file : NULL;
}

void confine(const struct options *o, const char *file, struct sandbox_report *report)
{
	char at[PATH_BYTES], baseline[PATH_BYTES], keys[PATH_BYTES], out[PATH_BYTES], config[PATH_BYTES - 16], own[PATH_BYTES];
	char share[PATH_BYTES];
	struct sandbox_options options = {
		.readable = {folder(file, at), itself(file), folder(o->baseline, baseline), itself(o->baseline),
			     folder(o->keys, keys), share, "/etc/culprit"},
	};

	snprintf(share, sizeof(share), "%s/share/culprit", culprit_prefix);
	if (o->verb == VERB_CUT) {
		options.writable[0] = folder(o->output, out);
	} else if (o->verb == VERB_REPLAY) {
		options.writable[0] = options.readable[0];
		options.writable[1] = ".";
		options.writable[2] = o->shots;
		if (theme_config_dir(config, sizeof(config))) {
			snprintf(own, sizeof(own), "%s/culprit", config);
			options.writable[3] = own;
		}
	}
	sandbox_enter(&options, report);
}
