/* topic.c: what happens to a topic behind provmat's back, done to a real one.
 *
 *   topic delete URL
 *   topic create URL PARTITIONS [NAME=VALUE...]     settings of the topic
 *   topic grow URL PARTITIONS                       to so many
 *   topic trim URL PARTITION OFFSET                 DeleteRecords: what is below OFFSET goes
 *   topic transaction URL PARTITION commit|abort    stdin: one value a line
 *   topic allow URL USER                            ACLs: USER may read and describe it, and nothing else
 *
 * URL: kafka://HOST:PORT/TOPIC. Ends when the broker says it is done.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-qualifiers"
#include <librdkafka/rdkafka.h>
#pragma GCC diagnostic pop

#include "common/base/number.h"

#define WAIT_MS 20000
#define LINE_MAX_BYTES 65536

static const char *topic;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "topic: %s: %s\n", what, why);
    exit(1);
}

static long long number(const char *text)
{
    int64_t n;
    if (!pm_i64_parse(pm_slice_cstr(text), &n)) die(text, "not a number");
    return (long long)n;
}

static rd_kafka_t *client(const char *url, rd_kafka_type_t type)
{
    char brokers[256], text[512];
    const char *slash = strrchr(url, '/');
    if (strncmp(url, "kafka://", 8) != 0 || slash < url + 8) die(url, "not kafka://HOST:PORT/TOPIC");
    topic = slash + 1;
    snprintf(brokers, sizeof brokers, "%.*s", (int)(slash - url - 8), url + 8);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof text);
    rd_kafka_conf_set(conf, "log_level", "2", text, sizeof text);
    if (type == RD_KAFKA_PRODUCER) rd_kafka_conf_set(conf, "transactional.id", topic, text, sizeof text);
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
    if (!rk) die("client", text);
    return rk;
}

static void answer(rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, WAIT_MS);
    if (!event) die(topic, "no answer");
    if (rd_kafka_event_error(event)) die(topic, rd_kafka_event_error_string(event));
    const rd_kafka_topic_result_t **results = NULL;
    size_t n = 0;
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_CREATETOPICS_RESULT:
        results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
        break;
    case RD_KAFKA_EVENT_DELETETOPICS_RESULT:
        results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &n);
        break;
    case RD_KAFKA_EVENT_CREATEPARTITIONS_RESULT:
        results = rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event), &n);
        break;
    default: break;
    }
    for (size_t i = 0; i < n; i++)
        if (rd_kafka_topic_result_error(results[i])) die(topic, rd_kafka_topic_result_error_string(results[i]));
    rd_kafka_event_destroy(event);
}

/* Until the metadata says what the broker was told: so many partitions, 0 for none. */
static void await_partitions(rd_kafka_t *rk, int wanted)
{
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    for (int i = 0; i < 500; i++) {
        const struct rd_kafka_metadata *metadata;
        if (rd_kafka_metadata(rk, 0, rkt, &metadata, WAIT_MS)) die(topic, "no metadata");
        int n = metadata->topics[0].err ? 0 : metadata->topics[0].partition_cnt;
        bool led = true;
        for (int p = 0; p < n; p++) led = led && metadata->topics[0].partitions[p].leader >= 0;
        rd_kafka_metadata_destroy(metadata);
        if (n == wanted && led) {
            rd_kafka_topic_destroy(rkt);
            return;
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    die(topic, "the broker does not do what it promised");
}

static void delete_topic(rd_kafka_t *rk, rd_kafka_queue_t *queue)
{
    rd_kafka_DeleteTopic_t *old = rd_kafka_DeleteTopic_new(topic);
    rd_kafka_DeleteTopics(rk, &old, 1, NULL, queue);
    rd_kafka_DeleteTopic_destroy(old);
    answer(queue);
    await_partitions(rk, 0);
}

static void create_topic(rd_kafka_t *rk, rd_kafka_queue_t *queue, int n, char **settings)
{
    char text[512];
    rd_kafka_NewTopic_t *fresh = rd_kafka_NewTopic_new(topic, n, 1, text, sizeof text);
    for (; *settings; settings++) {
        char *equals = strchr(*settings, '=');
        if (!equals) die(*settings, "not NAME=VALUE");
        *equals = 0;
        rd_kafka_NewTopic_set_config(fresh, *settings, equals + 1);
    }
    rd_kafka_CreateTopics(rk, &fresh, 1, NULL, queue);
    rd_kafka_NewTopic_destroy(fresh);
    answer(queue);
    await_partitions(rk, n);
}

static void grow(rd_kafka_t *rk, rd_kafka_queue_t *queue, int n)
{
    char text[512];
    rd_kafka_NewPartitions_t *more = rd_kafka_NewPartitions_new(topic, (size_t)n, text, sizeof text);
    rd_kafka_CreatePartitions(rk, &more, 1, NULL, queue);
    rd_kafka_NewPartitions_destroy(more);
    answer(queue);
    await_partitions(rk, n);
}

static void trim(rd_kafka_t *rk, rd_kafka_queue_t *queue, int partition, long long before)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = before;
    rd_kafka_DeleteRecords_t *records = rd_kafka_DeleteRecords_new(list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_DeleteRecords(rk, &records, 1, NULL, queue);
    rd_kafka_DeleteRecords_destroy(records);
    answer(queue);
    int64_t first = -1, next;
    for (int i = 0; i < 500 && first != before; i++) {
        if (rd_kafka_query_watermark_offsets(rk, topic, partition, &first, &next, WAIT_MS)) die(topic, "no offsets");
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    if (first != before) die(topic, "the records are still there");
}

static void check(rd_kafka_error_t *e)
{
    if (e) die(topic, rd_kafka_error_string(e));
}

static void transaction(rd_kafka_t *rk, int partition, bool commit)
{
    static char line[LINE_MAX_BYTES];
    check(rd_kafka_init_transactions(rk, WAIT_MS));
    check(rd_kafka_begin_transaction(rk));
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                              RD_KAFKA_V_VALUE(line, strlen(line)), RD_KAFKA_V_KEY("t", 1),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END))
            die(topic, "could not produce");
    }
    if (rd_kafka_flush(rk, WAIT_MS)) die(topic, "could not flush");
    check(commit ? rd_kafka_commit_transaction(rk, WAIT_MS) : rd_kafka_abort_transaction(rk, WAIT_MS));
}

