/* results.c: `query result` and `query results`. Filters without a job are one sequential scan of the results: fast
 * enough to need no index of their own. */
#include <stdlib.h>

#include "common/base/check.h"
#include "common/event/identity.h"
#include "query/reading.h"

/* ---- many ---- */
static const struct pm_column result_columns[] = {
    {.name = "result", .type = PM_COLUMN_TEXT},   {.name = "kind", .type = PM_COLUMN_TEXT},
    {.name = "param_id", .type = PM_COLUMN_TEXT}, {.name = "seed", .type = PM_COLUMN_U64},
    {.name = "target", .type = PM_COLUMN_TEXT},   {.name = "loss", .type = PM_COLUMN_DOUBLE},
};
#define N_RESULT_COLUMNS (sizeof result_columns / sizeof *result_columns)

static const struct pm_column of_job_columns[] = {
    {.name = "result", .type = PM_COLUMN_TEXT},   {.name = "kind", .type = PM_COLUMN_TEXT},
    {.name = "role", .type = PM_COLUMN_TEXT},     {.name = "at", .type = PM_COLUMN_TIME},
    {.name = "param_id", .type = PM_COLUMN_TEXT}, {.name = "seed", .type = PM_COLUMN_U64},
    {.name = "target", .type = PM_COLUMN_TEXT},   {.name = "loss", .type = PM_COLUMN_DOUBLE},
};
#define N_OF_JOB_COLUMNS (sizeof of_job_columns / sizeof *of_job_columns)

struct search {
    const struct pm_results_filter *filter;
    struct pm_slice bundle, target, path_prefix;
    struct pm_param_filter params[PM_PARAM_FILTERS_MAX];
    struct pm_rows *rows;
    struct pm_snapshot *snap;
    struct pm_arena arena; /* of one result */
};

static bool matches(const struct search *search, const struct pm_result *result)
{
    const struct pm_event *facts = &result->facts;
    if (search->filter->unattributed && result->attributed) return false;
    if (search->filter->kind >= 0 && !((facts->has & PM_HAS(kind)) && (int)facts->kind == search->filter->kind))
        return false;
    if (!pm_slice_starts(result->path, search->path_prefix)) return false;
    if (search->bundle.len &&
        !((facts->has & PM_HAS(bundle_digest)) && pm_slice_starts(facts->bundle_digest, search->bundle)))
        return false;
    if (search->filter->target && !((facts->has & PM_HAS(target)) && pm_slice_eq(facts->target, search->target)))
        return false;
    for (size_t i = 0; i < search->filter->n_params; i++) {
        struct pm_slice value;
        if (!(facts->has & PM_HAS(params)) || !pm_params_get(facts->params, search->params[i].name, &value))
            return false;
        if (!pm_slice_eq(value, search->params[i].value)) return false;
    }
    return true;
}

static int add_result(struct search *search, const struct pm_result *result, const struct pm_pair *pair,
                      struct pm_error *err)
{
    struct pm_rows *rows = search->rows;
    const struct pm_event *facts = &result->facts;
    pm_row_begin(rows);
    pm_row_text(rows, result->path);
    pm_row_cstr(rows, facts->has & PM_HAS(kind) ? pm_kind_name(facts->kind) : NULL);
    if (pair) {
        enum pm_role role = pm_pair_shown(pair);
        pm_row_cstr(rows, pm_role_name(role));
        pm_row_time(rows, pair->at[role]);
    }
    char hex[64];
    struct pm_slice param_id = {0};
    if (pm_row_wants(rows) && (facts->has & PM_HAS(param_id))) param_id = pm_result_param_id(result, hex);
    if (param_id.ptr) pm_row_text(rows, param_id);
    else pm_row_null(rows);
    if (facts->has & PM_HAS(seed)) pm_row_u64(rows, facts->seed);
    else pm_row_null(rows);
    pm_row_text_if(rows, facts, PM_HAS(target), facts->target);
    if (facts->has & PM_HAS(loss)) pm_row_double(rows, facts->loss);
    else pm_row_null(rows);
    return pm_row_end(rows, err);
}

