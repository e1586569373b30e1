/* replayer.c: reads the log in the caller's thread, prepares batches, and hands them to the pipeline.
 *
 *   per partition:  starting --seek--> reading --position >= end--> ended (once)
 *                                         \--fault--> faulted: nothing more from it; the others go on (I6)
 *
 * "At the end" is decided by the position, never by the last record: markers of transactions own offsets that nobody
 * receives. */
#include "consumer/replayer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/check.h"
#include "common/base/fault.h"
#include "common/base/time.h"
#include "consumer/gaps.h"
#include "consumer/pipeline.h"
#include "consumer/prepare.h"

#define BATCH_OPS_DEFAULT 32768
#define BATCH_BYTES_MAX ((size_t)32 << 20)
#define POLL_BYTES_MAX ((size_t)256 << 10) /* so that a record is still in the cache when it is decoded */
#define POLL_IDLE_MS 200
#define POLL_BUSY_MS 5               /* while the writer works anyway */
#define PARTITIONS_EVERY_US 10000000 /* look for added partitions */
#define PROGRESS_EVERY_US 100000
#define LOOK_AGAIN_US 1000000 /* after a break, while nothing comes */
#define RETRY_ONCE_MS 10000   /* how long --once waits for a registry that is away, when the log's options do not say */

struct partition {
    int64_t first, end, committed; /* committed: what the batches so far say */
    struct pm_anchor anchor;       /* the last record that they took */
    bool reading, faulted;
    bool checking;   /* the anchor is read again before anything else is taken */
    bool sought;     /* anew, in the middle of a poll's records: the rest of them is not ours */
    bool gap_open;   /* the index holds an open gap of it */
    uint64_t breaks; /* of the log, when the anchor was last looked at */
    int64_t looked_at;
    int64_t checked_at; /* committed, when it was last sought again after a fault */
};

struct replayer {
    const struct pm_replay *r;
    struct pm_log *log;
    struct pm_writer *writer;
    struct pm_pipeline *pipeline;
    struct pm_codec *codec;
    struct pm_prepare prepare;
    struct partition *partitions;
    int32_t n_partitions;
    struct pm_consumer_result result;
    struct pm_error fault;
    bool faulted;
    int64_t partitions_at, progress_at, rate_at;
    uint64_t rate_records, start_done;
    double rate;
    struct pm_arena arena;
    struct pm_gap *gaps, *old_gaps; /* of the index as it was at the start; accepted ones of the index before */
    size_t n_gaps, n_old_gaps;
    uint64_t accepted_used; /* bit i: options->accepted_gaps[i] */
    bool compacted;         /* the log forgets records anywhere, also the one at an anchor */
};

static bool stopped(const struct replayer *y) { return y->r->options->stop && *y->r->options->stop; }

static void warn(const struct replayer *y, const char *text)
{
    if (y->r->options->warn) y->r->options->warn(y->r->options->arg, text);
}

/* ---- partitions ---- */

static void set_fault(struct replayer *y, int32_t partition, const struct pm_error *error)
{
    if (partition >= 0 && partition < y->n_partitions) y->partitions[partition].faulted = true;
    warn(y, error->text);
    if (!y->faulted) y->fault = *error;
    y->faulted = true;
}

static int64_t wanted_end(const struct replayer *y, int32_t partition, int64_t log_end)
{
    if (!y->r->ends) return log_end;
    for (size_t i = 0; i < y->r->n_ends; i++)
        if (y->r->ends[i].partition == partition) return y->r->ends[i].next;
    return 0;
}

/* ---- gaps: a log that is not as we left it is never passed in silence (I6) ---- */

static int place_of(struct replayer *y, int32_t partition, struct pm_place_check *ret, struct pm_error *err)
{
    *ret = (struct pm_place_check){
        .partition = partition, .next = y->partitions[partition].committed, .index_dir = y->r->index_dir};
    return pm_log_offsets(y->log, partition, &ret->log_first, &ret->log_next, err);
}

/* The partition goes on behind what is missing, or anew where other records stand now: an event that was applied
 * before changes nothing. */