static void allow(rd_kafka_t *rk, rd_kafka_queue_t *queue, const char *user)
{
    static const rd_kafka_AclOperation_t operations[2] = {RD_KAFKA_ACL_OPERATION_READ, RD_KAFKA_ACL_OPERATION_DESCRIBE};
    rd_kafka_AclBinding_t *rules[2];
    char principal[128], text[512];
    snprintf(principal, sizeof principal, "User:%s", user);
    for (int i = 0; i < 2; i++) {
        rules[i] = rd_kafka_AclBinding_new(RD_KAFKA_RESOURCE_TOPIC, topic, RD_KAFKA_RESOURCE_PATTERN_LITERAL, principal,
                                           "*", operations[i], RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW, text, sizeof text);
        if (!rules[i]) die("allow", text);
    }
    rd_kafka_CreateAcls(rk, rules, 2, NULL, queue);
    answer(queue);
    rd_kafka_AclBinding_destroy_array(rules, 2);
}

int main(int argc, char **argv)
{
    if (argc < 3) die("usage", "topic delete|create|grow|trim|transaction|allow URL ...");
    const char *what = argv[1];
    bool produces = strcmp(what, "transaction") == 0;
    rd_kafka_t *rk = client(argv[2], produces ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    if (strcmp(what, "delete") == 0) delete_topic(rk, queue);
    else if (strcmp(what, "create") == 0 && argc > 3) create_topic(rk, queue, (int)number(argv[3]), argv + 4);
    else if (strcmp(what, "grow") == 0 && argc > 3) grow(rk, queue, (int)number(argv[3]));
    else if (strcmp(what, "trim") == 0 && argc > 4) trim(rk, queue, (int)number(argv[3]), number(argv[4]));
    else if (strcmp(what, "allow") == 0 && argc > 3) allow(rk, queue, argv[3]);
    else if (produces && argc > 4) transaction(rk, (int)number(argv[3]), strcmp(argv[4], "commit") == 0);
    else die(what, "unknown, or too few arguments");
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
    return 0;
}