static int each_result(void *arg, const struct pm_result *result, struct pm_error *err)
{
    struct search *search = arg;
    if (matches(search, result)) PM_TRY(add_result(search, result, NULL, err));
    return pm_rows_full(search->rows) ? PM_SCAN_STOP : PM_OK;
}

static int each_pair(void *arg, const struct pm_pair *pair, struct pm_error *err)
{
    struct search *search = arg;
    const struct pm_results_filter *filter = search->filter;
    if (filter->role >= 0 && (int)pm_pair_shown(pair) != filter->role) return PM_OK;
    if (filter->missing && !pm_pair_missing(pair)) return PM_OK;
    struct pm_result result;
    pm_arena_reset(&search->arena);
    PM_TRY(pm_result_get(search->snap, pair->result, &search->arena, &result, err));
    if (matches(search, &result)) PM_TRY(add_result(search, &result, pair, err));
    return pm_rows_full(search->rows) ? PM_SCAN_STOP : PM_OK;
}

static int check_filter(const struct pm_results_filter *filter, struct pm_error *err)
{
    if (!filter->job && filter->role >= 0)
        return pm_error_set(err, PM_EUSAGE, "--role needs --job: a role is what a job had to do with a result");
    if (!filter->job && filter->missing)
        return pm_error_set(err, PM_EUSAGE, "--missing needs --job: it is a job that expects a result");
    if (filter->n_params > PM_PARAM_FILTERS_MAX)
        return pm_error_set(err, PM_EUSAGE, "--param is given %zu times, more than %d", filter->n_params,
                            PM_PARAM_FILTERS_MAX);
    return PM_OK;
}

static int prepare(struct search *search, struct pm_arena *arena, struct pm_error *err)
{
    const struct pm_results_filter *filter = search->filter;
    if (filter->bundle) PM_TRY(pm_filter_bundle(filter->bundle, arena, &search->bundle, err));
    if (filter->target) search->target = pm_slice_cstr(filter->target);
    if (filter->path_prefix) search->path_prefix = pm_slice_cstr(filter->path_prefix);
    for (size_t i = 0; i < filter->n_params; i++)
        PM_TRY(pm_filter_param(filter->params[i], arena, &search->params[i], err));
    return PM_OK;
}

static int run_search(struct search *search, struct pm_reading *reading, const struct pm_query *question,
                      struct pm_error *err)
{
    search->snap = reading->snap;
    if (!search->filter->job) return pm_results_each(reading->snap, each_result, search, err);
    uint32_t job;
    PM_TRY(pm_find_job(reading, question, search->filter->job, &job, err));
    int rc = pm_pairs_of_job(reading->snap, job, each_pair, search, err);
    pm_arena_release(&search->arena);
    return rc;
}

int pm_query_results(const struct pm_query *question, const struct pm_results_filter *filter, struct pm_error *err)
{
    PM_CLEANUP(pm_rows_cleanup) struct pm_rows *rows = NULL;
    PM_CLEANUP(pm_reading_close) struct pm_reading reading = {0};
    PM_CLEANUP(pm_arena_release) struct pm_arena arena = {0};
    struct search search = {.filter = filter};
    PM_TRY(check_filter(filter, err));
    PM_TRY(prepare(&search, &arena, err));
    struct pm_rows_spec spec = {
        .columns = filter->job ? of_job_columns : result_columns,
        .n_columns = filter->job ? N_OF_JOB_COLUMNS : N_RESULT_COLUMNS,
        .sort = {{0, false}},
        .n_sort = 1,
    };
    PM_TRY(pm_rows_new(&spec, &question->output, &rows, err));
    search.rows = rows;
    PM_TRY(pm_reading_open(question, PM_ASK_IF_NEEDED, &reading, err));
    int rc = run_search(&search, &reading, question, err);
    if (rc == PM_ENOTFOUND) return pm_reading_print_none(&reading, question, rows, err);
    if (rc != PM_OK && rc != PM_SCAN_STOP) return rc;
    return pm_reading_print(&reading, question, rows, true, err);
}

