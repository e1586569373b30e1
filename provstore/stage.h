/* stage.h: a result's directory while it is written: under a name of its own beside its place (pending.h), synced to
 * the disk, then renamed into place.
 *
 *   nothing --open--> pending directory --file, text--> ... --publish--> in its place
 *                                                     \--discard--> nothing
 *
 * A rename of directories is atomic and fails when there is something at the place already, on every file system: of
 * many writers of one key one wins, and a writer that is killed leaves its pending directory and nothing else.
 * Permissions are the process's umask's. One thread a stage. */
#ifndef PM_PROVSTORE_STAGE_H
#define PM_PROVSTORE_STAGE_H

#include "common/base/error.h"
#include "common/base/slice.h"
#include "provstore/artifact.h"
#include "provstore/below.h"
#include "provstore/pending.h"

struct pm_stage {
    int parent, dir; /* -1: not open */
    char name[PM_PENDING_NAME_SIZE];
    char place[PM_NAME_BYTES_MAX + 1]; /* the path's last segment */
};
#define PM_STAGE_CLOSED ((struct pm_stage){.parent = -1, .dir = -1})

/* Makes the directories above ROOT/path as needed, and the pending directory. PM_EIO. */
int pm_stage_open(int root, struct pm_slice path, struct pm_stage *ret, struct pm_error *err) PM_MUST_CHECK;

/* A new file with what `source` has from where it stands to its end; `what` is the source's name in messages. */
int pm_stage_file(struct pm_stage *stage, const char *name, int source, const char *what, struct pm_artifact *ret,
                  struct pm_error *err) PM_MUST_CHECK;
/* The same with these bytes; `ret` may be NULL. */
int pm_stage_text(struct pm_stage *stage, const char *name, struct pm_slice bytes, struct pm_artifact *ret,
                  struct pm_error *err) PM_MUST_CHECK;

/* Into place, synced. *ret_done false: something is there already; the stage stays as it was. PM_EIO else. */
int pm_stage_publish(struct pm_stage *stage, bool *ret_done, struct pm_error *err) PM_MUST_CHECK;
/* Changes places with what is there, a directory: this one is in place then, and what was there under stage->name.
 * Doing it again undoes it. Where the file system cannot exchange two names there is nothing at the place for a
 * moment. PM_EIO. */
int pm_stage_exchange(struct pm_stage *stage, struct pm_error *err) PM_MUST_CHECK;

void pm_stage_discard(struct pm_stage *stage); /* removes the pending directory, and closes */
void pm_stage_close(struct pm_stage *stage);   /* leaves what there is */

#endif
