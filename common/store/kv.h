/* kv.h: the one door to LMDB, for the index and for the local log. Environments hold named databases of sorted keys.
 *
 * One open of a directory per process (reference-counted: pm_kv_open of the same directory again gives the same
 * environment), because closing a second environment would drop the process's file locks under a live reader. Values
 * are 2-byte aligned and end with the transaction (or, in a write transaction, at its next write): memcpy structs out.
 * Readers never block the writer and the writer never blocks them. Not across fork: a child
 * must leave the handles it was born with alone, and may open its own. The map grows by itself:
 * pm_kv_begin_write makes sure that at least `PM_KV_HEADROOM` of it is free before the transaction starts. */
#ifndef PM_STORE_KV_H
#define PM_STORE_KV_H

#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/store/pages.h"

#define PM_KV_KEY_MAX 511
#define PM_KV_VALUE_MAX ((size_t)64 << 20) /* nothing is longer: a length above it is a damaged one */
#define PM_KV_LEAF_VALUE 2022 /* the largest value that stands in a leaf page of 4 KiB, by a key of 8 bytes */
#define PM_KV_PAGE_VALUE 4080 /* the largest value that takes one overflow page of 4 KiB and nothing more */

struct pm_kv;
struct pm_kv_txn;
struct pm_kv_cursor;
typedef unsigned pm_kv_db;

enum pm_kv_open_flags {
    PM_KV_CREATE = 1,
    PM_KV_READ_ONLY = 2,
    PM_KV_SEQUENTIAL = 4, /* read from front to back, as a log is: let the system read ahead */
};
enum pm_kv_db_flags {
    PM_KV_DB_CREATE = 1,
    PM_KV_DB_INTEGER_KEY = 2, /* keys are native uint64_t */
    PM_KV_DB_CHECKED = 4, /* each value has a CRC-32C of key and value behind it, which nobody but kv.c sees: a value
                             that does not match is PM_ECORRUPT. Every user of the database must say so. */
};

/* `dir` is made (0700) with CREATE; without it a missing one is PM_ENOTFOUND. */
int pm_kv_open(const char *dir, int flags, struct pm_kv **ret, struct pm_error *err) PM_MUST_CHECK;
void pm_kv_close(struct pm_kv *kv);
uint64_t pm_kv_file_bytes(struct pm_kv *kv); /* pages in use up to the last one, in bytes */
const char *pm_kv_dir(const struct pm_kv *kv);

int pm_kv_begin_read(struct pm_kv *kv, struct pm_kv_txn **ret, struct pm_error *err) PM_MUST_CHECK;
/* `headroom`: bytes of map that the transaction may fill (0: 256 MiB); the map is grown first when less is free. */
int pm_kv_begin_write(struct pm_kv *kv, uint64_t headroom, struct pm_kv_txn **ret, struct pm_error *err) PM_MUST_CHECK;
int pm_kv_commit(struct pm_kv_txn *txn, struct pm_error *err) PM_MUST_CHECK; /* the txn is gone whatever comes back */
void pm_kv_abort(struct pm_kv_txn *txn);                                     /* also ends a read; NULL is fine */

/* Commits are numbered: the one that a read transaction shows, and the last one there is (0: it cannot be told). */
uint64_t pm_kv_txn_commit(const struct pm_kv_txn *txn);
uint64_t pm_kv_last_commit(struct pm_kv *kv);

/* A checksum costs the reading of every line of a page, so a read transaction remembers of which values it held. Only
 * values of more than half a page, which have theirs alone; for others, and in a write transaction, always false. */
bool pm_kv_page_checked(struct pm_kv_txn *txn, struct pm_slice value);
void pm_kv_page_set_checked(struct pm_kv_txn *txn, struct pm_slice value);

/* Opens a named database; without CREATE a missing one is PM_ENOTFOUND. In a read transaction only what exists. */
int pm_kv_db_open(struct pm_kv_txn *txn, const char *name, int flags, pm_kv_db *ret,
                  struct pm_error *err) PM_MUST_CHECK;
/* The same for one that was made together with others: that it is missing is PM_ECORRUPT. */
int pm_kv_table_open(struct pm_kv_txn *txn, const char *name, int flags, pm_kv_db *ret,
                     struct pm_error *err) PM_MUST_CHECK;
int pm_kv_db_stat(struct pm_kv_txn *txn, pm_kv_db db, uint64_t *ret_entries, uint64_t *ret_bytes,
                  struct pm_error *err) PM_MUST_CHECK;

/* PM_ENOTFOUND (err untouched) when there is none. */
int pm_kv_get(struct pm_kv_txn *txn, pm_kv_db db, struct pm_slice key, struct pm_slice *ret,
              struct pm_error *err) PM_MUST_CHECK;