/* ---- one ---- */
static const struct pm_column one_columns[] = {
    {.name = "result", .type = PM_COLUMN_TEXT},
    {.name = "kind", .type = PM_COLUMN_TEXT},
    {.name = "schema", .type = PM_COLUMN_TEXT},
    {.name = "schema_version", .type = PM_COLUMN_INT},
    {.name = "bundle_digest", .type = PM_COLUMN_TEXT},
    {.name = "model_digest", .type = PM_COLUMN_TEXT},
    {.name = "entrypoint", .type = PM_COLUMN_TEXT},
    {.name = "param_id", .type = PM_COLUMN_TEXT},
    {.name = "params", .type = PM_COLUMN_JSON},
    {.name = "seed", .type = PM_COLUMN_U64},
    {.name = "target", .type = PM_COLUMN_TEXT},
    {.name = "target_digest", .type = PM_COLUMN_TEXT},
    {.name = "aggregation_id", .type = PM_COLUMN_TEXT},
    {.name = "loss", .type = PM_COLUMN_DOUBLE},
    {.name = "n_replicates", .type = PM_COLUMN_INT},
    {.name = "outputs", .type = PM_COLUMN_LIST, .fields = pm_list_of_outputs},
    {.name = "computed_by", .type = PM_COLUMN_LIST, .fields = pm_list_of_job_at},
    {.name = "reused_by", .type = PM_COLUMN_LIST, .fields = pm_list_of_job_at},
    {.name = "failed_by", .type = PM_COLUMN_LIST, .fields = pm_list_of_job_at},
    {.name = "expected_by", .type = PM_COLUMN_LIST, .fields = pm_list_of_job_at},
    {.name = "first_computed_at", .type = PM_COLUMN_TIME},
    {.name = "last_used_at", .type = PM_COLUMN_TIME},
    {.name = "attributed", .type = PM_COLUMN_BOOL},
    {.name = "deleted_at", .type = PM_COLUMN_TIME},
    {.name = "conflicts", .type = PM_COLUMN_INT},
};
#define N_ONE_COLUMNS (sizeof one_columns / sizeof *one_columns)

struct user { /* one pair of the result, in one role */
    struct pm_slice job_id;
    int64_t at;
};

static int by_at(const void *a, const void *b)
{
    const struct user *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return pm_slice_cmp(x->job_id, y->job_id);
}

struct users {
    struct user *of_role[PM_ROLE_COUNT];
    size_t n[PM_ROLE_COUNT];
    bool used;
    int64_t last_used_at;
};

static int read_users(struct pm_reading *reading, uint64_t result, struct users *ret, struct pm_error *err)
{
    struct pm_pair *pairs;
    size_t n;
    PM_TRY(pm_pairs_of_result(reading->snap, result, &reading->arena, &pairs, &n, err));
    for (unsigned role = 0; role < PM_ROLE_COUNT; role++)
        ret->of_role[role] = pm_arena_alloc(&reading->arena, (n + 1) * sizeof(struct user));
    for (size_t i = 0; i < n; i++) {
        struct pm_slice job_id;
        PM_TRY(pm_job_id(reading->snap, pairs[i].job, &job_id, err));
        for (unsigned role = 0; role < PM_ROLE_COUNT; role++) {
            if (!(pairs[i].roles >> role & 1)) continue;
            int64_t at = pairs[i].at[role];
            ret->of_role[role][ret->n[role]++] = (struct user){job_id, at};
            if (!ret->used || at > ret->last_used_at) ret->last_used_at = at;
            ret->used = true;
        }
    }
    for (unsigned role = 0; role < PM_ROLE_COUNT; role++)
        qsort(ret->of_role[role], ret->n[role], sizeof(struct user), by_at);
    return PM_OK;
}

