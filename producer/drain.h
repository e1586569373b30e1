/* drain.h: what waits in an outbox: looking at it, and delivering it. One thread a call; any number of processes at
 * once. */
#ifndef PM_PRODUCER_DRAIN_H
#define PM_PRODUCER_DRAIN_H

#include "producer/segment.h"
#include "producer/ship.h"

enum pm_segment_state {
    PM_SEGMENT_WAITING, /* to be delivered */
    PM_SEGMENT_IN_USE,  /* its writer lives and appends to it, or somebody delivers it now */
    PM_SEGMENT_DAMAGED, /* delivered but for what is damaged, or unreadable */
};

struct pm_segment_info {
    const char *name; /* of the file; ends with the call */
    enum pm_segment_state state;
    struct pm_segment_head head;
    bool readable; /* the head is; else `why` says what is wrong */
    uint64_t bytes, records, damaged, cut;
    int64_t first_ms, last_ms; /* smallest and largest time of its events; -1: none */
    char why[200];
};

/* Calls each() for every segment in the directory, in the order of their names. PM_ENOTFOUND when there is no such
 * directory. */
int pm_outbox_each(const char *dir, void (*each)(void *arg, const struct pm_segment_info *info), void *arg,
                   struct pm_error *err) PM_MUST_CHECK;

struct pm_drain_counts {
    uint64_t segments, events; /* delivered */
    uint64_t in_use;           /* segments that were left alone */
    uint64_t damaged;          /* segments that were kept as .damaged */
    uint64_t failed;           /* segments that could not be read or removed; the others were gone on with */
    struct pm_error why;       /* the first of these */
};

/* Delivers every segment that nobody holds, through `ship`, and removes it. `stop` (NULL: never) is asked between
 * batches. Fails when the log does, or when the directory cannot be read; what was delivered before is gone from it,
 * and *counts tells how much. */
int pm_outbox_drain(const char *dir, struct pm_ship *ship, bool (*stop)(void *arg), void *arg,
                    struct pm_drain_counts *counts, struct pm_error *err) PM_MUST_CHECK;

#endif
