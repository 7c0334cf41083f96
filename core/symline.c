#include "symline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "symline_internal.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

enum { GONE_MS = 1000, FORGET_S = 60 }; /* until how it ended is told; an answer that nobody fetches */

enum slot_state { SLOT_FREE, SLOT_QUEUED, SLOT_ASKED, SLOT_ANSWERED };

struct slot {
	enum slot_state state;
	uint64_t order, since_ns;
	struct symline_file_is file;
	struct symline_question question;
	struct symline_answer answer;
};

/* A file whose debug information ended the helper. */
struct failed {
	struct symline_file_is file;
	char why[CULPRIT_SOURCE_WHY + 1];
};

struct symline_pool {
	struct zygote *zygote;
	int proc_fd, epoll;
	struct helper *helper;       /* NULL: none */
	bool ended;                  /* it has closed its end */
	struct symline_file_is file; /* that it has open */
	struct slot *asked;          /* what it is at; NULL: idle */
	uint64_t until_ns;           /* asked: its deadline; else when it goes */
	uint64_t order;
	uint32_t serial;
	struct failed failed[SYMLINE_FAILED];
	uint32_t nfailed;            /* ever */
	uint32_t nslots;             /* those from here on were never used: not looked at either, that would take their memory */
	struct slot slots[SYMLINE_OUTSTANDING];
};

struct symline_pool *symline_create(struct zygote *zygote, int proc_fd)
{
	struct symline_pool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->zygote = zygote;
	p->proc_fd = proc_fd;
	p->epoll = zygote ? epoll_create1(EPOLL_CLOEXEC) : -1;
	if (zygote && p->epoll < 0) {
		free(p);
		return NULL;
	}
	return p;
}

static void helper_drop(struct symline_pool *p)
{
	if (!p->helper)
		return;
	if (!p->ended)
		epoll_ctl(p->epoll, EPOLL_CTL_DEL, p->helper->fd, NULL);
	/* One that is at work does not see that it is no longer wanted. */
	if (p->asked)
		helper_kill(p->helper);
	helper_release(p->helper);
	p->helper = NULL;
	p->asked = NULL;
	p->ended = false;
}

void symline_destroy(struct symline_pool *p)
{
	if (!p)
		return;
	helper_drop(p);
	if (p->epoll >= 0)
		close(p->epoll);
	free(p);
}

int symline_fd(const struct symline_pool *p)
{
	return p->epoll;
}

uint64_t symline_next_ns(const struct symline_pool *p)
{
	return p->helper ? p->until_ns : UINT64_MAX;
}

/* --- the helper ----------------------------------------------------------------------------------------------------------- */

static void answer(struct slot *slot, int result, const char *why)
{
	memset(&slot->answer, 0, sizeof(slot->answer));
	slot->answer.result = result;
	snprintf(slot->answer.why, sizeof(slot->answer.why), "%s", why);
	slot->state = SLOT_ANSWERED;
	slot->since_ns = zygote_now_ns();
}

/* The same build is the same file, wherever it is mapped. */
static bool same(const struct symline_file_is *a, const struct symline_file_is *b)
{
	if (a->build_id_len != b->build_id_len)
		return false;
	return a->build_id_len ? !memcmp(a->build_id, b->build_id, a->build_id_len) : !memcmp(a, b, sizeof(*a));
}

static struct failed *failed_find(struct symline_pool *p, const struct symline_file_is *file)
{
	for (uint32_t i = 0; i < p->nfailed && i < SYMLINE_FAILED; i++)
		if (same(&p->failed[i].file, file))
			return &p->failed[i];
	return NULL;
}

/* What it was at is the reason: that file is not read again, for none of its places that wait. */
static void helper_failed(struct symline_pool *p, const char *what)
{
	struct failed *failed = &p->failed[p->nfailed++ % SYMLINE_FAILED];

	failed->file = p->file;
	snprintf(failed->why, sizeof(failed->why), "its debug information is not read again: reading it %s", what);
	answer(p->asked, -EIO, failed->why);
	for (size_t i = 0; i < p->nslots; i++)
		if (p->slots[i].state == SLOT_QUEUED && same(&p->slots[i].file, &p->file))
			answer(&p->slots[i], -EIO, failed->why);
	helper_drop(p);
}

static bool helper_start(struct symline_pool *p, const struct symline_file_is *file)
{
	struct epoll_event event = {.events = EPOLLIN};
	int r;

	helper_drop(p);
	r = zygote_spawn(p->zygote, &symline_kind, file, sizeof(*file), &p->proc_fd, 1, &p->helper, NULL);
	if (r) {
		p->helper = NULL;
		return false;
	}
	p->file = *file;
	p->ended = epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->helper->fd, &event) != 0;
	return true;
}

/* What is next: of the file that the helper has open first. NULL: nothing waits. */
static struct slot *next_of(struct symline_pool *p)
{
	struct slot *next = NULL;

	for (size_t i = 0; i < p->nslots; i++) {
		struct slot *s = &p->slots[i];
		bool open, better;

		if (s->state != SLOT_QUEUED)
			continue;
		open = p->helper && same(&s->file, &p->file);
		better = next && p->helper && same(&next->file, &p->file);
		if (!next || (open && !better) || (open == better && s->order < next->order))
			next = s;
	}
	return next;
}

