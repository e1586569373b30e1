/* deliver.c: the library's own thread: from the queue to the log.
 *
 *   idle --event--> gathering --linger over, batch full, flush--> delivering --acknowledged--> idle
 *                                                                     |  ^
 *                                                                  failed | asked again
 *                                                                     v  |
 *                                                                     away (without an outbox: events wait in the
 * queue; with one: they go there)
 *
 * What is taken stays in the queue until the log has acknowledged it or the outbox has it; so a log that fails costs
 * nothing but time. The thread never ends the process: where memory is out it waits until there is some. */
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/check.h"
#include "common/base/time.h"
#include "producer/drain.h"
#include "producer/producer.h"

#define BACKOFF_MS_FIRST 100
#define BACKOFF_MS_MAX 1000
#define STACK_BYTES ((size_t)1 << 20)
#define SYNC_US 1000000
#define LOOK_AGAIN_US 200000
#define SCAN_US 30000000 /* for what other processes left in the outbox */

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

static int64_t sooner(int64_t a, int64_t b) { return a < b ? a : b; }
static bool is_away(const struct provmat_producer *p) { return p->backoff_ms > 0; }

static bool must_go(const struct provmat_producer *p)
{
    return p->ending || p->queue.tail < p->flush_to || pm_queue_used(&p->queue) >= PM_PRODUCER_BATCH_BYTES;
}

/* When there is something to do although no event comes: INT64_MAX for never. */
static int64_t due_us(const struct provmat_producer *p)
{
    int64_t due = INT64_MAX;
    if (p->spooling) due = is_away(p) ? p->retry_at_us : p->drain_at_us;
    if (p->others && !is_away(p)) due = sooner(due, p->scan_at_us);
    if (p->spooling && p->settings.outbox_sync == PROVMAT_SYNC_INTERVAL) due = sooner(due, p->sync_at_us);
    return due;
}

static void wait_until(struct provmat_producer *p, int64_t until_us)
{
    if (until_us == INT64_MAX) pthread_cond_wait(&p->work, &p->lock);
    else pm_producer_wait(p, &p->work, until_us);
}

/* Returns with something to do (true), or at the end. Events linger to be appended together; while the log is away and
 * there is no outbox they wait until it is asked again. */
