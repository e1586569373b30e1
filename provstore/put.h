/* put.h: a result into a store.
 *
 *   identity --key.h--> path --look.h--> is something there?
 *        nothing: files --stage.h--> pending directory --rename--> in place     (somebody was faster: look again)
 *        the same result, whole: nothing to do
 *        another one, or one that is damaged: told; the stored one stays as it is, and nothing of the new one is left
 *
 * Files are read once, in pieces. Says no event (provmat_store.c does). */
#ifndef PM_PROVSTORE_PUT_H
#define PM_PROVSTORE_PUT_H

#include "provstore/look.h"
#include "provstore/result_write.h"
#include "provstore/stage.h"

#define PM_OUTPUT_NAME_BYTES_MAX 200 /* artifact_NAME.arrow is a file's name */

/* One output: a file's content, or (file NULL) bytes. */
struct pm_put_source {
    struct pm_slice name;
    const char *file;
    struct pm_slice bytes;
    bool json; /* it is JSON, and stored as .json */
};

struct pm_put {
    struct pm_place place;
    const struct pm_schema *schema;
    const struct pm_put_source *sources;
    size_t n_sources;
    bool repair; /* replace what is damaged or an error */
    /* Closed; where the pending directory is kept while it is open. A caller that is left by a jump (check.h) discards
     * it. */
    struct pm_stage *stage;
};

enum pm_put_outcome {
    PM_PUT_STORED,
    PM_PUT_ALREADY, /* the same result was there */
    PM_PUT_REPAIRED,
};
const char *pm_put_outcome_name(enum pm_put_outcome outcome);

struct pm_put_done {
    enum pm_put_outcome outcome;
    int64_t stored_at; /* microseconds since 1970; INT64_MIN: not known, as of some results that were there before */
    struct pm_put_output *outputs;
    size_t n_outputs;
};

/* Completes *ev (pm_key_complete; also the task_id of a simulation and `outputs`) and puts the result; everything that
 * is filled in lives in `arena`. PM_EDIFFERS: another result is stored there, and the text says in what they differ
 * ("conflict: collision: ..." where the identities do, "conflict: nondeterminism: ..." where loss, replicates or
 * outputs do); PM_ECORRUPT: what is stored is damaged, the text names the file; PM_EIO, PM_EINVALID, PM_ELIMIT,
 * PM_EUSAGE (a source cannot be opened). */
int pm_put(const struct pm_put *put, struct pm_event *ev, struct pm_arena *arena, struct pm_put_done *ret,
           struct pm_error *err) PM_MUST_CHECK;

/* The names of files of outputs. PM_EINVALID, PM_ELIMIT. */
int pm_output_name_check(struct pm_slice name, struct pm_error *err) PM_MUST_CHECK;

#endif
