/* What the view keeps for series.c between draws. */
#ifndef CORE_SERIES_INTERNAL_H
#define CORE_SERIES_INTERNAL_H

#include "view.h"

struct series_state;

struct series_state **view_series(struct view *);
void series_state_destroy(struct series_state *); /* NULL-safe */

#endif
