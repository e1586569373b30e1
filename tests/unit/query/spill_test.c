/* spill_test.c: the same bytes before and after they move to a file, and a directory that takes none. */
#include "query/spill.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void add(struct pm_spill *spill, unsigned value)
{
    struct pm_error err;
    cr_assert_eq(pm_spill_reserve(spill, sizeof value, &err), PM_OK, "%s", err.text);
    memcpy(spill->ptr + spill->len, &value, sizeof value);
    spill->len += sizeof value;
}

Test(spill, keeps_its_bytes_in_memory_and_in_a_file)
{
    struct pm_spill spill = {.memory_max = 65536};
    for (unsigned i = 0; i < 16384; i++) add(&spill, i);
    cr_assert_eq(spill.fd_plus_one, 0, "65,536 bytes still fit");
    add(&spill, 16384);
    cr_assert_neq(spill.fd_plus_one, 0, "one value more does not");
    for (unsigned i = 16385; i < 18u << 20; i++) add(&spill, i); /* 72 MiB: the file grows once */
    for (unsigned i = 0; i < 18u << 20; i++) {
        unsigned value;
        memcpy(&value, spill.ptr + i * sizeof value, sizeof value);
        cr_assert_eq(value, i);
    }
    pm_spill_release(&spill);
    cr_assert_null(spill.ptr);
}

Test(spill, says_which_directory_and_what_to_set_when_none_takes_a_file)
{
    struct pm_spill spill = {.memory_max = 1};
    struct pm_error err = {0};
    size_t impossible = (size_t)1 << 60; /* no disk has that */
    cr_assert_eq(pm_spill_reserve(&spill, impossible, &err), PM_EIO);
    cr_assert(strstr(err.text, "TMPDIR"), "%s", err.text);
    cr_assert_eq(spill.len, 0);
    pm_spill_release(&spill);
}
