/* Table `vmstat`: what moves through memory: faults, reclaim, refaults, compaction, swap, OOM kills; from /proc/vmstat.
 * What memory holds is in memory.c. */
#include <errno.h>
#include <stdlib.h>

#include "columns.h"
#include "builtin.h"
#include "procfs.h"

#define SOURCE "/proc/vmstat"
#define EVENTS(name, help) COUNTER(name, CULPRIT_COUNT, help, SOURCE " " name)

enum {
	ID, PGPGIN, PGPGOUT, PSWPIN, PSWPOUT, PGFAULT, PGMAJFAULT, PGSCAN_KSWAPD, PGSCAN_DIRECT, PGSTEAL_KSWAPD,
	PGSTEAL_DIRECT, ALLOCSTALL, THROTTLE, REFAULT, REFAULT_ANON, REFAULT_FILE, ACTIVATE, COMPACT_STALL, COMPACT_FAIL,
	COMPACT_SUCCESS, OOM_KILL, THP_ALLOC, THP_FALLBACK, NUMA_MIGRATED, ZSWPIN, ZSWPOUT, NCOLUMNS,
};

static const struct culprit_column columns[] = {
	[ID] = KEY_ID,
	[PGPGIN] = COUNTER("pgpgin", CULPRIT_BYTES, "Read from block devices, swap included", SOURCE " pgpgin"),
	[PGPGOUT] = COUNTER("pgpgout", CULPRIT_BYTES, "Written to block devices, swap included", SOURCE " pgpgout"),
	[PSWPIN] = EVENTS("pswpin", "Pages read from swap"),
	[PSWPOUT] = EVENTS("pswpout", "Pages written to swap"),
	[PGFAULT] = EVENTS("pgfault", "Page faults, minor and major"),
	[PGMAJFAULT] = EVENTS("pgmajfault", "Page faults that had to wait for a disk"),
	[PGSCAN_KSWAPD] = EVENTS("pgscan_kswapd", "Pages kswapd looked at to find some to free"),
	[PGSCAN_DIRECT] = EVENTS("pgscan_direct", "Pages that tasks looked at themselves, because kswapd was too slow"),
	[PGSTEAL_KSWAPD] = EVENTS("pgsteal_kswapd", "Pages kswapd freed"),
	[PGSTEAL_DIRECT] = EVENTS("pgsteal_direct", "Pages that tasks freed themselves while they waited for memory"),
	[ALLOCSTALL] = COUNTER("allocstall", CULPRIT_COUNT, "Allocations that had to reclaim memory first",
			       SOURCE " allocstall_*, all zones"),
	[THROTTLE] = EVENTS("pgscan_direct_throttle", "Times a task was put to sleep because reclaim could not keep up"),
	[REFAULT] = COUNTER("workingset_refault", CULPRIT_COUNT, "Pages needed again soon after they were reclaimed",
			    SOURCE " workingset_refault*, added up"),
	[REFAULT_ANON] = EVENTS("workingset_refault_anon", "Anonymous pages needed again soon after they were reclaimed"),
	[REFAULT_FILE] = COUNTER("workingset_refault_file", CULPRIT_COUNT,
				 "Page cache needed again soon after it was dropped: the cache is too small",
				 SOURCE " workingset_refault_file, before 5.9 workingset_refault"),
	[ACTIVATE] = COUNTER("workingset_activate", CULPRIT_COUNT, "Refaulted pages that belonged to the working set",
			     SOURCE " workingset_activate*"),
	[COMPACT_STALL] = EVENTS("compact_stall", "Allocations that waited for memory to be made contiguous"),
	[COMPACT_FAIL] = EVENTS("compact_fail", "Compactions that did not yield a large enough block"),
	[COMPACT_SUCCESS] = EVENTS("compact_success", "Compactions that did"),
	[OOM_KILL] = EVENTS("oom_kill", "Processes killed because memory ran out, by the machine or by a cgroup"),
	[THP_ALLOC] = EVENTS("thp_fault_alloc", "Transparent huge pages given at a page fault"),
	[THP_FALLBACK] = EVENTS("thp_fault_fallback", "Faults that wanted a huge page and got small ones"),
	[NUMA_MIGRATED] = EVENTS("numa_pages_migrated", "Pages moved between NUMA nodes"),
	[ZSWPIN] = EVENTS("zswpin", "Pages taken back from compressed swap in memory"),
	[ZSWPOUT] = EVENTS("zswpout", "Pages put into compressed swap in memory"),
};

#define PER_S(name, a, help) RATE(name, a, CULPRIT_COUNT_PER_S, help)

