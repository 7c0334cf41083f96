/* What changed, as bytes: the payload of a frame. docs/FORMAT.md says the same in prose; cursor_decode.c reads it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "builder_internal.h"
#include "cellcode.h"
#include "format.h"

/* Rows that are given whole share few combinations of cell states; each is written once a section. */
struct pattern {
	const uint8_t *states;
};

static bool is_entry(const struct schema_column *c)
{
	return c->type == CULPRIT_TEXT || c->type == CULPRIT_STACK || c->type == CULPRIT_TASK;
}

static void use_cell(struct builder *b, const struct schema_column *c, uint8_t state, uint64_t cell)
{
	if (state == FORMAT_CELL_UNREAD || (state == FORMAT_CELL_OK && is_entry(c)))
		dictwriter_use(b->dictionary, cell);
}

static int order_reserve(struct builder *b, uint32_t n)
{
	uint32_t cap = n + n / 4 + 64, *order, *numbers, *changes;

	if (n <= b->order_cap)
		return 0;
	order = realloc(b->order, (size_t)cap * sizeof(*order));
	if (!order)
		return -ENOMEM;
	b->order = order;
	numbers = realloc(b->numbers, (size_t)cap * sizeof(*numbers));
	if (!numbers)
		return -ENOMEM;
	b->numbers = numbers;
	changes = realloc(b->changes, (size_t)cap * sizeof(*changes));
	if (!changes)
		return -ENOMEM;
	b->changes = changes;
	b->order_cap = cap;
	return 0;
}

/* Number of this combination of states, written or new. */
static uint32_t pattern_of(struct builder *b, const uint8_t *states, uint32_t ncolumns)
{
	/* The newest ones are the likeliest; past some, a repetition costs a few bytes and no time. */
	uint32_t oldest = b->npatterns > 64 ? b->npatterns - 64 : 0;

	for (uint32_t i = b->npatterns; i > oldest; i--) {
		if (b->patterns[i - 1].states == states || !memcmp(b->patterns[i - 1].states, states, ncolumns))
			return i - 1;
	}
	if (b->npatterns == b->patterns_cap) {
		uint32_t cap = b->patterns_cap ? b->patterns_cap * 2 : 64;
		struct pattern *patterns = realloc(b->patterns, cap * sizeof(*patterns));

		if (!patterns) {
			b->rows.err = -ENOMEM;
			return 0;
		}
		b->patterns = patterns;
		b->patterns_cap = cap;
	}
	b->patterns[b->npatterns].states = states;
	return b->npatterns++;
}

static void put_patterns(struct builder *b, struct wbuf *w, uint32_t ncolumns)
{
	wbuf_varint(w, b->npatterns);
	for (uint32_t i = 0; i < b->npatterns; i++)
		wbuf_bytes(w, b->patterns[i].states, ncolumns);
}

/* Sparse counts of one histogram: those that differ. */
static void put_counts(struct wbuf *w, const uint64_t *before, const uint64_t *now, uint32_t n)
{
	uint32_t differ = 0, last = 0;

	for (uint32_t i = 0; i < n; i++)
		differ += now[i] != (before ? before[i] : 0);
	wbuf_varint(w, differ);
	for (uint32_t i = 0; i < n && differ; i++) {
		uint64_t old = before ? before[i] : 0;

		if (now[i] == old)
			continue;
		wbuf_varint(w, i - last);
		wbuf_zigzag(w, (int64_t)(now[i] - old));
		last = i + 1;
	}
}

static uint32_t row_flags(const struct slot *s)
{
	uint32_t flags = 0;

	flags |= s->flags & SLOT_BORN ? FORMAT_ROW_BORN : 0;
	flags |= s->flags & (SLOT_NEW | SLOT_SHOW) ? 0 : FORMAT_ROW_CONTINUES;
	flags |= s->flags & (SLOT_GONE | SLOT_HIDE) ? FORMAT_ROW_ENDED : 0;
	flags |= s->flags & SLOT_HIDE ? FORMAT_ROW_FOLDED : 0;
	flags |= s->flags & SLOT_DROPPED ? FORMAT_ROW_DROPS : 0;
	flags |= s->based ? FORMAT_ROW_BASES : 0;
	flags |= s->flags & SLOT_FOLD ? FORMAT_ROW_FOLD : 0;
	return flags;
}

