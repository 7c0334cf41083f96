/* What may block: command lines (they take the mmap_lock of their process) and user names (they may ask a directory
 * server). Both are asked of core's helper and put when the answer comes, mostly within the same sample. A command line
 * is asked for once a process life and again after exec. */
#include "task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
	FIRST_WAIT_NS = 5 * 1000 * 1000, /* the first screen should have command lines, of a thousand processes most */
	WAIT_NS = 3 * 1000 * 1000,	  /* a helper at work answers in a fraction of it */
	WHOLE_WAIT_NS = 1000 * 1000 * 1000,
};

static const uint64_t retry_ns = 30ull * 1000 * 1000 * 1000;

static bool whole(const struct task_collector *c)
{
	return c->host->flags & CULPRIT_HOST_WHOLE;
}

/* --- command lines ----------------------------------------------------------------------------------------------- */

static bool orphan(const struct task_collector *c, uint32_t pid)
{
	for (uint32_t i = 0; i < c->norphans; i++)
		if (c->orphans[i] == pid)
			return true;
	return false;
}

/* The answer goes to c->buffer. */
static int ask_cmdline(struct task_collector *c, uint32_t pid, uint32_t *ret_len)
{
	char path[TASK_PATH_MAX];
	struct culprit_ask ask = {.what = CULPRIT_ASK_FILE, .cap = TASK_CMDLINE_MAX, .path = path, .buf = c->buffer};
	int r;

	task_path(path, pid, 0, "cmdline");
	r = c->host->ask(c->host, &ask);
	*ret_len = ask.len <= TASK_CMDLINE_MAX ? ask.len : TASK_CMDLINE_MAX;
	return r;
}

static bool cmdline_due(const struct task_collector *c, const struct process *p)
{
	/* A zombie has none any more, and an empty one would cover what it was. */
	return p->task.flags & TASK_CMDLINE_DUE && p->task.stat.state != 'Z' && p->task.stat.state != 'X' &&
	       c->now_ns >= p->ask_after_ns && !(c->norphans && orphan(c, p->task.id));
}

/* Asks without taking the answer. false: no more for now. */
static bool ask_ahead(struct task_collector *c, struct process *p)
{
	uint32_t len;
	int r;

	if (!cmdline_due(c, p) || p->task.flags & TASK_CMDLINE_ASKED)
		return true;
	if (c->asked >= TASK_ASKS_MAX)
		return false;
	r = ask_cmdline(c, p->task.id, &len);
	if (r == -EINPROGRESS) {
		p->task.flags |= TASK_CMDLINE_ASKED;
		c->asked++;
		return true;
	}
	/* 0: a host that answers at once; then it is asked when the row is made. -EAGAIN: helpers are stuck. */
	return r != 0 && r != -EAGAIN;
}

/* A process that ended while its command line was asked for: the answer must not meet the next owner of its pid. */
void task_ask_ended(struct task_collector *c, struct process *p)
{
	if (!(p->task.flags & TASK_CMDLINE_ASKED))
		return;
	p->task.flags &= ~(uint32_t)TASK_CMDLINE_ASKED;
	c->asked--;
	if (c->norphans < TASK_ORPHANS_MAX)
		c->orphans[c->norphans++] = p->task.id;
}

static void drain_orphans(struct task_collector *c)
{
	uint32_t kept = 0, len;

	for (uint32_t i = 0; i < c->norphans; i++)
		if (ask_cmdline(c, c->orphans[i], &len) == -EINPROGRESS)
			c->orphans[kept++] = c->orphans[i];
	c->norphans = kept;
}

static const char *ask_reason(const struct task_collector *c, int err)
{
	switch (err) {
	case -EINPROGRESS:
		return "not read yet";
	case -ETIMEDOUT:
		return "blocked for 200 ms: its memory is locked";
	case -EAGAIN:
		return "not asked: too many helper processes hang, or they were killed";
	case -EACCES:
	case -EPERM:
		return c->denied;
	default:
		return "could not be read";
	}
}

