/* places.h: where each partition of a replay stands: where it starts, whether the log still holds what was applied (its
 * anchor), and what is done when it does not (I6). Belongs to replayer.c, whose state it shares; one thread. */
#ifndef PM_CONSUMER_PLACES_H
#define PM_CONSUMER_PLACES_H

#include "consumer/gaps.h"
#include "consumer/pipeline.h"
#include "consumer/prepare.h"
#include "consumer/replayer.h"

struct pm_replay_partition {
    int64_t first, end, committed; /* committed: what the batches so far say */
    struct pm_anchor anchor;       /* the last record that they took */
    bool reading, faulted;
    bool checking;   /* the anchor is read again before anything else is taken */
    bool sought;     /* anew, in the middle of a poll's records: the rest of them is not ours */
    bool gap_open;   /* the index holds an open gap of it */
    uint64_t breaks; /* of the log, when the anchor was last looked at */
    int64_t looked_at;
    int64_t checked_at; /* committed, when it was last sought again after a fault */
};

struct pm_replayer {
    const struct pm_replay *r;
    struct pm_log *log;
    struct pm_writer *writer;
    struct pm_pipeline *pipeline;
    struct pm_codec *codec;
    struct pm_prepare prepare;
    struct pm_replay_partition *partitions;
    int32_t n_partitions;
    struct pm_consumer_result result;
    struct pm_error fault;
    bool faulted;
    int64_t partitions_at, progress_at, rate_at;
    uint64_t rate_records;
    double rate;
    struct pm_arena arena;
    struct pm_gap *gaps, *old_gaps; /* of the index as it was at the start; accepted ones of the index before */
    size_t n_gaps, n_old_gaps;
    uint64_t accepted_used; /* bit i: options->accepted_gaps[i] */
    bool compacted;         /* the log forgets records anywhere, also the one at an anchor */
};

/* Tells the user, through the options. */
void pm_places_warn(const struct pm_replayer *y, const char *text);

/* At the start, and now and then for partitions that were added: new ones get their place, which is checked and written
 * to the index. What cannot be read is an error; a log that is not as it was left stops the partition (its fault). */
int pm_places_look(struct pm_replayer *y, struct pm_error *err) PM_MUST_CHECK;
/* After a break of the log, and before any record of `from` is taken: whatever the log is now, it must hold what was
 * taken last. */
int pm_places_look_again(struct pm_replayer *y, const struct pm_log_batch *from, struct pm_batch *batch,
                         struct pm_error *err) PM_MUST_CHECK;
/* Compares the partition's anchor with `found`, which stands there or behind it; NULL: nothing does. */
int pm_places_check_anchor(struct pm_replayer *y, int32_t partition, const struct pm_log_record *found,
                           struct pm_batch *batch, struct pm_error *err) PM_MUST_CHECK;

/* Stops a partition and keeps the first error for the end. */
void pm_places_fault(struct pm_replayer *y, int32_t partition, const struct pm_error *error);
/* The log stopped delivering a partition: a gap with a name, or what was sought was cut off meanwhile, or a fault. */
int pm_places_take_fault(struct pm_replayer *y, const struct pm_log_fault *fault, struct pm_batch *batch,
                         struct pm_error *err) PM_MUST_CHECK;
/* At the end: gaps that the user accepted and that there are not. */
void pm_places_tell_unused(struct pm_replayer *y);

#endif
