/* utf8_test.c: every boundary of RFC 3629, at every place in a text. */
#include <criterion/criterion.h>

#include "common/base/number.h"

static const char *const good[] = {"",
                                   "a",
                                   "\x7f",
                                   "\xc2\x80",
                                   "\xdf\xbf",
                                   "\xe0\xa0\x80",
                                   "\xed\x9f\xbf",
                                   "\xee\x80\x80",
                                   "\xef\xbf\xbf",
                                   "\xf0\x90\x80\x80",
                                   "\xf4\x8f\xbf\xbf",
                                   "gr\xc3\xbc\xc3\x9f \xf0\x9f\xa6\xa0"};
static const char *const bad[] = {"\x80",
                                  "\xbf",
                                  "\xc0\x80",
                                  "\xc1\xbf",
                                  "\xc2",
                                  "\xc2\x41",
                                  "\xe0\x9f\xbf",
                                  "\xe1\x80",
                                  "\xe1\x80\x41",
                                  "\xed\xa0\x80",
                                  "\xed\xbf\xbf",
                                  "\xf0\x8f\xbf\xbf",
                                  "\xf0\x90\x80",
                                  "\xf4\x90\x80\x80",
                                  "\xf5\x80\x80\x80",
                                  "\xfe",
                                  "\xff",
                                  "\xf0\x90\x80\xc0"};

/* The text behind `before` letters and in front of `after` more, in memory that ends with it. */
static struct pm_slice placed(const char *text, size_t before, size_t after)
{
    size_t len = before + strlen(text) + after;
    char *copy = malloc(len ? len : 1);
    memset(copy, 'x', len);
    memcpy(copy + before, text, strlen(text));
    return pm_slice(copy, len);
}

Test(utf8, takes_what_is_valid_and_stops_at_what_is_not)
{
    for (size_t before = 0; before < 70; before++) {
        for (size_t after = 0; after < 10; after += 3) {
            for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
                struct pm_slice text = placed(good[i], before, after);
                cr_assert(pm_utf8_valid(text), "good %zu at %zu", i, before);
                cr_assert_eq(pm_utf8_valid_prefix(text), text.len);
                free((void *)text.ptr);
            }
            for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                struct pm_slice text = placed(bad[i], before, after);
                cr_assert_not(pm_utf8_valid(text), "bad %zu at %zu", i, before);
                cr_assert_eq(pm_utf8_valid_prefix(text), before);
                free((void *)text.ptr);
            }
        }
    }
}
