/* codec_test.c: log values to events and back through every framing; what is said of values that nobody can read; the
 * registry, present, absent and wrong. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/event/codec.h"
#include "common/event/frame.h"
#include "common/event/schema.h"
#include "tests/support/events.h"
#include "tests/support/http_stub.h"

static struct pm_codec *open_codec(struct pm_codec_options options)
{
    struct pm_codec *codec = NULL;
    struct pm_error err;
    cr_assert_eq(pm_codec_open(&options, &codec, &err), PM_OK, "%s", err.text);
    return codec;
}

/* Decodes and expects `code` and a text (or none of both); the event, when it is taken. */
static struct pm_event expect(struct pm_codec *codec, struct pm_slice value, int code, const char *text)
{
    static struct pm_arena arena; /* until the test's process ends */
    struct pm_event ev = {0};
    struct pm_error err = {0};
    int rc = pm_codec_decode(codec, value, 1767603600000000, &arena, &ev, &err);
    cr_assert_eq(rc, code, "%s instead of %s: %s", pm_error_name(rc), pm_error_name(code), err.text);
    if (text) cr_assert(strstr(err.text, text), "says \"%s\" instead of \"%s\"", err.text, text);
    return ev;
}

Test(codec, single_object_values_come_back)
{
    struct pm_codec *codec = open_codec((struct pm_codec_options){0});
    for (int type = 0; type < PM_EVENT_TYPE_COUNT; type++) {
        struct pm_event ev;
        struct pm_buf value = {0};
        uint8_t head[10] = {0xc3, 0x01};
        uint64_t fingerprint = pm_schema_fingerprint((enum pm_event_type)type);
        memcpy(head + 2, &fingerprint, 8);
        test_plain_event((enum pm_event_type)type, &ev);
        cr_assert_eq(pm_codec_encode(codec, &ev, &value, NULL), PM_OK);
        cr_assert(pm_slice_starts(pm_buf_slice(&value), pm_slice(head, 10)));
        struct pm_event back = expect(codec, pm_buf_slice(&value), PM_OK, NULL);
        const char *difference = test_event_difference(&ev, &back);
        cr_assert_null(difference, "%s: %s", pm_event_type_name(ev.type), difference);
        pm_buf_release(&value);
    }
    pm_codec_close(codec);
}

Test(codec, json_values_are_events_too)
{
    struct pm_codec *codec = open_codec((struct pm_codec_options){0});
    struct pm_event ev = expect(codec, PM_SLICE("{\"type\":\"ResultDeleted\",\"result\":\"a/b\"}"), PM_OK, NULL);
    cr_assert_eq(ev.type, PM_RESULT_DELETED);
    cr_assert_eq(ev.occurred_at, 1767603600000000, "the record's own time when the object has none");
    expect(codec, PM_SLICE("{\"type\":\"ResultDeleted\"}"), PM_EINVALID, "result");
    expect(codec, PM_SLICE("{"), PM_EFORMAT, NULL);
    pm_codec_close(codec);
}

Test(codec, values_that_are_poison)
{
    struct pm_codec *codec = open_codec((struct pm_codec_options){0});
    struct pm_event ev;
    struct pm_buf value = {0};
    expect(codec, pm_slice(NULL, 0), PM_EFORMAT, "the value is empty");
    expect(codec, PM_SLICE("hello"), PM_EFORMAT, "(68656c6c6f)");
    expect(codec, PM_SLICE("\xc3\x01\x01\x02\x03\x04\x05\x06\x07\x08"), PM_ESCHEMA,
           "schema fingerprint 0807060504030201 is unknown (put the writer's");
    expect(codec, PM_SLICE("\x00\x00\x00\x00\x07"), PM_ESCHEMA,
           "schema id 7 cannot be looked up: set schema.registry.url");
    test_plain_event(PM_RESULT_DELETED, &ev);
    cr_assert_eq(pm_codec_encode(codec, &ev, &value, NULL), PM_OK);
    expect(codec, pm_slice(value.ptr, value.len - 1), PM_EFORMAT, "ResultDeleted: field \"reason\" at byte");
    pm_buf_byte(&value, 0);
    expect(codec, pm_buf_slice(&value), PM_EFORMAT, "1 bytes left over");
    value.len--;
    ev.result = PM_SLICE("a/../b"); /* of the right form, but against a rule */
    pm_buf_clear(&value);
    cr_assert_eq(pm_codec_encode(codec, &ev, &value, NULL), PM_OK);
    expect(codec, pm_buf_slice(&value), PM_EINVALID, "..");
    pm_buf_release(&value);
    pm_codec_close(codec);
}

