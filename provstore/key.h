/* key.h: what a result that is to be written or looked up is known by: its identity, whole, and the path that a schema
 * gives it. Two identities can share a path, because paths cut what they hold (docs/paths.md); so whatever lies at a
 * path is compared before it is taken for the result. */
#ifndef PM_PROVSTORE_KEY_H
#define PM_PROVSTORE_KEY_H

#include "common/event/event.h"
#include "provstore/schema.h"

/* Completes the identity in *ev (kind and what is known; type DISCOVERED, no job): derives what follows, renders the
 * path, checks every rule of events. A simulation needs bundle, entrypoint, parameters (or param_id) and seed; an
 * aggregation bundle, target and aggregation_id (or the task ids of its inputs, which it follows from). A path that is
 * given must be the one. Slices of *ev borrow from what was given, the schema and the arena. PM_EINVALID, PM_ELIMIT;
 * PM_EUSAGE: the schema is for reading only, or has no paths of this kind. */
int pm_key_complete(const struct pm_schema *schema, struct pm_event *ev, struct pm_arena *arena,
                    struct pm_error *err) PM_MUST_CHECK;

/* Does what is stored have another identity? Fields that only one of both has say nothing. If so, *err (PM_EDIFFERS)
 * names the field and both values; returns PM_OK else. */
int pm_key_compare(const struct pm_event *wanted, const struct pm_event *stored, struct pm_error *err) PM_MUST_CHECK;


#endif
