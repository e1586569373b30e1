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
#include "consumer/places.h"

#define BATCH_OPS_DEFAULT 32768
#define BATCH_BYTES_MAX ((size_t)32 << 20)
#define POLL_BYTES_MAX ((size_t)256 << 10) /* so that a record is still in the cache when it is decoded */
#define POLL_IDLE_MS 200
#define POLL_BUSY_MS 5               /* while the writer works anyway */
#define PARTITIONS_EVERY_US 10000000 /* look for added partitions */
#define PROGRESS_EVERY_US 100000
#define RETRY_ONCE_MS 10000 /* how long --once waits for a registry that is away, when the log's options do not say */

static bool stopped(const struct pm_replayer *y) { return y->r->options->stop && *y->r->options->stop; }

/* ---- ends ---- */

static bool all_ended(const struct pm_replayer *y)
{
    for (int32_t i = 0; i < y->n_partitions; i++) {
        const struct pm_replay_partition *p = &y->partitions[i];
        if (p->reading && !p->faulted && (p->checking || pm_log_position(y->log, i) < p->end)) return false;
    }
    return true;
}

static bool all_faulted(const struct pm_replayer *y)
{
    for (int32_t i = 0; i < y->n_partitions; i++)
        if (!y->partitions[i].faulted) return false;
    return y->n_partitions > 0;
}

/* ---- progress ---- */

static void progress(struct pm_replayer *y, bool finished)
{
    int64_t now = pm_time_monotonic_us();
    if (!y->r->options->progress || (!finished && now - y->progress_at < PROGRESS_EVERY_US)) return;
    y->progress_at = now;
    struct pm_progress line = {.phase = y->r->phase, .seconds_left = -1, .finished = finished};
    for (int32_t i = 0; i < y->n_partitions; i++) {
        const struct pm_replay_partition *p = &y->partitions[i];
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
static int prepare_patiently(struct pm_replayer *y, const struct pm_log_record *record, struct pm_batch *batch,
                             struct pm_error *err)
{
    int64_t give_up = 0;
    for (int delay_ms = 100;; delay_ms = delay_ms < 5000 ? delay_ms * 2 : delay_ms) {
        int rc = pm_prepare_record(&y->prepare, record, batch, err);
        if (rc == PM_OK || pm_error_class(rc) != PM_CLASS_RETRY) return rc;
        int64_t now = pm_time_monotonic_us();
        if (give_up == 0) {
            pm_places_warn(y, err ? err->text : "waiting");
            int wait_ms = y->r->options->log.timeout_ms ? y->r->options->log.timeout_ms : RETRY_ONCE_MS;
            give_up = now + (int64_t)wait_ms * 1000;
        }
        if (stopped(y) || (y->r->once && now > give_up)) return rc;
        struct timespec pause = {delay_ms / 1000, (long)(delay_ms % 1000) * 1000000};
        nanosleep(&pause, NULL);
    }
}

/* Offsets that nobody receives (markers, compacted records) are passed by the position alone. */
static int take_positions(struct pm_replayer *y, struct pm_batch *batch, struct pm_error *err)
{
    for (int32_t i = 0; i < y->n_partitions; i++) {
        struct pm_replay_partition *p = &y->partitions[i];
        if (!p->reading || p->faulted) continue;
        int64_t position = pm_log_position(y->log, i);
        if (p->checking && position > p->anchor.offset) PM_TRY(pm_places_check_anchor(y, i, NULL, batch, err));
        if (p->checking || p->faulted || p->sought || position <= p->committed) continue;
        struct pm_batch_offset *offset = pm_batch_offset(batch, i);
        offset->first = p->first;
        if (position > offset->next) offset->next = position; /* it steps back when a record is delivered again */
        p->committed = offset->next;
    }
    return PM_OK;
}

static void take_place(struct pm_replayer *y, const struct pm_log_record *record, struct pm_batch *batch)
{
    pm_prepare_place(record, batch);
    const struct pm_batch_offset *offset = pm_batch_offset(batch, record->partition);
    y->partitions[record->partition].anchor = (struct pm_anchor){offset->anchor_offset, offset->anchor_timestamp_ms,
                                                                 offset->anchor_crc};
}

/* Whether the record is one to apply. */
static int is_ours(struct pm_replayer *y, const struct pm_log_record *record, struct pm_batch *batch, bool *ret,
                   struct pm_error *err)
{
    struct pm_replay_partition *p = &y->partitions[record->partition];
    *ret = false;
    if (p->faulted || p->sought) return PM_OK; /* of this poll, but from before the partition was sought anew */
    if (p->checking && record->offset >= p->anchor.offset)
        PM_TRY(pm_places_check_anchor(y, record->partition, record, batch, err));
    *ret = !p->checking && !p->faulted && !p->sought && record->offset >= p->committed &&
           record->offset > p->anchor.offset && !(y->r->ends && record->offset >= p->end);
    return PM_OK;
}

static int take_records(struct pm_replayer *y, struct pm_log_batch *from, struct pm_batch *batch, struct pm_error *err)
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
            PM_TRY(pm_places_take_fault(y, fault, batch, err));
            continue;
        }
        pm_places_fault(y, fault->partition, &fault->error);
        if (err) *err = fault->error;
        return fault->error.code;
    }
    return PM_OK;
}

