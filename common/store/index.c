/* index.c: the readers' side of the index: snapshots, look-ups of jobs, results, pairs and conflicts by probing the
 * tables; no table in memory is built, so a query's start costs nothing (I7). Rows of results stand in result.c. */
#include "common/store/index.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/varint.h"
#include "common/event/event.h"
#include "common/store/mark.h"
#include "common/store/posting.h"
#include "common/store/snapshot.h"

struct pm_index {
    struct pm_kv *kv;
};

static const char *const role_names[PM_ROLE_COUNT] = {"computed", "reused", "failed", "expected"};
const char *pm_role_name(enum pm_role role) { return role_names[role]; }
bool pm_role_parse(struct pm_slice text, enum pm_role *ret)
{
    for (unsigned i = 0; i < PM_ROLE_COUNT; i++)
        if (pm_slice_is(text, role_names[i])) {
            *ret = (enum pm_role)i;
            return true;
        }
    return false;
}

int pm_index_open(const char *dir, struct pm_index **ret, struct pm_error *err)
{
    struct pm_kv *kv;
    PM_TRY(pm_mark_check(dir, err));
    int rc = pm_kv_open(dir, PM_KV_READ_ONLY, &kv, err);
    if (rc == PM_ENOTFOUND)
        return pm_error_set(err, PM_EINDEX,
                            "%s: there is no index; make it with: provmat materialize --once --index %s", dir, dir);
    PM_TRY(rc);
    struct pm_index *index = pm_malloc(sizeof *index);
    index->kv = kv;
    struct pm_snapshot *snap;
    rc = pm_snapshot_open(index, &snap, err);
    if (rc != PM_OK) {
        pm_index_close(index);
        return rc;
    }
    pm_snapshot_close(snap);
    *ret = index;
    return PM_OK;
}

int pm_index_check_pages(const char *dir, struct pm_error *err)
{
    struct pm_kv *kv;
    PM_TRY(pm_mark_check(dir, err));
    int rc = pm_kv_open(dir, PM_KV_READ_ONLY, &kv, err);
    if (rc == PM_ENOTFOUND) return PM_OK;
    PM_TRY(rc);
    rc = pm_kv_check_pages(kv, NULL, err);
    pm_kv_close(kv);
    return rc;
}

void pm_index_close(struct pm_index *index)
{
    if (!index) return;
    pm_kv_close(index->kv);
    free(index);
}

static int snapshot_fill(struct pm_snapshot *snap, struct pm_error *err)
{
    const char *dir = pm_kv_dir(snap->kv);
    pm_kv_db meta;
    int rc = pm_kv_db_open(snap->txn, "meta", PM_KV_DB_CHECKED, &meta, err);
    if (rc == PM_ENOTFOUND) return pm_error_set(err, PM_EINDEX, "%s: not a provmat index", dir);
    PM_TRY(rc);
    snap->tables.meta = meta;
    PM_TRY(pm_meta_check_format(snap->txn, &snap->tables, dir, err));
    PM_TRY(pm_tables_open(&snap->tables, snap->txn, false, err));
    return pm_meta_state_get(snap->txn, &snap->tables, &snap->state, err);
}

int pm_snapshot_of(struct pm_kv *kv, struct pm_snapshot **ret, struct pm_error *err)
{
    struct pm_snapshot *snap = pm_calloc(1, sizeof *snap);
    snap->kv = kv;
    int rc = pm_kv_begin_read(kv, &snap->txn, err);
    if (rc == PM_OK) rc = snapshot_fill(snap, err);
    if (rc != PM_OK) {
        pm_snapshot_close(snap);
        return rc;
    }
    *ret = snap;
    return PM_OK;
}

int pm_snapshot_open(struct pm_index *index, struct pm_snapshot **ret, struct pm_error *err)
{
    return pm_snapshot_of(index->kv, ret, err);
}

void pm_snapshot_close(struct pm_snapshot *snap)
{
    if (!snap) return;
    pm_kv_abort(snap->txn);
    for (unsigned kind = 0; kind < PM_NAME_KIND_COUNT; kind++) free(snap->names[kind].texts);
    for (unsigned kind = 0; kind < PM_RUN_KIND_COUNT; kind++) free(snap->runs[kind]);
    free(snap);
}

