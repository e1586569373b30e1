/* index.h: the index as its readers see it: one LMDB environment in layout F (docs/formats/index.md), read through
 * snapshots. The writer's side is consumer/apply.h. Numbers (job, result) are an index's own: they differ between two
 * indexes of one log, so nothing that leaves the program holds one.
 *
 * A snapshot is one read transaction: everything read through it is of one commit. Slices and rows end with the
 * snapshot or with the arena that was given. Gather rows, close the snapshot, then write to a pipe (I8). Any thread;
 * one snapshot belongs to one thread. */
#ifndef PM_STORE_INDEX_H
#define PM_STORE_INDEX_H

#include "common/event/event.h"

#define PM_INDEX_FORMAT 4 /* an index of a newer format is refused, PM_EINDEX naming both */

struct pm_index;
struct pm_snapshot;

/* PM_EINDEX when there is none (the text names `provmat materialize`), of a newer format, or not an index. */
int pm_index_open(const char *dir, struct pm_index **ret, struct pm_error *err) PM_MUST_CHECK;
/* Looks at every page of the index before LMDB believes one (pages.h); PM_OK when there is none, which opening says
 * better. */
int pm_index_check_pages(const char *dir, struct pm_error *err) PM_MUST_CHECK;
void pm_index_close(struct pm_index *index);
int pm_snapshot_open(struct pm_index *index, struct pm_snapshot **ret, struct pm_error *err) PM_MUST_CHECK;
void pm_snapshot_close(struct pm_snapshot *snap);
/* Has nothing been committed since? */
bool pm_snapshot_is_newest(const struct pm_snapshot *snap);
/* Ends the snapshot and takes one of the newest commit; *snap is NULL after an error. The old one ends first, because a
 * map that another process has made larger can only be mapped anew while nothing is read through it. */
int pm_snapshot_renew(struct pm_snapshot **snap, struct pm_error *err) PM_MUST_CHECK;

/* ---- the index as a whole ---- */
enum pm_role {
    PM_ROLE_COMPUTED,
    PM_ROLE_REUSED,
    PM_ROLE_FAILED,
    PM_ROLE_EXPECTED,
    PM_ROLE_COUNT
}; /* strongest first */
const char *pm_role_name(enum pm_role role);
bool pm_role_parse(struct pm_slice text, enum pm_role *ret);

struct pm_index_info {
    char log_url[1024], log_identity[512]; /* what it was made from */
    int64_t until_us;                      /* rebuild --until; INT64_MAX: none */
    uint64_t events;                       /* records applied */
    uint64_t results, jobs, pairs;
    uint64_t pairs_by_role[PM_ROLE_COUNT]; /* by shown role */
    uint64_t unattributed, conflicts, quarantined;
    uint64_t producers, producers_with_gaps; /* that number their events; of them such as miss some */
    uint64_t missing_events;                 /* of all of them */
    uint64_t file_bytes;
};
int pm_snapshot_info(struct pm_snapshot *snap, struct pm_index_info *ret, struct pm_error *err) PM_MUST_CHECK;

struct pm_applied { /* one partition */
    int32_t partition;
    int64_t first; /* first offset that was there when the index began */
    int64_t next;  /* every record below it has been applied or quarantined */
};
int pm_snapshot_applied(struct pm_snapshot *snap, struct pm_arena *arena, struct pm_applied **ret, size_t *ret_count,
                        struct pm_error *err) PM_MUST_CHECK;

/* Where log and index have parted. An open one stops its partition; an accepted one stays in the index for ever. */
enum pm_gap_kind {
    PM_GAP_MISSING,  /* gone from the log before they were applied */
    PM_GAP_REPLACED, /* applied, but the log does not hold these records any more: it was recreated or truncated */
};
const char *pm_gap_kind_name(enum pm_gap_kind kind);
struct pm_gap {
    int32_t partition;
    int64_t from, to; /* offsets, both within */
    enum pm_gap_kind kind;
    bool accepted; /* materialize --accept-gap */
};
/* By partition and offset. */
int pm_snapshot_gaps(struct pm_snapshot *snap, struct pm_arena *arena, struct pm_gap **ret, size_t *ret_count,
                     struct pm_error *err) PM_MUST_CHECK;

