/* provmat_store.h: a store of results that says by itself what was computed and what was reused.
 *
 *   struct provmat_store_options options = {.size = sizeof options, .root = "store", .producer = p};
 *   provmat_store *store;
 *   if (provmat_store_open(&options, &store, &why) != PROVMAT_OK) ...why.text says what to change...
 *
 *   struct provmat_result sim = {.size = sizeof sim, .kind = PROVMAT_SIM, .bundle_ref = ref, .entrypoint = "m/base",
 *                                .params = "{\"beta\":0.5}", .has = PROVMAT_HAS_SEED, .seed = 42};
 *   struct provmat_reused used = {.size = sizeof used, .job_id = "job-1", .result = &sim};
 *   struct provmat_get get = {.size = sizeof get, .event = &used};
 *   struct provmat_stored *hit;
 *   int code = provmat_store_get(store, &get, &hit, &why);
 *   if (code == PROVMAT_EMISS) {
 *       ...compute...
 *       struct provmat_artifact table = {.name = "table", .file = "table.arrow"};
 *       struct provmat_computed done = {.size = sizeof done, .job_id = "job-1", .result = &sim};
 *       struct provmat_put put = {.size = sizeof put, .event = &done, .artifacts = &table, .n_artifacts = 1};
 *       code = provmat_store_put(store, &put, NULL, &why);
 *   }
 *
 * What is given is the event, without what follows from the store: a put makes the path, the outputs with sizes and
 * checksums and a simulation's task_id, a get the outputs and what else is stored. A whole put says provmat_computed, a
 * hit provmat_reused, through the producer that the store was opened with. Whether an event was accepted never changes
 * what a call returns: what is stored is stored.
 *
 * A result is whole or it is not there: it is written beside its place, synced to the disk and renamed. Of many writers
 * of one key one wins; for the others the same result is no fault, and another one is a conflict that changes nothing.
 * Files are read and written in pieces. No symbolic link below the root is followed. Files and directories get the
 * permissions that the umask leaves.
 *
 * These calls work on disks and wait for them. Threads: any number may use a store at once. Fork: the child may use it.
 * Structs, texts and ownership as in provmat.h: see provmat(3). */
#ifndef PROVMAT_STORE_H
#define PROVMAT_STORE_H

#include "producer/provmat.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What calls return beside enum provmat_code: PROVMAT_EINVALID for an identity that breaks a rule or lacks what its
 * path needs, PROVMAT_ECONFIG for options, and */
enum provmat_store_code {
    PROVMAT_EMISS = 16,     /* nothing of this identity is stored; the text says why */
    PROVMAT_ECONFLICT = 17, /* another result is stored under this path; it was left as it is */
    PROVMAT_EDAMAGED =
        18,           /* what is stored is half-written or has other bytes than recorded; the text names the file */
    PROVMAT_EIO = 19, /* the disk: full, read-only, no permission ... */
};

typedef struct provmat_store provmat_store;

/* ---- opening ---- */

struct provmat_store_options {
    size_t size;
    const char *root;                /* the directory that holds token/, bundle/ ...; it must be there */
    const char *schema;              /* the layout, as `provmat path schemas` lists them; NULL: "token" */
    const char *const *schema_files; /* schemas of one's own, as --schema-file takes them */
    size_t n_schema_files;
    provmat_producer
        *producer; /* says the events; stays the caller's, and must outlive the store. NULL: none are said */
};

/* PROVMAT_ECONFIG or PROVMAT_ENOMEM; *ret is untouched then. */
PROVMAT_API int provmat_store_open(const struct provmat_store_options *options, provmat_store **ret,
                                   struct provmat_error *err);
/* No other thread may use it any more. NULL is fine. */
PROVMAT_API void provmat_store_close(provmat_store *store);

/* ---- putting ---- */

/* One output: the content of a file, or bytes. An array of these cannot grow, so it has no size. */
struct provmat_artifact {
    const char *name;  /* 1 to 200 bytes without '/' and control characters */
    const char *file;  /* read once, from its beginning to its end */
    const void *bytes; /* when `file` is NULL */
    size_t length;
    int json; /* stored as artifact_NAME.json, else as artifact_NAME.arrow; it is not looked into */
};

