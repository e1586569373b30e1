/* cmd_store.c: `provmat store list|show|stats|scan ROOT`: what lies in a store (provstore/store.h). Reads no log and no
 * index. */
#include "cli/cmd_store.h"

#include <stdlib.h>

#include "cli/signals.h"
#include "common/base/check.h"
#include "common/base/json.h"
#include "common/base/time.h"
#include "consumer/consumer.h"

#define PROGRESS_US 100000

static void show_progress(void *arg, const struct pm_store_counts *counts)
{
    struct pm_store_command *command = arg;
    int64_t now = pm_time_monotonic_us();
    if (now - command->shown_us < PROGRESS_US) return;
    command->shown_us = now;
    double seconds = (double)(now - command->started_us) / 1e6;
    struct pm_progress progress = {.phase = "store",
                                   .done = counts->results,
                                   .events_per_s = seconds > 0 ? (double)counts->results / seconds : 0,
                                   .seconds_left = -1};
    pm_progress_show(command->cli, &progress);
}

int pm_store_open(struct pm_store_command *command, struct pm_cli *cli, const struct pm_column *columns, size_t n,
                  struct pm_error *err)
{
    struct pm_rows_spec spec = {.columns = columns, .n_columns = n, .sort = {{1, false}, {0, false}}, .n_sort = 2};
    struct pm_output_options options = pm_cli_output_options(cli);
    const struct pm_given *given;
    if (columns && columns != pm_finding_columns) spec.n_sort = 1, spec.sort[0].column = 0;
    command->cli = cli;
    if (n) PM_TRY(pm_rows_new(&spec, &options, &command->rows, err));
    pm_schemas_builtin(&command->schemas);
    for (size_t at = 0; (given = pm_cli_next(cli, "schema-file", &at));)
        PM_TRY(pm_schemas_read(&command->schemas, given->value, err));
    command->walk = (struct pm_store_walk){.root = cli->operands[0],
                                           .schemas = &command->schemas,
                                           .stop = pm_signals_catch(),
                                           .progress = cli->progress ? show_progress : NULL,
                                           .arg = command,
                                           .progress_arg = command};
    command->started_us = pm_time_monotonic_us();
    return PM_OK;
}

int pm_store_run(struct pm_store_command *command, struct pm_error *err)
{
    int rc = pm_store_walk(&command->walk, &command->counts, err);
    pm_progress_clear();
    if (rc == PM_OK && *command->walk.stop) rc = pm_error_set(err, PM_EIO, "interrupted; nothing is printed");
    return rc;
}

void pm_store_close(struct pm_store_command *command)
{
    pm_rows_free(command->rows);
    pm_schemas_release(&command->schemas);
}

/* ---- what list and show say of a result ---- */

/* clang-format off */
#define RESULT_COLUMNS \
    {.name = "result", .type = PM_COLUMN_TEXT}, \
    {.name = "kind", .type = PM_COLUMN_TEXT}, \
    {.name = "layout", .type = PM_COLUMN_TEXT}, \
    {.name = "state", .type = PM_COLUMN_TEXT}, \
    {.name = "bundle_digest", .type = PM_COLUMN_TEXT}, \
    {.name = "entrypoint", .type = PM_COLUMN_TEXT}, \
    {.name = "param_id", .type = PM_COLUMN_TEXT}, \
    {.name = "seed", .type = PM_COLUMN_U64}, \
    {.name = "target", .type = PM_COLUMN_TEXT}, \
    {.name = "aggregation_id", .type = PM_COLUMN_TEXT}, \
    {.name = "loss", .type = PM_COLUMN_DOUBLE}, \
    {.name = "n_replicates", .type = PM_COLUMN_INT}, \
    {.name = "at", .type = PM_COLUMN_TIME}
#define FILES_COLUMNS \
    {.name = "artifacts", .type = PM_COLUMN_INT}, \
    {.name = "files", .type = PM_COLUMN_INT}, \
    {.name = "bytes", .type = PM_COLUMN_INT}, \
    {.name = "reason", .type = PM_COLUMN_TEXT}
/* clang-format on */

/* ptr NULL: null. */
static void add_text(struct pm_rows *rows, struct pm_slice text)
{
    struct pm_buf out = {0};
    if (text.ptr) {
        pm_put_text(&out, text);
        pm_row_text(rows, pm_buf_slice(&out));
    } else {
        pm_row_null(rows);
    }
    pm_buf_release(&out);
}