bool pm_snapshot_is_newest(const struct pm_snapshot *snap)
{
    return pm_kv_txn_commit(snap->txn) == pm_kv_last_commit(snap->kv);
}

int pm_snapshot_renew(struct pm_snapshot **snap, struct pm_error *err)
{
    struct pm_kv *kv = (*snap)->kv;
    pm_snapshot_close(*snap);
    *snap = NULL;
    return pm_snapshot_of(kv, snap, err);
}

int pm_snapshot_runs(struct pm_snapshot *snap, enum pm_run_kind kind, const struct pm_runs **ret, struct pm_error *err)
{
    if (!snap->runs[kind]) {
        struct pm_runs *runs = pm_malloc(sizeof *runs);
        int rc = pm_runs_load(runs, kind, snap->txn, false, err);
        if (rc != PM_OK) {
            free(runs);
            return rc;
        }
        snap->runs[kind] = runs;
    }
    *ret = snap->runs[kind];
    return PM_OK;
}

/* ---- names ---- */

int pm_snapshot_name(struct pm_snapshot *snap, enum pm_name_kind kind, uint32_t number, struct pm_slice *ret,
                     struct pm_error *err)
{
    uint32_t count = snap->state.next_name[kind];
    if (number >= count)
        return pm_error_set(err, PM_ECORRUPT, "name %u of kind %d is past the last (%u)", number, kind, count);
    struct pm_snapshot_names *names = &snap->names[kind];
    if (!names->texts) names->texts = pm_calloc(count, sizeof *names->texts);
    if (!names->texts[number].ptr) {
        uint8_t key[5];
        struct pm_slice text;
        int rc = pm_kv_get(snap->txn, snap->tables.name_texts, pm_name_text_key(kind, number, key), &text, err);
        if (rc == PM_ENOTFOUND) return pm_error_set(err, PM_ECORRUPT, "name %u of kind %d has no text", number, kind);
        PM_TRY(rc);
        names->texts[number] = text;
    }
    *ret = names->texts[number];
    return PM_OK;
}

int pm_snapshot_name_find(struct pm_snapshot *snap, enum pm_name_kind kind, struct pm_slice text, uint32_t *ret,
                          struct pm_error *err)
{
    uint8_t key[1 + PM_NAME_KEY_TEXT_MAX];
    struct pm_slice value;
    PM_TRY(pm_kv_get(snap->txn, snap->tables.names, pm_name_key(kind, text, key), &value, err));
    if (value.len != 4) return pm_error_set(err, PM_ECORRUPT, "a name's number is cut");
    memcpy(ret, value.ptr, 4);
    return PM_OK;
}

/* ---- the whole ---- */

static void copy_text(struct pm_snapshot *snap, const char *key, char *out, size_t size)
{
    struct pm_slice value;
    out[0] = 0;
    if (pm_kv_get(snap->txn, snap->tables.meta, pm_slice_cstr(key), &value, NULL) != PM_OK) return;
    size_t n = value.len < size - 1 ? value.len : size - 1;
    memcpy(out, value.ptr, n);
    out[n] = 0;
}

int pm_snapshot_info(struct pm_snapshot *snap, struct pm_index_info *ret, struct pm_error *err)
{
    (void)err;
    const struct pm_meta_state *state = &snap->state;
    *ret = (struct pm_index_info){
        .until_us = state->until_us,
        .events = state->events,
        .results = state->results,
        .jobs = state->next_name[PM_NAME_JOB],
        .unattributed = state->results - state->attributed,
        .conflicts = state->conflicts,
        .quarantined = state->quarantined,
        .producers = state->producers,
        .producers_with_gaps = state->producers_with_gaps,
        .missing_events = state->missing_events,
        .file_bytes = pm_kv_file_bytes(snap->kv),
    };
    for (unsigned role = 0; role < PM_ROLE_COUNT; role++) {
        ret->pairs_by_role[role] = state->pairs_by_role[role];
        ret->pairs += state->pairs_by_role[role];
    }
    copy_text(snap, PM_META_LOG_URL, ret->log_url, sizeof ret->log_url);
    copy_text(snap, PM_META_LOG_IDENTITY, ret->log_identity, sizeof ret->log_identity);
    return PM_OK;
}

