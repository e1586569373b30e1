/* log_kafka_refusal_test.c: what a person is told when a broker and we do not come together. */
#include "common/log/log_kafka_refusal.h"

#include <criterion/criterion.h>
#include <string.h>

static void remedy_is(const char *text, bool scram_is_broken, bool final, const char *look)
{
    struct pm_kafka_reason reason = {.scram_is_broken = scram_is_broken};
    pm_kafka_reason_note(&reason, text);
    const char *found = pm_kafka_reason_remedy(&reason);
    cr_assert(strncmp(found, "; ", 2) == 0 && strstr(found, look), "\"%s\": \"%s\" instead of \"%s\"", text, found,
              look);
    cr_assert_eq(pm_kafka_reason_is_final(&reason), final, "%s", text);
}

/* As librdkafka 2.0.2 and 2.15.1 word it. */
Test(log_kafka_refusal, a_refusal_names_the_property_to_look_at)
{
    remedy_is(
        "ssl://h:1/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker",
        false, true, "ssl.ca.location=");
    remedy_is("ssl://h:1/bootstrap: error:0A000086:SSL routines::certificate verify failed", false, true,
              "ssl.ca.location=");
    remedy_is("Receive failed: error:0A000412:SSL routines::sslv3 alert bad certificate: SSL alert number 42", false,
              true, "ssl.certificate.location=");
    remedy_is("Receive failed: error:0A00045C:SSL routines::tlsv13 alert certificate required", false, true,
              "ssl.certificate.location=");
    remedy_is("SSL routines::tlsv1 alert unknown ca", false, true, "ssl.certificate.location=");
    remedy_is("SASL authentication error: Authentication failed: Invalid username or password", false, true,
              "sasl.password=");
    remedy_is("SASL authentication error: Authentication failed: Invalid username or password", true, true,
              "RDKAFKA=latest");
    remedy_is("SASL PLAIN mechanism handshake failed: Broker: Request not valid in current SASL state: ", false, true,
              "security.protocol=");
    remedy_is("SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism: ", false, true,
              "sasl.mechanism=");
    remedy_is("127.0.0.1:1/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN", false, false,
              "security.protocol=");
    remedy_is("Disconnected while requesting ApiVersion: might be caused by incorrect security.protocol configuration",
              false, false, "security.protocol=");
    remedy_is(
        "SSL handshake failed: Disconnected: SSL connection closed by peer: connecting to a PLAINTEXT broker listener?",
        false, false, "security.protocol=");
    remedy_is("error:0A000126:SSL routines::unexpected eof while reading", false, false, "security.protocol=");
}

Test(log_kafka_refusal, which_library_cannot_do_scram)
{
    const struct pm_log_property scram[] = {{"sasl.username", "u"}, {"sasl.mechanism", "SCRAM-SHA-256"}},
                                 alias[] = {{"sasl.mechanisms", "SCRAM-SHA-512"}},
                                 plain[] = {{"sasl.mechanism", "PLAIN"}};
    cr_assert(pm_kafka_scram_is_broken(scram, 2, 0x020002ff));
    cr_assert(pm_kafka_scram_is_broken(alias, 1, 0x020600ff));
    cr_assert(!pm_kafka_scram_is_broken(scram, 2, 0x020601ff));
    cr_assert(!pm_kafka_scram_is_broken(plain, 1, 0x020002ff));
    cr_assert(!pm_kafka_scram_is_broken(NULL, 0, 0x020002ff));
}

Test(log_kafka_refusal, what_is_kept_of_a_reason)
{
    struct pm_kafka_reason reason = {.text = ""};
    cr_assert(!pm_kafka_reason_is_final(&reason) && pm_kafka_reason_remedy(&reason)[0] == 0);
    pm_kafka_reason_note(&reason,
                         "[thrd:h:1/bootstrap]: h:1/bootstrap: Disconnected (after 3ms in state UP, 1 suppressed)");
    cr_assert_str_eq(reason.text, "h:1/bootstrap: Disconnected");
    pm_kafka_reason_note(&reason, "h:1/bootstrap: Send failed: Broken pipe");
    cr_assert_str_eq(reason.text, "h:1/bootstrap: Disconnected", "what follows from a refusal stood in its place");
    pm_kafka_reason_note(&reason,
                         "Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)");
    cr_assert_str_eq(reason.text, "Connect to ipv4#127.0.0.1:1 failed: Connection refused");
    cr_assert(!pm_kafka_reason_is_final(&reason) && pm_kafka_reason_remedy(&reason)[0] == 0);
    char longest[2000];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = 0;
    pm_kafka_reason_note(&reason, longest);
    cr_assert_eq(strlen(reason.text), sizeof reason.text - 1);
}

Test(log_kafka_refusal, a_configuration_that_is_refused)
{
    cr_assert(strstr(pm_kafka_configuration_remedy("No provider for SASL mechanism GSSAPI"), "sasl.mechanism=PLAIN"));
    cr_assert(strstr(pm_kafka_configuration_remedy("ssl.key.location failed: PEM lib"), "ssl.key.password"));
    cr_assert(strstr(pm_kafka_configuration_remedy("ssl.ca.location failed: system lib"), "PEM"));
    cr_assert_str_eq(pm_kafka_configuration_remedy("`acks` must be set to `all`"), "");
}

/* A broker that starts may refuse what it lets in a moment later. */
Test(log_kafka_refusal, a_refusal_that_lasts)
{
    struct pm_kafka_reason reason = {.text = ""};
    cr_assert(!pm_kafka_refusal_lasts(&reason, 1000, 500));
    pm_kafka_reason_note(&reason, "h:1/1: Connect to h:1 failed: Connection refused");
    cr_assert(!pm_kafka_refusal_lasts(&reason, 9000, 500), "away is not refused");
    pm_kafka_reason_note(&reason,
                         "h:1/1: SASL authentication error: Authentication failed: Invalid username or password");
    cr_assert(!pm_kafka_refusal_lasts(&reason, 10000, 500));
    cr_assert(!pm_kafka_refusal_lasts(&reason, 10499, 500));
    cr_assert(pm_kafka_refusal_lasts(&reason, 10500, 500));
    cr_assert(!pm_kafka_refusal_lasts(&reason, 10501, 500), "said once, then it begins anew");
    pm_kafka_reason_clear(&reason);
    cr_assert(!pm_kafka_refusal_lasts(&reason, 20000, 500));
    reason.refused = true;
    cr_assert(!pm_kafka_refusal_lasts(&reason, 30000, 500));
    cr_assert(pm_kafka_refusal_lasts(&reason, 30500, 500));
}

static void misplaced(int64_t wanted, const struct pm_error *asked, const char *says)
{
    struct pm_error err;
    cr_assert_eq(pm_kafka_misplaced(3, wanted, "out of range", 10, 20, asked, &err), PM_ELOG);
    cr_assert(strstr(err.text, says) && strstr(err.text, "partition 3"), "%s", err.text);
}

Test(log_kafka_refusal, what_is_said_of_a_lost_place)
{
    struct pm_error known = {.code = PM_OK}, unknown = {.code = PM_ELOGAWAY, .text = "no answer"};
    misplaced(15, &unknown, "what the log holds: no answer");
    misplaced(15, &known, "offset 15: out of range; the log now holds 10..19");
    misplaced(5, &known, "records 5..9 are gone");
    misplaced(21, &known, "cut or made anew");
}
