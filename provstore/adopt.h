/* adopt.h: results that no event tells of become ResultDiscovered events.
 *
 *   store --walk--> a whole result --known.h--> unknown to the log --event with a derived id--> log
 *
 * What an event says comes from metadata.json and result.json; its time is theirs, else the file's. Nobody's job is
 * guessed. The event_id follows from the content, so whatever is appended twice is one event; and what the log knows
 * already is not appended again, so that an interrupted run goes on where it was. */
#ifndef PM_PROVSTORE_ADOPT_H
#define PM_PROVSTORE_ADOPT_H

#include "provstore/known.h"
#include "provstore/store.h"

enum pm_adoption {
    PM_ADOPTED,       /* appended (dry run: would have been) */
    PM_ADOPT_KNOWN,   /* the log knows it */
    PM_ADOPT_DELETED, /* the log knows that it was deleted after it had been written */
    PM_ADOPT_FAILED,  /* what is stored is an error: nothing to adopt */
    PM_ADOPT_REFUSED, /* half-written, broken, or it breaks a rule of events; the reason says which */
    PM_ADOPTION_COUNT
};
const char *pm_adoption_name(enum pm_adoption adoption);

struct pm_adopt_options {
    struct pm_store_walk walk; /* its result() and arg are set here */
    struct pm_known_options known;
    bool dry_run;
    /* After each result, one at a time; `reason` is empty unless refused. NULL: none. */
    int (*each)(void *arg, const struct pm_stored *stored, enum pm_adoption adoption, const char *reason,
                struct pm_error *err);
    void *arg;
};

/* Returns when the log has acknowledged everything. On an error `ret_counts` tells what was acknowledged as adopted. */
int pm_adopt(const struct pm_adopt_options *options, uint64_t ret_counts[PM_ADOPTION_COUNT],
             struct pm_error *err) PM_MUST_CHECK;

/* The event for a stored result, complete with its id (which `room` holds); checked. PM_EINVALID, PM_ELIMIT. */
int pm_stored_event(const struct pm_stored *stored, struct pm_buf *scratch, char room[32], struct pm_event *ret,
                    struct pm_error *err) PM_MUST_CHECK;

#endif
