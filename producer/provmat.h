/* provmat.h: tell provmat what a job computed and what it reused, from inside the job.
 *
 *   struct provmat_error why;
 *   provmat_producer *p;
 *   if (provmat_open(NULL, &p, &why) != PROVMAT_OK) ...why.text says what to change...
 *   struct provmat_result sim = {.size = sizeof sim, .path = "token/v1/sims/e7/seed_42", .kind = PROVMAT_SIM};
 *   struct provmat_computed done = {.size = sizeof done, .job_id = "job-1", .result = &sim};
 *   provmat_computed(p, &done, NULL);
 *   provmat_close(p, 2000, NULL);
 *
 * The library can never hurt the job. A call that says an event copies it and returns: it waits for no network, prints
 * nothing, ends no process and allocates nothing that grows. Events wait in a queue of fixed size; a thread of the
 * library appends them to the log and tries again while the log is away. What the queue cannot take is dropped, counted
 * and told (provmat_counters). A call whose event breaks a rule returns PROVMAT_EINVALID; the job goes on.
 *
 * Threads: a producer may be used by any number of threads at once. Fork: the child may go on using the handle, and
 * close it; it has its own empty queue, counters and thread then. What the parent had queued is the parent's to
 * deliver. A fork while the library connects waits for that, half a second at most: librdkafka's, OpenSSL's and the
 * resolver's locks would stay locked in the child, which then delivers nothing (and provmat_close says so).
 *
 * Structs: every struct that is given begins with `size`, which the caller sets to sizeof, and must be zeroed beyond
 * what is set (a designated initializer does). So a program that was compiled with this header works with every later
 * library. Texts are UTF-8 and end with a zero; NULL means absent. Numbers for which 0 would mean something have a bit
 * in `has`. An array is absent when its pointer is NULL. Everything is copied before a call returns.
 *
 * What the fields mean, and their limits, is the same as for lines of `provmat emit`: see provmat-emit(1). */
#ifndef PROVMAT_H
#define PROVMAT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PROVMAT_API __attribute__((visibility("default")))

/* What calls return. */
enum provmat_code {
    PROVMAT_OK = 0,
    PROVMAT_EINVALID = 1, /* the event breaks a rule; nothing was queued, `rejected` counts it */
    PROVMAT_EDROPPED = 2, /* queue (and outbox) are full; `dropped` counts it, and `provmat stats --producers` misses
                             it, also when it is said again */
    PROVMAT_ECONFIG = 3,  /* an option is wrong: the text names it, its value and what to do */
    PROVMAT_ETIMEOUT = 4, /* not all is delivered; the text says how much is left and why */
    PROVMAT_ENOMEM = 5,
    PROVMAT_ELOG = 6, /* the log does not take events now; provmat_problem() only */
};

#define PROVMAT_ERROR_TEXT 1024

/* Why a call failed. Given by the caller to every call that can fail; NULL when the code is enough. */
struct provmat_error {
    int code;
    char text[PROVMAT_ERROR_TEXT]; /* one line, lower case, always terminated */
};

typedef struct provmat_producer provmat_producer;

/* "0.1.0", of the library that is loaded. */
PROVMAT_API const char *provmat_version(void);

/* ---- opening ---- */

/* When events go to the outbox, the directory of files that outlives the process. */
enum provmat_outbox_mode {
    PROVMAT_OUTBOX_AUTO = 0,   /* while the log is away, and when the queue is full */
    PROVMAT_OUTBOX_ALWAYS = 1, /* every event, inside the call: what was accepted survives the process being killed */
};

/* When what was written to the outbox is synced to the disk, to survive a crash of the machine. */
enum provmat_outbox_sync {
    PROVMAT_SYNC_NONE = 0,     /* when the system does; a killed process loses nothing */
    PROVMAT_SYNC_INTERVAL = 1, /* every second, by the library's thread */
    PROVMAT_SYNC_EACH = 2, /* before each write is said to be done; with OUTBOX_ALWAYS the call waits for the disk */
};

