/* log_kafka_refusal.h: why a connection to a broker failed, in the client library's words, and what a person looks at
 * then. No library in here; log_kafka.c hands over what the library says. One thread a handle. */
#ifndef PM_LOG_LOG_KAFKA_REFUSAL_H
#define PM_LOG_LOG_KAFKA_REFUSAL_H

#include "common/log/log.h"

struct pm_kafka_reason {
    char text[512];       /* "": nothing failed since the last success */
    bool refused;         /* waiting will not mend it: a login, a certificate */
    bool scram_is_broken; /* pm_kafka_scram_is_broken */
    int64_t refused_ms;   /* pm_kafka_refusal_lasts: since when; 0: not */
};

/* The log answers. */
void pm_kafka_reason_clear(struct pm_kafka_reason *reason);

/* For one that was let in: true, once, when it has been refused (`refused`, or the reason is final) for timeout_ms;
 * asked again and again. */
bool pm_kafka_refusal_lasts(struct pm_kafka_reason *reason, int64_t now_ms, int timeout_ms);

/* Keeps what the library says of a connection, without its remarks on how long it took. */
void pm_kafka_reason_note(struct pm_kafka_reason *reason, const char *text);
/* Waiting will not mend it: a login, a certificate. */
bool pm_kafka_reason_is_final(const struct pm_kafka_reason *reason);
/* To be put behind the text: "; " and the property to look at, or "" when nothing is known of it. */
const char *pm_kafka_reason_remedy(const struct pm_kafka_reason *reason);

/* The errors that these make, always returned: PM_ELOG; PM_ELOGAWAY, with `otherwise` when there is no reason; PM_ELOG.
 */
int pm_kafka_refused(const struct pm_kafka_reason *reason, const char *brokers, struct pm_error *err);
int pm_kafka_away(const struct pm_kafka_reason *reason, const char *brokers, const char *topic, const char *what,
                  const char *otherwise, struct pm_error *err);
int pm_kafka_not_acknowledged(const struct pm_kafka_reason *reason, const char *brokers, uint64_t n, uint64_t handed,
                              int silence_ms, struct pm_error *err);
int pm_kafka_no_topic(const char *brokers, const char *topic, struct pm_error *err);

/* The library lost the place of a partition, and `said` so; first and next are what the log holds, unless `asked` says
 * why that is not known. */
int pm_kafka_misplaced(int32_t partition, int64_t wanted, const char *said, int64_t first, int64_t next,
                       const struct pm_error *asked, struct pm_error *err);

/* The same as the remedy for what the library says when it refuses its configuration. */
const char *pm_kafka_configuration_remedy(const char *text);

/* True when these properties ask for SCRAM and a library of this version (0xMMmmrrpp) fails at it with Kafka 4 whatever
 * the password. */
bool pm_kafka_scram_is_broken(const struct pm_log_property *properties, size_t n, int version);

/* Failures that go away by themselves when the brokers are back; the library's name of the error. */
bool pm_kafka_error_is_away(const char *error);

/* Which setting a person changes so that the broker does what it refused, as the end of a message; the library's name
 * of the error. */
const char *pm_kafka_remedy(const char *error);

#endif