/* Fills a batch: until it is full, or nothing more is there and the writer waits. */
static int fill(struct pm_replayer *y, struct pm_batch *batch, struct pm_error *err)
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
        int rc = pm_places_look_again(y, &from, batch, err);
        if (rc == PM_OK) rc = take_records(y, &from, batch, err);
        pm_log_batch_release(&from);
        progress(y, false);
        PM_TRY(rc);
        if (got == 0 && (empty || !busy)) break;
    }
    return PM_OK;
}

static int follow(struct pm_replayer *y, struct pm_error *err)
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
            if (pm_places_look(y, &why) != PM_OK) pm_places_warn(y, why.text);
            for (int32_t i = 0; i < y->n_partitions; i++) { /* the end, for progress */
                int64_t first, next;
                if (pm_log_offsets(y->log, i, &first, &next, NULL) == PM_OK) y->partitions[i].end = next;
            }
        }
    }
    pm_places_tell_unused(y);
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
static int read_old_gaps(struct pm_replayer *y, struct pm_error *err)
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
    struct pm_replayer *y = arg;
    char text[512];
    if (strcmp(name, "cleanup.policy") == 0 && value && strstr(value, "compact")) y->compacted = true;
    for (size_t i = 0; i < sizeof forgetful / sizeof *forgetful; i++) {
        if (!warning || strcmp(name, forgetful[i]) != 0) continue;
        snprintf(text, sizeof text, "warning: %s=%s: %s", name, value ? value : "", warning);
        pm_places_warn(y, text);
    }
}

/* A log that forgets is warned of at every start: later nobody can bring its records back. */
static void read_settings(struct pm_replayer *y)
{
    struct pm_error why;
    char text[PM_ERROR_TEXT_MAX + 64];
    if (pm_log_settings(y->log, take_setting, y, &why) == PM_OK) return;
    snprintf(text, sizeof text, "warning: whether the log forgets records is not known: %s", why.text);
    pm_places_warn(y, text);
}

static int open_all(struct pm_replayer *y, struct pm_error *err)
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
    if (from) PM_TRY(pm_log_check_storage(y->log, err)); /* who verifies wants to know */
    PM_TRY(pm_codec_open(&o->codec, &y->codec, err));
    PM_TRY(
        pm_writer_open(y->r->index_dir, pm_log_url(y->log), pm_log_identity(y->log), y->r->until_us, &y->writer, err));
    y->prepare = (struct pm_prepare){.codec = y->codec, .until_us = y->r->until_us};
    PM_TRY(pm_writer_names(y->writer, &y->prepare.names, err));
    PM_TRY(read_old_gaps(y, err));
    if (!from) read_settings(y);
    PM_TRY(pm_places_look(y, err));
    y->rate_at = pm_time_monotonic_us();
    return pm_pipeline_open(y->writer, !y->r->once, &y->pipeline, err);
}

int pm_replay(const struct pm_replay *replay, struct pm_consumer_result *ret, struct pm_error *err)
{
    struct pm_replayer y = {.r = replay};
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
