/* posting.c: a chunk of a job's pairs. Input: as the bytes stand, and with the checksum put right, so that what is
 * behind it is reached. What is accepted is pairs in order, and is written and read again as the same. */
#include "common/store/posting.h"

#include "common/base/hash.h"
#include "tests/fuzz/support/fuzz.h"

static void check_pairs(const struct pm_pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        PM_CHECK(pairs[i].job == 7 && pairs[i].roles && pairs[i].roles < 1u << PM_ROLE_COUNT);
        PM_CHECK(i == 0 || pairs[i].result > pairs[i - 1].result);
    }
}

static void check_again(const struct pm_pair *pairs, size_t n)
{
    static struct pm_buf out;
    static struct pm_pair again[PM_CHUNK_PAIRS_MAX];
    pm_buf_clear(&out);
    size_t taken = pm_posting_encode(pairs, n, &out);
    PM_CHECK(taken >= 1 && taken <= n && out.len <= PM_CHUNK_BYTES_MAX);
    PM_CHECK(pm_posting_decode(pm_buf_slice(&out), 7, again, NULL) == PM_OK);
    for (size_t i = 0; i < taken; i++) {
        PM_CHECK(pairs[i].result == again[i].result && pairs[i].roles == again[i].roles);
        for (unsigned left = pairs[i].roles; left; left &= left - 1)
            PM_CHECK(pairs[i].at[__builtin_ctz(left)] == again[i].at[__builtin_ctz(left)]);
    }
}

static void one(struct pm_slice chunk)
{
    static struct pm_pair pairs[PM_CHUNK_PAIRS_MAX];
    size_t n = pm_posting_count(chunk);
    PM_CHECK(n <= PM_CHUNK_PAIRS_MAX);
    int rc = pm_posting_decode(chunk, 7, pairs, NULL);
    PM_CHECK(rc == PM_OK || rc == PM_ECORRUPT);
    if (rc != PM_OK) return;
    PM_CHECK(n > 0);
    check_pairs(pairs, n);
    check_again(pairs, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    one(pm_slice(data, size));
    if (size < 4) return 0;
    struct pm_slice fixed = fuzz_exact(pm_slice(data, size));
    uint32_t crc = pm_crc32c(0, data, size - 4);
    memcpy((char *)(uintptr_t)fixed.ptr + size - 4, &crc, 4);
    one(fixed);
    fuzz_free(fixed);
    return 0;
}
