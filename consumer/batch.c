/* batch.c: the batch's arrays. */
#include "consumer/batch.h"

#include <stdlib.h>

#include "common/base/check.h"

void pm_batch_clear(struct pm_batch *batch)
{
    batch->n_ops = batch->n_offsets = batch->n_poison = batch->n_recovered = batch->n_gaps = 0;
    batch->records = batch->events = 0;
    batch->names.count = 0;
    pm_buf_clear(&batch->bytes);
}

void pm_batch_release(struct pm_batch *batch)
{
    free(batch->ops);
    free(batch->offsets);
    free(batch->poison);
    free(batch->recovered);
    free(batch->gaps);
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

void pm_batch_recovered(struct pm_batch *batch, int32_t partition, int64_t offset)
{
    batch->recovered = grow(batch->recovered, batch->n_recovered, &batch->recovered_room, sizeof *batch->recovered);
    batch->recovered[batch->n_recovered++] = (struct pm_batch_place){partition, offset};
}
