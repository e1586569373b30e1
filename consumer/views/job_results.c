/* job_results.c: the view "job -> results": every pair, from the jobs' chunks. */
#include "consumer/views/views.h"

struct walk {
    struct pm_dump *dump;
    pm_view_each each;
    void *arg;
};

static int take_pair(void *arg, const struct pm_pair *pair, struct pm_error *err)
{
    const struct walk *walk = arg;
    struct pm_view_row row = pm_view_pair_row(walk->dump, pair);
    return walk->each(walk->arg, &row, err);
}

int pm_view_job_results(struct pm_dump *dump, pm_view_each each, void *arg, struct pm_error *err)
{
    struct walk walk = {dump, each, arg};
    for (uint32_t job = 0; job < dump->n_jobs; job++) PM_TRY(pm_pairs_of_job(dump->snap, job, take_pair, &walk, err));
    return PM_OK;
}
