/* visible_test.c: what a terminal would obey is shown instead. */
#include "common/base/visible.h"

#include <criterion/criterion.h>

static void shown_as(struct pm_slice text, const char *kept, const char *expected)
{
    struct pm_buf out = {0};
    pm_visible_add(&out, text, kept);
    pm_buf_byte(&out, 0);
    cr_assert_str_eq(out.ptr, expected);
    pm_buf_release(&out);
}

Test(visible, control_characters)
{
    shown_as(PM_SLICE("plain \xc3\xb6 \xe2\x82\xac \xc2\xa0"), "", "plain \xc3\xb6 \xe2\x82\xac \xc2\xa0");
    shown_as(PM_SLICE("\x1b[31m"), "", "\\x1b[31m");
    shown_as(PM_SLICE("a\x7f\xc2\x9b"
                      "b\0c"),
             "\n", "a\\x7f\\xc2\\x9bb\\x00c");
    shown_as(PM_SLICE("a\nb\tc\r"), "\n\t", "a\nb\tc\\x0d");
    shown_as(PM_SLICE("a\nb"), "", "a\\x0ab");
    shown_as(PM_SLICE("cut \xc2"), "", "cut \xc2");
    shown_as(pm_slice(NULL, 0), "", "");
}
