/* ship.h: a batch of records into the log, acknowledged. Opens the log when it is needed and closes it when it failed,
 * so that nothing of a failed batch is left in a handle. Belongs to one thread. */
#ifndef PM_PRODUCER_SHIP_H
#define PM_PRODUCER_SHIP_H

#include "common/log/log.h"
#include "producer/record.h"

#define PM_SHIP_RECORDS_MAX 16384
#define PM_SHIP_BYTES_MAX ((size_t)8 << 20)

#define PM_SHIP_SUSPECTS_MAX 16 /* more than fit into a batch when each is above a topic's usual limit */
struct pm_ship_suspect {
    const struct pm_record *record;
    struct pm_error why;
};

struct pm_ship {
    const char *url;
    struct pm_log_options options; /* mode PM_LOG_APPEND */
    struct pm_codec_options codec_options;
    struct pm_log *log;     /* NULL: not open */
    struct pm_codec *codec; /* NULL: not open */
    struct pm_buf value;
    /* One record of a batch that the log refuses for its own sake, while it takes others. */
    void (*refused)(void *arg, const struct pm_record *record, const char *reason);
    void *arg;
    /* of the batch under way */
    struct pm_ship_suspect suspects[PM_SHIP_SUSPECTS_MAX];
    size_t n_suspects, n_sent;
    bool certain; /* one of them is refused before it is sent */
};

/* Opens log and codec unless they are open. */
int pm_ship_open(struct pm_ship *ship, struct pm_error *err) PM_MUST_CHECK;
/* Appends the records in order and waits until all are acknowledged. On failure some may be in the log: giving them
 * again is harmless (event_id). PM_OK with all of them either acknowledged or told to `refused`. */
int pm_ship_batch(struct pm_ship *ship, const struct pm_record *records, size_t n, struct pm_error *err) PM_MUST_CHECK;

/* The fast way into a log that streams: what is appended is acknowledged while more is. After a failure the log is
 * closed, and all that was not awaited is to be given to pm_ship_batch, which finds out whose fault it is. */
bool pm_ship_streams(const struct pm_ship *ship); /* it is open, and does */
/* Begins a group of records; the one before the last must have been awaited. */
int pm_ship_append(struct pm_ship *ship, const struct pm_record *records, size_t n, struct pm_error *err) PM_MUST_CHECK;
/* Waits for the group before the last one; or for all. */
int pm_ship_await(struct pm_ship *ship, bool all, struct pm_error *err) PM_MUST_CHECK;
void pm_ship_close(struct pm_ship *ship); /* may be opened again */

#endif
