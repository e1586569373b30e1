/* avro_bytes.h: Avro's binary primitives, read with bounds and written without: zigzag numbers, strings, doubles.
 * Private to the codec (array.c, avro_codec.c, avro_slow.c). Everything is inline: a record is some thirty of these and
 * each is a few instructions.
 *
 * A reader takes `p`..`end` and returns the byte after what it read. When the bytes are malformed it notes why in
 * *fault and returns NULL; what it was to set is then undefined. Any thread. */
#ifndef PM_EVENT_AVRO_BYTES_H
#define PM_EVENT_AVRO_BYTES_H

#include <endian.h>

#include "common/base/varint.h"
#include "common/event/event.h"

#define PM_ARRAY_ITEMS_MAX 1000000 /* over all blocks of one array in a record */
#define PM_AVRO_LONG_BYTES PM_VARINT_MAX

enum pm_avro_why {
    PM_AVRO_CUT,    /* the bytes end inside a value */
    PM_AVRO_LONG,   /* a number longer than ten bytes, or past 64 bits */
    PM_AVRO_LENGTH, /* value: a length that is negative or beyond the end */
    PM_AVRO_BRANCH, /* value: a union branch that the schema does not have */
    PM_AVRO_SYMBOL, /* value: an enum index that the schema does not have */
    PM_AVRO_BOOL,   /* value: a boolean that is neither 0 nor 1 */
    PM_AVRO_COUNT,  /* value: an array count that the rest of the bytes cannot hold, or above PM_ARRAY_ITEMS_MAX */
    PM_AVRO_BLOCK,  /* value: the size of an array block that its items do not fill exactly */
    PM_AVRO_VALUES, /* more values than the record's bytes can mean (foreign schemas only) */
    PM_AVRO_DEPTH,  /* value: nesting beyond what is followed (foreign schemas only) */
};

struct pm_avro_fault {
    enum pm_avro_why why;
    int64_t value;
    const uint8_t *at, *end;
    const char *field;
};

/* "field \"loss\" at byte 17 of 30: ..." into err, as PM_EFORMAT; `start` is the first byte of the record's body. */
int pm_avro_fault_error(const struct pm_avro_fault *fault, const uint8_t *start, struct pm_error *err);

__attribute__((cold, noinline)) static const uint8_t *pm_avro_fail(struct pm_avro_fault *fault, enum pm_avro_why why,
                                                                   int64_t value, const uint8_t *at, const uint8_t *end)
{
    fault->why = why;
    fault->value = value;
    fault->at = at;
    fault->end = end;
    return NULL;
}

#define PM_LIKELY(cond) __builtin_expect(!!(cond), 1)
#define PM_AVRO_INLINE static inline __attribute__((always_inline))

/* A number of any length, one byte after the other; the way when fewer than eight bytes are left or it has nine or ten.
 */
__attribute__((noinline)) static const uint8_t *pm_avro_get_long_slow(const uint8_t *p, const uint8_t *end,
                                                                      int64_t *ret, struct pm_avro_fault *fault)
{
    const uint8_t *at = p;
    uint64_t raw = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (p == end) return pm_avro_fail(fault, PM_AVRO_CUT, 0, at, end);
        uint8_t byte = *p++;
        if (shift == 63 && byte > 1) break; /* the tenth byte has room for one bit and no successor */
        raw |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = pm_unzigzag(raw);
            return p;
        }
    }
    return pm_avro_fail(fault, PM_AVRO_LONG, 0, at, end);
}

/* A number that is most often one to three bytes: counts, sizes, durations. */
PM_AVRO_INLINE const uint8_t *pm_avro_get_long(const uint8_t *p, const uint8_t *end, int64_t *ret,
                                               struct pm_avro_fault *fault)
{
    if (PM_LIKELY(end - p >= 3)) {
        uint64_t raw = p[0];
        if (PM_LIKELY(raw < 0x80)) {
            *ret = pm_unzigzag(raw);
            return p + 1;
        }
        raw = (raw & 0x7f) | (uint64_t)p[1] << 7;
        if (raw < 0x4000) {
            *ret = pm_unzigzag(raw);
            return p + 2;
        }
        raw = (raw & 0x3fff) | (uint64_t)p[2] << 14;
        if (PM_LIKELY(raw < 0x200000)) {
            *ret = pm_unzigzag(raw);
            return p + 3;
        }
    } else if (PM_LIKELY(p < end && *p < 0x80)) { /* the last byte or two of a record */
        *ret = pm_unzigzag(*p);
        return p + 1;
    }
    int64_t value; /* of its own, so that *ret can stay in a register */
    p = pm_avro_get_long_slow(p, end, &value, fault);
    if (PM_LIKELY(p)) *ret = value;
    return p;
}

/* Seven-bit groups, one a byte, pushed together: 56 bits of eight bytes, in three steps. */
PM_AVRO_INLINE uint64_t pm_avro_join_groups(uint64_t w)
{
    w = (w & 0x007f007f007f007fu) | (w & 0x7f007f007f007f00u) >> 1;
    w = (w & 0x00003fff00003fffu) | (w & 0x3fff00003fff0000u) >> 2;
    return (w & 0x000000000fffffffu) | (w & 0x0fffffff00000000u) >> 4;
}

