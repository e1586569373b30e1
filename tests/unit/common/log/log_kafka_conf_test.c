/* log_kafka_conf_test.c: the URL, the properties that are refused, masked or ours, the warnings of settings; and what
 * the library makes of them. */
#include "common/log/log_kafka_conf.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

Test(log_kafka_conf, a_url_comes_apart)
{
    struct {
        const char *rest, *brokers, *topic;
    } const good[] = {
        {"localhost:9092/events", "localhost:9092", "events"},
        {"a:1,b.example:65535/T.x_y-1", "a:1,b.example:65535", "T.x_y-1"},
        {"[::1]:9092/t", "[::1]:9092", "t"},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char *brokers = NULL, *topic = NULL;
        struct pm_error err = {0};
        cr_assert_eq(pm_kafka_url_parse(good[i].rest, &brokers, &topic, &err), PM_OK, "%s", err.text);
        cr_assert_str_eq(brokers, good[i].brokers);
        cr_assert_str_eq(topic, good[i].topic);
        free(brokers);
        free(topic);
    }
}

Test(log_kafka_conf, a_url_that_is_none_says_why)
{
    char long_topic[300];
    memset(long_topic, 'x', sizeof long_topic);
    memcpy(long_topic, "h:1/", 4);
    long_topic[4 + 250] = 0;
    struct {
        const char *rest, *why;
    } const bad[] = {
        {"", "names no topic"},
        {"h:1", "names no topic"},
        {"h:1/", "names no topic"},
        {"h/t", "\"h\" is not HOST:PORT"},
        {":1/t", "not HOST:PORT"},
        {"h:/t", "not HOST:PORT"},
        {"h:65536/t", "not HOST:PORT"},
        {"h:0/t", "not HOST:PORT"},
        {"::1:92/t", "not HOST:PORT"},
        {"h:1,/t", "\"\" is not HOST:PORT"},
        {"h:1,x/t", "\"x\" is not HOST:PORT"},
        {"h:1/a/b", "\"a/b\" is not a topic's name"},
        {"h:1/..", "not a topic's name"},
        {"h:1/a b", "not a topic's name"},
        {long_topic, "not a topic's name"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *brokers = NULL, *topic = NULL;
        struct pm_error err = {0};
        cr_assert_eq(pm_kafka_url_parse(bad[i].rest, &brokers, &topic, &err), PM_EUSAGE, "%s", bad[i].rest);
        cr_assert(strstr(err.text, bad[i].why), "\"%s\": %s", bad[i].rest, err.text);
        cr_assert(!brokers && !topic);
    }
    long_topic[4 + 249] = 0;
    char *brokers, *topic;
    cr_assert_eq(pm_kafka_url_parse(long_topic, &brokers, &topic, NULL), PM_OK);
    free(brokers);
    free(topic);
}

Test(log_kafka_conf, what_correctness_rests_on_cannot_be_changed)
{
    struct {
        const char *name, *value;
        int code;
    } const rows[] = {
        {"enable.auto.commit", "true", PM_EUSAGE},
        {"enable.auto.commit", "false", PM_OK},
        {"auto.offset.reset", "earliest", PM_EUSAGE},
        {"auto.offset.reset", "error", PM_OK},
        {"acks", "1", PM_EUSAGE},
        {"acks", "all", PM_OK},
        {"request.required.acks", "0", PM_EUSAGE},
        {"request.required.acks", "-1", PM_OK},
        {"enable.partition.eof", "false", PM_EUSAGE},
        {"isolation.level", "read_uncommitted", PM_OK},
        {"linger.ms", "0", PM_OK},
        {"bootstrap.servers", "h:1", PM_EUSAGE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pm_error err = {0};
        struct pm_log_property property = {rows[i].name, rows[i].value};
        cr_assert_eq(pm_log_client_check(&property, 1, &err), rows[i].code, "%s=%s: %s", rows[i].name, rows[i].value,
                     err.text);
        if (rows[i].code) cr_assert(strstr(err.text, rows[i].name), "%s", err.text);
    }
}

Test(log_kafka_conf, the_library_is_asked_for_the_rest)
{
    struct pm_error err = {0};
    const struct pm_log_property ours[] = {
        {"provmat.format", "json"}, {"schema.registry.url", "http://127.0.0.1:1"}, {"debug", "broker"}};
    cr_assert_eq(pm_log_client_check(ours, 3, &err), PM_OK, "%s", err.text);
    cr_assert_eq(pm_log_client_check(&(struct pm_log_property){"no.such", "1"}, 1, &err), PM_EUSAGE);
    cr_assert(strstr(err.text, "no.such") && strstr(err.text, "-X list"), "%s", err.text);
    cr_assert_eq(pm_log_client_check(&(struct pm_log_property){"linger.ms", "soon"}, 1, &err), PM_EUSAGE);
    cr_assert(strstr(err.text, "linger.ms"), "%s", err.text);
    cr_assert_eq(strncmp(pm_log_client_version(), "librdkafka ", 11), 0);
}

struct seen {
    int n, secrets;
    char linger[16], acks[16], password[32];
    bool pointers;
};

static void see(void *arg, const char *name, const char *value)
{
    struct seen *seen = arg;
    seen->n++;
    if (strcmp(name, "linger.ms") == 0 || strcmp(name, "queue.buffering.max.ms") == 0)
        snprintf(seen->linger, sizeof seen->linger, "%s", value);
    if (strcmp(name, "acks") == 0 || strcmp(name, "request.required.acks") == 0)
        snprintf(seen->acks, sizeof seen->acks, "%s", value);
    if (strcmp(name, "sasl.password") == 0) snprintf(seen->password, sizeof seen->password, "%s", value);
    if (strstr(value, "hunter2")) seen->secrets++;
    if (strstr(value, "0x")) seen->pointers = true;
}

Test(log_kafka_conf, the_dump_knows_the_values_and_masks_secrets)
{
    struct seen seen = {0};
    pm_log_client_properties(NULL, 0, see, &seen);
    cr_assert_gt(seen.n, 100);
    cr_assert_str_eq(seen.linger, "20");
    cr_assert_str_eq(seen.acks, "-1");
    cr_assert_str_eq(seen.password, "", "nothing to mask");
    cr_assert(!seen.pointers);
    const struct pm_log_property secrets[] = {{"sasl.password", "hunter2"},
                                              {"ssl.key.password", "hunter2"},
                                              {"ssl.keystore.password", "hunter2"},
                                              {"sasl.oauthbearer.config", "token=hunter2"},
                                              {"linger.ms", "7"},
                                              {"provmat.x", "hunter2"}};
    pm_log_client_properties(secrets, 6, see, &seen);
    cr_assert_eq(seen.secrets, 0);
    cr_assert_str_eq(seen.password, "********");
    cr_assert_str_eq(seen.linger, "7");
    cr_assert(pm_kafka_property_is_secret("ssl.key.pem"));
    cr_assert(pm_kafka_property_is_secret("sasl.oauthbearer.client.secret"));
    cr_assert(!pm_kafka_property_is_secret("ssl.key.location"));
}

Test(log_kafka_conf, settings_that_would_lose_history_are_warned_of)
{
    struct {
        const char *name, *value;
        bool warned;
    } const rows[] = {
        {"cleanup.policy", "delete", false},
        {"cleanup.policy", "compact,delete", true},
        {"retention.ms", "-1", false},
        {"retention.ms", "604800000", true},
        {"retention.bytes", "1000", true},
        {"message.timestamp.type", "CreateTime", false},
        {"message.timestamp.type", "LogAppendTime", true},
        {"max.message.bytes", "1048588", true},
        {"max.message.bytes", "2097152", false},
        {"segment.bytes", "1", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert(pm_kafka_setting_is_shown(rows[i].name));
        cr_assert_eq(pm_kafka_setting_warning(rows[i].name, rows[i].value) != NULL, rows[i].warned, "%s=%s",
                     rows[i].name, rows[i].value);
    }
    for (const struct pm_log_property *s = pm_kafka_topic_settings; s->name; s++)
        cr_assert_null(pm_kafka_setting_warning(s->name, s->value), "what we create is fine: %s", s->name);
    cr_assert(!pm_kafka_setting_is_shown("flush.ms"));
}

static void count_name(void *arg, const char *name)
{
    int *found = arg;
    static const char *const without_value[] = {"sasl.password", "sasl.username", "ssl.ca.location",
                                                "ssl.key.password"};
    for (size_t i = 0; i < sizeof without_value / sizeof *without_value; i++)
        *found += strcmp(name, without_value[i]) == 0;
    cr_assert(name[0] && !strchr(name, ' ') && !strchr(name, '|'), "\"%s\"", name);
}

Test(log_kafka_conf, names_of_properties_without_a_value_are_listed)
{
    int found = 0;
    pm_log_client_names(count_name, &found);
    cr_assert_eq(found, 4);
}

Test(log_kafka_conf, a_user_in_the_url_is_refused_and_not_repeated)
{
    char *brokers, *topic;
    struct pm_error err;
    cr_assert_eq(pm_kafka_url_parse("me:hunter2@host:9092/t", &brokers, &topic, &err), PM_EUSAGE);
    cr_assert(strstr(err.text, "sasl.username") && !strstr(err.text, "hunter2"), "%s", err.text);
}

Test(log_kafka_conf, properties_that_ask_for_tls)
{
    const struct pm_log_property plain[] = {{"security.protocol", "ssl"}, {"security.protocol", "sasl_plaintext"}};
    const struct pm_log_property tls[] = {{"security.protocol", "plaintext"}, {"security.protocol", "SASL_SSL"}};
    cr_assert(!pm_kafka_is_tls(NULL, 0));
    cr_assert(!pm_kafka_is_tls(plain, 2), "the last one counts");
    cr_assert(pm_kafka_is_tls(plain, 1));
    cr_assert(pm_kafka_is_tls(tls, 2));
}
