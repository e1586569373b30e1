/* clear.h: deleting results of a store: first a plan, then exactly that.
 *
 *   store --walk--> a result that is selected --index--> who used it --rules--> delete, or keep and why       (clear.c)
 *   plan --rename--> .NAME.deleted-TIME --ResultDeleted--> log or outbox, acknowledged --unlink--> gone   (clear_act.c)
 *
 * The rename takes a result out of its place in one step: a reader finds all of it or nothing. Its new name says what
 * it was and when it was deleted (trash.h), and the event follows from these two alone; so whatever kills the program
 * between the steps, the next run finds the half-deleted result, says the same event, which is one event, and goes on.
 * Nothing is put back when the log fails, because it may have the event all the same.
 *
 * Everything happens through directories that were opened name by name below ROOT, no link followed. What was changed
 * since the plan is left alone, and so is a directory that holds anything that is not of a result. */
#ifndef PM_PROVSTORE_CLEAR_H
#define PM_PROVSTORE_CLEAR_H

#include "common/base/hash.h"
#include "common/store/index.h"
#include "provstore/store.h"

#define PM_CLEAR_YOUNG_US ((int64_t)3600 * 1000000) /* a half-written result so young may have a writer */
#define PM_CLEAR_SILENT_US \
    ((int64_t)24 * 3600 * 1000000)    /* a job that tells no status lives so long after its last event */
#define PM_CLEAR_REASON "store clear" /* of its events; never another, because ids follow from it */

enum pm_clear_action {
    /* a plan */
    PM_CLEAR_DELETE,
    PM_CLEAR_FINISH, /* half-deleted by a run that was killed */
    PM_CLEAR_KEEP,   /* selected, but the reason says why not */
    /* what became of it */
    PM_CLEAR_DELETED,
    PM_CLEAR_FINISHED,
    PM_CLEAR_GONE,    /* it was not there any more */
    PM_CLEAR_CHANGED, /* not what was planned for: left alone */
    PM_CLEAR_FAILED,  /* the reason says why */
};
const char *pm_clear_action_name(enum pm_clear_action action); /* "delete" */

struct pm_clear_use {  /* one job that used it */
    uint32_t job;      /* in pm_clear.jobs */
    enum pm_role role; /* shown */
    int64_t at;
    bool hurt; /* the job has not ended, and computed, reuses or expects it */
};
struct pm_clear_job {
    struct pm_slice job_id;
    const char *status; /* NULL: it told none */
    bool live;          /* it has not ended */
};
struct pm_clear_item {
    struct pm_slice path; /* of the result */
    enum pm_clear_action action;
    struct pm_slice reason;                /* ptr NULL: none */
    struct pm_slice layout, bundle_digest; /* ptr NULL: unknown */
    int kind, state;                       /* enum pm_kind, enum pm_stored_state; -1: unknown */
    int64_t at, last_used_at;              /* stored; largest of its pairs. INT64_MIN: unknown */
    int64_t deleted_at;                    /* FINISH: its name tells */
    uint64_t files, bytes;
    struct pm_hash128 version; /* of what lies there: names, sizes, times, inode numbers */
    size_t first_use, n_uses;  /* in pm_clear.uses */
};

struct pm_clear_planned { /* one line of a plan that somebody has read */
    struct pm_slice path;
    struct pm_hash128 version;
};
struct pm_clear_select { /* all that are given must hold */
    const char *schema, *path_prefix;
    struct pm_slice bundle; /* digits; ptr NULL: any */
    int kind, state;        /* -1: any */
    int64_t stored_before;  /* INT64_MAX: any */
    /* These ask the index. */
    int64_t used_before;           /* used last, and stored, before; INT64_MAX: any */
    uint64_t jobs_max, reuses_max; /* computed or reused by at most so many jobs; reused by; UINT64_MAX: any */
    struct pm_clear_planned *plan; /* only these, as they were; sorted here. NULL: any */
    size_t n_planned;
};
struct pm_clear_options {
    struct pm_store_walk walk; /* its result(), half_deleted(), finding() and arg are set here */
    struct pm_snapshot *snap;  /* NULL: nobody knows who used what */
    struct pm_clear_select select;
    bool in_use;           /* also what a job that has not ended uses, and what may have a writer */
    int64_t silent_before; /* a job whose last event is older has ended; INT64_MIN: as PM_CLEAR_SILENT_US says */
    /* A directory that could not be looked into: nothing in it is in the plan. */
    void (*unreadable)(void *arg, struct pm_slice path, struct pm_slice why);
    void *arg;
};

struct pm_clear { /* a plan; zero it, then pm_clear_plan */
    const char *root;
    int root_fd;
    struct pm_clear_item *items; /* by path */
    size_t n_items, room_items;
    struct pm_clear_use *uses;
    size_t n_uses, room_uses;
    struct pm_clear_job *jobs;
    size_t n_jobs;
    struct pm_arena arena; /* the texts of all of them */
    uint64_t unreadable;
    uint64_t events; /* pm_clear_act: that were told */
};

/* PM_EUSAGE: ROOT cannot be opened. The snapshot is not needed afterwards. */
int pm_clear_plan(const struct pm_clear_options *options, struct pm_clear *ret, struct pm_error *err) PM_MUST_CHECK;
void pm_clear_release(struct pm_clear *plan);

struct pm_clear_telling {
    /* One ResultDeleted; NULL: nobody is told. */
    int (*tell)(void *arg, const struct pm_event *ev, struct pm_error *err);
    int (*settle)(void *arg, struct pm_error *err); /* all that was told is where it cannot be lost */
    void *arg;
    const volatile sig_atomic_t *stop; /* ends after what has been begun */
};
/* Does what the plan says, and sets each item's action to what became of it. Only what concerns all of them is an
 * error: an event that could not be told. Then items that are half-deleted are PM_CLEAR_FAILED and say so. */
int pm_clear_act(struct pm_clear *plan, const struct pm_clear_telling *telling, struct pm_error *err) PM_MUST_CHECK;

/* ---- what both files share ---- */
struct pm_clear_look { /* what lies at a place */
    uint64_t files, bytes;
    struct pm_hash128 version;
    int64_t written_us, touched_us; /* the latest of its times: of contents; of anything */
    bool is_file;
    bool has_foreign; /* it holds something that is not of a result */
    char foreign[256];
};
/* Of an open file or directory. -1 with errno. */
int pm_clear_look(int fd, struct pm_clear_look *ret);
/* Of the result at `path`, opened without following links. PM_ENOTFOUND; PM_EINVALID when it is a link or nothing that
 * could be a result; else PM_EIO. *ret_parent (NULL: not wanted) and *ret_fd are the caller's to close. */
int pm_clear_open(int root_fd, struct pm_slice path, int *ret_parent, int *ret_fd, struct pm_error *err) PM_MUST_CHECK;
/* Is it one of a result's files, by its name? */
bool pm_clear_is_own(const char *name);

#endif
