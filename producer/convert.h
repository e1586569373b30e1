/* convert.h: the structs of provmat.h -> struct pm_event (convert.c). One thread a call. */
#ifndef PM_PRODUCER_CONVERT_H
#define PM_PRODUCER_CONVERT_H

#include "producer/provmat.h"
#include "producer/record.h"

/* What the producer fills in where an event says nothing. */
struct pm_convert_defaults {
    const char *job_id, *worker; /* NULL: nothing */
    int64_t now_us;
};

/* Fills *ret from `given`, a struct provmat_* of the type (Computed and Discovered: struct provmat_computed). Complete
 * and checked (pm_event_complete). Borrows from `given`, the defaults and the maker. PM_EINVALID, PM_ELIMIT. Memory
 * that is needed on the way is bounded whatever is given. */
int pm_convert(enum pm_event_type type, const void *given, const struct pm_convert_defaults *defaults,
               struct pm_record_maker *maker, struct pm_event *ret, struct pm_error *err) PM_MUST_CHECK;

#endif
