/* log_kafka_test.c: what only a Kafka topic does, on the broker of PROVMAT_TEST_KAFKA: transaction markers, truncation,
 * deletion, refusals, settings. The tests of a broker that is not there need none. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/time.h"
#include "tests/contract/kafka_raw.h"
#include "tests/contract/log_world.h"

/* A port of this machine that nobody listens at. */
static int dead_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

Test(log_kafka_away, a_broker_that_is_not_there_is_named_with_the_reason, .timeout = 60)
{
    char url[64], broker[32];
    struct pm_error err = {0};
    struct pm_log *log = NULL;
    snprintf(broker, sizeof broker, "127.0.0.1:%d", dead_port());
    snprintf(url, sizeof url, "kafka://%s/t", broker);
    for (enum pm_log_mode mode = PM_LOG_READ; mode <= PM_LOG_ADMIN; mode++) {
        int64_t start = pm_time_monotonic_us();
        struct pm_log_options options = {.mode = mode, .timeout_ms = 700};
        cr_assert_eq(pm_log_open(url, &options, &log, &err), PM_ELOGAWAY, "%s", err.text);
        cr_assert(strstr(err.text, broker) && strstr(err.text, "Connection refused"), "%s", err.text);
        cr_assert_null(log);
        cr_assert_lt(pm_time_monotonic_us() - start, 10000000, "it took far longer than it may");
    }
    struct pm_log_options options = {.mode = PM_LOG_ADMIN, .timeout_ms = 700};
    cr_assert_eq(pm_log_create(url, &options, 1, &err), PM_ELOGAWAY, "%s", err.text);
    cr_assert(strstr(err.text, broker), "%s", err.text);
}

static void keep(void *arg, int level, const char *text)
{
    (void)level;
    pm_buf_cstr(arg, text);
    pm_buf_byte(arg, '\n');
}

Test(log_kafka_away, the_librarys_words_come_through_the_callback_and_not_to_stderr, .timeout = 60)
{
    char url[64];
    struct pm_buf words = {0};
    struct pm_log *log = NULL;
    snprintf(url, sizeof url, "kafka://127.0.0.1:%d/t", dead_port());
    int saved = dup(2), pipes[2];
    cr_assert_eq(pipe(pipes), 0);
    dup2(pipes[1], 2);
    close(pipes[1]);
    struct pm_log_options options = {.mode = PM_LOG_READ, .timeout_ms = 400, .diag = keep, .diag_arg = &words};
    int rc = pm_log_open(url, &options, &log, NULL);
    dup2(saved, 2);
    char byte;
    cr_assert_eq(read(pipes[0], &byte, 1), 0, "something went to stderr");
    cr_assert_eq(rc, PM_ELOGAWAY);
    pm_buf_byte(&words, 0);
    cr_assert(strstr(words.ptr, "Connection refused"), "%s", words.ptr);
    cr_assert_null(strstr(words.ptr, "will be ignored by this"), "%s", words.ptr);
    pm_buf_release(&words);
}

Test(log_kafka_away, properties_are_refused_before_anything_is_asked)
{
    struct pm_error err = {0};
    struct pm_log *log = NULL;
    const struct pm_log_property bad[] = {{"no.such.thing", "1"}, {"enable.auto.commit", "true"}, {"linger.ms", "-7"}};
    for (size_t i = 0; i < 3; i++) {
        struct pm_log_options options = {
            .mode = PM_LOG_READ, .properties = &bad[i], .n_properties = 1, .timeout_ms = 100};
        cr_assert_eq(pm_log_open("kafka://127.0.0.1:1/t", &options, &log, &err), PM_EUSAGE, "%s", err.text);
        cr_assert(strstr(err.text, bad[i].name), "%s", err.text);
    }
}

#define KAFKA(name)                                  \
    static void name##_body(struct world *world);    \
    CONTRACT_ONE(log_kafka_alone, WORLD_KAFKA, name) \
    static void name##_body(struct world *world)

