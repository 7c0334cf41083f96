/* Values by the name of their column. */
#include <math.h>
#include <stdio.h>

#include "query.h"

double query_number_at(struct query *q, size_t row, int column)
{
	struct value v;
	double n;

	if (!q || column < 0 || row >= query_nrows(q))
		return NAN;
	query_value(q, row, (size_t)column, &v);
	return value_number(&v, &n) ? n : NAN;
}

double query_number(struct query *q, size_t row, const char *column)
{
	return q ? query_number_at(q, row, query_column_find(q, column)) : NAN;
}

void query_text(struct query *q, size_t row, const char *column, char *out, size_t cap)
{
	int c = q ? query_column_find(q, column) : -1;
	struct value v;

	out[0] = '\0';
	if (c < 0 || row >= query_nrows(q))
		return;
	query_value(q, row, (size_t)c, &v);
	if (v.state == VALUE_OK && v.type == CULPRIT_TEXT)
		snprintf(out, cap, "%.*s", (int)(v.text.len < cap ? v.text.len : cap), v.text.p);
}
