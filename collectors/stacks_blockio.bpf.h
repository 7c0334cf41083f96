/* Stacks that ask block devices for something: every bio as its thread hands it over, which is before requests are made of it,
 * and also where a driver makes none. What drivers that stand on other devices (LVM, RAID) make of it in that call is the
 * same work once more and left out. Included once by an X.bpf.c, after unwind.bpf.h and stacks_count.bpf.h. */
#ifndef COLLECTORS_STACKS_BLOCKIO_BPF_H
#define COLLECTORS_STACKS_BLOCKIO_BPF_H

enum { BIO_OP_MASK = 0xff, BIO_OP_READ = 0, BIO_OP_WRITE = 1, BIO_OP_FLUSH = 2, BIO_OP_DISCARD = 3, BIO_OP_SECURE_ERASE = 5,
       BIO_OP_WRITE_SAME = 7, BIO_OP_ZONE_APPEND = 13, BIO_OP_WRITE_ZEROES = 9, BIO_SYNC = 1 << 11 /* since 4.10 */,
       FLAG_WORKER = 0x20 /* of a work queue */ };

const volatile __u32 blockio_argument; /* place of the bio among the arguments: 1 before 5.11 */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stacks_pace);
} blockio_pace SEC(".maps");

static __always_inline __u32 blockio_kind(struct task_struct *task, __u32 opf, __u32 bytes)
{
	switch (opf & BIO_OP_MASK) {
	case BIO_OP_READ:
		return BLOCKIO_READ;
	case BIO_OP_FLUSH:
		return BLOCKIO_FLUSH;
	case BIO_OP_DISCARD:
	case BIO_OP_SECURE_ERASE:
		return BLOCKIO_DISCARD;
	case BIO_OP_WRITE:
	case BIO_OP_WRITE_SAME:
	case BIO_OP_ZONE_APPEND:
	case BIO_OP_WRITE_ZEROES:
		if (!bytes)
			return BLOCKIO_FLUSH;
		/* Nobody waits for it: the page cache, swap. */
		return opf & BIO_SYNC && !(task->flags & FLAG_WORKER) ? BLOCKIO_WRITE : BLOCKIO_WRITEBACK;
	}
	return BLOCKIO_OTHER;
}

static __always_inline __u32 blockio_device(struct bio *bio)
{
	struct bio___until_5_11 *old = (void *)bio;
	struct gendisk *disk = bpf_core_field_exists(old->bi_disk) ? old->bi_disk : bio->bi_bdev->bd_disk;

	return disk ? ((__u32)disk->major & 0xfff) << 16 | ((__u32)disk->first_minor & 0xffff) : 0;
}

static __always_inline void on_bio(struct bpf_cost *cost, void *ctx, struct bio *bio)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 bytes = bio->bi_iter.bi_size, zero = 0;
	struct stacks_pace *pace;
	struct stacks_key key;
	__u64 weight;
	bool kept;

	if (task->bio_list)
		return;
	pace = bpf_map_lookup_elem(&blockio_pace, &zero);
	if (!pace || bpf_thinned_out(cost))
		return;
	weight = stacks_paced(pace, bpf_ktime_get_ns()) * bpf_weight(cost);
	if (!weight || !stacks_here(ctx, task, UNWIND_OF_BLOCKIO, STACKS_SKIP_OWN, &key))
		return;
	key.reason = blockio_kind(task, bio->bi_opf, bytes) << 28 | blockio_device(bio);
	if (stacks_epoch & 1)
		kept = stacks_add(&blockio_odd, &key, task, weight, weight * bytes);
	else
		kept = stacks_add(&blockio_even, &key, task, weight, weight * bytes);
	if (!kept)
		cost->lost++;
}

SEC("tp_btf/block_bio_queue")
int stacks_blockio(__u64 *ctx)
{
	__u64 start;
	struct bpf_cost *cost = bpf_cost_begin(STACKS_BLOCKIO, &start);

	if (!cost)
		return 0;
	on_bio(cost, ctx, blockio_argument ? (struct bio *)ctx[1] : (struct bio *)ctx[0]);
	bpf_cost_end(cost, start);
	return 0;
}

#endif
