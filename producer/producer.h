/* producer.h: the inside of a provmat_producer: what calls (provmat.c) and the thread that delivers (deliver.c) share.
 *
 *   call: convert -> record -> queue --signal--> thread: take -> log (ship.c) -> drop from the queue
 *                        |                                 |-- away --> outbox --> drop from the queue
 *                        |                                 '-- back --> drain the outbox into the log
 *                        '--(queue full, or always)--> outbox
 *
 * `lock` is held for the length of one call's work in memory, and never while anything waits for a log. A call that
 * goes to the outbox holds it for one write to the system. */
#ifndef PM_PRODUCER_PRODUCER_H
#define PM_PRODUCER_PRODUCER_H

#include <pthread.h>

#include "common/event/origin.h"
#include "producer/convert.h"
#include "producer/options.h"
#include "producer/outbox.h"
#include "producer/queue.h"
#include "producer/ship.h"

struct provmat_producer {
    struct provmat_producer *next; /* of all producers of the process; guarded by their lock in provmat.c */
    struct pm_settings settings;   /* constant */

    /* the thread's own */
    struct pm_ship ship;
    struct pm_record *batch; /* PM_SHIP_RECORDS_MAX */
    size_t n_refused;        /* of the batch */
    struct {
        uint64_t end;    /* in the queue */
        size_t n;        /* records; 0: there is none */
    } sent;              /* a batch that was appended and is not acknowledged yet */
    int backoff_ms;      /* 0: the log takes events, as far as is known */
    int64_t retry_at_us; /* while it does not: when it is asked again */
    bool others;         /* somebody's segment was in use when the outbox was looked through */
    int64_t scan_at_us;  /* when the outbox is looked through again for what others left */
    int64_t drain_at_us; /* when what is ours in the outbox is delivered; 0: at once */
    int64_t sync_at_us;

    struct pm_outbox *outbox; /* NULL: none; has a lock of its own, which is taken after `lock` */

    pthread_mutex_t lock; /* guards all that follows */
    pthread_cond_t work, progress;
    struct pm_queue queue;
    struct pm_record_maker maker;
    struct pm_origin_state {
        uint64_t id;                       /* drawn at random by open, and in the child of a fork */
        uint64_t sequence;                 /* events that were numbered: taken, or dropped because there was no room */
        char name[PM_ORIGIN_NAME_MAX + 1]; /* the worker that the options or the first event name, else HOST:PID */
    } origin;
    struct {               /* the last event that was taken */
        uint64_t sequence; /* 0: none */
        uint64_t at;       /* where it stands in the queue; UINT64_MAX: it went into the outbox */
        int64_t timestamp_ms;
        bool marked; /* an end mark stands behind it in the queue */
    } last;
    uint64_t taken_to; /* the thread has taken from the queue up to here, or is about to */
    int64_t last_us;   /* the time that was last given to an event without one */
    uint64_t accepted, acknowledged, rejected, dropped;
    bool spooling;                     /* something of ours is in the outbox */
    char job[PM_JOB_ID_BYTES_MAX + 1]; /* of provmat_job_set; empty: the settings' */
    struct pm_error problem;           /* code PM_OK: none */
    uint64_t dropped_told;             /* of `dropped`, to diag */
    uint64_t flush_to;                 /* a place in the queue that somebody waits for */
    bool running;                      /* there is a thread */
    bool idle;                         /* it waits for a first event */
    bool hurried;                      /* it was told that a batch is full */
    bool ending, ended, abandoned;     /* close: it is to end; it has; it frees the producer when it does */
};

#define PM_PRODUCER_BATCH_BYTES ((size_t)1 << 20) /* so much is not left to linger */

/* Starts the thread unless it runs; PM_ENOMEM when there is none to be had. With the lock. */
int pm_deliver_start(struct provmat_producer *p, struct pm_error *err) PM_MUST_CHECK;
void pm_producer_free(struct provmat_producer *p); /* nobody else has it any more */
/* Waits on `progress` until then (pm_time_monotonic_us); false when it is past. With the lock. */
bool pm_producer_wait(struct provmat_producer *p, pthread_cond_t *cond, int64_t until_us);

#endif
