/* avro_slow.h: records written with a schema that is not built in, but that resolves to one that is: an older or newer
 * version, or another producer's. Read with Avro C and written anew in our own form; some microseconds a record. A
 * writer belongs to one thread. */
#ifndef PM_EVENT_AVRO_SLOW_H
#define PM_EVENT_AVRO_SLOW_H

#include "common/event/event.h"

struct pm_writer;

/* From the JSON text of the writer's schema. The record's name (its namespace does not matter) says which type it is.
 * Fields are matched by name as Avro's schema resolution does: what only the writer knows is skipped, what it lacks is
 * absent (it must not be a required field); int, long, float and double widen, string and bytes are one, enums match by
 * symbol, unions by the branch in use. PM_ESCHEMA when it is no schema, no record of ours, or lacks a required field.
 */
int pm_writer_new(struct pm_slice schema_json, struct pm_writer **ret, struct pm_error *err) PM_MUST_CHECK;
void pm_writer_free(struct pm_writer *writer);

enum pm_event_type pm_writer_type(const struct pm_writer *writer);

/* One record body of the writer -> the same record as pm_event_encode writes it, in the arena. Lengths, counts,
 * branches and depth are checked before Avro C sees a byte. PM_EFORMAT when the bytes are not of this schema,
 * PM_ESCHEMA when a value does not fit ours. */
int pm_writer_translate(struct pm_writer *writer, struct pm_slice body, struct pm_arena *arena,
                        struct pm_slice *ret_body, struct pm_error *err) PM_MUST_CHECK;

#endif
