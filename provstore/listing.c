/* listing.c: the entries of a directory (listing.h). */
#define _GNU_SOURCE /* getdents64 */
#include "provstore/listing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/check.h"
#include "provstore/below.h"

#define ENTRY_BYTES_MAX \
    (sizeof(struct dirent64) + 8) /* no call gives less than one, and the last piece has room for it */

static struct dirent64 *entry_at(const struct pm_listing *listing, size_t at)
{
    return (struct dirent64 *)(void *)(listing->bytes + at); /* records begin at multiples of eight */
}

/* One that is gone again keeps no type, and is no file of anybody's. */
static void find_type(const struct pm_listing *listing, struct dirent64 *entry)
{
    struct stat st;
    if (entry->d_type == DT_UNKNOWN && fstatat(listing->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        entry->d_type = (unsigned char)IFTODT(st.st_mode);
}

static void read_piece(struct pm_listing *listing)
{
    listing->len = listing->at = 0;
    while (!listing->whole && PM_LISTING_BYTES - listing->len >= ENTRY_BYTES_MAX) {
        ssize_t n = getdents64(listing->fd, listing->bytes + listing->len, PM_LISTING_BYTES - listing->len);
        if (n <= 0) listing->whole = true;
        if (n < 0) listing->error = errno;
        if (n > 0) listing->len += (size_t)n;
    }
    for (size_t at = 0; at < listing->len; at += entry_at(listing, at)->d_reclen)
        find_type(listing, entry_at(listing, at));
}

void pm_listing_open(struct pm_listing *listing, int fd)
{
    if (!listing->bytes) listing->bytes = pm_malloc(PM_LISTING_BYTES);
    listing->fd = fd;
    listing->whole = false;
    listing->error = 0;
    read_piece(listing);
}

struct dirent64 *pm_listing_next(struct pm_listing *listing)
{
    for (;;) {
        if (listing->at == listing->len) {
            if (listing->whole) return NULL;
            read_piece(listing);
            continue;
        }
        struct dirent64 *entry = entry_at(listing, listing->at);
        listing->at += entry->d_reclen;
        if (!pm_below_is_dots(entry->d_name)) return entry;
    }
}

struct dirent64 *pm_listing_ahead(const struct pm_listing *listing, unsigned char type)
{
    for (size_t at = listing->at; at < listing->len; at += entry_at(listing, at)->d_reclen) {
        struct dirent64 *entry = entry_at(listing, at);
        if (entry->d_type == type && !pm_below_is_dots(entry->d_name)) return entry;
    }
    return NULL;
}

static bool is_there(int fd, const char *name)
{
    struct stat st;
    return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

bool pm_listing_has_either(const struct pm_listing *listing, const char *one, const char *other)
{
    for (size_t at = 0; at < listing->len; at += entry_at(listing, at)->d_reclen) {
        const char *name = entry_at(listing, at)->d_name;
        if (!strcmp(name, one) || !strcmp(name, other)) return true;
    }
    return !listing->whole && (is_there(listing->fd, one) || is_there(listing->fd, other));
}

void pm_listing_release(struct pm_listing *listing)
{
    free(listing->bytes);
    *listing = (struct pm_listing){0};
}
