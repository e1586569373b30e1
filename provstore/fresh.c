/* fresh.c: a snapshot that does not grow old (fresh.h). */
#include "provstore/fresh.h"

#include "common/base/time.h"

/* A snapshot that is of the newest commit keeps nothing from being used again. */
int pm_fresh_newest(struct pm_fresh *fresh, struct pm_error *err)
{
    fresh->uses = 0;
    fresh->taken_us = pm_time_monotonic_us();
    return pm_snapshot_is_newest(fresh->snap) ? PM_OK : pm_snapshot_renew(&fresh->snap, err);
}

int pm_fresh_open(const char *index_dir, struct pm_fresh *ret, struct pm_error *err)
{
    struct pm_fresh fresh = {.taken_us = pm_time_monotonic_us()};
    int rc = pm_index_open(index_dir, &fresh.index, err);
    if (rc == PM_OK) rc = pm_snapshot_open(fresh.index, &fresh.snap, err);
    if (rc == PM_OK) *ret = fresh;
    else pm_fresh_close(&fresh);
    return rc;
}

void pm_fresh_close(struct pm_fresh *fresh)
{
    pm_snapshot_close(fresh->snap);
    pm_index_close(fresh->index);
    *fresh = (struct pm_fresh){0};
}

int pm_fresh_tick(struct pm_fresh *fresh, struct pm_error *err)
{
    bool due = ++fresh->uses >= PM_FRESH_USES || pm_time_monotonic_us() - fresh->taken_us >= PM_FRESH_US;
    return due ? pm_fresh_newest(fresh, err) : PM_OK;
}
