/* The program's side of one plug-in: its helper's life and what it hands over. See plugin.h. */
#include "plugin_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "error.h"

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

enum {
	MESSAGES_MAX = 256, /* taken in by one poll: a helper that floods us does not keep us */
	END_MS = 200,       /* from a closed socket to knowing how the helper ended */
};

struct part {
	struct plugin_collector public;
	struct plugin_hello_collector hello;
	int sample; /* enum plugin_sample */
	uint64_t asked_ns;
	struct wbuf answer; /* one that came with the message */
	size_t in_memory;   /* bytes of one that stands in its region; 0: none does */
	int result;
	uint64_t cost_ns;
	struct culprit_error reason;
};

struct plugin {
	struct zygote *zygote;
	char *path, *name;
	struct plugin_host host; /* with descriptors of our own */
	struct plugin_limits limits;
	int file_fd, epoll, state;
	struct culprit_error reason;
	struct helper *helper; /* NULL: none */
	int memory_fd;         /* shared with it */
	uint32_t starts;
	uint64_t started_ns, next_ns;
	uint64_t ended_ns; /* its socket was closed; 0: it was not */
	struct schema *schema; /* NULL: never was ready */
	struct plugin_tables *tables;
	struct wbuf identity, scratch, interests;
	bool interests_due;
	uint32_t nparts;
	struct part *parts;
	struct plugin_stats stats;
	struct plugin_hello hello; /* too large for the stack */
	char message[sizeof(struct plugin_message) + PLUGIN_INLINE_MAX];
};

/* --- creation --- */

static char *name_of(const char *path)
{
	const char *base = strrchr(path, '/');
	char *name = strdup(base ? base + 1 : path);
	size_t n = name ? strlen(name) : 0;

	if (n > 3 && !strcmp(name + n - 3, ".so"))
		name[n - 3] = 0;
	return name;
}