static void add_text_if(struct pm_rows *rows, bool has, struct pm_slice text)
{
    add_text(rows, has ? text : (struct pm_slice){NULL, 0});
}

/* The cells of RESULT_COLUMNS. */
static void add_result(struct pm_rows *rows, const struct pm_stored *stored)
{
    const struct pm_event *ev = &stored->facts;
    add_text(rows, stored->path);
    pm_row_cstr(rows, ev->has & PM_HAS(kind) ? pm_kind_name(ev->kind) : NULL);
    if (stored->layout) pm_row_text(rows, stored->layout->id);
    else pm_row_null(rows);
    pm_row_cstr(rows, pm_stored_state_name(stored->state));
    add_text_if(rows, ev->has & PM_HAS(bundle_digest), ev->bundle_digest);
    add_text_if(rows, ev->has & PM_HAS(entrypoint), ev->entrypoint);
    add_text_if(rows, ev->has & PM_HAS(param_id), ev->param_id);
    if (ev->has & PM_HAS(seed)) pm_row_u64(rows, ev->seed);
    else pm_row_null(rows);
    add_text_if(rows, ev->has & PM_HAS(target), ev->target);
    add_text_if(rows, ev->has & PM_HAS(aggregation_id), ev->aggregation_id);
    if (ev->has & PM_HAS(loss)) pm_row_double(rows, ev->loss);
    else pm_row_null(rows);
    if (ev->has & PM_HAS(n_replicates)) pm_row_int(rows, ev->n_replicates);
    else pm_row_null(rows);
    if ((ev->has & PM_HAS(occurred_at)) && ev->occurred_at >= PM_TIME_MIN && ev->occurred_at <= PM_TIME_MAX)
        pm_row_time(rows, ev->occurred_at);
    else pm_row_null(rows);
}

/* The cells of FILES_COLUMNS. */
static void add_files(struct pm_rows *rows, const struct pm_stored *stored)
{
    pm_row_int(rows, (int64_t)stored->artifacts);
    pm_row_int(rows, (int64_t)stored->files);
    pm_row_int(rows, (int64_t)stored->bytes);
    add_text(rows, stored->reason);
}

/* ---- list ---- */

static const struct pm_column list_columns[] = {RESULT_COLUMNS, FILES_COLUMNS};

/* --kind, --schema (a layout's id or a schema's name), --state */
static bool is_wanted(const struct pm_cli *cli, const struct pm_stored *stored)
{
    const char *kind = pm_cli_text(cli, "kind"), *schema = pm_cli_text(cli, "schema"),
               *state = pm_cli_text(cli, "state");
    const struct pm_event *ev = &stored->facts;
    if (kind && (!(ev->has & PM_HAS(kind)) || strcmp(pm_kind_name(ev->kind), kind) != 0)) return false;
    if (state && strcmp(pm_stored_state_name(stored->state), state) != 0) return false;
    if (!schema) return true;
    return ((ev->has & PM_HAS(schema)) && pm_slice_is(ev->schema, schema)) ||
           (stored->layout && pm_slice_is(stored->layout->id, schema));
}

static int list_result(void *arg, const struct pm_stored *stored, struct pm_error *err)
{
    struct pm_store_command *command = arg;
    struct pm_rows *rows = command->rows;
    if (!is_wanted(command->cli, stored)) return PM_OK;
    pm_row_begin(rows);
    add_result(rows, stored);
    add_files(rows, stored);
    return pm_row_end(rows, err);
}

/* What a list does not show must not pass unseen. */
static void tell_findings(const struct pm_store_command *command)
{
    char text[32];
    if (command->counts.findings)
        pm_cli_note(command->cli, "%s finding%s in this store; `provmat store scan %s` lists them",
                    pm_count_format(command->counts.findings, text), command->counts.findings == 1 ? "" : "s",
                    command->walk.root);
}

static int print(struct pm_store_command *command, struct pm_error *err)
{
    bool none = pm_rows_count(command->rows) == 0;
    PM_TRY(pm_rows_print(command->rows, stdout, NULL, err));
    tell_findings(command);
    return none ? pm_error_set(err, PM_ENOTFOUND, "%s", "") : PM_OK;
}

