/* apply.c: one batch -> one transaction. The passes over the operations stand in apply_results.c and apply_jobs.c; here
 * what they gathered becomes sorted runs, and offsets and counters are written with it (I1). */
#include "consumer/apply.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/fault.h"
#include "common/base/varint.h"
#include "consumer/sort.h"

/* Merge work done with each batch, in entries: some times what the batch brings, so that merges end before the next
 * ones are due. */
#define MERGE_FACTOR 5
#define MERGE_ENTRIES_MIN 50000
#define MERGE_ENTRIES_IDLE 500000
#define TRIM_EVERY 8 /* batches */

struct pm_apply_scratch *pm_apply_scratch_new(void)
{
    struct pm_apply_scratch *s = pm_calloc(1, sizeof *s);
    s->job = pm_job_scratch_new();
    return s;
}

void pm_apply_scratch_forget(struct pm_apply_scratch *s) { pm_job_scratch_forget(s->job); }

void pm_apply_scratch_free(struct pm_apply_scratch *s)
{
    if (!s) return;
    free(s->results);
    free(s->roles);
    free(s->moves);
    free(s->items);
    free(s->items2);
    pm_buf_release(&s->bytes);
    pm_buf_release(&s->entries);
    pm_record_block_release(&s->block);
    pm_job_scratch_free(s->job);
    free(s);
}

static void items_room(struct pm_apply_scratch *s, size_t n)
{
    if (n <= s->items_room) return;
    s->items_room = n + n / 2 + 1024;
    s->items = pm_realloc(s->items, s->items_room * sizeof *s->items);
    s->items2 = pm_realloc(s->items2, s->items_room * sizeof *s->items2);
}

void pm_application_role(struct pm_application *a, uint64_t result, uint32_t job, enum pm_role role, int64_t at)
{
    struct pm_apply_scratch *s = a->s;
    if (s->n_roles == s->roles_room) {
        s->roles_room = s->roles_room ? 2 * s->roles_room : 1024;
        s->roles = pm_realloc(s->roles, s->roles_room * sizeof *s->roles);
    }
    s->roles[s->n_roles++] = (struct pm_new_role){result, job, (uint8_t)role, at};
}

/* ---- sorted runs ---- */

/* `s->items` hold a key that orders the entries but for ties; `entry` writes entry i. Ties are put right by comparing
 * whole entries, of which there are few or they are short. */
static int add_run(struct pm_application *a, enum pm_run_kind kind, size_t count, unsigned low, unsigned high,
                   void (*entry)(const struct pm_apply_scratch *s, size_t i, uint8_t *out), struct pm_error *err)
{
    struct pm_apply_scratch *s = a->s;
    size_t size = pm_run_shapes[kind].entry_bytes;
    const struct pm_sort_item *order = pm_sort(s->items, s->items2, count, low, high);
    pm_buf_clear(&s->entries);
    pm_buf_reserve(&s->entries, count * size + 1);
    uint8_t *out = (uint8_t *)s->entries.ptr, held[PM_RUN_ENTRY_BYTES_MAX]; /* an entry has eight bytes at least */
    for (size_t i = 0; i < count; i++) {
        uint8_t *at = out + i * size;
        entry(s, order[i].index, at);
        while (at > out && pm_be64_get(at - size) >= pm_be64_get(at) && memcmp(at - size, at, size) > 0) {
            memcpy(held, at, size);
            memcpy(at, at - size, size);
            memcpy(at - size, held, size);
            at -= size;
        }
    }
    return pm_runs_add(&a->w->runs[kind], a->txn, out, count, err);
}

static void dictionary_entry(const struct pm_apply_scratch *s, size_t i, uint8_t *out)
{
    pm_be64_put(out, s->results[i].hash.hi);
    pm_be64_put(out + 8, s->results[i].hash.lo);
    pm_be40_put(out + 16, s->results[i].result);
}

static void role_entry(const struct pm_apply_scratch *s, size_t i, uint8_t *out)
{
    const struct pm_new_role *role = &s->roles[i];
    pm_be40_put(out, role->result);
    pm_be32_put(out + 5, role->job);
    out[9] = role->role;
    pm_time_key_put(out + 10, role->at);
}

static void move_entry(const struct pm_apply_scratch *s, size_t i, uint8_t *out)
{
    pm_be40_put(out, s->moves[i].result);
    pm_be40_put(out + 5, ~s->moves[i].record & 0xffffffffffULL);
}

