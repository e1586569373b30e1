/* bare_producer.c: the limit that a producer into a topic can reach: the records of a local log, held in memory, given
 * to librdkafka with acks=all and idempotence, and nothing else done.
 *
 *   bare_producer [-X name=value]... BROKERS TOPIC LOG
 *
 * Settings are librdkafka's own but for those. Prints one JSON object; `seconds` runs from the first record to the last
 * acknowledgement. */
#include "bench/bare_kafka.h"

#include "common/base/buf.h"
#include "common/log/log.h"

struct record {
    uint32_t key_len, value_len, origin_len;
    int64_t timestamp_ms;
};

/* All records one after the other; returns how many. */
static uint64_t load(const char *url, struct pm_buf *out)
{
    struct pm_error err = {0};
    struct pm_log_options options = {.mode = PM_LOG_READ};
    struct pm_log *log;
    uint64_t n = 0;
    if (pm_log_open(url, &options, &log, &err) != PM_OK || pm_log_seek(log, 0, 0, &err) != PM_OK) fail(url, err.text);
    for (;;) {
        struct pm_log_batch batch;
        if (pm_log_poll(log, 10000, 1 << 24, 0, &batch, &err) != PM_OK) fail(url, err.text);
        if (batch.n_records == 0) break;
        for (size_t i = 0; i < batch.n_records; i++) {
            const struct pm_log_record *r = &batch.records[i];
            struct record head = {(uint32_t)r->key.len, (uint32_t)r->value.len, (uint32_t)r->origin.len,
                                  r->timestamp_ms};
            pm_buf_bytes(out, &head, sizeof head);
            pm_buf_slice_add(out, r->key);
            pm_buf_slice_add(out, r->value);
            pm_buf_slice_add(out, r->origin);
        }
        n += batch.n_records;
        pm_log_batch_release(&batch);
    }
    pm_log_close(log);
    return n;
}

static uint64_t failed;

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    (void)opaque;
    failed += message->err != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void produce(rd_kafka_t *rk, const char *topic, const struct pm_buf *records)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic, NULL);
    for (const char *p = records->ptr, *end = p + records->len; p < end;) {
        struct record head;
        memcpy(&head, p, sizeof head);
        p += sizeof head;
        rd_kafka_resp_err_t rc;
        while ((rc = rd_kafka_producev(rk, RD_KAFKA_V_RKT(handle), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                       RD_KAFKA_V_KEY((void *)(uintptr_t)p, head.key_len),
                                       RD_KAFKA_V_VALUE((void *)(uintptr_t)(p + head.key_len), head.value_len),
                                       RD_KAFKA_V_TIMESTAMP(head.timestamp_ms),
                                       RD_KAFKA_V_HEADER(PM_LOG_ORIGIN_HEADER, p + head.key_len + head.value_len,
                                                         (ssize_t)head.origin_len),
                                       RD_KAFKA_V_END)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            rd_kafka_poll(rk, 5);
        if (rc) fail(topic, rd_kafka_err2str(rc));
        p += head.key_len + head.value_len + head.origin_len;
        rd_kafka_poll(rk, 0);
    }
    if (rd_kafka_flush(rk, 60000) != RD_KAFKA_RESP_ERR_NO_ERROR || failed > 0) fail(topic, "not acknowledged");
    rd_kafka_topic_destroy(handle);
}

int main(int argc, char **argv)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "enable.idempotence", "true");
    set(conf, "acks", "all");
    int at = set_given(conf, argc, argv);
    if (argc - at != 3) fail("usage", "bare_producer [-X NAME=VALUE]... BROKERS TOPIC LOG");
    char why[512];
    set(conf, "bootstrap.servers", argv[at]);
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    struct pm_buf records = {0};
    uint64_t n = load(argv[at + 2], &records);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!rk) fail("librdkafka", why);
    struct timespec loading;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &loading);
    double loading_ns = (double)loading.tv_sec * 1e9 + (double)loading.tv_nsec;
    double began = now_s();
    produce(rk, argv[at + 1], &records);
    double seconds = now_s() - began;
    struct timespec own;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &own);
    double caller_ns = ((double)own.tv_sec * 1e9 + (double)own.tv_nsec - loading_ns) / (double)n;
    printf("{\"events\":%llu,\"bytes\":%zu,\"events_per_s\":%.0f,\"caller_cpu_ns\":%.0f}\n", (unsigned long long)n,
           records.len, (double)n / seconds, caller_ns);
    rd_kafka_destroy(rk);
    pm_buf_release(&records);
    return 0;
}
