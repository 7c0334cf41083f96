/* Net: who talks to whom, and which side is slow: the devices and TCP as a whole above, a list of processes and their peers,
 * and of the selected one who lets whom wait. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "findings.h"
#include "list_panel.h"
#include "number.h"
#include "panels.h"
#include "units.h"

enum { DEVICES = 2 };

/* Answers that take so many times what the line takes of the network are made slowly; those faster than this interest nobody. */
static const double slow_trips = 4, slow_ns = 1e6;

struct net {
	struct list_state list;
	struct figures figures;
	struct query *answers; /* of tcp_peer */
	struct view *view;
};

/* The row of tcp_peer that belongs to a row of the list; -1: none. */
static ssize_t answers_of(struct net *n, struct rows *r, size_t row)
{
	struct query_row q;
	struct row_key key = {.n = 2};

	if (!n->answers || !query_row(r->query, row, &q) || q.key.n != 4)
		return -1;
	/* tcp_flow: pid, start, peer, listen; tcp_peer: peer, listen */
	key.bits[0] = q.key.bits[2];
	key.bits[1] = q.key.bits[3];
	return query_find(n->answers, &key);
}

static void answer(struct net *n, struct rows *r, size_t row, const char *column, struct value *v)
{
	ssize_t at = answers_of(n, r, row);
	int c = at >= 0 ? query_column_find(n->answers, column) : -1;

	memset(v, 0, sizeof(*v));
	if (c >= 0)
		query_value(n->answers, (size_t)at, (size_t)c, v);
}

static void p50_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	struct value v;

	answer(r->of, r, row, "answer_p50", &v);
	rows_cell_value(&v, cell);
}

static void p99_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	struct value v;

	answer(r->of, r, row, "answer_p99", &v);
	rows_cell_value(&v, cell);
}

/* "to 10.2.7.9:5432", "from 10.0.0.1 on :8080" */
static void peer_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	char peer[80];
	double listen = rows_number(r, row, "listen", 0);

	rows_text(r, row, "peer", peer, sizeof(peer));
	if (listen > 0)
		snprintf(cell->text, sizeof(cell->text), "from %s on :%.0f", peer, listen);
	else
		snprintf(cell->text, sizeof(cell->text), "to %s", peer);
	cell->len = (uint16_t)strlen(cell->text);
}

static void comm_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	rows_text(r, row, "comm", cell->text, sizeof(cell->text));
	/* Whose it is was not seen. */
	if (!cell->text[0])
		snprintf(cell->text, sizeof(cell->text), "?");
	cell->len = (uint16_t)strlen(cell->text);
}

static void percent_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	rows_percent_cell(r, row, "retrans_pct", FINDINGS_RETRANS_BAD, cell);
}

static const struct rows_column columns[] = {
	{.column = "comm", .title = "process", .min = 10, .max = 20, .weight = 1, .cell = comm_cell},
	{.column = "pid", .title = "pid", .min = 7, .max = 7, .priority = 3},
	{.column = "peer", .title = "peer", .min = 22, .max = 60, .weight = 3, .cell = peer_cell},
	{.column = "open", .title = "conn", .min = 4, .max = 5},
	{.column = "sent_rate", .title = "sent", .min = 7, .max = 7},
	{.column = "received_rate", .title = "receivd", .min = 7, .max = 7},
	{.column = "rtt_min", .title = "line", .min = 6, .max = 6},
	{.column = "retrans_pct", .title = "again", .min = 5, .max = 5, .right = true, .cell = percent_cell, .priority = 4},
	{.title = "p50", .min = 6, .max = 6, .right = true, .cell = p50_cell, .priority = 2},
	{.title = "p99", .min = 6, .max = 6, .right = true, .cell = p99_cell},
	{.column = "open_rate", .title = "new", .min = 7, .max = 7, .priority = 5},
	{.column = "failures", .title = "fail", .min = 4, .max = 4, .priority = 1},
	{.column = "byte_rate", .title = "bytes", .min = 7, .max = 7, .priority = 6},
};