/* As pm_kv_get, but of a checked database the value as it is stored, unchecked. */
int pm_kv_get_stored(struct pm_kv_txn *txn, pm_kv_db db, struct pm_slice key, struct pm_slice *ret,
                     struct pm_error *err) PM_MUST_CHECK;
/* The first key at or after `key`. PM_ENOTFOUND (err untouched) past the end. */
int pm_kv_get_from(struct pm_kv_txn *txn, pm_kv_db db, struct pm_slice key, struct pm_slice *ret_key,
                   struct pm_slice *ret_value, struct pm_error *err) PM_MUST_CHECK;
int pm_kv_put(struct pm_kv_txn *txn, pm_kv_db db, struct pm_slice key, struct pm_slice value,
              struct pm_error *err) PM_MUST_CHECK;
/* As put, into a checked database, but what stands under the key already stays. */
int pm_kv_put_new(struct pm_kv_txn *txn, pm_kv_db db, struct pm_slice key, struct pm_slice value,
                  struct pm_error *err) PM_MUST_CHECK;
/* As put; the key must be above every key in the database (PM_ECORRUPT else). */
int pm_kv_append(struct pm_kv_txn *txn, pm_kv_db db, struct pm_slice key, struct pm_slice value,
                 struct pm_error *err) PM_MUST_CHECK;
int pm_kv_del(struct pm_kv_txn *txn, pm_kv_db db, struct pm_slice key,
              struct pm_error *err) PM_MUST_CHECK; /* none there: PM_OK */

static inline struct pm_slice pm_kv_u64(const uint64_t *key) { return pm_slice(key, sizeof *key); }

int pm_kv_cursor_open(struct pm_kv_txn *txn, pm_kv_db db, struct pm_kv_cursor **ret,
                      struct pm_error *err) PM_MUST_CHECK;
void pm_kv_cursor_close(struct pm_kv_cursor *cursor); /* before its txn ends; NULL is fine */
/* First key at or after `key` (a NULL ptr: the first / last of all). PM_ENOTFOUND (err untouched) past the end. */
int pm_kv_seek(struct pm_kv_cursor *cursor, struct pm_slice key, struct pm_slice *ret_key, struct pm_slice *ret_value,
               struct pm_error *err) PM_MUST_CHECK;
int pm_kv_last(struct pm_kv_cursor *cursor, struct pm_slice *ret_key, struct pm_slice *ret_value,
               struct pm_error *err) PM_MUST_CHECK;
int pm_kv_next(struct pm_kv_cursor *cursor, struct pm_slice *ret_key, struct pm_slice *ret_value,
               struct pm_error *err) PM_MUST_CHECK;
/* Deletes the entry the cursor stands on; pm_kv_next then gives the one after it. */
int pm_kv_cursor_del(struct pm_kv_cursor *cursor, struct pm_error *err) PM_MUST_CHECK;

/* The environment as one transaction sees it, in the form of a data.mdb without free pages, written to `fd` (a file or
 * a pipe) from its first byte to its last. Takes no lock: the writer goes on, but cannot reuse pages meanwhile. */
int pm_kv_copy(struct pm_kv *kv, int fd, struct pm_error *err) PM_MUST_CHECK;
/* Takes the pages of the map that were read out of this process's resident memory; they stay in the system's cache, and
 * slices into them stay good. For work that walks through more than it comes back to. */
void pm_kv_trim(struct pm_kv *kv);
/* On: most pages will be read in their order, so the system is to read ahead of the reader; else each page of a file
 * that is not in its cache is waited for alone. For walks through a table. Off, the default: pages are read here and
 * there. */
void pm_kv_read_ahead(struct pm_kv *kv, bool on);
/* Frees the slots of readers whose process is gone. */
void pm_kv_check_readers(struct pm_kv *kv);

/* Looks at the pages of the file (pages.h) as of now, while others may write; PM_ECORRUPT says what is wrong and what
 * to do. Opening has looked at the two meta pages. LMDB believes what it reads: who writes asks first
 * about the pages that it may be led by, because a damaged one leads it to write over others. `look` NULL: at all. */
int pm_kv_check_pages(struct pm_kv *kv, const struct pm_pages_look *look, struct pm_error *err) PM_MUST_CHECK;
/* A reader checks no pages first, and may meet a fault of memory or an assertion of LMDB on a damaged one. A handler of
 * SIGSEGV, SIGBUS and SIGABRT asks here whether the fault (at `address`) is of an open environment: what to say then,
 * else NULL. Only calls that a signal handler may make. */
const char *pm_kv_damage(const void *address);
/* `call` is called with the same text before LMDB aborts the program over what it has read. */
void pm_kv_on_damage(void (*call)(const char *text));
/* Sets *err to PM_ECORRUPT, "DIR: WHAT; what to do", for who found it above this door. */
int pm_kv_corrupt(const struct pm_kv_txn *txn, struct pm_error *err, const char *fmt, ...) PM_PRINTF(3, 4);

#endif
