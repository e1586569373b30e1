/* log_world.h: a log of each kind for the contract suite: where it lives, how it is made, and helpers that hold for all
 * of them. A Kafka topic is made on the broker of PROVMAT_TEST_KAFKA (host:port); without it the test is skipped and
 * says so. */
#ifndef PM_TESTS_CONTRACT_LOG_WORLD_H
#define PM_TESTS_CONTRACT_LOG_WORLD_H

#include "common/base/buf.h"
#include "common/log/log.h"

enum world_kind { WORLD_MEMORY, WORLD_LOCAL, WORLD_KAFKA };

struct world {
    enum world_kind kind;
    char url[256];
};

/* A URL that nothing stands at yet. */
struct world world_new(enum world_kind kind);
void world_end(struct world *world);                      /* removes what was made */
void world_create(struct world *world, int n_partitions); /* the log itself */
struct pm_log *world_open(const struct world *world, enum pm_log_mode mode);

/* One log test for each kind. The body sees `struct world *world`. */
#define CONTRACT(name)                            \
    static void name##_body(struct world *world); \
    CONTRACT_ONE(log_memory, WORLD_MEMORY, name)  \
    CONTRACT_ONE(log_local, WORLD_LOCAL, name)    \
    CONTRACT_ONE(log_kafka, WORLD_KAFKA, name)    \
    static void name##_body(struct world *world)
#define CONTRACT_ONE(suite, kind, name)       \
    Test(suite, name, .timeout = 60)          \
    {                                         \
        struct world world = world_new(kind); \
        name##_body(&world);                  \
        world_end(&world);                    \
    }

void must_append(struct pm_log *log, const char *key, const char *value, int64_t timestamp_ms);
void must_flush(struct pm_log *log);
void must_seek_all(struct pm_log *log, int64_t offset);
void must_offsets(struct pm_log *log, int32_t partition, int64_t *first, int64_t *next);

/* Polls until every partition's position is at the end that the log has now, or a fault comes. Appends "P:OFFSET
 * TIMESTAMP KEY=VALUE\n" lines a partition to text[partition]; a null value is "(null)". Returns the number of records;
 * the first fault goes to *fault (NULL: there must be none). */
size_t read_to_end(struct pm_log *log, struct pm_buf *text, int32_t n_partitions, size_t n_max,
                   struct pm_log_fault *fault);

#endif