static const struct culprit_derived derived[] = {
	PER_S("fault_rate", "pgfault", "Page faults a second"),
	PER_S("major_fault_rate", "pgmajfault", "Page faults a second that waited for a disk"),
	PER_S("scan_rate", "pgscan_kswapd+pgscan_direct", "Pages a second that reclaim looked at"),
	PER_S("steal_rate", "pgsteal_kswapd+pgsteal_direct", "Pages a second that reclaim freed"),
	PER_S("direct_scan_rate", "pgscan_direct", "Pages a second that tasks had to look at themselves"),
	RATIO("steal_pct", "pgsteal_kswapd+pgsteal_direct", "pgscan_kswapd+pgscan_direct", CULPRIT_PERCENT, 100,
	      "Pages freed, percent of those looked at; low under load: reclaim finds nothing"),
	PER_S("refault_rate", "workingset_refault",
	      "Pages a second needed again soon after they were reclaimed"),
	PER_S("allocstall_rate", "allocstall", "Allocations a second that had to reclaim first"),
	PER_S("compact_stall_rate", "compact_stall", "Allocations a second that waited for compaction"),
	PER_S("swap_in_rate", "pswpin", "Pages a second read from swap"),
	PER_S("swap_out_rate", "pswpout", "Pages a second written to swap"),
	RATE("page_in_rate", "pgpgin", CULPRIT_BYTES_PER_S, "Read from block devices"),
	RATE("page_out_rate", "pgpgout", CULPRIT_BYTES_PER_S, "Written to block devices"),
	{.name = "oom_kills", .op = CULPRIT_DIFFERENCE, .unit = CULPRIT_COUNT, .a = "oom_kill",
	 .help = "Processes killed in the window because memory ran out"},
};

/* Kernels before 4.8 count reclaim by zone (pgscan_kswapd_normal): the prefixes add zones up. */
static const struct procfs_field fields[] = {
	{"workingset_refault_anon", REFAULT_ANON, 0, 0},
	{"workingset_refault_file", REFAULT_FILE, 0, 0},
	{"workingset_refault", REFAULT_FILE, 0, 0},
	{"workingset_activate", ACTIVATE, 1, 0},
	{"pgpgin", PGPGIN, 0, 1024},
	{"pgpgout", PGPGOUT, 0, 1024},
	{"pswpin", PSWPIN, 0, 0},
	{"pswpout", PSWPOUT, 0, 0},
	{"allocstall", ALLOCSTALL, 1, 0},
	{"pgfault", PGFAULT, 0, 0},
	{"pgmajfault", PGMAJFAULT, 0, 0},
	{"pgsteal_kswapd", PGSTEAL_KSWAPD, 1, 0},
	{"pgsteal_direct", PGSTEAL_DIRECT, 1, 0},
	{"pgscan_kswapd", PGSCAN_KSWAPD, 1, 0},
	{"pgscan_direct_throttle", THROTTLE, 0, 0},
	{"pgscan_direct", PGSCAN_DIRECT, 1, 0},
	{"oom_kill", OOM_KILL, 0, 0},
	{"numa_pages_migrated", NUMA_MIGRATED, 0, 0},
	{"compact_stall", COMPACT_STALL, 0, 0},
	{"compact_fail", COMPACT_FAIL, 0, 0},
	{"compact_success", COMPACT_SUCCESS, 0, 0},
	{"thp_fault_alloc", THP_ALLOC, 0, 0},
	{"thp_fault_fallback", THP_FALLBACK, 0, 0},
	{"zswpin", ZSWPIN, 0, 0},
	{"zswpout", ZSWPOUT, 0, 0},
};

static const struct culprit_table vmstat_table = {
	.size = sizeof(vmstat_table),
	.name = "vmstat",
	.kind = CULPRIT_STATE,
	.help = "What moves through memory: faults, reclaim, refaults, compaction, swapping, OOM kills",
	.key = "vmstat",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.sort = "id",
	.show = "fault_rate major_fault_rate scan_rate steal_rate steal_pct refault_rate swap_in_rate swap_out_rate "
		"allocstall_rate compact_stall_rate oom_kills page_in_rate page_out_rate",
};

struct vmstat {
	struct procfs_file file;
	struct procfs_buffer text;
};

static int vmstat_probe(const struct culprit_host *host, struct culprit_error *error)
{
	return procfs_probe(host->proc_fd, "vmstat", SOURCE, error);
}

static int vmstat_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct vmstat *v = calloc(1, sizeof(*v));

	(void)error;
	if (!v)
		return -ENOMEM;
	procfs_file_init(&v->file, host->proc_fd, "vmstat");
	*ret_self = v;
	return 0;
}

static int vmstat_sample(void *self, struct culprit_frame *f)
{
	struct vmstat *v = self;
	struct procfs_values values;
	int err = procfs_buffer_read(&v->text, &v->file);

	culprit_table(f, 0);
	procfs_values_clear(&values);
	if (!err && !procfs_fields(procfs_buffer_text(&v->text), fields, PROCFS_COUNT(fields), &values))
		err = -EBADMSG;
	if (err) {
		procfs_failed(f, 0, SOURCE, err);
		return 0;
	}
	/* What derived columns add up must be there on every kernel: before 5.9 there is one kind only. */
	if (procfs_have(&values, REFAULT_FILE))
		procfs_add(&values, REFAULT, values.v[REFAULT_FILE], 1);
	if (procfs_have(&values, REFAULT_ANON))
		procfs_add(&values, REFAULT, values.v[REFAULT_ANON], 1);
	culprit_row(f);
	culprit_put_u64(f, ID, 0);
	procfs_put(f, &values);
	culprit_end(f);
	return 0;
}

static void vmstat_close(void *self)
{
	struct vmstat *v = self;

	procfs_file_finish(&v->file);
	procfs_buffer_finish(&v->text);
	free(v);
}

static const struct culprit_table *const tables[] = {&vmstat_table};

const struct culprit_collector vmstat_collector = {
	.size = sizeof(vmstat_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "vmstat",
	.help = "Faults, reclaim, compaction, swapping, OOM kills",
	.tables = tables,
	.ntables = 1,
	.probe = vmstat_probe,
	.open = vmstat_open,
	.sample = vmstat_sample,
	.close = vmstat_close,
};
