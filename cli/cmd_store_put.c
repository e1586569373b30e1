/* cmd_store_put.c: `provmat store put ROOT` and `provmat store get ROOT`: one result into a store or out of it, through
 * the calls that any worker has (provstore/provmat_store.h), and the event that tells of it. */
#include <errno.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/outbox.h"
#include "cli/signals.h"
#include "common/base/check.h"
#include "common/base/number.h"
#include "provstore/provmat_store.h"
#include "query/output.h"

#define DELIVER_MS 10000    /* an event that no outbox holds is waited for so long */
#define DELIVER_NOW_MS 1000 /* one that is in an outbox already */

/* ---- what the command line says ---- */

struct run {
    const struct pm_cli *cli;
    provmat_producer *producer; /* NULL: --no-event */
    provmat_store *store;
    const char *outbox;
    struct provmat_result result;
    struct provmat_computed computed; /* of a get: only input_task_ids are used */
    char aggregation_id[17];
    const char **inputs;
    struct provmat_artifact *artifacts;
    char **names; /* of artifacts */
    size_t n_artifacts;
};

static int exit_code(int code)
{
    switch (code) {
    case PROVMAT_OK: return PM_OK;
    case PROVMAT_EMISS: return PM_ENOTFOUND;
    case PROVMAT_ECONFLICT: return PM_EDIFFERS;
    case PROVMAT_EDAMAGED: return PM_ECORRUPT;
    case PROVMAT_EIO: return PM_EIO;
    case PROVMAT_ENOMEM: return PM_ENOMEM;
    default: return PM_EUSAGE; /* all that is given comes from the command line */
    }
}

static int told(int code, const struct provmat_error *why, struct pm_error *err)
{
    if (code == PROVMAT_OK) return PM_OK;
    return pm_error_set(err, (enum pm_code)exit_code(code), "%s", why->text);
}

static int refuse(const char *name, const char *value, const char *what, struct pm_error *err)
{
    return pm_error_set(err, PM_EUSAGE, "--set %s=%s: %s", name, value, what);
}

static int set_number(struct run *run, const char *name, const char *value, struct pm_error *err)
{
    struct pm_slice text = pm_slice_cstr(value);
    if (!strcmp(name, "seed")) {
        run->result.has |= PROVMAT_HAS_SEED;
        return pm_u64_parse(text, &run->result.seed) ? PM_OK : refuse(name, value, "a seed is 0 to 2^64-1", err);
    }
    if (!strcmp(name, "loss")) {
        run->computed.has |= PROVMAT_HAS_LOSS;
        return pm_double_parse(text, &run->computed.loss) ? PM_OK : refuse(name, value, "it is a number", err);
    }
    if (!strcmp(name, "duration_us")) {
        run->computed.has |= PROVMAT_HAS_DURATION;
        return pm_i64_parse(text, &run->computed.duration_us) ? PM_OK : refuse(name, value, "it is an integer", err);
    }
    if (pm_i64_parse(text, &run->computed.n_replicates) && run->computed.n_replicates > 0) return PM_OK;
    return refuse(name, value, "it is an integer from 1 on", err);
}

static int set_one(struct run *run, const char *name, const char *value, struct pm_error *err)
{
    struct provmat_result *r = &run->result;
    const struct {
        const char *name, **member;
        bool number;
    } known[] = {
        {"bundle_ref", &r->bundle_ref, false},
        {"bundle_digest", &r->bundle_digest, false},
        {"model_digest", &r->model_digest, false},
        {"entrypoint", &r->entrypoint, false},
        {"param_id", &r->param_id, false},
        {"seed", NULL, true},
        {"target", &r->target, false},
        {"target_digest", &r->target_digest, false},
        {"aggregation_id", &r->aggregation_id, false},
        {"loss", NULL, true},
        {"n_replicates", NULL, true},
        {"duration_us", NULL, true},
        {"task_id", &run->computed.task_id, false},
        {"env_digest", &run->computed.env_digest, false},
        {"worker", &run->computed.worker, false},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, name) != 0) continue;
        if (known[i].number) return set_number(run, name, value, err);
        *known[i].member = value;
        return PM_OK;
    }
    return refuse(name, value,
                  "no such field; it is one of an identity, or loss, n_replicates, duration_us, env_digest", err);
}

