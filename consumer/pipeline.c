/* pipeline.c: the hand-over, under one lock, and the writing thread. */
#include "consumer/pipeline.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/check.h"
#include "common/base/time.h"

#define BATCHES 4 /* one is written, one filled; the rest is for a disk that takes its time */
#define MAP_FULL_TRIES 4
#define HEADROOM_RETRY ((uint64_t)4 << 30)
#define IDLE_MS 1000 /* of quiet before runs are merged for their readers' sake */

struct pm_pipeline {
    struct pm_writer *writer;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct pm_batch batches[BATCHES];
    struct pm_batch *free[BATCHES], *given[BATCHES]; /* given: first in, first out */
    size_t n_free, n_given;
    bool writing, closing, idle_merge;
    int rc;
    struct pm_error error;
};

/* When the map is full in spite of the headroom the batch is applied again with more of it: its numbers of names are
 * still right, the writer's memory is read anew. */
static int write_batch(struct pm_writer *w, const struct pm_batch *batch, struct pm_error *err)
{
    int rc = pm_apply(w, batch, 0, err);
    for (int i = 0; rc == PM_EMAPFULL && i < MAP_FULL_TRIES; i++) {
        PM_TRY(pm_writer_reload(w, err));
        rc = pm_apply(w, batch, HEADROOM_RETRY << (2 * i), err);
    }
    return rc;
}

static void wait_changed(struct pm_pipeline *p, int ms)
{
    if (ms <= 0) {
        pthread_cond_wait(&p->changed, &p->lock);
        return;
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_cond_timedwait(&p->changed, &p->lock, &until);
}

/* Locked on entry and on return. */
static void merge_while_idle(struct pm_pipeline *p, bool *merged)
{
    p->writing = true;
    pthread_mutex_unlock(&p->lock);
    struct pm_error error;
    int rc = pm_apply_idle(p->writer, merged, &error);
    pthread_mutex_lock(&p->lock);
    p->writing = false;
    if (rc != PM_OK) p->rc = rc, p->error = error;
}

static void *write_loop(void *arg)
{
    struct pm_pipeline *p = arg;
    bool merged = false;
    pthread_mutex_lock(&p->lock);
    while (p->rc == PM_OK) {
        if (p->n_given == 0) {
            if (p->closing) break;
            bool wait_idle = p->idle_merge && !merged;
            wait_changed(p, wait_idle ? IDLE_MS : 0);
            if (wait_idle && p->n_given == 0 && !p->closing) merge_while_idle(p, &merged);
            continue;
        }
        struct pm_batch *batch = p->given[0];
        memmove(p->given, p->given + 1, --p->n_given * sizeof p->given[0]);
        p->writing = true;
        pthread_mutex_unlock(&p->lock);
        struct pm_error error;
        int rc = write_batch(p->writer, batch, &error);
        pm_batch_clear(batch);
        pthread_mutex_lock(&p->lock);
        p->writing = false;
        merged = false;
        if (rc != PM_OK) p->rc = rc, p->error = error;
        p->free[p->n_free++] = batch;
        pthread_cond_broadcast(&p->changed);
    }
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

int pm_pipeline_open(struct pm_writer *writer, bool idle_merge, struct pm_pipeline **ret, struct pm_error *err)
{
    struct pm_pipeline *p = pm_calloc(1, sizeof *p);
    p->writer = writer;
    p->idle_merge = idle_merge;
    pthread_mutex_init(&p->lock, NULL);
    pm_time_cond_init(&p->changed);
    for (size_t i = 0; i < BATCHES; i++) p->free[p->n_free++] = &p->batches[i];
    int rc = pthread_create(&p->thread, NULL, write_loop, p);
    if (rc != 0) {
        free(p);
        return pm_error_set(err, PM_EIO, "could not start the writing thread: %s", pm_error_system(rc));
    }
    *ret = p;
    return PM_OK;
}

static int failed(struct pm_pipeline *p, struct pm_error *err)
{
    if (p->rc != PM_OK && err) *err = p->error;
    return p->rc;
}

int pm_pipeline_take(struct pm_pipeline *p, struct pm_batch **ret, struct pm_error *err)
{
    pthread_mutex_lock(&p->lock);
    while (p->n_free == 0 && p->rc == PM_OK) wait_changed(p, 0);
    int rc = failed(p, err);
    if (rc == PM_OK) *ret = p->free[--p->n_free];
    pthread_mutex_unlock(&p->lock);
    return rc;
}

void pm_pipeline_give(struct pm_pipeline *p, struct pm_batch *batch)
{
    pm_batch_seal(batch);
    pthread_mutex_lock(&p->lock);
    p->given[p->n_given++] = batch;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

bool pm_pipeline_busy(struct pm_pipeline *p)
{
    pthread_mutex_lock(&p->lock);
    bool busy = p->writing || p->n_given > 0;
    pthread_mutex_unlock(&p->lock);
    return busy;
}

int pm_pipeline_drain(struct pm_pipeline *p, struct pm_error *err)
{
    pthread_mutex_lock(&p->lock);
    while ((p->n_given > 0 || p->writing) && p->rc == PM_OK) wait_changed(p, 0);
    int rc = failed(p, err);
    pthread_mutex_unlock(&p->lock);
    return rc;
}

void pm_pipeline_close(struct pm_pipeline *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    for (size_t i = 0; i < BATCHES; i++) pm_batch_release(&p->batches[i]);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
