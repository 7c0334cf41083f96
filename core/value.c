#include "value.h"

#include <math.h>
#include <string.h>

#include "schema.h"

bool value_number(const struct value *v, double *ret)
{
	double sum = 0;

	if (v->state != VALUE_OK)
		return false;
	switch (v->type) {
	case CULPRIT_I64:
		*ret = (double)v->i;
		return true;
	case CULPRIT_U64:
		*ret = (double)v->u;
		return true;
	case CULPRIT_F64:
		*ret = v->f;
		return true;
	case CULPRIT_BOOL:
		*ret = v->b ? 1 : 0;
		return true;
	case CULPRIT_HIST:
		for (uint32_t i = 0; i < v->hist.bounds->count; i++)
			sum += (double)v->hist.counts[i];
		*ret = sum;
		return true;
	}
	return false;
}

static int compare_f64(double a, double b)
{
	return (a > b) - (a < b);
}

int value_compare(const struct value *a, const struct value *b)
{
	double x, y;

	if (a->state != VALUE_OK || b->state != VALUE_OK)
		return (a->state == VALUE_OK) - (b->state == VALUE_OK);
	if (a->type == b->type) {
		switch (a->type) {
		case CULPRIT_I64:
			return (a->i > b->i) - (a->i < b->i);
		case CULPRIT_U64:
			return (a->u > b->u) - (a->u < b->u);
		case CULPRIT_TEXT: {
			size_t n = a->text.len < b->text.len ? a->text.len : b->text.len;
			int c = n ? memcmp(a->text.p, b->text.p, n) : 0;

			return c ? c : (a->text.len > b->text.len) - (a->text.len < b->text.len);
		}
		case CULPRIT_TASK:
			if (a->task.tid != b->task.tid)
				return a->task.tid > b->task.tid ? 1 : -1;
			return (a->task.start_ticks > b->task.start_ticks) - (a->task.start_ticks < b->task.start_ticks);
		case CULPRIT_STACK:
			return (a->stack.id > b->stack.id) - (a->stack.id < b->stack.id);
		}
	}
	if (value_number(a, &x) && value_number(b, &y))
		return compare_f64(x, y);
	return 0;
}

bool row_key_equal(const struct row_key *a, const struct row_key *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n && i < 4; i++)
		if (a->bits[i] != b->bits[i])
			return false;
	return true;
}

static uint64_t mix(uint64_t h)
{
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	return h ^ h >> 32;
}

uint64_t row_key_hash(const struct row_key *k)
{
	uint64_t h = k->n;

	for (uint32_t i = 0; i < k->n && i < 4; i++)
		h = mix(h + 0x9e3779b97f4a7c15ull + k->bits[i]);
	return h;
}

uint64_t row_key_text(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint64_t h = 0x51ed270b7a6f3c1dull ^ n, word;

	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&word, p, 8);
		h = mix(h ^ word) + 0x9e3779b97f4a7c15ull;
	}
	word = 0;
	if (n)
		memcpy(&word, p, n);
	return mix(h ^ word ^ (uint64_t)n << 56);
}
