/* Parsers for the files below /proc/PID: see task_parse.h. */
#include "task_parse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Reads blanks, an optional '-', and a decimal number. false: no number there. Overflow wraps: nothing here is used as
 * a length. */
static bool number(const char **p, const char *end, uint64_t *ret)
{
	const char *s = *p;
	uint64_t v = 0;
	bool negative = false;

	while (s < end && (*s == ' ' || *s == '\t'))
		s++;
	if (s < end && *s == '-') {
		negative = true;
		s++;
	}
	if (s >= end || *s < '0' || *s > '9')
		return false;
	for (; s < end && *s >= '0' && *s <= '9'; s++)
		v = v * 10 + (uint64_t)(*s - '0');
	*ret = negative ? -v : v;
	*p = s;
	return true;
}

int task_parse_stat(const char *text, size_t n, struct task_stat *ret)
{
	const char *end = text + n, *open = memchr(text, '(', n), *close = memrchr(text, ')', n), *p;
	uint64_t v[53] = {0}, id;
	size_t len;
	int i;

	p = text;
	if (!open || !close || close < open || !number(&p, open, &id) || id == 0 || id > INT32_MAX)
		return -EBADMSG;
	p = close + 1;
	if (end - p < 3 || p[0] != ' ' || p[1] <= ' ' || p[1] > '~')
		return -EBADMSG;
	ret->state = p[1];
	p += 2;
	for (i = 4; i <= 52; i++)
		if (!number(&p, end, &v[i]))
			break;
	/* A number at the very end of a cut line may have lost digits: the kernel's line ends in a newline. */
	if (i <= 52 && p == end)
		i--;
	if (i <= 24)
		return -EBADMSG;
	for (int k = i; k <= 52; k++)
		v[k] = 0;
	ret->fields = (uint8_t)(i - 1);
	len = (size_t)(close - open - 1);
	if (len > TASK_COMM_MAX)
		len = TASK_COMM_MAX;
	memcpy(ret->comm, open + 1, len);
	ret->comm_len = (uint8_t)len;
	ret->id = (uint32_t)id;
	ret->ppid = (uint32_t)v[4];
	ret->tty = (int32_t)v[7];
	ret->flags = (uint32_t)v[9];
	ret->min_faults = v[10];
	ret->maj_faults = v[12];
	ret->utime = v[14];
	ret->stime = v[15];
	ret->cutime = v[16];
	ret->cstime = v[17];
	ret->priority = (int16_t)v[18];
	ret->nice = (int8_t)v[19];
	ret->threads = (uint32_t)v[20];
	ret->start = v[22];
	ret->vsize = v[23];
	ret->rss_pages = (int64_t)v[24] < 0 ? 0 : v[24]; /* the kernel's per-CPU sums may dip below 0 */
	ret->start_code = v[26];
	ret->processor = (int32_t)v[39];
	ret->rt_priority = (uint8_t)v[40];
	ret->policy = (uint8_t)v[41];
	ret->blkio_ticks = v[42];
	ret->guest_ticks = v[43];
	ret->arg_start = v[48];
	ret->env_start = v[50];
	return 0;
}

/* Next line of a file as [*line, returned end); NULL: no more. */
static const char *next_line(const char **p, const char *end, const char **line)
{
	const char *eol;

	if (*p >= end)
		return NULL;
	*line = *p;
	eol = memchr(*p, '\n', (size_t)(end - *p));
	if (!eol) {
		*p = end;
		return end;
	}
	*p = eol + 1;
	return eol;
}

static bool starts(const char **p, const char *end, const char *word, size_t len)
{
	if ((size_t)(end - *p) < len || memcmp(*p, word, len) != 0)
		return false;
	*p += len;
	return true;
}
#define STARTS(p, end, word) starts(p, end, word, sizeof(word) - 1)

static void status_size(const char *p, const char *end, uint64_t *ret, uint32_t *have, uint32_t bit)
{
	uint64_t kb;

	if (number(&p, end, &kb)) {
		*ret = kb * 1024;
		*have |= bit;
	}
}

