/* fork.c: the threads that are in a held call are counted; a fork waits for none, and keeps new ones out until it is
 * done. */
#include "common/base/fork.h"

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "common/base/check.h"
#include "common/base/time.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static int n_inside;

static void before_fork(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t until_ns = until.tv_nsec + PM_FORK_WAIT_MS * 1000000LL;
    until.tv_sec += until_ns / 1000000000;
    until.tv_nsec = until_ns % 1000000000;
    pthread_mutex_lock(&lock);
    while (n_inside > 0 && pthread_cond_timedwait(&changed, &lock, &until) == 0) continue;
}

static void after_fork_in_parent(void) { pthread_mutex_unlock(&lock); }

static void after_fork_in_child(void)
{
    pthread_mutex_init(&lock, NULL);
    pm_time_cond_init(&changed);
    n_inside = 0;
}

/* Later than the handlers of who calls: those that are registered last run first before a fork, so this one waits
 * while the locks of the others are still free. */
static void watch_forks(void)
{
    pm_time_cond_init(&changed);
    (void)pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void pm_fork_hold(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&lock);
    n_inside++;
    pthread_mutex_unlock(&lock);
}

void pm_fork_release(void)
{
    pthread_mutex_lock(&lock);
    PM_CHECK(n_inside > 0);
    if (--n_inside == 0) pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}
