/* artifact.c: digests of files (artifact.h). */
#include "provstore/artifact.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/number.h"
#include "common/base/sha256.h"

#define PIECE_BYTES ((size_t)256 * 1024)

int pm_artifact_read(int fd, const char *file, bool with_sha256, struct pm_artifact *ret, struct pm_error *err)
{
    struct pm_blake2b_stream *blake2b = pm_blake2b_new(32);
    struct pm_sha256_stream *sha256 = with_sha256 ? pm_sha256_new() : NULL;
    uint8_t digest[32];
    uint64_t size = 0;
    char *piece = pm_malloc(PIECE_BYTES);
    ssize_t n;
    while ((n = read(fd, piece, PIECE_BYTES)) != 0) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
        pm_blake2b_update(blake2b, piece, (size_t)n);
        if (sha256) pm_sha256_update(sha256, piece, (size_t)n);
        size += (uint64_t)n;
    }
    int number = errno;
    free(piece);
    pm_blake2b_finish(blake2b, n < 0 ? NULL : digest);
    if (n >= 0) pm_hex_encode(digest, sizeof digest, ret->blake2b);
    pm_sha256_finish(sha256, n < 0 ? NULL : digest);
    if (n < 0) return pm_error_set(err, PM_EIO, "could not read \"%s\": %s", file, pm_error_system(number));
    if (with_sha256) pm_hex_encode(digest, sizeof digest, ret->sha256);
    ret->size = size;
    return PM_OK;
}

void pm_artifact_of(struct pm_slice bytes, struct pm_artifact *ret)
{
    uint8_t digest[32];
    pm_blake2b(digest, sizeof digest, &bytes, 1);
    ret->size = bytes.len;
    pm_hex_encode(digest, sizeof digest, ret->blake2b);
}
