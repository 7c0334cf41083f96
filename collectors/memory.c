/* Table `memory`: what the machine's memory is used for, from /proc/meminfo. What moves through it is in vmstat.c. */
#include <errno.h>
#include <stdlib.h>

#include "columns.h"
#include "builtin.h"
#include "procfs.h"

#define SOURCE "/proc/meminfo"
#define SIZE(name, key, help) GAUGE(name, CULPRIT_BYTES, help, SOURCE " " key)

enum {
	ID, TOTAL, FREE, AVAILABLE, BUFFERS, CACHED, SWAP_CACHED, SHMEM, SLAB, SRECLAIMABLE, SUNRECLAIM, ANON, MAPPED,
	DIRTY, WRITEBACK, ACTIVE_ANON, INACTIVE_ANON, ACTIVE_FILE, INACTIVE_FILE, UNEVICTABLE, MLOCKED, KERNEL_STACK,
	PAGE_TABLES, PERCPU, VMALLOC, SWAP_TOTAL, SWAP_FREE, ZSWAP, ZSWAPPED, COMMITTED, COMMIT_LIMIT, ANON_HUGE,
	HUGETLB, HUGEPAGES_TOTAL, HUGEPAGES_FREE, HUGEPAGE_SIZE, NCOLUMNS,
};

static const struct culprit_column columns[] = {
	[ID] = KEY_ID,
	[TOTAL] = SIZE("total", "MemTotal", "Memory the kernel manages"),
	[FREE] = SIZE("free", "MemFree", "Memory that holds nothing at all"),
	[AVAILABLE] = SIZE("available", "MemAvailable",
			   "What could be allocated without swapping: free memory and what reclaim could give back"),
	[BUFFERS] = SIZE("buffers", "Buffers", "Page cache of raw block devices and of file system metadata"),
	[CACHED] = SIZE("cached", "Cached", "Page cache of files, with shared memory and tmpfs"),
	[SWAP_CACHED] = SIZE("swap_cached", "SwapCached", "Pages that are in memory and in swap as well"),
	[SHMEM] = SIZE("shmem", "Shmem", "Shared memory and tmpfs: can be swapped, not dropped"),
	[SLAB] = SIZE("slab", "Slab", "The kernel's own objects"),
	[SRECLAIMABLE] = SIZE("sreclaimable", "SReclaimable", "Slab that reclaim can free, such as dentries and inodes"),
	[SUNRECLAIM] = SIZE("sunreclaim", "SUnreclaim", "Slab that cannot be freed; steady growth is a kernel leak"),
	[ANON] = SIZE("anon", "AnonPages", "Memory of processes that is backed by no file: heaps and stacks"),
	[MAPPED] = SIZE("mapped", "Mapped", "Files and shared memory mapped into processes"),
	[DIRTY] = SIZE("dirty", "Dirty", "Page cache that waits to be written to disk"),
	[WRITEBACK] = SIZE("writeback", "Writeback", "Page cache being written to disk now"),
	[ACTIVE_ANON] = SIZE("active_anon", "Active(anon)", "Anonymous memory used recently"),
	[INACTIVE_ANON] = SIZE("inactive_anon", "Inactive(anon)", "Anonymous memory that would be swapped first"),
	[ACTIVE_FILE] = SIZE("active_file", "Active(file)", "Page cache used recently"),
	[INACTIVE_FILE] = SIZE("inactive_file", "Inactive(file)", "Page cache that would be dropped first"),
	[UNEVICTABLE] = SIZE("unevictable", "Unevictable", "Memory that reclaim must leave alone"),
	[MLOCKED] = SIZE("mlocked", "Mlocked", "Memory locked by mlock()"),
	[KERNEL_STACK] = SIZE("kernel_stack", "KernelStack", "Kernel stacks of all tasks"),
	[PAGE_TABLES] = SIZE("page_tables", "PageTables", "Page tables of all processes"),
	[PERCPU] = SIZE("percpu", "Percpu", "Memory of the kernel's per-CPU allocator"),
	[VMALLOC] = SIZE("vmalloc", "VmallocUsed", "Memory of the kernel that is mapped page by page"),
	[SWAP_TOTAL] = SIZE("swap_total", "SwapTotal", "Size of all swap areas"),
	[SWAP_FREE] = SIZE("swap_free", "SwapFree", "Swap that is not used"),
	[ZSWAP] = SIZE("zswap", "Zswap", "Memory that compressed swap pages take"),
	[ZSWAPPED] = SIZE("zswapped", "Zswapped", "What the pages in zswap would take uncompressed"),
	[COMMITTED] = SIZE("committed", "Committed_AS", "Memory promised to processes, used or not"),
	[COMMIT_LIMIT] = SIZE("commit_limit", "CommitLimit",
			      "Most that could be promised if vm.overcommit_memory were 2"),
	[ANON_HUGE] = SIZE("anon_huge", "AnonHugePages", "Anonymous memory in transparent huge pages"),
	[HUGETLB] = SIZE("hugetlb", "Hugetlb", "Memory set aside for hugetlb pages of all sizes, used or not"),
	[HUGEPAGES_TOTAL] = GAUGE("hugepages_total", CULPRIT_COUNT, "Hugetlb pages of the default size",
				  SOURCE " HugePages_Total"),
	[HUGEPAGES_FREE] = GAUGE("hugepages_free", CULPRIT_COUNT, "Hugetlb pages of the default size that are free",
				 SOURCE " HugePages_Free"),
	[HUGEPAGE_SIZE] = SIZE("hugepage_size", "Hugepagesize", "Default size of a hugetlb page"),
};

