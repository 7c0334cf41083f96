/* The Flame panel over a made-up service: workers that burn in a parser and a hash, wait for a disk and a lock; generated code
 * without names; a second half in which something else grew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flame_panel.h"
#include "support/stage.h"

enum { SECONDS = 30, GREW_FROM = 20 };

#define SERVE "/usr/sbin/shopd!serve;/usr/sbin/shopd!main;/usr/lib/libc.so.6!__libc_start_main"

static const struct {
	const char *kernel, *user;
	int before, after; /* samples a second */
	int thread;
	bool cut;
} burns[] = {
	{"", "/usr/sbin/shopd!parse_number;/usr/sbin/shopd!parse_value;/usr/sbin/shopd!parse_json;" SERVE, 30, 20, 0, false},
	{"", "/usr/sbin/shopd!parse_string;/usr/sbin/shopd!parse_value;/usr/sbin/shopd!parse_json;" SERVE, 12, 10, 0, false},
	{"", "/usr/sbin/shopd!parse_value;/usr/sbin/shopd!parse_json;" SERVE, 4, 4, 0, false},
	{"", "/usr/sbin/shopd!_ZN4shop5cache9hash_pairERKSsS2_;/usr/sbin/shopd!_ZN4shop5cache6lookupERKSs;" SERVE, 10, 45, 1, false},
	{"[kernel]!copy_to_user;[kernel]!vfs_read;[kernel]!ksys_read;[kernel]!do_syscall_64",
	 "/usr/lib/libc.so.6!read;/usr/sbin/shopd!fill;" SERVE, 9, 9, 1, false},
	{"", "[jit 812]+0x7f3200010400;[jit 812]+0x7f3200010200;/usr/lib/jvm/lib/libjvm.so!JavaCalls::call_helper", 14, 14, 2, false},
	{"", "/usr/lib/libz.so.1!deflate_slow", 6, 6, 2, true},
	{"", "/usr/sbin/shopd!legacy_escape;" SERVE, 5, 0, 1, false},
	{"", "/usr/lib/libssl.so.3+0x1a2b3;" SERVE, 3, 3, 1, false},
};

static const struct {
	const char *reason, *kernel, *user;
	int ms; /* a second */
} waits[] = {
	{"disk", "[kernel]!jbd2_log_wait_commit;[kernel]!ext4_sync_file;[kernel]!do_fsync;[kernel]!do_syscall_64",
	 "/usr/lib/libc.so.6!fsync;/usr/sbin/shopd!journal_flush;" SERVE, 700},
	{"disk", "[kernel]!file_write_and_wait_range;[kernel]!ext4_sync_file;[kernel]!do_fsync;[kernel]!do_syscall_64",
	 "/usr/lib/libc.so.6!fsync;/usr/sbin/shopd!journal_flush;" SERVE, 120},
	{"lock", "[kernel]!futex_wait_queue;[kernel]!do_futex;[kernel]!do_syscall_64",
	 "/usr/lib/libc.so.6!pthread_mutex_lock;/usr/sbin/shopd!cache_get;" SERVE, 150},
};

