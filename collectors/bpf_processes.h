/* User space's side of bpf_process.h: which elements are taken, by whom, since when nothing happened to them, and giving
 * them back when their process has ended. Not here: what is counted for a process. */
#ifndef COLLECTORS_BPF_PROCESSES_H
#define COLLECTORS_BPF_PROCESSES_H

#include <stdbool.h>

#include <culprit/collector.h>

#include "bpf_process.h"

struct bpf_unit;
struct bpf_map;

struct bpf_processes {
	struct bpf_map *index;
	struct bpf_process *elements;
	struct bpf_process_free *free;
	void (*clear)(void *arg, uint32_t element); /* sets the collector's own figures to 0 */
	void *arg;
	uint64_t head; /* of the free list, as seen last */
	uint64_t over; /* events without room, as told last */
	uint32_t used, room;
	struct bpf_processes_row {
		uint64_t events;      /* of it, in the last sample */
		uint32_t handle;      /* of its row, for culprit_again() */
		uint16_t idle, taken; /* samples without an event; 0: free, else samples since */
	} rows[BPF_PROCESSES];
};

/* How many processes to have room for, by this machine's memory; to be set as max_entries, before loading, of `index`,
 * `elements` and every array of figures. At most BPF_PROCESSES. */
uint32_t bpf_processes_room(void);
/* `index`, `elements`, `free`: the maps process_index and processes, and the global process_free of the object. 0 or
 * -errno. Nothing to finish: the maps belong to the unit. */
int bpf_processes_init(struct bpf_processes *, struct bpf_unit *, struct bpf_map *index, struct bpf_map *elements,
		       struct bpf_process_free *free);
/* A sample begins. Returns how many events found no room since the last one. */
uint64_t bpf_processes_begin(struct bpf_processes *);
/* Looks at element i of `room`; `events` is how often anything was added to it, ever. NULL: it has no row in
 * this sample. Else the process, borrowed; *ret_same: nothing has happened since the last sample. */
const struct bpf_process *bpf_processes_look(struct bpf_processes *, const struct culprit_host *, uint32_t i,
					     uint64_t events, bool *ret_same);
/* ns since boot as start time in ticks, as in the key of a process. */
uint64_t bpf_start_ticks(const struct culprit_host *, uint64_t start_ns);
/* Events of a TABLE_slow: the threshold, in ns, of the next tick, from this tick's, how many events came and how many are
 * wanted. Never below 1 ms. `over`: the tick's limit of events of all kinds together was reached. */
uint64_t bpf_threshold(uint64_t threshold_ns, uint32_t events, uint32_t wanted, bool over);

#endif