int pm_cmd_store_list(struct pm_cli *cli, struct pm_error *err)
{
    PM_CLEANUP(pm_store_close) struct pm_store_command command = {0};
    PM_TRY(pm_store_open(&command, cli, list_columns, sizeof list_columns / sizeof *list_columns, err));
    command.walk.result = list_result;
    PM_TRY(pm_store_run(&command, err));
    return print(&command, err);
}

/* ---- stats ---- */

static const struct pm_column stats_columns[] = {
    {.name = "area", .type = PM_COLUMN_TEXT},     {.name = "kind", .type = PM_COLUMN_TEXT},
    {.name = "results", .type = PM_COLUMN_INT},   {.name = "whole", .type = PM_COLUMN_INT},
    {.name = "failed", .type = PM_COLUMN_INT},    {.name = "half_written", .type = PM_COLUMN_INT},
    {.name = "broken", .type = PM_COLUMN_INT},    {.name = "files", .type = PM_COLUMN_INT},
    {.name = "bytes", .type = PM_COLUMN_INT},     {.name = "artifacts", .type = PM_COLUMN_INT},
    {.name = "first_at", .type = PM_COLUMN_TIME}, {.name = "last_at", .type = PM_COLUMN_TIME},
};
#define STATES 4
#define AREAS_MAX 4096

struct area {
    char name[128];
    int kind; /* enum pm_kind, -1: unknown */
    uint64_t results, states[STATES], files, bytes, artifacts;
    int64_t first_at, last_at;
};
struct stats {
    struct pm_store_command command;
    struct area *areas;
    size_t n;
};

/* "token/v1"; what lies elsewhere goes by its first directory. */
static void name_area(const struct pm_stored *stored, char out[128])
{
    const struct pm_event *ev = &stored->facts;
    struct pm_slice schema = ev->schema, path = stored->path;
    if ((ev->has & (PM_HAS(schema) | PM_HAS(schema_version))) == (PM_HAS(schema) | PM_HAS(schema_version))) {
        snprintf(out, 128, "%.*s/v%lld", (int)(schema.len > 64 ? 64 : schema.len), schema.ptr,
                 (long long)ev->schema_version);
        return;
    }
    const char *slash = memchr(path.ptr, '/', path.len);
    size_t len = slash ? (size_t)(slash - path.ptr) : path.len;
    struct pm_buf text = {0};
    pm_put_text(&text, pm_slice(path.ptr, len > 25 ? 25 : len));
    snprintf(out, 128, "%.*s", (int)text.len, text.ptr);
    pm_buf_release(&text);
}

static int count_result(void *arg, const struct pm_stored *stored, struct pm_error *err)
{
    struct stats *stats = arg;
    struct area *area = stats->areas;
    char name[128];
    int kind = stored->facts.has & PM_HAS(kind) ? (int)stored->facts.kind : -1;
    name_area(stored, name);
    while (area < stats->areas + stats->n && (area->kind != kind || strcmp(area->name, name) != 0)) area++;
    if (area == stats->areas + stats->n) {
        if (stats->n == AREAS_MAX) return pm_error_set(err, PM_ELIMIT, "above the limit of %d areas", AREAS_MAX);
        *area = (struct area){.kind = kind, .first_at = INT64_MAX, .last_at = INT64_MIN};
        memcpy(area->name, name, sizeof name);
        stats->n++;
    }
    area->results++;
    area->states[stored->state]++;
    area->files += stored->files;
    area->bytes += stored->bytes;
    area->artifacts += stored->artifacts;
    if (!(stored->facts.has & PM_HAS(occurred_at))) return PM_OK;
    if (stored->facts.occurred_at < area->first_at) area->first_at = stored->facts.occurred_at;
    if (stored->facts.occurred_at > area->last_at) area->last_at = stored->facts.occurred_at;
    return PM_OK;
}

static void add_at(struct pm_rows *rows, int64_t us)
{
    if (us >= PM_TIME_MIN && us <= PM_TIME_MAX) pm_row_time(rows, us);
    else pm_row_null(rows);
}

static int add_area(struct pm_rows *rows, const struct area *area, struct pm_error *err)
{
    pm_row_begin(rows);
    pm_row_cstr(rows, area->name);
    pm_row_cstr(rows, area->kind < 0 ? NULL : pm_kind_name((enum pm_kind)area->kind));
    pm_row_int(rows, (int64_t)area->results);
    for (int i = 0; i < STATES; i++) pm_row_int(rows, (int64_t)area->states[i]);
    pm_row_int(rows, (int64_t)area->files);
    pm_row_int(rows, (int64_t)area->bytes);
    pm_row_int(rows, (int64_t)area->artifacts);
    add_at(rows, area->first_at);
    add_at(rows, area->last_at);
    return pm_row_end(rows, err);
}

