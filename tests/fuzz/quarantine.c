/* quarantine.c: a row of the quarantine. Input: the key (12 bytes), then the value. What is accepted can be shown,
 * stays inside the value, and is written and read again as the same row. */
#include "common/store/layout.h"

#include "common/base/time.h"
#include "tests/fuzz/support/fuzz.h"

static bool inside(struct pm_slice part, struct pm_slice whole)
{
    return !part.ptr || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void check_again(struct pm_slice key, const struct pm_quarantined *row, int code)
{
    static struct pm_buf out;
    struct pm_quarantined again;
    uint8_t own[12];
    pm_buf_clear(&out);
    pm_quarantine_put(code, row->at_us < 0 ? -1 : row->at_us / 1000, row->reason, row->key, row->value, &out);
    struct pm_slice own_key = pm_quarantine_key(row->partition, row->offset, own);
    PM_CHECK(pm_slice_eq(own_key, key));
    PM_CHECK(pm_quarantine_get(own_key, pm_buf_slice(&out), &again, NULL) == PM_OK);
    PM_CHECK(again.partition == row->partition && again.offset == row->offset && again.at_us == row->at_us);
    PM_CHECK(again.class == row->class && pm_slice_eq(again.reason, row->reason) && pm_slice_eq(again.key, row->key));
    PM_CHECK(pm_slice_eq(again.value, row->value) && !again.value.ptr == !row->value.ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_input(data, size);
    struct pm_slice key = fuzz_bytes(&in, 12), value = fuzz_exact(fuzz_rest(&in));
    struct pm_quarantined row;
    struct pm_error err;
    int rc = pm_quarantine_get(key, value, &row, &err);
    PM_CHECK(rc == PM_OK || (rc == PM_ECORRUPT && err.text[0]));
    if (rc == PM_OK) {
        char text[PM_TIME_TEXT_SIZE];
        if (row.at_us >= 0) (void)pm_time_format(row.at_us, text);
        PM_CHECK(row.at_us >= -1 && row.class && row.class[0]);
        PM_CHECK(inside(row.reason, value) && inside(row.key, value) && inside(row.value, value));
        check_again(key, &row, (uint8_t)value.ptr[0]);
    }
    fuzz_free(value);
    return 0;
}
