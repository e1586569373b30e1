/* kafka_raw.h: what the suite does to a topic behind the log's back: transactions, deletion, truncation. `url` is the
 * log's, kafka://host:port/TOPIC. */
#ifndef PM_TESTS_CONTRACT_KAFKA_RAW_H
#define PM_TESTS_CONTRACT_KAFKA_RAW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/log/log.h"

void raw_delete_topic(const char *url); /* also one that is not there; waits until it is gone */
void raw_create_topic(const char *url, int n_partitions,
                      const struct pm_log_property *settings); /* settings end with a NULL name, or NULL */
void raw_add_partitions(const char *url, int n_total);
void raw_delete_records(const char *url, int32_t partition, int64_t before);
/* n records of the values "VALUE0", "VALUE1" ... to one partition in one transaction. */
void raw_transaction(const char *url, int32_t partition, const char *value, int n, bool commit);

/* The limit that the log is measured against: a bare batch consumer of the whole topic from offset 0; returns records,
 * their bytes in *ret_bytes. */
uint64_t raw_consume(const char *url, int32_t n_partitions, uint64_t n_expected, uint64_t *ret_bytes);

#endif
