/* batch.c: the batch's arrays. */
#include "consumer/batch.h"

#include <stdlib.h>

#include "common/base/check.h"

void pm_batch_clear(struct pm_batch *batch)
{
    batch->n_ops = batch->n_offsets = batch->n_poison = batch->n_recovered = batch->n_gaps = 0;
    if (batch->n_arrivals > 0) memset(batch->recent, 0, sizeof batch->recent);
    batch->n_arrivals = 0;
    batch->records = batch->events = 0;
    batch->names.count = 0;
    batch->hashes.count = 0;
    pm_buf_clear(&batch->bytes);
}

void pm_batch_release(struct pm_batch *batch)
{
    free(batch->ops);
    free(batch->offsets);
    free(batch->poison);
    free(batch->recovered);
    free(batch->gaps);
    free(batch->arrivals);
    pm_buf_release(&batch->bytes);
    pm_fresh_names_release(&batch->names);
    *batch = (struct pm_batch){0};
}

/* Room for one more of `size` bytes behind `count`. */
static void *grow(void *rows, size_t count, size_t *room, size_t size)
{
    if (count < *room) return rows;
    *room = *room ? 2 * *room : 64;
    return pm_realloc(rows, *room * size);
}

struct pm_op *pm_batch_op(struct pm_batch *batch)
{
    batch->ops = grow(batch->ops, batch->n_ops, &batch->ops_room, sizeof *batch->ops);
    struct pm_op *op = &batch->ops[batch->n_ops++];
    memset(op, 0, sizeof *op);
    return op;
}

void pm_batch_seal(struct pm_batch *batch)
{
    struct pm_hash128 hashes[PM_HASH_GROUP];
    unsigned n = batch->hashes.count;
    pm_hash_group_finish(&batch->hashes, hashes);
    for (unsigned i = 0; i < n; i++) batch->ops[batch->hashed[i]].hash = hashes[i];
}

void pm_batch_hash(struct pm_batch *batch, struct pm_slice path)
{
    size_t op = batch->n_ops - 1;
    if (path.len > PM_HASH_GROUP_BYTES) {
        batch->ops[op].hash = pm_hash128(path);
        return;
    }
    batch->hashed[batch->hashes.count] = op;
    pm_hash_group_add(&batch->hashes, path);
    if (batch->hashes.count == PM_HASH_GROUP) pm_batch_seal(batch);
}

struct pm_batch_offset *pm_batch_offset(struct pm_batch *batch, int32_t partition)
{
    for (size_t i = 0; i < batch->n_offsets; i++)
        if (batch->offsets[i].partition == partition) return &batch->offsets[i];
    batch->offsets = grow(batch->offsets, batch->n_offsets, &batch->offsets_room, sizeof *batch->offsets);
    struct pm_batch_offset *offset = &batch->offsets[batch->n_offsets++];
    *offset = (struct pm_batch_offset){.partition = partition, .anchor_offset = -1, .anchor_timestamp_ms = -1};
    return offset;
}

struct pm_batch_poison *pm_batch_poison(struct pm_batch *batch)
{
    batch->poison = grow(batch->poison, batch->n_poison, &batch->poison_room, sizeof *batch->poison);
    return &batch->poison[batch->n_poison++];
}

void pm_batch_gap(struct pm_batch *batch, int32_t partition, const struct pm_gap *gap)
{
    batch->gaps = grow(batch->gaps, batch->n_gaps, &batch->gaps_room, sizeof *batch->gaps);
    struct pm_batch_gap *row = &batch->gaps[batch->n_gaps++];
    *row = (struct pm_batch_gap){.closed = !gap};
    if (gap) row->gap = *gap;
    row->gap.partition = partition;
}

/* The producer's latest entry when the record comes right behind it (or again), else a new one. */
static struct pm_batch_arrival *arrival_of(struct pm_batch *batch, uint64_t producer, uint64_t sequence)
{
    uint32_t *recent = &batch->recent[producer % PM_BATCH_RECENT];
    struct pm_batch_arrival *arrival = *recent ? &batch->arrivals[*recent - 1] : NULL;
    bool next = arrival && arrival->from > 0 && sequence >= arrival->from && sequence <= arrival->to + 1;
    if (next && arrival->producer == producer) {
        if (sequence > arrival->to) arrival->to = sequence;
        return arrival;
    }
    batch->arrivals = grow(batch->arrivals, batch->n_arrivals, &batch->arrivals_room, sizeof *batch->arrivals);
    arrival = &batch->arrivals[batch->n_arrivals++];
    *arrival = (struct pm_batch_arrival){
        .producer = producer, .from = sequence, .to = sequence, .first_ms = -1, .last_ms = -1};
    *recent = (uint32_t)batch->n_arrivals;
    return arrival;
}

/* Of two names of one number, which no producer gives, the smaller. */
static bool names_better(const struct pm_batch *batch, const struct pm_batch_arrival *arrival,
                         const struct pm_origin *origin)
{
    if (origin->name.len == 0) return false;
    if (arrival->name_sequence != origin->sequence)
        return arrival->name_sequence == 0 || origin->sequence < arrival->name_sequence;
    return pm_slice_cmp(origin->name, pm_slice(batch->bytes.ptr + arrival->name_at, arrival->name_len)) < 0;
}

void pm_batch_arrival(struct pm_batch *batch, const struct pm_origin *origin, int64_t timestamp_ms)
{
    struct pm_batch_arrival *arrival = arrival_of(batch, origin->producer, origin->sequence);
    if (origin->given > arrival->given) arrival->given = origin->given;
    if (timestamp_ms >= 0 && (arrival->first_ms < 0 || timestamp_ms < arrival->first_ms))
        arrival->first_ms = timestamp_ms;
    if (timestamp_ms > arrival->last_ms) arrival->last_ms = timestamp_ms;
    if (!names_better(batch, arrival, origin)) return;
    arrival->name_sequence = origin->sequence;
    arrival->name_at = batch->bytes.len;
    arrival->name_len = (uint32_t)origin->name.len;
    pm_buf_slice_add(&batch->bytes, origin->name);
}

void pm_batch_recovered(struct pm_batch *batch, int32_t partition, int64_t offset)
{
    batch->recovered = grow(batch->recovered, batch->n_recovered, &batch->recovered_room, sizeof *batch->recovered);
    batch->recovered[batch->n_recovered++] = (struct pm_batch_place){partition, offset};
}
