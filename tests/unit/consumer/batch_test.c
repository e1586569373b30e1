/* batch_test.c: a batch grows, is cleared and filled again. */
#include <criterion/criterion.h>

#include "consumer/batch.h"

Test(batch, operations_are_zeroed_also_where_others_stood)
{
    struct pm_batch batch = {0};
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 200; i++) {
            struct pm_op *op = pm_batch_op(&batch);
            cr_assert(op->at == 0 && op->job1 == 0 && !op->own);
            *op = (struct pm_op){.at = i, .job1 = 1, .own = true};
        }
        cr_assert_eq(batch.n_ops, 200);
        cr_assert_eq(batch.ops[199].at, 199);
        batch.records = batch.events = 200;
        pm_buf_cstr(&batch.bytes, "bytes");
        pm_batch_poison(&batch)->offset = 9;
        pm_batch_recovered(&batch, 1, 2);
        pm_batch_offset(&batch, 0);
        pm_batch_clear(&batch);
        cr_assert(batch.n_ops == 0 && batch.bytes.len == 0 && batch.n_poison == 0 && batch.n_recovered == 0 &&
                  batch.n_offsets == 0 && batch.names.count == 0 && batch.records == 0 && batch.events == 0);
    }
    pm_batch_release(&batch);
}

Test(batch, a_partition_has_one_place)
{
    struct pm_batch batch = {0};
    for (int32_t p = 0; p < 100; p++) pm_batch_offset(&batch, p)->next = p;
    for (int32_t p = 99; p >= 0; p--) cr_assert_eq(pm_batch_offset(&batch, p)->next, p);
    cr_assert_eq(batch.n_offsets, 100);
    cr_assert_eq(pm_batch_offset(&batch, 7)->anchor_offset, -1);
    pm_batch_release(&batch);
}
