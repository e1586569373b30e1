/* runs.c: pages and directory of each kind of sorted run. Input: kind (1), options (1), a prefix to look up (length
 * byte and bytes), then entries, cut to whole ones. Option 1: the entries are the writer's (sorted and added); all of
 * them are found again, one a key. Else they are a page as it lies in a damaged file, with the right checksum unless
 * option 2, and behind a directory row of the input's own with option 4: nothing but an error or entries that match
 * comes out. */
#include "common/store/runs.h"

#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/varint.h"
#include "tests/fuzz/support/fuzz.h"

enum { SORTED = 1, BAD_CHECKSUM = 2, OWN_ROW = 4 };
#define ROW_BYTES 64

static size_t entry_bytes, key_bytes;
static struct pm_slice prefix;

static int by_bytes(const void *a, const void *b) { return memcmp(a, b, entry_bytes); }

struct walk {
    uint64_t n;
    uint8_t last[PM_RUN_ENTRY_BYTES_MAX];
};

static int count_sorted(void *arg, const uint8_t *entry, struct pm_error *err)
{
    struct walk *walk = arg;
    (void)err;
    PM_CHECK(walk->n == 0 || memcmp(walk->last, entry, key_bytes) < 0);
    memcpy(walk->last, entry, entry_bytes);
    walk->n++;
    return PM_OK;
}

static int count_any(void *arg, const uint8_t *entry, struct pm_error *err)
{
    (void)err;
    memcpy(((struct walk *)arg)->last, entry, entry_bytes);
    return PM_OK;
}

static bool matches(void *arg, const uint8_t *entry)
{
    PM_CHECK(memcmp(entry, prefix.ptr, prefix.len) == 0);
    ++*(uint64_t *)arg;
    return true;
}

/* The two halves as two runs, then merged into one. */
static void check_sorted(struct pm_runs *runs, struct pm_kv_txn *txn, uint8_t *entries, size_t n)
{
    qsort(entries, n, entry_bytes, by_bytes);
    uint64_t unique = 0, wanted = 0, found = 0;
    for (size_t i = 0; i < n; i++) {
        if (i && memcmp(entries + i * entry_bytes, entries + (i - 1) * entry_bytes, key_bytes) == 0) continue;
        unique++;
        wanted += memcmp(entries + i * entry_bytes, prefix.ptr, prefix.len) == 0;
    }
    PM_CHECK(pm_runs_add(runs, txn, entries, n / 2, NULL) == PM_OK);
    PM_CHECK(pm_runs_add(runs, txn, entries + n / 2 * entry_bytes, n - n / 2, NULL) == PM_OK);
    bool done = false;
    for (int step = 0; !done; step++) {
        PM_CHECK(step < 100);
        PM_CHECK(pm_runs_merge(runs, txn, 1000, 2, &done, NULL) == PM_OK);
    }
    struct walk walk = {0};
    PM_CHECK(pm_runs_scan(runs, txn, count_sorted, &walk, NULL) == PM_OK && walk.n == unique);
    PM_CHECK(pm_runs_entries(runs) == unique);
    PM_CHECK(pm_runs_load(runs, runs->kind, txn, false, NULL) == PM_OK);
    PM_CHECK(pm_runs_lookup(runs, txn, prefix, matches, &found, NULL) == PM_OK && found == wanted);
}

static void put_page(struct pm_runs *runs, struct pm_kv_txn *txn, const uint8_t *entries, size_t n, bool bad,
                     uint32_t id)
{
    uint8_t key[4 + PM_RUN_ENTRY_BYTES_MAX], page[PM_KV_PAGE_VALUE];
    if (n * entry_bytes > sizeof page - 4) n = (sizeof page - 4) / entry_bytes;
    pm_be32_put(key, id);
    memcpy(key + 4, entries + (n - 1) * entry_bytes, entry_bytes);
    memcpy(page, entries, n * entry_bytes);
    uint32_t crc = pm_crc32c(0, page, n * entry_bytes) ^ bad;
    memcpy(page + n * entry_bytes, &crc, 4);
    PM_CHECK(pm_kv_put(txn, runs->pages, pm_slice(key, 4 + entry_bytes), pm_slice(page, n * entry_bytes + 4), NULL) ==
             PM_OK);
}

/* A row that says: level 0, live, n entries between anything. */
static void put_row(struct pm_runs *runs, struct pm_kv_txn *txn, size_t n, struct pm_slice own, uint32_t id)
{
    uint8_t key[5] = {(uint8_t)runs->kind}, row[ROW_BYTES] = {0};
    uint64_t entries = n;
    pm_be32_put(key + 1, id);
    memcpy(row + 8, &entries, 8);
    memset(row + 16 + PM_RUN_ENTRY_BYTES_MAX, 0xff, PM_RUN_ENTRY_BYTES_MAX);
    if (own.len) memcpy(row, own.ptr, own.len);
    PM_CHECK(pm_kv_put(txn, runs->directory, pm_slice(key, 5), pm_slice(row, sizeof row), NULL) == PM_OK);
}

static void check_damaged(struct pm_runs *runs, struct pm_kv_txn *txn, unsigned options, struct fuzz_input *in)
{
    struct pm_slice row = options & OWN_ROW ? fuzz_bytes(in, 16) : pm_slice(NULL, 0);
    struct pm_slice all = fuzz_rest(in);
    size_t n = all.len / entry_bytes;
    if (n < 2) return;
    for (uint32_t id = 0; id < 2; id++) {
        put_page(runs, txn, (const uint8_t *)all.ptr + id * (n / 2) * entry_bytes, n / 2, options & BAD_CHECKSUM, id);
        put_row(runs, txn, n / 2, id ? row : pm_slice(NULL, 0), id);
    }
    int rc = pm_runs_load(runs, runs->kind, txn, true, NULL);
    PM_CHECK(rc == PM_OK || rc == PM_ECORRUPT);
    if (rc != PM_OK) return;
    struct walk walk = {0};
    uint64_t found = 0;
    rc = pm_runs_scan(runs, txn, count_any, &walk, NULL);
    PM_CHECK(rc == PM_OK || rc == PM_ECORRUPT);
    PM_CHECK(rc == PM_ECORRUPT || !(options & BAD_CHECKSUM) || pm_runs_entries(runs) == 0);
    rc = pm_runs_lookup(runs, txn, prefix, matches, &found, NULL);
    PM_CHECK(rc == PM_OK || rc == PM_ECORRUPT);
    bool done = false;
    for (int step = 0; !done && rc == PM_OK; step++) {
        PM_CHECK(step < 100);
        rc = pm_runs_merge(runs, txn, 1000, 2, &done, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_input(data, size);
    enum pm_run_kind kind = (enum pm_run_kind)(fuzz_byte(&in) % PM_RUN_KIND_COUNT);
    unsigned options = fuzz_byte(&in);
    entry_bytes = pm_run_shapes[kind].entry_bytes;
    key_bytes = pm_run_shapes[kind].key_bytes;
    prefix = fuzz_bytes(&in, fuzz_byte(&in) % (key_bytes + 1));
    struct pm_kv_txn *txn = fuzz_txn();
    struct pm_runs runs;
    PM_CHECK(pm_runs_load(&runs, kind, txn, true, NULL) == PM_OK);
    if (options & SORTED) {
        struct pm_slice copy = fuzz_exact(fuzz_rest(&in));
        check_sorted(&runs, txn, (uint8_t *)(uintptr_t)copy.ptr, copy.len / entry_bytes);
        fuzz_free(copy);
    } else {
        check_damaged(&runs, txn, options, &in);
    }
    pm_kv_abort(txn);
    return 0;
}