static const struct culprit_derived derived[] = {
	LEVEL("used", "total-available", CULPRIT_BYTES, "Memory that reclaim could not give back: total - available"),
	LEVEL_PCT("used_pct", "total-available", "total", "Used memory, percent of total"),
	LEVEL_PCT("available_pct", "available", "total", "Available memory, percent of total"),
	LEVEL("cache", "buffers+cached+sreclaimable-shmem", CULPRIT_BYTES, "What the kernel caches and could drop"),
	LEVEL("swap_used", "swap_total-swap_free", CULPRIT_BYTES, "Swap that is used"),
	LEVEL_PCT("swap_used_pct", "swap_total-swap_free", "swap_total", "Used swap, percent of all swap"),
	LEVEL_PCT("committed_pct", "committed", "commit_limit", "Promised memory, percent of the limit"),
	GROWTH("available_growth", "available", CULPRIT_BYTES, "How available memory changed over the window"),
	GROWTH("anon_growth", "anon", CULPRIT_BYTES, "How anonymous memory changed over the window"),
	GROWTH("sunreclaim_growth", "sunreclaim", CULPRIT_BYTES, "How unreclaimable slab changed over the window"),
};

/* In the kernel's order. */
static const struct procfs_field fields[] = {
	{"MemTotal", TOTAL, 0, 1024},
	{"MemFree", FREE, 0, 1024},
	{"MemAvailable", AVAILABLE, 0, 1024},
	{"Buffers", BUFFERS, 0, 1024},
	{"Cached", CACHED, 0, 1024},
	{"SwapCached", SWAP_CACHED, 0, 1024},
	{"Active(anon)", ACTIVE_ANON, 0, 1024},
	{"Inactive(anon)", INACTIVE_ANON, 0, 1024},
	{"Active(file)", ACTIVE_FILE, 0, 1024},
	{"Inactive(file)", INACTIVE_FILE, 0, 1024},
	{"Unevictable", UNEVICTABLE, 0, 1024},
	{"Mlocked", MLOCKED, 0, 1024},
	{"SwapTotal", SWAP_TOTAL, 0, 1024},
	{"SwapFree", SWAP_FREE, 0, 1024},
	{"Zswap", ZSWAP, 0, 1024},
	{"Zswapped", ZSWAPPED, 0, 1024},
	{"Dirty", DIRTY, 0, 1024},
	{"Writeback", WRITEBACK, 0, 1024},
	{"AnonPages", ANON, 0, 1024},
	{"Mapped", MAPPED, 0, 1024},
	{"Shmem", SHMEM, 0, 1024},
	{"Slab", SLAB, 0, 1024},
	{"SReclaimable", SRECLAIMABLE, 0, 1024},
	{"SUnreclaim", SUNRECLAIM, 0, 1024},
	{"KernelStack", KERNEL_STACK, 0, 1024},
	{"PageTables", PAGE_TABLES, 0, 1024},
	{"CommitLimit", COMMIT_LIMIT, 0, 1024},
	{"Committed_AS", COMMITTED, 0, 1024},
	{"VmallocUsed", VMALLOC, 0, 1024},
	{"Percpu", PERCPU, 0, 1024},
	{"AnonHugePages", ANON_HUGE, 0, 1024},
	{"HugePages_Total", HUGEPAGES_TOTAL, 0, 0},
	{"HugePages_Free", HUGEPAGES_FREE, 0, 0},
	{"Hugepagesize", HUGEPAGE_SIZE, 0, 1024},
	{"Hugetlb", HUGETLB, 0, 1024},
};

