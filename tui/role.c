#include "role.h"

#include <string.h>

static const struct {
	const char *name;
	char letter;
} roles[ROLE_COUNT] = {
#define ROLE_ROW(id, name, letter, plain, dark) [ROLE_##id] = {name, letter},
	ROLES(ROLE_ROW)
#undef ROLE_ROW
};

const char *role_name(enum role role)
{
	return (unsigned)role < ROLE_COUNT ? roles[role].name : roles[ROLE_TEXT].name;
}

char role_letter(enum role role)
{
	return (unsigned)role < ROLE_COUNT ? roles[role].letter : roles[ROLE_TEXT].letter;
}

bool role_find(const char *name, size_t len, enum role *ret)
{
	for (unsigned i = 0; i < ROLE_COUNT; i++) {
		if (strlen(roles[i].name) == len && !memcmp(roles[i].name, name, len)) {
			*ret = (enum role)i;
			return true;
		}
	}
	return false;
}
