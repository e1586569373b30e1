/* event_check_test.c: every rule of an event, one step inside and one outside, on events as they come from the log. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "common/base/time.h"
#include "common/event/event.h"
#include "common/event/field.h"

static struct pm_arena arena;
static struct pm_error err;

#define DIGEST "4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2"
#define SET(ev, m, value) ((ev)->m = (value), (ev)->has |= PM_HAS(m))

static struct pm_slice letters(size_t len)
{
    char *text = pm_arena_alloc(&arena, len + 1);
    memset(text, 'x', len);
    return pm_slice(text, len);
}

/* The least that an event of the type must have. */
static struct pm_event least(enum pm_event_type type)
{
    struct pm_event ev = {.type = type};
    SET(&ev, event_id, PM_SLICE("00112233445566778899aabbccddeeff"));
    SET(&ev, occurred_at, 1767603600000000);
    uint64_t need = pm_fields_required[type];
    if (need & PM_HAS(job_id)) SET(&ev, job_id, PM_SLICE("job-1"));
    if (need & PM_HAS(result)) SET(&ev, result, PM_SLICE("token/v1/sims/aaaaaaaaaaaa/e7/8d/params_66157bd2/seed_42"));
    if (need & PM_HAS(kind)) SET(&ev, kind, PM_KIND_SIM);
    if (need & PM_HAS(failure)) {
        ev.failure = (struct pm_failure){PM_SLICE("JSONRPCError"), PM_SLICE("failed"), false};
        ev.has |= PM_HAS(failure);
    }
    struct pm_slice path = PM_SLICE("a/b");
    if (need & PM_HAS(results)) SET(&ev, results, pm_array_of_texts(&arena, &path, 1));
    if (need & PM_HAS(status)) SET(&ev, status, PM_STATUS_RUNNING);
    return ev;
}

static void passes(const struct pm_event *ev) { cr_assert_eq(pm_event_check(ev, &err), PM_OK, "%s", err.text); }

static void fails(const struct pm_event *ev, int code, const char *says)
{
    err.text[0] = '\0';
    cr_assert_eq(pm_event_check(ev, &err), code, "expected \"%s\", got \"%s\"", says, err.text);
    cr_assert(strstr(err.text, says), "expected \"%s\", got \"%s\"", says, err.text);
}

Test(event_check, each_type_needs_its_members_and_refuses_those_of_others)
{
    for (int type = 0; type < PM_EVENT_TYPE_COUNT; type++) {
        struct pm_event whole = least((enum pm_event_type)type);
        passes(&whole);
        for (int member = 0; member < PM_MEMBER_COUNT; member++) {
            uint64_t bit = (uint64_t)1 << member;
            struct pm_event ev = whole;
            char says[100];
            if (pm_fields_required[type] & bit) {
                ev.has &= ~bit;
                snprintf(says, sizeof says, "missing field \"%s\" of %s", pm_member_name((enum pm_member)member),
                         pm_event_type_name((enum pm_event_type)type));
                fails(&ev, PM_EINVALID, says);
            } else if (!(pm_fields_allowed[type] & bit)) {
                ev.has |= bit;
                snprintf(says, sizeof says, "%s has no field \"%s\"", pm_event_type_name((enum pm_event_type)type),
                         pm_member_name((enum pm_member)member));
                fails(&ev, PM_EINVALID, says);
            }
        }
    }
}

Test(event_check, a_job_is_refused_where_the_origin_is_unknown)
{
    struct pm_event ev = least(PM_RESULT_DISCOVERED);
    SET(&ev, job_id, PM_SLICE("job-1"));
    fails(&ev, PM_EINVALID, "ResultDiscovered has no field \"job_id\"");
    ev = least(PM_RESULT_DELETED);
    SET(&ev, job_id, PM_SLICE("job-1"));
    passes(&ev);
}

/* ---- paths ---- */

static const struct {
    const char *path;
    const char *says; /* NULL: a good path */
} paths[] = {
    {"a", NULL},
    {"a/b", NULL},
    {"...", NULL},
    {".hidden/..b/c..", NULL},
    {"a/.hidden/directory/with/a/long/name", NULL},
    {"token/v1/sims/aaaaaaaaaaaa/e7/8d/params_66157bd2/seed_42", NULL},
    {"gr\xc3\xbc\xc3\x9f/\xf0\x9f\xa6\xa0", NULL},
    {"", "cannot be empty"},
    {"/", "begin with '/'"},
    {"/a", "begin with '/'"},
    {"a/", "end with '/'"},
    {"a//b", "empty segment"},
    {".", "segment \".\""},
    {"..", "segment \"..\""},
    {"./a", "segment \".\""},
    {"../a", "segment \"..\""},
    {"a/./b", "segment \".\""},
    {"a/../b", "segment \"..\""},
    {"a/.", "segment \".\""},
    {"a/..", "segment \"..\""},
    {"a\xff", "not UTF-8 at its byte 1 (0xff)"},
};

