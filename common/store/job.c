/* job.c: jobs as readers see them: the row, the values that its results' events carry, and what its JobSubmitted events
 * say. */
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/json.h"
#include "common/base/varint.h"
#include "common/store/job.h"
#include "common/store/snapshot.h"

/* The fields of JobSubmitted that two submissions may differ in, by the names of the event. */
static const struct {
    enum pm_member member;
    const char *name;
} fact_fields[] = {
    {PM_M_job_type, "job_type"},
    {PM_M_bundle_ref, "bundle_ref"},
    {PM_M_bundle_digest, "bundle_digest"},
    {PM_M_entrypoint, "entrypoint"},
    {PM_M_targets, "targets"},
    {PM_M_parents, "parents"},
    {PM_M_definition_hash, "definition_hash"},
    {PM_M_input_hash, "input_hash"},
    {PM_M_job_inputs, "inputs"},
    {PM_M_provider_id, "provider_id"},
    {PM_M_provider_model, "provider_model"},
    {PM_M_user, "user"},
    {PM_M_rerun_of, "rerun_of"},
    {PM_M_metadata, "metadata"},
};
#define FACT_FIELDS (sizeof fact_fields / sizeof fact_fields[0])

/* ---- submissions ---- */

int pm_job_submissions(struct pm_kv_txn *txn, const struct pm_tables *tables, uint32_t job, struct pm_arena *arena,
                       struct pm_event **ret, size_t *ret_count, struct pm_error *err)
{
    uint8_t prefix[4];
    pm_be32_put(prefix, job);
    struct pm_kv_cursor *cursor;
    PM_TRY(pm_kv_cursor_open(txn, tables->job_submissions, &cursor, err));
    struct pm_event *rows = NULL;
    size_t n = 0, room = 0;
    struct pm_slice key, value;
    int rc = pm_kv_seek(cursor, pm_slice(prefix, 4), &key, &value, err);
    for (; rc == PM_OK && key.len >= 4 && memcmp(key.ptr, prefix, 4) == 0; rc = pm_kv_next(cursor, &key, &value, err)) {
        if (n == room) {
            room = room ? 2 * room : 4;
            struct pm_event *grown = pm_arena_alloc(arena, room * sizeof *grown);
            if (n) memcpy(grown, rows, n * sizeof *grown);
            rows = grown;
        }
        if ((rc = pm_event_decode(PM_JOB_SUBMITTED, pm_arena_copy(arena, value), &rows[n++], err)) != PM_OK) {
            rc = pm_error_set(err, PM_ECORRUPT, "a submission of job %u cannot be read", job);
            break;
        }
    }
    pm_kv_cursor_close(cursor);
    if (rc != PM_OK && rc != PM_ENOTFOUND) return rc;
    *ret = rows; /* in order of (at, event_id): the earliest first */
    *ret_count = n;
    return PM_OK;
}

struct pm_slice pm_job_submission_key(uint32_t job, int64_t at, const uint8_t event_id[PM_EVENT_ID_BYTES],
                                      uint64_t hash, uint8_t key[PM_JOB_SUBMISSION_KEY_BYTES])
{
    pm_be32_put(key, job);
    pm_time_key_put(key + 4, at);
    memcpy(key + 12, event_id, PM_EVENT_ID_BYTES);
    pm_be64_put(key + 12 + PM_EVENT_ID_BYTES, hash);
    return pm_slice(key, PM_JOB_SUBMISSION_KEY_BYTES);
}

/* A fact of a submission as JSON text; false when the submission does not carry it. */
static bool fact_json(const struct pm_event *ev, enum pm_member member, struct pm_arena *arena, struct pm_slice *ret)
{
    if (!(ev->has >> member & 1)) return false;
    struct pm_buf buf = {0};
    switch (member) {
    case PM_M_job_type: pm_json_put_string(&buf, ev->job_type); break;
    case PM_M_bundle_ref: pm_json_put_string(&buf, ev->bundle_ref); break;
    case PM_M_bundle_digest: pm_json_put_string(&buf, ev->bundle_digest); break;
    case PM_M_entrypoint: pm_json_put_string(&buf, ev->entrypoint); break;
    case PM_M_targets: pm_texts_to_json(ev->targets, &buf); break;
    case PM_M_parents: pm_texts_to_json(ev->parents, &buf); break;
    case PM_M_definition_hash: pm_json_put_string(&buf, ev->definition_hash); break;
    case PM_M_input_hash: pm_json_put_string(&buf, ev->input_hash); break;
    case PM_M_job_inputs: pm_buf_slice_add(&buf, ev->job_inputs); break;
    case PM_M_provider_id: pm_json_put_string(&buf, ev->provider_id); break;
    case PM_M_provider_model: pm_json_put_string(&buf, ev->provider_model); break;
    case PM_M_user: pm_json_put_string(&buf, ev->user); break;
    case PM_M_rerun_of: pm_json_put_string(&buf, ev->rerun_of); break;
    case PM_M_metadata: pm_buf_slice_add(&buf, ev->metadata); break;
    default: PM_CHECK(false);
    }
    *ret = pm_arena_copy(arena, pm_buf_slice(&buf));
    pm_buf_release(&buf);
    return true;
}

