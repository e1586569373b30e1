/* batch.h: what goes from the thread that prepares to the thread that writes: events broken up into small operations,
 * with everything computed that needs no index (hashes, numbers of names, encoded records). A batch owns all its bytes,
 * so the log's records are released before it is applied. */
#ifndef PM_CONSUMER_BATCH_H
#define PM_CONSUMER_BATCH_H

#include "common/base/hash.h"
#include "common/event/origin.h"
#include "common/store/index.h"
#include "consumer/names.h"

enum pm_op_type {                                        /* below PM_OP_JOB: values of enum pm_event_type */
                  PM_OP_JOB_VALUE = PM_EVENT_TYPE_COUNT, /* a further bundle digest or target of a job */
};

struct pm_op {
    struct pm_hash128 hash;      /* of the path; for operations on a result (pm_batch_hash) */
    uint64_t identity, observed; /* sums of the record */
    int64_t at;
    uint8_t event_id[PM_EVENT_ID_BYTES];
    uint64_t bytes_at; /* in the batch's bytes: the encoded record; the body of a JobSubmitted */
    uint32_t bytes_len;
    uint32_t job1;             /* job number + 1; 0: none */
    uint32_t bundle1, target1; /* name number + 1 of what the event says for its job; 0: nothing */
    uint32_t result;           /* set while applying */
    uint8_t type;              /* enum pm_event_type or pm_op_type */
    uint8_t status;            /* of JobStatusChanged */
    bool own;                  /* set while applying: the result's record stands for this event's role */
};

struct pm_batch_offset { /* where a partition stands after the batch */
    int32_t partition;
    int64_t first, next;
    int64_t anchor_offset, anchor_timestamp_ms; /* -1: no record of this partition in the batch */
    uint32_t anchor_crc;
    bool anew; /* what was the anchor before is none any more */
};

struct pm_batch_poison { /* a record for the quarantine */
    int32_t partition;
    int64_t offset;
    uint64_t bytes_at;
    uint32_t bytes_len; /* the row's value, as pm_quarantine_put made it */
};

struct pm_batch_place {
    int32_t partition;
    int64_t offset;
};

struct pm_batch_gap {
    struct pm_gap gap;
    bool closed; /* the partition has no open gap (any more); only gap.partition counts */
};

/* Numbers of one producer's events that came one after the other, with what their origins say (origin.h). */
struct pm_batch_arrival {
    uint64_t producer, from, to; /* from 0: what an end mark says, of no number */
    uint64_t given;              /* the largest; 0: none said */
    int64_t first_ms, last_ms;   /* -1: none */
    uint64_t name_sequence;      /* the smallest of those that gave a name; 0: none did */
    uint64_t name_at;            /* in the batch's bytes */
    uint32_t name_len;
};
#define PM_BATCH_RECENT 256

struct pm_batch {
    struct pm_op *ops;
    size_t n_ops, ops_room;
    struct pm_buf bytes;
    struct pm_fresh_names names;
    struct pm_batch_offset *offsets;
    size_t n_offsets, offsets_room;
    struct pm_batch_poison *poison;
    size_t n_poison, poison_room;
    struct pm_batch_place *recovered; /* quarantined before, applied with this batch */
    size_t n_recovered, recovered_room;
    struct pm_batch_gap *gaps;
    size_t n_gaps, gaps_room;
    struct pm_batch_arrival *arrivals;
    size_t n_arrivals, arrivals_room;
    struct pm_hash_group hashes; /* of the paths of the operations `hashed` */
    size_t hashed[PM_HASH_GROUP];
    uint32_t recent[PM_BATCH_RECENT]; /* by the last bits of a producer: its latest arrivals' place + 1 */
    uint64_t records;                 /* of the log, in this batch */
    uint64_t events;                  /* of them applied */
};

void pm_batch_clear(struct pm_batch *batch);
void pm_batch_release(struct pm_batch *batch);
struct pm_op *pm_batch_op(struct pm_batch *batch); /* a new one, zeroed; ends at the next call */
/* Sets `op->hash`, for the newest operation: at once or with others, at the latest when the batch is sealed. */
void pm_batch_hash(struct pm_batch *batch, struct pm_slice path);
void pm_batch_seal(struct pm_batch *batch); /* after the last operation, before it is applied */
struct pm_batch_offset *pm_batch_offset(struct pm_batch *batch, int32_t partition); /* found or new */
struct pm_batch_poison *pm_batch_poison(struct pm_batch *batch);
/* Puts the gap in place of the partition's open one, or (NULL) takes that away. */
void pm_batch_gap(struct pm_batch *batch, int32_t partition, const struct pm_gap *gap);
/* A record that has arrived. */
void pm_batch_arrival(struct pm_batch *batch, const struct pm_origin *origin, int64_t timestamp_ms);
void pm_batch_recovered(struct pm_batch *batch, int32_t partition, int64_t offset);

#endif
