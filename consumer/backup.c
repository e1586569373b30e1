/* backup.c: a copy of the index while it is written to.
 *
 *   index --one transaction--> pipe --checksum--> DIR/snapshot.partial/data.mdb --sync, read back--> checked as verify
 *   does --rename--> DIR/data.mdb
 *
 * A thread of LMDB's copy fills the pipe and this one empties it, so that what the transaction held is known byte by
 * byte and can be compared with what the disk gives back; the transaction is over before the check begins. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/hash.h"
#include "consumer/rebuild.h"
#include "consumer/replayer.h"

#define PARTIAL "snapshot.partial"
#define CHUNK_BYTES ((size_t)1 << 20)

struct copy {
    const struct pm_consumer_options *options;
    const char *dir;
    char partial[PATH_MAX]; /* DIR/snapshot.partial */
    bool made;              /* DIR was not there before */
    int lock_fd;
    char difference[640];
};

/* ---- the directory ---- */

static int system_error(struct pm_error *err, const char *path, const char *what)
{
    return pm_error_set(err, PM_EIO, "%s: could not %s: %s", path, what, pm_error_system(errno));
}

static int check_empty(const char *dir, struct pm_error *err)
{
    DIR *listing = opendir(dir);
    if (!listing && errno == ENOTDIR)
        return pm_error_set(err, PM_EUSAGE, "%s: not a directory; name a new or an empty one", dir);
    if (!listing) return system_error(err, dir, "read the directory");
    int rc = PM_OK;
    for (struct dirent *entry; rc == PM_OK && (entry = readdir(listing));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && strcmp(entry->d_name, PARTIAL) != 0)
            rc = pm_error_set(err, PM_EUSAGE, "%s: not empty, it holds \"%s\"; name a new or an empty directory", dir,
                              entry->d_name);
    closedir(listing);
    return rc;
}

/* A rebuild removes the old index, and would remove what lies in it. */
static int check_outside(const char *dir, const char *index_dir, struct pm_error *err)
{
    char inner[PATH_MAX], outer[PATH_MAX];
    if (!realpath(dir, inner) || !realpath(index_dir, outer)) return PM_OK;
    size_t n = strlen(outer);
    if (strncmp(inner, outer, n) != 0 || (inner[n] != '/' && inner[n] != 0)) return PM_OK;
    return pm_error_set(err, PM_EUSAGE, "%s: lies in the index itself; name a directory outside %s", dir, index_dir);
}

static int begin_partial(struct copy *c, struct pm_error *err)
{
    struct stat st;
    if ((size_t)snprintf(c->partial, sizeof c->partial, "%s/" PARTIAL, c->dir) >= sizeof c->partial - 16)
        return pm_error_set(err, PM_EUSAGE, "%s: the path is too long", c->dir);
    c->made = stat(c->dir, &st) != 0;
    if (c->made) PM_TRY(pm_writer_make_directories(c->dir, err));
    PM_TRY(check_outside(c->dir, c->options->index_dir, err));
    PM_TRY(check_empty(c->dir, err));
    if (mkdir(c->partial, 0700) != 0 && errno != EEXIST) return system_error(err, c->partial, "make the directory");
    if (lstat(c->partial, &st) != 0 || !S_ISDIR(st.st_mode)) /* a link would lead out of DIR */
        return pm_error_set(err, PM_EUSAGE, "%s: not a directory; remove it", c->partial);
    PM_TRY(pm_writer_lock(c->partial, &c->lock_fd, err)); /* of two copies into one directory, the second ends here */
    char file[PATH_MAX + 16];
    snprintf(file, sizeof file, "%s/data.mdb", c->partial); /* of a copy that was killed */
    if (unlink(file) != 0 && errno != ENOENT) return system_error(err, file, "remove");
    return PM_OK;
}

static void sync_directory(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fsync(fd);
    close(fd);
}

