/* rebuild.h: what verify shares with rebuild. */
#ifndef PM_CONSUMER_REBUILD_H
#define PM_CONSUMER_REBUILD_H

#include "common/base/error.h"

/* Removes an index's files and its directory; a missing one is fine. */
int pm_rebuild_remove(const char *dir, struct pm_error *err) PM_MUST_CHECK;

#endif