int pm_snapshot_applied(struct pm_snapshot *snap, struct pm_arena *arena, struct pm_applied **ret, size_t *ret_count,
                        struct pm_error *err)
{
    uint64_t entries, bytes;
    PM_TRY(pm_kv_db_stat(snap->txn, snap->tables.offsets, &entries, &bytes, err));
    struct pm_applied *rows = pm_arena_alloc(arena, (entries + 1) * sizeof *rows);
    struct pm_kv_cursor *cursor;
    PM_TRY(pm_kv_cursor_open(snap->txn, snap->tables.offsets, &cursor, err));
    struct pm_slice key, value;
    size_t n = 0;
    int rc = pm_kv_seek(cursor, pm_slice(NULL, 0), &key, &value, err);
    for (; rc == PM_OK && n < entries; rc = pm_kv_next(cursor, &key, &value, err)) {
        struct pm_offset_row row;
        if (key.len != 4 || value.len != sizeof row) {
            rc = pm_error_set(err, PM_ECORRUPT, "a row of offsets is cut");
            break;
        }
        memcpy(&row, value.ptr, sizeof row);
        rows[n++] = (struct pm_applied){(int32_t)pm_be32_get((const uint8_t *)key.ptr), row.first, row.next};
    }
    pm_kv_cursor_close(cursor);
    if (rc != PM_OK && rc != PM_ENOTFOUND) return rc;
    *ret = rows;
    *ret_count = n;
    return PM_OK;
}

const char *pm_gap_kind_name(enum pm_gap_kind kind) { return kind == PM_GAP_MISSING ? "missing" : "replaced"; }

int pm_snapshot_gaps(struct pm_snapshot *snap, struct pm_arena *arena, struct pm_gap **ret, size_t *ret_count,
                     struct pm_error *err)
{
    uint64_t entries, bytes;
    PM_TRY(pm_kv_db_stat(snap->txn, snap->tables.gaps, &entries, &bytes, err));
    struct pm_gap *rows = pm_arena_alloc(arena, (entries + 1) * sizeof *rows);
    struct pm_kv_cursor *cursor;
    PM_TRY(pm_kv_cursor_open(snap->txn, snap->tables.gaps, &cursor, err));
    struct pm_slice key, value;
    size_t n = 0;
    int rc = pm_kv_seek(cursor, pm_slice(NULL, 0), &key, &value, err);
    while (rc == PM_OK && n < entries) {
        rc = pm_gap_get(key, value, &rows[n], err);
        if (rc != PM_OK) break;
        n++;
        rc = pm_kv_next(cursor, &key, &value, err);
    }
    pm_kv_cursor_close(cursor);
    if (rc != PM_OK && rc != PM_ENOTFOUND) return rc;
    *ret = rows;
    *ret_count = n;
    return PM_OK;
}

#define VIEWS PM_SNAPSHOT_VIEWS

/* A view owns tables; its bytes are theirs. */
int pm_snapshot_views(struct pm_snapshot *snap, struct pm_arena *arena, struct pm_view_info **ret, size_t *ret_count,
                      struct pm_error *err)
{
    uint64_t entries, bytes[VIEWS] = {0}, b;
    const struct pm_runs *dictionary, *moves, *result_jobs;
    PM_TRY(pm_snapshot_runs(snap, PM_RUN_DICTIONARY, &dictionary, err));
    PM_TRY(pm_snapshot_runs(snap, PM_RUN_MOVES, &moves, err));
    PM_TRY(pm_snapshot_runs(snap, PM_RUN_RESULT_JOBS, &result_jobs, err));
    const struct {
        int view;
        pm_kv_db db;
    } owned[] = {
        {0, snap->tables.records},    {0, dictionary->pages},        {0, moves->pages},
        {4, snap->tables.side_facts}, {1, snap->tables.job_results}, {2, result_jobs->pages},
        {3, snap->tables.jobs},       {3, snap->tables.job_values},  {3, snap->tables.job_submissions},
        {5, snap->tables.producers},  {5, snap->tables.arrivals},
    };
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        PM_TRY(pm_kv_db_stat(snap->txn, owned[i].db, &entries, &b, err));
        bytes[owned[i].view] += b;
    }
    struct pm_index_info info;
    PM_TRY(pm_snapshot_info(snap, &info, err));
    struct pm_view_info *views = pm_arena_alloc(arena, VIEWS * sizeof *views);
    const uint64_t rows[VIEWS] = {info.results, info.pairs, info.pairs, info.jobs, info.conflicts, info.producers};
    for (unsigned i = 0; i < VIEWS; i++)
        views[i] = (struct pm_view_info){pm_view_names_[i], PM_INDEX_FORMAT, rows[i], bytes[i]};
    *ret = views;
    *ret_count = VIEWS;
    return PM_OK;
}

