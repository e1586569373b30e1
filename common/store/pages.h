/* pages.h: a data.mdb looked at page by page, with our own eyes and before LMDB believes a byte of it: LMDB takes its
 * file as it is, and a flipped bit there is an answer that lacks rows, a read outside of the map, or a page that is
 * written over. The form of the file (LMDB 0.9) is described in docs/formats/pages.md; nothing is written here, nothing
 * is mapped, and what the values say is left to those who wrote them.
 *
 * Readers of one transaction: its pages stay as they are as long as it is open. Any thread. */
#ifndef PM_STORE_PAGES_H
#define PM_STORE_PAGES_H

#include <stdint.h>

#include "common/base/error.h"

#define PM_PAGES_KEY_MAX 511

enum pm_pages_kind { PM_PAGE_META, PM_PAGE_BRANCH, PM_PAGE_LEAF, PM_PAGE_OVERFLOW, PM_PAGE_FREE };

/* One call a page (the first of several for a long value), for who wants to know what stands where. `table` is the name
 * of the database, "" for LMDB's own two; it ends with the call. */
typedef void (*pm_pages_each)(void *arg, const char *table, enum pm_pages_kind kind, uint64_t page);

/* The two meta pages: what LMDB needs to open the file. A file that is shorter than both is left to LMDB. With a writer
 * at work they are read again until they hold still. *ret_txn (NULL: not wanted): the last transaction. PM_ECORRUPT, or
 * PM_EIO when the file cannot be read. */
int pm_pages_check_metas(const char *file, uint64_t *ret_txn, struct pm_error *err) PM_MUST_CHECK;

struct pm_pages_look {  /* zero: at every page, and that each is used once or free */
    bool edges;         /* only at what one who only appends is led by: free pages, databases, each one's last pages */
    const char *append; /* a database that is only appended to: of its leaves at the last alone; NULL: none */
    pm_pages_each each; /* NULL: nobody asks */
    void *arg;
};

/* The pages of transaction `txn`, which one of the meta pages must be of and which the caller keeps open. PM_ENOTFOUND
 * (err untouched) when it is of neither: others have committed meanwhile. `look` NULL: as a zeroed one. */
int pm_pages_check(const char *file, uint64_t txn, const struct pm_pages_look *look,
                   struct pm_error *err) PM_MUST_CHECK;

#endif
