/* The pool: sends questions, takes in answers, enforces the deadline. See ask.h; memory is in ask_store.c. */
#include "ask_main.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ask_store.h"
#include "error.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

enum {
	SEND_AT = 64,        /* so many questions are sent before anybody waits for them */
	START_MS = 2000,     /* a helper that has not begun by then is replaced */
	FAILURES_MAX = 3,    /* helpers in a row that came to nothing */
	LOOK_MS = 5,         /* a waiting client looks so often, bell or not */
	GIVE_BACK = 64 << 10, /* bytes of answers taken in, for which memory goes back */
	STATFS_CAP = sizeof(struct culprit_statfs),
};

struct ask_client {
	struct ask_pool *pool;
	uint8_t id; /* 1.. */
	uint32_t pending;
};

struct ask_pool {
	struct zygote *zygote;
	struct ask_store *store;
	int proc_fd, epoll;
	struct helper *helper;      /* NULL: none */
	struct ask_shared *shared;  /* its */
	int shared_fd;              /* its, while there is one */
	uint64_t tail;              /* bytes of its ring taken in */
	uint64_t given_back;        /* of those: the memory up to here was given back */
	uint64_t credit;            /* bytes that the answers outstanding may take */
	uint64_t progress_ns;       /* when it last was seen to do something, or got its first question */
	uint32_t next_seq;
	uint32_t failures;
	uint64_t cpu_ns;            /* of helpers before */
	struct ask_stats stats;
	struct ask_client *clients[ASK_CLIENTS_MAX + 1];
	char batch[ASK_BATCH];
};

struct ask_pool *ask_pool_create(struct zygote *zygote, int proc_fd, struct culprit_error *error)
{
	struct ask_pool *p = calloc(1, sizeof(*p));
	struct epoll_event event = {.events = EPOLLIN};

	if (!p) {
		error_set(error, -ENOMEM, "Out of memory for questions to helpers.");
		return NULL;
	}
	p->zygote = zygote;
	p->epoll = -1;
	p->proc_fd = proc_fd < 0 ? -1 : fcntl(proc_fd, F_DUPFD_CLOEXEC, 3);
	if (proc_fd >= 0 && p->proc_fd < 0) {
		error_set(error, -errno, "No descriptor left for helpers: %s; raise the limit (ulimit -n).", strerror(errno));
		goto fail;
	}
	if (!zygote)
		return p;
	p->store = ask_store_create();
	if (!p->store) {
		error_set(error, -ENOMEM, "Out of memory for questions to helpers.");
		goto fail;
	}
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (p->epoll < 0 || epoll_ctl(p->epoll, EPOLL_CTL_ADD, zygote_fd(zygote), &event) < 0) {
		error_set(error, -errno, "No descriptor left for helpers: %s; raise the limit (ulimit -n).", strerror(errno));
		goto fail;
	}
	return p;
fail:
	ask_pool_destroy(p);
	return NULL;
}

/* --- the end of a question --- */

static void settled(struct ask_pool *p, struct question *q)
{
	struct ask_client *c = p->clients[q->client];

	if (!q->orphan && c)
		c->pending--;
}

/* `result` < 0; or the length of the answer that is kept already. */
static void question_answer(struct ask_pool *p, struct question *q, int32_t result, uint64_t now)
{
	settled(p, q);
	if (q->orphan) {
		ask_store_remove(p->store, q);
		return;
	}
	q->result = result;
	q->since_ns = now;
	ask_store_move(p->store, q, ASK_ANSWERED);
}

/* Its target was given up: the target is remembered, whoever asks. */
static void question_block(struct ask_pool *p, struct question *q, uint64_t helper, uint64_t now)
{
	char path[ASK_PATH_MAX + 1];
	struct question *b;

	p->stats.timeouts++;
	ask_store_path(p->store, q, path);
	b = ask_store_find(p->store, 0, q->what, path, q->path_len);
	if (!b)
		b = ask_store_add(p->store, 0, q->what, path, q->path_len, ASK_BLOCKED);
	if (b) {
		b->helper = helper;
		b->since_ns = now;
		settled(p, q);
		ask_store_remove(p->store, q);
	} else {
		question_answer(p, q, -ETIMEDOUT, now);
	}
}

static void answer_all(struct ask_pool *p, enum ask_state state, int32_t result, uint64_t now)
{
	struct question *q;

	while ((q = ask_store_first(p->store, state)))
		question_answer(p, q, result, now);
}

