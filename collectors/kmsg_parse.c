#include "kmsg.h"

#include <string.h>
#include <strings.h>

#include "procfs.h"

/* What lines hold, as kernels since 4.4 write them; the first that fits counts. Several lines tell of one incident: one of
 * them is what is counted. */
static const struct {
	const char *holds;
	uint8_t class;
	bool incident;
} patterns[] = {
	{"emory: Killed process", KMSG_OOM, true},
	{"Out of memory: ", KMSG_OOM, true},
	{"invoked oom-killer", KMSG_OOM, false},
	{"oom-kill:constraint=", KMSG_OOM, false},
	{"oom_reaper: ", KMSG_OOM, false},
	{"emory cgroup out of memory", KMSG_OOM, false},
	{" blocked for more than ", KMSG_HUNG, true},
	{"soft lockup", KMSG_HUNG, true},
	{"ard LOCKUP", KMSG_HUNG, true},
	{"detected stalls on CPUs", KMSG_HUNG, true},
	{"self-detected stall on CPU", KMSG_HUNG, true},
	{"emounting filesystem read-only", KMSG_READ_ONLY, true},
	{"forced readonly", KMSG_READ_ONLY, true},
	{"Shutting down filesystem", KMSG_READ_ONLY, true},
	{"I/O error", KMSG_IO_ERROR, true},
	{"critical medium error", KMSG_IO_ERROR, true},
	{"critical target error", KMSG_IO_ERROR, true},
	{"EXT4-fs error", KMSG_IO_ERROR, true},
	{"metadata corruption", KMSG_IO_ERROR, true},
	{"failed command: ", KMSG_IO_ERROR, true},
	{"timeout, aborting", KMSG_IO_ERROR, true},
	{"timeout, reset controller", KMSG_IO_ERROR, true},
	{"segfault at ", KMSG_SEGFAULT, true},
	{"general protection fault ip:", KMSG_SEGFAULT, true},
	{"trap invalid opcode ip:", KMSG_SEGFAULT, true},
	{"trap divide error ip:", KMSG_SEGFAULT, true},
	{"kernel BUG at ", KMSG_BUG, true},
	{"BUG: ", KMSG_BUG, true},
	{"Oops: ", KMSG_BUG, true},
	{"Kernel panic", KMSG_BUG, true},
	{"general protection fault, ", KMSG_BUG, true},
	{"WARNING: CPU: ", KMSG_BUG, true},
	{"Link is Down", KMSG_LINK, true},
	{"Link is Up", KMSG_LINK, true},
	{"Link is down", KMSG_LINK, true},
	{"Link is up", KMSG_LINK, true},
	{"link is down", KMSG_LINK, true},
	{"link is up", KMSG_LINK, true},
	{"Link Down", KMSG_LINK, true},
	{"Link Up", KMSG_LINK, true},
	{"link down", KMSG_LINK, true},
	{"link up", KMSG_LINK, true},
	{"link becomes ready", KMSG_LINK, true},
};

static void classify(struct kmsg_record *r)
{
	r->class = KMSG_OTHER;
	r->incident = false;
	/* Whoever may write to /dev/kmsg cannot do so in the kernel's name. */
	if (r->facility)
		return;
	for (size_t i = 0; i < PROCFS_COUNT(patterns); i++) {
		if (!memmem(r->text, r->len, patterns[i].holds, strlen(patterns[i].holds)))
			continue;
		r->class = patterns[i].class;
		r->incident = patterns[i].incident;
		return;
	}
}

static bool number(const char **at, const char *end, char stop, uint64_t *ret)
{
	const char *comma = memchr(*at, stop, (size_t)(end - *at));

	if (!comma || !procfs_whole_u64(*at, (size_t)(comma - *at), ret))
		return false;
	*at = comma + 1;
	return true;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool kmsg_parse(const char *line, size_t len, struct kmsg_record *r)
{
	const char *at = line, *end = line + len;
	uint64_t priority;

	if (!number(&at, end, ',', &priority) || priority > UINT8_MAX * 8 || !number(&at, end, ',', &r->seq) ||
	    !number(&at, end, ',', &r->time_us))
		return false;
	at = memchr(at, ';', (size_t)(end - at));
	if (!at)
		return false;
	r->level = priority & 7;
	r->facility = (uint8_t)(priority >> 3);
	r->len = 0;
	for (at++; at < end && r->len < KMSG_TEXT_MAX; at++) {
		if (*at == '\\' && end - at >= 4 && at[1] == 'x' && hex(at[2]) >= 0 && hex(at[3]) >= 0) {
			r->text[r->len++] = (char)(hex(at[2]) << 4 | hex(at[3]));
			at += 3;
		} else {
			r->text[r->len++] = *at;
		}
	}
	classify(r);
	return true;
}

const char *kmsg_level_name(uint8_t level)
{
	static const char *const names[] = {"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"};

	return names[level & 7];
}

const char *kmsg_facility_name(uint8_t facility)
{
	static const char *const names[] = {
		"kern",	 "user", "mail", "daemon", "auth",  "syslog", "lpr",	"news",	  "uucp",   "cron",   "authpriv", "ftp",
		"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
	};

	return facility < PROCFS_COUNT(names) ? names[facility] : "?";
}

const char *kmsg_class_name(uint8_t class)
{
	static const char *const names[KMSG_CLASSES] = {
		[KMSG_OTHER] = "other",	      [KMSG_OOM] = "oom",	    [KMSG_HUNG] = "hung", [KMSG_IO_ERROR] = "io-error",
		[KMSG_READ_ONLY] = "read-only", [KMSG_SEGFAULT] = "segfault", [KMSG_BUG] = "bug",	  [KMSG_LINK] = "link",
	};

	return class < KMSG_CLASSES ? names[class] : "?";
}