static int dup_fd(int fd)
{
	return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static void set_limits(struct plugin_limits *to, const struct plugin_limits *from)
{
	if (from)
		*to = *from;
	if (!to->load_ns)
		to->load_ns = 10 * NS_PER_S;
	if (!to->answer_ns)
		to->answer_ns = 10 * NS_PER_S;
	if (!to->backoff_ns)
		to->backoff_ns = NS_PER_S;
	if (!to->restarts)
		to->restarts = 5;
	else if (to->restarts == UINT32_MAX)
		to->restarts = 0;
}

static void part_broken(struct part *c, const char *reason)
{
	c->sample = PLUGIN_BROKEN;
	snprintf(c->reason.sentence, sizeof(c->reason.sentence), "%s", reason);
}

static void helper_drop(struct plugin *p)
{
	if (!p->helper)
		return;
	epoll_ctl(p->epoll, EPOLL_CTL_DEL, p->helper->fd, NULL);
	helper_release(p->helper);
	p->helper = NULL;
	close(p->memory_fd);
	p->memory_fd = -1;
	p->ended_ns = 0;
}

/* Not to be used any more, or not now: what it had to say last is not believed. */
static void down(struct plugin *p, int state, const char *reason)
{
	p->state = state;
	snprintf(p->reason.sentence, sizeof(p->reason.sentence), "%s", reason);
	for (uint32_t i = 0; i < p->nparts; i++)
		part_broken(&p->parts[i], p->reason.sentence);
	helper_drop(p);
}

/* The helper is lost; another one is tried for some time. */
static void lost(struct plugin *p, const char *what, uint64_t now)
{
	char text[400];
	uint64_t pause;

	if (p->starts > p->limits.restarts) {
		snprintf(text, sizeof(text), "%s %s; it was started %u times and is given up.", p->name, what, p->starts);
		down(p, PLUGIN_FAILED, text);
		return;
	}
	pause = p->limits.backoff_ns << (p->starts < 16 ? p->starts - 1 : 15);
	snprintf(text, sizeof(text), "%s %s; it is started again after %.3g s.", p->name, what, (double)pause / 1e9);
	down(p, PLUGIN_DOWN, text);
	p->next_ns = now + pause;
}

static int memory_create(void)
{
	int fd = memfd_create("culprit-plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	off_t size = (off_t)(1 + PLUGIN_COLLECTORS_MAX) * PLUGIN_SAMPLE_MAX;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, size) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	size = -errno;
	close(fd);
	return (int)size;
}

static void start(struct plugin *p, uint64_t now)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct plugin_start args = {
		.flags = p->host.flags,
		.has_proc = p->host.proc_fd >= 0,
		.has_sys = p->host.sys_fd >= 0,
		.user_hz = p->host.user_hz,
		.page_size = p->host.page_size,
		.interval_ns = p->host.interval_ns,
		.task_budget = p->host.task_budget,
	};
	struct culprit_error error = {""};
	char text[400];
	int fds[4], err;

	p->memory_fd = memory_create();
	if (p->memory_fd < 0) {
		snprintf(text, sizeof(text), "cannot be started: %s", strerror(-p->memory_fd));
		p->starts++;
		lost(p, text, now);
		return;
	}
	fds[0] = p->file_fd;
	fds[1] = p->memory_fd;
	fds[2] = args.has_proc ? p->host.proc_fd : p->memory_fd;
	fds[3] = args.has_sys ? p->host.sys_fd : p->memory_fd;
	err = zygote_spawn(p->zygote, &plugin_kind, &args, sizeof(args), fds, 4, &p->helper, &error);
	if (err < 0) {
		close(p->memory_fd);
		p->memory_fd = -1;
		snprintf(text, sizeof(text), "%s is not started. %s", p->name, error.sentence);
		down(p, err == -EAGAIN ? PLUGIN_DOWN : PLUGIN_FAILED, text);
		p->next_ns = now + p->limits.backoff_ns;
		return;
	}
	epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->helper->fd, &event);
	p->state = PLUGIN_LOADING;
	p->started_ns = now;
	p->stats.restarts = p->starts++;
	p->interests_due = p->interests.len > 0;
	if (!p->schema)
		snprintf(p->reason.sentence, sizeof(p->reason.sentence), "%s is being loaded.", p->name);
}

struct plugin *plugin_create(struct zygote *zygote, const char *path, const struct plugin_host *host,
			     const struct plugin_limits *limits)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct plugin *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->zygote = zygote;
	p->file_fd = p->epoll = p->memory_fd = -1;
	p->host = *host;
	p->host.proc_fd = dup_fd(host->proc_fd);
	p->host.sys_fd = dup_fd(host->sys_fd);
	set_limits(&p->limits, limits);
	p->path = strdup(path);
	p->name = name_of(path);
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!p->path || !p->name || p->epoll < 0 || epoll_ctl(p->epoll, EPOLL_CTL_ADD, zygote_fd(zygote), &event) < 0) {
		plugin_destroy(p);
		return NULL;
	}
#ifdef CULPRIT_STATIC
	p->state = PLUGIN_REFUSED;
	error_set(&p->reason, -ENOTSUP, "This is the static binary, which has no plug-ins: use a dynamic build of culprit.");
#else
	p->file_fd = plugin_open_file(path, &p->reason);
	if (p->file_fd < 0)
		p->state = PLUGIN_REFUSED;
	else
		start(p, zygote_now_ns());
#endif
	return p;
}

void plugin_destroy(struct plugin *p)
{
	if (!p)
		return;
	helper_drop(p);
	for (uint32_t i = 0; i < p->nparts; i++)
		wbuf_finish(&p->parts[i].answer);
	free(p->parts);
	plugin_tables_destroy(p->tables);
	schema_unlock(p->schema);
	wbuf_finish(&p->identity);
	wbuf_finish(&p->scratch);
	wbuf_finish(&p->interests);
	if (p->file_fd >= 0)
		close(p->file_fd);
	if (p->epoll >= 0)
		close(p->epoll);
	if (p->host.proc_fd >= 0)
		close(p->host.proc_fd);
	if (p->host.sys_fd >= 0)
		close(p->host.sys_fd);
	free(p->path);
	free(p->name);
	free(p);
}

