/* known.c: what the log knows (known.h). Records that the index lacks are read from the log and kept by the hash of
 * their path, about 50 bytes a result, until the answer is given. */
#include "provstore/known.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/time.h"
#include "provstore/fresh.h"

#define POLL_RECORDS 4096
#define POLL_BYTES ((size_t)8 << 20)
#define POLL_MS 200

struct seen { /* of one path, in the records that the index lacks */
    struct pm_hash128 path;
    int64_t produced_at, deleted_at; /* the latest; INT64_MIN: never */
};

struct pm_known {
    struct pm_fresh index; /* snap NULL: there is none */
    struct pm_arena arena;
    struct seen *table; /* open addressing; both times INT64_MIN: free */
    size_t size, count;
    uint64_t others; /* events that the index lacks, without deletions */
};

/* ---- the table ---- */

static bool is_free(const struct seen *seen) { return seen->produced_at == INT64_MIN && seen->deleted_at == INT64_MIN; }

static struct seen *slot_of(const struct pm_known *known, struct pm_hash128 path)
{
    size_t at = path.lo & (known->size - 1);
    while (!is_free(&known->table[at]) && (known->table[at].path.hi != path.hi || known->table[at].path.lo != path.lo))
        at = (at + 1) & (known->size - 1);
    return &known->table[at];
}

static void grow(struct pm_known *known)
{
    struct pm_known larger = {.size = known->size ? 2 * known->size : 1024};
    larger.table = pm_malloc(larger.size * sizeof *larger.table);
    for (size_t i = 0; i < larger.size; i++) larger.table[i] = (struct seen){{0, 0}, INT64_MIN, INT64_MIN};
    for (size_t i = 0; i < known->size; i++)
        if (!is_free(&known->table[i])) *slot_of(&larger, known->table[i].path) = known->table[i];
    free(known->table);
    known->table = larger.table;
    known->size = larger.size;
}

static void take_event(struct pm_known *known, const struct pm_event *ev)
{
    bool produced = ev->type == PM_RESULT_COMPUTED || ev->type == PM_RESULT_DISCOVERED;
    known->others += ev->type != PM_RESULT_DELETED;
    if (!produced && ev->type != PM_RESULT_DELETED) return;
    if (2 * (known->count + 1) > known->size) grow(known);
    struct pm_hash128 path = pm_hash128(ev->result);
    struct seen *seen = slot_of(known, path);
    if (is_free(seen)) {
        seen->path = path;
        known->count++;
    }
    int64_t *at = produced ? &seen->produced_at : &seen->deleted_at;
    if (ev->occurred_at > *at) *at = ev->occurred_at;
}

/* ---- the records that the index lacks ---- */

struct tail {
    struct pm_known *known;
    const struct pm_known_options *options;
    struct pm_log *log;
    struct pm_codec *codec;
    struct pm_arena arena;
};

/* A record that is no event says nothing; the quarantine tells it. */
static int take_batch(struct tail *tail, const struct pm_log_batch *batch, int32_t partition, int64_t end,
                      struct pm_error *err)
{
    for (size_t i = 0; i < batch->n_records; i++) {
        const struct pm_log_record *record = &batch->records[i];
        struct pm_event ev;
        if (record->partition != partition || record->offset >= end || !record->value.ptr) continue;
        int64_t at_us = pm_time_of_ms(record->timestamp_ms);
        pm_arena_reset(&tail->arena);
        int rc = pm_codec_decode(tail->codec, record->value, at_us < 0 ? 0 : at_us, &tail->arena, &ev, err);
        if (rc == PM_OK) take_event(tail->known, &ev);
        else if (pm_error_class(rc) != PM_CLASS_POISON) return rc;
    }
    for (size_t i = 0; i < batch->n_faults; i++) {
        const struct pm_log_fault *fault = &batch->faults[i];
        if (fault->partition < 0 || fault->partition == partition)
            return pm_error_set(err, fault->error.code, "%s", fault->error.text);
    }
    return PM_OK;
}

static int read_partition(struct tail *tail, int32_t partition, int64_t from, struct pm_error *err)
{
    int64_t first, end, position, last_us = pm_time_monotonic_us();
    PM_TRY(pm_log_offsets(tail->log, partition, &first, &end, err));
    if (from < first) from = first;
    if (from >= end) return PM_OK;
    PM_TRY(pm_log_seek(tail->log, partition, from, err));
    for (position = from; position < end && !(tail->options->stop && *tail->options->stop);) {
        struct pm_log_batch batch = {0};
        if (tail->known->index.snap)
            PM_TRY(pm_fresh_newest(&tail->known->index, err)); /* where it stood has been asked */
        PM_TRY(pm_log_poll(tail->log, POLL_RECORDS, POLL_BYTES, POLL_MS, &batch, err));
        int rc = take_batch(tail, &batch, partition, end, err);
        pm_log_batch_release(&batch);
        PM_TRY(rc);
        int64_t before = position, now = pm_time_monotonic_us();
        position = pm_log_position(tail->log, partition);
        if (position != before) last_us = now;
        if (now - last_us > PM_KNOWN_STALL_US)
            return pm_error_set(err, PM_ETIMEOUT,
                                "the log delivered nothing for 30 s: partition %d stands at %lld of %lld", partition,
                                (long long)position, (long long)end);
    }
    return PM_OK;
}

