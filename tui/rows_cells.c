/* How the values of rows are written in the cells of their list. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "rows.h"
#include "segment.h"
#include "units.h"

void rows_cell_text(struct list_cell *cell, const char *text, size_t n)
{
	if (n > sizeof(cell->text))
		n = sizeof(cell->text);
	memcpy(cell->text, text, n);
	cell->len = (uint16_t)n;
}

static void cell_stack(const struct value *v, struct list_cell *cell)
{
	struct segment_location top;
	size_t n = segment_stack(v->stack.segment, v->stack.id, &top, 1);
	char text[128];

	if (!n)
		snprintf(text, sizeof(text), "-");
	else if (top.module)
		snprintf(text, sizeof(text), "%.*s+0x%llx (%zu)", (int)(top.module_len < 80 ? top.module_len : 80), top.module,
			 (unsigned long long)top.offset, n);
	else
		snprintf(text, sizeof(text), "0x%llx (%zu)", (unsigned long long)top.offset, n);
	rows_cell_text(cell, text, strlen(text));
}

void rows_cell_value(const struct value *v, struct list_cell *cell)
{
	char text[64] = "";
	double number;

	cell->own = true;
	if (v->state != VALUE_OK) {
		rows_cell_text(cell, v->state == VALUE_UNREAD ? "?" : "-", 1);
		if (v->state == VALUE_UNREAD)
			cell->role = ROLE_UNREAD;
		return;
	}
	switch (v->type) {
	case CULPRIT_TEXT:
		cell->own = false;
		rows_cell_text(cell, v->text.p, v->text.len);
		return;
	case CULPRIT_BOOL:
		rows_cell_text(cell, v->b ? "yes" : "no", v->b ? 3 : 2);
		return;
	case CULPRIT_STACK:
		cell_stack(v, cell);
		return;
	case CULPRIT_TASK:
		snprintf(text, sizeof(text), "%llu", (unsigned long long)v->task.tid);
		break;
	case CULPRIT_HIST:
		if (value_number(v, &number))
			snprintf(text, sizeof(text), "n=%.0f", number);
		break;
	default:
		if (v->unit == CULPRIT_NONE && v->type != CULPRIT_F64)
			snprintf(text, sizeof(text), v->type == CULPRIT_I64 ? "%lld" : "%llu", (long long)v->i);
		else if (value_number(v, &number))
			units_format_short(text, sizeof(text), number, v->unit);
	}
	rows_cell_text(cell, text, strlen(text));
}

char *rows_percent(char *buf, size_t cap, double value)
{
	if (value < 0.05)
		snprintf(buf, cap, "0%%");
	else
		snprintf(buf, cap, "%.*f%%", value < 99.95, value);
	return buf;
}

/* Digits beyond those shown are no difference. */
static bool is_same(double change, double before, unsigned unit)
{
	return fabs(change) < (unit == CULPRIT_PERCENT ? 0.05 : 0.0005 * fabs(before)) || change == 0;
}

char *rows_change(char *buf, size_t cap, double change, double before, unsigned unit)
{
	if (is_same(change, before, unit))
		snprintf(buf, cap, "=");
	else if (unit == CULPRIT_PERCENT)
		snprintf(buf, cap, "%+.*f%%", fabs(change) < 99.95, change);
	else
		units_format_change(buf, cap, change, unit);
	return buf;
}

void rows_cell_change(struct rows *r, size_t row, size_t column, struct list_cell *cell)
{
	const struct query_column *q = query_column(r->query, column);
	double change, before;
	char text[32];

	switch (query_change(r->query, row, column, &change, &before)) {
	case QUERY_CHANGE_NEW:
		snprintf(text, sizeof(text), "new");
		break;
	case QUERY_CHANGE_KNOWN:
		rows_change(text, sizeof(text), change, before, q->unit);
		break;
	default:
		snprintf(text, sizeof(text), "-");
	}
	cell->own = true;
	rows_cell_text(cell, text, strlen(text));
}

void rows_percent_cell(struct rows *r, size_t row, const char *column, double bound, struct list_cell *cell)
{
	struct value v;
	double n;

	rows_value(r, row, column, &v);
	if (!value_number(&v, &n)) {
		rows_cell_value(&v, cell);
		return;
	}
	cell->own = true;
	rows_percent(cell->text, sizeof(cell->text), n);
	cell->len = (uint16_t)strlen(cell->text);
	if (n >= bound)
		cell->role = ROLE_WARN;
}
