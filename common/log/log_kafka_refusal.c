/* log_kafka_refusal.c: see log_kafka_refusal.h. */
#include "common/log/log_kafka_refusal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/log/log_impl.h"

#define LOOK_LISTENER \
    "; is -X security.protocol= what the broker's listener speaks: plaintext, ssl, sasl_plaintext or sasl_ssl?"
#define LOOK_TRUST                                                                                     \
    "; the broker's certificate is not trusted: -X ssl.ca.location=FILE names the CA that signed it, " \
    "and the host in the log's URL must be one of the certificate's names"
#define LOOK_CERTIFICATE                                                                        \
    "; the broker wants a client certificate that it trusts: -X ssl.certificate.location=FILE " \
    "and -X ssl.key.location=FILE"
#define LOOK_MECHANISM "; -X sasl.mechanism= must be one of those that the broker supports"
#define LOOK_LOGIN "; look at -X sasl.username= and sasl.password="
#define LOOK_SCRAM                                                                                         \
    "; this librdkafka cannot log in to Kafka 4 with SCRAM, whatever the password (2.6.1 and newer can): " \
    "build provmat with `make RDKAFKA=latest`, or set -X sasl.mechanism=PLAIN; with an older broker" LOOK_LOGIN

#define RIGHTS "; the broker's rules (ACLs) do not give this user the right to"

/* By words that stay the same from one version of the library, and of OpenSSL, to the next; the first row that fits
 * counts. */
static const struct {
    const char *says, *and_says; /* both, or NULL */
    bool final;
    const char *look;
} refusals[] = {
    {"certificate verify failed", NULL, true, LOOK_TRUST},
    {" alert ", "certificate", true, LOOK_CERTIFICATE},
    {" alert unknown ca", NULL, true, LOOK_CERTIFICATE},
    {"not valid in current SASL state", NULL, true, LOOK_LISTENER}, /* SASL at a listener without it */
    {"SASL", "mechanism handshake failed", true, LOOK_MECHANISM},
    {"SASL authentication error", NULL, true, LOOK_LOGIN},
    {"Authentication failed", NULL, true, LOOK_LOGIN},
    {"opic authorization failed", NULL, true, RIGHTS}, /* of a topic that could be read before */
    {"Disconnected", NULL, false, LOOK_LISTENER},      /* a broker that is about to end hangs up as well */
    {"SSL handshake failed", NULL, false, LOOK_LISTENER},
    {"SSL", "unexpected eof", false, LOOK_LISTENER}, /* the same by another of the library's voices */
};
#define N_REFUSALS ((int)(sizeof refusals / sizeof *refusals))

static int find(const char *text)
{
    for (int i = 0; i < N_REFUSALS; i++)
        if (strstr(text, refusals[i].says) && (!refusals[i].and_says || strstr(text, refusals[i].and_says))) return i;
    return -1;
}

/* A connection that breaks while it is being refused says less than the refusal did. */
void pm_kafka_reason_note(struct pm_kafka_reason *reason, const char *text)
{
    const char *thread = strncmp(text, "[thrd:", 6) == 0 ? strstr(text, "]: ") : NULL;
    if (thread) text = thread + 3;
    const char *after = strstr(text, " (after ");
    if (strstr(text, "Send failed") && find(reason->text) >= 0) return;
    snprintf(reason->text, sizeof reason->text, "%.*s", (int)(after ? (size_t)(after - text) : strlen(text)), text);
}

bool pm_kafka_reason_is_final(const struct pm_kafka_reason *reason)
{
    int i = find(reason->text);
    return i >= 0 && refusals[i].final;
}

void pm_kafka_reason_clear(struct pm_kafka_reason *reason)
{
    reason->refused = false;
    reason->text[0] = 0;
}

bool pm_kafka_refusal_lasts(struct pm_kafka_reason *reason, int64_t now_ms, int timeout_ms)
{
    if (!reason->refused && !pm_kafka_reason_is_final(reason)) {
        reason->refused_ms = 0;
        return false;
    }
    if (reason->refused_ms == 0) reason->refused_ms = now_ms;
    if (now_ms - reason->refused_ms < timeout_ms) return false;
    reason->refused_ms = 0;
    return true;
}

const char *pm_kafka_reason_remedy(const struct pm_kafka_reason *reason)
{
    int i = find(reason->text);
    if (i < 0) return "";
    return reason->scram_is_broken && strcmp(refusals[i].look, LOOK_LOGIN) == 0 ? LOOK_SCRAM : refusals[i].look;
}

int pm_kafka_refused(const struct pm_kafka_reason *reason, const char *brokers, struct pm_error *err)
{
    return pm_error_set(err, PM_ELOG, "could not connect to %s: %s%s", brokers, reason->text,
                        pm_kafka_reason_remedy(reason));
}

