/* record_test.c: compact records both ways, the path's short form, side values, sums. */
#include "common/store/record.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/event/identity.h"
#include "tests/support/events.h"

static struct pm_arena arena;
static struct pm_buf scratch;
static struct pm_error err;

static void teardown(void)
{
    pm_arena_release(&arena);
    pm_buf_release(&scratch);
}
TestSuite(record, .fini = teardown);

#define DIGEST "4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2"
#define ALL_FIELDS ((1u << PM_FIELD_COUNT) - 1)

/* A copy of exactly its length, so that a sanitizer sees every byte read past it. Free it. */
static struct pm_slice exact(struct pm_slice s)
{
    char *p = malloc(s.len ? s.len : 1);
    if (s.len) memcpy(p, s.ptr, s.len);
    return pm_slice(p, s.len);
}

static struct pm_slice text_of(uint64_t *state, size_t max)
{
    size_t n = test_random(state) % (max + 1);
    char *p = pm_arena_alloc(&arena, n + 1);
    for (size_t i = 0; i < n; i++) p[i] = (char)(' ' + test_random(state) % 90);
    return pm_slice(p, n);
}

static uint64_t wide(uint64_t *state) { return test_random(state) >> test_random(state) % 64; }

static struct pm_slice outputs_of(uint64_t *state)
{
    pm_buf_clear(&scratch);
    uint32_t n = (uint32_t)(test_random(state) % 4);
    pm_outputs_begin(&scratch, n);
    for (uint32_t i = 0; i < n; i++) {
        struct pm_slice checksum = test_random(state) % 2 ? PM_SLICE(DIGEST) : text_of(state, 40);
        pm_outputs_add(&scratch, (uint32_t)wide(state), (int64_t)(wide(state) >> 1), checksum);
    }
    return pm_arena_copy(&arena, pm_buf_slice(&scratch));
}

/* Any values for the fields in `present`. */
static struct pm_record record_of(uint64_t *state, unsigned type, unsigned present)
{
    struct pm_record rec = {.present = present, .path = PM_SLICE("a/b")};
    rec.stamp.type = (uint8_t)type;
    if (type != PM_CLASS_UNKNOWN) {
        rec.stamp.at = (int64_t)test_random(state) >> test_random(state) % 64;
        rec.stamp.job1 = (uint32_t)wide(state);
        for (int i = 0; i < PM_EVENT_ID_BYTES; i++) rec.stamp.event_id[i] = (uint8_t)test_random(state);
    }
    rec.kind = (enum pm_kind)(test_random(state) % 2);
    rec.schema = (uint32_t)wide(state);
    rec.schema_version = (int64_t)test_random(state) >> test_random(state) % 64;
    rec.bundle = (uint32_t)wide(state);
    rec.model = (uint32_t)wide(state);
    rec.entrypoint = (uint32_t)wide(state);
    rec.target = (uint32_t)wide(state);
    rec.target_digest = (uint32_t)wide(state);
    rec.params = PM_SLICE("{\"beta\":0.5,\"n\":1}");
    char *id = pm_arena_alloc(&arena, 64);
    pm_param_id(rec.params, id);
    rec.param_id = pm_slice(id, 64);
    if (!(present & PM_FIELD_BIT(PM_FIELD_PARAMS)) && test_random(state) % 2) rec.param_id = text_of(state, 70);
    rec.aggregation_id = text_of(state, 300);
    rec.seed = wide(state);
    uint64_t bits = test_random(state);
    memcpy(&rec.loss, &bits, 8);
    rec.n_replicates = (int64_t)(wide(state) >> 1);
    rec.outputs = outputs_of(state);
    return rec;
}

static struct pm_slice field_bytes(const struct pm_record *rec, enum pm_field field)
{
    pm_buf_clear(&scratch);
    pm_record_field_put(rec, field, &scratch);
    return pm_arena_copy(&arena, pm_buf_slice(&scratch));
}

/* Every field that both have is the same, and they have the same ones. */
static void assert_same(const struct pm_record *a, const struct pm_record *b)
{
    cr_assert_eq(a->present, b->present, "%x %x", a->present, b->present);
    for (unsigned field = 0; field < PM_FIELD_COUNT; field++)
        if (a->present >> field & 1)
            cr_assert(pm_slice_eq(field_bytes(a, (enum pm_field)field), field_bytes(b, (enum pm_field)field)), "%s",
                      pm_field_name((enum pm_field)field));
}

