/* prepare.h: one record of the log -> operations of a batch. Everything that needs no index is done here: decoding,
 * checking, hashing, interning, encoding of the compact record. Pure but for the names map: no clock, no I/O (I2). */
#ifndef PM_CONSUMER_PREPARE_H
#define PM_CONSUMER_PREPARE_H

#include "common/event/codec.h"
#include "common/log/log.h"
#include "consumer/batch.h"

struct pm_prepare {
    struct pm_codec *codec;
    struct pm_names *names;
    int64_t until_us;      /* events that occurred later are left out; INT64_MAX: none */
    struct pm_arena arena; /* of one record */
    struct pm_buf scratch;
};
void pm_prepare_release(struct pm_prepare *prepare); /* arena and scratch */

/* A record that cannot be applied goes into the batch as a row for the quarantine (I4). Errors of class RETRY (the
 * registry is away) come back: call again for the same record. */
int pm_prepare_record(struct pm_prepare *prepare, const struct pm_log_record *record, struct pm_batch *batch,
                      struct pm_error *err) PM_MUST_CHECK;

/* After the last record of a partition that a poll gave: the offset that follows, and the record as the anchor. */
void pm_prepare_place(const struct pm_log_record *record, struct pm_batch *batch);

/* The same for an event at hand. */
void pm_prepare_event(struct pm_prepare *prepare, const struct pm_event *ev, struct pm_batch *batch);

#endif