static void put_row_head(struct wbuf *w, const struct mirror *m, uint32_t slot, uint32_t number, uint32_t *last_number,
			 uint64_t *last_serial)
{
	const struct slot *s = &m->slots[slot];
	uint64_t serial = mirror_number(m, slot, m->columns.serial), began_ns = mirror_number(m, slot, m->columns.began);
	uint32_t flags = row_flags(s);

	wbuf_varint(w, number - *last_number);
	wbuf_varint(w, flags);
	wbuf_zigzag(w, (int64_t)(serial - *last_serial));
	*last_number = number + 1;
	*last_serial = serial + 1;
	if (flags & FORMAT_ROW_CONTINUES)
		wbuf_varint(w, m->sample_ns - began_ns);
	if (flags & FORMAT_ROW_BORN)
		wbuf_varint(w, began_ns - mirror_number(m, slot, m->columns.since));
	if (!(m->schema->groups & ~1u))
		return;
	wbuf_u8(w, s->stale);
	for (uint32_t g = 1; g < SCHEMA_GROUPS_MAX; g++) {
		uint64_t read_ns = s->stale >> g & 1 ? mirror_number(m, slot, m->columns.read + g) : 0;

		if (s->stale >> g & 1)
			wbuf_varint(w, read_ns ? m->sample_ns - read_ns + 1 : 0);
	}
}

/* What rows given whole carry beside their cells: how far counters fell, where they began. */
static void put_row_past(struct wbuf *w, const struct mirror *m, uint32_t slot)
{
	const struct slot *s = &m->slots[slot];

	for (uint32_t c = 0; s->flags & SLOT_DROPPED && c < m->ncolumns; c++) {
		const struct schema_column *column = &m->schema->columns[c];

		if (column->role == CULPRIT_COUNTER)
			cell_put_after(w, column, 0, mirror_number(m, slot, m->columns.drop + column->counter));
	}
	if (!s->based)
		return;
	wbuf_u8(w, s->based);
	for (uint32_t g = 0; g < SCHEMA_GROUPS_MAX; g++) {
		if (s->based >> g & 1)
			wbuf_varint(w, m->sample_ns - mirror_number(m, slot, m->columns.based + g));
	}
	for (uint32_t c = 0; c < m->ncolumns; c++) {
		const struct schema_column *column = &m->schema->columns[c];

		if (!(s->based >> column->group & 1))
			continue;
		if (column->role == CULPRIT_COUNTER)
			cell_put_after(w, column, mirror_cell(m, slot, c),
				  mirror_number(m, slot, m->columns.base + column->counter));
		else if (column->role == CULPRIT_HISTOGRAM)
			put_counts(w, mirror_counts(m, slot, column->hist), mirror_base_counts(m, slot, column->hist),
				   column->bounds.count);
	}
}

/* What stands in b->rows. */
static void put_gathered(struct builder *b, struct wbuf *w)
{
	wbuf_bytes(w, b->rows.data, b->rows.len);
	b->rows_peak = b->rows.len > b->rows_peak ? b->rows.len : b->rows_peak;
}

