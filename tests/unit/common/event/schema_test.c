/* schema_test.c: the built-in schemas against their files and against fields.def; canonical forms and fingerprints
 * against known ones. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "common/base/json.h"
#include "common/event/schema.h"

/* ---- Parsing Canonical Form ---- */

static void canonical(const char *json, const char *expected)
{
    struct pm_buf out = {0};
    struct pm_error err = {0};
    cr_assert_eq(pm_schema_canonical(pm_slice_cstr(json), &out, &err), PM_OK, "%s: %s", json, err.text);
    cr_assert(pm_slice_is(pm_buf_slice(&out), expected), "%s\n gives %.*s\n not   %s", json,
              PM_SLICE_ARG(pm_buf_slice(&out)), expected);
    pm_buf_release(&out);
}

Test(schema, canonical_form)
{
    canonical("\"int\"", "\"int\"");
    canonical(" { \"type\" : \"int\" } ", "\"int\"");
    canonical("{\"type\":{\"type\":\"int\"}}", "\"int\"");
    canonical("[ ]", "[]");
    canonical("\"a\\\"b\"", "\"a\\\"b\""); /* no name that Avro allows, but it stays one string */
    canonical("[\"null\", {\"type\":\"string\",\"doc\":\"x\"}]", "[\"null\",\"string\"]");
    canonical("{\"items\":{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"},\"type\":\"array\"}",
              "{\"type\":\"array\",\"items\":\"long\"}");
    canonical("{\"values\":\"bytes\",\"type\":\"map\"}", "{\"type\":\"map\",\"values\":\"bytes\"}");
    canonical("{\"type\":\"fixed\",\"size\":\"016\",\"name\":\"Md5\",\"namespace\":\"a.b\"}",
              "{\"name\":\"a.b.Md5\",\"type\":\"fixed\",\"size\":16}");
    canonical("{\"type\":\"enum\",\"symbols\":[\"A\",\"\\u0042\"],\"name\":\"x.E\",\"namespace\":\"ignored\","
              "\"default\":\"A\",\"aliases\":[\"F\"]}",
              "{\"name\":\"x.E\",\"type\":\"enum\",\"symbols\":[\"A\",\"B\"]}");
    /* The namespace of a record holds for the names inside, also for those that are only mentioned; an empty one is
     * none. */
    canonical("{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"p.q\",\"doc\":\"d\",\"fields\":["
              "{\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[]},\"name\":\"e\",\"default\":1},"
              "{\"name\":\"again\",\"type\":[\"null\",\"E\",\"R\",\"o.E\"],\"order\":\"ignore\"},"
              "{\"name\":\"in\",\"type\":{\"type\":\"record\",\"name\":\"s.In\",\"fields\":[{\"name\":\"x\",\"type\":"
              "\"Y\"}]}},"
              "{\"name\":\"none\",\"type\":{\"type\":\"fixed\",\"name\":\"N\",\"namespace\":\"\",\"size\":1}}]}",
              "{\"name\":\"p.q.R\",\"type\":\"record\",\"fields\":["
              "{\"name\":\"e\",\"type\":{\"name\":\"p.q.E\",\"type\":\"enum\",\"symbols\":[]}},"
              "{\"name\":\"again\",\"type\":[\"null\",\"p.q.E\",\"p.q.R\",\"o.E\"]},"
              "{\"name\":\"in\",\"type\":{\"name\":\"s.In\",\"type\":\"record\",\"fields\":[{\"name\":\"x\",\"type\":"
              "\"s.Y\"}]}},"
              "{\"name\":\"none\",\"type\":{\"name\":\"N\",\"type\":\"fixed\",\"size\":1}}]}");
}

static void no_schema(const char *json, const char *text)
{
    struct pm_buf out = {0};
    struct pm_error err = {0};
    pm_buf_cstr(&out, "kept");
    cr_assert_eq(pm_schema_canonical(pm_slice_cstr(json), &out, &err), PM_ESCHEMA, "%s", json);
    cr_assert(strstr(err.text, "not an Avro schema") && strstr(err.text, text), "%s: %s", json, err.text);
    cr_assert(pm_slice_is(pm_buf_slice(&out), "kept"));
    pm_buf_release(&out);
}