static int go_on(struct replayer *y, const struct pm_place_check *place, struct pm_gap *gap, struct pm_batch *batch,
                 struct pm_error *err)
{
    struct partition *p = &y->partitions[place->partition];
    char text[PM_GAP_TEXT_MAX];
    gap->accepted = true;
    pm_gap_describe(gap, text);
    warn(y, text);
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
static int parted(struct replayer *y, const struct pm_place_check *place, struct pm_gap *gap,
                  const struct pm_error *why, struct pm_batch *batch, struct pm_error *err)
{
    const struct pm_consumer_options *o = y->r->options;
    size_t used;
    if (place->partition < y->n_partitions && pm_gap_is_accepted(gap, o->accepted_gaps, o->n_accepted_gaps, &used)) {
        y->accepted_used |= 1ULL << used;
        return go_on(y, place, gap, batch, err);
    }
    pm_batch_gap(batch, place->partition, gap);
    set_fault(y, place->partition, why);
    return PM_OK;
}

/* All is well with the partition. */
static void sound(struct replayer *y, int32_t partition, struct pm_batch *batch)
{
    struct partition *p = &y->partitions[partition];
    p->checking = false;
    if (p->gap_open) pm_batch_gap(batch, partition, NULL);
    p->gap_open = false;
}

/* From the anchor when there is one: the record there is compared, then reading goes on. */
static int seek_to_anchor(struct replayer *y, int32_t partition, int64_t log_first, struct pm_batch *batch,
                          struct pm_error *err)
{
    struct partition *p = &y->partitions[partition];
    p->checking = p->anchor.offset >= log_first;
    if (!p->checking) sound(y, partition, batch);
    p->sought = p->reading = true;
    return pm_log_seek(y->log, partition, p->checking ? p->anchor.offset : p->committed, err);
}

/* `found` stands at the anchor or behind it; NULL: nothing does. */
static int check_anchor(struct replayer *y, int32_t partition, const struct pm_log_record *found,
                        struct pm_batch *batch, struct pm_error *err)
{
    struct partition *p = &y->partitions[partition];
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
static int take_fault(struct replayer *y, const struct pm_log_fault *fault, struct pm_batch *batch,
                      struct pm_error *err)
{
    struct partition *p = &y->partitions[fault->partition];
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
    set_fault(y, fault->partition, &fault->error);
    return PM_OK;
}

/* After a break, and before anything more is taken: whatever the log is now, it must hold what we took last. */
static int look_again(struct replayer *y, const struct pm_log_batch *from, struct pm_batch *batch, struct pm_error *err)
{
    int64_t now = pm_time_monotonic_us();
    for (int32_t i = 0; i < y->n_partitions; i++) {
        struct partition *p = &y->partitions[i];
        uint64_t breaks = pm_log_breaks(y->log, i);
        if (breaks == p->breaks || (from->n_records == 0 && now - p->looked_at < LOOK_AGAIN_US)) continue;
        p->breaks = breaks;
        p->looked_at = now;
        if (!p->reading || p->faulted || p->checking || p->anchor.offset < 0) continue;
        PM_TRY(seek_to_anchor(y, i, 0, batch, err));
    }
    return PM_OK;
}

static void tell_unused(struct replayer *y)
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
        warn(y, text);
    }
}

/* ---- starting ---- */

/* What an index before this one knew to be missing, and what the log still does not hold. */
static void take_over_gaps(struct replayer *y, int32_t partition, int64_t log_first, struct pm_batch *batch)
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
static bool can_compare(struct replayer *y, int32_t partition, int64_t log_first, int64_t log_next)
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
        set_fault(y, partition, &why);
        return false;
    }
    return true;
}