static int run_stats(struct stats *stats, struct pm_error *err)
{
    PM_TRY(pm_store_run(&stats->command, err));
    for (size_t i = 0; i < stats->n; i++) PM_TRY(add_area(stats->command.rows, &stats->areas[i], err));
    return print(&stats->command, err);
}

int pm_cmd_store_stats(struct pm_cli *cli, struct pm_error *err)
{
    struct stats stats = {0};
    int rc = pm_store_open(&stats.command, cli, stats_columns, sizeof stats_columns / sizeof *stats_columns, err);
    stats.areas = pm_calloc(AREAS_MAX, sizeof *stats.areas);
    stats.command.walk.result = count_result;
    stats.command.walk.arg = &stats;
    if (rc == PM_OK) rc = run_stats(&stats, err);
    free(stats.areas);
    pm_store_close(&stats.command);
    return rc;
}

/* ---- show ---- */

static const struct pm_column show_columns[] = {
    RESULT_COLUMNS,
    {.name = "bundle_ref", .type = PM_COLUMN_TEXT},
    {.name = "params", .type = PM_COLUMN_JSON},
    {.name = "task_id", .type = PM_COLUMN_TEXT},
    {.name = "outputs", .type = PM_COLUMN_LIST, .fields = pm_list_of_text},
    {.name = "error", .type = PM_COLUMN_TEXT},
    FILES_COLUMNS,
};
static const struct pm_column json_columns[] = {
    {.name = "result", .type = PM_COLUMN_TEXT},
    {.name = "metadata", .type = PM_COLUMN_JSON},
    {.name = "result_json", .type = PM_COLUMN_JSON},
};
static const struct pm_column artifact_columns[] = {
    {.name = "name", .type = PM_COLUMN_TEXT},        {.name = "size", .type = PM_COLUMN_INT},
    {.name = "checksum", .type = PM_COLUMN_TEXT},    {.name = "arrow_size", .type = PM_COLUMN_INT},
    {.name = "parquet_size", .type = PM_COLUMN_INT}, {.name = "json_size", .type = PM_COLUMN_INT},
};

static int show_summary(void *arg, const struct pm_stored *stored, struct pm_error *err)
{
    struct pm_rows *rows = ((struct pm_store_command *)arg)->rows;
    const struct pm_event *ev = &stored->facts;
    pm_row_begin(rows);
    add_result(rows, stored);
    add_text(rows, stored->bundle_ref);
    if (ev->has & PM_HAS(params)) pm_row_json(rows, ev->params);
    else pm_row_null(rows);
    add_text_if(rows, ev->has & PM_HAS(task_id), ev->task_id);
    pm_row_list_begin(rows);
    for (size_t i = 0; i < stored->n_outputs; i++) pm_row_text(rows, stored->outputs[i].name);
    pm_row_list_end(rows);
    if (stored->state == PM_STORED_FAILED) add_text(rows, stored->failure.message);
    else pm_row_null(rows);
    add_files(rows, stored);
    return pm_row_end(rows, err);
}

/* A file's JSON without blanks; null when it is none. */
static void add_json(struct pm_rows *rows, struct pm_slice text)
{
    struct pm_buf out = {0};
    struct pm_arena arena = {0};
    struct pm_json in;
    bool good = text.len && pm_json_open(&in, text, &arena, NULL) == PM_OK &&
                pm_json_read_compact(&in, &out, NULL) == PM_OK && pm_json_close(&in, NULL) == PM_OK;
    if (good) pm_row_json(rows, pm_buf_slice(&out));
    else pm_row_null(rows);
    pm_arena_release(&arena);
    pm_buf_release(&out);
}

static int show_json(void *arg, const struct pm_stored *stored, struct pm_error *err)
{
    struct pm_rows *rows = ((struct pm_store_command *)arg)->rows;
    pm_row_begin(rows);
    add_text(rows, stored->path);
    add_json(rows, stored->metadata);
    add_json(rows, stored->result);
    return pm_row_end(rows, err);
}

