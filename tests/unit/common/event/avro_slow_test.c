/* avro_slow_test.c: Avro C as oracle of our own codec, and records of schemas that are not ours. */
#include <avro.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/event/avro_slow.h"
#include "common/event/codec.h"
#include "tests/support/events.h"

/* ---- the oracle ---- */

static avro_value_t new_value(struct pm_slice json)
{
    avro_schema_t schema;
    avro_value_t value;
    cr_assert_eq(avro_schema_from_json_length(json.ptr, json.len, &schema), 0, "%s", avro_strerror());
    avro_value_iface_t *iface = avro_generic_class_from_schema(schema);
    cr_assert_eq(avro_generic_value_new(iface, &value), 0);
    avro_value_iface_decref(iface);
    avro_schema_decref(schema);
    return value;
}

static void read_value(struct pm_slice bytes, avro_value_t *value)
{
    avro_reader_t reader = avro_reader_memory(bytes.ptr, (int64_t)bytes.len);
    cr_assert_eq(avro_value_read(reader, value), 0, "%s", avro_strerror());
    char byte;
    cr_assert_neq(avro_read(reader, &byte, 1), 0, "Avro C leaves bytes over");
    avro_reader_free(reader);
}

static struct pm_slice write_value(avro_value_t *value, char *to, size_t size)
{
    avro_writer_t writer = avro_writer_memory(to, (int64_t)size);
    cr_assert_eq(avro_value_write(writer, value), 0, "%s", avro_strerror());
    struct pm_slice bytes = pm_slice(to, (size_t)avro_writer_tell(writer));
    avro_writer_free(writer);
    return bytes;
}

/* Avro C reads what we write and writes it as we do; what it writes we read as the same event; and the slow path, given
 * our own schema as the writer's, gives our own bytes. Member by member: the translated record is made from Avro C's
 * values by name. */
Test(avro_slow, avro_c_agrees_on_every_type)
{
    static char written[65536];
    for (int type = 0; type < PM_EVENT_TYPE_COUNT; type++) {
        struct pm_writer *writer;
        struct pm_error err;
        cr_assert_eq(pm_writer_new(pm_schema_json((enum pm_event_type)type), &writer, &err), PM_OK, "%s", err.text);
        cr_assert_eq((int)pm_writer_type(writer), type);
        struct pm_arena arena = {0};
        struct pm_buf out = {0};
        avro_value_t value = new_value(pm_schema_json((enum pm_event_type)type));
        uint64_t state = (uint64_t)type;
        for (int round = 0; round < 200; round++) {
            struct pm_event ev, back;
            struct pm_slice translated;
            test_random_event((enum pm_event_type)type, &state, &arena, &ev);
            pm_buf_clear(&out);
            pm_event_encode(&ev, &out);
            avro_value_reset(&value);
            read_value(pm_buf_slice(&out), &value);
            struct pm_slice theirs = write_value(&value, written, sizeof written);
            cr_assert_eq(pm_event_decode((enum pm_event_type)type, theirs, &back, &err), PM_OK, "%s", err.text);
            const char *difference = test_event_difference(&ev, &back);
            cr_assert_null(difference, "%s: %s", pm_event_type_name(ev.type), difference);
            cr_assert_eq(pm_writer_translate(writer, theirs, &arena, &translated, &err), PM_OK, "%s", err.text);
            cr_assert(pm_slice_eq(translated, pm_buf_slice(&out)));
            pm_arena_reset(&arena);
        }
        avro_value_decref(&value);
        pm_buf_release(&out);
        pm_arena_release(&arena);
        pm_writer_free(writer);
    }
}

/* ---- other writers ---- */

#define RECORD(fields) \
    "{\"type\":\"record\",\"name\":\"ResultDeleted\",\"namespace\":\"org.example\",\"fields\":[" fields "]}"
#define NEEDED                                                                                                       \
    "{\"name\":\"event_id\",\"type\":\"string\"},{\"name\":\"occurred_at\",\"type\":\"long\"},{\"name\":\"result\"," \
    "\"type\":\"string\"}"