static const char *rate(struct net *n, size_t row, const char *column, unsigned unit, char buf[32])
{
	double v = figures_number(&n->figures, row, column);

	return isnan(v) ? "-" : units_format_short(buf, 32, v, unit);
}

/* "eth0 in 1.20M/s out 300K/s (12% of the line), lo in ..." */
static void say_devices(struct net *n, size_t rows)
{
	char line[LIST_PANEL_LINE_MAX] = "";
	size_t said = 0;
	bool warn = false;

	for (size_t i = 0; i < rows && said < DEVICES; i++) {
		double errors = figures_number(&n->figures, i, "error_rate"), drops = figures_number(&n->figures, i, "drop_rate"),
		       use = figures_number(&n->figures, i, "use_pct");
		char raw[32], name[64], a[32], b[32];

		figures_text(&n->figures, i, "name", raw, sizeof(raw));
		text_sanitise(name, sizeof(name), raw, strlen(raw), TEXT_UTF8);
		list_panel_append(line, sizeof(line), "%s%s in %s out %s", said++ ? "   " : "", name,
		       rate(n, i, "rx_rate", CULPRIT_BYTES_PER_S, a), rate(n, i, "tx_rate", CULPRIT_BYTES_PER_S, b));
		if (use >= 1)
			list_panel_append(line, sizeof(line), " (%s of the line)", rows_percent(a, sizeof(a), use));
		if (errors > 0)
			list_panel_append(line, sizeof(line), " errors %s", rate(n, i, "error_rate", CULPRIT_COUNT_PER_S, a));
		if (drops > 0)
			list_panel_append(line, sizeof(line), " dropped %s", rate(n, i, "drop_rate", CULPRIT_COUNT_PER_S, a));
		warn |= errors > 0 || use >= 80;
	}
	if (said)
		list_panel_say(&n->list.head, warn ? ROLE_WARN : ROLE_TEXT, "%s", line);
}

static void say_tcp(struct net *n)
{
	double again = figures_number(&n->figures, 0, "retrans_pct"), overflow = figures_number(&n->figures, 0, "listen_overflow_rate");
	double half = number_max(figures_number(&n->figures, 0, "syncookie_rate"), 0) +
		      number_max(figures_number(&n->figures, 0, "syn_drop_rate"), 0);
	char a[32], b[32], c[32], d[32];

	/* Answers to connections that are sent again are none of the segments it is a share of: above 100 % it says nothing. */
	list_panel_say(&n->list.head, again >= FINDINGS_RETRANS_BAD || overflow > 0 || half > 0 ? ROLE_WARN : ROLE_TEXT,
		       /* There is room for one of the two queues. */
		       half > 0 && !(overflow > 0) ? "TCP: sent again %s  failed %s  reset %s  SYN queue full %s" :
						     "TCP: sent again %s  failed %s  reset %s  accept queue overflows %s",
		       isnan(again) ? "-" : again > 100 ? rate(n, 0, "retrans_rate", CULPRIT_COUNT_PER_S, a) : rows_percent(a, sizeof(a), again), rate(n, 0, "fail_rate", CULPRIT_COUNT_PER_S, b),
		       rate(n, 0, "reset_rate", CULPRIT_COUNT_PER_S, c),
		       half > 0 && !(overflow > 0) ? units_format_short(d, sizeof(d), half, CULPRIT_COUNT_PER_S) :
						     rate(n, 0, "listen_overflow_rate", CULPRIT_COUNT_PER_S, d));
}

/* Only where it is lost, and by whom no table tells. */
static void say_udp(struct net *n)
{
	double full = figures_number(&n->figures, 0, "udp_full_rate");
	char a[32], b[32];

	if (full > 0)
		list_panel_say(&n->list.head, ROLE_WARN, "UDP: received %s  lost to full receive buffers %s (ss -uanm: d)",
			       rate(n, 0, "udp_in_rate", CULPRIT_COUNT_PER_S, a), units_format_short(b, sizeof(b), full, CULPRIT_COUNT_PER_S));
}

