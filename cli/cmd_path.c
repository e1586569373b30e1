/* cmd_path.c: `provmat path schemas|render|parse|check`: the paths of stores, forwards and backwards
 * (provstore/schema.h). Reads no log, and the index only for
 * --candidates. */
#define _GNU_SOURCE /* memmem */
#include <errno.h>
#include <stdlib.h>

#include "cli/command.h"
#include "common/base/check.h"
#include "common/base/json.h"
#include "common/event/identity.h"
#include "common/store/index.h"
#include "provstore/schema.h"
#include "query/output.h"

#define RESULTS_DEFAULT 100000

static void release_schemas(struct pm_schemas *schemas) { pm_schemas_release(schemas); }

/* The built-in schemas, those of --schema-file, and that of --template. */
static int load(const struct pm_cli *cli, bool templates, struct pm_schemas *ret, struct pm_error *err)
{
    const struct pm_given *given;
    enum pm_path_kind kind = PM_PATH_SIM;
    pm_schemas_builtin(ret);
    for (size_t at = 0; (given = pm_cli_next(cli, "schema-file", &at));)
        PM_TRY(pm_schemas_read(ret, given->value, err));
    if (!templates || !pm_cli_text(cli, "template")) return PM_OK;
    if (pm_cli_text(cli, "kind")) pm_path_kind_parse(pm_slice_cstr(pm_cli_text(cli, "kind")), &kind);
    int rc = pm_schemas_add_template(ret, pm_slice_cstr(pm_cli_text(cli, "template")), kind, err);
    return rc == PM_OK ? rc : pm_error_wrap(err, rc, "--template");
}