/* The distinct values of one field over the submissions, each with the first that carries it. */
static size_t distinct(const struct pm_event *submissions, size_t n, enum pm_member member, struct pm_arena *arena,
                       struct pm_conflict_value *values)
{
    size_t n_values = 0;
    for (size_t i = 0; i < n; i++) {
        struct pm_slice text;
        if (!fact_json(&submissions[i], member, arena, &text)) continue;
        bool seen = false;
        for (size_t j = 0; j < n_values && !seen; j++) seen = pm_slice_eq(values[j].value, text);
        if (seen) continue;
        values[n_values++] = (struct pm_conflict_value){.value = text,
                                                        .type = PM_JOB_SUBMITTED,
                                                        .has_job = true,
                                                        .job_id = submissions[i].job_id,
                                                        .at = submissions[i].occurred_at};
    }
    return n_values;
}

uint32_t pm_job_count_conflicts(const struct pm_event *submissions, size_t n, struct pm_arena *arena)
{
    uint32_t conflicts = 0;
    if (n < 2) return 0;
    struct pm_conflict_value *values = pm_arena_alloc(arena, n * sizeof *values);
    for (size_t f = 0; f < FACT_FIELDS; f++)
        conflicts += distinct(submissions, n, fact_fields[f].member, arena, values) >= 2;
    return conflicts;
}

int pm_job_conflicts_each(struct pm_snapshot *snap,
                          int (*each)(void *arg, const struct pm_conflict *conflict, struct pm_error *err), void *arg,
                          struct pm_error *err)
{
    PM_CLEANUP(pm_arena_release) struct pm_arena arena = {0};
    for (uint32_t job = 0; job < pm_job_count(snap); job++) {
        struct pm_job_row row;
        PM_TRY(pm_job_row_get(snap->txn, &snap->tables, job, &row, err));
        if (row.conflicts == 0) continue;
        pm_arena_reset(&arena);
        struct pm_event *submissions;
        size_t n;
        PM_TRY(pm_job_submissions(snap->txn, &snap->tables, job, &arena, &submissions, &n, err));
        struct pm_conflict_value *values = pm_arena_alloc(&arena, (n + 1) * sizeof *values);
        for (size_t f = 0; f < FACT_FIELDS; f++) {
            struct pm_conflict conflict = {.is_job = true,
                                           .class = PM_CONFLICT_COLLISION,
                                           .what = pm_slice_cstr(fact_fields[f].name),
                                           .values = values};
            conflict.n_values = distinct(submissions, n, fact_fields[f].member, &arena, values);
            if (conflict.n_values < 2) continue;
            PM_TRY(pm_job_id(snap, job, &conflict.id, err));
            PM_TRY(each(arg, &conflict, err));
        }
    }
    return PM_OK;
}

static const char *const conflict_class_names[] = {"nondeterminism", "false_hit", "collision"};
const char *pm_conflict_class_name(enum pm_conflict_class class) { return conflict_class_names[class]; }

int pm_conflicts_each(struct pm_snapshot *snap,
                      int (*each)(void *arg, const struct pm_conflict *conflict, struct pm_error *err), void *arg,
                      struct pm_error *err)
{
    if (snap->state.conflicts == 0) return PM_OK;
    PM_TRY(pm_result_conflicts_each(snap, each, arg, err));
    return pm_job_conflicts_each(snap, each, arg, err);
}

/* ---- the row ---- */

int pm_job_row_get(struct pm_kv_txn *txn, const struct pm_tables *tables, uint32_t job, struct pm_job_row *ret,
                   struct pm_error *err)
{
    uint64_t key = job;
    struct pm_slice value;
    int rc = pm_kv_get(txn, tables->jobs, pm_kv_u64(&key), &value, err);
    if (rc == PM_ENOTFOUND) {
        memset(ret, 0, sizeof *ret);
        ret->first_at = INT64_MAX;
        ret->last_at = INT64_MIN;
        ret->terminal.status = ret->other.status = -1;
        return PM_OK;
    }
    PM_TRY(rc);
    if (value.len != sizeof *ret) return pm_error_set(err, PM_ECORRUPT, "the row of job %u is cut", job);
    memcpy(ret, value.ptr, sizeof *ret);
    return PM_OK;
}

