/* The helper that answers questions, one after the other. */
#include "ask_main.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

static void ring_write(struct ask_shared *s, uint64_t at, const void *bytes, size_t n)
{
	size_t begin = at % ASK_RING;
	size_t first = n < ASK_RING - begin ? n : ASK_RING - begin;

	if (!n)
		return;
	memcpy(s->ring + begin, bytes, first);
	memcpy(s->ring, (const char *)bytes + first, n - first);
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void ring_bell(int fd)
{
	/* A full socket is readable already. */
	send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void answer(const struct zygote_job *job, struct ask_shared *s, const struct ask_question *q, const char *path,
		   void *buf)
{
	uint64_t head = atomic_load_explicit(&s->head, memory_order_relaxed);
	struct ask_answer a = {.seq = q->seq};
	uint32_t len = 0;

	atomic_store_explicit(&s->busy_ns, zygote_now_ns(), memory_order_release);
	a.result = ask_read(job->fds[0], q->what, path, buf, q->cap, &len);
	if (a.result == 0)
		a.result = (int32_t)len;
	ring_write(s, head, &a, sizeof(a));
	ring_write(s, head + sizeof(a), buf, len);
	atomic_store_explicit(&s->head, head + sizeof(a) + ask_padded(len), memory_order_release);
	if (q->seq == atomic_load_explicit(&s->bell_seq, memory_order_relaxed))
		ring_bell(job->fd);
}

/* One message of questions. */
static int answer_batch(const struct zygote_job *job, struct ask_shared *s, const char *batch, size_t n, void *buf)
{
	struct ask_question q;

	while (n) {
		if (n < sizeof(q))
			return 3;
		memcpy(&q, batch, sizeof(q));
		batch += sizeof(q);
		n -= sizeof(q);
		if (q.len == 0 || q.len > n || q.cap > ASK_CAP_MAX || batch[q.len - 1])
			return 3;
		answer(job, s, &q, batch, buf);
		batch += q.len;
		n -= q.len;
	}
	return 0;
}

static int run(const struct zygote_job *job)
{
	static char batch[ASK_BATCH], buf[ASK_CAP_MAX]; /* of this process, that does nothing else */
	struct ask_shared *s;

	if (job->nfds != 2)
		return 2;
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED, job->fds[1], 0);
	if (s == MAP_FAILED)
		return 2;
	for (;;) {
		ssize_t n = recv(job->fd, batch, sizeof(batch), MSG_DONTWAIT);
		int err;

		if (n < 0 && errno == EAGAIN) {
			atomic_store_explicit(&s->busy_ns, 0, memory_order_release);
			atomic_store_explicit(&s->cpu_ns, cpu_ns(), memory_order_relaxed);
			ring_bell(job->fd);
			n = recv(job->fd, batch, sizeof(batch), 0);
		}
		if (n == 0)
			return 0;
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return 2;
		}
		err = answer_batch(job, s, batch, (size_t)n, buf);
		if (err)
			return err;
	}
}

const struct zygote_kind ask_kind = {.name = "culprit-ask", .run = run};
