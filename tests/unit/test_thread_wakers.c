/* The line on whom a thread waits for, from a table thread_waker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lens.h"
#include "dialog.h"
#include "surface.h"
#include "textframes.h"
#include "thread_wakers.h"
#include "view.h"

#define TABLE                                                                                                          \
	"host hz=100 interval=1s\n"                                                                                      \
	"table thread_waker state key=thread_waker tid=key:u64 start=key:u64:ticks reason=key:text waker_tid=key:u64 "     \
	"waker=attribute:text wait_time=counter:u64:ns\n"                                                               \
	"derived thread_waker wait_pct rate wait_time scale=1e-7 unit=percent\n"

static void line_of(const char *text, uint64_t tid, uint64_t start, char *out, size_t cap)
{
	struct culprit_error error = {""};
	struct textframes *frames = textframes_create(text, &error);
	struct thread_wakers w = {0};
	struct view *view = view_create();
	struct lens lens = lens_window(1000000000, 3000000000);
	struct surface *s = surface_create(90, 1, TEXT_ASCII);
	char said[400], *drawn;

	if (!frames)
		fail_msg("%s", error.sentence);
	assert_int_equal(view_add_source(view, textframes_source(frames)), 0);
	thread_wakers_update(&w, view, &lens, tid, start);
	/* As it is shown. */
	thread_wakers_say(&w, said, sizeof(said));
	dialog_say(s, (struct rect){0, 0, 90, 1}, ROLE_TEXT, said);
	drawn = surface_text(s);
	snprintf(out, cap, "%s", drawn);
	out[strcspn(out, "\n")] = '\0';
	free(drawn);
	surface_destroy(s);
	thread_wakers_finish(&w);
	view_destroy(view);
	textframes_destroy(frames);
}

/* The longest first, without what was idle and whoever woke others. */
static void longest_first(void **state)
{
	char line[128];

	(void)state;
	line_of(TABLE
		"tick 1s\nsample thread_waker\n"
		"row thread_waker tid=7 start=70 reason=disk waker_tid=0 waker=interrupt wait_time=0\n"
		"row thread_waker tid=7 start=70 reason=lock waker_tid=812 waker=\"worker-3\" wait_time=1000000\n"
		"row thread_waker tid=7 start=70 reason=idle waker_tid=5 waker=cron wait_time=0\n"
		"row thread_waker tid=8 start=70 reason=lock waker_tid=7 waker=main wait_time=0\n"
		"tick 3s\nsample thread_waker\n"
		"row thread_waker tid=7 start=70 reason=disk waker_tid=0 waker=interrupt wait_time=20000000\n"
		"row thread_waker tid=7 start=70 reason=lock waker_tid=812 waker=\"worker-3\" wait_time=1201000000\n"
		"row thread_waker tid=7 start=70 reason=idle waker_tid=5 waker=cron wait_time=1900000000\n"
		"row thread_waker tid=8 start=70 reason=lock waker_tid=7 waker=main wait_time=5000000\n",
		7, 70, line, sizeof(line));
	assert_string_equal(line, "waits for worker-3 812 lock 1.20s, a disk 20.0ms");
}

/* Another thread had the number before; nobody woke this one. Without the table there is nothing to say. */
static void nobody(void **state)
{
	char line[128];

	(void)state;
	line_of(TABLE
		"tick 1s\nsample thread_waker\nrow thread_waker tid=7 start=70 reason=lock waker_tid=812 waker=x wait_time=0\n"
		"tick 3s\nsample thread_waker\nrow thread_waker tid=7 start=70 reason=lock waker_tid=812 waker=x wait_time=9000000\n",
		7, 71, line, sizeof(line));
	assert_string_equal(line, "waits for nobody");
	line_of("table thread state key=thread tid=key:u64\ntick 1s\nsample thread\n", 7, 70, line, sizeof(line));
	assert_string_equal(line, "");
}

#define EDGES                                                                                                          \
	"table blockio state key=stack_thread tid=key:u64 stack_id=key:u64 device=attribute:text count=counter:u64:count\n" \
	"derived blockio ask_rate rate count unit=count\n"                                                              \
	"table thread_time state key=thread tid=key:u64 start=key:u64:ticks on_cpu=counter:u64:ns runnable=counter:u64:ns\n" \
	"derived thread_time cpu_pct rate on_cpu scale=1e-7 unit=percent\n"                                             \
	"derived thread_time runq_pct rate runnable scale=1e-7 unit=percent\n"