/* JobSubmitted's facts: for each field the earliest submission that carries it. */
static void merge_facts(const struct pm_event *submissions, size_t n, struct pm_event *facts)
{
    facts->type = PM_JOB_SUBMITTED;
    facts->has = 0;
    for (size_t i = 0; i < n; i++) {
        const struct pm_event *ev = &submissions[i];
        uint64_t fresh = ev->has & ~facts->has;
#define TAKE(m) \
    if (fresh & PM_HAS(m)) facts->m = ev->m;
        TAKE(job_type)
        TAKE(bundle_ref) TAKE(bundle_digest) TAKE(entrypoint) TAKE(targets) TAKE(parents) TAKE(definition_hash)
            TAKE(input_hash) TAKE(job_inputs) TAKE(provider_id) TAKE(provider_model) TAKE(user) TAKE(rerun_of)
                TAKE(metadata)
#undef TAKE
                    facts->has |= fresh;
    }
}

static int by_text(const void *a, const void *b)
{
    return pm_slice_cmp(*(const struct pm_slice *)a, *(const struct pm_slice *)b);
}

/* The interned values of a kind that the job's events carry, sorted by text. */
static int job_values(struct pm_snapshot *snap, uint32_t job, enum pm_name_kind kind, struct pm_arena *arena,
                      struct pm_slice **ret, size_t *ret_count, struct pm_error *err)
{
    uint8_t prefix[5];
    pm_be32_put(prefix, job);
    prefix[4] = (uint8_t)kind;
    struct pm_kv_cursor *cursor;
    PM_TRY(pm_kv_cursor_open(snap->txn, snap->tables.job_values, &cursor, err));
    struct pm_slice *rows = NULL, key;
    size_t n = 0, room = 0;
    int rc = pm_kv_seek(cursor, pm_slice(prefix, 5), &key, NULL, err);
    for (; rc == PM_OK && key.len == 9 && memcmp(key.ptr, prefix, 5) == 0; rc = pm_kv_next(cursor, &key, NULL, err)) {
        if (n == room) {
            room = room ? 2 * room : 4;
            struct pm_slice *grown = pm_arena_alloc(arena, room * sizeof *grown);
            if (n) memcpy(grown, rows, n * sizeof *grown);
            rows = grown;
        }
        if ((rc = pm_snapshot_name(snap, kind, pm_be32_get((const uint8_t *)key.ptr + 5), &rows[n++], err)) != PM_OK)
            break;
    }
    pm_kv_cursor_close(cursor);
    if (rc != PM_OK && rc != PM_ENOTFOUND) return rc;
    if (n > 1) qsort(rows, n, sizeof *rows, by_text);
    *ret = rows;
    *ret_count = n;
    return PM_OK;
}

int pm_job_get(struct pm_snapshot *snap, uint32_t job, struct pm_arena *arena, struct pm_job *ret, struct pm_error *err)
{
    struct pm_job_row row;
    PM_TRY(pm_job_row_get(snap->txn, &snap->tables, job, &row, err));
    struct pm_job out = {
        .number = job,
        .status = row.terminal.status >= 0 ? row.terminal.status : row.other.status,
        .first_at = row.first_at,
        .last_at = row.last_at,
        .computed = row.shown[PM_ROLE_COMPUTED],
        .reused = row.shown[PM_ROLE_REUSED],
        .failed = row.shown[PM_ROLE_FAILED],
        .expected = row.expected,
        .missing = row.missing,
        .conflicts = row.conflicts,
    };
    PM_TRY(pm_job_id(snap, job, &out.job_id, err));
    struct pm_event *submissions;
    size_t n;
    PM_TRY(pm_job_submissions(snap->txn, &snap->tables, job, arena, &submissions, &n, err));
    merge_facts(submissions, n, &out.facts);
    PM_TRY(job_values(snap, job, PM_NAME_BUNDLE, arena, &out.bundle_digests, &out.n_bundle_digests, err));
    PM_TRY(job_values(snap, job, PM_NAME_TARGET, arena, &out.targets, &out.n_targets, err));
    *ret = out;
    return PM_OK;
}
