/* record_block_test.c: records go into blocks and come out of them, whole and by their numbers. */
#include "common/store/record_block.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/check.h"

static char dir[] = "/tmp/provmat-block-XXXXXX";
static struct pm_kv *kv;
static struct pm_kv_txn *txn;
static struct pm_tables tables;
static struct pm_record_block block;

static void make(void)
{
    cr_assert(mkdtemp(dir));
    cr_assert_eq(pm_kv_open(dir, PM_KV_CREATE, &kv, NULL), PM_OK);
    cr_assert_eq(pm_kv_begin_write(kv, 0, &txn, NULL), PM_OK);
    cr_assert_eq(pm_tables_open(&tables, txn, true, NULL), PM_OK);
}
static void unmake(void)
{
    char command[64];
    pm_record_block_release(&block);
    pm_kv_abort(txn);
    pm_kv_close(kv);
    snprintf(command, sizeof command, "rm -r %s", dir);
    cr_assert_eq(system(command), 0);
}
TestSuite(record_block, .init = make, .fini = unmake);

/* Record n is n % 7 * 90 + 3 bytes of n's last byte; each 50th is above a page. */
static struct pm_slice record_of(uint64_t n)
{
    static char bytes[10000];
    size_t len = n % 50 == 49 ? sizeof bytes : n % 7 * 90 + 3;
    memset(bytes, (int)(n & 0xff), len);
    return pm_slice(bytes, len);
}

static void add(uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n < to; n++)
        cr_assert_eq(pm_record_block_add(&block, txn, &tables, n, record_of(n), NULL), PM_OK);
}

static uint64_t rows(void)
{
    uint64_t entries, bytes;
    cr_assert_eq(pm_kv_db_stat(txn, tables.records, &entries, &bytes, NULL), PM_OK);
    return entries;
}

Test(record_block, every_record_is_found_before_and_after_it_is_written)
{
    struct pm_slice found;
    add(0, 1000);
    for (uint64_t n = 0; n < 1000; n++) {
        cr_assert_eq(pm_record_block_find(&block, txn, &tables, n, &found, NULL), PM_OK, "%d", (int)n);
        cr_assert(pm_slice_eq(found, record_of(n)));
    }
    cr_assert_eq(pm_record_block_get(txn, &tables, 999, &found, NULL), PM_ENOTFOUND); /* not written yet */
    cr_assert_eq(pm_record_block_find(&block, txn, &tables, 1000, &found, NULL), PM_ENOTFOUND);
    cr_assert_eq(pm_record_block_flush(&block, txn, &tables, NULL), PM_OK);
    cr_assert_eq(pm_record_block_flush(&block, txn, &tables, NULL), PM_OK); /* nothing is left */
    for (uint64_t n = 0; n < 1000; n++) {
        cr_assert_eq(pm_record_block_get(txn, &tables, n, &found, NULL), PM_OK, "%d", (int)n);
        cr_assert(pm_slice_eq(found, record_of(n)));
    }
    cr_assert_eq(pm_record_block_get(txn, &tables, 1000, &found, NULL), PM_ENOTFOUND);
    cr_assert_lt(rows(), 250); /* of about 270 bytes, seven to a block */
}

Test(record_block, a_walk_meets_each_once_in_order)
{
    struct pm_kv_cursor *cursor;
    struct pm_slice key, value, bytes;
    add(0, 300);
    cr_assert_eq(pm_record_block_flush(&block, txn, &tables, NULL), PM_OK);
    add(300, 301); /* as the next batch does: a block of its own */
    cr_assert_eq(pm_record_block_flush(&block, txn, &tables, NULL), PM_OK);
    cr_assert_eq(pm_kv_cursor_open(txn, tables.records, &cursor, NULL), PM_OK);
    uint64_t expected = 0, number;
    for (int rc = pm_kv_seek(cursor, pm_slice(NULL, 0), &key, &value, NULL); rc == PM_OK;
         rc = pm_kv_next(cursor, &key, &value, NULL)) {
        struct pm_record_block_iter it;
        cr_assert_eq(pm_record_block_open(txn, key, value, &it, NULL), PM_OK);
        while (pm_record_block_next(&it, &number, &bytes, NULL) == PM_OK) {
            cr_assert_eq(number, expected++);
            cr_assert(pm_slice_eq(bytes, record_of(number)));
        }
    }
    pm_kv_cursor_close(cursor);
    cr_assert_eq(expected, 301);
}

