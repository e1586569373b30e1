/* log_kafka.c: the log as a Kafka topic; the only file that includes librdkafka. What needs no library is in
 * log_kafka_conf.c.
 *
 * Up to two clients a handle: `ask` (metadata, watermarks, admin: a consumer that reads nothing, so that its questions
 * never wait behind a fetch) and either a reader (assign() with explicit offsets, one queue) or a producer.
 * librdkafka's own threads are never entered: errors, logs and delivery reports are queued and served from our calls,
 * on the caller's thread; names of hosts alone are looked up on theirs. One thread is ours: the waker
 * (log_kafka_waker.h), for libraries without fetch.queue.backoff.ms.
 *
 * A partition of a reader (log_kafka_places.h) is sought by kafka_seek and left by partition_fault (an error event:
 * offset out of range, a bad CRC). Its position follows messages and end-of-partition events; the latter pass what
 * nobody receives (transaction markers, aborted and compacted records). */
#include <inttypes.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-qualifiers" /* in newer versions of its header */
#include <librdkafka/rdkafka.h>
#pragma GCC diagnostic pop
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/check.h"
#include "common/base/fork.h"
#include "common/base/time.h"
#include "common/log/log_impl.h"
#include "common/log/log_kafka_conf.h"
#include "common/log/log_kafka_places.h"
#include "common/log/log_kafka_refusal.h"
#include "common/log/log_kafka_resolve.h"

#define NEAR 8                 /* messages ahead */
#define STASH_MAX 1024         /* messages taken from the library at once */
#define APPENDS_A_POLL 256     /* delivery reports are served this often */
#define WAKE_ASK_MS 1000       /* one question of the waker waits this long at most */
#define VERIFY_MS 3000         /* is the topic really gone? */
#define SILENCE_MS_LEAST 30000 /* a killed broker is back after some 10 s on a busy machine */

struct kafka_log {
    struct pm_log base;
    char *brokers, *topic;
    int timeout_ms, copies; /* RD_KAFKA_MSG_F_COPY, or 0 where values stay */
    int silence_ms;         /* so long append and flush go on without an acknowledgement */
    void (*diag)(void *arg, int level, const char *text);
    void *diag_arg;
    struct pm_kafka_reason reason;
    bool topic_suspect;       /* the library said that the topic may be gone */
    bool lost;                /* a partition was taken away, or forbidden, while it was read */
    rd_kafka_t *ask, *client; /* client: reader or producer, NULL for ADMIN */
    rd_kafka_topic_t *ask_topic, *client_topic;

    /* reading */
    rd_kafka_queue_t *queue;
    struct pm_kafka_places places;
    rd_kafka_message_t *stash[STASH_MAX];
    size_t stash_at, stash_n;
    int64_t stash_ms; /* when it was filled */
    uint64_t breaks;
    bool gone; /* the whole log is faulted */

    /* appending */
    uint64_t handed, failed;
    uint64_t open[2]; /* records of each group that are neither acknowledged nor failed */
    unsigned group;   /* of what is appended now */
    rd_kafka_resp_err_t failed_first;
    size_t failed_bytes;
    char fatal[512];
};

struct kafka_batch {
    struct pm_log_batch_owner owner;
    rd_kafka_message_t **messages;
    size_t n, cap;
};

static struct kafka_log *self(const struct pm_log *base) { return (struct kafka_log *)(uintptr_t)base; }

static int64_t now_ms(void) { return pm_time_monotonic_us() / 1000; }
static int left_ms(int64_t until) { return until > now_ms() ? (int)(until - now_ms()) : 0; }
static int at_most(int a, int b) { return a < b ? a : b; }

/* ---- errors and diagnostics ---- */

static bool is_away(rd_kafka_resp_err_t e) { return pm_kafka_error_is_away(rd_kafka_err2name(e)); }

static bool is_no_topic(rd_kafka_resp_err_t e)
{
    return e == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || e == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           e == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

static bool is_loss(rd_kafka_resp_err_t e)
{
    return e == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || e == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
}

/* The library's code becomes ours here, and nowhere else. */
static int translate(const struct kafka_log *log, rd_kafka_resp_err_t e, const char *what, struct pm_error *err)
{
    if (log->reason.refused) return pm_kafka_refused(&log->reason, log->brokers, err);
    if (is_no_topic(e)) return pm_kafka_no_topic(log->brokers, log->topic, err);
    if (is_away(e)) return pm_kafka_away(&log->reason, log->brokers, log->topic, what, rd_kafka_err2str(e), err);
    return pm_error_set(err, PM_ELOG, "cannot %s of topic \"%s\" on %s: %s%s", what, log->topic, log->brokers,
                        rd_kafka_err2str(e), pm_kafka_remedy(rd_kafka_err2name(e)));
}

static void diag(const struct kafka_log *log, int level, const char *text)
{
    if (log->diag) log->diag(log->diag_arg, level, text);
}

static void error_cb(rd_kafka_t *rk, int code, const char *text, void *opaque)
{
    struct kafka_log *log = opaque;
    rd_kafka_resp_err_t e = (rd_kafka_resp_err_t)code;
    if (e == RD_KAFKA_RESP_ERR__FATAL) {
        char fatal[400];
        e = rd_kafka_fatal_error(rk, fatal, sizeof fatal);
        snprintf(log->fatal, sizeof log->fatal, "%s: %s%s", rd_kafka_err2str(e), fatal,
                 pm_kafka_remedy(rd_kafka_err2name(e)));
    }
    if (is_no_topic(e)) log->topic_suspect = true;
    if (is_no_topic(e) || is_away(e)) log->breaks++;
    if (is_loss(e)) log->lost = true;
    if (e == RD_KAFKA_RESP_ERR__AUTHENTICATION) log->reason.refused = true;
    if (e == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && log->reason.text[0]) { /* it says no more than that */
        if (pm_kafka_reason_is_final(&log->reason)) log->reason.refused = true;
        return;
    }
    pm_kafka_reason_note(&log->reason, text);
    bool told_by_open = !log->base.identity && pm_kafka_reason_is_final(&log->reason);
    if (!told_by_open) diag(log, is_away(e) ? 4 : 3, text);
}

static void log_cb(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    /* Each client gets all properties; that some are for the other kind only is no news. Failed connections come
     * through error_cb too. */
    if (strcmp(facility, "CONFWARN") == 0 && strstr(text, "will be ignored by this")) return;
    if (strcmp(facility, "FAIL") == 0 && level < 7) {
        struct kafka_log *log = rd_kafka_opaque(rk);
        pm_kafka_reason_note(&log->reason, text); /* newer ones log what is no error to them */
        return;
    }
    diag(rd_kafka_opaque(rk), level, text);
}

static void delivery_cb(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    struct kafka_log *log = opaque;
    log->open[(uintptr_t)message->_private]--;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        log->base.acknowledged++;
        return;
    }
    if (log->failed++ > 0) return;
    log->failed_first = message->err;
    log->failed_bytes = message->len + message->key_len;
}