/* --- the helper --- */

static void helper_drop(struct ask_pool *p)
{
	struct question *q;

	p->cpu_ns += atomic_load_explicit(&p->shared->cpu_ns, memory_order_relaxed);
	munmap(p->shared, sizeof(*p->shared));
	close(p->shared_fd);
	p->shared = NULL;
	epoll_ctl(p->epoll, EPOLL_CTL_DEL, p->helper->fd, NULL);
	helper_release(p->helper);
	p->helper = NULL;
	p->tail = p->credit = p->given_back = 0;
	/* back to the head of the queue, in order */
	while ((q = ask_store_last(p->store, ASK_SENT)))
		ask_store_move_first(p->store, q, ASK_QUEUED);
}

/* Memory for answers: it cannot be made smaller under us. */
static struct ask_shared *shared_create(int *ret_fd)
{
	int fd = memfd_create("culprit-ask", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct ask_shared *s;

	if (fd < 0)
		return NULL;
	if (ftruncate(fd, sizeof(*s)) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		goto fail;
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s == MAP_FAILED)
		goto fail;
	*ret_fd = fd;
	return s;
fail:
	close(fd);
	return NULL;
}

static int helper_start(struct ask_pool *p, uint64_t now)
{
	struct epoll_event event = {.events = EPOLLIN};
	int fds[2], err;

	p->shared = shared_create(&fds[1]);
	if (!p->shared)
		return -ENOMEM;
	fds[0] = p->proc_fd < 0 ? fds[1] : p->proc_fd;
	err = zygote_spawn(p->zygote, &ask_kind, NULL, 0, fds, 2, &p->helper, NULL);
	if (err < 0) {
		munmap(p->shared, sizeof(*p->shared));
		close(fds[1]);
		p->shared = NULL;
		return err;
	}
	p->shared_fd = fds[1];
	epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->helper->fd, &event);
	p->progress_ns = now;
	p->stats.spawned++;
	return 0;
}

/* Takes the bells; false: the helper has hung up. */
static bool take_bells(struct ask_pool *p)
{
	char bell[16];
	ssize_t n;

	do
		n = recv(p->helper->fd, bell, sizeof(bell), MSG_DONTWAIT);
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 && errno == EAGAIN;
}

/* --- sending --- */

static uint64_t room_of(const struct question *q)
{
	return sizeof(struct ask_answer) + ask_padded(q->cap);
}

/* Was this target given up, less than 30 s ago or by a helper that is still stuck there? */
static bool is_blocked(struct ask_pool *p, uint8_t what, const char *path, size_t len, uint64_t now)
{
	struct question *b = ask_store_find(p->store, 0, what, path, len);

	if (!b)
		return false;
	if (now < b->since_ns + ASK_RETRY_S * NS_PER_S || zygote_has(p->zygote, b->helper))
		return true;
	ask_store_remove(p->store, b);
	return false;
}

/* Fills the batch from the head of the queue. Returns its length, and how many questions are in it. */
static size_t fill_batch(struct ask_pool *p, uint32_t *ret_n, uint64_t *ret_credit, uint64_t now)
{
	struct question *q = ask_store_first(p->store, ASK_QUEUED), *next;
	uint64_t credit = p->credit;
	size_t len = 0;
	uint32_t n = 0;

	for (; q; q = next) {
		struct ask_question header = {
			.seq = p->next_seq + n,
			.cap = q->cap,
			.what = q->what,
			.len = (uint16_t)(q->path_len + 1),
		};
		char *path = p->batch + len + sizeof(header);

		next = ask_store_next(p->store, q);
		if (len + sizeof(header) + header.len > ASK_BATCH || credit + room_of(q) > ASK_RING)
			break;
		ask_store_path(p->store, q, path);
		if (is_blocked(p, q->what, path, q->path_len, now)) {
			settled(p, q);
			ask_store_remove(p->store, q);
			continue;
		}
		memcpy(p->batch + len, &header, sizeof(header));
		q->seq = header.seq;
		len += sizeof(header) + header.len;
		credit += room_of(q);
		n++;
	}
	*ret_n = n;
	*ret_credit = credit;
	return len;
}

