#include "cgroup_names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	KUBE,
	DOCKER,
	HOSTNAME,
	STEPS,
	TRIES = 3, /* logs appear a little after the container */
	JSON_BYTES = 60000,
	ID_LEAST = 32,
};

#define SECOND 1000000000ull

static const char hex[] = "0123456789abcdef";

/* "docker-ID.scope", "cri-containerd-ID.scope", "ID" */
static bool container_of(const char *part, size_t n, char *out)
{
	const char *at;

	if (n > 6 && !memcmp(part + n - 6, ".scope", 6))
		n -= 6;
	for (at = part + n; at > part && at[-1] != '-'; at--)
		;
	n -= (size_t)(at - part);
	if (n < ID_LEAST || n > CGROUP_ID_MAX || strspn(at, hex) < n)
		return false;
	memcpy(out, at, n);
	out[n] = '\0';
	return true;
}

/* "pod1a2b...", "kubepods-burstable-pod1a2b_....slice" */
static bool pod_of(const char *part, size_t n, char *out)
{
	const char *at = part;
	size_t k = 0;

	if (n > 6 && !memcmp(part + n - 6, ".slice", 6))
		n -= 6;
	for (const char *p = part; p + 4 < part + n; p++) {
		if (!memcmp(p, "-pod", 4))
			at = p + 1;
	}
	if (n - (size_t)(at - part) < 4 || memcmp(at, "pod", 3))
		return false;
	for (at += 3; at < part + n && k < CGROUP_UID_MAX; at++)
		out[k++] = *at == '_' ? '-' : *at;
	out[k] = '\0';
	/* A static pod's is a hash, all others' a UUID. */
	return at == part + n && (k == 32 || k == 36) && strspn(out, "0123456789abcdef-") == k;
}

bool cgroup_who_parse(const char *path, struct cgroup_who *who)
{
	bool last_is_pod = false;

	memset(who, 0, sizeof(*who));
	while (*path) {
		size_t n = strcspn(path, "/");

		/* What is below a container is its own business. */
		if (n && who->container[0])
			return false;
		if (n && pod_of(path, n, who->pod))
			last_is_pod = true;
		else if (n && container_of(path, n, who->container))
			last_is_pod = false;
		else if (n && last_is_pod)
			return false;
		else if (n)
			who->pod[0] = '\0';
		path += n + (path[n] == '/');
	}
	return who->container[0] || who->pod[0];
}

/* The question of a step; false: it does not apply. */
static bool question(const struct cgroup_who *who, unsigned step, uint64_t pid, char *path, size_t cap, uint32_t *ret_what)
{
	*ret_what = step == KUBE ? CULPRIT_ASK_NAMES : CULPRIT_ASK_FILE;
	if (step == KUBE && who->container[0])
		snprintf(path, cap, "1/root/var/log/containers/*-%s.log", who->container);
	else if (step == KUBE)
		snprintf(path, cap, "1/root/var/log/pods/*_%s", who->pod);
	else if (step == DOCKER && who->container[0] && !who->pod[0])
		snprintf(path, cap, "1/root/var/lib/docker/containers/%s/config.v2.json", who->container);
	else if (step == HOSTNAME && who->container[0] && pid)
		snprintf(path, cap, "%llu/root/etc/hostname", (unsigned long long)pid);
	else
		return false;
	return true;
}

static size_t put(char *name, size_t at, const char *bytes, size_t n)
{
	n = n < CGROUP_NAME_MAX - at ? n : CGROUP_NAME_MAX - at;
	memcpy(name + at, bytes, n);
	return at + n;
}

/* "NAMESPACE_POD_UID": "namespace/pod" */
static size_t name_of_pod(const char *text, size_t n, char *name)
{
	const char *pod = memchr(text, '_', n), *end;

	if (!pod++)
		return 0;
	end = memchr(pod, '_', n - (size_t)(pod - text));
	if (!end)
		return 0;
	n = put(name, 0, text, (size_t)(pod - 1 - text));
	n = put(name, n, "/", 1);
	return put(name, n, pod, (size_t)(end - pod));
}

/* "POD_NAMESPACE_CONTAINER-ID.log": "namespace/pod/container" */
static size_t name_of_container(const char *text, size_t n, const char *id, char *name)
{
	size_t tail = strlen(id) + strlen("-.log"), at;
	const char *space = memchr(text, '_', n), *container;

	if (!space++ || n <= tail)
		return 0;
	container = memchr(space, '_', n - (size_t)(space - text));
	if (!container++ || container > text + n - tail)
		return 0;
	at = put(name, 0, space, (size_t)(container - 1 - space));
	at = put(name, at, "/", 1);
	at = put(name, at, text, (size_t)(space - 1 - text));
	at = put(name, at, "/", 1);
	return put(name, at, container, (size_t)(text + n - tail - container));
}

/* Docker's `"Name":"/web"`; what is escaped in it is no name. */
static size_t name_in_json(const char *text, size_t n, char *name)
{
	static const char key[] = "\"Name\":\"/";
	const char *at = memmem(text, n, key, sizeof(key) - 1), *end;

	if (!at)
		return 0;
	at += sizeof(key) - 1;
	end = memchr(at, '"', n - (size_t)(at - text));
	if (!end || memchr(at, '\\', (size_t)(end - at)))
		return 0;
	return put(name, 0, at, (size_t)(end - at));
}

static size_t parse(const struct cgroup_who *who, unsigned step, const char *text, size_t n, char *name)
{
	const char *end = memchr(text, '\n', n);
	size_t line = end ? (size_t)(end - text) : n;

	switch (step) {
	case KUBE:
		return who->container[0] ? name_of_container(text, line, who->container, name) : name_of_pod(text, line, name);
	case DOCKER:
		return name_in_json(text, n, name);
	default:
		/* What a runtime sets where nobody chose: the beginning of the id. */
		return line <= strlen(who->container) && !memcmp(text, who->container, line) ? 0 : put(name, 0, text, line);
	}
}

int cgroup_name_ask(const struct culprit_host *host, const struct cgroup_who *who, struct cgroup_naming *naming, uint64_t pid,
		    uint64_t now_ns, char *name, size_t *ret_len)
{
	char path[256], text[JSON_BYTES];
	struct culprit_ask ask = {.cap = sizeof(text), .path = path, .buf = text};
	int err;

	if (naming->done || now_ns < naming->again_ns)
		return 0;
	for (; naming->step < STEPS; naming->step++) {
		if (!question(who, naming->step, pid, path, sizeof(path), &ask.what))
			continue;
		err = host->ask(host, &ask);
		if (err == -EINPROGRESS || err == -EAGAIN)
			return 0;
		/* What is forbidden is told, once nothing else has said it. */
		if (err == -EACCES || err == -EPERM) {
			naming->done = true;
			return err;
		}
		*ret_len = err ? 0 : parse(who, naming->step, text, ask.len, name);
		if (*ret_len) {
			naming->done = true;
			return 1;
		}
	}
	naming->step = 0;
	naming->again_ns = now_ns + 10 * SECOND;
	naming->done = ++naming->tries == TRIES;
	return 0;
}
