/* given.h: structs of a public header that begin with their size, so that a program that was compiled with one version
 * of the header works with a library of another. Pure: any thread. */
#ifndef PM_BASE_GIVEN_H
#define PM_BASE_GIVEN_H

#include "common/base/error.h"

#define PM_GIVEN_BYTES_MAX 4096

/* A struct that begins with its size, into our own of `own_size` bytes, which may be a smaller or larger version of it;
 * `name` is what messages call it. PM_EINVALID when it is NULL, when the size was never set, or when the struct sets
 * members that are not known here: what is said must not be passed over in silence. */
int pm_given_take(void *own, size_t own_size, const void *given, const char *name, struct pm_error *err) PM_MUST_CHECK;
#define PM_GIVEN_TAKE(own, given, name, err) pm_given_take(&(own), sizeof(own), given, name, err)

#endif
