/* convert.c: the structs of provmat.h as they are given by a foreign program -> checked events. Nothing of them is
 * believed but that their pointers can be read: sizes, counts and texts are measured before anything is copied. */
#include "producer/convert.h"

#include "common/base/check.h"
#include "common/base/given.h"
#include "common/base/json.h"
#include "common/event/identity.h"

/* ---- members ---- */

#define TEXT(member, text) PM_EVENT_SET_TEXT(ev, member, text)
#define NUMBER(member, given, value) PM_EVENT_SET_IF(ev, member, given, value)

static int refuse_word(const char *field, int value, const char *words, struct pm_error *err)
{
    return pm_error_set(err, PM_EINVALID, "%s must be %s, not %d", field, words, value);
}

/* A text that the event could not hold anyway is not copied first. */
static int check_object_length(const char *field, struct pm_slice text, struct pm_error *err)
{
    if (text.len <= PM_EVENT_BYTES_MAX) return PM_OK;
    return pm_error_set(err, PM_ELIMIT, "field \"%s\" has %zu bytes, above the limit of %d", field, text.len,
                        PM_EVENT_BYTES_MAX);
}

/* A JSON object without blanks, as `emit` stores it. */
static int put_object(struct pm_event *ev, uint64_t bit, struct pm_slice *member, const char *field, const char *text,
                      struct pm_record_maker *maker, struct pm_error *err)
{
    if (!text) return PM_OK;
    struct pm_slice given = pm_slice_cstr(text);
    struct pm_json in;
    PM_TRY(check_object_length(field, given, err));
    int rc = pm_json_open(&in, given, &maker->arena, err);
    if (rc == PM_OK && pm_json_peek(&in) != PM_JSON_OBJECT) rc = pm_json_expected(&in, "an object", err);
    pm_buf_clear(&maker->scratch);
    if (rc == PM_OK) rc = pm_json_read_compact(&in, &maker->scratch, err);
    if (rc == PM_OK) rc = pm_json_close(&in, err);
    if (rc != PM_OK) return pm_error_wrap(err, rc, "%s", field);
    *member = pm_arena_copy(&maker->arena, pm_buf_slice(&maker->scratch));
    ev->has |= bit;
    return PM_OK;
}
#define OBJECT(member, field, text) PM_TRY(put_object(ev, PM_HAS(member), &ev->member, field, text, maker, err))

/* What is short enough is remembered: most calls of a job give the params of the call before. */
static void remember_params(struct pm_record_maker *maker, struct pm_slice given, struct pm_slice canonical)
{
    maker->params.given_len = 0;
    if (given.len > sizeof maker->params.given || canonical.len > sizeof maker->params.canonical) return;
    memcpy(maker->params.given, given.ptr, given.len);
    memcpy(maker->params.canonical, canonical.ptr, canonical.len);
    maker->params.canonical_len = (uint16_t)canonical.len;
    maker->params.given_len = (uint16_t)given.len;
}

static int put_params(struct pm_event *ev, const char *text, struct pm_record_maker *maker, struct pm_error *err)
{
    if (!text) return PM_OK;
    struct pm_slice given = pm_slice_cstr(text);
    struct pm_json in;
    if (given.len > 0 && pm_slice_eq(given, pm_slice(maker->params.given, maker->params.given_len))) {
        ev->params = pm_slice(maker->params.canonical, maker->params.canonical_len);
        ev->has |= PM_HAS(params);
        return PM_OK;
    }
    PM_TRY(check_object_length("params", given, err));
    pm_buf_clear(&maker->scratch);
    int rc = pm_json_open(&in, given, &maker->arena, err);
    if (rc == PM_OK && pm_json_peek(&in) != PM_JSON_OBJECT) rc = pm_json_expected(&in, "an object", err);
    if (rc == PM_OK) rc = pm_params_read(&in, &maker->scratch, err);
    if (rc == PM_OK) rc = pm_json_close(&in, err);
    if (rc != PM_OK) return pm_error_wrap(err, rc, "params");
    ev->params = pm_arena_copy(&maker->arena, pm_buf_slice(&maker->scratch));
    ev->has |= PM_HAS(params);
    remember_params(maker, given, ev->params);
    return PM_OK;
}

/* ---- arrays ---- */