struct pm_view_info {
    const char *name;
    uint32_t version;
    uint64_t rows, bytes;
};
int pm_snapshot_views(struct pm_snapshot *snap, struct pm_arena *arena, struct pm_view_info **ret, size_t *ret_count,
                      struct pm_error *err) PM_MUST_CHECK;

/* ---- pairs ---- */
struct pm_pair {
    uint32_t job;
    uint64_t result;
    unsigned roles;            /* 1 << enum pm_role */
    int64_t at[PM_ROLE_COUNT]; /* smallest occurred_at of the role; undefined without its bit */
};
static inline enum pm_role pm_pair_shown(const struct pm_pair *pair)
{
    return (enum pm_role)__builtin_ctz(pair->roles);
}
/* expected, and shown as expected or failed */
static inline bool pm_pair_missing(const struct pm_pair *pair)
{
    return (pair->roles >> PM_ROLE_EXPECTED & 1) && !(pair->roles & (1u << PM_ROLE_COMPUTED | 1u << PM_ROLE_REUSED));
}
/* Every pair of a job, in no promised order; each() returning non-PM_OK stops and is returned. */
int pm_pairs_of_job(struct pm_snapshot *snap, uint32_t job,
                    int (*each)(void *arg, const struct pm_pair *pair, struct pm_error *err), void *arg,
                    struct pm_error *err) PM_MUST_CHECK;
/* Every pair of a result, by job number. */
int pm_pairs_of_result(struct pm_snapshot *snap, uint64_t result, struct pm_arena *arena, struct pm_pair **ret,
                       size_t *ret_count, struct pm_error *err) PM_MUST_CHECK;

/* ---- jobs ---- */
struct pm_job {
    uint32_t number;
    struct pm_slice job_id;
    /* JobSubmitted's facts: for each member the value of the earliest event that carries it. `facts.has` says which. */
    struct pm_event facts;
    int status; /* enum pm_status, or -1 */
    int64_t first_at, last_at;
    uint64_t computed, reused, failed, expected, missing; /* pairs */
    struct pm_slice *bundle_digests, *targets;            /* sorted */
    size_t n_bundle_digests, n_targets;
    uint32_t conflicts;
};
int pm_job_find(struct pm_snapshot *snap, struct pm_slice job_id, uint32_t *ret,
                struct pm_error *err) PM_MUST_CHECK; /* PM_ENOTFOUND, err untouched */
/* job ids that begin with the prefix, in byte order, at most n_max */
int pm_job_prefix(struct pm_snapshot *snap, struct pm_slice prefix, size_t n_max, struct pm_arena *arena,
                  struct pm_slice **ret, size_t *ret_count, struct pm_error *err) PM_MUST_CHECK;
int pm_job_get(struct pm_snapshot *snap, uint32_t job, struct pm_arena *arena, struct pm_job *ret,
               struct pm_error *err) PM_MUST_CHECK;
int pm_job_id(struct pm_snapshot *snap, uint32_t job, struct pm_slice *ret,
              struct pm_error *err) PM_MUST_CHECK; /* cheap: the name alone */
uint32_t pm_job_count(struct pm_snapshot *snap);   /* numbers are 0..count-1 */

/* ---- results ---- */
struct pm_result {
    uint64_t number;
    struct pm_slice path;
    /* The facts, field by field: result fields without bundle_ref, loss, n_replicates, outputs.
     * `facts.has` says which are known. A result that is only expected or deleted has none. */
    struct pm_event facts;
    bool attributed; /* some job computed it */
    bool produced;   /* computed by some job, or discovered */
    bool deleted;
    int64_t deleted_at;
    uint32_t conflicts; /* fields with two values */
};
int pm_result_find(struct pm_snapshot *snap, struct pm_slice path, uint64_t *ret,
                   struct pm_error *err) PM_MUST_CHECK; /* PM_ENOTFOUND, err untouched */
