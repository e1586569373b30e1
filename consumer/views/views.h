/* views.h: the views of the index, each with a dump of its logical rows: over names, times and values, never over an
 * index's own numbers. Two indexes of one set of events dump the same rows, in whatever order; that is what verify
 * compares. One file a view, one table (views.c). */
#ifndef PM_CONSUMER_VIEWS_H
#define PM_CONSUMER_VIEWS_H

#include "common/base/hash.h"
#include "common/store/snapshot.h"

struct pm_view_row {
    struct pm_hash128 content; /* all that the row says, with what it is about */
    int64_t result, job;       /* numbers, to name the row by; -1: none; both -1: of `producer` */
    uint64_t producer;
};
typedef int (*pm_view_each)(void *arg, const struct pm_view_row *row, struct pm_error *err);

/* What the dumps of one index share: hashes of names, so that a row is hashed without fetching its texts. */
struct pm_dump {
    struct pm_snapshot *snap;
    struct pm_hash128 *results; /* by number: hash of the path; zero: no such result */
    struct pm_hash128 *jobs;    /* by number: hash of the job id */
    uint64_t n_results;
    uint32_t n_jobs;
    uint64_t found; /* results */
};
int pm_dump_open(struct pm_snapshot *snap, struct pm_dump *ret, struct pm_error *err) PM_MUST_CHECK;
void pm_dump_release(struct pm_dump *dump);
/* "JOB PATH" of a row, for a message. */
void pm_dump_name(struct pm_dump *dump, const struct pm_view_row *row, char *out, size_t size);

struct pm_view {
    const char *name;
    uint32_t version;
    int (*dump)(struct pm_dump *dump, pm_view_each each, void *arg, struct pm_error *err);
};
#define PM_VIEW_COUNT 6
extern const struct pm_view pm_views[PM_VIEW_COUNT];

int pm_view_results(struct pm_dump *dump, pm_view_each each, void *arg, struct pm_error *err) PM_MUST_CHECK;
int pm_view_job_results(struct pm_dump *dump, pm_view_each each, void *arg, struct pm_error *err) PM_MUST_CHECK;
int pm_view_result_jobs(struct pm_dump *dump, pm_view_each each, void *arg, struct pm_error *err) PM_MUST_CHECK;
int pm_view_jobs(struct pm_dump *dump, pm_view_each each, void *arg, struct pm_error *err) PM_MUST_CHECK;
int pm_view_producers(struct pm_dump *dump, pm_view_each each, void *arg, struct pm_error *err) PM_MUST_CHECK;
int pm_view_conflicts(struct pm_dump *dump, pm_view_each each, void *arg, struct pm_error *err) PM_MUST_CHECK;

/* A row of either view of pairs. */
struct pm_view_row pm_view_pair_row(const struct pm_dump *dump, const struct pm_pair *pair);
struct pm_hash128 pm_view_hash(struct pm_slice bytes);

#endif