Test(codec, an_event_has_at_most_a_mebibyte)
{
    struct pm_codec *codec = open_codec((struct pm_codec_options){0});
    struct pm_event ev;
    struct pm_error err;
    struct pm_buf value = {0}, reason = {0};
    test_plain_event(PM_RESULT_DELETED, &ev);
    ev.has |= PM_HAS(reason);
    ev.reason = PM_SLICE("");
    pm_event_encode(&ev, &value);
    size_t rest = value.len + 2; /* the reason's length takes two bytes more than the empty one's */
    pm_buf_reserve(&reason, PM_EVENT_BYTES_MAX);
    memset(reason.ptr, 'x', PM_EVENT_BYTES_MAX);
    ev.reason = pm_slice(reason.ptr, PM_EVENT_BYTES_MAX - rest);
    pm_buf_clear(&value);
    cr_assert_eq(pm_codec_encode(codec, &ev, &value, &err), PM_OK, "%s", err.text);
    cr_assert_eq(value.len, PM_EVENT_BYTES_MAX + PM_FRAME_SINGLE_OBJECT_BYTES);
    ev.reason.len++;
    pm_buf_clear(&value);
    cr_assert_eq(pm_codec_encode(codec, &ev, &value, &err), PM_ELIMIT);
    cr_assert(strstr(err.text, "1048577 bytes as a record; at most 1048576"), "%s", err.text);
    cr_assert_eq(value.len, 0, "nothing is left of it");
    pm_frame_put_single_object(pm_schema_fingerprint(PM_RESULT_DELETED), &value);
    pm_event_encode(&ev, &value);
    expect(codec, pm_buf_slice(&value), PM_ELIMIT, "the record has 1048577 bytes; an event has at most 1048576");
    pm_buf_release(&value);
    pm_buf_release(&reason);
    pm_codec_close(codec);
}

/* ---- schemas from files ---- */

#define OLD_SCHEMA                                                                                              \
    "{\"type\":\"record\",\"name\":\"ResultDeleted\",\"fields\":[{\"name\":\"event_id\",\"type\":\"string\"},"  \
    "{\"name\":\"occurred_at\",\"type\":\"long\"},{\"name\":\"result\",\"type\":\"string\"},{\"name\":\"why\"," \
    "\"type\":\"string\"}]}"
#define OLD_BODY                       \
    "\x40"                             \
    "00112233445566778899aabbccddeeff" \
    "\x02"                             \
    "\x06"                             \
    "a/b"                              \
    "\x06"                             \
    "old"

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void remove_directory(const char *dir)
{
    char command[300];
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    cr_assert_eq(system(command), 0);
}

Test(codec, schemas_from_a_directory)
{
    char dir[] = "/tmp/provmat-test-XXXXXX";
    struct pm_buf value = {0};
    struct pm_codec *codec = NULL;
    struct pm_error err;
    uint64_t fingerprint;
    cr_assert(mkdtemp(dir));
    struct pm_codec_options options = {.schema_dir = dir};
    write_file(dir, "old.avsc", OLD_SCHEMA);
    write_file(dir, "notes.txt", "no schema");
    cr_assert_eq(pm_schema_identify(PM_SLICE(OLD_SCHEMA), &fingerprint, NULL), PM_OK);
    pm_frame_put_single_object(fingerprint, &value);
    pm_buf_slice_add(&value, PM_SLICE(OLD_BODY));
    codec = open_codec(options);
    for (int i = 0; i < 3; i++) {
        struct pm_event ev = expect(codec, pm_buf_slice(&value), PM_OK, NULL);
        cr_assert(ev.type == PM_RESULT_DELETED && ev.occurred_at == 1 && pm_slice_is(ev.result, "a/b"));
        cr_assert_eq(ev.has, PM_HAS(event_id) | PM_HAS(occurred_at) | PM_HAS(result));
    }
    expect(codec, pm_slice(value.ptr, value.len - 1), PM_EFORMAT, "field \"why\"");
    pm_codec_close(codec);
    write_file(dir, "wrong.avsc", "{\"type\":\"record\",\"name\":\"Order\",\"fields\":[]}");
    cr_assert_eq(pm_codec_open(&options, &codec, &err), PM_EUSAGE);
    cr_assert(strstr(err.text, "wrong.avsc: the writer's record \"Order\" is none of the event types"), "%s", err.text);
    write_file(dir, "wrong.avsc", "not json");
    cr_assert_eq(pm_codec_open(&options, &codec, &err), PM_EUSAGE);
    cr_assert(strstr(err.text, "wrong.avsc: not an Avro schema"), "%s", err.text);
    remove_directory(dir);
    cr_assert_eq(pm_codec_open(&options, &codec, &err), PM_EUSAGE);
    cr_assert(strstr(err.text, "could not open schema directory /tmp/provmat-test-"), "%s", err.text);
    pm_buf_release(&value);
}