/* Everything about one result. */
int pm_result_get(struct pm_snapshot *snap, uint64_t result, struct pm_arena *arena, struct pm_result *ret,
                  struct pm_error *err) PM_MUST_CHECK;
/* The param_id of a result from pm_results_each, which leaves out what costs: there facts.param_id.ptr may be NULL
 * although its bit is set. `hex` may be written to; ptr NULL: none. */
struct pm_slice pm_result_param_id(const struct pm_result *result, char hex[64]);
/* Every result once, in index order; what `result` points to ends when each() returns. Without facts.outputs (its bit
 * may be set), and param_id as above. Sequential: about 100 ns a result. */
int pm_results_each(struct pm_snapshot *snap,
                    int (*each)(void *arg, const struct pm_result *result, struct pm_error *err), void *arg,
                    struct pm_error *err) PM_MUST_CHECK;

/* ---- conflicts ---- */
struct pm_conflict_value {
    struct pm_slice value;   /* JSON text of the value: a string quoted, a number bare */
    enum pm_event_type type; /* of the strongest, then earliest event that carries it */
    bool has_job;
    struct pm_slice job_id;
    int64_t at;
};
enum pm_conflict_class { PM_CONFLICT_NONDETERMINISM, PM_CONFLICT_FALSE_HIT, PM_CONFLICT_COLLISION };
const char *pm_conflict_class_name(enum pm_conflict_class class);
struct pm_conflict {
    bool is_job;        /* subject */
    struct pm_slice id; /* path or job_id */
    enum pm_conflict_class class;
    struct pm_slice what; /* "loss", "output:NAME", "entrypoint" ... */
    struct pm_conflict_value *values;
    size_t n_values; /* >= 2, strongest first */
};
int pm_conflicts_each(struct pm_snapshot *snap,
                      int (*each)(void *arg, const struct pm_conflict *conflict, struct pm_error *err), void *arg,
                      struct pm_error *err) PM_MUST_CHECK;

/* ---- quarantine ---- */
struct pm_quarantined {
    int32_t partition;
    int64_t offset;
    int64_t at_us; /* the record's own timestamp; -1: none */
    const char
        *class; /* name of the error code: "malformed bytes", "unknown schema", "invalid event", "above a limit" */
    struct pm_slice reason;
    struct pm_slice key, value; /* as they were; value.ptr NULL for a null value */
};
int pm_quarantine_each(struct pm_snapshot *snap,
                       int (*each)(void *arg, const struct pm_quarantined *row, struct pm_error *err), void *arg,
                       struct pm_error *err) PM_MUST_CHECK;

/* ---- producers that number their events ---- */
struct pm_producer {
    uint64_t id;
    struct pm_slice name;      /* for people; empty: not known */
    bool has_times;            /* else the next two say nothing */
    int64_t first_us, last_us; /* of its records, in whole milliseconds */
    uint64_t events;           /* that it is known to have given */
    uint64_t arrived;          /* of them */
    uint64_t last;             /* the largest number that arrived */
    bool closed;               /* it ended in order and said how many there were; else there may be more */
};
/* By id. */
int pm_producers_each(struct pm_snapshot *snap,
                      int (*each)(void *arg, const struct pm_producer *producer, struct pm_error *err), void *arg,
                      struct pm_error *err) PM_MUST_CHECK;
/* The numbers of its events that did not arrive, as ranges in order, both ends within. */
int pm_producer_missing_each(struct pm_snapshot *snap, const struct pm_producer *producer,
                             int (*each)(void *arg, uint64_t from, uint64_t to, struct pm_error *err), void *arg,
                             struct pm_error *err) PM_MUST_CHECK;

#endif
