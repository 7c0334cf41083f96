#include "support/golden.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "surface.h"

static char *slurp(const char *path)
{
	FILE *f = fopen(path, "r");
	char *bytes;
	size_t n;

	if (!f)
		return NULL;
	bytes = malloc(1 << 20);
	if (!bytes)
		abort();
	n = fread(bytes, 1, (1 << 20) - 1, f);
	bytes[n] = 0;
	fclose(f);
	return bytes;
}

static void print_line(char sign, const char *line, size_t n)
{
	fprintf(stderr, "%c %.*s\n", sign, (int)n, line);
}

static void print_difference(const char *expected, const char *got)
{
	while (*expected || *got) {
		size_t e = strcspn(expected, "\n"), g = strcspn(got, "\n");

		if (e == g && !memcmp(expected, got, e)) {
			print_line(' ', got, g);
		} else {
			print_line('-', expected, e);
			print_line('+', got, g);
		}
		expected += e + (expected[e] == '\n');
		got += g + (got[g] == '\n');
	}
}

void golden_check(const struct surface *s, const char *name)
{
	char *text = surface_text(s), *roles = surface_roles(s), *expected, path[256];
	size_t n;
	char *got;

	assert_non_null(text);
	assert_non_null(roles);
	n = strlen(text) + strlen(roles) + 64;
	got = malloc(n);
	assert_non_null(got);
	snprintf(got, n, "%dx%d\n%sroles\n%s", surface_width(s), surface_height(s), text, roles);
	free(text);
	free(roles);
	snprintf(path, sizeof(path), "tests/screens/%s.golden", name);
	if (getenv("UPDATE") && !strcmp(getenv("UPDATE"), "1")) {
		FILE *f = fopen(path, "w");

		if (!f)
			fail_msg("%s: %s", path, strerror(errno));
		fputs(got, f);
		fclose(f);
		free(got);
		return;
	}
	expected = slurp(path);
	if (!expected) {
		fprintf(stderr, "%s", got);
		free(got);
		fail_msg("%s is missing: make test-screens UPDATE=1 writes it", path);
		return;
	}
	if (strcmp(expected, got)) {
		print_difference(expected, got);
		free(expected);
		free(got);
		fail_msg("%s: the screen differs (- expected, + drawn); make test-screens UPDATE=1 accepts it", path);
		return;
	}
	free(expected);
	free(got);
}