Test(event_check, paths)
{
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        err.text[0] = '\0';
        int rc = pm_path_check("result", pm_slice_cstr(paths[i].path), &err);
        cr_assert_eq(rc, paths[i].says ? PM_EINVALID : PM_OK, "%s: %s", paths[i].path, err.text);
        if (paths[i].says)
            cr_assert(strstr(err.text, paths[i].says) && strstr(err.text, "result"), "%s: %s", paths[i].path, err.text);
    }
    cr_assert_eq(pm_path_check("result", pm_slice("a\0b", 3), &err), PM_EINVALID);
    cr_assert(strstr(err.text, "NUL at its byte 1"), "%s", err.text);
}

/* What the eight-byte steps must see, wherever it stands. */
Test(event_check, bad_bytes_in_a_path_are_seen_at_every_place)
{
    static const struct pm_slice bad[] = {{"//", 2}, {"/./", 3}, {"/../", 4}, {"\0", 1}, {"\xff", 1}};
    for (size_t len = 1; len <= 60; len++) {
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            for (size_t at = 0; at + bad[i].len <= len; at++) {
                char *path = malloc(len); /* its end is the end of the memory */
                memset(path, 'x', len);
                memcpy(path + at, bad[i].ptr, bad[i].len);
                cr_assert_eq(pm_path_check("p", pm_slice(path, len), NULL), PM_EINVALID, "case %zu at %zu of %zu", i,
                             at, len);
                free(path);
            }
        }
        cr_assert_eq(pm_path_check("p", letters(len), NULL), PM_OK);
    }
}

Test(event_check, limits)
{
    struct pm_event ev = least(PM_RESULT_COMPUTED);
    ev.result = letters(PM_PATH_BYTES_MAX);
    passes(&ev);
    ev.result = letters(PM_PATH_BYTES_MAX + 1);
    fails(&ev, PM_ELIMIT, "result: path of 1025 bytes, above the limit of 1024");
    ev = least(PM_RESULT_COMPUTED);
    ev.job_id = letters(PM_JOB_ID_BYTES_MAX);
    passes(&ev);
    ev.job_id = letters(PM_JOB_ID_BYTES_MAX + 1);
    fails(&ev, PM_ELIMIT, "\"job_id\" has 257 bytes, above the limit of 256");
    ev.job_id = letters(0);
    fails(&ev, PM_EINVALID, "\"job_id\" is empty");
    ev = least(PM_RESULT_COMPUTED);
    SET(&ev, param_id, letters(128));
    passes(&ev);
    ev.param_id = letters(129);
    fails(&ev, PM_ELIMIT, "\"param_id\" has 129 bytes, above the limit of 128");
    ev = least(PM_RESULT_COMPUTED);
    SET(&ev, entrypoint, letters(64 * 1024));
    passes(&ev);
    ev.entrypoint = letters(64 * 1024 + 1);
    fails(&ev, PM_ELIMIT, "\"entrypoint\" has 65537 bytes, above the limit of 65536");
}

static struct pm_array many_texts(uint32_t count)
{
    struct pm_slice *items = pm_arena_alloc(&arena, count * sizeof *items);
    for (uint32_t i = 0; i < count; i++) items[i] = PM_SLICE("a/b");
    return pm_array_of_texts(&arena, items, count);
}

static struct pm_array many_outputs(uint32_t count, uint32_t same)
{
    struct pm_output *items = pm_arena_alloc(&arena, count * sizeof *items);
    for (uint32_t i = 0; i < count; i++) {
        char *name = pm_arena_alloc(&arena, 16);
        items[i] = (struct pm_output){pm_slice(name, (size_t)snprintf(name, 16, "out%u", i < count - same ? i : i - 1)),
                                      PM_SLICE("c"), 0};
    }
    return pm_array_of_outputs(&arena, items, count);
}