static void identity_cells(struct pm_rows *rows, const struct pm_result *result)
{
    const struct pm_event *facts = &result->facts;
    pm_row_text(rows, result->path);
    pm_row_cstr(rows, facts->has & PM_HAS(kind) ? pm_kind_name(facts->kind) : NULL);
    pm_row_text_if(rows, facts, PM_HAS(schema), facts->schema);
    if (facts->has & PM_HAS(schema_version)) pm_row_int(rows, facts->schema_version);
    else pm_row_null(rows);
    pm_row_text_if(rows, facts, PM_HAS(bundle_digest), facts->bundle_digest);
    pm_row_text_if(rows, facts, PM_HAS(model_digest), facts->model_digest);
    pm_row_text_if(rows, facts, PM_HAS(entrypoint), facts->entrypoint);
    char hex[64];
    pm_row_text_if(rows, facts, PM_HAS(param_id),
                   facts->has & PM_HAS(param_id) ? pm_result_param_id(result, hex) : (struct pm_slice){0});
    if (facts->has & PM_HAS(params)) pm_row_json(rows, facts->params);
    else pm_row_null(rows);
    if (facts->has & PM_HAS(seed)) pm_row_u64(rows, facts->seed);
    else pm_row_null(rows);
    pm_row_text_if(rows, facts, PM_HAS(target), facts->target);
    pm_row_text_if(rows, facts, PM_HAS(target_digest), facts->target_digest);
    pm_row_text_if(rows, facts, PM_HAS(aggregation_id), facts->aggregation_id);
}

static void output_cells(struct pm_rows *rows, const struct pm_event *facts)
{
    if (facts->has & PM_HAS(loss)) pm_row_double(rows, facts->loss);
    else pm_row_null(rows);
    if (facts->has & PM_HAS(n_replicates)) pm_row_int(rows, facts->n_replicates);
    else pm_row_null(rows);
    if (!(facts->has & PM_HAS(outputs))) {
        pm_row_null(rows);
        return;
    }
    pm_row_list_begin(rows);
    struct pm_array_iter it = pm_array_iter(facts->outputs);
    for (struct pm_output item; pm_array_next_output(&it, &item);) {
        pm_row_text(rows, item.name);
        pm_row_int(rows, item.size);
        pm_row_text(rows, item.checksum);
    }
    pm_row_list_end(rows);
}

static int add_one(struct pm_rows *rows, const struct pm_result *result, const struct users *users,
                   struct pm_error *err)
{
    pm_row_begin(rows);
    identity_cells(rows, result);
    output_cells(rows, &result->facts);
    for (unsigned role = 0; role < PM_ROLE_COUNT; role++) {
        pm_row_list_begin(rows);
        for (size_t i = 0; i < users->n[role]; i++) {
            pm_row_text(rows, users->of_role[role][i].job_id);
            pm_row_time(rows, users->of_role[role][i].at);
        }
        pm_row_list_end(rows);
    }
    bool computed = users->n[PM_ROLE_COMPUTED] > 0;
    pm_row_time_if(rows, computed, computed ? users->of_role[PM_ROLE_COMPUTED][0].at : 0);
    pm_row_time_if(rows, users->used, users->last_used_at);
    pm_row_bool(rows, result->attributed);
    pm_row_time_if(rows, result->deleted, result->deleted_at);
    pm_row_int(rows, result->conflicts);
    return pm_row_end(rows, err);
}

int pm_query_result(const struct pm_query *question, const char *path, struct pm_error *err)
{
    PM_CLEANUP(pm_rows_cleanup) struct pm_rows *rows = NULL;
    PM_CLEANUP(pm_reading_close) struct pm_reading reading = {0};
    struct pm_rows_spec spec = {
        .columns = one_columns, .n_columns = N_ONE_COLUMNS, .sort = {{0, false}}, .n_sort = 1, .one = true};
    PM_TRY(pm_rows_new(&spec, &question->output, &rows, err));
    PM_TRY(pm_reading_open(question, PM_ASK_IF_NEEDED, &reading, err));
    uint64_t number;
    int found = pm_find_result(&reading, question, path, &number, err);
    if (found != PM_OK) return found == PM_ENOTFOUND ? pm_reading_print_none(&reading, question, rows, err) : found;
    struct pm_result result;
    struct users users = {0};
    PM_TRY(pm_result_get(reading.snap, number, &reading.arena, &result, err));
    PM_TRY(read_users(&reading, number, &users, err));
    PM_TRY(add_one(rows, &result, &users, err));
    return pm_reading_print(&reading, question, rows, true, err);
}