static int add_runs(struct pm_application *a, struct pm_error *err)
{
    struct pm_apply_scratch *s = a->s;
    unsigned bits = pm_sort_bits(a->w->state.next_record);
    items_room(s, s->n_results > s->n_roles ? s->n_results : s->n_roles);
    for (size_t i = 0; i < s->n_results; i++) s->items[i] = (struct pm_sort_item){s->results[i].hash.hi, (uint32_t)i};
    PM_TRY(add_run(a, PM_RUN_DICTIONARY, s->n_results, 64 - 3 * PM_SORT_DIGIT_BITS, 64, dictionary_entry, err));
    for (size_t i = 0; i < s->n_roles; i++) s->items[i] = (struct pm_sort_item){s->roles[i].result, (uint32_t)i};
    PM_TRY(add_run(a, PM_RUN_RESULT_JOBS, s->n_roles, 0, bits, role_entry, err));
    items_room(s, s->n_moves);
    for (size_t i = 0; i < s->n_moves; i++) s->items[i] = (struct pm_sort_item){s->moves[i].result, (uint32_t)i};
    PM_TRY(add_run(a, PM_RUN_MOVES, s->n_moves, 0, bits, move_entry, err));
    const size_t fresh[PM_RUN_KIND_COUNT] = {s->n_results, s->n_roles, s->n_moves};
    for (unsigned kind = 0; kind < PM_RUN_KIND_COUNT; kind++)
        PM_TRY(pm_runs_merge(&a->w->runs[kind], a->txn, MERGE_FACTOR * fresh[kind] + MERGE_ENTRIES_MIN, PM_RUN_FANOUT,
                             NULL, err));
    return PM_OK;
}

/* ---- offsets, quarantine ---- */

static int put_offsets(struct pm_application *a, struct pm_error *err)
{
    for (size_t i = 0; i < a->batch->n_offsets; i++) {
        const struct pm_batch_offset *offset = &a->batch->offsets[i];
        uint8_t key[4];
        pm_be32_put(key, (uint32_t)offset->partition);
        struct pm_slice k = pm_slice(key, 4), value;
        struct pm_offset_row row = {.first = offset->first, .anchor_offset = -1, .anchor_timestamp_ms = -1};
        int rc = pm_kv_get(a->txn, a->w->tables.offsets, k, &value, err);
        if (rc == PM_OK && value.len == sizeof row) memcpy(&row, value.ptr, sizeof row);
        else if (rc != PM_OK && rc != PM_ENOTFOUND) return rc;
        if (offset->anew) {
            row = (struct pm_offset_row){.first = offset->first, .anchor_offset = -1, .anchor_timestamp_ms = -1};
            row.next = offset->next;
        }
        if (offset->next > row.next) row.next = offset->next; /* what is delivered again takes nothing back */
        if (offset->anchor_offset >= row.anchor_offset && offset->anchor_offset >= 0) {
            row.anchor_offset = offset->anchor_offset;
            row.anchor_timestamp_ms = offset->anchor_timestamp_ms;
            row.anchor_crc = offset->anchor_crc;
        }
        PM_TRY(pm_kv_put(a->txn, a->w->tables.offsets, k, pm_slice(&row, sizeof row), err));
    }
    return PM_OK;
}

/* A partition has one open gap at most: it goes before the next one comes. */
static int drop_open_gap(struct pm_application *a, int32_t partition, struct pm_error *err)
{
    uint8_t first[12];
    struct pm_slice key, value;
    struct pm_kv_cursor *cursor;
    struct pm_gap gap = {.partition = partition, .accepted = true};
    PM_TRY(pm_kv_cursor_open(a->txn, a->w->tables.gaps, &cursor, err));
    int rc = pm_kv_seek(cursor, pm_gap_key(partition, 0, first), &key, &value, err);
    while (rc == PM_OK) {
        rc = pm_gap_get(key, value, &gap, err);
        if (rc != PM_OK || gap.partition != partition || !gap.accepted) break;
        rc = pm_kv_next(cursor, &key, &value, err);
    }
    pm_kv_cursor_close(cursor);
    if (rc == PM_ENOTFOUND || (rc == PM_OK && gap.partition != partition)) return PM_OK;
    PM_TRY(rc);
    return pm_kv_del(a->txn, a->w->tables.gaps, pm_gap_key(partition, gap.from, first), err);
}

static int put_gaps(struct pm_application *a, struct pm_error *err)
{
    for (size_t i = 0; i < a->batch->n_gaps; i++) {
        const struct pm_batch_gap *put = &a->batch->gaps[i];
        uint8_t key[12];
        PM_TRY(drop_open_gap(a, put->gap.partition, err));
        if (put->closed) continue;
        struct pm_gap_row row = {
            .to = put->gap.to, .kind = (uint8_t)put->gap.kind, .accepted = (uint8_t)put->gap.accepted};
        PM_TRY(pm_kv_put(a->txn, a->w->tables.gaps, pm_gap_key(put->gap.partition, put->gap.from, key),
                         pm_slice(&row, sizeof row), err));
    }
    return PM_OK;
}

