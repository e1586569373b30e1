/* job.h: what the readers and the writer of jobs share. */
#ifndef PM_STORE_JOB_H
#define PM_STORE_JOB_H

#include "common/store/layout.h"

/* The row of a job; a job without one gets the row of no events. */
int pm_job_row_get(struct pm_kv_txn *txn, const struct pm_tables *tables, uint32_t job, struct pm_job_row *ret,
                   struct pm_error *err) PM_MUST_CHECK;

/* A job's JobSubmitted events, the earliest first; copied to the arena. */
int pm_job_submissions(struct pm_kv_txn *txn, const struct pm_tables *tables, uint32_t job, struct pm_arena *arena,
                       struct pm_event **ret, size_t *ret_count, struct pm_error *err) PM_MUST_CHECK;
#define PM_JOB_SUBMISSION_KEY_BYTES (4 + 8 + PM_EVENT_ID_BYTES + 8)
struct pm_slice pm_job_submission_key(uint32_t job, int64_t at, const uint8_t event_id[PM_EVENT_ID_BYTES],
                                      uint64_t hash, uint8_t key[PM_JOB_SUBMISSION_KEY_BYTES]);

/* Fields in which the submissions differ. */
uint32_t pm_job_count_conflicts(const struct pm_event *submissions, size_t n, struct pm_arena *arena);

struct pm_conflict;
int pm_result_conflicts_each(struct pm_snapshot *snap,
                             int (*each)(void *arg, const struct pm_conflict *conflict, struct pm_error *err),
                             void *arg, struct pm_error *err) PM_MUST_CHECK;
int pm_job_conflicts_each(struct pm_snapshot *snap,
                          int (*each)(void *arg, const struct pm_conflict *conflict, struct pm_error *err), void *arg,
                          struct pm_error *err) PM_MUST_CHECK;

#endif
