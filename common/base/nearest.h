/* nearest.h: "did you mean": which of some names is closest to a mistyped one. Any thread. */
#ifndef PM_BASE_NEAREST_H
#define PM_BASE_NEAREST_H

#include "common/base/slice.h"

/* Number of single-character changes (put in, left out, replaced, two neighbours swapped) between a and b; texts above
 * 64 bytes are compared in their last 64. */
unsigned pm_text_distance(struct pm_slice a, struct pm_slice b);
/* Whether `distance` is small enough beside the length of what was typed to be worth suggesting. */
bool pm_text_near(struct pm_slice typed, unsigned distance);

/* The nearest of several names: start with {.typed = ...}, try each, ask for the best. */
struct pm_nearest {
    struct pm_slice typed;
    const char *best; /* of the candidates; not copied */
    unsigned distance;
};
void pm_nearest_try(struct pm_nearest *n, const char *candidate);
const char *pm_nearest_best(const struct pm_nearest *n); /* NULL when none is near enough */

#endif