static int take_sets(struct run *run, struct pm_error *err)
{
    const struct pm_given *given;
    for (size_t at = 0; (given = pm_cli_next(run->cli, "set", &at));) {
        const char *equals = strchr(given->value, '=');
        if (!equals || equals == given->value)
            return pm_error_set(err, PM_EUSAGE, "--set \"%s\" is not NAME=VALUE, such as seed=42", given->value);
        char *name = pm_strdup(given->value);
        name[equals - given->value] = 0;
        int rc = set_one(run, name, equals + 1, err);
        free(name);
        PM_TRY(rc);
    }
    return PM_OK;
}

static int take_identity(struct run *run, struct pm_error *err)
{
    const char *kind = pm_cli_text(run->cli, "kind");
    const struct pm_given *given;
    run->result.size = sizeof run->result;
    run->result.params = pm_cli_text(run->cli, "params");
    PM_TRY(take_sets(run, err));
    run->inputs = pm_calloc(run->cli->n_given + 1, sizeof *run->inputs);
    for (size_t at = 0; (given = pm_cli_next(run->cli, "input", &at));)
        run->inputs[run->computed.n_input_task_ids++] = given->value;
    if (run->computed.n_input_task_ids) run->computed.input_task_ids = run->inputs;
    bool agg = kind ? !strcmp(kind, "agg") : run->result.target || run->result.aggregation_id;
    run->result.kind = agg ? PROVMAT_AGG : PROVMAT_SIM;
    return PM_OK;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), tail = strlen(end);
    return len >= tail && !strcmp(text + len - tail, end);
}

static int take_artifacts(struct run *run, struct pm_error *err)
{
    const struct pm_given *given;
    run->artifacts = pm_calloc(run->cli->n_given + 1, sizeof *run->artifacts);
    run->names = pm_calloc(run->cli->n_given + 1, sizeof *run->names);
    for (size_t at = 0; (given = pm_cli_next(run->cli, "output", &at));) {
        const char *equals = strchr(given->value, '=');
        if (!equals || equals == given->value || !equals[1])
            return pm_error_set(err, PM_EUSAGE, "--output \"%s\" is not NAME=FILE", given->value);
        char *name = pm_strdup(given->value);
        name[equals - given->value] = 0;
        run->names[run->n_artifacts] = name;
        run->artifacts[run->n_artifacts++] = (struct provmat_artifact){
            .name = name, .file = equals + 1, .json = ends_with(equals + 1, ".json")};
    }
    return PM_OK;
}

/* ---- opening ---- */

/* The settings of the program as the library takes them. */
static char **properties_of(const struct pm_cli *cli, size_t *ret_count)
{
    const char *registry = cli->codec.registry_url;
    char **items = pm_calloc(cli->log.n_properties + 2, sizeof *items);
    size_t n = 0;
    struct pm_buf text = {0};
    for (size_t i = 0; i < cli->log.n_properties + (registry != NULL); i++) {
        pm_buf_clear(&text);
        if (i < cli->log.n_properties)
            pm_buf_printf(&text, "%s=%s", cli->log.properties[i].name, cli->log.properties[i].value);
        else pm_buf_printf(&text, "schema.registry.url=%s", registry);
        pm_buf_byte(&text, 0);
        items[n++] = pm_strdup(text.ptr);
    }
    pm_buf_release(&text);
    *ret_count = n;
    return items;
}

