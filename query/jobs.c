/* jobs.c: `query job`, `query jobs`, and the jobs of one result. */
#include "common/base/check.h"
#include "query/reading.h"

static const struct pm_column job_columns[] = {
    {.name = "job_id", .type = PM_COLUMN_TEXT},
    {.name = "job_type", .type = PM_COLUMN_TEXT},
    {.name = "status", .type = PM_COLUMN_TEXT},
    {.name = "computed", .type = PM_COLUMN_INT},
    {.name = "reused", .type = PM_COLUMN_INT},
    {.name = "failed", .type = PM_COLUMN_INT},
    {.name = "expected", .type = PM_COLUMN_INT},
    {.name = "missing", .type = PM_COLUMN_INT},
    {.name = "first_at", .type = PM_COLUMN_TIME},
    {.name = "last_at", .type = PM_COLUMN_TIME},
    {.name = "bundle_digests", .type = PM_COLUMN_LIST, .fields = pm_list_of_text},
    {.name = "targets", .type = PM_COLUMN_LIST, .fields = pm_list_of_text},
    {.name = "parents", .type = PM_COLUMN_LIST, .fields = pm_list_of_text},
};
enum { JOB_ID = 0, JOB_FIRST_AT = 8 };
#define N_JOB_COLUMNS (sizeof job_columns / sizeof *job_columns)

/* The jobs of a result come in the order of all jobs, newest first: by first_at, which is not among their keys. */
static const struct pm_column user_columns[] = {
    {.name = "job_id", .type = PM_COLUMN_TEXT},
    {.name = "role", .type = PM_COLUMN_TEXT},
    {.name = "at", .type = PM_COLUMN_TIME},
    {.name = "first_at", .type = PM_COLUMN_TIME, .hidden = true},
};
enum { USER_ID = 0, USER_FIRST_AT = 3 };
#define N_USER_COLUMNS (sizeof user_columns / sizeof *user_columns)

static void text_list(struct pm_rows *rows, const struct pm_slice *items, size_t n)
{
    pm_row_list_begin(rows);
    for (size_t i = 0; i < n; i++) pm_row_text(rows, items[i]);
    pm_row_list_end(rows);
}

static int add_job(struct pm_rows *rows, const struct pm_job *job, struct pm_error *err)
{
    pm_row_begin(rows);
    pm_row_text(rows, job->job_id);
    pm_row_text_if(rows, &job->facts, PM_HAS(job_type), job->facts.job_type);
    pm_row_cstr(rows, job->status < 0 ? NULL : pm_status_name((enum pm_status)job->status));
    pm_row_int(rows, (int64_t)job->computed);
    pm_row_int(rows, (int64_t)job->reused);
    pm_row_int(rows, (int64_t)job->failed);
    pm_row_int(rows, (int64_t)job->expected);
    pm_row_int(rows, (int64_t)job->missing);
    pm_row_time(rows, job->first_at);
    pm_row_time(rows, job->last_at);
    text_list(rows, job->bundle_digests, job->n_bundle_digests);
    text_list(rows, job->targets, job->n_targets);
    pm_row_list_begin(rows);
    if (job->facts.has & PM_HAS(parents)) {
        struct pm_array_iter it = pm_array_iter(job->facts.parents);
        for (struct pm_slice parent; pm_array_next_text(&it, &parent);) pm_row_text(rows, parent);
    }
    pm_row_list_end(rows);
    return pm_row_end(rows, err);
}

static int job_rows(const struct pm_query *question, bool one, struct pm_rows **ret, struct pm_error *err)
{
    struct pm_rows_spec spec = {
        .columns = job_columns,
        .n_columns = N_JOB_COLUMNS,
        .sort = {{JOB_FIRST_AT, true}, {JOB_ID, false}},
        .n_sort = 2,
        .one = one,
    };
    return pm_rows_new(&spec, &question->output, ret, err);
}

int pm_query_job(const struct pm_query *question, const char *name, struct pm_error *err)
{
    PM_CLEANUP(pm_rows_cleanup) struct pm_rows *rows = NULL;
    PM_CLEANUP(pm_reading_close) struct pm_reading reading = {0};
    PM_TRY(job_rows(question, true, &rows, err));
    PM_TRY(pm_reading_open(question, PM_ASK_IF_NEEDED, &reading, err));
    uint32_t number;
    struct pm_job job;
    int found = pm_find_job(&reading, question, name, &number, err);
    if (found != PM_OK) return found == PM_ENOTFOUND ? pm_reading_print_none(&reading, question, rows, err) : found;
    PM_TRY(pm_job_get(reading.snap, number, &reading.arena, &job, err));
    PM_TRY(add_job(rows, &job, err));
    return pm_reading_print(&reading, question, rows, true, err);
}

