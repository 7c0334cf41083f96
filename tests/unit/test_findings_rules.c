/* The rules of findings, of the machine: each fires for its trouble and not for the innocent that looks like it, and names the cause and not the victim. */
#include "unit/findings_test.h"

/* --- CPU --------------------------------------------------------------------------------------------------------- */

static void cpu_saturated(void **state)
{
	struct machine m = well(), innocent = well();

	(void)state;
	m.busy = m.hot = 99;
	m.waiting = 600;
	m.psi[0] = 80;
	m.p[MAKE].cpu = 310;
	m.p[MAKE].busy = 400;
	m.p[MYSQLD].runq = 90;
	assert_says(&m, "cpu-saturated", "LIKELY   cpu saturated: make 12 added 78% of the cpu time",
		    "hurts mysqld 10: 75% of its busy time spent waiting");
	/* Neither the kernel's own thread nor the console is who suffers. */
	m.p[COPY].runq = 95;
	m.p[COPY].kthread = true;
	m.p[RESTIC].comm = "culprit";
	m.p[RESTIC].runq = 93;
	assert_says(&m, "cpu-saturated", "LIKELY   cpu saturated: make 12", "hurts mysqld 10: 75% of its busy time spent waiting");
	m.p[RESTIC] = well().p[RESTIC];
	m.p[COPY] = well().p[COPY];
	/* Who waits most is no cause. */
	m.p[MYSQLD].runq = 900;
	m.p[MYSQLD].busy = 1000;
	assert_says(&m, "cpu-saturated", ": make 12", "hurts mysqld 10: 9 of 10 busy threads");
	/* Two of the same size: it cannot be told; unless one of them was always so. */
	m.p[MAKE].cpu = 190;
	m.p[RESTIC].cpu = 185;
	assert_says(&m, "cpu-saturated", "CANNOT TELL  cpu saturated: make 12 (45%) or restic 14 (43%)", NULL);
	/* Busy, and nobody waits: well used. */
	innocent.busy = innocent.hot = 97;
	innocent.psi[0] = 3;
	innocent.waiting = 10;
	innocent.p[MAKE].cpu = 380;
	innocent.p[MAKE].thread = 60;
	assert_calm(&innocent);
}

/* By many: to all of them, not to the one of hundreds that happened to wait longest. */
static void by_many_leads_to_many(void **state)
{
	struct machine m = well();
	struct finding_who who;
	const char *panel;
	struct said *s;

	(void)state;
	m.busy = m.hot = 99;
	m.waiting = 600;
	m.psi[0] = 80;
	m.p[MAKE].cpu = 60;
	m.p[MYSQLD].runq = 90;
	s = look(&m, 60, 60);
	assert_in(s->line[0], "CANNOT TELL  cpu saturated, by many");
	assert_in(s->line[1], "hurts mysqld 10");
	assert_true(findings_target(&s->f, &panel, &who));
	assert_string_equal(panel, "processes");
	assert_true(!who.pid);
	free(s);
}

/* It began some seconds ago: the mean of a long window does not hide it. */
static void cpu_saturated_since_a_moment(void **state)
{
	struct machine m = well();
	struct said *s;

	(void)state;
	m.busy = m.hot = 45; /* of the window */
	m.now[0] = 85;
	m.waiting = 200;
	m.p[MAKE].cpu = 160;
	s = look(&m, 40, 20);
	assert_true(s->f.n == 1);
	assert_string_equal(s->f.list[0].rule->name, "cpu-saturated");
	assert_in(s->line[1], "since 14:00:39Z (+-1s)");
	free(s);
}