/* Rows in b->order, given whole. */
static void put_rows(struct builder *b, struct wbuf *w, const struct mirror *m, uint32_t n)
{
	uint32_t last_number = 0;
	uint64_t last_serial = 0;

	wbuf_varint(w, n);
	if (!n)
		return;
	b->npatterns = 0;
	wbuf_clear(&b->rows);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t pattern = pattern_of(b, mirror_states(m, b->order[i]), m->ncolumns);

		put_row_head(&b->rows, m, b->order[i], b->numbers[i], &last_number, &last_serial);
		wbuf_varint(&b->rows, pattern);
	}
	put_patterns(b, w, m->ncolumns);
	put_gathered(b, w);
	for (uint32_t c = 0; c < m->ncolumns; c++) {
		const struct schema_column *column = &m->schema->columns[c];
		uint64_t before = 0;

		for (uint32_t i = 0; i < n; i++) {
			uint8_t state = mirror_states(m, b->order[i])[c];
			uint64_t cell;

			if (state == FORMAT_CELL_ABSENT)
				continue;
			if (column->role == CULPRIT_HISTOGRAM && state == FORMAT_CELL_OK)
				continue;
			cell = mirror_number(m, b->order[i], c);
			use_cell(b, column, state, cell);
			cell_put_after(w, column, before, cell);
			before = cell;
		}
	}
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t h = 0; h < m->schema->nhists; h++) {
			uint32_t c = m->schema->hist_columns[h];

			if (mirror_states(m, b->order[i])[c] == FORMAT_CELL_OK)
				put_counts(w, NULL, mirror_counts(m, b->order[i], h), m->schema->columns[c].bounds.count);
		}
		put_row_past(w, m, b->order[i]);
	}
}

/* By the numbers that readers know rows by. */
static uint32_t collect(struct builder *b, struct wbuf *w, const struct mirror *m, bool (*wanted)(const struct slot *))
{
	uint32_t n = 0;

	for (uint32_t number = 0; number < mirror_numbers(m); number++) {
		uint32_t s = mirror_written(m, number);

		if (s == UINT32_MAX || !m->slots[s].flags || !wanted(&m->slots[s]))
			continue;
		/* Members of folded rows are not written, and may be ten times as many as those that are. */
		if (n == b->order_cap && order_reserve(b, n + 1)) {
			w->err = -ENOMEM;
			return 0;
		}
		b->numbers[n] = number;
		b->order[n++] = s;
	}
	return n;
}

static bool wanted_whole(const struct slot *s)
{
	return slot_is_shown(s) || s->flags & SLOT_HIDE;
}

static bool wanted_new(const struct slot *s)
{
	return slot_is_shown(s) && s->flags & (SLOT_NEW | SLOT_SHOW);
}

static bool wanted_ended(const struct slot *s)
{
	return (slot_is_shown(s) && s->flags & SLOT_GONE) || s->flags & SLOT_HIDE;
}

static bool is_known(const struct slot *s)
{
	return slot_is_shown(s) && !(s->flags & (SLOT_NEW | SLOT_SHOW));
}

static bool wanted_staled(const struct slot *s)
{
	return is_known(s) && s->stale != s->sealed_stale;
}

static bool wanted_changed(const struct slot *s)
{
	return is_known(s) && s->flags & SLOT_TOUCHED;
}

static void put_ended(struct builder *b, struct wbuf *w, const struct mirror *m)
{
	uint32_t n = collect(b, w, m, wanted_ended), last = 0;

	wbuf_varint(w, n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t s = b->order[i];

		wbuf_varint(w, (uint64_t)(b->numbers[i] - last) << 1 | !!(m->slots[s].flags & SLOT_HIDE));
		last = b->numbers[i] + 1;
	}
}

static void put_staled(struct builder *b, struct wbuf *w, const struct mirror *m)
{
	uint32_t n = collect(b, w, m, wanted_staled), last = 0;

	wbuf_varint(w, n);
	for (uint32_t i = 0; i < n; i++) {
		wbuf_varint(w, b->numbers[i] - last);
		wbuf_u8(w, m->slots[b->order[i]].stale);
		last = b->numbers[i] + 1;
	}
}

static bool wanted_based(const struct slot *s)
{
	return is_known(s) && s->based_now;
}

/* Groups that were read for the first time: they count from their new values. */
static void put_based(struct builder *b, struct wbuf *w, const struct mirror *m)
{
	uint32_t n = collect(b, w, m, wanted_based), last = 0;

	wbuf_varint(w, n);
	for (uint32_t i = 0; i < n; i++) {
		wbuf_varint(w, b->numbers[i] - last);
		wbuf_u8(w, m->slots[b->order[i]].based_now);
		last = b->numbers[i] + 1;
	}
}

