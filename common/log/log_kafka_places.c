/* log_kafka_places.c: positions, pauses, ends. */
#include "common/log/log_kafka_places.h"

#include <stdlib.h>

#include "common/base/check.h"

#define PAUSE_MS 400 /* the library stays away for 500 ms from a topic that was gone, and says nothing */

void pm_kafka_places_release(struct pm_kafka_places *places)
{
    free(places->at);
    places->at = NULL;
    places->n = 0;
}

void pm_kafka_places_grow(struct pm_kafka_places *places, int32_t n)
{
    if (n <= places->n) return;
    places->at = pm_realloc(places->at, (size_t)n * sizeof *places->at);
    while (places->n < n) places->at[places->n++] = (struct pm_kafka_place){.position = -1};
}

struct pm_kafka_place *pm_kafka_place(const struct pm_kafka_places *places, int32_t partition)
{
    return partition >= 0 && partition < places->n ? &places->at[partition] : NULL;
}

void pm_kafka_place_sought(struct pm_kafka_places *places, int32_t partition, int64_t offset, int64_t now_ms)
{
    struct pm_kafka_place *place = &places->at[partition];
    *place = (struct pm_kafka_place){
        .position = offset, .heard_ms = now_ms, .breaks = place->breaks, .assigned = true, .delivering = true};
    pm_kafka_waker_set(&places->waker, partition, true);
}

void pm_kafka_place_left(struct pm_kafka_places *places, int32_t partition)
{
    pm_kafka_waker_set(&places->waker, partition, false);
    places->at[partition].assigned = places->at[partition].delivering = false;
}

bool pm_kafka_place_ended(struct pm_kafka_places *places, int32_t partition, int64_t offset)
{
    struct pm_kafka_place *place = &places->at[partition];
    bool moved = offset > place->position;
    if (moved) place->position = offset;
    place->at_end = true;
    pm_kafka_waker_set(&places->waker, partition, false);
    return moved;
}

bool pm_kafka_place_heard(struct pm_kafka_places *places, int32_t partition, int64_t offset, int64_t now_ms)
{
    struct pm_kafka_place *place = &places->at[partition];
    if (offset < place->position) return false;
    place->position = offset + 1;
    if (now_ms - place->heard_ms > PAUSE_MS) place->breaks++;
    place->heard_ms = now_ms;
    if (place->at_end) {
        place->at_end = false;
        pm_kafka_waker_set(&places->waker, partition, true);
    }
    return true;
}