/* ---- clients ---- */

static int set_property(rd_kafka_conf_t *conf, const char *name, const char *value, struct pm_error *err)
{
    char text[512];
    switch (rd_kafka_conf_set(conf, name, value, text, sizeof text)) {
    case RD_KAFKA_CONF_OK: return PM_OK;
    case RD_KAFKA_CONF_UNKNOWN:
        return pm_error_set(err, PM_EUSAGE, "-X %s: librdkafka %s has no such property; \"-X list\" shows them all",
                            name, rd_kafka_version_str());
    default: return pm_error_set(err, PM_EUSAGE, "-X %s: librdkafka %s: %s", name, rd_kafka_version_str(), text);
    }
}

/* Ours first, then the user's, which win. */
static int set_properties(rd_kafka_conf_t *conf, int uses, const struct pm_log_property *properties, size_t n,
                          struct pm_error *err)
{
    char text[512];
    for (size_t i = 0; i < pm_kafka_n_defaults; i++) {
        const struct pm_kafka_default *d = &pm_kafka_defaults[i];
        if (!(d->uses & uses)) continue;
        rd_kafka_conf_res_t rc = rd_kafka_conf_set(conf, d->name, d->value, text, sizeof text);
        PM_CHECK(rc == RD_KAFKA_CONF_OK || d->optional);
    }
    for (size_t i = 0; i < n; i++) {
        if (pm_kafka_property_is_ours(properties[i].name)) continue;
        PM_TRY(pm_kafka_property_check(properties[i].name, properties[i].value, err));
        PM_TRY(set_property(conf, properties[i].name, properties[i].value, err));
    }
    return PM_OK;
}

static int client_new(struct kafka_log *log, const struct pm_log_options *options, int use, rd_kafka_t **ret,
                      struct pm_error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int rc = set_properties(conf, use, options->properties, options->n_properties, err);
    if (rc == PM_OK) rc = set_property(conf, "bootstrap.servers", log->brokers, err);
    if (rc == PM_OK) rc = set_property(conf, "log.queue", "true", err);
    char text[512] = "";
    rd_kafka_t *rk = NULL;
    if (rc == PM_OK) {
        rd_kafka_conf_set_opaque(conf, log);
        rd_kafka_conf_set_error_cb(conf, error_cb);
        rd_kafka_conf_set_log_cb(conf, log_cb);
        rd_kafka_conf_set_resolve_cb(conf, pm_kafka_resolve);
        if (use == PM_KAFKA_APPEND) rd_kafka_conf_set_dr_msg_cb(conf, delivery_cb);
        pm_fork_hold();
        rk = rd_kafka_new(use == PM_KAFKA_APPEND ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, text, sizeof text);
        pm_fork_release();
        if (!rk)
            rc = pm_error_set(err, PM_EUSAGE, "librdkafka %s refuses its configuration: %s%s", rd_kafka_version_str(),
                              text, pm_kafka_configuration_remedy(text));
    }
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        return rc;
    }
    rd_kafka_set_log_queue(rk, NULL);
    *ret = rk;
    return PM_OK;
}

static void *destroy_run(void *rk)
{
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); /* nothing to leave: no group was joined */
    return NULL;
}

static void client_destroy(rd_kafka_t *rk)
{
    if (!rk) return;
    pm_fork_hold();
    destroy_run(rk);
    pm_fork_release();
}

/* A reader whose topic was deleted or is forbidden now: librdkafka 2.0.2 never comes back from its end (2.15.1 does),
 * so nobody waits for it. No callback runs: nobody polls. */
static void client_abandon(rd_kafka_t *rk)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, destroy_run, rk) == 0) pthread_detach(thread);
}

/* ---- metadata ---- */

/* Asks until the topic's partitions are known, `until` has passed, or the answer is final. In slices, so that a refused
 * login ends it at once. */
