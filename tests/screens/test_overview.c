/* The Overview over a made-up machine in trouble: what it says, and that it names who causes it, nobody else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/stage.h"

enum { SECONDS = 20 };

#define TABLES                                                                                                         \
	"host hz=100 interval=1s zone=+00:00\n"                                                                        \
	"table host state key=host id=key:u64 cpus=gauge:u64:count forks=counter:u64:count\n"                          \
	"derived host fork_rate rate forks unit=count/s\n"                                                           \
	"table cpu state key=cpu cpu=key:i64 used=counter:u64:ns\n"                                                    \
	"derived cpu busy rate used scale=1e-7 unit=percent\n"                                                         \
	"table disk state key=device name=key:text kind=attribute:text used=counter:u64:ns written=counter:u64:bytes "   \
	"waited=counter:u64:ns\n"                                                                                      \
	"derived disk busy rate used scale=1e-7 unit=percent\nderived disk write_rate rate written unit=bytes/s\n"  \
	"derived disk queue rate waited scale=1e-9 unit=count\n"                                                       \
	"table process state key=process pid=key:u64 start=key:u64:ticks comm=attribute:text utime=counter:u64:ns "      \
	"read_bytes=counter:u64:bytes write_bytes=counter:u64:bytes rss=gauge:u64:bytes fds=gauge:u64:count "           \
	"fd_limit=gauge:u64:count threads=gauge:u64:count\n"                                                           \
	"derived process cpu rate utime scale=1e-7 unit=percent\n"                                                     \
	"derived process read_rate rate read_bytes unit=bytes/s\n"                                                   \
	"derived process write_rate rate write_bytes unit=bytes/s\n"                                                 \
	"derived process fd_use level_ratio fds/fd_limit scale=100 unit=percent\n"                                      \
	"table disk_user state key=process_device pid=key:u64 start=key:u64:ticks name=key:text comm=attribute:text "    \
	"bytes=counter:u64:bytes time=counter:u64:ns\n"                                                                \
	"derived disk_user in_flight rate time scale=1e-9 unit=count\n"                                                \
	"derived disk_user write_rate rate bytes unit=bytes/s\n"                                                     \
	"table children state key=process pid=key:u64 start=key:u64:ticks short_cpu_time=counter:u64:ns\n"             \
	"derived children short_cpu rate short_cpu_time scale=1e-7 unit=percent\n"                                     \
	"table thread state key=thread tid=key:u64 start=key:u64:ticks pid=attribute:u64 process_start=attribute:u64:ticks "  \
	"lock=counter:u64:ns\n"                                                                                        \
	"derived thread lock_pct rate lock scale=1e-7 unit=percent\n"                                                 \
	"parent thread process pid process_start\nrollup thread lock_pct process time_lock sum\n"                      \
	"parent children process pid start\nrollup children short_cpu process short_children_cpu sum\n"                \
	"table cgroup state key=cgroup path=key:text nr_periods=counter:u64:count nr_throttled=counter:u64:count "       \
	"throttled_time=counter:u64:ns memory_current=gauge:u64:bytes memory_max=gauge:u64:bytes oom_kill=counter:u64:count " \
	"refaults=counter:u64:count\n"                                                                                 \
	"derived cgroup throttled_pct ratio nr_throttled/nr_periods scale=100 unit=percent\n"                           \
	"derived cgroup throttled_rate rate throttled_time unit=ns/s\n"                                              \
	"derived cgroup memory_pct level_ratio memory_current/memory_max scale=100 unit=percent\n"                      \
	"derived cgroup oom_kills difference oom_kill unit=count\n"                                                    \
	"derived cgroup refault_rate rate refaults unit=count/s\n"                                                     \
	"table tcp_listen state key=tcp_listen address=key:text port=key:u64 pid=attribute:u64 comm=attribute:text "     \
	"queue=gauge:u64:count queue_limit=gauge:u64:count drops=counter:u64:count\n"                                  \
	"derived tcp_listen queue_pct level_ratio queue/queue_limit scale=100 unit=percent\n"                           \
	"derived tcp_listen drops_window difference drops unit=count\n"                                                \
	"show process pid comm cpu\nsort process cpu\n"

/* What is wrong with it. */
struct trouble {
	bool locks, forks, stopped, thrash, full_queue, files, backup, page_cache;
};

