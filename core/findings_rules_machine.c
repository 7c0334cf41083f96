/* CPUs, memory, disks, file systems: when are they the bottleneck, and who makes them so. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "findings_rules.h"
#include "number.h"
#include "units.h"

/* --- CPU --------------------------------------------------------------------------------------------------------- */

/* > 90 % busy and more want to run than there are CPUs (Gregg's USE; node-mixin). Where waits are not measured, the kernel's
 * pressure or a load of 2 a CPU (node-mixin) tells that somebody waits: CPUs that are busy and nobody waits for are well used. */
static bool cpu_saturated(const struct facts *f, struct finding *x)
{
	double busy = f->cpu_busy - f->own_start / f->cpus;
	double waiting = f->runq_waiting, now = f->stalled_now[STALLED_CPU];
	bool waits = !isnan(waiting) ? waiting >= 100 : finding_stalled(f, STALLED_CPU) >= 40 || (isnan(now) && f->load1 >= 2 * f->cpus);
	bool full = busy >= 90 && waits;
	/* It began within the window, whose mean is still low. A group's quota makes tasks look runnable, too. */
	bool soon = busy >= 25 && now >= 60 && f->stopped.row == SIZE_MAX && !(waiting < 50);
	/* Somebody waited most of a window in which they were busy as long; whether that is over the samples tell. */
	bool was = f->stalled[STALLED_CPU] >= 40 && busy >= 40 && !(waiting < 50) && f->stopped.row == SIZE_MAX;
	char one[32];

	if (!full && !soon && !was)
		return false;
	x->was = !full && !soon;
	finding_is(x, FINDING_LIKELY, number_max(finding_stalled(f, STALLED_CPU), 50) / 100, "cpu", "saturated");
	if (!isnan(waiting))
		snprintf(x->evidence, sizeof(x->evidence), "%s threads wait for a cpu", units_format_short(one, sizeof(one), waiting / 100, CULPRIT_COUNT));
	else if (!isnan(f->stalled[STALLED_CPU]))
		snprintf(x->evidence, sizeof(x->evidence), "somebody waits %s of the time",
			 units_format_short(one, sizeof(one), finding_stalled(f, STALLED_CPU), CULPRIT_PERCENT));
	finding_past(x, "cpu", "busy", &f->cpu_all);
	return true;
}

static void cpu_who(struct findings *fs, const struct lens *lens, struct finding *x)
{
	const struct facts *f = &fs->facts;
	struct process_top all;
	double of;

	(void)lens;
	/* What a process has is told of its life, which may be shorter than the window: of what all have in theirs. */
	findings_top_of(fs->processes, "cpu", &all);
	of = number_max(f->cpu_busy * f->cpus, all.sum);
	finding_is_top(x, &f->top[TOP_CPU], of, "of the cpu time");
	finding_doubt(x);
	findings_by_name(fs, x, finding_by_cpu, of);
}

/* A thread that needs a whole CPU (95 %) while others idle: more CPUs would not help it (USE). What it waits for a CPU it would have used;
 * where others idle that is little, but on few CPUs whoever watches pushes it aside now and then. */
static bool one_thread(const struct facts *f, struct finding *x)
{
	const struct process_top *t = &f->top[TOP_CPU];
	double has = f->one_thread, wants = has + number_max(f->one_waits, 0), busy = f->cpu_busy;

	if (!(has >= 80) || !(wants >= 95) || !(t->value <= FINDINGS_ONE_MOST)) {
		has = f->one_thread_now;
		wants = has + number_max(f->one_waits_now, 0);
		busy = f->cpu_busy_now;
	}
	if (!(has >= 80) || !(wants >= 95) || !(f->cpus >= 2) || !(f->cpus * (100 - busy) >= 25))
		return false;
	finding_is(x, FINDING_LIKELY, 0.3, "one thread", has >= 95 ? "has all of a cpu" : "wants all of a cpu");
	snprintf(x->evidence, sizeof(x->evidence), "%.1f of %.0f cpus idle", f->cpus * (100 - busy) / 100, f->cpus);
	finding_past(x, "process", "cpu", &t->key);
	return true;
}

static void one_who(struct findings *fs, const struct lens *lens, struct finding *x)
{
	(void)lens;
	finding_is_top(x, &fs->facts.top[TOP_CPU], NAN, NULL);
	x->other.name[0] = '\0';
}