Test(event_check, counts)
{
    struct pm_event ev = least(PM_RESULT_COMPUTED);
    SET(&ev, inputs, many_texts(PM_INPUTS_MAX));
    SET(&ev, outputs, many_outputs(PM_OUTPUTS_MAX, 0));
    passes(&ev);
    ev.inputs = many_texts(PM_INPUTS_MAX + 1);
    fails(&ev, PM_ELIMIT, "\"inputs\" has 10001 items, above the limit of 10000");
    ev.inputs = many_texts(0);
    passes(&ev);
    ev.outputs = many_outputs(PM_OUTPUTS_MAX + 1, 0);
    fails(&ev, PM_ELIMIT, "\"outputs\" has 1025 items, above the limit of 1024");
    for (uint32_t count = 2; count <= 40; count++) {
        ev.outputs = many_outputs(count, 0);
        passes(&ev);
        ev.outputs = many_outputs(count, 1);
        fails(&ev, PM_EINVALID, "outputs: duplicate name \"out");
    }
    ev = least(PM_RESULTS_EXPECTED);
    ev.results = many_texts(PM_EXPECTED_MAX);
    passes(&ev);
    ev.results = many_texts(PM_EXPECTED_MAX + 1);
    fails(&ev, PM_ELIMIT, "\"results\" has 1001 items, above the limit of 1000");
    ev.results = many_texts(0);
    fails(&ev, PM_EINVALID, "\"results\" is empty");
}

/* ---- values ---- */

Test(event_check, numbers)
{
    struct pm_event ev = least(PM_RESULT_COMPUTED);
    SET(&ev, loss, -0.0);
    SET(&ev, n_replicates, 1);
    SET(&ev, duration_us, 0);
    SET(&ev, schema_version, INT64_MIN);
    SET(&ev, seed, UINT64_MAX);
    passes(&ev);
    ev.loss = NAN;
    fails(&ev, PM_EINVALID, "loss must be a finite number, not NaN");
    ev.loss = -INFINITY;
    fails(&ev, PM_EINVALID, "loss must be a finite number, not -Infinity");
    ev.loss = 0;
    ev.n_replicates = 0;
    fails(&ev, PM_EINVALID, "n_replicates must be at least 1, not 0");
    ev.n_replicates = 1;
    ev.duration_us = -1;
    fails(&ev, PM_EINVALID, "duration_us must be at least 0, not -1");
    ev.duration_us = 0;
    double losses[] = {1, INFINITY};
    SET(&ev, replicate_losses, pm_array_of_doubles(&arena, losses, 1));
    passes(&ev);
    ev.replicate_losses = pm_array_of_doubles(&arena, losses, 2);
    fails(&ev, PM_EINVALID, "replicate_losses must be finite numbers, not Infinity");
}

Test(event_check, times)
{
    struct pm_event ev = least(PM_RESULT_REUSED);
    SET(&ev, stored_at, PM_TIME_MIN);
    ev.occurred_at = PM_TIME_MAX;
    passes(&ev);
    ev.stored_at--;
    fails(&ev, PM_EINVALID, "\"stored_at\"");
    ev.stored_at++;
    ev.occurred_at++;
    fails(&ev, PM_EINVALID, "\"occurred_at\"");
}

Test(event_check, outputs)
{
    struct pm_output output = {PM_SLICE("a"), PM_SLICE("c"), 0};
    struct pm_event ev = least(PM_RESULT_COMPUTED);
    SET(&ev, outputs, pm_array_of_outputs(&arena, &output, 1));
    passes(&ev);
    output.size = -1;
    ev.outputs = pm_array_of_outputs(&arena, &output, 1);
    fails(&ev, PM_EINVALID, "size must be at least 0, not -1");
    output = (struct pm_output){PM_SLICE(""), PM_SLICE("c"), 0};
    ev.outputs = pm_array_of_outputs(&arena, &output, 1);
    fails(&ev, PM_EINVALID, "\"outputs.name\" is empty");
    output = (struct pm_output){PM_SLICE("a"), PM_SLICE(""), 0};
    ev.outputs = pm_array_of_outputs(&arena, &output, 1);
    fails(&ev, PM_EINVALID, "\"outputs.checksum\" is empty");
}

