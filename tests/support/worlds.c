/* worlds.c: random sets of events (worlds.h). */
#include "tests/support/worlds.h"

#include <stdlib.h>

#include "common/base/buf.h"
#include "common/base/check.h"
#include "common/event/event.h"
#include "tests/support/events.h"

#define START 1767600000000000 /* 2026-01-05T08:00:00Z, in microseconds */

struct maker {
    uint64_t random;
    uint64_t n_paths, n_jobs, n_times, stray; /* stray: of 64 values, how many are not the true one */
    bool ids;                                 /* events name their event_id */
    struct pm_buf line;
};

static uint64_t below(struct maker *m, uint64_t n) { return test_random(&m->random) % n; }
static bool chance(struct maker *m, uint64_t of_64) { return below(m, 64) < of_64; }

/* 0 is the true value, mostly. */
static uint64_t variant(struct maker *m) { return chance(m, m->stray) ? 1 + below(m, 2) : 0; }

static void put_path(struct maker *m, uint64_t path)
{
    /* The first ones as the store names them, so that their segments follow from other fields; then plain ones. */
    if (path % 2 == 0)
        pm_buf_printf(&m->line, "token/v1/sims/aaaaaaaaaaaa/params_%llu/seed_%llu", (unsigned long long)path / 4,
                      (unsigned long long)path);
    else pm_buf_printf(&m->line, "plain/%llu", (unsigned long long)path);
}

static void put_digest(struct maker *m, const char *field, char digit)
{
    pm_buf_printf(&m->line, ",\"%s\":\"", field);
    for (int i = 0; i < 64; i++) pm_buf_byte(&m->line, (uint8_t)digit);
    pm_buf_byte(&m->line, '"');
}

static void put_text(struct maker *m, const char *field, const char *stem, uint64_t number)
{
    pm_buf_printf(&m->line, ",\"%s\":\"%s%llu\"", field, stem, (unsigned long long)number);
}

static void put_common(struct maker *m, const char *type, bool with_job)
{
    pm_buf_printf(&m->line, "{\"type\":\"%s\",\"occurred_at\":%lld", type,
                  (long long)(START + (int64_t)below(m, m->n_times)));
    if (m->ids) {
        uint64_t high = test_random(&m->random), low = test_random(&m->random);
        pm_buf_printf(&m->line, ",\"event_id\":\"%016llx%016llx\"", (unsigned long long)high, (unsigned long long)low);
    }
    if (with_job) put_text(m, "job_id", "job-", below(m, m->n_jobs));
    if (chance(m, 8)) put_text(m, "worker", "w", below(m, 3));
}

static void put_result(struct maker *m, uint64_t path)
{
    pm_buf_cstr(&m->line, ",\"result\":\"");
    put_path(m, path);
    pm_buf_byte(&m->line, '"');
}

/* What the event says of the result: `some` of 64 fields. */
static void put_identity(struct maker *m, uint64_t path, uint64_t some)
{
    put_result(m, path);
    pm_buf_printf(&m->line, ",\"kind\":\"%s\"", (path % 3 == 2) != (variant(m) > 0) ? "agg" : "sim");
    if (chance(m, some)) put_text(m, "schema", "s", variant(m));
    if (chance(m, some)) pm_buf_printf(&m->line, ",\"schema_version\":%llu", (unsigned long long)variant(m));
    if (chance(m, some)) put_digest(m, "bundle_digest", (char)('a' + variant(m)));
    if (chance(m, some)) put_digest(m, "model_digest", (char)('d' + variant(m)));
    if (chance(m, some)) put_text(m, "entrypoint", "m/e", path % 2 + variant(m));
    if (chance(m, some))
        pm_buf_printf(&m->line, ",\"params\":{\"x\":%llu%s,\"on\":true}", (unsigned long long)path / 4,
                      variant(m) ? ".5" : "");
    if (chance(m, some))
        pm_buf_printf(&m->line, ",\"seed\":%s%llu", variant(m) ? "1844674407370955" : "",
                      (unsigned long long)path % 1000);
    if (chance(m, some)) put_text(m, "target", "t", path % 3 + variant(m));
    if (chance(m, some)) put_digest(m, "target_digest", (char)('0' + variant(m)));
    if (chance(m, some)) put_text(m, "aggregation_id", "agg", variant(m));
}

static void put_found(struct maker *m, uint64_t path, uint64_t some)
{
    if (chance(m, some))
        pm_buf_printf(&m->line, ",\"loss\":%llu.%llu", (unsigned long long)path, (unsigned long long)variant(m) * 5);
    if (chance(m, some)) pm_buf_printf(&m->line, ",\"n_replicates\":%llu", (unsigned long long)(1 + variant(m)));
    if (!chance(m, some)) return;
    pm_buf_cstr(&m->line, ",\"outputs\":[");
    uint64_t n = variant(m) ? 0 : 2;
    for (uint64_t i = 0; i < n; i++)
        pm_buf_printf(&m->line, "%s{\"name\":\"o%llu\",\"size\":%llu,\"checksum\":\"c%llu\"}", i ? "," : "",
                      (unsigned long long)i, (unsigned long long)(7 + variant(m)), (unsigned long long)variant(m));
    pm_buf_byte(&m->line, ']');
}