static int put_poison(struct pm_application *a, struct pm_error *err)
{
    for (size_t i = 0; i < a->batch->n_poison; i++) {
        const struct pm_batch_poison *poison = &a->batch->poison[i];
        uint8_t key[12];
        struct pm_slice k = pm_quarantine_key(poison->partition, poison->offset, key), there;
        PM_TRY(PM_FAULT(quarantine_row, err));
        int rc = pm_kv_get(a->txn, a->w->tables.quarantine, k, &there, err);
        if (rc != PM_OK && rc != PM_ENOTFOUND) return rc;
        a->w->state.quarantined += rc == PM_ENOTFOUND;
        PM_TRY(pm_kv_put(a->txn, a->w->tables.quarantine, k,
                         pm_slice(a->batch->bytes.ptr + poison->bytes_at, poison->bytes_len), err));
    }
    return PM_OK;
}

static int take_recovered(struct pm_application *a, struct pm_error *err)
{
    for (size_t i = 0; i < a->batch->n_recovered; i++) {
        uint8_t key[12];
        PM_TRY(pm_kv_del(a->txn, a->w->tables.quarantine,
                         pm_quarantine_key(a->batch->recovered[i].partition, a->batch->recovered[i].offset, key), err));
        a->w->state.quarantined--;
    }
    return PM_OK;
}

/* ---- the whole ---- */

static int apply(struct pm_application *a, struct pm_error *err)
{
    struct pm_writer *w = a->w;
    PM_TRY(PM_FAULT(apply_before_names, err));
    PM_TRY(pm_names_write(a->txn, &w->tables, &a->batch->names, &w->state, err));
    PM_TRY(PM_FAULT(apply_before_results, err));
    PM_TRY(pm_apply_results(a, err));
    PM_TRY(PM_FAULT(apply_before_jobs, err));
    PM_TRY(pm_apply_jobs(a, err));
    PM_TRY(pm_apply_producers(a, err));
    PM_TRY(PM_FAULT(apply_before_runs, err));
    PM_TRY(add_runs(a, err));
    PM_TRY(PM_FAULT(apply_before_quarantine, err));
    PM_TRY(put_poison(a, err));
    PM_TRY(take_recovered(a, err));
    PM_TRY(PM_FAULT(apply_before_offsets, err));
    PM_TRY(put_offsets(a, err));
    PM_TRY(put_gaps(a, err));
    PM_TRY(PM_FAULT(apply_before_state, err));
    w->state.events += a->batch->events;
    return pm_meta_state_put(a->txn, &w->tables, &w->state, err);
}

int pm_apply(struct pm_writer *w, const struct pm_batch *batch, uint64_t headroom, struct pm_error *err)
{
    PM_CHECK(batch->hashes.count == 0); /* sealed */
    PM_CHECK(!w->stale);
    struct pm_application a = {.w = w, .batch = batch, .s = w->scratch};
    pm_record_block_clear(&w->scratch->block);
    w->scratch->n_results = w->scratch->n_roles = w->scratch->n_moves = 0;
    items_room(w->scratch, batch->n_ops);
    if (headroom == 0) headroom = PM_FAULT_LIMIT(headroom, 8 * batch->bytes.len + ((uint64_t)256 << 20));
    PM_TRY(pm_kv_begin_write(w->kv, headroom, &a.txn, err));
    w->stale = true;
    int rc = apply(&a, err);
    if (rc == PM_OK) rc = PM_FAULT(apply_before_commit, err);
    if (rc != PM_OK) {
        pm_kv_abort(a.txn);
        return rc;
    }
    PM_TRY(pm_kv_commit(a.txn, err));
    PM_TRY(PM_FAULT(apply_after_commit, err));
    w->stale = false;
    if (++w->batches % TRIM_EVERY == 0) pm_kv_trim(w->kv);
    return PM_OK;
}

int pm_apply_idle(struct pm_writer *w, bool *ret_done, struct pm_error *err)
{
    PM_CHECK(!w->stale);
    struct pm_kv_txn *txn;
    bool all = true;
    PM_TRY(pm_kv_begin_write(w->kv, 0, &txn, err));
    w->stale = true;
    for (unsigned kind = 0; kind < PM_RUN_KIND_COUNT; kind++) {
        bool done;
        int rc = pm_runs_merge(&w->runs[kind], txn, MERGE_ENTRIES_IDLE, 2, &done, err);
        if (rc != PM_OK) {
            pm_kv_abort(txn);
            return rc;
        }
        all = all && done;
    }
    PM_TRY(pm_kv_commit(txn, err));
    w->stale = false;
    *ret_done = all;
    return PM_OK;
}