/* Cells whose state changed, of n changed rows in b->order. */
static void put_states(struct builder *b, struct wbuf *w, const struct mirror *m, uint32_t n)
{
	uint32_t changed = 0;

	wbuf_clear(&b->rows);
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *now = mirror_states(m, b->order[i]), *sealed = mirror_sealed_states(m, b->order[i]);

		for (uint32_t c = 0; now != sealed && c < m->ncolumns; c++) {
			if (now[c] == sealed[c])
				continue;
			wbuf_varint(&b->rows, i); /* the i-th changed row */
			wbuf_varint(&b->rows, c);
			wbuf_u8(&b->rows, now[c]);
			changed++;
		}
	}
	wbuf_varint(w, changed);
	put_gathered(b, w);
}

static void put_mask(struct wbuf *w, const struct mirror *m, uint32_t slot)
{
	uint64_t mask[SCHEMA_MASK_WORDS] = {0};

	for (const struct mirror_change *k = mirror_change(m, m->slots[slot].first); k; k = mirror_change(m, k->next))
		mask_set(mask, k->column);
	for (uint32_t i = 0; i < (m->ncolumns + 63) / 64; i++)
		wbuf_varint(w, mask[i]);
}

static void put_changed(struct builder *b, struct wbuf *w, const struct mirror *m)
{
	uint32_t n = collect(b, w, m, wanted_changed), last = 0;

	wbuf_varint(w, n);
	if (!n)
		return;
	for (uint32_t i = 0; i < n; i++) {
		wbuf_varint(w, b->numbers[i] - last);
		last = b->numbers[i] + 1;
		b->changes[i] = m->slots[b->order[i]].first;
	}
	for (uint32_t i = 0; i < n; i++)
		put_mask(w, m, b->order[i]);
	put_states(b, w, m, n);
	for (uint32_t c = 0; c < m->ncolumns; c++) {
		const struct schema_column *column = &m->schema->columns[c];

		for (uint32_t i = 0; i < n; i++) {
			const struct mirror_change *k = mirror_change(m, b->changes[i]);
			uint32_t slot = b->order[i];
			uint64_t now;

			if (!k || k->column != c)
				continue;
			b->changes[i] = k->next;
			now = mirror_cell(m, slot, c);
			use_cell(b, column, mirror_states(m, slot)[c], now);
			cell_put_after(w, column, k->sealed, now);
			if (column->role == CULPRIT_HISTOGRAM)
				put_counts(w, mirror_sealed_counts(m, slot, column->hist), mirror_counts(m, slot, column->hist),
					   column->bounds.count);
		}
	}
}

static void put_events(struct builder *b, struct wbuf *w, const struct mirror *m)
{
	size_t n = m->ncolumns;

	wbuf_varint(w, m->nevents);
	if (!m->nevents)
		return;
	b->npatterns = 0;
	wbuf_clear(&b->rows);
	for (uint32_t i = 0; i < m->nevents; i++)
		wbuf_varint(&b->rows, pattern_of(b, m->event_states + i * n, m->ncolumns));
	put_patterns(b, w, m->ncolumns);
	put_gathered(b, w);
	for (uint32_t c = 0; c < n; c++) {
		const struct schema_column *column = &m->schema->columns[c];
		/* Instants stand near the frame's. */
		uint64_t before = column->role == CULPRIT_TIME ? b->mono_ns : 0;

		for (uint32_t i = 0; i < m->nevents; i++) {
			if (m->event_states[i * n + c] == FORMAT_CELL_ABSENT)
				continue;
			use_cell(b, column, m->event_states[i * n + c], m->event_cells[i * n + c]);
			cell_put_after(w, column, before, m->event_cells[i * n + c]);
			before = m->event_cells[i * n + c];
		}
	}
}

