/* spill.h: a growing stretch of bytes that is memory while it is small and an unlinked temporary file, mapped, when it
 * is not (I8). Disk is reserved before it is written, so a full disk is an error and not a signal. `ptr` moves when it
 * grows. A zeroed struct is empty. One thread. */
#ifndef PM_QUERY_SPILL_H
#define PM_QUERY_SPILL_H

#include "common/base/error.h"

struct pm_spill {
    char *ptr;
    size_t len, cap;
    size_t memory_max; /* bytes held in memory before the file begins; 0: 64 MiB */
    int fd_plus_one;   /* 0: still in memory */
};

/* Room for `extra` bytes behind `len`. PM_EIO naming the directory when the file cannot be made or grown; TMPDIR, else
 * /var/tmp, else /tmp. */
int pm_spill_reserve(struct pm_spill *spill, size_t extra, struct pm_error *err) PM_MUST_CHECK;
void pm_spill_release(struct pm_spill *spill);

#endif