/* > 25 % of the periods (awesome-prometheus-alerts). The kernel's own count. */
static bool quota(const struct facts *f, struct finding *x)
{
	char what[96];

	if (f->stopped.row == SIZE_MAX)
		return false;
	snprintf(what, sizeof(what), "%.60s", f->stopped.name);
	finding_is(x, FINDING_CERTAIN, f->stopped.value / 100, what, "stopped by its cpu limit");
	if (f->stopped.others)
		snprintf(x->evidence, sizeof(x->evidence), "in %.0f%% of its periods; %zu more groups", f->stopped.value, f->stopped.others);
	else
		snprintf(x->evidence, sizeof(x->evidence), "in %.0f%% of its periods", f->stopped.value);
	finding_past(x, "cgroup", "throttled_pct", &f->stopped.key);
	x->still = 25;
	return true;
}

/* > 20 % of one CPU in interrupts. */
static bool interrupts(const struct facts *f, struct finding *x)
{
	char what[32];

	if (!(f->cpu_soft >= 20) || (f->softest == f->hottest && !(f->cpu_hottest >= 80)) || (f->softest != f->hottest && !(f->cpu_soft >= 50)))
		return false;
	snprintf(what, sizeof(what), "cpu%lld", (long long)f->softest);
	finding_is(x, FINDING_LIKELY, f->cpu_soft / 100, what, "busy with interrupts");
	snprintf(x->evidence, sizeof(x->evidence), "%.0f%% of it", f->cpu_soft);
	finding_past(x, "cpu", "softirq_pct", &f->cpu_softest);
	return true;
}

/* One CPU full while the others are not half so: something is pinned to it. */
static bool hot_cpu(const struct facts *f, struct finding *x)
{
	char what[32];

	if (!(f->cpu_hottest >= 95) || !(f->cpu_others <= 45) || (f->runq_waiting < 50) || (isnan(f->runq_waiting) && !(finding_stalled(f, STALLED_CPU) >= 40)))
		return false;
	snprintf(what, sizeof(what), "cpu%lld", (long long)f->hottest);
	finding_is(x, FINDING_LIKELY, 0.5, what, "full, others are idle");
	snprintf(x->evidence, sizeof(x->evidence), "the others are %.0f%% busy", f->cpu_others);
	finding_past(x, "cpu", "busy", &f->cpu_hot);
	return true;
}

/* > 10 % (Netdata). */
static bool steal(const struct facts *f, struct finding *x)
{
	if (!(f->cpu_steal >= 10))
		return false;
	finding_is(x, FINDING_CERTAIN, f->cpu_steal / 100, "hypervisor", "takes cpu time from this machine");
	snprintf(x->evidence, sizeof(x->evidence), "steal %.0f%%", f->cpu_steal);
	finding_past(x, "cpu", "steal_pct", &f->cpu_all);
	x->still = 10;
	return true;
}

/* --- memory ------------------------------------------------------------------------------------------------------ */

/* Stalled > 2 % (Coroot) with a sign of why: major faults > 500/s, swap-out >= 5/s (PCP), direct reclaim; or so long that none is
 * needed. A group at its own limit stalls its tasks while the machine has plenty: that is another finding. */
static bool memory_short(const struct facts *f, struct finding *x)
{
	double still = finding_stalled(f, STALLED_MEMORY);
	bool sign = f->major_faults >= 500 || f->swap_out >= 5 || f->allocstall >= 1 || f->direct_scan >= 100;
	bool holds = isnan(still) ? f->swap_out >= 5 && f->major_faults >= 500 : still >= 10 || (still >= 2 && sign);
	/* Reclaim looks at much and frees little, or what it frees is needed again at once. */
	bool thrash = f->refaults >= 1000 && (f->steal_pct < 30 || f->major_faults >= 500);
	char one[32], text[64] = "";
	struct row_key key = finding_text_key("memory");

	if (!holds || (f->full.row != SIZE_MAX && f->available_pct >= 20))
		return false;
	finding_is(x, FINDING_LIKELY, number_max(still, 5) / 100, "memory", thrash ? "thrashes" : "short");
	if (f->swap_out >= 5)
		snprintf(text, sizeof(text), ", swaps out %s/s", units_format_short(one, sizeof(one), f->swap_out, CULPRIT_COUNT));
	else if (f->major_faults >= 500)
		snprintf(text, sizeof(text), ", %s major faults/s", units_format_short(one, sizeof(one), f->major_faults, CULPRIT_COUNT));
	snprintf(x->evidence, sizeof(x->evidence), "stalled %.0f%%%s", number_max(still, 0), text);
	finding_past(x, "psi", "some_share", &key);
	x->still = sign ? 2 : 10;
	return true;
}

