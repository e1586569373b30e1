/* jobs.c: the view of jobs: counts, status, times, the values of its events, what its submissions say. */
#include "common/base/check.h"
#include "common/base/json.h"
#include "consumer/views/views.h"

static int take_job(struct pm_dump *dump, uint32_t number, struct pm_arena *arena, struct pm_buf *text,
                    struct pm_view_row *ret, struct pm_error *err)
{
    struct pm_job job;
    pm_arena_reset(arena);
    pm_buf_clear(text);
    PM_TRY(pm_job_get(dump->snap, number, arena, &job, err));
    job.facts.job_id = job.job_id;
    /* what a submission has and a job has not */
    job.facts.event_id = pm_slice("", 0);
    job.facts.occurred_at = 0;
    job.facts.has |= PM_HAS(job_id) | PM_HAS(occurred_at) | PM_HAS(event_id);
    job.facts.has &= ~PM_HAS(worker);
    pm_event_to_json(&job.facts, pm_slice("", 0), text);
    pm_buf_printf(text, "|%d|%lld|%lld|%llu|%llu|%llu|%llu|%llu|%u", job.status, (long long)job.first_at,
                  (long long)job.last_at, (unsigned long long)job.computed, (unsigned long long)job.reused,
                  (unsigned long long)job.failed, (unsigned long long)job.expected, (unsigned long long)job.missing,
                  job.conflicts);
    for (size_t i = 0; i < job.n_bundle_digests; i++) pm_json_put_string(text, job.bundle_digests[i]);
    pm_buf_byte(text, '|');
    for (size_t i = 0; i < job.n_targets; i++) pm_json_put_string(text, job.targets[i]);
    *ret = (struct pm_view_row){.content = pm_view_hash(pm_buf_slice(text)), .result = -1, .job = number};
    return PM_OK;
}

int pm_view_jobs(struct pm_dump *dump, pm_view_each each, void *arg, struct pm_error *err)
{
    PM_CLEANUP(pm_arena_release) struct pm_arena arena = {0};
    PM_CLEANUP(pm_buf_release) struct pm_buf text = {0};
    for (uint32_t number = 0; number < dump->n_jobs; number++) {
        struct pm_view_row row;
        PM_TRY(take_job(dump, number, &arena, &text, &row, err));
        PM_TRY(each(arg, &row, err));
    }
    return PM_OK;
}