Test(record_block, as_many_as_a_byte_counts)
{
    struct pm_slice found;
    for (uint64_t n = 0; n < 600; n++)
        cr_assert_eq(pm_record_block_add(&block, txn, &tables, n, PM_SLICE("x"), NULL), PM_OK);
    cr_assert_eq(pm_record_block_flush(&block, txn, &tables, NULL), PM_OK);
    cr_assert_eq(rows(), 3);
    cr_assert_eq(pm_record_block_get(txn, &tables, 254, &found, NULL), PM_OK);
    cr_assert_eq(pm_record_block_get(txn, &tables, 255, &found, NULL), PM_OK);
}

Test(record_block, a_block_that_cannot_be_is_corrupt)
{
    const uint64_t last = 9;
    const struct {
        struct pm_slice value;
        int rc;
    } cases[] = {
        {PM_SLICE("\1\1acrcc"), PM_OK},
        {PM_SLICE("\2\1\2acrccbbcrcc"), PM_OK},
        {PM_SLICE(""), PM_ECORRUPT},
        {PM_SLICE("\0"), PM_ECORRUPT},
        {PM_SLICE("\2\1"), PM_ECORRUPT},
        {PM_SLICE("\2\1\2acrccbcrcc"), PM_ECORRUPT},
        {PM_SLICE("\1\1acrccx"), PM_ECORRUPT},
        {PM_SLICE("\1\x80"), PM_ECORRUPT},
        {PM_SLICE("\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1a"), PM_ECORRUPT},
        {PM_SLICE("\xb\0\0\0\0\0\0\0\0\0\0\0ccccccccccccccccccccccccccccccccccccccccccccc"),
         PM_ECORRUPT}, /* 11 up to the 10th */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pm_record_block_iter it;
        struct pm_error err;
        cr_assert_eq(pm_record_block_open(txn, pm_kv_u64(&last), cases[i].value, &it, &err), cases[i].rc, "case %zu",
                     i);
    }
}

Test(record_block, a_key_that_is_no_number_is_corrupt)
{
    struct pm_record_block_iter it;
    struct pm_error err;
    cr_assert_eq(pm_record_block_open(txn, PM_SLICE("four"), PM_SLICE("\1\1acrcc"), &it, &err), PM_ECORRUPT);
}

/* Every bit of a block, turned: no record that was in it comes out as another. */
Test(record_block, no_bit_can_turn_unseen)
{
    for (uint64_t n = 0; n < 4; n++)
        cr_assert_eq(pm_record_block_add(&block, txn, &tables, n, pm_slice("recordrecord", 3 * n), NULL), PM_OK);
    cr_assert_eq(pm_record_block_flush(&block, txn, &tables, NULL), PM_OK);
    cr_assert_eq(pm_record_blocks_check(txn, &tables, NULL), PM_OK);
    struct pm_slice key, value, found;
    const uint64_t from = 0;
    cr_assert_eq(pm_kv_get_from(txn, tables.records, pm_kv_u64(&from), &key, &value, NULL), PM_OK);
    uint64_t last = 3;
    char bytes[128];
    size_t len = value.len;
    cr_assert_leq(len, sizeof bytes);
    memcpy(bytes, value.ptr, len);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        struct pm_error err;
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        cr_assert_eq(pm_kv_put(txn, tables.records, pm_kv_u64(&last), pm_slice(bytes, len), NULL), PM_OK);
        cr_assert_eq(pm_record_blocks_check(txn, &tables, &err), PM_ECORRUPT, "bit %zu", bit);
        for (uint64_t n = 0; n < 4; n++) {
            int rc = pm_record_block_get(txn, &tables, n, &found, &err);
            cr_assert(rc != PM_OK || pm_slice_eq(found, pm_slice("recordrecord", 3 * n)), "bit %zu", bit);
        }
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
    }
}
