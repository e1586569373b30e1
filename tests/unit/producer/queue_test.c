/* queue_test.c: what is put comes out, in order and whole, wherever the ring turns; a full one refuses. */
#include "producer/queue.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/number.h"
#include "common/log/log.h"
#include "tests/support/events.h"

static struct pm_queue opened(void)
{
    struct pm_queue queue;
    struct pm_error err;
    cr_assert_eq(pm_queue_open(&queue, PM_QUEUE_BYTES_MIN, &err), PM_OK);
    return queue;
}

/* A record whose bytes follow from its number; the number itself travels beside it. */
static struct pm_record numbered(uint64_t number, char *room, size_t key_len, size_t value_len)
{
    static char origin[PM_LOG_ORIGIN_BYTES_MAX];
    size_t len = (size_t)snprintf(origin, sizeof origin, "%llu", (unsigned long long)number);
    memset(room, (int)(number & 127), key_len + value_len);
    return (struct pm_record){.key = pm_slice(room, key_len),
                              .value = pm_slice(room + key_len, value_len),
                              .timestamp_ms = (int64_t)number - 5,
                              .origin = pm_slice(origin, len)};
}

static void check(const struct pm_record *record, uint64_t number)
{
    uint64_t said;
    cr_assert(pm_u64_parse(record->origin, &said));
    cr_assert_eq(said, number);
    cr_assert_eq(record->timestamp_ms, (int64_t)number - 5);
    for (size_t i = 0; i < record->key.len + record->value.len; i++) /* they stand side by side */
        cr_assert_eq(record->key.ptr[i], (char)(number & 127));
}

Test(queue, random_sizes_over_many_turns)
{
    struct pm_queue queue = opened();
    uint64_t state = 7, put = 0, taken = 0, bytes = 0;
    char *room = malloc(1 << 20);
    struct pm_record records[64];
    while (bytes < 5 * PM_QUEUE_BYTES_MIN) {
        size_t value_len = test_random(&state) % (test_random(&state) % 50 == 0 ? 1000000 : 700);
        struct pm_record record = numbered(put + 1, room, test_random(&state) % 256, value_len);
        if (pm_queue_put(&queue, &record)) {
            put++;
            bytes += value_len;
            if (test_random(&state) % 3) continue;
        }
        uint64_t end;
        size_t n = pm_queue_take(&queue, records, 64, 1 << 20, &end);
        cr_assert_gt(n, 0);
        for (size_t i = 0; i < n; i++) check(&records[i], ++taken);
        pm_queue_drop(&queue, end, n);
        cr_assert_eq(queue.records, put - taken);
    }
    free(room);
    pm_queue_close(&queue);
}

/* Of the newest record, and only while it is that; a longer origin may find no room. */
Test(queue, an_origin_is_amended_in_its_place)
{
    struct pm_queue queue = opened();
    char *room = malloc(1 << 20);
    struct pm_record records[8], record;
    uint64_t end, at, amended = 0;
    for (uint64_t i = 1; i <= 3000; i++) {
        record = numbered(i, room, i % 200, 20000 + i % 3000);
        at = queue.head;
        cr_assert(pm_queue_put(&queue, &record));
        if (pm_queue_amend(&queue, at, PM_SLICE("an origin that is quite long, or longer"))) {
            amended++;
            cr_assert_eq(pm_queue_take(&queue, records, 8, 1 << 22, &end), queue.records);
            const struct pm_record *last = &records[queue.records - 1];
            cr_assert(pm_slice_is(last->origin, "an origin that is quite long, or longer"));
            cr_assert(pm_slice_eq(last->key, record.key) && pm_slice_eq(last->value, record.value));
            cr_assert(pm_queue_amend(&queue, at, record.origin), "back");
        }
        size_t n = pm_queue_take(&queue, records, 8, 1 << 22, &end);
        for (size_t k = 0; k < n; k++) check(&records[k], i - n + 1 + k);
        if (n == 8 || i % 3 == 0) pm_queue_drop(&queue, end, n);
        if (i % 3 == 0) cr_assert(!pm_queue_amend(&queue, at, PM_SLICE("gone")));
    }
    cr_assert_gt(amended, 2000);
    record = numbered(1, room, 5, 5);
    at = queue.head;
    cr_assert(pm_queue_put(&queue, &record));
    record = numbered(2, room, 5, 5);
    cr_assert(pm_queue_put(&queue, &record));
    cr_assert(!pm_queue_amend(&queue, at, PM_SLICE("it is not the newest")));
    while (pm_queue_put(&queue, &record)) at = 0;
    free(room);
    pm_queue_close(&queue);
}

Test(queue, full_refuses_and_empty_gives_nothing)
{
    struct pm_queue queue = opened();
    struct pm_record records[4];
    uint64_t end, n = 0;
    char *room = malloc(1 << 20);
    struct pm_record record = numbered(1, room, 10, 1000000);
    cr_assert_eq(pm_queue_take(&queue, records, 4, 1, &end), 0);
    while (pm_queue_put(&queue, &record)) n++;
    cr_assert_eq(n, 4); /* 4 MiB */
    cr_assert_eq(queue.records, 4);
    cr_assert_leq(pm_queue_used(&queue), queue.size);
    cr_assert_eq(pm_queue_take(&queue, records, 4, 1, &end), 1, "at least one, however large");
    pm_queue_drop(&queue, end, 1);
    cr_assert(pm_queue_put(&queue, &record));
    cr_assert_not(pm_queue_put(&queue, &record));
    free(room);
    pm_queue_close(&queue);
}
