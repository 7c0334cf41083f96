#include "bpf_said.h"

#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

static _Thread_local char said[512];

static int keep(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[sizeof(said)];

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	/* The verifier's log comes line by line between marks; the sentence before it says more. "failed to load object"
	 * and the like follow the cause. */
	if (strstr(line, "BEGIN PROG LOAD LOG") || strstr(line, "failed to load object") ||
	    strstr(line, "failed to load BPF skeleton") || strstr(line, "permission error while running as root"))
		return 0;
	memcpy(said, line, sizeof(said));
	return 0;
}

void bpf_said_begin(void)
{
	said[0] = '\0';
	libbpf_set_print(keep);
}

const char *bpf_said(void)
{
	return said;
}