/* Gone within half an hour as it goes on, and within twenty times what was looked at: before anything stalls. What a build takes for a moment,
 * or a start, does not go on for half a minute, and a twentieth of what is left is more than a console takes to begin. */
static bool memory_goes(const struct facts *f, struct finding *x)
{
	double left = f->available_growth < 0 && f->data_s >= 30 ? f->available / -f->available_growth * f->data_s : INFINITY;
	char state[64], in[32];

	if (!(left <= 1800) || left > 20 * f->data_s)
		return false;
	left -= fmod(left, left < 120 ? 10 : 60);
	snprintf(state, sizeof(state), "gone in about %s as it goes now", units_duration(in, sizeof(in), number_u64(number_max(left, 1) * 1e9)));
	finding_is(x, FINDING_LIKELY, left <= 600 ? 0.8 : 0.5, "memory", state);
	snprintf(x->evidence, sizeof(x->evidence), "%.0f%% available", f->available_pct);
	x->steady_sign = -1;
	finding_past(x, "memory", "available_growth", &f->memory_key);
	return true;
}

/* Less than a twentieth available (node-mixin warns at a tenth, of a quarter of an hour; the Overview marks it here): nobody waits yet. */
static bool memory_low(const struct facts *f, struct finding *x)
{
	if (!(f->available_pct <= 5))
		return false;
	finding_is(x, FINDING_LIKELY, 0.4, "memory", "nearly used up");
	if (isnan(f->swap_used_pct))
		snprintf(x->evidence, sizeof(x->evidence), "%.1f%% available, no swap", f->available_pct);
	else
		snprintf(x->evidence, sizeof(x->evidence), "%.1f%% available, swap %.0f%% used", f->available_pct, f->swap_used_pct);
	finding_past(x, "memory", "used_pct", &f->memory_key);
	return true;
}

#define GREW_LEAST (16 << 20)

static void grower(struct findings *fs, const struct lens *lens, struct finding *x)
{
	const struct process_top *large = &fs->facts.top[TOP_MEMORY];
	struct process_top grown;

	(void)lens;
	findings_top_of(fs->processes, "rss_growth", &grown);
	/* Who grew, above what pages in and out do; else the largest, which nobody says is guilty. */
	if (grown.value >= GREW_LEAST) {
		if (grown.second.value < GREW_LEAST)
			grown.second.value = 0;
		finding_is_top(x, &grown, grown.sum, "of what grew");
		finding_doubt(x);
		return;
	}
	finding_is_top(x, large, large->sum, "of what processes hold");
	x->confidence = FINDING_CANNOT_TELL;
	/* One that is small beside it is nobody to name in the same breath. */
	if (!(x->other_share > 0.6 * x->share))
		memset(&x->other, 0, sizeof(x->other));
}

static bool oom(const struct facts *f, struct finding *x)
{
	char state[64];

	if (!(f->oom_kills >= 1))
		return false;
	snprintf(state, sizeof(state), "ran out: the kernel killed %.0f process%s", f->oom_kills, f->oom_kills >= 2 ? "es" : "");
	finding_is(x, FINDING_CERTAIN, 1, "memory", state);
	return true;
}

/* The last one killed, by name, and in which group. */
static void oom_who(struct findings *fs, const struct lens *lens, struct finding *x)
{
	char why[16], group[64], *last;
	size_t n;

	if (query_run(fs->query, lens, "oom_kill", QUERY_OWN, NULL) || !(n = query_nrows(fs->query)))
		return;
	query_text(fs->query, n - 1, "comm", x->victim.name, sizeof(x->victim.name));
	x->victim.pid = number_u64(query_number(fs->query, n - 1, "pid"));
	query_text(fs->query, n - 1, "why", why, sizeof(why));
	query_text(fs->query, n - 1, "cgroup", group, sizeof(group));
	last = strrchr(group, '/');
	x->at_ns = number_u64(query_number(fs->query, n - 1, "time"));
	findings_name_of(fs->processes, x->victim.pid, x->victim.name, sizeof(x->victim.name));
	snprintf(x->state, sizeof(x->state), "ran out, killed %.20s %llu", x->victim.name, (unsigned long long)x->victim.pid);
	if (!strcmp(why, "cgroup"))
		snprintf(x->evidence, sizeof(x->evidence), "at the limit of %.40s; %.0f killed", last && last[1] ? last + 1 : group, fs->facts.oom_kills);
	else
		snprintf(x->evidence, sizeof(x->evidence), "of the machine; %.0f killed", fs->facts.oom_kills);
}

