/* places.c: see places.h. */
#include "consumer/places.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/time.h"
#include "consumer/apply.h"

#define LOOK_AGAIN_US 1000000 /* after a break, while nothing comes */

void pm_places_warn(const struct pm_replayer *y, const char *text)
{
    if (y->r->options->warn) y->r->options->warn(y->r->options->arg, text);
}

void pm_places_fault(struct pm_replayer *y, int32_t partition, const struct pm_error *error)
{
    if (partition >= 0 && partition < y->n_partitions) y->partitions[partition].faulted = true;
    pm_places_warn(y, error->text);
    if (!y->faulted) y->fault = *error;
    y->faulted = true;
}

static int64_t wanted_end(const struct pm_replayer *y, int32_t partition, int64_t log_end)
{
    if (!y->r->ends) return log_end;
    for (size_t i = 0; i < y->r->n_ends; i++)
        if (y->r->ends[i].partition == partition) return y->r->ends[i].next;
    return 0;
}

/* ---- gaps: a log that is not as we left it is never passed in silence ---- */

static int place_of(struct pm_replayer *y, int32_t partition, struct pm_place_check *ret, struct pm_error *err)
{
    *ret = (struct pm_place_check){
        .partition = partition, .next = y->partitions[partition].committed, .index_dir = y->r->index_dir};
    return pm_log_offsets(y->log, partition, &ret->log_first, &ret->log_next, err);
}

/* The partition goes on behind what is missing, or anew where other records stand now: an event that was applied
 * before changes nothing. */
static int go_on(struct pm_replayer *y, const struct pm_place_check *place, struct pm_gap *gap, struct pm_batch *batch,
                 struct pm_error *err)
{
    struct pm_replay_partition *p = &y->partitions[place->partition];
    char text[PM_GAP_TEXT_MAX];
    gap->accepted = true;
    pm_gap_describe(gap, text);
    pm_places_warn(y, text);
    pm_batch_gap(batch, place->partition, gap);
    if (gap->kind == PM_GAP_REPLACED) p->first = place->log_first;
    p->committed = place->log_first;
    p->anchor.offset = p->checked_at = -1;
    p->checking = p->gap_open = false;
    p->reading = true;
    struct pm_batch_offset *offset = pm_batch_offset(batch, place->partition);
    *offset = (struct pm_batch_offset){.partition = place->partition,
                                       .first = p->first,
                                       .next = p->committed,
                                       .anchor_offset = -1,
                                       .anchor_timestamp_ms = -1,
                                       .anew = true};
    p->sought = true;
    return pm_log_seek(y->log, place->partition, p->committed, err);
}

/* Log and index have parted: the partition stops here, unless the user has said to go on. */
static int parted(struct pm_replayer *y, const struct pm_place_check *place, struct pm_gap *gap,
                  const struct pm_error *why, struct pm_batch *batch, struct pm_error *err)
{
    const struct pm_consumer_options *o = y->r->options;
    size_t used;
    if (place->partition < y->n_partitions && pm_gap_is_accepted(gap, o->accepted_gaps, o->n_accepted_gaps, &used)) {
        y->accepted_used |= 1ULL << used;
        return go_on(y, place, gap, batch, err);
    }
    pm_batch_gap(batch, place->partition, gap);
    pm_places_fault(y, place->partition, why);
    return PM_OK;
}

/* All is well with the partition. */
static void sound(struct pm_replayer *y, int32_t partition, struct pm_batch *batch)
{
    struct pm_replay_partition *p = &y->partitions[partition];
    p->checking = false;
    if (p->gap_open) pm_batch_gap(batch, partition, NULL);
    p->gap_open = false;
}

/* From the anchor when there is one: the record there is compared, then reading goes on. */
static int seek_to_anchor(struct pm_replayer *y, int32_t partition, int64_t log_first, struct pm_batch *batch,
                          struct pm_error *err)
{
    struct pm_replay_partition *p = &y->partitions[partition];
    p->checking = p->anchor.offset >= log_first;
    if (!p->checking) sound(y, partition, batch);
    p->sought = p->reading = true;
    return pm_log_seek(y->log, partition, p->checking ? p->anchor.offset : p->committed, err);
}

