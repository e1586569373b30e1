/* runs.c: sorted runs over kv.h. The writer's calls belong to the thread of the write transaction; a loaded directory
 * may be read by one thread at a time. Every step is part of the batch's transaction (I1), so a crash or an abort
 * leaves the merge where the last commit left it. After an abort the directory in memory is stale: load it again. */
#include "common/store/runs.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/fault.h"
#include "common/base/hash.h"
#include "common/base/varint.h"

enum { RUN_LIVE, RUN_MERGING, RUN_BUILDING, RUN_DEAD };

#define PAGE_DATA (PM_KV_PAGE_VALUE - 4) /* entries, then a CRC-32C */
#define KEY_MAX (4 + PM_RUN_ENTRY_BYTES_MAX)
#define LEVELS 16
#define INPUTS_MAX 8                    /* of one merge, also of one that was begun with another PM_RUN_FANOUT */
#define ENTRIES_MAX ((uint64_t)1 << 40) /* of one run: an entry's number has five bytes at most */
_Static_assert(PM_RUN_FANOUT <= INPUTS_MAX, "a merge has room for its inputs");
#define DELETES_PER_STEP 2000 /* pages of dead runs taken away with one batch */

const struct pm_run_shape pm_run_shapes[PM_RUN_KIND_COUNT] = {
    [PM_RUN_DICTIONARY] = {"dictionary", 16 + 5, 16 + 5},
    [PM_RUN_RESULT_JOBS] = {"result_jobs", 5 + 4 + 1 + 8, 5 + 4 + 1},
    [PM_RUN_MOVES] = {"moves", 5 + 5, 5},
};

/* ---- the directory ---- */

struct run_row { /* value in `runs`; key: kind, id (4, big-endian) */
    uint8_t level, state;
    uint16_t unused;
    uint32_t output;
    uint64_t entries;
    uint8_t first[PM_RUN_ENTRY_BYTES_MAX], last[PM_RUN_ENTRY_BYTES_MAX];
};

static struct pm_slice directory_key(const struct pm_runs *runs, uint32_t id, uint8_t key[5])
{
    key[0] = (uint8_t)runs->kind;
    pm_be32_put(key + 1, id);
    return pm_slice(key, 5);
}

static int directory_put(const struct pm_runs *runs, struct pm_kv_txn *txn, const struct pm_run *run,
                         struct pm_error *err)
{
    uint8_t key[5];
    struct run_row row = {.level = run->level, .state = run->state, .output = run->output, .entries = run->entries};
    memcpy(row.first, run->first, sizeof row.first);
    memcpy(row.last, run->last, sizeof row.last);
    return pm_kv_put(txn, runs->directory, directory_key(runs, run->id, key), pm_slice(&row, sizeof row), err);
}

static bool visible(const struct pm_run *run) { return run->state == RUN_LIVE || run->state == RUN_MERGING; }

static void look_order(struct pm_runs *runs)
{
    runs->n_look = 0;
    for (size_t i = 0; i < runs->count; i++) {
        if (!visible(&runs->runs[i])) continue;
        size_t at = runs->n_look++;
        for (; at > 0 && runs->runs[runs->look[at - 1]].entries < runs->runs[i].entries; at--)
            runs->look[at] = runs->look[at - 1];
        runs->look[at] = (uint16_t)i;
    }
}

/* May a run of the directory say what it says? A merge would never end, or take more inputs than it has room for. */
static bool row_holds(const struct pm_runs *runs, const struct pm_run *run)
{
    if (run->level >= LEVELS || run->state > RUN_DEAD || run->entries > ENTRIES_MAX || run->id == UINT32_MAX)
        return false;
    if (run->state != RUN_MERGING) return true;
    size_t inputs = 0;
    bool building = false;
    for (size_t i = 0; i < runs->count; i++) {
        const struct pm_run *other = &runs->runs[i];
        inputs += other->state == RUN_MERGING && other->output == run->output;
        building |= other->state == RUN_BUILDING && other->id == run->output;
    }
    return building && inputs <= INPUTS_MAX;
}

static int directory_broken(enum pm_run_kind kind, struct pm_error *err)
{
    return pm_error_set(err, PM_ECORRUPT, "the directory of the %s runs is broken", pm_run_shapes[kind].database);
}

