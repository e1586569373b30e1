/* The names of what is being deleted, there and back. */
#include "provstore/trash.h"

#include <criterion/criterion.h>

static void check_both(const char *name, int64_t at, const char *trash)
{
    char out[PM_NAME_BYTES_MAX + 1];
    struct pm_slice found;
    int64_t time;
    cr_assert(pm_trash_name(pm_slice_cstr(name), at, out));
    cr_assert_str_eq(out, trash);
    cr_assert(pm_trash_parse(pm_slice_cstr(trash), &found, &time));
    cr_assert(pm_slice_is(found, name));
    cr_assert_eq(time, at);
}

Test(trash, there_and_back)
{
    check_both("seed_42", 1767600000123456, ".seed_42.deleted-1767600000123456");
    check_both("a", 0, ".a.deleted-0");
    check_both(".hidden", 1, "..hidden.deleted-1");
    check_both(".x.deleted-5", INT64_MAX, "..x.deleted-5.deleted-9223372036854775807");
}

Test(trash, what_is_none)
{
    static const char *const names[] = {"",
                                        ".",
                                        "seed_42",
                                        ".seed_42",
                                        "seed_42.deleted-5",
                                        ".deleted-5",
                                        "..deleted-",
                                        ".seed_42.deleted-",
                                        ".seed_42.deleted--5",
                                        ".seed_42.deleted-5x",
                                        ".seed_42.deleted-9223372036854775808",
                                        ".seed_42.deleted-5.tmp"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        cr_assert(!pm_trash_parse(pm_slice_cstr(names[i]), NULL, NULL), "%s", names[i]);
}

Test(trash, a_name_that_is_too_long)
{
    char name[PM_NAME_BYTES_MAX + 1], out[PM_NAME_BYTES_MAX + 1];
    memset(name, 'n', sizeof name);
    size_t fits = PM_NAME_BYTES_MAX - strlen("..deleted-1767600000123456");
    cr_assert(pm_trash_name(pm_slice(name, fits), 1767600000123456, out));
    cr_assert_eq(strlen(out), (size_t)PM_NAME_BYTES_MAX);
    cr_assert(!pm_trash_name(pm_slice(name, fits + 1), 1767600000123456, out));
}
