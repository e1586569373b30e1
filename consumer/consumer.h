/* consumer.h: from the log to the index. What the commands materialize, rebuild, verify and quarantine call.
 * Every function opens and closes what it needs; none prints: progress and warnings go through callbacks. */
#ifndef PM_CONSUMER_CONSUMER_H
#define PM_CONSUMER_CONSUMER_H

#include <signal.h>

#include "common/event/codec.h"
#include "common/log/log.h"
#include "common/store/index.h"

#define PM_BACKUP_VIEWS_MAX 8
#define PM_ACCEPTED_GAPS_MAX 64

struct pm_progress {
    const char *phase;    /* "materialize", "replay", "verify" */
    uint64_t done, total; /* records; total grows while following */
    double events_per_s;  /* over the last second */
    double seconds_left;  /* < 0: unknown */
    bool finished;
};

struct pm_consumer_options {
    const char *index_dir;
    const char *log_url;       /* NULL: the log that the index remembers */
    struct pm_log_options log; /* mode is ignored */
    struct pm_codec_options codec;
    /* Open gaps that are within one of these (partition, from, to) are accepted: pm_materialize goes on behind them,
     * and the index says so for ever. */
    const struct pm_gap *accepted_gaps;
    size_t n_accepted_gaps;
    size_t batch_events_max;           /* 0: 65,536 */
    const volatile sig_atomic_t *stop; /* set from a signal handler: ends cleanly after the batch; NULL: never */
    void (*progress)(void *arg, const struct pm_progress *progress); /* about 10 times a second; NULL: none */
    void (*warn)(void *arg, const char *text);                       /* one line, no newline; NULL: dropped */
    void *arg;                                                       /* for both */
};

struct pm_consumer_result {
    uint64_t applied;     /* records applied by this call */
    uint64_t quarantined; /* of them to the quarantine */
};

/* Log -> index. `once`: returns when the end that the log had at the start is reached; else follows until *stop. Makes
 * the index when there is none. PM_EINDEX: held by another process (its pid is named), of another log (both are named),
 * made with --until, newer format. PM_ELOG after a gap: the other partitions were brought to their end first. */
int pm_materialize(const struct pm_consumer_options *options, bool once, struct pm_consumer_result *ret,
                   struct pm_error *err) PM_MUST_CHECK;

/* Replays the whole log into a new index beside the old one, which keeps answering; then swaps by rename. A rebuild
 * that is killed leaves the old index untouched. `view` NULL: all. `until_us` INT64_MAX: everything; else events that
 * occurred later are left out and the index says so. */
int pm_rebuild(const struct pm_consumer_options *options, const char *view, int64_t until_us,
               struct pm_consumer_result *ret, struct pm_error *err) PM_MUST_CHECK;

struct pm_verify_row {
    const char *view;
    uint32_t version;
    uint64_t rows;
    char digest[33]; /* 32 hex digits: order-free, over names and not numbers, so equal for two indexes of one set of
                        events */
    bool ok;
    char difference[512]; /* the first one, when not ok */
};
/* Checks the index against itself, or (against_log) also against a fresh replay up to the same offsets. Calls each()
 * once a view. PM_EDIFFERS when a row is not ok. */
int pm_verify(const struct pm_consumer_options *options, bool against_log,
              void (*each)(void *arg, const struct pm_verify_row *row), void *arg, struct pm_error *err) PM_MUST_CHECK;

/* Tries the quarantined records again (after a schema or a registry became known); those that can be applied now are,
 * and leave the quarantine. */
int pm_quarantine_retry(const struct pm_consumer_options *options, uint64_t *ret_applied, uint64_t *ret_left,
                        struct pm_error *err) PM_MUST_CHECK;

struct pm_backup {
    struct pm_index_info info; /* of the copy: that of one transaction of the index */
    struct pm_applied *applied;
    size_t n_applied;
    struct pm_verify_row views[PM_BACKUP_VIEWS_MAX]; /* what the check of the copy found; all are ok */
    size_t n_views;
    uint64_t bytes; /* of the file */
};
/* Copies the index, which may be written to meanwhile, into `dir` as one transaction left it. `dir` is new or empty
 * (PM_EUSAGE else). Written under a name that no one takes for an index, synced, read back and compared with what was
 * read from the index, checked as pm_verify does, and only then renamed: a copy that is killed or fails leaves no
 * index. The index's read transaction is held while bytes are copied, not for the check. PM_ECORRUPT: the index itself
 * is not as it should be. `ret->applied` lives in `arena`. */
int pm_backup(const struct pm_consumer_options *options, const char *dir, struct pm_arena *arena, struct pm_backup *ret,
              struct pm_error *err) PM_MUST_CHECK;

/* The names of the views, NULL-terminated. */
const char *const *pm_view_names(void);

#endif