/* A group within a tenth of its memory limit that reads again and again what does not fit (100/s), or was killed in. */
static bool group_full(const struct facts *f, struct finding *x)
{
	char what[96], one[32];

	if (f->full.row == SIZE_MAX)
		return false;
	snprintf(what, sizeof(what), "%.60s", f->full.name);
	/* What it reads again it waits for as for any file. */
	finding_is(x, FINDING_CERTAIN, number_max(number_max(finding_stalled(f, STALLED_MEMORY), finding_stalled(f, STALLED_IO)), 10) / 100, what,
		   f->full.slowed > 0 ? "slowed down above its memory.high" : "at its memory limit");
	if (f->full.kills > 0)
		snprintf(x->evidence, sizeof(x->evidence), "%.0f killed", f->full.kills);
	else if (f->full.again < 100)
		snprintf(x->evidence, sizeof(x->evidence), "%s times in %.0f s", units_format_short(one, sizeof(one), f->full.slowed, CULPRIT_COUNT), f->data_s);
	else
		snprintf(x->evidence, sizeof(x->evidence), "rereads %s pages/s",
			 units_format_short(one, sizeof(one), f->full.again, CULPRIT_COUNT));
	finding_past(x, "cgroup", f->full.column, &f->full.key);
	return true;
}

/* --- disks ------------------------------------------------------------------------------------------------------- */

static const struct facts_disk *worst_disk(const struct facts *f)
{
	const struct facts_disk *worst = NULL;

	for (size_t i = 0; i < f->ndisks; i++)
		if (!worst || number_max(f->disks[i].queue, 0) + f->disks[i].busy / 100 > number_max(worst->queue, 0) + worst->busy / 100)
			worst = &f->disks[i];
	return worst;
}

static const struct disk_tail *tail_of(const struct facts *f, const char *disk)
{
	for (size_t i = 0; i < f->ntails; i++)
		if (!strcmp(f->tails[i].disk, disk))
			return &f->tails[i];
	return NULL;
}

/* Somebody stands still for it (10 %: node-mixin), and it is busy > 95 % (PCP), or has more than 10 requests at once
 * (node-mixin), or its slowest hundredth takes > 20 ms (etcd wants 10 for fsync). Busy alone says little: a device that works in
 * parallel has no limit there, and a lone reader whom nobody minds makes it busy all the time. */
static bool disk_saturated(const struct facts *f, struct finding *x)
{
	const struct facts_disk *d = worst_disk(f);
	const struct disk_tail *t = d ? tail_of(f, d->name) : NULL;
	bool slow = (t && t->p99 >= 20e6) || d == NULL || d->await >= 20e6, waits = isnan(f->stalled[STALLED_IO]) || finding_stalled(f, STALLED_IO) >= 10;
	double reach = f->stalled_now[STALLED_IO] > 2 * f->stalled[STALLED_IO] ? 30 : 95; /* it began within the window */
	char what[48], one[32], two[32];

	/* Quick, and yet somebody waits for it half of the time: it is what that one is bound by. */
	bool bound = finding_stalled(f, STALLED_IO) >= 50 && d && d->busy >= 50;

	if (!d || !waits || !((d->busy >= reach && (slow || d->queue >= 1)) || d->queue >= 10 || (slow && d->busy >= 20) || bound))
		return false;
	if (isnan(f->stalled[STALLED_IO]) && !slow && !(d->queue >= 10))
		return false;
	snprintf(what, sizeof(what), "disk %s", d->name);
	/* Slow with nothing behind it is the device's own fault, or that of who shares it elsewhere. */
	finding_is(x, FINDING_LIKELY, number_max(finding_stalled(f, STALLED_IO), 10) / 100, what, !slow && d->busy < 95 && d->queue < 10 ? "busy" :
		   d->busy >= 60 || d->queue >= 2 ? "saturated" : "slow");
	if (t)
		snprintf(x->evidence, sizeof(x->evidence), "%.10s p99 %s", t->operation, units_format_short(one, sizeof(one), t->p99, CULPRIT_NS));
	else if (!isnan(d->await))
		snprintf(x->evidence, sizeof(x->evidence), "await %s%s%s", units_format_short(one, sizeof(one), d->await, CULPRIT_NS),
			 isnan(d->queue) ? "" : ", in progress ", isnan(d->queue) ? "" : units_format_short(two, sizeof(two), d->queue, CULPRIT_COUNT));
	finding_past(x, "disk", "busy", &d->key);
	return true;
}