static struct pm_writer *writer_of(const char *json)
{
    struct pm_writer *writer;
    struct pm_error err;
    cr_assert_eq(pm_writer_new(pm_slice_cstr(json), &writer, &err), PM_OK, "%s", err.text);
    return writer;
}

static struct pm_event translate(struct pm_writer *writer, struct pm_slice body, struct pm_arena *arena)
{
    struct pm_slice ours;
    struct pm_event ev;
    struct pm_error err;
    cr_assert_eq(pm_writer_translate(writer, body, arena, &ours, &err), PM_OK, "%s", err.text);
    cr_assert_eq(pm_event_decode(pm_writer_type(writer), ours, &ev, &err), PM_OK, "%s", err.text);
    return ev;
}

Test(avro_slow, fields_in_another_order_fewer_and_more)
{
    struct pm_arena arena = {0};
    struct pm_writer *writer = writer_of(
        RECORD("{\"name\":\"new\",\"type\":{\"type\":\"map\",\"values\":[\"null\",\"int\"]}},"
               "{\"name\":\"result\",\"type\":\"bytes\"},{\"name\":\"occurred_at\",\"type\":\"int\"},"
               "{\"name\":\"event_id\",\"type\":[\"string\",\"null\"]},"
               "{\"name\":\"reason\",\"type\":[\"int\",\"string\",\"null\"]}"));
    struct pm_event ev = translate(writer,
                                   PM_SLICE("\x02\x02k\x02\x08\x00"
                                            "\x06"
                                            "a/b"
                                            "\x54"
                                            "\x00\x04id"
                                            "\x02\x02?"),
                                   &arena);
    cr_assert_eq(ev.has, PM_HAS(event_id) | PM_HAS(occurred_at) | PM_HAS(result) | PM_HAS(reason));
    cr_assert(pm_slice_is(ev.result, "a/b") && pm_slice_is(ev.event_id, "id") && pm_slice_is(ev.reason, "?"));
    cr_assert_eq(ev.occurred_at, 42);
    ev = translate(writer,
                   PM_SLICE("\x00"
                            "\x06"
                            "a/b"
                            "\x54"
                            "\x00\x04id"
                            "\x04"),
                   &arena);
    cr_assert_not(pm_event_has(&ev, PM_HAS(reason)));
    pm_writer_free(writer);
    pm_arena_release(&arena);
}

Test(avro_slow, numbers_widen_and_symbols_match_by_name)
{
    struct pm_arena arena = {0};
    struct pm_writer *writer = writer_of(
        "{\"type\":\"record\",\"name\":\"ResultReused\",\"fields\":["
        "{\"name\":\"event_id\",\"type\":\"string\"},{\"name\":\"job_id\",\"type\":\"string\"},"
        "{\"name\":\"occurred_at\",\"type\":\"long\"},{\"name\":\"result\",\"type\":\"string\"},"
        "{\"name\":\"kind\",\"type\":{\"type\":\"enum\",\"name\":\"K\",\"symbols\":[\"other\",\"agg\",\"sim\"]}},"
        "{\"name\":\"loss\",\"type\":[\"float\",\"int\"]},{\"name\":\"seed\",\"type\":\"int\"},"
        "{\"name\":\"outputs\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"O\",\"fields\":["
        "{\"name\":\"size\",\"type\":\"int\"},{\"name\":\"name\",\"type\":\"string\"},{\"name\":\"unit\",\"type\":"
        "\"string\"},"
        "{\"name\":\"checksum\",\"type\":\"string\"}]}}}]}");
    struct pm_output output;
    struct pm_event ev = translate(writer,
                                   PM_SLICE("\x00\x00\x00\x02r"
                                            "\x02"
                                            "\x00\x00\x00\x00\x3f"
                                            "\x01"
                                            "\x01\x10\x08\x02n\x04mb\x02"
                                            "c\x00"),
                                   &arena);
    cr_assert_eq(ev.kind, PM_KIND_AGG);
    cr_assert_eq(ev.loss, 0.5);
    cr_assert_eq(ev.seed, UINT64_MAX);
    struct pm_array_iter it = pm_array_iter(ev.outputs);
    cr_assert(pm_array_next_output(&it, &output));
    cr_assert(output.size == 4 && pm_slice_is(output.name, "n") && pm_slice_is(output.checksum, "c"));
    cr_assert_not(pm_array_next_output(&it, &output));
    ev = translate(writer,
                   PM_SLICE("\x00\x00\x00\x02r"
                            "\x04"
                            "\x02\x06"
                            "\x00"
                            "\x00"),
                   &arena);
    cr_assert_eq(ev.kind, PM_KIND_SIM);
    cr_assert_eq(ev.loss, 3.0);
    struct pm_slice ours;
    struct pm_error err;
    cr_assert_eq(pm_writer_translate(writer,
                                     PM_SLICE("\x00\x00\x00\x02r"
                                              "\x00"
                                              "\x02\x06"
                                              "\x00"
                                              "\x00"),
                                     &arena, &ours, &err),
                 PM_ESCHEMA);
    cr_assert(strstr(err.text, "field \"kind\": the writer's symbol \"other\" is not known here"), "%s", err.text);
    pm_writer_free(writer);
    pm_arena_release(&arena);
}