static void one_thread(void **state)
{
	struct machine m = well(), innocent;

	(void)state;
	m.p[RESTIC].cpu = 99;
	m.p[RESTIC].thread = 99;
	m.busy = 30;
	m.hot = 99;
	m.waiting = 2;
	assert_says(&m, "one-thread", "LIKELY   one thread has all of a cpu: restic 14", "2.8 of 4 cpus idle");
	/* Three threads of 33 % each need no larger CPU; one CPU alone has none to spare. */
	innocent = m;
	innocent.p[RESTIC].thread = 33;
	innocent.hot = 60;
	assert_calm(&innocent);
	innocent = m;
	innocent.cpus = 1;
	innocent.busy = 97;
	assert_calm(&innocent);
	/* Pushed aside now and then, on two CPUs of which others use some. */
	m.cpus = 2;
	m.busy = 66;
	m.p[RESTIC].cpu = m.p[RESTIC].thread = 92;
	m.p[RESTIC].runq = 6;
	assert_says(&m, "one-thread", "LIKELY   one thread wants all of a cpu: restic 14", "0.7 of 2 cpus idle");
	innocent = m;
	innocent.p[RESTIC].runq = 1;
	assert_calm(&innocent);
	innocent = m;
	innocent.busy = 89;
	assert_calm(&innocent);
}

/* A long window does not hide that it began some seconds ago. */
static void one_thread_since_a_moment(void **state)
{
	struct machine m = well();
	struct said *s;

	(void)state;
	m.p[RESTIC].cpu = m.p[RESTIC].thread = 99;
	m.p[RESTIC].runq = 4;
	m.one_window = 35;
	s = look(&m, 40, 12);
	assert_int_equal(s->f.n, 1);
	assert_in(s->line[0], "LIKELY   one thread wants all of a cpu: restic 14");
	assert_in(s->line[1], "since 14:00:39Z");
	free(s);
	/* Its last ten seconds are no more than the others. */
	m.p[RESTIC].cpu = m.p[RESTIC].thread = 60;
	s = look(&m, 40, 12);
	assert_int_equal(s->f.n, 0);
	free(s);
}

/* Who was not there before, or did nothing, began when it came. */
static void what_is_new_began_when_it_came(void **state)
{
	struct machine m = well();
	struct said *s;

	(void)state;
	m.stopped = 60;
	m.new_group = true;
	s = look(&m, 40, 20);
	assert_in(s->line[0], "checkout stopped by its cpu limit");
	assert_in(s->line[1], "since 14:00:39Z");
	free(s);
	s = look(&m, 3, 20);
	assert_in(s->line[1], "since before I looked");
	free(s);
}

/* What a process has is told of its own life: of a window that is longer it is no share. */
static void shares_of_who_is_new(void **state)
{
	struct machine m = well();
	struct said *s;

	(void)state;
	m.busy = m.hot = 45;
	m.now[0] = 85;
	m.waiting = 200;
	m.p[MAKE].cpu = 340;
	s = look(&m, 40, 20);
	assert_in(s->line[0], "make 12 added 87% of the cpu time");
	free(s);
}

/* The mean of a minute is high for long after it is over. */
static void what_is_over_is_said_to_be(void **state)
{
	struct machine m = well();
	struct said *s;

	(void)state;
	m.stopped = 60;
	m.p[JAVA].throttled = 300;
	m.p[JAVA].busy = 400;
	m.over = 6;
	s = look(&m, 30, 30);
	assert_string_equal(s->line[0], "   ENDED    checkout stopped by its cpu limit, in 60% of its periods");
	assert_in(s->line[1], "hurt java 20: 3.0 of 4.0 busy threads waited");
	assert_in(s->line[1], "until 14:00:59Z (+-1s)");
	assert_false(findings_grave(&s->f));
	free(s);
	/* What is comes first, and is not explained by what was. */
	m.oom = 1;
	s = look(&m, 30, 30);
	assert_in(s->line[0], "!! CERTAIN  memory ran out");
	assert_in(s->line[2], "1 more");
	free(s);
	/* A moment of rest is none. */
	m.over = 2;
	m.oom = 0;
	s = look(&m, 30, 30);
	assert_in(s->line[0], "!! CERTAIN  checkout");
	free(s);
	/* That CPUs were fought for stays known as long as it is most of the window; and is nothing where it goes on as before. */
	m = well();
	m.busy = m.hot = 70;
	m.psi[0] = 60;
	m.waiting = 150;
	m.p[MAKE].cpu = 240;
	m.over = 6;
	s = look(&m, 30, 40);
	assert_in(s->line[0], "ENDED    cpu saturated: make 12 has");
	free(s);
	m.over = 0;
	s = look(&m, 30, 40);
	assert_int_equal(s->f.n, 0);
	assert_in(s->line[0], "no bottleneck found in 60 s; every layer measured; stalled cpu 60%");
	free(s);
}

