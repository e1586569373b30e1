/* stage.c: a result's directory while it is written (stage.h). */
#define _GNU_SOURCE /* renameat2 */
#include "provstore/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/fault.h"
#include "common/base/hash.h"
#include "common/base/number.h"

#define PIECE_BYTES ((size_t)256 * 1024)
#define ATTEMPTS 16 /* directories that others remove while we make them */

/* ---- directories ---- */

static int cannot(const char *what, const char *name, struct pm_error *err)
{
    return pm_error_set(err, PM_EIO, "could not %s \"%s\": %s", what, name, pm_error_system(errno));
}

/* Both are open, or none is. */
static int open_once(int root, struct pm_slice parents, struct pm_stage *stage)
{
    stage->parent = pm_below_open(root, parents);
    bool make = stage->parent < 0 && errno == ENOENT;
    if (make) stage->parent = pm_below_make(root, parents);
    if (stage->parent < 0) return -1;
    pm_pending_clean(stage->parent, pm_slice_cstr(stage->place));
    pm_pending_name(pm_slice_cstr(stage->place), stage->name);
    if (mkdirat(stage->parent, stage->name, 0777) == 0)
        stage->dir = openat(stage->parent, stage->name, PM_OPEN_DIRECTORY);
    bool failed = stage->dir < 0 || (make && pm_below_sync(root, parents) != 0);
    int number = errno;
    if (failed) pm_stage_discard(stage);
    errno = number;
    return failed ? -1 : 0;
}

int pm_stage_open(int root, struct pm_slice path, struct pm_stage *ret, struct pm_error *err)
{
    struct pm_stage stage = PM_STAGE_CLOSED;
    char text[PM_ERROR_TEXT_MAX / 2];
    snprintf(text, sizeof text, "%.*s", PM_SLICE_ARG(path));
    if (pm_below_name(path, stage.place) != 0) return cannot("make", text, err);
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (open_once(root, pm_below_above(path), &stage) == 0) {
            *ret = stage;
            return PM_OK;
        }
        if (errno != ENOENT) break; /* ENOENT: somebody removes empty directories */
    }
    return cannot("make", text, err);
}

void pm_stage_close(struct pm_stage *stage)
{
    if (stage->dir >= 0) close(stage->dir);
    if (stage->parent >= 0) close(stage->parent);
    *stage = PM_STAGE_CLOSED;
}

void pm_stage_discard(struct pm_stage *stage)
{
    if (stage->dir >= 0) (void)pm_pending_remove(stage->parent, stage->name);
    pm_stage_close(stage);
}

/* ---- files ---- */

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

struct copy {
    int to;
    const char *name, *what;
    struct pm_blake2b_stream *sum;
    uint64_t size;
};

static int copy_piece(struct copy *copy, const char *piece, size_t len, struct pm_error *err)
{
    if (write_all(copy->to, piece, len) != 0) return cannot("write", copy->name, err);
    pm_blake2b_update(copy->sum, piece, len);
    copy->size += len;
    return PM_OK;
}

static int copy_all(struct copy *copy, int source, struct pm_error *err)
{
    char *piece = pm_malloc(PIECE_BYTES);
    int rc = PM_OK;
    for (ssize_t n; rc == PM_OK && (n = read(source, piece, PIECE_BYTES)) != 0;) {
        if (n > 0) rc = copy_piece(copy, piece, (size_t)n, err);
        else if (errno != EINTR)
            rc = pm_error_set(err, PM_EIO, "could not read \"%s\": %s", copy->what, pm_error_system(errno));
    }
    free(piece);
    return rc;
}

/* A network's file system may tell of a full disk only now. */
static int finish(int fd, const char *name, int rc, struct pm_error *err)
{
    if (rc == PM_OK && fsync(fd) != 0) rc = cannot("sync", name, err);
    if (close(fd) != 0 && rc == PM_OK) rc = cannot("close", name, err);
    return rc;
}

