/* gaps.c: see gaps.h. */
#include "consumer/gaps.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/hash.h"

static int say_replaced(const struct pm_place_check *place, const struct pm_gap *gap, const char *why,
                        struct pm_error *err)
{
    return pm_error_set(err, PM_ELOG,
                        "partition %" PRId32 ": %s: the log was recreated or truncated, and offsets %" PRId64
                        "..%" PRId64 " that were applied are not what it holds; to index only what it holds now: "
                        "provmat rebuild --index %s; to keep what was applied and read the partition anew: provmat "
                        "materialize --accept-gap %" PRId32 ":%" PRId64 "-%" PRId64 " --index %s",
                        place->partition, why, gap->from, gap->to, place->index_dir, place->partition, gap->from,
                        gap->to, place->index_dir);
}

int pm_gap_check(const struct pm_place_check *place, struct pm_gap *ret, struct pm_error *err)
{
    if (place->next < place->log_first) {
        *ret = (struct pm_gap){place->partition, place->next, place->log_first - 1, PM_GAP_MISSING, false};
        return pm_error_set(
            err, PM_ELOG,
            "partition %" PRId32 ": offsets %" PRId64 "..%" PRId64 " are gone from the log (retention or deletion) and "
            "were never applied; to go on without them, which the index records for ever: provmat materialize "
            "--accept-gap %" PRId32 ":%" PRId64 "-%" PRId64 " --index %s; to index only what the log still holds: "
            "provmat rebuild --index %s",
            place->partition, ret->from, ret->to, place->partition, ret->from, ret->to, place->index_dir,
            place->index_dir);
    }
    if (place->next > place->log_next) {
        char why[128];
        *ret = (struct pm_gap){place->partition, place->log_next, place->next - 1, PM_GAP_REPLACED, false};
        snprintf(why, sizeof why, "all below offset %" PRId64 " was applied, but the log ends at %" PRId64, place->next,
                 place->log_next);
        return say_replaced(place, ret, why, err);
    }
    return PM_OK;
}

struct pm_anchor pm_anchor_of(const struct pm_log_record *record)
{
    return (struct pm_anchor){record->offset, record->timestamp_ms, pm_crc32c(0, record->value.ptr, record->value.len)};
}

int pm_gap_check_anchor(const struct pm_place_check *place, const struct pm_anchor *anchor,
                        const struct pm_log_record *found, struct pm_gap *ret, struct pm_error *err)
{
    char why[128];
    const char *what = "is no longer there";
    if (found && found->offset == anchor->offset) {
        struct pm_anchor now = pm_anchor_of(found);
        if (now.timestamp_ms == anchor->timestamp_ms && now.crc == anchor->crc) return PM_OK;
        what = now.crc != anchor->crc ? "holds other bytes now" : "has another time now";
    }
    *ret = (struct pm_gap){place->partition, place->log_first, place->next - 1, PM_GAP_REPLACED, false};
    snprintf(why, sizeof why, "the last record that was applied, at offset %" PRId64 ", %s", anchor->offset, what);
    return say_replaced(place, ret, why, err);
}

int pm_gap_no_partition(const struct pm_place_check *place, int32_t n_partitions, struct pm_gap *ret,
                        struct pm_error *err)
{
    *ret = (struct pm_gap){place->partition, 0, place->next - 1, PM_GAP_REPLACED, false};
    return pm_error_set(err, PM_ELOG,
                        "partition %" PRId32 ": all below offset %" PRId64 " was applied, but the log has %" PRId32
                        " partition%s: it was recreated; to index only what it holds now: provmat rebuild --index %s",
                        place->partition, place->next, n_partitions, n_partitions == 1 ? "" : "s", place->index_dir);
}

bool pm_gap_is_accepted(const struct pm_gap *gap, const struct pm_gap *accepted, size_t n, size_t *ret_used)
{
    for (size_t i = 0; i < n; i++) {
        if (accepted[i].partition != gap->partition || accepted[i].from > gap->from || accepted[i].to < gap->to)
            continue;
        *ret_used = i;
        return true;
    }
    return false;
}

void pm_gap_describe(const struct pm_gap *gap, char out[PM_GAP_TEXT_MAX])
{
    const char *what = gap->kind == PM_GAP_MISSING ? "were gone from the log before they were applied"
                                                   : "were applied, and the log does not hold them any more";
    snprintf(out, PM_GAP_TEXT_MAX, "partition %" PRId32 ": offsets %" PRId64 "..%" PRId64 " %s; %s", gap->partition,
             gap->from, gap->to, what, gap->accepted ? "accepted" : "the partition is stopped");
}
