/* sha256.h: SHA-256 (FIPS 180-4), for what others made with it: bundles, files of models, manifests. provmat's own ids
 * are BLAKE2b (hash.h). One thread a state. */
#ifndef PM_BASE_SHA256_H
#define PM_BASE_SHA256_H

#include "common/base/slice.h"

struct pm_sha256 {
    uint32_t h[8];
    uint64_t bytes;
    uint8_t block[64];
};

void pm_sha256_init(struct pm_sha256 *state);
void pm_sha256_update(struct pm_sha256 *state, const void *ptr, size_t len);
void pm_sha256_final(struct pm_sha256 *state, uint8_t out[32]); /* the state is used up */

#endif
