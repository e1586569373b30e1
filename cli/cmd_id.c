/* cmd_id.c: `provmat id params|task|aggregation|inputs|environment|bundle|artifact`: the ids that content has
 * (common/event/identity.h and ids.h). Reads no log and no index. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/json.h"
#include "common/base/number.h"
#include "common/event/identity.h"
#include "common/event/ids.h"
#include "provstore/artifact.h"
#include "provstore/schema.h"
#include "query/output.h"

#define REPLICATES_MAX 1000000

static int open_rows(const struct pm_cli *cli, const struct pm_column *columns, size_t n, struct pm_rows **ret,
                     struct pm_error *err)
{
    struct pm_rows_spec spec = {.columns = columns, .n_columns = n};
    struct pm_output_options options = pm_cli_output_options(cli);
    return pm_rows_new(&spec, &options, ret, err);
}

static void release_buf(struct pm_buf *buf) { pm_buf_release(buf); }

/* Canonical parameters and their id; `what` names the text in errors. */
static int canonical(const char *json, const char *what, struct pm_buf *out, char id[64], struct pm_error *err)
{
    int rc = pm_params_canonical(pm_slice_cstr(json), out, err);
    if (rc != PM_OK) return pm_error_wrap(err, PM_EUSAGE, "%s", what);
    pm_param_id(pm_buf_slice(out), id);
    return PM_OK;
}

/* ---- params ---- */

static const struct pm_column params_columns[] = {
    {.name = "param_id", .type = PM_COLUMN_TEXT},
    {.name = "params", .type = PM_COLUMN_JSON},
    {.name = "seeds", .type = PM_COLUMN_JSON},
};

static int add_params(struct pm_rows *rows, const char *json, uint64_t replicates, struct pm_error *err)
{
    PM_CLEANUP(release_buf) struct pm_buf text = {0}, seeds = {0};
    char id[64];
    if (canonical(json, "params", &text, id, err) != PM_OK) return PM_EUSAGE;
    pm_row_begin(rows);
    pm_row_text(rows, pm_slice(id, sizeof id));
    pm_row_json(rows, pm_buf_slice(&text));
    for (uint64_t i = 0; i < replicates; i++)
        pm_buf_printf(&seeds, "%c%u", i ? ',' : '[', (unsigned)pm_planned_seed(pm_slice(id, sizeof id), i));
    if (replicates) pm_buf_byte(&seeds, ']');
    if (replicates) pm_row_json(rows, pm_buf_slice(&seeds));
    else pm_row_null(rows);
    return pm_row_end(rows, err);
}

/* One parameter set a line of stdin: what is refused is told and counted, the others go on. */
static int add_params_of_stdin(struct pm_rows *rows, uint64_t replicates, uint64_t *rejected, struct pm_error *err)
{
    char *line = NULL;
    size_t size = 0;
    uint64_t number = 0;
    int rc = PM_OK;
    for (ssize_t len; rc == PM_OK && (len = getline(&line, &size, stdin)) >= 0;) {
        number++;
        rc = add_params(rows, line, replicates, err);
        if (rc != PM_EUSAGE) continue;
        pm_cli_line("stdin:%llu: %s", (unsigned long long)number, err->text);
        ++*rejected;
        rc = PM_OK;
    }
    free(line);
    return rc;
}

int pm_cmd_id_params(struct pm_cli *cli, struct pm_error *err)
{
    PM_CLEANUP(pm_rows_cleanup) struct pm_rows *rows = NULL;
    uint64_t replicates = pm_cli_count(cli, "replicates", 0), rejected = 0;
    if (replicates > REPLICATES_MAX)
        return pm_error_set(err, PM_EUSAGE, "--replicates %llu is above the limit of %d",
                            (unsigned long long)replicates, REPLICATES_MAX);
    PM_TRY(open_rows(cli, params_columns, sizeof params_columns / sizeof *params_columns, &rows, err));
    for (size_t i = 0; i < cli->n_operands; i++) {
        if (!strcmp(cli->operands[i], "-")) PM_TRY(add_params_of_stdin(rows, replicates, &rejected, err));
        else PM_TRY(add_params(rows, cli->operands[i], replicates, err));
    }
    PM_TRY(pm_rows_print(rows, stdout, NULL, err));
    return rejected ? pm_error_set(err, PM_EINVALID, "%s", "") : PM_OK;
}

/* ---- task, aggregation ---- */

static const struct pm_column id_columns[] = {
    {.name = "algorithm", .type = PM_COLUMN_TEXT},
    {.name = "id", .type = PM_COLUMN_TEXT},
    {.name = "over", .type = PM_COLUMN_TEXT},
};

