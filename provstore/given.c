/* given.c: what a program gives to the calls of provmat_store.h, as facts (given.h). */
#include "provstore/given.h"

#include "common/base/given.h"
#include "common/base/json.h"
#include "common/event/identity.h"

#define TEXT(member, text) PM_EVENT_SET_TEXT(ev, member, text)
#define NUMBER(member, given, value) PM_EVENT_SET_IF(ev, member, given, value)

static int read_params(struct pm_slice text, struct pm_arena *arena, struct pm_buf *out, struct pm_error *err)
{
    (void)arena;
    return pm_params_canonical(text, out, err);
}

static int read_object(struct pm_slice text, struct pm_arena *arena, struct pm_buf *out, struct pm_error *err)
{
    struct pm_json in;
    PM_TRY(pm_json_open(&in, text, arena, err));
    if (pm_json_peek(&in) != PM_JSON_OBJECT) return pm_json_expected(&in, "an object", err);
    PM_TRY(pm_json_read_compact(&in, out, err));
    return pm_json_close(&in, err);
}

typedef int read_fn(struct pm_slice text, struct pm_arena *arena, struct pm_buf *out, struct pm_error *err);

/* A JSON object, in the form that events hold it in. */
static int take_json(const char *given, const char *field, read_fn *read, struct pm_arena *arena, struct pm_event *ev,
                     uint64_t bit, struct pm_slice *member, struct pm_error *err)
{
    if (!given) return PM_OK;
    struct pm_slice text = pm_slice_cstr(given);
    struct pm_buf out = {0};
    if (text.len > PM_EVENT_BYTES_MAX)
        return pm_error_set(err, PM_ELIMIT, "%s has %zu bytes, above the limit of %d", field, text.len,
                            PM_EVENT_BYTES_MAX);
    int rc = read(text, arena, &out, err);
    if (rc == PM_OK) {
        *member = pm_arena_copy(arena, pm_buf_slice(&out));
        ev->has |= bit;
    }
    pm_buf_release(&out);
    return rc == PM_OK ? rc : pm_error_wrap(err, rc, "%s", field);
}

static int take_result(const struct provmat_result *given, struct pm_arena *arena, struct provmat_result *ret,
                       struct pm_event *ev, struct pm_error *err)
{
    struct provmat_result r;
    PM_TRY(PM_GIVEN_TAKE(r, given, "provmat_result", err));
    if (r.kind != PROVMAT_SIM && r.kind != PROVMAT_AGG)
        return pm_error_set(err, PM_EINVALID, "kind must be PROVMAT_SIM (1) or PROVMAT_AGG (2), not %d", r.kind);
    NUMBER(kind, true, r.kind == PROVMAT_SIM ? PM_KIND_SIM : PM_KIND_AGG);
    NUMBER(seed, r.has & PROVMAT_HAS_SEED, r.seed);
    TEXT(result, r.path);
    TEXT(bundle_ref, r.bundle_ref);
    TEXT(bundle_digest, r.bundle_digest);
    TEXT(model_digest, r.model_digest);
    TEXT(entrypoint, r.entrypoint);
    TEXT(param_id, r.param_id);
    TEXT(target, r.target);
    TEXT(target_digest, r.target_digest);
    TEXT(aggregation_id, r.aggregation_id);
    PM_TRY(take_json(r.params, "params", read_params, arena, ev, PM_HAS(params), &ev->params, err));
    r.size = sizeof r;
    *ret = r;
    return PM_OK;
}

static int take_task_ids(const struct provmat_computed *given, struct pm_arena *arena, struct pm_event *ev,
                         struct pm_error *err)
{
    size_t n = given->n_input_task_ids;
    if (!given->input_task_ids)
        return n ? pm_error_set(err, PM_EINVALID, "input_task_ids is NULL and has %zu items", n) : PM_OK;
    if (n > PM_INPUTS_MAX)
        return pm_error_set(err, PM_ELIMIT, "input_task_ids has %zu items, above the limit of %d", n, PM_INPUTS_MAX);
    struct pm_slice *items = pm_arena_alloc(arena, (n + 1) * sizeof *items);
    for (size_t i = 0; i < n; i++) {
        if (!given->input_task_ids[i]) return pm_error_set(err, PM_EINVALID, "an item of input_task_ids is NULL");
        items[i] = pm_slice_cstr(given->input_task_ids[i]);
    }
    ev->input_task_ids = pm_array_of_texts(arena, items, (uint32_t)n);
    ev->has |= PM_HAS(input_task_ids);
    return PM_OK;
}

int pm_given_computed_take(const struct provmat_computed *given, struct pm_arena *arena, struct pm_given_computed *ret,
                           struct pm_event *ret_facts, struct pm_error *err)
{
    struct pm_event facts = {.type = PM_RESULT_DISCOVERED}, *ev = &facts;
    struct pm_given_computed own;
    PM_TRY(PM_GIVEN_TAKE(own.event, given, "provmat_computed", err));
    PM_TRY(take_result(own.event.result, arena, &own.result, ev, err));
    if (own.event.outputs || own.event.n_outputs)
        return pm_error_set(err, PM_EINVALID, "outputs are made from the artifacts; leave them NULL");
    NUMBER(occurred_at, own.event.occurred_at_us != 0, own.event.occurred_at_us);
    NUMBER(loss, own.event.has & PROVMAT_HAS_LOSS, own.event.loss);
    NUMBER(n_replicates, own.event.n_replicates != 0, own.event.n_replicates);
    TEXT(task_id, own.event.task_id);
    PM_TRY(take_task_ids(&own.event, arena, ev, err));
    PM_TRY(take_json(own.event.diagnostics, "diagnostics", read_object, arena, ev, PM_HAS(diagnostics),
                     &ev->diagnostics, err));
    own.event.size = sizeof own.event;
    *ret = own;
    *ret_facts = facts;
    return PM_OK;
}

int pm_given_reused_take(const struct provmat_reused *given, struct pm_arena *arena, struct pm_given_reused *ret,
                         struct pm_event *ret_facts, struct pm_error *err)
{
    struct pm_event facts = {.type = PM_RESULT_DISCOVERED};
    struct pm_given_reused own;
    PM_TRY(PM_GIVEN_TAKE(own.event, given, "provmat_reused", err));
    PM_TRY(take_result(own.event.result, arena, &own.result, &facts, err));
    if (own.event.outputs || own.event.n_outputs)
        return pm_error_set(err, PM_EINVALID, "outputs are those of the stored result; leave them NULL");
    own.event.size = sizeof own.event;
    *ret = own;
    *ret_facts = facts;
    return PM_OK;
}
