/* given.h: the structs of provmat_store.h -> facts (given.c). One thread a call. */
#ifndef PM_PROVSTORE_GIVEN_H
#define PM_PROVSTORE_GIVEN_H

#include "common/event/event.h"
#include "provstore/provmat_store.h"

/* An event as it was given: our own copies of both structs, of whatever version the caller's were. */
struct pm_given_computed {
    struct provmat_computed event;
    struct provmat_result result;
};
struct pm_given_reused {
    struct provmat_reused event;
    struct provmat_result result;
};

/* Copies the structs, and makes *ret_facts of them: type DISCOVERED, what a store keeps of a result; occurred_at where
 * it is given. Borrows from the texts that were given and from `arena`. PM_EINVALID, PM_ELIMIT. */
int pm_given_computed_take(const struct provmat_computed *given, struct pm_arena *arena, struct pm_given_computed *ret,
                           struct pm_event *ret_facts, struct pm_error *err) PM_MUST_CHECK;
int pm_given_reused_take(const struct provmat_reused *given, struct pm_arena *arena, struct pm_given_reused *ret,
                         struct pm_event *ret_facts, struct pm_error *err) PM_MUST_CHECK;

#endif
