/* cmd_snapshot.c: `provmat snapshot`: a copy of the index, and one object about it. */
#include "cli/consume.h"
#include "cli/signals.h"
#include "common/base/time.h"
#include "query/output.h"

static const struct pm_column partition_fields[] = {
    {.name = "partition", .type = PM_COLUMN_INT},
    {.name = "first", .type = PM_COLUMN_INT},
    {.name = "applied", .type = PM_COLUMN_INT},
    {0},
};
static const struct pm_column view_fields[] = {
    {.name = "name", .type = PM_COLUMN_TEXT},
    {.name = "version", .type = PM_COLUMN_INT},
    {.name = "rows", .type = PM_COLUMN_INT},
    {.name = "digest", .type = PM_COLUMN_TEXT},
    {0},
};
static const struct pm_column columns[] = {
    {.name = "snapshot", .type = PM_COLUMN_TEXT},
    {.name = "index", .type = PM_COLUMN_TEXT},
    {.name = "log", .type = PM_COLUMN_TEXT},
    {.name = "bytes", .type = PM_COLUMN_INT},
    {.name = "events", .type = PM_COLUMN_INT},
    {.name = "results", .type = PM_COLUMN_INT},
    {.name = "jobs", .type = PM_COLUMN_INT},
    {.name = "pairs", .type = PM_COLUMN_INT},
    {.name = "quarantined", .type = PM_COLUMN_INT},
    {.name = "partitions", .type = PM_COLUMN_LIST, .fields = partition_fields},
    {.name = "views", .type = PM_COLUMN_LIST, .fields = view_fields},
};

static int add_row(struct pm_rows *rows, const struct pm_cli *cli, const struct pm_backup *backup, struct pm_error *err)
{
    pm_row_begin(rows);
    pm_row_cstr(rows, cli->operands[0]);
    pm_row_cstr(rows, cli->index_dir);
    pm_row_cstr(rows, backup->info.log_url);
    pm_row_int(rows, (int64_t)backup->bytes);
    pm_row_int(rows, (int64_t)backup->info.events);
    pm_row_int(rows, (int64_t)backup->info.results);
    pm_row_int(rows, (int64_t)backup->info.jobs);
    pm_row_int(rows, (int64_t)backup->info.pairs);
    pm_row_int(rows, (int64_t)backup->info.quarantined);
    pm_row_list_begin(rows);
    for (size_t i = 0; i < backup->n_applied; i++) {
        pm_row_int(rows, backup->applied[i].partition);
        pm_row_int(rows, backup->applied[i].first);
        pm_row_int(rows, backup->applied[i].next);
    }
    pm_row_list_end(rows);
    pm_row_list_begin(rows);
    for (size_t i = 0; i < backup->n_views; i++) {
        pm_row_cstr(rows, backup->views[i].view);
        pm_row_int(rows, backup->views[i].version);
        pm_row_int(rows, (int64_t)backup->views[i].rows);
        pm_row_cstr(rows, backup->views[i].digest);
    }
    pm_row_list_end(rows);
    return pm_row_end(rows, err);
}

static int snapshot(struct pm_cli *cli, struct pm_rows *rows, struct pm_arena *arena, struct pm_error *err)
{
    struct pm_consumer_options options = pm_consume_options(cli, true);
    struct pm_backup backup;
    int64_t started_us = pm_time_monotonic_us();
    int rc = pm_consume_end(pm_backup(&options, cli->operands[0], arena, &backup, err), err);
    if (rc != PM_OK) pm_signals_end(); /* what was interrupted has left nothing; a copy that is whole is told */
    PM_TRY(rc);
    PM_TRY(add_row(rows, cli, &backup, err));
    PM_TRY(pm_rows_print(rows, stdout, NULL, err));
    char events[32];
    pm_cli_note(cli, "copied %s to %s in %.1f s: %s record%s applied, %.1f MB, checked", cli->index_dir,
                cli->operands[0], (double)(pm_time_monotonic_us() - started_us) / 1e6,
                pm_count_format(backup.info.events, events), backup.info.events == 1 ? "" : "s",
                (double)backup.bytes / 1e6);
    return PM_OK;
}

int pm_cmd_snapshot(struct pm_cli *cli, struct pm_error *err)
{
    struct pm_rows_spec spec = {.columns = columns, .n_columns = sizeof columns / sizeof *columns, .one = true};
    struct pm_output_options options = pm_cli_output_options(cli);
    struct pm_arena arena = {0};
    struct pm_rows *rows = NULL;
    PM_TRY(pm_rows_new(&spec, &options, &rows, err));
    int rc = snapshot(cli, rows, &arena, err);
    pm_rows_free(rows);
    pm_arena_release(&arena);
    return rc;
}