static void append_n(struct world *world, int n)
{
    struct pm_log *log = world_open(world, PM_LOG_APPEND);
    for (int i = 0; i < n; i++) must_append(log, "k", "plain", 1000 + i);
    must_flush(log);
    pm_log_close(log);
}

/* A transaction's marker may be written a moment after its producer was told so. */
static void await_next(struct pm_log *log, int32_t partition, int64_t expected)
{
    int64_t first, next = -1;
    for (int i = 0; i < 500 && next != expected; i++) {
        must_offsets(log, partition, &first, &next);
        if (next != expected) usleep(10000);
    }
    cr_assert_eq(next, expected, "the end is %" PRId64 ", not %" PRId64, next, expected);
}

/* Reads from `offset` of partition 0 to the end that the log has now; the position is at `end` then. */
static size_t read_from(struct world *world, int64_t offset, int64_t end)
{
    struct pm_log *log = world_open(world, PM_LOG_READ);
    struct pm_error err = {0};
    await_next(log, 0, end);
    cr_assert_eq(pm_log_seek(log, 0, offset, &err), PM_OK, "%s", err.text);
    size_t n = read_to_end(log, NULL, 1, 100, NULL);
    cr_assert_eq(pm_log_position(log, 0), end);
    pm_log_close(log);
    return n;
}

KAFKA(the_end_is_reached_behind_markers_and_aborted_transactions)
{
    world_create(world, 1);
    append_n(world, 10);
    raw_transaction(world->url, 0, "committed", 5, true); /* 10..14, marker 15 */
    cr_assert_eq(read_from(world, 0, 16), 15);
    cr_assert_eq(read_from(world, 15, 16), 0, "at the marker itself");
    raw_transaction(world->url, 0, "aborted", 4, false); /* 16..19, marker 20 */
    cr_assert_eq(read_from(world, 0, 21), 15);
    cr_assert_eq(read_from(world, 16, 21), 0, "all the rest was aborted");
    append_n(world, 2);
    cr_assert_eq(read_from(world, 16, 23), 2);
}

KAFKA(a_reader_that_follows_passes_markers_too)
{
    world_create(world, 1);
    struct pm_log *log = world_open(world, PM_LOG_READ);
    must_seek_all(log, 0);
    for (int i = 1; i <= 3; i++) {
        raw_transaction(world->url, 0, "v", 3, i != 2);
        await_next(log, 0, 4 * i);
        cr_assert_eq(read_to_end(log, NULL, 1, 100, NULL), i == 2 ? 0 : 3);
        cr_assert_eq(pm_log_position(log, 0), 4 * i);
    }
    pm_log_close(log);
}

KAFKA(a_deleted_head_is_a_fault_that_names_what_is_gone)
{
    world_create(world, 2);
    struct pm_log *log = world_open(world, PM_LOG_APPEND);
    for (int i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        must_append(log, key, "v", i);
    }
    must_flush(log);
    pm_log_close(log);
    raw_delete_records(world->url, 1, 40);
    log = world_open(world, PM_LOG_READ);
    int64_t first, next;
    must_offsets(log, 1, &first, &next);
    cr_assert_eq(first, 40);
    must_seek_all(log, 0);
    struct pm_log_fault fault;
    (void)read_to_end(log, NULL, 2, 1000, &fault);
    cr_assert_eq(fault.partition, 1);
    cr_assert_eq(fault.error.code, PM_ELOG);
    char expected[128];
    snprintf(expected, sizeof expected,
             "partition 1: offset 0 is out of range: the log holds offsets 40..%" PRId64 "; records 0..39 are gone",
             next - 1);
    cr_assert(strstr(fault.error.text, expected), "%s", fault.error.text);
    cr_assert_eq(pm_log_seek(log, 1, 40, NULL), PM_OK);
    (void)read_to_end(log, NULL, 2, 1000, NULL); /* the other partition was not harmed */
    cr_assert_eq(pm_log_position(log, 1), next);
    pm_log_close(log);
}