/* ---- a registry ---- */

static char *registry_url(struct http_stub *stub, const char *user)
{
    static char url[200];
    snprintf(url, sizeof url, "http://%s127.0.0.1:%d/api/", user, http_stub_port(stub));
    return url;
}

Test(codec, schemas_from_a_registry_are_asked_for_once)
{
    static const struct http_answer answers[] = {
        {"GET /api/schemas/ids/7 ", 200,
         "{\"schema\":\"{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"ResultDeleted\\\",\\\"fields\\\":["
         "{\\\"name\\\":\\\"event_id\\\",\\\"type\\\":\\\"string\\\"},{\\\"name\\\":\\\"occurred_at\\\",\\\"type\\\":"
         "\\\"long\\\"},"
         "{\\\"name\\\":\\\"result\\\",\\\"type\\\":\\\"string\\\"},{\\\"name\\\":\\\"why\\\",\\\"type\\\":"
         "\\\"string\\\"}]}\"}"},
        {"GET /api/schemas/ids/8 ", 200, "{\"schema\":\"\\\"string\\\"\"}"},
        {"GET /api/schemas/ids/9 ", 200, "{\"schemaType\":\"PROTOBUF\",\"schema\":\"message M {}\"}"},
        {"GET /api/schemas/ids/10 ", 404, "{\"error_code\":40403,\"message\":\"Schema 10 not found\"}"},
        {"GET /api/schemas/ids/11 ", 200, "{\"schema\":\"\\\"int\\\"\",\"references\":[{\"name\":\"x\"}]}"},
        {NULL, 0, NULL},
    };
    struct http_stub *stub = http_stub_start(answers);
    struct pm_codec *codec = open_codec(
        (struct pm_codec_options){.registry_url = registry_url(stub, ""), .registry_topic = "t"});
    for (int i = 0; i < 3; i++) {
        struct pm_event ev = expect(codec, PM_SLICE("\x00\x00\x00\x00\x07" OLD_BODY), PM_OK, NULL);
        cr_assert(pm_slice_is(ev.result, "a/b"));
        cr_assert_eq(http_stub_requests(stub), 1);
    }
    for (int i = 0; i < 3; i++) {
        expect(codec, PM_SLICE("\x00\x00\x00\x00\x08zz"), PM_ESCHEMA,
               "schema id 8: the writer's schema is string, not a record");
        expect(codec, PM_SLICE("\x00\x00\x00\x00\x09zz"), PM_ESCHEMA, "schema id 9: schema registry http://127.0.0.1:");
        expect(codec, PM_SLICE("\x00\x00\x00\x00\x0azz"), PM_ESCHEMA, "Schema 10 not found");
        expect(codec, PM_SLICE("\x00\x00\x00\x00\x0bzz"), PM_ESCHEMA, "refers to other schemas");
        cr_assert_eq(http_stub_requests(stub), 5);
    }
    pm_codec_close(codec);
    http_stub_stop(stub);
}

Test(codec, many_unknown_ids_do_not_fill_the_memory)
{
    static const struct http_answer answers[] = {
        {"GET /api/schemas/ids/", 404, "{\"error_code\":40403,\"message\":\"no\"}"},
        {NULL, 0, NULL},
    };
    struct http_stub *stub = http_stub_start(answers);
    struct pm_codec *codec = open_codec((struct pm_codec_options){.registry_url = registry_url(stub, "")});
    for (uint32_t id = 0; id < 1100; id++) {
        struct pm_buf value = {0};
        pm_frame_put_confluent(id, &value);
        expect(codec, pm_buf_slice(&value), PM_ESCHEMA, "no");
        pm_buf_release(&value);
    }
    cr_assert_eq(http_stub_requests(stub), 1100);
    pm_codec_close(codec);
    http_stub_stop(stub);
}

