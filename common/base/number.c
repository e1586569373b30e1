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

static int hex_digit(char c)
{
    if (is_digit(c)) return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Eight valid digits, the first in the lowest byte, as four bytes. */
static uint32_t hex_word(uint64_t word)
{
    uint64_t nibbles = (word & 0x0f0f0f0f0f0f0f0f) + 9 * (word >> 6 & 0x0101010101010101); /* letters have bit 6 */
    uint64_t bytes = (nibbles << 4 | nibbles >> 8) & 0x00ff00ff00ff00ff;
    bytes = (bytes | bytes >> 8) & 0x0000ffff0000ffff;
    return (uint32_t)(bytes | bytes >> 16);
}

bool pm_hex_decode(struct pm_slice hex, uint8_t *out)
{
    if (hex.len % 2 || !pm_hex_valid(hex)) return false;
    size_t i = 0;
    for (; i + 8 <= hex.len; i += 8) {
        uint64_t word;
        memcpy(&word, hex.ptr + i, 8);
        uint32_t four = hex_word(word);
        memcpy(out + i / 2, &four, 4);
    }
    for (; i < hex.len; i += 2) out[i / 2] = (uint8_t)(hex_digit(hex.ptr[i]) << 4 | hex_digit(hex.ptr[i + 1]));
    return true;
}

void pm_hex_encode(const void *bytes, size_t len, char *out)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = "0123456789abcdef"[p[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[p[i] & 15];
    }
}

#define EACH_BYTE(b) (0x0101010101010101u * (b))

bool pm_hex_valid(struct pm_slice hex)
{
    size_t i = 0;
    for (; i + 8 <= hex.len;
         i +=
         8) { /* eight characters at once: adding 0x80 - x sets the high bit of bytes >= x, as all are below 0x80 */
        uint64_t word;
        memcpy(&word, hex.ptr + i, 8);
        uint64_t digits = (word + EACH_BYTE(0x80 - '0')) & ~(word + EACH_BYTE(0x80 - ('9' + 1)));
        uint64_t letters = (word + EACH_BYTE(0x80 - 'a')) & ~(word + EACH_BYTE(0x80 - ('f' + 1)));
        if (((digits | letters) & ~word & EACH_BYTE(0x80)) != EACH_BYTE(0x80)) return false;
    }
    for (; i < hex.len; i++) {
        if (hex_digit(hex.ptr[i]) < 0) return false;
    }
    return true;
}