const char *const pm_view_names_[VIEWS + 1] = {"results",   "job_results", "result_jobs", "jobs",
                                               "conflicts", "producers",   NULL};

/* ---- pairs ---- */

int pm_pairs_of_job(struct pm_snapshot *snap, uint32_t job,
                    int (*each)(void *arg, const struct pm_pair *pair, struct pm_error *err), void *arg,
                    struct pm_error *err)
{
    struct pm_kv_cursor *cursor;
    PM_TRY(pm_kv_cursor_open(snap->txn, snap->tables.job_results, &cursor, err));
    uint64_t first = pm_posting_key(job, 0);
    struct pm_slice key, value;
    struct pm_pair pairs[PM_CHUNK_PAIRS_MAX];
    int rc = pm_kv_seek(cursor, pm_kv_u64(&first), &key, &value, err);
    for (; rc == PM_OK; rc = pm_kv_next(cursor, &key, &value, err)) {
        uint64_t k;
        memcpy(&k, key.ptr, 8);
        if (k >> 32 != job) break;
        size_t n = pm_posting_count(value);
        rc = pm_posting_decode(value, job, pairs, err);
        for (size_t i = 0; i < n && rc == PM_OK; i++) rc = each(arg, &pairs[i], err);
        if (rc != PM_OK) break;
    }
    pm_kv_cursor_close(cursor);
    return rc == PM_ENOTFOUND ? PM_OK : rc;
}

struct pair_gather {
    struct pm_arena *arena;
    struct pm_pair *pairs;
    size_t count, room;
    uint64_t result;
};

static void pair_add(struct pair_gather *g, uint32_t job, enum pm_role role, int64_t at)
{
    struct pm_pair *pair = NULL;
    for (size_t i = g->count; i > 0 && !pair; i--)
        if (g->pairs[i - 1].job == job) pair = &g->pairs[i - 1];
    if (!pair) {
        if (g->count == g->room) {
            g->room = g->room ? 2 * g->room : 16;
            struct pm_pair *grown = pm_arena_alloc(g->arena, g->room * sizeof *grown);
            if (g->count) memcpy(grown, g->pairs, g->count * sizeof *grown);
            g->pairs = grown;
        }
        pair = &g->pairs[g->count++];
        *pair = (struct pm_pair){.job = job, .result = g->result};
    }
    if (!(pair->roles >> role & 1) || at < pair->at[role]) pair->at[role] = at;
    pair->roles |= 1u << role;
}

static bool pair_row(void *arg, const uint8_t *entry)
{
    pair_add(arg, pm_be32_get(entry + 5), (enum pm_role)(entry[9] % PM_ROLE_COUNT), pm_time_key_get(entry + 10));
    return true;
}

static int pair_by_job(const void *a, const void *b)
{
    const struct pm_pair *x = a, *y = b;
    return (x->job > y->job) - (x->job < y->job);
}

bool pm_stamp_role(const struct pm_stamp *stamp, enum pm_role *ret)
{
    if (!stamp->job1) return false;
    switch (stamp->type) {
    case PM_RESULT_COMPUTED: *ret = PM_ROLE_COMPUTED; return true;
    case PM_RESULT_REUSED: *ret = PM_ROLE_REUSED; return true;
    case PM_RESULT_FAILED: *ret = PM_ROLE_FAILED; return true;
    default: return false;
    }
}