/* An array that is there but has no items may have any pointer but NULL. */
static int check_items(const char *field, size_t n, size_t limit, struct pm_error *err)
{
    if (n <= limit) return PM_OK;
    return pm_error_set(err, PM_ELIMIT, "field \"%s\" has %zu items, above the limit of %zu", field, n, limit);
}

#define ITEMS_MAX (PM_EVENT_BYTES_MAX / 8) /* of lists without a limit of their own: the event's is met first */

static int measure(const char *field, const char *text, size_t *bytes, struct pm_slice *ret, struct pm_error *err)
{
    if (!text) return pm_error_set(err, PM_EINVALID, "an item of %s is NULL", field);
    *ret = pm_slice_cstr(text);
    *bytes += ret->len;
    if (*bytes <= PM_EVENT_BYTES_MAX) return PM_OK;
    return pm_error_set(err, PM_ELIMIT, "field \"%s\" has more than the %d bytes of an event", field,
                        PM_EVENT_BYTES_MAX);
}

static int put_texts(struct pm_event *ev, uint64_t bit, struct pm_array *member, const char *field,
                     const char *const *texts, size_t n, size_t limit, struct pm_record_maker *maker,
                     struct pm_error *err)
{
    if (!texts) return n ? pm_error_set(err, PM_EINVALID, "%s is NULL and has %zu items", field, n) : PM_OK;
    PM_TRY(check_items(field, n, limit, err));
    struct pm_slice *items = pm_arena_alloc(&maker->arena, n * sizeof *items);
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) PM_TRY(measure(field, texts[i], &bytes, &items[i], err));
    *member = pm_array_of_texts(&maker->arena, items, (uint32_t)n);
    ev->has |= bit;
    return PM_OK;
}
#define TEXTS(member, field, texts, n, limit) \
    PM_TRY(put_texts(ev, PM_HAS(member), &ev->member, field, texts, n, limit, maker, err))

static int put_outputs(struct pm_event *ev, const struct provmat_output *outputs, size_t n,
                       struct pm_record_maker *maker, struct pm_error *err)
{
    if (!outputs) return n ? pm_error_set(err, PM_EINVALID, "outputs is NULL and has %zu items", n) : PM_OK;
    PM_TRY(check_items("outputs", n, PM_OUTPUTS_MAX, err));
    struct pm_output *items = pm_arena_alloc(&maker->arena, n * sizeof *items);
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        items[i].size = outputs[i].size;
        PM_TRY(measure("outputs.name", outputs[i].name, &bytes, &items[i].name, err));
        PM_TRY(measure("outputs.checksum", outputs[i].checksum, &bytes, &items[i].checksum, err));
    }
    ev->outputs = pm_array_of_outputs(&maker->arena, items, (uint32_t)n);
    ev->has |= PM_HAS(outputs);
    return PM_OK;
}

static int put_doubles(struct pm_event *ev, const double *values, size_t n, struct pm_record_maker *maker,
                       struct pm_error *err)
{
    if (!values) return n ? pm_error_set(err, PM_EINVALID, "replicate_losses is NULL and has %zu items", n) : PM_OK;
    PM_TRY(check_items("replicate_losses", n, ITEMS_MAX, err));
    ev->replicate_losses = pm_array_of_doubles(&maker->arena, values, (uint32_t)n);
    ev->has |= PM_HAS(replicate_losses);
    return PM_OK;
}

/* ---- events ---- */

static int put_result(struct pm_event *ev, const struct provmat_result *given, struct pm_record_maker *maker,
                      struct pm_error *err)
{
    struct provmat_result r;
    PM_TRY(PM_GIVEN_TAKE(r, given, "provmat_result", err));
    if (r.kind != PROVMAT_SIM && r.kind != PROVMAT_AGG)
        return refuse_word("kind", r.kind, "PROVMAT_SIM (1) or PROVMAT_AGG (2)", err);
    TEXT(result, r.path);
    NUMBER(kind, true, r.kind == PROVMAT_SIM ? PM_KIND_SIM : PM_KIND_AGG);
    NUMBER(seed, r.has & PROVMAT_HAS_SEED, r.seed);
    NUMBER(schema_version, r.has & PROVMAT_HAS_SCHEMA_VERSION, r.schema_version);
    TEXT(schema, r.schema);
    TEXT(bundle_ref, r.bundle_ref);
    TEXT(bundle_digest, r.bundle_digest);
    TEXT(model_digest, r.model_digest);
    TEXT(entrypoint, r.entrypoint);
    TEXT(param_id, r.param_id);
    TEXT(target, r.target);
    TEXT(target_digest, r.target_digest);
    TEXT(aggregation_id, r.aggregation_id);
    return put_params(ev, r.params, maker, err);
}