static void tell(struct stage *s, int from, int to)
{
	for (int t = from; t < to; t++) {
		stage_tell(s, "tick %ds wall=%lldms\nsample process\nrow process pid=812 start=9 comm=shopd utime=%dms\n", 1000 + t,
		    1772373600000LL + t * 1000LL, t * 900);
		stage_tell(s, "sample thread\n");
		for (int i = 0; i < 3; i++)
			stage_tell(s, "row thread tid=%d start=%d pid=812 process_start=9 comm=worker-%d utime=%dms\n", 820 + i, 11 + i, i,
			    t * (300 - i * 100));
		stage_tell(s, "sample oncpu\n");
		for (size_t i = 0; t && i < sizeof(burns) / sizeof(burns[0]); i++) {
			int after = t > GREW_FROM ? t - GREW_FROM : 0;
			int n = burns[i].before * (t - after) + burns[i].after * after;

			stage_tell(s,
			    "%s oncpu kernel_stack=\"%s\" user_stack=\"%s\" pid=812 process_start=9 comm=worker-%d samples=%d time=%dms "
			    "end=\"%s\" tid=%d start=%d\n",
			    t == 1 ? "born" : "row", burns[i].kernel, burns[i].user, burns[i].thread, n, n * 10, burns[i].cut ? "no rows" : "",
			    820 + burns[i].thread, 11 + burns[i].thread);
		}
		stage_tell(s, "sample offcpu\n");
		for (size_t i = 0; t && i < sizeof(waits) / sizeof(waits[0]); i++)
			stage_tell(s,
			    "%s offcpu kernel_stack=\"%s\" user_stack=\"%s\" reason=%s pid=812 process_start=9 comm=worker-0 count=%d "
			    "time=%dms\n",
			    t == 1 ? "born" : "row", waits[i].kernel, waits[i].user, waits[i].reason, 20 * t, waits[i].ms * t);
	}
}

#define TABLES                                                                                                         \
	"host hz=100 interval=1s zone=+00:00\n"                                                                        \
	"table process state key=process pid=key:u64 start=key:u64:ticks comm=attribute:text utime=counter:u64:ns\n"   \
	"table oncpu state key=oncpu kernel_stack=key:stack user_stack=key:stack pid=key:u64 process_start=key:u64:ticks " \
	"comm=attribute:text samples=counter:u64:count time=counter:u64:ns end=attribute:text "                       \
	"tid=attribute:u64 start=attribute:u64:ticks\n"                                                               \
	"table thread state key=thread tid=key:u64 start=key:u64:ticks pid=attribute:u64 process_start=attribute:u64:ticks " \
	"comm=attribute:text utime=counter:u64:ns blkio=counter:u64:ns\n"                                             \
	"table offcpu state key=offcpu kernel_stack=key:stack user_stack=key:stack reason=key:text pid=attribute:u64 "  \
	"process_start=attribute:u64:ticks comm=attribute:text count=counter:u64:count time=counter:u64:ns\n"           \
	"parent oncpu process pid process_start\nparent thread process pid process_start\n"                            \
	"derived thread cpu rate utime scale=1e-7 unit=percent\n"

static void open_service(struct stage *s, int seconds, int w, int h, enum text_form form)
{
	memset(s, 0, sizeof(*s));
	stage_tell(s, TABLES);
	tell(s, 0, seconds);
	stage_open_text(s, s->text, "flame", w, h, form);
}

static struct flame_panel *panel(struct stage *s)
{
	return console_panel_state(s->console, "flame");
}

/* Name of what is selected. */
static const char *selected(struct stage *s)
{
	static char name[256];
	const struct flame_panel *p = panel(s);
	const struct flame_frame *f = flame_frame(p->flame, flame_node(p->flame, p->at)->frame);

	snprintf(name, sizeof(name), "%.*s", (int)f->name_len, f->name);
	return name;
}

static void every_size(void **state)
{
	static const struct {
		int w, h;
		enum text_form form;
		const char *name;
	} sizes[] = {
		{80, 24, TEXT_ASCII, "80x24-ascii"}, {80, 24, TEXT_UTF8, "80x24"}, {132, 43, TEXT_UTF8, "132x43"},
		{132, 43, TEXT_ASCII, "132x43-ascii"}, {40, 12, TEXT_ASCII, "40x12"}, {20, 5, TEXT_ASCII, "20x5"},
	};
	char name[64];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct stage s;

		open_service(&s, SECONDS, sizes[i].w, sizes[i].h, sizes[i].form);
		snprintf(name, sizeof(name), "flame-%s", sizes[i].name);
		golden_check(s.surface, name);
		stage_close(&s);
	}
}

