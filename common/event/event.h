/* event.h: what an event is, in memory. One flat struct serves all eight types: a type uses the
 * members its row of fields.def names, `has` says which of them are present. Text members are slices into the bytes the
 * event was read from (an Avro record, a JSON line, an arena); they end when those do. Arrays stay in their Avro form
 * and are walked with struct pm_array_iter.
 *
 *   JSON line --pm_event_from_json--> struct pm_event --pm_event_encode--> Avro record
 *   Avro record --pm_event_decode--> struct pm_event --pm_event_to_json--> JSON line
 */
#ifndef PM_EVENT_EVENT_H
#define PM_EVENT_EVENT_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"

/* Limits; one above is refused with the limit's name and value. */
#define PM_EVENT_BYTES_MAX (1024 * 1024)
#define PM_PATH_BYTES_MAX 1024
#define PM_JOB_ID_BYTES_MAX 256
#define PM_PARAMS_BYTES_MAX (64 * 1024)
#define PM_DIAGNOSTICS_BYTES_MAX (64 * 1024)
#define PM_OUTPUTS_MAX 1024
#define PM_INPUTS_MAX 10000
#define PM_EXPECTED_MAX 1000 /* paths in one ResultsExpected */

enum pm_event_type { /* the order is the strength of a claim on a result, strongest first, then the rest; used in the
                        index: never renumber */
                     PM_RESULT_COMPUTED,
                     PM_RESULT_DISCOVERED,
                     PM_RESULT_REUSED,
                     PM_RESULT_FAILED,
                     PM_RESULTS_EXPECTED,
                     PM_RESULT_DELETED,
                     PM_JOB_SUBMITTED,
                     PM_JOB_STATUS_CHANGED,
                     PM_EVENT_TYPE_COUNT
};

enum pm_kind { PM_KIND_SIM, PM_KIND_AGG };
enum pm_source { PM_SOURCE_LOCAL, PM_SOURCE_REMOTE, PM_SOURCE_SCHEDULER, PM_SOURCE_JOB };
enum pm_status {
    PM_STATUS_PENDING,
    PM_STATUS_RUNNING,
    PM_STATUS_SUCCEEDED,
    PM_STATUS_PARTIAL,
    PM_STATUS_FAILED,
    PM_STATUS_CANCELLED
};

/* Every member of struct pm_event that an event can carry; the bit of member m is PM_HAS(m). Never renumber: bits are
 * in the index. */
#define PM_EVENT_MEMBERS(X)                                                                                      \
    X(job_id)                                                                                                    \
    X(occurred_at)                                                                                               \
    X(event_id)                                                                                                  \
    X(worker) X(result) X(kind) X(schema) X(schema_version) X(bundle_ref) X(bundle_digest) X(model_digest)       \
        X(entrypoint) X(param_id) X(params) X(seed) X(target) X(target_digest) X(aggregation_id) X(loss)         \
            X(n_replicates) X(task_id) X(outputs) X(inputs) X(input_task_ids) X(replicate_losses) X(diagnostics) \
                X(duration_us) X(env_digest) X(source) X(stored_at) X(failure) X(results) X(reason) X(job_type)  \
                    X(targets) X(parents) X(definition_hash) X(input_hash) X(job_inputs) X(provider_id)          \
                        X(provider_model) X(user) X(rerun_of) X(metadata) X(status) X(status_error)

enum pm_member {
#define X(m) PM_M_##m,
    PM_EVENT_MEMBERS(X)
#undef X
        PM_MEMBER_COUNT
};
_Static_assert(PM_MEMBER_COUNT <= 64, "`has` is a uint64_t");
#define PM_HAS(m) ((uint64_t)1 << PM_M_##m)

/* An Avro array as its bytes: blocks of (count, items), ended by a zero count. `count` is the number of items over all
 * blocks. The encoder and the JSON reader write one block with a positive count; a foreign writer may use several, or
 * negative counts with sizes. */
struct pm_array {
    uint32_t count;
    struct pm_slice raw;
};

struct pm_output { /* one item of `outputs` */
    struct pm_slice name, checksum;
    int64_t size; /* bytes, >= 0 */
};

struct pm_failure { /* `error` of ResultFailed */
    struct pm_slice type, message;
    bool retryable;
};

struct pm_event {
    enum pm_event_type type;
    uint64_t has; /* PM_HAS bits; members without their bit are undefined */

    struct pm_slice job_id, worker;
    int64_t occurred_at;      /* microseconds since 1970 */
    struct pm_slice event_id; /* 32 lower-case hex digits */

    /* result fields */
    struct pm_slice result; /* the path */
    enum pm_kind kind;
    struct pm_slice schema;
    int64_t schema_version;
    struct pm_slice bundle_ref, bundle_digest; /* digest: 64 lower-case hex digits */
    struct pm_slice model_digest, entrypoint, param_id;
    struct pm_slice params; /* canonical JSON text: the bytes that param_id hashes */
    uint64_t seed;
    struct pm_slice target, target_digest, aggregation_id;

    /* what Computed, Discovered, Reused and Failed add */
    double loss; /* finite */
    int64_t n_replicates;
    struct pm_slice task_id;
    struct pm_array outputs;          /* struct pm_output */
    struct pm_array inputs;           /* paths */
    struct pm_array input_task_ids;   /* text */
    struct pm_array replicate_losses; /* double */
    struct pm_slice diagnostics;      /* JSON text of an object */
    int64_t duration_us;
    struct pm_slice env_digest;
    enum pm_source source;
    int64_t stored_at; /* microseconds since 1970 */
    struct pm_failure failure;

    struct pm_array results; /* paths of ResultsExpected */
    struct pm_slice reason;

