/* nearest.h: "did you mean": which of some names is closest to a mistyped one. */
#ifndef PM_QUERY_NEAREST_H
#define PM_QUERY_NEAREST_H

#include "common/base/slice.h"

/* Number of single-character changes (put in, left out, replaced, two neighbours swapped) between a and b; texts above
 * 64 bytes are compared in their last 64. */
unsigned pm_text_distance(struct pm_slice a, struct pm_slice b);
/* Whether `distance` is small enough beside the length of what was typed to be worth suggesting. */
bool pm_text_near(struct pm_slice typed, unsigned distance);

#endif
