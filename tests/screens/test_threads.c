/* The Threads panel: who has something to do stands above who has not, whatever it is that they do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/stage.h"

enum { SECONDS = 10 };

#define TABLES                                                                                                         \
	"host hz=100 interval=1s zone=+00:00\n"                                                                        \
	"table process state key=process pid=key:u64 start=key:u64:ticks comm=attribute:text utime=counter:u64:ns\n"   \
	"table thread state key=thread tid=key:u64 start=key:u64:ticks pid=attribute:u64 process_start=attribute:u64:ticks "   \
	"comm=attribute:text utime=counter:u64:ns\n"                                                                   \
	"derived thread cpu rate utime scale=1e-7 unit=percent\nparent thread process pid process_start\n"

#define TIMES                                                                                                          \
	"table thread_time state key=thread tid=key:u64 start=key:u64:ticks pid=attribute:u64 process_start=attribute:u64:ticks "   \
	"user=counter:u64:ns lock=counter:u64:ns disk=counter:u64:ns idle=counter:u64:ns\n"                             \
	"derived thread_time busy_pct rate user+lock+disk scale=1e-7 unit=percent\n"                                   \
	"derived thread_time cpu_pct rate user scale=1e-7 unit=percent\n"                                              \
	"derived thread_time lock_pct rate lock scale=1e-7 unit=percent\n"                                             \
	"derived thread_time disk_pct rate disk scale=1e-7 unit=percent\n"                                             \
	"parent thread_time process pid process_start\n"                                                                \
	"rollup thread_time busy_pct thread time_busy sum\nrollup thread_time cpu_pct thread time_cpu sum\n"            \
	"rollup thread_time lock_pct thread time_lock sum\nrollup thread_time disk_pct thread time_disk sum\n"

/* ms of each second. */
static const struct {
	const char *name;
	int cpu, lock, disk;
} threads[] = {
	{"blinks", 30, 0, 0},	   {"idle-one", 2, 0, 0},      {"waits-for-lock", 1, 900, 0},
	{"waits-for-disk", 10, 0, 600}, {"burns", 800, 0, 0}, {"idle-two", 0, 0, 0},
};
enum { THREADS = sizeof(threads) / sizeof(threads[0]) };

enum measured { BY_PROC, TOLD_THAT_NOT, WITH_TIMES };

static void open_threads(struct stage *s, enum measured measured)
{
	memset(s, 0, sizeof(*s));
	stage_tell(s, TABLES "%s", measured == BY_PROC ? "" : TIMES);
	for (int t = 0; t < SECONDS; t++) {
		stage_tell(s, "tick %ds wall=%lldms\nsample process\nrow process pid=812 start=9 comm=shopd utime=%dms\nsample thread\n",
			   1000 + t, 1772373600000LL + t * 1000LL, t * 850);
		for (int i = 0; i < THREADS; i++)
			stage_tell(s, "row thread tid=%d start=9 pid=812 process_start=9 comm=%s utime=%dms\n", 820 + i, threads[i].name,
				   t * threads[i].cpu);
		if (measured == TOLD_THAT_NOT)
			stage_tell(s, "state thread_time missing \"needs root\"\n");
		if (measured != WITH_TIMES)
			continue;
		stage_tell(s, "sample thread_time\n");
		for (int i = 0; i < THREADS; i++)
			stage_tell(s, "row thread_time tid=%d start=9 pid=812 process_start=9 user=%dms lock=%dms disk=%dms idle=%dms\n", 820 + i,
				   t * threads[i].cpu, t * threads[i].lock, t * threads[i].disk,
				   t * (1000 - threads[i].cpu - threads[i].lock - threads[i].disk));
	}
	stage_open_text(s, s->text, "threads", 80, 24, TEXT_ASCII);
}

/* They stand on the screen in this order. */
static void assert_order(struct stage *s, const char *const *names, size_t n)
{
	char *all = surface_text(s->surface);
	const char *at = all;

	for (size_t i = 0; i < n; i++) {
		const char *found = strstr(at, names[i]);

		if (!found)
			fail_msg("%s is not below %s:\n%s", names[i], i ? names[i - 1] : "the top", all);
		at = found;
	}
	free(all);
}
#define ORDER(s, ...)                                                                                                  \
	assert_order(s, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void who_waits_stands_above_who_is_idle(void **state)
{
	struct stage s;

	(void)state;
	open_threads(&s, WITH_TIMES);
	ORDER(&s, "waits-for-lock", "burns", "waits-for-disk", "blinks", "idle-one", "idle-two", "by time_busy");
	/* In the scope of its process as well. */
	stage_press(&s, "2 Enter 3");
	ORDER(&s, "waits-for-lock", "burns", "waits-for-disk", "blinks", "idle-one", "idle-two");
	stage_close(&s);
}

/* Where nobody knows what they wait for, by what is known; also where it might have been measured and was not. */
static void without_reasons_by_cpu(void **state)
{
	struct stage s;

	(void)state;
	for (enum measured how = BY_PROC; how < WITH_TIMES; how++) {
		open_threads(&s, how);
		ORDER(&s, "burns", "blinks", "waits-for-disk", "idle-one", "waits-for-lock", "idle-two");
		stage_close(&s);
	}
}

/* What the user said stays, also when it becomes known what they wait for; behind the last column the panel's own order comes back. */
static void what_was_chosen_stays(void **state)
{
	struct stage s;

	(void)state;
	open_threads(&s, WITH_TIMES);
	stage_type(&s, ":sort cpu\r");
	stage_draw(&s);
	ORDER(&s, "burns", "blinks", "waits-for-disk", "idle-one", "waits-for-lock", "idle-two");
	for (int i = 0; i < 20 && !stage_shows(&s, "by time_busy"); i++)
		stage_press(&s, "s");
	ORDER(&s, "waits-for-lock", "burns", "waits-for-disk", "blinks", "by time_busy");
	stage_press(&s, "r");
	assert_shows(&s, "by time_busy, reversed");
	stage_press(&s, "s");
	assert_shows(&s, "by tid");
	stage_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_stands_above_who_is_idle),
		cmocka_unit_test(without_reasons_by_cpu),
		cmocka_unit_test(what_was_chosen_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
