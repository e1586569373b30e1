/* mark.h: what stands in an index's writer.lock: the process that writes, and the file that it has open for writing.
 *
 *     PID\n            closed cleanly (or only locked, as a rebuild does)
 *     PID\nINODE\n     data.mdb with this inode is open for writing, or was when its writer was killed
 *
 * A killed writer leaves a whole index: LMDB sees to that. But who copies the files while they are written to gets
 * pages of several commits, which no look at single pages tells. Such a copy carries the mark of a file that it is not:
 * that is how it is known. */
#ifndef PM_STORE_MARK_H
#define PM_STORE_MARK_H

#include "common/base/error.h"

/* Writes the process's id over the one that stands there, and keeps a mark. */
int pm_mark_owner(int lock_fd, const char *path, struct pm_error *err) PM_MUST_CHECK;
/* Marks DIR/data.mdb as open for writing. */
int pm_mark_writing(int lock_fd, const char *dir, struct pm_error *err) PM_MUST_CHECK;
/* Takes the mark away. One that stays because the disk fails does no harm: it names the very file beside it. */
void pm_mark_clear(int lock_fd);
/* PM_EINDEX when the index in `dir` was copied while it was written to. A missing or foreign file says nothing. */
int pm_mark_check(const char *dir, struct pm_error *err) PM_MUST_CHECK;

#endif