/* `found` stands at the anchor or behind it; NULL: nothing does. */
int pm_places_check_anchor(struct pm_replayer *y, int32_t partition, const struct pm_log_record *found,
                           struct pm_batch *batch, struct pm_error *err)
{
    struct pm_replay_partition *p = &y->partitions[partition];
    struct pm_place_check place;
    struct pm_gap gap;
    struct pm_error why;
    PM_TRY(place_of(y, partition, &place, err));
    if (pm_gap_check(&place, &gap, &why) != PM_OK) return parted(y, &place, &gap, &why, batch, err);
    if (pm_gap_check_anchor(&place, &p->anchor, found, &gap, &why) == PM_OK ||
        (y->compacted && (!found || found->offset != p->anchor.offset))) {
        sound(y, partition, batch);
        return PM_OK;
    }
    PM_TRY(parted(y, &place, &gap, &why, batch, err));
    /* What comes now is of no use: nothing is fetched but what is still to be written. */
    return p->faulted ? pm_log_seek(y->log, partition, place.log_next, err) : PM_OK;
}

/* The log stopped delivering a partition. That is a gap with a name, or what was sought was cut off meanwhile. */
int pm_places_take_fault(struct pm_replayer *y, const struct pm_log_fault *fault, struct pm_batch *batch,
                         struct pm_error *err)
{
    struct pm_replay_partition *p = &y->partitions[fault->partition];
    struct pm_place_check place;
    struct pm_gap gap;
    struct pm_error why;
    if (p->faulted) return PM_OK;
    bool known = place_of(y, fault->partition, &place, &why) == PM_OK;
    if (known && pm_gap_check(&place, &gap, &why) != PM_OK) return parted(y, &place, &gap, &why, batch, err);
    if (known && fault->moved && p->checked_at != p->committed) {
        p->checked_at = p->committed;
        return seek_to_anchor(y, fault->partition, place.log_first, batch, err);
    }
    pm_places_fault(y, fault->partition, &fault->error);
    return PM_OK;
}

/* After a break, and before anything more is taken: whatever the log is now, it must hold what we took last. */
int pm_places_look_again(struct pm_replayer *y, const struct pm_log_batch *from, struct pm_batch *batch,
                         struct pm_error *err)
{
    int64_t now = pm_time_monotonic_us();
    for (int32_t i = 0; i < y->n_partitions; i++) {
        struct pm_replay_partition *p = &y->partitions[i];
        uint64_t breaks = pm_log_breaks(y->log, i);
        if (breaks == p->breaks || (from->n_records == 0 && now - p->looked_at < LOOK_AGAIN_US)) continue;
        p->breaks = breaks;
        p->looked_at = now;
        if (!p->reading || p->faulted || p->checking || p->anchor.offset < 0) continue;
        PM_TRY(seek_to_anchor(y, i, 0, batch, err));
    }
    return PM_OK;
}

void pm_places_tell_unused(struct pm_replayer *y)
{
    const struct pm_consumer_options *o = y->r->options;
    for (size_t i = 0; i < o->n_accepted_gaps && !y->faulted; i++) {
        const struct pm_gap *a = &o->accepted_gaps[i];
        bool known = y->accepted_used >> i & 1;
        for (size_t k = 0; k < y->n_gaps && !known; k++)
            known = y->gaps[k].accepted && pm_gap_is_accepted(&y->gaps[k], a, 1, &(size_t){0});
        if (known) continue;
        char text[128];
        snprintf(text, sizeof text, "partition %d has no gap within offsets %lld..%lld: nothing to accept",
                 a->partition, (long long)a->from, (long long)a->to);
        pm_places_warn(y, text);
    }
}

/* ---- starting ---- */

/* What an index before this one knew to be missing, and what the log still does not hold. */
static void take_over_gaps(struct pm_replayer *y, int32_t partition, int64_t log_first, struct pm_batch *batch)
{
    for (size_t i = 0; i < y->n_old_gaps; i++) {
        struct pm_gap gap = y->old_gaps[i];
        if (gap.partition != partition || !gap.accepted || gap.kind != PM_GAP_MISSING || gap.from >= log_first)
            continue;
        if (gap.to >= log_first) gap.to = log_first - 1;
        pm_batch_gap(batch, partition, &gap);
    }
}

/* A replay to given ends must have the same beginning, else it compares nothing. */
static bool can_compare(struct pm_replayer *y, int32_t partition, int64_t log_first, int64_t log_next)
{
    struct pm_error why;
    for (size_t i = 0; i < y->r->n_ends; i++) {
        const struct pm_replay_end *end = &y->r->ends[i];
        if (end->partition != partition || (end->first >= log_first && end->next <= log_next)) continue;
        pm_error_set(&why, PM_ELOG,
                     "partition %d: offsets %lld..%lld were applied, but the log holds %lld..%lld: there is nothing to "
                     "compare with",
                     partition, (long long)end->first, (long long)end->next - 1, (long long)log_first,
                     (long long)log_next - 1);
        pm_places_fault(y, partition, &why);
        return false;
    }
    return true;
}