/* The listening socket that is worst off: what was dropped, how full its queue is, else who accepts most. */
static void say_listener(struct net *n, size_t rows)
{
	size_t worst = rows;
	double most = -1;
	char raw[32], name[64], a[32], b[32], c[32], address[80];
	double dropped, queue, limit, wait;

	for (size_t i = 0; i < rows; i++) {
		double drops = figures_number(&n->figures, i, "drops_window"), full = figures_number(&n->figures, i, "queue_pct"),
		       accepts = figures_number(&n->figures, i, "accept_rate"), bad = 0;

		bad += drops > 0 ? 1e12 + drops : 0;
		bad += full > 0 ? 1e6 * full : 0;
		bad += accepts > 0 ? accepts : 0;
		if (bad > most) {
			most = bad;
			worst = i;
		}
	}
	if (worst == rows)
		return;
	figures_text(&n->figures, worst, "comm", raw, sizeof(raw));
	text_sanitise(name, sizeof(name), raw, strlen(raw), TEXT_UTF8);
	figures_text(&n->figures, worst, "address", address, sizeof(address));
	dropped = figures_number(&n->figures, worst, "drops_window");
	queue = figures_number(&n->figures, worst, "queue");
	limit = figures_number(&n->figures, worst, "queue_limit");
	wait = figures_number(&n->figures, worst, "accept_wait_p99");
	list_panel_say(&n->list.head, dropped > 0 || queue > limit / 2 ? ROLE_WARN : ROLE_TEXT,
		       strchr(address, ':') ? "listening: [%s]:%.0f %s, queue %.0f/%.0f%s%s%s, dropped %s%s" :
		       "listening: %s:%.0f %s, queue %.0f/%.0f%s%s%s, dropped %s%s", address,
		       figures_number(&n->figures, worst, "port"), name[0] ? name : "(whose is not known)", queue, limit, isnan(wait) ? "" : ", read after ",
		       isnan(wait) ? "" : units_format_short(a, sizeof(a), wait, CULPRIT_NS), isnan(wait) ? "" : " p99",
		       isnan(dropped) ? "-" : units_format_short(b, sizeof(b), dropped, CULPRIT_COUNT),
		       rows > 1 ? (snprintf(c, sizeof(c), "; +%zu", rows - 1), c) : "");
}

static int net_update(void *self, struct view *view, const struct lens *lens, const struct panel_time *time,
		      struct culprit_error *error)
{
	struct net *n = self;
	struct lens whole = *lens;

	(void)time, (void)error;
	if (n->view != view) {
		query_destroy(n->answers);
		n->answers = NULL;
		n->view = view;
	}
	if (!n->answers)
		n->answers = query_create(view);
	say_devices(n, figures_ask(&n->figures, view, lens, "net", "rx_rate"));
	if (figures_ask(&n->figures, view, lens, "tcp", NULL))
		say_tcp(n);
	if (figures_ask(&n->figures, view, lens, "netstack", NULL))
		say_udp(n);
	say_listener(n, figures_ask(&n->figures, view, lens, "tcp_listen", NULL));
	memset(&whole.scope, 0, sizeof(whole.scope));
	whole.filter[0] = '\0';
	if (n->answers)
		query_run(n->answers, &whole, "tcp_peer", 0, NULL);
	return 0;
}

static double number_of(const struct value *v)
{
	double x;

	return value_number(v, &x) ? x : NAN;
}

