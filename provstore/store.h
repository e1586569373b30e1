/* store.h: what lies in a store of results: a walk over its directory that reads every result of every generation
 * (docs/paths.md, docs/stores.md) and tells what is wrong.
 *
 *   ROOT --walk.c--> directories --read_result.c--> metadata.json, result.json, artifacts --result_json.c--> facts
 *        result(), finding(): one call at a time, from any of the walk's threads
 *
 * Nothing is written, and nothing outside ROOT is read: directories are opened one name after the other, a symbolic
 * link is a finding and never followed. Memory does not grow with the store: a directory is read as it comes, a few
 * hundred are kept waiting for idle threads. */
#ifndef PM_PROVSTORE_STORE_H
#define PM_PROVSTORE_STORE_H

#include <signal.h>

#include "common/event/event.h"
#include "provstore/schema.h"

#define PM_STORE_THREADS_MAX 8
#define PM_STORE_DEPTH_MAX 32
#define PM_STORE_WAITING_MAX 512
#define PM_STORE_JSON_BYTES_MAX (4 * 1024 * 1024) /* metadata.json, result.json, manifest.json */

enum pm_stored_state {
    PM_STORED_WHOLE,
    PM_STORED_FAILED, /* whole, and what it holds is an error */
    PM_STORED_HALF,   /* one of its files was never written */
    PM_STORED_BROKEN, /* a file cannot be read or says something impossible */
};
const char *pm_stored_state_name(enum pm_stored_state state); /* "whole" */

struct pm_stored_output {
    struct pm_slice name, checksum; /* checksum.ptr NULL: none is recorded */
    int64_t size;
    int64_t arrow_size, parquet_size, json_size; /* of the files, where recorded; else -1 */
};

/* One result. Slices end with the call. */
struct pm_stored {
    struct pm_slice path; /* from ROOT */
    enum pm_stored_state state;
    struct pm_slice reason; /* why it is not whole, or why what is in it was not read (caches) */
    /* What a ResultDiscovered of it says: identity from metadata.json and result.json, never from the path. facts.has
     * says what is known; occurred_at always is. */
    struct pm_event facts;
    bool time_from_file; /* no timestamp: the file's own time */
    /* The layout under which the path follows from the identity; NULL: none does, or too little is known. */
    const struct pm_schema *layout;
    struct pm_slice bundle_ref; /* as it stands there, also when it is not one */
    struct pm_failure failure;  /* state FAILED */
    struct pm_slice sim_root;
    int64_t n_sim_returns; /* aggregations; -1: unknown */
    struct pm_stored_output *outputs, error_details;
    size_t n_outputs;
    bool has_error_details;
    struct pm_slice metadata, result; /* the texts of both files; empty when missing */
    uint64_t files, bytes, artifacts;
};

/* Something wrong. Codes are stable: see pm_finding_codes. */
struct pm_finding {
    const char *code;
    struct pm_slice path;            /* of the result, or of the file or directory; valid UTF-8, other bytes as \xNN */
    struct pm_slice what;            /* the file or the field */
    struct pm_slice found, expected; /* ptr NULL: does not apply */
    struct pm_slice detail;
};
struct pm_finding_code {
    const char *code, *help;
};
extern const struct pm_finding_code pm_finding_codes[]; /* ended by a NULL code */

/* Appends `text` as it can be shown: what is not UTF-8, and control characters, as \xNN. Returns whether anything had
 * to be changed. */
bool pm_put_text(struct pm_buf *out, struct pm_slice text);

struct pm_store_counts {
    uint64_t directories, results, findings, views;
};

struct pm_store_walk {
    const char *root;
    const struct pm_schemas *schemas; /* layouts to recognise */
    const char *only;                 /* a result's path: only this one is read; NULL: all */
    bool checksums;                   /* read every artifact */
    unsigned threads;                 /* 0: as many as processors */
    const volatile sig_atomic_t *stop;
    /* Each may be NULL. A code other than PM_OK stops the walk and is returned. */
    int (*result)(void *arg, const struct pm_stored *stored, struct pm_error *err);
    int (*finding)(void *arg, const struct pm_finding *finding, struct pm_error *err);
    int (*half_deleted)(void *arg, struct pm_slice path, struct pm_error *err); /* beside its finding; trash.h */
    void (*progress)(void *arg, const struct pm_store_counts *counts);          /* now and then */
    void *arg;                                                                  /* of the above */
    void *progress_arg;                                                         /* of progress() */
};
/* PM_EUSAGE: ROOT cannot be opened. `ret_counts` may be NULL. */
int pm_store_walk(const struct pm_store_walk *walk, struct pm_store_counts *ret_counts,
                  struct pm_error *err) PM_MUST_CHECK;
/* Is there, below ROOT and without following a link, a directory or a file of this path? */
bool pm_store_holds(const char *root, struct pm_slice path);

#endif
