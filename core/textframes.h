/* Frames from a few lines of text, for tests: the same builder and writer as in the program, driven by a description
 * instead of collectors. One statement a line; '#' begins a comment.
 *
 *	host hz=100 interval=1s boot=0 zone=+00:00
 *	table process state key=process pid=key:u64 start=key:u64:ticks comm=attribute:text utime=counter:u64:ns \
 *	      rss=gauge:u64:bytes,1 wait=peak:u64:ns lat=histogram:edges(0/10/100):ns
 *	derived process cpu rate utime scale=1e-7 unit=percent
 *	derived process p99 percentile lat arg=99 unit=ns
 *	parent thread process pid,process_start
 *	rollup thread cpu process thread_cpu sum
 *	show process pid,comm,cpu
 *	tick 1s wall=1700000000s            begins a frame; the former one is sealed
 *	sample process at=1.005s            begins a table's part (rows not named again end); "keep" repeats all live rows
 *	row process pid=1 start=5 comm="a b" utime=5ms
 *	born process pid=2 start=9 ...      a row whose thing began after the last sample
 *	unread process rss "needs root"     in the last row
 *	event mark time=1.5s text=hello
 *	state disk failed "why"
 *	lost mark 3
 *	segment                             ends the segment
 *
 * Values take units (5ms, 2G); histograms are 1/0/3; tasks 12@900; stacks libc+16;app+32; "\xHH" in quotes. Tables must
 * all come before the first tick. */
#ifndef CORE_TEXTFRAMES_H
#define CORE_TEXTFRAMES_H

#include "memsource.h"
#include "writer.h"

struct textframes;

/* Reads the whole text; frames go to a memory source of its own. NULL with a sentence that names the line. */
struct textframes *textframes_create(const char *text, struct culprit_error *);
/* Reads on. 0, or -errno with a sentence. */
int textframes_add(struct textframes *, const char *text, struct culprit_error *);
void textframes_destroy(struct textframes *); /* NULL-safe */
struct memsource *textframes_memory(struct textframes *);
/* A new source over it; the caller's. */
struct source *textframes_source(struct textframes *);
struct writer *textframes_writer(struct textframes *);

#endif