static void zoom_search_and_back(void **state)
{
	struct stage s;

	(void)state;
	open_service(&s, SECONDS, 80, 24, TEXT_ASCII);
	/* Nobody chose: the hottest one is selected. */
	assert_string_equal(selected(&s), "parse_number");
	stage_press(&s, "Left");
	assert_string_equal(selected(&s), "parse_value");
	stage_press(&s, "Enter");
	assert_true(panel(&s)->zoom != 0);
	golden_check(s.surface, "flame-zoomed");
	stage_type(&s, "/parse_s\r");
	assert_shows(&s, "/parse_s ");
	assert_string_equal(selected(&s), "parse_string");
	/* The newer of the two goes first. */
	stage_press(&s, "Backspace");
	assert_true(!panel(&s)->word[0] && panel(&s)->zoom);
	stage_press(&s, "Backspace");
	assert_int_equal(panel(&s)->zoom, 0);
	assert_string_equal(selected(&s), "parse_string");
	stage_type(&s, "/nowhere");
	assert_shows(&s, "no row here holds that");
	stage_press(&s, "Esc");
	assert_false(panel(&s)->word[0]);
	stage_type(&s, "/PARSE_\r");
	assert_true(panel(&s)->match > 0.3 && panel(&s)->match < 0.6);
	stage_press(&s, "n n n N");
	/* A step that says nothing new leaves all as it is. */
	stage_press(&s, "f");
	golden_check(s.surface, "flame-icicle-80x24");
	stage_press(&s, "g");
	assert_int_equal(panel(&s)->at, 0);
	stage_press(&s, "Down");
	assert_string_equal(selected(&s), "__libc_start_main");
	stage_press(&s, "Left");
	assert_string_equal(selected(&s), "JavaCalls::call_helper");
	stage_press(&s, "Right Down Down Up");
	assert_string_equal(selected(&s), "main");
	stage_press(&s, "G");
	assert_string_equal(selected(&s), "parse_number");
	stage_close(&s);
}

static void table_of_functions(void **state)
{
	struct stage s;

	(void)state;
	open_service(&s, SECONDS, 80, 24, TEXT_ASCII);
	stage_press(&s, "V");
	golden_check(s.surface, "flame-functions");
	stage_type(&s, "/serve\r");
	assert_shows(&s, "called by");
	golden_check(s.surface, "flame-callers");
	stage_press(&s, "Enter");
	assert_false(panel(&s)->functions);
	assert_string_equal(selected(&s), "serve");
	stage_type(&s, ":sort name\r");
	assert_true(panel(&s)->functions);
	stage_type(&s, ":sort nothing\r");
	assert_shows(&s, "self, total, change or name");
	stage_close(&s);
}

static void sources_reasons_and_threads(void **state)
{
	struct stage s;

	(void)state;
	open_service(&s, SECONDS, 80, 24, TEXT_ASCII);
	stage_press(&s, "w");
	assert_shows(&s, "by process");
	stage_press(&s, "w");
	golden_check(s.surface, "flame-by-thread");
	stage_press(&s, "w i");
	golden_check(s.surface, "flame-inverted");
	stage_press(&s, "i o");
	assert_shows(&s, "off-CPU");
	golden_check(s.surface, "flame-offcpu");
	stage_press(&s, ";");
	assert_shows(&s, "off-CPU disk");
	golden_check(s.surface, "flame-disk");
	stage_press(&s, ";");
	assert_shows(&s, "off-CPU lock");
	stage_press(&s, ";");
	assert_string_equal(panel(&s)->reason, "");
	stage_press(&s, ",");
	assert_string_equal(panel(&s)->reason, "lock");
	stage_type(&s, ":stacks oncpu\r");
	assert_string_equal(panel(&s)->source.table, "oncpu");
	assert_string_equal(panel(&s)->reason, "");
	stage_press(&s, ";");
	assert_shows(&s, "no reasons");
	stage_type(&s, ":stacks process\r");
	assert_shows(&s, "has no stacks");
	stage_close(&s);
}

