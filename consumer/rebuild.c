/* rebuild.c: a new index beside the old one, then a swap by rename. The old one answers until the swap; a rebuild that
 * is killed leaves it as it was, and the next one clears its remains. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/fault.h"
#include "consumer/rebuild.h"
#include "consumer/replayer.h"
#include "consumer/views/views.h"

/* Only what an index consists of is ever removed. */
int pm_rebuild_remove(const char *dir, struct pm_error *err)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "writer.lock"};
    char path[PATH_MAX];
    struct stat st;
    if (lstat(dir, &st) == 0 && S_ISLNK(st.st_mode)) /* it would lead to what is not ours to remove */
        return pm_error_set(err, PM_EIO, "%s: is a symbolic link; remove it", dir);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        PM_TRY(PM_FAULT(rebuild_remove, err));
        if (unlink(path) != 0 && errno != ENOENT && errno != ENOTDIR)
            return pm_error_set(err, PM_EIO, "%s: could not remove: %s", path, pm_error_system(errno));
    }
    if (rmdir(dir) != 0 && errno != ENOENT)
        return pm_error_set(err, PM_EIO, "%s: could not remove: %s", dir, pm_error_system(errno));
    return PM_OK;
}

static void sync_parent(const char *dir)
{
    char parent[PATH_MAX];
    snprintf(parent, sizeof parent, "%s", dir);
    char *slash = strrchr(parent, '/');
    if (slash && slash != parent) *slash = 0;
    int fd = open(slash ? (slash == parent ? "/" : parent) : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fsync(fd);
    close(fd);
}

/* At no moment is there no index at `dir`, where the file system can exchange two names; else for one moment, between
 * two renames. */
static int swap(const char *dir, const char *fresh, bool old_exists, struct pm_error *err)
{
    if (!old_exists) {
        if (rename(fresh, dir) != 0)
            return pm_error_set(err, PM_EIO, "%s: could not rename to %s: %s", fresh, dir, pm_error_system(errno));
        sync_parent(dir);
        return PM_OK;
    }
    if (PM_FAULT(rebuild_exchange, NULL) == PM_OK && renameat2(AT_FDCWD, fresh, AT_FDCWD, dir, RENAME_EXCHANGE) == 0) {
        sync_parent(dir);
        PM_TRY(PM_FAULT(rebuild_swapped, err));
        return pm_rebuild_remove(fresh, err);
    }
    char aside[PATH_MAX];
    if ((size_t)snprintf(aside, sizeof aside, "%s.old", dir) >= sizeof aside)
        return pm_error_set(err, PM_EINDEX, "%s: the path is too long", dir);
    PM_TRY(pm_rebuild_remove(aside, err));
    if (rename(dir, aside) != 0)
        return pm_error_set(err, PM_EIO, "%s: could not rename: %s%s", dir, pm_error_system(errno),
                            errno == EBUSY ? "; a mount point cannot be swapped: keep the index in a directory below it"
                                           : "");
    if (PM_FAULT(rebuild_between_renames, NULL) != PM_OK || rename(fresh, dir) != 0) {
        int code = pm_error_set(err, PM_EIO, "%s: could not rename to %s: %s", fresh, dir, pm_error_system(errno));
        if (rename(aside, dir) != 0) return pm_error_wrap(err, code, "the old index is left at %s", aside);
        return code;
    }
    sync_parent(dir);
    return pm_rebuild_remove(aside, err);
}

static bool is_index(const char *dir)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/data.mdb", dir);
    return access(path, F_OK) == 0;
}

static void note_partition(void *arg, const char *table, enum pm_pages_kind kind, uint64_t page)
{
    (void)kind;
    (void)page;
    if (strncmp(table, "partition-", 10) == 0) *(bool *)arg = true;
}

/* What is swapped out is removed, so it must not be the log. An index that cannot be read is what a rebuild is for; it
 * is not asked for anything then. */
