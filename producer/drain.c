/* drain.c: reading segments of an outbox that are nobody's, or anybody's. The lock of a segment says whose it is; a
 * segment is removed after the log has acknowledged all of it, and never before. */
#include "producer/drain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/time.h"

#define LEFTOVER_S 60

/* ---- names ---- */

struct names {
    char (*items)[PM_SEGMENT_NAME_SIZE];
    size_t n, size;
};

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

static void names_add(struct names *names, const char *name)
{
    if (names->n == names->size) {
        names->size = names->size ? 2 * names->size : 64;
        names->items = pm_realloc(names->items, names->size * sizeof *names->items);
    }
    memcpy(names->items[names->n++], name, strlen(name) + 1); /* pm_segment_is_name: it fits */
}

static int open_dir(const char *dir, int *ret_fd, struct pm_error *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return pm_error_set(err, errno == ENOENT ? PM_ENOTFOUND : PM_EUSAGE, "could not open the outbox %s: %s", dir,
                            pm_error_system(errno));
    *ret_fd = fd;
    return PM_OK;
}

static int list(const char *dir, int dir_fd, const char *const *suffixes, struct names *ret, struct pm_error *err)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    if (!stream) {
        int number = errno;
        if (fd >= 0) close(fd);
        return pm_error_set(err, PM_EIO, "could not read the outbox %s: %s", dir, pm_error_system(number));
    }
    for (struct dirent *entry; (entry = readdir(stream));)
        for (size_t i = 0; suffixes[i]; i++)
            if (pm_segment_is_name(entry->d_name, suffixes[i])) names_add(ret, entry->d_name);
    closedir(stream);
    if (ret->n > 0) qsort(ret->items, ret->n, sizeof *ret->items, by_text);
    return PM_OK;
}

/* ---- one file ---- */

struct file {
    int fd;
    bool ours; /* we hold its lock */
    struct pm_buf bytes;
};

static void file_close(struct file *file)
{
    if (file->fd >= 0) close(file->fd);
    file->fd = -1;
    pm_buf_release(&file->bytes);
}

/* Its lock, if it is free and the file still has a name: false when it is gone. */
static bool file_open(int dir_fd, const char *name, struct file *ret)
{
    struct stat st;
    *ret = (struct file){.fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW)};
    if (ret->fd < 0) return false;
    ret->ours = flock(ret->fd, LOCK_EX | LOCK_NB) == 0;
    if (fstat(ret->fd, &st) == 0 && st.st_nlink > 0 && S_ISREG(st.st_mode)) return true;
    file_close(ret);
    return false;
}