static void baseline_shows_what_grew(void **state)
{
	struct stage s;

	(void)state;
	open_service(&s, SECONDS, 80, 24, TEXT_ASCII);
	stage_press(&s, "d");
	assert_shows(&s, "b sets a baseline");
	stage_type(&s, ":window 9s\r");
	stage_type(&s, ":baseline 14:00:01 14:00:19\r");
	golden_check(s.surface, "flame-difference");
	stage_press(&s, "d");
	golden_check(s.surface, "flame-grew");
	assert_string_equal("shop::cache::hash_pair",
			    flame_frame(panel(&s)->flame, flame_functions_selected(panel(&s)))->name_len == 22 ? "shop::cache::hash_pair" : "");
	stage_press(&s, "r");
	golden_check(s.surface, "flame-vanished");
	stage_press(&s, "d f");
	assert_true(panel(&s)->icicle || !panel(&s)->functions);
	stage_close(&s);
	open_service(&s, SECONDS, 132, 43, TEXT_UTF8);
	stage_type(&s, ":window 9s\r");
	stage_type(&s, ":baseline 14:00:01 14:00:19\r");
	golden_check(s.surface, "flame-difference-132x43");
	stage_close(&s);
}

/* Enter on a thread shows its stacks, of nobody else, and Backspace comes back. */
static void a_thread_leads_here(void **state)
{
	struct flame_summary all, one;
	struct stage s;

	(void)state;
	open_service(&s, SECONDS, 80, 24, TEXT_ASCII);
	flame_summary(panel(&s)->flame, &all);
	stage_press(&s, "3");
	if (!stage_shows(&s, "tid"))
		stage_press(&s, "o");
	stage_type(&s, "/worker-2\r");
	stage_press(&s, "Enter");
	assert_string_equal(console_panel(s.console)->name, "flame");
	assert_true(console_lens(s.console)->scope.has_thread);
	assert_string_equal(panel(&s)->source.table, "oncpu");
	flame_summary(panel(&s)->flame, &one);
	/* 14 and 6 of its samples a second. */
	assert_true(one.samples > 0 && one.samples < all.samples / 3);
	assert_shows(&s, "deflate_slow");
	assert_false(stage_shows(&s, "parse_number"));
	golden_check(s.surface, "flame-of-thread");
	stage_press(&s, "Backspace");
	assert_string_equal(console_panel(s.console)->name, "threads");
	stage_close(&s);
}

/* New seconds come, names fill in: what is selected stays selected, and nothing is asked twice. */
static void it_stays_live(void **state)
{
	struct stage s;
	uint64_t answer;

	(void)state;
	open_service(&s, SECONDS, 80, 24, TEXT_ASCII);
	stage_press(&s, "Down");
	assert_string_equal(selected(&s), "parse_string");
	for (int t = SECONDS; t < SECONDS + 5; t++) {
		answer = panel(&s)->answer;
		tell(&s, t, t + 1);
		stage_tell_end(&s);
		assert_string_equal(selected(&s), "parse_string");
		assert_true(panel(&s)->answer > answer);
	}
	answer = panel(&s)->answer;
	for (int i = 0; i < 5; i++)
		stage_draw(&s);
	assert_int_equal(panel(&s)->answer, answer);
	stage_close(&s);
}

