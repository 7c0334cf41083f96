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
	enum bpf_perf_event event;
	bool cycles;
	unsigned n;
	struct {
		struct bpf_link *link;
		int fd; /* the link's */
	} on[];
};

static uint64_t software(enum bpf_perf_event event)
{
	return event == BPF_PERF_MAJOR ? (uint64_t)PERF_COUNT_SW_PAGE_FAULTS_MAJ :
	       event == BPF_PERF_MINOR ? (uint64_t)PERF_COUNT_SW_PAGE_FAULTS_MIN : (uint64_t)PERF_COUNT_SW_CPU_CLOCK;
}

static int open_event(enum bpf_perf_event event, bool cycles, unsigned cpu, unsigned rate)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = cycles ? PERF_TYPE_HARDWARE : PERF_TYPE_SOFTWARE,
		.config = cycles ? (uint64_t)PERF_COUNT_HW_CPU_CYCLES : software(event),
		.freq = event == BPF_PERF_CPU,
		.sample_freq = rate, /* the same place as sample_period */
		.exclude_idle = 1,
		.disabled = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Attaches on all CPUs with one kind of event. */
static int attach_all(struct bpf_perf *p, struct bpf_program *program, unsigned rate)
{
	int err = -ENODEV;

	for (unsigned cpu = 0; cpu < bpf_cpus(); cpu++) {
		int fd = open_event(p->event, p->cycles, cpu, rate);

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

struct bpf_perf *bpf_perf_attach(struct bpf_program *program, enum bpf_perf_event event, unsigned rate)
{
	struct bpf_perf *p = calloc(1, sizeof(*p) + bpf_cpus() * sizeof(p->on[0]));
	int r;

	if (!p)
		return NULL;
	p->event = event;
	p->cycles = event == BPF_PERF_CPU;
	r = attach_all(p, program, rate);
	if (r && p->cycles) {
		detach_all(p);
		p->cycles = false;
		r = attach_all(p, program, rate);
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

int bpf_perf_rate(struct bpf_perf *p, unsigned rate)
{
	/* The clock's event has turned its frequency into a period when it was opened, and takes another one as ns: a frequency
	 * there would be one of tens of thousands of samples a second. */
	uint64_t value = p->cycles || p->event != BPF_PERF_CPU ? rate : 1000000000u / (rate ? rate : 1);

	for (unsigned i = 0; i < p->n; i++)
		if (ioctl(p->on[i].fd, PERF_EVENT_IOC_PERIOD, &value))
			return -errno;
	return 0;
}

bool bpf_perf_by_cycles(const struct bpf_perf *p)
{
	return p->cycles;
}
