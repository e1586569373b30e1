/* sha256.h: SHA-256, for what others made with it: bundles, files of models, manifests. provmat's own ids are BLAKE2b
 * (hash.h). Where memory is out: pm_memory_out. */
#ifndef PM_BASE_SHA256_H
#define PM_BASE_SHA256_H

#include "common/base/slice.h"

void pm_sha256(uint8_t digest[32], struct pm_slice bytes);

/* The same of what comes in pieces, one thread a stream. `finish` writes the digest and frees; `digest` NULL: only
 * frees. */
struct pm_sha256_stream;
struct pm_sha256_stream *pm_sha256_new(void);
void pm_sha256_update(struct pm_sha256_stream *stream, const void *ptr, size_t len);
void pm_sha256_finish(struct pm_sha256_stream *stream, uint8_t digest[32]);

#endif