static void nothing_to_show(void **state)
{
	struct stage s;

	(void)state;
	memset(&s, 0, sizeof(s));
	stage_open_text(&s,
			"host hz=100 interval=1s zone=+00:00\ntable disk state key=disk name=key:text\n"
			"tick 1s wall=1772373600s\nsample disk\nrow disk name=vda\ntick 2s wall=1772373601s\nsample disk\nrow disk name=vda\n",
			"flame", 80, 24, TEXT_ASCII);
	assert_shows(&s, "no stacks are sampled");
	stage_press(&s, "f V d i w o ; , s r Enter Up Down g G n Backspace");
	stage_close(&s);
	memset(&s, 0, sizeof(s));
	stage_open_text(&s, TABLES "tick 1s wall=1772373600s\nstate oncpu missing \"needs root: sudo culprit\"\n"
				   "tick 2s wall=1772373601s\nstate oncpu missing \"needs root: sudo culprit\"\n",
			"flame", 80, 24, TEXT_ASCII);
	assert_shows(&s, "needs root");
	stage_close(&s);
}

#define LENSES                                                                                                         \
	"table blockio state key=blockio kernel_stack=key:stack user_stack=key:stack reason=key:text pid=attribute:u64 "   \
	"process_start=attribute:u64:ticks device=attribute:text count=counter:u64:count bytes=counter:u64:bytes\n"     \
	"table kernel_lock state key=kernel_lock kernel_stack=key:stack user_stack=key:stack reason=key:text "           \
	"pid=attribute:u64 process_start=attribute:u64:ticks waits=counter:u64:count time=counter:u64:ns\n"             \
	"table heap state key=heap user_stack=key:stack reason=key:text pid=attribute:u64 process_start=attribute:u64:ticks " \
	"count=counter:u64:count bytes=counter:u64:bytes growth=gauge:u64:bytes\n"                                      \
	"table heap_probe state key=heap_probe pid=key:u64 start=key:u64:ticks calls=counter:u64:count cost=counter:u64:ns " \
	"looked=gauge:u64:ns note=attribute:text\n"                                                                     \
	"parent blockio process pid process_start\nparent kernel_lock process pid process_start\n"                      \
	"parent heap process pid process_start\nparent heap_probe process pid start\n"                                  \
	"derived heap_probe call_rate rate calls unit=count\nderived heap_probe cost_pct rate cost scale=1e-7 unit=percent\n"

static void tell_lenses(struct stage *s, int second)
{
	static const char *const asks[][4] = {
		{"write", "[kernel]!iomap_dio_bio_iter;[kernel]!ext4_file_write_iter;[kernel]!do_syscall_64",
		 "/usr/lib/libc.so.6!pwrite;/usr/sbin/shopd!page_out;" SERVE, "3"},
		{"writeback", "[kernel]!ext4_io_submit;[kernel]!do_writepages;[kernel]!wb_workfn;[kernel]!kthread", "", "1"},
	};

	stage_tell(s, "sample blockio\n");
	for (size_t i = 0; i < 2; i++)
		stage_tell(s, "%s blockio kernel_stack=\"%s\" user_stack=\"%s\" reason=%s pid=812 process_start=9 device=vda count=%d bytes=%d\n",
		    second ? "row" : "born", asks[i][1], asks[i][2], asks[i][0], 100 * second, atoi(asks[i][3]) * 10000000 * second);
	stage_tell(s, "sample kernel_lock\n");
	stage_tell(s, "%s kernel_lock kernel_stack=\"[kernel]!down_write;[kernel]!do_rmdir\" user_stack=\"/usr/lib/libc.so.6!rmdir;" SERVE
	       "\" reason=\"rwsem write\" pid=812 process_start=9 waits=%d time=%dus\n",
	    second ? "row" : "born", 400 * second, 400 * 250 * second);
	stage_tell(s, "sample heap\n");
	stage_tell(s, "%s heap user_stack=\"/usr/lib/libc.so.6!malloc;/usr/sbin/shopd!cache_put;" SERVE "\" reason=malloc pid=812 process_start=9 "
	       "count=%d bytes=%d growth=%d\n",
	    second ? "row" : "born", 500 * second, 5000000 * second, 4000000 * second);
	stage_tell(s, "sample heap_probe\n%s heap_probe pid=812 start=9 calls=%d cost=%dus looked=%ds note=\"\"\n", second ? "row" : "born",
	    20000 * second, 40000 * second, second);
}

