/* gaps.h: where an index and its log have parted (I6): what is found, what is said, and which commands resolve it.
 *
 *   missing    the log's head was deleted past what was applied: offsets next..first-1 will never come
 *   replaced   the log no longer holds what was applied: it ends below, or the record at the anchor is another one
 *
 * Pure: no log is asked and nothing is written here. */
#ifndef PM_CONSUMER_GAPS_H
#define PM_CONSUMER_GAPS_H

#include "common/log/log.h"
#include "common/store/index.h"

struct pm_place_check { /* one partition */
    int32_t partition;
    int64_t next;                /* all below it was applied */
    int64_t log_first, log_next; /* what the log holds */
    const char *index_dir;       /* for the commands that are named */
};

/* PM_OK, or PM_ELOG with the range, the reason and the ways out, and *ret: the gap, open. */
int pm_gap_check(const struct pm_place_check *place, struct pm_gap *ret, struct pm_error *err) PM_MUST_CHECK;

struct pm_anchor { /* the last record applied; offset -1: none */
    int64_t offset, timestamp_ms;
    uint32_t crc; /* CRC-32C of its value */
};
struct pm_anchor pm_anchor_of(const struct pm_log_record *record);
/* `found`: what the log holds at the anchor's offset, or behind it when the anchor is gone; NULL: nothing. PM_OK, or
 * PM_ELOG as above. */
int pm_gap_check_anchor(const struct pm_place_check *place, const struct pm_anchor *anchor,
                        const struct pm_log_record *found, struct pm_gap *ret, struct pm_error *err) PM_MUST_CHECK;

/* A partition of the index that the log does not have. Sets *err, returns its code. */
int pm_gap_no_partition(const struct pm_place_check *place, int32_t n_partitions, struct pm_gap *ret,
                        struct pm_error *err);

/* One of the ranges that were accepted covers the gap. `*ret_used` is its place among them. */
bool pm_gap_is_accepted(const struct pm_gap *gap, const struct pm_gap *accepted, size_t n, size_t *ret_used);

#define PM_GAP_TEXT_MAX 256
/* "partition 0: offsets 40..59 were gone from the log before they were applied; accepted", for people. */
void pm_gap_describe(const struct pm_gap *gap, char out[PM_GAP_TEXT_MAX]);

#endif
