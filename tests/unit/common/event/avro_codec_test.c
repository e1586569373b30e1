/* avro_codec_test.c: records as they are written and read: both ways, cut anywhere, and with every number in them made
 * wrong. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "common/event/avro_bytes.h"
#include "tests/support/events.h"

/* A copy that ends where its allocation ends, so that a sanitizer sees every byte read past it. */
static struct pm_slice tight(struct pm_slice bytes)
{
    char *copy = malloc(bytes.len ? bytes.len : 1);
    memcpy(copy, bytes.ptr, bytes.len);
    return pm_slice(copy, bytes.len);
}

Test(avro_codec, events_of_every_type_come_back)
{
    struct pm_arena arena = {0};
    struct pm_buf first = {0}, second = {0};
    struct pm_error err;
    uint64_t state = 1;
    for (int round = 0; round < 4000; round++) {
        struct pm_event ev, back;
        enum pm_event_type type = (enum pm_event_type)(round % PM_EVENT_TYPE_COUNT);
        test_random_event(type, &state, &arena, &ev);
        pm_buf_clear(&first);
        pm_buf_clear(&second);
        pm_event_encode(&ev, &first);
        struct pm_slice body = tight(pm_buf_slice(&first));
        memset(&back, 0xa5, sizeof back);
        cr_assert_eq(pm_event_decode(type, body, &back, &err), PM_OK, "round %d: %s", round, err.text);
        const char *difference = test_event_difference(&ev, &back);
        cr_assert_null(difference, "round %d: %s differs", round, difference);
        pm_event_encode(&back, &second);
        cr_assert(pm_slice_eq(pm_buf_slice(&first), pm_buf_slice(&second)), "round %d: other bytes the second time",
                  round);
        free((char *)body.ptr);
        pm_arena_reset(&arena);
    }
    pm_buf_release(&first);
    pm_buf_release(&second);
    pm_arena_release(&arena);
}

Test(avro_codec, a_record_is_these_bytes)
{
    struct pm_event ev;
    struct pm_buf out = {0};
    test_plain_event(PM_RESULT_DELETED, &ev);
    ev.worker = PM_SLICE("w");
    ev.has |= PM_HAS(worker);
    ev.result = PM_SLICE("a/b");
    pm_event_encode(&ev, &out);
    static const char expected[] = "\x40"
                                   "00112233445566778899aabbccddeeff" /* event_id */
                                   "\x00"                             /* job_id: null */
                                   "\x80\x90\xf4\x8a\x89\xe8\xa3\x06" /* occurred_at */
                                   "\x02\x02w"                        /* worker */
                                   "\x06"
                                   "a/b"   /* result */
                                   "\x00"; /* reason: null */
    struct pm_buf hex = {0};
    for (size_t i = 0; i < out.len; i++) pm_buf_printf(&hex, "%02x ", (uint8_t)out.ptr[i]);
    cr_assert(pm_slice_eq(pm_buf_slice(&out), pm_slice(expected, sizeof expected - 1)), "%.*s", (int)hex.len, hex.ptr);
    pm_buf_release(&hex);
    pm_buf_release(&out);
}

Test(avro_codec, a_record_cut_at_every_byte_is_refused)
{
    struct pm_arena arena = {0};
    struct pm_buf out = {0};
    uint64_t state = 2;
    for (int round = 0; round < 80; round++) {
        struct pm_event ev, back;
        struct pm_error err;
        enum pm_event_type type = (enum pm_event_type)(round % PM_EVENT_TYPE_COUNT);
        test_random_event(type, &state, &arena, &ev);
        pm_buf_clear(&out);
        pm_event_encode(&ev, &out);
        for (size_t len = 0; len < out.len; len++) {
            struct pm_slice cut = tight(pm_slice(out.ptr, len));
            cr_assert_eq(pm_event_decode(type, cut, &back, &err), PM_EFORMAT, "%s: %zu of %zu bytes were taken",
                         pm_event_type_name(type), len, out.len);
            cr_assert(strstr(err.text, pm_event_type_name(type)) && strstr(err.text, "field \""), "%s", err.text);
            free((char *)cut.ptr);
        }
        pm_buf_byte(&out, 0);
        cr_assert_eq(pm_event_decode(type, pm_buf_slice(&out), &back, &err), PM_EFORMAT);
        cr_assert(strstr(err.text, "1 bytes left over after the record"), "%s", err.text);
        pm_arena_reset(&arena);
    }
    pm_buf_release(&out);
    pm_arena_release(&arena);
}