/* The copy gets its name last of all. */
static int publish(struct copy *c, struct pm_error *err)
{
    char from[PATH_MAX + 16], to[PATH_MAX + 16], parent[PATH_MAX + 16];
    static const char *const helpers[] = {"lock.mdb", "writer.lock"};
    for (size_t i = 0; i < sizeof helpers / sizeof *helpers; i++) {
        snprintf(from, sizeof from, "%s/%s", c->partial, helpers[i]);
        if (unlink(from) != 0 && errno != ENOENT) return system_error(err, from, "remove");
    }
    snprintf(from, sizeof from, "%s/data.mdb", c->partial);
    snprintf(to, sizeof to, "%s/data.mdb", c->dir);
    int rc = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
    if (rc != 0 && errno == EINVAL) rc = rename(from, to); /* a file system that cannot promise it */
    if (rc != 0) return system_error(err, to, "rename to it");
    (void)rmdir(c->partial);
    sync_directory(c->dir);
    snprintf(parent, sizeof parent, "%s/..", c->dir);
    if (c->made) sync_directory(parent);
    return PM_OK;
}

static void discard(struct copy *c)
{
    if (c->lock_fd < 0) { /* whatever is there is not ours */
        if (c->made) (void)rmdir(c->dir);
        return;
    }
    if (pm_rebuild_remove(c->partial, NULL) == PM_OK && (!c->made || rmdir(c->dir) == 0)) return;
    if (c->options->warn) c->options->warn(c->options->arg, "could not remove the unfinished copy; the next one will");
}

/* ---- the bytes ---- */

struct filler {
    struct pm_kv *kv;
    int fd;
    int rc;
    struct pm_error err;
};

static void *fill_pipe(void *arg)
{
    struct filler *filler = arg;
    filler->rc = pm_kv_copy(filler->kv, filler->fd, &filler->err);
    close(filler->fd); /* the end of the stream */
    return NULL;
}

static int write_all(int fd, const char *file, const char *bytes, size_t n, struct pm_error *err)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return system_error(err, file, "write");
        bytes += done;
        n -= (size_t)done;
    }
    return PM_OK;
}

/* `to` < 0: only the sum. */
static int pour(struct copy *c, int from, int to, const char *file, uint32_t *ret_crc, uint64_t *ret_bytes,
                struct pm_error *err)
{
    char *chunk = pm_malloc(CHUNK_BYTES);
    uint32_t crc = 0;
    uint64_t bytes = 0;
    int rc = PM_OK;
    while (rc == PM_OK) {
        if (c->options->stop && *c->options->stop) {
            rc = pm_error_set(err, PM_EINDEX, "%s: the copy was interrupted; nothing of it is left", c->dir);
            break;
        }
        ssize_t n = read(from, chunk, CHUNK_BYTES);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) rc = system_error(err, file, "read");
        if (n <= 0) break;
        crc = pm_crc32c(crc, chunk, (size_t)n);
        bytes += (uint64_t)n;
        if (to >= 0) rc = write_all(to, file, chunk, (size_t)n, err);
    }
    free(chunk);
    PM_TRY(rc);
    *ret_crc = crc;
    *ret_bytes = bytes;
    return PM_OK;
}

static int stream(struct copy *c, struct pm_kv *kv, int fd, const char *file, uint32_t *ret_crc, uint64_t *ret_bytes,
                  struct pm_error *err)
{
    int ends[2];
    pthread_t thread;
    if (pipe2(ends, O_CLOEXEC) != 0) return system_error(err, file, "make a pipe for it");
    (void)fcntl(ends[1], F_SETPIPE_SZ, (int)CHUNK_BYTES); /* a hint */
    struct filler filler = {.kv = kv, .fd = ends[1]};
    int failed = pthread_create(&thread, NULL, fill_pipe, &filler);
    if (failed) {
        close(ends[0]);
        close(ends[1]);
        return pm_error_set(err, PM_EIO, "%s: could not start a thread: %s", file, pm_error_system(failed));
    }
    int rc = pour(c, ends[0], fd, file, ret_crc, ret_bytes, err);
    close(ends[0]); /* after a failure of ours it ends the other thread's copy */
    pthread_join(thread, NULL);
    if (rc != PM_OK || filler.rc == PM_OK) return rc;
    return pm_error_set(err, (enum pm_code)filler.rc, "%s", filler.err.text);
}