void task_parse_status(const char *text, size_t n, struct task_status *ret)
{
	const char *p = text, *end = text + n, *line, *eol;
	uint64_t v;

	memset(ret, 0, sizeof(*ret));
	/* The first line is the name, which its owner chooses. */
	if (!next_line(&p, end, &line))
		return;
	while ((eol = next_line(&p, end, &line))) {
		if (eol == end)
			break; /* no newline: cut off */
		switch (*line) {
		case 'U':
			if (STARTS(&line, eol, "Uid:") && number(&line, eol, &v) && number(&line, eol, &v)) {
				ret->uid = (uint32_t)v;
				ret->have |= TASK_HAVE_UID;
			}
			break;
		case 'T':
			if (STARTS(&line, eol, "TracerPid:") && number(&line, eol, &ret->tracer))
				ret->have |= TASK_HAVE_TRACER;
			break;
		case 'N':
			if (!STARTS(&line, eol, "NSpid:"))
				break;
			while (number(&line, eol, &ret->ns_pid)) {
				ret->ns_pids++;
				ret->have |= TASK_HAVE_NS_PID;
			}
			break;
		case 'V':
			if (STARTS(&line, eol, "VmSwap:"))
				status_size(line, eol, &ret->swap, &ret->have, TASK_HAVE_SWAP);
			else if (STARTS(&line, eol, "VmHWM:"))
				status_size(line, eol, &ret->rss_peak, &ret->have, TASK_HAVE_RSS_PEAK);
			break;
		case 'R':
			if (STARTS(&line, eol, "RssAnon:"))
				status_size(line, eol, &ret->rss_anon, &ret->have, TASK_HAVE_RSS_ANON);
			else if (STARTS(&line, eol, "RssFile:"))
				status_size(line, eol, &ret->rss_file, &ret->have, TASK_HAVE_RSS_FILE);
			else if (STARTS(&line, eol, "RssShmem:"))
				status_size(line, eol, &ret->rss_shmem, &ret->have, TASK_HAVE_RSS_SHMEM);
			break;
		case 'v':
			if (STARTS(&line, eol, "voluntary_ctxt_switches:") && number(&line, eol, &ret->voluntary))
				ret->have |= TASK_HAVE_VOLUNTARY;
			break;
		case 'n':
			if (STARTS(&line, eol, "nonvoluntary_ctxt_switches:") && number(&line, eol, &ret->involuntary))
				ret->have |= TASK_HAVE_INVOLUNTARY;
			break;
		}
	}
}

void task_parse_io(const char *text, size_t n, struct task_io *ret)
{
	static const struct {
		const char *word;
		size_t len;
	} words[TASK_IO_FIELDS] = {
#define W(s) {s, sizeof(s) - 1}
		[TASK_RCHAR] = W("rchar:"),
		[TASK_WCHAR] = W("wchar:"),
		[TASK_SYSCR] = W("syscr:"),
		[TASK_SYSCW] = W("syscw:"),
		[TASK_READ_BYTES] = W("read_bytes:"),
		[TASK_WRITE_BYTES] = W("write_bytes:"),
		[TASK_CANCELLED_WRITE_BYTES] = W("cancelled_write_bytes:"),
#undef W
	};
	const char *p = text, *end = text + n, *line, *eol;
	unsigned expect = 0;

	ret->have = 0;
	while ((eol = next_line(&p, end, &line))) {
		if (eol == end)
			break;
		/* They come in this order; a kernel that leaves one out costs a longer search. */
		for (unsigned i = 0; i < TASK_IO_FIELDS; i++) {
			unsigned k = (expect + i) % TASK_IO_FIELDS;

			if (!starts(&line, eol, words[k].word, words[k].len))
				continue;
			if (number(&line, eol, &ret->v[k]))
				ret->have |= 1u << k;
			expect = k + 1;
			break;
		}
	}
}

int task_parse_schedstat(const char *text, size_t n, struct task_schedstat *ret)
{
	const char *p = text, *end = text + n;
	struct task_schedstat s;

	if (!number(&p, end, &s.run_time) || !number(&p, end, &s.run_delay) || !number(&p, end, &s.timeslices))
		return -EBADMSG;
	if (p == end)
		return -EBADMSG; /* cut: the last number may be short of digits */
	*ret = s;
	return 0;
}

/* Is `word` one of the comma-separated names in [s, end)? */
static bool listed(const char *s, const char *end, const char *word)
{
	size_t len = strlen(word);

	while (s < end) {
		const char *comma = memchr(s, ',', (size_t)(end - s));
		const char *stop = comma ? comma : end;

		if ((size_t)(stop - s) == len && memcmp(s, word, len) == 0)
			return true;
		s = comma ? comma + 1 : end;
	}
	return false;
}

