/* number.c: numbers as text and back. Pure functions, no locale: any thread. */
#include "common/base/number.h"

#include <math.h>

#include "common/base/check.h"
#include "common/base/number_double.h"

/* ---- doubles ---- */

/* Python's repr writes the point within the digits while the exponent is -4..15, and an exponent beyond. */
#define EXPONENT_MIN (-4)
#define EXPONENT_END 16

size_t pm_double_format(double value, char out[PM_DOUBLE_TEXT_SIZE])
{
    PM_CHECK(isfinite(value));
    char text[32];
    size_t len = pm_double_shortest(value, text);
    char *to = out;
    const char *from = text, *e = text + len;
    while (*--e != 'e') {}
    int exponent = e[2] - '0';
    for (const char *p = e + 3; p < text + len; p++) exponent = exponent * 10 + (*p - '0');
    if (e[1] == '-') exponent = -exponent;
    if (*from == '-') *to++ = *from++;

    if (exponent < EXPONENT_MIN ||
        exponent >= EXPONENT_END) { /* already "d.ddde-05": <charconv> writes two exponent digits or more too */
        size_t rest = (size_t)(text + len - from);
        memcpy(to, from, rest);
        return (size_t)(to + rest - out);
    }
    char digits[24];
    int n = 0;
    digits[n++] = *from;
    if (from[1] == '.') {
        for (from += 2; from < e; from++) digits[n++] = *from;
    }
    if (exponent < 0) {
        *to++ = '0';
        *to++ = '.';
        for (int i = exponent + 1; i < 0; i++) *to++ = '0';
        memcpy(to, digits, (size_t)n);
        return (size_t)(to + n - out);
    }
    int whole = exponent + 1; /* digits left of the point */
    for (int i = 0; i < whole; i++) *to++ = i < n ? digits[i] : '0';
    *to++ = '.';
    if (whole >= n) *to++ = '0';
    for (int i = whole; i < n; i++) *to++ = digits[i];
    return (size_t)(to - out);
}

static inline bool is_digit(char c) { return (unsigned char)(c - '0') < 10; }

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && is_digit(*p)) p++;
    return p;
}

size_t pm_number_length(struct pm_slice text, bool *ret_integer)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    if (p < end && *p == '-') p++;
    if (p == end || !is_digit(*p)) return 0;
    p = *p == '0' ? p + 1 : skip_digits(p, end);
    bool integer = true;
    if (p + 1 < end && *p == '.' && is_digit(p[1])) {
        integer = false;
        p = skip_digits(p + 1, end);
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        const char *digits = p + 1;
        if (digits < end && (*digits == '+' || *digits == '-')) digits++;
        if (digits < end && is_digit(*digits)) {
            integer = false;
            p = skip_digits(digits, end);
        }
    }
    *ret_integer = integer;
    return (size_t)(p - text.ptr);
}

bool pm_double_parse(struct pm_slice text, double *ret)
{
    bool integer;
    size_t len = pm_number_length(text, &integer);
    return len > 0 && len == text.len && pm_double_nearest(text.ptr, len, ret);
}

/* ---- integers ---- */

bool pm_u64_parse(struct pm_slice digits, uint64_t *ret)
{
    uint64_t value = 0;
    if (digits.len == 0) return false;
    for (size_t i = 0; i < digits.len; i++) {
        if (!is_digit(digits.ptr[i])) return false;
        uint64_t digit = (uint64_t)(digits.ptr[i] - '0');
        if (i >= 19 && (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value)))
            return false;
        if (i < 19) value = value * 10 + digit;
    }
    *ret = value;
    return true;
}

bool pm_i64_parse(struct pm_slice text, int64_t *ret)
{
    bool negative = text.len && text.ptr[0] == '-';
    uint64_t magnitude;
    if (!pm_u64_parse(pm_slice(text.ptr + negative, text.len - negative), &magnitude)) return false;
    if (magnitude > (uint64_t)INT64_MAX + negative) return false;
    *ret = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

size_t pm_u64_format(uint64_t value, char out[PM_INTEGER_TEXT_SIZE])
{
    char text[PM_INTEGER_TEXT_SIZE];
    size_t at = sizeof text;
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    memcpy(out, text + at, sizeof text - at);
    return sizeof text - at;
}

size_t pm_i64_format(int64_t value, char out[PM_INTEGER_TEXT_SIZE])
{
    bool negative = value < 0;
    if (negative) out[0] = '-';
    return negative + pm_u64_format(negative ? 0 - (uint64_t)value : (uint64_t)value, out + negative);
}

/* ---- hexadecimal ---- */

/* Sixteen digits at a time, the last time over digits that were looked at before; ids and digests have 32 or 64. */
#define STEP 16

typedef uint8_t vector __attribute__((vector_size(STEP)));
typedef uint16_t vector_of_pairs __attribute__((vector_size(STEP)));
typedef uint64_t vector_of_words __attribute__((vector_size(STEP)));
typedef uint8_t half_vector __attribute__((vector_size(STEP / 2)));

static inline vector digits_at(const char *p)
{
    vector digits;
    memcpy(&digits, p, sizeof digits);
    return digits;
}

/* The digits' values; *bad gets bits where a character is no digit. */
static inline vector nibbles_of(vector digits, vector *bad)
{
    vector number = digits - '0', letter = digits - 'a';
    vector is_number = (vector)(number < 10), is_letter = (vector)(letter < 6);
    *bad |= ~(is_number | is_letter);
    return (number & is_number) | ((letter + 10) & is_letter);
}

static inline void put_bytes_of(vector nibbles, uint8_t *out)
{
    vector_of_pairs pairs = (vector_of_pairs)nibbles; /* the first digit is the low half of a pair */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    pairs = pairs >> 8 | pairs << 8;
#endif
    half_vector bytes = __builtin_convertvector((pairs << 4 | pairs >> 8) & 0xff, half_vector);
    memcpy(out, &bytes, sizeof bytes);
}

static inline bool is_zero(vector v)
{
    vector_of_words words = (vector_of_words)v;
    return (words[0] | words[1]) == 0;
}

static int hex_digit(char c)
{
    if (is_digit(c)) return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool pm_hex_valid(struct pm_slice hex)
{
    if (hex.len < STEP) {
        for (size_t i = 0; i < hex.len; i++)
            if (hex_digit(hex.ptr[i]) < 0) return false;
        return true;
    }
    vector bad = {0};
    for (size_t i = 0; i < hex.len - STEP; i += STEP) (void)nibbles_of(digits_at(hex.ptr + i), &bad);
    (void)nibbles_of(digits_at(hex.ptr + hex.len - STEP), &bad);
    return is_zero(bad);
}

bool pm_hex_decode(struct pm_slice hex, uint8_t *out)
{
    if (hex.len % 2) return false;
    if (hex.len < STEP) {
        if (!pm_hex_valid(hex)) return false;
        for (size_t i = 0; i < hex.len; i += 2)
            out[i / 2] = (uint8_t)(hex_digit(hex.ptr[i]) << 4 | hex_digit(hex.ptr[i + 1]));
        return true;
    }
    vector bad = {0};
    for (size_t i = 0; i < hex.len - STEP; i += STEP)
        put_bytes_of(nibbles_of(digits_at(hex.ptr + i), &bad), out + i / 2);
    size_t last = hex.len - STEP;
    put_bytes_of(nibbles_of(digits_at(hex.ptr + last), &bad), out + last / 2);
    return is_zero(bad);
}

void pm_hex_encode(const void *bytes, size_t len, char *out)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = "0123456789abcdef"[p[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[p[i] & 15];
    }
}