static void emit_cmdline(struct task_collector *c, struct culprit_frame *f, struct process *p, bool full)
{
	struct task *t = &p->task;
	uint32_t len;
	int r;

	if (t->stat.flags & TASK_PF_KTHREAD)
		return;
	/* For a whole answer, those further on are asked while this one is put. */
	if (whole(c))
		while (c->ask_next < c->nlist && ask_ahead(c, c->list[c->ask_next]))
			c->ask_next++;
	if (!(t->flags & TASK_CMDLINE_ASKED) && (!cmdline_due(c, p) || (c->asked >= TASK_ASKS_MAX && !whole(c)))) {
		if (full && !(t->flags & TASK_CMDLINE_SHOWN) && t->flags & TASK_CMDLINE_DUE && t->stat.state != 'Z')
			culprit_unread(f, task_cmdline_column, ask_reason(c, -EINPROGRESS));
		return;
	}
	r = ask_cmdline(c, t->id, &len);
	if (r == -EINPROGRESS && whole(c)) {
		c->host->ask_wait(c->host, WHOLE_WAIT_NS / 4);
		r = ask_cmdline(c, t->id, &len);
	}
	if (r == -EINPROGRESS) {
		if (!(t->flags & TASK_CMDLINE_ASKED)) {
			t->flags |= TASK_CMDLINE_ASKED;
			c->asked++;
		}
		if (full)
			culprit_unread(f, task_cmdline_column, ask_reason(c, r));
		return;
	}
	if (t->flags & TASK_CMDLINE_ASKED) {
		t->flags &= ~(uint32_t)TASK_CMDLINE_ASKED;
		c->asked--;
	}
	if (r == 0) {
		len = (uint32_t)task_join_cmdline(c->buffer, len);
		culprit_put_text(f, task_cmdline_column, c->buffer, len);
		if (!p->cmdline_again)
			t->flags &= ~(uint32_t)TASK_CMDLINE_DUE;
		p->cmdline_again = 0;
	} else if (r != -ENOENT && r != -ESRCH) {
		culprit_unread(f, task_cmdline_column, ask_reason(c, r));
		p->ask_after_ns = c->now_ns + (r == -EAGAIN ? 0 : retry_ns);
	} else {
		/* It ends right now, or its folder has no such file. */
		p->ask_after_ns = c->now_ns + retry_ns;
		if (full)
			culprit_unread(f, task_cmdline_column, ask_reason(c, r));
	}
	t->flags |= TASK_CMDLINE_SHOWN;
}

/* --- users ------------------------------------------------------------------------------------------------------- */

static int add_user(struct task_collector *c, uint32_t uid, struct task_user **ret)
{
	struct task_user *u;

	for (uint32_t i = 0; i < c->nusers; i++) {
		if (c->users[i].uid != uid)
			continue;
		/* Most processes belong to a few: those move to the front. */
		if (i > 8) {
			struct task_user swap = c->users[i / 2];

			c->users[i / 2] = c->users[i];
			c->users[i] = swap;
			i /= 2;
		}
		*ret = &c->users[i];
		return 0;
	}
	if (c->nusers >= TASK_USERS_MAX)
		return -ENOSPC;
	if (c->nusers == c->users_cap) {
		uint32_t cap = c->users_cap ? c->users_cap * 2 : 32;

		u = reallocarray(c->users, cap, sizeof(*u));
		if (!u)
			return -ENOMEM;
		c->users = u;
		c->users_cap = cap;
	}
	u = &c->users[c->nusers++];
	*u = (struct task_user){.uid = uid};
	*ret = u;
	return 0;
}

/* Asks for the name where that is not settled. */
static void ask_user(struct task_collector *c, struct task_user *u)
{
	char path[16], name[256];
	struct culprit_ask ask = {.what = CULPRIT_ASK_USER, .cap = sizeof(name), .path = path, .buf = name};
	int r;

	if (u->name || c->now_ns < u->ask_after_ns)
		return;
	snprintf(path, sizeof(path), "%u", u->uid);
	r = c->host->ask(c->host, &ask);
	if (r == 0 && ask.len > 0 && ask.len <= sizeof(name)) {
		u->name = task_text_hold(&c->texts, name, ask.len);
	} else if (r == 0 || r == -ENOENT) {
		u->name = task_text_hold(&c->texts, path, strlen(path)); /* nobody by that number */
	} else {
		if (r != -EINPROGRESS && r != -EAGAIN)
			u->ask_after_ns = c->now_ns + retry_ns;
		u->reason = r == -ETIMEDOUT ? "the user database does not answer" : ask_reason(c, r);
	}
}

