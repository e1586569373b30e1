/* below.h: what lies below a directory that is open: reached name by name and through no link, so that nothing that
 * changes meanwhile leads out of it.
 *
 * A name has 1 to 255 bytes, none of them "/" or zero, and is neither "." nor "..". A path that has anything else in it
 * ("/a", "a//b", "a/../b") leads nowhere: ENOENT, or ENAMETOOLONG. One "/" at its end is passed over; the empty path is
 * the directory itself. */
#ifndef PM_PROVSTORE_BELOW_H
#define PM_PROVSTORE_BELOW_H

#include <dirent.h>
#include <fcntl.h>

#include "common/base/slice.h"

#define PM_NAME_BYTES_MAX 255 /* of a file, as Linux has it */
#define PM_OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct pm_slice pm_below_last(struct pm_slice path);  /* what is behind the last "/", or all of it */
struct pm_slice pm_below_above(struct pm_slice path); /* what is before the last "/", or nothing */
/* The last name of `path`, with a zero behind it. -1 with errno. */
int pm_below_name(struct pm_slice path, char ret[PM_NAME_BYTES_MAX + 1]);

/* Opens the directory `path` below `root`, which stays open, at its first entry. -1 with errno. */
int pm_below_open(int root, struct pm_slice path);
/* The same; the directories that are missing are made. */
int pm_below_make(int root, struct pm_slice path);
/* The directory that holds what is called `path`, and the name that it has there. */
int pm_below_parent(int root, struct pm_slice path, char ret_name[PM_NAME_BYTES_MAX + 1]);
/* Brings the names in `path` to the disk, the highest first: 0, or -1 with errno. */
int pm_below_sync(int root, struct pm_slice path);
int pm_below_sync_directory(int fd); /* the names in one directory */

/* The entries of the directory `path`, for closedir. NULL with errno. */
DIR *pm_below_list(int root, struct pm_slice path);
/* The next one, never "." or ".."; NULL at the end (errno is 0) and when it cannot be read. */
struct dirent *pm_below_next(DIR *dir);

static inline bool pm_below_is_dots(const char *name)
{
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

#endif