/* No process has much; those of one name have. */
static void many_of_one_name(void **state)
{
	struct machine m = well();
	struct said *s;

	(void)state;
	m.busy = m.hot = 99;
	m.waiting = 600;
	m.psi[0] = 80;
	m.p[RESTIC].comm = m.p[MAKE].comm = m.p[COPY].comm = "cc1";
	m.p[RESTIC].cpu = m.p[MAKE].cpu = m.p[COPY].cpu = 50;
	m.p[MYSQLD].cpu = 60;
	m.p[JAVA].cpu = 55;
	assert_says(&m, "cpu-saturated", "CANNOT TELL  cpu saturated, by many; cc1 (3 processes) has 38%", NULL);
	s = look(&m, 0, 6);
	assert_in(s->line[0], "CANNOT TELL (5 s of data)  cpu saturated, by many; cc1 (3 processes) has 38%");
	findings_line(&s->f, 0, 72, s->line[0], sizeof(s->line[0]));
	assert_string_equal(s->line[0], "!! CANNOT TELL (5 s of data)  cpu saturated, most by 3 cc1");
	free(s);
	m.p[RESTIC].comm = "restic";
	m.p[MAKE].cpu = m.p[COPY].cpu = 40;
	assert_says(&m, "cpu-saturated", "CANNOT TELL  cpu saturated, by many; none has 20% of the cpu time", NULL);
	m.p[MYSQLD].cpu = 90;
	assert_says(&m, "cpu-saturated", "CANNOT TELL  cpu saturated, by many; mysqld 10 has 23% of the cpu time", NULL);
}

/* Each second another compiler has all of a CPU since it began. */
static void who_has_just_begun(void **state)
{
	struct machine m = well();
	struct said *s;

	(void)state;
	m.p[MAKE].cpu = 70;
	m.drivers = 4;
	m.driver_cpu = 99;
	s = look(&m, 30, 60);
	assert_string_equal(s->f.facts.top[TOP_CPU].name, "make");
	free(s);
}

static void victims_are_there(void **state)
{
	struct machine m = well();

	(void)state;
	m.busy = m.hot = 99;
	m.waiting = 600;
	m.psi[0] = 80;
	m.p[MAKE].cpu = 310;
	m.p[MAKE].busy = 400;
	m.p[MYSQLD].runq = 60;
	/* The compilers wait more, each for a second; so does a thread of the kernel. */
	m.drivers = 4;
	m.kthread = 90;
	assert_says(&m, "cpu-saturated", ": make 12", "hurts mysqld 10");
}

static void quota_before_neighbours(void **state)
{
	struct machine m = well(), innocent = well();

	(void)state;
	m.stopped = 60;
	m.now[0] = 90; /* stopped tasks look as if they wanted a CPU */
	m.busy = 50;
	m.p[JAVA].throttled = 300;
	m.p[JAVA].busy = 400;
	assert_says(&m, "throttled", "CERTAIN  checkout stopped by its cpu limit", "hurts java 20: 3.0 of 4.0 busy threads are stopped");
	innocent.stopped = 12;
	assert_calm(&innocent);
}

