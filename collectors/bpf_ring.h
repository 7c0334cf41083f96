/* Reads records out of a BPF ring buffer. As libbpf does it, but for memory: the ring is in the kernel, and only some pages are
 * mapped, where records were read last; more while many are read. (All of it mapped for good counts twice: the kernel shows it
 * twice in a row, so that no record is torn.) */
#ifndef COLLECTORS_BPF_RING_H
#define COLLECTORS_BPF_RING_H

#include <stddef.h>

struct bpf_map;
struct bpf_ring;

/* One record: `size` bytes, gone after the call. */
typedef void (*bpf_ring_take)(void *arg, const void *record, size_t size);

struct bpf_ring *bpf_ring_open(struct bpf_map *, bpf_ring_take, void *arg); /* NULL with errno */
void bpf_ring_close(struct bpf_ring *); /* NULL-safe; before the map goes */
/* A descriptor that is readable when the program has woken its reader. */
int bpf_ring_fd(const struct bpf_ring *);
/* Hands over all records that are whole. Where they cannot be mapped they stay, and the descriptor is not readable until a call could:
 * call it in each sample. What finds no room meanwhile the program counts as lost. */
void bpf_ring_read(struct bpf_ring *);

#endif
