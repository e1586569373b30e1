/* local_record_test.c: a record of the embedded log, both ways, with each bit turned over, and cut. */
#include "common/log/local_record.h"

#include <criterion/criterion.h>

static struct pm_buf bytes;

static void end(void) { pm_buf_release(&bytes); }
TestSuite(local_record, .fini = end);

static void check(struct pm_slice key, struct pm_slice value, int64_t timestamp_ms)
{
    struct pm_log_record rec = {0};
    pm_buf_clear(&bytes);
    pm_local_record_encode(key, value, timestamp_ms, &bytes);
    cr_assert_eq(bytes.len, pm_local_record_size(key, value));
    cr_assert_null(pm_local_record_decode(pm_buf_slice(&bytes), &rec));
    cr_assert_eq(rec.timestamp_ms, timestamp_ms);
    cr_assert_eq(pm_local_record_time(pm_buf_slice(&bytes)), timestamp_ms);
    cr_assert(pm_slice_eq(rec.key, key) && pm_slice_eq(rec.value, value) && !rec.value.ptr == !value.ptr);
}

Test(local_record, both_ways)
{
    check(PM_SLICE("job-1"), PM_SLICE("{}"), 1700000000000);
    check(pm_slice("", 0), pm_slice("", 0), -1);
    check(PM_SLICE("job-1"), pm_slice(NULL, 0), INT64_MIN);
}

Test(local_record, every_bit_counts)
{
    struct pm_log_record rec;
    check(PM_SLICE("job-1"), PM_SLICE("value"), 7);
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        if (bit / 8 >= 1 && bit / 8 <= 3) continue; /* nobody reads these */
        bytes.ptr[bit / 8] ^= (char)(1 << bit % 8);
        cr_assert_not_null(pm_local_record_decode(pm_buf_slice(&bytes), &rec), "bit %zu", bit);
        bytes.ptr[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t len = 0; len < bytes.len; len++)
        cr_assert_not_null(pm_local_record_decode(pm_slice(bytes.ptr, len), &rec), "%zu bytes", len);
    cr_assert_eq(pm_local_record_time(pm_slice(bytes.ptr, 19)), 0);
}