static void tell(struct stage *s, const struct trouble *bad)
{
	stage_tell(s, TABLES);
	for (int t = 0; t < SECONDS; t++) {
		stage_tell(s, "tick %ds wall=%lldms\nsample host\nrow host id=0 cpus=4 forks=%d\n", 1000 + t, 1772373600000LL + t * 1000LL,
		    t * (bad->forks ? 700 : 3));
		stage_tell(s, "sample cpu\nrow cpu cpu=-1 used=%dms\n", t * 300);
		stage_tell(s, "sample disk\nrow disk name=vda kind=disk used=%dms written=%d waited=%dms\n", t * 800, t * 9000000,
		    t * (bad->page_cache ? 9000 : bad->backup ? 900 : 100));
		/* A database that always writes most; make, whose children read; a shell that begins many; who opens and opens. */
		stage_tell(s, "sample process\nrow process pid=10 start=1 comm=mysqld utime=%dms read_bytes=%d write_bytes=%d rss=900000000 fds=60 "
		       "fd_limit=1000 threads=40\n",
		    t * 300, 0, t * 100000);
		stage_tell(s, "row process pid=11 start=1 comm=make utime=%dms read_bytes=%d write_bytes=0 rss=3000000 fds=5 fd_limit=1000 threads=1\n",
		    t * 10, t * 80000000);
		stage_tell(s, "row process pid=12 start=1 comm=loop.sh utime=%dms read_bytes=0 write_bytes=0 rss=3000000 fds=5 fd_limit=1000 threads=1\n",
		    t * 100);
		stage_tell(s, "row process pid=13 start=1 comm=leaker utime=0ms read_bytes=0 write_bytes=0 rss=3000000 fds=%d fd_limit=1000 threads=1\n",
		    bad->files ? 950 : 50);
		stage_tell(s, "row process pid=14 start=1 comm=restic utime=%dms read_bytes=0 write_bytes=%d rss=3000000 fds=5 fd_limit=1000 threads=1\n",
		    t * 5, bad->page_cache ? t * 90000000 : 0);
		stage_tell(s, "sample thread\n");
		for (int i = 0; i < 4; i++)
			stage_tell(s, "row thread tid=%d start=1 pid=10 process_start=1 lock=%dms\n", 100 + i, t * (bad->locks ? 900 : 20));
		stage_tell(s, "sample children\nrow children pid=12 start=1 short_cpu_time=%dms\n", bad->forks ? t * 550 : 0);
		stage_tell(s, "sample disk_user\nrow disk_user pid=10 start=1 name=vda comm=mysqld bytes=%d time=%dms\n", t * 100000, t * 100);
		if (bad->backup)
			stage_tell(s, "row disk_user pid=14 start=1 name=vda comm=restic bytes=%d time=%dms\n", t * 8900000, t * 800);
		stage_tell(s, "sample cgroup\nrow cgroup path=/shop/checkout nr_periods=%d nr_throttled=%d throttled_time=%dms memory_current=%d "
		       "memory_max=1000 oom_kill=0 refaults=%d\n",
		    t * 10, bad->stopped ? t * 6 : t, t * 500, 990, bad->thrash ? t * 5000 : t);
		stage_tell(s, "sample tcp_listen\nrow tcp_listen address=0.0.0.0 port=8443 pid=10 comm=mysqld queue=%d queue_limit=4 drops=%d\n",
		    bad->full_queue ? 5 : 0, bad->full_queue ? t * 3 : 0);
	}
}

static void open_trouble(struct stage *s, const struct trouble *bad, int w, int h)
{
	memset(s, 0, sizeof(*s));
	tell(s, bad);
	stage_open_text(s, s->text, "overview", w, h, TEXT_ASCII);
}

/* The line that begins with `name`; NULL: there is none. Valid until the next call. */
static const char *line_of(struct stage *s, const char *name)
{
	static char line[256];
	char *all = surface_text(s->surface), *save = NULL, *found = NULL;

	for (char *l = strtok_r(all, "\n", &save); l && !found; l = strtok_r(NULL, "\n", &save)) {
		if (!strncmp(l, name, strlen(name)))
			found = l;
	}
	snprintf(line, sizeof(line), "%s", found ? found : "");
	free(all);
	return found ? line : NULL;
}

