/* materialize.c: log -> index, and the quarantine's second try. */
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "consumer/prepare.h"
#include "consumer/replayer.h"
#include "consumer/views/views.h"

const char *const *pm_view_names(void) { return pm_view_names_; }

int pm_materialize(const struct pm_consumer_options *options, bool once, struct pm_consumer_result *ret,
                   struct pm_error *err)
{
    struct pm_replay replay = {.options = options,
                               .index_dir = options->index_dir,
                               .phase = "materialize",
                               .once = once,
                               .until_us = INT64_MAX};
    return pm_replay(&replay, ret, err);
}

/* ---- quarantine retry ---- */

struct retry {
    struct pm_prepare prepare;
    struct pm_batch batch;
    uint64_t left;
};

static int retry_row(void *arg, const struct pm_quarantined *row, struct pm_error *err)
{
    struct retry *r = arg;
    struct pm_log_record record = {.partition = row->partition,
                                   .offset = row->offset,
                                   .timestamp_ms = row->at_us < 0 ? -1 : row->at_us / 1000,
                                   .key = row->key,
                                   .value = row->value};
    size_t poison = r->batch.n_poison;
    PM_TRY(pm_prepare_record(&r->prepare, &record, &r->batch, err));
    if (r->batch.n_poison > poison) r->left++;
    else pm_batch_recovered(&r->batch, row->partition, row->offset);
    return PM_OK;
}

int pm_quarantine_retry(const struct pm_consumer_options *options, uint64_t *ret_applied, uint64_t *ret_left,
                        struct pm_error *err)
{
    struct retry r = {.left = 0};
    struct pm_index *index = NULL;
    struct pm_writer *writer = NULL;
    struct pm_snapshot *snap = NULL;
    struct pm_index_info info;
    struct pm_log *log = NULL;
    int rc = pm_index_open(options->index_dir, &index, err);
    if (rc == PM_OK) rc = pm_snapshot_open(index, &snap, err);
    if (rc == PM_OK) rc = pm_snapshot_info(snap, &info, err);
    pm_snapshot_close(snap);
    pm_index_close(index);
    snap = NULL;
    if (rc == PM_OK) r.prepare.until_us = info.until_us;
    if (rc == PM_OK) rc = pm_codec_open(&options->codec, &r.prepare.codec, err);
    /* The index says itself of which log it is; a log that is named must be that one. */
    if (rc == PM_OK && options->log_url) {
        struct pm_log_options log_options = options->log;
        log_options.mode = PM_LOG_READ;
        rc = pm_log_open(options->log_url, &log_options, &log, err);
    }
    if (rc == PM_OK)
        rc = pm_writer_open(options->index_dir, log ? pm_log_url(log) : info.log_url,
                            log ? pm_log_identity(log) : info.log_identity, info.until_us, &writer, err);
    pm_log_close(log);
    if (rc == PM_OK) rc = pm_writer_names(writer, &r.prepare.names, err);
    if (rc == PM_OK) rc = pm_snapshot_of(writer->kv, &snap, err);
    if (rc == PM_OK) rc = pm_quarantine_each(snap, retry_row, &r, err);
    pm_snapshot_close(snap);
    uint64_t applied = r.batch.events;
    if (rc == PM_OK && r.batch.n_recovered) {
        r.batch.n_offsets = 0; /* where the partitions stand is not changed by this */
        r.batch.n_poison = 0;
        pm_batch_seal(&r.batch);
        rc = pm_apply(writer, &r.batch, 0, err);
    }
    pm_batch_release(&r.batch);
    pm_names_free(r.prepare.names);
    pm_prepare_release(&r.prepare);
    pm_writer_close(writer);
    pm_codec_close(r.prepare.codec);
    PM_TRY(rc);
    *ret_applied = applied;
    *ret_left = r.left;
    return PM_OK;
}
