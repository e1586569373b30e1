/* varint.h: unsigned LEB128 and zigzag, as Avro's long and as the index's own formats use them. */
#ifndef PM_BASE_VARINT_H
#define PM_BASE_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PM_VARINT_MAX 10

static inline uint64_t pm_zigzag(int64_t v) { return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63); }
static inline int64_t pm_unzigzag(uint64_t v) { return (int64_t)(v >> 1) ^ -(int64_t)(v & 1); }

/* Writes 1..10 bytes; returns the first byte after them. */
static inline uint8_t *pm_varint_put(uint8_t *p, uint64_t v)
{
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

/* Reads from [p, end); returns the first byte after it, or NULL when it is cut or longer than 64 bits. */
static inline const uint8_t *pm_varint_get(const uint8_t *p, const uint8_t *end, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; p < end && shift < 64; shift += 7) {
        uint8_t byte = *p++;
        if (shift == 63 && byte > 1) return NULL;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = v;
            return p;
        }
    }
    return NULL;
}

static inline void pm_be32_put(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    __builtin_memcpy(p, &v, sizeof v);
}
static inline uint32_t pm_be32_get(const uint8_t *p)
{
    uint32_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}
static inline void pm_be64_put(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    __builtin_memcpy(p, &v, sizeof v);
}
static inline uint64_t pm_be64_get(const uint8_t *p)
{
    uint64_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}
/* A result number in five bytes, big-endian, so that byte order is number order. */
static inline void pm_be40_put(uint8_t *p, uint64_t v)
{
    p[0] = (uint8_t)(v >> 32);
    pm_be32_put(p + 1, (uint32_t)v);
}
static inline uint64_t pm_be40_get(const uint8_t *p) { return (uint64_t)p[0] << 32 | pm_be32_get(p + 1); }
/* A signed instant in eight bytes whose byte order is time order. */
static inline void pm_time_key_put(uint8_t *p, int64_t at) { pm_be64_put(p, (uint64_t)at ^ (uint64_t)1 << 63); }
static inline int64_t pm_time_key_get(const uint8_t *p) { return (int64_t)(pm_be64_get(p) ^ (uint64_t)1 << 63); }

#endif
