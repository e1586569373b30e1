/* stats.c: `provmat stats`: the index in numbers, and how far it is behind its log. */
#include "common/base/check.h"
#include "query/reading.h"

static const struct pm_column partition_fields[] = {
    {.name = "partition", .type = PM_COLUMN_INT}, {.name = "first", .type = PM_COLUMN_INT},
    {.name = "applied", .type = PM_COLUMN_INT},   {.name = "end", .type = PM_COLUMN_INT},
    {.name = "lag", .type = PM_COLUMN_INT},       {0},
};
static const struct pm_column gap_fields[] = {
    {.name = "partition", .type = PM_COLUMN_INT}, {.name = "from", .type = PM_COLUMN_INT},
    {.name = "to", .type = PM_COLUMN_INT},        {.name = "kind", .type = PM_COLUMN_TEXT},
    {.name = "accepted", .type = PM_COLUMN_BOOL}, {0},
};
static const struct pm_column view_fields[] = {
    {.name = "name", .type = PM_COLUMN_TEXT},
    {.name = "version", .type = PM_COLUMN_INT},
    {.name = "rows", .type = PM_COLUMN_INT},
    {.name = "bytes", .type = PM_COLUMN_INT},
    {0},
};
static const struct pm_column columns[] = {
    {.name = "events", .type = PM_COLUMN_INT},
    {.name = "results", .type = PM_COLUMN_INT},
    {.name = "jobs", .type = PM_COLUMN_INT},
    {.name = "pairs", .type = PM_COLUMN_INT},
    {.name = "computed", .type = PM_COLUMN_INT},
    {.name = "reused", .type = PM_COLUMN_INT},
    {.name = "failed", .type = PM_COLUMN_INT},
    {.name = "expected", .type = PM_COLUMN_INT},
    {.name = "reuse_ratio", .type = PM_COLUMN_DOUBLE},
    {.name = "unattributed", .type = PM_COLUMN_INT},
    {.name = "conflicts", .type = PM_COLUMN_INT},
    {.name = "quarantined", .type = PM_COLUMN_INT},
    {.name = "index_bytes", .type = PM_COLUMN_INT},
    {.name = "log", .type = PM_COLUMN_TEXT},
    {.name = "partitions", .type = PM_COLUMN_LIST, .fields = partition_fields},
    {.name = "views", .type = PM_COLUMN_LIST, .fields = view_fields},
    {.name = "until", .type = PM_COLUMN_TIME}, /* rebuild --until: later events were left out */
    {.name = "complete", .type = PM_COLUMN_TEXT},
    {.name = "gaps", .type = PM_COLUMN_LIST, .fields = gap_fields},
    {.name = "producers", .type = PM_COLUMN_INT},
    {.name = "producers_with_gaps", .type = PM_COLUMN_INT},
    {.name = "missing_events", .type = PM_COLUMN_INT},
};

static void partition_cells(struct pm_rows *rows, const struct pm_reading *reading)
{
    pm_row_list_begin(rows);
    for (size_t i = 0; i < reading->n_partitions; i++) {
        const struct pm_partition *partition = &reading->partitions[i];
        pm_row_int(rows, partition->partition);
        pm_row_int(rows, partition->first);
        pm_row_int(rows, partition->next);
        if (partition->end >= 0) {
            pm_row_int(rows, partition->end);
            pm_row_int(rows, partition->end > partition->next ? partition->end - partition->next : 0);
        } else {
            pm_row_null(rows);
            pm_row_null(rows);
        }
    }
    pm_row_list_end(rows);
}

static void gap_cells(struct pm_rows *rows, const struct pm_reading *reading)
{
    pm_row_list_begin(rows);
    for (size_t i = 0; i < reading->n_gaps; i++) {
        const struct pm_gap *gap = &reading->gaps[i];
        pm_row_int(rows, gap->partition);
        pm_row_int(rows, gap->from);
        pm_row_int(rows, gap->to);
        pm_row_cstr(rows, pm_gap_kind_name(gap->kind));
        pm_row_bool(rows, gap->accepted);
    }
    pm_row_list_end(rows);
}