static void put_table(struct builder *b, struct wbuf *w, struct mirror *m, bool key)
{
	/* A key frame repeats the rows of tables that were not sampled now, as of their last sample. */
	bool rows = m->sampled || (key && m->sample_ns && m->schema->kind == CULPRIT_STATE);

	wbuf_varint(w, m->schema->id);
	wbuf_varint(w, m->mentioned ? m->state : CULPRIT_RESTING);
	wbuf_varint(w, rows ? FORMAT_TABLE_SAMPLED : 0);
	if (rows)
		wbuf_zigzag(w, (int64_t)(m->sample_ns - b->mono_ns));
	dictwriter_use(b->dictionary, m->reason);
	wbuf_varint(w, m->reason);
	wbuf_varint(w, m->lost);
	wbuf_varint(w, m->cost_ns);
	wbuf_varint(w, m->thinning);
	if (!rows)
		return;
	if (m->schema->kind == CULPRIT_EVENT) {
		put_events(b, w, m);
		return;
	}
	if (key) {
		put_rows(b, w, m, collect(b, w, m, wanted_whole));
		return;
	}
	put_rows(b, w, m, collect(b, w, m, wanted_new));
	put_staled(b, w, m);
	put_changed(b, w, m);
	put_based(b, w, m);
	put_ended(b, w, m); /* last: what ends, ends with its final values */
}

/* The dictionary must stand before the tables that use it, but is known only after them: it is put in front of those that
 * were written from `at` on. */
static void put_dictionary(struct builder *b, struct wbuf *out, size_t at)
{
	size_t body;

	wbuf_clear(&b->body);
	wbuf_varint(&b->body, FORMAT_DICTIONARY);
	body = b->body.len;
	if (!dictwriter_flush(b->dictionary, &b->body))
		return;
	wbuf_string_end(&b->body, body);
	if (b->body.err)
		out->err = b->body.err;
	else
		wbuf_insert(out, at, b->body.data, b->body.len);
}

int builder_seal(struct builder *b, bool key, struct wbuf *out)
{
	size_t at, body;

	wbuf_u64(out, b->mono_ns);
	wbuf_u64(out, (uint64_t)b->wall_ns);
	wbuf_varint(out, key ? FORMAT_FRAME_KEY : 0);
	at = out->len;
	if (key) {
		dictwriter_begin_segment(b->dictionary);
		summarizer_begin(b->summarizer);
	}
	for (uint32_t i = 0; i < b->ntables; i++) {
		struct mirror *m = &b->mirrors[i];

		if (mirror_settle(m))
			out->err = -ENOMEM;
		if (key && !m->mentioned && m->lasting_state) {
			m->mentioned = true;
			m->state = m->lasting_state;
			m->reason = m->lasting_reason;
		}
		if (!m->mentioned && !(key && m->sample_ns))
			continue;
		if (summarizer_note(b->summarizer, i, m, key))
			out->err = -ENOMEM;
		wbuf_varint(out, FORMAT_TABLE);
		body = out->len;
		put_table(b, out, m, key);
		if (b->rows.err)
			out->err = b->rows.err;
		wbuf_string_end(out, body);
	}
	put_dictionary(b, out, at);
	if (key)
		dictwriter_sweep(b->dictionary);
	for (uint32_t i = 0; i < b->ntables; i++) {
		mirror_sealed(&b->mirrors[i]);
		if (key)
			mirror_tighten(&b->mirrors[i]);
	}
	/* Frames after it take a hundredth; so do those after the first ones, in which all files are read. */
	if (key)
		wbuf_give_back(&b->body);
	wbuf_clear(&b->rows);
	if (b->rows.cap > 8 * b->rows_peak + WBUF_KEEP)
		wbuf_give_back(&b->rows);
	b->rows_peak -= b->rows_peak / 4;
	return out->err;
}

int builder_summary(struct builder *b, struct wbuf *out)
{
	summarizer_encode(b->summarizer, b->ntables, out);
	return out->err;
}