/* Every way to look has words, units and rates of its own. */
static void other_lenses(void **state)
{
	struct stage s = {0};

	(void)state;
	stage_tell(&s, TABLES LENSES);
	for (int i = 0; i < 10; i++) {
		tell(&s, i, i + 1);
		tell_lenses(&s, i);
	}
	stage_open_text(&s, s.text, "flame", 80, 24, TEXT_ASCII);
	stage_type(&s, ":stacks blockio\r");
	golden_check(s.surface, "flame-blockio");
	stage_press(&s, ";");
	assert_shows(&s, "block I/O write");
	stage_type(&s, ":stacks kernel_lock\r");
	golden_check(s.surface, "flame-kernel-lock");
	stage_press(&s, "2 Enter 4");
	stage_type(&s, ":stacks heap\r");
	golden_check(s.surface, "flame-heap");
	stage_close(&s);
}

/* Any keys in any order, at any size: nothing breaks, and the selection is somewhere. */
static void any_keys(void **state)
{
	static const char *const names[] = {"f", "V", "o", ";", ",", "i", "w", "d", "s", "r", "Enter", "Backspace", "Up", "Down", "Left",
					    "Right", "g", "G", "PgUp", "PgDn", "n", "b", "+", "-", "[", "]"};
	uint32_t random = 11;
	struct stage s;

	(void)state;
	open_service(&s, SECONDS, 80, 24, TEXT_UTF8);
	stage_type(&s, "/e\r");
	for (int i = 0; i < 2000; i++) {
		random = random * 1664525 + 1013904223;
		if (random >> 24 < 8)
			surface_resize(s.surface, 1 + (int)(random >> 8) % 140, 1 + (int)(random >> 4) % 40);
		stage_press(&s, names[(random >> 10) % (sizeof(names) / sizeof(names[0]))]);
		if (panel(&s)->flame)
			assert_true(panel(&s)->at < flame_nodes(panel(&s)->flame));
	}
	stage_close(&s);
}

/* A hint that needs two lines has them: its end is what one types. */
static void hints_are_not_cut(void **state)
{
	struct stage s;

	(void)state;
	open_service(&s, 60, 50, 24, TEXT_ASCII);
	assert_true(stage_shows(&s, "this names it: jcmd"));
	assert_true(stage_shows(&s, "812 Compiler.perfmap"));
	stage_close(&s);
}

/* A kernel that hides its names is said, and what shows them; one function with a name says that it does not. */
static void kernel_without_names(void **state)
{
	static const char *const stacks[] = {"[kernel]+0xffffffff81000200;[kernel]+0xffffffff81000100",
					     "[kernel]!vfs_read;[kernel]+0xffffffff81000100"};

	(void)state;
	for (int named = 0; named < 2; named++) {
		struct stage s = {0};

		stage_tell(&s, TABLES);
		for (int t = 0; t < 10; t++)
			stage_tell(&s, "tick %ds\nsample process\nrow process pid=812 start=9 comm=shopd utime=%dms\nsample oncpu\n"
				"%s oncpu kernel_stack=\"%s\" user_stack=\"/usr/sbin/shopd!main\" pid=812 process_start=9 samples=%d time=%dms\n",
			    1000 + t, t * 900, t ? "row" : "born", stacks[named], t * 10, t * 100);
		stage_open_text(&s, s.text, "flame", 120, 24, TEXT_ASCII);
		assert_int_equal(stage_shows(&s, "100% in the kernel, which hides its names"), !named);
		assert_int_equal(stage_shows(&s, "sysctl kernel.kptr_restrict=1"), !named);
		stage_close(&s);
	}
}