int pm_runs_load(struct pm_runs *runs, enum pm_run_kind kind, struct pm_kv_txn *txn, bool create, struct pm_error *err)
{
    memset(runs, 0, sizeof *runs);
    runs->kind = kind;
    int flags = create ? PM_KV_DB_CREATE : 0;
    PM_TRY(pm_kv_table_open(txn, "runs", flags | PM_KV_DB_CHECKED, &runs->directory, err));
    PM_TRY(pm_kv_table_open(txn, pm_run_shapes[kind].database, flags, &runs->pages, err));
    struct pm_kv_cursor *cursor;
    PM_TRY(pm_kv_cursor_open(txn, runs->directory, &cursor, err));
    uint8_t start[5];
    struct pm_slice key, value;
    int rc = pm_kv_seek(cursor, directory_key(runs, 0, start), &key, &value, err);
    for (; rc == PM_OK && key.len == 5 && (uint8_t)key.ptr[0] == kind; rc = pm_kv_next(cursor, &key, &value, err)) {
        struct run_row row;
        if (value.len != sizeof row || runs->count == PM_RUNS_MAX) {
            rc = directory_broken(kind, err);
            break;
        }
        memcpy(&row, value.ptr, sizeof row);
        struct pm_run *run = &runs->runs[runs->count++];
        *run = (struct pm_run){.id = pm_be32_get((const uint8_t *)key.ptr + 1),
                               .level = row.level,
                               .state = row.state,
                               .output = row.output,
                               .entries = row.entries};
        memcpy(run->first, row.first, sizeof run->first);
        memcpy(run->last, row.last, sizeof run->last);
        runs->next_id = run->id + 1;
    }
    pm_kv_cursor_close(cursor);
    if (rc != PM_OK && rc != PM_ENOTFOUND) return rc;
    for (size_t i = 0; i < runs->count; i++)
        if (!row_holds(runs, &runs->runs[i])) return directory_broken(kind, err);
    look_order(runs);
    return PM_OK;
}

uint64_t pm_runs_entries(const struct pm_runs *runs)
{
    uint64_t n = 0;
    for (size_t i = 0; i < runs->count; i++)
        if (visible(&runs->runs[i])) n += runs->runs[i].entries;
    return n;
}

static struct pm_run *run_new(struct pm_runs *runs, uint8_t level, uint8_t state, struct pm_error *err)
{
    if (runs->count == PM_RUNS_MAX) {
        pm_error_set(err, PM_EINDEX, "more than %d runs of %s", PM_RUNS_MAX, pm_run_shapes[runs->kind].database);
        return NULL;
    }
    struct pm_run *run = &runs->runs[runs->count++];
    *run = (struct pm_run){.id = runs->next_id++, .level = level, .state = state};
    return run;
}

static void run_forget(struct pm_runs *runs, size_t i)
{
    memmove(&runs->runs[i], &runs->runs[i + 1], (runs->count - i - 1) * sizeof runs->runs[0]);
    runs->count--;
}

/* ---- writing pages ---- */

struct page_writer {
    const struct pm_run_shape *shape;
    struct pm_runs *runs;
    struct pm_kv_txn *txn;
    struct pm_run *run;
    size_t used;
    uint8_t last[PM_RUN_ENTRY_BYTES_MAX]; /* for dropping equal keys across pages */
    bool any;
    uint8_t page[PM_KV_PAGE_VALUE];
};

static int page_flush(struct page_writer *w, struct pm_error *err)
{
    if (w->used == 0) return PM_OK;
    size_t size = w->shape->entry_bytes;
    uint8_t key[KEY_MAX];
    pm_be32_put(key, w->run->id);
    memcpy(key + 4, w->page + w->used - size, size);
    uint32_t crc = pm_crc32c(0, w->page, w->used);
    memcpy(w->page + w->used, &crc, 4);
    struct pm_slice k = pm_slice(key, 4 + size), v = pm_slice(w->page, w->used + 4);
    w->used = 0;
    return pm_kv_put(w->txn, w->runs->pages, k, v, err);
}

/* 8 to 24 bytes, by three words that may overlap. */
static inline void entry_copy(uint8_t *out, const uint8_t *entry, size_t size)
{
    uint64_t first, middle, last;
    size_t at = size > 16 ? 8 : 0;
    memcpy(&first, entry, 8);
    memcpy(&middle, entry + at, 8);
    memcpy(&last, entry + size - 8, 8);
    memcpy(out, &first, 8);
    memcpy(out + at, &middle, 8);
    memcpy(out + size - 8, &last, 8);
}