/* The schema that was asked for; *ret NULL: none was. */
static int choose(const struct pm_cli *cli, const struct pm_schemas *schemas, const struct pm_schema **ret,
                  struct pm_error *err)
{
    const char *id = pm_cli_text(cli, "schema"), *near = NULL;
    *ret = NULL;
    if (!id) return PM_OK;
    *ret = pm_schemas_find(schemas, pm_slice_cstr(id), &near);
    if (*ret) return PM_OK;
    return pm_error_set(err, PM_EUSAGE, "unknown schema \"%s\"%s%s%s; `provmat path schemas` lists them", id,
                        near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

/* --set NAME=VALUE and --params */
static int given_facts(const struct pm_cli *cli, struct pm_path_facts *facts, struct pm_error *err)
{
    const struct pm_given *given;
    for (size_t at = 0; (given = pm_cli_next(cli, "set", &at));) {
        const char *equals = strchr(given->value, '=');
        if (!equals || equals == given->value)
            return pm_error_set(err, PM_EUSAGE, "--set \"%s\" is not NAME=VALUE, such as seed=42", given->value);
        struct pm_slice name = pm_slice(given->value, (size_t)(equals - given->value));
        PM_TRY(pm_path_facts_set(facts, name, pm_slice_cstr(equals + 1), err));
    }
    if (!pm_cli_text(cli, "params")) return PM_OK;
    return pm_path_facts_set(facts, PM_SLICE("params"), pm_slice_cstr(pm_cli_text(cli, "params")), err);
}

static int print(struct pm_rows *rows, const char *nothing, struct pm_error *err)
{
    bool none = pm_rows_count(rows) == 0;
    PM_TRY(pm_rows_print(rows, stdout, NULL, err));
    return none ? pm_error_set(err, PM_ENOTFOUND, "%s", nothing) : PM_OK;
}

/* ---- schemas ---- */

static const struct pm_column schema_columns[] = {
    {.name = "schema", .type = PM_COLUMN_TEXT},   {.name = "name", .type = PM_COLUMN_TEXT},
    {.name = "version", .type = PM_COLUMN_INT},   {.name = "kind", .type = PM_COLUMN_TEXT},
    {.name = "template", .type = PM_COLUMN_TEXT}, {.name = "current", .type = PM_COLUMN_BOOL},
    {.name = "note", .type = PM_COLUMN_TEXT},
};

static int add_schema(struct pm_rows *rows, const struct pm_schema *schema, enum pm_path_kind kind,
                      struct pm_error *err)
{
    struct pm_buf template = {0};
    pm_buf_slice_add(&template, schema->root.text);
    if (template.len) pm_buf_byte(&template, '/');
    pm_buf_slice_add(&template, schema->paths[kind].text);
    pm_row_begin(rows);
    pm_row_text(rows, schema->id);
    pm_row_text(rows, schema->name);
    pm_row_int(rows, schema->version);
    pm_row_cstr(rows, pm_path_kind_name(kind));
    pm_row_text(rows, pm_buf_slice(&template));
    pm_row_bool(rows, !schema->read_only);
    pm_row_text(rows, schema->note);
    pm_buf_release(&template);
    return pm_row_end(rows, err);
}

int pm_cmd_path_schemas(struct pm_cli *cli, struct pm_error *err)
{
    PM_CLEANUP(release_schemas) struct pm_schemas schemas = {0};
    PM_CLEANUP(pm_rows_cleanup) struct pm_rows *rows = NULL;
    struct pm_rows_spec spec = {.columns = schema_columns, .n_columns = sizeof schema_columns / sizeof *schema_columns};
    struct pm_output_options options = pm_cli_output_options(cli);
    PM_TRY(pm_rows_new(&spec, &options, &rows, err));
    PM_TRY(load(cli, false, &schemas, err));
    for (size_t i = 0; i < schemas.count; i++) {
        for (unsigned kind = 0; kind < PM_PATH_KIND_COUNT; kind++) {
            if (schemas.items[i]->paths[kind].n_parts)
                PM_TRY(add_schema(rows, schemas.items[i], (enum pm_path_kind)kind, err));
        }
    }
    return print(rows, "", err);
}

/* ---- render ---- */

static const struct pm_column render_columns[] = {
    {.name = "path", .type = PM_COLUMN_TEXT},
    {.name = "schema", .type = PM_COLUMN_TEXT},
    {.name = "kind", .type = PM_COLUMN_TEXT},
};

struct rendering {
    const struct pm_schema *schema;
    struct pm_path_facts given; /* of the command line: each line of a file begins with them */
    struct pm_rows *rows;
    struct pm_arena arena, derived;
    struct pm_values values;
    struct pm_buf path;
    enum pm_path_kind kind;
    bool kind_given;
    uint64_t rejected;
};

/* Without --kind: what has a target is an aggregation, what has a job_type a job. */
static enum pm_path_kind guess_kind(const struct pm_path_facts *facts)
{
    struct pm_slice value;
    if (pm_path_facts_get(facts, PM_SLICE("target"), &value) ||
        pm_path_facts_get(facts, PM_SLICE("aggregation_id"), &value))
        return PM_PATH_AGG;
    return pm_path_facts_get(facts, PM_SLICE("job_type"), &value) ? PM_PATH_JOB : PM_PATH_SIM;
}

static int render_one(struct rendering *run, const struct pm_path_facts *facts, struct pm_error *err)
{
    enum pm_path_kind kind = run->kind_given ? run->kind : guess_kind(facts);
    pm_buf_clear(&run->path);
    PM_TRY(pm_schema_values(run->schema, facts, &run->derived, &run->values, err));
    PM_TRY(pm_schema_render(run->schema, kind, &run->values, &run->path, err));
    pm_row_begin(run->rows);
    pm_row_text(run->rows, pm_buf_slice(&run->path));
    pm_row_text(run->rows, run->schema->id);
    pm_row_cstr(run->rows, pm_path_kind_name(kind));
    return pm_row_end(run->rows, err);
}

/* A value as the workers' own code turns it into text. */
static int read_value(struct pm_json *in, struct pm_slice name, struct pm_slice *ret, struct pm_error *err)
{
    bool truth, integer;
    const char *begin;
    switch (pm_json_peek(in)) {
    case PM_JSON_STRING: return pm_json_read_string(in, ret, err);
    case PM_JSON_NUMBER: return pm_json_read_number(in, ret, &integer, err);
    case PM_JSON_BOOL:
        PM_TRY(pm_json_read_bool(in, &truth, err));
        *ret = truth ? PM_SLICE("True") : PM_SLICE("False");
        return PM_OK;
    case PM_JSON_OBJECT:
        if (!pm_slice_is(name, "params")) break;
        begin = in->at;
        PM_TRY(pm_json_read_compact(in, NULL, err));
        *ret = pm_slice(begin, (size_t)(in->at - begin));
        return PM_OK;
    default: break;
    }
    return pm_error_set(err, PM_EINVALID, "variable \"%.*s\" must be a string, a number or a bool", PM_SLICE_ARG(name));
}

static int render_line(struct rendering *run, struct pm_slice line, struct pm_error *err)
{
    struct pm_path_facts facts = run->given;
    struct pm_json in;
    pm_arena_reset(&run->arena);
    PM_TRY(pm_json_open(&in, line, &run->arena, err));
    PM_TRY(pm_json_enter(&in, '{', err));
    for (;;) {
        struct pm_slice name, value;
        bool more;
        PM_TRY(pm_json_read_key(&in, &name, &more, err));
        if (!more) break;
        PM_TRY(read_value(&in, name, &value, err));
        PM_TRY(pm_path_facts_set(&facts, name, value, err));
    }
    PM_TRY(pm_json_close(&in, err));
    return render_one(run, &facts, err);
}

static int render_file(struct rendering *run, const char *name, struct pm_error *err)
{
    bool standard = !strcmp(name, "-");
    FILE *file = standard ? stdin : fopen(name, "re");
    char *line = NULL;
    size_t size = 0;
    uint64_t number = 0;
    int rc = PM_OK;
    if (!file) return pm_error_set(err, PM_EUSAGE, "could not open \"%s\": %s", name, pm_error_system(errno));
    for (ssize_t len; rc == PM_OK && (len = getline(&line, &size, file)) >= 0;) {
        number++;
        pm_arena_reset(&run->derived);
        memset(&run->values, 0, sizeof run->values); /* the line's values end with it */
        rc = render_line(run, pm_slice(line, (size_t)len), err);
        if (rc == PM_OK || pm_error_class(rc) != PM_CLASS_POISON) continue;
        pm_cli_line("%s:%llu: %s", standard ? "stdin" : name, (unsigned long long)number, err->text);
        run->rejected++;
        rc = PM_OK;
    }
    if (rc == PM_OK && ferror(file))
        rc = pm_error_set(err, PM_EIO, "could not read \"%s\": %s", name, pm_error_system(errno));
    free(line);
    if (!standard) fclose(file);
    return rc;
}

static int render_all(struct rendering *run, const struct pm_cli *cli, struct pm_error *err)
{
    int rc;
    if (cli->n_operands == 0) {
        rc = render_one(run, &run->given, err);
        return pm_error_class(rc) == PM_CLASS_POISON
                   ? pm_error_wrap(err, PM_EINVALID, "schema \"%.*s\"", PM_SLICE_ARG(run->schema->id))
                   : rc;
    }
    for (size_t i = 0; i < cli->n_operands; i++) PM_TRY(render_file(run, cli->operands[i], err));
    return PM_OK;
}

int pm_cmd_path_render(struct pm_cli *cli, struct pm_error *err)
{
    PM_CLEANUP(release_schemas) struct pm_schemas schemas = {0};
    PM_CLEANUP(pm_rows_cleanup) struct pm_rows *rows = NULL;
    struct pm_rows_spec spec = {.columns = render_columns, .n_columns = sizeof render_columns / sizeof *render_columns};
    struct pm_output_options options = pm_cli_output_options(cli);
    struct rendering run = {0};
    PM_TRY(pm_rows_new(&spec, &options, &rows, err));
    PM_TRY(load(cli, true, &schemas, err));
    PM_TRY(choose(cli, &schemas, &run.schema, err));
    if (!run.schema)
        run.schema = pm_schemas_find(&schemas, pm_cli_text(cli, "template") ? PM_SLICE("template") : PM_SLICE("token"),
                                     NULL);
    PM_TRY(given_facts(cli, &run.given, err));
    run.kind_given = pm_cli_text(cli, "kind");
    if (run.kind_given) pm_path_kind_parse(pm_slice_cstr(pm_cli_text(cli, "kind")), &run.kind);
    run.rows = rows;
    int rc = render_all(&run, cli, err);
    pm_arena_release(&run.arena);
    pm_arena_release(&run.derived);
    pm_buf_release(&run.path);
    if (rc == PM_OK) rc = pm_rows_print(rows, stdout, NULL, err);
    return rc == PM_OK && run.rejected ? pm_error_set(err, PM_EINVALID, "%s", "") : rc;
}

/* ---- parse ---- */

static const struct pm_column parse_columns[] = {
    {.name = "path", .type = PM_COLUMN_TEXT},       {.name = "schema", .type = PM_COLUMN_TEXT},
    {.name = "kind", .type = PM_COLUMN_TEXT},       {.name = "reveals", .type = PM_COLUMN_JSON},
    {.name = "candidates", .type = PM_COLUMN_JSON}, /* --candidates */
};
#define PARSE_COLUMNS 4 /* without the candidates */

struct guess { /* one path under one schema */
    struct pm_slice path;
    const struct pm_schema *schema;
    enum pm_path_kind kind;
    struct pm_revealed revealed[PM_VARIABLES_MAX];
    struct pm_buf values[PM_VARIABLES_MAX]; /* candidates: JSON strings with commas between */
};

struct parsing {
    struct pm_rows *rows;
    struct guess *guesses;
    size_t n, room;
    bool candidates;
};

static void put_member(struct pm_buf *out, const char *name, struct pm_slice value, bool *first)
{
    pm_buf_printf(out, "%s\"%s\":", *first ? "" : ",", name);
    pm_json_put_string(out, value);
    *first = false;
}

/* {"param_id":{"prefix":"66157bd2","hash":"e78d"},"seed":{"value":"42"}} */
static void put_revealed(struct pm_buf *out, const struct pm_schema *schema, const struct pm_revealed *revealed)
{
    bool any = false;
    pm_buf_byte(out, '{');
    for (size_t i = 0; i < schema->names.count; i++) {
        bool first = true;
        if (!revealed[i].whole.ptr && !revealed[i].prefix.ptr && !revealed[i].hash_len) continue;
        if (any) pm_buf_byte(out, ',');
        any = true;
        pm_json_put_string(out, schema->names.items[i]);
        pm_buf_cstr(out, ":{");
        if (revealed[i].whole.ptr) put_member(out, "value", revealed[i].whole, &first);
        else if (revealed[i].prefix.ptr) put_member(out, "prefix", revealed[i].prefix, &first);
        if (revealed[i].hash_len) put_member(out, "hash", pm_slice(revealed[i].hash, revealed[i].hash_len), &first);
        pm_buf_byte(out, '}');
    }
    pm_buf_byte(out, '}');
}

/* What a split revealed stands in the guess itself: it must move with it. */
static void keep_revealed(struct guess *guess, const struct pm_revealed *revealed)
{
    memcpy(guess->revealed, revealed, guess->schema->names.count * sizeof *revealed);
    for (size_t i = 0; i < guess->schema->names.count; i++)
        if (revealed[i].prefix.ptr == revealed[i].prefix_bytes)
            guess->revealed[i].prefix.ptr = guess->revealed[i].prefix_bytes;
}

static void parse_one(struct parsing *run, const struct pm_schema *schema, struct pm_slice path,
                      const struct pm_path_facts *facts)
{
    struct pm_revealed revealed[PM_VARIABLES_MAX];
    enum pm_path_kind kind;
    if (!pm_schema_match(schema, path, facts, &kind, revealed)) return;
    if (run->n == run->room) {
        run->room = run->room ? 2 * run->room : 8;
        struct guess *larger = pm_calloc(run->room, sizeof *larger);
        for (size_t i = 0; i < run->n; i++) {
            larger[i] = run->guesses[i];
            keep_revealed(&larger[i], run->guesses[i].revealed);
        }
        free(run->guesses);
        run->guesses = larger;
    }
    struct guess *guess = &run->guesses[run->n++];
    *guess = (struct guess){.path = path, .schema = schema, .kind = kind};
    keep_revealed(guess, revealed);
}

static void add_candidate(struct guess *guess, const char *name, struct pm_slice value)
{
    unsigned variable = pm_names_find(&guess->schema->names, pm_slice_cstr(name));
    struct pm_buf quoted = {0}, *all;
    if (!value.ptr || variable == PM_VARIABLES_MAX) return;
    const struct pm_revealed *revealed = &guess->revealed[variable];
    if (revealed->whole.ptr || (!revealed->prefix.ptr && !revealed->hash_len)) return;
    if (!pm_revealed_allows(revealed, value)) return;
    all = &guess->values[variable];
    pm_json_put_string(&quoted, value);
    if (!all->len || !memmem(all->ptr, all->len, quoted.ptr, quoted.len)) {
        if (all->len) pm_buf_byte(all, ',');
        pm_buf_slice_add(all, pm_buf_slice(&quoted));
    }
    pm_buf_release(&quoted);
}

static int add_candidates(void *arg, const struct pm_result *result, struct pm_error *err)
{
    struct parsing *run = arg;
    const struct pm_event *facts = &result->facts;
    struct pm_slice none = {NULL, 0};
    char hex[64];
    (void)err;
    struct pm_slice param_id = pm_result_param_id(result, hex);
    for (size_t i = 0; i < run->n; i++) {
        add_candidate(&run->guesses[i], "param_id", param_id);
        add_candidate(&run->guesses[i], "bundle_digest",
                      facts->has & PM_HAS(bundle_digest) ? facts->bundle_digest : none);
        add_candidate(&run->guesses[i], "model_digest",
                      facts->has & PM_HAS(model_digest) ? pm_digest_digits(facts->model_digest) : none);
    }
    return PM_OK;
}

static int find_candidates(struct parsing *run, const char *index_dir, struct pm_error *err)
{
    struct pm_index *index = NULL;
    struct pm_snapshot *snap = NULL;
    PM_TRY(pm_index_open(index_dir, &index, err));
    int rc = pm_snapshot_open(index, &snap, err);
    if (rc == PM_OK) rc = pm_results_each(snap, add_candidates, run, err);
    pm_snapshot_close(snap);
    pm_index_close(index);
    return rc;
}

static int add_guess(struct pm_rows *rows, struct guess *guess, bool candidates, struct pm_error *err)
{
    struct pm_buf text = {0};
    put_revealed(&text, guess->schema, guess->revealed);
    pm_row_begin(rows);
    pm_row_text(rows, guess->path);
    pm_row_text(rows, guess->schema->id);
    pm_row_cstr(rows, pm_path_kind_name(guess->kind));
    pm_row_json(rows, pm_buf_slice(&text));
    pm_buf_clear(&text);
    pm_buf_byte(&text, '{');
    for (size_t i = 0; i < guess->schema->names.count; i++) {
        if (!guess->values[i].len) continue;
        if (text.len > 1) pm_buf_byte(&text, ',');
        pm_json_put_string(&text, guess->schema->names.items[i]);
        pm_buf_printf(&text, ":[%.*s]", (int)guess->values[i].len, guess->values[i].ptr);
    }
    pm_buf_byte(&text, '}');
    if (candidates) pm_row_json(rows, pm_buf_slice(&text));
    pm_buf_release(&text);
    return pm_row_end(rows, err);
}

static void release_parsing(struct parsing *run)
{
    for (size_t i = 0; i < run->n; i++)
        for (size_t k = 0; k < PM_VARIABLES_MAX; k++) pm_buf_release(&run->guesses[i].values[k]);
    free(run->guesses);
    pm_rows_free(run->rows);
}

int pm_cmd_path_parse(struct pm_cli *cli, struct pm_error *err)
{
    PM_CLEANUP(release_schemas) struct pm_schemas schemas = {0};
    PM_CLEANUP(release_parsing) struct parsing run = {.candidates = pm_cli_flag(cli, "candidates")};
    struct pm_rows_spec spec = {.columns = parse_columns, .n_columns = PARSE_COLUMNS + run.candidates};
    struct pm_output_options options = pm_cli_output_options(cli);
    struct pm_path_facts facts = {0};
    const struct pm_schema *only;
    uint64_t unknown = 0;
    PM_TRY(pm_rows_new(&spec, &options, &run.rows, err));
    PM_TRY(load(cli, true, &schemas, err));
    PM_TRY(choose(cli, &schemas, &only, err));
    PM_TRY(given_facts(cli, &facts, err));
    for (size_t i = 0; i < cli->n_operands; i++) {
        size_t before = run.n;
        struct pm_slice path = pm_slice_cstr(cli->operands[i]);
        for (size_t k = 0; k < schemas.count; k++)
            if (!only || only == schemas.items[k]) parse_one(&run, schemas.items[k], path, &facts);
        if (run.n > before) continue;
        pm_cli_warn("\"%s\" is a path of no schema%s", cli->operands[i],
                    facts.count ? " that agrees with what was given" : "");
        unknown++;
    }
    if (run.candidates) PM_TRY(find_candidates(&run, cli->index_dir, err));
    for (size_t i = 0; i < run.n; i++) PM_TRY(add_guess(run.rows, &run.guesses[i], run.candidates, err));
    PM_TRY(pm_rows_print(run.rows, stdout, NULL, err));
    return unknown ? pm_error_set(err, PM_ENOTFOUND, "%s", "") : PM_OK;
}

/* ---- check ---- */

static const struct pm_column check_columns[] = {
    {.name = "schema", .type = PM_COLUMN_TEXT},   {.name = "kind", .type = PM_COLUMN_TEXT},
    {.name = "variable", .type = PM_COLUMN_TEXT}, {.name = "keeps", .type = PM_COLUMN_TEXT},
    {.name = "bits", .type = PM_COLUMN_INT},      {.name = "values", .type = PM_COLUMN_INT},
    {.name = "pairs", .type = PM_COLUMN_DOUBLE},  {.name = "chance", .type = PM_COLUMN_DOUBLE},
    {.name = "note", .type = PM_COLUMN_TEXT},
};

/* What makes up a result, and is not in every path. */
static const char *const identity_sim[] = {"bundle_digest", "model_digest", "entrypoint", "param_id", "seed", NULL},
                         *const identity_agg[] = {"bundle_digest",  "model_digest",  "entrypoint", "target",
                                                  "aggregation_id", "target_digest", NULL};

static void put_keeps(struct pm_buf *out, const struct pm_budget *budget)
{
    if (budget->whole) pm_buf_cstr(out, "all");
    else if (!budget->bits) pm_buf_cstr(out, "nothing");
    if (budget->whole) return;
    if (budget->value_digits) pm_buf_printf(out, "the first %u characters", budget->value_digits);
    if (budget->hash_digits)
        pm_buf_printf(out, "%sthe first %u digits of its hash", out->len ? " and " : "", budget->hash_digits);
}

static int add_budget(struct pm_rows *rows, const struct pm_schema *schema, enum pm_path_kind kind,
                      const struct pm_budget *budget, uint64_t values, const char *note, struct pm_error *err)
{
    struct pm_buf keeps = {0};
    double pairs, chance;
    put_keeps(&keeps, budget);
    pm_collisions(values, budget->bits, &pairs, &chance);
    pm_row_begin(rows);
    pm_row_text(rows, schema->id);
    pm_row_cstr(rows, pm_path_kind_name(kind));
    pm_row_text(rows, budget->variable);
    pm_row_text(rows, pm_buf_slice(&keeps));
    if (budget->bits) {
        pm_row_int(rows, budget->bits);
        pm_row_int(rows, (int64_t)values);
        pm_row_double(rows, pairs);
        pm_row_double(rows, chance);
    } else {
        for (int i = 0; i < 4; i++) pm_row_null(rows);
    }
    pm_row_cstr(rows, note);
    pm_buf_release(&keeps);
    return pm_row_end(rows, err);
}

static const char *note_of(const struct pm_budget *budget, enum pm_path_kind kind, double pairs)
{
    if (kind != PM_PATH_JOB && pm_slice_is(budget->variable, "job_id"))
        return "a job in the path of a result: no other job can ever reuse it";
    if (budget->bits && pairs >= 0.5) return "two values on one path must be expected";
    return NULL;
}

static int check_kind(struct pm_rows *rows, const struct pm_schema *schema, enum pm_path_kind kind, uint64_t values,
                      struct pm_error *err)
{
    struct pm_budget budgets[PM_VARIABLES_MAX];
    size_t n = pm_schema_budget(schema, kind, budgets);
    double pairs, chance;
    for (size_t i = 0; i < n; i++) {
        pm_collisions(values, budgets[i].bits, &pairs, &chance);
        PM_TRY(add_budget(rows, schema, kind, &budgets[i], values, note_of(&budgets[i], kind, pairs), err));
    }
    const char *const *identity = kind == PM_PATH_SIM ? identity_sim : kind == PM_PATH_AGG ? identity_agg : NULL;
    for (; identity && *identity; identity++) {
        struct pm_budget absent = {.variable = pm_slice_cstr(*identity)};
        bool there = false;
        for (size_t i = 0; i < n; i++) there = there || pm_slice_eq(budgets[i].variable, absent.variable);
        if (!there)
            PM_TRY(add_budget(rows, schema, kind, &absent, values,
                              "results that differ in nothing else share a path, unless another variable tells them "
                              "apart",
                              err));
    }
    return PM_OK;
}

int pm_cmd_path_check(struct pm_cli *cli, struct pm_error *err)
{
    PM_CLEANUP(release_schemas) struct pm_schemas schemas = {0};
    PM_CLEANUP(pm_rows_cleanup) struct pm_rows *rows = NULL;
    struct pm_rows_spec spec = {.columns = check_columns, .n_columns = sizeof check_columns / sizeof *check_columns};
    struct pm_output_options options = pm_cli_output_options(cli);
    const struct pm_schema *only;
    uint64_t values = pm_cli_count(cli, "results", RESULTS_DEFAULT);
    PM_TRY(pm_rows_new(&spec, &options, &rows, err));
    PM_TRY(load(cli, true, &schemas, err));
    PM_TRY(choose(cli, &schemas, &only, err));
    if (values > INT64_MAX)
        return pm_error_set(err, PM_EUSAGE, "--results is above the limit of %lld", (long long)INT64_MAX);
    /* what a person wrote is what is asked about; without that, the default of the built-in ones */
    bool own = pm_cli_text(cli, "schema-file") || pm_cli_text(cli, "template");
    struct pm_schemas builtin;
    pm_schemas_builtin(&builtin);
    if (!only && !own) only = pm_schemas_find(&schemas, PM_SLICE("token"), NULL);
    for (size_t i = 0; i < schemas.count; i++) {
        if (only ? only != schemas.items[i] : i < builtin.count) continue;
        for (unsigned kind = 0; kind < PM_PATH_KIND_COUNT; kind++) {
            if (schemas.items[i]->paths[kind].n_parts)
                PM_TRY(check_kind(rows, schemas.items[i], (enum pm_path_kind)kind, values, err));
        }
    }
    return print(rows, "", err);
}
