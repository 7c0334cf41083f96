/* The numbers of docs/FORMAT.md. Nothing here may change meaning: files written today open for ever. */
#ifndef CORE_FORMAT_H
#define CORE_FORMAT_H

#include <stdint.h>

#define FORMAT_MAJOR 1u /* another one is refused */
#define FORMAT_MINOR 1u /* newer ones are read, unknown parts skipped */

#define FORMAT_SEGMENT_MAGIC "CULPSEG1" /* first 8 bytes of every segment */

enum {
	FORMAT_SEGMENT_HEADER = 64, /* bytes */
	FORMAT_BLOCK_HEADER = 16,
	FORMAT_ALIGN = 8,               /* blocks start at multiples of it, from the segment's start */
	FORMAT_BLOCK_MAX = 1 << 28,     /* a longer block is damage */
	FORMAT_TEXT_MAX = 1 << 16,      /* bytes of one dictionary entry */
	FORMAT_STACK_MAX = 255,         /* frames of one stack */
	FORMAT_ROWS_MAX = 1 << 22,      /* rows of one table */
	FORMAT_EVENTS_MAX = 1 << 20,    /* events of one table and tick */
};

/* Blocks. An unknown type is skipped by its length. */
enum format_block {
	FORMAT_HOST = 0x54534f48,    /* "HOST": which host, kernel, boot and time zone */
	FORMAT_SCHEMA = 0x4d484353,  /* "SCHM" */
	FORMAT_FRAME = 0x4d415246,   /* "FRAM" */
	FORMAT_SUMMARY = 0x4d4d5553, /* "SUMM": last block of a complete segment */
};

/* Sections of a frame. An unknown one is skipped by its length. */
enum format_section {
	FORMAT_DICTIONARY = 1,
	FORMAT_TABLE = 2,
};

enum format_entry {
	FORMAT_ENTRY_TEXT = 1,
	FORMAT_ENTRY_STACK = 2,
	FORMAT_ENTRY_TASK = 3,
	/* These say more of the text with the same number, which names a module; they may come in a later frame. */
	FORMAT_ENTRY_MODULE = 4, /* which build of it */
	FORMAT_ENTRY_SYMBOL = 5, /* one function of it */
};

/* Type of a column in the SCHEMA block, besides those of enum culprit_type. */
enum { FORMAT_TYPE_THOUSANDS = 9 };

enum { FORMAT_FRAME_KEY = 1 }; /* frame flags */

/* Flags of a row that is given whole. */
enum format_row {
	FORMAT_ROW_BORN = 1,       /* its counters count from 0 */
	FORMAT_ROW_CONTINUES = 2,  /* it is not new: when it began follows */
	FORMAT_ROW_ENDED = 4,      /* it ended in this frame (key frames; else it is in the list of ended rows) */
	FORMAT_ROW_DROPS = 8,      /* counters fell: by how much follows */
	FORMAT_ROW_BASES = 16,     /* its first values follow */
	FORMAT_ROW_FOLD = 32,      /* stands for several rows */
	FORMAT_ROW_FOLDED = 64,    /* with ENDED: it did not end, it went into a fold row */
};

/* Flags of a table section. */
enum { FORMAT_TABLE_SAMPLED = 1 };

/* State of a cell. */
enum format_cell { FORMAT_CELL_ABSENT = 0, FORMAT_CELL_OK = 1, FORMAT_CELL_UNREAD = 2 };

#endif