static int add_id(struct pm_rows *rows, const char *algorithm, const char *hex, size_t digits, struct pm_buf *over,
                  struct pm_error *err)
{
    pm_row_begin(rows);
    pm_row_cstr(rows, algorithm);
    pm_row_text(rows, pm_slice(hex, digits));
    pm_row_text(rows, pm_buf_slice(over));
    pm_buf_clear(over);
    return pm_row_end(rows, err);
}

/* --param-id, or the id of --params; *ret empty when neither is given. */
static int param_id_of(const struct pm_cli *cli, char room[64], struct pm_slice *ret, struct pm_error *err)
{
    PM_CLEANUP(release_buf) struct pm_buf text = {0};
    const char *given = pm_cli_text(cli, "param-id"), *params = pm_cli_text(cli, "params");
    *ret = pm_slice(given, given ? strlen(given) : 0);
    if (params) {
        PM_TRY(canonical(params, "--params", &text, room, err));
        *ret = pm_slice(room, 64);
        if (given && !pm_slice_is(*ret, given))
            return pm_error_set(err, PM_EUSAGE, "--param-id %s is not the id of --params, which is %.64s", given, room);
    }
    if (given && (ret->len != 64 || !pm_hex_valid(*ret)))
        return pm_error_set(err, PM_EUSAGE, "--param-id \"%s\" is not 64 lower-case hexadecimal digits", given);
    return PM_OK;
}

static struct pm_slice *repeated(const struct pm_cli *cli, const char *name, size_t *ret_count)
{
    struct pm_slice *items = pm_calloc(cli->n_given + 1, sizeof *items);
    const struct pm_given *given;
    *ret_count = 0;
    for (size_t at = 0; (given = pm_cli_next(cli, name, &at));) items[(*ret_count)++] = pm_slice_cstr(given->value);
    return items;
}

static int add_task_ids(const struct pm_cli *cli, struct pm_rows *rows, struct pm_slice param_id, struct pm_error *err)
{
    PM_CLEANUP(release_buf) struct pm_buf over = {0};
    const char *ref = pm_cli_text(cli, "bundle-ref"), *entrypoint = pm_cli_text(cli, "entrypoint");
    uint64_t seed = pm_cli_count(cli, "seed", 0);
    size_t n_outputs;
    char hex[64];
    struct pm_slice *outputs = repeated(cli, "output", &n_outputs);
    pm_task_id_worker(param_id, seed, outputs, n_outputs, hex, &over);
    free(outputs);
    PM_TRY(add_id(rows, "worker", hex, 64, &over, err));
    pm_task_id_worker_error(param_id, seed, hex, &over);
    PM_TRY(add_id(rows, "worker-error", hex, 64, &over, err));
    if (!ref || !entrypoint) return PM_OK;
    pm_task_id_canonical(pm_slice_cstr(ref), pm_slice_cstr(entrypoint), param_id, seed, hex, &over);
    return add_id(rows, "canonical", hex, 32, &over, err);
}

int pm_cmd_id_task(struct pm_cli *cli, struct pm_error *err)
{
    PM_CLEANUP(pm_rows_cleanup) struct pm_rows *rows = NULL;
    struct pm_slice param_id;
    char room[64];
    PM_TRY(open_rows(cli, id_columns, sizeof id_columns / sizeof *id_columns, &rows, err));
    PM_TRY(param_id_of(cli, room, &param_id, err));
    if (!param_id.len) return pm_error_set(err, PM_EUSAGE, "a task's id needs --params or --param-id");
    if (!pm_cli_flag(cli, "seed")) return pm_error_set(err, PM_EUSAGE, "a task's id needs --seed");
    PM_TRY(add_task_ids(cli, rows, param_id, err));
    return pm_rows_print(rows, stdout, NULL, err);
}

static int add_aggregation_ids(const struct pm_cli *cli, struct pm_rows *rows, struct pm_slice target,
                               struct pm_slice param_id, struct pm_error *err)
{
    PM_CLEANUP(release_buf) struct pm_buf over = {0};
    struct pm_slice *task_ids = pm_calloc(cli->n_operands + 1, sizeof *task_ids);
    char hex[16];
    for (size_t i = 0; i < cli->n_operands; i++) task_ids[i] = pm_slice_cstr(cli->operands[i]);
    pm_aggregation_id(PM_AGGREGATION_STORE, target, task_ids, cli->n_operands, hex, &over);
    int rc = add_id(rows, "store", hex, 16, &over, err);
    pm_aggregation_id(PM_AGGREGATION_PATHS, target, task_ids, cli->n_operands, hex, &over);
    if (rc == PM_OK) rc = add_id(rows, "paths", hex, 16, &over, err);
    free(task_ids);
    if (rc != PM_OK || !param_id.len) return rc;
    pm_aggregation_id_manifest(param_id, pm_cli_count(cli, "replicates", cli->n_operands), target, hex, &over);
    return add_id(rows, "manifest", hex, 16, &over, err);
}

