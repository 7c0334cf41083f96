/* Short forms for the columns of built-in collectors. Order: name, unit, help, source. */
#ifndef COLLECTORS_COLUMNS_H
#define COLLECTORS_COLUMNS_H

#include <culprit/collector.h>

#include "whole_us.h"

#define COLUMN(role_, type_, unit_, group_, name_, help_, source_)                                                     \
	{                                                                                                              \
		.name = (name_), .role = (role_), .type = (type_), .unit = (unit_), .group = (group_),                \
		.flags = WHOLE_US(role_, unit_), .help = (help_), .source = (source_)                                 \
	}

/* The key of a table that has one row. */
#define KEY_ID                                                                                                         \
	COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_NONE, 0, "id", "Always 0: the table has one row", "made up by culprit")
#define KEY_TEXT(name, help, source) COLUMN(CULPRIT_KEY, CULPRIT_TEXT, CULPRIT_NONE, 0, name, help, source)
#define KEY_GENERATION(what)                                                                                           \
	COLUMN(CULPRIT_KEY, CULPRIT_U64, CULPRIT_COUNT, 0, "generation",                                               \
	       "How often a " what " of this name came back while culprit was running", "counted by culprit")

#define TEXT(name, help, source) COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_TEXT, CULPRIT_NONE, 0, name, help, source)
#define TEXT_IN(group, name, help, source)                                                                             \
	COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_TEXT, CULPRIT_NONE, group, name, help, source)
#define FLAG(name, help, source) COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_BOOL, CULPRIT_NONE, 0, name, help, source)
#define FLAG_IN(group, name, help, source)                                                                             \
	COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_BOOL, CULPRIT_NONE, group, name, help, source)
#define ATTRIBUTE_IN(group, name, unit, help, source)                                                                  \
	COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_U64, unit, group, name, help, source)
#define GAUGE(name, unit, help, source) COLUMN(CULPRIT_GAUGE, CULPRIT_U64, unit, 0, name, help, source)
#define GAUGE_IN(group, name, unit, help, source) COLUMN(CULPRIT_GAUGE, CULPRIT_U64, unit, group, name, help, source)
#define GAUGE_F64(name, unit, help, source) COLUMN(CULPRIT_GAUGE, CULPRIT_F64, unit, 0, name, help, source)
#define COUNTER(name, unit, help, source) COLUMN(CULPRIT_COUNTER, CULPRIT_U64, unit, 0, name, help, source)
#define COUNTER_IN(group, name, unit, help, source)                                                                    \
	COLUMN(CULPRIT_COUNTER, CULPRIT_U64, unit, group, name, help, source)
#define PEAK(name, unit, help, source) COLUMN(CULPRIT_PEAK, CULPRIT_U64, unit, 0, name, help, source)
#define HISTOGRAM(name_, unit_, bounds_, help_, source_)                                                               \
	{                                                                                                              \
		.name = (name_), .role = CULPRIT_HISTOGRAM, .type = CULPRIT_HIST, .unit = (unit_), .help = (help_),    \
		.source = (source_), .bounds = (bounds_)                                                               \
	}
/* Of event tables. */
#define TIME_OF_EVENT(help, source)                                                                                    \
	COLUMN(CULPRIT_TIME, CULPRIT_U64, CULPRIT_MONO_NS, 0, "time", help, source)
#define NUMBER(name, unit, help, source) COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_U64, unit, 0, name, help, source)
#define TASK(name, help, source) COLUMN(CULPRIT_ATTRIBUTE, CULPRIT_TASK, CULPRIT_NONE, 0, name, help, source)

/* Derived columns. */
#define RATE(name_, a_, unit_, help_)                                                                                  \
	{                                                                                                              \
		.name = (name_), .op = CULPRIT_RATE, .unit = (unit_), .a = (a_), .help = (help_)                       \
	}
/* Of a counter in ns: its share of the time that passed, 100 % = one second a second. */
#define TIME_SHARE(name_, a_, help_)                                                                                   \
	{                                                                                                              \
		.name = (name_), .op = CULPRIT_RATE, .unit = CULPRIT_PERCENT, .a = (a_), .scale = 1e-7,                \
		.help = (help_)                                                                                        \
	}
#define RATIO(name_, a_, b_, unit_, scale_, help_)                                                                     \
	{                                                                                                              \
		.name = (name_), .op = CULPRIT_RATIO, .unit = (unit_), .a = (a_), .b = (b_), .scale = (scale_),        \
		.help = (help_)                                                                                        \
	}
#define LEVEL(name_, a_, unit_, help_)                                                                                 \
	{                                                                                                              \
		.name = (name_), .op = CULPRIT_LEVEL, .unit = (unit_), .a = (a_), .help = (help_)                      \
	}
#define LEVEL_PCT(name_, a_, b_, help_)                                                                                \
	{                                                                                                              \
		.name = (name_), .op = CULPRIT_LEVEL_RATIO, .unit = CULPRIT_PERCENT, .a = (a_), .b = (b_),             \
		.scale = 100, .help = (help_)                                                                          \
	}
#define PERCENTILE_OF(name_, a_, percent_, unit_, help_)                                                                  \
	{                                                                                                              \
		.name = (name_), .op = CULPRIT_PERCENTILE, .unit = (unit_), .a = (a_), .arg = (percent_),              \
		.help = (help_)                                                                                        \
	}
#define GROWTH(name_, a_, unit_, help_)                                                                                \
	{                                                                                                              \
		.name = (name_), .op = CULPRIT_GROWTH, .unit = (unit_), .a = (a_), .help = (help_)                     \
	}

#endif
