/* deliver.c: the library's own thread: from the queue to the log.
 *
 *   idle --event--> gathering --linger over, batch full, flush--> delivering --acknowledged--> idle
 *                                                                     |  ^
 *                                                                  failed |
 *                                                                     v  | backoff over
 *                                                                    waiting
 *
 * What is taken stays in the queue until the log has acknowledged it; so a log that fails costs nothing but time. The
 * thread never ends the process: where memory is out it waits until there is some. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/check.h"
#include "common/base/time.h"
#include "producer/producer.h"

#define BACKOFF_MS_FIRST 100
#define BACKOFF_MS_MAX 1000
#define STACK_BYTES ((size_t)1 << 20)

bool pm_producer_wait(struct provmat_producer *p, pthread_cond_t *cond, int64_t until_us)
{
    struct timespec until = {.tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000};
    if (pm_time_monotonic_us() >= until_us) return false;
    pthread_cond_timedwait(cond, &p->lock, &until);
    return true;
}

static void tell(struct provmat_producer *p, int level, const char *text)
{
    if (p->settings.diag) p->settings.diag(p->settings.diag_arg, level, text);
}

/* ---- waiting ---- */

static bool must_go(const struct provmat_producer *p)
{
    return p->ending || p->queue.tail < p->flush_to || pm_queue_used(&p->queue) >= PM_PRODUCER_BATCH_BYTES;
}

/* Returns with something to deliver (true), or at the end. */
static bool gather(struct provmat_producer *p)
{
    while (p->queue.records == 0 && !p->ending) {
        p->idle = true;
        pthread_cond_wait(&p->work, &p->lock);
        p->idle = false;
    }
    int64_t until_us = pm_time_monotonic_us() + (int64_t)p->settings.linger_ms * 1000;
    while (!must_go(p) && pm_producer_wait(p, &p->work, until_us)) continue;
    p->hurried = false;
    return !p->ending;
}

static void back_off(struct provmat_producer *p)
{
    p->backoff_ms = p->backoff_ms ? p->backoff_ms * 2 : BACKOFF_MS_FIRST;
    if (p->backoff_ms > BACKOFF_MS_MAX) p->backoff_ms = BACKOFF_MS_MAX;
    int64_t until_us = pm_time_monotonic_us() + (int64_t)p->backoff_ms * 1000;
    while (!p->ending && pm_producer_wait(p, &p->work, until_us)) continue;
}

/* ---- delivering ---- */

/* One record that the log will never take; called by ship.c, without the lock. */
static void refused(void *arg, const struct pm_record *record, const char *reason)
{
    struct provmat_producer *p = arg;
    char text[PM_ERROR_TEXT_MAX];
    snprintf(text, sizeof text, "an event of %zu bytes is refused by the log and given up: %.900s", record->value.len,
             reason);
    p->n_refused++;
    tell(p, 3, text);
    pthread_mutex_lock(&p->lock);
    pm_error_set(&p->problem, PM_ELOG, "%s", text);
    pthread_mutex_unlock(&p->lock);
}

static void succeeded(struct provmat_producer *p, uint64_t end, size_t n)
{
    bool was_away = p->backoff_ms > 0;
    pm_queue_drop(&p->queue, end, n);
    p->acknowledged += n - p->n_refused;
    p->rejected += p->n_refused;
    if (p->n_refused == 0) p->problem.code = PM_OK;
    p->backoff_ms = 0;
    pthread_cond_broadcast(&p->progress);
    if (!was_away) return;
    pthread_mutex_unlock(&p->lock);
    tell(p, 6, "the log takes events again");
    pthread_mutex_lock(&p->lock);
}

static void failed(struct provmat_producer *p, const struct pm_error *why)
{
    bool news = p->backoff_ms == 0;
    p->problem = *why;
    pthread_cond_broadcast(&p->progress);
    if (news) {
        pthread_mutex_unlock(&p->lock);
        tell(p, 4, why->text);
        pthread_mutex_lock(&p->lock);
    }
    back_off(p);
}

static void deliver(struct provmat_producer *p)
{
    struct pm_error why = {0};
    uint64_t end;
    size_t n = pm_queue_take(&p->queue, p->batch, PM_SHIP_RECORDS_MAX, PM_SHIP_BYTES_MAX, &end);
    p->n_refused = 0;
    pthread_mutex_unlock(&p->lock);
    int rc = pm_ship_batch(&p->ship, p->batch, n, &why);
    pthread_mutex_lock(&p->lock);
    if (rc == PM_OK) succeeded(p, end, n);
    else failed(p, &why);
}

/* ---- life ---- */

static void *run(void *arg)
{
    struct provmat_producer *p = arg;
    struct pm_memory_guard guard = {.wait = true};
    pm_memory_guard_set(&guard);
    pthread_mutex_lock(&p->lock);
    while (gather(p)) deliver(p);
    pthread_mutex_unlock(&p->lock);
    pm_ship_close(&p->ship);
    pthread_mutex_lock(&p->lock);
    p->ended = true;
    bool abandoned = p->abandoned;
    pthread_cond_broadcast(&p->progress);
    pthread_mutex_unlock(&p->lock);
    if (abandoned) pm_producer_free(p);
    pm_memory_guard_set(NULL);
    return NULL;
}

/* Signals are for the program's own threads. */
static int create(struct provmat_producer *p)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int number = pthread_create(&thread, &attributes, run, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return number;
}

int pm_deliver_start(struct provmat_producer *p, struct pm_error *err)
{
    if (p->running) return PM_OK;
    p->ship.url = p->settings.log;
    p->ship.options = (struct pm_log_options){.mode = PM_LOG_APPEND,
                                              .properties = p->settings.properties,
                                              .n_properties = p->settings.n_properties,
                                              .timeout_ms = p->settings.log_timeout_ms};
    p->ship.codec_options = (struct pm_codec_options){.registry_url = p->settings.registry_url,
                                                      .registry_topic = p->settings.registry_topic,
                                                      .registry_ca_file = p->settings.ca_file};
    p->ship.refused = refused;
    p->ship.arg = p;
    int number = create(p);
    if (number != 0)
        return pm_error_set(err, PM_ENOMEM, "could not start the thread that delivers: %s", pm_error_system(number));
    p->running = true;
    return PM_OK;
}
