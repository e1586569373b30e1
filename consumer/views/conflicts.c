/* conflicts.c: the view of conflicts: every field of a result or a job that has two values, with the values. */
#include "common/base/check.h"
#include "common/base/json.h"
#include "consumer/views/views.h"

struct walk {
    struct pm_dump *dump;
    pm_view_each each;
    void *arg;
    struct pm_buf text;
};

static int take_conflict(void *arg, const struct pm_conflict *conflict, struct pm_error *err)
{
    struct walk *walk = arg;
    struct pm_buf *text = &walk->text;
    pm_buf_clear(text);
    pm_buf_byte(text, conflict->is_job);
    pm_json_put_string(text, conflict->id);
    pm_json_put_string(text, conflict->what);
    pm_buf_cstr(text, pm_conflict_class_name(conflict->class));
    for (size_t i = 0; i < conflict->n_values; i++) {
        const struct pm_conflict_value *value = &conflict->values[i];
        pm_buf_slice_add(text, value->value);
        pm_buf_printf(text, "|%d|%lld|%.*s|", value->type, (long long)value->at,
                      value->has_job ? (int)value->job_id.len : 0, value->job_id.ptr);
    }
    struct pm_view_row row = {.content = pm_view_hash(pm_buf_slice(text)), .result = -1, .job = -1};
    if (conflict->is_job) {
        uint32_t job;
        PM_TRY(pm_job_find(walk->dump->snap, conflict->id, &job, err));
        row.job = job;
    } else {
        uint64_t result;
        PM_TRY(pm_result_find(walk->dump->snap, conflict->id, &result, err));
        row.result = (int64_t)result;
    }
    return walk->each(walk->arg, &row, err);
}

int pm_view_conflicts(struct pm_dump *dump, pm_view_each each, void *arg, struct pm_error *err)
{
    struct walk walk = {.dump = dump, .each = each, .arg = arg};
    int rc = pm_conflicts_each(dump->snap, take_conflict, &walk, err);
    pm_buf_release(&walk.text);
    return rc;
}