static void decode(struct pm_slice bytes, struct pm_record *ret, struct pm_slice *form)
{
    cr_assert_eq(pm_record_decode(bytes, ret, form, &err), PM_OK, "%s", err.text);
}

Test(record, every_subset_of_fields_comes_back)
{
    uint64_t state = 1;
    for (unsigned present = 0; present <= ALL_FIELDS; present++) {
        pm_arena_reset(&arena);
        struct pm_record rec = record_of(&state, present % 4, present), back;
        struct pm_buf bytes = {0};
        struct pm_slice form;
        pm_record_encode(&rec, PM_SLICE(DIGEST), PM_SLICE("t"), &bytes);
        struct pm_slice copy = exact(pm_buf_slice(&bytes));
        decode(copy, &back, &form);
        assert_same(&rec, &back);
        cr_assert_eq(pm_stamp_cmp(&rec.stamp, &back.stamp), 0);
        cr_assert_eq(rec.stamp.job1, back.stamp.job1);
        cr_assert(!back.moved);
        cr_assert_eq(pm_record_identity_sum(&rec), pm_record_identity_sum(&back), "%x", present);
        cr_assert_eq(pm_record_observed_sum(&rec), pm_record_observed_sum(&back), "%x", present);
        cr_assert(pm_slice_is(pm_record_path(&back, form, PM_SLICE(DIGEST), PM_SLICE("t"), &arena), "a/b"));
        free((void *)(uintptr_t)copy.ptr);
        pm_buf_release(&bytes);
    }
}

Test(record, a_record_without_facts_is_its_path)
{
    struct pm_record rec = {.stamp = {.type = PM_CLASS_UNKNOWN}, .path = PM_SLICE("a/b")}, back;
    struct pm_buf bytes = {0};
    struct pm_slice form;
    pm_record_encode(&rec, PM_SLICE(""), PM_SLICE(""), &bytes);
    cr_assert_eq(bytes.len, 1 + 2 + 1 + 4);
    decode(pm_buf_slice(&bytes), &back, &form);
    cr_assert_eq(back.stamp.type, PM_CLASS_UNKNOWN);
    cr_assert_eq(back.present, 0);
    cr_assert_eq(back.stamp.job1, 0);
    cr_assert_null(pm_record_param_id(&back, NULL).ptr);
    cr_assert(pm_slice_is(pm_record_path(&back, form, PM_SLICE(""), PM_SLICE(""), &arena), "a/b"));
    pm_buf_release(&bytes);
}

Test(record, a_moved_record_says_whose_it_is)
{
    uint64_t state = 2;
    static const uint64_t numbers[] = {0, 1, 127, 128, 4294967295};
    for (size_t i = 0; i < 5; i++) {
        struct pm_record rec = record_of(&state, PM_RESULT_COMPUTED, ALL_FIELDS), back;
        struct pm_buf bytes = {0}, moved = {0};
        struct pm_slice form;
        pm_record_encode(&rec, PM_SLICE(DIGEST), PM_SLICE("t"), &bytes);
        pm_record_moved(pm_buf_slice(&bytes), numbers[i], &moved);
        decode(pm_buf_slice(&moved), &back, &form);
        cr_assert(back.moved);
        cr_assert_eq(back.result, numbers[i]);
        assert_same(&rec, &back);
        cr_assert(pm_slice_is(pm_record_path(&back, form, PM_SLICE(DIGEST), PM_SLICE("t"), &arena), "a/b"));
        pm_buf_release(&bytes);
        pm_buf_release(&moved);
    }
}

/* ---- damage ---- */