static int ask_metadata(struct kafka_log *log, int64_t until, const struct rd_kafka_metadata **ret,
                        struct pm_error *err)
{
    for (int slice = 250;; slice *= 2) {
        const struct rd_kafka_metadata *metadata = NULL;
        rd_kafka_resp_err_t e = rd_kafka_metadata(log->ask, 0, log->ask_topic, &metadata,
                                                  at_most(slice, left_ms(until) + 1));
        rd_kafka_poll(log->ask, 0);
        if (e == RD_KAFKA_RESP_ERR_NO_ERROR) {
            e = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
            if (e == RD_KAFKA_RESP_ERR_NO_ERROR) {
                pm_kafka_reason_clear(&log->reason);
                *ret = metadata;
                return PM_OK;
            }
            rd_kafka_metadata_destroy(metadata);
            if (e == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION)
                return pm_error_set(err, PM_EUSAGE, "\"%s\" is not a topic's name", log->topic);
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        }
        if (log->reason.refused || !is_away(e) || left_ms(until) == 0)
            return translate(log, e, "ask for the partitions", err);
    }
}

static int kafka_partitions(struct pm_log *base, int32_t *ret_count, struct pm_error *err)
{
    struct kafka_log *log = self(base);
    const struct rd_kafka_metadata *metadata;
    PM_TRY(ask_metadata(log, now_ms() + log->timeout_ms, &metadata, err));
    int n = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    if (n > PM_LOG_PARTITIONS_MAX)
        return pm_error_set(err, PM_ELIMIT, "topic \"%s\" has %d partitions: a log has at most %d", log->topic, n,
                            PM_LOG_PARTITIONS_MAX);
    *ret_count = n;
    return PM_OK;
}

