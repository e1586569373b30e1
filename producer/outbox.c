/* outbox.c: writing segments (docs/formats/outbox.md). One writev a write, so that a killed process leaves whole
 * records; a write that comes short is taken back. */
#include "producer/outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/time.h"
#include "producer/segment.h"

#define UNSYNCED_MAX 8
#define RECORDS_A_WRITE 256 /* four pieces each: the 1,024 that one writev takes */
#define PIECES 4

struct sealed {
    uint64_t number, records, bytes;
};

struct pm_outbox {
    struct pm_outbox_options options;
    char *dir;
    int dir_fd;
    pthread_mutex_t lock; /* guards all that follows */
    uint8_t id[PM_SEGMENT_ID_BYTES];
    uint64_t number;            /* of the last segment that was begun */
    int fd;                     /* the open segment; -1: none */
    uint64_t bytes, records;    /* in it */
    int unsynced[UNSYNCED_MAX]; /* sealed segments that stay locked until they are on the disk */
    size_t n_unsynced;
    uint64_t total; /* bytes in all segments that wait */
    struct sealed sealed[PM_OUTBOX_SEGMENTS_MAX];
    size_t n_sealed;
    char frames[RECORDS_A_WRITE][PM_SEGMENT_FRAME_BYTES];
    struct iovec pieces[PIECES * RECORDS_A_WRITE];
};

/* ---- opening ---- */

static int make_dirs(const char *dir, struct pm_error *err)
{
    char path[PATH_MAX];
    size_t len = strlen(dir);
    if (len == 0 || len >= sizeof path)
        return pm_error_set(err, PM_EUSAGE, "\"%.100s\" is not a directory's name", dir);
    for (size_t i = 1; i <= len; i++) {
        if (dir[i] != '/' && dir[i] != 0) continue;
        memcpy(path, dir, i);
        path[i] = 0;
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return pm_error_set(err, PM_EUSAGE, "could not make the directory %s: %s", path, pm_error_system(errno));
    }
    return PM_OK;
}

static void draw_id(uint8_t id[PM_SEGMENT_ID_BYTES])
{
    if (getrandom(id, PM_SEGMENT_ID_BYTES, GRND_NONBLOCK) == PM_SEGMENT_ID_BYTES) return;
    /* Early in the life of a machine: two numbers that no other process has now. A name that is taken is not used. */
    int64_t now_us = pm_time_now_us(), pid = getpid();
    memcpy(id, &now_us, 8);
    memcpy(id + 8, &pid, 8);
}

int pm_outbox_open(const struct pm_outbox_options *options, struct pm_outbox **ret, struct pm_error *err)
{
    PM_TRY(make_dirs(options->dir, err));
    int dir_fd = open(options->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0 || faccessat(dir_fd, ".", W_OK | X_OK, 0) != 0) {
        int number = errno;
        if (dir_fd >= 0) close(dir_fd);
        return pm_error_set(err, PM_EUSAGE, "could not use the directory %s: %s", options->dir,
                            pm_error_system(number));
    }
    struct pm_outbox *outbox = pm_calloc(1, sizeof *outbox);
    outbox->options = *options;
    outbox->dir = pm_strdup(options->dir);
    outbox->dir_fd = dir_fd;
    outbox->fd = -1;
    pthread_mutex_init(&outbox->lock, NULL);
    draw_id(outbox->id);
    *ret = outbox;
    return PM_OK;
}

/* ---- segments ---- */

static int failed(const struct pm_outbox *outbox, const char *what, int number, struct pm_error *err)
{
    return pm_error_set(err, PM_EIO, "outbox %s: could not %s: %s", outbox->dir, what, pm_error_system(number));
}

