/* Table `psi`: pressure stall information, how long tasks stood still for want of CPU, memory or disk; from
 * /proc/pressure. A cgroup's own pressure is in cgroup.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "columns.h"
#include "builtin.h"
#include "procfs.h"

#define SOURCE "/proc/pressure/*"

enum {
	RESOURCE, SOME_AVG10, SOME_AVG60, SOME_AVG300, SOME_TOTAL, FULL_AVG10, FULL_AVG60, FULL_AVG300, FULL_TOTAL,
	NCOLUMNS,
};

#define AVERAGE(name, help, key) GAUGE_F64(name, CULPRIT_PERCENT, help, SOURCE " " key)

static const struct culprit_column columns[] = {
	[RESOURCE] = KEY_TEXT("resource", "What tasks waited for: cpu, memory, io or irq", "file name in /proc/pressure"),
	[SOME_AVG10] = AVERAGE("some_avg10", "Share of the last 10 s in which some task stood still", "some avg10"),
	[SOME_AVG60] = AVERAGE("some_avg60", "Share of the last 60 s in which some task stood still", "some avg60"),
	[SOME_AVG300] = AVERAGE("some_avg300", "Share of the last 300 s in which some task stood still", "some avg300"),
	[SOME_TOTAL] = COUNTER("some_total", CULPRIT_NS, "Time in which at least one task stood still",
			       SOURCE " some total (us)"),
	[FULL_AVG10] = AVERAGE("full_avg10", "Share of the last 10 s in which all tasks stood still", "full avg10"),
	[FULL_AVG60] = AVERAGE("full_avg60", "Share of the last 60 s in which all tasks stood still", "full avg60"),
	[FULL_AVG300] = AVERAGE("full_avg300", "Share of the last 300 s in which all tasks stood still", "full avg300"),
	[FULL_TOTAL] = COUNTER("full_total", CULPRIT_NS, "Time in which all tasks that were not idle stood still at once",
			       SOURCE " full total (us)"),
};

static const struct culprit_derived derived[] = {
	TIME_SHARE("some_share", "some_total", "Time in which some task stood still, percent of the window"),
	TIME_SHARE("full_share", "full_total", "Time in which all tasks stood still, percent of the window"),
};

static const struct culprit_table psi_table = {
	.size = sizeof(psi_table),
	.name = "psi",
	.kind = CULPRIT_STATE,
	.help = "Pressure: how long tasks stood still for want of CPU, memory or disk",
	.key = "resource",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.sort = "some_share",
	.show = "resource some_share full_share some_avg10 some_avg60 some_avg300 full_avg10 full_avg60 full_avg300",
};

static const char *const resources[] = {"cpu", "memory", "io", "irq"};

struct psi {
	struct procfs_file files[PROCFS_COUNT(resources)];
	char paths[PROCFS_COUNT(resources)][24];
};

static int psi_probe(const struct culprit_host *host, struct culprit_error *error)
{
	/* With psi=0 the files are there, and cannot be opened. */
	int fd = procfs_open(host->proc_fd, "pressure/cpu");
	char c;
	ssize_t n = fd < 0 ? fd : procfs_pread(fd, &c, 1);

	if (fd >= 0)
		procfs_file_finish(&(struct procfs_file){.fd = fd});
	if (n >= 0)
		return 0;
	if (!error)
		return (int)n;
	if (n == -ENOENT)
		snprintf(error->sentence, sizeof(error->sentence),
			 "/proc/pressure is not there: pressure (PSI) needs Linux 4.20 with CONFIG_PSI=y; it cannot be "
			 "switched on in this kernel");
	else if (n == -EOPNOTSUPP)
		snprintf(error->sentence, sizeof(error->sentence),
			 "pressure (PSI) is off: boot with psi=1");
	else
		procfs_reason(error->sentence, sizeof(error->sentence), "/proc/pressure/cpu", (int)n);
	return (int)n;
}

static int psi_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct psi *p = calloc(1, sizeof(*p));

	(void)error;
	if (!p)
		return -ENOMEM;
	for (unsigned i = 0; i < PROCFS_COUNT(resources); i++) {
		snprintf(p->paths[i], sizeof(p->paths[i]), "pressure/%s", resources[i]);
		procfs_file_init(&p->files[i], host->proc_fd, p->paths[i]);
	}
	*ret_self = p;
	return 0;
}

/* "some avg10=2.59 avg60=1.53 avg300=0.48 total=6578306" */
static void put_line(struct culprit_frame *f, struct procfs_text line)
{
	static const char *const names[] = {"avg10=", "avg60=", "avg300=", "total="};
	struct procfs_text word;
	uint32_t first;

	if (!procfs_word(&line, &word))
		return;
	if (procfs_is(&word, "some"))
		first = SOME_AVG10;
	else if (procfs_is(&word, "full"))
		first = FULL_AVG10;
	else
		return;
	while (procfs_word(&line, &word)) {
		for (uint32_t i = 0; i < PROCFS_COUNT(names); i++) {
			uint64_t us;
			double percent;

			if (!procfs_starts(&word, names[i]))
				continue;
			word.p += strlen(names[i]);
			if (i < 3 && procfs_decimal(&word, &percent))
				culprit_put_f64(f, first + i, percent);
			else if (i == 3 && procfs_u64(&word, &us) && us < UINT64_MAX / 1000)
				culprit_put_u64(f, first + i, us * 1000);
			break;
		}
	}
}

static int psi_sample(void *self, struct culprit_frame *f)
{
	struct psi *p = self;
	unsigned rows = 0;

	culprit_table(f, 0);
	for (unsigned i = 0; i < PROCFS_COUNT(resources); i++) {
		char bytes[512], reason[160], path[48];
		struct procfs_text text, line;
		ssize_t n = procfs_file_read(&p->files[i], bytes, sizeof(bytes));

		/* irq needs CONFIG_IRQ_TIME_ACCOUNTING and 6.1. */
		if (n == -ENOENT || (n == -EOPNOTSUPP && i == 3))
			continue;
		rows++;
		culprit_row(f);
		culprit_put_string(f, RESOURCE, resources[i]);
		if (n < 0) {
			snprintf(path, sizeof(path), "/proc/pressure/%s", resources[i]);
			procfs_reason(reason, sizeof(reason), path, (int)n);
			culprit_unread(f, SOME_TOTAL, reason);
			culprit_unread(f, FULL_TOTAL, reason);
		} else {
			text = procfs_text(bytes, (size_t)n);
			while (procfs_line(&text, &line))
				put_line(f, line);
		}
		culprit_end(f);
	}
	if (!rows)
		procfs_failed(f, 0, "/proc/pressure", -ENOENT);
	return 0;
}

static void psi_close(void *self)
{
	struct psi *p = self;

	for (unsigned i = 0; i < PROCFS_COUNT(resources); i++)
		procfs_file_finish(&p->files[i]);
	free(p);
}

static const struct culprit_table *const tables[] = {&psi_table};

const struct culprit_collector psi_collector = {
	.size = sizeof(psi_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "psi",
	.help = "Pressure stall information",
	.tables = tables,
	.ntables = 1,
	.probe = psi_probe,
	.open = psi_open,
	.sample = psi_sample,
	.close = psi_close,
};
