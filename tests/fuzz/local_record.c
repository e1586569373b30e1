/* local_record.c: a record of the embedded log. Input: the record as it stands, and with format and checksum put right,
 * so that what is behind them is reached. What is accepted is written again as the same bytes. */
#include "common/log/local_record.h"

#include "common/base/hash.h"
#include "tests/fuzz/support/fuzz.h"

static void one(struct pm_slice bytes)
{
    static struct pm_buf out;
    struct pm_log_record rec = {.partition = 3, .offset = 4};
    int64_t at = pm_local_record_time(bytes);
    const char *wrong = pm_local_record_decode(bytes, &rec);
    PM_CHECK(rec.partition == 3 && rec.offset == 4);
    if (wrong) {
        PM_CHECK(wrong[0] && !rec.key.ptr && !rec.value.ptr && !rec.origin.ptr);
        return;
    }
    PM_CHECK(rec.timestamp_ms == at);
    PM_CHECK(rec.key.ptr && (rec.value.ptr || rec.value.len == 0));
    PM_CHECK(pm_local_record_size(&rec) == bytes.len);
    pm_buf_clear(&out);
    pm_local_record_encode(&rec, &out);
    PM_CHECK(out.len == bytes.len && out.ptr[0] == bytes.ptr[0]);
    PM_CHECK(memcmp(out.ptr + 4, bytes.ptr + 4, out.len - 4) == 0); /* but the three bytes that nobody reads */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pm_slice bytes = fuzz_exact(pm_slice(data, size));
    one(bytes);
    if (size >= 8) {
        char *p = (char *)(uintptr_t)bytes.ptr;
        uint32_t crc = pm_crc32c(0, p + 8, size - 8);
        p[0] = 1;
        memcpy(p + 4, &crc, 4);
        one(bytes);
    }
    fuzz_free(bytes);
    return 0;
}
