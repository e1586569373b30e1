/* runs_test.c: sorted runs against the plain array of what was added: every shape of spread, through merges. */
#include "common/store/runs.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/varint.h"
#include "tests/support/index.h"

#define BATCHES 6
#define BATCH 900
#define SIZE 10 /* of an entry of `moves`: result (5), record (5) */
#define PREFIX 5

static char dir[TEST_DIR_SIZE];
static struct pm_error err;

static void setup(void) { test_dir_make(dir); }
static void teardown(void) { test_dir_remove(dir); }
TestSuite(runs, .init = setup, .fini = teardown);

#define OK(call) cr_assert_eq((call), PM_OK, "%s", err.text)

static uint64_t random_state;
static uint64_t random_below(uint64_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 24) % n;
}

/* How results may be spread over a page. */
static uint64_t even(void) { return random_below(1000000); }
static uint64_t one(void) { return 7; }
static uint64_t two_ends(void) { return random_below(2) ? random_below(3) : 0xfffffffff0 + random_below(3); }
static uint64_t doubling(void) { return (uint64_t)1 << random_below(40); }
static uint64_t one_far(void) { return random_below(50) ? random_below(2000) : 0xff00000000; }
static uint64_t (*const spreads[])(void) = {even, one, two_ends, doubling, one_far};

static int by_bytes(const void *a, const void *b) { return memcmp(a, b, SIZE); }

static struct model {
    uint8_t entries[BATCHES * BATCH][SIZE];
    size_t count;
} model;

static void add_batch(struct pm_runs *runs, struct pm_kv_txn *txn, uint64_t (*spread)(void))
{
    uint8_t(*batch)[SIZE] = model.entries + model.count;
    for (size_t i = 0; i < BATCH; i++) {
        pm_be40_put(batch[i], spread());
        pm_be40_put(batch[i] + 5, model.count + i);
    }
    qsort(batch, BATCH, SIZE, by_bytes);
    OK(pm_runs_add(runs, txn, batch[0], BATCH, &err));
    model.count += BATCH;
}

struct found {
    uint64_t sum;
    size_t count;
};
static bool take(void *arg, const uint8_t *entry)
{
    struct found *found = arg;
    found->sum += pm_be40_get(entry + 5);
    found->count++;
    return true;
}

/* The smallest number of record stays of each result and run: `moves` drops equal results of one run. */
static void check_lookup(const struct pm_runs *runs, struct pm_kv_txn *txn, uint64_t result, bool whole)
{
    uint8_t prefix[PREFIX];
    struct found found = {0};
    size_t least = 0;
    pm_be40_put(prefix, result);
    OK(pm_runs_lookup(runs, txn, pm_slice(prefix, PREFIX), take, &found, &err));
    for (size_t i = 0; i < model.count && least == 0; i++) least += memcmp(model.entries[i], prefix, PREFIX) == 0;
    cr_assert_eq(found.count > 0, least > 0, "result %llu: %zu found", (unsigned long long)result, found.count);
    if (!whole || !least) return;
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < model.count; i++)
        if (memcmp(model.entries[i], prefix, PREFIX) == 0 && pm_be40_get(model.entries[i] + 5) < first)
            first = pm_be40_get(model.entries[i] + 5);
    cr_assert_eq(found.count, 1, "one entry a key is left in one run");
    cr_assert_eq(found.sum, first, "result %llu: %llu, not %llu", (unsigned long long)result,
                 (unsigned long long)found.sum, (unsigned long long)first);
}

static void check_all(struct pm_kv *kv, bool whole)
{
    struct pm_runs *runs = pm_calloc(1, sizeof *runs);
    struct pm_kv_txn *txn;
    OK(pm_kv_begin_read(kv, &txn, &err));
    OK(pm_runs_load(runs, PM_RUN_MOVES, txn, false, &err));
    for (int round = 0; round < 2; round++) /* pages are checked in the first, remembered in the second */
        for (size_t i = 0; i < model.count; i += 7) {
            uint64_t result = pm_be40_get(model.entries[i]);
            check_lookup(runs, txn, result, whole);
            check_lookup(runs, txn, result + 1, whole);
            if (result) check_lookup(runs, txn, result - 1, whole);
        }
    pm_kv_abort(txn);
    free(runs);
}

Test(runs, what_was_added_is_found_before_and_after_merges)
{
    for (size_t s = 0; s < sizeof spreads / sizeof spreads[0]; s++) {
        struct pm_kv *kv;
        struct pm_kv_txn *txn;
        struct pm_runs *runs = pm_calloc(1, sizeof *runs);
        char sub[TEST_DIR_SIZE + 8];
        snprintf(sub, sizeof sub, "%s/%zu", dir, s);
        model.count = 0;
        OK(pm_kv_open(sub, PM_KV_CREATE, &kv, &err));
        OK(pm_kv_begin_write(kv, 0, &txn, &err));
        OK(pm_runs_load(runs, PM_RUN_MOVES, txn, true, &err));
        for (size_t i = 0; i < BATCHES; i++) add_batch(runs, txn, spreads[s]);
        OK(pm_kv_commit(txn, &err));
        check_all(kv, false);
        for (bool done = false; !done;) {
            OK(pm_kv_begin_write(kv, 0, &txn, &err));
            OK(pm_runs_merge(runs, txn, 500, 2, &done, &err)); /* in steps that end within pages */
            OK(pm_kv_commit(txn, &err));
            check_all(kv, false);
        }
        check_all(kv, true);
        pm_kv_close(kv);
        free(runs);
    }
}

/* A page that does not hold is told each time that it is met, not only the first. */
Test(runs, a_damaged_page_is_told_each_time)
{
    struct pm_kv *kv;
    struct pm_kv_txn *txn;
    struct pm_runs *runs = pm_calloc(1, sizeof *runs);
    struct pm_kv_cursor *cursor;
    struct pm_slice key, value;
    static uint8_t page[PM_KV_PAGE_VALUE];
    model.count = 0;
    OK(pm_kv_open(dir, PM_KV_CREATE, &kv, &err));
    OK(pm_kv_begin_write(kv, 0, &txn, &err));
    OK(pm_runs_load(runs, PM_RUN_MOVES, txn, true, &err));
    add_batch(runs, txn, even);
    OK(pm_kv_cursor_open(txn, runs->pages, &cursor, &err));
    OK(pm_kv_seek(cursor, pm_slice(NULL, 0), &key, &value, &err));
    size_t len = value.len;
    memcpy(page, value.ptr, len);
    page[len / 2] ^= 1;
    uint8_t own[64];
    struct pm_slice k = pm_slice(memcpy(own, key.ptr, key.len), key.len);
    pm_kv_cursor_close(cursor);
    OK(pm_kv_put(txn, runs->pages, k, pm_slice(page, len), &err));
    OK(pm_kv_commit(txn, &err));
    OK(pm_kv_begin_read(kv, &txn, &err));
    OK(pm_runs_load(runs, PM_RUN_MOVES, txn, false, &err));
    struct found found = {0};
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pm_runs_lookup(runs, txn, pm_slice(model.entries[0], PREFIX), take, &found, &err), PM_ECORRUPT);
    pm_kv_abort(txn);
    pm_kv_close(kv);
    free(runs);
}
