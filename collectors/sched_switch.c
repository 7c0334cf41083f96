#include "sched_switch.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

/* Of <sched.h>, which comes with threads: scheduling classes, of no use here. */
#undef SCHED_OTHER
#undef SCHED_IDLE

#include "bpf.h"
#include "sched_internal.h"
#include "sched.skel.h"

enum { PLACES_EACH = 16, PLACES_MIN = 16384, PLACES_MAX = 262144 };

static const struct bpf_hook hooks[] = {
	[SCHED_SWITCH] = {.name = "sched_switch", .hook = "tracepoint sched_switch", .thins = true, .last = true},
	[SCHED_THREADS] = {.name = "sched_threads", .hook = "iterator over tasks", .iterator = true},
	[SCHED_WAKER] = {.name = "sched_waker", .hook = "tracepoint sched_waking", .interest = true},
};

/* The machine has one scheduler, and this program looks at it once. */
static struct {
	pthread_mutex_t lock;
	struct sched_switch it;
	unsigned users[SCHED_USERS];
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int configure(void *skeleton, void *arg)
{
	struct sched_bpf *k = skeleton;
	struct sched_switch *s = arg;
	int r = bpf_map__set_max_entries(k->maps.sched_cpus, bpf_cpus());

	if (!r)
		r = bpf_map__set_max_entries(k->maps.sched_threads_map, s->places);
	k->rodata->sched_mask = s->places - 1;
	sched_syscalls_fill((unsigned char *)k->rodata->sched_syscalls, SCHED_SYSCALLS);
	return r;
}

BPF_KIT(sched, hooks, configure);

/* 0 or -errno with a sentence; then nothing is left. */
static int load(struct sched_switch *s, const struct culprit_host *host, struct culprit_error *error)
{
	s->places = bpf_places(host, PLACES_EACH, PLACES_MIN, PLACES_MAX);
	s->unit = bpf_load(host, &sched_kit, s, error);
	if (!s->unit)
		return -ENOTSUP;
	s->skeleton = bpf_skeleton(s->unit);
	s->cpus = bpf_view(s->unit, s->skeleton->maps.sched_cpus, true);
	s->watch = bpf_view(s->unit, s->skeleton->maps.sched_watch, true);
	s->watched = bpf_view(s->unit, s->skeleton->maps.sched_watched, true);
	if (s->cpus && s->watch && s->watched)
		return 0;
	if (error)
		snprintf(error->sentence, sizeof(error->sentence), "out of memory");
	bpf_unload(s->unit);
	memset(s, 0, sizeof(*s));
	return -ENOMEM;
}

struct sched_switch *sched_switch_get(const struct culprit_host *host, enum sched_user user, struct culprit_error *error)
{
	struct sched_switch *s = &shared.it;

	pthread_mutex_lock(&shared.lock);
	if (s->unit || !load(s, host, error))
		shared.users[user]++;
	else
		s = NULL;
	pthread_mutex_unlock(&shared.lock);
	return s;
}

void sched_switch_put(struct sched_switch *s, enum sched_user user)
{
	unsigned users = 0;

	if (!s)
		return;
	pthread_mutex_lock(&shared.lock);
	shared.users[user]--;
	for (int i = 0; i < SCHED_USERS; i++)
		users += shared.users[i];
	if (!users) {
		bpf_unload(s->unit);
		memset(s, 0, sizeof(*s));
	}
	pthread_mutex_unlock(&shared.lock);
}

bool sched_switch_is_for(enum sched_user user)
{
	bool is;

	pthread_mutex_lock(&shared.lock);
	is = shared.users[user];
	pthread_mutex_unlock(&shared.lock);
	return is;
}

bool sched_switch_follows(const struct sched_switch *s, const char **ret_why)
{
	*ret_why = NULL;
	if (!bpf_is_on(s->unit, SCHED_SWITCH))
		*ret_why = bpf_reason(s->unit, SCHED_SWITCH);
	else if (bpf_thinning(s->unit, SCHED_SWITCH) <= 1)
		return true;
	if (!*ret_why)
		*ret_why = "rests: culprit cost more than its budget, and of a sample of the switches no thread's time can be told; "
			   "--budget raises it";
	return false;
}

int sched_switch_share(const struct sched_switch *s, struct bpf_map *cpus, struct bpf_map *threads)
{
	int r = bpf_map__reuse_fd(cpus, bpf_map__fd(s->skeleton->maps.sched_cpus));

	return r ? r : bpf_map__reuse_fd(threads, bpf_map__fd(s->skeleton->maps.sched_threads_map));
}

int sched_switch_call(struct sched_switch *s, int program_fd)
{
	int calls = bpf_map__fd(s->skeleton->maps.sched_calls);
	uint32_t key = 0, fd = (uint32_t)program_fd;

	if (program_fd < 0)
		return bpf_map_delete_elem(calls, &key) ? -errno : 0;
	return bpf_map_update_elem(calls, &key, &fd, BPF_ANY) ? -errno : 0;
}

void sched_switch_tell(struct sched_switch *s, uint64_t sure_ns)
{
	__atomic_store_n(&s->skeleton->bss->sched_stacks_sure, sure_ns, __ATOMIC_RELAXED);
}

uint64_t sched_switch_lost(const struct sched_switch *s)
{
	return __atomic_load_n(&s->skeleton->bss->sched_no_room, __ATOMIC_RELAXED);
}