int pm_cmd_id_aggregation(struct pm_cli *cli, struct pm_error *err)
{
    PM_CLEANUP(pm_rows_cleanup) struct pm_rows *rows = NULL;
    const char *target = pm_cli_text(cli, "target");
    struct pm_slice param_id;
    char room[64];
    PM_TRY(open_rows(cli, id_columns, sizeof id_columns / sizeof *id_columns, &rows, err));
    PM_TRY(param_id_of(cli, room, &param_id, err));
    if (!target) return pm_error_set(err, PM_EUSAGE, "an aggregation's id needs --target");
    PM_TRY(add_aggregation_ids(cli, rows, pm_slice_cstr(target), param_id, err));
    return pm_rows_print(rows, stdout, NULL, err);
}

/* ---- inputs, environment ---- */

int pm_cmd_id_inputs(struct pm_cli *cli, struct pm_error *err)
{
    PM_CLEANUP(pm_rows_cleanup) struct pm_rows *rows = NULL;
    PM_CLEANUP(release_buf) struct pm_buf over = {0};
    const char *ref = pm_cli_text(cli, "bundle-ref");
    char hex[16];
    size_t n_targets;
    PM_TRY(open_rows(cli, id_columns, sizeof id_columns / sizeof *id_columns, &rows, err));
    if (!ref) return pm_error_set(err, PM_EUSAGE, "a fingerprint of inputs needs --bundle-ref");
    struct pm_slice *targets = repeated(cli, "target", &n_targets);
    struct pm_slice *ids = pm_calloc(cli->n_operands + 1, sizeof *ids);
    for (size_t i = 0; i < cli->n_operands; i++) ids[i] = pm_slice_cstr(cli->operands[i]);
    pm_input_fingerprint(pm_slice_cstr(ref), ids, cli->n_operands, targets, n_targets, hex, &over);
    free(ids);
    free(targets);
    PM_TRY(add_id(rows, "inputs", hex, sizeof hex, &over, err));
    return pm_rows_print(rows, stdout, NULL, err);
}

static struct pm_slice text_or(const struct pm_cli *cli, const char *name, const char *otherwise)
{
    const char *given = pm_cli_text(cli, name);
    const char *text = given ? given : otherwise;
    return text ? pm_slice_cstr(text) : (struct pm_slice){NULL, 0};
}

/* --dep NAME=VERSION, each name once. */
static int packages_of(const struct pm_cli *cli, struct pm_environment *environment, struct pm_error *err)
{
    const struct pm_given *given;
    for (size_t at = 0; (given = pm_cli_next(cli, "dep", &at));) {
        const char *equals = strchr(given->value, '=');
        if (!equals || equals == given->value)
            return pm_error_set(err, PM_EUSAGE, "--dep \"%s\" is not NAME=VERSION, such as numpy=2.1.0", given->value);
        struct pm_slice name = pm_slice(given->value, (size_t)(equals - given->value));
        for (size_t i = 0; i < environment->n_packages; i++)
            if (pm_slice_eq(environment->packages[i].name, name))
                return pm_error_set(err, PM_EUSAGE, "--dep %.*s is given twice", PM_SLICE_ARG(name));
        environment->packages[environment->n_packages++] = (struct pm_environment_package){
            .name = name, .version = pm_slice_cstr(equals + 1)};
    }
    return PM_OK;
}

static int add_environment(const struct pm_cli *cli, struct pm_rows *rows, struct pm_environment *environment,
                           struct pm_error *err)
{
    PM_CLEANUP(release_buf) struct pm_buf over = {0};
    char hex[64];
    PM_TRY(packages_of(cli, environment, err));
    pm_environment_digest(environment, hex, &over);
    return add_id(rows, "environment", hex, sizeof hex, &over, err);
}

int pm_cmd_id_environment(struct pm_cli *cli, struct pm_error *err)
{
    PM_CLEANUP(pm_rows_cleanup) struct pm_rows *rows = NULL;
    struct pm_environment environment = {.python = text_or(cli, "python", NULL),
                                         .platform = text_or(cli, "platform", NULL),
                                         .container = text_or(cli, "container", NULL),
                                         .cuda = text_or(cli, "cuda", NULL),
                                         .rng = text_or(cli, "rng", PM_ENVIRONMENT_RNG),
                                         .threads = pm_cli_count(cli, "threads", 1)};
    PM_TRY(open_rows(cli, id_columns, sizeof id_columns / sizeof *id_columns, &rows, err));
    if (!environment.python.ptr || !environment.platform.ptr)
        return pm_error_set(err, PM_EUSAGE, "an environment's digest needs --python and --platform");
    environment.packages = pm_calloc(cli->n_given + 1, sizeof *environment.packages);
    int rc = add_environment(cli, rows, &environment, err);
    free(environment.packages);
    return rc == PM_OK ? pm_rows_print(rows, stdout, NULL, err) : rc;
}

