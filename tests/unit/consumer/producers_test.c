/* producers_test.c: arrivals in any order, in batches of any size, twice and over many pieces: what the index says of a
 * producer is what a plain array of marks says. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "tests/support/events.h"
#include "tests/support/index.h"

#define PRODUCERS 3
#define NUMBERS 20000

struct truth {
    bool marks[NUMBERS + 1];
    uint64_t last, given, arrived;
};

static struct test_index x;
static void make(void) { test_index_make(&x); }
static void unmake(void) { test_index_remove(&x); }
TestSuite(producers, .init = make, .fini = unmake);

struct look {
    const struct truth *truth;
    bool missing[NUMBERS + 1];
    struct pm_snapshot *snap;
    size_t n;
};

static int add_missing(void *arg, uint64_t from, uint64_t to, struct pm_error *err)
{
    (void)err;
    struct look *look = arg;
    cr_assert(from <= to && to <= NUMBERS);
    cr_assert(from == 1 || !look->missing[from - 1], "ranges do not touch");
    for (uint64_t i = from; i <= to; i++) look->missing[i] = true;
    return PM_OK;
}

static int check_producer(void *arg, const struct pm_producer *producer, struct pm_error *err)
{
    struct look *look = arg;
    const struct truth *truth = &look->truth[producer->id - 100];
    uint64_t events = truth->given > truth->last ? truth->given : truth->last;
    cr_assert_eq(producer->arrived, truth->arrived);
    cr_assert_eq(producer->last, truth->last);
    cr_assert_eq(producer->events, events);
    cr_assert_eq(producer->closed, truth->given > 0);
    memset(look->missing, 0, sizeof look->missing);
    cr_assert_eq(pm_producer_missing_each(look->snap, producer, add_missing, look, err), PM_OK);
    for (uint64_t i = 1; i <= NUMBERS; i++) cr_assert_eq(look->missing[i], i <= events && !truth->marks[i], "%zu", i);
    look->n++;
    return PM_OK;
}

static void arrive(struct truth *truth, uint64_t producer, uint64_t sequence, uint64_t given)
{
    struct pm_origin origin = {.producer = 100 + producer, .sequence = sequence, .given = given};
    struct truth *t = &truth[producer];
    pm_batch_arrival(&x.batch, &origin, 1000 + (int64_t)sequence);
    if (sequence > 0 && !t->marks[sequence]) t->arrived++;
    if (sequence > 0) t->marks[sequence] = true;
    if (sequence > t->last) t->last = sequence;
    if (given > t->given) t->given = given;
}

static void look_at(const struct truth *truth, size_t n)
{
    struct look look = {.truth = truth, .snap = test_index_snapshot(&x)};
    struct pm_error err = {0};
    cr_assert_eq(pm_producers_each(look.snap, check_producer, &look, &err), PM_OK, "%s", err.text);
    cr_assert_eq(look.n, n);
    pm_snapshot_close(look.snap);
}

Test(producers, random_arrivals_against_marks)
{
    struct truth *truth = calloc(PRODUCERS, sizeof *truth);
    struct pm_buf digest = {0};
    uint64_t random = 11;
    for (int batch = 0; batch < 60; batch++) {
        for (uint64_t runs = test_random(&random) % 40; runs > 0; runs--) {
            uint64_t producer = test_random(&random) % PRODUCERS, from = 1 + test_random(&random) % NUMBERS;
            uint64_t n = 1 + test_random(&random) % (runs % 5 ? 30 : 9000);
            bool backwards = test_random(&random) % 4 == 0;
            for (uint64_t i = 0; i < n && from + n <= NUMBERS; i++)
                if (test_random(&random) % 16) arrive(truth, producer, backwards ? from + n - 1 - i : from + i, 0);
        }
        if (batch == 40) arrive(truth, 1, 0, NUMBERS);
        if (batch == 41) arrive(truth, 2, truth[2].last, truth[2].last);
        test_index_apply(&x);
        if (batch % 20 == 7) test_index_reopen(&x);
        size_t n = 0;
        for (size_t i = 0; i < PRODUCERS; i++) n += truth[i].last + truth[i].given > 0;
        look_at(truth, n); /* each time: in the end all numbers have come often enough to hide a mistake */
    }
    test_index_digest(x.dir, &digest); /* verify finds nothing */
    pm_buf_release(&digest);
    free(truth);
}

Test(producers, a_batch_that_fails_leaves_no_arrival)
{
    struct truth *truth = calloc(PRODUCERS, sizeof *truth);
    for (uint64_t i = 1; i <= 10; i++) arrive(truth, 0, i, 0);
    test_index_apply(&x);
    look_at(truth, 1);
    struct truth before = truth[0];
    for (uint64_t i = 5000; i <= 5010; i++) arrive(truth, 0, i, 0);
    arrive(truth, 1, 1, 1);
    test_index_fail(&x);
    look_at(&before, 1);
    test_index_apply(&x);
    look_at(truth, 2);
    free(truth);
}

static void name(uint64_t sequence, const char *text)
{
    struct pm_origin origin = {.producer = 100, .sequence = sequence, .name = pm_slice_cstr(text)};
    pm_batch_arrival(&x.batch, &origin, -1);
}

static int copy_name(void *arg, const struct pm_producer *producer, struct pm_error *err)
{
    (void)err;
    cr_assert(!producer->has_times);
    snprintf(arg, 64, "%.*s", PM_SLICE_ARG(producer->name));
    return PM_OK;
}

static const char *named(void)
{
    static char text[64];
    test_index_apply(&x);
    struct pm_snapshot *snap = test_index_snapshot(&x);
    cr_assert_eq(pm_producers_each(snap, copy_name, text, NULL), PM_OK);
    pm_snapshot_close(snap);
    return text;
}

Test(producers, the_smallest_number_gives_the_name)
{
    name(8, "eight");
    name(5, "");
    name(9, "nine");
    cr_assert_str_eq(named(), "eight");
    name(2, "two");
    name(4, "four");
    cr_assert_str_eq(named(), "two");
    name(2, "other");
    name(8, "eight");
    cr_assert_str_eq(named(), "other", "of two the smaller");
    name(2, "two");
    name(16, "sixteen");
    cr_assert_str_eq(named(), "other");
}