/* Afterwards a helper is at work or nothing waits: what can't be asked is answered, or it would wait for ever. */
static void go_on(struct symline_pool *p)
{
	struct slot *next;

	while (!p->asked && (next = next_of(p))) {
		if ((!p->helper || p->ended || !same(&next->file, &p->file)) && !helper_start(p, &next->file)) {
			answer(next, -EIO, "no helper process could be started for it");
		} else if (send(p->helper->fd, &next->question, sizeof(next->question), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
			answer(next, -EIO, "the helper process that reads debug information has ended");
			helper_drop(p);
		} else {
			next->state = SLOT_ASKED;
			p->asked = next;
			p->until_ns = zygote_now_ns() + SYMLINE_DEADLINE_MS * NS_PER_MS;
		}
	}
}

/* Nothing that comes from there is trusted: it has read hostile files. */
static void take_in(struct symline_pool *p, struct symline_answer *a)
{
	a->function[CULPRIT_SOURCE_FUNCTION] = a->file[CULPRIT_SOURCE_PATH] = '\0';
	a->inlined[CULPRIT_SOURCE_INLINED] = a->why[CULPRIT_SOURCE_WHY] = '\0';
	if (a->result > 0)
		a->result = -EIO;
	p->asked->answer = *a;
	p->asked->state = SLOT_ANSWERED;
	p->asked->since_ns = zygote_now_ns();
	p->asked = NULL;
	p->until_ns = zygote_now_ns() + SYMLINE_IDLE_S * NS_PER_S;
}

void symline_poll(struct symline_pool *p)
{
	static const char late[] = "took longer than 20 s";
	uint64_t now = zygote_now_ns();

	for (size_t i = 0; i < p->nslots; i++)
		if (p->slots[i].state == SLOT_ANSWERED && now - p->slots[i].since_ns > FORGET_S * NS_PER_S)
			p->slots[i].state = SLOT_FREE;
	while (p->helper) {
		struct symline_answer a;
		ssize_t n = p->ended ? 0 : recv(p->helper->fd, &a, sizeof(a), MSG_DONTWAIT);

		if (n == sizeof(a) && p->asked && a.serial == p->asked->question.serial) {
			take_in(p, &a);
			go_on(p);
			continue;
		}
		if (n < 0 && (errno == EAGAIN || errno == EINTR) && now < p->until_ns)
			break;
		if (!p->asked) {
			helper_drop(p);
			break;
		}
		if (n >= 0 && !p->ended) {
			/* How it ended comes through the zygote, in a moment. */
			epoll_ctl(p->epoll, EPOLL_CTL_DEL, p->helper->fd, NULL);
			p->ended = true;
			p->until_ns = now + GONE_MS * NS_PER_MS;
		}
		if (p->ended && p->helper->state == HELPER_GONE) {
			char how[80];

			helper_describe(p->helper, how, sizeof(how));
			helper_failed(p, how);
		} else if (now >= p->until_ns) {
			helper_failed(p, p->ended ? "ended its helper" : late);
		} else {
			break;
		}
		go_on(p);
	}
}

/* --- questions ------------------------------------------------------------------------------------------------------------ */

static void answer_here(struct symline_pool *p, struct slot *s)
{
	char why[CULPRIT_SOURCE_WHY + 1] = "";
	struct symline_file *f = symline_open(p->proc_fd, &s->file, why);

	if (!f) {
		answer(s, -errno, why);
		return;
	}
	memset(&s->answer, 0, sizeof(s->answer));
	symline_find(f, s->question.offset, &s->answer);
	s->state = SLOT_ANSWERED;
	symline_close(f);
}

static int fetch(struct slot *s, struct culprit_source_line *l)
{
	const struct symline_answer *a = &s->answer;

	l->line = a->line;
	memcpy(l->function, a->function, sizeof(l->function));
	memcpy(l->file, a->file, sizeof(l->file));
	memcpy(l->inlined, a->inlined, sizeof(l->inlined));
	memcpy(l->why, a->why, sizeof(l->why));
	s->state = SLOT_FREE;
	return a->result;
}

int symline_ask(struct symline_pool *p, struct culprit_source_line *l)
{
	struct symline_file_is file = {.pid = l->pid, .build_id_len = l->build_id_len};
	struct slot *room = NULL;
	struct failed *failed;

	if (!l->path || !*l->path || strlen(l->path) > CULPRIT_SOURCE_PATH || l->build_id_len > SYMLINE_BUILD_ID) {
		snprintf(l->why, sizeof(l->why), "its file's name is too long");
		return -EINVAL;
	}
	memcpy(file.build_id, l->build_id, l->build_id_len);
	snprintf(file.path, sizeof(file.path), "%s", l->path);
	failed = failed_find(p, &file);
	for (size_t i = 0; i < p->nslots; i++) {
		struct slot *s = &p->slots[i];

		if (s->state == SLOT_FREE) {
			room = s;
		} else if (s->question.offset == l->offset && same(&s->file, &file)) {
			return s->state == SLOT_ANSWERED ? fetch(s, l) : -EINPROGRESS;
		}
	}
	if (failed) {
		memcpy(l->why, failed->why, sizeof(l->why));
		return -EIO;
	}
	if (!room && p->nslots < SYMLINE_OUTSTANDING)
		room = &p->slots[p->nslots++];
	if (!room)
		return -EAGAIN;
	*room = (struct slot){.state = SLOT_QUEUED, .order = p->order++, .file = file,
			      .question = {.serial = ++p->serial, .offset = l->offset}};
	if (!p->zygote) {
		answer_here(p, room);
		return fetch(room, l);
	}
	go_on(p);
	return room->state == SLOT_ANSWERED ? fetch(room, l) : -EINPROGRESS;
}