static int open_producer(struct run *run, struct pm_error *err)
{
    struct provmat_error why;
    const char *job = pm_cli_text(run->cli, "job"), *inherited = getenv("PROVMAT_JOB_ID");
    size_t n;
    if (pm_cli_flag(run->cli, "no-event")) return PM_OK;
    if (!job && (!inherited || !*inherited))
        return pm_error_set(
            err, PM_EUSAGE,
            "whose result is it? name the job with --job JOB or PROVMAT_JOB_ID; --no-event says nothing");
    run->outbox = pm_cli_text(run->cli, "outbox");
    char **properties = properties_of(run->cli, &n);
    struct provmat_options options = {.size = sizeof options,
                                      .log = pm_cli_log_url(run->cli),
                                      .properties = (const char *const *)properties,
                                      .n_properties = n,
                                      .job_id = job,
                                      .linger_ms = 1,
                                      .outbox = run->outbox,
                                      .outbox_mode = run->outbox ? PROVMAT_OUTBOX_ALWAYS : PROVMAT_OUTBOX_AUTO,
                                      .outbox_sync = run->outbox ? PROVMAT_SYNC_EACH : PROVMAT_SYNC_NONE};
    int code = provmat_open(&options, &run->producer, &why);
    for (size_t i = 0; i < n; i++) free(properties[i]);
    free(properties);
    return code == PROVMAT_OK ? PM_OK : pm_error_set(err, PM_EUSAGE, "%s", why.text);
}

static int open_store(struct run *run, struct pm_error *err)
{
    struct provmat_error why;
    const struct pm_given *given;
    const char **files = pm_calloc(run->cli->n_given + 1, sizeof *files);
    size_t n = 0;
    for (size_t at = 0; (given = pm_cli_next(run->cli, "schema-file", &at));) files[n++] = given->value;
    struct provmat_store_options options = {.size = sizeof options,
                                            .root = run->cli->operands[0],
                                            .schema = pm_cli_text(run->cli, "schema"),
                                            .schema_files = files,
                                            .n_schema_files = n,
                                            .producer = run->producer};
    int code = provmat_store_open(&options, &run->store, &why);
    free(files);
    return told(code, &why, err);
}

static void close_run(struct run *run)
{
    provmat_store_close(run->store);
    (void)provmat_close(run->producer, 0, NULL);
    for (size_t i = 0; i < run->n_artifacts; i++) free(run->names[i]);
    free(run->names);
    free(run->artifacts);
    free(run->inputs);
}

/* ---- the event ---- */

enum sent { SENT_NONE, SENT_LOG, SENT_OUTBOX, SENT_LOST };
static const char *const sent_names[] = {"none", "sent", "outbox", "lost"};

static enum sent drain(const struct run *run)
{
    struct pm_drain_counts counts = {0};
    struct pm_error why = {0};
    uint64_t refused = 0;
    int rc = pm_cli_drain(run->cli, run->outbox, pm_signals_catch(), &counts, &refused, &why);
    if (rc == PM_OK && !counts.failed) return refused ? SENT_LOST : SENT_LOG;
    pm_cli_warn("%s; the event waits in the outbox: provmat outbox drain %s --log %s",
                rc != PM_OK ? why.text : counts.why.text, run->outbox, pm_cli_log_url(run->cli));
    return SENT_OUTBOX;
}

/* Where the event is, now that everything else is done; `accepted` is what the library said to it. */
static enum sent deliver(struct run *run, int accepted, const char *event_why, struct provmat_error *why)
{
    provmat_producer *producer = run->producer;
    if (!producer) return SENT_NONE;
    run->producer = NULL;
    int code = provmat_close(producer, run->outbox ? DELIVER_NOW_MS : DELIVER_MS, why);
    if (accepted != PROVMAT_OK) {
        snprintf(why->text, sizeof why->text, "%s", event_why);
        return SENT_LOST;
    }
    if (code != PROVMAT_OK) return SENT_LOST;
    return run->outbox ? drain(run) : SENT_LOG;
}

/* The result is what it is; only the event is missing. */
static int lost(const char *what, const char *again, const struct provmat_error *why, struct pm_error *err)
{
    return pm_error_set(err, PM_ELOG, "%s, but the log has no event of it: %.600s; %s, or use --outbox DIR", what,
                        why->text, again);
}

static int open_rows(const struct pm_cli *cli, const struct pm_column *columns, size_t n, struct pm_rows **ret,
                     struct pm_error *err)
{
    struct pm_rows_spec spec = {.columns = columns, .n_columns = n};
    struct pm_output_options options = pm_cli_output_options(cli);
    return pm_rows_new(&spec, &options, ret, err);
}