static int copy_file(struct copy *c, struct pm_kv *kv, int fd, const char *file, uint64_t *ret_bytes,
                     struct pm_error *err)
{
    uint32_t read_crc, back_crc;
    uint64_t back_bytes;
    PM_TRY(stream(c, kv, fd, file, &read_crc, ret_bytes, err));
    if (fsync(fd) != 0) return system_error(err, file, "bring it to the disk");
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* so that the disk is asked, and not the system's cache */
    if (lseek(fd, 0, SEEK_SET) != 0) return system_error(err, file, "read");
    PM_TRY(pour(c, fd, -1, file, &back_crc, &back_bytes, err));
    if (back_crc == read_crc && back_bytes == *ret_bytes) return PM_OK;
    return pm_error_set(err, PM_EIO, "%s: what was read back is not what was written; the device fails", file);
}

static int copy_index(struct copy *c, uint64_t *ret_bytes, struct pm_error *err)
{
    char file[PATH_MAX + 16];
    struct pm_kv *kv;
    snprintf(file, sizeof file, "%s/data.mdb", c->partial);
    PM_TRY(pm_kv_open(c->options->index_dir, PM_KV_READ_ONLY, &kv, err));
    int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int rc = fd < 0 ? system_error(err, file, "make it") : copy_file(c, kv, fd, file, ret_bytes, err);
    if (fd >= 0) close(fd);
    pm_kv_close(kv);
    return rc;
}

/* ---- the check ---- */

struct found {
    struct copy *copy;
    struct pm_backup *backup;
};

static void keep_row(void *arg, const struct pm_verify_row *row)
{
    struct found *found = arg;
    PM_CHECK(found->backup->n_views < PM_BACKUP_VIEWS_MAX);
    found->backup->views[found->backup->n_views++] = *row;
    if (!row->ok && !found->copy->difference[0])
        snprintf(found->copy->difference, sizeof found->copy->difference, "view \"%s\": %s", row->view,
                 row->difference);
}

static int check_copy(struct copy *c, struct pm_arena *arena, struct pm_backup *ret, struct pm_error *err)
{
    struct pm_consumer_options options = *c->options;
    struct found found = {c, ret};
    struct pm_index *index;
    struct pm_snapshot *snap = NULL;
    options.index_dir = c->partial;
    struct pm_error why;
    int rc = pm_verify(&options, false, keep_row, &found, &why);
    if (rc == PM_EDIFFERS || rc == PM_ECORRUPT)
        return pm_error_set(err, PM_ECORRUPT,
                            "%s: the index is not as it should be, and no copy of it was kept: %s; make it anew: "
                            "provmat rebuild --index %s",
                            c->options->index_dir, c->difference[0] ? c->difference : why.text, c->options->index_dir);
    if (rc != PM_OK) return pm_error_set(err, (enum pm_code)rc, "%s", why.text);
    PM_TRY(pm_index_open(c->partial, &index, err));
    rc = pm_snapshot_open(index, &snap, err);
    if (rc == PM_OK) rc = pm_snapshot_info(snap, &ret->info, err);
    if (rc == PM_OK) rc = pm_snapshot_applied(snap, arena, &ret->applied, &ret->n_applied, err);
    pm_snapshot_close(snap);
    pm_index_close(index);
    return rc;
}

int pm_backup(const struct pm_consumer_options *options, const char *dir, struct pm_arena *arena, struct pm_backup *ret,
              struct pm_error *err)
{
    struct copy c = {.options = options, .dir = dir, .lock_fd = -1};
    struct pm_backup backup = {0};
    struct pm_index *index;
    PM_TRY(pm_index_check_pages(options->index_dir, err)); /* LMDB's copy believes what it reads */
    PM_TRY(pm_index_open(options->index_dir, &index, err)); /* it is one, and stays open: nothing opens it twice */
    int rc = begin_partial(&c, err);
    if (rc == PM_OK) rc = copy_index(&c, &backup.bytes, err);
    if (rc == PM_OK) rc = check_copy(&c, arena, &backup, err);
    if (rc == PM_OK) rc = publish(&c, err);
    if (rc != PM_OK) discard(&c);
    if (c.lock_fd >= 0) close(c.lock_fd);
    pm_index_close(index);
    PM_TRY(rc);
    *ret = backup;
    return PM_OK;
}