/* Every option may be left out (zero, NULL). */
struct provmat_options {
    size_t size;
    const char *log;               /* kafka://HOST:PORT[,HOST:PORT...]/TOPIC or local:DIR; else $PROVMAT_LOG, else
                                      local:./provmat-data/log */
    const char *const *properties; /* "name=value", as `provmat -X`: librdkafka's, schema.registry.url,
                                      ssl.ca.location */
    size_t n_properties;
    const char *job_id;    /* of events that name none; else $PROVMAT_JOB_ID */
    const char *worker;    /* of events that name none; else $PROVMAT_WORKER, else they have none */
    size_t queue_bytes;    /* 4 MiB to 1 GiB; default 24 MiB. Memory is used when it is first needed */
    int linger_ms;         /* how long an event may wait for others to be appended with; 1 to 60,000, default 50 */
    int log_timeout_ms;    /* without an answer for so long the log is away; 100 to 300,000, default 10,000 */
    const char *outbox;    /* a directory, made when it is missing; else $PROVMAT_OUTBOX, else there is none */
    int outbox_mode;       /* enum provmat_outbox_mode */
    int outbox_sync;       /* enum provmat_outbox_sync */
    uint64_t outbox_bytes; /* what this producer may leave in the outbox, from 1 MiB; default 1 GiB */
    /* Told about once when the log stops or starts taking events and when events are dropped; from the library's
     * thread, with no lock held. Must not call the library. level: 3 error, 4 warning, 6 information, as syslog. */
    void (*diag)(void *arg, int level, const char *text);
    void *diag_arg;
};

/* Checks the options and makes the producer; connects to nothing yet, and starts its thread with the first event.
 * `options` NULL: all from the environment. PROVMAT_ECONFIG or PROVMAT_ENOMEM; *ret is untouched then. */
PROVMAT_API int provmat_open(const struct provmat_options *options, provmat_producer **ret, struct provmat_error *err);

/* Waits up to timeout_ms until every event that was accepted before is acknowledged by the log or written to the
 * outbox. PROVMAT_ETIMEOUT says how many are not, and why. 0 only asks. */
PROVMAT_API int provmat_flush(provmat_producer *p, int timeout_ms, struct provmat_error *err);

/* Flushes as provmat_flush does, then ends the producer within the same time. PROVMAT_ETIMEOUT: the text says how many
 * events were lost; with an outbox what is left is written there instead. The handle is gone whatever comes back, and
 * no other thread may use it any more. NULL is fine. Tells the log how many events there were, so that `provmat stats
 * --producers` can say which never arrived; of a process that ends without it what it gave last is not known. */
PROVMAT_API int provmat_close(provmat_producer *p, int timeout_ms, struct provmat_error *err);

/* ---- what is known of events ---- */

struct provmat_counters {
    size_t size;
    uint64_t accepted;     /* calls that returned PROVMAT_OK */
    uint64_t queued;       /* now waiting in memory */
    uint64_t acknowledged; /* by the log; an event that was delivered twice counts once */
    uint64_t spooled;      /* now in this producer's outbox files, not yet acknowledged */
    uint64_t rejected;     /* broke a rule, or the log refuses this one record */
    uint64_t dropped;      /* 0 unless queue and outbox (or disk) are full */
};

/* Fills *ret, whose `size` the caller has set. After fork the child counts from 0. */
PROVMAT_API void provmat_counters(provmat_producer *p, struct provmat_counters *ret);

/* PROVMAT_OK when nothing is known to be wrong, else PROVMAT_ELOG and the reason why events are not taken by the log
 * now, or why the last ones were dropped. */
PROVMAT_API int provmat_problem(provmat_producer *p, struct provmat_error *err);

/* ---- events ---- */

enum provmat_kind { PROVMAT_SIM = 1, PROVMAT_AGG = 2 };
enum provmat_source {
    PROVMAT_SOURCE_LOCAL = 1,
    PROVMAT_SOURCE_REMOTE = 2,
    PROVMAT_SOURCE_SCHEDULER = 3,
    PROVMAT_SOURCE_JOB = 4,
};
enum provmat_status {
    PROVMAT_PENDING = 1,
    PROVMAT_RUNNING = 2,
    PROVMAT_SUCCEEDED = 3,
    PROVMAT_PARTIAL = 4,
    PROVMAT_FAILED = 5,
    PROVMAT_CANCELLED = 6,
};

