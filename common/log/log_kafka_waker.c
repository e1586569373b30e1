/* log_kafka_waker.c: the waker of log_kafka_waker.h. Locks: `lock` guards stop and n_behind; behind[] is read without
 * it, a stale look costs one question. */
#include "common/log/log_kafka_waker.h"

#include <time.h>

#define ASK_EVERY_MS 5 /* measured best */

void pm_kafka_waker_init(struct pm_kafka_waker *waker)
{
    pthread_mutex_init(&waker->lock, NULL);
    pthread_cond_init(&waker->changed, NULL);
}

/* Leaders get their turn: one broker's question does not wake another's fetch. */
static int32_t next_behind(struct pm_kafka_waker *waker, int32_t after)
{
    for (int32_t i = 1; i <= PM_LOG_PARTITIONS_MAX; i++) {
        int32_t p = (after + i) % PM_LOG_PARTITIONS_MAX;
        if (atomic_load_explicit(&waker->behind[p], memory_order_relaxed)) return p;
    }
    return -1;
}

static bool await_work(struct pm_kafka_waker *waker)
{
    pthread_mutex_lock(&waker->lock);
    while (!waker->stop && waker->n_behind == 0) pthread_cond_wait(&waker->changed, &waker->lock);
    bool goes_on = !waker->stop;
    pthread_mutex_unlock(&waker->lock);
    return goes_on;
}

static void *run(void *arg)
{
    struct pm_kafka_waker *waker = arg;
    for (int32_t partition = 0; await_work(waker);) {
        nanosleep(&(struct timespec){.tv_nsec = ASK_EVERY_MS * 1000000L}, NULL);
        int32_t next = next_behind(waker, partition);
        if (next < 0) continue;
        partition = next;
        waker->ask(waker->arg, partition);
    }
    return NULL;
}

void pm_kafka_waker_set(struct pm_kafka_waker *waker, int32_t partition, bool behind)
{
    if (!waker->ask || atomic_load(&waker->behind[partition]) == behind) return;
    atomic_store(&waker->behind[partition], behind);
    pthread_mutex_lock(&waker->lock);
    waker->n_behind += behind ? 1 : -1;
    pthread_cond_signal(&waker->changed);
    pthread_mutex_unlock(&waker->lock);
    if (!waker->runs)
        waker->runs = pthread_create(&waker->thread, NULL, run, waker) == 0; /* without it: slower, not wrong */
}

void pm_kafka_waker_stop(struct pm_kafka_waker *waker)
{
    if (waker->runs) {
        pthread_mutex_lock(&waker->lock);
        waker->stop = true;
        pthread_cond_signal(&waker->changed);
        pthread_mutex_unlock(&waker->lock);
        pthread_join(waker->thread, NULL);
    }
    pthread_mutex_destroy(&waker->lock);
    pthread_cond_destroy(&waker->changed);
}
