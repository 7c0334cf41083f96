/* The helper process of one plug-in: loads it, says what is in it, samples when told to, polls its descriptors in
 * between. It may block, crash or leak as the plug-in pleases. */
#include "plugin_wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "error.h"

enum {
	DRAINS_MAX = 1000, /* between two samples: a descriptor that is always readable is left alone then */
	REQUEST_MAX = 32 << 10,
};

struct life {
	const struct zygote_job *job;
	int file_fd, memory_fd;
	struct culprit_host host;
	struct schema *schema;
	struct plugin_loaded loaded[PLUGIN_COLLECTORS_MAX];
	size_t n;
	uint32_t drains[PLUGIN_COLLECTORS_MAX];
	struct plugin_frame frame;
	struct wbuf body;
	uint64_t cpu_ns; /* as of the last answer */
	/* The interests stay borrowed by the collectors until the next ones come. */
	struct culprit_interest interests[PLUGIN_INTERESTS_MAX];
	size_t ninterests;
	char request[REQUEST_MAX], interest_bytes[REQUEST_MAX];
};

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	if (clock_gettime(id, &t) < 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void send_message(struct life *s, struct plugin_message *m, const void *body, int flags)
{
	struct iovec iov[2] = {{m, sizeof(*m)}, {(void *)body, m->len}};
	struct msghdr h = {.msg_iov = iov, .msg_iovlen = 2};

	if (m->len > PLUGIN_INLINE_MAX)
		h.msg_iovlen = 1;
	while (sendmsg(s->job->fd, &h, MSG_NOSIGNAL | flags) < 0 && errno == EINTR)
		;
}

/* A body of any length, through memory where it is long. */
static void send_body(struct life *s, struct plugin_message *m, uint32_t region, const void *body, size_t len)
{
	size_t done = 0;

	m->len = (uint32_t)len;
	while (len > PLUGIN_INLINE_MAX && done < len) {
		ssize_t n = pwrite(s->memory_fd, (const char *)body + done, len - done,
				   (off_t)region * PLUGIN_SAMPLE_MAX + (off_t)done);

		if (n > 0) {
			done += (size_t)n;
		} else if (n == 0 || errno != EINTR) {
			m->result = -ENOMEM;
			m->len = 0;
			break;
		}
	}
	send_message(s, m, body, 0);
}

/* --- the host, as a plug-in sees it --- */

static uint64_t host_now_ns(const struct culprit_host *host, uint32_t clock)
{
	(void)host;
	switch (clock) {
	case CULPRIT_WALL:
		return clock_ns(CLOCK_REALTIME);
	case CULPRIT_BOOT:
		return clock_ns(CLOCK_BOOTTIME);
	}
	return clock_ns(CLOCK_MONOTONIC);
}

/* This process may block: the answer is there at once. */
static int host_ask(const struct culprit_host *host, struct culprit_ask *a)
{
	if (!a->path || strlen(a->path) > ASK_PATH_MAX)
		return -EINVAL;
	return ask_read(host->proc_fd, a->what, a->path, a->buf, a->cap < ASK_CAP_MAX ? a->cap : ASK_CAP_MAX, &a->len);
}

static int host_ask_wait(const struct culprit_host *host, uint64_t ns)
{
	(void)host;
	(void)ns;
	return 0;
}

static void log_sentence(struct life *s, uint32_t level, const char *sentence)
{
	struct plugin_message m = {.type = PLUGIN_LOG, .result = (int32_t)level};
	size_t len = strlen(sentence);

	m.len = len < PLUGIN_REASON_MAX ? (uint32_t)len : PLUGIN_REASON_MAX;
	/* Who talks faster than anybody listens is not heard. */
	send_message(s, &m, sentence, MSG_DONTWAIT);
}

static void host_log(const struct culprit_host *host, uint32_t level, const char *sentence)
{
	if (sentence)
		log_sentence(host->core, level, sentence);
}

static void host_init(struct life *s, const struct plugin_start *start)
{
	s->host = (struct culprit_host){
		.size = sizeof(s->host),
		.abi = CULPRIT_ABI_VERSION,
		.flags = start->flags,
		.proc_fd = start->has_proc ? s->job->fds[2] : -1,
		.sys_fd = start->has_sys ? s->job->fds[3] : -1,
		.user_hz = start->user_hz,
		.page_size = start->page_size,
		.interval_ns = start->interval_ns,
		.task_budget = start->task_budget,
		.core = s,
		.now_ns = host_now_ns,
		.ask = host_ask,
		.ask_wait = host_ask_wait,
		.log = host_log,
	};
}

/* --- life --- */

static void open_collector(struct life *s, struct plugin_loaded *l)
{
	struct culprit_collector *c = &l->collector;

	if (c->probe)
		l->probe = c->probe(&s->host, &l->error);
	if (!l->probe && c->open)
		l->probe = c->open(&s->host, &l->self, &l->error);
	if (l->probe > 0 || l->probe < -4095)
		l->probe = -EINVAL;
	l->error.sentence[sizeof(l->error.sentence) - 1] = 0;
	l->open = !l->probe;
	if (l->probe && !l->error.sentence[0])
		error_set(&l->error, l->probe, "it does not work here: %s.", strerror(-l->probe));
}

/* Loads, opens, and says so. False: refused. */
static bool hello(struct life *s)
{
	struct plugin_message m = {.type = PLUGIN_HELLO};
	struct culprit_error error = {""};
	int n = plugin_load(s->file_fd, s->loaded, s->schema, &error);

	if (n >= 0) {
		s->n = (size_t)n;
		for (size_t i = 0; i < s->n; i++)
			open_collector(s, &s->loaded[i]);
		plugin_hello_encode(&s->body, s->loaded, s->n, s->schema);
		if (s->body.err || s->body.len > PLUGIN_SAMPLE_MAX)
			n = error_set(&error, -E2BIG, "its tables are too large to describe.");
	}
	if (n < 0) {
		m.type = PLUGIN_REFUSE;
		m.result = n;
		send_body(s, &m, PLUGIN_HELLO_REGION, error.sentence, strlen(error.sentence));
		return false;
	}
	s->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	send_body(s, &m, PLUGIN_HELLO_REGION, s->body.data, s->body.len);
	return true;
}

static void sample(struct life *s, uint32_t i)
{
	struct plugin_message m = {.type = PLUGIN_ANSWER, .collector = i};
	struct plugin_loaded *l = &s->loaded[i];
	uint64_t cpu;

	if (i >= s->n || !l->open)
		return;
	s->drains[i] = 0;
	plugin_frame_clear(&s->frame);
	s->frame.region = (uint64_t)(1 + i) * PLUGIN_SAMPLE_MAX;
	m.result = l->collector.sample(l->self, &s->frame.frame);
	if (m.result > 0 || m.result < -4095)
		m.result = -EINVAL;
	plugin_frame_flush(&s->frame);
	if (s->frame.err)
		m.result = s->frame.err;
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	m.cost_ns = cpu - s->cpu_ns;
	s->cpu_ns = cpu;
	/* A failed sample has no rows. Long ones are in memory now, short ones go with the message. */
	m.len = m.result ? 0 : (uint32_t)(s->frame.out + s->frame.rows.len);
	send_message(s, &m, s->frame.rows.data, 0);
}

static void interests(struct life *s, const char *bytes, size_t n)
{
	struct rbuf r;

	memcpy(s->interest_bytes, bytes, n);
	rbuf_init(&r, s->interest_bytes, n);
	s->ninterests = plugin_interests_decode(&r, s->interests, PLUGIN_INTERESTS_MAX);
	for (size_t i = 0; i < s->n; i++) {
		struct plugin_loaded *l = &s->loaded[i];

		if (l->open && l->collector.interests)
			l->collector.interests(l->self, s->interests, s->ninterests);
	}
}

/* False: the program is gone, or wants this to end. */
static bool take_request(struct life *s)
{
	ssize_t n = recv(s->job->fd, s->request, sizeof(s->request), 0);
	uint32_t word[2] = {0, 0};

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (n == 0)
		return false;
	memcpy(word, s->request, (size_t)n < sizeof(word) ? (size_t)n : sizeof(word));
	if (word[0] == PLUGIN_DO_SAMPLE)
		sample(s, word[1]);
	else if (word[0] == PLUGIN_DO_INTERESTS && (size_t)n >= sizeof(word[0]))
		interests(s, s->request + sizeof(word[0]), (size_t)n - sizeof(word[0]));
	return true;
}

static void drain(struct life *s, size_t i)
{
	struct plugin_loaded *l = &s->loaded[i];
	char text[256];
	int err = l->collector.drain(l->self);

	if (err >= 0 && ++s->drains[i] < DRAINS_MAX)
		return;
	s->drains[i] = DRAINS_MAX;
	snprintf(text, sizeof(text), "%s: drain() %s; its descriptor is not looked at again before the next sample.",
		 l->collector.name, err < 0 ? strerror(-err) : "was called too often");
	log_sentence(s, CULPRIT_LOG_WARNING, text);
}

static void loop(struct life *s)
{
	for (;;) {
		struct pollfd p[1 + PLUGIN_COLLECTORS_MAX] = {{.fd = s->job->fd, .events = POLLIN}};

		for (size_t i = 0; i < s->n; i++) {
			struct plugin_loaded *l = &s->loaded[i];

			p[1 + i] = (struct pollfd){.fd = -1, .events = POLLIN};
			if (l->open && l->collector.fd && s->drains[i] < DRAINS_MAX)
				p[1 + i].fd = l->collector.fd(l->self);
		}
		if (poll(p, 1 + s->n, -1) < 0)
			continue;
		for (size_t i = 0; i < s->n; i++)
			if (p[1 + i].revents)
				drain(s, i);
		if (p[0].revents && !take_request(s))
			return;
	}
}

static int run(const struct zygote_job *job)
{
	static struct life s; /* of this process, that does nothing else */
	struct plugin_start start;

	if (job->nfds != 4 || job->nargs != sizeof(start))
		return 2;
	memcpy(&start, job->args, sizeof(start));
	s.job = job;
	s.file_fd = job->fds[0];
	s.memory_fd = job->fds[1];
	s.schema = schema_create();
	if (!s.schema)
		return 2;
	wbuf_init(&s.body);
	plugin_frame_init(&s.frame);
	s.frame.memory_fd = s.memory_fd;
	host_init(&s, &start);
	if (!hello(&s))
		return 0;
	loop(&s);
	for (size_t i = 0; i < s.n; i++)
		if (s.loaded[i].open && s.loaded[i].collector.close)
			s.loaded[i].collector.close(s.loaded[i].self);
	return 0;
}

const struct zygote_kind plugin_kind = {.name = "culprit-plugin", .run = run};
