/* log.h: the log's contract: ordered records in partitions, appended for ever. Three implementations: Kafka
 * (log_kafka.c), local (log_local.c, LMDB through common/store/kv.h), memory (log_memory.c, scripted, for tests). One
 * suite, tests/contract, runs against all.
 *
 * A handle belongs to one thread, except that batches may be released from another thread. URLs:
 *   kafka://host:port[,host:port...]/TOPIC    local:DIR    memory:NAME (tests only; same NAME in one process = same
 * log)
 */
#ifndef PM_LOG_LOG_H
#define PM_LOG_LOG_H

#include "common/base/error.h"
#include "common/base/slice.h"

#define PM_LOG_PARTITIONS_MAX 1024
#define PM_LOG_RECORD_BYTES_MAX (1024 * 1024 + 4096) /* an event and its framing and key */
#define PM_LOG_ORIGIN_BYTES_MAX 255
#define PM_LOG_ORIGIN_HEADER "provmat" /* the Kafka header that holds the origin */

struct pm_log;

struct pm_log_property { /* one -X name=value; unprefixed names go to librdkafka untouched */
    const char *name, *value;
};

enum pm_log_mode { PM_LOG_READ, PM_LOG_APPEND, PM_LOG_ADMIN };

struct pm_log_options {
    enum pm_log_mode mode;
    const struct pm_log_property *properties; /* ignored by local and memory */
    size_t n_properties;
    /* How long open, offsets and settings may wait for a broker; 0: 10,000. Append and flush wait so long since the
     * last acknowledgement, but for timeouts of 10,000 to 30,000 (and 0): 30,000, which outlasts the restart of a
     * killed broker. */
    int timeout_ms;
    /* Values that are appended stay where they are, and as they are, until they are acknowledged or the log is closed:
     * they need not be copied. */
    bool values_stay;
    /* Diagnostics of the client library (connection lost, retried ...), from the handle's own calls; NULL: dropped. */
    void (*diag)(void *arg, int level, const char *text);
    void *diag_arg;
};

/* A record as read. Slices end with pm_log_batch_release. */
struct pm_log_record {
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; /* -1: none */
    struct pm_slice key;
    struct pm_slice value;  /* ptr NULL: a null value (tombstone) */
    struct pm_slice origin; /* what was appended beside it (common/event/origin.h); empty: nothing */
};

/* What happened to a partition instead of records: it delivers nothing more until it is sought anew. */
struct pm_log_fault {
    int32_t partition;     /* -1: the whole log */
    bool moved;            /* the offset that was wanted was not there: the log was cut or made anew */
    struct pm_error error; /* e.g. PM_ELOG "offset 17 is out of range: the log holds 40..90 ..." */
};

struct pm_log_batch {
    struct pm_log_record *records; /* in offset order within a partition */
    size_t n_records;
    size_t bytes; /* keys + values */
    struct pm_log_fault *faults;
    size_t n_faults;
    void *owner; /* the implementation's */
};

/* Opens an existing log. READ of a local log that does not exist: PM_ENOTFOUND naming it; APPEND makes a local log with
 * one partition. A Kafka topic that does not exist: PM_ELOG naming `provmat log create` as the next step. A broker that
 * cannot be reached: PM_ELOGAWAY within timeout_ms. */
int pm_log_open(const char *url, const struct pm_log_options *options, struct pm_log **ret,
                struct pm_error *err) PM_MUST_CHECK;
/* What can be said of a URL without opening it: PM_EUSAGE when it is not one. */
int pm_log_check(const char *url, struct pm_error *err) PM_MUST_CHECK;
void pm_log_close(struct pm_log *log); /* no flush: what was not flushed may be lost. Every batch must have been
                                          released. NULL is fine */

/* Makes the log: a topic with cleanup.policy=delete, retention.ms=-1, retention.bytes=-1, or a local directory. PM_ELOG
 * when it exists already (the text says so). n_partitions 0: 1 for local, the broker's default (num.partitions) for
 * Kafka. */
int pm_log_create(const char *url, const struct pm_log_options *options, int n_partitions,
                  struct pm_error *err) PM_MUST_CHECK;

/* ---- appending ---- */
/* Hands one record over; may block while the queue is full, never for an acknowledgement. key and value are copied. The
 * partition follows from the key (Kafka: murmur2_random as Java's client; local: crc32c mod partitions). */
int pm_log_append(struct pm_log *log, struct pm_slice key, struct pm_slice value, int64_t timestamp_ms,
                  struct pm_error *err) PM_MUST_CHECK;
