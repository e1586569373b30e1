/* apply.h: what the files of the writer share. One batch is applied in passes over its operations:
 *
 *   apply_results.c   path -> result (table, new records), facts (what is new goes to side facts or a new record)
 *   apply_jobs.c      job by job: pairs, counts, status, submissions
 *   apply_producers.c which numbers of which producers have arrived
 *   apply.c           the batch's new entries as sorted runs, merges, quarantine, offsets, counters, commit
 *
 * All in one transaction (I1); nothing but the batch and the index decides what is written (I2). */
#ifndef PM_CONSUMER_APPLY_H
#define PM_CONSUMER_APPLY_H

#include "common/store/facts.h"
#include "common/store/record_block.h"
#include "consumer/writer.h"

struct pm_new_result { /* -> dictionary */
    struct pm_hash128 hash;
    uint64_t result;
};
struct pm_new_role { /* -> result_jobs: a role of a pair that the result's record does not stand for */
    uint64_t result;
    uint32_t job;
    uint8_t role;
    int64_t at;
};
struct pm_new_move { /* -> moves */
    uint64_t result, record;
};

struct pm_apply_scratch { /* memory that lives from batch to batch */
    struct pm_new_result *results;
    size_t n_results, results_room;
    struct pm_new_role *roles;
    size_t n_roles, roles_room;
    struct pm_new_move *moves;
    size_t n_moves, moves_room;
    struct pm_buf bytes, entries;
    struct pm_sort_item *items, *items2; /* sort.h */
    size_t items_room;
    struct pm_record_block block; /* new records, until they are written */
    struct pm_job_scratch *job;
};
struct pm_apply_scratch *pm_apply_scratch_new(void);
void pm_apply_scratch_forget(struct pm_apply_scratch *scratch); /* what it knows of the index: after an abort */
void pm_apply_scratch_free(struct pm_apply_scratch *scratch);

/* One application under way. */
struct pm_application {
    struct pm_writer *w;
    struct pm_kv_txn *txn;
    const struct pm_batch *batch;
    struct pm_apply_scratch *s;
};
static inline struct pm_slice pm_op_bytes(const struct pm_application *a, const struct pm_op *op)
{
    return pm_slice(a->batch->bytes.ptr + op->bytes_at, op->bytes_len);
}
void pm_application_role(struct pm_application *a, uint64_t result, uint32_t job, enum pm_role role,
                         int64_t at); /* adds to roles */

/* apply_results.c: sets op->result and op->own of every operation on a result. */
int pm_apply_results(struct pm_application *a, struct pm_error *err) PM_MUST_CHECK;
/* facts.c: an event's record meets a result that is there already and may say something new. *ret_own: the result's
 * record now stands for the event. */
int pm_apply_facts(struct pm_application *a, struct pm_op *op, struct pm_row *row, bool *ret_own,
                   struct pm_error *err) PM_MUST_CHECK;
/* A Deleted event. */
int pm_apply_deleted(struct pm_application *a, const struct pm_op *op, struct pm_row *row,
                     struct pm_error *err) PM_MUST_CHECK;
/* Reads the primary record of a row that was not read since start. */
int pm_apply_load_row(struct pm_application *a, struct pm_row *row, struct pm_error *err) PM_MUST_CHECK;

/* apply_producers.c: the batch's arrivals join those that the index has. */
int pm_apply_producers(struct pm_application *a, struct pm_error *err) PM_MUST_CHECK;

/* apply_jobs.c */
int pm_apply_jobs(struct pm_application *a, struct pm_error *err) PM_MUST_CHECK;
struct pm_job_scratch *pm_job_scratch_new(void);
void pm_job_scratch_forget(struct pm_job_scratch *scratch); /* what it knows of the index */
void pm_job_scratch_free(struct pm_job_scratch *scratch);

#endif
