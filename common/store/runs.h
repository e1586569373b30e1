/* runs.h: sorted runs: how the index keeps what is looked up by a random key without ever writing a random page. New
 * entries of a batch are sorted and written as one run of level 0; when PM_RUN_FANOUT runs of a level have gathered
 * they are merged into one of the next level, in bounded steps, a few pages with each batch. Runs are ordinary LMDB
 * keys and values: one page an entry, keyed by (run id, last entry of the page), so that one seek finds the page that
 * can hold a key. The directory of the runs is read in the same transaction as the pages.
 *
 * States of a run:   LIVE --chosen--> MERGING --output complete--> DEAD --pages deleted--> gone
 *                    BUILDING (the output of a merge) --complete--> LIVE
 * Readers see LIVE and MERGING. */
#ifndef PM_STORE_RUNS_H
#define PM_STORE_RUNS_H

#include "common/base/arena.h"
#include "common/store/kv.h"

#define PM_RUN_FANOUT 4
#define PM_RUN_ENTRIES_MAX \
    200000000 /* a merge takes no more than this together; it goes in bounded steps, so it may be large */
#define PM_RUN_ENTRY_BYTES_MAX 24
#define PM_RUNS_MAX 256 /* of one kind */

enum pm_run_kind {
    PM_RUN_DICTIONARY,  /* hash128 of a path (16, big-endian) | result number (5): where a path is */
    PM_RUN_RESULT_JOBS, /* result (5) | job (4) | role (1) | at (8): every role of every pair but the record's own; the
                           smallest `at` of a role counts */
    PM_RUN_MOVES, /* result (5) | ~record number (5): where the facts are when not in the result's first record; the
                     latest counts */
    PM_RUN_KIND_COUNT
};

struct pm_run_shape {
    const char *database;
    size_t entry_bytes;
    size_t key_bytes; /* of two entries equal so far, the smaller stays */
};
extern const struct pm_run_shape pm_run_shapes[PM_RUN_KIND_COUNT];

struct pm_run {
    uint32_t id;
    uint8_t level, state;
    uint32_t output; /* MERGING: the run that it is merged into */
    uint64_t entries;
    uint8_t first[PM_RUN_ENTRY_BYTES_MAX], last[PM_RUN_ENTRY_BYTES_MAX];
};

/* The directory of one kind, in memory. */
struct pm_runs {
    enum pm_run_kind kind;
    pm_kv_db pages, directory;
    struct pm_run runs[PM_RUNS_MAX]; /* by id */
    size_t count;
    uint32_t next_id;
    uint16_t look[PM_RUNS_MAX]; /* the visible ones as loaded, the largest first: where a key most likely is */
    size_t n_look;
};

/* Reads the directory. In a write transaction the databases are made when missing. */
int pm_runs_load(struct pm_runs *runs, enum pm_run_kind kind, struct pm_kv_txn *txn, bool create,
                 struct pm_error *err) PM_MUST_CHECK;

/* ---- the writer ---- */
/* Writes `count` sorted entries (duplicates of a key allowed) as a new run. */
int pm_runs_add(struct pm_runs *runs, struct pm_kv_txn *txn, const uint8_t *entries, size_t count,
                struct pm_error *err) PM_MUST_CHECK;
/* Goes on with merges and deletions: about `entries_max` entries of work. `fanout`: PM_RUN_FANOUT, or 2 to bring it
 * down to few runs when there is nothing else to do. *ret_done (NULL allowed): nothing is left to merge. */
int pm_runs_merge(struct pm_runs *runs, struct pm_kv_txn *txn, size_t entries_max, size_t fanout, bool *ret_done,
                  struct pm_error *err) PM_MUST_CHECK;

/* ---- readers ---- */
/* Calls each() with every entry of every run visible at load that begins with `prefix`, run by run. each() returning
 * false stops. A page whose checksum does not match is PM_ECORRUPT. */
int pm_runs_lookup(const struct pm_runs *runs, struct pm_kv_txn *txn, struct pm_slice prefix,
                   bool (*each)(void *arg, const uint8_t *entry), void *arg, struct pm_error *err) PM_MUST_CHECK;
/* Every entry of every visible run, run by run, each in order; for loading and for verify. */
int pm_runs_scan(const struct pm_runs *runs, struct pm_kv_txn *txn,
                 int (*each)(void *arg, const uint8_t *entry, struct pm_error *err), void *arg,
                 struct pm_error *err) PM_MUST_CHECK;
uint64_t pm_runs_entries(const struct pm_runs *runs); /* in visible runs */

#endif
