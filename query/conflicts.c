/* conflicts.c: `query conflicts`: one row a field with two values. Results come first, by path; then jobs, by id. */
#include "common/base/check.h"
#include "query/reading.h"

static const struct pm_column value_fields[] = {
    {.name = "value", .type = PM_COLUMN_JSON},
    {.name = "type", .type = PM_COLUMN_TEXT},
    {.name = "job_id", .type = PM_COLUMN_TEXT},
    {.name = "at", .type = PM_COLUMN_TIME},
    {0},
};
static const struct pm_column columns[] = {
    {.name = "subject", .type = PM_COLUMN_TEXT},
    {.name = "id", .type = PM_COLUMN_TEXT},
    {.name = "class", .type = PM_COLUMN_TEXT},
    {.name = "what", .type = PM_COLUMN_TEXT},
    {.name = "values", .type = PM_COLUMN_LIST, .fields = value_fields},
    {.name = "is_job", .type = PM_COLUMN_BOOL, .hidden = true},
};
enum { ID = 1, WHAT = 3, IS_JOB = 5 };

struct gather {
    int class;
    struct pm_rows *rows;
};

static int each_conflict(void *arg, const struct pm_conflict *conflict, struct pm_error *err)
{
    struct gather *gather = arg;
    struct pm_rows *rows = gather->rows;
    if (gather->class >= 0 && (int)conflict->class != gather->class) return PM_OK;
    pm_row_begin(rows);
    pm_row_cstr(rows, conflict->is_job ? "job" : "result");
    pm_row_text(rows, conflict->id);
    pm_row_cstr(rows, pm_conflict_class_name(conflict->class));
    pm_row_text(rows, conflict->what);
    pm_row_list_begin(rows);
    for (size_t i = 0; i < conflict->n_values; i++) {
        const struct pm_conflict_value *value = &conflict->values[i];
        pm_row_json(rows, value->value);
        pm_row_cstr(rows, pm_event_type_name(value->type));
        if (value->has_job) pm_row_text(rows, value->job_id);
        else pm_row_null(rows);
        pm_row_time(rows, value->at);
    }
    pm_row_list_end(rows);
    pm_row_bool(rows, conflict->is_job);
    PM_TRY(pm_row_end(rows, err));
    return pm_rows_full(rows) ? PM_SCAN_STOP : PM_OK;
}

int pm_query_conflicts(const struct pm_query *question, int class, struct pm_error *err)
{
    PM_CLEANUP(pm_rows_cleanup) struct pm_rows *rows = NULL;
    PM_CLEANUP(pm_reading_close) struct pm_reading reading = {0};
    struct pm_rows_spec spec = {.columns = columns,
                                .n_columns = sizeof columns / sizeof *columns,
                                .sort = {{IS_JOB, false}, {ID, false}, {WHAT, false}},
                                .n_sort = 3};
    PM_TRY(pm_rows_new(&spec, &question->output, &rows, err));
    PM_TRY(pm_reading_open(question, PM_ASK_IF_NEEDED, &reading, err));
    struct gather gather = {class, rows};
    int rc = pm_conflicts_each(reading.snap, each_conflict, &gather, err);
    if (rc != PM_OK && rc != PM_SCAN_STOP) return rc;
    return pm_reading_print(&reading, question, rows, true, err);
}
