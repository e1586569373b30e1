/* posting.c: chunks of pairs, both ways. Layout: u16 count, pairs, u32 crc. A pair: varint (result - result before),
 * byte of roles, per role the zigzag varint of (time - time before). No I/O; any thread. */
#include "common/store/posting.h"

#include "common/base/hash.h"
#include "common/base/varint.h"

#define PAIR_BYTES_MAX (PM_VARINT_MAX + 1 + PM_ROLE_COUNT * PM_VARINT_MAX)

size_t pm_posting_encode(const struct pm_pair *pairs, size_t count, struct pm_buf *out)
{
    uint8_t bytes[PM_CHUNK_BYTES_MAX];
    uint8_t *p = bytes + 2, *limit = bytes + sizeof bytes - 4 - PAIR_BYTES_MAX;
    uint64_t result = 0;
    int64_t at = 0;
    size_t n = 0;
    if (count > PM_CHUNK_PAIRS_MAX) count = PM_CHUNK_PAIRS_MAX;
    while (n < count && p <= limit) {
        const struct pm_pair *pair = &pairs[n++];
        p = pm_varint_put(p, pair->result - result);
        result = pair->result;
        *p++ = (uint8_t)pair->roles;
        for (unsigned left = pair->roles; left; left &= left - 1) {
            int64_t t = pair->at[__builtin_ctz(left)];
            p = pm_varint_put(p, pm_zigzag((int64_t)((uint64_t)t - (uint64_t)at)));
            at = t;
        }
    }
    uint16_t n16 = (uint16_t)n;
    memcpy(bytes, &n16, 2);
    uint32_t crc = pm_crc32c(0, bytes, (size_t)(p - bytes));
    memcpy(p, &crc, 4);
    pm_buf_bytes(out, bytes, (size_t)(p + 4 - bytes));
    return n;
}

size_t pm_posting_count(struct pm_slice chunk)
{
    uint16_t n = 0;
    if (chunk.len >= 6) memcpy(&n, chunk.ptr, 2);
    return n <= PM_CHUNK_PAIRS_MAX ? n : 0;
}

int pm_posting_decode(struct pm_slice chunk, uint32_t job, struct pm_pair *ret, struct pm_error *err)
{
    size_t n = pm_posting_count(chunk);
    uint32_t crc = 0;
    if (n) memcpy(&crc, chunk.ptr + chunk.len - 4, 4);
    if (n == 0 || crc != pm_crc32c(0, chunk.ptr, chunk.len - 4))
        return pm_error_set(err, PM_ECORRUPT, "a chunk of a job's results does not match its checksum");
    const uint8_t *p = (const uint8_t *)chunk.ptr + 2, *end = (const uint8_t *)chunk.ptr + chunk.len - 4;
    uint64_t result = 0, v = 0;
    int64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        struct pm_pair *pair = &ret[i];
        if (!(p = pm_varint_get(p, end, &v)) || p >= end) goto broken;
        pair->result = result + v;
        pair->job = job;
        pair->roles = *p++;
        if ((i && pair->result <= result) || !pair->roles || pair->roles >> PM_ROLE_COUNT) goto broken;
        result = pair->result;
        for (unsigned left = pair->roles; left; left &= left - 1) {
            if (!(p = pm_varint_get(p, end, &v))) goto broken;
            pair->at[__builtin_ctz(left)] = at = (int64_t)((uint64_t)at + (uint64_t)pm_unzigzag(v));
        }
    }
    if (p == end) return PM_OK;
broken:
    return pm_error_set(err, PM_ECORRUPT, "a chunk of a job's results is cut or out of order");
}
