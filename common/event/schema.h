/* schema.h: the schemas that are built in, and what identifies a schema: its Parsing Canonical Form and the CRC-64-AVRO
 * of that. Any thread. (pm_schema_fingerprint and pm_schema_json of codec.h are here, too.) */
#ifndef PM_EVENT_SCHEMA_H
#define PM_EVENT_SCHEMA_H

#include "common/event/codec.h"

/* Every released schema: X(TYPE, type, "file in schemas/", fingerprint). Never changed, only added to: records in logs
 * carry these numbers. A test computes them from schemas/ again. */
#define PM_SCHEMAS_RELEASED(X)                                                               \
    X(RESULT_COMPUTED, result_computed, "ResultComputed.v1.avsc", 0xfacb74f5ee01f792u)       \
    X(RESULT_DISCOVERED, result_discovered, "ResultDiscovered.v1.avsc", 0xb853819283ae6bd9u) \
    X(RESULT_REUSED, result_reused, "ResultReused.v1.avsc", 0x5be19f9c3a93f083u)             \
    X(RESULT_FAILED, result_failed, "ResultFailed.v1.avsc", 0x28cae8c542b708ddu)             \
    X(RESULTS_EXPECTED, results_expected, "ResultsExpected.v1.avsc", 0x3419c239e2213721u)    \
    X(RESULT_DELETED, result_deleted, "ResultDeleted.v1.avsc", 0xdd08b3de64354f42u)          \
    X(JOB_SUBMITTED, job_submitted, "JobSubmitted.v1.avsc", 0x98c7e4b4b5960ce4u)             \
    X(JOB_STATUS_CHANGED, job_status_changed, "JobStatusChanged.v1.avsc", 0x610a4808bc8a24dbu)

/* The type whose built-in schema has this fingerprint; false when none has. A few compares: it stands before every
 * record. */
static inline bool pm_schema_find(uint64_t fingerprint, enum pm_event_type *ret)
{
    switch (fingerprint) {
#define X(TYPE, type, file, fp) \
    case fp: *ret = PM_##TYPE; return true;
        PM_SCHEMAS_RELEASED(X)
#undef X
    default: return false;
    }
}

/* Appends the Parsing Canonical Form of a schema's JSON text (Avro 1.11 specification, "Transforming into Parsing
 * Canonical Form"). PM_ESCHEMA when the text is not JSON or not a schema by its outer form (names that nobody defined
 * are not looked for). */
int pm_schema_canonical(struct pm_slice json, struct pm_buf *out, struct pm_error *err) PM_MUST_CHECK;
uint64_t pm_schema_crc64(struct pm_slice bytes);
/* Both in one. */
int pm_schema_identify(struct pm_slice json, uint64_t *ret_fingerprint, struct pm_error *err) PM_MUST_CHECK;

#endif