static int kafka_offsets(struct pm_log *base, int32_t partition, int64_t *ret_first, int64_t *ret_next,
                         struct pm_error *err)
{
    struct kafka_log *log = self(base);
    int64_t until = now_ms() + log->timeout_ms, first, next;
    for (;;) {
        rd_kafka_resp_err_t e = rd_kafka_query_watermark_offsets(log->ask, log->topic, partition, &first, &next,
                                                                 left_ms(until) + 1);
        rd_kafka_poll(log->ask, 0);
        if (e == RD_KAFKA_RESP_ERR_NO_ERROR) break;
        int32_t n;
        if (is_no_topic(e) && kafka_partitions(base, &n, err) == PM_OK && partition >= n)
            return pm_error_set(err, PM_ELOG, "partition %" PRId32 ": topic \"%s\" has %" PRId32 " partitions",
                                partition, log->topic, n);
        if (log->reason.refused || !is_away(e) || left_ms(until) == 0)
            return translate(log, e, "ask for the offsets", err);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    *ret_first = first;
    *ret_next = next;
    return PM_OK;
}

/* ---- open and close ---- */

static void kafka_close(struct pm_log *base);

static int fill_identity(struct kafka_log *log, int64_t until, struct pm_error *err)
{
    char *cluster = rd_kafka_clusterid(log->ask, left_ms(until) + 1);
    if (!cluster) return translate(log, RD_KAFKA_RESP_ERR__TIMED_OUT, "ask for the cluster's id", err);
    log->base.identity = pm_kafka_name("kafka:", cluster, log->topic);
    rd_kafka_mem_free(log->ask, cluster);
    return PM_OK;
}

/* The handle with its `ask` client; nothing has been asked yet. */
static int handle_new(const char *rest, const struct pm_log_options *options, struct kafka_log **ret,
                      struct pm_error *err)
{
    char *brokers, *topic;
    PM_TRY(pm_kafka_url_parse(rest, &brokers, &topic, err));
    struct kafka_log *log = pm_calloc(1, sizeof *log);
    log->brokers = brokers;
    log->topic = topic;
    log->timeout_ms = options->timeout_ms;
    log->copies = options->values_stay ? 0 : RD_KAFKA_MSG_F_COPY;
    bool as_asked = options->timeout_ms < PM_LOG_TIMEOUT_MS_DEFAULT || options->timeout_ms > SILENCE_MS_LEAST;
    log->silence_ms = as_asked ? options->timeout_ms : SILENCE_MS_LEAST;
    log->reason.scram_is_broken = pm_kafka_scram_is_broken(options->properties, options->n_properties,
                                                           rd_kafka_version());
    log->diag = options->diag;
    log->diag_arg = options->diag_arg;
    pm_kafka_waker_init(&log->places.waker);
    log->base.url = pm_kafka_name("kafka://", brokers, topic);
    int rc = client_new(log, options, PM_KAFKA_ASK, &log->ask, err);
    if (rc == PM_OK) {
        log->ask_topic = rd_kafka_topic_new(log->ask, topic, NULL);
        *ret = log;
        return PM_OK;
    }
    free(log->base.url);
    kafka_close(&log->base);
    return rc;
}

/* Frees what log.c would. */
static void handle_free(struct kafka_log *log)
{
    free(log->base.url);
    free(log->base.identity);
    kafka_close(&log->base);
}

static void reader_start(struct kafka_log *log);

static int open_client(struct kafka_log *log, const struct pm_log_options *options, struct pm_error *err)
{
    if (options->mode == PM_LOG_ADMIN) return PM_OK;
    if (options->mode == PM_LOG_APPEND) {
        PM_TRY(client_new(log, options, PM_KAFKA_APPEND, &log->client, err));
        log->client_topic = rd_kafka_topic_new(log->client, log->topic, NULL);
        return PM_OK;
    }
    PM_TRY(client_new(log, options, PM_KAFKA_READ, &log->client, err));
    reader_start(log);
    return PM_OK;
}

static int open_all(struct kafka_log *log, const struct pm_log_options *options, struct pm_error *err)
{
    int64_t until = now_ms() + log->timeout_ms;
    const struct rd_kafka_metadata *metadata = NULL;
    int rc = ask_metadata(log, until, &metadata, err);
    if (metadata) rd_kafka_metadata_destroy(metadata);
    if (rc == PM_OK) rc = fill_identity(log, until, err);
    return rc == PM_OK ? open_client(log, options, err) : rc;
}

/* OpenSSL locks what it keeps for the process (algorithms, random numbers) above all during the first handshakes, on
 * the library's threads: these are held, too. */
static int kafka_open(const char *rest, const struct pm_log_options *options, struct pm_log **ret, struct pm_error *err)
{
    struct kafka_log *log;
    PM_TRY(handle_new(rest, options, &log, err));
    bool tls = pm_kafka_is_tls(options->properties, options->n_properties);
    if (tls) pm_fork_hold();
    int rc = open_all(log, options, err);
    if (tls) pm_fork_release();
    if (rc == PM_OK) *ret = &log->base;
    else handle_free(log);
    return rc;
}

static void kafka_close(struct pm_log *base)
{
    struct kafka_log *log = self(base);
    pm_kafka_waker_stop(&log->places.waker);
    for (size_t i = log->stash_at; i < log->stash_n; i++) rd_kafka_message_destroy(log->stash[i]);
    if (log->client_topic) {
        rd_kafka_purge(log->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
        rd_kafka_topic_destroy(log->client_topic);
    }
    if (log->queue) rd_kafka_queue_destroy(log->queue);
    if (log->lost) client_abandon(log->client);
    else client_destroy(log->client);
    if (log->ask_topic) rd_kafka_topic_destroy(log->ask_topic);
    client_destroy(log->ask);
    pm_kafka_places_release(&log->places);
    free(log->brokers);
    free(log->topic);
    free(log);
}

/* ---- appending ---- */

static uint64_t outstanding(const struct kafka_log *log) { return log->handed - log->base.acknowledged - log->failed; }

/* Serves the producer for `serve_ms`. PM_ELOGAWAY when nothing has been acknowledged for silence_ms. */
static int await_progress(struct kafka_log *log, uint64_t *done, int64_t *since, bool flush, struct pm_error *err)
{
    if (flush) (void)rd_kafka_flush(log->client, 100); /* also sends what lingers */
    else rd_kafka_poll(log->client, 20);
    if (log->fatal[0]) return pm_error_set(err, PM_ELOG, "%s: the producer cannot go on: %s", log->brokers, log->fatal);
    uint64_t now_done = log->base.acknowledged + log->failed;
    if (now_done != *done) {
        *done = now_done;
        *since = now_ms();
    }
    if (now_ms() - *since <= log->silence_ms) return PM_OK;
    return pm_kafka_not_acknowledged(&log->reason, log->brokers, outstanding(log) + log->failed, log->handed,
                                     log->silence_ms, err);
}

static int produce(struct kafka_log *log, struct pm_slice key, struct pm_slice value, int64_t timestamp_ms,
                   struct pm_slice origin)
{
    int header = origin.len > 0 ? RD_KAFKA_VTYPE_HEADER : RD_KAFKA_VTYPE_END; /* the list of arguments ends there */
    return rd_kafka_producev(
        log->client, RD_KAFKA_V_RKT(log->client_topic), RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA),
        RD_KAFKA_V_MSGFLAGS(log->copies), RD_KAFKA_V_KEY((void *)(uintptr_t)key.ptr, key.len),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)value.ptr, value.len),
        RD_KAFKA_V_TIMESTAMP(timestamp_ms < 0 ? 0 : timestamp_ms), RD_KAFKA_V_OPAQUE((void *)(uintptr_t)log->group),
        header, PM_LOG_ORIGIN_HEADER, (const void *)origin.ptr, (ssize_t)origin.len, RD_KAFKA_V_END);
}

static int kafka_append(struct pm_log *base, struct pm_slice key, struct pm_slice value, int64_t timestamp_ms,
                        struct pm_slice origin, struct pm_error *err)
{
    struct kafka_log *log = self(base);
    uint64_t done = log->base.acknowledged + log->failed;
    int64_t since = 0;
    rd_kafka_resp_err_t e;
    while ((e = produce(log, key, value, timestamp_ms, origin)) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        if (!since) since = now_ms();
        PM_TRY(await_progress(log, &done, &since, false, err));
    }
    if (e == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        return pm_error_set(
            err, PM_ELIMIT,
            "record of %zu bytes is above message.max.bytes; raise it with -X message.max.bytes=2000000",
            key.len + value.len);
    if (e == RD_KAFKA_RESP_ERR__FATAL)
        return pm_error_set(err, PM_ELOG, "%s: the producer cannot go on: %s", log->brokers, log->fatal);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) return translate(log, e, "append to the partitions", err);
    log->open[log->group]++;
    if (++log->handed % APPENDS_A_POLL == 0) rd_kafka_poll(log->client, 0);
    return PM_OK;
}