/* A file that is locked before it has the name by which others find it. */
static int begin_segment(struct pm_outbox *outbox, struct pm_error *err)
{
    char temporary[PM_SEGMENT_NAME_SIZE], name[PM_SEGMENT_NAME_SIZE], head[PM_SEGMENT_HEAD_BYTES];
    struct pm_segment_head facts = {
        .number = outbox->number + 1, .made_at_us = pm_time_now_us(), .pid = (uint32_t)getpid()};
    memcpy(facts.producer, outbox->id, sizeof facts.producer);
    pm_segment_head_put(&facts, head);
    pm_segment_name(outbox->id, facts.number, ".new", temporary);
    pm_segment_name(outbox->id, facts.number, ".seg", name);
    int fd = openat(outbox->dir_fd, temporary, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return failed(outbox, "make a segment", errno, err);
    errno = 0;
    bool made = flock(fd, LOCK_EX | LOCK_NB) == 0 && write(fd, head, sizeof head) == sizeof head &&
                renameat(outbox->dir_fd, temporary, outbox->dir_fd, name) == 0;
    if (made && outbox->options.sync != PM_OUTBOX_SYNC_NONE) made = fsync(outbox->dir_fd) == 0;
    if (!made) {
        int number = errno ? errno : ENOSPC;
        (void)unlinkat(outbox->dir_fd, temporary, 0);
        close(fd);
        return failed(outbox, "make a segment", number, err);
    }
    outbox->number = facts.number;
    outbox->fd = fd;
    outbox->bytes = sizeof head;
    outbox->records = 0;
    outbox->total += sizeof head;
    return PM_OK;
}

/* Closing gives the lock up. A segment without an event is nobody's to deliver. */
static void seal(struct pm_outbox *outbox)
{
    if (outbox->fd < 0) return;
    if (outbox->records == 0) {
        char name[PM_SEGMENT_NAME_SIZE];
        pm_segment_name(outbox->id, outbox->number, ".seg", name);
        (void)unlinkat(outbox->dir_fd, name, 0);
        outbox->total -= outbox->bytes;
    } else {
        outbox->sealed[outbox->n_sealed++] = (struct sealed){
            .number = outbox->number, .records = outbox->records, .bytes = outbox->bytes};
    }
    if (outbox->options.sync != PM_OUTBOX_SYNC_NONE && outbox->n_unsynced < UNSYNCED_MAX) {
        outbox->unsynced[outbox->n_unsynced++] = outbox->fd; /* a full segment must not cost a call a sync */
    } else {
        if (outbox->options.sync != PM_OUTBOX_SYNC_NONE) (void)fdatasync(outbox->fd);
        close(outbox->fd);
    }
    outbox->fd = -1;
    outbox->records = 0;
}

/* Syncs what is sealed and, without the lock, lets it go. */
static int sync_sealed(struct pm_outbox *outbox, struct pm_error *err)
{
    int fds[UNSYNCED_MAX], rc = PM_OK;
    pthread_mutex_lock(&outbox->lock);
    size_t n = outbox->n_unsynced;
    memcpy(fds, outbox->unsynced, n * sizeof *fds);
    outbox->n_unsynced = 0;
    pthread_mutex_unlock(&outbox->lock);
    for (size_t i = 0; i < n; i++) {
        if (fdatasync(fds[i]) != 0) rc = failed(outbox, "sync", errno, err);
        close(fds[i]);
    }
    return rc;
}

void pm_outbox_seal(struct pm_outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    seal(outbox);
    pthread_mutex_unlock(&outbox->lock);
    (void)sync_sealed(outbox, NULL);
}

void pm_outbox_close(struct pm_outbox *outbox)
{
    if (!outbox) return;
    pm_outbox_seal(outbox);
    close(outbox->dir_fd);
    pthread_mutex_destroy(&outbox->lock);
    free(outbox->dir);
    free(outbox);
}

/* ---- writing ---- */

static int make_room(struct pm_outbox *outbox, struct pm_error *err)
{
    if (outbox->fd >= 0 && outbox->bytes >= PM_SEGMENT_BYTES) seal(outbox);
    if (outbox->options.bytes_max && outbox->total >= outbox->options.bytes_max)
        return pm_error_set(err, PM_ELIMIT,
                            "outbox %s: %" PRIu64 " bytes of this process wait in it, the limit (outbox_bytes)",
                            outbox->dir, outbox->total);
    if (outbox->fd >= 0) return PM_OK;
    if (outbox->n_sealed == PM_OUTBOX_SEGMENTS_MAX)
        return pm_error_set(err, PM_ELIMIT, "outbox %s: %d segments of this process wait in it, the most that may",
                            outbox->dir, PM_OUTBOX_SEGMENTS_MAX);
    return begin_segment(outbox, err);
}

/* Some records behind what is there, or nothing. */
static int write_some(struct pm_outbox *outbox, const struct pm_record *records, size_t n, struct pm_error *err)
{
    size_t bytes = 0;
    struct iovec *piece = outbox->pieces;
    for (size_t i = 0; i < n; i++) {
        pm_segment_frame(&records[i], outbox->frames[i]);
        *piece++ = (struct iovec){outbox->frames[i], PM_SEGMENT_FRAME_BYTES};
        *piece++ = (struct iovec){(void *)(uintptr_t)records[i].origin.ptr, records[i].origin.len};
        *piece++ = (struct iovec){(void *)(uintptr_t)records[i].key.ptr, records[i].key.len};
        *piece++ = (struct iovec){(void *)(uintptr_t)records[i].value.ptr, records[i].value.len};
        bytes += pm_segment_record_bytes(&records[i]);
    }
    ssize_t written;
    do {
        written = writev(outbox->fd, outbox->pieces, (int)(PIECES * n));
    } while (written < 0 && errno == EINTR);
    int number = written < 0 ? errno : ENOSPC;
    if (written >= 0 && (size_t)written == bytes && outbox->options.sync == PM_OUTBOX_SYNC_EACH &&
        fdatasync(outbox->fd) != 0) {
        number = errno;
        written = -1;
    }
    if (written >= 0 && (size_t)written == bytes) {
        outbox->bytes += bytes;
        outbox->total += bytes;
        outbox->records += n;
        return PM_OK;
    }
    /* What cannot be taken back ends the segment: a reader finds the cut end. */
    if (ftruncate(outbox->fd, (off_t)outbox->bytes) != 0) seal(outbox);
    return failed(outbox, "write", number, err);
}

/* Not more than a segment's rest at once, and not more than the pieces hold. */
static size_t how_many(const struct pm_outbox *outbox, const struct pm_record *records, size_t n)
{
    size_t i = 0, bytes = (size_t)outbox->bytes;
    while (i < n && i < RECORDS_A_WRITE && bytes < PM_SEGMENT_BYTES) bytes += pm_segment_record_bytes(&records[i]), i++;
    return i;
}

static int write_all(struct pm_outbox *outbox, const struct pm_record *records, size_t n, struct pm_error *err)
{
    for (size_t done = 0; done < n;) {
        PM_TRY(make_room(outbox, err));
        size_t some = how_many(outbox, records + done, n - done);
        PM_TRY(write_some(outbox, records + done, some, err));
        done += some;
    }
    return PM_OK;
}

int pm_outbox_write(struct pm_outbox *outbox, const struct pm_record *records, size_t n, struct pm_error *err)
{
    pthread_mutex_lock(&outbox->lock);
    int rc = write_all(outbox, records, n, err);
    pthread_mutex_unlock(&outbox->lock);
    return rc;
}

bool pm_outbox_end(struct pm_outbox *outbox, struct pm_slice origin)
{
    struct pm_record end = {.origin = origin};
    pthread_mutex_lock(&outbox->lock);
    uint64_t records = outbox->records;
    bool written = outbox->fd >= 0 && records > 0 && write_some(outbox, &end, 1, NULL) == PM_OK;
    if (outbox->fd >= 0) outbox->records = records; /* it belongs to the last one */
    pthread_mutex_unlock(&outbox->lock);
    return written;
}

int pm_outbox_sync(struct pm_outbox *outbox, struct pm_error *err)
{
    PM_TRY(sync_sealed(outbox, err));
    pthread_mutex_lock(&outbox->lock);
    bool none = outbox->fd < 0;
    int fd = none ? -1 : fcntl(outbox->fd, F_DUPFD_CLOEXEC, 0);
    pthread_mutex_unlock(&outbox->lock);
    if (none) return PM_OK;
    int rc = fd < 0 || fdatasync(fd) != 0 ? failed(outbox, "sync", errno, err) : PM_OK;
    if (fd >= 0) close(fd);
    return rc;
}

/* ---- what became of it ---- */

uint64_t pm_outbox_waiting(struct pm_outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    uint64_t n = outbox->records;
    for (size_t i = 0; i < outbox->n_sealed; i++) n += outbox->sealed[i].records;
    pthread_mutex_unlock(&outbox->lock);
    return n;
}

bool pm_outbox_is_open(struct pm_outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    bool is_open = outbox->fd >= 0 && outbox->records > 0;
    pthread_mutex_unlock(&outbox->lock);
    return is_open;
}

uint64_t pm_outbox_settle(struct pm_outbox *outbox)
{
    uint64_t gone = 0;
    size_t kept = 0;
    pthread_mutex_lock(&outbox->lock);
    for (size_t i = 0; i < outbox->n_sealed; i++) {
        char name[PM_SEGMENT_NAME_SIZE];
        struct sealed *segment = &outbox->sealed[i];
        pm_segment_name(outbox->id, segment->number, ".seg", name);
        if (faccessat(outbox->dir_fd, name, F_OK, 0) == 0 || errno != ENOENT) {
            outbox->sealed[kept++] = *segment;
            continue;
        }
        gone += segment->records;
        outbox->total -= segment->bytes;
    }
    outbox->n_sealed = kept;
    pthread_mutex_unlock(&outbox->lock);
    return gone;
}

/* ---- forks ---- */

void pm_outbox_before_fork(struct pm_outbox *outbox) { pthread_mutex_lock(&outbox->lock); }

void pm_outbox_after_fork(struct pm_outbox *outbox, bool in_child)
{
    if (!in_child) {
        pthread_mutex_unlock(&outbox->lock);
        return;
    }
    pthread_mutex_init(&outbox->lock, NULL);
    /* The lock is the file's, which parent and child share: closing ours leaves it to the parent. */
    if (outbox->fd >= 0) close(outbox->fd);
    outbox->fd = -1;
    for (size_t i = 0; i < outbox->n_unsynced; i++) close(outbox->unsynced[i]);
    outbox->n_unsynced = 0;
    outbox->number = outbox->bytes = outbox->records = outbox->total = 0;
    outbox->n_sealed = 0;
    draw_id(outbox->id);
}