Test(event_check, ids)
{
    struct pm_event ev = least(PM_RESULT_COMPUTED);
    ev.event_id = PM_SLICE("00112233445566778899aabbccddeef");
    fails(&ev, PM_EINVALID, "event_id");
    ev.event_id = PM_SLICE("00112233445566778899AABBCCDDEEFF");
    fails(&ev, PM_EINVALID, "is not 32 lower-case hex digits");
    ev = least(PM_RESULT_COMPUTED);
    SET(&ev, bundle_digest, PM_SLICE(DIGEST));
    passes(&ev);
    SET(&ev, bundle_ref, PM_SLICE("repo@sha256:" DIGEST));
    passes(&ev);
    ev.bundle_digest = PM_SLICE("5f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2");
    fails(&ev, PM_EINVALID, "does not agree with bundle_ref");
    ev.bundle_digest = PM_SLICE("sha256:" DIGEST);
    fails(&ev, PM_EINVALID, "is not 64 lower-case hex digits");
    ev.has &= ~PM_HAS(bundle_digest);
    passes(&ev);
    ev.bundle_ref = PM_SLICE("local://dev");
    fails(&ev, PM_EINVALID, "bundle_ref \"local://dev\"");
}

Test(event_check, params_are_canonical_and_agree_with_their_id)
{
    struct pm_event ev = least(PM_RESULT_COMPUTED);
    SET(&ev, params, PM_SLICE("{\"x\":1}"));
    passes(&ev);
    SET(&ev, param_id, PM_SLICE("4560ff738e380536d589079a5e24b30713f9257440dfb2f0134f7350c0985942"));
    passes(&ev);
    ev.params = PM_SLICE("{\"x\":1.0}");
    fails(&ev, PM_EINVALID,
          "does not agree with params, whose id is 3f1b615cf1dab4bfd2505c195f18fe8d70035f80beb5b0056c93844204158684");
    ev.params = PM_SLICE("{\"x\": 1}");
    fails(&ev, PM_EINVALID, "not in canonical form");
}

Test(event_check, objects_are_strict_json)
{
    struct pm_event ev = least(PM_RESULT_COMPUTED);
    SET(&ev, diagnostics, PM_SLICE("{\"a\": [1, null]}"));
    passes(&ev);
    ev.diagnostics = PM_SLICE("[1]");
    fails(&ev, PM_EFORMAT, "field \"diagnostics\"");
    ev.diagnostics = PM_SLICE("{\"a\":1} x");
    fails(&ev, PM_EFORMAT, "field \"diagnostics\"");
    ev.diagnostics = PM_SLICE("{\"a\":1,\"a\":2}");
    fails(&ev, PM_EINVALID, "duplicate key \"a\"");
    struct pm_buf text = {0};
    pm_buf_cstr(&text, "{\"a\":\"");
    while (text.len < PM_DIAGNOSTICS_BYTES_MAX - 2) pm_buf_byte(&text, 'x');
    pm_buf_cstr(&text, "\"}");
    ev.diagnostics = pm_buf_slice(&text);
    passes(&ev);
    text.len -= 2;
    pm_buf_cstr(&text, "x\"}");
    ev.diagnostics = pm_buf_slice(&text);
    fails(&ev, PM_ELIMIT, "\"diagnostics\" has 65537 bytes, above the limit of 65536");
    pm_buf_release(&text);
    ev = least(PM_JOB_SUBMITTED);
    SET(&ev, job_inputs, PM_SLICE("{} {}"));
    fails(&ev, PM_EFORMAT, "field \"inputs\"");
}

Test(event_check, every_text_is_utf8)
{
    for (int type = 0; type < PM_EVENT_TYPE_COUNT; type++) {
        for (size_t i = 0; i < pm_field_tables[type].count; i++) {
            const struct pm_field *field = &pm_field_tables[type].fields[i];
            struct pm_event ev = least((enum pm_event_type)type);
            struct pm_slice bad = PM_SLICE("a long enough text\xff");
            struct pm_output output = {bad, PM_SLICE("c"), 0};
            void *member = pm_field_of(&ev, field);
            ev.has |= (uint64_t)1 << field->member;
            switch (field->kind) {
            case PM_FIELD_TEXT:
            case PM_FIELD_PATH:
            case PM_FIELD_PARAMS:
            case PM_FIELD_OBJECT: memcpy(member, &bad, sizeof bad); break;
            case PM_FIELD_TEXTS:
            case PM_FIELD_PATHS: *(struct pm_array *)member = pm_array_of_texts(&arena, &bad, 1); break;
            case PM_FIELD_OUTPUTS: *(struct pm_array *)member = pm_array_of_outputs(&arena, &output, 1); break;
            case PM_FIELD_FAILURE: ev.failure.message = bad; break;
            default: continue;
            }
            cr_assert_neq(pm_event_check(&ev, &err), PM_OK, "%s.%s", pm_event_type_name((enum pm_event_type)type),
                          field->name.ptr);
        }
    }
}
