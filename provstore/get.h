/* get.h: a result out of a store: found by its identity, read whole, and compared with its checksums before it is
 * called a hit.
 *
 *   identity --key.h--> path --look.h--> whole, of this identity? --checksums--> hit: its files, or copies of them
 */
#ifndef PM_PROVSTORE_GET_H
#define PM_PROVSTORE_GET_H

#include "provstore/look.h"

enum pm_get_copies {
    PM_GET_NO_COPIES, /* `to` NULL: the files in the store */
    PM_GET_COPY,
    PM_GET_LINK, /* hard links: the same bytes, which must not be written to */
};

struct pm_get {
    struct pm_place place;
    const struct pm_schema *schema;
    enum pm_get_copies copies;
    const char *to; /* a directory, made when it is missing; files of the same name in it are replaced */
};

struct pm_got_file {
    const char *name, *file; /* the output; its file, or the copy, ended by a zero */
    int64_t size;
    const char *checksum;
};
struct pm_got {
    struct pm_looked looked; /* facts: all that the store says of it */
    struct pm_got_file *files;
    size_t n_files;
};

/* Completes *ev (pm_key_complete) and looks. What is in *ret lives in `arena`. PM_ENOTFOUND: a miss, and the text says
 * why (nothing there; an error is stored; another identity lies at the path). PM_ECORRUPT: what is stored is damaged,
 * the text names the file; no copy is left. PM_EIO, PM_EINVALID, PM_ELIMIT, PM_EUSAGE. */
int pm_get(const struct pm_get *get, struct pm_event *ev, struct pm_arena *arena, struct pm_got *ret,
           struct pm_error *err) PM_MUST_CHECK;

#endif