/* Who asks the disk most; what the kernel writes of the page cache it writes for whoever wrote most into that. */
static void disk_who(struct findings *fs, const struct lens *lens, struct finding *x)
{
	const struct facts *f = &fs->facts;
	const struct facts_disk *d = worst_disk(f);
	const struct disk_askers *a = NULL;
	double cached, queue;

	(void)lens;
	if (!d)
		return;
	for (size_t i = 0; i < f->naskers && !a; i++)
		if (!strcmp(f->askers[i].disk, d->name))
			a = &f->askers[i];
	cached = d->written - (a ? a->written : 0);
	queue = d->queue - (a ? a->all : 0);
	if (!a || (cached > 0 && queue > a->first.in_flight)) {
		const struct process_top *t = &f->top[cached > d->read ? TOP_WRITTEN : TOP_DISK];

		finding_is_top(x, t, t->sum, "of the bytes");
		finding_doubt(x);
		return;
	}
	snprintf(x->cause.name, sizeof(x->cause.name), "%s", a->first.comm);
	x->cause.pid = a->first.pid;
	x->cause.key = a->first.process;
	findings_name_of(fs->processes, a->first.pid, x->cause.name, sizeof(x->cause.name));
	x->share = finding_share(a->first.in_flight, d->queue > a->all ? d->queue : a->all);
	x->share_of = "of its requests";
	if (a->second.in_flight > 0) {
		snprintf(x->other.name, sizeof(x->other.name), "%s", a->second.comm);
		x->other.pid = a->second.pid;
		x->other.key = a->second.process;
		findings_name_of(fs->processes, a->second.pid, x->other.name, sizeof(x->other.name));
		x->other_share = finding_share(a->second.in_flight, d->queue > a->all ? d->queue : a->all);
	}
	/* A small process that syncs waits as long as the large writer in front of it: requests do not tell who fills the queue,
	 * bytes do where they are told apart. */
	if (a->second.bytes > 4 * a->first.bytes && a->second.in_flight >= 0.1 * a->first.in_flight) {
		finding_swap(x);
		x->share = finding_share(a->second.bytes, d->read + d->written);
		x->other_share = finding_share(a->first.bytes, d->read + d->written);
		x->share_of = "of its bytes";
	} else if (a->first.bytes > 0 && a->first.bytes * 2 > d->read + d->written) {
		x->share = finding_share(a->first.bytes, d->read + d->written);
		x->other_share = finding_share(a->second.bytes, d->read + d->written);
		x->share_of = "of its bytes";
	}
	finding_doubt(x);
	findings_by_name(fs, x, finding_by_bytes, d->read + d->written);
	if (x->cause.several)
		x->share_of = "of its bytes";
}

/* A group that does what io.max lets it do, and somebody stands still for i/o: a third of the time, as below, and no longer than it was there
 * (to a fifth: the kernel lets it catch up on what it did not use). The limit is per disk; what it does is of all. */
bool findings_io_held(const struct facts *f)
{
	return f->io.row != SIZE_MAX && f->stalled[STALLED_IO] >= 33 && f->io.value >= 0.8 * f->stalled[STALLED_IO];
}

static bool group_io(const struct facts *f, struct finding *x)
{
	const struct facts_disk *d = worst_disk(f);
	struct row_key key = finding_text_key("io");
	double still = f->stalled[STALLED_IO];
	char what[96];

	if (!findings_io_held(f))
		return false;
	/* A disk that can do no more is slow for all; one that is merely slow is not what stops who may ask it no faster. */
	if (d && (d->busy >= 95 || d->queue >= 10))
		return false;
	snprintf(what, sizeof(what), "%.60s", f->io.name);
	finding_is(x, FINDING_CERTAIN, still / 100, what, "held back by its i/o limit (io.max)");
	snprintf(x->evidence, sizeof(x->evidence), "used %.0f%% of it; stalled %.0f%%", number_min(f->io.value, 100), still);
	/* What it writes goes out in bursts; that somebody waits for it does not. */
	finding_past(x, "psi", "some_share", &key);
	x->still = 33;
	return true;
}

