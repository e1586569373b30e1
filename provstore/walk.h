/* walk.h: what the files of the walk share (walk.c: directories and threads; read_result.c: one result; layout.c: which
 * layout it follows). */
#ifndef PM_PROVSTORE_WALK_H
#define PM_PROVSTORE_WALK_H

#include <pthread.h>

#include "provstore/result_json.h"
#include "provstore/store.h"

struct pm_walk { /* one walk; everything but `options` and `root_fd` under `lock` */
    const struct pm_store_walk *options;
    int root_fd;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char *waiting[PM_STORE_WAITING_MAX]; /* paths of directories, the last one is taken first */
    size_t n_waiting;
    unsigned idle, threads;
    bool stopped;
    struct pm_store_counts counts;
    int rc;
    struct pm_error *err;
};

struct pm_walker { /* one thread of it */
    struct pm_walk *walk;
    struct pm_buf path;    /* of the directory that is open; from ROOT */
    struct pm_arena arena; /* of the result that is being read */
    struct pm_values values;
    struct pm_slice only_name; /* ptr set: of a directory of files, only this one */
};

/* Calls the options' functions, one thread at a time. A finding's text is made printable here. `found` and `expected`
 * may have no pointer. */
void pm_walk_finding(struct pm_walker *walker, const char *code, struct pm_slice path, struct pm_slice what,
                     struct pm_slice found, struct pm_slice expected, const char *fmt, ...) PM_PRINTF(7, 8);
void pm_walk_result(struct pm_walker *walker, const struct pm_stored *stored);
/* The path of an entry of the directory that is open, in the arena. */
struct pm_slice pm_walk_child(struct pm_walker *walker, struct pm_slice name);

/* `name` in the directory that is open is a result whose deletion was not ended (trash.h). */
void pm_walk_half_deleted(struct pm_walker *walker, struct pm_slice name);
/* Opens the directory `path` below `root` (which stays open), name by name and without following links; *ret_depth is
 * the number of names. -1 with errno. */
int pm_walk_open(int root, const char *path, unsigned *ret_depth);

/* read_result.c: the directory `fd` at walker->path holds a result, or (cache) a result a file. Closes nothing. */
void pm_read_result(struct pm_walker *walker, int fd);

/* layout.c: sets stored->layout, and facts.schema and schema_version from it or from where the result lies. When no
 * layout gives this path, *ret_expected is what the current one of the same name would give (ptr NULL: too little is
 * known), and *ret_schema its id. */
void pm_layout_find(struct pm_walker *walker, struct pm_stored *stored, const struct pm_result_texts *texts,
                    struct pm_slice *ret_expected, struct pm_slice *ret_schema);

#endif