/* Bits of `has`: this number is given. */
enum provmat_has {
    PROVMAT_HAS_SEED = 1,
    PROVMAT_HAS_SCHEMA_VERSION = 2,
    PROVMAT_HAS_LOSS = 4,
    PROVMAT_HAS_DURATION = 8,
    PROVMAT_HAS_STORED_AT = 16,
};

/* Which result: its path is its name, the rest is its identity as far as it is known. */
struct provmat_result {
    size_t size;
    const char *path; /* relative to the store's root */
    int kind;         /* enum provmat_kind */
    unsigned has;     /* SEED, SCHEMA_VERSION */
    uint64_t seed;
    int64_t schema_version;
    const char *schema;
    const char *bundle_ref;    /* [REPOSITORY@]sha256:HEX */
    const char *bundle_digest; /* 64 hex digits, also with sha256: before them; follows from bundle_ref */
    const char *model_digest;
    const char *entrypoint;
    const char *param_id; /* follows from params */
    const char *params;   /* a flat JSON object: {"beta":0.5,"n":1}. 1, 1.0 and true are three values */
    const char *target;
    const char *target_digest;
    const char *aggregation_id;
};

/* One file of a result. An array of these cannot grow, so it has no size. */
struct provmat_output {
    const char *name;
    int64_t size; /* bytes */
    const char *checksum;
};

/* The job made the result. */
struct provmat_computed {
    size_t size;
    const char *job_id;     /* NULL: of provmat_job_begin, else of the options */
    const char *worker;     /* NULL: of the options */
    const char *event_id;   /* 32 hex digits; NULL: derived from all other fields, as by `provmat emit` */
    int64_t occurred_at_us; /* microseconds since 1970; 0: now, so what is said twice has happened twice */
    const struct provmat_result *result;
    unsigned has;         /* LOSS, DURATION */
    double loss;          /* finite */
    int64_t n_replicates; /* 0: absent */
    const char *task_id;
    const struct provmat_output *outputs;
    size_t n_outputs;
    const char *const *inputs; /* paths of the results it was made from */
    size_t n_inputs;
    const char *const *input_task_ids;
    size_t n_input_task_ids;
    const double *replicate_losses;
    size_t n_replicate_losses;
    const char *diagnostics; /* a JSON object */
    int64_t duration_us;
    const char *env_digest;
};

/* The job found the result in a cache. */
struct provmat_reused {
    size_t size;
    const char *job_id, *worker, *event_id; /* as in provmat_computed */
    int64_t occurred_at_us;
    const struct provmat_result *result;
    unsigned has;         /* LOSS, STORED_AT */
    int source;           /* enum provmat_source; 0: absent */
    int64_t stored_at_us; /* the cached copy's own time */
    double loss;
    int64_t n_replicates;                 /* 0: absent */
    const struct provmat_output *outputs; /* as seen in the cached copy */
    size_t n_outputs;
};

/* The job tried and failed. */
struct provmat_failed {
    size_t size;
    const char *job_id, *worker, *event_id;
    int64_t occurred_at_us;
    const struct provmat_result *result;
    const char *error_type, *error_message; /* NULL: empty */
    int retryable;
};

/* The job is to produce or reuse these results. */
struct provmat_expected {
    size_t size;
    const char *job_id, *worker, *event_id;
    int64_t occurred_at_us;
    const char *const *results; /* paths, 1 to 1,000 */
    size_t n_results;
};

/* A result is no longer in the store. */
struct provmat_deleted {
    size_t size;
    const char *job_id, *worker, *event_id; /* job_id NULL: no job */
    int64_t occurred_at_us;
    const char *path;
    const char *reason;
};