static const struct culprit_table memory_table = {
	.size = sizeof(memory_table),
	.name = "memory",
	.kind = CULPRIT_STATE,
	.help = "What the memory of the machine is used for",
	.key = "memory",
	CULPRIT_COLUMNS(columns),
	CULPRIT_DERIVED(derived),
	.sort = "id",
	.show = "total used used_pct available anon cache shmem slab dirty writeback swap_used swap_total",
};

struct memory {
	struct procfs_file file;
};

static int memory_probe(const struct culprit_host *host, struct culprit_error *error)
{
	return procfs_probe(host->proc_fd, "meminfo", SOURCE, error);
}

static int memory_open(const struct culprit_host *host, void **ret_self, struct culprit_error *error)
{
	struct memory *m = calloc(1, sizeof(*m));

	(void)error;
	if (!m)
		return -ENOMEM;
	procfs_file_init(&m->file, host->proc_fd, "meminfo");
	*ret_self = m;
	return 0;
}

static int memory_sample(void *self, struct culprit_frame *f)
{
	struct memory *m = self;
	struct procfs_values values;
	char text[8192];
	ssize_t n = procfs_file_read(&m->file, text, sizeof(text));

	culprit_table(f, 0);
	if (n < 0) {
		procfs_failed(f, 0, SOURCE, (int)n);
		return 0;
	}
	procfs_values_clear(&values);
	if (!procfs_fields(procfs_text(text, (size_t)n), fields, PROCFS_COUNT(fields), &values)) {
		procfs_failed(f, 0, SOURCE, -EBADMSG);
		return 0;
	}
	/* Kernels before 4.20 don't add the sizes up. */
	if (!procfs_have(&values, HUGETLB) && procfs_have(&values, HUGEPAGES_TOTAL) &&
	    procfs_have(&values, HUGEPAGE_SIZE) && values.v[HUGEPAGE_SIZE] < UINT32_MAX)
		procfs_add(&values, HUGETLB, values.v[HUGEPAGES_TOTAL], (uint32_t)values.v[HUGEPAGE_SIZE]);
	culprit_row(f);
	culprit_put_u64(f, ID, 0);
	procfs_put(f, &values);
	culprit_end(f);
	return 0;
}

static void memory_close(void *self)
{
	struct memory *m = self;

	procfs_file_finish(&m->file);
	free(m);
}

static const struct culprit_table *const tables[] = {&memory_table};

const struct culprit_collector memory_collector = {
	.size = sizeof(memory_collector),
	.abi = CULPRIT_ABI_VERSION,
	.name = "memory",
	.help = "Use of memory and swap",
	.tables = tables,
	.ntables = 1,
	.probe = memory_probe,
	.open = memory_open,
	.sample = memory_sample,
	.close = memory_close,
};
