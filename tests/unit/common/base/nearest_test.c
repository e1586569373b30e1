/* nearest_test.c: distances of mistyped names. */
#include "common/base/nearest.h"

#include <criterion/criterion.h>

static unsigned distance(const char *a, const char *b) { return pm_text_distance(pm_slice_cstr(a), pm_slice_cstr(b)); }

Test(nearest, counts_changes)
{
    cr_assert_eq(distance("loss", "loss"), 0);
    cr_assert_eq(distance("los", "loss"), 1);
    cr_assert_eq(distance("losss", "loss"), 1);
    cr_assert_eq(distance("lass", "loss"), 1);
    cr_assert_eq(distance("olss", "loss"), 1, "neighbours swapped");
    cr_assert_eq(distance("", "loss"), 4);
    cr_assert_eq(distance("", ""), 0);
    cr_assert_eq(distance("kitten", "sitting"), 3);
}

Test(nearest, compares_the_ends_of_long_texts)
{
    char a[200], b[200];
    memset(a, 'x', sizeof a);
    memset(b, 'x', sizeof b);
    a[199] = b[199] = '\0';
    b[198] = 'y';
    cr_assert_eq(distance(a, b), 1);
}

Test(nearest, suggests_only_what_is_close)
{
    cr_assert(pm_text_near(PM_SLICE("reslt"), 1));
    cr_assert(pm_text_near(PM_SLICE("reslt"), 2));
    cr_assert_not(pm_text_near(PM_SLICE("reslt"), 3));
    cr_assert_not(pm_text_near(PM_SLICE("x"), 2));
}
