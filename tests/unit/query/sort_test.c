/* sort_test.c: byte strings in order, against strings compared one by one. */
#include "query/sort.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "common/base/check.h"

#define N 5000
#define KEY_MAX 40

static char keys[N][KEY_MAX];
static size_t lens[N];

static struct pm_slice key_of(const void *arg, uint64_t where)
{
    (void)arg;
    return pm_slice(keys[where], lens[where]);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* Every key ends in a zero byte and holds none before it, so that none begins another. */
static void make_keys(uint64_t seed, unsigned letters, size_t len_max, size_t shared)
{
    for (size_t i = 0; i < N; i++) {
        lens[i] = shared + next_random(&seed) % len_max + 1;
        for (size_t k = 0; k + 1 < lens[i]; k++)
            keys[i][k] = k < shared ? 's' : (char)(1 + next_random(&seed) % letters);
        keys[i][lens[i] - 1] = '\0';
    }
}

static void expect_order(const char *what)
{
    struct pm_sort_entry *entries = pm_calloc(N, sizeof *entries);
    bool *seen = pm_calloc(N, sizeof *seen);
    for (size_t i = 0; i < N; i++) entries[i].where = i;
    pm_sort_keys(entries, N, key_of, NULL);
    for (size_t i = 0; i < N; i++) {
        cr_assert(!seen[entries[i].where], "%s: entry %zu stands twice", what, (size_t)entries[i].where);
        seen[entries[i].where] = true;
        if (i)
            cr_assert(pm_slice_cmp(key_of(NULL, entries[i - 1].where), key_of(NULL, entries[i].where)) <= 0,
                      "%s: place %zu", what, i);
    }
    free(seen);
    free(entries);
}

Test(sort, orders_keys_of_every_make)
{
    make_keys(1, 255, 30, 0);
    expect_order("random bytes");
    make_keys(2, 2, 30, 0);
    expect_order("long shared beginnings");
    make_keys(3, 2, 4, 0);
    expect_order("many equal keys");
    make_keys(4, 255, 10, 25);
    expect_order("one beginning for all");
    make_keys(5, 1, 1, 0);
    expect_order("one key only");
    make_keys(6, 255, 8, 0);
    expect_order("keys that end with a word");
}

Test(sort, takes_none_and_one)
{
    make_keys(1, 255, 30, 0);
    struct pm_sort_entry one = {.where = 7};
    pm_sort_keys(&one, 0, key_of, NULL);
    pm_sort_keys(&one, 1, key_of, NULL);
    cr_assert_eq(one.where, 7);
}