static void add_size(struct pm_rows *rows, int64_t size)
{
    if (size >= 0) pm_row_int(rows, size);
    else pm_row_null(rows);
}

static int show_artifacts(void *arg, const struct pm_stored *stored, struct pm_error *err)
{
    struct pm_rows *rows = ((struct pm_store_command *)arg)->rows;
    for (size_t i = 0; i < stored->n_outputs + stored->has_error_details; i++) {
        const struct pm_stored_output *output = i < stored->n_outputs ? &stored->outputs[i] : &stored->error_details;
        pm_row_begin(rows);
        add_text(rows, output->name);
        add_size(rows, output->size);
        add_text(rows, output->checksum);
        add_size(rows, output->arrow_size);
        add_size(rows, output->parquet_size);
        add_size(rows, output->json_size);
        PM_TRY(pm_row_end(rows, err));
    }
    return PM_OK;
}

static int warn_finding(void *arg, const struct pm_finding *finding, struct pm_error *err)
{
    (void)arg, (void)err;
    pm_cli_warn("%s: %.*s%s%.*s: %.*s", finding->code, PM_SLICE_ARG(finding->path), finding->what.len ? ": " : "",
                PM_SLICE_ARG(finding->what), PM_SLICE_ARG(finding->detail));
    return PM_OK;
}

int pm_cmd_store_show(struct pm_cli *cli, struct pm_error *err)
{
    PM_CLEANUP(pm_store_close) struct pm_store_command command = {0};
    const char *form = pm_cli_text(cli, "as");
    bool json = form && !strcmp(form, "json"), artifacts = form && !strcmp(form, "artifacts");
    const struct pm_column *columns = json ? json_columns : artifacts ? artifact_columns : show_columns;
    size_t n = json        ? sizeof json_columns / sizeof *json_columns
               : artifacts ? sizeof artifact_columns / sizeof *artifact_columns
                           : sizeof show_columns / sizeof *show_columns;
    PM_TRY(pm_store_open(&command, cli, columns, n, err));
    command.walk.only = cli->operands[1];
    command.walk.checksums = artifacts;
    command.walk.result = json ? show_json : artifacts ? show_artifacts : show_summary;
    command.walk.finding = warn_finding;
    PM_TRY(pm_store_run(&command, err));
    return pm_rows_print(command.rows, stdout, NULL, err);
}

/* ---- scan ---- */

const struct pm_column pm_finding_columns[PM_FINDING_COLUMNS] = {
    {.name = "code", .type = PM_COLUMN_TEXT},     {.name = "path", .type = PM_COLUMN_TEXT},
    {.name = "what", .type = PM_COLUMN_TEXT},     {.name = "found", .type = PM_COLUMN_TEXT},
    {.name = "expected", .type = PM_COLUMN_TEXT}, {.name = "detail", .type = PM_COLUMN_TEXT},
};

int pm_finding_add(struct pm_rows *rows, const struct pm_finding *finding, struct pm_error *err)
{
    pm_row_begin(rows);
    pm_row_cstr(rows, finding->code);
    pm_row_text(rows, finding->path);
    add_text(rows, finding->what.len ? finding->what : (struct pm_slice){NULL, 0});
    add_text(rows, finding->found);
    add_text(rows, finding->expected);
    pm_row_text(rows, finding->detail);
    return pm_row_end(rows, err);
}

static int add_finding(void *arg, const struct pm_finding *finding, struct pm_error *err)
{
    return pm_finding_add(((struct pm_store_command *)arg)->rows, finding, err);
}

int pm_cmd_store_scan(struct pm_cli *cli, struct pm_error *err)
{
    PM_CLEANUP(pm_store_close) struct pm_store_command command = {0};
    char results[32], findings[32], views[32];
    PM_TRY(pm_store_open(&command, cli, pm_finding_columns, PM_FINDING_COLUMNS, err));
    command.walk.checksums = !pm_cli_flag(cli, "sizes-only");
    command.walk.finding = add_finding;
    PM_TRY(pm_store_run(&command, err));
    PM_TRY(pm_rows_print(command.rows, stdout, NULL, err));
    pm_cli_note(cli, "%s results, %s view folders passed over, %s findings",
                pm_count_format(command.counts.results, results), pm_count_format(command.counts.views, views),
                pm_count_format(command.counts.findings, findings));
    return command.counts.findings ? pm_error_set(err, PM_EDIFFERS, "%s", "") : PM_OK;
}