/* --- what the helper says --- */

/* The whole body: from the message, or from memory. False: it is not there. */
static bool take_body(struct plugin *p, const struct plugin_message *m, size_t inline_len, uint32_t region, struct wbuf *to)
{
	size_t done = 0;
	uint8_t *bytes;

	wbuf_clear(to);
	if (m->len > PLUGIN_SAMPLE_MAX || (m->len <= PLUGIN_INLINE_MAX && m->len != inline_len))
		return false;
	if (m->len <= PLUGIN_INLINE_MAX) {
		wbuf_bytes(to, p->message + sizeof(*m), inline_len);
		return !to->err;
	}
	bytes = wbuf_reserve(to, m->len);
	while (bytes && done < m->len) {
		ssize_t n = pread(p->memory_fd, bytes + done, m->len - done,
				  (off_t)region * PLUGIN_SAMPLE_MAX + (off_t)done);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			return false;
	}
	if (bytes)
		to->len = m->len;
	return bytes;
}

/* The first hello: keeps the schema and the list of collectors. */
static int adopt(struct plugin *p, struct plugin_hello *h)
{
	wbuf_clear(&p->identity);
	wbuf_bytes(&p->identity, h->identity, h->identity_len);
	p->tables = plugin_tables_create(h->schema);
	p->parts = calloc(h->ncollectors + 1, sizeof(*p->parts));
	if (!p->tables || !p->parts || p->identity.err)
		return -ENOMEM;
	p->nparts = h->ncollectors;
	p->schema = schema_lock(h->schema);
	return 0;
}

static void refuse(struct plugin *p, const char *what)
{
	char text[400];

	snprintf(text, sizeof(text), "%s is refused: %s", p->name, what);
	down(p, PLUGIN_REFUSED, text);
}

static void take_hello(struct plugin *p)
{
	struct plugin_hello *h = &p->hello;
	struct culprit_error error = {""};

	if (p->state != PLUGIN_LOADING) {
		refuse(p, "its helper says twice what is in it.");
		return;
	}
	if (plugin_hello_decode(h, p->scratch.data, p->scratch.len, &error) < 0) {
		refuse(p, error.sentence);
		return;
	}
	if (p->schema && (h->identity_len != p->identity.len || memcmp(h->identity, p->identity.data, h->identity_len)))
		refuse(p, "it came back with other tables; restart culprit.");
	else if (!p->schema && adopt(p, h) < 0)
		refuse(p, "out of memory.");
	else {
		p->state = PLUGIN_READY;
		p->reason.sentence[0] = 0;
	}
	for (uint32_t i = 0; p->state == PLUGIN_READY && i < p->nparts; i++) {
		struct part *c = &p->parts[i];

		c->hello = h->collectors[i];
		c->public = (struct plugin_collector){
			.name = c->hello.name,
			.help = c->hello.help,
			.period_ns = c->hello.period_ns,
			.ntables = c->hello.ntables,
			.tables = plugin_tables_list(p->tables) + c->hello.first_table,
			.probe = c->hello.probe,
			.sentence = c->hello.error.sentence,
		};
		c->sample = c->hello.probe ? PLUGIN_ABSENT : PLUGIN_IDLE;
		c->reason = c->hello.error;
	}
	schema_unlock(h->schema);
	h->schema = NULL;
}