static void no_writer(const char *json, const char *text)
{
    struct pm_writer *writer = NULL;
    struct pm_error err = {0};
    cr_assert_eq(pm_writer_new(pm_slice_cstr(json), &writer, &err), PM_ESCHEMA, "%s", json);
    cr_assert_null(writer);
    cr_assert(strstr(err.text, text), "%s", err.text);
}

Test(avro_slow, schemas_that_do_not_resolve)
{
    no_writer("{", "not an Avro schema");
    no_writer("\"string\"", "is string, not a record");
    no_writer("{\"type\":\"record\",\"name\":\"Order\",\"fields\":[{\"name\":\"id\",\"type\":\"string\"}]}",
              "\"Order\" is none of the event types");
    no_writer(RECORD("{\"name\":\"event_id\",\"type\":\"string\"}"),
              "ResultDeleted has no field \"occurred_at\", which is required");
}

/* A field that the writer has as another kind: `type` instead of ours, `value` its bytes. */
static void does_not_resolve(const char *event, const char *field, const char *type, struct pm_slice value,
                             const char *text)
{
    static const char needed[] =
        "{\"name\":\"event_id\",\"type\":\"string\"},{\"name\":\"job_id\",\"type\":\"string\"},"
        "{\"name\":\"occurred_at\",\"type\":\"long\"},{\"name\":\"result\",\"type\":\"string\"}";
    char json[2000];
    struct pm_arena arena = {0};
    struct pm_buf body = {0};
    struct pm_slice ours;
    struct pm_error err = {0};
    bool is_kind = strcmp(field, "kind") == 0;
    snprintf(json, sizeof json, "{\"type\":\"record\",\"name\":\"%s\",\"fields\":[%s%s,{\"name\":\"%s\",\"type\":%s}]}",
             event, needed,
             is_kind ? "" : ",{\"name\":\"kind\",\"type\":{\"type\":\"enum\",\"name\":\"K\",\"symbols\":[\"sim\"]}}",
             field, type);
    struct pm_writer *writer = writer_of(json);
    pm_buf_slice_add(&body, PM_SLICE("\x00\x00\x00\x02r"));
    if (!is_kind) pm_buf_byte(&body, 0);
    pm_buf_slice_add(&body, value);
    cr_assert_eq(pm_writer_translate(writer, pm_buf_slice(&body), &arena, &ours, &err), PM_ESCHEMA, "%s %s was taken",
                 field, type);
    cr_assert(strstr(err.text, text) && strstr(err.text, field), "%s", err.text);
    pm_buf_release(&body);
    pm_writer_free(writer);
    pm_arena_release(&arena);
}

#define FAILURE(type)                                                                                                \
    "{\"type\":\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"type\",\"type\":\"string\"},{\"name\":\"message\"," \
    "\"type\":\"string\"},{\"name\":\"retryable\",\"type\":" type "}]}"