    /* JobSubmitted (bundle_ref, bundle_digest, entrypoint as above) */
    struct pm_slice job_type;
    struct pm_array targets, parents; /* text */
    struct pm_slice definition_hash, input_hash;
    struct pm_slice job_inputs; /* JSON text of an object; the field's name is "inputs" */
    struct pm_slice provider_id, provider_model, user, rerun_of;
    struct pm_slice metadata; /* JSON text of an object */

    enum pm_status status;
    struct pm_slice status_error; /* the field's name is "error" */
};

static inline bool pm_event_has(const struct pm_event *ev, uint64_t bits) { return (ev->has & bits) == bits; }

/* Sets a member from a C text (NULL: not), and from a value that may not be given. */
#define PM_EVENT_SET_TEXT(ev, member, text)                                 \
    do {                                                                    \
        const char *given_text = (text);                                    \
        PM_EVENT_SET_IF(ev, member, given_text, pm_slice_cstr(given_text)); \
    } while (0)
#define PM_EVENT_SET_IF(ev, member, given, value) \
    do {                                          \
        if (given) {                              \
            (ev)->member = (value);               \
            (ev)->has |= PM_HAS(member);          \
        }                                         \
    } while (0)

const char *pm_event_type_name(enum pm_event_type type); /* "ResultComputed" */
const char *pm_kind_name(enum pm_kind kind);
const char *pm_source_name(enum pm_source source);
const char *pm_status_name(enum pm_status status);
/* false when the text names none of them */
bool pm_event_type_parse(struct pm_slice text, enum pm_event_type *ret);
bool pm_kind_parse(struct pm_slice text, enum pm_kind *ret);
bool pm_source_parse(struct pm_slice text, enum pm_source *ret);
bool pm_status_parse(struct pm_slice text, enum pm_status *ret);

/* ---- arrays (array.c) ---- */
struct pm_array_iter {
    const char *ptr, *end;
    int64_t left; /* items in the current block */
};
struct pm_array_iter pm_array_iter(struct pm_array array);
/* Each returns false at the end. The array must have been checked (pm_event_decode does) or built by the functions
 * below. */
bool pm_array_next_text(struct pm_array_iter *it, struct pm_slice *ret);
bool pm_array_next_double(struct pm_array_iter *it, double *ret);
bool pm_array_next_output(struct pm_array_iter *it, struct pm_output *ret);
/* Building: begin, add items, end. The finished array borrows from the arena. */
struct pm_array pm_array_of_texts(struct pm_arena *arena, const struct pm_slice *items, uint32_t count);
struct pm_array pm_array_of_doubles(struct pm_arena *arena, const double *items, uint32_t count);
struct pm_array pm_array_of_outputs(struct pm_arena *arena, const struct pm_output *items, uint32_t count);

/* ---- Avro (avro_codec.c): direct, bounds-checked, no allocation ---- */
/* Reads one whole record body of the newest released schema of `type`; bytes left over are PM_EFORMAT. Checks the form
 * (lengths, enum and union branches, array blocks), not the rules: call pm_event_check before believing it. On failure
 * *ret is undefined. */
int pm_event_decode(enum pm_event_type type, struct pm_slice body, struct pm_event *ret,
                    struct pm_error *err) PM_MUST_CHECK;
/* Appends the record body. Required members must be present (PM_CHECK). */
void pm_event_encode(const struct pm_event *ev, struct pm_buf *out);

/* ---- rules (event_check.c) ---- */
/* Every rule that an event must keep: required members for its type, members its type does not
 * have, limits, UTF-8, path form, 64-hex digests, finite doubles, ranges, params against param_id (re-hashed),
 * bundle_ref against bundle_digest. The same for lines and records from the log. PM_EINVALID or PM_ELIMIT with the
 * field's name, the value and the limit. */
int pm_event_check(const struct pm_event *ev, struct pm_error *err) PM_MUST_CHECK;
/* The path rule alone: 1..1024 bytes, no empty, "." or ".." segment, no NUL, no leading or trailing '/'. `field` names
 * it in the text. */
int pm_path_check(const char *field, struct pm_slice path, struct pm_error *err) PM_MUST_CHECK;

/* For an event that somebody built member by member: fills in what §5 derives (param_id, bundle_digest, event_id; a
 * "sha256:" before the digest is taken off) and calls pm_event_check. occurred_at must be there, and counts in the id;
 * `params` must be canonical. What is filled in borrows from `arena`; `scratch` is overwritten. */
int pm_event_complete(struct pm_event *ev, struct pm_arena *arena, struct pm_buf *scratch,
                      struct pm_error *err) PM_MUST_CHECK;

/* ---- JSON lines (event_json.c) ---- */
/* Reads one line of `emit`: one JSON object, strict (no duplicate keys, no trailing text, valid UTF-8), unknown fields
 * refused by name with the nearest known one; fields that begin with '_' and the two that `replay` adds (_partition,
 * _offset) are ignored. Fills in what §5 derives: param_id, bundle_digest, event_id, and occurred_at = default_at_us
 * when absent. Calls pm_event_check. The event borrows from `line` and `arena`. */
int pm_event_from_json(struct pm_slice line, int64_t default_at_us, struct pm_arena *arena, struct pm_event *ret,
                       struct pm_error *err) PM_MUST_CHECK;
/* Appends the event as one JSON object without a newline, fields in the order of the contract's table, in the form that
 * from_json reads back to the same event. `extra` is put before the closing brace (",\"_partition\":0,\"_offset\":7")
 * and may be empty. */
void pm_event_to_json(const struct pm_event *ev, struct pm_slice extra, struct pm_buf *out);
/* An array of texts as a JSON array, as such a field is written there. */
void pm_texts_to_json(struct pm_array texts, struct pm_buf *out);

#endif
