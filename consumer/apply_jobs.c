/* apply_jobs.c: the second pass of a batch: job by job. A job's chunks of pairs are read, changed in memory and written
 * back; of jobs nothing is kept in memory between batches but which of their values the index has. A pair that is there
 * already is found before anything is written, which makes a second delivery harmless. */
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/varint.h"
#include "common/store/job.h"
#include "common/store/posting.h"
#include "consumer/apply.h"
#include "consumer/sort.h"

struct chunk {
    uint32_t number;
    size_t start, count; /* in pairs */
    bool dirty;
};

#define PREFETCH_AHEAD 6
#define KNOWN_VALUES_BITS 15

struct pm_job_scratch {
    struct pm_pair *pairs, *sorted;
    size_t n_pairs, pairs_room, sorted_room;
    struct chunk *chunks;
    size_t n_chunks, chunks_room;
    uint32_t *slots; /* pair index + 1, by result */
    size_t n_slots, slots_room;
    size_t n_old; /* pairs that came from chunks; the ones behind are new */
    struct pm_sort_item *items, *items2;
    size_t items_room;
    struct pm_buf chunk;
    uint64_t known[1 << KNOWN_VALUES_BITS]; /* values of jobs that the index has */
};

struct pm_job_scratch *pm_job_scratch_new(void) { return pm_calloc(1, sizeof(struct pm_job_scratch)); }

void pm_job_scratch_forget(struct pm_job_scratch *s) { memset(s->known, 0, sizeof s->known); }

void pm_job_scratch_free(struct pm_job_scratch *s)
{
    if (!s) return;
    free(s->pairs);
    free(s->sorted);
    free(s->chunks);
    free(s->slots);
    free(s->items);
    free(s->items2);
    pm_buf_release(&s->chunk);
    free(s);
}

static void pairs_room(struct pm_job_scratch *s, size_t n)
{
    if (n <= s->pairs_room) return;
    s->pairs_room = n + n / 2 + 1024;
    s->pairs = pm_realloc(s->pairs, s->pairs_room * sizeof *s->pairs);
}

static void items_room(struct pm_job_scratch *s, size_t n)
{
    if (n <= s->items_room) return;
    s->items_room = n + n / 2 + 1024;
    s->items = pm_realloc(s->items, s->items_room * sizeof *s->items);
    s->items2 = pm_realloc(s->items2, s->items_room * sizeof *s->items2);
}

/* ---- the pairs of one job ---- */

static int load_chunks(struct pm_application *a, uint32_t job, struct pm_job_scratch *s, struct pm_error *err)
{
    s->n_pairs = s->n_chunks = 0;
    uint64_t first = pm_posting_key(job, 0);
    struct pm_kv_cursor *cursor;
    PM_TRY(pm_kv_cursor_open(a->txn, a->w->tables.job_results, &cursor, err));
    struct pm_slice key, value;
    int rc = pm_kv_seek(cursor, pm_kv_u64(&first), &key, &value, err);
    for (; rc == PM_OK; rc = pm_kv_next(cursor, &key, &value, err)) {
        uint64_t k;
        memcpy(&k, key.ptr, 8);
        if (k >> 32 != job) break;
        size_t n = pm_posting_count(value);
        pairs_room(s, s->n_pairs + n);
        if ((rc = pm_posting_decode(value, job, s->pairs + s->n_pairs, err)) != PM_OK) break;
        if (s->n_chunks == s->chunks_room) {
            s->chunks_room = s->chunks_room ? 2 * s->chunks_room : 64;
            s->chunks = pm_realloc(s->chunks, s->chunks_room * sizeof *s->chunks);
        }
        s->chunks[s->n_chunks++] = (struct chunk){(uint32_t)k, s->n_pairs, n, false};
        s->n_pairs += n;
    }
    pm_kv_cursor_close(cursor);
    s->n_old = s->n_pairs;
    return rc == PM_ENOTFOUND ? PM_OK : rc;
}

