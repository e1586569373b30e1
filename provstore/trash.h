/* trash.h: the name of a result that is being deleted: `.NAME.deleted-MICROSECONDS` beside where it was, with the time
 * of its deletion. A result gets it in one step, before anybody is told and before anything of it is removed; so what
 * bears such a name when nobody works on it was left half-deleted, and the name tells what is needed to finish. */
#ifndef PM_PROVSTORE_TRASH_H
#define PM_PROVSTORE_TRASH_H

#include "provstore/below.h"

/* false: the name would be longer than a name may be. */
bool pm_trash_name(struct pm_slice name, int64_t at_us, char out[PM_NAME_BYTES_MAX + 1]);
/* false: not such a name. *ret_name is a part of `trash`. Either may be NULL. */
bool pm_trash_parse(struct pm_slice trash, struct pm_slice *ret_name, int64_t *ret_at_us);

#endif