static void hypervisor_and_interrupts(void **state)
{
	struct machine m = well(), innocent;

	(void)state;
	m.steal = 24;
	assert_says(&m, "steal", "CERTAIN  hypervisor takes cpu time from this machine, steal 24%", NULL);
	m = well();
	m.soft = 70;
	m.hot = 99;
	assert_says(&m, "interrupts", "LIKELY   cpu0 busy with interrupts, 70% of it", NULL);
	/* Not on the CPU that is busiest: what was before is asked of the one that is meant. */
	m.hot = 60;
	m.soft_cpu = 2;
	assert_says(&m, "interrupts", "LIKELY   cpu2 busy with interrupts, 70% of it", "since 14:00:59Z");
	m = well();
	m.hot = 100;
	m.busy = 30;
	m.waiting = 150;
	m.p[MYSQLD].runq = 60;
	assert_says(&m, "hot-cpu", "cpu0 full, others are idle", "hurts mysqld 10");
	innocent = m;
	innocent.waiting = 3;
	assert_calm(&innocent);
	innocent = well();
	innocent.steal = 3;
	innocent.soft = 9;
	assert_calm(&innocent);
}

static void fork_storm(void **state)
{
	struct machine m = well(), innocent = well();

	(void)state;
	m.busy = m.hot = 99;
	m.waiting = 300;
	m.psi[0] = 70;
	m.p[MAKE].shorts = 250;
	/* One finding, not two: the CPUs are full of them. */
	assert_says(&m, "fork-storm", "LIKELY   short processes take cpu: make 12 began 100% of them", "they took 2.5 of 4 cpus");
	/* No more than there are. */
	m.p[MAKE].shorts = 520;
	assert_says(&m, "fork-storm", "make 12", "they took 4.0 of 4 cpus");
	m.p[MAKE].shorts = 250;
	/* Who began them is as short: whoever stays behind all of them is meant. */
	m.p[MAKE].shorts = 0;
	m.drivers = 250;
	assert_says(&m, "fork-storm", "LIKELY   short processes take cpu: make 12 began 100% of them", "they took 2.5 of 4 cpus");
	/* Each is there for a second: of a minute that is what it was, whichever have just ended. */
	for (int seconds = 60; seconds < 64; seconds++) {
		struct said *s = look(&m, 60, seconds);

		assert_string_equal(s->f.list[0].rule->name, "fork-storm");
		assert_in(s->line[1], "they took 2.5 of 4 cpus");
		free(s);
	}
	m.drivers = 170;
	assert_says(&m, "fork-storm", "!! LIKELY   short processes take cpu: make 12", NULL);
	/* There are CPUs left: no alarm. */
	m.busy = m.hot = 50;
	m.waiting = m.psi[0] = 2;
	m.drivers = 190;
	assert_says(&m, "fork-storm", "   LIKELY   short processes take cpu: make 12", NULL);
	innocent.p[MAKE].shorts = 15;
	assert_calm(&innocent);
}

/* Which of two that are about as bad comes first does not change with a percent. */
static void the_first_stays(void **state)
{
	struct machine m = backup();

	(void)state;
	m.busy = m.hot = 99;
	m.waiting = 600;
	m.p[JAVA].cpu = 310;
	for (int cpu = 60; cpu <= 68; cpu += 2) {
		struct said *s;

		m.psi[0] = cpu;
		s = look(&m, 60, 60);
		assert_true(s->f.n >= 2);
		assert_string_equal(s->f.list[0].rule->name, "cpu-saturated");
		free(s);
	}
	m.psi[2] = 95;
	assert_says(&m, "disk-saturated", "disk vda saturated", NULL);
}

/* What the console takes while it begins is no trouble of the machine's; what it takes for long is. */
static void its_own_start_is_no_culprit(void **state)
{
	struct machine m = well();
	struct said *s;

	(void)state;
	m.busy = m.hot = 97;
	m.waiting = 600;
	m.psi[0] = 70;
	m.p[COPY].comm = "culprit";
	m.p[COPY].cpu = 330;
	s = look(&m, 0, 6);
	assert_int_equal(s->f.n, 0);
	free(s);
	s = look(&m, 0, 30);
	assert_in(s->line[0], "cpu saturated: culprit 40");
	free(s);
	/* Who else fills them is named at once. */
	m.p[COPY].cpu = 20;
	m.p[MAKE].cpu = 330;
	s = look(&m, 0, 6);
	assert_in(s->line[0], "cpu saturated: make 12");
	free(s);
	/* Nor are several that begin together. */
	m.p[COPY].cpu = 100;
	m.p[RESTIC].comm = "culprit";
	m.p[RESTIC].cpu = 100;
	m.p[MAKE].cpu = 90;
	m.now[0] = 90;
	s = look(&m, 0, 6);
	assert_in(s->line[0], "cpu saturated");
	assert_not_in(s->line[0], "culprit");
	free(s);
}