/* The same with up to PM_LOG_ORIGIN_BYTES_MAX bytes beside the record, which a reader finds as its `origin`. They are
 * no part of the record: its limits, its key's partition and its value are as without them. */
int pm_log_append_from(struct pm_log *log, struct pm_slice key, struct pm_slice value, int64_t timestamp_ms,
                       struct pm_slice origin, struct pm_error *err) PM_MUST_CHECK;
/* Waits until every record handed over is acknowledged (Kafka: acks=all; local: committed and synced). On failure the
 * text says how many are not. */
int pm_log_flush(struct pm_log *log, struct pm_error *err) PM_MUST_CHECK;
/* A log that streams acknowledges what was appended while more is, so it is kept busy by appending one group of records
 * before the last one is awaited. A mark begins the next group: what was appended before the mark before must be
 * acknowledged by then. pm_log_await waits for what was appended before the last mark, and fails as pm_log_flush does.
 */
bool pm_log_streams(const struct pm_log *log); /* else mark and await must not be called */
void pm_log_mark(struct pm_log *log);
int pm_log_await(struct pm_log *log, struct pm_error *err) PM_MUST_CHECK;
uint64_t pm_log_acknowledged(const struct pm_log *log); /* records, over the life of the handle */

/* ---- reading ---- */
int pm_log_partitions(struct pm_log *log, int32_t *ret_count, struct pm_error *err) PM_MUST_CHECK;
/* First offset kept and the next one to be written (read_committed's end). */
int pm_log_offsets(struct pm_log *log, int32_t partition, int64_t *ret_first, int64_t *ret_next,
                   struct pm_error *err) PM_MUST_CHECK;
/* Starts delivering a partition from `offset` (all others unchanged; a partition never sought delivers nothing). */
int pm_log_seek(struct pm_log *log, int32_t partition, int64_t offset, struct pm_error *err) PM_MUST_CHECK;
/* Waits up to timeout_ms for a first record, then takes what else is there, up to n_max records or bytes_max bytes (at
 * least one record). PM_OK with zero records and zero faults when nothing came. Records of different partitions are
 * mixed. Batches may be released in any order, from any one other thread. */
int pm_log_poll(struct pm_log *log, size_t n_max, size_t bytes_max, int timeout_ms, struct pm_log_batch *ret,
                struct pm_error *err) PM_MUST_CHECK;
void pm_log_batch_release(struct pm_log_batch *batch);
/* The next offset that poll will deliver for the partition, counting what nobody receives (transaction markers,
 * compacted records): "at the end" is pm_log_position >= the end captured at the start. -1 when the partition was never
 * sought. */
int64_t pm_log_position(const struct pm_log *log, int32_t partition);

/* How often the log may have become another one behind the handle, as this partition saw it: a connection was lost, the
 * topic was said to be gone, records came after a pause in which it could have been made anew. When the number grew
 * with a poll, a reader reads again what it took last before it takes what the poll gave. Local and memory: 0. */
uint64_t pm_log_breaks(const struct pm_log *log, int32_t partition);

/* ---- about ---- */
/* What tells this log from any other: "local:UUID" or "kafka:CLUSTER_ID/TOPIC". Ends with the handle. */
const char *pm_log_identity(const struct pm_log *log);
const char *pm_log_url(const struct pm_log *log); /* as remembered by an index: a local directory made absolute */
/* Settings for `log info`, one call a setting: name, value, and a warning (NULL when fine) where replay would lose
 * history. */
int pm_log_settings(struct pm_log *log,
                    void (*each)(void *arg, const char *name, const char *value, const char *warning), void *arg,
                    struct pm_error *err) PM_MUST_CHECK;

/* Looks for damage that reading may not meet: all of a local log's file, page by page. PM_ECORRUPT. What a broker
 * keeps, it checks itself. */
int pm_log_check_storage(struct pm_log *log, struct pm_error *err) PM_MUST_CHECK;

/* ---- librdkafka's own ---- */
const char *pm_log_client_version(void); /* "librdkafka 2.0.2" */
/* Every property librdkafka knows, by name, also those that have no value: -X list. A name ends with its call. */
void pm_log_client_names(void (*each)(void *arg, const char *name), void *arg);
bool pm_log_client_secret(const char *name); /* its value must not be shown */
/* Calls each() with every property that has a value and its value under `properties` (secrets masked as "********"): -X
 * dump. */
void pm_log_client_properties(const struct pm_log_property *properties, size_t n,
                              void (*each)(void *arg, const char *name, const char *value), void *arg);
/* PM_EUSAGE when librdkafka refuses a name or value. */
int pm_log_client_check(const struct pm_log_property *properties, size_t n, struct pm_error *err) PM_MUST_CHECK;

#endif
