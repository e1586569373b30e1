/* log_kafka_places.h: where a reader stands in each partition of a topic; what moves it, without the library that
 * tells.
 *
 *   unsought -> delivering   sought
 *   delivering -> faulted    left
 *   faulted -> delivering    sought
 *
 * Belongs to the reader's thread. */
#ifndef PM_LOG_LOG_KAFKA_PLACES_H
#define PM_LOG_LOG_KAFKA_PLACES_H

#include "common/log/log_kafka_waker.h"

struct pm_kafka_place {
    int64_t position; /* the next offset that is delivered; -1: unsought */
    int64_t heard_ms; /* when it was sought or a message came last */
    uint64_t breaks;  /* pauses that were long enough for the topic to be made anew */
    bool assigned, delivering, at_end;
};

struct pm_kafka_places {
    struct pm_kafka_place *at; /* by partition */
    int32_t n;
    struct pm_kafka_waker waker; /* is told who is behind */
};

void pm_kafka_places_release(struct pm_kafka_places *places);
void pm_kafka_places_grow(struct pm_kafka_places *places, int32_t n);
/* NULL: there is no such partition. */
struct pm_kafka_place *pm_kafka_place(const struct pm_kafka_places *places, int32_t partition);

void pm_kafka_place_sought(struct pm_kafka_places *places, int32_t partition, int64_t offset, int64_t now_ms);
void pm_kafka_place_left(struct pm_kafka_places *places, int32_t partition);
/* The end of the partition: it passes offsets that nobody receives. True when the position moved. */
bool pm_kafka_place_ended(struct pm_kafka_places *places, int32_t partition, int64_t offset);
/* A message: false when it was delivered already. */
bool pm_kafka_place_heard(struct pm_kafka_places *places, int32_t partition, int64_t offset, int64_t now_ms);

#endif
