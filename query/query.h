/* query.h: the questions of `provmat query` and `provmat stats`, answered from one snapshot of the index.
 *
 *   question (struct pm_query: where, how fresh, which rows) -> snapshot -> rows gathered -> snapshot closed -> rows
 * printed (I7, I8)
 *
 * Each function opens and closes what it needs and writes its rows to question->out. They return PM_OK when something
 * was found, PM_ENOTFOUND when not (without text, or with the name that is unknown; the rows, none, are printed all the
 * same), PM_EUSAGE, PM_EINDEX, PM_ELOGAWAY (--max-lag without a log), PM_EBEHIND. One thread. */
#ifndef PM_QUERY_QUERY_H
#define PM_QUERY_QUERY_H

#include "common/log/log.h"
#include "common/store/index.h"
#include "query/output.h"

#define PM_PARAM_FILTERS_MAX 64
#define PM_CANDIDATES_SHOWN 10 /* of an ambiguous name */
#define PM_BUNDLE_DIGITS_MIN 6
#define PM_FRESH_TIMEOUT_MS 2000 /* how long an answer waits to hear from a log how long it is */

struct pm_place {
    int32_t partition;
    int64_t offset;
};

struct pm_query {
    const char *index_dir;
    const char *log_url;             /* NULL: the log that the index remembers; another one is PM_EINDEX */
    struct pm_log_options log;       /* mode is ignored; timeout_ms 0: PM_FRESH_TIMEOUT_MS */
    const struct pm_place *at_least; /* records that must have been applied */
    size_t n_at_least;
    bool has_max_lag;
    uint64_t max_lag;
    struct pm_output_options output;
    FILE *out;
    /* One line for stderr, no newline: the candidates of an ambiguous name, "the index is behind" to a person at a
     * terminal. NULL: dropped. */
    void (*note)(void *arg, const char *text);
    void *arg;
};

/* One job by its whole id or a prefix that only one has. */
int pm_query_job(const struct pm_query *question, const char *job, struct pm_error *err) PM_MUST_CHECK;

struct pm_jobs_filter {         /* all that are given must hold */
    const char *result;         /* the jobs of this result (whole path or unique prefix), with their role; NULL: any */
    const char *bundle;         /* digits of a digest, with or without "sha256:"; NULL: any */
    int status;                 /* enum pm_status, -1: any */
    int64_t since_us, until_us; /* of first_at, inclusive and exclusive; PM_TIME_MIN and INT64_MAX: any */
};
int pm_query_jobs(const struct pm_query *question, const struct pm_jobs_filter *filter,
                  struct pm_error *err) PM_MUST_CHECK;

struct pm_results_filter { /* all that are given must hold */
    const char *job;       /* whole id or unique prefix; its rows carry role and at; NULL: results of any job or none */
    int role;              /* with job: the role shown; -1: any */
    bool missing;          /* with job: expected, and shown as expected or failed */
    int kind;              /* enum pm_kind, -1: any */
    const char *bundle, *target, *path_prefix; /* NULL: any */
    bool unattributed;                         /* no job computed it */
    const char *const *params;                 /* "NAME=VALUE" */
    size_t n_params;
};
int pm_query_results(const struct pm_query *question, const struct pm_results_filter *filter,
                     struct pm_error *err) PM_MUST_CHECK;

/* One result by its whole path or a prefix that only one has. */
int pm_query_result(const struct pm_query *question, const char *path, struct pm_error *err) PM_MUST_CHECK;

/* `class`: enum pm_conflict_class, -1: all */
int pm_query_conflicts(const struct pm_query *question, int class, struct pm_error *err) PM_MUST_CHECK;

/* The index in numbers. Always asks the log for its end; what cannot be known is null. */
int pm_query_stats(const struct pm_query *question, struct pm_error *err) PM_MUST_CHECK;

/* A row a producer that numbers its events: how many it gave, how many arrived, which did not. Asks the log as stats
 * does. */
int pm_query_producers(const struct pm_query *question, struct pm_error *err) PM_MUST_CHECK;

#endif