static int start_partition(struct replayer *y, int32_t partition, struct pm_batch *batch, struct pm_error *err)
{
    struct partition *p = &y->partitions[partition];
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
static int read_index(struct replayer *y, int32_t n_partitions, struct pm_batch *batch, struct pm_error *err)
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
static int look_for_partitions(struct replayer *y, struct pm_error *err)
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

static bool all_ended(const struct replayer *y)
{
    for (int32_t i = 0; i < y->n_partitions; i++) {
        const struct partition *p = &y->partitions[i];
        if (p->reading && !p->faulted && (p->checking || pm_log_position(y->log, i) < p->end)) return false;
    }
    return true;
}

static bool all_faulted(const struct replayer *y)
{
    for (int32_t i = 0; i < y->n_partitions; i++)
        if (!y->partitions[i].faulted) return false;
    return y->n_partitions > 0;
}

/* ---- progress ---- */

static void progress(struct replayer *y, bool finished)
{
    int64_t now = pm_time_monotonic_us();
    if (!y->r->options->progress || (!finished && now - y->progress_at < PROGRESS_EVERY_US)) return;
    y->progress_at = now;
    struct pm_progress line = {.phase = y->r->phase, .seconds_left = -1, .finished = finished};
    for (int32_t i = 0; i < y->n_partitions; i++) {
        const struct partition *p = &y->partitions[i];
        line.done += (uint64_t)(p->committed - p->first);
        line.total += (uint64_t)((p->end > p->committed ? p->end : p->committed) - p->first);
    }
    if (now - y->rate_at >= 1000000 || (finished && now > y->rate_at)) {
        y->rate = (double)(y->result.applied + y->result.quarantined - y->rate_records) * 1e6 /
                  (double)(now - y->rate_at);
        y->rate_records = y->result.applied + y->result.quarantined;
        y->rate_at = now;
    }
    line.events_per_s = y->rate;
    if (y->rate > 0) line.seconds_left = (double)(line.total - line.done) / y->rate;
    y->r->options->progress(y->r->options->arg, &line);
}

/* ---- records ---- */

/* The registry may be away: the same record again, until it is back, the user ends it, or --once has waited long
 * enough. */
static int prepare_patiently(struct replayer *y, const struct pm_log_record *record, struct pm_batch *batch,
                             struct pm_error *err)
{
    int64_t give_up = 0;
    for (int delay_ms = 100;; delay_ms = delay_ms < 5000 ? delay_ms * 2 : delay_ms) {
        int rc = pm_prepare_record(&y->prepare, record, batch, err);
        if (rc == PM_OK || pm_error_class(rc) != PM_CLASS_RETRY) return rc;
        int64_t now = pm_time_monotonic_us();
        if (give_up == 0) {
            warn(y, err ? err->text : "waiting");
            int wait_ms = y->r->options->log.timeout_ms ? y->r->options->log.timeout_ms : RETRY_ONCE_MS;
            give_up = now + (int64_t)wait_ms * 1000;
        }
        if (stopped(y) || (y->r->once && now > give_up)) return rc;
        struct timespec pause = {delay_ms / 1000, (long)(delay_ms % 1000) * 1000000};
        nanosleep(&pause, NULL);
    }
}

/* Offsets that nobody receives (markers, compacted records) are passed by the position alone. */
static int take_positions(struct replayer *y, struct pm_batch *batch, struct pm_error *err)
{
    for (int32_t i = 0; i < y->n_partitions; i++) {
        struct partition *p = &y->partitions[i];
        if (!p->reading || p->faulted) continue;
        int64_t position = pm_log_position(y->log, i);
        if (p->checking && position > p->anchor.offset) PM_TRY(check_anchor(y, i, NULL, batch, err));
        if (p->checking || p->faulted || p->sought || position <= p->committed) continue;
        struct pm_batch_offset *offset = pm_batch_offset(batch, i);
        offset->first = p->first;
        if (position > offset->next) offset->next = position; /* it steps back when a record is delivered again */
        p->committed = offset->next;
    }
    return PM_OK;
}

static void take_place(struct replayer *y, const struct pm_log_record *record, struct pm_batch *batch)
{
    pm_prepare_place(record, batch);
    const struct pm_batch_offset *offset = pm_batch_offset(batch, record->partition);
    y->partitions[record->partition].anchor = (struct pm_anchor){offset->anchor_offset, offset->anchor_timestamp_ms,
                                                                 offset->anchor_crc};
}

/* Whether the record is one to apply. */
static int is_ours(struct replayer *y, const struct pm_log_record *record, struct pm_batch *batch, bool *ret,
                   struct pm_error *err)
{
    struct partition *p = &y->partitions[record->partition];
    *ret = false;
    if (p->checking && record->offset >= p->anchor.offset)
        PM_TRY(check_anchor(y, record->partition, record, batch, err));
    *ret = !p->checking && !p->faulted && !p->sought && record->offset >= p->committed &&
           record->offset > p->anchor.offset && !(y->r->ends && record->offset >= p->end);
    return PM_OK;
}

static int take_records(struct replayer *y, struct pm_log_batch *from, struct pm_batch *batch, struct pm_error *err)
{
    const struct pm_log_record *last = NULL; /* prepared, its place not yet taken */
    int rc = PM_OK;
    for (size_t i = 0; i < from->n_records && rc == PM_OK; i++) {
        const struct pm_log_record *record = &from->records[i];
        bool ours;
        if ((rc = is_ours(y, record, batch, &ours, err)) != PM_OK || !ours) continue;
        if (last && last->partition != record->partition) take_place(y, last, batch);
        else if (last && last->offset >= record->offset) continue; /* delivered again */
        rc = prepare_patiently(y, record, batch, err);
        if (rc != PM_OK)
            pm_error_wrap(err, rc, "partition %d offset %lld", record->partition, (long long)record->offset);
        else last = record;
    }
    if (last) take_place(y, last, batch);
    PM_TRY(rc);
    PM_TRY(take_positions(y, batch, err));
    for (size_t i = 0; i < from->n_faults; i++) {
        const struct pm_log_fault *fault = &from->faults[i];
        if (fault->partition >= 0 && fault->partition < y->n_partitions) {
            PM_TRY(take_fault(y, fault, batch, err));
            continue;
        }
        set_fault(y, fault->partition, &fault->error);
        if (err) *err = fault->error;
        return fault->error.code;
    }
    return PM_OK;
}

/* Fills a batch: until it is full, or nothing more is there and the writer waits. */
static int fill(struct replayer *y, struct pm_batch *batch, struct pm_error *err)
{
    size_t ops_max = y->r->options->batch_events_max ? y->r->options->batch_events_max
                                                     : PM_FAULT_LIMIT(batch_ops, BATCH_OPS_DEFAULT);
    while (batch->n_ops + batch->n_poison < ops_max && batch->bytes.len < BATCH_BYTES_MAX && !stopped(y)) {
        bool empty = batch->records == 0 && batch->n_offsets == 0, busy = pm_pipeline_busy(y->pipeline);
        if (y->r->once && all_ended(y)) break;
        for (int32_t i = 0; i < y->n_partitions; i++) y->partitions[i].sought = false;
        struct pm_log_batch from;
        PM_TRY(pm_log_poll(y->log, ops_max - batch->n_ops - batch->n_poison, POLL_BYTES_MAX,
                           empty  ? POLL_IDLE_MS
                           : busy ? POLL_BUSY_MS
                                  : 0,
                           &from, err));
        size_t got = from.n_records;
        int rc = look_again(y, &from, batch, err);
        if (rc == PM_OK) rc = take_records(y, &from, batch, err);
        pm_log_batch_release(&from);
        progress(y, false);
        PM_TRY(rc);
        if (got == 0 && (empty || !busy)) break;
    }
    return PM_OK;
}

static int follow(struct replayer *y, struct pm_error *err)
{
    while (!stopped(y)) {
        if (y->r->once && all_ended(y)) break;
        if (all_faulted(y)) break;
        struct pm_batch *batch;
        PM_TRY(pm_pipeline_take(y->pipeline, &batch, err));
        int rc = fill(y, batch, err);
        y->result.applied += batch->events;
        y->result.quarantined += batch->n_poison;
        pm_pipeline_give(y->pipeline, batch); /* what was prepared is whole, also before an error */
        PM_TRY(rc);
        if (!y->r->once && pm_time_monotonic_us() - y->partitions_at > PARTITIONS_EVERY_US) {
            struct pm_error why;
            if (look_for_partitions(y, &why) != PM_OK) warn(y, why.text);
            for (int32_t i = 0; i < y->n_partitions; i++) { /* the end, for progress */
                int64_t first, next;
                if (pm_log_offsets(y->log, i, &first, &next, NULL) == PM_OK) y->partitions[i].end = next;
            }
        }
    }
    tell_unused(y);
    return pm_pipeline_drain(y->pipeline, err);
}

/* ---- the whole ---- */

int pm_replay_log_url(const struct pm_consumer_options *options, const char *dir, char *room, size_t room_size,
                      const char **ret, struct pm_error *err)
{
    *ret = options->log_url;
    if (*ret) return PM_OK;
    struct pm_index *index;
    struct pm_snapshot *snap;
    struct pm_index_info info;
    PM_TRY(pm_index_open(dir, &index, err));
    int rc = pm_snapshot_open(index, &snap, err);
    if (rc == PM_OK) {
        rc = pm_snapshot_info(snap, &info, err);
        pm_snapshot_close(snap);
    }
    pm_index_close(index);
    PM_TRY(rc);
    snprintf(room, room_size, "%s", info.log_url);
    *ret = room;
    return PM_OK;
}

/* The accepted gaps of the index that this one will replace, when it is of the same log. */
static int read_old_gaps(struct replayer *y, struct pm_error *err)
{
    struct pm_index *index;
    struct pm_snapshot *snap;
    struct pm_index_info info;
    if (!y->r->old_dir || pm_index_open(y->r->old_dir, &index, NULL) != PM_OK) return PM_OK; /* none that can be read */
    int rc = pm_snapshot_open(index, &snap, err);
    if (rc == PM_OK) {
        rc = pm_snapshot_info(snap, &info, err);
        if (rc == PM_OK && strcmp(info.log_identity, pm_log_identity(y->log)) == 0)
            rc = pm_snapshot_gaps(snap, &y->arena, &y->old_gaps, &y->n_old_gaps, err);
        pm_snapshot_close(snap);
    }
    pm_index_close(index);
    return rc;
}

static void take_setting(void *arg, const char *name, const char *value, const char *warning)
{
    static const char *const forgetful[] = {"cleanup.policy", "retention.ms", "retention.bytes"};
    struct replayer *y = arg;
    char text[512];
    if (strcmp(name, "cleanup.policy") == 0 && value && strstr(value, "compact")) y->compacted = true;
    for (size_t i = 0; i < sizeof forgetful / sizeof *forgetful; i++) {
        if (!warning || strcmp(name, forgetful[i]) != 0) continue;
        snprintf(text, sizeof text, "warning: %s=%s: %s", name, value ? value : "", warning);
        warn(y, text);
    }
}

/* A log that forgets is warned of at every start: later nobody can bring its records back. */
static void read_settings(struct replayer *y)
{
    struct pm_error why;
    char text[PM_ERROR_TEXT_MAX + 64];
    if (pm_log_settings(y->log, take_setting, y, &why) == PM_OK) return;
    snprintf(text, sizeof text, "warning: whether the log forgets records is not known: %s", why.text);
    warn(y, text);
}

static int open_all(struct replayer *y, struct pm_error *err)
{
    const struct pm_consumer_options *o = y->r->options;
    char room[1024];
    const char *url;
    PM_TRY(pm_replay_log_url(o, y->r->index_dir, room, sizeof room, &url, err));
    struct pm_log_options log = o->log;
    log.mode = PM_LOG_READ;
    int rc = pm_log_open(url, &log, &y->log, err);
    if (rc == PM_ENOTFOUND)
        return err->code = PM_ELOG; /* a log that is not there is not an answer of "nothing found" */
    PM_TRY(rc);
    const struct pm_index_info *from = y->r->made_from;
    if (from && strcmp(from->log_identity, pm_log_identity(y->log)) != 0)
        return pm_error_set(err, PM_EINDEX, "%s: the index was made from another log: %s (%s), not %s (%s)",
                            o->index_dir, from->log_url, from->log_identity, pm_log_url(y->log),
                            pm_log_identity(y->log));
    PM_TRY(pm_codec_open(&o->codec, &y->codec, err));
    PM_TRY(
        pm_writer_open(y->r->index_dir, pm_log_url(y->log), pm_log_identity(y->log), y->r->until_us, &y->writer, err));
    y->prepare = (struct pm_prepare){.codec = y->codec, .until_us = y->r->until_us};
    PM_TRY(pm_writer_names(y->writer, &y->prepare.names, err));
    PM_TRY(read_old_gaps(y, err));
    if (!from) read_settings(y);
    PM_TRY(look_for_partitions(y, err));
    y->rate_at = pm_time_monotonic_us();
    return pm_pipeline_open(y->writer, !y->r->once, &y->pipeline, err);
}

int pm_replay(const struct pm_replay *replay, struct pm_consumer_result *ret, struct pm_error *err)
{
    struct replayer y = {.r = replay};
    struct pm_error local;
    if (!err) err = &local;
    int rc = open_all(&y, err);
    if (rc == PM_OK) rc = follow(&y, err);
    pm_pipeline_close(y.pipeline);
    if (rc == PM_OK) progress(&y, true);
    pm_names_free(y.prepare.names);
    pm_prepare_release(&y.prepare);
    pm_writer_close(y.writer);
    pm_codec_close(y.codec);
    pm_log_close(y.log);
    free(y.partitions);
    pm_arena_release(&y.arena);
    PM_TRY(rc);
    *ret = y.result;
    if (y.faulted) {
        *err = y.fault;
        return y.fault.code;
    }
    return PM_OK;
}