/* "No such schema" sends a record to the quarantine; anything else a web server can say must not. */
Test(codec, a_registry_that_is_away_or_wrong_is_no_reason_to_give_a_record_up)
{
    static const struct http_answer answers[] = {
        {"GET /api/schemas/ids/1 ", 503, "{\"message\":\"starting\"}"},
        {"GET /api/schemas/ids/2 ", 404, "<html>not here</html>"},
        {"GET /api/schemas/ids/3 ", 200, "<html>welcome</html>"},
        {"GET /api/schemas/ids/4 ", 200, "{\"hello\":1}"},
        {"GET /api/schemas/ids/5 ", 401, "{\"error_code\":401,\"message\":\"Unauthorized\"}"},
        {"GET /api/schemas/ids/6 ", 200, NULL},
        {"GET /api/schemas/ids/7 ", 429, ""},
        {"GET /api/schemas/ids/8 ", 302, ""},
        {NULL, 0, NULL},
    };
    static const struct {
        const char *value;
        int code;
        const char *text;
    } cases[] = {
        {"\x00\x00\x00\x00\x01", PM_ELOGAWAY, "status 503: starting"},
        {"\x00\x00\x00\x00\x02", PM_ELOG, "status 404 (is schema.registry.url right?): <html>not here"},
        {"\x00\x00\x00\x00\x03", PM_ELOG, "is schema.registry.url right?"},
        {"\x00\x00\x00\x00\x04", PM_ELOG, "without a schema (is schema.registry.url right?)"},
        {"\x00\x00\x00\x00\x05", PM_ELOG, "is user:password@ in schema.registry.url right?"},
        {"\x00\x00\x00\x00\x06", PM_ELOGAWAY, "could not reach the schema registry http://***@127.0.0.1:"},
        {"\x00\x00\x00\x00\x07", PM_ELOGAWAY, "status 429"},
        {"\x00\x00\x00\x00\x08", PM_ELOG, "status 302"},
    };
    struct http_stub *stub = http_stub_start(answers);
    struct pm_codec *codec = open_codec((struct pm_codec_options){.registry_url = registry_url(stub, "user:s3cret@")});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pm_event ev;
        struct pm_arena arena = {0};
        struct pm_error err = {0};
        int rc = pm_codec_decode(codec, pm_slice(cases[i].value, 5), 0, &arena, &ev, &err);
        cr_assert_eq(rc, cases[i].code, "case %zu: %s: %s", i, pm_error_name(rc), err.text);
        cr_assert(strstr(err.text, cases[i].text), "case %zu: %s", i, err.text);
        cr_assert_not(strstr(err.text, "s3cret"), "the password is in the message: %s", err.text);
        cr_assert_neq(pm_error_class(rc), PM_CLASS_POISON);
    }
    http_stub_stop(stub); /* nobody listens any more */
    expect(codec, PM_SLICE("\x00\x00\x00\x00\x63"), PM_ELOGAWAY,
           "schema id 99: could not reach the schema registry http://***@127.0.0.1:");
    pm_codec_close(codec);
}

