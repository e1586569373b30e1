/* events.h: random events for tests of the codec, and whether two events are the same. */
#ifndef PM_TEST_EVENTS_H
#define PM_TEST_EVENTS_H

#include "common/event/event.h"

/* splitmix64: the same numbers from the same seed, everywhere. */
uint64_t test_random(uint64_t *state);

/* An event of any form the wire can carry: each optional member is there or not, numbers over their whole range, texts
 * of 0 to 300 arbitrary bytes, arrays of 0 to 9 items. Its values keep no rule of the contract but the form. Borrows
 * from the arena. */
void test_random_event(enum pm_event_type type, uint64_t *state, struct pm_arena *arena, struct pm_event *ret);

/* The name of the first member of a's type in which they differ, "type" or "has"; NULL when they are the same. Doubles
 * by their bits. */
const char *test_event_difference(const struct pm_event *a, const struct pm_event *b);

/* An event that keeps every rule (pm_event_check), of `type`, with few members; borrows from constants. */
void test_plain_event(enum pm_event_type type, struct pm_event *ret);

#endif
