/* table_test.c: the dictionary in memory. */
#include <criterion/criterion.h>
#include <signal.h>

#include "consumer/table.h"
#include "tests/support/events.h"

static struct pm_hash128 hash_of(uint64_t number)
{
    uint64_t state = number * 2 + 1;
    uint64_t hi = test_random(&state);
    return (struct pm_hash128){hi, test_random(&state)};
}

Test(table, finds_what_was_added_and_nothing_else)
{
    enum { N = 150000 }; /* more than one block of rows, and shards that grew many times */
    struct pm_table *table = pm_table_new();
    size_t empty = pm_table_bytes(table);
    for (uint64_t i = 0; i < N; i++) {
        cr_assert_eq(pm_table_find(table, hash_of(i)), -1);
        struct pm_row *row = pm_table_add(table, hash_of(i), i);
        cr_assert(row->hash_lo == hash_of(i).lo && row->record == 0 && !row->has_side && row->identity == 0);
        row->record = (uint32_t)i + 7;
    }
    for (uint64_t i = 0; i < N; i++) {
        pm_table_prefetch(table, hash_of(i));
        cr_assert_eq(pm_table_find(table, hash_of(i)), (int64_t)i);
        cr_assert_eq(pm_table_row(table, i)->record, i + 7);
        cr_assert_eq(pm_table_find(table, hash_of(N + i)), -1);
    }
    cr_assert_gt(pm_table_bytes(table), empty);
    cr_assert_lt((pm_table_bytes(table) - empty) / N, 100);
    pm_table_free(table);
}

Test(table, hashes_that_share_a_slot_are_told_apart)
{
    struct pm_table *table = pm_table_new();
    for (uint64_t i = 0; i < 300; i++)
        pm_table_add(table, (struct pm_hash128){UINT64_MAX, i}, i); /* one tag, the last slot */
    for (uint64_t i = 0; i < 300; i++)
        cr_assert_eq(pm_table_find(table, (struct pm_hash128){UINT64_MAX, i}), (int64_t)i);
    cr_assert_eq(pm_table_find(table, (struct pm_hash128){UINT64_MAX, 300}), -1);
    cr_assert_eq(pm_table_find(table, (struct pm_hash128){UINT64_MAX - (1ULL << 24), 5}), -1);
    pm_table_free(table);
}

Test(table, numbers_need_not_come_in_order)
{
    struct pm_table *table = pm_table_new();
    pm_table_add(table, hash_of(1), PM_RESULTS_MAX - 1); /* a block of its own */
    pm_table_add(table, hash_of(2), 3);
    cr_assert_eq(pm_table_find(table, hash_of(1)), (int64_t)PM_RESULTS_MAX - 1);
    cr_assert_eq(pm_table_find(table, hash_of(2)), 3);
    pm_table_free(table);
}

Test(table, a_number_past_the_last_is_refused, .signal = SIGABRT)
{
    pm_table_add(pm_table_new(), hash_of(1), PM_RESULTS_MAX);
}