static void take_answer(struct plugin *p, const struct plugin_message *m, size_t inline_len)
{
	struct part *c = m->collector < p->nparts ? &p->parts[m->collector] : NULL;

	if (!c || p->state != PLUGIN_READY || c->sample != PLUGIN_ASKED) {
		refuse(p, "its helper answers what was not asked.");
		return;
	}
	wbuf_clear(&c->answer);
	/* A long one stays where it is until it is replayed: the helper is asked for no other before. */
	c->in_memory = m->len > PLUGIN_INLINE_MAX && m->len <= PLUGIN_SAMPLE_MAX ? m->len : 0;
	if (m->result > 0 || m->result < -4095 || (!c->in_memory && !take_body(p, m, inline_len, 1 + m->collector, &c->answer))) {
		refuse(p, "its helper sends answers that are damaged.");
		return;
	}
	c->sample = PLUGIN_ANSWERED;
	c->result = m->result;
	c->cost_ns = m->cost_ns;
	p->stats.samples++;
	p->stats.bytes += m->len;
}

static void take_log(struct plugin *p, const struct plugin_message *m)
{
	char text[PLUGIN_REASON_MAX + 1];

	if (!p->host.log || !p->scratch.len || p->scratch.len > PLUGIN_REASON_MAX)
		return;
	memcpy(text, p->scratch.data, p->scratch.len);
	text[p->scratch.len] = 0;
	p->host.log(p->host.context,
		    m->result >= CULPRIT_LOG_ERROR && m->result <= CULPRIT_LOG_INFO ? (uint32_t)m->result : CULPRIT_LOG_INFO,
		    p->name, text);
}

static void take_message(struct plugin *p, size_t n)
{
	struct plugin_message m;
	size_t inline_len = n - sizeof(m);

	memcpy(&m, p->message, sizeof(m));
	if (m.type == PLUGIN_ANSWER) {
		take_answer(p, &m, inline_len);
		return;
	}
	if (!take_body(p, &m, inline_len, PLUGIN_HELLO_REGION, &p->scratch)) {
		refuse(p, "its helper sends messages that are damaged.");
		return;
	}
	if (m.type == PLUGIN_HELLO) {
		take_hello(p);
	} else if (m.type == PLUGIN_LOG) {
		take_log(p, &m);
	} else if (m.type == PLUGIN_REFUSE && p->state == PLUGIN_LOADING) {
		wbuf_u8(&p->scratch, 0);
		if (!p->scratch.err)
			refuse(p, (const char *)p->scratch.data);
	} else {
		refuse(p, "its helper sends messages that make no sense.");
	}
}