/* Until nothing is left of what `left` counts. */
static int settle(struct kafka_log *log, uint64_t (*left)(const struct kafka_log *log), bool flush,
                  struct pm_error *err)
{
    uint64_t done = log->base.acknowledged + log->failed;
    int64_t since = now_ms();
    rd_kafka_poll(log->client, 0);
    while (left(log) > 0) PM_TRY(await_progress(log, &done, &since, flush, err));
    uint64_t failed = log->failed;
    if (failed == 0) return PM_OK;
    log->failed = 0; /* said once */
    log->handed -= failed;
    return pm_error_set(err, is_away(log->failed_first) ? PM_ELOGAWAY : PM_ELOG,
                        "%" PRIu64
                        " records are not acknowledged by %s: topic \"%s\": %s (the first is of %zu bytes)%s",
                        failed, log->brokers, log->topic, rd_kafka_err2str(log->failed_first), log->failed_bytes,
                        pm_kafka_remedy(rd_kafka_err2name(log->failed_first)));
}

static int kafka_flush(struct pm_log *base, struct pm_error *err) { return settle(self(base), outstanding, true, err); }

static void kafka_mark(struct pm_log *base)
{
    struct kafka_log *log = self(base);
    log->group ^= 1;
    PM_CHECK(log->open[log->group] == 0);
}

static uint64_t open_before(const struct kafka_log *log) { return log->open[log->group ^ 1]; }

static int kafka_await(struct pm_log *base, struct pm_error *err)
{
    return settle(self(base), open_before, false, err);
}

/* ---- reading ---- */

/* The waker's question: it touches nothing of the handle but its client and topic's name. */
static void wake(void *arg, int32_t partition)
{
    struct kafka_log *log = arg;
    int64_t first, next;
    (void)rd_kafka_query_watermark_offsets(log->client, log->topic, partition, &first, &next, WAKE_ASK_MS);
}

static bool library_knows(const char *property)
{
    char value[8];
    size_t size = sizeof value;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool knows = rd_kafka_conf_get(conf, property, value, &size) == RD_KAFKA_CONF_OK;
    rd_kafka_conf_destroy(conf);
    return knows;
}

static void reader_start(struct kafka_log *log)
{
    rd_kafka_poll_set_consumer(log->client); /* errors and logs come with the messages */
    log->queue = rd_kafka_queue_get_consumer(log->client);
    if (library_knows("fetch.queue.backoff.ms")) return;
    log->places.waker.ask = wake;
    log->places.waker.arg = log;
}

static int64_t kafka_position(const struct pm_log *base, int32_t partition)
{
    const struct pm_kafka_place *place = pm_kafka_place(&self(base)->places, partition);
    return place ? place->position : -1;
}

static uint64_t kafka_breaks(const struct pm_log *base, int32_t partition)
{
    const struct pm_kafka_place *place = pm_kafka_place(&self(base)->places, partition);
    return self(base)->breaks + (place ? place->breaks : 0);
}

static int make_room(struct kafka_log *log, int32_t partition, struct pm_error *err)
{
    if (pm_kafka_place(&log->places, partition)) return PM_OK;
    int32_t n;
    PM_TRY(kafka_partitions(&log->base, &n, err));
    if (partition < 0 || partition >= n)
        return pm_error_set(err, PM_ELOG, "partition %" PRId32 ": topic \"%s\" has %" PRId32 " partitions", partition,
                            log->topic, n);
    pm_kafka_places_grow(&log->places, n);
    return PM_OK;
}

static rd_kafka_error_t *assign(struct kafka_log *log, int32_t partition, int64_t offset, bool add)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, log->topic, partition)->offset = offset;
    rd_kafka_error_t *e = add ? rd_kafka_incremental_assign(log->client, list)
                              : rd_kafka_incremental_unassign(log->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    return e;
}

static void unassign(struct kafka_log *log, int32_t partition)
{
    bool assigned = log->places.at[partition].assigned;
    pm_kafka_place_left(&log->places, partition);
    rd_kafka_error_t *e = assigned ? assign(log, partition, RD_KAFKA_OFFSET_INVALID, false) : NULL;
    if (e) rd_kafka_error_destroy(e);
}

/* Messages of the partition that were fetched before it was sought anew. */
static void drop_stashed(struct kafka_log *log, int32_t partition)
{
    size_t kept = log->stash_at;
    for (size_t i = log->stash_at; i < log->stash_n; i++) {
        if (log->stash[i]->partition == partition) rd_kafka_message_destroy(log->stash[i]);
        else log->stash[kept++] = log->stash[i];
    }
    log->stash_n = kept;
}

static int kafka_seek(struct pm_log *base, int32_t partition, int64_t offset, struct pm_error *err)
{
    struct kafka_log *log = self(base);
    PM_TRY(make_room(log, partition, err));
    unassign(log, partition);
    drop_stashed(log, partition);
    rd_kafka_error_t *e = assign(log, partition, offset, true);
    if (e) {
        int rc = pm_error_set(err, PM_ELOG, "cannot read partition %" PRId32 " of topic \"%s\": %s", partition,
                              log->topic, rd_kafka_error_string(e));
        rd_kafka_error_destroy(e);
        return rc;
    }
    pm_kafka_place_sought(&log->places, partition, offset, now_ms());
    log->gone = false;
    return PM_OK;
}

