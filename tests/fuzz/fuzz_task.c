/* The parsers of the files below /proc/PID. The first byte chooses one. What they answer must lie within what they were
 * given, or within its type's bounds. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "task_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct task_schedstat schedstat;
	struct task_status status;
	struct task_stat stat;
	struct task_io io;
	const char *path;
	char *text, tty[16];
	uint32_t pid;
	uint64_t v;
	size_t n, length;

	if (size == 0)
		return 0;
	n = size - 1;
	text = malloc(n + 1);
	memcpy(text, data + 1, n);
	switch (data[0] % 9) {
	case 0:
		if (task_parse_stat(text, n, &stat) == 0) {
			CHECK(stat.comm_len <= TASK_COMM_MAX && stat.fields >= 24 && stat.fields <= 52 && stat.id > 0);
			CHECK(task_tty_name(stat.tty, tty, sizeof(tty)) < sizeof(tty));
		}
		break;
	case 1:
		task_parse_status(text, n, &status);
		break;
	case 2:
		task_parse_io(text, n, &io);
		CHECK(io.have < 1u << TASK_IO_FIELDS);
		break;
	case 3:
		task_parse_schedstat(text, n, &schedstat);
		break;
	case 4:
		path = task_parse_cgroup(text, n, &length);
		CHECK(!path ||
		      (path >= text && length > 0 && length <= n && path + length <= text + n && *path == '/'));
		break;
	case 5:
		task_parse_limits(text, n, &v);
		break;
	case 6:
		CHECK(task_join_cmdline(text, n) <= n && (n == 0 || !memchr(text, 0, task_join_cmdline(text, n))));
		break;
	case 7:
		task_parse_last_pid(text, n, &pid);
		CHECK(task_parse_hidepid(text, n) <= 4);
		break;
	case 8:
		text[n] = '\0';
		CHECK(task_parse_pid(text) <= INT32_MAX);
		break;
	}
	free(text);
	return 0;
}