/* What the structs have in common, in this order. */
struct common {
    size_t size;
    const char *job_id, *worker, *event_id;
    int64_t occurred_at_us;
};
#define IS_COMMON(type)                                                                                  \
    _Static_assert(offsetof(struct type, job_id) == offsetof(struct common, job_id) &&                   \
                       offsetof(struct type, worker) == offsetof(struct common, worker) &&               \
                       offsetof(struct type, event_id) == offsetof(struct common, event_id) &&           \
                       offsetof(struct type, occurred_at_us) == offsetof(struct common, occurred_at_us), \
                   #type " begins otherwise")
IS_COMMON(provmat_computed);
IS_COMMON(provmat_reused);
IS_COMMON(provmat_failed);
IS_COMMON(provmat_expected);
IS_COMMON(provmat_deleted);
IS_COMMON(provmat_submitted);
IS_COMMON(provmat_status_changed);

static int put_computed(struct pm_event *ev, const void *given, struct pm_record_maker *maker, struct pm_error *err)
{
    struct provmat_computed e;
    PM_TRY(PM_GIVEN_TAKE(e, given, "provmat_computed", err));
    PM_TRY(put_result(ev, e.result, maker, err));
    NUMBER(loss, e.has & PROVMAT_HAS_LOSS, e.loss);
    NUMBER(n_replicates, e.n_replicates != 0, e.n_replicates);
    NUMBER(duration_us, e.has & PROVMAT_HAS_DURATION, e.duration_us);
    TEXT(task_id, e.task_id);
    TEXT(env_digest, e.env_digest);
    PM_TRY(put_outputs(ev, e.outputs, e.n_outputs, maker, err));
    TEXTS(inputs, "inputs", e.inputs, e.n_inputs, PM_INPUTS_MAX);
    TEXTS(input_task_ids, "input_task_ids", e.input_task_ids, e.n_input_task_ids, ITEMS_MAX);
    PM_TRY(put_doubles(ev, e.replicate_losses, e.n_replicate_losses, maker, err));
    OBJECT(diagnostics, "diagnostics", e.diagnostics);
    return PM_OK;
}

static int put_reused(struct pm_event *ev, const void *given, struct pm_record_maker *maker, struct pm_error *err)
{
    struct provmat_reused e;
    PM_TRY(PM_GIVEN_TAKE(e, given, "provmat_reused", err));
    PM_TRY(put_result(ev, e.result, maker, err));
    if (e.source < 0 || e.source > PROVMAT_SOURCE_JOB)
        return refuse_word("source", e.source, "0 (absent) or one of PROVMAT_SOURCE_LOCAL (1) to _JOB (4)", err);
    NUMBER(source, e.source != 0, (enum pm_source)(e.source - PROVMAT_SOURCE_LOCAL));
    NUMBER(stored_at, e.has & PROVMAT_HAS_STORED_AT, e.stored_at_us);
    NUMBER(loss, e.has & PROVMAT_HAS_LOSS, e.loss);
    NUMBER(n_replicates, e.n_replicates != 0, e.n_replicates);
    return put_outputs(ev, e.outputs, e.n_outputs, maker, err);
}

static int put_failed(struct pm_event *ev, const void *given, struct pm_record_maker *maker, struct pm_error *err)
{
    struct provmat_failed e;
    PM_TRY(PM_GIVEN_TAKE(e, given, "provmat_failed", err));
    PM_TRY(put_result(ev, e.result, maker, err));
    ev->failure = (struct pm_failure){.type = pm_slice_cstr(e.error_type ? e.error_type : ""),
                                      .message = pm_slice_cstr(e.error_message ? e.error_message : ""),
                                      .retryable = e.retryable != 0};
    ev->has |= PM_HAS(failure);
    return PM_OK;
}

static int put_expected(struct pm_event *ev, const void *given, struct pm_record_maker *maker, struct pm_error *err)
{
    struct provmat_expected e;
    PM_TRY(PM_GIVEN_TAKE(e, given, "provmat_expected", err));
    TEXTS(results, "results", e.results, e.n_results, PM_EXPECTED_MAX);
    return PM_OK;
}

static int put_deleted(struct pm_event *ev, const void *given, struct pm_error *err)
{
    struct provmat_deleted e;
    PM_TRY(PM_GIVEN_TAKE(e, given, "provmat_deleted", err));
    TEXT(result, e.path);
    TEXT(reason, e.reason);
    return PM_OK;
}

static int put_submitted(struct pm_event *ev, const void *given, struct pm_record_maker *maker, struct pm_error *err)
{
    struct provmat_submitted e;
    PM_TRY(PM_GIVEN_TAKE(e, given, "provmat_submitted", err));
    TEXT(job_type, e.job_type);
    TEXT(bundle_ref, e.bundle_ref);
    TEXT(bundle_digest, e.bundle_digest);
    TEXT(entrypoint, e.entrypoint);
    TEXTS(targets, "targets", e.targets, e.n_targets, ITEMS_MAX);
    TEXTS(parents, "parents", e.parents, e.n_parents, ITEMS_MAX);
    TEXT(definition_hash, e.definition_hash);
    TEXT(input_hash, e.input_hash);
    OBJECT(job_inputs, "inputs", e.inputs);
    TEXT(provider_id, e.provider_id);
    TEXT(provider_model, e.provider_model);
    TEXT(user, e.user);
    TEXT(rerun_of, e.rerun_of);
    OBJECT(metadata, "metadata", e.metadata);
    return PM_OK;
}

static int put_status(struct pm_event *ev, const void *given, struct pm_error *err)
{
    struct provmat_status_changed e;
    PM_TRY(PM_GIVEN_TAKE(e, given, "provmat_status_changed", err));
    if (e.status < PROVMAT_PENDING || e.status > PROVMAT_CANCELLED)
        return refuse_word("status", e.status, "one of PROVMAT_PENDING (1) to PROVMAT_CANCELLED (6)", err);
    NUMBER(status, true, (enum pm_status)(e.status - PROVMAT_PENDING));
    TEXT(status_error, e.error);
    NUMBER(duration_us, e.has & PROVMAT_HAS_DURATION, e.duration_us);
    return PM_OK;
}

static int put_own(struct pm_event *ev, const void *given, struct pm_record_maker *maker, struct pm_error *err)
{
    switch (ev->type) {
    case PM_RESULT_COMPUTED:
    case PM_RESULT_DISCOVERED: return put_computed(ev, given, maker, err);
    case PM_RESULT_REUSED: return put_reused(ev, given, maker, err);
    case PM_RESULT_FAILED: return put_failed(ev, given, maker, err);
    case PM_RESULTS_EXPECTED: return put_expected(ev, given, maker, err);
    case PM_RESULT_DELETED: return put_deleted(ev, given, err);
    case PM_JOB_SUBMITTED: return put_submitted(ev, given, maker, err);
    case PM_JOB_STATUS_CHANGED: return put_status(ev, given, err);
    default: break;
    }
    PM_CHECK(!"a type of event that has no struct");
    return PM_EINVALID;
}

int pm_convert(enum pm_event_type type, const void *given, const struct pm_convert_defaults *defaults,
               struct pm_record_maker *maker, struct pm_event *ret, struct pm_error *err)
{
    struct pm_event *ev = ret;
    struct common c;
    ev->type = type;
    ev->has = 0;
    PM_TRY(put_own(ev, given, maker, err)); /* also finds that `size` is wrong */
    size_t size;
    memcpy(&size, given, sizeof size);
    memset(&c, 0, sizeof c);
    memcpy(&c, given, size < sizeof c ? size : sizeof c);
    bool needs_job = type != PM_RESULT_DISCOVERED && type != PM_RESULT_DELETED;
    TEXT(job_id, c.job_id ? c.job_id : needs_job ? defaults->job_id : NULL);
    TEXT(worker, c.worker ? c.worker : defaults->worker);
    TEXT(event_id, c.event_id);
    NUMBER(occurred_at, true, c.occurred_at_us ? c.occurred_at_us : defaults->now_us);
    /* The time counts in the id, also when it is ours: what a running job says again has happened again. */
    PM_TRY(pm_event_complete(ev, &maker->arena, &maker->scratch, err));
    if (!c.event_id) maker->body = pm_event_derived_body(ev, &maker->scratch);
    return PM_OK;
}
