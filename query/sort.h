/* sort.h: many byte strings put in order, each compared eight bytes at a time. */
#ifndef PM_QUERY_SORT_H
#define PM_QUERY_SORT_H

#include "common/base/slice.h"

struct pm_sort_entry {
    uint64_t word;  /* eight bytes of the key at the depth reached, as a big-endian number; the sort's own */
    uint64_t where; /* the caller's: what key() is asked with */
};

/* Sorts `entries` by the bytes that key() gives for each. No key may begin another one, zero bytes put behind it
 * included (keys that end in a mark do that); equal keys stay in no promised order. */
void pm_sort_keys(struct pm_sort_entry *entries, size_t n, struct pm_slice (*key)(const void *arg, uint64_t where),
                  const void *arg);

#endif