static void partition_fault(struct kafka_log *log, struct kafka_batch *batch, const rd_kafka_message_t *message)
{
    int32_t partition = message->partition;
    int64_t wanted = log->places.at[partition].position, first = 0, next = 0;
    struct pm_log_fault *fault = pm_log_batch_fault(&batch->owner, partition);
    struct pm_error *err = &fault->error;
    bool reset = message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
                 message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
    fault->moved = reset;
    if (is_loss(message->err)) log->lost = true;
    unassign(log, partition);
    struct pm_error asked = {.code = PM_OK};
    const char *said = rd_kafka_message_errstr(message);
    if (reset) (void)kafka_offsets(&log->base, partition, &first, &next, &asked);
    if (reset) (void)pm_kafka_misplaced(partition, wanted, said, first, next, &asked, err);
    else
        pm_error_set(err, PM_ELOG, "partition %" PRId32 " offset %" PRId64 ": %s%s", partition, wanted, said,
                     pm_kafka_remedy(rd_kafka_err2name(message->err)));
}

static int ask_again(struct kafka_log *log, struct pm_error *err)
{
    const struct rd_kafka_metadata *metadata;
    PM_TRY(ask_metadata(log, now_ms() + at_most(VERIFY_MS, log->timeout_ms), &metadata, err));
    rd_kafka_metadata_destroy(metadata);
    return PM_OK;
}

/* The whole log is faulted when the topic is gone; a hint of the library is not enough. */
static void check_topic(struct kafka_log *log, struct kafka_batch *batch)
{
    log->topic_suspect = false;
    struct pm_error err;
    int rc = ask_again(log, &err);
    if (rc != PM_ELOG || log->reason.refused || log->gone) return; /* a refused client knows nothing of the topic */
    log->gone = true;
    for (int32_t i = 0; i < log->places.n; i++) unassign(log, i);
    pm_error_set(&pm_log_batch_fault(&batch->owner, -1)->error, PM_ELOG, "the log is gone: %s", err.text);
}

/* The last header of the name. The library reads headers only when it is asked for them. */
static struct pm_slice origin_of(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    const void *bytes;
    size_t len;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, PM_LOG_ORIGIN_HEADER, &bytes, &len) != RD_KAFKA_RESP_ERR_NO_ERROR || !bytes ||
        len > PM_LOG_ORIGIN_BYTES_MAX)
        return pm_slice(NULL, 0);
    return pm_slice(bytes, len);
}

/* A reader that was let in and is refused now goes on for as long as it would wait for a log that is away: a broker
 * that starts may refuse what it lets in a moment later, and a connection that still stands brings records. */
static void check_refusal(struct kafka_log *log, struct kafka_batch *batch)
{
    if (batch->n > 0) pm_kafka_reason_clear(&log->reason);
    if (!pm_kafka_refusal_lasts(&log->reason, now_ms(), log->timeout_ms)) return;
    struct pm_error err;
    log->reason.refused = false;
    int rc = ask_again(log, &err);
    if (rc == PM_ELOGAWAY && pm_kafka_reason_is_final(&log->reason)) /* nothing but refusals came meanwhile */
        rc = pm_kafka_refused(&log->reason, log->brokers, &err);
    if (rc == PM_ELOG) *pm_log_batch_fault(&batch->owner, -1) = (struct pm_log_fault){.partition = -1, .error = err};
}

static void batch_add(struct kafka_batch *batch, rd_kafka_message_t *message)
{
    if (batch->n == batch->cap) {
        batch->cap = batch->cap ? 2 * batch->cap : 256;
        batch->messages = pm_realloc(batch->messages, batch->cap * sizeof *batch->messages);
    }
    batch->messages[batch->n++] = message;
    rd_kafka_timestamp_type_t type;
    int64_t timestamp_ms = rd_kafka_message_timestamp(message, &type);
    pm_log_batch_add(&batch->owner, &(struct pm_log_record){
                                        .partition = message->partition,
                                        .offset = message->offset,
                                        .timestamp_ms = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : timestamp_ms,
                                        .key = pm_slice(message->key, message->key_len),
                                        .value = pm_slice(message->payload, message->len),
                                        .origin = origin_of(message)});
}

/* One message of the stash into the batch; true when it moved a position past what nobody receives. */
static bool take(struct kafka_log *log, struct kafka_batch *batch)
{
    rd_kafka_message_t *message = log->stash[log->stash_at++];
    int32_t partition = message->partition;
    struct pm_kafka_place *place = message->rkt ? pm_kafka_place(&log->places, partition) : NULL;
    bool known = place && place->delivering; /* what is said of no topic has a partition 0, too */
    bool moved = false;
    if (known && message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        moved = pm_kafka_place_ended(&log->places, partition, message->offset);
    } else if (known && message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        partition_fault(log, batch, message);
    } else if (known && pm_kafka_place_heard(&log->places, partition, message->offset, log->stash_ms)) {
        batch_add(batch, message);
        return false;
    } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (is_no_topic(message->err)) log->topic_suspect = true;
        bool of_a_group = message->err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED; /* none is joined */
        if (!of_a_group) diag(log, 3, rd_kafka_message_errstr(message));
    }
    rd_kafka_message_destroy(message);
    return moved;
}

/* Another thread has written the messages: without this each is waited for twice, for itself and for its headers.
 * Inline by force: the compiler takes a function that only prefetches for one that does nothing. */
