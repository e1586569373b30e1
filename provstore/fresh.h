/* fresh.h: a snapshot of the index for who asks much and takes long, as a walk through a store does. It is taken anew
 * now and then, because the index's writer cannot use again what an old one still shows: the file would grow for as
 * long as the walk takes. What was read through it ends with pm_fresh_tick and pm_fresh_newest; numbers of results
 * stay. One call at a time. */
#ifndef PM_PROVSTORE_FRESH_H
#define PM_PROVSTORE_FRESH_H

#include "common/store/index.h"

#define PM_FRESH_US 1000000 /* no snapshot is used for longer than about this */
#define PM_FRESH_USES 1024  /* after so many uses it is taken anew if there is a newer commit */

struct pm_fresh { /* zeroed: closed */
    struct pm_index *index;
    struct pm_snapshot *snap; /* NULL after an error */
    int64_t taken_us;
    unsigned uses;
};

int pm_fresh_open(const char *index_dir, struct pm_fresh *ret, struct pm_error *err) PM_MUST_CHECK;
void pm_fresh_close(struct pm_fresh *fresh);
/* Before each use. */
int pm_fresh_tick(struct pm_fresh *fresh, struct pm_error *err) PM_MUST_CHECK;
/* What is read next is of the newest commit. */
int pm_fresh_newest(struct pm_fresh *fresh, struct pm_error *err) PM_MUST_CHECK;

#endif