int pm_pairs_of_result(struct pm_snapshot *snap, uint64_t result, struct pm_arena *arena, struct pm_pair **ret,
                       size_t *ret_count, struct pm_error *err)
{
    struct pair_gather g = {.arena = arena, .result = result};
    uint8_t prefix[5];
    pm_be40_put(prefix, result);
    const struct pm_runs *runs;
    PM_TRY(pm_snapshot_runs(snap, PM_RUN_RESULT_JOBS, &runs, err));
    PM_TRY(pm_runs_lookup(runs, snap->txn, pm_slice(prefix, sizeof prefix), pair_row, &g, err));
    struct pm_record rec;
    struct pm_slice form;
    PM_TRY(pm_snapshot_record(snap, result, &rec, &form, err));
    enum pm_role role;
    if (pm_stamp_role(&rec.stamp, &role)) pair_add(&g, rec.stamp.job1 - 1, role, rec.stamp.at);
    if (g.count > 1) qsort(g.pairs, g.count, sizeof *g.pairs, pair_by_job);
    *ret = g.pairs;
    *ret_count = g.count;
    return PM_OK;
}

/* ---- jobs ---- */

uint32_t pm_job_count(struct pm_snapshot *snap) { return snap->state.next_name[PM_NAME_JOB]; }

int pm_job_find(struct pm_snapshot *snap, struct pm_slice job_id, uint32_t *ret, struct pm_error *err)
{
    return pm_snapshot_name_find(snap, PM_NAME_JOB, job_id, ret, err);
}

int pm_job_id(struct pm_snapshot *snap, uint32_t job, struct pm_slice *ret, struct pm_error *err)
{
    return pm_snapshot_name(snap, PM_NAME_JOB, job, ret, err);
}

int pm_job_prefix(struct pm_snapshot *snap, struct pm_slice prefix, size_t n_max, struct pm_arena *arena,
                  struct pm_slice **ret, size_t *ret_count, struct pm_error *err)
{
    struct pm_slice *rows = pm_arena_alloc(arena, n_max * sizeof *rows);
    size_t n = 0;
    *ret = rows;
    *ret_count = 0;
    if (prefix.len > PM_JOB_ID_BYTES_MAX) return PM_OK;
    uint8_t start[1 + PM_NAME_KEY_TEXT_MAX];
    struct pm_slice first = pm_name_key(PM_NAME_JOB, prefix, start), key, value;
    struct pm_kv_cursor *cursor;
    PM_TRY(pm_kv_cursor_open(snap->txn, snap->tables.names, &cursor, err));
    int rc = pm_kv_seek(cursor, first, &key, &value, err);
    for (; rc == PM_OK && n < n_max && pm_slice_starts(key, first); rc = pm_kv_next(cursor, &key, &value, err))
        rows[n++] = pm_slice(key.ptr + 1, key.len - 1);
    pm_kv_cursor_close(cursor);
    if (rc != PM_OK && rc != PM_ENOTFOUND) return rc;
    *ret_count = n;
    return PM_OK;
}

int pm_quarantine_each(struct pm_snapshot *snap,
                       int (*each)(void *arg, const struct pm_quarantined *row, struct pm_error *err), void *arg,
                       struct pm_error *err)
{
    struct pm_kv_cursor *cursor;
    PM_TRY(pm_kv_cursor_open(snap->txn, snap->tables.quarantine, &cursor, err));
    struct pm_slice key, value;
    int rc = pm_kv_seek(cursor, pm_slice(NULL, 0), &key, &value, err);
    for (; rc == PM_OK; rc = pm_kv_next(cursor, &key, &value, err)) {
        struct pm_quarantined row;
        if ((rc = pm_quarantine_get(key, value, &row, err)) != PM_OK) break;
        if ((rc = each(arg, &row, err)) != PM_OK) break;
    }
    pm_kv_cursor_close(cursor);
    return rc == PM_ENOTFOUND ? PM_OK : rc;
}
