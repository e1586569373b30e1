/* record.h: the compact record: what the index keeps of one result (docs/formats/index.md). It holds the facts of the
 * result's *primary* event, the strongest then earliest that names it, with that event's stamp. Short texts that repeat
 * are interned: the record holds their numbers (names.h).
 *
 *   struct pm_event --consumer/prepare.c--> struct pm_record --pm_record_encode--> bytes in `records`
 * --pm_record_decode--> struct pm_record
 */
#ifndef PM_STORE_RECORD_H
#define PM_STORE_RECORD_H

#include "common/event/event.h"

/* What can be interned; part of the key in `names`: never renumber. */
enum pm_name_kind {
    PM_NAME_JOB,
    PM_NAME_SCHEMA,
    PM_NAME_BUNDLE,
    PM_NAME_MODEL,
    PM_NAME_ENTRYPOINT,
    PM_NAME_TARGET,
    PM_NAME_TARGET_DIGEST,
    PM_NAME_OUTPUT,
    PM_NAME_KIND_COUNT
};

/* The fields of a record; bits of `present`, and field numbers in `side_facts`: never renumber. */
enum pm_field {
    PM_FIELD_KIND,
    PM_FIELD_SCHEMA,
    PM_FIELD_SCHEMA_VERSION,
    PM_FIELD_BUNDLE,
    PM_FIELD_MODEL,
    PM_FIELD_ENTRYPOINT,
    PM_FIELD_PARAM_ID,
    PM_FIELD_PARAMS,
    PM_FIELD_SEED,
    PM_FIELD_TARGET,
    PM_FIELD_TARGET_DIGEST,
    PM_FIELD_AGGREGATION_ID,
    PM_FIELD_LOSS,
    PM_FIELD_N_REPLICATES,
    PM_FIELD_OUTPUTS,
    PM_FIELD_COUNT
};
#define PM_FIELD_BIT(f) (1u << (f))
/* Fields whose difference is another identity, and those whose difference is another outcome. */
#define PM_FIELDS_OBSERVED \
    (PM_FIELD_BIT(PM_FIELD_LOSS) | PM_FIELD_BIT(PM_FIELD_N_REPLICATES) | PM_FIELD_BIT(PM_FIELD_OUTPUTS))
const char *pm_field_name(enum pm_field field);

#define PM_CLASS_UNKNOWN 7 /* no event gave facts: the result is only expected or deleted */
#define PM_EVENT_ID_BYTES 16

/* Which event a fact comes from. Order: see pm_stamp_cmp. */
struct pm_stamp {
    uint8_t type; /* enum pm_event_type of a result's four fact-giving types, or PM_CLASS_UNKNOWN */
    int64_t at;
    uint8_t event_id[PM_EVENT_ID_BYTES];
    uint32_t job1; /* job number + 1; 0: none */
};
/* < 0: `a` is the stronger (Computed > Discovered > Reused > Failed), then the earlier. */
int pm_stamp_cmp(const struct pm_stamp *a, const struct pm_stamp *b);

struct pm_record {
    struct pm_stamp stamp;
    bool moved;      /* a later version of result `result`: its number is not the record's */
    uint64_t result; /* when moved */
    struct pm_slice path;
    unsigned present; /* PM_FIELD_BITs */
    enum pm_kind kind;
    uint32_t schema, bundle, model, entrypoint, target, target_digest; /* name numbers */
    int64_t schema_version;
    struct pm_slice
        param_id; /* text; ptr NULL after decoding when it follows from params; 32 bytes when param_id_raw */
    bool param_id_raw;
    struct pm_slice params, aggregation_id;
    uint64_t seed;
    double loss;
    int64_t n_replicates;
    struct pm_slice outputs; /* in the record's own form (pm_outputs_*) */
};

/* Appends the encoded record. `bundle_digest`: the text behind rec->bundle (for the path's short form), may be empty.
 * `target` likewise. */
void pm_record_encode(const struct pm_record *rec, struct pm_slice bundle_digest, struct pm_slice target,
                      struct pm_buf *out);

/* Appends the bytes of an encoded, not moved record as a later version of `result`. */
void pm_record_moved(struct pm_slice encoded, uint64_t result, struct pm_buf *out);

/* Reads all but the path. Slices borrow from `bytes`. PM_ECORRUPT. */
int pm_record_decode(struct pm_slice bytes, struct pm_record *ret, struct pm_slice *ret_path_form,
                     struct pm_error *err) PM_MUST_CHECK;
/* The path out of its short form: needs the texts behind bundle and target (empty when the record has none). Borrows
 * from `arena` or from `path_form`. */
struct pm_slice pm_record_path(const struct pm_record *rec, struct pm_slice path_form, struct pm_slice bundle_digest,
                               struct pm_slice target, struct pm_arena *arena);

/* The param_id's text, wherever it stands (`hex` may be written to); ptr NULL when the record has none. */
struct pm_slice pm_record_param_id(const struct pm_record *rec, char hex[64]);

/* ---- outputs: varint count, then per output: name number, size, checksum ---- */
struct pm_record_output {
    uint32_t name;
    int64_t size;
    struct pm_slice checksum; /* raw: 32 bytes of a 64-digit hex text; else the text */
    bool hex;
};
void pm_outputs_begin(struct pm_buf *out, uint32_t count);
void pm_outputs_add(struct pm_buf *out, uint32_t name, int64_t size, struct pm_slice checksum_text);
/* Walks: `*cursor` starts as the slice; false at the end or when it is broken. */
bool pm_outputs_start(struct pm_slice outputs, struct pm_slice *cursor, uint32_t *ret_count);
bool pm_outputs_next(struct pm_slice *cursor, struct pm_record_output *ret);
/* The checksum as text, into `arena` when it was packed. */
struct pm_slice pm_outputs_checksum(const struct pm_record_output *output, struct pm_arena *arena);

/* ---- one field's value as bytes: what side_facts keeps, and what two events are compared by ---- */
/* Appends the value of a present field in canonical bytes: equal bytes = equal value. */
void pm_record_field_put(const struct pm_record *rec, enum pm_field field, struct pm_buf *out);
/* Sets the field from such bytes (and its `present` bit). PM_ECORRUPT. */
int pm_record_field_set(struct pm_record *rec, enum pm_field field, struct pm_slice value,
                        struct pm_error *err) PM_MUST_CHECK;

/* Two 64-bit sums of an event's facts: equal sums = nothing new (consumer/apply.c). Over `present` and the values. */
uint64_t pm_record_identity_sum(const struct pm_record *rec);
uint64_t pm_record_observed_sum(const struct pm_record *rec); /* 0 when no observed field is present */

#endif
