/* log_memory.h: the script of a memory log, for tests and simulation: what a real log does once a year, on demand and
 * the same every time.
 *
 * A memory log lives under a NAME in this process from pm_log_memory_make (or the first `memory:NAME` opened for
 * appending) to pm_log_memory_forget; handles that are open then keep it until they close. Any thread may script; all
 * calls take the log's one lock. An unknown NAME fails a PM_CHECK: a test's own mistake. */
#ifndef PM_LOG_LOG_MEMORY_H
#define PM_LOG_LOG_MEMORY_H

#include "common/log/log.h"

void pm_log_memory_make(const char *name, int n_partitions); /* anew, with a new identity, when there is one already */
void pm_log_memory_forget(const char *name);                 /* none there: fine */

/* Appends at `offset` (-1: the next one) whatever stands there already: a smaller offset is a re-delivery, a larger one
 * leaves a gap that nobody receives. A NULL value.ptr is a null value. Bytes are copied. */
void pm_log_memory_append(const char *name, int32_t partition, int64_t offset, int64_t timestamp_ms,
                          struct pm_slice key, struct pm_slice value, struct pm_slice origin);
/* The end of the partition moves to `next` without a record, as a transaction marker does. */
void pm_log_memory_set_next(const char *name, int32_t partition, int64_t next);
/* Offsets below `first` are gone, as after retention. */
void pm_log_memory_truncate(const char *name, int32_t partition, int64_t first);
/* Readers see only the first `n` of what was appended to the partition (re-deliveries count), as with a late commit;
 * SIZE_MAX: everything. */
void pm_log_memory_show(const char *name, int32_t partition, size_t n);

/* In which order poll takes from partitions that have records. */
enum pm_log_memory_order {
    PM_LOG_MEMORY_IN_TURN,   /* one record from each, again and again (the default) */
    PM_LOG_MEMORY_ONE_FIRST, /* the lowest partition wholly, then the next */
    PM_LOG_MEMORY_LAST_FIRST,
    PM_LOG_MEMORY_RANDOM, /* by `seed`, the same every time */
};
void pm_log_memory_set_order(const char *name, enum pm_log_memory_order order, uint64_t seed);

/* The reader that comes to `offset` gets this fault instead, once; the partition must be sought anew. */
void pm_log_memory_fault(const char *name, int32_t partition, int64_t offset, enum pm_code code, const char *text);
/* After `after` more calls that work, one call fails. */
enum pm_log_memory_call {
    PM_LOG_MEMORY_POLL,
    PM_LOG_MEMORY_APPEND,
    PM_LOG_MEMORY_FLUSH,
    PM_LOG_MEMORY_OFFSETS,
    PM_LOG_MEMORY_SEEK,
    PM_LOG_MEMORY_CALLS
};
void pm_log_memory_fail(const char *name, enum pm_log_memory_call call, int after, enum pm_code code, const char *text);

#endif