/* Where a value begins follows from the length of the one before it, so a record is one long chain of loads. The two
 * readers below cut it where a length is most often the same: the processor then goes on from a constant that it only
 * has to verify. The compiler must not see that the constant equals what it would have computed. */
#define PM_AVRO_FORESEEN(number) __asm__("" : "+r"(number))

/* A number that is most often long: times (eight bytes from 1987 to 2112) and seeds (five, nine or ten). */
PM_AVRO_INLINE const uint8_t *pm_avro_get_big(const uint8_t *p, const uint8_t *end, int64_t *ret,
                                              struct pm_avro_fault *fault)
{
    if (PM_LIKELY(end - p >= PM_AVRO_LONG_BYTES)) {
        const uint64_t tops = 0x8080808080808080u;
        uint64_t w;
        memcpy(&w, p, sizeof w);
        w = le64toh(w);
        uint64_t stop = ~w & tops; /* the top bit of each byte that ends a number */
        if (stop == (uint64_t)1 << 63) {
            size_t bytes = 8;
            PM_AVRO_FORESEEN(bytes);
            *ret = pm_unzigzag(pm_avro_join_groups(w));
            return p + bytes;
        }
        if (stop) {
            *ret = pm_unzigzag(pm_avro_join_groups(w & (stop ^ (stop - 1)))); /* up to the first of them */
            return p + (__builtin_ctzll(stop) >> 3) + 1;
        }
        uint64_t low = pm_avro_join_groups(w), ninth = p[8], tenth = p[9];
        if (ninth < 0x80) {
            *ret = pm_unzigzag(low | ninth << 56);
            return p + 9;
        }
        if (PM_LIKELY(tenth <= 1)) {
            *ret = pm_unzigzag(low | (ninth & 0x7f) << 56 | tenth << 63);
            return p + 10;
        }
    }
    int64_t value;
    p = pm_avro_get_long_slow(p, end, &value, fault);
    if (PM_LIKELY(p)) *ret = value;
    return p;
}

/* The text that begins at `p`, its length's number being at `at`. As unsigned a negative length is beyond any end. */
PM_AVRO_INLINE const uint8_t *pm_avro_get_bytes(const uint8_t *at, const uint8_t *p, const uint8_t *end, uint64_t len,
                                                struct pm_slice *ret, struct pm_avro_fault *fault)
{
    if (!PM_LIKELY(len <= (uint64_t)(end - p))) return pm_avro_fail(fault, PM_AVRO_LENGTH, (int64_t)len, at, end);
    *ret = pm_slice(p, (size_t)len);
    return p + len;
}

PM_AVRO_INLINE const uint8_t *pm_avro_get_text(const uint8_t *p, const uint8_t *end, struct pm_slice *ret,
                                               struct pm_avro_fault *fault)
{
    if (PM_LIKELY(end - p >= 2)) {
        uint64_t len = p[0];
        if (len == 2 * 32) { /* an event_id */
            len = 32;
            PM_AVRO_FORESEEN(len);
            return pm_avro_get_bytes(p, p + 1, end, len, ret, fault);
        }
        if (PM_LIKELY((len & 0x81) == 0)) return pm_avro_get_bytes(p, p + 1, end, len >> 1, ret, fault);
        if (len == 0x80 && p[1] == 1) { /* 64: a digest in hexadecimal */
            len = 64;
            PM_AVRO_FORESEEN(len);
            return pm_avro_get_bytes(p, p + 2, end, len, ret, fault);
        }
        if (PM_LIKELY((len & 1) == 0 && p[1] < 0x80))
            return pm_avro_get_bytes(p, p + 2, end, (len & 0x7f) >> 1 | (uint64_t)p[1] << 6, ret, fault);
    }
    int64_t len;
    const uint8_t *text = pm_avro_get_long_slow(p, end, &len, fault);
    return PM_LIKELY(text) ? pm_avro_get_bytes(p, text, end, (uint64_t)len, ret, fault) : NULL;
}

PM_AVRO_INLINE const uint8_t *pm_avro_get_double(const uint8_t *p, const uint8_t *end, double *ret,
                                                 struct pm_avro_fault *fault)
{
    if (!PM_LIKELY(end - p >= 8)) return pm_avro_fail(fault, PM_AVRO_CUT, 0, p, end);
    uint64_t bits;
    memcpy(&bits, p, sizeof bits);
    bits = le64toh(bits);
    memcpy(ret, &bits, sizeof bits);
    return p + 8;
}

/* The writers need PM_AVRO_LONG_BYTES of room for a number; the caller has made it. */
PM_AVRO_INLINE uint8_t *pm_avro_put_long(uint8_t *out, int64_t value) { return pm_varint_put(out, pm_zigzag(value)); }

PM_AVRO_INLINE uint8_t *pm_avro_put_text(uint8_t *out, struct pm_slice text)
{
    out = pm_avro_put_long(out, (int64_t)text.len);
    if (text.len) memcpy(out, text.ptr, text.len);
    return out + text.len;
}

PM_AVRO_INLINE uint8_t *pm_avro_put_double(uint8_t *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits = htole64(bits);
    memcpy(out, &bits, sizeof bits);
    return out + sizeof bits;
}

#endif
