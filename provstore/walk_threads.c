/* walk_threads.c: who visits which directory (walk.h). Each thread goes down by itself, depth first. One that has
 * nothing left takes a directory from another thread: of the highest of that one's levels, so that it is a large part
 * and this seldom happens. Locks: walker->lock before walk->lock, never two walkers' at once. */
#define _GNU_SOURCE /* struct dirent64 */
#include <stdlib.h>
#include <unistd.h>

#include "common/base/check.h"
#include "provstore/walk.h"

#define NAME_BYTES_MAX 256 /* of one name, with its slash */

void pm_walker_init(struct pm_walker *walker, struct pm_walk *walk)
{
    *walker = (struct pm_walker){.walk = walk};
    pthread_mutex_init(&walker->lock, NULL);
    pm_buf_reserve(&walker->path, (size_t)(PM_STORE_DEPTH_MAX + 2) * NAME_BYTES_MAX); /* so that it never moves */
}

void pm_walker_release(struct pm_walker *walker)
{
    for (size_t i = 0; i < sizeof walker->levels / sizeof *walker->levels; i++) {
        if (i < walker->n_levels) close(walker->levels[i].entries.fd); /* of a walk that was stopped */
        pm_listing_release(&walker->levels[i].entries);
    }
    pthread_mutex_destroy(&walker->lock);
    pm_buf_release(&walker->path);
    pm_arena_release(&walker->arena);
}

/* ---- taking from another ---- */

/* An idle thread counts itself before it looks at `levels`, this one counts the level before it looks at `idle`: one of
 * them sees the other. */
void pm_walk_share(struct pm_walk *walk)
{
    __atomic_add_fetch(&walk->levels, 1, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&walk->idle, __ATOMIC_SEQ_CST)) return;
    pthread_mutex_lock(&walk->lock);
    pthread_cond_signal(&walk->changed);
    pthread_mutex_unlock(&walk->lock);
}

/* Under from->lock. */
static bool take_entry(struct pm_walker *walker, struct pm_walker *from, int *ret_fd, unsigned *ret_depth)
{
    for (size_t i = 0; i < from->n_levels; i++) {
        struct pm_walk_level *level = &from->levels[i];
        struct dirent64 *entry = pm_listing_ahead(&level->entries, DT_DIR);
        if (!entry) continue;
        pm_buf_clear(&walker->path);
        pm_buf_bytes(&walker->path, from->path.ptr, level->path_len);
        *ret_fd = pm_walk_child_open(walker, level->entries.fd, entry->d_name, level->depth + 1);
        *ret_depth = level->depth + 1;
        entry->d_type = PM_TAKEN;
        return true;
    }
    return false;
}

/* False: nobody had anything to take. */
static bool take_from_others(struct pm_walker *walker)
{
    struct pm_walk *walk = walker->walk;
    bool taken = false;
    for (unsigned i = 0; i < walk->n_walkers && !taken; i++) {
        struct pm_walker *from = &walk->walkers[i];
        int fd = -1;
        unsigned depth = 0;
        if (from == walker) continue;
        pthread_mutex_lock(&from->lock);
        taken = take_entry(walker, from, &fd, &depth);
        pthread_mutex_unlock(&from->lock);
        if (fd >= 0) pm_walk_enter(walker, fd, depth);
    }
    return taken;
}

/* False: all are idle, or the walk was stopped. */
static bool wait_for_others(struct pm_walk *walk, unsigned seen)
{
    pthread_mutex_lock(&walk->lock);
    unsigned idle = __atomic_add_fetch(&walk->idle, 1, __ATOMIC_SEQ_CST);
    while (idle < walk->threads && __atomic_load_n(&walk->levels, __ATOMIC_SEQ_CST) == seen && !pm_walk_stopped(walk)) {
        pthread_cond_wait(&walk->changed, &walk->lock);
        idle = __atomic_load_n(&walk->idle, __ATOMIC_SEQ_CST);
    }
    bool over = idle == walk->threads || pm_walk_stopped(walk);
    if (over) pthread_cond_broadcast(&walk->changed); /* the others end too */
    else __atomic_sub_fetch(&walk->idle, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&walk->lock);
    return !over;
}

static void *run(void *arg)
{
    struct pm_walker *walker = arg;
    struct pm_walk *walk = walker->walk;
    for (;;) {
        while (walker->n_levels && !pm_walk_stopped(walk)) pm_walk_step(walker);
        unsigned seen = __atomic_load_n(&walk->levels, __ATOMIC_SEQ_CST);
        if (pm_walk_stopped(walk)) break;
        if (!take_from_others(walker) && !wait_for_others(walk, seen)) return NULL;
    }
    pthread_mutex_lock(&walk->lock);
    pthread_cond_broadcast(&walk->changed);
    pthread_mutex_unlock(&walk->lock);
    return NULL;
}

/* ---- all ---- */

static unsigned threads_wanted(const struct pm_store_walk *options)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned wanted = options->threads ? options->threads : (unsigned)(processors > 0 ? processors : 1);
    return wanted < PM_STORE_THREADS_MAX ? wanted : PM_STORE_THREADS_MAX;
}

void pm_walk_all(struct pm_walk *walk, int fd)
{
    pthread_t threads[PM_STORE_THREADS_MAX];
    unsigned started = 0, wanted = threads_wanted(walk->options);
    walk->walkers = pm_calloc(wanted, sizeof *walk->walkers);
    for (unsigned i = 0; i < wanted; i++) pm_walker_init(&walk->walkers[i], walk);
    walk->threads = walk->n_walkers = wanted;
    pm_walk_enter(&walk->walkers[0], fd, 0);
    while (started + 1 < wanted && pthread_create(&threads[started], NULL, run, &walk->walkers[started + 1]) == 0)
        started++;
    if (started + 1 < wanted) { /* those that could not start have nothing, and wait for nobody */
        pthread_mutex_lock(&walk->lock);
        walk->threads = started + 1;
        pthread_cond_broadcast(&walk->changed);
        pthread_mutex_unlock(&walk->lock);
    }
    run(&walk->walkers[0]);
    for (unsigned i = 0; i < started; i++) pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < wanted; i++) pm_walker_release(&walk->walkers[i]);
    free(walk->walkers);
}
