/* pending.h: the names of directories in which results are written before they are renamed into place. They stand
 * beside the place, so that the rename stays within one directory, and tell who writes there:
 *
 *   .provmat-put-KEY-MACHINE-PID-RANDOM     KEY: of the place's name; MACHINE: host, boot and space of process ids
 *
 * A walk lists them as half-written results and does not go in. One whose writer is gone is removed by the next put of
 * the same key: at once when it was on this machine and its process is no more, else after a day without a change.
 * Removing begins with a rename: a writer that lives after all finds its directory gone and begins anew, and never puts
 * a half-emptied one in place. */
#ifndef PM_PROVSTORE_PENDING_H
#define PM_PROVSTORE_PENDING_H

#include "common/base/buf.h"

#define PM_PENDING_NAME_SIZE 80 /* with the terminating zero */
#define PM_PENDING_AGE_US (24 * 3600 * (int64_t)1000000)

/* A new name for what is to become `place`, the last segment of a result's path. */
void pm_pending_name(struct pm_slice place, char out[PM_PENDING_NAME_SIZE]);

bool pm_pending_is(const char *name);

/* Its writer was on this machine and its process is no more. */
bool pm_pending_is_left(const char *name);

/* Whose the directory `name` is and whether it is being written to, as text. */
void pm_pending_describe(const char *name, struct pm_buf *out);

/* Removes what dead writers of `place` left in the directory `parent`. What cannot be removed stays. */
void pm_pending_clean(int parent, struct pm_slice place);

/* Removes the directory `name` in `parent` with the files in it. -1 with errno; directories in it are not removed. */
int pm_pending_remove(int parent, const char *name);

#endif