static inline size_t slot_at(const struct pm_job_scratch *s, uint64_t result)
{
    size_t i = (result * 0x9e3779b97f4a7c15ULL >> 20) & (s->n_slots - 1);
    while (s->slots[i] && s->pairs[s->slots[i] - 1].result != result) i = (i + 1) & (s->n_slots - 1);
    return i;
}

static void build_slots(struct pm_job_scratch *s, size_t more)
{
    size_t n = 64;
    while (n < 2 * (s->n_pairs + more)) n *= 2;
    if (n > s->slots_room) {
        free(s->slots);
        s->slots = pm_malloc(n * sizeof *s->slots);
        s->slots_room = n;
    }
    s->n_slots = n;
    memset(s->slots, 0, n * sizeof *s->slots);
    for (size_t i = 0; i < s->n_pairs; i++) s->slots[slot_at(s, s->pairs[i].result)] = (uint32_t)i + 1;
}

static void mark_dirty(struct pm_job_scratch *s, size_t pair)
{
    size_t lo = 0, hi = s->n_chunks; /* the chunk with start <= pair < start + count */
    while (hi - lo > 1) {
        size_t mid = (lo + hi) / 2;
        if (s->chunks[mid].start <= pair) lo = mid;
        else hi = mid;
    }
    s->chunks[lo].dirty = true;
}

/* Takes `pair` out of the counts (by -1) or puts it in (by +1). */
static void count_pair(struct pm_application *a, struct pm_job_row *row, const struct pm_pair *pair, uint64_t by)
{
    enum pm_role shown = pm_pair_shown(pair);
    row->shown[shown] += by;
    a->w->state.pairs_by_role[shown] += by;
    if (pair->roles >> PM_ROLE_EXPECTED & 1) row->expected += by;
    if (pm_pair_missing(pair)) row->missing += by;
}

static void give_role(struct pm_application *a, struct pm_job_scratch *s, struct pm_job_row *row, uint32_t job,
                      const struct pm_op *op, enum pm_role role)
{
    size_t slot = slot_at(s, op->result);
    struct pm_pair *pair;
    if (s->slots[slot]) {
        size_t index = s->slots[slot] - 1;
        pair = &s->pairs[index];
        if (pair->roles >> role & 1 && pair->at[role] <= op->at) return; /* known */
        count_pair(a, row, pair, (uint64_t)-1);
        if (index < s->n_old) mark_dirty(s, index);
    } else {
        pair = &s->pairs[s->n_pairs++]; /* room was made for every operation of the job */
        *pair = (struct pm_pair){.job = job, .result = op->result};
        s->slots[slot] = (uint32_t)s->n_pairs;
    }
    if (!(pair->roles >> role & 1) || op->at < pair->at[role]) pair->at[role] = op->at;
    pair->roles |= 1u << role;
    count_pair(a, row, pair, 1);
    if (!op->own) pm_application_role(a, op->result, job, role, op->at);
}

static int put_chunk(struct pm_application *a, uint32_t job, uint32_t number, const struct pm_pair *pairs, size_t count,
                     struct pm_job_scratch *s, size_t *ret_taken, struct pm_error *err)
{
    uint64_t key = pm_posting_key(job, number);
    pm_buf_clear(&s->chunk);
    *ret_taken = pm_posting_encode(pairs, count, &s->chunk);
    return pm_kv_put(a->txn, a->w->tables.job_results, pm_kv_u64(&key), pm_buf_slice(&s->chunk), err);
}

/* Pairs of the open (last) chunk, new ones, and what no longer fits in a changed chunk, in order of result, into chunks
 * from the open one on. */
static int put_open(struct pm_application *a, uint32_t job, uint32_t number, struct pm_job_scratch *s, size_t count,
                    struct pm_error *err)
{
    items_room(s, count);
    uint64_t max = 0;
    for (size_t i = 0; i < count; i++) {
        s->items[i] = (struct pm_sort_item){s->sorted[i].result, (uint32_t)i};
        if (s->sorted[i].result > max) max = s->sorted[i].result;
    }
    const struct pm_sort_item *order = pm_sort(s->items, s->items2, count, 0, pm_sort_bits(max));
    struct pm_pair window[PM_CHUNK_PAIRS_MAX];
    for (size_t done = 0; done < count;) {
        size_t n = count - done < PM_CHUNK_PAIRS_MAX ? count - done : PM_CHUNK_PAIRS_MAX, taken;
        for (size_t i = 0; i < n; i++) window[i] = s->sorted[order[done + i].index];
        PM_TRY(put_chunk(a, job, number++, window, n, s, &taken, err));
        done += taken;
    }
    return PM_OK;
}