KAFKA(a_topic_deleted_while_it_is_read_is_a_fault_of_the_whole_log)
{
    world_create(world, 1);
    append_n(world, 5);
    struct pm_log *log = world_open(world, PM_LOG_READ);
    must_seek_all(log, 0);
    cr_assert_eq(read_to_end(log, NULL, 1, 100, NULL), 5);
    raw_delete_topic(world->url);
    struct pm_log_batch batch = {0};
    struct pm_error err = {0};
    for (int i = 0; i < 225 && batch.n_faults == 0; i++)
        cr_assert_eq(pm_log_poll(log, 10, SIZE_MAX, 200, &batch, &err), PM_OK, "%s", err.text);
    cr_assert_eq(batch.n_faults, 1, "45 s and no fault");
    cr_assert_eq(batch.faults[0].partition, -1);
    cr_assert_eq(batch.faults[0].error.code, PM_ELOG);
    cr_assert(strstr(batch.faults[0].error.text, "provmat log create"), "%s", batch.faults[0].error.text);
    pm_log_batch_release(&batch);
    pm_log_close(log);
}

KAFKA(a_topic_made_anew_with_fewer_records_is_a_fault)
{
    world_create(world, 1);
    append_n(world, 9);
    raw_delete_topic(world->url);
    world_create(world, 1);
    append_n(world, 3);
    struct pm_log *log = world_open(world, PM_LOG_READ);
    cr_assert_eq(pm_log_seek(log, 0, 9, NULL), PM_OK);
    struct pm_log_fault fault;
    cr_assert_eq(read_to_end(log, NULL, 1, 100, &fault), 0);
    cr_assert(strstr(fault.error.text, "offset 9 is out of range: the log holds offsets 0..2"), "%s", fault.error.text);
    pm_log_close(log);
}

KAFKA(added_partitions_are_seen_and_read)
{
    world_create(world, 1);
    append_n(world, 2);
    struct pm_log *log = world_open(world, PM_LOG_READ);
    must_seek_all(log, 0);
    cr_assert_eq(read_to_end(log, NULL, 1, 100, NULL), 2);
    raw_add_partitions(world->url, 3);
    struct pm_error err = {0};
    int32_t n = 0;
    for (int i = 0; i < 100 && n != 3; i++) {
        cr_assert_eq(pm_log_partitions(log, &n, &err), PM_OK, "%s", err.text);
        usleep(20000);
    }
    cr_assert_eq(n, 3);
    cr_assert_eq(pm_log_seek(log, 2, 0, &err), PM_OK, "%s", err.text);
    raw_transaction(world->url, 2, "v", 4, true);
    await_next(log, 2, 5);
    cr_assert_eq(read_to_end(log, NULL, 3, 100, NULL), 4);
    cr_assert_eq(pm_log_position(log, 2), 5);
    cr_assert_eq(pm_log_position(log, 0), 2);
    pm_log_close(log);
}

struct setting {
    const char *name, *warning;
    char value[64];
};

static void find_setting(void *arg, const char *name, const char *value, const char *warning)
{
    struct setting *s = arg;
    if (strcmp(name, s->name) != 0) return;
    snprintf(s->value, sizeof s->value, "%s", value);
    s->warning = warning;
}

static struct setting setting(struct pm_log *log, const char *name)
{
    struct setting s = {.name = name};
    struct pm_error err = {0};
    cr_assert_eq(pm_log_settings(log, find_setting, &s, &err), PM_OK, "%s", err.text);
    cr_assert(s.value[0], "%s was not told", name);
    return s;
}

KAFKA(a_topic_that_we_make_keeps_everything)
{
    world_create(world, 2);
    struct pm_log *log = world_open(world, PM_LOG_ADMIN);
    const char *const rows[][2] = {{"cleanup.policy", "delete"},
                                   {"retention.ms", "-1"},
                                   {"retention.bytes", "-1"},
                                   {"message.timestamp.type", "CreateTime"}};
    for (size_t i = 0; i < 4; i++) {
        struct setting s = setting(log, rows[i][0]);
        cr_assert_str_eq(s.value, rows[i][1]);
        cr_assert_null(s.warning, "%s: %s", s.name, s.warning);
    }
    pm_log_close(log);
}