static inline bool same_key(const struct page_writer *w, const uint8_t *entry)
{
    size_t n = w->shape->key_bytes;
    return (n < 8 || pm_be64_get(w->last) == pm_be64_get(entry)) && memcmp(w->last, entry, n) == 0;
}

static inline int page_add(struct page_writer *w, const uint8_t *entry, struct pm_error *err)
{
    size_t size = w->shape->entry_bytes;
    if (w->any && same_key(w, entry)) return PM_OK;
    if (w->used + size > PAGE_DATA) PM_TRY(page_flush(w, err));
    entry_copy(w->page + w->used, entry, size);
    w->used += size;
    entry_copy(w->last, entry, size);
    if (w->run->entries++ == 0) memcpy(w->run->first, entry, size);
    w->any = true;
    return PM_OK;
}

int pm_runs_add(struct pm_runs *runs, struct pm_kv_txn *txn, const uint8_t *entries, size_t count, struct pm_error *err)
{
    if (count == 0) return PM_OK;
    struct page_writer w = {
        .shape = &pm_run_shapes[runs->kind], .runs = runs, .txn = txn, .run = run_new(runs, 0, RUN_LIVE, err)};
    if (!w.run) return PM_EINDEX;
    for (size_t i = 0; i < count; i++) PM_TRY(page_add(&w, entries + i * w.shape->entry_bytes, err));
    PM_TRY(page_flush(&w, err));
    memcpy(w.run->last, w.last, sizeof w.run->last);
    return directory_put(runs, txn, w.run, err);
}

/* ---- reading pages ---- */

/* One run's entries in order. */
struct run_reader {
    struct pm_kv_cursor *cursor;
    uint32_t id;
    const uint8_t *p, *end;      /* in the current page; NULL: past the last */
    struct pm_kv_txn *remembers; /* the pages whose checksum held; NULL: each is checked, whenever it is met */
    uint8_t *copy; /* a page of room, when the transaction writes while this reads (a value ends at the next write);
                      else NULL */
};

/* The key of a page is its run and its last entry. */
static bool page_holds(size_t size, struct pm_slice key, struct pm_slice value)
{
    uint32_t crc;
    if (value.len <= sizeof crc || (value.len - sizeof crc) % size) return false;
    if (memcmp(key.ptr + 4, value.ptr + value.len - sizeof crc - size, size) != 0) return false;
    memcpy(&crc, value.ptr + value.len - sizeof crc, sizeof crc);
    return crc == pm_crc32c(0, value.ptr, value.len - sizeof crc);
}

static int page_take(struct run_reader *r, size_t size, struct pm_slice key, struct pm_slice value,
                     struct pm_error *err)
{
    r->p = r->end = NULL;
    if (key.len != 4 + size || pm_be32_get((const uint8_t *)key.ptr) != r->id) return PM_OK;
    if (!r->remembers || !pm_kv_page_checked(r->remembers, value)) {
        if (!page_holds(size, key, value))
            return pm_error_set(err, PM_ECORRUPT, "a page of run %u does not match its checksum", r->id);
        if (r->remembers) pm_kv_page_set_checked(r->remembers, value);
    }
    r->p = (const uint8_t *)value.ptr;
    if (r->copy) r->p = memcpy(r->copy, value.ptr, value.len - 4);
    r->end = r->p + value.len - 4;
    return PM_OK;
}

/* The number of entries whose first `len` bytes are below `from`. Hashes and result numbers are spread evenly, so the
 * place is guessed from the first eight bytes and sought from there: a page is seldom in the cache, and halving it
 * would wait for one line after the other. */
static size_t entry_seek(const uint8_t *page, size_t count, size_t size, const uint8_t *from, size_t len)
{
    uint8_t head[8] = {0};
    memcpy(head, from, len < sizeof head ? len : sizeof head);
    uint64_t least = pm_be64_get(page), most = pm_be64_get(page + (count - 1) * size), want = pm_be64_get(head);
    size_t lo = 0, hi = count, at = 0; /* entries before lo are below, those from hi on are not */
    if (want >= most) at = count - 1;
    else if (want > least) at = (size_t)((double)(want - least) / (double)(most - least) * (double)(count - 1));
    for (size_t step = 1; lo < hi; step *= 2) {
        bool below = memcmp(page + at * size, from, len) < 0;
        if (below) lo = at + 1;
        else hi = at;
        if (step > hi - lo) at = (lo + hi) / 2;
        else at = below ? lo + step - 1 : hi - step;
    }
    return lo;
}

