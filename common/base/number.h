/* number.h: numbers as text and back, without loss. */
#ifndef PM_BASE_NUMBER_H
#define PM_BASE_NUMBER_H

#include <stdbool.h>

#include "common/base/slice.h"

#define PM_DOUBLE_TEXT_SIZE 32

/* Shortest text that reads back to the same double, laid out as Python's repr (requirements H-03): "0.1", "1e-05",
 * "1e+16", "1000000000000000.0", "-0.0", "5e-324". Writes no terminating zero; returns the length. `value` must be
 * finite. */
size_t pm_double_format(double value, char out[PM_DOUBLE_TEXT_SIZE]);

/* A JSON number's text as the nearest double; false when it overflows ("1e999") or is not a number. */
bool pm_double_parse(struct pm_slice text, double *ret);
/* Length of the JSON number at the start of `text` ("-0", "1.5e+3"), 0 when there is none; is it written as an integer
 * (no point, no exponent)? */
size_t pm_number_length(struct pm_slice text, bool *ret_integer);

#define PM_INTEGER_TEXT_SIZE 20
size_t pm_u64_format(uint64_t value, char out[PM_INTEGER_TEXT_SIZE]); /* no terminating zero; returns the length */
size_t pm_i64_format(int64_t value, char out[PM_INTEGER_TEXT_SIZE]);

bool pm_u64_parse(struct pm_slice digits, uint64_t *ret); /* digits only, no sign, no blank; false past 2^64-1 */
bool pm_i64_parse(struct pm_slice text, int64_t *ret);    /* optional '-', digits; false outside int64 */

/* Hexadecimal, lower case only. Into hex.len/2 bytes; false on an odd length or another character, `out` is undefined
 * then. */
bool pm_hex_decode(struct pm_slice hex, uint8_t *out);
void pm_hex_encode(const void *bytes, size_t len, char *out); /* 2*len characters, no zero */

bool pm_hex_valid(struct pm_slice hex); /* every character is one of 0-9 a-f; true when empty */

/* ---- utf8.c: UTF-8 as of RFC 3629 (no overlong forms, no surrogates, nothing above U+10FFFF) ---- */
bool pm_utf8_valid(struct pm_slice text);
/* Nearly all text is, and that is seen at once: the last look overlaps the one before it. */
static inline bool pm_ascii(struct pm_slice text)
{
    typedef uint64_t two_words __attribute__((vector_size(16)));
    const char *p = text.ptr;
    size_t len = text.len;
    uint64_t bits = 0, last;
    uint32_t first4, last4;
    if (len >= 16) {
        two_words all, some;
        memcpy(&all, p + len - 16, 16);
        for (size_t at = 0; at < len - 16; at += 16) {
            memcpy(&some, p + at, 16);
            all |= some;
        }
        bits = all[0] | all[1];
    } else if (len >= 8) {
        memcpy(&bits, p, 8);
        memcpy(&last, p + len - 8, 8);
        bits |= last;
    } else if (len >= 4) {
        memcpy(&first4, p, 4);
        memcpy(&last4, p + len - 4, 4);
        bits = first4 | last4;
    } else {
        for (size_t i = 0; i < len; i++) bits |= (uint64_t)(unsigned char)p[i];
    }
    return (bits & 0x8080808080808080u) == 0;
}
/* Bytes up to the first one that does not belong to a valid character; text.len when all is valid. */
size_t pm_utf8_valid_prefix(struct pm_slice text);

#endif