KAFKA(a_topic_that_forgets_is_warned_of)
{
    raw_create_topic(world->url, 1,
                     (const struct pm_log_property[]){{"cleanup.policy", "compact"},
                                                      {"retention.ms", "86400000"},
                                                      {"message.timestamp.type", "LogAppendTime"},
                                                      {NULL, NULL}});
    struct pm_log *log = world_open(world, PM_LOG_ADMIN);
    cr_assert_not_null(setting(log, "cleanup.policy").warning);
    cr_assert_not_null(setting(log, "retention.ms").warning);
    cr_assert_not_null(setting(log, "message.timestamp.type").warning);
    cr_assert_not_null(setting(log, "max.message.bytes").warning);
    cr_assert_null(setting(log, "retention.bytes").warning);
    pm_log_close(log);
}

KAFKA(a_partition_count_of_0_is_the_brokers_default)
{
    world_create(world, 0);
    struct pm_log *log = world_open(world, PM_LOG_ADMIN);
    int32_t n = 0;
    cr_assert_eq(pm_log_partitions(log, &n, NULL), PM_OK);
    cr_assert_geq(n, 1);
    pm_log_close(log);
}

KAFKA(what_the_broker_refuses_is_counted_and_named)
{
    raw_create_topic(world->url, 1, (const struct pm_log_property[]){{"max.message.bytes", "1000"}, {NULL, NULL}});
    struct pm_log *log = world_open(world, PM_LOG_APPEND);
    char value[3001];
    memset(value, 'x', 3000);
    value[3000] = 0;
    must_append(log, "k", "fits", 1);
    must_flush(log);
    must_append(log, "k", value, 1);
    struct pm_error err = {0};
    cr_assert_eq(pm_log_flush(log, &err), PM_ELOG);
    cr_assert(strstr(err.text, "1 records are not acknowledged") && strstr(err.text, "max.message.bytes"), "%s",
              err.text);
    cr_assert_eq(pm_log_acknowledged(log), 1);
    must_append(log, "k", "fits", 1);
    must_flush(log);
    cr_assert_eq(pm_log_acknowledged(log), 2);
    pm_log_close(log);
}

KAFKA(an_existing_topic_is_named)
{
    world_create(world, 1);
    struct pm_error err = {0};
    cr_assert_eq(pm_log_create(world->url, NULL, 1, &err), PM_ELOG);
    cr_assert(strstr(err.text, strrchr(world->url, '/') + 1) && strstr(err.text, "already exists"), "%s", err.text);
}

KAFKA(the_key_chooses_the_partition_as_java_does)
{
    world_create(world, 8);
    struct pm_log *log = world_open(world, PM_LOG_APPEND);
    /* murmur2 of Java's DefaultPartitioner: (murmur2(key) & 0x7fffffff) % 8 */
    must_append(log, "21", "a", 1);
    must_append(log, "foobar", "b", 1);
    must_append(log, "", "c", 1);
    must_flush(log);
    pm_log_close(log);
    log = world_open(world, PM_LOG_READ);
    must_seek_all(log, 0);
    struct pm_buf text[8] = {{0}};
    cr_assert_eq(read_to_end(log, text, 8, 100, NULL), 3);
    /* Kafka's own test vectors: murmur2("21") = -973932308, murmur2("foobar") = -790332482 */
    int of_21 = (int)(((uint32_t)-973932308 & 0x7fffffff) % 8),
        of_foobar = (int)(((uint32_t)-790332482 & 0x7fffffff) % 8);
    for (int p = 0; p < 8; p++) pm_buf_byte(&text[p], 0);
    cr_assert(strstr(text[of_21].ptr, "21=a"), "%s", text[of_21].ptr);
    cr_assert(strstr(text[of_foobar].ptr, "foobar=b"), "%s", text[of_foobar].ptr);
    for (int p = 0; p < 8; p++) pm_buf_release(&text[p]);
    pm_log_close(log);
}
