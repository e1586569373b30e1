/* utf8.c: is this text UTF-8. Nearly all text that passes here is ASCII, so that is looked at 32 bytes at a time. Pure:
 * any thread. */
#include "common/base/number.h"

#define HIGH_BITS 0x8080808080808080u

static inline uint64_t word_at(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

/* Length of the valid multi-byte character at p, 0 when there is none. */
static size_t char_length(const unsigned char *p, size_t left)
{
    unsigned char first = p[0];
    size_t length;
    unsigned char low = 0x80,
                  high = 0xbf; /* what the second byte may be: this is where overlong forms and surrogates fall out */
    if (first >= 0xc2 && first <= 0xdf) {
        length = 2;
    } else if (first >= 0xe0 && first <= 0xef) {
        length = 3;
        if (first == 0xe0) low = 0xa0;
        if (first == 0xed) high = 0x9f;
    } else if (first >= 0xf0 && first <= 0xf4) {
        length = 4;
        if (first == 0xf0) low = 0x90;
        if (first == 0xf4) high = 0x8f;
    } else {
        return 0;
    }
    if (left < length || p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
    }
    return length;
}

size_t pm_utf8_valid_prefix(struct pm_slice text)
{
    const unsigned char *start = (const unsigned char *)text.ptr;
    size_t at = 0, len = text.len;
    while (at < len) {
        while (len - at >= 32) {
            const unsigned char *p = start + at;
            if ((word_at(p) | word_at(p + 8) | word_at(p + 16) | word_at(p + 24)) & HIGH_BITS) break;
            at += 32;
        }
        while (len - at >= 8 && !(word_at(start + at) & HIGH_BITS)) at += 8;
        while (at < len && start[at] < 0x80) at++;
        while (at < len && start[at] >= 0x80) {
            size_t length = char_length(start + at, len - at);
            if (length == 0) return at;
            at += length;
        }
    }
    return len;
}

bool pm_utf8_valid(struct pm_slice text) { return pm_ascii(text) || pm_utf8_valid_prefix(text) == text.len; }
