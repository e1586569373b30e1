/* fault.h: planned failures, for tests (tests/faults). Only FLAVOR=faults has them; elsewhere both macros leave nothing
 * behind.
 *
 *   PROVMAT_FAULT=POINT:N:ACTION[,...]  the N-th passing of a point (fault.def) does it: kill (SIGKILL), error
 * (PM_EIO), full (PM_EMAPFULL), abort PROVMAT_FAULT_LIMITS=NAME=VALUE[,...]  other limits than the built-in ones
 *   PROVMAT_FAULT_COUNTS=FILE           how often each point was passed, written when the program ends by itself
 *
 * Any thread. */
#ifndef PM_BASE_FAULT_H
#define PM_BASE_FAULT_H

#include <stdint.h>

#include "common/base/error.h"

enum pm_fault_point {
#define X(point, text) PM_FAULT_##point,
#include "common/base/fault.def"
#undef X
    PM_FAULT_POINT_COUNT
};

#ifdef PM_FAULTS
/* PM_OK, or the error that was asked for; or it does not return. */
#define PM_FAULT(point, err) pm_fault_pass(PM_FAULT_##point, err)
/* `value`, or what the test says instead. */
#define PM_FAULT_LIMIT(name, value) pm_fault_limit(#name, value)

int pm_fault_pass(enum pm_fault_point point, struct pm_error *err);
uint64_t pm_fault_limit(const char *name, uint64_t value);
#else
#define PM_FAULT(point, err) PM_OK
#define PM_FAULT_LIMIT(name, value) (value)
#endif

#endif
