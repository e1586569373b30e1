/* origin_test.c: origins as text, both ways; what is no origin. */
#include "common/event/origin.h"

#include <criterion/criterion.h>

static bool same(const struct pm_origin *a, const struct pm_origin *b)
{
    return a->producer == b->producer && a->sequence == b->sequence && a->given == b->given &&
           pm_slice_eq(a->name, b->name);
}

static void both_ways(struct pm_origin origin, const char *text)
{
    char out[PM_ORIGIN_BYTES_MAX];
    struct pm_origin got;
    struct pm_slice encoded = pm_slice(out, pm_origin_encode(&origin, out));
    cr_assert(pm_slice_is(encoded, text), "%.*s", PM_SLICE_ARG(encoded));
    cr_assert(pm_origin_decode(encoded, &got), "%s", text);
    cr_assert(same(&got, &origin), "%s", text);
}

Test(origin, both_ways)
{
    both_ways((struct pm_origin){.producer = 0x1f03a2c4b5d6e7f8, .sequence = 17}, "1f03a2c4b5d6e7f8-17");
    both_ways((struct pm_origin){.producer = 1, .sequence = 42, .given = 42, .name = PM_SLICE("w7")},
              "0000000000000001-42/42 w7");
    both_ways((struct pm_origin){.producer = UINT64_MAX, .given = 5, .name = PM_SLICE("a b/c-d ")},
              "ffffffffffffffff-0/5 a b/c-d ");
    both_ways((struct pm_origin){.sequence = PM_ORIGIN_SEQUENCE_MAX, .given = PM_ORIGIN_SEQUENCE_MAX},
              "0000000000000000-1000000000000/1000000000000");
}

Test(origin, a_long_name_is_cut_between_characters)
{
    char name[400], out[PM_ORIGIN_BYTES_MAX];
    struct pm_origin got;
    name[0] = 'x';
    for (size_t i = 1; i + 1 < sizeof name; i += 2) memcpy(name + i, "\xc3\xa9", 2);
    struct pm_origin origin = {.producer = UINT64_MAX,
                               .sequence = PM_ORIGIN_SEQUENCE_MAX,
                               .given = PM_ORIGIN_SEQUENCE_MAX,
                               .name = pm_slice(name, sizeof name - 1)};
    size_t len = pm_origin_encode(&origin, out);
    cr_assert_leq(len, PM_ORIGIN_BYTES_MAX);
    cr_assert(pm_origin_decode(pm_slice(out, len), &got));
    cr_assert(pm_slice_eq(got.name, pm_slice(name, PM_ORIGIN_NAME_MAX - 1)));
}

Test(origin, what_is_none)
{
    static const char *const wrong[] = {
        "",
        "1f03a2c4b5d6e7f8",
        "1f03a2c4b5d6e7f8-",
        "1f03a2c4b5d6e7f8-0",
        "1f03a2c4b5d6e7f8-01",
        "1f03a2c4b5d6e7f8-+1",
        "1f03a2c4b5d6e7f8-1/",
        "1f03a2c4b5d6e7f8-2/1",
        "1f03a2c4b5d6e7f8-0/0",
        "1f03a2c4b5d6e7f8-1/2/3",
        "1f03a2c4b5d6e7f8-1x",
        "1f03a2c4b5d6e7f8-1 ",
        "1f03a2c4b5d6e7f8-1 \xff",
        "1f03a2c4b5d6e7f8-1000000000001",
        "1f03a2c4b5d6e7f8-99999999999999999999999",
        "1F03A2C4B5D6E7F8-1",
        "1f03a2c4b5d6e7f-1",
        "1f03a2c4b5d6e7f81-1",
        "1f03a2c4b5d6e7f8 1",
    };
    struct pm_origin got = {.producer = 3};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_assert(!pm_origin_decode(pm_slice_cstr(wrong[i]), &got), "%s", wrong[i]);
    cr_assert_eq(got.producer, 3);
}

Test(origin, an_end_mark_has_no_value)
{
    cr_assert(pm_origin_is_end_mark(PM_SLICE("1f03a2c4b5d6e7f8-0/5"), pm_slice(NULL, 0)));
    cr_assert(!pm_origin_is_end_mark(PM_SLICE("1f03a2c4b5d6e7f8-0/5"), PM_SLICE("{}")));
    cr_assert(!pm_origin_is_end_mark(PM_SLICE("1f03a2c4b5d6e7f8-5/5"), pm_slice(NULL, 0)));
    cr_assert(!pm_origin_is_end_mark(pm_slice(NULL, 0), pm_slice(NULL, 0)));
}
