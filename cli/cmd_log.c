/* cmd_log.c: `provmat log create` and `provmat log info`. */
#include "cli/command.h"
#include "common/base/json.h"
#include "query/output.h"

int pm_cmd_log_create(struct pm_cli *cli, struct pm_error *err)
{
    const char *url = pm_cli_log_url(cli);
    struct pm_log_options options = cli->log;
    options.mode = PM_LOG_ADMIN;
    uint64_t n = pm_cli_count(cli, "partitions", 0);
    if (pm_cli_flag(cli, "partitions") && (n == 0 || n > PM_LOG_PARTITIONS_MAX))
        return pm_error_set(err, PM_EUSAGE, "--partitions: %llu is not within 1..%d", (unsigned long long)n,
                            PM_LOG_PARTITIONS_MAX);
    PM_TRY(pm_log_create(url, &options, (int)n, err));
    pm_cli_note(cli, "made the log %s", url);
    return PM_OK;
}

/* ---- info ---- */

static const struct pm_column partition_fields[] = {
    {.name = "partition", .type = PM_COLUMN_INT},
    {.name = "first", .type = PM_COLUMN_INT},
    {.name = "next", .type = PM_COLUMN_INT},
    {0},
};

static const struct pm_column columns[] = {
    {.name = "url", .type = PM_COLUMN_TEXT},
    {.name = "identity", .type = PM_COLUMN_TEXT},
    {.name = "events", .type = PM_COLUMN_INT},
    {.name = "partitions", .type = PM_COLUMN_LIST, .fields = partition_fields},
    {.name = "settings", .type = PM_COLUMN_JSON},
    {.name = "warnings", .type = PM_COLUMN_LIST, .fields = pm_list_of_text},
};

struct settings {
    struct pm_buf json;     /* an object, open at its end */
    struct pm_buf warnings; /* one after the other, each ended by a zero */
};

static void add_setting(void *arg, const char *name, const char *value, const char *warning)
{
    struct settings *s = arg;
    pm_buf_byte(&s->json, s->json.len ? ',' : '{');
    pm_json_put_string(&s->json, pm_slice_cstr(name));
    pm_buf_byte(&s->json, ':');
    if (value) pm_json_put_string(&s->json, pm_slice_cstr(value));
    else pm_buf_cstr(&s->json, "null");
    if (warning) pm_buf_bytes(&s->warnings, warning, strlen(warning) + 1);
}

static int add_partitions(struct pm_rows *rows, struct pm_log *log, int32_t count, struct pm_error *err)
{
    int64_t events = 0;
    struct {
        int64_t first, next;
    } at[PM_LOG_PARTITIONS_MAX];
    for (int32_t p = 0; p < count; p++) {
        PM_TRY(pm_log_offsets(log, p, &at[p].first, &at[p].next, err));
        events += at[p].next - at[p].first;
    }
    pm_row_int(rows, events);
    pm_row_list_begin(rows);
    for (int32_t p = 0; p < count; p++) {
        pm_row_int(rows, p);
        pm_row_int(rows, at[p].first);
        pm_row_int(rows, at[p].next);
    }
    pm_row_list_end(rows);
    return PM_OK;
}

static int add_row(struct pm_rows *rows, struct pm_log *log, struct settings *settings, struct pm_error *err)
{
    int32_t count = 0;
    PM_TRY(pm_log_partitions(log, &count, err));
    PM_TRY(pm_log_settings(log, add_setting, settings, err));
    pm_row_begin(rows);
    pm_row_cstr(rows, pm_log_url(log));
    pm_row_cstr(rows, pm_log_identity(log));
    PM_TRY(add_partitions(rows, log, count, err));
    pm_buf_cstr(&settings->json, settings->json.len ? "}" : "{}");
    pm_row_json(rows, pm_buf_slice(&settings->json));
    pm_row_list_begin(rows);
    for (size_t i = 0; i < settings->warnings.len; i += strlen(settings->warnings.ptr + i) + 1)
        pm_row_cstr(rows, settings->warnings.ptr + i);
    pm_row_list_end(rows);
    return pm_row_end(rows, err);
}

int pm_cmd_log_info(struct pm_cli *cli, struct pm_error *err)
{
    struct pm_rows_spec spec = {.columns = columns, .n_columns = sizeof columns / sizeof *columns, .one = true};
    struct pm_output_options options = pm_cli_output_options(cli);
    struct pm_rows *rows = NULL;
    struct pm_log *log = NULL;
    struct settings settings = {0};
    PM_TRY(pm_rows_new(&spec, &options, &rows, err));
    int rc = pm_cli_log_open(cli, pm_cli_log_url(cli), PM_LOG_READ, &log, err);
    if (rc == PM_OK) rc = add_row(rows, log, &settings, err);
    if (rc == PM_OK) rc = pm_rows_print(rows, stdout, NULL, err);
    for (size_t i = 0; rc == PM_OK && i < settings.warnings.len; i += strlen(settings.warnings.ptr + i) + 1)
        pm_cli_warn("warning: %s", settings.warnings.ptr + i);
    pm_log_close(log);
    pm_rows_free(rows);
    pm_buf_release(&settings.json);
    pm_buf_release(&settings.warnings);
    return rc;
}
