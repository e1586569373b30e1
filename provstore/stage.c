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

#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define PIECE_BYTES ((size_t)256 * 1024)
#define ATTEMPTS 16 /* directories that others remove while we make them */

/* Some file systems cannot sync a directory; their renames are durable when they are done, or never. */
static int sync_directory(int fd)
{
    if (fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP || errno == EBADF || errno == ENOSYS) return 0;
    return -1;
}

/* ---- directories ---- */

enum stepping { STEP_OPEN, STEP_MAKE, STEP_SYNC };

static int step(int parent, const char *name, enum stepping stepping)
{
    if (stepping == STEP_SYNC && sync_directory(parent) != 0) return -1;
    int fd = openat(parent, name, OPEN_DIRECTORY);
    if (fd >= 0 || errno != ENOENT || stepping != STEP_MAKE) return fd;
    if (mkdirat(parent, name, 0777) != 0 && errno != EEXIST) return -1;
    return openat(parent, name, OPEN_DIRECTORY);
}

static int open_below(int root, struct pm_slice path, enum stepping stepping)
{
    int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const char *at = path.ptr, *end = path.ptr + path.len;
    while (fd >= 0 && at < end) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        size_t len = slash ? (size_t)(slash - at) : (size_t)(end - at);
        char name[256];
        int next = -1;
        errno = ENAMETOOLONG;
        if (len < sizeof name) {
            memcpy(name, at, len);
            name[len] = 0;
            next = step(fd, name, stepping);
        }
        int number = errno;
        close(fd);
        errno = number;
        fd = next;
        at += len + (slash != NULL);
    }
    return fd;
}

int pm_stage_open_below(int root, struct pm_slice path) { return open_below(root, path, STEP_OPEN); }

static struct pm_slice above(struct pm_slice path, struct pm_slice *ret_last)
{
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '/') at--;
    *ret_last = pm_slice(path.ptr + at, path.len - at);
    return pm_slice(path.ptr, at ? at - 1 : 0);
}

static int cannot(const char *what, const char *name, struct pm_error *err)
{
    return pm_error_set(err, PM_EIO, "could not %s \"%s\": %s", what, name, pm_error_system(errno));
}

/* The directories above, on the disk: in this order, because only what is in a directory keeps others from removing it.
 */
static int sync_above(int root, struct pm_slice parents)
{
    int fd = open_below(root, parents, STEP_SYNC);
    if (fd >= 0) close(fd);
    return fd;
}

/* Both are open, or none is. */
static int open_once(int root, struct pm_slice parents, struct pm_stage *stage)
{
    stage->parent = open_below(root, parents, STEP_OPEN);
    bool make = stage->parent < 0 && errno == ENOENT;
    if (make) stage->parent = open_below(root, parents, STEP_MAKE);
    if (stage->parent < 0) return -1;
    pm_pending_clean(stage->parent, pm_slice_cstr(stage->place));
    pm_pending_name(pm_slice_cstr(stage->place), stage->name);
    if (mkdirat(stage->parent, stage->name, 0777) == 0) stage->dir = openat(stage->parent, stage->name, OPEN_DIRECTORY);
    bool failed = stage->dir < 0 || (make && sync_above(root, parents) < 0);
    int number = errno;
    if (failed) pm_stage_discard(stage);
    errno = number;
    return failed ? -1 : 0;
}

int pm_stage_open(int root, struct pm_slice path, struct pm_stage *ret, struct pm_error *err)
{
    struct pm_stage stage = PM_STAGE_CLOSED;
    struct pm_slice last, parents = above(path, &last);
    char text[PM_ERROR_TEXT_MAX / 2];
    snprintf(text, sizeof text, "%.*s", PM_SLICE_ARG(path));
    errno = ENAMETOOLONG;
    if (last.len >= sizeof stage.place) return cannot("make", text, err);
    memcpy(stage.place, last.ptr, last.len);
    stage.place[last.len] = 0;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (open_once(root, parents, &stage) == 0) {
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
    if (sync_directory(stage->dir) != 0) return cannot("sync", stage->name, err);
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
    return sync_directory(stage->parent) == 0 ? PM_OK : cannot("sync what holds", stage->place, err);
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
    if (sync_directory(stage->dir) != 0) return cannot("sync", stage->name, err);
    int rc = -1;
    errno = ENOSYS;
    if (PM_FAULT(put_exchange, NULL) == PM_OK)
        rc = renameat2(stage->parent, stage->name, stage->parent, stage->place, RENAME_EXCHANGE);
    if (rc != 0 && (errno == EINVAL || errno == ENOSYS || errno == ENOTSUP)) rc = exchange_slowly(stage);
    if (rc != 0) return cannot("change places with", stage->place, err);
    return sync_directory(stage->parent) == 0 ? PM_OK : cannot("sync what holds", stage->place, err);
}