static int create(struct pm_stage *stage, const char *name, struct pm_error *err)
{
    int fd = openat(stage->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0) (void)cannot("make", name, err);
    return fd;
}

int pm_stage_file(struct pm_stage *stage, const char *name, int source, const char *what, struct pm_artifact *ret,
                  struct pm_error *err)
{
    unsigned char digest[32];
    struct copy copy = {.to = create(stage, name, err), .name = name, .what = what};
    if (copy.to < 0) return PM_EIO;
    copy.sum = pm_blake2b_new(sizeof digest);
    int rc = finish(copy.to, name, copy_all(&copy, source, err), err);
    pm_blake2b_finish(copy.sum, digest);
    if (rc != PM_OK) return rc;
    ret->size = copy.size;
    pm_hex_encode(digest, sizeof digest, ret->blake2b);
    return PM_OK;
}

int pm_stage_text(struct pm_stage *stage, const char *name, struct pm_slice bytes, struct pm_artifact *ret,
                  struct pm_error *err)
{
    int fd = create(stage, name, err);
    if (fd < 0) return PM_EIO;
    PM_TRY(finish(fd, name, write_all(fd, bytes.ptr, bytes.len) == 0 ? PM_OK : cannot("write", name, err), err));
    if (ret) pm_artifact_of(bytes, ret);
    return PM_OK;
}

/* ---- into place ---- */

/* After an answer that was lost on the way a network's file system renames once more, and says that it failed. */
static bool is_there_already(const struct pm_stage *stage)
{
    struct stat mine, there;
    return fstat(stage->dir, &mine) == 0 && fstatat(stage->parent, stage->place, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

int pm_stage_publish(struct pm_stage *stage, bool *ret_done, struct pm_error *err)
{
    *ret_done = false;
    if (pm_below_sync_directory(stage->dir) != 0) return cannot("sync", stage->name, err);
    PM_TRY(PM_FAULT(put_before_rename, err));
    int rc = renameat(stage->parent, stage->name, stage->parent, stage->place);
    int number = errno;
    if (rc != 0 && !is_there_already(stage)) {
        errno = number;
        if (number == ENOTEMPTY || number == EEXIST || number == ENOTDIR) return PM_OK;
        return cannot("rename into place", stage->name, err);
    }
    *ret_done = true;
    PM_TRY(PM_FAULT(put_after_rename, err));
    return pm_below_sync_directory(stage->parent) == 0 ? PM_OK : cannot("sync what holds", stage->place, err);
}

/* In three renames, between which there is nothing at the place. What a kill leaves then is pending, and the next put
 * removes it. */
static int exchange_slowly(const struct pm_stage *stage)
{
    char aside[PM_PENDING_NAME_SIZE];
    pm_pending_name(pm_slice_cstr(stage->place), aside);
    if (renameat(stage->parent, stage->place, stage->parent, aside) != 0) return -1;
    if (renameat(stage->parent, stage->name, stage->parent, stage->place) == 0)
        return renameat(stage->parent, aside, stage->parent, stage->name);
    int number = errno;
    if (renameat(stage->parent, aside, stage->parent, stage->place) != 0) (void)pm_pending_remove(stage->parent, aside);
    errno = number;
    return -1;
}

int pm_stage_exchange(struct pm_stage *stage, struct pm_error *err)
{
    if (pm_below_sync_directory(stage->dir) != 0) return cannot("sync", stage->name, err);
    int rc = -1;
    errno = ENOSYS;
    if (PM_FAULT(put_exchange, NULL) == PM_OK)
        rc = renameat2(stage->parent, stage->name, stage->parent, stage->place, RENAME_EXCHANGE);
    if (rc != 0 && (errno == EINVAL || errno == ENOSYS || errno == ENOTSUP)) rc = exchange_slowly(stage);
    if (rc != 0) return cannot("change places with", stage->place, err);
    return pm_below_sync_directory(stage->parent) == 0 ? PM_OK : cannot("sync what holds", stage->place, err);
}
