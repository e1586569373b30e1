/* names_test.c: texts become numbers, and stay them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/index.h"

static struct test_index x;
static void make(void) { test_index_make(&x); }
static void unmake(void) { test_index_remove(&x); }
TestSuite(names, .init = make, .fini = unmake);

static uint32_t intern(enum pm_name_kind kind, const char *text)
{
    return pm_names_intern(x.prepare.names, kind, pm_slice_cstr(text), &x.batch.names);
}

Test(names, a_text_has_one_number_of_its_kind)
{
    cr_assert_eq(intern(PM_NAME_JOB, "a"), 0);
    cr_assert_eq(intern(PM_NAME_JOB, "b"), 1);
    cr_assert_eq(intern(PM_NAME_JOB, "a"), 0);
    cr_assert_eq(intern(PM_NAME_TARGET, "b"), 0);
    cr_assert_eq(intern(PM_NAME_JOB, ""), 2);
    cr_assert_eq(x.batch.names.count, 4, "only new ones are to be written");
}

Test(names, numbers_are_the_same_after_a_restart_and_go_on)
{
    enum { N = 3000 };
    char text[600];
    for (int i = 0; i < N; i++) {
        snprintf(text, sizeof text, "name %0*d", i % 7 == 0 ? 500 : 3, i); /* some too long for a key */
        cr_assert_eq(intern(PM_NAME_JOB, text), (uint32_t)i);
    }
    test_index_apply(&x);
    test_index_reopen(&x);
    for (int i = N - 1; i >= 0; i--) {
        snprintf(text, sizeof text, "name %0*d", i % 7 == 0 ? 500 : 3, i);
        cr_assert_eq(intern(PM_NAME_JOB, text), (uint32_t)i);
    }
    cr_assert_eq(x.batch.names.count, 0);
    cr_assert_eq(intern(PM_NAME_JOB, "new"), N);
    struct pm_snapshot *snap = test_index_snapshot(&x);
    uint32_t found = 0;
    cr_assert_eq(pm_snapshot_name_find(snap, PM_NAME_JOB, pm_slice_cstr(text), &found, NULL), PM_OK);
    cr_assert_eq(found, 0);
    cr_assert_eq(pm_snapshot_name_find(snap, PM_NAME_JOB, PM_SLICE("new"), &found, NULL), PM_ENOTFOUND);
    pm_snapshot_close(snap);
}
