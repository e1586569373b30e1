/* provmat_test.c: the library as a job sees it: each call of provmat.h, over embedded logs that are read back, and what
 * happens when the log is away, the queue is full, threads call at once, or the process forks. */
#include "producer/provmat.h"

#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/event/codec.h"
#include "common/event/origin.h"
#include "common/log/log.h"
#include "producer/drain.h"

#ifdef __SANITIZE_THREAD__
#define NO_THREADS_AFTER_FORK true
#else
#define NO_THREADS_AFTER_FORK false
#endif

/* ---- a log of its own for each test ---- */

static char dir[] = "/tmp/provmat-test-XXXXXX", url[64];

static void begin(void)
{
    cr_assert_not_null(mkdtemp(dir));
    snprintf(url, sizeof url, "local:%s/log", dir);
    unsetenv("PROVMAT_LOG");
    unsetenv("PROVMAT_JOB_ID");
    unsetenv("PROVMAT_WORKER");
    unsetenv("PROVMAT_OUTBOX");
}

static void end(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(provmat, .init = begin, .fini = end, .timeout = 60);

static provmat_producer *opened(struct provmat_options options)
{
    struct provmat_error err;
    provmat_producer *p = NULL;
    options.size = sizeof options;
    if (!options.log) options.log = url;
    cr_assert_eq(provmat_open(&options, &p, &err), PROVMAT_OK, "%s", err.text);
    return p;
}

static struct provmat_counters counters_of(provmat_producer *p)
{
    struct provmat_counters counters = {.size = sizeof counters};
    provmat_counters(p, &counters);
    return counters;
}

static void closed(provmat_producer *p)
{
    struct provmat_error err;
    cr_assert_eq(provmat_close(p, 20000, &err), PROVMAT_OK, "%s", err.text);
}

/* Every event of the log as a line of JSON, as `replay` prints it; returns how many. `each` may be NULL. */
static size_t read_log(void (*each)(const char *line, void *arg), void *arg)
{
    struct pm_error err = {0};
    struct pm_log_options log_options = {.mode = PM_LOG_READ};
    struct pm_codec_options codec_options = {0};
    struct pm_log *log;
    struct pm_codec *codec;
    cr_assert_eq(pm_log_open(url, &log_options, &log, &err), PM_OK, "%s", err.text);
    cr_assert_eq(pm_codec_open(&codec_options, &codec, &err), PM_OK);
    cr_assert_eq(pm_log_seek(log, 0, 0, &err), PM_OK);
    struct pm_arena arena = {0};
    struct pm_buf line = {0};
    size_t n = 0;
    for (;;) {
        struct pm_log_batch batch;
        cr_assert_eq(pm_log_poll(log, 1000, 1 << 24, 0, &batch, &err), PM_OK);
        if (batch.n_records == 0) break;
        for (size_t i = 0; i < batch.n_records; i++) {
            struct pm_event ev;
            if (pm_origin_is_end_mark(batch.records[i].origin, batch.records[i].value)) continue;
            n++;
            pm_arena_reset(&arena);
            pm_buf_clear(&line);
            int rc = pm_codec_decode(codec, batch.records[i].value, 0, &arena, &ev, &err);
            cr_assert_eq(rc, PM_OK, "%s", err.text);
            pm_event_to_json(&ev, PM_SLICE(""), &line);
            pm_buf_byte(&line, 0);
            if (each) each(line.ptr, arg);
        }
        pm_log_batch_release(&batch);
    }
    pm_arena_release(&arena);
    pm_buf_release(&line);
    pm_codec_close(codec);
    pm_log_close(log);
    return n;
}

struct lines {
    char *text[16];
    size_t n;
};

static void keep(const char *line, void *arg)
{
    struct lines *lines = arg;
    if (lines->n < 16) lines->text[lines->n++] = strdup(line);
}

static int say_numbered(provmat_producer *p, const char *job, int number)
{
    char path[64];
    struct provmat_deleted event = {.size = sizeof event, .job_id = job, .path = path};
    snprintf(path, sizeof path, "s/%d", number);
    return provmat_deleted(p, &event, NULL);
}

/* ---- the kinds of events ---- */

#define DIGEST "4f446dbc7bd04f446dbc7bd04f446dbc7bd04f446dbc7bd04f446dbc7bd01234"

static const struct provmat_output outputs[] = {{"a.csv", 12, "crc:1"}, {"b.csv", 0, "crc:2"}};
static const char *const inputs[] = {"s/1", "s/2"};
static const char *const tasks[] = {"t1", "t2"};
static const double losses[] = {0.5, -1e300};

static const struct provmat_result full = {.size = sizeof full,
                                           .path = "s/seed_42",
                                           .kind = PROVMAT_SIM,
                                           .has = PROVMAT_HAS_SEED | PROVMAT_HAS_SCHEMA_VERSION,
                                           .seed = UINT64_MAX,
                                           .schema_version = -3,
                                           .schema = "sim",
                                           .bundle_ref = "r/b@sha256:" DIGEST,
                                           .bundle_digest = "sha256:" DIGEST,
                                           .model_digest = "m",
                                           .entrypoint = "e:f",
                                           .params = "{ \"n\" : 1, \"beta\":0.50, \"a\":\"x\\u00e9\" }",
                                           .target = "t",
                                           .target_digest = "td",
                                           .aggregation_id = "ag"};
#define FULL_LINE                                                                                                   \
    "\"result\":\"s/seed_42\",\"kind\":\"sim\",\"seed\":\"18446744073709551615\",\"schema_version\":-3,\"schema\":" \
    "\"sim\",\"bundle_ref\":\"r/b@sha256:" DIGEST "\",\"model_digest\":\"m\",\"entrypoint\":\"e:f\",\"params\":"    \
    "{\"n\":1,\"beta\":0.5,\"a\":\"xé\"},\"target\":\"t\",\"target_digest\":\"td\",\"aggregation_id\":\"ag\""
#define COMPUTED_LINE                                                                                                \
    "\"loss\":0.25,\"n_replicates\":2,\"task_id\":\"t9\",\"outputs\":[{\"name\":\"a.csv\",\"size\":12,\"checksum\":" \
    "\"crc:1\"},{\"name\":\"b.csv\",\"size\":0,\"checksum\":\"crc:2\"}],\"inputs\":[\"s/1\",\"s/2\"],"               \
    "\"input_task_ids\":[\"t1\",\"t2\"],\"replicate_losses\":[0.5,-1e300],\"diagnostics\":{\"a\":[1, 2]},"           \
    "\"duration_us\":0,\"env_digest\":\"env\""

static const struct provmat_computed computed = {.size = sizeof computed,
                                                 .job_id = "job-1",
                                                 .worker = "w",
                                                 .occurred_at_us = 1767600000000001,
                                                 .result = &full,
                                                 .has = PROVMAT_HAS_LOSS | PROVMAT_HAS_DURATION,
                                                 .loss = 0.25,
                                                 .n_replicates = 2,
                                                 .task_id = "t9",
                                                 .outputs = outputs,
                                                 .n_outputs = 2,
                                                 .inputs = inputs,
                                                 .n_inputs = 2,
                                                 .input_task_ids = tasks,
                                                 .n_input_task_ids = 2,
                                                 .replicate_losses = losses,
                                                 .n_replicate_losses = 2,
                                                 .diagnostics = " {\"a\": [1,2]}",
                                                 .env_digest = "env"};

/* The struct and the line that says the same are the same event, to the id. */
static void same_as(provmat_producer *p, int code, const struct provmat_error *err, const char *line)
{
    struct provmat_error why;
    cr_assert_eq(code, PROVMAT_OK, "%s", err->text);
    cr_assert_eq(provmat_event_json(p, line, strlen(line), &why), PROVMAT_OK, "%s", why.text);
    closed(p);
    struct lines lines = {0};
    cr_assert_eq(read_log(keep, &lines), 2);
    cr_assert_str_eq(lines.text[0], lines.text[1]);
    free(lines.text[0]);
    free(lines.text[1]);
}

#define COMMON "\"occurred_at\":1767600000000001,\"worker\":\"w\","

Test(provmat, computed)
{
    struct provmat_error err;
    provmat_producer *p = opened((struct provmat_options){0});
    int code = provmat_computed(p, &computed, &err);
    same_as(p, code, &err, "{\"type\":\"ResultComputed\",\"job_id\":\"job-1\"," COMMON FULL_LINE "," COMPUTED_LINE "}");
}

Test(provmat, discovered)
{
    struct provmat_error err;
    struct provmat_computed event = computed;
    provmat_producer *p = opened((struct provmat_options){.job_id = "job-of-options"});
    event.job_id = NULL; /* and the options' is not filled in */
    int code = provmat_discovered(p, &event, &err);
    same_as(p, code, &err, "{\"type\":\"ResultDiscovered\"," COMMON FULL_LINE "," COMPUTED_LINE "}");
}

Test(provmat, reused)
{
    struct provmat_error err;
    provmat_producer *p = opened((struct provmat_options){.worker = "w"});
    struct provmat_reused event = {.size = sizeof event,
                                   .job_id = "job-1",
                                   .occurred_at_us = 1767600000000001,
                                   .result = &full,
                                   .has = PROVMAT_HAS_LOSS | PROVMAT_HAS_STORED_AT,
                                   .source = PROVMAT_SOURCE_SCHEDULER,
                                   .stored_at_us = 5,
                                   .loss = -0.0,
                                   .n_replicates = 7,
                                   .outputs = outputs,
                                   .n_outputs = 0};
    int code = provmat_reused(p, &event, &err);
    same_as(p, code, &err,
            "{\"type\":\"ResultReused\",\"job_id\":\"job-1\"," COMMON FULL_LINE
            ",\"source\":\"scheduler\",\"stored_at\":5,\"loss\":-0.0,\"n_replicates\":7,\"outputs\":[]}");
}

Test(provmat, failed)
{
    struct provmat_error err;
    provmat_producer *p = opened((struct provmat_options){.job_id = "job-1", .worker = "w"});
    struct provmat_failed event = {.size = sizeof event,
                                   .occurred_at_us = 1767600000000001,
                                   .result = &full,
                                   .error_type = "ValueError",
                                   .error_message = "no\nway",
                                   .retryable = 1};
    int code = provmat_failed(p, &event, &err);
    same_as(p, code, &err,
            "{\"type\":\"ResultFailed\",\"job_id\":\"job-1\"," COMMON FULL_LINE
            ",\"error\":{\"type\":\"ValueError\",\"message\":\"no\\nway\",\"retryable\":true}}");
}

Test(provmat, expected)
{
    struct provmat_error err;
    provmat_producer *p = opened((struct provmat_options){.worker = "w"});
    struct provmat_expected event = {
        .size = sizeof event, .job_id = "job-1", .occurred_at_us = 1767600000000001, .results = inputs, .n_results = 2};
    int code = provmat_expected(p, &event, &err);
    same_as(p, code, &err,
            "{\"type\":\"ResultsExpected\",\"job_id\":\"job-1\"," COMMON "\"results\":[\"s/1\",\"s/2\"]}");
}

Test(provmat, deleted)
{
    struct provmat_error err;
    provmat_producer *p = opened((struct provmat_options){.worker = "w", .job_id = "not-filled-in"});
    struct provmat_deleted event = {
        .size = sizeof event, .occurred_at_us = 1767600000000001, .path = "s/1", .reason = "old"};
    int code = provmat_deleted(p, &event, &err);
    same_as(p, code, &err, "{\"type\":\"ResultDeleted\"," COMMON "\"result\":\"s/1\",\"reason\":\"old\"}");
}

Test(provmat, submitted)
{
    struct provmat_error err;
    provmat_producer *p = opened((struct provmat_options){.worker = "w"});
    struct provmat_submitted event = {.size = sizeof event,
                                      .job_id = "job-1",
                                      .event_id = "0123456789abcdef0123456789abcdef",
                                      .occurred_at_us = 1767600000000001,
                                      .job_type = "sweep",
                                      .bundle_ref = "sha256:" DIGEST,
                                      .entrypoint = "e",
                                      .targets = tasks,
                                      .n_targets = 1,
                                      .parents = tasks,
                                      .n_parents = 2,
                                      .definition_hash = "d",
                                      .input_hash = "i",
                                      .inputs = "{\"x\":{}}",
                                      .provider_id = "p",
                                      .provider_model = "pm",
                                      .user = "u",
                                      .rerun_of = "job-0",
                                      .metadata = "{}"};
    int code = provmat_submitted(p, &event, &err);
    same_as(p, code, &err,
            "{\"type\":\"JobSubmitted\",\"job_id\":\"job-1\"," COMMON
            "\"event_id\":\"0123456789abcdef0123456789abcdef\",\"job_type\":\"sweep\",\"bundle_ref\":\"sha256:" DIGEST
            "\",\"entrypoint\":\"e\",\"targets\":[\"t1\"],\"parents\":[\"t1\",\"t2\"],\"definition_hash\":\"d\","
            "\"input_hash\":\"i\",\"inputs\":{\"x\":{}},\"provider_id\":\"p\",\"provider_model\":\"pm\",\"user\":\"u\","
            "\"rerun_of\":\"job-0\",\"metadata\":{}}");
}

Test(provmat, status_changed)
{
    struct provmat_error err;
    provmat_producer *p = opened((struct provmat_options){.worker = "w"});
    struct provmat_status_changed event = {.size = sizeof event,
                                           .job_id = "job-1",
                                           .occurred_at_us = 1767600000000001,
                                           .status = PROVMAT_CANCELLED,
                                           .error = "stopped",
                                           .has = PROVMAT_HAS_DURATION,
                                           .duration_us = 3};
    int code = provmat_status_changed(p, &event, &err);
    same_as(p, code, &err,
            "{\"type\":\"JobStatusChanged\",\"job_id\":\"job-1\"," COMMON
            "\"status\":\"cancelled\",\"error\":\"stopped\",\"duration_us\":3}");
}

/* A call says what happens now: said again, it happened again. A line without a time is the same event each time. */
Test(provmat, what_is_said_again_without_a_time)
{
    static const char line[] = "{\"type\":\"ResultDeleted\",\"job_id\":\"j\",\"result\":\"s/1\"}";
    provmat_producer *p = opened((struct provmat_options){0});
    struct provmat_error err;
    cr_assert_eq(say_numbered(p, "j", 1), PROVMAT_OK);
    cr_assert_eq(say_numbered(p, "j", 1), PROVMAT_OK);
    cr_assert_eq(provmat_event_json(p, line, sizeof line - 1, &err), PROVMAT_OK, "%s", err.text);
    cr_assert_eq(provmat_event_json(p, line, sizeof line - 1, &err), PROVMAT_OK, "%s", err.text);
    closed(p);
    struct lines lines = {0};
    cr_assert_eq(read_log(keep, &lines), 4);
    const char *id[4];
    for (size_t i = 0; i < 4; i++) cr_assert_not_null(id[i] = strstr(lines.text[i], "\"event_id\":"));
    cr_assert(strncmp(id[0], id[1], 46) != 0, "%s", lines.text[1]);
    cr_assert(strncmp(id[2], id[3], 46) == 0, "%s", lines.text[3]);
    cr_assert_str_neq(lines.text[2], lines.text[3]);
    for (size_t i = 0; i < 4; i++) free(lines.text[i]);
}

/* ---- what is refused ---- */

static void refused(provmat_producer *p, const struct provmat_computed *event, const char *text)
{
    struct provmat_error err;
    uint64_t before = counters_of(p).rejected;
    cr_assert_eq(provmat_computed(p, event, &err), PROVMAT_EINVALID);
    cr_assert_not_null(strstr(err.text, text), "\"%s\" in \"%s\"", text, err.text);
    cr_assert_eq(counters_of(p).rejected, before + 1);
}

Test(provmat, rules_are_kept)
{
    provmat_producer *p = opened((struct provmat_options){0});
    struct provmat_computed event = computed;
    struct provmat_result result = full;
    event.result = &result;
    refused(p, NULL, "size of struct provmat_computed is 0; set it");
    event.size = 0;
    refused(p, &event, "set it to sizeof(struct provmat_computed)");
    event = computed;
    event.result = NULL;
    refused(p, &event, "struct provmat_result is missing");
    event.result = &result;
    result.kind = 3;
    refused(p, &event, "kind must be");
    result = full;
    result.path = "a//b";
    refused(p, &event, "empty segment");
    result.path = NULL;
    refused(p, &event, "missing field \"result\"");
    result = full;
    result.params = "{\"a\":null}";
    refused(p, &event, "params");
    result.params = "[]";
    refused(p, &event, "an object");
    result = full;
    result.param_id = "other";
    refused(p, &event, "does not agree");
    result = full;
    event.loss = NAN;
    refused(p, &event, "finite");
    event = computed;
    event.n_replicates = -1;
    refused(p, &event, "n_replicates");
    event = computed;
    event.job_id = NULL;
    refused(p, &event, "missing field \"job_id\"");
    event = computed;
    event.n_inputs = 10001;
    refused(p, &event, "above the limit of 10000");
    event = computed;
    event.outputs = NULL;
    refused(p, &event, "outputs is NULL and has 2 items");
    event = computed;
    event.diagnostics = "{\"a\":1} x";
    refused(p, &event, "diagnostics");
    event = computed;
    event.event_id = "short";
    refused(p, &event, "event_id");
    cr_assert_eq(counters_of(p).accepted, 0);
    closed(p);
}

Test(provmat, structs_of_other_versions)
{
    struct {
        struct provmat_expected known;
        uint64_t unknown;
    } newer = {.known = {.size = sizeof newer, .job_id = "j", .results = inputs, .n_results = 2}};
    struct provmat_error err;
    provmat_producer *p = opened((struct provmat_options){.worker = "w"});
    cr_assert_eq(provmat_expected(p, &newer.known, &err), PROVMAT_OK, "%s", err.text);
    newer.unknown = 1;
    cr_assert_eq(provmat_expected(p, &newer.known, &err), PROVMAT_EINVALID);
    cr_assert_not_null(strstr(err.text, "use a newer one"));
    struct provmat_status_changed older = {
        .size = offsetof(struct provmat_status_changed, error), .job_id = "j", .status = PROVMAT_RUNNING};
    older.error = (const char *)1; /* not read */
    cr_assert_eq(provmat_status_changed(p, &older, &err), PROVMAT_OK, "%s", err.text);
    closed(p);
}

Test(provmat, a_line_is_refused_as_by_emit)
{
    struct provmat_error err;
    provmat_producer *p = opened((struct provmat_options){0});
    cr_assert_eq(provmat_event_json(p, "{\"type\":\"X\"}", 12, &err), PROVMAT_EINVALID);
    cr_assert_not_null(strstr(err.text, "unknown type"));
    cr_assert_eq(provmat_event_json(p, NULL, 7, &err), PROVMAT_EINVALID);
    cr_assert_eq(counters_of(p).rejected, 2);
    closed(p);
}

/* ---- options ---- */

static void refused_option(struct provmat_options options, const char *text)
{
    struct provmat_error err;
    provmat_producer *p = NULL;
    if (!options.size) options.size = sizeof options;
    cr_assert_eq(provmat_open(&options, &p, &err), PROVMAT_ECONFIG);
    cr_assert_null(p);
    cr_assert_not_null(strstr(err.text, text), "\"%s\" in \"%s\"", text, err.text);
}

Test(provmat, options_are_refused_by_name_and_value)
{
    static const char *const no_equals[] = {"acks"}, *const unknown[] = {"linger.msx=1"}, *const fixed[] = {"acks=0"},
                             *const ours[] = {"provmat.x=1"};
    refused_option((struct provmat_options){.size = 4}, "option size: size of struct provmat_options is 4");
    refused_option((struct provmat_options){.log = "kafka:x"}, "option log, \"kafka:x\"");
    refused_option((struct provmat_options){.log = "kafka://h:1"}, "option log, \"kafka://h:1\"");
    refused_option((struct provmat_options){.log = "local:"}, "names no directory");
    refused_option((struct provmat_options){.properties = no_equals, .n_properties = 1}, "option properties, \"acks\"");
    refused_option((struct provmat_options){.properties = unknown, .n_properties = 1}, "linger.msx");
    refused_option((struct provmat_options){.properties = fixed, .n_properties = 1}, "acks=0");
    refused_option((struct provmat_options){.properties = ours, .n_properties = 1}, "provmat.x=1");
    refused_option((struct provmat_options){.n_properties = 1}, "option properties, \"NULL\"");
    refused_option((struct provmat_options){.queue_bytes = 1}, "option queue_bytes, 1: it is 4194304 to 1073741824");
    refused_option((struct provmat_options){.linger_ms = -1}, "option linger_ms, -1: it is 1 to 60000");
    refused_option((struct provmat_options){.log_timeout_ms = 1}, "option log_timeout_ms, 1: it is 100 to 300000");
    refused_option((struct provmat_options){.outbox_mode = 2}, "option outbox_mode, 2");
    refused_option((struct provmat_options){.outbox_sync = 3}, "option outbox_sync, 3");
    refused_option((struct provmat_options){.outbox_mode = PROVMAT_OUTBOX_ALWAYS}, "option outbox");
    char long_id[300];
    memset(long_id, 'j', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = 0;
    refused_option((struct provmat_options){.job_id = long_id}, "option job_id");
    setenv("PROVMAT_LOG", "nowhere", 1);
    refused_option((struct provmat_options){0}, "option PROVMAT_LOG, \"nowhere\"");
}

Test(provmat, the_environment_stands_for_options)
{
    struct provmat_error err;
    provmat_producer *p;
    setenv("PROVMAT_LOG", url, 1);
    setenv("PROVMAT_JOB_ID", "job-env", 1);
    setenv("PROVMAT_WORKER", "w-env", 1);
    cr_assert_eq(provmat_open(NULL, &p, &err), PROVMAT_OK, "%s", err.text);
    struct provmat_expected event = {.size = sizeof event, .results = inputs, .n_results = 1};
    cr_assert_eq(provmat_expected(p, &event, &err), PROVMAT_OK, "%s", err.text);
    closed(p);
    struct lines lines = {0};
    cr_assert_eq(read_log(keep, &lines), 1);
    cr_assert_not_null(strstr(lines.text[0], "\"job_id\":\"job-env\""));
    cr_assert_not_null(strstr(lines.text[0], "\"worker\":\"w-env\""));
    free(lines.text[0]);
}

Test(provmat, no_producer_is_no_crash)
{
    struct provmat_error err;
    cr_assert_eq(provmat_computed(NULL, &computed, &err), PROVMAT_EINVALID);
    cr_assert_eq(provmat_event_json(NULL, "{}", 2, NULL), PROVMAT_EINVALID);
    cr_assert_eq(provmat_job_set(NULL, "j", NULL), PROVMAT_EINVALID);
    cr_assert_eq(provmat_job_begin(NULL, "j", NULL), PROVMAT_EINVALID);
    cr_assert_eq(provmat_job_end(NULL, PROVMAT_FAILED, NULL, NULL), PROVMAT_EINVALID);
    cr_assert_eq(provmat_flush(NULL, 1, NULL), PROVMAT_EINVALID);
    cr_assert_eq(provmat_problem(NULL, NULL), PROVMAT_EINVALID);
    cr_assert_eq(provmat_close(NULL, 1, NULL), PROVMAT_OK);
    struct provmat_counters counters = {.size = sizeof counters, .accepted = 9};
    provmat_counters(NULL, &counters);
    cr_assert_eq(counters.accepted, 0);
    cr_assert_not_null(provmat_version());
}

/* ---- the job of events that name none ---- */

Test(provmat, job_begins_and_ends)
{
    struct provmat_error err;
    provmat_producer *p = opened((struct provmat_options){0});
    struct provmat_expected event = {.size = sizeof event, .results = inputs, .n_results = 1};
    cr_assert_eq(provmat_job_end(p, PROVMAT_SUCCEEDED, NULL, &err), PROVMAT_EINVALID);
    cr_assert_not_null(strstr(err.text, "no job has begun"));
    cr_assert_eq(provmat_job_begin(p, NULL, &err), PROVMAT_EINVALID);
    cr_assert_eq(provmat_job_begin(p, "", &err), PROVMAT_EINVALID);
    cr_assert_eq(provmat_job_begin(p, "job-b", &err), PROVMAT_OK, "%s", err.text);
    cr_assert_eq(provmat_expected(p, &event, &err), PROVMAT_OK, "%s", err.text);
    cr_assert_eq(provmat_job_end(p, PROVMAT_RUNNING, NULL, &err), PROVMAT_EINVALID);
    cr_assert_eq(provmat_job_end(p, PROVMAT_PARTIAL, "some", &err), PROVMAT_OK, "%s", err.text);
    cr_assert_eq(provmat_expected(p, &event, &err), PROVMAT_EINVALID);
    cr_assert_eq(provmat_job_set(p, "job-s", &err), PROVMAT_OK);
    cr_assert_eq(provmat_expected(p, &event, &err), PROVMAT_OK, "%s", err.text);
    cr_assert_eq(provmat_job_set(p, NULL, &err), PROVMAT_OK);
    cr_assert_eq(provmat_expected(p, &event, &err), PROVMAT_EINVALID);
    closed(p);
    struct lines lines = {0};
    cr_assert_eq(read_log(keep, &lines), 4);
    cr_assert_not_null(strstr(lines.text[0], "\"status\":\"running\""));
    cr_assert_not_null(strstr(lines.text[1], "\"job_id\":\"job-b\""));
    cr_assert_not_null(strstr(lines.text[2], "\"status\":\"partial\",\"error\":\"some\""));
    cr_assert_not_null(strstr(lines.text[3], "\"job_id\":\"job-s\""));
    for (size_t i = 0; i < 4; i++) free(lines.text[i]);
}

/* ---- delivery ---- */

Test(provmat, flush_means_acknowledged_and_counters_add_up)
{
    struct provmat_error err;
    provmat_producer *p = opened((struct provmat_options){.linger_ms = 60000});
    for (int i = 0; i < 5000; i++) cr_assert_eq(say_numbered(p, "j", i), PROVMAT_OK);
    cr_assert_eq(provmat_flush(p, 20000, &err), PROVMAT_OK, "%s", err.text);
    struct provmat_counters counters = counters_of(p);
    cr_assert_eq(counters.acknowledged, 5000);
    cr_assert_eq(counters.accepted, 5000);
    cr_assert_eq(counters.queued + counters.dropped + counters.rejected + counters.spooled, 0);
    cr_assert_eq(read_log(NULL, NULL), 5000);
    cr_assert_eq(provmat_problem(p, &err), PROVMAT_OK);
    closed(p);
}

Test(provmat, an_event_is_delivered_without_flush)
{
    provmat_producer *p = opened((struct provmat_options){.linger_ms = 1});
    cr_assert_eq(say_numbered(p, "j", 1), PROVMAT_OK);
    while (counters_of(p).acknowledged == 0) usleep(1000);
    closed(p);
}

struct told {
    pthread_mutex_t lock;
    int warnings, informations, drops;
};

static void tell(void *arg, int level, const char *text)
{
    struct told *told = arg;
    pthread_mutex_lock(&told->lock);
    if (level == 6) told->informations++;
    else told->warnings++;
    if (strstr(text, "dropped")) told->drops++;
    pthread_mutex_unlock(&told->lock);
}

static int drops_of(struct told *told)
{
    pthread_mutex_lock(&told->lock);
    int n = told->drops;
    pthread_mutex_unlock(&told->lock);
    return n;
}

/* A file stands where the log's directory should be; then it goes away. */
static void stand_in_the_way(bool away)
{
    char path[64];
    snprintf(path, sizeof path, "%s/log", dir);
    if (away) cr_assert_eq(unlink(path), 0);
    else fclose(fopen(path, "w"));
}

Test(provmat, a_log_that_is_away_costs_time_and_no_event)
{
    struct provmat_error err;
    struct told told = {.lock = PTHREAD_MUTEX_INITIALIZER};
    stand_in_the_way(false);
    provmat_producer *p = opened((struct provmat_options){.linger_ms = 1, .diag = tell, .diag_arg = &told});
    for (int i = 0; i < 100; i++) cr_assert_eq(say_numbered(p, "j", i), PROVMAT_OK);
    cr_assert_eq(provmat_flush(p, 50, &err), PROVMAT_ETIMEOUT);
    cr_assert_not_null(strstr(err.text, "100 events are not acknowledged after 50 ms"), "%s", err.text);
    while (provmat_problem(p, &err) == PROVMAT_OK) usleep(1000);
    cr_assert_not_null(strstr(err.text, dir), "%s", err.text);
    stand_in_the_way(true);
    cr_assert_eq(provmat_flush(p, 20000, &err), PROVMAT_OK, "%s", err.text);
    cr_assert_eq(provmat_problem(p, &err), PROVMAT_OK);
    closed(p);
    cr_assert_eq(read_log(NULL, NULL), 100);
    cr_assert_eq(told.warnings, 1);
    cr_assert_eq(told.informations, 1);
}

Test(provmat, a_full_queue_drops_and_counts)
{
    struct provmat_error err;
    struct told told = {.lock = PTHREAD_MUTEX_INITIALIZER};
    stand_in_the_way(false);
    provmat_producer *p = opened((struct provmat_options){.queue_bytes = 4 << 20, .diag = tell, .diag_arg = &told});
    int code;
    uint64_t accepted = 0;
    for (int i = 0; (code = say_numbered(p, "j", i)) == PROVMAT_OK; i++) accepted++;
    cr_assert_eq(code, PROVMAT_EDROPPED);
    cr_assert_gt(accepted, 10000);
    cr_assert_eq(say_numbered(p, "j", 1), PROVMAT_EDROPPED);
    cr_assert_eq(counters_of(p).dropped, 2);
    cr_assert_eq(counters_of(p).queued, accepted);
    while (drops_of(&told) == 0) usleep(1000);
    stand_in_the_way(true);
    cr_assert_eq(provmat_flush(p, 20000, &err), PROVMAT_OK, "%s", err.text);
    cr_assert_eq(counters_of(p).acknowledged, accepted);
    closed(p);
    cr_assert_eq(read_log(NULL, NULL), accepted);
}

Test(provmat, close_says_what_is_lost)
{
    struct provmat_error err;
    stand_in_the_way(false);
    provmat_producer *p = opened((struct provmat_options){0});
    for (int i = 0; i < 7; i++) cr_assert_eq(say_numbered(p, "j", i), PROVMAT_OK);
    cr_assert_eq(provmat_close(p, 30, &err), PROVMAT_ETIMEOUT);
    cr_assert_not_null(strstr(err.text, "7 events were lost"), "%s", err.text);
}

/* ---- the outbox ---- */

static char *box(void)
{
    static char path[64];
    snprintf(path, sizeof path, "%s/box", dir);
    return path;
}

static void add_records(void *arg, const struct pm_segment_info *info) { *(uint64_t *)arg += info->records; }

/* Events in the files of the outbox, by whomever. */
static uint64_t in_box(void)
{
    struct pm_error err;
    uint64_t n = 0;
    cr_assert_eq(pm_outbox_each(box(), add_records, &n, &err), PM_OK, "%s", err.text);
    return n;
}

static void say_some(provmat_producer *p, int from, int to)
{
    for (int i = from; i < to; i++) cr_assert_eq(say_numbered(p, "j", i), PROVMAT_OK);
}

Test(provmat, events_go_to_the_outbox_while_the_log_is_away)
{
    struct provmat_error err;
    stand_in_the_way(false);
    provmat_producer *p = opened((struct provmat_options){.linger_ms = 1, .outbox = box()});
    say_some(p, 0, 1000);
    cr_assert_eq(provmat_flush(p, 20000, &err), PROVMAT_OK, "the outbox has them: %s", err.text);
    cr_assert_eq(counters_of(p).spooled, 1000);
    cr_assert_eq(counters_of(p).acknowledged, 0);
    cr_assert_eq(in_box(), 1000);
    cr_assert_eq(provmat_problem(p, &err), PROVMAT_ELOG);
    stand_in_the_way(true);
    say_some(p, 1000, 1010);
    while (counters_of(p).acknowledged < 1010) usleep(1000);
    cr_assert_eq(counters_of(p).spooled, 0);
    cr_assert_eq(in_box(), 0);
    cr_assert_eq(provmat_problem(p, &err), PROVMAT_OK, "%s", err.text);
    closed(p);
    cr_assert_eq(read_log(NULL, NULL), 1010);
}

Test(provmat, with_outbox_always_a_call_that_returned_is_in_a_file)
{
    struct provmat_options options = {
        .linger_ms = 60000, .outbox = box(), .outbox_mode = PROVMAT_OUTBOX_ALWAYS, .outbox_sync = PROVMAT_SYNC_EACH};
    provmat_producer *p = opened(options);
    for (uint64_t i = 0; i < 20; i++) {
        cr_assert_eq(say_numbered(p, "j", (int)i), PROVMAT_OK);
        cr_assert_eq(in_box(), i + 1);
    }
    closed(p);
    p = opened((struct provmat_options){.outbox = box(), .linger_ms = 1}); /* the next start delivers what is left */
    say_some(p, 20, 21);
    while (in_box() > 0) usleep(1000);
    closed(p);
    cr_assert_eq(read_log(NULL, NULL), 21);
}

Test(provmat, outbox_always_delivers_while_it_lives)
{
    struct provmat_options options = {
        .linger_ms = 1, .outbox = box(), .outbox_mode = PROVMAT_OUTBOX_ALWAYS, .outbox_sync = PROVMAT_SYNC_INTERVAL};
    provmat_producer *p = opened(options);
    say_some(p, 0, 2000);
    while (counters_of(p).acknowledged < 2000) usleep(1000);
    cr_assert_eq(counters_of(p).spooled, 0);
    say_some(p, 2000, 2500);
    closed(p); /* waits for these too */
    cr_assert_eq(in_box(), 0);
    cr_assert_eq(read_log(NULL, NULL), 2500);
}

Test(provmat, a_full_queue_goes_to_the_outbox)
{
    struct provmat_error err;
    stand_in_the_way(false);
    provmat_producer *p = opened((struct provmat_options){.queue_bytes = 4 << 20, .outbox = box(), .linger_ms = 60000});
    say_some(p, 0, 60000);
    cr_assert_eq(counters_of(p).dropped, 0);
    cr_assert_eq(provmat_flush(p, 20000, &err), PROVMAT_OK, "%s", err.text);
    cr_assert_eq(counters_of(p).spooled, 60000);
    stand_in_the_way(true);
    while (counters_of(p).acknowledged < 60000) usleep(1000);
    closed(p);
    cr_assert_eq(read_log(NULL, NULL), 60000);
}

Test(provmat, close_leaves_the_rest_in_the_outbox)
{
    struct provmat_error err;
    stand_in_the_way(false);
    provmat_producer *p = opened((struct provmat_options){.outbox = box(), .linger_ms = 60000});
    say_some(p, 0, 5);
    cr_assert_eq(provmat_close(p, 0, &err), PROVMAT_OK, "%s", err.text);
    cr_assert_geq(in_box(), 5);
}

Test(provmat, a_full_disk_and_a_full_queue_drop_and_count)
{
    struct provmat_error err;
    struct rlimit limit, small;
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 100000;
    stand_in_the_way(false);
    provmat_producer *p = opened((struct provmat_options){
        .queue_bytes = 4 << 20, .outbox = box(), .outbox_mode = PROVMAT_OUTBOX_ALWAYS, .outbox_bytes = 1 << 20});
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    uint64_t accepted = 0;
    int code;
    while ((code = say_numbered(p, "j", (int)accepted)) == PROVMAT_OK) accepted++;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(code, PROVMAT_EDROPPED);
    struct provmat_counters counters = counters_of(p);
    cr_assert_eq(counters.dropped, 1);
    cr_assert_gt(counters.spooled, 0);
    cr_assert_gt(counters.queued, 0);
    cr_assert_eq(provmat_problem(p, &err), PROVMAT_ELOG);
    stand_in_the_way(true);
    while (counters_of(p).acknowledged < accepted) usleep(1000);
    closed(p);
    cr_assert_geq(read_log(NULL, NULL), accepted);
}

/* A file that nobody can deliver is a problem that is told, and keeps no event from the log. */
Test(provmat, a_foreign_segment_in_the_outbox_does_not_make_the_log_away)
{
    struct provmat_error err;
    struct pm_segment_head head = {.number = 1};
    char bytes[PM_SEGMENT_HEAD_BYTES], name[PM_SEGMENT_NAME_SIZE], path[200];
    pm_segment_head_put(&head, bytes);
    bytes[8] = 9; /* a newer program's */
    pm_segment_name(head.producer, 1, ".seg", name);
    provmat_producer *p = opened((struct provmat_options){.outbox = box(), .linger_ms = 1});
    snprintf(path, sizeof path, "%s/%s", box(), name);
    FILE *file = fopen(path, "w");
    cr_assert(file && fwrite(bytes, 1, sizeof bytes, file) == sizeof bytes && fclose(file) == 0);
    say_some(p, 0, 10);
    while (counters_of(p).acknowledged < 10) usleep(1000);
    while (provmat_problem(p, &err) == PROVMAT_OK) usleep(1000);
    cr_assert_not_null(strstr(err.text, "format 9"), "%s", err.text);
    say_some(p, 10, 20);
    while (counters_of(p).acknowledged < 20) usleep(1000);
    cr_assert_eq(counters_of(p).spooled, 0);
    closed(p);
    cr_assert_eq(read_log(NULL, NULL), 20);
}

Test(provmat, an_outbox_that_cannot_be_used_is_refused_by_name)
{
    refused_option((struct provmat_options){.outbox = "/proc/no/box"}, "option outbox, \"/proc/no/box\"");
    refused_option((struct provmat_options){.outbox = box(), .outbox_bytes = 5}, "option outbox_bytes, 5");
}

/* ---- threads and forks ---- */

static void *say_many(void *arg)
{
    for (int i = 0; i < 5000; i++) cr_assert_eq(say_numbered(arg, "j", i), PROVMAT_OK);
    return NULL;
}

Test(provmat, many_threads)
{
    pthread_t threads[8];
    provmat_producer *p = opened((struct provmat_options){.linger_ms = 1});
    for (int i = 0; i < 8; i++) cr_assert_eq(pthread_create(&threads[i], NULL, say_many, p), 0);
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    closed(p);
    cr_assert_eq(read_log(NULL, NULL), 40000);
}

static bool in_child(provmat_producer *p, int n)
{
    for (int i = 0; i < n; i++)
        if (say_numbered(p, "child", i) != PROVMAT_OK) return false;
    struct provmat_counters counters = counters_of(p);
    return counters.accepted == (uint64_t)n && provmat_close(p, 20000, NULL) == PROVMAT_OK;
}

static void count_job(const char *line, void *arg)
{
    size_t *counts = arg;
    counts[strstr(line, "\"job_id\":\"child\"") ? 0 : 1]++;
}

/* The parent's events are delivered once, by the parent, although the child has a copy of its queue and its log. */
Test(provmat, a_child_goes_on_by_itself)
{
    if (NO_THREADS_AFTER_FORK) cr_skip_test("the thread sanitizer knows no threads in a forked child");
    provmat_producer *p = opened((struct provmat_options){.linger_ms = 200});
    for (int i = 0; i < 50; i++) cr_assert_eq(say_numbered(p, "parent", i), PROVMAT_OK);
    cr_assert_eq(provmat_flush(p, 20000, NULL), PROVMAT_OK); /* the log is open */
    for (int i = 50; i < 100; i++) cr_assert_eq(say_numbered(p, "parent", i), PROVMAT_OK);
    pid_t pids[3];
    for (int i = 0; i < 3; i++) {
        pids[i] = fork();
        cr_assert_geq(pids[i], 0);
        if (pids[i] == 0) _exit(in_child(p, 1000) ? 0 : 1);
    }
    for (int i = 100; i < 200; i++) cr_assert_eq(say_numbered(p, "parent", i), PROVMAT_OK);
    for (int i = 0; i < 3; i++) {
        int status;
        cr_assert_eq(waitpid(pids[i], &status, 0), pids[i]);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    cr_assert_eq(counters_of(p).accepted, 200);
    closed(p);
    size_t counts[2] = {0, 0};
    read_log(count_job, counts);
    cr_assert_eq(counts[0], 3000);
    cr_assert_eq(counts[1], 200);
}

Test(provmat, a_child_has_files_of_its_own)
{
    if (NO_THREADS_AFTER_FORK) cr_skip_test("the thread sanitizer knows no threads in a forked child");
    stand_in_the_way(false);
    provmat_producer *p = opened(
        (struct provmat_options){.linger_ms = 1, .outbox = box(), .outbox_mode = PROVMAT_OUTBOX_ALWAYS});
    say_some(p, 0, 10);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        for (int i = 0; i < 100; i++) say_numbered(p, "child", i);
        _exit(counters_of(p).spooled == 100 && provmat_close(p, 0, NULL) == PROVMAT_OK ? 0 : 1);
    }
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    say_some(p, 10, 20);
    cr_assert_eq(counters_of(p).spooled, 20);
    cr_assert_eq(in_box(), 120);
    stand_in_the_way(true);
    while (in_box() > 0) usleep(1000);
    closed(p);
    size_t counts[2] = {0, 0};
    read_log(count_job, counts);
    cr_assert_eq(counts[0], 100);
    cr_assert_eq(counts[1], 20);
}

/* ---- memory ---- */

/* Sanitizers and valgrind, which the plain runner is for, take address space themselves and end without any. */
#if defined __SANITIZE_ADDRESS__ || defined PM_TEST_PLAIN_CRITERION_H
#define LIMITED false
#else
#define LIMITED true
#endif

Test(provmat, out_of_memory_is_an_error_of_the_call)
{
    if (!LIMITED) cr_skip_test("the address space cannot be limited under a sanitizer or valgrind");
    struct provmat_error err;
    provmat_producer *p = opened((struct provmat_options){0});
    cr_assert_eq(say_numbered(p, "j", 1), PROVMAT_OK);
    cr_assert_eq(provmat_flush(p, 20000, &err), PROVMAT_OK, "%s", err.text);
    static const char head[] = "{\"type\":\"JobSubmitted\",\"job_id\":\"j\",\"metadata\":{\"a\":\"\\n";
    size_t length = sizeof head - 1 + 900000 + 3;
    char *text = malloc(length);
    memset(text, 'x', length);
    memcpy(text, head, sizeof head - 1);
    memcpy(text + length - 3, "\"}}", 3);
    FILE *status = fopen("/proc/self/statm", "r");
    unsigned long pages;
    cr_assert_eq(fscanf(status, "%lu", &pages), 1);
    fclose(status);
    struct rlimit none = {.rlim_cur = pages * 4096, .rlim_max = RLIM_INFINITY};
    struct rlimit before;
    cr_assert_eq(getrlimit(RLIMIT_AS, &before), 0);
    none.rlim_max = before.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_AS, &none), 0);
    int code = provmat_event_json(p, text, length, &err);
    cr_assert_eq(setrlimit(RLIMIT_AS, &before), 0);
    cr_assert_eq(code, PROVMAT_ENOMEM, "%d %s", code, err.text);
    cr_assert_eq(provmat_event_json(p, text, length, &err), PROVMAT_OK, "%s", err.text);
    closed(p);
    free(text);
    cr_assert_eq(read_log(NULL, NULL), 2);
}

