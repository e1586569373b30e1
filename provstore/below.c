/* below.c: what lies below a directory that is open (below.h). */
#define _GNU_SOURCE /* memrchr */
#include "provstore/below.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- names ---- */

struct pm_slice pm_below_last(struct pm_slice path)
{
    const char *slash = path.len ? memrchr(path.ptr, '/', path.len) : NULL;
    return slash ? pm_slice(slash + 1, path.len - (size_t)(slash + 1 - path.ptr)) : path;
}

struct pm_slice pm_below_above(struct pm_slice path)
{
    size_t last = pm_below_last(path).len;
    return pm_slice(path.ptr, path.len > last ? path.len - last - 1 : 0);
}

int pm_below_name(struct pm_slice path, char ret[PM_NAME_BYTES_MAX + 1])
{
    struct pm_slice name = pm_below_last(path);
    if (name.len > PM_NAME_BYTES_MAX) return errno = ENAMETOOLONG, -1;
    if (!name.len || pm_slice_is(name, ".") || pm_slice_is(name, "..") || memchr(name.ptr, 0, name.len))
        return errno = ENOENT, -1;
    memcpy(ret, name.ptr, name.len);
    ret[name.len] = 0;
    return 0;
}

/* ---- directories ---- */

enum stepping { STEP_OPEN, STEP_MAKE, STEP_SYNC };

static void close_quietly(int fd)
{
    int number = errno;
    close(fd);
    errno = number;
}

static int step(int parent, struct pm_slice segment, enum stepping stepping)
{
    char name[PM_NAME_BYTES_MAX + 1];
    if (pm_below_name(segment, name) != 0) return -1;
    if (stepping == STEP_SYNC && pm_below_sync_directory(parent) != 0) return -1;
    int fd = openat(parent, name, PM_OPEN_DIRECTORY);
    if (fd >= 0 || errno != ENOENT || stepping != STEP_MAKE) return fd;
    if (mkdirat(parent, name, 0777) != 0 && errno != EEXIST) return -1;
    return openat(parent, name, PM_OPEN_DIRECTORY);
}

static int open_below(int root, struct pm_slice path, enum stepping stepping)
{
    int fd = openat(root, ".", PM_OPEN_DIRECTORY);
    while (fd >= 0 && path.len) {
        const char *slash = memchr(path.ptr, '/', path.len);
        size_t len = slash ? (size_t)(slash - path.ptr) : path.len;
        int next = step(fd, pm_slice(path.ptr, len), stepping);
        close_quietly(fd);
        fd = next;
        len += slash != NULL;
        path = pm_slice(path.ptr + len, path.len - len);
    }
    return fd;
}

int pm_below_open(int root, struct pm_slice path) { return open_below(root, path, STEP_OPEN); }

int pm_below_make(int root, struct pm_slice path) { return open_below(root, path, STEP_MAKE); }

int pm_below_parent(int root, struct pm_slice path, char ret_name[PM_NAME_BYTES_MAX + 1])
{
    /* with the "/" at its end: so "/a" has an empty name in it, and is not "a" */
    int fd = pm_below_open(root, pm_slice(path.ptr, path.len - pm_below_last(path).len));
    if (fd < 0 || pm_below_name(path, ret_name) == 0) return fd;
    close_quietly(fd);
    return -1;
}

/* This order, because only what is in a directory keeps others from removing it. */
int pm_below_sync(int root, struct pm_slice path)
{
    int fd = open_below(root, path, STEP_SYNC);
    if (fd < 0) return -1;
    close(fd);
    return 0;
}

/* Some file systems cannot sync a directory; their renames are durable when they are done, or never. */
int pm_below_sync_directory(int fd)
{
    if (fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP || errno == EBADF || errno == ENOSYS) return 0;
    return -1;
}

/* ---- entries ---- */

DIR *pm_below_list(int root, struct pm_slice path)
{
    int fd = pm_below_open(root, path);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (fd >= 0 && !dir) close_quietly(fd);
    return dir;
}

struct dirent *pm_below_next(DIR *dir)
{
    struct dirent *entry;
    do {
        errno = 0;
        entry = readdir(dir);
    } while (entry && pm_below_is_dots(entry->d_name));
    return entry;
}
