/* posting_test.c: chunks of a job's pairs, both ways, at their limits and damaged. */
#include "common/store/posting.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/time.h"
#include "tests/support/events.h"

static struct pm_error err;

static bool same_pair(const struct pm_pair *a, const struct pm_pair *b)
{
    if (a->job != b->job || a->result != b->result || a->roles != b->roles) return false;
    for (unsigned role = 0; role < PM_ROLE_COUNT; role++)
        if (a->roles >> role & 1 && a->at[role] != b->at[role]) return false;
    return true;
}

/* Encodes what fits, decodes a copy of exactly its length and compares; returns how many pairs were taken. */
static size_t round_trip(const struct pm_pair *pairs, size_t count)
{
    struct pm_buf buf = {0};
    struct pm_pair *back = calloc(PM_CHUNK_PAIRS_MAX, sizeof *back);
    size_t taken = pm_posting_encode(pairs, count, &buf);
    cr_assert_geq(taken, 1);
    cr_assert_leq(taken, PM_CHUNK_PAIRS_MAX);
    cr_assert_leq(buf.len, PM_CHUNK_BYTES_MAX);
    char *copy = malloc(buf.len);
    memcpy(copy, buf.ptr, buf.len);
    cr_assert_eq(pm_posting_count(pm_slice(copy, buf.len)), taken);
    cr_assert_eq(pm_posting_decode(pm_slice(copy, buf.len), pairs[0].job, back, &err), PM_OK, "%s", err.text);
    for (size_t i = 0; i < taken; i++) cr_assert(same_pair(&pairs[i], &back[i]), "pair %zu of %zu", i, taken);
    free(copy);
    free(back);
    pm_buf_release(&buf);
    return taken;
}

static int64_t any_time(uint64_t *state)
{
    static const int64_t edges[] = {PM_TIME_MIN, PM_TIME_MAX, 0, -1, 1, INT64_MIN, INT64_MAX};
    uint64_t pick = test_random(state);
    return pick % 3 ? (int64_t)(1767603600000000 + test_random(state) % 86400000000) : edges[(pick >> 8) % 7];
}

static void fill(struct pm_pair *pairs, size_t n, uint64_t *state, uint64_t step_max)
{
    uint64_t result = test_random(state) % 3;
    for (size_t i = 0; i < n; i++) {
        pairs[i] = (struct pm_pair){.job = 77, .result = result, .roles = 1 + (unsigned)(test_random(state) % 15)};
        for (unsigned role = 0; role < PM_ROLE_COUNT; role++) pairs[i].at[role] = any_time(state);
        result += 1 + test_random(state) % step_max;
    }
}

Test(posting, random_chunks_come_back)
{
    struct pm_pair pairs[PM_CHUNK_PAIRS_MAX + 1];
    uint64_t state = 1;
    for (int i = 0; i < 2000; i++) {
        size_t n = 1 + test_random(&state) % (PM_CHUNK_PAIRS_MAX + 1);
        fill(pairs, n, &state, (uint64_t)1 << test_random(&state) % 33);
        size_t taken = round_trip(pairs, n);
        if (taken < n && taken < PM_CHUNK_PAIRS_MAX)
            round_trip(pairs + taken, n - taken); /* the rest goes into the next one */
    }
}

Test(posting, no_more_pairs_than_the_limit)
{
    struct pm_pair pairs[PM_CHUNK_PAIRS_MAX + 1];
    for (size_t i = 0; i <= PM_CHUNK_PAIRS_MAX; i++)
        pairs[i] = (struct pm_pair){.job = 1, .result = i, .roles = 1, .at = {5}};
    cr_assert_eq(round_trip(pairs, PM_CHUNK_PAIRS_MAX), PM_CHUNK_PAIRS_MAX);
    cr_assert_eq(round_trip(pairs, PM_CHUNK_PAIRS_MAX + 1), PM_CHUNK_PAIRS_MAX);
    cr_assert_eq(round_trip(pairs, 1), 1);
}

Test(posting, no_more_bytes_than_the_limit)
{
    struct pm_pair pairs[PM_CHUNK_PAIRS_MAX];
    for (size_t i = 0; i < PM_CHUNK_PAIRS_MAX; i++)
        pairs[i] = (struct pm_pair){
            .job = 1, .result = (i + 1) << 33, .roles = 15, .at = {0, INT64_MIN, 0, INT64_MIN}};
    size_t taken = round_trip(pairs, PM_CHUNK_PAIRS_MAX);
    cr_assert_gt(taken, 60);
    cr_assert_lt(taken, 120);
    pairs[0].result = UINT32_MAX;
    cr_assert_eq(round_trip(pairs, 1), 1);
}

Test(posting, a_changed_byte_is_found)
{
    struct pm_pair pairs[40], back[PM_CHUNK_PAIRS_MAX];
    uint64_t state = 2;
    struct pm_buf buf = {0};
    fill(pairs, 40, &state, 100);
    cr_assert_eq(pm_posting_encode(pairs, 40, &buf), 40);
    for (size_t i = 0; i < buf.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            buf.ptr[i] ^= (char)(1 << bit);
            if (pm_posting_count(pm_buf_slice(&buf)) <= PM_CHUNK_PAIRS_MAX)
                cr_assert_eq(pm_posting_decode(pm_buf_slice(&buf), 77, back, &err), PM_ECORRUPT, "byte %zu bit %d", i,
                             bit);
            buf.ptr[i] ^= (char)(1 << bit);
        }
    }
    for (size_t n = 0; n < buf.len; n++) {
        char *cut = malloc(n + 1);
        memcpy(cut, buf.ptr, n);
        cr_assert_eq(pm_posting_decode(pm_slice(cut, n), 77, back, &err), PM_ECORRUPT, "cut to %zu bytes", n);
        free(cut);
    }
    pm_buf_release(&buf);
}

/* A checksum that is right says nothing about a writer that was wrong. */
Test(posting, a_count_above_the_pairs_is_refused)
{
    struct pm_pair pairs[3], back[4];
    uint64_t state = 3;
    struct pm_buf buf = {0};
    fill(pairs, 3, &state, 100);
    cr_assert_eq(pm_posting_encode(pairs, 3, &buf), 3);
    uint16_t n = 4;
    memcpy(buf.ptr, &n, 2);
    uint32_t crc = pm_crc32c(0, buf.ptr, buf.len - 4);
    memcpy(buf.ptr + buf.len - 4, &crc, 4);
    cr_assert_eq(pm_posting_decode(pm_buf_slice(&buf), 77, back, &err), PM_ECORRUPT);
    pm_buf_release(&buf);
}

Test(posting, keys_order_by_job_then_chunk)
{
    cr_assert_lt(pm_posting_key(1, UINT32_MAX), pm_posting_key(2, 0));
    cr_assert_lt(pm_posting_key(2, 0), pm_posting_key(2, 1));
    cr_assert_eq(pm_posting_key(3, 4), ((uint64_t)3 << 32) + 4);
}