static bool gather(struct provmat_producer *p)
{
    int64_t now_us;
    while (p->queue.records == 0 && !p->ending && due_us(p) > (now_us = pm_time_monotonic_us())) {
        p->idle = true;
        wait_until(p, due_us(p));
        p->idle = false;
    }
    int64_t until_us = pm_time_monotonic_us() + (int64_t)p->settings.linger_ms * 1000;
    while (p->queue.records > 0 && p->sent.n == 0 && !must_go(p) && pm_producer_wait(p, &p->work, until_us)) continue;
    while (is_away(p) && !p->outbox && !p->ending && pm_producer_wait(p, &p->work, p->retry_at_us)) continue;
    p->hurried = false;
    return !p->ending;
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

/* The log did what it was asked: with the lock, which is given up for a moment. */
static void back(struct provmat_producer *p)
{
    bool was_away = is_away(p);
    p->backoff_ms = 0;
    pthread_cond_broadcast(&p->progress);
    if (!was_away) return;
    pthread_mutex_unlock(&p->lock);
    tell(p, 6, "the log takes events again");
    pthread_mutex_lock(&p->lock);
}

static void away(struct provmat_producer *p, const struct pm_error *why)
{
    bool news = !is_away(p);
    p->backoff_ms = news ? BACKOFF_MS_FIRST : p->backoff_ms * 2 < BACKOFF_MS_MAX ? p->backoff_ms * 2 : BACKOFF_MS_MAX;
    p->retry_at_us = pm_time_monotonic_us() + (int64_t)p->backoff_ms * 1000;
    p->problem = *why;
    pthread_cond_broadcast(&p->progress);
    if (!news) return;
    pthread_mutex_unlock(&p->lock);
    tell(p, 4, why->text);
    pthread_mutex_lock(&p->lock);
}

/* To the log; or, while it is away, to the outbox without asking it. */
static int send(struct provmat_producer *p, size_t n, bool spool, struct pm_error *err)
{
    p->n_refused = 0;
    pthread_mutex_unlock(&p->lock);
    int rc = spool ? pm_outbox_write(p->outbox, p->batch, n, err) : pm_ship_batch(&p->ship, p->batch, n, err);
    pthread_mutex_lock(&p->lock);
    return rc;
}

static void spooled(struct provmat_producer *p, uint64_t end, size_t n)
{
    pm_queue_drop(&p->queue, end, n);
    p->spooling = true;
    pthread_cond_broadcast(&p->progress);
}

static void delivered(struct provmat_producer *p, uint64_t end, size_t n)
{
    pm_queue_drop(&p->queue, end, n);
    p->acknowledged += n - p->n_refused;
    p->rejected += p->n_refused;
    if (p->n_refused == 0) p->problem.code = PM_OK;
    if (is_away(p)) p->scan_at_us = 0;
    back(p);
}

/* What a batch is taken from: the queue as it is now, behind what was sent; what is in it stays, and walking through it
 * takes longer than a call may wait. */
static size_t take(struct provmat_producer *p, uint64_t *ret_end)
{
    struct pm_queue taken = p->queue;
    if (p->sent.n > 0) taken.tail = p->sent.end;
    p->taken_to = taken.head;
    pthread_mutex_unlock(&p->lock);
    size_t n = pm_queue_take(&taken, p->batch, PM_SHIP_RECORDS_MAX, PM_SHIP_BYTES_MAX, ret_end);
    pthread_mutex_lock(&p->lock);
    return n;
}

/* The next batch is appended before the last one is awaited, so that the log is never idle while there is something. A
 * failure gives up both: they stand in the queue and go the slow way. */
static void stream(struct provmat_producer *p, size_t n, uint64_t end)
{
    struct pm_error why = {0};
    size_t before = p->sent.n;
    uint64_t before_end = p->sent.end;
    p->n_refused = 0;
    pthread_mutex_unlock(&p->lock);
    int rc = n > 0 ? pm_ship_append(&p->ship, p->batch, n, &why) : PM_OK;
    if (rc == PM_OK && before > 0) rc = pm_ship_await(&p->ship, n == 0, &why);
    pthread_mutex_lock(&p->lock);
    p->sent.n = 0;
    if (rc != PM_OK) {
        p->taken_to = 0;
        if (pm_error_class(rc) == PM_CLASS_RETRY) away(p, &why);
        return;
    }
    if (before > 0) delivered(p, before_end, before);
    p->sent.n = n;
    p->sent.end = end;
}

static void deliver(struct provmat_producer *p)
{
    struct pm_error why = {0};
    uint64_t end;
    size_t n = take(p, &end);
    if (pm_ship_streams(&p->ship) && !is_away(p)) {
        if (n + p->sent.n > 0) stream(p, n, end);
        return;
    }
    if (n == 0) return;
    if (!is_away(p) || !p->outbox) {
        if (send(p, n, false, &why) == PM_OK) {
            delivered(p, end, n);
            return;
        }
        away(p, &why);
        if (!p->outbox) {
            p->taken_to = 0; /* given again from the queue, as it then stands there */
            return;
        }
    }
    if (send(p, n, true, &why) == PM_OK) {
        spooled(p, end, n);
        return;
    }
    /* Neither log nor disk: the queue holds what it can. */
    p->problem = why;
    pm_producer_wait(p, &p->work, pm_time_monotonic_us() + (int64_t)BACKOFF_MS_FIRST * 1000);
}

/* Calls cannot tell: once when it begins, and how many they were when the log is back. */
static void tell_drops(struct provmat_producer *p)
{
    char text[160];
    if (p->dropped == p->dropped_told || (p->dropped_told > 0 && is_away(p))) return;
    snprintf(text, sizeof text, "the queue of %zu bytes is full: %" PRIu64 " events were dropped so far", p->queue.size,
             p->dropped);
    p->dropped_told = p->dropped;
    pthread_mutex_unlock(&p->lock);
    tell(p, 3, text);
    pthread_mutex_lock(&p->lock);
}

/* ---- the outbox ---- */

static bool must_break_off(void *arg)
{
    struct provmat_producer *p = arg;
    pthread_mutex_lock(&p->lock);
    bool must = p->ending || pm_queue_used(&p->queue) >= p->queue.size / 4;
    pthread_mutex_unlock(&p->lock);
    return must;
}

static void sync_outbox(struct provmat_producer *p)
{
    struct pm_error why = {0};
    if (p->settings.outbox_sync != PROVMAT_SYNC_INTERVAL || pm_time_monotonic_us() < p->sync_at_us) return;
    p->sync_at_us = pm_time_monotonic_us() + SYNC_US;
    pthread_mutex_unlock(&p->lock);
    int rc = pm_outbox_sync(p->outbox, &why);
    pthread_mutex_lock(&p->lock);
    if (rc != PM_OK) p->problem = why;
}

/* With the lock: what a look through the outbox left behind. A file that cannot be read or removed says nothing about
 * the log. */
static void drained(struct provmat_producer *p, const struct pm_drain_counts *counts, uint64_t gone, uint64_t left)
{
    int64_t now_us = pm_time_monotonic_us();
    p->acknowledged += gone > p->n_refused ? gone - p->n_refused : 0;
    p->rejected += p->n_refused;
    p->spooling = left > 0;
    p->others = counts->in_use > 0;
    p->scan_at_us = now_us + SCAN_US;
    p->drain_at_us = counts->failed > 0 ? p->scan_at_us : counts->in_use > 0 ? now_us + LOOK_AGAIN_US : 0;
    if (counts->failed > 0) p->problem = counts->why;
    else if (p->n_refused == 0) p->problem.code = PM_OK;
}

/* What waits in the directory, ours and what others left, into the log. New events come first: it breaks off when many
 * of them wait. */
static void drain(struct provmat_producer *p)
{
    struct pm_error why = {0};
    struct pm_drain_counts counts = {0};
    if (p->sent.n > 0) {
        stream(p, 0, 0);
        if (is_away(p)) return;
    }
    p->n_refused = 0;
    pthread_mutex_unlock(&p->lock);
    pm_outbox_seal(p->outbox);
    int rc = pm_ship_open(&p->ship, &why);
    bool opened = rc == PM_OK;
    if (opened) rc = pm_outbox_drain(p->settings.outbox, &p->ship, must_break_off, p, &counts, &why);
    if (opened && (rc == PM_ENOTFOUND || rc == PM_EUSAGE || rc == PM_EIO)) { /* the directory's fault */
        counts.failed++;
        counts.why = why;
        rc = PM_OK;
    }
    uint64_t gone = pm_outbox_settle(p->outbox);
    uint64_t left = pm_outbox_waiting(p->outbox);
    pthread_mutex_lock(&p->lock);
    drained(p, &counts, gone, left);
    if (rc == PM_OK) {
        back(p);
        return;
    }
    p->spooling = true; /* ask again */
    away(p, &why);
}

static void tend_outbox(struct provmat_producer *p)
{
    sync_outbox(p);
    int64_t now_us = pm_time_monotonic_us();
    if (is_away(p) ? now_us < p->retry_at_us : now_us < p->drain_at_us) return;
    if (p->spooling || (p->queue.records == 0 && now_us >= p->scan_at_us)) drain(p);
}

/* ---- life ---- */

static void *run(void *arg)
{
    struct provmat_producer *p = arg;
    struct pm_memory_guard guard = {.wait = true};
    pm_memory_guard_set(&guard);
    pthread_mutex_lock(&p->lock);
    while (gather(p)) {
        deliver(p);
        tell_drops(p);
        if (p->outbox && !p->ending) tend_outbox(p);
    }
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
                                              .timeout_ms = p->settings.log_timeout_ms,
                                              .values_stay = !p->settings.registry_url};
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
