/* log_kafka_conf.h: what provmat knows about Kafka as tables and text, without the client library: the URL, the
 * properties that we set and those that nobody may change, the settings of a topic that replay needs. log_kafka.c hands
 * them to the library. No state; any thread. */
#ifndef PM_LOG_LOG_KAFKA_CONF_H
#define PM_LOG_LOG_KAFKA_CONF_H

#include <stdio.h>

#include "common/log/log.h"

/* "host:port[,host:port...]/TOPIC" apart; PM_EUSAGE says what is wrong with it. Both strings are the caller's to free.
 */
int pm_kafka_url_parse(const char *rest, char **ret_brokers, char **ret_topic, struct pm_error *err) PM_MUST_CHECK;

/* The same, when only the error counts. */
int pm_kafka_url_check(const char *rest, struct pm_error *err) PM_MUST_CHECK;
/* HEADbrokers/topic, for the caller to free. */
char *pm_kafka_name(const char *head, const char *brokers, const char *topic) PM_MUST_CHECK;

/* Which kind of client a property is for. */
enum pm_kafka_use {
    PM_KAFKA_ASK = 1 /* metadata, watermarks, admin */,
    PM_KAFKA_READ = 2,
    PM_KAFKA_APPEND = 4,
    PM_KAFKA_ANY = 7
};

struct pm_kafka_default {
    const char *name, *value;
    int uses;      /* of pm_kafka_use */
    bool optional; /* an older library that does not know it goes on without */
};
extern const struct pm_kafka_default pm_kafka_defaults[];
extern const size_t pm_kafka_n_defaults;

/* "provmat.*" and "schema.registry.*" are not the library's. */
bool pm_kafka_property_is_ours(const char *name);
/* PM_EUSAGE for a property that correctness rests on, with a value that breaks it. */
int pm_kafka_property_check(const char *name, const char *value, struct pm_error *err) PM_MUST_CHECK;
/* False for what a dump shows as an address: callbacks and other objects of the program. */
bool pm_kafka_property_is_text(const char *name);
bool pm_kafka_property_is_secret(const char *name);
/* True when these properties ask for TLS. */
bool pm_kafka_is_tls(const struct pm_log_property *properties, size_t n);
/* Names and values as a dump has them, secrets masked. */
void pm_kafka_property_pairs(const char **pairs, size_t n, void (*each)(void *arg, const char *name, const char *value),
                             void *arg);
/* The names in the table that `show`, the library's, prints of its properties. */
void pm_kafka_property_names(void (*show)(FILE *out), void (*each)(void *arg, const char *name), void *arg);

/* What a new topic gets; ends with a NULL name. */
extern const struct pm_log_property pm_kafka_topic_settings[];
bool pm_kafka_setting_is_shown(const char *name);
/* NULL when fine, else why replay or emit would suffer. */
const char *pm_kafka_setting_warning(const char *name, const char *value);

#endif