static inline __attribute__((always_inline)) void bring_near(const struct kafka_log *log)
{
    size_t at = log->stash_at;
    if (at + 2 * NEAR < log->stash_n) __builtin_prefetch(&log->stash[at + 2 * NEAR]->payload);
    if (at + NEAR >= log->stash_n || !log->stash[at + NEAR]->payload) return;
    const char *payload = log->stash[at + NEAR]->payload;
    __builtin_prefetch(payload);
    __builtin_prefetch(payload + log->stash[at + NEAR]->len);
}

/* Waits for a first message, then takes what else is there: with a time-out the batch call would hold a lone message
 * back until it has passed. */
static void refill(struct kafka_log *log, int wait_ms)
{
    log->stash_at = log->stash_n = 0;
    if (wait_ms > 0) {
        rd_kafka_message_t *first = rd_kafka_consume_queue(log->queue, wait_ms);
        if (!first) return;
        log->stash[log->stash_n++] = first;
    }
    ssize_t n = rd_kafka_consume_batch_queue(log->queue, 0, log->stash + log->stash_n, STASH_MAX - log->stash_n);
    if (n > 0) log->stash_n += (size_t)n;
    log->stash_ms = now_ms();
}

static void kafka_release(struct pm_log_batch_owner *owner)
{
    struct kafka_batch *batch = (struct kafka_batch *)owner;
    for (size_t i = 0; i < batch->n; i++) rd_kafka_message_destroy(batch->messages[i]);
    free(batch->messages);
    pm_log_batch_lists_free(owner);
    free(batch);
}

static int kafka_poll(struct pm_log *base, size_t n_max, size_t bytes_max, int timeout_ms, struct pm_log_batch *ret,
                      struct pm_error *err)
{
    (void)err;
    struct kafka_log *log = self(base);
    struct kafka_batch *batch = pm_calloc(1, sizeof *batch);
    struct pm_log_batch_owner *owner = &batch->owner;
    owner->log = base;
    owner->release = kafka_release;
    int64_t until = now_ms() + timeout_ms;
    bool moved = false;
    for (bool first_round = true;; first_round = false) {
        while (log->stash_at < log->stash_n && !pm_log_batch_full(owner, n_max, bytes_max)) {
            bring_near(log);
            moved |= take(log, batch);
        }
        if (log->topic_suspect) check_topic(log, batch);
        bool some = owner->n_records || owner->n_faults;
        if (pm_log_batch_full(owner, n_max, bytes_max) || (!some && moved)) break;
        int wait_ms = some ? 0 : left_ms(until);
        if (!some && wait_ms == 0 && !first_round) break;
        refill(log, wait_ms);
        if (log->stash_n == 0 && !log->topic_suspect && (some || left_ms(until) == 0)) break;
    }
    rd_kafka_poll(log->ask, 0);
    check_refusal(log, batch);
    if (owner->n_records || owner->n_faults) {
        pm_log_batch_give(owner, ret);
    } else {
        kafka_release(owner);
        *ret = (struct pm_log_batch){0};
    }
    return PM_OK;
}

/* ---- admin ---- */

/* Runs one admin call: `start` hands the request over, the event with its result comes back on the queue. NULL: no
 * answer in time. */
static int admin_result(struct kafka_log *log, rd_kafka_queue_t *queue, const char *what, rd_kafka_event_t **ret,
                        struct pm_error *err)
{
    rd_kafka_event_t *event = NULL;
    for (int64_t until = now_ms() + log->timeout_ms + 500; !event && !log->reason.refused && left_ms(until) > 0;) {
        event = rd_kafka_queue_poll(queue, at_most(250, left_ms(until) + 1));
        rd_kafka_poll(log->ask, 0);
    }
    rd_kafka_resp_err_t e = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    int rc = e == RD_KAFKA_RESP_ERR_NO_ERROR ? PM_OK : translate(log, e, what, err);
    if (rc == PM_OK) *ret = event;
    else if (event) rd_kafka_event_destroy(event);
    return rc;
}

static rd_kafka_AdminOptions_t *admin_options(struct kafka_log *log, rd_kafka_admin_op_t op)
{
    char text[256];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(log->ask, op);
    (void)rd_kafka_AdminOptions_set_request_timeout(options, log->timeout_ms, text, sizeof text);
    return options;
}

