/* arena_test.c: texts in an arena. */
#include "common/base/arena.h"

#include <criterion/criterion.h>

Test(arena, copies_end_with_a_zero)
{
    struct pm_arena arena = {0};
    memset(pm_arena_alloc(&arena, 4096), 'x', 4096);
    pm_arena_reset(&arena);
    cr_assert_str_eq(pm_arena_cstr(&arena, pm_slice("sixteen bytes...and more", 16)), "sixteen bytes...");
    cr_assert_str_eq(pm_arena_cstr(&arena, (struct pm_slice){NULL, 0}), "");
    cr_assert_eq(memcmp(pm_arena_cstr(&arena, PM_SLICE("a\0b")), "a\0b", 4), 0);
    cr_assert_str_eq(pm_arena_printf(&arena, "%s-%d", "sixteen bytes", 10), "sixteen bytes-10");
    cr_assert_str_eq(pm_arena_printf(&arena, "%s", ""), "");
    const char *longer = pm_arena_printf(&arena, "%0*d", 100000, 7);
    cr_assert(strlen(longer) == 100000 && longer[99999] == '7');
    pm_arena_release(&arena);
}