/* A job was handed in. */
struct provmat_submitted {
    size_t size;
    const char *job_id, *worker, *event_id;
    int64_t occurred_at_us;
    const char *job_type, *bundle_ref, *bundle_digest, *entrypoint;
    const char *const *targets;
    size_t n_targets;
    const char *const *parents; /* job ids */
    size_t n_parents;
    const char *definition_hash, *input_hash;
    const char *inputs; /* a JSON object */
    const char *provider_id, *provider_model, *user, *rerun_of;
    const char *metadata; /* a JSON object */
};

/* A job's state became another one. */
struct provmat_status_changed {
    size_t size;
    const char *job_id, *worker, *event_id;
    int64_t occurred_at_us;
    int status; /* enum provmat_status */
    const char *error;
    unsigned has; /* DURATION */
    int64_t duration_us;
};

/* Each says one event: PROVMAT_OK (accepted), PROVMAT_EINVALID, PROVMAT_EDROPPED or PROVMAT_ENOMEM. */
PROVMAT_API int provmat_computed(provmat_producer *p, const struct provmat_computed *event, struct provmat_error *err);
PROVMAT_API int provmat_reused(provmat_producer *p, const struct provmat_reused *event, struct provmat_error *err);
PROVMAT_API int provmat_failed(provmat_producer *p, const struct provmat_failed *event, struct provmat_error *err);
PROVMAT_API int provmat_expected(provmat_producer *p, const struct provmat_expected *event, struct provmat_error *err);
PROVMAT_API int provmat_deleted(provmat_producer *p, const struct provmat_deleted *event, struct provmat_error *err);
PROVMAT_API int provmat_submitted(provmat_producer *p, const struct provmat_submitted *event,
                                  struct provmat_error *err);
PROVMAT_API int provmat_status_changed(provmat_producer *p, const struct provmat_status_changed *event,
                                       struct provmat_error *err);
/* A result was found in a store and nobody knows who made it: as computed, but it has no job (job_id must be NULL). */
PROVMAT_API int provmat_discovered(provmat_producer *p, const struct provmat_computed *event,
                                   struct provmat_error *err);
/* One event as a line of `provmat emit`: a JSON object of `length` bytes. job_id and worker are not filled in; the id
 * of a line without a time is made without one, so that the line said again is the same event. */
PROVMAT_API int provmat_event_json(provmat_producer *p, const char *line, size_t length, struct provmat_error *err);

/* ---- the job of events that name none ---- */

/* From now on, in all threads, events without a job_id are of this job; NULL: of the options' again. Says no event: for
 * workers that do a part of a job. PROVMAT_EINVALID when the text is no job id. */
PROVMAT_API int provmat_job_set(provmat_producer *p, const char *job_id, struct provmat_error *err);
/* provmat_job_set, and an event that says that the job is running: for whoever runs the job. */
PROVMAT_API int provmat_job_begin(provmat_producer *p, const char *job_id, struct provmat_error *err);
/* Says how the job ended (PROVMAT_SUCCEEDED, PARTIAL, FAILED or CANCELLED; `error` may be NULL), and unsets it.
 * PROVMAT_EINVALID when there is no job. */
PROVMAT_API int provmat_job_end(provmat_producer *p, int status, const char *error, struct provmat_error *err);

/* ---- identities, as provmat derives them ---- */

/* The canonical text of a flat JSON object of parameters, as param_id hashes it, ended by a zero. Returns its length;
 * when that is not below `size`, `out` was too small and holds nothing. 0: *err says what is wrong. `out` may be NULL
 * when size is 0. */
PROVMAT_API size_t provmat_params_canonical(const char *params, char *out, size_t size, struct provmat_error *err);
/* 64 hex digits and a zero. */
PROVMAT_API int provmat_param_id(const char *params, char out[65], struct provmat_error *err);
/* The digest in [REPOSITORY@]sha256:HEX: 64 hex digits and a zero. */
PROVMAT_API int provmat_bundle_digest(const char *bundle_ref, char out[65], struct provmat_error *err);

#ifdef __cplusplus
}
#endif

#endif