static int64_t applied_next(const struct pm_applied *applied, size_t n, int32_t partition)
{
    for (size_t i = 0; i < n; i++)
        if (applied[i].partition == partition) return applied[i].next;
    return 0;
}

static int read_tail(struct tail *tail, struct pm_error *err)
{
    struct pm_applied *applied = NULL;
    size_t n_applied = 0;
    int32_t partitions;
    struct pm_known *known = tail->known;
    if (known->index.snap) PM_TRY(pm_snapshot_applied(known->index.snap, &known->arena, &applied, &n_applied, err));
    PM_TRY(pm_log_partitions(tail->log, &partitions, err));
    for (int32_t p = 0; p < partitions; p++) PM_TRY(read_partition(tail, p, applied_next(applied, n_applied, p), err));
    return PM_OK;
}

/* ---- opening ---- */

static int open_index(struct pm_known *known, const struct pm_known_options *options, const struct pm_log *log,
                      struct pm_error *err)
{
    struct stat st;
    struct pm_index_info info;
    if (stat(options->index_dir, &st) != 0 && errno == ENOENT) return PM_OK;
    PM_TRY(pm_fresh_open(options->index_dir, &known->index, err));
    PM_TRY(pm_snapshot_info(known->index.snap, &info, err));
    if (strcmp(info.log_identity, pm_log_identity(log)) == 0) return PM_OK;
    return pm_error_set(err, PM_EINDEX, "the index %s was made from %s (%s), not from %s (%s)", options->index_dir,
                        info.log_url, info.log_identity, pm_log_url(log), pm_log_identity(log));
}

static int fill(struct pm_known *known, const struct pm_known_options *options, struct pm_log *log,
                struct pm_error *err)
{
    struct tail tail = {.known = known, .options = options, .log = log};
    PM_TRY(open_index(known, options, log, err));
    PM_TRY(pm_codec_open(&options->codec, &tail.codec, err));
    int rc = read_tail(&tail, err);
    pm_codec_close(tail.codec);
    pm_arena_release(&tail.arena);
    return rc;
}

int pm_known_open(const struct pm_known_options *options, struct pm_known **ret, struct pm_error *err)
{
    struct pm_log_options log_options = options->log;
    struct pm_log *log = NULL;
    struct pm_known *known = pm_calloc(1, sizeof *known);
    log_options.mode = PM_LOG_READ;
    int rc = pm_log_open(options->log_url, &log_options, &log, err);
    if (rc == PM_OK) rc = fill(known, options, log, err);
    else if (rc == PM_ENOTFOUND) rc = PM_OK;
    pm_log_close(log);
    if (rc == PM_OK) *ret = known;
    else pm_known_close(known);
    return rc;
}

void pm_known_close(struct pm_known *known)
{
    if (!known) return;
    pm_fresh_close(&known->index);
    pm_arena_release(&known->arena);
    free(known->table);
    free(known);
}

uint64_t pm_known_others(const struct pm_known *known) { return known->others; }

/* ---- asking ---- */

static int ask_index(struct pm_known *known, struct pm_slice path, bool *ret_produced, int64_t *ret_deleted_at,
                     struct pm_error *err)
{
    uint64_t number;
    struct pm_result result;
    PM_TRY(pm_fresh_tick(&known->index, err));
    int rc = pm_result_find(known->index.snap, path, &number, err);
    if (rc == PM_ENOTFOUND) return PM_OK;
    PM_TRY(rc);
    pm_arena_reset(&known->arena);
    PM_TRY(pm_result_get(known->index.snap, number, &known->arena, &result, err));
    *ret_produced = result.produced;
    if (result.deleted) *ret_deleted_at = result.deleted_at;
    return PM_OK;
}

int pm_known_find(struct pm_known *known, struct pm_slice path, enum pm_known_state *ret, int64_t *ret_deleted_at,
                  struct pm_error *err)
{
    bool produced = false;
    int64_t deleted_at = INT64_MIN;
    if (known->index.snap) PM_TRY(ask_index(known, path, &produced, &deleted_at, err));
    const struct seen *seen = known->size ? slot_of(known, pm_hash128(path)) : NULL;
    if (seen && !is_free(seen)) {
        produced = produced || seen->produced_at != INT64_MIN;
        if (seen->deleted_at > deleted_at) deleted_at = seen->deleted_at;
        if (seen->produced_at > deleted_at) deleted_at = INT64_MIN;
    }
    *ret = deleted_at != INT64_MIN ? PM_KNOWN_DELETED : produced ? PM_KNOWN : PM_KNOWN_NOT;
    if (*ret == PM_KNOWN_DELETED) *ret_deleted_at = deleted_at;
    return PM_OK;
}