/* Somebody stands still for i/o a third of the time, and all disks together are busy a third of that at most: it waits before it gets there. */
static bool io_held_back(const struct facts *f, struct finding *x)
{
	double busy = 0, still = f->stalled[STALLED_IO];

	for (size_t i = 0; i < f->ndisks; i++)
		busy += number_max(f->disks[i].busy, 0) + (f->disks[i].queue >= 2 ? 100 : 0);
	if (!(still >= 33) || busy > still / 3)
		return false;
	finding_is(x, FINDING_LIKELY, still / 100, "i/o", "waits, and no disk is busy");
	snprintf(x->evidence, sizeof(x->evidence), "an i/o limit, or a remote disk?");
	return true;
}

/* --- file systems ------------------------------------------------------------------------------------------------ */

static bool fs_full(const struct facts *f, struct finding *x)
{
	char what[96], one[32];

	if (!(f->fullest.used >= 99.5) && !(f->fullest.inodes >= 99.5))
		return false;
	snprintf(what, sizeof(what), "fs %.47s", f->fullest.mount);
	if (f->fullest.used >= 99.5 && f->fullest.growth > 0)
		snprintf(x->evidence, sizeof(x->evidence), "it grew by %s in the window", units_format_short(one, sizeof(one), f->fullest.growth, CULPRIT_BYTES));
	else if (f->fullest.used >= 99.5)
		snprintf(x->evidence, sizeof(x->evidence), "nothing was added in the window");
	finding_is(x, FINDING_CERTAIN, 1, what, f->fullest.used >= 99.5 ? "full" : "out of inodes");
	finding_past(x, "filesystem", f->fullest.used >= 99.5 ? "used_pct" : "inode_pct", &f->fullest.key);
	return true;
}

/* Full within 8 h as it goes on (Netdata); not what wanders a little in the middle. */
static bool fs_fills(const struct facts *f, struct finding *x, double window_s)
{
	double left = f->filling.growth > 0 && window_s >= 10 ? f->filling.available / f->filling.growth * window_s : INFINITY;
	char what[96], state[64], in[32];

	if (!(left <= 8 * 3600) || !(f->filling.used >= 80 || (left <= 1800 && window_s >= 30)) || f->filling.used >= 99.5)
		return false;
	snprintf(what, sizeof(what), "fs %.47s", f->filling.mount);
	/* No more of it than it is good for. */
	left -= fmod(left, left < 120 ? 10 : 60);
	snprintf(state, sizeof(state), "full in about %s as it fills now", units_duration(in, sizeof(in), number_u64(number_max(left, 1) * 1e9)));
	finding_is(x, FINDING_LIKELY, left <= 7200 ? 0.6 : 0.2, what, state);
	snprintf(x->evidence, sizeof(x->evidence), "%.0f%% used", f->filling.used);
	finding_past(x, "filesystem", "used_pct", &f->filling.key);
	return true;
}

static bool fs_filling(const struct facts *f, struct finding *x)
{
	return fs_fills(f, x, f->data_s);
}

/* Who wrote most of all, if that is as much as came in addition: on a file system that is full and still, who writes elsewhere is no cause. */
static void writer_of(struct findings *fs, struct finding *x, double growth)
{
	const struct process_top *t = &fs->facts.top[TOP_WRITTEN];

	if (!(growth > 0) || !(t->value * fs->facts.data_s >= growth / 2)) {
		x->nobody = true;
		return;
	}
	finding_is_top(x, t, t->sum, "of all written bytes");
	x->confidence = x->confidence == FINDING_CERTAIN ? FINDING_CERTAIN : FINDING_LIKELY;
	finding_doubt(x);
}

static void writer_of_fullest(struct findings *fs, const struct lens *lens, struct finding *x)
{
	(void)lens;
	writer_of(fs, x, fs->facts.fullest.growth);
}

static void writer_of_filling(struct findings *fs, const struct lens *lens, struct finding *x)
{
	(void)lens;
	writer_of(fs, x, fs->facts.filling.growth);
}

