/* arrivals_test.c: sets of numbers that arrived, against a plain array of marks: any order, numbers twice, both forms.
 */
#include "common/store/arrivals.h"

#include <criterion/criterion.h>

#include "common/event/origin.h"
#include "tests/support/events.h"

static void check(const struct pm_piece *piece, const bool marks[PM_PIECE_NUMBERS])
{
    unsigned n = 0, at = 0, from, to;
    bool seen[PM_PIECE_NUMBERS] = {false};
    for (unsigned i = 0; i < PM_PIECE_NUMBERS; i++) n += marks[i];
    cr_assert_eq(pm_piece_count(piece), n);
    while (pm_piece_next(piece, true, &at, &from, &to)) {
        cr_assert(from == 0 || !marks[from - 1]);
        cr_assert(to == PM_PIECE_NUMBERS - 1 || !marks[to + 1]);
        for (unsigned i = from; i <= to; i++) seen[i] = true;
    }
    cr_assert_arr_eq(seen, marks, sizeof seen);
    for (at = 0; pm_piece_next(piece, false, &at, &from, &to);)
        for (unsigned i = from; i <= to; i++) cr_assert(!marks[i]);
    if (n == 0) return;
    uint8_t bytes[PM_PIECE_BYTES_MAX];
    struct pm_piece again;
    cr_assert_eq(pm_piece_decode(pm_slice(bytes, pm_piece_encode(piece, bytes)), &again, NULL), PM_OK);
    cr_assert_arr_eq(&again, piece, sizeof again);
}

Test(arrivals, random_ranges_against_marks)
{
    uint64_t random = 5;
    size_t ranges = 0, bits = 0;
    for (int round = 0; round < 300; round++) {
        struct pm_piece piece = {0};
        bool marks[PM_PIECE_NUMBERS] = {false};
        unsigned longest = round % 3 == 0 ? 2 : round % 3 == 1 ? 100 : PM_PIECE_NUMBERS;
        unsigned n = (unsigned)(test_random(&random) % (round % 3 == 0 ? 2000 : 60));
        for (unsigned i = 0; i < n; i++) {
            unsigned from = (unsigned)(test_random(&random) % PM_PIECE_NUMBERS);
            unsigned to = from + (unsigned)(test_random(&random) % longest);
            if (to >= PM_PIECE_NUMBERS) to = PM_PIECE_NUMBERS - 1;
            pm_piece_add(&piece, from, to);
            for (unsigned k = from; k <= to; k++) marks[k] = true;
        }
        check(&piece, marks);
        uint8_t bytes[PM_PIECE_BYTES_MAX];
        size_t len = pm_piece_encode(&piece, bytes);
        ranges += len < PM_PIECE_BYTES_MAX;
        bits += len == PM_PIECE_BYTES_MAX;
    }
    cr_assert(ranges > 50 && bits > 50, "both forms are met: %zu, %zu", ranges, bits);
}

Test(arrivals, what_was_damaged_is_refused)
{
    static const uint16_t wrong[][4] = {{5, 4, 0, 0}, {0, 4096, 0, 0}, {0, 5, 6, 9}, {0, 5, 3, 9}, {7, 8, 1, 2}};
    struct pm_piece piece;
    struct pm_error err;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_assert_eq(pm_piece_decode(pm_slice(wrong[i], i < 2 ? 4 : 8), &piece, &err), PM_ECORRUPT, "%zu", i);
    cr_assert_eq(pm_piece_decode(pm_slice(wrong[0], 3), &piece, &err), PM_ECORRUPT);
    cr_assert_eq(pm_piece_decode(pm_slice(wrong[0], 0), &piece, &err), PM_ECORRUPT);
}
