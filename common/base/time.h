/* time.h: instants are int64_t microseconds since 1970-01-01T00:00:00Z, proleptic Gregorian, no leap seconds. */
#ifndef PM_BASE_TIME_H
#define PM_BASE_TIME_H

#include <pthread.h>

#include "common/base/error.h"
#include "common/base/slice.h"

#define PM_TIME_TEXT_SIZE 32               /* with the terminating zero; years 0001..9999 */
#define PM_TIME_MIN (-62135596800000000LL) /* 0001-01-01T00:00:00Z */
#define PM_TIME_MAX 253402300799999999LL   /* 9999-12-31T23:59:59.999999Z */

/* RFC 3339 with an offset ("Z" or +hh:mm) and at most any number of fraction digits (beyond six they are cut). A time
 * without offset is refused (PM_EINVALID) and the text says so. */
int pm_time_parse(struct pm_slice text, int64_t *ret_us, struct pm_error *err) PM_MUST_CHECK;
/* The instant of a log's milliseconds since 1970: -1 (none) when they are negative or past PM_TIME_MAX. */
static inline int64_t pm_time_of_ms(int64_t ms) { return ms < 0 || ms > PM_TIME_MAX / 1000 ? -1 : ms * 1000; }
/* "2026-01-05T09:00:00.000000Z"; returns the length. `us` must be within PM_TIME_MIN..PM_TIME_MAX. */
size_t pm_time_format(int64_t us, char out[PM_TIME_TEXT_SIZE]);
int64_t pm_time_now_us(void); /* wall clock: only for producers, diagnostics and quarantine rows; never in apply (I2) */
int64_t pm_time_monotonic_us(void); /* for time-outs and rates */
/* A condition whose timed waits end by the monotonic clock: none lasts a day because the time of day jumped back by
 * one.
 */
void pm_time_cond_init(pthread_cond_t *cond);

#endif