/* Bits of provmat_put.flags. */
enum provmat_put_flag {
    PROVMAT_PUT_REPAIR = 1, /* replace what is damaged, or is an error; a whole result is never replaced */
};

struct provmat_put {
    size_t size;
    const struct provmat_computed *event; /* as for provmat_computed; `outputs` must be NULL, the result's `path` NULL
                                             or the one that follows; occurred_at_us is also the stored timestamp */
    const struct provmat_artifact *artifacts;
    size_t n_artifacts;
    unsigned flags;
};

enum provmat_put_outcome {
    PROVMAT_STORED = 1,
    PROVMAT_ALREADY = 2,  /* the same result was there: nothing was written */
    PROVMAT_REPAIRED = 3, /* it replaced what was damaged */
};

/* One output of a stored result. */
struct provmat_file {
    const char *name;
    const char *file; /* in the store, where it is only to be read, or the copy that was asked for */
    int64_t size;
    const char *checksum; /* BLAKE2b-256 of its bytes */
};

/* What is stored, as a put left it or a get found it; provmat_stored_free ends it. */
struct provmat_stored {
    size_t size;
    int outcome;      /* of a put: enum provmat_put_outcome; of a get 0 */
    const char *path; /* of the result, from the root */
    const char *schema;
    int64_t schema_version;
    unsigned has; /* PROVMAT_HAS_LOSS, PROVMAT_HAS_STORED_AT */
    double loss;
    int64_t n_replicates; /* 0: not known */
    int64_t stored_at_us;
    const char *task_id;        /* NULL: none, as of an aggregation */
    const char *aggregation_id; /* NULL: none, as of a simulation */
    const struct provmat_file *files;
    size_t n_files;
    const char *metadata, *result; /* the texts of metadata.json and result.json; NULL after a put */
    int event; /* what provmat_computed or provmat_reused returned; PROVMAT_OK also without a producer */
    char event_why[PROVMAT_ERROR_TEXT]; /* why the event was not accepted */
};
PROVMAT_API void provmat_stored_free(struct provmat_stored *stored); /* NULL is fine */

/* Stores a result. A simulation needs kind, bundle (bundle_ref or bundle_digest), entrypoint, params (or param_id) and
 * seed; an aggregation kind, bundle, target, and aggregation_id or the input_task_ids that it follows from. loss,
 * n_replicates, diagnostics and input_task_ids are stored with an aggregation; of a simulation the event alone has
 * them, as it has all the rest.
 *
 * The same identity with the same outputs, loss and n_replicates is the same result. An event is said for it too: the
 * job has computed it, and the event of an earlier put may have been lost with its process.
 *
 * `ret` may be NULL; *ret is untouched on failure. */
PROVMAT_API int provmat_store_put(provmat_store *store, const struct provmat_put *put, struct provmat_stored **ret,
                                  struct provmat_error *err);

/* ---- getting ---- */

/* Bits of provmat_get.flags. */
enum provmat_get_flag {
    PROVMAT_GET_LINK = 1, /* hard links instead of copies, which must not be written to */
};

struct provmat_get {
    size_t size;
    const struct provmat_reused
        *event;     /* as for provmat_reused; what the store knows is filled in; `source` 0: local */
    const char *to; /* copy the files into this directory, made when it is missing; NULL: do not */
    unsigned flags;
};

/* Looks a result up by its identity and reads it whole: every file is compared with its checksum before this returns.
 * Another identity at the same path is a miss, and so is a stored error; *ret is untouched then. */
PROVMAT_API int provmat_store_get(provmat_store *store, const struct provmat_get *get, struct provmat_stored **ret,
                                  struct provmat_error *err);

/* The id of an aggregation over the task ids of simulations, in any order, as stores have it: 16 hex digits and a zero.
 * PROVMAT_EINVALID, PROVMAT_ENOMEM. */
PROVMAT_API int provmat_aggregation_id(const char *target, const char *const *task_ids, size_t n, char out[17],
                                       struct provmat_error *err);

#ifdef __cplusplus
}
#endif

#endif
