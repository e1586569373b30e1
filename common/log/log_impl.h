/* log_impl.h: what an implementation of the log gives to log.c, and nobody else needs. Each implementation embeds
 * `struct pm_log` as its first member and fills it in its open; log.c does what is the same everywhere (finding the
 * implementation, defaults, checks of arguments) and frees url and identity. */
#ifndef PM_LOG_LOG_IMPL_H
#define PM_LOG_LOG_IMPL_H

#include <stdatomic.h>

#include "common/log/log.h"

#define PM_LOG_TIMEOUT_MS_DEFAULT 10000

struct pm_log_ops {
    const char *scheme; /* "local:"; what follows it in the URL goes to open and create */
    int (*check)(const char *url, struct pm_error *err); /* NULL: any is fine */
    int (*open)(const char *url, const struct pm_log_options *options, struct pm_log **ret, struct pm_error *err);
    int (*create)(const char *url, const struct pm_log_options *options, int n_partitions, struct pm_error *err);
    void (*close)(struct pm_log *log);
    int (*append)(struct pm_log *log, struct pm_slice key, struct pm_slice value, int64_t timestamp_ms,
                  struct pm_slice origin, struct pm_error *err);
    int (*flush)(struct pm_log *log, struct pm_error *err);
    void (*mark)(struct pm_log *log); /* NULL, and `await` too: it does not stream */
    int (*await)(struct pm_log *log, struct pm_error *err);
    int (*partitions)(struct pm_log *log, int32_t *ret_count, struct pm_error *err);
    int (*offsets)(struct pm_log *log, int32_t partition, int64_t *ret_first, int64_t *ret_next, struct pm_error *err);
    int (*seek)(struct pm_log *log, int32_t partition, int64_t offset, struct pm_error *err);
    int (*poll)(struct pm_log *log, size_t n_max, size_t bytes_max, int timeout_ms, struct pm_log_batch *ret,
                struct pm_error *err);
    int64_t (*position)(const struct pm_log *log, int32_t partition);
    uint64_t (*breaks)(const struct pm_log *log, int32_t partition); /* NULL: none, ever */
    int (*check_storage)(struct pm_log *log, struct pm_error *err);  /* NULL: there is nothing to look at */
    int (*settings)(struct pm_log *log,
                    void (*each)(void *arg, const char *name, const char *value, const char *warning), void *arg,
                    struct pm_error *err);
};

struct pm_log {
    const struct pm_log_ops *ops;
    enum pm_log_mode mode;
    char *url;      /* as an index remembers it */
    char *identity; /* both are freed by log.c after ops->close */
    uint64_t acknowledged;
    atomic_int batches; /* given out and not yet released */
};

/* A batch under construction and, as `batch.owner`, until it is released. Implementations embed it first. */
struct pm_log_batch_owner {
    struct pm_log *log;
    void (*release)(struct pm_log_batch_owner *owner); /* frees what the slices point into, then the owner itself */
    struct pm_log_record *records;
    size_t n_records, records_cap, bytes;
    struct pm_log_fault *faults;
    size_t n_faults;
};

/* Room for one more record; the caller fills it and adds to bytes itself through this call. */
void pm_log_batch_add(struct pm_log_batch_owner *owner, const struct pm_log_record *record);
struct pm_log_fault *pm_log_batch_fault(struct pm_log_batch_owner *owner,
                                        int32_t partition); /* its error is for the caller to set */
void pm_log_batch_give(struct pm_log_batch_owner *owner, struct pm_log_batch *ret); /* counts it as given out */
void pm_log_batch_lists_free(struct pm_log_batch_owner *owner);                     /* the two lists, for `release` */

static inline bool pm_log_batch_full(const struct pm_log_batch_owner *owner, size_t n_max, size_t bytes_max)
{
    return owner->n_records >= n_max || (owner->n_records > 0 && owner->bytes >= bytes_max);
}

/* The text is the same for every implementation: what was wanted, what the log holds, which commands resolve it (I6).
 */
int pm_log_out_of_range(struct pm_error *err, int32_t partition, int64_t wanted, int64_t first, int64_t next);

extern const struct pm_log_ops pm_log_kafka_ops, pm_log_local_ops, pm_log_memory_ops;

#endif