/* What a reader does with a record: walks all of it. False when it is refused somewhere. */
static bool readable(struct pm_slice bytes)
{
    struct pm_record rec = {.present = 0};
    struct pm_slice form, cursor;
    struct pm_record_output output;
    uint32_t count, seen = 0;
    int rc = pm_record_decode(bytes, &rec, &form, &err);
    if (rc != PM_OK) {
        cr_assert_eq(rc, PM_ECORRUPT);
        cr_assert_eq(rec.present, 0, "outputs are untouched on failure");
        return false;
    }
    (void)pm_record_path(&rec, form, PM_SLICE(DIGEST), PM_SLICE("t"), &arena);
    (void)pm_record_identity_sum(&rec);
    (void)pm_record_observed_sum(&rec);
    if (!(rec.present & PM_FIELD_BIT(PM_FIELD_OUTPUTS))) return true;
    if (!pm_outputs_start(rec.outputs, &cursor, &count)) return false;
    while (seen < count && pm_outputs_next(&cursor, &output)) {
        (void)pm_outputs_checksum(&output, &arena);
        seen++;
    }
    return seen == count;
}

static void assert_cuts_are_refused(const struct pm_record *rec)
{
    struct pm_buf bytes = {0};
    pm_record_encode(rec, PM_SLICE(DIGEST), PM_SLICE("t"), &bytes);
    cr_assert(readable(pm_buf_slice(&bytes)));
    for (size_t n = 0; n < bytes.len; n++) {
        struct pm_slice cut = exact(pm_slice(bytes.ptr, n));
        cr_assert(!readable(cut), "cut to %zu of %zu bytes", n, bytes.len);
        free((void *)(uintptr_t)cut.ptr);
    }
    pm_buf_release(&bytes);
}

Test(record, a_record_cut_at_any_byte_is_refused)
{
    uint64_t state = 3;
    for (int i = 0; i < 60; i++) {
        pm_arena_reset(&arena);
        unsigned present = i % 3 ? (unsigned)test_random(&state) & ALL_FIELDS : ALL_FIELDS;
        struct pm_record rec = record_of(&state, (unsigned)i % 4, present);
        rec.path = PM_SLICE("token/v1/sims/4f446dbc7bd0/params_00000000/seed_1");
        assert_cuts_are_refused(&rec);
    }
    struct pm_record bare = {.stamp = {.type = PM_CLASS_UNKNOWN}, .path = PM_SLICE("a/b")};
    assert_cuts_are_refused(&bare);
}

Test(record, any_bytes_are_read_within_their_bounds)
{
    uint64_t state = 4;
    for (int i = 0; i < 20000; i++) {
        pm_arena_reset(&arena);
        struct pm_record rec = record_of(&state, (unsigned)i % 4, (unsigned)test_random(&state) & ALL_FIELDS);
        rec.path = PM_SLICE("x/4f446dbc7bd0/target_t");
        struct pm_buf bytes = {0};
        pm_record_encode(&rec, PM_SLICE(DIGEST), PM_SLICE("t"), &bytes);
        for (uint64_t left = 1 + test_random(&state) % 3; left; left--)
            bytes.ptr[test_random(&state) % bytes.len] = (char)test_random(&state);
        struct pm_slice copy = exact(pm_buf_slice(&bytes));
        (void)readable(copy); /* the sanitizer lane judges */
        free((void *)(uintptr_t)copy.ptr);
        pm_buf_release(&bytes);
    }
}

Test(record, a_broken_path_form_cannot_grow_past_the_longest_path)
{
    struct pm_record rec = {.present = PM_FIELD_BIT(PM_FIELD_AGGREGATION_ID)};
    char id[900], form[64];
    memset(id, 'x', sizeof id);
    memset(form, 4, sizeof form); /* agg_ID, 63 times */
    form[0] = 1;
    rec.aggregation_id = pm_slice(id, sizeof id);
    cr_assert_leq(pm_record_path(&rec, pm_slice(form, sizeof form), PM_SLICE(""), PM_SLICE(""), &arena).len,
                  PM_PATH_BYTES_MAX + 1);
}

/* ---- paths ---- */

/* Encodes, decodes and compares the path; returns the bytes of the path's form. */
static size_t path_round(struct pm_record *rec, struct pm_slice bundle, struct pm_slice target)
{
    struct pm_record back;
    struct pm_slice form;
    struct pm_buf bytes = {0};
    pm_record_encode(rec, bundle, target, &bytes);
    decode(pm_buf_slice(&bytes), &back, &form);
    struct pm_slice path = pm_record_path(&back, form, bundle, target, &arena);
    cr_assert(pm_slice_eq(path, rec->path), "\"%.*s\" became \"%.*s\"", PM_SLICE_ARG(rec->path), PM_SLICE_ARG(path));
    size_t n = form.len;
    pm_buf_release(&bytes);
    return n;
}

