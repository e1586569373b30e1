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
#include "consumer/pipeline.h"
#include "consumer/prepare.h"

#define BATCH_OPS_DEFAULT 32768
#define BATCH_BYTES_MAX ((size_t)32 << 20)
#define POLL_BYTES_MAX ((size_t)256 << 10) /* so that a record is still in the cache when it is decoded */
#define POLL_IDLE_MS 200
#define POLL_BUSY_MS 5               /* while the writer works anyway */
#define PARTITIONS_EVERY_US 10000000 /* look for added partitions */
#define PROGRESS_EVERY_US 100000
#define RETRY_ONCE_MS 10000 /* how long --once waits for a registry that is away, when the log's options do not say */

struct partition {
    int64_t first, end, committed; /* committed: what the batches so far say */
    bool reading, faulted;
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

/* Where the index stands against what the log holds now: a gap or a log that is not the one we knew is never passed in
 * silence (I6). */
static int check_place(struct replayer *y, int32_t partition, int64_t next, int64_t log_first, int64_t log_next,
                       struct pm_error *err)
{
    const char *dir = y->r->index_dir;
    if (next < log_first)
        return pm_error_set(err, PM_ELOG,
                            "partition %d: offsets %lld..%lld are gone from the log (retention or deletion) and were "
                            "never applied; what is left: provmat rebuild --index %s",
                            partition, (long long)next, (long long)log_first - 1, dir);
    if (next > log_next)
        return pm_error_set(err, PM_ELOG,
                            "partition %d: the index has applied all below offset %lld, but the log ends at %lld: it "
                            "was recreated or truncated; make the index anew: provmat rebuild --index %s",
                            partition, (long long)next, (long long)log_next, dir);
    return PM_OK;
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
    struct pm_error why;
    if (check_place(y, partition, p->committed, log_first, log_next, &why) != PM_OK) {
        set_fault(y, partition, &why);
        return PM_OK;
    }
    if (y->r->ends && p->end > log_next) {
        pm_error_set(&why, PM_ELOG,
                     "partition %d: the index has applied all below offset %lld, but the log ends at %lld: it was "
                     "recreated or truncated",
                     partition, (long long)p->end, (long long)log_next);
        set_fault(y, partition, &why);
        return PM_OK;
    }
    if (!found) {
        struct pm_batch_offset *offset = pm_batch_offset(batch, partition);
        offset->first = p->first;
        offset->next = p->committed;
    }
    p->reading = true;
    return pm_log_seek(y->log, partition, p->committed, err);
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
    int rc = PM_OK;
    for (int32_t i = before; i < n && rc == PM_OK; i++) {
        rc = start_partition(y, i, batch, err);
        if (rc != PM_OK) y->n_partitions = i; /* the next look tries it again */
    }
    if (y->pipeline) pm_pipeline_give(y->pipeline, batch);
    else if (rc == PM_OK && first.n_offsets) rc = pm_apply(y->writer, &first, 0, err);
    pm_batch_release(&first);
    return rc;
}

static bool all_ended(const struct replayer *y)
{
    for (int32_t i = 0; i < y->n_partitions; i++) {
        const struct partition *p = &y->partitions[i];
        if (p->reading && !p->faulted && pm_log_position(y->log, i) < p->end) return false;
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
static void take_positions(struct replayer *y, struct pm_batch *batch)
{
    for (int32_t i = 0; i < y->n_partitions; i++) {
        struct partition *p = &y->partitions[i];
        if (!p->reading || p->faulted) continue;
        int64_t position = pm_log_position(y->log, i);
        if (position <= p->committed) continue;
        struct pm_batch_offset *offset = pm_batch_offset(batch, i);
        offset->first = p->first;
        if (position > offset->next) offset->next = position; /* it steps back when a record is delivered again */
        p->committed = offset->next;
    }
}

static int take_records(struct replayer *y, struct pm_log_batch *from, struct pm_batch *batch, struct pm_error *err)
{
    const struct pm_log_record *last = NULL; /* prepared, its place not yet taken */
    int rc = PM_OK;
    for (size_t i = 0; i < from->n_records && rc == PM_OK; i++) {
        const struct pm_log_record *record = &from->records[i];
        if (y->r->ends && record->offset >= y->partitions[record->partition].end) continue;
        if (last && (last->partition != record->partition || last->offset >= record->offset))
            pm_prepare_place(last, batch);
        rc = prepare_patiently(y, record, batch, err);
        if (rc != PM_OK)
            pm_error_wrap(err, rc, "partition %d offset %lld", record->partition, (long long)record->offset);
        else last = record;
    }
    if (last) pm_prepare_place(last, batch);
    PM_TRY(rc);
    for (size_t i = 0; i < from->n_faults; i++) {
        set_fault(y, from->faults[i].partition, &from->faults[i].error);
        if (from->faults[i].partition < 0) {
            if (err) *err = from->faults[i].error;
            return from->faults[i].error.code;
        }
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
        struct pm_log_batch from;
        PM_TRY(pm_log_poll(y->log, ops_max - batch->n_ops - batch->n_poison, POLL_BYTES_MAX,
                           empty  ? POLL_IDLE_MS
                           : busy ? POLL_BUSY_MS
                                  : 0,
                           &from, err));
        size_t got = from.n_records;
        int rc = take_records(y, &from, batch, err);
        pm_log_batch_release(&from);
        if (rc == PM_OK) take_positions(y, batch);
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
    PM_TRY(rc);
    *ret = y.result;
    if (y.faulted) {
        *err = y.fault;
        return y.fault.code;
    }
    return PM_OK;
}
