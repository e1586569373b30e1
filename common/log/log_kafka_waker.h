/* log_kafka_waker.h: a thread that asks a partition's leader something every few milliseconds while some partition is
 * behind its end. librdkafka before 2.2.0 stops fetching for a whole second once its queue was full; any request to the
 * broker wakes it (README.md has the rates). The caller gives the question. */
#ifndef PM_LOG_LOG_KAFKA_WAKER_H
#define PM_LOG_LOG_KAFKA_WAKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/log/log.h"

struct pm_kafka_waker {
    void (*ask)(void *arg, int32_t partition); /* called by the thread; NULL: the waker is off */
    void *arg;
    pthread_t thread;
    bool runs;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop;    /* under lock */
    int n_behind; /* under lock */
    atomic_bool behind[PM_LOG_PARTITIONS_MAX];
};

void pm_kafka_waker_init(struct pm_kafka_waker *waker);
/* The reader's thread says how a partition stands; the waker's thread starts with the first that is behind. Cheap when
 * nothing changed. */
void pm_kafka_waker_set(struct pm_kafka_waker *waker, int32_t partition, bool behind);
void pm_kafka_waker_stop(
    struct pm_kafka_waker *waker); /* waits for the question under way; nothing is asked after it */

#endif