/* Which side is slow. */
static void net_detail(void *self, struct view *view, const struct lens *lens, const struct panel_time *time, size_t row)
{
	struct net *n = self;
	struct rows *r = &n->list.rows;
	bool in = rows_number(r, row, "listen", 0) > 0;
	struct value p50, p99, left_out, multiplexed;
	double middle, tail, spoiled, http2, rtt = rows_number(r, row, "rtt_min", NAN), again = rows_number(r, row, "retrans_pct", 0),
	       failures = rows_number(r, row, "failures", 0);
	char raw[80], name[80], line[LIST_PANEL_LINE_MAX] = "", why[160], a[32], b[32], c[32];
	const char *verdict = "";

	(void)view, (void)lens, (void)time;
	rows_text(r, row, "comm", raw, sizeof(raw));
	text_sanitise(name, sizeof(name), raw, strlen(raw), TEXT_UTF8);
	rows_text(r, row, "peer", raw, sizeof(raw));
	if (rows_number(r, row, "pid", 0) > 0)
		list_panel_append(line, sizeof(line), "%s %.0f", name[0] ? name : "?", rows_number(r, row, "pid", 0));
	else
		list_panel_append(line, sizeof(line), "a process that was not seen");
	list_panel_append(line, sizeof(line), " %s %s", in ? "<-" : "->", raw);
	list_panel_append(line, sizeof(line), ": %.0f connection%s, %s new", rows_number(r, row, "open", 0),
	       rows_number(r, row, "open", 0) == 1 ? "" : "s",
	       units_format_short(a, sizeof(a), rows_number(r, row, "open_rate", 0), CULPRIT_COUNT_PER_S));
	if (failures > 0) {
		rows_text(r, row, "failure", raw, sizeof(raw));
		list_panel_append(line, sizeof(line), "; %.0f could not be made%s%s", failures, raw[0] ? ": " : "", raw);
	}
	list_panel_say(&n->list.detail, failures > 0 ? ROLE_WARN : ROLE_STRONG, "%s", line);

	answer(n, r, row, "answer_p50", &p50);
	answer(n, r, row, "answer_p99", &p99);
	answer(n, r, row, "left_out_window", &left_out);
	answer(n, r, row, "multiplexed", &multiplexed);
	middle = number_of(&p50);
	tail = number_of(&p99);
	spoiled = number_of(&left_out);
	http2 = number_of(&multiplexed);
	if (isnan(middle)) {
		if (rows_unmeasured(n->answers, why, sizeof(why)))
			list_panel_say(&n->list.detail, ROLE_MUTED, "how long answers take: %s", why);
		else
			list_panel_say(&n->list.detail, ROLE_MUTED, "%s", http2 > 0 ?
				       "HTTP/2, multiplexed: many requests at a time, so how long answers take is not counted" : spoiled > 0 ?
				       "how long answers take is not known: both sides speak at once (a stream, pipelining)" :
				       "no request was answered in this window");
		return;
	}
	if (tail >= slow_ns && !isnan(rtt))
		verdict = again >= FINDINGS_RETRANS_BAD ? "the line loses segments: " :
			  /* Most of what half of them take: what makes some of them slow is another question. */
			  tail < rtt * slow_trips || (rtt >= slow_ns && middle < rtt * slow_trips) ? "the line is slow: " : in ? "it waits for us: " : "the peer is slow: ";
	snprintf(line, sizeof(line), "%s%s in %s p50, %s p99 (n %llu); line %s", verdict, in ? "we answer" : "it answers",
		 units_format_short(a, sizeof(a), middle, CULPRIT_NS), units_format_short(b, sizeof(b), tail, CULPRIT_NS),
		 (unsigned long long)p50.n, isnan(rtt) ? "-" : units_format_short(c, sizeof(c), rtt, CULPRIT_NS));
	list_panel_say(&n->list.detail, verdict[0] ? ROLE_WARN : ROLE_TEXT, "%s", line);
	if (spoiled > 0 || http2 > 0)
		list_panel_say(&n->list.detail, ROLE_MUTED, "not counted: %.0f while both sides spoke, %.0f of HTTP/2 (multiplexed)",
			       number_max(spoiled, 0), number_max(http2, 0));
}

static enum panel_result net_deeper(void *self, struct panel_request *want)
{
	struct net *n = self;
	struct rows *r = &n->list.rows;
	ssize_t row = rows_selected(r);
	char comm[40];
	double pid;

