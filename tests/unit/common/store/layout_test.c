/* layout_test.c: rows of the quarantine, both ways and damaged. */
#include "common/store/layout.h"

#include <criterion/criterion.h>

#include "common/base/time.h"

static struct pm_buf row;

static void end(void) { pm_buf_release(&row); }
TestSuite(layout, .fini = end);

static struct pm_quarantined there_and_back(int64_t timestamp_ms, struct pm_slice value)
{
    uint8_t key[12];
    struct pm_quarantined ret = {0};
    struct pm_error err = {0};
    pm_buf_clear(&row);
    pm_quarantine_put(PM_EFORMAT, timestamp_ms, PM_SLICE("it is cut"), PM_SLICE("job-1"), value, &row);
    int rc = pm_quarantine_get(pm_quarantine_key(3, 1ll << 40, key), pm_buf_slice(&row), &ret, &err);
    cr_assert_eq(rc, PM_OK, "%s", err.text);
    cr_assert(ret.partition == 3 && ret.offset == 1ll << 40);
    cr_assert(pm_slice_is(ret.reason, "it is cut") && pm_slice_is(ret.key, "job-1"));
    cr_assert_str_eq(ret.class, pm_error_name(PM_EFORMAT));
    return ret;
}

Test(layout, quarantine_row)
{
    struct pm_quarantined there = there_and_back(1700000000123, PM_SLICE("{}"));
    cr_assert_eq(there.at_us, 1700000000123000);
    cr_assert(pm_slice_is(there.value, "{}"));
    there = there_and_back(0, pm_slice("", 0));
    cr_assert(there.at_us == 0 && there.value.ptr && there.value.len == 0);
    there = there_and_back(-1, pm_slice(NULL, 0));
    cr_assert(there.at_us == -1 && !there.value.ptr);
}

/* A producer says what time it likes; one that nobody can write down is none. */
Test(layout, quarantine_row_of_an_impossible_time)
{
    char text[PM_TIME_TEXT_SIZE];
    int64_t last_ms = PM_TIME_MAX / 1000;
    cr_assert_eq(there_and_back(last_ms, PM_SLICE("{}")).at_us, last_ms * 1000);
    cr_assert_eq(pm_time_format(last_ms * 1000, text), strlen("9999-12-31T23:59:59.999000Z"));
    cr_assert_eq(there_and_back(last_ms + 1, PM_SLICE("{}")).at_us, -1);
    cr_assert_eq(there_and_back(INT64_MAX, PM_SLICE("{}")).at_us, -1);
    cr_assert_eq(there_and_back(INT64_MIN, PM_SLICE("{}")).at_us, -1);
}

Test(layout, quarantine_row_that_is_cut)
{
    uint8_t key[12];
    struct pm_quarantined ret;
    struct pm_error err = {0};
    pm_quarantine_put(PM_EFORMAT, 1, PM_SLICE("reason"), PM_SLICE("key"), pm_slice(NULL, 0), &row);
    pm_quarantine_key(0, 0, key);
    for (size_t len = 0; len < row.len; len++)
        cr_assert_eq(pm_quarantine_get(pm_slice(key, 12), pm_slice(row.ptr, len), &ret, &err), PM_ECORRUPT);
    cr_assert_eq(pm_quarantine_get(pm_slice(key, 11), pm_buf_slice(&row), &ret, &err), PM_ECORRUPT);
    cr_assert_str_eq(err.text, "a row of the quarantine is cut");
}
