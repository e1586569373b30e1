/* array_test.c: building arrays and walking them, whatever blocks they come in. */
#include <criterion/criterion.h>

#include "common/event/event.h"

Test(array, texts_come_back)
{
    struct pm_arena arena = {0};
    struct pm_slice items[3] = {PM_SLICE("a"), PM_SLICE(""),
                                PM_SLICE("a text that is longer than sixty-three bytes, so that two are needed")},
                    item;
    struct pm_array array = pm_array_of_texts(&arena, items, 3);
    cr_assert_eq(array.count, 3);
    struct pm_array_iter it = pm_array_iter(array);
    for (int i = 0; i < 3; i++) {
        cr_assert(pm_array_next_text(&it, &item));
        cr_assert(pm_slice_eq(item, items[i]));
    }
    cr_assert_not(pm_array_next_text(&it, &item));
    cr_assert_not(pm_array_next_text(&it, &item), "the end stays the end");
    pm_arena_release(&arena);
}

Test(array, doubles_and_outputs_come_back)
{
    struct pm_arena arena = {0};
    double numbers[2] = {0.1, -0.0}, number;
    struct pm_array_iter it = pm_array_iter(pm_array_of_doubles(&arena, numbers, 2));
    for (int i = 0; i < 2; i++) {
        cr_assert(pm_array_next_double(&it, &number));
        cr_assert_eq(memcmp(&number, &numbers[i], sizeof number), 0);
    }
    cr_assert_not(pm_array_next_double(&it, &number));
    struct pm_output outputs[2] = {{.name = PM_SLICE("prevalence"), .size = 4410, .checksum = PM_SLICE("db3e")},
                                   {.name = PM_SLICE("summary"), .size = INT64_MAX, .checksum = PM_SLICE("ff70")}},
                     output;
    it = pm_array_iter(pm_array_of_outputs(&arena, outputs, 2));
    for (int i = 0; i < 2; i++) {
        cr_assert(pm_array_next_output(&it, &output));
        cr_assert(pm_slice_eq(output.name, outputs[i].name) && pm_slice_eq(output.checksum, outputs[i].checksum));
        cr_assert_eq(output.size, outputs[i].size);
    }
    cr_assert_not(pm_array_next_output(&it, &output));
    pm_arena_release(&arena);
}

Test(array, nothing_is_one_zero_byte)
{
    struct pm_arena arena = {0};
    struct pm_slice item;
    struct pm_array array = pm_array_of_texts(&arena, NULL, 0);
    cr_assert_eq(array.count, 0);
    cr_assert(pm_slice_eq(array.raw, PM_SLICE("\0")));
    struct pm_array_iter it = pm_array_iter(array);
    cr_assert_not(pm_array_next_text(&it, &item));
    it = pm_array_iter((struct pm_array){0});
    cr_assert_not(pm_array_next_text(&it, &item), "an array that was never built has no items");
    pm_arena_release(&arena);
}

Test(array, blocks_are_walked_as_one)
{
    struct pm_slice item;
    struct pm_array array = {.count = 3,
                             .raw = PM_SLICE("\x02\x02"
                                             "a\x03\x08\x02"
                                             "b\x02"
                                             "c\x00")};
    struct pm_array_iter it = pm_array_iter(array);
    char seen[4] = "";
    for (int i = 0; pm_array_next_text(&it, &item) && i < 3; i++) seen[i] = *item.ptr;
    cr_assert_str_eq(seen, "abc");
}