/* Every single byte of a record made every other value: taken or refused, never read past the end (a sanitizer
 * watches), and what is taken is an event that can be written again. */
Test(avro_codec, a_record_with_any_byte_changed_is_read_safely)
{
    struct pm_arena arena = {0};
    struct pm_buf out = {0}, again = {0};
    uint64_t state = 3;
    for (int round = 0; round < PM_EVENT_TYPE_COUNT; round++) {
        struct pm_event ev, back;
        struct pm_error err;
        enum pm_event_type type = (enum pm_event_type)round;
        test_random_event(type, &state, &arena, &ev);
        pm_buf_clear(&out);
        pm_event_encode(&ev, &out);
        struct pm_slice body = tight(pm_buf_slice(&out));
        for (size_t i = 0; i < body.len; i++) {
            uint8_t *byte = (uint8_t *)body.ptr + i, old = *byte;
            for (int value = 0; value < 256; value += value < 4 || value > 250 ? 1 : 41) {
                *byte = (uint8_t)value;
                if (pm_event_decode(type, body, &back, &err) != PM_OK) continue;
                pm_buf_clear(&again);
                pm_event_encode(&back, &again);
                cr_assert_leq(again.len, body.len);
            }
            *byte = old;
        }
        free((char *)body.ptr);
    }
    pm_buf_release(&out);
    pm_buf_release(&again);
    pm_arena_release(&arena);
}

#define ID \
    "\x40" \
    "00112233445566778899aabbccddeeff"
#define HEAD   \
    ID "\x02j" \
       "\x00"  \
       "\x00" /* job_id "j", occurred_at 0, no worker */

static void expect(enum pm_event_type type, struct pm_slice bytes, const char *text)
{
    struct pm_event ev;
    struct pm_error err = {0};
    struct pm_slice body = tight(bytes);
    int rc = pm_event_decode(type, body, &ev, &err);
    if (text) {
        cr_assert_eq(rc, PM_EFORMAT, "taken, but should say: %s", text);
        cr_assert(strstr(err.text, text), "says \"%s\" instead of \"%s\"", err.text, text);
        cr_assert_eq(pm_error_class(rc), PM_CLASS_POISON);
    } else {
        cr_assert_eq(rc, PM_OK, "%s", err.text);
    }
    free((char *)body.ptr);
}
#define EXPECT(type, literal, text) expect(type, PM_SLICE(literal), text)