/* ---- put ---- */

static const struct pm_column put_columns[] = {
    {.name = "result", .type = PM_COLUMN_TEXT}, {.name = "action", .type = PM_COLUMN_TEXT},
    {.name = "outputs", .type = PM_COLUMN_INT}, {.name = "bytes", .type = PM_COLUMN_INT},
    {.name = "event", .type = PM_COLUMN_TEXT},
};

static int show_put(const struct run *run, struct pm_rows *rows, const struct provmat_stored *stored, enum sent sent,
                    struct pm_error *err)
{
    static const char *const actions[] = {"", "stored", "already", "repaired"};
    pm_row_begin(rows);
    int64_t bytes = 0;
    for (size_t i = 0; i < stored->n_files; i++) bytes += stored->files[i].size;
    pm_row_cstr(rows, stored->path);
    pm_row_cstr(rows, actions[stored->outcome]);
    pm_row_int(rows, (int64_t)stored->n_files);
    pm_row_int(rows, bytes);
    pm_row_cstr(rows, sent_names[sent]);
    PM_TRY(pm_row_end(rows, err));
    if (stored->outcome == PROVMAT_ALREADY)
        pm_cli_note(run->cli, "the same result was stored already; nothing was written");
    return pm_rows_print(rows, stdout, NULL, err);
}

static int show_and_deliver_put(struct run *run, struct pm_rows *rows, const struct provmat_stored *stored,
                                struct pm_error *err)
{
    struct provmat_error why = {0};
    enum sent sent = deliver(run, stored->event, stored->event_why, &why);
    PM_TRY(show_put(run, rows, stored, sent, err));
    if (sent != SENT_LOST) return PM_OK;
    return lost("the result is stored", "put it again once that is mended, which writes nothing twice", &why, err);
}

static int put(struct run *run, struct pm_rows *rows, struct pm_error *err)
{
    struct provmat_error why = {0};
    struct provmat_stored *stored = NULL;
    PM_TRY(take_identity(run, err));
    PM_TRY(take_artifacts(run, err));
    PM_TRY(open_producer(run, err));
    PM_TRY(open_store(run, err));
    run->computed.size = sizeof run->computed;
    run->computed.result = &run->result;
    run->computed.diagnostics = pm_cli_text(run->cli, "diagnostics");
    struct provmat_put given = {.size = sizeof given,
                                .event = &run->computed,
                                .artifacts = run->artifacts,
                                .n_artifacts = run->n_artifacts,
                                .flags = pm_cli_flag(run->cli, "repair") ? PROVMAT_PUT_REPAIR : 0};
    PM_TRY(told(provmat_store_put(run->store, &given, &stored, &why), &why, err));
    int rc = show_and_deliver_put(run, rows, stored, err);
    provmat_stored_free(stored);
    return rc;
}

int pm_cmd_store_put(struct pm_cli *cli, struct pm_error *err)
{
    PM_CLEANUP(close_run) struct run run = {.cli = cli};
    PM_CLEANUP(pm_rows_cleanup) struct pm_rows *rows = NULL;
    PM_TRY(open_rows(cli, put_columns, sizeof put_columns / sizeof *put_columns, &rows, err));
    return put(&run, rows, err);
}

/* ---- get ---- */

static const struct pm_column file_fields[] = {
    {.name = "name", .type = PM_COLUMN_TEXT},
    {.name = "file", .type = PM_COLUMN_TEXT},
    {.name = "size", .type = PM_COLUMN_INT},
    {.name = "checksum", .type = PM_COLUMN_TEXT},
    {0},
};
static const struct pm_column get_columns[] = {
    {.name = "result", .type = PM_COLUMN_TEXT},
    {.name = "loss", .type = PM_COLUMN_DOUBLE},
    {.name = "n_replicates", .type = PM_COLUMN_INT},
    {.name = "stored_at", .type = PM_COLUMN_TIME},
    {.name = "outputs", .type = PM_COLUMN_LIST, .fields = file_fields},
    {.name = "event", .type = PM_COLUMN_TEXT},
};

