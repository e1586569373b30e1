/* reading.h: one snapshot and how fresh it is. Every question begins with pm_reading_open and ends with
 * pm_reading_print. */
#ifndef PM_QUERY_READING_H
#define PM_QUERY_READING_H

#include "query/query.h"

struct pm_partition { /* one partition, as the index and (when it was asked) the log have it */
    int32_t partition;
    int64_t first, next; /* applied: every record below next */
    bool in_index;       /* else first and next are the log's first offset: nothing of it has been applied */
    int64_t end;         /* next offset of the log; -1: not known */
};

struct pm_reading {
    struct pm_index *index;
    struct pm_snapshot *snap; /* NULL after pm_reading_print */
    struct pm_arena arena;    /* lives as long as the reading */
    struct pm_index_info info;
    struct pm_partition *partitions; /* by number */
    size_t n_partitions;
    struct pm_gap *gaps; /* by partition; what the index records, and what the log showed when it was asked */
    size_t n_gaps;
    bool reached; /* the log was asked, is the one the index was made from, and every `end` is known */
    uint64_t lag; /* records, when reached */
};

enum pm_reading_asks { PM_ASK_IF_NEEDED, PM_ASK_ALWAYS }; /* the log, for its end */

/* Opens the index and one snapshot, and asks the log before it (so that `lag` is never too small) when the question
 * needs it: for --max-lag, for the JSON document, and a local log also for the note to a person. PM_EBEHIND when the
 * snapshot is not as fresh as was asked for. */
int pm_reading_open(const struct pm_query *question, enum pm_reading_asks asks, struct pm_reading *ret,
                    struct pm_error *err) PM_MUST_CHECK;
void pm_reading_close(struct pm_reading *reading); /* a zeroed one is fine */

/* "yes", "no" or "unknown": whether the index has everything that the log had. */
const char *pm_reading_complete(const struct pm_reading *reading);

/* The answer goes to a person at a terminal, who may be told more than rows. */
bool pm_reading_for_a_person(const struct pm_query *question);

/* Closes the snapshot, then prints the rows; JSON documents with "index" beside them when `wrapped`. PM_ENOTFOUND
 * without a text when there are no rows. */
int pm_reading_print(struct pm_reading *reading, const struct pm_query *question, struct pm_rows *rows, bool wrapped,
                     struct pm_error *err) PM_MUST_CHECK;
/* The same for a name that nobody has: prints the empty answer and returns PM_ENOTFOUND; *err already says which name.
 */
int pm_reading_print_none(struct pm_reading *reading, const struct pm_query *question, struct pm_rows *rows,
                          struct pm_error *err) PM_MUST_CHECK;

/* ---- names (find.c) ---- */
/* The job or result of that name, or the only one that begins so. PM_EUSAGE when several do (candidates go to
 * question->note), PM_ENOTFOUND with the name and the nearest when none does. */
int pm_find_job(struct pm_reading *reading, const struct pm_query *question, const char *name, uint32_t *ret,
                struct pm_error *err) PM_MUST_CHECK;
int pm_find_result(struct pm_reading *reading, const struct pm_query *question, const char *name, uint64_t *ret,
                   struct pm_error *err) PM_MUST_CHECK;

/* ---- filters (filter.c) ---- */
/* --bundle: `*ret` borrows from `text` or the arena; PM_EUSAGE unless 6..64 hexadecimal digits, with or without
 * "sha256:". */
int pm_filter_bundle(const char *text, struct pm_arena *arena, struct pm_slice *ret,
                     struct pm_error *err) PM_MUST_CHECK;

struct pm_param_filter {
    struct pm_slice name, value; /* value: canonical JSON text */
};
/* --param: PM_EUSAGE without a name or "=". A value that reads as a JSON number, true, false or a quoted string is
 * that, everything else a string. */
int pm_filter_param(const char *text, struct pm_arena *arena, struct pm_param_filter *ret,
                    struct pm_error *err) PM_MUST_CHECK;

/* What an each() returns to end a scan early; never leaves the module. */
#define PM_SCAN_STOP PM_CODE_COUNT

/* ---- building rows: a value that the facts may lack ---- */
static inline void pm_row_text_if(struct pm_rows *rows, const struct pm_event *facts, uint64_t bit,
                                  struct pm_slice text)
{
    if (facts->has & bit) pm_row_text(rows, text);
    else pm_row_null(rows);
}
static inline void pm_row_time_if(struct pm_rows *rows, bool has, int64_t us)
{
    if (has) pm_row_time(rows, us);
    else pm_row_null(rows);
}

#endif
