/* listing.h: the entries of a directory as the system gives them, a piece at a time: two calls for a small directory,
 * and as much memory for a large one. Every entry has a type: where the file system tells none, it is asked for. */
#ifndef PM_PROVSTORE_LISTING_H
#define PM_PROVSTORE_LISTING_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>

#define PM_LISTING_BYTES ((size_t)32 * 1024) /* a piece: some 500 entries */

struct pm_listing { /* zeroed: empty; the buffer is kept from one directory to the next */
    int fd;
    char *bytes;
    size_t len, at;
    bool whole; /* nothing comes after this piece */
    int error;  /* errno that ended it, 0: none */
};

/* Reads the first piece of `fd`, which stands at its beginning and stays the caller's. */
void pm_listing_open(struct pm_listing *listing, int fd);
/* The next entry, never "." or ".."; NULL at the end. It stays until the call after the last one of its piece. */
struct dirent64 *pm_listing_next(struct pm_listing *listing);
/* An entry of this piece that comes after the last one given, of this type (DT_DIR ...); NULL: none. */
struct dirent64 *pm_listing_ahead(const struct pm_listing *listing, unsigned char type);
/* Does the directory, whose first piece this is, have an entry of one of these names? */
bool pm_listing_has_either(const struct pm_listing *listing, const char *one, const char *other);
void pm_listing_release(struct pm_listing *listing);

#endif