/* Whom those wait for that one waits for, down to the device; not back to who was there before. */
static void chained(void **state)
{
	static const char disk[] = TABLE EDGES
		"tick 1s\nsample thread_waker\n"
		"row thread_waker tid=7 start=70 reason=lock waker_tid=812 waker=\"worker-3\" wait_time=0\n"
		"row thread_waker tid=7 start=70 reason=other waker_tid=0 waker=interrupt wait_time=0\n"
		"row thread_waker tid=812 start=71 reason=disk waker_tid=0 waker=interrupt wait_time=0\n"
		"row thread_waker tid=812 start=71 reason=idle waker_tid=4 waker=x wait_time=0\n"
		"row thread_waker tid=813 start=72 reason=lock waker_tid=814 waker=a wait_time=0\n"
		"row thread_waker tid=814 start=73 reason=lock waker_tid=813 waker=b wait_time=0\n"
		"row thread_waker tid=815 start=74 reason=lock waker_tid=816 waker=c wait_time=0\n"
		"row thread_waker tid=816 start=75 reason=disk waker_tid=0 waker=interrupt wait_time=0\n"
		"row thread_waker tid=817 start=76 reason=lock waker_tid=818 waker=d wait_time=0\n"
		"sample blockio\nrow blockio tid=812 stack_id=1 device=vda count=0\nrow blockio tid=812 stack_id=2 device=vdb count=0\nrow blockio tid=9 stack_id=3 device=vdc count=0\n"
		"sample thread_time\nrow thread_time tid=812 start=71 on_cpu=0 runnable=0\nrow thread_time tid=816 start=75 on_cpu=0 runnable=0\n"
		"row thread_time tid=818 start=77 on_cpu=0 runnable=0\n"
		"tick 3s\nsample thread_waker\n"
		"row thread_waker tid=817 start=76 reason=lock waker_tid=818 waker=d wait_time=500000000\n"
		"row thread_waker tid=7 start=70 reason=lock waker_tid=812 waker=\"worker-3\" wait_time=1200000000\n"
		"row thread_waker tid=7 start=70 reason=other waker_tid=0 waker=interrupt wait_time=20000000\n"
		"row thread_waker tid=812 start=71 reason=disk waker_tid=0 waker=interrupt wait_time=900000000\n"
		"row thread_waker tid=812 start=71 reason=idle waker_tid=4 waker=x wait_time=1000000000\n"
		"row thread_waker tid=813 start=72 reason=lock waker_tid=814 waker=a wait_time=500000000\n"
		"row thread_waker tid=814 start=73 reason=lock waker_tid=813 waker=b wait_time=500000000\n"
		"row thread_waker tid=815 start=74 reason=lock waker_tid=816 waker=c wait_time=500000000\n"
		"row thread_waker tid=816 start=75 reason=disk waker_tid=0 waker=interrupt wait_time=20000000\n"
		"sample blockio\nrow blockio tid=812 stack_id=1 device=vda count=10\nrow blockio tid=812 stack_id=2 device=vdb count=90\nrow blockio tid=9 stack_id=3 device=vdc count=900\n"
		"sample thread_time\nrow thread_time tid=812 start=71 on_cpu=9000000 runnable=3000000\n"
		"row thread_time tid=816 start=75 on_cpu=400000000 runnable=30000000\n"
		"row thread_time tid=818 start=77 on_cpu=30000000 runnable=450000000\n";
	char line[128];

	(void)state;
	line_of(disk, 7, 70, line, sizeof(line));
	assert_string_equal(line, "waits for worker-3 812 lock 1.20s, which waits for vdb 900ms; an interrupt other 20.0ms");
	/* They hand it to each other; and who has the lock was at work, for the most part. */
	line_of(disk, 813, 72, line, sizeof(line));
	assert_string_equal(line, "waits for a 814 lock 500ms");
	line_of(disk, 815, 74, line, sizeof(line));
	assert_string_equal(line, "waits for c 816 lock 500ms, which ran 400ms");
	line_of(disk, 817, 76, line, sizeof(line));
	assert_string_equal(line, "waits for d 818 lock 500ms, which waits for a CPU 450ms");
	/* Nobody said who: the one that waits longest. */
	line_of(disk, 0, 0, line, sizeof(line));
	assert_string_equal(line, "waits for worker-3 812 lock 1.20s, which waits for vdb 900ms; an interrupt other 20.0ms");
}

/* Names are not trusted. */
static void hostile_names(void **state)
{
	char line[128];

	(void)state;
	line_of(TABLE
		"tick 1s\nsample thread_waker\n"
		"row thread_waker tid=7 start=70 reason=pipe waker_tid=9 waker=\"\\x1b[31m\" wait_time=0\n"
		"tick 3s\nsample thread_waker\n"
		"row thread_waker tid=7 start=70 reason=pipe waker_tid=9 waker=\"\\x1b[31m\" wait_time=7000000\n",
		7, 70, line, sizeof(line));
	assert_null(strchr(line, 27));
	assert_non_null(strstr(line, "\\x1b[31m 9 pipe 7.00ms"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(longest_first),
		cmocka_unit_test(nobody),
		cmocka_unit_test(chained),
		cmocka_unit_test(hostile_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
