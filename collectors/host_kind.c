/* What kind of box this is (host.h). */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "host.h"
#include "procfs.h"

static void copy(char *ret, size_t cap, const struct procfs_text *t)
{
	size_t n = procfs_left(t) < cap - 1 ? procfs_left(t) : cap - 1;

	memcpy(ret, t->p, n);
	ret[n] = 0;
}

/* PRETTY_NAME of os-release, without its quotes. */
static void read_distribution(char *ret, size_t cap)
{
	char bytes[PROCFS_SMALL];
	struct procfs_text text, line;
	ssize_t n = procfs_read(0, "/etc/os-release", bytes, sizeof(bytes));

	if (n < 0)
		n = procfs_read(0, "/usr/lib/os-release", bytes, sizeof(bytes));
	if (n < 0)
		return;
	text = procfs_text(bytes, (size_t)n);
	while (procfs_line(&text, &line)) {
		if (!procfs_starts(&line, "PRETTY_NAME="))
			continue;
		line.p += strlen("PRETTY_NAME=");
		if (line.end - line.p >= 2 && (*line.p == '"' || *line.p == '\'') && line.end[-1] == *line.p) {
			line.p++;
			line.end--;
		}
		copy(ret, cap, &line);
	}
}

static bool contains(const char *bytes, size_t n, const char *what)
{
	return memmem(bytes, n, what, strlen(what)) != NULL;
}

static void read_virtualisation(int proc_fd, int sys_fd, char *ret, size_t cap)
{
	static const char *const files[] = {"class/dmi/id/product_name", "class/dmi/id/sys_vendor",
					    "class/dmi/id/board_vendor", "class/dmi/id/bios_vendor"};
	static const struct {
		const char *says, *is;
	} vendors[] = {
		{"KVM", "kvm"},		     {"QEMU", "qemu"},		 {"VMware", "vmware"},
		{"VirtualBox", "virtualbox"}, {"innotek", "virtualbox"}, {"Amazon EC2", "amazon"},
		{"Google", "google"},	     {"OpenStack", "kvm"},	 {"Xen", "xen"},
		{"Bochs", "bochs"},	     {"Parallels", "parallels"}, {"BHYVE", "bhyve"},
		{"Virtual Machine", "hyper-v"}, {"DigitalOcean", "kvm"}, {"Hetzner", "kvm"},
	};
	char bytes[PROCFS_SMALL];
	bool hypervisor;
	ssize_t n;

	snprintf(ret, cap, "none");
	n = procfs_read(sys_fd, "hypervisor/type", bytes, sizeof(bytes));
	if (n > 0 && contains(bytes, (size_t)n, "xen")) {
		snprintf(ret, cap, "xen");
		return;
	}
	/* The first CPU's flags are enough; without the flag, DMI names a cloud's bare metal too. */
	n = procfs_read(proc_fd, "cpuinfo", bytes, sizeof(bytes));
	hypervisor = n > 0 && contains(bytes, (size_t)n, " hypervisor");
	if (!hypervisor && n > 0 && contains(bytes, (size_t)n, "\nflags"))
		return;
	if (hypervisor)
		snprintf(ret, cap, "vm");
	for (unsigned i = 0; i < PROCFS_COUNT(files); i++) {
		n = procfs_read(sys_fd, files[i], bytes, sizeof(bytes));
		for (unsigned k = 0; n > 0 && k < PROCFS_COUNT(vendors); k++) {
			if (contains(bytes, (size_t)n, vendors[k].says)) {
				snprintf(ret, cap, "%s", vendors[k].is);
				return;
			}
		}
	}
}

static void read_container(char *ret, size_t cap)
{
	char bytes[64];
	struct procfs_text t;
	ssize_t n;

	if (access("/.dockerenv", F_OK) == 0) {
		snprintf(ret, cap, "docker");
		return;
	}
	if (access("/run/.containerenv", F_OK) == 0) {
		snprintf(ret, cap, "podman");
		return;
	}
	n = procfs_read(0, "/run/systemd/container", bytes, sizeof(bytes));
	if (n > 0) {
		t = procfs_text(bytes, (size_t)n);
		procfs_trim(&t);
		copy(ret, cap, &t);
	}
}

void host_container_from_environ(const char *bytes, size_t n, char *ret, size_t cap)
{
	const char *p = bytes, *end = bytes + n;

	ret[0] = 0;
	while (p < end) {
		const char *stop = memchr(p, 0, (size_t)(end - p));
		struct procfs_text t = {p, stop ? stop : end};

		if (procfs_starts(&t, "container=")) {
			t.p += strlen("container=");
			copy(ret, cap, &t);
			return;
		}
		p = t.end + 1;
	}
}

void host_kind_read(struct host_kind *k, int proc_fd, int sys_fd)
{
	memset(k, 0, sizeof(*k));
	read_distribution(k->distribution, sizeof(k->distribution));
	read_virtualisation(proc_fd, sys_fd, k->virtualisation, sizeof(k->virtualisation));
	read_container(k->container, sizeof(k->container));
}
