/* log_kafka_conf.c: the tables of log_kafka_conf.h. A value here that was chosen by measurement says so in README.md.
 */
#include "common/log/log_kafka_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/buf.h"
#include "common/base/check.h"
#include "common/base/number.h"

#define TOPIC_NAME_MAX 249 /* Kafka's own */

/* ---- the URL ---- */

static bool topic_is_valid(const char *topic)
{
    size_t n = strlen(topic);
    if (n == 0 || n > TOPIC_NAME_MAX || strcmp(topic, ".") == 0 || strcmp(topic, "..") == 0) return false;
    return strspn(topic, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == n;
}

/* One "host:port": both are there and the port is a number of 1..65535; an IPv6 address stands in brackets. */
static bool broker_is_valid(struct pm_slice broker)
{
    size_t colon = broker.len;
    while (colon > 0 && broker.ptr[colon - 1] != ':') colon--;
    uint64_t port;
    if (colon < 2 || !pm_u64_parse(pm_slice(broker.ptr + colon, broker.len - colon), &port)) return false;
    struct pm_slice host = pm_slice(broker.ptr, colon - 1);
    bool v6 = host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    return port >= 1 && port <= 65535 && (v6 || !memchr(host.ptr, ':', host.len)) && !memchr(host.ptr, ' ', host.len);
}

int pm_kafka_url_parse(const char *rest, char **ret_brokers, char **ret_topic, struct pm_error *err)
{
    if (strchr(rest, '@')) /* not repeated: a password may stand there */
        return pm_error_set(err, PM_EUSAGE,
                            "kafka:// takes no user in its URL: set sasl.username and sasl.password in a file for -F");
    const char *slash = strchr(rest, '/');
    if (!slash || slash[1] == 0)
        return pm_error_set(err, PM_EUSAGE,
                            "kafka://%s names no topic: it is written kafka://HOST:PORT[,HOST:PORT...]/TOPIC", rest);
    for (const char *p = rest; p <= slash;) {
        size_t n = strcspn(p, ",/");
        if (!broker_is_valid(pm_slice(p, n)))
            return pm_error_set(err, PM_EUSAGE, "kafka://%s: \"%.*s\" is not HOST:PORT", rest, (int)n, p);
        p += n + 1;
    }
    if (!topic_is_valid(slash + 1))
        return pm_error_set(err, PM_EUSAGE, "kafka://%s: \"%s\" is not a topic's name: 1 to %d of a-z A-Z 0-9 . _ -",
                            rest, slash + 1, TOPIC_NAME_MAX);
    *ret_brokers = pm_malloc((size_t)(slash - rest) + 1);
    memcpy(*ret_brokers, rest, (size_t)(slash - rest));
    (*ret_brokers)[slash - rest] = 0;
    *ret_topic = pm_strdup(slash + 1);
    return PM_OK;
}

int pm_kafka_url_check(const char *rest, struct pm_error *err)
{
    char *brokers, *topic;
    PM_TRY(pm_kafka_url_parse(rest, &brokers, &topic, err));
    free(brokers);
    free(topic);
    return PM_OK;
}

char *pm_kafka_name(const char *head, const char *brokers, const char *topic)
{
    struct pm_buf name = {0};
    pm_buf_printf(&name, "%s%s/%s%c", head, brokers, topic, 0);
    return name.ptr;
}

/* ---- properties of the client ---- */

const struct pm_kafka_default pm_kafka_defaults[] = {
    {"client.id", "provmat", PM_KAFKA_ANY, false},
    {"reconnect.backoff.ms", "50", PM_KAFKA_ANY, false}, /* back 0.1 s after the broker is, instead of up to 10 s */
    {"reconnect.backoff.max.ms", "1000", PM_KAFKA_ANY, false},
    {"isolation.level", "read_committed", PM_KAFKA_ASK | PM_KAFKA_READ, false},
    {"group.id", "provmat", PM_KAFKA_READ, false}, /* assign() wants one; nothing is written to it */
    {"enable.auto.commit", "false", PM_KAFKA_READ, false},
    {"enable.auto.offset.store", "false", PM_KAFKA_READ, false},
    {"auto.offset.reset", "error", PM_KAFKA_READ, false}, /* I6: a gap is said, not jumped */
    {"enable.partition.eof", "true", PM_KAFKA_READ, false},
    {"check.crcs", "true", PM_KAFKA_READ, false},
    {"fetch.wait.max.ms", "100", PM_KAFKA_READ, false},   /* the EOF that passes a marker comes this late */
    {"fetch.queue.backoff.ms", "2", PM_KAFKA_READ, true}, /* from 2.2.0 on; before, the waker does it */
    {"queued.min.messages", "100000", PM_KAFKA_READ, false},
    {"queued.max.messages.kbytes", "16384", PM_KAFKA_READ, false}, /* what is read again soon stays in the cache */
    {"fetch.message.max.bytes", "2097152", PM_KAFKA_READ, false},
    {"topic.metadata.propagation.max.ms", "5000", PM_KAFKA_READ, false}, /* a deleted topic is noticed sooner */
    {"enable.idempotence", "true", PM_KAFKA_APPEND, false},
    {"acks", "all", PM_KAFKA_APPEND, false}, /* I5 */
    {"linger.ms", "20", PM_KAFKA_APPEND, false},
    {"queue.buffering.max.messages", "200000", PM_KAFKA_APPEND, false},
    {"queue.buffering.max.kbytes", "131072", PM_KAFKA_APPEND, false},
    {"message.max.bytes", "2000000", PM_KAFKA_APPEND, false},  /* above PM_LOG_RECORD_BYTES_MAX */
    {"partitioner", "murmur2_random", PM_KAFKA_APPEND, false}, /* as Java's client */
};
const size_t pm_kafka_n_defaults = sizeof pm_kafka_defaults / sizeof *pm_kafka_defaults;

/* Correctness rests on these: any other value is refused. */
static const struct {
    const char *name, *alias, *value, *value2, *why;
} fixed[] = {
    {"enable.auto.commit", NULL, "false", NULL, "the index holds the offsets"},
    {"auto.offset.reset", NULL, "error", NULL, "a gap in the log would be passed in silence"},
    {"enable.partition.eof", NULL, "true", NULL, "the end of the log would not be seen"},
    {"acks", "request.required.acks", "all", "-1", "a record counts when every replica in sync has it"},
    {"log.queue", NULL, "true", NULL, "diagnostics are served by provmat's own thread"},
};

bool pm_kafka_property_is_ours(const char *name)
{
    return strncmp(name, "provmat.", 8) == 0 || strncmp(name, "schema.registry.", 16) == 0;
}

int pm_kafka_property_check(const char *name, const char *value, struct pm_error *err)
{
    if (strcmp(name, "bootstrap.servers") == 0 || strcmp(name, "metadata.broker.list") == 0)
        return pm_error_set(err, PM_EUSAGE, "-X %s: the brokers stand in the log's URL: --log kafka://HOST:PORT/TOPIC",
                            name);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        if (strcmp(name, fixed[i].name) != 0 && !(fixed[i].alias && strcmp(name, fixed[i].alias) == 0)) continue;
        if (strcmp(value, fixed[i].value) == 0 || (fixed[i].value2 && strcmp(value, fixed[i].value2) == 0))
            return PM_OK;
        return pm_error_set(err, PM_EUSAGE, "-X %s=%s: cannot be changed from \"%s\": %s", name, value, fixed[i].value,
                            fixed[i].why);
    }
    return PM_OK;
}

