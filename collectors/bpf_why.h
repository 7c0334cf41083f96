/* Why the kernel does not take our programs, in one sentence that says what would change it. */
#ifndef COLLECTORS_BPF_WHY_H
#define COLLECTORS_BPF_WHY_H

#include <stdbool.h>
#include <stddef.h>

#include <culprit/types.h>

/* What of the machine decides; read once, and made up by tests. */
struct bpf_setting {
	uint64_t capabilities; /* CapEff */
	bool btf;              /* /sys/kernel/btf/vmlinux */
	bool locked;           /* lockdown=confidentiality */
	bool container;        /* another PID or user namespace than the first */
	char release[65], machine[65];
	char program[256]; /* the file that setcap must be said of */
};

void bpf_setting_read(struct bpf_setting *, int proc_fd, int sys_fd);

/* 0: nothing known speaks against it. Else -errno with the sentence. */
int bpf_why_not(const struct bpf_setting *, struct culprit_error *);
/* The object could not be loaded: `err` is what the kernel said (negative), `said` libbpf's last words, or "". */
void bpf_why_object(const struct bpf_setting *, int err, const char *said, struct culprit_error *);
/* One program could not be loaded or attached at its hook. */
void bpf_why_program(const struct bpf_setting *, const char *hook, int err, const char *said, struct culprit_error *);

#endif
