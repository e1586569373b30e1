/* known.h: what the log knows of results: the index where there is one, and the records that it has not applied yet
 * (all of them when there is none). Used under one lock: whoever calls, one call at a time. */
#ifndef PM_PROVSTORE_KNOWN_H
#define PM_PROVSTORE_KNOWN_H

#include <signal.h>

#include "common/event/codec.h"
#include "common/log/log.h"
#include "common/store/index.h"

#define PM_KNOWN_STALL_US 30000000 /* a log that delivers nothing for so long is not waited for */

struct pm_known_options {
    const char *index_dir;
    const char *log_url;
    struct pm_log_options log; /* `mode` is ignored */
    struct pm_codec_options codec;
    const volatile sig_atomic_t *stop;
};

enum pm_known_state {
    PM_KNOWN_NOT,     /* no event says that it was computed or found */
    PM_KNOWN,         /* some event does */
    PM_KNOWN_DELETED, /* and a later one that it was deleted */
};

struct pm_known;
/* A log or an index that is not there knows nothing. PM_EINDEX: the index is of another log, or cannot be read. */
int pm_known_open(const struct pm_known_options *options, struct pm_known **ret, struct pm_error *err) PM_MUST_CHECK;
void pm_known_close(struct pm_known *known);
/* How many events the log has that the index lacks, those that tell of deletions left out. */
uint64_t pm_known_others(const struct pm_known *known);
/* *ret_deleted_at is set with PM_KNOWN_DELETED. */
int pm_known_find(struct pm_known *known, struct pm_slice path, enum pm_known_state *ret, int64_t *ret_deleted_at,
                  struct pm_error *err) PM_MUST_CHECK;

#endif