/* --- memory ------------------------------------------------------------------------------------------------------ */

static void memory_short(void **state)
{
	struct machine m = well(), innocent = well();

	(void)state;
	m.psi[1] = 44;
	m.swap_out = 5000;
	m.major = 900;
	m.refault = 8800;
	m.available = 2;
	m.p[JAVA].grew = 1.8e9;
	m.p[MYSQLD].memory = 85;
	/* The disk is full of what is swapped. */
	m.psi[2] = 50;
	m.disk_busy = 99;
	m.queue = 20;
	m.p99 = 90e6;
	assert_says(&m, "memory-short", "LIKELY   memory thrashes: java 20 has 100% of what grew", "hurts mysqld 10: 71% of its busy time");
	/* Nobody grew: the largest is not guilty for that. */
	m.p[JAVA].grew = 0;
	assert_says(&m, "memory-short", "CANNOT TELL  memory thrashes: ", NULL);
	/* Nor is who is a hundredth of it. */
	m.p[JAVA].rss = 900e6;
	assert_says(&m, "memory-short", "CANNOT TELL  memory thrashes: java 20 has 100% of what processes hold", NULL);
	/* A cache that is turned over, with nobody waiting. */
	innocent.refault = 4000;
	innocent.psi[1] = 1;
	innocent.major = 600;
	assert_calm(&innocent);
}

/* Nothing stalls yet, and in some minutes all will. */
static void memory_goes(void **state)
{
	struct machine m = well();

	(void)state;
	m.mem_goes = 60 * 20e6;
	m.p[JAVA].grew = 60 * 19e6;
	assert_says(&m, "memory-goes", "   LIKELY   memory gone in about 5m as it goes now: java 20", "60% available");
	/* Something was loaded, and that is it; or it would take hours. */
	m.mem_once = true;
	assert_calm(&m);
	m.mem_once = false;
	/* Who begins takes a lot, and then a little now and then, as the console itself. */
	m.mem_step = true;
	assert_calm(&m);
	m.mem_step = false;
	m.mem_goes = 60 * 1e6;
	assert_calm(&m);
	/* Nor is 25 minutes told from a minute. */
	m.mem_goes = 60 * 4e6;
	assert_calm(&m);
}

/* It began worse than it is now, and is bad enough: swapping goes on, and its disk is full of that alone. */
static void memory_short_after_a_worse_beginning(void **state)
{
	struct machine m = well(), worse;

	(void)state;
	m.psi[1] = 9;
	m.swap_out = 800;
	m.refault = 160;
	m.available = 1;
	m.psi[2] = 20;
	m.disk_busy = 99;
	m.queue = 2;
	m.p99 = 25e6;
	m.asks[JAVA] = 2;
	worse = m;
	worse.psi[1] = 60;
	m.first = &worse;
	assert_says(&m, "memory-short", "memory short", NULL);
	/* When it has become well it is over. */
	m.psi[1] = 0.5;
	m.now[1] = 12;
	m.swap_out = 10;
	assert_says(&m, "disk-saturated", "disk vda", NULL);
}

/* Nobody waits yet, and there is next to nothing left. */
static void memory_nearly_used_up(void **state)
{
	struct machine m = well();

	(void)state;
	m.available = 1.3;
	m.p[JAVA].grew = 1.8e9;
	assert_says(&m, "memory-low", "   LIKELY   memory nearly used up: java 20 has 100% of what grew", "1.3% available, swap 0% used");
	m.available = 12;
	assert_calm(&m);
}

