/* origin.c: an origin as text, both ways. Once a record in a call of the library and once in the consumer: no call of
 * printf. */
#include "common/event/origin.h"

#include "common/base/number.h"

static char *put_number(char *out, uint64_t number)
{
    char digits[PM_INTEGER_TEXT_SIZE];
    size_t n = pm_u64_format(number, digits);
    memcpy(out, digits, n);
    return out + n;
}

size_t pm_origin_encode(const struct pm_origin *origin, char out[PM_ORIGIN_BYTES_MAX])
{
    char *at = out;
    for (unsigned shift = 64; shift > 0; shift -= 4) *at++ = "0123456789abcdef"[origin->producer >> (shift - 4) & 15];
    *at++ = '-';
    at = put_number(at, origin->sequence);
    if (origin->given) {
        *at++ = '/';
        at = put_number(at, origin->given);
    }
    if (origin->name.len == 0) return (size_t)(at - out);
    size_t len = origin->name.len < PM_ORIGIN_NAME_MAX ? origin->name.len : PM_ORIGIN_NAME_MAX;
    len = pm_utf8_valid_prefix(pm_slice(origin->name.ptr, len));
    *at++ = ' ';
    memcpy(at, origin->name.ptr, len);
    return (size_t)(at - out) + len;
}

static bool get_id(const char *text, uint64_t *ret)
{
    uint64_t id = 0;
    for (unsigned i = 0; i < PM_ORIGIN_ID_DIGITS; i++) {
        char c = text[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : 16;
        if (digit > 15) return false;
        id = id << 4 | digit;
    }
    *ret = id;
    return true;
}

/* One way to write a number: no sign, no zero before it. */
static const char *get_number(const char *at, const char *end, uint64_t *ret)
{
    uint64_t number = 0;
    if (at == end || *at < '0' || *at > '9' || (*at == '0' && at + 1 < end && at[1] >= '0' && at[1] <= '9'))
        return NULL;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (uint64_t)(*at - '0');
        if (number > PM_ORIGIN_SEQUENCE_MAX) return NULL;
    }
    *ret = number;
    return at;
}

bool pm_origin_decode(struct pm_slice text, struct pm_origin *ret)
{
    struct pm_origin origin = {0};
    const char *at = text.ptr, *end = text.ptr + text.len;
    if (text.len < PM_ORIGIN_ID_DIGITS + 2 || text.len > PM_ORIGIN_BYTES_MAX) return false;
    if (!get_id(at, &origin.producer) || at[PM_ORIGIN_ID_DIGITS] != '-') return false;
    at = get_number(at + PM_ORIGIN_ID_DIGITS + 1, end, &origin.sequence);
    if (at && at < end && *at == '/') at = get_number(at + 1, end, &origin.given);
    if (!at || (origin.given && origin.given < origin.sequence) || (!origin.given && !origin.sequence)) return false;
    if (at < end) {
        if (*at++ != ' ') return false;
        origin.name = pm_slice(at, (size_t)(end - at));
        if (origin.name.len == 0 || origin.name.len > PM_ORIGIN_NAME_MAX || !pm_utf8_valid(origin.name)) return false;
    }
    *ret = origin;
    return true;
}

bool pm_origin_is_end_mark(struct pm_slice text, struct pm_slice value)
{
    struct pm_origin origin;
    return value.len == 0 && text.len > 0 && pm_origin_decode(text, &origin) && origin.sequence == 0;
}