/* Stands on the first entry >= from (its first `len` bytes; 0: the first of all). */
static int run_seek(struct run_reader *r, size_t size, const uint8_t *from, size_t len, struct pm_error *err)
{
    uint8_t key[KEY_MAX] = {0};
    pm_be32_put(key, r->id);
    if (len) memcpy(key + 4, from, len);
    struct pm_slice k, v;
    int rc = pm_kv_seek(r->cursor, pm_slice(key, 4 + size), &k, &v, err);
    if (rc == PM_ENOTFOUND) {
        r->p = r->end = NULL;
        return PM_OK;
    }
    PM_TRY(rc);
    PM_TRY(page_take(r, size, k, v, err));
    if (r->p && len) r->p += size * entry_seek(r->p, (size_t)(r->end - r->p) / size, size, from, len);
    return PM_OK;
}

static int run_page_next(struct run_reader *r, size_t size, struct pm_error *err)
{
    struct pm_slice k, v;
    int rc = pm_kv_next(r->cursor, &k, &v, err);
    if (rc == PM_ENOTFOUND) {
        r->p = r->end = NULL;
        return PM_OK;
    }
    PM_TRY(rc);
    return page_take(r, size, k, v, err);
}

static inline int run_next(struct run_reader *r, size_t size, struct pm_error *err)
{
    r->p += size;
    if (r->p < r->end) return PM_OK;
    return run_page_next(r, size, err);
}

static int lookup_run(const struct pm_run *run, size_t size, struct pm_kv_txn *txn, struct pm_kv_cursor *cursor,
                      struct pm_slice prefix, bool (*each)(void *, const uint8_t *), void *arg, bool *ret_go_on,
                      struct pm_error *err)
{
    struct run_reader r = {.cursor = cursor, .id = run->id, .remembers = txn};
    const uint8_t *want = (const uint8_t *)prefix.ptr;
    PM_TRY(run_seek(&r, size, want, prefix.len, err));
    while (r.p && memcmp(r.p, want, prefix.len) == 0) {
        if (!each(arg, r.p)) {
            *ret_go_on = false;
            return PM_OK;
        }
        PM_TRY(run_next(&r, size, err));
    }
    return PM_OK;
}

int pm_runs_lookup(const struct pm_runs *runs, struct pm_kv_txn *txn, struct pm_slice prefix,
                   bool (*each)(void *arg, const uint8_t *entry), void *arg, struct pm_error *err)
{
    size_t size = pm_run_shapes[runs->kind].entry_bytes;
    PM_CHECK(prefix.len <= size);
    struct pm_kv_cursor *cursor;
    PM_TRY(pm_kv_cursor_open(txn, runs->pages, &cursor, err));
    int rc = PM_OK;
    bool go_on = true;
    for (size_t i = 0; i < runs->n_look && rc == PM_OK && go_on; i++) {
        const struct pm_run *run = &runs->runs[runs->look[i]];
        if (memcmp(prefix.ptr, run->first, prefix.len) < 0 || memcmp(prefix.ptr, run->last, prefix.len) > 0) continue;
        rc = lookup_run(run, size, txn, cursor, prefix, each, arg, &go_on, err);
    }
    pm_kv_cursor_close(cursor);
    return rc;
}

int pm_runs_scan(const struct pm_runs *runs, struct pm_kv_txn *txn,
                 int (*each)(void *arg, const uint8_t *entry, struct pm_error *err), void *arg, struct pm_error *err)
{
    size_t size = pm_run_shapes[runs->kind].entry_bytes;
    struct pm_kv_cursor *cursor;
    PM_TRY(pm_kv_cursor_open(txn, runs->pages, &cursor, err));
    int rc = PM_OK;
    for (size_t i = 0; i < runs->count && rc == PM_OK; i++) {
        if (!visible(&runs->runs[i])) continue;
        struct run_reader r = {.cursor = cursor, .id = runs->runs[i].id};
        uint64_t seen = 0;
        for (rc = run_seek(&r, size, NULL, 0, err); rc == PM_OK && r.p; rc = run_next(&r, size, err)) {
            if ((rc = each(arg, r.p, err)) != PM_OK) break;
            seen++;
        }
        if (rc == PM_OK && seen != runs->runs[i].entries)
            rc = pm_error_set(err, PM_ECORRUPT, "run %u of %s holds %llu entries, its directory says %llu", r.id,
                              pm_run_shapes[runs->kind].database, (unsigned long long)seen,
                              (unsigned long long)runs->runs[i].entries);
    }
    pm_kv_cursor_close(cursor);
    return rc;
}