/* A disk that has time, and who may not ask it faster. */
static void io_limit_of_a_group(void **state)
{
	struct machine m = well(), innocent;

	(void)state;
	m.io_of_limit = 99;
	m.psi[2] = 90;
	m.disk_busy = 30;
	m.p[RESTIC].disk = 90;
	m.p[RESTIC].busy = 95;
	assert_says(&m, "group-io", "CERTAIN  export held back by its i/o limit (io.max)", "hurts restic 14: 95% of its busy time");
	/* That the disk takes long is no cause: it could do more. */
	m.p99 = 40e6;
	m.disk_busy = 45;
	assert_says(&m, "group-io", "CERTAIN  export held back by its i/o limit", NULL);
	/* It began in the window: as long as somebody stands still it is at its limit. */
	m.io_of_limit = 35;
	m.psi[2] = 38;
	assert_says(&m, "group-io", "CERTAIN  export held back by its i/o limit", NULL);
	/* A disk that can do no more is slow for all. */
	innocent = m;
	innocent.disk_busy = 99;
	innocent.queue = 12;
	assert_says(&innocent, "disk-saturated", "disk vda saturated", NULL);
	/* It may do ten times as much. */
	m.io_of_limit = 10;
	m.p99 = 2e6;
	m.disk_busy = 5;
	assert_says(&m, "io-held-back", "i/o waits, and no disk is busy", NULL);
	m.io_of_limit = 99;
	m.psi[2] = 2;
	assert_calm(&m);
}

static void memory_limit_of_a_group(void **state)
{
	struct machine m = well();

	(void)state;
	m.full = 99;
	m.reread = 500000;
	m.psi[1] = 20;
	m.major = 900;
	assert_says(&m, "group-memory", "CERTAIN  checkout at its memory limit", NULL);
	/* Near its limit with what is cached: that is what memory is for. */
	m.reread = 10;
	m.psi[1] = m.major = 0;
	assert_calm(&m);
}

/* memory.high stops nobody for good and kills nobody: its tasks sleep. The machine has plenty, and nothing is read again where all of it is heaps. */
static void memory_high_of_a_group(void **state)
{
	struct machine m = well();

	(void)state;
	m.high = 101;
	m.slowed = 45;
	m.psi[1] = 97;
	m.p[JAVA].memory = 97;
	m.p[JAVA].busy = 98;
	assert_says(&m, "group-memory", "CERTAIN  checkout slowed down above its memory.high, 45 times in 60 s", "hurts java 20: 99% of its busy time");
	m.reread = 500000;
	assert_says(&m, "group-memory", "CERTAIN  checkout slowed down above its memory.high, rereads 8.33k pages/s", NULL);
	/* A large cache is trimmed there now and then, and nobody waits for that. */
	m.reread = 10;
	m.psi[1] = 0.4;
	m.p[JAVA].memory = 0;
	assert_calm(&m);
	/* It was at its limit, and is not. */
	m.psi[1] = 97;
	m.high = 40;
	m.available = 2;
	m.swap_out = 5000;
	assert_says(&m, "memory-short", "memory short", NULL);
}

static void out_of_memory(void **state)
{
	struct machine m = well();

	(void)state;
	m.oom = 1;
	m.oom_event = true;
	assert_says(&m, "oom", "CERTAIN  memory ran out, killed python3 77, at the limit of batch; 1 killed", "at 14:01:58Z");
}

/* --- disks ------------------------------------------------------------------------------------------------------- */