static void receive(struct plugin *p, uint64_t now)
{
	for (int i = 0; i < MESSAGES_MAX && p->helper && !p->ended_ns; i++) {
		struct iovec iov = {.iov_base = p->message, .iov_len = sizeof(p->message)};
		struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
		ssize_t n = recvmsg(p->helper->fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

		if (n >= (ssize_t)sizeof(struct plugin_message) && !(h.msg_flags & MSG_TRUNC)) {
			take_message(p, (size_t)n);
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else if (n < 0 && errno == EAGAIN) {
			return;
		} else if (n > 0) {
			refuse(p, "its helper sends messages that make no sense.");
		} else {
			/* It has gone, or closed its end. How it ended comes from the zygote. */
			p->ended_ns = now;
			epoll_ctl(p->epoll, EPOLL_CTL_DEL, p->helper->fd, NULL);
		}
	}
}

/* --- deadlines --- */

static void check_end(struct plugin *p, uint64_t now)
{
	char what[128];

	if (!p->helper || (p->helper->state != HELPER_GONE && !p->ended_ns))
		return;
	if (p->helper->state == HELPER_GONE) {
		helper_describe(p->helper, what, sizeof(what));
	} else if (now - p->ended_ns >= END_MS * NS_PER_MS) {
		helper_kill(p->helper);
		snprintf(what, sizeof(what), "hung up");
	} else {
		return;
	}
	p->stats.crashes++;
	lost(p, what, now);
}

static void check_deadlines(struct plugin *p, uint64_t now)
{
	char what[160];

	if (!p->helper || p->ended_ns)
		return;
	what[0] = 0;
	if (p->state == PLUGIN_LOADING && now - p->started_ns >= p->limits.load_ns)
		snprintf(what, sizeof(what), "did not load within %.3g s and was killed", (double)p->limits.load_ns / 1e9);
	for (uint32_t i = 0; !what[0] && i < p->nparts; i++) {
		struct part *c = &p->parts[i];

		if (c->sample == PLUGIN_ASKED && now - c->asked_ns >= p->limits.answer_ns)
			snprintf(what, sizeof(what), "gave no sample of %s for %.3g s and was killed", c->public.name,
				 (double)p->limits.answer_ns / 1e9);
	}
	if (!what[0])
		return;
	p->stats.timeouts++;
	helper_kill(p->helper);
	lost(p, what, now);
}

void plugin_poll(struct plugin *p)
{
	uint64_t now = zygote_now_ns();

	zygote_poll(p->zygote);
	if (p->state == PLUGIN_DOWN && now >= p->next_ns)
		start(p, now);
	receive(p, now);
	check_end(p, now);
	check_deadlines(p, now);
}

int plugin_fd(const struct plugin *p)
{
	return p->epoll;
}

uint64_t plugin_next_ns(const struct plugin *p)
{
	uint64_t next = UINT64_MAX;

	if (p->state == PLUGIN_DOWN)
		return p->next_ns;
	if (!p->helper)
		return next;
	if (p->ended_ns)
		return p->ended_ns + END_MS * NS_PER_MS;
	if (p->state == PLUGIN_LOADING)
		next = p->started_ns + p->limits.load_ns;
	for (uint32_t i = 0; i < p->nparts; i++)
		if (p->parts[i].sample == PLUGIN_ASKED && p->parts[i].asked_ns + p->limits.answer_ns < next)
			next = p->parts[i].asked_ns + p->limits.answer_ns;
	return next;
}

static bool is_busy(const struct plugin *p)
{
	if (p->state == PLUGIN_LOADING)
		return true;
	for (uint32_t i = 0; i < p->nparts; i++)
		if (p->parts[i].sample == PLUGIN_ASKED)
			return true;
	return false;
}

void plugin_wait(struct plugin *p, uint64_t ns)
{
	uint64_t now = zygote_now_ns(), end = now + ns < now ? UINT64_MAX : now + ns;

	for (;;) {
		struct pollfd f = {.fd = p->epoll, .events = POLLIN};
		uint64_t until = end;

		plugin_poll(p);
		now = zygote_now_ns();
		if (!is_busy(p) || now >= end)
			return;
		if (plugin_next_ns(p) < until)
			until = plugin_next_ns(p);
		if (until > now + NS_PER_S)
			until = now + NS_PER_S;
		poll(&f, 1, until > now ? (int)((until - now) / NS_PER_MS) + 1 : 0);
	}
}

/* --- samples --- */

static bool send_interests(struct plugin *p)
{
	uint32_t word = PLUGIN_DO_INTERESTS;
	struct iovec iov[2] = {{&word, sizeof(word)}, {p->interests.data, p->interests.len}};
	struct msghdr h = {.msg_iov = iov, .msg_iovlen = 2};

	if (!p->interests_due)
		return true;
	if (sendmsg(p->helper->fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return false;
	p->interests_due = false;
	return true;
}

int plugin_request_sample(struct plugin *p, uint32_t i)
{
	uint32_t words[2] = {PLUGIN_DO_SAMPLE, i};
	struct part *c;

	if (i >= p->nparts)
		return -EINVAL;
	c = &p->parts[i];
	if (p->state != PLUGIN_READY || p->ended_ns || c->sample == PLUGIN_ABSENT)
		return -EAGAIN;
	if (c->sample == PLUGIN_ASKED || c->sample == PLUGIN_ANSWERED)
		return -EBUSY;
	if (!send_interests(p) || send(p->helper->fd, words, sizeof(words), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -EBUSY;
	c->sample = PLUGIN_ASKED;
	c->asked_ns = zygote_now_ns();
	snprintf(c->reason.sentence, sizeof(c->reason.sentence), "%s has not answered yet.", p->name);
	return 0;
}

int plugin_sample_state(const struct plugin *p, uint32_t i)
{
	return i < p->nparts ? p->parts[i].sample : PLUGIN_ABSENT;
}

const char *plugin_sample_reason(const struct plugin *p, uint32_t i)
{
	return i < p->nparts ? p->parts[i].reason.sentence : "";
}

static int replay_answer(struct plugin *p, uint32_t i, uint64_t now, struct culprit_frame *frame, struct culprit_error *error)
{
	const struct part *c = &p->parts[i];
	uint32_t first = c->hello.first_table, n = c->hello.ntables;
	int err;

	if (!c->in_memory)
		return plugin_rows_replay(c->answer.data, c->answer.len, p->schema, first, n, now, frame, error);
	err = plugin_memory_replay(p->memory_fd, (uint64_t)(1 + i) * PLUGIN_SAMPLE_MAX, c->in_memory, &p->scratch, p->schema, first, n, now,
				   frame, error);
	wbuf_give_back(&p->scratch);
	return err;
}

int plugin_replay(struct plugin *p, uint32_t i, struct culprit_frame *frame, uint64_t *ret_cost_ns,
		  struct culprit_error *error)
{
	struct part *c = i < p->nparts ? &p->parts[i] : NULL;
	uint64_t now = zygote_now_ns();
	int err;

	if (!c || c->sample != PLUGIN_ANSWERED)
		return -EAGAIN;
	c->sample = PLUGIN_IDLE;
	*ret_cost_ns = c->cost_ns;
	if (c->result == -E2BIG)
		return error_set(error, c->result, "%s: a sample of more than %d MiB is dropped.", c->public.name,
				 PLUGIN_SAMPLE_MAX >> 20);
	if (c->result < 0)
		return error_set(error, c->result, "%s could not sample: %s.", c->public.name, strerror(-c->result));
	/* All of it is checked before anything is emitted. */
	err = replay_answer(p, i, now, NULL, error);
	return err ? err : replay_answer(p, i, now, frame, error);
}

void plugin_set_interests(struct plugin *p, const struct culprit_interest *list, size_t n)
{
	if (!p->schema)
		return;
	wbuf_clear(&p->scratch);
	plugin_interests_encode(&p->scratch, list, n, p->schema);
	if (p->scratch.err ||
	    (p->scratch.len == p->interests.len &&
	     (!p->scratch.len || !memcmp(p->scratch.data, p->interests.data, p->scratch.len))))
		return;
	wbuf_clear(&p->interests);
	wbuf_bytes(&p->interests, p->scratch.data, p->scratch.len);
	p->interests_due = !p->interests.err;
}

/* --- what is known --- */

int plugin_state(const struct plugin *p)
{
	return p->state;
}

const char *plugin_name(const struct plugin *p)
{
	return p->name;
}

const char *plugin_path(const struct plugin *p)
{
	return p->path;
}

const char *plugin_reason(const struct plugin *p)
{
	return p->reason.sentence;
}

uint32_t plugin_restarts(const struct plugin *p)
{
	return p->stats.restarts;
}

uint32_t plugin_ncollectors(const struct plugin *p)
{
	return p->nparts;
}

const struct plugin_collector *plugin_collector(const struct plugin *p, uint32_t i)
{
	return i < p->nparts ? &p->parts[i].public : NULL;
}

void plugin_stats(const struct plugin *p, struct plugin_stats *ret)
{
	*ret = p->stats;
	ret->pid = p->helper ? p->helper->pid : 0;
}