static int start_partition(struct pm_replayer *y, int32_t partition, struct pm_batch *batch, struct pm_error *err)
{
    struct pm_replay_partition *p = &y->partitions[partition];
    int64_t log_first, log_next;
    bool found;
    struct pm_offset_row row;
    PM_TRY(pm_log_offsets(y->log, partition, &log_first, &log_next, err));
    PM_TRY(pm_writer_offset(y->writer, partition, &found, &row, err));
    p->first = found ? row.first : log_first;
    p->committed = found ? row.next : log_first;
    p->end = wanted_end(y, partition, log_next);
    p->checked_at = -1;
    p->breaks = pm_log_breaks(y->log, partition);
    p->anchor = (struct pm_anchor){.offset = -1};
    if (found) p->anchor = (struct pm_anchor){row.anchor_offset, row.anchor_timestamp_ms, row.anchor_crc};
    for (size_t i = 0; i < y->n_gaps; i++)
        if (y->gaps[i].partition == partition && !y->gaps[i].accepted) p->gap_open = true;
    if (!can_compare(y, partition, log_first, log_next)) return PM_OK;
    struct pm_place_check place = {partition, p->committed, log_first, log_next, y->r->index_dir};
    struct pm_gap gap;
    struct pm_error why;
    if (pm_gap_check(&place, &gap, &why) != PM_OK) return parted(y, &place, &gap, &why, batch, err);
    if (!found) {
        struct pm_batch_offset *offset = pm_batch_offset(batch, partition);
        offset->first = p->first;
        offset->next = p->committed;
        take_over_gaps(y, partition, log_first, batch);
    }
    return seek_to_anchor(y, partition, log_first, batch, err);
}

/* What the index knows of its partitions and gaps. */
static int read_index(struct pm_replayer *y, int32_t n_partitions, struct pm_batch *batch, struct pm_error *err)
{
    struct pm_snapshot *snap;
    struct pm_applied *applied = NULL;
    size_t n = 0;
    PM_TRY(pm_snapshot_of(y->writer->kv, &snap, err));
    int rc = pm_snapshot_gaps(snap, &y->arena, &y->gaps, &y->n_gaps, err);
    if (rc == PM_OK) rc = pm_snapshot_applied(snap, &y->arena, &applied, &n, err);
    pm_snapshot_close(snap);
    for (size_t i = 0; i < n && rc == PM_OK; i++) {
        struct pm_place_check place = {.partition = applied[i].partition, .next = applied[i].next};
        struct pm_gap gap;
        struct pm_error why;
        if (place.partition < n_partitions || applied[i].next == applied[i].first) continue;
        place.index_dir = y->r->index_dir;
        pm_gap_no_partition(&place, n_partitions, &gap, &why);
        rc = parted(y, &place, &gap, &why, batch, err);
    }
    return rc;
}

/* At the start, and now and then for partitions that were added. */
int pm_places_look(struct pm_replayer *y, struct pm_error *err)
{
    int32_t n;
    y->partitions_at = pm_time_monotonic_us();
    PM_TRY(pm_log_partitions(y->log, &n, err));
    if (n <= y->n_partitions) return PM_OK;
    y->partitions = pm_realloc(y->partitions, (size_t)n * sizeof *y->partitions);
    memset(y->partitions + y->n_partitions, 0, (size_t)(n - y->n_partitions) * sizeof *y->partitions);
    int32_t before = y->n_partitions;
    y->n_partitions = n;
    /* The offsets of new partitions are written before the writer's thread has anything else to do: the writer is ours
     * until the pipeline opens, later it is read by its own transaction. */
    struct pm_batch *batch, first = {0};
    if (y->pipeline) PM_TRY(pm_pipeline_take(y->pipeline, &batch, err));
    else batch = &first;
    int rc = y->pipeline ? PM_OK : read_index(y, n, batch, err);
    for (int32_t i = before; i < n && rc == PM_OK; i++) {
        rc = start_partition(y, i, batch, err);
        if (rc != PM_OK) y->n_partitions = i; /* the next look tries it again */
    }
    if (y->pipeline) pm_pipeline_give(y->pipeline, batch);
    else if (rc == PM_OK && (first.n_offsets || first.n_gaps)) rc = pm_apply(y->writer, &first, 0, err);
    pm_batch_release(&first);
    return rc;
}
