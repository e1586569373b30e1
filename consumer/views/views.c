/* views.c: the table of views, and what their dumps share. */
#include "consumer/views/views.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"

const struct pm_view pm_views[PM_VIEW_COUNT] = {
    {"results", 1, pm_view_results}, {"job_results", 1, pm_view_job_results}, {"result_jobs", 1, pm_view_result_jobs},
    {"jobs", 1, pm_view_jobs},       {"conflicts", 1, pm_view_conflicts},     {"producers", 1, pm_view_producers},
};

struct pm_hash128 pm_view_hash(struct pm_slice bytes)
{
    return (struct pm_hash128){pm_hash64(bytes.ptr, bytes.len, 1), pm_hash64(bytes.ptr, bytes.len, 2)};
}

static int take_result(void *arg, const struct pm_result *result, struct pm_error *err)
{
    struct pm_dump *dump = arg;
    if (result->number >= dump->n_results)
        return pm_error_set(err, PM_ECORRUPT, "result %llu is past the last", (unsigned long long)result->number);
    dump->results[result->number] = pm_hash128(result->path);
    dump->found++;
    return PM_OK;
}

int pm_dump_open(struct pm_snapshot *snap, struct pm_dump *ret, struct pm_error *err)
{
    struct pm_dump dump = {.snap = snap, .n_results = snap->state.next_record, .n_jobs = pm_job_count(snap)};
    dump.results = pm_calloc(dump.n_results + 1, sizeof *dump.results);
    dump.jobs = pm_calloc((size_t)dump.n_jobs + 1, sizeof *dump.jobs);
    int rc = pm_results_each(snap, take_result, &dump, err);
    for (uint32_t job = 0; job < dump.n_jobs && rc == PM_OK; job++) {
        struct pm_slice id;
        rc = pm_job_id(snap, job, &id, err);
        if (rc == PM_OK) dump.jobs[job] = pm_view_hash(id);
    }
    if (rc != PM_OK) {
        pm_dump_release(&dump);
        return rc;
    }
    *ret = dump;
    return PM_OK;
}

void pm_dump_release(struct pm_dump *dump)
{
    free(dump->results);
    free(dump->jobs);
    dump->results = dump->jobs = NULL;
}

void pm_dump_name(struct pm_dump *dump, const struct pm_view_row *row, char *out, size_t size)
{
    PM_CLEANUP(pm_arena_release) struct pm_arena arena = {0};
    if (row->job < 0 && row->result < 0) {
        snprintf(out, size, "producer %016" PRIx64, row->producer);
        return;
    }
    struct pm_slice job = pm_slice("", 0);
    struct pm_result result = {.path = pm_slice("", 0)};
    if (row->job >= 0 && pm_job_id(dump->snap, (uint32_t)row->job, &job, NULL) != PM_OK) job = PM_SLICE("?");
    if (row->result >= 0 && pm_result_get(dump->snap, (uint64_t)row->result, &arena, &result, NULL) != PM_OK)
        result.path = PM_SLICE("?");
    snprintf(out, size, "%s%.*s%s%s%.*s", row->job >= 0 ? "job " : "", PM_SLICE_ARG(job),
             row->job >= 0 && row->result >= 0 ? ", " : "", row->result >= 0 ? "result " : "",
             PM_SLICE_ARG(result.path));
}

struct pm_view_row pm_view_pair_row(const struct pm_dump *dump, const struct pm_pair *pair)
{
    struct {
        struct pm_hash128 result, job;
        uint64_t roles;
        int64_t at[PM_ROLE_COUNT];
    } bytes = {.roles = pair->roles};
    if (pair->result < dump->n_results) bytes.result = dump->results[pair->result];
    if (pair->job < dump->n_jobs) bytes.job = dump->jobs[pair->job];
    for (unsigned left = pair->roles; left; left &= left - 1)
        bytes.at[__builtin_ctz(left)] = pair->at[__builtin_ctz(left)];
    return (struct pm_view_row){
        .content = pm_view_hash(pm_slice(&bytes, sizeof bytes)), .result = (int64_t)pair->result, .job = pair->job};
}