Test(schema, what_is_no_schema)
{
    no_schema("", "expected");
    no_schema("1", "a schema");
    no_schema("\"int\" 1", "");
    no_schema("{}", "without type");
    no_schema("{\"type\":\"record\",\"name\":\"R\"}", "without fields");
    no_schema("{\"type\":\"record\",\"fields\":[]}", "without name");
    no_schema("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"x\"}]}", "a field without name or type");
    no_schema("{\"type\":\"array\"}", "without items");
    no_schema("{\"type\":\"map\"}", "without values");
    no_schema("{\"type\":\"enum\",\"name\":\"E\"}", "without symbols");
    no_schema("{\"type\":\"fixed\",\"name\":\"F\"}", "without size");
    no_schema("{\"type\":\"fixed\",\"name\":\"F\",\"size\":1.5}", "not a number");
    char deep[101] = "";
    memset(deep, '[', 100);
    no_schema(deep, "");
}

/* ---- fingerprints ---- */

Test(schema, fingerprints)
{
    static const struct {
        const char *json;
        uint64_t fingerprint;
    } known[] = {
        {"\"null\"", 7195948357588979594u},           {"\"int\"", 8247732601305521295u},
        {"{\"type\":\"int\"}", 8247732601305521295u}, {"\"boolean\"", (uint64_t)-6970731678124411036},
        {"\"long\"", (uint64_t)-3434872931120570953},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint64_t fingerprint = 0;
        cr_assert_eq(pm_schema_identify(pm_slice_cstr(known[i].json), &fingerprint, NULL), PM_OK);
        cr_assert_eq(fingerprint, known[i].fingerprint, "%s", known[i].json);
    }
    cr_assert_eq(pm_schema_crc64(PM_SLICE("")), 0xc15d213aa4d7a795u);
}

Test(schema, built_in_schemas_are_the_files_and_keep_their_fingerprints)
{
    for (int type = 0; type < PM_EVENT_TYPE_COUNT; type++) {
        struct pm_buf file = {0};
        char path[100];
        struct pm_error err = {0};
        uint64_t fingerprint;
        enum pm_event_type found;
        snprintf(path, sizeof path, "schemas/%s.v1.avsc", pm_event_type_name((enum pm_event_type)type));
        FILE *in = fopen(path, "rb");
        cr_assert(in, "%s is missing (the tests run at the top of the repository)", path);
        pm_buf_reserve(&file, 65536);
        file.len = fread(file.ptr, 1, 65536, in);
        fclose(in);
        struct pm_slice text = pm_schema_json((enum pm_event_type)type);
        cr_assert(pm_slice_eq(text, pm_buf_slice(&file)), "%s is not what is compiled in", path);
        cr_assert_eq(pm_schema_identify(text, &fingerprint, &err), PM_OK, "%s: %s", path, err.text);
        cr_assert_eq(fingerprint, pm_schema_fingerprint((enum pm_event_type)type), "%s has fingerprint 0x%016llx", path,
                     (unsigned long long)fingerprint);
        cr_assert(pm_schema_find(fingerprint, &found) && (int)found == type);
        pm_buf_release(&file);
    }
    enum pm_event_type found;
    cr_assert_not(pm_schema_find(0, &found));
}

/* ---- schemas/ against fields.def ---- */

#define STRING "\"string\""
#define TIME_TYPE "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}"
#define STRINGS "{\"type\":\"array\",\"items\":\"string\"}"
#define TYPE_TEXT STRING
#define TYPE_PATH STRING
#define TYPE_PARAMS STRING
#define TYPE_OBJECT STRING
#define TYPE_TIME TIME_TYPE
#define TYPE_LONG "\"long\""
#define TYPE_SEED "\"long\""
#define TYPE_DOUBLE "\"double\""
#define TYPE_KIND "{\"type\":\"enum\",\"name\":\"Kind\",\"symbols\":[\"sim\",\"agg\"]}"
#define TYPE_SOURCE "{\"type\":\"enum\",\"name\":\"Source\",\"symbols\":[\"local\",\"remote\",\"scheduler\",\"job\"]}"
#define TYPE_STATUS                                                                                          \
    "{\"type\":\"enum\",\"name\":\"Status\",\"symbols\":[\"pending\",\"running\",\"succeeded\",\"partial\"," \
    "\"failed\",\"cancelled\"]}"