static struct pm_record identified(const struct pm_event *ev)
{
    struct pm_record rec = {.stamp = {.type = PM_RESULT_COMPUTED}, .path = ev->result};
#define TAKE(m, field) \
    if (ev->has & PM_HAS(m)) rec.present |= PM_FIELD_BIT(field), rec.m = ev->m;
    TAKE(param_id, PM_FIELD_PARAM_ID)
    TAKE(params, PM_FIELD_PARAMS)
    TAKE(seed, PM_FIELD_SEED)
    TAKE(aggregation_id, PM_FIELD_AGGREGATION_ID)
#undef TAKE
    if (ev->has & PM_HAS(bundle_digest)) rec.present |= PM_FIELD_BIT(PM_FIELD_BUNDLE);
    if (ev->has & PM_HAS(target)) rec.present |= PM_FIELD_BIT(PM_FIELD_TARGET);
    return rec;
}

Test(record, the_paths_of_the_example)
{
    FILE *file = fopen("examples/week/events.ndjson", "r");
    if (!file) cr_skip_test("examples/week is not there");
    char *line = NULL;
    size_t room = 0, paths = 0, long_bytes = 0, short_bytes = 0;
    for (ssize_t n; (n = getline(&line, &room, file)) > 0;) {
        struct pm_event ev;
        pm_arena_reset(&arena);
        cr_assert_eq(pm_event_from_json(pm_slice(line, (size_t)n - 1), 0, &arena, &ev, &err), PM_OK, "%s", err.text);
        if (!(ev.has & PM_HAS(result))) continue;
        struct pm_record rec = identified(&ev);
        short_bytes += path_round(&rec, ev.has & PM_HAS(bundle_digest) ? ev.bundle_digest : PM_SLICE(""),
                                  ev.has & PM_HAS(target) ? ev.target : PM_SLICE(""));
        long_bytes += ev.result.len;
        paths++;
    }
    free(line);
    fclose(file);
    cr_assert_gt(paths, 1000);
    cr_assert_lt(short_bytes, long_bytes * 7 / 10, "%zu of %zu bytes", short_bytes, long_bytes);
}

/* One record whose fields give every token. */
static struct pm_record token_record(void)
{
    static char id[64];
    struct pm_record rec = {.stamp = {.type = PM_RESULT_COMPUTED},
                            .seed = 42,
                            .aggregation_id = PM_SLICE("e3b0c442"),
                            .params = PM_SLICE("{\"n\":1}")};
    pm_param_id(rec.params, id);
    rec.param_id = pm_slice(id, 64);
    rec.present = PM_FIELD_BIT(PM_FIELD_BUNDLE) | PM_FIELD_BIT(PM_FIELD_PARAM_ID) | PM_FIELD_BIT(PM_FIELD_PARAMS) |
                  PM_FIELD_BIT(PM_FIELD_SEED) | PM_FIELD_BIT(PM_FIELD_AGGREGATION_ID) | PM_FIELD_BIT(PM_FIELD_TARGET);
    return rec;
}

static size_t tokens_round(const char *format)
{
    struct pm_record rec = token_record();
    char path[2048];
    snprintf(path, sizeof path, format, PM_SLICE_ARG(rec.param_id));
    rec.path = pm_slice_cstr(path);
    return path_round(&rec, PM_SLICE(DIGEST), PM_SLICE("prevalence"));
}