/* ---- many ---- */
static bool has_bundle(const struct pm_job *job, struct pm_slice prefix)
{
    for (size_t i = 0; i < job->n_bundle_digests; i++) {
        if (pm_slice_starts(job->bundle_digests[i], prefix)) return true;
    }
    return false;
}

static bool job_matches(const struct pm_job *job, const struct pm_jobs_filter *filter, struct pm_slice bundle)
{
    if (filter->status >= 0 && job->status != filter->status) return false;
    if (job->first_at < filter->since_us || job->first_at >= filter->until_us) return false;
    return !bundle.len || has_bundle(job, bundle);
}

static int all_jobs(struct pm_reading *reading, const struct pm_jobs_filter *filter, struct pm_slice bundle,
                    struct pm_rows *rows, struct pm_error *err)
{
    struct pm_arena arena = {0};
    uint32_t count = pm_job_count(reading->snap);
    int rc = PM_OK;
    for (uint32_t i = 0; i < count && rc == PM_OK && !pm_rows_full(rows); i++) {
        struct pm_job job;
        pm_arena_reset(&arena);
        rc = pm_job_get(reading->snap, i, &arena, &job, err);
        if (rc == PM_ENOTFOUND) rc = PM_OK; /* a name that only another job mentions (a parent) */
        else if (rc == PM_OK && job_matches(&job, filter, bundle)) rc = add_job(rows, &job, err);
    }
    pm_arena_release(&arena);
    return rc;
}

static int add_user(struct pm_rows *rows, const struct pm_job *job, const struct pm_pair *pair, struct pm_error *err)
{
    enum pm_role role = pm_pair_shown(pair);
    pm_row_begin(rows);
    pm_row_text(rows, job->job_id);
    pm_row_cstr(rows, pm_role_name(role));
    pm_row_time(rows, pair->at[role]);
    pm_row_time(rows, job->first_at);
    return pm_row_end(rows, err);
}

static int users_of(struct pm_reading *reading, const struct pm_jobs_filter *filter, uint64_t result,
                    struct pm_slice bundle, struct pm_rows *rows, struct pm_error *err)
{
    struct pm_pair *pairs;
    size_t n;
    PM_TRY(pm_pairs_of_result(reading->snap, result, &reading->arena, &pairs, &n, err));
    struct pm_arena arena = {0};
    int rc = PM_OK;
    for (size_t i = 0; i < n && rc == PM_OK && !pm_rows_full(rows); i++) {
        struct pm_job job;
        pm_arena_reset(&arena);
        rc = pm_job_get(reading->snap, pairs[i].job, &arena, &job, err);
        if (rc == PM_OK && job_matches(&job, filter, bundle)) rc = add_user(rows, &job, &pairs[i], err);
    }
    pm_arena_release(&arena);
    return rc;
}

int pm_query_jobs(const struct pm_query *question, const struct pm_jobs_filter *filter, struct pm_error *err)
{
    PM_CLEANUP(pm_rows_cleanup) struct pm_rows *rows = NULL;
    PM_CLEANUP(pm_reading_close) struct pm_reading reading = {0};
    struct pm_slice bundle = {0};
    PM_CLEANUP(pm_arena_release) struct pm_arena arena = {0};
    if (filter->bundle) PM_TRY(pm_filter_bundle(filter->bundle, &arena, &bundle, err));
    if (!filter->result) {
        PM_TRY(job_rows(question, false, &rows, err));
        PM_TRY(pm_reading_open(question, PM_ASK_IF_NEEDED, &reading, err));
        PM_TRY(all_jobs(&reading, filter, bundle, rows, err));
        return pm_reading_print(&reading, question, rows, true, err);
    }
    struct pm_rows_spec spec = {.columns = user_columns,
                                .n_columns = N_USER_COLUMNS,
                                .sort = {{USER_FIRST_AT, true}, {USER_ID, false}},
                                .n_sort = 2};
    PM_TRY(pm_rows_new(&spec, &question->output, &rows, err));
    PM_TRY(pm_reading_open(question, PM_ASK_IF_NEEDED, &reading, err));
    uint64_t result;
    int found = pm_find_result(&reading, question, filter->result, &result, err);
    if (found != PM_OK) return found == PM_ENOTFOUND ? pm_reading_print_none(&reading, question, rows, err) : found;
    PM_TRY(users_of(&reading, filter, result, bundle, rows, err));
    return pm_reading_print(&reading, question, rows, true, err);
}
