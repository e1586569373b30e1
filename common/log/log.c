/* log.c: from a URL to an implementation, and what is the same for all of them: defaults, checks of arguments, batches.
 * Thread rule as in log.h. */
#include "common/log/log_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"

static const struct pm_log_ops *const implementations[] = {&pm_log_kafka_ops, &pm_log_local_ops, &pm_log_memory_ops};

static int find(const char *url, const struct pm_log_ops **ret, const char **ret_rest, struct pm_error *err)
{
    for (size_t i = 0; i < sizeof implementations / sizeof *implementations; i++) {
        size_t n = strlen(implementations[i]->scheme);
        if (strncmp(url, implementations[i]->scheme, n) != 0) continue;
        *ret = implementations[i];
        *ret_rest = url + n;
        return PM_OK;
    }
    return pm_error_set(err, PM_EUSAGE,
                        "\"%s\" is not a log: it is written kafka://HOST:PORT[,HOST:PORT...]/TOPIC or local:DIR", url);
}

static struct pm_log_options with_defaults(const struct pm_log_options *options)
{
    struct pm_log_options o = options ? *options : (struct pm_log_options){.mode = PM_LOG_READ};
    if (o.timeout_ms <= 0) o.timeout_ms = PM_LOG_TIMEOUT_MS_DEFAULT;
    return o;
}

/* Whatever keeps a log from being read or written is the log's error to whoever uses it: a full disk under the log and
 * one under the index end the program differently. */
static int of_log(int rc, struct pm_error *err)
{
    if (rc != PM_EIO && rc != PM_EMAPFULL) return rc;
    if (err) err->code = PM_ELOG;
    return PM_ELOG;
}

int pm_log_open(const char *url, const struct pm_log_options *options, struct pm_log **ret, struct pm_error *err)
{
    const struct pm_log_ops *ops;
    const char *rest;
    PM_TRY(find(url, &ops, &rest, err));
    struct pm_log_options o = with_defaults(options);
    struct pm_log *log;
    PM_TRY(of_log(ops->open(rest, &o, &log, err), err));
    log->ops = ops;
    log->mode = o.mode;
    *ret = log;
    return PM_OK;
}

int pm_log_check(const char *url, struct pm_error *err)
{
    const struct pm_log_ops *ops;
    const char *rest;
    PM_TRY(find(url, &ops, &rest, err));
    return ops->check ? ops->check(rest, err) : PM_OK;
}

void pm_log_close(struct pm_log *log)
{
    if (!log) return;
    PM_CHECK(atomic_load(&log->batches) == 0); /* their slices would end under the reader */
    char *url = log->url, *identity = log->identity;
    log->ops->close(log);
    free(url);
    free(identity);
}

int pm_log_create(const char *url, const struct pm_log_options *options, int n_partitions, struct pm_error *err)
{
    const struct pm_log_ops *ops;
    const char *rest;
    PM_TRY(find(url, &ops, &rest, err));
    if (n_partitions < 0 || n_partitions > PM_LOG_PARTITIONS_MAX)
        return pm_error_set(err, PM_EUSAGE, "%d partitions: a log has 1 to %d", n_partitions, PM_LOG_PARTITIONS_MAX);
    struct pm_log_options o = with_defaults(options);
    return of_log(ops->create(rest, &o, n_partitions, err), err);
}

int pm_log_append(struct pm_log *log, struct pm_slice key, struct pm_slice value, int64_t timestamp_ms,
                  struct pm_error *err)
{
    return pm_log_append_from(log, key, value, timestamp_ms, pm_slice(NULL, 0), err);
}

int pm_log_append_from(struct pm_log *log, struct pm_slice key, struct pm_slice value, int64_t timestamp_ms,
                       struct pm_slice origin, struct pm_error *err)
{
    PM_CHECK(log->mode == PM_LOG_APPEND && origin.len <= PM_LOG_ORIGIN_BYTES_MAX);
    if (key.len + value.len > PM_LOG_RECORD_BYTES_MAX)
        return pm_error_set(err, PM_ELIMIT, "record of %zu bytes: a record holds at most %d", key.len + value.len,
                            PM_LOG_RECORD_BYTES_MAX);
    return of_log(log->ops->append(log, key, value, timestamp_ms, origin, err), err);
}

int pm_log_flush(struct pm_log *log, struct pm_error *err)
{
    PM_CHECK(log->mode == PM_LOG_APPEND);
    return of_log(log->ops->flush(log, err), err);
}

bool pm_log_streams(const struct pm_log *log) { return log->ops->await != NULL; }
void pm_log_mark(struct pm_log *log) { log->ops->mark(log); }
int pm_log_await(struct pm_log *log, struct pm_error *err) { return of_log(log->ops->await(log, err), err); }