int pm_kafka_away(const struct pm_kafka_reason *reason, const char *brokers, const char *topic, const char *what,
                  const char *otherwise, struct pm_error *err)
{
    return pm_error_set(err, PM_ELOGAWAY, "could not reach %s to %s of topic \"%s\": %s%s", brokers, what, topic,
                        reason->text[0] ? reason->text : otherwise, pm_kafka_reason_remedy(reason));
}

int pm_kafka_not_acknowledged(const struct pm_kafka_reason *reason, const char *brokers, uint64_t n, uint64_t handed,
                              int silence_ms, struct pm_error *err)
{
    return pm_error_set(err, PM_ELOGAWAY,
                        "%" PRIu64 " of %" PRIu64
                        " records are not acknowledged by %s, and none was in the last %g s: %s",
                        n, handed, brokers, silence_ms / 1000.0, reason->text[0] ? reason->text : "no answer");
}

int pm_kafka_misplaced(int32_t partition, int64_t wanted, const char *said, int64_t first, int64_t next,
                       const struct pm_error *asked, struct pm_error *err)
{
    if (asked->code != PM_OK)
        return pm_error_set(err, PM_ELOG,
                            "partition %" PRId32 ": offset %" PRId64 " is out of range: %s; what the log holds: %s",
                            partition, wanted, said, asked->text);
    if (wanted < first || wanted > next) return pm_log_out_of_range(err, partition, wanted, first, next);
    return pm_error_set(err, PM_ELOG,
                        "partition %" PRId32 " offset %" PRId64 ": %s; the log now holds %" PRId64 "..%" PRId64,
                        partition, wanted, said, first, next - 1);
}

int pm_kafka_no_topic(const char *brokers, const char *topic, struct pm_error *err)
{
    return pm_error_set(err, PM_ELOG,
                        "topic \"%s\" does not exist on %s; create it with: provmat log create --log kafka://%s/%s",
                        topic, brokers, brokers, topic);
}

const char *pm_kafka_configuration_remedy(const char *text)
{
    if (strstr(text, "kerberos") || strstr(text, "GSSAPI"))
        return "; sasl.mechanism is GSSAPI (Kerberos) unless it is set: -X sasl.mechanism=PLAIN or SCRAM-SHA-512";
    if (strstr(text, "ssl.key.location failed")) return "; is it a key in PEM form, and ssl.key.password its password?";
    if (strstr(text, "location failed")) return "; is it a file in PEM form that can be read?";
    return "";
}

bool pm_kafka_scram_is_broken(const struct pm_log_property *properties, size_t n, int version)
{
    bool scram = false;
    for (size_t i = 0; i < n; i++)
        if (strcmp(properties[i].name, "sasl.mechanism") == 0 || strcmp(properties[i].name, "sasl.mechanisms") == 0)
            scram = strncmp(properties[i].value, "SCRAM-", 6) == 0;
    return scram && version < 0x02060100; /* before, it repeats its nonce, which Kafka 4 refuses */
}

const char *pm_kafka_remedy(const char *error)
{
    static const struct {
        const char *error, *remedy;
    } known[] = {
        {"MSG_SIZE_TOO_LARGE", "; raise the topic's max.message.bytes (2097152 fits every event)"},
        {"INVALID_TIMESTAMP", "; the topic's message.timestamp.before.max.ms and message.timestamp.after.max.ms say "
                              "how far from the broker's "
                              "clock a time may be"},
        {"NOT_ENOUGH_REPLICAS", "; the topic's min.insync.replicas is above the replicas in sync"},
        {"NOT_ENOUGH_REPLICAS_AFTER_APPEND", "; the topic's min.insync.replicas is above the replicas in sync"},
        {"TOPIC_AUTHORIZATION_FAILED", RIGHTS},
        {"CLUSTER_AUTHORIZATION_FAILED", RIGHTS},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(error, known[i].error) == 0) return known[i].remedy;
    return "";
}

bool pm_kafka_error_is_away(const char *error)
{
    static const char *const away[] = {
        "_TRANSPORT",           "_TIMED_OUT",
        "_TIMED_OUT_QUEUE",     "_MSG_TIMED_OUT",
        "_ALL_BROKERS_DOWN",    "_RESOLVE",
        "LEADER_NOT_AVAILABLE", "NOT_LEADER_FOR_PARTITION",
        "REQUEST_TIMED_OUT",    "BROKER_NOT_AVAILABLE",
        "NETWORK_EXCEPTION",    "NOT_CONTROLLER",
        "KAFKA_STORAGE_ERROR",
    };
    for (size_t i = 0; i < sizeof away / sizeof away[0]; i++)
        if (strcmp(error, away[i]) == 0) return true;
    return false;
}
