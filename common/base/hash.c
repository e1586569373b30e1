/* hash.c: digests and checksums. The only file that knows libb2. Pure functions: any thread. */
#include "common/base/hash.h"

#include <blake2.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "common/base/check.h"

void pm_blake2b(void *out, size_t size, const struct pm_slice *parts, size_t n_parts)
{
    PM_CHECK(size >= 1 && size <= BLAKE2B_OUTBYTES);
    if (n_parts == 1) {
        PM_CHECK(blake2b(out, parts[0].len ? parts[0].ptr : "", NULL, size, parts[0].len, 0) == 0);
        return;
    }
    blake2b_state state;
    PM_CHECK(blake2b_init(&state, size) == 0);
    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].len) blake2b_update(&state, (const uint8_t *)parts[i].ptr, parts[i].len);
    }
    PM_CHECK(blake2b_final(&state, out, size) == 0);
}

struct pm_blake2b_stream {
    blake2b_state state;
    size_t size;
};

struct pm_blake2b_stream *pm_blake2b_new(size_t size)
{
    void *memory; /* the library's state wants to stand on a cache line */
    if (posix_memalign(&memory, 64, (sizeof(struct pm_blake2b_stream) + 63) / 64 * 64) != 0)
        pm_memory_out("the sum of a file");
    struct pm_blake2b_stream *stream = memory;
    stream->size = size;
    PM_CHECK(blake2b_init(&stream->state, size) == 0);
    return stream;
}

void pm_blake2b_update(struct pm_blake2b_stream *stream, const void *ptr, size_t len)
{
    if (len) blake2b_update(&stream->state, ptr, len);
}

void pm_blake2b_finish(struct pm_blake2b_stream *stream, void *out)
{
    if (stream && out) PM_CHECK(blake2b_final(&stream->state, out, stream->size) == 0);
    free(stream);
}

struct pm_hash128 pm_hash128(struct pm_slice bytes)
{
    uint64_t words[2];
    pm_blake2b(words, sizeof words, &bytes, 1);
    return (struct pm_hash128){__builtin_bswap64(words[0]), __builtin_bswap64(words[1])};
}

/* ---- pm_hash64: fold each 8 bytes in by a 64x64->128 multiply, xor of both halves ---- */

/* odd constants with about as many ones as zeros (fractions of the square roots of 2, 3, 5) */
#define MIX_A 0x6a09e667f3bcc909u
#define MIX_B 0xbb67ae8584caa73bu
#define MIX_C 0x3c6ef372fe94f82bu

static inline uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t read64(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

/* 0..8 bytes as one number; the length is mixed in elsewhere, so that "a" and "a\0" differ */
static inline uint64_t read_tail(const unsigned char *p, size_t len)
{
    if (len >= 4) {
        uint32_t first, last;
        memcpy(&first, p, 4);
        memcpy(&last, p + len - 4, 4);
        return (uint64_t)first << 32 | last;
    }
    if (len == 0) return 0;
    return (uint64_t)p[0] << 16 | (uint64_t)p[len >> 1] << 8 | p[len - 1];
}

uint64_t pm_hash64(const void *ptr, size_t len, uint64_t seed)
{
    const unsigned char *p = ptr;
    uint64_t even = seed ^ MIX_A, odd = MIX_B;
    size_t left = len;
    /* Two independent lanes hide the multiply's latency. Each factor holds input and state, so that no input alone can
     * make it zero for every state. */
    while (left > 16) {
        even = fold(read64(p) ^ MIX_C, even ^ MIX_B) + even;
        odd = fold(read64(p + 8) ^ MIX_A, odd ^ even);
        p += 16;
        left -= 16;
    }
    if (left > 8) {
        even = fold(read64(p) ^ MIX_C, even ^ MIX_B) + even;
        p += 8;
        left -= 8;
    }
    odd = fold(read_tail(p, left) ^ MIX_A, odd ^ even);
    return fold(even ^ len ^ MIX_C, odd ^ MIX_B);
}

/* ---- CRC-32C (polynomial 0x1EDC6F41, bits reversed) ---- */

static const uint32_t crc_nibbles[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t pm_crc32c_portable(uint32_t crc, const void *ptr, size_t len)
{
    const unsigned char *p = ptr;
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        crc = (crc >> 4) ^ crc_nibbles[crc & 15];
        crc = (crc >> 4) ^ crc_nibbles[crc & 15];
    }
    return ~crc;
}

#if defined(__x86_64__)
/* The instruction gives a result three cycles after it begins but can begin every cycle: three lanes side by side. A
 * lane's state is carried over the lanes behind it by a product with x^(8n - 33) mod P, n the bytes behind it (33: 32
 * of the instruction that reduces the product, 1 of the bit order). */
#define CRC_LANE 168
#define CRC_OVER_ONE 0x1b3d8f29u
#define CRC_OVER_TWO 0xa60ce07bu

__attribute__((target("sse4.2,pclmul"))) static uint64_t crc_lanes(uint64_t state, const unsigned char *p)
{
    uint64_t one = 0, two = 0;
    for (size_t i = 0; i < CRC_LANE; i += 8) {
        state = _mm_crc32_u64(state, read64(p + i));
        one = _mm_crc32_u64(one, read64(p + CRC_LANE + i));
        two = _mm_crc32_u64(two, read64(p + (size_t)2 * CRC_LANE + i));
    }
    __m128i over_two = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)state), _mm_cvtsi32_si128((int)CRC_OVER_TWO), 0);
    __m128i over_one = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)one), _mm_cvtsi32_si128((int)CRC_OVER_ONE), 0);
    return two ^ _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(_mm_xor_si128(over_two, over_one)));
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t crc_fast(uint32_t crc, const void *ptr, size_t len)
{
    const unsigned char *p = ptr;
    uint64_t state = (uint32_t)~crc;
    for (; len >= (size_t)3 * CRC_LANE; p += 3 * CRC_LANE, len -= 3 * CRC_LANE) state = crc_lanes(state, p);
    for (; len >= 8; p += 8, len -= 8) state = _mm_crc32_u64(state, read64(p));
    for (; len; p++, len--) state = _mm_crc32_u8((uint32_t)state, *p);
    return ~(uint32_t)state;
}
#endif

uint32_t pm_crc32c(uint32_t crc, const void *ptr, size_t len)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul")) return crc_fast(crc, ptr, len);
#endif
    return pm_crc32c_portable(crc, ptr, len);
}
