/* record.h: from an event to the record that the log takes: key, value, timestamp. */
#ifndef PM_PRODUCER_RECORD_H
#define PM_PRODUCER_RECORD_H

#include "common/event/codec.h"

struct pm_record {
    struct pm_slice key, value; /* value empty: no event but an end mark */
    int64_t timestamp_ms;
    struct pm_slice origin; /* whose it is (common/event/origin.h); empty: nobody counts it */
};

/* Makes records one after the other, framed without a registry (pm_codec_reframe adds one). Belongs to one thread at a
 * time; a zeroed struct is ready. What it holds between two events is bounded by PM_RECORD_KEEP_BYTES. */
#define PM_RECORD_KEEP_BYTES ((size_t)1 << 20)
struct pm_record_maker {
    struct { /* params as they were given last and what became of them: replicates share theirs */
        uint16_t given_len, canonical_len; /* 0: none */
        char given[512], canonical[512];
    } params;
    struct pm_arena arena; /* the event's; reset by pm_record_begin */
    struct pm_buf scratch, value;
    struct pm_slice body; /* of the event, when it was encoded already, in `scratch`; empty: it was not */
};
void pm_record_begin(struct pm_record_maker *maker);
/* Of a complete event (pm_event_complete). The record borrows from the event and the maker, until the next begin. */
int pm_record_make(struct pm_record_maker *maker, const struct pm_event *ev, struct pm_record *ret,
                   struct pm_error *err) PM_MUST_CHECK;
void pm_record_release(struct pm_record_maker *maker);

#endif