Test(avro_codec, wrong_numbers_are_refused_by_field_and_value)
{
    /* event_id of 2^62 bytes, of -1 bytes, and one whose length never ends */
    EXPECT(PM_RESULT_DELETED, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01zzzzzzzz",
           "field \"event_id\" at byte 0 of 18: length 4611686018427387904 where 18 bytes");
    EXPECT(PM_RESULT_DELETED, "\x01zzzzzzzzzzzz", "length -1");
    EXPECT(PM_RESULT_DELETED, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01zzzz", "a number longer than 10 bytes");
    EXPECT(PM_RESULT_DELETED, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02zzzz", "a number longer than 10 bytes");
    /* job_id is optional here: branch 2, branch -1, and branch 1 in two bytes, which is odd but right */
    EXPECT(PM_RESULT_DELETED, ID "\x04", "field \"job_id\" at byte 33 of 34: union branch 2");
    EXPECT(PM_RESULT_DELETED, ID "\x01", "union branch -1");
    EXPECT(PM_RESULT_DELETED, ID "\x82\x00\x02j\x00\x00\x02r\x00", NULL);
    /* status: 0..5 */
    EXPECT(PM_JOB_STATUS_CHANGED, HEAD "\x0a\x00\x00", NULL);
    EXPECT(PM_JOB_STATUS_CHANGED, HEAD "\x0c\x00\x00", "field \"status\" at byte 37 of 40: enum index 6");
    EXPECT(PM_JOB_STATUS_CHANGED, HEAD "\x01\x00\x00", "enum index -1");
    /* retryable: 0 or 1 */
    EXPECT(PM_RESULT_FAILED,
           HEAD "\x02r\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
                "\x00\x00\x02",
           "boolean byte 2");
}

Test(avro_codec, arrays_in_any_blocks)
{
    EXPECT(PM_RESULTS_EXPECTED, HEAD "\x00", NULL);
    EXPECT(PM_RESULTS_EXPECTED,
           HEAD "\x04\x02"
                "a\x02"
                "b\x00",
           NULL);
    EXPECT(PM_RESULTS_EXPECTED,
           HEAD "\x02\x02"
                "a\x02\x02"
                "b\x00",
           NULL); /* two blocks */
    EXPECT(PM_RESULTS_EXPECTED,
           HEAD "\x03\x08\x02"
                "a\x02"
                "b\x00",
           NULL); /* count -2, 4 bytes */
    EXPECT(PM_RESULTS_EXPECTED,
           HEAD "\x03\x06\x02"
                "a\x02"
                "b\x00",
           "field \"results\" at byte 37 of 44: array block of 3 bytes");
    EXPECT(PM_RESULTS_EXPECTED,
           HEAD "\x03\x0a\x02"
                "a\x02"
                "b\x00",
           "array block of 5 bytes");
    EXPECT(PM_RESULTS_EXPECTED,
           HEAD "\x03\x7e\x02"
                "a\x02"
                "b\x00",
           "length 63 where");
    EXPECT(PM_RESULTS_EXPECTED,
           HEAD "\x03\x01\x02"
                "a\x02"
                "b\x00",
           "length -1 where");
    EXPECT(PM_RESULTS_EXPECTED,
           HEAD "\x04\x02"
                "a\x02"
                "b",
           "the record is cut"); /* no end */
    EXPECT(PM_RESULTS_EXPECTED,
           HEAD "\x7e\x02"
                "a\x00",
           "array count 63 where"); /* more than can be there */
    EXPECT(PM_RESULTS_EXPECTED, HEAD "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00",
           "array count -9223372036854775808");
    EXPECT(PM_RESULTS_EXPECTED, HEAD "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", "array count 9223372036854775807");
}

Test(avro_codec, an_array_has_at_most_a_million_items)
{
    for (int more = 0; more < 2; more++) {
        struct pm_buf body = {0};
        uint8_t number[PM_VARINT_MAX];
        pm_buf_slice_add(&body, PM_SLICE(HEAD "\x02\x00")); /* a block of one empty text, then one of the others */
        pm_buf_bytes(&body, number, (size_t)(pm_avro_put_long(number, PM_ARRAY_ITEMS_MAX - 1 + more) - number));
        for (int i = 0; i < PM_ARRAY_ITEMS_MAX - 1 + more; i++) pm_buf_byte(&body, 0);
        pm_buf_byte(&body, 0);
        expect(PM_RESULTS_EXPECTED, pm_buf_slice(&body), more ? "array count 1000000 where" : NULL);
        pm_buf_release(&body);
    }
}

/* The blocks that another writer may cut its arrays into: one item each, the second with its size in bytes. */
static struct pm_array in_blocks(struct pm_array array, const uint8_t *first, size_t first_len, struct pm_buf *raw)
{
    const char *items = array.raw.ptr + 1,
               *end = array.raw.ptr + array.raw.len - 1; /* behind the count, before the 0 */
    uint8_t number[PM_VARINT_MAX];
    cr_assert(memcmp(items, first, first_len) == 0 && array.count == 2);
    pm_buf_byte(raw, 2);
    pm_buf_bytes(raw, items, first_len);
    pm_buf_byte(raw, 1);
    size_t rest = (size_t)(end - items) - first_len;
    pm_buf_bytes(raw, number, (size_t)(pm_avro_put_long(number, (int64_t)rest) - number));
    pm_buf_bytes(raw, items + first_len, rest);
    pm_buf_byte(raw, 0);
    return (struct pm_array){.count = 2, .raw = pm_buf_slice(raw)};
}

Test(avro_codec, blocks_of_numbers_and_outputs_are_written_as_one)
{
    struct pm_event ev, back;
    struct pm_error err;
    struct pm_arena arena = {0};
    struct pm_buf one = {0}, out = {0}, numbers = {0}, outputs = {0};
    const char *line = "{\"type\":\"ResultComputed\",\"job_id\":\"j\",\"result\":\"a\",\"kind\":\"sim\",\"replicate_"
                       "losses\":[0.5,-0.0],"
                       "\"outputs\":[{\"name\":\"n\",\"size\":7,\"checksum\":\"c\"},{\"name\":\"m\",\"size\":300,"
                       "\"checksum\":\"d\"}]}";
    cr_assert_eq(pm_event_from_json(pm_slice_cstr(line), 1, &arena, &ev, &err), PM_OK, "%s", err.text);
    pm_event_encode(&ev, &one);
    struct pm_event cut = ev;
    cut.replicate_losses = in_blocks(ev.replicate_losses, (const uint8_t *)"\0\0\0\0\0\0\xe0\x3f", 8, &numbers);
    cut.outputs = in_blocks(ev.outputs,
                            (const uint8_t *)"\x02n\x0e\x02"
                                             "c",
                            5, &outputs);
    pm_event_encode(&cut, &out);
    cr_assert(pm_slice_eq(pm_buf_slice(&out), pm_buf_slice(&one)));
    cr_assert_eq(pm_event_decode(PM_RESULT_COMPUTED, pm_buf_slice(&out), &back, &err), PM_OK, "%s", err.text);
    cr_assert_null(test_event_difference(&ev, &back));
    pm_buf_release(&one);
    pm_buf_release(&out);
    pm_buf_release(&numbers);
    pm_buf_release(&outputs);
    pm_arena_release(&arena);
}

Test(avro_codec, several_blocks_are_written_as_one)
{
    struct pm_event ev;
    struct pm_error err;
    struct pm_buf out = {0};
    struct pm_slice blocks = PM_SLICE(HEAD "\x02\x02"
                                           "a\x01\x0c\x0a"
                                           "bcdef\x00"),
                    one = PM_SLICE(HEAD "\x04\x02"
                                        "a\x0a"
                                        "bcdef\x00");
    cr_assert_eq(pm_event_decode(PM_RESULTS_EXPECTED, blocks, &ev, &err), PM_OK, "%s", err.text);
    cr_assert_eq(ev.results.count, 2);
    pm_event_encode(&ev, &out);
    cr_assert(pm_slice_eq(pm_buf_slice(&out), one));
    pm_buf_release(&out);
}

Test(avro_codec, numbers_of_every_length)
{
    for (int shift = 0; shift < 64; shift++) {
        for (int step = -1; step <= 1; step++) {
            struct pm_event ev, back;
            struct pm_buf out = {0};
            struct pm_error err;
            test_plain_event(PM_RESULT_COMPUTED, &ev);
            ev.seed = ((uint64_t)1 << shift) + (uint64_t)step;
            ev.duration_us = (int64_t)ev.seed;
            ev.occurred_at = (int64_t)~ev.seed;
            ev.has |= PM_HAS(seed) | PM_HAS(duration_us);
            pm_event_encode(&ev, &out);
            struct pm_slice body = tight(pm_buf_slice(&out));
            cr_assert_eq(pm_event_decode(PM_RESULT_COMPUTED, body, &back, &err), PM_OK, "%s", err.text);
            const char *difference = test_event_difference(&ev, &back);
            cr_assert_null(difference, "2^%d%+d: %s", shift, step, difference);
            free((char *)body.ptr);
            pm_buf_release(&out);
        }
    }
}
