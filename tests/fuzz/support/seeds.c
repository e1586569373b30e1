/* seeds.c: the first inputs of every fuzz target, from real events and from the codecs themselves.
 *
 *   fuzz-seeds DIRECTORY < examples/week/events.ndjson        writes DIRECTORY/TARGET/seed-N
 *
 * Of each event type the first few short lines are taken. What a fuzzer finds from there is minimised into
 * tests/fuzz/corpus. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/event/codec.h"
#include "common/event/frame.h"
#include "common/event/identity.h"
#include "common/log/local_record.h"
#include "common/store/layout.h"
#include "common/store/posting.h"
#include "common/store/record.h"
#include "common/store/runs.h"
#include "tests/fuzz/support/fuzz.h"
#include "tests/support/events.h"

#define LINES_OF_TYPE 3
#define LINE_BYTES_MAX 1500
#define RANDOM_EVENTS 3
#define DIGEST "4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2"

static const char *directory;
static unsigned written;
static struct pm_arena arena;
static struct pm_buf body;

static void seed(const char *target, struct pm_slice head, struct pm_slice rest)
{
    PM_CLEANUP(pm_buf_release) struct pm_buf path = {0};
    pm_buf_printf(&path, "%s/%s", directory, target);
    mkdir(path.ptr, 0777);
    pm_buf_printf(&path, "/seed-%03u", written++);
    FILE *file = fopen(path.ptr, "wb");
    PM_CHECK(file);
    PM_CHECK(fwrite(head.ptr, 1, head.len, file) == head.len && fwrite(rest.ptr, 1, rest.len, file) == rest.len);
    PM_CHECK(fclose(file) == 0);
}

static void event_seeds(const struct pm_event *ev)
{
    char type = (char)ev->type;
    pm_buf_clear(&body);
    pm_event_encode(ev, &body);
    seed("avro", pm_slice(&type, 1), pm_buf_slice(&body));
    seed("avro_differs", pm_slice(&type, 1), pm_buf_slice(&body));
}

static void line_seeds(struct pm_slice line)
{
    static unsigned taken[PM_EVENT_TYPE_COUNT];
    struct pm_event ev;
    pm_arena_reset(&arena);
    PM_CHECK(pm_event_from_json(line, 0, &arena, &ev, NULL) == PM_OK);
    if (line.len > LINE_BYTES_MAX || taken[ev.type] == LINES_OF_TYPE) return;
    taken[ev.type]++;
    seed("event_json", line, pm_slice("", 0));
    seed("codec", line, pm_slice("", 0));
    event_seeds(&ev);
    static struct pm_buf frame;
    pm_buf_clear(&frame);
    pm_frame_put_single_object(pm_schema_fingerprint(ev.type), &frame);
    seed("codec", pm_buf_slice(&frame), pm_buf_slice(&body));
    seed("frame", pm_buf_slice(&frame), pm_slice(body.ptr, 8));
    pm_buf_clear(&frame);
    pm_frame_put_confluent(7, &frame);
    seed("frame", pm_buf_slice(&frame), pm_slice(body.ptr, 8));
    if (pm_event_has(&ev, PM_HAS(params))) seed("params", ev.params, pm_slice("", 0));
    if (pm_event_has(&ev, PM_HAS(result))) seed("path", ev.result, pm_slice("", 0));
}

static void random_events(void)
{
    uint64_t state = 1;
    for (unsigned i = 0; i < RANDOM_EVENTS * PM_EVENT_TYPE_COUNT; i++) {
        struct pm_event ev;
        pm_arena_reset(&arena);
        test_random_event((enum pm_event_type)(i % PM_EVENT_TYPE_COUNT), &state, &arena, &ev);
        event_seeds(&ev);
    }
}

static void postings(void)
{
    static struct pm_buf out;
    for (size_t n = 1; n <= PM_CHUNK_PAIRS_MAX; n *= 8) {
        static struct pm_pair pairs[PM_CHUNK_PAIRS_MAX];
        for (size_t i = 0; i < n; i++) {
            pairs[i] = (struct pm_pair){.result = i * i + 3, .roles = (unsigned)(1 + i % 15)};
            for (int role = 0; role < PM_ROLE_COUNT; role++)
                pairs[i].at[role] = 1700000000000000 + (int64_t)(i * 977) * (role - 1);
        }
        pm_buf_clear(&out);
        pm_posting_encode(pairs, n, &out);
        seed("posting", pm_buf_slice(&out), pm_slice("", 0));
    }
}

static struct pm_record a_record(unsigned type, unsigned present)
{
    static char id[64];
    struct pm_record rec = {.stamp = {.type = (uint8_t)type, .at = 1700000000000000, .job1 = type % 2 ? 300 : 0},
                            .present = present,
                            .kind = PM_KIND_AGG,
                            .path = PM_SLICE("token/v1/4f446dbc7bd0/seed_77/agg_mean/target_t:x/tail"),
                            .params = PM_SLICE("{\"beta\":0.5}"),
                            .aggregation_id = PM_SLICE("mean"),
                            .schema_version = -3,
                            .bundle = 5,
                            .seed = 77,
                            .loss = 0.25,
                            .n_replicates = 10,
                            .param_id = PM_SLICE("short")};
    if (present & PM_FIELD_BIT(PM_FIELD_PARAMS)) {
        pm_param_id(rec.params, id);
        rec.param_id = pm_slice(id, 64);
    } else if (type == PM_RESULT_REUSED) {
        rec.param_id = PM_SLICE(DIGEST);
    }
    return rec;
}

static void records(void)
{
    static struct pm_buf out, outputs, texts;
    static const unsigned present[] = {
        0, 0x7fff, 0x7fff & ~PM_FIELD_BIT(PM_FIELD_PARAMS), PM_FIELD_BIT(PM_FIELD_OUTPUTS), 0x5555, 0x2aaa};
    static const unsigned types[] = {PM_RESULT_COMPUTED, PM_RESULT_DISCOVERED, PM_RESULT_REUSED, PM_RESULT_FAILED,
                                     PM_CLASS_UNKNOWN};
    pm_outputs_begin(&outputs, 2);
    pm_outputs_add(&outputs, 1, 100, PM_SLICE(DIGEST));
    pm_outputs_add(&outputs, 2, 0, PM_SLICE("crc:7"));
    pm_buf_byte(&texts, 64);
    pm_buf_cstr(&texts, DIGEST);
    pm_buf_byte(&texts, 3);
    pm_buf_cstr(&texts, "t:x");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        for (size_t j = 0; j < sizeof present / sizeof *present; j++) {
            struct pm_record rec = a_record(types[i], types[i] == PM_CLASS_UNKNOWN ? 0 : present[j]);
            rec.outputs = pm_buf_slice(&outputs);
            rec.moved = j == 1;
            pm_buf_clear(&out);
            pm_record_encode(&rec, PM_SLICE(DIGEST), PM_SLICE("t:x"), &out);
            seed("record", pm_buf_slice(&texts), pm_buf_slice(&out));
        }
    }
}

static void runs(void)
{
    uint64_t state = 5;
    for (unsigned i = 0; i < 8u * PM_RUN_KIND_COUNT; i++) {
        char bytes[1200];
        for (size_t j = 0; j < sizeof bytes; j++) bytes[j] = (char)(test_random(&state) % (i % 2 ? 3 : 256));
        char head[] = {(char)(i % PM_RUN_KIND_COUNT), (char)(i / PM_RUN_KIND_COUNT), 1, 1};
        seed("runs", pm_slice(head, sizeof head), pm_slice(bytes, i % 2 ? sizeof bytes : 120));
    }
}

static void quarantine(void)
{
    static struct pm_buf out;
    static const int64_t times[] = {-1, 0, 1700000000000, INT64_MAX};
    uint8_t key[12];
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        pm_buf_clear(&out);
        pm_quarantine_put(i % 2 ? PM_EFORMAT : PM_ESCHEMA, times[i], PM_SLICE("it is cut"), PM_SLICE("job-1"),
                          i == 0 ? pm_slice(NULL, 0) : PM_SLICE("{\"type\":1}"), &out);
        seed("quarantine", pm_quarantine_key((int32_t)i, 1 << i, key), pm_buf_slice(&out));
    }
}

static void local_records(void)
{
    static struct pm_buf out;
    const struct pm_slice values[] = {pm_slice(NULL, 0), pm_slice("", 0), PM_SLICE("{\"type\":\"ResultDeleted\"}")};
    for (size_t i = 0; i < 6; i++) {
        pm_buf_clear(&out);
        pm_local_record_encode(i < 3 ? PM_SLICE("job-1") : pm_slice("", 0), values[i % 3], (int64_t)i - 1, &out);
        seed("local_record", pm_buf_slice(&out), pm_slice("", 0));
    }
}

static void side_row(unsigned field, const struct pm_stamp *stamp, struct pm_slice value)
{
    uint8_t stamp_bytes[PM_STAMP_BYTES];
    pm_stamp_put(stamp, stamp_bytes);
    pm_buf_byte(&body, (uint8_t)field);
    pm_buf_byte(&body, (uint8_t)(PM_STAMP_BYTES + value.len));
    pm_buf_bytes(&body, stamp_bytes, PM_STAMP_BYTES);
    pm_buf_slice_add(&body, value);
}

/* All fields of one event beside another, and both marks. */
static void side_facts(void)
{
    static struct pm_buf outputs, value, out;
    pm_outputs_begin(&outputs, 1);
    pm_outputs_add(&outputs, 1, 5, PM_SLICE("crc:8"));
    for (unsigned type = PM_RESULT_COMPUTED; type <= PM_RESULT_FAILED; type++) {
        struct pm_record rec = a_record(type, 0x7fff),
                         primary = a_record(PM_RESULT_COMPUTED, type % 2 ? 0x7fff : 0x2aaa);
        rec.outputs = primary.outputs = pm_buf_slice(&outputs);
        pm_buf_clear(&body);
        pm_buf_byte(&body, PM_FIELD_COUNT + 2);
        for (unsigned field = 0; field < PM_FIELD_COUNT; field++) {
            pm_buf_clear(&value);
            pm_record_field_put(&rec, (enum pm_field)field, &value);
            side_row(field, &rec.stamp, pm_buf_slice(&value));
        }
        side_row(PM_SIDE_LATEST_PRODUCED, &rec.stamp, pm_slice("", 0));
        side_row(PM_SIDE_LATEST_DELETED, &rec.stamp, pm_slice("", 0));
        pm_buf_clear(&out);
        pm_record_encode(&primary, PM_SLICE(DIGEST), PM_SLICE("t:x"), &out);
        seed("side_facts", pm_buf_slice(&body), pm_buf_slice(&out));
    }
}

