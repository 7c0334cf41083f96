#include "bpf_processes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "bpf.h"

enum {
	IDLE = 3,   /* after so many samples without an event it is looked whether a process is still there, */
	AGAIN = 8,  /* and again after so many others: a system call each */
	STALE = 600 /* after so many others get its element, for where that cannot be seen */
};

uint32_t bpf_processes_room(void)
{
	uint64_t megabytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) >> 20;
	uint32_t room = 256;

	while (room < BPF_PROCESSES && (uint64_t)room * 16 < megabytes)
		room *= 2;
	return room;
}

int bpf_processes_init(struct bpf_processes *p, struct bpf_unit *unit, struct bpf_map *index, struct bpf_map *elements,
		       struct bpf_process_free *free)
{
	p->index = index;
	p->free = free;
	p->elements = bpf_view(unit, elements, true);
	if (!p->elements)
		return errno ? -errno : -ENOMEM;
	p->room = bpf_map__max_entries(elements);
	if (p->room > BPF_PROCESSES)
		return -EINVAL;
	for (uint32_t i = 0; i < p->room; i++) {
		free->list[i] = i;
		p->rows[i].handle = CULPRIT_NO_HANDLE;
	}
	__atomic_store_n(&free->tail, p->room, __ATOMIC_RELEASE);
	return 0;
}

static void give_back(struct bpf_processes *p, uint32_t i)
{
	struct bpf_process *element = &p->elements[i];
	struct {
		uint64_t pid, start;
	} key = {element->pid, element->start};
	uint64_t tail = p->free->tail;

	/* One that was taken in vain is not in the index. */
	if (element->pid)
		bpf_map__delete_elem(p->index, &key, sizeof(key), 0);
	memset(element, 0, sizeof(*element));
	p->clear(p->arg, i);
	memset(&p->rows[i], 0, sizeof(p->rows[i]));
	p->rows[i].handle = CULPRIT_NO_HANDLE;
	p->free->list[tail & (BPF_PROCESSES - 1)] = i;
	__atomic_store_n(&p->free->tail, tail + 1, __ATOMIC_RELEASE);
	p->used--;
}

uint64_t bpf_processes_begin(struct bpf_processes *p)
{
	uint64_t head = __atomic_load_n(&p->free->head, __ATOMIC_ACQUIRE), tail = p->free->tail;
	uint64_t over = p->free->over - p->over;

	for (; p->head < head && p->head < tail; p->head++) {
		p->rows[p->free->list[p->head & (BPF_PROCESSES - 1)]].taken = 1;
		p->used++;
	}
	p->over += over;
	return over;
}

static bool is_gone(const struct culprit_host *host, const struct bpf_processes_row *row, uint64_t pid)
{
	char name[24];

	if (row->idle < IDLE || (row->idle < STALE && (row->idle - IDLE) % AGAIN))
		return false;
	snprintf(name, sizeof(name), "%llu", (unsigned long long)pid);
	return row->idle >= STALE || faccessat(host->proc_fd, name, F_OK, 0) != 0;
}

const struct bpf_process *bpf_processes_look(struct bpf_processes *p, const struct culprit_host *host, uint32_t i,
					     uint64_t events, bool *ret_same)
{
	struct bpf_processes_row *row = &p->rows[i];
	const struct bpf_process *element = &p->elements[i];

	if (!row->taken)
		return NULL;
	if (!element->pid || !events) {
		/* Taken a moment ago, or in vain. */
		if (row->taken++ > IDLE)
			give_back(p, i);
		return NULL;
	}
	*ret_same = events == row->events;
	row->idle = *ret_same ? row->idle + 1 : 0;
	row->events = events;
	if (!is_gone(host, row, element->pid))
		return element;
	give_back(p, i);
	return NULL;
}

uint64_t bpf_start_ticks(const struct culprit_host *host, uint64_t start_ns)
{
	return start_ns / (1000000000 / host->user_hz);
}

uint64_t bpf_threshold(uint64_t threshold_ns, uint32_t events, uint32_t wanted, bool over)
{
	const uint64_t floor_ns = 1000000;

	if (events > 2 * wanted || (over && events > wanted))
		threshold_ns *= 2;
	else if (events < wanted / 2)
		threshold_ns -= threshold_ns / 8;
	return threshold_ns > floor_ns ? threshold_ns : floor_ns;
}
