/* replayer.h: the loop from a log to a writer: where each partition starts and ends, polling, preparing, handing over.
 * What materialize, rebuild and verify --against-log share. */
#ifndef PM_CONSUMER_REPLAYER_H
#define PM_CONSUMER_REPLAYER_H

#include "consumer/consumer.h"
#include "consumer/writer.h"

struct pm_replay_end { /* stop a partition here */
    int32_t partition;
    int64_t first, next; /* it must still begin at `first` or below */
};

struct pm_replay {
    const struct pm_consumer_options *options;
    const char *index_dir;
    const char *phase;
    bool once;                        /* stop at the end that the log has now */
    const struct pm_replay_end *ends; /* or at these (then also once); NULL: none */
    size_t n_ends;
    int64_t until_us;
    const char *old_dir;                   /* an index whose accepted gaps are taken over; NULL: none */
    const struct pm_index_info *made_from; /* the log must be the one that this index remembers; NULL: any */
};

/* Opens the log and the index, brings the index to the end, closes both. */
int pm_replay(const struct pm_replay *replay, struct pm_consumer_result *ret, struct pm_error *err) PM_MUST_CHECK;

/* The log's URL: the option, or what the index in `dir` remembers. `room` is used for the latter. */
int pm_replay_log_url(const struct pm_consumer_options *options, const char *dir, char *room, size_t room_size,
                      const char **ret, struct pm_error *err) PM_MUST_CHECK;

#endif