static void schemas(void)
{
    static const char *const texts[] = {
        "\"int\"",
        "[\"null\",{\"type\":\"map\",\"values\":\"bytes\"}]",
        "{\"type\":\"fixed\",\"size\":\"016\",\"name\":\"Md5\",\"namespace\":\"a.b\"}",
        "{\"type\":\"record\",\"name\":\"x.ResultDeleted\",\"fields\":[{\"name\":\"result\",\"type\":\"string\"},"
        "{\"name\":\"occurred_at\",\"type\":\"int\"},{\"name\":\"event_id\",\"type\":{\"type\":\"fixed\",\"name\":"
        "\"Id\","
        "\"size\":16}},{\"name\":\"more\",\"type\":{\"type\":\"array\",\"items\":[\"null\",\"double\"]}}]}",
        "{\"type\":\"record\",\"name\":\"JobStatusChanged\",\"fields\":[{\"name\":\"job_id\",\"type\":\"bytes\"},"
        "{\"name\":\"occurred_at\",\"type\":\"long\"},{\"name\":\"event_id\",\"type\":{\"type\":\"fixed\",\"name\":"
        "\"Id\","
        "\"size\":16}},{\"name\":\"status\",\"type\":{\"type\":\"enum\",\"name\":\"S\",\"symbols\":[\"running\","
        "\"failed\"]}}]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        seed("schema", pm_slice(texts[i], strlen(texts[i]) + 1),
             PM_SLICE("\x06"
                      "a/b\x0e"
                      "0123456789abcdef"
                      "\x02\x02\0"));
}

static void config(void)
{
    static const char *const texts[] = {"\xEF\xBB\xBF# remark\r\n provmat.log = kafka://h:1/t \r\n\r\nprovmat.index=x",
                                        "a=b=c\n  # x\nsasl.password=\nd\n", "=x", "a=1\na=2"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) seed("config", pm_slice_cstr(texts[i]), pm_slice("", 0));
}

int main(int argc, char **argv)
{
    if (argc != 2) return fputs("usage: fuzz-seeds DIRECTORY < LINES\n", stderr), 2;
    directory = argv[1];
    mkdir(directory, 0777);
    char *line = NULL;
    size_t cap = 0;
    for (ssize_t n; (n = getline(&line, &cap, stdin)) > 0;) line_seeds(pm_slice(line, (size_t)n - 1));
    free(line);
    random_events();
    postings();
    records();
    runs();
    quarantine();
    local_records();
    side_facts();
    schemas();
    config();
    printf("%u seeds\n", written);
    return 0;
}
