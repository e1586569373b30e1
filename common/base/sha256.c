/* sha256.c: SHA-256 (sha256.h). The only file that knows libcrypto. */
#include "common/base/sha256.h"

#include <openssl/evp.h>

#include "common/base/check.h"

/* A stream is libcrypto's context under our name. What can fail there, with an algorithm that always exists, is memory. */
struct pm_sha256_stream *pm_sha256_new(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(context);
        pm_memory_out("a SHA-256 digest");
    }
    return (struct pm_sha256_stream *)context;
}

void pm_sha256_update(struct pm_sha256_stream *stream, const void *ptr, size_t len)
{
    PM_CHECK(EVP_DigestUpdate((EVP_MD_CTX *)stream, ptr, len) == 1);
}

void pm_sha256_finish(struct pm_sha256_stream *stream, uint8_t digest[32])
{
    if (stream && digest) PM_CHECK(EVP_DigestFinal_ex((EVP_MD_CTX *)stream, digest, NULL) == 1);
    EVP_MD_CTX_free((EVP_MD_CTX *)stream);
}

void pm_sha256(uint8_t digest[32], struct pm_slice bytes)
{
    struct pm_sha256_stream *stream = pm_sha256_new();
    pm_sha256_update(stream, bytes.ptr, bytes.len);
    pm_sha256_finish(stream, digest);
}