/* ---- merging ---- */

/* Chooses runs of one level to merge: marks them MERGING and makes their output. False when there is nothing to do. */
static bool merge_choose(struct pm_runs *runs, size_t fanout, struct pm_run **ret_output)
{
    if (runs->count >= PM_RUNS_MAX - 1) return false;
    for (unsigned level = 0; level < LEVELS; level++) {
        size_t live = 0;
        for (size_t i = 0; i < runs->count; i++)
            if (runs->runs[i].state == RUN_LIVE && (runs->runs[i].level == level || fanout < PM_RUN_FANOUT)) live++;
        if (live < fanout) continue;
        size_t taken = 0;
        uint64_t entries = 0;
        uint8_t highest = 0;
        uint32_t output = runs->next_id;
        for (size_t i = 0; i < runs->count && taken < PM_RUN_FANOUT; i++) {
            struct pm_run *run = &runs->runs[i];
            if (run->state != RUN_LIVE || (run->level != level && fanout >= PM_RUN_FANOUT)) continue;
            if (entries + run->entries > PM_RUN_ENTRIES_MAX) continue;
            run->state = RUN_MERGING;
            run->output = output;
            entries += run->entries;
            if (run->level > highest) highest = run->level;
            taken++;
        }
        if (taken >= 2) {
            *ret_output = run_new(runs, (uint8_t)(highest < LEVELS - 1 ? highest + 1 : LEVELS - 1), RUN_BUILDING, NULL);
            PM_CHECK(*ret_output);
            return true;
        }
        for (size_t i = 0; i < runs->count; i++) /* one alone is no merge */
            if (runs->runs[i].state == RUN_MERGING && runs->runs[i].output == output) runs->runs[i].state = RUN_LIVE;
        if (fanout < PM_RUN_FANOUT) break;
    }
    return false;
}

struct merge_input {
    struct run_reader reader;
    uint64_t head; /* first eight bytes as a number: most comparisons end there */
};

static inline void input_head(struct merge_input *in)
{
    if (in->reader.p) in->head = pm_be64_get(in->reader.p);
}

static inline bool input_less(const struct merge_input *a, const struct merge_input *b, size_t size)
{
    if (a->head != b->head) return a->head < b->head;
    return memcmp(a->reader.p + 8, b->reader.p + 8, size - 8) < 0;
}

/* Moves up to entries_max entries from the inputs to the output. *ret_done: the inputs are at their end. */
static int merge_move(struct pm_runs *runs, struct pm_kv_txn *txn, struct pm_run *output, struct merge_input *in,
                      size_t n, size_t entries_max, size_t *ret_moved, bool *ret_done, struct pm_error *err)
{
    const struct pm_run_shape *shape = &pm_run_shapes[runs->kind];
    size_t size = shape->entry_bytes, moved = 0;
    struct page_writer w = {.shape = shape, .runs = runs, .txn = txn, .run = output, .any = output->entries > 0};
    memcpy(w.last, output->last, sizeof w.last);
    while (n > 0 && moved < entries_max) {
        struct merge_input *least = &in[0];
        for (size_t i = 1; i < n; i++)
            if (input_less(&in[i], least, size)) least = &in[i];
        PM_TRY(page_add(&w, least->reader.p, err));
        PM_TRY(run_next(&least->reader, size, err));
        moved++;
        if (least->reader.p) input_head(least);
        else *least = in[--n];
    }
    PM_TRY(page_flush(&w, err));
    memcpy(output->last, w.last, sizeof output->last);
    *ret_moved = moved;
    *ret_done = n == 0;
    return PM_OK;
}

