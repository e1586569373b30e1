/* posting.h: one chunk of a job's pairs (`job_results`): up to PM_CHUNK_PAIRS_MAX pairs by ascending result number,
 * each with its roles and the time of each role, as delta varints and a CRC-32C, in at most PM_CHUNK_BYTES_MAX bytes so
 * that a chunk takes one page. */
#ifndef PM_STORE_POSTING_H
#define PM_STORE_POSTING_H

#include "common/store/index.h"

#define PM_CHUNK_PAIRS_MAX 512
#define PM_CHUNK_BYTES_MAX 4080

/* Appends the chunk of pairs[0..count); they must be sorted by result. `count` is cut so that the chunk fits; returns
 * how many were taken (>= 1). */
size_t pm_posting_encode(const struct pm_pair *pairs, size_t count, struct pm_buf *out);

/* Number of pairs in a chunk, at most PM_CHUNK_PAIRS_MAX; 0 when it is broken. */
size_t pm_posting_count(struct pm_slice chunk);
/* Decodes all of them into `ret` (room for pm_posting_count). `job` is put into each. PM_ECORRUPT unless every byte is
 * used, results ascend and each pair has a role. */
int pm_posting_decode(struct pm_slice chunk, uint32_t job, struct pm_pair *ret, struct pm_error *err) PM_MUST_CHECK;

/* Key of a chunk in `job_results`. */
static inline uint64_t pm_posting_key(uint32_t job, uint32_t chunk) { return (uint64_t)job << 32 | chunk; }

#endif
