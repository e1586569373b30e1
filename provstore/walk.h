/* walk.h: what the files of the walk share (walk.c: directories; walk_threads.c: who visits which; read_result.c: one
 * result; layout.c: which layout it follows). */
#ifndef PM_PROVSTORE_WALK_H
#define PM_PROVSTORE_WALK_H

#include <pthread.h>

#include "provstore/listing.h"
#include "provstore/result_json.h"
#include "provstore/store.h"

struct pm_walker;
struct pm_walk { /* one walk; under `lock`, but what never changes and what is atomic */
    const struct pm_store_walk *options;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct pm_walker *walkers; /* of pm_walk_all */
    unsigned n_walkers;
    unsigned threads; /* of them, those that run */
    unsigned idle;    /* atomic */
    unsigned levels;  /* atomic: how often there was something new to take from another thread */
    bool stopped;     /* atomic */
    struct pm_store_counts counts;
    int rc;
    struct pm_error *err;
};

struct pm_walk_level {         /* a directory that is being visited, by more than one thread when others are idle */
    struct pm_listing entries; /* one that another thread has taken has the type PM_TAKEN */
    size_t path_len;           /* of the directory, in walker->path */
    unsigned depth;            /* below ROOT */
    uint64_t n_entries;        /* seen so far; only the owner's, as is the next */
    bool artifacts;
};
#define PM_TAKEN 0xff

struct pm_walker { /* one thread of it */
    struct pm_walk *walk;
    /* The directories that lead to where the thread is. Others take from the highest one under `lock`; path up to
     * a level's path_len does not change while the level is there, and never moves. */
    pthread_mutex_t lock;
    struct pm_walk_level levels[PM_STORE_DEPTH_MAX + 1];
    size_t n_levels;
    struct pm_buf path;    /* of the directory that is open; from ROOT */
    struct pm_arena arena; /* of the result that is being read */
    struct pm_values values;
    struct pm_slice only_name; /* ptr set: of a directory of files, only this one */
};

/* walk.c */
bool pm_walk_stopped(const struct pm_walk *walk);
/* The entry at the walker's lowest level, or the end of that level. */
void pm_walk_step(struct pm_walker *walker);
/* The directory `name` in the directory `parent` at walker->path, which it is added to: -1 when nobody is to go there
 * (views; half-deleted; one that a put writes to; too deep; unreadable). What is wrong with it is told. */
int pm_walk_child_open(struct pm_walker *walker, int parent, const char *name, unsigned depth);
/* The directory at walker->path: a result, which is read, or the walker's next level. Takes `fd` over. */
void pm_walk_enter(struct pm_walker *walker, int fd, unsigned depth);

/* walk_threads.c: visits everything below ROOT, which is `fd`, and takes it over. */
void pm_walk_all(struct pm_walk *walk, int fd);
/* There are directories that others could take. */
void pm_walk_share(struct pm_walk *walk);

void pm_walker_init(struct pm_walker *walker, struct pm_walk *walk);
void pm_walker_release(struct pm_walker *walker);

/* Calls the options' functions, one thread at a time. A finding's text is made printable here. `found` and `expected`
 * may have no pointer. */
void pm_walk_finding(struct pm_walker *walker, const char *code, struct pm_slice path, struct pm_slice what,
                     struct pm_slice found, struct pm_slice expected, const char *fmt, ...) PM_PRINTF(7, 8);
void pm_walk_result(struct pm_walker *walker, const struct pm_stored *stored);
/* The path of an entry of the directory that is open, in the arena. */
struct pm_slice pm_walk_child(struct pm_walker *walker, struct pm_slice name);

/* `name` in the directory that is open is a result whose deletion was not ended (trash.h). */
void pm_walk_half_deleted(struct pm_walker *walker, struct pm_slice name);

/* read_result.c: the directory at walker->path, of which nothing but the first piece was read, holds a result, or
 * (cache) a result a file. Closes nothing. */
void pm_read_result(struct pm_walker *walker, struct pm_listing *entries);

/* layout.c: sets stored->layout, and facts.schema and schema_version from it or from where the result lies. When no
 * layout gives this path, *ret_expected is what the current one of the same name would give (ptr NULL: too little is
 * known), and *ret_schema its id. */
void pm_layout_find(struct pm_walker *walker, struct pm_stored *stored, const struct pm_result_texts *texts,
                    struct pm_slice *ret_expected, struct pm_slice *ret_schema);

#endif