/* ---- bundle ---- */

static const struct pm_column bundle_columns[] = {
    {.name = "bundle_ref", .type = PM_COLUMN_TEXT},      {.name = "bundle_digest", .type = PM_COLUMN_TEXT},
    {.name = "bundle12", .type = PM_COLUMN_TEXT},        {.name = "store_segment", .type = PM_COLUMN_TEXT},
    {.name = "refhash_segment", .type = PM_COLUMN_TEXT}, {.name = "hashed_segment", .type = PM_COLUMN_TEXT},
    {.name = "reason", .type = PM_COLUMN_TEXT},
};

static void hash_hex(struct pm_slice text, char out[64])
{
    unsigned char digest[32];
    pm_blake2b(digest, sizeof digest, &text, 1);
    pm_hex_encode(digest, sizeof digest, out);
}

static struct pm_slice first12(struct pm_slice text) { return pm_slice(text.ptr, text.len < 12 ? text.len : 12); }

static int add_bundle(struct pm_rows *rows, struct pm_slice ref, bool *ret_valid, struct pm_error *err)
{
    struct pm_slice digest = {NULL, 0}, part = pm_bundle_digest_part(ref);
    struct pm_error reason = {0};
    char once[64], twice[64], hashed[64];
    *ret_valid = pm_bundle_ref_digest(ref, &digest, &reason) == PM_OK;
    hash_hex(ref, once);
    hash_hex(pm_slice(once, sizeof once), twice);
    hash_hex(part, hashed);
    pm_row_begin(rows);
    pm_row_text(rows, ref);
    if (*ret_valid) pm_row_text(rows, digest);
    else pm_row_null(rows);
    pm_row_text(rows, first12(part));
    pm_row_text(rows, first12(pm_bundle_after_colon(ref)));
    pm_row_text(rows, pm_slice(twice, 12));
    pm_row_text(rows, pm_slice(hashed, 12));
    pm_row_cstr(rows, *ret_valid ? NULL : reason.text);
    return pm_row_end(rows, err);
}

int pm_cmd_id_bundle(struct pm_cli *cli, struct pm_error *err)
{
    PM_CLEANUP(pm_rows_cleanup) struct pm_rows *rows = NULL;
    bool all = true, valid;
    PM_TRY(open_rows(cli, bundle_columns, sizeof bundle_columns / sizeof *bundle_columns, &rows, err));
    for (size_t i = 0; i < cli->n_operands; i++) {
        PM_TRY(add_bundle(rows, pm_slice_cstr(cli->operands[i]), &valid, err));
        all = all && valid;
    }
    PM_TRY(pm_rows_print(rows, stdout, NULL, err));
    return all ? PM_OK : pm_error_set(err, PM_EINVALID, "%s", "");
}

/* ---- artifact ---- */

static const struct pm_column artifact_columns[] = {
    {.name = "file", .type = PM_COLUMN_TEXT},
    {.name = "size", .type = PM_COLUMN_INT},
    {.name = "checksum", .type = PM_COLUMN_TEXT},
    {.name = "sha256", .type = PM_COLUMN_TEXT},
};

static int add_artifact(struct pm_rows *rows, const char *file, struct pm_error *err)
{
    bool standard = !strcmp(file, "-");
    struct pm_artifact artifact;
    int fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return pm_error_set(err, PM_EUSAGE, "could not open \"%s\": %s", file, pm_error_system(errno));
    int rc = pm_artifact_read(fd, file, true, &artifact, err);
    if (!standard) close(fd);
    if (rc != PM_OK) return rc == PM_EIO ? pm_error_wrap(err, PM_EUSAGE, "artifact") : rc;
    pm_row_begin(rows);
    pm_row_cstr(rows, file);
    pm_row_int(rows, (int64_t)artifact.size);
    pm_row_text(rows, pm_slice(artifact.blake2b, sizeof artifact.blake2b));
    pm_row_text(rows, pm_slice(artifact.sha256, sizeof artifact.sha256));
    return pm_row_end(rows, err);
}

int pm_cmd_id_artifact(struct pm_cli *cli, struct pm_error *err)
{
    PM_CLEANUP(pm_rows_cleanup) struct pm_rows *rows = NULL;
    PM_TRY(open_rows(cli, artifact_columns, sizeof artifact_columns / sizeof *artifact_columns, &rows, err));
    for (size_t i = 0; i < cli->n_operands; i++) PM_TRY(add_artifact(rows, cli->operands[i], err));
    return pm_rows_print(rows, stdout, NULL, err);
}
