#include "bpf_why.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "procfs.h"

/* Inodes of the first namespaces, part of the kernel's interface (linux/proc_ns.h; PROC_USER_INIT_INO, PROC_PID_INIT_INO). */
enum { CAPABILITY_SYS_ADMIN = 21, CAPABILITY_PERFMON = 38, CAPABILITY_BPF = 39 };
#define FIRST_USER_NAMESPACE 0xEFFFFFFDu
#define FIRST_PID_NAMESPACE 0xEFFFFFFCu

static size_t read_text(int folder, const char *path, char *text, size_t cap)
{
	int fd = procfs_open(folder, path);
	ssize_t n = fd < 0 ? fd : procfs_pread(fd, text, cap - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static bool is_namespace(int proc_fd, const char *path, uint64_t inode)
{
	struct stat st;

	/* Where it cannot be asked, nothing is concluded from it. */
	return fstatat(proc_fd, path, &st, 0) || st.st_ino == inode;
}

void bpf_setting_read(struct bpf_setting *s, int proc_fd, int sys_fd)
{
	char status[8192], lockdown[128];
	struct utsname name;
	const char *caps;
	ssize_t n;

	memset(s, 0, sizeof(*s));
	if (read_text(proc_fd, "self/status", status, sizeof(status))) {
		caps = strstr(status, "\nCapEff:");
		if (caps)
			s->capabilities = strtoull(caps + 8, NULL, 16);
	}
	s->btf = sys_fd >= 0 && !faccessat(sys_fd, "kernel/btf/vmlinux", F_OK, 0);
	s->locked = sys_fd >= 0 && read_text(sys_fd, "kernel/security/lockdown", lockdown, sizeof(lockdown)) &&
		    strstr(lockdown, "[confidentiality]");
	s->container = proc_fd >= 0 && (!is_namespace(proc_fd, "self/ns/user", FIRST_USER_NAMESPACE) ||
					!is_namespace(proc_fd, "self/ns/pid", FIRST_PID_NAMESPACE));
	if (!uname(&name)) {
		snprintf(s->release, sizeof(s->release), "%.64s", name.release);
		snprintf(s->machine, sizeof(s->machine), "%.64s", name.machine);
	}
	n = readlink("/proc/self/exe", s->program, sizeof(s->program) - 1);
	snprintf(s->program + (n > 0 ? n : 0), sizeof(s->program) - (size_t)(n > 0 ? n : 0), "%s", n > 0 ? "" : "culprit");
}

static bool has(const struct bpf_setting *s, unsigned capability)
{
	return s->capabilities >> capability & 1;
}

static bool has_rights(const struct bpf_setting *s)
{
	return has(s, CAPABILITY_SYS_ADMIN) || (has(s, CAPABILITY_BPF) && has(s, CAPABILITY_PERFMON));
}

static int say(struct culprit_error *error, int err, const char *sentence)
{
	if (error)
		snprintf(error->sentence, sizeof(error->sentence), "%s", sentence);
	return err;
}

int bpf_why_not(const struct bpf_setting *s, struct culprit_error *error)
{
	if (!has_rights(s) && s->container)
		return say(error, -EPERM, "this container may not load BPF programs: run culprit on its host, or start the "
					  "container with --privileged --pid=host (or --cap-add BPF --cap-add PERFMON)");
	if (!has_rights(s)) {
		/* A path that does not fit is left to the reader. */
		if (error)
			snprintf(error->sentence, sizeof(error->sentence),
				 "needs root or the capabilities to load BPF programs: sudo setcap cap_bpf,cap_perfmon+ep %.140s",
				 strlen(s->program) <= 140 ? s->program : "culprit");
		return -EPERM;
	}
	if (s->locked)
		return say(error, -EPERM, "this kernel is locked down (lockdown=confidentiality), and then nobody may load BPF "
					  "programs: boot with lockdown=integrity or none");
	if (!s->btf) {
		if (error)
			snprintf(error->sentence, sizeof(error->sentence),
				 "kernel %s has no type information (/sys/kernel/btf/vmlinux): it needs Linux 5.5 with "
				 "CONFIG_DEBUG_INFO_BTF=y",
				 s->release);
		return -ENOENT;
	}
	return 0;
}

/* libbpf's words end in a newline and begin with its name. */
static void quote(const char *said, char *out, size_t cap)
{
	size_t n;

	if (!strncmp(said, "libbpf: ", 8))
		said += 8;
	n = strcspn(said, "\n");
	snprintf(out, cap, "%.*s", (int)(n < 100 ? n : 100), said);
}

void bpf_why_object(const struct bpf_setting *s, int err, const char *said, struct culprit_error *error)
{
	char words[104];

	if (!error)
		return;
	quote(said, words, sizeof(words));
	if (err == -EPERM && s->container)
		say(error, err, "the kernel refuses bpf() in this container, in spite of its capabilities: a user namespace or a "
				"seccomp filter forbids it; run culprit on the host");
	else if (err == -EPERM)
		say(error, err, "the kernel refuses bpf(), in spite of the capabilities: a seccomp filter or a security module "
				"forbids it");
	else if (err == -ENOMEM)
		say(error, err, "the kernel has no memory for BPF maps: the control group's limit, or the machine's");
	else if (err == -ENOSYS)
		say(error, err, "this kernel was built without bpf() (CONFIG_BPF_SYSCALL)");
	else
		snprintf(error->sentence, sizeof(error->sentence), "kernel %s does not take it (%s): %s", s->release,
			 strerror(-err), words[0] ? words : "it does not say why");
}

void bpf_why_program(const struct bpf_setting *s, const char *hook, int err, const char *said, struct culprit_error *error)
{
	char words[104];

	if (!error)
		return;
	quote(said, words, sizeof(words));
	if (err == -ENOENT || err == -ESRCH)
		snprintf(error->sentence, sizeof(error->sentence), "kernel %s has no %s: an older kernel, or one built without it",
			 s->release, hook);
	else if (err == -ENOMEM)
		bpf_why_object(s, err, said, error);
	else
		snprintf(error->sentence, sizeof(error->sentence), "kernel %s does not take the program for %s (%s)%s%s", s->release,
			 hook, strerror(-err), words[0] ? ": " : "", words);
}
