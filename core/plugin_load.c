/* In the helper: loads the file and checks what it says of itself, before any of its functions is called. A plug-in that
 * lies about its pointers crashes the helper, and only it. */
#include "plugin_wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#ifndef CULPRIT_STATIC
#include <dlfcn.h>
#include <link.h>
#endif

#include "error.h"

/* The smallest sizes ever published. */
enum {
	PLUGIN_SIZE_V1 = offsetof(struct culprit_plugin, collectors) + sizeof(void *),
	COLLECTOR_SIZE_V1 = offsetof(struct culprit_collector, close) + sizeof(void (*)(void *)),
	STRUCT_SIZE_MAX = 4096,
};

/* Copies a struct that says its own size: what it lacks reads 0, what we don't know must be 0. */
static int copy_sized(void *to, size_t to_size, size_t least, const void *from, size_t size, const char *what,
		      struct culprit_error *error)
{
	if (size < least || size > STRUCT_SIZE_MAX)
		return error_set(error, -EINVAL, "its %s says that it has %zu bytes, which no version has.", what, size);
	for (size_t i = to_size; i < size; i++)
		if (((const unsigned char *)from)[i])
			return error_set(error, -EINVAL, "its %s uses fields that this version does not know: update culprit.",
					 what);
	memset(to, 0, to_size);
	memcpy(to, from, size < to_size ? size : to_size);
	return 0;
}

static int check_abi(uint32_t abi, struct culprit_error *error)
{
	if (abi == CULPRIT_ABI_VERSION)
		return 0;
	return error_set(error, -EPROTO, "it was built for plug-in ABI %u, this culprit has ABI %u: build it anew.", abi,
			 CULPRIT_ABI_VERSION);
}

static bool name_is_valid(const char *name)
{
	size_t n = name ? strnlen(name, SCHEMA_NAME_MAX + 1) : 0;

	return n && n <= SCHEMA_NAME_MAX && name[0] >= 'a' && name[0] <= 'z' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

static int check_collector(struct plugin_loaded *l, const struct culprit_collector *from, uint32_t number,
			   struct schema *schema, struct culprit_error *error)
{
	struct culprit_collector *c = &l->collector;
	struct culprit_error inner = {""};
	int err;

	if (!from)
		return error_set(error, -EINVAL, "its collector %u is NULL.", number);
	if (from->size < COLLECTOR_SIZE_V1)
		return copy_sized(NULL, 0, COLLECTOR_SIZE_V1, from, from->size, "struct culprit_collector", error);
	err = check_abi(from->abi, error);
	if (err == 0)
		err = copy_sized(c, sizeof(*c), COLLECTOR_SIZE_V1, from, from->size, "struct culprit_collector", error);
	if (err < 0)
		return err;
	if (!name_is_valid(c->name))
		return error_set(error, -EINVAL, "its collector %u has no valid name; names are [a-z][a-z0-9_]*.", number);
	if (c->flags || c->reserved)
		return error_set(error, -EINVAL, "its collector %s uses flags that this version does not know: update culprit.",
				 c->name);
	if (!c->help || strnlen(c->help, SCHEMA_HELP_MAX + 1) > SCHEMA_HELP_MAX)
		return error_set(error, -EINVAL, "its collector %s has no help, or too long a one.", c->name);
	if (!c->sample || (c->fd && !c->drain))
		return error_set(error, -EINVAL, "its collector %s lacks %s().", c->name, c->sample ? "drain" : "sample");
	if (!c->tables || !c->ntables || c->ntables > PLUGIN_TABLES_MAX)
		return error_set(error, -EINVAL, "its collector %s has %u tables; 1 to %d are possible.", c->name, c->ntables,
				 PLUGIN_TABLES_MAX);
	for (uint32_t i = 0; i < c->ntables; i++) {
		if (!c->tables[i])
			return error_set(error, -EINVAL, "its collector %s: table %u is NULL.", c->name, i);
		err = schema_add(schema, c->tables[i], &inner);
		if (err < 0)
			return error_set(error, err, "its collector %s: %s.", c->name, inner.sentence);
	}
	return 0;
}

int plugin_check(const void *symbol, size_t symbol_size, struct plugin_loaded *loaded, struct schema *schema,
		 struct culprit_error *error)
{
	struct culprit_plugin plugin;
	size_t size;
	int err;

	memcpy(&size, symbol, sizeof(size));
	if (symbol_size && size > symbol_size)
		return error_set(error, -EINVAL, "its struct culprit_plugin says that it has %zu bytes, but the file holds %zu.",
				 size, symbol_size);
	if (size < PLUGIN_SIZE_V1)
		return copy_sized(NULL, 0, PLUGIN_SIZE_V1, symbol, size, "struct culprit_plugin", error);
	/* The ABI first: with another one, nothing else need be where we look. */
	err = check_abi(((const struct culprit_plugin *)symbol)->abi, error);
	if (err == 0)
		err = copy_sized(&plugin, sizeof(plugin), PLUGIN_SIZE_V1, symbol, size, "struct culprit_plugin", error);
	if (err < 0)
		return err;
	if (!plugin.collectors || !plugin.ncollectors || plugin.ncollectors > PLUGIN_COLLECTORS_MAX)
		return error_set(error, -EINVAL, "it has %u collectors; 1 to %d are possible.", plugin.ncollectors,
				 PLUGIN_COLLECTORS_MAX);
	for (uint32_t i = 0; i < plugin.ncollectors; i++) {
		err = check_collector(&loaded[i], plugin.collectors[i], i, schema, error);
		if (err < 0)
			return err;
		for (uint32_t k = 0; k < i; k++)
			if (!strcmp(loaded[k].collector.name, loaded[i].collector.name))
				return error_set(error, -EEXIST, "it has two collectors named %s.", loaded[i].collector.name);
	}
	return (int)plugin.ncollectors;
}

#ifdef CULPRIT_STATIC
int plugin_load(int file_fd, struct plugin_loaded *loaded, struct schema *schema, struct culprit_error *error)
{
	(void)file_fd;
	(void)loaded;
	(void)schema;
	return error_set(error, -ENOTSUP, "the static binary has no plug-ins: use a dynamic build of culprit.");
}
#else
/* What the loader says, without the name that we made up for the file. */
static const char *load_error(const char *path)
{
	const char *text = dlerror();

	if (!text)
		return "no reason given";
	if (!strncmp(text, path, strlen(path)) && !strncmp(text + strlen(path), ": ", 2))
		text += strlen(path) + 2;
	return text;
}

int plugin_load(int file_fd, struct plugin_loaded *loaded, struct schema *schema, struct culprit_error *error)
{
	char path[64];
	void *handle, *symbol;
	const ElfW(Sym) *entry = NULL;
	Dl_info info;

	/* The very file that was checked, whatever its name leads to now. Never unloaded. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file_fd);
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return error_set(error, -ENOEXEC, "it cannot be loaded: %s.", load_error(path));
	symbol = dlsym(handle, CULPRIT_PLUGIN_SYMBOL);
	if (!symbol)
		return error_set(error, -ENOEXEC, "it is no plug-in of culprit: it exports no %s.", CULPRIT_PLUGIN_SYMBOL);
	if (!dladdr1(symbol, &info, (void **)&entry, RTLD_DL_SYMENT))
		entry = NULL;
	return plugin_check(symbol, entry ? entry->st_size : 0, loaded, schema, error);
}
#endif