static void take_sorted(struct pm_job_scratch *s, size_t *n, const struct pm_pair *pairs, size_t count)
{
    if (*n + count > s->sorted_room) {
        s->sorted_room = (*n + count) * 2 + 256;
        s->sorted = pm_realloc(s->sorted, s->sorted_room * sizeof *s->sorted);
    }
    if (count) memcpy(s->sorted + *n, pairs, count * sizeof *pairs);
    *n += count;
}

static int store_chunks(struct pm_application *a, uint32_t job, struct pm_job_scratch *s, struct pm_error *err)
{
    size_t n = 0; /* pairs for the open chunk and those after it */
    take_sorted(s, &n, s->pairs + s->n_old, s->n_pairs - s->n_old);
    for (size_t c = 0; c + 1 < s->n_chunks; c++) {
        const struct chunk *chunk = &s->chunks[c];
        size_t taken;
        if (!chunk->dirty) continue;
        PM_TRY(put_chunk(a, job, chunk->number, s->pairs + chunk->start, chunk->count, s, &taken, err));
        take_sorted(s, &n, s->pairs + chunk->start + taken, chunk->count - taken);
    }
    const struct chunk *open = s->n_chunks ? &s->chunks[s->n_chunks - 1] : NULL;
    if (n == 0 && !(open && open->dirty)) return PM_OK;
    if (open) take_sorted(s, &n, s->pairs + open->start, open->count);
    return put_open(a, job, open ? open->number : 0, s, n, err);
}

/* ---- the rest of a job ---- */

static bool mark_before(const struct pm_status_mark *mark, const struct pm_op *op)
{
    if (mark->at != op->at) return mark->at < op->at;
    return memcmp(mark->event_id, op->event_id, PM_EVENT_ID_BYTES) <= 0;
}

/* The earliest terminal status counts; without one the latest other. */
static void change_status(struct pm_job_row *row, const struct pm_op *op)
{
    bool terminal = op->status >= PM_STATUS_SUCCEEDED;
    struct pm_status_mark *mark = terminal ? &row->terminal : &row->other;
    if (mark->status >= 0 && mark_before(mark, op) == terminal) return;
    mark->at = op->at;
    mark->status = (int8_t)op->status;
    memcpy(mark->event_id, op->event_id, PM_EVENT_ID_BYTES);
}

static int submit(struct pm_application *a, uint32_t job, struct pm_job_row *row, const struct pm_op *op,
                  struct pm_error *err)
{
    struct pm_slice body = pm_op_bytes(a, op), there;
    uint8_t key[PM_JOB_SUBMISSION_KEY_BYTES];
    struct pm_slice k = pm_job_submission_key(job, op->at, op->event_id, pm_hash64(body.ptr, body.len, 0), key);
    int rc = pm_kv_get(a->txn, a->w->tables.job_submissions, k, &there, err);
    if (rc != PM_ENOTFOUND) return rc; /* delivered again */
    PM_TRY(pm_kv_put(a->txn, a->w->tables.job_submissions, k, body, err));
    row->submissions++;
    if (row->submissions < 2) return PM_OK;
    struct pm_event *submissions;
    size_t n;
    pm_arena_reset(&a->w->arena);
    PM_TRY(pm_job_submissions(a->txn, &a->w->tables, job, &a->w->arena, &submissions, &n, err));
    uint32_t conflicts = pm_job_count_conflicts(submissions, n, &a->w->arena);
    a->w->state.conflicts += (uint64_t)conflicts - row->conflicts;
    row->conflicts = conflicts;
    return PM_OK;
}