Test(record, a_segment_that_a_field_gives_is_one_byte)
{
    static const struct {
        const char *path;
        size_t bytes;
    } cases[] = {
        {"4f446dbc7bd0", 1},      {"seed_42", 1},   {"agg_e3b0c442", 1},
        {"target_prevalence", 1}, {"%.*s", 1},      {"4f446dbc7bd0/seed_42/agg_e3b0c442/target_prevalence/%.*s", 5},
        {"x/seed_42", 3},         {"seed_42/x", 3}, {"seed_42/seed_42", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert_eq(tokens_round(cases[i].path), 1 + cases[i].bytes, "%s", cases[i].path);
    struct pm_record rec = token_record();
    char path[32];
    snprintf(path, sizeof path, "params_%.8s", rec.param_id.ptr);
    rec.path = pm_slice_cstr(path);
    cr_assert_eq(path_round(&rec, PM_SLICE(DIGEST), PM_SLICE("prevalence")), 2);
}

Test(record, segments_that_only_look_like_a_field)
{
    static const char *const paths[] = {
        "seed_042",
        "seed_007",
        "seed_",
        "seed_4",
        "seed_421",
        "seed_42x",
        "xseed_42",
        "Seed_42",
        "agg_",
        "agg_e3b0c44",
        "agg_x",
        "agg_e3b0c4420",
        "target_",
        "target_prevalenc",
        "target_prevalence2",
        "params_",
        "params_0",
        "params_zzzzzzzz",
        "4f446dbc7bd",
        "4f446dbc7bd09",
        "4f446dbc7bd1",
        "seed_+42",
        "seed_ 42",
        "seed_42 ",
        "s",
        "a",
        "p",
        "t",
        "seed_18446744073709551658",
        /* 42 + 2^64 */ "seed_000000000000000000000000042",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char longer[256];
        cr_assert_gt(tokens_round(paths[i]), 2);
        snprintf(longer, sizeof longer, "seed_42/%s/seed_42", paths[i]);
        tokens_round(longer);
    }
}

Test(record, fields_of_unusual_form)
{
    static const struct {
        const char *path, *target, *aggregation_id, *param_id;
        uint64_t seed;
    } cases[] = {
        {"target_a/b", "a/b", "", "", 0}, /* a target with a '/' spans two segments */
        {"target_a/target_a/b", "a/b", "", "", 0},
        {"agg_x/y/agg_x", "", "x/y", "", 0},
        {"target_/agg_/seed_0", "", "", "", 0},
        {"params_shortish/shortish", "t", "", "shortish", 1},
        {"params_short/short", "t", "", "short", 1},
        {"params_NotHexAt/NotHexAtAll", "t", "", "NotHexAtAll", 1},
        {"params_AAAAAAAA", "t", "", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 1},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "t", "",
         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 1},
        {"params_4f446dbc/" DIGEST, "t", "", DIGEST, 1},
        {"seed_18446744073709551615", "t", "", DIGEST, UINT64_MAX},
        {"seed_9223372036854775808", "t", "", DIGEST, (uint64_t)1 << 63},
        {"gr\xc3\xbc\xc3\x9f/\xf0\x9f\xa6\xa0/target_\xc3\xbc", "\xc3\xbc", "", DIGEST, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pm_record rec = {
            .stamp = {.type = PM_RESULT_REUSED}, .path = pm_slice_cstr(cases[i].path), .seed = cases[i].seed};
        rec.param_id = pm_slice_cstr(cases[i].param_id);
        rec.aggregation_id = pm_slice_cstr(cases[i].aggregation_id);
        rec.present = PM_FIELD_BIT(PM_FIELD_PARAM_ID) | PM_FIELD_BIT(PM_FIELD_SEED) |
                      PM_FIELD_BIT(PM_FIELD_AGGREGATION_ID) | PM_FIELD_BIT(PM_FIELD_TARGET);
        path_round(&rec, PM_SLICE(""), pm_slice_cstr(cases[i].target));
        rec.present = 0; /* the same words without the fields */
        path_round(&rec, PM_SLICE(""), PM_SLICE(""));
    }
}

Test(record, control_bytes_and_the_longest_path)
{
    char path[PM_PATH_BYTES_MAX + 1];
    for (int byte = 1; byte < 32; byte++) {
        static const char *const formats[] = {"%c", "%cx", "a/%cx", "%c/%c", "seed_42/%c/4f446dbc7bd0", "x%c/y"};
        for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
            struct pm_record rec = token_record();
            snprintf(path, sizeof path, formats[i], byte, byte);
            rec.path = pm_slice_cstr(path);
            path_round(&rec, PM_SLICE(DIGEST), PM_SLICE("prevalence"));
        }
    }
    for (int i = 0; i < PM_PATH_BYTES_MAX; i++) path[i] = i % 2 ? '/' : 'x';
    path[PM_PATH_BYTES_MAX - 1] = 'x';
    struct pm_record rec = token_record();
    rec.path = pm_slice(path, PM_PATH_BYTES_MAX);
    path_round(&rec, PM_SLICE(DIGEST), PM_SLICE("prevalence"));
    memset(path, 'y', PM_PATH_BYTES_MAX);
    path_round(&rec, PM_SLICE(DIGEST), PM_SLICE("prevalence"));
    memset(path, 1, PM_PATH_BYTES_MAX);
    path_round(&rec, PM_SLICE(DIGEST), PM_SLICE("prevalence"));
    for (int i = 0; i < PM_PATH_BYTES_MAX; i += 8)
        memcpy(path + i, "seed_42/", 8); /* 1,023 bytes that 128 tokens give */
    rec.path.len = PM_PATH_BYTES_MAX - 1;
    cr_assert_eq(path_round(&rec, PM_SLICE(DIGEST), PM_SLICE("prevalence")), 1 + 128);
}

Test(record, random_paths_over_a_small_alphabet)
{
    uint64_t state = 5;
    static const char *const parts[] = {
        "seed_42", "4f446dbc7bd0", "agg_e3b0c442", "target_prevalence", "x", "\x01", "seed_", "\x07z", "7"};
    for (int i = 0; i < 20000; i++) {
        char path[512] = "";
        size_t n = 0;
        for (uint64_t left = 1 + test_random(&state) % 6; left; left--)
            n += (size_t)snprintf(path + n, sizeof path - n, "%s%s", n ? "/" : "",
                                  parts[test_random(&state) % (sizeof parts / sizeof *parts)]);
        struct pm_record rec = token_record();
        if (test_random(&state) % 4 == 0) rec.present &= (unsigned)test_random(&state);
        rec.path = pm_slice(path, n);
        path_round(&rec, rec.present & PM_FIELD_BIT(PM_FIELD_BUNDLE) ? PM_SLICE(DIGEST) : PM_SLICE(""),
                   rec.present & PM_FIELD_BIT(PM_FIELD_TARGET) ? PM_SLICE("prevalence") : PM_SLICE(""));
        if (i % 64 == 0) pm_arena_reset(&arena);
    }
}

/* ---- single fields and sums ---- */

Test(record, each_field_alone_both_ways)
{
    uint64_t state = 6;
    for (int i = 0; i < 300; i++) {
        pm_arena_reset(&arena);
        struct pm_record rec = record_of(&state, PM_RESULT_COMPUTED, ALL_FIELDS), back = {.present = 0};
        for (unsigned field = 0; field < PM_FIELD_COUNT; field++) {
            struct pm_slice value = exact(field_bytes(&rec, (enum pm_field)field));
            cr_assert_eq(pm_record_field_set(&back, (enum pm_field)field, value, &err), PM_OK, "%s", err.text);
            cr_assert_eq(back.present, (2u << field) - 1);
            cr_assert(pm_slice_eq(field_bytes(&back, (enum pm_field)field), value), "%s",
                      pm_field_name((enum pm_field)field));
            /* texts borrow from the value: keep it for assert_same below */
            struct pm_slice kept = pm_arena_copy(&arena, value);
            cr_assert_eq(pm_record_field_set(&back, (enum pm_field)field, kept, &err), PM_OK);
            free((void *)(uintptr_t)value.ptr);
        }
        assert_same(&rec, &back);
        cr_assert_eq(pm_record_identity_sum(&rec), pm_record_identity_sum(&back));
        cr_assert_eq(pm_record_observed_sum(&rec), pm_record_observed_sum(&back));
    }
}

Test(record, a_value_of_a_field_with_bytes_left_over_is_refused)
{
    uint64_t state = 7;
    const unsigned texts = PM_FIELD_BIT(PM_FIELD_PARAM_ID) | PM_FIELD_BIT(PM_FIELD_PARAMS) |
                           PM_FIELD_BIT(PM_FIELD_AGGREGATION_ID) | PM_FIELD_BIT(PM_FIELD_OUTPUTS); /* to the end */
    struct pm_record rec = record_of(&state, PM_RESULT_COMPUTED, ALL_FIELDS);
    for (unsigned field = 0; field < PM_FIELD_COUNT; field++) {
        struct pm_record back = {.present = 0};
        if (texts & PM_FIELD_BIT(field)) continue;
        pm_buf_clear(&scratch);
        pm_record_field_put(&rec, (enum pm_field)field, &scratch);
        pm_buf_byte(&scratch, 0);
        cr_assert_eq(pm_record_field_set(&back, (enum pm_field)field, pm_buf_slice(&scratch), &err), PM_ECORRUPT, "%s",
                     pm_field_name((enum pm_field)field));
        cr_assert_eq(back.present, 0);
    }
}

Test(record, a_cut_value_of_a_field_is_refused)
{
    struct pm_record rec = {.schema = 300,
                            .bundle = 300,
                            .model = 300,
                            .entrypoint = 300,
                            .target = 300,
                            .target_digest = 300,
                            .seed = 300,
                            .schema_version = 300,
                            .n_replicates = 300,
                            .loss = 0.5};
    for (unsigned field = 0; field < PM_FIELD_COUNT; field++) {
        struct pm_slice value = field_bytes(&rec, (enum pm_field)field);
        bool text = field == PM_FIELD_PARAM_ID || field == PM_FIELD_PARAMS || field == PM_FIELD_AGGREGATION_ID ||
                    field == PM_FIELD_OUTPUTS;
        for (size_t n = 0; n < value.len && !text; n++) {
            struct pm_record back = {.present = 0};
            struct pm_slice cut = exact(pm_slice(value.ptr, n));
            cr_assert_eq(pm_record_field_set(&back, (enum pm_field)field, cut, &err), PM_ECORRUPT, "%s",
                         pm_field_name((enum pm_field)field));
            cr_assert_eq(back.present, 0);
            free((void *)(uintptr_t)cut.ptr);
        }
    }
    cr_assert_eq(pm_record_field_set(&rec, PM_FIELD_COUNT, PM_SLICE("x"), &err), PM_ECORRUPT);
}

Test(record, sums_differ_exactly_when_fields_do)
{
    uint64_t state = 7;
    for (int i = 0; i < 400; i++) {
        pm_arena_reset(&arena);
        unsigned present = (unsigned)test_random(&state) & ALL_FIELDS;
        struct pm_record rec = record_of(&state, PM_RESULT_REUSED, present);
        for (unsigned field = 0; field < PM_FIELD_COUNT; field++) {
            struct pm_record one = rec, gone = rec, other = record_of(&state, PM_RESULT_FAILED, present);
            bool observed = PM_FIELDS_OBSERVED >> field & 1;
            /* what is not present plays no part, nor does the stamp */
            one.stamp = other.stamp;
            one.path = PM_SLICE("z");
            if (!(present >> field & 1)) {
                struct pm_slice value = field_bytes(&other, (enum pm_field)field);
                cr_assert_eq(pm_record_field_set(&one, (enum pm_field)field, value, &err), PM_OK);
                one.present = present;
                cr_assert_eq(pm_record_identity_sum(&one), pm_record_identity_sum(&rec));
                cr_assert_eq(pm_record_observed_sum(&one), pm_record_observed_sum(&rec));
                continue;
            }
            gone.present &= ~PM_FIELD_BIT(field);
            if (observed)
                cr_assert_neq(pm_record_observed_sum(&gone), pm_record_observed_sum(&rec), "%s",
                              pm_field_name((enum pm_field)field));
            else
                cr_assert_neq(pm_record_identity_sum(&gone), pm_record_identity_sum(&rec), "%s",
                              pm_field_name((enum pm_field)field));
            if (field == PM_FIELD_PARAM_ID && present >> PM_FIELD_PARAMS & 1) continue; /* follows from params */
            struct pm_slice value = field_bytes(&other, (enum pm_field)field),
                            mine = field_bytes(&rec, (enum pm_field)field);
            if (field == PM_FIELD_PARAMS) value = PM_SLICE("{\"n\":2}");
            cr_assert_eq(pm_record_field_set(&one, (enum pm_field)field, value, &err), PM_OK);
            bool differs = !pm_slice_eq(value, mine);
            bool sums_differ = observed ? pm_record_observed_sum(&one) != pm_record_observed_sum(&rec)
                                        : pm_record_identity_sum(&one) != pm_record_identity_sum(&rec);
            cr_assert_eq(differs, sums_differ, "%s", pm_field_name((enum pm_field)field));
            if (observed) cr_assert_eq(pm_record_identity_sum(&one), pm_record_identity_sum(&rec));
            else cr_assert_eq(pm_record_observed_sum(&one), pm_record_observed_sum(&rec));
        }
    }
    struct pm_record none = {.present = 0};
    cr_assert_eq(pm_record_observed_sum(&none), 0);
    cr_assert_neq(pm_record_identity_sum(&none), 0);
}

Test(record, neighbouring_texts_do_not_run_together)
{
    struct pm_record a = {.present = PM_FIELD_BIT(PM_FIELD_PARAM_ID) | PM_FIELD_BIT(PM_FIELD_AGGREGATION_ID)}, b = a;
    a.param_id = PM_SLICE("ab"), a.aggregation_id = PM_SLICE("c");
    b.param_id = PM_SLICE("a"), b.aggregation_id = PM_SLICE("bc");
    cr_assert_neq(pm_record_identity_sum(&a), pm_record_identity_sum(&b));
}

/* ---- strength ---- */

Test(record, strongest_then_earliest_then_smaller_id)
{
    struct pm_stamp stamps[] = {
        {.type = PM_RESULT_COMPUTED, .at = -5},
        {.type = PM_RESULT_COMPUTED, .at = 9},
        {.type = PM_RESULT_COMPUTED, .at = 9, .event_id = {1}},
        {.type = PM_RESULT_COMPUTED, .at = 9, .event_id = {0xff}},
        {.type = PM_RESULT_DISCOVERED, .at = -9},
        {.type = PM_RESULT_REUSED, .at = -99},
        {.type = PM_RESULT_FAILED, .at = -999},
    };
    for (size_t i = 0; i < sizeof stamps / sizeof *stamps; i++)
        for (size_t j = 0; j < sizeof stamps / sizeof *stamps; j++) {
            int c = pm_stamp_cmp(&stamps[i], &stamps[j]);
            cr_assert_eq((c > 0) - (c < 0), (i > j) - (i < j), "%zu %zu", i, j);
        }
}

/* ---- outputs ---- */

Test(record, outputs_pack_only_what_unpacks_to_the_same)
{
    static const char *const checksums[] = {DIGEST,
                                            "",
                                            "abc",
                                            "4F446DBC7BD09DB746EA635F0ACB27025EBB7DC982442691EB114588FD99A7C2",
                                            "4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7cg",
                                            DIGEST "0"};
    struct pm_buf buf = {0};
    struct pm_slice cursor;
    struct pm_record_output output;
    uint32_t count;
    pm_outputs_begin(&buf, 6);
    for (uint32_t i = 0; i < 6; i++)
        pm_outputs_add(&buf, UINT32_MAX / 2 - i, i % 2 ? INT64_MAX : i, pm_slice_cstr(checksums[i]));
    cr_assert(pm_outputs_start(pm_buf_slice(&buf), &cursor, &count));
    cr_assert_eq(count, 6);
    for (uint32_t i = 0; i < 6; i++) {
        cr_assert(pm_outputs_next(&cursor, &output));
        cr_assert_eq(output.name, UINT32_MAX / 2 - i);
        cr_assert_eq(output.size, i % 2 ? INT64_MAX : i);
        cr_assert(pm_slice_is(pm_outputs_checksum(&output, &arena), checksums[i]), "%s", checksums[i]);
        cr_assert_eq(output.hex, i == 0);
    }
    cr_assert(!pm_outputs_next(&cursor, &output));
    pm_buf_clear(&buf);
    pm_outputs_begin(&buf, PM_OUTPUTS_MAX + 1);
    cr_assert(!pm_outputs_start(pm_buf_slice(&buf), &cursor, &count), "above the limit");
    pm_buf_release(&buf);
}