/* Branches deeper than there is room for stay below one another: under each | or + of a line the next one goes on. */
static void deep_branches(void **state)
{
	enum { DEEP = 14 };
	struct stage s = {0};
	char *all, *lines[64], *save = NULL;
	size_t seen = 0;

	(void)state;
	stage_tell(&s, TABLES);
	for (int t = 0; t < 10; t++) {
		stage_tell(&s, "tick %ds\nsample process\nrow process pid=812 start=9 comm=shopd utime=%dms\nsample oncpu\n", 1000 + t, t * 900);
		/* At each level a leaf and what goes deeper; at two of them the leaf is heavier, so that the branch ends there. */
		for (int k = 0; k < DEEP && t; k++) {
			int weight = t * (k == 1 ? 54 : k == 3 ? 26 : 2);

			stage_tell(&s, "%s oncpu kernel_stack=\"\" user_stack=\"/usr/sbin/shopd!leaf%d", t == 1 ? "born" : "row", k);
			for (int up = k; up >= 0; up--)
				stage_tell(&s, ";/usr/sbin/shopd!level%d", up);
			stage_tell(&s, "\" pid=812 process_start=9 samples=%d time=%dms\n", weight, weight * 10);
		}
	}
	stage_open_text(&s, s.text, "flame", 80, 24, TEXT_ASCII);
	stage_press(&s, "g");
	for (int page = 0; page < 8; page++, stage_press(&s, "PgDn")) {
		size_t n = 0;

		all = surface_text(s.surface);
		for (char *line = strtok_r(all, "\n", &save); line && n < 64; line = strtok_r(NULL, "\n", &save))
			lines[n++] = line;
		for (size_t i = 0; i + 1 < n; i++) {
			bool ours = strlen(lines[i]) > 60 && strlen(lines[i + 1]) > 60 && lines[i][5] == '%' && lines[i + 1][5] == '%';

			for (size_t x = 14; ours && x < 36; x++) {
				if (lines[i][x] != '|' && lines[i][x] != '+')
					continue;
				seen++;
				if (!strchr("|+`", lines[i + 1][x]))
					fail_msg("a branch ends in the air:\n%s\n%s", lines[i], lines[i + 1]);
			}
		}
		free(all);
	}
	assert_true(seen > 50);
	stage_close(&s);
}

/* A thread that only waited for work: that is said, not that it did not wait. */
static void only_idle(void **state)
{
	struct stage s = {0};

	(void)state;
	stage_tell(&s, TABLES);
	for (int t = 0; t < 10; t++)
		stage_tell(&s, "tick %ds\nsample process\nrow process pid=812 start=9 comm=shopd utime=%dms\nsample offcpu\n"
			"%s offcpu kernel_stack=\"[kernel]!do_epoll_wait\" user_stack=\"/usr/sbin/shopd!main\" reason=idle pid=812 "
			"process_start=9 count=%d time=%dms\n",
		    1000 + t, t * 900, t ? "row" : "born", t, t * 900);
	stage_open_text(&s, s.text, "flame", 80, 24, TEXT_ASCII);
	while (strcmp(panel(&s)->source.table, "offcpu") != 0)
		stage_press(&s, "o");
	assert_shows(&s, "this waited for nothing but work (in this window): ; shows where (idle)");
	stage_press(&s, ";");
	assert_shows(&s, "do_epoll_wait");
	stage_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_without_names),
		cmocka_unit_test(deep_branches),
		cmocka_unit_test(only_idle),
		cmocka_unit_test(every_size),
		cmocka_unit_test(zoom_search_and_back),
		cmocka_unit_test(table_of_functions),
		cmocka_unit_test(sources_reasons_and_threads),
		cmocka_unit_test(hints_are_not_cut),
		cmocka_unit_test(baseline_shows_what_grew),
		cmocka_unit_test(a_thread_leads_here),
		cmocka_unit_test(it_stays_live),
		cmocka_unit_test(nothing_to_show),
		cmocka_unit_test(other_lenses),
		cmocka_unit_test(any_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