/* No answer in time (the kernel's major timeouts), an operation that takes a second, or how full it is is not said. */
static bool remote_stalled(const struct facts *f, struct finding *x)
{
	char what[96], one[32];

	if (!(f->nfs.timeouts > 0) && !(f->nfs.await >= 1e9) && !f->fs_stuck[0])
		return false;
	if (f->nfs.timeouts > 0 || f->nfs.await >= 1e9) {
		snprintf(what, sizeof(what), "nfs %.47s", f->nfs.mount);
		finding_is(x, FINDING_CERTAIN, 1, what, f->nfs.timeouts > 0 ? "does not answer" : "slow");
		snprintf(x->cause.name, sizeof(x->cause.name), "%s", f->nfs.server);
		snprintf(x->evidence, sizeof(x->evidence), "operations take %s", units_format_short(one, sizeof(one), f->nfs.await, CULPRIT_NS));
	} else {
		snprintf(what, sizeof(what), "fs %.47s", f->fs_stuck);
		finding_is(x, FINDING_LIKELY, 1, what, "does not answer");
		snprintf(x->evidence, sizeof(x->evidence), "asking how full it is takes too long");
	}
	return true;
}

/* --- all of them ------------------------------------------------------------------------------------------------- */

const struct finding_rule finding_rules_machine[] = {
	{"remote-stalled", LAYER_DISK, 3, "time_other", "wait", "disks", remote_stalled, NULL, NULL, false, {NULL}},
	{"oom", LAYER_MEMORY, 3, NULL, NULL, "events", oom, oom_who, NULL, false, {NULL}},
	{"filesystem-full", LAYER_DISK, 3, NULL, NULL, "disks", fs_full, writer_of_fullest, finding_by_writes, false, {NULL}},
	{"throttled", LAYER_LIMITS, 2, "time_throttled", "are stopped by it", "cgroups", quota, NULL, NULL, false, {NULL}},
	{"steal", LAYER_CPU, 2, "time_stolen", "wait for it", "overview", steal, NULL, NULL, false, {NULL}},
	{"cpu-saturated", LAYER_CPU, 2, "time_runq", "wait for a cpu", "processes", cpu_saturated, cpu_who, finding_by_cpu, false, {"fork-storm", "steal"}},
	{"group-memory", LAYER_LIMITS, 2, "time_memory", "wait for memory", "cgroups", group_full, NULL, NULL, false, {"oom"}},
	{"memory-short", LAYER_MEMORY, 2, "time_memory", "wait for memory", "memory", memory_short, grower, NULL, false, {"oom"}},
	{"memory-goes", LAYER_MEMORY, 1, NULL, NULL, "memory", memory_goes, grower, NULL, false, {"oom", "memory-short"}, false, true},
	{"memory-low", LAYER_MEMORY, 1, NULL, NULL, "memory", memory_low, grower, NULL, false, {"oom", "memory-short", "memory-goes"}},
	{"disk-saturated", LAYER_DISK, 2, "time_disk", "wait for it", "disks", disk_saturated, disk_who, finding_by_bytes, false,
	 {"memory-short", "group-memory", "group-io"}},
	{"group-io", LAYER_LIMITS, 2, "time_disk", "wait for it", "cgroups", group_io, NULL, NULL, false, {"memory-short", "group-memory"}},
	{"io-held-back", LAYER_DISK, 2, "time_disk", "wait for it", "disks", io_held_back, NULL, NULL, false,
	 {"memory-short", "group-memory", "remote-stalled", "disk-saturated", "group-io"}, false, false},
	{"interrupts", LAYER_CPU, 1, "time_runq", "wait for a cpu", "overview", interrupts, NULL, NULL, false, {"cpu-saturated"}},
	{"one-thread", LAYER_CPU, 1, NULL, NULL, "threads", one_thread, one_who, NULL, false, {"throttled", "cpu-saturated"}, true, false},
	{"hot-cpu", LAYER_CPU, 2, "time_runq", "wait for a cpu", "overview", hot_cpu, NULL, NULL, false,
	 {"interrupts", "one-thread", "cpu-saturated", "fork-storm", "throttled"}},
	{"filesystem-filling", LAYER_DISK, 1, NULL, NULL, "disks", fs_filling, writer_of_filling, finding_by_writes, false, {"filesystem-full"}, false, true},
};
const size_t nfinding_rules_machine = sizeof(finding_rules_machine) / sizeof(finding_rules_machine[0]);