static int check_old(const struct pm_consumer_options *options, const char *dir, bool *ret_damaged,
                     struct pm_error *err)
{
    struct pm_kv *kv;
    struct pm_kv_txn *txn;
    struct pm_error why;
    bool is_log = false;
    int rc = pm_kv_open(dir, PM_KV_READ_ONLY, &kv, &why);
    if (rc == PM_OK) {
        struct pm_pages_look look = {.each = note_partition, .arg = &is_log};
        rc = pm_kv_check_pages(kv, &look, &why);
        if (rc == PM_OK) rc = pm_kv_begin_read(kv, &txn, &why);
        if (rc == PM_OK) {
            rc = pm_meta_check_no_log(txn, dir, &why);
            pm_kv_abort(txn);
        }
        pm_kv_close(kv);
    }
    if (rc == PM_EINDEX) return pm_error_set(err, rc, "%s", why.text);
    if (is_log) return pm_error_set(err, PM_EINDEX, "%s: the directory holds a log, not an index", dir);
    if (rc == PM_ECORRUPT && options->warn) {
        options->warn(options->arg, why.text);
        options->warn(options->arg, "gaps that the damaged index had accepted are not taken over");
    }
    *ret_damaged = rc == PM_ECORRUPT;
    return PM_OK;
}

static int check_view(const char *view, struct pm_error *err)
{
    if (!view) return PM_OK;
    for (const char *const *name = pm_view_names(); *name; name++)
        if (strcmp(*name, view) == 0) return PM_OK;
    return pm_error_set(err, PM_EUSAGE,
                        "there is no view \"%s\"; the views are results, job_results, result_jobs, jobs, conflicts",
                        view);
}

int pm_rebuild(const struct pm_consumer_options *options, const char *view, int64_t until_us,
               struct pm_consumer_result *ret, struct pm_error *err)
{
    const char *dir = options->index_dir;
    char real[PATH_MAX], fresh[PATH_MAX], room[1024];
    PM_TRY(check_view(view, err));
    bool old_exists = is_index(dir);
    if (old_exists && realpath(dir, real)) dir = real; /* a link or "." is not what is swapped, but what it leads to */
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/') n--;
    if ((size_t)snprintf(fresh, sizeof fresh, "%.*s.rebuild", (int)n, dir) >= sizeof fresh)
        return pm_error_set(err, PM_EINDEX, "%s: the path is too long", dir);

    struct pm_consumer_options with_url = *options;
    int lock_fd = -1;
    bool damaged = false;
    if (old_exists) PM_TRY(check_old(options, dir, &damaged, err));
    if (damaged && !options->log_url)
        return pm_error_set(err, PM_EINDEX,
                            "%s: the index is damaged and does not say what it was made from; name the log: provmat "
                            "rebuild --index %s --log URL",
                            dir, dir);
    if (old_exists) PM_TRY(pm_writer_lock(dir, &lock_fd, err)); /* no one may write to what is about to be replaced */
    int rc = pm_replay_log_url(options, dir, room, sizeof room, &with_url.log_url, err);
    if (rc == PM_OK) rc = pm_rebuild_remove(fresh, err);
    struct pm_replay replay = {.options = &with_url,
                               .index_dir = fresh,
                               .phase = "rebuild",
                               .once = true,
                               .old_dir = old_exists && !damaged ? dir : NULL,
                               .until_us = until_us};
    if (rc == PM_OK) rc = pm_replay(&replay, ret, err);
    if (rc == PM_OK && options->stop && *options->stop)
        rc = pm_error_set(err, PM_EINDEX, "the rebuild was interrupted; the index at %s is as it was", dir);
    if (rc == PM_OK) rc = PM_FAULT(rebuild_built, err);
    if (rc == PM_OK) rc = swap(dir, fresh, old_exists, err);
    if (rc != PM_OK && pm_rebuild_remove(fresh, NULL) != PM_OK && options->warn)
        options->warn(options->arg, "could not remove the half-built index; the next rebuild will");
    if (lock_fd >= 0) close(lock_fd);
    return rc;
}