static int show_hit(struct pm_rows *rows, const struct provmat_stored *hit, enum sent sent, struct pm_error *err)
{
    pm_row_begin(rows);
    pm_row_cstr(rows, hit->path);
    if (hit->has & PROVMAT_HAS_LOSS) pm_row_double(rows, hit->loss);
    else pm_row_null(rows);
    if (hit->n_replicates) pm_row_int(rows, hit->n_replicates);
    else pm_row_null(rows);
    if (hit->has & PROVMAT_HAS_STORED_AT) pm_row_time(rows, hit->stored_at_us);
    else pm_row_null(rows);
    pm_row_list_begin(rows);
    for (size_t i = 0; i < hit->n_files; i++) {
        pm_row_cstr(rows, hit->files[i].name);
        pm_row_cstr(rows, hit->files[i].file);
        pm_row_int(rows, hit->files[i].size);
        pm_row_cstr(rows, hit->files[i].checksum);
    }
    pm_row_list_end(rows);
    pm_row_cstr(rows, sent_names[sent]);
    PM_TRY(pm_row_end(rows, err));
    return pm_rows_print(rows, stdout, NULL, err);
}

/* The id of an aggregation follows from its inputs, where they are given instead. */
static int take_aggregation_id(struct run *run, struct pm_error *err)
{
    struct provmat_error why;
    if (!run->computed.n_input_task_ids || run->result.aggregation_id) return PM_OK;
    if (!run->result.target)
        return pm_error_set(err, PM_EUSAGE, "--input without --set target=...: an aggregation's id follows from both");
    PM_TRY(told(provmat_aggregation_id(run->result.target, run->inputs, run->computed.n_input_task_ids,
                                       run->aggregation_id, &why),
                &why, err));
    run->result.aggregation_id = run->aggregation_id;
    return PM_OK;
}

static int source_of(const struct pm_cli *cli)
{
    static const char *const names[] = {"local", "remote", "scheduler", "job"};
    const char *source = pm_cli_text(cli, "source");
    for (int i = 0; source && i < 4; i++)
        if (!strcmp(names[i], source)) return PROVMAT_SOURCE_LOCAL + i;
    return PROVMAT_SOURCE_LOCAL;
}

static int show_and_deliver_hit(struct run *run, struct pm_rows *rows, const struct provmat_stored *hit,
                                struct pm_error *err)
{
    struct provmat_error why = {0};
    enum sent sent = deliver(run, hit->event, hit->event_why, &why);
    PM_TRY(show_hit(rows, hit, sent, err));
    if (sent != SENT_LOST) return PM_OK;
    return lost("it is a hit", "get it again once that is mended", &why, err);
}

static int get(struct run *run, struct pm_rows *rows, struct pm_error *err)
{
    struct provmat_error why = {0};
    struct provmat_stored *hit = NULL;
    PM_TRY(take_identity(run, err));
    PM_TRY(take_aggregation_id(run, err));
    PM_TRY(open_producer(run, err));
    PM_TRY(open_store(run, err));
    struct provmat_reused event = {
        .size = sizeof event, .worker = run->computed.worker, .result = &run->result, .source = source_of(run->cli)};
    struct provmat_get given = {.size = sizeof given,
                                .event = &event,
                                .to = pm_cli_text(run->cli, "to"),
                                .flags = pm_cli_flag(run->cli, "link") ? PROVMAT_GET_LINK : 0};
    if (pm_cli_flag(run->cli, "link") && !given.to)
        return pm_error_set(err, PM_EUSAGE, "--link without --to DIR: name the directory of the links");
    PM_TRY(told(provmat_store_get(run->store, &given, &hit, &why), &why, err));
    int rc = show_and_deliver_hit(run, rows, hit, err);
    provmat_stored_free(hit);
    return rc;
}

int pm_cmd_store_get(struct pm_cli *cli, struct pm_error *err)
{
    PM_CLEANUP(close_run) struct run run = {.cli = cli};
    PM_CLEANUP(pm_rows_cleanup) struct pm_rows *rows = NULL;
    PM_TRY(open_rows(cli, get_columns, sizeof get_columns / sizeof *get_columns, &rows, err));
    return get(&run, rows, err);
}
