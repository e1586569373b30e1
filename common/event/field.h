/* field.h: fields.def as tables: which fields a type has, by name outside and by member inside. For the reader and
 * writer of JSON lines and the rules; the Avro codec expands fields.def itself. Read-only: any thread. */
#ifndef PM_EVENT_FIELD_H
#define PM_EVENT_FIELD_H

#include "common/event/event.h"

enum pm_field_kind { /* fields.def says what each is on the wire, in memory and in a line */
                     PM_FIELD_TEXT,
                     PM_FIELD_PATH,
                     PM_FIELD_PARAMS,
                     PM_FIELD_OBJECT,
                     PM_FIELD_TIME,
                     PM_FIELD_LONG,
                     PM_FIELD_SEED,
                     PM_FIELD_DOUBLE,
                     PM_FIELD_KIND,
                     PM_FIELD_SOURCE,
                     PM_FIELD_STATUS,
                     PM_FIELD_TEXTS,
                     PM_FIELD_PATHS,
                     PM_FIELD_DOUBLES,
                     PM_FIELD_OUTPUTS,
                     PM_FIELD_FAILURE,
};

struct pm_field {
    struct pm_slice name;
    enum pm_field_kind kind;
    enum pm_member member;
    bool required;
    uint16_t offset; /* of the member in struct pm_event */
};

struct pm_field_table {
    const struct pm_field *fields; /* in the order of fields.def */
    size_t count;
};
extern const struct pm_field_table pm_field_tables[PM_EVENT_TYPE_COUNT];
/* PM_HAS bits of the members that a type may have, and of those that it must have */
extern const uint64_t pm_fields_allowed[PM_EVENT_TYPE_COUNT];
extern const uint64_t pm_fields_required[PM_EVENT_TYPE_COUNT];

/* The field of that name, NULL when the type has none. A hash table a type, made on first use. */
const struct pm_field *pm_field_find(enum pm_event_type type, struct pm_slice name);

bool pm_field_known(struct pm_slice name); /* some type has it */

/* The member of an event that a field stands for. */
static inline void *pm_field_of(struct pm_event *ev, const struct pm_field *field)
{
    return (char *)ev + field->offset;
}
static inline const void *pm_field_of_const(const struct pm_event *ev, const struct pm_field *field)
{
    return (const char *)ev + field->offset;
}

const char *pm_member_name(enum pm_member member); /* its name outside: "error" for failure and status_error */

/* For "did you mean": the nearest field of the type, the nearest type; NULL when none is near. */
const char *pm_field_nearest(enum pm_event_type type, struct pm_slice name);
const char *pm_event_type_nearest(struct pm_slice name);

#endif