/* The distinct bundle digests and targets that the job's events carry: mostly the same ones again. */
static int job_value(struct pm_application *a, uint32_t job, enum pm_name_kind kind, uint32_t name1,
                     struct pm_error *err)
{
    if (name1 == 0) return PM_OK;
    uint64_t value = (uint64_t)job << 32 | (name1 << 1 | (kind == PM_NAME_TARGET));
    uint64_t *known = &a->s->job->known[value * 0x9e3779b97f4a7c15u >> (64 - KNOWN_VALUES_BITS)];
    if (*known == value) return PM_OK;
    uint8_t key[9];
    pm_be32_put(key, job);
    key[4] = (uint8_t)kind;
    pm_be32_put(key + 5, name1 - 1);
    PM_TRY(pm_kv_put_new(a->txn, a->w->tables.job_values, pm_slice(key, sizeof key), pm_slice("", 0), err));
    *known = value;
    return PM_OK;
}

static bool op_role(const struct pm_op *op, enum pm_role *ret)
{
    static const int8_t roles[] = {
        [PM_RESULT_COMPUTED] = PM_ROLE_COMPUTED,  [PM_RESULT_DISCOVERED] = -1,
        [PM_RESULT_REUSED] = PM_ROLE_REUSED,      [PM_RESULT_FAILED] = PM_ROLE_FAILED,
        [PM_RESULTS_EXPECTED] = PM_ROLE_EXPECTED, [PM_RESULT_DELETED] = -1,
    };
    if (op->type > PM_RESULT_DELETED || roles[op->type] < 0) return false;
    *ret = (enum pm_role)roles[op->type];
    return true;
}

/* All operations of one job, in the batch's order. */
static int one_job(struct pm_application *a, uint32_t job, const struct pm_sort_item *order, size_t count,
                   struct pm_error *err)
{
    struct pm_job_scratch *s = a->s->job;
    struct pm_job_row row;
    PM_TRY(pm_job_row_get(a->txn, &a->w->tables, job, &row, err));
    PM_TRY(load_chunks(a, job, s, err));
    pairs_room(s, s->n_pairs + count);
    build_slots(s, count);
    for (size_t i = 0; i < count; i++) {
        const struct pm_op *op = &a->batch->ops[order[i].index];
        if (i + PREFETCH_AHEAD < count) __builtin_prefetch(&a->batch->ops[order[i + PREFETCH_AHEAD].index]);
        enum pm_role role;
        if (op->at < row.first_at) row.first_at = op->at;
        if (op->at > row.last_at) row.last_at = op->at;
        PM_TRY(job_value(a, job, PM_NAME_BUNDLE, op->bundle1, err));
        PM_TRY(job_value(a, job, PM_NAME_TARGET, op->target1, err));
        if (op_role(op, &role)) give_role(a, s, &row, job, op, role);
        else if (op->type == PM_JOB_STATUS_CHANGED) change_status(&row, op);
        else if (op->type == PM_JOB_SUBMITTED) PM_TRY(submit(a, job, &row, op, err));
    }
    PM_TRY(store_chunks(a, job, s, err));
    uint64_t key = job;
    return pm_kv_put(a->txn, a->w->tables.jobs, pm_kv_u64(&key), pm_slice(&row, sizeof row), err);
}

int pm_apply_jobs(struct pm_application *a, struct pm_error *err)
{
    const struct pm_batch *batch = a->batch;
    size_t n = 0;
    uint64_t max = 0;
    for (size_t i = 0; i < batch->n_ops; i++) {
        if (batch->ops[i].job1 == 0) continue;
        a->s->items[n++] = (struct pm_sort_item){batch->ops[i].job1, (uint32_t)i};
        if (batch->ops[i].job1 > max) max = batch->ops[i].job1;
    }
    const struct pm_sort_item *order = pm_sort(a->s->items, a->s->items2, n, 0, pm_sort_bits(max));
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && order[end].key == order[i].key;) end++;
        PM_TRY(one_job(a, (uint32_t)order[i].key - 1, order + i, end - i, err));
    }
    return PM_OK;
}
