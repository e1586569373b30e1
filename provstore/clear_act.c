/* clear_act.c: what a plan says is done (clear.h). Some results at a time are renamed, then told of, then removed, so
 * that one synchronisation serves all of them. Each is locked by its open directory while it is worked on, which keeps
 * a second run from saying its event too; nothing depends on it, because both would say the same one. */
#define _GNU_SOURCE /* renameat2 */
#include "provstore/clear.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/time.h"
#include "provstore/below.h"
#include "provstore/pending.h"
#include "provstore/trash.h"

#define BATCH 128 /* each holds two files open */
#define SKEW_US ((int64_t)24 * 3600 * 1000000)

struct work { /* one result that is on its way out */
    struct pm_clear_item *item;
    int parent, fd;
    int64_t at;
    char trash[PM_NAME_BYTES_MAX + 1];
};

struct acting {
    struct pm_clear *plan;
    const struct pm_clear_telling *telling;
    struct work works[BATCH];
    size_t n_works;
    struct pm_arena arena;
    struct pm_buf scratch;
};

static void PM_PRINTF(4, 5)
    became(struct acting *run, struct pm_clear_item *item, enum pm_clear_action action, const char *fmt, ...)
{
    char text[PM_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    item->action = action;
    item->reason = pm_arena_copy(&run->plan->arena, pm_slice_cstr(text));
}

static void close_work(struct work *work)
{
    if (work->fd >= 0) close(work->fd); /* and with it the lock */
    if (work->parent >= 0) close(work->parent);
    work->fd = work->parent = -1;
}

/* ---- out of its place ---- */

static bool is_at(const struct work *work, const char *name)
{
    struct stat here, mine;
    return fstatat(work->parent, name, &here, AT_SYMLINK_NOFOLLOW) == 0 && fstat(work->fd, &mine) == 0 &&
           here.st_ino == mine.st_ino && here.st_dev == mine.st_dev;
}

static bool is_as_planned(const struct work *work)
{
    struct pm_clear_look look;
    return pm_clear_look(work->fd, &look) == 0 && !look.has_foreign && look.version.hi == work->item->version.hi &&
           look.version.lo == work->item->version.lo;
}

static int move(int parent, const char *from, const char *to)
{
    if (renameat2(parent, from, parent, to, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -1;
    return renameat(parent, from, parent, to); /* a file system without it; nothing has such a name */
}

/* Later than what the index or the files say of it, unless that is beyond what clocks differ by. */
static int64_t time_of_deletion(const struct pm_clear_item *item)
{
    int64_t now = pm_time_now_us(), at = now;
    if (item->at >= at && item->at < now + SKEW_US) at = item->at + 1;
    if (item->last_used_at >= at && item->last_used_at < now + SKEW_US) at = item->last_used_at + 1;
    return at;
}

/* Opened and locked, and still where it was. */
static bool hold(struct acting *run, struct work *work, struct pm_slice path, const char *name)
{
    struct pm_error why;
    int rc = pm_clear_open(run->plan->root_fd, path, &work->parent, &work->fd, &why);
    if (rc == PM_OK && flock(work->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        rc = pm_error_set(&why, PM_ENOTFOUND, "another run is deleting it");
    if (rc == PM_OK && !is_at(work, name)) rc = pm_error_set(&why, PM_ENOTFOUND, "not there any more");
    if (rc == PM_OK) return true;
    became(run, work->item,
           rc == PM_ENOTFOUND  ? PM_CLEAR_GONE
           : rc == PM_EINVALID ? PM_CLEAR_CHANGED
                               : PM_CLEAR_FAILED,
           "%s", why.text);
    return false;
}

/* An event cannot name every path that a directory can have; then none has named it either. What a put has not put in
 * place yet is no result. */
static bool can_be_told(const struct pm_clear_item *item)
{
    char name[PM_NAME_BYTES_MAX + 1];
    return pm_below_name(item->path, name) == 0 && !pm_pending_is(name) &&
           pm_path_check("result", item->path, NULL) == PM_OK;
}

static int make_event(struct acting *run, const struct work *work, struct pm_event *ret, struct pm_error *err)
{
    *ret = (struct pm_event){.type = PM_RESULT_DELETED,
                             .has = PM_HAS(result) | PM_HAS(occurred_at) | PM_HAS(reason),
                             .result = work->item->path,
                             .occurred_at = work->at,
                             .reason = PM_SLICE(PM_CLEAR_REASON)};
    return pm_event_complete(ret, &run->arena, &run->scratch, err);
}

static bool take_out(struct acting *run, struct work *work, const char *name)
{
    struct pm_clear_item *item = work->item;
    struct stat st;
    bool is_directory = fstat(work->fd, &st) == 0 && S_ISDIR(st.st_mode);
    work->at = time_of_deletion(item);
    if (!is_as_planned(work)) {
        became(run, item, PM_CLEAR_CHANGED, "changed since the plan");
    } else if (!pm_trash_name(pm_slice_cstr(name), work->at, work->trash)) {
        became(run, item, PM_CLEAR_FAILED, "its name is too long to be moved aside");
    } else if (is_directory && faccessat(work->parent, name, W_OK | X_OK, AT_EACCESS) != 0) {
        became(run, item, PM_CLEAR_FAILED, "its files cannot be removed: %s", pm_error_system(errno));
    } else if (move(work->parent, name, work->trash) != 0) {
        became(run, item, errno == ENOENT ? PM_CLEAR_GONE : PM_CLEAR_FAILED, "could not be moved aside: %s",
               pm_error_system(errno));
    } else if (is_at(work, work->trash) && is_as_planned(work)) {
        return true;
    } else if (move(work->parent, work->trash, name) == 0) { /* somebody was faster, between the look and the rename */
        became(run, item, PM_CLEAR_CHANGED, "changed since the plan");
    } else {
        became(run, item, PM_CLEAR_FAILED, "changed since the plan; it lies beside its place as \"%s\" now: %s",
               work->trash, pm_error_system(errno));
    }
    return false;
}

/* Whether it is to be told of and removed. */
static bool begin(struct acting *run, struct work *work)
{
    struct pm_clear_item *item = work->item;
    struct pm_slice name = pm_below_last(item->path);
    size_t before = item->path.len - name.len;
    PM_CLEANUP(pm_buf_release) struct pm_buf path = {0};
    pm_buf_bytes(&path, item->path.ptr, before);
    if (item->action == PM_CLEAR_FINISH) {
        work->at = item->deleted_at;
        if (!pm_trash_name(name, work->at, work->trash)) return false;
        pm_buf_cstr(&path, work->trash);
        return hold(run, work, pm_buf_slice(&path), work->trash);
    }
    pm_buf_slice_add(&path, name);
    pm_buf_byte(&path, 0);
    return hold(run, work, item->path, path.ptr + before) && take_out(run, work, path.ptr + before);
}

/* ---- told ---- */

static bool is_in_one_directory(const struct work *a, const struct work *b)
{
    struct stat st_a, st_b;
    return fstat(a->parent, &st_a) == 0 && fstat(b->parent, &st_b) == 0 && st_a.st_ino == st_b.st_ino;
}

/* The new names reach the disk before anybody hears of them. Some file systems have no such call for directories. */
static int sync_names(const struct acting *run, struct pm_error *err)
{
    for (size_t i = 0; i < run->n_works; i++) {
        if (i && is_in_one_directory(&run->works[i - 1], &run->works[i])) continue;
        if (fsync(run->works[i].parent) != 0 && errno != EINVAL)
            return pm_error_set(err, PM_EIO, "could not write the store \"%s\" to the disk: %s", run->plan->root,
                                pm_error_system(errno));
    }
    return PM_OK;
}

static int tell_all(struct acting *run, struct pm_error *err)
{
    const struct pm_clear_telling *telling = run->telling;
    if (!telling->tell || !run->n_works) return PM_OK;
    PM_TRY(sync_names(run, err));
    for (size_t i = 0; i < run->n_works; i++) {
        struct work *work = &run->works[i];
        struct pm_event ev;
        struct pm_error why;
        if (!can_be_told(work->item)) continue;
        pm_arena_reset(&run->arena);
        if (make_event(run, work, &ev, &why) != PM_OK) { /* a time in a name that somebody else made */
            became(run, work->item, PM_CLEAR_FAILED, "no event can tell of it: %s", why.text);
            close_work(work);
            continue;
        }
        PM_TRY(telling->tell(telling->arg, &ev, err));
        run->plan->events++;
    }
    return telling->settle(telling->arg, err);
}

/* ---- removed ---- */

/* Closes `dir`. */
static bool unlink_entries(struct acting *run, struct work *work, DIR *dir)
{
    bool good = true;
    for (struct dirent *entry; good && (entry = pm_below_next(dir)) != NULL;) {
        if (!pm_clear_is_own(entry->d_name)) {
            became(run, work->item, PM_CLEAR_FAILED, "deleted, but \"%s\" holds \"%s\", which belongs to no result",
                   work->trash, entry->d_name);
            closedir(dir);
            return false;
        }
        good = unlinkat(dirfd(dir), entry->d_name, 0) == 0 || errno == ENOENT;
    }
    int number = errno;
    closedir(dir);
    if (good && !number) return true;
    became(run, work->item, PM_CLEAR_FAILED, "deleted, but what is left in \"%s\" could not be removed: %s",
           work->trash, pm_error_system(number));
    return false;
}

/* A file of a cache shares its directory and metadata.json with others; the last one takes them along. */
static void remove_shared(const struct work *work)
{
    DIR *dir = pm_below_list(work->parent, PM_SLICE(""));
    bool alone = dir != NULL;
    for (struct dirent *entry; alone && (entry = pm_below_next(dir)) != NULL;)
        alone = !strcmp(entry->d_name, "metadata.json");
    if (alone) unlinkat(work->parent, "metadata.json", 0);
    if (dir) closedir(dir);
}

/* The directories above, as far as they are empty now. One that a writer fills meanwhile is not empty. */
static void remove_empty(struct acting *run, struct pm_slice path)
{
    char name[PM_NAME_BYTES_MAX + 1];
    while ((path = pm_below_above(path)).len) {
        int parent = pm_below_parent(run->plan->root_fd, path, name);
        bool removed = parent >= 0 && unlinkat(parent, name, AT_REMOVEDIR) == 0;
        if (parent >= 0) close(parent);
        if (!removed) return;
    }
}

static void remove_one(struct acting *run, struct work *work)
{
    DIR *dir = pm_below_list(work->fd, PM_SLICE(""));
    bool is_file = !dir && errno == ENOTDIR;
    if (!dir && !is_file) {
        became(run, work->item, PM_CLEAR_FAILED, "deleted, but \"%s\" could not be read: %s", work->trash,
               pm_error_system(errno));
        return;
    }
    if (dir && !unlink_entries(run, work, dir)) return;
    if (unlinkat(work->parent, work->trash, is_file ? 0 : AT_REMOVEDIR) != 0 && errno != ENOENT) {
        became(run, work->item, PM_CLEAR_FAILED, "deleted, but \"%s\" could not be removed: %s", work->trash,
               pm_error_system(errno));
        return;
    }
    if (is_file) remove_shared(work);
    remove_empty(run, work->item->path);
    work->item->action = work->item->action == PM_CLEAR_FINISH ? PM_CLEAR_FINISHED : PM_CLEAR_DELETED;
}

/* ---- all of it ---- */

static int end_batch(struct acting *run, struct pm_error *err)
{
    int rc = tell_all(run, err);
    for (size_t i = 0; i < run->n_works; i++) {
        struct work *work = &run->works[i];
        if (work->fd < 0) continue;
        if (rc == PM_OK) remove_one(run, work);
        else
            became(run, work->item, PM_CLEAR_FAILED,
                   "half-deleted, because its event could not be told; the next run ends it");
        close_work(work);
    }
    run->n_works = 0;
    return rc;
}

static int act(struct acting *run, struct pm_error *err)
{
    const volatile sig_atomic_t *stop = run->telling->stop;
    for (size_t i = 0; i < run->plan->n_items && !(stop && *stop); i++) {
        struct pm_clear_item *item = &run->plan->items[i];
        struct work *work = &run->works[run->n_works];
        if (item->action != PM_CLEAR_DELETE && item->action != PM_CLEAR_FINISH) continue;
        *work = (struct work){.item = item, .parent = -1, .fd = -1};
        if (begin(run, work)) run->n_works++;
        else close_work(work);
        if (run->n_works == BATCH) PM_TRY(end_batch(run, err));
    }
    return end_batch(run, err);
}

int pm_clear_act(struct pm_clear *plan, const struct pm_clear_telling *telling, struct pm_error *err)
{
    struct acting run = {.plan = plan, .telling = telling};
    int rc = act(&run, err);
    pm_arena_release(&run.arena);
    pm_buf_release(&run.scratch);
    return rc;
}