static int view_cells(struct pm_rows *rows, struct pm_reading *reading, struct pm_error *err)
{
    struct pm_view_info *views;
    size_t n;
    PM_TRY(pm_snapshot_views(reading->snap, &reading->arena, &views, &n, err));
    pm_row_list_begin(rows);
    for (size_t i = 0; i < n; i++) {
        pm_row_cstr(rows, views[i].name);
        pm_row_int(rows, views[i].version);
        pm_row_int(rows, (int64_t)views[i].rows);
        pm_row_int(rows, (int64_t)views[i].bytes);
    }
    pm_row_list_end(rows);
    return PM_OK;
}

static int add_stats(struct pm_rows *rows, struct pm_reading *reading, struct pm_error *err)
{
    const struct pm_index_info *info = &reading->info;
    uint64_t computed = info->pairs_by_role[PM_ROLE_COMPUTED], reused = info->pairs_by_role[PM_ROLE_REUSED];
    pm_row_begin(rows);
    pm_row_int(rows, (int64_t)info->events);
    pm_row_int(rows, (int64_t)info->results);
    pm_row_int(rows, (int64_t)info->jobs);
    pm_row_int(rows, (int64_t)info->pairs);
    for (unsigned role = 0; role < PM_ROLE_COUNT; role++) pm_row_int(rows, (int64_t)info->pairs_by_role[role]);
    if (computed + reused) pm_row_double(rows, (double)reused / (double)(computed + reused));
    else pm_row_null(rows);
    pm_row_int(rows, (int64_t)info->unattributed);
    pm_row_int(rows, (int64_t)info->conflicts);
    pm_row_int(rows, (int64_t)info->quarantined);
    pm_row_int(rows, (int64_t)info->file_bytes);
    pm_row_cstr(rows, info->log_url);
    partition_cells(rows, reading);
    PM_TRY(view_cells(rows, reading, err));
    pm_row_time_if(rows, info->until_us != INT64_MAX, info->until_us);
    pm_row_cstr(rows, pm_reading_complete(reading));
    gap_cells(rows, reading);
    pm_row_int(rows, (int64_t)info->producers);
    pm_row_int(rows, (int64_t)info->producers_with_gaps);
    pm_row_int(rows, (int64_t)info->missing_events);
    return pm_row_end(rows, err);
}

static void tell_missing(const struct pm_reading *reading, const struct pm_query *question)
{
    char text[200];
    const struct pm_index_info *info = &reading->info;
    if (info->producers_with_gaps == 0 || !pm_reading_for_a_person(question)) return;
    snprintf(text, sizeof text,
             "%llu event%s of %llu producer%s %s not here, so that no event is not the same as no reuse; whose: "
             "provmat stats --producers",
             (unsigned long long)info->missing_events, info->missing_events == 1 ? "" : "s",
             (unsigned long long)info->producers_with_gaps, info->producers_with_gaps == 1 ? "" : "s",
             info->missing_events == 1 ? "is" : "are");
    question->note(question->arg, text);
}

int pm_query_stats(const struct pm_query *question, struct pm_error *err)
{
    PM_CLEANUP(pm_rows_cleanup) struct pm_rows *rows = NULL;
    PM_CLEANUP(pm_reading_close) struct pm_reading reading = {0};
    struct pm_rows_spec spec = {.columns = columns, .n_columns = sizeof columns / sizeof *columns, .one = true};
    PM_TRY(pm_rows_new(&spec, &question->output, &rows, err));
    PM_TRY(pm_reading_open(question, PM_ASK_ALWAYS, &reading, err));
    PM_TRY(add_stats(rows, &reading, err));
    tell_missing(&reading, question);
    return pm_reading_print(&reading, question, rows, false, err);
}
