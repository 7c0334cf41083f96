#include "bpf_perf.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "bpf.h"

struct bpf_perf {
	bool cycles;
	unsigned n;
	struct {
		struct bpf_link *link;
		int fd; /* the link's */
	} on[];
};

static int open_event(bool cycles, unsigned cpu, unsigned hz)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = cycles ? PERF_TYPE_HARDWARE : PERF_TYPE_SOFTWARE,
		.config = cycles ? (uint64_t)PERF_COUNT_HW_CPU_CYCLES : (uint64_t)PERF_COUNT_SW_CPU_CLOCK,
		.freq = 1,
		.sample_freq = hz,
		.exclude_idle = 1,
		.disabled = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Attaches on all CPUs with one kind of event. */
static int attach_all(struct bpf_perf *p, struct bpf_program *program, unsigned hz)
{
	int err = -ENODEV;

	for (unsigned cpu = 0; cpu < bpf_cpus(); cpu++) {
		int fd = open_event(p->cycles, cpu, hz);

		if (fd < 0) {
			/* Off line. */
			if (errno == ENODEV)
				continue;
			return -errno;
		}
		p->on[p->n].fd = fd;
		p->on[p->n].link = bpf_program__attach_perf_event(program, fd);
		if (!p->on[p->n].link) {
			err = errno ? -errno : -EINVAL;
			close(fd);
			return err;
		}
		p->n++;
		err = 0;
	}
	return err;
}

static void detach_all(struct bpf_perf *p)
{
	while (p->n)
		bpf_link__destroy(p->on[--p->n].link);
}

struct bpf_perf *bpf_perf_attach(struct bpf_program *program, unsigned hz)
{
	struct bpf_perf *p = calloc(1, sizeof(*p) + bpf_cpus() * sizeof(p->on[0]));
	int r;

	if (!p)
		return NULL;
	p->cycles = true;
	r = attach_all(p, program, hz);
	if (r) {
		detach_all(p);
		p->cycles = false;
		r = attach_all(p, program, hz);
	}
	if (!r)
		return p;
	bpf_perf_detach(p);
	errno = -r;
	return NULL;
}

void bpf_perf_detach(struct bpf_perf *p)
{
	if (!p)
		return;
	detach_all(p);
	free(p);
}

int bpf_perf_rate(struct bpf_perf *p, unsigned hz)
{
	/* The clock's event has turned its frequency into a period when it was opened, and takes another one as ns: a frequency
	 * there would be one of tens of thousands of samples a second. */
	uint64_t value = p->cycles ? hz : 1000000000u / (hz ? hz : 1);

	for (unsigned i = 0; i < p->n; i++)
		if (ioctl(p->on[i].fd, PERF_EVENT_IOC_PERIOD, &value))
			return -errno;
	return 0;
}

bool bpf_perf_by_cycles(const struct bpf_perf *p)
{
	return p->cycles;
}
