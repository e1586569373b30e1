/* results.c: the view of results: path, facts, deletion, and every conflict with its values. */
#include "common/base/check.h"
#include "common/base/json.h"
#include "common/store/job.h"
#include "consumer/views/views.h"

struct walk {
    struct pm_dump *dump;
    pm_view_each each;
    void *arg;
    struct pm_arena arena;
    struct pm_buf text;
};

/* One row a result: its facts as the line of an event, and what is beside them. */
static int take_result(void *arg, const struct pm_result *brief, struct pm_error *err)
{
    struct walk *walk = arg;
    struct pm_result result;
    pm_arena_reset(&walk->arena);
    PM_TRY(pm_result_get(walk->dump->snap, brief->number, &walk->arena, &result, err));
    struct pm_buf *text = &walk->text;
    pm_buf_clear(text);
    struct pm_event facts = result.facts;
    facts.type = PM_RESULT_COMPUTED;
    facts.result = result.path;
    facts.has |= PM_HAS(result);
    pm_event_to_json(&facts, pm_slice("", 0), text);
    pm_buf_printf(text, "|%d|%d|%lld|%u", result.attributed, result.deleted, result.deleted ? (long long)result.deleted_at : 0, result.conflicts);
    struct pm_view_row row = {.key = pm_view_hash(result.path), .content = pm_view_hash(pm_buf_slice(text)), .result = (int64_t)result.number, .job = -1};
    return walk->each(walk->arg, &row, err);
}

static int take_conflict(void *arg, const struct pm_conflict *conflict, struct pm_error *err)
{
    struct walk *walk = arg;
    struct pm_buf *text = &walk->text;
    uint64_t number = 0;
    pm_buf_clear(text);
    pm_json_put_string(text, conflict->id);
    pm_json_put_string(text, conflict->what);
    struct pm_hash128 key = pm_view_hash(pm_buf_slice(text));
    pm_buf_cstr(text, pm_conflict_class_name(conflict->class));
    for (size_t i = 0; i < conflict->n_values; i++) {
        const struct pm_conflict_value *value = &conflict->values[i];
        pm_buf_slice_add(text, value->value);
        pm_buf_printf(text, "|%d|%lld|%.*s|", value->type, (long long)value->at, value->has_job ? (int)value->job_id.len : 0, value->job_id.ptr);
    }
    PM_TRY(pm_result_find(walk->dump->snap, conflict->id, &number, err));
    struct pm_view_row row = {.key = key, .content = pm_view_hash(pm_buf_slice(text)), .result = (int64_t)number, .job = -1};
    return walk->each(walk->arg, &row, err);
}

int pm_view_results(struct pm_dump *dump, pm_view_each each, void *arg, struct pm_error *err)
{
    struct walk walk = {.dump = dump, .each = each, .arg = arg};
    int rc = pm_results_each(dump->snap, take_result, &walk, err);
    if (rc == PM_OK) rc = pm_result_conflicts_each(dump->snap, take_conflict, &walk, err);
    pm_arena_release(&walk.arena);
    pm_buf_release(&walk.text);
    return rc;
}
