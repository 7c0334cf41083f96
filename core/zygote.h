/* Helper processes: forked by a small single-threaded process, the zygote, which main makes before any thread, so that
 * what may block or crash never does so in the console. The zygote starts helpers, reaps them and says how they ended;
 * it and all helpers die with the program, however that dies. Nothing here waits: a spawn returns at once with the
 * connected socket, a kill returns at once, and a helper that SIGKILL cannot end yet (state D) is counted as stuck.
 *
 * One thread at a time (the sampling thread). Not here: what helpers do (ask.h, plugin.h). */
#ifndef CORE_ZYGOTE_H
#define CORE_ZYGOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <culprit/types.h>

enum {
	ZYGOTE_HELPERS_MAX = 64, /* alive or stuck, together */
	ZYGOTE_STUCK_MAX = 8,    /* with so many stuck, nothing is spawned */
	ZYGOTE_ARGS_MAX = 8192,  /* bytes of arguments */
	ZYGOTE_FDS_MAX = 6,
	ZYGOTE_KINDS_MAX = 8,
	ZYGOTE_GRACE_MS = 1000, /* a released helper that has not gone by itself is killed */
};

/* What a helper gets. Its descriptors are 0, 1 (both /dev/null), 2, `fd` and `fds`; everything else is closed. Signals
 * are as after exec, but SIGPIPE is ignored. */
struct zygote_job {
	int fd; /* SEQPACKET socket to the program; EOF: the program no longer wants this helper */
	const void *args;
	size_t nargs; /* bytes */
	const int *fds;
	size_t nfds;
};

/* A kind of helper: static const data. `run` returns the exit status. */
struct zygote_kind {
	const char *name; /* for ps: at most 15 bytes */
	int (*run)(const struct zygote_job *);
};

struct zygote;

enum helper_state {
	HELPER_ALIVE = 1, /* asked for; running as far as we know */
	HELPER_KILLED,    /* SIGKILL was sent; not gone yet */
	HELPER_GONE,      /* `status` says how it ended; or it could not be forked: `error` */
};

/* The program's end of a helper. Read-only for others. */
struct helper {
	struct zygote *zygote;
	uint64_t id;
	int fd;      /* non-blocking, close-on-exec; usable as soon as spawned; closed by helper_release() */
	pid_t pid;   /* 0 until the zygote has reported it */
	int state;   /* enum helper_state */
	int status;  /* as of waitpid() */
	int error;   /* -errno: it was never started */
	bool released;
	uint64_t deadline_ns; /* released: when it is killed */
};

/* Forks the zygote: call it before any thread exists. The kinds are borrowed for ever. NULL and a sentence on failure. */
struct zygote *zygote_create(const struct zygote_kind *const *kinds, size_t nkinds, struct culprit_error *);
/* Ends all helpers: those that don't go by themselves within a moment are killed; none is waited for after that, and the
 * call takes at most ZYGOTE_GRACE_MS. NULL-safe. Releases all handles. */
void zygote_destroy(struct zygote *);

/* Starts a helper. `args` are copied; `fds` stay the caller's. 0; -EAGAIN: too many are stuck or alive; -EPIPE: the
 * zygote is gone; -errno. Failing to fork shows later as HELPER_GONE with `error`. The handle is the caller's until
 * helper_release(). */
int zygote_spawn(struct zygote *, const struct zygote_kind *, const void *args, size_t nargs, const int *fds,
		 size_t nfds, struct helper **ret, struct culprit_error *);

/* Sends SIGKILL (through the zygote, so never to a reused pid). Does not wait. */
void helper_kill(struct helper *);
/* Gives the handle back and closes the socket: the helper sees EOF and has ZYGOTE_GRACE_MS to go. NULL-safe. */
void helper_release(struct helper *);

/* Takes in what the zygote has reported: pids, exits. Kills released helpers that overstayed. Never blocks. */
void zygote_poll(struct zygote *);
/* Readable when zygote_poll() has something to take in. Constant for the zygote's life. */
int zygote_fd(const struct zygote *);
/* Is a helper with this id still there (alive or stuck)? */
bool zygote_has(const struct zygote *, uint64_t id);

/* "crashed (SIGSEGV)", "exited with status 3", "was killed", "could not be started: ...". */
void helper_describe(const struct helper *, char *buf, size_t size);

struct zygote_stats {
	pid_t pid;         /* of the zygote; 0: it is gone */
	uint32_t alive;    /* helpers running */
	uint32_t stuck;    /* killed, but not gone */
	uint64_t spawned;
	uint64_t killed;
	uint64_t refused;
};

void zygote_stats(const struct zygote *, struct zygote_stats *);

/* Real CLOCK_MONOTONIC, ns: deadlines of processes are real whatever clock drives the frames. */
uint64_t zygote_now_ns(void);

#endif
