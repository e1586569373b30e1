/* mark.c: see mark.h. */
#include "common/store/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX 64

/* The inode of the mark; 0: there is none. */
static unsigned long long marked_inode(int fd)
{
    char text[TEXT_MAX];
    unsigned long long inode;
    long pid;
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = 0;
    return sscanf(text, "%ld\n%llu\n", &pid, &inode) == 2 ? inode : 0;
}

static int write_text(int fd, const char *path, unsigned long long inode, struct pm_error *err)
{
    char text[TEXT_MAX];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (inode) n += snprintf(text + n, sizeof text - (size_t)n, "%llu\n", inode);
    if (pwrite(fd, text, (size_t)n, 0) == n && ftruncate(fd, n) == 0) return PM_OK;
    return pm_error_set(err, PM_EIO, "%s: could not write: %s", path, pm_error_system(errno));
}

int pm_mark_owner(int lock_fd, const char *path, struct pm_error *err)
{
    return write_text(lock_fd, path, marked_inode(lock_fd), err);
}

int pm_mark_writing(int lock_fd, const char *dir, struct pm_error *err)
{
    char path[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%s/data.mdb", dir);
    if (stat(path, &st) != 0)
        return pm_error_set(err, PM_EIO, "%s: could not look at it: %s", path, pm_error_system(errno));
    return write_text(lock_fd, path, st.st_ino, err);
}

void pm_mark_clear(int lock_fd)
{
    int rc = write_text(lock_fd, "", 0, NULL);
    (void)rc;
}

int pm_mark_check(const char *dir, struct pm_error *err)
{
    char path[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%s/writer.lock", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return PM_OK;
    unsigned long long inode = marked_inode(fd);
    close(fd);
    snprintf(path, sizeof path, "%s/data.mdb", dir);
    if (!inode || stat(path, &st) != 0 || st.st_ino == inode) return PM_OK;
    return pm_error_set(err, PM_EINDEX,
                        "%s: the files of this index were copied while it was written to, so pages of several commits "
                        "may stand in it; copy it with: provmat snapshot %s --index ORIGINAL, or make it anew: "
                        "provmat rebuild --index %s --log URL",
                        dir, dir, dir);
}
