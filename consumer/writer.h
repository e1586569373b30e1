/* writer.h: the index as its one writer holds it: the environment, the lock that keeps a second writer out, and what is
 * kept in memory. All that is in memory follows from what is committed: after an aborted transaction it is read again
 * (pm_writer_reload).
 *
 *     closed --open--> ready --pm_apply, committed--> ready
 *                        \--pm_apply, failed--> stale --pm_writer_reload--> ready
 */
#ifndef PM_CONSUMER_WRITER_H
#define PM_CONSUMER_WRITER_H

#include "common/store/snapshot.h"
#include "consumer/batch.h"
#include "consumer/table.h"

struct pm_writer {
    struct pm_kv *kv;
    int lock_fd;
    struct pm_tables tables;
    struct pm_meta_state state;
    struct pm_table *table;
    struct pm_runs runs[PM_RUN_KIND_COUNT];
    bool stale;
    uint64_t batches;      /* applied */
    struct pm_arena arena; /* of one slow operation */
    struct pm_apply_scratch *scratch;
};

/* Opens the index in `dir` for writing, making it when there is none: then it remembers the log by `log_url` and
 * `log_identity`. PM_EINDEX: another process writes to it (its pid is named), it is of another log (both are named), or
 * made with --until (unless `until_us` says the same). */
int pm_writer_open(const char *dir, const char *log_url, const char *log_identity, int64_t until_us,
                   struct pm_writer **ret, struct pm_error *err) PM_MUST_CHECK;
int pm_writer_reload(struct pm_writer *writer, struct pm_error *err) PM_MUST_CHECK;
void pm_writer_close(struct pm_writer *writer);

/* The names of the index, read for the thread that prepares; the caller frees them. */
int pm_writer_names(struct pm_writer *writer, struct pm_names **ret, struct pm_error *err) PM_MUST_CHECK;

/* Where the partitions stand, as committed. */
int pm_writer_offset(struct pm_writer *writer, int32_t partition, bool *ret_found, struct pm_offset_row *ret,
                     struct pm_error *err) PM_MUST_CHECK;

/* Applies the batch in one transaction with its offsets (I1) and commits. On failure nothing of it is in the index and
 * the writer is stale. `headroom`: of the map, bytes; 0: by the batch. */
int pm_apply(struct pm_writer *writer, const struct pm_batch *batch, uint64_t headroom,
             struct pm_error *err) PM_MUST_CHECK;

/* Merges some more when there is nothing else to do; *ret_done: nothing is left to merge. */
int pm_apply_idle(struct pm_writer *writer, bool *ret_done, struct pm_error *err) PM_MUST_CHECK;

/* Makes `dir` and what is missing above it (0700). */
int pm_writer_make_directories(const char *dir, struct pm_error *err) PM_MUST_CHECK;
/* Locks `dir` for one writer. The lock ends with the fd, or with the process. */
int pm_writer_lock(const char *dir, int *ret_fd, struct pm_error *err) PM_MUST_CHECK;

#endif