Test(avro_slow, values_of_another_kind)
{
    does_not_resolve("ResultReused", "entrypoint", "\"boolean\"", PM_SLICE("\x01"),
                     "boolean does not resolve to string");
    does_not_resolve("ResultReused", "schema_version", "\"string\"",
                     PM_SLICE("\x02"
                              "1"),
                     "does not resolve to long");
    does_not_resolve("ResultReused", "seed", "\"double\"", PM_SLICE("\0\0\0\0\0\0\0\0"), "does not resolve to long");
    does_not_resolve("ResultReused", "loss", "\"string\"",
                     PM_SLICE("\x02"
                              "1"),
                     "does not resolve to double");
    does_not_resolve("ResultReused", "kind", "\"string\"", PM_SLICE("\x06sim"), "does not resolve to enum");
    does_not_resolve("ResultReused", "outputs", "\"string\"", PM_SLICE("\x00"), "does not resolve to array");
    does_not_resolve("ResultReused", "outputs", "{\"type\":\"array\",\"items\":\"string\"}",
                     PM_SLICE("\x02\x02"
                              "a\x00"),
                     "does not resolve to record");
    does_not_resolve("ResultFailed", "error", FAILURE("\"int\""), PM_SLICE("\x00\x00\x02"),
                     "does not resolve to boolean");
    does_not_resolve("ResultFailed", "error", "\"string\"", PM_SLICE("\x00"), "does not resolve to record");
}

#define FIXED(name, size) \
    "{\"name\":\"" name "\",\"type\":{\"type\":\"fixed\",\"name\":\"F" name "\",\"size\":" size "}}"
#define UNION(field)                                                                                                   \
    "{\"name\":\"u\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"R\",\"fields\":" \
    "[" field "]}}]}"
#define MAP(type) "{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":" type "}}"

/* Avro C lays out what it reads by these sizes. */
Test(avro_slow, sizes_of_fixed_types)
{
    const char *text = "they are 0 to 1048576 bytes in all";
    no_writer(RECORD(NEEDED "," FIXED("a", "-7")), text);
    no_writer(RECORD(NEEDED "," FIXED("a", "1048577")), text);
    no_writer(RECORD(NEEDED "," FIXED("a", "9223372036854775807")), text);
    no_writer(RECORD(NEEDED "," FIXED("a", "1000000") "," FIXED("b", "1000000")), text);
    no_writer(RECORD(NEEDED "," UNION(FIXED("a", "-1"))), text);
    no_writer(RECORD(NEEDED "," MAP("{\"type\":\"fixed\",\"name\":\"F\",\"size\":-1}")), text);
    pm_writer_free(writer_of(RECORD(NEEDED "," FIXED("a", "1048576"))));
    pm_writer_free(writer_of(RECORD(NEEDED "," FIXED("a", "0"))));
}

/* ---- hostile bytes: every one of these is refused before Avro C allocates for it ---- */

static void refused(const char *fields, struct pm_slice tail, const char *text)
{
    char json[4000];
    struct pm_arena arena = {0};
    struct pm_buf body = {0};
    struct pm_slice ours;
    struct pm_error err = {0};
    snprintf(json, sizeof json, "{\"type\":\"record\",\"name\":\"ResultDeleted\",\"fields\":[" NEEDED ",%s]}", fields);
    struct pm_writer *writer = writer_of(json);
    pm_buf_slice_add(&body, PM_SLICE("\x00\x00\x02r"));
    pm_buf_slice_add(&body, tail);
    cr_assert_eq(pm_writer_translate(writer, pm_buf_slice(&body), &arena, &ours, &err), PM_EFORMAT, "%s was taken",
                 fields);
    cr_assert(strstr(err.text, text), "%s: says \"%s\" instead of \"%s\"", fields, err.text, text);
    pm_buf_release(&body);
    pm_arena_release(&arena);
    pm_writer_free(writer);
}
#define X_IS(type) "{\"name\":\"x\",\"type\":" type "}"
#define HUGE_NUMBER "\xfe\xff\xff\xff\x0f" /* 2^31 - 1 */