uint64_t pm_log_acknowledged(const struct pm_log *log) { return log->acknowledged; }

int pm_log_partitions(struct pm_log *log, int32_t *ret_count, struct pm_error *err)
{
    return of_log(log->ops->partitions(log, ret_count, err), err);
}

int pm_log_offsets(struct pm_log *log, int32_t partition, int64_t *ret_first, int64_t *ret_next, struct pm_error *err)
{
    return of_log(log->ops->offsets(log, partition, ret_first, ret_next, err), err);
}

int pm_log_seek(struct pm_log *log, int32_t partition, int64_t offset, struct pm_error *err)
{
    PM_CHECK(log->mode == PM_LOG_READ);
    if (offset < 0) return pm_error_set(err, PM_EUSAGE, "offset %" PRId64 ": offsets start at 0", offset);
    return log->ops->seek(log, partition, offset, err);
}

int pm_log_poll(struct pm_log *log, size_t n_max, size_t bytes_max, int timeout_ms, struct pm_log_batch *ret,
                struct pm_error *err)
{
    PM_CHECK(log->mode == PM_LOG_READ && n_max > 0);
    return of_log(log->ops->poll(log, n_max, bytes_max, timeout_ms, ret, err), err);
}

int64_t pm_log_position(const struct pm_log *log, int32_t partition) { return log->ops->position(log, partition); }

uint64_t pm_log_breaks(const struct pm_log *log, int32_t partition)
{
    return log->ops->breaks ? log->ops->breaks(log, partition) : 0;
}

const char *pm_log_identity(const struct pm_log *log) { return log->identity; }
const char *pm_log_url(const struct pm_log *log) { return log->url; }

int pm_log_check_storage(struct pm_log *log, struct pm_error *err)
{
    return log->ops->check_storage ? log->ops->check_storage(log, err) : PM_OK;
}

int pm_log_settings(struct pm_log *log,
                    void (*each)(void *arg, const char *name, const char *value, const char *warning), void *arg,
                    struct pm_error *err)
{
    return log->ops->settings(log, each, arg, err);
}

/* ---- batches ---- */

void pm_log_batch_release(struct pm_log_batch *batch)
{
    struct pm_log_batch_owner *owner = batch->owner;
    *batch = (struct pm_log_batch){0};
    if (!owner) return;
    struct pm_log *log = owner->log;
    owner->release(owner);
    atomic_fetch_sub(&log->batches, 1);
}

void pm_log_batch_add(struct pm_log_batch_owner *owner, const struct pm_log_record *record)
{
    if (owner->n_records == owner->records_cap) {
        owner->records_cap = owner->records_cap ? 2 * owner->records_cap : 256;
        owner->records = pm_realloc(owner->records, owner->records_cap * sizeof *owner->records);
    }
    owner->records[owner->n_records++] = *record;
    owner->bytes += record->key.len + record->value.len;
}

struct pm_log_fault *pm_log_batch_fault(struct pm_log_batch_owner *owner, int32_t partition)
{
    owner->faults = pm_realloc(owner->faults, (owner->n_faults + 1) * sizeof *owner->faults);
    struct pm_log_fault *fault = &owner->faults[owner->n_faults++];
    *fault = (struct pm_log_fault){.partition = partition};
    return fault;
}

void pm_log_batch_give(struct pm_log_batch_owner *owner, struct pm_log_batch *ret)
{
    atomic_fetch_add(&owner->log->batches, 1);
    *ret = (struct pm_log_batch){.records = owner->records,
                                 .n_records = owner->n_records,
                                 .bytes = owner->bytes,
                                 .faults = owner->faults,
                                 .n_faults = owner->n_faults,
                                 .owner = owner};
}

void pm_log_batch_lists_free(struct pm_log_batch_owner *owner)
{
    free(owner->records);
    free(owner->faults);
}

int pm_log_out_of_range(struct pm_error *err, int32_t partition, int64_t wanted, int64_t first, int64_t next)
{
    char held[96];
    if (first < next) snprintf(held, sizeof held, "holds offsets %" PRId64 "..%" PRId64, first, next - 1);
    else snprintf(held, sizeof held, "holds no record (its next offset is %" PRId64 ")", next);
    if (wanted < first)
        return pm_error_set(err, PM_ELOG,
                            "partition %" PRId32 ": offset %" PRId64 " is out of range: the log %s; records %" PRId64
                            "..%" PRId64
                            " are gone: restore them, or run \"provmat rebuild\" to make an index from what is left",
                            partition, wanted, held, wanted, first - 1);
    return pm_error_set(err, PM_ELOG,
                        "partition %" PRId32 ": offset %" PRId64
                        " is out of range: the log %s; it was cut or made anew: see \"provmat log info\", "
                        "then run \"provmat rebuild\" to make an index from this log",
                        partition, wanted, held);
}
