/* look.h: what lies at one path of a store, read as a walk reads it (store.h), and kept. */
#ifndef PM_PROVSTORE_LOOK_H
#define PM_PROVSTORE_LOOK_H

#include "provstore/store.h"

struct pm_place { /* one store; `root` is absolute, and what root_fd has open */
    const char *root;
    int root_fd;
    const struct pm_schemas *schemas;
};

enum pm_look_state {
    PM_LOOK_NOTHING, /* no such directory, or an empty one */
    PM_LOOK_WHOLE,
    PM_LOOK_FAILED,  /* what is stored is an error */
    PM_LOOK_DAMAGED, /* half-written or broken */
};

struct pm_looked {
    enum pm_look_state state;
    struct pm_slice reason; /* FAILED and DAMAGED; names the file */
    struct pm_event facts;  /* WHOLE, FAILED: as a ResultDiscovered says them */
    bool time_from_file;
    struct pm_slice metadata, result; /* the texts of both files */
};

/* Everything in *ret lives in `arena`. `checksums`: every artifact is read and compared. PM_EIO: it cannot be looked
 * at, or a part of the path is no directory (a symbolic link is none). */
int pm_look(const struct pm_place *place, struct pm_slice path, bool checksums, struct pm_arena *arena,
            struct pm_looked *ret, struct pm_error *err) PM_MUST_CHECK;

#endif
