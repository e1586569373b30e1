/* kafka_raw.c: librdkafka by hand, for the suite only (kafka_raw.h). Everything here asserts: a broker that does not do
 * it fails the test. */
#include "tests/contract/kafka_raw.h"

#include <criterion/criterion.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-qualifiers"
#include <librdkafka/rdkafka.h>
#pragma GCC diagnostic pop
#include <stdio.h>
#include <time.h>

#include "common/base/time.h"

#define WAIT_MS 20000

static const char *topic_of(const char *url) { return strrchr(url, '/') + 1; }

static void nap_ms(int ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL); }

static rd_kafka_t *client(const char *url, rd_kafka_type_t type, const struct pm_log_property *properties)
{
    char brokers[256], text[512];
    snprintf(brokers, sizeof brokers, "%.*s", (int)(strrchr(url, '/') - url - 8), url + 8);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    cr_assert_eq(rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof text), RD_KAFKA_CONF_OK, "%s",
                 text);
    cr_assert_eq(rd_kafka_conf_set(conf, "log_level", "2", text, sizeof text), RD_KAFKA_CONF_OK, "%s", text);
    for (; properties && properties->name; properties++)
        cr_assert_eq(rd_kafka_conf_set(conf, properties->name, properties->value, text, sizeof text), RD_KAFKA_CONF_OK,
                     "%s", text);
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
    cr_assert(rk, "%s", text);
    return rk;
}

static bool topic_is_there(rd_kafka_t *rk, const char *topic)
{
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    const struct rd_kafka_metadata *metadata;
    cr_assert_eq(rd_kafka_metadata(rk, 0, rkt, &metadata, WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    bool there = metadata->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(rkt);
    return there;
}

static rd_kafka_event_t *answer(rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, WAIT_MS);
    cr_assert(event, "no answer from the broker");
    cr_assert_eq(rd_kafka_event_error(event), RD_KAFKA_RESP_ERR_NO_ERROR, "%s", rd_kafka_event_error_string(event));
    return event;
}

void raw_delete_topic(const char *url)
{
    rd_kafka_t *rk = client(url, RD_KAFKA_CONSUMER, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(topic_of(url));
    rd_kafka_DeleteTopics(rk, &topic, 1, NULL, queue);
    rd_kafka_event_destroy(answer(queue));
    for (int i = 0; topic_is_there(rk, topic_of(url)) && i < 200; i++) nap_ms(20);
    rd_kafka_DeleteTopic_destroy(topic);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
}

void raw_create_topic(const char *url, int n_partitions, const struct pm_log_property *settings)
{
    char text[512];
    rd_kafka_t *rk = client(url, RD_KAFKA_CONSUMER, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(topic_of(url), n_partitions, 1, text, sizeof text);
    for (; settings && settings->name; settings++) rd_kafka_NewTopic_set_config(topic, settings->name, settings->value);
    rd_kafka_CreateTopics(rk, &topic, 1, NULL, queue);
    rd_kafka_event_t *event = answer(queue);
    size_t n;
    const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result(event), &n);
    cr_assert_eq(rd_kafka_topic_result_error(results[0]), RD_KAFKA_RESP_ERR_NO_ERROR, "%s",
                 rd_kafka_topic_result_error_string(results[0]));
    rd_kafka_event_destroy(event);
    for (int i = 0; !topic_is_there(rk, topic_of(url)) && i < 200; i++) nap_ms(20);
    rd_kafka_NewTopic_destroy(topic);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
}

void raw_add_partitions(const char *url, int n_total)
{
    char text[512];
    rd_kafka_t *rk = client(url, RD_KAFKA_CONSUMER, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_NewPartitions_t *partitions = rd_kafka_NewPartitions_new(topic_of(url), (size_t)n_total, text,
                                                                      sizeof text);
    rd_kafka_CreatePartitions(rk, &partitions, 1, NULL, queue);
    rd_kafka_event_destroy(answer(queue));
    rd_kafka_NewPartitions_destroy(partitions);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
}

void raw_delete_records(const char *url, int32_t partition, int64_t before)
{
    rd_kafka_t *rk = client(url, RD_KAFKA_CONSUMER, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic_of(url), partition)->offset = before;
    rd_kafka_DeleteRecords_t *records = rd_kafka_DeleteRecords_new(list);
    rd_kafka_DeleteRecords(rk, &records, 1, NULL, queue);
    rd_kafka_event_destroy(answer(queue));
    rd_kafka_DeleteRecords_destroy(records);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
}

static void check(rd_kafka_error_t *e) { cr_assert_null(e, "%s", rd_kafka_error_string(e)); }

void raw_transaction(const char *url, int32_t partition, const char *value, int n, bool commit)
{
    rd_kafka_t *rk = client(
        url, RD_KAFKA_PRODUCER,
        (const struct pm_log_property[]){{"transactional.id", topic_of(url)}, {"linger.ms", "1"}, {NULL, NULL}});
    check(rd_kafka_init_transactions(rk, WAIT_MS));
    check(rd_kafka_begin_transaction(rk));
    for (int i = 0; i < n; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s%d", value, i);
        cr_assert_eq(rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic_of(url)), RD_KAFKA_V_PARTITION(partition),
                                       RD_KAFKA_V_VALUE(text, strlen(text)), RD_KAFKA_V_KEY("t", 1),
                                       RD_KAFKA_V_TIMESTAMP(1000 + i), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                       RD_KAFKA_V_END),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    cr_assert_eq(rd_kafka_flush(rk, WAIT_MS),
                 RD_KAFKA_RESP_ERR_NO_ERROR); /* they are in the log before the marker is */
    check(commit ? rd_kafka_commit_transaction(rk, WAIT_MS) : rd_kafka_abort_transaction(rk, WAIT_MS));
    rd_kafka_destroy(rk);
}

uint64_t raw_consume(const char *url, int32_t n_partitions, uint64_t n_expected, uint64_t *ret_bytes)
{
    static rd_kafka_message_t *messages[1000];
    rd_kafka_t *rk = client(
        url, RD_KAFKA_CONSUMER,
        (const struct pm_log_property[]){{"group.id", "raw"}, {"enable.auto.commit", "false"}, {NULL, NULL}});
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(n_partitions);
    for (int32_t p = 0; p < n_partitions; p++) rd_kafka_topic_partition_list_add(list, topic_of(url), p)->offset = 0;
    rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    uint64_t n = 0, bytes = 0;
    int64_t until = pm_time_monotonic_us() + WAIT_MS * 1000LL;
    while (n < n_expected && pm_time_monotonic_us() < until) {
        rd_kafka_message_t *first = rd_kafka_consume_queue(queue, 1000);
        if (!first) continue;
        messages[0] = first;
        ssize_t more = rd_kafka_consume_batch_queue(queue, 0, messages + 1, 999);
        for (ssize_t i = 0; i <= (more > 0 ? more : 0); i++) {
            if (!messages[i]->err) {
                n++;
                bytes += messages[i]->len + messages[i]->key_len;
            }
            rd_kafka_message_destroy(messages[i]);
        }
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    *ret_bytes = bytes;
    return n;
}
