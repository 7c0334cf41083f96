#include "remember.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"
#include "units.h"

enum { INTERVAL_MIN_NS = 10000000 };

static void say(struct remember *r, const char *sentence, const char *then)
{
	if (!r->said[0])
		snprintf(r->said, sizeof(r->said), "%.300s%s", sentence, then);
}

static bool is_yes(const char *value)
{
	return value && (!strcmp(value, "yes") || !strcmp(value, "on") || !strcmp(value, "true") || !strcmp(value, "1"));
}

static int read_system(struct remember *r, const char *file, bool only_readonly)
{
	struct settings *s = only_readonly ? settings_create() : r->all;
	struct culprit_error error = {""};
	int err = s ? settings_read(s, file, &error) : -ENOMEM;

	if (err == -ENOMEM)
		return err;
	/* It is not this user's to mend. Whether it forbids anything cannot be told: it may. */
	if (err && err != -ENOENT) {
		say(r, error.sentence, ": nothing may be changed until it is mended");
		r->options.readonly = true;
	}
	r->options.readonly = r->options.readonly || is_yes(settings_get(s, "readonly"));
	if (only_readonly)
		settings_destroy(s);
	return 0;
}

static int read_own(struct remember *r)
{
	struct culprit_error error = {""};
	int err = settings_read(r->own, r->file, &error);

	if (!err)
		return settings_read(r->all, r->file, &error) == -ENOMEM ? -ENOMEM : 0;
	if (err == -EINVAL && !settings_set_aside(r->file)) {
		say(r, error.sentence, "; set aside as settings.bad, all is as usual");
	} else if (err != -ENOENT) {
		/* Of a newer version, or not to be read: it stays as it is. */
		say(r, error.sentence, "");
		r->file[0] = '\0';
	}
	return err == -ENOMEM ? err : 0;
}

/* What the command line did not say. */
static void options_fill(struct remember *r)
{
	const char *interval = settings_get(r->all, "interval"), *theme = settings_get(r->all, "theme");
	struct options *o = &r->options;
	uint64_t ns;

	if (!o->interval_ns && interval) {
		if (!units_parse_duration(interval, &ns, NULL) && ns >= INTERVAL_MIN_NS) {
			o->interval_ns = ns;
			o->interval_remembered = true;
		} else {
			say(r, "settings: interval is no time from 10ms on: it is 1s", "");
		}
	}
	if (!o->theme)
		o->theme = theme;
	o->readonly = o->readonly || is_yes(settings_get(r->all, "readonly"));
}

int remember_open(struct remember *r, const struct options *o, const char *system_file, const char *config_dir)
{
	const char *ignore = getenv("CULPRIT_NO_SETTINGS");
	char folder[4096];
	bool none = o->no_settings || (ignore && *ignore);
	int err;

	memset(r, 0, sizeof(*r));
	r->options = *o;
	r->all = settings_create();
	r->own = settings_create();
	err = r->all && r->own ? read_system(r, system_file, none) : -ENOMEM;
	if (!err && !none && config_dir && strlen(config_dir) <= 4000) {
		snprintf(folder, sizeof(folder), "%.4000s/culprit", config_dir);
		(void)!mkdir(config_dir, 0700);
		(void)!mkdir(folder, 0700);
		snprintf(r->file, sizeof(r->file), "%.4000s/culprit/settings", config_dir);
		err = read_own(r);
	}
	if (!err) {
		remember_set(r->all, o, NULL);
		if (o->nsets)
			r->file[0] = '\0';
		options_fill(r);
		r->before = settings_format(r->own);
		err = r->before ? 0 : -ENOMEM;
	}
	if (err)
		remember_close(r);
	return err;
}

int remember_set(struct settings *s, const struct options *o, struct culprit_error *error)
{
	for (size_t i = 0; i < o->nsets; i++) {
		const char *equals = strchr(o->sets[i], '=');
		char name[SETTING_NAME_MAX] = "";
		int err;

		if (equals && (size_t)(equals - o->sets[i]) < sizeof(name))
			snprintf(name, sizeof(name), "%.*s", (int)(equals - o->sets[i]), o->sets[i]);
		err = *name ? settings_set(s, name, equals + 1) : -EINVAL;
		if (err)
			return error_set(error, err, "--set takes NAME=VALUE, such as processes.sort=-rss, not '%.40s'", o->sets[i]);
	}
	return 0;
}

void remember_close(struct remember *r)
{
	settings_destroy(r->all);
	settings_destroy(r->own);
	free(r->before);
	r->all = r->own = NULL;
	r->before = NULL;
}

void remember_apply(const struct remember *r, struct console *console)
{
	/* A filter is of the table of the panel that is usual. */
	console_restore(console, r->all, !r->options.filter);
	if (r->said[0])
		console_say_also(console, r->said);
}

int remember_save(struct remember *r, const struct console *console, struct culprit_error *error)
{
	char *now;
	int err = 0;

	if (!r->file[0])
		return 0;
	console_keep(console, r->own);
	now = settings_format(r->own);
	if (!now)
		return error_set(error, -ENOMEM, "out of memory: the settings are not kept");
	if (strcmp(now, r->before))
		err = settings_write(r->own, r->file, error);
	free(now);
	return err;
}