Test(codec, encoding_registers_each_type_once)
{
    static const struct http_answer answers[] = {
        {"POST /api/subjects/jobs.log-provmat.ResultDeleted/versions ", 200, "{\"id\":66051}"},
        {"POST /api/subjects/jobs.log-provmat.JobStatusChanged/versions ", 409,
         "{\"error_code\":409,\"message\":\"incompatible\"}"},
        {"POST /api/subjects/jobs.log-provmat.ResultFailed/versions ", 200, "{\"id\":-1}"},
        {NULL, 0, NULL},
    };
    struct http_stub *stub = http_stub_start(answers);
    struct pm_codec *codec = open_codec(
        (struct pm_codec_options){.registry_url = registry_url(stub, "user:pass@"), .registry_topic = "jobs.log"});
    struct pm_buf value = {0};
    struct pm_event ev;
    struct pm_error err;
    test_plain_event(PM_RESULT_DELETED, &ev);
    for (int i = 0; i < 3; i++) {
        pm_buf_clear(&value);
        cr_assert_eq(pm_codec_encode(codec, &ev, &value, &err), PM_OK, "%s", err.text);
        cr_assert(pm_slice_starts(pm_buf_slice(&value), PM_SLICE("\x00\x00\x01\x02\x03\x40")));
    }
    cr_assert_eq(http_stub_requests(stub), 1);
    cr_assert(strstr(http_stub_last(stub), "Authorization: Basic dXNlcjpwYXNz"));
    cr_assert(strstr(http_stub_last(stub), "application/vnd.schemaregistry.v1+json"));
    cr_assert(strstr(http_stub_last(stub),
                     "{\"schema\":\"{\\n  \\\"type\\\": \\\"record\\\",\\n  \\\"name\\\": \\\"ResultDeleted\\\""));
    test_plain_event(PM_JOB_STATUS_CHANGED, &ev);
    cr_assert_eq(pm_codec_encode(codec, &ev, &value, &err), PM_ELOG);
    cr_assert(
        strstr(err.text, "subject jobs.log-provmat.JobStatusChanged: schema registry http://***@127.0.0.1:") &&
            strstr(err.text, "incompatible with the subject's earlier ones): incompatible"),
        "%s", err.text);
    test_plain_event(PM_RESULT_FAILED, &ev);
    cr_assert_eq(pm_codec_encode(codec, &ev, &value, &err), PM_ELOG);
    cr_assert(strstr(err.text, "without an id"), "%s", err.text);
    pm_codec_close(codec);
    http_stub_stop(stub);
    pm_buf_release(&value);
}

Test(codec, a_log_without_a_topic_registers_by_the_record_name_alone)
{
    static const struct http_answer answers[] = {
        {"POST /api/subjects/provmat.ResultDeleted/versions ", 200, "{\"id\":5}"},
        {NULL, 0, NULL},
    };
    struct http_stub *stub = http_stub_start(answers);
    struct pm_codec *codec = open_codec((struct pm_codec_options){.registry_url = registry_url(stub, "")});
    struct pm_buf value = {0};
    struct pm_event ev;
    struct pm_error err;
    test_plain_event(PM_RESULT_DELETED, &ev);
    cr_assert_eq(pm_codec_encode(codec, &ev, &value, &err), PM_OK, "%s", err.text);
    cr_assert(pm_slice_starts(pm_buf_slice(&value), PM_SLICE("\x00\x00\x00\x00\x05\x40")));
    pm_codec_close(codec);
    http_stub_stop(stub);
    pm_buf_release(&value);
}

Test(codec, registry_urls_that_are_none)
{
    static const char *const urls[] = {"registry:8081", "ftp://host/", "file:///etc/passwd", "http://", ""};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct pm_codec *codec = NULL;
        struct pm_error err;
        struct pm_codec_options options = {.registry_url = urls[i]};
        cr_assert_eq(pm_codec_open(&options, &codec, &err), PM_EUSAGE, "%s", urls[i]);
        cr_assert(strstr(err.text, "schema.registry.url"), "%s", err.text);
    }
}

/* With a real registry: what one codec registers another one reads, and nobody needs our fingerprints. */
Test(codec, a_real_registry)
{
    const char *url = getenv("PROVMAT_TEST_REGISTRY");
    if (!url || !*url) cr_skip_test("PROVMAT_TEST_REGISTRY is not set");
    char topic[60];
    snprintf(topic, sizeof topic, "unit-test-%ld", (long)getpid());
    struct pm_codec *writer = open_codec((struct pm_codec_options){.registry_url = url, .registry_topic = topic});
    struct pm_codec *reader = open_codec((struct pm_codec_options){.registry_url = url});
    for (int type = 0; type < PM_EVENT_TYPE_COUNT; type++) {
        struct pm_event ev;
        struct pm_error err;
        struct pm_buf value = {0};
        test_plain_event((enum pm_event_type)type, &ev);
        cr_assert_eq(pm_codec_encode(writer, &ev, &value, &err), PM_OK, "%s", err.text);
        cr_assert_eq(value.ptr[0], 0);
        struct pm_event back = expect(reader, pm_buf_slice(&value), PM_OK, NULL);
        const char *difference = test_event_difference(&ev, &back);
        cr_assert_null(difference, "%s: %s", pm_event_type_name(ev.type), difference);
        pm_buf_release(&value);
    }
    expect(reader, PM_SLICE("\x00\x7f\xff\xff\xff"), PM_ESCHEMA, "schema id 2147483647: schema registry ");
    pm_codec_close(writer);
    pm_codec_close(reader);
}
