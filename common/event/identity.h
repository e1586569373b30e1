/* identity.h: ids that follow from content (requirements H-01..H-04; golden vectors in section 22). */
#ifndef PM_EVENT_IDENTITY_H
#define PM_EVENT_IDENTITY_H

#include "common/base/json.h"
#include "common/event/event.h"

/* BLAKE2b-256, lower-case hex, over "contracts:param:v1|" + the canonical JSON text. */
void pm_param_id(struct pm_slice canonical_params, char out_hex[64]);

/* Reads a JSON object of parameters (flat: bool, int, float, string) and appends its canonical text: keys sorted by
 * code point, minimal separators, non-ASCII raw, integers with every digit, floats as Python's repr, -0.0 kept.
 * Duplicate keys, null, nesting, NaN, overflow ("1e999") are refused by name. */
int pm_params_canonical(struct pm_slice json, struct pm_buf *out, struct pm_error *err) PM_MUST_CHECK;

/* The same for the object at the cursor of a line that is being read. */
int pm_params_read(struct pm_json *in, struct pm_buf *out, struct pm_error *err) PM_MUST_CHECK;

/* Is `text` exactly what pm_params_canonical writes (PM_EINVALID, PM_ELIMIT, PM_EFORMAT else), and which id has it? For
 * every event from the log: a single pass without allocation unless there are escapes, and a text that this thread has
 * verified lately is only compared. */
int pm_params_verify(struct pm_slice text, char out_id[64], struct pm_error *err) PM_MUST_CHECK;

/* The same when an id came with the text: PM_EINVALID when they do not agree. Remembers by a 64-bit sum, for about a
 * million pairs in 8 MiB that all threads share, what was verified: most events of a log name a parameter set again.
 * `sum` is what pm_params_glance gave for the two, best some time before: it brings the place in that memory near. */
uint64_t pm_params_glance(struct pm_slice text, struct pm_slice id);
int pm_params_verify_id(struct pm_slice text, struct pm_slice id, uint64_t sum, struct pm_error *err) PM_MUST_CHECK;

/* One parameter's canonical JSON text out of canonical params; false when there is none of that name. Borrows from
 * `params`. */
bool pm_params_get(struct pm_slice canonical_params, struct pm_slice name, struct pm_slice *ret_value);

/* "[REPOSITORY@]sha256:HEX" -> the 64 lower-case hex digits (a slice into `ref`); PM_EINVALID else. */
int pm_bundle_ref_digest(struct pm_slice ref, struct pm_slice *ret_digest, struct pm_error *err) PM_MUST_CHECK;

/* Without the "sha256:" that may stand before a digest. */
struct pm_slice pm_digest_digits(struct pm_slice digest);

/* Fills in what an event may leave out and others would miss: bundle_digest from bundle_ref, param_id from params
 * (copied to `arena`). What is there stays; whether it agrees is pm_event_check's to say. */
int pm_event_derive(struct pm_event *ev, struct pm_arena *arena, struct pm_error *err) PM_MUST_CHECK;

/* The default event_id: first 128 bits of BLAKE2b over "provmat:event:v1|" + the type's name + "|" + the Avro record of
 * the event with event_id of 32 zeros, and with occurred_at 0 when the line did not give it (so that the same line
 * emitted twice is the same event). `scratch` is overwritten. */
void pm_event_derive_id(const struct pm_event *ev, bool occurred_at_given, struct pm_buf *scratch, char out_hex[32]);
/* What pm_event_encode would write of the event with its id, and with the time 0 where none was given: it was encoded
 * for the id. Ends with the next use of `scratch`, which nobody has used since. */
struct pm_slice pm_event_derived_body(const struct pm_event *ev, const struct pm_buf *scratch);

#endif