static void put_expected(struct maker *m)
{
    uint64_t n = 1 + below(m, m->n_paths < 400 ? m->n_paths : 400), from = below(m, m->n_paths);
    put_common(m, "ResultsExpected", true);
    pm_buf_cstr(&m->line, ",\"results\":[");
    for (uint64_t i = 0; i < n; i++) {
        pm_buf_cstr(&m->line, i ? ",\"" : "\"");
        put_path(m, (from + i) % (m->n_paths + 1)); /* one that nothing else names */
        pm_buf_byte(&m->line, '"');
    }
    pm_buf_byte(&m->line, ']');
}

static void put_submitted(struct maker *m)
{
    put_common(m, "JobSubmitted", true);
    if (chance(m, 32)) put_text(m, "job_type", "type", variant(m));
    if (chance(m, 32)) put_digest(m, "bundle_digest", (char)('a' + variant(m)));
    if (chance(m, 32)) put_text(m, "entrypoint", "m/e", variant(m));
    if (chance(m, 32)) pm_buf_printf(&m->line, ",\"targets\":[\"t%llu\",\"u\"]", (unsigned long long)below(m, 3));
    if (chance(m, 32)) pm_buf_printf(&m->line, ",\"parents\":[\"job-%llu\"]", (unsigned long long)below(m, 2));
    if (chance(m, 32)) put_text(m, "user", "u", variant(m));
    if (chance(m, 32)) pm_buf_printf(&m->line, ",\"metadata\":{\"a\":%llu}", (unsigned long long)variant(m));
}

static void put_status(struct maker *m)
{
    static const char *const statuses[] = {"pending", "running", "succeeded", "partial", "failed", "cancelled"};
    put_common(m, "JobStatusChanged", true);
    pm_buf_printf(&m->line, ",\"status\":\"%s\"", statuses[below(m, 6)]);
}

static void put_about_result(struct maker *m, enum pm_event_type type, uint64_t path)
{
    uint64_t some = below(m, 2) ? 64 : 32; /* everything, or half of it */
    put_common(m, pm_event_type_name(type), type != PM_RESULT_DISCOVERED);
    put_identity(m, path, some);
    if (type == PM_RESULT_FAILED)
        pm_buf_cstr(&m->line, ",\"error\":{\"type\":\"E\",\"message\":\"m\",\"retryable\":true}");
    else put_found(m, path, some);
    if (type == PM_RESULT_REUSED && chance(m, 16)) pm_buf_cstr(&m->line, ",\"source\":\"remote\"");
}

static void put_deleted(struct maker *m, uint64_t path)
{
    put_common(m, "ResultDeleted", below(m, 2));
    put_result(m, path);
}

static void put_event(struct maker *m)
{
    uint64_t path = below(m, m->n_paths), roll = below(m, 64);
    if (roll < 16) put_about_result(m, PM_RESULT_COMPUTED, path);
    else if (roll < 32) put_about_result(m, PM_RESULT_REUSED, path);
    else if (roll < 38) put_about_result(m, PM_RESULT_FAILED, path);
    else if (roll < 44) put_about_result(m, PM_RESULT_DISCOVERED, path);
    else if (roll < 49) put_expected(m);
    else if (roll < 53) put_deleted(m, path);
    else if (roll < 58) put_submitted(m);
    else put_status(m);
}

static void keep_line(struct maker *m, struct test_world *world)
{
    pm_buf_cstr(&m->line, "}");
    pm_buf_byte(&m->line, 0);
    world->lines[world->n++] = pm_strdup(m->line.ptr);
    pm_buf_clear(&m->line);
}

void test_world_make(uint64_t seed, struct test_world *ret)
{
    struct maker m = {.random = seed * 2 + 1};
    bool wide = seed % 16 == 15;
    size_t n = 8 + below(&m, 60), n_wide = wide ? 900 + below(&m, 600) : 0;
    m.n_paths = wide ? n_wide * 2 / 3 : 1 + below(&m, 8);
    m.n_jobs = 1 + below(&m, wide ? 2 : 5);
    m.n_times = wide && below(&m, 2) ? (uint64_t)1 << 45 : 1 + below(&m, 12); /* far apart, a pair takes more room */
    m.stray = (const uint64_t[]){0, 2, 12}[below(&m, 3)];
    m.ids = below(&m, 2);
    *ret = (struct test_world){.lines = pm_calloc(n + n_wide, sizeof *ret->lines)};
    for (size_t i = 0; i < n; i++) {
        put_event(&m);
        keep_line(&m, ret);
    }
    for (size_t i = 0; i < n_wide; i++) {
        static const enum pm_event_type types[] = {PM_RESULT_COMPUTED, PM_RESULT_REUSED, PM_RESULT_FAILED};
        put_about_result(&m, types[below(&m, 3)], i % m.n_paths);
        keep_line(&m, ret);
    }
    pm_buf_release(&m.line);
}

void test_world_free(struct test_world *world)
{
    for (size_t i = 0; i < world->n; i++) free(world->lines[i]);
    free(world->lines);
    *world = (struct test_world){.lines = NULL};
}