	if (row < 0)
		return PANEL_IGNORED;
	pid = rows_number(r, (size_t)row, "pid", 0);
	if (!(pid > 0)) {
		want->want = WANT_MESSAGE;
		snprintf(want->message, sizeof(want->message), "whose connections these are is not known: their process was not seen");
		return PANEL_DRAW;
	}
	rows_text(r, (size_t)row, "comm", comm, sizeof(comm));
	want->want = WANT_DEEPER;
	want->panel = "threads";
	lens_scope_process(&want->lens, number_u64(pid), number_u64(rows_number(r, (size_t)row, "process_start", 0)));
	want->lens.filter[0] = '\0';
	snprintf(want->label, sizeof(want->label), "%s %.0f", comm, pid);
	return PANEL_UPDATE;
}

static void net_finish(void *self)
{
	struct net *n = self;

	figures_finish(&n->figures);
	query_destroy(n->answers);
}

/* --- who listens --- */

static const double queue_pct = 50;

/* "0.0.0.0:8080" */
static void address_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	char address[64];

	rows_text(r, row, "address", address, sizeof(address));
	snprintf(cell->text, sizeof(cell->text), strchr(address, ':') ? "[%s]:%.0f" : "%s:%.0f", address,
		 rows_number(r, row, "port", 0));
	cell->len = (uint16_t)strlen(cell->text);
}

/* "3/128": how many wait to be accepted, of how many may. */
static void queue_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	double queue = rows_number(r, row, "queue", NAN), limit = rows_number(r, row, "queue_limit", NAN);

	cell->own = true;
	if (isnan(queue))
		snprintf(cell->text, sizeof(cell->text), "-");
	else
		snprintf(cell->text, sizeof(cell->text), "%.0f/%.0f", queue, limit);
	cell->len = (uint16_t)strlen(cell->text);
	if (queue > 0 && queue >= limit * queue_pct / 100)
		cell->role = ROLE_WARN;
}

static void dropped_cell(struct rows *r, size_t row, struct list_cell *cell)
{
	double n = rows_number(r, row, "drops_window", NAN);

	cell->own = true;
	if (isnan(n))
		snprintf(cell->text, sizeof(cell->text), "-");
	else
		units_format_short(cell->text, sizeof(cell->text), n, CULPRIT_COUNT);
	cell->len = (uint16_t)strlen(cell->text);
	if (n > 0)
		cell->role = ROLE_WARN;
}

static const struct rows_column listen_columns[] = {
	{.column = "comm", .title = "process", .min = 12, .max = 24, .weight = 1, .cell = comm_cell},
	{.column = "pid", .title = "pid", .min = 7, .max = 7, .priority = 2},
	{.column = "port", .title = "listens on", .min = 14, .max = 46, .weight = 2, .cell = address_cell},
	{.column = "queue_pct", .title = "queue", .min = 9, .max = 11, .right = true, .cell = queue_cell},
	{.column = "drops_window", .title = "dropped", .min = 7, .max = 7, .right = true, .cell = dropped_cell},
	{.column = "accept_rate", .title = "new", .min = 7, .max = 7, .priority = 1},
	{.column = "accept_wait_p99", .title = "waited", .min = 6, .max = 6, .priority = 2},
	{.column = "answer_p99", .title = "p99", .min = 6, .max = 6, .priority = 2},
	{.column = "holders", .title = "held by", .min = 7, .max = 7, .priority = 3},
};

