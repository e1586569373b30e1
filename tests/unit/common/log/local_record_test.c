/* local_record_test.c: a record of the embedded log, both ways, with each bit turned over, and cut. */
#include "common/log/local_record.h"

#include <criterion/criterion.h>

static struct pm_buf bytes;

static void end(void) { pm_buf_release(&bytes); }
TestSuite(local_record, .fini = end);

static void check_from(struct pm_slice key, struct pm_slice value, int64_t timestamp_ms, struct pm_slice origin)
{
    struct pm_log_record rec = {0}, put = {.key = key, .value = value, .timestamp_ms = timestamp_ms, .origin = origin};
    pm_buf_clear(&bytes);
    pm_local_record_encode(&put, &bytes);
    cr_assert_eq(bytes.len, pm_local_record_size(&put));
    cr_assert_null(pm_local_record_decode(pm_buf_slice(&bytes), &rec));
    cr_assert_eq(rec.timestamp_ms, timestamp_ms);
    cr_assert_eq(pm_local_record_time(pm_buf_slice(&bytes)), timestamp_ms);
    cr_assert(pm_slice_eq(rec.key, key) && pm_slice_eq(rec.value, value) && !rec.value.ptr == !value.ptr);
    cr_assert(pm_slice_eq(rec.origin, origin));
}

static void check(struct pm_slice key, struct pm_slice value, int64_t timestamp_ms)
{
    check_from(key, value, timestamp_ms, pm_slice("", 0));
}

Test(local_record, both_ways)
{
    check(PM_SLICE("job-1"), PM_SLICE("{}"), 1700000000000);
    check(pm_slice("", 0), pm_slice("", 0), -1);
    check(PM_SLICE("job-1"), pm_slice(NULL, 0), INT64_MIN);
    char origin[PM_LOG_ORIGIN_BYTES_MAX];
    memset(origin, 'o', sizeof origin);
    check_from(PM_SLICE("job-1"), PM_SLICE("{}"), 5, PM_SLICE("1f03a2c4b5d6e7f8-17"));
    check_from(pm_slice("", 0), pm_slice(NULL, 0), 5, pm_slice(origin, sizeof origin));
}

Test(local_record, every_bit_counts)
{
    struct pm_log_record rec;
    check_from(PM_SLICE("job-1"), PM_SLICE("value"), 7, PM_SLICE("origin"));
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