bool pm_kafka_property_is_text(const char *name)
{
    size_t len = strlen(name);
    return !(len > 3 && strcmp(name + len - 3, "_cb") == 0) && !strstr(name, "opaque") &&
           strcmp(name, "default_topic_conf") != 0 && strcmp(name, "interceptors") != 0;
}

bool pm_kafka_is_tls(const struct pm_log_property *properties, size_t n)
{
    bool tls = false;
    for (size_t i = 0; i < n; i++)
        if (strcmp(properties[i].name, "security.protocol") == 0)
            tls = strcasecmp(properties[i].value, "ssl") == 0 || strcasecmp(properties[i].value, "sasl_ssl") == 0;
    return tls;
}

bool pm_kafka_property_is_secret(const char *name)
{
    static const char *const parts[] = {"password", "passphrase",         "secret", "key.pem", "ssl.key",
                                        "ssl_key",  "oauthbearer.config", "jaas",   "token"};
    if (strstr(name, "location") || strstr(name, "url") || strstr(name, "_cb")) return false;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(name, parts[i])) return true;
    return strstr(name, "basic.auth") != NULL;
}

/* NAME | ... a line, under a heading. */
void pm_kafka_property_pairs(const char **pairs, size_t n, void (*each)(void *arg, const char *name, const char *value),
                             void *arg)
{
    for (size_t i = 0; i + 1 < n; i += 2) {
        if (!pm_kafka_property_is_text(pairs[i])) continue;
        bool masked = pairs[i + 1] && pairs[i + 1][0] && pm_kafka_property_is_secret(pairs[i]);
        each(arg, pairs[i], masked ? "********" : pairs[i + 1] ? pairs[i + 1] : "");
    }
}

