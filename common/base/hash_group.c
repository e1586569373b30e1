/* hash_group.c: four paths' BLAKE2b at once, one in each lane of a vector: what a path of one block costs falls to a
 * third. The rounds are those of RFC 7693; texts of more than one block and processors without such vectors go to the
 * library. Pure: any thread. */
#include "common/base/check.h"
#include "common/base/hash.h"

#define WORDS (PM_HASH_GROUP_BYTES / 8) /* of a block */

void pm_hash_group_add(struct pm_hash_group *group, struct pm_slice bytes)
{
    PM_CHECK(group->count < PM_HASH_GROUP && bytes.len <= PM_HASH_GROUP_BYTES);
    unsigned char *block = group->blocks[group->count];
    if (bytes.len) memcpy(block, bytes.ptr, bytes.len);
    memset(block + bytes.len, 0, PM_HASH_GROUP_BYTES - bytes.len);
    group->len[group->count++] = (uint8_t)bytes.len;
}

static void one_by_one(const struct pm_hash_group *group, struct pm_hash128 out[])
{
    for (unsigned i = 0; i < group->count; i++) out[i] = pm_hash128(pm_slice(group->blocks[i], group->len[i]));
}

#if defined(__x86_64__)

typedef uint64_t lanes __attribute__((vector_size(8 * PM_HASH_GROUP)));

static const uint64_t iv[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};
/* The parameter block of an unkeyed digest of 16 bytes, folded into the first word. */
#define PARAMETERS (0x01010000u | 16)

#define ROTATE(x, by) ((x) >> (by) | (x) << (64 - (by)))

#define MIX(a, b, c, d, x, y)      \
    a += b + m[x];                 \
    d = ROTATE(d ^ a, 32), c += d; \
    b = ROTATE(b ^ c, 24);         \
    a += b + m[y];                 \
    d = ROTATE(d ^ a, 16), c += d; \
    b = ROTATE(b ^ c, 63);

/* The columns, then the diagonals; the arguments are the order in which this round takes the words. */
#define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15) \
    MIX(v0, v4, v8, v12, s0, s1)                                                    \
    MIX(v1, v5, v9, v13, s2, s3)                                                    \
    MIX(v2, v6, v10, v14, s4, s5)                                                   \
    MIX(v3, v7, v11, v15, s6, s7)                                                   \
    MIX(v0, v5, v10, v15, s8, s9)                                                   \
    MIX(v1, v6, v11, v12, s10, s11)                                                 \
    MIX(v2, v7, v8, v13, s12, s13)                                                  \
    MIX(v3, v4, v9, v14, s14, s15)

static inline __attribute__((always_inline)) void hash_all(const struct pm_hash_group *group, struct pm_hash128 out[])
{
    lanes m[WORDS], length;
    for (unsigned lane = 0; lane < PM_HASH_GROUP; lane++) {
        uint64_t words[WORDS];
        memcpy(words, group->blocks[lane], sizeof words);
        for (unsigned i = 0; i < WORDS; i++) m[i][lane] = words[i];
        length[lane] = group->len[lane];
    }
    const lanes zero = {0};
    lanes v0 = zero + (iv[0] ^ PARAMETERS), v1 = zero + iv[1], v2 = zero + iv[2], v3 = zero + iv[3];
    lanes v4 = zero + iv[4], v5 = zero + iv[5], v6 = zero + iv[6], v7 = zero + iv[7];
    lanes v8 = zero + iv[0], v9 = zero + iv[1], v10 = zero + iv[2], v11 = zero + iv[3];
    lanes v12 = length ^ iv[4], v13 = zero + iv[5], v14 = zero + ~iv[6], v15 = zero + iv[7]; /* the last block */
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)
    ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4)
    ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8)
    ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13)
    ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9)
    ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11)
    ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10)
    ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5)
    ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0)
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)
    lanes first = (iv[0] ^ PARAMETERS) ^ v0 ^ v8, second = iv[1] ^ v1 ^ v9;
    for (unsigned lane = 0; lane < PM_HASH_GROUP; lane++)
        out[lane] = (struct pm_hash128){__builtin_bswap64(first[lane]), __builtin_bswap64(second[lane])};
}

__attribute__((target("avx2"))) static void hash_avx2(const struct pm_hash_group *group, struct pm_hash128 out[])
{
    hash_all(group, out);
}

/* Has a rotation, which is three instructions otherwise, and twice the registers. */
__attribute__((target("avx512vl"))) static void hash_avx512(const struct pm_hash_group *group, struct pm_hash128 out[])
{
    hash_all(group, out);
}
#endif

void pm_hash_group_finish(struct pm_hash_group *group, struct pm_hash128 out[PM_HASH_GROUP])
{
#if defined(__x86_64__)
    bool full = group->count == PM_HASH_GROUP;
    if (full && __builtin_cpu_supports("avx512vl")) hash_avx512(group, out);
    else if (full && __builtin_cpu_supports("avx2")) hash_avx2(group, out);
    else one_by_one(group, out);
#else
    one_by_one(group, out);
#endif
    group->count = 0;
}
