/* Frames from a few lines of text, for tests: the same builder and writer as in the program, driven by a description
 * instead of collectors. One statement a line; '#' begins a comment.
 *
 *	host hz=100 interval=1s boot=0 zone=+00:00      all optional; boot: wall clock of the boot
 *	table process state key=process pid=key:u64 start=key:u64:ticks comm=attribute:text:none,1 \
 *	utime=counter:u64:ns lat=histogram:edges(0/10/100):ns       one line; ",1" is the group; then "!thousands" or "!running"
 *	derived process cpu rate utime scale=1e-7 unit=percent
 *	derived process p99 percentile lat arg=99 unit=ns
 *	derived disk await ratio ns/ios unit=ns
 *	parent thread process pid process_start
 *	rollup thread cpu process thread_cpu sum
 *	show process pid comm cpu
 *	sort process cpu
 *	tick 1s [wall=1700000001s]          begins a frame; the former one is sealed. wall: 1700000000s + time
 *	sample process [at=1.005s] [keep]   begins a table's part; keep: rows not named go on as they were
 *	row process pid=1 start=5 comm="a b" utime=5ms rss=?"needs root"
 *	born process pid=2 start=9 ...      a row whose thing began after the last sample
 *	end process pid=1 start=5           with keep: this one ended
 *	event mark time=1.5s text=hello
 *	state disk failed "why"
 *	lost mark 3
 *	segment                             the next tick begins a segment
 *	interval 2s                         likewise, and samples are so far apart from it on
 *
 * With keep, a row that is known puts only the cells given. Histograms are 1/0/3, tasks 12@900, stacks libc+16;app+32 (innermost
 * first), or, with names, libc!malloc;app!main;[kernel]!vfs_read;[jit 7]+0x700000. Quotes know \" \\ \xHH. All declarations come before the first tick. */
#ifndef CORE_TEXTFRAMES_H
#define CORE_TEXTFRAMES_H

#include "memsource.h"
#include "writer.h"

struct textframes;

/* Reads the whole text; frames go to a memory source of its own. NULL with a sentence that names the line. */
struct textframes *textframes_create(const char *text, struct culprit_error *);
/* Reads on. 0, or -errno with a sentence. The last tick is sealed. */
int textframes_add(struct textframes *, const char *text, struct culprit_error *);
void textframes_destroy(struct textframes *); /* NULL-safe */
struct memsource *textframes_memory(struct textframes *);
/* A new source over it; the caller's. */
struct source *textframes_source(struct textframes *);
struct writer *textframes_writer(struct textframes *);

#endif