void pm_kafka_property_names(void (*show)(FILE *out), void (*each)(void *arg, const char *name), void *arg)
{
    char *table = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&table, &size);
    PM_CHECK(out);
    show(out);
    PM_CHECK(fclose(out) == 0);
    char *rest = table;
    for (char *line; (line = strsep(&rest, "\n"));) {
        size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789._");
        size_t bar = n + strspn(line + n, " ");
        if (n == 0 || line[bar] != '|') continue;
        line[n] = 0;
        if (pm_kafka_property_is_text(line)) each(arg, line);
    }
    free(table);
}

/* ---- settings of a topic ---- */

const struct pm_log_property pm_kafka_topic_settings[] = {
    {"cleanup.policy", "delete"},
    {"retention.ms", "-1"},
    {"retention.bytes", "-1"},
    {"max.message.bytes", "2097152"}, /* an event of 1 MiB with its framing, key and batch header */
    {NULL, NULL},
};

static const char *warn_cleanup(const char *value)
{
    return strstr(value, "compact")
               ? "compaction removes older records of a job: a replay would lose history; set cleanup.policy=delete"
               : NULL;
}

static const char *warn_retention_ms(const char *value)
{
    return strcmp(value, "-1") != 0
               ? "records older than this are deleted: a replay would lose history; set retention.ms=-1"
               : NULL;
}

static const char *warn_retention_bytes(const char *value)
{
    return strcmp(value, "-1") != 0
               ? "the oldest records are deleted beyond this size: a replay would lose history; set retention.bytes=-1"
               : NULL;
}

static const char *warn_timestamp(const char *value)
{
    return strcmp(value, "LogAppendTime") == 0
               ? "the broker's clock replaces each event's time on its record; set message.timestamp.type=CreateTime"
               : NULL;
}

static const char *warn_message_bytes(const char *value)
{
    uint64_t n;
    bool fits = pm_u64_parse(pm_slice_cstr(value), &n) && n >= PM_LOG_RECORD_BYTES_MAX + 1024;
    return fits ? NULL : "the largest events (1 MiB) would be refused; set max.message.bytes=2097152";
}

static const struct {
    const char *name;
    const char *(*warning)(const char *value);
} shown[] = {
    {"cleanup.policy", warn_cleanup},
    {"retention.ms", warn_retention_ms},
    {"retention.bytes", warn_retention_bytes},
    {"message.timestamp.type", warn_timestamp},
    {"message.timestamp.before.max.ms", NULL},
    {"message.timestamp.after.max.ms", NULL},
    {"max.message.bytes", warn_message_bytes},
    {"min.insync.replicas", NULL},
    {"compression.type", NULL},
    {"segment.bytes", NULL},
};

bool pm_kafka_setting_is_shown(const char *name)
{
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (strcmp(shown[i].name, name) == 0) return true;
    return false;
}

const char *pm_kafka_setting_warning(const char *name, const char *value)
{
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (strcmp(shown[i].name, name) == 0) return shown[i].warning ? shown[i].warning(value) : NULL;
    return NULL;
}
