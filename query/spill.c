/* spill.c: memory first, a temporary file beyond. */
#define _GNU_SOURCE
#include "query/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/check.h"

#define MEMORY_MAX ((size_t)64 << 20)
#define FILE_STEP ((size_t)64 << 20) /* bytes the file grows by: a multiple of every page size */

static int temporary_file(int *ret_fd, const char **ret_dir, struct pm_error *err)
{
    const char *dirs[] = {getenv("TMPDIR"), "/var/tmp", "/tmp"};
    int code = ENOENT;
    const char *tried = NULL;
    for (size_t i = 0; i < 3; i++) {
        if (!dirs[i] || !*dirs[i]) continue;
        tried = dirs[i];
        int fd = open(dirs[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0) { /* a file system without O_TMPFILE */
            char *name = NULL;
            if (asprintf(&name, "%s/provmat-XXXXXX", dirs[i]) < 0) continue;
            fd = mkostemp(name, O_CLOEXEC);
            code = errno;
            if (fd >= 0) unlink(name);
            free(name);
        }
        if (fd >= 0) {
            *ret_fd = fd;
            *ret_dir = dirs[i];
            return PM_OK;
        }
    }
    return pm_error_set(err, PM_EIO, "could not make a temporary file in %s: %s; set TMPDIR to a directory with room",
                        tried, pm_error_system(code));
}

static int grow_file(int fd, size_t cap, const char *dir, struct pm_error *err)
{
    int rc = posix_fallocate(fd, 0, (off_t)cap);
    if (rc == 0) return PM_OK;
    return pm_error_set(err, PM_EIO,
                        "could not reserve %zu bytes for rows in %s: %s; set TMPDIR to a directory with room", cap, dir,
                        pm_error_system(rc));
}

static int to_file(struct pm_spill *spill, size_t need, struct pm_error *err)
{
    int fd = -1;
    const char *dir = "";
    PM_TRY(temporary_file(&fd, &dir, err));
    size_t cap = (need / FILE_STEP + 1) * FILE_STEP;
    int rc = grow_file(fd, cap, dir, err);
    char *map = MAP_FAILED;
    if (rc == PM_OK) {
        map = mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED)
            rc = pm_error_set(err, PM_EIO, "could not map %zu bytes of a temporary file: %s", cap,
                              pm_error_system(errno));
    }
    if (rc != PM_OK) {
        close(fd);
        return rc;
    }
    if (spill->len) memcpy(map, spill->ptr, spill->len);
    free(spill->ptr);
    spill->ptr = map;
    spill->cap = cap;
    spill->fd_plus_one = fd + 1;
    return PM_OK;
}

int pm_spill_reserve(struct pm_spill *spill, size_t extra, struct pm_error *err)
{
    if (spill->cap - spill->len >= extra) return PM_OK;
    size_t need = spill->len + extra;
    if (!spill->fd_plus_one) {
        size_t memory_max = spill->memory_max ? spill->memory_max : MEMORY_MAX;
        if (need > memory_max) return to_file(spill, need, err);
        size_t cap = spill->cap ? spill->cap * 2 : 16384;
        while (cap < need) cap *= 2;
        spill->ptr = pm_realloc(spill->ptr, cap);
        spill->cap = cap;
        return PM_OK;
    }
    size_t cap = (need / FILE_STEP + 1) * FILE_STEP;
    PM_TRY(grow_file(spill->fd_plus_one - 1, cap, "the temporary directory", err));
    char *map = mremap(spill->ptr, spill->cap, cap, MREMAP_MAYMOVE);
    if (map == MAP_FAILED)
        return pm_error_set(err, PM_EIO, "could not map %zu bytes of a temporary file: %s", cap,
                            pm_error_system(errno));
    spill->ptr = map;
    spill->cap = cap;
    return PM_OK;
}

void pm_spill_release(struct pm_spill *spill)
{
    if (!spill) return;
    if (spill->fd_plus_one) {
        munmap(spill->ptr, spill->cap);
        close(spill->fd_plus_one - 1);
    } else {
        free(spill->ptr);
    }
    *spill = (struct pm_spill){.memory_max = spill->memory_max};
}
