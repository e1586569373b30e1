/* worlds.h: small random sets of events as lines of `emit`. All eight types; few paths, jobs and times, so that facts,
 * conflicts, results first met by their reuse, deletions and statuses meet each other. Every result has a true identity
 * from which single events stray. */
#ifndef PM_TEST_WORLDS_H
#define PM_TEST_WORLDS_H

#include <stddef.h>
#include <stdint.h>

struct test_world {
    char **lines; /* no two events share an event_id */
    size_t n;
};

/* The same seed gives the same lines. One seed in sixteen gives a wide world: more pairs of one job than a chunk of the
 * index holds. */
void test_world_make(uint64_t seed, struct test_world *ret);
void test_world_free(struct test_world *world);

#endif