/* Brokers before 2.4 want numbers instead of -1: `count` and `replicas` of 1 are tried after it. */
static int create_topic(struct kafka_log *log, int count, int replicas, rd_kafka_resp_err_t *ret_result,
                        struct pm_error *err)
{
    char text[512];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(log->topic, count, replicas, text, sizeof text);
    PM_CHECK(topic);
    for (const struct pm_log_property *s = pm_kafka_topic_settings; s->name; s++)
        (void)rd_kafka_NewTopic_set_config(topic, s->name, s->value);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(log->ask);
    rd_kafka_AdminOptions_t *options = admin_options(log, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_CreateTopics(log->ask, &topic, 1, options, queue);
    rd_kafka_event_t *event = NULL;
    int rc = admin_result(log, queue, "create the partitions", &event, err);
    if (rc == PM_OK) {
        size_t n;
        const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(
            rd_kafka_event_CreateTopics_result(event), &n);
        PM_CHECK(n == 1);
        *ret_result = rd_kafka_topic_result_error(results[0]);
        if (*ret_result == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
            rc = pm_error_set(err, PM_ELOG, "topic \"%s\" already exists on %s", log->topic, log->brokers);
        else if (*ret_result != RD_KAFKA_RESP_ERR_NO_ERROR)
            rc = pm_error_set(err, PM_ELOG, "%s refuses to create topic \"%s\": %s", log->brokers, log->topic,
                              rd_kafka_topic_result_error_string(results[0]));
        rd_kafka_event_destroy(event);
    }
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
    return rc;
}

/* A topic that was just made is not known everywhere at once. */
static int await_topic(struct kafka_log *log, struct pm_error *err)
{
    for (int64_t until = now_ms() + log->timeout_ms;;) {
        const struct rd_kafka_metadata *metadata = NULL;
        int rc = ask_metadata(log, until, &metadata, err);
        bool led = rc == PM_OK && metadata->topics[0].partition_cnt > 0;
        for (int i = 0; led && i < metadata->topics[0].partition_cnt; i++)
            led = metadata->topics[0].partitions[i].leader >= 0;
        if (metadata) rd_kafka_metadata_destroy(metadata);
        if (led || left_ms(until) == 0) return rc;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
}

static int kafka_create(const char *rest, const struct pm_log_options *options, int n_partitions, struct pm_error *err)
{
    struct kafka_log *log;
    PM_TRY(handle_new(rest, options, &log, err));
    rd_kafka_resp_err_t result = RD_KAFKA_RESP_ERR_NO_ERROR;
    int rc = create_topic(log, n_partitions ? n_partitions : -1, -1, &result, err);
    if (result == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR || result == RD_KAFKA_RESP_ERR_INVALID_PARTITIONS ||
        result == RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION)
        rc = create_topic(log, n_partitions ? n_partitions : 1, 1, &result, err);
    if (rc == PM_OK) rc = await_topic(log, err);
    handle_free(log);
    return rc;
}

static void each_entry(const rd_kafka_ConfigResource_t *resource,
                       void (*each)(void *arg, const char *name, const char *value, const char *warning), void *arg)
{
    size_t n;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &n);
    for (size_t i = 0; i < n; i++) {
        const char *name = rd_kafka_ConfigEntry_name(entries[i]), *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (value && pm_kafka_setting_is_shown(name)) each(arg, name, value, pm_kafka_setting_warning(name, value));
    }
}

static int kafka_settings(struct pm_log *base,
                          void (*each)(void *arg, const char *name, const char *value, const char *warning), void *arg,
                          struct pm_error *err)
{
    struct kafka_log *log = self(base);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(log->ask);
    rd_kafka_ConfigResource_t *topic = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, log->topic);
    rd_kafka_AdminOptions_t *options = admin_options(log, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_DescribeConfigs(log->ask, &topic, 1, options, queue);
    rd_kafka_event_t *event = NULL;
    int rc = admin_result(log, queue, "read the settings", &event, err);
    if (rc == PM_OK) {
        size_t n;
        const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(
            rd_kafka_event_DescribeConfigs_result(event), &n);
        rd_kafka_resp_err_t e = n == 1 ? rd_kafka_ConfigResource_error(resources[0]) : RD_KAFKA_RESP_ERR__FAIL;
        if (e == RD_KAFKA_RESP_ERR_NO_ERROR) each_entry(resources[0], each, arg);
        else rc = translate(log, e, "read the settings", err);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy(topic);
    rd_kafka_queue_destroy(queue);
    return rc;
}

const struct pm_log_ops pm_log_kafka_ops = {
    .scheme = "kafka://",
    .check = pm_kafka_url_check,
    .open = kafka_open,
    .create = kafka_create,
    .close = kafka_close,
    .append = kafka_append,
    .flush = kafka_flush,
    .mark = kafka_mark,
    .await = kafka_await,
    .partitions = kafka_partitions,
    .offsets = kafka_offsets,
    .seek = kafka_seek,
    .poll = kafka_poll,
    .position = kafka_position,
    .breaks = kafka_breaks,
    .settings = kafka_settings,
};

/* ---- the library itself ---- */

const char *pm_log_client_version(void)
{
    static char text[64]; /* the same bytes every time */
    snprintf(text, sizeof text, "librdkafka %s", rd_kafka_version_str());
    return text;
}

bool pm_log_client_secret(const char *name) { return pm_kafka_property_is_secret(name); }

/* A dump leaves out the properties that have no value; the table for people does not. */
void pm_log_client_names(void (*each)(void *arg, const char *name), void *arg)
{
    pm_kafka_property_names(rd_kafka_conf_properties_show, each, arg);
}

void pm_log_client_properties(const struct pm_log_property *properties, size_t n,
                              void (*each)(void *arg, const char *name, const char *value), void *arg)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct pm_error ignored;
    (void)set_properties(conf, PM_KAFKA_ANY, properties, n, &ignored);
    size_t n_pairs;
    const char **pairs = rd_kafka_conf_dump(conf, &n_pairs);
    pm_kafka_property_pairs(pairs, n_pairs, each, arg);
    rd_kafka_conf_dump_free(pairs, n_pairs);
    rd_kafka_topic_conf_t *topic_conf = rd_kafka_conf_get_default_topic_conf(conf);
    if (topic_conf) {
        pairs = rd_kafka_topic_conf_dump(topic_conf, &n_pairs);
        pm_kafka_property_pairs(pairs, n_pairs, each, arg);
        rd_kafka_conf_dump_free(pairs, n_pairs);
    }
    rd_kafka_conf_destroy(conf);
}

int pm_log_client_check(const struct pm_log_property *properties, size_t n, struct pm_error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int rc = set_properties(conf, PM_KAFKA_ANY, properties, n, err);
    rd_kafka_conf_destroy(conf);
    return rc;
}