const char *task_parse_cgroup(const char *text, size_t n, size_t *ret_len)
{
	static const char *const order[] = {"", "cpu", "memory", "name=systemd", "pids"};
	const char *p = text, *end = text + n, *line, *eol, *root = NULL, *best = NULL;
	size_t best_len = 0;
	unsigned rank = sizeof(order) / sizeof(order[0]);

	while ((eol = next_line(&p, end, &line))) {
		const char *names, *path, *colon = memchr(line, ':', (size_t)(eol - line));

		if (!colon)
			continue;
		names = colon + 1;
		colon = memchr(names, ':', (size_t)(eol - names));
		if (!colon || eol - colon < 2 || colon[1] != '/')
			continue;
		path = colon + 1;
		for (unsigned i = 0; i < rank; i++) {
			/* "" is the unified hierarchy's, whose number is 0; a v1 one without a name is no match. */
			if (i == 0 ? !(names == colon && line[0] == '0') : !listed(names, colon, order[i]))
				continue;
			if (eol - path == 1) {
				root = path;
			} else {
				best = path;
				best_len = (size_t)(eol - path);
				rank = i;
			}
			break;
		}
	}
	*ret_len = best ? best_len : root ? 1 : 0;
	return best ? best : root;
}

int task_parse_limits(const char *text, size_t n, uint64_t *ret_files)
{
	const char *p = text, *end = text + n, *line, *eol;

	while ((eol = next_line(&p, end, &line))) {
		if (!STARTS(&line, eol, "Max open files"))
			continue;
		while (line < eol && *line == ' ')
			line++;
		if (STARTS(&line, eol, "unlimited")) {
			*ret_files = UINT64_MAX;
			return 0;
		}
		if (eol == end && memchr(line, ' ', (size_t)(eol - line)) == NULL)
			return -EBADMSG;
		return number(&line, eol, ret_files) ? 0 : -EBADMSG;
	}
	return -EBADMSG;
}

size_t task_join_cmdline(char *text, size_t n)
{
	while (n > 0 && text[n - 1] == '\0')
		n--;
	for (size_t i = 0; i < n; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	return n;
}

size_t task_tty_name(int32_t device, char *buf, size_t cap)
{
	uint32_t d = (uint32_t)device;
	unsigned major = (d >> 8) & 0xfff, minor = (d & 0xff) | ((d >> 12) & 0xfff00);
	int n;

	if (d == 0)
		return 0;
	if (major >= 136 && major <= 143)
		n = snprintf(buf, cap, "pts/%u", (major - 136) * 256 + minor);
	else if (major == 4 && minor < 64)
		n = snprintf(buf, cap, "tty%u", minor);
	else if (major == 4)
		n = snprintf(buf, cap, "ttyS%u", minor - 64);
	else if (major == 5 && minor == 1)
		n = snprintf(buf, cap, "console");
	else
		n = snprintf(buf, cap, "%u:%u", major, minor);
	return n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1;
}

bool task_parse_last_pid(const char *text, size_t n, uint32_t *ret)
{
	const char *p = text, *end = text + n;
	uint64_t v;

	for (int blanks = 0; p < end && blanks < 4; p++)
		if (*p == ' ')
			blanks++;
	if (!number(&p, end, &v) || p == end || v > INT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

unsigned task_parse_hidepid(const char *mounts, size_t n)
{
	static const char *const names[] = {"off", "noaccess", "invisible", NULL, "ptraceable"};
	const char *p = mounts, *end = mounts + n, *line, *eol;
	unsigned found = 0;

	while ((eol = next_line(&p, end, &line))) {
		const char *at = memchr(line, ' ', (size_t)(eol - line));
		const char *option;
		uint64_t v;

		if (!at || !STARTS(&at, eol, " /proc proc "))
			continue;
		found = 0; /* a later mount covers an earlier one */
		option = memmem(at, (size_t)(eol - at), "hidepid=", 8);
		if (!option || (option > at && option[-1] != ','))
			continue;
		option += 8;
		if (number(&option, eol, &v)) {
			found = v <= 4 ? (unsigned)v : 0;
			continue;
		}
		for (unsigned i = 0; i < 5; i++)
			if (names[i] && starts(&option, eol, names[i], strlen(names[i])))
				found = i;
	}
	return found;
}

uint32_t task_parse_pid(const char *name)
{
	uint32_t v = 0;

	if (*name < '1' || *name > '9')
		return 0;
	for (; *name; name++) {
		if (*name < '0' || *name > '9' || v > (uint32_t)(INT32_MAX - (*name - '0')) / 10)
			return 0;
		v = v * 10 + (uint32_t)(*name - '0');
	}
	return v;
}
