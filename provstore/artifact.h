/* artifact.h: the digests of a file: an artifact's checksum (BLAKE2b-256 of its bytes), and SHA-256, which one executor
 * wrote in the same field and which digests of models are. */
#ifndef PM_PROVSTORE_ARTIFACT_H
#define PM_PROVSTORE_ARTIFACT_H

#include "common/base/error.h"
#include "common/base/slice.h"

struct pm_artifact {
    uint64_t size;
    char blake2b[64], sha256[64]; /* lower-case hexadecimal, no terminating zero */
};

/* Reads `fd` from where it stands to its end, in pieces. `file` is its name in messages. PM_EIO. */
int pm_artifact_read(int fd, const char *file, bool with_sha256, struct pm_artifact *ret,
                     struct pm_error *err) PM_MUST_CHECK;
/* The same of bytes in memory, without SHA-256. */
void pm_artifact_of(struct pm_slice bytes, struct pm_artifact *ret);

#endif
