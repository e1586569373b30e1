/* bare_consumer.c: the limit that a consumer of a topic can reach: assigns every partition from its first offset, takes
 * batches, touches each message, does nothing else.
 *
 *   bare_consumer [-X name=value]... BROKERS TOPIC
 *
 * Settings are librdkafka's own but for those below. Prints one JSON object; `seconds` runs from the assignment to the
 * last message. */
#include "bench/bare_kafka.h"

#include <sys/resource.h>

#define BATCH 1000
#define PARTITIONS_MAX 1024

/* Fills in the partitions and where they end; returns how many messages there are. */
static int64_t find_ends(rd_kafka_t *rk, const char *topic, rd_kafka_topic_partition_list_t *list, int64_t ends[])
{
    const struct rd_kafka_metadata *meta;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic, NULL);
    rd_kafka_resp_err_t rc = rd_kafka_metadata(rk, 0, handle, &meta, 10000);
    if (rc) fail(topic, rd_kafka_err2str(rc));
    int64_t total = 0;
    for (int i = 0; i < meta->topics[0].partition_cnt && i < PARTITIONS_MAX; i++) {
        int64_t low;
        rc = rd_kafka_query_watermark_offsets(rk, topic, i, &low, &ends[i], 10000);
        if (rc) fail(topic, rd_kafka_err2str(rc));
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = low;
        total += ends[i] - low;
    }
    rd_kafka_metadata_destroy(meta);
    rd_kafka_topic_destroy(handle);
    return total;
}

int main(int argc, char **argv)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "group.id", "bare");
    set(conf, "enable.auto.commit", "false");
    set(conf, "enable.auto.offset.store", "false");
    set(conf, "auto.offset.reset", "error");
    int arg = set_given(conf, argc, argv);
    if (argc - arg != 2) {
        fprintf(stderr, "usage: bare_consumer [-X name=value]... BROKERS TOPIC\n");
        return 2;
    }
    set(conf, "bootstrap.servers", argv[arg]);
    char why[512];
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (!rk) fail("consumer", why);
    rd_kafka_poll_set_consumer(rk);
    static int64_t ends[PARTITIONS_MAX];
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    int64_t total = find_ends(rk, argv[arg + 1], list, ends), got = 0, bytes = 0;
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
    double begin = now_s();
    rd_kafka_resp_err_t rc = rd_kafka_assign(rk, list);
    if (rc) fail("assign", rd_kafka_err2str(rc));
    static rd_kafka_message_t *messages[BATCH];
    volatile unsigned sum = 0;
    while (got < total) {
        /* One message with patience, then what else is there: with a timeout the batch call would hold a lone one back.
         */
        messages[0] = rd_kafka_consume_queue(queue, 10000);
        if (!messages[0]) fail("consume", "nothing came for 10 s");
        ssize_t more = rd_kafka_consume_batch_queue(queue, 0, messages + 1, BATCH - 1), n = more < 0 ? 1 : more + 1;
        for (ssize_t i = 0; i < n; i++) {
            if (messages[i]->err) fail("message", rd_kafka_message_errstr(messages[i]));
            const unsigned char *payload = messages[i]->payload;
            if (messages[i]->len) sum += (unsigned)(payload[0] + payload[messages[i]->len - 1]);
            bytes += (int64_t)messages[i]->len;
            rd_kafka_message_destroy(messages[i]);
        }
        got += n;
    }
    double seconds = now_s() - begin;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"librdkafka\":\"%s\",\"events\":%lld,\"bytes\":%lld,\"seconds\":%.4f,\"events_per_s\":%.0f,\"rss_mb\":%."
           "1f}\n",
           rd_kafka_version_str(), (long long)got, (long long)bytes, seconds, (double)got / seconds,
           (double)usage.ru_maxrss / 1024);
    fflush(stdout);
    _Exit(0); /* leaving the group and joining threads is nobody's time here */
}