/* What a writer appends meanwhile may or may not be in it. */
static int file_read(struct file *file, struct pm_error *err)
{
    pm_buf_reserve(&file->bytes, PM_SEGMENT_BYTES_MAX);
    while (file->bytes.len < PM_SEGMENT_BYTES_MAX) {
        ssize_t n = pread(file->fd, file->bytes.ptr + file->bytes.len, PM_SEGMENT_BYTES_MAX - file->bytes.len,
                          (off_t)file->bytes.len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return pm_error_set(err, PM_EIO, "could not read it: %s", pm_error_system(errno));
        if (n == 0) return PM_OK;
        file->bytes.len += (size_t)n;
    }
    return PM_OK;
}

/* ---- looking ---- */

static void look(struct file *file, struct pm_segment_info *info)
{
    struct pm_error why = {0};
    int rc = file_read(file, &why);
    if (rc == PM_OK) rc = pm_segment_head_get(pm_buf_slice(&file->bytes), &info->head, &why);
    info->readable = rc == PM_OK;
    info->bytes = file->bytes.len;
    info->first_ms = info->last_ms = -1;
    snprintf(info->why, sizeof info->why, "%.190s", why.text);
    if (!info->readable) return;
    struct pm_segment_reader reader;
    struct pm_record record;
    pm_segment_reader_init(&reader, pm_buf_slice(&file->bytes));
    while (pm_segment_next(&reader, &record)) {
        if (reader.records == 1 || record.timestamp_ms < info->first_ms) info->first_ms = record.timestamp_ms;
        if (reader.records == 1 || record.timestamp_ms > info->last_ms) info->last_ms = record.timestamp_ms;
    }
    info->records = reader.records;
    info->damaged = reader.damaged;
    info->cut = reader.cut;
}

int pm_outbox_each(const char *dir, void (*each)(void *arg, const struct pm_segment_info *info), void *arg,
                   struct pm_error *err)
{
    static const char *const suffixes[] = {".seg", ".damaged", NULL};
    struct names names = {0};
    int dir_fd = -1;
    PM_TRY(open_dir(dir, &dir_fd, err));
    int rc = list(dir, dir_fd, suffixes, &names, err);
    for (size_t i = 0; i < names.n; i++) {
        struct file file;
        struct pm_segment_info info = {.name = names.items[i]};
        if (!file_open(dir_fd, info.name, &file)) continue;
        if (file.ours) (void)flock(file.fd, LOCK_UN); /* only asked: looking must not keep anybody from delivering */
        bool damaged = pm_segment_is_name(info.name, ".damaged");
        info.state = damaged ? PM_SEGMENT_DAMAGED : file.ours ? PM_SEGMENT_WAITING : PM_SEGMENT_IN_USE;
        look(&file, &info);
        each(arg, &info);
        file_close(&file);
    }
    free(names.items);
    close(dir_fd);
    return rc;
}

/* ---- delivering ---- */

struct drain {
    const char *dir;
    int dir_fd;
    struct pm_ship *ship;
    bool (*stop)(void *arg);
    void *arg;
    struct pm_record *batch;
    struct pm_drain_counts *counts;
};

static bool stopped(const struct drain *drain) { return drain->stop && drain->stop(drain->arg); }

/* The records of one segment, batch by batch; *ret_all when none is left. */
static int deliver(struct drain *drain, struct pm_segment_reader *reader, bool *ret_all, struct pm_error *err)
{
    *ret_all = false;
    for (;;) {
        size_t n = 0, bytes = 0;
        while (n < PM_SHIP_RECORDS_MAX && bytes < PM_SHIP_BYTES_MAX && pm_segment_next(reader, &drain->batch[n])) {
            bytes += drain->batch[n].key.len + drain->batch[n].value.len;
            n++;
        }
        if (n == 0) break;
        if (stopped(drain)) return PM_OK;
        PM_TRY(pm_ship_batch(drain->ship, drain->batch, n, err));
        drain->counts->events += n;
    }
    *ret_all = true;
    return PM_OK;
}

static int remove_segment(struct drain *drain, const char *name, bool keep, struct pm_error *err)
{
    char kept[PM_SEGMENT_NAME_SIZE];
    snprintf(kept, sizeof kept, "%.*s.damaged", (int)(strlen(name) - strlen(".seg")), name);
    int rc = keep ? renameat(drain->dir_fd, name, drain->dir_fd, kept) : unlinkat(drain->dir_fd, name, 0);
    if (rc != 0 && errno != ENOENT)
        return pm_error_set(err, PM_EIO, "could not remove it, and it is delivered: %s", pm_error_system(errno));
    return PM_OK;
}

/* What is wrong with one file is no reason to leave the others. */
static int note(struct drain *drain, const char *name, int rc, const struct pm_error *why)
{
    if (rc != PM_OK && drain->counts->failed++ == 0)
        pm_error_set(&drain->counts->why, (enum pm_code)rc, "outbox %s: %s: %s", drain->dir, name, why->text);
    return PM_OK;
}

static int drain_file(struct drain *drain, const char *name, struct file *file, struct pm_error *err)
{
    struct pm_segment_head head;
    struct pm_segment_reader reader;
    struct pm_error why = {0};
    bool all;
    int rc = file_read(file, &why);
    if (rc != PM_OK) return note(drain, name, rc, &why);
    rc = pm_segment_head_get(pm_buf_slice(&file->bytes), &head, &why);
    if (rc == PM_ESCHEMA) return note(drain, name, PM_EUSAGE, &why);
    pm_segment_reader_init(&reader, pm_buf_slice(&file->bytes)); /* a damaged head costs no record */
    if (rc != PM_OK && file->bytes.len < PM_SEGMENT_HEAD_BYTES) reader.at = file->bytes.len;
    PM_TRY(deliver(drain, &reader, &all, err));
    if (!all) return PM_OK;
    bool damaged = rc != PM_OK || reader.damaged > 0;
    rc = remove_segment(drain, name, damaged, &why);
    if (rc != PM_OK) return note(drain, name, rc, &why);
    drain->counts->segments++;
    drain->counts->damaged += damaged;
    return PM_OK;
}

/* A segment whose making was cut short long ago: one that is being made now has not been touched for milliseconds. */
static void remove_leftover(struct drain *drain, const char *name)
{
    struct stat st;
    if (fstatat(drain->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        pm_time_now_us() / 1000000 - st.st_mtime > LEFTOVER_S)
        (void)unlinkat(drain->dir_fd, name, 0);
}

static int drain_name(struct drain *drain, const char *name, struct pm_error *err)
{
    struct file file;
    int rc = PM_OK;
    if (pm_segment_is_name(name, ".new")) {
        remove_leftover(drain, name);
        return PM_OK;
    }
    if (!file_open(drain->dir_fd, name, &file)) return PM_OK;
    if (file.ours) rc = drain_file(drain, name, &file, err);
    else drain->counts->in_use++;
    file_close(&file);
    return rc;
}

int pm_outbox_drain(const char *dir, struct pm_ship *ship, bool (*stop)(void *arg), void *arg,
                    struct pm_drain_counts *counts, struct pm_error *err)
{
    static const char *const suffixes[] = {".seg", ".new", NULL};
    struct names names = {0};
    struct drain drain = {.dir = dir, .ship = ship, .stop = stop, .arg = arg, .counts = counts};
    PM_TRY(open_dir(dir, &drain.dir_fd, err));
    int rc = list(dir, drain.dir_fd, suffixes, &names, err);
    if (rc == PM_OK && names.n > 0) drain.batch = pm_malloc(PM_SHIP_RECORDS_MAX * sizeof *drain.batch);
    for (size_t i = 0; i < names.n && rc == PM_OK && !stopped(&drain); i++)
        rc = drain_name(&drain, names.items[i], err);
    free(drain.batch);
    free(names.items);
    close(drain.dir_fd);
    return rc;
}