static void pool_send(struct ask_pool *p, uint64_t now)
{
	uint64_t credit;
	uint32_t n;
	size_t len;

	if (!ask_store_count(p->store, ASK_QUEUED))
		return;
	if (!p->helper && helper_start(p, now) < 0) {
		answer_all(p, ASK_QUEUED, -EAGAIN, now);
		return;
	}
	while ((len = fill_batch(p, &n, &credit, now)) > 0) {
		if (send(p->helper->fd, p->batch, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break; /* full: later; gone: pool_check() sees it */
		if (!ask_store_count(p->store, ASK_SENT))
			p->progress_ns = now;
		p->next_seq += n;
		p->credit = credit;
		while (n--)
			ask_store_move(p->store, ask_store_first(p->store, ASK_QUEUED), ASK_SENT);
	}
	if (ask_store_count(p->store, ASK_QUEUED))
		/* half-way there is room for more */
		atomic_store_explicit(&p->shared->bell_seq,
				      p->next_seq - 1 - ask_store_count(p->store, ASK_SENT) / 2, memory_order_relaxed);
}

/* --- taking in --- */

static void ring_read(const struct ask_shared *s, uint64_t at, void *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((unsigned char *)buf)[i] = s->ring[(at + i) % ASK_RING];
}

/* One answer, checked: the helper has run foreign code (name services). Returns its length in the ring, 0: nonsense. */
static uint64_t take_answer(struct ask_pool *p, uint64_t head, uint64_t now)
{
	struct question *q = ask_store_first(p->store, ASK_SENT);
	size_t len, begin, first;
	struct ask_answer a;
	uint64_t whole;

	if (!q || head - p->tail < sizeof(a))
		return 0;
	ring_read(p->shared, p->tail, &a, sizeof(a));
	len = a.result > 0 ? (size_t)a.result : 0;
	whole = sizeof(a) + ask_padded(len);
	if (a.seq != q->seq || len > q->cap || a.result < -4095 || head - p->tail < whole)
		return 0;
	begin = (p->tail + sizeof(a)) % ASK_RING;
	first = len < ASK_RING - begin ? len : ASK_RING - begin;
	p->credit -= room_of(q);
	p->stats.answered++;
	if (len && !q->orphan &&
	    !ask_store_put_answer(p->store, q, p->shared->ring + begin, first, p->shared->ring, len - first)) {
		a.result = -EAGAIN; /* no room to keep it */
		p->stats.dropped++;
	}
	question_answer(p, q, a.result, now);
	return whole;
}

/* Returns how many answers there were; -EBADMSG. */
static int harvest(struct ask_pool *p, uint64_t now)
{
	uint64_t head = atomic_load_explicit(&p->shared->head, memory_order_acquire);
	int n = 0;

	if (head - p->tail > ASK_RING)
		return -EBADMSG;
	while (p->tail != head) {
		uint64_t whole = take_answer(p, head, now);

		if (!whole)
			return -EBADMSG;
		p->tail += whole;
		n++;
	}
	if (n) {
		p->progress_ns = now;
		p->failures = 0;
	}
	return n;
}

/* Answers go round in the ring, and would in time have touched all of it. Where none is outstanding the helper writes nowhere; what has
 * been read goes back to the system then, in pieces that are worth a system call. Through the descriptor: of memory that is locked
 * madvise() would take nothing. */
static void give_back(struct ask_pool *p)
{
	uint64_t n = p->tail - p->given_back, begin, first;

	if (p->credit || n < GIVE_BACK)
		return;
	n = n < ASK_RING ? n : ASK_RING;
	begin = (p->tail - n) % ASK_RING;
	first = n < ASK_RING - begin ? n : ASK_RING - begin;
	/* Of pages that it may not take as a whole it writes zeros over the part: nobody reads that either. */
	(void)!fallocate(p->shared_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(offsetof(struct ask_shared, ring) + begin),
			 (off_t)first);
	if (n > first)
		(void)!fallocate(p->shared_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offsetof(struct ask_shared, ring),
				 (off_t)(n - first));
	p->given_back = p->tail;
}

/* The helper came to nothing. After a few in a row, whoever waits gets `result`. */
static void helper_failed(struct ask_pool *p, int32_t result, uint64_t now)
{
	helper_kill(p->helper);
	helper_drop(p);
	if (++p->failures < FAILURES_MAX)
		return;
	p->failures = 0;
	answer_all(p, ASK_QUEUED, result, now);
}

static void pool_check(struct ask_pool *p, uint64_t now)
{
	struct question *first;
	uint64_t busy;
	bool gone;
	int n;

	if (!p->helper)
		return;
	gone = !take_bells(p) || p->helper->state == HELPER_GONE;
	n = harvest(p, now);
	busy = atomic_load_explicit(&p->shared->busy_ns, memory_order_acquire);
	first = ask_store_first(p->store, ASK_SENT);
	if (n < 0) {
		helper_failed(p, -EIO, now);
	} else if (gone) {
		/* what it died at is not asked again */
		if (first && busy)
			question_answer(p, first, -EIO, now);
		helper_failed(p, -EIO, now);
	} else if (first && busy && now > busy && now - busy >= ASK_DEADLINE_MS * NS_PER_MS) {
		helper_kill(p->helper);
		/* It may have come through at the last moment: then nothing is to blame. */
		if (harvest(p, now) == 0)
			question_block(p, first, p->helper->id, now);
		helper_drop(p);
	} else if (first && !busy && now - p->progress_ns >= START_MS * NS_PER_MS) {
		helper_failed(p, -EAGAIN, now);
	}
}

/* Answers that nobody fetched, targets that may be asked again. */
static void forget(struct ask_pool *p, uint64_t now)
{
	struct question *q, *next;

	while ((q = ask_store_first(p->store, ASK_ANSWERED)) && now >= q->since_ns + ASK_FORGET_S * NS_PER_S) {
		ask_store_remove(p->store, q);
		p->stats.dropped++;
	}
	for (q = ask_store_first(p->store, ASK_BLOCKED); q; q = next) {
		next = ask_store_next(p->store, q);
		if (now < q->since_ns + ASK_RETRY_S * NS_PER_S)
			break;
		if (!zygote_has(p->zygote, q->helper))
			ask_store_remove(p->store, q);
	}
}

void ask_pool_poll(struct ask_pool *p)
{
	uint64_t now = zygote_now_ns();

	if (!p->zygote)
		return;
	zygote_poll(p->zygote);
	pool_check(p, now);
	if (p->helper)
		give_back(p);
	forget(p, now);
	pool_send(p, now);
}

int ask_pool_fd(const struct ask_pool *p)
{
	return p->epoll;
}

uint64_t ask_pool_next_ns(const struct ask_pool *p)
{
	uint64_t busy, now = zygote_now_ns();

	if (!p->zygote)
		return UINT64_MAX;
	if (p->helper && ask_store_count(p->store, ASK_SENT)) {
		busy = atomic_load_explicit(&p->shared->busy_ns, memory_order_relaxed);
		/* Not begun: it says nothing when it does, so look when the deadline could be over at the earliest. */
		if (!busy)
			busy = p->progress_ns;
		busy += ASK_DEADLINE_MS * NS_PER_MS;
		return busy > now ? busy : now + LOOK_MS * NS_PER_MS;
	}
	return ask_store_count(p->store, ASK_QUEUED) ? 0 : UINT64_MAX;
}

void ask_pool_destroy(struct ask_pool *p)
{
	if (!p)
		return;
	if (p->helper)
		helper_drop(p);
	ask_store_destroy(p->store);
	if (p->epoll >= 0)
		close(p->epoll);
	if (p->proc_fd >= 0)
		close(p->proc_fd);
	free(p);
}

void ask_pool_stats(const struct ask_pool *p, struct ask_stats *ret)
{
	*ret = p->stats;
	ret->cpu_ns = p->cpu_ns;
	if (p->helper) {
		ret->helpers = 1;
		ret->cpu_ns += atomic_load_explicit(&p->shared->cpu_ns, memory_order_relaxed);
	}
	if (p->store) {
		ret->pending = ask_store_count(p->store, ASK_QUEUED) + ask_store_count(p->store, ASK_SENT);
		ret->kept = ask_store_count(p->store, ASK_ANSWERED);
	}
}

/* --- clients --- */

struct ask_client *ask_client_create(struct ask_pool *p)
{
	struct ask_client *c;
	int id = 1;

	while (id <= ASK_CLIENTS_MAX && p->clients[id])
		id++;
	if (id > ASK_CLIENTS_MAX)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->pool = p;
	c->id = (uint8_t)id;
	p->clients[id] = c;
	return c;
}

void ask_client_destroy(struct ask_client *c)
{
	struct question *q, *next;

	if (!c)
		return;
	for (int state = ASK_QUEUED; c->pool->store && state <= ASK_ANSWERED; state++) {
		for (q = ask_store_first(c->pool->store, state); q; q = next) {
			next = ask_store_next(c->pool->store, q);
			if (q->client != c->id || q->orphan)
				continue;
			if (state == ASK_SENT)
				ask_store_orphan(c->pool->store, q);
			else
				ask_store_remove(c->pool->store, q);
		}
	}
	c->pool->clients[c->id] = NULL;
	free(c);
}

/* How long an answer may be; 0: the question makes no sense. */
static uint32_t cap_of(const struct culprit_ask *a)
{
	switch (a->what) {
	case CULPRIT_ASK_FILE:
	case CULPRIT_ASK_NAMES:
		return a->cap < ASK_CAP_MAX ? a->cap : ASK_CAP_MAX;
	case CULPRIT_ASK_STATFS:
		return a->cap < STATFS_CAP ? 0 : STATFS_CAP;
	case CULPRIT_ASK_USER:
		return a->cap < ASK_USER_MAX ? a->cap : ASK_USER_MAX;
	}
	return 0;
}

static int fetch(struct ask_pool *p, struct question *q, struct culprit_ask *a)
{
	int result = q->result;

	if (result >= 0)
		a->len = (uint32_t)ask_store_get_answer(p->store, q, a->buf, a->cap);
	ask_store_remove(p->store, q);
	return result < 0 ? result : 0;
}

static bool helpers_refused(const struct ask_pool *p)
{
	struct zygote_stats stats;

	if (p->helper)
		return false;
	zygote_stats(p->zygote, &stats);
	return stats.stuck >= ZYGOTE_STUCK_MAX;
}

int ask_client_ask(struct ask_client *c, struct culprit_ask *a)
{
	struct ask_pool *p = c->pool;
	size_t len = strlen(a->path);
	uint32_t cap = cap_of(a);
	struct question *q;

	if (!cap || !len || len > ASK_PATH_MAX)
		return -EINVAL;
	if ((a->what == CULPRIT_ASK_FILE || a->what == CULPRIT_ASK_NAMES) && p->proc_fd < 0)
		return -ENOENT;
	if (!p->zygote)
		return ask_read(p->proc_fd, a->what, a->path, a->buf, cap, &a->len);
	q = ask_store_find(p->store, c->id, (uint8_t)a->what, a->path, len);
	if (q)
		return q->state == ASK_ANSWERED ? fetch(p, q, a) : -EINPROGRESS;
	if (ask_store_count(p->store, ASK_BLOCKED) && is_blocked(p, (uint8_t)a->what, a->path, len, zygote_now_ns()))
		return -ETIMEDOUT;
	q = helpers_refused(p) ? NULL : ask_store_add(p->store, c->id, (uint8_t)a->what, a->path, len, ASK_QUEUED);
	if (!q) {
		p->stats.refused++;
		return -EAGAIN;
	}
	q->cap = cap;
	c->pending++;
	p->stats.asked++;
	if (ask_store_count(p->store, ASK_QUEUED) % SEND_AT == 0)
		pool_send(p, zygote_now_ns());
	return -EINPROGRESS;
}

int ask_client_wait(struct ask_client *c, uint64_t ns)
{
	struct ask_pool *p = c->pool;
	uint64_t now = zygote_now_ns(), end = now + ns < now ? UINT64_MAX : now + ns;

	while (p->zygote) {
		struct pollfd poll_fd = {.fd = p->epoll, .events = POLLIN};
		struct timespec t = {0, 0};
		uint64_t until = now + LOOK_MS * NS_PER_MS;

		ask_pool_poll(p);
		now = zygote_now_ns();
		if (!c->pending || now >= end)
			break;
		if (until > end)
			until = end;
		t.tv_nsec = until > now ? (long)(until - now) : 0;
		ppoll(&poll_fd, 1, &t, NULL);
		now = zygote_now_ns();
	}
	return (int)c->pending;
}

int ask_host_ask(const struct culprit_host *host, struct culprit_ask *a)
{
	const struct ask_core *core = host->core;

	return ask_client_ask(core->client, a);
}

int ask_host_wait(const struct culprit_host *host, uint64_t ns)
{
	const struct ask_core *core = host->core;

	return ask_client_wait(core->client, ns);
}