Test(avro_slow, lengths_are_checked_before_avro_c_sees_them)
{
    refused(X_IS("\"string\""), PM_SLICE(HUGE_NUMBER "z"),
            "field \"x\" at byte 4 of 10: length 2147483647 where 6 bytes are left");
    refused(X_IS("\"bytes\""), PM_SLICE("\x01z"), "length -1");
    refused(X_IS("\"string\""), PM_SLICE("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), "length 4611686018427387904");
    refused(X_IS("{\"type\":\"array\",\"items\":\"null\"}"), PM_SLICE(HUGE_NUMBER "\x00"), "array count 2147483647");
    refused(X_IS("{\"type\":\"array\",\"items\":\"null\"}"),
            PM_SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00"), "array count -9223372036854775808");
    refused(X_IS("{\"type\":\"array\",\"items\":\"int\"}"), PM_SLICE("\x01\x04\x02\x00"), "array block of 2 bytes");
    refused(X_IS("{\"type\":\"map\",\"values\":\"int\"}"), PM_SLICE("\x02" HUGE_NUMBER "\x00\x00"),
            "length 2147483647");
    refused(X_IS("{\"type\":\"fixed\",\"name\":\"F\",\"size\":16}"), PM_SLICE("123456789012345"), "the record is cut");
    refused(X_IS("[\"null\",\"int\"]"), PM_SLICE("\x04"), "union branch 2");
    refused(X_IS("{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a\"]}"), PM_SLICE("\x02"), "enum index 1");
    refused(X_IS("\"boolean\""), PM_SLICE("\x02"), "boolean byte 2");
    refused(X_IS("\"int\""), PM_SLICE("\x80\x80\x80\x80\x10"), "field \"x\"");
    refused(X_IS("\"float\""), PM_SLICE("123"), "the record is cut");
    refused(X_IS("\"double\""), PM_SLICE("1234567"), "the record is cut");
    refused(X_IS("\"int\""), PM_SLICE("\x02\x02"), "1 bytes left over");
    /* A list that holds itself, nested as deep as the bytes say. */
    char deep[200];
    memset(deep, 0x02, sizeof deep);
    refused(X_IS("{\"type\":\"record\",\"name\":\"L\",\"fields\":[{\"name\":\"next\",\"type\":[\"null\",\"L\"]}]}"),
            pm_slice(deep, sizeof deep), "nesting deeper than");
}

/* Ten records, each with three of the next: three to the tenth values, and not one byte in the record for them. */
Test(avro_slow, a_schema_of_more_values_than_bytes_is_refused)
{
    char json[2000] = "{\"type\":\"record\",\"name\":\"R9\",\"fields\":[]}";
    for (int i = 8; i >= 0; i--) {
        char inner[sizeof json], others[100];
        memcpy(inner, json, sizeof inner);
        snprintf(others, sizeof others, "{\"name\":\"b\",\"type\":\"R%d\"},{\"name\":\"c\",\"type\":\"R%d\"}", i + 1,
                 i + 1);
        int n = snprintf(json, sizeof json,
                         "{\"type\":\"record\",\"name\":\"R%d\",\"fields\":[{\"name\":\"a\",\"type\":%s},%s]}", i,
                         inner, others);
        cr_assert_lt(n, (int)sizeof json);
    }
    char field[sizeof json + 64];
    snprintf(field, sizeof field, "{\"name\":\"x\",\"type\":{\"type\":\"array\",\"items\":%s}}", json);
    refused(field, PM_SLICE("\x0a\x00"), "more values than the record has bytes for");
}

Test(avro_slow, a_foreign_record_cut_at_every_byte_is_refused)
{
    struct pm_arena arena = {0};
    struct pm_buf out = {0};
    struct pm_event ev;
    struct pm_writer *writer;
    uint64_t state = 5;
    cr_assert_eq(pm_writer_new(pm_schema_json(PM_RESULT_COMPUTED), &writer, NULL), PM_OK);
    for (int round = 0; round < 10; round++) {
        test_random_event(PM_RESULT_COMPUTED, &state, &arena, &ev);
        pm_buf_clear(&out);
        pm_event_encode(&ev, &out);
        for (size_t len = 0; len < out.len; len++) {
            struct pm_slice ours;
            char *cut = malloc(len + 1);
            memcpy(cut, out.ptr, len);
            cr_assert_eq(pm_writer_translate(writer, pm_slice(cut, len), &arena, &ours, NULL), PM_EFORMAT);
            free(cut);
        }
    }
    pm_writer_free(writer);
    pm_buf_release(&out);
    pm_arena_release(&arena);
}