static void listen_detail(void *self, struct view *view, const struct lens *lens, const struct panel_time *time, size_t row)
{
	struct net *n = self;
	struct rows *r = &n->list.rows;
	double queue = rows_number(r, row, "queue", NAN), limit = rows_number(r, row, "queue_limit", NAN),
	       dropped = rows_number(r, row, "drops_window", 0), wait = rows_number(r, row, "accept_wait_p99", NAN),
	       answers = rows_number(r, row, "answer_p99", NAN);
	struct query_info info = {0};
	char raw[40], name[200], why[160], a[32], b[32];

	(void)view, (void)lens, (void)time;
	rows_text(r, row, "comm", raw, sizeof(raw));
	text_sanitise(name, sizeof(name), raw, strlen(raw), TEXT_UTF8);
	if (rows_number(r, row, "pid", 0) > 0)
		list_panel_append(name, sizeof(name), " %.0f", rows_number(r, row, "pid", 0));
	list_panel_say(&n->list.detail, dropped > 0 ? ROLE_WARN : ROLE_STRONG, "%s: %.0f wait to be accepted, %.0f may%s",
		       name[0] ? name : "a process that was not seen", queue, limit, dropped > 0 ? "; dropped: it accepts too slowly" : "");
	if (r->query)
		query_info(r->query, &info);
	if (isnan(wait) && isnan(answers) && !name[0] && info.state == CULPRIT_FRESH && info.reason) {
		text_sanitise(why, sizeof(why), info.reason, info.reason_len, TEXT_UTF8);
		list_panel_say(&n->list.detail, ROLE_MUTED, "%s", why);
		return;
	}
	if (isnan(wait) && isnan(answers)) {
		list_panel_say(&n->list.detail, ROLE_MUTED, "how long who connects here waits was not measured");
		return;
	}
	list_panel_say(&n->list.detail, ROLE_TEXT, "99 of 100 new connections are read from after %s; answers begin after %s",
		       isnan(wait) ? "-" : units_format_short(a, sizeof(a), wait, CULPRIT_NS),
		       isnan(answers) ? "-" : units_format_short(b, sizeof(b), answers, CULPRIT_NS));
}

enum { NET_OTHER = ROWS_ACTION_LAST + 1 };

static enum panel_result net_action(void *self, int action, struct panel_request *want);

static const struct list_panel listening = {
	.table = "tcp_listen",
	.columns = listen_columns,
	.ncolumns = sizeof(listen_columns) / sizeof(listen_columns[0]),
	.sort = "accept_rate",
	.size = sizeof(struct net),
	.update = net_update,
	.detail = listen_detail,
	.action = net_action,
	.deeper = net_deeper,
	.finish = net_finish,
};

static const struct list_panel list = {
	.table = "tcp_flow",
	.columns = columns,
	.ncolumns = sizeof(columns) / sizeof(columns[0]),
	.sort = "byte_rate",
	.size = sizeof(struct net),
	.update = net_update,
	.detail = net_detail,
	.details = 3,
	.action = net_action,
	.deeper = net_deeper,
	.finish = net_finish,
};

static enum panel_result net_action(void *self, int action, struct panel_request *want)
{
	struct net *n = self;

	(void)want;
	if (action != NET_OTHER)
		return PANEL_IGNORED;
	list_panel_switch(&n->list, n->list.of == &list ? &listening : &list);
	return PANEL_UPDATE;
}

static void *net_create(void)
{
	struct net *n = list_panel_create(&list);

	if (n)
		n->list.rows.of = n;
	return n;
}

static const struct binding keys[] = {
	{NET_OTHER, "other", {'o'}, "o listening", "who listens, or who talks to whom"},
	ROWS_BINDINGS,
	ROWS_CHOOSE_BINDINGS,
};

const struct panel net_panel = {
	.name = "net",
	.title = "Net",
	.key = '7',
	.help = "Who talks to whom by TCP. `to`: the process connected there; `from ... on :port`: the peer connected to us. conn: "
		"connections now; line: the shortest round trip of the last minutes; again: segments sent again; p50, p99: how long the side that is "
		"asked takes to answer, from the last segment of the request to the first of the answer (connections on which both "
		"sides speak at once are left out). Below, of the selected row, which side is slow. Enter: the threads of the "
		"process. o: all listening sockets: how many connections wait to be accepted, of how many that may; those dropped because "
		"the queue was full; how long new ones waited until they were read from (waited).",
	.keys = keys,
	.nkeys = sizeof(keys) / sizeof(keys[0]),
	.create = net_create,
	LIST_PANEL,
};