static void emit_user(struct task_collector *c, struct culprit_frame *f, struct process *p, bool full)
{
	struct task_user *u;
	const char *name;
	char number[16];
	size_t len;
	int n;

	if (!full && !(p->task.flags & TASK_USER_DUE))
		return;
	culprit_put_u64(f, task_uid_column, p->uid);
	if (add_user(c, p->uid, &u) != 0) {
		n = snprintf(number, sizeof(number), "%u", p->uid);
		culprit_put_text(f, task_user_column, number, (size_t)n);
		p->task.flags &= ~(uint32_t)TASK_USER_DUE;
		return;
	}
	ask_user(c, u);
	if (!u->name) {
		culprit_unread(f, task_user_column, u->reason ? u->reason : ask_reason(c, -EINPROGRESS));
		p->task.flags |= TASK_USER_DUE;
		return;
	}
	name = task_text_get(&c->texts, u->name, &len);
	culprit_put_text(f, task_user_column, name, len);
	p->task.flags &= ~(uint32_t)TASK_USER_DUE;
}

/* --- a sample ---------------------------------------------------------------------------------------------------- */

static void learn_uid(struct task_collector *c, struct process *p)
{
	char path[TASK_PATH_MAX];
	struct stat st;

	if (c->iterated && !(p->task.flags & TASK_FROM_PROC))
		return; /* it is known */
	/* The folder belongs to the effective user: cheaper than reading status. A fixture's belongs to whoever
	 * unpacked it. */
	if (c->procfs) {
		snprintf(path, sizeof(path), "%u", p->task.id);
		if (fstatat(c->host->proc_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
			p->uid = st.st_uid;
		return;
	}
	task_files_read(c, p->task.id, 0, 1u << TASK_FILE_STATUS);
	if (c->files.read[TASK_FILE_STATUS] == TASK_READ && c->files.status.have & TASK_HAVE_UID)
		p->uid = c->files.status.uid;
}

void task_ask_begin(struct task_collector *c)
{
	bool ahead = true, waiting = false;
	struct task_user *u;

	if (c->norphans)
		drain_orphans(c);
	c->ask_next = c->nlist;
	for (uint32_t i = 0; i < c->nlist; i++) {
		struct process *p = c->list[i];

		if (!(p->task.flags & TASK_UID_KNOWN)) {
			learn_uid(c, p);
			p->task.flags |= TASK_UID_KNOWN;
			if (add_user(c, p->uid, &u) == 0 && !u->name && !u->asked) {
				u->asked = true;
				ask_user(c, u);
				waiting |= !u->name;
			}
		}
		if (!(p->task.flags & TASK_CMDLINE_DUE) || !ahead)
			continue;
		waiting |= !(p->task.flags & TASK_CMDLINE_ASKED) && c->now_ns >= p->ask_after_ns;
		ahead = ask_ahead(c, p);
		if (!ahead)
			c->ask_next = i;
	}
	if (!waiting)
		return;
	c->host->ask_wait(c->host, whole(c) ? WHOLE_WAIT_NS : c->sample == 1 ? FIRST_WAIT_NS : WAIT_NS);
	for (uint32_t i = 0; i < c->nusers; i++)
		ask_user(c, &c->users[i]);
}

void task_ask_emit(struct task_collector *c, struct culprit_frame *f, struct process *p, bool full)
{
	emit_user(c, f, p, full);
	if (full || p->task.flags & (TASK_CMDLINE_DUE | TASK_CMDLINE_ASKED))
		emit_cmdline(c, f, p, full);
}

void task_ask_finish(struct task_collector *c)
{
	free(c->users);
}