/* ---- identities ---- */

Test(provmat, identities)
{
    struct provmat_error err;
    char text[32], id[65];
    cr_assert_eq(provmat_params_canonical("{\"b\": 1.50, \"a\":true}", text, sizeof text, &err), 18, "%s", err.text);
    cr_assert_str_eq(text, "{\"a\":true,\"b\":1.5}");
    text[0] = '!';
    cr_assert_eq(provmat_params_canonical("{\"b\": 1.50, \"a\":true}", text, 18, &err), 18);
    cr_assert_eq(text[0], '!');
    cr_assert_eq(provmat_params_canonical("{", NULL, 0, &err), 0);
    cr_assert_eq(err.code, PROVMAT_EINVALID);
    cr_assert_eq(provmat_param_id("{}", id, &err), PROVMAT_OK);
    cr_assert_eq(strlen(id), 64);
    cr_assert_eq(provmat_param_id("{\"a\":[]}", id, &err), PROVMAT_EINVALID);
    cr_assert_eq(provmat_bundle_digest("r@sha256:" DIGEST, id, &err), PROVMAT_OK);
    cr_assert_str_eq(id, DIGEST);
    cr_assert_eq(provmat_bundle_digest("latest", id, &err), PROVMAT_EINVALID);
    cr_assert_eq(provmat_bundle_digest(NULL, id, NULL), PROVMAT_EINVALID);
}
