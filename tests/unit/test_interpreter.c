#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "interpreter.h"

static void names_what_is_run(void **state)
{
	static const struct {
		const char *cmdline, *name;
	} cases[] = {
		{"/usr/bin/java -Xmx4g -jar /srv/api.jar --port 80", "java:api.jar"},
		{"java -cp /a/b.jar:/c org.acme.Main x", "java:org.acme.Main"},
		{"/opt/jdk/bin/java --module-path mods -m shop/org.acme.Main", "java:org.acme.Main"},
		{"java @args -Dx=y --add-opens java.base/java.lang=ALL-UNNAMED Main", "java:Main"},
		{"java -XX:+UseZGC kafka.Kafka /etc/kafka.properties", "java:kafka.Kafka"},
		{"java -version", ""},
		{"java -cp", ""},
		{"/usr/bin/python3 /srv/shop/manage.py runserver", "python3:manage.py"},
		{"python3.11 -u -W ignore -m http.server 80", "python3.11:http.server"},
		{"python3 -c import time", ""},
		{"python3", ""},
		{"pythonista /x.py", ""},
		{"/usr/bin/node --max-old-space-size=512 /srv/api/index.js", "node:api/index.js"},
		{"node -r ts-node/register worker.js", "node:worker.js"},
		{"node index.js", "node:index.js"},
		{"node -e 1", ""},
		{"/bin/sh /usr/local/bin/backup.sh now", "sh:backup.sh"},
		{"/bin/sh -c sleep 1", ""},
		{"bash -lc make", ""},
		{"-bash", ""},
		{"perl -w -I lib /usr/bin/exiqgrep", "perl:exiqgrep"},
		{"ruby -I lib bin/rails server", "ruby:rails"},
		{"php -d x=1 artisan queue:work", "php:artisan"},
		{"/usr/sbin/mysqld --datadir=/var", ""},
		{"", ""},
		{"   ", ""},
		{"/", ""},
		{"python3 /", ""},
		{"sh //", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char out[64];
		size_t n = interpreter_main(cases[i].cmdline, strlen(cases[i].cmdline), out, sizeof(out));

		if (strcmp(out, cases[i].name))
			fail_msg("\"%s\" is \"%s\", not \"%s\"", cases[i].cmdline, out, cases[i].name);
		assert_int_equal(n, strlen(out));
	}
}

/* The end of a class tells more than its beginning, and is cut between its parts. */
static void long_names_are_cut(void **state)
{
	char line[4200] = "java ", out[64];

	(void)state;
	strcat(line, "com.acme.shop.platform.services.checkout.internal.Bootstrap");
	assert_true(interpreter_main(line, strlen(line), out, sizeof(out)) > 0);
	assert_string_equal(out, "java:services.checkout.internal.Bootstrap");
	memset(line + 5, 'x', 4000);
	line[4005] = '\0';
	assert_int_equal(interpreter_main(line, strlen(line), out, sizeof(out)), INTERPRETER_NAME_MAX);
	/* No room is no name. */
	assert_int_equal(interpreter_main(line, strlen(line), out, 8), 0);
	assert_string_equal(out, "");
	assert_int_equal(interpreter_main(line, strlen(line), out, 0), 0);
}

static void any_bytes_will_do(void **state)
{
	uint32_t seed = 7;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		static const char *const begin[] = {"java ", "python3 ", "node ", "bash ", ""};
		char line[64], out[64];
		size_t n = strlen(begin[round % 5]);

		memcpy(line, begin[round % 5], n);
		for (; n < sizeof(line); n++) {
			seed = seed * 1664525 + 1013904223;
			line[n] = "-/. jarcpm\x00\xff\x1b@+"[seed >> 16 & 15];
		}
		seed = seed * 1664525 + 1013904223;
		interpreter_main(line, seed >> 16 & 63, out, 1 + (seed >> 24 & 63) % 63);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_what_is_run),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(any_bytes_will_do),
	};

	return cmocka_run_group_tests_name("interpreter", tests, NULL, NULL);
}