static void assert_line(struct stage *s, const char *name, const char *const *words)
{
	const char *line = line_of(s, name);

	for (; *words; words++) {
		if (line && strstr(line, *words))
			continue;
		fail_msg("no \"%s\" in the line of %s: %s\n%s", *words, name, line ? line : "(none)", surface_text(s->surface));
	}
}

#define LINE(s, name, ...) assert_line(s, name, (const char *const[]){__VA_ARGS__, NULL})

static void limits_stand_only_while_they_hurt(void **state)
{
	static const char *const names[] = {"cpu limit", "mem limit", "port 8443", "open files", "locks", "forks"};
	struct trouble well = {0}, bad = {.locks = true, .forks = true, .stopped = true, .thrash = true, .full_queue = true,
						   .files = true};
	struct stage s;

	(void)state;
	open_trouble(&s, &well, 80, 24);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_null(line_of(&s, names[i]));
	stage_close(&s);
	open_trouble(&s, &bad, 80, 30);
	LINE(&s, "cpu limit", "!!", "stopped 60.0%", "checkout");
	LINE(&s, "mem limit", "99.0%!!", "reread 5.00k/s", "checkout");
	LINE(&s, "port 8443", "125%!!", "drop 57", "mysqld");
	LINE(&s, "open files", "95.0%!!", "leaker");
	LINE(&s, "locks", "3.6", "threads wait", "mysqld");
	LINE(&s, "forks", "700/s!!", "took cpu1 55.0%", "loop.sh");
	stage_close(&s);
}

/* There is no room for all: what hurts stays. */
static void what_hurts_stays(void **state)
{
	struct trouble bad = {.forks = true, .stopped = true, .thrash = true, .full_queue = true, .files = true};
	struct stage s;

	(void)state;
	open_trouble(&s, &bad, 80, 21);
	LINE(&s, "cpu limit", "checkout");
	LINE(&s, "forks", "loop.sh");
	assert_null(line_of(&s, "disk vda"));
	stage_close(&s);
}

/* The CPU goes to who begins a thousand that end at once, not to the largest that is seen. */
static void short_lives_are_their_parents(void **state)
{
	struct trouble well = {0}, bad = {.forks = true};
	struct stage s;

	(void)state;
	open_trouble(&s, &well, 80, 24);
	LINE(&s, "cpu ", "mysqld");
	stage_close(&s);
	open_trouble(&s, &bad, 80, 24);
	LINE(&s, "cpu ", "loop.sh");
	stage_close(&s);
}

/* Of a disk it is who asks it: make has the most bytes, but they are its children's, long since read. */
static void disks_are_used_by_who_asks(void **state)
{
	struct trouble well = {0}, backup = {.backup = true}, cached = {.page_cache = true};
	struct stage s;

	(void)state;
	open_trouble(&s, &well, 80, 24);
	LINE(&s, "disk vda", "mysqld");
	stage_close(&s);
	open_trouble(&s, &backup, 80, 24);
	LINE(&s, "disk vda", "restic");
	stage_close(&s);
	/* The kernel writes the page cache: for who filled it. */
	open_trouble(&s, &cached, 80, 24);
	LINE(&s, "disk vda", "restic");
	stage_close(&s);
}

/* Looking at a part, the machine's lines are still the machine's. */
static void a_part_is_not_the_machine(void **state)
{
	struct trouble bad = {.files = true};
	struct stage s;
	static const char keys[] = "\\comm=make\r";
	struct console_effect effect;

	(void)state;
	open_trouble(&s, &bad, 80, 24);
	for (const char *k = keys; *k; k++) {
		struct key key = {.code = *k == '\r' ? KEY_ENTER : (uint32_t)*k};

		console_key(s.console, &key);
		while (console_effect(s.console, &effect))
			;
	}
	stage_draw(&s);
	assert_null(line_of(&s, "  mysqld"));
	LINE(&s, "cpu ", "mysqld");
	LINE(&s, "open files", "leaker");
	stage_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_stand_only_while_they_hurt),
		cmocka_unit_test(what_hurts_stays),
		cmocka_unit_test(short_lives_are_their_parents),
		cmocka_unit_test(disks_are_used_by_who_asks),
		cmocka_unit_test(a_part_is_not_the_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
