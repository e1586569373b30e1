/* check.h: a store against the index: what one has and the other lacks, and where they say different things of one
 * result. All findings of a walk (store.h) are told too.
 *
 *   store --walk--> result --by its path--> facts in the index: compared, marked as seen
 *   index --every result that was not seen, and is still not there--> gone
 *   index --conflicts of what was seen--> two identities on one path
 *
 * The store and the index may change meanwhile: the snapshot of the index is taken anew as the walk goes on (fresh.h),
 * and a finding is told when it holds in the newest one. One bit a result is kept, and the number of each that is gone.
 */
#ifndef PM_PROVSTORE_CHECK_H
#define PM_PROVSTORE_CHECK_H

#include "provstore/store.h"

struct pm_check_options {
    struct pm_store_walk walk; /* its result() and arg are set here; finding() gets everything, with `arg` below */
    const char *index_dir;
    /* An event that would settle a finding of the result at `path`, as a line of `emit` without newline; NULL: not
     * asked for. Both end with the call. */
    int (*repair)(void *arg, struct pm_slice path, struct pm_slice line, struct pm_error *err);
    void *arg;
};
struct pm_check_counts {
    struct pm_store_counts store;
    uint64_t findings; /* all */
    uint64_t compared; /* results that both have */
    uint64_t repairs;
};
extern const struct pm_finding_code pm_check_codes[]; /* beside pm_finding_codes; ended by a NULL code */

int pm_check_store(const struct pm_check_options *options, struct pm_check_counts *ret_counts,
                   struct pm_error *err) PM_MUST_CHECK;

#endif