/* One bounded step of the merge into `output`. */
static int merge_step(struct pm_runs *runs, struct pm_kv_txn *txn, struct pm_run *output, size_t entries_max,
                      size_t *ret_moved, struct pm_error *err)
{
    size_t size = pm_run_shapes[runs->kind].entry_bytes;
    struct merge_input in[INPUTS_MAX];
    uint8_t(*copies)[PM_KV_PAGE_VALUE] = pm_malloc(sizeof *copies * INPUTS_MAX);
    size_t opened = 0, n = 0;
    int rc = PM_OK;
    struct pm_kv_cursor *cursors[INPUTS_MAX];
    for (size_t i = 0; i < runs->count && rc == PM_OK; i++) {
        const struct pm_run *run = &runs->runs[i];
        if (run->state != RUN_MERGING || run->output != output->id) continue;
        PM_CHECK(opened < INPUTS_MAX);
        if ((rc = pm_kv_cursor_open(txn, runs->pages, &cursors[opened], err)) != PM_OK) break;
        in[n].reader = (struct run_reader){.cursor = cursors[opened], .id = run->id, .copy = copies[opened]};
        opened++;
        rc = run_seek(&in[n].reader, size, output->last, output->entries ? size : 0, err);
        if (rc == PM_OK && in[n].reader.p) input_head(&in[n++]);
    }
    bool done = false;
    if (rc == PM_OK) rc = merge_move(runs, txn, output, in, n, entries_max, ret_moved, &done, err);
    for (size_t i = 0; i < opened; i++) pm_kv_cursor_close(cursors[i]);
    free(copies);
    PM_TRY(rc);
    PM_TRY(PM_FAULT(merge_step, err));
    if (done) {
        PM_TRY(PM_FAULT(merge_done, err));
        output->state = RUN_LIVE;
        for (size_t i = 0; i < runs->count; i++) {
            struct pm_run *run = &runs->runs[i];
            if (run->state != RUN_MERGING || run->output != output->id) continue;
            run->state = RUN_DEAD;
            PM_TRY(directory_put(runs, txn, run, err));
        }
    }
    return directory_put(runs, txn, output, err);
}

/* The merge of the lowest level first: the small ones end soon and the directory stays short. */
static struct pm_run *lowest_building(struct pm_runs *runs)
{
    struct pm_run *least = NULL;
    for (size_t i = 0; i < runs->count; i++)
        if (runs->runs[i].state == RUN_BUILDING && (!least || runs->runs[i].level < least->level))
            least = &runs->runs[i];
    return least;
}

static int delete_dead(struct pm_runs *runs, struct pm_kv_txn *txn, size_t pages_max, struct pm_error *err)
{
    size_t left = pages_max;
    for (size_t i = 0; i < runs->count && left > 0;) {
        struct pm_run *run = &runs->runs[i];
        if (run->state != RUN_DEAD) {
            i++;
            continue;
        }
        struct pm_kv_cursor *cursor;
        PM_TRY(pm_kv_cursor_open(txn, runs->pages, &cursor, err));
        uint8_t start[4];
        pm_be32_put(start, run->id);
        struct pm_slice key;
        int rc = pm_kv_seek(cursor, pm_slice(start, 4), &key, NULL, err);
        bool gone = true;
        while (rc == PM_OK && key.len > 4 && memcmp(key.ptr, start, 4) == 0) {
            if (left == 0) {
                gone = false;
                break;
            }
            left--;
            if ((rc = PM_FAULT(merge_delete, err)) != PM_OK) break;
            if ((rc = pm_kv_cursor_del(cursor, err)) != PM_OK) break;
            rc = pm_kv_seek(cursor, pm_slice(start, 4), &key, NULL, err);
        }
        pm_kv_cursor_close(cursor);
        if (rc != PM_OK && rc != PM_ENOTFOUND) return rc;
        if (!gone) break;
        uint8_t row[5];
        PM_TRY(pm_kv_del(txn, runs->directory, directory_key(runs, run->id, row), err));
        run_forget(runs, i);
    }
    return PM_OK;
}

int pm_runs_merge(struct pm_runs *runs, struct pm_kv_txn *txn, size_t entries_max, size_t fanout, bool *ret_done,
                  struct pm_error *err)
{
    PM_TRY(delete_dead(runs, txn, DELETES_PER_STEP, err));
    for (struct pm_run *output; merge_choose(runs, fanout, &output);) {
        PM_TRY(directory_put(runs, txn, output, err));
        for (size_t i = 0; i < runs->count; i++)
            if (runs->runs[i].state == RUN_MERGING && runs->runs[i].output == output->id)
                PM_TRY(directory_put(runs, txn, &runs->runs[i], err));
    }
    struct pm_run *output;
    while (entries_max > 0 && (output = lowest_building(runs)) != NULL) {
        size_t moved = 0;
        PM_TRY(merge_step(runs, txn, output, entries_max, &moved, err));
        entries_max -= moved < entries_max ? moved : entries_max;
    }
    if (ret_done) {
        *ret_done = true;
        for (size_t i = 0; i < runs->count; i++)
            if (runs->runs[i].state != RUN_LIVE) *ret_done = false;
    }
    return PM_OK;
}