static void disk_saturated(void **state)
{
	struct machine m = backup(), innocent = well();
	struct said *s;

	(void)state;
	assert_says(&m, "disk-saturated", "!! LIKELY   disk vda saturated: restic 14 added 90% of its bytes",
		    "hurts mysqld 10: 38 of 41 busy threads wait for it");
	/* The database syncs, and so has more requests in the queue than who fills it. */
	m.asks[MYSQLD] = 10;
	assert_says(&m, "disk-saturated", ": restic 14", "hurts mysqld 10");
	s = look(&m, 60, 60);
	assert_in(s->line[1], "since 14:00:59Z (+-1s)");
	assert_in(s->line[2], "ruled out cpu mem net locks limits");
	free(s);
	/* It was so when we came: who began it is not known. */
	s = look(&m, 0, 30);
	assert_in(s->line[1], "since before I looked");
	free(s);
	/* A quick disk that one waits for all the time: that one's bound, and no queue. */
	m = well();
	m.psi[2] = 70;
	m.disk_busy = 70;
	m.queue = 1.5;
	m.await = m.p99 = 2e5;
	m.asks[COPY] = 1.4;
	m.p[COPY].disk = 140;
	m.p[COPY].busy = 160;
	assert_says(&m, "disk-saturated", "LIKELY   disk vda busy: cp 40", "hurts cp 40");
	/* A lone reader that keeps the device busy and nobody minds. */
	innocent.disk_busy = 100;
	innocent.queue = 1;
	innocent.await = 2e5;
	innocent.asks[COPY] = 1;
	innocent.writes[COPY] = 200e6;
	assert_calm(&innocent);
}

/* Who writes most, always, is no cause of what began now. */
static void who_changed_did_it(void **state)
{
	struct machine m = backup();

	(void)state;
	m.asks[MYSQLD] = 6;
	m.writes[MYSQLD] = 30e6;
	m.writes[RESTIC] = 28e6;
	m.written = 58e6;
	m.p[MYSQLD].written = 6e6; /* as before */
	m.p[RESTIC].written = 28e6;
	assert_says(&m, "disk-saturated", "LIKELY   disk vda saturated: restic 14 added", "hurts mysqld 10");
}

static void without_programs_who_waits_is_not_told(void **state)
{
	struct machine m = backup();
	struct said *s;

	(void)state;
	m.no_root = true;
	s = look(&m, 60, 60);
	assert_in(s->line[0], "disk vda saturated: restic 14");
	assert_not_in(s->line[1], "hurts");
	assert_in(s->line[2], "not measured");
	assert_not_in(s->line[2], "nothing");
	assert_not_in(s->line[2], "locks");
	free(s);
}

static void file_systems(void **state)
{
	struct machine m = well();

	(void)state;
	m.fs_used = 100;
	m.fs_growth = 60 * 30e6;
	m.p[RESTIC].written = 40e6;
	assert_says(&m, "filesystem-full", "CERTAIN  fs /var full: restic 14", NULL);
	/* The kernel writes for others what they have written. */
	m.p[MAKE].kthread = true;
	m.p[MAKE].written = 80e6;
	assert_says(&m, "filesystem-full", "CERTAIN  fs /var full: restic 14 added 89% of all written bytes", NULL);
	m.p[MAKE] = well().p[MAKE];
	/* It came to that before; or by somebody who wrote more than all that are there. */
	m.fs_growth = 0;
	assert_says(&m, "filesystem-full", "CERTAIN  fs /var full, nothing was added in the window", NULL);
	m.fs_growth = 60 * 900e6;
	assert_says(&m, "filesystem-full", "CERTAIN  fs /var full, it grew by 50.3G in the window", NULL);
	m.fs_used = 91;
	m.fs_growth = 60 * 40e6;
	assert_says(&m, "filesystem-filling", "LIKELY   fs /var full in about 3m as it fills now: restic 14", "91% used");
	/* A file was written, and that is it: it does not fill so. */
	m.fs_once = true;
	assert_calm(&m);
	/* Full enough, and still. */
	m.fs_growth = 0;
	assert_calm(&m);
	m = well();
	m.nfs_timeouts = 3;
	assert_says(&m, "remote-stalled", "CERTAIN  nfs /home does not answer: filer:/home", NULL);
	m.nfs_timeouts = 0;
	m.fs_remote_stuck = true;
	assert_says(&m, "remote-stalled", "LIKELY   fs /home does not answer", NULL);
}