#define TYPE_TEXTS STRINGS
#define TYPE_PATHS STRINGS
#define TYPE_DOUBLES "{\"type\":\"array\",\"items\":\"double\"}"
#define TYPE_OUTPUTS                                                                                                  \
    "{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"Output\",\"fields\":[{\"name\":\"name\",\"type\":" \
    "\"string\"},"                                                                                                    \
    "{\"name\":\"size\",\"type\":\"long\",\"doc\":\"bytes\"},{\"name\":\"checksum\",\"type\":\"string\"}]}}"
#define TYPE_FAILURE                                                                                 \
    "{\"type\":\"record\",\"name\":\"Failure\",\"fields\":[{\"name\":\"type\",\"type\":\"string\"}," \
    "{\"name\":\"message\",\"type\":\"string\"},{\"name\":\"retryable\",\"type\":\"boolean\"}]}"

#define FIELD_REQUIRED(KIND) TYPE_##KIND
#define FIELD_OPTIONAL(KIND) "[\"null\"," TYPE_##KIND "],\"default\":null"

/* What a schema's file says, without blanks and without the fields' docs. */
static void compact_fields(struct pm_slice schema, struct pm_arena *arena, struct pm_buf *out)
{
    struct pm_json in;
    struct pm_slice key;
    bool more;
    cr_assert_eq(pm_json_open(&in, schema, arena, NULL), PM_OK);
    cr_assert_eq(pm_json_enter(&in, '{', NULL), PM_OK);
    for (;;) {
        cr_assert_eq(pm_json_read_key(&in, &key, &more, NULL), PM_OK);
        cr_assert(more, "no fields");
        if (pm_slice_is(key, "fields")) break;
        cr_assert_eq(pm_json_read_compact(&in, NULL, NULL), PM_OK);
    }
    cr_assert_eq(pm_json_enter(&in, '[', NULL), PM_OK);
    for (;;) {
        cr_assert_eq(pm_json_read_item(&in, &more, NULL), PM_OK);
        if (!more) return;
        cr_assert_eq(pm_json_enter(&in, '{', NULL), PM_OK);
        for (bool first = true;; first = false) {
            cr_assert_eq(pm_json_read_key(&in, &key, &more, NULL), PM_OK);
            if (!more) break;
            bool doc = pm_slice_is(key, "doc");
            if (!doc) pm_buf_printf(out, "%s\"%.*s\":", first ? "{" : ",", PM_SLICE_ARG(key));
            cr_assert_eq(pm_json_read_compact(&in, doc ? NULL : out, NULL), PM_OK);
        }
        pm_buf_cstr(out, "}\n");
    }
}

Test(schema, files_say_what_fields_def_says)
{
    struct pm_arena arena = {0};
    struct pm_buf expected = {0}, found = {0};
#define PM_EVENT_BEGIN(TYPE, type, name) pm_buf_clear(&expected);
#define PM_FIELD(m, name, KIND, PRESENCE) \
    pm_buf_cstr(&expected, "{\"name\":\"" name "\",\"type\":" FIELD_##PRESENCE(KIND) "}\n");
#define PM_EVENT_END(TYPE, type, name)                                                                            \
    pm_buf_clear(&found);                                                                                         \
    compact_fields(pm_schema_json(PM_##TYPE), &arena, &found);                                                    \
    cr_assert(pm_slice_eq(pm_buf_slice(&expected), pm_buf_slice(&found)), "%s: fields.def\n%.*s\nschemas/\n%.*s", \
              name, PM_SLICE_ARG(pm_buf_slice(&expected)), PM_SLICE_ARG(pm_buf_slice(&found)));
#include "common/event/fields.def"
    pm_buf_release(&expected);
    pm_buf_release(&found);
    pm_arena_release(&arena);
}