static void hung(void **state)
{
	struct machine m = well(), innocent = well();
	struct said *s;

	(void)state;
	m.p[COPY].state = "D";
	m.p[COPY].switches = m.p[COPY].cpu = 0;
	m.p[COPY].busy = 40; /* of the window, the last 12 s */
	s = look(&m, 30, 12);
	assert_true(s->f.n == 1);
	assert_in(s->line[0], "!! CERTAIN  cp 40 stuck in the kernel (over 10 s), in percpu_rwsem_wait");
	assert_in(s->line[1], "since 14:00:2");
	free(s);
	/* A box so busy that it is sampled less often. */
	m.rarely = true;
	s = look(&m, 30, 14);
	assert_true(s->f.n == 1);
	assert_in(s->line[0], "!! CERTAIN  cp 40 stuck in the kernel (over 10 s)");
	free(s);
	m.rarely = false;
	/* Of more threads than are read its process tells. */
	m.many_threads = true;
	m.p[COPY].busy = 100;
	s = look(&m, 0, 12);
	assert_true(s->f.n == 1);
	assert_in(s->line[0], "!! CERTAIN  cp 40 stuck in the kernel (over 10 s), in percpu_rwsem_wait");
	free(s);
	m.p[COPY].cpu = 0.1;
	s = look(&m, 0, 12);
	assert_int_equal(s->f.n, 0);
	free(s);
	/* A worker of a process whose main thread only waits for it. */
	m = well();
	m.worker = m.p[JAVA].disk = 30;
	s = look(&m, 30, 12);
	assert_true(s->f.n == 1);
	assert_in(s->line[0], "!! CERTAIN  java 20 stuck in the kernel (over 10 s), its thread 2001");
	free(s);
	innocent.worker = innocent.p[JAVA].disk = 90;
	innocent.worker_switches = 200;
	assert_calm(&innocent);
	innocent = well();
	m = well();
	m.p[COPY].state = "D";
	m.p[COPY].switches = m.p[COPY].cpu = 0;
	m.p[COPY].busy = 40;
	/* Not yet ten seconds. */
	s = look(&m, 30, 8);
	assert_int_equal(s->f.n, 0);
	free(s);
	/* In that state in each sample, but it goes on: it reads. */
	innocent.p[COPY].state = "D";
	innocent.p[COPY].switches = 300;
	innocent.p[COPY].busy = 90;
	assert_calm(&innocent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpu_saturated),
		cmocka_unit_test(by_many_leads_to_many),
		cmocka_unit_test(cpu_saturated_since_a_moment),
		cmocka_unit_test(one_thread),
		cmocka_unit_test(one_thread_since_a_moment),
		cmocka_unit_test(what_is_new_began_when_it_came),
		cmocka_unit_test(shares_of_who_is_new),
		cmocka_unit_test(what_is_over_is_said_to_be),
		cmocka_unit_test(many_of_one_name),
		cmocka_unit_test(who_has_just_begun),
		cmocka_unit_test(victims_are_there),
		cmocka_unit_test(quota_before_neighbours),
		cmocka_unit_test(hypervisor_and_interrupts),
		cmocka_unit_test(fork_storm),
		cmocka_unit_test(the_first_stays),
		cmocka_unit_test(its_own_start_is_no_culprit),
		cmocka_unit_test(memory_short),
		cmocka_unit_test(memory_goes),
		cmocka_unit_test(memory_short_after_a_worse_beginning),
		cmocka_unit_test(memory_nearly_used_up),
		cmocka_unit_test(io_limit_of_a_group),
		cmocka_unit_test(memory_limit_of_a_group),
		cmocka_unit_test(memory_high_of_a_group),
		cmocka_unit_test(out_of_memory),
		cmocka_unit_test(disk_saturated),
		cmocka_unit_test(who_changed_did_it),
		cmocka_unit_test(without_programs_who_waits_is_not_told),
		cmocka_unit_test(file_systems),
		cmocka_unit_test(hung),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
